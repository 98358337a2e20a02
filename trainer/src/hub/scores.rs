//! Scores as the Hub's header lists them (`model-index`).

use serde::Serialize;
use serde_json::Value;

use super::source::Source;

/// The scores of the model on a part of a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measured {
    task: Task,
    dataset: Dataset,
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Task {
    r#type: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Dataset {
    name: String,
    r#type: String,
    split: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Metric {
    r#type: &'static str,
    value: f64,
    name: String,
}

/// Our names of scores, and the Hub's. Others, such as the F1 of a single label, are in the card's table alone.
const TYPES: [(&str, &str); 11] = [
    ("accuracy", "accuracy"),
    ("f1", "f1"),
    ("macro_f1", "f1"),
    ("matthews", "matthews_correlation"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("label_accuracy", "accuracy"),
    ("exact_match", "exact_match"),
    ("pearson", "pearsonr"),
    ("spearman", "spearmanr"),
    ("mlm_loss", "loss"),
];

/// The scores of the very model that is laid out, for the Hub's `task`; none where nothing was measured.
pub(super) fn of(source: &Source, task: &str) -> Vec<Measured> {
    match source {
        Source::Pretrained { state, .. } => {
            let value = |name: &str| state.curves.get(name).copied();
            let accuracy = value("eval/mlm_accuracy/all").map(|value| ("accuracy", value));
            let scores = accuracy.into_iter().chain(value("eval/mlm_loss").map(|value| ("mlm_loss", value)));
            let data = "validation rows of the training data (quanci)";
            measured(task, data, "quanci", "validation", scores).into_iter().collect()
        }
        Source::Tuned { scores, .. } => {
            let set = scores["task"].as_str().unwrap_or("set");
            let seed = best_seed(scores);
            let part = |(key, split): (&str, &'static str)| {
                let scores = seed?[key].as_object()?;
                let scores = scores.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)));
                measured(task, set, set, split, scores)
            };
            [("dev", "validation"), ("test", "test")].into_iter().filter_map(part).collect()
        }
    }
}

/// The seed whose model was kept: the first with the best score on dev.
fn best_seed(scores: &Value) -> Option<&Value> {
    let metric = scores["metric"].as_str()?;
    let score = |seed: &Value| seed["dev"][metric].as_f64().unwrap_or(f64::NEG_INFINITY);
    let seeds = scores["seeds"].as_array()?.iter();
    seeds.reduce(|best, next| if score(next) > score(best) + 1e-9 { next } else { best })
}

fn measured<'a>(
    task: &str,
    name: &str,
    kind: &str,
    split: &'static str,
    scores: impl Iterator<Item = (&'a str, f64)>,
) -> Option<Measured> {
    let metric = |(name, value): (&str, f64)| {
        let (_, kind) = TYPES.iter().find(|(own, _)| *own == name)?;
        value.is_finite().then(|| Metric { r#type: kind, value, name: name.replace('_', " ") })
    };
    let metrics: Vec<Metric> = scores.filter_map(metric).collect();
    let dataset = Dataset { name: name.to_owned(), r#type: kind.to_owned(), split };
    (!metrics.is_empty()).then(|| Measured { task: Task { r#type: task.to_owned() }, dataset, metrics })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_scores_are_those_of_the_seed_that_was_kept() {
        let scores = serde_json::json!({
            "task": "tnews", "metric": "accuracy",
            "seeds": [
                {"seed": 1, "dev": {"accuracy": 0.5, "f1/good": 0.1}, "test": null},
                {"seed": 2, "dev": {"accuracy": 0.6, "macro_f1": null}, "test": {"accuracy": 0.55}},
                {"seed": 3, "dev": {"accuracy": 0.6}, "test": {"accuracy": 0.9}},
            ],
        });
        let found = of(&Source::Tuned { run: PathBuf::new(), scores }, "text-classification");
        let values: Vec<(&str, f64)> =
            found.iter().map(|measured| (measured.dataset.split, measured.metrics[0].value)).collect();
        assert_eq!(values, [("validation", 0.6), ("test", 0.55)]);
        assert_eq!(found[0].metrics.len(), 1);
    }
}
