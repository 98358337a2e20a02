// PyTorch's profiler: what ran on the CPU and, where CUDA is open, which kernels, as a Chrome trace.
#include "shim.h"

#include <torch/csrc/autograd/profiler_kineto.h>

using quanci::guarded;
namespace profiler = torch::autograd::profiler;
namespace impl = torch::profiler::impl;

namespace {

std::set<impl::ActivityType> activities(int cuda) {
  std::set<impl::ActivityType> wanted{impl::ActivityType::CPU};
  if (cuda) wanted.insert(impl::ActivityType::CUDA);
  return wanted;
}

}  // namespace

extern "C" int quanci_profile_begin(int cuda) {
  return guarded(-1, [&] {
    const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
    profiler::prepareProfiler(config, activities(cuda));
    profiler::enableProfiler(config, activities(cuda));
    return 0;
  });
}

extern "C" int quanci_profile_end(const char* path) {
  return guarded(-1, [&] {
    profiler::disableProfiler()->save(path);
    return 0;
  });
}
