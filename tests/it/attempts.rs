//! The tasks of a plan as processes of their own: two attempts at once, killed at scattered moments, failing, in shares, and
//! never longer than their parent lives.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use integration_tests::{Place, hashes, leftovers};

use crate::{MANY_TASKS, novels, place, signal, tasks_running, times_the_novels, wait_for};

/// `quanci plan`, by its full path, which the tasks' command lines then hold.
fn plan(place: &Place) -> String {
    let plan = place.join("plan.json").to_str().unwrap().to_owned();
    place.run(&["plan", "run.toml", "-o", &plan]).exits(0);
    plan
}

fn attempt(place: &Place, plan: &str, stage: &str, task: usize) -> Child {
    let index = task.to_string();
    place.spawn(&mut place.command(&["run-task", "--plan", plan, "--stage", stage, "--index", &index]))
}

/// A stage, as `quanci status` tells it.
fn stage(place: &Place, plan: &str, name: &str) -> serde_json::Value {
    let said = place.run(&["status", "--plan", plan, "--json"]).exits(0).json();
    let found = said["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name);
    found.unwrap().clone()
}

/// Two attempts at once, killed one after the other; how many were.
fn killed(place: &Place, plan: &str, stage: &str, task: usize, moments: [Duration; 2]) -> usize {
    let attempts = [(); 2].map(|()| attempt(place, plan, stage, task));
    let mut killed = 0;
    for (mut attempt, moment) in attempts.into_iter().zip(moments) {
        sleep(moment);
        attempt.kill().unwrap();
        killed += usize::from(!attempt.wait().unwrap().success());
    }
    killed
}

#[test]
fn tasks_killed_at_scattered_moments() {
    let place = place();
    place.settings(&times_the_novels(10, &place), MANY_TASKS);
    place.run(&["prepare", "run.toml", "--out", "never-killed", "--set", "output.work=w"]).exits(0);
    let plan = plan(&place);
    let mut kills = 0;
    // How long a task takes here and now, about.
    let mut span = Duration::from_millis(100);
    for name in ["map", "layout", "reduce", "commit"] {
        let tasks = stage(&place, &plan, name)["tasks"].as_u64().unwrap() as usize;
        for task in 0..tasks {
            for _ in 0..2 {
                // Scattered over the first half of a task, so that most find it running.
                let share = |i: usize| (quanci_shards::rng::splitmix64(i as u64) % 1000) as f64 / 1000.0;
                let moment = |i: usize| span.mul_f64(0.5 * share(i));
                kills += killed(&place, &plan, name, task, [moment(kills), moment(kills + 1)]);
            }
            // Out of two at once, both succeed.
            let begun = Instant::now();
            for child in [(); 2].map(|()| attempt(&place, &plan, name, task)) {
                integration_tests::Ran::from(child.wait_with_output().unwrap()).exits(0);
            }
            span = begun.elapsed();
            let missing: Vec<usize> = (task + 1..tasks).collect();
            let told = &stage(&place, &plan, name)["missing"];
            let told: Vec<usize> = serde_json::from_value(told.clone()).unwrap();
            assert!(told.iter().all(|task| missing.contains(task)), "{name}: {told:?} after task {task}");
            assert_eq!(stage(&place, &plan, name)["failed"], serde_json::json!([]));
        }
    }
    assert!(kills >= 40, "only {kills} kills hit");
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("never-killed")));
    // Whoever runs the job next sweeps.
    place.run(&["prepare", "run.toml"]).exits(0);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_task_ends_with_its_parent_and_on_signals() {
    let place = place();
    // One task of some seconds.
    let novels = fs::read(integration_tests::samples().join("public-domain/sanguo-yanyi.txt")).unwrap();
    place.write("all.txt", novels.repeat(60_000_000 / novels.len()));
    let settings = MANY_TASKS.replace("task_mb = 1\n", "task_mb = 100\n");
    place.settings("format = \"paragraphs\"\npaths = [\"all.txt\"]", &settings);
    let plan = plan(&place);
    let in_its_midst = || {
        wait_for("the task to begin", 10, || !tasks_running(&place, "map").is_empty());
        sleep(Duration::from_millis(500));
    };
    let stopped_cleanly = || {
        wait_for("the task to end", 8, || tasks_running(&place, "map").is_empty());
        assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
        let map = stage(&place, &plan, "map");
        assert_eq!((&map["missing"], &map["failed"]), (&serde_json::json!([0]), &serde_json::json!([])));
    };
    let program = env!("CARGO_BIN_EXE_quanci-under-test");
    let mut shell = Command::new("sh");
    let task = format!("{program} run-task --plan {plan} --stage map --index 0 --threads 1 & wait");
    let mut shell = shell.args(["-c", &task]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    in_its_midst();
    shell.kill().unwrap();
    shell.wait().unwrap();
    stopped_cleanly();
    let child = attempt(&place, &plan, "map", 0);
    in_its_midst();
    assert!(signal("TERM", u64::from(child.id())));
    integration_tests::Ran::from(child.wait_with_output().unwrap()).exits(143);
    stopped_cleanly();
}

#[test]
fn failures_are_told_until_the_task_succeeds() {
    let place = place();
    let text = place.write("a.txt", "今天天气很好。\n我们去公园。\n\n茶是一种古老的饮料。\n");
    let unchanged = fs::metadata(&text).unwrap().modified().unwrap();
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", "");
    let plan = plan(&place);
    let run = |stage: &str| {
        integration_tests::Ran::from(attempt(&place, &plan, stage, 0).wait_with_output().unwrap())
    };
    fs::File::open(&text).unwrap().set_modified(unchanged + Duration::from_secs(1)).unwrap();
    run("map").exits(3);
    let failed = &stage(&place, &plan, "map")["failed"][0];
    assert_eq!((&failed["task"], &failed["exit_code"]), (&serde_json::json!(0), &serde_json::json!(3)));
    assert!(
        failed["message"].as_str().unwrap().contains("has changed since the run was planned"),
        "{failed}"
    );
    let told = place.run(&["status", "--plan", &plan]).exits(0).out;
    assert!(told.contains("map: 0 of 1 done; missing 0\n") && told.contains("task 0 failed (on "), "{told}");
    run("reduce").exits(75);
    fs::File::open(&text).unwrap().set_modified(unchanged).unwrap();
    for name in ["map", "layout", "reduce", "commit"] {
        run(name).exits(0);
        assert_eq!(stage(&place, &plan, name)["failed"], serde_json::json!([]));
    }
    let told = place.run(&["status", "--plan", &plan]).exits(0).out;
    assert_eq!(told.matches(" of 1 done\n").count(), 4, "{told}");
}

#[test]
fn shares_of_a_stage() {
    let place = place();
    place.settings(&novels(), MANY_TASKS);
    let plan = plan(&place);
    let share = |stage: &str, index: &str, of: &str| {
        place.run(&["run-task", "--plan", &plan, "--stage", stage, "--index", index, "--of", of, "--json"])
    };
    share("map", "2", "2").exits(2).says(&["no share 2 of 2"]);
    assert_eq!(share("map", "1", "2").exits(0).json()["tasks"], serde_json::json!([1]));
    assert_eq!(stage(&place, &plan, "map")["missing"], serde_json::json!([0]));
    assert_eq!(share("map", "0", "1").exits(0).json()["tasks"], serde_json::json!([0, 1]));
    assert_eq!(share("map", "7", "9").exits(0).json()["tasks"], serde_json::json!([]));
    assert_eq!(stage(&place, &plan, "map")["missing"], serde_json::json!([]));
}
