//! The CUDA kernels on a CPU, thread by thread (`csrc/kernels/emulate.h`), against the same operations by libtorch. What this
//! cannot show is told by `quanci-train check-device` on a GPU: speed, and whether NVIDIA's hardware does what its
//! documents say.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

mod dropout;
mod emulated;

use std::sync::{Mutex, MutexGuard, PoisonError};

use emulated::Argument::{Float, Int, Long, Null};
use emulated::{Argument, Kernels, tensor};
use quanci_torch_ext::attention::{Varlen, short, tiled};
use quanci_torch_ext::fused::{self, Activation, AddNorm, Embed};
use quanci_torch_ext::linear_cross_entropy;
use tch::{Device, Kind, Tensor};

const KINDS: [(Kind, i32, f64); 3] =
    [(Kind::Float, 0, 2e-6), (Kind::BFloat16, 1, 1e-2), (Kind::Half, 2, 2e-3)];

/// A share of 6,554 / 65,536 is left out.
const SHARE: f64 = 0.1;
const THRESHOLD: i32 = 6554;
const SCALE: f32 = 65536.0 / (65536.0 - 6554.0);

/// The CPU's generator belongs to the whole process: one test at a time.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seeds the CPU's generator, and gives the seed that the next operation with dropout will draw from it.
fn seeded() -> i64 {
    quanci_torch_ext::seed_all(5).unwrap();
    // From i64::MIN on, randint over all int64 gives the generator's next 64 bits as they are.
    let drawn = Tensor::randint_low(i64::MIN, i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
    quanci_torch_ext::seed_all(5).unwrap();
    drawn.wrapping_sub(i64::MIN)
}

fn randn(shape: &[i64], kind: Kind) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_kind(kind)
}

fn leaf(tensor: &Tensor) -> Tensor {
    tensor.detach().copy().set_requires_grad(true)
}

/// Filled with what is no number: whatever is not written shows.
fn unwritten(shape: &[i64], kind: Kind) -> Tensor {
    Tensor::full(shape, f64::NAN, (kind, Device::Cpu))
}

#[track_caller]
fn close(own: &Tensor, wanted: &Tensor, tolerance: f64, what: &str) {
    let (own, wanted) = (own.to_kind(Kind::Double), wanted.to_kind(Kind::Double));
    let apart = (&own - &wanted).norm().double_value(&[]) / wanted.norm().double_value(&[]).max(1e-30);
    assert!(apart <= tolerance, "{what}: {apart}");
}

/// The gradients of `leaves` by the sum of `outputs` times `gradients`.
fn gradients(outputs: &[&Tensor], by: &[&Tensor], leaves: &[&Tensor]) -> Vec<Tensor> {
    let terms = outputs
        .iter()
        .zip(by)
        .map(|(output, by)| (output.to_kind(Kind::Float) * by.to_kind(Kind::Float)).sum(Kind::Float));
    terms.sum::<Tensor>().backward();
    leaves.iter().map(|leaf| leaf.grad()).collect()
}

/// Everything is tried in every kind, at widths that fill the lanes in other ways, with every activation.
#[test]
fn kernels_compute_what_libtorch_computes() {
    let _alone = generator();
    for (kind, number, tolerance) in KINDS {
        for (i, width) in [64i64, 312, 1024].into_iter().enumerate() {
            let activation = [Activation::Gelu, Activation::GeluTanh, Activation::Relu][i];
            let attention =
                if kind == Kind::Float { ["NO_ATTENTION", "NO_TILED"] } else { ["ATTENTION=1", "TILED=1"] };
            let kernels = Kernels::new(&[
                format!("KIND={number}"),
                format!("WIDTH={width}"),
                format!("ACTIVATION={i}"),
                attention[0].to_owned(),
                attention[1].to_owned(),
            ]);
            Case { kernels, kind, tolerance, width }.check(activation);
        }
    }
    // A row of more than 1,024 columns takes two warps.
    let kernels = Kernels::new(&["KIND=1".to_owned(), "WIDTH=1536".to_owned()]);
    let case = Case { kernels, kind: Kind::BFloat16, tolerance: 1e-2, width: 1536 };
    case.add_norm(SHARE);
    case.embed();
}

struct Case {
    kernels: Kernels,
    kind: Kind,
    tolerance: f64,
    width: i64,
}

const ROWS: i64 = 13;
const EPSILON: f64 = 1e-12;

