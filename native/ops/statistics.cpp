// Variance, standard deviation, vector norms, log-sum-exp, counts, and sums without NaN.
#include "ops/reduction.h"

namespace fl::ops {

// ------------------------------------------------------------------------------------------------ variance

namespace {

// Arguments: self, dim, correction, keepdim.
double correction_of(const Value& v) { return v.is_none() ? 1.0 : v.real(); }

void spread_forward(Call& c, cpu::Reduce op, bool with_mean) {
  const Tensor& x = c.tensor(0);
  FL_CHECK(is_differentiable(x.dtype()), with_mean ? c.op.name : "std and var", " only support floating point and complex dtypes");
  uint64_t mask = dims_mask(c.arg(1), x.dim());
  bool keepdim = c.flag(3);
  double correction = correction_of(c.arg(2));
  Dims sizes = reduced_sizes(x.sizes(), mask, keepdim);
  if (double(reduced_count(x.sizes(), mask)) - correction <= 0 && checked_numel(sizes) > 0 && python_hooks.warn)
    python_hooks.warn((::std::string(c.op.name) + "(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
                                                  "divided by output numel).")
                          .c_str());
  Tensor out = c.result(sizes, real_type(x.dtype()));
  Tensor average = with_mean ? c.result(sizes, x.dtype()) : Tensor();
  run_reduce(op, x, mask, keepdim, out, average, correction);
}
Dims listed(uint64_t mask, int n) {
  Dims over(0);
  for (int d = 0; d < n; ++d)
    if (mask >> d & 1) over.push(d);
  return over;
}
Tensor mean_over(const Tensor& x, uint64_t mask) { return x.dim() ? mean(x, IntView(listed(mask, x.dim())), true) : x; }
// g is the gradient of the variance with the dimensions kept.
Tensor variance_gradient(const Tensor& g, const Tensor& x, uint64_t mask, double correction) {
  double freedom = double(reduced_count(x.sizes(), mask)) - correction;
  Tensor centred = sub(x, mean_over(x, mask));
  if (freedom <= 0) {
    double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    return mul(g, where(eq(centred, 0), full(IntView(), nan, real_type(x.dtype())), full(IntView(), inf, real_type(x.dtype()))));
  }
  return mul(mul(g, 2.0 / freedom), centred);
}
Tensor kept(const Grad& G, const Tensor& t, uint64_t mask) { return keep_dims(t, G.sizes(0).n, mask, G.arg(3).b); }
void spread_gradient(Grad& G, bool deviation) {
  uint64_t mask = dims_mask(G.arg(1), G.sizes(0).n);
  Tensor x = G.in(0), total;
  if (G.grad().defined()) {
    Tensor g = kept(G, G.grad(), mask);
    if (deviation) {
      Tensor r = kept(G, G.result(), mask);
      g = where(eq(r, 0), zeros_like(r), div(g, mul(r, 2)));
    }
    total = variance_gradient(g, x, mask, correction_of(G.arg(2)));
  }
  if (G.node.meta.size() > 1 && G.grad(1).defined()) {
    Tensor part = div(expand(kept(G, G.grad(1), mask), x.sizes()), std::max<int64_t>(reduced_count(x.sizes(), mask), 1));
    total = total.defined() ? add(total, part) : part;
  }
  if (total.defined()) G.set(0, gradient_as(total, x.dtype()));
}
void var_gradient(Grad& G) { spread_gradient(G, false); }
void std_gradient(Grad& G) { spread_gradient(G, true); }

// The older forms: unbiased stands for a correction of 1.
void by_dim(Call& c, const Record& op) {
  auto r = op.many(c.tensor(0), c.arg(1), int64_t(c.flag(2)), c.flag(3));
  for (auto& t : r) c.ret(t);
}
void of_all(Call& c, const Record& op) {
  auto r = op.many(c.tensor(0), Value(), int64_t(c.flag(1)), false);
  for (auto& t : r) c.ret(t);
}

}  // namespace

extern Record var, std_, var_mean, std_mean;
static Record var_by_dim{{.schema = {"var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor"},
                          .forward = [](Call& c) {
                            by_dim(c, var);
                          },
                          .flags = kBoth | kOut | kComposite,
                          .doc = "The variance over dim."}};
Record var{{.schema = {"var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"},
            .forward = [](Call& c) {
              spread_forward(c, cpu::Reduce::Var, false);
            },
            .gradient = var_gradient,
            .save = kSaveSelf,
            .flags = kBoth | kOut,
            .doc = "The variance over dim: squares divided by the count less correction.\n\n>>> torch.var(torch.tensor([1., 2., 3.]))\ntensor(1.)"}};
static Record var_of_all{{.schema = {"var(Tensor self, bool unbiased=True) -> Tensor"},
                          .forward = [](Call& c) {
                            of_all(c, var);
                          },
                          .flags = kBoth | kComposite}};
static Record std_by_dim{{.schema = {"std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor"},
                          .forward = [](Call& c) {
                            by_dim(c, std_);
                          },
                          .flags = kBoth | kOut | kComposite,
                          .doc = "The standard deviation over dim."}};
Record std_{{.schema = {"std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor"},
             .forward = [](Call& c) {
               spread_forward(c, cpu::Reduce::Std, false);
             },
             .gradient = std_gradient,
             .save = kSaveSelf | kSaveResult,
             .flags = kBoth | kOut,
             .doc = "The standard deviation over dim.\n\n>>> torch.std(torch.tensor([1., 2., 3.]))\ntensor(1.)"}};
static Record std_of_all{{.schema = {"std(Tensor self, bool unbiased=True) -> Tensor"},
                          .forward = [](Call& c) {
                            of_all(c, std_);
                          },
                          .flags = kBoth | kComposite}};
static Record var_mean_by_dim{{.schema = {"var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)"},
                               .forward = [](Call& c) {
                                 by_dim(c, var_mean);
                               },
                               .flags = kFunction | kComposite,
                               .doc = "The variance and the mean over dim."}};
Record var_mean{{.schema = {"var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"},
                 .forward = [](Call& c) {
                   spread_forward(c, cpu::Reduce::Var, true);
                 },
                 .gradient = var_gradient,
                 .save = kSaveSelf,
                 .flags = kFunction}};
static Record var_mean_of_all{{.schema = {"var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)"},
                               .forward = [](Call& c) {
                                 of_all(c, var_mean);
                               },
                               .flags = kFunction | kComposite}};
static Record std_mean_by_dim{{.schema = {"std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)"},
                               .forward = [](Call& c) {
                                 by_dim(c, std_mean);
                               },
                               .flags = kFunction | kComposite,
                               .doc = "The standard deviation and the mean over dim."}};
Record std_mean{{.schema = {"std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)"},
                 .forward = [](Call& c) {
                   spread_forward(c, cpu::Reduce::Std, true);
                 },
                 .gradient = std_gradient,
                 .save = kSaveSelf | kSaveResult,
                 .flags = kFunction}};
static Record std_mean_of_all{{.schema = {"std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)"},
                               .forward = [](Call& c) {
                                 of_all(c, std_mean);
                               },
                               .flags = kFunction | kComposite}};

// ------------------------------------------------------------------------------------------------ vector norms

namespace {

// Arguments: self, ord, dim, keepdim, dtype.
void norm_forward(Call& c) {
  const Tensor& given = c.tensor(0);
  DType in = given.dtype(), t = c.dtype(4, in);
  FL_CHECK(is_differentiable(in), "linalg.vector_norm: Expected a floating point or complex tensor as input. Got ", scalar_type_name(in));
  if (c.has(4)) {
    FL_CHECK(is_differentiable(t), "linalg.vector_norm: dtype should be floating point or complex, but got ", scalar_type_name(t));
    FL_CHECK(is_complex(t) == is_complex(in), "linalg.vector_norm: dtype should be ", is_complex(in) ? "complex" : "real", " for ", is_complex(in) ? "complex" : "real",
             " inputs, but got ", scalar_type_name(t));
    FL_CHECK(promote_types(in, t) == t, "linalg.vector_norm: the dtype of the input (", scalar_type_name(in),
             ") should be convertible without narrowing to the specified dtype (", scalar_type_name(t), ")");
  }
  FL_CHECK(c.arg(1).tag != Value::ComplexTag, "linalg.vector_norm: Expected a non-complex scalar as the order of norm");
  double p = c.real(1);
  uint64_t mask = dims_mask(c.arg(2), given.dim());
  if (given.numel() == 0 && (p < 0 || std::isinf(p))) {
    FL_CHECK(mask != all_dims(given.dim()), "linalg.vector_norm cannot compute the ", p, " norm on an empty tensor because the operation does not have an identity");
    for (int d = 0; d < given.dim(); ++d)
      FL_CHECK(!(mask >> d & 1) || given.size(d) != 0, "linalg.vector_norm cannot compute the ", p, " norm on the dimension ", d,
               "because this dimension is empty and the operation does not have an identity");
  }
  DType out_type = real_type(t);
  const Tensor& out = c.result(reduced_sizes(given.sizes(), mask, c.flag(3)), out_type);
  bool direct = t == in || (is_reduced_float(in) && t == DType::Float32);
  run_reduce(cpu::Reduce::Norm, direct ? given : cast_of(given, t), mask, c.flag(3), out, Tensor(), p);
}
Tensor where_zero(const Tensor& tested, const Tensor& t) { return where(eq(tested, 0), zeros_like_sizes(IntView(), t.dtype()), t); }
void norm_gradient(Grad& G) {
  int n = G.sizes(0).n;
  uint64_t mask = dims_mask(G.arg(2), n);
  DType t = G.arg(4).is_none() ? G.dtype(0) : G.arg(4).dtype;
  Tensor x = to_dtype(G.in(0), t), g = keep_dims(G.grad(), n, mask, G.arg(3).b), r = keep_dims(G.result(), n, mask, G.arg(3).b), out;
  double p = G.arg(1).real();
  if (p == 0) return;  // constant almost everywhere
  if (p == 1) out = mul(sgn(x), g);
  else if (p == 2) out = where_zero(r, mul(g, div(x, r)));
  else if (std::isinf(p)) {
    Tensor size = abs(x), hit = logical_or(eq(size, r), isnan(size)), count = hit;
    if (n) count = sum(hit, IntView(listed(mask, n)), true);
    out = mul(sgn(x), mul(div(g, count), hit));
  } else if (p < 1) {
    out = mul(where_zero(x, mul(sgn(x), pow(abs(x), p - 1))), mul(g, pow(r, 1 - p)));
  } else if (p < 2) {
    out = mul(mul(sgn(x), pow(abs(x), p - 1)), where_zero(r, div(g, pow(r, p - 1))));
  } else {
    out = mul(mul(x, pow(abs(x), p - 2)), where_zero(r, div(g, pow(r, p - 1))));
  }
  G.set(0, gradient_as(out, G.dtype(0)));
}

}  // namespace

Record linalg_vector_norm{{.schema = {"linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
                           .forward = norm_forward,
                           .gradient = norm_gradient,
                           .save = kSaveSelf | kSaveResult,
                           .flags = kFunction | kOut | kLinalg | kExactOut,
                           .doc = "The norm of order ord over dim, all taken as one vector.\n\n>>> torch.linalg.vector_norm(torch.tensor([3., 4.]))\ntensor(5.)"}};

// ------------------------------------------------------------------------------------------------ log-sum-exp

Record logsumexp{{.schema = {"logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor"},
                  .forward = [](Call& c) {
                    Tensor x = c.tensor(0);
                    if (is_integer(x.dtype())) x = cast_of(x, default_dtype());
                    uint64_t mask = dims_mask(c.arg(1), x.dim());
                    if (!is_complex(x.dtype())) {
                      const Tensor& out = c.result(reduced_sizes(x.sizes(), mask, c.flag(2)), x.dtype());
                      return run_reduce(cpu::Reduce::Logsumexp, x, mask, c.flag(2), out);
                    }
                    Dims over = listed(mask, x.dim());
                    if (x.numel() == 0) return c.ret(log(sum(exp(x), over, c.flag(2))));
                    Tensor shift = x.dim() ? amax(real(x), over, true) : clone(real(x));
                    shift = where(isfinite(shift), shift, zeros_like(shift));
                    Tensor r = log(sum(exp(sub(x, shift)), over, c.flag(2)));
                    c.ret(add(r, view(shift, r.sizes())));
                  },
                  .gradient = [](Grad& G) {
                    int n = G.sizes(0).n;
                    uint64_t mask = dims_mask(G.arg(1), n);
                    Tensor r = G.result(), x = to_dtype(G.in(0), r.dtype());
                    Tensor g = keep_dims(G.grad(), n, mask, G.arg(2).b);
                    G.set(0, mul(g, conj_if(exp(sub(x, keep_dims(r, n, mask, G.arg(2).b))))));
                  },
                  .save = kSaveSelf | kSaveResult,
                  .flags = kBoth | kOut,
                  .doc = "The logarithm of the sum of exp(self) over dim, without overflow."}};

// ------------------------------------------------------------------------------------------------ counts and sums

static Record count_nonzero{{.schema = {"count_nonzero.dim_IntList(Tensor self, int[1]? dim=None) -> Tensor"},
                             .forward = [](Call& c) {
                               uint64_t mask = dims_mask(c.arg(1), c.tensor(0).dim());
                               const Tensor& out = c.result(reduced_sizes(c.tensor(0).sizes(), mask, false), DType::Int64);
                               run_reduce(cpu::Reduce::CountNonzero, c.tensor(0), mask, false, out);
                             },
                             .flags = kBoth | kOut | kNoGrad,
                             .doc = "How many elements are not zero.\n\n>>> torch.count_nonzero(torch.tensor([1, 0, 3]))\ntensor(2)"}};

Record nansum{{.schema = {"nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 FL_CHECK(!is_complex(x.dtype()), "nansum on CPU does not support complex inputs");
                 DType t = c.has(3) ? c.dtype(3) : is_integer(x.dtype()) ? DType::Int64
                                                                         : x.dtype();
                 uint64_t mask = dims_mask(c.arg(1), x.dim());
                 const Tensor& out = c.result(reduced_sizes(x.sizes(), mask, c.flag(2)), t);
                 run_reduce(cpu::Reduce::Nansum, is_integer(t) && !is_integer(x.dtype()) ? cast_of(x, t) : x, mask, c.flag(2), out);
               },
               .gradient = [](Grad& G) {
                 Tensor g = spread(gradient_as(G.grad(), G.dtype(0)), G.sizes(0), dims_mask(G.arg(1), G.sizes(0).n), G.arg(2).b);
                 G.set(0, mul(g, logical_not(isnan(G.in(0)))));
               },
               .save = kSaveSelf,
               .flags = kBoth | kOut,
               .doc = "The sum over dim with NaN counted as zero."}};
static Record nanmean{{.schema = {"nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
                       .forward = [](Call& c) {
                         const Tensor& x = c.tensor(0);
                         FL_CHECK(is_differentiable(x.dtype()), "nanmean(): expected input to have floating point or complex dtype but got ", scalar_type_name(x.dtype()));
                         Tensor count = sum(logical_not(isnan(detach(x))), c.arg(1), c.arg(2));
                         c.ret(div(nansum(x, c.arg(1), c.arg(2), c.arg(3)), count));
                       },
                       .flags = kBoth | kOut | kComposite,
                       .doc = "The mean over dim of the values that are not NaN."}};

}  // namespace fl::ops
