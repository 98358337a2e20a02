// Attention within rows of at most 128 tokens, with heads of 64: a block takes a head of a row whole, so that every product is
// made once and nothing is added up through memory. (FlashAttention, which serves rows of any length, goes through a row in
// parts; its backward pass adds up the queries' gradients in fp32 and converts them in a kernel of its own.)
//
//   ATTENTION   1: these kernels are wanted; KIND is 1 or 2
//
// Products are the tensor cores' m16n8k16. Of their fragments a lane holds, with g = lane / 4 and t = lane % 4:
//
//   A [16, 16]   rows g and g + 8, columns 2t, 2t + 1, 2t + 8, 2t + 9
//   B [16, 8]    rows 2t, 2t + 1, 2t + 8, 2t + 9 of column g
//   C [16, 8]    rows g and g + 8, columns 2t and 2t + 1

#ifdef ATTENTION
constexpr int HEAD = 64;      // numbers of a head
constexpr int LONGEST = 128;  // tokens of a row
constexpr float LOG2E = 1.4426950408889634f;
// Softmax is computed with powers of two.
constexpr float SCALE = 0.125f;
constexpr float SCALE2 = SCALE * LOG2E;

// ---- tiles in shared memory: [rows, 64], a row is eight chunks of 16 bytes, swizzled so that eight rows' chunks of one column
// lie in different banks

struct Tile {
  Pack* chunks;
  int per_row;  // chunks: 8 of a head, 16 of the scores

  __device__ Pack* at(int row, int chunk) const { return chunks + row * per_row + (chunk ^ (row & 7)); }
};

// Four 8 x 8 matrices, of which lane l names row l % 8 of matrix l / 8.
__device__ void load_matrices(const Pack* row, u32* r) {
#ifdef EMULATED
  emulated_matrices(row, r, false);
#else
  const u32 address = static_cast<u32>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
#endif
}

__device__ void load_transposed(const Pack* row, u32* r) {
#ifdef EMULATED
  emulated_matrices(row, r, true);
#else
  const u32 address = static_cast<u32>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
#endif
}

// c += a b
__device__ void multiply(float* c, const u32* a, u32 b0, u32 b1) {
#if defined(EMULATED)
  emulated_multiply(KIND, c, a, b0, b1);
#elif KIND == 1
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// A of rows `row`.. and columns 16 `k`.. of a tile.
__device__ void load_a(const Tile& tile, int row, int k, int lane, u32* a) {
  load_matrices(tile.at(row + lane % 16, 2 * k + lane / 16), a);
}

// A of the transposed tile: its rows are columns `column`.. of the tile, its columns rows 16 `k`...
__device__ void load_a_transposed(const Tile& tile, int column, int k, int lane, u32* a) {
  load_transposed(tile.at(16 * k + lane % 8 + lane / 16 * 8, column / 8 + lane / 8 % 2), a);
}

// Two Bs side by side, of the transposed tile: columns are rows `row`.. (16 of them), rows are columns 16 `k`.. of the tile.
__device__ void load_b_transposed(const Tile& tile, int row, int k, int lane, u32* b) {
  load_matrices(tile.at(row + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2), b);
}

// Two Bs side by side: rows 16 `k`.. and 16 columns from 16 `n` of the tile.
__device__ void load_b(const Tile& tile, int k, int n, int lane, u32* b) {
  load_transposed(tile.at(16 * k + lane % 16, 2 * n + lane / 16), b);
}

// A row of a batch, and how its numbers lie: token i of head h begins at i * stride + 64 h.
struct Lines {
  const Number* numbers;
  i64 stride;

  __device__ const Pack* at(i64 token, int head, int chunk) const {
    return reinterpret_cast<const Pack*>(numbers + token * stride + head * HEAD) + chunk;
  }
};

// Begins to copy 16 bytes into shared memory, or zeros if `is` is false.
__device__ void begin_copy(Pack* to, const Pack* from, bool is) {
#ifdef EMULATED
  const Pack zero{};
  std::memcpy(to, is ? from : &zero, sizeof(Pack));
#else
  const u32 address = static_cast<u32>(__cvta_generic_to_shared(to));
  const int size = is ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(address), "l"(from), "r"(size) : "memory");
#endif
}

