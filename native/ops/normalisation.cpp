// Layer, RMS, group and batch normalisation. Statistics are kept in float32 (double for double). A gradient calls the fused kernel; when it is
// itself recorded (create_graph), it is written in operators instead.
#include "kernels/cpu/norm.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

DType acc_type(DType t) { return t == DType::Float64 ? DType::Float64 : DType::Float32; }
char* bytes_or_null(const Tensor& t) { return t.defined() ? t.bytes() : nullptr; }
Tensor dense(const Tensor& t) { return t.defined() ? contiguous_of(t) : t; }
Tensor saved_input(const Grad& G, int k) { return G.arg(k).tag == Value::TensorTag ? G.in(k) : Tensor(); }

// The type of weight, bias and running statistics: that of the input, or Float32 with a narrow input.
DType parameter_type(const Record& op, const Tensor& x, std::initializer_list<Tensor> parameters) {
  if (!is_floating(x.dtype())) fail(ErrorKind::NotImplemented, "\"", op.name, "\" not implemented for '", scalar_type_name(x.dtype()), "'");
  DType t = DType::None;
  for (auto& p : parameters) {
    if (!p.defined()) continue;
    bool fits = p.dtype() == x.dtype() || (p.dtype() == DType::Float32 && is_reduced_float(x.dtype()));
    FL_CHECK(fits && (t == DType::None || t == p.dtype()), "mixed dtype (CPU): expect parameter to have scalar type of Float");
    t = p.dtype();
  }
  return t == DType::None ? x.dtype() : t;
}

// (x - mean) / sqrt(var + eps) over some dimensions, and its transpose applied to g; in operators.
struct InOperators {
  Tensor rstd, normal, gradient;
  InOperators(const Tensor& x, const Tensor& g, const Dims& dims, double eps, bool rms) {
    IntView over(dims);
    Tensor centred = rms ? x : sub(x, mean(x, over, true));
    rstd = rsqrt(add(mean(mul(centred, centred), over, true), eps));
    normal = mul(centred, rstd);
    Tensor inner = sub(g, mul(normal, mean(mul(g, normal), over, true)));
    if (!rms) inner = sub(inner, mean(g, over, true));
    gradient = mul(rstd, inner);
  }
};

}  // namespace

// self, recorded as if it depended on other as well: the gradient of a bias belongs to the same node as those of input and weight,
// so that all of them require gradients when one does.
Record tied{{.schema = {"_tied(Tensor self, Tensor other) -> Tensor"},
             .forward = [](Call& c) {
               c.ret(copy_of(c.tensor(0)));
             },
             .gradient = [](Grad& G) {
               if (G.needs(0)) G.set(0, G.grad());
             },
             .flags = kPrivate}};

namespace {

void set_as(const Grad& G, int k, const Tensor& g) {
  if (G.needs(k)) G.set(k, gradient_as(sum_to(g, G.sizes(k)), G.dtype(k)));
}

}  // namespace

// ------------------------------------------------------------------------------------------------ layer norm, RMS norm

