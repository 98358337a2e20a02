//! Where a command computes: the device, its threads, its kernels.

use quanci_cli::Output;
use tch::{Device, Kind};

use super::args::DeviceName;
use crate::config::{Compute, PretrainSettings};
use crate::distributed::RankEnv;
use crate::error::Error;
use crate::model::Kernels;
use crate::model::config::ModelConfig;

/// On a GPU: the fastest kernels if they give right gradients on a small batch, or else those that every device has, with a
/// warning.
pub(super) fn choose_kernels(
    model: &ModelConfig,
    device: Device,
    kind: Kind,
    output: &Output,
) -> Result<Kernels, Error> {
    let (kernels, comparisons) = crate::model::choose_kernels(model, device, kind)?;
    for comparison in comparisons.iter().filter(|comparison| !comparison.passes()) {
        output.warning(format_args!(
            "{}: they differ by {:.1e}, more than the {:.1e} that rounding explains; libtorch's own operations are used, which \
             are slower. `quanci-train check-device` says more",
            comparison.what, comparison.difference, comparison.tolerance
        ));
    }
    Ok(kernels)
}

/// The device of this rank.
pub(super) fn device(name: DeviceName, rank_env: &RankEnv) -> Result<Device, Error> {
    if name == DeviceName::Cpu {
        return Ok(Device::Cpu);
    }
    let count = match quanci_torch_ext::cuda::open() {
        Ok(()) => quanci_torch_ext::cuda::device_count(),
        Err(error) if name == DeviceName::Cuda => {
            return Err(Error::settings(format!(
                "--device cuda: CUDA cannot be opened ({error}); run `trainer/setup-libtorch.sh cuda` on a machine with an \
                 NVIDIA driver, or give --device cpu"
            )));
        }
        Err(_) => 0,
    };
    match count {
        0 if name == DeviceName::Cuda => {
            Err(Error::settings("--device cuda: there is no GPU on this machine"))
        }
        0 => Ok(Device::Cpu),
        count => Ok(Device::Cuda(rank_env.gpu(count)?)),
    }
}

/// Threads and precision of products, for the whole process.
pub(super) fn prepare_device(
    settings: &PretrainSettings,
    threads: usize,
    rank_env: &RankEnv,
) -> Result<(), Error> {
    set_threads(threads, rank_env);
    choose_tf32(settings)
}

/// Whether products of fp32 are TF32, for the whole process.
pub(super) fn choose_tf32(settings: &PretrainSettings) -> Result<(), Error> {
    quanci_torch_ext::set_tf32(settings.precision.compute == Compute::Tf32)
        .map_err(Error::torch_ext("choosing TF32"))
}

/// Shares the machine's cores among its ranks.
pub(super) fn set_threads(threads: usize, rank_env: &RankEnv) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // More threads than cores make OpenMP threads spin against each other.
    let own = if threads > 0 { threads } else { (cores / rank_env.local_world_size.max(1)).max(1) };
    tch::set_num_threads(own as i32);
}
