// Binary elementwise operators: arithmetic, powers, extrema, comparison, bits. A number may stand for the second tensor, so every record
// has a Tensor and a Scalar schema over one forward function and one gradient.
#include "base/interrupt.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {
Tensor cj(const Tensor& t) { return conj_if(t); }
Value vconj(const Value& v, std::vector<Tensor>& keep) {  // conjugate of a kept operand or number
  if (v.is_tensor()) {
    keep.push_back(conj_if(v.tensor()));
    return Value(keep.back());
  }
  return v.tag == Value::ComplexTag ? Value(v.z[0], -v.z[1]) : v;
}
struct Keep {
  std::vector<Tensor> list;
};
bool is_one(const Value& v) { return v.tag == Value::IntTag ? v.i == 1 : v.tag == Value::FloatTag ? v.d == 1
                                                                                                  : v.tag == Value::BoolTag && v.b; }
void check_zero_division(const Call&, DType t) {
  if (!is_integral(t)) return;
  FL_CHECK(!cpu::take_division_by_zero(), "ZeroDivisionError");
}
}  // namespace

// ------------------------------------------------------------------------------------------------ arithmetic

static void check_alpha(const char* name, const Value& alpha, const Value& a, const Value& b) {
  Value v[2] = {a, b};
  DType t = promoted(Kind::Same, v, 2);
  FL_CHECK(alpha.tag != Value::BoolTag || t == DType::Bool, "Boolean alpha only supported for Boolean results.");
  FL_CHECK(is_differentiable(t) || alpha.tag == Value::IntTag || alpha.tag == Value::BoolTag,
           "For integral input tensors, argument alpha must not be a floating point number.");
  FL_CHECK(is_complex(t) || alpha.tag != Value::ComplexTag, "For non-complex input tensors, argument alpha must not be a complex number.");
}
static void add_forward(Call& c) {
  if (__builtin_expect(is_one(c.arg(2)), 1)) {
    if (c.arg(2).tag == Value::BoolTag) check_alpha("add", c.arg(2), c.arg(0), c.arg(1));
    return binary(c, cpu::Binary::Add, Kind::Same, c.arg(0), c.arg(1));
  }
  check_alpha("add", c.arg(2), c.arg(0), c.arg(1));
  binary(c, cpu::Binary::AddAlpha, Kind::Same, c.arg(0), c.arg(1), &c.arg(2), 1);
}
static Tensor times_alpha(const Tensor& g, const Value& alpha, bool negative) {
  if (is_one(alpha)) return negative ? neg(g) : g;
  Value a = alpha.tag == Value::ComplexTag ? Value(alpha.z[0], -alpha.z[1]) : alpha;
  Tensor r = mul(g, a);
  return negative ? neg(r) : r;
}
Record add{{.schema = {"add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", "add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
                       "add.Scalar_Tensor(Scalar self, Tensor other, *, Scalar alpha=1) -> Tensor"},
            .forward = add_forward,
            .gradient = [](Grad& G) {
              if (G.needs(0)) G.set(0, G.grad());
              if (G.needs(1)) G.set(1, times_alpha(G.grad(), G.arg(2), false));
            },
            .flags = kAll | kElementwise,
            .autocast = Autocast::Promote,
            .doc = "self + alpha * other, broadcast.\n\n>>> torch.add(torch.tensor([1, 2]), 3, alpha=2)\ntensor([7, 8])"}};

static void sub_forward(Call& c) {
  auto is_bool = [](const Value& v) {
    return v.is_tensor() ? v.t->dtype == DType::Bool : v.tag == Value::BoolTag;
  };
  FL_CHECK(!(is_bool(c.arg(0)) && is_bool(c.arg(1))),
           "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
           "operator instead.");
  FL_CHECK(!(is_bool(c.arg(0)) || is_bool(c.arg(1))),
           "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
           "use the `~` or `logical_not()` operator instead.");
  if (__builtin_expect(is_one(c.arg(2)), 1)) return binary(c, cpu::Binary::Sub, Kind::Same, c.arg(0), c.arg(1));
  check_alpha("sub", c.arg(2), c.arg(0), c.arg(1));
  binary(c, cpu::Binary::SubAlpha, Kind::Same, c.arg(0), c.arg(1), &c.arg(2), 1);
}
Record sub{{.schema = {"sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", "sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
                       "sub.Scalar_Tensor(Scalar self, Tensor other, *, Scalar alpha=1) -> Tensor"},
            .forward = sub_forward,
            .gradient = [](Grad& G) {
              if (G.needs(0)) G.set(0, G.grad());
              if (G.needs(1)) G.set(1, times_alpha(G.grad(), G.arg(2), true));
            },
            .flags = kAll | kElementwise,
            .autocast = Autocast::Promote,
            .doc = "self - alpha * other, broadcast."}};