impl Case {
    fn check(&self, activation: Activation) {
        self.add_norm(SHARE);
        self.add_norm(0.0);
        self.embed();
        self.bias_activation(activation);
        self.join_three();
        self.cross_entropy(1000);
        self.cross_entropy(77); // rows do not begin at multiples of 16 bytes
        if self.kind != Kind::Float && self.width == 64 {
            for tiled in [false, true] {
                self.attention(&[5, 17, 64], &[5, 17, 64], SHARE, tiled);
                self.attention(&[128, 1, 33], &[128, 1, 33], 0.0, tiled);
                self.attention(&[3, 1, 20], &[100, 64, 128], SHARE, tiled);
            }
            // A row of which no query is asked for; several spans of keys, several chunks of queries, and both.
            self.attention(&[3, 1, 0, 20], &[100, 64, 7, 128], SHARE, true);
            self.attention(&[9, 2], &[200, 385], SHARE, true);
            self.attention(&[130, 20], &[60, 20], SHARE, true);
            self.attention(&[33, 257], &[33, 257], SHARE, true);
            self.attention(&[300], &[300], 0.0, true);
            self.kernels.run_backwards(true);
            self.attention(&[3, 1, 20], &[100, 64, 128], SHARE, false);
            self.attention(&[3, 1, 0, 20], &[100, 64, 7, 128], SHARE, true);
            self.attention(&[33, 257], &[33, 257], SHARE, true);
            self.kernels.run_backwards(false);
        }
    }

    /// Threads of a block of the kernels that take whole rows, and rows that it takes.
    fn block(&self) -> [u32; 2] {
        let warps = (self.width as u32 / 8).div_ceil(128);
        [if warps == 1 { 128 } else { 32 * warps }, 1]
    }

    fn sum_parts(&self, partial: &Tensor, kind: Kind) -> Tensor {
        let (parts, columns) = partial.size2().unwrap();
        assert!(kind == self.kind, "the kernels are compiled for one kind");
        let out = unwritten(&[columns], kind);
        let grid = [(columns as u32).div_ceil(32), 1];
        let arguments = [tensor(partial), tensor(&out), Int(parts as i32), Int(columns as i32)];
        self.kernels.run("sum_parts", grid, [32, 8], &arguments);
        out
    }

    fn add_norm(&self, dropout: f64) {
        let (kind, shape) = (self.kind, [ROWS, self.width]);
        let seed = seeded();
        let (threshold, scale) = if dropout > 0.0 { (THRESHOLD, SCALE) } else { (0, 1.0) };
        let [projected, residual, first, second] = std::array::from_fn(|_| randn(&shape, kind));
        let [bias, weight, shift] = std::array::from_fn(|_| randn(&[self.width], kind));
        let leaves = [&projected, &bias, &residual, &weight, &shift].map(leaf);
        let [p, b, r, w, s] = leaves.each_ref();
        assert_eq!(seed, seeded());
        let args =
            AddNorm { projected: p, bias: b, residual: r, weight: w, shift: s, dropout, epsilon: EPSILON };
        let [wanted, other] = fused::add_norm(args).unwrap();
        let by = gradients(&[&wanted, &other], &[&first, &second], &leaves.each_ref());

        let (sum, out) = (unwritten(&shape, kind), unwritten(&shape, kind));
        let [mean, rstd] = std::array::from_fn(|_| unwritten(&[ROWS], Kind::Float));
        let operands = [&projected, &bias, &residual, &weight, &shift, &sum, &out, &mean, &rstd].map(tensor);
        let numbers = [Long(ROWS), Long(seed), Int(threshold), Float(scale), Float(EPSILON as f32)];
        let arguments: Vec<Argument<'_>> = operands.into_iter().chain(numbers).collect();
        self.kernels.run("add_norm", [2, 1], self.block(), &arguments);
        close(&out, &wanted, self.tolerance, "add_norm");

        let [by_residual, by_projected] = std::array::from_fn(|_| unwritten(&shape, kind));
        let partial = unwritten(&[2, 3 * self.width], Kind::Float);
        let operands = [&first, &second, &sum, &mean, &rstd, &weight, &by_residual, &by_projected, &partial];
        let numbers = [Long(ROWS), Long(seed), Int(threshold), Float(scale)];
        let arguments: Vec<Argument<'_>> = operands.map(tensor).into_iter().chain(numbers).collect();
        self.kernels.run("add_norm_backward", [2, 1], self.block(), &arguments);
        let sums = self.sum_parts(&partial, kind).split(self.width, 0);
        let by_projected = if dropout > 0.0 { &by_projected } else { &by_residual };
        let own = [by_projected, &sums[2], &by_residual, &sums[0], &sums[1]];
        for (i, (own, wanted)) in own.into_iter().zip(&by).enumerate() {
            close(
                own,
                wanted,
                2.0 * self.tolerance,
                &format!("gradient {i} of add_norm, {kind:?}, {}", self.width),
            );
        }
        // One handle alone was used.
        let arguments = [tensor(&first), Null]
            .into_iter()
            .chain([&sum, &mean, &rstd, &weight, &by_residual, by_projected, &partial].map(tensor))
            .chain([Long(ROWS), Long(seed), Int(threshold), Float(scale)]);
        self.kernels.run("add_norm_backward", [2, 1], self.block(), &arguments.collect::<Vec<_>>());
        let leaves = [&projected, &bias, &residual, &weight, &shift].map(leaf);
        let [p, b, r, w, s] = leaves.each_ref();
        seeded();
        let args =
            AddNorm { projected: p, bias: b, residual: r, weight: w, shift: s, dropout, epsilon: EPSILON };
        let [wanted, _] = fused::add_norm(args).unwrap();
        let by = gradients(&[&wanted], &[&first], &leaves.each_ref());
        close(&by_residual, &by[2], 2.0 * self.tolerance, "one gradient of add_norm");
    }

