//! Measures whether the lengths of A and B predict the label. If so, a model can learn the lengths instead of the text.
//!
//! A logistic regression over the length of A, the length of B, their sum, and the square of each, with five-fold
//! cross-validation over documents. Rows enter as counts by lengths, so memory does not depend on the number of rows.
//! Nothing is random.

use std::collections::BTreeMap;

use quanci_shards::rng::splitmix64;
use serde::Serialize;

const FOLDS: usize = 5;
/// An intercept, three lengths and their squares.
const FEATURES: usize = 7;
/// Bound of the number of different lengths. If `max_seq_len` is larger, lengths are binned.
const BINS: usize = 512;
/// L2 regularization. Without it the Hessian would be singular, because a + b depends linearly on a and b.
const RIDGE: f64 = 1e-6;
// Newton's method usually needs fewer than 10 steps; perfectly separable labels need more.
const MOST_STEPS: usize = 30;

type Vector = [f64; FEATURES];

/// Numbers of pairs by the lengths of A and B, by fold and label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
// Sorted: floating-point sums over the cells have a fixed order, so results are the same in every run.
pub(super) struct Cells(BTreeMap<(u16, u16), [[u64; 2]; FOLDS]>);

/// How well lengths alone predict the label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Leak {
    /// The number of pairs.
    pub rows: u64,
    /// Share of the more frequent label: the accuracy of always predicting it.
    pub majority: f64,
    /// Accuracy of the prediction from lengths.
    pub accuracy: f64,
    /// Probability that of two pairs with different labels, the one with label 1 gets the higher score.
    pub auc: f64,
    /// Standard deviation of the AUC by chance, if rows were independent. Rows of one document are not, so the true
    /// value is larger.
    pub auc_deviation: f64,
}

/// How well lengths tell the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within three standard deviations of chance.
    Chance,
    /// Only slightly better.
    Hardly,
    /// A little.
    ALittle,
    /// A model may learn the lengths instead of the text.
    Yes,
}

impl Leak {
    /// What the numbers mean.
    pub fn verdict(&self) -> Verdict {
        // Distances of the AUC from 0.5. Google's builder is at 0.16 on short Chinese documents (docs/en/data-format.md).
        const LITTLE: f64 = 0.02;
        const MUCH: f64 = 0.05;
        let off = (self.auc - 0.5).abs();
        match off {
            _ if off < 3.0 * self.auc_deviation => Verdict::Chance,
            _ if off < LITTLE => Verdict::Hardly,
            _ if off < MUCH => Verdict::ALittle,
            _ => Verdict::Yes,
        }
    }
}

impl Cells {
    /// Pairs of each label by the length of A and B together, in bins of [`Cells::bin`] tokens.
    pub(super) fn by_length(&self) -> [Vec<u64>; 2] {
        let mut lengths = [Vec::new(), Vec::new()];
        for (&(a, b), folds) in &self.0 {
            let bin = usize::from(a) + usize::from(b);
            for (label, lengths) in lengths.iter_mut().enumerate() {
                let pairs: u64 = folds.iter().map(|labels| labels[label]).sum();
                lengths.resize(lengths.len().max(bin + 1), 0);
                lengths[bin] += pairs;
            }
        }
        lengths
    }

    /// Tokens in a bin, where the longest row has `most`.
    pub(super) fn bin(most: usize) -> usize {
        most.div_ceil(BINS).max(1)
    }

    pub(super) fn add(&mut self, (a, b): (usize, usize), label: usize, document: u64, most: usize) {
        let bin = |length: usize| (length / Self::bin(most)).min(usize::from(u16::MAX)) as u16;
        // Folds are by document: rows of one document are alike, and must not be in both parts.
        let fold = (splitmix64(document) % FOLDS as u64) as usize;
        self.0.entry((bin(a), bin(b))).or_default()[fold][label] += 1;
    }

    pub(super) fn merge(&mut self, other: Cells) {
        for (lengths, folds) in other.0 {
            let sums = self.0.entry(lengths).or_default();
            sums.iter_mut().flatten().zip(folds.iter().flatten()).for_each(|(sum, n)| *sum += n);
        }
    }

