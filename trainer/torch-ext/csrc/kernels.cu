// Kernels for what lies between the matrix products of a transformer layer. NVRTC compiles them at run time (kernels.cpp)
// for one device and one kind of number:
//
//   KIND        0 fp32, 1 bf16, 2 fp16
//   WIDTH       columns of a row of the LayerNorm kernels, a multiple of 8; without it they are left out
//   ACTIVATION  0 GELU by erf, 1 GELU by tanh, 2 ReLU
//
// Sums are in fp32 and in a fixed order: the same input gives the same bytes. Every access is 16 bytes wide (32 in fp32).
// ops_fused.cpp has the same operations by ATen, which serve on a CPU and are what these are tested against.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// ---- eight numbers at a time

// Eight numbers in fp32, whatever KIND is.
struct alignas(16) Wide {
  float4 low, high;
};

__device__ void unpack(const Wide& wide, float* x) {
  x[0] = wide.low.x, x[1] = wide.low.y, x[2] = wide.low.z, x[3] = wide.low.w;
  x[4] = wide.high.x, x[5] = wide.high.y, x[6] = wide.high.z, x[7] = wide.high.w;
}

#if KIND == 0
typedef float Number;
typedef Wide Pack;

__device__ Pack pack(const float* x) {
  return {make_float4(x[0], x[1], x[2], x[3]), make_float4(x[4], x[5], x[6], x[7])};
}

__device__ Number narrow(float x) { return x; }
#else
typedef unsigned short Number;
struct alignas(16) Pack {
  u32 pairs[4];
};

__device__ u32 pack_two(float low, float high) {
  u32 both;
#if KIND == 1
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#else
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#endif
  return both;
}

__device__ void unpack_two(u32 both, float& low, float& high) {
#if KIND == 1
  low = __uint_as_float(both << 16);
  high = __uint_as_float(both & 0xffff0000u);
#else
  asm("{ .reg .f16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }"
      : "=f"(low), "=f"(high)
      : "r"(both));
#endif
}

__device__ void unpack(const Pack& pack, float* x) {
#pragma unroll
  for (int i = 0; i < 4; ++i) unpack_two(pack.pairs[i], x[2 * i], x[2 * i + 1]);
}

__device__ Pack pack(const float* x) {
  Pack made;
#pragma unroll
  for (int i = 0; i < 4; ++i) made.pairs[i] = pack_two(x[2 * i], x[2 * i + 1]);
  return made;
}

__device__ Number narrow(float x) { return static_cast<Number>(pack_two(x, 0.0f)); }
#endif

// ---- dropout

// Philox 4x32 with seven rounds, the fewest that pass BigCrush (Salmon et al. 2011): 128 random bits for each counter.
__device__ uint4 philox(u64 seed, u64 counter) {
  u32 key0 = static_cast<u32>(seed), key1 = static_cast<u32>(seed >> 32);
  u32 x = static_cast<u32>(counter), y = static_cast<u32>(counter >> 32), z = 0, w = 0;
#pragma unroll
  for (int round = 0; round < 7; ++round) {
    const u32 high0 = __umulhi(0xD2511F53u, x), low0 = 0xD2511F53u * x;
    const u32 high1 = __umulhi(0xCD9E8D57u, z), low1 = 0xCD9E8D57u * z;
    x = high1 ^ y ^ key0, y = low1, z = high0 ^ w ^ key1, w = low0;
    key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
  }
  return make_uint4(x, y, z, w);
}

// Eight factors, 0 or `scale`: sixteen random bits each, 0 below the threshold.
__device__ void dropout_factors(u64 seed, u64 counter, u32 threshold, float scale, float* factors) {
  const uint4 bits = philox(seed, counter);
  const u32 words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    factors[2 * i] = (words[i] & 0xffffu) >= threshold ? scale : 0.0f;
    factors[2 * i + 1] = (words[i] >> 16) >= threshold ? scale : 0.0f;
  }
}

// ---- sums of columns

