//! Where a run reads and writes. A place for both is refused: the run would take its own files for text, or a user's
//! texts for its own files.

use std::path::{Path, PathBuf};

use quanci_store::{is_object, local};

use crate::config::CorpusSettings;
use crate::error::Error;
use crate::readers;

/// The places that a run writes, with the keys that name them.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The output.
    pub output: (&'static str, &'a Path),
    /// True if the output is a folder; false for a vocabulary, which has two files beside it.
    pub is_folder: bool,
    /// The work folder.
    pub work: (&'static str, &'a Path),
}

/// The folder of a corpus, and whether all files in it are read.
struct CorpusFolder {
    shown: String,
    real: PathBuf,
    is_whole: bool,
}

impl Places<'_> {
    /// Fails if the output, the work folder and the corpora are not apart. `base` is the folder of the settings; `inputs`
    /// are the files that the corpora name.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn check(&self, base: &Path, corpora: &[CorpusSettings], inputs: &[PathBuf]) -> Result<(), Error> {
        let (output, work) = (real(self.output.1)?, real(self.work.1)?);
        let folders = corpus_folders(base, corpora)?;
        let mut problems = self.work_problems(&output, &work);
        problems.extend(folders.iter().filter_map(|folder| self.folder_problem(folder, &output, &work)));
        problems.extend(self.input_problems(&output, &work, inputs)?);
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }

    /// The work folder beside the output.
    fn work_problems(&self, output: &Path, work: &Path) -> Vec<String> {
        let ((output_key, output_shown), (work_key, work_shown)) = (self.output, self.work);
        let (output_shown, work_shown) = (output_shown.display(), work_shown.display());
        let inside_out = work.starts_with(output);
        // What the run itself writes into the work folder.
        let first = output.strip_prefix(work).ok().and_then(|rest| rest.iter().next());
        let first = first.unwrap_or_default().to_string_lossy();
        let is_id = first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit());
        if inside_out || is_id || ["parts", "counts"].contains(&&*first) {
            return vec![format!(
                "`{work_key}` is {work_shown} and `{output_key}` is {output_shown}: they must be apart; name another \
                 `{work_key}`"
            )];
        }
        Vec::new()
    }

    fn folder_problem(&self, folder: &CorpusFolder, output: &Path, work: &Path) -> Option<String> {
        let shown = &folder.shown;
        let problem = |key: &str, path: &Path| {
            format!(
                "`{key}` is {}, in the folder of the corpus {shown}: name a folder outside the corpus",
                path.display()
            )
        };
        let in_corpus = |path: &Path| path.starts_with(&folder.real);
        // A vocabulary is a file: beside the files that a pattern names, it is not in its way.
        if in_corpus(output) && (self.is_folder || folder.is_whole) {
            return Some(problem(self.output.0, self.output.1));
        }
        if *work == folder.real || (in_corpus(work) && folder.is_whole) {
            return Some(problem(self.work.0, self.work.1));
        }
        (self.is_folder && folder.is_whole && folder.real.starts_with(output))
            .then(|| format!("the corpus {shown} lies in `{}` ({})", self.output.0, self.output.1.display()))
    }

    /// Files of the corpora that lie where the run writes: the first of each kind.
    fn input_problems(&self, output: &Path, work: &Path, inputs: &[PathBuf]) -> Result<Vec<String>, Error> {
        let beside = [
            output.to_path_buf(),
            output.with_file_name("tokenizer.json"),
            output.with_file_name("tokenizer_config.json"),
        ];
        let written = |real: &Path| {
            if self.is_folder { real.starts_with(output) } else { beside.iter().any(|file| file == real) }
        };
        // Standard input is kept in the work folder.
        let is_stdin = |real: &Path| {
            let name = real.file_name().unwrap_or_default().to_string_lossy();
            real.parent() == Some(work) && name.starts_with("stdin-")
        };
        let (mut in_output, mut in_work) = (None, None);
        for input in inputs {
            let real = real(input)?;
            if written(&real) {
                in_output.get_or_insert(input);
            } else if real.starts_with(work) && !is_stdin(&real) {
                in_work.get_or_insert(input);
            }
        }
        let found = [(self.output, in_output), (self.work, in_work)];
        let problem = |((key, path), input): ((&str, &Path), Option<&PathBuf>)| {
            let (input, path) = (input?.display(), path.display());
            Some(format!(
                "the corpus has {input}, where the run writes (`{key}` is {path}): move one of them, or narrow `paths`"
            ))
        };
        Ok(found.into_iter().filter_map(problem).collect())
    }
}

/// The folders that patterns name, and those that globs begin with.
fn corpus_folders(base: &Path, corpora: &[CorpusSettings]) -> Result<Vec<CorpusFolder>, Error> {
    let real_base = real(base)?;
    let mut folders = Vec::new();
    for pattern in corpora.iter().flat_map(|corpus| &corpus.paths).filter(|pattern| *pattern != "-") {
        let Some((folder, is_whole)) = readers::corpus_folder(pattern, base) else { continue };
        let real = real(&folder)?;
        // With the settings in the same folder as the texts, outputs are there too: `*.txt` beside `out`.
        if is_whole || !real_base.starts_with(&real) {
            folders.push(CorpusFolder { shown: pattern.clone(), real, is_whole });
        }
    }
    Ok(folders)
}

fn real(path: &Path) -> Result<PathBuf, Error> {
    if is_object(path) {
        return Ok(path.to_path_buf());
    }
    local::real_path(path).map_err(Error::io("find", path))
}
