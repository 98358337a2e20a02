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

use super::build::Builder;
use super::deal::Deal;
use super::groups::{Group, GroupKey, Groups};
use super::lane::{Source, lane_rows};
use super::mixture::Mixture;
use super::sets::DataSets;
use super::stream::{ClassStream, Planned};
use super::{GlobalBatch, MicroBatch};
use crate::config::{DataSettings, MicroBatch as MicroBatchSize};
use crate::error::Error;

/// Rows that are built ahead, if they are within these numbers of global batches.
const ROWS_AHEAD: u32 = 4096;
const FEWEST_AHEAD: u32 = 2;
const MOST_AHEAD: u32 = 64;

/// What a loader needs to know beside its data sets.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderSettings {
    /// What every draw comes from.
    pub seed: u64,
    /// This rank, from 0.
    pub rank: u32,
    /// How many there are.
    pub ranks: u32,
    /// Rows of a step, over all ranks.
    pub global_batch: u32,
    /// How the global batch is cut.
    pub micro_batch: MicroBatchSize,
    /// `[data]`.
    pub data: DataSettings,
    /// Global batches of the phase that were taken before: where a run resumes.
    pub first_batch: u64,
}

impl LoaderSettings {
    /// An error that says which numbers do not go together.
    pub fn check(&self, sets: &DataSets) -> Result<(), Error> {
        Deal::new(self, sets).map(drop)
    }
}

/// Gives one rank's part of each global batch of a phase, for ever.
pub struct Loader {
    batches: Option<Receiver<Result<Pending, Error>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Work for a worker.
pub(super) enum Job {
    /// Read and check a row group.
    Read { key: GroupKey, reply: Sender<Result<Arc<Group>, Error>> },
    /// Build a micro-batch.
    Build { planned: Planned, reply: Sender<MicroBatch> },
}

/// A global batch that is being built.
struct Pending {
    micro: Vec<Receiver<MicroBatch>>,
    epoch: f64,
}

impl Loader {
    /// Checks that the numbers go together, and begins to read.
    pub fn open(sets: Arc<DataSets>, settings: LoaderSettings) -> Result<Loader, Error> {
        let deal = Deal::new(&settings, &sets)?;
        let own_rows = (settings.global_batch / settings.ranks).max(1);
        let ahead = (ROWS_AHEAD / own_rows).clamp(FEWEST_AHEAD, MOST_AHEAD);
        let (send, batches) = bounded(ahead as usize);
        let (jobs, work) = unbounded();
        // Made at once, so that whatever fails to start takes those that did start down with it.
        let mut loader = Loader { batches: Some(batches), threads: Vec::new() };
        for number in 0..settings.data.workers.max(1) {
            let (sets, work, seed) = (sets.clone(), work.clone(), settings.seed);
            loader.start(&sets.clone(), format!("reader-{number}"), move || run_jobs(&sets, seed, &work))?;
        }
        loader.start(&sets.clone(), "row-order".to_owned(), move || {
            let orders = Order::new(sets, &deal, &settings, jobs).and_then(|mut order| order.run(&send));
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
            Job::Read { key, reply } => {
                let masks = sets.sets()[key.set as usize].stored_masks();
                reply.send(Group::read(sets, key, masks)).ok();
            }
            Job::Build { planned, reply } => {
                reply.send(builder.build(&planned)).ok();
            }
        }
    }
}

/// Puts rows in order and has micro-batches built of them.
struct Order {
    source: Source,
    streams: Vec<ClassStream>,
    jobs: Sender<Job>,
    deal: Deal,
    /// Number of the next global batch.
    batch: u64,
}

impl Order {
    fn new(
        sets: Arc<DataSets>,
        deal: &Deal,
        settings: &LoaderSettings,
        jobs: Sender<Job>,
    ) -> Result<Order, Error> {
        let weights: Vec<f64> = sets.sets().iter().map(|set| set.weight).collect();
        let mut source = Source {
            seed: settings.seed,
            lanes: deal.lanes,
            window: (settings.data.window / deal.lanes).max(1) as usize,
            mixture: Mixture::new(&weights),
            groups: Groups::new(jobs.clone()),
            orders: vec![BTreeMap::new(); weights.len()],
            sets,
        };
        let batch = settings.first_batch;
        let streams = deal.own_classes().map(|class| ClassStream::new(&mut source, deal, class, batch));
        let streams = streams.collect::<Result<_, Error>>()?;
        Ok(Order { source, streams, jobs, deal: deal.clone(), batch })
    }

    /// Goes on until an error, or until nobody listens.
    fn run(&mut self, batches: &Sender<Result<Pending, Error>>) -> Result<(), Error> {
        loop {
            let pending = self.next()?;
            if batches.send(Ok(pending)).is_err() {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Pending, Error> {
        let mut planned = Vec::new();
        for stream in &mut self.streams {
            planned.extend(stream.next(&mut self.source)?);
        }
        planned.sort_by_key(|micro| micro.index);
        self.batch += 1;
        let micro = planned.into_iter().map(|planned| {
            let (reply, built) = bounded(1);
            self.jobs.send(Job::Build { planned, reply }).expect("workers listen as long as this is here");
            built
        });
        Ok(Pending { micro: micro.collect(), epoch: self.epoch() })
    }

    /// Passes over the first data set after the batches so far, as if all lanes were equally far.
    fn epoch(&self) -> f64 {
        let rows = self.batch as f64 * f64::from(self.deal.global_batch) / f64::from(self.deal.lanes)
            * self.source.mixture.share(0);
        let lane_rows = lane_rows(&self.source.sets, 0, self.deal.lanes);
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
