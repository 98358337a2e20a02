//! `score`: models on the sets of a suite, beside what was published for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use quanci_cli::{Output, from_here};
use serde_json::json;
use tch::Device;

use super::args::{Common, Score};
use super::model::{checkpoint_of, tokenizer_of};
use super::tune_run::{LOCK_WAIT, one_device, scored, signal, with_run};
use crate::checkpoint::{self, RunLock};
use crate::config::TuneSettings;
use crate::error::Error;
use crate::score::{self, Grid, Measured, Origin, Point, Row, Suite, Tasks};
use crate::tune::{self, Beginning, Split, put};

/// A model that is scored.
struct Model {
    /// What its row and the folder of its runs are called.
    name: String,
    /// A checkpoint, or a folder or file of weights.
    weights: PathBuf,
    /// The folder of its tokenizer.
    tokenizer: PathBuf,
    origin: Origin,
    /// Step and tokens, of a checkpoint of quanci's.
    trained: Option<(u64, u64)>,
}

/// `quanci-train score`.
pub(super) fn score(args: &Score, common: &Common, output: &Output) -> Result<(), Error> {
    let mut suite = Suite::find(&args.suite)?;
    suite.keep(&args.sets)?;
    let models = models(args)?;
    let grid = match (args.no_grid, args.grid.as_slice()) {
        (true, _) => Grid::default(),
        (false, []) => Grid::of_suite(&suite.grid),
        (false, own) => Grid::of_arguments(own)?,
    };
    let tasks = Tasks {
        suite: &suite,
        data: &args.data,
        output: &args.output,
        overrides: &common.overrides,
        seeds: &args.seeds,
    };
    let points = grid.points();
    let device = one_device("score", common)?;
    let runs = runs(&tasks, &models, &points)?;
    let scoring =
        Scoring { suite: &suite, models: &models, points: &points, device, signal: signal()?, output };
    if args.check {
        return scoring.check(&runs);
    }
    scoring.find_models(&runs)?;
    let _lock = RunLock::acquire(&args.output, LOCK_WAIT, |notice| output.warning(notice))?;
    let rows = scoring.score(&runs, &args.output)?;
    output.result(score::markdown(&suite, &rows).trim_end());
    let (table, scores) = (args.output.join(MARKDOWN), args.output.join(JSON));
    output.result(format_args!("\ntable     {}", from_here(&table)));
    output.result(format_args!("scores    {}", from_here(&scores)));
    output.json(&json!({ "ok": true, "table": table, "scores": scores, "rows": rows }));
    Ok(())
}

const MARKDOWN: &str = "scores.md";
const JSON: &str = "scores.json";

/// The settings of every run: by model, set and point of the grid.
type Runs = Vec<BTreeMap<String, Vec<TuneSettings>>>;

/// Every problem of the settings comes back at once.
fn runs(tasks: &Tasks<'_>, models: &[Model], points: &[Point]) -> Result<Runs, Error> {
    let mut problems: Vec<String> = Vec::new();
    let mut runs = Runs::new();
    for model in models {
        let mut sets = BTreeMap::new();
        for set in tasks.suite.sets() {
            let mut settings = Vec::new();
            for point in points {
                match tasks.settings(&model.name, &model.weights, set, point) {
                    Ok(own) => settings.push(own),
                    Err(Error::Settings(own)) => {
                        problems.extend(
                            own.into_iter().filter(|problem| !problems.contains(problem)).collect::<Vec<_>>(),
                        );
                    }
                    Err(error) => return Err(error),
                }
            }
            sets.insert(set.to_owned(), settings);
        }
        runs.push(sets);
    }
    if problems.is_empty() { Ok(runs) } else { Err(Error::Settings(problems)) }
}

/// What all runs of the command share.
struct Scoring<'a> {
    suite: &'a Suite,
    models: &'a [Model],
    points: &'a [Point],
    device: Device,
    signal: Arc<AtomicUsize>,
    output: &'a Output,
}

