// Max and average pooling, fixed and adaptive, over 1 to 3 dimensions. Functions of 1 dimension are those of 2 on an image of one line.
// The gradients are private records of their own, so that they can be differentiated again: a max pool's is a gather at the indices it
// returned, an average pool's an average pool.
#include "kernels/cpu/pool.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

// ------------------------------------------------------------------------------------------------ geometry

// Kernel, stride, padding and dilation of a window; missing leading dimensions have the values that leave them alone.
struct Window {
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
};

// Texts such as "kH: 2 kW: 3" and "3x8x8" of the last nd entries.
std::string labelled(int nd, const char* name, const int64_t (&v)[3]) {
  std::ostringstream text;
  for (int d = 3 - nd; d < 3; ++d) text << (d > 3 - nd ? " " : "") << name << "THW"[d] << ": " << v[d];
  return text.str();
}
std::string crossed(int nd, int64_t channels, const int64_t* v) {
  std::ostringstream text;
  text << channels;
  for (int d = 3 - nd; d < 3; ++d) text << "x" << v[d];
  return text.str();
}

void spread_over(int nd, IntView from, int64_t (&to)[3]) {
  for (int d = 0; d < nd; ++d) to[3 - nd + d] = from[from.n == 1 ? 0 : d];
}
// Reads the lists as users give them: one number for all dimensions or one for each; an empty stride is the kernel.
Window read_window(const char* op, int nd, const char* must, IntView kernel, IntView stride, IntView pad, IntView dilation) {
  const char* count = nd == 2 ? "two" : "three";
  auto fits = [&](IntView v) {
    return v.n == 1 || v.n == nd;
  };
  FL_CHECK(fits(kernel), op, ": kernel_size must ", must, "be a single int, or a tuple of ", count, " ints");
  FL_CHECK(stride.n == 0 || fits(stride), op, ": stride must ", must, "be omitted, a single int, or a tuple of ", count, " ints");
  FL_CHECK(fits(pad), op, ": padding must ", must, "be a single int, or a tuple of ", count, " ints");
  FL_CHECK(fits(dilation), op, ": dilation must be either a single int, or a tuple of ", count, " ints");
  Window w;
  spread_over(nd, kernel, w.kernel);
  spread_over(nd, stride.n ? stride : kernel, w.stride);
  spread_over(nd, pad, w.pad);
  spread_over(nd, dilation, w.dilation);
  return w;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

// How many windows fit. With ceil_mode the last may hang over the end, but must not start in the padding behind it.
int64_t windows_in(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode) {
  FL_CHECK(stride != 0, "stride should not be zero");
  FL_CHECK(pad >= 0, "pad must be non-negative, but got pad: ", pad);
  FL_CHECK(pad <= ((kernel - 1) * dilation + 1) / 2, "pad should be at most half of effective kernel size, but got pad=", pad, ", kernel_size=", kernel,
           " and dilation=", dilation);
  int64_t n = floor_div(in + 2 * pad - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0), stride) + 1;
  if (ceil_mode && (n - 1) * stride >= in + pad) --n;
  return n;
}

// Sizes and strides as the kernels want them. x may lack the batch dimension.
cpu::PoolDesc describe(int nd, DType dtype, IntView x, IntView y, const Window& w = {}) {
  cpu::PoolDesc g;
  const int lead = x.n - nd;
  g.dtype = dtype;
  g.n = lead == 2 ? x[0] : 1;
  g.c = x[lead - 1];
  for (int d = 0; d < nd; ++d) g.in[3 - nd + d] = x[lead + d], g.out[3 - nd + d] = y[lead + d];
  for (int d = 0; d < 3; ++d) g.kernel[d] = w.kernel[d], g.stride[d] = w.stride[d], g.pad[d] = w.pad[d], g.dilation[d] = w.dilation[d];
  return g;
}
void set_strides(int64_t (&to)[5], const Tensor& t, int nd) {
  const int lead = t.dim() - nd;
  to[0] = lead == 2 ? t.stride(0) : 0;
  to[1] = t.stride(lead - 1);
  for (int d = 0; d < nd; ++d) to[5 - nd + d] = t.stride(lead + d);
}

