//! The train stage: the counts of all tasks -> WordPiece -> the tokenizer's files and a report.

use std::path::{Path, PathBuf};

use super::count::{CountReport, REPORT, WORDS, task_folder};
use super::report::{VocabReport, training_notes};
use super::written::Written;
use crate::config::VocabRun;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::nothing;
use crate::plan::Plan;
use crate::vocab::counts::WordCounts;
use crate::vocab::file::Vocabulary;
use crate::vocab::report::Coverage;
use crate::vocab::trainer::train;
use crate::vocab::write::TokenizerFiles;
use crate::work;

/// The train stage: one task.
pub(super) struct TrainStage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) run: &'a VocabRun,
    /// Where the folders of the count tasks are.
    pub(super) counts: &'a Path,
    /// Where the report goes.
    pub(super) report: PathBuf,
}

impl Stage for TrainStage<'_> {
    fn name(&self) -> &'static str {
        "train"
    }

    fn count(&self) -> u32 {
        1
    }

    fn is_done(&self, _: u32) -> Result<bool, Error> {
        // The vocabulary alone may be another run's; with this plan's report it is ours.
        Ok(work::exists(&self.report)? && work::exists(&self.run.path)?)
    }

    /// The entries to reach.
    fn work(&self, _: u32) -> u64 {
        u64::from(self.run.vocabulary.size)
    }

    fn run(&self, _: u32, context: &Context) -> Result<(), Error> {
        let VocabRun { vocabulary: settings, path, .. } = self.run;
        let report = self.merged_report()?;
        let files: Vec<PathBuf> =
            self.plan.map.iter().map(|task| task_folder(self.counts, task).join(WORDS)).collect();
        // All distinct words are in memory here. Tasks count in bounded memory, training does not.
        let words = WordCounts::read_all(&files)?;
        // Training consumes the counts; coverage needs them again.
        let trained = train(words.clone(), settings, &context.progress);
        let vocabulary = Vocabulary::from_pieces(trained.pieces.clone(), path)?;
        let coverage = Coverage::measure(&words, &vocabulary);
        let files = TokenizerFiles::new(&vocabulary, &settings.tokenize())?;
        let written = Written { vocab: path, work: &self.run.work };
        // Looked at again: training may have taken hours.
        if self.plan.replace {
            written.check_ours()?
        } else {
            written.check_same(&files)?
        }
        written.remember(&files)?;
        files.write(path)?;
        let report = VocabReport {
            documents: report.documents,
            dropped: report.dropped,
            repaired: report.repaired,
            left_out: report.left_out,
            text: format!("{}{coverage}", training_notes(&trained)),
            coverage: serde_json::to_value(&coverage).expect("a report has string keys only"),
            training: serde_json::to_value(&trained).expect("a report has string keys only"),
        };
        work::commit_json(&self.report, &report)
    }
}

impl TrainStage<'_> {
    fn merged_report(&self) -> Result<CountReport, Error> {
        let mut all = CountReport::default();
        for task in &self.plan.map {
            let report: CountReport = work::read_json(&task_folder(self.counts, task).join(REPORT))?;
            all.records += report.records;
            all.documents += report.documents;
            all.dropped.merge(&report.dropped);
            all.repaired.merge(&report.repaired);
            all.left_out.merge(&report.left_out);
        }
        let run = self.run;
        all.dropped.judge(all.records, run.max_reject_percent)?;
        if all.documents == 0 {
            let dropped = format!("dropped: {}", all.dropped.in_words());
            return Err(nothing::came_out(self.plan, "no document came out of the corpus", &dropped));
        }
        Ok(all)
    }
}
