//! What a person sees: a bar on a terminal, lines otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::evaluation::EvaluationReport;
use super::step::RunOutline;

/// The bar, or nothing but lines.
pub(super) struct ProgressDisplay {
    bar: ProgressBar,
    is_terminal: bool,
    quiet: bool,
    steps: u64,
}

impl ProgressDisplay {
    pub(super) fn new(outline: &RunOutline, is_terminal: bool, quiet: bool) -> ProgressDisplay {
        let bar = ProgressBar::new(outline.steps).with_position(outline.done);
        if is_terminal {
            let template = "{bar:24} {pos}/{len} {msg}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(500));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        ProgressDisplay { bar, is_terminal, quiet, steps: outline.steps }
    }

    pub(super) fn advance(&self, step: u64) {
        self.bar.set_position(step);
    }

    /// A line, or the bar's text.
    pub(super) fn log(&self, step: u64, values: &[(String, f64)]) {
        let text = describe(values);
        if self.is_terminal {
            self.bar.set_message(text);
        } else {
            self.say(&format!("step {step}/{}: {text}", self.steps));
        }
    }

    pub(super) fn evaluation(&self, step: u64, report: &EvaluationReport) {
        let classes = report.classes.iter().skip(1).filter_map(|class| {
            let name = class.class.replace("hanzi_words_of_", "").replace("_and_more", "+");
            Some(format!("{name} {:.1} %", 100.0 * class.accuracy?))
        });
        let classes = classes.collect::<Vec<_>>().join(", ");
        let pairs =
            report.pair_accuracy.zip(report.pair_majority).map_or(String::new(), |(right, majority)| {
                format!("; pairs {:.1} % (majority {:.1} %)", 100.0 * right, 100.0 * majority)
            });
        self.say(&format!(
            "held out at step {step}: mlm loss {}, accuracy {:.2} % (unigram guess {:.2} %): {classes}{pairs}",
            figures(report.mlm_loss, 4),
            100.0 * report.mlm_accuracy(),
            100.0 * report.unigram_guess,
        ));
    }

    /// The scores of the tasks: `task/NAME/PART/SCORE`.
    pub(super) fn tasks(&self, step: u64, values: &[(String, f64)]) {
        let shown = values.iter().map(|(name, value)| {
            let name = name.trim_start_matches("task/").replace('/', " ");
            format!("{name} {:.2}", 100.0 * value)
        });
        self.say(&format!("tuned at step {step}: {}", shown.collect::<Vec<_>>().join(", ")));
    }

    /// A message, above the bar.
    pub(super) fn say(&self, text: &str) {
        if self.is_terminal {
            self.bar.suspend(|| anstream::eprintln!("{}", quanci_cli::visible(text)));
        } else if !self.quiet {
            anstream::eprintln!("{}", quanci_cli::visible(text));
        }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The values that fit a line.
fn describe(values: &[(String, f64)]) -> String {
    let get = |name: &str| values.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
    let mut parts = Vec::new();
    let mut part = |name: &str, show: &dyn Fn(f64) -> String| parts.extend(get(name).map(show));
    let skipped = get("train/skipped_steps").filter(|&skipped| skipped > 0.0);
    part("train/loss", &|loss| format!("loss {}", figures(loss, 4)));
    part("train/mlm_accuracy", &|share| format!("mlm {:.1} %", 100.0 * share));
    part("train/pair_accuracy", &|share| format!("pairs {:.1} %", 100.0 * share));
    part("train/learning_rate", &|rate| format!("rate {rate:.2e}"));
    part("train/gradient_norm", &|norm| format!("norm {}", figures(norm, 2)));
    part("speed/tokens_per_second", &|rate| format!("{} tokens/s", thousands(rate)));
    part("speed/padding_share", &|share| format!("padding {:.0} %", 100.0 * share));
    part("speed/model_flop_utilisation", &|share| format!("mfu {:.1} %", 100.0 * share));
    part("speed/resident_memory_gb", &|bytes| format!("{bytes:.1} GB"));
    part("speed/seconds_left", &|seconds| format!("{} left", time(seconds)));
    parts.extend(skipped.map(|skipped| format!("{skipped:.0} skipped (gradients not finite)")));
    parts.join(", ")
}

/// A number with so many decimals, or with its power of ten where it is beyond all measure.
fn figures(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= 1e6 {
        format!("{value:.2e}")
    } else {
        format!("{value:.decimals$}")
    }
}

fn thousands(rate: f64) -> String {
    if rate >= 1e4 { format!("{:.0} k", rate / 1e3) } else { format!("{rate:.0}") }
}

fn time(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_matters() {
        let values = [("train/loss", 7.25), ("train/mlm_accuracy", 0.125), ("speed/seconds_left", 3725.0)];
        let values: Vec<(String, f64)> =
            values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(describe(&values), "loss 7.2500, mlm 12.5 %, 1 h 2 min left");
        let skipped = [("train/gradient_norm".to_owned(), f64::NAN), ("train/skipped_steps".to_owned(), 2.0)];
        assert_eq!(describe(&skipped), "norm NaN, 2 skipped (gradients not finite)");
    }
}
