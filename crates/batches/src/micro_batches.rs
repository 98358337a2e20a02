//! A rank's micro-batches one by one, some of them, from any of them on: for processes that share a rank's work by turns,
//! as the workers of PyTorch's `DataLoader` do.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::MicroBatch;
use crate::error::Error;
use crate::lane::lane_rows;
use crate::loader::{Every, Loader};
use crate::mixture::Mixture;
use crate::partition::Partition;
use crate::sets::DataSets;
use crate::settings::{LoaderSettings, MicroBatchSize};

/// Gives some of a rank's micro-batches for training, for ever.
pub struct MicroBatches {
    loader: Loader,
    waiting: VecDeque<MicroBatch>,
}

impl MicroBatches {
    /// The micro-batches number `first`, `first + step`, `first + 2 * step`, … of those that a rank takes, in their order.
    /// `settings.first_batch` has no meaning here.
    ///
    /// # Errors
    /// If the numbers do not go together, or `micro_batch` is no number of rows.
    pub fn open(
        sets: Arc<DataSets>,
        settings: &LoaderSettings,
        first: u64,
        step: u32,
    ) -> Result<MicroBatches, Error> {
        let own = own_micro_batches(settings, &sets)?;
        let LoaderSettings { rank, world_size, .. } = *settings;
        let many = u64::from(step.max(1));
        let lanes_go = u64::from(settings.data.lanes).is_multiple_of(u64::from(world_size) * many);
        let (settings, own, every) = if own.is_multiple_of(many) && lanes_go {
            // Every `step`-th micro-batch of a rank is all of a rank's among `step` times as many: only their rows are read.
            let rank = rank + (first % many) as u32 * world_size;
            let settings = LoaderSettings { rank, world_size: world_size * step.max(1), ..settings.clone() };
            (settings, own / many, Every { first: first / many, step: 1 })
        } else {
            (settings.clone(), own, Every { first, step: many })
        };
        let first_batch = every.first / own;
        let every = Every { first: every.first % own, ..every };
        let loader = Loader::open_some(sets, LoaderSettings { first_batch, ..settings }, every)?;
        Ok(MicroBatches { loader, waiting: VecDeque::new() })
    }

    /// The next one. After an error it is at its end.
    ///
    /// # Panics
    /// If it is asked again after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, and errors are to be seen at each call"
    )]
    pub fn next(&mut self) -> Result<MicroBatch, Error> {
        loop {
            if let Some(micro) = self.waiting.pop_front() {
                return Ok(micro);
            }
            self.waiting.extend(self.loader.next()?.micro);
        }
    }
}

/// Micro-batches that a rank takes of each global batch.
fn own_micro_batches(settings: &LoaderSettings, sets: &DataSets) -> Result<u64, Error> {
    let partition = Partition::new(settings, sets)?;
    match settings.micro_batch {
        MicroBatchSize::Rows(rows) => Ok(u64::from(partition.global_batch / rows / partition.world_size)),
        MicroBatchSize::Tokens(_) => Err(Error::settings(
            "`micro_batch` must be a number of rows here: by tokens, global batches differ in their micro-batches",
        )),
    }
}

/// The number of a rank's first micro-batch of an epoch. Epochs follow one another without a gap, so a global batch may
/// hold rows of two: it belongs to the epoch that it begins in. Of several data sets, the first one's epochs count.
///
/// # Errors
/// As of [`MicroBatches::open`].
pub fn first_micro_batch(sets: &DataSets, settings: &LoaderSettings, epoch: u64) -> Result<u64, Error> {
    let own = own_micro_batches(settings, sets)?;
    let lanes = settings.data.lanes;
    let copies = lane_rows(sets, 0, lanes);
    let cycle: u64 = copies.iter().sum();
    let (cycles, copy) = (epoch / copies.len() as u64, (epoch % copies.len() as u64) as usize);
    // Rows of the first data set that a lane has given before the epoch begins.
    let before = cycles * cycle + copies[..copy].iter().sum::<u64>();
    let weights: Vec<f64> = sets.sets().iter().map(|set| set.weight).collect();
    let rows = (before as f64 / Mixture::new(&weights).share(0)).ceil() as u64;
    let batch = (rows * u64::from(lanes)).div_ceil(u64::from(settings.global_batch));
    Ok(batch * own)
}