// Adds up `partial`, [parts, columns], over the parts. Blocks of 32 x 8 threads, one for 32 columns.
extern "C" __global__ void sum_parts(const float* partial, Number* out, int parts, int columns) {
  __shared__ float sums[8][32];
  const int column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0.0f;
  if (column < columns) {
#pragma unroll 8
    for (int part = threadIdx.y; part < parts; part += 8) sum += partial[static_cast<i64>(part) * columns + column];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  sum = 0.0f;
#pragma unroll
  for (int i = 0; i < 8; ++i) sum += sums[i][threadIdx.x];
  out[column] = narrow(sum);
}

#ifdef WIDTH
// ---- bias, dropout, residual sum and LayerNorm

constexpr int PACKS = WIDTH / 8;
// A warp takes a row of up to 1,024 columns, so that a lane holds at most four packs of it; wider rows take more warps.
constexpr int WARPS = (PACKS + 127) / 128;
constexpr int LANES = 32 * WARPS;
// Rows that a block works on at once.
constexpr int ROWS = WARPS == 1 ? 4 : 1;
// Packs of a row that a lane holds.
constexpr int HELD = (PACKS + LANES - 1) / LANES;
// Blocks of four warps that a multiprocessor should hold in the backward pass, whose sums take many registers: at least three,
// so that some load while others compute, if nothing is spilled for it.
constexpr int RESIDENT = ROWS == 1 ? 1 : HELD <= 3 && KIND != 0 ? 3 : 2;

// The sum over all lanes of a row, in every lane.
__device__ float sum_row(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  if constexpr (WARPS > 1) {
    __shared__ float sums[WARPS];
    __syncthreads();
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0.0f;
#pragma unroll
    for (int i = 0; i < WARPS; ++i) x += sums[i];
  }
  return x;
}

// Writes a block's shares of COUNT sums of columns: partial, [blocks, COUNT, WIDTH]. A lane's share is [HELD][8]. The warps of
// a block are added up one after the other: a fixed order.
template <int COUNT>
__device__ __forceinline__ void write_shares(const float* const (&shares)[COUNT], float* partial) {
  const int lane = threadIdx.x % LANES;
  float* own = partial + static_cast<i64>(blockIdx.x) * COUNT * WIDTH;
  __shared__ float sums[ROWS == 1 ? 1 : COUNT * WIDTH];
#pragma unroll 1
  for (int turn = 0; turn < ROWS; ++turn) {
    if (static_cast<int>(threadIdx.x) / LANES == turn) {
#pragma unroll
      for (int which = 0; which < COUNT; ++which) {
#pragma unroll
        for (int i = 0; i < HELD; ++i) {
          const int at = i * LANES + lane;
          if (at >= PACKS) continue;
#pragma unroll
          for (int j = 0; j < 8; ++j) {
            const int column = which * WIDTH + at * 8 + j;
            const float share = shares[which][i * 8 + j];
            if constexpr (ROWS == 1) {
              own[column] = share;
            } else {
              sums[column] = turn == 0 ? share : sums[column] + share;
            }
          }
        }
      }
    }
    __syncthreads();
  }
  if constexpr (ROWS > 1) {
    for (int column = threadIdx.x; column < COUNT * WIDTH; column += LANES * ROWS) own[column] = sums[column];
  }
}

// sum = dropout(projected + bias) + residual; out = (sum - mean) * rstd * weight + shift. All [rows, WIDTH] but for the
// bias, the weight and the shift, [WIDTH], and mean and rstd, [rows].
extern "C" __global__ void __launch_bounds__(LANES * ROWS)
    add_norm(const Pack* projected, const Pack* bias, const Pack* residual, const Pack* weight, const Pack* shift,
             Pack* sum, Pack* out, float* mean, float* rstd, i64 rows, u64 seed, u32 threshold, float scale,
             float epsilon) {
  const int lane = threadIdx.x % LANES;
  Pack biases[HELD], weights[HELD], shifts[HELD];
#pragma unroll
  for (int i = 0; i < HELD; ++i) {
    const int at = i * LANES + lane;
    if (at < PACKS) biases[i] = bias[at], weights[i] = weight[at], shifts[i] = shift[at];
  }
  for (i64 row = static_cast<i64>(blockIdx.x) * ROWS + threadIdx.x / LANES; row < rows;
       row += static_cast<i64>(gridDim.x) * ROWS) {
    float x[HELD][8];
    float own = 0.0f;
    Pack a[HELD], b[HELD];
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at < PACKS) a[i] = projected[row * PACKS + at], b[i] = residual[row * PACKS + at];
    }
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
      float factors[8], y[8], z[8];
      unpack(a[i], x[i]);
      unpack(biases[i], y);
      unpack(b[i], z);
      if (threshold > 0) {
        dropout_factors(seed, static_cast<u64>(row) * PACKS + at, threshold, scale, factors);
#pragma unroll
        for (int j = 0; j < 8; ++j) x[i][j] = (x[i][j] + y[j]) * factors[j] + z[j];
      } else {
#pragma unroll
        for (int j = 0; j < 8; ++j) x[i][j] = x[i][j] + y[j] + z[j];
      }
      // The backward pass sees the rounded sum, so mean and deviation are those of the rounded sum.
      const Pack rounded = pack(x[i]);
      sum[row * PACKS + at] = rounded;
      unpack(rounded, x[i]);
#pragma unroll
      for (int j = 0; j < 8; ++j) own += x[i][j];
    }
    const float middle = sum_row(own) / WIDTH;
    own = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (i * LANES + lane >= PACKS) continue;
