//! Checkpoints of one program as those of another: Hugging Face's, Google's (google-research/bert and google-research/albert), UER's.
//!
//! ```text
//!  source    what is converted: weights, config, tokenizer
//!  target    what can be written, and what of the model's function it cannot hold
//!  files     the files of each form
//!  compare   logits of the source and of what was written, on a fixed batch
//!  place     a folder that is whole or not there
//! ```

mod compare;
mod files;
mod place;
mod source;
mod target;
mod vocabulary;

use std::path::{Path, PathBuf};

use tch::Device;

pub use compare::Differences;
pub use source::{SourceModel, open};
pub use target::Target;

use crate::error::Error;
use crate::model::config::ModelConfig;
use crate::model::weights::{self, LoadReport, Wanted};
use crate::model::{Bert, NormForm};
use files::Parts;
use place::Place;
use vocabulary::Vocabulary;

/// What is to be converted.
#[derive(Debug)]
pub struct Request<'a> {
    /// The model.
    pub source: &'a SourceModel,
    /// The form to write.
    pub target: Target,
    /// The folder to write.
    pub folder: &'a Path,
    /// The folder of the model's tokenizer.
    pub tokenizer: &'a Path,
    /// A vocabulary that is taken instead of the one there.
    pub vocabulary: Option<&'a Path>,
    /// Keys of the config that may be others in what is written, because its form cannot hold them.
    pub accepted: &'a [String],
    /// Parameters of the encoder that may be missing.
    pub allow_missing: &'a [String],
    /// The most by which logits may differ.
    pub bound: f64,
    /// Whether files that are there may be replaced.
    pub force: bool,
}

/// What was converted.
#[derive(Debug)]
pub struct Converted {
    /// The files that were written.
    pub files: Vec<String>,
    /// Parameters that were written.
    pub parameters: usize,
    /// What was found in the source.
    pub report: LoadReport,
    /// Between the source in its own function, or in what is accepted of it, and what was written.
    pub differences: Differences,
    /// By what was accepted: between the source in its own function and in that of the form.
    pub accepted: Option<Differences>,
    /// What should be known of it.
    pub warnings: Vec<String>,
}

/// Converts a model: writes the files under another name, reads them back, compares, and gives them their name.
///
/// # Errors
/// If the source is not sound, its function has no place in the form, files are in the way, or what was written computes
/// something else than the source. Nothing is there then that was not before.
pub fn convert(request: &Request<'_>) -> Result<Converted, Error> {
    let Request { source, target, .. } = request;
    let written_config = target.config(&source.config, request.accepted)?;
    let vocabulary = Vocabulary::find(request.tokenizer, request.vocabulary, &source.config)?;
    let names = files::names(*target, source.config.architecture(), &vocabulary);
    let place = Place::begin(request.folder, &names, request.force)?;

    let entries = vocabulary.entries;
    let (bert, report) = filled(source, &source.config, request.allow_missing, entries)?;
    let parts = Parts::of(&bert, &report);
    files::write(*target, place.path(), &parts, &written_config, source.norm, &vocabulary)?;

    let own = compare::outputs(&bert)?;
    let wanted = if written_config == source.config {
        None
    } else {
        // The same weights in the function that the form has.
        let (accepted, _) = filled(source, &written_config, request.allow_missing, entries)?;
        Some(compare::outputs(&accepted)?)
    };
    drop(bert);
    let written = read_back(place.path(), &parts.missing)?;
    let differences = compare::compare(wanted.as_ref().unwrap_or(&own), &written, &parts)?;
    if differences.largest > request.bound {
        let message = format!(
            "what was written computes something else than the source: logits differ by {:.1e}, and {:.1e} is allowed; nothing \
             was kept. Raise --max-difference if that is enough for you",
            differences.largest, request.bound
        );
        return Err(Error::Output { path: request.folder.to_path_buf(), message });
    }
    let accepted = wanted.map(|wanted| compare::compare(&own, &wanted, &parts)).transpose()?;
    let warnings = vocabulary.warnings(*target, source.form);
    place.commit()?;
    let parameters = parts.parameters.len();
    Ok(Converted { files: names, parameters, report, differences, accepted, warnings })
}

/// A model with the weights of the source, as they are stored, in its LayerNorm.
fn filled(
    source: &SourceModel,
    config: &ModelConfig,
    allow_missing: &[String],
    entries: Option<i64>,
) -> Result<(Bert, LoadReport), Error> {
    let bert = Bert::new(config.clone(), 0, Device::Cpu);
    let mut bert = bert.map_err(Error::torch("making the model"))?;
    bert.set_norm(match source.norm {
        NormForm::Biased { .. } => NormForm::Biased { epsilon: config.layer_norm_eps },
        unbiased @ NormForm::Unbiased { .. } => unbiased,
    });
    let wanted = Wanted { config, allow_missing, entries };
    let report = weights::load_as_stored(bert.parameters(), &source.path, &wanted)?;
    Ok((bert, report))
}

/// The outputs of what was written, by the reader that everybody uses.
fn read_back(folder: &Path, missing: &[String]) -> Result<compare::Outputs, Error> {
    let read = open(folder, None)?;
    let (bert, report) = filled(&read, &read.config, missing, None)?;
    if report.missing.iter().any(|name| !missing.contains(name)) {
        let message = format!("lacks what was to be written: {}", report.missing.join(", "));
        return Err(Error::Output { path: PathBuf::from(folder), message });
    }
    compare::outputs(&bert)
}
