//! Curves of one or more runs, as SVG: losses and accuracies, in training and held out.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::jsonl::{LOG_FILE, read_lines};
use crate::error::Error;

/// The panels of a plot: a title and the values shown in it, the first held out and the second in training.
const PANELS: [(&str, [&str; 2]); 4] = [
    ("MLM loss", ["eval/mlm_loss", "train/mlm_loss"]),
    ("MLM accuracy", ["eval/mlm_accuracy/all", "train/mlm_accuracy"]),
    ("pair accuracy", ["eval/pair_accuracy", "train/pair_accuracy"]),
    ("learning rate", ["train/learning_rate", "train/learning_rate"]),
];

/// A run's curve: step and value.
type Curve = Vec<(f64, f64)>;

/// Draws the curves of `runs` (folders of runs) into the file `output`: held out thick, in training thin.
pub fn plot(runs: &[PathBuf], output: &Path) -> Result<(), Error> {
    if output.extension().is_none_or(|extension| extension != "svg") {
        return Err(Error::settings(format!("{}: plots are SVG; name the file so", output.display())));
    }
    let logs: Result<Vec<_>, Error> = runs.iter().map(|run| read_lines(&run.join(LOG_FILE))).collect();
    let logs = logs?;
    let curves = |name: &str| -> Vec<Curve> {
        let value = |line: &serde_json::Map<String, serde_json::Value>| {
            Some((line.get("step")?.as_f64()?, line.get(name)?.as_f64()?))
        };
        logs.iter().map(|log| log.iter().filter_map(value).collect()).collect()
    };
    let panels: Vec<(&str, [Vec<Curve>; 2])> = PANELS
        .iter()
        .map(|(title, names)| (*title, names.map(curves)))
        .filter(|(_, kinds)| kinds.iter().flatten().any(|curve| !curve.is_empty()))
        .collect();
    if panels.is_empty() {
        return Err(Error::settings("the runs' logs hold no curve yet".to_owned()));
    }
    let names: Vec<String> =
        runs.iter().map(|run| run.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    draw(&panels, &names, output)
        .map_err(|problem| Error::Output { path: output.to_path_buf(), message: problem })?;
    let marked =
        File::options().append(true).open(output).and_then(|mut file| file.write_all(MARK.as_bytes()));
    marked.map_err(Error::io("write", output))
}

/// At the end of every plot: tells our files from others.
const MARK: &str = "<!-- drawn by quanci-train plot -->\n";

/// True for a file that [`plot`] has drawn.
pub fn is_plot(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.ends_with(MARK.as_bytes()))
}

fn draw(panels: &[(&str, [Vec<Curve>; 2])], names: &[String], output: &Path) -> Result<(), String> {
    let rows = panels.len().div_ceil(2);
    let root = SVGBackend::new(output, (960, 320 * rows as u32)).into_drawing_area();
    let said = |error: DrawingAreaErrorKind<_>| error.to_string();
    root.fill(&WHITE).map_err(said)?;
    for (area, (title, kinds)) in root.split_evenly((rows, panels.len().min(2))).iter().zip(panels) {
        panel(area, title, kinds, names)?;
    }
    root.present().map_err(said)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    kinds: &[Vec<Curve>; 2],
    names: &[String],
) -> Result<(), String> {
    let points = || kinds.iter().flatten().flatten();
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let (low, high) = points()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.1), high.max(point.1)));
    let margin = (0.05 * (high - low)).max(1e-9);
    let said = |error: DrawingAreaErrorKind<_>| error.to_string();
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, ("sans-serif", 18))
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)
        .map_err(said)?;
    let figures = |value: &f64| {
        if value.abs() < 0.01 && *value != 0.0 { format!("{value:.0e}") } else { format!("{value:.2}") }
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&figures)
        .draw()
        .map_err(said)?;
    for (kind, curves) in kinds.iter().enumerate().rev() {
        for (run, curve) in curves.iter().enumerate().filter(|(_, curve)| !curve.is_empty()) {
            let color = Palette99::pick(run).to_rgba();
            let style = if kind == 0 { color.stroke_width(2) } else { color.mix(0.4).stroke_width(1) };
            let series = chart.draw_series(LineSeries::new(curve.iter().copied(), style)).map_err(said)?;
            if kind == 0 || kinds[0][run].is_empty() {
                let line = move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2));
                series.label(names[run].clone()).legend(line);
            }
        }
    }
    // Names go where the curves do not end.
    let ends = kinds.iter().flatten().filter_map(|curve| curve.last());
    let (above, all) = ends
        .fold((0, 0), |(above, all), end| (above + usize::from(end.1 > f64::midpoint(low, high)), all + 1));
    let ends_high = 2 * above > all;
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(if ends_high { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight })
        .draw()
        .map_err(said)
}
