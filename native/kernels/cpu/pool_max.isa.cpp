// Max pooling and its gradient.
#include "kernels/cpu/pool_common.h"

namespace fl::cpu::FL_ISA {
namespace {

// What the maximum starts from; with dilation and padding a window may meet no element at all, and this is then the
// result.
template <class V>
FL_INLINE V lowest() {
  if constexpr (V(0.5) != V(0)) return -V(__builtin_inff());
  else return V(V(1) << (sizeof(V) * 8 - 2)) * V(-2);
}
// For uint8_t, int8_t and int16_t the result is the narrow type's own lowest value.
template <class T>
FL_INLINE Wide<T> lowest_of() {
  if constexpr (sizeof(T) == sizeof(Wide<T>) || Wide<T>(0.5) != Wide<T>(0)) return lowest<Wide<T>>();
  else return T(-1) > T(0) ? 0 : -(Wide<T>(1) << (sizeof(T) * 8 - 1));
}

// The position vectors that go with a vector of V: signed integers of the same width.
template <class V> struct PositionOf {
  using type = int32_t;
};
template <> struct PositionOf<double> {
  using type = int64_t;
};
template <> struct PositionOf<int64_t> {
  using type = int64_t;
};

template <class V>
struct Best {
  using Values = typename Vec<V>::type;
  using Position = typename PositionOf<V>::type;
  using Positions = typename Vec<Position>::type;
  Values value;
  Positions at;
  FL_INLINE void take(Values v, Positions where) {
    const auto wins = (v > value) | (v != v);
    value = wins ? v : value;
    at = wins ? where : at;
  }
};

typedef int32_t HalfWords __attribute__((vector_size(FL_VB / 2)));
typedef int64_t Longs __attribute__((vector_size(FL_VB)));
FL_INLINE void store_indices(int64_t* to, int64_t step, Vec<int64_t>::type at, int n) {
  constexpr int W = Vec<int64_t>::W;
  if (step == 1) {
    if (n == W) store(to, at);
    else store_n(to, at, n);
    return;
  }
  for (int l = 0; l < n; ++l) to[l * step] = at[l];
}
FL_INLINE void store_indices(int64_t* to, int64_t step, Vec<int32_t>::type at, int n) {
  constexpr int W = Vec<int64_t>::W;
  HalfWords half[2];
  __builtin_memcpy(half, &at, sizeof at);
  const Longs low = __builtin_convertvector(half[0], Longs), high = __builtin_convertvector(half[1], Longs);
  store_indices(to, step, low, n < W ? n : W);
  if (n > W) store_indices(to + W * step, step, high, n - W);
}

// Vectors along the channels.
template <class T>
void max_channels(const PoolDesc& g, bool adaptive, const T* x, T* y, int64_t* indices) {
  using V = Wide<T>;
  using P = typename Best<V>::Position;
  constexpr int W = Vec<V>::W;
  const int64_t lines = g.out[0] * g.out[1];
  parallel_for(g.n * lines, double(g.out[2] * g.c) * window_area(g, adaptive) * 0.1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / lines, od = item % lines / g.out[1], oh = item % g.out[1];
      const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
      for (int64_t ow = 0; ow < g.out[2]; ++ow) {
        const Window ww = window_of(g, 2, ow, adaptive);
        const int64_t to = n * g.y_stride[0] + od * g.y_stride[2] + oh * g.y_stride[3] + ow * g.y_stride[4];
        const P first = P((wd.begin * g.in[1] + wh.begin) * g.in[2] + ww.begin);
        auto tile = [&](auto vectors, int64_t c, int m) {
          constexpr int NV = decltype(vectors)::value;
          Best<V> best[NV];
          FL_UNROLL for (int j = 0; j < NV; ++j) {
            best[j].value = typename Best<V>::Values{} + lowest_of<T>();
            best[j].at = typename Best<V>::Positions{} + first;
          }
          for (int64_t d = wd.begin; d < wd.end; d += wd.step)
            for (int64_t h = wh.begin; h < wh.end; h += wh.step) {
              const T* p = x + n * g.x_stride[0] + d * g.x_stride[2] + h * g.x_stride[3] + ww.begin * g.x_stride[4] + c;
              P at = P((d * g.in[1] + h) * g.in[2] + ww.begin);
              for (int64_t w = ww.begin; w < ww.end; w += ww.step, p += ww.step * g.x_stride[4], at += P(ww.step)) {
                FL_UNROLL for (int j = 0; j < NV; ++j)
                    best[j]
                        .take(load_wide(p + j * W, m), typename Best<V>::Positions{} + at);
              }
            }
          FL_UNROLL for (int j = 0; j < NV; ++j) {
            store_narrow(y + to + c + j * W, best[j].value, m);
            if (indices) store_indices(indices + to + c + j * W, 1, best[j].at, m);
          }
        };
        int64_t c = 0;
        for (; c + 4 * W <= g.c; c += 4 * W) tile(std::integral_constant<int, 4>{}, c, W);
        for (; c < g.c; c += W) tile(std::integral_constant<int, 1>{}, c, int(least(W, g.c - c)));
      }
    }
  });
}