impl Scoring<'_> {
    /// Fails if a model is not there, before anything is written.
    fn find_models(&self, runs: &Runs) -> Result<(), Error> {
        for (model, sets) in self.models.iter().zip(runs) {
            if let Some(settings) = sets.values().flatten().next() {
                self.beginning(model, settings)?;
            }
        }
        Ok(())
    }

    fn beginning(&self, model: &Model, settings: &TuneSettings) -> Result<Beginning, Error> {
        let init = Some((model.weights.clone(), model.tokenizer.clone()));
        let beginning = Beginning::find(settings, init)?;
        let init = beginning.init.filter(|_| model.origin != Origin::Random);
        Ok(Beginning { init, ..beginning })
    }

    /// Opens every run of the first point and says what there is to do.
    fn check(&self, runs: &Runs) -> Result<(), Error> {
        for (model, sets) in self.models.iter().zip(runs) {
            for (set, settings) in sets {
                let Some(settings) = settings.first() else { continue };
                let beginning = self.beginning(model, settings)?;
                with_run(settings, beginning, self.device, self.signal.clone(), self.output, |run| {
                    tune::check_start(&run)?;
                    let parts = [Split::Train, Split::Dev, Split::Test].into_iter();
                    let counts: Vec<String> = parts
                        .filter(|&split| run.items(split) > 0)
                        .map(|split| format!("{} {}", split.name(), run.items(split)))
                        .collect();
                    self.output.result(format_args!(
                        "{}: {set}: {}; {} runs of {} seeds",
                        model.name,
                        counts.join(", "),
                        self.points.len(),
                        settings.seeds.len()
                    ));
                    Ok(())
                })?;
            }
        }
        self.output.result("no problem found");
        self.output.json(&json!({ "ok": true }));
        Ok(())
    }

    /// Runs what is not done, and writes the table after every set. Gives its rows.
    fn score(&self, runs: &Runs, folder: &Path) -> Result<Vec<Row>, Error> {
        let all = self.models.len() * self.suite.sets().len() * self.points.len();
        let mut measured: Vec<Measured> = vec![Measured::new(); self.models.len()];
        let mut done = 0;
        for (at, (model, sets)) in self.models.iter().zip(runs).enumerate() {
            for (set, settings) in sets {
                let mut outcomes = Vec::new();
                for (settings, point) in settings.iter().zip(self.points) {
                    done += 1;
                    let (device, signal) = (self.device, self.signal.clone());
                    let beginning = self.beginning(model, settings)?;
                    let outcome =
                        scored(settings, beginning, device, signal, &|| Ok(()), point, self.output)?;
                    self.output.message(format_args!(
                        "{done} of {all}: {}, {set}{}{}: dev {} {:.2}",
                        model.name,
                        if point.name.is_empty() { "" } else { ", " },
                        point.name,
                        outcome.metric,
                        100.0 * outcome.dev()
                    ));
                    outcomes.push(outcome);
                }
                if let Some(best) = score::best(&outcomes) {
                    measured[at].insert(set.clone(), best.clone());
                }
                self.write(&self.rows(&measured), folder)?;
            }
        }
        Ok(self.rows(&measured))
    }

    fn rows(&self, measured: &[Measured]) -> Vec<Row> {
        let mut rows = score::published(self.suite);
        for (model, own) in self.models.iter().zip(measured) {
            let mut row = Row::measured(self.suite, &model.name, model.origin, own);
            (row.step, row.tokens) = model.trained.unzip();
            rows.push(row);
        }
        rows.extend(measured.first().map(|own| Row::guess(self.suite, own)));
        rows
    }

    fn write(&self, rows: &[Row], folder: &Path) -> Result<(), Error> {
        let Suite { name, title, source, procedure, columns, .. } = self.suite;
        let columns: Vec<_> = columns.iter().map(|column| &column.title).collect();
        let json = json!({
            "suite": name, "title": title, "source": source, "procedure": procedure, "columns": columns, "rows": rows,
        });
        let json = serde_json::to_string_pretty(&json).expect("a table has string keys only") + "\n";
        put(&folder.join(JSON), json.as_bytes())?;
        put(&folder.join(MARKDOWN), score::markdown(self.suite, rows).as_bytes())
    }
}

/// The models of the command line, and the first one's shape with random weights if that is asked for.
fn models(args: &Score) -> Result<Vec<Model>, Error> {
    let mut models: Vec<Model> = Vec::new();
    for argument in &args.models {
        let (name, path) = match argument.split_once('=') {
            Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
            None => (name_of(Path::new(argument)), PathBuf::from(argument)),
        };
        let is_plain = |c: char| c.is_alphanumeric() || "-_.+@ ()".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(Error::settings(format!(
                "{argument}: `{name}` cannot be the name of a folder: give the model another one, as NAME=PATH"
            )));
        }
        if models.iter().any(|model| model.name == name) {
            return Err(Error::settings(format!(
                "{argument}: another model is called `{name}`: give one of them another name, as NAME=PATH"
            )));
        }
        let weights = checkpoint_of(&path)?;
        let trained = weights.join(checkpoint::STATE_FILE).is_file();
        let trained = trained.then(|| checkpoint::read_state(&weights)).transpose()?;
        models.push(Model {
            name,
            tokenizer: tokenizer_of(&path),
            weights,
            origin: Origin::Measured,
            trained: trained.map(|state| (state.step, state.tokens)),
        });
    }
    if args.random {
        let Some(Model { weights, tokenizer, .. }) = models.first() else { return Ok(models) };
        models.push(Model {
            name: RANDOM.to_owned(),
            weights: weights.clone(),
            tokenizer: tokenizer.clone(),
            origin: Origin::Random,
            trained: None,
        });
    }
    Ok(models)
}

/// The row of random weights.
const RANDOM: &str = "random weights";

/// The last part of a path that says which model it is: neither `model` nor `checkpoints`.
fn name_of(path: &Path) -> String {
    let parts = path.components().filter_map(|part| part.as_os_str().to_str());
    let parts: Vec<&str> =
        parts.filter(|part| !["model", checkpoint::FOLDER, ".", ".."].contains(part)).collect();
    let last = parts.last().copied().unwrap_or_default();
    match parts.len().checked_sub(2).map(|at| parts[at]) {
        // Checkpoints of several runs have the same names.
        Some(run) if last.starts_with("step-") => format!("{run} {last}"),
        _ => last.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_what_tells_it_apart() {
        for (path, name) in [
            ("models/bert-base-chinese", "bert-base-chinese"),
            ("runs/mini/model", "mini"),
            ("runs/mini", "mini"),
            ("runs/mini/checkpoints/step-0000001000", "mini step-0000001000"),
            ("./google/bert_model.ckpt", "bert_model.ckpt"),
            ("..", ""),
        ] {
            assert_eq!(name_of(Path::new(path)), name, "{path}");
        }
    }
}
