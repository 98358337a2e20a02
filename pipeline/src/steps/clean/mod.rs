//! Cleaning: characters that the tokenizer would drop are removed before segmentation, and unwanted documents are dropped
//! with a reason.

mod characters;
mod encoding;
mod filter;
mod forms;
mod html;
mod pii;
mod repeats;
mod wrapped;

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_128;

use self::characters::Characters;
pub use self::filter::BlockedWords;
use self::filter::Filter;
use crate::config::{CleanSettings, PiiAction, PiiKind};
use crate::document::Document;
use crate::drops::{Dropped, Reason, SAMPLE_CHARS};
use crate::steps::chars::{CLASSES, Class, Classes};
use crate::steps::lines::lines_of;
use crate::steps::script::Script;

/// A document after cleaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// Its lines: without removed characters, white space made spaces, trimmed, none empty; joined by `\n`.
    pub text: String,
    /// 128 bits of hash over that text: the identity of the document. It depends on no setting, source or vocabulary.
    pub hash: u128,
    /// What was mended, and how often.
    pub repairs: Repairs,
}

/// What was mended in a document: reason, how often, and a place of the text as a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repairs(Vec<(Reason, u64, String)>);

impl Repairs {
    /// Adds a repair that was made `count` times; `sample` is the text before it.
    fn add(&mut self, reason: Reason, count: u64, sample: &str) {
        if count > 0 {
            // Longer than what is shown, so that personal data is whole.
            self.0.push((reason, count, sample.chars().take(2 * SAMPLE_CHARS).collect()));
        }
    }

    /// Replaces personal data in the samples so far.
    fn guard(&mut self, kinds: &[PiiKind]) {
        for (.., sample) in &mut self.0 {
            if let Some((replaced, _)) = pii::replace(sample, kinds) {
                *sample = replaced;
            }
        }
    }

    /// Counts them in a report.
    pub fn report(&self, document: &Document, repaired: &mut Dropped) {
        for (reason, count, sample) in &self.0 {
            repaired.add_many(*reason, *count, sample, &document.place);
        }
    }
}

/// Cleans documents by the rules of `[clean]`.
pub struct Clean {
    settings: CleanSettings,
    classes: Classes,
    characters: Option<Characters>,
    filter: Option<Filter>,
}

impl Clean {
    /// A cleaner with these rules; `blocked` are the words of `clean.blocked_words`.
    pub fn new(settings: &CleanSettings, blocked: Option<BlockedWords>) -> Clean {
        Clean {
            classes: Classes::default(),
            characters: Characters::new(settings.script),
            filter: Filter::new(&settings.filter, blocked),
            settings: settings.clone(),
        }
    }

    /// The cleaned document, or why it is dropped.
    ///
    /// # Errors
    /// The reason why the document is dropped.
    pub fn apply(&self, document: &Document) -> Result<Cleaned, Reason> {
        let mut repairs = Repairs::default();
        let mended = self.mend(&document.text, &mut repairs)?;
        let mut text = String::with_capacity(mended.len());
        let mut counts = CharCounts::default();
        for line in lines_of(&mended) {
            self.clean_line(line, &mut text, &mut counts);
        }
        // `clean_line` ends every line with a newline, so only the last is too many.
        if text.ends_with('\n') {
            text.pop();
        }
        self.judge(&counts)?;
        self.filter.as_ref().map_or(Ok(()), |filter| filter.judge(&text))?;
        let hash = xxh3_128(text.as_bytes());
        Ok(Cleaned { text, hash, repairs })
    }

