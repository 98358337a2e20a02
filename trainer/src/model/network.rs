//! The computation: embeddings, post-LayerNorm layers, pooler and the two heads of pretraining (google-research/bert,
//! modeling.py and run_pretraining.py; names as in transformers, models/bert/modeling_bert.py).
//!
//! Shapes: B rows, T tokens in all of them, H hidden, E the width of embeddings (H but in an ALBERT), A selected tokens (`[CLS]` and masked), N masked tokens.

use quanci_torch_ext::fused;
use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, EMBEDDING_MAPPING};
use super::batch::{DeviceBatch, Rows};
use super::config::ModelConfig;
use super::kernels::{Hidden, Kernels, Pointwise};
use super::layers::{LAYER_TENSORS, Layer, LayerConfig};
use super::loss::Losses;
use super::parameters::Parameters;
use super::parts::{self, Linear, Made, Norm, NormForm, torch};

/// A BERT or an ALBERT with both heads, its weights in the kind that is computed in. It is made once a step from the fp32 parameters
/// (the master weights): the casts are recorded by autograd, so that gradients arrive at the parameters in fp32, and
/// each is made once however many micro-batches a step has.
#[derive(Debug)]
pub struct Network {
    kind: Kind,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    pooler: Linear,
    transform: Linear,
    transform_norm: Norm,
    /// The decoder's weights are the word embeddings, unless the config says otherwise.
    decoder: Linear,
    pair: Linear,
    dropout: f64,
    checkpointing: bool,
}

/// What the heads predict.
#[derive(Debug)]
pub struct Logits {
    /// `[N, vocabulary]`, at the masked tokens.
    pub masked: Tensor,
    /// `[B, 2]`; with an objective that has pairs.
    pub pairs: Option<Tensor>,
}

/// Sums of embeddings, and their LayerNorm, in fp32: their gradients are sums over many tokens.
#[derive(Debug)]
struct Embeddings {
    words: Tensor,
    /// `[segments * positions, E]`: the sum of both embeddings for each pair.
    positions: Tensor,
    norm: Norm,
    /// From E to H, in the kind that is computed in: an ALBERT's.
    mapping: Option<Linear>,
}

/// Takes parameters by their names in `BertForPreTraining`, cast.
struct Cast<'a> {
    parameters: &'a Parameters,
    architecture: Architecture,
    kind: Kind,
}

impl Cast<'_> {
    fn parameter(&self, name: &str) -> Made {
        let own = self.architecture.own_name(name);
        let found = self.parameters.get(&own).map(Tensor::shallow_clone);
        found.ok_or_else(|| TchError::Torch(format!("there is no parameter {own}")))
    }

    /// Each of `groups` parameters as one tensor, in one operation for all.
    fn groups(&self, names: &[String], groups: &[usize]) -> Result<Vec<Tensor>, TchError> {
        let tensors: Result<Vec<Tensor>, TchError> = names.iter().map(|name| self.parameter(name)).collect();
        quanci_torch_ext::cast(&tensors?, groups, self.kind).map_err(torch)
    }

    fn linear(&self, module: &str) -> Result<Linear, TchError> {
        let made = self.groups(&["weight", "bias"].map(|end| format!("{module}.{end}")), &[1, 1])?;
        Ok(Linear { weight: made[0].shallow_clone(), bias: made[1].shallow_clone() })
    }

    /// All layers, an ALBERT's from one set of tensors.
    fn layers(&self, model: &ModelConfig, config: LayerConfig) -> Result<Vec<Layer>, TchError> {
        if self.architecture == Architecture::Bert {
            return (0..model.num_hidden_layers).map(|index| self.layer(index, config)).collect();
        }
        let tensors = self.layer(0, config)?.tensors();
        Ok((0..model.num_hidden_layers).map(|_| Layer::from_tensors(config, &tensors)).collect())
    }

    fn layer(&self, index: i64, config: LayerConfig) -> Result<Layer, TchError> {
        let names = ["weight", "bias"]
            .map(|end| ["query", "key", "value"].map(|part| format!("attention.self.{part}.{end}")));
        let others = [
            "attention.output.dense",
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        ];
        let others = others.iter().flat_map(|part| ["weight", "bias"].map(|end| format!("{part}.{end}")));
        let names: Vec<String> = names
            .into_iter()
            .flatten()
            .chain(others)
            .map(|name| format!("bert.encoder.layer.{index}.{name}"))
            .collect();
        // Query, key and value are one product.
        let groups: [usize; LAYER_TENSORS] = [3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        Ok(Layer::from_tensors(config, &self.groups(&names, &groups)?))
    }
}

/// What comes after the layers.
struct Heads {
    pooler: Linear,
    transform: Linear,
    transform_norm: Norm,
    decoder: Linear,
    pair: Linear,
}

