//! Judges the first records of a file as the job will read them: whether any has text, and whether the rows of a table are
//! written as the settings say.

use std::collections::BTreeSet;

use super::columns::shortened;
use super::detect::Beginning;
use super::formats::open_stream;
use super::json::JsonReader;
use super::stream::Stream;
use super::table_shape::{has_escapes, has_usual_name, recurs, rows};
use super::{Input, Part, ReadSettings, Reader, Record, plausible, transcode};
use crate::config::{Encoding, Format};
use crate::drops::Reason;
use crate::error::Error;

/// Judges the beginning of a file; what may not be meant becomes a warning of `input`.
pub(super) fn judge(beginning: Beginning, settings: &ReadSettings, input: &mut Input) -> Result<(), Error> {
    match settings.format {
        Format::Jsonl => lines(&beginning, settings, input),
        Format::Json => values(&beginning, settings, input),
        Format::Csv | Format::Tsv => table(&beginning, settings, input),
        Format::Wikiextractor | Format::Mediawiki => documents(&beginning, settings, input),
        _ => Ok(()),
    }
}

/// What the first records are.
#[derive(Default)]
struct First {
    documents: usize,
    without_text: usize,
    /// The first record that is malformed.
    malformed: Option<String>,
    rejects: Vec<(Reason, u64)>,
    example: Option<String>,
}

impl First {
    /// Reads the records of a beginning. The last one of a beginning that is cut tells nothing, nor does an error there.
    fn of(reader: &mut dyn Reader, is_cut: bool) -> Result<First, Error> {
        const RECORDS: usize = 1000;
        let mut records = Vec::new();
        while records.len() < RECORDS {
            match reader.next() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(_) if is_cut => break,
                Err(error) => return Err(error),
            }
        }
        if is_cut {
            // That a dump breaks off is told behind the page that is cut.
            records.pop_if(|last| matches!(last, Record::Repaired { reason: Reason::CutFile, .. }));
            records.pop();
        }
        let mut first = First::default();
        records.into_iter().for_each(|record| first.add(record));
        Ok(first)
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Document(_) => self.documents += 1,
            Record::Rejected { reason, text, place } if reason.is_reject() => {
                self.without_text += usize::from(reason == Reason::NoText);
                match self.rejects.iter_mut().find(|(there, _)| *there == reason) {
                    Some((_, count)) => *count += 1,
                    None => self.rejects.push((reason, 1)),
                }
                if self.example.is_none() {
                    self.example = Some(format!("{}: {:?}", place.at, shortened(&text)));
                }
                if reason == Reason::Malformed && self.malformed.is_none() {
                    self.malformed = Some(text);
                }
            }
            Record::Rejected { .. } | Record::Repaired { .. } => {}
        }
    }

    fn rejected(&self) -> u64 {
        self.rejects.iter().map(|(_, count)| count).sum()
    }

    /// A warning if more than one record in a hundred is rejected.
    fn warning(&self) -> Option<String> {
        let rejected = self.rejected();
        let all = self.documents as u64 + rejected;
        let example = self.example.as_ref().filter(|_| rejected * 100 > all)?;
        let reasons: Vec<String> =
            self.rejects.iter().map(|(reason, count)| format!("{count} {}", reason.words())).collect();
        Some(format!(
            "{rejected} of the first {all} records are rejected ({}), for example at {example}",
            reasons.join(", ")
        ))
    }
}

fn stream(beginning: &Beginning) -> Stream {
    Stream::of_bytes(beginning.bytes.clone(), beginning.path.clone())
}

fn text(beginning: &Beginning) -> String {
    plausible::read(transcode::decoder(beginning.encoding, &beginning.bytes), &beginning.bytes)
}

