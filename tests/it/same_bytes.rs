//! Rule 1: every file of a data set is a pure function of settings, text and vocabulary.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use integration_tests::{hashes, samples};

use crate::{novels, place};

const SMALL: &str =
    "[instances]\ncopies = 2\n[output]\npath = \"out\"\nvalidation = 0.05\nshards = 4\nbucket_mb = 1\n";

#[test]
fn threads_make_no_difference() {
    let place = place();
    place.settings(&novels(), SMALL);
    let sets = [1, 2, 8].map(|threads| {
        let (threads, out) = (threads.to_string(), format!("out-{threads}"));
        let work = format!("output.work=work-{threads}");
        place.run(&["prepare", "run.toml", "--threads", &threads, "--out", &out, "--set", &work]).exits(0);
        hashes(&place.join(out))
    });
    assert_eq!(sets[0], sets[1]);
    assert_eq!(sets[0], sets[2]);
    assert!(sets[0].keys().any(|name| name.starts_with("validation/")));
}

/// Copies the samples with other names and times, two files joined into one, in another order of globs.
fn rearranged(folder: &Path) {
    let from = samples().join("public-domain");
    let read = |name: &str| fs::read(from.join(name)).unwrap();
    let joined = [read("song-poems.txt"), b"\n".to_vec(), read("sanguo-yanyi.txt")].concat();
    fs::write(folder.join("a-last-becomes-first.txt"), read("statutes-prc.txt")).unwrap();
    fs::write(folder.join("joined.txt"), joined).unwrap();
    fs::write(folder.join("novels.txt"), read("classical-novels.txt")).unwrap();
    let packed = zstd::encode_all(&read("yijianzhi-tales.txt")[..], 3).unwrap();
    fs::write(folder.join("yijian.zst"), packed).unwrap();
    let file = fs::File::options().append(true).open(folder.join("novels.txt")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
}

#[test]
fn names_times_order_and_compression_make_no_difference() {
    let place = place();
    place.settings(&novels(), SMALL);
    place.run(&["prepare", "run.toml"]).exits(0);
    fs::create_dir(place.join("text")).unwrap();
    rearranged(&place.join("text"));
    let corpus =
        "name = \"novels\"\nformat = \"paragraphs\"\npaths = [\"text/n*\", \"text/*.zst\", \"text\"]";
    place.settings(corpus, SMALL);
    place.run(&["prepare", "run.toml", "--out", "other"]).exits(0);
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("other")));
}

#[test]
fn repeats_are_dropped_and_belong_to_the_first_corpus() {
    let place = place();
    place.write("a.txt", "今天天气很好。\n我们去公园。\n\n第二篇文章在这里，它不长。\n");
    place.write(
        "b.txt",
        "第二篇文章在这里，它不长。\n\n第三篇文章谈的是茶，也谈水。\n\n第三篇文章谈的是茶，也谈水。\n",
    );
    let more = "[[corpus]]\nname = \"b\"\nformat = \"paragraphs\"\npaths = [\"b.txt\"]\n";
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", more);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    assert_eq!(counters["dropped"]["counts"]["duplicate"], 2);
    assert_eq!(counters["train"]["documents_by_source"], serde_json::json!({ "a": 2, "b": 1 }));
    place.run(&["prepare", "run.toml", "--set", "clean.dedup=false", "--out", "all"]).exits(0);
}

#[test]
fn weights_pass_over_documents_more_often() {
    let place = place();
    let rows = |weight: &str| {
        let more = format!(
            "weight = {weight}\n[instances]\ncopies = 1\nshort_seq_prob = 0\n[output]\npath = \"out-{weight}\"\n"
        );
        place.settings(&novels(), &more);
        let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
        ran.json()["counters"]["train"]["instances"].as_f64().unwrap()
    };
    let (one, two_and_a_half) = (rows("1.0"), rows("2.5"));
    assert!((2.4..2.6).contains(&(two_and_a_half / one)), "{one} and {two_and_a_half}");
}

#[test]
fn map_work_is_reused() {
    let place = place();
    place.settings(&novels(), SMALL);
    place.run(&["prepare", "run.toml"]).exits(0);
    let parts = |place: &integration_tests::Place| fs::read_dir(place.join(".work/parts")).unwrap().count();
    let before = parts(&place);
    // Another length and other masks: no new map work.
    let longer = [
        "prepare",
        "run.toml",
        "--out",
        "long",
        "--set",
        "instances.max_seq_len=512",
        "--set",
        "masking.unit=ngram",
    ];
    place.run(&longer).exits(0);
    assert_eq!(parts(&place), before);
    // Another tokenizer: new work.
    place.run(&["prepare", "run.toml", "--out", "cased", "--set", "tokenize.lowercase=false"]).exits(0);
    assert!(parts(&place) > before);
    // And the same again is done at once.
    place.run(&["prepare", "run.toml"]).exits(0);
}
