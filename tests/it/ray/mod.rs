//! `--engine ray`, on a cluster of two nodes on this machine: the bytes of the local engine, whatever is killed.

mod cluster;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use integration_tests::{Place, Ran, hashes, leftovers};

use crate::{MANY_TASKS, novels, place, signal, tasks_running, times_the_novels, wait_for};
use cluster::{cluster, is_on, python};

/// `quanci prepare --engine ray`, with more arguments.
fn on_ray<'a>(address: &'a str, python: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let ray = ["prepare", "run.toml", "--engine", "ray", "--ray-address", address, "--python"];
    [&ray[..], &[python.to_str().unwrap()], more].concat()
}

/// The plan that the engine wrote.
fn plan(place: &Place) -> Option<PathBuf> {
    let mut folders =
        fs::read_dir(place.join(".work")).ok()?.map(|entry| entry.unwrap().path().join("plan.json"));
    folders.find(|plan| plan.exists())
}

/// What `quanci status` says: (tasks, missing) of each stage that can be seen. No stage has begun before those before it
/// have ended.
fn status(place: &Place) -> Vec<(u64, u64)> {
    let plan = plan(place).unwrap();
    let said = place.run(&["status", "--json", "--plan", plan.to_str().unwrap()]).exits(0).json();
    let stages = said["stages"].as_array().unwrap().iter();
    let seen = stages
        .filter_map(|stage| Some((stage["tasks"].as_u64()?, stage["missing"].as_array()?.len() as u64)));
    let seen: Vec<(u64, u64)> = seen.collect();
    for pair in seen.windows(2) {
        let [(_, before), (tasks, missing)] = pair else { unreachable!() };
        assert!(*before == 0 || missing == tasks, "{said}");
    }
    seen
}

/// Process ids of the `run-task`s of a place, of a stage and on a node, if they are named.
fn running(place: &Place, stage: &str, node: &str) -> Vec<u64> {
    let on_node = |process: &u64| node.is_empty() || is_on(*process, node);
    tasks_running(place, stage).into_iter().filter(on_node).collect()
}

fn ended(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

/// The data set of the local engine.
fn expected(place: &Place) -> std::collections::BTreeMap<String, String> {
    place.run(&["prepare", "run.toml", "--out", "local", "--set", "output.work=w"]).exits(0);
    hashes(&place.join("local"))
}

/// All is done, nothing is left over, and the bytes are the local engine's.
#[track_caller]
fn whole(place: &Place, expected: &std::collections::BTreeMap<String, String>) {
    assert_eq!(&hashes(&place.join("out")), expected);
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
    let done = status(place);
    // Three more where near-duplicates are looked for and lines are compared.
    assert!(matches!(done.len(), 4 | 7), "{done:?}");
    assert!(done.iter().all(|(_, missing)| *missing == 0), "{done:?}");
}

#[test]
fn the_bytes_of_the_local_engine() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.settings(&novels(), MANY_TASKS);
    let expected = expected(&place);
    let ran = place.run(&on_ray(&cluster.address, &python, &["--threads", "2"])).exits(0);
    ran.says(&["map: 2 tasks in", "reduce: 2 tasks in"]);
    whole(&place, &expected);
    // Finished: nothing to ask of any cluster.
    place.run(&on_ray("nowhere:1", &python, &[])).exits(0);
    place.run(&on_ray(&cluster.address, &python, &["--force"])).exits(0);
    whole(&place, &expected);
}

#[test]
fn near_duplicates_and_shared_lines() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    let settings = MANY_TASKS.replace("dedup = false", "near_duplicates = true\ndedup_lines = 2");
    place.settings(&times_the_novels(2, &place), &settings);
    let expected = expected(&place);
    place.run(&on_ray(&cluster.address, &python, &[])).exits(0);
    assert_eq!(status(&place).len(), 7);
    whole(&place, &expected);
}

#[test]
fn a_vocabulary() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.write("run.toml", format!("[[corpus]]\n{}\n[vocabulary]\nsize = 3000\ntask_mb = 1\n", novels()));
    place.run(&["vocab", "run.toml", "--out", "local/vocab.txt"]).exits(0);
    let mut command = on_ray(&cluster.address, &python, &["--out", "ray/vocab.txt"]);
    command[0] = "vocab";
    place.run(&command).exits(0).says(&["count: ", "train: 1 tasks in"]);
    for name in ["vocab.txt", "tokenizer.json", "tokenizer_config.json"] {
        let read = |folder| fs::read(place.join(folder).join(name)).unwrap();
        assert_eq!(read("ray"), read("local"), "{name}");
    }
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
}

