// Cross entropy over a vocabulary, with its gradient.

// Sum and maximum over a block of 512 threads, in every thread. The maximum comes with the smallest index that has it.
__device__ float sum_block(float x) {
  __shared__ float sums[16];
  __syncthreads();
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  x = 0.0f;
#pragma unroll
  for (int i = 0; i < 16; ++i) x += sums[i];
  return x;
}

__device__ void larger(float& x, int& index, float other, int other_index) {
  if (other > x || (other == x && other_index < index)) x = other, index = other_index;
}

__device__ void largest_of_block(float& x, int& index) {
  __shared__ float values[16];
  __shared__ int indexes[16];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, x, offset);
    larger(x, index, other, __shfl_xor_sync(0xffffffffu, index, offset));
  }
  if (threadIdx.x % 32 == 0) values[threadIdx.x / 32] = x, indexes[threadIdx.x / 32] = index;
  __syncthreads();
  x = values[0], index = indexes[0];
#pragma unroll
  for (int i = 1; i < 16; ++i) larger(x, index, values[i], indexes[i]);
}

// Less than every number: the maximum of none.
#define NOTHING __int_as_float(0xff800000)

#if KIND == 0
#define EXP expf
#define LOG logf
#else  // their errors are far below what the result is rounded to
#define EXP __expf
#define LOG __logf
#endif

__device__ float widen(Number x) {
#if KIND == 0
  return x;
#else
  float low, high;
  unpack_two(x, low, high);
  return low;
#endif
}

// Row by row of logits, [rows, classes]: its cross entropy with the label, whether the label has the largest logit, and in
// place of the logits the gradient, softmax less 1 at the label. A block of 512 threads takes a row: it reads it twice, the
// second time from the cache.
extern "C" __global__ void __launch_bounds__(512)
    cross_entropy(Number* logits, const i64* labels, float* losses, i64* correct, int classes) {
  Number* row = logits + static_cast<i64>(blockIdx.x) * classes;
  const int label = static_cast<int>(labels[blockIdx.x]);
  // Rows begin at multiples of 16 bytes if their length is one.
  const int packs = classes % 8 == 0 ? classes / 8 : 0;
  Pack* packed = reinterpret_cast<Pack*>(row);
  float most = NOTHING, sum = 0.0f;
  int at_most = 0x7fffffff;
  const auto see = [&](float x, int index) {
    if (x > most) {
      sum = sum * EXP(most - x) + 1.0f;
      most = x, at_most = index;
    } else {
      sum += EXP(x - most);
    }
  };
  for (int i = threadIdx.x; i < packs; i += 512) {
    float x[8];
    unpack(packed[i], x);
#pragma unroll
    for (int j = 0; j < 8; ++j) see(x[j], 8 * i + j);
  }
  for (int i = 8 * packs + threadIdx.x; i < classes; i += 512) see(widen(row[i]), i);
  const float own = most;
  largest_of_block(most, at_most);
  // A thread that saw nothing has no maximum; one that saw what is no number passes it on.
  const float total = sum_block(own == NOTHING && sum == 0.0f ? 0.0f : sum * EXP(own - most));
  const float logarithm = most + LOG(total);
  if (threadIdx.x == 0) {
    losses[blockIdx.x] = logarithm - widen(row[label]);
    correct[blockIdx.x] = at_most == label;
  }
  __syncthreads();  // the label's logit is read before it is overwritten
  for (int i = threadIdx.x; i < packs; i += 512) {
    float x[8];
    unpack(packed[i], x);
#pragma unroll
    for (int j = 0; j < 8; ++j) x[j] = EXP(x[j] - logarithm) - (8 * i + j == label ? 1.0f : 0.0f);
    packed[i] = pack(x);
  }
  for (int i = 8 * packs + threadIdx.x; i < classes; i += 512) {
    row[i] = narrow(EXP(widen(row[i]) - logarithm) - (i == label ? 1.0f : 0.0f));
  }
}
