// Loops of special functions: written for double, used for both float types, any strides.
#pragma once
#include "kernels/cpu/pointwise_row.h"

namespace fl::cpu {

double bessel_i0(double x);

template <class T, class F> inline void special_loop1(int64_t n, char* const* ptrs, const int64_t* strides, F f) {
  for (int64_t i = 0; i < n; i++) *(T*)(ptrs[0] + i * strides[0]) = T(f(double(*(const T*)(ptrs[1] + i * strides[1]))));
}
template <class T, class F> inline void special_loop2(int64_t n, char* const* ptrs, const int64_t* strides, F f) {
  for (int64_t i = 0; i < n; i++)
    *(T*)(ptrs[0] + i * strides[0]) =
        T(f(double(*(const T*)(ptrs[1] + i * strides[1])), double(*(const T*)(ptrs[2] + i * strides[2]))));
}

// Within an expression: x (or a, b), and is_float, which is true in the float loop.
#define FL_SPECIAL(name, ...)                                                                                     \
  template <class T> static void loop_##name(int64_t n, char* const* ptrs, const int64_t* strides, const void*) { \
    [[maybe_unused]] constexpr bool is_float = sizeof(T) == 4;                                                    \
    special_loop1<T>(n, ptrs, strides, [](double x) -> double {                                                   \
      return __VA_ARGS__;                                                                                         \
    });                                                                                                           \
  }                                                                                                               \
  const Row unary_##name = row(DType::Float32, loop_##name<float>) | row(DType::Float64, loop_##name<double>);
#define FL_SPECIAL2(name, ...)                                                                                    \
  template <class T> static void loop_##name(int64_t n, char* const* ptrs, const int64_t* strides, const void*) { \
    [[maybe_unused]] constexpr bool is_float = sizeof(T) == 4;                                                    \
    special_loop2<T>(n, ptrs, strides, [](double a, double b) -> double {                                         \
      return __VA_ARGS__;                                                                                         \
    });                                                                                                           \
  }                                                                                                               \
  const Row binary_##name = row(DType::Float32, loop_##name<float>) | row(DType::Float64, loop_##name<double>);

}  // namespace fl::cpu
