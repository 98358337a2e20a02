//! Exact comparison of scores count / (left · right).

use std::cmp::Ordering;

/// The score of a pair: `count / parts`. `parts` is 1 under the frequency rule, count(a) · count(b) under likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) count: u64,
    pub(super) parts: u128,
}

impl Ratio {
    /// Compares the values, as integers of up to 192 bits: floats would find ties where there are none.
    pub(super) fn compare(&self, other: &Ratio) -> Ordering {
        if self.parts == other.parts {
            return self.count.cmp(&other.count);
        }
        // a/b < c/d is a·d < c·b for positive numbers: no division, no rounding.
        product(self.count, other.parts).cmp(&product(other.count, self.parts))
    }
}

/// `a · b` as its upper 128 and its lower 64 bits.
fn product(a: u64, b: u128) -> (u128, u64) {
    // Long multiplication in base 2^64.
    let low = u128::from(a) * u128::from(b as u64);
    let high = u128::from(a) * (b >> 64);
    // (2^64 - 1)^2 + 2^64 - 1 is below 2^128.
    (high + (low >> 64), low as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// School multiplication of little-endian digits of 16 bits.
    fn long_product(factors: &[u64]) -> Vec<u32> {
        let mut digits = vec![1u32];
        for factor in factors {
            let mut sum = vec![0u64; digits.len() + 5];
            for (i, &digit) in digits.iter().enumerate() {
                for j in 0..4 {
                    sum[i + j] += u64::from(digit) * ((factor >> (16 * j)) & 0xFFFF);
                }
            }
            let mut carry = 0;
            digits = sum
                .iter()
                .map(|&digit| {
                    carry += digit;
                    let low = (carry & 0xFFFF) as u32;
                    carry >>= 16;
                    low
                })
                .collect();
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        digits
    }

    fn compare_long(a: &[u32], b: &[u32]) -> Ordering {
        a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
    }

    fn any_size() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(n, shift)| (n >> shift).max(1))
    }

    proptest! {
        #[test]
        fn equals_school_arithmetic(
            c in any_size(), a in any_size(), b in any_size(),
            d in any_size(), e in any_size(), f in any_size(), near in -2i64..3,
        ) {
            let other = c.saturating_add_signed(near).max(1);
            for (count, left, right) in [(d, e, f), (other, a, b), (other, b, a), (c, a.saturating_add_signed(near).max(1), b)] {
                let x = Ratio { count: c, parts: u128::from(a) * u128::from(b) };
                let y = Ratio { count, parts: u128::from(left) * u128::from(right) };
                let expected = compare_long(&long_product(&[c, left, right]), &long_product(&[count, a, b]));
                prop_assert_eq!(x.compare(&y), expected);
                prop_assert_eq!(y.compare(&x), expected.reverse());
            }
        }
    }

    #[test]
    fn tells_what_floats_cannot() {
        let big = 1u64 << 63;
        let parts = u128::from(big) * u128::from(big - 1);
        let (x, y) = (Ratio { count: big, parts }, Ratio { count: big - 1, parts: parts - u128::from(big) });
        // big / (big (big-1)) against (big-1) / (big (big-2)): 1/(big-1) < (big-1)/(big (big-2)).
        assert_eq!(x.compare(&y), Ordering::Less);
    }
}
