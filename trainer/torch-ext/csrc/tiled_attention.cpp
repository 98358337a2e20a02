// attention.h: attention of our own for rows of any length.
#include "attention.h"
#include "dropout.h"
#include "kernels.h"

#include <torch/csrc/autograd/custom_function.h>

using at::Tensor;
using quanci::data;
using quanci::Dropout;
using quanci::kind_of;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// As in kernels/tiled_attention.cu.
constexpr int64_t HEAD = 64, TOKENS = 128;
constexpr unsigned ROW = HEAD * 2, TILE = TOKENS * ROW;

// How often 128 tokens go into a row.
int spans(int64_t longest) { return static_cast<int>((longest + TOKENS - 1) / TOKENS); }

class TiledAttention : public torch::autograd::Function<TiledAttention> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& q_offsets, const Tensor& k_offsets, int64_t longest_q, int64_t longest_k,
                        const Dropout& dropout) {
    const int64_t heads = q.size(1);
    const int chunks = spans(longest_q), key_spans = spans(longest_k);
    Tensor out = at::empty(q.sizes(), q.options());
    Tensor logarithms = at::empty({q.size(0), heads}, q.options().dtype(at::kFloat));
    Tensor kept = at::empty({dropout.threshold > 0 ? q.size(0) : 0, heads, key_spans, 4}, q.options().dtype(at::kInt));
    // The queries, and twice 64 keys and values.
    constexpr unsigned threads = 256, shared = 3 * TILE;
    const auto kernel = quanci::kernel(q.device(), {kind_of(q), "ATTENTION=1", "TILED=1"}, "tiled_attention", threads, shared);
    kernel.launch(q.device(), shape((q_offsets.size(0) - 1) * heads * chunks, threads, shared), q.const_data_ptr(), q.stride(0),
                  k.const_data_ptr(), k.stride(0), v.const_data_ptr(), v.stride(0), q_offsets.const_data_ptr(),
                  k_offsets.const_data_ptr(), data(out), logarithms.mutable_data_ptr(), kept.mutable_data_ptr(),
                  static_cast<int>(heads), chunks, key_spans, dropout.seed, dropout.threshold, dropout.scale);
    context->save_for_backward({q, k, v, q_offsets, k_offsets, out, logarithms, kept});
    context->saved_data["longest_q"] = longest_q;
    context->saved_data["longest_k"] = longest_k;
    dropout.save(context);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &q_offsets = saved[3], &k_offsets = saved[4];
    const Tensor &out = saved[5], &logarithms = saved[6], &kept = saved[7];
    const auto dropout = Dropout::saved(context);
    const int chunks = spans(context->saved_data["longest_q"].toInt());
    const int key_spans = spans(context->saved_data["longest_k"].toInt());
    const int64_t heads = q.size(1), rows = q_offsets.size(0) - 1;
    const Tensor gradient = gradients[0].contiguous();
    // Side by side, as the gradient of one product that made all three is wanted.
    const bool together = q.size(0) == k.size(0);
    Tensor joined = at::empty({k.size(0), together ? 3 : 2, heads, HEAD}, q.options());
    Tensor by_q = together ? joined.select(1, 0) : at::empty(q.sizes(), q.options());
    Tensor by_k = joined.select(1, together ? 1 : 0), by_v = joined.select(1, together ? 2 : 1);
    // What is kept from one 128 keys for the next.
    Tensor sums = at::empty({key_spans > 1 ? rows : 0, heads, chunks, TOKENS, HEAD}, logarithms.options());
    Tensor products = at::empty({key_spans > 1 ? q.size(0) : 0, heads}, logarithms.options());
    constexpr unsigned threads = 256, shared = 6 * TILE + TOKENS * (4 * sizeof(uint32_t) + 2 * sizeof(float));
    const auto kernel = quanci::kernel(q.device(), {kind_of(q), "ATTENTION=1", "TILED=1"}, "tiled_attention_backward", threads, shared);
    kernel.launch(q.device(), shape(rows * heads, threads, shared), data(gradient), data(out), q.const_data_ptr(),
                  q.stride(0), k.const_data_ptr(), k.stride(0), v.const_data_ptr(), v.stride(0),
                  q_offsets.const_data_ptr(), k_offsets.const_data_ptr(), logarithms.const_data_ptr(),
                  kept.const_data_ptr(), sums.mutable_data_ptr(), products.mutable_data_ptr(), by_q.mutable_data_ptr(), by_q.stride(0),
                  by_k.mutable_data_ptr(), by_v.mutable_data_ptr(), by_k.stride(0), static_cast<int>(heads),
                  chunks, key_spans, dropout.threshold, dropout.scale);
    return {by_q, by_k, by_v, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static quanci::Shape shape(int64_t blocks, unsigned threads, unsigned shared) {
    return {static_cast<unsigned>(blocks), 1, threads, 1, shared};
  }
};

// What dropout makes of the shares of a row's keys, [heads, queries, keys]: `tiled_attention` of kernels/tiled_attention.cu.
Tensor factors(const Dropout& dropout, int64_t first, int64_t heads, int64_t queries, int64_t keys, int64_t key_spans) {
  Tensor made = at::empty({heads, queries, keys}, at::kFloat);
  auto* out = made.mutable_data_ptr<float>();
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t query = 0; query < queries; ++query, out += keys) {
      const int64_t place = ((first + query) * heads + head) * key_spans * 4;
      for (int64_t word = 0; word < key_spans * 4; ++word) {
        const uint32_t bits = dropout.keep_bits(static_cast<uint64_t>(4 * (place + word)));
        for (int64_t bit = 0; bit < 32; ++bit) {
          const int64_t key = word / 4 * TOKENS + bit / 2 * 8 + word % 4 * 2 + bit % 2;
          if (key < keys) out[key] = bits >> bit & 1 ? dropout.scale : 0;
        }
      }
    }
  }
  return made;
}

}  // namespace

Tensor quanci::tiled_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& q_offsets,
                               const Tensor& k_offsets, int64_t longest_q, int64_t longest_k, double share) {
  TORCH_CHECK(q.dim() == 3 && q.size(2) == HEAD, "attention of our own takes heads of 64");
  const Dropout dropout(share);
  if (!q.is_cuda()) {
    const auto of_row = [&](auto... of) { return factors(dropout, of..., spans(longest_k)); };
    return attention_by_operations(q, k, v, q_offsets, k_offsets,
                                   dropout.threshold > 0 ? ShareFactors(of_row) : nullptr);
  }
  return TiledAttention::apply(by_tokens(q), by_tokens(k), by_tokens(v), q_offsets, k_offsets, longest_q, longest_k,
                               dropout);
}
