//! Finds out how documents are separated in plain text.

use crate::config::Format;

/// Ends of sentences; a closing quote may follow.
const ENDS: [char; 8] = ['。', '！', '？', '…', '!', '?', '；', ';'];
const CLOSES: [char; 6] = ['”', '’', '」', '』', '）', '"'];

/// Counts over the lines of a sample.
#[derive(Debug, Default)]
struct LineStats {
    /// Lines with text.
    full: usize,
    /// Groups of such lines between blank lines.
    blocks: usize,
    chars: usize,
    /// Ends of sentences, within lines and at their ends.
    sentences: usize,
    /// Lines that end with the end of a sentence.
    ended: usize,
    /// Lines that begin with white space, like the paragraphs of a printed book.
    indented: usize,
}

/// The format of a text that begins with `sample`. `alone`: the file is one of few of its kind.
pub(super) fn of_text(sample: &str, alone: bool) -> Format {
    let lines = LineStats::of(sample);
    if lines.full == 0 {
        return Format::Files;
    }
    let per = |n: usize| n as f64 / lines.full as f64;
    let lines_a_block = lines.full as f64 / lines.blocks.max(1) as f64;
    // At least 3 blocks: one blank line may also separate a title from its text.
    if lines.blocks >= 3 && lines_a_block >= 1.5 {
        // In doubt, paragraphs: they are split into sentences, which leaves a single sentence as it is.
        let one_sentence_a_line = per(lines.sentences) < 1.1 && per(lines.ended) > 0.8;
        return if one_sentence_a_line { Format::Sentences } else { Format::Paragraphs };
    }
    // A blank line after every paragraph does not separate documents.
    let is_spaced = lines.blocks >= 3;
    // Thresholds were found on public Chinese corpora: lines that are documents are long and have several sentences.
    let is_long = per(lines.chars) >= 120.0 && per(lines.sentences) >= 2.0;
    // One of many files is usually a document by itself; many documents in one file are usually in few files.
    if alone && !is_spaced && lines.full >= 5 && is_long && per(lines.indented) < 0.2 {
        return Format::Documents;
    }
    Format::Files
}

impl LineStats {
    fn of(sample: &str) -> LineStats {
        let mut lines = LineStats::default();
        let mut is_blank = true;
        for line in sample.lines() {
            let text = line.trim();
            if text.is_empty() {
                is_blank = true;
                continue;
            }
            lines.blocks += usize::from(is_blank);
            is_blank = false;
            lines.full += 1;
            lines.chars += text.chars().count();
            lines.sentences += text.chars().filter(|c| ENDS.contains(c)).count();
            lines.ended += usize::from(text.trim_end_matches(CLOSES).ends_with(ENDS));
            lines.indented += usize::from(line.starts_with(char::is_whitespace));
        }
        lines
    }
}

/// True for a Chinese character (Unicode's CJK unified and compatibility ideographs).
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

/// True if more than 5 % of the letters and digits of a sample are Hanzi.
pub(super) fn is_chinese(sample: &str) -> bool {
    let (mut all, mut han) = (0, 0);
    for c in sample.chars().filter(|c| c.is_alphanumeric()) {
        all += 1;
        han += usize::from(is_han(c));
    }
    han * 20 > all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let sentences = "今天天气很好。\n我们出去玩吧！\n好的。\n\n".repeat(5);
        assert_eq!(of_text(&sentences, true), Format::Sentences);
        let paragraph = format!("{}\n", "他说完就走了。没有人回答他，天色也晚了。".repeat(4));
        assert_eq!(of_text(&format!("题目\n{paragraph}{paragraph}\n").repeat(4), true), Format::Paragraphs);
        assert_eq!(of_text(&format!("{paragraph}\n").repeat(9), true), Format::Files, "spaced paragraphs");
        let document = format!("{}\n", "他说完就走了。没有人回答他，天色也晚了。".repeat(9));
        assert_eq!(of_text(&document.repeat(9), true), Format::Documents);
        assert_eq!(of_text(&document.repeat(9), false), Format::Files, "one of many");
        assert_eq!(of_text(&format!("　　{document}").repeat(9), true), Format::Files, "a novel");
        assert_eq!(of_text("", true), Format::Files);
    }

    #[test]
    fn chinese_or_not() {
        assert!(is_chinese("Rust 语言很好用") && !is_chinese("MIT License") && !is_chinese("0123 abcd"));
    }
}
