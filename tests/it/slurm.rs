//! `--engine slurm`, with commands of ours in the place of Slurm's. `tests/slurm.sh` runs the real ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use integration_tests::{Place, Ran, hashes};

use crate::{novels, place};

const TABLES: &str = "[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"a user's $work\"\nshards = 2\ntask_mb = 1\nbucket_mb = 1\n";

/// Tells its arguments, a line each, and gives ids from 101 on; `refused` is the submission that fails.
fn sbatch(refused: u32) -> String {
    format!(
        "#!/bin/bash\necho sbatch >>sbatch.log; printf '  %s\\n' \"$@\" >>sbatch.log\n\
         n=$(grep -c ^sbatch sbatch.log)\n\
         [ $n = {refused} ] && {{ echo 'sbatch: error: invalid partition specified: x' >&2; exit 1; }}\n\
         echo \"$((100 + n));cluster\"\n"
    )
}

/// Commands in the folder `bin`, which comes before all others.
fn commands(place: &Place, commands: &[(&str, &str)]) {
    for (name, text) in commands {
        let path = place.write(&format!("bin/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn with_path(place: &Place, mut command: Command) -> Ran {
    let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).output().unwrap().into()
}

fn submit(place: &Place, more: &[&str]) -> Ran {
    let arguments = [&["prepare", "run.toml", "--engine", "slurm"], more].concat();
    with_path(place, place.command(&arguments))
}

/// The folder of scripts.
fn scripts(place: &Place) -> PathBuf {
    let work = place.join("a user's $work");
    let mut folders = fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path().join("slurm"));
    folders.find(|folder| folder.is_dir()).unwrap()
}

/// Runs a stage's script as an element of its array.
fn element(place: &Place, stage: &str, task: &str, restarts: &str) -> Ran {
    let mut bash = Command::new("bash");
    bash.arg(scripts(place).join(format!("{stage}.sh"))).current_dir(place.path());
    bash.env("SLURM_JOB_ID", "7").env("SLURM_ARRAY_JOB_ID", "7").env("SLURM_ARRAY_TASK_ID", task);
    bash.env("SLURM_RESTART_COUNT", restarts);
    with_path(place, bash)
}

const SRUN: &str = "#!/bin/bash\nwhile [ \"${1#--}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n";

#[test]
fn a_run_submitted_twice() {
    let place = place();
    place.settings(&novels(), TABLES);
    commands(&place, &[("sbatch", &sbatch(0)), ("srun", SRUN), ("squeue", "#!/bin/bash\nexit 1\n")]);
    let ran = submit(&place, &["--slurm", "partition=cpu", "--slurm", "mem=8G", "--json"]).exits(0);
    let jobs = ran.json()["jobs"].clone();
    assert_eq!(jobs[0], serde_json::json!({ "stage": "map", "id": "101" }));
    assert_eq!(jobs[3], serde_json::json!({ "stage": "commit", "id": "104" }));
    let log = fs::read_to_string(place.join("sbatch.log")).unwrap();
    for words in
        ["--parsable", "--requeue", "--open-mode=append", "--partition=cpu", "--mem=8G", "--signal=TERM@60"]
    {
        assert_eq!(log.matches(&format!("  {words}\n")).count(), 4, "{words} in\n{log}");
    }
    let submissions: Vec<&str> = log.split("sbatch\n").skip(1).collect();
    let [map, layout, reduce, commit] = submissions[..] else { panic!("{log}") };
    assert!(map.contains("--array=0-1\n") && !map.contains("--dependency"), "{map}");
    assert!(map.contains("--job-name=quanci-run-map\n") && map.contains("--output=%x-%A_%a.log\n"), "{map}");
    assert!(layout.contains("--dependency=afterok:101\n") && !layout.contains("--array"), "{layout}");
    assert!(reduce.contains("--dependency=afterok:102\n") && reduce.contains("--array=0-1\n"), "{reduce}");
    assert!(commit.contains("--dependency=afterok:103\n") && commit.contains("--kill-on-invalid-dep=yes\n"));

    // The scripts, for all their quotes, do the work; a run that has begun submits what is missing.
    element(&place, "map", "1", "0").exits(0);
    fs::remove_file(place.join("sbatch.log")).unwrap();
    submit(&place, &[]).exits(0);
    let log = fs::read_to_string(place.join("sbatch.log")).unwrap();
    assert!(log.contains("  --array=0\n"), "task 1 is done: {log}");
    element(&place, "map", "0", "0").exits(0);
    element(&place, "layout", "", "0").exits(0);
    fs::remove_file(place.join("sbatch.log")).unwrap();
    let ran = submit(&place, &["--json"]).exits(0);
    assert_eq!(ran.json()["jobs"][0], serde_json::json!({ "stage": "reduce", "id": "101" }));
    let log = fs::read_to_string(place.join("sbatch.log")).unwrap();
    assert_eq!(log.matches("sbatch\n").count(), 2, "{log}");
    element(&place, "reduce", "0", "0").exits(0);
    element(&place, "reduce", "1", "0");
    element(&place, "commit", "", "0").exits(0);
    let ran = submit(&place, &[]).exits(0);
    assert!(ran.out.contains("already finished"), "{}", ran.out);
    assert_eq!(fs::read_to_string(place.join("sbatch.log")).unwrap(), log, "nothing was submitted");
    place.run(&["prepare", "run.toml", "--out", "local", "--set", "output.work=w"]).exits(0);
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("local")));
}

