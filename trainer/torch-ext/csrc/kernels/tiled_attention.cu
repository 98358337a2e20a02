// Attention within rows of any length, with heads of 64, in tiles of 16 by 16. attention.cu serves rows of at most 128 tokens.
//
//   TILED   1: these kernels are wanted, beside ATTENTION
//
// Forward: a block takes 128 queries of a head of a row, a warp 16 of them, through the row's keys, 64 at a time.
//
// Backward: a block takes a head of a row whole, 128 keys against 128 queries at a time, so that every product is made once.
// The gradients of keys and values stay in registers. Those of the queries, of which a row of up to 128 tokens has one set,
// wait in memory for the next 128 keys of the same block: nothing is added up by atomic operations, and a step gives the same
// bits each time. (FlashAttention takes 128 keys of a row through all queries in one block, and the blocks of a row add up
// the queries' gradients in memory, in whatever order they come.)
//
// Rows are taken from the last to the first: a batch begins with its shortest row, and a long row that is begun last would be
// waited for.
//
// A row of a tile is 128 bytes: 64 numbers, eight chunks of 16 bytes. Chunk c of row r lies in the place of chunk c ^ (r % 8),
// so that the same chunk of eight rows lies in different banks. The kernels issue as many instructions as the tensor cores
// can wait for, so addresses are kept simple: chunk 2 k + b of a row lies at that of chunk b, exclusive or 32 k.

