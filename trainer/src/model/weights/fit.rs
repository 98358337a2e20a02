//! Whether the tensors of a checkpoint are those of a model, by names, sizes and kinds alone: what goes where, or every problem
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::forms::FileTensor;
use super::names::{self, Named};
use super::report::{LoadReport, Wanted};
use crate::error::Error;
use crate::model::config::is_padding;
use crate::model::parameters::shapes;

const WORDS: &str = "bert.embeddings.word_embeddings.weight";
const POSITIONS: &str = "bert.embeddings.position_embeddings.weight";
/// The decoder of the MLM head: the word embeddings again, or of its own.
pub(super) const DECODER: &str = "cls.predictions.decoder.weight";
const DECODER_BIAS: &str = "cls.predictions.decoder.bias";
const BIAS: &str = "cls.predictions.bias";
/// What is drawn anew without being asked for: a checkpoint of an encoder alone has none of it.
const HEADS: [&str; 2] = ["bert.pooler.", "cls."];
/// The most names of a file that a message shows.
const SHOWN: usize = 8;

/// What goes where.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// Parameters and the tensors that they take.
    pub(super) parts: Vec<Part>,
    /// Pairs of tensors that must be the same, since the model has one place for both: the second would be lost.
    pub(super) same: Vec<[usize; 2]>,
    pub(super) report: LoadReport,
}

/// A parameter, and the tensor that it takes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) parameter: String,
    /// The index of the tensor.
    pub(super) tensor: usize,
    /// How many rows are taken, where either has more.
    pub(super) rows: Option<i64>,
}

/// Compares the tensors of a state dict with what is wanted; `path` is named in errors.
///
/// # Errors
/// [`Error::Settings`] with every parameter of the encoder that is missing; [`Error::Input`] for sizes that differ.
pub(super) fn fit(tensors: &[FileTensor], wanted: &Wanted<'_>, path: &Path) -> Result<Fit, Error> {
    let shapes = shapes(wanted.config);
    let known: BTreeSet<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let Named { mut ours, others } =
        names::map(&names, &candidates(&known)).map_err(|problem| Error::input(path, problem))?;
    let mut fit = Fit::default();
    let others = others.into_iter().map(|index| &tensors[index]);
    fit.report.unused =
        others.filter(|tensor| !is_buffer(tensor)).map(|tensor| tensor.header.name.clone()).collect();
    share_decoder(&mut ours, &known, &mut fit);
    let (mut missing, mut problems) = (Vec::new(), Vec::new());
    for (name, sizes) in &shapes {
        let Some(tensor) = ours.remove(name) else {
            let allowed = wanted.allow_missing.iter().any(|allowed| name.starts_with(allowed));
            let is_head = HEADS.iter().any(|head| name.starts_with(head));
            if allowed || is_head {
                fit.report.missing.push(name.clone())
            } else {
                missing.push(name.clone())
            }
            continue;
        };
        match rows(name, &tensors[tensor], sizes, wanted, &mut fit.report) {
            Ok(rows) => fit.parts.push(Part { parameter: name.clone(), tensor, rows }),
            Err(problem) => problems.push(problem),
        }
    }
    leftovers(ours, tensors, wanted, &mut fit.report, &mut problems);
    let unknown =
        wanted.allow_missing.iter().filter(|allowed| !known.iter().any(|name| name.starts_with(*allowed)));
    let mut asked: Vec<String> = unknown
        .map(|unknown| {
            format!("`allow_missing` names {unknown}, with which no parameter of the model begins")
        })
        .collect();
    if !missing.is_empty() {
        let own: Vec<&str> = tensors.iter().map(|tensor| tensor.header.name.as_str()).collect();
        asked.push(told_missing(&missing, &own, path));
    }
    match (asked.is_empty(), problems.is_empty()) {
        (true, true) => Ok(fit),
        (true, false) => Err(Error::input(path, problems.join("; "))),
        (false, _) => {
            asked.extend(problems.iter().map(|problem| format!("{}: {problem}", path.display())));
            Err(Error::Settings(asked))
        }
    }
}

/// True for what holds 0, 1, 2, … or nothing.
fn is_buffer(tensor: &FileTensor) -> bool {
    !tensor.header.is_float() || tensor.sizes.contains(&0)
}

/// The names to look for: those of the model, and of a decoder that other models have.
pub(super) fn candidates<'a>(known: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    known.iter().copied().chain([DECODER, DECODER_BIAS, BIAS]).collect()
}

