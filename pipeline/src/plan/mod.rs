//! A plan: the settings as they were, the inputs as they were found, and the map tasks cut from them. It is data: any
//! machine that sees the same files can run its tasks.

mod places;
mod sample;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quanci_cli::shown;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

pub use self::places::Places;
pub use self::sample::{Sampling, TaskSample};
use crate::config::{CleanSettings, CompareInputs, CorpusSettings, SampleShare};
use crate::error::Error;
use crate::readers::{self, Found, Input, InputSplit, ReadSettings};
use crate::work;

/// Raised with any change of plans or work files: work of another version is never taken for ours.
pub const WORK_VERSION: u32 = 6;

/// A settings file as it was read: what makes the same settings again, on any machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The settings file, absolute.
    #[serde(with = "quanci_store::path_text")]
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The `--set`s.
    pub overrides: Vec<String>,
    /// `--out`, absolute.
    #[serde(with = "quanci_store::path_text::optional")]
    pub out: Option<PathBuf>,
    /// `--sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleShare>,
}

impl Recipe {
    /// Which job the settings are for: a vocab run has a table `[vocabulary]`.
    pub fn job(&self) -> JobKind {
        // Only the table's header is looked for: the settings may be wrong otherwise.
        let vocabulary = |line: &str| line.trim_start().starts_with("[vocabulary]");
        if self.text.lines().any(vocabulary) { JobKind::Vocab } else { JobKind::Prepare }
    }

    /// Reads a settings file; `-` is standard input, whose paths are relative to the working directory.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path, overrides: &[String], out: Option<&Path>) -> Result<Recipe, Error> {
        let (path, text) = if path.as_os_str() == "-" {
            let path = Path::new("<stdin>");
            (path, std::io::read_to_string(std::io::stdin()).map_err(Error::io("read", path))?)
        } else {
            (path, work::read_text(path)?)
        };
        // Tasks may run in another working directory.
        let full = |path: &Path| quanci_store::absolute(path).map_err(Error::io("find", path));
        let out = out.map(full).transpose()?;
        Ok(Recipe { path: full(path)?, text, overrides: overrides.to_vec(), out, sample: None })
    }
}

/// Which job a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Corpus to shards.
    Prepare,
    /// Corpus to vocabulary.
    Vocab,
}

/// The plan of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`WORK_VERSION`].
    pub version: u32,
    /// The version of the program: another one may cut text into other words.
    pub program: String,
    /// The job.
    pub job: JobKind,
    /// Its settings.
    pub recipe: Recipe,
    /// Hash of everything, with paths, sizes and times: names the folder of this plan's own work.
    pub work_id: String,
    /// Take the place of what is there (`--force`).
    #[serde(default)]
    pub replace: bool,
    /// Hash of all that the first stage depends on besides its inputs, the bytes of vocabulary and dictionary among it.
    pub setup_id: String,
    /// The first stage's tasks.
    pub map: Vec<MapTask>,
    /// Bytes of all inputs.
    pub input_bytes: u64,
    /// What was seen in the inputs that may not be meant.
    pub warnings: Vec<String>,
}

/// One task of the first stage: parts of files of one corpus.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapTask {
    /// Index of the `[[corpus]]`.
    pub corpus: u16,
    /// What is read.
    pub splits: Vec<InputSplit>,
    /// Hash of all that the task's output depends on: names the output, which other plans may share.
    pub key: String,
    /// Which of the documents are taken, if not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<TaskSample>,
}

impl MapTask {
    /// About how many bytes of its files it reads.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().map(InputSplit::bytes).fold(0, u64::saturating_add)
    }
}

/// The most corpora: a task names its corpus in 16 bits, counted from 0.
const MAX_CORPORA: usize = u16::MAX as usize;
/// The least bytes of a map task, about, so that tasks are few.
const TASK_BYTES: u64 = 32 << 20;
/// The most bytes of a map task.
const MAX_TASK_BYTES: u64 = 4 << 30;
/// Tasks of a large corpus, about.
const TASKS: u64 = 4096;

