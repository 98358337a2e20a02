//! Model, steps, batches and precision for the data and this machine.

use quanci_batches::DataSets;
use quanci_shards::Objective;

use super::size::ModelSize;
use crate::config::Compute;
use crate::model::config::ModelConfig;

/// What this machine computes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Names of its GPUs; none to compute on the CPU.
    pub gpus: Vec<String>,
}

/// What the settings of a run say.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// The model's size.
    pub size: ModelSize,
    /// Its phases, one a data set.
    pub phases: Vec<PhasePlan>,
    /// Streams that the rows are divided into.
    pub lanes: u32,
    /// What is computed in.
    pub compute: Compute,
    /// Ranks that this machine has GPUs for; 1 on a CPU.
    pub ranks: u32,
}

/// What is planned for a data set.
#[derive(Debug, Clone)]
pub struct PhasePlan {
    /// Steps.
    pub steps: u64,
    /// Rows of a step.
    pub global_batch: u32,
    /// Rows that go through the model at once.
    pub micro_batch: u32,
    /// Steps in which the rate rises.
    pub warmup_steps: u64,
}

/// Passes over the data: Google's BERT made 40. A later phase, such as that of long rows, gets a tenth of them.
const PASSES: [u64; 2] = [40, 4];
/// Google's BERT took so many steps, of so many rows.
const MOST_STEPS: u64 = 1_000_000;
const LARGEST_BATCH: u32 = 256;
/// A batch is halved until there are so many steps: fewer teach little, however large they are.
const WANTED_STEPS: u64 = 2_000;
const SMALLEST_BATCH: u32 = 16;
/// Fewer are over before the rate has risen.
const FEWEST_STEPS: u64 = 100;
/// The default of `data.lanes`.
pub(super) const LANES: u32 = 64;

/// The plan for data sets, each of which is a phase.
pub(super) fn plan(data: &[DataSets], size: Option<ModelSize>, machine: &Machine) -> RunPlan {
    let has_gpu = !machine.gpus.is_empty();
    let tokens = data.iter().map(DataSets::train_tokens).max().unwrap_or(0);
    let size = size.unwrap_or_else(|| ModelSize::for_data(tokens, has_gpu));
    let fewest = data.iter().map(DataSets::fewest_rows).min().unwrap_or(0);
    // Powers of two throughout: they divide one another.
    let lanes = LANES.min(power_of_two(fewest));
    let ranks = power_of_two(machine.gpus.len() as u64).min(SMALLEST_BATCH).min(lanes);
    let phase = |(i, sets)| phase(i, sets, size.tokens_at_once(has_gpu), ranks);
    RunPlan {
        size,
        phases: data.iter().enumerate().map(phase).collect(),
        lanes,
        compute: compute(machine),
        ranks,
    }
}

fn phase(index: usize, sets: &DataSets, tokens_at_once: u32, ranks: u32) -> PhasePlan {
    let rows = PASSES[index.min(1)] * sets.train_rows().iter().sum::<u64>();
    let mut global_batch = LARGEST_BATCH;
    while global_batch > SMALLEST_BATCH && rows / u64::from(global_batch) < WANTED_STEPS {
        global_batch /= 2;
    }
    let steps = two_digits((rows / u64::from(global_batch)).clamp(FEWEST_STEPS, MOST_STEPS));
    let at_once = power_of_two(u64::from(tokens_at_once) / sets.max_seq_len().max(1) as u64);
    PhasePlan {
        steps,
        global_batch,
        micro_batch: at_once.min(global_batch / ranks),
        warmup_steps: (steps / 10).min(10_000),
    }
}

/// The largest power of two up to `most`, at least 1.
fn power_of_two(most: u64) -> u32 {
    1 << most.clamp(1, 1 << 20).ilog2()
}

/// A number without its digits after the first two: nobody counts on the others.
fn two_digits(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(1));
    number / unit * unit
}

/// One of 1, 2, 5, 10, 20, 50 …, at most `number`: for steps between checkpoints and lines of the log.
pub(super) fn round_down(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10());
    unit * [5, 2, 1].into_iter().find(|digit| digit * unit <= number).unwrap_or(1)
}

/// GPUs before Ampere have no bfloat16.
fn compute(machine: &Machine) -> Compute {
    const WITHOUT_BF16: [&str; 8] = ["V100", "T4", "P100", "P40", "GTX", "RTX 20", "TITAN", "Quadro"];
    let is_old = |gpu: &String| WITHOUT_BF16.iter().any(|name| gpu.contains(name));
    match machine.gpus.first() {
        None => Compute::Fp32,
        Some(gpu) if is_old(gpu) => Compute::Fp16,
        Some(_) => Compute::Bf16,
    }
}

/// The model's config: a size's shape with the vocabulary of the data, and room for their rows.
pub(super) fn model(data: &[DataSets], size: ModelSize) -> ModelConfig {
    let mut model = size.shape();
    let first = data.first().expect("clap asks for at least one data set");
    let longest = data.iter().map(DataSets::max_seq_len).max().unwrap_or(0) as i64;
    model.vocab_size = i64::from(first.vocabulary().size);
    model.max_position_embeddings = model.max_position_embeddings.max(longest);
    if first.objective() != Objective::Mlm {
        model.type_vocab_size = model.type_vocab_size.max(2);
    }
    model.others.insert("pad_token_id".to_owned(), first.vocabulary().specials.pad.into());
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_round() {
        assert_eq!([1, 7, 16, 63, 64].map(power_of_two), [1, 4, 16, 32, 64]);
        assert_eq!([1, 99, 3_834, 958_112].map(two_digits), [1, 99, 3_800, 950_000]);
        assert_eq!([0, 1, 3, 9, 190, 5_000].map(round_down), [1, 1, 2, 5, 100, 5_000]);
    }

    #[test]
    fn old_gpus_compute_in_fp16() {
        let on = |gpus: &[&str]| compute(&Machine { gpus: gpus.iter().map(|&gpu| gpu.to_owned()).collect() });
        assert_eq!(on(&[]), Compute::Fp32);
        assert_eq!(on(&["Tesla V100-SXM2-32GB"]), Compute::Fp16);
        assert_eq!(on(&["NVIDIA A100-SXM4-80GB"; 8]), Compute::Bf16);
    }

    #[test]
    fn sizes_grow_with_the_data_and_stay_small_on_a_cpu() {
        let sizes = [1_000_000, 50_000_000, 200_000_000, 10_000_000_000];
        use ModelSize::{Base, Mini, Small, Tiny};
        assert_eq!(sizes.map(|tokens| ModelSize::for_data(tokens, true)), [Tiny, Mini, Small, Base]);
        assert_eq!(sizes.map(|tokens| ModelSize::for_data(tokens, false)), [Tiny, Mini, Small, Small]);
    }
}
