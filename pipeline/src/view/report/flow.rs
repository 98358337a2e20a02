//! The way from records to rows: how many documents were dropped for which reason, with samples; what was repaired; and
//! what came from which corpus.

use std::collections::BTreeMap;

use quanci_shards::Manifest;

use super::chart::{bar, share};
use super::html::{Section, both, escape, heading, paragraph, table};
use super::reasons;
use crate::counters::TextCounts;
use crate::drops::{Dropped, Reason, Sample};
use crate::view::stats::Stats;
use crate::view::table::{count, percent};

/// The waterfall, the repairs and the corpora.
pub(super) fn section(manifest: &Manifest, stats: &Stats) -> Section {
    let counters = &stats.counters;
    let mut body = paragraph(
        "",
        &format!(
            "{} records were read (by format: lines, objects, rows, pages or files), {} of them could not be used. What follows counts documents, \
             and records that gave none.",
            count(counters.records),
            count(counters.dropped.rejected())
        ),
        &format!(
            "共读取 {} 条记录（按格式为行、对象、表格行、页面或文件），其中 {} 条无法使用。下面按文档计数，没有得到文档的记录也算在内。",
            count(counters.records),
            count(counters.dropped.rejected())
        ),
    );
    body.push_str(&waterfall(stats));
    body.push_str(&text(stats));
    if !counters.repaired.is_empty() {
        body.push_str(&repairs(&counters.repaired));
    }
    body.push_str(&corpora(manifest, stats));
    Section { id: "flow", title: ("From records to rows", "从记录到数据行"), body }
}

/// What the documents hold that came out of cleaning.
fn text(stats: &Stats) -> String {
    let (train, validation) = (&stats.counters.read, &stats.counters.read_validation);
    let sum = |of: fn(&TextCounts) -> u64| of(train).saturating_add(of(validation));
    let mb = format!("{:.1}", sum(|text| text.text_bytes) as f64 / 1e6);
    let (sentences, words, pieces) =
        (count(sum(|text| text.sentences)), count(sum(|text| text.words)), count(sum(|text| text.pieces)));
    paragraph(
        "note",
        &format!(
            "After cleaning, before exact repeats were dropped: {mb} MB of text, {sentences} sentences, {words} words, {pieces} tokens."
        ),
        &format!("清洗之后、去重之前：文本 {mb} MB，{sentences} 句，{words} 个词，{pieces} 个 token。"),
    )
}

/// A step of the waterfall.
struct Step<'a> {
    class: &'static str,
    words: (String, String),
    number: u64,
    /// Where its bar begins and ends.
    from: u64,
    to: u64,
    samples: &'a [Sample],
}

fn waterfall(stats: &Stats) -> String {
    let counters = &stats.counters;
    let kept = [
        (counters.train.documents, "for training", "用于训练"),
        (counters.validation.documents, "for validation", "用于验证"),
    ];
    // These are among the documents that are kept: their text is B of others.
    let without = counters.dropped.of(Reason::NoInstance);
    // A damaged manifest may hold any numbers.
    let left = kept.iter().fold(0u64, |sum, (documents, ..)| sum.saturating_add(*documents));
    let drops: BTreeMap<Reason, u64> = counters
        .dropped
        .counts
        .iter()
        .filter(|&(&reason, &n)| n > 0 && reason != Reason::NoInstance)
        .map(|(&reason, &n)| (reason, n))
        .collect();
    let all = drops.values().fold(left, |sum, n| sum.saturating_add(*n));
    let step = |class, words: (String, String), number, from, to| Step {
        class,
        words,
        number,
        from,
        to,
        samples: &[],
    };
    let own = |en: &str, zh: &str| (en.to_owned(), zh.to_owned());
    let mut steps = vec![step("all", own("found", "读到"), all, 0, all)];
    let mut rest = all;
    for (&reason, &n) in &drops {
        let samples = counters.dropped.samples.get(&reason).map_or(&[][..], Vec::as_slice);
        let words = (reason.words().to_owned(), reasons::chinese(reason).to_owned());
        steps.push(Step { class: "drop", words, number: n, from: rest.saturating_sub(n), to: rest, samples });
        rest = rest.saturating_sub(n);
    }
    let mut from = 0;
    for (documents, en, zh) in kept.into_iter().filter(|(documents, ..)| *documents > 0) {
        steps.push(step("keep", own(en, zh), documents, from, from.saturating_add(documents)));
        from = from.saturating_add(documents);
    }
    if without > 0 {
        steps.push(step(
            "none",
            own("of these, without an instance of their own", "其中没有构成样本的"),
            without,
            0,
            without,
        ));
    }
    let lines: String = steps.iter().map(|step| line(step, all)).collect();
    format!("<div class=\"flow\" id=\"waterfall\">\n{lines}</div>\n")
}

