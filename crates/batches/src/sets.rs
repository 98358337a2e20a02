//! The data sets of a phase: opened, and checked as far as that is cheap, before any training.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_cli::{IoError, causes};
use quanci_shards::manifest::{ShardEntry, VocabularyEntry};
use quanci_shards::mask::{MaskMode, MaskSettings};
use quanci_shards::{MANIFEST_FILE, Manifest, Objective, PackedRows, Split};
use quanci_store::{Cache, is_object};

use crate::batch::RowKey;
use crate::error::Error;
use crate::masking::MaskOverride;
use crate::settings::{DataSource, Verify};
use crate::verified::VerifiedFiles;

/// The data sets of a phase, which go together: one vocabulary, one objective.
#[derive(Debug)]
pub struct DataSets {
    sets: Vec<DataSet>,
    cache: Cache,
    /// None if files are trusted.
    verified: Option<VerifiedFiles>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct DataSet {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) weight: f64,
    /// How the rows to learn from are masked.
    pub(super) masks: MaskSettings,
    /// What random draws know it by.
    pub(super) key: u64,
}

/// A file as an index into the manifest's shards, and its rows.
pub(super) type FileRows = (u32, u64);

impl DataSets {
    /// Opens the data sets of a phase, whose files are checked by `verify` when they are read.
    ///
    /// # Errors
    /// Every problem that can be seen without reading shards, at once.
    pub fn open(
        sources: &[DataSource],
        masking: &MaskOverride,
        cache: &Cache,
        verify: Verify,
    ) -> Result<DataSets, Error> {
        let (mut sets, mut problems) = (Vec::new(), Vec::new());
        for source in sources {
            match DataSet::open(source, masking, &mut problems) {
                Ok(set) => sets.push(set),
                Err(error) => problems.push(error),
            }
        }
        // All are compared with the first, so the messages name it as the one to agree with.
        if let [first, others @ ..] = &sets[..] {
            others.iter().for_each(|other| first.goes_with(other, &mut problems));
        }
        match (problems.is_empty(), sets.is_empty()) {
            (true, false) => {
                let verified = (verify == Verify::Once).then(VerifiedFiles::default);
                Ok(DataSets { sets, cache: cache.clone(), verified })
            }
            (true, true) => Err(Error::settings("`data` is empty: name at least one data set")),
            (false, _) => Err(all_of(problems)),
        }
    }

    pub(super) fn sets(&self) -> &[DataSet] {
        &self.sets
    }

    fn first(&self) -> &DataSet {
        self.sets.first().expect("at least one was opened")
    }

    /// What an instance is, in all of them.
    pub fn objective(&self) -> Objective {
        self.first().manifest.objective
    }

    /// The vocabulary of all of them.
    pub fn vocabulary(&self) -> &VocabularyEntry {
        &self.first().manifest.vocabulary
    }

    /// The folder that the vocabulary's file is in, beside the tokenizer's files.
    pub fn vocabulary_folder(&self) -> &Path {
        &self.first().folder
    }

    /// Pieces in a row at most.
    pub fn max_seq_len(&self) -> usize {
        self.sets.iter().map(|set| set.manifest.max_seq_len as usize).max().unwrap_or(0)
    }

    /// Those that are a sample of their corpus (`quanci prepare --sample`), and the share of its documents that they have.
    pub fn samples(&self) -> impl Iterator<Item = (&Path, f64)> {
        self.sets.iter().filter_map(|set| Some((set.folder.as_path(), set.manifest.sample()?)))
    }

    /// The data id of each.
    pub fn data_ids(&self) -> Vec<&str> {
        self.sets.iter().map(|set| set.manifest.data_id.as_str()).collect()
    }

    /// How the rows to learn from are masked, in each.
    pub fn masks(&self) -> Vec<MaskSettings> {
        self.sets.iter().map(|set| set.masks).collect()
    }

