//! What is said first: the name, the most important numbers, and what should be looked at.

use quanci_shards::mask::{MaskMode, MaskUnit};
use quanci_shards::{Manifest, Objective, Split};

use super::html::{Section, both, escape, paragraph};
use crate::config::SampleShare;
use crate::view::stats::Stats;
use crate::view::table::{count, percent};

/// The title of the page, and what stands above its sections.
pub(super) fn head(manifest: &Manifest, stats: &Stats) -> (String, String) {
    let names: Vec<&str> = stats.train.sources.keys().map(String::as_str).collect();
    let named = match names.as_slice() {
        [] => "data set".to_owned(),
        names if names.len() > 4 => format!("{}, … ({})", names[..3].join(", "), names.len()),
        names => names.join(", "),
    };
    let kind = both("Data set report", "数据集报告");
    let mut head = format!(
        "<p class=\"kind\">quanci · {kind}</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
        escape(&named),
        both(&described_en(stats), &described_zh(stats))
    );
    if let Some(share) = manifest.sample() {
        head.push_str(&sample(manifest, stats, share));
    }
    head.push_str(&numbers(manifest, stats));
    (format!("{named} – quanci"), head)
}

fn described_en(stats: &Stats) -> String {
    let objective = match stats.objective {
        Objective::Nsp => "Pairs for next sentence prediction",
        Objective::Sop => "Pairs for sentence order prediction",
        Objective::Mlm => "Single segments",
    };
    let mode = if stats.masking.mode == MaskMode::Static { "static" } else { "dynamic" };
    format!(
        "{objective}, up to {} tokens; {mode} masks of {}, {:.1} % of a row",
        stats.max_seq_len,
        stats.masking.unit.describe(),
        100.0 * stats.masking.prob
    )
}

fn described_zh(stats: &Stats) -> String {
    let objective = match stats.objective {
        Objective::Nsp => "下一句预测（NSP）的句对",
        Objective::Sop => "句序预测（SOP）的句对",
        Objective::Mlm => "单段文本",
    };
    let mode = if stats.masking.mode == MaskMode::Static { "静态" } else { "动态" };
    let unit = match stats.masking.unit {
        MaskUnit::Word => "全词",
        MaskUnit::Piece => "单个 token 的",
        MaskUnit::Ngram => "词的 n 元组",
    };
    format!(
        "{objective}，最长 {} 个 token；{mode}{unit}掩码，占每行的 {:.1} %",
        stats.max_seq_len,
        100.0 * stats.masking.prob
    )
}

/// What a sample is, and about how large the whole data set would be.
fn sample(manifest: &Manifest, stats: &Stats, share: f64) -> String {
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let whole = |n: u64| rounded(n as f64 / share);
    let gb = format!("{:.2}", bytes as f64 / share / 1e9);
    let percent = SampleShare::of(share);
    let (rows, tokens, documents) =
        (whole(stats.train.rows), whole(stats.train.tokens), whole(stats.counters.train.documents));
    paragraph(
        "banner",
        &format!(
            "<b>A sample of {percent} of the documents.</b> The whole corpus would give about {documents} documents, {rows} \
             training rows, {tokens} tokens and {gb} GB of shards. Equal texts are taken together, so the share of exact \
             repeats is about that of the whole."
        ),
        &format!(
            "<b>这是 {percent} 文档的抽样。</b>全部语料大约会得到 {documents} 篇文档、{rows} 行训练数据、{tokens} 个 token 和 {gb} GB \
             分片。相同的文本要么全部抽到，要么一篇也不抽，所以重复的比例与全部语料大致相同。"
        ),
    )
}

/// A number with three significant digits.
fn rounded(n: f64) -> String {
    let digits = n.max(1.0).log10().floor() as i32;
    let unit = 10f64.powi((digits - 2).max(0));
    count(((n / unit).round() * unit) as u64)
}

fn numbers(manifest: &Manifest, stats: &Stats) -> String {
    let counters = &stats.counters;
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    let dropped: u64 = counters.dropped.counts.values().sum();
    let card = |number: String, en: &str, zh: &str| {
        format!("<div class=\"card\"><b>{number}</b>{}</div>\n", both(en, zh))
    };
    let validation = manifest.rows(Split::Validation, 0);
    let copies = manifest.copies;
    let cards = [
        card(count(counters.train.documents), "documents for training", "篇训练文档"),
        card(count(dropped), "documents and records dropped", "篇（条）被丢弃"),
        card(
            count(stats.train.rows),
            &format!("training rows in {copies} copies; {} for validation", count(validation)),
            &format!("行训练数据，共 {copies} 份副本；验证 {} 行", count(validation)),
        ),
        card(count(stats.train.tokens), "tokens in training rows", "个 token（训练行）"),
        card(
            percent(counters.read.unknown, counters.read.pieces),
            "of the tokens are [UNK]",
            "的 token 是 [UNK]",
        ),
        card(
            format!("{:.1} MB", bytes as f64 / 1e6),
            &format!("in {} shards", count(manifest.shards.len() as u64)),
            &format!("共 {} 个分片", count(manifest.shards.len() as u64)),
        ),
    ];
    format!("<div class=\"cards\">\n{}</div>\n", cards.concat())
}

/// What should be looked at before training.
pub(super) fn section(manifest: &Manifest, stats: &Stats) -> Section {
    let mut body = String::new();
    if stats.notes.is_empty() {
        body.push_str(&paragraph(
            "good",
            "Nothing stands out: labels, lengths, [UNK] and repeats are within the usual limits.",
            "没有发现异常：标签、长度、[UNK] 和重复都在正常范围内。",
        ));
    } else {
        let note = |note: &crate::view::stats::Note| {
            format!("<li>{}</li>\n", both(&escape(&note.en), &escape(&note.zh)))
        };
        let notes: String = stats.notes.iter().map(note).collect();
        body.push_str(&format!("<ul class=\"notes\">\n{notes}</ul>\n"));
    }
    body.push_str(&super::origin::fingerprint(manifest));
    Section { id: "overview", title: ("What to know before training", "训练之前要知道的"), body }
}
