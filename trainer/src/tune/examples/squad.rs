//! SQuAD's JSON, which CMRC 2018 and DRCD have too.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::example::{Answer, Place, SpanExample};
use super::files::TextFile;
use crate::error::Error;

#[derive(Deserialize)]
struct SquadFile {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    #[serde(default)]
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: Value,
    question: String,
    #[serde(default)]
    answers: Vec<WrittenAnswer>,
    #[serde(default)]
    is_impossible: bool,
}

#[derive(Deserialize)]
struct WrittenAnswer {
    text: String,
    #[serde(default)]
    answer_start: i64,
}

/// Reads the questions of a file.
///
/// # Errors
/// If it has another shape, or two questions have one id: predictions are written by it.
pub(super) fn squad(file: &TextFile) -> Result<Vec<SpanExample>, Error> {
    let read: SquadFile = serde_json::from_str(&file.text)
        .map_err(|error| Error::input(&file.path, format!("not a file of SQuAD's form: {error}")))?;
    let path = Arc::new(file.path.clone());
    let mut examples = Vec::new();
    for article in read.data {
        for paragraph in article.paragraphs {
            let context: Arc<str> = paragraph.context.into();
            // CMRC has no titles.
            let group: Arc<str> =
                if article.title.is_empty() { context.clone() } else { article.title.as_str().into() };
            for question in paragraph.qas {
                let id = match question.id {
                    Value::String(id) => id,
                    other => other.to_string(),
                };
                examples.push(SpanExample {
                    place: Place { file: path.clone(), what: format!("question {id}") },
                    id,
                    group: group.clone(),
                    context: context.clone(),
                    question: question.question,
                    answers: question
                        .answers
                        .into_iter()
                        .map(|answer| Answer { text: answer.text, start: answer.answer_start })
                        .collect(),
                    is_impossible: question.is_impossible,
                });
            }
        }
    }
    let mut ids: Vec<&str> = examples.iter().map(|example| example.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::input(&file.path, format!("two questions have the id {}", twice[0])));
    }
    Ok(examples)
}
