//! A set's files to its examples.

use super::c3::c3;
use super::conll;
use super::entities::cluener;
use super::example::{Examples, Splits};
use super::files::{self, TextFile};
use super::split::split;
use super::squad::squad;
use super::texts::texts;
use crate::config::{SetFormat, TaskKind, TaskSet};
use crate::error::Error;

/// Reads a set.
///
/// # Errors
/// If a file is missing, is not what it is said to be, or a part has no examples.
pub(crate) fn read(set: &TaskSet) -> Result<Splits, Error> {
    let (mut ids, mut notices) = (Vec::new(), Vec::new());
    let mut open = |name: &str| {
        let file = files::open(&set.path, name)?;
        ids.push((name.to_owned(), file.sha256.clone()));
        examples(&file, set, &mut notices)
    };
    let all = open(&set.train)?;
    let has = |file: &Option<String>, share: f64| file.is_some() && share == 0.0;
    let dev =
        if has(&set.dev, set.dev_share) { set.dev.as_deref().map(&mut open).transpose()? } else { None };
    let named = set.test.as_deref().filter(|_| has(&set.test, set.test_share));
    let is_missing = |name: &&str| set.test_is_optional && !files::exists(&set.path, name);
    let test = named.filter(|name| !is_missing(name)).map(&mut open).transpose()?;
    if let Some(name) = named.filter(is_missing) {
        notices.push(format!("{}: {name} is not there: nothing is measured on test", set.path.display()));
    }
    let [train, dev_part, test_part] = split(all, set.dev_share, set.test_share);
    let dev = dev.unwrap_or(dev_part);
    let test = test.or(Some(test_part).filter(|part| part.len() > 0));
    for (what, count) in [("train", train.len()), ("dev", dev.len())] {
        if count == 0 {
            let message = format!(
                "has no examples for {what}: there is nothing to {}",
                if what == "dev" { "choose the best epoch by" } else { "train on" }
            );
            return Err(Error::input(&set.path, message));
        }
    }
    if test.as_ref().is_some_and(|test| test.len() == 0) {
        return Err(Error::input(&set.path, "has no examples for test, though a file is named"));
    }
    Ok(Splits { train, dev, test, ids, notices })
}

fn examples(file: &TextFile, set: &TaskSet, notices: &mut Vec<String>) -> Result<Examples, Error> {
    match (set.kind, set.format) {
        (TaskKind::Classification | TaskKind::Regression | TaskKind::Embeddings, _) => {
            texts(file, set, notices).map(Examples::Texts)
        }
        (TaskKind::Tokens, SetFormat::Cluener) => cluener(file, notices).map(Examples::Tokens),
        (TaskKind::Tokens, SetFormat::Tsv) => conll::columns(file, set).map(Examples::Tokens),
        (TaskKind::Tokens, _) => conll::conll(file).map(Examples::Tokens),
        (TaskKind::Spans, _) => squad(file).map(Examples::Spans),
        (TaskKind::Choice, _) => c3(file).map(Examples::Choices),
    }
}
