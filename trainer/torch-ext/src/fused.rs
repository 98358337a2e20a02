//! What lies between the matrix products of a transformer layer, one pass over the data each: kernels of our own on CUDA
//! (`csrc/kernels/`, compiled by NVRTC for the device at hand), ATen's operations elsewhere. Both have derivatives.
//!
//! Dropout leaves out the same numbers on every device: which ones is a function of a seed, drawn from the CPU's generator
//! for each call, and of the place. Shares are rounded to multiples of 1/65,536, and what is kept is scaled accordingly.

use std::ptr::null_mut;

use tch::{Kind, Tensor};

use crate::error::{Error, check};
use crate::{ffi, tensors};

/// What [`add_norm`] takes: tensors of one kind, fp32, bf16 or fp16.
#[derive(Debug, Clone, Copy)]
pub struct AddNorm<'a> {
    /// A product without its bias, `[rows, width]`; on CUDA `width` is a multiple of 8.
    pub projected: &'a Tensor,
    /// The product's bias, `[width]`.
    pub bias: &'a Tensor,
    /// `[rows, width]`.
    pub residual: &'a Tensor,
    /// LayerNorm's factor, `[width]`.
    pub weight: &'a Tensor,
    /// What LayerNorm adds, `[width]`.
    pub shift: &'a Tensor,
    /// Share of the numbers that is set to 0 (and the others scaled up); 0 outside training.
    pub dropout: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

/// `LayerNorm(dropout(projected + bias) + residual)`, `[rows, width]`, twice: two handles of one tensor. Each has a gradient
/// of its own; give one to the next residual sum and the other to the next product, and the backward pass adds both up
/// on the way.
///
/// # Errors
/// If the shapes do not go together, there is no memory left, or the kernel cannot be compiled for the device.
pub fn add_norm(args: AddNorm<'_>) -> Result<[Tensor; 2], Error> {
    let mut out = [null_mut(); 2];
    // SAFETY: the tensors live through the call; `out` has a place for both results.
    check(unsafe {
        ffi::quanci_add_norm(
            args.projected.as_ptr(),
            args.bias.as_ptr(),
            args.residual.as_ptr(),
            args.weight.as_ptr(),
            args.shift.as_ptr(),
            args.dropout,
            args.epsilon,
            out.as_mut_ptr(),
        )
    })?;
    let [first, second] = out;
    Ok([tensors::take(first)?, tensors::take(second)?])
}

/// `dropout(x)`, of any shape: a share of the numbers is set to 0, and the others are scaled up. On a CPU with SIMD
/// instructions, and in fp32 without keeping what is left out for the backward pass; else by ATen.
///
/// # Errors
/// If `share` is not from 0 to below 1, or there is no memory left.
pub fn dropout(x: &Tensor, share: f64) -> Result<Tensor, Error> {
    // SAFETY: the tensor lives through the call.
    tensors::take(unsafe { ffi::quanci_dropout(x.as_ptr(), share) })
}

/// What [`embed`] takes; all but the integers in fp32.
#[derive(Debug, Clone, Copy)]
pub struct Embed<'a> {
    /// Rows of `words`: `[rows]`, int64.
    pub ids: &'a Tensor,
    /// Rows of `table`: `[rows]`, int64.
    pub positions: &'a Tensor,
    /// `[vocabulary, width]`; on CUDA `width` is a multiple of 8.
    pub words: &'a Tensor,
    /// `[.., width]`.
    pub table: &'a Tensor,
    /// LayerNorm's factor, `[width]`.
    pub weight: &'a Tensor,
    /// What LayerNorm adds, `[width]`.
    pub shift: &'a Tensor,
    /// Share of the numbers that is set to 0 (and the others scaled up); 0 outside training.
    pub dropout: f64,
    /// Added to the variance.
    pub epsilon: f64,
    /// The result's kind: fp32, bf16 or fp16.
    pub kind: Kind,
}

/// `dropout(LayerNorm(words[ids] + table[positions]))`, `[rows, width]`, twice, as [`add_norm`] gives it.
///
/// # Errors
/// If the shapes do not go together, there is no memory left, or the kernel cannot be compiled for the device.
pub fn embed(args: Embed<'_>) -> Result<[Tensor; 2], Error> {
    let kind = tensors::scalar_type(args.kind)?;
    let mut out = [null_mut(); 2];
    // SAFETY: the tensors live through the call; `out` has a place for both results.
    check(unsafe {
        ffi::quanci_embed(
            args.ids.as_ptr(),
            args.positions.as_ptr(),
            args.words.as_ptr(),
            args.table.as_ptr(),
            args.weight.as_ptr(),
            args.shift.as_ptr(),
            args.dropout,
            args.epsilon,
            kind,
            out.as_mut_ptr(),
        )
    })?;
    let [first, second] = out;
    Ok([tensors::take(first)?, tensors::take(second)?])
}

/// The activation after a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU, by the error function.
    Gelu,
    /// GELU, by tanh: google-research/bert's.
    GeluTanh,
    /// ReLU.
    Relu,
}

/// `activation(x + bias)`: `x` and the result `[rows, columns]`, on CUDA a multiple of 8 columns; `bias` `[columns]`.
///
/// # Errors
/// If the shapes do not go together, there is no memory left, or the kernel cannot be compiled for the device.
pub fn bias_activation(x: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor, Error> {
    let number = match activation {
        Activation::Gelu => 0,
        Activation::GeluTanh => 1,
        Activation::Relu => 2,
    };
    // SAFETY: the tensors live through the call.
    tensors::take(unsafe { ffi::quanci_bias_activation(x.as_ptr(), bias.as_ptr(), number) })
}

/// `x × weightᵀ + bias` in three parts side by side: `x` `[rows, from]`, `weight` `[3 to, from]`, `bias` `[3 to]`; each part
/// `[rows, to]`, a view of one tensor.
///
/// # Errors
/// If the shapes do not go together, there is no memory left, or the kernel cannot be compiled for the device.
pub fn linear_in_three(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<[Tensor; 3], Error> {
    let mut out = [null_mut(); 3];
    // SAFETY: the tensors live through the call; `out` has a place for the three results.
    check(unsafe {
        ffi::quanci_linear_in_three(x.as_ptr(), weight.as_ptr(), bias.as_ptr(), out.as_mut_ptr())
    })?;
    let [a, b, c] = out;
    Ok([tensors::take(a)?, tensors::take(b)?, tensors::take(c)?])
}
