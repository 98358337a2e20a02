//! Ranks as processes of their own: this test program starts itself again, once a rank, and says by environment
//! variables which part to play. A part writes what it found to a file.
#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use quanci_torch_ext::{Backend, Error, Options, ProcessGroup, Reducer, checkpoint, cuda, ops, seed_all};
use tch::{Device, Kind, Tensor};

const PART: &str = "QUANCI_TEST_PART";
const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Who a process of the test is.
struct Player {
    part: String,
    options: Options,
    report: PathBuf,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn options(port: u16, rank: usize, world_size: usize, timeout: Duration) -> Options {
    Options {
        backend: Backend::Gloo,
        host: "127.0.0.1".to_owned(),
        port,
        rank,
        world_size,
        timeout,
        agent_store: false,
        prefix: "test".to_owned(),
        interface: None,
        hostname: Some("127.0.0.1".to_owned()),
        exit_code: 75,
    }
}

fn report_path(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("rank-{rank}"))
}

/// Starts the ranks of a play of `ranks`, some of which may stay away.
fn start(part: &str, folder: &Path, world_size: usize, present: &[usize], timeout: Duration) -> Vec<Child> {
    let port = free_port();
    let program = std::env::current_exe().unwrap();
    let start = |&rank: &usize| {
        Command::new(&program)
            .args(["--exact", "a_rank_of_another_test", "--nocapture"])
            .env(PART, part)
            .env("QUANCI_TEST_PLACE", format!("{port} {rank} {world_size} {}", timeout.as_millis()))
            .env("QUANCI_TEST_REPORT", report_path(folder, rank))
            .spawn()
            .unwrap()
    };
    present.iter().map(start).collect()
}

/// Plays a part with all its ranks to the end, and gives their reports.
fn play(part: &str, world_size: usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let everybody: Vec<usize> = (0..world_size).collect();
    let children = start(part, folder.path(), world_size, &everybody, Duration::from_secs(60));
    for mut child in children {
        assert!(child.wait().unwrap().success(), "{part}");
    }
    everybody.iter().map(|&rank| std::fs::read_to_string(report_path(folder.path(), rank)).unwrap()).collect()
}

fn player() -> Option<Player> {
    let part = std::env::var(PART).ok()?;
    let place = std::env::var("QUANCI_TEST_PLACE").unwrap();
    let numbers: Vec<u64> = place.split(' ').map(|number| number.parse().unwrap()).collect();
    let [port, rank, world_size, timeout] = numbers[..] else { panic!("{place}") };
    let timeout = Duration::from_millis(timeout);
    Some(Player {
        part,
        options: options(port as u16, rank as usize, world_size as usize, timeout),
        report: PathBuf::from(std::env::var("QUANCI_TEST_REPORT").unwrap()),
    })
}

/// Not a test by itself: what the processes run that the others start.
#[test]
fn a_rank_of_another_test() {
    let Some(player) = player() else { return };
    tch::set_num_threads(1);
    let report = match player.part.as_str() {
        "collectives" => collectives(&player),
        "training" => format!("{:?}", train(Some(&player), false)),
        "training, checkpointed" => format!("{:?}", train(Some(&player), true)),
        "operations" => counts_operations(&player),
        "dies" => dies(&player),
        "dies in backward" => dies_in_backward(&player),
        "hangs" => hangs(&player),
        "is blocked" => is_blocked(&player),
        "leaves" => leaves(&player),
        "connects" => ProcessGroup::connect(&player.options).unwrap_err().to_string(),
        other => panic!("no part is called {other}"),
    };
    std::fs::write(&player.report, report).unwrap();
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).view([-1])).unwrap()
}

fn collectives(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    let rank = group.rank() as f64;
    let (a, b) = (Tensor::from_slice(&[rank, 1.0]), Tensor::from_slice(&[10.0 * rank]));
    group.sum(&[a.shallow_clone(), b.shallow_clone()]).unwrap();
    let (c, d) = (Tensor::from_slice(&[rank]), Tensor::from_slice(&[rank as i64]));
    group.broadcast(&[c.shallow_clone(), d.shallow_clone()], 1).unwrap();
    let gathered = group.all_gather(&Tensor::from_slice(&[rank, -rank])).unwrap();
    group.barrier().unwrap();
    // libtorch's own refusals are told as they are, without looking for missing ranks.
    let refusal = group.sum(&[Tensor::zeros([2, 3], FLOAT).tr()]).unwrap_err();
    assert!(matches!(refusal, Error::Torch(_)), "{refusal:?}");
    format!("{:?} {:?} {:?} {:?} {:?}", values(&a), values(&b), values(&c), values(&d), values(&gathered))
}

