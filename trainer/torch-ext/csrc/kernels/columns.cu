// Sums of columns: of what the blocks of another kernel have summed, and of three gradients that are laid side by side.

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
