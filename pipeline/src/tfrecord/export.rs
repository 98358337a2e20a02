//! Shards to files of records. Each file is written by itself, a row group at a time: memory does not grow with the data, and
//! no byte depends on the number of threads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use quanci_shards::manifest::Objective;
use quanci_shards::mask::MaskMode;
use quanci_shards::{MANIFEST_FILE, Split};
use quanci_tfrecord::frame;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::folder::{self, Manifest, RecordFile, VOCABULARY};
use super::instance::{Instance, Lengths};
use super::shares::{Shares, Unit};
use crate::error::Error;
use crate::view::{DataSet, MaskSource, SoundRow, read_rows};
use crate::work::Attempt;

/// What to write.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which rows.
    pub split: Split,
    /// How many times; by default as often as the data set has copies.
    pub epochs: Option<u64>,
    /// Seed of dynamic masks.
    pub seed: u64,
    /// Into how many files; by default as many as an epoch has shards.
    pub files: Option<u32>,
    /// Whether files that were written before may be replaced.
    pub force: bool,
}

/// The most files: their names have five digits.
const MAX_FILES: u32 = 99_999;

/// What was written.
#[derive(Debug)]
pub struct Exported {
    /// The manifest.
    pub manifest: Manifest,
    /// What should be known of it.
    pub warnings: Vec<String>,
}

/// Writes the rows of a data set into files of records in the folder `output`, on the current thread pool.
///
/// # Errors
/// If the settings do not fit the data set, something is in the way, a row is damaged, or a file cannot be written.
pub fn export(data: &DataSet, output: &Path, settings: &Settings) -> Result<Exported, Error> {
    let epochs = checked_epochs(data, settings)?;
    let manifest = data.manifest();
    folder::check_place(data.folder(), output, settings.force)?;
    let shares = Shares::new(manifest, settings.split, epochs, settings.files);
    let lengths =
        Lengths { row: manifest.max_seq_len as usize, masks: manifest.masking.max_predictions as usize };
    let attempt = Attempt::new(&folder::real_output(output)?)?;
    attempt.create_folder()?;
    let writer = FileWriter { data, shares: &shares, lengths, seed: settings.seed, folder: attempt.path() };
    let written: Result<Vec<RecordFile>, Error> =
        (0..shares.files()).into_par_iter().map(|file| writer.write(file)).collect();
    let vocabulary = data.vocabulary_bytes()?;
    let path = attempt.path().join(VOCABULARY);
    quanci_store::local::write_synced(&path, &vocabulary).map_err(Error::io("write", &path))?;
    let is_dynamic = manifest.masking.mode == MaskMode::Dynamic;
    let made = Manifest {
        data_id: manifest.data_id.clone(),
        split: settings.split,
        epochs,
        seed: is_dynamic.then_some(settings.seed),
        max_seq_length: manifest.max_seq_len,
        max_predictions_per_seq: manifest.masking.max_predictions,
        vocabulary_sha256: manifest.vocabulary.sha256.clone(),
        files: written?,
        ..Manifest::default()
    };
    let manifest = folder::publish(attempt, made, settings.force)?;
    Ok(Exported { manifest, warnings: warnings(data) })
}

fn checked_epochs(data: &DataSet, settings: &Settings) -> Result<u64, Error> {
    let manifest = data.manifest();
    let is_static = manifest.masking.mode == MaskMode::Static;
    let copies = if settings.split == Split::Train { u64::from(manifest.copies.max(1)) } else { 1 };
    let epochs = settings.epochs.unwrap_or(copies);
    let mut problems = Vec::new();
    if epochs == 0 {
        problems.push("--epochs 0: nothing would be written".to_owned());
    }
    if is_static && epochs > copies {
        problems.push(format!(
            "--epochs {epochs}: the masks are stored with the rows, of which there are {copies} copies, so that rows would come \
             again as they are; give {copies} or less, or prepare the data with more `instances.copies`"
        ));
    }
    if settings.files.is_some_and(|files| !(1..=MAX_FILES).contains(&files)) {
        problems.push(format!("--files must lie between 1 and {MAX_FILES}"));
    }
    if manifest.rows(settings.split, 0) == 0 {
        problems.push("the data set has no rows of this split; choose the other with --split".to_owned());
    }
    if problems.is_empty() { Ok(epochs) } else { Err(Error::Settings(problems)) }
}

