//! Which rows go into which file: a function of the data set, the epochs and the number of files alone.

use quanci_shards::{Manifest, Split};

/// A shard in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) epoch: u64,
    /// The shard's place in the manifest.
    pub(super) shard: usize,
}

/// How rows are divided among files.
#[derive(Debug)]
pub(super) struct Shares {
    units: Vec<Unit>,
    files: usize,
}

impl Shares {
    /// Of so many epochs; by default as many files as an epoch has shards.
    pub(super) fn new(manifest: &Manifest, split: Split, epochs: u64, files: Option<u32>) -> Shares {
        let copies = u64::from(manifest.copies.max(1));
        let of_epoch = |epoch: u64| {
            // Validation rows have one copy.
            let copy = if split == Split::Train { epoch % copies } else { 0 };
            let own = manifest.shards.iter().enumerate();
            let own = own.filter(move |(_, shard)| shard.split == split && u64::from(shard.copy) == copy);
            own.map(move |(shard, _)| Unit { epoch, shard })
        };
        let units: Vec<Unit> = (0..epochs).flat_map(of_epoch).collect();
        let default = units.iter().filter(|unit| unit.epoch == 0).count().max(1);
        Shares { units, files: files.map_or(default, |files| files as usize) }
    }

    /// How many files there are.
    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// The units that a file takes rows of.
    pub(super) fn units(&self, file: usize) -> impl Iterator<Item = Unit> {
        let whole = self.takes_whole_units();
        let own =
            self.units.iter().enumerate().filter(move |(number, _)| !whole || number % self.files == file);
        own.map(|(_, unit)| *unit)
    }

    /// True if a file takes whole shards, in turn. With more files than shards, each reads all of them and takes rows in turn.
    fn takes_whole_units(&self) -> bool {
        self.files <= self.units.len()
    }

    /// True if a file takes the row with this number, among those of its units.
    pub(super) fn takes(&self, file: usize, number: u64) -> bool {
        self.takes_whole_units() || number % self.files as u64 == file as u64
    }
}
