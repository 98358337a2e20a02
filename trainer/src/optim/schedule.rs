//! The learning rate of a step.

use std::f64::consts::PI;

use crate::config::{PhaseSettings, Schedule};

/// The rate of step `step` of a phase, counted from 0.
///
/// - warm-up, of every schedule: `peak × step / warmup`, so that the first step has rate 0
///   (google-research/bert, optimization.py; transformers, optimization.py)
/// - `linear`, `cosine`: from the peak at the end of the warm-up to the end of the phase (transformers,
///   get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup)
/// - `linear_google`: `peak × (1 − step / steps)`, counted from step 0: a drop where the warm-up ends
///   (google-research/bert, optimization.py, create_optimizer)
/// - `polynomial`: `peak × (1 − step / steps)^power`, counted from step 0 (NVIDIA/DeepLearningExamples, schedulers.py,
///   PolyWarmUpScheduler)
///
/// `final_share` of the peak is what a fall ends at: the share above it falls.
pub fn rate(phase: &PhaseSettings, step: u64) -> f64 {
    let (steps, warmup) = (phase.steps as f64, phase.warmup_steps as f64);
    let at = step as f64;
    if step < phase.warmup_steps {
        return phase.learning_rate * at / warmup;
    }
    let of_all = (1.0 - at / steps).max(0.0);
    // From 1 at the end of the warm-up to 0 at the end of the phase.
    let after_warmup = ((steps - at) / (steps - warmup).max(1.0)).clamp(0.0, 1.0);
    let left = match phase.schedule {
        Schedule::Linear => after_warmup,
        Schedule::LinearGoogle => of_all,
        Schedule::Polynomial => of_all.powf(phase.power),
        Schedule::Constant => return phase.learning_rate,
        Schedule::Cosine => 0.5 * (1.0 + (PI * (1.0 - after_warmup)).cos()),
    };
    phase.learning_rate * (phase.final_share + (1.0 - phase.final_share) * left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MicroBatchSize, OptimizerState};

    fn phase(schedule: Schedule, power: f64, final_share: f64) -> PhaseSettings {
        PhaseSettings {
            data: Vec::new(),
            steps: 100,
            global_batch: 1,
            micro_batch: MicroBatchSize::Rows(1),
            learning_rate: 2e-3,
            warmup_steps: 10,
            schedule,
            power,
            final_share,
            optimizer_state: OptimizerState::Keep,
        }
    }

    #[track_caller]
    fn check(phase: PhaseSettings, wanted: [f64; 7]) {
        for (step, wanted) in [0, 3, 9, 10, 40, 73, 99].into_iter().zip(wanted) {
            let rate = rate(&phase, step);
            assert!((rate - wanted).abs() < 1e-12, "step {step}: {rate}, not {wanted}");
        }
    }

    /// transformers 5.23: get_linear_schedule_with_warmup(AdamW(lr=2e-3), 10, 100), its rate before each step.
    #[test]
    fn linear_is_that_of_transformers() {
        check(phase(Schedule::Linear, 1.0, 0.0), LINEAR);
    }

    /// transformers 5.23: get_cosine_schedule_with_warmup, likewise.
    #[test]
    fn cosine_is_that_of_transformers() {
        check(phase(Schedule::Cosine, 1.0, 0.0), COSINE);
    }

    /// google-research/bert: tf.train.polynomial_decay from step 0, replaced by the warm-up below its last step.
    #[test]
    fn googles_falls_from_step_0() {
        let at = |step: f64| 2e-3 * (1.0 - step / 100.0);
        let wanted = [0.0, 2e-3 * 0.3, 2e-3 * 0.9, at(10.0), at(40.0), at(73.0), at(99.0)];
        check(phase(Schedule::LinearGoogle, 1.0, 0.0), wanted);
    }

    /// NVIDIA's PolyWarmUpScheduler with degree 0.5.
    #[test]
    fn nvidias_falls_with_the_root_of_what_is_left() {
        let at = |step: f64| 2e-3 * (1.0 - step / 100.0).sqrt();
        let wanted = [0.0, 2e-3 * 0.3, 2e-3 * 0.9, at(10.0), at(40.0), at(73.0), at(99.0)];
        check(phase(Schedule::Polynomial, 0.5, 0.0), wanted);
    }

    #[test]
    fn constant_stays_and_a_share_is_kept() {
        check(phase(Schedule::Constant, 1.0, 0.0), [0.0, 6e-4, 1.8e-3, 2e-3, 2e-3, 2e-3, 2e-3]);
        let kept = phase(Schedule::Linear, 1.0, 0.1);
        assert!((rate(&kept, 10) - 2e-3).abs() < 1e-12);
        assert!((rate(&kept, 100) - 2e-4).abs() < 1e-12);
    }

    const LINEAR: [f64; 7] =
        [0.0, 0.0006, 0.0018000000000000002, 0.002, 0.0013333333333333333, 0.0006, 2.2222222222222223e-05];
    const COSINE: [f64; 7] =
        [0.0, 0.0006, 0.0018000000000000002, 0.002, 0.0015, 0.00041221474770752696, 6.091729809042379e-07];
}
