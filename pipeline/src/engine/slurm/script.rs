//! The batch script of a stage.

use super::run::{Elements, SlurmRun, StageJob};
use crate::engine::shell::{line, quoted};

/// How often Slurm starts an element again before its failure is final.
const RESTARTS: u32 = 5;

/// The batch script of a stage. `srun` gives the task a step of its own: it ends with the job, however that ends; and the
/// warning before the time limit goes to steps alone, so that this script is there to ask for another turn.
pub fn script(run: &SlurmRun, batch: &StageJob) -> String {
    let index = match &batch.elements {
        Elements::One => "0".to_owned(),
        Elements::Tasks(_) => "\"$SLURM_ARRAY_TASK_ID\"".to_owned(),
        Elements::Shares(shares) => format!("\"$SLURM_ARRAY_TASK_ID\" --of {shares}"),
    };
    // An array and its last element share their bare id: requeued by it, all elements would start over.
    let job = match &batch.elements {
        Elements::One => "$SLURM_JOB_ID",
        _ => "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID",
    };
    let program = quoted(&run.program);
    let plan = line(["--plan".as_ref(), run.plan.as_os_str(), "--stage".as_ref(), batch.stage.as_ref()]);
    format!(
        r#"#!/bin/bash
# The stage {stage} of a quanci run. Tasks that are done are skipped, so it may run any number of times.
threads=${{SLURM_CPUS_PER_TASK:-1}}
srun --ntasks=1 --cpus-per-task="$threads" \
    {program} run-task {plan} \
    --index {index} --threads "$threads"
code=$?

# 75 is worth retrying; 143 was asked to stop a minute before the time limit, and what it finished is kept.
restarts=${{SLURM_RESTART_COUNT:-0}}
if {{ [ "$code" = 75 ] || [ "$code" = 143 ]; }} && [ "$restarts" -lt {RESTARTS} ]; then
    echo "exit code $code: start $((restarts + 1)) of {RESTARTS} again" >&2
    # Slurm ends this script once it has taken the job back.
    scontrol requeue "{job}" && sleep 300
fi
exit "$code"
"#,
        stage = batch.stage
    )
}
