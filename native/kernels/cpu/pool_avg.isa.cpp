// Average pooling and its gradient.
#include "kernels/cpu/pool_common.h"

namespace fl::cpu::FL_ISA {
namespace {

// What a window's sum is divided by.
FL_INLINE int64_t divisor_of(const PoolDesc& g, const Window& d, const Window& h, const Window& w) {
  if (g.divisor_override) return g.divisor_override;
  if (g.count_include_pad) return d.size * h.size * w.size;
  return (d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin);
}

// Windows that cover the whole of a dense plane (global pooling) as one row.
FL_INLINE PoolDesc flattened(PoolDesc g, bool adaptive) {
  const int64_t sw = g.x_stride[4];
  if (!adaptive || g.out[0] * g.out[1] * g.out[2] != 1) return g;
  if (!((g.in[1] == 1 || g.x_stride[3] == g.in[2] * sw) && (g.in[0] == 1 || g.x_stride[2] == g.in[1] * g.in[2] * sw)))
    return g;
  g.in[2] *= g.in[0] * g.in[1];
  g.in[0] = g.in[1] = 1;
  return g;
}

template <class V>
FL_INLINE V add_lanes(typename Vec<V>::type v) {
  constexpr int W = Vec<V>::W;
  alignas(FL_VB) V part[W];
  store(part, v);
  FL_UNROLL for (int half = W / 2; half; half /= 2) {
    FL_UNROLL for (int l = 0; l < half; ++l) part[l] += part[l + half];
  }
  return part[0];
}

// Vectors along the channels.
template <class T>
void avg_channels(const PoolDesc& g, bool adaptive, const T* x, T* y) {
  using V = Wide<T>;
  constexpr int W = Vec<V>::W;
  constexpr int64_t block = 4 * W;
  const int64_t lines = g.out[0] * g.out[1], shares = ceil_div(g.c, block);
  parallel_for(
      g.n * lines * shares, double(g.out[2] * block) * window_area(g, adaptive) * 0.1, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          const int64_t c0 = item % shares * block, n = item / shares / lines, od = item / shares % lines / g.out[1],
                        oh = item / shares % g.out[1];
          const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
          for (int64_t ow = 0; ow < g.out[2]; ++ow) {
            const Window ww = window_of(g, 2, ow, adaptive);
            const V divisor = V(divisor_of(g, wd, wh, ww));
            T* to = y + n * g.y_stride[0] + od * g.y_stride[2] + oh * g.y_stride[3] + ow * g.y_stride[4];
            const bool empty = wd.end <= wd.begin || wh.end <= wh.begin || ww.end <= ww.begin;
            auto tile = [&](auto vectors, int64_t c, int m) {
              constexpr int NV = decltype(vectors)::value;
              typename Vec<V>::type sum[NV];
              FL_UNROLL for (int j = 0; j < NV; ++j) sum[j] = typename Vec<V>::type{};
              for (int64_t d = wd.begin; d < wd.end; ++d)
                for (int64_t h = wh.begin; h < wh.end; ++h) {
                  const T* p =
                      x + n * g.x_stride[0] + d * g.x_stride[2] + h * g.x_stride[3] + ww.begin * g.x_stride[4] + c;
                  for (int64_t w = ww.begin; w < ww.end; ++w, p += g.x_stride[4]) {
                    FL_UNROLL for (int j = 0; j < NV; ++j) sum[j] += load_wide(p + j * W, m);
                  }
                }
              FL_UNROLL for (int j = 0; j < NV; ++j) store_narrow(to + c + j * W, empty ? sum[j] : sum[j] / divisor, m);
            };
            if (g.c - c0 >= block)
              tile(std::integral_constant<int, 4>{}, c0, W);
            else
              for (int64_t c = c0; c < g.c; c += W) tile(std::integral_constant<int, 1>{}, c, int(least(W, g.c - c)));
          }
        }
      });
}