    fn embed(&self) {
        let (kind, width) = (self.kind, self.width);
        let seed = seeded();
        let [words, table] = [[50, width], [20, width]].map(|shape| randn(&shape, Kind::Float));
        let [weight, shift] = std::array::from_fn(|_| randn(&[width], Kind::Float));
        let ids = Tensor::randint(50, [ROWS], (Kind::Int64, Device::Cpu));
        let positions = Tensor::randint(20, [ROWS], (Kind::Int64, Device::Cpu));
        let [first, second] = std::array::from_fn(|_| randn(&[ROWS, width], kind));
        let leaves = [&words, &table, &weight, &shift].map(leaf);
        let [words_leaf, table_leaf, weight_leaf, shift_leaf] = leaves.each_ref();
        assert_eq!(seed, seeded());
        let args = Embed {
            ids: &ids,
            positions: &positions,
            words: words_leaf,
            table: table_leaf,
            weight: weight_leaf,
            shift: shift_leaf,
            dropout: SHARE,
            epsilon: EPSILON,
            kind,
        };
        let [wanted, other] = fused::embed(args).unwrap();
        let by = gradients(&[&wanted, &other], &[&first, &second], &leaves.each_ref());

        let out = unwritten(&[ROWS, width], kind);
        let [mean, rstd] = std::array::from_fn(|_| unwritten(&[ROWS], Kind::Float));
        let operands = [&ids, &positions, &words, &table, &weight, &shift, &out, &mean, &rstd].map(tensor);
        let numbers = [Long(ROWS), Long(seed), Int(THRESHOLD), Float(SCALE), Float(EPSILON as f32)];
        let arguments: Vec<Argument<'_>> = operands.into_iter().chain(numbers).collect();
        self.kernels.run("embed", [2, 1], self.block(), &arguments);
        close(&out, &wanted, self.tolerance, "embed");

        let by_sum = unwritten(&[ROWS, width], Kind::Float);
        let partial = unwritten(&[2, 2 * width], Kind::Float);
        let operands =
            [&first, &second, &ids, &positions, &words, &table, &mean, &rstd, &weight, &by_sum, &partial];
        let numbers = [Long(ROWS), Long(seed), Int(THRESHOLD), Float(SCALE)];
        let arguments: Vec<Argument<'_>> = operands.map(tensor).into_iter().chain(numbers).collect();
        self.kernels.run("embed_backward", [2, 1], self.block(), &arguments);
        let by_words = Tensor::zeros([50, width], (Kind::Float, Device::Cpu)).index_add(0, &ids, &by_sum);
        close(&by_words, &by[0], self.tolerance, "gradient of the words");
        let sums = partial.sum_dim_intlist(0i64, false, Kind::Float).split(width, 0);
        close(&sums[0], &by[2], self.tolerance, "gradient of embed's weight");
        close(&sums[1], &by[3], self.tolerance, "gradient of embed's shift");
    }

