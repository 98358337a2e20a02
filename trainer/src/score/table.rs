//! The table: published rows, own rows, a guess; as Markdown and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::outcome::{Outcome, Spread};
use super::suite::{Cells, Suite};

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The model.
    pub model: String,
    /// Whose numbers they are.
    pub origin: Origin,
    /// The step of the run that the model is a checkpoint of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Tokens that it was trained on until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// For each column, in per cent.
    pub cells: Vec<Spread>,
    /// By set: the point of the grid that dev chose.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, String>,
}

/// Whose numbers a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Somebody's who published them.
    Published,
    /// Measured by this command.
    Measured,
    /// Measured, from weights that were drawn.
    Random,
    /// A guess that knows the training labels alone.
    Guess,
}

/// What was measured so far: outcomes by set, each set with the best point of its grid.
pub type Measured = BTreeMap<String, Outcome>;

impl Row {
    /// A row of measured scores; sets that are not done have no cells.
    pub fn measured(suite: &Suite, model: &str, origin: Origin, outcomes: &Measured) -> Row {
        let cell =
            |set: &str, split: &str, score: &str| outcomes.get(set)?.score(split, score).map(in_per_cent);
        let columns = suite.columns.iter();
        let chosen = outcomes.iter().filter(|(_, outcome)| !outcome.point.is_empty());
        Row {
            model: model.to_owned(),
            origin,
            step: None,
            tokens: None,
            cells: columns
                .map(|column| cell(&column.set, column.split.name(), &column.score).unwrap_or_default())
                .collect(),
            chosen: chosen.map(|(set, outcome)| (set.clone(), outcome.point.clone())).collect(),
        }
    }

    /// The row of a guess.
    pub fn guess(suite: &Suite, outcomes: &Measured) -> Row {
        let cell = |set: &str, split: &str, score: &str| {
            let share = *outcomes.get(set)?.guess.get(split)?.get(score)?;
            Some(in_per_cent(Spread { best: share, mean: share, deviation: None }))
        };
        let columns = suite.columns.iter();
        Row {
            model: "(a guess)".to_owned(),
            origin: Origin::Guess,
            step: None,
            tokens: None,
            cells: columns
                .map(|column| cell(&column.set, column.split.name(), &column.score).unwrap_or_default())
                .collect(),
            chosen: BTreeMap::new(),
        }
    }

    /// The mean of what the cells show first; nothing if one is missing.
    fn mean(&self, suite: &Suite) -> Option<f64> {
        let numbers: Option<Vec<f64>> = self.cells.iter().map(|cell| first(suite.cells, cell)).collect();
        numbers.map(|numbers| numbers.iter().sum::<f64>() / numbers.len().max(1) as f64)
    }
}

/// The published rows of a suite.
pub fn published(suite: &Suite) -> Vec<Row> {
    let number = |numbers: &[f64], at: usize| numbers.get(at).copied().filter(|number| number.is_finite());
    let rows = suite.published.iter().map(|row| Row {
        model: row.model.clone(),
        origin: Origin::Published,
        step: None,
        tokens: None,
        cells: (0..suite.columns.len())
            .map(|at| Spread { best: number(&row.best, at), mean: number(&row.mean, at), deviation: None })
            .collect(),
        chosen: BTreeMap::new(),
    });
    rows.collect()
}

/// The table as Markdown, with what must be known to read it.
pub fn markdown(suite: &Suite, rows: &[Row]) -> String {
    let mut text = format!("# {}\n\n", suite.title);
    let mut titles: Vec<&str> = vec!["model"];
    titles.extend(suite.columns.iter().map(|column| column.title.as_str()));
    titles.extend(suite.mean.then_some("mean"));
    line(&mut text, titles.iter().map(|title| (*title).to_owned()));
    line(&mut text, titles.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned()));
    for row in rows {
        let is_own = matches!(row.origin, Origin::Measured | Origin::Random);
        let model = if is_own { format!("**{}**", escaped(&row.model)) } else { escaped(&row.model) };
        let cells = row.cells.iter().map(|cell| shown(suite.cells, cell));
        let mean =
            suite.mean.then(|| row.mean(suite).map_or_else(|| "–".to_owned(), |mean| format!("{mean:.2}")));
        line(&mut text, std::iter::once(model).chain(cells).chain(mean));
    }
    text.push_str("\nPer cent. Bold rows were measured by `quanci-train score`");
    if rows.iter().any(|row| row.origin == Origin::Published) {
        write!(text, ", the others were published ({})", suite.source).ok();
    }
    text.push_str(match suite.cells {
        Cells::Best => ".",
        Cells::BestAndMean => ". The best, and the mean over the seeds in brackets.",
        Cells::MeanAndDeviation => ". Mean and standard deviation over the seeds.",
    });
    if rows.iter().any(|row| row.origin == Origin::Guess) {
        text.push_str(" The last row guesses: the most frequent label of training, the mean, or no answer.");
    }
    text.push('\n');
    if !suite.procedure.is_empty() {
        write!(text, "\nProcedure: {}.\n", suite.procedure).ok();
    }
    for row in rows.iter().filter(|row| !row.chosen.is_empty()) {
        let chosen: Vec<String> =
            row.chosen.iter().map(|(set, point)| format!("{set}: {}", point.replace(',', ", "))).collect();
        write!(text, "\n{}: dev chose {}.\n", escaped(&row.model), chosen.join("; ")).ok();
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    writeln!(text, "| {} |", cells.join(" | ")).ok();
}

