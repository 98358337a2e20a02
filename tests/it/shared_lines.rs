//! `clean.dedup_lines` from outside: which lines are left out and where one stays, the same bytes in any way of running,
//! wrong settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use integration_tests::{Place, fixture, hashes, leftovers, samples};
use quanci_shards::{Manifest, ShardReader, Split};

use crate::{place, survives_kills};

const SETTINGS: &str = "[clean]\ndedup_lines = 3\n[instances]\ncopies = 1\nobjective = \"mlm\"\nmax_seq_len = 512\n\
                        short_seq_prob = 0\n[masking]\nmode = \"dynamic\"\n[output]\npath = \"out\"\nvalidation = 0\nshards = 4\n\
                        bucket_mb = 1\ntask_mb = 1\n";

/// Lines of their own, of 20 to 60 Hanzi, from the samples.
fn lines() -> Vec<String> {
    let vocabulary = fs::read_to_string(fixture("google-zh-vocab.txt")).unwrap();
    let known: BTreeSet<&str> = vocabulary.lines().collect();
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    for name in ["classical-novels.txt", "yijianzhi-tales.txt", "statutes-prc.txt"] {
        let text = fs::read_to_string(samples().join("public-domain").join(name)).unwrap();
        for line in text.split(['\n', '。', '；', '？', '！', '：', '“', '”']).map(str::trim) {
            // Without [UNK], so that lines are found in rows again.
            let all_han =
                line.chars().all(|c| c == '，' || (c > '\u{4e00}' && known.contains(&*c.to_string())));
            let long = (20..60).contains(&line.chars().filter(|c| *c != '，').count());
            if all_han && long && seen.insert(line.to_owned()) {
                lines.push(format!("{line}。"));
            }
        }
    }
    lines
}

/// What the documents of the test are: lines by document and corpus.
struct Planted {
    documents: Vec<(char, Vec<String>)>,
}

impl Planted {
    /// 300 documents of two corpora with three lines of their own each; some lines are in 2, 3, 4, … documents.
    fn new() -> Planted {
        let mut lines = lines().into_iter();
        let mut documents: Vec<(char, Vec<String>)> = (0..300)
            .map(|i| (if i % 3 == 0 { 'b' } else { 'a' }, lines.by_ref().take(3).collect()))
            .collect();
        for (i, line) in lines.by_ref().take(60).enumerate() {
            for document in 0..=i % 7 {
                documents[(i * 31 + document * 17) % 300].1.insert(1, line.clone());
            }
        }
        // In all of them: a header with another number each time, and a line that is too short to be looked at.
        for (i, (_, lines)) in documents.iter_mut().enumerate() {
            lines.insert(0, format!("请记住本站的网址，第{i}页内容由网友上传并分享到论坛"));
            lines.push("下一页。".to_owned());
        }
        Planted { documents }
    }

    fn text(&self, corpus: char) -> String {
        let of: Vec<String> = self
            .documents
            .iter()
            .filter(|(name, _)| *name == corpus)
            .map(|(_, lines)| lines.join("\n"))
            .collect();
        of.join("\n\n")
    }

    /// How many documents have each line, and whether the first corpus does; numbers count as equal.
    fn holders(&self) -> BTreeMap<String, (usize, bool)> {
        let mut holders: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        for (corpus, lines) in &self.documents {
            for line in lines {
                let (count, first) = holders.entry(folded(line)).or_default();
                *count += 1;
                *first |= *corpus == 'a';
            }
        }
        holders
    }
}

/// A line without marks and numbers, as it is found in rows too.
fn folded(line: &str) -> String {
    line.chars().filter(|c| ('\u{4e00}'..='\u{9fa5}').contains(c)).collect()
}

fn place_with(planted: &Planted) -> Place {
    let place = place();
    place.write("a.txt", planted.text('a'));
    place.write("b.txt", planted.text('b'));
    let corpus = |name: &str| format!("name = \"{name}\"\nformat = \"paragraphs\"\npaths = [\"{name}.txt\"]");
    place.settings(&format!("{}\n[[corpus]]\n{}", corpus("a"), corpus("b")), SETTINGS);
    place
}

/// The text of the rows of a split, each with its corpus.
fn rows(place: &Place, out: &str, split: Split) -> Vec<(String, String)> {
    let folder = place.join(out);
    let manifest = Manifest::read(&folder).unwrap();
    let vocabulary = fs::read_to_string(folder.join("vocab.txt")).unwrap();
    let pieces: Vec<&str> = vocabulary.lines().collect();
    let mut found = Vec::new();
    for shard in manifest.shards.iter().filter(|shard| shard.split == split) {
        for rows in ShardReader::open(&folder, &manifest, shard).unwrap() {
            let rows = rows.unwrap();
            for row in (0..rows.len()).map(|i| rows.get(i)) {
                let text: String = row.input_ids.iter().map(|&id| pieces[id as usize]).collect();
                found.push((folded(&text), row.source.to_owned()));
            }
        }
    }
    found
}

