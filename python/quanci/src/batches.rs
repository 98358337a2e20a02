//! Rows in the order of the trainer, micro-batch by micro-batch.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use quanci_batches::{
    DataSets, DataSource, Error, LoaderSettings, MicroBatch, MicroBatchSize, MicroBatches, Validation,
    ValidationSettings, data_keys, first_micro_batch, masking_keys,
};
use quanci_shards::Split;

use crate::data_set::{cache, folder, split};
use crate::errors::OrRaise;
use crate::settings::of_arguments;
use crate::waiting::INTERVAL;

/// Micro-batches that wait for Python, beside those that the loader holds.
const AHEAD: usize = 2;
/// No count is larger.
const MANY: u64 = 1_000_000_000_000;

/// Data sets, and how a rank goes through them.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct Batches {
    sets: Arc<DataSets>,
    settings: LoaderSettings,
    split: Split,
    batch_size: u32,
}

#[pymethods]
impl Batches {
    /// Opens data sets with their weights. `options` are `seed`, `global_batch`, `batch_size` and the tables `data` and
    /// `masking`, as JSON.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "called from one place in Python")]
    fn new(
        py: Python<'_>,
        sources: Vec<(PathBuf, f64)>,
        split_name: &str,
        options: &str,
        rank: u32,
        world_size: u32,
        cache_folder: Option<PathBuf>,
        cache_gb: u64,
    ) -> PyResult<Batches> {
        let options = of_arguments(options, |root| Options {
            seed: root.integer("seed", "what every draw comes from", 12345, 0..=MANY),
            global_batch: root.required_integer("global_batch", "rows of a step", 1..=10_000_000) as u32,
            batch_size: root.required_integer("batch_size", "rows of a batch", 1..=1_000_000) as u32,
            data: data_keys(root.section("data")),
            masking: masking_keys(root.section("masking")),
        })
        .or_raise(py)?;
        let split = split(split_name).or_raise(py)?;
        let sources: Result<Vec<(PathBuf, f64)>, quanci_pipeline::error::Error> =
            sources.into_iter().map(|(path, weight)| Ok((folder(&path)?, weight))).collect();
        let sources: Vec<DataSource> = sources
            .or_raise(py)?
            .into_iter()
            .map(|(folder, weight)| DataSource { weight, ..DataSource::new(&folder) })
            .collect();
        let Options { seed, global_batch, batch_size, data, masking } = options;
        let verify = data.verify;
        let settings = LoaderSettings {
            seed,
            rank,
            world_size,
            global_batch,
            micro_batch: MicroBatchSize::Rows(batch_size),
            data,
            first_batch: 0,
        };
        let opened = py.detach(|| {
            let sets = DataSets::open(&sources, &masking, &cache(cache_folder, cache_gb), verify)?;
            if split == Split::Train {
                settings.check(&sets)?;
            }
            Ok(Arc::new(sets))
        });
        let sets = opened.map_err(in_words_of_python).or_raise(py)?;
        Ok(Batches { sets, settings, split, batch_size })
    }

    /// What the rows and their order depend on, beside the position: two data sets with equal ones give equal rows.
    fn identity(&self) -> Vec<String> {
        let LoaderSettings { seed, world_size, global_batch, ref data, .. } = self.settings;
        let masks = self.sets.masks();
        let order = format!(
            "{:?} seed {seed} rows {} of {global_batch} lanes {} window {} grouped {} ranks {world_size}",
            self.split, self.batch_size, data.lanes, data.window, data.group_batches
        );
        let ids = self.sets.data_ids().into_iter().zip(masks).map(|(id, masks)| format!("{id} {masks:?}"));
        std::iter::once(order).chain(ids).collect()
    }

    /// The number of the rank's first micro-batch of an epoch; of the rows set apart, every epoch begins at 0.
    fn first(&self, py: Python<'_>, epoch: u64) -> PyResult<u64> {
        match self.split {
            Split::Train => {
                first_micro_batch(&self.sets, &self.settings, epoch).map_err(in_words_of_python).or_raise(py)
            }
            Split::Validation => Ok(0),
        }
    }