// Vectors along the width of a plane that is padded with the lowest value.
template <class T>
void max_planes(const PoolDesc& g, const T* x, T* y, int64_t* indices) {
  using V = Wide<T>;
  using P = typename Best<V>::Position;
  using Values = typename Best<V>::Values;
  using Positions = typename Best<V>::Positions;
  constexpr int W = Vec<V>::W;
  const RowShape s = row_shape<V>(g);
  const int64_t rows = g.in[0] * g.in[1];
  const double ns =
      double(rows * s.columns) * 0.15 + double(g.out[0] * g.out[1] * g.out[2]) * (0.1 * window_area(g, false) + 0.3);
  Positions lane;
  for (int l = 0; l < W; ++l) lane[l] = P(l * g.stride[2]);
  parallel_for(g.n * g.c, ns, [&](int64_t begin, int64_t end) {
    const int64_t* tap = tap_columns(g, s);
    V* plane = (V*)scratch(Scratch::Input, size_t(rows * s.line + 4 * W) * sizeof(V));
    V* raw = (V*)scratch(Scratch::Output, size_t(s.columns + 4 * W) * sizeof(V) + size_t(g.out[2] + W) * sizeof(P));
    P* first = (P*)(raw + ceil_div(s.columns + 3 * W, W) * W);  // the first column inside of each window
    for (int64_t q = 0; q < g.out[2]; ++q) first[q] = P(window_of(g, 2, q, false).begin);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / g.c, c = item % g.c;
      const T* from = x + n * g.x_stride[0] + c * g.x_stride[1];
      for (int64_t d = 0; d < g.in[0]; ++d)
        for (int64_t h = 0; h < g.in[1]; ++h)
          spread_row(plane + (d * g.in[1] + h) * s.line, raw, from + d * g.x_stride[2] + h * g.x_stride[3],
                     g.x_stride[4], g, s, lowest_of<T>());
      for (int64_t od = 0; od < g.out[0]; ++od)
        for (int64_t oh = 0; oh < g.out[1]; ++oh) {
          const Window wd = window_of(g, 0, od, false), wh = window_of(g, 1, oh, false);
          const int64_t to = n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
          for (int64_t q = 0; q < g.out[2]; q += W) {
            const int m = int(least(W, g.out[2] - q));
            Best<V> best;
            best.value = Values{} + lowest_of<T>();
            best.at = (m == W ? load(first + q) : load_n(first + q, m)) + P((wd.begin * g.in[1] + wh.begin) * g.in[2]);
            for (int64_t d = wd.begin; d < wd.end; d += wd.step)
              for (int64_t h = wh.begin; h < wh.end; h += wh.step) {
                const int64_t row = d * g.in[1] + h;
                const V* p = plane + row * s.line + q;
                const Positions at = lane + P(row * g.in[2] + q * g.stride[2] - g.pad[2]);
                for (int64_t t = 0; t < g.kernel[2]; ++t)
                  best.take(load(p + tap[t]), at + P(t * g.dilation[2]));
              }
            if (g.y_stride[4] == 1) {
              store_narrow(y + to + q, best.value, m);
            } else {
              alignas(FL_VB) V lanes[W];
              store(lanes, best.value);
              for (int l = 0; l < m; ++l) y[to + (q + l) * g.y_stride[4]] = narrowed<T>(lanes[l]);
            }
            if (indices) store_indices(indices + to + q * g.y_stride[4], g.y_stride[4], best.at, m);
          }
        }
    }
  });
}

