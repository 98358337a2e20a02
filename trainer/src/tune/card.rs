//! The model card of a tuned model.

use std::fmt::Write;

use super::report::TuneReport;
use super::run::TuneRun;
use super::scoring::{Scores, Summary};
use super::tasks::Head;
use crate::checkpoint::{STATE_FILE, read_state};
use crate::config::without_places;
use crate::model::Architecture;

/// The class of transformers or sentence-transformers that has such a head.
pub(super) fn class(head: &Head, architecture: Architecture) -> String {
    match head {
        Head::Classes(_) | Head::Number => architecture.class("ForSequenceClassification"),
        Head::Labels(_) => architecture.class("ForTokenClassification"),
        Head::Span => architecture.class("ForQuestionAnswering"),
        Head::Choice => architecture.class("ForMultipleChoice"),
        Head::Cosine(_) | Head::PairClasses(..) => "SentenceTransformer".to_owned(),
    }
}

/// `README.md`, as Hugging Face shows it.
pub(super) fn card(run: &TuneRun<'_>, report: &TuneReport) -> String {
    let set = &run.settings.set;
    let class = class(&run.head, run.model.architecture());
    let pipeline = match run.head {
        Head::Classes(_) | Head::Number => "text-classification",
        Head::Labels(_) => "token-classification",
        Head::Span => "question-answering",
        Head::Choice => "multiple-choice",
        Head::Cosine(_) | Head::PairClasses(..) => "sentence-similarity",
    };
    let is_sentences = pipeline == "sentence-similarity";
    let library = if is_sentences { "sentence-transformers" } else { "transformers" };
    let code = if is_sentences {
        "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(\"THIS FOLDER\")\n".to_owned()
    } else {
        format!(
            "from transformers import AutoTokenizer, {class}\n\nmodel = {class}.from_pretrained(\"THIS FOLDER\")\n\
             tokenizer = AutoTokenizer.from_pretrained(\"THIS FOLDER\")\n"
        )
    };
    let mut text = format!(
        "---\nlibrary_name: {library}\npipeline_tag: {pipeline}\ndatasets:\n- {}\nlicense: other\nlicense_name: see-the-set\n---\n\n\
         # {class}, tuned on {} with quanci\n\n\
         ```python\n{code}```\n\n## Scores\n\n",
        set.name, set.name
    );
    scores(&mut text, report);
    let mut line = |what: &str, value: &str| {
        writeln!(text, "| {what} | {value} |").expect("a String takes all that is written");
    };
    line("set", &format!("{}; licence: {}; source: {}", set.name, set.licence, set.source));
    let files: Vec<String> = report.files.iter().map(|(name, id)| format!("{name} (SHA-256 {id})")).collect();
    line("files", &files.join(", "));
    line("corpora of pretraining", &pretraining(run));
    line(
        "encoder",
        &format!(
            "{} layers of width {}, vocabulary of {} entries, SHA-256 {}",
            run.model.num_hidden_layers,
            run.model.hidden_size,
            run.model.vocab_size,
            run.vocabulary()
        ),
    );
    line("seed", &format!("{}, the best of {} on dev", report.best_seed(), report.seeds.len()));
    if !report.notices.is_empty() {
        text.push_str("\n## What was cut, mended or left out\n\n");
        report
            .notices
            .iter()
            .for_each(|notice| writeln!(text, "- {notice}").expect("a String takes all that is written"));
    }
    let settings = serde_json::to_string_pretty(&without_places(&report.settings)).unwrap_or_default();
    write!(text, "\n## Settings\n\n```json\n{settings}\n```\n").expect("a String takes all that is written");
    text
}

fn scores(text: &mut String, report: &TuneReport) {
    let metric = report.metric.name();
    let count = report.seeds.len();
    writeln!(text, "In hundredths, over {count} seeds; the best epoch of each by `{metric}` on dev.\n\n| part | score | mean | best | deviation | a guess |\n|---|---|---|---|---|---|")
        .expect("a String takes all that is written");
    for (part, summaries) in [("dev", Some(&report.dev)), ("test", report.test.as_ref())] {
        for (name, Summary { mean, best, deviation }) in summaries.into_iter().flatten() {
            let deviation =
                deviation.map_or_else(|| "–".to_owned(), |deviation| format!("{:.2}", 100.0 * deviation));
            let guess = report.guess.get(part).and_then(|scores: &Scores| scores.get(name));
            let guess = guess.map_or_else(|| "–".to_owned(), |guess| format!("{:.2}", 100.0 * guess));
            writeln!(
                text,
                "| {part} | {name} | {:.2} | {:.2} | {deviation} | {guess} |",
                100.0 * mean,
                100.0 * best
            )
            .expect("a String takes all that is written");
        }
    }
    text.push_str("\n| | |\n|---|---|\n");
}

/// What the encoder was pretrained on, as far as it is known.
fn pretraining(run: &TuneRun<'_>) -> String {
    let Some(path) = &run.init else { return "none: random weights".to_owned() };
    let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match read_state(folder) {
        Ok(state) if folder.join(STATE_FILE).is_file() => {
            format!("data ids {}", state.data.concat().join(", "))
        }
        _ => format!("those of {name}: see its card"),
    }
}
