//! Accuracy, F1 and Matthews' correlation of classes.

use super::scores::Scores;

/// Of predicted and true classes, numbers below `labels`. With two labels `f1` is that of the second, as GLUE has it for MRPC
/// and QQP. A class that is neither predicted nor true has no part in `macro_f1`; one of both has F1 0 where nothing is right.
pub(crate) fn classes(predicted: &[usize], wanted: &[usize], labels: usize) -> Scores {
    // By true class and predicted class.
    let mut counts = vec![vec![0.0f64; labels]; labels];
    predicted.iter().zip(wanted).for_each(|(&predicted, &wanted)| counts[wanted][predicted] += 1.0);
    let all = wanted.len() as f64;
    let right: f64 = (0..labels).map(|label| counts[label][label]).sum();
    let of_true: Vec<f64> = counts.iter().map(|row| row.iter().sum()).collect();
    let of_predicted: Vec<f64> = (0..labels).map(|label| counts.iter().map(|row| row[label]).sum()).collect();
    let f1 = |label: usize| {
        let sum = of_true[label] + of_predicted[label];
        (sum > 0.0).then(|| 2.0 * counts[label][label] / sum)
    };
    let each: Vec<f64> = (0..labels).filter_map(f1).collect();
    let mut scores = Scores::of([
        ("accuracy", ratio(right, all)),
        ("macro_f1", ratio(each.iter().sum(), each.len() as f64)),
        ("matthews", matthews(right, all, &of_true, &of_predicted)),
    ]);
    if labels == 2 {
        scores.add("f1", f1(1).unwrap_or(0.0));
    }
    scores
}

/// The share of `right` ones.
pub(crate) fn accuracy(right: usize, all: usize) -> Scores {
    Scores::of([("accuracy", ratio(right as f64, all as f64))])
}

/// Gorodkin's form for any number of classes, as scikit-learn has it; 0 where one class alone is predicted or true.
fn matthews(right: f64, all: f64, of_true: &[f64], of_predicted: &[f64]) -> f64 {
    let product: f64 = of_true.iter().zip(of_predicted).map(|(a, b)| a * b).sum();
    let rest = |counts: &[f64]| all * all - counts.iter().map(|count| count * count).sum::<f64>();
    ratio(right * all - product, (rest(of_true) * rest(of_predicted)).sqrt())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's accuracy_score, f1_score(average="macro") and matthews_corrcoef, worked out by hand for small counts.
    #[test]
    fn of_two_and_of_three() {
        let scores = classes(&[1, 1, 0, 1], &[1, 0, 0, 1], 2);
        let get = |name| scores.get(name).unwrap();
        assert_eq!((get("accuracy"), get("f1")), (0.75, 0.8));
        assert!((get("macro_f1") - (0.8 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // TP 2, TN 1, FP 1, FN 0.
        assert!((get("matthews") - 2.0 / (3.0f64 * 2.0 * 2.0 * 1.0).sqrt()).abs() < 1e-12);
        let guess = classes(&[1, 1, 1], &[1, 0, 1], 2);
        assert_eq!((guess.get("matthews"), guess.get("f1")), (Some(0.0), Some(0.8)));
        let three = classes(&[0, 1, 2, 2], &[0, 1, 1, 2], 4);
        assert_eq!(three.get("f1"), None);
        assert!((three.get("macro_f1").unwrap() - (1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }
}
