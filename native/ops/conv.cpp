// Convolutions. One trilinear form T(x, w, y) = sum conv(x, w) * y stands behind all of them: `convolution` and three private records,
// each the gradient of T in one of its arguments, whose own gradients are the other two. Everything else is made of `convolution`.
#include "base/unlock.h"
#include "kernels/cpu/conv.h"
#include "ops/elementwise.h"

namespace fl::ops {

extern Record conv_y;

namespace {

int64_t at(IntView v, int i) { return v.n == 1 ? v[0] : v[i]; }

// (4 x 6)
struct By {
  Dims sizes;
  friend std::ostream& operator<<(std::ostream& o, const By& b) {
    o << '(';
    for (int i = 0; i < b.sizes.size(); ++i) o << (i ? " x " : "") << b.sizes[i];
    return o << ')';
  }
};

// Memory order of a result: channels-last when one operand is. In three dimensions PyTorch does so for the types of its fast library only.
Dims layout(IntView sizes, const Tensor& a, const Tensor& b) {
  bool last = sizes.n == 4 || (sizes.n == 5 && (a.dtype() == DType::Float32 || is_reduced_float(a.dtype())));
  if (last && (a.suggests_channels_last() || b.suggests_channels_last())) return channels_last_strides(sizes);
  return contiguous_strides(sizes);
}

// Operands in an order that the kernels read fast.
Tensor readable(const Tensor& t) {
  return t.is_contiguous() || t.dim() == 3 || is_channels_last(t.sizes(), t.strides()) ? t : contiguous_of(t);
}

void strides5(const Tensor& t, int64_t* to) {
  int nd = t.dim() - 2;
  to[0] = t.stride(0);
  to[1] = t.stride(1);
  for (int d = 2; d >= 0; --d) {
    int own = d - (3 - nd) + 2;
    to[2 + d] = own >= 2 ? t.stride(own) : to[3 + d] * (own == 1 ? t.size(2) : 1);  // missing dimensions lie around the given ones
  }
}

// x, w, y: operands or results of the same geometry; pad: before the first element.
cpu::ConvDesc describe(const Tensor& x, const Tensor& w, const Tensor& y, IntView stride, IntView pad, IntView dilation, int64_t groups) {
  cpu::ConvDesc g;
  g.dtype = x.dtype();
  g.n = x.size(0);
  g.c = x.size(1);
  g.k = y.size(1);
  g.groups = groups;
  int nd = x.dim() - 2, lead = 3 - nd;
  for (int i = 0; i < nd; ++i) {
    g.in[lead + i] = x.size(2 + i);
    g.out[lead + i] = y.size(2 + i);
    g.kernel[lead + i] = w.size(2 + i);
    g.stride[lead + i] = at(stride, i);
    g.pad[lead + i] = at(pad, i);
    g.dilation[lead + i] = at(dilation, i);
  }
  strides5(x, g.x_stride);
  strides5(w, g.w_stride);
  strides5(y, g.y_stride);
  return g;
}
double work(const cpu::ConvDesc& g) {
  double taps = double(g.kernel[0] * g.kernel[1] * g.kernel[2]), places = double(g.out[0] * g.out[1] * g.out[2]);
  return double(g.n) * double(g.k) * double(g.c) / double(g.groups) * taps * places * 0.01;
}

void run_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y, IntView stride, IntView pad, IntView dilation, int64_t groups) {
  if (y.numel() == 0) return;
  Tensor xr = readable(x), b = bias.defined() ? contiguous_of(bias) : bias;
  cpu::ConvDesc g = describe(xr, w, y, stride, pad, dilation, groups);
  Unlock unlock(work(g));
  cpu::conv_kernels().forward(g, xr.bytes(), w.bytes(), b.defined() ? b.bytes() : nullptr, cpu::Activation::None, y.bytes());
}
void run_backward_input(const Tensor& y, const Tensor& w, const Tensor& bias, const Tensor& x, IntView stride, IntView pad, IntView dilation, int64_t groups) {
  if (x.numel() == 0) return;
  Tensor yr = readable(y), b = bias.defined() ? contiguous_of(bias) : bias;
  cpu::ConvDesc g = describe(x, w, yr, stride, pad, dilation, groups);
  Unlock unlock(work(g));
  cpu::conv_kernels().backward_input(g, yr.bytes(), w.bytes(), b.defined() ? b.bytes() : nullptr, x.bytes());
}

// ------------------------------------------------------------------------------------------------ checks

void check_list(const char* name, IntView v, int nd, bool two_sided = false) {
  FL_CHECK(v.n == 1 || v.n == nd || (two_sided && v.n == 2 * nd), "expected ", name, " to be a single integer value or a list of ", nd,
           " values to match the convolution dimensions, but got ", name, "=", v);
}
void check_types(const Tensor& x, const Tensor& w, const Tensor& b) {
  FL_CHECK(!b.defined() || b.dtype() == x.dtype(), "Input type (", c10_name(x.dtype()), ") and bias type (", c10_name(b.dtype()), ") should be the same");
  FL_CHECK(w.dtype() == x.dtype(), "Input type (", c10_name(x.dtype()), ") and weight type (", c10_name(w.dtype()),
           ") should be the same: expected scalar type ", scalar_type_name(x.dtype()), " but found ", scalar_type_name(w.dtype()));
}
void check_offered(DType t, int nd, bool transposed, bool dilated) {
  if (is_differentiable(t) || (t >= DType::UInt8 && t <= DType::Int64)) return;
  const char* what = transposed ? nd == 3 ? "slow_conv_transpose3d_out_cpu" : "slow_conv_transpose2d_out_cpu"
                     : dilated  ? "slow_conv_dilated<>"
                     : nd == 3  ? "compute_columns3d"
                                : "slow_conv2d_cpu";
  fail(ErrorKind::NotImplemented, "\"", what, "\" not implemented for '", scalar_type_name(t), "'");
}

// All that PyTorch refuses, in its order; the sizes of the result.
Dims checked_sizes(const Tensor& x, const Tensor& w, const Tensor& b, IntView stride, IntView pad, IntView dilation, bool transposed, IntView output_pad, int64_t groups) {
  FL_CHECK(w.dim() > 2, "weight should have at least three dimensions");
  FL_CHECK(groups > 0, "non-positive groups is not supported");
  int nd = w.dim() - 2;
  FL_CHECK(nd <= 3, "convolution: at most three spatial dimensions are supported (got a weight of size ", w.sizes(), ")");
  check_list("stride", stride, nd);
  check_list("padding", pad, nd, !transposed);
  check_list("dilation", dilation, nd);
  check_list("output_padding", output_pad, nd);
  auto none_below = [](IntView v, int64_t low) {
    for (int64_t i : v)
      if (i < low) return false;
    return true;
  };
  FL_CHECK(none_below(pad, 0), "negative padding is not supported");
  FL_CHECK(none_below(output_pad, 0), "negative output_padding is not supported");
  FL_CHECK(none_below(stride, 1), "non-positive stride is not supported");
  FL_CHECK(none_below(dilation, 1), "dilation should be greater than zero, but got ", dilation);
  FL_CHECK(x.dim() == w.dim(), "Expected ", w.dim(), "-dimensional input for ", w.dim(), "-dimensional weight ", w.sizes(), ", but got ", x.dim(), "-dimensional input of size ",
           x.sizes(), " instead");
  FL_CHECK(w.size(0) >= groups, "Given groups=", groups, ", expected weight to be at least ", groups, " at dimension 0, but got weight of size ", w.sizes(), " instead");
  FL_CHECK(w.size(0) % groups == 0, "Given groups=", groups, ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size [", w.sizes(), "] instead");
  int64_t channels = transposed ? w.size(0) : w.size(1) * groups, outputs = transposed ? w.size(1) * groups : w.size(0);
  const char* given = transposed ? "transposed" : "groups";
  FL_CHECK(x.size(1) == channels, "Given ", given, "=", transposed ? 1 : groups, ", weight of size ", w.sizes(), ", expected input", x.sizes(), " to have ", channels,
           " channels, but got ", x.size(1), " channels instead");
  FL_CHECK(!b.defined() || (b.dim() == 1 && b.size(0) == outputs), "Given ", transposed ? "transposed=1, " : "", "weight of size ", w.sizes(),
           ", expected bias to be 1-dimensional with ", outputs, " elements, but got bias of size ", b.sizes(), " instead");
  Dims size(x.sizes()), padded(nd), kernel(nd);
  size[1] = outputs;
  bool fits = true, positive = true;
  for (int i = 0; i < nd; ++i) {
    int64_t before = at(pad, i), after = pad.n > nd ? pad[nd + i] : before, s = at(stride, i), d = at(dilation, i), op = at(output_pad, i);
    FL_CHECK(w.size(2 + i) > 0, "kernel size should be greater than zero, but got weight of size ", w.sizes());
    kernel[i] = d * (w.size(2 + i) - 1) + 1;
    if (transposed) {
      FL_CHECK(op < s || op < d, "output padding must be smaller than either stride or dilation, but got output_padding: ", output_pad, " stride: ", stride, " dilation: ", dilation);
      size[2 + i] = (x.size(2 + i) - 1) * s - before - after + kernel[i] + op;
      positive &= size[2 + i] > 0;
    } else {
      padded[i] = x.size(2 + i) + before + after;
      fits &= padded[i] >= kernel[i];
      size[2 + i] = fits ? (padded[i] - kernel[i]) / s + 1 : 0;
    }
  }
  FL_CHECK(fits, "Calculated padded input size per channel: ", By{padded}, ". Kernel size: ", By{kernel}, ". Kernel size can't be greater than actual input size");
  FL_CHECK(positive, "Given input size per channel: ", By{Dims(IntView(x.sizes().data + 2, nd))}, ". Calculated output size per channel: ",
           By{Dims(IntView(size.data() + 2, nd))}, ". Output size is too small");
  FL_CHECK(x.numel() || !x.size(0) || !x.size(1), "Only zero batch or zero channel inputs are supported, but got input shape: ", x.sizes());
  if (!transposed && x.size(1) == 0) size[1] = 0;  // PyTorch's result of no channels has no channels
  return size;
}

// ------------------------------------------------------------------------------------------------ the records behind the names

// In arguments 3.. of the private records: stride, padding, dilation, groups.
#define FL_GEOMETRY G.arg(3), G.arg(4), G.arg(5), G.arg(6)

void conv_y_forward(Call& c) {
  const Tensor &x = c.tensor(0), &w = c.tensor(1);
  Dims st = layout(c.ints(2), x, w);
  const Tensor& y = c.result(c.ints(2), x.dtype(), &st);
  run_forward(x, w, Tensor(), y, c.ints(3), c.ints(4), c.ints(5), c.integer(6));
}
void conv_x_forward(Call& c) {
  const Tensor &y = c.tensor(0), &w = c.tensor(1);
  Dims st = layout(c.ints(2), y, w);
  const Tensor& x = c.result(c.ints(2), y.dtype(), &st);
  run_backward_input(y, w, Tensor(), x, c.ints(3), c.ints(4), c.ints(5), c.integer(6));
}
void conv_w_forward(Call& c) {
  Tensor x = readable(c.tensor(0)), y = readable(c.tensor(1));
  Dims st = layout(c.ints(2), x, y);
  const Tensor& w = c.result(c.ints(2), x.dtype(), &st);
  if (w.numel() == 0) return;
  if (x.numel() == 0 || y.numel() == 0) {
    std::memset(w.bytes(), 0, size_t(w.numel()) * item_size(w.dtype()));
    return;
  }
  cpu::ConvDesc g = describe(x, w, y, c.ints(3), c.ints(4), c.ints(5), c.integer(6));
  Unlock unlock(work(g));
  cpu::conv_kernels().backward_weight(g, x.bytes(), y.bytes(), w.bytes());
}

Tensor channel_sum(const Tensor& g) {
  Dims over(0);
  for (int d = 0; d < g.dim(); ++d)
    if (d != 1) over.push(d);
  return sum(g, IntView(over));
}

void convolution_gradient(Grad& G) {
  const Tensor& g = G.grad();
  bool transposed = G.arg(6).b;
  const Value &stride = G.arg(3), &dilation = G.arg(5), &groups = G.arg(8);
  IntView pad = G.arg(4).int_view();
  int nd = g.dim() - 2;
  Value before(IntView(pad.data, pad.n > nd ? nd : pad.n));
  if (g.numel() == 0) {
    for (int k = 0; k < 3; ++k)
      if (G.needs(k)) G.set(k, zeros_like_sizes(G.sizes(k), G.dtype(k)));
    return;
  }
  Tensor gx, gw;
  if (G.needs(0)) gx = (transposed ? conv_y : conv_x)(g, conj_if(G.in(1)), G.sizes(0), stride, before, dilation, groups);
  if (G.needs(1)) {
    Tensor x = conj_if(G.in(0));
    gw = conv_w(transposed ? g : x, transposed ? x : g, G.sizes(1), stride, before, dilation, groups);
  }
  if (G.needs(2)) {
    Tensor gb = channel_sum(g);
    const Tensor& sibling = gw.defined() ? gw : gx;  // the three gradients are one node's: all are recorded when one is
    G.set(2, sibling.defined() && sibling.requires_grad() && !gb.requires_grad() ? tied(gb, sibling) : gb);
  }
  if (gx.defined()) G.set(0, gx);
  if (gw.defined()) G.set(1, gw);
}

void convolution_forward(Call& c) {
  const Tensor &x = c.tensor(0), &w = c.tensor(1);
  Tensor b = c.optional(2);
  IntView stride = c.ints(3), pad = c.ints(4), dilation = c.ints(5), output_pad = c.ints(7);
  bool transposed = c.flag(6);
  int64_t groups = c.integer(8);
  Dims size = checked_sizes(x, w, b, stride, pad, dilation, transposed, output_pad, groups);
  check_types(x, w, b);
  bool dilated = false;
  for (int64_t d : dilation) dilated |= d > 1;
  check_offered(x.dtype(), w.dim() - 2, transposed, dilated);
  Dims st = layout(size, x, w);
  const Tensor& out = c.result(size, x.dtype(), &st);
  (transposed ? run_backward_input : run_forward)(x, w, b, out, stride, pad, dilation, groups);
}

}  // namespace

Record conv_y{{.schema = {"conv_y(Tensor x, Tensor w, int[] size, int[] stride, int[] padding, int[] dilation, int groups) -> Tensor"},
               .forward = conv_y_forward,
               .gradient = [](Grad& G) {
                 if (G.needs(0)) G.set(0, conv_x(G.grad(), conj_if(G.in(1)), G.sizes(0), FL_GEOMETRY));
                 if (G.needs(1)) G.set(1, conv_w(conj_if(G.in(0)), G.grad(), G.sizes(1), FL_GEOMETRY));
               },
               .save = save_in(0) | save_in(1) | kCross,
               .flags = kPrivate,
               .nodes = {"ConvolutionBackwardBackward0"}}};
Record conv_x{{.schema = {"conv_x(Tensor y, Tensor w, int[] size, int[] stride, int[] padding, int[] dilation, int groups) -> Tensor"},
               .forward = conv_x_forward,
               .gradient = [](Grad& G) {
                 if (G.needs(0)) G.set(0, conv_y(G.grad(), conj_if(G.in(1)), G.sizes(0), FL_GEOMETRY));
                 if (G.needs(1)) G.set(1, conv_w(G.grad(), conj_if(G.in(0)), G.sizes(1), FL_GEOMETRY));
               },
               .save = save_in(0) | save_in(1) | kCross,
               .flags = kPrivate,
               .nodes = {"ConvolutionBackwardBackward0"}}};
Record conv_w{{.schema = {"conv_w(Tensor x, Tensor y, int[] size, int[] stride, int[] padding, int[] dilation, int groups) -> Tensor"},
               .forward = conv_w_forward,
               .gradient = [](Grad& G) {
                 if (G.needs(0)) G.set(0, conv_x(conj_if(G.in(1)), G.grad(), G.sizes(0), FL_GEOMETRY));
                 if (G.needs(1)) G.set(1, conv_y(conj_if(G.in(0)), G.grad(), G.sizes(1), FL_GEOMETRY));
               },
               .save = save_in(0) | save_in(1) | kCross,
               .flags = kPrivate,
               .nodes = {"ConvolutionBackwardBackward0"}}};
#undef FL_GEOMETRY

Record convolution{{.schema = {"convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool transposed, "
                               "int[] output_padding, int groups) -> Tensor"},
                    .forward = convolution_forward,
                    .gradient = convolution_gradient,
                    .save = save_in(0) | save_in(1) | kCross,
                    .flags = kFunction,
                    .autocast = Autocast::Lower,
                    .doc = "The convolution of (N, C, *) with (K, C / groups, *) kernels in one to three dimensions; transposed: its gradient."}};

// ------------------------------------------------------------------------------------------------ the public names

namespace {

bool batched(const Tensor& x, int nd, const char* name) {
  FL_CHECK(x.dim() == nd + 1 || x.dim() == nd + 2, "Expected ", nd + 1, "D (unbatched) or ", nd + 2, "D (batched) input to ", name, ", but got input of size: ", x.sizes());
  return x.dim() == nd + 2;
}

// convNd(input, weight, bias, stride, padding, dilation, groups)
void conv_nd(Call& c, int nd) {
  bool one = !batched(c.tensor(0), nd, c.op.name);
  Tensor x = one ? unsqueeze(c.tensor(0), 0) : c.tensor(0);
  const Tensor& w = c.tensor(1);
  Dims pad;
  if (c.arg(4).tag == Value::StrTag) {
    const char* how = c.str(4);
    bool same = !std::strcmp(how, "same");
    FL_CHECK(same || !std::strcmp(how, "valid"), "Invalid padding string: '", how, "'");
    if (same) {
      FL_CHECK(w.dim() > 2, "weight should have at least three dimensions");
      int dims = w.dim() - 2;
      check_list("stride", c.ints(3), dims);
      check_list("dilation", c.ints(5), dims);
      for (int64_t s : c.ints(3)) FL_CHECK(s == 1, "padding='same' is not supported for strided convolutions");
      pad = Dims(2 * dims);
      for (int i = 0; i < dims; ++i) {
        int64_t total = at(c.ints(5), i) * (w.size(2 + i) - 1);
        pad[i] = total / 2;
        pad[dims + i] = total - total / 2;
      }
    } else {
      pad = Dims{0};
    }
  } else {
    pad = Dims(c.ints(4));
    if (w.dim() > 2 && w.dim() - 2 == nd) check_list("padding", pad, nd);  // two-sided lists are for padding='same' alone
  }
  Tensor y = convolution(x, w, c.arg(2), c.arg(3), pad, c.arg(5), false, IntView{0}, c.arg(6));
  c.ret(one ? squeeze_dims(y, IntView{0}) : y);
}
// conv_transposeNd(input, weight, bias, stride, padding, output_padding, groups, dilation)
void conv_transpose_nd(Call& c, int nd) {
  bool one = !batched(c.tensor(0), nd, c.op.name);
  Tensor x = one ? unsqueeze(c.tensor(0), 0) : c.tensor(0);
  Tensor y = convolution(x, c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(7), true, c.arg(5), c.arg(6));
  c.ret(one ? squeeze_dims(y, IntView{0}) : y);
}

}  // namespace

#define FL_CONV(N, DOC)                                                                                      \
  Record conv##N##d {                                                                                        \
    {                                                                                                        \
      .schema = {"conv" #N "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #N "] stride=1, int[" #N \
                 "] padding=0, "                                                                             \
                 "int[" #N "] dilation=1, int groups=1) -> Tensor",                                          \
                 "conv" #N "d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[" #N               \
                 "] stride=1, "                                                                              \
                 "str padding=\"valid\", int[" #N "] dilation=1, int groups=1) -> Tensor"},                  \
      .forward = [](Call& c) {                                                                               \
        conv_nd(c, N);                                                                                       \
      },                                                                                                     \
      .flags = kFunction | kComposite, .autocast = Autocast::Lower, .doc = DOC                               \
    }                                                                                                        \
  }
#define FL_CONV_TRANSPOSE(N, NAME, DOC)                                                                              \
  Record conv_transpose##N##d {                                                                                      \
    {                                                                                                                \
      .schema = {NAME "(Tensor input, Tensor weight, Tensor? bias=None, int[" #N "] stride=1, int[" #N               \
                      "] padding=0, int[" #N "] output_padding=0, int groups=1, int[" #N "] dilation=1) -> Tensor"}, \
      .forward = [](Call& c) {                                                                                       \
        conv_transpose_nd(c, N);                                                                                     \
      },                                                                                                             \
      .flags = kFunction | kComposite, .autocast = Autocast::Lower, .doc = DOC                                       \
    }                                                                                                                \
  }

FL_CONV(1,
        "Convolution of (N, C, L) or (C, L) with (K, C / groups, kernel) weights.\n\n"
        ">>> torch.conv1d(torch.arange(4.).view(1, 1, 4), torch.ones(1, 1, 2))\ntensor([[[1., 3., 5.]]])");
FL_CONV(2, "Convolution of (N, C, H, W) or (C, H, W) with (K, C / groups, kernel height, kernel width) weights.");
FL_CONV(3, "Convolution of (N, C, D, H, W) or (C, D, H, W) with (K, C / groups, kernel depth, kernel height, kernel width) weights.");
FL_CONV_TRANSPOSE(1, "conv_transpose1d", "Transposed convolution of (N, C, L) or (C, L) with (C, K / groups, kernel) weights.");
FL_CONV_TRANSPOSE(2, "conv_transpose2d.input", "Transposed convolution of (N, C, H, W) or (C, H, W) with (C, K / groups, kernel...) weights.");
FL_CONV_TRANSPOSE(3, "conv_transpose3d.input", "Transposed convolution of (N, C, D, H, W) or (C, D, H, W) with (C, K / groups, kernel...) weights.");
#undef FL_CONV
#undef FL_CONV_TRANSPOSE

Record conv_tbc{{.schema = {"conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor"},
                 .forward = [](Call& c) {
                   const Tensor &x = c.tensor(0), &w = c.tensor(1), &b = c.tensor(2);
                   FL_CHECK(x.dim() == 3, "Input must have 3 dims: time, batch, in_channel.");
                   FL_CHECK(w.dim() == 3, "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.");
                   FL_CHECK(b.dim() == 1, "Bias must be 1-D");
                   FL_CHECK(x.size(2) == w.size(1), "Input dim 2 (input channels) is not == dim 1 in the weight tensor");
                   FL_CHECK(b.size(0) == w.size(2), "Bias size must equal dim 2 in the weight tensor (output channels).");
                   Tensor y = conv1d(permute(x, IntView{1, 2, 0}), permute(w, IntView{2, 1, 0}), b, IntView{1}, IntView{c.integer(3)});
                   c.ret(contiguous(permute(y, IntView{2, 0, 1})));
                 },
                 .flags = kFunction | kComposite,
                 .autocast = Autocast::Lower,
                 .doc = "Convolution of (time, batch, C) with (kernel, C, K) weights, padded by `pad` on both sides in time."}};

}  // namespace fl::ops
