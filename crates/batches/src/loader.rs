//! Batches, built ahead of their use: one thread puts rows in order, others read row groups and build micro-batches.
//!
//! ```text
//!  order ──jobs──▶ workers: read a row group, build a micro-batch
//!    │                         │
//!    └──batches to come──▶ Loader::next waits for theirs
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::batch::{GlobalBatch, MicroBatch};
use crate::build::Builder;
use crate::error::Error;
use crate::lane::{LaneSource, lane_rows};
use crate::mixture::Mixture;
use crate::partition::Partition;
use crate::row_groups::{ReadRequest, RowGroup, RowGroupCache};
use crate::sets::DataSets;
use crate::settings::LoaderSettings;
use crate::stream::{PlannedBatch, VirtualRankStream};

/// Rows that are built ahead, if they are within these numbers of global batches.
const ROWS_AHEAD: u32 = 4096;
const FEWEST_AHEAD: u32 = 2;
const MOST_AHEAD: u32 = 64;

/// Gives one rank's part of each global batch of a phase, for ever.
pub struct Loader {
    batches: Option<Receiver<Result<PendingBatch, Error>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Which of a rank's micro-batches are built, by their numbers from the loader's first one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    /// The first.
    pub(crate) first: u64,
    /// From one to the next.
    pub(crate) step: u64,
}

impl Every {
    /// All of them.
    pub(crate) const ALL: Every = Every { first: 0, step: 1 };

    fn holds(self, number: u64) -> bool {
        number >= self.first && (number - self.first).is_multiple_of(self.step)
    }
}

/// Work for a worker.
enum Job {
    /// Read and check a row group.
    Read(ReadRequest),
    /// Build a micro-batch.
    Build { planned: PlannedBatch, reply: Sender<MicroBatch> },
}

/// A global batch that is being built.
struct PendingBatch {
    micro: Vec<Receiver<MicroBatch>>,
    epoch: f64,
}

impl Loader {
    /// Checks that the numbers go together, and begins to read.
    pub fn open(sets: Arc<DataSets>, settings: LoaderSettings) -> Result<Loader, Error> {
        Loader::open_some(sets, settings, Every::ALL)
    }

    /// The same, but of the rank's micro-batches only some are built. The batches hold no others.
    pub(crate) fn open_some(
        sets: Arc<DataSets>,
        settings: LoaderSettings,
        every: Every,
    ) -> Result<Loader, Error> {
        let partition = Partition::new(&settings, &sets)?;
        let own_rows = (settings.global_batch / settings.world_size).max(1);
        // Prefetch depth in global batches: bounded memory for large batches, and work enough for small ones.
        let ahead = (ROWS_AHEAD / own_rows).clamp(FEWEST_AHEAD, MOST_AHEAD);
        let (send, batches) = bounded(ahead as usize);
        // Unbounded: the channel of batches already bounds how much is requested.
        let (jobs, work) = unbounded();
        // Made at once, so that whatever fails to start takes those that did start down with it.
        let mut loader = Loader { batches: Some(batches), threads: Vec::new() };
        for number in 0..settings.data.workers.max(1) {
            let (sets, work, seed) = (sets.clone(), work.clone(), settings.seed);
            loader.start(&sets.clone(), format!("reader-{number}"), move || run_jobs(&sets, seed, &work))?;
        }
        loader.start(&sets.clone(), "row-order".to_owned(), move || {
            let orders = BatchPlanner::new(sets, &partition, &settings, every, jobs)
                .and_then(|mut order| order.run(&send));
            if let Err(error) = orders {
                // Nobody listens to a loader that was dropped.
                send.send(Err(error)).ok();
            }
        })?;
        Ok(loader)
    }

    fn start(
        &mut self,
        sets: &DataSets,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let thread = thread::Builder::new().name(name).spawn(work);
        self.threads.push(thread.map_err(Error::io("start a thread to read", sets.vocabulary_folder()))?);
        Ok(())
    }

    /// This rank's part of the next global batch. After an error the loader is at its end.
    ///
    /// # Panics
    /// If it is asked again after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, and errors are to be seen at each call"
    )]
    pub fn next(&mut self) -> Result<GlobalBatch, Error> {
        let batches = self.batches.as_ref().expect("only `drop` takes it");
        let pending = batches.recv().expect("the threads go on until they have told of an error")?;
        let built = |micro: &Receiver<MicroBatch>| micro.recv().expect("a worker answers unless it panicked");
        Ok(GlobalBatch::new(pending.micro.iter().map(built).collect(), pending.epoch))
    }
}

