// What the pooling sources share: windows, the types values are compared and summed in, and padded planes. Included by
// *.isa.cpp sources only.
#pragma once
#include "base/parallel.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/pool.h"
#include "kernels/cpu/scratch.h"

#include <type_traits>

namespace fl::cpu::FL_ISA {

void max_pool(const PoolDesc&, bool adaptive, const void* x, void* y, int64_t* indices);
void max_pool_backward(const PoolDesc&, const void* dy, const int64_t* indices, void* dx);
void avg_pool(const PoolDesc&, bool adaptive, const void* x, void* y);
void avg_pool_backward(const PoolDesc&, bool adaptive, const void* dy, void* dx);

namespace {

// Integers as signed 32 or 64 bits, the reduced floats as float.
template <class T> struct WideOf {
  using type = T;
};
template <> struct WideOf<Half> {
  using type = float;
};
template <> struct WideOf<BFloat16> {
  using type = float;
};
template <> struct WideOf<uint8_t> {
  using type = int32_t;
};
template <> struct WideOf<int8_t> {
  using type = int32_t;
};
template <> struct WideOf<int16_t> {
  using type = int32_t;
};
template <class T> using Wide = typename WideOf<T>::type;

template <class T>
FL_INLINE Wide<T> widened(T v) {
  if constexpr (sizeof(T) == sizeof(Wide<T>)) return v;
  else return Wide<T>(widen(v));
}
template <class T>
FL_INLINE T narrowed(Wide<T> v) {
  if constexpr (sizeof(T) == sizeof(Wide<T>)) return v;
  else return Narrow<T, Wide<T>>::of(v);
}

typedef uint16_t HalfShorts __attribute__((vector_size(FL_VB / 2), aligned(2), may_alias));
typedef uint32_t Words __attribute__((vector_size(FL_VB)));

// n (at most a vector) neighbours, widened.
template <class T>
FL_INLINE typename Vec<Wide<T>>::type load_wide(const T* p, int n) {
  constexpr int W = Vec<Wide<T>>::W;
  if constexpr (sizeof(T) == sizeof(Wide<T>)) {
    return n == W ? load(p) : load_n(p, n);
  } else {
    if constexpr (std::is_same_v<T, BFloat16>) {
      if (n == W) return (Vec<float>::type)(__builtin_convertvector(*(const HalfShorts*)p, Words) << 16);
    }
    alignas(FL_VB) Wide<T> lanes[W] = {};
    if (n == W)
      for (int l = 0; l < W; ++l) lanes[l] = widened(p[l]);
    else
      for (int l = 0; l < n; ++l) lanes[l] = widened(p[l]);
    return load(lanes);
  }
}
template <class T>
FL_INLINE void store_narrow(T* p, typename Vec<Wide<T>>::type v, int n) {
  constexpr int W = Vec<Wide<T>>::W;
  if constexpr (sizeof(T) == sizeof(Wide<T>)) {
    if (n == W) store(p, v);
    else store_n(p, v, n);
  } else {
    if constexpr (std::is_same_v<T, BFloat16>) {
      if (n == W) {
        const Words x = (Words)v, rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
        *(HalfShorts*)p =
            __builtin_convertvector((x & 0x7fffffff) > 0x7f800000 ? Words{} + 0x7fc0 : rounded, HalfShorts);
        return;
      }
    }
    alignas(FL_VB) Wide<T> lanes[W];
    store(lanes, v);
    if (n == W)
      for (int l = 0; l < W; ++l) p[l] = narrowed<T>(lanes[l]);
    else
      for (int l = 0; l < n; ++l) p[l] = narrowed<T>(lanes[l]);
  }
}

// Positions [begin, end) of the input in one dimension, step apart, that output o covers; `size` counts padding as
// avg_pool does.
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
  return {begin, most(begin, least(end, g.in[d])), step, size};
}

FL_INLINE bool channels_inside(const PoolDesc& g) { return g.x_stride[1] == 1 && g.y_stride[1] == 1 && g.c > 1; }
FL_INLINE double window_area(const PoolDesc& g, bool adaptive) {
  if (!adaptive) return double(g.kernel[0] * g.kernel[1] * g.kernel[2]);
  return double(g.in[0] * g.in[1] * g.in[2]) / double(most(1, g.out[0] * g.out[1] * g.out[2])) + 1;
}

// One row of a plane with padding left and right, column i + pad at phase (i + pad) % stride: taps read neighbours for
// neighbours.
struct RowShape {
  int64_t columns, pitch, line;  // columns: padded; pitch: of a phase; line: of all
  int64_t stride;
  FL_INLINE int64_t at(int64_t i) const { return stride == 1 ? i : i % stride * pitch + i / stride; }
};
template <class V>
FL_INLINE RowShape row_shape(const PoolDesc& g) {
  constexpr int W = Vec<V>::W;
  RowShape s;
  s.stride = g.stride[2];
  s.columns = most((g.out[2] - 1) * g.stride[2] + (g.kernel[2] - 1) * g.dilation[2] + 1, g.pad[2] + g.in[2]);
  s.pitch = ceil_div(ceil_div(s.columns, s.stride), W) * W + W;
  s.line = s.pitch * s.stride;
  return s;
}

// Where the taps of a window lie in a row; in a scratch slot of the calling thread.
FL_INLINE const int64_t* tap_columns(const PoolDesc& g, const RowShape& s) {
  int64_t* at = (int64_t*)scratch(Scratch::Weight, size_t(g.kernel[2]) * sizeof(int64_t));
  for (int64_t t = 0; t < g.kernel[2]; ++t) at[t] = s.at(t * g.dilation[2]);
  return at;
}

template <class V, int phase, int... J>
FL_INLINE typename Vec<V>::type second_of(typename Vec<V>::type x, typename Vec<V>::type y,
                                          std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(x, y, (2 * J + phase)...);
}
template <class V, int half, int... J>
FL_INLINE typename Vec<V>::type alternate_of(typename Vec<V>::type x, typename Vec<V>::type y,
                                             std::integer_sequence<int, J...>) {
  constexpr int W = Vec<V>::W;
  return __builtin_shufflevector(x, y, (J % 2 * W + half * (W / 2) + J / 2)...);
}

// Lanes [first, last) from p[lane], the others `fill`. Only those elements are read; the range may be empty.
template <class T, class V = Wide<T>>
FL_INLINE typename Vec<V>::type load_range(const T* p, int64_t first, int64_t last, V fill) {
  constexpr int W = Vec<V>::W;
  if (first <= 0 && last >= W) return load_wide(p, W);
  first = first < 0 ? 0 : first, last = last > W ? W : last;
#if FL_VB == 64
  if constexpr (sizeof(T) == sizeof(V)) {
    typedef typename Vec<V>::type R;
    const unsigned mask = last > first ? ((1u << last) - 1) & ~((1u << first) - 1) : 0;
    if constexpr (sizeof(V) == 4) return (R)_mm512_mask_loadu_epi32((__m512i)(R{} + fill), (__mmask16)mask, p);
    else return (R)_mm512_mask_loadu_epi64((__m512i)(R{} + fill), (__mmask8)mask, p);
  }
#endif
  alignas(FL_VB) V lanes[W];
  for (int64_t l = 0; l < W; ++l) lanes[l] = fill;
  for (int64_t l = first; l < last; ++l) lanes[l] = widened(p[l]);
  return load(lanes);
}

// src row (n elements, `step` apart) into dst. `raw`: room for the columns and two vectors.
template <class T, class V = Wide<T>>
FL_INLINE void spread_row(V* dst, V* raw, const T* src, int64_t step, const PoolDesc& g, const RowShape& s, V fill) {
  constexpr int W = Vec<V>::W;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  const int64_t n = g.in[2], pad = g.pad[2];
  if (step == 1 && s.stride <= 2) {
    const T* p = src - pad;  // column 0
    const int64_t end = pad + n;
    if (s.stride == 1) {
      for (int64_t i = 0; i < s.columns; i += W) store(dst + i, load_range(p + i, pad - i, end - i, fill));
    } else {
      for (int64_t i = 0; 2 * i < s.columns; i += W) {
        const auto x = load_range(p + 2 * i, pad - 2 * i, end - 2 * i, fill);
        const auto y = load_range(p + 2 * i + W, pad - 2 * i - W, end - 2 * i - W, fill);
        store(dst + i, second_of<V, 0>(x, y, lanes));
        store(dst + s.pitch + i, second_of<V, 1>(x, y, lanes));
      }
    }
    return;
  }
  for (int64_t i = 0; i < s.columns; ++i) raw[i] = i >= pad && i < pad + n ? widened(src[(i - pad) * step]) : fill;
  for (int64_t i = 0; i < s.columns; ++i) dst[s.at(i)] = raw[i];
}

// The other way: a row that was summed in the padded, sorted order.
template <class T, class V = Wide<T>>
FL_INLINE void collect_row(T* dst, int64_t step, V* raw, const V* src, const PoolDesc& g, const RowShape& s) {
  constexpr int W = Vec<V>::W;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  const V* line = src;
  if (s.stride == 2) {
    for (int64_t i = 0; 2 * i < s.columns; i += W) {
      auto x = load(src + i), y = load(src + s.pitch + i);
      store(raw + 2 * i, alternate_of<V, 0>(x, y, lanes));
      store(raw + 2 * i + W, alternate_of<V, 1>(x, y, lanes));
    }
    line = raw;
  } else if (s.stride > 2) {
    for (int64_t i = 0; i < s.columns; ++i) raw[i] = src[s.at(i)];
    line = raw;
  }
  line += g.pad[2];
  if (step == 1)
    for (int64_t i = 0; i < g.in[2]; i += W) {
      const int m = int(least(W, g.in[2] - i));
      store_narrow(dst + i, m == W ? load(line + i) : load_n(line + i, m), m);
    }
  else
    for (int64_t i = 0; i < g.in[2]; ++i) dst[i * step] = narrowed<T>(line[i]);
}

// Calls f(x offset, y offset, channels): each (image, channel), or, channels innermost, a share of an image's channels,
// so that no two calls touch the same plane.
template <class F>
void each_plane(const PoolDesc& g, double ns_per_channel, F&& f) {
  const int64_t step = !channels_inside(g) ? 1 : g.n >= 2 * num_threads() ? g.c
                                                                          : 64,
                shares = ceil_div(g.c, step);
  parallel_for(g.n * shares, ns_per_channel * double(step), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / shares, c = item % shares * step;
      f(n * g.x_stride[0] + c * g.x_stride[1], n * g.y_stride[0] + c * g.y_stride[1], least(step, g.c - c));
    }
  });
}

