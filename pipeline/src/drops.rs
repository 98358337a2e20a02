//! What was dropped and why: every record that does not come out is counted with a reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Why a record was rejected (unreadable) or a document dropped (read, but not wanted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A line or value whose bytes are not valid in the file's encoding.
    InvalidBytes,
    /// A line or file that is not JSON (or a CSV record that is not CSV).
    Malformed,
    /// A record without the text field, or one whose text field is not text.
    NoText,
    /// A line of JSON or a table row that is longer than we hold in memory.
    RecordTooLong,
    /// A row of a table with more or fewer fields than its header.
    FieldCount,
    /// A row of a table that is the header once more, as in files that were joined.
    RepeatedHeader,
    /// An entry of an archive that holds no text: a picture, another archive, what a system added.
    SkippedEntry,
    /// No drop: a document with half a surrogate pair, which is read as U+FFFD.
    LoneSurrogate,
    /// No drop: a line without a sentence that has invalid bytes.
    DamagedSentence,
    /// No drop: a line of UTF-8 in a file of another encoding.
    OtherEncoding,
    /// No drop: a line of GB18030 with characters side by side that no text has, as after a lost byte.
    ShiftedCharacters,
    /// No drop: a file without its last character, which is cut off in the middle.
    CutCharacter,
    /// A page that only leads to another one.
    Redirect,
    /// A page of a wiki outside the namespace of articles: talk, users, templates.
    NoArticle,
    /// No drop: a file that breaks off between two documents.
    CutFile,
    /// No drop: a document without its end tag, which is read up to the next one or the end of the file.
    Unclosed,
    /// No drop: a line of UTF-8 that was read as another encoding (`clean.fix_double_encoding`).
    DoubleEncoded,
    /// No drop: a tag, a comment or an entity of HTML (`clean.strip_html`).
    HtmlLeftover,
    /// No drop: a sentence with U+FFFD, left out (`clean.drop_damaged`).
    DamagedText,
    /// No drop: a line with full-width letters or digits (`clean.half_width`).
    FullWidth,
    /// No drop: a line in another normal form of Unicode (`clean.normal_form`).
    OtherForm,
    /// No drop: a line that a document has again and again, left out (`clean.repeated_lines`).
    RepeatedLine,
    /// No drop: a heading that stood alone, joined to what follows (`clean.join_headings`).
    JoinedHeading,
    /// No drop: a line that another document keeps, left out (`clean.dedup_lines`).
    SharedLine,
    /// No drop: a line that was cut at a fixed width, joined to the next (`clean.join_wrapped_lines`).
    WrappedLine,
    /// No drop: a line that was written in the other script (`clean.script`).
    ConvertedScript,
    /// A document in the script that is not wanted (`clean.script`).
    OtherScript,
    /// An e-mail address, replaced, or the document dropped (`clean.pii`, as the five that follow).
    Email,
    /// A public IP address.
    IpAddress,
    /// A mobile number.
    PhoneNumber,
    /// The number of an identity card.
    IdCard,
    /// The number of a bank card.
    BankCard,
    /// An account of QQ or WeChat.
    Account,
    /// A document without a character left after cleaning.
    Empty,
    /// Fewer characters than `clean.min_chars`.
    TooShort,
    /// A smaller share of Hanzi than `clean.min_han_ratio`.
    NotChinese,
    /// A larger share of kana or hangul than allowed (`clean.max_kana_ratio`, `clean.max_hangul_ratio`).
    OtherLanguage,
    /// More symbols than `clean.max_symbol_ratio`.
    Symbols,
    /// More punctuation than `clean.max_punctuation_ratio`.
    Punctuation,
    /// More digits than `clean.max_digit_ratio`.
    Digits,
    /// Fewer function characters than `clean.min_stop_chars`.
    StopChars,
    /// Fewer lines that end with a mark than `clean.min_line_end_ratio`.
    LineEnds,
    /// More line breaks than `clean.max_line_breaks`.
    LineBreaks,
    /// More of it like a menu or a list than `clean.max_list_ratio`.
    ListLike,
    /// More lines with bullets than `clean.max_bullet_ratio`.
    Bullets,
    /// More lines that end with an ellipsis than `clean.max_ellipsis_ratio`.
    Ellipses,
    /// More repeated lines than `clean.max_repeated_lines` or `clean.max_repeated_line_chars`.
    RepeatedLines,
    /// A short run of characters that is too frequent (`clean.max_top_ngrams`).
    FrequentRun,
    /// Too much of it in long runs that were there before (`clean.max_repeated_ngrams`).
    RepeatedRuns,
    /// More words of the list than `clean.max_blocked_words`.
    BlockedWords,
    /// The same cleaned text was seen before (`clean.dedup`).
    Duplicate,
    /// Nearly the same text is kept (`clean.near_duplicates`).
    NearDuplicate,
    /// Other documents keep all of its lines (`clean.dedup_lines`).
    OnlySharedLines,
    /// No instance can be made of it: one word, and no other document to pair it with.
    NoInstance,
}

