// Resizing images (upsample_*: the operators of F.interpolate) and sampling them on a grid (grid_sampler). Resizing is linear: the gradient
// is another operator, whose gradient is the resizing again.
#include "kernels/cpu/resample.h"

#include "base/unlock.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

using cpu::Interpolation;

// What a family resizes with; the name is that of PyTorch's kernel, for messages.
struct Family {
  Interpolation mode;
  int ndim;
  bool antialias;
  const char* kernel;
  bool has_corners() const { return mode == Interpolation::Linear || mode == Interpolation::Cubic; }
};

// A result computed as contiguous planes, in the layout it is due in.
void ret_planes(Call& c, const Tensor& planes, bool channels_last) {
  if (!channels_last) return c.ret(planes);
  Tensor out = empty_strided(planes.sizes(), channels_last_strides(planes.sizes()), planes.dtype());
  copy_values(out, planes);
  c.ret(out);
}

Tensor call_overload(const Record& op, uint8_t overload, Value* args, int n) {
  Call c(op, args, n);
  c.overload = overload;
  dispatch(c);
  Tensor r = Tensor::steal(c.results[0]);
  c.results[0] = nullptr;
  return r;
}

// The sizes and scales of a call. Arguments of overload 0: tensor, output_size?, [align_corners], scale_factors?; of overload 1: tensor,
// output_size, [align_corners], then a scale a dimension.
cpu::Upsample describe(const Family& f, int overload, const Value* args, IntView in) {
  cpu::Upsample u;
  u.mode = f.mode, u.ndim = f.ndim, u.antialias = f.antialias;
  const Value& size = args[1];
  const Value* rest = args + 2;
  if (f.has_corners()) u.align_corners = (rest++)->b;
  if (overload == 0) {
    FL_CHECK(size.is_none() != rest->is_none(), "Must specify exactly one of output_size and scale_factors");
    const int n = size.is_none() ? rest->n : size.int_view().n;
    FL_CHECK(in.n == f.ndim + 2 && n == f.ndim, "upsample: expected a ", f.ndim + 2, "-dimensional input and ", f.ndim,
             " sizes or scale factors, but got an input of shape ", in, " and ", n,
             "; Expected static_cast<int64_t>(output_size->size()) == spatial_dimensions to be true, but got false.");
    for (int k = 0; k < n; ++k) {
      u.in_size[k] = in[k + 2];
      if (size.is_none()) u.out_size[k] = int64_t(double(in[k + 2]) * rest->floats[k]), u.scale[k] = rest->floats[k];
      else u.out_size[k] = size.int_view()[k];
    }
  } else {
    IntView given = size.int_view();
    FL_CHECK(given.n == f.ndim, "It is expected output_size equals to ", f.ndim, ", but got size ", given.n);
    FL_CHECK(in.n == f.ndim + 2, "It is expected input_size equals to ", f.ndim + 2, ", but got size ", in.n);
    for (int k = 0; k < f.ndim; ++k) {
      u.in_size[k] = in[k + 2], u.out_size[k] = given[k];
      u.scale[k] = rest[k].is_none() ? 0 : rest[k].real();
    }
  }
  u.planes = in[0] * in[1];
  bool positive = true;
  for (int k = 0; k < f.ndim; ++k) positive = positive && u.in_size[k] > 0 && u.out_size[k] > 0;
  if (!positive) {
    std::ostringstream text;
    const char* names[3] = {"D: ", ", H: ", ", W: "};
    auto list = [&](const int64_t* s) {
      text << "(";
      for (int k = 0; k < f.ndim; ++k) text << (names[3 - f.ndim + k] + (k ? 0 : f.ndim == 3 ? 0
                                                                                             : 2))
                                            << s[k];
      text << ")";
    };
    text << "Input and output sizes should be greater than 0, but got input ";
    list(u.in_size);
    text << (f.ndim == 1 ? " and output " : " output ");
    list(u.out_size);
    fail(ErrorKind::Runtime, text.str());
  }
  return u;
}
Dims resized(IntView in, const cpu::Upsample& u, const int64_t* size) {
  Dims s{in[0], in[1]};
  for (int k = 0; k < u.ndim; ++k) s.push(size[k]);
  return s;
}
double work(const cpu::Upsample& u) {
  double n = double(u.planes);
  for (int k = 0; k < u.ndim; ++k) n *= double(u.out_size[k]);
  return n * 3;
}

