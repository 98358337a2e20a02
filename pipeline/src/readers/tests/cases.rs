//! Files as other people have them, of kinds that went wrong: each with what comes out of it. The inputs were made for this
//! project; `data/cases.tar.zst` holds them.

use std::io::Read;

use super::*;

/// What comes out of a file: documents, then each reason with its count; or a part of the error.
type Expected = &'static str;

/// Files of JSON.
const JSON: &[(&str, Expected)] = &[];

fn unpacked() -> Folder {
    let folder = Folder::new();
    let packed = include_bytes!("data/cases.tar.zst");
    let mut bytes = Vec::new();
    zstd::Decoder::new(&packed[..]).and_then(|mut read| read.read_to_end(&mut bytes)).expect("unpacked");
    tar::Archive::new(&bytes[..]).unpack(folder.path()).expect("files");
    folder
}

/// "60; NoText 3", "error: …".
fn outcome(path: &Path, settings: &ReadSettings) -> String {
    let input = match sniff(path, settings) {
        Ok(input) => input,
        Err(error) => return format!("error: {error}"),
    };
    if let Err(error) = check_corpus(std::slice::from_ref(&input)) {
        return format!("error: {error}");
    }
    let (mut documents, mut counts) = (0, std::collections::BTreeMap::<String, usize>::new());
    let whole = InputSplit { input: input.clone(), part: Part::Whole };
    let mut reader = match open(&whole, settings) {
        Ok(reader) => reader,
        Err(error) => return format!("error: {error}"),
    };
    loop {
        match reader.next() {
            Ok(Some(Record::Document(_))) => documents += 1,
            Ok(Some(Record::Rejected { reason, .. })) => *counts.entry(format!("{reason:?}")).or_default() += 1,
            Ok(Some(Record::Repaired { reason, .. })) => *counts.entry(format!("({reason:?})")).or_default() += 1,
            Ok(None) => break,
            Err(error) => return format!("error: {error}"),
        }
    }
    let counts: String = counts.iter().map(|(reason, count)| format!("; {reason} {count}")).collect();
    let warned: String = input.warnings.iter().map(|warning| format!(" !{warning}")).collect();
    format!("{documents}{counts}{warned}")
}

#[test]
fn show() {
    let folder = unpacked();
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(folder.path()).into_iter().map(|e| e.unwrap().into_path()).filter(|p| p.is_file()).collect();
    files.sort();
    for path in files {
        let name = path.strip_prefix(folder.path()).unwrap().display().to_string();
        let format = match path.extension().unwrap().to_str().unwrap() {
            "jsonl" => Format::Jsonl,
            "json" => Format::Json,
            "csv" if name.contains("utf16") => Format::Tsv,
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "parquet" => Format::Parquet,
            "zip" => Format::Files,
            "gz" => Format::Sentences,
            _ if name.contains("cnews") => Format::Tsv,
            _ => Format::Files,
        };
        let field: &[&str] = match &name[..4] {
            "06-p" if name.contains("/b-") => &["title", "text"],
            "06-p" if name.contains("/c-") => &["answers.text"],
            "06-p" if name.contains("/g-") => &["messages[].content"],
            "06-p" if name.contains("/h-") => &["paragraphs"],
            "06-p" if name.contains("/p-") => &["item"],
            "06-p" if name.contains("/r-") => &["正文 内容"],
            "14-c" if name.contains("/f-") => &["正文"],
            _ => &["text"],
        };
        let settings = ReadSettings { text_field: field.iter().map(|&f| f.to_owned()).collect(), ..settings(format) };
        println!("{name}\t{}", outcome(&path, &settings).replace(&folder.path().display().to_string(), ""));
    }
    let _ = JSON;
}