namespace {

struct Rows {
  int64_t rows = 1, n = 1;
};
Rows check_rows(const Tensor& x, IntView shape, const Tensor& weight, const Tensor& bias, const char* star) {
  FL_CHECK(shape.n > 0, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = ", shape);
  for (auto* p : {&weight, &bias})
    if (p->defined())
      FL_CHECK(p->sizes() == shape, "Expected ", p == &weight ? "weight" : "bias", " to be of same shape as normalized_shape, but got ", p == &weight ? "weight" : "bias",
               " of shape ", p->sizes(), " and normalized_shape = ", shape);
  int lead = x.dim() - shape.n;
  bool fits = lead >= 0;
  for (int d = 0; fits && d < shape.n; ++d) fits = x.size(lead + d) == shape[d];
  if (!fits) {
    std::ostringstream text;
    text << "Given normalized_shape=" << shape << ", expected input with shape [*" << star;
    for (int d = 0; d < shape.n; ++d) text << (d ? ", " : "") << shape[d];
    text << "], but got input of size" << x.sizes();
    fail(ErrorKind::Runtime, text.str());
  }
  Rows r;
  for (int d = 0; d < x.dim(); ++d) (d < lead ? r.rows : r.n) *= x.size(d);
  return r;
}
Dims statistic_sizes(IntView x, int kept) {
  Dims s(x);
  for (int d = kept; d < x.n; ++d) s[d] = 1;
  return s;
}
Dims trailing(int ndim, int count) {
  Dims over(0);
  for (int d = ndim - count; d < ndim; ++d) over.push(d);
  return over;
}

// Both norms. Arguments: input, shape, weight, then bias (layer) and eps.
void rows_forward(Call& c, bool rms) {
  Tensor x = c.tensor(0), weight = c.optional(2), bias = rms ? Tensor() : c.optional(3);
  IntView shape = c.ints(1);
  Rows r = check_rows(x, shape, weight, bias, rms ? "" : ", ");
  DType p = parameter_type(c.op, x, {weight, bias}), acc = acc_type(x.dtype());
  x = contiguous_of(x), weight = dense(weight), bias = dense(bias);
  Dims stats = statistic_sizes(x.sizes(), x.dim() - shape.n);
  Tensor y = empty(x.sizes(), x.dtype()), mean = rms ? Tensor() : empty(stats, acc), rstd = empty(stats, acc);
  c.ret(y);
  if (!rms) c.ret(mean);
  c.ret(rstd);
  if (x.numel() == 0) {
    if (mean.defined()) fill_values(mean, Value(0.0));
    fill_values(rstd, Value(std::numeric_limits<double>::quiet_NaN()));
  } else {
    cpu::LayerNormDesc d{};
    d.dtype = x.dtype(), d.param_dtype = p, d.rms = rms, d.rows = r.rows, d.n = r.n, d.eps = c.real(rms ? 3 : 4);
    d.x = x.bytes(), d.weight = bytes_or_null(weight), d.bias = bytes_or_null(bias);
    d.mean = bytes_or_null(mean), d.rstd = rstd.bytes(), d.y = y.bytes();
    Unlock unlock(double(x.numel()) * 0.5);
    cpu::norm_kernels().layer_norm(d);
  }
}
void rows_gradient(Grad& G, bool rms) {
  if (!G.grad().defined()) return;
  Tensor x = G.in(0), weight = saved_input(G, 2), g = G.grad();
  IntView shape = G.arg(1).int_view();
  const bool bias_needed = !rms && G.needs(3);
  if (thread_state().grad_enabled) {
    DType acc = acc_type(x.dtype());
    g = to_dtype(g, acc);
    InOperators f(to_dtype(x, acc), weight.defined() ? mul(g, to_dtype(weight, acc)) : g, trailing(x.dim(), shape.n), G.arg(rms ? 3 : 4).real(), rms);
    set_as(G, 0, f.gradient);
    set_as(G, 2, mul(g, f.normal));
    if (bias_needed) set_as(G, 3, tied(sum_to(g, G.sizes(3)), f.normal));
    return;
  }
  DType p = weight.defined() ? weight.dtype() : bias_needed ? G.dtype(3)
                                                            : x.dtype();
  x = contiguous_of(x), weight = dense(weight), g = contiguous_of(cast_of(g, x.dtype()));
  Tensor mean = rms ? Tensor() : G.result(1), rstd = G.result(rms ? 1 : 2);
  Tensor gx, gw, gb;
  if (G.needs(0)) gx = empty(x.sizes(), x.dtype());
  if (G.needs(2)) gw = empty(shape, p);
  if (bias_needed) gb = empty(shape, p);
  if (x.numel() == 0) {
    for (auto* t : {&gw, &gb})
      if (t->defined()) fill_values(*t, Value(0.0));
  } else {
    cpu::LayerNormDesc d{};
    d.dtype = x.dtype(), d.param_dtype = p, d.rms = rms, d.n = 1, d.eps = G.arg(rms ? 3 : 4).real();
    for (int64_t s : shape) d.n *= s;
    d.rows = x.numel() / d.n;
    d.x = x.bytes(), d.weight = bytes_or_null(weight), d.mean = bytes_or_null(mean), d.rstd = rstd.bytes();
    d.grad = g.bytes(), d.grad_x = bytes_or_null(gx), d.grad_weight = bytes_or_null(gw), d.grad_bias = bytes_or_null(gb);
    Unlock unlock(double(x.numel()) * 0.8);
    cpu::norm_kernels().layer_norm_backward(d);
  }
  if (gx.defined()) G.set(0, gx);
  if (gw.defined()) G.set(2, gw);
  if (gb.defined()) G.set(3, gb);
}

Record layer_norm_stats{{.schema = {"_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)"},
                         .forward = [](Call& c) {
                           rows_forward(c, false);
                         },
                         .gradient = [](Grad& G) {
                           rows_gradient(G, false);
                         },
                         .save = save_in(0) | save_in(2) | save_out(1) | save_out(2),
                         .flags = kPrivate,
                         .nodes = {"NativeLayerNormBackward0"}}};
Record rms_norm_stats{{.schema = {"_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)"},
                       .forward = [](Call& c) {
                         if (!c.has(3)) {
                           DType t = c.tensor(0).dtype();
                           c.args[3] = Value(t == DType::Float64 ? std::numeric_limits<double>::epsilon() : double(std::numeric_limits<float>::epsilon()));
                         }
                         rows_forward(c, true);
                       },
                       .gradient = [](Grad& G) {
                         rows_gradient(G, true);
                       },
                       .save = save_in(0) | save_in(2) | save_out(1),
                       .flags = kFunction,
                       .nodes = {"FusedRmsNormBackward0"}}};

// Statistics as PyTorch's native_* functions hand them out: in the type of the parameters.
void ret_statistics(Call& c, std::vector<Tensor> r, DType t) {
  c.ret(r[0]);
  for (size_t k = 1; k < r.size(); ++k) c.ret(to_dtype(r[k], t));
}

}  // namespace

Record layer_norm{{.schema = {"layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) -> Tensor"},
                   .forward = [](Call& c) {
                     c.ret(layer_norm_stats(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4)));
                   },
                   .flags = kFunction | kComposite,
                   .doc = "Each row of normalized_shape shifted and scaled to mean 0 and variance 1, then by weight and bias."}};
