// Draws whose parameters are tensors: poisson, binomial, gamma, Dirichlet, multinomial.
#include "ops/random_fill.h"

namespace fl::ops {

#define GENERATOR "Generator? generator=None"

static Record poisson{{.schema = {"poisson(Tensor self, " GENERATOR ") -> Tensor"},
                       .forward = [](Call& c) {
                         const Tensor& x = c.tensor(0);
                         if (!is_floating(x.dtype())) no_kernel("poisson_cpu", x.dtype());
                         Tensor rate = contiguous_of(x), r = empty(x.sizes(), x.dtype());
                         c.ret(r);
                         if (x.numel()) FL_CHECK(holds(all(ge(rate, 0))), "invalid Poisson rate, expected rate to be non-negative");
                         Interruptible stop(double(x.numel()) * 20);
                         cpu::fill_poisson(generator_of(c.arg(1)), x.dtype(), r.bytes(), rate.bytes(), x.numel());
                       },
                       .gradient = [](Grad& G) {
                         G.set(0, zeros_like_sizes(G.sizes(0), G.dtype(0)));
                       },
                       .flags = kFunction,
                       .doc = "Poisson numbers of the rates self."}};
static Record binomial{{.schema = {"binomial(Tensor count, Tensor prob, " GENERATOR ") -> Tensor"},
                        .forward = [](Call& c) {
                          Tensor count = c.tensor(0), prob = c.tensor(1);
                          FL_CHECK_KIND(Value, is_floating(count.dtype()),
                                        "binomial only supports floating-point dtypes for count, got: ", scalar_type_name(count.dtype()));
                          FL_CHECK_KIND(Value, is_floating(prob.dtype()),
                                        "binomial only supports floating-point dtypes for prob, got: ", scalar_type_name(prob.dtype()));
                          FL_CHECK(count.dtype() == prob.dtype(), "Found dtype ", scalar_type_name(prob.dtype()), " but expected ",
                                   scalar_type_name(count.dtype()));
                          Dims shape = broadcast_shapes(count.sizes(), prob.sizes());
                          auto dense = [&](const Tensor& t) {
                            return contiguous_of(t.sizes() == IntView(shape) ? t : expand(t, shape));
                          };
                          GradModeGuard off(false);
                          count = dense(count), prob = dense(prob);
                          Tensor r = empty(shape, count.dtype());
                          c.ret(r);
                          Interruptible stop(double(r.numel()) * 20);
                          cpu::fill_binomial(generator_of(c.arg(2)), r.dtype(), r.bytes(), count.bytes(), prob.bytes(), r.numel());
                        },
                        .flags = kFunction,
                        .nodes = {"NotImplemented"},
                        .doc = "Binomial numbers: successes of probability prob in count trials."}};

// ------------------------------------------------------------------------------------------------ gamma, Dirichlet

namespace {

double digamma_of(double y) {  // by recurrence and the asymptotic series; y > 0
  double psi = 0;
  while (y < 8) psi -= 1 / y++;
  double u = 1 / (y * y);
  return psi + std::log(y) - 0.5 / y - u * (1.0 / 12 - u * (1.0 / 120 - u * (1.0 / 252 - u * (1.0 / 240 - u / 132))));
}

// The derivative of a gamma sample x by its concentration a, at a fixed place in the distribution: minus dP(a, x)/da over the density,
// from the series (x below a + 1) or the continued fraction of the incomplete gamma function, carried with their derivatives by a.
double gamma_slope(double a, double x) {
  if (!(x > 0) || !(a > 0)) return x == 0 && a > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
  if (a > 1e5) {  // Cornish-Fisher: x = a + sqrt(a) z + (z^2 - 1) / 3 + (z^3 - 7 z) / (36 sqrt(a))
    double s = std::sqrt(a), z = (x - a) / s;
    for (int k = 0; k < 4; ++k) z = (x - a - (z * z - 1) / 3 - (z * z * z - 7 * z) / (36 * s)) / s;
    return 1 + z / (2 * s) - (z * z * z - 7 * z) / (72 * s * a);
  }
  double rest = std::log(x) - digamma_of(a);
  if (x < a + 1) {
    double term = 1 / a, slope = -1 / (a * a), sum = term, sum_slope = slope;
    for (int n = 1; n < 20000; ++n) {
      double d = a + n;
      slope = x * (slope / d - term / (d * d));
      term *= x / d;
      sum += term, sum_slope += slope;
      if (std::abs(slope) < 1e-17 * std::abs(sum_slope) && term < 1e-17 * sum) break;
    }
    return -x * (sum * rest + sum_slope);
  }
  // Lentz's method for Q / (x^a exp(-x) / Gamma(a)) = 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)).
  double b = x + 1 - a, db = -1, c = 1e300, dc = 0, d = 1 / b, dd = -db / (b * b), h = d, dh = dd;
  for (int n = 1; n < 20000; ++n) {
    double an = -n * (n - a), dan = n;
    b += 2;
    double q = an * d + b, dq = dan * d + an * dd + db;
    d = 1 / q, dd = -dq / (q * q);
    double nc = b + an / c, dnc = db + dan / c - an * dc / (c * c);
    c = nc, dc = dnc;
    double m = c * d, dm = dc * d + c * dd;
    dh = dh * m + h * dm;
    h *= m;
    if (std::abs(m - 1) < 1e-16 && std::abs(dm) < 1e-16) break;
  }
  return x * (h * rest + dh);
}

// A number with its derivative.
struct Dual {
  double v, d;
  Dual(double v, double d = 0) : v(v), d(d) {}
};
Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d - a.v / b.v * b.d) / b.v}; }

