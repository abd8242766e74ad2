// Correlation with few outputs a group: vectors run along the width of padded planes, so that no lane is wasted on
// outputs that do not exist. And depthwise correlation (each channel on its own) with the channels innermost, where
// vectors run along them.
#include "kernels/cpu/conv_core.h"

namespace fl::cpu::FL_ISA {
namespace {

// R rows x M output channels x NV vectors of pixels. w: [tap][M].
template <class T, int R, int M, int NV>
void plane_tile(const Correlation<T>& p, int64_t taps, const int64_t* offset, const T* w, const T* x, int64_t x_line,
                const T* bias, T* y, int64_t n) {
  constexpr int W = Vec<T>::W;
  using V = typename Vec<T>::type;
  V sum[R][M][NV];
  FL_UNROLL for (int i = 0; i < R; ++i) {
    FL_UNROLL for (int k = 0; k < M; ++k) {
      FL_UNROLL for (int j = 0; j < NV; ++j) sum[i][k][j] = V{} + (bias ? bias[k] : T(0));
    }
  }
  for (int64_t t = 0; t < taps; ++t, w += M) {
    const T* q = x + offset[t];
    FL_UNROLL for (int i = 0; i < R; ++i) {
      V v[NV];
      FL_UNROLL for (int j = 0; j < NV; ++j) v[j] = load(q + i * x_line + j * W);
      FL_UNROLL for (int k = 0; k < M; ++k) {
        FL_UNROLL for (int j = 0; j < NV; ++j) sum[i][k][j] += w[k] * v[j];
      }
    }
  }
  FL_UNROLL for (int i = 0; i < R; ++i) {
    FL_UNROLL for (int k = 0; k < M; ++k) {
      FL_UNROLL for (int j = 0; j < NV; ++j) {
        const int64_t left = n - j * W;
        if (left <= 0) continue;
        V v = sum[i][k][j];
        if (p.relu) v = v < T(0) ? V{} : v;
        T* q = y + i * p.y_stride[3] + k * p.y_stride[1] + j * W * p.y_stride[4];
        if (p.y_stride[4] != 1) {
          T lanes[W];
          store(lanes, v);
          for (int64_t l = 0; l < least(W, left); ++l) q[l * p.y_stride[4]] = lanes[l];
        } else if (left >= W) {
          store(q, v);
        } else {
          store_n(q, v, int(left));
        }
      }
    }
  }
}

// One output row group: M channels, all columns, `rows` rows (R at a time).
template <class T, int R, int M>
void plane_rows(const Correlation<T>& p, int64_t rows, int64_t taps, const int64_t* offset, const T* w, const T* x,
                int64_t x_line, const T* bias, T* y) {
  constexpr int W = Vec<T>::W;
  for (int64_t r = 0; r < rows;) {
    const bool full = rows - r >= R;
    for (int64_t q = 0; q < p.out[2];) {
      const int64_t left = p.out[2] - q;
      const T* a = x + r * x_line + q;
      T* b = y + r * p.y_stride[3] + q * p.y_stride[4];
      if (left > W) {
        if (full) plane_tile<T, R, M, 2>(p, taps, offset, w, a, x_line, bias, b, left);
        else plane_tile<T, 1, M, 2>(p, taps, offset, w, a, x_line, bias, b, left);
        q += 2 * W;
      } else {
        if (full) plane_tile<T, R, M, 1>(p, taps, offset, w, a, x_line, bias, b, left);
        else plane_tile<T, 1, M, 1>(p, taps, offset, w, a, x_line, bias, b, left);
        q += W;
      }
    }
    r += full ? R : 1;
  }
}

template <class T>
void planes(const Correlation<T>& p) {
  constexpr int W = Vec<T>::W, M = 4;
  const int64_t channels = p.c / p.groups, outputs = p.k / p.groups, area = p.taps[0] * p.taps[1] * p.taps[2],
                taps = area * channels;
  auto span = [&](int d, int64_t outs) {
    return area ? (outs - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1 : 0;
  };
  const int64_t row_in = most(1, most(1, p.taps[0]) * span(2, p.out[2]) * channels * p.stride[1]);
  int64_t rows = most(1, least(p.out[1], (192 << 10) / int64_t(sizeof(T)) / row_in));
  const int64_t images = p.n * p.groups * p.out[0];
  if (images * ceil_div(p.out[1], rows) < 2 * num_threads())
    rows = most(1, least(rows, p.out[1] * images / (2 * num_threads())));
  const int64_t blocks = ceil_div(p.out[1], rows);
  rows = ceil_div(p.out[1], blocks);
  PlaneBox box;
  box.size[0] = area ? (p.taps[0] - 1) * p.dilation[0] + 1 : 0, box.size[1] = span(1, rows),
  box.size[2] = span(2, p.out[2]);
  box.set(p.stride[2], p.x);
  int64_t* offset =
      (int64_t*)scratch(Scratch::Weight, size_t(taps + 8) * sizeof(int64_t) + size_t(p.k * taps) * sizeof(T));
  T* packed = (T*)(offset + taps + 8);
  plane_offsets(p, box, channels, offset);
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t k = 0; k < outputs; ++k) {
      const int64_t k0 = k / M * M, width = least(M, outputs - k0);
      const T* from = p.w + g * p.w_group + k * p.w_stride[0];
      T* to = packed + (g * outputs + k0) * taps + (k - k0);
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t d = 0; d < p.taps[0]; ++d)
          for (int64_t h = 0; h < p.taps[1]; ++h)
            for (int64_t t = 0; t < p.taps[2]; ++t, to += width)
              *to = from[c * p.w_stride[1] + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]];
    }
  const double pixels = double(rows * p.out[2]);
  const double ns = pixels * double(taps) * double(outputs) * 0.3 * sizeof(T) / FL_VB +
                    pixels * double(channels + outputs) * 0.3 + 50;
  parallel_for(images * blocks, ns, [&](int64_t begin, int64_t end) {
    T* x = (T*)scratch(Scratch::Input, size_t(channels * box.plane + 4 * box.line + 4 * W) * sizeof(T));
    T* raw = (T*)scratch(Scratch::Output, size_t((channels + 1) * box.size[2] + 4 * W) * sizeof(T));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t r0 = task % blocks * rows, od = task / blocks % p.out[0], item = task / blocks / p.out[0];
      const int64_t n = item / p.groups, g = item % p.groups, count = least(rows, p.out[1] - r0);
      const int64_t start[3] = {od * p.stride[0] - p.pad[0], r0 * p.stride[1] - p.pad[1], -p.pad[2]};
      gather_planes(x, raw, p.x + n * p.x_stride[0] + g * channels * p.x_stride[1], p.in, p.x_stride, channels, start,
                    box, p.stride[2]);
      T* y = p.y + n * p.y_stride[0] + g * outputs * p.y_stride[1] + od * p.y_stride[2] + r0 * p.y_stride[3];
      const int64_t line = p.stride[1] * box.line;
      for (int64_t k = 0; k < outputs; k += M) {
        const T *w = packed + (g * outputs + k) * taps, *bias = p.bias ? p.bias + g * outputs + k : nullptr;
        T* to = y + k * p.y_stride[1];
        switch (least(M, outputs - k)) {
          case 4: plane_rows<T, 2, 4>(p, count, taps, offset, w, x, line, bias, to); break;
          case 3: plane_rows<T, 2, 3>(p, count, taps, offset, w, x, line, bias, to); break;
          case 2: plane_rows<T, 2, 2>(p, count, taps, offset, w, x, line, bias, to); break;
          default: plane_rows<T, 4, 1>(p, count, taps, offset, w, x, line, bias, to);
        }
      }
    }
  });
}

