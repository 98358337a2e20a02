//! Writes a settings file with comments.

use quanci_batches::DataSets;
use quanci_shards::Objective;
use quanci_shards::mask::MaskMode;

use super::plan::{LANES, PhasePlan, RunPlan, round_down};
use crate::config::Compute;
use crate::model::config::ModelConfig;

/// The settings of a run in the file `stem`.toml; `names` are those of the data sets.
pub(super) fn settings(
    plan: &RunPlan,
    data: &[DataSets],
    names: &[String],
    model: &ModelConfig,
    stem: &str,
) -> String {
    let (model_name, output) = (quoted(&format!("{stem}-model.json")), quoted(&run_folder(stem)));
    let shape = format!(
        "{}: {} layers of width {}, {:.1} M parameters; the vocabulary is the data's",
        plan.size.name(),
        model.num_hidden_layers,
        model.hidden_size,
        model.encoder_parameters() as f64 / 1e6
    );
    let mut text = format!(
        "# Written by `quanci-train init`. Paths are relative to this file. Check it with `quanci-train check {stem}.toml`,\n\
         # train with `quanci-train pretrain {stem}.toml`; the same command resumes.\n\n\
         # Seed of all random numbers.\nseed = 12345\n# {shape}\nmodel = {model_name}\n\
         # Checkpoints, log, and at the end the model for transformers.\noutput = {output}\n"
    );
    for ((phase, sets), name) in plan.phases.iter().zip(data).zip(names) {
        text.push_str(&phase_table(plan, phase, sets, name));
    }
    text.push_str(&masking(data));
    text.push_str(&precision(plan));
    if plan.lanes != LANES {
        let comment = comment(&format!("lanes = {}", plan.lanes), "streams of rows: there are few rows");
        text.push_str(&format!("\n[data]\n{comment}"));
    }
    text.push_str(&intervals(plan, data));
    text
}

/// The run's folder, named after the settings file: `train-novels.toml` trains novels.
pub(super) fn run_folder(stem: &str) -> String {
    let short = ["pretrain-", "train-"].iter().find_map(|prefix| stem.strip_prefix(prefix));
    format!("runs/{}", short.filter(|short| !short.is_empty()).unwrap_or(stem))
}

fn phase_table(plan: &RunPlan, phase: &PhasePlan, sets: &DataSets, name: &str) -> String {
    let objective = match sets.objective() {
        Objective::Nsp => "pairs (nsp)",
        Objective::Sop => "pairs (sop)",
        Objective::Mlm => "no pairs (mlm)",
    };
    let rows: u64 = sets.train_rows().iter().sum();
    let passes = phase.steps as f64 * f64::from(phase.global_batch) / rows.max(1) as f64;
    let mut text = format!(
        "\n# {} rows of at most {} tokens, {objective}\n[[phase]]\ndata = [{{ path = {} }}]\n",
        grouped(rows).replace('_', ","),
        sets.max_seq_len(),
        quoted(name),
    );
    let lines = [
        (format!("steps = {}", grouped(phase.steps)), format!("{passes:.0} passes over the rows")),
        (format!("global_batch = {}", phase.global_batch), "rows of a step".to_owned()),
        (
            format!("micro_batch = {}", phase.micro_batch),
            "rows computed at once; halve it if memory runs out".to_owned(),
        ),
        (format!("learning_rate = {}", plan.size.learning_rate()), "the peak, after the warm-up".to_owned()),
        (format!("warmup_steps = {}", grouped(phase.warmup_steps)), String::new()),
        ("schedule = \"linear\"".to_owned(), String::new()),
    ];
    lines.iter().for_each(|(line, about)| text.push_str(&comment(line, about)));
    text
}

/// Stored masks come again with every copy; a hint where there are some.
fn masking(data: &[DataSets]) -> String {
    if data.iter().flat_map(DataSets::masks).all(|masks| masks.mode == MaskMode::Dynamic) {
        return String::new();
    }
    "\n# The masks are those stored in the data. Without the signs # they are drawn anew in every pass:\n# [masking]\n\
     # mode = \"dynamic\"\n"
        .to_owned()
}

fn precision(plan: &RunPlan) -> String {
    let (name, about) = match plan.compute {
        Compute::Bf16 => ("bf16", "products in bfloat16; weights stay fp32"),
        Compute::Fp16 => ("fp16", "products in half precision, with a loss scale; weights stay fp32"),
        Compute::Fp32 | Compute::Tf32 => ("fp32", "this machine has no GPU; bf16 on one"),
    };
    format!("\n[precision]\n{}", comment(&format!("compute = \"{name}\""), about))
}

/// Twenty checkpoints and evaluations, a thousand lines of the log.
fn intervals(plan: &RunPlan, data: &[DataSets]) -> String {
    let steps: u64 = plan.phases.iter().map(|phase| phase.steps).sum();
    let every = round_down(steps / 20).min(10_000);
    let mut text =
        format!("\n[checkpoint]\nevery_steps = {}\nkeep_last = 3\n\n[evaluation]\n", grouped(every));
    if data.iter().any(|sets| sets.validation_rows() == 0) {
        text.push_str(
            "# Prepare the data with `output.validation`: without it, nothing is measured on unseen text.\n",
        );
    }
    text.push_str(&format!("every_steps = {}\n", grouped(every)));
    text.push_str(&comment("max_rows = 20_000", "validation rows, at most"));
    text.push_str(&format!("\n[log]\nevery_steps = {}\n", round_down(steps / 1000).clamp(10, 100)));
    text
}

/// A line with its comment, aligned with the others.
fn comment(line: &str, about: &str) -> String {
    if about.is_empty() { format!("{line}\n") } else { format!("{line:<24} # {about}\n") }
}

/// A number with `_` between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 3 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// A string in TOML syntax.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_settings() {
        assert_eq!(
            ["novels", "train-novels", "pretrain-novels", "train-"].map(run_folder),
            ["runs/novels", "runs/novels", "runs/novels", "runs/train-"]
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([7, 999, 1_000, 1_234_567].map(grouped), ["7", "999", "1_000", "1_234_567"]);
    }
}