#[test]
fn ranks_do_things_together() {
    let expected = "[3.0, 3.0] [30.0] [1.0] [1.0] [0.0, -0.0, 1.0, -1.0, 2.0, -2.0]";
    assert_eq!(play("collectives", 3), [expected; 3]);
}

const ROWS: i64 = 8;
const MICRO_BATCHES: i64 = 2;

/// The rows `from..from + rows` of a step's data: `[rows, 16]` and what is to be predicted, `[rows, 1]`.
fn data(step: i64, from: i64, rows: i64) -> (Tensor, Tensor) {
    let i = Tensor::arange(rows * 16, FLOAT).view([rows, 16]) + (from * 16 + step * 7919) as f64;
    let x = (&i * 0.37).sin() + (&i * 0.011).cos();
    let y = x.narrow(1, 0, 4).sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sin();
    (x, y)
}

fn forward(weights: &[Tensor], x: &Tensor, checkpointed: bool) -> Tensor {
    let hidden = x.matmul(&weights[0]).tanh();
    let (w, b) = (weights[1].shallow_clone(), weights[2].shallow_clone());
    let layer = move |inputs: &[Tensor]| (inputs[0].matmul(&w) + &b).gelu("none");
    let hidden = if checkpointed { checkpoint(&[hidden], layer).unwrap() } else { layer(&[hidden]) };
    hidden.matmul(&weights[3])
}

/// Trains two ranks, or alone on their joint batch; gives the losses and the sum of the weights.
fn train(player: Option<&Player>, checkpointed: bool) -> Vec<f64> {
    let group = player.map(|player| ProcessGroup::connect(&player.options).unwrap());
    let (rank, world_size) =
        group.as_ref().map_or((0, 1), |group| (group.rank() as i64, group.world_size() as i64));
    seed_all(3 + rank as u64).unwrap(); // the ranks begin with different weights: rank 0's are to win
    let shapes = [vec![16, 32], vec![32, 32], vec![32], vec![32, 1]];
    let weights: Vec<Tensor> =
        shapes.iter().map(|shape| (Tensor::randn(shape, FLOAT) * 0.2).set_requires_grad(true)).collect();
    let named: Vec<(String, Tensor)> =
        weights.iter().enumerate().map(|(i, weight)| (format!("w{i}"), weight.shallow_clone())).collect();
    let reducer = group.as_ref().map(|group| Reducer::new(group, &named, 4096).unwrap());
    drop(named);
    let rows = 2 * ROWS / world_size;
    let mut losses = Vec::new();
    for step in 0..6 {
        let mut total = 0.0;
        for micro_batch in 0..MICRO_BATCHES {
            let (x, y) = data(step, micro_batch * 2 * ROWS + rank * rows, rows);
            let sync = micro_batch + 1 == MICRO_BATCHES;
            if let Some(reducer) = &reducer {
                reducer.prepare_forward(sync).unwrap();
            }
            let loss =
                (forward(&weights, &x, checkpointed) - y).square().mean(Kind::Float) / MICRO_BATCHES as f64;
            if let (Some(reducer), true) = (&reducer, sync) {
                reducer.prepare_backward().unwrap();
            }
            loss.backward();
            total += loss.double_value(&[]) / world_size as f64;
        }
        let total = Tensor::from_slice(&[total]);
        if let Some(group) = &group {
            group.sum(&[total.shallow_clone()]).unwrap();
        }
        losses.push(values(&total)[0]);
        let gradients: Vec<Tensor> = weights.iter().map(Tensor::grad).collect();
        ops::foreach_add_list(&weights, &gradients, -0.1).unwrap();
        ops::foreach_zero(&gradients).unwrap();
    }
    losses.push(weights.iter().map(|weight| weight.abs().sum(Kind::Double).double_value(&[])).sum());
    drop(group); // the reducer keeps what it needs of it
    drop(reducer);
    losses
}

