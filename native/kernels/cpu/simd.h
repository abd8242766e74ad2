// SIMD vectors of FL_VB bytes on GCC/Clang vector extensions: types, loads and stores (whole, partial), lane-wise
// selection, and the few operations the extensions lack. For sources compiled once per instruction set (see isa.h):
// all of it is inlined away.
#pragma once
#include <cstdint>
#include <cstring>

#if FL_VB == 64
#include <immintrin.h>
#endif

#define FL_FN static inline __attribute__((always_inline))

namespace fl::cpu::FL_ISA {

template <class T> struct VecOf {
  typedef T type __attribute__((vector_size(FL_VB)));
};
template <class T> using Vec = typename VecOf<T>::type;

typedef float vf __attribute__((vector_size(FL_VB)));
typedef double vd __attribute__((vector_size(FL_VB)));
typedef int32_t vi __attribute__((vector_size(FL_VB)));
typedef uint32_t vu __attribute__((vector_size(FL_VB)));
typedef int64_t vl __attribute__((vector_size(FL_VB)));
typedef uint64_t vul __attribute__((vector_size(FL_VB)));
typedef float vfh __attribute__((vector_size(FL_VB / 2)));    // half as many floats: the partner of vd
typedef int32_t vih __attribute__((vector_size(FL_VB / 2)));

// Element type of a scalar (itself) or a vector.
template <class V> struct ElemOf {
  using type = V;
};
template <> struct ElemOf<Vec<float>> {
  using type = float;
};
template <> struct ElemOf<Vec<double>> {
  using type = double;
};
template <> struct ElemOf<Vec<int8_t>> {
  using type = int8_t;
};
template <> struct ElemOf<Vec<int16_t>> {
  using type = int16_t;
};
template <> struct ElemOf<Vec<int32_t>> {
  using type = int32_t;
};
template <> struct ElemOf<Vec<int64_t>> {
  using type = int64_t;
};
template <> struct ElemOf<Vec<uint8_t>> {
  using type = uint8_t;
};
template <> struct ElemOf<Vec<uint16_t>> {
  using type = uint16_t;
};
template <> struct ElemOf<Vec<uint32_t>> {
  using type = uint32_t;
};
template <> struct ElemOf<Vec<uint64_t>> {
  using type = uint64_t;
};
template <class V> using Elem = typename ElemOf<V>::type;

template <class V> struct ScalarOrVector {  // scalars
  FL_FN V splat(Elem<V> x) { return x; }
};
template <class V>
  requires(!__is_same(V, Elem<V>))
struct ScalarOrVector<V> {
  FL_FN V splat(Elem<V> x) { return x - V{}; }  // x - 0 keeps the sign of -0
};
// The constant x in every lane.
template <class V> FL_FN V splat(Elem<V> x) { return ScalarOrVector<V>::splat(x); }

template <class V> FL_FN V load(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
}
template <class V> FL_FN void store(void* p, V v) { std::memcpy(p, &v, sizeof(V)); }

// The first `bytes` bytes (fewer than a vector); the other lanes are zero.
template <class V> FL_FN V load_part(const void* p, int64_t bytes) {
#if FL_VB == 64
  return (V)_mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, unsigned(bytes)), p);
#else
  alignas(FL_VB) char buffer[FL_VB] = {};
  const char* from = (const char*)p;
  char* to = buffer;
  if (FL_VB > 16 && (bytes & 16)) std::memcpy(to, from, 16), to += 16, from += 16;
  if (bytes & 8) std::memcpy(to, from, 8), to += 8, from += 8;
  if (bytes & 4) std::memcpy(to, from, 4), to += 4, from += 4;
  if (bytes & 2) std::memcpy(to, from, 2), to += 2, from += 2;
  if (bytes & 1) *to = *from;
  return load<V>(buffer);
#endif
}
template <class V> FL_FN void store_part(void* p, V v, int64_t bytes) {
#if FL_VB == 64
  _mm512_mask_storeu_epi8(p, _bzhi_u64(~0ull, unsigned(bytes)), (__m512i)v);
#else
  alignas(FL_VB) char buffer[FL_VB];
  store(buffer, v);
  const char* from = buffer;
  char* to = (char*)p;
  if (FL_VB > 16 && (bytes & 16)) std::memcpy(to, from, 16), to += 16, from += 16;
  if (bytes & 8) std::memcpy(to, from, 8), to += 8, from += 8;
  if (bytes & 4) std::memcpy(to, from, 4), to += 4, from += 4;
  if (bytes & 2) std::memcpy(to, from, 2), to += 2, from += 2;
  if (bytes & 1) *to = *from;
#endif
}

// mask ? a : b, lane by lane; for scalars too.
template <class M, class V> FL_FN V sel(M mask, V a, V b) { return mask ? a : b; }

// True if any lane of a comparison's result is set.
FL_FN bool any(vi mask) {
#if FL_VB == 64
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#else
  vl m = (vl)mask;
  int64_t bits = 0;
  for (int i = 0; i < FL_VB / 8; i++) bits |= m[i];
  return bits != 0;
#endif
}
FL_FN bool any(vl mask) { return any((vi)mask); }
FL_FN bool any(bool mask) { return mask; }

