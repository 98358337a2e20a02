//! Operations over lists of tensors that run as a few kernels rather than one a tensor, for optimizers. They change
//! their first list in place unless they return one, and autograd records none of them.

use std::borrow::Borrow;
use std::ffi::c_int;
use std::ptr::null_mut;

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use crate::error::{Error, check};
use crate::ffi;
use crate::tensors;

/// The numbers of an AdamW step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first and second moments.
    pub betas: (f64, f64),
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

/// What an AdamW step works on: equally many parameters, gradients, and first and second moments.
#[derive(Debug, Clone, Copy)]
pub struct AdamWTensors<'a> {
    /// Changed.
    pub parameters: &'a [Tensor],
    /// Left as they are, unless `grad_scale` divides them.
    pub gradients: &'a [Tensor],
    /// Changed.
    pub first_moments: &'a [Tensor],
    /// Changed.
    pub second_moments: &'a [Tensor],
    /// How many steps there were, this one included: one fp32 number on the parameters' device, for all of them.
    pub step: &'a Tensor,
}

/// One step of AdamW (Loshchilov and Hutter 2019) with bias correction, `at::_fused_adamw_`. The gradients are divided
/// by `grad_scale`; if `found_inf` is not 0, nothing changes.
pub fn fused_adamw(
    tensors: AdamWTensors<'_>,
    numbers: AdamW,
    grad_scale: Option<&Tensor>,
    found_inf: Option<&Tensor>,
) -> Result<(), Error> {
    let AdamWTensors { parameters, gradients, first_moments, second_moments, step } = tensors;
    let count = same_length(&[parameters, gradients, first_moments, second_moments])?;
    if count == 0 {
        return Ok(());
    }
    let lists = [parameters, gradients, first_moments, second_moments].map(tensors::pointers);
    // SAFETY: four lists of `count` tensors, which live through the call as do the others; null means absent.
    check(unsafe {
        ffi::quanci_fused_adamw(
            lists[0].as_ptr(),
            lists[1].as_ptr(),
            lists[2].as_ptr(),
            lists[3].as_ptr(),
            step.as_ptr(),
            count,
            numbers.lr,
            numbers.betas.0,
            numbers.betas.1,
            numbers.weight_decay,
            numbers.epsilon,
            tensors::pointer_or_null(grad_scale),
            tensors::pointer_or_null(found_inf),
        )
    })
    .map(drop)
}

/// Multiplies the gradients by `inverse_scale` (one fp32 number on their device), and returns one fp32 number: 1 if
/// any of them held an infinity or NaN, or else 0. What torch.amp.GradScaler does before a step.
pub fn amp_unscale(gradients: &[Tensor], inverse_scale: &Tensor) -> Result<Tensor, Error> {
    let found_inf = Tensor::f_zeros([1], (Kind::Float, inverse_scale.device())).map_err(torch)?;
    let list = tensors::pointers(gradients);
    // SAFETY: the list and the tensors live through the call.
    let result = unsafe {
        let inverse_scale = inverse_scale.as_ptr();
        ffi::quanci_amp_unscale(list.as_ptr(), list.len() as i64, found_inf.as_ptr(), inverse_scale)
    };
    check(result).map(|_| found_inf)
}

/// The 2-norm of each of `n` tensors: `[n]`.
///
/// # Errors
/// If there are none.
pub fn foreach_norm<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor, Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call.
    tensors::take(unsafe { ffi::quanci_foreach_norm(list.as_ptr(), list.len() as i64) })
}

/// The 2-norm of all tensors as one vector: one number, on their device.
///
/// # Errors
/// If there are none.
pub fn global_norm<T: Borrow<Tensor>>(tensors: &[T]) -> Result<Tensor, Error> {
    foreach_norm(tensors)?.f_norm().map_err(torch)
}

/// Sets all to 0.
pub fn foreach_zero<T: Borrow<Tensor>>(tensors: &[T]) -> Result<(), Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_zero(list, count) })
}

/// Lets tensors have no gradient: the next backward pass gives them theirs instead of adding to one.
pub fn drop_gradients<T: Borrow<Tensor>>(tensors: &[T]) -> Result<(), Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_drop_gradients(list, count) })
}

/// `t *= factor`
pub fn foreach_mul(tensors: &[Tensor], factor: f64) -> Result<(), Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_mul(list, count, factor) })
}

/// `t *= factor`, which is one number on their device.
pub fn foreach_mul_tensor(tensors: &[Tensor], factor: &Tensor) -> Result<(), Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list, its tensors and the factor live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_mul_tensor(list, count, factor.as_ptr()) })
}

