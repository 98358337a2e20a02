//! The vocab job: corpus bytes to a WordPiece vocabulary, in two stages.
//!
//! ```text
//! count   read -> clean -> words (segmented only where Hanzi are merged within words) -> counts      one task a few files
//! train   merge the counts -> WordPiece -> vocab.txt, tokenizer.json, tokenizer_config.json, report  one task
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::read::for_each_batch;
use super::user_dict;
use crate::config::{Format, Han, VocabRun};
use crate::counters::Dropped;
use crate::document::Document;
use crate::engine::{Context, Engine, Stage};
use crate::error::Error;
use crate::failures::Failures;
use crate::plan::{JobKind, MapTask, Plan, Recipe};
use crate::readers::ReadSettings;
use crate::steps::clean::Clean;
use crate::steps::count::{Counter, Counts};
use crate::steps::segment::{Segmenter, WordStarts};
use crate::steps::sentences::sentences;
use crate::vocab::counts::WordCounts;
use crate::vocab::file::Vocabulary;
use crate::vocab::report::Coverage;
use crate::vocab::trainer::{Trained, train};
use crate::vocab::word_merge::merge_into;
use crate::vocab::write::TokenizerFiles;
use crate::work::{self, Attempt};

/// The stages, in order.
pub const STAGES: [&str; 2] = ["count", "train"];

/// Memory that the counts of a task may take before they are put aside.
const COUNTS_BYTES: usize = 256 << 20;

/// A vocab job with its plan.
pub struct VocabJob {
    plan: Plan,
    run: VocabRun,
    folder: PathBuf,
    all_counts: PathBuf,
}

/// What a count task counted, beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountReport {
    records: u64,
    documents: u64,
    dropped: Dropped,
}

impl VocabJob {
    /// Reads the settings, looks at the inputs and plans the tasks. Writes nothing, but for standard input.
    pub fn plan(recipe: Recipe) -> Result<Plan, Error> {
        let run = parse(&recipe)?;
        let (base, setup) = (&run.source.base, setup(&run)?);
        let (corpora, clean) = (&run.corpora, &run.clean);
        Plan::make(JobKind::Vocab, recipe, base, corpora, clean, &setup, run.task_mb, &run.work)
    }

    /// Every problem of settings and inputs.
    pub fn check(recipe: &Recipe) -> Vec<Error> {
        let VocabRun { segment, corpora, clean, source, .. } = &match parse(recipe) {
            Ok(run) => run,
            Err(error) => return vec![error],
        };
        let dictionary = user_dict(segment).and_then(|bytes| Segmenter::new(segment, bytes.as_deref())).err();
        dictionary.into_iter().chain(Plan::problems(&source.base, corpora, clean)).collect()
    }

    /// Opens a planned job.
    pub fn open(plan: Plan) -> Result<VocabJob, Error> {
        let run = parse(&plan.recipe)?;
        plan.check_setup(&setup(&run)?)?;
        let (folder, all_counts) = (run.work.join(&plan.work_id), run.work.join("counts"));
        Ok(VocabJob { folder, all_counts, plan, run })
    }

    /// The settings.
    pub fn run_settings(&self) -> &VocabRun {
        &self.run
    }

    /// The plan.
    pub fn plan_data(&self) -> &Plan {
        &self.plan
    }

    /// Where this plan's own work is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A stage by its name.
    pub fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        match name {
            "count" => Ok(Box::new(Count::new(self)?)),
            "train" => Ok(Box::new(Train { job: self })),
            _ => Err(Error::settings(format!("no stage {name:?}; the stages are {}", STAGES.join(", ")))),
        }
    }

    /// Runs both stages and gives the coverage of the new vocabulary on its text.
    pub fn run(
        &self,
        engine: &dyn Engine,
        context: &Context,
        begin: &mut dyn FnMut(&dyn Stage),
    ) -> Result<VocabReport, Error> {
        let _lock = work::lock(&self.run.work, &self.run.path)?;
        self.begin()?;
        self.sweep()?;
        let ran = self.run_stages(engine, context, begin);
        // Attempts that were killed elsewhere left their files after the first sweep.
        let swept = self.sweep();
        ran.and(swept)?;
        work::read_json(&self.report_path())
    }

    fn run_stages(
        &self,
        engine: &dyn Engine,
        context: &Context,
        begin: &mut dyn FnMut(&dyn Stage),
    ) -> Result<(), Error> {
        for name in STAGES {
            let stage = self.stage(name)?;
            begin(&*stage);
            engine.execute(&*stage, context)?;
        }
        Ok(())
    }

    /// Removes what killed attempts left half-written.
    fn sweep(&self) -> Result<(), Error> {
        TokenizerFiles::sweep(&self.run.path)?;
        let folders = [&self.run.work, &self.all_counts, &self.folder, &Failures::folder(&self.folder)];
        folders.into_iter().try_for_each(|folder| work::sweep(folder, ""))
    }

    /// What comes before the first task: with `--force`, a clean start.
    pub fn begin(&self) -> Result<(), Error> {
        if !self.plan.replace {
            return Ok(());
        }
        work::remove_folder(&self.folder)?;
        self.plan.map.iter().try_for_each(|task| work::remove_folder(&self.counts(task)))
    }

    /// How many tasks of a stage are worth running side by side.
    pub fn width(&self, stage: &str) -> u32 {
        if stage == "count" { self.plan.map.len() as u32 } else { 1 }
    }

    fn counts(&self, task: &MapTask) -> PathBuf {
        self.all_counts.join(&task.key)
    }

    fn report_path(&self) -> PathBuf {
        self.folder.join("report.json")
    }
}

