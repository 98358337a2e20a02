// Dropout: which numbers are left out is a function of a seed and of the place.

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

// Which of 32 numbers are kept, a bit each. Of the sixteen words drawn, bit b of each is a digit of number b's random number,
// the lowest digit first; a number is kept unless its random number is below the threshold.
__device__ u32 keep_bits(u64 seed, u64 counter, u32 threshold) {
  // Digit by digit from the lowest: where a digit is the threshold's, what the lower ones have said holds.
  u32 keeps = 0xffffffffu;
#pragma unroll
  for (int draw = 0; draw < 4; ++draw) {
    const uint4 bits = philox(seed, counter + draw);
    const u32 words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // All ones for a digit that is 0.
      const u32 zero = (threshold >> (4 * draw + i) & 1u) - 1u;
      keeps = (words[i] & keeps) | (zero & (words[i] | keeps));
    }
  }
  return keeps;
}