// Waits for what this thread began to copy, and then for the other threads of the block.
__device__ void end_copies() {
#ifndef EMULATED
  asm volatile("cp.async.wait_all;" : : : "memory");
#endif
  __syncthreads();
}

// Begins to fill the first `rows` (a multiple of 16) rows of a tile with `count` tokens from `first`, the others with zeros.
template <int THREADS>
__device__ void fill(const Tile& tile, const Lines& lines, i64 first, int count, int rows, int head) {
  for (int at = threadIdx.x; at < rows * 8; at += THREADS) {
    const int row = at / 8, token = row < count ? row : 0;
    begin_copy(tile.at(row, at % 8), lines.at(first + token, head, at % 8), row < count);
  }
}

// Writes a row of a head, of which each of four neighbouring lanes holds numbers 2 t and 2 t + 1 of every eight: they exchange
// them, so that a lane writes 16 bytes at once. All lanes of the warp take part.
__device__ void write_row(Number* to, const u32* pairs, int t, bool is) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    u32 v[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) v[i] = pairs[4 * half + i];
    // A transposed 4 x 4: v[i] of lane t becomes v[t] of lane i.
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const u32 got = __shfl_xor_sync(0xffffffffu, t & 1 ? v[i] : v[i + 1], 1);
      (t & 1 ? v[i] : v[i + 1]) = got;
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const u32 got = __shfl_xor_sync(0xffffffffu, t & 2 ? v[i] : v[i + 2], 2);
      (t & 2 ? v[i] : v[i + 2]) = got;
    }
    if (is) reinterpret_cast<Pack*>(to)[4 * half + t] = {{v[0], v[1], v[2], v[3]}};
  }
}

// out = dropout(softmax(q k^T / 8)) v for a head (blockIdx.y) of a row (blockIdx.x). `logarithms`, [query tokens, heads], takes
// log2 of softmax's denominators; `kept`, [query tokens, heads, 4], a bit for each key: key 8 n + 2 t + e is bit 2 n + e of word t.
extern "C" __global__ void __launch_bounds__(128, 3)
    attention(const Number* q, i64 q_stride, const Number* k, i64 k_stride, const Number* v, i64 v_stride,
              const int* q_offsets, const int* k_offsets, Number* out, float* logarithms, u32* kept, int heads, u64 seed,
              u32 threshold, float scale) {
  DYNAMIC_SHARED(memory);
  const int head = blockIdx.y, lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const i64 q_first = q_offsets[blockIdx.x], k_first = k_offsets[blockIdx.x];
  const int queries = q_offsets[blockIdx.x + 1] - q_offsets[blockIdx.x];
  const int keys = k_offsets[blockIdx.x + 1] - k_offsets[blockIdx.x];
  const int query_tiles = (queries + 15) / 16, key_tiles = (keys + 15) / 16;
  Pack* packs = reinterpret_cast<Pack*>(memory);
  const Tile tile_k{packs, 8}, tile_v{packs + LONGEST * 8, 8}, tile_q{packs + 2 * LONGEST * 8, 8};
  fill<128>(tile_k, {k, k_stride}, k_first, keys, 16 * key_tiles, head);
  fill<128>(tile_v, {v, v_stride}, k_first, keys, 16 * key_tiles, head);
  fill<128>(tile_q, {q, q_stride}, q_first, queries, 16 * query_tiles, head);
  end_copies();
  for (int tile = warp; tile < query_tiles; tile += 4) {
    u32 a[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) load_a(tile_q, 16 * tile, i, lane, a[i]);
    float s[16][4];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) s[2 * j][i] = s[2 * j + 1][i] = 0.0f;
      if (j >= key_tiles) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        u32 b[4];
        load_b_transposed(tile_k, 16 * j, i, lane, b);
        multiply(s[2 * j], a[i], b[0], b[1]);
        multiply(s[2 * j + 1], a[i], b[2], b[3]);
      }
    }
    // Rows g and g + 8 of the tile: four lanes share each.
    float most[2] = {-1e30f, -1e30f}, total[2] = {0.0f, 0.0f};
