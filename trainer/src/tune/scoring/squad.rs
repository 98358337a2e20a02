//! The score of SQuAD's own program (evaluate-v1.1.py, evaluate-v2.0.py): equal answers, and F1 over bags of words.

use std::collections::HashMap;

/// Equal or not, and F1, of a prediction against the best of the answers. A question without answers wants an empty one.
pub(crate) fn squad(prediction: &str, answers: &[String]) -> (f64, f64) {
    let nothing = [String::new()];
    let answers = if answers.is_empty() { &nothing[..] } else { answers };
    let own = words(prediction);
    let each = answers.iter().map(|answer| {
        let wanted = words(answer);
        (f64::from(u8::from(own == wanted)), f1(&own, &wanted))
    });
    each.fold((0.0, 0.0), |best: (f64, f64), (equal, f1)| (best.0.max(equal), best.1.max(f1)))
}

fn f1(own: &[String], wanted: &[String]) -> f64 {
    if own.is_empty() || wanted.is_empty() {
        return f64::from(u8::from(own == wanted));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    wanted.iter().for_each(|word| *left.entry(word).or_default() += 1);
    let same = own.iter().filter(|word| match left.get_mut(word.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    });
    let same = same.count() as f64;
    // The harmonic mean of same / own and same / wanted.
    2.0 * same / (own.len() + wanted.len()) as f64
}

/// Lower-cased, without ASCII punctuation and articles.
fn words(text: &str) -> Vec<String> {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    // Python's \b(a|an|the)\b: articles that stand between characters that belong to no word.
    let spaced: String = plain.split(char::is_whitespace).collect::<Vec<_>>().join(" ");
    let words = spaced.split(' ').filter(|word| !word.is_empty() && !["a", "an", "the"].contains(word));
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_and_punctuation_do_not_count() {
        let answers = |list: &[&str]| list.iter().map(|answer| (*answer).to_owned()).collect::<Vec<_>>();
        assert_eq!(squad("The Cat!", &answers(&["x", "cat"])), (1.0, 1.0));
        let (equal, f1) = squad("a black black cat", &answers(&["the black cat sat"]));
        assert!(equal == 0.0 && (f1 - 2.0 * 2.0 / 6.0).abs() < 1e-12, "{f1}");
        assert_eq!(squad("", &[]), (1.0, 1.0));
        assert_eq!(squad("cat", &[]), (0.0, 0.0));
        assert_eq!(squad("the", &answers(&["cat"])), (0.0, 0.0));
    }
}