#ifdef TILED
namespace tiled {
constexpr int TOKENS = 128;  // of a tile
constexpr int ROW = 128;     // bytes of a row of a tile
constexpr int KEYS = 64;     // keys that the forward pass takes at a time

// An address in shared memory.
#ifdef EMULATED
typedef uintptr_t Address;

__device__ Address address_of(const void* shared) { return reinterpret_cast<Address>(shared); }
#else
typedef u32 Address;

__device__ Address address_of(const void* shared) { return static_cast<u32>(__cvta_generic_to_shared(shared)); }
#endif

// Where a lane's row begins when a warp loads 16 rows by 16 columns of a tile: row lane % 16, chunk lane / 16.
__device__ Address by_rows(int lane) { return lane % 16 * ROW + (lane / 16 ^ lane % 8) * 16; }

// The same for row lane % 8 + lane / 16 * 8, chunk lane / 8 % 2.
__device__ Address by_columns(int lane) { return (lane % 8 + lane / 16 * 8) * ROW + (lane / 8 % 2 ^ lane % 8) * 16; }

// Four 8 x 8 matrices, of which lane l names row l % 8 of matrix l / 8.
//
//   A of a tile                        address + by_rows ^ 32 k        k: 16 columns
//   two Bs side by side, transposed    address + by_columns ^ 32 k     columns of B are rows of the tile
__device__ __forceinline__ void load_matrices(Address address, u32* r) {
#ifdef EMULATED
  emulated_matrices(reinterpret_cast<const void*>(address), r, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
#endif
}

// The same, each matrix transposed: two Bs side by side at address + by_rows ^ 32 n, n being 16 columns.
__device__ __forceinline__ void load_transposed(Address address, u32* r) {
#ifdef EMULATED
  emulated_matrices(reinterpret_cast<const void*>(address), r, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
#endif
}

#if KIND == 1
#define PRODUCT "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
#else
#define PRODUCT "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
#endif

// c = a b: `multiply` of attention.cu adds to c.
__device__ __forceinline__ void multiply_anew(float* c, const u32* a, u32 b0, u32 b1) {
#ifdef EMULATED
  c[0] = c[1] = c[2] = c[3] = 0.0f;
  emulated_multiply(KIND, c, a, b0, b1);
#else
  asm volatile(PRODUCT "{%10, %10, %10, %10};"
               : "=f"(c[0]), "=f"(c[1]), "=f"(c[2]), "=f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(0.0f));
#endif
}
#undef PRODUCT

// 2 to the power of x by the instruction alone: what is below the smallest normal number is 0.
__device__ __forceinline__ float power(float x) {
#ifdef EMULATED
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// Begins to copy 16 bytes into shared memory, or zeros if `is` is false.
__device__ __forceinline__ void begin_copy(Address to, const void* from, bool is) {
#ifdef EMULATED
  const Pack zero{};
  std::memcpy(reinterpret_cast<void*>(to), is ? from : &zero, sizeof(Pack));
#else
  const int size = is ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(to), "l"(from), "r"(size) : "memory");
#endif
}

// The same for 4 bytes.
__device__ __forceinline__ void begin_small_copy(Address to, const void* from, bool is) {
#ifdef EMULATED
  const u32 zero = 0;
  std::memcpy(reinterpret_cast<void*>(to), is ? from : &zero, 4);
#else
  const int size = is ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" : : "r"(to), "l"(from), "r"(size) : "memory");
#endif
}

// What this thread began to copy since the last time is a group.
__device__ __forceinline__ void commit_copies() {
#ifndef EMULATED
  asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}

// Waits until at most so many of this thread's groups are not there yet, and then for the other threads of the block.
template <int PENDING>
__device__ __forceinline__ void end_copies() {
#ifndef EMULATED
  asm volatile("cp.async.wait_group %0;" : : "n"(PENDING) : "memory");
#endif
  __syncthreads();
}

// Begins to fill a tile of at most ROWS tokens, of which `rows` (a multiple of 16) are wanted: `count` tokens from the one at
// `from`, whose next begins `stride` numbers later, and zeros. A block has 256 threads.
template <int ROWS>
__device__ __forceinline__ void fill(Address tile, const Number* from, i64 stride, int count, int rows) {
  const int own = threadIdx.x / 8, chunk = threadIdx.x % 8;
  from += own * stride + chunk * 8;
  tile += own * ROW + (chunk ^ own % 8) * 16;
#pragma unroll
  for (int base = 0; base < ROWS; base += 32) {
    if (base + own < rows) begin_copy(tile + base * ROW, from, base + own < count);
    from += 32 * stride;
  }
}

// The row that a block works in, one of `per_row` blocks, and which one.
struct Part {
  int row, block;
  i64 q_first, k_first;
  int queries, keys;

  __device__ Part(const int* q_offsets, const int* k_offsets, int per_row) {
    row = gridDim.x / per_row - 1 - blockIdx.x / per_row;
    block = blockIdx.x % per_row;
    q_first = q_offsets[row], k_first = k_offsets[row];
    queries = q_offsets[row + 1] - q_offsets[row], keys = k_offsets[row + 1] - k_offsets[row];
  }
};

// out = dropout(softmax(q k^T / 8)) v for 128 queries of a head of a row: a grid of rows by heads by `chunks`. `logarithms`, [query tokens, heads], takes log2 of softmax's denominators; `kept`,
// [query tokens, heads, spans, 4], a bit for each key, `spans` being a row's keys by 128: key 128 s + 8 n + 2 t + e is bit
// 2 n + e of word t of span s.
extern "C" __global__ void __launch_bounds__(256, 2)
    tiled_attention(const Number* q, i64 q_stride, const Number* k, i64 k_stride, const Number* v, i64 v_stride,
              const int* q_offsets, const int* k_offsets, Number* out, float* logarithms, u32* kept, int heads,
              int chunks, int spans, u64 seed, u32 threshold, float scale) {
  DYNAMIC_SHARED(memory);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const Part part(q_offsets, k_offsets, heads * chunks);
  const int first = part.block % chunks * TOKENS, head = part.block / chunks;
  if (first >= part.queries) return;
  const int queries = min(part.queries - first, TOKENS);
  const i64 q_first = part.q_first + first;
  // The queries, and twice keys and values: one block of them comes while the other is used.
  constexpr int BLOCK = KEYS * ROW;
  const Address tile_q = address_of(memory), tiles = tile_q + TOKENS * ROW;
  const auto fetch = [&](int block) {
    const i64 from = part.k_first + block * KEYS;
    const int count = min(part.keys - block * KEYS, KEYS), rows = (count + 15) / 16 * 16;
    const Address tile = tiles + block % 2 * 2 * BLOCK;
    fill<KEYS>(tile, k + from * k_stride + head * HEAD, k_stride, count, rows);
    fill<KEYS>(tile + BLOCK, v + from * v_stride + head * HEAD, v_stride, count, rows);
    commit_copies();
  };
  fill<TOKENS>(tile_q, q + q_first * q_stride + head * HEAD, q_stride, queries, (queries + 15) / 16 * 16);
  fetch(0);
  const bool has_queries = 16 * warp < queries;
  const int rows[2] = {16 * warp + g, 16 * warp + g + 8};
  float most[2] = {-1e30f, -1e30f}, total[2] = {0.0f, 0.0f}, mixed[8][4];
  u32 bits[2] = {0xffffffffu, 0xffffffffu};
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) mixed[n][i] = 0.0f;
  }
  const int blocks = (part.keys + KEYS - 1) / KEYS;
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    if (block + 1 < blocks) {
      fetch(block + 1);
      end_copies<1>();
    } else {
      end_copies<0>();
    }
    if (has_queries) {
      const int keys = part.keys - block * KEYS;
      const Address own_q = tile_q + 16 * warp * ROW + by_rows(lane);
      const Address own_k = tiles + block % 2 * 2 * BLOCK + by_columns(lane);
      const Address own_v = tiles + (block % 2 * 2 + 1) * BLOCK + by_rows(lane);
      float s[8][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        u32 a[4];
        load_matrices(own_q ^ (32 * i), a);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (16 * j >= keys) continue;
          u32 b[4];
          load_matrices((own_k ^ (32 * i)) + 16 * j * ROW, b);
          if (i == 0) {
            multiply_anew(s[2 * j], a, b[0], b[1]);
            multiply_anew(s[2 * j + 1], a, b[2], b[3]);
          } else {
            multiply(s[2 * j], a, b[0], b[1]);
            multiply(s[2 * j + 1], a, b[2], b[3]);
          }
        }
      }
      if (keys < KEYS) {
#pragma unroll
        for (int n = 0; n < 8; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            if (8 * n + 2 * t + i % 2 >= keys) s[n][i] = -1e30f;
          }
        }
      }
      // Rows g and g + 8 of the warp's queries: four lanes share each.
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float largest = s[0][2 * i];
#pragma unroll
        for (int n = 0; n < 8; ++n) largest = fmaxf(largest, fmaxf(s[n][2 * i], s[n][2 * i + 1]));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
        const float now = fmaxf(most[i], largest * SCALE2);
        const float shrunk = power(most[i] - now);  // 0 at the first block
        most[i] = now;
        total[i] *= shrunk;
#pragma unroll
        for (int n = 0; n < 8; ++n) {
          mixed[n][2 * i] *= shrunk, mixed[n][2 * i + 1] *= shrunk;
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            s[n][2 * i + e] = power(s[n][2 * i + e] * SCALE2 - now);  // 0 for what is no key
            total[i] += s[n][2 * i + e];
          }
        }
      }
      if (threshold > 0) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          if (block % 2 == 0) {
            const i64 word = (((q_first + rows[i]) * heads + head) * spans + block / 2) * 4 + t;
            bits[i] = keep_bits(seed, 4 * word, threshold);
            if (rows[i] < queries) kept[word] = bits[i];
          } else {
            bits[i] >>= 16;
          }
