//! Switches of the whole process.

use std::ffi::c_int;

use crate::error::{Error, check};
use crate::{cuda, ffi};

/// How many threads an operation on the CPU may use.
pub fn set_threads(threads: usize) -> Result<(), Error> {
    let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
    // SAFETY: takes a number only.
    check(unsafe { ffi::quanci_set_threads(threads) }).map(drop)
}

/// Whether matrix products in fp32 on CUDA may be computed in TF32, with 10 bits of mantissa.
pub fn set_tf32(allowed: bool) -> Result<(), Error> {
    // SAFETY: takes a number only.
    check(unsafe { ffi::quanci_set_tf32(c_int::from(allowed)) }).map(drop)
}

/// What [`set_tf32`] has set; libtorch begins with false.
pub fn tf32() -> Result<bool, Error> {
    // SAFETY: takes nothing.
    check(unsafe { ffi::quanci_tf32() }).map(|allowed| allowed != 0)
}

/// Seeds the default random generators: the CPU's, and once CUDA is open, those of all its devices.
pub fn seed_all(seed: u64) -> Result<(), Error> {
    // SAFETY: takes numbers only.
    check(unsafe { ffi::quanci_seed(seed, c_int::from(cuda::is_open())) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn a_seed_repeats_what_is_drawn() {
        // Drawing is the tests' shared state: this one draws from the generator that no other seeds.
        let draw = |seed| {
            seed_all(seed).unwrap();
            Vec::<f64>::try_from(Tensor::rand([4], (Kind::Double, Device::Cpu))).unwrap()
        };
        let _alone = crate::ops::tests::generator();
        let (first, other, again) = (draw(7), draw(8), draw(7));
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn switches_are_set() {
        set_threads(2).unwrap();
        assert_eq!(tch::get_num_threads(), 2);
        assert!(!tf32().unwrap());
        set_tf32(true).unwrap();
        assert!(tf32().unwrap());
        set_tf32(false).unwrap();
    }
}
