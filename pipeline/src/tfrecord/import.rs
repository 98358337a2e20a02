//! Files of records to a data set, for text that is there in this form alone. A file becomes a shard, with its rows in their order
//! (create_pretraining_data.py has shuffled them) and their masks; what a word is, the files do not say.
//!
//! Every file is read twice: first all of them are checked and hashed, so that nothing is written of records that cannot be taken,
//! then they are written. Memory does not grow with them, and no byte depends on the number of threads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quanci_shards::manifest::{FileEntry, sha256};
use quanci_shards::mask::{MaskMode, MaskSettings, MaskUnit, Replace};
use quanci_shards::{FORMAT_VERSION, FileKeys, MANIFEST_FILE, Manifest, Objective, Split};
use quanci_store::{is_object, local};

use super::folder::real_output;
use super::instance::Lengths;
use super::part::{Part, SOURCE};
use super::records::same_lengths;
use super::rows::RowRules;
use crate::config::{Han, TokenizeSettings};
use crate::counters::Counters;
use crate::error::Error;
use crate::jobs::prepare::data_card;
use crate::view::verify::IMPORTED;
use crate::vocab::file::Vocabulary;
use crate::vocab::write::TokenizerFiles;
use crate::work::{self, Attempt};

/// What to make of the records.
#[derive(Debug, Clone)]
pub struct ImportSettings<'a> {
    /// Files of records for training, and folders of them.
    pub records: &'a [PathBuf],
    /// Those for validation.
    pub validation: &'a [PathBuf],
    /// The vocabulary whose ids they hold.
    pub vocabulary: &'a Path,
    /// What their labels mean.
    pub objective: Objective,
    /// Whether the text was not lower-cased.
    pub is_cased: bool,
}

/// What was made.
#[derive(Debug)]
pub struct Imported {
    /// The data set.
    pub manifest: Manifest,
    /// What should be known of it.
    pub warnings: Vec<String>,
}

/// The share of masked tokens that create_pretraining_data.py has by default.
const USUAL_SHARE: f64 = 0.15;

/// Writes a data set of records to the folder `output`, on the current thread pool.
///
/// # Errors
/// If a record is damaged or no row of the objective, something is in the way, or a file cannot be written.
pub fn import(output: &Path, settings: &ImportSettings<'_>) -> Result<Imported, Error> {
    check_place(output)?;
    let vocabulary = Vocabulary::read(settings.vocabulary)?;
    let rules = RowRules::new(&vocabulary, settings.objective);
    let [train, validation] = [(Split::Train, settings.records), (Split::Validation, settings.validation)]
        .map(|(split, places)| Part::read(split, places, &rules));
    let (mut train, mut validation) = (train?, validation?);
    let all = || train.files.iter().chain(&validation.files).map(PathBuf::as_path);
    let read = train.read.iter().chain(&validation.read).map(|(file, _)| file);
    let lengths = same_lengths(all().zip(read), None)?;
    let lengths = lengths.ok_or_else(|| Error::settings("the files hold no record".to_owned()))?;
    let mut warnings: Vec<String> = vocabulary.warnings().to_vec();
    warnings.extend([&mut train, &mut validation].into_iter().flat_map(Part::leave_out_empty));
    if train.files.is_empty() {
        return Err(Error::settings("the files for training hold no record".to_owned()));
    }
    check_apart(&train, &validation)?;
    warnings.push(
        "these files do not say what a word is: every token without ## begins one, and masks are of single tokens".to_owned(),
    );

    let described = described(settings, &vocabulary, lengths, [&train, &validation]);
    let data_id = sha256(described.to_string().as_bytes())[..32].to_owned();
    let attempt = Attempt::new(&real_output(output)?)?;
    attempt.create_folder()?;
    let keys = FileKeys { data_id: data_id.clone(), vocabulary_sha256: vocabulary.sha256() };
    let folder = attempt.path();
    let (trained, held_out) = (train.write(&rules, folder, &keys)?, validation.write(&rules, folder, &keys)?);
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        data_id,
        vocabulary: vocabulary.entry(),
        objective: settings.objective,
        max_seq_len: lengths.row as u32,
        copies: 1,
        masking: masking(lengths, [&train, &validation]),
        settings: described,
        counters: serde_json::to_value(Counters {
            train: trained.counters,
            validation: held_out.counters,
            ..Counters::default()
        })
        .expect("counters have string keys only"),
        shards: trained.shards.into_iter().chain(held_out.shards).collect(),
        files: Vec::new(),
        checksum: String::new(),
    };
    manifest.files = write_files(folder, &manifest, &vocabulary, settings)?;
    let manifest = manifest.sealed();
    // What no reader would take is not published: rows of a million tokens, say.
    Manifest::check(output, Ok(manifest.to_json().into_bytes()))?;
    write(folder, MANIFEST_FILE, manifest.to_json().as_bytes())?;
    for name in ["copy-00", "validation"].map(|name| folder.join(name)) {
        if name.is_dir() {
            local::sync_folder(&name).map_err(Error::io("write", &name))?;
        }
    }
    attempt.commit_folder(MANIFEST_FILE, |_| None)?;
    let there = quanci_shard_store::read_manifest(output)?;
    if there != manifest {
        let message = format!("another data set (data id {}) appeared there meanwhile", there.data_id);
        return Err(Error::Output { path: output.to_path_buf(), message });
    }
    Ok(Imported { manifest, warnings })
}