impl Heads {
    fn new(cast: &Cast<'_>, config: &ModelConfig, form: NormForm) -> Result<Heads, TchError> {
        let mut names = Vec::new();
        let modules = [
            "bert.pooler.dense",
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.seq_relationship",
        ];
        for module in modules {
            names.extend(["weight", "bias"].map(|end| format!("{module}.{end}")));
        }
        names.extend(if config.is_tied() {
            ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"].map(str::to_owned)
        } else {
            ["weight", "bias"].map(|end| format!("cls.predictions.decoder.{end}"))
        });
        let made = cast.groups(&names, &vec![1; names.len()])?;
        let linear =
            |at: usize| Linear { weight: made[at].shallow_clone(), bias: made[at + 1].shallow_clone() };
        let Linear { weight, bias } = linear(4);
        Ok(Heads {
            pooler: linear(0),
            transform: linear(2),
            transform_norm: Norm { weight, bias, form },
            pair: linear(6),
            decoder: linear(8),
        })
    }
}

impl Embeddings {
    fn new(cast: &Cast<'_>, norm: NormForm) -> Result<Embeddings, TchError> {
        let &Cast { parameters, architecture, .. } = cast;
        let fp32 = Cast { parameters, architecture, kind: Kind::Float };
        let get = |name: &str| fp32.parameter(&format!("bert.embeddings.{name}"));
        let (positions, segments) =
            (get("position_embeddings.weight")?, get("token_type_embeddings.weight")?);
        // Positions and segments as one table of [segments × positions, E]: one lookup per token instead of two.
        let sums = segments.f_unsqueeze(1)?.f_add(&positions.f_unsqueeze(0)?)?;
        Ok(Embeddings {
            words: get("word_embeddings.weight")?,
            positions: sums.f_flatten(0, 1)?,
            norm: Norm { weight: get("LayerNorm.weight")?, bias: get("LayerNorm.bias")?, form: norm },
            mapping: match architecture {
                Architecture::Bert => None,
                Architecture::Albert => Some(cast.linear(EMBEDDING_MAPPING)?),
            },
        })
    }

    /// `[T, H]` in `kind`.
    fn forward(
        &self,
        batch: &DeviceBatch,
        kind: Kind,
        dropout: f64,
        pointwise: Pointwise,
    ) -> Result<Hidden, TchError> {
        if let (Pointwise::Fused, NormForm::Biased { epsilon }, None) =
            (pointwise, self.norm.form, &self.mapping)
        {
            let args = fused::Embed {
                ids: &batch.ids,
                positions: &batch.positions,
                words: &self.words,
                table: &self.positions,
                weight: &self.norm.weight,
                shift: &self.norm.bias,
                dropout,
                epsilon,
                kind,
            };
            return fused::embed(args).map(Hidden::from).map_err(torch);
        }
        let words = Tensor::f_embedding(&self.words, &batch.ids, -1, false, false)?;
        let positions = Tensor::f_embedding(&self.positions, &batch.positions, -1, false, false)?;
        let embedded = self.norm.forward(&words.f_add(&positions)?)?.f_to_kind(kind)?;
        let embedded = parts::dropout(embedded, dropout)?;
        match &self.mapping {
            None => Ok(embedded.into()),
            Some(mapping) => mapping.forward(&embedded).map(Hidden::from),
        }
    }
}

impl Network {
    /// A network that computes in `kind`, of `parameters`. Layers forget what they computed and compute it again in the
    /// backward pass if `checkpointing`.
    ///
    /// # Errors
    /// If a parameter is missing, or the device has no memory left.
    pub(super) fn new(
        config: &ModelConfig,
        parameters: &Parameters,
        kind: Kind,
        kernels: Kernels,
        norm: NormForm,
        checkpointing: bool,
    ) -> Result<Network, TchError> {
        let layer_config = LayerConfig {
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            dropout: config.hidden_dropout_prob,
            attention_dropout: config.attention_probs_dropout_prob,
            norm,
            kernels,
        };
        let cast = Cast { parameters, architecture: config.architecture(), kind };
        let Heads { pooler, transform, transform_norm, decoder, pair } = Heads::new(&cast, config, norm)?;
        Ok(Network {
            kind,
            embeddings: Embeddings::new(&cast, norm)?,
            layers: cast.layers(config, layer_config)?,
            pooler,
            transform,
            transform_norm,
            decoder,
            pair,
            dropout: config.hidden_dropout_prob,
            checkpointing,
        })
    }

    fn pointwise(&self) -> Pointwise {
        self.layers[0].config.kernels.pointwise
    }

    /// Embeddings and all layers but the last `spare`: `[T, H]`.
    fn encode(&self, batch: &DeviceBatch, spare: usize, train: bool) -> Result<Hidden, TchError> {
        let dropout = if train { self.dropout } else { 0.0 };
        let mut x = self.embeddings.forward(batch, self.kind, dropout, self.pointwise())?;
        for layer in &self.layers[..self.layers.len() - spare] {
            x = if train && self.checkpointing {
                recomputed(layer, &x.product, &batch.rows)?.into()
            } else {
                layer.forward(&x, &batch.rows, train)?
            };
        }
        Ok(x)
    }

