//! A sample: a small data set of a share of the documents, to judge settings by. Its folder and its work folder are its own.

use std::path::Path;

use super::report::MapReport;
use crate::config::SampleShare;
use crate::error::Error;

/// True if an older sample is in the folder, whose place a new one takes: samples are made to be looked at, and made again.
///
/// # Errors
/// If the folder holds a data set that is no sample.
pub fn is_there(output: &Path) -> Result<bool, Error> {
    // Whatever else is there, the run itself judges.
    let Ok(manifest) = quanci_shard_store::read_manifest(output) else { return Ok(false) };
    if manifest.sample().is_some() {
        return Ok(true);
    }
    let message = "holds a data set that is no sample, and a sample never takes its place; move it away, or give the sample another \
                   place with --out";
    Err(Error::Output { path: output.to_path_buf(), message: message.to_owned() })
}

/// Too many rejects end a run. Of a sample, only where chance does not explain them: one reject among ten records tells
/// little.
pub(super) fn judge_rejects(
    report: &MapReport,
    limit: f64,
    sample: Option<SampleShare>,
) -> Result<(), Error> {
    let rejected = report.dropped.rejected() as f64;
    // Three standard deviations of a count.
    let least = rejected - 3.0 * rejected.sqrt();
    if sample.is_some() && least * 100.0 <= limit * report.records as f64 {
        return Ok(());
    }
    report.dropped.judge(report.records, limit)
}

/// What helps where nothing came out, if the reason may be a sample.
pub(super) fn too_small(sample: Option<SampleShare>) -> String {
    sample.map_or_else(String::new, |share| format!("; this is a sample of {share}: take a larger one"))
}
