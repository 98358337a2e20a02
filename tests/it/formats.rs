//! Every format, compression and encoding ends in the same data set.

use std::io::Write;

use integration_tests::{Place, hashes};

use crate::place;

const SENTENCES: [&[&str]; 3] = [
    &["今天天气很好，我们去公园散步。", "公园里有很多人，大家都很高兴。"],
    &["茶是一种古老的饮料。", "它从中国传到了世界各地，深受人们喜爱。", "绿茶和红茶是最常见的两种。"],
    &["这座桥建于一百年前。", "桥下的河水很清。"],
];

/// Prepares the corpus and gives the hash of the first copy's shard.
fn shard(place: &Place, format: &str, paths: &str, more: &str) -> String {
    let corpus = format!("name = \"x\"\nformat = {format:?}\npaths = [{paths:?}]\n{more}");
    place.settings(&corpus, "[instances]\ncopies = 1\n");
    let out = format!("out-{}", quanci_shards::manifest::sha256(corpus.as_bytes()));
    place.run(&["prepare", "run.toml", "--out", &out]).exits(0);
    let set = hashes(&place.join(&out));
    assert_eq!(set.keys().filter(|name| name.ends_with(".parquet")).count(), 1);
    rows(&place.join(&out))
}

/// The rows of a data set as text: data ids differ from format to format, for settings differ.
fn rows(folder: &std::path::Path) -> String {
    let manifest = quanci_shards::Manifest::read(folder).unwrap();
    let mut text = String::new();
    for shard in &manifest.shards {
        for rows in quanci_shards::ShardReader::open(folder, &manifest, shard).unwrap() {
            let rows = rows.unwrap();
            (0..rows.len()).for_each(|i| text += &format!("{:?}\n", rows.get(i)));
        }
    }
    text
}

fn joined(line: &str, document: &str) -> String {
    SENTENCES.map(|sentences| sentences.join(line)).join(document)
}