/// Names in GBK, of inputs and of the output: plans hold their bytes, and the driver passes them on.
#[test]
fn names_that_are_no_utf8() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let gbk = |before: &str, after: &str| {
        PathBuf::from(OsStr::from_bytes(&[before.as_bytes(), b"\xcc\xe5\xd3\xfd", after.as_bytes()].concat()))
    };
    let place = place();
    let (folder, out) = (place.join(gbk("t-", "")), gbk("out-", ""));
    fs::create_dir(&folder).unwrap();
    for i in 0..4 {
        let text =
            format!("清晨的河面上起了{i}层薄雾。\n渔船一只接一只地离开码头。\n\n老人坐在门口修补渔网。\n");
        fs::write(folder.join(gbk("", &format!("{i}.txt"))), text).unwrap();
    }
    place.settings("format = \"paragraphs\"\npaths = [\"t-*/*.txt\"]", "");
    let expected = expected(&place);
    let mut command = place.command(&on_ray(&cluster.address, &python, &["--quiet", "--out"]));
    Ran::from(command.arg(&out).output().unwrap()).exits(0);
    assert_eq!(hashes(&place.join(&out)), expected);
}

/// What is killed of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kill {
    /// All of it: what ran there must be tried again.
    Node,
    /// Its raylet: a worker may end its task before it follows.
    Raylet,
}

/// Kills node b at the moment when its `nth` task of `stage` is first seen.
fn a_node_killed(copies: u32, stage: &str, nth: usize, kill: Kill) {
    let (Some(mut cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.settings(&times_the_novels(copies, &place), MANY_TASKS);
    let expected = expected(&place);
    let address = cluster.address.clone();
    let child = place.spawn(&mut place.command(&on_ray(&address, &python, &[])));
    let mut seen = std::collections::BTreeSet::new();
    wait_for("a task on node b", 60, || {
        seen.extend(running(&place, stage, "b"));
        seen.len() >= nth
    });
    match kill {
        Kill::Node => cluster.kill_node("b"),
        Kill::Raylet => cluster.kill_raylet("b"),
    }
    let at_the_kill = status(&place);
    let stage_at = ["map", "layout", "reduce"].iter().position(|name| *name == stage).unwrap();
    assert!(at_the_kill[stage_at].1 > 0, "{stage} was over: {at_the_kill:?}");
    ended(child).exits(0).says(if kill == Kill::Node { &["retried"] } else { &[] });
    whole(&place, &expected);
}

#[test]
fn a_node_killed_in_map() {
    a_node_killed(10, "map", 2, Kill::Node);
}

#[test]
fn a_node_killed_in_reduce() {
    a_node_killed(10, "reduce", 1, Kill::Node);
}

#[test]
#[ignore = "some minutes: cargo test … --test it -- --ignored ray"]
fn ten_nodes_killed() {
    for (nth, kill) in [Kill::Node, Kill::Raylet].into_iter().cycle().take(7).enumerate() {
        a_node_killed(25, "map", nth + 1, kill);
    }
    for (nth, kill) in [Kill::Raylet, Kill::Node, Kill::Raylet].into_iter().enumerate() {
        a_node_killed(25, "reduce", nth + 1, kill);
    }
}

#[test]
fn stopped_and_killed_and_resumed() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.settings(&times_the_novels(10, &place), MANY_TASKS);
    let expected = expected(&place);
    for (name, code) in [("TERM", Some(143)), ("KILL", None)] {
        let child = place.spawn(&mut place.command(&on_ray(&cluster.address, &python, &[])));
        wait_for("a task", 60, || !running(&place, "map", "").is_empty());
        assert!(signal(name, u64::from(child.id())));
        let ran = ended(child);
        assert_eq!(ran.code, code, "{}", ran.err);
        wait_for("the tasks to end", 15, || running(&place, "", "").is_empty());
        assert!(status(&place)[0].1 > 0, "map was over");
    }
    place.run(&on_ray(&cluster.address, &python, &[])).exits(0);
    whole(&place, &expected);
}

#[test]
fn a_task_that_fails_ends_the_run_in_its_own_words() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.settings(&times_the_novels(10, &place), MANY_TASKS);
    // Ten lines in a file of gzip, which ends too early.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let text: String = (0..200_000).map(|i: u64| format!("第{}次，{}人。\n", i * i, i % 977)).collect();
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    place.write("text/damaged.txt", &bytes[..bytes.len() / 2]);
    let ran = place.run(&on_ray(&cluster.address, &python, &[])).exits(3);
    let words = "damaged.txt: ";
    ran.says(&[words, "of map, on "]);
    wait_for("the other tasks to end", 5, || running(&place, "", "").is_empty());
    let plan = plan(&place).unwrap();
    let said = place.run(&["status", "--json", "--plan", plan.to_str().unwrap()]).exits(0);
    let failed = &said.json()["stages"][0]["failed"][0];
    assert!(failed["message"].as_str().unwrap().contains(words), "{failed}");
    assert_eq!(failed["exit_code"], 3);
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
    // Too many rejects are told by layout, with their own exit code.
    fs::remove_file(place.join("text/damaged.txt")).unwrap();
    place.write("bad.jsonl", "{\"text\": \"今天天气很好。\"}\n{\"text\": 1}\n");
    place.settings("format = \"jsonl\"\npaths = [\"bad.jsonl\"]", "");
    place.run(&on_ray(&cluster.address, &python, &[])).exits(4).says(&["were rejected", "(task 0 of layout"]);
}