// Divisors of one row of outputs, given the windows of the other dimensions. An empty window gives 1: its sum is zero.
template <class V>
FL_INLINE void row_divisors(const PoolDesc& g, const Window& wd, const Window& wh, V* divisor) {
  for (int64_t q = 0; q < g.out[2]; ++q) {
    const Window ww = window_of(g, 2, q, false);
    const bool empty = wd.end <= wd.begin || wh.end <= wh.begin || ww.end <= ww.begin;
    divisor[q] = empty ? V(1) : V(divisor_of(g, wd, wh, ww));
  }
}
// The same for every row whose windows have these sizes: computed once for the full window, again where it is cut.
struct RowKey {
  int64_t d, h, dp, hp;
  FL_INLINE bool operator==(const RowKey& o) const { return d == o.d && h == o.h && dp == o.dp && hp == o.hp; }
};
FL_INLINE RowKey key_of(const Window& d, const Window& h) { return {d.end - d.begin, h.end - h.begin, d.size, h.size}; }

// Vectors along the width of a plane that is padded with zeros.
template <class T>
void avg_planes(const PoolDesc& g, const T* x, T* y) {
  using V = Wide<T>;
  constexpr int W = Vec<V>::W;
  const RowShape s = row_shape<V>(g);
  const int64_t rows = g.in[0] * g.in[1];
  const double ns =
      double(rows * s.columns) * 0.15 + double(g.out[0] * g.out[1] * g.out[2]) * (0.1 * window_area(g, false) + 0.3);
  parallel_for(g.n * g.c, ns, [&](int64_t begin, int64_t end) {
    const int64_t* tap = tap_columns(g, s);
    V* plane = (V*)scratch(Scratch::Input, size_t(rows * s.line + 4 * W) * sizeof(V));
    V* raw = (V*)scratch(Scratch::Output, size_t(s.columns + 4 * W + g.out[2] + W) * sizeof(V));
    V* divisor = raw + s.columns + 4 * W;
    RowKey known = {-1, -1, -1, -1};
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / g.c, c = item % g.c;
      const T* from = x + n * g.x_stride[0] + c * g.x_stride[1];
      for (int64_t d = 0; d < g.in[0]; ++d)
        for (int64_t h = 0; h < g.in[1]; ++h)
          spread_row(plane + (d * g.in[1] + h) * s.line, raw, from + d * g.x_stride[2] + h * g.x_stride[3],
                     g.x_stride[4], g, s, V(0));
      for (int64_t od = 0; od < g.out[0]; ++od)
        for (int64_t oh = 0; oh < g.out[1]; ++oh) {
          const Window wd = window_of(g, 0, od, false), wh = window_of(g, 1, oh, false);
          if (!(key_of(wd, wh) == known)) row_divisors(g, wd, wh, divisor), known = key_of(wd, wh);
          T* to = y + n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
          for (int64_t q = 0; q < g.out[2]; q += W) {
            const int m = int(least(W, g.out[2] - q));
            typename Vec<V>::type sum = {};
            for (int64_t d = wd.begin; d < wd.end; ++d)
              for (int64_t h = wh.begin; h < wh.end; ++h) {
                const V* p = plane + (d * g.in[1] + h) * s.line + q;
                for (int64_t t = 0; t < g.kernel[2]; ++t) sum += load(p + tap[t]);
              }
            if (m == W) {
              sum /= load(divisor + q);
            } else {
              const typename Vec<V>::type one = typename Vec<V>::type{} + V(1);
              alignas(FL_VB) V by[W];
              store(by, one);
              for (int l = 0; l < m; ++l) by[l] = divisor[q + l];
              sum /= load(by);
            }
            if (g.y_stride[4] == 1) {
              store_narrow(to + q, sum, m);
            } else {
              alignas(FL_VB) V lanes[W];
              store(lanes, sum);
              for (int l = 0; l < m; ++l) to[(q + l) * g.y_stride[4]] = narrowed<T>(lanes[l]);
            }
          }
        }
    }
  });
}

