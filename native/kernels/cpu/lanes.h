// Vectors of FL_VB bytes for the reduction-like kernels: loads, partial loads, horizontal folds, exp of float and double vectors.
// Included by *.isa.cpp sources only; everything lives in an unnamed namespace of the instruction set.
#pragma once
#include <cstdint>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "tensor/dtype.h"

#pragma GCC diagnostic ignored "-Wpsabi"
#define FL_INLINE static inline __attribute__((always_inline))

namespace fl::cpu::FL_ISA {
namespace {

template <class T> struct VecOf { typedef T type __attribute__((vector_size(FL_VB))); };
template <class T> using vec = typename VecOf<T>::type;
template <class T> constexpr int lanes = FL_VB / int(sizeof(T));
template <int...> struct Indices {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { using type = Indices<I...>; };

typedef float vf __attribute__((vector_size(FL_VB)));
typedef double vd __attribute__((vector_size(FL_VB)));
typedef int32_t vi __attribute__((vector_size(FL_VB)));
typedef int64_t vl __attribute__((vector_size(FL_VB)));
typedef float vf_half __attribute__((vector_size(FL_VB / 2)));  // as many floats as vd has doubles

template <class T> FL_INLINE vec<T> load(const T* p) { vec<T> v; __builtin_memcpy(&v, p, FL_VB); return v; }
FL_INLINE void store(float* p, vf v) { __builtin_memcpy(p, &v, FL_VB); }
FL_INLINE void store(double* p, vd v) { __builtin_memcpy(p, &v, FL_VB); }
template <class T> FL_INLINE void store_as(T* p, vec<T> v) { __builtin_memcpy(p, &v, FL_VB); }
template <class T> FL_INLINE vec<T> splat(T x) { return x - vec<T>{}; }

// The first k < lanes elements; the other lanes hold `fill`.
template <class T> FL_INLINE vec<T> load_partial(const T* p, int64_t k, T fill) {
#if defined(__AVX512F__) && FL_VB == 64
  if constexpr (sizeof(T) == 4) {
    vec<T> f = splat<T>(fill);
    return (vec<T>)_mm512_mask_loadu_epi32((__m512i)f, __mmask16((1u << k) - 1), p);
  } else if constexpr (sizeof(T) == 8) {
    vec<T> f = splat<T>(fill);
    return (vec<T>)_mm512_mask_loadu_epi64((__m512i)f, __mmask8((1u << k) - 1), p);
  }
#endif
  alignas(FL_VB) T buffer[lanes<T>];
  for (int i = 0; i < lanes<T>; ++i) buffer[i] = fill;
  for (int64_t i = 0; i < k; ++i) buffer[i] = p[i];
  return load(buffer);
}

template <class T> FL_INLINE void store_partial(T* p, vec<T> v, int64_t k) {
#if defined(__AVX512F__) && FL_VB == 64
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_epi32(p, __mmask16((1u << k) - 1), (__m512i)v);
    return;
  } else if constexpr (sizeof(T) == 8) {
    _mm512_mask_storeu_epi64(p, __mmask8((1u << k) - 1), (__m512i)v);
    return;
  }
#endif
  alignas(FL_VB) T buffer[lanes<T>];
  store_as<T>(buffer, v);
  for (int64_t i = 0; i < k; ++i) p[i] = buffer[i];
}

template <int Step, class V, int... I> FL_INLINE V exchange(V v, Indices<I...>) {
  return __builtin_shufflevector(v, v, (I ^ Step)...);
}
// All lanes joined by f, as a tree of whole-vector exchanges.
template <class T, int Step = lanes<T> / 2, class F> FL_INLINE T fold_lanes(vec<T> v, F f) {
  if constexpr (Step == 0) {
    return v[0];
  } else {
    return fold_lanes<T, Step / 2>(f(v, exchange<Step>(v, typename Count<lanes<T>>::type())), f);
  }
}
FL_INLINE float sum_lanes(vf v) { return fold_lanes<float>(v, [](vf a, vf b) __attribute__((always_inline)) { return a + b; }); }
FL_INLINE double sum_lanes(vd v) { return fold_lanes<double>(v, [](vd a, vd b) __attribute__((always_inline)) { return a + b; }); }

FL_INLINE vd widen(const float* p) {
  vf_half h;
  __builtin_memcpy(&h, p, FL_VB / 2);
  return __builtin_convertvector(h, vd);
}
FL_INLINE vd widen(const double* p) { return load(p); }

// Maxima that let NaN through.
template <class V> FL_INLINE V nan_max(V a, V b) { return ((a > b) | (a != a)) ? a : b; }
template <class V> FL_INLINE V nan_min(V a, V b) { return ((a < b) | (a != a)) ? a : b; }

// exp(x), below 1 ulp: 2^n * e^r, |r| <= ln(2)/2, minimax polynomial; denormal results and overflow by scaling in two steps.
FL_INLINE vf vexp(vf x) {
  vf c = x < -104.f ? splat(-104.f) : x;
  c = c > 89.f ? splat(89.f) : c;
  vf n = c * 1.44269504f + 12582912.f;  // 1.5 * 2^23: the sum is rounded to an integer
  n = n - 12582912.f;
  vf r = c - n * 0.693145752f;
  r = r - n * 1.42860677e-06f;
  vf p = splat(1.990889849e-04f);
  p = p * r + 1.393454424e-03f;
  p = p * r + 8.333284115e-03f;
  p = p * r + 4.166645678e-02f;
  p = p * r + 1.666666676e-01f;
  p = p * r + 5.000000014e-01f;
  p = p * (r * r) + r + 1.f;
#if defined(__AVX512F__) && FL_VB == 64
  return (vf)_mm512_maskz_scalef_ps(__mmask16(-1), (__m512)p, (__m512)n);
#else
  vi k = __builtin_convertvector(n, vi), k1 = k >> 1, k2 = k - k1;
  return p * (vf)((k1 + 127) << 23) * (vf)((k2 + 127) << 23);
#endif
}

FL_INLINE vd vexp(vd x) {
  vd c = x < -746. ? splat(-746.) : x;
  c = c > 710. ? splat(710.) : c;
  vd n = c * 1.4426950408889634 + 6755399441055744.;  // 1.5 * 2^52
  [[maybe_unused]] vl bits = (vl)n - (int64_t)0x4338000000000000;  // n as an integer
  n = n - 6755399441055744.;
  vd r = c - n * 0.693147180369123816490;
  r = r - n * 1.90821492927058770002e-10;
  vd p = splat(1. / 6227020800.);  // Taylor to r^13: the remainder is below 2^-57
  p = p * r + 1. / 479001600.;
  p = p * r + 1. / 39916800.;
  p = p * r + 1. / 3628800.;
  p = p * r + 1. / 362880.;
  p = p * r + 1. / 40320.;
  p = p * r + 1. / 5040.;
  p = p * r + 1. / 720.;
  p = p * r + 1. / 120.;
  p = p * r + 1. / 24.;
  p = p * r + 1. / 6.;
  p = p * r + .5;
  p = p * (r * r) + r + 1.;
#if defined(__AVX512F__) && FL_VB == 64
  return (vd)_mm512_maskz_scalef_pd(__mmask8(-1), (__m512d)p, (__m512d)n);
#else
  vl k1 = bits >> 1, k2 = bits - k1;
  vd result = p * (vd)((k1 + 1023) << 52) * (vd)((k2 + 1023) << 52);
  return x != x ? x : result;
#endif
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
