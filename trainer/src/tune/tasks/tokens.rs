//! A label for each word or character.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::item::{IGNORED, Item, Target, TokenRow};
use super::labels::sorted;
use super::parts::Parts;
use super::task::{Head, PredictionFile, Task, largest};
use crate::config::{SetFormat, TaskSet};
use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::examples::{Split, TokenExample};
use crate::tune::scoring::{Scores, entities, entity_scores};

/// The task with its items.
pub(super) struct TokenTask {
    labels: Vec<String>,
    parts: Parts<Part>,
    format: SetFormat,
}

/// The examples of a part and their items: one for a sentence, or more where it is too long for a row.
struct Part {
    examples: Vec<TokenExample>,
    items: Vec<Item>,
    /// For each item the words in it, each with the place of its first token in the row.
    words: Vec<Vec<Word>>,
}

/// A word of an item.
struct Word {
    example: usize,
    word: usize,
    /// Of its first token.
    token: usize,
}

impl TokenTask {
    /// Makes the items. Adds to `notices` what was divided, and which labels training never has.
    ///
    /// # Errors
    /// If training or dev has no labels.
    pub(super) fn new(
        set: &TaskSet,
        examples: Parts<Vec<TokenExample>>,
        tokenizer: &Tokenizer,
        most: usize,
        notices: &mut Vec<String>,
    ) -> Result<TokenTask, Error> {
        let labels = if set.labels.is_empty() {
            sorted(
                examples
                    .train
                    .iter()
                    .filter_map(|example| example.labels.as_ref())
                    .flatten()
                    .map(String::as_str),
            )
        } else {
            set.labels.clone()
        };
        let parts = examples.try_map(|split, examples| {
            let maker = Maker { labels: &labels, tokenizer, most, split };
            maker.part(examples, notices)
        })?;
        Ok(TokenTask { labels, parts, format: set.format })
    }

    /// For each example the label of each word.
    fn predicted(&self, split: Split, logits: &[Vec<f32>]) -> Vec<Vec<String>> {
        let Some(part) = self.parts.get(split) else { return Vec::new() };
        let mut predicted: Vec<Vec<String>> =
            part.examples.iter().map(|example| vec!["O".to_owned(); example.words.len()]).collect();
        let count = self.labels.len();
        for (words, logits) in part.words.iter().zip(logits) {
            for word in words {
                let own = &logits[word.token * count..(word.token + 1) * count];
                predicted[word.example][word.word].clone_from(&self.labels[largest(own)]);
            }
        }
        predicted
    }

    fn wanted(&self, split: Split) -> Option<Vec<Vec<String>>> {
        self.parts.get(split)?.examples.iter().map(|example| example.labels.clone()).collect()
    }
}

struct Maker<'a> {
    labels: &'a [String],
    tokenizer: &'a Tokenizer,
    most: usize,
    split: Split,
}

impl Maker<'_> {
    fn part(&self, examples: Vec<TokenExample>, notices: &mut Vec<String>) -> Result<Part, Error> {
        let mut part = Part { examples: Vec::new(), items: Vec::new(), words: Vec::new() };
        let (mut divided, mut unknown) = (0, std::collections::BTreeMap::new());
        for (number, example) in examples.iter().enumerate() {
            if example.labels.is_none() && self.split != Split::Test {
                let message = format!("{} has no labels", example.place.what);
                return Err(Error::input(example.place.file.as_path(), message));
            }
            for label in example.labels.iter().flatten().filter(|label| !self.labels.contains(label)) {
                *unknown.entry(label.clone()).or_insert(0) += 1;
            }
            divided += usize::from(self.rows(number, example, &mut part)? > 1);
        }
        let name = self.split.name();
        if divided > 0 {
            let (count, most) = (examples.len(), self.most);
            notices.push(format!("{name}: {divided} of {count} sentences are longer than {most} tokens, and divided into several rows"));
        }
        for (label, count) in unknown {
            notices.push(format!(
                "{name}: {count} words have the label {label}, which training never has: they cannot be right"
            ));
        }
        part.examples = examples;
        Ok(part)
    }

    /// Adds the rows of an example; gives their number.
    fn rows(&self, number: usize, example: &TokenExample, part: &mut Part) -> Result<usize, Error> {
        let room = self.most.saturating_sub(2).max(1);
        let (mut rows, mut ids, mut targets, mut words) = (0, Vec::new(), Vec::new(), Vec::new());
        let mut close = |ids: &mut Vec<i64>, targets: &mut Vec<i64>, words: &mut Vec<Word>| {
            if ids.is_empty() {
                return;
            }
            rows += 1;
            let mut all = vec![self.tokenizer.cls()];
            all.append(ids);
            all.push(self.tokenizer.sep());
            let mut labels = vec![IGNORED];
            labels.append(targets);
            labels.push(IGNORED);
            let target = if example.labels.is_some() { Target::Labels(labels) } else { Target::None };
            part.items.push(Item { rows: vec![TokenRow { segment_b: all.len(), ids: all }], target });
            part.words.push(std::mem::take(words));
        };
        for (word, text) in example.words.iter().enumerate() {
            let mut pieces = self.tokenizer.pieces(text)?;
            // White space and control characters have no piece, and a label all the same.
            if pieces.is_empty() {
                pieces.extend(self.tokenizer.unknown());
            }
            pieces.truncate(room);
            if pieces.is_empty() {
                continue;
            }
            if ids.len() + pieces.len() > room {
                close(&mut ids, &mut targets, &mut words);
            }
            words.push(Word { example: number, word, token: ids.len() + 1 });
            let label = example
                .labels
                .as_ref()
                .and_then(|labels| self.labels.iter().position(|own| *own == labels[word]));
            targets.push(label.map_or(IGNORED, |label| label as i64));
            targets.extend(std::iter::repeat_n(IGNORED, pieces.len() - 1));
            ids.extend(pieces);
        }
        close(&mut ids, &mut targets, &mut words);
        Ok(rows)
    }
}