fn line(step: &Step<'_>, all: u64) -> String {
    let Step { class, words, number, from, to, samples } = step;
    let sign = if *class == "drop" { "−" } else { "" };
    let inner = format!(
        "<span class=\"what\">{}</span><span class=\"n\" data-n=\"{number}\">{sign}{}</span><span class=\"n part\">{}</span>{}",
        both(&escape(&words.0), &escape(&words.1)),
        count(*number),
        percent(*number, all),
        bar(class, share(*from, all), share(*to, all)),
    );
    if samples.is_empty() {
        return format!("<div class=\"step {class}\">{inner}</div>\n");
    }
    format!("<details class=\"step {class}\"><summary>{inner}</summary>\n{}</details>\n", list(samples))
}

/// Samples, as text that is nothing else.
fn list(samples: &[Sample]) -> String {
    let item = |sample: &Sample| {
        // Control characters and line ends can be seen.
        let text = if sample.text.is_empty() { "∅".to_owned() } else { sample.text.replace('\n', " ⏎ ") };
        format!("<li><bdi>{}</bdi></li>\n", escape(&text))
    };
    format!("<ul class=\"samples\">\n{}</ul>\n", samples.iter().map(item).collect::<String>())
}

fn repairs(repaired: &Dropped) -> String {
    let mut body = heading("Repaired", "修补");
    body.push_str(&paragraph(
        "",
        "Left out of documents or replaced in them; the documents stay.",
        "从文档中去掉或替换的内容；文档本身保留。",
    ));
    body.push_str("<div class=\"flow\">\n");
    let most = repaired.counts.values().max().copied().unwrap_or(0);
    for (&reason, &n) in &repaired.counts {
        let samples = repaired.samples.get(&reason).map_or(&[][..], Vec::as_slice);
        let inner = format!(
            "<span class=\"what\">{}</span><span class=\"n\">{}</span><span></span>{}",
            both(&escape(reason.words()), &escape(reasons::chinese(reason))),
            count(n),
            bar("none", 0.0, share(n, most)),
        );
        body.push_str(&format!(
            "<details class=\"step none\"><summary>{inner}</summary>\n{}</details>\n",
            list(samples)
        ));
    }
    body + "</div>\n"
}

fn corpora(manifest: &Manifest, stats: &Stats) -> String {
    let mut rows = vec![vec![
        both("corpus", "语料"),
        both("documents", "文档"),
        both("training rows", "训练行"),
        both("tokens", "token"),
        both("share of the tokens", "占全部 token"),
        String::new(),
    ]];
    for (name, source) in &stats.train.sources {
        let documents = stats.counters.train.documents_by_source.get(name).copied().unwrap_or(0);
        rows.push(vec![
            format!("<bdi>{}</bdi>", escape(name)),
            count(documents),
            count(source.rows),
            count(source.tokens),
            percent(source.tokens, stats.train.tokens),
            bar("keep", 0.0, share(source.tokens, stats.train.tokens)),
        ]);
    }
    let weights = manifest.settings["corpus"].as_array().into_iter().flatten();
    let weighted = weights.filter_map(|corpus| corpus["weight"].as_f64()).any(|weight| weight != 1.0);
    let weighted = weighted || !stats.counters.weights.is_empty();
    let mut body = heading("By corpus", "按语料") + &table(&rows, 1);
    if weighted {
        body.push_str(&paragraph(
            "note",
            "With <code>weight</code> or <code>sampling_exponent</code>, documents of some corpora are used more or less often than once.",
            "设了 <code>weight</code> 或 <code>sampling_exponent</code> 时，有些语料的文档使用的次数不是一次。",
        ));
    }
    body
}