    /// (micro-batches, rows) of the rank among the rows set apart.
    fn validation(&self) -> (u64, u64) {
        let (rows, size) = (self.sets.validation_rows(), u64::from(self.batch_size));
        let (rank, ranks) = (u64::from(self.settings.rank), u64::from(self.settings.world_size));
        let all = rows.div_ceil(size);
        let own = (all + ranks - 1 - rank) / ranks;
        let has_last = own > 0 && (all - 1) % ranks == rank;
        // The last micro-batch has what is left.
        (own, own * size - if has_last { all * size - rows } else { 0 })
    }

    /// The micro-batches `first`, `first + step`, … of the rank.
    fn stream(&self, py: Python<'_>, first: u64, step: u32) -> PyResult<BatchStream> {
        let source = py.detach(|| self.source(first, step.max(1)));
        let source = source.map_err(in_words_of_python).or_raise(py)?;
        let (send, batches) = bounded(AHEAD);
        // In a thread, so that this one can hear Ctrl-C while a slow storage is read. It ends when nobody listens.
        let thread = thread::Builder::new().name("batches".to_owned()).spawn(move || give(source, &send));
        thread.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
        let pad = i64::from(self.sets.vocabulary().specials.pad);
        Ok(BatchStream { batches: Mutex::new(batches), pad })
    }
}

struct Options {
    seed: u64,
    global_batch: u32,
    batch_size: u32,
    data: quanci_batches::DataSettings,
    masking: quanci_batches::MaskOverride,
}

/// Where micro-batches come from.
enum Source {
    Train(MicroBatches),
    Validation { rows: Validation, skip: u64 },
}

impl Batches {
    fn source(&self, first: u64, step: u32) -> Result<Source, Error> {
        if self.split == Split::Train {
            return MicroBatches::open(self.sets.clone(), &self.settings, first, step).map(Source::Train);
        }
        // Every `step`-th micro-batch of a rank is a rank's among `step` times as many.
        let LoaderSettings { rank, world_size, .. } = self.settings;
        let settings = ValidationSettings {
            rank: rank + (first % u64::from(step)) as u32 * world_size,
            world_size: world_size * step,
            micro_batch: self.batch_size,
            max_rows: 0,
            unit: None,
        };
        let rows = Validation::open(self.sets.clone(), settings)?;
        Ok(Source::Validation { rows, skip: first / u64::from(step) })
    }
}

/// Gives micro-batches until an error, the end, or until nobody listens.
fn give(mut source: Source, batches: &Sender<Result<Option<MicroBatch>, Error>>) {
    loop {
        let next = match &mut source {
            Source::Train(micro) => micro.next().map(Some),
            Source::Validation { rows, skip } => {
                // Those before were given before: they are read again, as this split is small.
                let skipped = std::mem::take(skip);
                rows.nth(skipped as usize).transpose()
            }
        };
        let is_last = !matches!(next, Ok(Some(_)));
        if batches.send(next).is_err() || is_last {
            return;
        }
    }
}

/// The arguments of the class in Python go by other names than the keys of the trainer's settings.
fn in_words_of_python(error: Error) -> Error {
    match error {
        Error::Settings(problems) => Error::Settings(
            problems
                .into_iter()
                .map(|problem| {
                    problem.replace("`micro_batch`", "`batch_size`").replace("`data.lanes`", "`lanes`")
                })
                .collect(),
        ),
        other => other,
    }
}

/// Micro-batches, one after the other.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct BatchStream {
    batches: Mutex<Receiver<Result<Option<MicroBatch>, Error>>>,
    pad: i64,
}

