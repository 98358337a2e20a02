//! Lines that other documents keep, as reduce tasks leave them out.

use super::super::shared_lines::Lost;
use super::super::token_text::text_of;
use super::inputs::ReduceInputs;
use crate::counters::SharedLineCounts;
use crate::drops::{Dropped, Reason};
use crate::error::Error;
use crate::steps::bucket::TokenizedDocument;

/// The lost lines of a shard; empty where lines are not compared.
#[derive(Default)]
pub(super) struct LinesOfShard {
    /// What documents of the bucket at hand lose.
    pub(super) lost: Lost,
    /// What those of all buckets lost, with samples.
    pub(super) repaired: Dropped,
}

impl ReduceInputs<'_> {
    /// Leaves out what a document loses; false if nothing is left of it.
    pub(super) fn leave_out(
        &self,
        document: &mut TokenizedDocument,
        lines: &mut LinesOfShard,
        counts: &mut SharedLineCounts,
    ) -> Result<bool, Error> {
        let lost = lines.lost.of(document.hash);
        if lost.is_empty() {
            return Ok(true);
        }
        // From the end, so that the numbers of sentences before stay what they are.
        for (_, sentences) in lost.iter().rev() {
            let range = sentences.first..sentences.first.saturating_add(sentences.count);
            if range.is_empty() || range.end as usize > document.sentence_ends.len() {
                return Err(self.damaged());
            }
            let tokens = document.tokens_of(&range);
            let text = text_of(&document.tokens[tokens.clone()], self.vocabulary);
            lines.repaired.add(Reason::SharedLine, &text, &"");
            counts.lines += 1;
            counts.tokens += tokens.len() as u64;
            document.remove_sentences(range);
        }
        counts.documents += 1;
        let is_empty = document.sentence_ends.is_empty();
        counts.emptied += u64::from(is_empty);
        Ok(!is_empty)
    }
}