#pragma unroll
          for (int n = 0; n < 8; ++n) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              if ((bits[i] & 1u << (2 * n + e)) == 0) s[n][2 * i + e] = 0.0f;
            }
          }
        }
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (16 * j >= keys) continue;
        const u32 p[4] = {pack_two(s[2 * j][0], s[2 * j][1]), pack_two(s[2 * j][2], s[2 * j][3]),
                          pack_two(s[2 * j + 1][0], s[2 * j + 1][1]), pack_two(s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
        for (int n = 0; n < 4; ++n) {
          u32 b[4];
          load_transposed((own_v ^ (32 * n)) + 16 * j * ROW, b);
          multiply(mixed[2 * n], p, b[0], b[1]);
          multiply(mixed[2 * n + 1], p, b[2], b[3]);
        }
      }
    }
    // The block after the next one will lie where this one did.
    __syncthreads();
  }
  if (!has_queries) return;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    total[i] += __shfl_xor_sync(0xffffffffu, total[i], 1);
    total[i] += __shfl_xor_sync(0xffffffffu, total[i], 2);
    const float factor = scale / total[i];
    const i64 token = (q_first + rows[i]) * heads + head;
    u32 pairs[8];
#pragma unroll
    for (int n = 0; n < 8; ++n) pairs[n] = pack_two(mixed[n][2 * i] * factor, mixed[n][2 * i + 1] * factor);
    write_row(out + token * HEAD, pairs, t, rows[i] < queries);
    if (t == 0 && rows[i] < queries) logarithms[token] = most[i] + log2f(total[i]);
  }
}

