//! Two models on one batch, which is always the same: tokens from all over the vocabulary, a pair and a row of one segment.

use tch::{Kind, TchError, Tensor};

use super::files::Parts;
use crate::error::Error;
use crate::model::config::ModelConfig;
use crate::model::{Bert, DeviceBatch, HostBatch};

/// Tokens of the rows, where the model has positions for so many.
const LENGTHS: [i64; 2] = [48, 29];

/// What a model computes of the batch.
#[derive(Debug)]
pub(super) struct Outputs {
    /// The last layer at every token.
    hidden: Tensor,
    pooled: Tensor,
    /// Logits of the vocabulary at every token but the first of a row.
    masked: Tensor,
    pairs: Tensor,
}

/// The largest differences of two models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Differences {
    /// Of all that both compute.
    pub largest: f64,
    /// Of the last layer.
    pub hidden: f64,
    /// Of the logits at masked tokens, where the model has such a head.
    pub masked: Option<f64>,
    /// Of the logits of pairs, where it has such a head.
    pub pairs: Option<f64>,
}

/// What `bert` computes of the batch, in single precision.
pub(super) fn outputs(bert: &Bert) -> Result<Outputs, Error> {
    let made = tch::no_grad(|| {
        let batch = batch(bert)?;
        let network = bert.network(Kind::Float)?;
        let (hidden, pooled) = network.features(&batch)?;
        let logits = network.logits(&batch, true, false)?;
        let pairs = match logits.pairs {
            Some(pairs) => pairs,
            None => pooled.f_zeros_like()?,
        };
        Ok(Outputs { hidden, pooled, masked: logits.masked, pairs })
    });
    made.map_err(Error::torch("the forward pass"))
}

fn batch(bert: &Bert) -> Result<DeviceBatch, TchError> {
    let config: &ModelConfig = bert.config();
    let lengths = LENGTHS.map(|length| length.min(config.max_position_embeddings));
    let tokens: i64 = lengths.iter().sum();
    // A stride that shares no factor with the sizes of vocabularies spreads the tokens over all of it.
    let ids: Vec<i64> = (0..tokens).map(|at| (at * 7_919 + 13) % config.vocab_size).collect();
    let has_pairs = config.type_vocab_size > 1 && lengths[0] > 2;
    let segment_b = [if has_pairs { lengths[0] / 2 } else { lengths[0] }, lengths[1]];
    let masked: Vec<i64> = (1..lengths[0]).chain(lengths[0] + 1..tokens).collect();
    let labels: Vec<i64> = masked.iter().map(|&at| ids[at as usize]).collect();
    let host = HostBatch {
        input_ids: &ids,
        lengths: &lengths,
        segment_b: &segment_b,
        masked: &masked,
        labels: &labels,
        pair_labels: &[],
    };
    DeviceBatch::new(&host, config.max_position_embeddings, bert.device())
}

/// How far two models are apart, in what the source has.
pub(super) fn compare(one: &Outputs, other: &Outputs, parts: &Parts) -> Result<Differences, Error> {
    let apart = |a: &Tensor, b: &Tensor| {
        let made = a.f_sub(b).and_then(|apart| apart.f_abs()?.f_max()?.f_double_value(&[]));
        // What is no number is no agreement.
        let made = made.map(|apart| if apart.is_nan() { f64::INFINITY } else { apart });
        made.map_err(Error::torch("comparing logits"))
    };
    let hidden = apart(&one.hidden, &other.hidden)?;
    let masked = if parts.has_masked { Some(apart(&one.masked, &other.masked)?) } else { None };
    let pairs = if parts.has_pairs { Some(apart(&one.pairs, &other.pairs)?) } else { None };
    let pooled = if parts.has_pooler { apart(&one.pooled, &other.pooled)? } else { 0.0 };
    let largest = [Some(hidden), masked, pairs, Some(pooled)].into_iter().flatten().fold(0.0, f64::max);
    Ok(Differences { largest, hidden, masked, pairs })
}
