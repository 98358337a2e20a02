//! Random instances with their words and masks in color. No color says anything that a mark does not say too.

use std::fmt::Write;

use super::html::{Section, both, escape, paragraph};
use super::labels::label_chinese;
use crate::view::inspect::{Inspection, ShownPiece, ShownRow, ShownWord};
use crate::view::table::percent;

/// Instances, and what their colors mean.
pub(super) fn section(inspected: &Inspection, seed: u64) -> Section {
    let mut body = paragraph(
        "",
        &format!("{} random training rows (seed {seed}), as the model gets them.", inspected.rows.len()),
        &format!("随机抽取的 {} 行训练数据（种子 {seed}），就是模型得到的样子。", inspected.rows.len()),
    );
    body.push_str(&legend());
    if let Some(seed) = inspected.drawn_with {
        body.push_str(&paragraph(
            "note",
            &format!("The masks are dynamic: drawn here with seed {seed}, as the trainer draws them."),
            &format!("掩码是动态的：这里用种子 {seed} 按训练器的方式抽取。"),
        ));
    }
    inspected.rows.iter().for_each(|row| body.push_str(&instance(inspected, row)));
    Section { id: "rows", title: ("Instances", "样本"), body }
}

fn legend() -> String {
    format!(
        "<p class=\"legend\"><span class=\"w\">{}</span><span class=\"w\">{}</span><span class=\"w\"><span class=\"m\">{}</span></span>\
         <span class=\"w\"><span class=\"m random\">{}<sub>x</sub></span></span>\
         <span class=\"w\"><span class=\"m kept\">{}<sub>=</sub></span></span><span class=\"special\">[CLS]</span> {}</p>\n",
        both("word", "词"),
        both("next word", "下一个词"),
        both("masked: the model sees [MASK]", "掩码：模型看到 [MASK]"),
        both("masked: the model sees x", "掩码：模型看到 x"),
        both("masked, but kept", "掩码，但保持原样"),
        both("special token", "特殊 token")
    )
}

fn instance(inspected: &Inspection, row: &ShownRow) -> String {
    let label = match (row.label, row.label_words) {
        (Some(label), Some(words)) => {
            let words = both(words, label_chinese(inspected.objective, label));
            format!("<span class=\"tag s{}\">{label}: {words}</span> ", label.clamp(0, 1))
        }
        _ => String::new(),
    };
    let counts = both(
        &format!(
            "{} tokens, {} masked ({})",
            row.length,
            row.masked,
            percent(row.masked as u64, row.length as u64)
        ),
        &format!(
            "{} 个 token，掩码 {} 个（{}）",
            row.length,
            row.masked,
            percent(row.masked as u64, row.length as u64)
        ),
    );
    let mut body = format!(
        "<article>\n<p class=\"place\">{label}{counts} · <bdi>{}</bdi> · <code>{} #{}</code></p>\n",
        escape(&row.source),
        escape(&row.file),
        row.row
    );
    body.push_str(&segment("A", "<span class=\"special\">[CLS]</span> ", &row.a));
    if let Some(b) = &row.b {
        body.push_str(&segment("B", "", b));
    }
    body + "</article>\n"
}

fn segment(name: &str, before: &str, words: &[ShownWord]) -> String {
    let words: String = words.iter().map(word).collect();
    format!(
        "<div class=\"segment seg-{}\"><b>{name}</b><p>{before}{words}<span class=\"special\">[SEP]</span></p></div>\n",
        name.to_ascii_lowercase()
    )
}

fn word(word: &ShownWord) -> String {
    let ids: Vec<String> = word.pieces.iter().map(|piece| piece.id.to_string()).collect();
    // Nobody knows what was there.
    let class = if word.pieces.iter().any(|piece| piece.piece == "[UNK]") { "w unk" } else { "w" };
    let mut html = format!("<span class=\"{class}\" title=\"{}\">", ids.join(" "));
    for run in word.pieces.chunk_by(|a, b| kind(a) == kind(b) && a.input.is_some() == b.input.is_some()) {
        let text: String = run.iter().map(|piece| escape(&piece.piece)).collect();
        let seen: String = run.iter().filter_map(|piece| piece.input.as_deref()).map(escape).collect();
        // Writing to a string cannot fail.
        match kind(&run[0]) {
            Kind::Plain => html.push_str(&text),
            Kind::Mask => write!(html, "<span class=\"m\">{text}</span>").unwrap_or_default(),
            Kind::Kept => {
                write!(html, "<span class=\"m kept\">{text}<sub>=</sub></span>").unwrap_or_default()
            }
            Kind::Random => {
                write!(html, "<span class=\"m random\">{text}<sub>{seen}</sub></span>").unwrap_or_default();
            }
        }
    }
    html + "</span>"
}

/// What the model sees in place of a token.
#[derive(PartialEq)]
enum Kind {
    Plain,
    Mask,
    Kept,
    Random,
}

fn kind(piece: &ShownPiece) -> Kind {
    match piece.input.as_deref() {
        None => Kind::Plain,
        Some("[MASK]") => Kind::Mask,
        Some(input) if input == piece.piece => Kind::Kept,
        Some(_) => Kind::Random,
    }
}
