//! The stages of a prepare job: which there are, and what each is opened with.

use quanci_shards::FileKeys;
use quanci_shards::mask::{Masker, replacements};

use super::job::PrepareJob;
use super::keys::Keys;
use super::layout::LayoutStage;
use super::near_duplicates::{Bands, ClusterStage};
use super::part::{BANDS, LINES};
use super::prepared::parse;
use super::reduce::{NearDuplicateInputs, REDUCE_FOLDER, Reduce, ReduceInputs};
use super::shared_lines::{LineFiles, LineStage};
use super::{commit, map};
use crate::config::{CleanSettings, DedupLines, PrepareSettings};
use crate::engine::Stage;
use crate::error::Error;
use crate::jobs::cleaning;
use crate::jobs::job::no_stage;
use crate::plan::Recipe;
use crate::steps::pair::{PairSettings, TokenKind};
use crate::vocab::file::Vocabulary;
use crate::work;

/// The stages of all runs, in order.
pub(super) const ALL_STAGES: [&str; 7] = ["map", "layout", "bands", "clusters", "lines", "reduce", "commit"];

/// The stages of a run with these settings, in order.
pub(super) fn stages_of(settings: &PrepareSettings) -> &'static [&'static str] {
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

impl PrepareJob {
    /// Stages behind `layout` can be opened once it is done; those behind `clusters` and `lines`, where these are, once these are
    /// done, too.
    pub(super) fn open_stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        if !stages_of(&self.settings).contains(&name) {
            return Err(no_stage(name, stages_of(&self.settings)));
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
                None => Err(no_stage(name, stages_of(&self.settings))),
            },
            "reduce" => Ok(Box::new(Reduce::new(self.reduce_inputs()?))),
            "commit" => Ok(Box::new(commit::Commit {
                reduce: self.reduce_inputs()?,
                canonical: &self.canonical,
                replace: self.plan.replace,
                folder: &self.folder,
                committed: self.committed_path(),
            })),
            _ => Err(no_stage(name, stages_of(&self.settings))),
        }
    }

    fn map(&self) -> Result<map::Map<'_>, Error> {
        let clean = cleaning::cleaner(&self.settings.clean, self.blocked.as_deref())?;
        let steps = map::Steps::new(&self.settings, clean, &self.vocabulary, self.user_dict.as_deref())?;
        Ok(map::Map { plan: &self.plan, settings: &self.settings, folder: &self.parts, steps })
    }

    fn map_parts(&self) -> map::MapParts<'_> {
        map::MapParts { plan: &self.plan, folder: &self.parts }
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

    fn reduce_inputs(&self) -> Result<ReduceInputs<'_>, Error> {
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
        Ok(ReduceInputs {
            plan: &self.plan,
            settings: &self.settings,
            vocabulary: &self.vocabulary,
            layout,
            parts: &self.parts,
            index: self.index_path(),
            folder: self.folder.join(REDUCE_FOLDER),
            pairs: pair_settings(&self.settings, &self.vocabulary),
            keys,
            masker,
            near_duplicates,
            lines,
        })
    }
}

fn not_done(stages: &str) -> Error {
    Error::Retry(format!("the stages {stages} are not done yet"))
}

/// Pair building's settings, with the kinds of the vocabulary's entries.
fn pair_settings(settings: &PrepareSettings, vocabulary: &Vocabulary) -> PairSettings {
    PairSettings {
        objective: settings.instances.objective,
        max_seq_len: settings.instances.max_seq_len,
        short_seq_prob: settings.instances.short_seq_prob,
        rules: settings.instances.rules,
        kinds: vocabulary.pieces().map(TokenKind::of).collect(),
    }
}
