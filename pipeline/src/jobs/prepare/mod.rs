//! The prepare job: corpus bytes to a data set, in four stages with a barrier after each; two more where near-duplicates are
//! looked for, and one where lines are compared.
//!
//! ```text
//! map       read -> clean -> sentences -> words -> pieces, by fine bucket      one task a few files
//! layout    all counters -> buckets and shards; too many rejects end here      one task
//! bands     documents whose signatures agree in a band are linked              one task a range of bands
//! clusters  links -> clusters, of which one document each is kept              one task
//! lines     of each line that several documents have, all but one lose it      one task a range of lines
//! reduce    gather a shard's buckets -> pairs, masks, shuffle -> rows          one task a shard
//! commit    the data set's folder, its manifest last                           one task
//! ```

mod card;
mod commit;
mod directory;
mod documents;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod keys;
mod layout;
mod map;
mod near_duplicates;
mod output;
mod part;
mod piece_text;
mod prepared;
mod reduce;
mod report;
mod sample;
mod scatter;
mod shared_lines;
mod unfinished;
mod weights;

use std::path::{Path, PathBuf};

use quanci_shards::mask::{Masker, replacements};
use quanci_shards::{FORMAT_VERSION, FileKeys, Manifest};

use crate::config::{CleanSettings, DedupLines, OutputSettings, PrepareSettings, Words};
use crate::counters::Counters;
use crate::drops::Reason;
use crate::engine::{Context, Engine, Stage};
use crate::error::Error;
use crate::failures::Failures;
use crate::jobs::cleaning;
use crate::jobs::dictionary::{self, user_dict};
use crate::jobs::job::{self, Job, no_stage};
use crate::plan::{JobKind, Places, Plan, Recipe, Sampling};
use crate::readers::CUT_BY_SPACES;
use crate::steps::pair::{PAIRS_VERSION, PairSettings, PieceKind};
use crate::steps::segment::Segmenter;
use crate::vocab::file::Vocabulary;
use crate::work;
use keys::Keys;
use layout::{Layout, LayoutStage};
use near_duplicates::{Bands, ClusterStage, NearDuplicateFiles};
use part::{BANDS, LINES};
use prepared::{Prepared, parse, read_vocabulary};
use reduce::NearDuplicateInputs;
pub use sample::is_there as sample_is_there;
use shared_lines::{LineFiles, LineStage};

/// The stages of all runs, in order.
const ALL_STAGES: [&str; 7] = ["map", "layout", "bands", "clusters", "lines", "reduce", "commit"];

/// The stages of a run with these settings, in order.
fn stages_of(settings: &PrepareSettings) -> &'static [&'static str] {
    let CleanSettings { near_duplicates, dedup_lines, .. } = &settings.clean;
    match (near_duplicates.is_some(), dedup_lines.is_some()) {
        (false, false) => &["map", "layout", "reduce", "commit"],
        (true, false) => &["map", "layout", "bands", "clusters", "reduce", "commit"],
        (false, true) => &["map", "layout", "lines", "reduce", "commit"],
        (true, true) => &ALL_STAGES,
    }
}

/// The stages of a run with the settings of a recipe, in order. Nothing besides is read.
///
/// # Errors
/// All problems of the settings.
pub fn stages(recipe: &Recipe) -> Result<&'static [&'static str], Error> {
    Ok(stages_of(&parse(recipe)?))
}

/// A prepare job with its plan.
pub struct PrepareJob {
    plan: Plan,
    settings: PrepareSettings,
    vocabulary: Vocabulary,
    user_dict: Option<Vec<u8>>,
    blocked: Option<String>,
    canonical: serde_json::Value,
    settings_id: String,
    parts: PathBuf,
    folder: PathBuf,
}

fn places(output: &OutputSettings) -> Places<'_> {
    Places { output: ("output.path", &output.path), is_folder: true, work: ("output.work", &output.work) }
}

