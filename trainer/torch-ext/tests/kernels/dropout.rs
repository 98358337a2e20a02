//! Dropout on a CPU by itself. That it leaves out what the CUDA kernels leave out is told by the kernels' own test.

use quanci_torch_ext::fused;
use tch::{Device, Kind, Tensor};

use crate::{KINDS, SCALE, THRESHOLD, generator, leaf, randn, seeded};

/// The factors of so many numbers, with the seed of [`seeded`].
fn factors(count: i64) -> Vec<f32> {
    seeded();
    let ones = Tensor::ones([count], (Kind::Float, Device::Cpu));
    Vec::try_from(fused::dropout(&ones, f64::from(THRESHOLD) / 65536.0).unwrap()).unwrap()
}

#[test]
fn dropout_depends_on_the_seed_and_the_place_alone() {
    let _alone = generator();
    const COUNT: i64 = 200_003;
    let all = factors(COUNT);
    assert!(all.iter().all(|&factor| factor == 0.0 || factor == SCALE));
    let share = all.iter().filter(|&&factor| factor == 0.0).count() as f64 / COUNT as f64;
    // Four standard deviations of so many draws.
    assert!(
        (share - f64::from(THRESHOLD) / 65536.0).abs() < 4.0 * (0.1 * 0.9 / COUNT as f64).sqrt(),
        "{share}"
    );
    // Of blocks of 256 that are drawn side by side, and of the last numbers.
    for count in [1, 7, 8, 255, 256, 257, 1000] {
        assert_eq!(factors(count), all[..count as usize], "{count} numbers");
    }
    let threads = tch::get_num_threads();
    for number in [1, 3] {
        tch::set_num_threads(number);
        assert_eq!(factors(COUNT), all, "{number} threads");
    }
    tch::set_num_threads(threads);
    seeded();
    let _earlier = fused::dropout(&Tensor::ones([1], (Kind::Float, Device::Cpu)), 0.1).unwrap();
    let later = fused::dropout(&Tensor::ones([COUNT], (Kind::Float, Device::Cpu)), 0.1).unwrap();
    assert_ne!(Vec::<f32>::try_from(later).unwrap(), all, "each call draws for itself");
}

#[test]
fn dropout_leaves_out_the_same_in_the_gradient() {
    let _alone = generator();
    for (kind, _, _) in KINDS {
        let x = leaf(&randn(&[13, 77], kind));
        seeded();
        let kept = fused::dropout(&x, 0.25).unwrap();
        kept.sum(Kind::Float).backward();
        // The gradient of the sum is the factors.
        let difference = (&kept - &x * x.grad()).abs().max().double_value(&[]);
        assert!(difference == 0.0, "{kind:?}: {difference}");
        let zeros = x.grad().eq(0.0).sum(Kind::Int64).int64_value(&[]);
        assert!((150..350).contains(&zeros), "{kind:?}: {zeros} of 1001");
    }
    // A row that is read backwards does not lie as one.
    let x = leaf(&randn(&[8, 16], Kind::Float));
    seeded();
    let kept = fused::dropout(&x.transpose(0, 1), 0.5).unwrap();
    kept.sum(Kind::Float).backward();
    assert_eq!(kept, x.transpose(0, 1) * x.grad().transpose(0, 1));
    assert!(fused::dropout(&x, 1.0).is_err() && fused::dropout(&x, -0.1).is_err());
}
