//! Ranges of axes, and ticks whose labels are the values they stand at.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::curves::Unit;

/// An axis: its range and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    ticks: Vec<f64>,
    /// Labels are values times this.
    factor: f64,
    decimals: usize,
    suffix: &'static str,
    /// What stands behind the axis's title, such as ` (10⁻⁴)`.
    pub(super) note: String,
}

impl Axis {
    /// An axis of steps, from 0 to the last one.
    pub(super) fn of_steps(last: f64) -> Axis {
        let last = last.max(1.0);
        let gap = nice(last / 6.0).max(1.0);
        let (factor, suffix) = match last {
            // Six ticks of these fit beside each other written out.
            0.0..50_000.0 => (1.0, ""),
            50_000.0..1_500_000.0 => (1e-3, " k"),
            _ => (1e-6, " M"),
        };
        let ticks = multiples(gap, 0.0, last);
        Axis {
            low: 0.0,
            high: last,
            ticks,
            factor,
            decimals: decimals(gap * factor),
            suffix,
            note: String::new(),
        }
    }

    /// An axis of values that reaches from `low` to `high` at least, and ends at ticks.
    pub(super) fn of_values(low: f64, high: f64, unit: Unit) -> Axis {
        // A curve that never moves still needs some height.
        let room = if high > low { 0.0 } else { (high.abs() * 0.1).max(1e-6) };
        let (low, high) = (low - room, high + room);
        let gap = nice((high - low) / 5.0);
        let (low, high) = ((low / gap + 1e-9).floor() * gap, (high / gap - 1e-9).ceil() * gap);
        let (factor, suffix, note) = match unit {
            Unit::Percent => (100.0, " %", String::new()),
            Unit::Plain if high.abs() < 0.01 => {
                let exponent = high.abs().max(1e-300).log10().floor() as i32;
                (10f64.powi(-exponent), "", format!(" (10{})", raised(exponent)))
            }
            Unit::Plain => (1.0, "", String::new()),
        };
        let ticks = multiples(gap, low, high);
        Axis { low, high, ticks, factor, decimals: decimals(gap * factor), suffix, note }
    }

    /// A tick's label.
    pub(super) fn label(&self, value: f64) -> String {
        let shown = value * self.factor;
        // Neither `-0` of a rounded difference nor `0 k`.
        if shown.abs() < 1e-9 && self.suffix != " %" && self.decimals == 0 {
            return "0".to_owned();
        }
        let text = format!("{:.*}", self.decimals, if shown.abs() < 1e-9 { 0.0 } else { shown });
        format!("{}{}", grouped(&text), self.suffix)
    }
}

/// Plotters' own axes choose ticks by themselves, and label them without knowing their neighbours.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

/// The multiples of `gap` in a range.
fn multiples(gap: f64, low: f64, high: f64) -> Vec<f64> {
    let (first, last) = ((low / gap - 1e-9).ceil() as i64, (high / gap + 1e-9).floor() as i64);
    (first..=last).map(|number| number as f64 * gap).collect()
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `gap`.
fn nice(gap: f64) -> f64 {
    let power = 10f64.powf(gap.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= gap * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Decimals that tell multiples of `gap` apart.
fn decimals(gap: f64) -> usize {
    (-(gap.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize
}

/// Commas between thousands.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut shown = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

/// A number in small raised digits.
fn raised(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|&tick| axis.label(tick)).collect()
    }

    #[test]
    fn labels_are_the_values_of_their_ticks() {
        assert_eq!(labels(&Axis::of_steps(4_000.0)), ["0", "1,000", "2,000", "3,000", "4,000"]);
        assert_eq!(labels(&Axis::of_steps(3.0)), ["0", "1", "2", "3"]);
        assert_eq!(
            labels(&Axis::of_steps(1_000_000.0)),
            ["0", "200 k", "400 k", "600 k", "800 k", "1,000 k"]
        );
        let axis = Axis::of_values(0.081, 0.2249, Unit::Percent);
        assert_eq!(labels(&axis), ["5 %", "10 %", "15 %", "20 %", "25 %"]);
        let axis = Axis::of_values(0.0, 1.5e-3, Unit::Plain);
        assert_eq!(
            (labels(&axis), axis.note.as_str()),
            (["0.0", "0.5", "1.0", "1.5"].map(String::from).to_vec(), " (10⁻³)")
        );
        assert_eq!(labels(&Axis::of_values(6.84, 6.87, Unit::Plain)), ["6.84", "6.85", "6.86", "6.87"]);
    }

    /// Whatever the range, labels are distinct, and the range is covered.
    #[test]
    fn labels_are_distinct() {
        for (low, high) in [(0.0, 0.0), (7.0, 7.0), (-1.0, 1e-5), (1e-9, 2e-9), (0.5, 0.5001), (2.0, 9_999.0)]
        {
            for unit in [Unit::Plain, Unit::Percent] {
                let axis = Axis::of_values(low, high, unit);
                let mut shown = labels(&axis);
                let all = shown.len();
                shown.dedup();
                assert!(shown.len() == all && all >= 2, "{low} {high}: {shown:?}");
                assert!(axis.low <= low && axis.high >= high, "{axis:?}");
            }
        }
    }
}
