// The kernels as functions of a shared library, for tests/kernels/: emulate.h.
#include "emulate.h"

#include "numbers.cu"
#include "dropout.cu"
#include "columns.cu"
#include "norm.cu"
#include "embeddings.cu"
#include "activation.cu"
#include "cross_entropy.cu"
#include "attention.cu"
#include "tiled_attention.cu"

extern "C" __attribute__((visibility("default"))) void emulate_backwards(int is) { backwards = is != 0; }

// Runs a kernel on a grid and blocks of these shapes; 1 if there is none of the name.
extern "C" __attribute__((visibility("default"))) int emulate(const char* name, const unsigned* grid, const unsigned* block, void** arguments) {
  gridDim = {grid[0], grid[1]};
  blockDim = {block[0], block[1]};
  const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
#define KERNEL(function) \
  if (is(#function)) return launch(function, arguments), 0
  KERNEL(sum_parts);
  KERNEL(join_three);
  KERNEL(cross_entropy);
#ifdef WIDTH
  KERNEL(add_norm);
  KERNEL(add_norm_backward);
  KERNEL(embed);
  KERNEL(embed_backward);
#endif
#ifdef ACTIVATION
  KERNEL(bias_activation);
  KERNEL(bias_activation_backward);
#endif
#ifdef ATTENTION
  KERNEL(attention);
  KERNEL(attention_backward);
#endif
#ifdef TILED
  using namespace tiled;
  KERNEL(tiled_attention);
  KERNEL(tiled_attention_backward);
#endif
  return 1;
}
