//! The variables of a prefix, and their numbers.

use std::path::{Path, PathBuf};

use quanci_store::FileHandle;
use quanci_tfrecord::masked_crc;
use tch::{Device, TchError, Tensor};

use super::index::{Index, Part, Variable};
use super::prefix;
use crate::error::Error;
use crate::model::header::{StateDict, TensorHeader};

/// The largest index that is read. That of a large BERT with its optimizer has 100 kB.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// A checkpoint whose index was read.
pub(in crate::model) struct Bundle {
    /// Its variables, by TensorFlow's names; their numbers are indices into `variables`.
    pub(in crate::model) state_dict: StateDict,
    variables: Vec<Variable>,
    /// The files of data that some variable lies in.
    shards: Vec<Option<(PathBuf, FileHandle)>>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl Bundle {
    /// Reads the index of a prefix, and none of its numbers.
    ///
    /// # Errors
    /// If the index is not sound, or a file of data is missing or too short for what it is said to hold.
    pub(in crate::model) fn open(prefix: &Path) -> Result<Bundle, Error> {
        let path = prefix::with(prefix, prefix::INDEX);
        let bytes = quanci_store::read_at_most(&path, MAX_INDEX_BYTES).map_err(Error::io("read", &path))?;
        let index = Index::parse(&bytes);
        let Index { shards, variables } = index.map_err(|problem| {
            Error::input(&path, format!("not a sound index of a TensorFlow checkpoint: {problem}"))
        })?;
        let shards = (0..shards).map(|shard| open_shard(prefix, shard, shards, &variables));
        let shards = shards.collect::<Result<Vec<_>, Error>>()?;
        let header = |(number, variable): (usize, &Variable)| TensorHeader {
            name: variable.name.clone(),
            sizes: variable.sizes.clone(),
            kind: variable.kind,
            number,
        };
        let tensors = variables.iter().enumerate().map(header).collect();
        Ok(Bundle { state_dict: StateDict { key: String::new(), tensors }, variables, shards })
    }

    /// The numbers of a variable.
    ///
    /// # Errors
    /// If they cannot be read, or their checksum is wrong.
    pub(in crate::model) fn tensor(&self, header: &TensorHeader) -> Result<Tensor, Error> {
        let variable = &self.variables[header.number];
        let Some(kind) = variable.kind else {
            let path = self.shards.iter().flatten().next().map_or(Path::new(""), |(path, _)| path);
            return Err(Error::input(path, format!("{}: holds no numbers", variable.name)));
        };
        if let [part] = &variable.parts[..] {
            let bytes = self.read(variable, part)?;
            return of_bytes(&bytes, &variable.sizes, kind).map_err(Error::torch("reading weights"));
        }
        let whole = Tensor::f_zeros(&variable.sizes, (kind, Device::Cpu));
        let whole = whole.map_err(Error::torch("reading weights"))?;
        for part in &variable.parts {
            let bytes = self.read(variable, part)?;
            put_part(&whole, part, &bytes).map_err(Error::torch("reading weights"))?;
        }
        Ok(whole)
    }

    fn read(&self, variable: &Variable, part: &Part) -> Result<Vec<u8>, Error> {
        let (path, handle) = self.shards[part.shard].as_ref().expect("every file that is used was opened");
        let range = part.offset..part.offset + part.bytes;
        let bytes = handle.read_at(range).map_err(Error::io("read", path))?;
        let damaged =
            |problem: &str| Error::input(path, format!("{}: {problem}: fetch the file again", variable.name));
        if bytes.len() as u64 != part.bytes {
            return Err(damaged("the file ends within it"));
        }
        if masked_crc(&bytes) != part.checksum {
            return Err(damaged("the checksum of its numbers is not the one in the index"));
        }
        Ok(bytes.to_vec())
    }
}

fn of_bytes(bytes: &[u8], sizes: &[i64], kind: tch::Kind) -> Result<Tensor, TchError> {
    if bytes.is_empty() {
        return Tensor::f_zeros(sizes, (kind, Device::Cpu));
    }
    Tensor::f_from_data_size(bytes, sizes, kind)
}

/// Copies a part to its place.
fn put_part(whole: &Tensor, part: &Part, bytes: &[u8]) -> Result<(), TchError> {
    let lengths: Vec<i64> = part.extents.iter().map(|&(_, length)| length).collect();
    let mut place = whole.shallow_clone();
    for (dimension, &(start, length)) in (0..).zip(&part.extents) {
        place = place.f_narrow(dimension, start, length)?;
    }
    place.f_copy_(&of_bytes(bytes, &lengths, whole.kind())?).map(drop)
}

/// Opens a file of data; none if no variable lies there.
fn open_shard(
    prefix: &Path,
    shard: usize,
    shards: usize,
    variables: &[Variable],
) -> Result<Option<(PathBuf, FileHandle)>, Error> {
    let of_shard = |variable: &'_ Variable| variable.parts.iter().any(|part| part.shard == shard);
    let Some(first) = variables.iter().find(|variable| of_shard(variable)) else { return Ok(None) };
    let path = prefix::with(prefix, &format!(".data-{shard:05}-of-{shards:05}"));
    if !quanci_store::exists(&path).map_err(Error::io("find", &path))? {
        let message = format!("is missing, and the index says that {} lies there", first.name);
        return Err(Error::input(&path, message));
    }
    let handle = FileHandle::open(&path).map_err(Error::io("read", &path))?;
    let bytes = handle.bytes().map_err(Error::io("read", &path))?;
    // All of them together too: the index may name the same bytes again and again.
    let mut held = 0u64;
    for variable in variables {
        for part in variable.parts.iter().filter(|part| part.shard == shard) {
            held = held.saturating_add(part.bytes);
            let end = part.offset.checked_add(part.bytes);
            if end.is_none_or(|end| end > bytes) || held > bytes {
                let message = format!(
                    "{}: the index says that it has {} bytes at byte {}, and the file has {bytes} in all: fetch both again",
                    variable.name, part.bytes, part.offset
                );
                return Err(Error::input(&path, message));
            }
        }
    }
    Ok(Some((path, handle)))
}
