//! Settings that were read, with all that they name besides the corpora, and what identifies them.

use quanci_cli::from_here;

use crate::config::PrepareSettings;
use crate::engine::shell;
use crate::error::Error;
use crate::jobs::cleaning;
use crate::jobs::dictionary::{user_dict, word_source};
use crate::plan::Recipe;
use crate::vocab::file::Vocabulary;

/// Settings that were read, with their vocabulary and identity.
pub(super) struct Prepared {
    pub(super) settings: PrepareSettings,
    pub(super) vocabulary: Vocabulary,
    pub(super) canonical: serde_json::Value,
    /// What the words come from: segmenter and dictionaries.
    dictionary: String,
    pub(super) user_dict: Option<Vec<u8>>,
    /// The words of `clean.blocked_words`.
    pub(super) blocked: Option<String>,
}

impl Prepared {
    /// Reads them.
    pub(super) fn read(recipe: &Recipe) -> Result<Prepared, Error> {
        let mut settings = parse(recipe)?;
        let blocked = cleaning::read(&mut settings.clean)?;
        let vocabulary = read_vocabulary(&settings)?;
        if vocabulary.reserved().len() == vocabulary.len() {
            return Err(Error::input(&settings.vocab, "has special tokens alone: nothing in it is text"));
        }
        let user_dict = user_dict(&settings.segment)?;
        let dictionary = word_source(&settings.segment, user_dict.as_deref());
        let canonical = canonical(&settings, &dictionary);
        Ok(Prepared { settings, vocabulary, canonical, dictionary, user_dict, blocked })
    }

    /// All that map depends on, besides the files and how they are read.
    pub(super) fn map_setup(&self) -> String {
        let PrepareSettings { clean, segment, tokenize, output, .. } = &self.settings;
        let vocabulary = self.vocabulary.sha256();
        // Not seed, masking or instances: those come after map, so data sets that differ in them share the map work.
        serde_json::json!([clean, segment, self.dictionary, tokenize, vocabulary, output.validation])
            .to_string()
    }
}

/// The settings of a recipe, alone.
pub(super) fn parse(recipe: &Recipe) -> Result<PrepareSettings, Error> {
    let settings =
        PrepareSettings::parse(&recipe.path, &recipe.text, &recipe.overrides, recipe.out.as_deref())?;
    match recipe.sample {
        Some(share) => settings.of_sample(share),
        None => Ok(settings),
    }
}

/// The vocabulary; where there is none, the error says how to get one.
pub(super) fn read_vocabulary(settings: &PrepareSettings) -> Result<Vocabulary, Error> {
    let read = Vocabulary::read(&settings.vocab);
    match read {
        Err(error) if error.is_not_found() => {
            // `quanci init` writes settings for both runs side by side.
            let stem = settings.source.path.file_stem().unwrap_or_default().to_string_lossy();
            let training = settings.source.path.with_file_name(format!("vocab-{stem}.toml"));
            let train = if training.exists() {
                format!("now run `{}`", shell::line(["quanci", "vocab", &from_here(&training)]))
            } else {
                "train one with `quanci vocab`".to_owned()
            };
            let message = format!("is not there; {train}, or name an existing one in `vocab`");
            Err(Error::input(&settings.vocab, message))
        }
        read => read,
    }
}

/// The settings that change the output: no paths, nothing of this machine.
fn canonical(settings: &PrepareSettings, dictionary: &str) -> serde_json::Value {
    let corpora: Vec<serde_json::Value> = settings
        .corpora
        .iter()
        .map(|corpus| {
            let fields = corpus.format.has_fields().then_some(&corpus.text_field);
            let mut canonical = serde_json::json!({
                "name": corpus.name, "format": corpus.format, "text_field": fields, "weight": corpus.weight,
            });
            // Left out where it is the default, so that the ids of older data sets stay.
            if !corpus.table.is_default() {
                canonical["table"] = serde_json::json!(corpus.table);
            }
            canonical
        })
        .collect();
    let mut canonical = serde_json::json!({
        "seed": settings.seed,
        "corpus": corpora,
        "clean": settings.clean,
        "segment": settings.segment,
        "segmenter": dictionary,
        "tokenize": settings.tokenize,
        "instances": settings.instances,
        "masking": settings.masking,
        "output": settings.output,
    });
    if settings.sampling_exponent != 1.0 {
        canonical["sampling_exponent"] = serde_json::json!(settings.sampling_exponent);
    }
    // A sample says so, and its id differs from that of the whole data set.
    if let Some(share) = settings.sample {
        canonical["sample"] = serde_json::json!(share.fraction());
    }
    canonical
}
