//! Reads `.safetensors`: the header first, each tensor when it is asked for.

use std::path::{Path, PathBuf};

use quanci_store::FileHandle;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use tch::{Kind, Tensor};

use crate::error::Error;
use crate::model::header::{StateDict, TensorHeader};

/// The largest header that is read, as the library `safetensors` has it.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A file whose header was read.
#[derive(Debug)]
pub(super) struct SafeTensorsFile {
    path: PathBuf,
    /// Its tensors; their numbers are indices into `places`.
    pub(super) state_dict: StateDict,
    /// Where each tensor's bytes begin and end in the file.
    places: Vec<(u64, u64)>,
}

impl SafeTensorsFile {
    /// Reads the header of a file, and none of its numbers.
    ///
    /// # Errors
    /// If the file cannot be read, or its header does not fit it.
    pub(super) fn open(path: &Path) -> Result<SafeTensorsFile, Error> {
        let failed = || Error::io("read", path);
        let handle = FileHandle::open(path).map_err(failed())?;
        let bytes = handle.bytes().map_err(failed())?;
        let first = handle.read_at(0..8).map_err(failed())?;
        let length = <[u8; 8]>::try_from(&first[..]).map(u64::from_le_bytes);
        let length = length.ok().filter(|&length| length <= MAX_HEADER_BYTES && 8 + length <= bytes);
        let length = length.ok_or_else(|| damaged(path, "it ends within its header"))?;
        let header = handle.read_at(8..8 + length).map_err(failed())?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(path, &error.to_string()))?;
        let start = 8 + length;
        if start + metadata.data_len() as u64 != bytes {
            let wanted = start + metadata.data_len() as u64;
            return Err(damaged(path, &format!("it has {bytes} bytes, and its header speaks of {wanted}")));
        }
        let (mut tensors, mut places) = (Vec::new(), Vec::new());
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let sizes = info.shape.iter().map(|&size| size as i64).collect();
            tensors.push(TensorHeader { name, sizes, kind: kind(info.dtype), number: places.len() });
            places.push((start + info.data_offsets.0 as u64, start + info.data_offsets.1 as u64));
        }
        Ok(SafeTensorsFile {
            path: path.to_path_buf(),
            state_dict: StateDict { key: String::new(), tensors },
            places,
        })
    }

    /// One of its tensors.
    ///
    /// # Errors
    /// If it cannot be read, or is of a kind that libtorch's binding has not.
    pub(super) fn tensor(&self, header: &TensorHeader) -> Result<Tensor, Error> {
        let kind = header
            .kind
            .ok_or_else(|| damaged(&self.path, &format!("{} is of an unknown kind", header.name)))?;
        let (start, end) = self.places[header.number];
        let handle = FileHandle::open(&self.path).map_err(Error::io("read", &self.path))?;
        let bytes = handle.read_at(start..end).map_err(Error::io("read", &self.path))?;
        if bytes.len() as u64 != end - start {
            return Err(damaged(&self.path, "it ends too early"));
        }
        Tensor::f_from_data_size(&bytes, &header.sizes, kind).map_err(Error::torch("reading weights"))
    }
}

/// The tensors of a `.safetensors` with this content; `path` is named in errors.
///
/// # Errors
/// If it is no such file.
pub fn parse_safetensors(bytes: &[u8], path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, &error.to_string()))?;
    let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let kind = kind(view.dtype());
        let kind = kind.ok_or_else(|| damaged(path, &format!("{name} is of {:?}", view.dtype())))?;
        let sizes: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &sizes, kind);
        Ok((name, tensor.map_err(Error::torch("reading weights"))?))
    };
    tensors.tensors().into_iter().map(one).collect()
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::input(path, format!("not a sound safetensors file: {problem}"))
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::I16 => Kind::Int16,
        Dtype::I8 => Kind::Int8,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}
