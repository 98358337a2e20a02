//! How rows come to ranks: lanes make up virtual ranks, each virtual rank fills every so many-th micro-batch, and each rank
//! has every so many-th virtual rank. So what a micro-batch holds does not depend on the number of ranks.
//!
//! ```text
//!  L lanes, global batches of B rows in M micro-batches, G = gcd(L, M) virtual ranks, R ranks
//!  lane l          -> virtual rank l mod G
//!  virtual rank v  -> micro-batches v, v + G, v + 2 G …
//!  virtual rank v  -> rank v mod R
//! ```

use crate::error::Error;
use crate::mixture::gcd;
use crate::sets::DataSets;
use crate::settings::{LoaderSettings, MicroBatchSize};

/// The numbers by which rows are divided among virtual ranks.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub(super) lanes: u32,
    pub(super) global_batch: u32,
    /// Rows of a micro-batch; with a budget of tokens, those of one that is full of the longest rows.
    pub(super) rows: u32,
    /// Tokens of a micro-batch at most.
    pub(super) tokens: Option<u32>,
    pub(super) virtual_ranks: u32,
    pub(super) rank: u32,
    pub(super) world_size: u32,
    /// Global batches among which rows are grouped by length; 0 does not group.
    pub(super) group_batches: u32,
}

impl LoaderSettings {
    /// An error that says which numbers do not go together.
    pub fn check(&self, sets: &DataSets) -> Result<(), Error> {
        Partition::new(self, sets).map(drop)
    }
}

impl Partition {
    /// Works the numbers out, or says which ones do not go together.
    pub(super) fn new(settings: &LoaderSettings, sets: &DataSets) -> Result<Partition, Error> {
        let (lanes, global_batch) = (settings.data.lanes, settings.global_batch);
        let (rows, tokens) = micro_batch_rows(settings, sets.max_seq_len())?;
        let micro_batches = global_batch / rows;
        // The greatest number of virtual ranks such that each has equally many lanes and equally many micro-batches.
        let virtual_ranks = gcd(u64::from(lanes), u64::from(micro_batches)) as u32;
        check_ranks(settings, rows, micro_batches)?;
        check_lanes(lanes, sets)?;
        let (rank, world_size) = (settings.rank, settings.world_size);
        let group_batches = settings.data.group_batches;
        Ok(Partition { lanes, global_batch, rows, tokens, virtual_ranks, rank, world_size, group_batches })
    }

    /// The virtual ranks of this rank.
    pub(super) fn own_virtual_ranks(&self) -> impl Iterator<Item = u32> {
        (self.rank..self.virtual_ranks).step_by(self.world_size as usize)
    }

    /// Rows of a virtual rank in a global batch.
    pub(super) fn virtual_rank_rows(&self) -> u64 {
        u64::from(self.global_batch / self.virtual_ranks)
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
            "`tokens_per_micro_batch` = {tokens} has no room for a row of {longest} tokens: take {longest} or more"
        ))),
        MicroBatchSize::Tokens(tokens) => {
            // The worst case: every row is as long as the longest. Best fit packs at least as many rows into each
            // micro-batch, so it needs no more of them.
            let rows = tokens / longest as u32;
            if batch > 0 && batch.is_multiple_of(rows) {
                return Ok((rows, Some(tokens)));
            }
            let good =
                (1..=rows).rev().find(|&rows| batch.is_multiple_of(rows)).unwrap_or(1) as usize * longest;
            Err(Error::settings(format!(
                "`tokens_per_micro_batch` = {tokens} holds {rows} rows of {longest} tokens, which do not divide \
                 `global_batch` = {batch}: take {good} tokens or another global batch"
            )))
        }
    }
}

fn check_ranks(settings: &LoaderSettings, rows: u32, micro_batches: u32) -> Result<(), Error> {
    let (world_size, rank, lanes) = (settings.world_size, settings.rank, settings.data.lanes);
    if rank >= world_size || lanes == 0 {
        return Err(Error::settings(format!(
            "rank {rank} of {world_size} ranks with {lanes} lanes: at least one"
        )));
    }
    let mut problems = Vec::new();
    if !lanes.is_multiple_of(world_size) {
        let good = lanes.next_multiple_of(world_size);
        problems.push(format!(
            "{world_size} ranks cannot share `data.lanes` = {lanes} evenly: take {good} lanes, or a number of ranks that \
             divides {lanes}"
        ));
    }
    // Each rank computes equally many micro-batches; otherwise the others wait for the one with more.
    if !micro_batches.is_multiple_of(world_size) {
        let (batch, good) = (settings.global_batch, rows.saturating_mul(world_size));
        problems.push(format!(
            "{world_size} ranks cannot share `global_batch` = {batch} in micro-batches of {rows} rows ({micro_batches} of \
             them): make it a multiple of {good}, or take smaller micro-batches"
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
}

fn check_lanes(lanes: u32, sets: &DataSets) -> Result<(), Error> {
    let mut problems = Vec::new();
    for set in sets.sets() {
        let fewest = set.fewest_rows();
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
