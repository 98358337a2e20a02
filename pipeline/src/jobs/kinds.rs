//! The kinds of jobs, and what each can do with its settings. This is the only module that knows all of them.

use super::job::Job;
use super::prepare::{self, PrepareJob};
use super::vocab::{self, VocabJob};
use crate::config::{PrepareSettings, VocabRun};
use crate::error::Error;
use crate::plan::{JobKind, Plan, Recipe};

/// A plan, and warnings about its settings.
type Planned = (Plan, Vec<String>);

/// What a kind of job does with its settings and plans.
struct JobType {
    stages: fn(&Recipe) -> Result<&'static [&'static str], Error>,
    plan: fn(Recipe) -> Result<Planned, Error>,
    check: fn(&Recipe) -> Vec<Error>,
    show: fn(&Recipe) -> Result<String, Error>,
    open: fn(Plan) -> Result<Box<dyn Job>, Error>,
}

const PREPARE: JobType = JobType {
    stages: prepare::stages,
    plan: |recipe| PrepareJob::plan(recipe).map(|(plan, settings)| (plan, settings.warnings())),
    check: PrepareJob::check,
    show: |recipe| {
        PrepareSettings::show(&recipe.path, &recipe.text, &recipe.overrides, recipe.out.as_deref())
    },
    open: |plan| Ok(Box::new(PrepareJob::open(plan)?)),
};

const VOCAB: JobType = JobType {
    stages: |_| Ok(&vocab::STAGES),
    plan: |recipe| VocabJob::plan(recipe).map(|plan| (plan, Vec::new())),
    check: VocabJob::check,
    show: |recipe| VocabRun::show(&recipe.path, &recipe.text, &recipe.overrides, recipe.out.as_deref()),
    open: |plan| Ok(Box::new(VocabJob::open(plan)?)),
};

fn job_type(job: JobKind) -> &'static JobType {
    match job {
        JobKind::Prepare => &PREPARE,
        JobKind::Vocab => &VOCAB,
    }
}

/// The names of the stages of the job that the settings are for, in order.
///
/// # Errors
/// All problems of the settings.
pub fn stages(recipe: &Recipe) -> Result<&'static [&'static str], Error> {
    (job_type(recipe.job()).stages)(recipe)
}

/// Plans the job that the settings are for. Returns the plan, and warnings about the settings.
///
/// # Errors
/// All problems of the settings, or the first input that cannot be read.
pub fn plan(recipe: Recipe) -> Result<Planned, Error> {
    (job_type(recipe.job()).plan)(recipe)
}

/// Every problem of the settings and the inputs of the job that the settings are for.
pub fn check(recipe: &Recipe) -> Vec<Error> {
    (job_type(recipe.job()).check)(recipe)
}

/// The settings as TOML, with `--set`s merged in and every default filled in.
///
/// # Errors
/// All problems of the settings.
pub fn show(recipe: &Recipe) -> Result<String, Error> {
    (job_type(recipe.job()).show)(recipe)
}

/// Opens a planned job.
///
/// # Errors
/// If the settings, the vocabulary or the dictionary are no longer those of the plan.
pub fn open(plan: Plan) -> Result<Box<dyn Job>, Error> {
    (job_type(plan.job).open)(plan)
}