#pragma unroll
    for (int n = 0; n < 16; ++n) {
      if (n / 2 >= key_tiles) continue;
      if (8 * n + 8 > keys) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (8 * n + 2 * t + i % 2 >= keys) s[n][i] = -1e30f;
        }
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) most[i / 2] = fmaxf(most[i / 2], s[n][i]);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      most[i] = fmaxf(most[i], __shfl_xor_sync(0xffffffffu, most[i], 1));
      most[i] = fmaxf(most[i], __shfl_xor_sync(0xffffffffu, most[i], 2));
      most[i] *= SCALE2;
    }
#pragma unroll
    for (int n = 0; n < 16; ++n) {
      if (n / 2 >= key_tiles) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        s[n][i] = exp2f(s[n][i] * SCALE2 - most[i / 2]);  // 0 for what is no key
        total[i / 2] += s[n][i];
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      total[i] += __shfl_xor_sync(0xffffffffu, total[i], 1);
      total[i] += __shfl_xor_sync(0xffffffffu, total[i], 2);
    }
    const int rows[2] = {16 * tile + g, 16 * tile + g + 8};
    float factors[2] = {1.0f / total[0], 1.0f / total[1]};
    if (threshold > 0) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const u64 place = ((q_first + rows[i]) * heads + head) * 16 + t;
        u32 bits = 0;
        // A lane's keys of four tiles are eight numbers of one draw.
#pragma unroll
        for (int draw = 0; draw < 4; ++draw) {
          if (2 * draw >= key_tiles) continue;
          const uint4 random = philox(seed, place + 4 * draw);
          const u32 words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            const int n = 4 * draw + j;
            const bool keeps[2] = {(words[j] & 0xffffu) >= threshold, (words[j] >> 16) >= threshold};
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              if (keeps[e]) bits |= 1u << (2 * n + e);
              s[n][2 * i + e] = keeps[e] ? s[n][2 * i + e] : 0.0f;
            }
          }
        }
        factors[i] *= scale;
        if (rows[i] < queries) kept[((q_first + rows[i]) * heads + head) * 4 + t] = bits;
      }
    }
    float mixed[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) mixed[n][i] = 0.0f;
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      if (j >= key_tiles) continue;
      const u32 p[4] = {pack_two(s[2 * j][0], s[2 * j][1]), pack_two(s[2 * j][2], s[2 * j][3]),
                        pack_two(s[2 * j + 1][0], s[2 * j + 1][1]), pack_two(s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        u32 b[4];
        load_b(tile_v, j, n, lane, b);
        multiply(mixed[2 * n], p, b[0], b[1]);
        multiply(mixed[2 * n + 1], p, b[2], b[3]);
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const i64 token = (q_first + rows[i]) * heads + head;
      u32 pairs[8];
#pragma unroll
      for (int n = 0; n < 8; ++n) pairs[n] = pack_two(mixed[n][2 * i] * factors[i], mixed[n][2 * i + 1] * factors[i]);
      write_row(out + token * HEAD, pairs, t, rows[i] < queries);
      if (t == 0 && rows[i] < queries) logarithms[token] = most[i] + log2f(total[i]);
    }
  }
}

