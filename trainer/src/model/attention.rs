//! Scaled dot-product attention within rows that lie end to end: a token attends to the tokens of its own row, and no
//! padding is computed.
//!
//! | kernel | where | how |
//! |---|---|---|
//! | [`AttentionKernel::Short`] | CUDA, bf16 and fp16, heads of 64 | kernels of our own for rows of at most 128 tokens, FlashAttention for longer ones |
//! | [`AttentionKernel::Tiled`] | the same | kernels of our own for rows of any length, which no GPU has run yet: `bench` and `check-device` alone use them |
//! | [`AttentionKernel::Flash`] | CUDA, bf16 and fp16 | FlashAttention over offsets |
//! | [`AttentionKernel::MemoryEfficient`] | CUDA, fp32 and TF32 | memory-efficient attention over offsets |
//! | [`AttentionKernel::Grouped`] | anywhere | neighbouring rows of one length together, by libtorch's own choice of kernel |

use quanci_torch_ext::attention::{SHORT, Varlen, flash, memory_efficient, short, tiled};
use tch::{Device, Kind, TchError, Tensor};

use super::batch::Rows;
use super::parts::{self, torch};

/// How attention is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKernel {
    /// Kernels of our own where the rows are short, or else FlashAttention.
    Short,
    /// Kernels of our own, whatever the length.
    Tiled,
    /// FlashAttention.
    Flash,
    /// Memory-efficient attention.
    MemoryEfficient,
    /// Rows of one length at a time.
    Grouped,
}

impl AttentionKernel {
    /// The fastest for heads of `head_size` in `kind` on `device`.
    pub fn fastest(head_size: i64, device: Device, kind: Kind) -> AttentionKernel {
        match (device, kind) {
            (Device::Cuda(_), Kind::BFloat16 | Kind::Half) if head_size == SHORT.1 => AttentionKernel::Short,
            (Device::Cuda(_), Kind::BFloat16 | Kind::Half) => AttentionKernel::Flash,
            (Device::Cuda(_), Kind::Float) => AttentionKernel::MemoryEfficient,
            _ => AttentionKernel::Grouped,
        }
    }

    /// The values by name.
    pub const NAMES: [(&'static str, AttentionKernel); 5] = [
        ("short", AttentionKernel::Short),
        ("tiled", AttentionKernel::Tiled),
        ("flash", AttentionKernel::Flash),
        ("memory-efficient", AttentionKernel::MemoryEfficient),
        ("grouped", AttentionKernel::Grouped),
    ];

    /// Whether dropout leaves out the same numbers on every device.
    pub(super) fn has_portable_dropout(self) -> bool {
        matches!(self, AttentionKernel::Short | AttentionKernel::Tiled)
    }

    /// What computes rows of at most so many tokens.
    fn of_rows(self, longest: i64) -> AttentionKernel {
        if self == AttentionKernel::Short && longest > SHORT.0 { AttentionKernel::Flash } else { self }
    }

    /// Attention of `query`, `[query tokens, heads, head size]`, over `key` and `value`, `[tokens, heads, head size]`:
    /// `[query tokens, heads * head size]`. `queries` and `keys` say where the rows lie.
    pub(super) fn attend(
        self,
        [query, key, value]: [&Tensor; 3],
        queries: &Rows,
        keys: &Rows,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let (tokens, heads, size) = query.size3()?;
        if self == AttentionKernel::Grouped {
            return grouped([query, key, value], queries, keys, dropout);
        }
        let varlen = Varlen {
            query,
            key,
            value,
            query_offsets: &queries.offsets,
            key_offsets: &keys.offsets,
            longest_query: queries.longest,
            longest_key: keys.longest,
            dropout,
        };
        // All take cumulative row offsets (cu_seqlens), so no padding enters the kernel.
        let made = match self.of_rows(queries.longest.max(keys.longest)) {
            AttentionKernel::Short => short(varlen),
            AttentionKernel::Tiled => tiled(varlen),
            AttentionKernel::Flash => flash(varlen),
            AttentionKernel::MemoryEfficient | AttentionKernel::Grouped => memory_efficient(varlen),
        };
        made.map_err(torch)?.f_reshape([tokens, heads * size])
    }
}

/// A run of neighbouring rows that have equally many queries and equally many keys.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    rows: i64,
    queries: i64,
    keys: i64,
}

fn runs(queries: &[i64], keys: &[i64]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (&queries, &keys) in queries.iter().zip(keys) {
        match runs.last_mut() {
            Some(run) if run.queries == queries && run.keys == keys => run.rows += 1,
            _ => runs.push(Run { rows: 1, queries, keys }),
        }
    }
    runs
}

fn grouped(tensors: [&Tensor; 3], queries: &Rows, keys: &Rows, dropout: f64) -> Result<Tensor, TchError> {
    let runs = runs(&queries.lengths, &keys.lengths);
    let query_tokens: Vec<i64> = runs.iter().map(|run| run.rows * run.queries).collect();
    let key_tokens: Vec<i64> = runs.iter().map(|run| run.rows * run.keys).collect();
    // One split of each tensor: its gradient is one concatenation. A `narrow` for each run would make a gradient as
    // long as the whole batch for each of them.
    let [query, key, value] = tensors;
    let query = query.f_split_with_sizes(&query_tokens[..], 0)?;
    let key = key.f_split_with_sizes(&key_tokens[..], 0)?;
    let value = value.f_split_with_sizes(&key_tokens[..], 0)?;
    let parts: Result<Vec<Tensor>, TchError> = runs
        .iter()
        .zip(query.iter().zip(key.iter().zip(&value)))
        .map(|(run, (query, (key, value)))| {
            let (_, heads, size) = query.size3()?;
            let by_heads =
                |x: &Tensor, tokens: i64| x.f_view([run.rows, tokens, heads, size])?.f_transpose(1, 2);
            let query = by_heads(query, run.queries)?;
            let (key, value) = (by_heads(key, run.keys)?, by_heads(value, run.keys)?);
            let mixed = if dropout > 0.0 && query.device() == Device::Cpu {
                with_dropout([&query, &key, &value], dropout)?
            } else {
                let (mask, causal, scale, groups) = (None::<&Tensor>, false, None, false);
                Tensor::f_scaled_dot_product_attention(
                    &query, &key, &value, mask, dropout, causal, scale, groups,
                )?
            };
            mixed.f_transpose(1, 2)?.f_reshape([run.rows * run.queries, heads * size])
        })
        .collect();
    Tensor::f_cat(&parts?, 0)
}

/// Attention over all keys with dropout, `[rows, heads, tokens, head size]`: what libtorch does on a CPU, but for its way to draw
/// random numbers, which takes a fifth of a step at length 512.
fn with_dropout([query, key, value]: [&Tensor; 3], dropout: f64) -> Result<Tensor, TchError> {
    let (.., size) = query.size4()?;
    let query = query.f_mul_scalar(1.0 / (size as f64).sqrt())?;
    let shares = query.f_matmul(&key.f_transpose(2, 3)?)?.f_softmax(-1, None::<Kind>)?;
    parts::dropout(shares, dropout)?.f_matmul(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_shape_are_a_run() {
        let run = |rows, queries, keys| Run { rows, queries, keys };
        assert_eq!(runs(&[3, 3, 2, 3], &[8, 8, 8, 8]), [run(2, 3, 8), run(1, 2, 8), run(1, 3, 8)]);
        assert_eq!(runs(&[1, 1], &[5, 6]), [run(1, 1, 5), run(1, 1, 6)]);
        assert_eq!(runs(&[], &[]), []);
    }
}
