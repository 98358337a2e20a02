//! `init`, `inspect`, `verify`, `stats`, `report`, `export-tfrecord`, `import-tfrecord` and `man`.

use std::path::Path;

use serde_json::json;

use super::args::{Common, ImportArgs};
use crate::engine::shell;
use crate::error::Error;
use crate::init;
use crate::tfrecord;
use crate::view::inspect::{self, Choice};
use crate::view::report::{self, PageOptions};
use crate::view::{DataSet, stats, verify};
use quanci_cli::{FOREIGN_PAGE, ManError, Output, from_here, write_man_pages};
use quanci_shards::Split;
use quanci_store::path_text::encode;

/// `quanci init`.
pub(super) fn init(folder: &Path, path: &Path, force: bool, output: &Output) -> Result<(), Error> {
    let written = init::init(folder, path, force)?;
    for group in &written.survey.groups {
        output.result(format_args!("found     {}", init::describe_group(group)));
    }
    for (reason, left_out) in &written.survey.left_out {
        output.result(format_args!("skipped   {}", init::describe_left_out(reason, left_out)));
    }
    written.survey.warnings.iter().for_each(|warning| output.warning(warning));
    output.result(format_args!("settings  {}", written.settings.display()));
    if let Some(vocabulary) = &written.vocabulary {
        output.result(format_args!(
            "          {} (no vocab.txt found: these settings train one)",
            vocabulary.display()
        ));
        output.result(format_args!("next      {}", command("vocab", vocabulary)));
    }
    output.result(format_args!("next      {}", command("prepare", &written.settings)));
    output.json(&json!({ "ok": true, "path": encode(&written.settings), "vocabulary_settings": written.vocabulary.as_deref().map(encode) }));
    Ok(())
}

/// A command to paste into a shell, whatever the file is called.
fn command(name: &str, settings: &Path) -> String {
    shell::line(["quanci".as_ref(), name.as_ref(), settings.as_os_str()])
}

/// `quanci man`.
pub(super) fn man(program: clap::Command, folder: &Path, force: bool, output: &Output) -> Result<(), Error> {
    let pages = write_man_pages(program, folder, force).map_err(|error| match error {
        ManError::Foreign(path) => Error::Output { path, message: FOREIGN_PAGE.to_owned() },
        ManError::Io(error) => Error::Io(error),
    })?;
    output.result(format_args!("{} manual pages: {}", pages.len(), from_here(folder)));
    let files: Vec<_> = pages.iter().map(|page| encode(page)).collect();
    output.json(&json!({ "ok": true, "path": encode(folder), "files": files }));
    Ok(())
}

/// `quanci inspect`.
pub(super) fn inspect(folder: &Path, choice: Choice, output: &Output) -> Result<(), Error> {
    let data = DataSet::open(folder)?;
    // No thread pool: only the row groups of the chosen rows are read.
    let inspection = inspect::inspect(&data, choice)?;
    output.colored_result(inspection.to_string().trim_end());
    output.json(&json!({
        "ok": true, "path": encode(folder), "drawn_with": inspection.drawn_with, "rows": inspection.rows,
    }));
    Ok(())
}

/// `quanci verify`.
pub(super) fn verify(folder: &Path, common: &Common, output: &Output) -> Result<(), Error> {
    if tfrecord::is_records(folder)? {
        return verify_records(folder, common, output);
    }
    let verdict = pool(common)?.install(|| verify::verify(folder));
    let sound = verdict.sound(folder)?;
    output.result(sound);
    output.json(&json!({ "ok": true, "path": encode(folder), "files": sound.files, "rows": sound.rows, "bytes": sound.bytes }));
    Ok(())
}

fn verify_records(path: &Path, common: &Common, output: &Output) -> Result<(), Error> {
    let checked = pool(common)?.install(|| tfrecord::check(path))?;
    output.result(format_args!(
        "ok: {} TFRecord files, {:.1} MB, {} instances of {} tokens and {} masks at most; all checksums match and all features are valid",
        checked.files,
        checked.bytes as f64 / 1e6,
        checked.instances,
        checked.lengths.row,
        checked.lengths.masks
    ));
    output.json(&json!({
        "ok": true, "path": encode(path), "files": checked.files, "instances": checked.instances, "bytes": checked.bytes,
        "max_seq_length": checked.lengths.row, "max_predictions_per_seq": checked.lengths.masks,
    }));
    Ok(())
}

