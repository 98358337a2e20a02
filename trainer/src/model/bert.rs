//! The computation: embeddings, post-LayerNorm layers, pooler and the two heads of pretraining (google-research/bert,
//! modeling.py and run_pretraining.py; names as in transformers, models/bert/modeling_bert.py).
//!
//! Shapes: B rows, S pieces in a row (padding included), H hidden, Q positions asked for in a row, N masked pieces.

use tch::{Device, TchError, Tensor};

use super::input::Inputs;
use super::parameters::{Fill, Parameters};
use super::shape::{Activation, Shape};

type Made = Result<Tensor, TchError>;

/// A BERT with both heads.
#[derive(Debug)]
pub struct Bert {
    shape: Shape,
    parameters: Parameters,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    pooler: Linear,
    transform: Linear,
    transform_norm: Norm,
    decoder_bias: Tensor,
    pair: Linear,
    device: Device,
    checkpointing: bool,
}

/// What the heads say.
#[derive(Debug)]
pub struct Logits {
    /// `[N, vocabulary]`, at the masked pieces.
    pub masked: Tensor,
    /// `[B, 2]`; with an objective that has pairs.
    pub pairs: Option<Tensor>,
}

#[derive(Debug)]
struct Embeddings {
    words: Tensor,
    positions: Tensor,
    segments: Tensor,
    norm: Norm,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
    heads: i64,
    activation: Activation,
    dropout: f64,
    attention_dropout: f64,
}

/// Makes modules one after another under their names.
struct Builder<'a> {
    parameters: &'a mut Parameters,
    deviation: f64,
    epsilon: f64,
}

impl Builder<'_> {
    fn matrix(&mut self, name: &str, shape: &[i64]) -> Made {
        self.parameters.add(name.to_owned(), shape, Fill::Normal(self.deviation))
    }

    fn linear(&mut self, name: &str, from: i64, to: i64) -> Result<Linear, TchError> {
        let weight = self.matrix(&format!("{name}.weight"), &[to, from])?;
        let bias = self.parameters.add(format!("{name}.bias"), &[to], Fill::Zeros)?;
        Ok(Linear { weight, bias })
    }

    fn norm(&mut self, name: &str, size: i64) -> Result<Norm, TchError> {
        let weight = self.parameters.add(format!("{name}.weight"), &[size], Fill::Ones)?;
        let bias = self.parameters.add(format!("{name}.bias"), &[size], Fill::Zeros)?;
        Ok(Norm { weight, bias, epsilon: self.epsilon })
    }
}