// The gradients by q, k and v, from those by `out` and what `attention` left. A warp takes 16 keys through all queries, then
// 16 queries through all keys.
extern "C" __global__ void __launch_bounds__(256, 2)
    attention_backward(const Number* gradient, const Number* out, const Number* q, i64 q_stride, const Number* k,
                       i64 k_stride, const Number* v, i64 v_stride, const int* q_offsets, const int* k_offsets,
                       const float* logarithms, const u32* kept, Number* by_q, i64 by_q_stride, Number* by_k,
                       Number* by_v, i64 by_k_stride, int heads, u32 threshold, float scale) {
  DYNAMIC_SHARED(memory);
  const int head = blockIdx.y, lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const i64 q_first = q_offsets[blockIdx.x], k_first = k_offsets[blockIdx.x];
  const int queries = q_offsets[blockIdx.x + 1] - q_offsets[blockIdx.x];
  const int keys = k_offsets[blockIdx.x + 1] - k_offsets[blockIdx.x];
  const int query_tiles = (queries + 15) / 16, key_tiles = (keys + 15) / 16;
  Pack* packs = reinterpret_cast<Pack*>(memory);
  const Tile tile_k{packs, 8}, tile_v{packs + LONGEST * 8, 8}, tile_q{packs + 2 * LONGEST * 8, 8};
  const Tile tile_g{packs + 3 * LONGEST * 8, 8}, tile_s{packs + 4 * LONGEST * 8, 16};
  // `out`, until the scores' gradients take its place.
  const Tile tile_o{packs + 4 * LONGEST * 8, 8};
  // Of each query: which keys dropout has kept, log2 of softmax's denominator, and the product of `out` and its gradient.
  Pack* keeps = packs + 4 * LONGEST * 8 + LONGEST * 16;
  float* logarithm = reinterpret_cast<float*>(keeps + LONGEST);
  float* product = logarithm + LONGEST;
  const i64 stride = static_cast<i64>(heads) * HEAD;
  fill<256>(tile_g, {gradient, stride}, q_first, queries, 16 * query_tiles, head);
  fill<256>(tile_o, {out, stride}, q_first, queries, 16 * query_tiles, head);
  fill<256>(tile_q, {q, q_stride}, q_first, queries, 16 * query_tiles, head);
  fill<256>(tile_k, {k, k_stride}, k_first, keys, 16 * key_tiles, head);
  fill<256>(tile_v, {v, v_stride}, k_first, keys, 16 * key_tiles, head);
  const int own_query = threadIdx.x;
  if (own_query < 16 * query_tiles) {
    const bool is = own_query < queries;
    const i64 token = (q_first + (is ? own_query : 0)) * heads + head;
    if (threshold > 0) begin_copy(keeps + own_query, reinterpret_cast<const Pack*>(kept) + token, is);
    // No query: its shares are 2 to the power of minus infinity.
    logarithm[own_query] = is ? logarithms[token] : 1e30f;
  }
  end_copies();
  for (int base = 0; base < 16 * query_tiles; base += 32) {
    const int row = base + static_cast<int>(threadIdx.x) / 8, chunk = threadIdx.x % 8;
    float own = 0.0f;
    if (row < 16 * query_tiles) {
      float x[8], y[8];
      unpack(*tile_o.at(row, chunk), x);
      unpack(*tile_g.at(row, chunk), y);
#pragma unroll
      for (int j = 0; j < 8; ++j) own += x[j] * y[j];
    }
#pragma unroll
    for (int offset = 1; offset < 8; offset *= 2) own += __shfl_xor_sync(0xffffffffu, own, offset);
    if (chunk == 0 && row < 16 * query_tiles) product[row] = own;
  }
  __syncthreads();

  if (warp < key_tiles) {
    u32 ak[4][4], av[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      load_a(tile_k, 16 * warp, i, lane, ak[i]);
      load_a(tile_v, 16 * warp, i, lane, av[i]);
    }
    float dk[8][4], dv[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) dk[n][i] = dv[n][i] = 0.0f;
    }
    const bool is_key[2] = {16 * warp + g < keys, 16 * warp + g + 8 < keys};
#pragma unroll 1
    for (int tile = 0; tile < query_tiles; ++tile) {
      // Transposed: keys are rows, queries columns.
      float s[2][4], d[2][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) s[0][i] = s[1][i] = d[0][i] = d[1][i] = 0.0f;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        u32 b[4];
        load_b_transposed(tile_q, 16 * tile, i, lane, b);
        multiply(s[0], ak[i], b[0], b[1]);
        multiply(s[1], ak[i], b[2], b[3]);
        load_b_transposed(tile_g, 16 * tile, i, lane, b);
        multiply(d[0], av[i], b[0], b[1]);
        multiply(d[1], av[i], b[2], b[3]);
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int query = 16 * tile + 8 * n + 2 * t + e;
          u32 bits = 0xffffffffu;
          // Keys g and g + 8 of the warp's 16 are keys g of tiles 2 `warp` and 2 `warp` + 1.
          if (threshold > 0) bits = keeps[query].pairs[g / 2] >> (4 * warp + g % 2);
          const float of = logarithm[query], along = product[query];
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            float& score = s[n][2 * i + e];
            float& by = d[n][2 * i + e];
            const float share = is_key[i] ? exp2f(score * SCALE2 - of) : 0.0f;
            const float factor = (bits >> (2 * i) & 1u) != 0 ? scale : 0.0f;
            score = share * factor;
            by = share * (by * factor - along);
          }
        }
      }
      const u32 p[4] = {pack_two(s[0][0], s[0][1]), pack_two(s[0][2], s[0][3]), pack_two(s[1][0], s[1][1]),
                        pack_two(s[1][2], s[1][3])};
      const u32 ds[4] = {pack_two(d[0][0], d[0][1]), pack_two(d[0][2], d[0][3]), pack_two(d[1][0], d[1][1]),
                         pack_two(d[1][2], d[1][3])};
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        u32 b[4];
        load_b(tile_g, tile, n, lane, b);
        multiply(dv[2 * n], p, b[0], b[1]);
        multiply(dv[2 * n + 1], p, b[2], b[3]);
        load_b(tile_q, tile, n, lane, b);
        multiply(dk[2 * n], ds, b[0], b[1]);
        multiply(dk[2 * n + 1], ds, b[2], b[3]);
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        tile_s.at(16 * warp + g, 2 * tile + n)->pairs[t] = ds[2 * n];
        tile_s.at(16 * warp + g + 8, 2 * tile + n)->pairs[t] = ds[2 * n + 1];
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const i64 start = (k_first + 16 * warp + g + 8 * i) * by_k_stride + head * HEAD;
      u32 pairs[8];
