//! Words with labels: a word and its label a line, or both in columns of a table.

use std::sync::Arc;

use super::example::{Place, TokenExample};
use super::files::TextFile;
use super::table;
use crate::config::TaskSet;
use crate::error::Error;

/// Reads lines of a word and its label, divided by white space; a blank line ends a sentence. Columns between them are left
/// out, and so are the lines `-DOCSTART-` of CoNLL 2003.
///
/// # Errors
/// If some lines have a label and others have none.
pub(super) fn conll(file: &TextFile) -> Result<Vec<TokenExample>, Error> {
    let path = Arc::new(file.path.clone());
    let (mut examples, mut words, mut labels, mut first) = (Vec::new(), Vec::new(), Vec::new(), 1);
    let lines = file.text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let lines = (1..).zip(lines).chain(std::iter::once((0, "")));
    let mut has_labels: Option<bool> = None;
    for (number, line) in lines {
        // White space that is a word of its own (U+3000) has its label behind a tab or a space.
        let mut columns = line.split(['\t', ' ']).filter(|column| !column.is_empty());
        let Some(word) = columns.next().filter(|word| *word != "-DOCSTART-") else {
            if !words.is_empty() {
                let place = Place { file: path.clone(), what: format!("line {first}") };
                let labels = Some(std::mem::take(&mut labels)).filter(|_| has_labels == Some(true));
                examples.push(TokenExample { place, words: std::mem::take(&mut words), labels });
            }
            continue;
        };
        let label = columns.next_back();
        if *has_labels.get_or_insert(label.is_some()) != label.is_some() {
            let what = if label.is_some() {
                "a label, and lines before have none"
            } else {
                "no label, and lines before have one"
            };
            return Err(Error::input(&file.path, format!("line {number} has {what}")));
        }
        if words.is_empty() {
            first = number;
        }
        words.push(word.to_owned());
        labels.extend(label.map(str::to_owned));
    }
    Ok(examples)
}

/// Reads a table with a column of words and one of labels, both divided by spaces.
///
/// # Errors
/// If a column is missing, or a row has more words than labels.
pub(super) fn columns(file: &TextFile, set: &TaskSet) -> Result<Vec<TokenExample>, Error> {
    let records = table::tsv(file, set.header)?;
    let missing = || {
        let message =
            format!("has no column {}: it has {}", set.text.join(" or "), records.columns.join(", "));
        Error::input(&file.path, message)
    };
    let text = records.column(&set.text).ok_or_else(missing)?;
    let label = records.column(&set.label);
    let one = |record: &super::fields::Record| {
        let split = |column: usize| -> Vec<String> {
            record.fields[column].as_deref().unwrap_or_default().split(' ').map(str::to_owned).collect()
        };
        let (words, labels) = (split(text), label.map(split));
        if let Some(labels) = labels.as_ref().filter(|labels| labels.len() != words.len()) {
            let message =
                format!("{} has {} words and {} labels", record.place.what, words.len(), labels.len());
            return Err(Error::input(&file.path, message));
        }
        Ok(TokenExample { place: record.place.clone(), words, labels })
    };
    records.records.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> TextFile {
        TextFile { path: "x".into(), text: text.to_owned(), sha256: String::new() }
    }

    #[test]
    fn sentences_end_at_blank_lines() {
        let read = conll(&file("-DOCSTART- -X- O O\r\n\r\n中 NN B-LOC\r\n国 NN I-LOC\r\n\r\n\r\n人\tNN\tO"))
            .unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].words.join(""), read[0].place.what.as_str()), ("中国".to_owned(), "line 3"));
        assert_eq!(read[0].labels.as_deref().unwrap(), ["B-LOC", "I-LOC"]);
        assert_eq!(read[1].labels.as_deref().unwrap(), ["O"]);
        assert!(conll(&file("中\n国\n")).unwrap()[0].labels.is_none());
        let error = conll(&file("中 O\n国\n")).unwrap_err().to_string();
        assert!(error.contains("line 2 has no label"), "{error}");
    }
}
