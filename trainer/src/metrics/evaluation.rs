//! How well a model guesses the pieces and pairs it was not trained on.

use serde::Serialize;

use super::pieces::{PieceClass, Pieces};

/// What the model guessed in a micro-batch.
#[derive(Debug, Clone, Default)]
pub struct Guesses {
    /// Cross entropy summed over the masked pieces.
    pub masked_loss: f64,
    /// Cross entropy summed over the pairs.
    pub pair_loss: f64,
    /// For each masked piece, whether it was guessed.
    pub masked_right: Vec<bool>,
    /// For each pair, whether it was guessed.
    pub pairs_right: Vec<bool>,
}

/// Names of the classes that masked pieces are counted in: a piece may be in several.
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
const FIXED: usize = 4;

/// Sums over validation rows; sums of ranks may be added up.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Loss of the masked pieces, of the pairs; pairs guessed, pairs labelled 1; then count and guessed of each class; then
    /// how often each id was to be guessed; the pairs come last.
    numbers: Vec<f64>,
}

/// What an evaluation says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Mean cross entropy of a masked piece.
    pub mlm_loss: f64,
    /// Mean cross entropy of a pair.
    pub pair_loss: Option<f64>,
    /// Share of pairs guessed.
    pub pair_accuracy: Option<f64>,
    /// Share of the more frequent label: what guessing it always would get.
    pub pair_majority: Option<f64>,
    /// What guessing the most frequent piece always would get.
    pub unigram_guess: f64,
    /// Pairs.
    pub pairs: u64,
    /// Masked pieces and the share guessed, by class.
    pub classes: Vec<ClassReport>,
}

/// One class of masked pieces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub class: &'static str,
    /// Masked pieces in it.
    pub count: u64,
    /// Share of them guessed; none of none.
    pub accuracy: Option<f64>,
}

impl Evaluation {
    /// Nothing measured yet, with a vocabulary of so many entries.
    pub fn new(vocabulary: usize) -> Evaluation {
        Evaluation { numbers: vec![0.0; FIXED + 2 * CLASSES.len() + vocabulary + 1] }
    }

    /// Adds a micro-batch: what was masked, in words of how many pieces, the pairs' labels, and what was guessed.
    pub fn add(
        &mut self,
        pieces: &Pieces,
        labels: &[i64],
        word_pieces: &[u8],
        pair_labels: &[i64],
        guesses: &Guesses,
    ) {
        self.numbers[0] += guesses.masked_loss;
        self.numbers[1] += guesses.pair_loss;
        self.numbers[2] += guesses.pairs_right.iter().filter(|&&right| right).count() as f64;
        self.numbers[3] += pair_labels.iter().filter(|&&label| label == 1).count() as f64;
        if let Some(pairs) = self.numbers.last_mut() {
            *pairs += pair_labels.len() as f64;
        }
        for ((&label, &word), &right) in labels.iter().zip(word_pieces).zip(&guesses.masked_right) {
            self.count(pieces.class(label), word, right);
            let histogram = FIXED + 2 * CLASSES.len();
            let ids = self.numbers.len() - 1 - histogram;
            if let Some(id) = usize::try_from(label).ok().filter(|&id| id < ids) {
                self.numbers[histogram + id] += 1.0;
            }
        }
    }

    fn count(&mut self, class: PieceClass, word: u8, right: bool) {
        let classes: &[usize] = match class {
            PieceClass::Hanzi => &[0, 1, 1 + usize::from(word.clamp(1, 4))],
            PieceClass::Latin => &[0, 6],
            PieceClass::Digits => &[0, 7],
            PieceClass::Other => &[0],
        };
        for class in classes {
            self.numbers[FIXED + 2 * class] += 1.0;
            self.numbers[FIXED + 2 * class + 1] += f64::from(u8::from(right));
        }
    }

    /// The sums, to be added up over the ranks.
    pub fn numbers_mut(&mut self) -> &mut [f64] {
        &mut self.numbers
    }

    /// What the sums say.
    pub fn report(&self) -> Report {
        let classes: Vec<ClassReport> = CLASSES
            .iter()
            .zip(self.numbers[FIXED..].chunks_exact(2))
            .map(|(&class, sums)| ClassReport {
                class,
                count: sums[0] as u64,
                accuracy: share(sums[1], sums[0]),
            })
            .collect();
        let masked = self.numbers[FIXED];
        let pairs = self.numbers.last().copied().unwrap_or_default();
        let histogram = &self.numbers[FIXED + 2 * CLASSES.len()..self.numbers.len() - 1];
        let most = histogram.iter().copied().fold(0.0, f64::max);
        let ones = self.numbers[3];
        Report {
            mlm_loss: share(self.numbers[0], masked).unwrap_or(f64::NAN),
            pair_loss: share(self.numbers[1], pairs),
            pair_accuracy: share(self.numbers[2], pairs),
            pair_majority: share(ones.max(pairs - ones), pairs),
            unigram_guess: share(most, masked).unwrap_or_default(),
            pairs: pairs as u64,
            classes,
        }
    }
}

impl Report {
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

    /// Share of all masked pieces guessed.
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
        let pieces = Pieces::read(file.path()).unwrap();
        let mut evaluation = Evaluation::new(pieces.len());
        let guesses = Guesses {
            masked_loss: 12.0,
            pair_loss: 1.5,
            masked_right: vec![true, false, true, true, false, true],
            pairs_right: vec![true, true, false],
        };
        evaluation.add(&pieces, &[1, 2, 1, 3, 4, 5], &[2, 2, 5, 1, 1, 1], &[1, 1, 0], &guesses);
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
