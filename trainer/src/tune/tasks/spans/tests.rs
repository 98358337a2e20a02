//! Against google-research/bert's run_squad.py: tests/golden/README.md says how its files were made.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::decode::{DecodeRules, WindowLogits, decode};
use super::final_text::final_text;
use super::windows::{ContextTokens, Window, WindowRules, windows, with_most_context};
use super::words::Words;
use crate::text::Tokenizer;

#[derive(Deserialize)]
struct Golden {
    settings: Numbers,
    train: Side,
    predict: Side,
    results: Vec<Logits>,
    predictions: BTreeMap<String, String>,
    nbest: BTreeMap<String, Vec<Best>>,
    version_2: Version2,
    final_text: Vec<Projection>,
}

#[derive(Deserialize)]
struct Numbers {
    max_seq_length: usize,
    doc_stride: usize,
    max_query_length: usize,
    n_best_size: usize,
    max_answer_length: usize,
}

#[derive(Deserialize)]
struct Side {
    examples: Vec<Example>,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Example {
    qas_id: String,
    question: String,
    doc_tokens: Vec<String>,
    start: Option<usize>,
    end: Option<usize>,
}

#[derive(Deserialize)]
struct Feature {
    example_index: usize,
    input_ids: Vec<i64>,
    segment_ids: Vec<usize>,
    token_to_orig_map: Vec<(usize, usize)>,
    max_context: Vec<usize>,
    start_position: Option<i64>,
    end_position: Option<i64>,
    tokens: Vec<String>,
}

#[derive(Deserialize)]
struct Logits {
    start_logits: Vec<f32>,
    end_logits: Vec<f32>,
}

#[derive(Deserialize)]
struct Best {
    text: String,
    probability: f64,
    start_logit: f32,
}

#[derive(Deserialize)]
struct Version2 {
    null_score_diff_threshold: f64,
    n_best_size: usize,
    max_answer_length: usize,
    predictions: BTreeMap<String, String>,
    score_diffs: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Projection {
    pred: String,
    orig: String,
    do_lower_case: bool,
    text: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../../tests/golden/downstream/squad.json")).unwrap()
}

/// Google's Chinese vocabulary, which lower-cases or does not.
fn tokenizer(lower: bool) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/google-zh-vocab.txt");
    std::fs::copy(vocabulary, folder.path().join("vocab.txt")).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), format!("{{\"do_lower_case\": {lower}}}"))
        .unwrap();
    Tokenizer::open(folder.path()).unwrap()
}

/// The windows of an example.
fn made(tokenizer: &Tokenizer, example: &Example, numbers: &Numbers) -> (ContextTokens, Vec<Window>) {
    let context = ContextTokens::of(&example.doc_tokens, tokenizer).unwrap();
    let rules = WindowRules {
        most: numbers.max_seq_length,
        max_question: numbers.max_query_length,
        stride: numbers.doc_stride,
    };
    let made = windows(tokenizer, &tokenizer.pieces(&example.question).unwrap(), &context, rules);
    (context, made)
}

fn of(side: &Side, index: usize) -> Vec<&Feature> {
    side.features.iter().filter(|feature| feature.example_index == index).collect()
}

#[test]
fn words_are_those_of_the_program() {
    #[derive(Deserialize)]
    struct Input {
        data: Vec<Article>,
    }
    #[derive(Deserialize)]
    struct Article {
        paragraphs: Vec<Paragraph>,
    }
    #[derive(Deserialize)]
    struct Paragraph {
        context: String,
    }
    let input: Input =
        serde_json::from_str(include_str!("../../../../../tests/golden/downstream/squad-input.json"))
            .unwrap();
    let contexts: Vec<String> =
        input.data.into_iter().flat_map(|article| article.paragraphs).map(|own| own.context).collect();
    for example in golden().predict.examples {
        assert!(
            contexts.iter().any(|context| Words::of(context, false).words == example.doc_tokens),
            "{}",
            example.qas_id
        );
    }
}

#[test]
fn windows_are_those_of_the_program() {
    let (golden, tokenizer) = (golden(), tokenizer(true));
    for (index, example) in golden.predict.examples.iter().enumerate() {
        let (context, windows) = made(&tokenizer, example, &golden.settings);
        let features = of(&golden.predict, index);
        assert_eq!(windows.len(), features.len(), "{}", example.qas_id);
        let best = with_most_context(&windows);
        for ((window, best), feature) in windows.iter().zip(&best).zip(features) {
            let length = feature.tokens.len();
            assert_eq!(window.row.ids, feature.input_ids[..length]);
            assert_eq!(
                window.row.segment_b,
                feature.segment_ids.iter().position(|&segment| segment == 1).unwrap()
            );
            let map: Vec<(usize, usize)> =
                (0..length).filter_map(|place| Some((place, context.word[window.token(place)?]))).collect();
            assert_eq!(map, feature.token_to_orig_map);
            let with_most: Vec<usize> = (0..length)
                .filter(|&place| window.token(place).is_some_and(|token| best[token - window.start]))
                .collect();
            assert_eq!(with_most, feature.max_context);
        }
    }
}

