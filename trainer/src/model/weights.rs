//! Weights from files and to files, by the names of transformers' `BertForPreTraining`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use super::parameters::Parameters;
use super::pickle;
use crate::error::Error;

/// What filling a model found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that the file has not: they stay as they were drawn.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unused: Vec<String>,
    /// Parameters that took what the file has and are larger: positions beyond the file's stay as they were drawn.
    pub extended: Vec<String>,
}

/// The file of weights that `path` means: itself, or the one in the Hugging Face folder.
pub fn find(path: &Path) -> Result<PathBuf, Error> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let names = ["model.safetensors", "pytorch_model.bin"];
    let found = names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| Error::input(path, "holds neither model.safetensors nor pytorch_model.bin"))
}

/// The tensors of a `.safetensors` or of a file of `torch.save`, by name.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let file = find(path)?;
    if file.extension().is_some_and(|extension| extension == "safetensors") {
        read_safetensors(&file)
    } else {
        pickle::read_state_dict(&file)
    }
}

/// The tensors of a `.safetensors`.
pub fn read_safetensors(path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let bytes = quanci_store::read_at_most(path, i64::MAX as u64).map_err(Error::io("read", path))?;
    parse_safetensors(&bytes, path)
}

/// The tensors of a `.safetensors` with this content; `path` is named in errors.
pub fn parse_safetensors(bytes: &[u8], path: &Path) -> Result<Vec<(String, Tensor)>, Error> {
    let damaged = |problem: String| Error::input(path, format!("not a sound safetensors file: {problem}"));
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let kind = kind(view.dtype()).ok_or_else(|| damaged(format!("{name} is of {:?}", view.dtype())))?;
        let sizes: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &sizes, kind);
        Ok((name, tensor.map_err(Error::torch("reading weights"))?))
    };
    tensors.tensors().into_iter().map(one).collect()
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}

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

/// Copies the tensors of `from` into the parameters of the same names; `path` is named in errors.
pub fn fill(parameters: &Parameters, from: Vec<(String, Tensor)>, path: &Path) -> Result<LoadReport, Error> {
    let mut filled = LoadReport::default();
    let mut given = BTreeMap::new();
    for (name, tensor) in from {
        match our_name(&name) {
            Some(name) if parameters.get(&name).is_some() => drop(given.insert(name, tensor)),
            Some(_) => filled.unused.push(name),
            None => {} // a copy of what has its own name
        }
    }
    for (name, parameter) in parameters.iter() {
        match given.get(name) {
            None => filled.missing.push(name.to_owned()),
            Some(tensor) if tensor.size() == parameter.size() => copy(parameter, tensor)?,
            // A model for longer rows can start from one for shorter rows.
            Some(tensor) if can_extend(name, tensor, parameter) => {
                let part =
                    parameter.f_narrow(0, 0, tensor.size()[0]).map_err(Error::torch("filling weights"))?;
                copy(&part, tensor)?;
                filled.extended.push(name.to_owned());
            }
            Some(tensor) => {
                let (has, wants) = (tensor.size(), parameter.size());
                return Err(Error::input(path, format!("{name} is {has:?}; the model's is {wants:?}")));
            }
        }
    }
    Ok(filled)
}

/// Our name of a tensor of a checkpoint; none for a second copy of the word embeddings or of the decoder's bias, and for
/// buffers that hold 0, 1, 2, …
fn our_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("module.").unwrap_or(name);
    if matches!(
        name,
        "cls.predictions.decoder.weight"
            | "cls.predictions.decoder.bias"
            | "bert.embeddings.position_ids"
            | "bert.embeddings.token_type_ids"
    ) {
        return None;
    }
    // Conversions of TensorFlow checkpoints, up to transformers 2, kept TensorFlow's names.
    Some(name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
}

/// Positions may be added at the end; the old keep their meaning.
fn can_extend(name: &str, tensor: &Tensor, parameter: &Tensor) -> bool {
    let (has, wants) = (tensor.size(), parameter.size());
    name == "bert.embeddings.position_embeddings.weight" && has[1..] == wants[1..] && has[0] < wants[0]
}

fn copy(parameter: &Tensor, from: &Tensor) -> Result<(), Error> {
    tch::no_grad(|| parameter.shallow_clone().f_copy_(from).map(drop))
        .map_err(Error::torch("filling weights"))
}
