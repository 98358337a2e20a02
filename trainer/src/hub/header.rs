//! The header of a card: YAML that the Hub reads.

use serde::Serialize;

use super::scores::Measured;

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
