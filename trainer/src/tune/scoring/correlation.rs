//! Pearson's and Spearman's correlations.

use super::scores::Scores;

/// Both, and their mean; 0 where all numbers of one side are equal, for which there is none.
pub(crate) fn correlations(predicted: &[f64], wanted: &[f64]) -> Scores {
    let pearson = self::pearson(predicted, wanted);
    let spearman = self::pearson(&ranks(predicted), &ranks(wanted));
    Scores::of([("correlation", 0.5 * (pearson + spearman)), ("pearson", pearson), ("spearman", spearman)])
}

/// Pearson's correlation.
fn pearson(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        one.iter().zip(other).map(|(a, b)| f(a - mean_one, b - mean_other)).sum()
    };
    let spread = sum(&|a, _| a * a) * sum(&|_, b| b * b);
    if spread > 0.0 { sum(&|a, b| a * b) / spread.sqrt() } else { 0.0 }
}

/// The rank of each value; equal ones share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..].iter().take_while(|&&at| values[at] == values[order[start]]).count().max(1);
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        order[start..start + same].iter().for_each(|&at| ranks[at] = rank);
        start += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.pearsonr and spearmanr.
    #[test]
    fn of_five_with_ties() {
        let scores = correlations(&[1.0, 2.0, 2.0, 4.0, 9.0], &[0.5, 1.0, 3.0, 3.0, 2.5]);
        let get = |name| scores.get(name).unwrap();
        assert!((get("pearson") - 0.46501620467356053).abs() < 1e-12, "{}", get("pearson"));
        assert!((get("spearman") - 0.5526315789473686).abs() < 1e-12, "{}", get("spearman"));
        assert_eq!(correlations(&[1.0, 1.0], &[1.0, 2.0]).get("correlation"), Some(0.0));
    }
}
