// Dropout on a CPU with SIMD instructions: ATen draws one number after the other and keeps what it drew.
#include "dropout.h"

#include <ATen/Parallel.h>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The compiler makes a variant for each SIMD instruction set, and the program takes the best that its processor has.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SIMD_VARIANTS __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define SIMD_VARIANTS
#endif

namespace quanci {
namespace {

// Counters that are drawn for side by side, and the numbers that they are for.
constexpr int LANES = 32;
constexpr int64_t BLOCK = 8 * LANES;

// out = x * factors of the BLOCK numbers from 8 * `counter` on: philox and dropout_factors of kernels/dropout.cu.
SIMD_VARIANTS
void scale_block(uint64_t seed, uint64_t counter, uint32_t threshold, float scale, const float* x, float* out) {
  uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
  for (int lane = 0; lane < LANES; ++lane) {
    a[lane] = static_cast<uint32_t>(counter + lane);
    b[lane] = static_cast<uint32_t>((counter + lane) >> 32);
    c[lane] = d[lane] = 0;
  }
  auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 7; ++round) {
    for (int lane = 0; lane < LANES; ++lane) {
      const uint64_t first = uint64_t{0xD2511F53} * a[lane], second = uint64_t{0xCD9E8D57} * c[lane];
      a[lane] = static_cast<uint32_t>(second >> 32) ^ b[lane] ^ key0;
      b[lane] = static_cast<uint32_t>(second);
      c[lane] = static_cast<uint32_t>(first >> 32) ^ d[lane] ^ key1;
      d[lane] = static_cast<uint32_t>(first);
    }
    key0 += 0x9E3779B9, key1 += 0xBB67AE85;
  }
  uint32_t words[4 * LANES];
  for (int lane = 0; lane < LANES; ++lane) {
    words[4 * lane] = a[lane], words[4 * lane + 1] = b[lane];
    words[4 * lane + 2] = c[lane], words[4 * lane + 3] = d[lane];
  }
  for (int i = 0; i < 4 * LANES; ++i) {
    out[2 * i] = x[2 * i] * ((words[i] & 0xffff) >= threshold ? scale : 0.0f);
    out[2 * i + 1] = x[2 * i + 1] * ((words[i] >> 16) >= threshold ? scale : 0.0f);
  }
}

class Scaled : public torch::autograd::Function<Scaled> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Dropout& dropout) {
    dropout.save(context);
    return dropout.scaled(x.contiguous());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {Dropout::saved(context).scaled(gradients[0].contiguous()), Tensor()};
  }
};

}  // namespace

Tensor Dropout::scaled(const Tensor& x) const {
  Tensor made = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = made.mutable_data_ptr<float>();
  const int64_t count = x.numel();
  at::parallel_for(0, (count + BLOCK - 1) / BLOCK, 128, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t at = block * BLOCK;
      const auto counter = static_cast<uint64_t>(block) * LANES;
      if (count - at >= BLOCK) {
        scale_block(seed, counter, threshold, scale, from + at, to + at);
        continue;
      }
      // The last numbers, with others behind them.
      std::array<float, BLOCK> numbers{};
      std::copy(from + at, from + count, numbers.begin());
      scale_block(seed, counter, threshold, scale, numbers.data(), numbers.data());
      std::copy(numbers.begin(), numbers.begin() + (count - at), to + at);
    }
  });
  return made;
}

Tensor Dropout::apply(const Tensor& x) const {
  if (threshold == 0) return x;
  if (x.is_cpu() && x.scalar_type() == at::kFloat) return Scaled::apply(x, *this);
  return x * scaled(at::ones(x.sizes(), at::kFloat)).to(x.device(), x.scalar_type());
}

}  // namespace quanci

extern "C" at::Tensor* quanci_dropout(const at::Tensor* x, double share) {
  return quanci::guarded(static_cast<Tensor*>(nullptr), [&] {
    // What is left out on a device is drawn there.
    return new Tensor(x->is_cpu() ? quanci::Dropout(share).apply(*x) : at::dropout(*x, share, /*train=*/true));
  });
}
