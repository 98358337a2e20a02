//! What is drawn: the curves of runs, from their logs, panel by panel.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::metrics::jsonl::{LOG_FILE, read_lines};

/// A curve: steps and values. A value that is NaN is a gap, which begins another line.
pub(super) type Points = Vec<(f64, f64)>;

/// How values are written beside an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Plain,
    Percent,
}

/// A panel: what it shows, and under which names logs have it.
#[derive(Debug, Clone)]
pub(super) struct PanelKind {
    pub(super) title: Cow<'static, str>,
    pub(super) axis: &'static str,
    pub(super) unit: Unit,
    held_out: Option<Cow<'static, str>>,
    training: Option<&'static str>,
    /// The value that a guess without a model reaches, and what it is called.
    pub(super) reference: Option<(&'static str, &'static str)>,
}

const PANELS: [PanelKind; 4] = [
    PanelKind {
        title: Cow::Borrowed("MLM loss"),
        axis: "cross entropy of a masked token (nats)",
        unit: Unit::Plain,
        held_out: Some(Cow::Borrowed("eval/mlm_loss")),
        training: Some("train/mlm_loss"),
        reference: None,
    },
    PanelKind {
        title: Cow::Borrowed("MLM accuracy"),
        axis: "masked tokens predicted correctly",
        unit: Unit::Percent,
        held_out: Some(Cow::Borrowed("eval/mlm_accuracy/all")),
        training: Some("train/mlm_accuracy"),
        reference: Some(("eval/unigram_guess", "unigram guess")),
    },
    PanelKind {
        title: Cow::Borrowed("Pair accuracy"),
        axis: "pairs predicted correctly",
        unit: Unit::Percent,
        held_out: Some(Cow::Borrowed("eval/pair_accuracy")),
        training: Some("train/pair_accuracy"),
        reference: Some(("eval/pair_majority", "majority")),
    },
    PanelKind {
        title: Cow::Borrowed("Learning rate"),
        axis: "learning rate",
        unit: Unit::Plain,
        held_out: None,
        training: Some("train/learning_rate"),
        reference: None,
    },
];

/// The curves of a run in a panel.
#[derive(Debug, Default)]
pub(super) struct RunCurves {
    pub(super) held_out: Points,
    pub(super) training: Points,
}

/// A panel with its curves.
pub(super) struct Panel {
    pub(super) kind: PanelKind,
    /// In the order of the runs.
    pub(super) runs: Vec<RunCurves>,
    /// The distinct values of the reference, ascending: runs on other data have others.
    pub(super) references: Vec<f64>,
}

impl Panel {
    pub(super) fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.runs
            .iter()
            .flat_map(|run| run.held_out.iter().chain(&run.training))
            .filter(|point| !point.1.is_nan())
    }
}

/// The points of a curve. A step of training without the value was skipped, and a null is no finite number.
fn curve(log: &[Map<String, Value>], name: &str) -> Points {
    let is_step = |line: &Map<String, Value>| line.contains_key("train/learning_rate");
    let has_value =
        |line: &&Map<String, Value>| line.contains_key(name) || (name.starts_with("train/") && is_step(line));
    let point = |line: &Map<String, Value>| {
        Some((line.get("step")?.as_f64()?, line.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)))
    };
    let points: Points = log.iter().filter(has_value).filter_map(point).collect();
    if points.iter().any(|(_, value)| !value.is_nan()) { points } else { Points::new() }
}

/// A panel for each score of a task that checkpoints were tuned on: `task/NAME/PART/SCORE`.
fn task_panels(logs: &[Vec<Map<String, Value>>]) -> Vec<PanelKind> {
    let names = logs.iter().flatten().flat_map(Map::keys).filter(|name| name.starts_with("task/"));
    let names: BTreeSet<&String> = names.collect();
    let panels = names.into_iter().map(|name| PanelKind {
        title: Cow::Owned(name.trim_start_matches("task/").replace(['/', '_'], " ")),
        axis: "score, mean over the seeds",
        unit: Unit::Percent,
        held_out: Some(Cow::Owned(name.clone())),
        training: None,
        reference: None,
    });
    panels.collect()
}

/// The panels that the logs of `runs` have values for.
///
/// # Errors
/// If a log cannot be read.
pub(super) fn read(runs: &[PathBuf]) -> Result<Vec<Panel>, Error> {
    let logs: Vec<_> = runs.iter().map(|run| read_lines(&run.join(LOG_FILE))).collect::<Result<_, _>>()?;
    let panels = PANELS.into_iter().chain(task_panels(&logs)).map(|kind| {
        let of = |log: &Vec<_>| RunCurves {
            held_out: kind.held_out.as_deref().map(|name| curve(log, name)).unwrap_or_default(),
            training: kind.training.map(|name| curve(log, name)).unwrap_or_default(),
        };
        let last = |log: &Vec<_>| {
            kind.reference.and_then(|(name, _)| {
                curve(log, name).iter().rev().map(|point| point.1).find(|value| !value.is_nan())
            })
        };
        let mut references: Vec<f64> = logs.iter().filter_map(last).collect();
        references.sort_by(f64::total_cmp);
        references.dedup_by(|one, other| (*one - *other).abs() < 5e-4);
        let runs = logs.iter().map(of).collect();
        Panel { kind, runs, references }
    });
    Ok(panels.filter(|panel| panel.points().next().is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_there_are_gaps() {
        let log: Vec<Map<String, Value>> = [
            r#"{"step": 1, "train/mlm_loss": 9.0, "train/learning_rate": 0.1}"#,
            r#"{"step": 1, "eval/mlm_loss": 9.5}"#,
            r#"{"step": 2, "train/mlm_loss": null, "train/learning_rate": 0.1, "not_finite": {"train/mlm_loss": "NaN"}}"#,
            r#"{"step": 3, "train/learning_rate": 0.1}"#,
            r#"{"step": 4, "train/mlm_loss": 8.0, "train/learning_rate": 0.1}"#,
        ]
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
        let points = curve(&log, "train/mlm_loss");
        let steps: Vec<(f64, bool)> = points.iter().map(|(step, value)| (*step, value.is_nan())).collect();
        assert_eq!(steps, [(1.0, false), (2.0, true), (3.0, true), (4.0, false)]);
        assert_eq!(curve(&log, "eval/mlm_loss"), [(1.0, 9.5)]);
        assert!(curve(&log, "train/pair_loss").is_empty());
    }
}