/// What Google's trainers take for something else.
fn warnings(data: &DataSet) -> Vec<String> {
    let manifest = data.manifest();
    let mut warnings = Vec::new();
    match manifest.objective {
        Objective::Nsp => {}
        Objective::Sop => warnings.push(
            "the pairs' labels are of sentence order (1 = swapped), which a trainer reads as of the next sentence (1 = random)"
                .to_owned(),
        ),
        Objective::Mlm => warnings.push(
            "the rows are no pairs: every label of the next sentence is 0, and its loss should not be trained on".to_owned(),
        ),
    }
    let pad = manifest.vocabulary.specials.pad;
    if pad != 0 {
        warnings.push(format!(
            "[PAD] is entry {pad} of the vocabulary, and these files are padded with 0 (the mask of the input leaves it out)"
        ));
    }
    warnings
}

/// Writes files.
struct FileWriter<'a> {
    data: &'a DataSet,
    shares: &'a Shares,
    lengths: Lengths,
    seed: u64,
    folder: &'a Path,
}

impl FileWriter<'_> {
    fn write(&self, file: usize) -> Result<RecordFile, Error> {
        let name = folder::file_name(file, self.shares.files());
        let path = self.folder.join(&name);
        let mut records = Records::create(path)?;
        // Counted over all units where rows are dealt out one by one.
        let mut dealt = 0u64;
        for unit in self.shares.units(file) {
            self.add(file, unit, &mut dealt, &mut records)?;
        }
        records.finish(name)
    }

    fn add(&self, file: usize, unit: Unit, dealt: &mut u64, records: &mut Records) -> Result<(), Error> {
        let manifest = self.data.manifest();
        let mut masks = MaskSource::new(manifest, &self.data.folder().join(MANIFEST_FILE), self.seed)?;
        masks.set_epoch(unit.epoch);
        let shard = &manifest.shards[unit.shard];
        let path = self.data.folder().join(&shard.path);
        read_rows(self.data.folder(), manifest, shard, None, 0, |number, row| {
            let is_ours = self.shares.takes(file, *dealt);
            *dealt += 1;
            if is_ours {
                let row = SoundRow::sound(row, manifest, &path, number)?;
                let made = instance(&row, &mut masks, unit.shard, number).to_example(self.lengths);
                let made = made.map_err(|problem| Error::Damaged {
                    path: path.clone(),
                    message: format!("row {number}: {problem}"),
                })?;
                records.add(&made.encode())?;
            }
            Ok(true)
        })
    }
}

fn instance(row: &SoundRow<'_>, masks: &mut MaskSource, shard: usize, number: u64) -> Instance {
    let mut input_ids: Vec<i64> = row.ids.iter().map(|&id| i64::from(id)).collect();
    let drawn = masks.masks(row, shard, number);
    let labels = drawn.positions.iter().map(|&at| i64::from(row.ids[at as usize])).collect();
    for (&at, &input) in drawn.positions.iter().zip(&drawn.inputs) {
        input_ids[at as usize] = i64::from(input);
    }
    let b = row.segment_b.unwrap_or(row.ids.len());
    Instance {
        segment_ids: (0..row.ids.len()).map(|at| i64::from(at >= b)).collect(),
        positions: drawn.positions.iter().map(|&at| i64::from(at)).collect(),
        labels,
        input_ids,
        pair: row.label.map_or(0, i64::from),
    }
}

/// A file of records that grows.
struct Records {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    instances: u64,
}

impl Records {
    fn create(path: PathBuf) -> Result<Records, Error> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(Records { path, file: BufWriter::new(file), hash: Sha256::new(), bytes: 0, instances: 0 })
    }

    fn add(&mut self, content: &[u8]) -> Result<(), Error> {
        let record = frame(content);
        self.hash.update(&record);
        self.bytes += record.len() as u64;
        self.instances += 1;
        self.file.write_all(&record).map_err(Error::io("write", &self.path))
    }

    fn finish(self, name: String) -> Result<RecordFile, Error> {
        let Records { path, file, hash, bytes, instances } = self;
        let file = file.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all()).map_err(Error::io("write", &path))?;
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(RecordFile { path: name, instances, bytes, sha256 })
    }
}
