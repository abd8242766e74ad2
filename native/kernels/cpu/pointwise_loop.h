// The loops that carry a formula over n elements, and the rows of a kernel table. Three kinds:
//   vector_loop  explicit SIMD vectors; operands contiguous or broadcast, others by blocks through strided_loop
//   plain_loop   a scalar formula that the compiler vectorises (comparisons, conversions, integers)
//   scalar_loop  a scalar formula that calls functions; any strides
#pragma once
#include <utility>

#include "kernels/cpu/pointwise_row.h"
#include "kernels/cpu/vmath.h"

namespace fl::cpu {

// Runs `loop` over strided operands by way of contiguous blocks. sizes: element sizes of the output and the inputs.
void strided_loop(Loop loop, int inputs, const uint8_t* sizes, int64_t n, char* const* ptrs, const int64_t* strides,
                  const void* params);
// An integer was divided by zero (see take_division_by_zero).
void note_division_by_zero();

}  // namespace fl::cpu

namespace fl::cpu::FL_ISA {

template <class E> constexpr E kInfinity = E(__builtin_inf());

template <class Op, class T, int N>
void vector_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  using V = Vec<T>;
  constexpr int64_t size = sizeof(T);
  bool simple = strides[0] == size;
  for (int k = 1; k <= N; k++) simple &= strides[k] == size || strides[k] == 0;
  if (!simple && n > 1) {
    constexpr uint8_t sizes[4] = {size, size, size, size};
    return strided_loop(&vector_loop<Op, T, N>, N, sizes, n, ptrs, strides, params);
  }
  V p[Op::kParams + 1];
  for (int k = 0; k < Op::kParams; k++) p[k] = splat<V>(((const T*)params)[k]);
  [&]<size_t... I, size_t... P>(std::index_sequence<I...>, std::index_sequence<P...>) __attribute__((always_inline)) {
    char* out = ptrs[0];
    alignas(FL_VB) char scalars[N][FL_VB];  // a broadcast operand is read over and over from its own vector
    const char* in[N];
    int64_t step[N];
    for (int k = 0; k < N; k++) {
      in[k] = ptrs[k + 1];
      step[k] = FL_VB;
      if (strides[k + 1] == 0 && n > 1) {
        store(scalars[k], splat<V>(load<T>(in[k])));
        in[k] = scalars[k];
        step[k] = 0;
      }
    }
    int64_t bytes = n * size;
    if (bytes >= FL_VB) {
      // The last vector overlaps the one before it; its operands are read first, as the output may be one of them.
      int64_t rest = bytes - FL_VB;
      V last[N] = {load<V>(in[I] + (step[I] ? rest : 0))...};
      int64_t i = 0;
      for (; i + FL_VB < rest; i += 2 * FL_VB) {
        V r = Op::f(load<V>(in[I])..., p[P]...);
        V s = Op::f(load<V>(in[I] + step[I])..., p[P]...);
        store(out + i, r);
        store(out + i + FL_VB, s);
        ((in[I] += 2 * step[I]), ...);
      }
      if (i < rest) store(out + i, V(Op::f(load<V>(in[I])..., p[P]...)));
      store(out + rest, V(Op::f(last[I]..., p[P]...)));
    } else {
      store_part(out, V(Op::f((step[I] ? load_part<V>(in[I], bytes) : load<V>(in[I]))..., p[P]...)), bytes);
    }
  }(std::make_index_sequence<N>(), std::make_index_sequence<Op::kParams>());
}

// R: type of the output. bool operands are read as bytes. Pointers and strides are copied: stores of bytes could
// alias the arrays.
template <class Op, class T, class R, int N>
void plain_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  T p[Op::kParams + 1];
  for (int k = 0; k < Op::kParams; k++) p[k] = ((const T*)params)[k];
  [&]<size_t... I, size_t... P>(std::index_sequence<I...>, std::index_sequence<P...>) __attribute__((always_inline)) {
    const char* in[N] = {ptrs[I + 1]...};
    const int64_t s[N] = {strides[I + 1]...};
    if (strides[0] == sizeof(R)) {
      R* out = (R*)ptrs[0];
      if (((s[I] == sizeof(T)) && ...)) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) out[i] = R(Op::f(((const T*)in[I])[i]..., p[P]...));
        return;
      }
      if constexpr (N == 2) {
        const T *a = (const T*)in[0], *b = (const T*)in[1];
        if (s[0] == sizeof(T) && s[1] == 0 && n > 0) {
          T y = *b;
#pragma GCC ivdep
          for (int64_t i = 0; i < n; i++) out[i] = R(Op::f(a[i], y, p[P]...));
          return;
        }
        if (s[0] == 0 && s[1] == sizeof(T) && n > 0) {
          T x = *a;
#pragma GCC ivdep
          for (int64_t i = 0; i < n; i++) out[i] = R(Op::f(x, b[i], p[P]...));
          return;
        }
      }
    }
    char* out = ptrs[0];
    int64_t out_stride = strides[0];
    for (int64_t i = 0; i < n; i++) *(R*)(out + i * out_stride) = R(Op::f(*(const T*)(in[I] + i * s[I])..., p[P]...));
  }(std::make_index_sequence<N>(), std::make_index_sequence<Op::kParams>());
}