    fn bias_activation(&self, activation: Activation) {
        let (kind, shape) = (self.kind, [ROWS, self.width]);
        let [x, gradient] = std::array::from_fn(|_| randn(&shape, kind) * 2.0);
        let bias = randn(&[self.width], kind);
        let leaves = [&x, &bias].map(leaf);
        let wanted = fused::bias_activation(&leaves[0], &leaves[1], activation).unwrap();
        let by = gradients(&[&wanted], &[&gradient], &leaves.each_ref());

        let out = unwritten(&shape, kind);
        let packs = self.width as i32 / 8;
        let (grid, block) = ([(packs as u32).div_ceil(32), 2], [32, 1]);
        let arguments = [tensor(&x), tensor(&bias), tensor(&out), Long(ROWS), Int(packs)];
        self.kernels.run("bias_activation", grid, block, &arguments);
        close(&out, &wanted, self.tolerance, "activation");

        let (by_x, partial) = (unwritten(&shape, kind), unwritten(&[2, self.width], Kind::Float));
        let operands = [&gradient, &x, &bias, &by_x, &partial].map(tensor);
        let arguments: Vec<Argument<'_>> = operands.into_iter().chain([Long(ROWS), Int(packs)]).collect();
        self.kernels.run("bias_activation_backward", grid, block, &arguments);
        // ReLU has a bend at 0: libtorch rounds the sum before it looks at its sign.
        let tolerance = if activation == Activation::Relu { 0.1 } else { 2.0 * self.tolerance };
        close(&by_x, &by[0], tolerance, &format!("gradient of {activation:?} by x, {kind:?}"));
        close(&self.sum_parts(&partial, kind), &by[1], tolerance, "gradient of the activation by the bias");
    }

    fn join_three(&self) {
        let (kind, width) = (self.kind, self.width);
        let parts: [Tensor; 3] = std::array::from_fn(|_| randn(&[ROWS, width], kind));
        let out = unwritten(&[ROWS, 3 * width], kind);
        let partial = unwritten(&[2, 3 * width], Kind::Float);
        let packs = width as i32 / 8;
        let operands = [&parts[0], &parts[1], &parts[2], &out, &partial].map(tensor);
        let arguments: Vec<Argument<'_>> = operands.into_iter().chain([Long(ROWS), Int(packs)]).collect();
        self.kernels.run("join_three", [(3 * packs as u32).div_ceil(32), 2], [32, 1], &arguments);
        let wanted = Tensor::cat(&parts, 1);
        assert!(out.equal(&wanted));
        let sums = wanted.to_kind(Kind::Float).sum_dim_intlist(0i64, false, Kind::Float);
        close(&self.sum_parts(&partial, kind), &sums, self.tolerance, "sums of columns");
    }

    fn cross_entropy(&self, classes: i64) {
        let logits = randn(&[ROWS, classes], self.kind) * 3.0;
        let labels = logits.argmax(-1, false);
        // Half of the labels are the largest logit's, half are others.
        let parity = Tensor::arange(ROWS, (Kind::Int64, Device::Cpu)).remainder(2);
        let labels = (&labels + parity * 5).remainder(classes);
        let reference = leaf(&logits);
        // The identity as the projection: the logits are the hidden numbers.
        let eye = Tensor::eye(classes, (Kind::Float, Device::Cpu)).to_kind(self.kind);
        let zeros = Tensor::zeros([classes], (self.kind, Device::Cpu));
        let (loss, correct) = linear_cross_entropy(&reference, &eye, &zeros, &labels, 1000, false).unwrap();
        loss.backward();

        let own = logits.copy();
        let losses = unwritten(&[ROWS], Kind::Float);
        let right = Tensor::zeros([ROWS], (Kind::Int64, Device::Cpu));
        let operands = [&own, &labels, &losses, &right].map(tensor);
        let arguments: Vec<Argument<'_>> = operands.into_iter().chain([Int(classes as i32)]).collect();
        self.kernels.run("cross_entropy", [ROWS as u32, 1], [512, 1], &arguments);
        close(&losses.sum(Kind::Float), &loss, self.tolerance, "cross entropy");
        assert_eq!(right.sum(Kind::Int64).int64_value(&[]), correct.int64_value(&[]));
        assert_eq!(correct.int64_value(&[]), (ROWS + 1) / 2);
        close(&own, &reference.grad(), self.tolerance, "gradient by the logits");
    }

