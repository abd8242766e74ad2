// Softmax, log-softmax, and the losses on class indices: negative log-likelihood and cross-entropy.
// A gradient calls the fused kernel; when it is itself recorded (create_graph), it is written in operators instead.
#include "kernels/cpu/softmax.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

bool recording() { return thread_state().grad_enabled; }
DType acc_type(DType t) { return t == DType::Float64 ? DType::Float64 : DType::Float32; }

// ------------------------------------------------------------------------------------------------ softmax

struct Lines3 {
  int64_t outer = 1, n = 1, inner = 1;
};
Lines3 lines_of(IntView sizes, int d) {
  Lines3 l;
  for (int k = 0; k < sizes.n; ++k) (k < d ? l.outer : k == d ? l.n
                                                              : l.inner) *= sizes[k];
  return l;
}

void softmax_forward(Call& c, bool log) {
  const Tensor& given = c.tensor(0);
  int d = wrap_dim(c.integer(1), given.dim());
  DType t = c.dtype(2, given.dtype());
  if (!is_floating(t)) fail(ErrorKind::NotImplemented, "\"", log ? "log_softmax" : "softmax", "_kernel_impl\" not implemented for '", scalar_type_name(t), "'");
  bool widen = is_reduced_float(given.dtype()) && t == DType::Float32;
  Tensor x = contiguous_of(widen ? given : cast_of(given, t));
  const Tensor& out = c.result(x.sizes(), t, nullptr, false);
  Tensor dense = out.is_contiguous() ? out : empty(x.sizes(), t);
  if (x.numel()) {
    Lines3 l = lines_of(x.sizes(), d);
    Unlock unlock(double(x.numel()) * 1.0);
    cpu::softmax_kernels().softmax({x.dtype(), t, log, l.outer, l.n, l.inner, x.bytes(), dense.bytes()});
  }
  if (dense.get() != out.get()) copy_values(out, dense);
}
Tensor softmax_backward_values(const Tensor& grad, const Tensor& out, int d, bool log) {
  Tensor g = contiguous_of(cast_of(grad, out.dtype())), y = contiguous_of(out), r = empty(y.sizes(), y.dtype());
  if (no_work(r)) return r;
  Lines3 l = lines_of(y.sizes(), d);
  Unlock unlock(double(y.numel()) * 1.0);
  cpu::softmax_kernels().softmax_backward({y.dtype(), y.dtype(), log, l.outer, l.n, l.inner, g.bytes(), y.bytes(), r.bytes()});
  return r;
}
Tensor softmax_backward_of(const Tensor& g, const Tensor& y, int d, bool log) {
  if (!recording()) return softmax_backward_values(g, y, d, log);
  int64_t over = d;
  if (y.dim() == 0) return mul(g, 0);
  if (log) return sub(g, mul(exp(y), sum(g, IntView(&over, 1), true)));
  return mul(y, sub(g, sum(mul(g, y), IntView(&over, 1), true)));
}
void softmax_gradient(Grad& G, bool log) {
  Tensor y = G.result();
  G.set(0, gradient_as(softmax_backward_of(G.grad(), y, wrap_dim(G.arg(1).i, y.dim()), log), G.dtype(0)));
}

}  // namespace

Record softmax{{.schema = {"softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"},
                .forward = [](Call& c) {
                  softmax_forward(c, false);
                },
                .gradient = [](Grad& G) {
                  softmax_gradient(G, false);
                },
                .save = kSaveResult,
                .flags = kBoth | kOut | kExactOut,
                .doc = "exp(self) / sum(exp(self)) along dim.\n\n>>> torch.softmax(torch.zeros(2), 0)\ntensor([0.5000, 0.5000])"}};
Record log_softmax{{.schema = {"log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor"},
                    .forward = [](Call& c) {
                      softmax_forward(c, true);
                    },
                    .gradient = [](Grad& G) {
                      softmax_gradient(G, true);
                    },
                    .save = kSaveResult,
                    .flags = kBoth | kOut | kExactOut,
                    .doc = "The logarithm of softmax along dim."}};
