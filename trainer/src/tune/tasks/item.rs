//! What goes through the model, and what is asked of it.

/// A row of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenRow {
    /// With `[CLS]` and `[SEP]`.
    pub(crate) ids: Vec<i64>,
    /// Where the second segment begins; the row's length where there is none.
    pub(crate) segment_b: usize,
}

/// What is to be learnt of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// Nothing is known.
    None,
    /// A class; of several rows, the right one.
    Class(i64),
    /// A number.
    Value(f64),
    /// A class for each token; [`IGNORED`] for those that have none.
    Labels(Vec<i64>),
    /// The first and the last token of an answer.
    Span([i64; 2]),
}

/// A token that nothing is asked of.
pub(crate) const IGNORED: i64 = -100;

/// Rows that are judged together: one, but for questions with several answers and for pairs of texts with a vector each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) rows: Vec<TokenRow>,
    pub(crate) target: Target,
}

impl Item {
    /// Tokens of the longest row.
    pub(crate) fn length(&self) -> usize {
        self.rows.iter().map(|row| row.ids.len()).max().unwrap_or(0)
    }

    /// How many losses it has: what a mean loss is divided by.
    pub(crate) fn losses(&self) -> usize {
        match &self.target {
            Target::None => 0,
            Target::Class(_) | Target::Value(_) => 1,
            Target::Labels(labels) => labels.iter().filter(|&&label| label != IGNORED).count(),
            Target::Span(_) => 2,
        }
    }
}