Dims strides_for(IntView sizes, int nd, bool last) {
  if (!last) return contiguous_strides(sizes);
  if (sizes.n == nd + 2) return channels_last_strides(sizes);
  Dims st, whole{1};
  for (int64_t s : sizes) whole.push(s);
  Dims all = channels_last_strides(whole);
  for (int d = 1; d < all.size(); ++d) st.push(all[d]);
  return st;
}
bool batched_last(const Tensor& x, int nd) { return x.dim() == nd + 2 && x.suggests_channels_last(); }
bool volume_last(const Tensor& x) {
  if (x.dim() == 5) return x.suggests_channels_last();
  Dims sizes{1}, st{0};
  for (int64_t s : x.sizes()) sizes.push(s);
  for (int64_t s : x.strides()) st.push(s);
  return !x.is_contiguous() && is_channels_last(sizes, st);
}
// t in rows or, for last, with the channels inside, whichever the kernels are fast with.
Tensor operand(const Tensor& t, int nd, bool last) {
  if (!last) return contiguous_of(t);
  Dims st = strides_for(t.sizes(), nd, true);
  if (t.strides() == IntView(st)) return t;
  Tensor out = empty_strided(t.sizes(), st, t.dtype());
  copy_values(out, t);
  return out;
}
double cost(const cpu::PoolDesc& g, bool adaptive) {
  double windows = double(g.n) * double(g.c), area = 1;
  for (int d = 0; d < 3; ++d) {
    windows *= double(g.out[d]);
    area *= adaptive ? double(g.in[d]) / double(std::max<int64_t>(g.out[d], 1)) + 1 : double(g.kernel[d]);
  }
  return windows * area * 0.2;
}

void check_window(int nd, const Window& w) {
  auto positive = [](const int64_t (&v)[3]) {
    return v[0] > 0 && v[1] > 0 && v[2] > 0;
  };
  FL_CHECK(positive(w.kernel), "kernel size should be greater than zero, but got ", labelled(nd, "k", w.kernel));
  FL_CHECK(positive(w.stride), "stride should be greater than zero, but got ", labelled(nd, "d", w.stride));
  FL_CHECK(positive(w.dilation), "dilation should be greater than zero, but got ", labelled(nd, "dilation", w.dilation));
}
// The result's sizes; RuntimeError for impossible windows and inputs.
Dims pooled_sizes(const char* op, int nd, const Tensor& x, const Window& w, bool ceil_mode) {
  const int lead = x.dim() - nd;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  for (int d = 3 - nd; d < 3; ++d) {
    in[d] = x.size(d - 3);
    out[d] = windows_in(in[d], w.kernel[d], w.stride[d], w.pad[d], w.dilation[d], ceil_mode);
  }
  check_window(nd, w);
  bool filled = lead == 1 || lead == 2;
  for (int d = lead == 2; filled && d < x.dim(); ++d) {
    if (nd == 3)
      FL_CHECK(x.size(d) > 0, op, "(): Expected input's non-batch dimensions to have positive length, but input has a shape of ", x.sizes(),
               " and dimension ", d, " has length zero!");
    filled = x.size(d) > 0;
  }
  FL_CHECK(filled, "Expected ", nd + 1, "D or ", nd + 2, "D (batch mode) tensor with optional 0 dim batch size for input, but got:", x.sizes());
  if (nd == 3 && !std::strcmp(op, "avg_pool3d"))
    FL_CHECK(in[0] >= w.kernel[0] && in[1] >= w.kernel[1] && in[2] >= w.kernel[2], "input image (T: ", in[0], " H: ", in[1], " W: ", in[2],
             ") smaller than kernel size (", labelled(nd, "k", w.kernel), ")");
  const int64_t channels = x.size(lead - 1);
  FL_CHECK(out[0] > 0 && out[1] > 0 && out[2] > 0, "Given input size: (", crossed(nd, channels, in), "). Calculated output size: (", crossed(nd, channels, out),
           "). Output size is too small");
  Dims sizes(x.sizes());
  for (int d = 0; d < nd; ++d) sizes[lead + d] = out[3 - nd + d];
  return sizes;
}

void check_numbers(const char* name, DType t, bool integers) {
  bool fits = is_floating(t) || (integers && t != DType::Bool && !is_complex(t) && !(t >= DType::UInt16 && t <= DType::UInt64));
  FL_CHECK_KIND(NotImplemented, fits, "\"", name, "\" not implemented for '", scalar_type_name(t), "'");
}

// ------------------------------------------------------------------------------------------------ maxima

// Fills in (and hands over) the maxima and, unless the operator returns them alone, their places. Both have the same strides.
void run_max(Call& c, int nd, const Tensor& given, const Dims& sizes, const Window* w, bool last, bool with_indices) {
  Tensor x = operand(given, nd, last);
  Dims st = strides_for(sizes, nd, last);
  Tensor y = empty_strided(sizes, st, x.dtype()), indices = with_indices ? empty_strided(sizes, st, DType::Int64) : Tensor();
  c.ret(y);
  if (with_indices) c.ret(indices);
  if (y.numel()) {
    cpu::PoolDesc g = w ? describe(nd, x.dtype(), x.sizes(), sizes, *w) : describe(nd, x.dtype(), x.sizes(), sizes);
    set_strides(g.x_stride, x, nd);
    set_strides(g.y_stride, y, nd);
    int64_t* at = with_indices ? indices.data<int64_t>() : nullptr;
    Unlock unlock(cost(g, !w));
    (w ? cpu::pool_kernels().max_forward : cpu::pool_kernels().adaptive_max_forward)(g, x.bytes(), y.bytes(), at);
  }
}