impl Drop for Loader {
    /// Ends the threads: the first finds nobody listening, and with it the others' work ends.
    fn drop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            // One that panicked has told why on standard error.
            thread.join().ok();
        }
    }
}

fn run_jobs(sets: &DataSets, seed: u64, jobs: &Receiver<Job>) {
    let mut builder = Builder::for_training(sets, seed);
    for job in jobs {
        // Whoever asked may be gone: the loader was dropped.
        match job {
            Job::Read(ReadRequest { key, reply }) => {
                let masks = sets.sets()[key.set as usize].stored_masks();
                reply.send(RowGroup::read(sets, key, masks)).ok();
            }
            Job::Build { planned, reply } => {
                reply.send(builder.build(&planned)).ok();
            }
        }
    }
}

/// Puts rows in order and has micro-batches built of them.
struct BatchPlanner {
    source: LaneSource,
    streams: Vec<VirtualRankStream>,
    jobs: Sender<Job>,
    partition: Partition,
    /// Number of the next global batch.
    batch: u64,
    /// The micro-batches that are built.
    every: Every,
    /// Number of the next micro-batch, from the loader's first one on.
    micro: u64,
}

impl BatchPlanner {
    fn new(
        sets: Arc<DataSets>,
        partition: &Partition,
        settings: &LoaderSettings,
        every: Every,
        jobs: Sender<Job>,
    ) -> Result<BatchPlanner, Error> {
        let weights: Vec<f64> = sets.sets().iter().map(|set| set.weight).collect();
        let mut source = LaneSource {
            seed: settings.seed,
            lanes: partition.lanes,
            window: (settings.data.window / partition.lanes).max(1) as usize,
            mixture: Mixture::new(&weights),
            groups: RowGroupCache::new({
                let jobs = jobs.clone();
                move |request| jobs.send(Job::Read(request)).expect("workers listen as long as this is here")
            }),
            orders: vec![BTreeMap::new(); weights.len()],
            sets,
        };
        let batch = settings.first_batch;
        let streams = partition
            .own_virtual_ranks()
            .map(|virtual_rank| VirtualRankStream::new(&mut source, partition, virtual_rank, batch));
        let streams = streams.collect::<Result<_, Error>>()?;
        Ok(BatchPlanner { source, streams, jobs, partition: partition.clone(), batch, every, micro: 0 })
    }

    /// Goes on until an error, or until nobody listens.
    fn run(&mut self, batches: &Sender<Result<PendingBatch, Error>>) -> Result<(), Error> {
        loop {
            let pending = self.next()?;
            if batches.send(Ok(pending)).is_err() {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<PendingBatch, Error> {
        let mut planned = Vec::new();
        for stream in &mut self.streams {
            planned.extend(stream.next(&mut self.source)?);
        }
        planned.sort_by_key(|micro| micro.index);
        self.batch += 1;
        let (first, every) = (self.micro, self.every);
        self.micro += planned.len() as u64;
        let wanted = (first..).zip(planned).filter(|(number, _)| every.holds(*number));
        let micro = wanted.map(|(_, planned)| {
            // A channel of one as a future: micro-batches are built in any order and received in theirs.
            let (reply, built) = bounded(1);
            self.jobs.send(Job::Build { planned, reply }).expect("workers listen as long as this is here");
            built
        });
        Ok(PendingBatch { micro: micro.collect(), epoch: self.epoch() })
    }

    /// Passes over the first data set after the batches so far, as if all lanes were equally far.
    fn epoch(&self) -> f64 {
        let rows = self.batch as f64 * f64::from(self.partition.global_batch)
            / f64::from(self.partition.lanes)
            * self.source.mixture.share(0);
        let lane_rows = lane_rows(&self.source.sets, 0, self.partition.lanes);
        let cycle: u64 = lane_rows.iter().sum();
        let cycles = (rows / cycle as f64).floor();
        let (mut epoch, mut left) = (cycles * lane_rows.len() as f64, rows - cycles * cycle as f64);
        for rows in lane_rows {
            let part = (left / rows as f64).min(1.0);
            (epoch, left) = (epoch + part, (left - rows as f64).max(0.0));
        }
        epoch
    }
}
