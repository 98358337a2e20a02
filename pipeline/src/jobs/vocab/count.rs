//! The count stage: read -> clean -> words -> counts.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::{Format, Han, VocabRun};
use crate::document::Document;
use crate::drops::Dropped;
use crate::engine::{Context, Stage};
use crate::error::Error;
use crate::jobs::cleaning;
use crate::jobs::left_out::LeftOutEntries;
use crate::jobs::read::for_each_batch;
use crate::plan::{MapTask, Plan};
use crate::readers::ReadSettings;
use crate::scratch::Pool;
use crate::steps::clean::Clean;
use crate::steps::count::{TokenCounter, TokenCounts};
use crate::steps::segment::{SegmentScratch, Segmenter, WordStarts};
use crate::steps::sentences::sentences;
use crate::vocab::counts::WordCounts;
use crate::vocab::word_merge::merge_into;
use crate::work::{self, Attempt};

/// Memory that the counts of a task may take before they are spilled to disk.
const COUNTS_BYTES: usize = 256 << 20;

/// What a count task counted, beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountReport {
    pub(super) records: u64,
    pub(super) documents: u64,
    pub(super) dropped: Dropped,
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub(super) repaired: Dropped,
    #[serde(default, skip_serializing_if = "LeftOutEntries::is_empty")]
    pub(super) left_out: LeftOutEntries,
}

/// The words of a task, in order.
pub(super) const WORDS: &str = "words.bin";
/// What a task counted beside them.
pub(super) const REPORT: &str = "report.json";

/// The count stage: a folder a task, with its words in order and its report.
pub(super) struct CountStage<'a> {
    plan: &'a Plan,
    run: &'a VocabRun,
    /// Where the folders of all tasks are.
    folder: &'a Path,
    clean: Clean,
    segmenter: Option<Segmenter>,
    counter: TokenCounter,
}

impl<'a> CountStage<'a> {
    /// Loads what counting needs; `user_dict` is the bytes of the user's dictionary, `blocked` the words of `clean.blocked_words`.
    pub(super) fn new(
        plan: &'a Plan,
        run: &'a VocabRun,
        folder: &'a Path,
        user_dict: Option<&[u8]>,
        blocked: Option<&str>,
    ) -> Result<Self, Error> {
        let VocabRun { clean, segment, vocabulary, .. } = run;
        let words = vocabulary.han == Han::Words;
        Ok(CountStage {
            plan,
            run,
            folder,
            clean: cleaning::cleaner(clean, blocked)?,
            segmenter: if words { Some(Segmenter::new(segment, user_dict)?) } else { None },
            counter: TokenCounter::new(vocabulary.han, vocabulary.lowercase),
        })
    }
}

impl Stage for CountStage<'_> {
    fn name(&self) -> &'static str {
        "count"
    }

    fn count(&self) -> u32 {
        self.plan.map.len() as u32
    }

    fn is_done(&self, task: u32) -> Result<bool, Error> {
        work::exists(&task_folder(self.folder, &self.plan.map[task as usize]).join(REPORT))
    }

    fn work(&self, task: u32) -> u64 {
        self.plan.map[task as usize].bytes()
    }

    fn run(&self, task: u32, context: &Context) -> Result<(), Error> {
        let task = &self.plan.map[task as usize];
        let settings = ReadSettings::new(&self.run.corpora[task.corpus as usize], &self.run.clean);
        let attempt = Attempt::new(&task_folder(self.folder, task))?;
        attempt.create_folder()?;
        let mut report = CountReport::default();
        let pool: Pool<TokenCounts> = Pool::default();
        let mut runs = Vec::new();
        for_each_batch(task, &settings, context, |batch| {
            let counted = context.pool.install(|| self.count_all(&batch.documents, settings.format, &pool));
            for (documents, dropped, repaired) in counted {
                report.documents += documents;
                report.dropped.merge(&dropped);
                report.repaired.merge(&repaired);
            }
            for (reason, text, place) in &batch.rejected {
                report.dropped.add(*reason, text, place);
            }
            for (reason, text, place) in &batch.repaired {
                report.repaired.add(*reason, text, place);
            }
            batch.left_out.into_iter().for_each(|(archive, entries)| report.left_out.add(archive, entries));
            report.records += batch.records;
            // All buffers are free here, as no chunk is being counted: `for_each` sees every one.
            let mut held = 0;
            pool.for_each(|counts| held += counts.memory());
            // External aggregation: sorted runs on disk, merged at the end.
            if held > COUNTS_BYTES {
                runs.push(self.spill(&pool, attempt.path(), runs.len())?);
            }
            Ok(())
        })?;
        runs.push(self.spill(&pool, attempt.path(), runs.len())?);
        merge_runs(&runs, &attempt.path().join(WORDS))?;
        runs.iter().try_for_each(|run| fs::remove_file(run).map_err(Error::io("remove", run)))?;
        work::write_json(&attempt.path().join(REPORT), &report)?;
        attempt.commit_folder(REPORT, |_| None)
    }
}

