//! Draws panels and the legend below them, as SVG.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::curves::{Panel, Points, RunCurves, Unit};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawError = DrawingAreaErrorKind<std::io::Error>;

/// Okabe and Ito's colors, which people with any color vision tell apart, but for yellow, too pale on white.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const GRAY: RGBColor = RGBColor(90, 90, 90);
const GRID: RGBColor = RGBColor(228, 228, 228);
const PANEL: (u32, u32) = (560, 340);
const MARGIN: i32 = 24;
const LINE: i32 = 24;
const FONT: &str = "sans-serif";
const TEXT: i32 = 16;

/// The picture.
///
/// # Errors
/// What the drawing library says.
pub(super) fn draw(panels: &[Panel], names: &[String]) -> Result<String, String> {
    let (columns, rows) = (panels.len().min(2), panels.len().div_ceil(2));
    let width = PANEL.0 * columns as u32;
    let entries = legend(panels, names, width as i32);
    let lines = entries.iter().map(|entry| entry.line + 1).max().unwrap_or(0);
    let (above, below) = (PANEL.1 * rows as u32, (LINE * lines + LINE) as u32);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, above + below)).into_drawing_area();
        let drawn = root.fill(&WHITE).and_then(|()| {
            let (curves, names) = root.split_vertically(above);
            for (area, shown) in curves.split_evenly((rows, columns)).iter().zip(panels) {
                panel(area, shown)?;
            }
            entries.iter().try_for_each(|entry| entry.draw(&names))?;
            root.present()
        });
        drawn.map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

/// Runs beyond the colors take them again, dashed.
fn color(run: usize) -> RGBColor {
    COLORS[run % COLORS.len()]
}

/// What a line of the legend looks like.
#[derive(Clone, Copy)]
enum Stroke {
    HeldOut(usize),
    Training,
    Reference,
}

/// An entry of the legend and its place below the panels.
struct Entry {
    stroke: Stroke,
    text: String,
    line: i32,
    x: i32,
}

/// The runs, then what the kinds of lines mean, as many on a line as fit.
fn legend(panels: &[Panel], names: &[String], width: i32) -> Vec<Entry> {
    let mut texts: Vec<(Stroke, String)> =
        names.iter().enumerate().map(|(run, name)| (Stroke::HeldOut(run), name.clone())).collect();
    let has = |curve: fn(&RunCurves) -> &Points| {
        panels.iter().any(|panel| panel.runs.iter().any(|run| !curve(run).is_empty()))
    };
    if has(|run| &run.held_out) && has(|run| &run.training) {
        texts.push((Stroke::Training, "pale: in training; strong: held out".to_owned()));
    }
    if panels.iter().any(|panel| !panel.references.is_empty()) {
        texts.push((Stroke::Reference, "without a model".to_owned()));
    }
    let (mut line, mut x) = (0, MARGIN);
    let place = |(stroke, text): (Stroke, String)| {
        let wide = 44 + text_width(&text) + 28;
        if x > MARGIN && x + wide > width - MARGIN {
            (line, x) = (line + 1, MARGIN);
        }
        let entry = Entry { stroke, text, line, x };
        x += wide;
        entry
    };
    texts.into_iter().map(place).collect()
}

/// About the width of a text: the picture's reader chooses the font.
fn text_width(text: &str) -> i32 {
    let em = f64::from(TEXT) / 1.24;
    text.chars().map(|c| if c.is_ascii() { 0.6 * em } else { em }).sum::<f64>().ceil() as i32
}

impl Entry {
    fn draw(&self, area: &Area<'_>) -> Result<(), DrawError> {
        let y = LINE * self.line + LINE / 2;
        let ends = [(self.x, y), (self.x + 34, y)];
        match self.stroke {
            Stroke::HeldOut(run) if run < COLORS.len() => {
                area.draw(&PathElement::new(ends, color(run).stroke_width(3)))?;
            }
            Stroke::HeldOut(run) => {
                area.draw(&DashedPathElement::new(ends, 6, 4, color(run).stroke_width(3)))?;
            }
            Stroke::Training => area.draw(&PathElement::new(ends, COLORS[0].mix(0.4).stroke_width(1)))?,
            Stroke::Reference => area.draw(&DashedPathElement::new(ends, 4, 4, GRAY.stroke_width(1)))?,
        }
        let place = Pos::new(HPos::Left, VPos::Center);
        area.draw(&Text::new(self.text.clone(), (self.x + 44, y), text_style(TEXT).pos(place)))
    }
}

