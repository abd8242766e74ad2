// Complex arithmetic for the pointwise loops. Functions of complex analysis (exp, sin, ...) come from the C library, in
// complex_math.cpp: complex_Exp<T> and so on.
#pragma once
#include "kernels/cpu/pointwise_loop.h"

// clang-format off
#define FL_COMPLEX_UNARY(X)                                                                                      \
  X(Sqrt) X(Rsqrt) X(Exp) X(Exp2) X(Expm1) X(Log) X(Log2) X(Log10) X(Log1p) X(Sin) X(Cos) X(Tan) X(Asin) X(Acos) \
  X(Atan) X(Sinh) X(Cosh) X(Tanh) X(Asinh) X(Acosh) X(Atanh) X(Sigmoid) X(Silu) X(Angle) X(PowScalar) X(Pow)     \
  X(Logaddexp)
// clang-format on

namespace fl::cpu {
#define FL_X(name)                                                            \
  void complex64_##name(int64_t, char* const*, const int64_t*, const void*);  \
  void complex128_##name(int64_t, char* const*, const int64_t*, const void*);
FL_COMPLEX_UNARY(FL_X)
#undef FL_X
}  // namespace fl::cpu

#define FL_COMPLEX_ROW(name) (row(DType::Complex64, complex64_##name) | row(DType::Complex128, complex128_##name))

namespace fl::cpu::FL_ISA {

template <class T> FL_FN T modulus(Complex<T> z) {
  if constexpr (sizeof(T) == 4) {  // the squares of floats neither overflow nor underflow in double
    double re = z.re, im = z.im;
    float r = float(__builtin_sqrt(re * re + im * im));
    return abs(z.re) == kInfinity<float> || abs(z.im) == kInfinity<float> ? kInfinity<float> : r;
  } else {
    return __builtin_hypot(z.re, z.im);
  }
}
struct AbsComplex : Formula<0> {
  template <class T> FL_FN T f(Complex<T> z) { return modulus(z); }
};
struct RealPart : Formula<0> {
  template <class T> FL_FN T f(Complex<T> z) { return z.re; }
};
struct ImagPart : Formula<0> {
  template <class T> FL_FN T f(Complex<T> z) { return z.im; }
};
struct Conj : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> z) { return {z.re, -z.im}; }
};
struct SgnComplex : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> z) {
    T r = modulus(z);
    return r == T(0) ? Complex<T>(0, 0) : Complex<T>(z.re / r, z.im / r);
  }
};
struct ReciprocalComplex : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> z) { return Complex<T>(1, 0) / z; }
};
struct NonZeroComplex : Formula<0> {
  template <class T>
  FL_FN bool f(Complex<T> z) {
    return (z.re != 0) | (z.im != 0);
  }
};
struct IsZeroComplex : Formula<0> {
  template <class T>
  FL_FN bool f(Complex<T> z) {
    return (z.re == 0) & (z.im == 0);
  }
};
struct IsNanComplex : Formula<0> {
  template <class T> FL_FN bool f(Complex<T> z) { return (z.re != z.re) | (z.im != z.im); }
};
struct IsInfComplex : Formula<0> {
  template <class T> FL_FN bool f(Complex<T> z) { return (abs(z.re) == kInfinity<T>) | (abs(z.im) == kInfinity<T>); }
};
struct IsFiniteComplex : Formula<0> {
  template <class T> FL_FN bool f(Complex<T> z) { return (abs(z.re) < kInfinity<T>)&(abs(z.im) < kInfinity<T>); }
};
struct TanhGradComplex : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> g, Complex<T> y) { return g * Conj::f(Complex<T>(1, 0) - y * y); }
};
struct SigmoidGradComplex : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> g, Complex<T> y) { return g * Conj::f((Complex<T>(1, 0) - y) * y); }
};
struct AbsGradComplex : Formula<0> {
  template <class T> FL_FN Complex<T> f(Complex<T> g, Complex<T> z) { return g * SgnComplex::f(z); }
};
struct LerpScalarComplex : Formula<1> {
  template <class T> FL_FN Complex<T> f(Complex<T> a, Complex<T> b, Complex<T> w) {
    return modulus(w) < T(0.5) ? a + w * (b - a) : b - (b - a) * (Complex<T>(1, 0) - w);
  }
};
struct LerpComplex : Formula<0> {
  template <class T>
  FL_FN Complex<T> f(Complex<T> a, Complex<T> b, Complex<T> w) {
    return LerpScalarComplex::f(a, b, w);
  }
};
template <class Op> struct Boolean2 : Formula<0> {  // a logical operator of complex operands
  template <class T>
  FL_FN bool f(Complex<T> a, Complex<T> b) {
    return Op::f(NonZeroComplex::f(a), NonZeroComplex::f(b));
  }
};

template <class Op, class T> consteval Row to_real(DType t) { return row(t, plain_loop<Op, Complex<T>, T, 1>); }
template <class Op> consteval Row complex_to_real() {
  return to_real<Op, float>(DType::Complex64) | to_real<Op, double>(DType::Complex128);
}

}  // namespace fl::cpu::FL_ISA
