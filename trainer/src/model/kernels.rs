//! By what the layers are computed: the choice among ways that give the same numbers but for rounding.

use quanci_torch_ext::fused;
use tch::{Device, Kind, TchError, Tensor};

use super::attention::AttentionKernel;
use super::config::{Activation, ModelConfig};
use super::parts::{self, Linear, Made, Norm, NormForm, activate, torch};

/// By what the layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    /// Attention.
    pub attention: AttentionKernel,
    /// What lies between the products.
    pub pointwise: Pointwise,
}

/// How what lies between the matrix products is computed: biases, activation, dropout, residual sums, LayerNorm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// Each by an operation of libtorch.
    Separate,
    /// One pass from product to product (`quanci_torch_ext::fused`): kernels of our own on CUDA.
    Fused,
}

/// One tensor for two readers, the next product and the next residual sum. Where [`Pointwise::Fused`] made it, each sends its
/// gradient to a handle of its own.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) product: Tensor,
    pub(super) residual: Tensor,
}

impl Kernels {
    /// The fastest for a model of `config` that computes in `kind` on `device`.
    pub fn fastest(config: &ModelConfig, device: Device, kind: Kind) -> Kernels {
        let widths = [config.embedding_width(), config.hidden_size, config.intermediate_size];
        let whole_packs = widths.iter().all(|width| width % 8 == 0);
        let pointwise = if device.is_cuda() && whole_packs { Pointwise::Fused } else { Pointwise::Separate };
        let head_size = config.hidden_size / config.num_attention_heads;
        Kernels { attention: AttentionKernel::fastest(head_size, device, kind), pointwise }
    }
}

impl From<Tensor> for Hidden {
    fn from(tensor: Tensor) -> Hidden {
        Hidden { residual: tensor.shallow_clone(), product: tensor }
    }
}

impl From<[Tensor; 2]> for Hidden {
    fn from([product, residual]: [Tensor; 2]) -> Hidden {
        Hidden { product, residual }
    }
}

impl Pointwise {
    /// `norm(dropout(linear(x)) + residual)`: `x` `[n, from]`, `residual` `[n, H]`.
    pub(super) fn add_norm(
        self,
        x: &Tensor,
        linear: &Linear,
        residual: &Tensor,
        norm: &Norm,
        dropout: f64,
    ) -> Result<Hidden, TchError> {
        let NormForm::Biased { epsilon } = norm.form else {
            return separate_add_norm(x, linear, residual, norm, dropout);
        };
        if self == Pointwise::Separate {
            return separate_add_norm(x, linear, residual, norm, dropout);
        }
        let projected = x.f_linear(&linear.weight, None::<&Tensor>)?;
        let (bias, weight, shift) = (&linear.bias, &norm.weight, &norm.bias);
        let args = fused::AddNorm { projected: &projected, bias, residual, weight, shift, dropout, epsilon };
        fused::add_norm(args).map(Hidden::from).map_err(torch)
    }

    /// `activation(linear(x))`: `[n, from]` to `[n, to]`.
    pub(super) fn activated(self, x: &Tensor, linear: &Linear, activation: Activation) -> Made {
        if self == Pointwise::Separate {
            return activate(&linear.forward(x)?, activation);
        }
        let activation = match activation {
            Activation::Gelu => fused::Activation::Gelu,
            Activation::GeluNew => fused::Activation::GeluTanh,
            Activation::Relu => fused::Activation::Relu,
        };
        let product = x.f_linear(&linear.weight, None::<&Tensor>)?;
        fused::bias_activation(&product, &linear.bias, activation).map_err(torch)
    }

    /// `linear(x)` in three parts: `[n, from]` to three of `[n, to / 3]`, views of one tensor.
    pub(super) fn in_three(self, x: &Tensor, linear: &Linear) -> Result<[Tensor; 3], TchError> {
        if self == Pointwise::Fused {
            return fused::linear_in_three(x, &linear.weight, &linear.bias).map_err(torch);
        }
        // Views, no copies: reshaped to three and unbound, so that the gradient is one stack.
        let product = linear.forward(x)?;
        let (rows, columns) = product.size2()?;
        let parts = product.f_view([rows, 3, columns / 3])?.f_unbind(1)?;
        let parts: Result<[Tensor; 3], _> = parts.try_into();
        parts.map_err(|_| TchError::Torch("three parts were asked for".to_owned()))
    }
}

fn separate_add_norm(
    x: &Tensor,
    linear: &Linear,
    residual: &Tensor,
    norm: &Norm,
    dropout: f64,
) -> Result<Hidden, TchError> {
    let projected = parts::dropout(linear.forward(x)?, dropout)?;
    norm.forward(&projected.f_add(residual)?).map(Hidden::from)
}
