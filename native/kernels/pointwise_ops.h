// The elementwise operators: their complete lists, as X macros. An entry of a list is
//   X(Name, Result, ns)    Result: Same = the input's dtype, Bool, or Real = real_type(input)
//                          ns:     rough cost per float32 element on one core, for splitting work over threads
// Parameters of an operator, if any, follow in its comment: consecutive scalars of the loop's dtype T.
#pragma once

// clang-format off
#define FL_UNARY_CORE_OPS(X)                                                                                        \
  X(Neg, Same, 0.1) X(Abs, Real, 0.1) X(Sign, Same, 0.1) X(Sgn, Same, 0.1) X(Positive, Same, 0.1)                   \
  X(Reciprocal, Same, 0.2) X(Sqrt, Same, 0.1) X(Rsqrt, Same, 0.4) X(Square, Same, 0.1) X(Exp, Same, 0.3)            \
  X(Exp2, Same, 0.3) X(Expm1, Same, 0.3) X(Log, Same, 0.4) X(Log2, Same, 0.4) X(Log10, Same, 0.4)                   \
  X(Log1p, Same, 0.4) X(Sin, Same, 0.5) X(Cos, Same, 0.5) X(Tan, Same, 0.6) X(Asin, Same, 0.3) X(Acos, Same, 0.3)   \
  X(Atan, Same, 0.3) X(Sinh, Same, 0.6) X(Cosh, Same, 0.8) X(Tanh, Same, 0.3) X(Asinh, Same, 1.2)                   \
  X(Acosh, Same, 1) X(Atanh, Same, 0.7) X(Sigmoid, Same, 0.4) X(Erf, Same, 0.4) X(Erfinv, Same, 1)                  \
  X(Floor, Same, 0.1)                                                                                               \
  X(Ceil, Same, 0.1) X(Round, Same, 0.1) X(Trunc, Same, 0.1) X(Frac, Same, 0.1) X(Relu, Same, 0.1)                  \
  X(Silu, Same, 0.5) X(Gelu, Same, 0.4) X(GeluTanh, Same, 0.5) X(Mish, Same, 0.8) X(LogSigmoid, Same, 0.8)          \
  X(Hardswish, Same, 0.1) X(Hardsigmoid, Same, 0.1) X(Selu, Same, 0.5) X(BitwiseNot, Same, 0.1) X(Conj, Same, 0.1)  \
  X(Deg2rad, Same, 0.1) X(Rad2deg, Same, 0.1)                                                                       \
  /* to Bool */                                                                                                     \
  X(LogicalNot, Bool, 0.1) X(NonZero, Bool, 0.1) X(IsNan, Bool, 0.1) X(IsInf, Bool, 0.1) X(IsFinite, Bool, 0.1)     \
  X(IsPosInf, Bool, 0.1) X(IsNegInf, Bool, 0.1) X(Signbit, Bool, 0.1)                                               \
  /* complex to real; Angle of real types too */                                                                    \
  X(Angle, Real, 1) X(Real, Real, 0.2) X(Imag, Real, 0.2)                                                           \
  /* with parameters */                                                                                             \
  X(LeakyRelu, Same, 0.1)       /* slope */                                                                         \
  X(Elu, Same, 0.5)             /* alpha, scale, input_scale: x > 0 ? scale x : scale alpha expm1(input_scale x) */ \
  X(Softplus, Same, 0.8)        /* beta, threshold */                                                               \
  X(Hardshrink, Same, 0.1)      /* lambda */                                                                        \
  X(Softshrink, Same, 0.1)      /* lambda */                                                                        \
  X(Threshold, Same, 0.1)       /* threshold, value: x <= threshold ? value : x */                                  \
  X(ClampScalar, Same, 0.1)     /* low, high; NaN in x, low or high propagates (also hardtanh) */                   \
  X(ClampMin, Same, 0.1)        /* low */                                                                           \
  X(ClampMax, Same, 0.1)        /* high */                                                                          \
  X(PowScalar, Same, 1.5)       /* exponent; 2, 3, 0.5, -0.5, -1, -2 ... are fast. Integers: exponent >= 0 */       \
  X(NanToNum, Same, 0.1)        /* nan, posinf, neginf (real T also for complex) */                                 \
  X(RoundDecimals, Same, 0.3)   /* p = 10^|d|, negative (0 or 1): round(x p) / p, or round(x / p) p */              \
  X(Logit, Same, 0.8)           /* eps; eps < 0: no clamping */
// clang-format on

// Special functions
// clang-format off
#define FL_UNARY_SPECIAL_OPS(X)                                                                                 \
  X(Erfc, Same, 8) X(Lgamma, Same, 20) X(Digamma, Same, 15) X(Sinc, Same, 6) X(I0, Same, 5)  \
  X(I0e, Same, 5) X(I1, Same, 5) X(I1e, Same, 5) X(Ndtr, Same, 8) X(Ndtri, Same, 15) X(LogNdtr, Same, 20)       \
  X(Entr, Same, 6) X(Erfcx, Same, 8) X(BesselJ0, Same, 15) X(BesselJ1, Same, 15) X(BesselY0, Same, 20)          \
  X(BesselY1, Same, 20) X(ModifiedBesselI0, Same, 8) X(ModifiedBesselI1, Same, 8) X(ModifiedBesselK0, Same, 12) \
  X(ModifiedBesselK1, Same, 12) X(ScaledModifiedBesselK0, Same, 12) X(ScaledModifiedBesselK1, Same, 12)         \
  X(SphericalBesselJ0, Same, 6) X(AiryAi, Same, 30)                                                             \
  X(Polygamma, Same, 30)        /* n as T, a whole number >= 0 */
