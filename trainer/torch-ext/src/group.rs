//! The ranks of a data-parallel run, and what they do together.

use std::ffi::{CString, c_char, c_int};
use std::ptr::{NonNull, null, null_mut};
use std::rc::Rc;
use std::time::Duration;

use tch::Tensor;

use crate::error::{Error, Failure, c_string, first_line, last_failure};
use crate::{cuda, ffi, tensors};

/// What carries tensors between ranks. Tensors on the CPU always go through Gloo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Over TCP, for tensors on the CPU.
    Gloo,
    /// Gloo for tensors on the CUDA device with this index as well, by way of the host: slow, but ranks may share a device.
    GlooCuda(usize),
    /// NVIDIA's NCCL besides, for tensors on the CUDA device with this index.
    Nccl(usize),
}

/// Where the ranks meet, and who this one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What carries tensors.
    pub backend: Backend,
    /// The machine of rank 0, or of torchrun's store.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// This rank, from 0.
    pub rank: usize,
    /// How many there are.
    pub world_size: usize,
    /// How long to wait for the others: at the start, and in every operation.
    pub timeout: Duration,
    /// torchrun's agent holds the store at `host`; otherwise rank 0 opens one there.
    pub agent_store: bool,
    /// Goes before the store's keys: another one for each restart on one store.
    pub prefix: String,
    /// The network interface that Gloo uses, such as "eth0".
    pub interface: Option<String>,
    /// Without an interface: the name or address of this machine by which the others reach it. Without either, what
    /// the machine calls itself.
    pub hostname: Option<String>,
    /// The exit code of a process that is ended because it is blocked by a rank that is gone. See [`ProcessGroup`].
    pub exit_code: u8,
}

/// The ranks, connected. Operations are collective: every rank must call them, in the same order.
///
/// All errors of communication are [`Error::Ranks`], come within the time-out (NCCL's end the process: its watchdog
/// does), and name the ranks that are gone.
///
/// A rank that is gone is noticed within 15 s (30 beats, which come every `timeout / 40`, at most every half a second). A
/// rank that does not end by an error within 5 s after that, because it hangs in NCCL or in a read, is ended with
/// [`Options::exit_code`]. A rank that is done calls [`ProcessGroup::leave`].
#[derive(Debug, Clone)]
pub struct ProcessGroup {
    handle: Rc<Handle>,
}

#[derive(Debug)]
pub(crate) struct Handle {
    raw: NonNull<ffi::Ranks>,
    rank: usize,
    world_size: usize,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `quanci_ranks_connect`; freed once, when nobody holds it any more.
        unsafe { ffi::quanci_ranks_free(self.raw.as_ptr()) };
    }
}

impl ProcessGroup {
    /// Waits for all ranks and connects them.
    ///
    /// # Errors
    /// [`Error::Ranks`] naming those that did not come in time; [`Error::Cuda`] if NCCL cannot be had.
    pub fn connect(options: &Options) -> Result<ProcessGroup, Error> {
        let Options { rank, world_size, .. } = *options;
        if rank >= world_size {
            return Err(Error::Argument(format!(
                "rank {rank} of {world_size} cannot be: ranks count from 0"
            )));
        }
        let (factory, cuda_index) = match options.backend {
            Backend::Gloo => (null_mut(), -1),
            Backend::GlooCuda(device) => (null_mut(), cuda::opened_index(device)?),
            Backend::Nccl(device) => (cuda::nccl_factory()?, cuda::opened_index(device)?),
        };
        let (host, prefix) = (c_string(&options.host)?, c_string(&options.prefix)?);
        let interface = options.interface.as_deref().map(c_string).transpose()?;
        let hostname = options.hostname.as_deref().map(c_string).transpose()?;
        // SAFETY: the strings live through the call; the factory is the plug-in's and stays loaded.
        let raw = unsafe {
            ffi::quanci_ranks_connect(
                host.as_ptr(),
                c_int::from(options.port),
                small(rank)?,
                small(world_size)?,
                i64::try_from(options.timeout.as_millis()).unwrap_or(i64::MAX),
                c_int::from(options.agent_store),
                prefix.as_ptr(),
                string_or_null(interface.as_ref()),
                string_or_null(hostname.as_ref()),
                factory,
                cuda_index,
                c_int::from(options.exit_code),
            )
        };
        match NonNull::new(raw) {
            Some(raw) => Ok(ProcessGroup { handle: Rc::new(Handle { raw, rank, world_size }) }),
            None => Err(last_failure().into()),
        }
    }

