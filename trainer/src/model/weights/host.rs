//! Tensors in the host's memory, as a `.safetensors` file: what checkpoints and exported models are.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, View};
use tch::{Kind, Tensor};

use crate::error::Error;

/// A tensor's bytes, for safetensors.
struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Copies of tensors in the host's memory, by name.
pub struct HostTensors(BTreeMap<String, Bytes>);

impl HostTensors {
    /// Copies tensors from their devices; fp32 and int64 alone. Waits for the devices.
    ///
    /// # Errors
    /// If a device fails.
    pub fn copy<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<HostTensors, Error> {
        let copied = tensors.into_iter().map(|(name, tensor)| Ok((name.to_owned(), bytes(tensor)?)));
        copied.collect::<Result<_, Error>>().map(HostTensors)
    }

    /// The content of a `.safetensors` with these tensors. transformers wants `format: pt`.
    ///
    /// # Errors
    /// If the header cannot be made.
    pub fn to_safetensors(&self, metadata: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        let own = metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let metadata: HashMap<String, String> = own.chain([("format".to_owned(), "pt".to_owned())]).collect();
        safetensors::serialize(&self.0, Some(metadata))
            .map_err(|error| Error::Torch { action: "writing weights", message: error.to_string() })
    }
}

/// The content of a `.safetensors` with these tensors; fp32 and int64 alone.
///
/// # Errors
/// If a device fails.
pub fn to_safetensors<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    metadata: &[(&str, &str)],
) -> Result<Vec<u8>, Error> {
    HostTensors::copy(tensors)?.to_safetensors(metadata)
}

fn bytes(tensor: &Tensor) -> Result<Bytes, Error> {
    // bf16 and fp16 copies are never saved: checkpoints hold the fp32 parameters.
    let (dtype, width) = match tensor.kind() {
        Kind::Int64 => (Dtype::I64, 8),
        _ => (Dtype::F32, 4),
    };
    let kind = if dtype == Dtype::I64 { Kind::Int64 } else { Kind::Float };
    let copied = || {
        let flat = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(kind)?.f_contiguous()?;
        let mut bytes = vec![0u8; flat.numel() * width];
        flat.f_copy_data_u8(&mut bytes, flat.numel())?;
        Ok(bytes)
    };
    let bytes = copied().map_err(Error::torch("writing weights"))?;
    Ok(Bytes { dtype, shape: tensor.size().iter().map(|&size| size as usize).collect(), bytes })
}