impl CountStage<'_> {
    fn count_all(
        &self,
        documents: &[Document],
        format: Format,
        pool: &Pool<TokenCounts>,
    ) -> Vec<(u64, Dropped, Dropped)> {
        // Several chunks a thread, so that long documents do not keep the others waiting.
        let chunk = documents.len().div_ceil(8 * rayon::current_num_threads()).max(1);
        let count = |documents: &[Document]| {
            let (mut kept, mut dropped, mut repaired) = (0, Dropped::default(), Dropped::default());
            let mut segmenting = SegmentScratch::default();
            pool.with(|counts| {
                for document in documents {
                    match self.clean.apply(document) {
                        Ok(cleaned) => {
                            kept += 1;
                            cleaned.repairs.report(document, &mut repaired);
                            self.count_text(&cleaned.text, format, &mut segmenting, counts);
                        }
                        Err(reason) => dropped.add(reason, &self.clean.sample(document), &document.place),
                    }
                }
            });
            (kept, dropped, repaired)
        };
        documents.par_chunks(chunk).map(count).collect()
    }

    fn count_text(
        &self,
        text: &str,
        format: Format,
        segmenting: &mut SegmentScratch,
        counts: &mut TokenCounts,
    ) {
        let mut starts = WordStarts { everywhere: true, ..WordStarts::default() };
        for line in text.split('\n') {
            match &self.segmenter {
                // Hanzi stand alone: sentences and words make no difference.
                None => self.counter.apply(line, &starts, counts),
                Some(segmenter) => {
                    let mut sentence = |sentence: &str| {
                        segmenter.words(sentence, segmenting, &mut starts);
                        self.counter.apply(sentence, &starts, counts);
                    };
                    if format == Format::Sentences {
                        sentence(line)
                    } else {
                        sentences(line).for_each(sentence)
                    }
                }
            }
        }
    }

    /// Writes all that was counted to a file of its own.
    fn spill(&self, pool: &Pool<TokenCounts>, folder: &Path, run: usize) -> Result<PathBuf, Error> {
        let mut words = WordCounts::new();
        pool.for_each(|counts| self.counter.drain(counts, &mut words));
        let path = folder.join(format!("run-{run}"));
        let file = fs::File::create(&path).map_err(Error::io("create", &path))?;
        words.write(std::io::BufWriter::new(file)).map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

fn merge_runs(runs: &[PathBuf], path: &Path) -> Result<(), Error> {
    let file = fs::File::create(path).map_err(Error::io("create", path))?;
    let file = merge_into(runs, file, path)?;
    file.sync_all().map_err(Error::io("write", path))
}

/// True for the name of a file that a count task writes.
pub(super) fn is_count_file(name: &str) -> bool {
    name == WORDS || name == REPORT || name.strip_prefix("run-").is_some_and(work::is_number)
}

/// The folder of a task.
pub(super) fn task_folder(counts: &Path, task: &MapTask) -> PathBuf {
    counts.join(&task.key)
}
