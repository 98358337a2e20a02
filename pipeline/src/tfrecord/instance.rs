//! An instance as a `tf.train.Example` (google-research/bert, create_pretraining_data.py, write_instance_to_example_files): lists
//! of fixed lengths, padded with zeros.

use quanci_tfrecord::{Example, Feature};

/// The names of the features.
const INPUT_IDS: &str = "input_ids";
const INPUT_MASK: &str = "input_mask";
const SEGMENT_IDS: &str = "segment_ids";
const POSITIONS: &str = "masked_lm_positions";
const LABELS: &str = "masked_lm_ids";
const WEIGHTS: &str = "masked_lm_weights";
const PAIR: &str = "next_sentence_labels";

/// The lengths of an example's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// `max_seq_length`.
    pub row: usize,
    /// `max_predictions_per_seq`.
    pub masks: usize,
}

/// A row with its masks, without padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// The tokens, masks in their places.
    pub input_ids: Vec<i64>,
    /// 0 for A with what is around it, 1 for B and the `[SEP]` behind it.
    pub segment_ids: Vec<i64>,
    /// Masked positions, ascending.
    pub positions: Vec<i64>,
    /// What the tokens there were.
    pub labels: Vec<i64>,
    /// 1 where B does not follow A.
    pub pair: i64,
}

impl Instance {
    /// The example of these lengths that stands for it.
    ///
    /// # Errors
    /// If it is longer than they are.
    pub fn to_example(&self, lengths: Lengths) -> Result<Example, String> {
        let (row, masks) = (self.input_ids.len(), self.positions.len());
        if row > lengths.row || masks > lengths.masks {
            return Err(format!(
                "{row} tokens with {masks} masks; the files hold {} and {}",
                lengths.row, lengths.masks
            ));
        }
        let padded = |values: &[i64], length: usize| {
            let mut values = values.to_vec();
            values.resize(length, 0);
            Feature::integers(values)
        };
        let weights = (0..lengths.masks).map(|at| if at < masks { 1.0 } else { 0.0 }).collect();
        Ok(Example::new([
            (INPUT_IDS, padded(&self.input_ids, lengths.row)),
            (INPUT_MASK, padded(&vec![1; row], lengths.row)),
            (SEGMENT_IDS, padded(&self.segment_ids, lengths.row)),
            (POSITIONS, padded(&self.positions, lengths.masks)),
            (LABELS, padded(&self.labels, lengths.masks)),
            (WEIGHTS, Feature::floats(weights)),
            (PAIR, Feature::integers(vec![self.pair])),
        ]))
    }

    /// The instance of an example, and the lengths that it was padded to.
    ///
    /// # Errors
    /// What is wrong with it: a list is missing, of another length, or not padded as it should be.
    pub fn from_example(example: &Example) -> Result<(Instance, Lengths), String> {
        let integers = |name: &str| {
            let list = example.integers(name);
            list.ok_or_else(|| format!("it has no list of integers `{name}`")).map(<[i64]>::to_vec)
        };
        let (mut input_ids, mask) = (integers(INPUT_IDS)?, integers(INPUT_MASK)?);
        let mut segment_ids = integers(SEGMENT_IDS)?;
        let (mut positions, mut labels) = (integers(POSITIONS)?, integers(LABELS)?);
        let weights =
            example.floats(WEIGHTS).ok_or_else(|| format!("it has no list of numbers `{WEIGHTS}`"))?;
        let lengths = Lengths { row: input_ids.len(), masks: positions.len() };
        let pair = match integers(PAIR)?[..] {
            [pair] => pair,
            _ => return Err(format!("`{PAIR}` is not one number")),
        };
        if mask.len() != lengths.row || segment_ids.len() != lengths.row {
            return Err(format!("`{INPUT_MASK}` or `{SEGMENT_IDS}` is not as long as `{INPUT_IDS}`"));
        }
        if labels.len() != lengths.masks || weights.len() != lengths.masks {
            return Err(format!("`{LABELS}` or `{WEIGHTS}` is not as long as `{POSITIONS}`"));
        }
        let row = leading(mask.iter().map(|&value| value as f32), INPUT_MASK)?;
        let masks = leading(weights.iter().copied(), WEIGHTS)?;
        for (name, values, length) in [
            (INPUT_IDS, &mut input_ids, row),
            (SEGMENT_IDS, &mut segment_ids, row),
            (POSITIONS, &mut positions, masks),
            (LABELS, &mut labels, masks),
        ] {
            if values[length..].iter().any(|&value| value != 0) {
                return Err(format!("`{name}` has numbers in its padding"));
            }
            values.truncate(length);
        }
        if positions.iter().any(|&position| !(0..row as i64).contains(&position)) {
            return Err(format!("`{POSITIONS}` lead out of the row of {row} tokens"));
        }
        if !positions.is_sorted_by(|one, other| one < other) {
            return Err(format!("`{POSITIONS}` do not ascend"));
        }
        Ok((Instance { input_ids, segment_ids, positions, labels, pair }, lengths))
    }
}