    /// The last layer's output at every token, `[T, H]`, and the pooled `[CLS]` of each row, `[B, H]`; fp32.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn features(&self, batch: &DeviceBatch) -> Result<(Tensor, Tensor), TchError> {
        let hidden = self.encode(batch, 0, false)?.product;
        let first = hidden.f_index_select(0, &batch.selected.f_index_select(0, &batch.cls)?)?;
        Ok((hidden.f_to_kind(Kind::Float)?, self.pool(&first)?.f_to_kind(Kind::Float)?))
    }

    /// The last layer's output at every token, `[T, H]`, in the kind that is computed in.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn hidden(&self, batch: &DeviceBatch, train: bool) -> Result<Tensor, TchError> {
        Ok(self.encode(batch, 0, train)?.product)
    }

    /// The pooled `[CLS]` of each row, `[B, H]`, in the kind that is computed in. Nothing else is computed of the last layer.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn pooled(&self, batch: &DeviceBatch, train: bool) -> Result<Tensor, TchError> {
        let x = self.encode(batch, 1, train)?;
        let last = &self.layers[self.layers.len() - 1];
        let hidden = last.forward_selected(&x, &batch.rows, &batch.selected, &batch.selected_rows, train)?;
        self.pool(&hidden.product.f_index_select(0, &batch.cls)?)
    }

    /// `[CLS]` of each row, `[B, H]`, to `[B, H]`.
    fn pool(&self, first: &Tensor) -> Made {
        self.pooler.forward(first)?.f_tanh()
    }

    /// Both heads up to their last product: the transformed masked tokens, `[N, E]`, and the pairs' logits. The last layer
    /// is computed at `[CLS]` and the masked tokens alone: nothing else of it is read, and what is left out is most of its
    /// work.
    fn heads(
        &self,
        batch: &DeviceBatch,
        with_pairs: bool,
        train: bool,
    ) -> Result<(Tensor, Option<Tensor>), TchError> {
        // All layers but the last run on every token.
        let x = self.encode(batch, 1, train)?;
        let last = &self.layers[self.layers.len() - 1];
        let hidden = last.forward_selected(&x, &batch.rows, &batch.selected, &batch.selected_rows, train)?;
        let hidden = hidden.product;
        let activation = self.layers[0].config.activation;
        let masked = hidden.f_index_select(0, &batch.masked)?;
        let masked = self.pointwise().activated(&masked, &self.transform, activation)?;
        let masked = self.transform_norm.forward(&masked)?;
        let pairs = if with_pairs {
            Some(self.pair.forward(&self.pool(&hidden.f_index_select(0, &batch.cls)?)?)?)
        } else {
            None
        };
        Ok((masked, pairs))
    }

    /// What both heads predict.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn logits(&self, batch: &DeviceBatch, with_pairs: bool, train: bool) -> Result<Logits, TchError> {
        let (masked, pairs) = self.heads(batch, with_pairs, train)?;
        Ok(Logits { masked: self.decoder.forward(&masked)?, pairs })
    }

    /// The losses of a micro-batch in training. The logits of the vocabulary are made a few rows at a time and never held
    /// together.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn losses(&self, batch: &DeviceBatch, with_pairs: bool) -> Result<Losses, TchError> {
        let (masked, pairs) = self.heads(batch, with_pairs, true)?;
        let Linear { weight, bias } = &self.decoder;
        // The largest tensor of a step would be [N, vocabulary]; in chunks it never exists as a whole.
        let rows = if masked.device().is_cuda() { ROWS_AT_ONCE_CUDA } else { ROWS_AT_ONCE_CPU };
        let fused = self.pointwise() == Pointwise::Fused && masked.device().is_cuda();
        let made = quanci_torch_ext::linear_cross_entropy(&masked, weight, bias, &batch.labels, rows, fused);
        let made = made.map_err(torch)?;
        Losses::new(made, pairs.as_ref(), batch)
    }
}

/// Rows of logits at a time. On a GPU a chunk costs a dozen launches and a pass over the vocabulary's gradient, so that small
/// ones are slow (1,024 rows: base 5 %, tiny 65 % slower than all at once, on an H200); 16,384 rows of 21,128 take some
/// 4 GB for a moment. On a CPU few enough to stay in its caches.
const ROWS_AT_ONCE_CUDA: i64 = 16_384;
const ROWS_AT_ONCE_CPU: i64 = 128;

/// A layer in training that keeps its input alone, and is computed again in the backward pass. Its weights are inputs
/// too: they have a history, the cast.
fn recomputed(layer: &Layer, x: &Tensor, rows: &Rows) -> Made {
    let config = layer.config;
    let rows =
        Rows { lengths: rows.lengths.clone(), longest: rows.longest, offsets: rows.offsets.shallow_clone() };
    let forward = move |inputs: &[Tensor]| {
        debug_assert_eq!(inputs.len(), 1 + LAYER_TENSORS);
        let x = Hidden::from(inputs[0].shallow_clone());
        let made = Layer::from_tensors(config, &inputs[1..]).forward(&x, &rows, true);
        made.expect("torch-ext turns this into the error it is").product
    };
    let inputs: Vec<Tensor> = std::iter::once(x.shallow_clone()).chain(layer.tensors()).collect();
    let made = quanci_torch_ext::checkpoint(&inputs, forward);
    made.map_err(torch)
}
