// Attention of our own within rows that lie end to end, and what its kernels share.
#pragma once

#include "shim.h"

#include <functional>

namespace quanci {

// [tokens, heads, 64] whose heads lie side by side: as the kernels take them, a view of a larger tensor or not.
at::Tensor by_tokens(const at::Tensor& tensor);

// What dropout makes of the shares of a row's keys, [heads, queries, keys], given the place of its first query, the heads,
// its queries and its keys.
using ShareFactors = std::function<at::Tensor(int64_t first, int64_t heads, int64_t queries, int64_t keys)>;

// softmax(q k^T / 8) v by ATen, row by row, the shares multiplied by `factors` if they are given.
at::Tensor attention_by_operations(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                   const at::Tensor& q_offsets, const at::Tensor& k_offsets, const ShareFactors& factors);

// The kernels of kernels/tiled_attention.cu: heads of 64, rows of any length; on a CPU by operations.
at::Tensor tiled_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& q_offsets,
                           const at::Tensor& k_offsets, int64_t longest_q, int64_t longest_k, double dropout);

}  // namespace quanci