#pragma unroll
      for (int j = 0; j < 8; ++j) own += (x[i][j] - middle) * (x[i][j] - middle);
    }
    const float inverse = rsqrtf(sum_row(own) / WIDTH + epsilon);
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
      float y[8], z[8];
      unpack(weights[i], y);
      unpack(shifts[i], z);
#pragma unroll
      for (int j = 0; j < 8; ++j) x[i][j] = (x[i][j] - middle) * inverse * y[j] + z[j];
      out[row * PACKS + at] = pack(x[i]);
    }
    if (lane == 0) mean[row] = middle, rstd[row] = inverse;
  }
}

// From the gradients by both outputs of add_norm (the second may be null) those by the residual, by the projection (null:
// there is no dropout, and it is the residual's), and for each block its share of those by weight, shift and bias:
// partial, [blocks, 3, WIDTH].
extern "C" __global__ void __launch_bounds__(LANES * ROWS, RESIDENT)
    add_norm_backward(const Pack* first, const Pack* second, const Pack* sum, const float* mean, const float* rstd,
                      const Pack* weight, Pack* by_residual, Pack* by_projected, float* partial, i64 rows, u64 seed,
                      u32 threshold, float scale) {
  const int lane = threadIdx.x % LANES;
  Pack weights[HELD];
  float by_weight[HELD][8], by_shift[HELD][8], by_bias[HELD][8];
#pragma unroll
  for (int i = 0; i < HELD; ++i) {
    const int at = i * LANES + lane;
    if (at < PACKS) weights[i] = weight[at];
#pragma unroll
    for (int j = 0; j < 8; ++j) by_weight[i][j] = by_shift[i][j] = by_bias[i][j] = 0.0f;
  }
  for (i64 row = static_cast<i64>(blockIdx.x) * ROWS + threadIdx.x / LANES; row < rows;
       row += static_cast<i64>(gridDim.x) * ROWS) {
    const float middle = mean[row], inverse = rstd[row];
    float g[HELD][8], x[HELD][8];
    float plain = 0.0f, along = 0.0f;
    Pack a[HELD], b[HELD], c[HELD];
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
      a[i] = first[row * PACKS + at];
      c[i] = sum[row * PACKS + at];
      if (second) b[i] = second[row * PACKS + at];
    }
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (i * LANES + lane >= PACKS) continue;
      float w[8];
      unpack(a[i], g[i]);
      unpack(c[i], x[i]);
      if (second) {
        float other[8];
        unpack(b[i], other);
#pragma unroll
        for (int j = 0; j < 8; ++j) g[i][j] += other[j];
      }
      unpack(weights[i], w);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        x[i][j] = (x[i][j] - middle) * inverse;
        by_weight[i][j] += g[i][j] * x[i][j];
        by_shift[i][j] += g[i][j];
        g[i][j] *= w[j];
        plain += g[i][j];
        along += g[i][j] * x[i][j];
      }
    }
    plain = sum_row(plain) / WIDTH;
    along = sum_row(along) / WIDTH;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
