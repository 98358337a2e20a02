//! The vocab job: corpus bytes to a WordPiece vocabulary, in two stages.
//!
//! ```text
//! count   read -> clean -> words (segmented only where Hanzi are merged within words) -> counts      one task a few files
//! train   merge the counts -> WordPiece -> vocab.txt, tokenizer.json, tokenizer_config.json, report  one task
//! ```

mod count;
mod report;
mod train;
mod written;

use std::path::{Path, PathBuf};

use self::count::{CountStage, is_count_file, task_folder};
pub use self::report::VocabReport;
use self::train::TrainStage;
use self::written::Written;
use super::cleaning;
use super::dictionary::{self, user_dict, word_source};
use super::job::{self, Job, no_stage};
use crate::config::{VocabRun, Words};
use crate::engine::{Context, Engine, Stage};
use crate::error::Error;
use crate::failures::Failures;
use crate::plan::{JobKind, Places, Plan, Recipe};
use crate::readers::CUT_BY_SPACES;
use crate::steps::segment::Segmenter;
use crate::vocab::write::TokenizerFiles;
use crate::work;

/// The stages, in order.
pub const STAGES: [&str; 2] = ["count", "train"];

/// A vocab job with its plan.
pub struct VocabJob {
    plan: Plan,
    run: VocabRun,
    /// The words of `clean.blocked_words`.
    blocked: Option<String>,
    folder: PathBuf,
    all_counts: PathBuf,
}

impl VocabJob {
    /// Reads the settings, looks at the inputs and plans the tasks. Writes nothing, but for standard input.
    ///
    /// # Errors
    /// All problems of the settings, or the first input that cannot be read.
    pub fn plan(recipe: Recipe) -> Result<Plan, Error> {
        let (run, _) = read(&recipe)?;
        let (base, setup) = (&run.source.base, setup(&run)?);
        let (corpora, clean) = (&run.corpora, &run.clean);
        let (places, compare) = (places(&run), run.compare_inputs);
        let user_dict = user_dict(&run.segment)?;
        let mut plan = Plan::make(
            JobKind::Vocab,
            recipe,
            base,
            corpora,
            clean,
            &setup,
            run.task_mb,
            places,
            compare,
            None,
        )?;
        if run.segment.words == Words::Spaces {
            plan.warnings.retain(|warning| !warning.contains(CUT_BY_SPACES));
        }
        plan.warnings.retain(|warning| !cleaning::is_mended(warning, &run.clean));
        plan.warnings.extend(dictionary::warnings(&run.segment, user_dict.as_deref())?);
        Ok(plan)
    }

    /// Every problem of settings and inputs.
    pub fn check(recipe: &Recipe) -> Vec<Error> {
        let run = match parse(recipe) {
            Ok(run) => run,
            Err(error) => return vec![error],
        };
        let VocabRun { segment, corpora, clean, source, .. } = &run;
        let dictionary = user_dict(segment).and_then(|bytes| Segmenter::new(segment, bytes.as_deref())).err();
        let blocked = cleaning::read(&mut clean.clone()).err();
        let inputs = Plan::problems(&source.base, corpora, clean, places(&run));
        dictionary.into_iter().chain(blocked).chain(inputs).collect()
    }

    /// Opens a planned job.
    ///
    /// # Errors
    /// If the settings or the dictionary are no longer those of the plan.
    pub fn open(plan: Plan) -> Result<VocabJob, Error> {
        let (run, blocked) = read(&plan.recipe)?;
        let lists = run.segment.user_dict.iter().chain(&run.clean.filter.blocked_words);
        let files: Vec<&Path> = lists.map(PathBuf::as_path).collect();
        plan.check_setup(&setup(&run)?, &files)?;
        let (folder, all_counts) = (run.work.join(&plan.work_id), run.work.join("counts"));
        Ok(VocabJob { folder, all_counts, plan, run, blocked })
    }

