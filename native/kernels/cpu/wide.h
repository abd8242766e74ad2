// Floating elements as the per-instruction-set kernels read and write them: Half and BFloat16 pass through float.
// Everything is always_inline in an unnamed namespace, so that no copy compiled for one instruction set can serve
// another.
#pragma once
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

#define FL_LOCAL inline __attribute__((always_inline))

namespace fl::cpu::FL_ISA {
namespace {

struct HalfBits {
  uint16_t bits;
};
struct BFloat16Bits {
  uint16_t bits;
};
template <class T>
struct wide_of {
  using type = T;
};
template <>
struct wide_of<HalfBits> {
  using type = float;
};
template <>
struct wide_of<BFloat16Bits> {
  using type = float;
};
template <class T>
using wide = typename wide_of<T>::type;

FL_LOCAL float get(float x) { return x; }
FL_LOCAL double get(double x) { return x; }
FL_LOCAL float get(BFloat16Bits x) {
  uint32_t bits = uint32_t(x.bits) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
FL_LOCAL float get(HalfBits x) {
  uint32_t sign = uint32_t(x.bits & 0x8000) << 16, rest = uint32_t(x.bits & 0x7fff) << 13;
  float f;
  std::memcpy(&f, &rest, 4);
  f *= 0x1p112f;  // rebias; subnormals come out normal
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  bits = (rest >= 0x0f800000u ? (0x7f800000u | rest) : bits) | sign;
  std::memcpy(&f, &bits, 4);
  return f;
}
FL_LOCAL void put(float& to, float x) { to = x; }
FL_LOCAL void put(double& to, double x) { to = x; }
FL_LOCAL void put(BFloat16Bits& to, float x) {
  uint32_t b;
  std::memcpy(&b, &x, 4);
  to.bits = x != x ? uint16_t(0x7fc0) : uint16_t((b + 0x7fff + (b >> 16 & 1)) >> 16);
}
FL_LOCAL void put(HalfBits& to, float x) {
  uint32_t b, sign;
  std::memcpy(&b, &x, 4);
  sign = b >> 16 & 0x8000, b &= 0x7fffffff;
  if (b >= 0x47800000) {
    to.bits = uint16_t(sign | (b > 0x7f800000 ? 0x7e00 : 0x7c00));
  } else if (b < 0x38800000) {
    float m;
    std::memcpy(&m, &b, 4);
    m += 0.5f;
    std::memcpy(&b, &m, 4);
    to.bits = uint16_t(sign | (b - 0x3f000000));
  } else {
    to.bits = uint16_t(sign | ((b + 0xc8000fffu + (b >> 13 & 1)) >> 13));
  }
}

template <class F>
FL_LOCAL void by_float(DType t, const F& f) {
  if (t == DType::Float32) f(float());
  else if (t == DType::Float64) f(double());
  else if (t == DType::BFloat16) f(BFloat16Bits());
  else f(HalfBits());
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
