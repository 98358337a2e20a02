//! The task: questions to windows, logits to answers and scores.

use serde_json::{Map, Value, json};

use super::answer::{self, Found};
use super::decode::{DecodeRules, Decoded, WindowLogits, decode};
use super::windows::{ContextTokens, Window, WindowRules, windows, with_most_context};
use super::words::Words;
use crate::config::{SpanSettings, TaskSet};
use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::examples::{SpanExample, Split};
use crate::tune::scoring::{Scores, cmrc, squad};
use crate::tune::tasks::item::{Item, Target};
use crate::tune::tasks::parts::Parts;
use crate::tune::tasks::task::{Head, PredictionFile, Task};

/// The task with its items: one for each window.
pub(crate) struct SpanTask<'a> {
    tokenizer: &'a Tokenizer,
    rules: DecodeRules,
    by_characters: bool,
    parts: Parts<Part>,
}

/// The questions of a part.
struct Part {
    questions: Vec<Question>,
    items: Vec<Item>,
}

/// A question with its windows, which are the items from `first` on.
struct Question {
    example: SpanExample,
    words: Words,
    /// The word of each token of the context.
    word: Vec<usize>,
    windows: Vec<Window>,
    has_most_context: Vec<Vec<bool>>,
    first: usize,
}

impl<'a> SpanTask<'a> {
    /// Makes the items. Adds to `notices` what was mended and what was left out.
    ///
    /// # Errors
    /// If no question of training has an answer in its text, or dev has no answers.
    pub(crate) fn new(
        set: &TaskSet,
        spans: &SpanSettings,
        examples: Parts<Vec<SpanExample>>,
        tokenizer: &'a Tokenizer,
        most: usize,
        notices: &mut Vec<String>,
    ) -> Result<SpanTask<'a>, Error> {
        let windows =
            WindowRules { most, max_question: spans.max_question as usize, stride: spans.stride as usize };
        let maker = Maker { set, tokenizer, rules: windows };
        let parts = examples.try_map(|split, examples| maker.part(split, examples, notices))?;
        let rules = DecodeRules {
            n_best: spans.n_best as usize,
            max_answer: spans.max_answer as usize,
            unanswerable: set.unanswerable,
            null_threshold: spans.null_threshold,
            without_spaces: set.by_characters,
        };
        Ok(SpanTask { tokenizer, rules, by_characters: set.by_characters, parts })
    }

    fn decoded(&self, question: &Question, logits: &[Vec<f32>]) -> Decoded {
        let own = &logits[question.first..question.first + question.windows.len()];
        // Start and end of each token, side by side.
        let sides: Vec<[Vec<f32>; 2]> = own
            .iter()
            .map(|logits| [0, 1].map(|side| logits.iter().skip(side).step_by(2).copied().collect()))
            .collect();
        let windows: Vec<WindowLogits<'_>> = question
            .windows
            .iter()
            .zip(&question.has_most_context)
            .zip(&sides)
            .map(|((window, has_most_context), [start, end])| WindowLogits {
                window,
                has_most_context,
                start,
                end,
            })
            .collect();
        decode(&windows, &question.words.words, &question.word, self.tokenizer, self.rules)
            .expect("the tokenizer took these words before")
    }

    fn answers(&self, split: Split, logits: &[Vec<f32>]) -> Vec<Decoded> {
        let questions = self.parts.get(split).map_or(&[][..], |part| &part.questions);
        questions.iter().map(|question| self.decoded(question, logits)).collect()
    }

    fn scored<'b>(&self, split: Split, answers: impl Iterator<Item = &'b str>) -> Option<Scores> {
        let part = self.parts.get(split)?;
        let are_known = self.rules.unanswerable
            || part.questions.iter().any(|question| !question.example.answers.is_empty());
        if !are_known {
            return None;
        }
        let (mut equal, mut f1) = (0.0, 0.0);
        for (question, answer) in part.questions.iter().zip(answers) {
            let wanted: Vec<String> =
                question.example.answers.iter().map(|answer| answer.text.clone()).collect();
            let (own_equal, own_f1) =
                if self.by_characters { cmrc(answer, &wanted) } else { squad(answer, &wanted) };
            equal += own_equal;
            f1 += own_f1;
        }
        let count = part.questions.len() as f64;
        Some(Scores::of([
            ("f1", f1 / count),
            ("exact_match", equal / count),
            ("average", (f1 + equal) / 2.0 / count),
        ]))
    }
}

struct Maker<'a> {
    set: &'a TaskSet,
    tokenizer: &'a Tokenizer,
    rules: WindowRules,
}

/// What became of the answers of a part.
#[derive(Default)]
struct Counts {
    elsewhere: usize,
    nowhere: usize,
    /// The first few that were not found.
    places: Vec<String>,
}

