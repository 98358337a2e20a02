//! The lines of a document: their ends, whether they are like a menu's, and whether they come again.

use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_64;

use super::kinds::Kind;
use crate::config::FilterSettings;
use crate::drops::Reason;

/// Lines of so few characters are like those of lists, if they have no marks.
const SHORT: u64 = 12;
/// A line of so many parts is like a menu,
const PARTS: u64 = 4;
/// if a part has so few characters.
const PART_CHARS: u64 = 8;

/// Shorter lines come again in any text: answers in a dialogue, fences of code.
const COMPARED: u64 = 8;

/// Counts of a document's lines.
#[derive(Default)]
pub(super) struct Lines {
    all: u64,
    with_end: u64,
    bullets: u64,
    ellipses: u64,
    repeated: u64,
    repeated_chars: u64,
    list_chars: u64,
    seen: FxHashSet<u64>,
}

/// What a line looks like.
pub(super) struct Shape {
    marks: u64,
    parts: u64,
    in_part: bool,
    last: char,
}

impl Shape {
    /// Adds the next character of the line.
    pub(super) fn add(&mut self, kind: Kind, c: char) {
        let parts = kind == Kind::Space
            || matches!(c, '|' | '>' | '»' | '/' | '·' | '•' | '-' | '_' | '│' | '｜' | '、');
        self.parts += u64::from(!parts && !self.in_part);
        self.in_part = !parts;
        if kind == Kind::Mark
            && matches!(c, '，' | '。' | '．' | '！' | '？' | '；' | ',' | '!' | '?' | ';' | '…')
        {
            self.marks += 1;
        }
        if kind != Kind::Space {
            self.last = c;
        }
    }
}

impl Lines {
    /// Begins a line.
    pub(super) fn begin(&mut self, line: &str) -> Shape {
        let is_bullet = |c| matches!(c, '•' | '●' | '-' | '*' | '·' | '■' | '◆' | '○' | '□' | '▪' | '►');
        self.all += 1;
        self.bullets += u64::from(line.starts_with(is_bullet));
        self.ellipses += u64::from(line.ends_with(['…', '⋯']) || line.ends_with("..."));
        Shape { marks: 0, parts: 0, in_part: false, last: ' ' }
    }

    /// Ends a line of so many visible characters.
    pub(super) fn end(&mut self, line: &str, shape: &Shape, visible: u64) {
        let is_end = |c| {
            matches!(
                c,
                '。' | '．'
                    | '｡'
                    | '！'
                    | '？'
                    | '…'
                    | '；'
                    | '：'
                    | '，'
                    | '”'
                    | '’'
                    | '」'
                    | '』'
                    | '）'
                    | '》'
                    | '】'
                    | '.'
                    | '!'
                    | '?'
                    | '"'
                    | '\''
                    | ')'
                    | ':'
                    | ';'
                    | ','
            )
        };
        self.with_end += u64::from(is_end(shape.last));
        let is_menu = shape.parts >= PARTS && visible <= PART_CHARS * shape.parts;
        let is_sentence = shape.marks > 0 || shape.last == '.';
        if !is_sentence && (visible <= SHORT || is_menu) {
            self.list_chars += visible;
        }
        if visible >= COMPARED && !self.seen.insert(xxh3_64(line.as_bytes())) {
            self.repeated += 1;
            self.repeated_chars += visible;
        }
    }

    /// Whether the lines of a text of so many visible characters pass.
    pub(super) fn judge(&self, limits: &FilterSettings, visible: u64) -> Result<(), Reason> {
        let of_lines = |count: u64| count as f64 / self.all.max(1) as f64;
        let of_chars = |count: u64| count as f64 / visible.max(1) as f64;
        if of_lines(self.with_end) < limits.min_line_end_ratio {
            return Err(Reason::LineEnds);
        }
        let shares = [
            (of_chars(self.all.saturating_sub(1)), limits.max_line_breaks, Reason::LineBreaks),
            (of_chars(self.list_chars), limits.max_list_ratio, Reason::ListLike),
            (of_lines(self.bullets), limits.max_bullet_ratio, Reason::Bullets),
            (of_lines(self.ellipses), limits.max_ellipsis_ratio, Reason::Ellipses),
            (of_lines(self.repeated), limits.max_repeated_lines, Reason::RepeatedLines),
            (of_chars(self.repeated_chars), limits.max_repeated_line_chars, Reason::RepeatedLines),
        ];
        shares.into_iter().find(|(share, limit, _)| share > limit).map_or(Ok(()), |(.., reason)| Err(reason))
    }
}
