//! Surveys folders and reads the written settings back.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Format, PrepareSettings, VocabRun};
use crate::readers;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The settings for a folder, as a run reads them.
fn settings_for(folder: &Path) -> (InitOutcome, PrepareSettings) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("run.toml");
    let written = init(folder, &path, false).expect("settings");
    let text = fs::read_to_string(&path).expect("a file");
    let settings = PrepareSettings::parse(&path, &text, &[], None).expect("settings that can be read");
    if let Some(path) = &written.vocabulary {
        let text = fs::read_to_string(path).expect("a file");
        let run = VocabRun::parse(path, &text, &[], None).expect("settings that can be read");
        assert_eq!(run.corpora, settings.corpora);
        assert_eq!(run.path, settings.vocab);
    }
    assert_eq!(settings.corpora.len(), written.survey.groups.len());
    for (corpus, group) in settings.corpora.iter().zip(&written.survey.groups) {
        let files = readers::find(&corpus.paths, &settings.source.base).expect("files").files;
        assert_eq!(files.len(), group.files, "{:?} name other files", corpus.paths);
        for file in files {
            readers::sniff(&file, &readers::ReadSettings::new(corpus, &settings.clean))
                .expect("a file to be read");
        }
    }
    (written, settings)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[test]
fn kinds_are_told_apart() {
    let paragraphs = "第一章\n他说完就走了。没有人回答他。天色晚了。\n\n".repeat(6);
    let paragraphs = paragraphs.replace("\n\n", "\n第二段也在这里。是的。\n\n");
    let folder = folder(&[
        ("novels/a.txt", &paragraphs),
        ("novels/b.txt", &paragraphs),
        (
            "web/x.jsonl",
            "{\"title\": \"标题\", \"content\": \"正文在这里，很长很长。\", \"url\": \"http://a\"}\n",
        ),
        ("table.csv", "id,text,label\n1,\"今天天气很好，我们去玩。\",a\n2,好的好的好的好的,b\n"),
        ("array.json", "[{\"paragraphs\": [\"床前明月光\", \"疑是地上霜\"], \"author\": \"李白\"}]"),
        ("LICENSE", "MIT"),
        ("README.md", "说明文字在这里。"),
        ("wiki/AA/wiki_00", "<doc id=\"1\" url=\"u\" title=\"数学\">\n数学\n\n数学是一门学科。\n</doc>\n"),
        (
            "zhwiki.xml",
            "<mediawiki xmlns=\"x\">\n<page><title>甲</title><ns>0</ns><revision><text>'''甲'''是天干。</text></revision></page>\n</mediawiki>",
        ),
        ("page.html", "<!DOCTYPE html>\n<html><body><p>清晨的河面上起了一层薄雾。</p></body></html>"),
        ("english.txt", "There is no Chinese in this text."),
        ("photo.jpg", "?"),
        ("empty.txt", ""),
    ]);
    let (written, settings) = settings_for(folder.path());
    let found = |format| settings.corpora.iter().find(|corpus| corpus.format == format).expect("a corpus");
    assert_eq!(found(Format::Jsonl).text_field, ["title", "content"]);
    assert_eq!(found(Format::Csv).text_field, ["text"]);
    assert_eq!(found(Format::Json).text_field, ["paragraphs[]"]);
    assert!(found(Format::Paragraphs).paths[0].ends_with("novels/*.txt"), "{:?}", settings.corpora);
    assert!(found(Format::Wikiextractor).paths[0].ends_with("wiki/AA/*"), "{:?}", settings.corpora);
    assert!(found(Format::Mediawiki).paths[0].ends_with("*.xml"), "{:?}", settings.corpora);
    assert!(found(Format::Html).paths[0].ends_with("*.html"), "{:?}", settings.corpora);
    assert_eq!(settings.corpora.len(), 7);
    let reasons: Vec<&str> = written.survey.left_out.keys().map(String::as_str).collect();
    assert_eq!(
        reasons,
        ["*.jpg files", "documentation, such as README or LICENSE", "empty files", "no Chinese text"]
    );
}

#[test]
fn a_vocabulary_is_found_and_nothing_is_overwritten() {
    let specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n";
    let folder = folder(&[("v/vocab.txt", specials), ("a.txt", "今天天气很好。\n我们去玩。\n")]);
    let path = folder.path().join("run.toml");
    let written = init(folder.path(), &path, false).expect("settings");
    assert_eq!(written.vocabulary, None);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains("vocab = \"v/vocab.txt\"") && text.contains("paths = [\"*.txt\"]"), "{text}");

    let again = init(folder.path(), &path, false).expect_err("the file exists");
    assert!(matches!(again, Error::Output { .. }) && again.to_string().contains("already exists"), "{again}");
    assert_eq!(fs::read_to_string(&path).expect("a file"), text);
}

#[test]
fn a_training_run_in_the_way_leaves_no_settings_behind() {
    let folder = folder(&[("a.txt", "今天天气很好。\n"), ("vocab-run.toml", "mine")]);
    let path = folder.path().join("run.toml");
    let error = init(folder.path(), &path, false).expect_err("a file exists");
    assert!(error.to_string().contains("vocab-run.toml"), "{error}");
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(folder.path().join("vocab-run.toml")).expect("a file"), "mine");
}

