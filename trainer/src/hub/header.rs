//! The header of a card: YAML that the Hub reads.

use serde::Serialize;

use super::HubRequest;
use super::scores::Measured;
use crate::error::Error;

/// The keys of the Hub's specification (modelcard.md of huggingface/hub-docs) that are known here.
#[derive(Debug, Serialize)]
pub(super) struct Header<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) language: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) license: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) license_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) license_link: Option<&'static str>,
    pub(super) library_name: &'static str,
    pub(super) pipeline_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mask_token: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_model: Option<&'a str>,
    pub(super) tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) datasets: &'a [String],
    #[serde(rename = "model-index", skip_serializing_if = "Vec::is_empty")]
    pub(super) models: Vec<Model<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
    pub(super) results: Vec<Measured>,
}

impl Header<'_> {
    /// As YAML, without the lines of dashes around it.
    pub(super) fn to_yaml(&self) -> String {
        let options = serde_saphyr::ser_options! { folded_wrap_chars: 100_000 };
        serde_saphyr::to_string_with_options(self, options)
            .expect("strings and numbers can be written as YAML")
    }
}

/// Fails if a name is none that the Hub takes, with all problems.
pub(super) fn check(request: &HubRequest<'_>) -> Result<(), Error> {
    let mut problems = Vec::new();
    let mut names = |option: &str, name: &str| {
        if !is_name(name) {
            problems.push(format!(
                "{option} {name:?}: no name of the Hub's: NAME or USER/NAME, of letters, digits, `-`, `_` and `.`, 96 characters each at most"
            ));
        }
    };
    names("--repo", request.repository);
    request.datasets.iter().for_each(|name| names("--dataset", name));
    request.base_model.iter().for_each(|name| names("--base-model", name));
    let is_code = |text: &str, more: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
    };
    if let Some(license) = request.license.filter(|license| !is_code(license, "-.+")) {
        problems.push(format!(
            "--license {license:?}: give the Hub's name of it, such as apache-2.0 or cc-by-nc-4.0"
        ));
    }
    if request.license == Some("other") && request.license_file.is_none() {
        problems.push("--license other: give its text with --license-file".to_owned());
    }
    for language in request.languages.iter().filter(|language| !is_code(language, "-") || language.len() > 8)
    {
        problems.push(format!("--language {language:?}: give a code of ISO 639, such as zh or en"));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
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
