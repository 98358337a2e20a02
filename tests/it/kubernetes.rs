//! `--engine kubernetes`: what the manifests say. `tests/python/test_kubernetes.py` checks them by Kubernetes' own schema.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use integration_tests::{Place, Ran, fixture, root};

use crate::place;

const TABLES: &str = "[output]\npath = \"/data/out/clue\"\n";

fn settings(place: &Place, paths: &str) {
    let text = format!(
        "# 全词\nvocab = \"/data/vocab.txt\"\n[[corpus]]\nname = \"clue\"\npaths = [{paths:?}]\nformat = \"documents\"\n{TABLES}"
    );
    place.write("Clue_128.toml", text);
}

fn write_down(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["prepare", "Clue_128.toml", "--engine", "kubernetes"], more].concat())
}

const GOOD: [&str; 6] = [
    "--kubernetes",
    "image=example.org/quanci:0.1",
    "--kubernetes",
    "volume=corpora:/data",
    "--workers",
    "50",
];

/// The image is built of the members of the workspace, and Cargo wants to see each.
#[test]
fn the_containerfile_copies_every_member() {
    let place = place();
    settings(&place, "/data/clue/*.txt");
    write_down(&place, &GOOD).exits(0);
    let containerfile = fs::read_to_string(place.join("kubernetes/Containerfile")).unwrap();
    let workspace: toml::Table =
        toml::from_str(&fs::read_to_string(root().join("Cargo.toml")).unwrap()).unwrap();
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let folder = member.as_str().unwrap().split('/').next().unwrap();
        assert!(containerfile.contains(&format!("\nCOPY {folder} {folder}\n")), "{folder}");
    }
}

#[test]
fn manifests_of_a_prepare_run() {
    let place = place();
    settings(&place, "/data/clue/*.txt");
    let more = ["--kubernetes", "namespace=nlp", "--kubernetes", "cpu=3500m", "--kubernetes", "memory=16Gi"];
    let secret = ["--kubernetes", "secret=bucket-keys", "--set", "seed=$(7)"];
    let ran = write_down(&place, &[&GOOD[..], &more, &secret].concat()).exits(2);
    ran.says(&["seed"]);
    let secret = ["--kubernetes", "secret=bucket-keys", "--set", "seed=7", "--out", "/data/out/$(x)"];
    let ran = write_down(&place, &[&GOOD[..], &more, &secret].concat()).exits(0);
    ran.says(&["docker build --file kubernetes/Containerfile", "bash kubernetes/apply.sh"]);
    let mut names: Vec<String> = fs::read_dir(place.join("kubernetes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "00-settings.yaml",
        "01-plan.yaml",
        "02-map.yaml",
        "03-layout.yaml",
        "04-reduce.yaml",
        "05-commit.yaml",
        "Containerfile",
        "apply.sh",
    ];
    assert_eq!(names, expected);
    let read = |name: &str| fs::read_to_string(place.join("kubernetes").join(name)).unwrap();
    let config = read("00-settings.yaml");
    assert!(config.contains("settings.toml: |") && config.contains("# 全词\n"), "{config}");
    let plan = read("01-plan.yaml");
    assert!(plan.contains("- /etc/quanci/settings.toml\n") && plan.contains("completions: 1\n"), "{plan}");
    assert!(
        plan.contains("/data/out/$$(x)") && !plan.contains("/data/out/$(x)"),
        "a variable of nobody's: {plan}"
    );
    let map = read("02-map.yaml");
    for part in [
        "namespace: nlp\n",
        "completionMode: Indexed\n",
        "completions: 50\n",
        "parallelism: 50\n",
        "backoffLimitPerIndex: 5\n",
        "maxFailedIndexes: 10\n",
        "restartPolicy: Never\n",
        "$(JOB_COMPLETION_INDEX)",
        "image: example.org/quanci:0.1\n",
        "cpu: 3500m\n",
        "memory: 16Gi\n",
        "claimName: corpora\n",
        "mountPath: /data\n",
        "name: bucket-keys\n",
        "type: DisruptionTarget\n",
        "action: FailJob\n",
        "action: FailIndex\n",
        "ttlSecondsAfterFinished: ",
    ] {
        assert!(map.contains(part), "{part:?} is not in\n{map}");
    }
    // The same settings have the same names; other settings others.
    let name =
        |text: &str| text.lines().find(|line| line.contains("name: quanci-clue-128-")).unwrap().to_owned();
    let before = name(&config);
    write_down(&place, &[&GOOD[..], &more, &secret].concat()).exits(0);
    assert_eq!(name(&read("00-settings.yaml")), before);
    write_down(&place, &GOOD).exits(0);
    assert_ne!(name(&read("00-settings.yaml")), before);
}

#[test]
fn a_vocab_run_and_a_dry_run() {
    let place = place();
    let text = "[[corpus]]\npaths = [\"s3://corpora/clue/*.txt\"]\nformat = \"documents\"\n[vocabulary]\npath = \"/data/v/vocab.txt\"\n";
    place.write("v.toml", text);
    let arguments = [&["vocab", "v.toml", "--engine", "kubernetes", "--dry-run"], &GOOD[..]].concat();
    let ran = place.run(&arguments).exits(0);
    let files: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("==> ")).collect();
    let numbered =
        ["00-settings", "01-plan", "02-count", "03-train"].map(|name| format!("==> {name}.yaml <=="));
    assert_eq!(files[..4], numbered);
    assert_eq!(files[4..], ["==> apply.sh <==", "==> Containerfile <=="]);
    assert!(ran.out.contains("- /data/v/.work/quanci-v-"), "the plan lies in the work folder: {}", ran.out);
    assert!(!place.join("kubernetes").exists());
}

