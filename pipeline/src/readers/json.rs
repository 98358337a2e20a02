//! JSON with one value per file, such as an array or an object of records, or with several that are spread over lines. It
//! is read record by record, so memory does not depend on the size of the file. A bad record costs itself alone; only
//! where brackets or quotes are lost, so that nobody can tell where a record ends, the file is given up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cut::DocumentCutter;
use super::fields::{Fields, Step};
use super::json_bytes::{Fault, JsonBytes, Kept};
use super::json_value::JsonParser;
use super::step::StepReader;
use super::stream::{Origin, Stream};
use super::transcode::{self, INVALID_CHAR};
use super::{ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// Arrays and objects around the records, at most.
const DEEPEST: usize = 1000;
/// A longer key is no key that anybody named.
const KEY_BYTES: usize = 64 << 10;
/// Records of which the names of the fields are kept, for messages, and the names that are kept.
const NAMED_RECORDS: u64 = 100;
const NAMES: usize = 20;

/// Reads json.
pub(super) struct JsonReader {
    json: JsonBytes,
    /// The arrays and objects that we are in.
    open: Vec<Level>,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    fields: Fields,
    cutter: DocumentCutter,
    max_bytes: usize,
    row: u64,
    /// The lines that the first value begins and ends in.
    first: (Option<u64>, Option<u64>),
    done: bool,
    /// The names of the fields of the first records.
    names: BTreeSet<String>,
}

/// An array or object on the way to the records.
enum Level {
    /// Each item is at this depth of the way.
    Array(usize),
    /// An object on the way.
    Object {
        depth: usize,
        /// The way went on in it.
        met: bool,
        /// Members whose keys are spelled with the dots of a whole path: then the object is a record.
        members: Kept,
    },
}

impl JsonReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        settings: &ReadSettings,
    ) -> Result<JsonReader, Error> {
        // `INVALID_CHAR` damages one record only.
        let stream = transcode::to_utf8(stream, encoding, INVALID_CHAR.as_bytes())?;
        let Stream { read, origin, consumed, .. } = stream;
        Ok(JsonReader {
            json: JsonBytes::new(read),
            open: Vec::new(),
            cutter: DocumentCutter::new(origin.clone(), settings),
            origin,
            consumed,
            fields: Fields::new(&settings.text_field),
            max_bytes: settings.max_record_bytes(),
            row: 0,
            first: (None, None),
            done: false,
            names: BTreeSet::new(),
        })
    }

    /// The names of the fields of the first records.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Moves on to the next value on the way to a record. A pull parser: `open` is the stack that a recursive descent
    /// would have.
    fn read_on(&mut self) -> Result<(), Fault> {
        let next = self.json.peek()?;
        match (self.open.last_mut(), next) {
            (None, None) => self.done = true,
            (None, Some(byte)) => {
                self.begin_value(byte)?;
                self.enter(0)?;
            }
            (Some(_), None) => return Err(Fault::Json("it ends within an array or an object")),
            // Commas between records that are missing, repeated or behind the last one cost no record.
            (Some(_), Some(b',')) => self.json.pass(),
            (Some(Level::Array(_)), Some(b']')) => self.leave(),
            (Some(&mut Level::Array(depth)), Some(_)) => self.enter(depth)?,
            (Some(Level::Object { .. }), Some(b'}')) => self.leave(),
            (Some(Level::Object { .. }), Some(b'"')) => self.member()?,
            (Some(Level::Object { .. }), Some(_)) => return Err(Fault::Json("a key is missing")),
        }
        if self.open.is_empty() && self.first.1.is_none() {
            self.first.1 = Some(self.json.line());
        }
        Ok(())
    }

    /// Checks that a value behind the first is one of several that are spread over lines.
    fn begin_value(&mut self, byte: u8) -> Result<(), Fault> {
        if !is_begin(byte) {
            return Err(Fault::Json("a value is missing"));
        }
        match self.first {
            (None, _) => self.first.0 = Some(self.json.line()),
            (begun, ended) if begun == ended => {
                return Err(Fault::Json(
                    "it holds more than one JSON value; if each line is one, set format = \"jsonl\"",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        match self.json.peek()? {
            Some(b'[' | b'{') if self.open.len() >= DEEPEST => Err(Fault::Json("it is nested too deeply")),
            Some(b'[') => {
                self.json.pass();
                // An array adds no depth: arrays of arrays are walked.
                self.open.push(Level::Array(depth));
                Ok(())
            }
            Some(b'{') if depth < self.fields.depth() => {
                self.json.pass();
                let members = Kept::most(self.max_bytes);
                self.open.push(Level::Object { depth, met: false, members });
                Ok(())
            }
            Some(b'{') => {
                self.json.pass();
                let mut kept = Kept::most(self.max_bytes);
                let is_sound = self.object(depth, &mut kept)?;
                self.record(kept, depth, is_sound);
                Ok(())
            }
            _ => {
                let mut kept = Kept::most(self.max_bytes);
                self.json.value(Some(&mut kept))?;
                self.record(kept, depth, true);
                Ok(())
            }
        }
    }

    /// Ends the innermost array or object.
    fn leave(&mut self) {
        self.json.pass();
        if let Some(Level::Object { depth, met, members }) = self.open.pop()
            && (!met || !members.bytes.is_empty())
        {
            let mut kept = members;
            kept.bytes = match kept.bytes.is_empty() {
                true => b"null".to_vec(),
                false => [b"{", &kept.bytes[..], b"}"].concat(),
            };
            self.record(kept, depth, true);
        }
    }

    /// Reads a member of an object on the way to the records.
    fn member(&mut self) -> Result<(), Fault> {
        let key = self.key()?;
        let Some(Level::Object { depth, met, members }) = self.open.last_mut() else { return Ok(()) };
        match self.fields.step(*depth, &key) {
            Step::Enter(depth) => {
                *met = true;
                self.enter(depth)
            }
            Step::Member => {
                begin_member(members, &key);
                self.json.value(Some(members))
            }
            Step::Skip => self.json.value(None),
        }
    }

    /// Reads a key and its colon, from its first quote.
    fn key(&mut self) -> Result<String, Fault> {
        let mut kept = Kept::most(KEY_BYTES);
        self.json.pass();
        self.json.string(Some(&mut kept))?;
        if self.json.peek()? != Some(b':') {
            return Err(Fault::Json("a colon is missing behind a key"));
        }
        self.json.pass();
        // One that is too long, or has a wrong escape, names nothing that anybody wants.
        let quoted = [b"\"", &kept.bytes[..]].concat();
        let key = if kept.exceeded { None } else { serde_json::from_slice::<String>(&quoted).ok() };
        let key = key.unwrap_or_default();
        if self.row < NAMED_RECORDS && self.names.len() < NAMES && !key.is_empty() {
            self.names.insert(key.chars().take(40).collect());
        }
        Ok(key)
    }

    /// Reads the wanted members of a record, behind its first bracket; false if it is no sound object.
    fn object(&mut self, depth: usize, kept: &mut Kept) -> Result<bool, Fault> {
        kept.push(b"{");
        let mut is_first = true;
        loop {
            match self.json.peek()? {
                Some(b'}') => {
                    self.json.pass();
                    kept.push(b"}");
                    return Ok(true);
                }
                Some(b',') if !is_first => self.json.pass(),
                Some(b'"') if is_first => {}
                None => return Err(Fault::Json("it ends within a record")),
                // What cannot be understood is passed over to the bracket that closes the record.
                Some(_) => return self.json.nested(1, None).map(|()| false),
            }
            is_first = false;
            if self.json.peek()? != Some(b'"') {
                return self.json.nested(1, None).map(|()| false);
            }
            let key = match self.key() {
                Ok(key) => key,
                Err(Fault::Json(_)) => return self.json.nested(1, None).map(|()| false),
                Err(fault) => return Err(fault),
            };
            if matches!(self.json.peek()?, Some(b',' | b':' | b']' | b'}')) {
                return self.json.nested(1, None).map(|()| false);
            }
            if self.fields.wanted(depth).child(&key).is_none() {
                self.json.value(None)?;
                continue;
            }
            begin_member(kept, &key);
            self.json.value(Some(kept))?;
        }
    }

    fn record(&mut self, kept: Kept, depth: usize, is_sound: bool) {
        self.row += 1;
        let at = At::Row(self.row);
        // A kept beginning may end within a character.
        let raw = String::from_utf8_lossy(&kept.bytes);
        if kept.exceeded {
            self.cutter.count(1, 0);
            return self.cutter.reject(Reason::RecordTooLong, &raw, at, true);
        }
        let mut parser = JsonParser::new(&raw);
        let value = parser.value(self.fields.wanted(depth)).filter(|_| is_sound && parser.is_at_end());
        let Some(value) = value else {
            self.cutter.count(1, 0);
            let shown = raw.replace(INVALID_CHAR, "\u{fffd}");
            return self.cutter.reject(Reason::Malformed, &shown, at, true);
        };
        let text = self.fields.text(&value, depth);
        self.cutter.count(1, text.as_ref().map_or(0, String::len));
        match text {
            Some(text) if text.contains(INVALID_CHAR) => {
                let text = text.replace(INVALID_CHAR, "\u{fffd}");
                self.cutter.reject(Reason::InvalidBytes, &text, at, true);
            }
            Some(text) => {
                self.cutter.add_document(&text, at);
                self.cutter.repaired(Reason::LoneSurrogate, parser.replaced, &text, at);
            }
            None => self.cutter.reject(Reason::NoText, &value.to_string(), at, true),
        }
    }

    fn error(&self, fault: Fault) -> Error {
        match fault {
            Fault::Read(error) => self.origin.error(error),
            Fault::Json(what) => {
                let message = format!(
                    "not valid JSON: {what} (line {}); mend the file or leave it out",
                    self.json.line()
                );
                Error::input(&self.origin.path, message)
            }
        }
    }
}

/// True for a byte that a value may begin with.
fn is_begin(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'"' | b'[' | b'{' | b'-')
}

fn begin_member(kept: &mut Kept, key: &str) {
    if !matches!(kept.bytes[..], [] | [b'{']) {
        kept.push(b",");
    }
    kept.push(serde_json::Value::from(key).to_string().as_bytes());
    kept.push(b":");
}

impl StepReader for JsonReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_on().map_err(|fault| self.error(fault))
    }

    fn counted(&self) -> ReadProgress {
        self.cutter.progress(self.consumed.load(Ordering::Relaxed))
    }
}
