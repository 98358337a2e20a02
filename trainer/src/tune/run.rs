//! What a tune run is made of and does not change while it trains.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use quanci_shards::manifest::sha256;
use tch::Device;

use super::examples::{self, Split};
use super::tasks::{self, Head, Task};
use crate::config::{TaskKind, TuneSettings};
use crate::convert;
use crate::error::Error;
use crate::model::Kernels;
use crate::model::config::{ModelConfig, is_padding};
use crate::text::Tokenizer;
use crate::train::kind_of;

/// Files of a tokenizer, as transformers reads them.
pub(super) const TOKENIZER_FILES: [&str; 5] =
    ["vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/// A tune run.
pub struct TuneRun<'a> {
    /// Its settings.
    pub settings: &'a TuneSettings,
    /// The model's config.
    pub model: ModelConfig,
    /// Where it computes.
    pub device: Device,
    /// By what the layers are computed.
    pub kernels: Kernels,
    /// Where a signal handler stores a signal's number.
    pub signal: Arc<AtomicUsize>,
    /// Called after every step and every part of a measurement: others may wait for this process.
    pub heartbeat: &'a dyn Fn() -> Result<(), Error>,
    /// The weights to begin with, and the folder or file that they were named by.
    pub(super) init: Option<PathBuf>,
    pub(super) head: Head,
    pub(super) task: Box<dyn Task + 'a>,
    /// Files of the set with their SHA-256.
    pub(super) ids: Vec<(String, String)>,
    /// The tokenizer's files: name, content.
    pub(super) tokenizer_files: Vec<(String, Vec<u8>)>,
    /// What should be known of the set.
    notices: Vec<String>,
}

/// The model and the tokenizer that a run begins with.
#[derive(Debug)]
pub struct Beginning {
    /// The model's config.
    pub model: ModelConfig,
    /// The weights; none where they are drawn.
    pub init: Option<PathBuf>,
    /// The folder of the tokenizer.
    pub tokenizer: PathBuf,
    /// What was understood otherwise than it is written.
    pub told: Vec<String>,
}

impl Beginning {
    /// Finds config, weights and tokenizer. `init` is the checkpoint that `init_from` means, `tokenizer` the folder beside it.
    ///
    /// # Errors
    /// If the config cannot be read.
    pub fn find(settings: &TuneSettings, init: Option<(PathBuf, PathBuf)>) -> Result<Beginning, Error> {
        let Some((path, beside)) = init else {
            let (Some(model), Some(tokenizer)) = (&settings.model, &settings.tokenizer) else {
                return Err(Error::settings("`model` and `tokenizer` are needed where weights are drawn"));
            };
            let model = ModelConfig::read(model)?;
            return Ok(Beginning { model, init: None, tokenizer: tokenizer.clone(), told: Vec::new() });
        };
        let source = convert::open(&path, settings.model.as_deref())?;
        let tokenizer = settings.tokenizer.clone().unwrap_or(beside);
        Ok(Beginning { model: source.config, init: Some(path), tokenizer, told: source.told })
    }
}