FL_FN vi bits(vf x) { return (vi)x; }
FL_FN vl bits(vd x) { return (vl)x; }
FL_FN vi sign_bit(vf x) { return (vi)x & INT32_MIN; }
FL_FN vl sign_bit(vd x) { return (vl)x & INT64_MIN; }
FL_FN vf abs(vf x) { return (vf)((vi)x & INT32_MAX); }
FL_FN vd abs(vd x) { return (vd)((vl)x & INT64_MAX); }
FL_FN vf copysign(vf x, vf s) { return (vf)(((vi)x & INT32_MAX) | sign_bit(s)); }
FL_FN vd copysign(vd x, vd s) { return (vd)(((vl)x & INT64_MAX) | sign_bit(s)); }
FL_FN float abs(float x) { return __builtin_fabsf(x); }
FL_FN double abs(double x) { return __builtin_fabs(x); }
FL_FN float copysign(float x, float s) { return __builtin_copysignf(x, s); }
FL_FN double copysign(double x, double s) { return __builtin_copysign(x, s); }

// Applies a scalar function to every lane. The compilers turn square roots and roundings written so into single
// instructions.
template <class V, class F> FL_FN V lanes(V x, F f) {
  V r = x;
  for (int i = 0; i < int(sizeof(V) / sizeof(Elem<V>)); i++) r[i] = f(x[i]);
  return r;
}
template <class V, class F> FL_FN V lanes(V x, V y, F f) {
  V r = x;
  for (int i = 0; i < int(sizeof(V) / sizeof(Elem<V>)); i++) r[i] = f(x[i], y[i]);
  return r;
}

#define FL_LANEWISE(name)                                                 \
  FL_FN float name(float x) { return __builtin_##name##f(x); }            \
  FL_FN double name(double x) { return __builtin_##name(x); }             \
  FL_FN vf name(vf x) {                                                   \
    vf r = x;                                                             \
    for (int i = 0; i < FL_VB / 4; i++) r[i] = __builtin_##name##f(x[i]); \
    return r;                                                             \
  }                                                                       \
  FL_FN vd name(vd x) {                                                   \
    vd r = x;                                                             \
    for (int i = 0; i < FL_VB / 8; i++) r[i] = __builtin_##name(x[i]);    \
    return r;                                                             \
  }
FL_LANEWISE(sqrt)
FL_LANEWISE(floor)
FL_LANEWISE(ceil)
FL_LANEWISE(trunc)
#undef FL_LANEWISE

#if defined(__FMA__) || defined(__aarch64__)
#define FL_HAS_FMA 1
FL_FN vf fma(vf a, vf b, vf c) {  // a b + c rounded once
  for (int i = 0; i < FL_VB / 4; i++) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return a;
}
FL_FN vd fma(vd a, vd b, vd c) {
  for (int i = 0; i < FL_VB / 8; i++) a[i] = __builtin_fma(a[i], b[i], c[i]);
  return a;
}
#endif

// Round to the nearest integer, ties to even: adding and subtracting 1.5 * 2^mantissa. rint_small needs |x| < 2^22
// (2^51).
FL_FN vf rint_small(vf x) { return (x + 12582912.f) - 12582912.f; }
FL_FN vd rint_small(vd x) { return (x + 6755399441055744.0) - 6755399441055744.0; }
FL_FN vf rint(vf x) {
  vf a = abs(x), r = (a + 8388608.f) - 8388608.f;
  return (vf)(bits(sel(a < 8388608.f, r, a)) | sign_bit(x));
}
FL_FN vd rint(vd x) {
  vd a = abs(x), r = (a + 4503599627370496.0) - 4503599627370496.0;
  return (vd)(bits(sel(a < 4503599627370496.0, r, a)) | sign_bit(x));
}
FL_FN float rint(float x) { return __builtin_rintf(x); }
FL_FN double rint(double x) { return __builtin_rint(x); }

// A vector of floats as two vectors of doubles, and back.
#if FL_VB == 64
#define FL_LOW_HALF 0, 1, 2, 3, 4, 5, 6, 7
#define FL_HIGH_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif FL_VB == 32
#define FL_LOW_HALF 0, 1, 2, 3
#define FL_HIGH_HALF 4, 5, 6, 7
#else
#define FL_LOW_HALF 0, 1
#define FL_HIGH_HALF 2, 3
#endif
FL_FN void widen(vf x, vd& low, vd& high) {
  low = __builtin_convertvector(__builtin_shufflevector(x, x, FL_LOW_HALF), vd);
  high = __builtin_convertvector(__builtin_shufflevector(x, x, FL_HIGH_HALF), vd);
}
FL_FN vf narrow(vd low, vd high) {
  return __builtin_shufflevector(__builtin_convertvector(low, vfh), __builtin_convertvector(high, vfh), FL_LOW_HALF,
                                 FL_HIGH_HALF);
}
// The low halves of 64-bit integers.
FL_FN vi narrow(vl low, vl high) {
  return __builtin_shufflevector(__builtin_convertvector(low, vih), __builtin_convertvector(high, vih), FL_LOW_HALF,
                                 FL_HIGH_HALF);
}

}  // namespace fl::cpu::FL_ISA
