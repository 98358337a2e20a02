//! A run and its stages, as batch jobs.

use std::path::PathBuf;

use super::options::SlurmOptions;

/// A run to be submitted.
#[derive(Debug, Clone)]
pub struct SlurmRun {
    /// What its jobs are called, before the stage's name.
    pub name: String,
    /// Where `quanci` lies on the nodes.
    pub program: PathBuf,
    /// The plan file, where all nodes see it.
    pub plan: PathBuf,
    /// Where scripts and logs go, where all nodes see it.
    pub folder: PathBuf,
    /// What the user wants of sbatch.
    pub options: SlurmOptions,
}

/// A stage that is not done, as a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageJob {
    /// The stage's name.
    pub stage: &'static str,
    /// What its elements do.
    pub elements: Elements,
}

/// The elements of a job array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// No array: the stage's one task.
    One,
    /// An element for each of these tasks.
    Tasks(Vec<u32>),
    /// So many shares of all the stage's tasks.
    Shares(u32),
}

impl Elements {
    /// Elements for a stage: its `missing` tasks if they are known, and how many elements are worth while if they are not.
    /// An array has `workers` elements at most, with indices below `max_array_size`.
    pub fn new(missing: Option<Vec<u32>>, width: u32, workers: u32, max_array_size: u32) -> Elements {
        // Slurm's largest index is `MaxArraySize` − 1.
        let most = workers.min(max_array_size.saturating_sub(1)).max(1);
        match missing {
            // A stage of one task needs no array.
            _ if width <= 1 => Elements::One,
            Some(tasks)
                if tasks.len() <= most as usize && tasks.iter().all(|&task| task < max_array_size) =>
            {
                Elements::Tasks(tasks)
            }
            // Too many tasks for an array: each element does a share of them.
            Some(tasks) => Elements::Shares((tasks.len() as u32).min(most)),
            // The stage before is not done, so the number of tasks is unknown: an element computes its share when it
            // runs.
            None => Elements::Shares(width.min(most)),
        }
    }

    /// The value of `--array`.
    pub(super) fn array(&self) -> Option<String> {
        match self {
            Elements::One => None,
            Elements::Tasks(tasks) => Some(ranges(tasks)),
            Elements::Shares(shares) => Some(format!("0-{}", shares - 1)),
        }
    }
}

/// Ascending numbers as sbatch writes them: `0-3,7`.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|before, after| before + 1 == *after);
    let words = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => one.iter().map(u32::to_string).collect(),
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{Elements, ranges};

    #[test]
    fn ranges_of_numbers() {
        assert_eq!(ranges(&[0, 1, 2, 3]), "0-3");
        assert_eq!(ranges(&[0, 2, 3, 9]), "0,2-3,9");
        assert_eq!(ranges(&[5]), "5");
    }

    #[test]
    fn elements_of_a_stage() {
        let all = |n: u32| Some((0..n).collect::<Vec<_>>());
        assert_eq!(Elements::new(all(1), 1, 1000, 1001), Elements::One);
        assert_eq!(Elements::new(Some(vec![3, 7]), 9, 1000, 1001), Elements::Tasks(vec![3, 7]));
        assert_eq!(Elements::new(Some(vec![3, 1001]), 4000, 1000, 1001), Elements::Shares(2));
        assert_eq!(Elements::new(all(4000), 4000, 5000, 1001), Elements::Shares(1000));
        assert_eq!(Elements::new(all(4000), 4000, 50, 1001), Elements::Shares(50));
        assert_eq!(Elements::new(None, 17, 1000, 1001), Elements::Shares(17));
        assert_eq!(Elements::new(all(9), 9, 0, 0), Elements::Shares(1));
    }
}
