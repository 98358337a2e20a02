// Numbers, eight at a time: every access to a tensor is 16 bytes wide (32 in fp32).
//
//   KIND   0 fp32, 1 bf16, 2 fp16

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
#if defined(EMULATED)
  both = emulated_pair(KIND, low, high);
#elif KIND == 1
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
#elif defined(EMULATED)
  low = emulated_number(both & 0xffffu), high = emulated_number(both >> 16);
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
