//! Formats numbers and tables.

use unicode_width::UnicodeWidthStr;

/// A number with thousands separators: 1,912,260.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share as a percentage, "15.23 %"; "-" if `whole` is 0.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.2} %", 100.0 * part as f64 / whole as f64),
    }
}

/// A mean with one decimal; "-" if `n` is 0.
pub(super) fn mean(sum: u64, n: u64) -> String {
    if n == 0 { "-".to_owned() } else { format!("{:.1}", sum as f64 / n as f64) }
}

/// Aligns the cells of rows: the first `left` columns to the left, the others, which are numbers, to the right.
pub(super) fn table(rows: &[Vec<String>], left: usize) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // Display width, not the number of characters: a Hanzi takes two columns of a terminal.
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if column < left { format!("{cell}{padding}") } else { format!("{padding}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A bar of up to `width` columns, with a resolution of an eighth of a column.
pub(super) fn bar(part: u64, most: u64, width: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Rounded up, so that the smallest part is visible. `u128`: the product of two `u64` counts may overflow.
    let eighths = (u128::from(part) * u128::from(width) * 8).div_ceil(u128::from(most.max(1))) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_912_260].map(count), ["0", "999", "1,000", "1,912,260"]);
        assert_eq!((percent(1, 8), percent(0, 0)), ("12.50 %".to_owned(), "-".to_owned()));
    }

    #[test]
    fn hanzi_take_two_columns() {
        let rows = [["新闻", "1"], ["news", "20"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 1), ["新闻   1", "news  20"]);
        assert_eq!((bar(1, 1, 3), bar(1, 2, 3), bar(0, 5, 3)), ("███".into(), "█▌".into(), String::new()));
    }
}
