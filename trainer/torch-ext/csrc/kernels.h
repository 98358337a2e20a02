// Kernels of our own on NVIDIA GPUs: compiled by NVRTC, launched by the driver. Neither CUDA's headers nor its libraries
// are needed to build this; both libraries are opened when the first kernel is asked for.
#pragma once

#include "shim.h"

namespace quanci {

// What a launch needs beside its arguments. Shapes of grids and blocks are x and y.
struct Shape {
  unsigned grid_x, grid_y, block_x, block_y;
  unsigned shared_bytes = 0;  // beside what the kernel itself declares
};

// A kernel of kernels/ for one device, one set of definitions and one size of blocks.
class Kernel {
 public:
  Kernel(void* function, unsigned resident) : function_(function), resident_(resident) {}

  // Blocks that the whole device holds at once: a grid for kernels that go through their rows by themselves.
  unsigned resident() const { return resident_; }

  // Queues it on the device's current stream. The arguments' types are those of the kernel's parameters.
  template <class... Arguments>
  void launch(at::Device device, Shape shape, Arguments... arguments) const {
    void* pointers[] = {static_cast<void*>(&arguments)...};
    launch_with(device, shape, pointers);
  }

 private:
  void launch_with(at::Device device, Shape shape, void** arguments) const;
  void* function_;
  unsigned resident_;
};

// The definition of KIND for a tensor; throws if kernels/ has none.
std::string kind_of(const at::Tensor& tensor);

// A tensor's numbers for a kernel, which reads and writes 16 bytes at a time.
const void* data(const at::Tensor& tensor);
void* data(at::Tensor& tensor);
const void* data_or_null(const at::Tensor& tensor);

// The kernel `name` of kernels/ for blocks of `threads` and so much dynamic shared memory, compiled with these definitions ("KIND=1"). Throws what NVRTC or
// the driver say.
Kernel kernel(at::Device device, const std::vector<std::string>& definitions, const char* name, unsigned threads,
              unsigned shared_bytes = 0);

}  // namespace quanci