/// A program that is quanci on node a, and does `other` on node b. `$plan` is the plan there, and `$quanci` the program.
fn two_faced(place: &Place, other: &str) -> PathBuf {
    let script = format!(
        "#!/bin/sh\nquanci={:?}\nplan=$(echo \"$*\" | sed 's/.*--plan \\([^ ]*\\).*/\\1/')\n\
         [ \"$QUANCI_TEST_NODE\" = {:?} ] || exec \"$quanci\" \"$@\"\n{other}\n",
        env!("CARGO_BIN_EXE_quanci-under-test"),
        cluster::mark("b")
    );
    let path = place.write("two-faced", script);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn nodes_that_cannot_work() {
    let (Some(cluster), Some(python)) = (cluster(), python()) else { return };
    let place = place();
    place.settings(&novels(), MANY_TASKS);
    let run = |program: &str| place.run(&on_ray(&cluster.address, &python, &["--program", program])).exits(3);
    let on_b = |other: &str| run(two_faced(&place, other).to_str().unwrap()).says(&["error: node "]);
    run("/nowhere/quanci").says(&["2 of 2 nodes cannot work", "cannot start /nowhere/quanci", "--program"]);
    let blind = "exec \"$quanci\" probe --json --token x --plan /nowhere/plan.json";
    on_b(blind).says(&[
        "/nowhere/plan.json: not found on this machine; put `output.work` on storage that all nodes share",
    ]);
    let another_folder = "mkdir -p \"$plan.other\" && sed 's#\"path\": \".*run.toml\"#\"path\": \"/tmp/quanci-no-node/run.toml\"#' \
                          \"$plan\" >\"$plan.other/plan.json\"; \
                          exec \"$quanci\" \"$1\" \"$2\" \"$3\" \"$plan.other/plan.json\" \"$5\" \"$6\"";
    on_b(another_folder)
        .says(&["cannot see the work folder of this machine", "storage that all nodes share"]);
    fs::remove_dir_all("/tmp/quanci-no-node").ok();
    let another_plan = "sed 's#\"program\": \".*\"#\"program\": \"0.0.9\"#' \"$plan\" >\"$plan.9\"; \
                        exec \"$quanci\" \"$1\" \"$2\" \"$3\" \"$plan.9\" \"$5\" \"$6\"";
    on_b(another_plan).says(&["a plan of quanci 0.0.9", "run the same program everywhere"]);
    let threads = place.run(&on_ray(&cluster.address, &python, &["--threads", "64"])).exits(2);
    threads.says(&["no node of the cluster has 64 CPUs", "--threads"]);
    assert_eq!(leftovers(place.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_cluster() {
    let Some(python) = python() else { return };
    let place = place();
    place.settings(&novels(), MANY_TASKS);
    let run = |address: &str, python: &Path| place.run(&on_ray(address, python, &[])).exits(2);
    let begun = Instant::now();
    run("auto", Path::new("no-python")).says(&["--python: cannot start no-python"]);
    // Without its site-packages, no Python has Ray.
    let bare = place.write("bare", format!("#!/bin/sh\nexec {python:?} -S \"$@\"\n"));
    fs::set_permissions(&bare, fs::Permissions::from_mode(0o755)).unwrap();
    run("auto", &bare).says(&["has no Ray", "pip install 'ray==2.60.0'", "--python"]);
    run("127.0.0.1:1", &python).says(&["nobody answers", "--ray-address"]);
    run("127.0.0.1:no", &python).says(&["nobody answers", "--ray-address"]);
    run("nowhere", &python).says(&["cannot join", "--ray-address"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // Somebody who listens and is not Ray.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    run(&other.local_addr().unwrap().to_string(), &python).says(&["--ray-address"]);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