    fn attention(&self, queries: &[i32], keys: &[i32], dropout: f64, is_tiled: bool) {
        let kind = self.kind;
        let heads = 2i64;
        let starts = |lengths: &[i32]| {
            let ends = lengths.iter().scan(0, |end, length| {
                *end += length;
                Some(*end)
            });
            Tensor::from_slice(&std::iter::once(0).chain(ends).collect::<Vec<i32>>())
        };
        let (q_offsets, k_offsets) = (starts(queries), starts(keys));
        let (q_tokens, k_tokens) =
            (i64::from(queries.iter().sum::<i32>()), i64::from(keys.iter().sum::<i32>()));
        let q = randn(&[q_tokens, heads, 64], kind);
        // Keys and values as views of one tensor, as a model has them.
        let kv = randn(&[k_tokens, 2, heads, 64], kind);
        let gradient = randn(&[q_tokens, heads, 64], kind);
        let seed = seeded();
        let leaves = [&q, &kv].map(leaf);
        seeded();
        let varlen = Varlen {
            query: &leaves[0],
            key: &leaves[1].select(1, 0),
            value: &leaves[1].select(1, 1),
            query_offsets: &q_offsets,
            key_offsets: &k_offsets,
            longest_query: i64::from(*queries.iter().max().unwrap()),
            longest_key: i64::from(*keys.iter().max().unwrap()),
            dropout,
        };
        let wanted = if is_tiled { tiled(varlen) } else { short(varlen) }.unwrap();
        let by = gradients(&[&wanted], &[&gradient], &leaves.each_ref());

        let (threshold, scale) = if dropout > 0.0 { (THRESHOLD, SCALE) } else { (0, 1.0) };
        let spans = |lengths: &[i32]| (*lengths.iter().max().unwrap() as u32).div_ceil(128);
        let (chunks, key_spans) = (spans(queries), spans(keys));
        let rows = queries.len() as u32;
        let (k, v) = (kv.select(1, 0), kv.select(1, 1));
        let out = unwritten(&[q_tokens, heads, 64], kind);
        let logarithms = unwritten(&[q_tokens, heads], Kind::Float);
        let kept = Tensor::zeros([q_tokens, heads, i64::from(key_spans), 4], (Kind::Int, Device::Cpu));
        let (q_stride, k_stride) = (heads * 64, 2 * heads * 64);
        let shape: Vec<i32> = if is_tiled { vec![chunks as i32, key_spans as i32] } else { vec![] };
        let inputs = || {
            let [q, k, v] = [(&q, q_stride), (&k, k_stride), (&v, k_stride)]
                .map(|(of, stride)| [tensor(of), Long(stride)]);
            q.into_iter().chain(k).chain(v).chain([tensor(&q_offsets), tensor(&k_offsets)])
        };
        let arguments: Vec<Argument<'_>> = inputs()
            .chain([tensor(&out), tensor(&logarithms), tensor(&kept), Int(heads as i32)])
            .chain(shape.iter().map(|&number| Int(number)))
            .chain([Long(seed), Int(threshold), Float(scale)])
            .collect();
        if is_tiled {
            let grid = [rows * heads as u32 * chunks, 1];
            self.kernels.run("tiled_attention", grid, [256, 1], &arguments);
        } else {
            self.kernels.run("attention", [rows, heads as u32], [128, 1], &arguments);
        }
        close(&out, &wanted, self.tolerance, "attention");

        let sums = unwritten(&[i64::from(rows), heads, i64::from(chunks), 128, 64], Kind::Float);
        let products = unwritten(&[q_tokens, heads], Kind::Float);
        let by_q = unwritten(&[q_tokens, heads, 64], kind);
        let by_kv = unwritten(&[k_tokens, 2, heads, 64], kind);
        let (by_k, by_v) = (by_kv.select(1, 0), by_kv.select(1, 1));
        let between: Vec<&Tensor> = if is_tiled { vec![&sums, &products] } else { vec![] };
        let arguments: Vec<Argument<'_>> = [tensor(&gradient), tensor(&out)]
            .into_iter()
            .chain(inputs())
            .chain([tensor(&logarithms), tensor(&kept)])
            .chain(between.into_iter().map(tensor))
            .chain([tensor(&by_q), Long(q_stride), tensor(&by_k), tensor(&by_v), Long(k_stride)])
            .chain([Int(heads as i32)])
            .chain(shape.iter().map(|&number| Int(number)))
            .chain([Int(threshold), Float(scale)])
            .collect();
        if is_tiled {
            let grid = [rows * heads as u32, 1];
            self.kernels.run("tiled_attention_backward", grid, [256, 1], &arguments);
        } else {
            self.kernels.run("attention_backward", [rows, heads as u32], [256, 1], &arguments);
        }
        close(&by_q, &by[0], 2.0 * self.tolerance, "gradient of attention by the queries");
        close(&by_kv, &by[1], 2.0 * self.tolerance, "gradient of attention by keys and values");
    }
}