    /// This rank, from 0.
    pub fn rank(&self) -> usize {
        self.handle.rank
    }

    /// How many there are.
    pub fn world_size(&self) -> usize {
        self.handle.world_size
    }

    /// Replaces each tensor by its sum over the ranks.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<(), Error> {
        let list = tensors::pointers(tensors);
        // SAFETY: the list and its tensors live through the call, which waits for the operation to end.
        self.check(unsafe { ffi::quanci_ranks_sum(self.raw(), list.as_ptr(), list.len() as i64) })
    }

    /// Replaces each tensor by that of rank `root`.
    pub fn broadcast(&self, tensors: &[Tensor], root: usize) -> Result<(), Error> {
        let (list, root) = (tensors::pointers(tensors), small(root)?);
        // SAFETY: as in `sum`.
        self.check(unsafe { ffi::quanci_ranks_broadcast(self.raw(), list.as_ptr(), list.len() as i64, root) })
    }

    /// This rank has done its part: it may end before the others, and no longer cares whether they are there. No operation
    /// may follow.
    ///
    /// # Errors
    /// None that a rank could do something about: those of the store are ignored.
    pub fn leave(&self) -> Result<(), Error> {
        // SAFETY: the group lives.
        self.check(unsafe { ffi::quanci_ranks_leave(self.raw()) })
    }

    /// Collective operations that Gloo has begun so far, the buckets of a [`Reducer`](crate::Reducer) included: to count
    /// what a step sends.
    ///
    /// # Errors
    /// If libtorch does not count them.
    pub fn operations(&self) -> Result<u64, Error> {
        // SAFETY: the group lives.
        let count = unsafe { ffi::quanci_ranks_operations(self.raw()) };
        u64::try_from(count).map_err(|_| last_failure().into())
    }

    /// Returns when all ranks have called it.
    pub fn barrier(&self) -> Result<(), Error> {
        // SAFETY: the group lives.
        self.check(unsafe { ffi::quanci_ranks_barrier(self.raw()) })
    }

    /// The ranks' tensors, of one shape: `[ranks, ...shape]`.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Tensor, Error> {
        // SAFETY: the tensor lives through the call.
        let gathered = unsafe { ffi::quanci_ranks_all_gather(self.raw(), tensor.as_ptr()) };
        if gathered.is_null() {
            return Err(self.explain(last_failure()));
        }
        tensors::take(gathered)
    }

    /// Why something else failed, such as a backward pass with a [`Reducer`](crate::Reducer), whose error is
    /// `message`: [`Error::Ranks`] if a rank is gone or did not answer in time, or else [`Error::Torch`] with the
    /// message itself. It listens to the other ranks for some seconds.
    pub fn diagnose(&self, message: &str) -> Error {
        let message = first_line(message);
        // SAFETY: the group lives.
        if unsafe { ffi::quanci_ranks_diagnose(self.raw()) } < 0 {
            let found = Error::from(last_failure());
            return Error::Ranks(format!("{found} ({message})"));
        }
        let lower = message.to_lowercase();
        if lower.contains("timed out") || lower.contains("timeout") {
            return Error::Ranks(format!("no rank is gone, but one did not come along in time ({message})"));
        }
        Error::Torch(message)
    }

    pub(crate) fn raw(&self) -> *mut ffi::Ranks {
        self.handle.raw.as_ptr()
    }

    pub(crate) fn handle(&self) -> Rc<Handle> {
        Rc::clone(&self.handle)
    }

    /// What to say of an operation's failure.
    pub(crate) fn explain(&self, failure: Failure) -> Error {
        match failure {
            Failure::Error(error) => error,
            Failure::Broken(message) => self.diagnose(&message),
        }
    }

    fn check(&self, result: c_int) -> Result<(), Error> {
        if result < 0 { Err(self.explain(last_failure())) } else { Ok(()) }
    }
}

fn small(number: usize) -> Result<c_int, Error> {
    c_int::try_from(number).map_err(|_| Error::Argument(format!("{number} ranks are too many")))
}

fn string_or_null(text: Option<&CString>) -> *const c_char {
    text.map_or(null(), |text| text.as_ptr())
}