static DType widened(Call& c) {  // half_to_float of the private forms
  if (!c.flag(2)) return DType::None;
  FL_CHECK(is_reduced_float(c.tensor(0).dtype()), "conversion is supported for Half type only");
  return DType::Float32;
}
static Record softmax_private{{.schema = {"_softmax(Tensor self, int dim, bool half_to_float) -> Tensor"},
                               .forward = [](Call& c) {
                                 c.ret(softmax(c.tensor(0), c.arg(1), widened(c)));
                               },
                               .flags = kFunction | kComposite}};
static Record log_softmax_private{{.schema = {"_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor"},
                                   .forward = [](Call& c) {
                                     c.ret(log_softmax(c.tensor(0), c.arg(1), widened(c)));
                                   },
                                   .flags = kFunction | kComposite}};
static Record softmax_backward_data{{.schema = {"_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor"},
                                     .forward = [](Call& c) {
                                       const Tensor& y = c.tensor(1);
                                       c.ret(gradient_as(softmax_backward_of(c.tensor(0), y, wrap_dim(c.integer(2), y.dim()), false), c.dtype(3)));
                                     },
                                     .flags = kFunction | kComposite}};
static Record log_softmax_backward_data{{.schema = {"_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor"},
                                         .forward = [](Call& c) {
                                           const Tensor& y = c.tensor(1);
                                           c.ret(gradient_as(softmax_backward_of(c.tensor(0), y, wrap_dim(c.integer(2), y.dim()), true), c.dtype(3)));
                                         },
                                         .flags = kFunction | kComposite}};

// ------------------------------------------------------------------------------------------------ class-index losses

namespace {

// x = [batch, classes, spatial...], target = [batch, spatial...]; one-dimensional x: batch 1, target 0-dim or [1].
struct Classes {
  int64_t batch = 1, classes = 1, spatial = 1;
  int dim = 1;
};
Classes classes_of(IntView x) {
  Classes k;
  k.dim = x.n <= 1 ? 0 : 1;
  k.batch = x.n <= 1 ? 1 : x[0];
  k.classes = x.n == 0 ? 1 : x[k.dim];
  for (int d = 2; d < x.n; ++d) k.spatial *= x[d];
  return k;
}
cpu::LossReduction reduction_of(int64_t r) { return r == 0 ? cpu::LossReduction::None : r == 1 ? cpu::LossReduction::Mean
                                                                                               : cpu::LossReduction::Sum; }

void check_classes(const Tensor& x, const Tensor& target, const Tensor& weight) {
  FL_CHECK_KIND(Value, x.dim() > 0, "Expected 1 or more dimensions (got 0)");
  FL_CHECK_KIND(Value, x.dim() == 1 || (target.dim() > 0 && x.size(0) == target.size(0)), "Expected input batch_size (", x.dim() ? x.size(0) : 1,
                ") to match target batch_size (", target.dim() ? target.size(0) : 0, ").");
  if (!is_floating(x.dtype())) fail(ErrorKind::NotImplemented, "\"nll_loss\" not implemented for '", scalar_type_name(x.dtype()), "'");
  if (x.dim() <= 2) {
    FL_CHECK(target.dim() <= 1, "0D or 1D target tensor expected, multi-target not supported");
    FL_CHECK(x.dim() == 2 || target.numel() == 1, "size mismatch (got input: ", x.sizes(), ", target: ", target.sizes(), ")");
  } else {
    bool fits = target.dim() == x.dim() - 1;
    for (int d = 2; fits && d < x.dim(); ++d) fits = target.size(d - 1) == x.size(d);
    if (!fits) {
      Dims expected(x.sizes());
      expected.erase(1);
      fail(ErrorKind::Runtime, "Expected target size ", expected, ", got ", target.sizes());
    }
  }
  FL_CHECK(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8, "expected scalar type Long but found ", scalar_type_name(target.dtype()));
  if (weight.defined()) {
    int64_t n = x.size(x.dim() == 1 ? 0 : 1);
    FL_CHECK(weight.dim() == 1 && weight.numel() == n, "weight tensor should be defined either for all ", n, " classes or no classes but got weight tensor of shape: ",
             weight.sizes());
    FL_CHECK(weight.dtype() == x.dtype(), "expected scalar type ", scalar_type_name(x.dtype()), " but found ", scalar_type_name(weight.dtype()));
  }
}
void check_target(const cpu::TargetStatus& s) { FL_CHECK_KIND(Index, s.ok, "Target ", s.bad, " is out of bounds."); }
Dims loss_sizes(const Tensor& target, int64_t reduction) { return reduction == 0 ? Dims(target.sizes()) : Dims(); }
const char* bytes_or_null(const Tensor& t) { return t.defined() ? t.bytes() : nullptr; }

// Arguments: self, target, weight, reduction, ignore_index. Results: loss, total_weight.
void nll_forward(Call& c) {
  Tensor x = c.tensor(0), target = c.tensor(1), weight = c.optional(2);
  check_classes(x, target, weight);
  x = contiguous_of(x), target = contiguous_of(target);
  if (weight.defined()) weight = contiguous_of(weight);
  Tensor loss = empty(loss_sizes(target, c.integer(3)), x.dtype()), total = empty(IntView(), x.dtype());
  c.ret(loss);
  c.ret(total);
  Classes k = classes_of(x.sizes());
  cpu::NllDesc d{x.dtype(), target.dtype(), reduction_of(c.integer(3)), k.batch, k.classes, k.spatial, c.integer(4), x.bytes(), target.bytes(), bytes_or_null(weight),
                 loss.bytes(), total.bytes(), nullptr, nullptr};
  if (c.integer(3) == 0) fill_values(total, Value(0.0));
  check_target(cpu::softmax_kernels().nll(d));
}
Tensor nll_backward_values(const Tensor& grad, IntView sizes, DType dtype, const Tensor& target_given, const Tensor& weight_given, const Tensor& total, int64_t reduction,
                           int64_t ignore) {
  Tensor g = contiguous_of(cast_of(grad, dtype)), target = contiguous_of(target_given), weight, r = empty(sizes, dtype);
  if (no_work(r)) return r;
  if (weight_given.defined()) weight = contiguous_of(weight_given);
  Classes k = classes_of(sizes);
  cpu::NllDesc d{dtype, target.dtype(), reduction_of(reduction), k.batch, k.classes, k.spatial, ignore, nullptr, target.bytes(), bytes_or_null(weight), nullptr,
                 const_cast<char*>(bytes_or_null(total)), g.bytes(), r.bytes()};
  check_target(cpu::softmax_kernels().nll_backward(d));
  return r;
}

}  // namespace

