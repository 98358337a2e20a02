//! TSV and CSV.

use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader};

use super::example::Place;
use super::fields::{Record, Records};
use super::files::TextFile;
use crate::error::Error;

/// Reads lines of columns divided by tabs. A quotation mark is a character like any other, as in google-research/bert's reader.
///
/// # Errors
/// If a line has fewer or more columns than the first.
pub(super) fn tsv(file: &TextFile, header: bool) -> Result<Records, Error> {
    let lines = file.text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let lines = (1..).zip(lines).filter(|(_, line)| !line.is_empty());
    let rows = lines.map(|(number, line)| (number, line.split('\t').map(str::to_owned).collect()));
    records(file, rows.collect(), header)
}

/// Reads comma-separated values, with quotation marks and line ends within them (RFC 4180).
///
/// # Errors
/// If a record has fewer or more columns than the first.
pub(super) fn csv(file: &TextFile, header: bool) -> Result<Records, Error> {
    let mut reader = Reader::new();
    let mut input = file.text.as_bytes();
    let (mut rows, mut line) = (Vec::new(), 1);
    let (mut output, mut ends) = (vec![0; 1024], vec![0; 64]);
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, wrote, end) =
            reader.read_record(input, &mut output[written..], &mut ends[ended..]);
        input = &input[read..];
        written += wrote;
        ended += end;
        match result {
            ReadRecordResult::OutputFull => output.resize(2 * output.len(), 0),
            ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
            // The reader asks once more, with nothing, for the last record.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => {
                let starts = std::iter::once(0).chain(ends[..ended].iter().copied());
                let fields = starts.zip(&ends[..ended]);
                // Fields are cut at ASCII characters of valid UTF-8.
                let row =
                    fields.map(|(start, &end)| String::from_utf8_lossy(&output[start..end]).into_owned());
                rows.push((line, row.collect()));
                (written, ended) = (0, 0);
                line = reader.line() as usize;
            }
            ReadRecordResult::End => break,
        }
    }
    records(file, rows, header)
}

fn records(file: &TextFile, rows: Vec<(usize, Vec<String>)>, header: bool) -> Result<Records, Error> {
    let path = Arc::new(file.path.clone());
    let mut rows = rows.into_iter().peekable();
    let columns = match rows.peek() {
        None => Vec::new(),
        Some((_, first)) if header => first.clone(),
        Some((_, first)) => (0..first.len()).map(|number| number.to_string()).collect(),
    };
    if header {
        rows.next();
    }
    let mut records = Vec::new();
    for (number, row) in rows {
        if row.len() != columns.len() {
            let message =
                format!("line {number} has {} columns, and the first line has {}", row.len(), columns.len());
            return Err(Error::input(&file.path, message));
        }
        let place = Place { file: path.clone(), what: format!("line {number}") };
        records.push(Record { place, fields: row.into_iter().map(Some).collect() });
    }
    Ok(Records { columns, records })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "x".into(), text: text.to_owned(), sha256: String::new() }
    }

    fn fields(records: &Records) -> Vec<Vec<&str>> {
        records
            .records
            .iter()
            .map(|record| record.fields.iter().flatten().map(String::as_str).collect())
            .collect()
    }

    #[test]
    fn quotation_marks_mean_nothing_in_tsv() {
        let read = tsv(&file("label\ttext\r\n1\t\"一\r\n\n0\t二\u{2028}三\"\n"), true).unwrap();
        assert_eq!(fields(&read), [["1", "\"一"], ["0", "二\u{2028}三\""]]);
        assert_eq!(read.column(&["no".to_owned(), "text".to_owned()]), Some(1));
        assert_eq!(read.records[1].place.what, "line 4");
        let read = tsv(&file("a\tb"), false).unwrap();
        assert_eq!((read.columns.join(""), fields(&read).len()), ("01".to_owned(), 1));
    }

    #[test]
    fn a_line_of_other_columns_is_named() {
        let error = tsv(&file("a\tb\n1\n"), true).unwrap_err().to_string();
        assert!(error.contains("line 2 has 1 columns"), "{error}");
    }

    #[test]
    fn csv_has_line_ends_within_fields() {
        let long = "长".repeat(2000);
        let read = csv(&file(&format!("label,text\n1,\"一,\n\"\"二\"\"\"\n0,{long}\n")), true).unwrap();
        assert_eq!(fields(&read), [["1", "一,\n\"二\""], ["0", long.as_str()]]);
        assert_eq!(read.records[1].place.what, "line 4");
    }
}
