// Extrema with their places: max, min, argmax, argmin, aminmax, and the running cummax and cummin.
#include "ops/reduction.h"

namespace fl::ops {

namespace {

const char* type_word(DType t) { return is_complex(t) ? "complex" : "bool"; }
void check_orderable(const char* kernel, DType t) {
  if (is_complex(t) || t == DType::UInt16 || t == DType::UInt32 || t == DType::UInt64)
    fail(ErrorKind::NotImplemented, "\"", kernel, "\" not implemented for '", scalar_type_name(t), "'");
}

// ------------------------------------------------------------------------------------------------ max, min

void whole_forward(Call& c, cpu::Reduce op) {
  const Tensor& x = c.tensor(0);
  FL_CHECK(x.numel() > 0, c.op.name, "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.");
  check_orderable(op == cpu::Reduce::Amax ? "max_all" : "min_all", x.dtype());
  const Tensor& out = c.result(IntView(), x.dtype());
  run_reduce(op, x, all_dims(x.dim()), false, out);
}
void whole_gradient(Grad& G) {
  Tensor x = G.in(0), r = G.result();
  Value v = item_value(*r.get());
  if (v.tag == Value::FloatTag && std::isnan(v.d)) {
    Tensor hit = isnan(x);
    return G.set(0, div(mul(G.grad(), hit), sum(hit)));
  }
  G.set(0, share_evenly(G.grad(), x, r, all_dims(x.dim())));
}
void dim_forward(Call& c, cpu::Reduce op) {
  const Tensor& x = c.tensor(0);
  int d = wrap_dim(c.integer(1), x.dim());
  check_dim_not_empty(c.op.name, x, d);
  FL_CHECK(!is_complex(x.dtype()), c.op.name, "(): does not support complex input");
  check_orderable(c.op.name, x.dtype());
  uint64_t mask = x.dim() ? uint64_t(1) << d : 0;
  bool keepdim = c.flag(2);
  check_out(c, {x.dtype(), DType::Int64});
  Dims sizes = reduced_sizes(x.sizes(), mask, keepdim);
  Tensor values = c.result(sizes, x.dtype()), indices = c.result(sizes, DType::Int64);
  run_reduce(op, x, mask, keepdim, values, indices);
}
void dim_gradient(Grad& G) {
  if (G.grad().defined()) G.set(0, place_reduced(G.grad(), G.result(1), G.sizes(0), G.arg(1).i, G.arg(2).b));
}

}  // namespace

static Record max_all{{.schema = {"max(Tensor self) -> Tensor"},
                       .forward = [](Call& c) {
                         whole_forward(c, cpu::Reduce::Amax);
                       },
                       .gradient = whole_gradient,
                       .save = kSaveSelf | kSaveResult,
                       .flags = kBoth | kOut,
                       .nodes = {"MaxBackward1"},
                       .doc = "The largest element.\n\n>>> torch.max(torch.tensor([1, 3, 2]))\ntensor(3)"}};
static Record max_other{{.schema = {"max.other(Tensor self, Tensor other) -> Tensor"},
                         .forward = [](Call& c) {
                           c.ret(maximum(c.tensor(0), c.tensor(1)));
                         },
                         .flags = kBoth | kOut | kComposite}};
static Record max_dim{{.schema = {"max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                       .forward = [](Call& c) {
                         dim_forward(c, cpu::Reduce::Max);
                       },
                       .gradient = dim_gradient,
                       .save = save_out(1),
                       .flags = kBoth | kOut,
                       .nodes = {"MaxBackward0"}}};
static Record min_all{{.schema = {"min(Tensor self) -> Tensor"},
                       .forward = [](Call& c) {
                         whole_forward(c, cpu::Reduce::Amin);
                       },
                       .gradient = whole_gradient,
                       .save = kSaveSelf | kSaveResult,
                       .flags = kBoth | kOut,
                       .nodes = {"MinBackward1"},
                       .doc = "The smallest element."}};
static Record min_other{{.schema = {"min.other(Tensor self, Tensor other) -> Tensor"},
                         .forward = [](Call& c) {
                           c.ret(minimum(c.tensor(0), c.tensor(1)));
                         },
                         .flags = kBoth | kOut | kComposite}};
static Record min_dim{{.schema = {"min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"},
                       .forward = [](Call& c) {
                         dim_forward(c, cpu::Reduce::Min);
                       },
                       .gradient = dim_gradient,
                       .save = save_out(1),
                       .flags = kBoth | kOut,
                       .nodes = {"MinBackward0"}}};

// ------------------------------------------------------------------------------------------------ argmax, argmin, aminmax

static void arg_forward(Call& c, cpu::Reduce op) {
  const Tensor& x = c.tensor(0);
  FL_CHECK(!is_complex(x.dtype()) && x.dtype() != DType::Bool, c.op.name, "(): does not support ", type_word(x.dtype()), " input");
  check_orderable(c.op.name, x.dtype());
  uint64_t mask = all_dims(x.dim());
  if (c.has(1)) {
    int d = wrap_dim(c.integer(1), x.dim());
    check_dim_not_empty(c.op.name, x, d);
    mask = x.dim() ? uint64_t(1) << d : 0;
  } else {
    FL_CHECK_KIND(Index, x.numel() > 0, c.op.name, "(): Expected reduction dim to be specified for input.numel() == 0.");
  }
  check_out(c, {DType::Int64});
  const Tensor& out = c.result(reduced_sizes(x.sizes(), mask, c.flag(2)), DType::Int64);
  run_reduce(op, x, mask, c.flag(2), out);
}
Record argmax{{.schema = {"argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor"},
               .forward = [](Call& c) {
                 arg_forward(c, cpu::Reduce::Argmax);
               },
               .flags = kBoth | kOut | kNoGrad,
               .doc = "The place of the largest element.\n\n>>> torch.argmax(torch.tensor([1, 3, 2]))\ntensor(1)"}};
Record argmin{{.schema = {"argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor"},
               .forward = [](Call& c) {
                 arg_forward(c, cpu::Reduce::Argmin);
               },
               .flags = kBoth | kOut | kNoGrad,
               .doc = "The place of the smallest element."}};

static Record aminmax{{.schema = {"aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)"},
                       .forward = [](Call& c) {
                         const Tensor& x = c.tensor(0);
                         uint64_t mask = all_dims(x.dim());
                         if (c.has(1)) {
                           int d = wrap_dim(c.integer(1), x.dim());
                           FL_CHECK_KIND(Index, x.dim() == 0 || x.size(d) != 0, "aminmax: Expected reduction dim ", d, " to have non-zero size.");
                           mask = x.dim() ? uint64_t(1) << d : 0;
                         } else {
                           FL_CHECK(x.numel() > 0, "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.");
                         }
                         check_orderable("aminmax_cpu", x.dtype());
                         check_out(c, {x.dtype(), x.dtype()});
                         Dims sizes = reduced_sizes(x.sizes(), mask, c.flag(2));
                         Tensor low = c.result(sizes, x.dtype()), high = c.result(sizes, x.dtype());
                         run_reduce(cpu::Reduce::Aminmax, x, mask, c.flag(2), low, high);
                       },
                       .gradient = [](Grad& G) {
                         Tensor x = G.in(0), total;
                         int n = x.dim();
                         uint64_t mask = G.arg(1).is_none() || n == 0 ? all_dims(n) : uint64_t(1) << wrap_dim(G.arg(1).i, n);
                         for (int k = 0; k < 2; ++k) {
                           if (!G.grad(k).defined()) continue;
                           Tensor part = share_evenly(keep_dims(G.grad(k), n, mask, G.arg(2).b), x, keep_dims(G.result(k), n, mask, G.arg(2).b), mask);
                           total = total.defined() ? add(total, part) : part;
                         }
                         if (total.defined()) G.set(0, total);
                       },
                       .save = kSaveSelf | save_out(0) | save_out(1),
                       .flags = kBoth | kOut,
                       .doc = "The smallest and the largest element."}};

// ------------------------------------------------------------------------------------------------ running extrema

static void running_forward(Call& c, cpu::Scan op) {
  const Tensor& x = c.tensor(0);
  check_orderable(op == cpu::Scan::Cummax ? "cummax_cpu" : "cummin_cpu", x.dtype());
  int d = wrap_dim(c.integer(1), x.dim());
  Tensor values = c.result(x.sizes(), x.dtype()), indices = c.result(x.sizes(), DType::Int64);
  run_scan(op, x, d, values, indices);
}
static void running_gradient(Grad& G) {
  if (!G.grad().defined()) return;
  IntView sizes = G.sizes(0);
  if (sizes.n == 0) return G.set(0, G.grad());
  int d = wrap_dim(G.arg(1).i, sizes.n);
  G.set(0, place(G.grad(), d, G.result(1), sizes[d]));
}
static Record cummax{{.schema = {"cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)"},
                      .forward = [](Call& c) {
                        running_forward(c, cpu::Scan::Cummax);
                      },
                      .gradient = running_gradient,
                      .save = save_out(1),
                      .flags = kBoth | kOut | kExactOut,
                      .doc = "Running maxima along dim and their places."}};
static Record cummin{{.schema = {"cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)"},
                      .forward = [](Call& c) {
                        running_forward(c, cpu::Scan::Cummin);
                      },
                      .gradient = running_gradient,
                      .save = save_out(1),
                      .flags = kBoth | kOut | kExactOut,
                      .doc = "Running minima along dim and their places."}};

}  // namespace fl::ops
