//! Word counts on disk: sorted, compact, and merged as streams, so that a merge holds one word of each file in memory.
//!
//! A file is `QCWORDS1`, then the words in order of their bytes. Each is written as varints (LEB128) and bytes: the
//! length of the prefix shared with the word before, the length of the rest, the rest, the count. Two zeros end the
//! words, for no word is empty. Then come the number of words and the XXH3-64 of all bytes before it, 8 bytes each,
//! little-endian.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use quanci_shards::varint::push_varint;
use xxhash_rust::xxh3::Xxh3;

use super::counts::WordCounts;
use crate::error::Error;

const MAGIC: &[u8; 8] = b"QCWORDS1";
/// The longest word. More in a file means damage, as words are parts of documents, which are cut far below this.
const MAX_WORD_BYTES: u64 = 1 << 30;

/// Writes words in order of their bytes.
pub struct WordWriter<W: Write> {
    out: W,
    hash: Xxh3,
    last: Vec<u8>,
    /// Scratch: the word that is being written, encoded.
    entry: Vec<u8>,
    words: u64,
}

impl<W: Write> WordWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If the first bytes cannot be written.
    pub fn new(out: W) -> io::Result<WordWriter<W>> {
        let mut writer = WordWriter { out, hash: Xxh3::new(), last: Vec::new(), entry: Vec::new(), words: 0 };
        writer.put(MAGIC)?;
        Ok(writer)
    }

    /// Writes the next word, which must come behind the last one and not be empty.
    ///
    /// # Errors
    /// If the word is out of order or empty, or cannot be written.
    pub fn push(&mut self, word: &str, count: u64) -> io::Result<()> {
        let bytes = word.as_bytes();
        // Strictly ascending. As `last` begins empty, this refuses the empty word too, which would look like the end.
        if bytes <= self.last.as_slice() {
            return Err(io::Error::other(format!("words out of order at {word:?}")));
        }
        // Front coding: sorted neighbours share long prefixes.
        let shared = self.last.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.entry.clear();
        push_varint(&mut self.entry, shared as u64);
        push_varint(&mut self.entry, (bytes.len() - shared) as u64);
        self.entry.extend_from_slice(&bytes[shared..]);
        push_varint(&mut self.entry, count);
        self.hash.update(&self.entry);
        self.out.write_all(&self.entry)?;
        self.last.truncate(shared);
        self.last.extend_from_slice(&bytes[shared..]);
        self.words += 1;
        Ok(())
    }

    /// Ends the file and returns what it was written to.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(&[0, 0])?;
        // The number of words is under the checksum, the checksum is not.
        self.put(&self.words.to_le_bytes())?;
        self.out.write_all(&self.hash.digest().to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads words in order of their bytes.
pub struct WordReader<R: Read> {
    input: R,
    path: PathBuf,
    hash: Xxh3,
    word: Vec<u8>,
    words: u64,
}

impl WordReader<BufReader<Box<dyn Read + Send>>> {
    /// Opens a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is no file of word counts.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let opened = quanci_store::FileHandle::open(path).and_then(|source| source.stream(0));
        let file = opened.map_err(Error::io("open", path))?;
        WordReader::new(BufReader::with_capacity(1 << 16, file), path)
    }
}

impl<R: Read> WordReader<R> {
    /// Begins to read `input`; `path` is for messages.
    ///
    /// # Errors
    /// If it cannot be read, or is no file of word counts.
    pub fn new(input: R, path: &Path) -> Result<WordReader<R>, Error> {
        let (path, hash) = (path.to_path_buf(), Xxh3::new());
        let mut reader = WordReader { input, path, hash, word: Vec::new(), words: 0 };
        let mut magic = [0; 8];
        reader.take(&mut magic)?;
        if &magic != MAGIC {
            return Err(reader.damaged("not a file of word counts"));
        }
        Ok(reader)
    }

    /// The next word and its count.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged; a checksum is compared at its end.
    pub fn next_word(&mut self) -> Result<Option<(&str, u64)>, Error> {
        let (shared, further) = (self.varint()?, self.varint()?);
        if (shared, further) == (0, 0) {
            self.check_end()?;
            return Ok(None);
        }
        if shared > self.word.len() as u64 || further > MAX_WORD_BYTES {
            return Err(self.damaged("impossible length of a word"));
        }
        // Taken out, as `self.input` is borrowed with it; the allocation goes on from word to word.
        let mut word = std::mem::take(&mut self.word);
        word.truncate(shared as usize);
        // Read as far as the input goes, so that a false length takes no memory.
        let read = self.input.by_ref().take(further).read_to_end(&mut word);
        if read.map_err(Error::io("read", &self.path))? as u64 != further {
            return Err(self.damaged("ends in the middle"));
        }
        self.hash.update(&word[shared as usize..]);
        self.word = word;
        self.words += 1;
        let count = self.varint()?;
        match std::str::from_utf8(&self.word) {
            Ok(word) => Ok(Some((word, count))),
            Err(_) => Err(self.damaged("a word is not UTF-8")),
        }
    }

    fn check_end(&mut self) -> Result<(), Error> {
        let (mut words, mut hash) = ([0; 8], [0; 8]);
        self.take(&mut words)?;
        // Before the next `take`, which would hash the checksum itself.
        let expected = self.hash.digest();
        self.take(&mut hash)?;
        if u64::from_le_bytes(words) != self.words || u64::from_le_bytes(hash) != expected {
            return Err(self.damaged("its checksum does not match its content"));
        }
        Ok(())
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.hash.update(bytes);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged("ends in the middle")),
            Err(e) => Err(Error::io("read", &self.path)(e)),
        }
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.take(&mut byte)?;
            let bits = u64::from(byte[0] & 0x7F);
            // Bits past the 64th would be lost.
            if (bits << shift) >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("impossible number"))
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            message: format!("damaged: {what}; delete it and run again"),
        }
    }
}

impl WordCounts {
    /// Writes the words to `out`.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let mut writer = WordWriter::new(BufWriter::new(out))?;
        for (word, count) in self.sorted() {
            writer.push(word.as_str(&mut [0; 4]), count)?;
        }
        writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
    }

    /// The sum of the files at `paths`.
    ///
    /// # Errors
    /// The first file that cannot be read or is damaged.
    pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<WordCounts, Error> {
        let mut counts = WordCounts::new();
        for path in paths {
            let mut reader = WordReader::open(path.as_ref())?;
            while let Some((word, count)) = reader.next_word()? {
                counts.add(word, count);
            }
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<(String, u64)>> {
        proptest::collection::vec(("[a-c中文\\PC]{1,6}", prop_oneof![1..9u64, any::<u64>()]), 0..40)
    }

    proptest! {
        #[test]
        fn damage_is_found(words in words(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = words.into_iter().collect::<WordCounts>().write(Vec::new()).unwrap();
            let whole = read(&bytes).unwrap();
            let cut = at.index(bytes.len());
            prop_assert!(read(&bytes[..cut]).is_err());
            bytes[cut] ^= flip;
            prop_assert!(read(&bytes).is_err(), "{whole:?}");
        }
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, u64)>, Error> {
        let mut reader = WordReader::new(bytes, Path::new("words"))?;
        let mut words = Vec::new();
        while let Some((word, count)) = reader.next_word()? {
            words.push((word.to_owned(), count));
        }
        Ok(words)
    }

    #[test]
    fn refuses_words_out_of_order() {
        let mut writer = WordWriter::new(Vec::new()).unwrap();
        writer.push("b", 1).unwrap();
        assert!(writer.push("b", 1).is_err() && writer.push("a", 1).is_err() && writer.push("", 1).is_err());
    }
}
