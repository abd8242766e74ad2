// Unary elementwise operators: one line each, with the gradient in terms of g (incoming), x (the input) or y (the result).
#include "ops/elementwise.h"

namespace fl::ops {

namespace {
Tensor cj(const Tensor& t) { return conj_if(t); }
constexpr double kPi = 3.14159265358979323846;
}  // namespace

#define UNARY(NAME, OP, KIND, SAVE, GRADIENT, DOC)                                                        \
  static void NAME##_gradient(Grad& G) {                                                                  \
    const Tensor& g = G.grad();                                                                           \
    Tensor x = (SAVE) & kSaveSelf ? G.in(0) : Tensor(), y = (SAVE) & kSaveResult ? G.result() : Tensor(); \
    (void)g;                                                                                              \
    (void)x;                                                                                              \
    (void)y;                                                                                              \
    G.set(0, GRADIENT);                                                                                   \
  }                                                                                                       \
  Record NAME{{.schema = {#NAME "(Tensor self) -> Tensor"},                                               \
               .forward = [](Call& c) {                                                                   \
                 unary(c, cpu::Unary::OP, Kind::KIND);                                                    \
               },                                                                                         \
               .gradient = NAME##_gradient,                                                               \
               .save = SAVE,                                                                              \
               .flags = kAll | kElementwise | (Kind::KIND == Kind::Same ? kExactOut : 0),                 \
               .doc = DOC}};

#define SPECIAL(NAME, OP, SAVE, GRADIENT, DOC)                                                            \
  static void NAME##_gradient(Grad& G) {                                                                  \
    const Tensor& g = G.grad();                                                                           \
    Tensor x = (SAVE) & kSaveSelf ? G.in(0) : Tensor(), y = (SAVE) & kSaveResult ? G.result() : Tensor(); \
    (void)g;                                                                                              \
    (void)x;                                                                                              \
    (void)y;                                                                                              \
    G.set(0, GRADIENT);                                                                                   \
  }                                                                                                       \
  Record NAME{{.schema = {#NAME "(Tensor self) -> Tensor"},                                               \
               .forward = [](Call& c) {                                                                   \
                 unary(c, cpu::Unary::OP, Kind::Float);                                                   \
               },                                                                                         \
               .gradient = NAME##_gradient,                                                               \
               .save = SAVE,                                                                              \
               .flags = kFunction | kOut | kElementwise | kSpecial,                                       \
               .doc = DOC}};

Record neg{{.schema = {"neg(Tensor self) -> Tensor"},
            .forward = [](Call& c) {
              FL_CHECK(c.tensor(0).dtype() != DType::Bool,
                       "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
                       "use the `~` or `logical_not()` operator instead.");
              unary(c, cpu::Unary::Neg, Kind::Same);
            },
            .gradient = [](Grad& G) {
              G.set(0, -G.grad());
            },
            .flags = kAll | kElementwise | kExactOut,
            .doc = "The negative of each element."}};
UNARY(exp, Exp, Float, kSaveResult, g* cj(y), "e to the power of each element.")
UNARY(exp2, Exp2, Float, kSaveResult, g* cj(y) * 0.69314718055994530942, "2 to the power of each element.")
UNARY(expm1, Expm1, Float, kSaveResult, g* cj(y + 1), "exp(x) - 1, accurate near zero.")
UNARY(log, Log, Float, kSaveSelf, g / cj(x), "The natural logarithm.")
UNARY(log2, Log2, Float, kSaveSelf, g / cj(x * 0.69314718055994530942), "The logarithm to base 2.")
UNARY(log10, Log10, Float, kSaveSelf, g / cj(x * 2.30258509299404568402), "The logarithm to base 10.")
UNARY(log1p, Log1p, Float, kSaveSelf, g / cj(x + 1), "log(1 + x), accurate near zero.")
UNARY(sin, Sin, Float, kSaveSelf, g* cj(cos(x)), "The sine of angles in radians.")
UNARY(cos, Cos, Float, kSaveSelf, g* cj(-sin(x)), "The cosine of angles in radians.")
UNARY(tan, Tan, Float, kSaveResult, g* cj(y* y + 1), "The tangent of angles in radians.")
UNARY(sqrt, Sqrt, Float, kSaveResult, g / cj(y * 2), "The square root.")
UNARY(rsqrt, Rsqrt, Float, kSaveResult, g* cj(y * y * y * -0.5), "1 / sqrt(x).")
UNARY(reciprocal, Reciprocal, Float, kSaveResult, g* cj(-(y* y)), "1 / x.")
Record square{{.schema = {"square(Tensor self) -> Tensor"},
               .forward = [](Call& c) {
                 if (c.tensor(0).dtype() != DType::Bool) return unary(c, cpu::Unary::Square, Kind::Same);
                 binary(c, cpu::Binary::Mul, Kind::Same, c.arg(0), Value(1));  // a Bool to the power 2 is an integer
               },
               .gradient = [](Grad& G) {
                 G.set(0, G.grad() * cj(G.in(0) * 2));
               },
               .save = kSaveSelf,
               .flags = kAll | kElementwise,
               .nodes = {"PowBackward0"},
               .doc = "x * x."}};
UNARY(tanh, Tanh, Float, kSaveResult, tanh_backward(g, y), "The hyperbolic tangent.")
UNARY(sigmoid, Sigmoid, Float, kSaveResult, sigmoid_backward(g, y), "1 / (1 + exp(-x)).")
UNARY(erf, Erf, Float, kSaveSelf, g*(exp(-(x* x)) * 1.12837916709551257390), "The error function.")
UNARY(erfc, Erfc, Float, kSaveSelf, g*(exp(-(x* x)) * -1.12837916709551257390), "1 - erf(x), accurate for large x.")
UNARY(erfinv, Erfinv, Float, kSaveResult, g*(exp(y* y) * 0.88622692545275801365), "The inverse of erf.")
UNARY(sinh, Sinh, Float, kSaveSelf, g* cj(cosh(x)), "The hyperbolic sine.")
UNARY(cosh, Cosh, Float, kSaveSelf, g* cj(sinh(x)), "The hyperbolic cosine.")
UNARY(asin, Asin, Float, kSaveSelf, g* cj(rsqrt(neg(x* x) + 1)), "The inverse sine.")
UNARY(acos, Acos, Float, kSaveSelf, g* cj(-rsqrt(neg(x* x) + 1)), "The inverse cosine.")
UNARY(atan, Atan, Float, kSaveSelf, g / cj(x * x + 1), "The inverse tangent.")
UNARY(asinh, Asinh, Float, kSaveSelf, g* cj(rsqrt(x* x + 1)), "The inverse hyperbolic sine.")
UNARY(acosh, Acosh, Float, kSaveSelf, g* cj(rsqrt(x - 1) * rsqrt(x + 1)), "The inverse hyperbolic cosine.")
UNARY(atanh, Atanh, Float, kSaveSelf, g / cj(neg(x * x) + 1), "The inverse hyperbolic tangent.")
UNARY(lgamma, Lgamma, Float, kSaveSelf, g* digamma(x), "The logarithm of the absolute value of the gamma function.")
UNARY(digamma, Digamma, Float, kSaveSelf, g* polygamma(1, x), "The derivative of lgamma.")
UNARY(floor, Floor, Same, 0, g * 0, "The largest whole number not above each element.")
UNARY(ceil, Ceil, Same, 0, g * 0, "The smallest whole number not below each element.")
UNARY(trunc, Trunc, Same, 0, g * 0, "Each element rounded towards zero.")
UNARY(frac, Frac, Same, 0, g, "x - trunc(x).")
UNARY(sign, Sign, Same, 0, g * 0, "-1, 0 or 1 by the sign of each element.")
UNARY(relu, Relu, Same, kSaveResult, relu_backward(g, y), "max(x, 0).")
static Tensor sinc_of(const Tensor& x) {  // complex numbers: by the formula, 1 at 0
  Tensor z = x * kPi;
  return where(eq(x, 0), ones_like(x), sin(z) / where(eq(x, 0), ones_like(z), z));
}
Record sinc{{.schema = {"sinc(Tensor self) -> Tensor"},
             .forward = [](Call& c) {
               if (is_complex(c.tensor(0).dtype())) return c.ret(sinc_of(c.tensor(0)));
               unary(c, cpu::Unary::Sinc, Kind::Float);
             },
             .gradient = [](Grad& G) {
               Tensor x = G.in(0), safe = where(eq(x, 0), ones_like(x), x);
               Tensor d = (cos(safe * kPi) * (safe * kPi) - sin(safe * kPi)) / (safe * safe * kPi);
               G.set(0, G.grad() * cj(where(eq(x, 0), zeros_like_sizes({}, x.dtype()), d)));
             },
             .save = kSaveSelf,
             .flags = kAll | kElementwise,
             .doc = "sin(pi x) / (pi x)."}};
UNARY(i0, I0, Float, kSaveSelf, g* special_i1(x), "The modified Bessel function of the first kind, order 0.")
UNARY(deg2rad, Deg2rad, Float, 0, g*(kPi / 180), "Degrees to radians.")
UNARY(rad2deg, Rad2deg, Float, 0, g * (180 / kPi), "Radians to degrees.")

SPECIAL(special_i0e, I0e, kSaveSelf | kSaveResult, g*(special_i1e(x) - sign(x) * y), "exp(-|x|) I0(x).")
SPECIAL(special_i1, I1, kSaveSelf | kSaveResult,
        g* where(lt(abs(x), 1e-30), full(IntView(), 0.5, x.dtype()), i0(x) - y / where(lt(abs(x), 1e-30), ones_like(x), x)), "Modified Bessel function, first kind, order 1.")
SPECIAL(special_i1e, I1e, kSaveSelf | kSaveResult,
        g* where(lt(abs(x), 1e-30), full(IntView(), 0.5, x.dtype()), special_i0e(x) - y * (sgn(x) + reciprocal(where(lt(abs(x), 1e-30), ones_like(x), x)))), "exp(-|x|) I1(x).")
SPECIAL(special_ndtr, Ndtr, kSaveSelf, g*(exp(x * x * -0.5) * 0.39894228040143267794), "The distribution function of the standard normal.")
SPECIAL(special_ndtri, Ndtri, kSaveResult, g*(exp(y * y * 0.5) * 2.50662827463100050242), "The inverse of ndtr.")
SPECIAL(special_log_ndtr, LogNdtr, kSaveSelf | kSaveResult, g*(exp(x * x * -0.5 - y) * 0.39894228040143267794), "log(ndtr(x)), accurate in the tail.")
SPECIAL(special_entr, Entr, kSaveSelf, g*(neg(log(x)) - 1), "-x log(x), 0 at 0.")
SPECIAL(special_erfcx, Erfcx, kSaveSelf | kSaveResult, g*(x * y * 2 - 1.12837916709551257390), "exp(x^2) erfc(x).")

#define SPECIAL_PLAIN(NAME, OP, DOC)                                          \
  Record NAME{{.schema = {#NAME "(Tensor self) -> Tensor"},                   \
               .forward = [](Call& c) {                                       \
                 unary(c, cpu::Unary::OP, Kind::Float);                       \
               },                                                             \
               .flags = kFunction | kOut | kElementwise | kSpecial | kNoGrad, \
               .doc = DOC}};
SPECIAL_PLAIN(special_bessel_j0, BesselJ0, "Bessel function of the first kind, order 0.")
SPECIAL_PLAIN(special_bessel_j1, BesselJ1, "Bessel function of the first kind, order 1.")
SPECIAL_PLAIN(special_bessel_y0, BesselY0, "Bessel function of the second kind, order 0.")
SPECIAL_PLAIN(special_bessel_y1, BesselY1, "Bessel function of the second kind, order 1.")
SPECIAL_PLAIN(special_modified_bessel_i0, ModifiedBesselI0, "Modified Bessel function of the first kind, order 0.")
SPECIAL_PLAIN(special_modified_bessel_i1, ModifiedBesselI1, "Modified Bessel function of the first kind, order 1.")
SPECIAL_PLAIN(special_modified_bessel_k0, ModifiedBesselK0, "Modified Bessel function of the second kind, order 0.")
SPECIAL_PLAIN(special_modified_bessel_k1, ModifiedBesselK1, "Modified Bessel function of the second kind, order 1.")
SPECIAL_PLAIN(special_scaled_modified_bessel_k0, ScaledModifiedBesselK0, "exp(x) K0(x).")
SPECIAL_PLAIN(special_scaled_modified_bessel_k1, ScaledModifiedBesselK1, "exp(x) K1(x).")
SPECIAL_PLAIN(special_spherical_bessel_j0, SphericalBesselJ0, "Spherical Bessel function of the first kind, order 0.")
SPECIAL_PLAIN(special_airy_ai, AiryAi, "The Airy function Ai.")

// ---- absolute value, sign, angle: complex inputs give real results
Record abs{{.schema = {"abs(Tensor self) -> Tensor"},
            .forward = [](Call& c) {
              FL_CHECK_KIND(NotImplemented, c.tensor(0).dtype() != DType::Bool, "\"abs_cpu\" not implemented for 'Bool'");
              FL_CHECK(c.mode != Mode::Inplace || !is_complex(c.tensor(0).dtype()), "In-place abs is not supported for complex tensors.");
              unary(c, cpu::Unary::Abs, Kind::Same);
            },
            .gradient = [](Grad& G) {
              G.set(0, G.grad() * sgn(G.in(0)));
            },
            .save = kSaveSelf,
            .flags = kAll | kElementwise | kExactOut,
            .doc = "The absolute value; of complex numbers the modulus."}};
static void sgn_gradient(Grad& G) {
  const Tensor& g = G.grad();
  if (!is_complex(g.dtype())) return G.set(0, g * 0);
  Tensor x = G.in(0), s = G.result(), r = abs(x);
  // d sgn moves along the circle only: (g - s Re(conj(s) g)) / |x|
  Tensor along = to_dtype(real(conj(s) * g), g.dtype());
  Tensor d = (g - s * along) / where(eq(r, 0), ones_like(r), r);
  G.set(0, where(eq(r, 0), zeros_like(d), d));
}
Record sgn{{.schema = {"sgn(Tensor self) -> Tensor"},
            .forward = [](Call& c) {
              unary(c, cpu::Unary::Sgn, Kind::Same);
            },
            .gradient = sgn_gradient,
            .save = kSaveSelf | kSaveResult,
            .flags = kAll | kElementwise | kExactOut,
            .doc = "x / |x|, and 0 at 0."}};
static void angle_gradient(Grad& G) {
  const Tensor& g = G.grad();
  Tensor x = G.in(0);
  if (!is_complex(x.dtype())) return G.set(0, zeros_like(x));
  Tensor re = real(x), im = imag(x), r2 = re * re + im * im;
  Tensor safe = where(eq(r2, 0), ones_like(r2), r2), s = g / safe;
  Tensor d = complex(neg(im) * s, re * s);
  G.set(0, where(eq(r2, 0), zeros_like(d), d));
}
Record angle{{.schema = {"angle(Tensor self) -> Tensor"},
              .forward = [](Call& c) {
                unary(c, cpu::Unary::Angle, Kind::Float);
              },
              .gradient = angle_gradient,
              .save = kSaveSelf,
              .flags = kBoth | kOut | kElementwise,
              .doc = "The argument of each element, in radians."}};
Record conj{{.schema = {"conj(Tensor self) -> Tensor"},
             .forward = [](Call& c) {
               if (!is_complex(c.tensor(0).dtype())) return c.ret(c.tensor(0));
               unary(c, cpu::Unary::Conj, Kind::Same);
             },
             .gradient = [](Grad& G) {
               G.set(0, conj_if(G.grad()));
             },
             .flags = kBoth | kElementwise,
             .doc = "The complex conjugate; a real tensor is returned as it is."}};
Record conj_physical{{.schema = {"conj_physical(Tensor self) -> Tensor"},
                      .forward = [](Call& c) {
                        if (c.mode == Mode::Functional && !is_complex(c.tensor(0).dtype())) return c.ret(c.tensor(0));
                        unary(c, is_complex(c.tensor(0).dtype()) ? cpu::Unary::Conj : cpu::Unary::Positive, Kind::Same);
                      },
                      .gradient = [](Grad& G) {
                        G.set(0, conj_if(G.grad()));
                      },
                      .flags = kAll | kElementwise | kExactOut,
                      .doc = "The complex conjugate, computed."}};
Record positive{{.schema = {"positive(Tensor self) -> Tensor"},
                 .forward = [](Call& c) {
                   FL_CHECK(c.tensor(0).dtype() != DType::Bool, "The `+` operator, on a bool tensor is not supported.");
                   c.ret(c.tensor(0));
                 },
                 .flags = kBoth,
                 .doc = "The tensor itself."}};

// ---- rounding
static void round_forward(Call& c) {
  int64_t decimals = c.nargs > 1 && c.has(1) ? c.integer(1) : 0;
  if (decimals == 0) {
    return unary(c, cpu::Unary::Round, Kind::Same);
  }
  Value p[2] = {Value(std::pow(10.0, double(std::abs(decimals)))), Value(decimals < 0 ? 1.0 : 0.0)};
  unary(c, cpu::Unary::RoundDecimals, Kind::Same, p, 2);
}
Record round{{.schema = {"round.decimals(Tensor self, *, int decimals=0) -> Tensor"},
              .forward = round_forward,
              .gradient = [](Grad& G) {
                G.set(0, G.grad() * 0);
              },
              .flags = kAll | kElementwise | kExactOut,
              .mode = 1,
              .mode_nodes = {"RoundBackward1"},
              .doc = "Each element rounded to `decimals` places, halves to even."}};

// ---- tests
#define TEST(NAME, OP, FLAGS, DOC)                          \
  Record NAME{{.schema = {#NAME "(Tensor self) -> Tensor"}, \
               .forward = [](Call& c) {                     \
                 unary(c, cpu::Unary::OP, Kind::Same);      \
               },                                           \
               .flags = (FLAGS) | kElementwise | kNoGrad,   \
               .doc = DOC}};
TEST(logical_not, LogicalNot, kAll, "True where an element is zero.")
TEST(isnan, IsNan, kBoth, "True where an element is NaN.")
TEST(isinf, IsInf, kBoth, "True where an element is infinite.")
TEST(isfinite, IsFinite, kBoth, "True where an element is neither infinite nor NaN.")
TEST(isposinf, IsPosInf, kBoth | kOut, "True where an element is +inf.")
TEST(isneginf, IsNegInf, kBoth | kOut, "True where an element is -inf.")
TEST(signbit, Signbit, kBoth | kOut, "True where the sign bit is set.")
Record bitwise_not{{.schema = {"bitwise_not(Tensor self) -> Tensor"},
                    .forward = [](Call& c) {
                      unary(c, cpu::Unary::BitwiseNot, Kind::Same);
                    },
                    .flags = kAll | kElementwise | kNoGrad,
                    .doc = "Every bit flipped; for Bool the logical not."}};

// ---- activations (torch._C._nn) and their gradients as operators of their own
#define BACKWARD(NAME, OP, SAVE_NAME, GRAD0, GRAD1, DOC)                                 \
  static void NAME##_gradient(Grad& G) {                                                 \
    const Tensor& gg = G.grad();                                                         \
    Tensor g = G.in(0), x = G.in(1);                                                     \
    if (G.needs(0)) G.set(0, GRAD0);                                                     \
    if (G.needs(1)) G.set(1, GRAD1);                                                     \
  }                                                                                      \
  Record NAME{{.schema = {#NAME "(Tensor grad_output, Tensor " SAVE_NAME ") -> Tensor"}, \
               .forward = [](Call& c) {                                                  \
                 binary(c, cpu::Binary::OP, Kind::Same, c.arg(0), c.arg(1));             \
               },                                                                        \
               .gradient = NAME##_gradient,                                              \
               .save = save_in(0) | save_in(1),                                          \
               .flags = kPrivate | kElementwise,                                         \
               .doc = DOC}};
BACKWARD(tanh_backward, TanhGrad, "output", cj(tanh_backward(cj(gg), x)), g* cj(gg* x) * -2, "g conj(1 - y^2).")
BACKWARD(sigmoid_backward, SigmoidGrad, "output", cj(sigmoid_backward(cj(gg), x)), g* cj(gg*(neg(x * 2) + 1)), "g conj(y (1 - y)).")
BACKWARD(relu_backward, ReluGrad, "result", relu_backward(gg, x), zeros_like(x), "g where y > 0.")

static Tensor step_sigmoid(const Tensor& x) { return sigmoid(x); }
BACKWARD(silu_backward, SiluGrad, "self", silu_backward(gg, x),
         gg * g * (step_sigmoid(x) * (neg(step_sigmoid(x)) + 1) * (x * (neg(step_sigmoid(x) * 2) + 1) + 2)), "The gradient of silu.")
BACKWARD(hardswish_backward, HardswishGrad, "self", hardswish_backward(gg, x),
         gg * g * (to_dtype(logical_and(gt(x, -3), lt(x, 3)), x.dtype()) * (1.0 / 3)), "The gradient of hardswish.")
BACKWARD(hardsigmoid_backward, HardsigmoidGrad, "self", hardsigmoid_backward(gg, x), zeros_like(x), "The gradient of hardsigmoid.")
BACKWARD(log_sigmoid_backward, LogSigmoidGrad, "self", log_sigmoid_backward(gg, x), gg * g * neg(sigmoid(x) * (neg(sigmoid(x)) + 1)), "The gradient of logsigmoid.")
BACKWARD(mish_backward, MishGrad, "self", mish_backward(gg, x), gg * g * mish_second(x), "The gradient of mish.")

Tensor mish_second(const Tensor& x) {
  Tensor s = sigmoid(x), t = tanh(softplus(x, 1, 20)), d = (neg(t * t) + 1);
  Tensor dt = d * s;                                   // t'
  Tensor ds = s * (neg(s) + 1);
  return dt * 2 + x * (t * dt * s * -2 + d * ds);
}

#define ACTIVATION(NAME, SCHEMA, OP, GRADIENT, FLAGS, DOC) \
  static void NAME##_gradient(Grad& G) {                   \
    const Tensor& g = G.grad();                            \
    Tensor x = G.in(0);                                    \
    G.set(0, GRADIENT);                                    \
  }                                                        \
  Record NAME{{.schema = {SCHEMA},                         \
               .forward = [](Call& c) {                    \
                 unary(c, cpu::Unary::OP, Kind::Same);     \
               },                                          \
               .gradient = NAME##_gradient,                \
               .save = kSaveSelf,                          \
               .flags = (FLAGS) | kElementwise,            \
               .doc = DOC}};
ACTIVATION(silu, "silu(Tensor self) -> Tensor", Silu, silu_backward(g, x), kFunction | kInplace | kOut | kNn, "x sigmoid(x).")
ACTIVATION(mish, "mish(Tensor self) -> Tensor", Mish, mish_backward(g, x), kFunction | kInplace | kOut | kNn, "x tanh(softplus(x)).")
ACTIVATION(hardswish, "hardswish(Tensor self) -> Tensor", Hardswish, hardswish_backward(g, x), kFunction | kInplace | kOut | kNn, "x relu6(x + 3) / 6.")
ACTIVATION(hardsigmoid, "hardsigmoid(Tensor self) -> Tensor", Hardsigmoid, hardsigmoid_backward(g, x), kFunction | kInplace | kOut | kNn, "relu6(x + 3) / 6.")
ACTIVATION(log_sigmoid, "log_sigmoid(Tensor self) -> Tensor", LogSigmoid, log_sigmoid_backward(g, x), kFunction | kOut | kNn | kExactOut, "log(sigmoid(x)).")
static void selu_gradient(Grad& G) { G.set(0, elu_backward(G.grad(), G.in(0), 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)); }
Record selu{{.schema = {"selu(Tensor self) -> Tensor"},
             .forward = [](Call& c) {
               unary(c, cpu::Unary::Selu, Kind::Same);
             },
             .gradient = selu_gradient,
             .save = kSaveSelf,
             .flags = kFunction | kInplace | kElementwise,
             .nodes = {"EluBackward0"},
             .doc = "The scaled exponential linear unit (Klambauer et al. 2017)."}};

// nn.functional's forms with inplace=.
#define WITH_INPLACE(NAME)                                                                    \
  Record functional_##NAME{{.schema = {#NAME "(Tensor input, bool inplace=False) -> Tensor"}, \
                            .forward = [](Call& c) {                                          \
                              if (!c.flag(1)) return c.ret(NAME(c.tensor(0)));                \
                              NAME.inplace(c.tensor(0));                                      \
                              c.ret(c.tensor(0));                                             \
                            },                                                                \
                            .flags = kFunction | kFunctional | kComposite,                    \
                            .doc = NAME.doc}};