    /// The settings.
    pub fn run_settings(&self) -> &VocabRun {
        &self.run
    }

    /// The plan.
    pub fn plan_data(&self) -> &Plan {
        &self.plan
    }

    /// Runs both stages and returns the coverage of the new vocabulary on its text. `begin` is called before each
    /// stage.
    ///
    /// # Errors
    /// If another run is writing the output, if a stage fails, or if the run is asked to stop.
    pub fn run(
        &self,
        engine: &dyn Engine,
        context: &Context,
        begin: &mut dyn FnMut(&dyn Stage),
    ) -> Result<VocabReport, Error> {
        job::run(self, engine, context, begin)?;
        work::read_json(&self.report_path())
    }

    fn report_path(&self) -> PathBuf {
        self.folder.join("report.json")
    }
}

impl Job for VocabJob {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn stages(&self) -> &'static [&'static str] {
        &STAGES
    }

    fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        let VocabJob { plan, run, all_counts: counts, .. } = self;
        match name {
            "count" => {
                let user_dict = user_dict(&run.segment)?;
                Ok(Box::new(CountStage::new(
                    plan,
                    run,
                    counts,
                    user_dict.as_deref(),
                    self.blocked.as_deref(),
                )?))
            }
            "train" => Ok(Box::new(TrainStage { plan, run, counts, report: self.report_path() })),
            _ => Err(no_stage(name, &STAGES)),
        }
    }

    fn width(&self, stage: &str) -> u32 {
        if stage == "count" { self.plan.map.len() as u32 } else { 1 }
    }

    fn locked(&self) -> (&Path, &Path) {
        (&self.run.work, &self.run.path)
    }

    /// With `--force`, a clean start.
    fn begin(&self) -> Result<(), Error> {
        if !self.plan.replace {
            return Ok(());
        }
        Written { vocab: &self.run.path, work: &self.run.work }.check_ours()?;
        work::remove_own(&self.folder, &is_own_file)?;
        let folders = self.plan.map.iter().map(|task| task_folder(&self.all_counts, task));
        folders.into_iter().try_for_each(|folder| work::remove_own(&folder, &is_count_file))
    }

    fn sweep(&self) -> Result<(), Error> {
        TokenizerFiles::sweep(&self.run.path)?;
        let folders = [&self.run.work, &self.all_counts, &self.folder, &Failures::folder(&self.folder)];
        folders.into_iter().try_for_each(|folder| work::sweep(folder, None))
    }
}

/// True for the path of a file that a run writes into the folder of its plan's own work.
fn is_own_file(path: &str) -> bool {
    match path.split_once('/') {
        None => path == "report.json",
        Some((folder, file)) => folder == "failed" && Failures::is_record(file, &STAGES),
    }
}

fn places(run: &VocabRun) -> Places<'_> {
    Places { output: ("vocabulary.path", &run.path), is_folder: false, work: ("vocabulary.work", &run.work) }
}

/// All that counting depends on, besides the files and how they are read.
fn setup(run: &VocabRun) -> Result<String, Error> {
    let words = word_source(&run.segment, user_dict(&run.segment)?.as_deref());
    let VocabRun { clean, segment, vocabulary, .. } = run;
    // All that enters the key of a count task besides its files.
    // Not size, layout or merge rule: those are settings of training, so vocabularies that differ in them share the
    // counts.
    let all = serde_json::json!(["count", clean, segment, words, vocabulary.han, vocabulary.lowercase]);
    Ok(all.to_string())
}

/// The settings, and the words of `clean.blocked_words`.
fn read(recipe: &Recipe) -> Result<(VocabRun, Option<String>), Error> {
    let mut run = parse(recipe)?;
    let blocked = cleaning::read(&mut run.clean)?;
    Ok((run, blocked))
}

fn parse(recipe: &Recipe) -> Result<VocabRun, Error> {
    VocabRun::parse(&recipe.path, &recipe.text, &recipe.overrides, recipe.out.as_deref())
}
