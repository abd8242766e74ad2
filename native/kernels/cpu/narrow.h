// Blocks of narrow elements to and from the type they are computed in: Half and BFloat16 as float, small integers as
// uint32_t. Included by *.isa.cpp sources only.
#pragma once
#include <cstdint>
#include <type_traits>

#include "base/half.h"
#include "kernels/cpu/gemm_tile.h"

namespace fl::cpu::FL_ISA {
namespace {

FL_INLINE float bits_to_float(uint32_t bits) {
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}
FL_INLINE uint32_t float_to_bits(float f) {
  uint32_t bits;
  __builtin_memcpy(&bits, &f, 4);
  return bits;
}

template <class T>
FL_INLINE T widen(T v) { return v; }
FL_INLINE uint32_t widen(int8_t v) { return uint32_t(v); }
FL_INLINE uint32_t widen(uint8_t v) { return uint32_t(v); }
FL_INLINE uint32_t widen(int16_t v) { return uint32_t(v); }
FL_INLINE float widen(BFloat16 v) { return bits_to_float(uint32_t(v.bits) << 16); }
FL_INLINE float widen(Half v) {
  // The exponent is rebiased by a multiplication, which is exact and does subnormals; infinities and NaN keep theirs
  // all ones.
  uint32_t magnitude = uint32_t(v.bits & 0x7fff) << 13;
  float f = bits_to_float(magnitude) * 0x1p112f;
  uint32_t bits = float_to_bits(f) | (magnitude >= 0x0f800000 ? 0x7f800000u : 0u);
  return bits_to_float(bits | uint32_t(v.bits & 0x8000) << 16);
}

template <class Out, class In>
struct Narrow {
  static FL_INLINE Out of(In v) { return Out(v); }
};
template <>
struct Narrow<BFloat16, float> {
  static FL_INLINE BFloat16 of(float f) {
    uint32_t x = float_to_bits(f), rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
    BFloat16 r;
    r.bits = (x & 0x7fffffff) > 0x7f800000 ? uint16_t(0x7fc0) : uint16_t(rounded);
    return r;
  }
};
template <>
struct Narrow<Half, float> {
  static FL_INLINE Half of(float f) {
    uint32_t x = float_to_bits(f), sign = (x >> 16) & 0x8000, magnitude = x & 0x7fffffff;
    uint32_t normal = (magnitude + 0xc8000fff + ((magnitude >> 13) & 1)) >> 13;
    uint32_t subnormal = float_to_bits(bits_to_float(magnitude) + 0.5f) - 0x3f000000;  // the adder rounds
    uint32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    Half r;
    r.bits = uint16_t(sign | (magnitude >= 0x47800000 ? special : magnitude < 0x38800000 ? subnormal
                                                                                         : normal));
    return r;
  }
};

// dst[i] = src[i * stride] for i < n.
template <class In, class Out>
void widen_line(Out* dst, const In* src, int64_t stride, int64_t n) {
  int64_t i = 0;
  if (stride == 1) {
#if defined(__F16C__)
    if constexpr (std::is_same_v<In, Half>)
      for (; i + 8 <= n; i += 8) _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(src + i))));
#endif
    for (; i < n; ++i) dst[i] = widen(src[i]);
  } else {
    for (; i < n; ++i) dst[i] = widen(src[i * stride]);
  }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