// Adaptive windows, one output after the other; vectors within a wide window.
template <class T>
void avg_each(const PoolDesc& g, bool adaptive, const T* x, T* y) {
  using V = Wide<T>;
  constexpr int W = Vec<V>::W;
  const int64_t lines = g.out[0] * g.out[1];
  parallel_for(g.n * g.c * lines, double(g.out[2]) * (window_area(g, adaptive) * 0.3 + 1),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t nc = item / lines, n = nc / g.c, c = nc % g.c, od = item % lines / g.out[1],
                                 oh = item % g.out[1];
                   const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
                   const T* plane = x + n * g.x_stride[0] + c * g.x_stride[1];
                   T* to = y + n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
                   for (int64_t ow = 0; ow < g.out[2]; ++ow, to += g.y_stride[4]) {
                     const Window ww = window_of(g, 2, ow, adaptive);
                     const int64_t width = ww.end - ww.begin;
                     V sum = V(0);
                     typename Vec<V>::type part = {};
                     for (int64_t d = wd.begin; d < wd.end; ++d)
                       for (int64_t h = wh.begin; h < wh.end; ++h) {
                         const T* p = plane + d * g.x_stride[2] + h * g.x_stride[3] + ww.begin * g.x_stride[4];
                         if (width >= 8 && g.x_stride[4] == 1)
                           for (int64_t w = 0; w < width; w += W) part += load_wide(p + w, int(least(W, width - w)));
                         else
                           for (int64_t w = 0; w < width; ++w) sum += widened(p[w * g.x_stride[4]]);
                       }
                     if (width >= 8 && g.x_stride[4] == 1) sum = add_lanes<V>(part);
                     *to = narrowed<T>(sum / V(most(1, divisor_of(g, wd, wh, ww))));
                   }
                 }
               });
}

template <class T>
void avg_of(PoolDesc g, bool adaptive, const void* x, void* y) {
  if (g.n * g.c * g.out[0] * g.out[1] * g.out[2] == 0) return;
  g = flattened(g, adaptive);
  if (channels_inside(g)) avg_channels(g, adaptive, (const T*)x, (T*)y);
  else if (!adaptive) avg_planes(g, (const T*)x, (T*)y);
  else avg_each(g, adaptive, (const T*)x, (T*)y);
}

// ---------------------------------------------------------------------------------------------- gradient

template <class T>
void avg_backward_planes(const PoolDesc& g, const T* dy, T* dx) {
  using V = Wide<T>;
  constexpr int W = Vec<V>::W;
  const RowShape s = row_shape<V>(g);
  const int64_t rows = g.in[0] * g.in[1];
  const double ns =
      double(rows * s.columns) * 0.3 + double(g.out[0] * g.out[1] * g.out[2]) * (0.15 * window_area(g, false) + 0.3);
  parallel_for(g.n * g.c, ns, [&](int64_t begin, int64_t end) {
    const int64_t columns = ceil_div(g.out[2], W) * W;
    const int64_t* tap = tap_columns(g, s);
    V* plane = (V*)scratch(Scratch::Input, size_t(rows * s.line + 4 * W) * sizeof(V));
    V* raw = (V*)scratch(Scratch::Output, size_t(s.columns + 4 * W + 2 * columns) * sizeof(V));
    V *divisor = raw + s.columns + 4 * W, *share = divisor + columns;
    for (int64_t q = 0; q < columns; ++q) divisor[q] = V(1);
    RowKey known = {-1, -1, -1, -1};
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / g.c, c = item % g.c;
      const T* from = dy + n * g.y_stride[0] + c * g.y_stride[1];
      T* to = dx + n * g.x_stride[0] + c * g.x_stride[1];
      __builtin_memset(plane, 0, size_t(rows * s.line) * sizeof(V));
      for (int64_t od = 0; od < g.out[0]; ++od)
        for (int64_t oh = 0; oh < g.out[1]; ++oh) {
          const Window wd = window_of(g, 0, od, false), wh = window_of(g, 1, oh, false);
          if (!(key_of(wd, wh) == known)) row_divisors(g, wd, wh, divisor), known = key_of(wd, wh);
          const T* row = from + od * g.y_stride[2] + oh * g.y_stride[3];
          for (int64_t q = 0; q < columns; q += W) {
            const int m = int(least(W, g.out[2] - q));
            typename Vec<V>::type v;
            if (g.y_stride[4] == 1) {
              v = load_wide(row + q, m);
            } else {
              alignas(FL_VB) V lanes[W] = {};
              for (int l = 0; l < m; ++l) lanes[l] = widened(row[(q + l) * g.y_stride[4]]);
              v = load(lanes);
            }
            store(share + q, v / load(divisor + q));
          }
          for (int64_t d = wd.begin; d < wd.end; ++d)
            for (int64_t h = wh.begin; h < wh.end; ++h)
              for (int64_t t = 0; t < g.kernel[2]; ++t) {
                V* line = plane + (d * g.in[1] + h) * s.line + tap[t];
                for (int64_t q = 0; q < g.out[2]; q += W) {
                  const int m = int(least(W, g.out[2] - q));
                  if (m == W) store(line + q, load(line + q) + load(share + q));
                  else store_n(line + q, load_n(line + q, m) + load(share + q), m);
                }
              }
        }
      for (int64_t d = 0; d < g.in[0]; ++d)
        for (int64_t h = 0; h < g.in[1]; ++h)
          collect_row(to + d * g.x_stride[2] + h * g.x_stride[3], g.x_stride[4], raw,
                      plane + (d * g.in[1] + h) * s.line, g, s);
    }
  });
}