// Channels innermost. A pixel's taps that fall outside are left out.
template <class T>
void depthwise_channels(const Correlation<T>& p) {
  constexpr int W = Vec<T>::W;
  using V = typename Vec<T>::type;
  const int64_t taps = p.taps[0] * p.taps[1] * p.taps[2], padded = ceil_div(p.c, W) * W;
  T* packed = (T*)scratch(Scratch::Weight, size_t((taps + 1) * padded) * sizeof(T));
  T* bias = packed + taps * padded;
  for (int64_t c = 0; c < padded; ++c) bias[c] = p.bias && c < p.c ? p.bias[c] : T(0);
  for (int64_t d = 0, k = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < p.taps[2]; ++t, ++k)
        for (int64_t c = 0; c < padded; ++c)
          packed[k * padded + c] =
              c < p.c ? p.w[c * p.w_group + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]] : T(0);
  // Taps [first, end) of a dimension for the output at position o.
  auto inside = [&](int d, int64_t o, int64_t& first, int64_t& end) {
    const int64_t at = o * p.stride[d] - p.pad[d], step = p.dilation[d];
    first = at < 0 ? least(p.taps[d], ceil_div(-at, step)) : 0;
    end = at >= p.in[d] ? first : most(first, least(p.taps[d], ceil_div(p.in[d] - at, step)));
  };
  const int64_t lines = p.out[0] * p.out[1];
  parallel_for(p.n * lines, double(p.out[2] * p.c) * (0.1 * double(taps) + 0.2), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / lines, od = item % lines / p.out[1], oh = item % p.out[1];
      int64_t d0, d1, h0, h1;
      inside(0, od, d0, d1);
      inside(1, oh, h0, h1);
      for (int64_t q = 0; q < p.out[2]; ++q) {
        int64_t t0, t1;
        inside(2, q, t0, t1);
        const T* x = p.x + image * p.x_stride[0] + (od * p.stride[0] - p.pad[0]) * p.x_stride[2] +
                     (oh * p.stride[1] - p.pad[1]) * p.x_stride[3] + (q * p.stride[2] - p.pad[2]) * p.x_stride[4];
        T* y = p.y + image * p.y_stride[0] + od * p.y_stride[2] + oh * p.y_stride[3] + q * p.y_stride[4];
        auto tile = [&](auto vectors, int64_t c, int n) {
          constexpr int NV = decltype(vectors)::value;
          V sum[NV];
          FL_UNROLL for (int j = 0; j < NV; ++j) sum[j] = load(bias + c + j * W);
          for (int64_t d = d0; d < d1; ++d)
            for (int64_t h = h0; h < h1; ++h)
              for (int64_t t = t0; t < t1; ++t) {
                const T* a = x + d * p.dilation[0] * p.x_stride[2] + h * p.dilation[1] * p.x_stride[3] +
                             t * p.dilation[2] * p.x_stride[4] + c;
                const T* w = packed + ((d * p.taps[1] + h) * p.taps[2] + t) * padded + c;
                FL_UNROLL for (int j = 0; j < NV; ++j)
                    sum[j] += (n == W ? load(a + j * W) : load_n(a, n)) * load(w + j * W);
              }
          FL_UNROLL for (int j = 0; j < NV; ++j) {
            if (p.relu) sum[j] = sum[j] < T(0) ? V{} : sum[j];
            if (n == W) store(y + c + j * W, sum[j]);
            else store_n(y + c, sum[j], n);
          }
        };
        int64_t c = 0;
        for (; c + 4 * W <= p.c; c += 4 * W) tile(std::integral_constant<int, 4>{}, c, W);
        for (; c < p.c; c += W) tile(std::integral_constant<int, 1>{}, c, int(least(W, p.c - c)));
      }
    }
  });
}

template <class T>
void planes_or_channels(const Correlation<T>& p) {
  if (p.c == p.groups && p.k == p.groups && p.x_stride[1] == 1 && p.y_stride[1] == 1 && p.c > 1)
    depthwise_channels(p);
  else
    planes(p);
}

}  // namespace

void correlate_planes(const Correlation<float>& p) { planes_or_channels(p); }
void correlate_planes(const Correlation<double>& p) { planes_or_channels(p); }

}  // namespace fl::cpu::FL_ISA
