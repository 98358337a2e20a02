//! Gradients summed over the ranks while the backward pass still computes others: c10d's Reducer, the heart of
//! PyTorch's DistributedDataParallel.

use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;
use std::rc::Rc;

use tch::Tensor;

use crate::error::{Error, c_string, check, last_failure};
use crate::ffi;
use crate::group::{Handle, ProcessGroup};
use crate::tensors;

/// Averages gradients over the ranks, bucket by bucket, as backward passes produce them (Li et al. 2020, "PyTorch
/// Distributed").
///
/// ```text
/// for each micro-batch:  prepare_forward(last)   forward   if last: prepare_backward()   backward
/// ```
///
/// Gradients become views into the buckets with the first backward pass. Zero them in place (`ops::foreach_zero`); tch's
/// `zero_grad` detaches them, which libtorch refuses for views. Every parameter must take part in every backward pass
/// that is reduced: leave those without gradient out.
#[derive(Debug)]
pub struct Reducer {
    raw: NonNull<ffi::Reducer>,
    /// Freed after the reducer, which uses it.
    _group: Rc<Handle>,
}

impl Reducer {
    /// Sets up hooks on `parameters` (name and leaf tensor), the same in the same order on every rank, and gives every
    /// rank the values of rank 0's. A bucket holds about `bucket_bytes` (DistributedDataParallel takes 25 MiB), the
    /// first at most 1 MiB.
    ///
    /// # Errors
    /// If the ranks' parameters differ, or one requires no gradient; [`Error::Ranks`] if a rank is gone.
    pub fn new(
        group: &ProcessGroup,
        parameters: &[(String, Tensor)],
        bucket_bytes: usize,
    ) -> Result<Reducer, Error> {
        if let Some((name, _)) = parameters.iter().find(|(_, tensor)| !tensor.requires_grad()) {
            return Err(Error::Argument(format!("{name} requires no gradient: leave it out of the reducer")));
        }
        if parameters.is_empty() {
            return Err(Error::Argument("a reducer without parameters".to_owned()));
        }
        let tensors: Vec<&Tensor> = parameters.iter().map(|(_, tensor)| tensor).collect();
        let names: Vec<CString> =
            parameters.iter().map(|(name, _)| c_string(name)).collect::<Result<_, _>>()?;
        let (list, name_list) = (tensors::pointers(&tensors), names.iter().map(|name| name.as_ptr()));
        let name_list: Vec<*const c_char> = name_list.collect();
        let bucket_bytes = i64::try_from(bucket_bytes).unwrap_or(i64::MAX);
        // SAFETY: both lists are as long as said, and they, the tensors and the names live through the call; the
        // reducer keeps the tensors by references of its own. The group lives as long as the reducer.
        let raw = unsafe {
            let raw = group.raw();
            ffi::quanci_reducer_new(raw, list.as_ptr(), name_list.as_ptr(), list.len() as i64, bucket_bytes)
        };
        let raw = NonNull::new(raw).ok_or_else(|| group.explain(last_failure()))?;
        Ok(Reducer { raw, _group: group.handle() })
    }

    /// Before the forward pass of a micro-batch. `sync` says whether its backward pass is to reduce, which is the case
    /// for the last micro-batch of a step; the others accumulate gradients in this rank alone.
    pub fn prepare_forward(&self, sync: bool) -> Result<(), Error> {
        // SAFETY: the reducer lives.
        check(unsafe { ffi::quanci_reducer_prepare_forward(self.raw.as_ptr(), c_int::from(sync)) }).map(drop)
    }

    /// Before the backward pass that is to reduce. When that pass returns, the gradients are the mean over the ranks.
    pub fn prepare_backward(&self) -> Result<(), Error> {
        // SAFETY: the reducer lives.
        check(unsafe { ffi::quanci_reducer_prepare_backward(self.raw.as_ptr()) }).map(drop)
    }
}

impl Drop for Reducer {
    fn drop(&mut self) {
        // SAFETY: made by `quanci_reducer_new`, freed once, before the group.
        unsafe { ffi::quanci_reducer_free(self.raw.as_ptr()) };
    }
}
