//! Classes of texts and pairs, and numbers for them.

use std::fmt::Write;

use serde_json::json;

use super::item::{Item, Target};
use super::labels::{majority, sorted};
use super::parts::Parts;
use super::rows;
use super::task::{Head, PredictionFile, Task, largest};
use crate::config::{EmbeddingLoss, EmbeddingSettings, TaskKind, TaskSet, TuneSettings};
use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::examples::{Split, TextExample};
use crate::tune::scoring::{Scores, classes, correlations};

/// The task with its items.
pub(super) struct TextTask {
    /// The names of the classes; none where numbers are asked for.
    labels: Option<Vec<String>>,
    items: Parts<Vec<Item>>,
    /// How vectors of texts are made, where they are asked for.
    embeddings: Option<EmbeddingSettings>,
}

impl TextTask {
    /// Makes the items. Adds to `notices` what was cut.
    ///
    /// # Errors
    /// If a label is unknown or no number, or some examples of a part have labels and others have none.
    pub(super) fn new(
        settings: &TuneSettings,
        examples: Parts<Vec<TextExample>>,
        tokenizer: &Tokenizer,
        notices: &mut Vec<String>,
    ) -> Result<TextTask, Error> {
        let (set, most) = (&settings.set, settings.max_length as usize);
        let embeddings = (set.kind == TaskKind::Embeddings).then(|| settings.embeddings.clone());
        let labels = match set.kind {
            TaskKind::Regression => None,
            TaskKind::Embeddings if settings.embeddings.loss == EmbeddingLoss::Cosine => None,
            _ if set.labels.is_empty() => {
                Some(sorted(examples.train.iter().filter_map(|example| example.label.as_deref())))
            }
            _ => Some(set.labels.clone()),
        };
        if labels.as_ref().is_some_and(|labels| labels.len() < 2) {
            let message = format!(
                "has one label alone ({}): there is nothing to tell apart",
                labels.unwrap_or_default().join("")
            );
            return Err(Error::input(set.path.join(&set.train), message));
        }
        let items = examples.try_map(|split, examples| {
            check_labels(split, &examples, set)?;
            let (mut cut, count) = (0, examples.len());
            let items: Result<Vec<Item>, Error> = examples
                .into_iter()
                .map(|example| {
                    let scale = embeddings.as_ref().map(|embeddings| embeddings.label_scale);
                    let target = target(&example, labels.as_deref(), scale, split)?;
                    let a = tokenizer.pieces(&example.text)?;
                    let b = example.text_b.as_deref().map(|text| tokenizer.pieces(text)).transpose()?;
                    let (rows, is_cut) = match b {
                        Some(b) if embeddings.is_some() => {
                            let both = [a, b].map(|text| rows::single(tokenizer, text, most));
                            let is_cut = both.iter().any(|(_, is_cut)| *is_cut);
                            (both.map(|(row, _)| row).to_vec(), is_cut)
                        }
                        Some(b) => {
                            let (row, is_cut) = rows::pair(tokenizer, a, b, most);
                            (vec![row], is_cut)
                        }
                        None => {
                            let (row, is_cut) = rows::single(tokenizer, a, most);
                            (vec![row], is_cut)
                        }
                    };
                    cut += usize::from(is_cut);
                    Ok(Item { rows, target })
                })
                .collect();
            if cut > 0 {
                notices.push(format!(
                    "{}: {cut} of {count} rows are longer than {most} tokens, and cut",
                    split.name()
                ));
            }
            items
        })?;
        Ok(TextTask { labels, items, embeddings })
    }

    /// True classes or values of a part; none where they are not known.
    fn wanted(&self, split: Split) -> Option<Vec<f64>> {
        let wanted = self.items.get(split)?.iter().map(|item| match item.target {
            Target::Class(class) => Some(class as f64),
            Target::Value(value) => Some(value),
            _ => None,
        });
        wanted.collect()
    }

    fn scored(&self, split: Split, predicted: &[f64]) -> Option<Scores> {
        let wanted = self.wanted(split)?;
        let whole = |numbers: &[f64]| numbers.iter().map(|&number| number as usize).collect::<Vec<_>>();
        Some(match &self.labels {
            Some(labels) => classes(&whole(predicted), &whole(&wanted), labels.len()),
            None => correlations(predicted, &wanted),
        })
    }

