//! What ranks do together, one or many: the loop is written once.

use std::time::Duration;

use quanci_cli::ExitCode;
use quanci_torch_ext::{Backend, Options, ProcessGroup, Reducer};
use tch::{Device, Kind, TchError, Tensor};

use super::rank_env::RankEnv;
use crate::error::Error;

/// Bytes of a bucket of gradients, as in torch.nn.parallel.DistributedDataParallel.
const BUCKET_BYTES: usize = 25 << 20;

/// This rank and the others. Operations are collective: every rank calls them, in the same order.
///
/// # Errors
/// [`Error::Ranks`] naming the ranks that are gone, within the time-out.
pub trait Comm {
    /// Which one, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn world_size(&self) -> usize;

    /// Replaces each number by its sum over the ranks.
    fn sum(&self, numbers: &mut [f64]) -> Result<(), Error>;

    /// Replaces each tensor by rank 0's.
    fn broadcast(&self, tensors: &[Tensor]) -> Result<(), Error>;

    /// Returns when all ranks have called it.
    fn barrier(&self) -> Result<(), Error>;

    /// This rank is done: it may end before the others. No operation may follow.
    fn leave(&self) -> Result<(), Error>;

    /// Rank 0's bytes, whatever the others give.
    fn broadcast_bytes(&self, mine: Vec<u8>) -> Result<Vec<u8>, Error>;

    /// Each rank's bytes, by rank. Lengths may differ.
    fn all_gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, Error>;

    /// Whether it is so for any rank.
    fn any(&self, mine: bool) -> Result<bool, Error> {
        let mut count = [f64::from(u8::from(mine))];
        self.sum(&mut count)?;
        Ok(count[0] > 0.0)
    }

    /// What averages the gradients of `parameters` (with gradients only, in the same order on all ranks) as backward
    /// passes go, having given every rank the values of rank 0's; nothing for one rank.
    fn reducer(&self, parameters: &[(String, Tensor)]) -> Result<Option<Reducer>, Error>;

    /// What to say of tch's error in a backward pass that reduces: another rank may be its cause.
    fn explain(&self, action: &'static str, error: TchError) -> Error;
}

/// One rank.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleRank;

impl Comm for SingleRank {
    fn rank(&self) -> usize {
        0
    }

    fn world_size(&self) -> usize {
        1
    }

    fn sum(&self, _numbers: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }

    fn broadcast(&self, _tensors: &[Tensor]) -> Result<(), Error> {
        Ok(())
    }

    fn barrier(&self) -> Result<(), Error> {
        Ok(())
    }

    fn leave(&self) -> Result<(), Error> {
        Ok(())
    }

    fn broadcast_bytes(&self, mine: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(mine)
    }

    fn all_gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        Ok(vec![mine.to_vec()])
    }

    fn reducer(&self, _parameters: &[(String, Tensor)]) -> Result<Option<Reducer>, Error> {
        Ok(None)
    }

    fn explain(&self, action: &'static str, error: TchError) -> Error {
        Error::torch(action)(error)
    }
}

/// What carries the gradients of ranks on GPUs. On CPUs it is Gloo always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GpuBackend {
    /// NVIDIA's NCCL: each rank has a GPU of its own.
    #[default]
    Nccl,
    /// Gloo, by way of the host: slow, but needs no NCCL, and ranks may share a GPU.
    Gloo,
}

