// Errors, process-wide switches, random generators, and the optimizer operations that tch does not have.
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <c10/core/CachingDeviceAllocator.h>

using at::Tensor;
using quanci::guarded;
using quanci::list;

namespace {

thread_local std::string error_message;
thread_local int error_kind = quanci::LIBTORCH;

void seed(const at::Generator& generator, uint64_t value) {
  at::Generator handle = generator;
  std::lock_guard<std::mutex> lock(handle.mutex());
  handle.set_current_seed(value);
}

void give(const std::vector<Tensor>& tensors, Tensor** out) {
  for (size_t i = 0; i < tensors.size(); ++i) out[i] = new Tensor(tensors[i]);
}

std::optional<Tensor> optional(const Tensor* tensor) {
  return tensor ? std::optional<Tensor>(*tensor) : std::nullopt;
}

}  // namespace

void quanci::set_error(Kind kind, const char* message) noexcept {
  error_kind = kind;
  try {
    error_message = message;
  } catch (...) {
    error_message.clear();
  }
}

extern "C" {

const char* quanci_error() { return error_message.c_str(); }
int quanci_error_kind() { return error_kind; }

// ---- the process

int quanci_set_threads(int threads) {
  return guarded(-1, [&] {
    at::set_num_threads(threads);
    return 0;
  });
}

// TF32 in matrix products (cuBLAS) and in cuDNN.
int quanci_set_tf32(int allowed) {
  return guarded(-1, [&] {
    at::globalContext().setAllowTF32CuBLAS(allowed != 0);
    at::globalContext().setAllowTF32CuDNN(allowed != 0);
    return 0;
  });
}

int quanci_tf32() {
  return guarded(-1, [] { return at::globalContext().allowTF32CuBLAS() ? 1 : 0; });
}

// Without `cuda`, CUDA is not even asked about: the first question settles for ever whether it is there.
int quanci_seed(uint64_t value, int cuda) {
  return guarded(-1, [&] {
    seed(at::globalContext().defaultGenerator(at::Device(at::kCPU)), value);
    const size_t devices = cuda ? at::getNumGPUs() : 0;
    for (size_t i = 0; i < devices; ++i) {
      seed(at::globalContext().defaultGenerator(quanci::device_of(static_cast<int>(i))), value);
    }
    return 0;
  });
}

// ---- CUDA, once it is open

int quanci_cuda_devices() {
  return guarded(-1, [] { return static_cast<int>(at::getNumGPUs()); });
}

// Most bytes that tensors have held at once since the last reset.
int64_t quanci_cuda_memory_peak(int cuda_index) {
  return guarded(int64_t{-1}, [&] {
    const auto stats = at::getDeviceAllocator(at::kCUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(cuda_index));
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
  });
}

int quanci_cuda_memory_reset_peak(int cuda_index) {
  return guarded(-1, [&] {
    at::getDeviceAllocator(at::kCUDA)->resetPeakStats(static_cast<c10::DeviceIndex>(cuda_index));
    return 0;
  });
}

int quanci_cuda_synchronize(int cuda_index) {
  return guarded(-1, [&] {
    at::detail::getCUDAHooks().deviceSynchronize(static_cast<c10::DeviceIndex>(cuda_index));
    return 0;
  });
}

// A copy on a CUDA device, through pinned memory: the host does not wait for it.
Tensor* quanci_to_cuda(const Tensor* tensor, int cuda_index) {
  return guarded(static_cast<Tensor*>(nullptr), [&] {
    return new Tensor(tensor->pin_memory().to(quanci::device_of(cuda_index), tensor->scalar_type(), /*non_blocking=*/true));
  });
}

// ---- optimizer operations; none is recorded by autograd

// `step` is one tensor for all parameters: how often they were stepped, this time included.
int quanci_fused_adamw(Tensor* const* p, Tensor* const* g, Tensor* const* m, Tensor* const* v, const Tensor* step,
                       int64_t n, double lr, double beta1, double beta2, double decay, double epsilon,
                       const Tensor* grad_scale, const Tensor* found_inf) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    const std::vector<Tensor> steps(n, *step);
    at::_fused_adamw_(list(p, n), list(g, n), list(m, n), list(v, n), /*max_exp_avg_sqs=*/{}, steps, lr, beta1, beta2,
                      decay, epsilon, /*amsgrad=*/false, /*maximize=*/false, optional(grad_scale),
                      optional(found_inf));
    return 0;
  });
}

// Divides by the scale, in place, and says whether anything was no finite number: found_inf = 1.
int quanci_amp_unscale(Tensor* const* g, int64_t n, Tensor* found_inf, const Tensor* inverse_scale) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_amp_foreach_non_finite_check_and_unscale_(list(g, n), *found_inf, *inverse_scale);
    return 0;
  });
}

// The 2-norm of each: a vector of doubles. On a CPU _foreach_norm adds squares up in fp32, one after the other, and
// loses 0.25 % at 21128 x 768; there the sum is in double. On CUDA it is a tree of sums, which loses nothing that shows.
Tensor* quanci_foreach_norm(Tensor* const* t, int64_t n) {
  return guarded(static_cast<Tensor*>(nullptr), [&] {
    at::NoGradGuard no_grad;
    const auto tensors = list(t, n);
    if (!tensors.empty() && tensors[0].is_cpu()) {
      std::vector<Tensor> norms;
      for (const auto& tensor : tensors) norms.push_back(at::linalg_vector_norm(tensor, 2, {}, false, at::kDouble));
      return new Tensor(at::stack(norms));
    }
    return new Tensor(at::stack(at::_foreach_norm(tensors, 2)).to(at::kDouble));
  });
}

int quanci_foreach_zero(Tensor* const* t, int64_t n) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_zero_(list(t, n));
    return 0;
  });
}

int quanci_foreach_mul(Tensor* const* t, int64_t n, double factor) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_mul_(list(t, n), factor);
    return 0;
  });
}

int quanci_foreach_mul_tensor(Tensor* const* t, int64_t n, const Tensor* factor) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_mul_(list(t, n), *factor);
    return 0;
  });
}

int quanci_foreach_mul_each(Tensor* const* t, int64_t n, const double* factors) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    const std::vector<at::Scalar> scalars(factors, factors + n);
    at::_foreach_mul_(list(t, n), scalars);
    return 0;
  });
}

int quanci_foreach_add(Tensor* const* t, int64_t n, double term) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_add_(list(t, n), term);
    return 0;
  });
}

// t += alpha * other
int quanci_foreach_add_list(Tensor* const* t, Tensor* const* other, int64_t n, double alpha) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_add_(list(t, n), list(other, n), alpha);
    return 0;
  });
}

// t += value * a * b
int quanci_foreach_addcmul(Tensor* const* t, Tensor* const* a, Tensor* const* b, int64_t n, double value) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    at::_foreach_addcmul_(list(t, n), list(a, n), list(b, n), value);
    return 0;
  });
}

int quanci_foreach_sqrt(Tensor* const* t, int64_t n, Tensor** out) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    give(at::_foreach_sqrt(list(t, n)), out);
    return 0;
  });
}

int quanci_foreach_div(Tensor* const* t, Tensor* const* other, int64_t n, Tensor** out) {
  return guarded(-1, [&] {
    at::NoGradGuard no_grad;
    give(at::_foreach_div(list(t, n), list(other, n)), out);
    return 0;
  });
}

}  // extern "C"
