// Order statistics: sort, argsort, topk, kthvalue, median, mode.
#include "kernels/cpu/sort.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

// The tensor as lines along a dimension, for the kernels of sort.h; values and indices have that dimension (of any length).
struct LineView {
  Dims sizes, strides[3];
  cpu::Lines lines;
  LineView(const Tensor& x, const Tensor& values, const Tensor& indices, int dim) : sizes(0), strides{Dims(0), Dims(0), Dims(0)} {
    const Tensor* all[3] = {&x, &values, &indices};
    for (int k = 0; k < 3; ++k) {
      if (!all[k]->defined() || all[k]->dim() == 0) continue;
      Dims st = byte_strides(*all[k]);
      lines.step[k] = st[dim];
      for (int d = 0; d < x.dim(); ++d)
        if (d != dim) strides[k].push(st[d]);
    }
    for (int d = 0; d < x.dim(); ++d)
      if (d != dim) sizes.push(x.size(d));
    lines.ndim = sizes.size();
    lines.sizes = sizes.data();
    lines.n = x.dim() ? x.size(dim) : 1;
    for (int k = 0; k < 3; ++k) lines.strides[k] = strides[k].data();
  }
};
void check_real(const char* kernel, DType t, bool allow_bool) {
  if (is_complex(t) || (t == DType::Bool && !allow_bool)) fail(ErrorKind::NotImplemented, "\"", kernel, "\" not implemented for '", scalar_type_name(t), "'");
}
double sort_ns(const Tensor& x) { return double(x.numel()) * 10; }

// Gradient of values whose indices keep the dimension.
void along_gradient(Grad& G, int64_t dim) {
  if (!G.grad().defined()) return;
  IntView sizes = G.sizes(0);
  if (sizes.n == 0) return G.set(0, G.grad());
  int d = wrap_dim(dim, sizes.n);
  G.set(0, place(G.grad(), d, G.result(1), sizes[d]));
}

// ------------------------------------------------------------------------------------------------ sorting

void sort_values(Call& c, int64_t dim, bool descending) {
  const Tensor& x = c.tensor(0);
  FL_CHECK(!is_complex(x.dtype()), " Sort does not support complex dtypes on CPU");
  int d = wrap_dim(dim, x.dim());
  Dims st = dense_strides_like(x.sizes(), x.strides());
  Tensor values = c.result(x.sizes(), x.dtype(), &st), indices = c.result(x.sizes(), DType::Int64, &st);
  if (x.numel() == 0) return;
  LineView v(x, values, indices, d);
  Unlock unlock(sort_ns(x));
  cpu::sort(x.dtype(), v.lines, x.bytes(), values.bytes(), indices.data<int64_t>(), descending);
}
void argsort_values(Call& c, int64_t dim, bool descending) {
  const Tensor& x = c.tensor(0);
  FL_CHECK(!is_complex(x.dtype()), " Sort does not support complex dtypes on CPU");
  int d = wrap_dim(dim, x.dim());
  Dims st = dense_strides_like(x.sizes(), x.strides());
  Tensor indices = c.result(x.sizes(), DType::Int64, &st);
  if (x.numel() == 0) return;
  LineView v(x, Tensor(), indices, d);
  Unlock unlock(sort_ns(x));
  cpu::sort(x.dtype(), v.lines, x.bytes(), nullptr, indices.data<int64_t>(), descending);
}

}  // namespace

Record sort{{.schema = {"sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)"},
             .forward = [](Call& c) {
               sort_values(c, c.integer(1), c.flag(2));
             },
             .gradient = [](Grad& G) {
               along_gradient(G, G.arg(1).i);
             },
             .save = save_out(1),
             .flags = kBoth | kOut | kExactOut,
             .doc = "The elements in order along dim, and where they were.\n\n>>> torch.sort(torch.tensor([3, 1, 2])).values\ntensor([1, 2, 3])"}};
static Record sort_stable{{.schema = {"sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)"},
                           .forward = [](Call& c) {
                             sort_values(c, c.integer(2), c.flag(3));
                           },
                           .gradient = [](Grad& G) {
                             along_gradient(G, G.arg(2).i);
                           },
                           .save = save_out(1),
                           .flags = kBoth | kOut | kExactOut,
                           .nodes = {"SortBackward1"}}};
