//! How fast a loader is, with nothing but a loader at work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::loader::Loader;
use crate::sets::DataSets;
use crate::settings::LoaderSettings;

/// What a loader reached.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderReport {
    /// Rows taken.
    pub rows: u64,
    /// Seconds that this took, after the first batch.
    pub seconds: f64,
    /// Rows a second.
    pub rows_per_s: f64,
    /// Tokens a second.
    pub tokens_per_s: f64,
    /// Share of the time in which the one who takes batches, and does nothing else, waited for them.
    pub wait_share: f64,
}

/// Takes batches for about `time`, after a first one that is not counted.
pub fn bench(sets: Arc<DataSets>, settings: LoaderSettings, time: Duration) -> Result<LoaderReport, Error> {
    let mut loader = Loader::open(sets, settings)?;
    loader.next()?;
    let (mut rows, mut tokens, mut waited) = (0, 0, Duration::ZERO);
    let begin = Instant::now();
    while begin.elapsed() < time {
        let asked = Instant::now();
        let batch = loader.next()?;
        waited += asked.elapsed();
        rows += batch.micro.iter().map(|micro| micro.rows as u64).sum::<u64>();
        tokens += batch.tokens;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(LoaderReport {
        rows,
        seconds,
        rows_per_s: rows as f64 / seconds,
        tokens_per_s: tokens as f64 / seconds,
        wait_share: waited.as_secs_f64() / seconds,
    })
}