WITH_INPLACE(relu)
WITH_INPLACE(silu)
WITH_INPLACE(mish)
WITH_INPLACE(hardswish)
WITH_INPLACE(hardsigmoid)
WITH_INPLACE(selu)

static bool gelu_is_tanh(const Value& v) {
  FL_CHECK(v.tag == Value::StrTag && (!std::strcmp(v.s, "none") || !std::strcmp(v.s, "tanh")), "approximate argument must be either none or tanh.");
  return v.s[0] == 't';
}
Record gelu_backward{{.schema = {"gelu_backward(Tensor grad_output, Tensor self, *, str approximate='none') -> Tensor"},
                      .forward = [](Call& c) {
                        binary(c, gelu_is_tanh(c.arg(2)) ? cpu::Binary::GeluTanhGrad : cpu::Binary::GeluGrad, Kind::Same, c.arg(0), c.arg(1));
                      },
                      .gradient = [](Grad& G) {
                        const Tensor& gg = G.grad();
                        Tensor g = G.in(0), x = G.in(1);
                        bool approximate = gelu_is_tanh(G.arg(2));
                        if (G.needs(0)) G.set(0, gelu_backward(gg, x, G.arg(2)));
                        if (!G.needs(1)) return;
                        if (!approximate) {  // d/dx [Phi(x) + x phi(x)] = phi(x) (2 - x^2)
                          Tensor phi = exp(x * x * -0.5) * 0.39894228040143267794;
                          return G.set(1, gg * g * (phi * (neg(x * x) + 2)));
                        }
                        const double b = 0.79788456080286535588, k = 0.044715;
                        Tensor u = (x + x * x * x * k) * b, t = tanh(u), d = neg(t * t) + 1, du = (x * x * (3 * k) + 1) * b;
                        G.set(1, gg * g * (d * du + x * 0.5 * (t * d * du * du * -2 + d * (x * (6 * k * b)))));
                      },
                      .save = save_in(0) | save_in(1),
                      .flags = kPrivate | kElementwise,
                      .doc = "The gradient of gelu."}};
Record gelu{{.schema = {"gelu(Tensor self, *, str approximate='none') -> Tensor"},
             .forward = [](Call& c) {
               unary(c, gelu_is_tanh(c.arg(1)) ? cpu::Unary::GeluTanh : cpu::Unary::Gelu, Kind::Same);
             },
             .gradient = [](Grad& G) {
               G.set(0, gelu_backward(G.grad(), G.in(0), G.arg(1)));
             },
             .save = kSaveSelf,
             .flags = kFunction | kInplace | kOut | kNn | kElementwise | kExactOut,
             .doc = "x Phi(x), with Phi the normal distribution function, or its tanh approximation (Hendrycks and Gimpel 2016)."}};

}  // namespace fl::ops