// What the backward pass has in shared memory, in bytes from its beginning: tiles of keys, values, queries and gradients; the
// gradients of the scores, keys by queries, and in their place before them `out`; and for every eight queries which keys
// dropout has kept, word r of query i being word 8 r + i, followed by two numbers of each: log2 of softmax's denominator, and
// the product of `out` and its gradient. It is 99 KB, the most that a block has on devices of the kinds 8.6 and 8.9.
constexpr int TILE = TOKENS * ROW;
constexpr int AT_V = TILE, AT_Q = 2 * TILE, AT_G = 3 * TILE, AT_S = 4 * TILE, AT_KEPT = 6 * TILE;
constexpr int OF_EIGHT = 8 * (4 * 4 + 2 * 4), AT_NUMBERS = AT_KEPT + 8 * 4 * 4;

// Where the numbers of a query lie.
__device__ __forceinline__ int numbers_at(int query) { return AT_NUMBERS + query / 8 * OF_EIGHT + query % 8 * 8; }

// The products of `rows` queries' `out` with their gradients, divided by `scale`; also into memory, every `stride`th number, if
// it is given.
__device__ __forceinline__ void products(unsigned char* memory, int rows, int count, float scale, float* kept,
                                         i64 stride) {
  const int own = threadIdx.x / 8, chunk = (threadIdx.x % 8) ^ (own % 8);
  const float inverse = 1.0f / scale;
  for (int base = 0; base < rows; base += 32) {
    const int row = base + own;
    float sum = 0.0f;
    if (row < rows) {
      const unsigned char* at = memory + row * ROW + chunk * 16;
      float x[8], y[8];
      unpack(*reinterpret_cast<const Pack*>(at + AT_S), x);
      unpack(*reinterpret_cast<const Pack*>(at + AT_G), y);
#pragma unroll
      for (int j = 0; j < 8; ++j) sum += x[j] * y[j];
    }
#pragma unroll
    for (int offset = 1; offset < 8; offset *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 8 != 0 || row >= rows) continue;
    *reinterpret_cast<float*>(memory + numbers_at(row) + 4) = sum * inverse;
    if (kept && row < count) kept[row * stride] = sum * inverse;
  }
}