/// Lines of JSON.
fn lines(beginning: &Beginning, settings: &ReadSettings, input: &mut Input) -> Result<(), Error> {
    let mut reader = open_stream(stream(beginning), beginning.encoding, Part::Whole, settings)?;
    let first = First::of(&mut *reader, beginning.is_cut)?;
    let text = text(beginning);
    let begins = text.trim_start_matches('\u{feff}').trim_start();
    let first_line = begins.lines().next().unwrap_or_default();
    // Nothing but a value that goes on behind its first line.
    let goes_on = first.malformed.as_deref() == Some(first_line) && first.rejected() > 1;
    let is_one_value = first.documents + first.without_text == 0 || goes_on;
    if first.malformed.is_some() && is_one_value && begins.starts_with(['[', '{']) {
        let as_json = ReadSettings { format: Format::Json, ..settings.clone() };
        let mut reader = open_stream(stream(beginning), beginning.encoding, Part::Whole, &as_json)?;
        let read = First::of(&mut *reader, true)?;
        if read.documents + read.without_text > first.documents + first.without_text {
            let message = "its JSON goes on over several lines: set format = \"json\"";
            return Err(Error::input(&beginning.path, message));
        }
    }
    if first.documents == 0 && first.without_text > 0 {
        // The same text as `json` gives the names of its fields.
        let as_json = ReadSettings { format: Format::Json, ..settings.clone() };
        let mut names = BTreeSet::new();
        for line in text.lines().take(20) {
            let stream = Stream::of_bytes(line.as_bytes().to_vec(), beginning.path.clone());
            let mut reader = JsonReader::new(stream, Encoding::Utf8, &as_json)?;
            while matches!(reader.next(), Ok(Some(_))) {}
            names.extend(reader.names().iter().cloned());
        }
        without_text(settings, &names, input);
    } else {
        input.warnings.extend(first.warning());
    }
    Ok(())
}

/// Documents between tags.
fn documents(beginning: &Beginning, settings: &ReadSettings, input: &mut Input) -> Result<(), Error> {
    let mut reader = open_stream(stream(beginning), beginning.encoding, Part::Whole, settings)?;
    input.warnings.extend(First::of(&mut *reader, beginning.is_cut)?.warning());
    Ok(())
}

/// One value of JSON, or several.
fn values(beginning: &Beginning, settings: &ReadSettings, input: &mut Input) -> Result<(), Error> {
    let mut reader = JsonReader::new(stream(beginning), beginning.encoding, settings)?;
    let first = First::of(&mut reader, beginning.is_cut)?;
    if first.documents == 0 && first.without_text > 0 {
        without_text(settings, reader.names(), input);
    } else {
        input.warnings.extend(first.warning());
    }
    Ok(())
}

fn without_text(settings: &ReadSettings, names: &BTreeSet<String>, input: &mut Input) {
    let fields = settings.text_field.join(", ");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message =
        format!("no record has text in {fields}; the fields that are there are {there}: set `text_field`");
    input.warnings.push(message.clone());
    input.without_text = Some(message);
}

fn table(beginning: &Beginning, settings: &ReadSettings, input: &mut Input) -> Result<(), Error> {
    let mut reader = open_stream(stream(beginning), beginning.encoding, Part::Whole, settings)?;
    input.warnings.extend(First::of(&mut *reader, beginning.is_cut)?.warning());
    let text = text(beginning);
    if has_escapes(&text, settings.format, &settings.table) {
        input.warnings.push(
            "quotes within fields are written \\\": set `escape` = \"\\\\\", or the text keeps backslashes and may be cut"
                .to_owned(),
        );
    }
    let found = rows(&text, settings.format, &settings.table, beginning.is_cut);
    // A row of usual names is a header, whatever the texts below it are.
    let may_be_record = |first: &[String]| settings.table.header.is_none() && !has_usual_name(first);
    let Some((first, rest)) = found.split_first().filter(|(first, _)| may_be_record(first)) else {
        return Ok(());
    };
    // The name of the wanted column comes again below it: the first row is a record, and the column one of labels.
    let is_wanted = |column: &usize| settings.text_field.contains(&first[*column]);
    if let Some(column) = (0..first.len()).filter(is_wanted).find(|&column| recurs(column, first, rest)) {
        let message = format!(
            "the first row looks like a record, for {:?} comes again in column {}: set `header` = false, and `text_field` to \
             a column's number (\"1\" to \"{}\"); or `header` = true if it is a header",
            shortened(&first[column]),
            column + 1,
            first.len()
        );
        return Err(Error::input(&beginning.path, message));
    }
    Ok(())
}