/// All that counting depends on, besides the files and how they are read.
fn setup(run: &VocabRun) -> Result<String, Error> {
    let dictionary = user_dict(&run.segment)?.map(|bytes| quanci_shards::manifest::sha256(&bytes));
    let VocabRun { clean, segment, vocabulary, .. } = run;
    let all = serde_json::json!(["count", clean, segment, dictionary, vocabulary.han, vocabulary.lowercase]);
    Ok(all.to_string())
}

fn parse(recipe: &Recipe) -> Result<VocabRun, Error> {
    VocabRun::parse(&recipe.path, &recipe.text, &recipe.overrides, recipe.out.as_deref())
}

const WORDS: &str = "words.bin";
const REPORT: &str = "report.json";

/// The count stage: a folder a task, with its words in order and its report.
struct Count<'a> {
    job: &'a VocabJob,
    clean: Clean,
    segmenter: Option<Segmenter>,
    counter: Counter,
}

impl<'a> Count<'a> {
    fn new(job: &'a VocabJob) -> Result<Self, Error> {
        let VocabRun { clean, segment, vocabulary, .. } = &job.run;
        let words = vocabulary.han == Han::Words;
        let user_dict = user_dict(segment)?;
        Ok(Count {
            job,
            clean: Clean::new(clean),
            segmenter: if words { Some(Segmenter::new(segment, user_dict.as_deref())?) } else { None },
            counter: Counter::new(vocabulary.han, vocabulary.lowercase),
        })
    }
}

impl Stage for Count<'_> {
    fn name(&self) -> &'static str {
        "count"
    }

    fn count(&self) -> u32 {
        self.job.plan.map.len() as u32
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&self.job.counts(&self.job.plan.map[task as usize]).join(REPORT))
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let task = &self.job.plan.map[task as usize];
        let settings = ReadSettings::new(&self.job.run.corpora[task.corpus as usize], &self.job.run.clean);
        let attempt = Attempt::new(&self.job.counts(task))?;
        attempt.create_folder()?;
        let mut report = CountReport::default();
        let rooms: Mutex<Vec<Counts>> = Mutex::default();
        let mut runs = Vec::new();
        for_each_batch(task, &settings, context, |batch| {
            let counted = context.pool.install(|| self.count_all(&batch.documents, settings.format, &rooms));
            for (documents, dropped) in counted {
                report.documents += documents;
                report.dropped.merge(&dropped);
            }
            for (reason, text, place) in &batch.rejected {
                report.dropped.add(*reason, text, place);
            }
            report.records += batch.records;
            let held: usize = rooms.lock().expect(NO_PANIC).iter().map(Counts::memory).sum();
            if held > COUNTS_BYTES {
                runs.push(self.put_aside(&rooms, attempt.path(), runs.len())?);
            }
            Ok(())
        })?;
        runs.push(self.put_aside(&rooms, attempt.path(), runs.len())?);
        merge_runs(&runs, &attempt.path().join(WORDS))?;
        runs.iter().try_for_each(|run| fs::remove_file(run).map_err(Error::io("remove", run)))?;
        work::commit_json(&attempt.path().join(REPORT), &report)?;
        attempt.commit_folder(REPORT, |_| None)
    }
}

const NO_PANIC: &str = "no thread panics while it holds this";

