//! A model measured on rows that it was not trained on: during training by all ranks together, and afterwards by `eval`.

use std::path::Path;
use std::sync::Arc;

use quanci_batches::{DataSets, MicroBatch, Validation, ValidationSettings};
use quanci_shards::Objective;
use quanci_shards::mask::MaskUnit;
use quanci_store::Cache;
use tch::{Device, Kind, TchError, Tensor};

use super::prefetch::host_batch;
use super::run::Run;
use crate::config::{DataSource, MaskOverride, Verify};
use crate::error::Error;
use crate::metrics::{Evaluation, EvaluationReport, Predictions, TokenClasses, shown};
use crate::model::config::is_padding;
use crate::model::{Bert, DeviceBatch, Logits, sum_of_cross_entropy};

/// Rows that are shown.
const EXAMPLES: usize = 8;

/// The model measured on the validation rows of a phase, all ranks together, and the first rows of this rank with what it
/// predicts there; none where there are no rows.
pub(super) fn evaluate_run(
    run: &Run<'_>,
    bert: &Bert,
    phase: usize,
) -> Result<Option<(EvaluationReport, Vec<String>)>, Error> {
    let settings = &run.settings.evaluation;
    let data = run.data[phase].clone();
    if data.validation_rows() == 0 {
        return Ok(None);
    }
    let validation = ValidationSettings {
        rank: run.comm.rank() as u32,
        world_size: run.comm.world_size() as u32,
        micro_batch: settings.micro_batch,
        max_rows: settings.max_rows,
        unit: None,
    };
    let rows = Validation::open(data, validation)?;
    let mut examples = Vec::new();
    let mut sums = evaluate(bert, run.kind(), run.with_pairs(), &run.classes, rows, |micro, predicted| {
        if examples.is_empty() {
            examples = examples_of(&run.classes, micro, predicted);
        }
    })?;
    // Sums, not means, over the ranks: each token counts equally however the rows are divided.
    sums.reduce(|numbers| run.comm.sum(numbers))?;
    Ok(Some((sums.report(), examples)))
}

/// The first rows of a micro-batch as text.
fn examples_of(classes: &TokenClasses, micro: &MicroBatch, predicted: &Predictions) -> Vec<String> {
    let mut masks = micro.masked.iter().zip(&micro.labels).zip(&predicted.masked).peekable();
    let mut begin = 0;
    let rows = micro.lengths.iter().take(EXAMPLES).map(|&length| {
        let ids = &micro.input_ids[begin as usize..(begin + length) as usize];
        let mut of_row = Vec::new();
        while let Some(((&at, &label), &predicted)) = masks.next_if(|((at, _), _)| **at < begin + length) {
            of_row.push(((at - begin) as usize, label, predicted));
        }
        begin += length;
        shown(classes, ids, &of_row)
    });
    rows.collect()
}

/// The data set in `folder`, to measure a model on.
///
/// # Errors
/// If it cannot be read.
pub fn open_data(folder: &Path) -> Result<Arc<DataSets>, Error> {
    let source = DataSource::new(folder);
    let sets = DataSets::open(&[source], &MaskOverride::default(), &Cache::default(), Verify::Once)?;
    Ok(Arc::new(sets))
}

/// A model measured on the validation rows of a data set, in fp32; `unit` draws the masks anew.
///
/// # Errors
/// If the data set cannot be read, has no validation rows, or has another vocabulary than the model.
pub fn measure(
    bert: &Bert,
    sets: Arc<DataSets>,
    unit: Option<MaskUnit>,
    micro_batch: u32,
    max_rows: u64,
) -> Result<EvaluationReport, Error> {
    // Ids of another vocabulary would be measured without an error, and mean nothing.
    let (entries, wanted) = (i64::from(sets.vocabulary().size), bert.config().vocab_size);
    if entries != wanted && !is_padding(entries, wanted) {
        let problem = format!("has a vocabulary of {entries} entries, the model one of {wanted}");
        return Err(Error::input(sets.vocabulary_folder(), problem));
    }
    let classes = TokenClasses::read(&sets.vocabulary_folder().join(&sets.vocabulary().file))?;
    let with_pairs = sets.objective() != Objective::Mlm;
    let settings = ValidationSettings { rank: 0, world_size: 1, micro_batch, max_rows, unit };
    let rows = Validation::open(sets, settings)?;
    Ok(evaluate(bert, Kind::Float, with_pairs, &classes, rows, |_, _| ())?.report())
}

/// The sums over some validation rows; `seen` gets each micro-batch with what was predicted.
fn evaluate(
    bert: &Bert,
    kind: Kind,
    with_pairs: bool,
    classes: &TokenClasses,
    rows: Validation,
    mut seen: impl FnMut(&MicroBatch, &Predictions),
) -> Result<Evaluation, Error> {
    let network = tch::no_grad(|| bert.network(kind)).map_err(Error::torch("casting the weights"))?;
    let mut evaluation = Evaluation::new(classes.len());
    for micro in rows {
        let micro = micro?;
        let positions = bert.config().max_position_embeddings;
        let batch = DeviceBatch::new(&host_batch(&micro), positions, bert.device());
        let batch = batch.map_err(Error::torch("moving a batch"))?;
        let predicted = tch::no_grad(|| predictions(&network.logits(&batch, with_pairs, false)?, &batch));
        let predicted = predicted.map_err(Error::torch("the forward pass"))?;
        evaluation.add(classes, &micro.labels, &micro.word_lengths, &micro.pair_labels, &predicted);
        seen(&micro, &predicted);
    }
    Ok(evaluation)
}

/// What the heads predict for a micro-batch.
fn predictions(logits: &Logits, batch: &DeviceBatch) -> Result<Predictions, TchError> {
    let correct = |logits: &Tensor, labels: &Tensor| -> Result<Vec<bool>, TchError> {
        Vec::try_from(logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_to_device(Device::Cpu)?)
    };
    let (pairs_correct, pair_loss) = match (&logits.pairs, &batch.pair_labels) {
        (Some(logits), Some(labels)) => {
            (correct(logits, labels)?, sum_of_cross_entropy(logits, labels)?.f_double_value(&[])?)
        }
        _ => (Vec::new(), 0.0),
    };
    Ok(Predictions {
        masked_loss: sum_of_cross_entropy(&logits.masked, &batch.labels)?.f_double_value(&[])?,
        pair_loss,
        masked: Vec::try_from(logits.masked.f_argmax(-1, false)?.f_to_device(Device::Cpu)?)?,
        pairs_correct,
    })
}
