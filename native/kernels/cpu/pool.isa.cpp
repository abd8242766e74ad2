// Max and average pooling. Two loops: over planes (any strides; a vector's lanes are neighbouring outputs of a row where that is
// possible), and over channels when those are innermost.
#include "kernels/cpu/pool.h"

#include "base/parallel.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {
namespace {

// Types that are compared as they are: no conversion, signed order.
template <class T>
struct Plain {
  T v;
};
template <class T>
FL_INLINE T widen(Plain<T> p) { return p.v; }
template <class T>
struct Narrow<Plain<T>, T> {
  static FL_INLINE Plain<T> of(T v) { return {v}; }
};

// The type values are compared and summed in.
template <class T>
using Wide = decltype(widen(T{}));

// Positions [begin, end) of the input in one dimension, step apart, that output o covers; `size` counts padding as avg_pool does.
struct Window {
  int64_t begin, end, step, size;
};
FL_INLINE Window window_of(const PoolDesc& g, int d, int64_t o, bool adaptive) {
  if (adaptive) {
    const int64_t begin = o * g.in[d] / g.out[d], end = ((o + 1) * g.in[d] + g.out[d] - 1) / g.out[d];
    return {begin, end, 1, end - begin};
  }
  const int64_t step = g.dilation[d];
  int64_t begin = o * g.stride[d] - g.pad[d], end = begin + (g.kernel[d] - 1) * step + 1;
  const int64_t size = least(end, g.in[d] + g.pad[d]) - begin;
  if (begin < 0) begin += (-begin + step - 1) / step * step;
  return {begin, least(end, g.in[d]), step, size};
}

template <class T>
FL_INLINE bool is_nan(T v) { return v != v; }

// What the maximum starts from; with dilation and padding a window may meet no element at all, and this is then the result.
template <class T>
FL_INLINE T lowest() {
  if constexpr (T(0.5) != T(0)) return -T(__builtin_inff());
  else if constexpr (T(-1) > T(0)) return T(0);
  else return T(T(1) << (sizeof(T) * 8 - 2)) * T(-2);
}

// How output planes are walked: planes (image, channel) in parallel, or lines of pixels with the channels inside.
FL_INLINE bool channels_inside(const PoolDesc& g) { return g.x_stride[1] == 1 && g.y_stride[1] == 1 && g.c > 1; }

// ---------------------------------------------------------------------------------------------- max, forward

template <class T>
void max_forward_channels(const PoolDesc& g, bool adaptive, const T* x, T* y, int64_t* indices) {
  const int64_t lines = g.out[0] * g.out[1];
  const double window = adaptive ? double(g.in[0] * g.in[1] * g.in[2]) / double(most(1, lines * g.out[2])) + 1
                                 : double(g.kernel[0] * g.kernel[1] * g.kernel[2]);
  parallel_for(g.n * lines, double(g.out[2] * g.c) * window * 0.4, [&](int64_t begin, int64_t end) {
    constexpr int64_t B = 64;  // channels at a time
    Wide<T> best[B];
    int32_t at[B];  // indices of taps, which are few
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / lines, od = item % lines / g.out[1], oh = item % g.out[1];
      const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
      for (int64_t ow = 0; ow < g.out[2]; ++ow) {
        const Window ww = window_of(g, 2, ow, adaptive);
        const int64_t to = n * g.y_stride[0] + od * g.y_stride[2] + oh * g.y_stride[3] + ow * g.y_stride[4];
        const int64_t nh = most(1, (wh.end - wh.begin + wh.step - 1) / wh.step), nw = most(1, (ww.end - ww.begin + ww.step - 1) / ww.step);
        for (int64_t c0 = 0; c0 < g.c; c0 += B) {
          const int64_t m = least(B, g.c - c0);
          int32_t tap = 0;
          for (int64_t c = 0; c < m; ++c) best[c] = lowest<Wide<T>>(), at[c] = 0;
          for (int64_t d = wd.begin; d < wd.end; d += wd.step)
            for (int64_t h = wh.begin; h < wh.end; h += wh.step)
              for (int64_t w = ww.begin; w < ww.end; w += ww.step, ++tap) {
                const T* p = x + n * g.x_stride[0] + d * g.x_stride[2] + h * g.x_stride[3] + w * g.x_stride[4] + c0;
                for (int64_t c = 0; c < m; ++c) {
                  const Wide<T> v = widen(p[c]);
                  const bool wins = (v > best[c]) | is_nan(v);
                  best[c] = wins ? v : best[c];
                  at[c] = wins ? tap : at[c];
                }
              }
          for (int64_t c = 0; c < m; ++c) y[to + c0 + c] = Narrow<T, Wide<T>>::of(best[c]);
          if (indices)
            for (int64_t c = 0; c < m; ++c) {
              const int64_t d = wd.begin + at[c] / (nh * nw) * wd.step, h = wh.begin + at[c] / nw % nh * wh.step,
                            w = ww.begin + at[c] % nw * ww.step;
              indices[to + c0 + c] = (d * g.in[1] + h) * g.in[2] + w;
            }
        }
      }
    }
  });
}

