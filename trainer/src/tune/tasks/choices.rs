//! Questions with several answers, one of which is right.

use std::fmt::Write;

use serde_json::json;

use super::item::{Item, Target};
use super::labels::majority;
use super::parts::Parts;
use super::rows;
use super::task::{Head, PredictionFile, Task, largest};
use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::examples::{ChoiceExample, Split};
use crate::tune::scoring::{Scores, accuracy};

/// The task with its items.
pub(super) struct ChoiceTask {
    parts: Parts<(Vec<ChoiceExample>, Vec<Item>)>,
}

impl ChoiceTask {
    /// Makes the items: for each answer a row `[CLS] text [SEP] question [SEP] answer [SEP]`, the second segment from the question
    /// on (nlpdata/c3, bert/run_classifier.py). Adds to `notices` what was cut.
    ///
    /// # Errors
    /// If a question of training or dev has no right answer.
    pub(super) fn new(
        examples: Parts<Vec<ChoiceExample>>,
        tokenizer: &Tokenizer,
        most: usize,
        notices: &mut Vec<String>,
    ) -> Result<ChoiceTask, Error> {
        let parts = examples.try_map(|split, examples| {
            let (mut cut, mut items) = (0, Vec::new());
            let all_lack = examples.iter().all(|example| example.answer.is_none());
            for example in &examples {
                if example.answer.is_none() && (split != Split::Test || !all_lack) {
                    let message = format!("{} has no answer", example.place.what);
                    return Err(Error::input(example.place.file.as_path(), message));
                }
                let (text, question) =
                    (tokenizer.pieces(&example.context)?, tokenizer.pieces(&example.question)?);
                let mut item = Item { rows: Vec::new(), target: Target::None };
                let mut is_cut = false;
                for choice in &example.choices {
                    let mut second = question.clone();
                    second.push(tokenizer.sep());
                    second.extend(tokenizer.pieces(choice)?);
                    let (row, cut) = rows::pair(tokenizer, text.clone(), second, most);
                    is_cut |= cut;
                    item.rows.push(row);
                }
                item.target = example.answer.map_or(Target::None, |answer| Target::Class(answer as i64));
                cut += usize::from(is_cut);
                items.push(item);
            }
            if cut > 0 {
                let count = examples.len();
                notices.push(format!(
                    "{}: {cut} of {count} questions are longer than {most} tokens with an answer, and cut",
                    split.name()
                ));
            }
            Ok((examples, items))
        })?;
        Ok(ChoiceTask { parts })
    }

    fn wanted(&self, split: Split) -> Option<Vec<usize>> {
        self.parts.get(split)?.0.iter().map(|example| example.answer).collect()
    }

    fn scored(&self, split: Split, predicted: impl Iterator<Item = usize>) -> Option<Scores> {
        let wanted = self.wanted(split)?;
        let right = wanted.iter().zip(predicted).filter(|(wanted, predicted)| **wanted == *predicted).count();
        Some(accuracy(right, wanted.len()))
    }
}

impl Task for ChoiceTask {
    fn head(&self) -> Head {
        Head::Choice
    }

    fn items(&self, split: Split) -> Option<&[Item]> {
        self.parts.get(split).map(|(_, items)| items.as_slice())
    }

    fn score(&self, split: Split, logits: &[Vec<f32>]) -> Option<Scores> {
        self.scored(split, logits.iter().map(|logits| largest(logits)))
    }

    /// The place that is right most often in training.
    fn guess(&self, split: Split) -> Option<Scores> {
        let train = self.wanted(Split::Train)?;
        let most = self.parts.train.0.iter().map(|example| example.choices.len()).max()?;
        self.scored(split, std::iter::repeat(majority(&train, most)))
    }

    fn predictions(&self, split: Split, logits: &[Vec<f32>]) -> Vec<PredictionFile> {
        let Some((examples, _)) = self.parts.get(split) else { return Vec::new() };
        let mut lines = String::new();
        for (example, logits) in examples.iter().zip(logits) {
            let chosen = largest(logits);
            let line = json!({ "id": example.id, "label": chosen, "answer": example.choices[chosen], "logits": logits });
            writeln!(lines, "{line}").expect("a String takes all that is written");
        }
        vec![PredictionFile { name: format!("{}.jsonl", split.name()), content: lines }]
    }
}
