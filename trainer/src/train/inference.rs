//! What is asked of a trained model: masks filled, features.

use serde::Serialize;
use tch::{Kind, TchError, Tensor};

use crate::error::Error;
use crate::model::{Bert, DeviceBatch, HostBatch, weights};
use crate::text::Tokenizer;

/// A sentence whose masks were filled.
#[derive(Debug, Clone, Serialize)]
pub struct FilledMasks {
    /// The sentence with the likeliest piece at each mask.
    pub best: String,
    /// For each mask its likeliest tokens with their probabilities.
    pub predictions: Vec<Vec<(String, f64)>>,
}

/// Fills each `[MASK]` of a sentence by itself: the others stay masked.
pub fn fill_mask(
    bert: &Bert,
    tokenizer: &Tokenizer,
    sentence: &str,
    top: usize,
) -> Result<FilledMasks, Error> {
    let mask = tokenizer.mask();
    let wanted = tokenizer.mask_id().ok_or_else(|| {
        Error::settings(format!("the model's vocabulary has no {mask}: it cannot fill masks"))
    })?;
    let ids = tokenizer.encode(sentence)?;
    let masked: Vec<i64> = (0..).zip(&ids).filter(|&(_, &id)| id == wanted).map(|(at, _)| at).collect();
    if masked.is_empty() {
        return Err(Error::settings(format!("{sentence:?} has no {mask}")));
    }
    check_ids(bert, &ids, sentence)?;
    let likeliest = tch::no_grad(|| {
        let logits = bert.network(Kind::Float)?.logits(&one_row(bert, &ids, &masked)?, false, false)?;
        let wanted = (top as i64).clamp(1, bert.config().vocab_size);
        let (shares, tokens) = logits.masked.f_softmax(-1, Kind::Float)?.f_topk(wanted, -1, true, true)?;
        Ok((Vec::<Vec<f64>>::try_from(shares.f_to_kind(Kind::Double)?)?, Vec::<Vec<i64>>::try_from(tokens)?))
    });
    let (shares, tokens) = likeliest.map_err(Error::torch("the forward pass"))?;
    let predictions: Vec<Vec<(String, f64)>> = shares
        .into_iter()
        .zip(tokens)
        .map(|(shares, ids)| ids.into_iter().map(|id| tokenizer.piece(id)).zip(shares).collect())
        .collect();
    let mut best = sentence.to_owned();
    for guess in &predictions {
        let piece = guess.first().map_or("", |(piece, _)| piece.trim_start_matches("##"));
        best = best.replacen(mask, piece, 1);
    }
    Ok(FilledMasks { best, predictions })
}

/// The last layer at every token (`hidden.N`, `[tokens, H]`, `[CLS]` and `[SEP]` included), the pooled `[CLS]`
/// (`pooled`, `[sentences, H]`) and the ids (`input_ids.N`) of sentences, as a safetensors file.
pub fn features(bert: &Bert, tokenizer: &Tokenizer, sentences: &[&str]) -> Result<Vec<u8>, Error> {
    let network = tch::no_grad(|| bert.network(Kind::Float)).map_err(Error::torch("the forward pass"))?;
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let mut pooled = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        let ids = tokenizer.encode(sentence)?;
        check_ids(bert, &ids, sentence)?;
        let made = tch::no_grad(|| network.features(&one_row(bert, &ids, &[])?));
        let (hidden, pool) = made.map_err(Error::torch("the forward pass"))?;
        tensors.push((format!("hidden.{number}"), hidden));
        tensors.push((format!("input_ids.{number}"), Tensor::from_slice(&ids)));
        pooled.push(pool);
    }
    if !pooled.is_empty() {
        let pooled = Tensor::f_cat(&pooled, 0).map_err(Error::torch("putting features together"))?;
        tensors.push(("pooled".to_owned(), pooled));
    }
    weights::to_safetensors(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), &[])
}

fn one_row(bert: &Bert, ids: &[i64], masked: &[i64]) -> Result<DeviceBatch, TchError> {
    let length = [ids.len() as i64];
    let labels = vec![0; masked.len()];
    let host = HostBatch {
        input_ids: ids,
        lengths: &length,
        segment_b: &length,
        masked,
        labels: &labels,
        pair_labels: &[],
    };
    DeviceBatch::new(&host, bert.config().max_position_embeddings, bert.device())
}

/// Tokenizer and model may be of different folders, or damaged.
fn check_ids(bert: &Bert, ids: &[i64], sentence: &str) -> Result<(), Error> {
    let (most, entries) = (bert.config().max_position_embeddings, bert.config().vocab_size);
    let start: String = sentence.chars().take(20).collect();
    if let Some(id) = ids.iter().find(|id| !(0..entries).contains(*id)) {
        return Err(Error::settings(format!(
            "a token of a sentence ({start}…) has the id {id}: the model has a vocabulary of {entries} entries"
        )));
    }
    let tokens = ids.len();
    if tokens as i64 <= most {
        return Ok(());
    }
    Err(Error::settings(format!(
        "a sentence of {tokens} tokens ({start}…): the model has positions for {most}"
    )))
}
