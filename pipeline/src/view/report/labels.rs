//! Masks and labels: whether they are what the settings ask for, and whether lengths tell the label.

use quanci_shards::Objective;

use super::chart::{Column, bar, histogram, share};
use super::html::{Section, both, heading, paragraph, table};
use crate::view::label_words;
use crate::view::stats::{Leak, Stats, Verdict};
use crate::view::table::{count, mean, percent};

/// Masks, and labels where there are some.
pub(super) fn section(stats: &Stats) -> Section {
    let mut body = masks(stats) + &masked_words(stats);
    if stats.objective != Objective::Mlm {
        body.push_str(&labels(stats));
    }
    Section { id: "masks", title: ("Masks and labels", "掩码与标签"), body }
}

fn masks(stats: &Stats) -> String {
    let mut rows = vec![vec![
        String::new(),
        both("masked tokens", "掩码 token"),
        both("of the tokens of A and B", "占 A、B 的 token"),
        both("of the budget", "占预算"),
        "[MASK]".to_owned(),
        both("random token", "随机 token"),
        both("kept", "保持原样"),
    ]];
    for (name, split) in
        [(both("training", "训练"), &stats.train), (both("validation", "验证"), &stats.validation)]
    {
        if split.rows > 0 {
            let masks = &split.masks;
            let share = |part| percent(part, masks.masked);
            rows.push(vec![
                name,
                count(masks.masked),
                percent(masks.masked, split.pieces),
                percent(masks.masked, masks.budget),
                share(masks.mask),
                share(masks.random),
                share(masks.keep),
            ]);
        }
    }
    let mut body = table(&rows, 1);
    if let Some(seed) = stats.drawn_with {
        body.push_str(&paragraph(
            "note",
            &format!(
                "Dynamic masks are not stored: these are drawn with seed {seed}, as the trainer draws them."
            ),
            &format!("动态掩码不存储：这里用种子 {seed} 按训练器的方式抽取。"),
        ));
    }
    body
}

fn masked_words(stats: &Stats) -> String {
    let mut rows = vec![vec![
        both("word of", "词长"),
        both("words", "词数"),
        both("share of the words", "占全部词"),
        both("masked tokens", "被掩码的 token"),
        String::new(),
    ]];
    let words = &stats.train.words;
    let all: u64 = words.iter().map(|words| words.words).sum();
    let names = [
        ("1 token", "1 个 token"),
        ("2 tokens", "2 个 token"),
        ("3 tokens", "3 个 token"),
        ("4 and more", "4 个以上"),
    ];
    for ((en, zh), words) in names.into_iter().zip(words) {
        rows.push(vec![
            both(en, zh),
            count(words.words),
            percent(words.words, all),
            percent(words.masked, words.pieces),
            bar("keep", 0.0, share(words.masked, words.pieces)),
        ]);
    }
    let runs = &stats.train.masks.runs;
    let all_runs: u64 = runs.iter().sum();
    let shares: Vec<String> = ["1", "2", "3", "4", "5+"]
        .iter()
        .zip(runs)
        .map(|(name, &run)| format!("{name}: {}", percent(run, all_runs)))
        .collect();
    let runs = shares.join(", ");
    heading("Masked words by length", "各长度词的掩码")
        + &table(&rows, 1)
        + &paragraph(
            "note",
            &format!("Runs of masked words that stand together: {runs}."),
            &format!("相连的掩码词数：{runs}。"),
        )
}

/// The meaning of a label in Chinese.
pub(super) fn label_chinese(objective: Objective, label: i8) -> &'static str {
    match (objective, label) {
        (Objective::Sop, 0) => "顺序正确",
        (Objective::Sop, 1) => "顺序对调",
        (Objective::Nsp, 0) => "B 接在 A 后",
        (Objective::Nsp, 1) => "B 是随机的",
        _ => "未知标签",
    }
}

fn labels(stats: &Stats) -> String {
    let pairs = &stats.train.labels;
    let all: u64 = pairs.iter().map(|pairs| pairs.rows).sum();
    let mut rows = vec![vec![
        both("label", "标签"),
        both("rows", "行"),
        both("share", "比例"),
        both("mean length of A", "A 平均长度"),
        both("of B", "B 平均长度"),
        String::new(),
    ]];
    for (label, of) in (0i8..).zip(pairs) {
        let words = both(label_words(stats.objective, label), label_chinese(stats.objective, label));
        rows.push(vec![
            format!("<i class=\"key s{label}\"></i>{label}: {words}"),
            count(of.rows),
            percent(of.rows, all),
            mean(of.a, of.rows),
            mean(of.b, of.rows),
            bar(if label == 0 { "s0" } else { "s1" }, 0.0, share(of.rows, all)),
        ]);
    }
    let forced = percent(stats.counters.train.forced, stats.counters.train.instances);
    heading("Labels", "标签")
        + &table(&rows, 1)
        + &paragraph(
            "note",
            &format!("{forced} of the labels could not be drawn at random."),
            &format!("{forced} 的标签无法随机抽取。"),
        )
        + &heading("Do lengths tell the label?", "长度会泄露标签吗？")
        + &verdict(stats.leak.as_ref())
        + &histogram(
            "labels",
            ("Pairs by label", "按标签分的句对"),
            (
                "share of each label's pairs by tokens of A and B together: alike if lengths tell nothing",
                "各标签的句对按 A、B 总长所占比例；单位 token。若长度不泄露标签，两者应相近",
            ),
            &by_length(stats),
            "",
        )
}

fn by_length(stats: &Stats) -> Vec<Column> {
    let [zeros, ones] = &stats.pair_lengths;
    // 24 columns at most.
    let step = zeros.len().max(ones.len()).div_ceil(24).max(1);
    let sum = |counts: &[u64], i: usize| counts.iter().skip(i * step).take(step).sum::<u64>();
    let columns = zeros.len().max(ones.len()).div_ceil(step);
    (0..columns)
        .map(|i| {
            let (first, end) = (i * step * stats.pair_bin, (i + 1) * step * stats.pair_bin - 1);
            Column { label: format!("{first}–{end}"), counts: vec![sum(zeros, i), sum(ones, i)] }
        })
        .collect()
}

fn verdict(leak: Option<&Leak>) -> String {
    let Some(leak) = leak else {
        return paragraph("", "Too few pairs to tell.", "句对太少，无法判断。");
    };
    let (class, en, zh) = match leak.verdict() {
        Verdict::Chance => ("good", "No better than chance.", "与随机猜测无异。"),
        Verdict::Hardly => {
            ("good", "Hardly: only slightly better than chance.", "几乎不会：只比随机猜测略好。")
        }
        Verdict::ALittle => ("bad", "A little.", "有一点。"),
        Verdict::Yes => (
            "bad",
            "Yes: a model may learn the lengths instead of the text.",
            "会：模型可能学到长度，而不是内容。",
        ),
    };
    let (accuracy, majority, auc, deviation) =
        (100.0 * leak.accuracy, 100.0 * leak.majority, leak.auc, leak.auc_deviation);
    paragraph(
        class,
        &format!(
            "<b>{en}</b> From lengths alone, {accuracy:.2} % of the labels can be predicted, and {majority:.2} % by always \
             taking the more frequent one; AUC {auc:.3} (chance: 0.5 ± {deviation:.4})."
        ),
        &format!(
            "<b>{zh}</b> 只凭长度能猜对 {accuracy:.2} % 的标签，总猜较多的标签能对 {majority:.2} %；AUC 为 {auc:.3}\
             （随机：0.5 ± {deviation:.4}）。"
        ),
    )
}
