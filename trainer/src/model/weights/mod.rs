//! Weights from files and to files, by a model's own names: those of transformers' `BertForPreTraining` or `AlbertForPreTraining`.
//!
//! ```text
//!  path -> files (headers) -> forms (Google's and UER's names) -> names -> fit (every problem, before a number is read) -> numbers -> parameters
//! ```
//!
//! [`check`] goes this way without parameters: what it accepts, [`load`] accepts.

mod files;
mod find;
mod fit;
mod forms;
mod host;
mod names;
mod report;
mod safetensors;
mod source;
mod write;

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Kind, TchError, Tensor};

pub use find::{is_prefix, is_weights_name};
pub use forms::Form;
pub use host::{HostTensors, to_safetensors};
pub use report::{LoadReport, Wanted};
pub use safetensors::parse_safetensors;
pub use source::{Source, function_differences, source};
pub use write::{NamedTensor, UER_FILE, for_bert, google_files, uer_config, write_google, write_uer};

use super::parameters::{Parameters, shapes};
use crate::error::Error;
use files::Files;
use fit::{Fit, Part, fit};
use forms::{FileTensor, Translated, translated};

/// How many numbers a file of safetensors holds, by its header.
///
/// # Errors
/// If the file cannot be read, or its header does not fit it.
pub fn parameters_of(path: &Path) -> Result<i64, Error> {
    let file = safetensors::SafeTensorsFile::open(path)?;
    Ok(file.state_dict.tensors.iter().map(|tensor| tensor.sizes.iter().product::<i64>()).sum())
}

/// Reads the checkpoint at `path` as [`load`] does, and fills nothing.
///
/// # Errors
/// Those of [`load`].
pub fn check(path: &Path, wanted: &Wanted<'_>) -> Result<LoadReport, Error> {
    take(path, wanted, false, |_, _, _| Ok(()))
}

/// Fills `parameters` with the weights at `path`: a file, a sharded checkpoint's index, or a folder with one of them. Says what
/// is not as it was asked for and may be so.
///
/// # Errors
/// [`Error::Settings`] if a parameter of the encoder is missing and `allow_missing` does not name it; [`Error::Input`] if the
/// file cannot be read, is of another model, or holds numbers that are none.
pub fn load(parameters: &Parameters, path: &Path, wanted: &Wanted<'_>) -> Result<LoadReport, Error> {
    fill(parameters, path, wanted, false)
}

/// Like [`load`], but the scales of UER's LayerNorms stay what they are: for a model that computes with such.
///
/// # Errors
/// Those of [`load`].
pub fn load_as_stored(
    parameters: &Parameters,
    path: &Path,
    wanted: &Wanted<'_>,
) -> Result<LoadReport, Error> {
    fill(parameters, path, wanted, true)
}

fn fill(
    parameters: &Parameters,
    path: &Path,
    wanted: &Wanted<'_>,
    as_stored: bool,
) -> Result<LoadReport, Error> {
    take(path, wanted, as_stored, |part, tensor, rows| {
        let parameter = parameters.get(&part.parameter).expect("it was listed for the same config");
        let place = match rows {
            Some(rows) => parameter.f_narrow(0, 0, rows)?,
            None => parameter.shallow_clone(),
        };
        copy(&place, tensor)
    })
}

/// Puts back the weights of a checkpoint of quanci's own: all of them, and nothing else.
///
/// # Errors
/// If a tensor is missing, left over or of other sizes.
pub fn restore(parameters: &Parameters, tensors: &[(String, Tensor)], path: &Path) -> Result<(), Error> {
    let other = || Error::input(path, "holds another model than the settings name");
    if tensors.len() != parameters.iter().count() {
        return Err(other());
    }
    for (name, tensor) in tensors {
        let parameter = parameters.get(name).filter(|own| own.size() == tensor.size()).ok_or_else(other)?;
        copy(parameter, tensor).map_err(Error::torch("filling weights"))?;
    }
    Ok(())
}

/// Every tensor of a file, by name.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let mut files = Files::open(path)?;
    let all: Vec<_> = files.state_dicts.iter().flat_map(|dict| dict.tensors.clone()).collect();
    all.into_iter().map(|(file, header)| Ok((header.name.clone(), files.tensor(file, &header)?))).collect()
}

