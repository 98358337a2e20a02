//! `prepare` and `train_vocab`: the jobs of the program, in this process.

use std::path::{Path, PathBuf};

use crossbeam_channel::{Sender, unbounded};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use quanci_pipeline::config::SampleShare;
use quanci_pipeline::engine::{Context, Local, Stage};
use quanci_pipeline::error::Error;
use quanci_pipeline::jobs::prepare::{PrepareJob, sample_is_there};
use quanci_pipeline::jobs::vocab::VocabJob;
use quanci_pipeline::plan::Recipe;
use quanci_pipeline::progress::Progress;
use quanci_pipeline::stop::Stop;
use quanci_pipeline::view::{DataSet, stats};
use quanci_store::path_text::encode;
use serde_json::{Value, json};
use signal_hook::consts::SIGINT;

use crate::errors::OrRaise;
use crate::settings::to_toml;
use crate::waiting::wait;

/// What settings dicts are called in messages, as a file in the working directory: their paths are relative to it.
const SETTINGS_NAME: &str = "settings";

/// What a job was asked for.
struct Order {
    /// A settings file, or where settings without one lie.
    path: PathBuf,
    /// Settings without a file, as JSON.
    settings: Option<String>,
    overrides: Vec<String>,
    out: Option<PathBuf>,
    force: bool,
}

impl Order {
    fn recipe(&self) -> Result<Recipe, Error> {
        let absolute = |path: &Path| quanci_store::absolute(path).map_err(Error::io("find", path));
        match &self.settings {
            None => Recipe::read(&self.path, &self.overrides, self.out.as_deref()),
            Some(settings) => Ok(Recipe {
                path: absolute(Path::new(SETTINGS_NAME))?,
                text: to_toml(settings)?,
                overrides: self.overrides.clone(),
                out: self.out.as_deref().map(absolute).transpose()?,
                sample: None,
            }),
        }
    }
}

/// What is told of a job while it runs.
enum Event {
    Warning(String),
    Stage { name: String, tasks: u32 },
}

/// Tells of a job while it runs.
#[derive(Clone)]
struct Teller(Sender<Event>);

impl Teller {
    // Nobody listens any more after an exception.
    fn warn<'a>(&self, warnings: impl IntoIterator<Item = &'a String>) {
        warnings.into_iter().for_each(|warning| drop(self.0.send(Event::Warning(warning.clone()))));
    }

    fn begin(&self, stage: &dyn Stage) {
        let (name, tasks) = (stage.name().to_owned(), stage.count());
        self.0.send(Event::Stage { name, tasks }).ok();
    }
}

/// Runs a job in a thread of its own, while `progress` and `warn` are called from this one.
fn run(
    py: Python<'_>,
    threads: usize,
    progress: Option<Py<PyAny>>,
    warn: &Py<PyAny>,
    job: impl FnOnce(&Context, &Teller) -> Result<Value, Error> + Send + 'static,
) -> PyResult<String> {
    let (send, events) = unbounded();
    let (stop, counts) = (Stop::default(), Progress::default());
    let flag = stop.flag();
    let shown = counts.clone();
    let work = move || job(&Context::new(threads, stop, counts)?, &Teller(send));
    let mut stage: Option<(String, u32)> = None;
    let mut told: Option<Shown> = None;
    let look = || {
        for event in events.try_iter() {
            match event {
                Event::Warning(text) => drop(warn.call1(py, (text,))?),
                Event::Stage { name, tasks } => stage = Some((name, tasks)),
            }
        }
        let now = stage.as_ref().map(|(name, tasks)| Shown::of(name, *tasks, &shown));
        if let (Some(progress), Some(now)) = (&progress, &now)
            && told.as_ref() != Some(now)
        {
            progress.call1(py, (now.to_dict(py)?,))?;
        }
        told = now;
        Ok(())
    };
    // As a signal would: what is finished is kept, and the same call goes on from there.
    let stop = || flag.store(SIGINT as usize, std::sync::atomic::Ordering::Relaxed);
    let value = wait(py, work, look, stop)?.or_raise(py)?;
    Ok(value.to_string())
}

