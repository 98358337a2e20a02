//! `evaluation.tasks`: checkpoints of a run are tuned on labelled sets, which changes nothing that the run learns.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran};

use super::labelled::json;
use super::{Settings, curve, place, weights};

const PHASE: &str = "steps = 8\nglobal_batch = 8\nmicro_batch = 4\nlearning_rate = 1e-3\nwarmup_steps = 2\n";
const MORE: &str = "[masking]\nmode = \"dynamic\"\n[data]\nlanes = 8\n[checkpoint]\nevery_steps = 3\n[log]\nevery_steps = 1\n";
const CURVES: [&str; 3] = ["task/mood/dev/accuracy", "task/mood/test/accuracy", "task/mood-2/dev/accuracy"];

/// Two tasks on reviews that the test makes.
fn with_tasks() -> Place {
    let place = place();
    let (good, bad) =
        (["我很喜欢", "非常好看", "值得一读", "真是好书"], ["太差了", "不好看", "浪费时间", "没有意思"]);
    let rows = (0..40).map(|i| {
        let (label, texts) = if i % 2 == 0 { ("1", good) } else { ("0", bad) };
        format!("{label}\t{}{}，{}\n", texts[i / 2 % 4], texts[i / 5 % 4], i)
    });
    let all: Vec<String> = rows.collect();
    fs::create_dir_all(place.join("mood")).unwrap();
    for (name, rows) in [("train", &all[..]), ("dev", &all[4..20]), ("test", &all[10..30])] {
        fs::write(
            place.join("mood").join(format!("{name}.tsv")),
            format!("label\ttext_a\n{}", rows.concat()),
        )
        .unwrap();
    }
    let settings = "task = \"chnsenticorp\"\npath = \"mood\"\ninit_from = \"none\"\noutput = \"none\"\nseeds = [1, 2]\nepochs = 2\nbatch = 4\n\
                    learning_rate = 3e-3\nmax_length = 24\n[log]\nevery_steps = 2\n";
    place.write("mood.toml", settings);
    place.write("mood-2.toml", settings.replace("epochs = 2", "epochs = 1") + "[set]\ntest = \"dev.tsv\"\n");
    place
}

fn more(tasks: &str) -> String {
    format!("{MORE}[evaluation]\nmax_rows = 50\n{tasks}")
}

const TASKS: &str = "tasks = [\"mood.toml\", \"mood-2.toml\"]\ntasks_every_steps = 4\n";

fn pretrain(place: &Place, settings: &str, ranks: &str) -> Ran {
    place.run(&["pretrain", settings, "--threads", "1", "--nproc", ranks])
}

fn curves(place: &Place, run: &str) -> Vec<Vec<(u64, f64)>> {
    CURVES.iter().map(|name| curve(&place.join(run), name)).collect()
}

/// Scores at their steps; what is learnt is bit for bit that of a run without tasks; and a model of its own has the same scores.
#[test]
fn checkpoints_are_tuned_and_nothing_else_changes() {
    let place = with_tasks();
    let (with, without) = (more(TASKS), more(""));
    let with = Settings { output: "with", phase: PHASE, more: &with }.write(&place);
    let without = Settings { output: "without", phase: PHASE, more: &without }.write(&place);
    let ran = pretrain(&place, &with, "1").exits(0);
    assert!(ran.err.contains("tuned at step 4: mood dev accuracy "), "{}", ran.err);
    pretrain(&place, &without, "1").exits(0);
    for own in curves(&place, "with") {
        let steps: Vec<u64> = own.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [4, 8]);
    }
    assert_eq!(curve(&place.join("with"), "train/loss"), curve(&place.join("without"), "train/loss"));
    assert!(weights(&place.join("with")) == weights(&place.join("without")), "the weights differ");
    // The last checkpoint, tuned by hand.
    place
        .run(&[
            "tune",
            "mood.toml",
            "--threads",
            "1",
            "--set",
            "init_from=\"with\"",
            "--set",
            "output=\"own\"",
        ])
        .exits(0);
    let own = json(&place.join("own/scores.json"))["dev"]["accuracy"]["mean"].as_f64().unwrap();
    let of_task = curve(&place.join("with"), CURVES[0]).last().unwrap().1;
    assert!((own - of_task).abs() < 1e-9, "{own}, not {of_task}");
    // A picture of them.
    place.run(&["plot", "with", "without", "-o", "curves.svg"]).exits(0);
    assert!(fs::read_to_string(place.join("curves.svg")).unwrap().contains("mood dev accuracy"));
}

