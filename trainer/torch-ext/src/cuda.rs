//! CUDA, opened at run time: one program for machines with and without it.
//!
//! The program is linked with libtorch's CPU half alone; [`open`] loads the other half, which registers its kernels as
//! it is loaded. **It must come before the first question about CUDA**, such as `tch::Cuda::is_available` or
//! `tch::manual_seed`: libtorch asks its registry once and keeps the answer.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

use tch::Tensor;

use crate::error::{Error, c_string, check};
use crate::{ffi, tensors};

/// libtorch's CUDA half. The program's run path and `LD_LIBRARY_PATH` say where.
const TORCH_CUDA: &CStr = c"libtorch_cuda.so";
/// The plug-in for data parallelism over GPUs: `csrc/shim_nccl.cpp`.
const NCCL_PLUGIN: &str = "libquanci_nccl.so";

static OPENED: OnceLock<Result<(), String>> = OnceLock::new();

/// Loads libtorch's CUDA half; the second call and later ones repeat what the first one gave.
///
/// # Errors
/// [`Error::Cuda`] with the loader's words if it or a library of NVIDIA's is not there.
pub fn open() -> Result<(), Error> {
    let opened = OPENED.get_or_init(|| {
        load(TORCH_CUDA, libc::RTLD_NOW | libc::RTLD_GLOBAL).map(drop).map_err(|message| {
            format!(
                "libtorch's CUDA half cannot be opened: {message}; trainer/setup-libtorch.sh cuda lays it out"
            )
        })
    });
    opened.clone().map_err(Error::Cuda)
}

/// Whether [`open`] has succeeded.
pub fn is_open() -> bool {
    matches!(OPENED.get(), Some(Ok(())))
}

/// How many CUDA devices this process sees; 0 when CUDA is not open.
pub fn device_count() -> usize {
    if !is_open() {
        return 0;
    }
    // SAFETY: takes nothing; failure (no driver) is negative.
    usize::try_from(unsafe { ffi::quanci_cuda_devices() }).unwrap_or(0)
}

/// What the driver calls a device, such as "NVIDIA H200".
pub fn device_name(device: usize) -> Option<String> {
    /// `cuDeviceGetName` of the driver's API, beside which CUDA's run time would need the layout of a large struct.
    type Init = unsafe extern "C" fn(c_uint) -> c_int;
    type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type GetName = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
    let ordinal = c_int::try_from(device).ok().filter(|_| device < device_count())?;
    let driver = load(c"libcuda.so.1", libc::RTLD_NOW).ok()?;
    let (mut handle, mut name) = (0, [0u8; 256]);
    // SAFETY: the three symbols have these signatures in every version of CUDA's driver; the driver stays loaded.
    let (init, get, get_name) = unsafe {
        (
            std::mem::transmute::<*mut c_void, Init>(symbol(driver, c"cuInit")?),
            std::mem::transmute::<*mut c_void, Get>(symbol(driver, c"cuDeviceGet")?),
            std::mem::transmute::<*mut c_void, GetName>(symbol(driver, c"cuDeviceGetName")?),
        )
    };
    // SAFETY: `handle` and `name` live through the calls, and the name's length goes with it.
    let codes =
        unsafe { [init(0), get(&mut handle, ordinal), get_name(name.as_mut_ptr().cast(), 256, handle)] };
    let name = CStr::from_bytes_until_nul(&name).ok()?;
    (codes == [0; 3]).then(|| name.to_string_lossy().into_owned())
}

/// The most bytes that tensors have held on a device at once, since the start or [`reset_memory_peak`]; `None` when
/// CUDA is not open or the device unused.
pub fn memory_peak(device: usize) -> Option<u64> {
    let device = c_int::try_from(device).ok().filter(|_| is_open())?;
    // SAFETY: takes a number only; failure is negative.
    u64::try_from(unsafe { ffi::quanci_cuda_memory_peak(device) }).ok()
}

/// Lets [`memory_peak`] begin again from what is held now.
pub fn reset_memory_peak(device: usize) -> Result<(), Error> {
    // SAFETY: takes a number only.
    check(unsafe { ffi::quanci_cuda_memory_reset_peak(opened_index(device)?) }).map(drop)
}

