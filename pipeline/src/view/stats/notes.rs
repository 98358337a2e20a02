//! What a user should know about a data set before training on it: each note says what was seen, how much of it, and what
//! helps.

use quanci_shards::{Objective, Split};
use serde::{Serialize, Serializer};

use super::{Count, Leak};
use crate::counters::Counters;
use crate::drops::Reason;
use crate::view::DataSet;
use crate::view::table::{count, percent};
use crate::vocab::marks::replaced_marks;

/// The share of `[UNK]` above which they are worth a word: a vocabulary that fits has less than 1 %.
const MANY_UNKNOWN: f64 = 0.02;
/// How far the share of a label may be from one half.
const UNEVEN: f64 = 0.05;
/// How far the AUC of the label by lengths may be from one half.
const TELLING: f64 = 0.05;
/// The share of pairs with a side without a letter that is worth a word.
const MANY_MARKS: f64 = 0.01;
/// The share of repeats above which the format may be wrong.
const MANY_REPEATS: f64 = 0.2;
/// How much larger the largest copy may be than the smallest.
const SWING: f64 = 1.2;

/// What should be known, in the two languages of the report page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.en)
    }
}

/// The notes about a data set, from its counters and some or all of its training rows.
pub(super) fn notes(data: &DataSet, counters: &Counters, train: &Count, leak: Option<&Leak>) -> Vec<Note> {
    let notes = [
        labels(data, counters, train),
        lengths(leak),
        marks_alone(train),
        unknown(data, counters),
        repeats(counters),
        copies(data, counters.train.documents),
        validation(data, counters),
    ];
    notes.into_iter().flatten().collect()
}

fn labels(data: &DataSet, counters: &Counters, train: &Count) -> Option<Note> {
    let [zeros, ones] = [train.labels[0].rows, train.labels[1].rows];
    let all = zeros + ones;
    let (share, deviation) = (ones as f64 / all.max(1) as f64, 0.5 / (all.max(1) as f64).sqrt());
    // Within three standard deviations of chance, a small data set is as even as it can be.
    let documents = counters.train.documents;
    // With one document, no pair can be random.
    let is_alone = documents == 1 && data.manifest.objective == Objective::Nsp;
    if all == 0 || ((share - 0.5).abs() <= UNEVEN.max(3.0 * deviation) && !is_alone) {
        return None;
    }
    let (en, zh) = match data.manifest.objective {
        Objective::Nsp if documents == 1 => (
            "there is one document alone, and B of label 1 comes from another: add documents, or set \
             `instances.objective` to \"sop\" or \"mlm\""
                .to_owned(),
            "只有一篇文档，而标签 1 的 B 要取自另一篇：请增加文档，或把 `instances.objective` 设为 \"sop\" 或 \"mlm\"".to_owned(),
        ),
        Objective::Nsp if share < 0.5 => (
            format!(
                "there are only {documents} documents to take B from: add documents, or set `instances.objective` to \"sop\" \
                 or \"mlm\""
            ),
            format!(
                "B 只能取自 {documents} 篇文档：请增加文档，或把 `instances.objective` 设为 \"sop\" 或 \"mlm\""
            ),
        ),
        Objective::Nsp if data.manifest.settings["instances"]["rules"] == "google" => (
            "most chunks are one sentence, which `instances.rules` = \"google\" cannot divide: use \
                           \"balanced\", or longer documents"
                .to_owned(),
            "大多数片段只有一句，`instances.rules` = \"google\" 无法再分：请用 \"balanced\"，或用更长的文档".to_owned(),
        ),
        _ => ("too few pairs were made".to_owned(), "句对太少".to_owned()),
    };
    Some(Note {
        en: format!("label 1 has {} of {} pairs: {en}", percent(ones, all), count(all)),
        zh: format!("标签 1 占 {} 对中的 {}：{zh}", count(all), percent(ones, all)),
    })
}

fn lengths(leak: Option<&Leak>) -> Option<Note> {
    let leak = leak?;
    let off = (leak.auc - 0.5).abs();
    (off > TELLING.max(3.0 * leak.auc_deviation)).then(|| Note {
        en: format!(
            "lengths of A and B tell the label: AUC {:.3}, chance is 0.5; a model may learn lengths instead of text: join \
             short documents, or set `instances.objective` to \"mlm\"",
            leak.auc
        ),
        zh: format!(
            "A 和 B 的长度会泄露标签：AUC 为 {:.3}，随机猜测是 0.5；模型可能学到长度而不是内容：请合并短文档，或把 \
             `instances.objective` 设为 \"mlm\"",
            leak.auc
        ),
    })
}

fn marks_alone(train: &Count) -> Option<Note> {
    let pairs: u64 = train.labels.iter().map(|pairs| pairs.rows).sum();
    (train.marks_alone as f64 > MANY_MARKS * pairs as f64).then(|| Note {
        en: format!(
            "{} of {} pairs have a side of marks or [UNK] alone: is the text cut at marks, or in another script than the \
             vocabulary?",
            percent(train.marks_alone, pairs),
            count(pairs)
        ),
        zh: format!(
            "{} 对中有 {} 的一侧只有标点或 [UNK]：文本是否在标点处被切断，或者所用文字不在词表中？",
            count(pairs),
            percent(train.marks_alone, pairs)
        ),
    })
}

