//! JSON as a stream of bytes: values that are passed over, or kept as they are written, up to a number of bytes.

use std::io::{self, Read};

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// Why JSON cannot be read on.
pub(super) enum Fault {
    /// The stream failed.
    Read(io::Error),
    /// It is no JSON; in words.
    Json(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Read(error)
    }
}

/// What is kept of a value.
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    /// Bytes that may still be kept; the rest is passed over.
    left: usize,
    /// True once there was more.
    pub(super) exceeded: bool,
}

impl Kept {
    pub(super) fn most(bytes: usize) -> Kept {
        Kept { bytes: Vec::new(), left: bytes, exceeded: false }
    }

    /// Keeps some bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let most = bytes.len().min(self.left);
        self.exceeded |= most < bytes.len();
        self.left -= most;
        self.bytes.extend_from_slice(&bytes[..most]);
    }
}

/// The bytes of a JSON text, from one token to the next.
pub(super) struct JsonBytes {
    read: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    at: usize,
    /// Line ends before the buffer.
    lines: u64,
}

impl JsonBytes {
    pub(super) fn new(read: Box<dyn Read + Send>) -> JsonBytes {
        JsonBytes { read, buffer: Vec::new(), at: 0, lines: 0 }
    }

    /// The line of the next byte, from 1.
    pub(super) fn line(&self) -> u64 {
        let here = memchr::memchr_iter(b'\n', &self.buffer[..self.at]).count();
        self.lines + here as u64 + 1
    }

    /// The bytes that lie ready; none at the end.
    fn ready(&mut self) -> io::Result<&[u8]> {
        if self.at == self.buffer.len() {
            self.lines += memchr::memchr_iter(b'\n', &self.buffer).count() as u64;
            self.buffer.clear();
            self.at = 0;
            (&mut self.read).take(BUFFER as u64).read_to_end(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..])
    }

    /// The next byte that is neither white space nor a byte order mark, which stands where files were joined; `None` at
    /// the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0xef | 0xbb | 0xbf);
            let ready = self.ready()?;
            let blank = ready.iter().take_while(is_blank).count();
            let (next, is_end) = (ready.get(blank).copied(), ready.is_empty());
            self.at += blank;
            if next.is_some() || is_end {
                return Ok(next);
            }
        }
    }

    /// Passes over the byte that was peeked at.
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    /// Passes over a value; `kept` gets its bytes.
    pub(super) fn value(&mut self, kept: Option<&mut Kept>) -> Result<(), Fault> {
        match self.peek()? {
            Some(b'"') => {
                let mut kept = kept;
                self.pass();
                if let Some(kept) = &mut kept {
                    kept.push(b"\"");
                }
                self.string(kept)
            }
            Some(b'[' | b'{') => self.nested(0, kept),
            Some(b',' | b':' | b']' | b'}') => Err(Fault::Json("a value is missing")),
            Some(_) => self.scalar(kept),
            None => Err(ENDS),
        }
    }

    /// Passes over a string, behind its first quote; `kept` gets its bytes and the last quote.
    pub(super) fn string(&mut self, mut kept: Option<&mut Kept>) -> Result<(), Fault> {
        let mut is_escaped = false;
        loop {
            let ready = self.ready()?;
            if ready.is_empty() {
                return Err(ENDS);
            }
            let (mut length, mut is_end) = (ready.len(), false);
            // Escaped characters of one byte: the one behind a backslash, whatever it is, does not end the string.
            let from = usize::from(is_escaped);
            is_escaped = false;
            if let Some(found) = memchr::memchr2(b'"', b'\\', &ready[from.min(length)..]) {
                length = from + found + 1;
                is_end = ready[length - 1] == b'"';
                is_escaped = !is_end;
            }
            if let Some(kept) = &mut kept {
                kept.push(&ready[..length]);
            }
            self.at += length;
            if is_end {
                return Ok(());
            }
        }
    }

    /// Passes over what is open to the bracket that closes it, however deep; `depth` brackets were passed already.
    pub(super) fn nested(&mut self, mut depth: u64, mut kept: Option<&mut Kept>) -> Result<(), Fault> {
        loop {
            let ready = self.ready()?;
            if ready.is_empty() {
                return Err(ENDS);
            }
            let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'[' | b'{' | b']' | b'}');
            let plain = ready.iter().take_while(is_plain).count();
            let next = ready.get(plain).copied();
            let length = plain + usize::from(next.is_some());
            if let Some(kept) = &mut kept {
                kept.push(&ready[..length]);
            }
            self.at += length;
            match next {
                Some(b'"') => self.string(kept.as_deref_mut())?,
                Some(b'[' | b'{') => depth += 1,
                Some(_) if depth <= 1 => return Ok(()),
                Some(_) => depth -= 1,
                None => {}
            }
        }
    }

    /// Passes over a number or a word, sound or not.
    fn scalar(&mut self, mut kept: Option<&mut Kept>) -> Result<(), Fault> {
        loop {
            let ready = self.ready()?;
            let is_part = |byte: &&u8| {
                !byte.is_ascii_whitespace() && !matches!(byte, b',' | b':' | b'"' | b'[' | b'{' | b']' | b'}')
            };
            let length = ready.iter().take_while(is_part).count();
            let is_end = length < ready.len() || ready.is_empty();
            if let Some(kept) = &mut kept {
                kept.push(&ready[..length]);
            }
            self.at += length;
            if is_end {
                return Ok(());
            }
        }
    }
}

/// The text ends where more must follow.
const ENDS: Fault = Fault::Json("it ends within a value");