#[test]
fn two_ranks_wait_for_the_first() {
    let place = with_tasks();
    let more = more(TASKS);
    let one = Settings { output: "one", phase: PHASE, more: &more }.write(&place);
    let two = Settings { output: "two", phase: PHASE, more: &more }.write(&place);
    pretrain(&place, &one, "1").exits(0);
    pretrain(&place, &two, "2").exits(0);
    for (one, two) in curves(&place, "one").iter().zip(curves(&place, "two")) {
        let steps = |curve: &[(u64, f64)]| curve.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!((steps(one), steps(&two)), (vec![4, 8], vec![4, 8]));
        // Gradients of ranks differ in the last digits; so a score may differ by two of 16 or more rows.
        for ((_, one), (_, two)) in one.iter().zip(&two) {
            assert!((one - two).abs() < 0.13, "{one} and {two}");
        }
    }
}

/// Stopped while it tunes, by signals and kills, a run ends with the scores and weights of one that was not.
#[test]
fn a_run_that_is_stopped_while_it_tunes_goes_on_there() {
    let place = with_tasks();
    let more = more(TASKS);
    let never = Settings { output: "never", phase: PHASE, more: &more }.write(&place);
    let often = Settings { output: "often", phase: PHASE, more: &more }.write(&place);
    pretrain(&place, &never, "1").exits(0);
    for (signal, task) in [("TERM", "mood"), ("KILL", "mood-2"), ("INT", "mood-2")] {
        let mut child = place.spawn(&mut place.command(&["pretrain", &often, "--threads", "1"]));
        let folder = place.join("often/tasks").join(task);
        let before = entries(&folder);
        let begun = Instant::now();
        while entries(&folder) == before && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{task} does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        match signal {
            "TERM" => drop(ran.exits(143)),
            "INT" => drop(ran.exits(130)),
            _ => {}
        }
    }
    pretrain(&place, &often, "1").exits(0);
    assert_eq!(curves(&place, "never"), curves(&place, "often"));
    assert!(weights(&place.join("never")) == weights(&place.join("often")), "the weights differ");
}

fn entries(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_task_that_cannot_be_done_is_told_before_training() {
    let place = with_tasks();
    place.write(
        "other.toml",
        "task = \"chnsenticorp\"\npath = \"gone\"\ninit_from = \"x\"\noutput = \"x\"\nmax_length = 24\n",
    );
    place.write(
        "long.toml",
        "task = \"chnsenticorp\"\npath = \"mood\"\ninit_from = \"x\"\noutput = \"x\"\nmax_length = 512\n",
    );
    place.write(
        "wrong.toml",
        "task = \"chnsenticorp\"\npath = \"mood\"\ninit_from = \"x\"\noutput = \"x\"\nepoch = 1\n",
    );
    for (tasks, code, words) in [
        ("tasks = \"other.toml\"\n", 3, "gone"),
        ("tasks = \"long.toml\"\n", 2, "positions for 64"),
        ("tasks = [\"wrong.toml\", \"nothing.toml\"]\n", 3, "nothing.toml"),
        ("tasks = \"wrong.toml\"\n", 2, "epoch"),
        ("tasks = [\"mood.toml\", \"mood/../mood.toml\"]\n", 2, "two files are called mood"),
    ] {
        let more = more(tasks);
        let settings = Settings { output: "run", phase: PHASE, more: &more }.write(&place);
        for command in ["check", "pretrain"] {
            let ran = place.run(&[command, &settings, "--threads", "1"]).exits(code);
            assert!(ran.err.contains(words), "{command} {tasks}: {}", ran.err);
        }
        assert!(!place.join("run/checkpoints").exists());
    }
}
