//! Random numbers: the trait that pair building and masking draw from, and the generator that data sets use.

/// A source of random numbers. Data sets use [`Rng`]; a test uses CPython's generator, to reproduce the output of
/// google-research/bert.
pub trait RandomSource {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64;

    /// Uniform in 0..n.
    ///
    /// # Panics
    /// If n is 0.
    fn below(&mut self, n: usize) -> usize;

    /// One step of a shuffle: after the calls for 0, 1, …, k, the first k + 1 items are those of a uniformly random
    /// order. A caller that needs only the first few items pays for those alone.
    #[inline]
    fn shuffle_step<T>(&mut self, items: &mut [T], k: usize) {
        // Fisher-Yates, from the front.
        let chosen = k + self.below(items.len() - k);
        items.swap(k, chosen);
    }

    /// A uniformly random order.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for k in 0..items.len().saturating_sub(1) {
            self.shuffle_step(items, k);
        }
    }
}

/// xoshiro256++ 1.0 by David Blackman and Sebastiano Vigna (public domain, <https://prng.di.unimi.it/>), seeded through
/// SplitMix64. It is written out here because data sets depend on every bit of it, and no crate promises that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of SplitMix64: a bijection of 64 bits that scatters them well.
pub fn splitmix64(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// A generator for a purpose, named by numbers such as (seed, bucket, copy): other numbers, other draws.
    pub fn new(key: &[u64]) -> Rng {
        // The length goes in first, so that (1, 0) and (1) are different keys.
        let mut seed = key.iter().fold(key.len() as u64, |hash, &part| splitmix64(hash ^ splitmix64(part)));
        let state = std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            splitmix64(seed)
        });
        Rng { state }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s0.wrapping_add(*s3).rotate_left(23).wrapping_add(*s0);
        let t = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= t;
        *s3 = s3.rotate_left(45);
        result
    }

    /// The rest of [`RandomSource::below`]: draws again as long as the product is one of those that come too often.
    #[cold]
    fn unbiased(&mut self, n: u64, mut product: u128) -> u128 {
        let threshold = n.wrapping_neg() % n;
        while (product as u64) < threshold {
            product = u128::from(self.next_u64()) * u128::from(n);
        }
        product
    }
}

impl RandomSource for Rng {
    #[inline]
    fn uniform(&mut self) -> f64 {
        // The upper 53 bits, which a double holds exactly.
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Lemire's multiplication without a bias ("Fast Random Integer Generation in an Interval", 2019).
    #[inline]
    fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a draw from nothing");
        let n = n as u64;
        // The upper half of the product is the result, the lower half decides whether it may be biased.
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        // Reached with probability n / 2^64: hardly ever.
        if (product as u64) < n {
            product = self.unbiased(n, product);
        }
        (product >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // xoshiro256++ from the state 1, 2, 3, 4: the first outputs of the authors' C code.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: [u64; 4] = std::array::from_fn(|_| rng.next_u64());
        assert_eq!(first, [41943041, 58720359, 3588806011781223, 3591011842654386]);
        // SplitMix64 from the state 1234567.
        assert_eq!(splitmix64(1234567), 6457827717110365317);
    }

    #[test]
    fn draws_are_even() {
        let mut rng = Rng::new(&[7]);
        let mut counts = [0u32; 6];
        (0..60_000).for_each(|_| counts[rng.below(6)] += 1);
        assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
        let mean = (0..10_000).map(|_| rng.uniform()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }

    #[test]
    fn every_order_is_as_likely() {
        let mut rng = Rng::new(&[1, 2]);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