// Windows two wide and two apart, no padding along the width: two vectors of a row hold what one vector of results
// compares, and the rows are read where they lie.
template <class T>
void max_pairs(const PoolDesc& g, const T* x, T* y, int64_t* indices) {
  using P = typename Best<T>::Position;
  constexpr int W = Vec<T>::W;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  typename Best<T>::Positions twice;
  for (int l = 0; l < W; ++l) twice[l] = P(2 * l);
  const int64_t lines = g.out[0] * g.out[1];
  const double ns = double(lines) * double(ceil_div(g.out[2], W)) * (1 + double(g.kernel[0] * g.kernel[1]));
  parallel_for(g.n * g.c, ns, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / g.c, c = item % g.c;
      const T* from = x + n * g.x_stride[0] + c * g.x_stride[1];
      for (int64_t od = 0; od < g.out[0]; ++od)
        for (int64_t oh = 0; oh < g.out[1]; ++oh) {
          const Window wd = window_of(g, 0, od, false), wh = window_of(g, 1, oh, false);
          const int64_t to = n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
          for (int64_t q = 0; q < g.out[2]; q += W) {
            const int m = int(least(W, g.out[2] - q));
            const auto columns = twice + P(2 * q);
            Best<T> best;
            best.value = typename Best<T>::Values{} + lowest_of<T>();
            best.at = columns + P((wd.begin * g.in[1] + wh.begin) * g.in[2]);
            for (int64_t d = wd.begin; d < wd.end; d += wd.step)
              for (int64_t h = wh.begin; h < wh.end; h += wh.step) {
                const T* p = from + d * g.x_stride[2] + h * g.x_stride[3] + 2 * q;
                const auto low = 2 * m >= W ? load(p) : load_n(p, 2 * m);
                const auto high = m == W ? load(p + W) : 2 * m > W ? load_n(p + W, 2 * m - W)
                                                                   : typename Best<T>::Values{};
                const auto at = columns + P((d * g.in[1] + h) * g.in[2]);
                best.take(second_of<T, 0>(low, high, lanes), at);
                best.take(second_of<T, 1>(low, high, lanes), at + P(1));
              }
            if (m == W) store(y + to + q, best.value);
            else store_n(y + to + q, best.value, m);
            if (indices) store_indices(indices + to + q, 1, best.at, m);
          }
        }
    }
  });
}

// One output after the other: adaptive windows, and planes too large for 32-bit positions.
template <class T>
void max_each(const PoolDesc& g, bool adaptive, const T* x, T* y, int64_t* indices) {
  const int64_t lines = g.out[0] * g.out[1];
  parallel_for(g.n * g.c * lines, double(g.out[2]) * window_area(g, adaptive), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t nc = item / lines, n = nc / g.c, c = nc % g.c, od = item % lines / g.out[1], oh = item % g.out[1];
      const T* plane = x + n * g.x_stride[0] + c * g.x_stride[1];
      const int64_t to = n * g.y_stride[0] + c * g.y_stride[1] + od * g.y_stride[2] + oh * g.y_stride[3];
      const Window wd = window_of(g, 0, od, adaptive), wh = window_of(g, 1, oh, adaptive);
      for (int64_t ow = 0; ow < g.out[2]; ++ow) {
        const Window ww = window_of(g, 2, ow, adaptive);
        Wide<T> best = lowest_of<T>();
        int64_t index = (wd.begin * g.in[1] + wh.begin) * g.in[2] + ww.begin;
        for (int64_t d = wd.begin; d < wd.end; d += wd.step)
          for (int64_t h = wh.begin; h < wh.end; h += wh.step)
            for (int64_t w = ww.begin; w < ww.end; w += ww.step) {
              const Wide<T> v = widened(plane[d * g.x_stride[2] + h * g.x_stride[3] + w * g.x_stride[4]]);
              if (v > best || v != v) best = v, index = (d * g.in[1] + h) * g.in[2] + w;
            }
        y[to + ow * g.y_stride[4]] = narrowed<T>(best);
        if (indices) indices[to + ow * g.y_stride[4]] = index;
      }
    }
  });
}

