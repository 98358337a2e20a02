//! The rows set apart, in order: the same ones, with the same masks, whenever and on however many ranks a model is
//! measured.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use quanci_shards::Split;
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit};

use crate::batch::MicroBatch;
use crate::build::Builder;
use crate::error::Error;
use crate::order::groups_of;
use crate::row_groups::{RowAt, RowGroup, RowGroupKey};
use crate::sets::DataSets;
use crate::stream::PlannedBatch;

/// The seed of masks that are drawn anew: no run's, so that all runs are measured on the same ones.
const SEED: u64 = 0x7661_6c69_6461_7465;
/// Micro-batches that are built ahead.
const AHEAD: usize = 16;

/// How to go through the rows set apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationSettings {
    /// This rank, from 0: it has the micro-batches whose index is its own modulo `ranks`.
    pub rank: u32,
    /// How many there are.
    pub world_size: u32,
    /// Rows of a micro-batch; the last has what is left.
    pub micro_batch: u32,
    /// The first so many rows of all; 0 takes all.
    pub max_rows: u64,
    /// Draw the masks anew, by this unit and else as the data set was made for, from a fixed seed: models trained on
    /// masked words and on masked pieces can be measured on both. None takes the masks that are stored.
    pub unit: Option<MaskUnit>,
}

/// The rows set apart of all data sets, one data set after the other, as micro-batches. Ends after its first error.
pub struct Validation {
    batches: Option<Receiver<Result<MicroBatch, Error>>>,
    thread: Option<JoinHandle<()>>,
    rows: u64,
}

impl Validation {
    /// Begins to read.
    pub fn open(sets: Arc<DataSets>, settings: ValidationSettings) -> Result<Validation, Error> {
        let all = sets.validation_rows();
        if all == 0 {
            let message =
                "no rows are set apart to be measured on: prepare it with `output.validation` above 0";
            return Err(Error::input(sets.vocabulary_folder(), message));
        }
        if settings.rank >= settings.world_size || settings.micro_batch == 0 {
            return Err(Error::settings("`evaluation.micro_batch` and the number of ranks must be positive"));
        }
        let rows = if settings.max_rows == 0 { all } else { settings.max_rows.min(all) };
        let (send, batches) = bounded(AHEAD);
        let folder = sets.vocabulary_folder().to_path_buf();
        let work = move || {
            if let Err(error) = Walk::new(sets, settings, rows).run(&send) {
                send.send(Err(error)).ok();
            }
        };
        let thread = thread::Builder::new().name("validation".to_owned()).spawn(work);
        let thread = thread.map_err(Error::io("start a thread to read", folder))?;
        Ok(Validation { batches: Some(batches), thread: Some(thread), rows })
    }

    /// Rows of all ranks.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Iterator for Validation {
    type Item = Result<MicroBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.as_ref()?.recv().ok();
        if batch.is_none() {
            self.batches = None;
            let ended = self.thread.take().map(JoinHandle::join);
            assert!(!matches!(ended, Some(Err(_))), "the validation thread panicked");
        }
        batch
    }
}

impl Drop for Validation {
    fn drop(&mut self) {
        self.batches = None;
        // One that panicked has told why on standard error.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Goes through the rows.
struct Walk {
    sets: Arc<DataSets>,
    settings: ValidationSettings,
    builder: Builder,
    /// Rows still to be taken.
    left: u64,
    /// Number of the micro-batch that is being filled, and its rows: none if it is another rank's.
    index: u32,
    filled: u32,
    rows: Vec<RowAt>,
}

impl Walk {
    fn new(sets: Arc<DataSets>, settings: ValidationSettings, left: u64) -> Walk {
        // Masks drawn here come from a fixed seed and epoch 0: every evaluation sees the same ones.
        let redrawn = settings.unit;
        let masks =
            |own: MaskSettings| redrawn.map(|unit| MaskSettings { unit, mode: MaskMode::Dynamic, ..own });
        let builder = Builder::new(&sets, SEED, |set| masks(set.manifest.masking), true);
        Walk { sets, settings, builder, left, index: 0, filled: 0, rows: Vec::new() }
    }

    /// Ends after the last row, an error, or when nobody listens.
    fn run(&mut self, batches: &Sender<Result<MicroBatch, Error>>) -> Result<(), Error> {
        for key in self.groups() {
            if self.left == 0 || !self.walk_group(key, batches)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn groups(&self) -> Vec<RowGroupKey> {
        let mut keys = Vec::new();
        for (set, data) in (0..).zip(self.sets.sets()) {
            let segments = data.files(Split::Validation, 0).into_iter().flat_map(groups_of);
            keys.extend(segments.map(|at| RowGroupKey { set, file: at.file, group: at.group }));
        }
        keys
    }

    /// Gives whether somebody still listens.
    fn walk_group(
        &mut self,
        key: RowGroupKey,
        batches: &Sender<Result<MicroBatch, Error>>,
    ) -> Result<bool, Error> {
        let group = RowGroup::read(&self.sets, key, self.settings.unit.is_none())?;
        for row in 0..group.rows.len().min(self.left as usize) as u32 {
            // Micro-batches by turns, so that the ranks' parts differ by one micro-batch at most.
            if self.index % self.settings.world_size == self.settings.rank {
                self.rows.push(RowAt { group: group.clone(), row, epoch: 0 });
            }
            self.filled += 1;
            self.left -= 1;
            let full = self.filled == self.settings.micro_batch;
            if (full || self.left == 0) && !self.give(batches) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn give(&mut self, batches: &Sender<Result<MicroBatch, Error>>) -> bool {
        let index = self.index;
        (self.index, self.filled) = (index + 1, 0);
        if self.rows.is_empty() {
            return true;
        }
        let planned = PlannedBatch::new(index, std::mem::take(&mut self.rows));
        batches.send(Ok(self.builder.build(&planned))).is_ok()
    }
}
