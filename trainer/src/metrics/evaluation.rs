//! How well a model predicts the tokens and pairs it was not trained on.

use serde::Serialize;

use super::token_class::{TokenClass, TokenClasses};

/// What the model predicted for a micro-batch.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// Cross entropy summed over the masked tokens.
    pub masked_loss: f64,
    /// Cross entropy summed over the pairs.
    pub pair_loss: f64,
    /// For each masked token the likeliest id.
    pub masked: Vec<i64>,
    /// For each pair, whether it was predicted correctly.
    pub pairs_correct: Vec<bool>,
}

/// Names of the classes that masked tokens are counted in: a token may be in several.
const CLASSES: [&str; 8] = [
    "all",
    "hanzi",
    "hanzi_words_of_1",
    "hanzi_words_of_2",
    "hanzi_words_of_3",
    "hanzi_words_of_4_and_more",
    "latin",
    "digits",
];

/// Sums over validation rows. All are fp64, so that the sums of ranks can be added up at once.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Cross entropy of the masked tokens.
    masked_loss: f64,
    /// Cross entropy of the pairs.
    pair_loss: f64,
    pairs: f64,
    pairs_correct: f64,
    /// Pairs whose label is 1.
    pairs_of_label_1: f64,
    /// By the order of [`CLASSES`].
    classes: [ClassSums; CLASSES.len()],
    /// How often each id of the vocabulary was to be predicted.
    labels: Vec<f64>,
}

/// The masked tokens of a class.
#[derive(Debug, Clone, Copy, Default)]
struct ClassSums {
    count: f64,
    correct: f64,
}

/// What an evaluation says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// Mean cross entropy of a masked token.
    pub mlm_loss: f64,
    /// Mean cross entropy of a pair.
    pub pair_loss: Option<f64>,
    /// Share of pairs predicted correctly.
    pub pair_accuracy: Option<f64>,
    /// Share of the more frequent label: what predicting it always would get.
    pub pair_majority: Option<f64>,
    /// What predicting the most frequent token always would get.
    pub unigram_guess: f64,
    /// Pairs.
    pub pairs: u64,
    /// Masked tokens and the share predicted correctly, by class.
    pub classes: Vec<ClassReport>,
}

/// One class of masked tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub class: &'static str,
    /// Masked tokens in it.
    pub count: u64,
    /// Share of them predicted correctly; none of none.
    pub accuracy: Option<f64>,
}

impl Evaluation {
    /// Nothing measured yet, with a vocabulary of so many entries.
    pub fn new(vocabulary: usize) -> Evaluation {
        Evaluation { labels: vec![0.0; vocabulary], ..Evaluation::default() }
    }

    /// Adds a micro-batch: the ids that were masked, the lengths of their words in tokens, the pairs' labels, and what was
    /// predicted.
    pub fn add(
        &mut self,
        classes: &TokenClasses,
        labels: &[i64],
        word_lengths: &[u8],
        pair_labels: &[i64],
        predictions: &Predictions,
    ) {
        self.masked_loss += predictions.masked_loss;
        self.pair_loss += predictions.pair_loss;
        self.pairs += pair_labels.len() as f64;
        self.pairs_correct += predictions.pairs_correct.iter().filter(|&&correct| correct).count() as f64;
        self.pairs_of_label_1 += pair_labels.iter().filter(|&&label| label == 1).count() as f64;
        let masked = labels.iter().zip(word_lengths).zip(&predictions.masked);
        for ((&label, &word), &predicted) in masked {
            self.count(classes.class(label), word, predicted == label);
            if let Some(count) = usize::try_from(label).ok().and_then(|id| self.labels.get_mut(id)) {
                *count += 1.0;
            }
        }
    }

    fn count(&mut self, class: TokenClass, word: u8, correct: bool) {
        let classes: &[usize] = match class {
            // Indices into CLASSES: all, hanzi, and hanzi by the length of the word.
            TokenClass::Hanzi => &[0, 1, 1 + usize::from(word.clamp(1, 4))],
            TokenClass::Latin => &[0, 6],
            TokenClass::Digits => &[0, 7],
            TokenClass::Other => &[0],
        };
        for &class in classes {
            self.classes[class].count += 1.0;
            self.classes[class].correct += f64::from(u8::from(correct));
        }
    }

    /// Replaces every sum by what `sum` makes of it: the sum over the ranks.
    ///
    /// # Errors
    /// Those of `sum`.
    pub fn reduce<E>(&mut self, sum: impl FnOnce(&mut [f64]) -> Result<(), E>) -> Result<(), E> {
        let mut numbers: Vec<f64> = self.numbers().map(|number| *number).collect();
        sum(&mut numbers)?;
        self.numbers().zip(numbers).for_each(|(own, summed)| *own = summed);
        Ok(())
    }

