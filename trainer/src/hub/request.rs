//! What is asked for, and whether the Hub takes it.

use std::path::Path;

use crate::error::Error;

/// What is asked for.
#[derive(Debug)]
pub struct HubRequest<'a> {
    /// A run's folder, of pretraining or fine-tuning, or the folder of a checkpoint of pretraining.
    pub from: &'a Path,
    /// The folder to write. It must be empty or not there.
    pub folder: &'a Path,
    /// The name of the repository, `USER/NAME` or `NAME`: it stands in the code that loads the model.
    pub repository: &'a str,
    /// The Hub's name of the model's licence, such as `apache-2.0`.
    pub license: Option<&'a str>,
    /// A licence's text.
    pub license_file: Option<&'a Path>,
    /// Codes of languages, such as `zh`.
    pub languages: &'a [String],
    /// The Hub's names of data sets that the model was trained on.
    pub datasets: &'a [String],
    /// The Hub's name of the model that this one was tuned from.
    pub base_model: Option<&'a str>,
    /// Add TensorBoard's event files.
    pub tensorboard: bool,
}

impl HubRequest<'_> {
    /// Fails if a name is none that the Hub takes, with all problems.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut problems = Vec::new();
        let mut names = |option: &str, name: &str| {
            if !is_name(name) {
                problems.push(format!(
                "{option} {name:?}: no name of the Hub's: NAME or USER/NAME, of letters, digits, `-`, `_` and `.`, 96 characters each at most"
            ));
            }
        };
        names("--repo", self.repository);
        self.datasets.iter().for_each(|name| names("--dataset", name));
        self.base_model.iter().for_each(|name| names("--base-model", name));
        let is_code = |text: &str, more: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
        };
        if let Some(license) = self.license.filter(|license| !is_code(license, "-.+")) {
            problems.push(format!(
                "--license {license:?}: give the Hub's name of it, such as apache-2.0 or cc-by-nc-4.0"
            ));
        }
        if self.license == Some("other") && self.license_file.is_none() {
            problems.push("--license other: give its text with --license-file".to_owned());
        }
        for language in self.languages.iter().filter(|language| !is_code(language, "-") || language.len() > 8)
        {
            problems.push(format!("--language {language:?}: give a code of ISO 639, such as zh or en"));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }
}

/// Names as huggingface_hub checks them (utils/_validators.py).
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let at_ends = |c: char| c == '-' || c == '.';
        !part.is_empty()
            && part.len() <= 96
            && part.chars().all(is_allowed)
            && !part.starts_with(at_ends)
            && !part.ends_with(at_ends)
            && !part.contains("--")
            && !part.contains("..")
    };
    name.split('/').count() <= 2 && name.split('/').all(part) && !name.ends_with(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_hubs() {
        for name in ["bert", "someone/bert-wwm_2.0", "A/b"] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "a/b/c", "/a", "a/", "a b", "词", "a--b", "a..b", "-a", "a.", "a/b.git", &"a".repeat(97)]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
