//! A layer of a transformer encoder, with its weights in the kind that is computed in.

use tch::{TchError, Tensor};

use super::batch::Rows;
use super::config::Activation;
use super::kernels::{Hidden, Kernels};
use super::parts::{Linear, Made, Norm, NormForm};

/// What all layers share and training does not change.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerConfig {
    pub(super) heads: i64,
    pub(super) activation: Activation,
    pub(super) dropout: f64,
    pub(super) attention_dropout: f64,
    pub(super) norm: NormForm,
    pub(super) kernels: Kernels,
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
    pub(super) fn forward(&self, x: &Hidden, rows: &Rows, train: bool) -> Result<Hidden, TchError> {
        // One product of [T, H] by [H, 3H] keeps a GPU busier than three small ones.
        let parts = self.config.kernels.pointwise.in_three(&x.product, &self.qkv)?;
        let [query, key, value] = parts.each_ref().map(|part| self.by_heads(part));
        let mixed = self.attend([&query?, &key?, &value?], rows, rows, train)?;
        self.after_attention(&mixed, &x.residual, train)
    }

    /// The layer at the tokens `selected` of `x` alone (`[A, H]`, rows `selected_rows`): they attend to every token of
    /// their row.
    pub(super) fn forward_selected(
        &self,
        x: &Hidden,
        rows: &Rows,
        selected: &Tensor,
        selected_rows: &Rows,
        train: bool,
    ) -> Result<Hidden, TchError> {
        let (tokens, hidden) = x.product.size2()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        let x_selected = x.residual.f_index_select(0, selected)?;
        // Queries of the selected tokens alone; keys and values of all tokens, since every token may be attended to.
        let query = self.by_heads(&self.qkv.part(0, hidden)?.forward(&x_selected)?)?;
        let key_value = self.qkv.part(hidden, 2 * hidden)?.forward(&x.product)?;
        let key_value = key_value.f_view([tokens, 2, heads, size])?.f_unbind(1)?;
        let mixed = self.attend([&query, &key_value[0], &key_value[1]], selected_rows, rows, train)?;
        self.after_attention(&mixed, &x_selected, train)
    }

    /// `[n, H]` to `[n, heads, H / heads]`.
    fn by_heads(&self, x: &Tensor) -> Made {
        let (rows, hidden) = x.size2()?;
        x.f_view([rows, self.config.heads, hidden / self.config.heads])
    }

    fn attend(&self, tensors: [&Tensor; 3], queries: &Rows, keys: &Rows, train: bool) -> Made {
        let dropout = if train { self.config.attention_dropout } else { 0.0 };
        self.config.kernels.attention.attend(tensors, queries, keys, dropout)
    }

    /// From the attention's result and the layer's input, both `[n, H]`, to the layer's output.
    fn after_attention(&self, mixed: &Tensor, x: &Tensor, train: bool) -> Result<Hidden, TchError> {
        let LayerConfig { activation, dropout, kernels, .. } = self.config;
        let (pointwise, dropout) = (kernels.pointwise, if train { dropout } else { 0.0 });
        // Post-LayerNorm: the norm comes after the residual sum, as in the original BERT.
        let x = pointwise.add_norm(mixed, &self.attended, x, &self.attended_norm, dropout)?;
        let inner = pointwise.activated(&x.product, &self.up, activation)?;
        pointwise.add_norm(&inner, &self.down, &x.residual, &self.down_norm, dropout)
    }
}
