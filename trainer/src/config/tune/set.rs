//! The labelled set of a tune run: one that is known by its name, or one that is spelled out.

use std::path::PathBuf;

use quanci_settings::{Section, SettingsFile};
use serde::Serialize;

use super::embeddings::EmbeddingLoss;
use super::kinds::{FORMATS, KINDS, METRICS, Metric, SetFormat, TaskKind};
use super::known::{KnownSet, known_sets};

/// A labelled set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSet {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub kind: TaskKind,
    /// The folder or the zip archive that holds its files.
    pub path: PathBuf,
    /// How they are written.
    pub format: SetFormat,
    /// The file to train on.
    pub train: String,
    /// The file by which the best epoch is chosen.
    pub dev: Option<String>,
    /// The file that is measured once.
    pub test: Option<String>,
    /// Whether `test` may be missing: it is the known set's, and nobody named it.
    #[serde(skip)]
    pub test_is_optional: bool,
    /// The share of `train` that is taken for `dev`, where there is no such file.
    pub dev_share: f64,
    /// The same for `test`.
    pub test_share: f64,
    /// Whether tables begin with the names of their columns.
    pub header: bool,
    /// The column or field of the text: a name or a number from 0; the first that a file has.
    pub text: Vec<String>,
    /// That of the second text of a pair.
    pub text_b: Vec<String>,
    /// That of the label.
    pub label: Vec<String>,
    /// The labels in the order of their ids; by default those of `train`, sorted.
    pub labels: Vec<String>,
    /// Labels whose rows are left out.
    pub skip_labels: Vec<String>,
    /// Other words for a label: `other = label`.
    pub same_labels: Vec<String>,
    /// `column = value`: rows with another value are left out.
    pub only: Option<String>,
    /// Whether the words of texts with answers are single characters.
    pub by_characters: bool,
    /// Whether questions may have no answer.
    pub unanswerable: bool,
    /// The score by which the best epoch is chosen.
    pub metric: Metric,
    /// What one may do with it.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
}

/// `task`, `path` and `[set]`.
pub(super) fn from_section(source: &SettingsFile, root: &Section<'_>, loss: EmbeddingLoss) -> TaskSet {
    let names: Vec<(&str, usize)> =
        known_sets().iter().enumerate().map(|(at, set)| (set.name.as_str(), at)).collect();
    let help = "a known set; without it, `[set]` says what there is to read";
    let known = root.listed("task", help, "the [known sets](fine-tuning.md#known-sets)", &names);
    let known = known.map(|at| &known_sets()[at]);
    let path = source.join(root.required_path("path", "the folder or the zip archive with the set's files"));
    let section = root.section("set");
    let is_known = known.is_some();
    let set = spelled(&section, path, known.cloned().unwrap_or_default(), is_known, loss);
    if known.is_none() && !section.has("kind") {
        root.problem("task", "is missing: name a known set, or say in [set] what there is to read");
    }
    section.finish();
    set
}

