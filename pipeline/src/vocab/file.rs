//! `vocab.txt`: one entry per line. The id of an entry is the number of its line, from 0.

use std::path::Path;

use quanci_shards::manifest::{MAX_VOCABULARY, Specials, VocabularyEntry, sha256};
use rustc_hash::FxHashMap;

use super::CONTINUATION;
use crate::error::Error;

/// The largest file that is read.
const MAX_BYTES: u64 = 256 << 20;

fn too_many(path: &Path) -> Error {
    Error::input(path, format!("has more than {MAX_VOCABULARY} entries; no vocabulary is so large"))
}

/// The entries of a `vocab.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    pieces: Vec<String>,
    ids: FxHashMap<String, u32>,
    specials: Specials,
    warnings: Vec<String>,
}

impl Vocabulary {
    /// Reads a file. Line ends of both kinds, a byte order mark and a missing last newline are accepted.
    ///
    /// # Errors
    /// If the file cannot be read; otherwise as [`Vocabulary::from_bytes`].
    pub fn read(path: &Path) -> Result<Vocabulary, Error> {
        let bytes = quanci_store::read_at_most(path, MAX_BYTES).map_err(Error::io("read", path))?;
        Vocabulary::from_bytes(&bytes, path)
    }

    /// The same from bytes; `path` is for messages.
    ///
    /// White space at the end of a line is not part of the entry, while white space at its beginning is: `tokenizers`
    /// reads it so. But an entry that consists of white space is kept, as transformers keeps it: Google's Chinese
    /// vocabulary has U+2028, also with `##`. No text is ever tokenized to either.
    ///
    /// Empty lines and repeated entries keep their line numbers, with a warning: the ids of published checkpoints depend on
    /// them. Of equal entries the last one counts, as for `tokenizers` and google-research/bert.
    ///
    /// # Errors
    /// If the text is not UTF-8, if it is empty, or if a special token is missing.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Vocabulary, Error> {
        // Editors on Windows write a byte order mark.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let line = bytes[..e.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            at_line(path, line, "not UTF-8; convert the file first")
        })?;
        // Counted before any entry is stored: a file of line ends would take fifty times its size.
        if memchr::memchr_iter(b'\n', text.as_bytes()).count() > MAX_VOCABULARY as usize {
            return Err(too_many(path));
        }
        let lines = text.trim_end_matches(['\n', '\r']).split('\n');
        let pieces: Vec<String> = lines.map(entry).map(str::to_owned).collect();
        if pieces == [""] {
            return Err(Error::input(path, "is empty; a vocabulary has an entry a line"));
        }
        Vocabulary::from_pieces(pieces, path)
    }

    /// A vocabulary of `pieces`, in the order of their ids; `path` is for messages.
    ///
    /// # Errors
    /// If there are too many entries, or if a special token is missing.
    pub fn from_pieces(pieces: Vec<String>, path: &Path) -> Result<Vocabulary, Error> {
        if pieces.len() > MAX_VOCABULARY as usize {
            return Err(too_many(path));
        }
        let mut ids = FxHashMap::with_capacity_and_hasher(pieces.len(), Default::default());
        let (mut empty, mut repeated) = (Vec::new(), Vec::new());
        for (id, piece) in (0u32..).zip(&pieces) {
            let earlier = ids.insert(piece.clone(), id);
            if piece.is_empty() {
                empty.push(format!("line {}", id + 1));
            } else if let Some(earlier) = earlier {
                repeated.push(format!("{piece:?} of line {} on line {}", earlier + 1, id + 1));
            }
        }
        let specials = specials(&ids).map_err(|missing| {
            let message = format!("has no {}, which BERT needs; add a line for each", missing.join(", "));
            Error::input(path, message)
        })?;
        let warnings = [
            warning(path, &empty, "empty lines, which are entries of no text"),
            warning(path, &repeated, "repeated entries, of which the last one counts"),
        ];
        Ok(Vocabulary { pieces, ids, specials, warnings: warnings.into_iter().flatten().collect() })
    }

    /// What was seen in the file that may not be meant.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The id of an entry.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The entry with this id.
    ///
    /// # Panics
    /// If there is none: ids come from this vocabulary.
    pub fn piece(&self, id: u32) -> &str {
        &self.pieces[id as usize]
    }

    /// The entries in the order of their ids.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &str> {
        self.pieces.iter().map(String::as_str)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Always false: the special tokens are there.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Ids of the special tokens.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// Ids that no text is tokenized to and that no random replacement may use, ascending: names (see [`is_reserved`]),
    /// empty lines, and all but the last of equal entries.
    pub fn reserved(&self) -> Vec<u32> {
        let is_idle = |id: u32, piece: &str| piece.is_empty() || self.id(piece) != Some(id);
        let pieces = (0u32..).zip(&self.pieces);
        pieces.filter(|(id, piece)| is_reserved(piece) || is_idle(*id, piece)).map(|(id, _)| id).collect()
    }

    /// What a manifest says of it.
    pub fn entry(&self) -> VocabularyEntry {
        VocabularyEntry {
            file: "vocab.txt".to_owned(),
            sha256: self.sha256(),
            size: self.len() as u32,
            specials: self.specials(),
            reserved: self.reserved(),
        }
    }

    /// The file as it is hashed and copied into data sets: no byte order mark, and a line feed after each entry. So a
    /// copy of a vocabulary with other line ends gives the same data set.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pieces.len() * 8);
        for piece in &self.pieces {
            bytes.extend_from_slice(piece.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// SHA-256 of [`canonical_bytes`](Self::canonical_bytes), in hexadecimal.
    pub fn sha256(&self) -> String {
        sha256(&self.canonical_bytes())
    }
}

/// True for `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`, `[unusedN]` and any other name in brackets; for `<S>`, `<T>` and any other
/// name of ASCII letters, digits or `_` in angles. The pre-tokenizer isolates brackets and angles, so none is ever text.
pub fn is_reserved(piece: &str) -> bool {
    let within = |open, close| piece.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // `[]` and `<>` are punctuation, not names.
    within('[', ']').is_some_and(|name| !name.is_empty()) || within('<', '>').is_some_and(is_name)
}

fn specials(ids: &FxHashMap<String, u32>) -> Result<Specials, Vec<&'static str>> {
    let mut missing = Vec::new();
    let mut id = |token: &'static str| {
        ids.get(token).copied().unwrap_or_else(|| {
            missing.push(token);
            0
        })
    };
    let specials = Specials {
        pad: id("[PAD]"),
        unk: id("[UNK]"),
        cls: id("[CLS]"),
        sep: id("[SEP]"),
        mask: id("[MASK]"),
    };
    if missing.is_empty() { Ok(specials) } else { Err(missing) }
}