Record argsort{{.schema = {"argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor"},
                .forward = [](Call& c) {
                  argsort_values(c, c.integer(1), c.flag(2));
                },
                .flags = kBoth | kOut | kNoGrad,
                .doc = "The places that would sort self along dim.\n\n>>> torch.argsort(torch.tensor([3, 1, 2]))\ntensor([1, 2, 0])"}};
static Record argsort_stable{{.schema = {"argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor"},
                              .forward = [](Call& c) {
                                argsort_values(c, c.integer(2), c.flag(3));
                              },
                              .flags = kBoth | kOut | kNoGrad}};
Record topk{{.schema = {"topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)"},
             .forward = [](Call& c) {
               const Tensor& x = c.tensor(0);
               int d = wrap_dim(c.integer(2), x.dim());
               int64_t k = c.integer(1), n = x.dim() ? x.size(d) : 1;
               FL_CHECK(k >= 0 && k <= n, "selected index k out of range");
               FL_CHECK(!is_complex(x.dtype()) && x.dtype() != DType::Bool, is_complex(x.dtype()) ? " topk does not support complex" : "topk does not support bool", " dtypes on CPU");
               check_out(c, {x.dtype(), DType::Int64});
               Dims sizes(x.sizes());
               if (x.dim()) sizes[d] = k;
               Tensor values = c.result(sizes, x.dtype()), indices = c.result(sizes, DType::Int64);
               if (values.numel() == 0 || k == 0) return;
               LineView v(x, values, indices, d);
               Unlock unlock(double(x.numel()) * 3);
               cpu::topk(x.dtype(), v.lines, x.bytes(), values.bytes(), indices.data<int64_t>(), k, c.flag(3));
             },
             .gradient = [](Grad& G) {
               along_gradient(G, G.arg(2).i);
             },
             .save = save_out(1),
             .flags = kBoth | kOut,
             .doc = "The k largest (or smallest) elements along dim, and where they were."}};

// ------------------------------------------------------------------------------------------------ one element a line

namespace {

using LineKernel = void (*)(const Call& c, const Tensor& x, const cpu::Lines& lines, void* values, int64_t* indices);
// Runs a kernel that gives one value and index a line.
void one_each(Call& c, int64_t dim, bool keepdim, LineKernel kernel) {
  const Tensor& x = c.tensor(0);
  int d = wrap_dim(dim, x.dim());
  check_dim_not_empty(c.op.name, x, d);
  check_out(c, {x.dtype(), DType::Int64});
  uint64_t mask = x.dim() ? uint64_t(1) << d : 0;
  Dims sizes = reduced_sizes(x.sizes(), mask, keepdim), whole = reduced_sizes(x.sizes(), mask, true);
  Tensor values = c.result(sizes, x.dtype()), indices = c.result(sizes, DType::Int64);
  if (values.numel() == 0) return;
  auto with_dim = [&](const Tensor& t) {
    if (keepdim || x.dim() == 0) return t;
    Dims st(t.strides());
    st.insert(d, 0);
    return make_view(t, whole, st, t->offset);
  };
  Tensor v = with_dim(values), ix = with_dim(indices);
  LineView lines(x, v, ix, d);
  Unlock unlock(double(x.numel()) * 3);
  kernel(c, x, lines.lines, values.bytes(), indices.data<int64_t>());
}
void dim_gradient(Grad& G, int dim_at) {
  if (G.grad().defined()) G.set(0, place_reduced(G.grad(), G.result(1), G.sizes(0), G.arg(dim_at).i, G.arg(dim_at + 1).b));
}
void median_dim(Call& c, bool ignore_nan) {
  check_dim_not_empty(c.op.name, c.tensor(0), wrap_dim(c.integer(1), c.tensor(0).dim()));
  check_real("median_out", c.tensor(0).dtype(), false);
  one_each(c, c.integer(1), c.flag(2), ignore_nan ? LineKernel([](const Call&, const Tensor& x, const cpu::Lines& l, void* v, int64_t* i) {
             cpu::median(x.dtype(), l, x.bytes(), v, i, true);
           })
                                                  : LineKernel([](const Call&, const Tensor& x, const cpu::Lines& l, void* v, int64_t* i) {
                                                      cpu::median(x.dtype(), l, x.bytes(), v, i, false);
                                                    }));
}
void median_all(Call& c, bool ignore_nan) {
  if (c.tensor(0).numel()) check_real("median_cpu", c.tensor(0).dtype(), false);
  Tensor x = contiguous_of(c.tensor(0));
  const Tensor& out = c.result(IntView(), x.dtype());
  if (x.numel() == 0) {
    int64_t lowest = x.dtype() == DType::Int64 ? std::numeric_limits<int64_t>::min() : x.dtype() == DType::Int32 ? std::numeric_limits<int32_t>::min()
                                                                                                                 : 0;
    return fill_values(out, !is_integral(x.dtype()) ? Value(std::numeric_limits<double>::quiet_NaN()) : Value(lowest));
  }
  cpu::Lines line;
  line.n = x.numel();
  line.step[0] = int64_t(item_size(x.dtype()));
  Unlock unlock(double(x.numel()) * 3);
  cpu::median(x.dtype(), line, x.bytes(), out.bytes(), nullptr, ignore_nan);
}
void median_gradient(Grad& G) {
  Tensor x = G.in(0), r = G.result();
  Value v = item_value(*r.get());
  if (v.tag == Value::FloatTag && std::isnan(v.d)) {
    Tensor hit = isnan(x);
    return G.set(0, div(mul(G.grad(), hit), sum(hit)));
  }
  G.set(0, share_evenly(G.grad(), x, r, all_dims(x.dim())));
}

}  // namespace