static Record native_layer_norm{{.schema = {"native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)"},
                                 .forward = [](Call& c) {
                                   auto r = layer_norm_stats.many(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4));
                                   ret_statistics(c, r, c.has(2) ? c.tensor(2).dtype() : c.has(3) ? c.tensor(3).dtype()
                                                                                                  : c.tensor(0).dtype());
                                 },
                                 .flags = kFunction | kOut | kComposite}};
Record rms_norm{{.schema = {"rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor"},
                 .forward = [](Call& c) {
                   Tensor x = c.tensor(0), weight = c.optional(2);
                   if (!is_complex(x.dtype()) && x.is_contiguous() && (!weight.defined() || weight.dtype() == x.dtype())) return c.ret(rms_norm_stats(x, c.arg(1), c.arg(2), c.arg(3)));
                   // Mixed or complex types, other memory orders: in operators, in PyTorch's order of conversions.
                   check_rows(x, c.ints(1), weight, Tensor(), "");
                   DType t = x.dtype(), wide = is_reduced_float(t) ? DType::Float32 : t;
                   double eps = c.has(3) ? c.real(3) : real_type(t) == DType::Float64 ? std::numeric_limits<double>::epsilon()
                                                                                      : double(std::numeric_limits<float>::epsilon());
                   Tensor v = to_dtype(x, wide);
                   Tensor y = mul(v, rsqrt(add(mean(mul(v, v), trailing(x.dim(), c.ints(1).n), true), eps)));
                   if (weight.defined()) y = mul(y, weight);
                   c.ret(to_dtype(y, t));
                 },
                 .flags = kFunction | kComposite,
                 .doc = "Each row of normalized_shape divided by its root mean square, then multiplied by weight."}};

// ------------------------------------------------------------------------------------------------ group norm