/// `t[i] *= factors[i]`
pub fn foreach_mul_each(tensors: &[Tensor], factors: &[f64]) -> Result<(), Error> {
    if tensors.len() != factors.len() {
        return Err(Error::Argument(format!("{} tensors, {} factors", tensors.len(), factors.len())));
    }
    let list = tensors::pointers(tensors);
    // SAFETY: the list, its tensors and as many factors live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_mul_each(list, count, factors.as_ptr()) })
}

/// `t += term`
pub fn foreach_add(tensors: &[Tensor], term: f64) -> Result<(), Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_add(list, count, term) })
}

/// `t[i] += alpha * other[i]`
pub fn foreach_add_list(tensors: &[Tensor], other: &[Tensor], alpha: f64) -> Result<(), Error> {
    same_length(&[tensors, other])?;
    let (list, other) = (tensors::pointers(tensors), tensors::pointers(other));
    // SAFETY: two lists of one length live through the call with their tensors.
    nonempty(&list, |list, count| unsafe { ffi::quanci_foreach_add_list(list, other.as_ptr(), count, alpha) })
}

/// `t[i] += value * a[i] * b[i]`
pub fn foreach_addcmul(tensors: &[Tensor], a: &[Tensor], b: &[Tensor], value: f64) -> Result<(), Error> {
    same_length(&[tensors, a, b])?;
    let (list, a, b) = (tensors::pointers(tensors), tensors::pointers(a), tensors::pointers(b));
    // SAFETY: three lists of one length live through the call with their tensors.
    nonempty(&list, |list, count| unsafe {
        ffi::quanci_foreach_addcmul(list, a.as_ptr(), b.as_ptr(), count, value)
    })
}

/// The roots, as new tensors.
pub fn foreach_sqrt(tensors: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let list = tensors::pointers(tensors);
    // SAFETY: the list and its tensors live through the call; `out` has a place for each.
    made(&list, |list, count, out| unsafe { ffi::quanci_foreach_sqrt(list, count, out) })
}

/// `t[i] / other[i]`, as new tensors.
pub fn foreach_div(tensors: &[Tensor], other: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    same_length(&[tensors, other])?;
    let (list, other) = (tensors::pointers(tensors), tensors::pointers(other));
    // SAFETY: two lists of one length live through the call with their tensors; `out` has a place for each.
    made(&list, |list, count, out| unsafe { ffi::quanci_foreach_div(list, other.as_ptr(), count, out) })
}

/// libtorch refuses empty lists; for us there is nothing to do.
fn nonempty(list: &[*const C_tensor], call: impl FnOnce(ffi::List, i64) -> c_int) -> Result<(), Error> {
    if list.is_empty() { Ok(()) } else { check(call(list.as_ptr(), list.len() as i64)).map(drop) }
}

/// For calls that make as many tensors as they are given.
fn made(
    list: &[*const C_tensor],
    call: impl FnOnce(ffi::List, i64, *mut *mut C_tensor) -> c_int,
) -> Result<Vec<Tensor>, Error> {
    let mut out = vec![null_mut(); list.len()];
    nonempty(list, |list, count| call(list, count, out.as_mut_ptr()))?;
    out.into_iter().map(tensors::take).collect()
}

fn same_length(lists: &[&[Tensor]]) -> Result<i64, Error> {
    let lengths: Vec<usize> = lists.iter().map(|list| list.len()).collect();
    if lengths.iter().any(|&length| length != lengths[0]) {
        return Err(Error::Argument(format!("lists of tensors of unequal lengths: {lengths:?}")));
    }
    Ok(lengths[0] as i64)
}

