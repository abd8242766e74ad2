// Loops of the functions of complex analysis, over the C library's: the rows of the pointwise tables refer to them.
#include <cmath>

#include "kernels/cpu/pointwise.h"

namespace fl::cpu {
namespace {

typedef _Complex double Z;
Z make(double re, double im) {
  Z z;
  __real__ z = re;
  __imag__ z = im;
  return z;
}
double re(Z z) { return __real__ z; }
double im(Z z) { return __imag__ z; }
constexpr double kLog2 = 0.69314718055994530942, kLog10 = 2.30258509299404568402;

// exp(z) - 1 without cancellation: exp(a) cos b - 1 = expm1(a) cos b - 2 sin^2(b/2)
Z expm1_complex(Z z) {
  double s = std::sin(im(z) / 2);
  return make(std::expm1(re(z)) * std::cos(im(z)) - 2 * s * s, std::exp(re(z)) * std::sin(im(z)));
}
// log(1 + z), with |1 + z|^2 - 1 = a (2 + a) + b^2 near the origin
Z log1p_complex(Z z) {
  double a = re(z), b = im(z);
  if (std::fabs(a) < 0.5 && std::fabs(b) < 0.5)
    return make(0.5 * std::log1p(a * (2 + a) + b * b), std::atan2(b, 1 + a));
  return __builtin_clog(make(1 + a, b));
}
Z reciprocal(Z z) {
  Complex<double> r = Complex<double>(1, 0) / Complex<double>(re(z), im(z));
  return make(r.re, r.im);
}
Z sigmoid_complex(Z z) { return reciprocal(1.0 + __builtin_cexp(-z)); }
Z pow_complex(Z a, Z b) {
  if (im(b) == 0) {  // whole and half powers exactly
    double e = re(b);
    if (e == 0) return make(1, 0);
    if (e == 1) return a;
    if (e == 2) return make(re(a) * re(a) - im(a) * im(a), 2 * re(a) * im(a));
    if (e == 3) {
      double x = re(a), y = im(a);
      return make(x * (x * x - 3 * y * y), y * (3 * x * x - y * y));
    }
    if (e == -1) return reciprocal(a);
    if (e == 0.5) return __builtin_csqrt(a);
    if (re(a) == 0 && im(a) == 0 && e > 0) return make(0, 0);
  }
  return __builtin_cpow(a, b);
}
// log(exp(a) + exp(b)), from the operand with the larger real part
Z logaddexp_complex(Z a, Z b) {
  Z m = re(a) >= re(b) ? a : b, l = re(a) >= re(b) ? b : a;
  if (std::isinf(re(m)) && re(m) == re(l))
    return re(m) > 0 ? __builtin_clog(__builtin_cexp(make(0, im(a))) + __builtin_cexp(make(0, im(b)))) + make(re(m), 0)
                     : m;
  return m + log1p_complex(__builtin_cexp(l - m));
}

template <class T> Z load(const char* p) {
  const Complex<T>& z = *(const Complex<T>*)p;
  return make(z.re, z.im);
}
template <class T> void store(char* p, Z z) { *(Complex<T>*)p = {T(re(z)), T(im(z))}; }

template <class T, class F> void loop1(int64_t n, char* const* ptrs, const int64_t* strides, F f) {
  for (int64_t i = 0; i < n; i++) store<T>(ptrs[0] + i * strides[0], f(load<T>(ptrs[1] + i * strides[1])));
}
template <class T, class F> void loop2(int64_t n, char* const* ptrs, const int64_t* strides, F f) {
  for (int64_t i = 0; i < n; i++)
    store<T>(ptrs[0] + i * strides[0], f(load<T>(ptrs[1] + i * strides[1]), load<T>(ptrs[2] + i * strides[2])));
}

}  // namespace

#define FL_LOOP(name, T, bits, ...)                                                                                     \
  void complex##bits##_##name(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) { __VA_ARGS__ }
#define FL_LOOPS1(name, expression)                                    \
  FL_LOOP(name, float, 64, loop1<float>(n, ptrs, strides, [](Z z) {    \
            return expression;                                         \
          });)                                                         \
  FL_LOOP(name, double, 128, loop1<double>(n, ptrs, strides, [](Z z) { \
            return expression;                                         \
          });)
#define FL_LOOPS2(name, expression)                                         \
  FL_LOOP(name, float, 64, loop2<float>(n, ptrs, strides, [](Z a, Z b) {    \
            return expression;                                              \
          });)                                                              \
  FL_LOOP(name, double, 128, loop2<double>(n, ptrs, strides, [](Z a, Z b) { \
            return expression;                                              \
          });)

FL_LOOPS1(Sqrt, __builtin_csqrt(z))
FL_LOOPS1(Rsqrt, reciprocal(__builtin_csqrt(z)))
FL_LOOPS1(Exp, __builtin_cexp(z))
FL_LOOPS1(Exp2, __builtin_cexp(z* kLog2))
FL_LOOPS1(Expm1, expm1_complex(z))
FL_LOOPS1(Log, __builtin_clog(z))
FL_LOOPS1(Log2, __builtin_clog(z) / kLog2)
FL_LOOPS1(Log10, __builtin_clog(z) / kLog10)
FL_LOOPS1(Log1p, log1p_complex(z))
FL_LOOPS1(Sin, __builtin_csin(z))
FL_LOOPS1(Cos, __builtin_ccos(z))
FL_LOOPS1(Tan, __builtin_ctan(z))
FL_LOOPS1(Asin, __builtin_casin(z))
FL_LOOPS1(Acos, __builtin_cacos(z))
FL_LOOPS1(Atan, __builtin_catan(z))
FL_LOOPS1(Sinh, __builtin_csinh(z))
FL_LOOPS1(Cosh, __builtin_ccosh(z))
FL_LOOPS1(Tanh, __builtin_ctanh(z))
FL_LOOPS1(Asinh, __builtin_casinh(z))
FL_LOOPS1(Acosh, __builtin_cacosh(z))
FL_LOOPS1(Atanh, __builtin_catanh(z))
FL_LOOPS1(Sigmoid, sigmoid_complex(z))
FL_LOOPS1(Silu, z* sigmoid_complex(z))
FL_LOOPS2(Pow, pow_complex(a, b))
FL_LOOPS2(Logaddexp, logaddexp_complex(a, b))

template <class T> static void pow_scalar(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  Z e = load<T>((const char*)params);
  loop1<T>(n, ptrs, strides, [e](Z z) {
    return pow_complex(z, e);
  });
}
FL_LOOP(PowScalar, float, 64, pow_scalar<float>(n, ptrs, strides, params);)
FL_LOOP(PowScalar, double, 128, pow_scalar<double>(n, ptrs, strides, params);)

template <class T> static void angle(int64_t n, char* const* ptrs, const int64_t* strides) {
  for (int64_t i = 0; i < n; i++) {
    Complex<T> z = *(const Complex<T>*)(ptrs[1] + i * strides[1]);
    *(T*)(ptrs[0] + i * strides[0]) = std::atan2(z.im, z.re);
  }
}
FL_LOOP(Angle, float, 64, angle<float>(n, ptrs, strides);)
FL_LOOP(Angle, double, 128, angle<double>(n, ptrs, strides);)

}  // namespace fl::cpu