/// Compares headers, then reads each tensor that fits, and hands it on with the number of its rows to take.
fn take(
    path: &Path,
    wanted: &Wanted<'_>,
    as_stored: bool,
    mut put: impl FnMut(&Part, &Tensor, Option<i64>) -> Result<(), TchError>,
) -> Result<LoadReport, Error> {
    let mut files = Files::open(path)?;
    let path = files.path.clone();
    let Translated { tensors, told, .. } = state_dict(&files, wanted, as_stored)?;
    let Fit { parts, same, mut report } = fit(&tensors, wanted, &path)?;
    report.told = told;
    for part in &parts {
        let FileTensor { file, header, change, .. } = &tensors[part.tensor];
        let tensor = files.tensor(*file, header)?;
        let made = || {
            let tensor = change.apply(&tensor)?;
            let tensor = match part.rows {
                Some(rows) => tensor.f_narrow(0, 0, rows.min(tensor.size()[0]))?,
                None => tensor.shallow_clone(),
            };
            Ok((count_of_not_finite(&tensor)?, tensor))
        };
        let (bad, tensor) = made().map_err(Error::torch("reading weights"))?;
        if bad > 0 {
            let name = &header.name;
            return Err(Error::input(
                &path,
                format!(
                    "{name}: {bad} of its {} numbers are NaN or infinite, and nothing can be computed with them; take a checkpoint from before training diverged",
                    tensor.numel()
                ),
            ));
        }
        put(part, &tensor, part.rows).map_err(Error::torch("filling weights"))?;
    }
    for [one, other] in same {
        refuse_other(&mut files, &tensors[one], &tensors[other], &path)?;
    }
    Ok(report)
}

/// Keys under which training programs keep the model itself, where its average or another copy lies beside it.
const MODEL_KEYS: [&str; 5] = ["model", "state_dict", "model_state_dict", "module", "model_state"];

/// The state dict that has most of the model's names: a file of `torch.save` may hold an optimizer's, too.
fn state_dict(files: &Files, wanted: &Wanted<'_>, as_stored: bool) -> Result<Translated, Error> {
    let shapes = shapes(wanted.config);
    let known: BTreeSet<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
    let mut dicts: Vec<Result<Translated, String>> = files
        .state_dicts
        .iter()
        .map(|dict| translated(&dict.tensors, files.of_tensorflow(), as_stored))
        .collect();
    let score = |dict: &Result<Translated, String>| {
        let tensors = dict.as_ref().map_or(&[][..], |dict| &dict.tensors);
        let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        names::matches(&names, &known, wanted.config.architecture())
    };
    let scores: Vec<usize> = dicts.iter().map(score).collect();
    let most = scores.iter().copied().max().unwrap_or(0);
    let mut best: Vec<usize> = (0..scores.len()).filter(|&index| scores[index] == most).collect();
    if most == 0 {
        // None of them is a model: that is told by its names, or it is one that is known.
        let refused = dicts.iter().position(Result::is_err);
        best = refused.or((!dicts.is_empty()).then_some(0)).into_iter().collect();
    }
    let key = |index: usize| files.state_dicts[index].key.as_str();
    if best.len() > 1 {
        let names: Vec<&str> = best.iter().map(|&index| key(index)).collect();
        let problem =
            format!("holds several models ({}): save the one that is meant by itself", names.join(", "));
        best.retain(|&index| MODEL_KEYS.contains(&key(index)));
        if best.len() != 1 {
            return Err(Error::input(&files.path, problem));
        }
    }
    match best.first() {
        Some(&index) => dicts.swap_remove(index).map_err(|problem| Error::input(&files.path, problem)),
        None => Ok(Translated { form: Form::Transformers, tensors: Vec::new(), told: Vec::new() }),
    }
}

/// Fails if two tensors differ for which the model has one place.
fn refuse_other(files: &mut Files, one: &FileTensor, other: &FileTensor, path: &Path) -> Result<(), Error> {
    let mut read = |tensor: &FileTensor| files.tensor(tensor.file, &tensor.header);
    let (a, b) = (read(one)?, read(other)?);
    if a.size() == b.size() && a.kind() == b.kind() && a.equal(&b) {
        return Ok(());
    }
    let (kept, lost) = (&one.header.name, &other.header.name);
    Err(Error::input(
        path,
        format!(
            "{lost} is not {kept} again, but of its own, and the model has one place for both: set \"tie_word_embeddings\" to \
             false in the model's config.json to keep it, or remove it from the file"
        ),
    ))
}

fn count_of_not_finite(tensor: &Tensor) -> Result<i64, TchError> {
    let all = tensor.numel() as i64;
    Ok(all - tensor.f_isfinite()?.f_sum(Kind::Int64)?.f_int64_value(&[])?)
}

fn copy(parameter: &Tensor, from: &Tensor) -> Result<(), TchError> {
    tch::no_grad(|| parameter.shallow_clone().f_copy_(from).map(drop))
}