namespace {

void check_groups(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias) {
  FL_CHECK(x.dim() >= 2, "Expected at least 2 dimensions for input tensor but received ", x.dim());
  FL_CHECK(groups > 0, "Expected num groups to be greater than 0, got ", groups);
  FL_CHECK(x.size(1) % groups == 0, "Expected number of channels in input to be divisible by num_groups, but got input of shape ", x.sizes(), " and num_groups=", groups);
  for (auto* p : {&weight, &bias})
    if (p->defined())
      FL_CHECK(p->dim() == 1 && p->numel() == x.size(1), "Expected ", p == &weight ? "weight" : "bias",
               " to be a vector of size equal to the number of channels in input, but got weight of shape ", p->sizes(), " and input of shape ", x.sizes());
}
Tensor empty_as(const Tensor& x, bool channels_last) {
  return channels_last ? empty_strided(x.sizes(), channels_last_strides(x.sizes()), x.dtype()) : empty(x.sizes(), x.dtype());
}
Tensor in_layout(const Tensor& t, bool channels_last, DType dtype) {
  Tensor v = cast_of(t, dtype);
  if (!channels_last) return contiguous_of(v);
  Dims st = channels_last_strides(v.sizes());
  if (v.strides() == IntView(st)) return v;
  Tensor out = empty_strided(v.sizes(), st, dtype);
  copy_values(out, v);
  return out;
}
int64_t spatial_of(const Tensor& x) {
  int64_t n = 1;
  for (int d = 2; d < x.dim(); ++d) n *= x.size(d);
  return n;
}

cpu::GroupNormDesc group_desc(const Tensor& x, bool last, int64_t groups, double eps, DType p) {
  cpu::GroupNormDesc d{};
  d.dtype = x.dtype(), d.param_dtype = p, d.channels_last = last;
  d.batch = x.size(0), d.channels = x.size(1), d.spatial = spatial_of(x), d.groups = groups, d.eps = eps;
  d.x = x.bytes();
  return d;
}
// Arguments: input, groups, weight, bias, eps. Results: y, mean, rstd.
void group_forward(Call& c) {
  Tensor x = c.tensor(0), weight = c.optional(2), bias = c.optional(3);
  int64_t groups = c.integer(1);
  check_groups(x, groups, weight, bias);
  DType p = parameter_type(c.op, x, {weight, bias}), acc = acc_type(x.dtype());
  bool last = x.suggests_channels_last();
  x = in_layout(x, last, x.dtype()), weight = dense(weight), bias = dense(bias);
  Tensor y = empty_as(x, last), mean = empty(IntView{x.size(0), groups}, acc), rstd = empty(IntView{x.size(0), groups}, acc);
  c.ret(y);
  c.ret(mean);
  c.ret(rstd);
  if (x.numel()) {
    auto d = group_desc(x, last, groups, c.real(4), p);
    d.weight = bytes_or_null(weight), d.bias = bytes_or_null(bias), d.mean = mean.bytes(), d.rstd = rstd.bytes(), d.y = y.bytes();
    Unlock unlock(double(x.numel()) * 0.5);
    cpu::norm_kernels().group_norm(d);
  } else {
    fill_values(mean, Value(0.0));
    fill_values(rstd, Value(std::numeric_limits<double>::quiet_NaN()));
  }
}
void group_gradient(Grad& G) {
  const bool statistics = G.grad(1).defined() || G.grad(2).defined();
  if (!G.grad().defined() && !statistics) return;
  Tensor x = G.in(0), weight = saved_input(G, 2), g = G.grad_or_zeros(0);
  int64_t groups = G.arg(1).i, channels = x.size(1);
  if (thread_state().grad_enabled || statistics) {
    DType acc = acc_type(x.dtype());
    Dims split_dims{x.size(0), groups, channels / groups, spatial_of(x)}, channel_dims{1, groups, channels / groups, 1};
    g = reshape(to_dtype(g, acc), split_dims);
    InOperators f(reshape(to_dtype(x, acc), split_dims), weight.defined() ? mul(g, reshape(to_dtype(weight, acc), channel_dims)) : g, Dims{2, 3}, G.arg(4).real(), false);
    if (G.needs(0)) {
      Tensor gx = f.gradient;
      const Dims per_group{x.size(0), groups, 1, 1};
      const double count = double(channels / groups * spatial_of(x));
      if (G.grad(1).defined()) gx = add(gx, div(view(contiguous(G.grad(1)), per_group), count));
      if (G.grad(2).defined())
        gx = sub(gx, mul(f.normal, mul(view(contiguous(G.grad(2)), per_group), div(mul(f.rstd, f.rstd), count))));
      G.set(0, to_dtype(reshape(gx, x.sizes()), x.dtype()));
    }
    if (G.needs(2)) G.set(2, to_dtype(reshape(sum(mul(g, f.normal), IntView{0, 3}), IntView{channels}), G.dtype(2)));
    if (G.needs(3)) G.set(3, to_dtype(tied(reshape(sum(g, IntView{0, 3}), IntView{channels}), f.normal), G.dtype(3)));
    return;
  }
  DType p = weight.defined() ? weight.dtype() : G.needs(3) ? G.dtype(3)
                                                           : x.dtype();
  bool last = x.suggests_channels_last();
  x = in_layout(x, last, x.dtype()), weight = dense(weight), g = in_layout(g, last, x.dtype());
  Tensor mean = G.result(1), rstd = G.result(2), gx, gw, gb;
  if (G.needs(0)) gx = empty_as(x, last);
  if (G.needs(2)) gw = empty(IntView{channels}, p);
  if (G.needs(3)) gb = empty(IntView{channels}, p);
  if (x.numel()) {
    auto d = group_desc(x, last, groups, G.arg(4).real(), p);
    d.weight = bytes_or_null(weight), d.mean = mean.bytes(), d.rstd = rstd.bytes();
    d.grad = g.bytes(), d.grad_x = bytes_or_null(gx), d.grad_weight = bytes_or_null(gw), d.grad_bias = bytes_or_null(gb);
    Unlock unlock(double(x.numel()) * 0.8);
    cpu::norm_kernels().group_norm_backward(d);
  } else {
    for (auto* t : {&gw, &gb})
      if (t->defined()) fill_values(*t, Value(0.0));
  }
  if (gx.defined()) G.set(0, gx);
  if (gw.defined()) G.set(2, gw);
  if (gb.defined()) G.set(3, gb);
}
Record group_norm_stats{{.schema = {"_group_norm(Tensor input, int groups, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)"},
                         .forward = group_forward,
                         .gradient = group_gradient,
                         .save = save_in(0) | save_in(2) | save_out(1) | save_out(2),
                         .flags = kPrivate,
                         .nodes = {"NativeGroupNormBackward0"}}};

}  // namespace

