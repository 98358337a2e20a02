//! What a labelled set consists of.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

/// Where an example stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: Arc<PathBuf>,
    /// What in it: `line 7`, or a question's id.
    pub(crate) what: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.file.display(), self.what)
    }
}

/// A text or a pair, and its label as it is written.
#[derive(Debug, Clone)]
pub(crate) struct TextExample {
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) text_b: Option<String>,
    pub(crate) label: Option<String>,
}

/// Words, each with a label.
#[derive(Debug, Clone)]
pub(crate) struct TokenExample {
    pub(crate) place: Place,
    pub(crate) words: Vec<String>,
    /// As many, or none.
    pub(crate) labels: Option<Vec<String>>,
}

/// An answer to a question, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// Characters of the context before it, as the file says.
    pub(crate) start: i64,
}

/// A question about a text that holds its answer.
#[derive(Debug, Clone)]
pub(crate) struct SpanExample {
    pub(crate) place: Place,
    pub(crate) id: String,
    /// What belongs together: a title, or the context itself.
    pub(crate) group: Arc<str>,
    pub(crate) context: Arc<str>,
    pub(crate) question: String,
    /// None where it has none, or the file does not tell.
    pub(crate) answers: Vec<Answer>,
    /// Whether the file says that there is no answer.
    pub(crate) is_impossible: bool,
}

/// A question with several answers, one of which is right.
#[derive(Debug, Clone)]
pub(crate) struct ChoiceExample {
    pub(crate) place: Place,
    pub(crate) id: String,
    pub(crate) context: Arc<str>,
    pub(crate) question: String,
    pub(crate) choices: Vec<String>,
    pub(crate) answer: Option<usize>,
}

/// The examples of a file, all of one kind.
#[derive(Debug, Clone)]
pub(crate) enum Examples {
    Texts(Vec<TextExample>),
    Tokens(Vec<TokenExample>),
    Spans(Vec<SpanExample>),
    Choices(Vec<ChoiceExample>),
}

impl Examples {
    pub(crate) fn len(&self) -> usize {
        match self {
            Examples::Texts(list) => list.len(),
            Examples::Tokens(list) => list.len(),
            Examples::Spans(list) => list.len(),
            Examples::Choices(list) => list.len(),
        }
    }
}

/// The parts of a labelled set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What is trained on.
    Train,
    /// What the best epoch is chosen by.
    Dev,
    /// What is measured once.
    Test,
}

impl Split {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

/// A set that was read.
#[derive(Debug)]
pub(crate) struct Splits {
    pub(crate) train: Examples,
    pub(crate) dev: Examples,
    pub(crate) test: Option<Examples>,
    /// SHA-256 of each file, by its name.
    pub(crate) ids: Vec<(String, String)>,
    /// What was left out or mended, with counts.
    pub(crate) notices: Vec<String>,
}
