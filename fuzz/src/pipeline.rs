//! What the pipeline reads besides corpora: settings, plans, vocabularies and its own work; and what it shows.

use std::path::Path;

use quanci_pipeline::config::{NormalForm, PiiAction, PrepareSettings, Preset, RepairSettings, VocabRun};
use quanci_pipeline::document::{At, Document, Place};
use quanci_pipeline::jobs::prepare::fuzzing;
use quanci_pipeline::plan::Plan;
use quanci_pipeline::steps::clean::{BlockedWords, Clean};
use quanci_pipeline::tfrecord::Instance;
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_pipeline::vocab::word_file::{WordReader, WordWriter};

use crate::Target;
use crate::inputs::{file, start_of, with_file};

/// Of the pipeline.
pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target { name: "settings", seeds: settings_seeds, run: settings },
        Target { name: "clean", seeds: clean_seeds, run: clean },
        Target { name: "visible", seeds: visible_seeds, run: visible },
        Target { name: "vocabulary", seeds: vocabulary_seeds, run: vocabulary },
        Target { name: "words", seeds: words_seeds, run: words },
        Target { name: "part", seeds: part_seeds, run: part },
        Target { name: "section", seeds: section_seeds, run: section },
        Target { name: "plan", seeds: plan_seeds, run: plan },
        Target { name: "records", seeds: record_seeds, run: records },
    ]
}

fn settings_seeds() -> Vec<Vec<u8>> {
    vec![
        file("configs/prepare-quickstart.toml"),
        file("configs/vocab-quickstart.toml"),
        file("configs/pretrain-uer.toml"),
        b"vocab = \"v\"\n[[corpus]]\npaths = \"a\"\nformat = \"csv\"\n[masking]\nreplace = { mask = 1, random = 0, keep = 0.0 }\n"
            .to_vec(),
    ]
}

fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let path = Path::new("fuzz.toml");
    drop(PrepareSettings::parse(path, &text, &[], None));
    drop(VocabRun::parse(path, &text, &[], None));
    if let Some((set, text)) = text.split_once('\n') {
        drop(PrepareSettings::parse(path, text, &[set.to_owned()], None));
    }
}

fn clean_seeds() -> Vec<Vec<u8>> {
    vec![
        "<p class=\"a\">a@b.cn 138-1234-5678 QQ:12345 8.8.8.88 ä»Šå¤©å¤©æ°”</p>&amp;nbsp;&#20116;１９９３\u{fffd}。\n".repeat(9).into_bytes(),
        start_of("corpora/samples/public-domain/sanguo-yanyi.txt", 4000),
    ]
}

/// Every repair, and every filter.
fn clean(bytes: &[u8]) {
    let mut settings = Preset::WebZh.settings();
    settings.repair = RepairSettings {
        fix_double_encoding: true,
        strip_html: true,
        drop_damaged: true,
        half_width: true,
        normal_form: NormalForm::Nfkc,
        repeated_lines: 2,
        join_wrapped_lines: true,
    };
    settings.pii.action = PiiAction::Replace;
    let text = String::from_utf8_lossy(bytes).into_owned();
    let words = BlockedWords::new(text.lines().next().unwrap_or_default()).ok();
    let place = Place { path: Path::new("fuzz").into(), at: At::Line(1) };
    drop(Clean::new(&settings, words).apply(&Document { text, place }));
}

fn visible_seeds() -> Vec<Vec<u8>> {
    vec!["a\u{1b}[2J\u{202e}b s3://KEY:SECRET@bucket/x\n".as_bytes().to_vec()]
}

fn visible(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!quanci_cli::visible(&text).contains(quanci_cli::is_hidden));
    assert!(!quanci_cli::shown(Path::new(&*text)).contains(['\n', '\t']));
}

fn vocabulary_seeds() -> Vec<Vec<u8>> {
    vec![
        start_of("tests/fixtures/google-zh-vocab.txt", 4000),
        b"\xef\xbb\xbf[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n\xe4\xb8\xad\r\n##a\r\n".to_vec(),
    ]
}

fn vocabulary(bytes: &[u8]) {
    if let Ok(vocabulary) = Vocabulary::from_bytes(bytes, Path::new("vocab.txt")) {
        vocabulary.canonical_bytes();
        vocabulary.reserved();
        vocabulary.specials();
    }
}

fn words_seeds() -> Vec<Vec<u8>> {
    let mut writer = WordWriter::new(Vec::new()).expect("a vector takes all");
    for (word, count) in [("a", 1), ("ab", 300), ("中", 70_000), ("中文", u64::MAX >> 1), ("词", 2)] {
        writer.push(word, count).expect("a vector takes all");
    }
    vec![writer.finish().expect("a vector takes all")]
}

fn words(bytes: &[u8]) {
    let Ok(mut reader) = WordReader::new(bytes, Path::new("words")) else { return };
    while let Ok(Some((word, count))) = reader.next_word() {
        assert!(word.len() < usize::MAX && count <= u64::MAX);
    }
}

/// A part file: a section, its index, the report, the footer. The checksums of a mutated one are rarely right, so the target
/// `section` reads what lies behind them.
fn part_seeds() -> Vec<Vec<u8>> {
    let mut bytes = section_seeds().remove(0);
    let mut tail = 0u32.to_le_bytes().to_vec();
    tail.extend((bytes.len() as u64).to_le_bytes());
    tail.extend([0; 8]);
    let report = b"{}";
    tail.extend(report);
    bytes.extend(&tail);
    bytes.extend(20u64.to_le_bytes());
    bytes.extend((report.len() as u64).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(b"quanciP1");
    vec![bytes]
}

fn part(bytes: &[u8]) {
    with_file("part", bytes, |path| drop(fuzzing::part_file(path)));
}

fn section_seeds() -> Vec<Vec<u8>> {
    let mut section = Vec::new();
    for tokens in [3u32, 8] {
        let mut document = vec![7; 16];
        document.extend(2u32.to_le_bytes());
        document.extend([1u32, tokens].iter().flat_map(|end| end.to_le_bytes()));
        document.extend((0..tokens as u16).flat_map(u16::to_le_bytes));
        section.extend((document.len() as u32).to_le_bytes());
        section.extend(document);
    }
    vec![section]
}

fn section(bytes: &[u8]) {
    drop(fuzzing::section(bytes));
}

fn plan_seeds() -> Vec<Vec<u8>> {
    vec![
        br#"{"version": 3, "job": "prepare", "config": "x.toml", "text": "vocab = \"v\"", "overrides": [], "map": []}"#.to_vec(),
        file("tests/golden/shards-v1/manifest.json"),
    ]
}

fn plan(bytes: &[u8]) {
    with_file("plan.json", bytes, |path| drop(Plan::read(path)));
}

fn record_seeds() -> Vec<Vec<u8>> {
    vec![start_of("tests/golden/tfrecord/part-0.tfrecord", 1100)]
}

/// Records as they are, and as the content of a sound frame.
fn records(bytes: &[u8]) {
    for content in [bytes.to_vec(), quanci_tfrecord::frame(bytes.get(12..).unwrap_or_default())] {
        let mut records = quanci_tfrecord::RecordReader::new(&content[..]);
        while let Ok(Some(record)) = records.next_record() {
            if let Ok(example) = quanci_tfrecord::Example::decode(record) {
                drop(Instance::from_example(&example));
            }
        }
    }
}
