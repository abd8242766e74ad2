// Arithmetic, minima and maxima, bit operators, and the ternary operators.
#include <type_traits>

#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {
namespace {

// Counts outside [0, bits) shift everything out.
struct Shl : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    using U = std::make_unsigned_t<T>;
    constexpr U width = sizeof(T) * 8;
    return U(b) < width ? T(U(a) << (U(b) & (width - 1))) : T(0);
  }
};
struct Shr : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    using U = std::make_unsigned_t<T>;
    constexpr U width = sizeof(T) * 8;
    return U(b) < width ? T(a >> (U(b) & (width - 1))) : T(T(-1) < T(0) && a < T(0) ? -1 : 0);
  }
};
struct Nextafter : Formula<0> {
  FL_FN float f(float a, float b) { return __builtin_nextafterf(a, b); }
  FL_FN double f(double a, double b) { return __builtin_nextafter(a, b); }
};

struct Bits128 {
  uint64_t low, high;
};

template <class T> void where_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void*) {
  const int64_t *s = strides, size = sizeof(T);
  if (s[0] == size && s[1] == 1 && (s[2] == size || s[2] == 0) && (s[3] == size || s[3] == 0) && n > 0) {
    T* out = (T*)ptrs[0];
    const uint8_t* c = (const uint8_t*)ptrs[1];
    const T *a = (const T*)ptrs[2], *b = (const T*)ptrs[3];
    T x = *a, y = *b;
    auto run = [&](auto left, auto right) __attribute__((always_inline)) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; i++) {
        T u = left(i), v = right(i);
        out[i] = c[i] ? u : v;
      }
    };
    auto a_at = [&](int64_t i) __attribute__((always_inline)) {
      return a[i];
    };
    auto b_at = [&](int64_t i) __attribute__((always_inline)) {
      return b[i];
    };
    auto a_all = [&](int64_t) __attribute__((always_inline)) {
      return x;
    };
    auto b_all = [&](int64_t) __attribute__((always_inline)) {
      return y;
    };
    if (s[2] && s[3]) run(a_at, b_at);
    else if (s[2]) run(a_at, b_all);
    else if (s[3]) run(a_all, b_at);
    else run(a_all, b_all);
    return;
  }
  for (int64_t i = 0; i < n; i++)
    *(T*)(ptrs[0] + i * s[0]) =
        *(const uint8_t*)(ptrs[1] + i * s[1]) ? *(const T*)(ptrs[2] + i * s[2]) : *(const T*)(ptrs[3] + i * s[3]);
}

consteval Row where_row() {
  Row r;
  for (int t = 0; t < kDTypes; t++) {
    int size = kItemSize[t];
    r.loop[t] = size == 1   ? Loop(where_loop<uint8_t>)
                : size == 2 ? Loop(where_loop<uint16_t>)
                : size == 4 ? Loop(where_loop<uint32_t>)
                : size == 8 ? Loop(where_loop<uint64_t>)
                            : Loop(where_loop<Bits128>);
  }
  return r;
}

template <class Op, int N> consteval Row numbers() {
  return vector_floats<Op, N>() | vector_wrapping<Op, N>() | plain_complex<Op, N>();
}
template <class Op, int N> consteval Row ordered() {
  return vector_floats<Op, N>() | vector_integers<Op, N>() | vector_bool<Op, N>();
}

}  // namespace

const Row binary_Add = numbers<Add, 2>() | vector_bool<BitOr, 2>();
const Row binary_Sub = numbers<Sub, 2>();
const Row binary_RSub = numbers<RSub, 2>();
const Row binary_Mul = numbers<Mul, 2>() | vector_bool<BitAnd, 2>();
const Row binary_Div = vector_floats<Div, 2>() | plain_complex<Div, 2>();
const Row binary_AddAlpha = numbers<AddAlpha, 2>() | vector_bool<AddAlphaBool, 2>();
const Row binary_SubAlpha = numbers<SubAlpha, 2>();
const Row binary_LerpScalar = vector_floats<LerpScalar, 2>() | plain_complex<LerpScalarComplex, 2>();

const Row binary_Maximum = ordered<Maximum, 2>();
const Row binary_Minimum = ordered<Minimum, 2>();
const Row binary_Fmax = vector_floats<Fmax, 2>() | vector_integers<Maximum, 2>() | vector_bool<Maximum, 2>();
const Row binary_Fmin = vector_floats<Fmin, 2>() | vector_integers<Minimum, 2>() | vector_bool<Minimum, 2>();
const Row binary_Hypot = vector_floats<Hypot, 2>();
const Row binary_Nextafter = scalar_floats<Nextafter, 2>();
const Row binary_Copysign = vector_floats<Copysign, 2>();
const Row binary_Heaviside =
    vector_floats<Heaviside, 2>() | vector_integers<Heaviside, 2>() | vector_bool<Heaviside, 2>();

const Row binary_BitAnd = vector_wrapping<BitAnd, 2>() | vector_bool<BitAnd, 2>();
const Row binary_BitOr = vector_wrapping<BitOr, 2>() | vector_bool<BitOr, 2>();
const Row binary_BitXor = vector_wrapping<BitXor, 2>() | vector_bool<BitXor, 2>();
const Row binary_Shl = plain_integers<Shl, 2>();
const Row binary_Shr = plain_integers<Shr, 2>();

const Row ternary_Where = where_row();
const Row ternary_ClampTensor = ordered<ClampTensor, 3>();
const Row ternary_Lerp = vector_floats<Lerp, 3>() | plain_complex<LerpComplex, 3>();
const Row ternary_Addcmul = numbers<Addcmul, 3>();
const Row ternary_Addcdiv = vector_floats<Addcdiv, 3>() | plain_complex<Addcdiv, 3>();
const Row ternary_Fma = numbers<Fma, 3>();
const Row ternary_MseGrad = vector_floats<MseGrad, 3>() | plain_complex<MseGrad, 3>();

}  // namespace fl::cpu::FL_ISA
