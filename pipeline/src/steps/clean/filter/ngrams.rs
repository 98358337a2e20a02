//! Repetition of character n-grams, by the ladder of Gopher (Rae et al. 2021, table A1): the most frequent short run, and long
//! runs that were there before. Gopher counts words; a Chinese word has about 1.75 characters.

use rustc_hash::FxHashMap;

use crate::config::FilterSettings;
use crate::drops::Reason;

/// Characters of the short runs.
const TOP: [usize; 3] = [2, 3, 4];
/// Characters of the long ones, for 5 to 10 words. Gopher counts a run once more only as a whole and behind the one before, which
/// finds about half as much as every character that is in one; runs of four characters a word make up for it.
const LONG: [usize; 6] = [20, 24, 28, 32, 36, 40];

/// The characters of a text without white space. A Latin word or a number is one, as it has as many letters as
/// several words of Hanzi, and so is a run of the same mark.
pub(super) fn units(text: &str) -> Vec<u32> {
    let mut units = Vec::with_capacity(text.len() / 3);
    let mut word = 0_u32;
    let mut before = ' ';
    for c in text.chars() {
        // A rule of `=====` is no repetition.
        let is_rule = std::mem::replace(&mut before, c) == c && !c.is_alphanumeric();
        if c.is_ascii_alphanumeric() {
            word = (word ^ u32::from(c)).wrapping_mul(0x0100_0193);
            continue;
        }
        if word != 0 {
            // Above all characters.
            units.push(std::mem::take(&mut word) | 0x8000_0000);
        }
        if !is_rule && !matches!(c, ' ' | '\n') {
            units.push(u32::from(c));
        }
    }
    if word != 0 {
        units.push(word | 0x8000_0000);
    }
    units
}

/// Whether a text passes; `chars` are its [`units`].
pub(super) fn judge(chars: &[u32], limits: &FilterSettings) -> Result<(), Reason> {
    if TOP.iter().zip(limits.max_top_ngrams).any(|(_, limit)| limit < 1.0)
        && has_frequent(chars, &limits.max_top_ngrams)
    {
        return Err(Reason::FrequentRun);
    }
    if limits.max_repeated_ngrams.iter().any(|&limit| limit < 1.0)
        && has_repeated(chars, &limits.max_repeated_ngrams)
    {
        return Err(Reason::RepeatedRuns);
    }
    Ok(())
}

fn has_frequent(chars: &[u32], limits: &[f64; 3]) -> bool {
    let length = chars.len() as f64;
    let exceeds = |count: u64, n: usize, limit: f64| count > 1 && (count * n as u64) as f64 > limit * length;
    // No run of three or four is more frequent than the two it begins with, and this count is never too small.
    let bound = most_frequent_pair(chars);
    TOP.iter()
        .zip(limits)
        .any(|(&n, &limit)| exceeds(bound, n, limit) && exceeds(most_frequent(chars, n), n, limit))
}

/// At least how often the most frequent pair is there: pairs that share a slot are counted together.
fn most_frequent_pair(chars: &[u32]) -> u64 {
    const SLOTS: usize = 1 << 14;
    let mut counts = vec![0_u32; SLOTS.min((4 * chars.len()).next_power_of_two())];
    let mask = counts.len() - 1;
    for pair in chars.windows(2) {
        let hash = pair[0].wrapping_mul(0x9e37_79b1) ^ pair[1].wrapping_mul(0x85eb_ca6b);
        counts[(hash >> 15) as usize & mask] += 1;
    }
    u64::from(counts.into_iter().max().unwrap_or(0))
}

fn most_frequent(chars: &[u32], n: usize) -> u64 {
    let mut counts: FxHashMap<&[u32], u64> = FxHashMap::default();
    let mut most = 0;
    // Runs that overlap, as in 哈哈哈哈, are not counted twice.
    let mut last: FxHashMap<&[u32], usize> = FxHashMap::default();
    for (at, run) in chars.windows(n).enumerate() {
        if last.get(run).is_some_and(|&last| at < last + n) {
            continue;
        }
        last.insert(run, at);
        let count = counts.entry(run).or_default();
        *count += 1;
        most = most.max(*count);
    }
    most
}

fn has_repeated(chars: &[u32], limits: &[f64; 6]) -> bool {
    let length = chars.len() as f64;
    let least = limits.iter().copied().fold(1.0, f64::min);
    let mut before = None;
    for (&n, &limit) in LONG.iter().zip(limits) {
        // What a longer run covers, a shorter one covers too: most texts pass with the first.
        if before.is_some_and(|covered: f64| covered <= least) {
            return false;
        }
        let covered = repeated(chars, n) as f64 / length.max(1.0);
        if covered > limit {
            return true;
        }
        before = Some(covered);
    }
    false
}

/// Characters in runs of `n` that were there before.
fn repeated(chars: &[u32], n: usize) -> u64 {
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    if chars.len() <= n {
        return 0;
    }
    // Open addressing with 32 bits of hash: two runs of a text of a million characters are taken for one with a chance of 0.0002.
    let mut seen = vec![0_u32; (2 * chars.len()).next_power_of_two()];
    let mask = seen.len() - 1;
    let highest = (1..n).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash =
        chars[..n - 1].iter().fold(0_u64, |hash, &c| hash.wrapping_mul(BASE).wrapping_add(u64::from(c) + 1));
    let (mut covered, mut end) = (0, 0);
    for at in 0..=chars.len() - n {
        hash = hash.wrapping_mul(BASE).wrapping_add(u64::from(chars[at + n - 1]) + 1);
        // The lower bits of a product are poor.
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let key = (mixed >> 32) as u32 | 1;
        let mut slot = mixed as usize & mask;
        loop {
            match seen[slot] {
                0 => {
                    seen[slot] = key;
                    break;
                }
                found if found == key => {
                    covered += at + n - end.max(at);
                    end = at + n;
                    break;
                }
                _ => slot = (slot + 1) & mask,
            }
        }
        hash = hash.wrapping_sub((u64::from(chars[at]) + 1).wrapping_mul(highest));
    }
    covered as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str) -> Vec<u32> {
        text.chars().map(u32::from).collect()
    }

    /// The same by looking at every pair.
    fn repeated_slowly(chars: &[u32], n: usize) -> u64 {
        let mut covered = vec![false; chars.len()];
        for at in 1..chars.len().saturating_sub(n - 1) {
            if (0..at).any(|before| chars[before..before + n] == chars[at..at + n]) {
                covered[at..at + n].fill(true);
            }
        }
        covered.iter().filter(|&&covered| covered).count() as u64
    }

    proptest! {
        #[test]
        fn repeats_are_found(text in "[天地人]{0,80}", n in 2..6_usize) {
            let chars = codes(&text);
            prop_assert_eq!(repeated(&chars, n), repeated_slowly(&chars, n));
            prop_assert!(repeated(&chars, n + 1) <= repeated(&chars, n));
            prop_assert!(most_frequent_pair(&chars) >= most_frequent(&chars, 2));
            prop_assert!(most_frequent(&chars, 2) >= most_frequent(&chars, 3));
        }
    }

    #[test]
    fn frequent_runs() {
        assert_eq!(most_frequent(&codes("哈哈哈哈哈"), 2), 2);
        assert!(has_frequent(&codes("买手机来买手机去买手机"), &[0.256, 0.201, 0.171]));
        assert!(!has_frequent(&codes("今天天气不错我们去公园走走吧"), &[0.256, 0.201, 0.171]));
        assert!(!has_frequent(&[], &[0.0; 3]) && !has_repeated(&[], &[0.0; 6]));
    }
}