template <class T>
void avg_backward_each(const PoolDesc& g, bool adaptive, const T* dy, T* dx) {
  using V = Wide<T>;
  constexpr int W = Vec<V>::W;
  const double ns = double(g.in[0] * g.in[1] * g.in[2]) * 0.2 +
                    double(g.out[0] * g.out[1] * g.out[2]) * (1 + 0.2 * window_area(g, adaptive));
  each_plane(g, ns, [&](int64_t x_at, int64_t y_at, int64_t channels) {
    const GradientBlock<T> b = open_block(g, dx + x_at, channels, true);
    for (int64_t od = 0; od < g.out[0]; ++od)
      for (int64_t oh = 0; oh < g.out[1]; ++oh) {
        const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
        for (int64_t ow = 0; ow < g.out[2]; ++ow) {
          const Window ww = window_of(g, 2, ow, adaptive);
          const T* from = dy + y_at + od * g.y_stride[2] + oh * g.y_stride[3] + ow * g.y_stride[4];
          const V divisor = V(most(1, divisor_of(g, wd, wh, ww)));
          for (int64_t d = wd.begin; d < wd.end; ++d)
            for (int64_t h = wh.begin; h < wh.end; ++h) {
              V* line = b.data + ((d * g.in[1] + h) * g.in[2] + ww.begin) * b.pixel;
              if (channels == 1) {
                const V v = widened(*from) / divisor;
                for (int64_t w = 0; w < ww.end - ww.begin; ++w) line[w * b.pixel] += v;
              } else {
                for (int64_t c = 0; c < channels; c += W) {
                  const int m = int(least(W, channels - c));
                  const typename Vec<V>::type v = load_wide(from + c, m) / divisor;
                  for (int64_t w = 0; w < ww.end - ww.begin; ++w) {
                    V* q = line + w * b.pixel + c;
                    if (m == W) store(q, load(q) + v);
                    else store_n(q, load_n(q, m) + v, m);
                  }
                }
              }
            }
        }
      }
    close_block(g, b, dx + x_at, channels);
  });
}

template <class T>
void avg_backward_of(PoolDesc g, bool adaptive, const void* dy, void* dx) {
  if (g.n * g.c * g.in[0] * g.in[1] * g.in[2] == 0) return;
  g = flattened(g, adaptive);
  if (!adaptive && !channels_inside(g)) avg_backward_planes(g, (const T*)dy, (T*)dx);
  else avg_backward_each(g, adaptive, (const T*)dy, (T*)dx);
}

}  // namespace

void avg_pool(const PoolDesc& g, bool adaptive, const void* x, void* y) {
  switch (g.dtype) {
    case DType::Float32: return avg_of<float>(g, adaptive, x, y);
    case DType::Float64: return avg_of<double>(g, adaptive, x, y);
    case DType::BFloat16: return avg_of<BFloat16>(g, adaptive, x, y);
    case DType::Float16: return avg_of<Half>(g, adaptive, x, y);
    case DType::Int64: return avg_of<int64_t>(g, adaptive, x, y);  // divided with truncation
    default: return;  // the operator layer admits no other type
  }
}

void avg_pool_backward(const PoolDesc& g, bool adaptive, const void* dy, void* dx) {
  switch (g.dtype) {
    case DType::Float32: return avg_backward_of<float>(g, adaptive, dy, dx);
    case DType::Float64: return avg_backward_of<double>(g, adaptive, dy, dx);
    case DType::BFloat16: return avg_backward_of<BFloat16>(g, adaptive, dy, dx);
    case DType::Float16: return avg_backward_of<Half>(g, adaptive, dy, dx);
    default: return;
  }
}

}  // namespace fl::cpu::FL_ISA
