//! One score over several seeds.

use serde::Serialize;

/// A score over several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Its mean.
    pub mean: f64,
    /// The largest.
    pub best: f64,
    /// The sample's standard deviation (n − 1); none of one seed.
    pub deviation: Option<f64>,
}

impl Summary {
    /// Of some values; none of none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let count = values.len() as f64;
        let best = values.iter().copied().reduce(f64::max)?;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Summary { mean, best, deviation: (count > 1.0).then(|| (squares / (count - 1.0)).sqrt()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_three() {
        let summary = Summary::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((summary.mean, summary.best, summary.deviation), (3.0, 6.0, Some(7f64.sqrt())));
        assert_eq!(Summary::of(&[2.0]).unwrap().deviation, None);
        assert!(Summary::of(&[]).is_none());
    }
}