// Outputs [0, n) of one row whose windows lie inside the input along the width: each tap is a strided run of x.
template <class T>
void max_row(const PoolDesc& g, const T* plane, const Window& wd, const Window& wh, int64_t w0, T* y, int64_t* indices, int64_t n) {
  constexpr int64_t B = 64;
  const int64_t sx = g.stride[2] * g.x_stride[4], sy = g.y_stride[4];
  for (int64_t q0 = 0; q0 < n; q0 += B) {
    const int64_t m = least(B, n - q0);
    Wide<T> best[B];
    int32_t at[B];  // position of the tap for q = 0; a plane with 2^31 elements goes another way
    const int32_t start = int32_t((wd.begin * g.in[1] + wh.begin) * g.in[2] + w0);
    for (int64_t q = 0; q < m; ++q) best[q] = lowest<Wide<T>>(), at[q] = start;
    for (int64_t d = wd.begin; d < wd.end; d += wd.step)
      for (int64_t h = wh.begin; h < wh.end; h += wh.step)
        for (int64_t t = 0; t < g.kernel[2]; ++t) {
          const int64_t w = w0 + t * g.dilation[2];
          const T* p = plane + d * g.x_stride[2] + h * g.x_stride[3] + w * g.x_stride[4] + q0 * sx;
          const int32_t position = int32_t((d * g.in[1] + h) * g.in[2] + w);
          auto step = [&](int64_t stride) {
            for (int64_t q = 0; q < m; ++q) {
              const Wide<T> v = widen(p[q * stride]);
              const bool wins = (v > best[q]) | is_nan(v);
              best[q] = wins ? v : best[q];
              at[q] = wins ? position : at[q];
            }
          };
          if (sx == 1) step(1);
          else if (sx == 2) step(2);
          else step(sx);
        }
    for (int64_t q = 0; q < m; ++q) y[(q0 + q) * sy] = Narrow<T, Wide<T>>::of(best[q]);
    if (indices)
      for (int64_t q = 0; q < m; ++q) indices[(q0 + q) * sy] = at[q] + (q0 + q) * g.stride[2];
  }
}

template <class T>
void max_forward_planes(const PoolDesc& g, bool adaptive, const T* x, T* y, int64_t* indices) {
  const int64_t area = g.out[0] * g.out[1] * g.out[2];
  const double window = adaptive ? double(g.in[0] * g.in[1] * g.in[2]) / double(most(1, area)) + 1
                                 : double(g.kernel[0] * g.kernel[1] * g.kernel[2]);
  // Outputs of a row whose windows lie wholly inside.
  int64_t w_begin = 0, w_end = 0;
  if (!adaptive && g.in[0] * g.in[1] * g.in[2] < (int64_t(1) << 31)) {
    const int64_t reach = (g.kernel[2] - 1) * g.dilation[2] + 1;
    w_begin = least(g.out[2], ceil_div(g.pad[2], g.stride[2]));
    w_end = g.in[2] + g.pad[2] >= reach ? most(w_begin, least(g.out[2], (g.in[2] + g.pad[2] - reach) / g.stride[2] + 1)) : w_begin;
  }
  const int64_t lines = g.out[0] * g.out[1];
  parallel_for(g.n * g.c * lines, double(g.out[2]) * window * 0.7, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t nc = item / lines, n = nc / g.c, c = nc % g.c, od = item % lines / g.out[1], oh = item % g.out[1];
      const T* plane = x + n * g.x_stride[0] + c * g.x_stride[1];
      const int64_t to = n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
      const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
      for (int64_t ow = 0; ow < g.out[2]; ++ow) {
        if (ow == w_begin && w_end > w_begin) {
          const int64_t at = to + ow * g.y_stride[4];
          max_row(g, plane, wd, wh, ow * g.stride[2] - g.pad[2], y + at, indices ? indices + at : nullptr, w_end - w_begin);
          ow = w_end - 1;
          continue;
        }
        const Window ww = window_of(g, 2, ow, adaptive);
        Wide<T> best = lowest<Wide<T>>();
        int64_t index = (wd.begin * g.in[1] + wh.begin) * g.in[2] + ww.begin;
        for (int64_t d = wd.begin; d < wd.end; d += wd.step)
          for (int64_t h = wh.begin; h < wh.end; h += wh.step)
            for (int64_t w = ww.begin; w < ww.end; w += ww.step) {
              const Wide<T> v = widen(plane[d * g.x_stride[2] + h * g.x_stride[3] + w * g.x_stride[4]]);
              if (v > best || is_nan(v)) best = v, index = (d * g.in[1] + h) * g.in[2] + w;
            }
        y[to + ow * g.y_stride[4]] = Narrow<T, Wide<T>>::of(best);
        if (indices) indices[to + ow * g.y_stride[4]] = index;
      }
    }
  });
}

