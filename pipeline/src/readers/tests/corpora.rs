//! Real files, where the folder of corpora lies beside the repository.

use super::*;

fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let found = folder.is_dir().then_some(folder);
    if found.is_none() {
        skipped();
    }
    found
}

#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn skipped() {
    eprintln!("skipped: no folder ../shared/corpora beside the repository");
}

fn encoding_of(name: &str) -> Encoding {
    match name {
        name if name.contains("fudan-gb18030") || name.ends_with("/gold-msr_test_gold.txt") => {
            Encoding::Gb18030
        }
        name if name.ends_with("testing-msr_test.txt") => Encoding::Gb18030,
        name if name.ends_with("testing-cityu_test.txt") || name.ends_with("gold-cityu_test_gold.txt") => {
            Encoding::Big5
        }
        _ => Encoding::Utf8,
    }
}

#[test]
fn every_encoding_is_found() {
    let Some(folder) = corpora() else { return };
    let files = find(&["small".into(), "seg".into(), "medium".into(), "downstream".into()], &folder);
    let settings = settings(Format::Files);
    for path in files.expect("files").files {
        let input = sniff(&path, &settings).expect("readable");
        let expected = encoding_of(&path.to_string_lossy());
        assert_eq!(input.encoding, expected, "{}", path.display());
        for (_, declared) in Encoding::NAMES {
            let settings = ReadSettings { encoding: Some(declared), ..settings.clone() };
            let refused = sniff(&path, &settings).is_err();
            let ascii = input.bytes < 100; // names of classes
            assert!(ascii || refused == (declared != expected), "{} as {}", path.display(), declared.name());
        }
    }
}

#[test]
fn counts() {
    let Some(folder) = corpora() else { return };
    let check = |file: &str, settings: ReadSettings, documents: usize, rejects: usize| {
        let found = read(&folder.join(file), &settings).unwrap_or_else(|error| panic!("{file}: {error}"));
        let rejected = found.iter().filter(|text| text.starts_with('!')).count();
        assert_eq!((found.len() - rejected, rejected), (documents, rejects), "{file}");
    };
    let fields = |format, fields: &[&str]| ReadSettings {
        text_field: fields.iter().map(|&field| field.into()).collect(),
        ..settings(format)
    };
    check("small/weibo-usual-dev.tsv", fields(Format::Tsv, &["text_a"]), 2000, 0);
    check("small/poet.tang.0.json", fields(Format::Json, &["title", "paragraphs[]"]), 1000, 0);
    check("small/one-very-long-line.html", settings(Format::Documents), 1, 0);
    check("small/xiyouji-crlf.txt", settings(Format::Files), 1, 0);
    check("small/fudan-gb18030/C3-Art0001.txt", settings(Format::Files), 1, 0);
    check("downstream/cluener/train.json.zst", settings(Format::Jsonl), 10748, 0);
    check("seg/icwb2/testing-msr_test.txt", settings(Format::Documents), 3985, 0);
    check("seg/icwb2/testing-cityu_test.txt", settings(Format::Documents), 1492, 0);
    let squad = fields(Format::Json, &["data[].paragraphs[].context"]);
    check("downstream/drcd/DRCD_dev.json.zst", squad.clone(), 1000, 0);
    check("downstream/cmrc2018/cmrc2018_trial.json", squad, 256, 0);
    check("downstream/chnsenticorp/chnsenticorp.zip", fields(Format::Tsv, &["text_a"]), 12000, 0);
}

#[test]
fn the_same_text_in_two_encodings() {
    let Some(folder) = corpora() else { return };
    for name in ["msr_test", "cityu_test"] {
        let settings = settings(Format::Documents);
        let one = read(&folder.join(format!("seg/icwb2/testing-{name}.txt")), &settings).expect("readable");
        let two = read(&folder.join(format!("seg/icwb2/testing-{name}.utf8")), &settings).expect("readable");
        let same = one.iter().zip(&two).filter(|(one, two)| one == two).count();
        assert_eq!(one.len(), two.len());
        assert!(same * 100 >= one.len() * 95, "{name}: {same} of {}", one.len());
    }
}

#[test]
fn ranges_of_a_real_file() {
    let Some(folder) = corpora() else { return };
    let path = folder.join("small/cluecorpussmall_bert_sampled.txt");
    let settings = settings(Format::Sentences);
    let whole = read(&path, &settings).expect("readable");
    let input = sniff(&path, &settings).expect("readable");
    for size in [1 << 20, 100_000, 7_919] {
        let parts = split_input(&input, &settings, size).expect("splits");
        let found: Vec<String> =
            parts.iter().flat_map(|part| drain(part, &settings).expect("reads")).collect();
        assert!(found == whole, "ranges of {size} bytes");
    }
}