// Where a gradient is summed: [pixel][channels] with a pixel's channels `pixel` apart. dx itself when it is dense and
// needs no conversion, else scratch, which close() writes out.
template <class T>
struct GradientBlock {
  Wide<T>* data;
  int64_t pixel;
  bool own;
};
template <class T>
GradientBlock<T> open_block(const PoolDesc& g, T* dx, int64_t channels, bool zero) {
  const int64_t area = g.in[0] * g.in[1] * g.in[2], sw = g.x_stride[4];
  const bool in_order =
      (g.in[1] == 1 || g.x_stride[3] == g.in[2] * sw) && (g.in[0] == 1 || g.x_stride[2] == g.in[1] * g.in[2] * sw);
  const bool in_place = sizeof(T) == sizeof(Wide<T>) && in_order && (channels == 1 ? sw == 1 : sw == g.c);
  GradientBlock<T> b = {(Wide<T>*)dx, in_place ? sw : channels, !in_place};
  if (!in_place) b.data = (Wide<T>*)scratch(Scratch::Output, size_t(area * channels) * sizeof(Wide<T>));
  if (zero) {
    if (b.pixel == channels) __builtin_memset(b.data, 0, size_t(area * channels) * sizeof(Wide<T>));
    else
      for (int64_t i = 0; i < area; ++i) __builtin_memset(b.data + i * b.pixel, 0, size_t(channels) * sizeof(Wide<T>));
  }
  return b;
}
template <class T>
void close_block(const PoolDesc& g, const GradientBlock<T>& b, T* dx, int64_t channels) {
  if (!b.own) return;
  const Wide<T>* from = b.data;
  for (int64_t d = 0; d < g.in[0]; ++d)
    for (int64_t h = 0; h < g.in[1]; ++h) {
      T* line = dx + d * g.x_stride[2] + h * g.x_stride[3];
      if (channels == 1 && g.x_stride[4] == 1) {
        for (int64_t w = 0; w < g.in[2]; ++w) line[w] = narrowed<T>(from[w]);
        from += g.in[2];
      } else {
        for (int64_t w = 0; w < g.in[2]; ++w, from += channels)
          for (int64_t c = 0; c < channels; ++c) line[w * g.x_stride[4] + c * g.x_stride[1]] = narrowed<T>(from[c]);
      }
    }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
