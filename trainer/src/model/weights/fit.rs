//! Whether the tensors of a checkpoint are those of a model, by names, sizes and kinds alone: what goes where, or every problem
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::forms::FileTensor;
use super::names::{self, Named};
use super::report::{LoadReport, Wanted};
use crate::error::Error;
use crate::model::architecture::Architecture;
use crate::model::config::is_padding;
use crate::model::parameters::shapes;

/// The names of parameters whose rows may be more or fewer, or that have two names.
#[derive(Debug)]
pub(super) struct Names {
    words: String,
    positions: String,
    /// The decoder of the MLM head: the word embeddings again, or of its own.
    decoder: String,
    decoder_bias: String,
    bias: String,
}

impl Names {
    pub(super) fn of(architecture: Architecture) -> Names {
        let own = |name: &str| architecture.own_name(name);
        Names {
            words: own("bert.embeddings.word_embeddings.weight"),
            positions: own("bert.embeddings.position_embeddings.weight"),
            decoder: own("cls.predictions.decoder.weight"),
            decoder_bias: own("cls.predictions.decoder.bias"),
            bias: own("cls.predictions.bias"),
        }
    }

    /// The names to look for: those of the model, and of a decoder that other models have.
    pub(super) fn candidates<'a>(&'a self, known: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let Names { decoder, decoder_bias, bias, .. } = self;
        known.iter().copied().chain([decoder, decoder_bias, bias].map(String::as_str)).collect()
    }
}

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
    let architecture = wanted.config.architecture();
    let special = Names::of(architecture);
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let Named { mut ours, others } = names::map(&names, &special.candidates(&known), architecture)
        .map_err(|problem| Error::input(path, problem))?;
    let mut fit = Fit::default();
    let others = others.into_iter().map(|index| &tensors[index]);
    fit.report.unused =
        others.filter(|tensor| !is_buffer(tensor)).map(|tensor| tensor.header.name.clone()).collect();
    share_decoder(&mut ours, &known, &special, &mut fit);
    let (mut missing, mut problems) = (Vec::new(), Vec::new());
    for (name, sizes) in &shapes {
        let Some(tensor) = ours.remove(name) else {
            let allowed = wanted.allow_missing.iter().any(|allowed| name.starts_with(allowed));
            if allowed || is_drawn_anew(name, architecture) {
                fit.report.missing.push(name.clone())
            } else {
                missing.push(name.clone())
            }
            continue;
        };
        match rows(name, &tensors[tensor], sizes, wanted, &special, &mut fit.report) {
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
        asked.push(told_missing(&missing, &own, architecture, path));
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

/// What is drawn anew without being asked for: a checkpoint of an encoder alone has none of it.
fn is_drawn_anew(name: &str, architecture: Architecture) -> bool {
    name.starts_with(architecture.pooler()) || architecture.heads().iter().any(|head| name.starts_with(head))
}

/// A decoder that the model has no place for is the word embeddings again, or serves as them where they are missing; its bias
/// has two names.
fn share_decoder(ours: &mut BTreeMap<String, usize>, known: &BTreeSet<&str>, special: &Names, fit: &mut Fit) {
    let Names { words, decoder, decoder_bias, bias, .. } = special;
    for (extra, own) in [(decoder, words), (decoder_bias, bias), (bias, decoder_bias)] {
        if known.contains(extra.as_str()) || !known.contains(own.as_str()) {
            continue;
        }
        let Some(tensor) = ours.remove(extra) else { continue };
        match ours.get(own) {
            // Of a model with a decoder of its own, only the decoder's bias is used in transformers.
            Some(_) if extra == bias => {}
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
    special: &Names,
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
    let Names { words, positions, decoder, decoder_bias, bias } = special;
    if name == positions && has < wants {
        report.extended.push(name.to_owned());
        return Ok(Some(has));
    }
    if ![words, decoder, bias, decoder_bias].iter().any(|own| *own == name) {
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
    let architecture = wanted.config.architecture();
    // An ALBERT has one layer.
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
        let within = name.strip_prefix(architecture.encoder()).unwrap_or_default();
        let is_encoder = within.starts_with("embeddings.") || within.starts_with("encoder.");
        if is_encoder && !is_deeper(&name) {
            foreign.push(tensor.header.name.clone());
        } else {
            report.unused.push(tensor.header.name.clone());
        }
    }
    if !foreign.is_empty() {
        problems.push(format!(
            "the file's encoder computes with {}, which {} has not: it is another kind of model",
            some_of(&foreign),
            architecture.describe()
        ));
    }
}

fn told_missing(missing: &[String], names: &[&str], architecture: Architecture, path: &Path) -> String {
    let what = names::program(names, architecture).map_or(String::new(), |what| format!(" ({what})"));
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
