//! MinHash signatures of the character n-grams of a text, and the keys of their bands.

use quanci_shards::rng::splitmix64;

use crate::config::NearDuplicates;
use crate::steps::fold::Folds;

/// Rows that are computed side by side, in vector registers; a signature is filled up to a multiple of it.
const LANES: usize = 8;
/// N-grams that are hashed before minima are taken: both fit into the first cache.
const BLOCK: usize = 1024;
/// The base of the rolling hash.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Computes signatures.
pub struct MinHash {
    folds: Folds,
    ngram: usize,
    bands: usize,
    rows: usize,
    /// One permutation x → x · multiplier + addend of the numbers of 32 bits for each row of each band.
    multipliers: Vec<[i32; LANES]>,
    addends: Vec<[i32; LANES]>,
    /// What the oldest character of an n-gram is multiplied by.
    highest: u64,
}

/// The scratch buffers of a thread; [`MinHash::sign`] leaves a signature in it.
#[derive(Default)]
pub struct MinHashScratch {
    /// The last characters, as a ring.
    ring: Vec<u32>,
    hashes: Vec<i32>,
    minima: Vec<[i32; LANES]>,
}

impl MinHash {
    /// Signatures with these settings. The permutations are constants: a text has one signature, in every run.
    pub fn new(settings: &NearDuplicates) -> MinHash {
        let NearDuplicates { ngram, bands, rows } = *settings;
        let (bands, rows) = (bands as usize, rows as usize);
        let chunks = (bands * rows).div_ceil(LANES);
        let drawn = |chunk: usize, lane: usize, which: u64| {
            splitmix64(2 * (chunk * LANES + lane) as u64 + which) as u32
        };
        // Odd, so that it is a permutation.
        let multipliers =
            (0..chunks).map(|chunk| std::array::from_fn(|lane| (drawn(chunk, lane, 0) | 1) as i32));
        let addends = (0..chunks).map(|chunk| std::array::from_fn(|lane| drawn(chunk, lane, 1) as i32));
        MinHash {
            folds: Folds::default(),
            ngram: ngram as usize,
            bands,
            rows,
            multipliers: multipliers.collect(),
            addends: addends.collect(),
            highest: (1..ngram).fold(1, |power, _| power.wrapping_mul(BASE)),
        }
    }

    /// Computes the signature of a text. Returns its letters and digits; none if it has fewer than an n-gram, and no signature.
    pub fn sign(&self, text: &str, scratch: &mut MinHashScratch) -> Option<u32> {
        let MinHashScratch { ring, hashes, minima } = scratch;
        ring.clear();
        ring.resize(self.ngram, 0);
        hashes.clear();
        minima.clear();
        minima.resize(self.multipliers.len(), [i32::MAX; LANES]);
        let (mut hash, mut letters, mut slot) = (0_u64, 0_u32, 0);
        for c in text.chars() {
            let code = self.folds.of(c);
            if code == 0 {
                continue;
            }
            // Rolling (Karp and Rabin): the oldest character goes, the new one comes.
            let oldest = std::mem::replace(&mut ring[slot], code);
            hash = hash
                .wrapping_sub(u64::from(oldest).wrapping_mul(self.highest))
                .wrapping_mul(BASE)
                .wrapping_add(u64::from(code));
            slot = if slot + 1 == self.ngram { 0 } else { slot + 1 };
            letters = letters.saturating_add(1);
            if letters as usize >= self.ngram {
                // Mixed, as the lower bits of such a hash are poor.
                hashes.push((splitmix64(hash) >> 32) as i32);
                if hashes.len() == BLOCK {
                    self.lower(minima, hashes);
                    hashes.clear();
                }
            }
        }
        self.lower(minima, hashes);
        (letters as usize >= self.ngram).then_some(letters)
    }

    /// Takes hashes of n-grams into the minima of all rows. The hot loop: it is written so that the compiler uses vector
    /// instructions, with signed numbers, as x86-64 has no comparison of unsigned ones in its first set.
    fn lower(&self, minima: &mut [[i32; LANES]], hashes: &[i32]) {
        for ((minima, multipliers), addends) in minima.iter_mut().zip(&self.multipliers).zip(&self.addends) {
            let mut least = *minima;
            for &hash in hashes {
                for lane in 0..LANES {
                    let value = hash.wrapping_mul(multipliers[lane]).wrapping_add(addends[lane]);
                    least[lane] = least[lane].min(value);
                }
            }
            *minima = least;
        }
    }

    /// The signature in `scratch`: a minimum for each row of each band.
    pub fn signature<'a>(&self, scratch: &'a MinHashScratch) -> &'a [i32] {
        &scratch.minima.as_flattened()[..self.bands * self.rows]
    }

    /// A key for each band of the signature in `scratch`. Two texts share it if all rows of the band agree, or by a chance of
    /// 2^-64.
    pub fn keys(&self, scratch: &MinHashScratch) -> impl Iterator<Item = u64> {
        let bands = self.signature(scratch).chunks(self.rows);
        (0..).zip(bands).map(|(band, rows)| {
            // The number of the band goes in, so that keys of different bands are different.
            rows.iter().fold(splitmix64(band), |key, &row| splitmix64(key ^ u64::from(row as u32)))
        })
    }
}

/// The share of rows that agree: an estimate of the Jaccard similarity of the sets of n-grams, J, with a standard deviation of
/// √(J (1 − J) / rows).
pub fn similarity(a: &[i32], b: &[i32]) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f64 / a.len().max(1) as f64
}

#[cfg(test)]
mod tests;
