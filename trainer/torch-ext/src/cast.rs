//! Parameters in another kind.

use std::ptr::null_mut;

use tch::{Kind, Tensor};

use crate::error::{Error, check};
use crate::{ffi, tensors};

/// Copies of `tensors` in `kind`, with autograd: each of `groups` says how many of them, in their order, are laid end to end
/// along their first dimension to make one result. All are copied by a few kernels, and so are their gradients back.
/// In a tensor's own kind, a group of one is the tensor itself.
///
/// # Errors
/// If the groups do not cover the tensors, the shapes of a group differ beyond their first dimension, or there is no memory
/// left.
pub fn cast(tensors: &[Tensor], groups: &[usize], kind: Kind) -> Result<Vec<Tensor>, Error> {
    if tensors.is_empty() || groups.contains(&0) || groups.iter().sum::<usize>() != tensors.len() {
        return Err(Error::Argument(format!("groups of {groups:?} do not cover {} tensors", tensors.len())));
    }
    let kind = tensors::scalar_type(kind)?;
    let list = tensors::pointers(tensors);
    let groups: Vec<i64> = groups.iter().map(|&count| count as i64).collect();
    let mut out = vec![null_mut(); groups.len()];
    // SAFETY: the lists and the tensors live through the call; `out` has a place for a result of each group.
    check(unsafe {
        ffi::quanci_cast(
            list.as_ptr(),
            list.len() as i64,
            groups.as_ptr(),
            groups.len() as i64,
            kind,
            out.as_mut_ptr(),
        )
    })?;
    out.into_iter().map(tensors::take).collect()
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Results and gradients of a cast in groups are those of casts one by one.
    #[test]
    fn groups_are_laid_end_to_end() {
        for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
            let leaf = |shape: &[i64], from: i64| {
                let count: i64 = shape.iter().product();
                let values = Tensor::arange_start(from, from + count, (Kind::Float, Device::Cpu)) * 0.37;
                values.view(shape).set_requires_grad(true)
            };
            let make =
                || [leaf(&[2, 3], 0), leaf(&[4, 3], 6), leaf(&[5], 18), leaf(&[1, 3], 23), leaf(&[2], 26)];
            let (tensors, others) = (make(), make());
            let made = cast(&tensors, &[2, 1, 1, 1], kind).unwrap();
            let cast_one = |i: usize| others[i].to_kind(kind);
            let wanted = [Tensor::cat(&[cast_one(0), cast_one(1)], 0), cast_one(2), cast_one(3), cast_one(4)];
            let mut sums = Vec::new();
            for results in [&made[..], &wanted[..]] {
                // The third is not used: its gradient stays undefined.
                let used = [&results[0], &results[1], &results[3]];
                let sum: Tensor = used.iter().map(|tensor| (*tensor * *tensor).sum(Kind::Float)).sum();
                sum.backward();
                sums.push(sum.double_value(&[]));
            }
            assert!(made.iter().zip(&wanted).all(|(own, wanted)| own.kind() == kind && own.equal(wanted)));
            assert_eq!(sums[0], sums[1]);
            for (i, (own, other)) in tensors.iter().zip(&others).enumerate() {
                assert_eq!(own.grad().defined(), i != 3, "{kind:?} {i}");
                assert!(i == 3 || own.grad().equal(&other.grad()), "{kind:?} {i}");
            }
        }
    }

    /// A step casts once and goes backward through the casts for each of its micro-batches.
    #[test]
    fn several_backward_passes_add_up() {
        for kind in [Kind::Float, Kind::BFloat16] {
            let leaves: [Tensor; 3] = std::array::from_fn(|i| {
                Tensor::full([2, 2], i as f64, (Kind::Float, Device::Cpu)).set_requires_grad(true)
            });
            let made = cast(&leaves, &[2, 1], kind).unwrap();
            for _ in 0..3 {
                (made[0].sum(Kind::Float) + made[1].sum(Kind::Float) * 2.0).backward();
            }
            let gradients = leaves.each_ref().map(|leaf| leaf.grad().double_value(&[1, 1]));
            assert_eq!(gradients, [3.0, 3.0, 6.0], "{kind:?}");
        }
    }

    #[test]
    fn groups_cover_the_tensors() {
        let tensors = [Tensor::zeros([2], (Kind::Float, Device::Cpu))];
        assert!(cast(&tensors, &[2], Kind::Half).is_err());
        assert!(cast(&tensors, &[1, 0], Kind::Half).is_err());
        assert!(cast(&[], &[], Kind::Half).is_err());
        assert!(cast(&tensors, &[1], Kind::Int64).is_err());
    }
}