impl Maker<'_> {
    fn part(
        &self,
        split: Split,
        examples: Vec<SpanExample>,
        notices: &mut Vec<String>,
    ) -> Result<Part, Error> {
        let mut part = Part { questions: Vec::new(), items: Vec::new() };
        let (mut counts, all) = (Counts::default(), examples.len());
        for example in examples {
            let words = Words::of(&example.context, self.set.by_characters);
            let target = self.target(&example, &words, split, &mut counts)?;
            if target == Wanted::LeftOut {
                continue;
            }
            let context = ContextTokens::of(&words.words, self.tokenizer)?;
            let span = match &target {
                Wanted::Words(span, answer) => context.of_words(*span).map(|span| (span, answer.as_slice())),
                _ => None,
            };
            let span = span.map(|(span, answer)| context.improved(span, answer));
            let windows =
                windows(self.tokenizer, &self.tokenizer.pieces(&example.question)?, &context, self.rules);
            let first = part.items.len();
            for window in &windows {
                let target = match (&target, span) {
                    (Wanted::Unknown, _) => Target::None,
                    (_, Some(span)) => Target::Span(window.target(span)),
                    (_, None) => Target::Span([0, 0]),
                };
                part.items.push(Item { rows: vec![window.row.clone()], target });
            }
            let has_most_context = with_most_context(&windows);
            part.questions.push(Question {
                example,
                words,
                word: context.word,
                windows,
                has_most_context,
                first,
            });
        }
        counts.tell(split, all, notices);
        if split == Split::Train && part.questions.is_empty() {
            let message = format!("none of its {all} questions has an answer that its text holds");
            return Err(Error::input(self.set.path.join(&self.set.train), message));
        }
        Ok(part)
    }

    fn target(
        &self,
        example: &SpanExample,
        words: &Words,
        split: Split,
        counts: &mut Counts,
    ) -> Result<Wanted, Error> {
        let wrong =
            |what: &str| Error::input(example.place.file.as_path(), format!("{} {what}", example.place.what));
        if example.is_impossible && !self.set.unanswerable {
            return Err(wrong("has no answer: set `set.unanswerable` = true"));
        }
        let Some(answer) = example.answers.first() else {
            return match (self.set.unanswerable, split) {
                (true, _) => Ok(Wanted::Nothing),
                (false, Split::Test) => Ok(Wanted::Unknown),
                (false, _) => Err(wrong("has no answer: set `set.unanswerable` = true if that may be")),
            };
        };
        if example.is_impossible {
            return Ok(Wanted::Nothing);
        }
        let span = match answer::find(example, answer, words) {
            Found::At(span) => span,
            Found::Elsewhere(span) => {
                counts.elsewhere += 1;
                span
            }
            Found::Nowhere => {
                counts.nowhere += 1;
                if counts.places.len() < 3 {
                    counts.places.push(example.place.what.clone());
                }
                // What is measured stays: its answers are compared as texts.
                return Ok(if split == Split::Train { Wanted::LeftOut } else { Wanted::Unknown });
            }
        };
        Ok(Wanted::Words(span, self.tokenizer.pieces(&answer.text)?))
    }
}

/// What is to be learnt of a question.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// These words, which hold these tokens.
    Words([usize; 2], Vec<i64>),
    /// That there is no answer.
    Nothing,
    /// It is not known.
    Unknown,
    /// Nothing: it is left out.
    LeftOut,
}

impl Counts {
    fn tell(&self, split: Split, all: usize, notices: &mut Vec<String>) {
        let name = split.name();
        if self.elsewhere > 0 {
            notices.push(format!(
                "{name}: {} of {all} answers do not stand where `answer_start` says: the first place that holds the text was taken",
                self.elsewhere
            ));
        }
        if self.nowhere > 0 {
            let places = self.places.join(", ");
            let what =
                if split == Split::Train { "and are left out" } else { "and are measured as they are" };
            notices.push(format!(
                "{name}: {} of {all} answers do not stand in their text, {what} ({places})",
                self.nowhere
            ));
        }
    }
}

impl Task for SpanTask<'_> {
    fn head(&self) -> Head {
        Head::Span
    }

    fn items(&self, split: Split) -> Option<&[Item]> {
        self.parts.get(split).map(|part| part.items.as_slice())
    }

    fn score(&self, split: Split, logits: &[Vec<f32>]) -> Option<Scores> {
        let answers = self.answers(split, logits);
        self.scored(split, answers.iter().map(|decoded| decoded.answer.as_str()))
    }

    /// No answer to any question.
    fn guess(&self, split: Split) -> Option<Scores> {
        self.scored(split, std::iter::repeat(""))
    }

    /// Answers by ids, as the programs of SQuAD and CMRC 2018 read them; the best of each; and by how much no answer is better.
    fn predictions(&self, split: Split, logits: &[Vec<f32>]) -> Vec<PredictionFile> {
        let questions = self.parts.get(split).map_or(&[][..], |part| &part.questions);
        let (mut answers, mut best, mut odds) = (Map::new(), Map::new(), Map::new());
        for (question, decoded) in questions.iter().zip(self.answers(split, logits)) {
            let id = question.example.id.clone();
            answers.insert(id.clone(), decoded.answer.into());
            best.insert(id.clone(), json!(decoded.best));
            odds.extend(decoded.null_difference.map(|difference| (id, difference.into())));
        }
        let file = |name: &str, content: Map<String, Value>| PredictionFile {
            name: format!("{}{name}.json", split.name()),
            content: serde_json::to_string_pretty(&content).expect("a map has string keys") + "\n",
        };
        let mut files = vec![file("", answers), file("_nbest", best)];
        if self.rules.unanswerable {
            files.push(file("_null_odds", odds));
        }
        files
    }
}