Record rsub{{.schema = {"rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", "rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"},
             .forward = [](Call& c) {
               FL_CHECK(c.tensor(0).dtype() != DType::Bool,
                        "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a "
                        "mask, use the `~` or `logical_not()` operator instead.");
               if (is_one(c.arg(2))) return binary(c, cpu::Binary::RSub, Kind::Same, c.arg(0), c.arg(1));
               check_alpha("rsub", c.arg(2), c.arg(0), c.arg(1));
               // alpha scales self here: other - alpha * self
               if (c.arg(1).is_tensor()) return binary(c, cpu::Binary::SubAlpha, Kind::Same, c.arg(1), c.arg(0), &c.arg(2), 1);
               GradModeGuard off(false);
               Tensor scaled = mul(c.tensor(0), c.arg(2));
               binary(c, cpu::Binary::RSub, Kind::Same, Value(scaled), c.arg(1));
             },
             .gradient = [](Grad& G) {
               if (G.needs(0)) G.set(0, times_alpha(G.grad(), G.arg(2), true));
               if (G.needs(1)) G.set(1, G.grad());
             },
             .flags = kFunction | kElementwise,
             .doc = "other - alpha * self."}};

Record mul{{.schema = {"mul.Tensor(Tensor self, Tensor other) -> Tensor", "mul.Scalar(Tensor self, Scalar other) -> Tensor", "mul.Scalar_Tensor(Scalar self, Tensor other) -> Tensor"},
            .forward = [](Call& c) {
              binary(c, cpu::Binary::Mul, Kind::Same, c.arg(0), c.arg(1));
            },
            .gradient = [](Grad& G) {
              Keep k;
              if (G.needs(0)) G.set(0, mul(G.grad(), vconj(G.value(1), k.list)));
              if (G.needs(1)) G.set(1, mul(G.grad(), vconj(G.value(0), k.list)));
            },
            .save = save_in(0) | save_in(1) | kCross,
            .flags = kAll | kElementwise,
            .autocast = Autocast::Promote,
            .doc = "self * other, broadcast.\n\n>>> torch.mul(torch.tensor([1, 2]), 3)\ntensor([3, 6])"}};

static Tensor value_tensor(const Value& v, DType t) { return v.is_tensor() ? v.tensor() : full(IntView(), v, t); }
static int rounding_mode(const Value& v) {  // 0: true division, 1: trunc, 2: floor
  if (v.is_none()) return 0;
  std::string m = v.s;
  FL_CHECK(m == "trunc" || m == "floor", "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", m, "'");
  return m == "trunc" ? 1 : 2;
}
static void divide(Call& c, int mode) {
  if (mode == 0) return binary(c, cpu::Binary::Div, Kind::Float, c.arg(0), c.arg(1));
  Value v[2] = {c.arg(0), c.arg(1)};
  DType t = promoted(Kind::Same, v, 2);
  if (is_integral(t)) cpu::take_division_by_zero();
  binary(c, mode == 1 ? cpu::Binary::TruncDiv : cpu::Binary::FloorDiv, Kind::Same, c.arg(0), c.arg(1));
  check_zero_division(c, t);
}
Record div{{.schema = {"div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode=None) -> Tensor",
                       "div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode=None) -> Tensor",
                       "div.Scalar_Tensor(Scalar self, Tensor other, *, str? rounding_mode=None) -> Tensor"},
            .forward = [](Call& c) {
              divide(c, rounding_mode(c.arg(2)));
            },
            .gradient = [](Grad& G) {
              const Tensor& g = G.grad();
              if (!G.arg(2).is_none()) {
                if (G.needs(0)) G.set(0, mul(g, 0));
                if (G.needs(1)) G.set(1, mul(g, 0));
                return;
              }
              Keep k;
              Value other = vconj(G.value(1), k.list);
              if (G.needs(0)) G.set(0, div(g, other));
              if (G.needs(1)) G.set(1, neg(g) * cj(div(div(value_tensor(G.value(0), G.out_dtype()), G.in(1)), G.in(1))));
            },
            .save = save_in(0) | save_in(1),
            .flags = kAll | kElementwise,
            .autocast = Autocast::Promote,
            .mode = 2,
            .mode_nodes = {"DivBackward2", "DivBackward3", "DivBackward2"},
            .doc = "self / other; rounding_mode 'trunc' or 'floor' rounds the quotient."}};
