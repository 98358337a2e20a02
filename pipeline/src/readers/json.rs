//! JSON with one value per file, such as an array or an object of records. It is read record by record, so memory does
//! not depend on the size of the file.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value};
use struson::reader::{JsonReader as _, JsonStreamReader, ReaderError, ValueType};

use super::cut::DocumentCutter;
use super::fields::Fields;
use super::step::StepReader;
use super::stream::{Origin, Stream};
use super::transcode::{self, INVALID_CHAR};
use super::{ReadProgress, ReadSettings};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

type Json = JsonStreamReader<Box<dyn Read + Send>>;

/// Reads json.
pub(super) struct JsonReader {
    /// `None` at the end.
    json: Option<Json>,
    /// The arrays and objects that we are in.
    open: Vec<Level>,
    origin: Origin,
    consumed: Arc<AtomicU64>,
    /// Set when the stream below failed, as opposed to the JSON in it.
    failed: Arc<AtomicBool>,
    keys: KeyLimit,
    fields: Fields,
    cutter: DocumentCutter,
    max_bytes: usize,
    row: u64,
    started: bool,
}

/// An array or object on the way to the records.
enum Level {
    /// Each item is at this depth of the way.
    Array(usize),
    /// An object at this depth, and whether the next key was in it.
    Object(usize, bool),
}

impl JsonReader {
    pub(super) fn new(
        stream: Stream,
        encoding: Encoding,
        settings: &ReadSettings,
    ) -> Result<JsonReader, Error> {
        // Even UTF-8 goes through the decoder: struson fails for good at an invalid byte, while `INVALID_CHAR` damages
        // one record only.
        let stream = transcode::to_utf8(stream, encoding, INVALID_CHAR.as_bytes())?;
        let Stream { read, origin, consumed, .. } = stream;
        let failed = Arc::new(AtomicBool::new(false));
        let keys = KeyLimit::new(settings.max_record_bytes());
        let mut flagged = FailureFlag { read, failed: failed.clone(), left: keys.left.clone() };
        let beginning = first_text(&mut flagged).map_err(|source| origin.error(source))?;
        let json = (!beginning.is_empty()).then(|| {
            let bytes: Box<dyn Read + Send> = Box::new(Cursor::new(beginning).chain(flagged));
            JsonStreamReader::new(bytes)
        });
        Ok(JsonReader {
            json,
            open: Vec::new(),
            cutter: DocumentCutter::new(origin.clone(), settings),
            origin,
            consumed,
            failed,
            keys,
            fields: Fields::new(&settings.text_field),
            max_bytes: settings.max_record_bytes(),
            row: 0,
            started: false,
        })
    }