    /// The text with what `[clean]` asks to be mended.
    fn mend<'a>(&self, text: &'a str, repairs: &mut Repairs) -> Result<Cow<'a, str>, Reason> {
        let repair = &self.settings.repair;
        let mut text = Cow::Borrowed(text);
        // Bytes before characters, characters before lines: each finds what the one before it brought to light.
        if repair.fix_double_encoding {
            mend(&mut text, repairs, Reason::DoubleEncoded, encoding::fix);
        }
        if repair.strip_html {
            mend(&mut text, repairs, Reason::HtmlLeftover, html::strip);
        }
        if repair.drop_damaged
            && let Some((kept, count, first)) = forms::remove_damaged(&text)
        {
            repairs.add(Reason::DamagedText, count, &first);
            text = Cow::Owned(kept);
        }
        if repair.half_width {
            mend(&mut text, repairs, Reason::FullWidth, forms::half_width);
        }
        mend(&mut text, repairs, Reason::OtherForm, |text| forms::normalize(text, repair.normal_form));
        match &self.characters {
            Some(Characters::Convert { from, converter }) => {
                let convert = |text: &str| characters::convert(text, *from, converter);
                mend(&mut text, repairs, Reason::ConvertedScript, convert);
            }
            Some(Characters::Drop(script)) if Script::of(&text) == *script => {
                return Err(Reason::OtherScript);
            }
            _ => {}
        }
        self.guard(&mut text, repairs)?;
        if repair.repeated_lines > 0
            && let Some((kept, count, first)) = repeats::remove(&text, repair.repeated_lines)
        {
            repairs.add(Reason::RepeatedLine, count, &first);
            text = Cow::Owned(kept);
        }
        if repair.join_wrapped_lines {
            mend(&mut text, repairs, Reason::WrappedLine, wrapped::join);
        }
        Ok(text)
    }

    /// Personal data: what `[clean]` asks to be done with it.
    fn guard(&self, text: &mut Cow<'_, str>, repairs: &mut Repairs) -> Result<(), Reason> {
        let pii = &self.settings.pii;
        match pii.action {
            PiiAction::Keep => {}
            PiiAction::Drop => {
                if let Some(kind) = pii::first(text, &pii.kinds) {
                    return Err(reason_of(kind));
                }
            }
            PiiAction::Replace => {
                repairs.guard(&pii.kinds);
                if let Some((replaced, counts)) = pii::replace(text, &pii.kinds) {
                    // Samples are of the text after it.
                    let sample = &replaced[first_difference(text, &replaced)..];
                    counts.iter().for_each(|(kind, count)| repairs.add(reason_of(*kind), *count, sample));
                    *text = Cow::Owned(replaced);
                }
            }
        }
        Ok(())
    }

    /// The begin of a dropped document, to be shown: without personal data if that is not wanted.
    pub fn sample<'a>(&self, document: &'a Document) -> Cow<'a, str> {
        let pii = &self.settings.pii;
        if pii.is_off() {
            return Cow::Borrowed(&document.text);
        }
        // Somewhat more than is shown, for what is cut at its end.
        let text = &document.text;
        let end = text.char_indices().nth(2 * SAMPLE_CHARS).map_or(text.len(), |(end, _)| end);
        pii::replace(&text[..end], &pii.kinds)
            .map_or(Cow::Borrowed(text), |(replaced, _)| Cow::Owned(replaced))
    }

    fn judge(&self, counts: &CharCounts) -> Result<(), Reason> {
        let [han, letters, marks] =
            [Class::Han, Class::Other, Class::Punctuation].map(|class| counts.0[class as usize]);
        let visible = han + letters + marks;
        if visible == 0 {
            return Err(Reason::Empty);
        }
        if visible < self.settings.min_chars {
            return Err(Reason::TooShort);
        }
        // Punctuation is left out: it is common to Chinese and Latin text.
        let ratio = han as f64 / (han + letters).max(1) as f64;
        if ratio < self.settings.min_han_ratio { Err(Reason::NotChinese) } else { Ok(()) }
    }

    /// Appends the cleaned line and a newline, or nothing for an empty line.
    fn clean_line(&self, line: &str, out: &mut String, counts: &mut CharCounts) {
        let begin = out.len();
        let mut copied = 0; // everything of the line before this byte is in `out`
        for (at, c) in line.char_indices() {
            let class = self.classes.of(c);
            // Counted without a branch: where marks are among Hanzi, none could foresee.
            counts.0[class as usize] += 1;
            let is_copied = match class {
                Class::Han | Class::Other | Class::Punctuation => true,
                // A plain space within a line is copied with its neighbours.
                Class::Space => c == ' ' && out.len() + at - copied > begin,
                Class::Removed => false,
            };
            if !is_copied {
                // Removed, white space of another kind, or a space at the front.
                // Text is copied in runs: most lines have nothing to remove.
                out.push_str(&line[copied..at]);
                copied = at + c.len_utf8();
                if class == Class::Space && out.len() > begin {
                    out.push(' ');
                }
            }
        }
        out.push_str(&line[copied..]);
        let trimmed = begin + out[begin..].trim_end_matches(' ').len();
        out.truncate(trimmed);
        if out.len() > begin {
            out.push('\n');
        }
    }
}