// The continued fraction of the incomplete beta function: I_x(a, b) a B(a, b) / (x^a (1 - x)^b), for x below (a + 1) / (a + b + 2).
Dual beta_fraction(Dual a, Dual b, double x) {
  Dual c(1), d = Dual(1) / (Dual(1) - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m < 5000; ++m) {
    Dual even = (b - m) * (m * x) / ((a + (2 * m - 1)) * (a + 2 * m));
    d = Dual(1) / (Dual(1) + even * d);
    c = Dual(1) + even / c;
    h = h * (c * d);
    Dual odd = (a + m) * (a + b + m) * (-x) / ((a + 2 * m) * (a + (2 * m + 1)));
    d = Dual(1) / (Dual(1) + odd * d);
    c = Dual(1) + odd / c;
    Dual step = c * d;
    h = h * step;
    if (std::abs(step.v - 1) < 1e-15 && std::abs(step.d) < 1e-15) break;
  }
  return h;
}
// The derivative of a beta sample x by its first parameter, over 1 - x: minus dI_x(a, b)/da over the density and 1 - x.
double beta_slope(double x, double a, double b) {
  if (!(x > 0 && x < 1)) return x == 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
  double rest = std::log(x) - digamma_of(a) + digamma_of(a + b);
  if (x < (a + 1) / (a + b + 2)) {
    Dual h = beta_fraction(Dual(a, 1), b, x);
    return -x / a * (h.v * (rest - 1 / a) + h.d);
  }
  Dual h = beta_fraction(b, Dual(a, 1), 1 - x);  // of the complement
  return x / b * (h.v * rest + h.d);
}

// f(x, y) of doubles for every element, in the operands' floating type.
template <class F>
Tensor each(const Tensor& first, const Tensor& second, F f) {
  Tensor x = contiguous_of(cast_of(first, DType::Float64)), y = contiguous_of(cast_of(second, DType::Float64)),
         r = empty(first.sizes(), DType::Float64);
  for (int64_t i = 0; i < r.numel(); ++i) r.data<double>()[i] = f(x.data<double>()[i], y.data<double>()[i]);
  return cast_of(r, first.dtype());
}

}  // namespace

static Record standard_gamma_grad{{.schema = {"_standard_gamma_grad(Tensor self, Tensor output) -> Tensor"},
                                   .forward =
                                       [](Call& c) {
                                         FL_CHECK(c.tensor(0).sizes() == c.tensor(1).sizes(),
                                                  "_standard_gamma_grad: self and output must have the same shape");
                                         if (!is_floating(c.tensor(0).dtype())) no_kernel("_standard_gamma_grad_cpu", c.tensor(0).dtype());
                                         c.ret(each(c.tensor(0), c.tensor(1), gamma_slope));
                                       },
                                   .flags = kFunction,
                                   .nodes = {"NotImplemented"},
                                   .doc = "The derivative of gamma samples by their concentrations."}};
static Record standard_gamma{{.schema = {"_standard_gamma(Tensor self, " GENERATOR ") -> Tensor"},
                              .forward = [](Call& c) {
                                const Tensor& x = c.tensor(0);
                                if (x.dtype() != DType::Float32 && x.dtype() != DType::Float64) no_kernel("gamma_cpu", x.dtype());
                                Tensor alpha = contiguous_of(x), r = empty(x.sizes(), x.dtype());
                                c.ret(r);
                                Interruptible stop(double(x.numel()) * 20);
                                cpu::fill_standard_gamma(generator_of(c.arg(1)), x.dtype(), r.bytes(), alpha.bytes(), x.numel());
                              },
                              .gradient = [](Grad& G) {
                                G.set(0, mul(G.grad(), standard_gamma_grad(G.in(0), G.result())));
                              },
                              .save = kSaveSelf | kSaveResult,
                              .flags = kFunction,
                              .doc = "Gamma numbers of the concentrations self and rate 1."}};
static Record sample_dirichlet{{.schema = {"_sample_dirichlet(Tensor self, " GENERATOR ") -> Tensor"},
                                .forward =
                                    [](Call& c) {
                                      const Tensor& x = c.tensor(0);
                                      if (x.dtype() != DType::Float32 && x.dtype() != DType::Float64) no_kernel("dirichlet", x.dtype());
                                      Tensor alpha = contiguous_of(x), r = empty(x.sizes(), x.dtype());
                                      c.ret(r);
                                      int64_t n = x.dim() ? x.size(-1) : 1;
                                      if (x.numel())
                                        cpu::sample_dirichlet(generator_of(c.arg(1)), x.dtype(), r.bytes(), alpha.bytes(), x.numel() / n, n);
                                    },
                                .flags = kFunction,
                                .nodes = {"NotImplemented"},
                                .doc = "Dirichlet numbers: rows that sum to 1, of the concentrations self."}};

