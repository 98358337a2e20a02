//! Do the collective operations work on a device? One rank alone says much: that the libraries are there and fit one another.

use std::net::TcpListener;
use std::time::Duration;

use tch::{Device, Kind, TchError, Tensor};

use super::comm::{Comm, DistributedComm, GpuBackend};
use super::rank_env::RankEnv;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A collective operation of one rank, and how far its result is from what it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Collective {
    /// Which one.
    pub what: &'static str,
    /// The largest difference; 0 is right.
    pub difference: f64,
}

/// Connects one rank with itself over `backend`, and sends what a run sends: tensors, numbers, bytes, and gradients by a
/// [`quanci_torch_ext::Reducer`], in buckets that are reduced while others are computed.
///
/// # Errors
/// If the backend's libraries are not there, or say that something is wrong.
pub fn check_collectives(device: Device, backend: GpuBackend) -> Result<Vec<Collective>, Error> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.map_err(Error::io("find a free port of", "this machine"))?.port();
    let comm = DistributedComm::connect(&RankEnv { port, ..RankEnv::alone() }, device, backend, TIMEOUT)?;
    let torch = Error::torch("checking the collective operations");
    let sent = Tensor::f_arange(1000, (Kind::Float, device)).map_err(Error::torch("making a tensor"))?;
    let received = sent.copy();
    comm.broadcast(&[received.shallow_clone()])?;
    let mut numbers = [0.5, 3.0];
    comm.sum(&mut numbers)?;
    let gathered = comm.all_gather_bytes(b"bytes")?;
    comm.barrier()?;
    let (reduced, plain) = gradients(&comm, device)?;
    let compare = || -> Result<Vec<Collective>, TchError> {
        let right = numbers == [0.5, 3.0] && gathered == [b"bytes".to_vec()];
        Ok(vec![
            Collective { what: "broadcast of a tensor", difference: distance(&received, &sent)? },
            Collective { what: "sums and bytes on the host", difference: if right { 0.0 } else { f64::NAN } },
            Collective {
                what: "all-reduce of gradients in buckets",
                difference: distance(&reduced, &plain)?,
            },
        ])
    };
    let found = compare().map_err(torch);
    comm.leave()?;
    found
}

/// The gradients of some parameters of 12 MB, by a reducer and without, one after the other.
fn gradients(comm: &DistributedComm, device: Device) -> Result<(Tensor, Tensor), Error> {
    let torch = |error: TchError| Error::torch("computing gradients")(error);
    let options = (Kind::Float, device);
    let weights = (0..3).map(|_| Ok(Tensor::f_randn([1000, 1000], options)?.set_requires_grad(true)));
    let weights: Vec<Tensor> = weights.collect::<Result<_, TchError>>().map_err(torch)?;
    let input = Tensor::f_randn([8, 1000], options).map_err(torch)?;
    let backward = || -> Result<(), TchError> {
        let through = |x: Tensor, weight: &Tensor| x.f_matmul(weight)?.f_tanh();
        weights.iter().try_fold(input.shallow_clone(), through)?.f_sum(Kind::Float)?.f_backward()
    };
    let all = || -> Result<Tensor, TchError> {
        let flat: Vec<Tensor> = weights.iter().map(|weight| weight.grad().copy()).collect();
        Tensor::f_stack(&flat, 0)
    };
    backward().map_err(torch)?;
    let plain = all().map_err(torch)?;
    for weight in &weights {
        // The reducer begins with gradients of its own.
        weight.grad().f_zero_().map(drop).map_err(torch)?;
    }
    let named: Vec<_> =
        weights.iter().enumerate().map(|(i, weight)| (i.to_string(), weight.shallow_clone())).collect();
    let reducer = comm.reducer(&named)?;
    if let Some(reducer) = &reducer {
        reducer.prepare_forward(true).map_err(Error::torch_ext("preparing to reduce"))?;
        reducer.prepare_backward().map_err(Error::torch_ext("preparing to reduce"))?;
    }
    backward().map_err(torch)?;
    Ok((all().map_err(torch)?, plain))
}

fn distance(a: &Tensor, b: &Tensor) -> Result<f64, TchError> {
    a.f_sub(b)?.f_abs()?.f_max()?.f_double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rank_over_gloo() {
        for Collective { what, difference } in check_collectives(Device::Cpu, GpuBackend::Gloo).unwrap() {
            assert_eq!(difference, 0.0, "{what}");
        }
    }
}
