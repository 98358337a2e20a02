//! Formats rows for the terminal. Colors add nothing that the marks do not show, so output without colors is complete.

use std::fmt;

use owo_colors::OwoColorize;
use quanci_cli::visible;
use unicode_width::UnicodeWidthStr;

use super::{Inspection, ShownPiece, ShownRow, ShownWord};

/// Columns per line.
const WIDTH: usize = 100;
const INDENT: &str = "    ";

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let legend =
            format!("words are separated by spaces; {}masked{}{}what the model sees; ", OPEN, CLOSE, ARROW);
        writeln!(f, "{}", format!("{legend}{KEPT}x: masked, but x is kept").dimmed())?;
        if let Some(seed) = self.drawn_with {
            let told =
                format!("dynamic masks: not stored, drawn here with seed {seed} as the trainer draws them");
            writeln!(f, "{}", told.dimmed())?;
        }
        for row in &self.rows {
            write!(f, "\n{}", Shown(row))?;
        }
        Ok(())
    }
}

const OPEN: &str = "【";
const CLOSE: &str = "】";
const ARROW: &str = "→";
const KEPT: &str = "=";

struct Shown<'a>(&'a ShownRow);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        let share = 100.0 * row.masked as f64 / row.length.max(1) as f64;
        let place = format!("{} row {}", visible(&row.file), row.row);
        write!(f, "{}  {} tokens, {} masked ({share:.1} %)", place.bold(), row.length, row.masked)?;
        if let Some(label) = row.label_words {
            write!(f, ", {}", label.bold())?;
        }
        writeln!(
            f,
            "\n{}",
            format!("{INDENT}source {}, document {}", visible(&row.source), row.document).dimmed()
        )?;
        segment(f, "A", &row.a)?;
        row.b.as_ref().map_or(Ok(()), |words| segment(f, "B", words))
    }
}

/// Writes the words of a segment, wrapped to [`WIDTH`] columns.
fn segment(f: &mut fmt::Formatter<'_>, name: &str, words: &[ShownWord]) -> fmt::Result {
    write!(f, "  {}", name.bold())?;
    let (mut column, mut is_first) = (INDENT.len(), true);
    for word in words {
        let (text, width) = spelled(word);
        // A word longer than a line gets a line of its own; words are never broken.
        if is_first {
            write!(f, " {text}")?;
        } else if column + 1 + width > WIDTH {
            write!(f, "\n{INDENT}{text}")?;
            column = INDENT.len();
        } else {
            write!(f, " {text}")?;
            column += 1;
        }
        column += width;
        is_first = false;
    }
    writeln!(f)
}

/// A word with its marks, and its display width without color codes.
fn spelled(word: &ShownWord) -> (String, usize) {
    let (mut text, mut width) = (String::new(), 0);
    // Neighboring masked tokens share one pair of brackets.
    for run in word.pieces.chunk_by(|a, b| a.input.is_some() == b.input.is_some()) {
        let original: String = run.iter().map(|piece| visible(&piece.piece)).collect();
        width += original.width();
        if run.iter().all(|piece| piece.input.is_none()) {
            text.push_str(&original);
            continue;
        }
        text.push_str(&format!("{OPEN}{}{CLOSE}{ARROW}", original.green().bold()));
        width += OPEN.width() + CLOSE.width() + ARROW.width();
        for piece in run {
            let (seen, columns) = seen(piece);
            text.push_str(&seen);
            width += columns;
        }
    }
    (text, width)
}

/// What the model sees in place of a masked token, and its display width.
fn seen(piece: &ShownPiece) -> (String, usize) {
    let input = visible(piece.input.as_deref().unwrap_or_default());
    if input == visible(&piece.piece) {
        (format!("{}", format_args!("{KEPT}{input}").yellow()), KEPT.width() + input.width())
    } else if input == "[MASK]" {
        (format!("{}", input.red()), input.width())
    } else {
        (format!("{}", input.magenta()), input.width())
    }
}