    /// Moves on to the next value on the way to a record. A pull parser: each call consumes one event, and `open` is
    /// the stack that a recursive descent would have.
    fn read_on(&mut self) -> Result<(), ReaderError> {
        let Some(json) = &mut self.json else { return Ok(()) };
        match self.open.last_mut() {
            None if self.started => {
                if let Some(json) = self.json.take() {
                    // Fails if another value follows.
                    json.consume_trailing_whitespace()?;
                }
            }
            None => {
                self.started = true;
                self.enter(0)?;
            }
            Some(&mut Level::Array(depth)) if json.has_next()? => self.enter(depth)?,
            Some(Level::Array(_)) => {
                json.end_array()?;
                self.open.pop();
            }
            Some(Level::Object(depth, met)) if json.has_next()? => {
                let depth = *depth;
                // In bounds: `enter` opens an object only above the depth of the records.
                if self.keys.next(json)? == self.fields.to_record[depth] {
                    *met = true;
                    self.enter(depth + 1)?;
                } else {
                    json.skip_value()?;
                }
            }
            Some(&mut Level::Object(_, met)) => {
                json.end_object()?;
                self.open.pop();
                if !met {
                    self.record(&Value::Null, false);
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, depth: usize) -> Result<(), ReaderError> {
        let Some(json) = &mut self.json else { return Ok(()) };
        match json.peek()? {
            // An array adds no depth: arrays of arrays are walked.
            ValueType::Array => {
                json.begin_array()?;
                self.open.push(Level::Array(depth));
            }
            ValueType::Object if depth < self.fields.to_record.len() => {
                json.begin_object()?;
                self.open.push(Level::Object(depth, false));
            }
            _ => {
                // One budget per record, whatever its members are.
                let mut budget = ByteBudget { left: self.max_bytes, exceeded: false };
                let wanted = |key: &str| self.fields.wants(key);
                let record = read_value(json, &self.keys, &mut budget, &wanted)?;
                self.record(&record, budget.exceeded);
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Value, too_long: bool) {
        self.row += 1;
        let at = At::Row(self.row);
        let text = self.fields.text(record);
        self.cutter.count(1, text.as_ref().map_or(0, String::len));
        match text {
            text if too_long => {
                self.cutter.reject(Reason::RecordTooLong, text.as_deref().unwrap_or(""), at, true);
            }
            Some(text) if text.contains(INVALID_CHAR) => {
                let text = text.replace(INVALID_CHAR, "\u{fffd}");
                self.cutter.reject(Reason::InvalidBytes, &text, at, true);
            }
            Some(text) => self.cutter.add_document(&text, at),
            None => self.cutter.reject(Reason::NoText, &record.to_string(), at, true),
        }
    }

    fn error(&self, error: ReaderError) -> Error {
        match error {
            ReaderError::IoError { error, .. } if self.failed.load(Ordering::Relaxed) => {
                self.origin.error(error)
            }
            error if self.open.is_empty() && self.row > 0 => self.not_json(&format!(
                "more than one JSON value ({error}); if each line is one, set format = \"jsonl\""
            )),
            error => self.not_json(&format!("not valid JSON: {error}; mend the file or leave it out")),
        }
    }

    fn not_json(&self, message: &str) -> Error {
        Error::input(&self.origin.path, message)
    }
}

impl StepReader for JsonReader {
    fn cutter(&mut self) -> &mut DocumentCutter {
        &mut self.cutter
    }

    fn is_done(&self) -> bool {
        self.json.is_none()
    }

    fn step(&mut self) -> Result<(), Error> {
        self.read_on().map_err(|error| self.error(error))
    }

    fn counted(&self) -> ReadProgress {
        self.cutter.progress(self.consumed.load(Ordering::Relaxed))
    }
}

/// Limits the memory that one record takes.
struct ByteBudget {
    left: usize,
    exceeded: bool,
}

/// Reads a value. Only the members that `wanted` accepts are kept; numbers, booleans and nulls become null, for they
/// are not text. The recursion is bounded, as struson allows 128 levels.
fn read_value(
    json: &mut Json,
    keys: &KeyLimit,
    budget: &mut ByteBudget,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Value, ReaderError> {
    match json.peek()? {
        ValueType::String => read_string(json, budget).map(Value::String),
        ValueType::Array => {
            json.begin_array()?;
            let mut items = Vec::new();
            while json.has_next()? {
                let item = read_value(json, keys, budget, wanted)?;
                // Millions of empty items would cost nothing if only their text counted.
                budget.spend(size_of::<Value>());
                if !budget.exceeded {
                    items.push(item);
                }
            }
            json.end_array()?;
            Ok(Value::Array(items))
        }
        ValueType::Object => {
            json.begin_object()?;
            let mut members = Map::new();
            while json.has_next()? {
                let key = keys.next(json)?;
                if !wanted(&key) {
                    json.skip_value()?;
                    continue;
                }
                let value = read_value(json, keys, budget, &|_| true)?;
                // The member takes memory even if key and value are empty.
                budget.spend(key.len() + size_of::<(String, Value)>());
                if !budget.exceeded {
                    members.insert(key, value);
                }
            }
            json.end_object()?;
            Ok(Value::Object(members))
        }
        _ => json.skip_value().map(|()| Value::Null),
    }
}

fn read_string(json: &mut Json, budget: &mut ByteBudget) -> Result<String, ReaderError> {
    let mut bytes = Vec::new();
    let mut rest = 0;
    {
        let mut string = json.next_string_reader()?;
        let kept = (&mut string).take(budget.left as u64).read_to_end(&mut bytes);
        // Read to the end of the string, or the JSON reader cannot go on.
        if let Err(error) = kept.and_then(|_| io::copy(&mut string, &mut io::sink()).map(|n| rest = n)) {
            return Err(ReaderError::IoError { error, location: NOWHERE });
        }
    }
    budget.spend(bytes.len().saturating_add(usize::try_from(rest).unwrap_or(usize::MAX)));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// No position here: the wrapped error names the place itself.
const NOWHERE: struson::reader::JsonReaderPosition =
    struson::reader::JsonReaderPosition { path: None, line_pos: None, data_pos: None };

impl ByteBudget {
    fn spend(&mut self, bytes: usize) {
        self.exceeded |= bytes > self.left;
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Limits the memory that a key takes: struson holds it as a whole, so the bytes that it may read meanwhile are limited.
struct KeyLimit {
    most: u64,
    /// What it may still read; [`UNLIMITED`] between keys.
    left: Arc<AtomicU64>,
}

const UNLIMITED: u64 = u64::MAX;

impl KeyLimit {
    fn new(most: usize) -> KeyLimit {
        KeyLimit { most: most as u64, left: Arc::new(AtomicU64::new(UNLIMITED)) }
    }

    /// Reads a key.
    fn next(&self, json: &mut Json) -> Result<String, ReaderError> {
        // Relaxed: the reader below runs on this thread.
        self.left.store(self.most, Ordering::Relaxed);
        let key = json.next_name_owned();
        self.left.store(UNLIMITED, Ordering::Relaxed);
        key
    }
}

/// Remembers that reading the stream failed, because struson wraps errors of its own in the same type.
struct FailureFlag<R> {
    read: R,
    failed: Arc<AtomicBool>,
    /// See [`KeyLimit`].
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for FailureFlag<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a key without end"));
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        // `Interrupted` asks for another try, and is no failure.
        let read = self.read.read(&mut buffer[..most]);
        if left != UNLIMITED {
            self.left.store(left - read.as_ref().map_or(0, |&n| n as u64), Ordering::Relaxed);
        }
        let failed = read.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        self.failed.fetch_or(failed, Ordering::Relaxed);
        read
    }
}

/// Skips white space and returns the first bytes after it; none for a blank file.
fn first_text(read: &mut impl Read) -> io::Result<Vec<u8>> {
    const CHUNK: u64 = 4096;
    loop {
        let mut chunk = Vec::new();
        read.take(CHUNK).read_to_end(&mut chunk)?;
        let blank = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if blank < chunk.len() || chunk.is_empty() {
            return Ok(chunk.split_off(blank));
        }
    }
}
