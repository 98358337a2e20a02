//! `prepare`, `vocab` and `check`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use quanci_shards::{Manifest, Split};

use super::args::{Common, EngineName, PrepareArgs, REPORT_SEED, RunArgs};
use super::context::context;
use super::display::Display;
use super::engines::engine;
use super::submit;
use crate::counters::Counters;
use crate::engine::{Context, shell};
use crate::error::Error;
use crate::jobs::Job;
use crate::jobs::prepare::{PrepareJob, sample_is_there};
use crate::jobs::vocab::VocabJob;
use crate::plan::{JobKind, Recipe};
use crate::view::report::{self, Language, PageOptions};
use crate::view::{DataSet, stats};
use crate::work;
use quanci_cli::{Output, ProgramError, from_here};
use quanci_store::path_text::encode;

/// `quanci prepare`.
pub(super) fn prepare(args: &PrepareArgs, common: &Common, output: &Output) -> Result<(), Error> {
    let PrepareArgs { run, sample } = args;
    run.engine.check()?;
    if sample.is_some() && matches!(run.engine.engine, EngineName::Slurm | EngineName::Kubernetes) {
        return Err(Error::settings(
            "--sample is a quick look from here: use --engine local or ray, or leave it out",
        ));
    }
    match run.engine.engine {
        EngineName::Slurm => return submit::slurm(JobKind::Prepare, run, common, output),
        EngineName::Kubernetes => return submit::kubernetes(JobKind::Prepare, run, common, output),
        _ => {}
    }
    // The time in the summary includes planning, which reads the beginning of every input.
    let begun = Instant::now();
    let recipe = Recipe::read(&run.config, &common.overrides, run.out.as_deref())?;
    let (mut plan, settings) = PrepareJob::plan(Recipe { sample: *sample, ..recipe })?;
    plan.replace = run.force;
    if sample.is_some() {
        plan.replace |= sample_is_there(&settings.output.path)?;
    }
    // Warnings come before the work: a run may take hours.
    settings.warnings().iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    let job = PrepareJob::open(plan)?;
    let engine = engine(&run.engine, job.plan_data(), job.folder(), common)?;
    let context = context(common)?;
    let mut display = Display::new(output, context.progress.clone());
    let manifest = job.run(&*engine, &context, &mut |stage| display.begin(stage))?;
    display.end();
    let folder = &job.settings().output.path;
    let counters = counters_of(&manifest, folder)?;
    let mut warnings = job.rejected_places()?;
    warnings.extend(job.repairs(&manifest)?);
    let data = DataSet::open(folder)?;
    warnings.extend(stats::sampled_notes(&data)?);
    warnings.iter().for_each(|warning| output.warning(warning));
    output.result(summary(&manifest, &counters, folder, begun.elapsed().as_secs_f64()));
    let page = sample.map(|_| sample_report(&data, &context)).transpose()?;
    if let Some(page) = &page {
        output.result(format_args!("report    {}", from_here(page)));
    } else {
        let next = ["quanci-train".into(), "init".into(), from_here(folder)];
        output.message(format_args!("next: {}", shell::line(next)));
    }
    let mut told = serde_json::json!({
        "ok": true,
        "path": encode(folder),
        "data_id": manifest.data_id,
        "counters": manifest.counters,
        "warnings": warnings,
    });
    if let Some(page) = &page {
        told["report"] = serde_json::json!(encode(page));
    }
    output.json(&told);
    Ok(())
}

/// Writes the report page of a sample into its folder. Returns its path.
fn sample_report(data: &DataSet, context: &Context) -> Result<PathBuf, Error> {
    let options = PageOptions { seed: REPORT_SEED, language: Language::English };
    let page = context.pool.install(|| report::page(data, options))?;
    let path = data.folder().join(work::REPORT_FILE);
    report::write(&path, &page)?;
    Ok(path)
}