impl PrepareJob {
    /// Reads the settings, looks at the inputs and plans the tasks. Writes nothing, except for standard input.
    ///
    /// # Errors
    /// All problems of the settings, or the first of vocabulary, dictionary and inputs that cannot be read.
    pub fn plan(recipe: Recipe) -> Result<(Plan, PrepareSettings), Error> {
        let prepared = Prepared::read(&recipe)?;
        let settings = prepared.settings.clone();
        let (base, setup) = (&settings.source.base, prepared.map_setup());
        let OutputSettings { task_mb, compare_inputs, .. } = settings.output;
        let (corpora, clean) = (&settings.corpora, &settings.clean);
        let places = places(&settings.output);
        let kind = JobKind::Prepare;
        let sampling = settings.sample.map(|share| Sampling { share, seed: settings.seed });
        let mut plan = Plan::make(
            kind,
            recipe,
            base,
            corpora,
            clean,
            &setup,
            task_mb,
            places,
            compare_inputs,
            sampling,
        )?;
        if prepared.settings.segment.words == Words::Spaces {
            plan.warnings.retain(|warning| !warning.contains(CUT_BY_SPACES));
        }
        plan.warnings.retain(|warning| !cleaning::is_mended(warning, &settings.clean));
        plan.warnings.extend_from_slice(prepared.vocabulary.warnings());
        plan.warnings.extend(dictionary::warnings(&settings.segment, prepared.user_dict.as_deref())?);
        Ok((plan, settings))
    }

    /// Every problem of settings, vocabulary and inputs.
    pub fn check(recipe: &Recipe) -> Vec<Error> {
        let settings = match parse(recipe) {
            Ok(settings) => settings,
            Err(error) => return vec![error],
        };
        let PrepareSettings { segment, corpora, clean, source, output, .. } = &settings;
        let vocabulary = read_vocabulary(&settings).err();
        let dictionary = user_dict(segment).and_then(|bytes| Segmenter::new(segment, bytes.as_deref())).err();
        let blocked = cleaning::read(&mut clean.clone()).err();
        let inputs = Plan::problems(&source.base, corpora, clean, places(output));
        vocabulary.into_iter().chain(dictionary).chain(blocked).chain(inputs).collect()
    }

    /// Opens a planned job.
    ///
    /// # Errors
    /// If the settings, the vocabulary or the dictionary are no longer those of the plan.
    pub fn open(plan: Plan) -> Result<PrepareJob, Error> {
        let prepared = Prepared::read(&plan.recipe)?;
        let PrepareSettings { vocab, segment, clean, .. } = &prepared.settings;
        let lists = segment.user_dict.iter().chain(&clean.filter.blocked_words);
        let files: Vec<&Path> = std::iter::once(vocab).chain(lists).map(PathBuf::as_path).collect();
        plan.check_setup(&prepared.map_setup(), &files)?;
        // The identity of the rows, except for the text itself, which `layout` adds to make the data id.
        let identity = serde_json::json!([
            FORMAT_VERSION,
            PAIRS_VERSION,
            prepared.canonical,
            prepared.vocabulary.sha256()
        ]);
        let work = &prepared.settings.output.work;
        Ok(PrepareJob {
            // Part files are named by a hash of all that they depend on, and shared by all plans in this work folder.
            // `folder` is this plan's own.
            parts: work.join("parts"),
            folder: work.join(&plan.work_id),
            settings_id: identity.to_string(),
            settings: prepared.settings,
            vocabulary: prepared.vocabulary,
            user_dict: prepared.user_dict,
            blocked: prepared.blocked,
            canonical: prepared.canonical,
            plan,
        })
    }

    /// The settings.
    pub fn settings(&self) -> &PrepareSettings {
        &self.settings
    }

    /// The plan.
    pub fn plan_data(&self) -> &Plan {
        &self.plan
    }

