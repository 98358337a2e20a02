//! What a user should know about a data set before training on it: each note says what was seen, how much of it, and what
//! helps.

use quanci_shards::{Objective, Split};

use super::{Count, Leak};
use crate::counters::Counters;
use crate::drops::Reason;
use crate::view::DataSet;
use crate::view::table::{count, percent};
use crate::vocab::marks::replaced_marks;

/// The share of `[UNK]` above which they are worth a word: a vocabulary that fits has less than 1 %.
const MANY_UNKNOWN: f64 = 0.02;
/// How far the share of a label may be from one half.
const UNEVEN: f64 = 0.05;
/// How far the AUC of the label by lengths may be from one half.
const TELLING: f64 = 0.05;
/// The share of pairs with a side without a letter that is worth a word.
const MANY_MARKS: f64 = 0.01;
/// The share of repeats above which the format may be wrong.
const MANY_REPEATS: f64 = 0.2;
/// How much larger the largest copy may be than the smallest.
const SWING: f64 = 1.2;

/// The notes about a data set, from its counters and some or all of its training rows.
pub(super) fn notes(data: &DataSet, counters: &Counters, train: &Count, leak: Option<&Leak>) -> Vec<String> {
    let notes = [
        labels(data, counters, train),
        lengths(leak),
        marks_alone(train),
        unknown(data, counters),
        repeats(counters),
        copies(data, counters.train.documents),
        validation(data, counters),
    ];
    notes.into_iter().flatten().collect()
}

fn labels(data: &DataSet, counters: &Counters, train: &Count) -> Option<String> {
    let [zeros, ones] = [train.labels[0].rows, train.labels[1].rows];
    let all = zeros + ones;
    let (share, deviation) = (ones as f64 / all.max(1) as f64, 0.5 / (all.max(1) as f64).sqrt());
    // Within three standard deviations of chance, a small data set is as even as it can be.
    let documents = counters.train.documents;
    // With one document, no pair can be random.
    let is_alone = documents == 1 && data.manifest.objective == Objective::Nsp;
    if all == 0 || ((share - 0.5).abs() <= UNEVEN.max(3.0 * deviation) && !is_alone) {
        return None;
    }
    let why = match data.manifest.objective {
        Objective::Nsp if documents == 1 => {
            "there is one document alone, and B of label 1 comes from another: add documents, or set \
             `instances.objective` to \"sop\" or \"mlm\""
                .to_owned()
        }
        Objective::Nsp if share < 0.5 => format!(
            "there are only {documents} documents to take B from: add documents, or set `instances.objective` to \"sop\" or \
             \"mlm\""
        ),
        Objective::Nsp if data.manifest.settings["instances"]["rules"] == "google" => {
            "most chunks are one sentence, which `instances.rules` = \"google\" cannot divide: use \
                           \"balanced\", or longer documents"
                .to_owned()
        }
        _ => "too few pairs were made".to_owned(),
    };
    Some(format!("label 1 has {} of {} pairs: {why}", percent(ones, all), count(all)))
}

fn lengths(leak: Option<&Leak>) -> Option<String> {
    let leak = leak?;
    let off = (leak.auc - 0.5).abs();
    (off > TELLING.max(3.0 * leak.auc_deviation)).then(|| {
        format!(
            "lengths of A and B tell the label: AUC {:.3}, chance is 0.5; a model may learn lengths instead of text: join \
             short documents, or set `instances.objective` to \"mlm\"",
            leak.auc
        )
    })
}

fn marks_alone(train: &Count) -> Option<String> {
    let pairs: u64 = train.labels.iter().map(|pairs| pairs.rows).sum();
    (train.marks_alone as f64 > MANY_MARKS * pairs as f64).then(|| {
        format!(
            "{} of {} pairs have a side of marks or [UNK] alone: is the text cut at marks, or in another script than the \
             vocabulary?",
            percent(train.marks_alone, pairs),
            count(pairs)
        )
    })
}

fn unknown(data: &DataSet, counters: &Counters) -> Option<String> {
    let read = &counters.read;
    if read.unknown as f64 <= MANY_UNKNOWN * read.pieces as f64 {
        return None;
    }
    let all = read.unknown + counters.read_validation.unknown;
    let most = &counters.unknown_characters;
    let listed: Vec<String> =
        most.iter().map(|&(character, n)| format!("{} {}", shown(character), percent(n, all))).collect();
    let marks = replaced_marks(&data.vocabulary);
    let is_mark = |character: &char| marks.iter().any(|(mark, _)| mark == character);
    let of_marks: u64 = most.iter().filter(|(character, _)| is_mark(character)).map(|(_, n)| n).sum();
    let helps = if of_marks * 3 > all {
        "set `tokenize.plain_marks` = true, or train a vocabulary on this text (`quanci vocab`)"
    } else {
        "is it the vocabulary of this language and script? Else train one on this text (`quanci vocab`)"
    };
    let from = if listed.is_empty() { String::new() } else { format!(", most from {}", listed.join(", ")) };
    Some(format!("[UNK] is {} of the tokens{from}: {helps}", percent(read.unknown, read.pieces)))
}

/// A character, and its code point where it may not be visible.
fn shown(character: char) -> String {
    if character.is_alphanumeric() || character.is_ascii_graphic() || "“”‘’—…–".contains(character)
    {
        character.to_string()
    } else {
        format!("{character} (U+{:04X})", u32::from(character))
    }
}

fn repeats(counters: &Counters) -> Option<String> {
    let repeats = counters.dropped.of(Reason::Duplicate);
    let all = repeats + counters.train.documents + counters.validation.documents;
    (repeats as f64 > MANY_REPEATS * all as f64).then(|| {
        format!(
            "{} of {} documents are exact repeats and were dropped: if the corpus should have none, look at the samples that \
             `quanci stats` shows: is a line, a header or a label taken for a document?",
            percent(repeats, all),
            count(all)
        )
    })
}

fn copies(data: &DataSet, documents: u64) -> Option<String> {
    let rows = (0..data.manifest.copies).map(|copy| data.manifest.rows(Split::Train, copy));
    let (least, most) = (rows.clone().min()?, rows.max()?);
    // Few rows vary by chance, and short documents have about as many in each copy.
    let is_chance = (most - least) as f64 <= 3.0 * ((least + most) as f64 / 2.0).sqrt();
    let rows_per_document = most as f64 / documents.max(1) as f64;
    (most as f64 > SWING * least as f64 && !is_chance && rows_per_document > 5.0).then(|| {
        format!(
            "copies have {} to {} rows: with few long documents, `instances.short_seq_prob` makes many short rows of one and \
             none of another; set it to 0, or lower `clean.max_document_chars`",
            count(least),
            count(most)
        )
    })
}

fn validation(data: &DataSet, counters: &Counters) -> Option<String> {
    let read = counters.read_validation.documents;
    if read > 0 && counters.validation.documents == 0 {
        return Some(format!(
            "the validation split is empty: all of its {} documents were near-duplicates of training documents; take a \
             larger `output.validation`",
            count(read)
        ));
    }
    let is_empty = counters.validation.documents > 0 && data.manifest.rows(Split::Validation, 0) == 0;
    is_empty.then(|| {
        format!(
            "the validation split has {} documents, and no instance could be made of them: take a larger \
             `output.validation`",
            counters.validation.documents
        )
    })
}