/// Replaces the text by what `repair` makes of it, and counts what was done.
fn mend(
    text: &mut Cow<'_, str>,
    repairs: &mut Repairs,
    reason: Reason,
    repair: impl Fn(&str) -> Option<(String, u64)>,
) {
    if let Some((mended, count)) = repair(text) {
        let from = first_difference(text, &mended);
        repairs.add(reason, count, &text[from..]);
        *text = Cow::Owned(mended);
    }
}

fn reason_of(kind: PiiKind) -> Reason {
    match kind {
        PiiKind::Email => Reason::Email,
        PiiKind::Ip => Reason::IpAddress,
        PiiKind::Phone => Reason::PhoneNumber,
        PiiKind::IdCard => Reason::IdCard,
        PiiKind::BankCard => Reason::BankCard,
        PiiKind::Account => Reason::Account,
    }
}

/// A little before the place where a text was changed first.
fn first_difference(text: &str, other: &str) -> usize {
    const BEFORE: usize = 20;
    let same = text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let same = (0..=same).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text[..same].char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at)
}

/// The characters of a document, by their [`Class`].
#[derive(Default)]
struct CharCounts([u64; CLASSES]);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::{NormalizedString, Normalizer};

    use super::*;
    use crate::document::{At, Place};

    fn settings() -> CleanSettings {
        CleanSettings::default()
    }

    fn clean(settings: CleanSettings, text: &str) -> Result<String, Reason> {
        let place = Place { path: Path::new("x").into(), at: At::Line(1) };
        Clean::new(&settings, None)
            .apply(&Document { text: text.to_owned(), place })
            .map(|cleaned| cleaned.text)
    }

    #[test]
    fn lines() {
        let cases = [
            ("今天天气不错", Ok("今天天气不错")),
            ("\u{3000}\u{3000}今天\u{3000}天气\t不错  \n\n \u{200b} \n好。", Ok("今天 天气 不错\n好。")),
            ("零\u{200b}宽\u{feff}和\u{e000}私用\u{fffd}\0", Ok("零宽和私用")),
            ("a \u{200b} b", Ok("a  b")),
            ("\u{a0}\u{85}a\u{2028}b\r", Ok("a b")),
            (" \n\u{200b}\n", Err(Reason::Empty)),
            ("", Err(Reason::Empty)),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(settings(), text), expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn reasons() {
        let short = CleanSettings { min_chars: 3, ..settings() };
        assert_eq!(clean(short.clone(), "天 气"), Err(Reason::TooShort));
        assert_eq!(clean(short, "天 气。"), Ok("天 气。".to_owned()));
        let chinese = CleanSettings { min_han_ratio: 0.3, ..settings() };
        assert_eq!(clean(chinese.clone(), "Hello, 世界"), Err(Reason::NotChinese));
        assert_eq!(clean(chinese, "Hi, 世界"), Ok("Hi, 世界".to_owned()));
    }

    proptest! {
        /// The tokenizer's own cleaning finds nothing left to do.
        #[test]
        fn nothing_is_left_for_the_tokenizer(text in "\\PC*|[\\x00-\\xff天\u{3000}\u{2028}\u{e000} \n]*") {
            if let Ok(cleaned) = clean(settings(), &text) {
                let mut normalized = NormalizedString::from(cleaned.replace('\n', " "));
                let normalizer = BertNormalizer::new(true, false, Some(false), false);
                normalizer.normalize(&mut normalized).expect("normalizes");
                prop_assert_eq!(normalized.get(), cleaned.replace('\n', " "));
                prop_assert_eq!(clean(settings(), &cleaned), Ok(cleaned));
            }
        }
    }
}