template <class T>
void max_forward_of(const PoolDesc& g, bool adaptive, const void* x, void* y, int64_t* indices) {
  if (channels_inside(g))
    max_forward_channels<T>(g, adaptive, (const T*)x, (T*)y, indices);
  else
    max_forward_planes<T>(g, adaptive, (const T*)x, (T*)y, indices);
}

template <bool adaptive>
void max_forward_any(const PoolDesc& g, const void* x, void* y, int64_t* indices) {
  switch (g.dtype) {
    case DType::Float32: return max_forward_of<float>(g, adaptive, x, y, indices);
    case DType::Float64: return max_forward_of<double>(g, adaptive, x, y, indices);
    case DType::BFloat16: return max_forward_of<BFloat16>(g, adaptive, x, y, indices);
    case DType::Float16: return max_forward_of<Half>(g, adaptive, x, y, indices);
    case DType::UInt8: return max_forward_of<Plain<uint8_t>>(g, adaptive, x, y, indices);
    case DType::Int8: return max_forward_of<Plain<int8_t>>(g, adaptive, x, y, indices);
    case DType::Int16: return max_forward_of<Plain<int16_t>>(g, adaptive, x, y, indices);
    case DType::Int32: return max_forward_of<Plain<int32_t>>(g, adaptive, x, y, indices);
    case DType::Int64: return max_forward_of<Plain<int64_t>>(g, adaptive, x, y, indices);
    default: return;  // the operator layer admits no other type
  }
}

// ---------------------------------------------------------------------------------------------- gradients

// Calls f(plane, channel count, from, to): each (image, channel) alone, or, channels innermost, shares of an image's channels, so that
// no two threads touch the same dx.
template <class F>
void each_plane(const PoolDesc& g, double ns_per_channel, F&& f) {
  const int64_t step = channels_inside(g) ? 16 : 1, shares = ceil_div(g.c, step);
  parallel_for(g.n * shares, ns_per_channel * double(step), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / shares, c = item % shares * step;
      f(n * g.x_stride[0] + c * g.x_stride[1], n * g.y_stride[0] + c * g.y_stride[1], least(step, g.c - c));
    }
  });
}

// dx of one plane (or share of channels) as a dense block [pixel][channels] in the type of sums; written out by store_block.
template <class T>
void store_block(const PoolDesc& g, const Wide<T>* block, T* dx, int64_t channels) {
  for (int64_t d = 0; d < g.in[0]; ++d)
    for (int64_t h = 0; h < g.in[1]; ++h) {
      T* line = dx + d * g.x_stride[2] + h * g.x_stride[3];
      const Wide<T>* from = block + (d * g.in[1] + h) * g.in[2] * channels;
      if (channels == 1 && g.x_stride[4] == 1) {
        for (int64_t w = 0; w < g.in[2]; ++w) line[w] = Narrow<T, Wide<T>>::of(from[w]);
      } else {
        for (int64_t w = 0; w < g.in[2]; ++w)
          for (int64_t c = 0; c < channels; ++c) line[w * g.x_stride[4] + c * g.x_stride[1]] = Narrow<T, Wide<T>>::of(from[w * channels + c]);
      }
    }
}

