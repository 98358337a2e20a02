//! `convert`: a model in another program's form.

use quanci_cli::{Output, from_here};

use super::args::{Common, Convert};
use super::device::set_threads;
use super::found::tell;
use super::model::{checkpoint_of, tokenizer_of};
use crate::checkpoint::{Checkpoint, STATE_FILE};
use crate::convert::{self, Differences, Request};
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::model::NormForm;

/// `quanci-train convert`.
pub(super) fn convert(args: &Convert, common: &Common, output: &Output) -> Result<(), Error> {
    if !(args.max_difference >= 0.0 && args.max_difference.is_finite()) {
        return Err(Error::settings(format!(
            "--max-difference {}: it must be 0 or more",
            args.max_difference
        )));
    }
    set_threads(common.threads, &RankEnv::alone());
    let from = checkpoint_of(&args.from)?;
    if from.join(STATE_FILE).is_file() {
        Checkpoint::read(&from)?; // its files are those that were written
    }
    let source = convert::open(&from, args.config.as_deref())?;
    source.told.iter().for_each(|told| output.message(told));
    let request = Request {
        source: &source,
        target: args.to,
        folder: &args.folder,
        tokenizer: &tokenizer_of(&args.from),
        vocabulary: args.vocab.as_deref(),
        accepted: &args.accept_changes,
        allow_missing: &args.allow_missing,
        bound: args.max_difference,
        force: args.force,
    };
    let converted = convert::convert(&request)?;
    let mut report = converted.report.clone();
    let missing = std::mem::take(&mut report.missing);
    tell(&report, &source.path.display().to_string(), output);
    if !missing.is_empty() {
        output.warning(format_args!(
            "not in {}, and left out: {}",
            source.path.display(),
            missing.join(", ")
        ));
    }
    tell_of_norms(source.norm, args, output);
    converted.warnings.iter().for_each(|warning| output.warning(warning));
    let differences = converted.differences;
    output.result(format_args!(
        "written  {} parameters in {} form: {}",
        converted.parameters,
        args.to.describe(),
        from_here(&args.folder)
    ));
    output.result(format_args!(
        "checked  largest difference of logits {} (at most {:.0e} is allowed)",
        in_words(&differences),
        args.max_difference
    ));
    if let Some(accepted) = &converted.accepted {
        output.result(format_args!(
            "accepted largest difference of logits {} by what was accepted to change",
            in_words(accepted)
        ));
    }
    output.json(&serde_json::json!({
        "ok": true, "model": args.folder, "files": converted.files, "parameters": converted.parameters,
        "largest_difference": differences.largest, "accepted_difference": converted.accepted.map(|accepted| accepted.largest),
    }));
    Ok(())
}

/// The scales of UER's LayerNorms are told by the reader; those that are written for UER, here.
fn tell_of_norms(norm: NormForm, args: &Convert, output: &Output) {
    let to_uer = args.to == convert::Target::Uer;
    match norm {
        NormForm::Biased { .. } if to_uer => output.message(
            "UER's LayerNorm divides by the unbiased deviation: each scale (gamma) was multiplied by √(n/(n−1)), n its width, so \
             that UER computes the same",
        ),
        NormForm::Unbiased { .. } if !to_uer => output.message(
            "UER's LayerNorm divides by the unbiased deviation: each scale (gamma) was multiplied by √((n−1)/n), n its width, so \
             that the model computes the same",
        ),
        _ => {}
    }
}

fn in_words(differences: &Differences) -> String {
    let mut parts = vec![format!("last layer {:.1e}", differences.hidden)];
    parts.extend(differences.masked.map(|masked| format!("masked tokens {masked:.1e}")));
    parts.extend(differences.pairs.map(|pairs| format!("pairs {pairs:.1e}")));
    format!("{:.1e}: {}", differences.largest, parts.join(", "))
}
