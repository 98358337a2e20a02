//! Tensors on their way to the shim and back.

use std::borrow::Borrow;

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use crate::error::{Error, last_failure};

/// Pointers to tensors, for as long as the tensors are borrowed by the caller.
pub(crate) fn pointers<T: Borrow<Tensor>>(tensors: &[T]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.borrow().as_ptr()).collect()
}

/// The same for a tensor that may be absent: null.
pub(crate) fn pointer_or_null(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// Takes a tensor that the shim has made; null is its failure.
pub(crate) fn take(tensor: *mut C_tensor) -> Result<Tensor, Error> {
    if tensor.is_null() {
        return Err(last_failure().into());
    }
    // SAFETY: the shim's functions that return a tensor have made it with `new at::Tensor` for us, as tch does.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

/// The number of a kind that is computed in, as at::ScalarType counts.
pub(crate) fn scalar_type(kind: Kind) -> Result<i32, Error> {
    match kind {
        Kind::Half => Ok(5),
        Kind::Float => Ok(6),
        Kind::BFloat16 => Ok(15),
        kind => Err(Error::Argument(format!("fp32, bf16 and fp16 are computed in, not {kind:?}"))),
    }
}
