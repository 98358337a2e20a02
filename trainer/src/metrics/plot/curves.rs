//! What is drawn: the curves of runs, from their logs, panel by panel.

use std::path::PathBuf;

use crate::error::Error;
use crate::metrics::jsonl::{LOG_FILE, read_lines};

/// A curve: steps and values.
pub(super) type Points = Vec<(f64, f64)>;

/// How values are written beside an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Plain,
    Percent,
}

/// A panel: what it shows, and under which names logs have it.
pub(super) struct PanelKind {
    pub(super) title: &'static str,
    pub(super) axis: &'static str,
    pub(super) unit: Unit,
    held_out: Option<&'static str>,
    training: &'static str,
    /// The value that a guess without a model reaches, and what it is called.
    pub(super) reference: Option<(&'static str, &'static str)>,
}

const PANELS: [PanelKind; 4] = [
    PanelKind {
        title: "MLM loss",
        axis: "cross entropy of a masked token (nats)",
        unit: Unit::Plain,
        held_out: Some("eval/mlm_loss"),
        training: "train/mlm_loss",
        reference: None,
    },
    PanelKind {
        title: "MLM accuracy",
        axis: "masked tokens predicted correctly",
        unit: Unit::Percent,
        held_out: Some("eval/mlm_accuracy/all"),
        training: "train/mlm_accuracy",
        reference: Some(("eval/unigram_guess", "unigram guess")),
    },
    PanelKind {
        title: "Pair accuracy",
        axis: "pairs predicted correctly",
        unit: Unit::Percent,
        held_out: Some("eval/pair_accuracy"),
        training: "train/pair_accuracy",
        reference: Some(("eval/pair_majority", "majority")),
    },
    PanelKind {
        title: "Learning rate",
        axis: "learning rate",
        unit: Unit::Plain,
        held_out: None,
        training: "train/learning_rate",
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
    pub(super) kind: &'static PanelKind,
    /// In the order of the runs.
    pub(super) runs: Vec<RunCurves>,
    /// The distinct values of the reference, ascending: runs on other data have others.
    pub(super) references: Vec<f64>,
}

impl Panel {
    pub(super) fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.runs.iter().flat_map(|run| run.held_out.iter().chain(&run.training))
    }
}

/// The panels that the logs of `runs` have values for.
///
/// # Errors
/// If a log cannot be read.
pub(super) fn read(runs: &[PathBuf]) -> Result<Vec<Panel>, Error> {
    let logs: Vec<_> = runs.iter().map(|run| read_lines(&run.join(LOG_FILE))).collect::<Result<_, _>>()?;
    let curve = |log: &Vec<serde_json::Map<String, serde_json::Value>>, name: &str| -> Points {
        log.iter().filter_map(|line| Some((line.get("step")?.as_f64()?, line.get(name)?.as_f64()?))).collect()
    };
    let panels = PANELS.iter().map(|kind| {
        let of = |log| RunCurves {
            held_out: kind.held_out.map(|name| curve(log, name)).unwrap_or_default(),
            training: curve(log, kind.training),
        };
        let last = |log| kind.reference.and_then(|(name, _)| curve(log, name).last().map(|point| point.1));
        let mut references: Vec<f64> = logs.iter().filter_map(last).collect();
        references.sort_by(f64::total_cmp);
        references.dedup_by(|one, other| (*one - *other).abs() < 5e-4);
        Panel { kind, runs: logs.iter().map(of).collect(), references }
    });
    Ok(panels.filter(|panel| panel.points().next().is_some()).collect())
}
