// libquanci_nccl.so: c10d's NCCL backend. It needs libtorch_cuda and is therefore no part of the program, which opens
// it when data parallelism over GPUs is asked for.
#define USE_C10D_NCCL 1
#include "nccl.h"

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

extern "C" __attribute__((visibility("default"))) c10d::Backend* quanci_nccl_create(
    c10d::Store* store, int rank, int ranks, int64_t timeout_ms, int cuda_index) {
  const auto index = static_cast<c10::DeviceIndex>(cuda_index);
  c10::cuda::set_device(index);
  auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/false);
  options->timeout = std::chrono::milliseconds(timeout_ms);
  auto shared = c10::intrusive_ptr<c10d::Store>::reclaim_copy(store);
  auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(shared, rank, ranks, options);
  group->setBoundDeviceId(at::Device(at::kCUDA, index));
  return group.release();
}