Record group_norm{{.schema = {"group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor"},
                   .forward = [](Call& c) {
                     c.ret(group_norm_stats(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4)));
                   },
                   .flags = kFunction | kComposite,
                   .doc = "Each group of channels of each sample shifted and scaled to mean 0 and variance 1, then by weight and bias."}};
static Record native_group_norm{{.schema = {"native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> (Tensor, Tensor, Tensor)"},
                                 .forward = [](Call& c) {
                                   const Tensor& x = c.tensor(0);
                                   Tensor shaped = view(contiguous(x), IntView{c.integer(3), c.integer(4), c.integer(5)});
                                   auto r = group_norm_stats.many(shaped, c.arg(6), c.arg(1), c.arg(2), c.arg(7));
                                   r[0] = view(r[0], x.sizes());
                                   ret_statistics(c, r, c.has(1) ? c.tensor(1).dtype() : c.has(2) ? c.tensor(2).dtype()
                                                                                                  : x.dtype());
                                 },
                                 .flags = kFunction | kOut | kComposite}};

// ------------------------------------------------------------------------------------------------ batch norm

namespace {

cpu::BatchNormDesc batch_desc(const Tensor& x, bool last, bool training, double momentum, double eps, DType p) {
  cpu::BatchNormDesc d{};
  d.dtype = x.dtype(), d.param_dtype = p, d.channels_last = last, d.training = training;
  d.batch = x.size(0), d.channels = x.size(1), d.spatial = spatial_of(x), d.momentum = momentum, d.eps = eps;
  d.x = x.bytes();
  return d;
}
// Arguments: input, weight, bias, running_mean, running_var, training, momentum, eps. Results: y, mean, rstd (empty in evaluation).
void batch_forward(Call& c) {
  Tensor x = c.tensor(0), weight = c.optional(1), bias = c.optional(2), mean_given = c.optional(3), var_given = c.optional(4);
  const bool training = c.flag(5);
  int64_t channels = x.size(wrap_dim(1, x.dim()));
  const char* names[4] = {"weight", "bias", "running_mean", "running_var"};
  const Tensor* given[4] = {&weight, &bias, &mean_given, &var_given};
  for (int k : {2, 3, 0, 1}) {
    if (given[k]->defined()) FL_CHECK(given[k]->numel() == channels, names[k], " should contain ", channels, " elements not ", given[k]->numel());
    else FL_CHECK(training || k < 2, names[k], " must be defined in evaluation mode");
  }
  FL_CHECK(x.numel() > 0 || !training, "input tensor must have at least one element, but got input_sizes = ", x.sizes());
  DType p = parameter_type(c.op, x, {weight, bias, mean_given, var_given}), acc = acc_type(x.dtype());
  bool last = !x.is_contiguous() && x.suggests_channels_last();
  x = in_layout(x, last, x.dtype()), weight = dense(weight), bias = dense(bias);
  Tensor running_mean = dense(mean_given), running_var = dense(var_given);
  Tensor y = empty_as(x, last), mean = empty(IntView{training ? channels : 0}, acc), rstd = empty(IntView{training ? channels : 0}, acc);
  c.ret(y);
  c.ret(mean);
  c.ret(rstd);
  if (x.numel()) {
    auto d = batch_desc(x, last, training, c.real(6), c.real(7), p);
    d.weight = bytes_or_null(weight), d.bias = bytes_or_null(bias), d.running_mean = bytes_or_null(running_mean), d.running_var = bytes_or_null(running_var);
    if (training) d.mean = mean.bytes(), d.rstd = rstd.bytes();
    d.y = y.bytes();
    Unlock unlock(double(x.numel()) * 0.5);
    cpu::norm_kernels().batch_norm(d);
  }
  if (training && mean_given.defined() && mean_given.get() != running_mean.get()) copy_values(mean_given, running_mean);
  if (training && var_given.defined() && var_given.get() != running_var.get()) copy_values(var_given, running_var);
}
void batch_gradient(Grad& G) {
  if (!G.grad().defined()) return;
  Tensor x = G.in(0), weight = saved_input(G, 1), running_mean = saved_input(G, 3), running_var = saved_input(G, 4), g = G.grad();
  const bool training = G.arg(5).b;
  const double eps = G.arg(7).real();
  int64_t channels = x.size(1);
  if (thread_state().grad_enabled) {
    DType acc = acc_type(x.dtype());
    Dims per_channel(x.dim(), 1), over(0);
    per_channel[1] = channels;
    for (int d = 0; d < x.dim(); ++d)
      if (d != 1) over.push(d);
    g = to_dtype(g, acc);
    Tensor gw = weight.defined() ? mul(g, view(to_dtype(weight, acc), per_channel)) : g, gx, normal, v = to_dtype(x, acc);
    if (training) {
      InOperators f(v, gw, over, eps, false);
      gx = f.gradient, normal = f.normal;
    } else {
      Tensor scale = rsqrt(add(view(to_dtype(running_var, acc), per_channel), eps));
      normal = mul(sub(v, view(to_dtype(running_mean, acc), per_channel)), scale);
      gx = mul(gw, scale);
    }
    if (G.needs(0)) G.set(0, to_dtype(gx, x.dtype()));
    if (G.needs(1)) G.set(1, to_dtype(sum(mul(g, normal), over), G.dtype(1)));
    if (G.needs(2)) G.set(2, to_dtype(tied(sum(g, over), normal), G.dtype(2)));
    return;
  }
  DType p = weight.defined() ? weight.dtype() : running_mean.defined() ? running_mean.dtype()
                                            : G.needs(2)               ? G.dtype(2)
                                                                       : x.dtype();
  bool last = !x.is_contiguous() && x.suggests_channels_last();
  x = in_layout(x, last, x.dtype()), weight = dense(weight), g = in_layout(g, last, x.dtype());
  running_mean = dense(running_mean), running_var = dense(running_var);
  Tensor mean = G.result(1), rstd = G.result(2), gx, gw, gb;
  if (G.needs(0)) gx = empty_as(x, last);
  if (G.needs(1)) gw = empty(IntView{channels}, p);
  if (G.needs(2)) gb = empty(IntView{channels}, p);
  if (x.numel()) {
    auto d = batch_desc(x, last, training, 0, eps, p);
    d.weight = bytes_or_null(weight), d.running_mean = bytes_or_null(running_mean), d.running_var = bytes_or_null(running_var);
    if (training) d.mean = mean.bytes(), d.rstd = rstd.bytes();
    d.grad = g.bytes(), d.grad_x = bytes_or_null(gx), d.grad_weight = bytes_or_null(gw), d.grad_bias = bytes_or_null(gb);
    Unlock unlock(double(x.numel()) * 0.8);
    cpu::norm_kernels().batch_norm_backward(d);
  } else {
    for (auto* t : {&gw, &gb})
      if (t->defined()) fill_values(*t, Value(0.0));
  }
  if (gx.defined()) G.set(0, gx);
  if (gw.defined()) G.set(1, gw);
  if (gb.defined()) G.set(2, gb);
}
Record batch_norm_stats{{.schema = {"_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> "
                                    "(Tensor, Tensor, Tensor)"},
                         .forward = batch_forward,
                         .gradient = batch_gradient,
                         .save = save_in(0) | save_in(1) | save_in(3) | save_in(4) | save_out(1) | save_out(2),
                         .flags = kPrivate,
                         .nodes = {"NativeBatchNormBackward0"},
                         .fixed = save_in(3) | save_in(4)}};
void native_batch_call(Call& c) {
  auto r = batch_norm_stats.many(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(5), c.arg(6), c.arg(7));
  DType t = c.tensor(0).dtype();
  for (int k = 4; k >= 1; --k)
    if (c.has(k)) t = c.tensor(k).dtype();
  ret_statistics(c, r, t);
}

}  // namespace