#pragma unroll
      for (int j = 0; j < 8; ++j) g[i][j] = (g[i][j] - plain - x[i][j] * along) * inverse;
      by_residual[row * PACKS + at] = pack(g[i]);
      if (threshold > 0) {
        float factors[8];
        dropout_factors(seed, static_cast<u64>(row) * PACKS + at, threshold, scale, factors);
#pragma unroll
        for (int j = 0; j < 8; ++j) g[i][j] *= factors[j];
        by_projected[row * PACKS + at] = pack(g[i]);
      }
#pragma unroll
      for (int j = 0; j < 8; ++j) by_bias[i][j] += g[i][j];
    }
  }
  const float* const shares[3] = {&by_weight[0][0], &by_shift[0][0], &by_bias[0][0]};
  write_shares<3>(shares, partial);
}

// ---- embeddings

// Row `row` of the sum of two tables, [.., WIDTH] in fp32: x in this lane's packs.
__device__ void embedded(const i64* ids, const i64* positions, const Wide* words, const Wide* table, i64 row, int lane,
                         float x[HELD][8]) {
  const Wide* word = words + ids[row] * PACKS;
  const Wide* position = table + positions[row] * PACKS;
  Wide a[HELD], b[HELD];
#pragma unroll
  for (int i = 0; i < HELD; ++i) {
    const int at = i * LANES + lane;
    if (at < PACKS) a[i] = word[at], b[i] = position[at];
  }
#pragma unroll
  for (int i = 0; i < HELD; ++i) {
    if (i * LANES + lane >= PACKS) continue;
    float y[8];
    unpack(a[i], x[i]);
    unpack(b[i], y);
#pragma unroll
    for (int j = 0; j < 8; ++j) x[i][j] += y[j];
  }
}

// out = dropout(LayerNorm(words[ids] + table[positions])), [rows, WIDTH] in KIND; all else in fp32.
extern "C" __global__ void __launch_bounds__(LANES * ROWS)
    embed(const i64* ids, const i64* positions, const Wide* words, const Wide* table, const Wide* weight,
          const Wide* shift, Pack* out, float* mean, float* rstd, i64 rows, u64 seed, u32 threshold, float scale,
          float epsilon) {
  const int lane = threadIdx.x % LANES;
  for (i64 row = static_cast<i64>(blockIdx.x) * ROWS + threadIdx.x / LANES; row < rows;
       row += static_cast<i64>(gridDim.x) * ROWS) {
    float x[HELD][8];
    embedded(ids, positions, words, table, row, lane, x);
    float own = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (i * LANES + lane >= PACKS) continue;
#pragma unroll
      for (int j = 0; j < 8; ++j) own += x[i][j];
    }
    const float middle = sum_row(own) / WIDTH;
    own = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      if (i * LANES + lane >= PACKS) continue;
#pragma unroll
      for (int j = 0; j < 8; ++j) own += (x[i][j] - middle) * (x[i][j] - middle);
    }
    const float inverse = rsqrtf(sum_row(own) / WIDTH + epsilon);
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
      float y[8], z[8], factors[8];
      unpack(weight[at], y);
      unpack(shift[at], z);
#pragma unroll
      for (int j = 0; j < 8; ++j) x[i][j] = (x[i][j] - middle) * inverse * y[j] + z[j];
      if (threshold > 0) {
        dropout_factors(seed, static_cast<u64>(row) * PACKS + at, threshold, scale, factors);
#pragma unroll
        for (int j = 0; j < 8; ++j) x[i][j] *= factors[j];
      }
      out[row * PACKS + at] = pack(x[i]);
    }
    if (lane == 0) mean[row] = middle, rstd[row] = inverse;
  }
}