#[test]
fn formats() {
    let place = place();
    place.write("sentences.txt", joined("\n", "\n\n"));
    place.write("crlf.txt", format!("\u{feff}{}\r\n", joined("\r\n", "\r\n\r\n")));
    let objects = |text: &dyn Fn(&str) -> String| SENTENCES.map(|s| text(&s.join("\n").replace('\n', "\\n")));
    place.write("a.jsonl", objects(&|text| format!("{{\"id\": 1, \"text\": \"{text}\"}}")).join("\n"));
    place.write("a.json", format!("[{}]", objects(&|text| format!("{{\"text\": \"{text}\"}}")).join(",\n")));
    let nested = objects(&|text| format!("{{\"paragraphs\": [{{\"context\": \"{text}\"}}]}}")).join(",");
    place.write("squad.json", format!("{{\"data\": [{nested}]}}"));
    let rows = SENTENCES.map(|s| format!("1,\"{}\"", s.join("\n"))).join("\n");
    place.write("a.csv", format!("label,text\n{rows}\n"));
    for (i, sentences) in SENTENCES.iter().enumerate() {
        place.write(&format!("files/{i}.txt"), sentences.join("\n"));
    }
    let expected = shard(&place, "paragraphs", "sentences.txt", "");
    assert!(expected.lines().count() >= 3);
    assert_eq!(shard(&place, "sentences", "sentences.txt", ""), expected);
    assert_eq!(shard(&place, "paragraphs", "crlf.txt", ""), expected);
    assert_eq!(shard(&place, "jsonl", "a.jsonl", ""), expected);
    assert_eq!(shard(&place, "json", "a.json", ""), expected);
    assert_eq!(shard(&place, "json", "squad.json", "text_field = \"data[].paragraphs[].context\""), expected);
    assert_eq!(shard(&place, "csv", "a.csv", ""), expected);
    assert_eq!(shard(&place, "files", "files", ""), expected);
    let article = |(i, text): (usize, String)| {
        format!("<doc id=\"{i}\" url=\"u\" title=\"题\">\n题\n\n{}\n</doc>\n", text.replace('\n', "\n\n"))
    };
    let texts = || SENTENCES.map(|sentences| sentences.join("\n")).into_iter().enumerate();
    place.write("wiki_00", texts().map(article).collect::<String>());
    let page = |(i, text): (usize, String)| {
        let text = text.replace('\n', "&lt;ref&gt;注&lt;/ref&gt;\n\n");
        format!(
            "<page><title>{i}</title><ns>0</ns><revision><text>{{{{a}}}}{text}</text></revision></page>\n"
        )
    };
    place.write("wiki.xml", format!("<mediawiki>\n{}</mediawiki>\n", texts().map(page).collect::<String>()));
    for (i, text) in texts() {
        place.write(
            &format!("pages/{i}.html"),
            format!("<html><nav>甲</nav><p>{}</html>", text.replace('\n', "<p>")),
        );
    }
    let record = |(i, text): (usize, String)| {
        // Pages as they were sent, and texts of Common Crawl.
        let (kind, block) = match i % 2 {
            0 => ("conversion", text),
            _ => {
                let page = format!("<html><nav>甲</nav><p>{}</html>", text.replace('\n', "<p>"));
                ("response", format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{page}"))
            }
        };
        let header = format!("WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: text/plain\r\n");
        let record = format!("{header}Content-Length: {}\r\n\r\n{block}\r\n\r\n", block.len());
        // A member of gzip each, as Common Crawl packs them.
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, record.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    place.write("CC-MAIN-1.warc.gz", texts().map(record).collect::<Vec<_>>().concat());
    assert_eq!(shard(&place, "warc", "CC-MAIN-1.warc.gz", ""), expected);
    assert_eq!(shard(&place, "wikiextractor", "wiki_00", ""), expected);
    assert_eq!(shard(&place, "mediawiki", "wiki.xml", ""), expected);
    assert_eq!(shard(&place, "html", "pages", ""), expected);
    // One line a document: its sentences are found again.
    place.write("documents.txt", joined("", "\n"));
    place.settings("format = \"documents\"\npaths = [\"documents.txt\"]", "");
    let read = &place.run(&["prepare", "run.toml", "--json"]).exits(0).json()["counters"]["read"];
    assert_eq!((&read["documents"], &read["sentences"]), (&3.into(), &7.into()));
}

#[test]
fn compressions() {
    let place = place();
    let text = joined("\n", "\n\n");
    place.write("a.txt", &text);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    place.write("gzip", gzip.finish().unwrap());
    place.write("zstd", zstd::encode_all(text.as_bytes(), 1).unwrap());
    for (tool, name) in [("bzip2", "bzip2"), ("xz", "xz")] {
        let packed =
            std::process::Command::new(tool).args(["-c", "a.txt"]).current_dir(place.path()).output();
        match packed {
            Ok(packed) if packed.status.success() => drop(place.write(name, packed.stdout)),
            _ => println!("skipped: {tool} is not installed"),
        }
    }
    let expected = shard(&place, "paragraphs", "a.txt", "");
    for name in ["gzip", "zstd", "bzip2", "xz"] {
        if place.join(name).exists() {
            assert_eq!(shard(&place, "paragraphs", name, ""), expected, "{name}");
        }
    }
}

#[test]
fn encodings() {
    let place = place();
    let text = joined("\n", "\n\n");
    place.write("utf8.txt", &text);
    let utf16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    place.write("utf16.txt", utf16);
    place.write("gb.txt", encoding_rs::GB18030.encode(&text).0);
    let expected = shard(&place, "paragraphs", "utf8.txt", "");
    assert_eq!(shard(&place, "paragraphs", "utf16.txt", ""), expected);
    assert_eq!(shard(&place, "paragraphs", "gb.txt", ""), expected, "found out");
    assert_eq!(shard(&place, "paragraphs", "gb.txt", "encoding = \"gb18030\""), expected);
}

#[test]
fn standard_input() {
    let place = place();
    let text = joined("\n", "\n\n");
    place.write("a.txt", &text);
    let expected = shard(&place, "paragraphs", "a.txt", "");
    place.settings("name = \"x\"\nformat = \"paragraphs\"\npaths = [\"-\"]", "[instances]\ncopies = 1\n");
    place.run_with_input(&["prepare", "run.toml"], text.as_bytes()).exits(0);
    assert_eq!(rows(&place.join("out")), expected);
}

#[test]
fn words_cut_already_and_no_words() {
    let place = place();
    place.write("cut.txt", "今天 天气 很 好 ， 我们 去 公园 。\n公园 里 有 很多 人 。\n");
    place.settings("format = \"sentences\"\npaths = [\"cut.txt\"]", "[instances]\ncopies = 1\n");
    let words = |words: &str, objective: &str| {
        let (words, objective) =
            (format!("segment.words={words}"), format!("instances.objective={objective}"));
        let out = format!("{words}-{objective}");
        place.run(&["prepare", "run.toml", "--set", &words, "--set", &objective, "--out", &out]).exits(0);
        rows(&place.join(&out))
    };
    let spaces = words("spaces", "mlm");
    assert!(spaces.contains("word_starts: [true, true, false, true, false, true, true, true, true, false, true, true, false, true,"), "{spaces}");
    assert!(!words("none", "mlm").contains("false"));
    assert!(words("jieba", "sop").contains("next_sentence_label: Some"));
}

/// Skipped entries are named, as files of a folder are.
#[test]
fn skipped_entries_of_archives() {
    let place = place();
    let text = joined("\n", "\n\n");
    place.write("d/一.txt", &text);
    for n in 0..5 {
        place.write(&format!("d/封面{n}.jpg"), b"\xff\xd8\xff\xe0\0\x10JFIF\0");
    }
    let packed =
        std::process::Command::new("tar").args(["cf", "a.tar", "d"]).current_dir(place.path()).status();
    assert!(packed.unwrap().success());
    place.settings("format = \"files\"\npaths = [\"a.tar\"]", "[instances]\nobjective = \"mlm\"\n");
    let ran = place
        .run(&["prepare", "run.toml"])
        .exits(0)
        .says(&["a.tar!d/封面", "(an image, not text), and 2 more"]);
    assert_eq!(ran.err.matches("warning: skipped ").count(), 1, "{}", ran.err);
    place.write(
        "v.toml",
        "[[corpus]]\nformat = \"files\"\npaths = \"a.tar\"\n[vocabulary]\npath = \"v/vocab.txt\"\n",
    );
    place.run(&["vocab", "v.toml"]).exits(0).says(&["a.tar!d/封面", "(an image, not text), and 2 more"]);
}
