// Attention without padding: libtorch's kernels, which tch does not wrap, and one of our own for short rows.
#include "attention.h"
#include "dropout.h"
#include "kernels.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::data;
using quanci::Dropout;
using quanci::guarded;
using quanci::kind_of;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// As in kernels/attention.cu.
constexpr int64_t HEAD = 64, LONGEST = 128;
constexpr unsigned TILE = LONGEST * HEAD * 2;

class ShortAttention : public torch::autograd::Function<ShortAttention> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& q_offsets, const Tensor& k_offsets, const Dropout& dropout) {
    const int64_t heads = q.size(1);
    Tensor out = at::empty(q.sizes(), q.options());
    Tensor logarithms = at::empty({q.size(0), heads}, q.options().dtype(at::kFloat));
    Tensor kept = at::empty({dropout.threshold > 0 ? q.size(0) : 0, heads, 4}, q.options().dtype(at::kInt));
    constexpr unsigned threads = 128, shared = 3 * TILE;
    const auto kernel = quanci::kernel(q.device(), {kind_of(q), "ATTENTION=1"}, "attention", threads, shared);
    kernel.launch(q.device(), shape(q_offsets, heads, threads, shared), q.const_data_ptr(), q.stride(0),
                  k.const_data_ptr(), k.stride(0), v.const_data_ptr(), v.stride(0), q_offsets.const_data_ptr(),
                  k_offsets.const_data_ptr(), data(out), logarithms.mutable_data_ptr(), kept.mutable_data_ptr(),
                  static_cast<int>(heads), dropout.seed, dropout.threshold, dropout.scale);
    context->save_for_backward({q, k, v, q_offsets, k_offsets, out, logarithms, kept});
    dropout.save(context);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &q_offsets = saved[3], &k_offsets = saved[4];
    const Tensor &out = saved[5], &logarithms = saved[6], &kept = saved[7];
    const auto dropout = Dropout::saved(context);
    const int64_t heads = q.size(1);
    const Tensor gradient = gradients[0].contiguous();
    // Side by side, as the gradient of one product that made all three is wanted.
    const bool together = q.size(0) == k.size(0);
    Tensor joined = at::empty({k.size(0), together ? 3 : 2, heads, HEAD}, q.options());
    Tensor by_q = together ? joined.select(1, 0) : at::empty(q.sizes(), q.options());
    Tensor by_k = joined.select(1, together ? 1 : 0), by_v = joined.select(1, together ? 2 : 1);
    constexpr unsigned threads = 256, shared = 6 * TILE + LONGEST * (16 + 2 * sizeof(float));
    const auto kernel = quanci::kernel(q.device(), {kind_of(q), "ATTENTION=1"}, "attention_backward", threads, shared);
    kernel.launch(q.device(), shape(q_offsets, heads, threads, shared), data(gradient), data(out),
                  q.const_data_ptr(), q.stride(0), k.const_data_ptr(), k.stride(0), v.const_data_ptr(), v.stride(0),
                  q_offsets.const_data_ptr(), k_offsets.const_data_ptr(), logarithms.const_data_ptr(),
                  kept.const_data_ptr(), by_q.mutable_data_ptr(), by_q.stride(0), by_k.mutable_data_ptr(),
                  by_v.mutable_data_ptr(), by_k.stride(0), static_cast<int>(heads), dropout.threshold, dropout.scale);
    return {by_q, by_k, by_v, Tensor(), Tensor(), Tensor()};
  }

 private:
  // A block for each head of each row.
  static quanci::Shape shape(const Tensor& offsets, int64_t heads, unsigned threads, unsigned shared) {
    return {static_cast<unsigned>(offsets.size(0) - 1), static_cast<unsigned>(heads), threads, 1, shared};
  }
};

// What dropout makes of the shares of a row's keys, [heads, queries, keys]: `attention` of kernels/attention.cu.
Tensor factors(const Dropout& dropout, int64_t first, int64_t heads, int64_t queries, int64_t keys) {
  Tensor made = at::empty({heads, queries, keys}, at::kFloat);
  auto* out = made.mutable_data_ptr<float>();
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t query = 0; query < queries; ++query, out += keys) {
      for (int64_t draw = 0; draw < 16; ++draw) {
        const auto eight = dropout.factors(static_cast<uint64_t>(((first + query) * heads + head) * 16 + draw));
        for (int64_t i = 0; i < 8; ++i) {
          const int64_t key = draw / 4 * 32 + i / 2 * 8 + draw % 4 * 2 + i % 2;
          if (key < keys) out[key] = eight[i];
        }
      }
    }
  }
  return made;
}

