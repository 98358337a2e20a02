//! Jobs: stages made of steps.

use std::path::{Path, PathBuf};

use crate::config::SegmentSettings;
use crate::engine::Stage;
use crate::error::Error;
use crate::plan::{JobKind, Plan};

pub mod prepare;
mod read;
pub mod vocab;

/// A job of either kind, for whoever runs its tasks one by one.
pub enum Job {
    /// Corpus to shards.
    Prepare(Box<prepare::PrepareJob>),
    /// Corpus to vocabulary.
    Vocab(Box<vocab::VocabJob>),
}

impl Job {
    /// Opens a planned job.
    pub fn open(plan: Plan) -> Result<Job, Error> {
        match plan.job {
            JobKind::Prepare => Ok(Job::Prepare(Box::new(prepare::PrepareJob::open(plan)?))),
            JobKind::Vocab => Ok(Job::Vocab(Box::new(vocab::VocabJob::open(plan)?))),
        }
    }

    /// The names of its stages, in order.
    pub fn stages(&self) -> &'static [&'static str] {
        match self {
            Job::Prepare(_) => &prepare::STAGES,
            Job::Vocab(_) => &vocab::STAGES,
        }
    }

    /// A stage by its name; [`Error::Retry`] while those before it are not done.
    pub fn stage(&self, name: &str) -> Result<Box<dyn Stage + '_>, Error> {
        match self {
            Job::Prepare(job) => job.stage(name),
            Job::Vocab(job) => job.stage(name),
        }
    }

    /// How many tasks of a stage are worth running side by side, said before its tasks can be counted.
    pub fn width(&self, stage: &str) -> u32 {
        match self {
            Job::Prepare(job) => job.width(stage),
            Job::Vocab(job) => job.width(stage),
        }
    }

    /// True once the output is there, whatever became of the work it was made from.
    pub fn is_finished(&self) -> Result<bool, Error> {
        let last = self.stages().last().expect("a job has stages");
        match self.stage(last) {
            Ok(stage) => stage.is_done(0),
            Err(Error::Retry(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What comes before the first task: an error where the output is somebody else's, and with `--force` a clean start.
    pub fn begin(&self) -> Result<(), Error> {
        match self {
            Job::Prepare(job) => job.begin(),
            Job::Vocab(job) => job.begin(),
        }
    }

    /// Where this plan's own work is kept.
    pub fn folder(&self) -> &Path {
        match self {
            Job::Prepare(job) => job.folder(),
            Job::Vocab(job) => job.folder(),
        }
    }
}

/// The bytes of the user's dictionary, if there is one.
fn user_dict(settings: &SegmentSettings) -> Result<Option<Vec<u8>>, Error> {
    let read = |path: &PathBuf| quanci_store::read(path).map_err(Error::io("read", path));
    settings.user_dict.as_ref().map(read).transpose()
}