    /// None if a label is missing in one of the folds or in the rest: then nothing can be fitted or judged.
    pub(super) fn leak(&self) -> Option<Leak> {
        let points = self.points();
        let (mut right, mut pairs, mut ordered) = (0.0, 0.0, 0.0);
        for fold in 0..FOLDS {
            let (here, others): (Vec<_>, Vec<_>) = points.iter().partition(|point| point.fold == fold);
            if !has_both(&here) || !has_both(&others) {
                return None;
            }
            let weights = fit(&others);
            let judged = judge(&here, &weights);
            right += judged.right;
            pairs += judged.pairs;
            ordered += judged.ordered;
        }
        let of = |label: usize| points.iter().map(|point| point.labels[label]).sum::<f64>();
        let (zeros, ones) = (of(0), of(1));
        Some(Leak {
            rows: (zeros + ones) as u64,
            majority: zeros.max(ones) / (zeros + ones),
            accuracy: right / (zeros + ones),
            auc: ordered / pairs,
            // Variance of the Mann-Whitney statistic under the null hypothesis, divided by (zeros * ones)^2.
            auc_deviation: ((zeros + ones + 1.0) / (12.0 * zeros * ones)).sqrt(),
        })
    }

    fn points(&self) -> Vec<Point> {
        let most = self.0.keys().map(|(a, b)| a.max(b)).max().copied().unwrap_or(1);
        // Features near [-0.5, 0.5] keep the Hessian well conditioned.
        let scale = 1.0 / f64::from(most.max(1));
        let mut points = Vec::new();
        for (&(a, b), folds) in &self.0 {
            let (a, b) = (f64::from(a) * scale - 0.5, f64::from(b) * scale - 0.5);
            // With squares, the model can use "B has a typical length", not only "B is long".
            let features = [1.0, a, b, a + b, a * a, b * b, (a + b) * (a + b)];
            for (fold, labels) in folds.iter().enumerate().filter(|(_, labels)| labels.iter().any(|&n| n > 0))
            {
                points.push(Point { features, fold, labels: labels.map(|n| n as f64) });
            }
        }
        points
    }
}

/// Pairs of the same lengths, in one fold.
struct Point {
    features: Vector,
    fold: usize,
    labels: [f64; 2],
}

fn has_both(points: &[&Point]) -> bool {
    (0..2).all(|label| points.iter().any(|point| point.labels[label] > 0.0))
}

fn dot(x: &Vector, y: &Vector) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Fits the logistic regression by Newton's method; a step is halved until the loss decreases.
fn fit(points: &[&Point]) -> Vector {
    let total: f64 = points.iter().map(|point| point.labels[0] + point.labels[1]).sum();
    // The loss is convex, so the starting point does not matter.
    let mut weights = [0.0; FEATURES];
    let mut loss = loss_of(points, &weights, total);
    for _ in 0..MOST_STEPS {
        let Some(step) = newton_step(points, &weights, total) else { break };
        let mut share = 1.0;
        // A backtracking line search: a full Newton step may overshoot.
        let better = std::iter::repeat_with(|| {
            let tried: Vector = std::array::from_fn(|i| weights[i] - share * step[i]);
            share /= 2.0;
            (loss_of(points, &tried, total), tried)
        });
        let Some((lower, tried)) = better.take(20).find(|(tried, _)| *tried < loss) else { break };
        let gained = loss - lower;
        (loss, weights) = (lower, tried);
        if gained < 1e-12 {
            break;
        }
    }
    weights
}

/// The mean negative log-likelihood plus the L2 term.
fn loss_of(points: &[&Point], weights: &Vector, total: f64) -> f64 {
    // log(1 + e^z) without overflow for large z.
    let log1p_exp = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    let one = |point: &&Point| {
        let z = dot(&point.features, weights);
        point.labels[0] * log1p_exp(z) + point.labels[1] * log1p_exp(-z)
    };
    points.iter().map(one).sum::<f64>() / total + RIDGE / 2.0 * dot(weights, weights)
}

/// The Newton step, the inverse Hessian times the gradient; none if the Hessian is singular.
fn newton_step(points: &[&Point], weights: &Vector, total: f64) -> Option<Vector> {
    let mut gradient = weights.map(|weight| RIDGE * weight);
    let mut curvature = [[0.0; FEATURES]; FEATURES];
    // The Hessian starts with the L2 term, which makes it invertible.
    (0..FEATURES).for_each(|i| curvature[i][i] = RIDGE);
    for point in points {
        let p = 1.0 / (1.0 + (-dot(&point.features, weights)).exp());
        let n = (point.labels[0] + point.labels[1]) / total;
        let error = n * p - point.labels[1] / total;
        gradient.iter_mut().zip(&point.features).for_each(|(sum, x)| *sum += error * x);
        for (row, x) in curvature.iter_mut().zip(&point.features) {
            row.iter_mut().zip(&point.features).for_each(|(sum, y)| *sum += n * p * (1.0 - p) * x * y);
        }
    }
    solve(curvature, gradient)
}

