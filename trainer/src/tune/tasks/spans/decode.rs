//! Logits to the best answers (run_squad.py, write_predictions).

use std::collections::HashSet;

use serde::Serialize;

use super::final_text::final_text;
use super::windows::Window;
use crate::error::Error;
use crate::text::Tokenizer;

/// How answers are chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecodeRules {
    pub(super) n_best: usize,
    /// Tokens of an answer.
    pub(super) max_answer: usize,
    /// Whether there may be none.
    pub(super) unanswerable: bool,
    /// How much better none must be.
    pub(super) null_threshold: f64,
    /// Whether spaces between the words are left out of the answer.
    pub(super) without_spaces: bool,
}

/// What a model says of a window: scores of starts and ends, place by place.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowLogits<'a> {
    pub(super) window: &'a Window,
    /// Which of its tokens it shows with most context.
    pub(super) has_most_context: &'a [bool],
    pub(super) start: &'a [f32],
    pub(super) end: &'a [f32],
}

/// An answer among the best.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Candidate {
    pub(super) text: String,
    pub(super) probability: f64,
    pub(super) start_logit: f32,
    pub(super) end_logit: f32,
}

/// The answers of a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoded {
    /// Empty where there is none.
    pub(super) answer: String,
    pub(super) best: Vec<Candidate>,
    /// By how much no answer is better than the best one; where there may be none.
    pub(super) null_difference: Option<f64>,
}

struct Span<'a> {
    window: &'a Window,
    places: [usize; 2],
    start: f32,
    end: f32,
}

impl Span<'_> {
    /// As Python adds them, in double precision.
    fn score(&self) -> f64 {
        f64::from(self.start) + f64::from(self.end)
    }
}

/// The answers of a question from its windows. `words` are those of the context, and `word` says which one a token is of.
///
/// # Errors
/// If the tokenizer refuses a text.
pub(super) fn decode(
    windows: &[WindowLogits<'_>],
    words: &[String],
    word: &[usize],
    tokenizer: &Tokenizer,
    rules: DecodeRules,
) -> Result<Decoded, Error> {
    let null = null_span(windows);
    let mut spans = spans(windows, rules);
    if rules.unanswerable {
        spans.extend(null.as_ref().map(|null| Span { window: null.window, ..*null }));
    }
    // A stable sort: of equals the first stays first.
    spans.sort_by(|one, other| other.score().total_cmp(&one.score()));
    let (mut seen, mut best) = (HashSet::new(), Vec::new());
    for span in &spans {
        if best.len() >= rules.n_best {
            break;
        }
        let text =
            if span.places[0] > 0 { text_of(span, words, word, tokenizer, rules)? } else { String::new() };
        if seen.insert(text.clone()) || span.places[0] == 0 {
            best.push(Candidate { text, probability: 0.0, start_logit: span.start, end_logit: span.end });
        }
    }
    if let Some(null) = null.as_ref().filter(|_| rules.unanswerable && !seen.contains("")) {
        let (start_logit, end_logit) = (null.start, null.end);
        best.push(Candidate { text: String::new(), probability: 0.0, start_logit, end_logit });
    }
    softmax(&mut best);
    let first = best.iter().find(|candidate| !candidate.text.is_empty());
    let mut decoded = Decoded { answer: String::new(), best: Vec::new(), null_difference: None };
    if !rules.unanswerable {
        decoded.answer = best.first().map_or_else(String::new, |first| first.text.clone());
    } else if let (Some(first), Some(null)) = (first, null) {
        let difference = null.score() - f64::from(first.start_logit) - f64::from(first.end_logit);
        decoded.null_difference = Some(difference);
        if difference <= rules.null_threshold {
            decoded.answer.clone_from(&first.text);
        }
    }
    decoded.best = best;
    Ok(decoded)
}

/// `[CLS]` of the window where it scores least.
fn null_span<'a>(windows: &[WindowLogits<'a>]) -> Option<Span<'a>> {
    let spans = windows.iter().filter_map(|of| {
        let (start, end) = (*of.start.first()?, *of.end.first()?);
        Some(Span { window: of.window, places: [0, 0], start, end })
    });
    spans.min_by(|one, other| one.score().total_cmp(&other.score()))
}

/// Every span of the best starts and ends of each window that an answer may have.
fn spans<'a>(windows: &[WindowLogits<'a>], rules: DecodeRules) -> Vec<Span<'a>> {
    let mut spans = Vec::new();
    for of in windows {
        let is_context = |place: usize| of.window.token(place).is_some();
        let has_most_context = |place: usize| {
            of.window.token(place).is_some_and(|token| of.has_most_context[token - of.window.start])
        };
        let ends = best_places(of.end, rules.n_best);
        for start in best_places(of.start, rules.n_best) {
            for &end in &ends {
                let fits = is_context(start) && is_context(end) && has_most_context(start);
                if fits && end >= start && end - start < rules.max_answer {
                    spans.push(Span {
                        window: of.window,
                        places: [start, end],
                        start: of.start[start],
                        end: of.end[end],
                    });
                }
            }
        }
    }
    spans
}

fn best_places(logits: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..logits.len()).collect();
    places.sort_by(|&one, &other| logits[other].total_cmp(&logits[one]));
    places.truncate(count);
    places
}

fn text_of(
    span: &Span<'_>,
    words: &[String],
    word: &[usize],
    tokenizer: &Tokenizer,
    rules: DecodeRules,
) -> Result<String, Error> {
    let [start, end] = span.places;
    let pieces: Vec<String> =
        span.window.row.ids[start..=end].iter().map(|&id| tokenizer.piece(id)).collect();
    let predicted = pieces.join(" ").replace(" ##", "").replace("##", "");
    let predicted = predicted.split_whitespace().collect::<Vec<_>>().join(" ");
    let of = |place: usize| span.window.token(place).map_or(0, |token| word[token]);
    let original = words[of(start)..=of(end)].join(" ");
    let text = final_text(&predicted, &original, &tokenizer.basic_tokens(&original)?);
    Ok(if rules.without_spaces { text.replace(' ', "") } else { text })
}

fn softmax(candidates: &mut [Candidate]) {
    let score = |candidate: &Candidate| f64::from(candidate.start_logit) + f64::from(candidate.end_logit);
    let most = candidates.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = candidates.iter().map(|candidate| (score(candidate) - most).exp()).sum();
    for candidate in candidates {
        candidate.probability = (score(candidate) - most).exp() / sum;
    }
}
