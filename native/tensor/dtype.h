// Element types: the enumeration, sizes, categories, and a switch from the run-time type to the C++ type.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/complex.h"
#include "base/half.h"

namespace fl {

enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  UInt16,
  UInt32,
  UInt64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128,
  Complex32,
  None  // "not given"
};
constexpr int kDTypes = 16;

constexpr uint8_t kItemSize[kDTypes + 1] = {1, 1, 1, 2, 4, 8, 2, 4, 8, 2, 2, 4, 8, 8, 16, 4, 0};
constexpr size_t item_size(DType t) { return kItemSize[size_t(t)]; }
constexpr bool is_complex(DType t) { return t >= DType::Complex64 && t <= DType::Complex32; }
constexpr bool is_floating(DType t) { return t >= DType::Float16 && t <= DType::Float64; }
constexpr bool is_integral(DType t) { return t >= DType::UInt8 && t <= DType::UInt64; }  // Bool apart
constexpr bool is_reduced_float(DType t) { return t == DType::Float16 || t == DType::BFloat16; }
constexpr bool is_differentiable(DType t) { return t >= DType::Float16 && t <= DType::Complex32; }
// Complex32 -> Float16, Complex64 -> Float32, Complex128 -> Float64; others unchanged.
constexpr DType real_type(DType t) {
  switch (t) {
    case DType::Complex32: return DType::Float16;
    case DType::Complex64: return DType::Float32;
    case DType::Complex128: return DType::Float64;
    default: return t;
  }
}
constexpr DType complex_type(DType t) {
  switch (t) {
    case DType::Float16:
    case DType::Complex32: return DType::Complex32;
    case DType::Float64:
    case DType::Complex128: return DType::Complex128;
    default: return DType::Complex64;
  }
}

template <class T> struct dtype_of;
template <> struct dtype_of<bool> {
  static constexpr DType value = DType::Bool;
};
template <> struct dtype_of<uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <> struct dtype_of<int8_t> {
  static constexpr DType value = DType::Int8;
};
template <> struct dtype_of<int16_t> {
  static constexpr DType value = DType::Int16;
};
template <> struct dtype_of<int32_t> {
  static constexpr DType value = DType::Int32;
};
template <> struct dtype_of<int64_t> {
  static constexpr DType value = DType::Int64;
};
template <> struct dtype_of<uint16_t> {
  static constexpr DType value = DType::UInt16;
};
template <> struct dtype_of<uint32_t> {
  static constexpr DType value = DType::UInt32;
};
template <> struct dtype_of<uint64_t> {
  static constexpr DType value = DType::UInt64;
};
template <> struct dtype_of<Half> {
  static constexpr DType value = DType::Float16;
};
template <> struct dtype_of<BFloat16> {
  static constexpr DType value = DType::BFloat16;
};
template <> struct dtype_of<float> {
  static constexpr DType value = DType::Float32;
};
template <> struct dtype_of<double> {
  static constexpr DType value = DType::Float64;
};
template <> struct dtype_of<Complex<Half>> {
  static constexpr DType value = DType::Complex32;
};
template <> struct dtype_of<Complex<float>> {
  static constexpr DType value = DType::Complex64;
};
template <> struct dtype_of<Complex<double>> {
  static constexpr DType value = DType::Complex128;
};

}  // namespace fl