/// `quanci vocab`.
pub(super) fn vocab(run: &RunArgs, common: &Common, output: &Output) -> Result<(), Error> {
    run.engine.check()?;
    match run.engine.engine {
        EngineName::Slurm => return submit::slurm(JobKind::Vocab, run, common, output),
        EngineName::Kubernetes => return submit::kubernetes(JobKind::Vocab, run, common, output),
        _ => {}
    }
    let recipe = Recipe::read(&run.config, &common.overrides, run.out.as_deref())?;
    let mut plan = VocabJob::plan(recipe)?;
    plan.replace = run.force;
    plan.warnings.iter().for_each(|warning| output.warning(warning));
    let job = VocabJob::open(plan)?;
    let engine = engine(&run.engine, job.plan_data(), job.folder(), common)?;
    let context = context(common)?;
    let mut display = Display::new(output, context.progress.clone());
    let report = job.run(&*engine, &context, &mut |stage| display.begin(stage))?;
    display.end();
    report.warnings().iter().for_each(|warning| output.warning(warning));
    output.result(&report);
    output.result(format_args!("vocabulary: {}", from_here(&job.run_settings().path)));
    output
        .json(&serde_json::json!({ "ok": true, "path": encode(&job.run_settings().path), "report": report }));
    Ok(())
}

/// `quanci check`, for the settings of prepare and vocab runs.
pub(super) fn check(config: &Path, common: &Common, output: &Output) -> Result<(), Error> {
    let recipe = Recipe::read(config, &common.overrides, None)?;
    let problems: Vec<Error> = crate::jobs::check(&recipe);
    if let Some(last) = problems.last() {
        let all: Vec<&dyn ProgramError> =
            problems.iter().map(|problem| problem as &dyn ProgramError).collect();
        output.errors(&all);
        return Err(Error::Told(last.exit_code()));
    }
    let (plan, warnings) = crate::jobs::plan(recipe)?;
    warnings.iter().chain(&plan.warnings).for_each(|warning| output.warning(warning));
    let files = plan.map.iter().map(|task| task.splits.len()).sum::<usize>();
    output.result(format_args!(
        "{}: no problem found; {} tasks for {files} files or parts of files, {:.1} MB",
        config.display(),
        plan.map.len(),
        plan.input_bytes as f64 / 1e6
    ));
    output.json(&serde_json::json!({ "ok": true, "tasks": plan.map.len(), "input_bytes": plan.input_bytes }));
    Ok(())
}

/// `quanci config show`.
pub(super) fn show(config: &Path, common: &Common, output: &Output) -> Result<(), Error> {
    let recipe = Recipe::read(config, &common.overrides, None)?;
    output.settings(&crate::jobs::show(&recipe)?);
    Ok(())
}

fn counters_of(manifest: &Manifest, folder: &Path) -> Result<Counters, Error> {
    serde_json::from_value(manifest.counters.clone()).map_err(|e| {
        Error::input(
            folder,
            format!("the counters in manifest.json do not match this version of quanci: {e}"),
        )
    })
}

fn summary(manifest: &Manifest, counters: &Counters, folder: &Path, seconds: f64) -> String {
    let (train, read) = (&counters.train, &counters.read);
    let mut lines = vec![format!("data set  {}  (data id {})", from_here(folder), manifest.data_id)];
    let dropped = counters.dropped.in_words();
    let validation = counters.validation.documents;
    lines.push(format!(
        "documents {} for training, {validation} for validation; dropped: {dropped}",
        train.documents
    ));
    let (text_mb, unknown) =
        (read.text_bytes as f64 / 1e6, 100.0 * read.unknown as f64 / read.pieces.max(1) as f64);
    lines.push(format!(
        "text      {text_mb:.1} MB, {} sentences, {} words, {} tokens, {unknown:.3} % [UNK]",
        read.sentences, read.words, read.pieces
    ));
    // At least 1: a share of no rows is shown as 0, not as NaN.
    let rows = train.instances.max(1) as f64;
    let labels = match manifest.objective {
        // Instances of one segment have no label.
        quanci_shards::Objective::Mlm => String::new(),
        _ => format!(", label 1: {:.2} %", 100.0 * train.label_one as f64 / rows),
    };
    lines.push(format!(
        "instances {} in {} copies, mean length {:.1}{labels}; {} for validation",
        train.instances,
        manifest.copies,
        train.tokens as f64 / rows,
        manifest.rows(Split::Validation, 0)
    ));
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let all_rows: u64 = manifest.shards.iter().map(|shard| shard.rows).sum();
    lines.push(format!(
        "shards    {} files, {:.1} MB, {:.1} bytes per instance; {seconds:.1} s",
        manifest.shards.len(),
        bytes as f64 / 1e6,
        bytes as f64 / all_rows.max(1) as f64
    ));
    lines.join("\n")
}
