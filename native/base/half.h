// Half (IEEE binary16) and BFloat16: storage types with conversions to and from float. Arithmetic happens in float.
// always_inline: these end up in kernels that are compiled once per instruction set.
#pragma once
#include <cstdint>
#include <cstring>

namespace fl {

[[gnu::always_inline]] inline float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, exp = (h >> 10) & 0x1f, man = h & 0x3ff, bits;
  if (exp == 0) {
    // Subnormal: man * 2^-24 is exact in float.
    float f = float(man) * 5.9604644775390625e-8f;
    std::memcpy(&bits, &f, 4);
    bits |= sign;
  } else if (exp == 31) {
    bits = sign | 0x7f800000 | (man << 13);
  } else {
    bits = sign | ((exp + 112) << 23) | (man << 13);
  }
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

[[gnu::always_inline]] inline uint16_t float_to_half(float f) {  // round to nearest even
  uint32_t x;
  std::memcpy(&x, &f, 4);
  uint32_t sign = (x >> 16) & 0x8000, mag = x & 0x7fffffff;
  if (mag >= 0x47800000) {  // too large, infinite or NaN
    if (mag > 0x7f800000) return uint16_t(sign | 0x7e00);
    return uint16_t(sign | 0x7c00);
  }
  if (mag < 0x38800000) {  // subnormal or zero: let the float adder round
    float m;
    std::memcpy(&m, &mag, 4);
    m += 0.5f;
    uint32_t r;
    std::memcpy(&r, &m, 4);
    return uint16_t(sign | (r - 0x3f000000));
  }
  uint32_t odd = (mag >> 13) & 1;
  mag += 0xc8000fff + odd;
  return uint16_t(sign | (mag >> 13));
}

[[gnu::always_inline]] inline float bfloat16_to_float(uint16_t b) {
  uint32_t bits = uint32_t(b) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

[[gnu::always_inline]] inline uint16_t float_to_bfloat16(float f) {  // round to nearest even
  uint32_t x;
  std::memcpy(&x, &f, 4);
  if ((x & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return uint16_t((x + 0x7fff + ((x >> 16) & 1)) >> 16);
}

struct Half {
  uint16_t bits;
  Half() = default;
  Half(float f) : bits(float_to_half(f)) {}
  operator float() const { return half_to_float(bits); }
};

struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  BFloat16(float f) : bits(float_to_bfloat16(f)) {}
  operator float() const { return bfloat16_to_float(bits); }
};

}  // namespace fl
