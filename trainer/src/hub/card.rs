//! `README.md`: the run's own card under a header for the Hub, with the repository's name in its code.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::header::{Header, Model};
use super::request::HubRequest;
use super::scores;
use super::source::Source;
use crate::error::Error;
use crate::model::weights::parameters_of;

/// What stands in a run's own card for the folder that it lies in.
const HERE: &str = "THIS FOLDER";

/// The card of the model in `folder`; `own` is the run's.
pub(super) fn card(
    request: &HubRequest<'_>,
    source: &Source,
    own: &str,
    folder: &Path,
) -> Result<String, Error> {
    let path = folder.join("config.json");
    let config = fs::read(&path).map_err(Error::io("read", &path))?;
    let config: Value =
        serde_json::from_slice(&config).map_err(|error| Error::input(&path, format!("no JSON: {error}")))?;
    let task = task(source, &config);
    let name = request.repository.rsplit('/').next().unwrap_or_default();
    let results = scores::of(source, task);
    let is_other = request.license == Some("other");
    let mut tags = vec![if config["model_type"] == "albert" { "albert" } else { "bert" }, "quanci"];
    tags.extend(request.languages.iter().any(|language| language == "zh").then_some("chinese"));
    let header = Header {
        language: request.languages,
        license: request.license,
        license_name: is_other.then_some("see-license"),
        license_link: is_other.then_some("LICENSE"),
        library_name: if task == SENTENCES { "sentence-transformers" } else { "transformers" },
        pipeline_tag: task,
        mask_token: matches!(source, Source::Pretrained { .. }).then_some("[MASK]"),
        base_model: request.base_model,
        tags,
        datasets: request.datasets,
        models: if results.is_empty() { Vec::new() } else { vec![Model { name, results }] },
    };
    let body = body(own).replace(HERE, request.repository);
    // Size and licence stand before the settings, which are long.
    let (above, below) = body.split_at(body.find("\n## Settings\n").unwrap_or(body.len()));
    let about = about(request, source, folder)?;
    Ok(format!("---\n{}\n---\n{above}{about}{below}", header.to_yaml().trim_end()))
}

/// The Hub's name of what sentence embeddings are for.
const SENTENCES: &str = "sentence-similarity";

/// The Hub's name of what the model is for.
fn task(source: &Source, config: &Value) -> &'static str {
    if let Source::Pretrained { .. } = source {
        return "fill-mask";
    }
    let class = config["architectures"][0].as_str().unwrap_or_default();
    match class.trim_start_matches("Albert").trim_start_matches("Bert") {
        "ForTokenClassification" => "token-classification",
        "ForQuestionAnswering" => "question-answering",
        "ForMultipleChoice" => "multiple-choice",
        // An encoder alone is what `tune` leaves of sentence embeddings.
        "Model" => SENTENCES,
        _ => "text-classification",
    }
}

/// A card without its header.
fn body(card: &str) -> &str {
    let after = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    after.map_or(card, |(_, body)| body)
}

fn about(request: &HubRequest<'_>, source: &Source, folder: &Path) -> Result<String, Error> {
    let weights = folder.join("model.safetensors");
    let bytes = fs::metadata(&weights).map_err(Error::io("read", &weights))?.len();
    let parameters = parameters_of(&weights)?;
    let mut text = String::from("\n## About\n\n| | |\n|---|---|\n");
    let mut line = |what: &str, value: &str| {
        writeln!(text, "| {what} | {value} |").expect("a String takes all that is written");
    };
    line("parameters", &format!("{parameters}, {:.1} MB", bytes as f64 / 1e6));
    let licence = match (request.license, request.license_file) {
        (Some("other"), _) | (None, Some(_)) => "see LICENSE",
        (Some(name), Some(_)) => &format!("{name}, see LICENSE"),
        (Some(name), None) => name,
        (None, None) => "not stated",
    };
    line("licence of the model", licence);
    if !request.datasets.is_empty() {
        line("data sets on the Hub", &request.datasets.join(", "));
    }
    if let Some(base) = request.base_model {
        line("tuned from", base);
    }
    line("made with", concat!("quanci-train ", env!("CARGO_PKG_VERSION")));
    if let Source::Pretrained { .. } = source {
        let repository = request.repository;
        write!(
            text,
            "\n```python\nfrom transformers import pipeline\n\npipeline(\"fill-mask\", model=\"{repository}\")(\"我们在[MASK]京大学读书。\")\n```\n"
        )
        .expect("a String takes all that is written");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_without_its_header() {
        assert_eq!(body("---\na: 1\n---\n\n# A\n\n---\n"), "\n# A\n\n---\n");
        assert_eq!(body("# A\n"), "# A\n");
    }
}
