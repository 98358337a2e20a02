//! What the layers are made of: products and LayerNorm with their weights, and the nonlinearity.

use quanci_torch_ext::fused;
use tch::{TchError, Tensor};

use super::config::Activation;

/// What an operation of libtorch gives.
pub(super) type Made = Result<Tensor, TchError>;

/// What `quanci_torch_ext` says, as tch says it.
pub(super) fn torch(error: quanci_torch_ext::Error) -> TchError {
    TchError::Torch(error.to_string())
}

/// `dropout(x)`; `x` itself where nothing is left out.
pub(super) fn dropout(x: Tensor, share: f64) -> Made {
    if share > 0.0 { fused::dropout(&x, share).map_err(torch) } else { Ok(x) }
}

/// `x W^T + b`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

impl Linear {
    /// `[.., from]` to `[.., to]`.
    pub(super) fn forward(&self, x: &Tensor) -> Made {
        x.f_linear(&self.weight, Some(&self.bias))
    }

    /// The outputs `start..start + length` alone.
    pub(super) fn part(&self, start: i64, length: i64) -> Result<Linear, TchError> {
        Ok(Linear {
            weight: self.weight.f_narrow(0, start, length)?,
            bias: self.bias.f_narrow(0, start, length)?,
        })
    }
}

/// What a LayerNorm divides by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormForm {
    /// The root of the variance and this epsilon: BERT's, in every program but UER.
    Biased {
        /// Added to the variance.
        epsilon: f64,
    },
    /// The deviation, its sum divided by one less than the width, and this epsilon: UER's. It serves to compare with what UER
    /// computes; nothing is trained with it.
    Unbiased {
        /// Added to the deviation.
        epsilon: f64,
    },
}

/// LayerNorm over the last dimension; sums are in fp32 inside, whatever the kind.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) form: NormForm,
}

impl Norm {
    pub(super) fn forward(&self, x: &Tensor) -> Made {
        match self.form {
            NormForm::Biased { epsilon } => {
                x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), epsilon, true)
            }
            NormForm::Unbiased { epsilon } => {
                let last: &[i64] = &[-1];
                let centred = x.f_sub(&x.f_mean_dim(last, true, x.kind())?)?;
                let deviation = x.f_std_dim(last, true, true)?.f_add_scalar(epsilon)?;
                centred.f_div(&deviation)?.f_mul(&self.weight)?.f_add(&self.bias)
            }
        }
    }
}

/// The nonlinearity between two products.
pub(super) fn activate(x: &Tensor, activation: Activation) -> Made {
    match activation {
        Activation::Gelu => x.f_gelu("none"),
        Activation::GeluNew => x.f_gelu("tanh"),
        Activation::Relu => x.f_relu(),
    }
}