    /// Rows of the first epoch (the first copy), in each.
    pub fn train_rows(&self) -> Vec<u64> {
        self.sets.iter().map(|set| set.manifest.rows(Split::Train, 0)).collect()
    }

    /// Tokens of the first epoch, in all of them.
    pub fn train_tokens(&self) -> u64 {
        let shards = self.sets.iter().flat_map(|set| set.manifest.shards_of(Split::Train, 0));
        shards.map(|shard| shard.tokens).sum()
    }

    /// Rows of the smallest copy of any of them.
    pub fn fewest_rows(&self) -> u64 {
        self.sets.iter().map(DataSet::fewest_rows).min().unwrap_or(0)
    }

    /// Rows set apart, in all of them.
    pub fn validation_rows(&self) -> u64 {
        self.sets.iter().map(|set| set.manifest.rows(Split::Validation, 0)).sum()
    }

    /// Reads and checks a row group of a file; its stored masks only if asked to. Of a data set in an object store, the
    /// whole file is fetched first, unless it is there.
    pub(super) fn read_group(
        &self,
        set: usize,
        file: usize,
        group: usize,
        masks: bool,
    ) -> Result<PackedRows, Error> {
        let DataSet { folder, manifest, .. } = &self.sets[set];
        let shard = &manifest.shards[file];
        let path = folder.join(&shard.path);
        let read = || {
            let local =
                self.cache.fetch(&path, shard.bytes, &shard.sha256).map_err(Error::io("fetch", &path))?;
            if let Some(verified) = &self.verified {
                verified.check(&local, shard)?;
            }
            PackedRows::read(&local, manifest, shard, group, masks).map_err(Error::from)
        };
        match read() {
            // Another process needed the room before we opened it.
            Err(
                Error::Shards(quanci_shards::Error::Io { source, .. }) | Error::Io(IoError { source, .. }),
            ) if source.kind() == ErrorKind::NotFound && is_object(&path) => read(),
            rows => rows,
        }
    }

    /// A row for a message: its file and its number.
    pub fn describe(&self, key: &RowKey) -> String {
        let set = self.sets.get(key.data_set as usize);
        let file =
            set.and_then(|set| Some(set.folder.join(&set.manifest.shards.get(key.file as usize)?.path)));
        file.map_or_else(|| format!("{key:?}"), |file| format!("{}, row {}", file.display(), key.row))
    }
}

impl DataSet {
    fn open(
        source: &DataSource,
        masking: &MaskOverride,
        problems: &mut Vec<Error>,
    ) -> Result<DataSet, Error> {
        let folder = source.path.clone();
        let manifest = quanci_shard_store::read_manifest(&folder);
        // Asked only after a failure: of an object store, this is a request.
        if manifest.is_err() && quanci_store::exists(&folder.join(MANIFEST_FILE)).is_ok_and(|there| !there) {
            let message = format!("no manifest.json: no finished data set; {}", source.how_to_make());
            return Err(Error::input(folder, message));
        }
        let manifest = manifest?;
        let masks = masking
            .apply(manifest.masking, manifest.max_seq_len)
            .map_err(|problem| Error::settings(format!("{problem} ({})", folder.display())))?;
        let key = manifest.data_key();
        let set = DataSet { folder, manifest, weight: source.weight, masks, key };
        set.check_counts(problems);
        set.check_files(problems)?;
        Ok(set)
    }

    /// What the manifest's own rules do not ask for.
    fn check_counts(&self, problems: &mut Vec<Error>) {
        let mut problem = |message: String| problems.push(Error::input(&self.folder, message));
        for copy in 0..self.manifest.copies {
            if self.manifest.rows(Split::Train, copy) == 0 {
                problem(format!("copy {copy} has no rows to learn from; make the data set of more text"));
            }
        }
    }

