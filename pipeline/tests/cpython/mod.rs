//! CPython's `random.Random`: MT19937 (Matsumoto & Nishimura 1998), seeded and drawn as `Lib/random.py` and
//! `Modules/_randommodule.c` do.

use quanci_shards::rng::RandomSource;

const N: usize = 624;
const M: usize = 397;

/// `random.Random(seed)`.
pub(crate) struct CPythonRandom {
    state: [u32; N],
    index: usize,
}

impl CPythonRandom {
    /// Seeded with an integer.
    pub(crate) fn new(seed: u64) -> CPythonRandom {
        let key = [seed as u32, (seed >> 32) as u32];
        let key = if key[1] == 0 { &key[..1] } else { &key[..] };
        let mut random = CPythonRandom { state: [0; N], index: N };
        random.init_by_array(key);
        random
    }

    fn init_genrand(&mut self, seed: u32) {
        self.state[0] = seed;
        for i in 1..N {
            let previous = self.state[i - 1];
            self.state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
    }

    fn init_by_array(&mut self, key: &[u32]) {
        self.init_genrand(19_650_218);
        let (mut i, mut j) = (1, 0);
        let scramble = |state: &[u32; N], i: usize| state[i - 1] ^ (state[i - 1] >> 30);
        for _ in 0..N.max(key.len()) {
            let mixed = self.state[i] ^ scramble(&self.state, i).wrapping_mul(1_664_525);
            self.state[i] = mixed.wrapping_add(key[j]).wrapping_add(j as u32);
            (i, j) = (i + 1, (j + 1) % key.len());
            if i >= N {
                self.state[0] = self.state[N - 1];
                i = 1;
            }
        }
        for _ in 0..N - 1 {
            let mixed = self.state[i] ^ scramble(&self.state, i).wrapping_mul(1_566_083_941);
            self.state[i] = mixed.wrapping_sub(i as u32);
            i += 1;
            if i >= N {
                self.state[0] = self.state[N - 1];
                i = 1;
            }
        }
        self.state[0] = 0x8000_0000;
    }

    fn next_u32(&mut self) -> u32 {
        if self.index == N {
            for k in 0..N {
                let y = (self.state[k] & 0x8000_0000) | (self.state[(k + 1) % N] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[k] = self.state[(k + M) % N] ^ (y >> 1) ^ odd;
            }
            self.index = 0;
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

impl RandomSource for CPythonRandom {
    /// `random()`: 53 bits of two draws.
    fn uniform(&mut self) -> f64 {
        let (a, b) = (f64::from(self.next_u32() >> 5), f64::from(self.next_u32() >> 6));
        (a * 67_108_864.0 + b) / 9_007_199_254_740_992.0
    }

    /// `_randbelow_with_getrandbits`: as many bits as n has, again until they are below it.
    fn below(&mut self, n: usize) -> usize {
        let bits = usize::BITS - n.leading_zeros();
        assert!((1..=32).contains(&bits), "small numbers only");
        loop {
            let drawn = (self.next_u32() >> (32 - bits)) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// `shuffle` goes from the end to the front, all of it before the first item is known.
    fn shuffle_step<T>(&mut self, items: &mut [T], k: usize) {
        if k == 0 {
            for i in (1..items.len()).rev() {
                let chosen = self.below(i + 1);
                items.swap(i, chosen);
            }
        }
    }
}
