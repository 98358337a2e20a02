//! How rows come to ranks: lanes are put together in classes, each class fills every so many-th micro-batch, each rank has
//! every so many-th class. So what a micro-batch holds knows nothing of ranks.
//!
//! ```text
//!  L lanes, global batches of B rows in M micro-batches, G = gcd(L, M) classes, R ranks
//!  lane l  -> class l mod G     class c -> micro-batches c, c + G, c + 2G …     class c -> rank c mod R
//! ```

use super::loader::LoaderSettings;
use super::mixture::gcd;
use super::sets::DataSets;
use crate::config::MicroBatch as MicroBatchSize;
use crate::error::Error;

/// The numbers that rows are dealt by.
#[derive(Debug, Clone)]
pub(super) struct Deal {
    pub(super) lanes: u32,
    pub(super) global_batch: u32,
    /// Rows of a micro-batch; with a budget of tokens, those of one that is full of the longest rows.
    pub(super) rows: u32,
    /// Pieces of a micro-batch at most, padding included.
    pub(super) tokens: Option<u32>,
    pub(super) classes: u32,
    pub(super) rank: u32,
    pub(super) ranks: u32,
    /// Global batches among which rows are grouped by length; 0 does not group.
    pub(super) group_batches: u32,
    pub(super) padding: Padding,
}

/// How wide a micro-batch is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padding {
    /// Rows are padded to a multiple of this.
    pub(super) multiple: usize,
    /// But never further than to this: a model has no more positions.
    pub(super) most: usize,
}

impl Padding {
    /// The width of rows of which the longest has `longest` pieces.
    pub(super) fn width(&self, longest: usize) -> usize {
        longest.next_multiple_of(self.multiple).min(self.most)
    }
}

impl Deal {
    /// Works the numbers out, or says which ones do not go together.
    pub(super) fn new(settings: &LoaderSettings, sets: &DataSets) -> Result<Deal, Error> {
        let (lanes, global_batch) = (settings.data.lanes, settings.global_batch);
        let padding =
            Padding { multiple: settings.data.pad_multiple.max(1) as usize, most: sets.max_seq_len() };
        let (rows, tokens) = micro_batch_rows(settings, padding.most)?;
        let micro_batches = global_batch / rows;
        let classes = gcd(u64::from(lanes), u64::from(micro_batches)) as u32;
        check_ranks(settings, rows, micro_batches)?;
        check_lanes(lanes, sets)?;
        let (rank, ranks) = (settings.rank, settings.ranks);
        let group_batches = settings.data.group_batches;
        Ok(Deal { lanes, global_batch, rows, tokens, classes, rank, ranks, group_batches, padding })
    }

    /// The classes of this rank.
    pub(super) fn own_classes(&self) -> impl Iterator<Item = u32> {
        (self.rank..self.classes).step_by(self.ranks as usize)
    }

    /// Rows of a class in a global batch.
    pub(super) fn class_rows(&self) -> u64 {
        u64::from(self.global_batch / self.classes)
    }
}

fn micro_batch_rows(settings: &LoaderSettings, longest: usize) -> Result<(u32, Option<u32>), Error> {
    let batch = settings.global_batch;
    match settings.micro_batch {
        MicroBatchSize::Rows(rows) if rows > 0 && batch > 0 && batch.is_multiple_of(rows) => Ok((rows, None)),
        MicroBatchSize::Rows(rows) => Err(Error::settings(format!(
            "`global_batch` = {batch} is no multiple of `micro_batch` = {rows}: change one of them"
        ))),
        MicroBatchSize::Tokens(tokens) if (tokens as usize) < longest => Err(Error::settings(format!(
            "`tokens_per_micro_batch` = {tokens} has no room for a row of {longest} pieces: take {longest} or more"
        ))),
        MicroBatchSize::Tokens(tokens) => {
            let rows = tokens / longest as u32;
            if batch > 0 && batch.is_multiple_of(rows) {
                return Ok((rows, Some(tokens)));
            }
            let good =
                (1..=rows).rev().find(|&rows| batch.is_multiple_of(rows)).unwrap_or(1) as usize * longest;
            Err(Error::settings(format!(
                "`tokens_per_micro_batch` = {tokens} holds {rows} rows of {longest} pieces, which do not divide \
                 `global_batch` = {batch}: take {good} tokens or another global batch"
            )))
        }
    }
}

fn check_ranks(settings: &LoaderSettings, rows: u32, micro_batches: u32) -> Result<(), Error> {
    let (ranks, rank, lanes) = (settings.ranks, settings.rank, settings.data.lanes);
    if rank >= ranks || lanes == 0 {
        return Err(Error::settings(format!(
            "rank {rank} of {ranks} ranks with {lanes} lanes: at least one"
        )));
    }
    let mut problems = Vec::new();
    if !lanes.is_multiple_of(ranks) {
        let good = lanes.next_multiple_of(ranks);
        problems.push(format!(
            "{ranks} ranks cannot share `data.lanes` = {lanes} evenly: take {good} lanes, or a number of ranks that \
             divides {lanes}"
        ));
    }
    if !micro_batches.is_multiple_of(ranks) {
        let (batch, good) = (settings.global_batch, rows.saturating_mul(ranks));
        problems.push(format!(
            "{ranks} ranks cannot share `global_batch` = {batch} in micro-batches of {rows} rows ({micro_batches} of \
             them): make it a multiple of {good}, or take smaller micro-batches"
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
}

fn check_lanes(lanes: u32, sets: &DataSets) -> Result<(), Error> {
    let mut problems = Vec::new();
    for set in sets.sets() {
        let rows = |copy| set.manifest.rows(quanci_shards::Split::Train, copy);
        let fewest = (0..set.manifest.copies).map(rows).min().unwrap_or(0);
        if fewest < u64::from(lanes) {
            let folder = set.folder.display();
            problems.push(format!(
                "`data.lanes` = {lanes}, but {folder} has only {fewest} rows: set it to {fewest} or fewer (the number \
                 of ranks must divide it)"
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
}
