//! What the text consists of: frequent words and characters, and the characters that become `[UNK]`.

use super::chart::{bar, share};
use super::html::{Section, escape, heading, paragraph};
use crate::view::stats::Stats;
use crate::view::table::{count, percent};

/// Words, characters, `[UNK]`.
pub(super) fn section(stats: &Stats) -> Section {
    let text = &stats.text;
    let words: Vec<(String, u64)> = text.words.clone();
    let characters = |of: &[(char, u64)]| -> Vec<(String, u64)> {
        of.iter().map(|&(c, n)| (visible_character(c), n)).collect()
    };
    let (used, entries) = (count(text.used_entries), count(text.entries));
    let body = super::charts::counted(stats)
        + &paragraph(
            "",
            &format!(
                "{used} of the {entries} entries of the vocabulary that text can have ({}) occur.",
                percent(text.used_entries, text.entries)
            ),
            &format!(
                "词表中可用于文本的 {entries} 个条目里，出现了 {used} 个（{}）。",
                percent(text.used_entries, text.entries)
            ),
        )
        + &heading("Words of two characters and more", "最常见的词（两个字以上）")
        + &tiles(&words)
        + &heading("Hanzi", "最常见的汉字")
        + &tiles(&characters(&text.han))
        + &heading("Other characters", "最常见的其他字符")
        + &tiles(&characters(&text.others))
        + &unknown(stats);
    Section { id: "text", title: ("Words and characters", "词与字"), body }
}

/// A character, or its code point where it cannot be seen.
fn visible_character(c: char) -> String {
    if c.is_whitespace() || c.is_control() { format!("U+{:04X}", u32::from(c)) } else { c.to_string() }
}

/// Texts with their counts.
fn tiles(of: &[(String, u64)]) -> String {
    if of.is_empty() {
        return paragraph("note", "None.", "没有。");
    }
    let tile = |(text, n): &(String, u64)| {
        format!("<li><bdi>{}</bdi><span class=\"n\">{}</span></li>\n", escape(text), count(*n))
    };
    format!("<ol class=\"tiles\">\n{}</ol>\n", of.iter().map(tile).collect::<String>())
}

fn unknown(stats: &Stats) -> String {
    let counters = &stats.counters;
    let (unknown, pieces) = (
        counters.read.unknown + counters.read_validation.unknown,
        counters.read.pieces + counters.read_validation.pieces,
    );
    let title = heading("What becomes [UNK]", "变成 [UNK] 的字符");
    if unknown == 0 {
        return title + &paragraph("good", "No token is [UNK].", "没有 token 是 [UNK]。");
    }
    let mut body = title
        + &paragraph(
            "",
            &format!(
                "{} of {} tokens ({}) are [UNK], in all documents that were read. Most come from these characters:",
                count(unknown),
                count(pieces),
                percent(unknown, pieces)
            ),
            &format!(
                "读到的全部文档中，{} 个 token 里有 {} 个（{}）是 [UNK]，多数来自这些字符：",
                count(pieces),
                count(unknown),
                percent(unknown, pieces)
            ),
        );
    let most = counters.unknown_characters.first().map_or(0, |(_, n)| *n);
    body.push_str("<div class=\"flow\" id=\"unknown\">\n");
    for &(c, n) in &counters.unknown_characters {
        let shown = visible_character(c);
        body.push_str(&format!(
            "<div class=\"step drop\"><span class=\"what\"><bdi>{}</bdi> <span class=\"unit\">U+{:04X}</span></span>\
             <span class=\"n\">{}</span><span class=\"n part\">{}</span>{}</div>\n",
            escape(&shown),
            u32::from(c),
            count(n),
            percent(n, unknown),
            bar("drop", 0.0, share(n, most))
        ));
    }
    body + "</div>\n"
}