impl Linear {
    fn share(&self) -> Linear {
        Linear { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    fn forward(&self, x: &Tensor) -> Made {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}

impl Norm {
    fn share(&self) -> Norm {
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        Norm { weight, bias, epsilon: self.epsilon }
    }

    fn forward(&self, x: &Tensor) -> Made {
        x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.epsilon, true)
    }
}

fn activate(x: &Tensor, activation: Activation) -> Made {
    match activation {
        Activation::Gelu => x.f_gelu("none"),
        Activation::GeluNew => x.f_gelu("tanh"),
        Activation::Relu => x.f_relu(),
    }
}

impl Embeddings {
    fn new(make: &mut Builder<'_>, shape: &Shape) -> Result<Embeddings, TchError> {
        let h = shape.hidden_size;
        Ok(Embeddings {
            words: make.matrix("bert.embeddings.word_embeddings.weight", &[shape.vocab_size, h])?,
            positions: make
                .matrix("bert.embeddings.position_embeddings.weight", &[shape.max_position_embeddings, h])?,
            segments: make
                .matrix("bert.embeddings.token_type_embeddings.weight", &[shape.type_vocab_size, h])?,
            norm: make.norm("bert.embeddings.LayerNorm", h)?,
        })
    }

    /// `[B, S]` and `[B, S]` to `[B, S, H]`.
    fn forward(&self, ids: &Tensor, segments: &Tensor) -> Made {
        let (_, length) = ids.size2()?;
        let words = Tensor::f_embedding(&self.words, ids, -1, false, false)?;
        let segments = Tensor::f_embedding(&self.segments, segments, -1, false, false)?;
        let positions = self.positions.f_narrow(0, 0, length)?;
        self.norm.forward(&words.f_add(&segments)?.f_add(&positions)?)
    }
}

impl Layer {
    fn new(make: &mut Builder<'_>, shape: &Shape, index: i64) -> Result<Layer, TchError> {
        let (h, ff) = (shape.hidden_size, shape.intermediate_size);
        let at = |part: &str| format!("bert.encoder.layer.{index}.{part}");
        Ok(Layer {
            query: make.linear(&at("attention.self.query"), h, h)?,
            key: make.linear(&at("attention.self.key"), h, h)?,
            value: make.linear(&at("attention.self.value"), h, h)?,
            attended: make.linear(&at("attention.output.dense"), h, h)?,
            attended_norm: make.norm(&at("attention.output.LayerNorm"), h)?,
            up: make.linear(&at("intermediate.dense"), h, ff)?,
            down: make.linear(&at("output.dense"), ff, h)?,
            down_norm: make.norm(&at("output.LayerNorm"), h)?,
            heads: shape.num_attention_heads,
            activation: shape.hidden_act,
            dropout: shape.hidden_dropout_prob,
            attention_dropout: shape.attention_probs_dropout_prob,
        })
    }

    /// A layer with the same parameters: autograd computes it again on a thread of its own.
    fn share(&self) -> Layer {
        Layer {
            query: self.query.share(),
            key: self.key.share(),
            value: self.value.share(),
            attended: self.attended.share(),
            attended_norm: self.attended_norm.share(),
            up: self.up.share(),
            down: self.down.share(),
            down_norm: self.down_norm.share(),
            ..*self
        }
    }

    /// `[B, n, H]` to `[B, heads, n, H / heads]`.
    fn split(&self, x: &Tensor) -> Made {
        let (b, n, h) = x.size3()?;
        x.f_view([b, n, self.heads, h / self.heads])?.f_transpose(1, 2)
    }

    /// `x` is `[B, S, H]`; `asked` are the rows of `x` (`[B, Q, H]`) whose result is wanted: all, but in the last layer of
    /// pretraining, where only masked pieces and `[CLS]` are looked at.
    fn forward(&self, x: &Tensor, asked: &Tensor, attention: Option<&Tensor>, train: bool) -> Made {
        let query = self.split(&self.query.forward(asked)?)?;
        let key = self.split(&self.key.forward(x)?)?;
        let value = self.split(&self.value.forward(x)?)?;
        let dropout = if train { self.attention_dropout } else { 0.0 };
        let mixed = Tensor::f_scaled_dot_product_attention(
            &query, &key, &value, attention, dropout, false, None, false,
        )?;
        let mixed = mixed.f_transpose(1, 2)?.f_reshape(asked.size())?;
        let attended = self.attended.forward(&mixed)?.f_dropout(self.dropout, train)?;
        let x = self.attended_norm.forward(&attended.f_add(asked)?)?;
        let inner = activate(&self.up.forward(&x)?, self.activation)?;
        let outer = self.down.forward(&inner)?.f_dropout(self.dropout, train)?;
        self.down_norm.forward(&outer.f_add(&x)?)
    }
}

/// A layer in training that keeps its input alone, and is computed again on the way back.
fn recomputed(layer: &Layer, x: &Tensor, attention: Option<&Tensor>) -> Made {
    let (layer, attention) = (layer.share(), attention.map(Tensor::shallow_clone));
    let forward = move |inputs: &[Tensor]| {
        let made = layer.forward(&inputs[0], &inputs[0], attention.as_ref(), true);
        made.expect("torch-ext turns this into the error it is")
    };
    let made = quanci_torch_ext::checkpoint(std::slice::from_ref(x), forward);
    made.map_err(|error| TchError::Torch(error.to_string()))
}

impl Bert {
    /// A new model with weights drawn from `seed`: the same on every device.
    pub fn new(shape: Shape, seed: u64, device: Device) -> Result<Bert, TchError> {
        tch::manual_seed(seed as i64);
        let mut parameters = Parameters::default();
        let mut make = Builder {
            parameters: &mut parameters,
            deviation: shape.initializer_range,
            epsilon: shape.layer_norm_eps,
        };
        let h = shape.hidden_size;
        let embeddings = Embeddings::new(&mut make, &shape)?;
        let layers: Result<Vec<Layer>, TchError> =
            (0..shape.num_hidden_layers).map(|index| Layer::new(&mut make, &shape, index)).collect();
        let layers = layers?;
        let pooler = make.linear("bert.pooler.dense", h, h)?;
        let decoder_bias =
            make.parameters.add("cls.predictions.bias".to_owned(), &[shape.vocab_size], Fill::Zeros)?;
        let transform = make.linear("cls.predictions.transform.dense", h, h)?;
        let transform_norm = make.norm("cls.predictions.transform.LayerNorm", h)?;
        let pair = make.linear("cls.seq_relationship", h, 2)?;
        let mut bert = Bert {
            shape,
            parameters,
            embeddings,
            layers,
            pooler,
            transform,
            transform_norm,
            decoder_bias,
            pair,
            device,
            checkpointing: false,
        };
        bert.move_to(device);
        Ok(bert)
    }

    /// Moves every parameter; the tensors stay the same objects, so that all who hold one see it move.
    fn move_to(&mut self, device: Device) {
        if device == Device::Cpu {
            return;
        }
        tch::no_grad(|| {
            for (_, tensor) in self.parameters.iter() {
                tensor.shallow_clone().set_data(&tensor.to_device(device));
            }
        });
    }

    /// Forget what layers computed and compute it again on the way back.
    pub fn set_checkpointing(&mut self, on: bool) {
        self.checkpointing = on;
    }

    /// The shape it was made with.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The parameters that training changes: pooler and pair head have no gradient where there are no pairs.
    pub fn trained(&self, with_pairs: bool) -> Vec<(String, Tensor)> {
        let pair_only = ["bert.pooler.", "cls.seq_relationship."];
        self.parameters.filter(|name| with_pairs || !pair_only.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// Embeddings and all layers but the last `spare`: `[B, S, H]`.
    fn encode(&self, inputs: &Inputs, spare: usize, train: bool) -> Made {
        let embedded = self.embeddings.forward(&inputs.ids, &inputs.segments)?;
        let mut x = embedded.f_dropout(self.shape.hidden_dropout_prob, train)?;
        for layer in &self.layers[..self.layers.len() - spare] {
            x = if train && self.checkpointing {
                recomputed(layer, &x, inputs.attention.as_ref())?
            } else {
                layer.forward(&x, &x, inputs.attention.as_ref(), train)?
            };
        }
        Ok(x)
    }

    /// The last layer's output at every piece, `[B, S, H]`, and the pooled `[CLS]`, `[B, H]`.
    pub fn features(&self, inputs: &Inputs) -> Result<(Tensor, Tensor), TchError> {
        let hidden = self.encode(inputs, 0, false)?;
        let pooled = self.pool(&hidden)?;
        Ok((hidden, pooled))
    }

    /// `[B, n, H]` with `[CLS]` first to `[B, H]`.
    fn pool(&self, hidden: &Tensor) -> Made {
        self.pooler.forward(&hidden.f_select(1, 0)?)?.f_tanh()
    }

    /// Both heads. The last layer is computed at `[CLS]` and the masked pieces alone: nothing else of it is looked at, and
    /// what is left out is most of its work.
    pub fn logits(&self, inputs: &Inputs, with_pairs: bool, train: bool) -> Result<Logits, TchError> {
        let x = self.encode(inputs, 1, train)?;
        let (b, _, h) = x.size3()?;
        let index = inputs.asked.f_unsqueeze(-1)?.f_expand([b, inputs.asked.size()[1], h], false)?;
        let asked = x.f_gather(1, &index, false)?;
        let last = &self.layers[self.layers.len() - 1];
        let hidden = last.forward(&x, &asked, inputs.attention.as_ref(), train)?;
        let masked = hidden.f_reshape([-1, h])?.f_index_select(0, &inputs.masked)?;
        let pairs = if with_pairs { Some(self.pair.forward(&self.pool(&hidden)?)?) } else { None };
        Ok(Logits { masked: self.predict(&masked)?, pairs })
    }

    /// The MLM head: `[.., H]` to `[.., vocabulary]`; the decoder's weights are the word embeddings.
    pub fn predict(&self, hidden: &Tensor) -> Made {
        let inner = activate(&self.transform.forward(hidden)?, self.shape.hidden_act)?;
        self.transform_norm.forward(&inner)?.f_linear(&self.embeddings.words, Some(&self.decoder_bias))
    }
}
