// The Mersenne Twister's state update and tempering, and the transforms of its outputs, vectorised.
//
// Roundings are part of the stream: where PyTorch's streams have a fused multiply-add, fma() below is one, and nothing
// else may be contracted into one (products and sums that are not fused never meet in one expression).
#include <cstring>

#include "kernels/cpu/random_kernels.h"

namespace fl::cpu::FL_ISA {
namespace {

inline uint32_t twist(uint32_t a, uint32_t b) {
  uint32_t y = (a & 0x80000000u) | (b & 0x7fffffffu);
  return (y >> 1) ^ (-(b & 1u) & 0x9908b0dfu);
}

void refill(uint32_t* __restrict state, uint32_t* __restrict out) {
  // out serves as the old state, so that no loop reads what it writes nearer than 227 words.
  std::memcpy(out, state, 624 * 4);
  for (int i = 0; i < 227; i++) state[i] = out[i + 397] ^ twist(out[i], out[i + 1]);
  for (int start = 227; start < 623; start += 198) {
    uint32_t before[198];
    std::memcpy(before, state + start - 227, sizeof before);
    for (int i = 0; i < 198; i++) state[start + i] = before[i] ^ twist(out[start + i], out[start + i + 1]);
  }
  state[623] = state[396] ^ twist(out[623], state[0]);
  for (int i = 0; i < 624; i++) {
    uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    out[i] = y ^ (y >> 18);
  }
}

void uniform_float(const uint32_t* __restrict raw, float* __restrict out, int64_t n, float scale, float from) {
  for (int64_t i = 0; i < n; i++) out[i] = __builtin_fmaf(float(int32_t(raw[i] & 0xffffff)) * 0x1p-24f, scale, from);
}

inline uint64_t bits53(const uint32_t* raw) {  // the first output is the high half
  uint64_t pair;
  std::memcpy(&pair, raw, 8);
  return (pair << 32 | pair >> 32) & ((1ull << 53) - 1);
}

void uniform_double(const uint32_t* __restrict raw, double* __restrict out, int64_t n, double scale, double from) {
  for (int64_t i = 0; i < n; i++) out[i] = __builtin_fma(double(int64_t(bits53(raw + 2 * i))) * 0x1p-53, scale, from);
}

void below(const uint32_t* __restrict raw, uint8_t* __restrict out, int64_t n, uint64_t threshold) {
  for (int64_t i = 0; i < n; i++) out[i] = bits53(raw + 2 * i) < threshold;
}

// Natural logarithm of x in (0, 1], after Cephes' logf (S. Moshier).
inline float log_cephes(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  int32_t exponent = int32_t(bits >> 23) - 126;
  bits = (bits & 0x007fffffu) | 0x3f000000u;
  float m;
  std::memcpy(&m, &bits, 4);  // x = m * 2^exponent, m in [0.5, 1)
  bool small = m < 0.707106781186547524f;
  float e = float(exponent - (small ? 1 : 0));
  float t = (m - 1.0f) + (small ? m : 0.0f);
  float z = t * t;
  float y = 7.0376836292e-2f;
  y = __builtin_fmaf(y, t, -1.1514610310e-1f);
  y = __builtin_fmaf(y, t, 1.1676998740e-1f);
  y = __builtin_fmaf(y, t, -1.2420140846e-1f);
  y = __builtin_fmaf(y, t, 1.4249322787e-1f);
  y = __builtin_fmaf(y, t, -1.6668057665e-1f);
  y = __builtin_fmaf(y, t, 2.0000714765e-1f);
  y = __builtin_fmaf(y, t, -2.4999993993e-1f);
  y = __builtin_fmaf(y, t, 3.3333331174e-1f);
  y = y * t;
  y = __builtin_fmaf(y, z, e * -2.12194440e-4f);
  y = __builtin_fmaf(-z, 0.5f, y);
  return __builtin_fmaf(e, 0.693359375f, t + y);
}

// Sine and cosine of x in [0, 2 pi), after Cephes' sinf and cosf: reduction by multiples of pi/4 in three parts.
inline void sincos_cephes(float x, float* sine, float* cosine) {
  int32_t j = (int32_t(x * 1.27323954473516f) + 1) & ~1;
  float y = -float(j);
  x = __builtin_fmaf(y, 0.78515625f, x);
  x = __builtin_fmaf(y, 2.4187564849853515625e-4f, x);
  x = __builtin_fmaf(y, 3.77489497744594108e-8f, x);
  float z = x * x;
  float c = 2.443315711809948e-5f;
  c = __builtin_fmaf(c, z, -1.388731625493765e-3f);
  c = __builtin_fmaf(c, z, 4.166664568298827e-2f);
  c = c * z;
  c = __builtin_fmaf(c, z, -(z * 0.5f)) + 1.0f;
  float s = -1.9515295891e-4f;
  s = __builtin_fmaf(s, z, 8.3321608736e-3f);
  s = __builtin_fmaf(s, z, -1.6666654611e-1f);
  s = __builtin_fmaf(s * z, x, x);
  bool swap = j & 2;
  float a = swap ? c : s, b = swap ? s : c;
  *sine = j & 4 ? -a : a;
  *cosine = (j - 2) & 4 ? b : -b;
}

void normal_float(float* data, int64_t n, float mean, float std) {
  for (int64_t block = 0; block < n; block += 16) {
    float* p = data + block;
    float a[8], b[8];
    for (int i = 0; i < 8; i++) {
      float radius = __builtin_sqrtf(-2.0f * log_cephes(1.0f - p[i]));
      float sine, cosine;
      sincos_cephes(6.283185307179586f * p[i + 8], &sine, &cosine);
      a[i] = __builtin_fmaf(radius * cosine, std, mean);
      b[i] = __builtin_fmaf(radius * sine, std, mean);
    }
    std::memcpy(p, a, sizeof a);
    std::memcpy(p + 8, b, sizeof b);
  }
}

}  // namespace

extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {refill, uniform_float, uniform_double, below, normal_float};

}  // namespace fl::cpu::FL_ISA