extern Record nll_loss_backward;
static Record nll_loss_forward{{.schema = {"nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index) -> (Tensor output, Tensor total_weight)"},
                                .forward = nll_forward,
                                .gradient = [](Grad& G) {
                                  if (G.needs(0) && G.grad().defined())
                                    G.set(0, nll_loss_backward(G.grad(), G.in(0), G.in(1), G.in(2), G.arg(3), G.arg(4), G.result(1)));
                                },
                                .save = save_in(0) | save_in(1) | save_in(2) | save_out(1),
                                .flags = kNn,
                                .nodes = {"NllLossBackward0"},
                                .fixed = save_in(2)}};
static Record nll_loss2d_forward{{.schema = {"nll_loss2d_forward(Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index) -> (Tensor output, Tensor total_weight)"},
                                  .forward = nll_forward,
                                  .gradient = nll_loss_forward.gradient,
                                  .save = nll_loss_forward.save,
                                  .flags = kNn,
                                  .nodes = {"NllLoss2DBackward0"}}};
// Linear in grad, with nll_loss as its transpose.
Record nll_loss_backward{{.schema = {"_nll_loss_backward(Tensor grad_output, Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index, Tensor total_weight) -> Tensor"},
                          .forward = [](Call& c) {
                            c.ret(nll_backward_values(c.tensor(0), c.tensor(1).sizes(), c.tensor(1).dtype(), c.tensor(2), c.optional(3), c.tensor(6), c.integer(4), c.integer(5)));
                          },
                          .gradient = [](Grad& G) {
                            if (G.needs(0)) G.set(0, nll_loss_forward(G.grad(), G.in(2), G.in(3), G.arg(4), G.arg(5)));
                            if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
                          },
                          .save = save_in(2) | save_in(3),
                          .flags = kPrivate,
                          .nodes = {"NllLossBackwardBackward0"}}};

