// Elements as the ordinary (not per-instruction-set) kernels compute with them: the dtype switch, ordering with NaN,
// arithmetic.
#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/dtype.h"

namespace fl::cpu {
inline namespace element {

// f(T()) for the C++ type of an element. Bool is bool, Half and BFloat16 their storage types.
template <class F>
auto by_real_type(DType t, const F& f) {
  switch (t) {
    case DType::Bool: return f(bool());
    case DType::UInt8: return f(uint8_t());
    case DType::Int8: return f(int8_t());
    case DType::Int16: return f(int16_t());
    case DType::Int32: return f(int32_t());
    case DType::UInt16: return f(uint16_t());
    case DType::UInt32: return f(uint32_t());
    case DType::UInt64: return f(uint64_t());
    case DType::Float16: return f(Half(0));
    case DType::BFloat16: return f(BFloat16(0));
    case DType::Float32: return f(float());
    case DType::Float64: return f(double());
    default: return f(int64_t());
  }
}
template <class F>
auto by_type(DType t, const F& f) {
  if (t == DType::Complex64) return f(Complex<float>(0));
  if (t == DType::Complex128) return f(Complex<double>(0));
  return by_real_type(t, f);
}
template <class F>
auto by_floating_type(DType t, const F& f) {
  switch (t) {
    case DType::Float16: return f(Half(0));
    case DType::BFloat16: return f(BFloat16(0));
    case DType::Float64: return f(double());
    default: return f(float());
  }
}

template <class T>
constexpr bool kIsReduced = false;
template <>
inline constexpr bool kIsReduced<Half> = true;
template <>
inline constexpr bool kIsReduced<BFloat16> = true;
template <class T>
constexpr bool kIsFloating = kIsReduced<T>;
template <>
inline constexpr bool kIsFloating<float> = true;
template <>
inline constexpr bool kIsFloating<double> = true;
template <class T>
constexpr bool kIsComplex = false;
template <class T>
inline constexpr bool kIsComplex<Complex<T>> = true;

// The type arithmetic happens in.
template <class T>
struct compute_of {
  using type = T;
};
template <>
struct compute_of<Half> {
  using type = float;
};
template <>
struct compute_of<BFloat16> {
  using type = float;
};
template <class T>
using compute_t = typename compute_of<T>::type;

template <class T>
inline bool is_nan(T x) {
  if constexpr (kIsComplex<T>) return x.re != x.re || x.im != x.im;
  else if constexpr (kIsFloating<T>) return compute_t<T>(x) != compute_t<T>(x);
  else return false;
}
// Ascending order, NaN largest.
template <class T>
inline bool before(T a, T b) {
  if constexpr (kIsFloating<T>) {
    compute_t<T> x = a, y = b;
    return x < y || (y != y && x == x);
  } else {
    return a < b;
  }
}
template <class T>
inline bool is_zero(T x) {
  if constexpr (kIsComplex<T>) return x.re == 0 && x.im == 0;
  else if constexpr (kIsReduced<T>) return (x.bits & 0x7fff) == 0;
  else return x == T(0);
}
template <class T>
inline T lowest() {
  if constexpr (kIsReduced<T>) return T(-std::numeric_limits<float>::infinity());
  else if constexpr (kIsFloating<T>) return -std::numeric_limits<T>::infinity();
  else return std::numeric_limits<T>::lowest();
}
template <class T>
inline T highest() {
  if constexpr (kIsReduced<T>) return T(std::numeric_limits<float>::infinity());
  else if constexpr (kIsFloating<T>) return std::numeric_limits<T>::infinity();
  else return std::numeric_limits<T>::max();
}
// Sum and product: wrap for integers, or/and for bool, rounded at each step for the reduced floats.
template <class T>
inline T add(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) return a || b;
  else if constexpr (kIsReduced<T>) return T(float(a) + float(b));
  else if constexpr (std::is_integral_v<T>) return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
  else return a + b;
}
template <class T>
inline T multiply(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) return a && b;
  else if constexpr (kIsReduced<T>) return T(float(a) * float(b));
  else if constexpr (std::is_integral_v<T>) return T(uint64_t(a) * uint64_t(b));
  else return a * b;
}

}  // namespace element
}  // namespace fl::cpu