#[test]
fn targets_are_those_of_the_program() {
    let (golden, tokenizer) = (golden(), tokenizer(true));
    let input: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../tests/golden/downstream/squad-input.json"))
            .unwrap();
    let paragraphs = input["data"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|article| article["paragraphs"].as_array().unwrap());
    let answers: BTreeMap<&str, &str> = paragraphs
        .flat_map(|paragraph| paragraph["qas"].as_array().unwrap())
        .filter_map(|qa| Some((qa["id"].as_str()?, qa["answers"][0]["text"].as_str()?)))
        .collect();
    let mut checked = 0;
    for (index, example) in golden.train.examples.iter().enumerate() {
        let (context, windows) = made(&tokenizer, example, &golden.settings);
        let span = context.of_words([example.start.unwrap(), example.end.unwrap()]).unwrap();
        let span = context.improved(span, &tokenizer.pieces(answers[example.qas_id.as_str()]).unwrap());
        for (window, feature) in windows.iter().zip(of(&golden.train, index)) {
            assert_eq!(
                window.target(span),
                [feature.start_position.unwrap(), feature.end_position.unwrap()],
                "{}",
                example.qas_id
            );
            checked += 1;
        }
    }
    assert_eq!(checked, golden.train.features.len());
}

fn check_answers(
    rules: DecodeRules,
    predictions: &BTreeMap<String, String>,
    score_diffs: Option<&BTreeMap<String, f64>>,
) {
    let (golden, tokenizer) = (golden(), tokenizer(true));
    let mut logits = golden.results.iter();
    for example in &golden.predict.examples {
        let (context, windows) = made(&tokenizer, example, &golden.settings);
        let best = with_most_context(&windows);
        let of: Vec<WindowLogits<'_>> = windows
            .iter()
            .zip(&best)
            .zip(logits.by_ref())
            .map(|((window, has_most_context), logits)| WindowLogits {
                window,
                has_most_context,
                start: &logits.start_logits,
                end: &logits.end_logits,
            })
            .collect();
        let decoded = decode(&of, &example.doc_tokens, &context.word, &tokenizer, rules).unwrap();
        let wanted = &predictions[&example.qas_id];
        // Where no span will do, the program answers "empty".
        let wanted = if wanted == "empty" { "" } else { wanted };
        assert_eq!(decoded.answer, wanted, "{}", example.qas_id);
        if let Some(diffs) = score_diffs {
            let difference = decoded.null_difference.unwrap();
            assert!((difference - diffs[&example.qas_id]).abs() < 1e-5, "{}: {difference}", example.qas_id);
        } else if !wanted.is_empty() {
            let nbest = &golden.nbest[&example.qas_id];
            assert_eq!(decoded.best.len(), nbest.len());
            for (own, wanted) in decoded.best.iter().zip(nbest) {
                assert_eq!((&own.text, own.start_logit), (&wanted.text, wanted.start_logit));
                assert!((own.probability - wanted.probability).abs() < 1e-6, "{}", own.probability);
            }
        }
    }
}

#[test]
fn answers_are_those_of_the_program() {
    let golden = golden();
    let rules = DecodeRules {
        n_best: golden.settings.n_best_size,
        max_answer: golden.settings.max_answer_length,
        unanswerable: false,
        null_threshold: 0.0,
        without_spaces: false,
    };
    check_answers(rules, &golden.predictions, None);
    let second = &golden.version_2;
    let rules = DecodeRules {
        n_best: second.n_best_size,
        max_answer: second.max_answer_length,
        unanswerable: true,
        null_threshold: second.null_score_diff_threshold,
        without_spaces: false,
    };
    check_answers(rules, &second.predictions, Some(&second.score_diffs));
}

#[test]
fn texts_are_found_back_as_by_the_program() {
    let (lower, cased) = (tokenizer(true), tokenizer(false));
    for Projection { pred, orig, do_lower_case, text } in golden().final_text {
        let tokenizer = if do_lower_case { &lower } else { &cased };
        assert_eq!(final_text(&pred, &orig, &tokenizer.basic_tokens(&orig).unwrap()), text);
    }
}
