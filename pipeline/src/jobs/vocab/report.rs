//! The report of a vocab run.

use serde::{Deserialize, Serialize};

use crate::drops::Dropped;
use crate::jobs::left_out::LeftOutEntries;
use crate::vocab::trainer::Trained;

/// What a vocab run made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VocabReport {
    /// Documents counted.
    pub documents: u64,
    /// What was dropped.
    pub dropped: Dropped,
    /// What was left out of documents or replaced in them.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub repaired: Dropped,
    /// Entries of archives that were skipped.
    #[serde(default, skip_serializing_if = "LeftOutEntries::is_empty")]
    pub(super) left_out: LeftOutEntries,
    /// How the training went and how the vocabulary covers its text, in words.
    pub text: String,
    /// The same for programs.
    pub coverage: serde_json::Value,
    /// How the training went, for programs.
    pub training: serde_json::Value,
}

impl VocabReport {
    /// What the user should know about the text: what was replaced in it, and what of archives was skipped.
    pub fn warnings(&self) -> Vec<String> {
        self.repaired.notes().into_iter().chain(self.left_out.notes()).collect()
    }
}

impl std::fmt::Display for VocabReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.text)
    }
}

/// Notes on the training that the user should see.
pub(super) fn training_notes(trained: &Trained) -> String {
    let mut lines = String::new();
    if !trained.left_out.is_empty() {
        let shown: String = trained.left_out.iter().take(20).collect();
        lines += &format!(
            "{} characters found no room in `size` ({shown}…): raise it, or `min_char_count`\n",
            trained.left_out.len()
        );
    }
    if trained.ran_out {
        lines += &format!(
            "{} entries: no more pair of pieces was met `min_pair_count` times\n",
            trained.pieces.len()
        );
    }
    lines
}
