//! `score`: models on the sets of a suite, beside what was published for it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quanci_cli::{Output, from_here};
use serde_json::{Value, json};

use super::args::{Common, Score};
use super::model::{checkpoint_of, tokenizer_of};
use super::tune_run::{Context, LOCK_WAIT, counts, one_device, scored, signal, tell_notices, with_run};
use crate::checkpoint::{self, RunLock};
use crate::config::TuneSettings;
use crate::error::Error;
use crate::score::{self, Grid, Measured, Origin, Outcome, Point, Row, Suite, Tasks};
use crate::tune::{self, Beginning, TuneRun, put};

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
    let context = Context { device, signal: signal()?, heartbeat: &|| Ok(()), output };
    let scoring = Scoring { suite: &suite, models: &models, points: &points, context, output };
    if args.check {
        return scoring.check(&runs);
    }
    scoring.find_models(&runs)?;
    refuse_other_table(&args.output, &suite.name)?;
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
    context: Context<'a>,
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
                with_run(settings, beginning, &self.context, |run| {
                    tell_notices(&run, self.output);
                    tune::check_start(&run)?;
                    self.output.result(format_args!(
                        "{}: {set}: {}; {} runs of {} seeds",
                        model.name,
                        counts(&run),
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
                    let beginning = self.beginning(model, settings)?;
                    // What should be known of a set is the same at every point.
                    let is_first = outcomes.is_empty();
                    let opened = |run: &TuneRun<'_>| {
                        if is_first {
                            tell_notices(run, self.output);
                        }
                    };
                    let outcome = scored(settings, beginning, &self.context, point, opened)?;
                    if is_first {
                        self.compare_columns(set, &outcome, at == 0)?;
                    }
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

    /// Fails if a column asks for a score that the task does not have. Says which cells stay empty, because the labels of their split
    /// are not known.
    fn compare_columns(&self, set: &str, outcome: &Outcome, is_told: bool) -> Result<(), Error> {
        for column in self.suite.columns.iter().filter(|column| column.set == set) {
            let Some(scores) = outcome.scores.get(column.split.name()) else {
                if is_told {
                    let split = column.split.name();
                    self.output
                        .warning(format_args!("{}: {set} has no labels of {split}: no score", column.title));
                }
                continue;
            };
            if !scores.contains_key(&column.score) {
                let known: Vec<&str> = scores.keys().map(String::as_str).collect();
                return Err(Error::settings(format!(
                    "the column {} asks for the score {}, which {set} does not have: {}",
                    column.title,
                    column.score,
                    known.join(", ")
                )));
            }
        }
        Ok(())
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

/// Fails if the folder holds another table than one of this suite: it would be replaced.
fn refuse_other_table(folder: &Path, suite: &str) -> Result<(), Error> {
    let refused = |what: &str| {
        let message = format!("{what}; choose another folder with -o");
        Err(Error::Output { path: folder.to_path_buf(), message })
    };
    match std::fs::read_to_string(folder.join(JSON)) {
        Err(error) if error.kind() == ErrorKind::NotFound => match folder.join(MARKDOWN).exists() {
            true => refused("holds a scores.md that is not of this command"),
            false => Ok(()),
        },
        Err(error) => Err(Error::io("read", folder.join(JSON))(error)),
        Ok(text) => {
            let table: Value = serde_json::from_str(&text).unwrap_or_default();
            match table["suite"].as_str() {
                Some(own) if own == suite => Ok(()),
                Some(own) => refused(&format!("holds the table of the suite {own}")),
                None => refused("holds a scores.json that is not of this command"),
            }
        }
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
        if models.iter().any(|model| model.name == name) || (args.random && name == RANDOM) {
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