fn text_style(size: i32) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(&BLACK)
}

fn panel(area: &Area<'_>, panel: &Panel) -> Result<(), DrawError> {
    let x = Axis::of_steps(panel.points().map(|point| point.0).fold(0.0, f64::max));
    let y = values(panel);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(36)
        .caption(&*panel.kind.title, text_style(20))
        .x_label_area_size(48)
        .y_label_area_size(78)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRAY)
        .label_style(text_style(15))
        .axis_desc_style(text_style(15))
        .x_desc("step")
        .y_desc(format!("{}{}", panel.kind.axis, y.note))
        .draw()?;
    let ends = [x.low, x.high];
    for &value in &panel.references {
        let line = ends.into_iter().map(|x| (x, value));
        chart.draw_series(DashedLineSeries::new(line, 4, 4, GRAY.stroke_width(1)))?;
    }
    for (lowest, label) in reference_labels(panel, 0.07 * (y.high - y.low)) {
        let style = text_style(14).color(&GRAY).pos(Pos::new(HPos::Right, VPos::Top));
        // Below the line: a model that learns is above it.
        let at = (x.high, lowest - 0.012 * (y.high - y.low));
        chart.draw_series(std::iter::once(Text::new(label, at, style)))?;
    }
    // Strong lines over pale ones.
    let pale = panel.runs.iter().enumerate().map(|(run, curves)| (run, &curves.training, true));
    let strong = panel.runs.iter().enumerate().map(|(run, curves)| (run, &curves.held_out, false));
    for (run, points, is_training) in pale.chain(strong).filter(|(_, points, _)| !points.is_empty()) {
        let is_alone = is_training && panel.runs[run].held_out.is_empty();
        let style = match is_training {
            true if !is_alone => color(run).mix(0.4).stroke_width(1),
            _ => color(run).stroke_width(2),
        };
        // From gap to gap.
        for line in points.split(|point| point.1.is_nan()).filter(|line| !line.is_empty()) {
            if run < COLORS.len() {
                chart.draw_series(LineSeries::new(line.iter().copied(), style))?;
            } else {
                chart.draw_series(DashedLineSeries::new(line.iter().copied(), 6, 4, style))?;
            }
            // Few evaluations are points that were joined; a single one is no line at all.
            if line.len() == 1 || (!is_training && points.len() <= 40) {
                chart.draw_series(line.iter().map(|&point| Circle::new(point, 3, color(run).filled())))?;
            }
        }
    }
    Ok(())
}

/// The labels of the references, each with the lowest value that it names: lines closer than `room` share one.
fn reference_labels(panel: &Panel, room: f64) -> Vec<(f64, String)> {
    let Some((_, name)) = panel.kind.reference else { return Vec::new() };
    // Its labels have one decimal.
    let axis = Axis::of_values(0.0, 0.005, panel.kind.unit);
    let groups = panel.references.chunk_by(|one, next| next - one < room);
    let label = |group: &[f64]| {
        let [lowest, more @ ..] = group else { unreachable!("groups have members") };
        let highest = more.last().map_or(String::new(), |highest| format!(" to {}", axis.label(*highest)));
        (*lowest, format!("{name} {}{highest}", axis.label(*lowest)))
    };
    groups.map(label).collect()
}

/// The axis of a panel's values; shares begin at 0 unless all are far from it.
fn values(panel: &Panel) -> Axis {
    let values = panel.points().map(|point| point.1).chain(panel.references.iter().copied());
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let room = 0.1 * (high - low);
    let low = match panel.kind.unit {
        Unit::Percent if low < 0.4 * high => 0.0,
        // The label of a reference stands below its line.
        Unit::Percent if panel.references.iter().any(|value| value - low < room) => low - room,
        _ => low,
    };
    Axis::of_values(low, high, panel.kind.unit)
}