// Adds to the gradients of a warp's 16 keys and values what `query_tiles` times 16 queries have to do with them, and leaves the
// scores' gradients. All of them are to be multiplied by dropout's scale yet.
__device__ __forceinline__ void by_keys(unsigned char* memory, int query_tiles, const bool* is_key,
                                        float (*dk)[4], float (*dv)[4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const Address shared = address_of(memory);
  // Keys stay in registers; values, for which there is no room, are loaded for every 16 queries.
  const Address own_rows = shared + 16 * warp * ROW + by_rows(lane);
  u32 ak[4][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) load_matrices(own_rows ^ (32 * i), ak[i]);
  Address columns = shared + AT_Q + by_columns(lane), rows = shared + AT_Q + by_rows(lane);
  // Keys g and g + 8 of the warp's 16 are keys g of tiles 2 `warp` and 2 `warp` + 1: bits of word g / 2.
  const u32 first_bit = 1u << (4 * warp + g % 2);
  const unsigned char* kept = memory + AT_KEPT + (g / 2 * 8 + 2 * t) * 4;
  const unsigned char* numbers = memory + AT_NUMBERS + 2 * t * 8;
  unsigned char* ds_of = memory + AT_S + (16 * warp + g) * 2 * ROW + t * 4;
#pragma unroll 1
  for (int tile = 0; tile < query_tiles; ++tile) {
    // Transposed: keys are rows, queries columns.
    float s[2][4], d[2][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Address own = columns ^ (32 * i);
      u32 b[4];
      load_matrices(own, b);
      if (i == 0) {
        multiply_anew(s[0], ak[i], b[0], b[1]);
        multiply_anew(s[1], ak[i], b[2], b[3]);
      } else {
        multiply(s[0], ak[i], b[0], b[1]);
        multiply(s[1], ak[i], b[2], b[3]);
      }
      u32 av[4];
      load_matrices((own_rows ^ (32 * i)) + AT_V, av);
      load_matrices(own + TILE, b);
      if (i == 0) {
        multiply_anew(d[0], av, b[0], b[1]);
        multiply_anew(d[1], av, b[2], b[3]);
      } else {
        multiply(d[0], av, b[0], b[1]);
        multiply(d[1], av, b[2], b[3]);
      }
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      // Queries 2 t and 2 t + 1 of eight.
      const float4 of = *reinterpret_cast<const float4*>(numbers + n * OF_EIGHT);
      const uint2 words = *reinterpret_cast<const uint2*>(kept + n * OF_EIGHT);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float logarithm = e == 0 ? of.x : of.z, along = e == 0 ? of.y : of.w;
        const u32 word = e == 0 ? words.x : words.y;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = s[n][2 * i + e];
          float& by = d[n][2 * i + e];
          const float share = is_key[i] ? power(score * SCALE2 - logarithm) : 0.0f;
          const bool keep = (word & first_bit << (2 * i)) != 0;
          score = keep ? share : 0.0f;
          by = share * ((keep ? by : 0.0f) - along);
        }
      }
    }
    const u32 p[4] = {pack_two(s[0][0], s[0][1]), pack_two(s[0][2], s[0][3]), pack_two(s[1][0], s[1][1]),
                      pack_two(s[1][2], s[1][3])};
    const u32 ds[4] = {pack_two(d[0][0], d[0][1]), pack_two(d[0][2], d[0][3]), pack_two(d[1][0], d[1][1]),
                       pack_two(d[1][2], d[1][3])};
    // Chunks 2 `tile` and 2 `tile` + 1 of rows g and g + 8, which are 256 bytes.
    const int at = (2 * tile ^ g) * 16;
    *reinterpret_cast<u32*>(ds_of + at) = ds[0];
    *reinterpret_cast<u32*>(ds_of + at + 8 * 2 * ROW) = ds[1];
    *reinterpret_cast<u32*>(ds_of + (at ^ 16)) = ds[2];
    *reinterpret_cast<u32*>(ds_of + (at ^ 16) + 8 * 2 * ROW) = ds[3];
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const Address own = rows ^ (32 * n);
      u32 b[4];
      load_transposed(own + TILE, b);
      multiply(dv[2 * n], p, b[0], b[1]);
      multiply(dv[2 * n + 1], p, b[2], b[3]);
      load_transposed(own, b);
      multiply(dk[2 * n], ds, b[0], b[1]);
      multiply(dk[2 * n + 1], ds, b[2], b[3]);
    }
    columns += 16 * ROW, rows += 16 * ROW, kept += 2 * OF_EIGHT, numbers += 2 * OF_EIGHT;
  }
}

