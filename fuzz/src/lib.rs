//! Fuzz targets: what reads bytes that quanci did not write, or that may be damaged. A target must return, with or without
//! an error: no panic, no endless loop, no memory without bound.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use quanci_pipeline::config::{Format, PrepareSettings, TableSettings, VocabRun};
use quanci_pipeline::jobs::prepare::fuzzing;
use quanci_pipeline::plan::Plan;
use quanci_pipeline::readers::{self, ReadSettings};
use quanci_pipeline::tfrecord::Instance;
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_pipeline::vocab::word_file::WordReader;
use quanci_shards::{Manifest, ShardReader, Split};

/// A target: its name, inputs to start from, and what it does with bytes.
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Inputs that are valid, or nearly so.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads the bytes.
    pub run: fn(&[u8]),
}

/// All targets of this build.
pub fn targets() -> Vec<Target> {
    let pipeline = [
        Target { name: "settings", seeds: settings_seeds, run: settings },
        Target { name: "manifest", seeds: manifest_seeds, run: manifest },
        Target { name: "sealed_manifest", seeds: manifest_seeds, run: sealed_manifest },
        Target { name: "footer", seeds: footer_seeds, run: footer },
        Target { name: "visible", seeds: visible_seeds, run: visible },
        Target { name: "shard", seeds: shard_seeds, run: shard },
        Target { name: "vocabulary", seeds: vocabulary_seeds, run: vocabulary },
        Target { name: "words", seeds: words_seeds, run: words },
        Target { name: "part", seeds: part_seeds, run: part },
        Target { name: "section", seeds: section_seeds, run: section },
        Target { name: "plan", seeds: plan_seeds, run: plan },
        Target { name: "text", seeds: text_seeds, run: text },
        Target { name: "json", seeds: json_seeds, run: json },
        Target { name: "table", seeds: table_seeds, run: table },
        Target { name: "parquet", seeds: shard_seeds, run: parquet },
        Target {
            name: "records",
            seeds: || vec![start_of("tests/golden/tfrecord/part-0.tfrecord", 1100)],
            run: records,
        },
    ];
    pipeline.into_iter().chain(trainer::targets()).collect()
}

/// Runs the target `name`.
///
/// # Panics
/// If there is none, or if the target panics.
pub fn run(name: &str, bytes: &[u8]) {
    let targets = targets();
    let target = targets.iter().find(|target| target.name == name).expect("the target is in the list");
    (target.run)(bytes);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("fuzz/ is in the repository").to_owned()
}

fn file(name: &str) -> Vec<u8> {
    fs::read(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn start_of(name: &str, bytes: usize) -> Vec<u8> {
    let mut content = file(name);
    content.truncate(bytes);
    content
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Writes the bytes into a file of this thread's folder, and hands its path on.
fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let path = FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder for inputs"));
        folder.path().join(name)
    });
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder of an input");
    fs::write(&path, bytes).expect("an input is written");
    read(&path);
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

const GOLDEN: &str = "tests/golden/shards-v1";

fn manifest_seeds() -> Vec<Vec<u8>> {
    vec![file("tests/golden/shards-v1/manifest.json")]
}

fn manifest(bytes: &[u8]) {
    with_file("data/manifest.json", bytes, |path| {
        let folder = path.parent().expect("in a folder");
        if let Ok(manifest) = Manifest::read(folder) {
            manifest.to_json();
            manifest.data_key();
            for split in [Split::Train, Split::Validation] {
                manifest.rows(split, 0);
                manifest.shards_of(split, 0).count();
            }
        }
    });
}

/// The same with the right checksum, so that the rules of the fields are reached; and what programs do with the numbers.
fn sealed_manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = serde_json::from_str::<Manifest>(text) else { return };
    let sealed = read.sealed().to_json();
    with_file("sealed/manifest.json", sealed.as_bytes(), |path| {
        let Ok(manifest) = Manifest::read(path.parent().expect("in a folder")) else { return };
        let rows: u64 = manifest.shards.iter().map(|shard| shard.rows).sum();
        let tokens: u64 = manifest.shards.iter().map(|shard| shard.tokens).sum();
        assert!(rows < u64::MAX && tokens < u64::MAX);
        let vocabulary = &manifest.vocabulary;
        assert!(!quanci_shards::mask::replacements(vocabulary.size, &vocabulary.reserved).is_empty());
        for shard in &manifest.shards {
            assert!(shard.sha256.len() == 64 && shard.path.split('/').all(|name| name != ".."));
        }
    });
}