/// Waits until a device has done all that it was given: for measuring.
pub fn synchronize(device: usize) -> Result<(), Error> {
    // SAFETY: takes a number only.
    check(unsafe { ffi::quanci_cuda_synchronize(opened_index(device)?) }).map(drop)
}

/// A copy of a tensor of the host on a device. It goes through pinned memory, so that the host does not wait for it, nor for
/// what the device did before.
///
/// # Errors
/// If CUDA is not open or the device has no memory left.
pub fn upload(tensor: &Tensor, device: usize) -> Result<Tensor, Error> {
    let index = opened_index(device)?;
    // SAFETY: the tensor lives through the call. libtorch keeps the pinned copy until the device has read it.
    tensors::take(unsafe { ffi::quanci_to_cuda(tensor.as_ptr(), index) })
}

/// A device's index for libtorch, which must not be asked about CUDA before it is open.
pub(crate) fn opened_index(device: usize) -> Result<c_int, Error> {
    match c_int::try_from(device) {
        Ok(index) if is_open() => Ok(index),
        _ => Err(Error::Cuda(format!("CUDA device {device} is asked for, but CUDA is not open"))),
    }
}

/// `quanci_nccl_create` of the plug-in, looked for beside the program and where it was built.
pub(crate) fn nccl_factory() -> Result<*mut c_void, Error> {
    open()?;
    let candidates = nccl_candidates();
    let Some(path) = candidates.iter().find(|path| path.exists()) else {
        let places: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::Cuda(format!(
            "several GPUs need {NCCL_PLUGIN}, which is built when CUDA's and NCCL's headers lie beside libtorch \
             (trainer/setup-libtorch.sh cuda); it is not at {}",
            places.join(" nor at ")
        )));
    };
    let failed = |message| Error::Cuda(format!("{} cannot be opened: {message}", path.display()));
    let plugin = load(&c_string(&path.to_string_lossy())?, libc::RTLD_NOW).map_err(failed)?;
    symbol(plugin, c"quanci_nccl_create").ok_or_else(|| failed("it has no quanci_nccl_create".to_owned()))
}

/// True if the plug-in for several GPUs is where this program looks for it. Opens nothing.
pub fn has_nccl_plugin() -> bool {
    nccl_candidates().iter().any(|path| path.exists())
}

fn nccl_candidates() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(NCCL_PLUGIN)));
    let built = option_env!("QUANCI_NCCL_PLUGIN").map(PathBuf::from);
    beside.into_iter().chain(built).collect()
}

/// A handle that is never closed.
fn load(library: &CStr, flags: c_int) -> Result<*mut c_void, String> {
    // SAFETY: a string with a NUL; running the library's initializers is what the caller asks for.
    let handle = unsafe { libc::dlopen(library.as_ptr(), flags) };
    if !handle.is_null() {
        return Ok(handle);
    }
    // SAFETY: after a failure the loader has a message, in a buffer of this thread.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return Err("the loader does not say why".to_owned());
    }
    // SAFETY: not null, ends in a NUL, copied before the next call to the loader.
    Err(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
}

fn symbol(library: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: an open library and a string with a NUL.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With libtorch's CUDA half on a machine without a GPU, too, everything is an answer.
    #[test]
    fn with_cuda_open() {
        if open().is_err() {
            return;
        }
        let devices = device_count();
        assert_eq!((device_name(devices), memory_peak(devices)), (None, None));
        assert!(synchronize(devices).is_err());
        assert_eq!(device_name(0).is_some(), devices > 0);
        let _alone = crate::ops::tests::generator();
        crate::seed_all(1).unwrap();
    }

    #[test]
    fn without_cuda_everything_says_so() {
        if open().is_ok() {
            return; // a machine with CUDA
        }
        assert!(open().unwrap_err().to_string().contains("libtorch_cuda.so"));
        assert_eq!((device_count(), device_name(0), memory_peak(0)), (0, None, None));
        assert!(matches!(nccl_factory(), Err(Error::Cuda(_))));
        assert_eq!(
            synchronize(1).unwrap_err().to_string(),
            "CUDA device 1 is asked for, but CUDA is not open"
        );
    }
}