// Adds to the gradients of a warp's 16 queries what `key_tiles` times 16 keys have to do with them.
__device__ __forceinline__ void by_queries(const unsigned char* memory, int key_tiles, float (*dq)[4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Address shared = address_of(memory), keys = shared + by_rows(lane);
  const Address scores = shared + AT_S + (lane % 8 + lane / 16 * 8) * 2 * ROW + ((2 * warp + lane / 8 % 2) ^ lane % 8) * 16;
#pragma unroll 2
  for (int j = 0; j < key_tiles; ++j) {
    u32 a[4];
    load_transposed(scores + 16 * j * 2 * ROW, a);
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      u32 b[4];
      load_transposed((keys + 16 * j * ROW) ^ (32 * n), b);
      multiply(dq[2 * n], a, b[0], b[1]);
      multiply(dq[2 * n + 1], a, b[2], b[3]);
    }
  }
}

// Writes a row of a head from a warp's 16: g for `i` = 0, g + 8 for `i` = 1.
__device__ __forceinline__ void write_gradient(Number* to, const float (*x)[4], int i, float scale, bool is) {
  u32 pairs[8];
#pragma unroll
  for (int n = 0; n < 8; ++n) pairs[n] = pack_two(x[n][2 * i] * scale, x[n][2 * i + 1] * scale);
  write_row(to, pairs, threadIdx.x % 4, is);
}

