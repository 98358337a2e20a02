//! Mixed precision by autocast.

use std::ffi::c_int;
use std::marker::PhantomData;

use tch::{Device, Kind};

use crate::error::{Error, check};
use crate::{cuda, ffi};

/// While it lives, operations of this thread on one kind of device run in bf16 or fp16 where PyTorch holds that to be
/// safe (<https://docs.pytorch.org/docs/2.11/amp.html>): `torch.autocast`. Guards nest; each puts back what it found,
/// and the outermost forgets the weights that were cast meanwhile.
///
/// Backward passes belong outside. Do not run a forward pass without gradients and one with them under one guard: the
/// weights that the first has cast would cut the second's graph.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    was_enabled: c_int,
    former_kind: c_int,
    /// Autocast is a matter of one thread.
    _not_send: PhantomData<*const ()>,
}

impl Autocast {
    /// Turns autocast on for the CPU or for CUDA, to [`Kind::BFloat16`] or [`Kind::Half`].
    pub fn new(device: Device, kind: Kind) -> Result<Autocast, Error> {
        let cuda = cuda_of(device)?;
        let bf16 = match kind {
            Kind::BFloat16 => 1,
            Kind::Half => 0,
            other => return Err(Error::Argument(format!("autocast to {other:?} is not known"))),
        };
        let mut former_kind = 0;
        // SAFETY: `former_kind` lives through the call.
        let was_enabled = check(unsafe { ffi::quanci_autocast_begin(cuda, bf16, &mut former_kind) })?;
        Ok(Autocast { cuda, was_enabled, former_kind, _not_send: PhantomData })
    }

    /// Whether autocast is on in this thread.
    pub fn is_enabled(device: Device) -> Result<bool, Error> {
        // SAFETY: takes a number only.
        check(unsafe { ffi::quanci_autocast_enabled(cuda_of(device)?) }).map(|enabled| enabled != 0)
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: the numbers that `quanci_autocast_begin` gave, on the same thread. It sets variables: it cannot fail.
        unsafe { ffi::quanci_autocast_end(self.cuda, self.was_enabled, self.former_kind) };
    }
}

fn cuda_of(device: Device) -> Result<c_int, Error> {
    match device {
        Device::Cpu => Ok(0),
        Device::Cuda(index) => cuda::opened_index(index).map(|_| 1),
        other => Err(Error::Argument(format!("autocast on {other:?} is not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    fn product() -> Kind {
        let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        x.matmul(&x).kind()
    }

    #[test]
    fn guards_nest_and_restore() {
        assert_eq!(product(), Kind::Float);
        {
            let _outer = Autocast::new(Device::Cpu, Kind::BFloat16).unwrap();
            assert!(Autocast::is_enabled(Device::Cpu).unwrap());
            assert_eq!(product(), Kind::BFloat16);
            {
                let _inner = Autocast::new(Device::Cpu, Kind::Half).unwrap();
                assert_eq!(product(), Kind::Half);
            }
            assert_eq!(product(), Kind::BFloat16);
        }
        assert!(!Autocast::is_enabled(Device::Cpu).unwrap());
        assert_eq!(product(), Kind::Float);
    }

    #[test]
    fn an_early_return_restores_too() {
        let early = || -> Result<(), Error> {
            let _guard = Autocast::new(Device::Cpu, Kind::BFloat16)?;
            Autocast::new(Device::Cpu, Kind::Int64).map(drop)
        };
        assert_eq!(early().unwrap_err().to_string(), "autocast to Int64 is not known");
        assert_eq!(product(), Kind::Float);
    }

    #[test]
    fn weights_cast_under_one_guard_are_cast_anew_under_the_next() {
        let weight = Tensor::ones([2, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let x = Tensor::eye(2, (Kind::Float, Device::Cpu));
        let through = || {
            let _guard = Autocast::new(Device::Cpu, Kind::BFloat16).unwrap();
            x.matmul(&weight).to_kind(Kind::Float).double_value(&[0, 0])
        };
        assert_eq!(through(), 1.0);
        drop(tch::no_grad(|| weight.shallow_clone().fill_(3.0)));
        assert_eq!(through(), 3.0);
    }
}
