//! Killed at any moment, a run ends with the same losses and weights, bit for bit.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Settings, curve, place, weights};

/// 24 steps over two phases, dynamic masks; the data's 2 copies make several epochs' worth of dropout and masks.
const PHASE: &str =
    "steps = 14\nglobal_batch = 16\nmicro_batch = 4\nlearning_rate = 1e-3\nwarmup_steps = 4\n";
const MORE: &str = "[data]\nlanes = 4\n[checkpoint]\nevery_steps = 3\n[evaluation]\nevery_steps = 7\nmax_rows = 64\n[log]\nevery_steps = 1\ntensorboard = false\n";

fn second_phase() -> String {
    let data = crate::data();
    format!(
        "[[phase]]\ndata = [{{ path = {data:?} }}]\nsteps = 10\nglobal_batch = 8\nmicro_batch = 4\nlearning_rate = 5e-4\n\
         schedule = \"cosine\"\n[masking]\nmode = \"dynamic\"\n{MORE}"
    )
}

/// Losses of every step and the final weights of a run that is killed again and again, against one that never was.
fn killed_and_resumed(ranks: &[&str], kills: u64) {
    let place = place();
    let more = second_phase();
    let never = Settings { output: "never", phase: PHASE, more: &more }.write(&place);
    let often = Settings { output: "often", phase: PHASE, more: &more }.write(&place);
    let begun = Instant::now();
    place.run(&[&["pretrain", &never, "--threads", "1"], ranks].concat()).exits(0);
    let whole = begun.elapsed().as_millis() as u64;
    let mut killed = 0;
    for i in 0..kills {
        let moment = Duration::from_millis(whole / 4 + quanci_shards::rng::splitmix64(i) % (whole / 4 + 1));
        let mut child =
            place.spawn(&mut place.command(&[&["pretrain", &often, "--threads", "1"], ranks].concat()));
        thread::sleep(moment);
        child.kill().unwrap();
        killed += u64::from(!child.wait().unwrap().success());
        thread::sleep(Duration::from_millis(300)); // ranks end after their launcher
    }
    assert!(killed >= 2, "only {killed} kills hit");
    place.run(&[&["pretrain", &often, "--threads", "1"], ranks].concat()).exits(0);
    let (never, often) = (place.join("never"), place.join("often"));
    let losses = curve(&never, "train/loss");
    assert_eq!(losses.len(), 24);
    assert_eq!(losses, curve(&often, "train/loss"));
    assert_eq!(curve(&never, "eval/mlm_loss"), curve(&often, "eval/mlm_loss"));
    assert!(weights(&never) == weights(&often), "the weights differ");
}

#[test]
fn one_rank_killed_at_random_moments() {
    killed_and_resumed(&[], 6);
}

#[test]
fn two_ranks_killed_at_random_moments() {
    killed_and_resumed(&["--nproc", "2"], 3);
}

/// A signal stops a run after a step whose evaluation is due: the evaluation is done on resume, and its values are the same.
#[test]
fn a_signal_at_an_evaluation_loses_no_value() {
    let place = place();
    let phase = PHASE.replace("steps = 14", "steps = 30");
    let more = MORE.replace("every_steps = 7", "every_steps = 1");
    let never = Settings { output: "never", phase: &phase, more: &more }.write(&place);
    let often = Settings { output: "often", phase: &phase, more: &more }.write(&place);
    place.run(&["pretrain", &never, "--threads", "1"]).exits(0);
    for wanted in [3, 9, 15] {
        let child = place.spawn(&mut place.command(&["pretrain", &often, "--threads", "1"]));
        wait_for_steps(&place.join("often"), wanted);
        let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        integration_tests::Ran::from(child.wait_with_output().unwrap()).exits(143);
    }
    place.run(&["pretrain", &often, "--threads", "1"]).exits(0);
    let evaluations = curve(&place.join("never"), "eval/mlm_loss");
    assert_eq!(evaluations.len(), 30);
    assert_eq!(evaluations, curve(&place.join("often"), "eval/mlm_loss"));
}

/// Waits until the log holds a step.
fn wait_for_steps(run: &std::path::Path, steps: u64) {
    let begun = Instant::now();
    let logged = || {
        let text = fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
        text.contains(&format!("\"step\":{steps}"))
    };
    while !logged() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no step {steps} in two minutes");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A second run in the folder of a living one ends, and says whose the folder is; the first goes on.
#[test]
fn a_folder_has_one_owner() {
    let place = place();
    let phase = PHASE.replace("steps = 14", "steps = 100000");
    let settings = Settings { output: "run", phase: &phase, more: MORE }.write(&place);
    let mut owner = place.spawn(&mut place.command(&["pretrain", &settings, "--threads", "1"]));
    wait_for_steps(&place.join("run"), 2);
    let number = format!("process {}", owner.id());
    let second = place.run(&["pretrain", &settings, "--threads", "1", "--timeout", "1"]);
    second.exits(75).says(&["run: in use by", &number, "another `output`"]);
    let ranks = place.run(&["pretrain", &settings, "--threads", "1", "--timeout", "5", "--nproc", "2"]);
    ranks.exits(75).says(&["in use by", &number]);
    assert!(owner.try_wait().unwrap().is_none(), "the first run was disturbed");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let third = place.run(&["check", &settings]);
    third.exits(0);
}

#[test]
fn a_signal_saves_and_the_run_goes_on() {
    let place = place();
    let phase = PHASE.replace("steps = 14", "steps = 100000");
    let long = Settings { output: "run", phase: &phase, more: MORE }.write(&place);
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let child = place.spawn(&mut place.command(&["pretrain", &long, "--threads", "1"]));
        let log = place.join("run/log.jsonl");
        let before = fs::read_to_string(&log).unwrap_or_default().lines().count();
        let begun = Instant::now();
        while fs::read_to_string(&log).unwrap_or_default().lines().count() < before + 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no step in a minute");
            thread::sleep(Duration::from_millis(20));
        }
        let sent =
            std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ran = integration_tests::Ran::from(child.wait_with_output().unwrap()).exits(code);
        ran.says(&["run the same command again to resume"]);
        let steps: Vec<u64> =
            curve(&place.join("run"), "train/loss").into_iter().map(|(step, _)| step).collect();
        assert!(steps.iter().copied().eq(1..=steps.len() as u64), "{steps:?}");
        let last = fs::read_dir(place.join("run/checkpoints"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .max()
            .unwrap();
        assert_eq!(last.to_str().unwrap(), format!("step-{:010}", steps.len()));
    }
}

/// A damaged checkpoint is told of, and the one before it taken: the end is the same.
#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let place = place();
    let settings = Settings { output: "run", phase: PHASE, more: MORE }.write(&place);
    place.run(&["pretrain", &settings, "--threads", "1"]).exits(0);
    let whole = weights(&place.join("run"));
    for name in ["step-0000000014", "step-0000000012"] {
        let file = place.join("run/checkpoints").join(name).join("model.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        bytes[100_000] ^= 4;
        fs::write(&file, bytes).unwrap();
    }
    let ran = place.run(&["pretrain", &settings, "--threads", "1"]).exits(0);
    ran.says(&["a checkpoint is passed over", "step-0000000014", "SHA-256", "resumed from", "at step 9"]);
    assert!(weights(&place.join("run")) == whole, "the weights differ");
}
