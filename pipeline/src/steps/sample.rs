//! Which documents a sample takes: a pure function of their text and a seed, so that it depends on no file, thread or order.

use quanci_shards::rng::splitmix64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Keeps this use of a seed apart from all others.
const SALT: u64 = 0x7361_6d70_6c65;

/// True if a sample takes a text: with probability `limit` / 2^64 over texts. All repeats of a text are taken, or none, so
/// that their share stays what it is.
pub fn takes(text: &str, seed: u64, limit: u64) -> bool {
    xxh3_64_with_seed(text.as_bytes(), splitmix64(seed ^ SALT)) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_right() {
        let taken = |share: f64, seed: u64| -> Vec<usize> {
            let is_taken = |i: &usize| takes(&format!("第{i}篇"), seed, (share * 2f64.powi(64)) as u64);
            (0..20_000).filter(is_taken).collect()
        };
        for share in [0.01f64, 0.3, 0.9] {
            let deviation = (20_000.0 * share * (1.0 - share)).sqrt();
            let off = taken(share, 1).len() as f64 - 20_000.0 * share;
            assert!(off.abs() < 4.0 * deviation, "{share}: off by {off}");
        }
        assert_eq!(taken(1.0, 1).len(), 20_000);
        assert_ne!(taken(0.01, 1), taken(0.01, 2), "another seed takes others");
        let (few, many) = (taken(0.01, 1), taken(0.3, 1));
        assert!(few.iter().all(|i| many.contains(i)), "a larger sample holds the smaller one");
    }
}
