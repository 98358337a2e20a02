//! PyTorch's profiler.

use std::path::Path;

use crate::error::{Error, c_string, check};
use crate::{cuda, ffi};

/// Runs `work` under PyTorch's profiler and writes what ran, on the CPU and on CUDA devices, to `path` as a trace for
/// <https://ui.perfetto.dev>. `work` should wait for the device at its end.
///
/// # Errors
/// If libtorch has no profiler, or the file cannot be written.
pub fn profile<T>(path: &Path, work: impl FnOnce() -> T) -> Result<T, Error> {
    let file = c_string(&path.to_string_lossy())?;
    // SAFETY: takes a number only.
    check(unsafe { ffi::quanci_profile_begin(i32::from(cuda::is_open())) })?;
    let made = work();
    // SAFETY: a string with a NUL that lives through the call.
    check(unsafe { ffi::quanci_profile_end(file.as_ptr()) })?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn a_trace_names_what_ran() {
        let path = std::env::temp_dir().join(format!("quanci-profile-{}.json", std::process::id()));
        let x = Tensor::ones([8, 8], (Kind::Float, Device::Cpu));
        let product = profile(&path, || x.matmul(&x)).unwrap();
        assert_eq!(product.size(), [8, 8]);
        let trace = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(trace.contains("aten::mm"));
    }
}
