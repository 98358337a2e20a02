//! The weights that a training begins with.

use std::path::Path;

use serde_json::Value;
use tch::Tensor;

use super::learner::TuneLearner;
use super::run::TuneRun;
use crate::error::Error;
use crate::model::weights::{self, LoadReport, Wanted};

/// A learner for a seed: its weights are those of `init_from`, or drawn; its head is that of `init_from` if that has one with the
/// same labels.
///
/// # Errors
/// If the weights cannot be read, or are of another model.
pub(super) fn start(run: &TuneRun<'_>, seed: u64) -> Result<(TuneLearner, Option<LoadReport>), Error> {
    let learner = TuneLearner::new(run, seed)?;
    let Some(path) = &run.init else { return Ok((learner, None)) };
    let wanted = Wanted { config: &run.model, allow_missing: &run.settings.allow_missing, entries: None };
    let mut report = weights::load(learner.bert.parameters(), path, &wanted)?;
    // Of the heads of pretraining there is no place in what is tuned.
    report.missing.retain(|name| learner.trained().iter().any(|(own, _)| own == name));
    take_head(run, &learner, path, &mut report)?;
    Ok((learner, Some(report)))
}

/// Fills the head from tensors of its names. Labels in another order would be learnt the wrong way round, so the labels must
/// be the same.
fn take_head(
    run: &TuneRun<'_>,
    learner: &TuneLearner,
    path: &Path,
    report: &mut LoadReport,
) -> Result<(), Error> {
    let own: Vec<(&str, &Tensor)> = learner.head.parameters().iter().collect();
    if own.is_empty() || !own.iter().all(|(name, _)| report.unused.iter().any(|unused| unused == name)) {
        return Ok(());
    }
    let theirs = weights::read(path)?;
    let find = |wanted: &str| theirs.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor);
    let same_sizes =
        own.iter().all(|(name, tensor)| find(name).is_some_and(|found| found.size() == tensor.size()));
    if !same_sizes || !same_labels(run) {
        report.told.push("its head is for other labels, and is drawn anew".to_owned());
        return Ok(());
    }
    for (name, tensor) in &own {
        let from = find(name).map(Tensor::shallow_clone).unwrap_or_default();
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&from)).map_err(Error::torch("filling weights"))?;
    }
    report.unused.retain(|unused| !own.iter().any(|(name, _)| name == unused));
    report.told.push("its head is for the same labels, and is trained on".to_owned());
    Ok(())
}

/// Whether the config beside the weights names the labels of the set. Where there are none (answers, choices), sizes tell.
fn same_labels(run: &TuneRun<'_>) -> bool {
    let named = run.model.others.get("id2label").and_then(Value::as_object);
    let own = run.labels();
    let Some(named) = named.filter(|_| !own.is_empty()) else { return own.is_empty() };
    named.len() == own.len()
        && own
            .iter()
            .enumerate()
            .all(|(id, label)| named.get(&id.to_string()).and_then(Value::as_str) == Some(label))
}
