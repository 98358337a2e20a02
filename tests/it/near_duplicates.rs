//! `clean.near_duplicates` from outside: what is joined and kept, the same bytes in any way of running, wrong settings.

use std::collections::BTreeSet;
use std::fs;

use integration_tests::{Place, hashes, leftovers, samples};
use quanci_shards::rng::splitmix64;

use crate::{novels, place, survives_kills};

const SETTINGS: &str = "[clean]\nnear_duplicates = true\n[instances]\ncopies = 1\nobjective = \"mlm\"\n\
                        [output]\npath = \"out\"\nvalidation = 0.1\nshards = 4\nbucket_mb = 1\ntask_mb = 1\n";

/// Documents of the samples with 200 letters or more, each on its own.
fn documents() -> Vec<String> {
    let mut documents = Vec::new();
    for name in ["statutes-prc.txt", "yijianzhi-tales.txt", "classical-novels.txt"] {
        let text = fs::read_to_string(samples().join("public-domain").join(name)).unwrap();
        let long = text.split("\n\n").filter(|document| document.chars().count() >= 200);
        documents.extend(long.take(60).map(str::to_owned));
    }
    documents
}

/// The document with a share of its Hanzi replaced, others for each `seed`.
fn edited(document: &str, share: f64, seed: u64) -> String {
    let mut state = splitmix64(seed);
    let mut next = move || {
        state = splitmix64(state);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let replace = |c: char| {
        if c.is_alphabetic() && next() < share {
            char::from_u32(0x5000 + (next() * 8000.0) as u32).unwrap()
        } else {
            c
        }
    };
    document.chars().map(replace).collect()
}

fn manifest(place: &Place, out: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(place.join(out).join("manifest.json")).unwrap()).unwrap()
}

