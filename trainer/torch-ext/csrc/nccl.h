// The one function of libquanci_nccl.so: C++ types through a C symbol.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

// Returns a ProcessGroupNCCL with one reference, which the caller owns. Throws.
using NcclFactory =
    c10d::Backend* (*)(c10d::Store* store, int rank, int ranks, int64_t timeout_ms, int cuda_index);
