//! Options of sbatch that the user gives: any long option, but for those that the run itself needs.

use crate::engine::options::pairs;
use crate::error::Error;

/// Options that are ours, and why.
const OURS: [(&str, &str); 18] = [
    ("array", "quanci cuts the stages into arrays; --workers N is the most elements of one"),
    ("chdir", "logs and scripts lie in the work folder; name another by `work` in the settings"),
    ("clusters", "log in to the cluster that is meant"),
    ("dependency", "quanci makes each stage wait for the one before it"),
    ("error", "logs lie in the work folder"),
    ("input", "tasks read no standard input"),
    ("job-name", "jobs are named after the settings file"),
    ("kill-on-invalid-dep", "a stage whose forerunner failed is cancelled"),
    ("nodes", "an element is one task on one node; --workers N is the most elements"),
    ("ntasks", "an element is one task; --workers N is the most elements, cpus-per-task=N their threads"),
    ("ntasks-per-node", "an element is one task; --workers N is the most elements"),
    ("open-mode", "an element that is started again goes on in its log"),
    ("output", "logs lie in the work folder"),
    ("parsable", "quanci reads the job ids"),
    ("requeue", "elements are started again where a node died"),
    ("signal", "tasks are asked to stop a minute before the time limit"),
    ("wait", "quanci returns when all is submitted"),
    ("wrap", "quanci writes the scripts"),
];

/// What the user wants of sbatch: `--KEY=VALUE`s.
#[derive(Debug, Clone, Default)]
pub struct SlurmOptions(Vec<String>);

impl SlurmOptions {
    /// Checks `--slurm KEY=VALUE` arguments.
    ///
    /// # Errors
    /// [`Error::Settings`] with every problem.
    pub fn parse(arguments: &[String]) -> Result<SlurmOptions, Error> {
        let pairs = pairs("slurm", arguments)?;
        let reserved = |key: &str| OURS.iter().find(|(ours, _)| *ours == key);
        let problems: Vec<String> = pairs
            .iter()
            .filter_map(|(key, _)| reserved(key))
            .map(|(key, why)| format!("--slurm {key}=… is not for you to set: {why}"))
            .collect();
        if !problems.is_empty() {
            return Err(Error::Settings(problems));
        }
        Ok(SlurmOptions(pairs.into_iter().map(|(key, value)| format!("--{key}={value}")).collect()))
    }

    /// As sbatch takes them.
    pub(super) fn arguments(&self) -> &[String] {
        &self.0
    }
}