#[pymethods]
impl BatchStream {
    /// The rows of the next micro-batch; none at the end.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        loop {
            let received = py.detach(|| {
                self.batches.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(INTERVAL)
            });
            match received {
                Ok(next) => {
                    let Some(micro) = next.or_raise(py)? else { return Ok(None) };
                    return rows(py, Arc::new(Batch::new(micro, self.pad))).map(Some);
                }
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

fn rows(py: Python<'_>, batch: Arc<Batch>) -> PyResult<Bound<'_, PyList>> {
    let number = batch.micro.rows as u32;
    let rows: PyResult<Vec<Bound<'_, Row>>> =
        (0..number).map(|row| Bound::new(py, Row { batch: batch.clone(), row })).collect();
    PyList::new(py, rows?)
}

/// A micro-batch, and where its rows lie in it.
#[derive(Debug)]
pub(crate) struct Batch {
    micro: MicroBatch,
    /// Where each row's tokens begin, and the end.
    tokens: Vec<usize>,
    /// Where each row's masked tokens begin in `masked` and `labels`, and the end.
    masked: Vec<usize>,
    pad: i64,
}

impl Batch {
    fn new(micro: MicroBatch, pad: i64) -> Batch {
        let mut tokens = vec![0];
        tokens.extend(micro.lengths.iter().scan(0, |end, &length| {
            *end += length as usize;
            Some(*end)
        }));
        // Masked places ascend through the whole micro-batch.
        let masked = tokens.iter().map(|&start| micro.masked.partition_point(|&at| (at as usize) < start));
        Batch { masked: masked.collect(), tokens, micro, pad }
    }
}

/// A row with its masks. Pieces, masks and labels as the trainer has them.
#[pyclass(frozen, module = "quanci._native")]
pub(crate) struct Row {
    batch: Arc<Batch>,
    row: u32,
}

impl Row {
    fn at(&self) -> usize {
        self.row as usize
    }

    /// What the model sees.
    pub(crate) fn ids(&self) -> &[i64] {
        let tokens = &self.batch.tokens;
        &self.batch.micro.input_ids[tokens[self.at()]..tokens[self.at() + 1]]
    }

    /// Positions in the row to be predicted, and the original ids there.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (usize, i64)> {
        let (start, masked) = (self.batch.tokens[self.at()], &self.batch.masked);
        let range = masked[self.at()]..masked[self.at() + 1];
        let micro = &self.batch.micro;
        let places = micro.masked[range.clone()].iter().map(move |&place| place as usize - start);
        places.zip(micro.labels[range].iter().copied())
    }

    /// Position of B's first token; the row's length where there is no B.
    pub(crate) fn b(&self) -> usize {
        self.batch.micro.segment_b[self.at()] as usize
    }

    /// The label of the pair.
    pub(crate) fn pair(&self) -> Option<i64> {
        self.batch.micro.pair_labels.get(self.at()).copied()
    }

    /// True if both are rows of the same micro-batch.
    pub(crate) fn is_beside(&self, other: &Row) -> bool {
        Arc::ptr_eq(&self.batch, &other.batch)
    }

    /// Rows of its micro-batch.
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch.micro.rows
    }

    /// The id of `[PAD]`.
    pub(crate) fn pad(&self) -> i64 {
        self.batch.pad
    }
}

#[pymethods]
impl Row {
    fn __len__(&self) -> usize {
        self.ids().len()
    }

    fn __repr__(&self) -> String {
        let (data_set, file, row) = self.key();
        format!("Row({} tokens; data set {data_set}, file {file}, row {row})", self.ids().len())
    }

    /// What the model sees: the ids, masks laid in.
    #[getter]
    fn input_ids(&self) -> Vec<i64> {
        self.ids().to_vec()
    }

    /// Positions of the masked tokens, ascending.
    #[getter]
    fn masked_lm_positions(&self) -> Vec<usize> {
        self.labels().map(|(position, _)| position).collect()
    }

    /// The original ids there.
    #[getter]
    fn masked_lm_labels(&self) -> Vec<i64> {
        self.labels().map(|(_, label)| label).collect()
    }

    /// Position of B's first token, if there is a B.
    #[getter]
    fn segment_b(&self) -> Option<usize> {
        Some(self.b()).filter(|&b| b < self.ids().len())
    }

    /// The label of the pair, if there is a B.
    #[getter]
    fn next_sentence_label(&self) -> Option<i64> {
        self.pair()
    }

    /// (data set, file, row): where it lies, the same in every epoch.
    #[getter]
    fn key(&self) -> (u32, u32, u64) {
        let key = self.batch.micro.keys[self.at()];
        (key.data_set, key.file, key.row)
    }
}