/// How far a job is.
#[derive(PartialEq)]
struct Shown {
    stage: String,
    tasks: u32,
    work: Option<(u64, u64)>,
    read: (u64, u64, u64),
}

impl Shown {
    fn of(stage: &str, tasks: u32, progress: &Progress) -> Shown {
        Shown { stage: stage.to_owned(), tasks, work: progress.work(), read: progress.read() }
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("stage", &self.stage)?;
        dict.set_item("tasks", self.tasks)?;
        dict.set_item("done", self.work.map(|(done, _)| done))?;
        dict.set_item("all", self.work.map(|(_, all)| all))?;
        let (bytes, documents, rows) = self.read;
        dict.set_item("bytes", bytes)?;
        dict.set_item("documents", documents)?;
        dict.set_item("rows", rows)?;
        Ok(dict)
    }
}

/// Makes a data set; returns what the program's `--json` says.
#[pyfunction]
#[pyo3(signature = (path, settings, overrides, out, threads, force, sample, progress, warn))]
#[expect(clippy::too_many_arguments, reason = "named arguments in Python")]
pub(crate) fn prepare(
    py: Python<'_>,
    path: PathBuf,
    settings: Option<String>,
    overrides: Vec<String>,
    out: Option<PathBuf>,
    threads: usize,
    force: bool,
    sample: Option<&str>,
    progress: Option<Py<PyAny>>,
    warn: Py<PyAny>,
) -> PyResult<String> {
    let sample: Option<SampleShare> = sample
        .map(str::parse)
        .transpose()
        .map_err(|problem: String| Error::settings(problem))
        .or_raise(py)?;
    let order = Order { path, settings, overrides, out, force };
    run(py, threads, progress, &warn, move |context, teller| prepared(&order, sample, context, teller))
}

fn prepared(
    order: &Order,
    sample: Option<SampleShare>,
    context: &Context,
    teller: &Teller,
) -> Result<Value, Error> {
    let recipe = Recipe { sample, ..order.recipe()? };
    let (mut plan, settings) = PrepareJob::plan(recipe)?;
    plan.replace = order.force || (sample.is_some() && sample_is_there(&settings.output.path)?);
    // Warnings come before the work: a run may take hours.
    teller.warn(settings.warnings().iter().chain(&plan.warnings));
    let job = PrepareJob::open(plan)?;
    let manifest = job.run(&Local, context, &mut |stage| teller.begin(stage))?;
    let folder = &job.settings().output.path;
    let mut warnings = job.rejected_places()?;
    warnings.extend(job.repairs(&manifest)?);
    warnings.extend(stats::sampled_notes(&DataSet::open(folder)?)?);
    teller.warn(&warnings);
    Ok(json!({
        "path": encode(folder), "data_id": manifest.data_id, "counters": manifest.counters, "warnings": warnings,
    }))
}

/// Trains a vocabulary; returns what the program's `--json` says.
#[pyfunction]
#[pyo3(signature = (path, settings, overrides, out, threads, force, progress, warn))]
#[expect(clippy::too_many_arguments, reason = "named arguments in Python")]
pub(crate) fn train_vocab(
    py: Python<'_>,
    path: PathBuf,
    settings: Option<String>,
    overrides: Vec<String>,
    out: Option<PathBuf>,
    threads: usize,
    force: bool,
    progress: Option<Py<PyAny>>,
    warn: Py<PyAny>,
) -> PyResult<String> {
    let order = Order { path, settings, overrides, out, force };
    run(py, threads, progress, &warn, move |context, teller| trained(&order, context, teller))
}

fn trained(order: &Order, context: &Context, teller: &Teller) -> Result<Value, Error> {
    let mut plan = VocabJob::plan(order.recipe()?)?;
    plan.replace = order.force;
    teller.warn(&plan.warnings);
    let job = VocabJob::open(plan)?;
    let report = job.run(&Local, context, &mut |stage| teller.begin(stage))?;
    teller.warn(&report.warnings());
    Ok(json!({ "path": encode(&job.run_settings().path), "report": report }))
}