static Record dirichlet_grad{{.schema = {"_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor"},
                              .forward =
                                  [](Call& c) {
                                    const Tensor& given = c.tensor(0);
                                    FL_CHECK(c.tensor(1).sizes() == given.sizes() && c.tensor(2).sizes() == given.sizes(),
                                             "_dirichlet_grad: x, alpha and total must have the same shape");
                                    if (!is_floating(given.dtype())) no_kernel("_dirichlet_grad_cpu", given.dtype());
                                    auto wide = [](const Tensor& t) {
                                      return contiguous_of(cast_of(t, DType::Float64));
                                    };
                                    Tensor x = wide(given), alpha = wide(c.tensor(1)), total = wide(c.tensor(2)),
                                           r = empty(x.sizes(), DType::Float64);
                                    const double *px = x.data<double>(), *pa = alpha.data<double>(), *pt = total.data<double>();
                                    for (int64_t i = 0; i < r.numel(); ++i) r.data<double>()[i] = beta_slope(px[i], pa[i], pt[i] - pa[i]);
                                    c.ret(cast_of(r, given.dtype()));
                                  },
                              .flags = kFunction,
                              .nodes = {"NotImplemented"},
                              .doc = "The derivative of Dirichlet samples by their concentrations, each as a beta number."}};

// ------------------------------------------------------------------------------------------------ multinomial

// The exponential race with keys drawn in the order of x's memory, where that is not the order of its rows.
static Tensor strided_race(const Tensor& x, int64_t samples, Generator& g) {
  GradModeGuard off(false);
  Tensor keys = fl::empty_like(x);
  fill_in_order(keys, [&](void* p, int64_t n) {
    cpu::fill_exponential(g, x.dtype(), p, n, 1);
  });
  keys = div(x, keys);
  return samples == 1 ? argmax(keys, -1, true) : topk.many(keys, samples)[1];
}
static Record multinomial{{.schema = {"multinomial(Tensor self, int num_samples, bool replacement=False, *, " GENERATOR ") -> Tensor"},
                           .forward = [](Call& c) {
                             const Tensor& x = c.tensor(0);
                             int64_t samples = c.integer(1);
                             bool replacement = c.flag(2);
                             if (c.mode == Mode::Out && c.preset[0])
                               FL_CHECK(c.preset[0]->dtype == DType::Int64,
                                        "multinomial expects Long tensor out, got: ", scalar_type_name(c.preset[0]->dtype));
                             FL_CHECK(x.dim() == 1 || x.dim() == 2, "prob_dist must be 1 or 2 dim");
                             FL_CHECK(is_floating(x.dtype()),
                                      "multinomial only supports floating-point dtypes for input, got: ", scalar_type_name(x.dtype()));
                             FL_CHECK(samples > 0, "cannot sample n_sample <= 0 samples");
                             FL_CHECK(replacement || samples <= x.size(-1),
                                      "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
                             FL_CHECK(x.size(-1) <= int64_t(1) << 24, "number of categories cannot exceed 2^24");
                             Tensor prob = contiguous_of(x);
                             int64_t rows = x.dim() == 2 ? x.size(0) : 1;
                             Tensor r = x.dim() == 2 ? empty(IntView{rows, samples}, DType::Int64) : empty(IntView{samples}, DType::Int64);
                             c.ret(r);
                             Generator& g = generator_of(c.arg(3));
                             bool race = !replacement || samples == 1, strided = race && rows > 1 && !x.is_contiguous();
                             Generator probe = g;  // of a strided race only the checks are wanted here
                             if (rows) {
                               Interruptible stop(double(prob.numel() + r.numel()) * 10);
                               cpu::MultinomialStatus s = cpu::multinomial(strided ? probe : g, x.dtype(), r.data<int64_t>(), prob.bytes(), rows,
                                                                           x.size(-1), samples, replacement);
                               FL_CHECK(s != cpu::MultinomialStatus::ZeroSum, "invalid multinomial distribution (sum of probabilities <= 0)");
                               if (s == cpu::MultinomialStatus::BadProbability) {
                                 FL_CHECK(!race, "probability tensor contains either `inf`, `nan` or element < 0");
                                 bool below = item_value(*any(lt(prob, 0)).get()).b;
                                 fail(ErrorKind::Runtime, "invalid multinomial distribution (encountering probability entry ",
                                      below ? "< 0)" : "= infinity or NaN)");
                               }
                             }
                             if (strided) copy_values(r, strided_race(x, samples, g));
                           },
                           .flags = kBoth | kOut | kNoGrad,
                           .doc = "Indices drawn with the given weights, from each row."}};

}  // namespace fl::ops