impl Plan {
    /// Sniffs the inputs and cuts them into tasks. `setup` is all that the first stage depends on besides the files.
    ///
    /// # Errors
    /// The first input that cannot be read or is not what the settings declare.
    #[expect(clippy::too_many_arguments, reason = "all that a plan depends on, of two kinds of settings")]
    pub fn make(
        job: JobKind,
        recipe: Recipe,
        base: &Path,
        corpora: &[CorpusSettings],
        clean: &CleanSettings,
        setup: &str,
        task_mb: u32,
        places: Places<'_>,
        compare: CompareInputs,
        sampling: Option<Sampling>,
    ) -> Result<Plan, Error> {
        if corpora.len() > MAX_CORPORA {
            let message = format!("`corpus`: {} tables; at most {MAX_CORPORA}", corpora.len());
            return Err(Error::settings(message));
        }
        let (mut looked, mut all, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for corpus in corpora {
            let settings = ReadSettings::new(corpus, clean);
            let found = corpus_files(corpus, base, places.work.1)?;
            let (inputs, mut problems) = sniff_all(&found, &settings, &mut warnings);
            if !problems.is_empty() {
                return Err(problems.swap_remove(0));
            }
            let inputs: Result<Vec<Input>, Error> =
                inputs.into_par_iter().map(|input| input.identified(compare)).collect();
            let inputs = inputs?;
            readers::check_corpus(&inputs)?;
            looked.push((settings, inputs));
            all.extend(found.files);
        }
        check_not_empty(looked.iter().flat_map(|(_, inputs)| inputs))?;
        places.check(base, corpora, &all)?;
        let input_bytes = looked.iter().flat_map(|(_, inputs)| inputs).map(|input| input.bytes).sum::<u64>();
        let share_read = sampling.map_or(1.0, |sampling| sampling.share_read(input_bytes));
        let task_bytes = match task_mb {
            // Few tasks for a small corpus, and no more than about 4,096 for a large one.
            0 => ((input_bytes as f64 * share_read) as u64 / TASKS).clamp(TASK_BYTES, MAX_TASK_BYTES),
            mb => u64::from(mb) << 20,
        };
        let mut map = Vec::new();
        for (corpus, (settings, inputs)) in (0u16..).zip(&looked) {
            let mut splits = Vec::new();
            for input in inputs {
                let parts = readers::split_input(input, settings, task_bytes)?;
                splits.extend(parts.into_iter().map(|split| (readers::work_of(&split, settings), split)));
            }
            // The format is part of the key: the same bytes read otherwise give other documents.
            let mut setup = format!("{setup}\n{}", settings.identity());
            let sample = sampling.map(|sampling| {
                let (chosen, share) = sampling.choose(corpus, std::mem::take(&mut splits), share_read);
                splits = chosen;
                TaskSample { seed: sampling.seed, limit: sample::limit(share) }
            });
            if let Some(sample) = sample {
                setup.push_str(&format!("\n{}", serde_json::json!(sample)));
            }
            map.extend(group(splits, task_bytes).into_iter().map(|splits| {
                let key = key(&setup, &splits);
                MapTask { corpus, splits, key, sample }
            }));
        }
        let work_id = work_id(&recipe, setup, &map);
        let (version, setup_id) = (WORK_VERSION, hashed(setup));
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let replace = false;
        Ok(Plan { version, program, job, recipe, work_id, replace, setup_id, map, input_bytes, warnings })
    }

    /// An error where vocabulary or dictionary, which are in `files`, are no longer those of the plan: `setup` is what it would
    /// be made with now.
    ///
    /// # Errors
    /// [`Error::Input`] if they are not.
    pub fn check_setup(&self, setup: &str, files: &[&Path]) -> Result<(), Error> {
        if self.setup_id == hashed(setup) {
            return Ok(());
        }
        let first = files.first().copied().unwrap_or(&self.recipe.path);
        let others: String = files.iter().skip(1).map(|other| format!("it or {} ", shown(other))).collect();
        Err(Error::input(first, format!("{others}has changed since the run was planned; plan again")))
    }

    /// Everything that is wrong with the inputs, file by file; nothing is written and standard input is left alone.
    pub fn problems(
        base: &Path,
        corpora: &[CorpusSettings],
        clean: &CleanSettings,
        places: Places<'_>,
    ) -> Vec<Error> {
        let base = quanci_store::absolute(base).unwrap_or_else(|_| base.to_path_buf());
        let (mut problems, mut all, mut looked) = (Vec::new(), Vec::new(), Vec::new());
        for corpus in corpora {
            let settings = ReadSettings::new(corpus, clean);
            let mut inputs = Vec::new();
            // One pattern at a time: the first that finds nothing does not hide the others.
            for pattern in corpus.paths.iter().filter(|pattern| *pattern != "-") {
                match readers::find(std::slice::from_ref(pattern), &base) {
                    Ok(found) => {
                        let (sniffed, wrong) = sniff_all(&found, &settings, &mut Vec::new());
                        inputs.extend(sniffed);
                        problems.extend(wrong);
                        all.extend(found.files);
                    }
                    Err(error) => problems.push(error),
                }
            }
            problems.extend(readers::check_corpus(&inputs).err());
            looked.extend(inputs);
        }
        // Nobody knows what will come from standard input.
        if !corpora.iter().any(|corpus| corpus.paths.iter().any(|path| path == "-")) {
            problems.extend(check_not_empty(looked.iter()).err());
        }
        problems.extend(places.check(&base, corpora, &all).err());
        problems
    }

    /// True for a plan file, of this or another version.
    pub fn is_plan(path: &Path) -> bool {
        let Ok(serde_json::Value::Object(plan)) = work::read_json(path) else { return false };
        ["version", "program", "job", "recipe", "work_id", "map"].iter().all(|key| plan.contains_key(*key))
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// If it cannot be read, or was made by another version of the program.
    pub fn read(path: &Path) -> Result<Plan, Error> {
        let plan: serde_json::Value = work::read_json(path)?;
        match plan.get("version").and_then(serde_json::Value::as_u64) {
            // Looked at before the rest: plans of other versions may have other keys.
            Some(version) if version == u64::from(WORK_VERSION) => {}
            version => {
                let found = version.map_or("no version".to_owned(), |version| format!("version {version}"));
                let message = format!(
                    "a plan of {found}; this program makes and runs version {WORK_VERSION}: plan again"
                );
                return Err(Error::input(path, message));
            }
        }
        let plan: Plan =
            serde_json::from_value(plan).map_err(|e| Error::input(path, format!("not a plan: {e}")))?;
        // Another version may cut text differently.
        let program = env!("CARGO_PKG_VERSION");
        if plan.program != program {
            let message = format!(
                "a plan of quanci {}; this is quanci {program}: run the same program everywhere, or plan again",
                plan.program
            );
            return Err(Error::input(path, message));
        }
        Ok(plan)
    }
}

/// Looks at the files of a corpus. A file of another kind, such as an image among novels, is left out with a warning, unless
/// it is named by its own path. The other problems are returned, in the order of the files.
fn sniff_all(found: &Found, settings: &ReadSettings, warnings: &mut Vec<String>) -> (Vec<Input>, Vec<Error>) {
    let sniffed: Vec<Result<Input, Error>> =
        found.files.par_iter().map(|path| readers::sniff(path, settings)).collect();
    let (mut inputs, mut problems) = (Vec::new(), Vec::new());
    // By what is said: one line for all the files of which it is true.
    let mut said: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for (path, sniffed) in found.files.iter().zip(sniffed) {
        match sniffed {
            Ok(input) => {
                input.warnings.iter().for_each(|text| said.entry(text.clone()).or_default().push(path));
                inputs.push(input);
            }
            Err(Error::OtherKind { kind, .. }) if !found.named.contains(path) => {
                // What to do about it is done already.
                let what = kind.split("; ").next().unwrap_or(kind);
                said.entry(format!("left out: {what}")).or_default().push(path);
            }
            Err(error) => problems.push(error),
        }
    }
    warnings.extend(found.warnings.iter().cloned());
    warnings.extend(said.iter().map(|(text, files)| {
        let first = shown(files[0]);
        match files.len() {
            1 => format!("{first}: {text}"),
            2 => format!("{first} and 1 more file: {text}"),
            n => format!("{first} and {} more files: {text}", n - 1),
        }
    }));
    if inputs.is_empty() && problems.is_empty() && !found.files.is_empty() {
        problems.extend(readers::sniff(&found.files[0], settings).err());
    }
    (inputs, problems)
}

/// An error if there are files, and all are empty: it names one, as the settings are not to blame.
fn check_not_empty<'a>(mut inputs: impl Iterator<Item = &'a Input>) -> Result<(), Error> {
    let Some(first) = inputs.next().filter(|first| first.bytes == 0) else { return Ok(()) };
    let mut others = 0;
    for input in inputs {
        if input.bytes > 0 {
            return Ok(());
        }
        others += 1;
    }
    let others = if others == 0 { String::new() } else { format!(", and so are the {others} other files") };
    Err(Error::input(&first.path, format!("is empty{others}: there is no text to read")))
}

fn corpus_files(corpus: &CorpusSettings, base: &Path, stdin: &Path) -> Result<Found, Error> {
    let (piped, patterns): (Vec<String>, Vec<String>) =
        corpus.paths.iter().cloned().partition(|path| path == "-");
    let base = quanci_store::absolute(base).map_err(Error::io("find", base))?;
    let mut found = if patterns.is_empty() { Found::default() } else { readers::find(&patterns, &base)? };
    if !piped.is_empty() {
        let kept = readers::keep_stdin(stdin)?;
        found.named.insert(kept.clone());
        found.files.push(kept);
    }
    Ok(found)
}

/// Packs small parts into tasks, up to a task's size, as memory grows with it. Where a group ends depends more on the
/// parts in it than on those before it, so that a file that is added or removed changes few groups.
fn group(splits: Vec<(u64, InputSplit)>, task_bytes: u64) -> Vec<Vec<InputSplit>> {
    let mut groups: Vec<Vec<InputSplit>> = Vec::new();
    let (mut open, mut bytes) = (Vec::new(), 0);
    for (split_bytes, split) in splits {
        // Content-defined boundaries: a path ends its group by its own hash, so that a new file moves few groups.
        let ends = xxh3_128(split.input.path.as_os_str().as_encoded_bytes()).is_multiple_of(64);
        if !open.is_empty() && bytes + split_bytes > task_bytes {
            groups.push(std::mem::take(&mut open));
            bytes = 0;
        }
        bytes += split_bytes;
        open.push(split);
        if bytes >= task_bytes || open.len() >= 4096 || (ends && bytes >= task_bytes / 8) {
            groups.push(std::mem::take(&mut open));
            bytes = 0;
        }
    }
    groups.extend((!open.is_empty()).then_some(open));
    groups
}

fn key(setup: &str, splits: &[InputSplit]) -> String {
    let splits: Vec<serde_json::Value> = splits.iter().map(InputSplit::identity).collect();
    let splits = serde_json::Value::from(splits);
    format!("{:032x}", xxh3_128(format!("{WORK_VERSION}\n{setup}\n{splits}").as_bytes()))
}

fn hashed(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

fn work_id(recipe: &Recipe, setup: &str, map: &[MapTask]) -> String {
    // The keys cover paths, sizes and times of all inputs.
    let keys: Vec<&str> = map.iter().map(|task| task.key.as_str()).collect();
    let all = serde_json::json!([WORK_VERSION, recipe, setup, keys]);
    format!("{:032x}", xxh3_128(all.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task names its corpus in 16 bits: one corpus more would be taken for the first.
    #[test]
    fn more_corpora_than_a_task_can_name() {
        let text = "vocab = \"v\"\n[[corpus]]\nname = \"a\"\nformat = \"files\"\npaths = \"-\"\n[output]\npath = \"o\"\n";
        let settings =
            crate::config::PrepareSettings::parse(Path::new("x.toml"), text, &[], None).expect("sound");
        let corpora = vec![settings.corpora[0].clone(); MAX_CORPORA + 1];
        let recipe = Recipe {
            path: "x.toml".into(),
            text: text.to_owned(),
            overrides: Vec::new(),
            out: None,
            sample: None,
        };
        let nowhere = Path::new("/nowhere");
        let places =
            Places { output: ("output.path", nowhere), is_folder: true, work: ("output.work", nowhere) };
        let compare = CompareInputs::default();
        let planned = Plan::make(
            JobKind::Prepare,
            recipe,
            nowhere,
            &corpora,
            &settings.clean,
            "",
            0,
            places,
            compare,
            None,
        );
        let message = planned.expect_err("too many").to_string();
        assert!(message.contains("65536 tables; at most 65535"), "{message}");
    }
}
