//! Writes a checkpoint: the numbers one variable after the other, then the index. TensorFlow reads it bit for bit; the graph,
//! `PREFIX.meta`, is not written, since nothing that reads weights by their names opens it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use quanci_tfrecord::masked_crc;
use tch::Tensor;

use super::prefix;
use super::proto::{BundleEntry, BundleHeader, DT_FLOAT, Shape, Version};
use super::table_writer::TableWriter;
use crate::error::Error;
use crate::model::architecture::Architecture;
use crate::model::float_bytes::float_bytes;

/// The file that names the prefix.
pub(in crate::model) const CHECKPOINT_FILE: &str = prefix::CHECKPOINT;

/// The prefix that Google's archives have.
pub(in crate::model) fn prefix_of(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Bert => "bert_model.ckpt",
        Architecture::Albert => "model.ckpt-best",
    }
}

/// The content of [`CHECKPOINT_FILE`].
pub(in crate::model) fn checkpoint_file(prefix: &str) -> String {
    format!("model_checkpoint_path: \"{prefix}\"\nall_model_checkpoint_paths: \"{prefix}\"\n")
}

/// A checkpoint that grows. Variables come in the order of their names' bytes.
#[derive(Debug)]
pub(in crate::model) struct BundleWriter {
    prefix: PathBuf,
    path: PathBuf,
    data: BufWriter<File>,
    index: TableWriter,
    offset: i64,
}

impl BundleWriter {
    /// A new checkpoint at a prefix.
    ///
    /// # Errors
    /// If the file of data cannot be created.
    pub(in crate::model) fn create(prefix: &Path) -> Result<BundleWriter, Error> {
        let path = prefix::with(prefix, ".data-00000-of-00001");
        let data = BufWriter::new(File::create(&path).map_err(Error::io("create", &path))?);
        let mut index = TableWriter::default();
        let version = Some(Version { producer: 1, min_consumer: 0 });
        index.add(b"", &BundleHeader { num_shards: 1, endianness: 0, version }.encode_to_vec());
        Ok(BundleWriter { prefix: prefix.to_path_buf(), path, data, index, offset: 0 })
    }

    /// Writes a variable in single precision; its name is greater than those before it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::model) fn add(&mut self, name: &str, tensor: &Tensor) -> Result<(), Error> {
        let bytes = float_bytes(tensor)?;
        let entry = BundleEntry {
            dtype: DT_FLOAT,
            shape: Some(Shape::of(&tensor.size())),
            shard_id: 0,
            offset: self.offset,
            size: bytes.len() as i64,
            crc32c: masked_crc(&bytes),
            slices: Vec::new(),
        };
        self.index.add(name.as_bytes(), &entry.encode_to_vec());
        self.offset += bytes.len() as i64;
        self.data.write_all(&bytes).map_err(Error::io("write", &self.path))
    }

    /// Writes the index, which makes the checkpoint whole.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(in crate::model) fn finish(self) -> Result<(), Error> {
        let BundleWriter { prefix, path, data, index, .. } = self;
        let data = data.into_inner().map_err(|error| error.into_error());
        data.and_then(|data| data.sync_all()).map_err(Error::io("write", &path))?;
        let path = prefix::with(&prefix, prefix::INDEX);
        quanci_store::local::write_synced(&path, &index.finish()).map_err(Error::io("write", &path))
    }
}
