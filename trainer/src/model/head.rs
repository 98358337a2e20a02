//! What fine-tuning puts on the encoder: one product, of the pooled `[CLS]` or of every token.

use tch::{Device, Kind, TchError, Tensor};

use super::batch::DeviceBatch;
use super::config::ModelConfig;
use super::network::Network;
use super::parameters::Parameters;

/// What a head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadInput {
    /// The pooled `[CLS]` of each row: `[B, outputs]`.
    Pooled,
    /// The last layer at every token: `[T, outputs]`.
    Tokens,
}

/// A head of fine-tuning.
#[derive(Debug)]
pub struct Head {
    input: HeadInput,
    parameters: Parameters,
    dropout: f64,
}

impl Head {
    /// A new head, its weights drawn from `seed`. `name` is that of transformers: `classifier`, `qa_outputs`. `dropout` is that of
    /// what it reads.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(
        name: &str,
        input: HeadInput,
        outputs: i64,
        config: &ModelConfig,
        dropout: f64,
        seed: u64,
        device: Device,
    ) -> Result<Head, TchError> {
        let deviation = config.initializer_range;
        let parameters = Parameters::linear(name, config.hidden_size, outputs, deviation, seed)?;
        parameters.move_to(device);
        Ok(Head { input, parameters, dropout })
    }

    /// Its weight and its bias.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it reads.
    pub fn input(&self) -> HeadInput {
        self.input
    }

    /// What it makes of a batch: `[B, outputs]` or `[T, outputs]`, fp32. On a GPU T may be more than the rows hold.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn logits(&self, network: &Network, batch: &DeviceBatch, train: bool) -> Result<Tensor, TchError> {
        let read = match self.input {
            HeadInput::Pooled => network.pooled(batch, train)?,
            HeadInput::Tokens => network.hidden(batch, train)?,
        };
        let dropout = if train { self.dropout } else { 0.0 };
        let read = read.f_dropout(dropout, dropout > 0.0)?;
        let cast: Vec<Tensor> = self
            .parameters
            .iter()
            .map(|(_, tensor)| tensor.f_to_kind(read.kind()))
            .collect::<Result<_, _>>()?;
        read.f_linear(&cast[0], Some(&cast[1]))?.f_to_kind(Kind::Float)
    }
}
