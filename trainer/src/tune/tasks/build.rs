//! A set that was read, as a task.

use super::choices::ChoiceTask;
use super::parts::Parts;
use super::spans::SpanTask;
use super::task::Task;
use super::texts::TextTask;
use super::tokens::TokenTask;
use crate::config::TuneSettings;
use crate::error::Error;
use crate::text::Tokenizer;
use crate::tune::examples::{Examples, Splits};

/// The task of a set. What was cut, mended or left out is added to the set's notices.
///
/// # Errors
/// If an example is not what it should be: it is named with its place.
pub(crate) fn build<'a>(
    settings: &TuneSettings,
    splits: Splits,
    tokenizer: &'a Tokenizer,
    notices: &mut Vec<String>,
) -> Result<Box<dyn Task + 'a>, Error> {
    let (set, most) = (&settings.set, settings.max_length as usize);
    let Splits { train, dev, test, .. } = splits;
    macro_rules! parts {
        ($kind:path) => {{
            let take = |examples: Examples| match examples {
                $kind(list) => list,
                _ => Vec::new(), // the parts of a set are of one kind
            };
            Parts { train: take(train), dev: take(dev), test: test.map(take) }
        }};
    }
    Ok(match train {
        Examples::Texts(_) => Box::new(TextTask::new(settings, parts!(Examples::Texts), tokenizer, notices)?),
        Examples::Tokens(_) => {
            Box::new(TokenTask::new(set, parts!(Examples::Tokens), tokenizer, most, notices)?)
        }
        Examples::Spans(_) => {
            let parts = parts!(Examples::Spans);
            Box::new(SpanTask::new(set, &settings.spans, parts, tokenizer, most, notices)?)
        }
        Examples::Choices(_) => {
            Box::new(ChoiceTask::new(parts!(Examples::Choices), tokenizer, most, notices)?)
        }
    })
}
