// Dropout that leaves out the same on every device.
#pragma once

#include "shim.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/custom_function.h>

namespace quanci {

// Which numbers are left out is a function of a seed and of the place alone. It is drawn from the CPU's generator on every
// device, so that a CPU and a GPU leave out the same.
struct Dropout {
  uint64_t seed = 0;
  uint32_t threshold = 0;  // of 65,536
  float scale = 1;

  Dropout() = default;
  explicit Dropout(double share) {
    TORCH_CHECK(share >= 0 && share < 1, "dropout is at least 0 and below 1, not ", share);
    threshold = static_cast<uint32_t>(share * 65536 + 0.5);
    if (threshold == 0) return;
    scale = threshold < 65536 ? static_cast<float>(65536.0 / (65536 - threshold)) : 0;
    at::Generator generator = at::globalContext().defaultGenerator(at::Device(at::kCPU));
    std::lock_guard<std::mutex> lock(generator.mutex());
    seed = at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
  }

  void save(torch::autograd::AutogradContext* context) const {
    context->saved_data["seed"] = static_cast<int64_t>(seed);
    context->saved_data["threshold"] = static_cast<int64_t>(threshold);
    context->saved_data["scale"] = static_cast<double>(scale);
  }

  static Dropout saved(torch::autograd::AutogradContext* context) {
    Dropout saved;
    saved.seed = static_cast<uint64_t>(context->saved_data["seed"].toInt());
    saved.threshold = static_cast<uint32_t>(context->saved_data["threshold"].toInt());
    saved.scale = static_cast<float>(context->saved_data["scale"].toDouble());
    return saved;
  }

  // Eight factors, 0 or `scale`: philox and dropout_factors of kernels/dropout.cu.
  std::array<float, 8> factors(uint64_t counter) const {
    const auto words = philox(counter);
    std::array<float, 8> made{};
    for (int i = 0; i < 4; ++i) {
      made[2 * i] = (words[i] & 0xffff) >= threshold ? scale : 0;
      made[2 * i + 1] = (words[i] >> 16) >= threshold ? scale : 0;
    }
    return made;
  }

  // Which of 32 numbers are kept, a bit each: keep_bits of kernels/dropout.cu.
  uint32_t keep_bits(uint64_t counter) const {
    uint32_t keeps = ~uint32_t{0};
    for (int draw = 0; draw < 4; ++draw) {
      const auto words = philox(counter + draw);
      for (int i = 0; i < 4; ++i) {
        keeps = threshold >> (4 * draw + i) & 1 ? words[i] & keeps : words[i] | keeps;
      }
    }
    return keeps;
  }

  // dropout(x), with its derivative; number `at` has factor at % 8 of counter at / 8. In fp32 on a CPU the factors are computed
  // again in the backward pass rather than kept.
  at::Tensor apply(const at::Tensor& x) const;

  // The same of a contiguous fp32 tensor on the CPU, without a derivative.
  at::Tensor scaled(const at::Tensor& x) const;

 private:
  std::array<uint32_t, 4> philox(uint64_t counter) const {
    auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    std::array<uint32_t, 4> x{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
    for (int round = 0; round < 7; ++round) {
      const uint64_t first = uint64_t{0xD2511F53} * x[0], second = uint64_t{0xCD9E8D57} * x[2];
      x = {static_cast<uint32_t>(second >> 32) ^ x[1] ^ key0, static_cast<uint32_t>(second),
           static_cast<uint32_t>(first >> 32) ^ x[3] ^ key1, static_cast<uint32_t>(first)};
      key0 += 0x9E3779B9, key1 += 0xBB67AE85;
    }
    return x;
  }
};

}  // namespace quanci
