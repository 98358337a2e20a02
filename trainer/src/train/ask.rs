//! What is asked of a trained model: held-out rows measured, masks filled, features.

use std::sync::Arc;

use quanci_shards::Objective;
use quanci_shards::mask::MaskUnit;
use quanci_store::Cache;
use serde::Serialize;
use tch::{Device, Kind, TchError, Tensor};

use super::learner::host;
use crate::config::{DataSource, MaskOverride};
use crate::data::{DataSets, Validation, ValidationSettings};
use crate::error::Error;
use crate::metrics::{Evaluation, Guesses, Pieces, Report};
use crate::model::{Bert, Host, Inputs, Logits, Losses, weights};
use crate::text::Tokenizer;

/// What a model says to a micro-batch of validation rows.
pub(super) fn guesses(logits: &Logits, inputs: &Inputs) -> Result<Guesses, TchError> {
    let losses = Losses::new(logits, inputs)?;
    let right = |logits: &Tensor, labels: &Tensor| -> Result<Vec<bool>, TchError> {
        Vec::try_from(logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_to_device(Device::Cpu)?)
    };
    let (pairs_right, pair_loss) = match (&logits.pairs, &inputs.pair_labels, &losses.pairs) {
        (Some(logits), Some(labels), Some(loss)) => (right(logits, labels)?, loss.f_double_value(&[])?),
        _ => (Vec::new(), 0.0),
    };
    Ok(Guesses {
        masked_loss: losses.masked.f_double_value(&[])?,
        pair_loss,
        masked_right: right(&logits.masked, &inputs.labels)?,
        pairs_right,
    })
}

/// A model measured on the validation rows of the data set in `folder`, in fp32; `unit` draws the masks anew.
pub fn measure(
    bert: &Bert,
    folder: &std::path::Path,
    unit: Option<MaskUnit>,
    micro_batch: u32,
    max_rows: u64,
) -> Result<Report, Error> {
    let source = DataSource { path: folder.to_path_buf(), weight: 1.0 };
    let sets = Arc::new(DataSets::open(&[source], &MaskOverride::default(), &Cache::default())?);
    let entries = i64::from(sets.vocabulary().size);
    if entries != bert.shape().vocab_size {
        let wanted = bert.shape().vocab_size;
        return Err(Error::input(
            folder,
            format!("has a vocabulary of {entries} entries, the model one of {wanted}"),
        ));
    }
    let pieces = Pieces::read(&sets.vocabulary_folder().join(&sets.vocabulary().file))?;
    let with_pairs = sets.objective() != Objective::Mlm;
    let settings = ValidationSettings { rank: 0, ranks: 1, micro_batch, max_rows, pad_multiple: 8, unit };
    let mut evaluation = Evaluation::new(pieces.len());
    for micro in Validation::open(sets, settings)? {
        let micro = micro?;
        let inputs = Inputs::new(&host(&micro), bert.device()).map_err(Error::torch("moving a batch"))?;
        let said = tch::no_grad(|| guesses(&bert.logits(&inputs, with_pairs, false)?, &inputs));
        let said = said.map_err(Error::torch("the forward pass"))?;
        evaluation.add(&pieces, &micro.labels, &micro.word_pieces, &micro.pair_labels, &said);
    }
    Ok(evaluation.report())
}

/// A sentence whose masks were filled.
#[derive(Debug, Clone, Serialize)]
pub struct Filled {
    /// The sentence with the likeliest piece at each mask.
    pub best: String,
    /// For each mask its likeliest pieces with their probabilities.
    pub guesses: Vec<Vec<(String, f64)>>,
}

/// Fills each `[MASK]` of a sentence by itself: the others stay masked.
pub fn fill_mask(bert: &Bert, tokenizer: &Tokenizer, sentence: &str, top: usize) -> Result<Filled, Error> {
    let ids = tokenizer.encode(sentence)?;
    let masked: Vec<i64> =
        (0..).zip(&ids).filter(|&(_, &id)| id == tokenizer.mask).map(|(at, _)| at).collect();
    if masked.is_empty() {
        return Err(Error::settings(format!("{sentence:?} has no [MASK]")));
    }
    check_length(bert, ids.len(), sentence)?;
    let likeliest = tch::no_grad(|| {
        let logits = bert.logits(&one_row(&ids, &masked, bert.device())?, false, false)?;
        let wanted = (top as i64).clamp(1, bert.shape().vocab_size);
        let (shares, pieces) = logits.masked.f_softmax(-1, Kind::Float)?.f_topk(wanted, -1, true, true)?;
        Ok((Vec::<Vec<f64>>::try_from(shares.f_to_kind(Kind::Double)?)?, Vec::<Vec<i64>>::try_from(pieces)?))
    });
    let (shares, pieces) = likeliest.map_err(Error::torch("the forward pass"))?;
    let guesses: Vec<Vec<(String, f64)>> = shares
        .into_iter()
        .zip(pieces)
        .map(|(shares, ids)| ids.into_iter().map(|id| tokenizer.piece(id)).zip(shares).collect())
        .collect();
    let mut best = sentence.to_owned();
    for guess in &guesses {
        let piece = guess.first().map_or("", |(piece, _)| piece.trim_start_matches("##"));
        best = best.replacen("[MASK]", piece, 1);
    }
    Ok(Filled { best, guesses })
}

/// The last layer at every piece (`hidden.N`, `[pieces, H]`, `[CLS]` and `[SEP]` included), the pooled `[CLS]`
/// (`pooled`, `[sentences, H]`) and the ids (`input_ids.N`) of sentences, as a safetensors file.
pub fn features(bert: &Bert, tokenizer: &Tokenizer, sentences: &[&str]) -> Result<Vec<u8>, Error> {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let mut pooled = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        let ids = tokenizer.encode(sentence)?;
        check_length(bert, ids.len(), sentence)?;
        let made = tch::no_grad(|| {
            let (hidden, pooled) = bert.features(&one_row(&ids, &[], bert.device())?)?;
            Ok((hidden.f_squeeze_dim(0)?, pooled))
        });
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

fn one_row(ids: &[i64], masked: &[i64], device: Device) -> Result<Inputs, TchError> {
    let length = [ids.len() as i64];
    let labels = vec![0; masked.len()];
    let host = Host {
        rows: 1,
        width: ids.len(),
        input_ids: ids,
        lengths: &length,
        segment_b: &length,
        masked,
        labels: &labels,
        pair_labels: &[],
    };
    Inputs::new(&host, device)
}

fn check_length(bert: &Bert, pieces: usize, sentence: &str) -> Result<(), Error> {
    let most = bert.shape().max_position_embeddings;
    if pieces as i64 <= most {
        return Ok(());
    }
    let start: String = sentence.chars().take(20).collect();
    Err(Error::settings(format!(
        "a sentence of {pieces} pieces ({start}…): the model has positions for {most}"
    )))
}
