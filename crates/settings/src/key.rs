//! The keys of a settings file as the reference lists them.

use std::ops::RangeInclusive;

/// A key, as the question that asks for it declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands, such as `masking.prob` or `corpus[].name`.
    pub path: String,
    /// What may be written, in Markdown: a type and a range, or the choices.
    pub kind: String,
    /// The default in Markdown; `required` and `none` say that there is none.
    pub default: String,
    /// One line about it.
    pub help: &'static str,
}

/// Limits from here on are there for safety only, and the reference does not show them.
const NO_LIMIT: u64 = 1_000_000_000_000;

pub(crate) fn integers(range: &RangeInclusive<u64>) -> String {
    match *range.end() {
        NO_LIMIT.. => format!("integer, {} or more", grouped(*range.start())),
        end => format!("integer, {} to {}", grouped(*range.start()), grouped(end)),
    }
}

pub(crate) fn numbers(range: &RangeInclusive<f64>) -> String {
    format!("number, {} to {}", range.start(), range.end())
}

pub(crate) fn one_of<T>(choices: &[(&str, T)]) -> String {
    let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word:?}`")).collect();
    words.join(", ")
}

/// 1000000 as 1_000_000, which TOML reads too.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        // Groups of three are counted from the end.
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}
