// Sums, means, products, extrema and logical reductions over any dimensions.
#include "ops/reduction.h"

namespace fl::ops {

// ------------------------------------------------------------------------------------------------ building blocks

uint64_t dims_mask(IntView dims, int ndim, bool empty_means_all) {
  if (dims.n == 0) return empty_means_all ? all_dims(ndim) : 0;
  uint64_t mask = 0;
  for (int64_t d : dims) {
    uint64_t bit = uint64_t(1) << wrap_dim(d, ndim);
    FL_CHECK(!(mask & bit), "dim ", wrap_dim(d, ndim), " appears multiple times in the list of dims");
    mask |= bit;
  }
  return mask & all_dims(ndim);
}
uint64_t dims_mask(const Value& dims, int ndim, bool empty_means_all) {
  return dims.is_none() ? all_dims(ndim) : dims_mask(dims.int_view(), ndim, empty_means_all);
}

Dims reduced_sizes(IntView sizes, uint64_t mask, bool keepdim) {
  Dims out(0);
  for (int d = 0; d < sizes.n; ++d) {
    if (!(mask >> d & 1)) out.push(sizes[d]);
    else if (keepdim) out.push(1);
  }
  return out;
}
int64_t reduced_count(IntView sizes, uint64_t mask) {
  int64_t n = 1;
  for (int d = 0; d < sizes.n; ++d)
    if (mask >> d & 1) n *= sizes[d];
  return n;
}
Dims byte_strides(const Tensor& t) {
  Dims st(t.strides());
  int64_t item = int64_t(item_size(t.dtype()));
  for (int d = 0; d < st.size(); ++d) st[d] *= item;
  return st;
}

void run_reduce(cpu::Reduce op, const Tensor& x, uint64_t mask, bool keepdim, const Tensor& out, const Tensor& out2, double p0, double p1) {
  if (no_work(out)) return;
  const int n = x.dim();
  Dims in = byte_strides(x), st(n), st2(n);
  auto spread_strides = [&](const Tensor& t, Dims& to) {
    int64_t item = int64_t(item_size(t.dtype()));
    for (int d = 0, k = 0; d < n; ++d) {
      bool gone = mask >> d & 1;
      to[d] = gone ? 0 : t.stride(k) * item;
      if (!gone || keepdim) ++k;
    }
  };
  spread_strides(out, st);
  if (out2.defined()) spread_strides(out2, st2);
  cpu::ReduceDesc r;
  r.op = op;
  r.in_dtype = x.dtype();
  r.out_dtype = out.dtype();
  r.ndim = n;
  r.reduced = mask;
  r.sizes = x.sizes().data;
  r.in_strides = in.data();
  r.out_strides = st.data();
  r.out2_strides = out2.defined() ? st2.data() : nullptr;
  r.in = x.bytes();
  r.out = out.bytes();
  r.out2 = out2.defined() ? out2.bytes() : nullptr;
  r.params[0] = p0;
  r.params[1] = p1;
  r.out2_dtype = out2.defined() ? out2.dtype() : DType::None;
  Unlock unlock(double(x.numel()) * 0.3);
  cpu::reduce_kernels().reduce(r);
}
Tensor reduce_values(cpu::Reduce op, const Tensor& x, uint64_t mask, bool keepdim, DType out, double p0) {
  Tensor r = empty(reduced_sizes(x.sizes(), mask, keepdim), out);
  run_reduce(op, x, mask, keepdim, r, Tensor(), p0);
  return r;
}

Tensor keep_dims(const Tensor& g, int ndim, uint64_t mask, bool keepdim) {
  if (keepdim || ndim == 0) return g;
  if (g.dim() == 0) return view(g, Dims(ndim, 1));
  Tensor r = g;
  for (int d = 0; d < ndim; ++d)
    if (mask >> d & 1) r = unsqueeze(r, d);
  return r;
}
Tensor spread(const Tensor& g, IntView sizes, uint64_t mask, bool keepdim) { return expand(keep_dims(g, sizes.n, mask, keepdim), sizes); }
Tensor gradient_as(const Tensor& g, DType t) {
  if (g.dtype() == t) return g;
  return to_dtype(is_complex(g.dtype()) && !is_complex(t) ? real(g) : g, t);
}
bool is_integer(DType t) { return is_integral(t) || t == DType::Bool; }

void check_not_empty(const char* op, const Tensor& x, uint64_t mask) {
  if (x.numel() != 0) return;
  if (mask == all_dims(x.dim()))
    fail(ErrorKind::Runtime, op, "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
  for (int d = 0; d < x.dim(); ++d)
    if (mask >> d & 1) check_dim_not_empty(op, x, d);
}
void check_dim_not_empty(const char* op, const Tensor& x, int dim) {
  FL_CHECK_KIND(Index, x.dim() == 0 || x.size(dim) != 0, op, "(): Expected reduction dim ", dim, " to have non-zero size.");
}

void check_out(const Call& c, std::initializer_list<DType> types) {
  if (c.mode != Mode::Out) return;
  int k = 0;
  for (DType t : types) {
    const TensorImpl* out = c.preset[k++];
    if (!out) continue;
    FL_CHECK(out->dtype == t, "Expected out tensor to have dtype ", dtype_name(t), ", but got ", dtype_name(out->dtype), " instead");
    FL_CHECK(!may_overlap(*out, *c.tensor(0).get()),
             "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
             "location. Please clone() the tensor before performing the operation.");
  }
}

Tensor share_evenly(const Tensor& g, const Tensor& x, const Tensor& result, uint64_t mask) {
  Tensor hit = eq(x, result), count = hit;
  if (x.dim()) {
    Dims over(0);
    for (int d = 0; d < x.dim(); ++d)
      if (mask >> d & 1) over.push(d);
    count = sum(hit, IntView(over), true);
  }
  return div(mul(g, hit), count);
}

namespace {

// Argument `k` or the out= tensor decides the type of a sum; else integers are summed as int64.
DType sum_type(const Call& c, int k) {
  if (c.has(k)) return c.dtype(k);
  if (c.mode != Mode::Functional && c.preset[0]) return c.preset[0]->dtype;
  DType t = c.tensor(0).dtype();
  return is_integer(t) ? DType::Int64 : t;
}

void reduce_call(Call& c, cpu::Reduce op, DType out, uint64_t mask, bool keepdim) {
  const Tensor& x = c.tensor(0);
  if (!cpu::reduce_supported(op, x.dtype(), out)) not_offered(c.op, x.dtype());
  const Tensor& r = c.result(reduced_sizes(x.sizes(), mask, keepdim), out);
  run_reduce(op, x, mask, keepdim, r);
}

// In a record's arguments: self, dim, keepdim, dtype; the whole-tensor records have self and dtype only.
bool whole(const Grad& G) { return G.node.nargs <= 2; }
uint64_t grad_mask(const Grad& G) { return whole(G) ? all_dims(G.sizes(0).n) : dims_mask(G.arg(1), G.sizes(0).n); }
bool grad_keepdim(const Grad& G) { return !whole(G) && G.arg(2).b; }

void sum_gradient(Grad& G) { G.set(0, spread(gradient_as(G.grad(), G.dtype(0)), G.sizes(0), grad_mask(G), grad_keepdim(G))); }
void mean_gradient(Grad& G) {
  uint64_t mask = grad_mask(G);
  Tensor g = gradient_as(G.grad(), G.dtype(0));
  G.set(0, div(spread(g, G.sizes(0), mask, grad_keepdim(G)), std::max<int64_t>(reduced_count(G.sizes(0), mask), 1)));
}
DType mean_type(const Call& c, int k) {
  DType t = c.has(k) ? c.dtype(k) : c.mode != Mode::Functional && c.preset[0] ? c.preset[0]->dtype
                                                                              : c.tensor(0).dtype();
  FL_CHECK(is_differentiable(t), "mean(): could not infer output dtype. ", c.has(k) ? "Optional dtype must be either a floating point or complex dtype. Got: " : "Input dtype must be either a floating point or complex dtype. Got: ", scalar_type_name(t));
  return t;
}

}  // namespace

// ------------------------------------------------------------------------------------------------ sum, mean

static Record sum_all{{.schema = {"sum(Tensor self, *, ScalarType? dtype=None) -> Tensor"},
                       .forward = [](Call& c) {
                         reduce_call(c, cpu::Reduce::Sum, sum_type(c, 1), all_dims(c.tensor(0).dim()), false);
                       },
                       .gradient = sum_gradient,
                       .flags = kBoth | kOut,
                       .nodes = {"SumBackward0"},
                       .doc = "The sum of all elements.\n\n>>> torch.sum(torch.tensor([1, 2, 3]))\ntensor(6)"}};
Record sum{{.schema = {"sum.dim_IntList(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
            .forward = [](Call& c) {
              reduce_call(c, cpu::Reduce::Sum, sum_type(c, 3), dims_mask(c.arg(1), c.tensor(0).dim()), c.flag(2));
            },
            .gradient = sum_gradient,
            .flags = kBoth | kOut,
            .nodes = {"SumBackward1"},
            .doc = "The sum over the dimensions dim."}};
static Record mean_all{{.schema = {"mean(Tensor self, *, ScalarType? dtype=None) -> Tensor"},
                        .forward = [](Call& c) {
                          reduce_call(c, cpu::Reduce::Mean, mean_type(c, 1), all_dims(c.tensor(0).dim()), false);
                        },
                        .gradient = mean_gradient,
                        .flags = kBoth | kOut,
                        .nodes = {"MeanBackward0"},
                        .doc = "The mean of all elements.\n\n>>> torch.mean(torch.tensor([1., 2., 6.]))\ntensor(3.)"}};
Record mean{{.schema = {"mean.dim(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
             .forward = [](Call& c) {
               reduce_call(c, cpu::Reduce::Mean, mean_type(c, 3), dims_mask(c.arg(1), c.tensor(0).dim()), c.flag(2));
             },
             .gradient = mean_gradient,
             .flags = kBoth | kOut,
             .nodes = {"MeanBackward1"},
             .doc = "The mean over the dimensions dim."}};

// ------------------------------------------------------------------------------------------------ products

namespace {

// d prod / d x_i: the product of all others, from the products of those before and those after.
Tensor products_of_others(const Tensor& x, int d) {
  int64_t n = x.size(d);
  Dims one(x.sizes());
  one[d] = 1;
  Tensor first = full(IntView(one), 1, x.dtype());
  auto before = [&](const Tensor& v) {
    std::vector<Tensor> parts{first, cumprod(narrow(v, d, 0, n - 1), d)};
    return n > 1 ? cat(parts, d) : first;
  };
  Tensor back = flip(before(flip(x, IntView{d})), IntView{d});
  return mul(before(x), back);
}
Tensor prod_gradient(const Tensor& g, const Tensor& x, const Tensor& result, int d) {  // d < 0: all elements
  if (x.numel() == 0) return zeros_like(x);
  if (!item_value(*any(eq(x, 0)).get()).b) return mul(g, conj_if(div(result, x)));
  if (x.dim() == 0) return mul(g, ones_like(x));
  if (d < 0) {
    Tensor line = reshape(x, IntView{-1});
    return mul(g, conj_if(view(products_of_others(line, 0), x.sizes())));
  }
  return mul(g, conj_if(products_of_others(x, d)));
}

}  // namespace

static Record prod_all{{.schema = {"prod(Tensor self, *, ScalarType? dtype=None) -> Tensor"},
                        .forward = [](Call& c) {
                          reduce_call(c, cpu::Reduce::Prod, sum_type(c, 1), all_dims(c.tensor(0).dim()), false);
                        },
                        .gradient = [](Grad& G) {
                          Tensor x = to_dtype(G.in(0), G.grad().dtype());
                          G.set(0, gradient_as(prod_gradient(G.grad(), x, G.result(), -1), G.dtype(0)));
                        },
                        .save = kSaveSelf | kSaveResult,
                        .flags = kBoth | kOut,
                        .autocast = Autocast::Float32,
                        .nodes = {"ProdBackward0"},
                        .doc = "The product of all elements."}};
Record prod{{.schema = {"prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"},
             .forward = [](Call& c) {
               int64_t d = c.integer(1);
               reduce_call(c, cpu::Reduce::Prod, sum_type(c, 3), dims_mask(IntView(&d, 1), c.tensor(0).dim()), c.flag(2));
             },
             .gradient = [](Grad& G) {
               int n = G.sizes(0).n, d = wrap_dim(G.arg(1).i, n);
               uint64_t mask = n ? uint64_t(1) << d : 0;
               Tensor x = to_dtype(G.in(0), G.grad().dtype());
               G.set(0, gradient_as(prod_gradient(keep_dims(G.grad(), n, mask, G.arg(2).b), x, keep_dims(G.result(), n, mask, G.arg(2).b), d), G.dtype(0)));
             },
             .save = kSaveSelf | kSaveResult,
             .flags = kBoth | kOut,
             .autocast = Autocast::Float32,
             .nodes = {"ProdBackward1"},
             .doc = "The product over dim."}};

// ------------------------------------------------------------------------------------------------ extrema

namespace {

void extremum(Call& c, cpu::Reduce op) {
  const Tensor& x = c.tensor(0);
  uint64_t mask = dims_mask(c.arg(1), x.dim());
  const IntView dims = c.arg(1).int_view();
  if (dims.n == 0) check_not_empty(c.op.name, x, mask);
  if (x.numel() == 0)
    for (int64_t d : dims)
      FL_CHECK_KIND(Index, x.size(wrap_dim(d, x.dim())) != 0, c.op.name, "(): Expected reduction dim ", d, " to have non-zero size.");
  if (is_complex(x.dtype()))
    fail(ErrorKind::NotImplemented, op == cpu::Reduce::Amax ? "\"max" : "\"min", "_values_cpu\" not implemented for '", scalar_type_name(x.dtype()), "'");
  if (c.mode == Mode::Out && c.preset[0])
    FL_CHECK(c.preset[0]->dtype == x.dtype(), "Expected the dtype for input and out to match, but got ", scalar_type_name(x.dtype()), " for input's dtype and ",
             scalar_type_name(c.preset[0]->dtype), " for out's dtype.");
  reduce_call(c, op, x.dtype(), mask, c.flag(2));
}
void extremum_gradient(Grad& G) {
  int n = G.sizes(0).n;
  uint64_t mask = dims_mask(G.arg(1), n);
  bool keepdim = G.arg(2).b;
  G.set(0, share_evenly(keep_dims(G.grad(), n, mask, keepdim), G.in(0), keep_dims(G.result(), n, mask, keepdim), mask));
}

}  // namespace

Record amax{{.schema = {"amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"},
             .forward = [](Call& c) {
               extremum(c, cpu::Reduce::Amax);
             },
             .gradient = extremum_gradient,
             .save = kSaveSelf | kSaveResult,
             .flags = kBoth | kOut,
             .doc = "The largest value over the dimensions dim."}};
Record amin{{.schema = {"amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor"},
             .forward = [](Call& c) {
               extremum(c, cpu::Reduce::Amin);
             },
             .gradient = extremum_gradient,
             .save = kSaveSelf | kSaveResult,
             .flags = kBoth | kOut,
             .doc = "The smallest value over the dimensions dim."}};

// ------------------------------------------------------------------------------------------------ any, all

static void logical(Call& c, cpu::Reduce op) {
  const Tensor& x = c.tensor(0);
  if (c.mode == Mode::Out && c.preset[0])
    FL_CHECK(c.preset[0]->dtype == DType::Bool || c.preset[0]->dtype == DType::UInt8, c.op.name,
             " only supports bool tensor for result, got: ", scalar_type_name(c.preset[0]->dtype));
  uint64_t mask = dims_mask(c.arg(1), x.dim(), false);
  DType t = x.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool;
  if (x.numel() == 0) return fill_values(c.result(reduced_sizes(x.sizes(), mask, c.flag(2)), t), Value(op == cpu::Reduce::All ? 1 : 0));
  reduce_call(c, op, t, mask, c.flag(2));
}
Record any{{.schema = {"any.dims(Tensor self, int[1]? dim=None, bool keepdim=False) -> Tensor"},
            .forward = [](Call& c) {
              logical(c, cpu::Reduce::Any);
            },
            .flags = kBoth | kOut | kNoGrad,
            .doc = "Is any element true?\n\n>>> torch.any(torch.tensor([False, True]))\ntensor(True)"}};
Record all{{.schema = {"all.dims(Tensor self, int[1]? dim=None, bool keepdim=False) -> Tensor"},
            .forward = [](Call& c) {
              logical(c, cpu::Reduce::All);
            },
            .flags = kBoth | kOut | kNoGrad,
            .doc = "Are all elements true?"}};

}  // namespace fl::ops