// From the gradients by both outputs of embed (the second may be null) that by the sum of both tables' rows, in fp32, and
// for each block its share of those by weight and shift: partial, [blocks, 2, WIDTH].
extern "C" __global__ void __launch_bounds__(LANES * ROWS)
    embed_backward(const Pack* first, const Pack* second, const i64* ids, const i64* positions, const Wide* words,
                   const Wide* table, const float* mean, const float* rstd, const Wide* weight, Wide* by_sum,
                   float* partial, i64 rows, u64 seed, u32 threshold, float scale) {
  const int lane = threadIdx.x % LANES;
  float by_weight[HELD][8], by_shift[HELD][8];
#pragma unroll
  for (int i = 0; i < HELD; ++i) {
#pragma unroll
    for (int j = 0; j < 8; ++j) by_weight[i][j] = by_shift[i][j] = 0.0f;
  }
  for (i64 row = static_cast<i64>(blockIdx.x) * ROWS + threadIdx.x / LANES; row < rows;
       row += static_cast<i64>(gridDim.x) * ROWS) {
    const float middle = mean[row], inverse = rstd[row];
    float g[HELD][8], x[HELD][8];
    float plain = 0.0f, along = 0.0f;
    embedded(ids, positions, words, table, row, lane, x);
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
      float w[8], factors[8];
      unpack(first[row * PACKS + at], g[i]);
      if (second) {
        float other[8];
        unpack(second[row * PACKS + at], other);
#pragma unroll
        for (int j = 0; j < 8; ++j) g[i][j] += other[j];
      }
      if (threshold > 0) {
        dropout_factors(seed, static_cast<u64>(row) * PACKS + at, threshold, scale, factors);
#pragma unroll
        for (int j = 0; j < 8; ++j) g[i][j] *= factors[j];
      }
      unpack(weight[at], w);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        x[i][j] = (x[i][j] - middle) * inverse;
        by_weight[i][j] += g[i][j] * x[i][j];
        by_shift[i][j] += g[i][j];
        g[i][j] *= w[j];
        plain += g[i][j];
        along += g[i][j] * x[i][j];
      }
    }
    plain = sum_row(plain) / WIDTH;
    along = sum_row(along) / WIDTH;
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
      const int at = i * LANES + lane;
      if (at >= PACKS) continue;
#pragma unroll
      for (int j = 0; j < 8; ++j) g[i][j] = (g[i][j] - plain - x[i][j] * along) * inverse;
      by_sum[row * PACKS + at] = {make_float4(g[i][0], g[i][1], g[i][2], g[i][3]),
                                  make_float4(g[i][4], g[i][5], g[i][6], g[i][7])};
    }
  }
  const float* const shares[2] = {&by_weight[0][0], &by_shift[0][0]};
  write_shares<2>(shares, partial);
}
#endif

#ifdef ACTIVATION
// ---- bias and activation

