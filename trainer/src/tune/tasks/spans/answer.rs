//! Where an answer stands.

use super::words::Words;
use crate::tune::examples::{Answer, SpanExample};

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// From one word to another.
    At([usize; 2]),
    /// The same, but the file said another place: it is the first that holds the text.
    Elsewhere([usize; 2]),
    /// The text does not hold it.
    Nowhere,
}

/// Where the first answer of an example stands. What a file says is believed if the text stands there; otherwise it is looked for,
/// as ymcui's program does for every answer.
pub(super) fn find(example: &SpanExample, answer: &Answer, words: &Words) -> Found {
    let length = answer.text.chars().count();
    if length == 0 {
        return Found::Nowhere;
    }
    let is_there = |start: usize| example.context.chars().skip(start).take(length).eq(answer.text.chars());
    let said = usize::try_from(answer.start).ok().filter(|&start| is_there(start));
    let first = || example.context.find(&answer.text).map(|at| example.context[..at].chars().count());
    match (said, first()) {
        (Some(start), _) => words.of_characters(start, length).map_or(Found::Nowhere, Found::At),
        (None, Some(start)) => words.of_characters(start, length).map_or(Found::Nowhere, Found::Elsewhere),
        (None, None) => Found::Nowhere,
    }
}
