//! The keys of a settings file as the reference lists them.

use std::fmt;
use std::ops::RangeInclusive;

/// A key, as the question that asks for it declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Where it stands, such as `masking.prob` or `corpus[].name`.
    pub path: String,
    /// What may be written.
    pub kind: Kind,
    /// The default in Markdown; `required` and `none` say that there is none.
    pub default: String,
    /// One line about it.
    pub help: &'static str,
}

/// What may be written for a key. In Markdown: a type and a range, or the choices.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An integer.
    Integer(RangeInclusive<u64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// So many numbers.
    Numbers(usize, RangeInclusive<f64>),
    /// True or false.
    Boolean,
    /// A string that is not empty.
    String,
    /// A string, or several.
    Strings,
    /// A string or an integer, or several.
    Names,
    /// One of these words.
    OneOf(Vec<String>),
    /// One of these words, which are too many for the reference: what stands for them there.
    Listed(String, Vec<String>),
}

/// Limits from here on are there for safety only, and the reference does not show them.
const NO_LIMIT: u64 = 1_000_000_000_000;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer(range) => match *range.end() {
                NO_LIMIT.. => write!(f, "integer, {} or more", grouped(*range.start())),
                end => write!(f, "integer, {} to {}", grouped(*range.start()), grouped(end)),
            },
            Kind::Number(range) => write!(f, "number, {} to {}", range.start(), range.end()),
            Kind::Numbers(count, range) => {
                write!(f, "{count} numbers, {} to {}", range.start(), range.end())
            }
            Kind::Boolean => f.write_str("`true` or `false`"),
            Kind::String => f.write_str("string"),
            Kind::Strings => f.write_str("string or strings"),
            Kind::Names => f.write_str("string, number, or several"),
            Kind::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word:?}`")).collect();
                f.write_str(&words.join(", "))
            }
            Kind::Listed(list, _) => write!(f, "one of {list}"),
        }
    }
}

/// The words of some choices.
pub(crate) fn words<T>(choices: &[(&str, T)]) -> Vec<String> {
    choices.iter().map(|(word, _)| (*word).to_owned()).collect()
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
