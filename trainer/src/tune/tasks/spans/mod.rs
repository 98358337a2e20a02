//! Answers in a text, as google-research/bert (run_squad.py) and ymcui/cmrc2018 (run_cmrc2018_drcd_baseline.py) find them.
//!
//! ```text
//!  words    a context to words: at white space, or single characters for Chinese
//!  answer   where an answer stands, by words
//!  windows  question and context to rows; a long context to several, which overlap
//!  decode   logits to the best answers
//!  final_text  the predicted pieces back in the words of the text
//! ```

mod answer;
mod decode;
mod final_text;
mod span_task;
#[cfg(test)]
mod tests;
mod windows;
mod words;

pub(super) use span_task::SpanTask;