impl Reason {
    /// True where the record could not be read, which `max_reject_percent` judges.
    pub fn is_reject(self) -> bool {
        use Reason::{FieldCount, InvalidBytes, Malformed, NoText, RecordTooLong};
        matches!(self, InvalidBytes | Malformed | NoText | RecordTooLong | FieldCount)
    }

    /// The reason in plain words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Reason::InvalidBytes => "bytes invalid in the file's encoding",
            Reason::Malformed => "malformed record",
            Reason::NoText => "no text in the record",
            Reason::RecordTooLong => "record too long",
            Reason::FieldCount => "more or fewer fields than the header",
            Reason::RepeatedHeader => "header row once more",
            Reason::SkippedEntry => "archive entry without text",
            Reason::LoneSurrogate => "half a surrogate pair, read as U+FFFD",
            Reason::DamagedSentence => "sentence with invalid bytes, left out of its line",
            Reason::OtherEncoding => "line of utf-8 in a file of another encoding, read as utf-8",
            Reason::ShiftedCharacters => {
                "line that seems to have lost a byte: what follows is garbled, and kept"
            }
            Reason::CutCharacter => "last character cut off, left out",
            Reason::Redirect => "redirect",
            Reason::NoArticle => "page that is no article, such as talk or a template",
            Reason::CutFile => "file that breaks off: what follows is missing",
            Reason::Unclosed => "document without its end tag, read up to the next or the end of the file",
            Reason::DoubleEncoded => "line of utf-8 that was read as windows-1252 or latin-1, put right",
            Reason::HtmlLeftover => "tag, comment or entity of HTML, taken out or replaced",
            Reason::DamagedText => "sentence with U+FFFD, left out",
            Reason::FullWidth => "line with full-width letters or digits, now in half width",
            Reason::OtherForm => "line in another normal form of Unicode, changed",
            Reason::RepeatedLine => "line repeated through a document, left out",
            Reason::JoinedHeading => "heading that stood alone, joined to what follows",
            Reason::SharedLine => "line that another document keeps, left out",
            Reason::WrappedLine => "line cut at a fixed width, joined to the next",
            Reason::ConvertedScript => "line in traditional or simplified characters, written in the others",
            Reason::OtherScript => "in traditional or simplified characters, which are not wanted",
            Reason::Email => "e-mail address",
            Reason::IpAddress => "IP address",
            Reason::PhoneNumber => "mobile number",
            Reason::IdCard => "number of an identity card",
            Reason::BankCard => "number of a bank card",
            Reason::Account => "account of QQ or WeChat",
            Reason::Empty => "empty after cleaning",
            Reason::TooShort => "too short",
            Reason::NotChinese => "too few Hanzi",
            Reason::OtherLanguage => "another language",
            Reason::Symbols => "too many symbols",
            Reason::Punctuation => "too much punctuation",
            Reason::Digits => "too many digits",
            Reason::StopChars => "too few function characters",
            Reason::LineEnds => "too few lines that end with a mark",
            Reason::LineBreaks => "too many line breaks",
            Reason::ListLike => "like a menu or a list",
            Reason::Bullets => "too many lines with bullets",
            Reason::Ellipses => "too many lines that end with an ellipsis",
            Reason::RepeatedLines => "repeated lines",
            Reason::FrequentRun => "a run of characters too frequent",
            Reason::RepeatedRuns => "repeated runs of characters",
            Reason::BlockedWords => "words of the list",
            Reason::Duplicate => "exact repeat",
            Reason::NearDuplicate => "near-duplicate",
            Reason::OnlySharedLines => "only lines that other documents keep",
            Reason::NoInstance => "no instance possible",
        }
    }
}

/// One dropped record, kept as an example.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Hash of the text: samples are the smallest, so that they depend on no order.
    pub hash: u64,
    /// Why it was dropped.
    pub reason: Reason,
    /// The beginning of its text, with invalid bytes shown as U+FFFD.
    pub text: String,
    /// Where it was found; left out of data sets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

/// How many samples are kept for each reason.
pub const SAMPLES_PER_REASON: usize = 5;
/// Characters of text kept in a sample.
pub const SAMPLE_CHARS: usize = 80;

/// What was dropped and why. Merging is commutative: the sum of many tasks depends on no order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// How many, by reason.
    pub counts: BTreeMap<Reason, u64>,
    /// The [`SAMPLES_PER_REASON`] smallest samples of each reason.
    pub samples: BTreeMap<Reason, Vec<Sample>>,
}

impl Dropped {
    /// Counts one record and keeps it as a sample if it is among the smallest by hash.
    pub fn add(&mut self, reason: Reason, text: &str, place: &impl ToString) {
        self.add_many(reason, 1, text, place);
    }

