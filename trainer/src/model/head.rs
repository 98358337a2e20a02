//! What fine-tuning puts on the encoder: one product, of the pooled `[CLS]`, of every token or of two rows' vectors; or the cosine of
//! these vectors.

use tch::{Device, Kind, TchError, Tensor};

use super::batch::{DeviceBatch, Rows};
use super::config::ModelConfig;
use super::network::Network;
use super::parameters::Parameters;
use super::parts;

/// What a head reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadInput {
    /// The pooled `[CLS]` of each row: `[B, outputs]`.
    Pooled,
    /// The last layer at every token: `[T, outputs]`.
    Tokens,
    /// Vectors of rows that belong together two by two: `[B / 2, outputs]`.
    Pairs(RowVector),
}

/// How a row becomes a vector (sentence-transformers, Pooling).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowVector {
    /// The mean of the last layer over the row's tokens, `[CLS]` and `[SEP]` among them.
    Mean,
    /// The last layer at the row's first token.
    First,
}

/// A head of fine-tuning.
#[derive(Debug)]
pub struct Head {
    input: HeadInput,
    /// Weight and bias of the product; nothing where the cosine of two vectors is taken.
    parameters: Parameters,
    dropout: f64,
}

impl Head {
    /// A new head with a product, its weights drawn from `seed`. `name` is that of transformers: `classifier`, `qa_outputs`.
    /// `dropout` is that of what it reads.
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
        let width = match input {
            HeadInput::Pooled | HeadInput::Tokens => config.hidden_size,
            HeadInput::Pairs(_) => 3 * config.hidden_size,
        };
        let parameters = Parameters::linear(name, width, outputs, config.initializer_range, seed)?;
        parameters.move_to(device);
        Ok(Head { input, parameters, dropout })
    }

    /// The cosine of the vectors of each pair of rows: a head without parameters.
    pub fn cosine(vector: RowVector) -> Head {
        Head { input: HeadInput::Pairs(vector), parameters: Parameters::default(), dropout: 0.0 }
    }

    /// Its weight and its bias; nothing for the cosine.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it reads.
    pub fn input(&self) -> HeadInput {
        self.input
    }

    /// What it makes of a batch, fp32, in the shape that [`HeadInput`] names. On a GPU B and T may be more than the rows hold: what
    /// belongs to them comes first.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn logits(&self, network: &Network, batch: &DeviceBatch, train: bool) -> Result<Tensor, TchError> {
        let read = match self.input {
            HeadInput::Pooled => network.pooled(batch, train)?,
            HeadInput::Tokens => network.hidden(batch, train)?,
            HeadInput::Pairs(vector) => {
                let [u, v] = pairs(&vectors(&network.hidden(batch, train)?, &batch.rows, vector)?)?;
                if self.parameters.iter().next().is_none() {
                    return Tensor::f_cosine_similarity(&u, &v, 1, 1e-8)?.f_unsqueeze(1);
                }
                let apart = u.f_sub(&v)?.f_abs()?;
                Tensor::f_cat(&[u, v, apart], 1)?
            }
        };
        let read = parts::dropout(read, if train { self.dropout } else { 0.0 })?;
        let cast: Vec<Tensor> = self
            .parameters
            .iter()
            .map(|(_, tensor)| tensor.f_to_kind(read.kind()))
            .collect::<Result<_, _>>()?;
        read.f_linear(&cast[0], Some(&cast[1]))?.f_to_kind(Kind::Float)
    }
}

/// A vector for each row, `[B, H]`, fp32, of the last layer `[T, H]`.
fn vectors(hidden: &Tensor, rows: &Rows, vector: RowVector) -> Result<Tensor, TchError> {
    let count = rows.lengths.len() as i64;
    if vector == RowVector::First {
        let first = rows.offsets.f_narrow(0, 0, count)?.f_to_kind(Kind::Int64)?;
        return hidden.f_index_select(0, &first)?.f_to_kind(Kind::Float);
    }
    let (device, hidden) = (hidden.device(), hidden.f_to_kind(Kind::Float)?);
    let row_of_token: Vec<i64> = (0..)
        .zip(&rows.lengths)
        .flat_map(|(row, &length)| std::iter::repeat_n(row, length as usize))
        .collect();
    let row_of_token = Tensor::f_from_slice(&row_of_token)?.f_to_device(device)?;
    let lengths: Vec<f32> = rows.lengths.iter().map(|&length| length.max(1) as f32).collect();
    let lengths = Tensor::f_from_slice(&lengths)?.f_to_device(device)?.f_unsqueeze(1)?;
    let sums = Tensor::f_zeros([count, hidden.size()[1]], (Kind::Float, device))?;
    sums.f_index_add(0, &row_of_token, &hidden)?.f_div(&lengths)
}

/// The first and the second of each two of `[B, H]`: `[B / 2, H]`. What fills a batch up may leave one over.
fn pairs(vectors: &Tensor) -> Result<[Tensor; 2], TchError> {
    let (count, width) = vectors.size2()?;
    let both = vectors.f_narrow(0, 0, count / 2 * 2)?.f_view([count / 2, 2, width])?;
    Ok([both.f_select(1, 0)?, both.f_select(1, 1)?])
}
