//! The ranks compare what they were started with before the first step, and their weights at every checkpoint.

use quanci_cli::host_name;
use quanci_shards::manifest::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Kind, TchError, Tensor};

use super::run::Run;
use super::settings_diff::{SettingChange, changed_settings, is_within};
use crate::checkpoint::{self, Fingerprint};
use crate::distributed::Comm;
use crate::error::Error;

/// What a rank was started with.
#[derive(Debug, Serialize, Deserialize)]
struct RankReport {
    host: String,
    version: String,
    settings: Value,
    model: Value,
    data: Vec<Vec<String>>,
    vocabulary: String,
    /// The checkpoints that it sees in the run's folder; none where that folder is not there.
    checkpoints: Vec<Fingerprint>,
}

/// Compares what the ranks were started with: version, settings, model, data sets, and the checkpoints in the run's
/// folder, of which a rank on a machine without that folder sees none. Every rank gets the same error.
///
/// # Errors
/// [`Error::Settings`] or [`Error::Output`], naming the first rank that differs from rank 0, its machine and what differs.
pub fn agree(run: &Run<'_>) -> Result<(), Error> {
    if run.comm.world_size() == 1 {
        return Ok(());
    }
    let own = serde_json::to_vec(&report(run)?).expect("a report has string keys only");
    let all = run.comm.all_gather_bytes(&own)?;
    let parse = |bytes: &Vec<u8>| {
        serde_json::from_slice::<RankReport>(bytes).map_err(|error| {
            // Another version of the program may report other fields.
            Error::settings(format!("the ranks run different versions of this program ({error})"))
        })
    };
    let all: Vec<RankReport> = all.iter().map(parse).collect::<Result<_, _>>()?;
    let [first, others @ ..] = &all[..] else { return Ok(()) };
    (1..).zip(others).try_for_each(|(rank, other)| compare(run, first, rank, other))
}

fn report(run: &Run<'_>) -> Result<RankReport, Error> {
    Ok(RankReport {
        host: host_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: serde_json::to_value(run.settings).expect("settings have string keys only"),
        model: serde_json::from_str(&run.model.to_json()).expect("a model's config is JSON"),
        data: run.data.iter().map(|sets| sets.data_ids().into_iter().map(str::to_owned).collect()).collect(),
        vocabulary: run.data[0].vocabulary().sha256.clone(),
        checkpoints: checkpoint::fingerprints(&run.settings.output)?,
    })
}

fn compare(run: &Run<'_>, first: &RankReport, rank: usize, other: &RankReport) -> Result<(), Error> {
    let who = format!("rank {rank} ({})", other.host);
    let rank_0 = format!("rank 0 ({})", first.host);
    if other.version != first.version {
        let (own, of_0) = (&other.version, &first.version);
        return Err(Error::settings(format!("{who} runs version {own} of this program, {rank_0} {of_0}")));
    }
    let mut changes = changed_settings("", &first.settings, &other.settings);
    changes.retain(|change| !may_differ(&change.key));
    changes.extend(changed_settings("model", &first.model, &other.model));
    let data = |report: &RankReport| serde_json::json!([report.data, report.vocabulary]);
    changes.extend(changed_settings("data", &data(first), &data(other)));
    if !changes.is_empty() {
        let told = changes.into_iter().map(|SettingChange { key, old, new }| {
            format!(
                "`{key}` is {new} on {who}, and {old} on {rank_0}: all ranks take the same settings and data"
            )
        });
        return Err(Error::Settings(told.collect()));
    }
    if other.checkpoints.is_empty() || other.checkpoints == first.checkpoints {
        return Ok(());
    }
    let newest = |report: &RankReport| match report.checkpoints.last() {
        Some(newest) => {
            format!("the newest of {} checkpoints is of step {}", report.checkpoints.len(), newest.step)
        }
        None => "there are no checkpoints".to_owned(),
    };
    Err(Error::Output {
        path: run.settings.output.clone(),
        message: format!(
            "{who} sees another folder here than {rank_0}: on {who} {}, on {rank_0} {}. Name a folder that all machines \
             share, or remove the one that is not rank 0's",
            newest(other),
            newest(first)
        ),
    })
}

/// Where things lie may differ from machine to machine: their content is compared. Everything else decides what the ranks
/// do together, and when.
fn may_differ(key: &str) -> bool {
    let paths = ["output", "model", "init_from", "cache", "data.workers"];
    paths.iter().any(|path| is_within(key, path)) || (key.starts_with("phases[") && key.ends_with("].path"))
}

/// The ranks whose tensors are not those of rank 0, bit for bit.
///
/// # Errors
/// If a device fails or another rank is gone.
pub(super) fn out_of_sync(comm: &dyn Comm, tensors: &[Tensor]) -> Result<Vec<usize>, Error> {
    if comm.world_size() == 1 {
        return Ok(Vec::new());
    }
    let sums = bit_sums(tensors).map_err(Error::torch("comparing the ranks' weights"))?;
    let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let all = comm.all_gather_bytes(sha256(&bytes).as_bytes())?;
    Ok((0..all.len()).filter(|&rank| all[rank] != all[0]).collect())
}

/// For each fp32 tensor the sum of its elements' bit patterns. Integer sums do not depend on their order, so equal tensors
/// have equal sums on every device.
fn bit_sums(tensors: &[Tensor]) -> Result<Vec<i64>, TchError> {
    let sum = |tensor: &Tensor| tensor.f_detach()?.f_view_dtype(Kind::Int)?.f_sum(Kind::Int64);
    let sums = tensors.iter().map(sum).collect::<Result<Vec<_>, _>>()?;
    Vec::try_from(&Tensor::f_stack(&sums, 0)?) // one wait for the device
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tch::Device;

    use super::*;
    use crate::distributed::{GpuBackend, RankEnv, connect};

    #[test]
    fn one_bit_is_seen() {
        let tensors = || vec![Tensor::from_slice(&[1.0f32, -2.5, 0.0]), Tensor::from(3.5f32)];
        let sums = bit_sums(&tensors()).unwrap();
        assert_eq!(sums, bit_sums(&tensors()).unwrap());
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        let other = vec![Tensor::from_slice(&[next, -2.5, 0.0]), Tensor::from(3.5f32)];
        assert_ne!(sums, bit_sums(&other).unwrap());
    }

    /// Two ranks, as threads, of which rank 1 holds one other bit: both say so, and one broadcast unites them.
    #[test]
    fn a_rank_out_of_sync_is_named_on_all() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let start = |rank: usize| {
            std::thread::spawn(move || {
                let places = RankEnv {
                    rank,
                    world_size: 2,
                    local_rank: rank,
                    local_world_size: 2,
                    port,
                    ..RankEnv::alone()
                };
                let comm = connect(&places, Device::Cpu, GpuBackend::Nccl, Duration::from_secs(30)).unwrap();
                let weights = [Tensor::from_slice(&[1.0f32, f32::from_bits(7 + rank as u32)])];
                let before = out_of_sync(&*comm, &weights).unwrap();
                comm.broadcast(&weights).unwrap();
                let after = out_of_sync(&*comm, &weights).unwrap();
                comm.leave().unwrap();
                (before, after)
            })
        };
        for rank in [0, 1].map(start) {
            assert_eq!(rank.join().unwrap(), (vec![1], vec![]));
        }
    }

    #[test]
    fn paths_may_differ_and_nothing_else() {
        assert!(may_differ("phases[0].data[1].path") && may_differ("output") && may_differ("cache.folder"));
        assert!(!may_differ("phases[0].steps") && !may_differ("evaluation.every_steps"));
    }
}
