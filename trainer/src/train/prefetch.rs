//! Batches on their way from the loader to the device: on a GPU one ahead of the step, by a thread of their own.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, bounded};
use quanci_batches::{GlobalBatch, Loader, MicroBatch};
use tch::Device;

use super::run::Run;
use crate::error::Error;
use crate::model::{DeviceBatch, HostBatch};

/// One rank's part of a global batch, on its device.
pub struct DeviceGlobalBatch {
    /// What the loader gave.
    pub host: GlobalBatch,
    /// Its micro-batches, in their order.
    pub micro: Vec<DeviceBatch>,
}

/// A [`Loader`] whose batches come on the device.
pub enum DeviceLoader {
    /// On a CPU there is nothing to copy: batches are made when they are asked for.
    Here(Loader, Maker),
    /// On a GPU: building the lists of a large batch and copying them takes milliseconds, and a small model's step
    /// hardly more.
    Ahead {
        /// Where the batches come from; none once this is dropped.
        batches: Option<Receiver<Result<DeviceGlobalBatch, Error>>>,
        /// What makes them.
        thread: Option<JoinHandle<()>>,
    },
}

/// What a batch on the device is made with.
#[derive(Debug, Clone, Copy)]
pub struct Maker {
    max_positions: i64,
    device: Device,
}

impl Maker {
    fn make(self, mut host: GlobalBatch) -> Result<DeviceGlobalBatch, Error> {
        let of = |micro| DeviceBatch::for_training(&host_batch(micro), self.max_positions, self.device);
        let micro: Result<Vec<DeviceBatch>, _> = host.micro.iter().map(of).collect();
        let micro = micro.map_err(Error::torch("moving a batch"))?;
        host.computed = micro.iter().map(|micro| micro.tokens() as u64).sum();
        Ok(DeviceGlobalBatch { host, micro })
    }
}

impl DeviceLoader {
    /// The batches of a phase, after so many of them.
    ///
    /// # Errors
    /// If the data cannot be read, or no thread can be started.
    pub fn open(run: &Run<'_>, phase: usize, first_batch: u64) -> Result<DeviceLoader, Error> {
        let mut loader = run.loader(phase, first_batch)?;
        let maker = Maker { max_positions: run.model.max_position_embeddings, device: run.device };
        if !run.device.is_cuda() {
            return Ok(DeviceLoader::Here(loader, maker));
        }
        let (send, batches) = bounded(1);
        let work = move || {
            loop {
                let made = loader.next().map_err(Error::from).and_then(|host| maker.make(host));
                let failed = made.is_err();
                // Nobody listens once the phase is over; after an error the loader is at its end.
                if send.send(made).is_err() || failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("to-device".to_owned()).spawn(work);
        let thread = thread.map_err(Error::io("start a thread that copies to the device", "."))?;
        Ok(DeviceLoader::Ahead { batches: Some(batches), thread: Some(thread) })
    }

    /// This rank's part of the next global batch.
    ///
    /// # Errors
    /// If the data cannot be read, or the device has no memory left.
    ///
    /// # Panics
    /// If it is asked again after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, and errors are to be seen at each call"
    )]
    pub fn next(&mut self) -> Result<DeviceGlobalBatch, Error> {
        match self {
            DeviceLoader::Here(loader, maker) => maker.make(loader.next()?),
            DeviceLoader::Ahead { batches, .. } => {
                let batches = batches.as_ref().expect("only `drop` takes it");
                batches.recv().expect("the thread goes on until it has told of an error")
            }
        }
    }
}

impl Drop for DeviceLoader {
    fn drop(&mut self) {
        if let DeviceLoader::Ahead { batches, thread } = self {
            *batches = None;
            // One that panicked has told why on standard error.
            thread.take().map(JoinHandle::join);
        }
    }
}

/// A micro-batch as the model takes it.
pub(super) fn host_batch(micro: &MicroBatch) -> HostBatch<'_> {
    HostBatch {
        input_ids: &micro.input_ids,
        lengths: &micro.lengths,
        segment_b: &micro.segment_b,
        masked: &micro.masked,
        labels: &micro.labels,
        pair_labels: &micro.pair_labels,
    }
}