static void nll_call(Call& c) {
  const Record& op = c.tensor(0).dim() > 2 ? nll_loss2d_forward : nll_loss_forward;
  c.ret(op(c.tensor(0), c.tensor(1), c.arg(2), c.arg(3), c.arg(4)));
}
Record nll_loss_nd{{.schema = {"nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> Tensor"},
                    .forward = nll_call,
                    .flags = kNn | kFunction | kComposite,
                    .autocast = Autocast::Float32,
                    .doc = "Negative log-likelihood of class indices."}};
static Record nll_loss{{.schema = {"nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> Tensor"},
                        .forward = nll_call,
                        .flags = kNn | kFunction | kOut | kComposite,
                        .autocast = Autocast::Float32,
                        .doc = "Negative log-likelihood of class indices."}};
static Record nll_loss2d{{.schema = {"nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> Tensor"},
                          .forward = nll_call,
                          .flags = kNn | kFunction | kOut | kComposite,
                          .autocast = Autocast::Float32,
                          .doc = "Negative log-likelihood of class indices of images."}};

// ------------------------------------------------------------------------------------------------ cross-entropy

namespace {

// Arguments: self, target, weight, reduction, ignore_index, label_smoothing. Results: loss, lse, total_weight.
void cross_entropy_forward(Call& c) {
  Tensor x = c.tensor(0), target = c.tensor(1), weight = c.optional(2);
  check_classes(x, target, weight);
  x = contiguous_of(x), target = contiguous_of(target);
  if (weight.defined()) weight = contiguous_of(weight);
  Classes k = classes_of(x.sizes());
  DType acc = acc_type(x.dtype());
  Tensor loss = empty(loss_sizes(target, c.integer(3)), x.dtype()), lse = empty(IntView{k.batch, k.spatial}, acc), total = empty(IntView(), acc);
  c.ret(loss);
  c.ret(lse);
  c.ret(total);
  cpu::CrossEntropyDesc d{x.dtype(), target.dtype(), reduction_of(c.integer(3)), k.batch, k.classes, k.spatial, c.integer(4), c.real(5), x.bytes(), target.bytes(),
                          bytes_or_null(weight), lse.bytes(), loss.bytes(), total.bytes(), nullptr, nullptr};
  if (c.integer(3) == 0) fill_values(total, Value(0.0));
  cpu::TargetStatus status;
  {
    Unlock unlock(double(x.numel()) * 1.0);
    status = cpu::softmax_kernels().cross_entropy(d);
  }
  check_target(status);
}
Tensor weight_view(const Tensor& weight, int ndim) {
  Dims shape(ndim, 1);
  shape[ndim == 1 ? 0 : 1] = -1;
  return view(weight, shape);
}
// The gradient in operators: through log_softmax, from the gradient with respect to the log-probabilities.
Tensor cross_entropy_recorded(const Grad& G, const Tensor& x, const Tensor& target, const Tensor& weight) {
  const Tensor& g = G.grad();
  double e = G.arg(5).real();
  int64_t reduction = G.arg(3).i, ignore = G.arg(4).i;
  int dim = x.dim() == 1 ? 0 : 1;
  Tensor logp = log_softmax(x, dim), total = to_dtype(G.result(2), x.dtype());
  Tensor gl = nll_loss_backward(g, logp, target, weight, reduction, ignore, total);
  if (e > 0) {
    Tensor per_place = g, kept = ne(target, ignore);
    if (reduction == 1) per_place = div(g, total);
    Tensor places = mul(per_place, kept);
    if (x.dim() > 1) places = unsqueeze(places, 1);
    Tensor smooth = mul(expand(places, x.sizes()), -e / double(x.size(dim)));
    if (weight.defined()) smooth = mul(smooth, weight_view(weight, x.dim()));
    gl = add(mul(gl, 1 - e), smooth);
  }
  return softmax_backward_of(gl, logp, dim, true);
}
void cross_entropy_gradient(Grad& G) {
  if (!G.needs(0) || !G.grad().defined()) return;
  Tensor x = G.in(0), target = G.in(1), weight = G.arg(2).tag == Value::TensorTag ? G.in(2) : Tensor();
  if (recording()) return G.set(0, cross_entropy_recorded(G, x, target, weight));
  x = contiguous_of(x), target = contiguous_of(target);
  if (weight.defined()) weight = contiguous_of(weight);
  Tensor g = contiguous_of(cast_of(G.grad(), x.dtype())), lse = G.result(1), total = G.result(2), r = empty(x.sizes(), x.dtype());
  Classes k = classes_of(x.sizes());
  cpu::CrossEntropyDesc d{x.dtype(), target.dtype(), reduction_of(G.arg(3).i), k.batch, k.classes, k.spatial, G.arg(4).i, G.arg(5).real(), x.bytes(), target.bytes(),
                          bytes_or_null(weight), lse.bytes(), nullptr, total.bytes(), g.bytes(), r.bytes()};
  if (r.numel()) {
    Unlock unlock(double(x.numel()) * 1.0);
    cpu::softmax_kernels().cross_entropy_backward(d);
  }
  G.set(0, r);
}
constexpr uint32_t kCrossEntropySave = save_in(0) | save_in(1) | save_in(2) | save_out(1) | save_out(2);

Record cross_entropy{{.schema = {"_cross_entropy(Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index, float label_smoothing) -> (Tensor, Tensor, Tensor)"},
                      .forward = cross_entropy_forward,
                      .gradient = cross_entropy_gradient,
                      .save = kCrossEntropySave,
                      .flags = kPrivate,
                      .nodes = {"NllLossBackward0"}}};
Record cross_entropy2d{{.schema = {"_cross_entropy2d(Tensor self, Tensor target, Tensor? weight, int reduction, int ignore_index, float label_smoothing) -> (Tensor, Tensor, Tensor)"},
                        .forward = cross_entropy_forward,
                        .gradient = cross_entropy_gradient,
                        .save = kCrossEntropySave,
                        .flags = kPrivate,
                        .nodes = {"NllLoss2DBackward0"}}};

// Targets that are probabilities.
Tensor soft_cross_entropy(const Tensor& x, Tensor target, const Tensor& weight, int64_t reduction, double e) {
  int dim = x.dim() == 1 ? 0 : 1;
  int64_t classes = x.size(dim), over = dim;
  if (weight.defined())
    FL_CHECK(weight.dim() == 1 && weight.numel() == classes, "cross_entropy: weight tensor should be defined either for all ", classes,
             " classes or no classes but got weight tensor of shape: ", weight.sizes());
  Tensor logp = log_softmax(x, dim, x.dtype());
  if (e > 0) target = add(mul(target, 1 - e), e / double(classes));
  Tensor product = mul(logp, target);
  if (weight.defined()) product = mul(product, weight_view(weight, x.dim()));
  if (reduction == 0) return neg(sum(product, IntView(&over, 1)));
  Tensor loss = neg(sum(product));
  if (reduction == 2) return loss;
  return div(loss, double(x.numel()) / double(std::max<int64_t>(classes, 1)));
}

}  // namespace

Record cross_entropy_loss{{.schema = {"cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100, float label_smoothing=0.0) -> Tensor"},
                           .forward = [](Call& c) {
                             const Tensor &x = c.tensor(0), &target = c.tensor(1);
                             double e = c.real(5);
                             FL_CHECK(e >= 0 && e <= 1, "label_smoothing must be between 0.0 and 1.0. Got: ", e);
                             if (x.sizes() == target.sizes()) {
                               FL_CHECK(is_floating(target.dtype()), "Expected floating point type for target with class probabilities, got ", scalar_type_name(target.dtype()));
                               FL_CHECK(c.integer(4) < 0, "ignore_index is not supported for floating point target");
                               return c.ret(soft_cross_entropy(x, target, c.optional(2), c.integer(3), e));
                             }
                             const Record& op = x.dim() > 2 ? cross_entropy2d : cross_entropy;
                             c.ret(op(x, target, c.arg(2), c.arg(3), c.arg(4), c.arg(5)));
                           },
                           .flags = kNn | kFunction | kComposite,
                           .autocast = Autocast::Float32,
                           .doc = "Cross-entropy between logits and class indices or class probabilities."}};

}  // namespace fl::ops
