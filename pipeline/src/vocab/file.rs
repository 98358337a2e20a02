//! `vocab.txt`: one entry per line. The id of an entry is the number of its line, from 0.

use std::path::Path;

use quanci_shards::manifest::{MAX_VOCABULARY, Specials, sha256};
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
    /// # Errors
    /// If the text is not UTF-8, if an entry is empty or occurs twice, or if a special token is missing.
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
        if let Some(index) = pieces.iter().position(String::is_empty) {
            return Err(at_line(path, index + 1, "empty line: it would be an entry; remove it"));
        }
        Vocabulary::from_pieces(pieces, path)
    }

    /// A vocabulary of `pieces`, in the order of their ids; `path` is for messages.
    ///
    /// # Errors
    /// If an entry occurs twice, or if a special token is missing.
    pub fn from_pieces(pieces: Vec<String>, path: &Path) -> Result<Vocabulary, Error> {
        if pieces.len() > MAX_VOCABULARY as usize {
            return Err(too_many(path));
        }
        let mut ids = FxHashMap::with_capacity_and_hasher(pieces.len(), Default::default());
        for (id, piece) in (0u32..).zip(&pieces) {
            // Google's loader would let the later line win, and never use the id of the earlier one.
            if let Some(first) = ids.insert(piece.clone(), id) {
                let message = format!("{piece:?} is on line {} already; remove one of them", first + 1);
                return Err(at_line(path, id as usize + 1, &message));
            }
        }
        let specials = specials(&ids).map_err(|missing| {
            let message = format!("has no {}, which BERT needs; add a line for each", missing.join(", "));
            Error::input(path, message)
        })?;
        Ok(Vocabulary { pieces, ids, specials })
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

    /// Ids that no text is tokenized to and that no random replacement may use, ascending. See [`is_reserved`].
    pub fn reserved(&self) -> Vec<u32> {
        (0u32..).zip(&self.pieces).filter(|(_, piece)| is_reserved(piece)).map(|(id, _)| id).collect()
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
        assert!(message(format!("a\n\n{SPECIALS}").as_bytes()).starts_with("v.txt:2: empty line"));
        let twice = message(format!("{SPECIALS}中\n文\n中\n").as_bytes());
        assert!(twice.starts_with("v.txt:8: \"中\" is on line 6 already"), "{twice}");
        let missing = message(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
        assert_eq!(missing, "v.txt: has no [MASK], which BERT needs; add a line for each");
        assert!(message(b"[PAD]\n\xC4\xE3\n").starts_with("v.txt:2: not UTF-8"));
    }

    #[test]
    fn reserved_are_names_in_brackets_and_angles() {
        let pieces = ["[unused1]", "<S>", "<eop>", "[", "]", "<", "[]", "<>", "<中>", "##]", "a"];
        let vocabulary = read(format!("{SPECIALS}{}\n", pieces.join("\n"))).unwrap();
        assert_eq!(vocabulary.reserved(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