#[test]
fn what_no_pod_would_find() {
    let place = place();
    settings(&place, "corpora/*.txt");
    let ran = write_down(&place, &[&GOOD[..], &["--set", "vocab=v.txt"]].concat()).exits(2);
    ran.says(&[
        "2 problems",
        "`vocab` is the relative path v.txt",
        "`corpus.paths` is the relative path corpora/*.txt",
    ]);
    settings(&place, "/data/*.txt");
    write_down(&place, &[&GOOD[..], &["--out", "out"]].concat())
        .exits(2)
        .says(&["`--out` is the relative path out"]);
    let ran =
        write_down(&place, &["--kubernetes", "image=x", "--kubernetes", "volume=corpora:/other"]).exits(2);
    ran.says(&["`output.path` is /data/out/clue", "no volume", "`output.work` is /data/out/.work"]);
    settings(&place, fixture("google-zh-vocab.txt").to_str().unwrap());
    write_down(&place, &[&GOOD[..], &["--force"]].concat()).exits(2).says(&["--force", "remove the output"]);
    for (option, says) in [
        ("cpu=lots", "--kubernetes cpu: \"lots\" is no quantity: write it like 4 or 500m"),
        ("memory=16 GB", "no quantity"),
        ("volume=corpora", "write CLAIM:/MOUNT, such as volume=corpora:/data"),
        ("volume=settings:/etc", "would hide /etc/quanci"),
        ("secret=My Keys", "no object's name"),
        ("user=0", "other than root"),
        ("colour=red", "no such key; there are image, namespace"),
        ("image", "write --kubernetes KEY=VALUE"),
    ] {
        write_down(&place, &["--kubernetes", option]).exits(2).says(&[says]);
    }
    write_down(&place, &[]).exits(2).says(&["image=… is missing"]);
}

/// `apply.sh` with a kubectl that knows of no Job but those it was given, and ends each as `end` says.
fn apply(place: &Place, end: &str) -> Ran {
    let kubectl = format!(
        "#!/bin/bash\necho \"$@\" >>kubectl.log\ncase \"$*\" in\n\
         'get job'*) grep -q \"apply.*${{3##*-}}.yaml\" kubectl.log && echo \"$3 {end}\" ;;\n\
         'get pods'*) echo pod/one ;;\n\
         'logs'*) echo 'error: no room left' ;;\nesac\nexit 0\n"
    );
    let path = place.write("bin/kubectl", kubectl);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    // It goes to its own folder, where our log then is.
    let path = format!("{}:{}", place.join("bin").display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.arg("kubernetes/apply.sh").current_dir(place.path()).env("PATH", path).env("POLL_SECONDS", "0");
    bash.output().unwrap().into()
}

#[test]
fn applying_the_manifests() {
    let place = place();
    settings(&place, "/data/*.txt");
    write_down(&place, &GOOD).exits(0);
    let ran = apply(&place, "Complete").exits(0);
    let done: Vec<&str> = ran.out.lines().map(|line| line.rsplit_once('-').unwrap().1).collect();
    assert_eq!(done, ["plan: done", "map: done", "layout: done", "reduce: done", "commit: done"]);
    let log = fs::read_to_string(place.join("kubernetes/kubectl.log")).unwrap();
    assert!(!log.contains("delete"), "{log}");
    // Again: the finished Jobs make room.
    apply(&place, "Complete").exits(0);
    let log = fs::read_to_string(place.join("kubernetes/kubectl.log")).unwrap();
    assert_eq!(log.matches("delete job").count(), 5, "{log}");
    fs::remove_file(place.join("kubernetes/kubectl.log")).unwrap();
    apply(&place, "FailureTarget Failed").exits(1).says(&["-plan failed", "== pod/one", "no room left"]);
}