/// A decoder that the model has no place for is the word embeddings again, or serves as them where they are missing; its bias
/// has two names.
fn share_decoder(ours: &mut BTreeMap<String, usize>, known: &BTreeSet<&str>, fit: &mut Fit) {
    for (extra, own) in [(DECODER, WORDS), (DECODER_BIAS, BIAS), (BIAS, DECODER_BIAS)] {
        if known.contains(extra) || !known.contains(own) {
            continue;
        }
        let Some(tensor) = ours.remove(extra) else { continue };
        match ours.get(own) {
            // Of a model with a decoder of its own, only the decoder's bias is used in transformers.
            Some(_) if extra == BIAS => {}
            Some(&first) => fit.same.push([first, tensor]),
            None => drop(ours.insert(own.to_owned(), tensor)),
        }
    }
}

/// How many rows of a tensor a parameter takes, if not all; an error says why it cannot be taken.
fn rows(
    name: &str,
    tensor: &FileTensor,
    sizes: &[i64],
    wanted: &Wanted<'_>,
    report: &mut LoadReport,
) -> Result<Option<i64>, String> {
    let own = &tensor.header.name;
    if !tensor.header.is_float() {
        return Err(format!("{own} is of {:?}, and weights are numbers with fractions", tensor.header.kind));
    }
    if tensor.sizes == sizes {
        return Ok(None);
    }
    let differ =
        || format!("{own} is {:?} in the file, and the model's {name} is {sizes:?}", tensor.header.sizes);
    let (Some((&has, width)), Some((&wants, own_width))) = (tensor.sizes.split_first(), sizes.split_first())
    else {
        return Err(differ());
    };
    if width != own_width {
        return Err(differ());
    }
    // Positions may be added at the end; the old keep their meaning.
    if name == POSITIONS && has < wants {
        report.extended.push(name.to_owned());
        return Ok(Some(has));
    }
    if ![WORDS, DECODER, BIAS, DECODER_BIAS].contains(&name) {
        return Err(differ());
    }
    let entries = wanted.entries.unwrap_or(0);
    if is_padding(wants, has) {
        report.spare.push(format!(
            "{own}: its rows {wants} to {} are padding of the vocabulary, and left out",
            has - 1
        ));
        Ok(Some(wants))
    } else if is_padding(has, wants) && entries <= has {
        report.spare.push(format!(
            "{name}: rows {has} to {} are padding of the model's vocabulary, drawn anew",
            wants - 1
        ));
        Ok(Some(has))
    } else if is_padding(has, wants) {
        Err(format!("{}: the vocabulary has {entries} entries", differ()))
    } else {
        Err(differ())
    }
}

/// Tensors with names like the model's that it has no place for: layers beyond its own may stay out, anything else within the
/// layers would be computed with.
fn leftovers(
    ours: BTreeMap<String, usize>,
    tensors: &[FileTensor],
    wanted: &Wanted<'_>,
    report: &mut LoadReport,
    problems: &mut Vec<String>,
) {
    let is_deeper = |name: &str| {
        let rest = name.strip_prefix("bert.encoder.layer.");
        let layer = rest.and_then(|rest| rest.split('.').next()?.parse::<i64>().ok());
        layer.is_some_and(|layer| layer >= wanted.config.num_hidden_layers)
    };
    let mut foreign = Vec::new();
    for (name, index) in ours {
        let tensor = &tensors[index];
        if is_buffer(tensor) {
            continue;
        }
        let is_encoder = name.starts_with("bert.embeddings.") || name.starts_with("bert.encoder.");
        if is_encoder && !is_deeper(&name) {
            foreign.push(tensor.header.name.clone());
        } else {
            report.unused.push(tensor.header.name.clone());
        }
    }
    if !foreign.is_empty() {
        problems.push(format!(
            "the file's encoder computes with {}, which a BERT has not: it is another kind of model",
            some_of(&foreign)
        ));
    }
}

fn told_missing(missing: &[String], names: &[&str], path: &Path) -> String {
    let what = names::program(names).map_or(String::new(), |what| format!(" ({what})"));
    format!(
        "{}: it holds {}{what}, and lacks these parameters of the model's encoder: {}. If they are to be drawn anew, name them or \
         their beginnings in `allow_missing`",
        path.display(),
        some_of(names),
        missing.join(", "),
    )
}

/// A few names, and how many more there are.
fn some_of(names: &[impl AsRef<str>]) -> String {
    let shown = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
