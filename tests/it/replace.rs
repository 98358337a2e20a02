//! Data sets that are replaced, and runs that were killed at the end of it.

use std::fs;

use integration_tests::{Place, hashes};

use crate::place;

const TEXT: &str = "今天天气很好，我们去公园散步。\n公园里有很多人，大家都很高兴。\n\n茶是一种古老的饮料。\n";

fn small(more: &str) -> Place {
    let place = place();
    place.write("a.txt", TEXT);
    let more = format!("[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"w\"\n{more}");
    place.settings("format = \"paragraphs\"\npaths = [\"a.txt\"]", &more);
    place
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