impl<'a> TuneRun<'a> {
    /// Reads the set and checks that all goes together.
    ///
    /// # Errors
    /// If a file is not what it should be, or model, tokenizer and rows do not go together.
    pub fn open(
        settings: &'a TuneSettings,
        beginning: Beginning,
        tokenizer: &'a Tokenizer,
        device: Device,
        signal: Arc<AtomicUsize>,
    ) -> Result<TuneRun<'a>, Error> {
        let Beginning { model, init, tokenizer: folder, .. } = beginning;
        mismatches(settings, &model, tokenizer, &folder)?;
        let mut splits = examples::read(&settings.set)?;
        let (ids, mut notices) = (std::mem::take(&mut splits.ids), std::mem::take(&mut splits.notices));
        let task = tasks::build(settings, splits, tokenizer, &mut notices)?;
        let tokenizer_files = tokenizer_files(&folder)?;
        let kernels = Kernels::fastest(&model, device, kind_of(settings.compute()));
        let head = task.head();
        Ok(TuneRun {
            settings,
            model,
            device,
            kernels,
            signal,
            heartbeat: &alone,
            init,
            head,
            task,
            ids,
            tokenizer_files,
            notices,
        })
    }

    /// The same run, writing to the folder that `settings` name. They must differ from its own in nothing else.
    pub fn writing_to<'b>(self, settings: &'b TuneSettings) -> TuneRun<'b>
    where
        'a: 'b,
    {
        TuneRun { settings, ..self }
    }

    /// What should be known of the set: what was cut, mended, left out.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Items of a part: rows, windows, questions.
    pub fn items(&self, split: Split) -> usize {
        self.task.items(split).map_or(0, <[_]>::len)
    }

    /// The labels; none where there are no classes.
    pub fn labels(&self) -> &[String] {
        match &self.head {
            Head::Classes(labels) | Head::Labels(labels) | Head::PairClasses(labels, _) => labels,
            Head::Number | Head::Span | Head::Choice | Head::Cosine(_) => &[],
        }
    }

    /// Steps of an epoch.
    pub fn steps_of_epoch(&self) -> u64 {
        (self.items(Split::Train) as u64).div_ceil(u64::from(self.settings.batch))
    }

    /// Steps of the training of a seed.
    pub fn steps(&self) -> u64 {
        self.steps_of_epoch() * self.settings.epochs
    }

    /// SHA-256 of the vocabulary.
    pub(super) fn vocabulary(&self) -> String {
        let files = ["vocab.txt", "tokenizer.json"].into_iter();
        let mut found =
            files.filter_map(|wanted| self.tokenizer_files.iter().find(|(name, _)| name == wanted));
        found.next().map_or_else(String::new, |(_, bytes)| sha256(bytes))
    }
}

/// The heartbeat of a run that nobody waits for.
fn alone() -> Result<(), Error> {
    Ok(())
}

fn tokenizer_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for name in TOKENIZER_FILES {
        let path = folder.join(name);
        match quanci_store::read(&path) {
            Ok(bytes) => files.push((name.to_owned(), bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &path)(error)),
        }
    }
    Ok(files)
}

/// What does not go together.
fn mismatches(
    settings: &TuneSettings,
    model: &ModelConfig,
    tokenizer: &Tokenizer,
    folder: &Path,
) -> Result<(), Error> {
    let mut problems = Vec::new();
    let (most, positions) = (i64::from(settings.max_length), model.max_position_embeddings);
    if most > positions {
        problems.push(format!("`max_length` = {most}, and the model has positions for {positions} tokens"));
    }
    let entries = tokenizer.entries();
    if entries > model.vocab_size {
        problems.push(format!(
            "{}: the tokenizer has {entries} entries, and the model {}: it is not this model's",
            folder.display(),
            model.vocab_size
        ));
    } else if entries < model.vocab_size
        && !is_padding(entries, model.vocab_size)
        && settings.init_from.is_none()
    {
        problems.push(format!(
            "{}: the tokenizer has {entries} entries, and the model {}: set `vocab_size` in its config to {entries}",
            folder.display(),
            model.vocab_size
        ));
    }
    let set = &settings.set;
    let has_pairs = match set.kind {
        TaskKind::Spans | TaskKind::Choice => true,
        TaskKind::Embeddings => false,
        _ => !set.text_b.is_empty(),
    };
    if has_pairs && model.type_vocab_size < 2 {
        problems.push("the set has rows of two segments, and the model one segment type".to_owned());
    }
    if set.kind == TaskKind::Spans && settings.spans.max_question + 8 > settings.max_length {
        problems.push(format!(
            "`spans.max_question` = {} leaves no room for the text: `max_length` is {most}",
            settings.spans.max_question
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
}
