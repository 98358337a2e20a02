//! Question and context to rows: `[CLS] question [SEP] window [SEP]` (run_squad.py, convert_examples_to_features).

use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::tasks::item::TokenRow;

/// How rows are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowRules {
    /// Tokens of a row.
    pub(super) most: usize,
    /// Tokens of a question.
    pub(super) max_question: usize,
    /// Tokens from a window to the next.
    pub(super) stride: usize,
}

/// The tokens of a context, each with its word.
#[derive(Debug)]
pub(super) struct ContextTokens {
    pub(super) ids: Vec<i64>,
    /// The word of each token.
    pub(super) word: Vec<usize>,
    /// The first token of each word.
    pub(super) first: Vec<usize>,
}

/// A row, and which tokens of the context it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) row: TokenRow,
    /// The first token of the context in it.
    pub(super) start: usize,
    /// How many there are.
    pub(super) length: usize,
}

impl ContextTokens {
    /// Of words.
    pub(super) fn of(words: &[String], tokenizer: &Tokenizer) -> Result<ContextTokens, Error> {
        let mut tokens = ContextTokens { ids: Vec::new(), word: Vec::new(), first: Vec::new() };
        for (number, word) in words.iter().enumerate() {
            let pieces = tokenizer.pieces(word)?;
            tokens.first.push(tokens.ids.len());
            tokens.word.extend(std::iter::repeat_n(number, pieces.len()));
            tokens.ids.extend(pieces);
        }
        Ok(tokens)
    }

    /// The first and the last token of some words; none where they have no tokens.
    pub(super) fn of_words(&self, [first, last]: [usize; 2]) -> Option<[usize; 2]> {
        let start = self.first[first];
        let end = self.first.get(last + 1).copied().unwrap_or(self.ids.len());
        (start < end).then(|| [start, end - 1])
    }

    /// The first part of a span, over starts ascending and ends descending, that has the tokens of the answer itself; otherwise
    /// the span (run_squad.py, _improve_answer_span): a word may hold more than the answer.
    pub(super) fn improved(&self, [start, end]: [usize; 2], answer: &[i64]) -> [usize; 2] {
        let parts = (start..=end).flat_map(|start| (start..=end).rev().map(move |end| [start, end]));
        let mut same = parts.filter(|[start, end]| self.ids[*start..=*end] == *answer);
        same.next().unwrap_or([start, end])
    }
}

impl Window {
    /// The place in the row of a token of the context.
    pub(super) fn place(&self, token: usize) -> usize {
        token - self.start + self.row.segment_b
    }

    /// The token of the context at a place of the row.
    pub(super) fn token(&self, place: usize) -> Option<usize> {
        let within = place.checked_sub(self.row.segment_b).filter(|&within| within < self.length)?;
        Some(self.start + within)
    }

    /// First and last place of an answer; both 0 where the window does not hold it whole.
    pub(super) fn target(&self, [start, end]: [usize; 2]) -> [i64; 2] {
        if start < self.start || end >= self.start + self.length {
            return [0, 0];
        }
        [self.place(start) as i64, self.place(end) as i64]
    }
}

/// The windows of a context.
pub(super) fn windows(
    tokenizer: &Tokenizer,
    question: &[i64],
    context: &ContextTokens,
    rules: WindowRules,
) -> Vec<Window> {
    let question = &question[..question.len().min(rules.max_question)];
    // At least one token, for questions as long as a row.
    let room = rules.most.saturating_sub(question.len() + 3).max(1);
    let all = context.ids.len();
    let (mut windows, mut start) = (Vec::new(), 0);
    loop {
        let length = room.min(all - start);
        let mut ids = vec![tokenizer.cls()];
        ids.extend(question);
        ids.push(tokenizer.sep());
        let segment_b = ids.len();
        ids.extend(&context.ids[start..start + length]);
        ids.push(tokenizer.sep());
        windows.push(Window { row: TokenRow { ids, segment_b }, start, length });
        if start + length >= all {
            return windows;
        }
        start += length.min(rules.stride);
    }
}

/// For each window, which of its tokens it shows with more context than any other (run_squad.py, _check_is_max_context).
pub(super) fn with_most_context(windows: &[Window]) -> Vec<Vec<bool>> {
    let score = |window: &Window, token: usize| {
        let (left, right) = (token - window.start, window.start + window.length - 1 - token);
        left.min(right) as f64 + 0.01 * window.length as f64
    };
    let holds = |window: &Window, token: usize| (window.start..window.start + window.length).contains(&token);
    let is_best = |own: usize, token: usize| {
        let mut best = None;
        for (number, window) in windows.iter().enumerate().filter(|(_, window)| holds(window, token)) {
            let score = score(window, token);
            // The first of equals stays.
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((number, score));
            }
        }
        best.is_some_and(|(number, _)| number == own)
    };
    let of = |(own, window): (usize, &Window)| {
        (window.start..window.start + window.length).map(|token| is_best(own, token)).collect()
    };
    windows.iter().enumerate().map(of).collect()
}
