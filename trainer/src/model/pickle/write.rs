//! Writes a state dict as `torch.save` does since PyTorch 1.6: a zip archive of a pickle and of the storages, each on a boundary
//! of 64 bytes. `torch.load` reads it with `weights_only=True`, too: the pickle names OrderedDict, _rebuild_tensor_v2 and
//! FloatStorage, and nothing else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tch::Tensor;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::Error;
use crate::model::float_bytes::float_bytes;

/// The folder of all entries; torch takes any.
const FOLDER: &str = "archive";
/// Larger entries need the sizes of zip64.
const LARGE: usize = u32::MAX as usize;

/// A tensor of the state dict.
pub(in crate::model) struct Named<'a> {
    pub(in crate::model) name: &'a str,
    /// Makes its numbers, which are held for as long as they are written.
    pub(in crate::model) tensor: Box<dyn Fn() -> Result<Tensor, Error> + 'a>,
    pub(in crate::model) sizes: Vec<i64>,
    /// The one before it whose numbers it shares.
    pub(in crate::model) same_as: Option<usize>,
}

/// Writes a state dict in single precision, in its order.
///
/// # Errors
/// If the file cannot be written.
pub(in crate::model) fn write(path: &Path, tensors: &[Named<'_>]) -> Result<(), Error> {
    let file = BufWriter::new(File::create(path).map_err(Error::io("create", path))?);
    let mut archive = ZipWriter::new(file);
    put(&mut archive, path, "data.pkl", &pickle(tensors))?;
    put(&mut archive, path, "byteorder", b"little")?;
    for (number, named) in tensors.iter().enumerate().filter(|(_, named)| named.same_as.is_none()) {
        put(&mut archive, path, &format!("data/{number}"), &float_bytes(&(named.tensor)()?)?)?;
    }
    put(&mut archive, path, "version", b"3\n")?;
    let file = archive.finish().map_err(std::io::Error::from).map_err(Error::io("write", path))?;
    let file = file.into_inner().map_err(|error| error.into_error());
    file.and_then(|file| file.sync_all()).map_err(Error::io("write", path))
}

fn put(
    archive: &mut ZipWriter<BufWriter<File>>,
    path: &Path,
    name: &str,
    content: &[u8],
) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default()) // the same bytes whenever it is written
        .large_file(content.len() >= LARGE)
        .with_alignment(64);
    let started = archive.start_file(format!("{FOLDER}/{name}"), options).map_err(std::io::Error::from);
    started.and_then(|()| archive.write_all(content)).map_err(Error::io("write", path))
}

/// The pickle of an OrderedDict of tensors, of protocol 2.
fn pickle(tensors: &[Named<'_>]) -> Vec<u8> {
    let mut bytes = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (number, named) in tensors.iter().enumerate() {
        let elements: i64 = named.sizes.iter().product();
        text(&mut bytes, named.name);
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut bytes, "storage");
        bytes.extend(b"ctorch\nFloatStorage\n");
        text(&mut bytes, &named.same_as.unwrap_or(number).to_string());
        text(&mut bytes, "cpu");
        integer(&mut bytes, elements);
        bytes.extend(b"tQ"); // the storage, by these five
        integer(&mut bytes, 0); // its first element
        tuple(&mut bytes, &named.sizes);
        tuple(&mut bytes, &strides(&named.sizes));
        // No gradient, and no hooks.
        bytes.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    bytes.extend(b"u.");
    bytes
}

fn strides(sizes: &[i64]) -> Vec<i64> {
    let mut strides: Vec<i64> = sizes
        .iter()
        .rev()
        .scan(1, |all, &size| {
            let stride = *all;
            *all *= size.max(1);
            Some(stride)
        })
        .collect();
    strides.reverse();
    strides
}

/// BINUNICODE.
fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'X');
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// BININT, or LONG1 for what does not fit.
fn integer(bytes: &mut Vec<u8>, value: i64) {
    match i32::try_from(value) {
        Ok(value) => {
            bytes.push(b'J');
            bytes.extend(value.to_le_bytes());
        }
        Err(_) => {
            bytes.extend([0x8a, 8]);
            bytes.extend(value.to_le_bytes());
        }
    }
}

fn tuple(bytes: &mut Vec<u8>, values: &[i64]) {
    bytes.push(b'(');
    values.iter().for_each(|&value| integer(bytes, value));
    bytes.push(b't');
}
