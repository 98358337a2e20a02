//! Files of labelled sets, as they are published, to examples. No tensors, no tokens.
//!
//! ```text
//!  files   a folder or a zip archive; UTF-8 alone
//!  table   TSV and CSV        ]
//!  json    lines of JSON      ]-> fields -> texts
//!  conll, entities            -> words with labels
//!  squad, c3                  -> questions
//!  split   a part of the training examples for dev and test
//! ```

mod c3;
mod conll;
mod entities;
mod example;
mod fields;
mod files;
mod json;
mod read;
mod split;
mod squad;
mod table;
mod texts;

pub use example::Split;
pub(super) use example::{Answer, ChoiceExample, Examples, SpanExample, Splits, TextExample, TokenExample};
pub(super) use read::read;
