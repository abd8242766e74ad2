// What the elementwise operators compute: one struct a formula, with a static f that takes the operands and then the
// parameters. f is a template over a scalar or a SIMD vector of floats, doubles or integers. The includer provides,
// before this file: the namespace (FL_FORMULAS), FL_FN (how functions are declared), Elem<V>, splat<V>, sel(mask, a,
// b), and the maths functions called here (exp, tanh, ...), so that the text serves processors and accelerators
// alike.
#pragma once

namespace FL_FORMULAS {

template <int N> struct Formula {
  static constexpr int kParams = N;
};

#define FL_UNARY(Name, ...)               \
  struct Name : Formula<0> {              \
    template <class V> FL_FN V f(V x) {   \
      using E [[maybe_unused]] = Elem<V>; \
      __VA_ARGS__                         \
    }                                     \
  };
#define FL_BINARY(Name, ...)                 \
  struct Name : Formula<0> {                 \
    template <class V> FL_FN V f(V a, V b) { \
      using E [[maybe_unused]] = Elem<V>;    \
      __VA_ARGS__                            \
    }                                        \
  };
#define FL_TERNARY(Name, ...)                                   \
  struct Name : Formula<0> {                                    \
    template <class V> FL_FN V f(V a, V b, V c) { __VA_ARGS__ } \
  };
// with parameters: the argument list is given
#define FL_FORMULA(Name, params, args, ...) \
  struct Name : Formula<params> {           \
    template <class V> FL_FN V f args {     \
      using E [[maybe_unused]] = Elem<V>;   \
      __VA_ARGS__                           \
    }                                       \
  };
// to Bool: f returns a mask (of a vector) or bool
#define FL_TEST1(Name, ...)                              \
  struct Name : Formula<0> {                             \
    template <class V> FL_FN auto f(V x) { __VA_ARGS__ } \
  };
#define FL_TEST2(Name, ...)                                   \
  struct Name : Formula<0> {                                  \
    template <class V> FL_FN auto f(V a, V b) { __VA_ARGS__ } \
  };

// ---- signs, rounding, powers --------------------------------------------------------------------

FL_UNARY(Neg, return V(-x);)
FL_UNARY(Abs, if constexpr (E(-1) > E(0)) return x; else if constexpr (E(0.5) == E(0)) return sel(x < E(0), V(-x), x);
         else return abs(x);)
FL_UNARY(Sign, return sel(x > E(0), splat<V>(E(1)), sel(x < E(0), splat<V>(E(-1)), splat<V>(E(0))));)
FL_UNARY(Positive, return x;)
FL_UNARY(Reciprocal, return E(1) / x;)
FL_UNARY(Sqrt, return sqrt(x);)
FL_UNARY(Rsqrt, return E(1) / sqrt(x);)
FL_UNARY(Square, return V(x * x);)
FL_UNARY(Cube, return V(x * x * x);)
FL_UNARY(InverseSquare, return E(1) / (x * x);)
FL_UNARY(One, return splat<V>(E(1));)
FL_UNARY(Floor, return floor(x);)
FL_UNARY(Ceil, return ceil(x);)
FL_UNARY(Round, return rint(x);)
FL_UNARY(Trunc, return trunc(x);)
FL_UNARY(Frac, return x - trunc(x);)
FL_UNARY(BitwiseNot, return V(~x);)
FL_UNARY(Deg2rad, return x * E(0.017453292519943295);)
FL_UNARY(Rad2deg, return x * E(57.29577951308232);)
FL_UNARY(AngleReal, return sel(x != x, x, sel(x < E(0), splat<V>(E(3.141592653589793)), splat<V>(E(0))));)
FL_FORMULA(RoundDecimals, 2, (V x, V p, V negative),
           return sel(negative != E(0), rint(x / p) * p, rint(x* p) / p);)
FL_FORMULA(NanToNum, 3, (V x, V nan, V high, V low),
           return sel(x != x, nan, sel(x == E(kInfinity<E>), high, sel(x == -E(kInfinity<E>), low, x)));)

// ---- exponential family -------------------------------------------------------------------------

FL_UNARY(Exp, return exp(x);)
FL_UNARY(Exp2, return exp2(x);)
FL_UNARY(Expm1, return expm1(x);)
FL_UNARY(Log, return log(x);)
FL_UNARY(Log2, return log2(x);)
FL_UNARY(Log10, return log10(x);)
FL_UNARY(Log1p, return log1p(x);)
FL_UNARY(Sin, return sin(x);)
FL_UNARY(Cos, return cos(x);)
FL_UNARY(Tan, return tan(x);)
FL_UNARY(Asin, return asin(x);)
FL_UNARY(Acos, return acos(x);)
FL_UNARY(Atan, return atan(x);)
FL_UNARY(Sinh, return sinh(x);)
FL_UNARY(Cosh, return cosh(x);)
FL_UNARY(Tanh, return tanh(x);)
FL_UNARY(Asinh, return asinh(x);)
FL_UNARY(Acosh, return acosh(x);)
FL_UNARY(Atanh, return atanh(x);)
FL_UNARY(Erf, return erf(x);)
FL_UNARY(Erfinv, return erfinv(x);)
FL_UNARY(Sigmoid, return sigmoid(x);)
FL_BINARY(Atan2, return atan2(a, b);)
FL_BINARY(Pow, return pow(a, b);)
FL_FORMULA(PowScalar, 1, (V x, V e), return pow(x, e);)
FL_BINARY(Hypot, return hypot(a, b);)
FL_FORMULA(Logit, 1, (V x, V eps),
           V high = E(1) - eps, z = sel(x < eps, eps, sel(x > high, high, x));
           z = sel(eps < E(0), x, z);
           return log(z / (E(1) - z));)
FL_BINARY(Logaddexp, V m = sel((b > a) | (b != b), b, a), d = abs(a - b);
          return sel((a == b) & (abs(a) == E(kInfinity<E>)), a, m + log1p(exp(-d)));)
FL_BINARY(Logaddexp2, V m = sel((b > a) | (b != b), b, a), d = abs(a - b);
          return sel((a == b) & (abs(a) == E(kInfinity<E>)), a, m + log1p(exp2(-d)) * E(1.4426950408889634));)
FL_BINARY(Xlogy, V y = a * log(b); return sel(b != b, b, sel(a == E(0), splat<V>(E(0)), y));)
FL_BINARY(Xlog1py, V y = a * log1p(b); return sel(b != b, b, sel(a == E(0), splat<V>(E(0)), y));)

// ---- activations and their gradients ------------------------------------------------------------

FL_UNARY(Relu, return sel(x < E(0), splat<V>(E(0)), x);)
FL_UNARY(Silu, return x * sigmoid(x);)
FL_UNARY(Gelu, V density; return x * normal_cdf(x, density);)
FL_UNARY(GeluTanh,  // x/2 (1 + tanh z) = x sigmoid(2 z)
         return x * sigmoid((x + x * x * x * E(0.044715)) * E(1.5957691216057308));)
FL_UNARY(Mish,  // tanh(log(1 + e^x)) = e^x (e^x + 2) / (e^x (e^x + 2) + 2)
         V e = exp(sel(x > E(40), splat<V>(E(40)), x)), n = e * (e + E(2));
         return x * (n / (n + E(2)));)
FL_UNARY(LogSigmoid, return sel(x > E(0), splat<V>(E(0)), x) - log1p(exp(-abs(x)));)
template <class V> FL_FN V relu6(V x) {
  using E = Elem<V>;
  x = sel(x < E(0), splat<V>(E(0)), x);
  return sel(x > E(6), splat<V>(E(6)), x);
}
FL_UNARY(Hardswish, return x * relu6(x + E(3)) / E(6);)
FL_UNARY(Hardsigmoid, return relu6(x + E(3)) / E(6);)
FL_UNARY(Selu, return sel(x > E(0), x* E(1.0507009873554804934), expm1(x) * E(1.7580993408473768600));)
FL_FORMULA(LeakyRelu, 1, (V x, V slope), return sel(x > E(0), x, x* slope);)
FL_FORMULA(Elu, 3, (V x, V alpha, V scale, V input_scale),
           return sel(x > E(0), x* scale, expm1(x* input_scale) * (alpha * scale));)
FL_FORMULA(Softplus, 2, (V x, V beta, V threshold),
           V z = x * beta;
           return sel(z > threshold, x, log1p(exp(z)) / beta);)
FL_FORMULA(Hardshrink, 1, (V x, V lambda), return sel((x >= -lambda) & (x <= lambda), splat<V>(E(0)), x);)
FL_FORMULA(Softshrink, 1, (V x, V lambda),
           return sel(x > lambda, x - lambda, sel(x < -lambda, x + lambda, sel(x != x, x, splat<V>(E(0)))));)
FL_FORMULA(Threshold, 2, (V x, V threshold, V value), return sel(x <= threshold, value, x);)

FL_BINARY(TanhGrad, return a * (E(1) - b * b);)
FL_BINARY(SigmoidGrad, return a * (E(1) - b) * b;)
FL_BINARY(ReluGrad, return sel(b <= E(0), splat<V>(E(0)), a);)
FL_BINARY(SiluGrad, V s = sigmoid(b); return a * s * (E(1) + b * (E(1) - s));)
FL_BINARY(GeluGrad, V density, p = normal_cdf(b, density); return a * (p + b * density * E(0.3989422804014327));)
FL_BINARY(GeluTanhGrad,  // with s = sigmoid(2 z): s + 2 b s (1 - s) z'
          V u = b * b, s = sigmoid((b + b * u * E(0.044715)) * E(1.5957691216057308));
          V slope = (E(1) + u * E(0.134145)) * E(1.5957691216057308); return a * (s + b * s * (E(1) - s) * slope);)
FL_BINARY(MishGrad,
          V e = exp(sel(b > E(40), splat<V>(E(40)), b)), n = e * (e + E(2)), t = n / (n + E(2)), s = sigmoid(b);
          return a * (t + b * s * (E(1) - t * t));)
FL_BINARY(HardswishGrad,
          return sel(b <= E(-3), splat<V>(E(0)), sel(b >= E(3), a, a*(b / E(3) + E(0.5))));)
FL_BINARY(HardsigmoidGrad, return sel((b > E(-3)) & (b < E(3)), a / E(6), splat<V>(E(0)));)
FL_BINARY(LogSigmoidGrad, return a * sigmoid(-b);)
FL_BINARY(AbsGrad, return a * Sign::f(b);)
FL_FORMULA(LeakyReluGrad, 1, (V a, V b, V slope), return sel(b > E(0), a, a* slope);)
FL_FORMULA(EluGrad, 3, (V a, V b, V alpha, V scale, V input_scale),
           return sel(b > E(0), a* scale, a*(input_scale * alpha * scale) * exp(b * input_scale));)
FL_FORMULA(SoftplusGrad, 2, (V a, V b, V beta, V threshold),
           V z = b * beta;
           return sel(z > threshold, a, a* sigmoid(z));)
FL_FORMULA(HardtanhGrad, 2, (V a, V b, V low, V high), return sel((b <= low) | (b >= high), splat<V>(E(0)), a);)
FL_FORMULA(ThresholdGrad, 1, (V a, V b, V threshold), return sel(b <= threshold, splat<V>(E(0)), a);)
FL_FORMULA(ShrinkGrad, 1, (V a, V b, V lambda), return sel((b >= -lambda) & (b <= lambda), splat<V>(E(0)), a);)

// ---- arithmetic ---------------------------------------------------------------------------------

FL_BINARY(Add, return V(a + b);)
FL_BINARY(Sub, return V(a - b);)
FL_BINARY(RSub, return V(b - a);)
FL_BINARY(Mul, return V(a * b);)
FL_BINARY(Div, return a / b;)
FL_BINARY(TruncDivFloat, return trunc(a / b);)
FL_BINARY(FmodFloat, return fmod(a, b);)
// Python's rules: the remainder has the divisor's sign, the quotient is floor((a - remainder) / b) put right for
// rounding.
FL_BINARY(RemainderFloat, V r = fmod(a, b); return sel((r != E(0)) & ((b < E(0)) != (r < E(0))), r + b, r);)
FL_BINARY(FloorDivFloat,
          V r = fmod(a, b), q = (a - r) / b;
          q = sel((r != E(0)) & ((b < E(0)) != (r < E(0))), q - E(1), q);
          V w = floor(q); w = sel(q - w > E(0.5), w + E(1), w); w = sel(q == E(0), copysign(splat<V>(E(0)), a / b), w);
          return sel(b == E(0), a / b, w);)
FL_FORMULA(AddAlpha, 1, (V a, V b, V alpha), return V(a + alpha * b);)
FL_FORMULA(SubAlpha, 1, (V a, V b, V alpha), return V(a - alpha * b);)
FL_FORMULA(LerpScalar, 1, (V a, V b, V w),
           return sel(abs(w) < E(0.5), a + w * (b - a), b - (b - a) * (E(1) - w));)
FL_TERNARY(Lerp, return LerpScalar::f(a, b, c);)
FL_TERNARY(Fma, return V(a * b + c);)
FL_FORMULA(Addcmul, 1, (V x, V a, V b, V value), return V(x + value * a * b);)
FL_FORMULA(Addcdiv, 1, (V x, V a, V b, V value), return x + value * a / b;)
FL_FORMULA(MseGrad, 1, (V g, V x, V y, V scale), return scale * (x - y) * g;)
// NaN propagates; of equal operands the first.
FL_BINARY(Maximum, return sel((b > a) | (b != b), b, a);)
FL_BINARY(Minimum, return sel((b < a) | (b != b), b, a);)
FL_BINARY(Fmax, return sel((b > a) | (a != a), b, a);)
FL_BINARY(Fmin, return sel((b < a) | (a != a), b, a);)
FL_TERNARY(ClampTensor, return Minimum::f(Maximum::f(a, b), c);)
FL_FORMULA(ClampScalar, 2, (V x, V low, V high), return Minimum::f(Maximum::f(x, low), high);)
FL_FORMULA(ClampMin, 1, (V x, V low), return Maximum::f(x, low);)
FL_FORMULA(ClampMax, 1, (V x, V high), return Minimum::f(x, high);)
FL_BINARY(Copysign, return copysign(a, b);)
FL_BINARY(Heaviside, return sel(a == E(0), b, sel(a > E(0), splat<V>(E(1)), splat<V>(E(0))));)
FL_BINARY(BitAnd, return V(a & b);)
FL_BINARY(BitOr, return V(a | b);)
FL_BINARY(BitXor, return V(a ^ b);)
FL_FORMULA(AddAlphaBool, 1, (V a, V b, V alpha), return V(a | (alpha & b));)

// ---- tests --------------------------------------------------------------------------------------

FL_TEST1(LogicalNot, return x == Elem<V>(0);)
FL_TEST1(NonZero, return x != Elem<V>(0);)
FL_TEST1(IsNan, return x != x;)
FL_TEST1(IsInf, return abs(x) == Elem<V>(kInfinity<Elem<V>>);)
FL_TEST1(IsFinite, return abs(x) < Elem<V>(kInfinity<Elem<V>>);)
FL_TEST1(IsPosInf, return x == Elem<V>(kInfinity<Elem<V>>);)
FL_TEST1(IsNegInf, return x == -Elem<V>(kInfinity<Elem<V>>);)
FL_TEST1(IsNegative, return x < Elem<V>(0);)
FL_TEST2(Eq, return a == b;)
FL_TEST2(Ne, return a != b;)
FL_TEST2(Lt, return a < b;)
FL_TEST2(Le, return a <= b;)
FL_TEST2(Gt, return a > b;)
FL_TEST2(Ge, return a >= b;)
FL_TEST2(LogicalAnd, return (a != Elem<V>(0)) & (b != Elem<V>(0));)
FL_TEST2(LogicalOr, return (a != Elem<V>(0)) | (b != Elem<V>(0));)
FL_TEST2(LogicalXor, return (a != Elem<V>(0)) != (b != Elem<V>(0));)

}  // namespace FL_FORMULAS
