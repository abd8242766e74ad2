// Division with rounding and remainder, greatest common divisors, powers.
#include <type_traits>

#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {
namespace {

// A zero divisor is noted and gives 0. A divisor of -1 is a negation that may wrap (the machine's division would trap).
template <class T> constexpr bool kSigned = T(-1) < T(0);
template <class T> FL_FN T negate(T a) { return T(std::make_unsigned_t<T>(0) - std::make_unsigned_t<T>(a)); }

struct TruncDivInteger : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    if (__builtin_expect(b == 0, 0)) return note_division_by_zero(), T(0);
    if (kSigned<T> && b == T(-1)) return negate(a);
    return T(a / b);
  }
};
struct FloorDivInteger : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    if (__builtin_expect(b == 0, 0)) return note_division_by_zero(), T(0);
    if (kSigned<T> && b == T(-1)) return negate(a);
    T q = T(a / b);
    return kSigned<T> && a % b != 0 && (a < 0) != (b < 0) ? T(q - 1) : q;
  }
};
struct FmodInteger : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    if (__builtin_expect(b == 0, 0)) return note_division_by_zero(), T(0);
    return kSigned<T> && b == T(-1) ? T(0) : T(a % b);
  }
};
struct RemainderInteger : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    T r = FmodInteger::f(a, b);
    return kSigned<T> && r != 0 && (r < 0) != (b < 0) ? T(r + b) : r;
  }
};
template <class T> FL_FN std::make_unsigned_t<T> magnitude(T a) {
  using U = std::make_unsigned_t<T>;
  return a < T(0) ? U(U(0) - U(a)) : U(a);
}
struct Gcd : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    auto x = magnitude(a), y = magnitude(b);
    while (y != 0) {
      auto r = x % y;
      x = y;
      y = r;
    }
    return T(x);
  }
};
struct Lcm : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    T g = Gcd::f(a, b);
    return g == 0 ? T(0) : T(magnitude(T(uint64_t(a / g) * uint64_t(b))));
  }
};

template <class V, class E> FL_FN V whole_power(V x, E e) {  // wraps
  V r = splat<V>(Elem<V>(1));
  for (; e > 0; e >>= 1, x = V(x * x))
    if (e & 1) r = V(r * x);
  return r;
}
struct PowInteger : Formula<0> {
  template <class T> FL_FN T f(T a, T b) {
    if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b & 1 ? T(-1) : T(1))
                                                       : T(0);
    return T(whole_power(uint64_t(a), b));
  }
};
struct PowIntegerScalar : Formula<1> {
  template <class V> FL_FN V f(V x, V e) { return whole_power(x, e[0]); }
};

template <class T> void pow_scalar(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  T e = *(const T*)params;
  Loop loop = e == T(2)      ? vector_loop<Square, T, 1>
              : e == T(3)    ? vector_loop<Cube, T, 1>
              : e == T(0.5)  ? vector_loop<Sqrt, T, 1>
              : e == T(-0.5) ? vector_loop<Rsqrt, T, 1>
              : e == T(-1)   ? vector_loop<Reciprocal, T, 1>
              : e == T(-2)   ? vector_loop<InverseSquare, T, 1>
              : e == T(1)    ? vector_loop<Positive, T, 1>
              : e == T(0)    ? vector_loop<One, T, 1>
                             : vector_loop<PowScalar, T, 1>;
  loop(n, ptrs, strides, params);
}

}  // namespace

const Row binary_FloorDiv = vector_floats<FloorDivFloat, 2>() | scalar_integers<FloorDivInteger, 2>();
const Row binary_TruncDiv = vector_floats<TruncDivFloat, 2>() | scalar_integers<TruncDivInteger, 2>();
const Row binary_Remainder = vector_floats<RemainderFloat, 2>() | scalar_integers<RemainderInteger, 2>();
const Row binary_Fmod = vector_floats<FmodFloat, 2>() | scalar_integers<FmodInteger, 2>();
const Row binary_Gcd = scalar_integers<Gcd, 2>();
const Row binary_Lcm = scalar_integers<Lcm, 2>();
const Row binary_Pow = vector_floats<Pow, 2>() | scalar_integers<PowInteger, 2>() | FL_COMPLEX_ROW(Pow);
const Row unary_PowScalar = row(DType::Float32, pow_scalar<float>) | row(DType::Float64, pow_scalar<double>) |
                            vector_wrapping<PowIntegerScalar, 1>() | FL_COMPLEX_ROW(PowScalar);

}  // namespace fl::cpu::FL_ISA