// The gradients by q, k and v of a head of a row, from those by `out` and what `tiled_attention` left: a grid of rows by heads. `sums` keeps queries' gradients between one 128 keys and the next: [rows, heads, chunks, 128, 64], in an
// order of its own; `products` keeps those of `out` and its gradient, [query tokens, heads]. With one span neither is needed.
extern "C" __global__ void __launch_bounds__(256, 2)
    tiled_attention_backward(const Number* gradient, const Number* out, const Number* q, i64 q_stride, const Number* k,
                       i64 k_stride, const Number* v, i64 v_stride, const int* q_offsets, const int* k_offsets,
                       const float* logarithms, const u32* kept, float* sums, float* products_kept, Number* by_q, i64 by_q_stride,
                       Number* by_k, Number* by_v, i64 by_k_stride, int heads, int chunks_at_most, int spans,
                       u32 threshold, float scale) {
  DYNAMIC_SHARED(memory);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, own = threadIdx.x;
  const Part part(q_offsets, k_offsets, heads);
  const int head = part.block, chunks = (part.queries + TOKENS - 1) / TOKENS, blocks = (part.keys + TOKENS - 1) / TOKENS;
  const Address shared = address_of(memory);
  const i64 stride = static_cast<i64>(heads) * HEAD;
  const auto queries_of = [&](int chunk) { return min(part.queries - chunk * TOKENS, TOKENS); };
  const auto keys_of = [&](int block) { return min(part.keys - block * TOKENS, TOKENS); };
  const auto up = [](int count) { return (count + 15) / 16 * 16; };
  const auto fetch_keys = [&](int block) {
    const i64 first = part.k_first + block * TOKENS;
    const int count = keys_of(block);
    fill<TOKENS>(shared, k + first * k_stride + head * HEAD, k_stride, count, up(count));
    fill<TOKENS>(shared + AT_V, v + first * v_stride + head * HEAD, v_stride, count, up(count));
  };
  const auto fetch_queries = [&](int chunk, int block) {
    const i64 first = part.q_first + chunk * TOKENS;
    const int count = queries_of(chunk);
    fill<TOKENS>(shared + AT_Q, q + first * q_stride + head * HEAD, q_stride, count, up(count));
    fill<TOKENS>(shared + AT_G, gradient + first * stride + head * HEAD, stride, count, up(count));
    if (own < up(count)) {
      const i64 query = (first + (own < count ? own : 0)) * heads + head;
      // Where there is no query both are 0, as its numbers are: it has nothing to do with any key.
      begin_small_copy(shared + numbers_at(own), logarithms + query, own < count);
      if (block > 0) begin_small_copy(shared + numbers_at(own) + 4, products_kept + query, own < count);
    }
    if (threshold == 0) return;
#pragma unroll
    for (int base = 0; base < TOKENS; base += 64) {
      const int query = base + own / 4, word = own % 4;
      if (query >= count) continue;
      begin_small_copy(shared + AT_KEPT + query / 8 * OF_EIGHT + (word * 8 + query % 8) * 4,
                       kept + (((first + query) * heads + head) * spans + block) * 4 + word, true);
    }
  };
  if (threshold == 0) {
    for (int i = own; i < 4 * TOKENS; i += 256) {
      *reinterpret_cast<u32*>(memory + AT_KEPT + i / 32 * OF_EIGHT + i % 32 * 4) = 0xffffffffu;
    }
  }
  float4* own_sums = reinterpret_cast<float4*>(sums) +
                     ((static_cast<i64>(part.row) * heads + head) * chunks_at_most * 8 + warp) * 256 + lane;
  fetch_keys(0);
  fetch_queries(0, 0);
#pragma unroll 1
  for (int block = 0; block < blocks; ++block) {
    const int keys = keys_of(block), key_tiles = up(keys) / 16;
    const bool is_key[2] = {16 * warp + g < keys, 16 * warp + g + 8 < keys};
    float dk[8][4], dv[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) dk[n][i] = dv[n][i] = 0.0f;
    }
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int queries = queries_of(chunk), query_tiles = up(queries) / 16, first = chunk * TOKENS;
      if (block == 0) {
        if (chunk > 0) __syncthreads();  // the scores' gradients were read
        fill<TOKENS>(shared + AT_S, out + (part.q_first + first) * stride + head * HEAD, stride, queries, up(queries));
      }
      commit_copies();
      end_copies<0>();
      if (block == 0) {
        float* own_products = spans > 1 ? products_kept + (part.q_first + first) * heads + head : nullptr;
        products(memory, up(queries), queries, scale, own_products, heads);
        __syncthreads();
      }
      if (warp < key_tiles) by_keys(memory, query_tiles, is_key, dk, dv);
      __syncthreads();
      // The next queries come while these are finished.
      if (chunk + 1 < chunks || block + 1 < blocks) {
        const bool last = chunk + 1 == chunks;
        fetch_queries(last ? 0 : chunk + 1, last ? block + 1 : block);
      }
      if (warp < query_tiles) {
        float4* own_sum = own_sums + chunk * 8 * 256;
        float dq[8][4];
#pragma unroll
        for (int n = 0; n < 8; ++n) {
          const float4 sum = block > 0 ? own_sum[n * 32] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          dq[n][0] = sum.x, dq[n][1] = sum.y, dq[n][2] = sum.z, dq[n][3] = sum.w;
        }
        by_queries(memory, key_tiles, dq);
        if (block + 1 < blocks) {
#pragma unroll
          for (int n = 0; n < 8; ++n) own_sum[n * 32] = make_float4(dq[n][0], dq[n][1], dq[n][2], dq[n][3]);
        } else {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const int row = 16 * warp + g + 8 * i;
            Number* to = by_q + (part.q_first + first + row) * by_q_stride + head * HEAD;
            write_gradient(to, dq, i, SCALE * scale, row < queries);
          }
        }
      }
    }
    if (warp < key_tiles) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const i64 start = (part.k_first + block * TOKENS + 16 * warp + g + 8 * i) * by_k_stride + head * HEAD;
        write_gradient(by_k + start, dk, i, SCALE * scale, is_key[i]);
        write_gradient(by_v + start, dv, i, scale, is_key[i]);
      }
    }
    if (block + 1 < blocks) {
      __syncthreads();  // the keys were read
      fetch_keys(block + 1);
    }
  }
}
}  // namespace tiled
#endif