fn torch(error: tch::TchError) -> Error {
    Error::Torch(crate::error::first_line(&error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use tch::Device;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// The tests' turn at the CPU's random generator, of which there is one a process.
    pub(crate) fn generator() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tensors(values: &[&[f32]]) -> Vec<Tensor> {
        values.iter().map(|values| Tensor::from_slice(values)).collect()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).view([-1])).unwrap()
    }

    #[test]
    fn adamw_is_its_formula() {
        let numbers = AdamW { lr: 0.01, betas: (0.9, 0.98), weight_decay: 0.1, epsilon: 1e-6 };
        let (mut w, mut m, mut v) = ([0.5f64, -1.5, 2.0], [0.0f64; 3], [0.0f64; 3]);
        let p = tensors(&[&[0.5, -1.5], &[2.0]]);
        let (first, second) = (tensors(&[&[0.0; 2], &[0.0]]), tensors(&[&[0.0; 2], &[0.0]]));
        for t in 1..=25 {
            let g: Vec<f64> = (0..3).map(|i| (f64::from(t) * 0.7 + i as f64).sin()).collect();
            for i in 0..3 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.98 * v[i] + 0.02 * g[i] * g[i];
                let (m_hat, v_hat) = (m[i] / (1.0 - 0.9f64.powi(t)), v[i] / (1.0 - 0.98f64.powi(t)));
                w[i] -= 0.01 * (m_hat / (v_hat.sqrt() + 1e-6) + 0.1 * w[i]);
            }
            let g = tensors(&[&[g[0] as f32, g[1] as f32], &[g[2] as f32]]);
            let step = Tensor::from(t as f32);
            let tensors = AdamWTensors {
                parameters: &p,
                gradients: &g,
                first_moments: &first,
                second_moments: &second,
                step: &step,
            };
            fused_adamw(tensors, numbers, None, None).unwrap();
        }
        let found = values(&Tensor::cat(&p, 0));
        assert!(found.iter().zip(&w).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {w:?}");
    }

    #[test]
    fn adamw_scales_and_skips() {
        let numbers = AdamW { lr: 0.1, betas: (0.9, 0.999), weight_decay: 0.0, epsilon: 1e-8 };
        let stepped = |gradient: f32, scale: Option<f32>, found_inf: Option<f32>| {
            let p = tensors(&[&[1.0]]);
            let (g, m, v) = (tensors(&[&[gradient]]), tensors(&[&[0.0]]), tensors(&[&[0.0]]));
            let step = Tensor::from(1f32);
            let tensors = AdamWTensors {
                parameters: &p,
                gradients: &g,
                first_moments: &m,
                second_moments: &v,
                step: &step,
            };
            let (scale, found_inf) = (scale.map(Tensor::from), found_inf.map(Tensor::from));
            fused_adamw(tensors, numbers, scale.as_ref(), found_inf.as_ref()).unwrap();
            (values(&p[0])[0], values(&m[0])[0])
        };
        assert_eq!(stepped(8.0, Some(4.0), Some(0.0)), stepped(2.0, None, None));
        assert_eq!(stepped(8.0, Some(4.0), Some(1.0)), (1.0, 0.0));
    }

    #[test]
    fn norms() {
        let list = tensors(&[&[3.0, 4.0], &[0.0], &[12.0]]);
        assert_eq!(values(&foreach_norm(&list).unwrap()), [5.0, 0.0, 12.0]);
        assert_eq!(values(&global_norm(&list).unwrap()), [13.0]);
        assert!(global_norm::<Tensor>(&[]).is_err());
    }

    #[test]
    fn arithmetic() {
        let t = tensors(&[&[1.0, 4.0], &[9.0]]);
        let other = tensors(&[&[2.0, 2.0], &[3.0]]);
        foreach_mul(&t, 2.0).unwrap(); // 2 8 | 18
        foreach_mul_each(&t, &[0.5, 1.0]).unwrap(); // 1 4 | 18
        foreach_mul_tensor(&t, &Tensor::from(2f32)).unwrap(); // 2 8 | 36
        foreach_add(&t, 1.0).unwrap(); // 3 9 | 37
        foreach_add_list(&t, &other, -1.0).unwrap(); // 1 7 | 34
        foreach_addcmul(&t, &other, &other, 0.5).unwrap(); // 3 9 | 38.5
        assert_eq!(values(&Tensor::cat(&t, 0)), [3.0, 9.0, 38.5]);
        assert_eq!(values(&Tensor::cat(&foreach_div(&t, &other).unwrap(), 0))[0..2], [1.5, 4.5]);
        assert_eq!(values(&foreach_sqrt(&t).unwrap()[0])[1], 3.0);
        foreach_zero(&t).unwrap();
        assert_eq!(values(&Tensor::cat(&t, 0)), [0.0; 3]);
        foreach_zero::<Tensor>(&[]).unwrap();
    }

    #[test]
    fn unscaling_finds_what_is_not_finite() {
        let inverse = Tensor::from(0.5f32);
        let unscaled = |gradients: &[Tensor]| values(&amp_unscale(gradients, &inverse).unwrap())[0];
        let good = tensors(&[&[2.0, 4.0], &[6.0]]);
        assert_eq!(unscaled(&good), 0.0);
        assert_eq!(values(&Tensor::cat(&good, 0)), [1.0, 2.0, 3.0]);
        assert_eq!(unscaled(&tensors(&[&[2.0], &[f32::INFINITY]])), 1.0);
        assert_eq!(unscaled(&tensors(&[&[f32::NAN]])), 1.0);
    }

    #[test]
    fn errors_are_one_line_without_a_stack() {
        let (a, b) = ([Tensor::ones([2], FLOAT)], [Tensor::ones([3], FLOAT)]);
        let error = foreach_add_list(&a, &b, 1.0).unwrap_err().to_string();
        assert!(error.contains("must match the size") && !error.contains('\n'), "{error:?}");
        let error = foreach_add_list(&a, &[], 1.0).unwrap_err().to_string();
        assert_eq!(error, "lists of tensors of unequal lengths: [1, 0]");
    }
}