// Arguments: input, kernel, stride, padding, dilation, ceil_mode.
template <int ND>
void max_pool_call(Call& c, bool with_indices) {
  const char* op = ND == 2 ? "max_pool2d" : "max_pool3d";
  const Tensor& x = c.tensor(0);
  Window w = read_window(op, ND, "either ", c.ints(1), c.ints(2), c.ints(3), c.ints(4));
  FL_CHECK(x.dim() == ND + 1 || x.dim() == ND + 2, "non-empty ", ND + 1, "D or ", ND + 2, "D (batch mode) tensor expected for input");
  Dims sizes = pooled_sizes(op, ND, x, w, c.flag(5));
  check_numbers(op, x.dtype(), true);
  check_out(c, {x.dtype(), DType::Int64});
  run_max(c, ND, x, sizes, &w, ND == 2 ? batched_last(x, ND) : volume_last(x), with_indices);
}
template <int ND>
void max_with_indices(Call& c) { max_pool_call<ND>(c, true); }

// The gradients of images, and of volumes where kFollow, keep the input's channels-last order.
// Gradient to the places of the maxima. Arguments: gradient, input (for its sizes and order), indices.
template <int ND, bool kFollow>
void max_backward(Call& c) {
  const Tensor& x = c.tensor(1);
  const bool last = kFollow && batched_last(x, ND);
  Tensor g = operand(c.tensor(0), ND, last), indices = operand(c.tensor(2), ND, last);
  Tensor gx = empty_strided(x.sizes(), strides_for(x.sizes(), ND, last), g.dtype());
  c.ret(gx);
  if (g.numel() == 0) {
    fill_values(gx, Value(0));
  } else {
    cpu::PoolDesc d = describe(ND, g.dtype(), gx.sizes(), g.sizes());
    set_strides(d.x_stride, gx, ND);
    set_strides(d.y_stride, g, ND);
    Unlock unlock(double(gx.numel()) * 0.2 + double(g.numel()));
    cpu::pool_kernels().max_backward(d, g.bytes(), indices.data<int64_t>(), gx.bytes());
  }
}
template <int ND>
void max_backward_gradient(Grad& G) {
  if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
  if (!G.needs(0)) return;
  Tensor indices = G.in(2), g = G.grad();
  const int lead = g.dim() - ND;
  auto flat = [&](const Tensor& t) {
    Dims size(0);
    int64_t plane = 1;
    for (int d = 0; d < t.dim(); ++d) {
      if (d < lead) size.push(t.size(d));
      else plane *= t.size(d);
    }
    size.push(plane);
    return reshape(t, size);
  };
  G.set(0, reshape(pick(flat(g), lead, flat(indices)), indices.sizes()));
}
Record max_backward2{{.schema = {"_max_pool2d_backward(Tensor grad, Tensor self, Tensor indices) -> Tensor"},
                      .forward = max_backward<2, true>,
                      .gradient = max_backward_gradient<2>,
                      .save = save_in(2),
                      .flags = kPrivate,
                      .nodes = {"MaxPool2DWithIndicesBackwardBackward0"}}};
Record max_backward3{{.schema = {"_max_pool3d_backward(Tensor grad, Tensor self, Tensor indices) -> Tensor"},
                      .forward = max_backward<3, true>,
                      .gradient = max_backward_gradient<3>,
                      .save = save_in(2),
                      .flags = kPrivate,
                      .nodes = {"MaxPool3DWithIndicesBackwardBackward0"}}};
Record adaptive_max_backward2{{.schema = {"_adaptive_max_pool2d_backward(Tensor grad, Tensor self, Tensor indices) -> Tensor"},
                               .forward = max_backward<2, true>,
                               .gradient = max_backward_gradient<2>,
                               .save = save_in(2),
                               .flags = kPrivate,
                               .nodes = {"AdaptiveMaxPool2DBackwardBackward0"}}};
Record adaptive_max_backward3{{.schema = {"_adaptive_max_pool3d_backward(Tensor grad, Tensor self, Tensor indices) -> Tensor"},
                               .forward = max_backward<3, false>,
                               .gradient = max_backward_gradient<3>,
                               .save = save_in(2),
                               .flags = kPrivate,
                               .nodes = {"AdaptiveMaxPool3DBackwardBackward0"}}};
template <const Record& kBackward>
void max_gradient(Grad& G) {
  if (G.grad().defined()) G.set(0, kBackward(G.grad(), G.in(0), G.result(1)));
}