/// The entry on a line.
fn entry(line: &str) -> &str {
    match line.trim_end() {
        "" | CONTINUATION => line.strip_suffix('\r').unwrap_or(line),
        entry => entry,
    }
}

/// A warning about some lines of the file, if there are any.
fn warning(path: &Path, found: &[String], what: &str) -> Option<String> {
    const SHOWN: usize = 3;
    let (count, more) = (found.len(), if found.len() > SHOWN { ", …" } else { "" });
    (count > 0).then(|| {
        let places = found[..count.min(SHOWN)].join(", ");
        format!("{}: {count} {what}; all keep their line numbers as ids: {places}{more}", path.display())
    })
}

fn at_line(path: &Path, line: usize, message: &str) -> Error {
    Error::input(format!("{}:{line}", path.display()), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIALS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

    fn read(text: impl AsRef<[u8]>) -> Result<Vocabulary, String> {
        Vocabulary::from_bytes(text.as_ref(), Path::new("v.txt")).map_err(|e| e.to_string())
    }

    #[test]
    fn line_ends_and_marks_make_no_difference() {
        let plain = read(format!("{SPECIALS}中\n##文\n")).unwrap();
        for text in [
            format!("\u{FEFF}{SPECIALS}中\n##文"),
            format!("{SPECIALS}中\n##文\n").replace('\n', "\r\n"),
            format!("{SPECIALS}中 \n##文\n\n"),
        ] {
            let other = read(&text).unwrap();
            assert_eq!(other, plain);
            assert_eq!(other.sha256(), plain.sha256());
        }
        assert_eq!((plain.len(), plain.id("##文"), plain.piece(5), plain.id("文")), (7, Some(6), "中", None));
        assert_eq!(plain.canonical_bytes(), format!("{SPECIALS}中\n##文\n").as_bytes());
        assert_eq!(read(format!("{SPECIALS} 中\n")).unwrap().piece(5), " 中");
    }

    #[test]
    fn problems_name_their_lines() {
        let message = |text: &[u8]| read(text).unwrap_err();
        assert!(message(b"\n\r\n").starts_with("v.txt: is empty"));
        let missing = message(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
        assert_eq!(missing, "v.txt: has no [MASK], which BERT needs; add a line for each");
        assert!(message(b"[PAD]\n\xC4\xE3\n").starts_with("v.txt:2: not UTF-8"));
    }

    /// As `tokenizers` 0.23's `WordPiece::read_file`, which numbers lines and lets the later of two entries win.
    #[test]
    fn empty_lines_and_repeats_keep_their_numbers() {
        let vocabulary = read(format!("{SPECIALS}\n中\n\n文\n中\n国\n")).unwrap();
        assert_eq!(vocabulary.len(), 11);
        let ids = ["文", "中", "国"].map(|piece| vocabulary.id(piece));
        assert_eq!(ids, [Some(8), Some(9), Some(10)]);
        assert_eq!(vocabulary.reserved(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(
            vocabulary.warnings(),
            [
                "v.txt: 2 empty lines, which are entries of no text; all keep their line numbers as ids: line 6, line 8",
                "v.txt: 1 repeated entries, of which the last one counts; all keep their line numbers as ids: \"中\" of \
                 line 7 on line 10",
            ]
        );
        assert_eq!(read(vocabulary.canonical_bytes()).unwrap(), vocabulary);
    }

    #[test]
    fn reserved_are_names_in_brackets_and_angles() {
        let pieces = ["[unused1]", "<S>", "<eop>", "[", "]", "<", "[]", "<>", "<中>", "##]", "a"];
        let vocabulary = read(format!("{SPECIALS}{}\n", pieces.join("\n"))).unwrap();
        assert_eq!(vocabulary.reserved(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
