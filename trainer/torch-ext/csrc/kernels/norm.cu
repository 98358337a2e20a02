// Bias, dropout, residual sum and LayerNorm, one pass each way.
//
//   WIDTH   columns of a row, a multiple of 8

#ifdef WIDTH
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
#endif
