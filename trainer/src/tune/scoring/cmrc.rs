//! The score of CMRC 2018's own program (ymcui/cmrc2018, baseline/cmrc2018_evaluate.py, version 6), which DRCD is measured by,
//! too: equal answers but for case and some marks, and F1 over the longest common run of characters and words.

use super::word_tokenize::word_tokenize;

/// Marks that do not count. Those of two characters in the program, `……` and `··`, are compared with single characters there, and
/// never match.
const MARKS: &str = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』";

/// Equal or not, and F1, of a prediction against the best of the answers.
pub(crate) fn cmrc(prediction: &str, answers: &[String]) -> (f64, f64) {
    let (own, plain) = (segments(prediction), without_marks(prediction));
    let each = answers.iter().map(|answer| {
        let equal = plain == without_marks(answer);
        (f64::from(u8::from(equal)), f1(&own, &segments(answer)))
    });
    each.fold((0.0, 0.0), |best: (f64, f64), (equal, f1)| (best.0.max(equal), best.1.max(f1)))
}

fn f1(own: &[String], wanted: &[String]) -> f64 {
    let common = longest_common_run(own, wanted) as f64;
    if common == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (common / own.len() as f64, common / wanted.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

fn longest_common_run(one: &[String], other: &[String]) -> usize {
    let mut best = 0;
    let mut before = vec![0; other.len() + 1];
    for a in one {
        let mut now = vec![0; other.len() + 1];
        for (at, b) in other.iter().enumerate() {
            if a == b {
                now[at + 1] = before[at] + 1;
                best = best.max(now[at + 1]);
            }
        }
        before = now;
    }
    best
}

fn is_mark(c: char) -> bool {
    MARKS.contains(c)
}

/// Lower-cased, without the marks.
fn without_marks(text: &str) -> String {
    text.to_lowercase().trim().chars().filter(|&c| !is_mark(c)).collect()
}

/// Chinese characters and marks one by one, all else by words. A mark that does not count ends no word.
fn segments(text: &str) -> Vec<String> {
    let (mut segments, mut run) = (Vec::new(), String::new());
    for c in text.to_lowercase().trim().chars() {
        if is_mark(c) {
            continue;
        }
        if ('\u{4e00}'..='\u{9fa5}').contains(&c) {
            segments.extend(word_tokenize(&std::mem::take(&mut run)));
            segments.push(c.to_string());
        } else {
            run.push(c);
        }
    }
    segments.extend(word_tokenize(&run));
    segments
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        id: String,
        answers: Vec<String>,
        prediction: String,
        f1: f64,
        em: f64,
        #[serde(default)]
        segments: Vec<Vec<String>>,
    }

    /// tests/golden/downstream/README.md says how they were made.
    #[test]
    fn scores_are_those_of_the_program() {
        let text = include_str!("../../../../tests/golden/downstream/cmrc-eval.json");
        let golden: Golden = serde_json::from_str(text).unwrap();
        assert_eq!(golden.rows.len(), 70);
        for row in golden.rows {
            let (equal, f1) = cmrc(&row.prediction, &row.answers);
            assert_eq!(equal, row.em, "{}", row.id);
            assert!((f1 - row.f1).abs() < 1e-12, "{}: {f1}, not {}", row.id, row.f1);
            let texts = row.answers.iter().chain([&row.prediction]);
            texts
                .zip(&row.segments)
                .for_each(|(text, wanted)| assert_eq!(segments(text), *wanted, "{}", row.id));
        }
    }
}
