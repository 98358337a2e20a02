//! Which files a path means, opened: headers alone, and tensors when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use quanci_store::FileHandle;
use serde::Deserialize;
use tch::Tensor;

use super::find::find;
use super::safetensors::SafeTensorsFile;
use crate::error::Error;
use crate::model::header::{StateDict, TensorHeader};
use crate::model::pickle::TorchFile;
use crate::model::tf1::{Bundle, is_table, prefix};

/// The largest index of a sharded checkpoint that is read.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A checkpoint whose headers were read: one file, or the shards of one.
#[derive(Debug)]
pub(super) struct Files {
    /// What was opened, for messages.
    pub(super) path: PathBuf,
    /// Its state dicts: one, unless it is a file of `torch.save` that holds more.
    pub(super) state_dicts: Vec<FileDict>,
    files: Vec<File>,
}

/// A state dict, and of which file each tensor is.
#[derive(Debug, Default)]
pub(super) struct FileDict {
    /// The keys that lead to it.
    pub(super) key: String,
    /// Its tensors, each with the index of its file.
    pub(super) tensors: Vec<(usize, TensorHeader)>,
}

#[derive(Debug)]
enum File {
    SafeTensors(SafeTensorsFile),
    Torch(PathBuf, Box<TorchFile>),
    TensorFlow(Bundle),
}

/// `model.safetensors.index.json` and its like.
#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: BTreeMap<String, String>,
}

impl Files {
    /// Opens what `path` means: a file of weights, the index of a sharded checkpoint, or the one of these in a folder.
    ///
    /// # Errors
    /// If there is none, more than one could be meant, or one cannot be read.
    pub(super) fn open(path: &Path) -> Result<Files, Error> {
        let path = find(path)?;
        if let Some(prefix) = prefix::of_path(&path)? {
            return Ok(Files::of(File::TensorFlow(Bundle::open(&prefix)?), prefix));
        }
        if path.extension().is_some_and(|extension| extension == "json") {
            return sharded(path);
        }
        Ok(Files::of(File::open(&path)?, path))
    }

    fn of(file: File, path: PathBuf) -> Files {
        let state_dicts = file.state_dicts().iter().map(|dict| FileDict {
            key: dict.key.clone(),
            tensors: dict.tensors.iter().map(|tensor| (0, tensor.clone())).collect(),
        });
        Files { state_dicts: state_dicts.collect(), files: vec![file], path }
    }

    /// True for a checkpoint of TensorFlow.
    pub(super) fn of_tensorflow(&self) -> bool {
        matches!(self.files[..], [File::TensorFlow(_)])
    }

    /// The numbers of a tensor.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn tensor(&mut self, file: usize, header: &TensorHeader) -> Result<Tensor, Error> {
        match &mut self.files[file] {
            File::SafeTensors(file) => file.tensor(header),
            File::TensorFlow(bundle) => bundle.tensor(header),
            File::Torch(path, file) => file.tensor(header.number).map_err(|problem| {
                Error::input(path, format!("not a state dict of PyTorch: {}: {problem}", header.name))
            }),
        }
    }
}

impl File {
    fn open(path: &Path) -> Result<File, Error> {
        let handle = FileHandle::open(path).map_err(Error::io("read", path))?;
        let head = handle.read_at(0..16).map_err(Error::io("read", path))?;
        let bytes = handle.bytes().map_err(Error::io("read", path))?;
        let end = handle.read_at(bytes.saturating_sub(8)..bytes).map_err(Error::io("read", path))?;
        if let Some(what) = foreign(&head, &end) {
            return Err(Error::input(path, what));
        }
        // By its content where the name does not tell: a header of safetensors is JSON behind its length.
        let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors")
            || (head.get(8) == Some(&b'{') && !head.starts_with(b"PK"));
        if is_safetensors {
            return SafeTensorsFile::open(path).map(File::SafeTensors);
        }
        Ok(File::Torch(path.to_path_buf(), Box::new(TorchFile::open(path)?)))
    }

    fn state_dicts(&self) -> &[StateDict] {
        match self {
            File::SafeTensors(file) => std::slice::from_ref(&file.state_dict),
            File::Torch(_, file) => &file.state_dicts,
            File::TensorFlow(bundle) => std::slice::from_ref(&bundle.state_dict),
        }
    }
}

/// What a file is whose first or last bytes are those of no weights that are read.
fn foreign(head: &[u8], end: &[u8]) -> Option<&'static str> {
    if is_table(end) {
        return Some(
            "a checkpoint of TensorFlow in the format of before 2017 (V1), one file without `.index`: load it with a \
             tf.compat.v1.train.Saver and save it again, which writes the newer format",
        );
    }
    let known: [(&[u8], &str); 4] = [
        (b"version https:/", "a pointer of git-lfs, not the weights: run `git lfs pull` in its repository"),
        (b"<", "a page of HTML, not weights: fetch the file again"),
        (
            b"\x89HDF",
            "weights of Keras (HDF5), which are not read: take the model's checkpoint of TensorFlow 1 or its file of PyTorch, or \
             convert it with transformers",
        ),
        (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    ];
    known.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| what)
}

/// The shards that an index names, as one state dict.
fn sharded(path: PathBuf) -> Result<Files, Error> {
    let damaged =
        |problem: String| Error::input(&path, format!("not the index of a sharded checkpoint: {problem}"));
    let text = quanci_store::read_at_most(&path, MAX_INDEX_BYTES).map_err(Error::io("read", &path))?;
    let Index { weight_map } = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    let (mut files, mut tensors) = (Vec::new(), Vec::new());
    for (number, name) in names.into_iter().enumerate() {
        if Path::new(name).file_name() != Some(OsStr::new(name)) {
            return Err(damaged(format!("{name:?} is no file of its folder")));
        }
        let shard = path.with_file_name(name);
        let file = File::open(&shard)?;
        let held = file.state_dicts().first().map(|dict| dict.tensors.as_slice()).unwrap_or_default();
        tensors.extend(
            held.iter()
                .filter(|tensor| weight_map.get(&tensor.name) == Some(name))
                .map(|tensor| (number, tensor.clone())),
        );
        files.push(file);
    }
    let held: BTreeSet<&str> =
        tensors.iter().map(|(_, tensor): &(usize, TensorHeader)| tensor.name.as_str()).collect();
    if let Some((name, file)) = weight_map.iter().find(|(name, _)| !held.contains(name.as_str())) {
        return Err(damaged(format!("{file} holds no {name}: fetch both again")));
    }
    Ok(Files { state_dicts: vec![FileDict { key: String::new(), tensors }], files, path })
}