/// How many ones stand before the zeros.
fn leading(values: impl Iterator<Item = f32>, name: &str) -> Result<usize, String> {
    let (mut ones, mut padding) = (0, false);
    for value in values {
        match value {
            1.0 if !padding => ones += 1,
            0.0 => padding = true,
            _ => return Err(format!("`{name}` is not ones and then zeros")),
        }
    }
    Ok(ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            input_ids: vec![2, 9, 4, 3, 7, 3],
            segment_ids: vec![0, 0, 0, 0, 1, 1],
            positions: vec![2, 4],
            labels: vec![8, 7],
            pair: 1,
        }
    }

    const LENGTHS: Lengths = Lengths { row: 8, masks: 3 };

    #[test]
    fn instances_are_padded_and_read_back() {
        let example = instance().to_example(LENGTHS).unwrap();
        assert_eq!(example.integers("input_ids"), Some(&[2, 9, 4, 3, 7, 3, 0, 0][..]));
        assert_eq!(example.integers("masked_lm_positions"), Some(&[2, 4, 0][..]));
        assert_eq!(example.floats("masked_lm_weights"), Some(&[1.0, 1.0, 0.0][..]));
        assert_eq!(example.integers("next_sentence_labels"), Some(&[1][..]));
        let read = Example::decode(&example.encode()).unwrap();
        assert_eq!(Instance::from_example(&read), Ok((instance(), LENGTHS)));
        assert!(instance().to_example(Lengths { row: 5, masks: 3 }).is_err());
        assert!(instance().to_example(Lengths { row: 8, masks: 1 }).is_err());
    }

    #[test]
    fn what_is_no_instance_is_told() {
        let with = |name: &'static str, values: Vec<i64>| {
            let example = instance().to_example(LENGTHS).unwrap();
            let names =
                ["input_ids", "input_mask", "segment_ids", "masked_lm_positions", "masked_lm_ids", PAIR];
            let lists = names.into_iter().map(|own| {
                let kept = example.integers(own).unwrap().to_vec();
                (own, Feature::integers(if own == name { values.clone() } else { kept }))
            });
            let weights = Feature::floats(vec![1.0, 1.0, 0.0]);
            Instance::from_example(&Example::new(lists.chain([(WEIGHTS, weights)]))).unwrap_err()
        };
        assert!(with("input_mask", vec![1, 1, 1, 0, 1, 1, 0, 0]).contains("input_mask"));
        assert!(with("input_mask", vec![1; 7]).contains("not as long"));
        assert!(with("segment_ids", vec![0, 0, 0, 0, 1, 1, 1, 0]).contains("padding"));
        assert!(with("masked_lm_positions", vec![2, 6, 0]).contains("out of the row"));
        assert!(with("masked_lm_positions", vec![4, 2, 0]).contains("ascend"));
        assert!(with("masked_lm_ids", vec![1]).contains("not as long"));
        assert!(with(PAIR, vec![1, 1]).contains("one number"));
        assert!(Instance::from_example(&Example::new([])).unwrap_err().contains("input_ids"));
    }
}