void check_type(const Family& f, DType t) {
  const bool bytes = t == DType::UInt8 && (!f.has_corners() || f.ndim == 2);
  const bool fits = bytes || (is_floating(t) && !(f.antialias && is_reduced_float(t)));
  if (!fits) fail(ErrorKind::NotImplemented, "\"", f.kernel, "\" not implemented for '", scalar_type_name(t), "'");
}

void upsample_forward(Call& c, const Family& f) {
  const Tensor& x = c.tensor(0);
  cpu::Upsample u = describe(f, c.overload, c.args, x.sizes());
  FL_CHECK(x.size(1) > 0, "Non-empty ", f.ndim + 2, "D data tensor expected but got a tensor with sizes ", x.sizes());
  check_type(f, x.dtype());
  Tensor planes = contiguous_of(x), out = empty(resized(x.sizes(), u, u.out_size), x.dtype());
  if (!no_work(out)) {
    Unlock unlock(work(u));
    cpu::upsample(x.dtype(), u, planes.bytes(), out.bytes());
  }
  ret_planes(c, out, x.suggests_channels_last());
}
void upsample_gradient(Grad& G, const Family& f, const Record& backward) {
  if (!G.needs(0)) return;
  cpu::Upsample u = describe(f, G.node.overload, G.node.args, G.sizes(0));
  Value args[8];
  int n = 0;
  args[n++] = Value(G.grad());
  args[n++] = Value(IntView(u.out_size, u.ndim));
  args[n++] = Value(G.sizes(0));
  if (f.has_corners()) args[n++] = Value(u.align_corners);
  for (int k = 0; k < u.ndim; ++k) args[n++] = u.scale[k] > 0 ? Value(u.scale[k]) : Value();
  G.set(0, call_overload(backward, 0, args, n));
}

// The arguments of a backward operator without the gradient's own place and the input's size: those of overload 1.
void forward_arguments(const Family& f, const Value* args, Value* out, int& n) {
  n = 0;
  out[n++] = args[0], out[n++] = args[1];
  for (int k = 3; k < 3 + f.has_corners() + f.ndim; ++k) out[n++] = args[k];
}
void backward_forward(Call& c, const Family& f) {
  const Tensor& g = c.tensor(0);
  IntView in = c.ints(2);
  Value args[8];
  int n;
  forward_arguments(f, c.args, args, n);
  cpu::Upsample u = describe(f, 1, args, in);
  Dims expected = resized(in, u, u.out_size);
  FL_CHECK(g.sizes() == IntView(expected), "Expected grad_output to have the same shape as output; output.size() = ", expected,
           " but got grad_output.size() = ", g.sizes());
  if (!is_floating(g.dtype())) fail(ErrorKind::NotImplemented, "\"", c.op.name, "\" not implemented for '", scalar_type_name(g.dtype()), "'");
  Tensor planes = contiguous_of(g), out = empty(in, g.dtype());
  if (!no_work(out)) {
    Unlock unlock(work(u));
    cpu::upsample_backward(g.dtype(), u, planes.bytes(), out.bytes());
  }
  // Only some of PyTorch's gradients keep the layout.
  const bool keeps = f.mode == Interpolation::Linear || (!f.has_corners() && f.ndim == 2);
  ret_planes(c, out, keeps && g.suggests_channels_last());
}
void backward_gradient(Grad& G, const Family& f, const Record& forward) {
  if (!G.needs(0)) return;
  Value args[8];
  int n;
  forward_arguments(f, G.node.args, args, n);
  args[0] = Value(G.grad());
  G.set(0, call_overload(forward, 1, args, n));
}

}  // namespace

