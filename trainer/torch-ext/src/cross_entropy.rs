//! Projection to a vocabulary and cross entropy in one, a few rows at a time.

use std::ptr::null_mut;

use tch::Tensor;

use crate::error::{Error, check};
use crate::{ffi, tensors};

/// Of `hidden`, `[n, H]`, the logits `hidden × weightᵀ + bias` (`weight` `[V, H]`, `bias` `[V]`), and their cross entropy
/// with `labels`, `[n]`: the sum over the rows (scalar, fp32, with autograd) and how many rows have their largest logit at
/// the label (scalar, int64). The logits of `rows_at_once` rows are in memory at a time; the gradients by `hidden`,
/// `weight` and `bias` are computed on the way, and only scaled in the backward pass. There may be fewer labels than rows:
/// the rows beyond them count nothing. `fused` has a kernel of our own do what lies between the products; it needs CUDA.
///
/// # Errors
/// If the shapes do not go together, a label is not below V (on a CPU), or there is no memory left.
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    labels: &Tensor,
    rows_at_once: i64,
    fused: bool,
) -> Result<(Tensor, Tensor), Error> {
    if rows_at_once < 1 {
        return Err(Error::Argument(format!("{rows_at_once} rows at once: at least one")));
    }
    let mut out = [null_mut(); 2];
    // SAFETY: the tensors live through the call; `out` has a place for both results.
    check(unsafe {
        ffi::quanci_cross_entropy(
            hidden.as_ptr(),
            weight.as_ptr(),
            bias.as_ptr(),
            labels.as_ptr(),
            rows_at_once,
            i32::from(fused),
            out.as_mut_ptr(),
        )
    })?;
    let [loss, correct] = out;
    Ok((tensors::take(loss)?, tensors::take(correct)?))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Reduction};

    use super::*;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    /// Loss, count and gradients, by the fused form or by libtorch's own operations.
    fn compute(fused: Option<i64>, kind: Kind) -> (f64, i64, Vec<Tensor>) {
        let _alone = crate::ops::tests::generator();
        crate::seed_all(3).unwrap();
        let leaves =
            [[23i64, 8], [50, 8], [50, 1]].map(|[n, h]| Tensor::randn([n, h], FLOAT).set_requires_grad(true));
        let labels = Tensor::randint(50, [23], (Kind::Int64, Device::Cpu));
        let [hidden, weight, bias] = leaves.each_ref().map(|leaf| leaf.to_kind(kind));
        let bias = bias.view([50]);
        let (loss, correct) = match fused {
            Some(rows) => linear_cross_entropy(&hidden, &weight, &bias, &labels, rows, false).unwrap(),
            None => {
                let logits = hidden.linear(&weight, Some(&bias));
                let none: Option<Tensor> = None;
                let loss =
                    logits.to_kind(Kind::Float).cross_entropy_loss(&labels, none, Reduction::Sum, -100, 0.0);
                (loss, logits.argmax(-1, false).eq_tensor(&labels).sum(Kind::Int64))
            }
        };
        (&loss * 0.25).backward();
        (loss.double_value(&[]), correct.int64_value(&[]), leaves.iter().map(Tensor::grad).collect())
    }

    #[test]
    fn chunks_change_nothing_but_the_order_of_sums() {
        for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 2e-2)] {
            let (loss, correct, gradients) = compute(None, kind);
            for rows in [1, 7, 23, 1000] {
                let (own, right, own_gradients) = compute(Some(rows), kind);
                assert!((own / loss - 1.0).abs() < tolerance, "{own} {loss}");
                assert_eq!(right, correct);
                for (own, wanted) in own_gradients.iter().zip(&gradients) {
                    let apart = (own - wanted).norm().double_value(&[]) / wanted.norm().double_value(&[]);
                    assert!(apart < tolerance, "{kind:?}, {rows} rows at once: {apart}");
                }
            }
        }
    }

    /// Rows beyond the labels change neither loss nor gradients, and have none themselves.
    #[test]
    fn rows_may_be_more_than_labels() {
        let _alone = crate::ops::tests::generator();
        let compute = |filled: i64, rows: i64| {
            crate::seed_all(3).unwrap();
            let leaves =
                [[23i64, 8], [50, 8]].map(|shape| Tensor::randn(shape, FLOAT).set_requires_grad(true));
            let labels = Tensor::randint(50, [23], (Kind::Int64, Device::Cpu));
            let hidden = Tensor::cat(&[leaves[0].shallow_clone(), Tensor::ones([filled, 8], FLOAT)], 0);
            let hidden = hidden.detach().set_requires_grad(true);
            let bias = Tensor::zeros([50], FLOAT);
            let (loss, correct) =
                linear_cross_entropy(&hidden, &leaves[1], &bias, &labels, rows, false).unwrap();
            loss.backward();
            (loss.double_value(&[]), correct.int64_value(&[]), hidden.grad(), leaves[1].grad())
        };
        let (loss, correct, hidden, weight) = compute(0, 1000);
        for rows in [7, 25, 1000] {
            let (own, right, own_hidden, own_weight) = compute(9, rows);
            assert!((own / loss - 1.0).abs() < 1e-6 && right == correct);
            let apart = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
            assert!(apart(&own_hidden.narrow(0, 0, 23), &hidden) < 1e-5);
            assert_eq!(own_hidden.narrow(0, 23, 9).abs().max().double_value(&[]), 0.0);
            assert!(apart(&own_weight, &weight) < 1e-5);
        }
    }

    #[test]
    fn without_gradients_nothing_is_recorded() {
        let _alone = crate::ops::tests::generator();
        let x = Tensor::randn([3, 4], FLOAT).set_requires_grad(true);
        let (weight, bias) = (Tensor::randn([5, 4], FLOAT), Tensor::zeros([5], FLOAT));
        let labels = Tensor::from_slice(&[0i64, 4, 2]);
        let (loss, _) = tch::no_grad(|| linear_cross_entropy(&x, &weight, &bias, &labels, 2, false)).unwrap();
        assert!(!loss.requires_grad());
        assert!(linear_cross_entropy(&x, &weight, &bias, &labels, 0, false).is_err());
    }
}
