//! `quanci vocab` from outside.

use std::fs;

use integration_tests::samples;

use crate::{novels, place, vocab_settings};

#[test]
fn the_same_for_any_threads_and_order() {
    let place = place();
    place.write("v.toml", vocab_settings("size = 6000\nhan = \"words\""));
    let made = |name: &str, arguments: &[&str]| {
        let out = format!("{name}/vocab.txt");
        place.run(&[&["vocab", "v.toml", "--out", &out], arguments].concat()).exits(0);
        let read = |file: &str| fs::read(place.join(name).join(file)).unwrap();
        [read("vocab.txt"), read("tokenizer.json"), read("tokenizer_config.json")]
    };
    let one = made("one", &["--threads", "1", "--set", "vocabulary.work=w1"]);
    assert_eq!(one, made("eight", &["--threads", "8", "--set", "vocabulary.work=w8"]));
    let mut names: Vec<_> =
        fs::read_dir(samples().join("public-domain")).unwrap().map(|e| e.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    for (i, path) in names.iter().enumerate() {
        fs::copy(path, place.join(format!("{}.txt", 9 - i))).unwrap();
    }
    let paths = "[[corpus]]\nformat = \"paragraphs\"\npaths = [\"*.txt\"]\n[vocabulary]\nsize = 6000\nhan = \"words\"\npath = \"x\"\n";
    place.write("v.toml", paths);
    assert_eq!(one, made("renamed", &[]));
    assert_eq!(String::from_utf8(one[0].clone()).unwrap().lines().count(), 6000);
}

#[test]
fn layouts_and_coverage() {
    let place = place();
    place.write("v.toml", vocab_settings("layout = [\"[PAD]\", \"[UNK]\", \"[CLS]\", \"[SEP]\", \"[MASK]\", \"<S>\", \"<T>\"]\nsize = 8000"));
    let ran = place.run(&["vocab", "v.toml", "--json"]).exits(0);
    let text = fs::read_to_string(place.join("v/vocab.txt")).unwrap();
    assert!(text.starts_with("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<S>\n<T>\n"));
    assert!(text.lines().count() <= 8000);
    let coverage = &ran.json()["report"]["coverage"];
    assert!(coverage.is_object(), "{coverage}");
    // The vocabulary serves a prepare run at once.
    place.settings(&novels(), "[instances]\ncopies = 1\n");
    let ran = place.run(&["prepare", "run.toml", "--set", "vocab=v/vocab.txt", "--json"]).exits(0);
    assert_eq!(ran.json()["counters"]["read"]["unknown"], 0, "every character is covered");
    // A vocabulary is not overwritten unless asked for.
    let smaller = ["vocab", "v.toml", "--set", "vocabulary.size=500"];
    place.run(&smaller).exits(3).says(&["another vocabulary", "--force"]);
    fs::remove_file(place.join("v/tokenizer.json")).unwrap();
    fs::remove_file(place.join("v/tokenizer_config.json")).unwrap();
    place.run(&smaller).exits(3).says(&["v/vocab.txt", "another vocabulary", "--force"]);
    assert!(!place.join("v/tokenizer.json").exists());
    assert_eq!(fs::read_to_string(place.join("v/vocab.txt")).unwrap(), text);
    place.run(&[&smaller[..], &["--force"]].concat()).exits(0);
    place.write("bad.toml", vocab_settings("layout = [\"[PAD]\"]\nsize = 8000"));
    place.run(&["vocab", "bad.toml"]).exits(2).says(&["[MASK]"]);
    place.write("bad.toml", vocab_settings("size = 50"));
    place
        .run(&["vocab", "bad.toml"])
        .exits(2)
        .says(&["`vocabulary.size` is 50, but the layout alone has 106 tokens"]);
}