static Record median_of_all{{.schema = {"median(Tensor self) -> Tensor"},
                             .forward = [](Call& c) {
                               median_all(c, false);
                             },
                             .gradient = median_gradient,
                             .save = kSaveSelf | kSaveResult,
                             .flags = kBoth | kOut,
                             .nodes = {"MedianBackward0"},
                             .doc = "The median of all elements; of two middle values the lower.\n\n>>> torch.median(torch.tensor([3., 1., 2.]))\ntensor(2.)"}};
static Record median{{.schema = {"median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                      .forward = [](Call& c) {
                        median_dim(c, false);
                      },
                      .gradient = [](Grad& G) {
                        dim_gradient(G, 1);
                      },
                      .save = save_out(1),
                      .flags = kBoth | kOut,
                      .nodes = {"MedianBackward1"}}};
static Record nanmedian_of_all{{.schema = {"nanmedian(Tensor self) -> Tensor"},
                                .forward = [](Call& c) {
                                  median_all(c, true);
                                },
                                .gradient = median_gradient,
                                .save = kSaveSelf | kSaveResult,
                                .flags = kBoth | kOut,
                                .nodes = {"NanmedianBackward0"},
                                .doc = "The median of the elements that are not NaN."}};
static Record nanmedian{{.schema = {"nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                         .forward = [](Call& c) {
                           median_dim(c, true);
                         },
                         .gradient = [](Grad& G) {
                           dim_gradient(G, 1);
                         },
                         .save = save_out(1),
                         .flags = kBoth | kOut,
                         .nodes = {"NanmedianBackward1"}}};
static Record mode{{.schema = {"mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                    .forward = [](Call& c) {
                      check_dim_not_empty(c.op.name, c.tensor(0), wrap_dim(c.integer(1), c.tensor(0).dim()));
                      check_real("mode_cpu", c.tensor(0).dtype(), true);
                      one_each(c, c.integer(1), c.flag(2), [](const Call&, const Tensor& x, const cpu::Lines& l, void* v, int64_t* i) {
                        cpu::mode(x.dtype(), l, x.bytes(), v, i);
                      });
                    },
                    .gradient = [](Grad& G) {
                      dim_gradient(G, 1);
                    },
                    .save = save_out(1),
                    .flags = kBoth | kOut,
                    .doc = "The most frequent element along dim."}};
static Record kthvalue{{.schema = {"kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                        .forward = [](Call& c) {
                          const Tensor& x = c.tensor(0);
                          check_real("kthvalue_cpu", x.dtype(), false);
                          int d = wrap_dim(c.integer(2), x.dim());
                          check_dim_not_empty(c.op.name, x, d);
                          FL_CHECK(c.integer(1) >= 1 && c.integer(1) <= (x.dim() ? x.size(d) : 1), "kthvalue(): selected number k out of range for dimension ", d);
                          one_each(c, c.integer(2), c.flag(3), [](const Call& c, const Tensor& x, const cpu::Lines& l, void* v, int64_t* i) {
                            cpu::kthvalue(x.dtype(), l, x.bytes(), v, i, c.integer(1));
                          });
                        },
                        .gradient = [](Grad& G) {
                          dim_gradient(G, 2);
                        },
                        .save = save_out(1),
                        .flags = kBoth | kOut,
                        .doc = "The k-th smallest element along dim."}};

}  // namespace fl::ops
