//! C3's JSON: `[[[paragraphs], [{question, choice, answer}], id], …]`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::example::{ChoiceExample, Place};
use super::files::TextFile;
use crate::error::Error;

#[derive(Deserialize)]
struct Question {
    question: String,
    choice: Vec<String>,
    #[serde(default)]
    answer: Option<String>,
}

/// Reads the questions of a file.
///
/// # Errors
/// If it has another shape, or an answer is none of its choices.
pub(super) fn c3(file: &TextFile) -> Result<Vec<ChoiceExample>, Error> {
    let read: Vec<(Vec<String>, Vec<Question>, Value)> = serde_json::from_str(&file.text)
        .map_err(|error| Error::input(&file.path, format!("not a file of C3's form: {error}")))?;
    let path = Arc::new(file.path.clone());
    let mut examples = Vec::new();
    for (paragraphs, questions, id) in read {
        let context: Arc<str> = paragraphs.join("\n").into();
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        for (number, question) in questions.into_iter().enumerate() {
            let id = format!("{id}-{number}");
            let place = Place { file: path.clone(), what: format!("question {id}") };
            let answer = match question.answer {
                None => None,
                Some(answer) => {
                    let found = question.choice.iter().position(|choice| *choice == answer);
                    let wrong = || {
                        Error::input(
                            &file.path,
                            format!("question {id}: the answer {answer} is none of its choices"),
                        )
                    };
                    Some(found.ok_or_else(wrong)?)
                }
            };
            if question.choice.len() < 2 {
                return Err(Error::input(&file.path, format!("question {id} has fewer than two choices")));
            }
            let context = context.clone();
            examples.push(ChoiceExample {
                place,
                id,
                context,
                question: question.question,
                choices: question.choice,
                answer,
            });
        }
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<ChoiceExample>, Error> {
        c3(&TextFile { path: "x".into(), text: text.to_owned(), sha256: String::new() })
    }

    #[test]
    fn questions_have_their_context() {
        let text = r#"[[["男：好。", "女：再见。"], [{"question": "谁先走？", "choice": ["男", "女"], "answer": "女"}, {"question": "q", "choice": ["a", "b"]}], "1-1"]]"#;
        let read = read(text).unwrap();
        assert_eq!(
            (&*read[0].context, read[0].answer, read[0].id.as_str()),
            ("男：好。\n女：再见。", Some(1), "1-1-0")
        );
        assert_eq!(read[1].answer, None);
    }

    #[test]
    fn an_answer_that_is_no_choice_is_refused() {
        let error = read(r#"[[[""], [{"question": "q", "choice": ["a", "b"], "answer": "c"}], "7"]]"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("7-0") && error.contains("none of its choices"), "{error}");
        assert!(read("[[1]]").is_err());
    }
}
