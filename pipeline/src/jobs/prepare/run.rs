//! How a prepare job is run, resumed and cleaned up.

use std::path::Path;

use quanci_shards::Manifest;

use super::job::PrepareJob;
use super::shared_lines::{self, LineFiles};
use super::stages::{ALL_STAGES, stages_of};
use super::{commit, map, near_duplicates, output, reduce, unfinished};
use crate::engine::{Context, Engine, Stage};
use crate::error::Error;
use crate::failures::Failures;
use crate::jobs::job::{self, Job};
use crate::work;

impl PrepareJob {
    /// Runs all stages and returns the manifest of the finished data set. `begin` is called before each stage.
    ///
    /// # Errors
    /// If another run is writing the output, if a stage fails, or if the run is asked to stop.
    pub fn run(
        &self,
        engine: &dyn Engine,
        context: &Context,
        begin: &mut dyn FnMut(&dyn Stage),
    ) -> Result<Manifest, Error> {
        job::run(self, engine, context, begin)?;
        Ok(quanci_shard_store::read_manifest(&self.settings.output.path)?)
    }

    /// Removes the work of this plan: `--force` starts over.
    fn discard_work(&self) -> Result<(), Error> {
        // The layout goes first: with it, a run that is killed here would go on from files that are gone.
        work::remove_file(&self.layout_path())?;
        work::remove_own(&self.folder, &is_own_file)?;
        map::remove_parts(&self.plan, &self.parts)
    }
}

impl Job for PrepareJob {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn stages(&self) -> &'static [&'static str] {
        stages_of(&self.settings)
    }

    /// Stages behind `layout` can be opened once it is done, and those behind others once these are, too.
    fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        self.open_stage(name)
    }

    fn width(&self, stage: &str) -> u32 {
        let output = &self.settings.output;
        match stage {
            // A band task reads what a few map tasks wrote.
            "map" | "bands" => self.plan.map.len() as u32,
            "lines" => (self.plan.map.len() as u32).min(shared_lines::MOST_TASKS),
            "reduce" => output.shards + u32::from(output.validation > 0.0),
            _ => 1,
        }
    }

    fn locked(&self) -> (&Path, &Path) {
        (&self.settings.output.work, &self.settings.output.path)
    }

    fn begin(&self) -> Result<(), Error> {
        let same_settings = |manifest: &Manifest| manifest.settings == self.canonical;
        // A report is written into the finished data set. What a killed one left is ours, and must not look foreign.
        work::sweep(&self.settings.output.path, Some(work::REPORT_FILE))?;
        output::check_output(&self.settings.output.path, self.plan.replace, &same_settings)?;
        if self.plan.replace {
            return self.discard_work();
        }
        // Layout claims an output of objects. If it was done in an earlier run, another run may have claimed the output
        // since.
        match self.layout()? {
            Some(layout) if self.finished()?.is_none() => {
                let shards = layout.shard_paths(self.settings.instances.copies);
                unfinished::begin(&self.settings.output.path, &layout.data_id, shards, false)
            }
            _ => Ok(()),
        }
    }

    fn sweep(&self) -> Result<(), Error> {
        let output = &self.settings.output;
        output::sweep_output(&output.path)?;
        let (reduce, failed) = (self.folder.join(reduce::REDUCE_FOLDER), Failures::folder(&self.folder));
        let (links, lines) = (self.near_duplicate_files().links(), LineFiles::folder(&self.folder));
        let folders = [&output.work, &self.parts, &self.folder, &reduce, &links, &lines, &failed];
        folders.into_iter().try_for_each(|folder| work::sweep(folder, None))
    }

    fn finish(&self) -> Result<(), Error> {
        commit::clean_up(&self.plan, &self.settings.output, &self.parts, &self.folder)
    }

    /// The output is known once `layout` is done: then the data set may turn out to be finished already.
    fn is_complete_after(&self, stage: Option<&str>) -> Result<bool, Error> {
        match (stage, self.layout()?) {
            (None, _) => Ok(self.finished()?.is_some()),
            (Some("layout"), Some(layout)) => {
                let same = |manifest: &Manifest| manifest.data_id == layout.data_id;
                output::check_output(&self.settings.output.path, self.plan.replace, &same)?;
                Ok(self.finished()?.is_some())
            }
            _ => Ok(false),
        }
    }
}

/// True for the path of a file that a run writes into the folder of its plan's own work.
fn is_own_file(path: &str) -> bool {
    const NAMES: [&str; 5] = ["layout.json", "index.bin", "bands.bin", "lines.bin", "committed"];
    match path.split_once('/') {
        _ if near_duplicates::is_own_file(path) || shared_lines::is_own_file(path) => true,
        None => NAMES.contains(&path),
        Some((reduce::REDUCE_FOLDER, file)) => reduce::is_reduce_file(file),
        Some(("failed", file)) => Failures::is_record(file, &ALL_STAGES),
        Some(_) => false,
    }
}