Record floor_divide{{.schema = {"floor_divide(Tensor self, Tensor other) -> Tensor", "floor_divide.Scalar(Tensor self, Scalar other) -> Tensor", "floor_divide.Scalar_Tensor(Scalar self, Tensor other) -> Tensor"},
                     .forward = [](Call& c) {
                       divide(c, 2);
                     },
                     .flags = kAll | kElementwise,
                     .doc = "The quotient rounded down."}};
Record remainder{{.schema = {"remainder.Tensor(Tensor self, Tensor other) -> Tensor", "remainder.Scalar(Tensor self, Scalar other) -> Tensor",
                             "remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor"},
                  .forward = [](Call& c) {
                    cpu::take_division_by_zero();
                    binary(c, cpu::Binary::Remainder, Kind::Same, c.arg(0), c.arg(1));
                    FL_CHECK(!cpu::take_division_by_zero(), "ZeroDivisionError");
                  },
                  .gradient = [](Grad& G) {
                    if (G.needs(0)) G.set(0, G.grad());
                    if (G.needs(1)) G.set(1, neg(G.grad() * div(value_tensor(G.value(0), G.out_dtype()), G.in(1), "floor")));
                  },
                  .save = save_in(0) | save_in(1),
                  .flags = kAll | kElementwise,
                  .nodes = {"RemainderBackward1", "RemainderBackward0", "RemainderBackward1"},
                  .doc = "The remainder with the sign of other, as Python's %."}};
Record fmod{{.schema = {"fmod.Tensor(Tensor self, Tensor other) -> Tensor", "fmod.Scalar(Tensor self, Scalar other) -> Tensor"},
             .forward = [](Call& c) {
               cpu::take_division_by_zero();
               binary(c, cpu::Binary::Fmod, Kind::Same, c.arg(0), c.arg(1));
               FL_CHECK(!cpu::take_division_by_zero(), "ZeroDivisionError");
             },
             .gradient = [](Grad& G) {
               if (G.needs(0)) G.set(0, G.grad());
               if (G.needs(1)) G.set(1, neg(G.grad() * div(G.in(0), G.in(1), "trunc")));
             },
             .save = save_in(0) | save_in(1),
             .flags = kAll | kElementwise,
             .nodes = {"FmodBackward1", "FmodBackward0"},
             .doc = "The remainder with the sign of self, as C's fmod."}};

// ------------------------------------------------------------------------------------------------ powers

