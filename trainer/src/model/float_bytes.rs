//! A tensor's numbers as bytes, for files.

use tch::{Device, Kind, Tensor};

use crate::error::Error;

/// The numbers of a tensor in single precision, row after row.
///
/// # Errors
/// If a device fails.
pub(super) fn float_bytes(tensor: &Tensor) -> Result<Vec<u8>, Error> {
    let copied = || {
        let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let mut bytes = vec![0u8; flat.numel() * 4];
        flat.f_copy_data_u8(&mut bytes, flat.numel())?;
        Ok(bytes)
    };
    copied().map_err(Error::torch("writing weights"))
}