impl Count<'_> {
    fn count_all(
        &self,
        documents: &[Document],
        format: Format,
        rooms: &Mutex<Vec<Counts>>,
    ) -> Vec<(u64, Dropped)> {
        let chunk = documents.len().div_ceil(8 * rayon::current_num_threads()).max(1);
        let count = |documents: &[Document]| {
            let mut counts = rooms.lock().expect(NO_PANIC).pop().unwrap_or_default();
            let (mut kept, mut dropped) = (0, Dropped::default());
            for document in documents {
                match self.clean.apply(document) {
                    Ok(cleaned) => {
                        kept += 1;
                        self.count_text(&cleaned.text, format, &mut counts);
                    }
                    Err(reason) => dropped.add(reason, &document.text, &document.place),
                }
            }
            rooms.lock().expect(NO_PANIC).push(counts);
            (kept, dropped)
        };
        documents.par_chunks(chunk).map(count).collect()
    }

    fn count_text(&self, text: &str, format: Format, counts: &mut Counts) {
        let mut starts = WordStarts { everywhere: true, ..WordStarts::default() };
        for line in text.split('\n') {
            match &self.segmenter {
                // Hanzi stand alone: sentences and words make no difference.
                None => self.counter.apply(line, &starts, counts),
                Some(segmenter) => {
                    let mut sentence = |sentence: &str| {
                        segmenter.words(sentence, &mut starts);
                        self.counter.apply(sentence, &starts, counts);
                    };
                    if format == Format::Sentences {
                        sentence(line)
                    } else {
                        sentences(line).for_each(sentence)
                    }
                }
            }
        }
    }

    /// Writes all that was counted to a file of its own.
    fn put_aside(&self, rooms: &Mutex<Vec<Counts>>, folder: &Path, run: usize) -> Result<PathBuf, Error> {
        let mut words = WordCounts::new();
        for counts in rooms.lock().expect(NO_PANIC).iter_mut() {
            self.counter.drain(counts, &mut words);
        }
        let path = folder.join(format!("run-{run}"));
        let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
        words.write(std::io::BufWriter::new(file)).map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

fn merge_runs(runs: &[PathBuf], path: &Path) -> Result<(), Error> {
    let file = fs::File::create(path).map_err(Error::io("create", path))?;
    let file = merge_into(runs, file, path)?;
    file.sync_all().map_err(Error::io("write", path))
}

/// What a vocab run made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VocabReport {
    /// Documents counted.
    pub documents: u64,
    /// What was dropped.
    pub dropped: Dropped,
    /// How the training went and how the vocabulary covers its text, in words.
    pub text: String,
    /// The same for programs.
    pub coverage: serde_json::Value,
    /// How the training went, for programs.
    pub training: serde_json::Value,
}

impl std::fmt::Display for VocabReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.text)
    }
}

/// The train stage: one task.
struct Train<'a> {
    job: &'a VocabJob,
}

impl Stage for Train<'_> {
    fn name(&self) -> &'static str {
        "train"
    }

    fn count(&self) -> u32 {
        1
    }

    fn is_done(&self, _: u32) -> Result<bool, Error> {
        Ok(work::exists(&self.job.report_path())? && work::exists(&self.job.run.path)?)
    }

    fn run(&self, _: u32, _: &Context) -> Result<(), Error> {
        let VocabRun { vocabulary: settings, path, .. } = &self.job.run;
        let report = self.merged_report()?;
        let files: Vec<PathBuf> =
            self.job.plan.map.iter().map(|task| self.job.counts(task).join(WORDS)).collect();
        let words = WordCounts::read_all(&files)?;
        let trained = train(words.clone(), settings);
        let vocabulary = Vocabulary::from_pieces(trained.pieces.clone(), path)?;
        let coverage = Coverage::measure(&words, &vocabulary);
        let files = TokenizerFiles::new(&vocabulary, settings.lowercase, settings.han)?;
        if !self.job.plan.replace {
            refuse_to_replace(&files, path)?;
        }
        files.write(path)?;
        let report = VocabReport {
            documents: report.documents,
            dropped: report.dropped,
            text: format!("{}{coverage}", told(&trained)),
            coverage: serde_json::to_value(&coverage).expect("a report has string keys only"),
            training: serde_json::to_value(&trained).expect("a report has string keys only"),
        };
        work::commit_json(&self.job.report_path(), &report)
    }
}

impl Train<'_> {
    fn merged_report(&self) -> Result<CountReport, Error> {
        let mut all = CountReport::default();
        for task in &self.job.plan.map {
            let report: CountReport = work::read_json(&self.job.counts(task).join(REPORT))?;
            all.records += report.records;
            all.documents += report.documents;
            all.dropped.merge(&report.dropped);
        }
        let run = &self.job.run;
        all.dropped.judge(all.records, run.max_reject_percent)?;
        if all.documents == 0 {
            let message = format!("no document came out of the corpus: {}", all.dropped.in_words());
            return Err(Error::input(&run.source.path, message));
        }
        Ok(all)
    }
}

/// Another attempt at this task wrote the same bytes; anything else that is there is somebody's.
fn refuse_to_replace(files: &TokenizerFiles, path: &Path) -> Result<(), Error> {
    let [_, tokenizer, config] = files.named();
    let beside = [tokenizer, config].map(|(name, bytes)| (path.with_file_name(name), bytes));
    for (path, bytes) in beside.into_iter().chain([(path.to_path_buf(), &files.vocab[..])]) {
        let there = if work::exists(&path)? { quanci_store::read(&path).ok() } else { continue };
        if there.as_deref() != Some(bytes) {
            let message = "is there already, and is of another vocabulary; name another `vocabulary.path`, or replace it \
                           with --force";
            return Err(Error::Output { path, message: message.to_owned() });
        }
    }
    Ok(())
}

/// What deserves a word about the training.
fn told(trained: &Trained) -> String {
    let mut lines = String::new();
    if !trained.left_out.is_empty() {
        let shown: String = trained.left_out.iter().take(20).collect();
        lines += &format!(
            "{} characters found no room in `size` ({shown}…): raise it, or `min_char_count`\n",
            trained.left_out.len()
        );
    }
    if trained.ran_out {
        lines += &format!(
            "{} entries: no more pair of pieces was met `min_pair_count` times\n",
            trained.pieces.len()
        );
    }
    lines
}