#pragma unroll
      for (int n = 0; n < 8; ++n) pairs[n] = pack_two(dk[n][2 * i] * SCALE, dk[n][2 * i + 1] * SCALE);
      write_row(by_k + start, pairs, t, is_key[i]);
#pragma unroll
      for (int n = 0; n < 8; ++n) pairs[n] = pack_two(dv[n][2 * i], dv[n][2 * i + 1]);
      write_row(by_v + start, pairs, t, is_key[i]);
    }
  }
  __syncthreads();

  if (warp < query_tiles) {
    float dq[8][4];
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) dq[n][i] = 0.0f;
    }
#pragma unroll 2
    for (int j = 0; j < key_tiles; ++j) {
      u32 a[4];
      load_a_transposed(tile_s, 16 * warp, j, lane, a);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        u32 b[4];
        load_b(tile_k, j, n, lane, b);
        multiply(dq[2 * n], a, b[0], b[1]);
        multiply(dq[2 * n + 1], a, b[2], b[3]);
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = 16 * warp + g + 8 * i;
      u32 pairs[8];
#pragma unroll
      for (int n = 0; n < 8; ++n) pairs[n] = pack_two(dq[n][2 * i] * SCALE, dq[n][2 * i + 1] * SCALE);
      write_row(by_q + (q_first + row) * by_q_stride + head * HEAD, pairs, t, row < queries);
    }
  }
}
#endif
