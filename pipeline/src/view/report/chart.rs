//! Bars and histograms: drawings without text, which stretch to any width, with text of the page beside them.

use std::fmt::Write;

use super::html::both;
use crate::view::table::{count, percent};

/// A column of a histogram.
pub(super) struct Column {
    /// The lengths that it counts: `8`, `9–16`, `128+`.
    pub(super) label: String,
    /// What it counts, for each series.
    pub(super) counts: Vec<u64>,
}

/// Columns that count `step` lengths each, from length 1 on; `lengths` is indexed by length. With `open`, the last length
/// stands for longer ones too.
pub(super) fn columns(lengths: &[u64], step: usize, open: bool) -> Vec<Column> {
    let last = lengths.len().saturating_sub(1);
    // Without length 0, which nothing has.
    let chunks = lengths.get(1..).unwrap_or_default().chunks(step.max(1));
    chunks
        .enumerate()
        .map(|(i, chunk)| {
            let (first, end) = (i * step + 1, i * step + chunk.len());
            let more = if open && end == last { "+" } else { "" };
            let label =
                if first == end { format!("{first}{more}") } else { format!("{first}–{end}{more}") };
            Column { label, counts: vec![chunk.iter().sum()] }
        })
        .collect()
}

/// Columns of lengths that double: 1, 2–3, 4–7, …
pub(super) fn doubling(counts: &[u64]) -> Vec<Column> {
    let first = counts.iter().position(|&n| n > 0).unwrap_or(0);
    let column = |(i, &n): (usize, &u64)| {
        let (from, to) = (1u64 << i, (1u64 << i).saturating_mul(2) - 1);
        let label = if from == to { count(from) } else { format!("{}–{}", count(from), count(to)) };
        Column { label, counts: vec![n] }
    };
    counts.iter().enumerate().skip(first).map(column).collect()
}

/// Words in both languages.
pub(super) type Words<'a> = (&'a str, &'a str);

/// A histogram. Several series stand side by side, each as a share of its own total.
pub(super) fn histogram(
    id: &str,
    title: Words<'_>,
    unit: Words<'_>,
    columns: &[Column],
    note: &str,
) -> String {
    let series = columns.iter().map(|column| column.counts.len()).max().unwrap_or(0);
    let of = |column: &Column, series: usize| column.counts.get(series).copied().unwrap_or(0);
    let totals: Vec<u64> =
        (0..series).map(|series| columns.iter().map(|column| of(column, series)).sum()).collect();
    let share = |column: &Column, series: usize| of(column, series) as f64 / totals[series].max(1) as f64;
    let highest = columns
        .iter()
        .flat_map(|column| (0..series).map(move |series| share(column, series)))
        .fold(0.0, f64::max);
    let mut bars = String::new();
    for (i, column) in columns.iter().enumerate() {
        for (s, &total) in totals.iter().enumerate() {
            let height = 100.0 * share(column, s) / highest.max(f64::MIN_POSITIVE);
            let n = of(column, s);
            // What is there is seen.
            let height = if n > 0 { height.max(0.8) } else { 0.0 };
            let width = 0.86 / series as f64;
            let x = i as f64 + 0.07 + s as f64 * width;
            // Writing to a string cannot fail.
            writeln!(
                bars,
                "<rect class=\"s{s}\" data-n=\"{n}\" x=\"{x:.3}\" y=\"{:.2}\" width=\"{width:.3}\" height=\"{height:.2}\">\
                 <title>{}: {} ({})</title></rect>",
                100.0 - height,
                column.label,
                count(n),
                percent(n, total)
            )
            .ok();
        }
    }
    let wide = columns.len().max(1);
    let top = percent((highest * 1e6).round() as u64, 1_000_000);
    format!(
        "<figure class=\"chart\" id=\"chart-{id}\">\n<figcaption><b>{}</b> <span class=\"unit\">{}</span></figcaption>\n\
         <div class=\"top\">{top}</div>\n\
         <svg viewBox=\"0 0 {wide} 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\n{bars}</svg>\n{}\
         <div class=\"note\">{note}</div>\n</figure>\n",
        both(title.0, title.1),
        both(unit.0, unit.1),
        title.0,
        ticks(columns),
    )
}

/// A few labels below the columns.
fn ticks(columns: &[Column]) -> String {
    const MOST: usize = 6;
    let step = columns.len().div_ceil(MOST).max(1);
    let mut ticks = "<div class=\"ticks\">".to_owned();
    let shown: Vec<usize> = (0..columns.len()).step_by(step).collect();
    for (at, &i) in shown.iter().enumerate() {
        // The last one ends where the drawing ends.
        let is_last = at + 1 == shown.len() && i + step >= columns.len();
        let i = if is_last { columns.len() - 1 } else { i };
        let center = 100.0 * (i as f64 + 0.5) / columns.len() as f64;
        let label = columns[i].label.split('–').next().unwrap_or_default();
        let label = if is_last { columns[i].label.rsplit('–').next().unwrap_or_default() } else { label };
        let place =
            if is_last { "class=\"last\"".to_owned() } else { format!("style=\"left:{center:.2}%\"") };
        write!(ticks, "<span {place}>{label}</span>").ok();
    }
    ticks + "</div>\n"
}

/// A bar from `from` to `to`, as shares of the whole.
pub(super) fn bar(class: &str, from: f64, to: f64) -> String {
    // What is there is seen.
    let width = (100.0 * (to - from)).max(if to > from { 0.4 } else { 0.0 });
    let x = (100.0 * from).min(100.0 - width);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"{class}\" x=\"{x:.3}\" y=\"0\" width=\"{width:.3}\" height=\"10\"/></svg>"
    )
}

/// A part of a whole, from 0 to 1.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_columns() {
        let labels =
            |columns: Vec<Column>| columns.into_iter().map(|column| column.label).collect::<Vec<_>>();
        assert_eq!(labels(columns(&[0, 1, 2, 3, 4, 5], 2, true)), ["1–2", "3–4", "5+"]);
        assert_eq!(labels(doubling(&[0, 1, 1])), ["2–3", "4–7"]);
        let all: u64 = columns(&[9, 1, 2, 3], 2, false).iter().flat_map(|column| &column.counts).sum();
        assert_eq!(all, 6);
    }
}
