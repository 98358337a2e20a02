//! A prepare job: its plan, what is read once for all of its tasks, and where its work lies.

use std::path::{Path, PathBuf};

use quanci_shards::{FORMAT_VERSION, Manifest};

use super::layout::Layout;
use super::near_duplicates::NearDuplicateFiles;
use super::prepared::{Prepared, parse, read_vocabulary};
use super::unfinished;
use crate::config::{OutputSettings, PrepareSettings, Words};
use crate::drops::Reason;
use crate::error::Error;
use crate::jobs::cleaning;
use crate::jobs::dictionary::{self, user_dict};
use crate::plan::{JobKind, Places, Plan, Recipe, Sampling};
use crate::readers::CUT_BY_SPACES;
use crate::steps::pair::PAIRS_VERSION;
use crate::steps::segment::Segmenter;
use crate::vocab::file::Vocabulary;
use crate::work;

/// A prepare job with its plan.
pub struct PrepareJob {
    pub(super) plan: Plan,
    pub(super) settings: PrepareSettings,
    pub(super) vocabulary: Vocabulary,
    pub(super) user_dict: Option<Vec<u8>>,
    pub(super) blocked: Option<String>,
    pub(super) canonical: serde_json::Value,
    pub(super) settings_id: String,
    pub(super) parts: PathBuf,
    pub(super) folder: PathBuf,
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

    /// What was left out of documents or replaced in them, a sentence for each kind.
    ///
    /// # Errors
    /// If the layout cannot be read.
    pub fn repairs(&self, manifest: &Manifest) -> Result<Vec<String>, Error> {
        let mut repaired = self.layout()?.map(|layout| layout.report.repaired).unwrap_or_default();
        // What only reduce knows, which has no places.
        let shared =
            manifest.counters.pointer("/repaired/counts/shared_line").and_then(|count| count.as_u64());
        repaired.counts.extend(shared.map(|count| (Reason::SharedLine, count)));
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

    pub(super) fn layout_path(&self) -> PathBuf {
        self.folder.join("layout.json")
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.folder.join("index.bin")
    }

    pub(super) fn bands_path(&self) -> PathBuf {
        self.folder.join("bands.bin")
    }

    pub(super) fn lines_path(&self) -> PathBuf {
        self.folder.join("lines.bin")
    }

    pub(super) fn committed_path(&self) -> PathBuf {
        self.folder.join("committed")
    }

    pub(super) fn near_duplicate_files(&self) -> NearDuplicateFiles {
        NearDuplicateFiles::new(&self.folder)
    }

    pub(super) fn layout(&self) -> Result<Option<Layout>, Error> {
        let path = self.layout_path();
        if work::exists(&path)? { work::read_json(&path).map(Some) } else { Ok(None) }
    }

    /// The manifest of the output, if it is this job's.
    pub(super) fn finished(&self) -> Result<Option<Manifest>, Error> {
        let Some(layout) = self.layout()?.filter(|_| !self.plan.replace) else { return Ok(None) };
        let output = &self.settings.output.path;
        let manifest = quanci_shard_store::read_manifest(output);
        // With the mark of an unfinished data set, the last steps of the commit are missing.
        if unfinished::is_marked(output)? {
            return Ok(None);
        }
        Ok(manifest.ok().filter(|manifest| manifest.data_id == layout.data_id))
    }

    /// True once the data set is there: the results of some stages may be gone.
    pub(super) fn is_committed(&self) -> Result<bool, Error> {
        Ok(work::exists(&self.committed_path())? || self.finished()?.is_some())
    }
}