// clang-format on

#define FL_UNARY_OPS(X) FL_UNARY_CORE_OPS(X) FL_UNARY_SPECIAL_OPS(X)

// clang-format off
#define FL_BINARY_CORE_OPS(X)                                                                                                \
  X(Add, Same, 0.15) X(Sub, Same, 0.15) X(Mul, Same, 0.15) X(Div, Same, 0.2) X(RSub, Same, 0.15)                             \
  X(AddAlpha, Same, 0.15)       /* alpha: a + alpha b */                                                                     \
  X(SubAlpha, Same, 0.15)       /* alpha: a - alpha b */                                                                     \
  X(FloorDiv, Same, 1) X(TruncDiv, Same, 0.5) X(Remainder, Same, 0.8) X(Fmod, Same, 0.7) X(Pow, Same, 1.5)                   \
  X(Atan2, Same, 0.6) X(Maximum, Same, 0.15) X(Minimum, Same, 0.15) X(Fmax, Same, 0.15) X(Fmin, Same, 0.15)                  \
  X(Hypot, Same, 0.3) X(Copysign, Same, 0.15) X(Nextafter, Same, 1) X(Logaddexp, Same, 1) X(Logaddexp2, Same, 1)             \
  X(BitAnd, Same, 0.15) X(BitOr, Same, 0.15) X(BitXor, Same, 0.15) X(Shl, Same, 0.15) X(Shr, Same, 0.15)                     \
  X(Gcd, Same, 30) X(Lcm, Same, 30) X(Heaviside, Same, 0.15) X(Xlogy, Same, 0.6) X(Xlog1py, Same, 0.8)                       \
  X(LerpScalar, Same, 0.15)     /* weight: lerp(a, b, weight) */                                                             \
  /* to Bool */                                                                                                              \
  X(Eq, Bool, 0.15) X(Ne, Bool, 0.15) X(Lt, Bool, 0.15) X(Le, Bool, 0.15) X(Gt, Bool, 0.15) X(Ge, Bool, 0.15)                \
  X(LogicalAnd, Bool, 0.15) X(LogicalOr, Bool, 0.15)                                                                         \
  X(LogicalXor, Bool, 0.15)     /* gradients: first operand the incoming gradient g, second the saved result y or input x */ \
  X(TanhGrad, Same, 0.15)       /* (g, y): g conj(1 - y^2) */                                                                \
  X(SigmoidGrad, Same, 0.15)    /* (g, y): g conj((1 - y) y) */                                                              \
  X(ReluGrad, Same, 0.15)       /* (g, y): y > 0 ? g : 0, and g where y is NaN */                                            \
  X(SiluGrad, Same, 0.6) X(GeluGrad, Same, 0.5) X(GeluTanhGrad, Same, 0.7) X(MishGrad, Same, 1)                              \
  X(HardswishGrad, Same, 0.2) X(HardsigmoidGrad, Same, 0.2)                                                                  \
  X(LogSigmoidGrad, Same, 0.5)  /* all (g, x) */                                                                             \
  X(AbsGrad, Same, 0.2)         /* (g, x): g sgn(x) */                                                                       \
  X(LeakyReluGrad, Same, 0.15)  /* (g, x) slope */                                                                           \
  X(EluGrad, Same, 0.5)         /* (g, x) alpha, scale, input_scale */                                                       \
  X(SoftplusGrad, Same, 0.5)    /* (g, x) beta, threshold */                                                                 \
  X(HardtanhGrad, Same, 0.15)   /* (g, x) low, high: low < x < high ? g : 0 */                                               \
  X(ThresholdGrad, Same, 0.15)  /* (g, x) threshold: x <= threshold ? 0 : g */                                               \
  X(ShrinkGrad, Same, 0.15)     /* (g, x) lambda: -lambda <= x <= lambda ? 0 : g (hardshrink and softshrink) */
// clang-format on

// Special functions; the orthogonal polynomials take (x, n) with n as T.
// clang-format off
#define FL_BINARY_SPECIAL_OPS(X)                                                                                \
  X(Igamma, Same, 100) X(Igammac, Same, 100) X(Zeta, Same, 60) X(ChebyshevT, Same, 10) X(ChebyshevU, Same, 10)  \
  X(ChebyshevV, Same, 10) X(ChebyshevW, Same, 10) X(ShiftedChebyshevT, Same, 10) X(ShiftedChebyshevU, Same, 10) \
  X(ShiftedChebyshevV, Same, 10) X(ShiftedChebyshevW, Same, 10) X(HermiteH, Same, 10) X(HermiteHe, Same, 10)    \
  X(LaguerreL, Same, 10) X(LegendreP, Same, 10)
// clang-format on

#define FL_BINARY_OPS(X) FL_BINARY_CORE_OPS(X) FL_BINARY_SPECIAL_OPS(X)

// clang-format off
#define FL_TERNARY_OPS(X)                                                                                  \
  X(Where, Same, 0.2)           /* (condition Bool, a, b); indexed by the dtype of a and b, every dtype */ \
  X(ClampTensor, Same, 0.2)     /* (x, low, high) */                                                       \
  X(Lerp, Same, 0.2)            /* (a, b, weight) */                                                       \
  X(Addcmul, Same, 0.2)         /* (x, a, b) value: x + value a b */                                       \
  X(Addcdiv, Same, 0.25)        /* (x, a, b) value: x + value (a / b) */                                   \
  X(Fma, Same, 0.2)             /* (a, b, c): a b + c */                                                   \
  X(MseGrad, Same, 0.2)         /* (g, x, y) scale: scale g (x - y) */
// clang-format on