/// The keys of `[set]` over what is known.
fn spelled(
    section: &Section<'_>,
    path: PathBuf,
    known: KnownSet,
    is_known: bool,
    loss: EmbeddingLoss,
) -> TaskSet {
    let own = |help| move |word: &'static str| section.string(word, help);
    let kind = section.listed(
        "kind",
        "what is asked",
        "`classification`, `regression`, `tokens`, `spans`, `choice`, `embeddings`",
        &KINDS,
    );
    let formats = "`tsv`, `csv`, `jsonl`, `conll`, `cluener`, `squad`, `c3`";
    let format = section.listed("format", "how the files are written", formats, &FORMATS);
    let metrics = "`accuracy`, `f1`, `macro_f1`, `matthews`, `correlation`, `spearman`";
    let metric = section.listed("metric", "the score by which the best epoch is chosen", metrics, &METRICS);
    let names = |key, help| section.names(key, help, "that of the known set").unwrap_or_default();
    let or = |given: Vec<String>, known: &[String]| if given.is_empty() { known.to_vec() } else { given };
    let kind = kind.or(known.kind).unwrap_or(TaskKind::Classification);
    let format = format.or(known.format).unwrap_or(kind.formats()[0]);
    // Of a known set that is asked something else, as pairs of texts can be.
    let known_metric = known.metric.filter(|metric| kind.metrics(loss).contains(metric));
    let share = |key, help| section.number(key, help, 0.0, 0.0..=0.9);
    let set = TaskSet {
        name: own("its name, for reports")("name")
            .or(Some(known.name))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "own".to_owned()),
        kind,
        path,
        format,
        train: own("the file to train on")("train").or(known.train).unwrap_or_default(),
        dev: own("the file by which the best epoch is chosen")("dev").or(known.dev),
        test: own("the file that is measured once, with the best epoch")("test").or(known.test),
        test_is_optional: !section.has("test"),
        dev_share: share(
            "dev_share",
            "share of `train` to take for `dev`, by hash of the text; instead of a file",
        ),
        test_share: share(
            "test_share",
            "share of `train` to take for `test`, by hash of the text; instead of a file",
        ),
        header: section.boolean(
            "header",
            "tables begin with the names of their columns",
            known.header.unwrap_or(true),
        ),
        text: or(
            names(
                "text",
                "column of the text: a name or a number from 0; of several the first that a file has",
            ),
            &known.text,
        ),
        text_b: or(names("text_b", "column of the second text of a pair"), &known.text_b),
        label: or(names("label", "column of the label"), &known.label),
        labels: or(
            names("labels", "labels in the order of their ids; otherwise those of `train`, sorted"),
            &known.labels,
        ),
        skip_labels: or(names("skip_labels", "labels whose rows are left out"), &known.skip_labels),
        same_labels: or(names("same_labels", "`other=label`: other words for a label"), &known.same_labels),
        only: own("`column=value`: rows with another value are left out")("only").or(known.only),
        by_characters: section.boolean(
            "by_characters",
            "words of a text with answers are single characters, as CMRC 2018's program has it",
            known.by_characters,
        ),
        unanswerable: section.boolean(
            "unanswerable",
            "questions may have no answer, as in SQuAD 2",
            known.unanswerable,
        ),
        metric: metric.or(known_metric).unwrap_or(kind.metrics(loss)[0]),
        licence: own("licence, for the model card")("licence").unwrap_or(known.licence),
        source: own("where the set comes from, for the model card")("source").unwrap_or(known.source),
    };
    check(section, &set, is_known, loss);
    set
}

fn check(section: &Section<'_>, set: &TaskSet, is_known: bool, loss: EmbeddingLoss) {
    if !set.kind.formats().contains(&set.format) {
        let known: Vec<&str> = FORMATS
            .iter()
            .filter(|(_, format)| set.kind.formats().contains(format))
            .map(|(name, _)| *name)
            .collect();
        section.problem(
            "format",
            format_args!("is of no use for this kind: it is read from {}", known.join(", ")),
        );
    }
    if !set.kind.metrics(loss).contains(&set.metric) {
        section.problem("metric", "is no score of this kind");
    }
    if set.train.is_empty() && (is_known || section.has("kind")) {
        section.problem("train", "is missing: the file to train on");
    }
    if set.dev.is_none() && set.dev_share == 0.0 {
        section.problem("dev", "is missing: name a file, or take a share of `train` with `dev_share`");
    }
    for (file, share) in [("dev", "dev_share"), ("test", "test_share")] {
        if section.has(file) && section.has(share) {
            section.problem(share, "and the name of a file exclude one another");
        }
    }
    if set.dev_share + set.test_share > 0.9 {
        section.problem("dev_share", "and `test_share` leave nothing to train on");
    }
    if set.format.is_table() && (set.text.is_empty() || set.label.is_empty()) {
        section.problem("text", "and `label` are needed: the columns to read");
    }
    if set.kind == TaskKind::Embeddings && set.text_b.is_empty() {
        section.problem("text_b", "is missing: sentence embeddings are trained on pairs of texts");
    }
    for (key, pairs) in
        [("same_labels", set.same_labels.iter().collect()), ("only", Vec::from_iter(&set.only))]
    {
        if pairs.iter().any(|pair| !pair.contains('=')) {
            section.problem(key, "must be written as word=word");
        }
    }
}