fn numbers(report: &str) -> Vec<f64> {
    report.trim_matches(['[', ']']).split(", ").map(|number| number.parse().unwrap()).collect()
}

#[test]
fn two_ranks_train_like_one_on_the_joint_batch() {
    // In a process of its own, for the seed of the random generator is shared; of a group of one rank.
    let alone = numbers(&play("training", 1)[0]);
    for part in ["training", "training, checkpointed"] {
        let reports = play(part, 2);
        let (first, second) = (numbers(&reports[0]), numbers(&reports[1]));
        assert_eq!(first, second, "{part}");
        let furthest =
            first.iter().zip(&alone).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
        assert!(furthest < 1e-6, "{part}: {first:?} {alone:?}");
    }
    assert!(alone[5] < alone[0]);
}

/// Operations of a step with 1, 2 and 4 micro-batches.
fn counts_operations(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    let weights: Vec<(String, Tensor)> =
        (0..6).map(|i| (format!("w{i}"), Tensor::ones([64], FLOAT).set_requires_grad(true))).collect();
    let reducer = Reducer::new(&group, &weights, 2 * 64 * 4).unwrap(); // two tensors a bucket
    let step = |micro_batches: usize| {
        let before = group.operations().unwrap();
        for i in 0..micro_batches {
            let last = i + 1 == micro_batches;
            reducer.prepare_forward(last).unwrap();
            let loss =
                weights.iter().map(|(_, weight)| weight.sum(Kind::Float)).reduce(|a, b| a + b).unwrap();
            if last {
                reducer.prepare_backward().unwrap();
            }
            loss.f_backward().unwrap();
        }
        group.operations().unwrap() - before
    };
    step(1); // buckets are arranged anew after the first step, by the order in which gradients came
    step(1);
    format!("{:?}", [step(1) as f64, step(2) as f64, step(4) as f64])
}

#[test]
fn gradients_are_reduced_once_a_step() {
    for report in play("operations", 2) {
        let counts = numbers(&report);
        assert!(counts[0] >= 3.0, "{report}");
        assert!(counts.iter().all(|&count| count == counts[0]), "{report}");
    }
}

#[test]
fn a_group_of_one_trains_like_none() {
    let Some(player) = player() else {
        let folder = tempfile::tempdir().unwrap();
        let report = report_path(folder.path(), 0);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_group_of_one_trains_like_none"])
            .env(PART, "both")
            .env("QUANCI_TEST_PLACE", format!("{} 0 1 60000", free_port()))
            .env("QUANCI_TEST_REPORT", &report)
            .status();
        assert!(status.unwrap().success());
        return;
    };
    assert_eq!(train(None, false), train(Some(&player), false));
}