// The block to sum in: dx itself when it is dense and needs no conversion, else scratch. Zeroed.
template <class T>
Wide<T>* open_block(const PoolDesc& g, T* dx, int64_t channels) {
  const size_t size = size_t(g.in[0] * g.in[1] * g.in[2] * channels) * sizeof(Wide<T>);
  const bool dense = sizeof(T) == sizeof(Wide<T>) && channels == 1 && g.x_stride[4] == 1 && g.x_stride[3] == g.in[2] &&
                     g.x_stride[2] == g.in[1] * g.in[2];
  Wide<T>* block = dense ? (Wide<T>*)dx : (Wide<T>*)scratch(Scratch::Output, size);
  __builtin_memset(block, 0, size);
  return block;
}

template <class T>
void max_backward_of(const PoolDesc& g, const T* dy, const int64_t* indices, T* dx) {
  const int64_t plane = g.in[0] * g.in[1] * g.in[2];
  const double ns = double(plane) * 0.1 + double(g.out[0] * g.out[1] * g.out[2]) * 1.0;
  each_plane(g, ns, [&](int64_t x_at, int64_t y_at, int64_t channels) {
    Wide<T>* block = open_block(g, dx + x_at, channels);
    for (int64_t d = 0; d < g.out[0]; ++d)
      for (int64_t h = 0; h < g.out[1]; ++h)
        for (int64_t w = 0; w < g.out[2]; ++w) {
          const int64_t at = y_at + d * g.y_stride[2] + h * g.y_stride[3] + w * g.y_stride[4];
          for (int64_t c = 0; c < channels; ++c) {
            const int64_t index = indices[at + c];
            if (uint64_t(index) < uint64_t(plane)) block[index * channels + c] += widen(dy[at + c]);  // outside: an empty window
          }
        }
    if ((void*)block != (void*)(dx + x_at)) store_block(g, block, dx + x_at, channels);
  });
}

template <class T>
void avg_backward_of(const PoolDesc& g, bool adaptive, const T* dy, T* dx) {
  const double ns = double(g.in[0] * g.in[1] * g.in[2]) * 0.2 +
                    double(g.out[0] * g.out[1] * g.out[2]) * (2 + (adaptive ? 4.0 : 0.5 * double(g.kernel[0] * g.kernel[1] * g.kernel[2])));
  each_plane(g, ns, [&](int64_t x_at, int64_t y_at, int64_t channels) {
    using V = Wide<T>;
    V* block = open_block(g, dx + x_at, channels);
    for (int64_t od = 0; od < g.out[0]; ++od)
      for (int64_t oh = 0; oh < g.out[1]; ++oh) {
        const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
        for (int64_t ow = 0; ow < g.out[2]; ++ow) {
          const Window ww = window_of(g, 2, ow, adaptive);
          const int64_t at = y_at + od * g.y_stride[2] + oh * g.y_stride[3] + ow * g.y_stride[4];
          const int64_t inside = (wd.end - wd.begin) * (wh.end - wh.begin) * (ww.end - ww.begin);
          const V divisor = V(g.divisor_override ? g.divisor_override : g.count_include_pad ? wd.size * wh.size * ww.size : inside);
          for (int64_t d = wd.begin; d < wd.end; ++d)
            for (int64_t h = wh.begin; h < wh.end; ++h) {
              V* line = block + ((d * g.in[1] + h) * g.in[2] + ww.begin) * channels;
              if (channels == 1) {
                const V v = widen(dy[at]) / divisor;
                for (int64_t w = 0; w < ww.end - ww.begin; ++w) line[w] += v;
              } else {
                for (int64_t w = 0; w < ww.end - ww.begin; ++w, line += channels)
                  for (int64_t c = 0; c < channels; ++c) line[c] += widen(dy[at + c]) / divisor;
              }
            }
        }
      }
    if ((void*)block != (void*)(dx + x_at)) store_block(g, block, dx + x_at, channels);
  });
}

// ---------------------------------------------------------------------------------------------- average, forward

