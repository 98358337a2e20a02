//! Runs every target on mutated seeds for a bounded time, on stable Rust, and reports inputs that make one panic or take
//! long: `mutate [--seconds N] [--seed N] [TARGET …]`.
//!
//! It knows nothing of coverage; `cargo fuzz` finds more. Inputs that fail are kept in `fuzz/artifacts/TARGET/`.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use quanci_fuzz::{Target, targets};

/// Longer runs of one input are reported.
const SLOW: Duration = Duration::from_secs(2);

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let (mut seconds, mut seed, mut names) = (60, 1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number follows");
        match argument.as_str() {
            "--seconds" => seconds = number(),
            "--seed" => seed = number(),
            _ => names.push(argument),
        }
    }
    let chosen: Vec<Target> = targets()
        .into_iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *LAST_PANIC.lock().expect("no one panics while holding it") = format!("{place}: {info}");
    }));
    let share = Duration::from_secs(seconds) / chosen.len().max(1) as u32;
    let failures: usize = chosen.iter().map(|target| run(target, share, seed)).sum();
    println!("{failures} failures");
    ExitCode::from(u8::from(failures > 0))
}

/// Runs a target for `time`; the number of different failures.
fn run(target: &Target, time: Duration, seed: u64) -> usize {
    let seeds = (target.seeds)();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (begun, mut inputs, mut failed) = (Instant::now(), 0u64, BTreeSet::new());
    while begun.elapsed() < time {
        let input = if inputs < seeds.len() as u64 {
            seeds[inputs as usize].clone()
        } else {
            mutated(&seeds, &mut random)
        };
        inputs += 1;
        let started = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let slow = started.elapsed() > SLOW;
        if result.is_ok() && !slow {
            continue;
        }
        let message = LAST_PANIC.lock().expect("no one panics while holding it").clone();
        let what = if slow { format!("took {:?}", started.elapsed()) } else { message };
        let place = what.split(": ").next().unwrap_or_default().to_owned();
        if failed.insert(if slow { "slow".to_owned() } else { place }) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
            let path = folder.join(format!("mutate-{seed}-{inputs}"));
            let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &input));
            println!("{}: {what}\n  input: {} ({kept:?})", target.name, path.display());
        }
    }
    println!("{:20} {inputs:9} inputs, {} failures", target.name, failed.len());
    failed.len()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Numbers at which something usually ends.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX];

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let length = 1 + random.below(16);
        let end = (at + length).min(bytes.len());
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => drop(bytes.splice(at..at, (0..length).map(|_| random.next() as u8).collect::<Vec<_>>())),
            5 => {
                let again = bytes[at..end].repeat(1 + random.below(40));
                drop(bytes.splice(at..at, again));
            }
            6 => {
                let edge = EDGES[random.below(EDGES.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            7 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                // Digits are lengths and sizes in JSON, TOML and old pickles.
                let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
                if let Some(&at) = digits.get(random.below(digits.len())) {
                    let numbers =
                        ["0", "-1", "99999999999999999999", "1e400", "4294967296", "9223372036854775807"];
                    drop(bytes.splice(at..=at, numbers[random.below(numbers.len())].bytes()));
                }
            }
        }
    }
    bytes
}
