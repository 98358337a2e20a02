//! What a user should know about a data set is said: labels, lengths, `[UNK]`, repeats; and what has no effect is an error.

use integration_tests::{Place, fixture};

use crate::place;

fn paragraphs(place: &Place, text: &str, more: &str) {
    place.write("a.txt", text);
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", more);
}

/// Documents of three sentences each.
fn documents(count: usize) -> String {
    let document = |i: usize| {
        format!(
            "清晨的河面上起了一层薄雾，第{i}次。\n渔船{i}只接一只地离开码头。\n老人坐在门口修补第{i}张渔网。\n"
        )
    };
    (0..count).map(document).collect::<Vec<_>>().join("\n")
}

#[test]
fn without_an_instance_there_is_no_data_set() {
    let place = place();
    paragraphs(&place, "字\n", "");
    place.run(&["prepare", "run.toml"]).exits(3).says(&["no instance could be made of 1 documents", "mlm"]);
    assert!(!place.join("out").exists());
    paragraphs(&place, &documents(3), "[output]\npath = \"out\"\nvalidation = 0.5\n");
    let all = ["prepare", "run.toml", "--set", "output.validation=0.5", "--set", "clean.min_chars=1"];
    // Which documents are set apart, their content decides.
    let ran = place.run(&all);
    assert!(matches!(ran.code, Some(0 | 2)), "{}", ran.err);
}

#[test]
fn notes_about_labels_unknowns_and_repeats() {
    let place = place();
    paragraphs(&place, &documents(1), "");
    let says = ["label 1 has 0.00 % of", "one document alone"];
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0).says(&says);
    assert!(ran.json()["warnings"][0].as_str().unwrap().starts_with("label 1"));
    let stats = place.run(&["stats", "out", "--json"]).exits(0).json();
    assert!(stats["stats"]["notes"][0].as_str().unwrap().starts_with("label 1"), "{stats}");

    // Google's vocabulary has no “ ” ‘ ’ — …
    let quoted = documents(40).replace("清晨", "“清晨”——").replace("渔船", "‘渔船’……");
    paragraphs(&place, &quoted, "");
    let run = |more: &[&str]| place.run(&[&["prepare", "run.toml", "--force"], more].concat()).exits(0);
    let told = run(&[]).says(&["[UNK] is", "most from — ", "tokenize.plain_marks"]);
    assert!(told.err.contains("“"), "{}", told.err);
    let plain = run(&["--set", "tokenize.plain_marks=true"]);
    assert!(!plain.err.contains("[UNK] is"), "{}", plain.err);
    assert!(plain.out.contains("0.000 % [UNK]"), "{}", plain.out);

    let repeated = format!("{}\n{}", documents(40), documents(20).repeat(2));
    paragraphs(&place, &repeated, "");
    run(&[]).says(&["documents are exact repeats and were dropped"]);
}

#[test]
fn the_rules_of_google() {
    let place = place();
    // One sentence each: Google's rules have no way to divide it.
    let text: String =
        (0..60).map(|i| format!("清晨的河面上起了一层薄雾，渔船第{i}次离开码头。\n\n")).collect();
    paragraphs(&place, &text, "[instances]\nrules = \"google\"\ncopies = 1\n");
    let ran = place.run(&["prepare", "run.toml"]).exits(0).says(&["label 1 has 100.00 %", "balanced"]);
    assert!(ran.out.contains("label 1: 100.00 %"), "{}", ran.out);
    let balanced = ["prepare", "run.toml", "--force", "--set", "instances.rules=balanced"];
    let ran = place.run(&balanced).exits(0);
    assert!(!ran.err.contains("label 1"), "{}", ran.err);
    let sop = ["check", "run.toml", "--set", "instances.objective=sop"];
    place.run(&sop).exits(2).says(&["instances.rules", "needs objective"]);
}

#[test]
fn options_without_effect_are_errors() {
    let place = place();
    paragraphs(&place, &documents(2), "");
    for (option, engine) in [
        (&["--dry-run"][..], "slurm or kubernetes"),
        (&["--slurm", "partition=cpu"], "slurm"),
        (&["--kubernetes", "image=x"], "kubernetes"),
        (&["--workers", "3"], "slurm or kubernetes"),
        (&["--ray-address", "auto"], "ray"),
        (&["--manifests", "k"], "kubernetes"),
    ] {
        let ran = place.run(&[&["prepare", "run.toml"], option].concat());
        ran.exits(2).says(&[option[0], &format!("--engine {engine}, and this is local")]);
    }
    place.run(&["prepare", "run.toml", "--engine", "ray", "--dry-run"]).exits(2).says(&["this is ray"]);
    assert!(!place.join("out").exists());
}

#[test]
fn problems_as_objects() {
    let place = place();
    paragraphs(&place, &documents(2), "");
    let wrong = ["check", "run.toml", "--json", "--set", "masking.prob=3", "--set", "seeed=1"];
    let found = place.run(&wrong).exits(2).json();
    let problems = found["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{found}");
    assert!(problems.iter().any(|problem| problem["key"] == "masking.prob"), "{found}");
    place.write("b.txt", b"%PDF-1.7");
    place.settings("name = \"a\"\nformat = \"files\"\npaths = [\"b.txt\", \"gone.txt\"]", "");
    let found = place.run(&["check", "run.toml", "--json"]).exits(3).json();
    let files: Vec<&str> = found["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["file"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(files.len(), 2, "{found}");
    assert!(files[0].ends_with("b.txt"), "{found}");
}

#[test]
fn the_order_of_init_vocab_and_prepare() {
    let place = place();
    place.write("t/a.txt", documents(60));
    let ran = place.run(&["init", "t", "-o", "run.toml"]).exits(0);
    assert!(ran.out.contains("quanci vocab vocab-run.toml"), "{}", ran.out);
    place
        .run(&["check", "run.toml"])
        .exits(3)
        .says(&["is not there; now run `quanci vocab", "vocab-run.toml"]);
    place.run(&["vocab", "vocab-run.toml"]).exits(0);
    place.run(&["check", "run.toml"]).exits(0);
    let ran = place.run(&["prepare", "run.toml"]).exits(0);
    ran.says(&["next: quanci-train init out/run"]);
}

#[test]
fn files_of_other_kinds_among_texts() {
    let place = place();
    place.write("t/a.txt", documents(20));
    place.write("t/book.pdf", b"%PDF-1.7 \xff\xff");
    place.write("t/cover.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF");
    place.write("t/page.html", "<!DOCTYPE html>\n<html><body>清晨的河面上起了一层薄雾。</body></html>");
    place.write("t/big.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
    let vocab = fixture("google-zh-vocab.txt");
    assert!(vocab.exists());
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"t\"]", "");
    let says = [
        "book.pdf: left out: a PDF file",
        "cover.jpg: left out: an image",
        "page.html: left out: a web page",
        "big.txt: left out: a pointer of git-lfs",
    ];
    place.run(&["check", "run.toml"]).exits(0).says(&says);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0).says(&says);
    assert_eq!(ran.json()["counters"]["train"]["documents"], 20);
    // Named by itself, such a file ends the run.
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"t/book.pdf\"]", "");
    place.run(&["prepare", "run.toml", "--force"]).exits(3).says(&["is a PDF file; extract its text first"]);
    let ran = place.run(&["init", "t", "-o", "new.toml"]).exits(0);
    assert!(ran.out.contains("1 file, html, utf-8") && ran.out.contains("git-lfs"), "{}", ran.out);
}