static void pow_forward(Call& c) {
  const Value &a = c.arg(0), &b = c.arg(1);
  if (a.is_tensor() && b.is_number()) {
    Value v[2] = {a, b};
    DType t = promoted(Kind::Same, v, 2);
    FL_CHECK(!(is_integral(a.t->dtype) && is_integral(t) && b.real() < 0), "Integers to negative integer powers are not allowed.");
    bool fits = !(b.tag == Value::ComplexTag && !is_complex(a.t->dtype));
    DType compute = loop_type(t);
    cpu::Loop loop = cpu::pointwise_kernels().unary[int(cpu::Unary::PowScalar)][int(compute)];
    if (t == DType::Bool) return c.ret(b.real() != 0 ? copy_of(a.tensor()) : ones(a.tensor().sizes(), t));
    if (fits && loop && t != DType::Complex32) {
      ScalarBits bits = scalar_bits(b, compute);
      Value x = a;
      return elementwise(c, loop, compute, t, &x, &compute, 1, bits.bytes, sizeof bits, cpu::cost(cpu::Unary::PowScalar, compute));
    }
  }
  binary(c, cpu::Binary::Pow, Kind::Same, a, b);
}
static void pow_gradient(Grad& G) {
  const Tensor& g = G.grad();
  Value e = G.value(1), base = G.value(0);
  if (G.needs(0)) {
    Tensor x = G.in(0);
    if (!e.is_tensor()) {
      if (e.real() == 0 && e.imag() == 0) {
        G.set(0, zeros_like(x));
      } else {
        Value less = e.tag == Value::ComplexTag ? Value(e.z[0] - 1, e.z[1]) : e.tag == Value::FloatTag ? Value(e.d - 1)
                                                                                                       : Value(e.integer() - 1);
        Tensor d = mul(pow(x, less), e);
        G.set(0, g * cj(d));
      }
    } else {
      Tensor d = cj(mul(pow(x, sub(e.tensor(), 1)), e));
      G.set(0, where(eq(e, 0), zeros_like_sizes({}, G.out_dtype()), g * d));
    }
  }
  if (G.needs(1)) {
    Tensor y = G.result();
    if (base.is_tensor()) {
      Tensor zero = zeros_like_sizes({}, G.out_dtype());
      Tensor cond = logical_and(eq(base, 0), is_complex(e.tensor().dtype()) ? logical_and(ge(real(e.tensor()), 0), eq(imag(e.tensor()), 0)) : ge(e, 0));
      G.set(1, g * where(cond, zero, cj(y * log(base.tensor()))));
    } else if (base.real() == 0 && base.imag() == 0) {
      Tensor cond = is_complex(e.tensor().dtype()) ? ge(real(e.tensor()), 0) : ge(e, 0);
      G.set(1, where(cond, zeros_like_sizes({}, G.out_dtype()), g * cj(y * -std::numeric_limits<double>::infinity())));
    } else {
      Tensor l = log(full(IntView(), base, is_complex(G.out_dtype()) || base.tag == Value::ComplexTag || base.real() < 0 ? G.out_dtype() : G.out_dtype()));
      G.set(1, g * cj(y * l));
    }
  }
}
Record pow{{.schema = {"pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor", "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
                       "pow.Scalar(Scalar self, Tensor exponent) -> Tensor"},
            .forward = pow_forward,
            .gradient = pow_gradient,
            .save = save_in(0) | save_in(1) | save_out(0),
            .flags = kAll | kElementwise,
            .autocast = Autocast::Float32,
            .nodes = {"PowBackward1", "PowBackward0", "PowBackward1"},
            .doc = "self to the power exponent, broadcast."}};

// ------------------------------------------------------------------------------------------------ others with gradients

