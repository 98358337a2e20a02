//! Reads what `torch.save` wrote of weights, the zip format and the one before PyTorch 1.6, and executes nothing: of all
//! that a pickle may call, only what rebuilds tensors and ordered dictionaries is known here, as data.
//!
//! ```text
//!  TorchFile::open   the pickle -> Heap -> state dicts (names and sizes)
//!  TorchFile::tensor a storage of the file -> one tensor
//! ```
//!
//! The layout of both formats after torch/serialization.py. [`write`] writes the zip format.

mod machine;
mod storages;
#[cfg(test)]
mod tests;
mod value;
mod write;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use quanci_store::FileHandle;
use tch::{Kind, Tensor};

use super::header::{StateDict, TensorHeader};
use crate::error::Error;
use storages::{Storages, element};
use value::{Heap, Parsed, Strided, Value};
pub(super) use write::{Named, write};

/// How many times its own size a file may take as tensors: some share a storage, as the word embeddings and the decoder do.
const MAX_SHARING: u64 = 4;
/// How many dictionaries deep a state dict may lie.
const MAX_DEPTH: usize = 4;

/// A file of `torch.save` whose pickle was read.
#[derive(Debug)]
pub(super) struct TorchFile {
    /// The dictionaries that hold tensors.
    pub(super) state_dicts: Vec<StateDict>,
    tensors: Vec<Strided>,
    storages: Storages,
    /// How many bytes all tensors together may still take.
    left: u64,
}

impl TorchFile {
    /// Reads the pickle of a file, and none of its numbers.
    ///
    /// # Errors
    /// If it cannot be read, or is not of `torch.save`.
    pub(super) fn open(path: &Path) -> Result<TorchFile, Error> {
        let bytes =
            FileHandle::open(path).and_then(|handle| handle.bytes()).map_err(Error::io("read", path))?;
        let read = Storages::open(path).map_err(Error::io("read", path))?;
        let opened = read.and_then(|(storages, root, heap)| {
            let state_dicts = state_dicts(&root, &heap)?;
            for tensor in state_dicts.iter().flat_map(|dict| &dict.tensors) {
                // A view may repeat its numbers, but not make more of them than the file has bytes.
                let strided = &heap.tensors[tensor.number];
                if strided.elements().is_none_or(|elements| elements as u64 > bytes) {
                    strided.span().map_err(|problem| format!("{}: {problem}", tensor.name))?;
                }
            }
            let left = bytes.saturating_mul(MAX_SHARING);
            Ok(TorchFile { state_dicts, tensors: heap.tensors, storages, left })
        });
        opened.map_err(|problem| Error::input(path, format!("not a state dict of PyTorch: {problem}")))
    }

    /// The tensor with this number.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn tensor(&mut self, number: usize) -> Parsed<Tensor> {
        let strided = self.tensors[number].clone();
        let Value::Storage(key) = &strided.storage else { return Err("it has no storage".to_owned()) };
        let (kind, width) = self.storages.element(key)?;
        let kind = kind.ok_or("libtorch's binding has no such numbers")?;
        if strided.elements() == Some(0) {
            return Tensor::f_zeros(&strided.sizes, (kind, tch::Device::Cpu))
                .map_err(|error| error.to_string());
        }
        let span = strided.span()?;
        let wanted = (span as u64).checked_mul(width as u64);
        let left = wanted.and_then(|wanted| self.left.checked_sub(wanted));
        self.left = left.ok_or("its tensors take far more bytes than the file has")?;
        let bytes = self.storages.read(key, strided.offset as u64, span as u64)?;
        view(&bytes, &strided, span, kind).map_err(|error| error.to_string())
    }
}

/// A tensor of its own of the elements that `strided` names.
fn view(bytes: &[u8], strided: &Strided, span: i64, kind: Kind) -> Result<Tensor, tch::TchError> {
    let flat = Tensor::f_from_data_size(bytes, &[span], kind)?;
    let view = flat.f_as_strided(&strided.sizes, &strided.strides, Some(0))?.f_contiguous()?;
    // A copy, so that a view of a large storage does not keep all of it.
    let mut owned = view.f_zeros_like()?;
    owned.f_copy_(&view)?;
    Ok(owned)
}

/// The dictionaries that hold tensors, from the outermost on.
fn state_dicts(root: &Value, heap: &Heap) -> Parsed<Vec<StateDict>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = VecDeque::from([(String::new(), root.clone(), 0)]);
    while let Some((key, value, depth)) = next.pop_front() {
        let items = items(&value, heap);
        // A dictionary may hold itself, or be held by many.
        let is_new = match value {
            Value::Dict(number) => seen.insert((true, number)),
            Value::List(number) | Value::Tuple(number) => seen.insert((false, number)),
            _ => false,
        };
        if !is_new {
            continue;
        }
        let tensors: Vec<TensorHeader> =
            items.iter().filter_map(|(name, value)| header(name, value, heap)).collect();
        if depth < MAX_DEPTH {
            let inner = items
                .into_iter()
                .filter(|(_, value)| matches!(value, Value::Dict(_) | Value::List(_) | Value::Tuple(_)));
            next.extend(inner.map(|(name, value)| (joined(&key, &name), value, depth + 1)));
        }
        if !tensors.is_empty() && matches!(value, Value::Dict(_)) {
            found.push(StateDict { key, tensors });
        }
    }
    if found.is_empty() { Err(nothing_in(root, heap)) } else { Ok(found) }
}

/// What a dictionary, list or tuple holds, by name.
fn items(value: &Value, heap: &Heap) -> Vec<(String, Value)> {
    match value {
        Value::Dict(number) => {
            let named = heap.dicts[*number].iter().filter_map(|(key, value)| match key {
                Value::Text(name) => Some((name.to_string(), value.clone())),
                Value::Int(number) => Some((number.to_string(), value.clone())),
                _ => None,
            });
            named.collect()
        }
        Value::List(number) | Value::Tuple(number) => {
            let containers = heap.lists[*number].iter().enumerate();
            let containers = containers
                .filter(|(_, value)| !matches!(value, Value::Int(_) | Value::Text(_) | Value::Other));
            containers.map(|(index, value)| (index.to_string(), value.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn joined(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

fn header(name: &str, value: &Value, heap: &Heap) -> Option<TensorHeader> {
    let &Value::Tensor(number) = value else { return None };
    let tensor = &heap.tensors[number];
    let kind = match &tensor.storage {
        Value::Storage(key) => heap.storages.get(key).and_then(|kind| element(kind).ok()?.0),
        _ => None,
    };
    Some(TensorHeader { name: name.to_owned(), sizes: tensor.sizes.clone(), kind, number })
}

/// What the file holds instead of tensors.
fn nothing_in(root: &Value, heap: &Heap) -> String {
    match root {
        Value::Dict(number) => match heap.classes.get(number) {
            Some(class) => format!("it holds an object of the class {class}; save its state_dict() instead"),
            None => format!("it holds no tensors, at most {MAX_DEPTH} dictionaries deep"),
        },
        Value::List(_) | Value::Tuple(_) => {
            format!("it holds no tensors, at most {MAX_DEPTH} dictionaries deep")
        }
        _ => "its root is no dictionary".to_owned(),
    }
}
