//! Weights from files and to files, by the names of transformers' `BertForPreTraining`.
//!
//! ```text
//!  path -> files (headers) -> names -> fit (every problem, before a number is read) -> numbers -> parameters
//! ```
//!
//! [`check`] goes this way without parameters: what it accepts, [`load`] accepts.

mod files;
mod fit;
mod host;
mod names;
mod report;
mod safetensors;

use std::collections::BTreeSet;
use std::path::Path;

use tch::{Kind, TchError, Tensor};

pub use host::{HostTensors, to_safetensors};
pub use report::{LoadReport, Wanted};
pub use safetensors::parse_safetensors;

use super::header::TensorHeader;
use super::parameters::{Parameters, shapes};
use crate::error::Error;
use files::{FileDict, Files};
use fit::{Fit, Part, fit};

/// Reads the checkpoint at `path` as [`load`] does, and fills nothing.
///
/// # Errors
/// Those of [`load`].
pub fn check(path: &Path, wanted: &Wanted<'_>) -> Result<LoadReport, Error> {
    take(path, wanted, |_, _, _| Ok(()))
}

/// Fills `parameters` with the weights at `path`: a file, a sharded checkpoint's index, or a folder with one of them. Says what
/// is not as it was asked for and may be so.
///
/// # Errors
/// [`Error::Settings`] if a parameter of the encoder is missing and `allow_missing` does not name it; [`Error::Input`] if the
/// file cannot be read, is of another model, or holds numbers that are none.
pub fn load(parameters: &Parameters, path: &Path, wanted: &Wanted<'_>) -> Result<LoadReport, Error> {
    take(path, wanted, |part, tensor, rows| {
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
    all.into_iter().map(|tensor| Ok((tensor.1.name.clone(), files.tensor(&tensor)?))).collect()
}

/// Compares headers, then reads each tensor that fits, and hands it on with the number of its rows to take.
fn take(
    path: &Path,
    wanted: &Wanted<'_>,
    mut put: impl FnMut(&Part, &Tensor, Option<i64>) -> Result<(), TchError>,
) -> Result<LoadReport, Error> {
    let mut files = Files::open(path)?;
    let dict = state_dict(&mut files, wanted)?;
    let path = files.path.clone();
    let headers: Vec<&TensorHeader> = dict.tensors.iter().map(|(_, header)| header).collect();
    let Fit { parts, same, report } = fit(&headers, wanted, &path)?;
    for part in &parts {
        let tensor = files.tensor(&dict.tensors[part.tensor])?;
        let made = || {
            let tensor = match part.rows {
                Some(rows) => tensor.f_narrow(0, 0, rows.min(tensor.size()[0]))?,
                None => tensor.shallow_clone(),
            };
            Ok((count_of_not_finite(&tensor)?, tensor))
        };
        let (bad, tensor) = made().map_err(Error::torch("reading weights"))?;
        if bad > 0 {
            let name = &headers[part.tensor].name;
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
        refuse_other(&mut files, &dict, one, other, &path)?;
    }
    Ok(report)
}

/// Keys under which training programs keep the model itself, where its average or another copy lies beside it.
const MODEL_KEYS: [&str; 5] = ["model", "state_dict", "model_state_dict", "module", "model_state"];

/// The state dict that has most of the model's names: a file of `torch.save` may hold an optimizer's, too.
fn state_dict(files: &mut Files, wanted: &Wanted<'_>) -> Result<FileDict, Error> {
    let shapes = shapes(wanted.config);
    let known: BTreeSet<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
    let score = |dict: &FileDict| {
        let names: Vec<&str> = dict.tensors.iter().map(|(_, header)| header.name.as_str()).collect();
        names::matches(&names, &known)
    };
    let scores: Vec<usize> = files.state_dicts.iter().map(score).collect();
    let most = scores.iter().copied().max().unwrap_or(0);
    let mut best: Vec<usize> = (0..scores.len()).filter(|&index| scores[index] == most).collect();
    if most == 0 {
        best.truncate(1); // none of them is a model: that is told by its names
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
    Ok(best.first().map_or_else(FileDict::default, |&index| std::mem::take(&mut files.state_dicts[index])))
}

/// Fails if two tensors differ for which the model has one place.
fn refuse_other(
    files: &mut Files,
    dict: &FileDict,
    one: usize,
    other: usize,
    path: &Path,
) -> Result<(), Error> {
    let (first, second) = (&dict.tensors[one], &dict.tensors[other]);
    let (a, b) = (files.tensor(first)?, files.tensor(second)?);
    if a.size() == b.size() && a.kind() == b.kind() && a.equal(&b) {
        return Ok(());
    }
    let (kept, lost) = (&first.1.name, &second.1.name);
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
