//! Attention over rows that lie end to end, without padding ("varlen"): CUDA kernels of libtorch that tch does not wrap,
//! and one of our own.

use tch::Tensor;

use crate::error::Error;
use crate::ffi;
use crate::tensors;

/// Queries, keys and values of rows that lie end to end.
///
/// `query` is `[query tokens, heads, head size]`, `key` and `value` are `[key tokens, heads, head size]`. Row `i` has the
/// queries `query_offsets[i]..query_offsets[i + 1]` and the keys `key_offsets[i]..key_offsets[i + 1]`; both are
/// `[rows + 1]`, int32, on the same device.
#[derive(Debug, Clone, Copy)]
pub struct Varlen<'a> {
    /// `[query tokens, heads, head size]`.
    pub query: &'a Tensor,
    /// `[key tokens, heads, head size]`.
    pub key: &'a Tensor,
    /// `[key tokens, heads, head size]`.
    pub value: &'a Tensor,
    /// `[rows + 1]`, int32.
    pub query_offsets: &'a Tensor,
    /// `[rows + 1]`, int32.
    pub key_offsets: &'a Tensor,
    /// Queries of the row that has most.
    pub longest_query: i64,
    /// Keys of the row that has most.
    pub longest_key: i64,
    /// Share of the attention weights that is set to 0 (and the others scaled up); 0 outside training.
    pub dropout: f64,
}

/// FlashAttention (Dao 2023), `at::_flash_attention_forward`: bf16 and fp16 on NVIDIA Ampere and later, with autograd.
/// Returns `[query tokens, heads, head size]`.
///
/// # Errors
/// If libtorch has no such kernel for the tensors' device, kind or head size.
pub fn flash(varlen: Varlen<'_>) -> Result<Tensor, Error> {
    call(varlen, 0)
}

/// Memory-efficient attention (Rabe and Staats 2021, as in xFormers), `at::_efficient_attention_forward`: fp32, bf16
/// and fp16 on CUDA, with autograd. Returns `[query tokens, heads, head size]`.
///
/// # Errors
/// If libtorch has no such kernel for the tensors' device, kind or head size.
pub fn memory_efficient(varlen: Varlen<'_>) -> Result<Tensor, Error> {
    call(varlen, 1)
}

/// The most tokens of a row, and the numbers of a head, for [`short`].
pub const SHORT: (i64, i64) = (128, 64);

/// Attention of rows of at most 128 tokens with heads of 64: kernels of our own on CUDA (`csrc/kernels/attention.cu`), in bf16
/// and fp16; libtorch's operations row by row on a CPU, slowly. Dropout leaves out the same on both. With autograd. Returns
/// `[query tokens, heads, 64]`.
///
/// # Errors
/// If a row is longer, the heads have another size, or the kernel cannot be compiled for the device.
pub fn short(varlen: Varlen<'_>) -> Result<Tensor, Error> {
    call(varlen, 2)
}

/// Attention of rows of any length with heads of 64: kernels of our own on CUDA (`csrc/kernels/tiled_attention.cu`), in bf16 and
/// fp16; libtorch's operations row by row on a CPU, slowly. Dropout leaves out the same on both, and gradients have the same
/// bits each time. With autograd. Returns `[query tokens, heads, 64]`.
///
/// # Errors
/// If the heads have another size, or the kernel cannot be compiled for the device.
pub fn tiled(varlen: Varlen<'_>) -> Result<Tensor, Error> {
    call(varlen, 3)
}

fn call(varlen: Varlen<'_>, kind: i32) -> Result<Tensor, Error> {
    // SAFETY: the tensors live through the call.
    tensors::take(unsafe {
        ffi::quanci_varlen_attention(
            kind,
            varlen.query.as_ptr(),
            varlen.key.as_ptr(),
            varlen.value.as_ptr(),
            varlen.query_offsets.as_ptr(),
            varlen.key_offsets.as_ptr(),
            varlen.longest_query,
            varlen.longest_key,
            varlen.dropout,
        )
    })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// A CPU has neither kernel: that is an error with libtorch's words, not a crash.
    #[test]
    fn a_device_without_the_kernel_is_an_error() {
        let tokens = Tensor::ones([4, 2, 8], (Kind::Float, Device::Cpu));
        let offsets = Tensor::from_slice(&[0i32, 4]);
        let varlen = Varlen {
            query: &tokens,
            key: &tokens,
            value: &tokens,
            query_offsets: &offsets,
            key_offsets: &offsets,
            longest_query: 4,
            longest_key: 4,
            dropout: 0.0,
        };
        assert!(flash(varlen).is_err());
        assert!(memory_efficient(varlen).is_err());
    }
}
