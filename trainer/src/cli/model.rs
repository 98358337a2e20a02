//! `eval`, `export`, `fill-mask` and `features`: what is done with a trained model.

use std::io::Read;
use std::path::{Path, PathBuf};

use quanci_cli::{Output, from_here};

use super::args::{Common, Eval, ModelArgs};
use super::device::{device, set_threads};
use super::found::{folder_of, tell, warn_of_vocabulary};
use crate::checkpoint;
use crate::convert;
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::model::Bert;
use crate::model::weights::{self, Wanted};
use crate::text::Tokenizer;
use crate::train;

/// The newest checkpoint of a run's folder, or the folder itself.
pub(super) fn checkpoint_of(from: &Path) -> Result<PathBuf, Error> {
    if !from.join(checkpoint::FOLDER).is_dir() {
        return Ok(from.to_path_buf());
    }
    let found = checkpoint::newest(from)?.checkpoint;
    found.map(|found| found.folder).ok_or_else(|| Error::input(from, "holds no sound checkpoint"))
}

/// `quanci-train export`.
pub(super) fn export(from: &Path, folder: &Path, force: bool, output: &Output) -> Result<(), Error> {
    train::EXPORTED_FILES.iter().try_for_each(|name| refuse_existing(&folder.join(name), force))?;
    let state = train::export(&checkpoint_of(from)?, folder)?;
    output.result(format_args!("model of step {}: {}", state.step, from_here(folder)));
    output.json(&serde_json::json!({ "ok": true, "step": state.step, "model": folder }));
    Ok(())
}

/// Fails if something has the name of a file that is to be written, unless `force` is set.
pub(super) fn refuse_existing(path: &Path, force: bool) -> Result<(), Error> {
    if force || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let message = "is there already; choose another name with -o, or overwrite it with --force".to_owned();
    Err(Error::Output { path: path.to_path_buf(), message })
}

/// A model with the weights of a folder or file of any form, or of a checkpoint. `entries` is the size of the
/// vocabulary that it is used with.
fn load(
    args: &ModelArgs,
    entries: i64,
    common: &Common,
    rank_env: &RankEnv,
    output: &Output,
) -> Result<Bert, Error> {
    let from = checkpoint_of(&args.model)?;
    let source = convert::open(&from, args.config.as_deref())?;
    source.told.iter().for_each(|told| output.message(told));
    let config = source.config;
    let bert = Bert::new(config.clone(), 0, device(common.device, rank_env)?);
    let bert = bert.map_err(Error::torch("making the model"))?;
    let wanted = Wanted { config: &config, allow_missing: &args.allow_missing, entries: Some(entries) };
    let found = weights::load(bert.parameters(), &from, &wanted)?;
    tell(&found, &from.display().to_string(), output);
    Ok(bert)
}

/// Where a model's tokenizer lies: a run keeps it in a folder of its own, for all of its checkpoints.
pub(super) fn tokenizer_of(model: &Path) -> PathBuf {
    let folder = folder_of(model);
    let of_run = folder.parent().filter(|parent| parent.ends_with(checkpoint::FOLDER)).and_then(Path::parent);
    let mut places = [Some(model), of_run].into_iter().flatten().map(|place| place.join(train::TOKENIZER));
    places.find(|place| place.is_dir()).unwrap_or_else(|| folder.clone())
}

/// `quanci-train eval`.
pub(super) fn eval(args: &Eval, common: &Common, output: &Output) -> Result<(), Error> {
    let rank_env = RankEnv::alone();
    set_threads(common.threads, &rank_env);
    let sets = train::open_data(&args.data)?;
    let bert = load(&args.model, i64::from(sets.vocabulary().size), common, &rank_env, output)?;
    warn_of_vocabulary(&tokenizer_of(&args.model.model), &sets, output)?;
    let report = train::measure(&bert, sets, args.masks, args.micro_batch, args.max_rows)?;
    output.result(format_args!("mlm loss       {:.4}", report.mlm_loss));
    output.result(format_args!("unigram guess  {:.2} %", 100.0 * report.unigram_guess));
    for class in &report.classes {
        let share = class.accuracy.map_or("-".to_owned(), |share| format!("{:.2} %", 100.0 * share));
        output.result(format_args!("{:<26} {:>8} of {}", class.class, share, class.count));
    }
    if let (Some(loss), Some(right), Some(majority)) =
        (report.pair_loss, report.pair_accuracy, report.pair_majority)
    {
        output.result(format_args!(
            "pairs          loss {loss:.4}, accuracy {:.2} % of {} (majority {:.2} %)",
            100.0 * right,
            report.pairs,
            100.0 * majority
        ));
    }
    output.json(&serde_json::json!({ "ok": true, "report": report }));
    Ok(())
}

/// `quanci-train fill-mask`.
pub(super) fn fill_mask(
    args: &ModelArgs,
    top: usize,
    sentences: &[String],
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let rank_env = RankEnv::alone();
    set_threads(common.threads, &rank_env);
    let tokenizer = Tokenizer::open(&tokenizer_of(&args.model))?;
    let bert = load(args, tokenizer.entries(), common, &rank_env, output)?;
    for sentence in sentences {
        let filled = train::fill_mask(&bert, &tokenizer, sentence, top)?;
        output.result(&filled.best);
        for (number, predictions) in filled.predictions.iter().enumerate() {
            let shown: Vec<String> =
                predictions.iter().map(|(piece, share)| format!("{piece} {:.1} %", 100.0 * share)).collect();
            output.result(format_args!("  {}: {}", number + 1, shown.join(", ")));
        }
        output.json(&serde_json::json!({ "ok": true, "text": filled.best, "guesses": filled.predictions }));
    }
    Ok(())
}

/// `quanci-train features`.
pub(super) fn features(
    args: &ModelArgs,
    input: &Path,
    path: &Path,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let rank_env = RankEnv::alone();
    set_threads(common.threads, &rank_env);
    let tokenizer = Tokenizer::open(&tokenizer_of(&args.model))?;
    let bert = load(args, tokenizer.entries(), common, &rank_env, output)?;
    let text = read_text(input)?;
    let sentences: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let written = train::features(&bert, &tokenizer, &sentences)?;
    std::fs::write(path, written).map_err(Error::io("write", path))?;
    output.result(format_args!("features of {} sentences: {}", sentences.len(), from_here(path)));
    output.json(&serde_json::json!({ "ok": true, "sentences": sentences.len(), "path": path }));
    Ok(())
}

fn read_text(path: &Path) -> Result<String, Error> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(Error::io("read", "standard input"))?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(Error::io("read", path))
}
