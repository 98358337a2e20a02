// CUDA's words for a C++ compiler: the kernels of this folder on a CPU, thread by thread, for tests on machines without a GPU
// (tests/kernels/). A thread of a block is a fiber; barriers and the operations of a warp switch between them.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#define EMULATED
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define DYNAMIC_SHARED(name) static unsigned char name[232448] __attribute__((aligned(128)))

struct float4 {
  float x, y, z, w;
};
struct uint2 {
  unsigned x, y;
};
struct uint4 {
  unsigned x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

struct Index {
  unsigned x, y;
};
inline Index threadIdx, blockIdx, blockDim, gridDim;

template <class To, class From>
To bits_as(From from) {
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
inline float __int_as_float(unsigned x) { return bits_as<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }
using std::min;
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }

// ---- fibers

constexpr size_t STACK = 128 * 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[STACK]};
  bool done = false;
};

inline std::vector<Fiber> fibers;
// Threads go on from the last to the first: what is not kept in order by a barrier may then come out otherwise.
inline bool backwards = false;
inline unsigned current;
inline ucontext_t scheduler;

inline void yield() { swapcontext(&fibers[current].context, &scheduler); }

// Waits until as many threads as take part have come.
struct Barrier {
  unsigned come = 0, round = 0;

  void wait(unsigned count) {
    const unsigned own = round;
    if (++come == count) {
      come = 0, ++round;
      return;
    }
    while (round == own) yield();
  }
};

inline Barrier block_barrier;
inline std::vector<Barrier> warp_barriers;

inline unsigned threads() { return blockDim.x * blockDim.y; }
inline void __syncthreads() { block_barrier.wait(threads()); }
inline void sync_warp() { warp_barriers[current / 32].wait(32); }

// What the lanes of each warp show to one another.
struct Shown {
  float number;
  const void* row;
  uint32_t a[4], b[2];
};
inline Shown shown[1024];

template <class T>
T __shfl_xor_sync(unsigned, T x, int mask) {
  static_assert(sizeof(T) == 4);
  shown[current].number = bits_as<float>(x);
  sync_warp();
  const T got = bits_as<T>(shown[current ^ mask].number);
  sync_warp();
  return got;
}

// ---- numbers of 16 bits

inline float emulated_number_of(int kind, unsigned bits) {
  if (kind == 1) return __uint_as_float(bits << 16);
  const unsigned sign = bits >> 15, exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float value = exponent == 0    ? std::ldexp(static_cast<float>(fraction), -24)
                      : exponent == 31 ? (fraction ? NAN : INFINITY)
                                       : std::ldexp(1.0f + static_cast<float>(fraction) / 1024.0f, static_cast<int>(exponent) - 15);
  return sign ? -value : value;
}

inline float emulated_number(unsigned bits) { return emulated_number_of(2, bits); }

inline unsigned emulated_bits(int kind, float x) {
  const unsigned bits = bits_as<unsigned>(x), sign = bits >> 31;
  if (kind == 1) return std::isnan(x) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const float size = std::fabs(x);
  if (std::isnan(x)) return 0x7fffu;
  if (size >= 65520.0f) return sign << 15 | 0x7c00u;
  // Half to even, by the current rounding mode.
  int exponent = 0;
  std::frexp(size, &exponent);
  exponent = std::max(exponent - 1, -14);
  const float steps = std::nearbyint(std::ldexp(size, 10 - exponent));
  const unsigned whole = static_cast<unsigned>(steps);
  // A carry into the exponent comes out right by itself.
  const unsigned made = whole < 1024 ? whole : ((static_cast<unsigned>(exponent + 15) << 10) + (whole - 1024));
  return sign << 15 | made;
}

inline unsigned emulated_pair(int kind, float low, float high) {
  return emulated_bits(kind, low) | emulated_bits(kind, high) << 16;
}

// ---- tensor cores

// ldmatrix.x4: lane l names row l % 8 of matrix l / 8; it gets numbers 2 (l % 4) and the next of row l / 4 of each matrix, or
// of column l / 4 if they are transposed.
inline void emulated_matrices(const void* row, uint32_t* r, bool transposed) {
  shown[current].row = row;
  sync_warp();
  const unsigned warp = current / 32 * 32, lane = current % 32, g = lane / 4, t = lane % 4;
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const auto number = [&](unsigned at_row, unsigned column) {
      uint16_t bits;
      std::memcpy(&bits, static_cast<const char*>(shown[warp + 8 * matrix + at_row].row) + 2 * column, 2);
      return uint32_t{bits};
    };
    r[matrix] = transposed ? number(2 * t, g) | number(2 * t + 1, g) << 16 : number(g, 2 * t) | number(g, 2 * t + 1) << 16;
  }
  sync_warp();
}

// mma.m16n8k16, c += a b.
inline void emulated_multiply(int kind, float* c, const uint32_t* a, uint32_t b0, uint32_t b1) {
  Shown& own = shown[current];
  std::copy(a, a + 4, own.a);
  own.b[0] = b0, own.b[1] = b1;
  sync_warp();
  const unsigned warp = current / 32 * 32, lane = current % 32, g = lane / 4, t = lane % 4;
  const auto half = [&](uint32_t pair, unsigned which) { return emulated_number_of(kind, pair >> (16 * which) & 0xffffu); };
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = g + 8 * (i / 2), column = 2 * t + i % 2;
    float sum = 0;
    for (unsigned k = 0; k < 16; ++k) {
      // Who holds A[row][k] and B[k][column], and in which register.
      const Shown& of_a = shown[warp + row % 8 * 4 + k % 8 / 2];
      const Shown& of_b = shown[warp + column * 4 + k % 8 / 2];
      sum += half(of_a.a[row / 8 + k / 8 * 2], k % 2) * half(of_b.b[k / 8], k % 2);
    }
    c[i] += sum;
  }
  sync_warp();
}

// ---- launches

template <class Kernel>
void run_block(const Kernel& kernel) {
  struct Entry {
    static void enter(unsigned low, unsigned high) {
      const auto address = static_cast<uintptr_t>(low) | static_cast<uintptr_t>(high) << 32;
      (*reinterpret_cast<const Kernel*>(address))();
      fibers[current].done = true;
      yield();
    }
  };
  if (fibers.size() != threads()) fibers = std::vector<Fiber>(threads());
  block_barrier = Barrier();
  warp_barriers.assign((threads() + 31) / 32, Barrier());
  const auto address = reinterpret_cast<uintptr_t>(&kernel);
  for (Fiber& fiber : fibers) {
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&Entry::enter), 2, static_cast<unsigned>(address),
                static_cast<unsigned>(address >> 32));
  }
  for (bool running = true; running;) {
    running = false;
    for (unsigned turn = 0; turn < fibers.size(); ++turn) {
      const unsigned i = backwards ? static_cast<unsigned>(fibers.size()) - 1 - turn : turn;
      if (fibers[i].done) continue;
      running = true;
      current = i;
      threadIdx = {i % blockDim.x, i / blockDim.x};
      swapcontext(&scheduler, &fibers[i].context);
    }
  }
}

// Every block of a grid, one after the other. `pointers` point to the arguments, as cuLaunchKernel takes them.
template <class... Arguments, size_t... I>
void launch_with(void (*kernel)(Arguments...), void** pointers, std::index_sequence<I...>) {
  const auto call = [&] { kernel(*static_cast<Arguments*>(pointers[I])...); };
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) run_block(call);
  }
}

template <class... Arguments>
void launch(void (*kernel)(Arguments...), void** pointers) {
  launch_with(kernel, pointers, std::index_sequence_for<Arguments...>());
}
