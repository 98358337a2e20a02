//! How long things are: documents, sentences, rows and words.

use super::chart::{columns, doubling, histogram};
use super::html::{Section, both, paragraph};
use crate::view::stats::{Lengths, Stats};
use crate::view::table::{count, percent};

/// Four histograms.
pub(super) fn section(stats: &Stats) -> Section {
    let text = &stats.text;
    let body = format!(
        "{}<div class=\"charts\">\n{}{}{}{}</div>\n",
        counted(stats),
        histogram(
            "documents",
            ("Documents", "文档"),
            ("share of documents by tokens", "各长度文档所占比例；单位 token，逐级加倍"),
            &doubling(&text.documents.by_doubling),
            &summary(&text.documents)
        ),
        histogram(
            "sentences",
            ("Sentences", "句子"),
            ("share of sentences by characters", "各长度句子所占比例；单位字符"),
            &columns(&text.sentences.by_length, 4, true),
            &sentences(stats)
        ),
        histogram(
            "rows",
            ("Training rows", "训练行"),
            ("share of rows by tokens", "各长度行所占比例；单位 token"),
            &columns(&stats.train.lengths, (stats.max_seq_len as usize).div_ceil(32), false),
            &padding(stats)
        ),
        histogram(
            "words",
            ("Words", "词"),
            ("share of words by characters", "各长度词所占比例；单位字符"),
            &columns(&text.word_lengths, 1, true),
            &words(stats)
        ),
    );
    Section { id: "lengths", title: ("Lengths", "长度"), body }
}

/// What documents, sentences and words were counted over.
pub(super) fn counted(stats: &Stats) -> String {
    let share = stats.text.share;
    let (en, zh) = if share < 1.0 {
        (
            format!("a share of {:.3} % of the training documents, chosen by content hash", 100.0 * share),
            format!("按内容哈希选出的 {:.3} % 训练文档", 100.0 * share),
        )
    } else {
        ("all training documents".to_owned(), "全部训练文档".to_owned())
    };
    paragraph(
        "note",
        &format!(
            "Documents, sentences and words are counted in the rows of the first copy, over {en}. What pair building left out of the \
             rows is not in them, and sentences are found again by their marks: a line without a mark at its end counts \
             with what follows."
        ),
        &format!(
            "文档、句子和词按第一份副本的数据行统计，范围是{zh}。构造句对时舍去的文字不在其中；句子按标点重新切分，行末没有标点的行与后文算作一句。"
        ),
    )
}

fn summary(lengths: &Lengths) -> String {
    let Lengths { number, mean, median, p90, longest, .. } = lengths;
    let (number, median, p90, longest) = (count(*number), count(*median), count(*p90), count(*longest));
    both(
        &format!("{number} documents: mean {mean:.1}, median {median}, 90 % up to {p90}, longest {longest}"),
        &format!("{number} 篇：平均 {mean:.1}，中位数 {median}，90 % 不超过 {p90}，最长 {longest}"),
    )
}

fn sentences(stats: &Stats) -> String {
    let (lengths, read) = (&stats.text.sentences, &stats.counters.read);
    let (mean, median, p90) = (lengths.mean, count(lengths.median), count(lengths.p90));
    // Of the run itself, before repeats were dropped.
    let (all, exact) = (count(read.sentences), read.pieces as f64 / read.sentences.max(1) as f64);
    both(
        &format!(
            "mean {mean:.1} characters, median {median}, 90 % up to {p90}; in the run itself, {all} sentences of {exact:.1} \
             tokens on average"
        ),
        &format!(
            "平均 {mean:.1} 个字符，中位数 {median}，90 % 不超过 {p90}；运行时共 {all} 句，平均 {exact:.1} 个 token"
        ),
    )
}

fn padding(stats: &Stats) -> String {
    let train = &stats.train;
    let full = train.rows * u64::from(stats.max_seq_len);
    let of_full = percent(full.saturating_sub(train.tokens), full);
    let mean = train.tokens as f64 / train.rows.max(1) as f64;
    let rows = count(train.rows);
    both(
        &format!(
            "{rows} rows: mean {mean:.1}; {of_full} would be padding if all were padded to {}",
            stats.max_seq_len
        ),
        &format!("{rows} 行：平均 {mean:.1}；若全部补齐到 {}，填充占 {of_full}", stats.max_seq_len),
    )
}

fn words(stats: &Stats) -> String {
    let lengths = &stats.text.word_lengths;
    let words: u64 = lengths.iter().sum();
    let all: u64 = lengths.iter().zip(0u64..).map(|(words, length)| words * length).sum();
    let mean = all as f64 / words.max(1) as f64;
    let (words, different) = (count(words), count(stats.text.different_words));
    both(
        &format!(
            "{words} words without marks: mean {mean:.2} characters; {different} different ones, marks included"
        ),
        &format!("{words} 个词（不含标点）：平均 {mean:.2} 个字符；不同的词（含标点）{different} 个"),
    )
}