Tensor short_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                       const Tensor& k_offsets, int64_t longest_q, int64_t longest_k, double share) {
  TORCH_CHECK(q.dim() == 3 && q.size(2) == HEAD && longest_q <= LONGEST && longest_k <= LONGEST,
              "attention of our own takes heads of 64 and rows of at most 128 tokens");
  const Dropout dropout(share);
  if (!q.is_cuda()) {
    const auto of_row = [&](auto... of) { return factors(dropout, of...); };
    return quanci::attention_by_operations(q, k, v, q_offsets, k_offsets,
                                           dropout.threshold > 0 ? quanci::ShareFactors(of_row) : nullptr);
  }
  return ShortAttention::apply(quanci::by_tokens(q), quanci::by_tokens(k), quanci::by_tokens(v), q_offsets, k_offsets, dropout);
}

}  // namespace

Tensor quanci::by_tokens(const Tensor& tensor) {
  const bool fits = tensor.stride(2) == 1 && tensor.stride(1) == HEAD && tensor.stride(0) % 8 == 0 &&
                    reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0;
  return fits ? tensor : tensor.contiguous();
}

Tensor quanci::attention_by_operations(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                                       const Tensor& k_offsets, const ShareFactors& factors) {
  const Tensor q_at = q_offsets.cpu(), k_at = k_offsets.cpu();
  const auto *q_starts = q_at.const_data_ptr<int>(), *k_starts = k_at.const_data_ptr<int>();
  std::vector<Tensor> rows;
  for (int64_t row = 0; row + 1 < q_at.size(0); ++row) {
    const int64_t queries = q_starts[row + 1] - q_starts[row], keys = k_starts[row + 1] - k_starts[row];
    const auto part = [](const Tensor& of, int64_t start, int64_t count) {
      return of.narrow(0, start, count).transpose(0, 1);
    };
    const Tensor own_k = part(k, k_starts[row], keys), own_v = part(v, k_starts[row], keys);
    const Tensor scores = at::matmul(part(q, q_starts[row], queries), own_k.transpose(1, 2)) / 8;
    Tensor shares = at::softmax(scores, -1, at::kFloat);
    if (factors) shares = shares * factors(q_starts[row], q.size(1), queries, keys).to(q.device());
    rows.push_back(at::matmul(shares.to(q.scalar_type()), own_v).transpose(0, 1));
  }
  return at::cat(rows, 0);
}

extern "C" {

// Rows that lie end to end: no padding. `kind`: 0 FlashAttention, 1 memory-efficient attention, 2 our own for short rows, 3 our own
// for rows of any length. All have their derivative in autograd.
Tensor* quanci_varlen_attention(int kind, const Tensor* q, const Tensor* k, const Tensor* v, const Tensor* q_offsets,
                                const Tensor* k_offsets, int64_t longest_q, int64_t longest_k, double dropout) {
  return guarded(static_cast<Tensor*>(nullptr), [&] {
    if (kind == 2) {
      return new Tensor(short_attention(*q, *k, *v, *q_offsets, *k_offsets, longest_q, longest_k, dropout));
    }
    if (kind == 3) {
      return new Tensor(
          quanci::tiled_attention(*q, *k, *v, *q_offsets, *k_offsets, longest_q, longest_k, dropout));
    }
    if (kind == 1) {
      const int64_t no_mask = 0;
      auto made = at::_efficient_attention_forward(q->unsqueeze(0), k->unsqueeze(0), v->unsqueeze(0),
                                                   /*bias=*/{}, *q_offsets, *k_offsets, longest_q, longest_k, dropout,
                                                   no_mask, /*compute_log_sumexp=*/true);
      return new Tensor(std::get<0>(made).squeeze(0));
    }
    auto made = at::_flash_attention_forward(*q, *k, *v, *q_offsets, *k_offsets, longest_q, longest_k, dropout,
                                             /*is_causal=*/false, /*return_debug_mask=*/false);
    return new Tensor(std::get<0>(made));
  });
}

}  // extern "C"