/// The lines of the file that shows near-duplicates.
fn shown(place: &Place, out: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(place.join(out).join("near-duplicates.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two corpora, of documents and of slightly edited ones.
fn planted(place: &Place) -> String {
    let documents = documents();
    // A file of its own for each part, in several tasks.
    let (half, rest) = documents.split_at(documents.len() / 2);
    place.write("a/1.txt", half.join("\n\n"));
    place.write("a/2.txt", rest.join("\n\n"));
    let edited: Vec<String> =
        (0..).zip(&documents).step_by(3).map(|(i, document)| edited(document, 0.02, i)).collect();
    place.write("b/1.txt", edited.join("\n\n"));
    "name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a/*.txt\"]\n[[corpus]]\nname = \"b\"\nformat = \"paragraphs\"\npaths = [\"b\"]"
        .to_owned()
}

#[test]
fn edited_copies_are_dropped_and_shown() {
    let place = place();
    let corpora = planted(&place);
    place.settings(&corpora, SETTINGS);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    let dropped = counters["dropped"]["counts"]["near_duplicate"].as_u64().unwrap();
    // At 2 % of the characters, J is 0.82: theory finds 99 %, and the samples hold no near-duplicates themselves.
    let edited = documents().len().div_ceil(3) as u64;
    assert!((edited * 9 / 10..=edited).contains(&dropped), "{dropped} of {edited}");
    let found = &counters["near_duplicates"];
    assert_eq!(found["clusters"], dropped);
    assert_eq!((&found["documents"], &found["largest"]), (&(2 * dropped).into(), &2.into()));
    let sum = |key: &str| {
        ["train", "validation"].map(|split| counters[split][key].as_u64().unwrap_or(0)).iter().sum::<u64>()
    };
    assert_eq!(sum("near_duplicates"), dropped);
    let read = counters["read"]["documents"].as_u64().unwrap()
        + counters["read_validation"]["documents"].as_u64().unwrap();
    assert_eq!(sum("documents") + sum("near_duplicates") + sum("duplicates"), read);
    let lines = shown(&place, "out");
    assert_eq!(lines.len() as u64, dropped);
    let mut leaked = 0;
    for line in &lines {
        // Both begin alike, but for an edit or two.
        let [kept, dropped] = ["kept_text", "dropped_text"].map(|key| line[key].as_str().unwrap().chars());
        let same = kept.clone().zip(dropped).filter(|(a, b)| a == b).count();
        assert!(same * 10 >= kept.count() * 7, "{line}");
        let similarity = line["similarity"].as_f64().unwrap();
        assert!((0.5..=1.0).contains(&similarity), "{line}");
        // The edited one goes, unless it is the original that is set apart.
        let of_validation = line["dropped_split"] == "validation";
        assert!(line["dropped_corpus"] == "b" || of_validation, "{line}");
        leaked += u64::from(of_validation && line["kept_corpus"] != line["dropped_corpus"]);
    }
    assert!(leaked > 0 && found["leaked"].as_u64().unwrap() > 0, "none was set apart");
    place.run(&["verify", "out"]).exits(0);
    let stats = place.run(&["stats", "out"]).exits(0).out;
    assert!(stats.contains(&format!("{dropped} dropped: near-duplicate")), "{stats}");
    // A second run with the same data id does nothing, and a data set without the key is another.
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["prepare", "run.toml", "--set", "clean.near_duplicates=false"]).exits(3).says(&["--force"]);
    // The file is one of ours: --force removes it.
    place.run(&["prepare", "run.toml", "--force", "--set", "clean.near_duplicates=false"]).exits(0);
    assert!(!place.join("out/near-duplicates.jsonl").exists());
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

/// The exact Jaccard similarity of the sets of n-grams of two texts of Hanzi.
fn jaccard(a: &str, b: &str, ngram: usize) -> f64 {
    let set = |text: &str| -> BTreeSet<Vec<char>> {
        let letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        letters.windows(ngram).map(<[char]>::to_vec).collect()
    };
    let (a, b) = (set(a), set(b));
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

/// Of copies with 5, 10 and 20 % of their characters edited, as many are found as theory predicts from their similarity.
#[test]
fn recall_is_what_theory_says() {
    let place = place();
    let originals = documents();
    place.write("a.txt", originals.join("\n\n"));
    let corpus = |name: &str| format!("name = \"{name}\"\nformat = \"paragraphs\"\npaths = [\"{name}.txt\"]");
    for (ngram, bands, rows) in [(5, 14, 8), (3, 14, 8), (3, 40, 4)] {
        let keys = format!(
            "near_duplicates = true\nnear_duplicate_ngram = {ngram}\nnear_duplicate_bands = {bands}\nnear_duplicate_rows = {rows}"
        );
        let settings = SETTINGS.replace("near_duplicates = true", &keys).replace("0.1", "0");
        let dropped = |corpora: &str| {
            place.settings(corpora, &settings);
            let ran = place.run(&["prepare", "run.toml", "--json", "--force"]).exits(0);
            ran.json()["counters"]["dropped"]["counts"]["near_duplicate"].as_u64().unwrap_or(0) as f64
        };
        // Texts of one kind may be joined by themselves.
        let alone = dropped(&corpus("a"));
        for share in [0.05, 0.1, 0.2] {
            let copies: Vec<String> = (0..).zip(&originals).map(|(i, text)| edited(text, share, i)).collect();
            place.write("b.txt", copies.join("\n\n"));
            let found = dropped(&format!("{}\n[[corpus]]\n{}", corpus("a"), corpus("b"))) - alone;
            let chances = originals
                .iter()
                .zip(&copies)
                .map(|(a, b)| 1.0 - (1.0 - jaccard(a, b, ngram).powi(rows)).powi(bands));
            let (expected, variance) =
                chances.fold((0.0, 0.0), |(sum, variance), p| (sum + p, variance + p * (1.0 - p)));
            println!("{ngram} {bands}×{rows}, {share}: {found} of {}, predicted {expected:.1}", copies.len());
            assert!(
                (found - expected).abs() <= 4.0 * f64::sqrt(variance) + 1.0,
                "{share}: {found}, {expected}"
            );
        }
    }
}

/// Training text is never dropped for validation text.
#[test]
fn validation_documents_go_before_training_ones() {
    let place = place();
    let documents = documents();
    let copies: Vec<String> =
        (0..6).flat_map(|seed| documents.iter().map(move |document| edited(document, 0.01, seed))).collect();
    place.write("a.txt", copies.join("\n\n"));
    let settings = SETTINGS.replace("validation = 0.1", "validation = 0.5");
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", &settings);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    let lines = shown(&place, "out");
    assert!(lines.len() > documents.len());
    let kept: BTreeSet<&str> = lines.iter().map(|line| line["kept"].as_str().unwrap()).collect();
    // Of six copies, all are set apart once in 64 times.
    let left = counters["validation"]["documents"].as_u64().unwrap();
    assert!(left < documents.len() as u64 / 8, "{left} validation documents are left of {}", documents.len());
    let trained = counters["train"]["documents"].as_u64().unwrap();
    assert!((documents.len() as u64 * 9 / 10..=documents.len() as u64 * 11 / 10).contains(&(trained + left)));
    assert!(kept.len() as u64 <= trained + left);
    // A split of which nothing is left is told.
    let leaking = [documents[0].clone(), edited(&documents[0], 0.005, 1), edited(&documents[0], 0.005, 2)];
    place.write("a.txt", leaking.join("\n\n"));
    let ran = place.run(&["prepare", "run.toml", "--force"]).exits(0);
    let counters = &manifest(&place, "out")["counters"];
    assert!(counters["read_validation"]["documents"].as_u64().unwrap() > 0);
    assert_eq!(counters["validation"]["documents"], 0);
    assert!(
        ran.err.contains("near-duplicates of training documents")
            || ran.out.contains("near-duplicates of training documents"),
        "{}\n{}",
        ran.out,
        ran.err
    );
}

#[test]
fn threads_files_and_order_make_no_difference() {
    let place = place();
    let corpora = planted(&place);
    place.settings(&corpora, SETTINGS);
    let sets = [1, 2, 4].map(|threads| {
        let (threads, out) = (threads.to_string(), format!("out-{threads}"));
        let work = format!("output.work=work-{threads}");
        place.run(&["prepare", "run.toml", "--threads", &threads, "--out", &out, "--set", &work]).exits(0);
        hashes(&place.join(out))
    });
    assert_eq!(sets[0], sets[1]);
    assert_eq!(sets[0], sets[2]);
    // The same documents in other files and another order.
    let mut documents =
        [fs::read_to_string(place.join("a/1.txt")), fs::read_to_string(place.join("a/2.txt"))]
            .map(Result::unwrap)
            .join("\n\n")
            .split("\n\n")
            .map(str::to_owned)
            .collect::<Vec<_>>();
    documents.reverse();
    place.write("a/1.txt", documents[..30].join("\n\n"));
    place.write("a/2.txt", documents[30..].join("\n\n"));
    place.run(&["prepare", "run.toml", "--out", "other", "--set", "output.work=w"]).exits(0);
    assert_eq!(hashes(&place.join("other")), sets[0]);
}

#[test]
fn killed_at_random_moments() {
    let place = place();
    let corpora = planted(&place);
    place.settings(&corpora, SETTINGS);
    survives_kills(&place, 30, 10);
}

#[test]
fn task_by_task() {
    let place = place();
    let corpora = planted(&place);
    place.settings(&corpora, SETTINGS);
    place.run(&["prepare", "run.toml", "--out", "local", "--set", "output.work=w"]).exits(0);
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let run = |stage: &str, index: u64| {
        let index = index.to_string();
        place.run(&["run-task", "--plan", "plan.json", "--stage", stage, "--index", &index])
    };
    let status = || place.run(&["status", "--plan", "plan.json", "--json"]).exits(0).json()["stages"].clone();
    let tasks = |stage: usize| status()[stage]["tasks"].as_u64().unwrap();
    assert!(tasks(0) > 1);
    run("bands", 0).exits(75).says(&["map and layout are not done yet"]);
    run("clusters", 0).exits(75).says(&["map and layout are not done yet"]);
    run("nap", 0).exits(2).says(&["map, layout, bands, clusters, reduce, commit"]);
    (0..tasks(0)).for_each(|task| drop(run("map", task).exits(0)));
    run("layout", 0).exits(0);
    run("reduce", 0).exits(75).says(&["bands and clusters are not done yet"]);
    run("clusters", 0);
    assert_eq!(status()[3]["missing"], serde_json::json!([0]), "no clusters without all links");
    // Twice each, which is harmless.
    for stage in 2..6 {
        let name = ["map", "layout", "bands", "clusters", "reduce", "commit"][stage];
        for task in 0..tasks(stage) {
            run(name, task).exits(0);
            run(name, task).exits(0);
        }
    }
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("local")));
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn damaged_work_is_found() {
    let place = place();
    let corpora = planted(&place);
    place.settings(&corpora, SETTINGS);
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let run = |stage: &str| {
        place.run(&["run-task", "--plan", "plan.json", "--stage", stage, "--index", "0", "--of", "1"])
    };
    for stage in ["map", "layout", "bands"] {
        run(stage).exits(0);
    }
    let flip = |name: &str| {
        let path = find(&place, name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    flip("00000.links");
    run("clusters").exits(3).says(&["00000.links", "damaged work file"]);
    flip("00000.links");
    run("clusters").exits(0);
    flip("near-duplicates.bin");
    run("reduce").exits(3).says(&["near-duplicates.bin", "damaged work file"]);
    flip("near-duplicates.bin");
    run("reduce").exits(0);
    run("commit").exits(0);
}

fn find(place: &Place, name: &str) -> std::path::PathBuf {
    let mut folders = vec![place.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|found| found == name) {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("no {name}");
}

#[test]
fn what_is_not_a_near_duplicate_stays() {
    let place = place();
    // Texts of fewer letters than an n-gram differ by what is folded, and stay.
    place.write(
        "a.txt",
        "第1章\n\n第2章\n\n第３章\n\n今天天气很好，我们去公园。\n\n今天天气很好！我们去公园\n",
    );
    place.settings(
        "name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]",
        &SETTINGS.replace("0.1", "0"),
    );
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    assert_eq!(ran.json()["counters"]["dropped"]["counts"], serde_json::json!({ "near_duplicate": 1 }));
    assert_eq!(shown(&place, "out")[0]["similarity"], 1.0);
    // With nothing to show, the file is there and empty.
    place.write("a.txt", "今天天气很好，我们去公园。\n\n明天的事情明天再说吧。\n");
    place.run(&["prepare", "run.toml", "--force"]).exits(0);
    assert_eq!(shown(&place, "out").len(), 0);
    place.run(&["verify", "out"]).exits(0);
}

#[test]
fn wrong_values() {
    let place = place();
    place.settings(&novels(), "");
    for (sets, says) in [
        (&["clean.near_duplicates=1"][..], "`clean.near_duplicates` must be true or false"),
        (&["clean.near_duplicate_ngram=5"], "needs near_duplicates = true"),
        (&["clean.near_duplicate_bands=5"], "needs near_duplicates = true"),
        (&["clean.near_duplicate_rows=5"], "needs near_duplicates = true"),
        (&["clean.near_duplicates=true", "clean.near_duplicate_ngram=1"], "must lie between 2 and 50"),
        (&["clean.near_duplicates=true", "clean.near_duplicate_ngram=51"], "must lie between 2 and 50"),
        (&["clean.near_duplicates=true", "clean.near_duplicate_bands=0"], "must lie between 1 and 64"),
        (&["clean.near_duplicates=true", "clean.near_duplicate_rows=17"], "must lie between 1 and 16"),
        (&["clean.near_duplicates=true", "clean.near_duplicate_rows=\"a\""], "must be an integer"),
        (&["clean.near_duplicates=true", "clean.dedup=false"], "needs dedup = true"),
        (&["clean.near_duplicate=true"], "did you mean `near_duplicates`?"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let all: Vec<&str> = ["check", "run.toml"].into_iter().chain(sets).collect();
        place.run(&all).exits(2).says(&[says]);
    }
    // A vocabulary counts all documents.
    place.write("vocab.toml", crate::vocab_settings("[clean]\nnear_duplicates = true"));
    place.run(&["check", "vocab.toml"]).exits(2).says(&["near_duplicates"]);
}