    fn predicted(&self, logits: &[Vec<f32>]) -> Vec<f64> {
        let one = |logits: &Vec<f32>| match self.labels {
            Some(_) => largest(logits) as f64,
            None => f64::from(logits[0]),
        };
        logits.iter().map(one).collect()
    }
}

/// Training and dev want labels; a test part has all or none.
fn check_labels(split: Split, examples: &[TextExample], set: &TaskSet) -> Result<(), Error> {
    let without = examples.iter().find(|example| example.label.is_none());
    let all_lack = examples.iter().all(|example| example.label.is_none());
    match without {
        Some(example) if split != Split::Test || !all_lack => {
            let message = format!("{} has no label (`{}`)", example.place.what, set.label.join("` or `"));
            Err(Error::input(example.place.file.as_path(), message))
        }
        _ => Ok(()),
    }
}

/// The target of an example. `scale` is what numbers are divided by, where the cosine of vectors is to be that.
fn target(
    example: &TextExample,
    labels: Option<&[String]>,
    scale: Option<f64>,
    split: Split,
) -> Result<Target, Error> {
    let Some(label) = &example.label else { return Ok(Target::None) };
    let wrong =
        |what: String| Error::input(example.place.file.as_path(), format!("{}: {what}", example.place.what));
    let Some(labels) = labels else {
        let value = label.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let value = value.ok_or_else(|| wrong(format!("the label {label:?} is no number")))?;
        let Some(scale) = scale else { return Ok(Target::Value(value)) };
        if value.abs() > scale {
            return Err(wrong(format!(
                "the label {label:?} is beyond `embeddings.label_scale` = {scale}: no cosine can be so large"
            )));
        }
        return Ok(Target::Value(value / scale));
    };
    let found = labels.iter().position(|own| own == label);
    let known = || {
        let shown = labels.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if labels.len() > 8 { ", …" } else { "" };
        wrong(format!(
            "the label {label:?} of {} is none of the {} known ones ({shown}{more}): name it in `set.labels`, or in `set.skip_labels` \
             to leave its rows out, or another word for it in `set.same_labels`",
            split.name(),
            labels.len()
        ))
    };
    Ok(Target::Class(found.ok_or_else(known)? as i64))
}

impl Task for TextTask {
    fn head(&self) -> Head {
        let pooling = self.embeddings.as_ref().map(|embeddings| embeddings.pooling);
        match (self.labels.clone(), pooling) {
            (None, None) => Head::Number,
            (Some(labels), None) => Head::Classes(labels),
            (None, Some(pooling)) => Head::Cosine(pooling),
            (Some(labels), Some(pooling)) => Head::PairClasses(labels, pooling),
        }
    }

    fn items(&self, split: Split) -> Option<&[Item]> {
        self.items.get(split).map(Vec::as_slice)
    }

    fn score(&self, split: Split, logits: &[Vec<f32>]) -> Option<Scores> {
        self.scored(split, &self.predicted(logits))
    }

    /// The most frequent class of training; of numbers, their mean.
    fn guess(&self, split: Split) -> Option<Scores> {
        let train = self.wanted(Split::Train)?;
        let guess = match &self.labels {
            Some(labels) => {
                let numbers: Vec<usize> = train.iter().map(|&class| class as usize).collect();
                majority(&numbers, labels.len()) as f64
            }
            None => train.iter().sum::<f64>() / train.len() as f64,
        };
        self.scored(split, &vec![guess; self.items.get(split)?.len()])
    }

    /// Lines of JSON as CLUE takes them, with logits; and the table that GLUE takes. Cosines are in the labels' scale.
    fn predictions(&self, split: Split, logits: &[Vec<f32>]) -> Vec<PredictionFile> {
        let scale = self.embeddings.as_ref().map_or(1.0, |embeddings| embeddings.label_scale);
        let (mut lines, mut table) = (String::new(), "index\tprediction\n".to_owned());
        for (id, (logits, predicted)) in logits.iter().zip(self.predicted(logits)).enumerate() {
            let label = match &self.labels {
                Some(labels) => json!(labels[predicted as usize]),
                None => json!(scale * predicted),
            };
            let word = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
            writeln!(lines, "{}", json!({ "id": id, "label": label, "logits": logits }))
                .expect("a String takes all");
            writeln!(table, "{id}\t{word}").expect("a String takes all that is written");
        }
        let name = split.name();
        vec![
            PredictionFile { name: format!("{name}.jsonl"), content: lines },
            PredictionFile { name: format!("{name}.tsv"), content: table },
        ]
    }
}