bool recording(const Tensor& x) { return thread_state().grad_enabled && x.requires_grad(); }

void check_line(const char* op, const Tensor& x) {
  FL_CHECK(x.dim() == 2 || x.dim() == 3, "Expected 2 to 3 dimensions, but got ", x.dim(), "-dimensional tensor for argument #1 'self' (while checking arguments for ", op, ")");
}
int64_t single(const char* op, const char* what, IntView v) {
  FL_CHECK(v.n == 1, op, "() argument '", what, "' should contain one int (got ", v.n, ")");
  return v[0];
}
Tensor as_image(const Tensor& x) { return unsqueeze(x, -2); }
Tensor as_line(const Tensor& y) { return squeeze_dims(y, IntView{-2}); }

}  // namespace

Record max_pool2d_with_indices{{.schema = {"max_pool2d_with_indices(Tensor self, int[2] kernel_size, int[2]? stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False)"
                                           " -> (Tensor out, Tensor indices)"},
                                .forward = max_with_indices<2>,
                                .gradient = max_gradient<max_backward2>,
                                .save = save_in(0) | save_out(1),
                                .flags = kFunction | kNn | kOut,
                                .nodes = {"MaxPool2DWithIndicesBackward0"},
                                .doc = "The maximum of each window of an image, and its place in the flattened image."}};
Record max_pool3d_with_indices{{.schema = {"max_pool3d_with_indices(Tensor self, int[3] kernel_size, int[3]? stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False)"
                                           " -> (Tensor out, Tensor indices)"},
                                .forward = max_with_indices<3>,
                                .gradient = max_gradient<max_backward3>,
                                .save = save_in(0) | save_out(1),
                                .flags = kFunction | kNn | kOut,
                                .autocast = Autocast::Float32,
                                .nodes = {"MaxPool3DWithIndicesBackward0"},
                                .doc = "The maximum of each window of a volume, and its place in the flattened volume."}};
static Record max_pool1d_with_indices{{.schema = {"max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1]? stride=[], int[1] padding=[0], int[1] dilation=[1], "
                                                  "bool ceil_mode=False) -> (Tensor, Tensor)"},
                                       .forward = [](Call& c) {
                                         const char* op = "max_pool1d";
                                         check_line(op, c.tensor(0));
                                         int64_t kernel = single(op, "kernel_size", c.ints(1)), stride = c.ints(2).n ? single(op, "stride", c.ints(2)) : kernel;
                                         auto r = max_pool2d_with_indices.many(as_image(c.tensor(0)), IntView{1, kernel}, IntView{1, stride},
                                                                               IntView{0, single(op, "padding", c.ints(3))},
                                                                               IntView{1, single(op, "dilation", c.ints(4))}, c.arg(5));
                                         c.ret(as_line(r[0]));
                                         c.ret(as_line(r[1]));
                                       },
                                       .flags = kFunction | kComposite,
                                       .doc = "The maximum of each window of a line, and its place."}};
// Without indices: nothing is recorded here; where a gradient is wanted, the operator that keeps the indices is called.
Record max_pool2d{{.schema = {"max_pool2d(Tensor self, int[2] kernel_size, int[2]? stride=[], int[2] padding=0, int[2] dilation=1, bool ceil_mode=False) -> Tensor"},
                   .forward = [](Call& c) {
                     if (recording(c.tensor(0))) return c.ret(max_pool2d_with_indices(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(5)));
                     max_pool_call<2>(c, false);
                   },
                   .flags = kFunction | kComposite,
                   .doc = "The maximum of each window of an image."}};