#[test]
fn a_run_that_is_in_the_queue() {
    let place = place();
    place.settings(&novels(), TABLES);
    commands(&place, &[("sbatch", &sbatch(0)), ("squeue", "#!/bin/bash\necho 102\necho 103\n")]);
    submit(&place, &[]).exits(0);
    submit(&place, &[]).exits(75).says(&["already in the queue (jobs 102 103)", "scancel 102 103"]);
}

#[test]
fn a_task_worth_retrying() {
    let place = place();
    place.settings(&novels(), TABLES);
    let scontrol = "#!/bin/bash\necho \"$@\" >>scontrol.log\nexit 1\n";
    let retry = "#!/bin/bash\nexit 75\n";
    commands(&place, &[("sbatch", &sbatch(0)), ("srun", retry), ("scontrol", scontrol)]);
    submit(&place, &["--workers", "1"]).exits(0);
    fs::remove_file(place.join("scontrol.log")).unwrap();
    // Slurm may refuse to take the job back; then its exit code stands.
    element(&place, "map", "3", "4").exits(75).says(&["start 5 of 5 again"]);
    element(&place, "layout", "", "0").exits(75);
    element(&place, "map", "3", "5").exits(75);
    assert_eq!(fs::read_to_string(place.join("scontrol.log")).unwrap(), "requeue 7_3\nrequeue 7\n");
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = place();
    place.settings(&novels(), TABLES);
    let ran = submit(&place, &["--slurm", "comment=two words", "--workers", "1", "--dry-run"]).exits(0);
    let names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["run.toml"]);
    for part in [
        "run-task --plan '",
        r"/a user'\''s $work/",
        "--stage map \\\n    --index \"$SLURM_ARRAY_TASK_ID\" --of 1 --threads \"$threads\"\n",
        "map=$(sbatch --parsable ",
        " '--comment=two words' ",
        "layout=$(sbatch ",
        "--dependency=afterok:$map --kill-on-invalid-dep=yes ",
        "--stage commit \\\n    --index 0 ",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in\n{}", ran.out);
    }
    let checked = Command::new("bash").args(["-n", "-c", &ran.out]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn what_slurm_refuses() {
    let place = place();
    place.settings(&novels(), TABLES);
    let scancel = "#!/bin/bash\necho \"$@\" >scancel.log\n";
    commands(&place, &[("sbatch", &sbatch(3)), ("scancel", scancel)]);
    let ran = submit(&place, &["--slurm", "partition=x"]).exits(2);
    ran.says(&[
        "refused the stage reduce",
        "invalid partition specified: x",
        "jobs 101 102",
        "were cancelled",
    ]);
    assert_eq!(fs::read_to_string(place.join("scancel.log")).unwrap(), "101 102\n");
    let mut command = place.command(&["prepare", "run.toml", "--engine", "slurm"]);
    let ran: Ran = command.env("PATH", place.join("nothing")).output().unwrap().into();
    ran.exits(2).says(&["sbatch is not on PATH", "login node", "--dry-run"]);
}

#[test]
fn options_that_are_wrong() {
    let place = place();
    place.settings(&novels(), TABLES);
    for (option, says) in [
        ("mem", "write --slurm KEY=VALUE, such as --slurm partition=cpu"),
        ("mem=", "write --slurm KEY=VALUE"),
        ("=8G", "write --slurm KEY=VALUE"),
        ("--mem=8G", "write --slurm KEY=VALUE"),
        ("array=0-3", "is not for you to set"),
        ("dependency=afterok:1", "each stage wait for the one before it"),
    ] {
        submit(&place, &["--slurm", option]).exits(2).says(&[says]);
    }
    place.settings("paths = [\"-\"]\nformat = \"documents\"", TABLES);
    submit(&place, &["--dry-run"]).exits(2).says(&["standard input"]);
    let wrong = place.command(&["vocab", "run.toml", "--engine", "slurm"]);
    with_path(&place, wrong).exits(2).says(&["settings of a prepare run; use quanci prepare run.toml"]);
}