/// A footer of groups, one in the other, around one column of text.
fn nested_groups(depth: u8) -> Vec<u8> {
    let mut footer = vec![0x15, 2, 0x19, 0xfc, depth + 2];
    footer.extend(b"\x48\x01s\x15\x02\x00");
    footer.extend(b"\x35\x02\x18\x01a\x15\x02\x00".repeat(usize::from(depth)));
    footer.extend(b"\x15\x0c\x25\x00\x18\x01t\x00\x16\x00\x19\x0c\x00");
    [b"PAR1".as_slice(), &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

fn footer_seeds() -> Vec<Vec<u8>> {
    [vec![nested_groups(1), nested_groups(90), nested_groups(120)], shard_seeds()].concat()
}

/// What the walker accepts, the library reads without an overflow of the stack: with little stack, to see it early.
fn footer(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let read = move || {
        with_file("footer.parquet", &bytes, |path| {
            let settings = ReadSettings {
                format: Format::Parquet,
                text_field: vec!["t".to_owned()],
                encoding: None,
                max_document_chars: 1000,
                table: TableSettings::default(),
            };
            drop(readers::sniff(path, &settings));
        });
    };
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(read).expect("a thread");
    thread.join().expect("no panic");
}

fn visible_seeds() -> Vec<Vec<u8>> {
    vec!["a\u{1b}[2J\u{202e}b s3://KEY:SECRET@bucket/x\n".as_bytes().to_vec()]
}

fn visible(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!quanci_cli::visible(&text).contains(quanci_cli::is_hidden));
    assert!(!quanci_cli::shown(Path::new(&*text)).contains(['\n', '\t']));
}

fn shard_seeds() -> Vec<Vec<u8>> {
    vec![
        file("tests/golden/shards-v1/copy-00/part-00000-of-00001.parquet"),
        file("tests/golden/shards-v1/validation/part-00000-of-00001.parquet"),
    ]
}

fn shard(bytes: &[u8]) {
    let manifest = Manifest::read(&root().join(GOLDEN)).expect("the golden data set is sound");
    let entries: Vec<_> =
        manifest.shards_of(Split::Train, 0).chain(manifest.shards_of(Split::Validation, 0)).collect();
    for entry in entries {
        with_file(&entry.path, bytes, |path| {
            let folder =
                path.ancestors().nth(Path::new(&entry.path).components().count()).expect("the data set");
            let Ok(reader) = ShardReader::open(folder, &manifest, entry) else { return };
            for rows in reader {
                let Ok(rows) = rows else { return };
                for i in 0..rows.len() {
                    let row = rows.get(i);
                    assert!(row.input_ids.len() < usize::MAX && row.word_starts.len() < usize::MAX);
                }
            }
        });
    }
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
    let mut writer =
        quanci_pipeline::vocab::word_file::WordWriter::new(Vec::new()).expect("a vector takes all");
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

const TEXT: &str = "第一句话。第二句，“引号里。”\n\n第二篇 with English, 123。\r\n第三行！\n";

fn text_seeds() -> Vec<Vec<u8>> {
    let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gb18030 = b"\xb5\xda\xd2\xbb\xbe\xe4\xbb\xb0\xa1\xa3\n\n\xb5\xda\xb6\xfe\xc6\xaa\xa1\xa3\n".repeat(5);
    compressed(vec![TEXT.repeat(3).into_bytes(), [b"\xff\xfe".to_vec(), utf16].concat(), gb18030])
}

/// The same, and each of them as gzip, zstd, and an archive of one file.
fn compressed(plain: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let gzip = |bytes: &Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all")
    };
    let zstd = |bytes: &Vec<u8>| zstd::encode_all(bytes.as_slice(), 1).expect("a vector takes all");
    let (gzips, zstds): (Vec<_>, Vec<_>) = plain.iter().map(|bytes| (gzip(bytes), zstd(bytes))).unzip();
    let zips: Vec<_> = plain.iter().map(|bytes| zip_of_one(bytes)).collect();
    [plain, gzips, zstds, zips].concat()
}

/// A zip archive that stores one file.
fn zip_of_one(bytes: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let common = |flags: &[u8]| {
        let size = (bytes.len() as u32).to_le_bytes();
        [flags, &[0, 0, 0, 0, 0, 0, 0x21, 0x5a], &crc.sum().to_le_bytes(), &size, &size, &[5, 0, 0, 0]]
            .concat()
    };
    let local = [b"PK\x03\x04".as_slice(), &common(&[20, 0]), b"a.txt", bytes].concat();
    let central = [b"PK\x01\x02".as_slice(), &[20, 0], &common(&[20, 0]), &[0; 14], b"a.txt"].concat();
    let lengths = [(central.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes()].concat();
    let end = [b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0], &lengths, &[0, 0]].concat();
    [local, central, end].concat()
}

fn text(bytes: &[u8]) {
    for format in [Format::Sentences, Format::Paragraphs, Format::Documents, Format::Files] {
        read_all(format, &["text"], bytes);
    }
}

fn json_seeds() -> Vec<Vec<u8>> {
    let lines = "{\"text\": \"一篇。\\n二段\", \"title\": \"题\"}\n{\"text\": \"\\ud83d\\ude00\", \"n\": [1, null]}\n".repeat(3);
    let nested = r#"{"data": [{"paragraphs": [{"context": "文本。"}, {"context": "二"}]}], "n": 1e9}"#;
    compressed(vec![
        lines.into_bytes(),
        nested.as_bytes().to_vec(),
        br#"[{"text": "a"}, {"text": ["b", "c"]}]"#.to_vec(),
    ])
}

fn json(bytes: &[u8]) {
    for format in [Format::Jsonl, Format::Json] {
        read_all(format, &["text"], bytes);
        read_all(format, &["title", "text"], bytes);
        read_all(format, &["data[].paragraphs[].context"], bytes);
    }
}

fn table_seeds() -> Vec<Vec<u8>> {
    let csv = "id,text\r\n1,\"一,\"\"二\"\"\n三\"\r\n2,四\r\n".repeat(2);
    compressed(vec![csv.clone().into_bytes(), csv.replace(',', "\t").into_bytes()])
}

fn table(bytes: &[u8]) {
    read_all(Format::Csv, &["text"], bytes);
    read_all(Format::Tsv, &["text"], bytes);
    let table = TableSettings { header: Some(false), separator: Some("_!_".to_owned()), escape: Some('\\') };
    read_table(Format::Csv, &["1"], table.clone(), bytes);
    read_table(Format::Tsv, &["1"], TableSettings { separator: None, ..table }, bytes);
}

fn parquet(bytes: &[u8]) {
    read_all(Format::Parquet, &["source"], bytes);
    read_all(Format::Parquet, &["input_ids"], bytes);
}

fn read_all(format: Format, fields: &[&str], bytes: &[u8]) {
    read_table(format, fields, TableSettings::default(), bytes);
}

fn read_table(format: Format, fields: &[&str], table: TableSettings, bytes: &[u8]) {
    let text_field = fields.iter().map(|field| (*field).to_owned()).collect();
    let settings = ReadSettings { format, text_field, encoding: None, max_document_chars: 1000, table };
    with_file("input", bytes, |path| {
        let Ok(input) = readers::sniff(path, &settings) else { return };
        for target_bytes in [1 << 30, 64] {
            let Ok(splits) = readers::split_input(&input, &settings, target_bytes) else { return };
            for split in splits {
                let Ok(mut reader) = readers::open(&split, &settings) else { continue };
                while let Ok(Some(_)) = reader.next() {}
                reader.progress();
            }
        }
    });
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

#[cfg(not(feature = "trainer"))]
mod trainer {
    pub(super) fn targets() -> Vec<super::Target> {
        Vec::new()
    }
}

/// What the trainer reads. libtorch must be there to build it.
#[cfg(feature = "trainer")]
mod trainer {
    use quanci_trainer::config::PretrainSettings;
    use quanci_trainer::model::config::ModelConfig;
    use quanci_trainer::model::weights;

    use super::{Target, file, with_file};

    pub(super) fn targets() -> Vec<Target> {
        vec![
            Target { name: "pickle", seeds: pickle_seeds, run: pickle },
            Target {
                name: "tokenizer",
                seeds: || vec![file("tests/golden/shards-v1/tokenizer.json")],
                run: tokenizer,
            },
            Target { name: "tf1_index", seeds: tf1_seeds, run: tf1_index },
            Target { name: "tf1_block", seeds: tf1_block_seeds, run: tf1_block },
            Target { name: "safetensors", seeds: safetensors_seeds, run: safetensors },
            Target { name: "model_config", seeds: model_config_seeds, run: model_config },
            Target {
                name: "pretrain_settings",
                seeds: || vec![file("configs/pretrain-uer.toml")],
                run: pretrain_settings,
            },
            Target { name: "checkpoint", seeds: || vec![br#"{"step": 1}"#.to_vec()], run: checkpoint },
        ]
    }

    /// A state dict of one tensor, as `torch.save` writes it since 1.6 and before.
    fn pickle_seeds() -> Vec<Vec<u8>> {
        let rebuilt = b"ccollections\nOrderedDict\n)R(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage\
                        ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRu.";
        let pickle = [b"\x80\x02".as_slice(), rebuilt].concat();
        let mut legacy = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
        legacy.extend(&pickle);
        legacy.extend(b"\x80\x02]X\x01\0\0\x000a.\x02\0\0\0\0\0\0\0\0\0\x80?\0\0\0@");
        vec![
            zip(&[("archive/data.pkl", &pickle), ("archive/data/0", b"\0\0\x80?\0\0\0@")]),
            legacy,
            pickle,
            file("tests/fixtures/hostile/bin-cycle.bin"),
            file("tests/fixtures/hostile/bin-stride0.bin"),
        ]
    }

    /// A zip archive that stores files.
    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut central) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let size = (content.len() as u32).to_le_bytes();
            let at = (bytes.len() as u32).to_le_bytes();
            let name_length = [name.len() as u8, 0, 0, 0];
            let common = [
                [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5a].as_slice(),
                &crc.sum().to_le_bytes(),
                &size,
                &size,
                &name_length,
            ]
            .concat();
            bytes.extend([b"PK\x03\x04".as_slice(), &common, name.as_bytes(), content].concat());
            central.extend(
                [b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 10], &at, name.as_bytes()].concat(),
            );
        }
        let at = (bytes.len() as u32).to_le_bytes();
        let count = [files.len() as u8, 0];
        let lengths = [(central.len() as u32).to_le_bytes(), at].concat();
        [bytes, central, [b"PK\x05\x06".as_slice(), &[0; 4], &count, &count, &lengths, &[0, 0]].concat()]
            .concat()
    }

    fn pickle(bytes: &[u8]) {
        with_file("pytorch_model.bin", bytes, |path| drop(weights::read(path)));
    }

    fn tokenizer(bytes: &[u8]) {
        with_file("model/tokenizer.json", bytes, |path| {
            if let Ok(tokenizer) = quanci_trainer::text::Tokenizer::open(path.parent().expect("in a folder"))
            {
                drop(tokenizer.encode("他[MASK] word"));
            }
        });
    }

    fn tf1_seeds() -> Vec<Vec<u8>> {
        ["plain/bert_model.ckpt", "partitioned/bert_model.ckpt", "adam/model.ckpt-3"]
            .map(|name| file(&format!("tests/golden/tf1-checkpoint/{name}.index")))
            .to_vec()
    }

    /// An index beside the golden's file of data.
    fn tf1_index(bytes: &[u8]) {
        let data = file("tests/golden/tf1-checkpoint/partitioned/bert_model.ckpt.data-00000-of-00001");
        with_file("tf1/model.ckpt.data-00000-of-00001", &data, |_| {});
        with_file("tf1/model.ckpt.index", bytes, |path| drop(weights::read(path)));
    }

    /// The content of their only data block, which ends before the 5 bytes behind it and two more blocks.
    fn tf1_block_seeds() -> Vec<Vec<u8>> {
        let block = |index: Vec<u8>| {
            let end = index.windows(8).position(|window| window == [0, 0, 0, 0, 1, 0, 0, 0]).unwrap_or(index.len());
            index[..end.saturating_sub(5)].to_vec()
        };
        tf1_seeds().into_iter().map(block).collect()
    }

    /// A block with the right checksum, in a table of nothing else.
    fn tf1_block(content: &[u8]) {
        let varint = |mut value: usize| {
            let mut bytes = Vec::new();
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
            bytes
        };
        let sealed = |content: &[u8]| {
            let block = [content, &[0]].concat();
            [&block[..], &quanci_tfrecord::masked_crc(&block).to_le_bytes()].concat()
        };
        let place = [varint(0), varint(content.len())].concat();
        let entry = [&[0, 1, place.len() as u8, 0xff][..], &place, &[0, 0, 0, 0, 1, 0, 0, 0]].concat();
        let data = sealed(content);
        let mut footer = [varint(0), varint(0), varint(data.len()), varint(entry.len())].concat();
        footer.resize(40, 0);
        footer.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
        tf1_index(&[data, sealed(&entry), footer].concat());
    }

    fn safetensors_seeds() -> Vec<Vec<u8>> {
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}"#;
        vec![[&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 16]].concat()]
    }

    fn safetensors(bytes: &[u8]) {
        with_file("model.safetensors", bytes, |path| drop(weights::read(path)));
    }

    fn model_config_seeds() -> Vec<Vec<u8>> {
        vec![file("configs/models/bert-base.json"), file("configs/models/bert-quickstart.json")]
    }

    fn model_config(bytes: &[u8]) {
        with_file("config.json", bytes, |path| {
            if let Ok(shape) = ModelConfig::read(path) {
                shape.encoder_parameters();
                shape.head_parameters();
                shape.to_json();
            }
        });
    }

    fn pretrain_settings(bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        drop(PretrainSettings::parse(std::path::Path::new("fuzz.toml"), &text, &[]));
    }

    fn checkpoint(bytes: &[u8]) {
        with_file("step-0000000001/state.json", bytes, |path| {
            drop(quanci_trainer::checkpoint::Checkpoint::read(path.parent().expect("in a folder")));
        });
    }
}
