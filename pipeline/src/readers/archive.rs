//! Archives: each entry is a file of the corpus, with an encoding of its own. Entries that hold no text, or text of another
//! format, are skipped and counted.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::entries::{Entries, Entry};
use super::formats::open_stream;
use super::stream::{Origin, Stream};
use super::tar_entries::TarEntries;
use super::zip_entries::ZipEntries;
use super::{Compression, Input, Part, ReadProgress, ReadSettings, Reader, Record, encoding_of, entry_kind};
use crate::config::Encoding;
use crate::document::At;
use crate::drops::Reason;
use crate::error::Error;

/// The bytes of an entry that tell its encoding.
const HEAD: u64 = 256 << 10;

fn entries(input: &Input) -> Result<Box<dyn Entries>, Error> {
    Ok(match input.compression {
        Compression::Zip => Box::new(ZipEntries::open(input)?),
        _ => Box::new(TarEntries::open(input)?),
    })
}

/// Opens an archive's entries one after the other.
pub(super) fn open(input: &Input, settings: &ReadSettings) -> Result<Box<dyn Reader>, Error> {
    let mut reader = ArchiveReader {
        entries: entries(input)?,
        usual: input.encoding,
        settings: settings.clone(),
        current: None,
        skipped: Vec::new(),
        before: ReadProgress::default(),
    };
    // The first entry is opened now, so that a table without the wanted column is an error of `sniff`.
    reader.advance()?;
    Ok(Box::new(reader))
}

/// The path of an entry, and its beginning.
pub(super) type Sample = (Arc<Path>, Vec<u8>);

/// The beginnings of some entries that are read.
pub(super) fn samples(input: &Input, settings: &ReadSettings, bytes: u64) -> Result<Vec<Sample>, Error> {
    const ENTRIES: usize = 8;
    let mut entries = entries(input)?;
    let mut samples = Vec::new();
    while samples.len() < ENTRIES
        && let Some(entry) = entries.next()?
    {
        if let Entry::File(stream) = entry {
            let mut sample = Vec::new();
            let read = stream.read.take(bytes).read_to_end(&mut sample);
            read.map_err(|source| stream.origin.error(source))?;
            if entry_kind::skipped(&stream.origin.path, &sample, settings.format).is_none() {
                samples.push((stream.origin.path, sample));
            }
        }
    }
    Ok(samples)
}

struct ArchiveReader {
    entries: Box<dyn Entries>,
    /// The encoding of the first entries, for one that is too short to tell.
    usual: Encoding,
    settings: ReadSettings,
    current: Option<Box<dyn Reader>>,
    skipped: Vec<Record>,
    /// Of the entries before the current one.
    before: ReadProgress,
}

impl ArchiveReader {
    /// Opens the next entry; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        match self.entries.next()? {
            None => return Ok(false),
            Some(Entry::Skipped { path, why }) => self.skip(Arc::from(path), why),
            Some(Entry::File(stream)) => self.open(stream)?,
        }
        Ok(true)
    }

    fn open(&mut self, mut stream: Stream) -> Result<(), Error> {
        let mut head = Vec::new();
        let read = (&mut stream.read).take(HEAD).read_to_end(&mut head);
        read.map_err(|source| stream.origin.error(source))?;
        if let Some(why) = entry_kind::skipped(&stream.origin.path, &head, self.settings.format) {
            self.skip(stream.origin.path, why);
            return Ok(());
        }
        let encoding = encoding_of::entry(&head, self.settings.encoding, self.usual);
        let encoding = encoding.map_err(|message| Error::input(&stream.origin.path, message))?;
        let read = Box::new(Cursor::new(head).chain(stream.read));
        let stream = Stream { read, ..stream };
        self.current = Some(open_stream(stream, encoding, Part::Whole, &self.settings)?);
        Ok(())
    }

    fn skip(&mut self, path: Arc<Path>, why: &'static str) {
        self.before.records += 1;
        let place = Origin { path, compression: Compression::None }.place(At::Byte(0));
        // No name in the text: it goes into data sets.
        self.skipped.push(Record::Rejected { reason: Reason::SkippedEntry, text: why.to_owned(), place });
    }
}

impl Reader for ArchiveReader {
    fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            if let Some(skipped) = self.skipped.pop() {
                return Ok(Some(skipped));
            }
            if let Some(reader) = &mut self.current {
                if let Some(record) = reader.next()? {
                    return Ok(Some(record));
                }
                // The counts of the finished entry go into the total before its reader is dropped.
                self.before = self.progress();
                self.current = None;
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    fn progress(&self) -> ReadProgress {
        let current = self.current.as_ref().map(|reader| reader.progress()).unwrap_or_default();
        ReadProgress {
            records: self.before.records + current.records,
            text_bytes: self.before.text_bytes + current.text_bytes,
            file_bytes: self.entries.consumed(),
        }
    }
}