// The value at `x`, and the derivative there.
__device__ void activate(float x, float& value, float& derivative) {
#if ACTIVATION == 0
#if KIND == 0
  const float below = 0.5f * erfcf(-0.70710678f * x);
  const float density = 0.39894228f * expf(-0.5f * x * x);
#else
  // The distribution function of the normal distribution by Abramowitz and Stegun 7.1.26: within 1.5e-7, far below a
  // bf16's or fp16's rounding, and its exponential is the density's.
  const float exponential = exp2f(-0.72134752f * x * x);
  const float t = __fdividef(1.0f, 1.0f + 0.3275911f * 0.70710678f * fabsf(x));
  const float tail = 0.5f * exponential * t *
                     (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float below = x < 0.0f ? tail : 1.0f - tail;
  const float density = 0.39894228f * exponential;
#endif
  value = x * below;
  derivative = below + x * density;
#elif ACTIVATION == 1
  const float cubic = 0.044715f * x * x;
  const float tangent = tanhf(0.79788456f * x * (1.0f + cubic));
  value = 0.5f * x * (1.0f + tangent);
  derivative = 0.5f * (1.0f + tangent) + 0.5f * x * (1.0f - tangent * tangent) * 0.79788456f * (1.0f + 3.0f * cubic);
#else
  value = fmaxf(x, 0.0f);
  derivative = x > 0.0f ? 1.0f : 0.0f;
#endif
}

// out = activation(x + bias); x and out [rows, 8 * packs], bias [8 * packs]. A thread keeps to its eight columns and goes
// down the rows, four at a time so that loads overlap.
extern "C" __global__ void bias_activation(const Pack* x, const Pack* bias, Pack* out, i64 rows, int packs) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= packs) return;
  float b[8];
  unpack(bias[column], b);
  const i64 stride = gridDim.y;
  for (i64 row = blockIdx.y; row < rows; row += 4 * stride) {
    Pack held[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride < rows) held[i] = x[(row + i * stride) * packs + column];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride >= rows) continue;
      float y[8], value, derivative;
      unpack(held[i], y);
#pragma unroll
      for (int j = 0; j < 8; ++j) activate(y[j] + b[j], value, derivative), y[j] = value;
      out[(row + i * stride) * packs + column] = pack(y);
    }
  }
}

// From the gradient by `out` that by x, and for each of gridDim.y blocks its share of that by the bias: partial,
// [gridDim.y, 8 * packs].
extern "C" __global__ void bias_activation_backward(const Pack* gradient, const Pack* x, const Pack* bias, Pack* by_x,
                                                    float* partial, i64 rows, int packs) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= packs) return;
  float b[8], sums[8];
  unpack(bias[column], b);
#pragma unroll
  for (int j = 0; j < 8; ++j) sums[j] = 0.0f;
  const i64 stride = gridDim.y;
  for (i64 row = blockIdx.y; row < rows; row += 4 * stride) {
    Pack held[4], gradients[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride >= rows) continue;
      held[i] = x[(row + i * stride) * packs + column];
      gradients[i] = gradient[(row + i * stride) * packs + column];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride >= rows) continue;
      float y[8], g[8], value, derivative;
      unpack(held[i], y);
      unpack(gradients[i], g);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        activate(y[j] + b[j], value, derivative);
        g[j] *= derivative;
        sums[j] += g[j];
      }
      by_x[(row + i * stride) * packs + column] = pack(g);
    }
  }
  float* own = partial + (static_cast<i64>(blockIdx.y) * packs + column) * 8;
#pragma unroll
  for (int j = 0; j < 8; ++j) own[j] = sums[j];
}
#endif

// ---- cross entropy

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

// ---- three gradients side by side

// out = [a, b, c] along the columns, each [rows, 8 * packs], and for each of gridDim.y blocks the sum of its rows:
// partial, [gridDim.y, 3 * 8 * packs].
extern "C" __global__ void join_three(const Pack* a, const Pack* b, const Pack* c, Pack* out, float* partial, i64 rows,
                                      int packs) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= 3 * packs) return;
  const Pack* from = (column < packs ? a : column < 2 * packs ? b : c) + column % packs;
  float sums[8];
#pragma unroll
  for (int j = 0; j < 8; ++j) sums[j] = 0.0f;
  const i64 stride = gridDim.y;
  for (i64 row = blockIdx.y; row < rows; row += 4 * stride) {
    Pack held[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride < rows) held[i] = from[(row + i * stride) * packs];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (row + i * stride >= rows) continue;
      float y[8];
      unpack(held[i], y);
#pragma unroll
      for (int j = 0; j < 8; ++j) sums[j] += y[j];
      out[(row + i * stride) * 3 * packs + column] = held[i];
    }
  }
  float* own = partial + (static_cast<i64>(blockIdx.y) * 3 * packs + column) * 8;
#pragma unroll
  for (int j = 0; j < 8; ++j) own[j] = sums[j];
}
