//! Which data set a lane's next row is from: turns of a fixed pattern in which each data set, at any moment, has had its
//! weight's share to within one row.

/// Weights are rounded to shares of about this many turns.
const TURNS: f64 = (1u64 << 20) as f64;
/// The state is kept every so many turns, so that a lane is resumed anywhere at once.
const STRIDE: u64 = 1024;

/// The pattern of turns, and its state at every [`STRIDE`]-th of them.
#[derive(Debug)]
pub(super) struct Mixture {
    /// Turns of each data set in the pattern.
    weights: Vec<u64>,
    /// Turns in the pattern, after which it repeats.
    period: u64,
    kept: Vec<Vec<u64>>,
}

impl Mixture {
    /// The pattern for data sets of these weights, all positive.
    pub(super) fn new(weights: &[f64]) -> Mixture {
        let sum: f64 = weights.iter().sum();
        let rounded = weights.iter().map(|weight| ((weight / sum * TURNS).round() as u64).max(1));
        let mut weights: Vec<u64> = rounded.collect();
        // A short period: weights 2 and 1 give a pattern of 3 turns instead of 2^20.
        let divisor = weights.iter().copied().fold(0, gcd);
        weights.iter_mut().for_each(|weight| *weight /= divisor);
        let mut mixture = Mixture { period: weights.iter().sum(), kept: Vec::new(), weights };
        mixture.keep_states();
        mixture
    }

    fn keep_states(&mut self) {
        let mut turns = Turns::new(self, 0, vec![0; self.weights.len()]);
        let mut kept = Vec::new();
        for turn in 0..self.period {
            if turn % STRIDE == 0 {
                kept.push(turns.taken.clone());
            }
            turns.next(self);
        }
        self.kept = kept;
    }

    /// How many of the first `turn` turns each data set has had.
    fn taken(&self, turn: u64) -> Vec<u64> {
        // From the state kept at most STRIDE turns before, so a jump costs O(STRIDE) however far it is.
        let (rounds, rest) = (turn / self.period, turn % self.period);
        let kept = self.kept[(rest / STRIDE) as usize].clone();
        let mut turns = Turns::new(self, rest / STRIDE * STRIDE, kept);
        (0..rest % STRIDE).for_each(|_| {
            turns.next(self);
        });
        turns.taken.iter().zip(&self.weights).map(|(taken, weight)| rounds * weight + taken).collect()
    }

    /// The turns of a lane from its row `row` on, and how many rows of each data set it has had. Lanes begin at even
    /// distances in the pattern: if all began at its start, a small data set would fill whole batches from time to time.
    pub(super) fn lane(&self, lane: u32, lanes: u32, row: u64) -> (Turns, Vec<u64>) {
        // u128: lane × period exceeds 64 bits for many lanes.
        let begin = (u128::from(lane) * u128::from(self.period) / u128::from(lanes)) as u64;
        let (before, now) = (self.taken(begin), self.taken(begin + row));
        let had = now.iter().zip(before).map(|(now, before)| now - before).collect();
        let rounds = (begin + row) / self.period;
        let taken = now.iter().zip(&self.weights).map(|(now, weight)| now - rounds * weight).collect();
        (Turns::new(self, (begin + row) % self.period, taken), had)
    }

    /// The share of a data set.
    pub(super) fn share(&self, set: usize) -> f64 {
        self.weights[set] as f64 / self.period as f64
    }
}

/// Takes turns.
#[derive(Debug)]
pub(super) struct Turns {
    turn: u64,
    /// Turns that each data set has had of this round of the pattern.
    taken: Vec<u64>,
    /// The turn before which each must have its next one.
    deadlines: Vec<u64>,
}

impl Turns {
    fn new(mixture: &Mixture, turn: u64, taken: Vec<u64>) -> Turns {
        let deadlines = mixture.weights.iter().zip(&taken);
        let deadlines = deadlines.map(|(&weight, &taken)| deadline(weight, taken, mixture.period)).collect();
        Turns { turn, taken, deadlines }
    }

    /// The data set whose turn it is: of those that are behind their share, the one whose next row is due first. This
    /// is fair scheduling of one machine (Baruah et al. 1996). Taking the one that is furthest behind, as Megatron
    /// does, drifts beyond one row with four data sets or more.
    pub(super) fn next(&mut self, mixture: &Mixture) -> usize {
        // Eligible (pfair scheduling): taken / (turn + 1) is below weight / period. Compared without division.
        let behind = |&set: &usize| self.taken[set] * mixture.period < (self.turn + 1) * mixture.weights[set];
        let set = (0..self.taken.len()).filter(behind).min_by_key(|&set| self.deadlines[set]);
        let set = set.expect("all shares together are one row a turn");
        self.taken[set] += 1;
        self.turn += 1;
        if self.turn == mixture.period {
            *self = Turns::new(mixture, 0, vec![0; self.taken.len()]);
        } else {
            self.deadlines[set] = deadline(mixture.weights[set], self.taken[set], mixture.period);
        }
        set
    }
}

fn deadline(weight: u64, taken: u64, period: u64) -> u64 {
    ((taken + 1) * period).div_ceil(weight)
}

/// The greatest common divisor; of 0 and a number, the number.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_kept_to_within_a_row(weights in prop::collection::vec(1u32..100, 1..9)) {
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let mixture = Mixture::new(&weights);
            let (mut turns, had) = mixture.lane(0, 1, 0);
            let mut counts = had;
            for row in 1..5000u64 {
                counts[turns.next(&mixture)] += 1;
                for (set, &count) in counts.iter().enumerate() {
                    let wanted = row as f64 * mixture.share(set);
                    prop_assert!((count as f64 - wanted).abs() < 1.0, "{counts:?} of {row}");
                    prop_assert!((wanted / row as f64 - weights[set] / weights.iter().sum::<f64>()).abs() < 2e-6);
                }
            }
        }

        #[test]
        fn a_lane_goes_on_where_it_was(
            weights in prop::collection::vec(0.001f64..10.0, 1..5),
            (lanes, lane) in (1u32..9).prop_flat_map(|lanes| (Just(lanes), 0..lanes)),
            row in 0u64..10_000,
        ) {
            let mixture = Mixture::new(&weights);
            let (mut walked, mut had) = mixture.lane(lane, lanes, 0);
            (0..row).for_each(|_| had[walked.next(&mixture)] += 1);
            let (mut jumped, counted) = mixture.lane(lane, lanes, row);
            prop_assert_eq!(had, counted);
            for _ in 0..100 {
                prop_assert_eq!(walked.next(&mixture), jumped.next(&mixture));
            }
        }
    }

    #[test]
    fn far_ahead_at_once() {
        let mixture = Mixture::new(&[1.0, 1e-6, std::f64::consts::PI]);
        let (_, had) = mixture.lane(3, 64, 10_000_000_000);
        assert_eq!(had.iter().sum::<u64>(), 10_000_000_000);
    }
}