fn unknown(data: &DataSet, counters: &Counters) -> Option<Note> {
    let read = &counters.read;
    if read.unknown as f64 <= MANY_UNKNOWN * read.pieces as f64 {
        return None;
    }
    let all = read.unknown + counters.read_validation.unknown;
    let most = &counters.unknown_characters;
    let listed: Vec<String> =
        most.iter().map(|&(character, n)| format!("{} {}", shown(character), percent(n, all))).collect();
    let marks = replaced_marks(&data.vocabulary);
    let is_mark = |character: &char| marks.iter().any(|(mark, _)| mark == character);
    let of_marks: u64 = most.iter().filter(|(character, _)| is_mark(character)).map(|(_, n)| n).sum();
    let (helps, helps_zh) = if of_marks * 3 > all {
        (
            "set `tokenize.plain_marks` = true, or train a vocabulary on this text (`quanci vocab`)",
            "请设置 `tokenize.plain_marks` = true，或用这些文本训练词表（`quanci vocab`）",
        )
    } else {
        (
            "is it the vocabulary of this language and script? Else train one on this text (`quanci vocab`)",
            "词表是否适合这种语言和文字？否则请用这些文本训练词表（`quanci vocab`）",
        )
    };
    let list = listed.join(", ");
    let (from, from_zh) = match list.as_str() {
        "" => (String::new(), String::new()),
        list => (format!(", most from {list}"), format!("，多数来自 {list}")),
    };
    let share = percent(read.unknown, read.pieces);
    Some(Note {
        en: format!("[UNK] is {share} of the tokens{from}: {helps}"),
        zh: format!("[UNK] 占全部词元的 {share}{from_zh}：{helps_zh}"),
    })
}

/// A character, and its code point where it may not be visible.
fn shown(character: char) -> String {
    if character.is_alphanumeric() || character.is_ascii_graphic() || "“”‘’—…–".contains(character)
    {
        character.to_string()
    } else {
        format!("{character} (U+{:04X})", u32::from(character))
    }
}

fn repeats(counters: &Counters) -> Option<Note> {
    let repeats = counters.dropped.of(Reason::Duplicate);
    let all = repeats + counters.train.documents + counters.validation.documents;
    (repeats as f64 > MANY_REPEATS * all as f64).then(|| Note {
        en: format!(
            "{} of {} documents are exact repeats and were dropped: if the corpus should have none, look at the samples that \
             `quanci stats` shows: is a line, a header or a label taken for a document?",
            percent(repeats, all),
            count(all)
        ),
        zh: format!(
            "{} 篇文档中有 {} 完全重复，已丢弃：如果语料本不该有重复，请看 `quanci stats` 给出的样例：是否把一行、表头或标签当成了\
             文档？",
            count(all),
            percent(repeats, all)
        ),
    })
}

fn copies(data: &DataSet, documents: u64) -> Option<Note> {
    let rows = (0..data.manifest.copies).map(|copy| data.manifest.rows(Split::Train, copy));
    let (least, most) = (rows.clone().min()?, rows.max()?);
    // Few rows vary by chance, and short documents have about as many in each copy.
    let is_chance = (most - least) as f64 <= 3.0 * ((least + most) as f64 / 2.0).sqrt();
    let rows_per_document = most as f64 / documents.max(1) as f64;
    (most as f64 > SWING * least as f64 && !is_chance && rows_per_document > 5.0).then(|| Note {
        en: format!(
            "copies have {} to {} rows: with few long documents, `instances.short_seq_prob` makes many short rows of one and \
             none of another; set it to 0, or lower `clean.max_document_chars`",
            count(least),
            count(most)
        ),
        zh: format!(
            "各份副本有 {} 到 {} 行：长文档很少时，`instances.short_seq_prob` 会把某一篇切成许多短行，而另一篇一行也不切；请设为 0，\
             或调小 `clean.max_document_chars`",
            count(least),
            count(most)
        ),
    })
}

fn validation(data: &DataSet, counters: &Counters) -> Option<Note> {
    let read = counters.read_validation.documents;
    if read > 0 && counters.validation.documents == 0 {
        return Some(Note {
            en: format!(
                "the validation split is empty: all of its {} documents were near-duplicates of training documents, or had \
                 only lines that these keep; take a larger `output.validation`",
                count(read)
            ),
            zh: format!(
                "验证集是空的：其中 {} 篇文档都是训练文档的近似重复，或只有训练文档已保留的行；请增大 `output.validation`",
                count(read)
            ),
        });
    }
    let is_empty = counters.validation.documents > 0 && data.manifest.rows(Split::Validation, 0) == 0;
    is_empty.then(|| Note {
        en: format!(
            "the validation split has {} documents, and no instance could be made of them: take a larger \
             `output.validation`",
            counters.validation.documents
        ),
        zh: format!(
            "验证集有 {} 篇文档，但无法构造任何实例：请增大 `output.validation`",
            counters.validation.documents
        ),
    })
}