#[test]
fn a_shared_line_stays_in_one_document() {
    let planted = Planted::new();
    let place = place_with(&planted);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    let rows = rows(&place, "out", Split::Train);
    let (mut different, mut left_out) = (0, 0);
    for (line, (documents, of_first)) in planted.holders() {
        let found: Vec<&str> =
            rows.iter().filter(|(row, _)| row.contains(&line)).map(|(_, source)| &**source).collect();
        if documents < 3 || line.chars().count() < 16 {
            assert_eq!(found.len(), documents, "{line}");
            continue;
        }
        assert_eq!(found.len(), 1, "{line} of {documents} documents");
        assert!(found[0] == "a" || !of_first, "{line} stays in the first corpus that has it");
        different += 1;
        left_out += documents as u64 - 1;
    }
    assert!(different > 30, "{different}");
    assert_eq!(counters["shared_lines"], different);
    let counts = &counters["train"]["shared_lines"];
    assert_eq!((&counts["lines"], &counts["emptied"]), (&left_out.into(), &0.into()));
    // The header is in all of them.
    assert!(counts["documents"].as_u64().unwrap() >= 299);
    assert_eq!(counters["repaired"]["counts"]["shared_line"], left_out);
    let samples = counters["repaired"]["samples"]["shared_line"].as_array().unwrap();
    assert_eq!(samples.len(), 5);
    place.run(&["verify", "out"]).exits(0);
    let stats = place.run(&["stats", "out"]).exits(0).out;
    assert!(stats.contains(&format!("{different} different lines were in several documents")), "{stats}");
    assert!(ran.err.contains(&format!("{left_out} × line that another document keeps")), "{}", ran.err);
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
    // A data set without the key is another, and so is one with another number.
    place.run(&["prepare", "run.toml"]).exits(0);
    place.run(&["prepare", "run.toml", "--set", "clean.dedup_lines=2"]).exits(3).says(&["--force"]);
}

/// Documents of which nothing is left are dropped and counted; validation loses before training.
#[test]
fn documents_may_lose_all_they_have() {
    let place = place();
    let lines = lines();
    let own = |i: usize| format!("{}\n{}", lines[100 + 2 * i], lines[101 + 2 * i]);
    // Each shared line is a document of its own, and stands in five others.
    let mut documents: Vec<String> = (0..200).map(own).collect();
    for shared in 0..40 {
        documents.push(lines[shared].clone());
        for other in 0..5 {
            documents[5 * shared + other] += &format!("\n{}", lines[shared]);
        }
    }
    place.write("a.txt", documents.join("\n\n"));
    let settings =
        SETTINGS.replace("validation = 0", "validation = 0.3").replace("dedup_lines = 3", "dedup_lines = 2");
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", &settings);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    let emptied = counters["dropped"]["counts"]["only_shared_lines"].as_u64().unwrap();
    let [train, validation] = ["train", "validation"].map(|split| &counters[split]);
    let count = |of: &serde_json::Value| of.as_u64().unwrap();
    assert_eq!(
        count(&train["shared_lines"]["emptied"]) + count(&validation["shared_lines"]["emptied"]),
        emptied
    );
    assert!((20..=40).contains(&emptied), "{emptied} of 40: a sixth of them keeps its line");
    assert_eq!(count(&train["documents"]) + count(&validation["documents"]) + emptied, 240);
    let [of_train, of_validation] = [Split::Train, Split::Validation].map(|split| rows(&place, "out", split));
    for line in lines[..40].iter().map(|line| folded(line)) {
        let has = |rows: &[(String, String)]| rows.iter().filter(|(row, _)| row.contains(&line)).count();
        // Six documents have it, and all are set apart once in 1,400 times.
        assert_eq!((has(&of_train), has(&of_validation)), (1, 0), "{line}");
    }
}

/// A document that is dropped as a near-duplicate keeps no line.
#[test]
fn lines_of_near_duplicates() {
    let place = place();
    let lines = lines();
    let documents: Vec<Vec<String>> = lines[..400].chunks(8).map(<[String]>::to_vec).collect();
    // Each has a copy with another last line, so that all other lines are shared.
    let copies = documents.iter().zip(&lines[400..]).map(|(lines, last)| {
        let mut lines = lines.clone();
        lines.push(last.clone());
        lines
    });
    let all: Vec<String> = documents.iter().cloned().chain(copies).map(|lines| lines.join("\n")).collect();
    place.write("a.txt", all.join("\n\n"));
    let settings = SETTINGS.replace(
        "dedup_lines = 3",
        "dedup_lines = 2\nnear_duplicates = true\nnear_duplicate_bands = 40\nnear_duplicate_rows = 3",
    );
    place.settings("name = \"a\"\nformat = \"paragraphs\"\npaths = [\"a.txt\"]", &settings);
    let ran = place.run(&["prepare", "run.toml", "--json"]).exits(0);
    let counters = &ran.json()["counters"];
    assert_eq!(counters["dropped"]["counts"]["near_duplicate"], 50);
    assert_eq!(counters["shared_lines"], 0, "the copies are gone, and with them every repeat");
    let rows = rows(&place, "out", Split::Train);
    for line in lines[..400].iter().map(|line| folded(line)) {
        assert_eq!(rows.iter().filter(|(row, _)| row.contains(&line)).count(), 1, "{line}");
    }
}

