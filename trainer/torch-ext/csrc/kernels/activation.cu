// Bias and activation after a product.
//
//   ACTIVATION   0 GELU by erf, 1 GELU by tanh, 2 ReLU

#ifdef ACTIVATION
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
