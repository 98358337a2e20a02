//! A data set that is replaced: at every moment one of the two is there, whole.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use integration_tests::{Place, hashes, leftovers};
use quanci_shards::Manifest;
use quanci_shards::rng::splitmix64;

use crate::{novels, place};

const TEXT: &str = "今天天气很好，我们去公园散步。\n公园里有很多人，大家都很高兴。\n\n茶是一种古老的饮料。\n";

fn small(more: &str) -> Place {
    let place = place();
    place.write("a.txt", TEXT);
    let more = format!("[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"w\"\n{more}");
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", &more);
    place
}

/// The data id of a whole data set.
fn whole(folder: &Path) -> String {
    let manifest = Manifest::read(folder).unwrap();
    for shard in &manifest.shards {
        assert_eq!(fs::metadata(folder.join(&shard.path)).unwrap().len(), shard.bytes, "{}", shard.path);
    }
    for file in &manifest.files {
        assert_eq!(fs::metadata(folder.join(&file.path)).unwrap().len(), file.bytes, "{}", file.path);
    }
    manifest.data_id
}

#[test]
fn killed_while_it_is_replaced() {
    let place = place();
    let more =
        "[instances]\ncopies = 20\n[output]\npath = \"out\"\nwork = \"w\"\nshards = 8\nbucket_mb = 1\n";
    place.settings(&novels(), more);
    let seeds = ["seed=1", "seed=2"].map(|seed| ["prepare", "run.toml", "--force", "--set", seed]);
    let ids = seeds.map(|arguments| {
        place.run(&arguments).exits(0);
        whole(&place.join("out"))
    });
    let begun = Instant::now();
    place.run(&seeds[0]).exits(0);
    // Most kills hit the end of the run, where the names are exchanged and the old files go.
    let length = begun.elapsed().as_millis() as u64;
    let mut killed = 0;
    for i in 0..12 {
        let mut child = place.spawn(&mut place.command(&seeds[i as usize % 2]));
        sleep(Duration::from_millis(length * 7 / 10 + splitmix64(i) % (length / 3 + 1)));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let id = whole(&place.join("out"));
        assert!(ids.contains(&id), "{id}");
    }
    println!("{killed} kills hit");
    place.run(&seeds[1]).exits(0);
    assert_eq!(whole(&place.join("out")), ids[1]);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

/// Where names cannot be exchanged, the old data set steps aside for a moment. A run that is killed then has lost nothing.
#[test]
fn a_data_set_that_stepped_aside_comes_back() {
    let place = small("");
    place.run(&["prepare", "run.toml"]).exits(0);
    let first = hashes(&place.join("out"));
    let aside = place.join(".out.replaced.0123456789abcdef0123456789abcdef.quanci-unfinished");
    fs::rename(place.join("out"), &aside).unwrap();
    place.run(&["prepare", "run.toml", "--set", "seed=7"]).exits(3).says(&["--force"]);
    assert_eq!(hashes(&place.join("out")), first);
    assert!(!aside.exists());
}

/// What a run has left to do that was killed after its data set had its name.
#[test]
fn killed_between_the_data_set_and_the_end() {
    let place = small("keep_work = false\n");
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let plan: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("plan.json")).unwrap()).unwrap();
    let key = plan["map"][0]["key"].as_str().unwrap();
    let part = place.write(&format!("w/parts/{key}.part"), "x");
    let folder = format!("w/{}/reduce/00000", plan["work_id"].as_str().unwrap());
    let report = place.write(&format!("{folder}/report.json"), "{}");
    let shard = place.write(&format!("{folder}/copy-00.parquet"), "x");
    place.run(&["prepare", "run.toml"]).exits(0);
    assert!([part, report, shard].iter().all(|path| !path.exists()));
}

#[test]
fn names_that_begin_alike() {
    let place = small("");
    place.run(&["prepare", "run.toml", "--out", "data/v1"]).exits(0);
    place.run(&["prepare", "run.toml", "--out", "data/v1.0"]).exits(0);
    let id = "0123456789abcdef0123456789abcdef";
    let leftover = |name: &str| {
        place.write(&format!("data/.{name}.{id}.quanci-unfinished/README.md"), "x");
        place.join(format!("data/.{name}.{id}.quanci-unfinished"))
    };
    let (short, long) = (leftover("v1"), leftover("v1.0"));
    place.run(&["prepare", "run.toml", "--out", "data/v1", "--force", "--set", "seed=3"]).exits(0);
    assert!(!short.exists() && long.exists());
    place.run(&["prepare", "run.toml", "--out", "data/v1.0", "--force", "--set", "seed=3"]).exits(0);
    assert!(!long.exists());
    assert_eq!(hashes(&place.join("data/v1")), hashes(&place.join("data/v1.0")));
}