impl Task for TokenTask {
    fn head(&self) -> Head {
        Head::Labels(self.labels.clone())
    }

    fn items(&self, split: Split) -> Option<&[Item]> {
        self.parts.get(split).map(|part| part.items.as_slice())
    }

    fn score(&self, split: Split, logits: &[Vec<f32>]) -> Option<Scores> {
        Some(entity_scores(&self.predicted(split, logits), &self.wanted(split)?))
    }

    /// The most frequent label everywhere, which is no entity as a rule: F1 0 then.
    fn guess(&self, split: Split) -> Option<Scores> {
        let train = self.wanted(Split::Train)?;
        let mut counts = std::collections::BTreeMap::new();
        train.iter().flatten().for_each(|label| *counts.entry(label).or_insert(0usize) += 1);
        let most = counts.iter().max_by_key(|(_, count)| **count)?.0;
        let wanted = self.wanted(split)?;
        let guess: Vec<Vec<String>> =
            wanted.iter().map(|labels| vec![(*most).clone(); labels.len()]).collect();
        Some(entity_scores(&guess, &wanted))
    }

    /// Words with true and predicted labels, as conlleval reads them; for CLUENER its own lines of JSON, too.
    fn predictions(&self, split: Split, logits: &[Vec<f32>]) -> Vec<PredictionFile> {
        let Some(part) = self.parts.get(split) else { return Vec::new() };
        let predicted = self.predicted(split, logits);
        let (mut columns, mut lines) = (String::new(), String::new());
        for (id, (example, predicted)) in part.examples.iter().zip(&predicted).enumerate() {
            for (at, (word, label)) in example.words.iter().zip(predicted).enumerate() {
                let known = example.labels.as_ref().map_or("O", |labels| labels[at].as_str());
                // A word that is white space would be no column.
                let word = if word.trim().is_empty() { "_" } else { word };
                writeln!(columns, "{word} {known} {label}").expect("a String takes all that is written");
            }
            columns.push('\n');
            writeln!(lines, "{}", of_cluener(id, example, predicted))
                .expect("a String takes all that is written");
        }
        let name = split.name();
        let mut files = vec![PredictionFile { name: format!("{name}.conll"), content: columns }];
        if self.format == SetFormat::Cluener {
            files.push(PredictionFile { name: format!("{name}.json"), content: lines });
        }
        files
    }
}

/// `{"id": 0, "label": {"name": {"叶老桂": [[9, 11]]}}}`.
fn of_cluener(id: usize, example: &TokenExample, predicted: &[String]) -> Value {
    let mut kinds: Map<String, Value> = Map::new();
    for (kind, first, last) in entities(predicted) {
        let surface = example.words[first..=last].concat();
        let surfaces = kinds.entry(kind).or_insert_with(|| json!({}));
        match &mut surfaces[surface.as_str()] {
            Value::Array(places) => places.push(json!([first, last])),
            place => *place = json!([[first, last]]),
        }
    }
    json!({ "id": id, "text": example.words.concat(), "label": kinds })
}
