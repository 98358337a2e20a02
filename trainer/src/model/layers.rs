//! The parts of a transformer encoder, with their weights in the kind that is computed in.

use tch::{TchError, Tensor};

use super::attention::Kernel;
use super::batch::Rows;
use super::config::Activation;

/// What an operation of libtorch gives.
pub(super) type Made = Result<Tensor, TchError>;

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
    fn part(&self, start: i64, length: i64) -> Result<Linear, TchError> {
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

/// What all layers share and training does not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerConfig {
    pub(super) heads: i64,
    pub(super) activation: Activation,
    pub(super) dropout: f64,
    pub(super) attention_dropout: f64,
    pub(super) norm: NormForm,
    pub(super) kernel: Kernel,
}

/// A post-LayerNorm layer (Vaswani et al. 2017; google-research/bert, modeling.py, transformer_model).
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) config: LayerConfig,
    /// Query, key and value as one product: `[3 H, H]`.
    pub(super) qkv: Linear,
    pub(super) attended: Linear,
    pub(super) attended_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) down_norm: Norm,
}

/// Tensors of a layer.
pub(super) const LAYER_TENSORS: usize = 12;

impl Layer {
    /// Its tensors, for [`Layer::from_tensors`].
    pub(super) fn tensors(&self) -> [Tensor; LAYER_TENSORS] {
        let Layer { qkv, attended, attended_norm, up, down, down_norm, .. } = self;
        [
            &qkv.weight,
            &qkv.bias,
            &attended.weight,
            &attended.bias,
            &attended_norm.weight,
            &attended_norm.bias,
            &up.weight,
            &up.bias,
            &down.weight,
            &down.bias,
            &down_norm.weight,
            &down_norm.bias,
        ]
        .map(Tensor::shallow_clone)
    }

    /// A layer of the tensors that [`Layer::tensors`] gave.
    pub(super) fn from_tensors(config: LayerConfig, tensors: &[Tensor]) -> Layer {
        let linear =
            |at: usize| Linear { weight: tensors[at].shallow_clone(), bias: tensors[at + 1].shallow_clone() };
        let norm = |at: usize| Norm {
            weight: tensors[at].shallow_clone(),
            bias: tensors[at + 1].shallow_clone(),
            form: config.norm,
        };
        Layer {
            config,
            qkv: linear(0),
            attended: linear(2),
            attended_norm: norm(4),
            up: linear(6),
            down: linear(8),
            down_norm: norm(10),
        }
    }

    /// The layer at every token of `x`, `[T, H]`, whose rows are `rows`.
    pub(super) fn forward(&self, x: &Tensor, rows: &Rows, train: bool) -> Made {
        let (tokens, hidden) = x.size2()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        // One product of [T, H] by [H, 3H] keeps a GPU busier than three small ones; unbind makes views, no copies.
        let qkv = self.qkv.forward(x)?.f_view([tokens, 3, heads, size])?.f_unbind(1)?;
        let mixed = self.attend([&qkv[0], &qkv[1], &qkv[2]], rows, rows, train)?;
        self.after_attention(&mixed, x, train)
    }

    /// The layer at the tokens `selected` of `x` alone (`[A, H]`, rows `selected_rows`): they attend to every token of
    /// their row.
    pub(super) fn forward_selected(
        &self,
        x: &Tensor,
        rows: &Rows,
        selected: &Tensor,
        selected_rows: &Rows,
        train: bool,
    ) -> Made {
        let (tokens, hidden) = x.size2()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        let x_selected = x.f_index_select(0, selected)?;
        // Queries of the selected tokens alone; keys and values of all tokens, since every token may be attended to.
        let query = self.qkv.part(0, hidden)?.forward(&x_selected)?.f_view([-1, heads, size])?;
        let key_value = self.qkv.part(hidden, 2 * hidden)?.forward(x)?;
        let key_value = key_value.f_view([tokens, 2, heads, size])?.f_unbind(1)?;
        let mixed = self.attend([&query, &key_value[0], &key_value[1]], selected_rows, rows, train)?;
        self.after_attention(&mixed, &x_selected, train)
    }

    fn attend(&self, tensors: [&Tensor; 3], queries: &Rows, keys: &Rows, train: bool) -> Made {
        let dropout = if train { self.config.attention_dropout } else { 0.0 };
        self.config.kernel.attend(tensors, queries, keys, dropout)
    }

    /// From the attention's result and the layer's input, both `[n, H]`, to the layer's output.
    fn after_attention(&self, mixed: &Tensor, x: &Tensor, train: bool) -> Made {
        let dropout = self.config.dropout;
        let attended = self.attended.forward(mixed)?.f_dropout(dropout, train)?;
        // Post-LayerNorm: the norm comes after the residual sum, as in the original BERT.
        let x = self.attended_norm.forward(&attended.f_add(x)?)?;
        let inner = activate(&self.up.forward(&x)?, self.config.activation)?;
        let outer = self.down.forward(&inner)?.f_dropout(dropout, train)?;
        self.down_norm.forward(&outer.f_add(&x)?)
    }
}
