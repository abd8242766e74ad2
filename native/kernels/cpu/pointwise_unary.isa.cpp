// Unary operators that are cheap: signs, rounding, tests, clamping.
#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {
namespace {

struct LogicalNotByte : Formula<0> {
  template <class V> FL_FN V f(V x) { return V(x ^ Elem<V>(1)); }
};
template <bool value> struct Always : Formula<0> {
  template <class V> FL_FN bool f(V) { return value; }
};
struct SignbitFloat : Formula<0> {
  FL_FN bool f(float x) { return __builtin_bit_cast(uint32_t, x) >> 31; }
  FL_FN bool f(double x) { return __builtin_bit_cast(uint64_t, x) >> 63; }
};

template <class T>
void nan_to_num_complex(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  const T* p = (const T*)params;
  for (int64_t i = 0; i < n; i++) {
    Complex<T> z = *(const Complex<T>*)(ptrs[1] + i * strides[1]);
    *(Complex<T>*)(ptrs[0] + i * strides[0]) = {NanToNum::f(z.re, p[0], p[1], p[2]),
                                                NanToNum::f(z.im, p[0], p[1], p[2])};
  }
}

template <bool value> consteval Row constant_test() {  // of integers, e.g. IsNan: never
  using A = Always<value>;
  return plain_integers<A, 1, bool>() | plain_bool<A, 1, bool>();
}

}  // namespace

const Row unary_Neg = vector_floats<Neg, 1>() | vector_wrapping<Neg, 1>() | plain_complex<Neg, 1>();
const Row unary_Abs = vector_floats<Abs, 1>() | vector_signed<Abs, 1>() | vector_unsigned<Positive, 1>() |
                      vector_bool<Positive, 1>() | complex_to_real<AbsComplex>();
const Row unary_Sign = vector_floats<Sign, 1>() | vector_signed<Sign, 1>() | vector_unsigned<Sign, 1>() |
                       vector_bool<Positive, 1>();
const Row unary_Sgn = vector_floats<Sign, 1>() | vector_signed<Sign, 1>() | vector_unsigned<Sign, 1>() |
                      vector_bool<Positive, 1>() | plain_complex<SgnComplex, 1>();
const Row unary_Positive = vector_floats<Positive, 1>() | vector_wrapping<Positive, 1>() | vector_bool<Positive, 1>() |
                           plain_complex<Positive, 1>();
const Row unary_Reciprocal = vector_floats<Reciprocal, 1>() | plain_complex<ReciprocalComplex, 1>();
const Row unary_Sqrt = vector_floats<Sqrt, 1>() | FL_COMPLEX_ROW(Sqrt);
const Row unary_Rsqrt = vector_floats<Rsqrt, 1>() | FL_COMPLEX_ROW(Rsqrt);
const Row unary_Square = vector_floats<Square, 1>() | vector_wrapping<Square, 1>() | vector_bool<Positive, 1>() |
                         plain_complex<Square, 1>();
const Row unary_Floor = vector_floats<Floor, 1>() | vector_wrapping<Positive, 1>();
const Row unary_Ceil = vector_floats<Ceil, 1>() | vector_wrapping<Positive, 1>();
const Row unary_Round = vector_floats<Round, 1>() | vector_wrapping<Positive, 1>();
const Row unary_Trunc = vector_floats<Trunc, 1>() | vector_wrapping<Positive, 1>();
const Row unary_Frac = vector_floats<Frac, 1>();
const Row unary_BitwiseNot = vector_wrapping<BitwiseNot, 1>() | vector_bool<LogicalNotByte, 1>();
const Row unary_Conj = vector_floats<Positive, 1>() | vector_wrapping<Positive, 1>() | vector_bool<Positive, 1>() |
                       plain_complex<Conj, 1>();
const Row unary_Deg2rad = vector_floats<Deg2rad, 1>();
const Row unary_Rad2deg = vector_floats<Rad2deg, 1>();

const Row unary_LogicalNot = plain_floats<LogicalNot, 1, bool>() | plain_integers<LogicalNot, 1, bool>() |
                             vector_bool<LogicalNotByte, 1>() | plain_complex<IsZeroComplex, 1, bool>();
const Row unary_NonZero = plain_floats<NonZero, 1, bool>() | plain_integers<NonZero, 1, bool>() |
                          vector_bool<Positive, 1>() | plain_complex<NonZeroComplex, 1, bool>();
const Row unary_IsNan =
    plain_floats<IsNan, 1, bool>() | plain_complex<IsNanComplex, 1, bool>() | constant_test<false>();
const Row unary_IsInf =
    plain_floats<IsInf, 1, bool>() | plain_complex<IsInfComplex, 1, bool>() | constant_test<false>();
const Row unary_IsFinite =
    plain_floats<IsFinite, 1, bool>() | plain_complex<IsFiniteComplex, 1, bool>() | constant_test<true>();
const Row unary_IsPosInf = plain_floats<IsPosInf, 1, bool>() | constant_test<false>();
const Row unary_IsNegInf = plain_floats<IsNegInf, 1, bool>() | constant_test<false>();
const Row unary_Signbit = plain_floats<SignbitFloat, 1, bool>() | plain_integers<IsNegative, 1, bool>() |
                          plain_bool<Always<false>, 1, bool>();

const Row unary_Angle = vector_floats<AngleReal, 1>() | FL_COMPLEX_ROW(Angle);
const Row unary_Real = vector_floats<Positive, 1>() | complex_to_real<RealPart>();
const Row unary_Imag = complex_to_real<ImagPart>();

const Row unary_LeakyRelu = vector_floats<LeakyRelu, 1>();
const Row unary_Hardshrink = vector_floats<Hardshrink, 1>();
const Row unary_Softshrink = vector_floats<Softshrink, 1>();
const Row unary_Threshold = vector_floats<Threshold, 1>() | vector_integers<Threshold, 1>();
const Row unary_ClampScalar =
    vector_floats<ClampScalar, 1>() | vector_integers<ClampScalar, 1>() | vector_bool<ClampScalar, 1>();
const Row unary_ClampMin = vector_floats<ClampMin, 1>() | vector_integers<ClampMin, 1>() | vector_bool<ClampMin, 1>();
const Row unary_ClampMax = vector_floats<ClampMax, 1>() | vector_integers<ClampMax, 1>() | vector_bool<ClampMax, 1>();
const Row unary_Relu = vector_floats<Relu, 1>() | vector_signed<Relu, 1>() | vector_unsigned<Positive, 1>();
const Row unary_Hardswish = vector_floats<Hardswish, 1>();
const Row unary_Hardsigmoid = vector_floats<Hardsigmoid, 1>();
const Row unary_NanToNum = vector_floats<NanToNum, 1>() | row(DType::Complex64, nan_to_num_complex<float>) |
                           row(DType::Complex128, nan_to_num_complex<double>);
const Row unary_RoundDecimals = vector_floats<RoundDecimals, 1>();

}  // namespace fl::cpu::FL_ISA