    /// Objects are listed once, for a data set has thousands.
    fn check_files(&self, problems: &mut Vec<Error>) -> Result<(), Error> {
        let mut sizes = BTreeMap::new();
        if is_object(&self.folder) {
            let listed = quanci_store::list(&self.folder).map_err(Error::io("list", &self.folder))?;
            sizes.extend(listed.into_iter().map(|entry| (entry.path, entry.bytes)));
        }
        let missing = || std::io::Error::from(ErrorKind::NotFound);
        for shard in &self.manifest.shards {
            let path = self.folder.join(&shard.path);
            let found = match is_object(&path) {
                true => sizes.get(&path).copied().ok_or_else(missing),
                false => fs::metadata(&path).map(|metadata| metadata.len()),
            };
            problems.extend(self.file_problem(shard, &path, found));
        }
        Ok(())
    }

    fn file_problem(&self, shard: &ShardEntry, path: &Path, found: std::io::Result<u64>) -> Option<Error> {
        match found {
            Err(error) => Some(Error::io("find", path)(error)),
            // The size is checked for every file at the start; its SHA-256 when it is first read.
            Ok(found) if found != shard.bytes => {
                let said = shard.bytes;
                let message =
                    format!("{found} bytes; the manifest says {said}: fetch or make the data set again");
                Some(Error::input(path, message))
            }
            Ok(_) => None,
        }
    }

    fn goes_with(&self, other: &DataSet, problems: &mut Vec<Error>) {
        let first = self.folder.display();
        if other.manifest.vocabulary.sha256 != self.manifest.vocabulary.sha256 {
            let message = format!("its vocabulary is not that of {first}: prepare both with the same one");
            problems.push(Error::input(&other.folder, message));
        }
        let objectives = (other.manifest.objective, self.manifest.objective);
        if objectives.0 != objectives.1 {
            let message = format!("its objective is {:?}, that of {first} {:?}", objectives.0, objectives.1);
            problems.push(Error::input(&other.folder, message + ": prepare both with the same one"));
        }
    }

    /// Rows of the smallest copy: copies differ by a few rows, since pairs are drawn anew for each.
    pub(super) fn fewest_rows(&self) -> u64 {
        (0..self.manifest.copies).map(|copy| self.manifest.rows(Split::Train, copy)).min().unwrap_or(0)
    }

    /// The masks that are stored are the ones to learn from.
    pub(super) fn stored_masks(&self) -> bool {
        self.masks.mode == MaskMode::Static
    }

    /// The copy that an epoch reads.
    pub(super) fn copy_of(&self, epoch: u64) -> u32 {
        (epoch % u64::from(self.manifest.copies)) as u32
    }

    /// The files of a split and copy.
    pub(super) fn files(&self, split: Split, copy: u32) -> Vec<FileRows> {
        let shards = (0..).zip(&self.manifest.shards);
        let wanted = shards.filter(|(_, shard)| (shard.split, shard.copy) == (split, copy));
        wanted.map(|(file, shard)| (file, shard.rows)).collect()
    }
}

/// One error that tells of all.
fn all_of(mut problems: Vec<Error>) -> Error {
    if problems.len() == 1 {
        return problems.remove(0);
    }
    let texts = problems.iter().map(|error| causes(error, ": ")).collect::<Vec<_>>();
    if problems.iter().all(|problem| matches!(problem, Error::Settings(_))) {
        return Error::Settings(texts);
    }
    let [first, others @ ..] = &texts[..] else { unreachable!("there are problems") };
    let path = problems.iter().find_map(place).unwrap_or_default();
    let named = format!("{}: ", path.display());
    let first = first.strip_prefix(&named).unwrap_or(first);
    Error::Input { path, message: format!("{first}\n  {}", others.join("\n  ")) }
}

fn place(error: &Error) -> Option<PathBuf> {
    use quanci_shards::Error::{Format, Io, Parquet};
    match error {
        Error::Io(IoError { path, .. }) | Error::Input { path, .. } => Some(path.clone()),
        Error::Shards(Format { path, .. } | Io { path, .. } | Parquet { path, .. }) => Some(path.clone()),
        _ => None,
    }
}