    /// The same for `count` things in a record, such as its lines, with one sample.
    pub fn add_many(&mut self, reason: Reason, count: u64, text: &str, place: &impl ToString) {
        *self.counts.entry(reason).or_default() += count;
        // Bottom-k sampling: the smallest hashes are the same set whatever the order of the records.
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let kept = self.samples.entry(reason).or_default();
        // Checked before the strings are built: nearly all records fail this test once the samples are full.
        if kept.len() < SAMPLES_PER_REASON || kept.last().is_some_and(|last| hash < last.hash) {
            let text = text.chars().take(SAMPLE_CHARS).collect();
            insert_sample(kept, Sample { hash, reason, text, place: place.to_string() });
        }
    }

    /// True where nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// A sentence for each reason: how many, and a place where it was found.
    pub fn notes(&self) -> Vec<String> {
        let note = |(reason, count): (&Reason, &u64)| {
            let samples = self.samples.get(reason).into_iter().flatten();
            let place = samples.map(|sample| sample.place.as_str()).find(|place| !place.is_empty());
            let place = place.map(|place| format!(", for example in {place}")).unwrap_or_default();
            format!("{count} × {}{place}", reason.words())
        };
        self.counts.iter().map(note).collect()
    }

    /// Adds another task's.
    pub fn merge(&mut self, other: &Dropped) {
        for (&reason, count) in &other.counts {
            *self.counts.entry(reason).or_default() += count;
        }
        for (&reason, samples) in &other.samples {
            let kept = self.samples.entry(reason).or_default();
            samples.iter().for_each(|sample| insert_sample(kept, sample.clone()));
        }
    }

    /// How many for `reason`.
    pub fn of(&self, reason: Reason) -> u64 {
        self.counts.get(&reason).copied().unwrap_or(0)
    }

    /// Records that could not be read.
    pub fn rejected(&self) -> u64 {
        self.counts.iter().filter(|(reason, _)| reason.is_reject()).map(|(_, count)| count).sum()
    }

    /// An error if more records were rejected than `limit` percent of those read.
    ///
    /// # Errors
    /// [`Error::TooManyRejects`] if so.
    pub fn judge(&self, read: u64, limit: f64) -> Result<(), Error> {
        let rejected = self.rejected();
        // Multiplied out, so that nothing is divided by zero records.
        if rejected as f64 * 100.0 <= limit * read as f64 {
            return Ok(());
        }
        Err(Error::TooManyRejects { rejected, read, limit, samples: self.rejected_places() })
    }

    /// The counts in a line: "3 too short, 1 exact repeat"; "nothing" where nothing was dropped.
    pub fn in_words(&self) -> String {
        let counts = self.counts.iter().filter(|&(_, &n)| n > 0);
        let counts: Vec<String> = counts.map(|(reason, n)| format!("{n} {}", reason.words())).collect();
        if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
    }

    /// The places of some rejected records, one a line.
    pub fn rejected_places(&self) -> Vec<String> {
        let rejected = self.samples.iter().filter(|(reason, _)| reason.is_reject());
        rejected
            .flat_map(|(_, samples)| samples)
            .map(|sample| format!("{}: {}: {:?}", sample.place, sample.reason.words(), sample.text))
            .collect()
    }

    /// The same without places: what may enter a data set.
    pub fn without_places(mut self) -> Dropped {
        self.samples.values_mut().flatten().for_each(|sample| sample.place.clear());
        self.samples.values_mut().for_each(|samples| samples.dedup());
        self
    }
}

fn insert_sample(kept: &mut Vec<Sample>, sample: Sample) {
    // Sorted without places, so that the same text in two files counts once and the set depends on no path.
    let key = |s: &Sample| (s.hash, s.text.clone());
    if let Err(at) = kept.binary_search_by_key(&key(&sample), key) {
        kept.insert(at, sample);
        kept.truncate(SAMPLES_PER_REASON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_depend_on_no_order() {
        let texts: Vec<String> = (0..50).map(|i| format!("样本{i}")).collect();
        let mut forwards = Dropped::default();
        texts.iter().for_each(|text| forwards.add(Reason::TooShort, text, &""));
        let mut halves = [Dropped::default(), Dropped::default()];
        texts.iter().rev().enumerate().for_each(|(i, text)| halves[i % 2].add(Reason::TooShort, text, &""));
        let [mut backwards, odd] = halves;
        backwards.merge(&odd);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.samples[&Reason::TooShort].len(), SAMPLES_PER_REASON);
        assert_eq!(forwards.of(Reason::TooShort), 50);
        assert_eq!(forwards.rejected(), 0);
    }

    #[test]
    fn counts_in_words() {
        let mut dropped = Dropped::default();
        assert_eq!(dropped.in_words(), "nothing");
        dropped.add(Reason::TooShort, "a", &"");
        dropped.add(Reason::Duplicate, "b", &"");
        assert_eq!(dropped.in_words(), "1 too short, 1 exact repeat");
    }
}