    /// Every sum, in one order.
    fn numbers(&mut self) -> impl Iterator<Item = &mut f64> {
        let Evaluation { masked_loss, pair_loss, pairs, pairs_correct, pairs_of_label_1, classes, labels } =
            self;
        [masked_loss, pair_loss, pairs, pairs_correct, pairs_of_label_1]
            .into_iter()
            .chain(classes.iter_mut().flat_map(|class| [&mut class.count, &mut class.correct]))
            .chain(labels)
    }

    /// What the sums say.
    pub fn report(&self) -> EvaluationReport {
        let classes = CLASSES.into_iter().zip(self.classes).map(|(class, sums)| ClassReport {
            class,
            count: sums.count as u64,
            accuracy: share(sums.correct, sums.count),
        });
        let (masked, pairs) = (self.classes[0].count, self.pairs);
        let most_frequent = self.labels.iter().copied().fold(0.0, f64::max);
        // What a model without any input could reach.
        let majority = self.pairs_of_label_1.max(pairs - self.pairs_of_label_1);
        EvaluationReport {
            mlm_loss: share(self.masked_loss, masked).unwrap_or(f64::NAN),
            pair_loss: share(self.pair_loss, pairs),
            pair_accuracy: share(self.pairs_correct, pairs),
            pair_majority: share(majority, pairs),
            unigram_guess: share(most_frequent, masked).unwrap_or_default(),
            pairs: pairs as u64,
            classes: classes.collect(),
        }
    }
}

impl EvaluationReport {
    /// The values by the names they have in the log.
    pub fn curves(&self) -> Vec<(String, f64)> {
        let pair = [
            ("eval/pair_loss", self.pair_loss),
            ("eval/pair_accuracy", self.pair_accuracy),
            ("eval/pair_majority", self.pair_majority),
        ];
        let classes = self
            .classes
            .iter()
            .filter_map(|class| Some((format!("eval/mlm_accuracy/{}", class.class), class.accuracy?)));
        let fixed =
            [("eval/mlm_loss", Some(self.mlm_loss)), ("eval/unigram_guess", Some(self.unigram_guess))];
        let fixed = fixed.into_iter().chain(pair).filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fixed.chain(classes).collect()
    }

    /// Share of all masked tokens predicted correctly.
    pub fn mlm_accuracy(&self) -> f64 {
        self.classes.first().and_then(|class| class.accuracy).unwrap_or_default()
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn classes_and_guesses_are_counted() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[PAD]\n中\n国\nabc\n12\n，").unwrap();
        let classes = TokenClasses::read(file.path()).unwrap();
        let mut evaluation = Evaluation::new(classes.len());
        let predictions = Predictions {
            masked_loss: 12.0,
            pair_loss: 1.5,
            masked: vec![1, 1, 1, 3, 3, 5],
            pairs_correct: vec![true, true, false],
        };
        evaluation.add(&classes, &[1, 2, 1, 3, 4, 5], &[2, 2, 5, 1, 1, 1], &[1, 1, 0], &predictions);
        // Two ranks that measured the same: every mean stays as it is.
        let doubled = |numbers: &mut [f64]| -> Result<(), ()> {
            numbers.iter_mut().for_each(|number| *number *= 2.0);
            Ok(())
        };
        let mut both = evaluation.clone();
        both.reduce(doubled).unwrap();
        assert_eq!((both.report().mlm_loss, both.report().pairs), (2.0, 6));
        let report = evaluation.report();
        assert_eq!((report.mlm_loss, report.pair_loss), (2.0, Some(0.5)));
        assert_eq!(report.pair_accuracy, Some(2.0 / 3.0));
        assert_eq!(report.pair_majority, Some(2.0 / 3.0));
        assert_eq!(report.unigram_guess, 2.0 / 6.0);
        let of = |name: &str| {
            let class = report.classes.iter().find(|class| class.class == name).unwrap();
            (class.count, class.accuracy)
        };
        assert_eq!(of("all"), (6, Some(4.0 / 6.0)));
        assert_eq!(of("hanzi"), (3, Some(2.0 / 3.0)));
        assert_eq!(of("hanzi_words_of_1"), (0, None));
        assert_eq!(of("hanzi_words_of_2"), (2, Some(0.5)));
        assert_eq!(of("hanzi_words_of_4_and_more"), (1, Some(1.0)));
        assert_eq!(of("latin"), (1, Some(1.0)));
        assert_eq!(of("digits"), (1, Some(0.0)));
        assert!(report.curves().iter().all(|(_, value)| value.is_finite()));
    }
}
