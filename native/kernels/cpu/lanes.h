// What the reduction-like kernels add to simd.h: vectors by element type, partial loads with a filler, folds over the
// lanes. Included by *.isa.cpp sources only; everything lives in an unnamed namespace of the instruction set.
#pragma once
#include "kernels/cpu/vmath.h"
#include "tensor/dtype.h"

#pragma GCC diagnostic ignored "-Wpsabi"

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
constexpr int kLanes = FL_VB / int(sizeof(T));

template <class T>
FL_FN Vec<T> vec_at(const T* p) {
  return load<Vec<T>>((const void*)p);
}

// The first k < kLanes elements; the other lanes hold `fill`.
template <class T>
FL_FN Vec<T> load_partial(const T* p, int64_t k, T fill) {
#if FL_VB == 64
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_mask_loadu_epi32((__m512i)splat<Vec<T>>(fill), __mmask16((1u << k) - 1), p);
  if constexpr (sizeof(T) == 8)
    return (Vec<T>)_mm512_mask_loadu_epi64((__m512i)splat<Vec<T>>(fill), __mmask8((1u << k) - 1), p);
#endif
  alignas(FL_VB) T buffer[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) buffer[i] = fill;
  for (int64_t i = 0; i < k; ++i) buffer[i] = p[i];
  return vec_at(buffer);
}
template <class T>
FL_FN void store_partial(T* p, Vec<T> v, int64_t k) {
  store_part(p, v, k * int64_t(sizeof(T)));
}

template <int...>
struct Indices {};
template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};
template <int... I>
struct Count<0, I...> {
  using type = Indices<I...>;
};

template <int Step, class V, int... I>
FL_FN V exchange(V v, Indices<I...>) {
  return __builtin_shufflevector(v, v, (I ^ Step)...);
}
// All lanes joined by f, as a tree of whole-vector exchanges.
template <class T, int Step = kLanes<T> / 2, class F>
FL_FN T fold_lanes(Vec<T> v, F f) {
  if constexpr (Step == 0) {
    return v[0];
  } else {
    return fold_lanes<T, Step / 2>(f(v, exchange<Step>(v, typename Count<kLanes<T>>::type())), f);
  }
}
FL_FN float sum_lanes(vf v) {
  return fold_lanes<float>(v, [](vf a, vf b) __attribute__((always_inline)) {
    return a + b;
  });
}
FL_FN double sum_lanes(vd v) {
  return fold_lanes<double>(v, [](vd a, vd b) __attribute__((always_inline)) {
    return a + b;
  });
}

// Maxima and minima that let NaN through.
template <class V>
FL_FN V nan_max(V a, V b) {
  return ((a > b) | (a != a)) ? a : b;
}
template <class V>
FL_FN V nan_min(V a, V b) {
  return ((a < b) | (a != a)) ? a : b;
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