fn dies(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    group.barrier().unwrap();
    if group.rank() == 1 {
        std::process::abort();
    }
    let started = Instant::now();
    let error = group.sum(&[Tensor::ones([4], FLOAT)]).unwrap_err();
    assert!(matches!(error, Error::Ranks(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    error.to_string()
}

fn dies_in_backward(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    let weight = Tensor::ones([4], FLOAT).set_requires_grad(true);
    let reducer = Reducer::new(&group, &[("w".to_owned(), weight.shallow_clone())], 1024).unwrap();
    if group.rank() == 1 {
        std::process::abort();
    }
    reducer.prepare_forward(true).unwrap();
    let loss = weight.sum(Kind::Float);
    reducer.prepare_backward().unwrap();
    let error = loss.f_backward().unwrap_err();
    group.diagnose(&error.to_string()).to_string()
}

fn hangs(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    group.barrier().unwrap();
    if group.rank() == 1 {
        std::thread::sleep(Duration::from_secs(12)); // alive, but not with the others
        return String::new();
    }
    group.barrier().unwrap_err().to_string()
}

/// Rank 1 dies, and the others are busy with something that never ends, as in a read from a GPU whose work never ends.
fn is_blocked(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    group.barrier().unwrap();
    if group.rank() == 1 {
        std::process::abort();
    }
    std::thread::sleep(Duration::from_secs(120));
    "nobody ended it".to_owned()
}

#[test]
fn a_rank_that_waits_for_a_dead_one_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    // Beats every 100 ms: gone after 3 s, ended 1 s later.
    let children = start("is blocked", folder.path(), 3, &[0, 1, 2], Duration::from_secs(4));
    let codes: Vec<Option<i32>> =
        children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert_eq!(codes, [Some(75), None, Some(75)]);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// Ranks that are done leave; the others go on for longer than a rank that is gone would be tolerated.
fn leaves(player: &Player) -> String {
    let group = ProcessGroup::connect(&player.options).unwrap();
    group.barrier().unwrap();
    if group.rank() > 0 {
        group.leave().unwrap();
        return "left".to_owned();
    }
    std::thread::sleep(Duration::from_secs(6));
    group.leave().unwrap();
    "stayed".to_owned()
}

#[test]
fn ranks_may_leave_one_after_another() {
    assert_eq!(witnesses("leaves", 3, Duration::from_secs(4), &[0, 1, 2]), ["stayed", "left", "left"]);
}

/// The reports of `witnesses` when rank 1 ends by itself.
fn witnesses(part: &str, world_size: usize, timeout: Duration, witnesses: &[usize]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let everybody: Vec<usize> = (0..world_size).collect();
    for mut child in start(part, folder.path(), world_size, &everybody, timeout) {
        child.wait().unwrap();
    }
    let report = |&rank: &usize| std::fs::read_to_string(report_path(folder.path(), rank)).unwrap();
    witnesses.iter().map(report).collect()
}

#[test]
fn a_rank_that_dies_is_named() {
    for report in witnesses("dies", 3, Duration::from_secs(30), &[0, 2]) {
        assert!(report.starts_with("rank 1 of 3 is gone ("), "{report}");
    }
    for report in witnesses("dies in backward", 2, Duration::from_secs(30), &[0]) {
        assert!(report.starts_with("rank 1 of 2 is gone ("), "{report}");
    }
}

#[test]
fn a_rank_that_hangs_is_an_error_in_time() {
    let started = Instant::now();
    let reports = witnesses("hangs", 2, Duration::from_secs(4), &[0]);
    assert!(reports[0].starts_with("no rank is gone, but one did not come along in time ("), "{reports:?}");
    assert!(started.elapsed() < Duration::from_secs(40));
}

#[test]
fn ranks_that_never_come_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for mut child in start("connects", folder.path(), 4, &[0, 2], Duration::from_secs(3)) {
        assert!(child.wait().unwrap().success());
    }
    let report = |rank| std::fs::read_to_string(report_path(folder.path(), rank)).unwrap();
    assert_eq!(report(0), "ranks 1 and 3 of 4 did not come within 3 s");
    let (other, address) = (report(2), "rank 0, whose store is at 127.0.0.1:");
    assert!(other == report(0) || other.starts_with(address), "{other}");
}

#[test]
fn without_rank_0_there_is_no_store() {
    let port = free_port();
    let error = ProcessGroup::connect(&options(port, 1, 2, Duration::from_secs(2))).unwrap_err();
    let expected = format!("rank 0, whose store is at 127.0.0.1:{port}, did not answer within 2 s");
    assert_eq!(error, Error::Ranks(expected));
}

#[test]
fn nccl_without_a_gpu_is_an_error() {
    let backend = Backend::Nccl(0);
    let options = Options { backend, ..options(free_port(), 0, 1, Duration::from_secs(5)) };
    let connected = ProcessGroup::connect(&options);
    if cuda::device_count() == 0 {
        let message = connected.unwrap_err().to_string();
        assert!(message.len() > 10 && !message.contains('\n'), "{message:?}");
    }
}

#[test]
fn arguments_are_checked() {
    let seconds = Duration::from_secs(5);
    let error = ProcessGroup::connect(&options(free_port(), 2, 2, seconds)).unwrap_err();
    assert_eq!(error.to_string(), "rank 2 of 2 cannot be: ranks count from 0");
    let group = ProcessGroup::connect(&options(free_port(), 0, 1, seconds)).unwrap();
    let frozen = [("pooler".to_owned(), Tensor::ones([2], FLOAT))];
    let error = Reducer::new(&group, &frozen, 1024).unwrap_err().to_string();
    assert_eq!(error, "pooler requires no gradient: leave it out of the reducer");
    assert!(Reducer::new(&group, &[], 1024).is_err());
}