#define FL_UPSAMPLE(NAME, NODE, MODE, NDIM, ANTIALIAS, KERNEL, CORNERS, SCALES, DOC)                                                  \
  extern Record NAME, NAME##_backward;                                                                                                \
  static constexpr Family NAME##_family{Interpolation::MODE, NDIM, ANTIALIAS, KERNEL};                                                \
  Record NAME{{.schema = {#NAME ".vec(Tensor input, int[]? output_size, " CORNERS "float[]? scale_factors) -> Tensor",                \
                          #NAME "(Tensor self, int[" #NDIM "] output_size, " CORNERS SCALES ") -> Tensor"},                           \
               .forward =                                                                                                             \
                   [](Call& c) {                                                                                                      \
                     upsample_forward(c, NAME##_family);                                                                              \
                   },                                                                                                                 \
               .gradient =                                                                                                            \
                   [](Grad& G) {                                                                                                      \
                     upsample_gradient(G, NAME##_family, NAME##_backward);                                                            \
                   },                                                                                                                 \
               .flags = kNn | kFunction | kOut,                                                                                       \
               .nodes = {NODE "Backward0", NODE "Backward0"},                                                                         \
               .doc = DOC}};                                                                                                          \
  Record NAME##_backward{                                                                                                             \
      {.schema = {#NAME "_backward(Tensor grad_output, int[" #NDIM "] output_size, int[] input_size, " CORNERS SCALES ") -> Tensor"}, \
       .forward =                                                                                                                     \
           [](Call& c) {                                                                                                              \
             backward_forward(c, NAME##_family);                                                                                      \
           },                                                                                                                         \
       .gradient =                                                                                                                    \
           [](Grad& G) {                                                                                                              \
             backward_gradient(G, NAME##_family, NAME);                                                                               \
           },                                                                                                                         \
       .flags = kPrivate,                                                                                                             \
       .nodes = {NODE "BackwardBackward0"}}};
#define ONE "float? scales=None"
#define TWO "float? scales_h=None, float? scales_w=None"
#define THREE "float? scales_d=None, float? scales_h=None, float? scales_w=None"
#define CORNERS "bool align_corners, "
FL_UPSAMPLE(upsample_nearest1d, "UpsampleNearest1D", Nearest, 1, false, "compute_indices_weights_nearest", "", ONE,
            "Resizes signals (N, C, L); each output takes the nearest input to its left.")
FL_UPSAMPLE(upsample_nearest2d, "UpsampleNearest2D", Nearest, 2, false, "upsample_nearest2d_channels_last", "", TWO,
            "Resizes images (N, C, H, W); each output takes the nearest input above and left.")
FL_UPSAMPLE(upsample_nearest3d, "UpsampleNearest3D", Nearest, 3, false, "compute_indices_weights_nearest", "", THREE,
            "Resizes volumes (N, C, D, H, W) by nearest neighbours.")
FL_UPSAMPLE(_upsample_nearest_exact1d, "UpsampleNearestExact1D", NearestExact, 1, false, "compute_indices_weights_nearest", "", ONE,
            "Resizes signals by the neighbour nearest to the centre.")
FL_UPSAMPLE(_upsample_nearest_exact2d, "UpsampleNearestExact2D", NearestExact, 2, false, "upsample_nearest2d_channels_last", "", TWO,
            "Resizes images by the neighbour nearest to the centre.")
FL_UPSAMPLE(_upsample_nearest_exact3d, "UpsampleNearestExact3D", NearestExact, 3, false, "compute_indices_weights_nearest", "", THREE,
            "Resizes volumes by the neighbour nearest to the centre.")
FL_UPSAMPLE(upsample_linear1d, "UpsampleLinear1D", Linear, 1, false, "compute_indices_weights_linear", CORNERS, ONE,
            "Resizes signals (N, C, L) by linear interpolation.")
FL_UPSAMPLE(upsample_bilinear2d, "UpsampleBilinear2D", Linear, 2, false, "upsample_bilinear2d_channels_last", CORNERS, TWO,
            "Resizes images (N, C, H, W) by bilinear interpolation.")
FL_UPSAMPLE(upsample_trilinear3d, "UpsampleTrilinear3D", Linear, 3, false, "compute_indices_weights_linear", CORNERS, THREE,
            "Resizes volumes (N, C, D, H, W) by trilinear interpolation.")
FL_UPSAMPLE(upsample_bicubic2d, "UpsampleBicubic2D", Cubic, 2, false, "compute_indices_weights_cubic", CORNERS, TWO,
            "Resizes images (N, C, H, W) by bicubic interpolation.")
FL_UPSAMPLE(_upsample_bilinear2d_aa, "UpsampleBilinear2DAa", Linear, 2, true, "compute_index_ranges_weights", CORNERS, TWO,
            "Resizes images bilinearly; when shrinking, averages over all inputs that an output covers.")
FL_UPSAMPLE(_upsample_bicubic2d_aa, "UpsampleBicubic2DAa", Cubic, 2, true, "compute_index_ranges_weights", CORNERS, TWO,
            "Resizes images bicubically; when shrinking, averages over all inputs that an output covers.")
#undef ONE
#undef TWO
#undef THREE
#undef CORNERS
#undef FL_UPSAMPLE

// ------------------------------------------------------------------------------------------------ sampling on a grid

// grid_derivatives.cpp
std::vector<Tensor> grid_gradient_in_operators(const Tensor& grad, const Tensor& x, const Tensor& grid, cpu::GridMode mode, cpu::GridPadding padding,
                                               bool align, bool input_wanted, bool grid_wanted);

namespace {

// Arguments of all of them, from `first` on: input, grid, interpolation_mode, padding_mode, align_corners.
void check_grid(const Tensor& x, const Tensor& grid, int64_t mode, int64_t padding, int ndim) {
  FL_CHECK(mode >= 0 && mode <= 2, "grid_sampler(): interpolation mode must be 0 (bilinear), 1 (nearest) or 2 (bicubic), but got ", mode);
  FL_CHECK(padding >= 0 && padding <= 2, "grid_sampler(): padding mode must be 0 (zeros), 1 (border) or 2 (reflection), but got ", padding);
  FL_CHECK(x.dim() >= 2 && grid.dim() >= 1 && x.size(0) == grid.size(0),
           "grid_sampler(): expected grid and input to have same batch size, but got input with sizes ", x.sizes(), " and grid with sizes ",
           grid.sizes());
  FL_CHECK(grid.size(-1) == x.dim() - 2, "grid_sampler(): expected grid to have size ", x.dim() - 2, " in last dimension, but got grid with sizes ",
           grid.sizes());
  for (int k = 2; k < x.dim(); ++k)
    FL_CHECK(x.size(k) > 0, "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", x.sizes(),
             " with dimension ", k, " being empty");
  FL_CHECK((x.dim() == 4 || x.dim() == 5) && x.dim() == grid.dim() && (ndim == 0 || x.dim() == ndim + 2), "grid_sampler(): expected ",
           ndim ? ndim == 2 ? "4D" : "5D" : "4D or 5D", " input and grid with same number of dimensions, but got input with sizes ", x.sizes(),
           " and grid with sizes ", grid.sizes());
  FL_CHECK(!(x.dim() == 5 && mode == 2), "grid_sampler(): bicubic interpolation only supports 4D input");
}
cpu::GridSample describe_grid(const Call& c, int first) {
  const Tensor &x = c.tensor(first), &grid = c.tensor(first + 1);
  FL_CHECK(x.dtype() == grid.dtype(), "grid_sampler(): expected scalar type ", scalar_type_name(x.dtype()), " but found ",
           scalar_type_name(grid.dtype()));
  if (!is_floating(x.dtype()))
    fail(ErrorKind::NotImplemented, "\"", x.dim() == 4 ? "grid_sampler_2d_cpu_kernel_impl" : "grid_sampler3d_cpu", "\" not implemented for '",
         scalar_type_name(x.dtype()), "'");
  cpu::GridSample s;
  s.mode = cpu::GridMode(c.integer(first + 2)), s.padding = cpu::GridPadding(c.integer(first + 3)), s.align_corners = c.flag(first + 4);
  s.ndim = x.dim() - 2, s.batch = x.size(0), s.channels = x.size(1);
  for (int k = 0; k < s.ndim; ++k) s.in_size[k] = x.size(k + 2), s.out_size[k] = grid.size(k + 1);
  return s;
}
void grid_forward(Call& c, int ndim) {
  const Tensor &x = c.tensor(0), &grid = c.tensor(1);
  check_grid(x, grid, c.integer(2), c.integer(3), ndim);
  cpu::GridSample s = describe_grid(c, 0);
  Dims size{x.size(0), x.size(1)};
  for (int k = 0; k < ndim; ++k) size.push(grid.size(k + 1));
  Tensor image = contiguous_of(x), at = contiguous_of(grid);
  const Tensor& out = c.result(size, x.dtype());
  if (out.numel() == 0) return;
  Tensor dense = out.is_contiguous() ? out : empty(size, x.dtype());
  {
    Unlock unlock(double(out.numel()) * 5);
    cpu::grid_sample(x.dtype(), s, image.bytes(), at.bytes(), dense.bytes());
  }
  if (dense.get() != out.get()) copy_values(out, dense);
}

// Results: the gradients of input and grid; one that is not wanted is an empty tensor.
Record grid_sampler_backward{
    {.schema = {"_grid_sampler_backward(Tensor grad_output, Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners, "
                "bool input_wanted, bool grid_wanted) -> (Tensor, Tensor)"},
     .forward =
         [](Call& c) {
           const Tensor &x = c.tensor(1), &grid = c.tensor(2);
           check_grid(x, grid, c.integer(3), c.integer(4), 0);
           cpu::GridSample s = describe_grid(c, 1);
           const bool wanted[2] = {c.flag(6), c.flag(7)};
           Tensor g = contiguous_of(cast_of(c.tensor(0), x.dtype())), image = contiguous_of(x), at = contiguous_of(grid),
                  none = empty(IntView{0}, x.dtype());
           Tensor gx = wanted[0] ? empty(x.sizes(), x.dtype()) : none, gg = wanted[1] ? empty(grid.sizes(), x.dtype()) : none;
           c.ret(gx);
           c.ret(gg);
           if (g.numel() == 0) {
             for (auto* t : {&gx, &gg}) std::memset(t->bytes(), 0, size_t(t->numel()) * size_t(item_size(x.dtype())));
           } else {
             Unlock unlock(double(g.numel()) * 8);
             cpu::grid_sample_backward(x.dtype(), s, g.bytes(), image.bytes(), at.bytes(), wanted[0] ? gx.bytes() : nullptr,
                                       wanted[1] ? gg.bytes() : nullptr);
           }
         },
     .flags = kPrivate,
     .nodes = {"GridSampler2DBackwardBackward0"}}};
void grid_gradient(Grad& G) {
  if (thread_state().grad_enabled) {
    auto r = grid_gradient_in_operators(G.grad(), G.in(0), G.in(1), cpu::GridMode(G.arg(2).i), cpu::GridPadding(G.arg(3).i), G.arg(4).b, G.needs(0),
                                        G.needs(1));
    for (int k : {0, 1})
      if (G.needs(k)) G.set(k, r[size_t(k)]);
    return;
  }
  auto r = grid_sampler_backward.many(G.grad(), G.in(0), G.in(1), G.arg(2), G.arg(3), G.arg(4), G.needs(0), G.needs(1));
  for (int k : {0, 1})
    if (G.needs(k)) G.set(k, r[size_t(k)]);
}

}  // namespace

#define GRID "(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
static Record grid_sampler_2d{{.schema = {"grid_sampler_2d" GRID},
                               .forward =
                                   [](Call& c) {
                                     grid_forward(c, 2);
                                   },
                               .gradient = grid_gradient,
                               .save = save_in(0) | save_in(1),
                               .flags = kFunction,
                               .autocast = Autocast::Float32,
                               .nodes = {"GridSampler2DBackward0"},
                               .doc = "Samples images (N, C, H, W) at the points (x, y) of a grid (N, H', W', 2)."}};
static Record grid_sampler_3d{{.schema = {"grid_sampler_3d" GRID},
                               .forward =
                                   [](Call& c) {
                                     grid_forward(c, 3);
                                   },
                               .gradient = grid_gradient,
                               .save = save_in(0) | save_in(1),
                               .flags = kFunction,
                               .autocast = Autocast::Float32,
                               .nodes = {"GridSampler3DBackward0"},
                               .doc = "Samples volumes (N, C, D, H, W) at the points (x, y, z) of a grid (N, D', H', W', 3)."}};
static Record grid_sampler{{.schema = {"grid_sampler" GRID},
                            .forward =
                                [](Call& c) {
                                  check_grid(c.tensor(0), c.tensor(1), c.integer(2), c.integer(3), 0);
                                  c.ret(
                                      (c.tensor(0).dim() == 4 ? grid_sampler_2d : grid_sampler_3d)(c.arg(0), c.arg(1), c.arg(2), c.arg(3), c.arg(4)));
                                },
                            .flags = kFunction | kComposite,
                            .autocast = Autocast::Float32,
                            .doc = "Samples images or volumes at the points of a grid; coordinates go from -1 to 1 over the input."}};
#undef GRID

}  // namespace fl::ops