/// `quanci export-tfrecord`.
pub(super) fn export_tfrecord(
    data: &Path,
    folder: &Path,
    settings: &tfrecord::Settings,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let data = DataSet::open(data)?;
    let exported = pool(common)?.install(|| tfrecord::export(&data, folder, settings))?;
    exported.warnings.iter().for_each(|warning| output.warning(warning));
    let manifest = &exported.manifest;
    output.result(format_args!(
        "written   {} instances in {} files: {}",
        manifest.instances(),
        manifest.files.len(),
        from_here(folder)
    ));
    output.result(format_args!(
        "trainers  --max_seq_length={} --max_predictions_per_seq={}",
        manifest.max_seq_length, manifest.max_predictions_per_seq
    ));
    output.json(&json!({
        "ok": true, "path": encode(folder), "files": manifest.files.len(), "instances": manifest.instances(),
        "max_seq_length": manifest.max_seq_length, "max_predictions_per_seq": manifest.max_predictions_per_seq,
    }));
    Ok(())
}

/// `quanci import-tfrecord`.
pub(super) fn import_tfrecord(args: &ImportArgs, common: &Common, output: &Output) -> Result<(), Error> {
    let settings = tfrecord::ImportSettings {
        records: &args.records,
        validation: &args.validation,
        vocabulary: &args.vocab,
        objective: args.objective.into(),
        is_cased: args.cased,
    };
    let imported = pool(common)?.install(|| tfrecord::import(&args.out, &settings))?;
    imported.warnings.iter().for_each(|warning| output.warning(warning));
    let manifest = &imported.manifest;
    let [train, validation] = [Split::Train, Split::Validation].map(|split| manifest.rows(split, 0));
    output.result(format_args!("data set  {}  (data id {})", from_here(&args.out), manifest.data_id));
    output.result(format_args!(
        "instances {train} for training, {validation} for validation, of {} tokens and {} masks at most",
        manifest.max_seq_len, manifest.masking.max_predictions
    ));
    output.result(format_args!("next: quanci-train init {}", from_here(&args.out)));
    output.json(&json!({
        "ok": true, "path": encode(&args.out), "data_id": manifest.data_id, "instances": train, "validation": validation,
        "max_seq_len": manifest.max_seq_len, "max_predictions": manifest.masking.max_predictions,
    }));
    Ok(())
}

/// `quanci stats`.
pub(super) fn stats(folder: &Path, common: &Common, output: &Output) -> Result<(), Error> {
    let data = DataSet::open(folder)?;
    let stats = pool(common)?.install(|| stats::stats(&data))?;
    output.colored_result(stats.to_string().trim_end());
    output.json(&json!({ "ok": true, "path": encode(folder), "stats": stats }));
    Ok(())
}

/// `quanci report`.
pub(super) fn report(
    folder: &Path,
    path: &Path,
    options: PageOptions,
    common: &Common,
    output: &Output,
) -> Result<(), Error> {
    let to_stdout = path == Path::new("-");
    if to_stdout && output.is_json() {
        return Err(Error::settings(
            "-o - writes the page to standard output, where --json writes its result: leave one of them out",
        ));
    }
    if !to_stdout {
        // Before the rows are counted, which may take a while.
        report::check_place(path)?;
    }
    let data = DataSet::open(folder)?;
    let page = pool(common)?.install(|| report::page(&data, options))?;
    if to_stdout {
        output.result(page.trim_end());
        return Ok(());
    }
    report::write(path, &page)?;
    output.result(format_args!("report    {}", from_here(path)));
    output.json(&json!({ "ok": true, "path": encode(folder), "report": encode(path) }));
    Ok(())
}

/// A thread pool for commands that only read.
fn pool(common: &Common) -> Result<rayon::ThreadPool, Error> {
    // No signal handlers: these commands write nothing, so a signal may end the process at once.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common.threads).build();
    pool.map_err(|e| Error::Retry(format!("cannot start threads: {e}")))
}
