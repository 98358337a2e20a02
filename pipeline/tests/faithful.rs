//! Faithful to the libraries that everybody checks against: ids equal `tokenizers`', word boundaries equal jieba-rs's, on
//! every line of real text; the small samples always, all of `shared/corpora` where it lies beside the repository.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use quanci_pipeline::config::{CleanSettings, Han, SegmentSettings, TokenizeSettings};
use quanci_pipeline::document::{At, Document, Place};
use quanci_pipeline::steps::clean::Clean;
use quanci_pipeline::steps::segment::{SegmentScratch, Segmenter, WordStarts};
use quanci_pipeline::steps::tokenize::{TokenizeScratch, Tokenizer};
use quanci_pipeline::vocab::file::Vocabulary;
use quanci_pipeline::vocab::write::tokenizer as hugging_face;
use quanci_shards::tokens::Token;
use rayon::prelude::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Google's vocabulary: 21,128 entries.
fn google() -> Vocabulary {
    Vocabulary::read(&root().join("tests/fixtures/google-zh-vocab.txt")).unwrap()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The text of a file, unpacked, as UTF-8; bytes that are not come as U+FFFD, which cleaning removes.
fn text(path: &Path) -> String {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap(),
        Some("gz") => flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap(),
        _ => (&file).read_to_end(&mut bytes).unwrap(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn corpora() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join("corpora/samples"), &mut found);
    let shared = root().join("../shared/corpora");
    if shared.is_dir() {
        files(&shared, &mut found);
    } else {
        eprintln!("skipped: the larger corpora ({} is missing)", shared.display());
    }
    found.sort();
    found
}

struct Compared {
    clean: Clean,
    segmenter: Segmenter,
    jieba: jieba_rs::Jieba,
    tokenizer: Tokenizer,
    reference: tokenizers::Tokenizer,
}

impl Compared {
    fn new(lowercase: bool) -> Compared {
        let clean = CleanSettings {
            min_chars: 0,
            min_han_ratio: 0.0,
            max_document_chars: 1_000_000,
            dedup: true,
            ..CleanSettings::default()
        };
        let segment = SegmentSettings { traditional_as_simplified: false, ..SegmentSettings::default() };
        let vocabulary = google();
        // Both settings in one test: they do not depend on one another.
        let tokenize = TokenizeSettings { lowercase, han: Han::Characters, plain_marks: !lowercase };
        Compared {
            clean: Clean::new(&clean, None),
            segmenter: Segmenter::new(&segment, None).unwrap(),
            jieba: jieba_rs::Jieba::new(),
            tokenizer: Tokenizer::new(&vocabulary, &tokenize),
            reference: hugging_face(&vocabulary, &tokenize).unwrap(),
        }
    }

    fn cleaned(&self, line: &str) -> String {
        let place = Place { path: Path::new("x").into(), at: At::Line(1) };
        let document = Document { text: line.replace('\n', " "), place };
        self.clean.apply(&document).map_or(String::new(), |cleaned| cleaned.text)
    }

    /// Compares a raw line; returns how many pieces it has.
    fn compare(&self, line: &str, scratch: &mut TokenizeScratch) -> usize {
        let cleaned = self.cleaned(line);
        let (mut starts, mut pieces) = (WordStarts::default(), Vec::new());
        self.segmenter.words(&cleaned, &mut SegmentScratch::default(), &mut starts);
        self.tokenizer.apply(&cleaned, &starts, scratch, &mut pieces);
        let words = self.jieba.cut(&cleaned, true);
        assert!(
            words.iter().map(|word| word.byte_start as u32).eq(starts.offsets.iter().copied()),
            "{cleaned:?}"
        );
        // The raw line, as somebody without our cleaning would give it; special tokens spelled out are text.
        let mut pre = tokenizers::PreTokenizedString::from(line);
        use tokenizers::{Model, Normalizer, PreTokenizer};
        pre.normalize(|part| self.reference.get_normalizer().unwrap().normalize(part)).unwrap();
        self.reference.get_pre_tokenizer().unwrap().pre_tokenize(&mut pre).unwrap();
        pre.tokenize(|part| self.reference.get_model().tokenize(part.get())).unwrap();
        let ids = pre.into_encoding(None, 0, tokenizers::OffsetType::None).unwrap().get_ids().to_vec();
        assert!(pieces.iter().map(|piece| piece.id()).eq(ids.iter().copied()), "ids differ on {line:?}");
        self.check_word_starts(&cleaned, &starts, &pieces);
        pieces.len()
    }

    /// A word's first piece that is no `##` piece starts it, and nothing else starts a word.
    fn check_word_starts(&self, cleaned: &str, starts: &WordStarts, pieces: &[Token]) {
        let encoding = self.reference.encode(cleaned, false);
        let Ok(encoding) = encoding else { return };
        if encoding.get_ids().len() != pieces.len() {
            return; // `[MASK]` and the like, spelled out: tokens to this encoder, text to us
        }
        for ((piece, token), &(start, _)) in
            pieces.iter().zip(encoding.get_tokens()).zip(encoding.get_offsets())
        {
            let expected = starts.contains(start) && !token.starts_with("##");
            assert_eq!(piece.is_word_start(), expected, "{token:?} at byte {start} of {cleaned:?}");
        }
    }
}

#[test]
fn every_line_of_every_corpus() {
    let compared = Compared::new(true);
    let (mut lines, mut pieces) = (0, 0);
    for path in corpora() {
        let text = text(&path);
        let all: Vec<&str> = text.lines().collect();
        let chunk = |chunk: &[&str]| {
            let mut scratch = TokenizeScratch::default();
            chunk.iter().map(|line| compared.compare(line, &mut scratch)).sum::<usize>()
        };
        pieces += all.par_chunks(256).map(chunk).sum::<usize>();
        lines += all.len();
    }
    eprintln!("{lines} lines, {pieces} pieces: ids and words equal");
    assert!(lines > 5_000, "{lines}");
}

#[test]
fn cased_text() {
    let compared = Compared::new(false);
    let mut scratch = TokenizeScratch::default();
    let folder = root().join("corpora/samples/original");
    let mut found = Vec::new();
    files(&folder, &mut found);
    for path in found {
        text(&path).lines().for_each(|line| {
            compared.compare(line, &mut scratch);
        });
    }
}

#[test]
fn spelled_out_specials_are_text() {
    let compared = Compared::new(true);
    let (mut scratch, mut pieces) = (TokenizeScratch::default(), Vec::new());
    compared.tokenizer.apply("[MASK]", &WordStarts::default(), &mut scratch, &mut pieces);
    let vocabulary = google();
    let texts: Vec<&str> = pieces.iter().map(|piece| vocabulary.piece(piece.id())).collect();
    assert_eq!(texts, ["[", "ma", "##sk", "]"]);
}

proptest! {
    /// Mixed scripts, accents, Hangul, compatibility ideographs, long runs, everything.
    #[test]
    fn any_text(line in "[天地人ABCxyz0-9éÉİßﬁ가-힣ｱＡａ１あアー々\u{301}\u{302e}豈\u{fa0e}\u{2f800}\u{2b830}𠮷！，。:;!?\\-_/#@$%★①ⅣµΩά \u{3000}\u{200b}]{0,40}|\\PC{0,40}|[a-z0-9]{90,110}") {
        thread_local! { static COMPARED: Compared = Compared::new(true); }
        COMPARED.with(|compared| compared.compare(&line, &mut TokenizeScratch::default()));
    }
}
