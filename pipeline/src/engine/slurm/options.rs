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
        let problems: Vec<String> = pairs.iter().filter_map(|(key, _)| problem(key)).collect();
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

/// What is wrong with an option. sbatch takes any beginning of an option's name for it, so those are refused too.
fn problem(key: &str) -> Option<String> {
    let (ours, why) = OURS
        .iter()
        .find(|(ours, _)| *ours == key)
        .or_else(|| OURS.iter().find(|(ours, _)| ours.starts_with(key)))?;
    let said = if *ours == key { String::new() } else { format!(" (sbatch takes it for {ours})") };
    Some(format!("--slurm {key}=…{said} is not for you to set: {why}"))
}

#[cfg(test)]
mod tests {
    use super::SlurmOptions;

    fn parse(argument: &str) -> Result<SlurmOptions, String> {
        SlurmOptions::parse(&[argument.to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn abbreviations_of_what_is_reserved() {
        for (argument, ours) in [
            ("depen=afterok:1", "dependency"),
            ("dependency=singleton", "--slurm dependency"),
            ("wr=x", "wrap"),
            ("arr=0-9", "array"),
            ("ntasks-per-n=2", "ntasks-per-node"),
        ] {
            let message = parse(argument).expect_err("refused");
            assert!(message.contains(ours), "{message}");
        }
        for argument in
            ["partition=cpu", "time=1:00:00", "mem=4G", "nodelist=n1", "cpus-per-task=4", "exclude=n2"]
        {
            assert!(parse(argument).is_ok(), "{argument}");
        }
        assert!(parse("partition=a\u{1b}[2Jb").is_err());
    }
}