#[test]
fn threads_files_and_order_make_no_difference() {
    let mut planted = Planted::new();
    let place = place_with(&planted);
    let run = |out: &str, threads: &str| {
        let work = format!("output.work=work-{out}");
        place.run(&["prepare", "run.toml", "--threads", threads, "--out", out, "--set", &work]).exits(0);
        hashes(&place.join(out))
    };
    let expected = run("one", "1");
    assert_eq!(run("four", "4"), expected);
    // The same documents in another order, one of them twice, in more files than one.
    planted.documents.reverse();
    let half = Planted { documents: planted.documents[..150].to_vec() };
    let rest = Planted { documents: planted.documents[149..].to_vec() };
    fs::remove_file(place.join("a.txt")).unwrap();
    place.write("a/1.txt", half.text('a'));
    place.write("a/2.txt", rest.text('a'));
    place.write("b.txt", planted.text('b'));
    let settings = fs::read_to_string(place.join("run.toml")).unwrap();
    place.write("run.toml", settings.replace("\"a.txt\"", "\"a/*.txt\""));
    // The repeat alone is counted.
    let mut other = run("other", "2");
    let mut expected = expected;
    for set in [&mut other, &mut expected] {
        set.remove("manifest.json").unwrap();
        set.remove("README.md").unwrap();
    }
    assert_eq!(other, expected);
}

#[test]
fn killed_at_random_moments() {
    let place = place_with(&Planted::new());
    let settings = fs::read_to_string(place.join("run.toml")).unwrap();
    place.write("run.toml", settings.replace("dedup_lines = 3", "dedup_lines = 3\nnear_duplicates = true"));
    survives_kills(&place, 25, 8);
}

#[test]
fn task_by_task_and_damage() {
    let place = place_with(&Planted::new());
    place.run(&["prepare", "run.toml", "--out", "local", "--set", "output.work=w"]).exits(0);
    place.run(&["plan", "run.toml", "-o", "plan.json"]).exits(0);
    let run = |stage: &str| {
        place.run(&["run-task", "--plan", "plan.json", "--stage", stage, "--index", "0", "--of", "1"])
    };
    let status = || place.run(&["status", "--plan", "plan.json", "--json"]).exits(0).json()["stages"].clone();
    run("lines").exits(75).says(&["map and layout are not done yet"]);
    run("clusters").exits(2).says(&["map, layout, lines, reduce, commit"]);
    for stage in ["map", "layout"] {
        run(stage).exits(0);
    }
    run("reduce").exits(75).says(&["lines are not done yet"]);
    run("lines").exits(0);
    run("lines").exits(0);
    assert_eq!(status()[2]["missing"], serde_json::json!([]));
    let path = fs::read_dir(place.join(".work"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("lines/00000.lines"))
        .find(|path| path.exists())
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        run("reduce").exits(3).says(&["00000.lines", "damaged work file"]);
    }
    fs::write(&path, bytes).unwrap();
    for stage in ["reduce", "commit", "commit"] {
        run(stage).exits(0);
    }
    assert_eq!(hashes(&place.join("out")), hashes(&place.join("local")));
    // A late retry of a finished run does nothing, though the lines are gone.
    assert!(!path.exists());
    for stage in ["lines", "reduce", "commit"] {
        run(stage).exits(0);
    }
    assert!(status().as_array().unwrap().iter().all(|stage| stage["missing"] == serde_json::json!([])));
    assert_eq!(leftovers(place.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn settings() {
    let place = place_with(&Planted::new());
    let with = |set: &str| place.run(&["check", "run.toml", "--set", set]);
    with("clean.dedup_lines=1").exits(2).says(&["dedup_lines", "0, or 2 or more"]);
    with("clean.dedup_lines=1001").exits(2).says(&["dedup_lines", "1000"]);
    with("clean.dedup_line_letters=3").exits(2).says(&["dedup_line_letters", "4"]);
    with("clean.dedup_line_letters=8").exits(0);
    let both = ["--set", "clean.dedup_lines=0", "--set", "clean.dedup_line_letters=8"];
    place.run(&[&["check", "run.toml"][..], &both].concat()).exits(2).says(&["needs `dedup_lines`"]);
    place.write("vocab.toml", "[[corpus]]\nformat = \"paragraphs\"\npaths = [\"a.txt\"]\n[clean]\ndedup_lines = 2\n[vocabulary]\nsize = 900\npath = \"v.txt\"\n");
    place.run(&["check", "vocab.toml"]).exits(2).says(&["dedup_lines"]);
}
