// Embeddings: the sum of two tables' rows, LayerNorm and dropout. WIDTH as in norm.cu.

#ifdef WIDTH
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
