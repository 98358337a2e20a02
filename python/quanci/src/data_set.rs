//! A finished data set: its manifest, its vocabulary, its rows by index.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use quanci_batches::masking_keys;
use quanci_cli::guarded;
use quanci_pipeline::error::Error;
use quanci_pipeline::view;
use quanci_shards::mask::{Masker, Masks, dynamic_mask_rng, replacements};
use quanci_shards::rng::Rng;
use quanci_shards::{Manifest, PackedRows, ROW_GROUP_ROWS, Row, Rows, Split};
use quanci_store::Cache;

use crate::errors::OrRaise;
use crate::settings::of_arguments;

/// Positions of masked tokens, and what the model sees there.
type Drawn = (Vec<u32>, Vec<u32>);

/// A finished data set.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct DataSet {
    folder: PathBuf,
    manifest: Manifest,
    cache: Cache,
    /// The row group that was read last: rows are often asked for one after the other.
    last: Mutex<Option<(RowPlace, Rows)>>,
}

/// Where a row group or a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RowPlace {
    /// Index of the file in the manifest.
    file: usize,
    group: usize,
}

/// The folder or URL as it is meant in the working directory.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, Error> {
    let here = std::env::current_dir().map_err(Error::io("find", "the working directory"))?;
    Ok(quanci_settings::join(&here, path))
}

/// A split by its name.
pub(crate) fn split(name: &str) -> Result<Split, Error> {
    match name {
        "train" => Ok(Split::Train),
        "validation" => Ok(Split::Validation),
        _ => Err(Error::settings(format!("`split` must be \"train\" or \"validation\", not {name:?}"))),
    }
}

/// Local copies of data sets in object stores.
pub(crate) fn cache(folder: Option<PathBuf>, gb: u64) -> Cache {
    Cache::new(folder, gb.saturating_mul(1_000_000_000))
}

#[pymethods]
impl DataSet {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, cache_folder: Option<PathBuf>, cache_gb: u64) -> PyResult<DataSet> {
        let opened = py.detach(|| {
            let folder = folder(&path)?;
            Ok::<_, Error>((quanci_shard_store::read_manifest(&folder)?, folder))
        });
        let (manifest, folder) = opened.or_raise(py)?;
        Ok(DataSet { folder, manifest, cache: cache(cache_folder, cache_gb), last: Mutex::new(None) })
    }

    /// The folder or URL: a `str`, since Python's `Path` makes one slash of the two in `s3://`.
    #[getter]
    fn folder(&self) -> OsString {
        self.folder.clone().into_os_string()
    }

    /// The manifest as JSON.
    fn manifest_json(&self) -> String {
        self.manifest.to_json()
    }

    /// The entries of the vocabulary in the order of their ids.
    fn vocabulary(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        // The file is compared with the manifest: another vocabulary of this size would give plausible, but wrong tokens.
        let pieces = py.detach(|| {
            let data = view::DataSet::open(&self.folder)?;
            Ok::<_, Error>(data.vocabulary().pieces().map(str::to_owned).collect())
        });
        pieces.or_raise(py)
    }

    /// Rows of a copy of a split.
    fn rows(&self, py: Python<'_>, name: &str, copy: u32) -> PyResult<u64> {
        Ok(self.manifest.rows(split(name).or_raise(py)?, copy))
    }

    /// The files of a copy of a split, on this machine: of a data set in an object store, copies in the cache.
    fn files(&self, py: Python<'_>, name: &str, copy: u32) -> PyResult<Vec<PathBuf>> {
        let split = split(name).or_raise(py)?;
        let fetched = py.detach(|| {
            let shards = self.manifest.shards_of(split, copy);
            shards.map(|shard| self.local(shard)).collect::<Result<Vec<_>, Error>>()
        });
        fetched.or_raise(py)
    }

    /// A row as a dict with the columns of the file.
    fn row<'py>(&self, py: Python<'py>, name: &str, copy: u32, index: u64) -> PyResult<Bound<'py, PyDict>> {
        let (place, row) = self.place(py, name, copy, index)?;
        // All without the interpreter's lock: another thread may hold the row group, and wait for that lock.
        let columns = py.detach(|| self.columns(place, row));
        columns.or_raise(py)?.dict(py)
    }

    /// The masks of a row that the trainer draws in an epoch of a run with this seed: positions, and what the model sees
    /// there. `masking` is the run's `[masking]` as JSON.
    #[expect(clippy::too_many_arguments, reason = "called from one place in Python")]
    fn draw_masks(
        &self,
        py: Python<'_>,
        name: &str,
        copy: u32,
        index: u64,
        seed: u64,
        epoch: u64,
        masking: &str,
    ) -> PyResult<Drawn> {
        let (place, row) = self.place(py, name, copy, index)?;
        let drawn = py.detach(|| self.drawn(place, row, seed, epoch, masking));
        drawn.or_raise(py)
    }
}