impl GpuBackend {
    /// The values by name, as PyTorch has them.
    pub const NAMES: [(&'static str, GpuBackend); 2] =
        [("nccl", GpuBackend::Nccl), ("gloo", GpuBackend::Gloo)];
}

/// Several ranks, connected by PyTorch's c10d: Gloo, and NCCL for tensors on GPUs.
#[derive(Debug, Clone)]
pub struct DistributedComm {
    group: ProcessGroup,
}

impl DistributedComm {
    /// Waits for all ranks and connects them; `timeout` holds for that and for each operation. `device` is where this
    /// rank's model is. `GLOO_SOCKET_IFNAME` names the network interface, as for PyTorch.
    pub fn connect(
        rank_env: &RankEnv,
        device: Device,
        backend: GpuBackend,
        timeout: Duration,
    ) -> Result<DistributedComm, Error> {
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
        let options = Options {
            backend: match (device, backend) {
                // NCCL for the gradients, beside Gloo, which carries the counts on the host.
                (Device::Cuda(index), GpuBackend::Nccl) => Backend::Nccl(index),
                (Device::Cuda(index), GpuBackend::Gloo) => Backend::GlooCuda(index),
                _ => Backend::Gloo,
            },
            host: rank_env.host.clone(),
            port: rank_env.port,
            rank: rank_env.rank,
            world_size: rank_env.world_size,
            timeout,
            agent_store: rank_env.agent_store,
            prefix: format!("quanci/{}", rank_env.restart),
            interface,
            // What a machine calls itself may not lead to it; on one machine that is not needed.
            hostname: rank_env.on_one_machine().then(|| "127.0.0.1".to_owned()),
            exit_code: ExitCode::RETRY,
        };
        let group = ProcessGroup::connect(&options).map_err(Error::torch_ext("connecting the ranks"))?;
        Ok(DistributedComm { group })
    }
}

impl Comm for DistributedComm {
    fn rank(&self) -> usize {
        self.group.rank()
    }

    fn world_size(&self) -> usize {
        self.group.world_size()
    }

    fn sum(&self, numbers: &mut [f64]) -> Result<(), Error> {
        let action = "summing numbers over the ranks";
        let tensor = Tensor::from_slice(numbers);
        self.group.sum(std::slice::from_ref(&tensor)).map_err(Error::torch_ext(action))?;
        // `tensor` was summed in place.
        tensor.f_copy_data(numbers, numbers.len()).map_err(Error::torch(action))
    }

    fn broadcast(&self, tensors: &[Tensor]) -> Result<(), Error> {
        self.group.broadcast(tensors, 0).map_err(Error::torch_ext("sending rank 0's tensors"))
    }

    fn barrier(&self) -> Result<(), Error> {
        self.group.barrier().map_err(Error::torch_ext("waiting for the other ranks"))
    }

    fn leave(&self) -> Result<(), Error> {
        self.group.leave().map_err(Error::torch_ext("leaving the other ranks"))
    }

    fn broadcast_bytes(&self, mine: Vec<u8>) -> Result<Vec<u8>, Error> {
        let action = "receiving rank 0's bytes";
        let length = Tensor::from_slice(&[mine.len() as i64]);
        self.broadcast(std::slice::from_ref(&length))?;
        let length = length.f_int64_value(&[0]).map_err(Error::torch(action))?;
        let bytes = if self.rank() == 0 {
            Tensor::f_from_slice(&mine)
        } else {
            Tensor::f_zeros([length], (Kind::Uint8, Device::Cpu))
        };
        let bytes = bytes.map_err(Error::torch(action))?;
        self.broadcast(std::slice::from_ref(&bytes))?;
        Vec::try_from(&bytes).map_err(Error::torch(action))
    }

    fn all_gather_bytes(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let action = "gathering the ranks' bytes";
        let gather = |tensor: &Tensor| self.group.all_gather(tensor).map_err(Error::torch_ext(action));
        let lengths = gather(&Tensor::from_slice(&[mine.len() as i64]))?;
        let lengths = lengths.f_view([-1]).and_then(|lengths| Vec::<i64>::try_from(&lengths));
        let lengths = lengths.map_err(Error::torch(action))?;
        // The tensors of an all-gather have one shape: shorter ones end with zeros.
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1) as usize;
        let padded = [mine, &vec![0; longest - mine.len()]].concat();
        let all = gather(&Tensor::f_from_slice(&padded).map_err(Error::torch(action))?)?;
        let all = all.f_view([-1]).and_then(|all| Vec::<u8>::try_from(&all)).map_err(Error::torch(action))?;
        let bytes = all.chunks(longest).zip(lengths);
        Ok(bytes.map(|(bytes, length)| bytes[..length as usize].to_vec()).collect())
    }

    fn reducer(&self, parameters: &[(String, Tensor)]) -> Result<Option<Reducer>, Error> {
        let action = "setting up the reduction of gradients";
        Reducer::new(&self.group, parameters, BUCKET_BYTES).map(Some).map_err(Error::torch_ext(action))
    }

    fn explain(&self, action: &'static str, error: TchError) -> Error {
        Error::torch_ext(action)(self.group.diagnose(&error.to_string()))
    }
}

/// The ranks of `rank_env`: [`DistributedComm`], or [`SingleRank`] if there is one.
pub fn connect(
    rank_env: &RankEnv,
    device: Device,
    backend: GpuBackend,
    timeout: Duration,
) -> Result<Box<dyn Comm>, Error> {
    if rank_env.world_size == 1 {
        return Ok(Box::new(SingleRank));
    }
    Ok(Box::new(DistributedComm::connect(rank_env, device, backend, timeout)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// What `f` gives on each of two ranks, which are threads.
    fn two<T: Send + 'static>(f: fn(&dyn Comm) -> T) -> Vec<T> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let start = |rank| {
            thread::spawn(move || {
                let rank_env = RankEnv {
                    rank,
                    world_size: 2,
                    local_rank: rank,
                    local_world_size: 2,
                    port,
                    ..RankEnv::alone()
                };
                f(&*connect(&rank_env, Device::Cpu, GpuBackend::Nccl, Duration::from_secs(30)).unwrap())
            })
        };
        let world_size: Vec<_> = (0..2).map(start).collect();
        world_size.into_iter().map(|rank| rank.join().unwrap()).collect()
    }

    #[test]
    fn two_ranks_agree() {
        let found = two(|comm| {
            let mut numbers = [comm.rank() as f64, 0.5];
            comm.sum(&mut numbers).unwrap();
            let tensor = Tensor::from_slice(&[comm.rank() as i64 + 7]);
            comm.broadcast(&[tensor.shallow_clone()]).unwrap();
            comm.barrier().unwrap();
            let any = (comm.any(comm.rank() == 1).unwrap(), comm.any(false).unwrap());
            let bytes = comm.broadcast_bytes(vec![b'a' + comm.rank() as u8; 3 - comm.rank()]).unwrap();
            let all = comm.all_gather_bytes(&vec![b'a' + comm.rank() as u8; 2 * comm.rank()]).unwrap();
            (numbers, tensor.int64_value(&[0]), any, bytes, all)
        });
        let expected = ([1.0, 1.0], 7, (true, false), b"aaa".to_vec(), vec![Vec::new(), b"bb".to_vec()]);
        assert_eq!(found, [expected.clone(), expected]);
    }

    #[test]
    fn one_rank_is_itself() {
        let comm = connect(&RankEnv::alone(), Device::Cpu, GpuBackend::Nccl, Duration::from_secs(1)).unwrap();
        let mut numbers = [3.0];
        comm.sum(&mut numbers).unwrap();
        assert_eq!((numbers, comm.rank(), comm.world_size(), comm.any(true).unwrap()), ([3.0], 0, 1, true));
        assert!(comm.reducer(&[]).unwrap().is_none());
    }
}
