//! Killed at any moment, the same command ends with the same bytes and leaves nothing behind.

use std::thread;
use std::time::Duration;

use integration_tests::{hashes, leftovers};

use crate::{novels, place};

const SETTINGS: &str =
    "[instances]\ncopies = 3\n[output]\npath = \"out\"\nvalidation = 0.05\nshards = 8\nbucket_mb = 1\n";

/// Numbers that differ from run to run would make a failure hard to repeat: these do not.
fn moments(count: u64, within_ms: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(move |i| Duration::from_micros(quanci_shards::rng::splitmix64(i) % (within_ms * 1000)))
}

#[test]
fn killed_at_random_moments() {
    let place = place();
    place.settings(&novels(), SETTINGS);
    let begun = std::time::Instant::now();
    place.run(&["prepare", "run.toml", "--out", "never-killed", "--set", "output.work=w"]).exits(0);
    let whole = begun.elapsed().as_millis() as u64 + 20;
    let expected = hashes(&place.join("never-killed"));
    let (mut killed, mut ended) = (0, 0);
    for moment in moments(40, whole) {
        let mut child = place.spawn(&mut place.command(&["prepare", "run.toml"]));
        thread::sleep(moment);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            ended += 1
        } else {
            killed += 1
        }
        if ended > 0 {
            // What it finished is whole; begin anew for the kills that are left.
            assert_eq!(hashes(&place.join("out")), expected);
            std::fs::remove_dir_all(place.join("out")).unwrap();
            std::fs::remove_dir_all(place.join(".work")).ok();
            ended = 0;
        }
    }
    assert!(killed >= 20, "only {killed} kills hit");
    place.run(&["prepare", "run.toml"]).exits(0);
    assert_eq!(hashes(&place.join("out")), expected);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn an_interrupt_stops_cleanly_and_resumes() {
    let place = place();
    place.settings(&novels(), SETTINGS);
    let begun = std::time::Instant::now();
    place
        .run(&["prepare", "run.toml", "--out", "whole", "--set", "output.work=w", "--threads", "1"])
        .exits(0);
    let whole = begun.elapsed().as_millis() as u64 + 20;
    let expected = hashes(&place.join("whole"));
    let mut hits = 0;
    for moment in moments(60, whole) {
        let child = place.spawn(&mut place.command(&["prepare", "run.toml", "--threads", "1"]));
        thread::sleep(moment);
        let sent =
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let ran: integration_tests::Ran = child.wait_with_output().unwrap().into();
        match ran.code {
            Some(130) if sent.success() => {
                ran.says(&["stopped by signal 2", "run the same command again"]);
                assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
                hits += 1;
            }
            // It came too late: begin anew.
            Some(0) => {
                assert_eq!(hashes(&place.join("out")), expected);
                std::fs::remove_dir_all(place.join("out")).unwrap();
                std::fs::remove_dir_all(place.join(".work")).unwrap();
            }
            // Or before anybody listened to signals.
            code => assert_eq!(code, None, "{}", ran.err),
        }
        if hits == 3 {
            break;
        }
    }
    assert!(hits > 0, "no interrupt arrived in time");
    place.run(&["prepare", "run.toml"]).exits(0);
    assert_eq!(hashes(&place.join("out")), expected);
}

#[test]
fn two_runs_at_once_on_one_output() {
    let place = place();
    place.settings(&novels(), SETTINGS);
    let mut refused = 0;
    for _ in 0..5 {
        let first = place.spawn(&mut place.command(&["prepare", "run.toml", "--force"]));
        let second = place.spawn(&mut place.command(&["prepare", "run.toml", "--force"]));
        let codes = [first, second].map(|child| {
            let ran: integration_tests::Ran = child.wait_with_output().unwrap().into();
            if ran.code == Some(3) {
                refused += 1;
                assert!(ran.err.contains("another run is writing it"), "{}", ran.err);
            }
            ran.code
        });
        assert!(codes.contains(&Some(0)), "{codes:?}");
    }
    assert!(refused > 0, "the runs never met");
    hashes(&place.join("out"));
}