    fn map(&self) -> Result<map::Map<'_>, Error> {
        let clean = cleaning::cleaner(&self.settings.clean, self.blocked.as_deref())?;
        let steps = map::Steps::new(&self.settings, clean, &self.vocabulary, self.user_dict.as_deref())?;
        Ok(map::Map { plan: &self.plan, settings: &self.settings, folder: &self.parts, steps })
    }

    /// What was left out of documents or replaced in them, a sentence for each kind.
    ///
    /// # Errors
    /// If the layout cannot be read.
    pub fn repairs(&self, counters: &Counters) -> Result<Vec<String>, Error> {
        let mut repaired = self.layout()?.map(|layout| layout.report.repaired).unwrap_or_default();
        // What only reduce knows, which has no places.
        repaired.counts.extend(counters.repaired.counts.get_key_value(&Reason::SharedLine));
        Ok(repaired.notes())
    }

    /// Files of which many records were rejected, where some of those are, and which entries of archives were skipped, for a
    /// run that succeeded all the same.
    ///
    /// # Errors
    /// If the layout cannot be read.
    pub fn rejected_places(&self) -> Result<Vec<String>, Error> {
        let Some(Layout { report, .. }) = self.layout()? else { return Ok(Vec::new()) };
        let places = report.dropped.rejected_places().into_iter().map(|place| format!("skipped {place}"));
        Ok(report.rejecting.worst().into_iter().chain(places).chain(report.left_out.notes()).collect())
    }

    fn layout_path(&self) -> PathBuf {
        self.folder.join("layout.json")
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.bin")
    }

    fn bands_path(&self) -> PathBuf {
        self.folder.join("bands.bin")
    }

    fn committed_path(&self) -> PathBuf {
        self.folder.join("committed")
    }

    fn lines_path(&self) -> PathBuf {
        self.folder.join("lines.bin")
    }

    fn near_duplicate_files(&self) -> NearDuplicateFiles {
        NearDuplicateFiles::new(&self.folder)
    }

    fn layout(&self) -> Result<Option<Layout>, Error> {
        let path = self.layout_path();
        if work::exists(&path)? { work::read_json(&path).map(Some) } else { Ok(None) }
    }

    fn reduce_inputs(&self) -> Result<reduce::ReduceInputs<'_>, Error> {
        let Some(layout) = self.layout()? else {
            return Err(not_done("map and layout"));
        };
        let near_duplicates = match self.settings.clean.near_duplicates {
            Some(_) if !work::exists(&self.near_duplicate_files().report())? => {
                return Err(not_done("bands and clusters"));
            }
            Some(near) => {
                Some(NearDuplicateInputs::read(&self.near_duplicate_files(), &near, &self.vocabulary)?)
            }
            None => None,
        };
        let lines = layout.lines.map(|lines| LineFiles::new(&self.folder, lines.tasks));
        if let Some(files) = &lines
            && !files.missing()?.is_empty()
            && !self.is_committed()?
        {
            return Err(not_done("lines"));
        }
        let keys = FileKeys { data_id: layout.data_id.clone(), vocabulary_sha256: self.vocabulary.sha256() };
        let replacements = replacements(self.vocabulary.len() as u32, &self.vocabulary.reserved());
        let masker = Masker::new(self.settings.masking, self.vocabulary.specials().mask, replacements);
        Ok(reduce::ReduceInputs {
            plan: &self.plan,
            settings: &self.settings,
            vocabulary: &self.vocabulary,
            layout,
            parts: &self.parts,
            index: self.index_path(),
            folder: self.folder.join("reduce"),
            pairs: pair_settings(&self.settings, &self.vocabulary),
            keys,
            masker,
            near_duplicates,
            lines,
        })
    }

    fn map_parts(&self) -> map::MapParts<'_> {
        map::MapParts { plan: &self.plan, folder: &self.parts }
    }

    /// True once the data set is there: the results of some stages may be gone.
    fn is_committed(&self) -> Result<bool, Error> {
        Ok(work::exists(&self.committed_path())? || self.finished()?.is_some())
    }

    /// The keys of the documents' bands.
    fn bands(&self) -> Result<Keys<'_>, Error> {
        let layout =
            self.layout()?.and_then(|layout| layout.bands).ok_or_else(|| not_done("map and layout"))?;
        Ok(Keys { parts: self.map_parts(), layout, index: self.bands_path(), fine: BANDS })
    }

    /// The stage that finds the lines that several documents have.
    fn lines(&self, settings: DedupLines) -> Result<LineStage<'_>, Error> {
        let layout =
            self.layout()?.and_then(|layout| layout.lines).ok_or_else(|| not_done("map and layout"))?;
        let near = self.settings.clean.near_duplicates.map(|_| self.near_duplicate_files());
        if let Some(files) = &near
            && !work::exists(&files.report())?
        {
            return Err(not_done("bands and clusters"));
        }
        Ok(LineStage {
            files: LineFiles::new(&self.folder, layout.tasks),
            keys: Keys { parts: self.map_parts(), layout, index: self.lines_path(), fine: LINES },
            parts: &self.parts,
            settings,
            validation: self.settings.output.validation,
            near_duplicates: near,
        })
    }

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

    /// The manifest of the output, if it is this job's.
    fn finished(&self) -> Result<Option<Manifest>, Error> {
        let Some(layout) = self.layout()?.filter(|_| !self.plan.replace) else { return Ok(None) };
        let output = &self.settings.output.path;
        let manifest = quanci_shard_store::read_manifest(output);
        // With the mark of an unfinished data set, the last steps of the commit are missing.
        if unfinished::is_marked(output)? {
            return Ok(None);
        }
        Ok(manifest.ok().filter(|manifest| manifest.data_id == layout.data_id))
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

    /// Stages behind `layout` can be opened once it is done, and `reduce` and `commit` once `clusters` is, too.
    fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        if !self.stages().contains(&name) {
            return Err(no_stage(name, self.stages()));
        }
        match name {
            "map" => Ok(Box::new(self.map()?)),
            "layout" => Ok(Box::new(LayoutStage {
                plan: &self.plan,
                settings: &self.settings,
                parts: &self.parts,
                path: self.layout_path(),
                index: self.index_path(),
                bands: self.bands_path(),
                lines: self.lines_path(),
                replace: self.plan.replace,
                settings_id: &self.settings_id,
            })),
            "bands" => Ok(Box::new(Bands {
                keys: self.bands()?,
                parts: &self.parts,
                files: self.near_duplicate_files(),
            })),
            "clusters" => Ok(Box::new(ClusterStage {
                files: self.near_duplicate_files(),
                tasks: self.bands()?.layout.tasks,
                validation: self.settings.output.validation,
            })),
            "lines" => match self.settings.clean.dedup_lines {
                Some(settings) => Ok(Box::new(self.lines(settings)?)),
                None => Err(no_stage(name, self.stages())),
            },
            "reduce" => Ok(Box::new(reduce::Reduce::new(self.reduce_inputs()?))),
            "commit" => Ok(Box::new(commit::Commit {
                reduce: self.reduce_inputs()?,
                canonical: &self.canonical,
                replace: self.plan.replace,
                near_duplicate_files: self.near_duplicate_files(),
                folder: &self.folder,
                committed: self.committed_path(),
            })),
            _ => Err(no_stage(name, self.stages())),
        }
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
        let (reduce, failed) = (self.folder.join("reduce"), Failures::folder(&self.folder));
        let (links, lines) = (self.near_duplicate_files().links(), LineFiles::folder(&self.folder));
        let folders = [&output.work, &self.parts, &self.folder, &reduce, &links, &lines, &failed];
        folders.into_iter().try_for_each(|folder| work::sweep(folder, None))
    }

    fn finish(&self) -> Result<(), Error> {
        let reduce = self.folder.join("reduce");
        commit::clean_up(
            &self.plan,
            &self.settings.output,
            &self.parts,
            &reduce,
            &self.near_duplicate_files(),
            &self.folder,
        )
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

fn not_done(stages: &str) -> Error {
    Error::Retry(format!("the stages {stages} are not done yet"))
}

/// True for the path of a file that a run writes into the folder of its plan's own work.
fn is_own_file(path: &str) -> bool {
    const NAMES: [&str; 5] = ["layout.json", "index.bin", "bands.bin", "lines.bin", "committed"];
    match path.split_once('/') {
        _ if near_duplicates::is_own_file(path) || shared_lines::is_own_file(path) => true,
        None => NAMES.contains(&path),
        Some(("reduce", file)) => reduce::is_reduce_file(file),
        Some(("failed", file)) => Failures::is_record(file, &ALL_STAGES),
        Some(_) => false,
    }
}

/// Pair building's settings, with the kinds of the vocabulary's entries.
fn pair_settings(settings: &PrepareSettings, vocabulary: &Vocabulary) -> PairSettings {
    PairSettings {
        objective: settings.instances.objective,
        max_seq_len: settings.instances.max_seq_len,
        short_seq_prob: settings.instances.short_seq_prob,
        rules: settings.instances.rules,
        kinds: vocabulary.pieces().map(PieceKind::of).collect(),
    }
}