/// Fails unless the folder can be made: nothing is replaced.
fn check_place(output: &Path) -> Result<(), Error> {
    let failed = |message: String| Err(Error::Output { path: output.to_path_buf(), message });
    if is_object(output) {
        return failed(
            "a data set is imported into a folder of this machine: name one, and copy it then".to_owned(),
        );
    }
    let place = real_output(output)?;
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    work::sweep(local::parent(&place), Some(&name))?;
    let entries: Vec<String> = work::entries(output)?.into_iter().collect();
    if entries.is_empty() {
        return Ok(());
    }
    failed(format!("is not empty ({}); name another folder", work::listed(output, &entries)))
}

/// Fails if a file for validation has the records of one for training, whatever both are called.
fn check_apart(train: &Part, validation: &Part) -> Result<(), Error> {
    let by_content: BTreeMap<&str, &PathBuf> =
        train.read.iter().map(|(file, _)| file.sha256.as_str()).zip(&train.files).collect();
    for ((read, _), file) in validation.read.iter().zip(&validation.files) {
        if let Some(same) = by_content.get(read.sha256.as_str()) {
            return Err(Error::settings(format!(
                "{} has the records of {}, which would be for training and for validation",
                file.display(),
                same.display()
            )));
        }
    }
    Ok(())
}

/// How the data set came to be: the same for the same records, whatever they are called.
fn described(
    settings: &ImportSettings<'_>,
    vocabulary: &Vocabulary,
    lengths: Lengths,
    parts: [&Part; 2],
) -> serde_json::Value {
    let [records, validation] =
        parts.map(|part| part.read.iter().map(|(file, _)| file.sha256.as_str()).collect::<Vec<_>>());
    serde_json::json!({
        "corpus": [{ "name": SOURCE }],
        IMPORTED: { "format": SOURCE, "records": records, "validation": validation },
        "instances": { "objective": settings.objective, "max_seq_len": lengths.row, "rules": "google" },
        "masking": masking(lengths, parts),
        "tokenize": { "lowercase": !settings.is_cased },
        "vocab": vocabulary.sha256(),
    })
}

/// Masks of single tokens, of so large a share that all rows keep to it.
fn masking(lengths: Lengths, parts: [&Part; 2]) -> MaskSettings {
    let shares = parts.into_iter().flat_map(|part| part.read.iter().map(|(_, share)| *share));
    MaskSettings {
        mode: MaskMode::Static,
        unit: MaskUnit::Piece,
        prob: shares.fold(USUAL_SHARE, f64::max),
        max_predictions: lengths.masks as u32,
        replace: Replace::default(),
    }
}

/// The tokenizer's files and the card, as the manifest lists them.
fn write_files(
    folder: &Path,
    manifest: &Manifest,
    vocabulary: &Vocabulary,
    settings: &ImportSettings<'_>,
) -> Result<Vec<FileEntry>, Error> {
    let tokenize =
        TokenizeSettings { lowercase: !settings.is_cased, han: Han::Characters, plain_marks: false };
    let tokenizer = TokenizerFiles::new(vocabulary, &tokenize)?;
    let card = data_card(manifest);
    let mut entries = Vec::new();
    for (name, bytes) in tokenizer.named().into_iter().chain([("README.md", card.as_bytes())]) {
        write(folder, name, bytes)?;
        entries.push(FileEntry { path: name.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = folder.join(name);
    local::write_synced(&path, bytes).map_err(Error::io("write", &path))
}