template <class T>
void avg_forward_of(const PoolDesc& g, bool adaptive, const T* x, T* y) {
  using V = Wide<T>;
  const bool inside_out = channels_inside(g);
  constexpr int64_t B = 64;
  const int64_t step = inside_out ? B : 1, shares = ceil_div(g.c, step), lines = g.out[0] * g.out[1];
  const double window = adaptive ? double(g.in[0] * g.in[1] * g.in[2]) / double(most(1, lines * g.out[2])) + 1
                                 : double(g.kernel[0] * g.kernel[1] * g.kernel[2]);
  parallel_for(g.n * shares * lines, double(g.out[2] * step) * (window * 0.3 + 1), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / (shares * lines), c0 = item / lines % shares * step, m = least(step, g.c - c0);
      const int64_t od = item % lines / g.out[1], oh = item % g.out[1];
      const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
      const T* plane = x + n * g.x_stride[0] + c0 * g.x_stride[1];
      T* to = y + n * g.y_stride[0] + c0 * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
      for (int64_t ow = 0; ow < g.out[2]; ++ow, to += g.y_stride[4]) {
        const Window ww = window_of(g, 2, ow, adaptive);
        const int64_t width = ww.end - ww.begin, inside = (wd.end - wd.begin) * (wh.end - wh.begin) * width;
        const V divisor = V(g.divisor_override ? g.divisor_override : g.count_include_pad ? wd.size * wh.size * ww.size : inside);
        V sum[B];
        for (int64_t c = 0; c < m; ++c) sum[c] = V(0);
        for (int64_t d = wd.begin; d < wd.end; ++d)
          for (int64_t h = wh.begin; h < wh.end; ++h) {
            const T* p = plane + d * g.x_stride[2] + h * g.x_stride[3] + ww.begin * g.x_stride[4];
            if (inside_out) {
              for (int64_t w = 0; w < width; ++w, p += g.x_stride[4])
                for (int64_t c = 0; c < m; ++c) sum[c] += widen(p[c]);
            } else if (width >= 16 && g.x_stride[4] == 1) {
              V part[16] = {};
              int64_t w = 0;
              for (; w + 16 <= width; w += 16)
                for (int l = 0; l < 16; ++l) part[l] += widen(p[w + l]);
              for (; w < width; ++w) part[0] += widen(p[w]);
              for (int half = 8; half; half /= 2)
                for (int l = 0; l < half; ++l) part[l] += part[l + half];
              sum[0] += part[0];
            } else {
              V line = V(0);
              for (int64_t w = 0; w < width; ++w) line += widen(p[w * g.x_stride[4]]);
              sum[0] += line;
            }
          }
        for (int64_t c = 0; c < m; ++c) to[c] = Narrow<T, V>::of(inside > 0 ? sum[c] / divisor : V(0));
      }
    }
  });
}

template <bool adaptive>
void avg_forward_any(const PoolDesc& g, const void* x, void* y) {
  switch (g.dtype) {
    case DType::Float32: return avg_forward_of<float>(g, adaptive, (const float*)x, (float*)y);
    case DType::Float64: return avg_forward_of<double>(g, adaptive, (const double*)x, (double*)y);
    case DType::BFloat16: return avg_forward_of<BFloat16>(g, adaptive, (const BFloat16*)x, (BFloat16*)y);
    case DType::Float16: return avg_forward_of<Half>(g, adaptive, (const Half*)x, (Half*)y);
    case DType::Int64: return avg_forward_of<Plain<int64_t>>(g, adaptive, (const Plain<int64_t>*)x, (Plain<int64_t>*)y);
    default: return;  // the operator layer admits no other type
  }
}

template <bool adaptive>
void avg_backward_any(const PoolDesc& g, const void* dy, void* dx) {
  switch (g.dtype) {
    case DType::Float32: return avg_backward_of<float>(g, adaptive, (const float*)dy, (float*)dx);
    case DType::Float64: return avg_backward_of<double>(g, adaptive, (const double*)dy, (double*)dx);
    case DType::BFloat16: return avg_backward_of<BFloat16>(g, adaptive, (const BFloat16*)dy, (BFloat16*)dx);
    case DType::Float16: return avg_backward_of<Half>(g, adaptive, (const Half*)dy, (Half*)dx);
    default: return;
  }
}

void max_backward(const PoolDesc& g, const void* dy, const int64_t* indices, void* dx) {
  switch (g.dtype) {
    case DType::Float32: return max_backward_of(g, (const float*)dy, indices, (float*)dx);
    case DType::Float64: return max_backward_of(g, (const double*)dy, indices, (double*)dx);
    case DType::BFloat16: return max_backward_of(g, (const BFloat16*)dy, indices, (BFloat16*)dx);
    case DType::Float16: return max_backward_of(g, (const Half*)dy, indices, (Half*)dx);
    default: return;
  }
}

}  // namespace

extern const PoolKernels pool_kernels;
const PoolKernels pool_kernels = {max_forward_any<false>, max_backward, avg_forward_any<false>, avg_backward_any<false>,
                                  max_forward_any<true>, avg_forward_any<true>, avg_backward_any<true>};

}  // namespace fl::cpu::FL_ISA