template <class Op, class T, class R, int N>
void scalar_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  T p[Op::kParams + 1];
  for (int k = 0; k < Op::kParams; k++) p[k] = ((const T*)params)[k];
  [&]<size_t... I, size_t... P>(std::index_sequence<I...>, std::index_sequence<P...>) __attribute__((always_inline)) {
    const char* in[N] = {ptrs[I + 1]...};
    const int64_t s[N] = {strides[I + 1]...};
    char* out = ptrs[0];
    int64_t out_stride = strides[0];
    for (int64_t i = 0; i < n; i++) *(R*)(out + i * out_stride) = R(Op::f(*(const T*)(in[I] + i * s[I])..., p[P]...));
  }(std::make_index_sequence<N>(), std::make_index_sequence<Op::kParams>());
}

// ---- rows of the usual groups of dtypes ---------------------------------------------------------

template <class Op, int N> consteval Row vector_floats() {
  return row(DType::Float32, vector_loop<Op, float, N>) | row(DType::Float64, vector_loop<Op, double, N>);
}
// Integers whose result does not depend on the sign: one loop a width.
template <class Op, int N> consteval Row vector_wrapping() {
  return row(DType::UInt8, vector_loop<Op, uint8_t, N>) | row(DType::Int8, vector_loop<Op, uint8_t, N>) |
         row(DType::UInt16, vector_loop<Op, uint16_t, N>) | row(DType::Int16, vector_loop<Op, uint16_t, N>) |
         row(DType::UInt32, vector_loop<Op, uint32_t, N>) | row(DType::Int32, vector_loop<Op, uint32_t, N>) |
         row(DType::UInt64, vector_loop<Op, uint64_t, N>) | row(DType::Int64, vector_loop<Op, uint64_t, N>);
}
template <class Op, int N> consteval Row vector_signed() {
  return row(DType::Int8, vector_loop<Op, int8_t, N>) | row(DType::Int16, vector_loop<Op, int16_t, N>) |
         row(DType::Int32, vector_loop<Op, int32_t, N>) | row(DType::Int64, vector_loop<Op, int64_t, N>);
}
template <class Op, int N> consteval Row vector_unsigned() {
  return row(DType::UInt8, vector_loop<Op, uint8_t, N>) | row(DType::UInt16, vector_loop<Op, uint16_t, N>) |
         row(DType::UInt32, vector_loop<Op, uint32_t, N>) | row(DType::UInt64, vector_loop<Op, uint64_t, N>);
}
template <class Op, int N> consteval Row vector_integers() { return vector_signed<Op, N>() | vector_unsigned<Op, N>(); }
template <class Op, int N> consteval Row vector_bool() { return row(DType::Bool, vector_loop<Op, uint8_t, N>); }

// R = void: the output has the input's type.
template <class T, class R> struct OutputOf {
  using type = R;
};
template <class T> struct OutputOf<T, void> {
  using type = T;
};
template <class Op, int N, class R, class T> consteval Row plain(DType t) {
  return row(t, plain_loop<Op, T, typename OutputOf<T, R>::type, N>);
}
template <class Op, int N, class R = void> consteval Row plain_floats() {
  return plain<Op, N, R, float>(DType::Float32) | plain<Op, N, R, double>(DType::Float64);
}
template <class Op, int N, class R = void> consteval Row plain_integers() {
  return plain<Op, N, R, uint8_t>(DType::UInt8) | plain<Op, N, R, int8_t>(DType::Int8) |
         plain<Op, N, R, int16_t>(DType::Int16) | plain<Op, N, R, int32_t>(DType::Int32) |
         plain<Op, N, R, int64_t>(DType::Int64) | plain<Op, N, R, uint16_t>(DType::UInt16) |
         plain<Op, N, R, uint32_t>(DType::UInt32) | plain<Op, N, R, uint64_t>(DType::UInt64);
}
template <class Op, int N, class R = void> consteval Row plain_bool() { return plain<Op, N, R, uint8_t>(DType::Bool); }
template <class Op, int N, class R = void> consteval Row plain_complex() {
  return plain<Op, N, R, Complex<float>>(DType::Complex64) | plain<Op, N, R, Complex<double>>(DType::Complex128);
}
template <class Op, int N, class T> consteval Row scalar(DType t) { return row(t, scalar_loop<Op, T, T, N>); }
template <class Op, int N> consteval Row scalar_floats() {
  return scalar<Op, N, float>(DType::Float32) | scalar<Op, N, double>(DType::Float64);
}
template <class Op, int N> consteval Row scalar_integers() {
  return scalar<Op, N, uint8_t>(DType::UInt8) | scalar<Op, N, int8_t>(DType::Int8) |
         scalar<Op, N, int16_t>(DType::Int16) | scalar<Op, N, int32_t>(DType::Int32) |
         scalar<Op, N, int64_t>(DType::Int64) | scalar<Op, N, uint16_t>(DType::UInt16) |
         scalar<Op, N, uint32_t>(DType::UInt32) | scalar<Op, N, uint64_t>(DType::UInt64);
}
template <class Op, int N> consteval Row scalar_complex() {
  return scalar<Op, N, Complex<float>>(DType::Complex64) | scalar<Op, N, Complex<double>>(DType::Complex128);
}

}  // namespace fl::cpu::FL_ISA

#define FL_FORMULAS fl::cpu::FL_ISA
#include "kernels/formulas.h"

// Every operator's row, defined in one of the pointwise_*.isa.cpp: unary_Exp and so on.
#define FL_X(name, result, ns) extern const Row unary_##name;
#define FL_Y(name, result, ns) extern const Row binary_##name;
#define FL_Z(name, result, ns) extern const Row ternary_##name;
namespace fl::cpu::FL_ISA {
FL_UNARY_CORE_OPS(FL_X)
FL_BINARY_CORE_OPS(FL_Y)
FL_TERNARY_OPS(FL_Z)
}  // namespace fl::cpu::FL_ISA
#undef FL_X
#undef FL_Y
#undef FL_Z