Record max_pool3d{{.schema = {"max_pool3d(Tensor self, int[3] kernel_size, int[3]? stride=[], int[3] padding=0, int[3] dilation=1, bool ceil_mode=False) -> Tensor"},
                   .forward = [](Call& c) {
                     if (recording(c.tensor(0))) return c.ret(max_pool3d_with_indices(c.tensor(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(5)));
                     max_pool_call<3>(c, false);
                   },
                   .flags = kFunction | kComposite,
                   .autocast = Autocast::Float32,
                   .doc = "The maximum of each window of a volume."}};
static Record max_pool1d{{.schema = {"max_pool1d(Tensor self, int[1] kernel_size, int[1]? stride=[], int[1] padding=[0], int[1] dilation=[1], bool ceil_mode=False) -> Tensor"},
                          .forward = [](Call& c) {
                            const Tensor& x = c.tensor(0);
                            if (recording(x)) return c.ret(max_pool1d_with_indices(x, c.arg(1), c.arg(2), c.arg(3), c.arg(4), c.arg(5)));
                            auto one = [&](int k, const char* what, const char* must) {
                              FL_CHECK(c.ints(k).n == 1, "max_pool1d() ", what, " must be ", must, " of size 1 but got size ", c.ints(k).n);
                              return c.ints(k)[0];
                            };
                            bool filled = x.dim() == 2 || x.dim() == 3;
                            for (int d = x.dim() - 2; filled && d < x.dim(); ++d) filled = x.size(d) > 0;
                            FL_CHECK(filled, "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:", x.sizes());
                            int64_t kernel = one(1, "kernel_size", "an int, list of ints or tuple of ints"), pad = one(3, "padding", "an int, list of ints, or tuple of ints");
                            int64_t dilation = one(4, "dilation", "an int, list of ints or tuple of ints");
                            int64_t stride = c.ints(2).n ? one(2, "stride", "None, an int, list of ints, or tuple of ints") : kernel;
                            FL_CHECK(kernel > 0, "max_pool1d() kernel_size must be greater than zero, but got ", kernel);
                            FL_CHECK(stride > 0, "max_pool1d() stride must be greater than zero, but got ", stride);
                            FL_CHECK(pad >= 0, "max_pool1d() padding must be non-negative, but got ", pad);
                            FL_CHECK(pad <= kernel / 2, "max_pool1d() padding should be at most half of kernel size, but got padding=", pad, " and kernel_size=", kernel);
                            FL_CHECK(dilation > 0, "max_pool1d() dilation must be greater than zero, but got ", dilation);
                            int64_t n = windows_in(x.size(-1), kernel, stride, pad, dilation, c.flag(5));
                            FL_CHECK(n > 0, "max_pool1d() Invalid computed output size: ", n);
                            check_numbers("max_pool1d_impl", x.dtype(), false);
                            Tensor y = max_pool2d(as_image(x), IntView{1, kernel}, IntView{1, stride}, IntView{0, pad}, IntView{1, dilation}, c.arg(5));
                            c.ret(as_line(y));
                          },
                          .flags = kFunction | kComposite,
                          .doc = "The maximum of each window of a line."}};

// ------------------------------------------------------------------------------------------------ averages

namespace {

// Arguments: input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override.
template <int ND>
void avg_pool_forward(Call& c) {
  const char* op = ND == 2 ? "avg_pool2d" : "avg_pool3d";
  const Tensor& given = c.tensor(0);
  Window w = read_window(op, ND, ND == 2 ? "either " : "", c.ints(1), c.ints(2), c.ints(3), IntView{1});
  FL_CHECK(!c.has(6) || c.integer(6) != 0, "divisor must be not zero");
  if (ND == 2) wrap_dim(-3, given.dim(), false);
  else FL_CHECK(given.dim() == 4 || given.dim() == 5, "non-empty 4D or 5D (batch mode) tensor expected for input");
  Dims sizes = pooled_sizes(op, ND, given, w, c.flag(4));
  check_numbers(ND == 2 ? op : "avg_pool3d_out_frame", given.dtype() == DType::Int64 ? DType::Float32 : given.dtype(), false);
  check_out(c, {given.dtype()});
  const bool last = ND == 2 && batched_last(given, ND);
  Dims st = strides_for(sizes, ND, last);
  const Tensor& y = c.result(sizes, given.dtype(), &st);
  if (!y.numel()) return;
  Tensor x = operand(given, ND, last);
  cpu::PoolDesc g = describe(ND, x.dtype(), x.sizes(), sizes, w);
  g.count_include_pad = c.flag(5);
  g.divisor_override = c.has(6) ? c.integer(6) : 0;
  set_strides(g.x_stride, x, ND);
  set_strides(g.y_stride, y, ND);
  Unlock unlock(cost(g, false));
  cpu::pool_kernels().avg_forward(g, x.bytes(), y.bytes());
}
// Arguments: gradient, input (for its sizes and order), kernel, stride, padding, ceil_mode, count_include_pad, divisor_override.
template <int ND>
void avg_backward(Call& c) {
  const Tensor& x = c.tensor(1);
  const bool last = ND == 2 && batched_last(x, ND);
  Window w = read_window("avg_pool", ND, "", c.ints(2), c.ints(3), c.ints(4), IntView{1});
  Tensor g = operand(c.tensor(0), ND, last), gx = empty_strided(x.sizes(), strides_for(x.sizes(), ND, last), g.dtype());
  c.ret(gx);
  if (gx.numel()) {
    cpu::PoolDesc d = describe(ND, g.dtype(), gx.sizes(), g.sizes(), w);
    d.count_include_pad = c.flag(6);
    d.divisor_override = c.has(7) ? c.integer(7) : 0;
    set_strides(d.x_stride, gx, ND);
    set_strides(d.y_stride, g, ND);
    Unlock unlock(cost(d, false));
    cpu::pool_kernels().avg_backward(d, g.bytes(), gx.bytes());
  }
}

}  // namespace

namespace {

Record avg_backward2{{.schema = {"_avg_pool2d_backward(Tensor grad, Tensor self, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, "
                                 "int? divisor_override) -> Tensor"},
                      .forward = avg_backward<2>,
                      .gradient = [](Grad& G) {
                        if (G.needs(0)) G.set(0, avg_pool2d(G.grad(), G.arg(2), G.arg(3), G.arg(4), G.arg(5), G.arg(6), G.arg(7)));
                        if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
                      },
                      .flags = kPrivate,
                      .nodes = {"AvgPool2DBackwardBackward0"}}};
Record avg_backward3{{.schema = {"_avg_pool3d_backward(Tensor grad, Tensor self, int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, "
                                 "int? divisor_override) -> Tensor"},
                      .forward = avg_backward<3>,
                      .gradient = [](Grad& G) {
                        if (G.needs(0)) G.set(0, avg_pool3d(G.grad(), G.arg(2), G.arg(3), G.arg(4), G.arg(5), G.arg(6), G.arg(7)));
                        if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
                      },
                      .flags = kPrivate,
                      .nodes = {"AvgPool3DBackwardBackward0"}}};
}  // namespace

Record avg_pool2d{{.schema = {"avg_pool2d(Tensor self, int[2] kernel_size, int[2]? stride=[], int[2] padding=0, bool ceil_mode=False, bool count_include_pad=True, "
                              "int? divisor_override=None) -> Tensor"},
                   .forward = avg_pool_forward<2>,
                   .gradient = [](Grad& G) {
                     G.set(0, avg_backward2(G.grad(), G.in(0), G.arg(1), G.arg(2), G.arg(3), G.arg(4), G.arg(5), G.arg(6)));
                   },
                   .save = save_in(0),
                   .flags = kFunction | kNn | kOut,
                   .nodes = {"AvgPool2DBackward0"},
                   .doc = "The mean of each window of an image; divisor_override replaces the number of elements."}};
Record avg_pool3d{{.schema = {"avg_pool3d(Tensor self, int[3] kernel_size, int[3]? stride=[], int[3] padding=0, bool ceil_mode=False, bool count_include_pad=True, "
                              "int? divisor_override=None) -> Tensor"},
                   .forward = avg_pool_forward<3>,
                   .gradient = [](Grad& G) {
                     G.set(0, avg_backward3(G.grad(), G.in(0), G.arg(1), G.arg(2), G.arg(3), G.arg(4), G.arg(5), G.arg(6)));
                   },
                   .save = save_in(0),
                   .flags = kFunction | kNn | kOut,
                   .autocast = Autocast::Float32,
                   .nodes = {"AvgPool3DBackward0"},
                   .doc = "The mean of each window of a volume; divisor_override replaces the number of elements."}};
static Record avg_pool1d{{.schema = {"avg_pool1d(Tensor self, int[1] kernel_size, int[1]? stride=[], int[1] padding=[0], bool ceil_mode=False, bool count_include_pad=True) -> Tensor"},
                          .forward = [](Call& c) {
                            const char* op = "avg_pool1d";
                            check_line(op, c.tensor(0));
                            int64_t kernel = single(op, "kernel_size", c.ints(1)), stride = c.ints(2).n ? single(op, "stride", c.ints(2)) : kernel;
                            Tensor y = avg_pool2d(as_image(c.tensor(0)), IntView{1, kernel}, IntView{1, stride}, IntView{0, single(op, "padding", c.ints(3))}, c.arg(4), c.arg(5));
                            c.ret(as_line(y));
                          },
                          .flags = kFunction | kOut | kComposite,
                          .doc = "The mean of each window of a line."}};

// ------------------------------------------------------------------------------------------------ adaptive

namespace {

Dims adaptive_sizes(const Tensor& x, int nd, IntView out) {
  Dims sizes(x.sizes());
  for (int d = 0; d < nd; ++d) sizes[x.dim() - nd + d] = out[out.n == 1 ? 0 : d];
  return sizes;
}
void check_adaptive(const char* op, const Tensor& x, int nd, int first_filled, const char* colon) {
  FL_CHECK(x.dim() == nd + 1 || x.dim() == nd + 2, op, "(): Expected ", nd + 1, "D or ", nd + 2, "D tensor, but got", colon, " ", x.sizes());
  for (int d = first_filled < 0 ? x.dim() + first_filled : first_filled; d < x.dim(); ++d)
    FL_CHECK(x.size(d) > 0, op, "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ", x.sizes(), " with dimension ", d, " being empty");
}

template <int ND>
void adaptive_max_forward(Call& c) {
  const char* op = ND == 2 ? "adaptive_max_pool2d" : "adaptive_max_pool3d";
  const Tensor& x = c.tensor(0);
  check_adaptive(op, x, ND, 1, ":");
  FL_CHECK(c.ints(1).n == ND, op, "(): internal error: output_size.size() must be ", ND);
  Dims sizes = adaptive_sizes(x, ND, c.ints(1));
  for (int64_t s : sizes) FL_CHECK(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
  check_numbers(ND == 2 ? op : "adaptive_max_pool3d_cpu", x.dtype(), false);
  check_out(c, {x.dtype(), DType::Int64});
  run_max(c, ND, x, sizes, nullptr, ND == 2 && batched_last(x, ND), true);
}

// Arguments: input, output_size.
template <int ND>
void adaptive_avg_forward(Call& c) {
  const char* op = ND == 2 ? "adaptive_avg_pool2d" : "adaptive_avg_pool3d";
  const Tensor& given = c.tensor(0);
  FL_CHECK(c.ints(1).n == ND, op, ": output_size must be ", ND);
  check_adaptive(op, given, ND, ND == 2 ? -2 : 1, "");
  check_numbers(ND == 2 ? op : "adaptive_avg_pool3d_cpu", given.dtype(), false);
  Dims sizes = adaptive_sizes(given, ND, c.ints(1));
  const bool last = ND == 2 && batched_last(given, ND);
  Dims st = strides_for(sizes, ND, last);
  const Tensor& y = c.result(sizes, given.dtype(), &st);
  if (!y.numel()) return;
  Tensor x = operand(given, ND, last);
  cpu::PoolDesc g = describe(ND, x.dtype(), x.sizes(), sizes);
  set_strides(g.x_stride, x, ND);
  set_strides(g.y_stride, y, ND);
  Unlock unlock(cost(g, true));
  cpu::pool_kernels().adaptive_avg_forward(g, x.bytes(), y.bytes());
}
// Arguments: gradient, input (for its sizes and order).
template <int ND>
void adaptive_avg_backward(Call& c) {
  const Tensor& x = c.tensor(1);
  const bool last = ND == 2 && batched_last(x, ND);
  Tensor g = operand(c.tensor(0), ND, last), gx = empty_strided(x.sizes(), strides_for(x.sizes(), ND, last), g.dtype());
  c.ret(gx);
  if (g.numel() == 0) {
    fill_values(gx, Value(0));
  } else {
    cpu::PoolDesc d = describe(ND, g.dtype(), gx.sizes(), g.sizes());
    set_strides(d.x_stride, gx, ND);
    set_strides(d.y_stride, g, ND);
    Unlock unlock(cost(d, true));
    cpu::pool_kernels().adaptive_avg_backward(d, g.bytes(), gx.bytes());
  }
}

extern Record adaptive_avg2, adaptive_avg3;
template <int ND>
void adaptive_avg_backward_gradient(Grad& G) {
  if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
  if (!G.needs(0)) return;
  IntView y = G.sizes(0);
  G.set(0, (ND == 2 ? adaptive_avg2 : adaptive_avg3)(G.grad(), IntView(y.data + y.n - ND, ND)));
}
Record adaptive_avg_backward2{{.schema = {"_adaptive_avg_pool2d_backward(Tensor grad, Tensor self) -> Tensor"},
                               .forward = adaptive_avg_backward<2>,
                               .gradient = adaptive_avg_backward_gradient<2>,
                               .flags = kPrivate,
                               .nodes = {"AdaptiveAvgPool2DBackwardBackward0"}}};
Record adaptive_avg_backward3{{.schema = {"_adaptive_avg_pool3d_backward(Tensor grad, Tensor self) -> Tensor"},
                               .forward = adaptive_avg_backward<3>,
                               .gradient = adaptive_avg_backward_gradient<3>,
                               .flags = kPrivate,
                               .nodes = {"AdaptiveAvgPool3DBackwardBackward0"}}};
Record adaptive_avg2{{.schema = {"_adaptive_avg_pool2d(Tensor self, int[2] output_size) -> Tensor"},
                      .forward = adaptive_avg_forward<2>,
                      .gradient = [](Grad& G) {
                        G.set(0, adaptive_avg_backward2(G.grad(), G.in(0)));
                      },
                      .save = save_in(0),
                      .flags = kFunction,
                      .nodes = {"AdaptiveAvgPool2DBackward0"}}};
Record adaptive_avg3{{.schema = {"_adaptive_avg_pool3d(Tensor self, int[3] output_size) -> Tensor"},
                      .forward = adaptive_avg_forward<3>,
                      .gradient = [](Grad& G) {
                        G.set(0, adaptive_avg_backward3(G.grad(), G.in(0)));
                      },
                      .save = save_in(0),
                      .flags = kFunction,
                      .autocast = Autocast::Float32,
                      .nodes = {"AdaptiveAvgPool3DBackward0"}}};

// To one element: a mean, which works for more types and inputs.
template <int ND>
void adaptive_avg_call(Call& c) {
  const char* op = ND == 2 ? "adaptive_avg_pool2d" : "adaptive_avg_pool3d";
  const Tensor& x = c.tensor(0);
  IntView out = c.ints(1);
  FL_CHECK(out.n == ND, op, ": output_size must be ", ND);
  bool positive = true, single = true;
  for (int64_t s : out) positive &= s >= 0, single &= s == 1;
  if (ND == 2) FL_CHECK(positive, op, ": elements of output_size must be greater than or equal to 0 but received {", out[0], ", ", out[1], "}");
  else FL_CHECK(positive, op, ": elements of output_size must be greater than or equal to 0 but received {", out[0], ", ", out[1], ",", out[ND - 1], "}");
  if (c.mode == Mode::Out && c.preset[0])
    FL_CHECK(c.preset[0]->dtype == x.dtype(), "expected dtype ", dtype_name(x.dtype()), " for `output` but got dtype ", dtype_name(c.preset[0]->dtype));
  if (!single || x.dim() < ND + 1) return c.ret((ND == 2 ? adaptive_avg2 : adaptive_avg3)(x, out));
  Dims over(0);
  for (int d = -ND; d < 0; ++d) over.push(d);
  Tensor y = mean(x, over, true);
  const bool last = x.dim() == ND + 2 && x.suggests_channels_last();
  set_geometry(*y.get(), y.sizes(), strides_for(Dims(y.sizes()), ND, last), y->offset);
  c.ret(y);
}
// A line as an image; the size it is pooled to.
Dims image_size(const char* op, Call& c) {
  check_line(op, c.tensor(0));
  return Dims{1, single(op, "output_size", c.ints(1))};
}

}  // namespace

Record adaptive_max_pool2d{{.schema = {"adaptive_max_pool2d(Tensor self, int[2] output_size) -> (Tensor out, Tensor indices)"},
                            .forward = adaptive_max_forward<2>,
                            .gradient = max_gradient<adaptive_max_backward2>,
                            .save = save_in(0) | save_out(1),
                            .flags = kFunction | kNn | kOut,
                            .nodes = {"AdaptiveMaxPool2DBackward0"},
                            .doc = "The maxima of an image divided into output_size parts, and their places."}};
Record adaptive_max_pool3d{{.schema = {"adaptive_max_pool3d(Tensor self, int[3] output_size) -> (Tensor out, Tensor indices)"},
                            .forward = adaptive_max_forward<3>,
                            .gradient = max_gradient<adaptive_max_backward3>,
                            .save = save_in(0) | save_out(1),
                            .flags = kFunction | kNn | kOut,
                            .autocast = Autocast::Float32,
                            .nodes = {"AdaptiveMaxPool3DBackward0"},
                            .doc = "The maxima of a volume divided into output_size parts, and their places."}};
static Record adaptive_max_pool1d{{.schema = {"adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)"},
                                   .forward = [](Call& c) {
                                     Dims size = image_size("adaptive_max_pool1d", c);
                                     check_adaptive("adaptive_max_pool1d", c.tensor(0), 1, 1, ":");
                                     auto r = adaptive_max_pool2d.many(as_image(c.tensor(0)), size);
                                     c.ret(as_line(r[0]));
                                     c.ret(as_line(r[1]));
                                   },
                                   .flags = kFunction | kComposite,
                                   .doc = "The maxima of a line divided into output_size parts, and their places."}};
Record adaptive_avg_pool2d{{.schema = {"adaptive_avg_pool2d(Tensor self, int[2] output_size) -> Tensor"},
                            .forward = adaptive_avg_call<2>,
                            .flags = kFunction | kNn | kOut | kComposite,
                            .doc = "The means of an image divided into output_size parts."}};
Record adaptive_avg_pool3d{{.schema = {"adaptive_avg_pool3d(Tensor self, int[3] output_size) -> Tensor"},
                            .forward = adaptive_avg_call<3>,
                            .flags = kFunction | kNn | kOut | kComposite,
                            .autocast = Autocast::Float32,
                            .doc = "The means of a volume divided into output_size parts."}};
static Record adaptive_avg_pool1d{{.schema = {"adaptive_avg_pool1d(Tensor self, int[1] output_size) -> Tensor"},
                                   .forward = [](Call& c) {
                                     c.ret(as_line(adaptive_avg_pool2d(as_image(c.tensor(0)), image_size("adaptive_avg_pool1d", c))));
                                   },
                                   .flags = kFunction | kOut | kComposite,
                                   .doc = "The means of a line divided into output_size parts."}};

}  // namespace fl::ops