impl DataSet {
    fn path(&self, file: usize) -> PathBuf {
        self.folder.join(&self.manifest.shards[file].path)
    }

    fn local(&self, shard: &quanci_shards::manifest::ShardEntry) -> Result<PathBuf, Error> {
        let path = self.folder.join(&shard.path);
        self.cache.fetch(&path, shard.bytes, &shard.sha256).map_err(Error::io("fetch", &path))
    }

    /// Where a row is: its row group, and its number there.
    fn place(&self, py: Python<'_>, name: &str, copy: u32, index: u64) -> PyResult<(RowPlace, usize)> {
        let split = split(name).or_raise(py)?;
        let mut left = index;
        for (file, shard) in self.manifest.shards.iter().enumerate() {
            if (shard.split, shard.copy) != (split, copy) {
                continue;
            }
            if left < shard.rows {
                let (group, row) = (left as usize / ROW_GROUP_ROWS, left as usize % ROW_GROUP_ROWS);
                return Ok((RowPlace { file, group }, row));
            }
            left -= shard.rows;
        }
        let rows = self.manifest.rows(split, copy);
        Err(PyIndexError::new_err(format!("row {index} of {rows} in copy {copy} of the split {name:?}")))
    }

    fn columns(&self, place: RowPlace, row: usize) -> Result<Columns, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(held, _)| *held != place) {
            *last = Some((place, self.group(place)?));
        }
        let (_, rows) = last.as_ref().expect("read above");
        if row >= rows.len() {
            let message = "has fewer rows than its manifest says: fetch or make the data set again";
            return Err(Error::input(self.path(place.file), message));
        }
        Ok(Columns::of(rows.get(row)))
    }

    /// The rows of a row group.
    fn group(&self, RowPlace { file, group }: RowPlace) -> Result<Rows, Error> {
        let shard = &self.manifest.shards[file];
        // `parquet` panics on some damaged pages.
        let read = guarded(|| {
            let groups = Some(group..group + 1);
            let mut reader = quanci_shard_store::open_shard(&self.folder, &self.manifest, shard, groups)?;
            reader.next().transpose()
        });
        let damaged = || Error::input(self.path(file), "damaged: fetch or make the data set again");
        read.ok_or_else(damaged)??.ok_or_else(damaged)
    }

    fn drawn(
        &self,
        place: RowPlace,
        row: usize,
        seed: u64,
        epoch: u64,
        masking: &str,
    ) -> Result<Drawn, Error> {
        let RowPlace { file, group } = place;
        let (manifest, shard) = (&self.manifest, &self.manifest.shards[file]);
        let changed = of_arguments(masking, |root| masking_keys(root.section("masking")))?;
        let settings = changed.apply(manifest.masking, manifest.max_seq_len).map_err(Error::settings)?;
        let packed = PackedRows::read(&self.local(shard)?, manifest, shard, group, false)?;
        let mut masks = Masks::default();
        let vocabulary = &manifest.vocabulary;
        let random = replacements(vocabulary.size, &vocabulary.reserved);
        let number = (group * ROW_GROUP_ROWS + row) as u64;
        let mut rng: Rng = dynamic_mask_rng(seed, epoch, manifest.data_key(), file as u64, number);
        Masker::new(settings, vocabulary.specials.mask, random).draw(packed.view(row), &mut rng, &mut masks);
        Ok((masks.positions, masks.inputs))
    }
}

/// The columns of a row.
struct Columns {
    input_ids: Vec<i32>,
    segment_b: Option<i32>,
    word_starts: Vec<bool>,
    next_sentence_label: Option<i8>,
    /// Positions, and what the model sees there.
    masks: Option<(Vec<i32>, Vec<i32>)>,
    document: u64,
    source: String,
}

impl Columns {
    fn of(row: Row<'_>) -> Columns {
        let Row { input_ids, segment_b, word_starts, next_sentence_label, masks, document, source } = row;
        Columns {
            input_ids: input_ids.to_vec(),
            segment_b,
            word_starts,
            next_sentence_label,
            masks: masks.map(|(positions, inputs)| (positions.to_vec(), inputs.to_vec())),
            document,
            source: source.to_owned(),
        }
    }

    fn dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let (positions, inputs) = self.masks.unzip();
        let dict = PyDict::new(py);
        dict.set_item("input_ids", self.input_ids)?;
        dict.set_item("segment_b", self.segment_b)?;
        dict.set_item("word_starts", self.word_starts)?;
        dict.set_item("next_sentence_label", self.next_sentence_label)?;
        dict.set_item("masked_lm_positions", positions)?;
        dict.set_item("masked_lm_inputs", inputs)?;
        dict.set_item("document", self.document)?;
        dict.set_item("source", self.source)?;
        Ok(dict)
    }
}
