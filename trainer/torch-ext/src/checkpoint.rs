//! Activation checkpointing: memory for work.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::error::Error;
use crate::ffi;
use crate::tensors;

type Function = Mutex<Box<dyn Fn(&[Tensor]) -> Tensor + Send>>;

/// `f(inputs)`, of which autograd keeps the inputs alone: on the way back `f` runs once more, on the same random
/// numbers, and records what it does. The gradients are those of `f(inputs)` to the bit.
///
/// Only gradients of `inputs` and of the leaves that `f` uses (its parameters) come out of it: a tensor with a history
/// must be among the inputs. If no input requires a gradient, or none is recorded, it is a plain call of `f`. `f` may
/// be called and dropped on a thread of autograd's: share parameters with it by `Tensor::shallow_clone`.
///
/// # Errors
/// If `f` panics in the forward pass; if it does in the backward pass, that pass fails.
pub fn checkpoint<F>(inputs: &[Tensor], f: F) -> Result<Tensor, Error>
where
    F: Fn(&[Tensor]) -> Tensor + Send + 'static,
{
    let function: Box<Function> = Box::new(Mutex::new(Box::new(f)));
    let list = tensors::pointers(inputs);
    // SAFETY: `list` and the tensors behind it live through the call. The function goes over to the shim, which calls
    // it through `run` and frees it through `drop_function`, once, whatever happens.
    tensors::take(unsafe {
        ffi::quanci_checkpoint(
            list.as_ptr(),
            list.len() as i64,
            Box::into_raw(function).cast(),
            run,
            drop_function,
        )
    })
}

extern "C" fn run(function: *mut c_void, inputs: *mut *mut C_tensor, count: i64) -> *mut C_tensor {
    // SAFETY: the pointer that `checkpoint` made, which the shim frees only when it no longer calls.
    let function = unsafe { &*function.cast::<Function>() };
    // SAFETY: `count` tensors that the shim has made for us, each with `new at::Tensor`.
    let inputs: Vec<Tensor> = unsafe {
        std::slice::from_raw_parts(inputs, usize::try_from(count).unwrap_or(0))
            .iter()
            .map(|&input| Tensor::from_ptr(input))
            .collect()
    };
    // A function that panicked once may run again: what it left behind is its own affair.
    let call = || function.lock().unwrap_or_else(PoisonError::into_inner)(&inputs);
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(mut output) => {
            let pointer = output.as_mut_ptr();
            std::mem::forget(output); // the shim frees it
            pointer
        }
        Err(_) => std::ptr::null_mut(),
    }
}

extern "C" fn drop_function(function: *mut c_void) {
    // SAFETY: the pointer that `checkpoint` made; the shim calls this once, last.
    let function = unsafe { Box::from_raw(function.cast::<Function>()) };
    // A panic in the destructor of something captured ends here.
    drop(catch_unwind(AssertUnwindSafe(|| drop(function))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_all;
    use tch::{Device, Kind};

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// A layer with dropout, on the way between two others; gives the loss and all gradients.
    fn gradients(checkpointed: bool, bf16: bool) -> (Tensor, Vec<Tensor>) {
        seed_all(11).unwrap();
        let weights: Vec<Tensor> =
            (0..4).map(|_| (Tensor::randn([8, 8], FLOAT) * 0.5).set_requires_grad(true)).collect();
        let x = Tensor::randn([3, 8], FLOAT);
        let mask = Tensor::rand([3, 8], FLOAT);
        // In bf16 the layer's weights have a history (the cast), so they are among the inputs.
        let kind = if bf16 { Kind::BFloat16 } else { Kind::Float };
        let first = x.matmul(&weights[0]).tanh().to_kind(kind);
        let layer = |inputs: &[Tensor]| {
            let hidden = inputs[0].matmul(&inputs[2]).gelu("none").dropout(0.3, true);
            (hidden.matmul(&inputs[3]) * &inputs[1]).dropout(0.3, true) + &inputs[0]
        };
        let inputs = [first, mask.to_kind(kind), weights[1].to_kind(kind), weights[2].to_kind(kind)];
        let middle = if checkpointed { checkpoint(&inputs, layer).unwrap() } else { layer(&inputs) };
        let last = middle.dropout(0.5, true).matmul(&weights[3].to_kind(kind));
        let loss = last.to_kind(Kind::Float).square().mean(Kind::Float);
        loss.backward();
        (loss, weights.iter().map(Tensor::grad).collect())
    }

    #[test]
    fn gradients_are_the_same_to_the_bit() {
        let _alone = crate::ops::tests::generator();
        for bf16 in [false, true] {
            let (loss, plain) = gradients(false, bf16);
            let next = Tensor::rand([1], FLOAT);
            let (again, checkpointed) = gradients(true, bf16);
            assert_eq!(loss, again);
            assert_eq!(plain, checkpointed);
            assert_eq!(next, Tensor::rand([1], FLOAT), "backward leaves the generator as it found it");
            assert!(plain.iter().all(|gradient| gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0));
        }
    }

    #[test]
    fn without_gradients_it_is_a_call() {
        let _alone = crate::ops::tests::generator();
        let x = Tensor::ones([2], FLOAT);
        let twice = |inputs: &[Tensor]| &inputs[0] * 2.0;
        assert_eq!(checkpoint(&[x.shallow_clone()], twice).unwrap(), &x * 2.0);
        let y = x.set_requires_grad(true);
        let output = tch::no_grad(|| checkpoint(&[y.shallow_clone()], twice).unwrap());
        assert!(!output.requires_grad());
    }

    #[test]
    fn panics_become_errors() {
        // The backward pass sets and restores the generator's state.
        let _alone = crate::ops::tests::generator();
        let x = Tensor::ones([2], FLOAT).set_requires_grad(true);
        let error = checkpoint(&[x.shallow_clone()], |_| panic!("on purpose")).unwrap_err();
        assert_eq!(error.to_string(), "the function that is checkpointed panicked");
        let second = std::sync::atomic::AtomicBool::new(false);
        let output = checkpoint(&[x], move |inputs| {
            assert!(!second.swap(true, std::sync::atomic::Ordering::Relaxed), "on purpose");
            inputs[0].exp()
        });
        let error = output.unwrap().sum(Kind::Float).f_backward().unwrap_err();
        assert!(error.to_string().contains("the function that is checkpointed panicked"), "{error}");
    }
}
