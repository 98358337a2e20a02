// What the files of this folder share: how errors and lists of tensors cross to Rust.
//
// Every function that Rust calls is `extern "C"`, lets no exception out, and tells of failure by its result (null, or
// -1); the message and its kind wait in quanci_error() and quanci_error_kind() of the same thread. Tensors come in as
// pointers to at::Tensor that Rust keeps, and go out as pointers to new ones that Rust frees (tch::Tensor does).
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace quanci {

// What quanci_error_kind() returns.
// BROKEN: no check of libtorch's own failed; in communication, a connection did.
enum Kind : int { LIBTORCH = 0, RANKS = 1, BROKEN = 2 };

// Another rank never came, is gone, or is stuck.
struct RanksError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void set_error(Kind kind, const char* message) noexcept;

// The body's result, or `failed` with the error set.
template <class Result, class Body>
Result guarded(Result failed, Body body) noexcept {
  try {
    return body();
  } catch (const RanksError& error) {
    set_error(RANKS, error.what());
  } catch (const c10::DistError& error) {
    set_error(BROKEN, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    set_error(LIBTORCH, error.what_without_backtrace());
  } catch (const std::exception& error) {
    set_error(BROKEN, error.what());
  } catch (...) {
    set_error(BROKEN, "an unknown C++ exception");
  }
  return failed;
}

// The tensors of a list from Rust; copies of handles, not of data.
inline std::vector<at::Tensor> list(at::Tensor* const* tensors, int64_t count) {
  std::vector<at::Tensor> copies;
  copies.reserve(count);
  for (int64_t i = 0; i < count; ++i) copies.push_back(*tensors[i]);
  return copies;
}

inline at::Device device_of(int cuda_index) {
  return cuda_index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(cuda_index));
}

}  // namespace quanci
