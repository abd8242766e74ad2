// The gradient of grid_sample written in operators, for when it is itself to be differentiated: the taps of every output point (place in
// a plane, weight) as tensors. The kernel (kernels/cpu/grid_sample.isa.cpp) computes the same without a graph.
#include "kernels/cpu/resample.h"
#include "ops/elementwise.h"

namespace fl::ops {

extern Record gather, scatter_add;

namespace {

using cpu::GridMode;
using cpu::GridPadding;

// A pixel coordinate and its derivative by the normalised one, which is constant between the kinks.
struct Coordinate {
  Tensor at, slope;
};
Tensor constant_like(const Tensor& t, double value) { return full(t.sizes(), Value(value), t.dtype()); }
Tensor as_number(const Tensor& mask, const Tensor& like) { return to_dtype(mask, like.dtype()); }

Coordinate clip(const Coordinate& c, double top) {
  Tensor inside = logical_and(gt(c.at, 0), lt(c.at, top));
  Tensor limited = where(ge(c.at, top), constant_like(c.at, top), constant_like(c.at, 0));
  return {where(inside, c.at, limited), c.slope * as_number(inside, c.slope)};
}
Coordinate reflect(const Coordinate& c, int64_t size, bool align) {
  const double low = align ? 0 : -0.5, span = align ? double(size - 1) : double(size);
  if (span == 0) return {constant_like(c.at, 0), constant_like(c.at, 0)};
  Tensor x = c.at - low, sign = where(lt(x, 0), constant_like(x, -1), constant_like(x, 1));
  x = x * sign;
  Tensor flips = floor(detach(x) / span), extra = x - flips * span, odd = ne(remainder(flips, 2), 0);
  Tensor turned = where(odd, constant_like(x, -1), constant_like(x, 1));
  return {where(odd, neg(extra) + (span + low), extra + low), c.slope * sign * turned};
}
Coordinate padded(Coordinate c, GridPadding padding, int64_t size, bool align) {
  if (padding == GridPadding::Reflection) c = reflect(c, size, align);
  if (padding != GridPadding::Zeros) c = clip(c, double(size - 1));
  return {where(lt(abs(c.at), 1e9), c.at, constant_like(c.at, -100)), c.slope};  // what no index holds counts as outside
}

// One neighbour along one dimension: its index, its weight, and the weight's derivative by the normalised coordinate.
struct Neighbour {
  Tensor index, weight, slope;
};
std::vector<Neighbour> neighbours(const Tensor& normalised, GridMode mode, GridPadding padding, int64_t size, bool align) {
  const double scale = align ? double(size - 1) / 2 : double(size) / 2;
  Coordinate c{align ? (normalised + 1) * scale : (normalised + 1) * scale - 0.5, constant_like(normalised, scale)};
  if (mode != GridMode::Bicubic) c = padded(c, padding, size, align);
  Tensor low = floor(detach(c.at)), t = c.at - low;
  auto whole = [](const Tensor& x) {
    return to_dtype(detach(x), DType::Int64);
  };
  if (mode == GridMode::Nearest) return {{whole(round(c.at)), t * 0 + 1, t * 0}};
  if (mode == GridMode::Bilinear) return {{whole(low), neg(t) + 1, neg(c.slope)}, {whole(low) + 1, t, c.slope}};
  // Cubic convolution (Keys 1981): one polynomial up to distance 1, another up to 2.
  const double a = -0.75;
  auto near = [&](const Tensor& x) {
    return (x * (a + 2) - (a + 3)) * x * x + 1;
  };
  auto far = [&](const Tensor& x) {
    return ((x * a - 5 * a) * x + 8 * a) * x - 4 * a;
  };
  auto near_slope = [&](const Tensor& x) {
    return (x * (3 * (a + 2)) - 2 * (a + 3)) * x * c.slope;
  };
  auto far_slope = [&](const Tensor& x) {
    return ((x * (3 * a) - 10 * a) * x + 8 * a) * c.slope;
  };
  Tensor rest = neg(t) + 1;
  Neighbour four[4] = {{low - 1, far(t + 1), far_slope(t + 1)}, {low, near(t), near_slope(t)}, {low + 1, near(rest), neg(near_slope(rest))}, {low + 2, far(rest + 1), neg(far_slope(rest + 1))}};
  for (Neighbour& n : four) n.index = whole(padded({n.index, constant_like(t, 0)}, padding, size, align).at);
  return {four, four + 4};
}

}  // namespace

// Gradients of input and grid, as grid_sampler_backward gives them; undefined where not wanted.
std::vector<Tensor> grid_gradient_in_operators(const Tensor& grad, const Tensor& x, const Tensor& grid, GridMode mode, GridPadding padding,
                                               bool align, bool input_wanted, bool grid_wanted) {
  const int nd = x.dim() - 2;
  const int64_t batch = x.size(0), channels = x.size(1);
  int64_t plane = 1, points = 1;
  for (int d = 0; d < nd; ++d) plane *= x.size(d + 2), points *= grid.size(d + 1);
  std::vector<std::vector<Neighbour>> along;  // x, y, z
  for (int d = 0; d < nd; ++d)
    along.push_back(neighbours(reshape(select(grid, -1, d), IntView{batch, 1, points}), mode, padding, x.size(x.dim() - 1 - d), align));
  Tensor g = reshape(grad, IntView{batch, channels, points}), image = reshape(x, IntView{batch, channels, plane});
  Tensor gx = zeros_like_sizes(IntView{batch, channels, plane}, x.dtype());
  Tensor none = zeros_like_sizes(IntView{batch, points}, grid.dtype()), by[3] = {none, none, none};
  const int count = int(along[0].size());
  int taps = 1;
  for (int d = 0; d < nd; ++d) taps *= count;
  for (int k = 0; k < taps; ++k) {
    Tensor index, valid, weight;
    const Neighbour* chosen[3];
    for (int d = nd - 1, rest = k; d >= 0; --d, rest /= count) {
      const Neighbour& n = *(chosen[d] = &along[size_t(d)][size_t(rest % count)]);
      const int64_t size = x.size(x.dim() - 1 - d);
      Tensor in = logical_and(ge(n.index, 0), lt(n.index, size));
      valid = valid.defined() ? logical_and(valid, in) : in;
      index = index.defined() ? index * size + n.index : n.index;
      weight = weight.defined() ? weight * n.weight : n.weight;
    }
    Tensor keep = as_number(valid, g), place = expand(mul(index, valid), IntView{batch, channels, points});
    if (input_wanted) gx = scatter_add(gx, 2, place, g * (weight * keep));
    if (!grid_wanted) continue;
    Tensor met = sum(g * gather(image, 2, place) * keep, IntView{1});
    for (int d = 0; d < nd; ++d) {
      Tensor slope = chosen[d]->slope;
      for (int e = 0; e < nd; ++e)
        if (e != d) slope = slope * chosen[e]->weight;
      by[d] = by[d] + met * reshape(slope, IntView{batch, points});
    }
  }
  Tensor grid_gradient;
  if (grid_wanted) grid_gradient = reshape(stack(std::vector<Tensor>(by, by + nd), -1), grid.sizes());
  return {input_wanted ? reshape(gx, x.sizes()) : Tensor(), grid_gradient};
}

}  // namespace fl::ops