/// Solves a system of linear equations by Gaussian elimination; none if it is singular.
fn solve(matrix: [Vector; FEATURES], right: Vector) -> Option<Vector> {
    let mut rows: Vec<(Vector, f64)> = matrix.into_iter().zip(right).collect();
    for column in 0..FEATURES {
        let size = |row: &usize| rows[*row].0[column].abs();
        // Partial pivoting, for numerical stability.
        let pivot = (column..FEATURES).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        rows.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let (pivot, known) = above[column];
        // Singular: even the largest candidate is zero.
        if pivot[column].abs() < 1e-300 {
            return None;
        }
        for (row, right) in below {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(cell, above)| *cell -= factor * above);
            *right -= factor * known;
        }
    }
    let mut solution = [0.0; FEATURES];
    for (column, (row, right)) in rows.iter().enumerate().rev() {
        // Unknowns that are not solved yet are 0 in `solution`, so the product covers only the solved ones.
        solution[column] = (right - dot(row, &solution)) / row[column];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

/// Results on one fold: right predictions, pairs of rows with different labels, and those in the right order.
#[derive(Default)]
struct Judged {
    right: f64,
    pairs: f64,
    ordered: f64,
}

/// Evaluates the weights on a fold. Ties count half in the order.
fn judge(points: &[&Point], weights: &Vector) -> Judged {
    let mut scored: Vec<(f64, [f64; 2])> =
        points.iter().map(|point| (dot(&point.features, weights), point.labels)).collect();
    // Sorted by score, one pass counts the ordered pairs: for each 1, the zeros below it.
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut judged, mut zeros_below) = (Judged::default(), 0.0);
    for tie in scored.chunk_by(|a, b| a.0 == b.0) {
        let of = |label: usize| tie.iter().map(|(_, labels)| labels[label]).sum::<f64>();
        let (zeros, ones) = (of(0), of(1));
        // A score above 0 is a probability above 0.5.
        judged.right += if tie[0].0 > 0.0 { ones } else { zeros };
        judged.ordered += ones * (zeros_below + zeros / 2.0);
        zeros_below += zeros;
    }
    let ones: f64 = scored.iter().map(|(_, labels)| labels[1]).sum();
    judged.pairs = ones * zeros_below;
    judged
}

#[cfg(test)]
mod tests {
    use quanci_shards::rng::{RandomSource, Rng};

    use super::*;

    fn leak(pair: impl Fn(&mut Rng, usize) -> (usize, usize)) -> Leak {
        let (mut cells, mut rng) = (Cells::default(), Rng::new(&[5]));
        for document in 0..20_000 {
            let label = rng.below(2);
            let lengths = pair(&mut rng, label);
            cells.add(lengths, label, document, 128);
        }
        cells.leak().expect("both labels are in every fold")
    }

    #[test]
    fn chance_is_chance() {
        let leak = leak(|rng, _| (1 + rng.below(60), 1 + rng.below(60)));
        assert!((leak.auc - 0.5).abs() < 4.0 * leak.auc_deviation, "{leak:?}");
        assert!((leak.accuracy - 0.5).abs() < 0.02, "{leak:?}");
    }

    #[test]
    fn a_leak_is_seen() {
        // Label 1 fills the row, as Google's random B does; label 0 often does not.
        let fills = leak(|rng, label| {
            let a = 1 + rng.below(60);
            (a, if label == 1 { 125 - a } else { 1 + rng.below(125 - a) })
        });
        assert!(fills.auc > 0.95 && fills.accuracy > 0.9, "{fills:?}");
        // Only the squares show it: neither label is longer.
        let middle =
            leak(|rng, label| if label == 1 { (30, 1 + rng.below(60)) } else { (60 * rng.below(2), 30) });
        assert!(middle.auc > 0.99, "{middle:?}");
    }

    #[test]
    fn perfect_separation_and_too_little() {
        let perfect = leak(|_, label| (10 + 20 * label, 10));
        assert!(perfect.auc > 0.999 && perfect.accuracy > 0.999, "{perfect:?}");
        let mut cells = Cells::default();
        cells.add((3, 4), 1, 9, 128);
        assert_eq!((cells.leak(), Cells::default().leak()), (None, None));
    }
}