bool pairs(const PoolDesc& g) {
  return g.kernel[2] == 2 && g.stride[2] == 2 && g.pad[2] == 0 && g.dilation[2] == 1 && 2 * g.out[2] <= g.in[2] &&
         g.x_stride[4] == 1 && g.y_stride[4] == 1;
}

template <class T>
void max_of(const PoolDesc& g, bool adaptive, const void* x, void* y, int64_t* indices) {
  if (g.n * g.c * g.out[0] * g.out[1] * g.out[2] == 0) return;
  const bool small = (g.in[0] + 1) * (g.in[1] + 1) * (g.in[2] + 1) < (int64_t(1) << 31);
  if (small && channels_inside(g)) max_channels(g, adaptive, (const T*)x, (T*)y, indices);
  else if (small && !adaptive && pairs(g)) {
    if constexpr (sizeof(T) == sizeof(Wide<T>)) max_pairs(g, (const T*)x, (T*)y, indices);
    else max_planes(g, (const T*)x, (T*)y, indices);
  } else if (small && !adaptive) max_planes(g, (const T*)x, (T*)y, indices);
  else max_each(g, adaptive, (const T*)x, (T*)y, indices);
}

template <class T>
void max_backward_of(const PoolDesc& g, const T* dy, const int64_t* indices, T* dx) {
  const int64_t area = g.in[0] * g.in[1] * g.in[2];
  const double ns = double(area) * 0.1 + double(g.out[0] * g.out[1] * g.out[2]) * 1.0;
  each_plane(g, ns, [&](int64_t x_at, int64_t y_at, int64_t channels) {
    const GradientBlock<T> b = open_block(g, dx + x_at, channels, true);
    Wide<T>* const data = b.data;
    const int64_t pixel = b.pixel, step = g.y_stride[4];
    for (int64_t d = 0; d < g.out[0]; ++d)
      for (int64_t h = 0; h < g.out[1]; ++h) {
        const int64_t row = y_at + d * g.y_stride[2] + h * g.y_stride[3];
        const T* from = dy + row;
        const int64_t* index = indices + row;
        // An index outside the plane is that of a window that met no element.
        if (channels == 1) {
          for (int64_t w = 0; w < g.out[2]; ++w) {
            const int64_t i = index[w * step];
            if (uint64_t(i) < uint64_t(area)) data[i * pixel] += widened(from[w * step]);
          }
        } else {
          for (int64_t w = 0; w < g.out[2]; ++w, from += step, index += step)
            for (int64_t c = 0; c < channels; ++c)
              if (uint64_t(index[c]) < uint64_t(area)) data[index[c] * pixel + c] += widened(from[c]);
        }
      }
    close_block(g, b, dx + x_at, channels);
  });
}

}  // namespace

void max_pool(const PoolDesc& g, bool adaptive, const void* x, void* y, int64_t* indices) {
  switch (g.dtype) {
    case DType::Float32: return max_of<float>(g, adaptive, x, y, indices);
    case DType::Float64: return max_of<double>(g, adaptive, x, y, indices);
    case DType::BFloat16: return max_of<BFloat16>(g, adaptive, x, y, indices);
    case DType::Float16: return max_of<Half>(g, adaptive, x, y, indices);
    case DType::UInt8: return max_of<uint8_t>(g, adaptive, x, y, indices);
    case DType::Int8: return max_of<int8_t>(g, adaptive, x, y, indices);
    case DType::Int16: return max_of<int16_t>(g, adaptive, x, y, indices);
    case DType::Int32: return max_of<int32_t>(g, adaptive, x, y, indices);
    case DType::Int64: return max_of<int64_t>(g, adaptive, x, y, indices);
    default: return;  // the operator layer admits no other type
  }
}

void max_pool_backward(const PoolDesc& g, const void* dy, const int64_t* indices, void* dx) {
  switch (g.dtype) {
    case DType::Float32: return max_backward_of(g, (const float*)dy, indices, (float*)dx);
    case DType::Float64: return max_backward_of(g, (const double*)dy, indices, (double*)dx);
    case DType::BFloat16: return max_backward_of(g, (const BFloat16*)dy, indices, (BFloat16*)dx);
    case DType::Float16: return max_backward_of(g, (const Half*)dy, indices, (Half*)dx);
    default: return;
  }
}

}  // namespace fl::cpu::FL_ISA
