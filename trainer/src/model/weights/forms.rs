//! Whose names a state dict has; and its tensors as they are for transformers' model, with what makes them so.

use std::collections::BTreeMap;

use crate::model::header::{Change, TensorHeader, norm_scale};
use crate::model::tf1::names as google;
use crate::model::uer::names as uer;
use crate::model::weights::names::plain;

/// The program whose names, and whose computation, a checkpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// transformers, and all who have its names.
    Transformers,
    /// google-research/bert: a checkpoint of TensorFlow 1.
    Google,
    /// UER-py and TencentPretrain.
    Uer,
}

/// A tensor of a file, and what becomes of it.
#[derive(Debug, Clone)]
pub(super) struct FileTensor {
    /// Which file it is in.
    pub(super) file: usize,
    /// As that has it.
    pub(super) header: TensorHeader,
    /// Its name as transformers has it, perhaps behind something.
    pub(super) name: String,
    /// Its sizes once it is changed.
    pub(super) sizes: Vec<i64>,
    pub(super) change: Change,
}

/// The tensors of a state dict for transformers' model.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) form: Form,
    pub(super) tensors: Vec<FileTensor>,
    /// What was left out, and what is changed.
    pub(super) told: Vec<String>,
}

/// Translates the tensors of a state dict; `of_tensorflow` if they are of its checkpoints. With `as_stored`, the scales of
/// UER's LayerNorms stay what they are.
///
/// # Errors
/// If they are of a model that is known, and is neither a BERT nor an ALBERT.
pub(super) fn translated(
    tensors: &[(usize, TensorHeader)],
    of_tensorflow: bool,
    as_stored: bool,
) -> Result<Translated, String> {
    let headers: Vec<TensorHeader> = tensors.iter().map(|(_, header)| header.clone()).collect();
    if of_tensorflow {
        return google_form(tensors, &headers);
    }
    let names: Vec<String> = headers.iter().map(|header| plain(&header.name)).collect();
    if uer::is_uer(&names) {
        return uer_form(tensors, &headers, &names, as_stored);
    }
    let tensors = tensors.iter().map(|(file, header)| unchanged(*file, header)).collect();
    Ok(Translated { form: Form::Transformers, tensors, told: Vec::new() })
}

fn unchanged(file: usize, header: &TensorHeader) -> FileTensor {
    let (name, sizes) = (header.name.clone(), header.sizes.clone());
    FileTensor { file, header: header.clone(), name, sizes, change: Change::None }
}

fn changed(file: usize, header: &TensorHeader, name: String, change: Change) -> FileTensor {
    match change.sizes(&header.sizes) {
        Some(sizes) => FileTensor { file, header: header.clone(), name, sizes, change },
        // Its sizes are not the model's: that is told with its name.
        None => FileTensor { name, ..unchanged(file, header) },
    }
}

fn google_form(tensors: &[(usize, TensorHeader)], headers: &[TensorHeader]) -> Result<Translated, String> {
    if let Some(problem) = google::refused(headers) {
        return Err(problem);
    }
    let (left, kept): (Vec<_>, Vec<_>) =
        tensors.iter().partition(|(_, header)| google::is_of_optimizer(&header.name));
    let mut told = Vec::new();
    if !left.is_empty() {
        let has_step = left.iter().any(|(_, header)| header.name == google::STEP);
        let step = if has_step { ", global_step among them" } else { "" };
        told.push(format!("{} variables of the optimizer are left out{step}", left.len()));
    }
    let architecture = google::architecture(headers);
    let tensors = kept.into_iter().map(|(file, header)| {
        let renamed = google::renamed(&header.name, architecture);
        changed(*file, header, renamed.name, renamed.change)
    });
    Ok(Translated { form: Form::Google, tensors: tensors.collect(), told })
}

fn uer_form(
    tensors: &[(usize, TensorHeader)],
    headers: &[TensorHeader],
    names: &[String],
    as_stored: bool,
) -> Result<Translated, String> {
    if let Some(problem) = uer::refused(headers, names) {
        return Err(problem);
    }
    let architecture = uer::architecture(names);
    let mut told = Vec::new();
    let one =
        |((file, header), name): (&(usize, TensorHeader), &String)| match uer::renamed(name, architecture) {
            Some(renamed) if as_stored && renamed.change == Change::ToBiasedNorm => {
                changed(*file, header, renamed.name, Change::None)
            }
            Some(renamed) => changed(*file, header, renamed.name, renamed.change),
            None => unchanged(*file, header),
        };
    let tensors: Vec<FileTensor> = tensors.iter().zip(names).map(one).collect();
    // An ALBERT's are of two widths.
    let mut norms: BTreeMap<i64, usize> = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.change == Change::ToBiasedNorm) {
        *norms.entry(tensor.sizes[0]).or_default() += 1;
    }
    for (width, count) in norms {
        told.push(format!(
            "UER's LayerNorm divides by the unbiased deviation: the scales of {count} LayerNorms are multiplied by √({}/{width}) = \
             {:.6}, so that BERT's computes the same",
            width - 1,
            norm_scale(width)
        ));
    }
    if tensors.iter().any(|tensor| tensor.change == Change::WithoutFirstRow) {
        told.push("the first of UER's three segments, that of padding, is left out".to_owned());
    }
    Ok(Translated { form: Form::Uer, tensors, told })
}
