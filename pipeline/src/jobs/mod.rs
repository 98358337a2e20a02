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
