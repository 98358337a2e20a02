//! `verify` and `stats`.

use std::path::PathBuf;

use pyo3::prelude::*;
use quanci_pipeline::error::Error;
use quanci_pipeline::tfrecord;
use quanci_pipeline::view::{DataSet, stats as counted, verify as checked};
use quanci_store::path_text::encode;
use serde_json::json;

use crate::errors::OrRaise;
use crate::waiting::wait_or_leave;

/// What `call` gives on a pool of so many threads; 0 takes one for each core.
fn on_pool<T: Send>(threads: usize, call: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Retry(format!("cannot start threads: {error}")))?;
    pool.install(call)
}

/// Checks every checksum and every row; returns the totals as JSON.
#[pyfunction]
pub(crate) fn verify(py: Python<'_>, folder: PathBuf, threads: usize) -> PyResult<String> {
    let work = move || {
        if tfrecord::is_records(&folder)? {
            let checked = on_pool(threads, || tfrecord::check(&folder))?;
            return Ok(json!({
                "path": encode(&folder), "files": checked.files, "instances": checked.instances,
                "bytes": checked.bytes, "max_seq_length": checked.lengths.row,
                "max_predictions_per_seq": checked.lengths.masks,
            }));
        }
        let sound = on_pool(threads, || checked::verify(&folder).sound(&folder))?;
        Ok(json!({
            "path": encode(&folder), "files": sound.files, "rows": sound.rows, "bytes": sound.bytes,
        }))
    };
    let told: Result<_, Error> = wait_or_leave(py, work)?;
    Ok(told.or_raise(py)?.to_string())
}

/// Counts all rows; returns the statistics as JSON.
#[pyfunction]
pub(crate) fn stats(py: Python<'_>, folder: PathBuf, threads: usize) -> PyResult<String> {
    let work = move || -> Result<_, Error> {
        let data = DataSet::open(&folder)?;
        Ok(json!(on_pool(threads, || counted::stats(&data))?))
    };
    Ok(wait_or_leave(py, work)?.or_raise(py)?.to_string())
}