// Complex numbers have no order.
static void refuse_complex(const Call& c) {
  for (int k = 0; k < 2; ++k)
    FL_CHECK(!is_complex(c.tensor(k).dtype()), c.op.name, " not implemented for complex tensors.");
}
static void extremum(Call& c, cpu::Binary op) {
  refuse_complex(c);
  binary(c, op, Kind::Same, c.arg(0), c.arg(1));
}
#define EXTREMUM(NAME, OP, GRAD0, GRAD1, DOC)                             \
  static void NAME##_gradient(Grad& G) {                                  \
    const Tensor& g = G.grad();                                           \
    Tensor a = G.in(0), b = G.in(1);                                      \
    if (G.needs(0)) G.set(0, GRAD0);                                      \
    if (G.needs(1)) G.set(1, GRAD1);                                      \
  }                                                                       \
  Record NAME{{.schema = {#NAME "(Tensor self, Tensor other) -> Tensor"}, \
               .forward = [](Call& c) {                                   \
                 extremum(c, cpu::Binary::OP);                            \
               },                                                         \
               .gradient = NAME##_gradient,                               \
               .save = save_in(0) | save_in(1),                           \
               .flags = kBoth | kOut | kElementwise,                      \
               .doc = DOC}};
#define BINARY(NAME, OP, KIND, SAVE, GRAD0, GRAD1, FLAGS, DOC)                                         \
  static void NAME##_gradient(Grad& G) {                                                               \
    const Tensor& g = G.grad();                                                                        \
    Tensor a = (SAVE) & save_in(0) ? G.in(0) : Tensor(), b = (SAVE) & save_in(1) ? G.in(1) : Tensor(); \
    Tensor y = (SAVE) & save_out(0) ? G.result() : Tensor();                                           \
    (void)g;                                                                                           \
    (void)a;                                                                                           \
    (void)b;                                                                                           \
    (void)y;                                                                                           \
    if (G.needs(0)) G.set(0, GRAD0);                                                                   \
    if (G.needs(1)) G.set(1, GRAD1);                                                                   \
  }                                                                                                    \
  Record NAME{{.schema = {#NAME "(Tensor self, Tensor other) -> Tensor"},                              \
               .forward = [](Call& c) {                                                                \
                 binary(c, cpu::Binary::OP, Kind::KIND, c.arg(0), c.arg(1));                           \
               },                                                                                      \
               .gradient = NAME##_gradient,                                                            \
               .save = SAVE,                                                                           \
               .flags = (FLAGS) | kElementwise,                                                        \
               .doc = DOC}};
constexpr uint32_t kBothIn = save_in(0) | save_in(1);
[[noreturn]] static Tensor no_derivative(const char* what) { fail(ErrorKind::NotImplemented, "the derivative for '", what, "' is not implemented."); }
static Tensor as(const Tensor& mask, const Tensor& like) { return to_dtype(mask, like.dtype()); }
EXTREMUM(maximum, Maximum, where(eq(a, b), g / 2, g* as(ge(a, b), g)), where(eq(a, b), g / 2, g* as(lt(a, b), g)), "The larger of each pair; NaN wins.")
EXTREMUM(minimum, Minimum, where(eq(a, b), g / 2, g* as(le(a, b), g)), where(eq(a, b), g / 2, g* as(gt(a, b), g)), "The smaller of each pair; NaN wins.")
EXTREMUM(fmax, Fmax, g* as(logical_or(ge(a, b), isnan(b)), g), g* as(logical_not(logical_or(ge(a, b), isnan(b))), g), "The larger of each pair; a number wins over NaN.")
EXTREMUM(fmin, Fmin, g* as(logical_or(le(a, b), isnan(b)), g), g* as(logical_not(logical_or(le(a, b), isnan(b))), g), "The smaller of each pair; a number wins over NaN.")
BINARY(atan2, Atan2, Float, kBothIn, g*(b / (a * a + b * b)), g*(neg(a) / (a * a + b * b)), kAll, "The angle of the point (other, self).")
BINARY(hypot, Hypot, Same, kBothIn | kSaveResult, g*(a / y), g*(b / y), kAll, "sqrt(self^2 + other^2).")
BINARY(nextafter, Nextafter, Same, 0, g, g * 0, kAll, "The next floating-point number from self towards other.")
BINARY(logaddexp, Logaddexp, Same, kBothIn | kSaveResult, g* cj(exp(a - y)), g* cj(exp(b - y)), kBoth | kOut, "log(exp(self) + exp(other)).")
BINARY(logaddexp2, Logaddexp2, Same, kBothIn | kSaveResult, g* exp((a - y) * 0.69314718055994530942), g* exp((b - y) * 0.69314718055994530942), kBoth | kOut, "log2(2^self + 2^other).")
BINARY(igamma, Igamma, Float, kBothIn, no_derivative("igamma: input"), g* exp((a - 1) * log(b) - b - lgamma(a)), kAll, "The regularised lower incomplete gamma function.")
BINARY(igammac, Igammac, Float, kBothIn, no_derivative("igammac: input"), neg(g) * exp((a - 1) * log(b) - b - lgamma(a)), kAll, "The regularised upper incomplete gamma function.")
BINARY(gcd, Gcd, Same, 0, g, g, kAll, "The greatest common divisor.")
BINARY(lcm, Lcm, Same, 0, g, g, kAll, "The least common multiple.")
Record heaviside{{.schema = {"heaviside(Tensor self, Tensor other) -> Tensor"},
                  .forward = [](Call& c) {
                    FL_CHECK(!is_complex(c.tensor(0).dtype()) && !is_complex(c.tensor(1).dtype()), "heaviside is not yet implemented for complex tensors.");
                    FL_CHECK(c.tensor(0).dtype() == c.tensor(1).dtype(), "heaviside is not yet implemented for tensors with different dtypes.");
                    binary(c, cpu::Binary::Heaviside, Kind::Same, c.arg(0), c.arg(1));
                  },
                  .flags = kAll | kElementwise,
                  .doc = "0 where self < 0, other where it is 0, 1 where it is positive."}};

Record copysign{{.schema = {"copysign.Tensor(Tensor self, Tensor other) -> Tensor", "copysign.Scalar(Tensor self, Scalar other) -> Tensor"},
                 .forward = [](Call& c) {
                   binary(c, cpu::Binary::Copysign, Kind::Float, c.arg(0), c.arg(1));
                 },
                 .gradient = [](Grad& G) {
                   const Tensor& g = G.grad();
                   if (G.needs(0)) {
                     Tensor x = G.in(0), y = G.result();
                     Tensor ratio = y / where(eq(x, 0), ones_like(x), x);
                     G.set(0, g * where(eq(x, 0), zeros_like(x), ratio));
                   }
                   if (G.needs(1)) G.set(1, g * 0);
                 },
                 .save = save_in(0) | save_out(0),
                 .flags = kAll | kElementwise,
                 .doc = "self with the sign of other."}};

#define XLOG(NAME, OP, OTHER_GRADIENT, LOG, FLAGS, DOC)                                                                                     \
  static void NAME##_gradient(Grad& G) {                                                                                                    \
    const Tensor& g = G.grad();                                                                                                             \
    Tensor a = value_tensor(G.value(0), G.out_dtype()), b = value_tensor(G.value(1), G.out_dtype());                                        \
    if (G.needs(0)) G.set(0, where(logical_and(eq(a, 0), le(b, LOG##_edge)), zeros_like_sizes({}, G.out_dtype()), g * LOG(b)));             \
    if (G.needs(1)) G.set(1, g * (OTHER_GRADIENT));                                                                                         \
  }                                                                                                                                         \
  Record NAME{{.schema = {#NAME ".Tensor(Tensor self, Tensor other) -> Tensor", #NAME ".Scalar_Other(Tensor self, Scalar other) -> Tensor", \
                          #NAME ".Scalar_Self(Scalar self, Tensor other) -> Tensor"},                                                       \
               .forward = [](Call& c) {                                                                                                     \
                 binary(c, cpu::Binary::OP, Kind::Float, c.arg(0), c.arg(1));                                                               \
               },                                                                                                                           \
               .gradient = NAME##_gradient,                                                                                                 \
               .save = kBothIn,                                                                                                             \
               .flags = (FLAGS) | kElementwise,                                                                                             \
               .doc = DOC}};
constexpr double log_edge = 0, log1p_edge = -1;
XLOG(xlogy, Xlogy, a / b, log, kAll, "self * log(other), 0 where self is 0.")
XLOG(special_xlog1py, Xlog1py, a / (b + 1), log1p, kFunction | kOut | kSpecial, "self * log1p(other), 0 where self is 0.")
Record special_zeta{{.schema = {"special_zeta(Tensor self, Tensor other) -> Tensor", "special_zeta.other_scalar(Tensor self, Scalar other) -> Tensor",
                                "special_zeta.self_scalar(Scalar self, Tensor other) -> Tensor"},
                     .forward = [](Call& c) {
                       binary(c, cpu::Binary::Zeta, Kind::Float, c.arg(0), c.arg(1));
                     },
                     .gradient = [](Grad& G) {
                       FL_CHECK_KIND(NotImplemented, !G.needs(0), "the derivative for 'zeta' is not implemented.");
                       Tensor q = G.in(1), x = value_tensor(G.value(0), G.out_dtype());
                       G.set(1, G.grad() * neg(x) * special_zeta(x + 1, q));
                     },
                     .save = kBothIn,
                     .flags = kFunction | kOut | kElementwise | kSpecial,
                     .doc = "The Hurwitz zeta function."}};

#define POLYNOMIAL(NAME, OP, DOC)                                                                                                                  \
  Record special_##NAME{{.schema = {"special_" #NAME "(Tensor x, Tensor n) -> Tensor", "special_" #NAME ".n_scalar(Tensor x, Scalar n) -> Tensor", \
                                    "special_" #NAME ".x_scalar(Scalar x, Tensor n) -> Tensor"},                                                   \
                         .forward = [](Call& c) {                                                                                                  \
                           Interruptible stop(1e9); /* the time depends on the degrees */                                                          \
                           binary(c, cpu::Binary::OP, Kind::Float, c.arg(0), c.arg(1));                                                            \
                         },                                                                                                                        \
                         .flags = kFunction | kOut | kElementwise | kSpecial | kNoGrad,                                                            \
                         .doc = DOC}};
POLYNOMIAL(chebyshev_polynomial_t, ChebyshevT, "Chebyshev polynomial of the first kind of degree n.")
POLYNOMIAL(chebyshev_polynomial_u, ChebyshevU, "Chebyshev polynomial of the second kind.")
POLYNOMIAL(chebyshev_polynomial_v, ChebyshevV, "Chebyshev polynomial of the third kind.")
POLYNOMIAL(chebyshev_polynomial_w, ChebyshevW, "Chebyshev polynomial of the fourth kind.")
POLYNOMIAL(shifted_chebyshev_polynomial_t, ShiftedChebyshevT, "Chebyshev polynomial of the first kind in 2x - 1.")
POLYNOMIAL(shifted_chebyshev_polynomial_u, ShiftedChebyshevU, "Chebyshev polynomial of the second kind in 2x - 1.")
POLYNOMIAL(shifted_chebyshev_polynomial_v, ShiftedChebyshevV, "Chebyshev polynomial of the third kind in 2x - 1.")
POLYNOMIAL(shifted_chebyshev_polynomial_w, ShiftedChebyshevW, "Chebyshev polynomial of the fourth kind in 2x - 1.")
POLYNOMIAL(hermite_polynomial_h, HermiteH, "Physicist's Hermite polynomial.")
POLYNOMIAL(hermite_polynomial_he, HermiteHe, "Probabilist's Hermite polynomial.")
POLYNOMIAL(laguerre_polynomial_l, LaguerreL, "Laguerre polynomial.")
POLYNOMIAL(legendre_polynomial_p, LegendreP, "Legendre polynomial.")

// ------------------------------------------------------------------------------------------------ comparison, logic, bits

#define COMPARE(NAME, OP, DOC)                                                                                                         \
  Record NAME{{.schema = {#NAME ".Tensor(Tensor self, Tensor other) -> Tensor", #NAME ".Scalar(Tensor self, Scalar other) -> Tensor"}, \
               .forward = [](Call& c) {                                                                                                \
                 binary(c, cpu::Binary::OP, Kind::Compare, c.arg(0), c.arg(1));                                                        \
               },                                                                                                                      \
               .flags = kAll | kElementwise | kNoGrad,                                                                                 \
               .autocast = Autocast::Promote,                                                                                          \
               .doc = DOC}};
COMPARE(eq, Eq, "True where the elements are equal.")
COMPARE(ne, Ne, "True where the elements differ.")
COMPARE(lt, Lt, "True where self < other.")
COMPARE(le, Le, "True where self <= other.")
COMPARE(gt, Gt, "True where self > other.")
COMPARE(ge, Ge, "True where self >= other.")
#define LOGICAL(NAME, OP, DOC)                                                  \
  Record NAME{{.schema = {#NAME "(Tensor self, Tensor other) -> Tensor"},       \
               .forward = [](Call& c) {                                         \
                 binary(c, cpu::Binary::OP, Kind::Compare, c.arg(0), c.arg(1)); \
               },                                                               \
               .flags = kAll | kElementwise | kNoGrad,                          \
               .doc = DOC}};
LOGICAL(logical_and, LogicalAnd, "True where both elements are non-zero.")
LOGICAL(logical_or, LogicalOr, "True where an element is non-zero.")
LOGICAL(logical_xor, LogicalXor, "True where exactly one element is non-zero.")
#define BITS(NAME, OP, DOC)                                                                                                           \
  Record NAME{{.schema = {#NAME ".Tensor(Tensor self, Tensor other) -> Tensor", #NAME ".Scalar(Tensor self, Scalar other) -> Tensor", \
                          #NAME ".Scalar_Tensor(Scalar self, Tensor other) -> Tensor"},                                               \
               .forward = [](Call& c) {                                                                                               \
                 binary(c, cpu::Binary::OP, Kind::Same, c.arg(0), c.arg(1));                                                          \
               },                                                                                                                     \
               .flags = kAll | kElementwise | kNoGrad,                                                                                \
               .doc = DOC}};
BITS(bitwise_and, BitAnd, "Bitwise and; for Bool the logical and.")
BITS(bitwise_or, BitOr, "Bitwise or.")
BITS(bitwise_xor, BitXor, "Bitwise exclusive or.")
BITS(bitwise_left_shift, Shl, "self shifted left by other bits.")
BITS(bitwise_right_shift, Shr, "self shifted right by other bits (arithmetic).")

}  // namespace fl::ops
