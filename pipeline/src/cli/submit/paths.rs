//! The paths in a settings file, with their keys.

use std::path::{Path, PathBuf};

use crate::config::{CorpusSettings, PrepareSettings, VocabRun};
use crate::error::Error;
use crate::plan::{JobKind, Recipe};

/// Paths with their keys.
pub(super) struct Paths {
    /// Inputs: `vocab`, `segment.user_dict`, each of `corpus.paths`.
    pub(super) read: Vec<(&'static str, PathBuf)>,
    /// The output and its key.
    pub(super) output: (&'static str, PathBuf),
    /// The work folder and its key.
    pub(super) work: (&'static str, PathBuf),
}

impl Paths {
    /// The paths of a settings file as if it were at `path`: relative paths are joined to the folder of `path`.
    pub(super) fn of(recipe: &Recipe, path: &Path) -> Result<Paths, Error> {
        let Recipe { text, overrides, out, .. } = recipe;
        match recipe.job() {
            JobKind::Prepare => {
                let settings = PrepareSettings::parse(path, text, overrides, out.as_deref())?;
                let mut read = vec![("vocab", settings.vocab)];
                read.extend(settings.segment.user_dict.map(|path| ("segment.user_dict", path)));
                read.extend(corpora(&settings.corpora));
                let (output, work) = (settings.output.path, settings.output.work);
                Ok(Paths { read, output: ("output.path", output), work: ("output.work", work) })
            }
            JobKind::Vocab => {
                let run = VocabRun::parse(path, text, overrides, out.as_deref())?;
                let mut read = corpora(&run.corpora);
                read.extend(run.segment.user_dict.map(|path| ("segment.user_dict", path)));
                let (output, work) = (("vocabulary.path", run.path), ("vocabulary.work", run.work));
                Ok(Paths { read, output, work })
            }
        }
    }

    /// True if standard input is one of the corpora.
    pub(super) fn has_stdin(&self) -> bool {
        self.read.iter().any(|(_, path)| path.as_os_str() == "-")
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &(&'static str, PathBuf)> {
        self.read.iter().chain([&self.output, &self.work])
    }
}

fn corpora(corpora: &[CorpusSettings]) -> Vec<(&'static str, PathBuf)> {
    // Globs are not expanded: the files may exist only on the cluster.
    let patterns = corpora.iter().flat_map(|corpus| &corpus.paths);
    patterns.map(|pattern| ("corpus.paths", PathBuf::from(pattern))).collect()
}
