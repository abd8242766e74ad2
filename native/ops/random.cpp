// Random tensors: rand, randn, randint, randperm and their _like forms, and the in-place draws from distributions.
#include "ops/random_fill.h"

namespace fl::ops {

// ------------------------------------------------------------------------------------------------ building blocks

Dims memory_order(const Tensor& t) {
  int n = t.dim(), order[kMaxDims];
  for (int d = 0; d < n; ++d) order[d] = d;
  std::stable_sort(order, order + n, [&](int a, int b) {
    return t.stride(a) > t.stride(b);
  });
  Dims st(n);
  int64_t step = 1;
  for (int k = n - 1; k >= 0; --k) {
    st[order[k]] = step;
    step *= std::max<int64_t>(t.size(order[k]), 1);
  }
  return st;
}
void no_kernel(const char* kernel, DType t) { fail(ErrorKind::NotImplemented, "\"", kernel, "\" not implemented for '", scalar_type_name(t), "'"); }

namespace {

double largest(DType t) {
  switch (t) {
    case DType::Float16: return 65504;
    case DType::BFloat16: return 3.3895313892515355e38;
    case DType::Float64:
    case DType::Complex128: return std::numeric_limits<double>::max();
    default: return std::numeric_limits<float>::max();
  }
}
int digits(DType t) { return t == DType::Float16 ? 11 : t == DType::BFloat16 ? 8
                                                    : t == DType::Float32    ? 24
                                                                             : 53; }
struct Span {
  double low, high;
};
Span integer_limits(DType t) {
  if (t == DType::Bool) return {0, 1};
  if (is_floating(t)) return {-largest(t), largest(t)};
  int bits = int(item_size(t)) * 8;
  bool is_unsigned = t == DType::UInt8 || t == DType::UInt16 || t == DType::UInt32 || t == DType::UInt64;
  return is_unsigned ? Span{0, std::ldexp(1.0, bits) - 1} : Span{-std::ldexp(1.0, bits - 1), std::ldexp(1.0, bits - 1) - 1};
}
void check_integers(DType t, const char* what, double v) {
  if (is_complex(t)) fail(ErrorKind::Runtime, "check_random_bounds handles only integral, floating-point and boolean types");
  Span s = integer_limits(t);
  FL_CHECK(v >= s.low && v <= s.high, what, " is out of bounds for ", c_type_name(t));
}
void warn_imprecise(DType t, const char* what, int64_t v) {
  int64_t limit = int64_t(1) << digits(t);
  if ((v >= -limit && v <= limit) || !python_hooks.warn) return;
  std::ostringstream text;
  text << what << " is out of bounds [-(2^" << digits(t) << "), 2^" << digits(t) << "]. Due to precision limitations " << c_type_name(t)
       << " can support discrete uniform distribution only within this range.";
  python_hooks.warn(text.str().c_str());
}

void zero_gradient(Grad& G) {
  for (int k = 0; k < G.node.nargs; ++k)
    if (G.is_tensor(k) && G.needs(k)) G.set(k, zeros_like_sizes(G.sizes(k), G.dtype(k)));
}

}  // namespace

void draw_normal(const Tensor& t, double mean, double std, Generator& g) {
  FL_CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  if (!is_differentiable(t.dtype())) no_kernel("normal_kernel_cpu", t.dtype());
  check_no_overlap(t);
  fill_in_order(t, [&](void* p, int64_t n) {
    cpu::fill_normal(g, t.dtype(), p, n, mean, std, t.is_contiguous());
  });
}
void draw_uniform(const Tensor& t, double from, double to, Generator& g) {
  DType type = t.dtype();
  if (!is_differentiable(type)) no_kernel("check_uniform_bounds", type);
  double limit = largest(type);
  const char* shown = c_type_name(real_type(type));
  FL_CHECK(from >= -limit && from <= limit, "from is out of bounds for ", shown);
  FL_CHECK(to >= -limit && to <= limit, "to is out of bounds for ", shown);
  FL_CHECK(from <= to, "uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  FL_CHECK(to - from <= limit, "uniform_ expects to-from <= std::numeric_limits<", scalar_type_name(type), ">::max(), but found to=", to,
           " and from=", from, " which result in to-from to exceed the limit");
  check_no_overlap(t);
  fill_in_order(t, [&](void* p, int64_t n) {
    cpu::fill_uniform(g, real_type(type), p, is_complex(type) ? 2 * n : n, from, to);
  });
}
void draw_integers(const Tensor& t, int64_t from, int64_t to, Generator& g) {
  DType type = t.dtype();
  FL_CHECK(from < to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
  check_integers(type, "from", double(from));
  check_integers(type, "to - 1", double(to - 1));
  if (is_floating(type)) {
    warn_imprecise(type, "from", from);
    warn_imprecise(type, "to - 1", to - 1);
  }
  check_no_overlap(t);
  fill_in_order(t, [&](void* p, int64_t n) {
    cpu::fill_random_range(g, type, p, n, uint64_t(to) - uint64_t(from), from);
  });
}

// ------------------------------------------------------------------------------------------------ factories

namespace {

// The tensor a factory fills: out= or a fresh one of `size`.
const Tensor& fresh(Call& c, IntView size, const Options& o, bool given) {
  DType t = c.mode == Mode::Out && c.preset[0] && !given ? c.preset[0]->dtype : o.dtype;
  FL_CHECK(!o.requires_grad || is_differentiable(t), "Only Tensors of floating point and complex dtype can require gradients");
  checked_numel(size);
  const Tensor& r = c.result(size, t);
  if (o.requires_grad) r->requires_grad = true;
  return r;
}
// Arguments of _like forms: `at` generator, then the options, then memory_format.
Tensor like(Call& c, int at, bool& requires_grad) {
  const Tensor& x = c.tensor(0);
  Options o = options(c, at + 1, x.dtype());
  MemoryFormat f = c.has(at + 6) ? c.arg(at + 6).format : MemoryFormat::Preserve;
  requires_grad = o.requires_grad;
  return f == MemoryFormat::Preserve ? fl::empty_like(x, o.dtype, o.device) : empty_format(x.sizes(), o.dtype, f, o.device);
}

#define GENERATOR "Generator? generator=None"
#define LIKE_END "*, " GENERATOR ", " FL_OPTIONS ", MemoryFormat? memory_format=None"

}  // namespace

static Record rand_record{{.schema = {"rand(int[] size, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                           .forward =
                               [](Call& c) {
                                 draw_uniform(fresh(c, c.ints(0), options(c, 2, default_dtype()), c.has(2)), 0, 1, generator_of(c.arg(1)));
                               },
                           .flags = kFunction | kOut | kNoGrad,
                           .doc = "Uniform numbers from [0, 1)."}};
static Record randn{{.schema = {"randn(int[] size, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                     .forward =
                         [](Call& c) {
                           draw_normal(fresh(c, c.ints(0), options(c, 2, default_dtype()), c.has(2)), 0, 1, generator_of(c.arg(1)));
                         },
                     .flags = kFunction | kOut | kNoGrad,
                     .doc = "Standard normal numbers."}};
static Record randint{{.schema = {"randint(int high, int[] size, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                       .forward =
                           [](Call& c) {
                             draw_integers(fresh(c, c.ints(1), options(c, 3, DType::Int64), c.has(3)), 0, c.integer(0), generator_of(c.arg(2)));
                           },
                       .flags = kFunction | kOut | kNoGrad,
                       .doc = "Integers from [0, high)."}};
static Record randint_low{{.schema = {"randint.low(int low, int high, int[] size, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                           .forward =
                               [](Call& c) {
                                 draw_integers(fresh(c, c.ints(2), options(c, 4, DType::Int64), c.has(4)), c.integer(0), c.integer(1),
                                               generator_of(c.arg(3)));
                               },
                           .flags = kFunction | kOut | kNoGrad,
                           .doc = "Integers from [low, high)."}};
static Record randperm{{.schema = {"randperm(int n, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                        .forward = [](Call& c) {
                          int64_t n = c.integer(0);
                          FL_CHECK(n >= 0, "Trying to create tensor with negative dimension ", n, ": [", n, "]");
                          Options o = options(c, 2, DType::Int64);
                          DType t = c.mode == Mode::Out && c.preset[0] && !c.has(2) ? c.preset[0]->dtype : o.dtype;
                          if (t == DType::Bool || is_complex(t)) no_kernel("randperm", t);
                          if (is_floating(t))
                            FL_CHECK(n <= (int64_t(1) << digits(t)) + 1, "n cannot be greater than ", (int64_t(1) << digits(t)) + 1, " for ",
                                     scalar_type_name(t), " type.");
                          else checked_bits(Value(n), t);
                          const Tensor& r = fresh(c, IntView(&n, 1), o, c.has(2));
                          Generator& g = generator_of(c.arg(1));
                          fill_in_order(r, [&](void* p, int64_t) {
                            cpu::randperm(g, r.dtype(), p, n);
                          });
                        },
                        .flags = kFunction | kOut | kNoGrad,
                        .doc = "A random permutation of 0 ... n - 1."}};
static Record rand_like{{.schema = {"rand_like(Tensor self, " LIKE_END ") -> Tensor"},
                         .forward = [](Call& c) {
                           bool grad;
                           Tensor t = like(c, 1, grad);
                           draw_uniform(t, 0, 1, generator_of(c.arg(1)));
                           finish(c, t, grad);
                         },
                         .flags = kFunction | kOut | kNoGrad,
                         .doc = "Uniform numbers from [0, 1) in the shape and type of self."}};
static Record randn_like{{.schema = {"randn_like(Tensor self, " LIKE_END ") -> Tensor"},
                          .forward = [](Call& c) {
                            bool grad;
                            Tensor t = like(c, 1, grad);
                            draw_normal(t, 0, 1, generator_of(c.arg(1)));
                            finish(c, t, grad);
                          },
                          .flags = kFunction | kOut | kNoGrad,
                          .doc = "Standard normal numbers in the shape and type of self."}};
static Record randint_like{{.schema = {"randint_like(Tensor self, int high, " LIKE_END ") -> Tensor"},
                            .forward = [](Call& c) {
                              bool grad;
                              Tensor t = like(c, 2, grad);
                              draw_integers(t, 0, c.integer(1), generator_of(c.arg(2)));
                              finish(c, t, grad);
                            },
                            .flags = kFunction | kOut | kNoGrad,
                            .doc = "Integers from [0, high) in the shape and type of self."}};
static Record randint_like_low{{.schema = {"randint_like.low_dtype(Tensor self, int low, int high, " LIKE_END ") -> Tensor"},
                                .forward = [](Call& c) {
                                  bool grad;
                                  Tensor t = like(c, 3, grad);
                                  draw_integers(t, c.integer(1), c.integer(2), generator_of(c.arg(3)));
                                  finish(c, t, grad);
                                },
                                .flags = kFunction | kOut | kNoGrad,
                                .doc = "Integers from [low, high) in the shape and type of self."}};

// ------------------------------------------------------------------------------------------------ normal

namespace {

void check_std(const Tensor& std) {
  FL_CHECK(!is_complex(std.dtype()), "normal expects standard deviation to be non-complex");
  if (std.numel() == 0) return;
  FL_CHECK(holds(all(ge(std, 0))), "normal expects all elements of std >= 0.0");
}
// mean and std: numbers or tensors; `size` of the result.
void normal_values(Call& c, IntView size, DType type, const Value& mean, const Value& std, const Value& generator) {
  if (std.is_tensor()) check_std(std.tensor());
  const Tensor& r = c.result(size, c.mode == Mode::Out && c.preset[0] ? c.preset[0]->dtype : type);
  bool plain = !mean.is_tensor() && !std.is_tensor();
  draw_normal(r, plain ? mean.real() : 0, std.is_tensor() ? 1 : std.real(), generator_of(generator));
  if (plain) return;
  GradModeGuard off(false);
  Tensor t = r;
  if (std.is_tensor()) mul.inplace(t, std);
  add.inplace(t, mean);
}

}  // namespace

static Record normal_tensors{{.schema = {"normal.Tensor_Tensor(Tensor mean, Tensor std, *, " GENERATOR ") -> Tensor"},
                              .forward =
                                  [](Call& c) {
                                    normal_values(c, broadcast_shapes(c.tensor(0).sizes(), c.tensor(1).sizes()), c.tensor(0).dtype(), c.arg(0),
                                                  c.arg(1), c.arg(2));
                                  },
                              .gradient = zero_gradient,
                              .flags = kFunction | kOut,
                              .nodes = {"NormalBackward3"},
                              .doc = "Normal numbers of given means and deviations."}};
static Record normal_mean{{.schema = {"normal.Tensor_float(Tensor mean, float std=1, *, " GENERATOR ") -> Tensor"},
                           .forward =
                               [](Call& c) {
                                 normal_values(c, c.tensor(0).sizes(), c.tensor(0).dtype(), c.arg(0), c.arg(1), c.arg(2));
                               },
                           .gradient = zero_gradient,
                           .flags = kFunction | kOut,
                           .nodes = {"NormalBackward1"},
                           .doc = "Normal numbers of given means."}};
static Record normal_std{{.schema = {"normal.float_Tensor(float mean, Tensor std, *, " GENERATOR ") -> Tensor"},
                          .forward =
                              [](Call& c) {
                                normal_values(c, c.tensor(1).sizes(), c.tensor(1).dtype(), c.arg(0), c.arg(1), c.arg(2));
                              },
                          .gradient = zero_gradient,
                          .flags = kFunction | kOut,
                          .nodes = {"NormalBackward2"},
                          .doc = "Normal numbers of given deviations."}};
static Record normal_size{{.schema = {"normal.float_float(float mean, float std, int[] size, *, " GENERATOR ", " FL_OPTIONS ") -> Tensor"},
                           .forward = [](Call& c) {
                             draw_normal(fresh(c, c.ints(2), options(c, 4, default_dtype()), c.has(4)), c.real(0), c.real(1), generator_of(c.arg(3)));
                           },
                           .flags = kFunction | kOut | kNoGrad,
                           .doc = "Normal numbers of one mean and deviation."}};

// ------------------------------------------------------------------------------------------------ in place

#define IN_PLACE(VARIABLE, SCHEMA, NODE, DOC, ...)                     \
  static Record VARIABLE{{.schema = {SCHEMA}, .forward = [](Call& c) { \
                            const Tensor& x = c.tensor(0);             \
                            __VA_ARGS__;                               \
                            c.ret(x);                                  \
                          },                                           \
                          .gradient = zero_gradient,                   \
                          .flags = kMethod | kInplaceOnly,             \
                          .nodes = {NODE},                             \
                          .doc = DOC}};

IN_PLACE(normal_, "normal_(Tensor(a!) self, float mean=0, float std=1, *, " GENERATOR ") -> Tensor(a!)", "NormalBackward0",
         "Fills self with normal numbers.", draw_normal(x, c.real(1), c.real(2), generator_of(c.arg(3))))
IN_PLACE(uniform_, "uniform_(Tensor(a!) self, float from=0, float to=1, *, " GENERATOR ") -> Tensor(a!)", "UniformBackward0",
         "Fills self with uniform numbers from [from, to).", draw_uniform(x, c.real(1), c.real(2), generator_of(c.arg(3))))

static void random_from(const Tensor& x, int64_t from, const Value& to, Generator& g) {
  if (!to.is_none()) return draw_integers(x, from, to.integer(), g);
  DType t = x.dtype();
  if (from == std::numeric_limits<int64_t>::min()) {
    FL_CHECK(t == DType::Int64 || t == DType::Float32 || t == DType::Float64 || t == DType::BFloat16,
             "random_from_std::numeric_limits<int64_t>::lowest() supports only int64, double, float and bfloat16");
    check_no_overlap(x);
    return fill_in_order(x, [&](void* p, int64_t n) {
      cpu::fill_random_range(g, t, p, n, 0, from);
    });
  }
  check_integers(t, "from", double(from));
  int64_t last = is_floating(t)                            ? int64_t(1) << digits(t)
                 : t == DType::Int64 || t == DType::UInt64 ? std::numeric_limits<int64_t>::max()
                                                           : int64_t(integer_limits(t).high);
  check_no_overlap(x);
  fill_in_order(x, [&](void* p, int64_t n) {
    cpu::fill_random_range(g, t, p, n, uint64_t(last) - uint64_t(from) + 1, from);
  });
}
IN_PLACE(random_from_, "random_.from(Tensor(a!) self, int from, int? to, *, " GENERATOR ") -> Tensor(a!)", "RandomBackward0",
         "Fills self with integers from [from, to).", random_from(x, c.integer(1), c.arg(2), generator_of(c.arg(3))))
IN_PLACE(random_to_, "random_.to(Tensor(a!) self, int to, *, " GENERATOR ") -> Tensor(a!)", "RandomBackward1",
         "Fills self with integers from [0, to).", draw_integers(x, 0, c.integer(1), generator_of(c.arg(2))))
IN_PLACE(random_, "random_(Tensor(a!) self, *, " GENERATOR ") -> Tensor(a!)", "RandomBackward2",
         "Fills self with integers from the whole range its type represents.", if (is_complex(x.dtype())) no_kernel("random_kernel_cpu", x.dtype());
         check_no_overlap(x); Generator& g = generator_of(c.arg(1)); fill_in_order(x, [&](void* p, int64_t n) {
           cpu::fill_random(g, x.dtype(), p, n);
         }))

using Fill = void (*)(Generator&, DType, void*, int64_t, double, double);
static void draw(const Tensor& x, const Value& generator, Fill fill, double a, double b = 0) {
  check_no_overlap(x);
  Generator& g = generator_of(generator);
  fill_in_order(x, [&](void* p, int64_t n) {
    fill(g, x.dtype(), p, n, a, b);
  });
}
IN_PLACE(exponential_, "exponential_(Tensor(a!) self, float lambd=1, *, " GENERATOR ") -> Tensor(a!)", "ExponentialBackward0",
         "Fills self with exponential numbers of rate lambd.",
         FL_CHECK(is_floating(x.dtype()),
                  "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you specified ",
                  scalar_type_name(x.dtype()));
         FL_CHECK(c.real(1) > 0, "exponential_ expects lambda > 0.0, but found lambda=", c.real(1)); draw(
             x, c.arg(2),
             [](Generator& g, DType t, void* p, int64_t n, double a, double) {
               cpu::fill_exponential(g, t, p, n, a);
             },
             c.real(1)))
IN_PLACE(geometric_, "geometric_(Tensor(a!) self, float p, *, " GENERATOR ") -> Tensor(a!)", "GeometricBackward0",
         "Fills self with the number of trials until a success of probability p.",
         FL_CHECK(c.real(1) > 0 && c.real(1) < 1, "geometric_ expects p to be in (0, 1), but got p=", c.real(1));
         if (is_complex(x.dtype()) || x.dtype() == DType::Bool) no_kernel("geometric_cpu", x.dtype()); draw(
             x, c.arg(2),
             [](Generator& g, DType t, void* p, int64_t n, double a, double) {
               cpu::fill_geometric(g, t, p, n, a);
             },
             c.real(1)))
IN_PLACE(cauchy_, "cauchy_(Tensor(a!) self, float median=0, float sigma=1, *, " GENERATOR ") -> Tensor(a!)", "CauchyBackward0",
         "Fills self with Cauchy numbers.", FL_CHECK(c.real(2) > 0, "cauchy_ expects sigma > 0.0, but found sigma=", c.real(2));
         FL_CHECK(is_floating(x.dtype()),
                  "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified ",
                  c_type_name(x.dtype()));
         draw(x, c.arg(3), cpu::fill_cauchy, c.real(1), c.real(2)))
IN_PLACE(log_normal_, "log_normal_(Tensor(a!) self, float mean=1, float std=2, *, " GENERATOR ") -> Tensor(a!)", "LogNormalBackward0",
         "Fills self with exponentials of normal numbers.", FL_CHECK(c.real(2) > 0, "log_normal_ expects std > 0.0, but found std=", c.real(2));
         if (!is_floating(x.dtype())) no_kernel("log_normal_cpu", x.dtype()); draw(x, c.arg(3), cpu::fill_log_normal, c.real(1), c.real(2)))

}  // namespace fl::ops
