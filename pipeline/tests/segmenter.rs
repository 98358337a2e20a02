//! Words of real text are those of jieba-rs, in traditional sentences those of the simplified characters: the samples of this repository, and `../shared/corpora` where it lies beside it
//! (the first megabytes of each file; all of them with `QUANCI_ALL_TEXT=1`).

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::io::Read;
use std::path::{Path, PathBuf};

use jieba_rs::Jieba;
use quanci_pipeline::config::SegmentSettings;
use quanci_pipeline::steps::script::{Script, simplified};
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};

const TEXT_OF_A_FILE: u64 = 2 << 20;

#[test]
fn words_of_real_text_are_those_of_jieba_rs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = files_below(&root.join("corpora/samples"));
    let shared = root.join("../shared/corpora");
    match shared.is_dir() {
        true => files.extend(files_below(&shared)),
        false => eprintln!("skipped: ../shared/corpora is not there"),
    }
    let jieba = Jieba::new();
    let segmenters = [(true, true), (true, false), (false, true), (false, false)].map(|(hmm, simplify)| {
        let settings =
            SegmentSettings { hmm, traditional_as_simplified: simplify, ..SegmentSettings::default() };
        (hmm, simplify, Segmenter::new(&settings, None).unwrap())
    });
    let (mut scratch, mut starts) = (SegmentScratch::default(), WordStarts::default());
    let (mut words, mut traditional) = (0, 0);
    for file in files {
        let Some(text) = text(&file) else { continue };
        for (line, number) in text.lines().zip(1..) {
            let looked_up: Option<String> =
                (Script::of(line) == Script::Traditional).then(|| line.chars().map(simplified).collect());
            traditional += usize::from(looked_up.is_some());
            for (hmm, simplify, segmenter) in &segmenters {
                segmenter.words(line, &mut scratch, &mut starts);
                let looked_up = looked_up.as_deref().filter(|_| *simplify).unwrap_or(line);
                let tokens = jieba.cut(looked_up, *hmm);
                let theirs: Vec<usize> = tokens.iter().map(|token| token.start).collect();
                let ours = characters(line, &starts.offsets);
                let place = || format!("{}, line {number}, hmm {hmm}, {simplify}: {line:?}", file.display());
                assert_eq!(ours, theirs, "{}", place());
                words += tokens.len();
            }
        }
    }
    assert!(words > 100_000, "{words}");
    assert!(traditional > 100, "{traditional}");
}

/// Offsets in characters instead of bytes.
fn characters(text: &str, offsets: &[u32]) -> Vec<usize> {
    let mut offsets = offsets.iter().copied().peekable();
    let all = text.char_indices().enumerate();
    all.filter(|(_, (byte, _))| offsets.next_if_eq(&(*byte as u32)).is_some()).map(|(at, _)| at).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The beginning of a file, decompressed, as text; none of what is no text.
fn text(file: &Path) -> Option<String> {
    let opened = std::fs::File::open(file).unwrap();
    let mut source: Box<dyn Read> = match file.extension()?.to_str()? {
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(opened)),
        "zst" => Box::new(zstd::Decoder::new(opened).unwrap()),
        "parquet" | "zip" | "bz2" | "xz" => return None,
        _ => Box::new(opened),
    };
    let most = if std::env::var_os("QUANCI_ALL_TEXT").is_some() { u64::MAX } else { TEXT_OF_A_FILE };
    let mut bytes = Vec::new();
    source.by_ref().take(most).read_to_end(&mut bytes).unwrap();
    // Wrong characters are as good a test as right ones.
    Some(match std::str::from_utf8(&bytes) {
        Err(error) if error.valid_up_to() + 4 < bytes.len() => {
            encoding_rs::GB18030.decode_without_bom_handling(&bytes).0.into_owned()
        }
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    })
}