Record batch_norm{{.schema = {"batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, "
                              "bool cudnn_enabled) -> Tensor"},
                   .forward = [](Call& c) {
                     const Tensor& x = c.tensor(0);
                     if (x.numel() == 0) {  // nothing to normalise, but the result depends on the parameters
                       Tensor y = clone(x);
                       if (c.has(1)) y = mul(y, select(c.tensor(1), 0, 0));
                       if (c.has(2)) y = add(y, select(c.tensor(2), 0, 0));
                       return c.ret(y);
                     }
                     c.ret(batch_norm_stats(x, c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(5), c.arg(6), c.arg(7)));
                   },
                   .flags = kFunction | kComposite,
                   .doc = "Each channel shifted and scaled by its mean and variance over the batch (or the running ones), then by weight and bias."}};
static Record native_batch_norm{{.schema = {"native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, "
                                            "float eps) -> (Tensor, Tensor, Tensor)"},
                                 .forward = native_batch_call,
                                 .flags = kFunction | kOut | kComposite}};
static Record batch_norm_legit{{.schema = {"_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, bool training, float momentum, "
                                           "float eps) -> (Tensor, Tensor, Tensor)"},
                                .forward = native_batch_call,
                                .flags = kFunction | kOut | kComposite}};
static Record batch_norm_no_stats{{.schema = {"_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)"},
                                   .forward = [](Call& c) {
                                     auto r = batch_norm_stats.many(c.tensor(0), c.arg(1), c.arg(2), Value(), Value(), c.arg(3), c.arg(4), c.arg(5));
                                     ret_statistics(c, r, c.has(1) ? c.tensor(1).dtype() : c.tensor(0).dtype());
                                   },
                                   .flags = kFunction | kOut | kComposite}};

}  // namespace fl::ops
