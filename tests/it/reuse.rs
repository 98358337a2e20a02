//! Work is used again for the text that it was made of, and for no other.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use integration_tests::{Place, hashes};

use crate::place;

fn small(more: &str) -> Place {
    let place = place();
    place.write("a.txt", text('甲'));
    let more = format!("[instances]\ncopies = 1\n[output]\npath = \"out\"\nwork = \"w\"\n{more}");
    place.settings("format = \"documents\"\npaths = [\"a.txt\"]", &more);
    place
}

/// A text of more than a sample, with one character in its middle that is chosen.
fn text(middle: char) -> String {
    let lines = |range: std::ops::Range<usize>| -> String {
        range.map(|i| format!("这是第{i}行，它不长也不短。\n")).collect()
    };
    format!("{}中间的字是{middle}。\n{}", lines(0..9000), lines(9000..18000))
}

/// Changes a file as `rsync --times` does: other bytes, the same size and time.
fn change(path: &Path, text: &str) {
    let before = fs::metadata(path).unwrap();
    fs::write(path, text).unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(before.modified().unwrap()).unwrap();
    let after = fs::metadata(path).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
}

fn parts(place: &Place) -> usize {
    fs::read_dir(place.join("w/parts")).unwrap().count()
}

#[test]
fn an_edit_of_the_same_size_with_its_time_restored() {
    for more in ["", "compare_inputs = \"content\"\n"] {
        let place = small(more);
        place.run(&["prepare", "run.toml"]).exits(0);
        let first = hashes(&place.join("out"));
        place.run(&["prepare", "run.toml", "--out", "again"]).exits(0);
        assert_eq!(parts(&place), 1);
        change(&place.join("a.txt"), &text('乙'));
        place.run(&["prepare", "run.toml"]).exits(3).says(&["made of other text"]);
        place.run(&["prepare", "run.toml", "--force"]).exits(0);
        assert_ne!(hashes(&place.join("out")), first);
        // The data set is a function of the text alone, however it is compared.
        change(&place.join("a.txt"), &text('甲'));
        place.run(&["prepare", "run.toml", "--force"]).exits(0);
        assert_eq!(hashes(&place.join("out")), first);
    }
}

#[test]
fn an_edit_between_plan_and_map() {
    let place = small("");
    place.write("a.txt", "今天天气很好。\n我们去公园。\n");
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    change(&place.join("a.txt"), "今天天气很坏。\n我们去公园。\n");
    let ran = place.run(&["run-task", "--plan", "plan.json", "--stage", "map", "--index", "0"]);
    ran.exits(3).says(&["a.txt", "has changed since the run was planned"]);
}

/// Between the samples too, where all content is compared; a file that was only touched by its owner is read again.
#[test]
fn an_edit_that_no_sample_sees() {
    let place = small("compare_inputs = \"content\"\n");
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let task = ["run-task", "--plan", "plan.json", "--stage", "map", "--index", "0"];
    change(&place.join("a.txt"), &text('乙'));
    place.run(&task).exits(3).says(&["a.txt", "has changed since the run was planned"]);
    change(&place.join("a.txt"), &text('甲'));
    place.run(&task).exits(0);
}

/// By content, files that were copied or touched are still the same.
#[test]
fn touched_files_are_read_again_unless_contents_are_compared() {
    for (more, expected) in [("", 2), ("compare_inputs = \"content\"\n", 1)] {
        let place = small(more);
        place.run(&["prepare", "run.toml"]).exits(0);
        let file = fs::File::options().append(true).open(place.join("a.txt")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        place.run(&["prepare", "run.toml", "--out", "again"]).exits(0);
        assert_eq!(parts(&place), expected);
        assert_eq!(hashes(&place.join("out")), hashes(&place.join("again")));
    }
}