#[test]
fn folders_without_text_are_refused() {
    let message = |files: &[(&str, &str)]| {
        let folder = folder(files);
        init(folder.path(), &folder.path().join("run.toml"), false).expect_err("no text").to_string()
    };
    assert!(message(&[]).contains("it has no visible files"));
    assert!(message(&[("a.txt", "English only"), ("b.bin", "")]).contains("1 skipped: no Chinese text"));
    let missing = init(Path::new("no/such/folder"), Path::new("x.toml"), false).expect_err("no folder");
    assert!(missing.to_string().contains("is not a folder"), "{missing}");
}

#[test]
fn the_samples() {
    let (_, settings) = settings_for(&root().join("corpora/samples"));
    assert!(settings.corpora.iter().any(|corpus| corpus.format == Format::Jsonl), "{:?}", settings.corpora);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn odd_shapes() {
    let folder = root().join("../shared/corpora/small");
    if !folder.is_dir() {
        return eprintln!("skipped: no shared corpora");
    }
    let (written, settings) = settings_for(&folder);
    let tsv = settings.corpora.iter().find(|corpus| corpus.format == Format::Tsv).expect("the posts");
    assert_eq!(tsv.text_field, ["text_a"]);
    let encodings = written.survey.groups.iter().flat_map(|group| &group.encodings);
    assert!(encodings.clone().any(|encoding| *encoding == "gb18030"), "{:?}", written.survey);
}

/// Tables as people have them: what `init` writes reads every record, the first among them.
#[test]
fn tables_of_all_kinds() {
    let text = |i: usize| format!("第{i}天，渔船一只接一只地离开码头。老人坐在门口修补渔网。");
    let rows = |separator: &str| -> String {
        let label = |i: usize| ["体育", "财经", "房产"][i % 3];
        (0..30).map(|i| format!("{}{separator}{}\n", label(i), text(i))).collect()
    };
    let escaped: String = (0..30).map(|i| format!("{i},\"他说\\\"好, {}\\\"\"\n", text(i))).collect();
    let folder = folder(&[
        ("news/cnews.train.txt", &rows("\t")),
        ("wide/toutiao.txt", &rows("_!_")),
        ("plain/headless.csv", &rows(",").replace('，', "")),
        ("semicolon/a.csv", &format!("label;text\n{}", rows(";"))),
        ("escaped/a.csv", &format!("id,text\n{escaped}")),
        ("excel/a.csv", &format!("sep=;\nlabel;text\n{}", rows(";"))),
    ]);
    let (_, settings) = settings_for(folder.path());
    let of =
        |name: &str| settings.corpora.iter().find(|corpus| corpus.name.starts_with(name)).expect("a corpus");
    for (name, format, fields, separator, header, escape) in [
        ("news", Format::Tsv, "2", None, Some(false), None),
        ("wide", Format::Tsv, "2", Some("_!_"), Some(false), None),
        ("plain", Format::Csv, "2", None, Some(false), None),
        ("semicolon", Format::Csv, "text", Some(";"), None, None),
        ("escaped", Format::Csv, "text", None, None, Some('\\')),
        ("excel", Format::Csv, "text", None, None, None),
    ] {
        let corpus = of(name);
        assert_eq!((corpus.format, &*corpus.text_field), (format, &[fields.to_owned()][..]), "{name}");
        let table = &corpus.table;
        assert_eq!(
            (table.separator.as_deref(), table.header, table.escape),
            (separator, header, escape),
            "{name}"
        );
        let file = readers::find(&corpus.paths, &settings.source.base).expect("files").files.remove(0);
        let settings = readers::ReadSettings::new(corpus, &settings.clean);
        let input = readers::sniff(&file, &settings).expect("readable");
        let split = readers::InputSplit { input, part: readers::Part::Whole };
        let mut reader = readers::open(&split, &settings).expect("opens");
        let records = std::iter::from_fn(|| reader.next().expect("reads"));
        let documents: Vec<String> = records
            .map(|record| match record {
                readers::Record::Document(document) => document.text,
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        assert!(documents.len() == 30 && documents[0].contains("第0天"), "{name}: {}", documents[0]);
    }
}

#[test]
fn public_corpora_are_recognized() {
    let record = "{\"news_id\": \"1\", \"keywords\": \"天气\", \"title\": \"今天的天气\", \"desc\": \"短的说明。\", \"content\": \"今天天气很好，我们去公园里散步。\"}\n";
    let article = "今天的天气\n　　今天天气很好，我们去公园里散步。\n　　傍晚下起了小雨。\n";
    let folder = folder(&[
        ("new2016zh/news2016zh_train.json", &record.repeat(5)),
        ("THUCNews/体育/1.txt", article),
        ("THUCNews/科技/2.txt", article),
        ("mine/3.txt", &"第一句话在这里。\n第二句话在这里。\n\n".repeat(9)),
    ]);
    let (written, settings) = settings_for(folder.path());
    let corpus = |name: &str| settings.corpora.iter().find(|corpus| corpus.name == name);
    let news = corpus("news2016zh").expect("it is recognized");
    assert_eq!(
        (news.format, &news.text_field[..]),
        (Format::Jsonl, &["title".to_owned(), "content".to_owned()][..])
    );
    assert!(corpus("thucnews").is_some() && settings.corpora.len() == 3);
    let lines: Vec<String> = written.survey.groups.iter().map(describe_group).collect();
    let told = |line: &&String| line.contains("quanci corpora thucnews") && line.contains("research only");
    assert_eq!(lines.iter().filter(told).count(), 1, "{lines:?}");
}