/// Names of models are folders of the user's.
fn escaped(name: &str) -> String {
    name.replace('|', "\\|").replace('*', "\\*").replace('_', "\\_")
}

/// What a cell shows; two digits, as differences between seeds are larger than the third.
fn shown(cells: Cells, cell: &Spread) -> String {
    let Some(number) = first(cells, cell) else { return "–".to_owned() };
    match (cells, cell.mean, cell.deviation) {
        (Cells::BestAndMean, Some(mean), _) => format!("{number:.1} ({mean:.1})"),
        (Cells::BestAndMean, None, _) => format!("{number:.1}"),
        (Cells::MeanAndDeviation, _, Some(deviation)) => format!("{number:.2} ± {deviation:.2}"),
        (Cells::Best | Cells::MeanAndDeviation, ..) => format!("{number:.2}"),
    }
}

fn first(cells: Cells, cell: &Spread) -> Option<f64> {
    match cells {
        Cells::Best | Cells::BestAndMean => cell.best,
        Cells::MeanAndDeviation => cell.mean.or(cell.best),
    }
}

fn in_per_cent(cell: Spread) -> Spread {
    let hundredfold = |share: Option<f64>| share.map(|share| 100.0 * share);
    Spread {
        best: hundredfold(cell.best),
        mean: hundredfold(cell.mean),
        deviation: hundredfold(cell.deviation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(point: &str, best: f64, mean: f64) -> Outcome {
        let spread = Spread { best: Some(best), mean: Some(mean), deviation: Some(0.01) };
        let scores: BTreeMap<String, Spread> = [("accuracy".to_owned(), spread)].into();
        let guess: BTreeMap<String, Option<f64>> = [("accuracy".to_owned(), Some(0.5))].into();
        Outcome {
            id: String::new(),
            point: point.to_owned(),
            metric: "accuracy".to_owned(),
            scores: [("dev".to_owned(), scores.clone()), ("test".to_owned(), scores)].into(),
            guess: [("dev".to_owned(), guess)].into(),
        }
    }

    #[test]
    fn a_table_has_published_rows_own_rows_and_a_guess() {
        let mut suite = Suite::find("wwm").unwrap();
        suite.keep(&["bq".to_owned(), "msra-ner".to_owned()]).unwrap();
        let measured: Measured = [("bq".to_owned(), outcome("batch=8", 0.861, 0.8549))].into();
        let mut rows = published(&suite);
        rows.push(Row::measured(&suite, "my_model", Origin::Measured, &measured));
        rows.push(Row::guess(&suite, &measured));
        let text = markdown(&suite, &rows);
        for wanted in [
            "| model | BQ dev | BQ test | MSRA F1 |\n| --- | ---: | ---: | ---: |\n",
            "| BERT-wwm | 86.1 (85.6) | 85.2 (84.9) | 95.4 (95.1) |\n",
            "| BERT-wwm-ext | 86.4 (85.5) | 85.3 (84.8) | – |\n",
            "| **my\\_model** | 86.1 (85.5) | 86.1 (85.5) | – |\n",
            "| (a guess) | 50.0 (50.0) | – | – |\n",
            "my\\_model: dev chose bq: batch=8.\n",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
    }

    #[test]
    fn a_mean_is_of_all_columns_or_is_none() {
        let suite = Suite { cells: Cells::MeanAndDeviation, ..Suite::find("uer-6").unwrap() };
        let all = suite.sets().into_iter().map(|set| (set.to_owned(), outcome("", 0.9, 0.8))).collect();
        let row = Row::measured(&suite, "m", Origin::Random, &all);
        assert!(markdown(&suite, &[row]).contains("| 80.00 ± 1.00 | 80.00 |\n"));
        let row = Row::measured(&suite, "m", Origin::Random, &Measured::new());
        assert!(markdown(&suite, &[row]).contains("| – | – |\n"));
    }
}
