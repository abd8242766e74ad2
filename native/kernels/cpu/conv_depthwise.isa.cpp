// Depthwise correlation: each channel with a kernel of its own. Vectors run along the width of a padded plane, or along the channels
// when those are innermost.
#include "kernels/cpu/conv_core.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T, int phase, int... J>
FL_INLINE typename Vec<T>::type every_second(typename Vec<T>::type x, typename Vec<T>::type y, std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(x, y, (2 * J + phase)...);
}

// dst[phase*pitch + i] = src[i*stride + phase]: the columns each tap of a strided kernel reads become neighbours.
template <class T>
void deinterleave(T* dst, int64_t pitch, const T* src, int64_t n, int64_t stride) {
  constexpr int W = Vec<T>::W;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  int64_t i = 0;
  if (stride == 2) {
    for (; 2 * (i + W) <= n; i += W) {
      auto x = load(src + 2 * i), y = load(src + 2 * i + W);
      store(dst + i, every_second<T, 0>(x, y, lanes));
      store(dst + pitch + i, every_second<T, 1>(x, y, lanes));
    }
  }
  for (int64_t j = i * stride; j < n; ++j) dst[j % stride * pitch + j / stride] = src[j];
}

// R rows x NV vectors of output.
template <class T, int R, int NV>
FL_INLINE void plane_tile(int64_t taps, const int64_t* offset, const T* w, const T* x, int64_t x_line, T bias, typename Vec<T>::type (*r)[NV]) {
  constexpr int W = Vec<T>::W;
  using V = typename Vec<T>::type;
  V sum[R][NV];
  FL_UNROLL for (int i = 0; i < R; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] = V{} + bias;
  }
  for (int64_t t = 0; t < taps; ++t) {
    const T* p = x + offset[t];
    const T weight = w[t];
    FL_UNROLL for (int i = 0; i < R; ++i) {
      FL_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] += weight * load(p + i * x_line + j * W);
    }
  }
  FL_UNROLL for (int i = 0; i < R; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] = sum[i][j];
  }
}

template <class T, int R, int NV>
void plane_rows(const Correlation<T>& p, int64_t taps, const int64_t* offset, const T* w, const T* x, int64_t x_line, T bias, T* y,
                int64_t n) {
  constexpr int W = Vec<T>::W;
  using V = typename Vec<T>::type;
  V r[R][NV];
  plane_tile<T, R, NV>(taps, offset, w, x, x_line, bias, r);
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < NV; ++j) {
      const int64_t left = n - j * W;
      if (left <= 0) break;
      V v = r[i][j];
      if (p.relu) v = v < T(0) ? V{} : v;
      T* q = y + i * p.y_stride[3] + j * W * p.y_stride[4];
      if (p.y_stride[4] != 1) {
        for (int64_t l = 0; l < least(W, left); ++l) q[l * p.y_stride[4]] = v[l];
      } else if (left >= W) {
        store(q, v);
      } else {
        store_n(q, v, int(left));
      }
    }
}

template <class T>
void depthwise_planes(const Correlation<T>& p) {
  constexpr int W = Vec<T>::W;
  const int64_t taps = p.taps[0] * p.taps[1] * p.taps[2], s = p.stride[2];
  int64_t box[3];
  for (int d = 0; d < 3; ++d) box[d] = taps ? (p.out[d] - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1 : 0;
  const int64_t pitch = ceil_div(box[2], s), line = pitch * s;
  const size_t plane = size_t(box[0] * box[1] * line + 4 * line + 4 * W);
  int64_t* offset = (int64_t*)scratch(Scratch::Weight, size_t(taps + 1) * sizeof(int64_t));
  int64_t* o = offset;
  for (int64_t d = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < p.taps[2]; ++t) {
        const int64_t column = t * p.dilation[2];
        *o++ = (d * p.dilation[0] * box[1] + h * p.dilation[1]) * line + column % s * pitch + column / s;
      }
  const double ns = double(p.out[0] * p.out[1] * p.out[2]) * (0.1 * double(taps) + 0.3) + double(plane) * 0.2;
  parallel_for(p.n * p.c, ns, [&](int64_t begin, int64_t end) {
    T* padded = (T*)scratch(Scratch::Input, plane * sizeof(T));
    T* raw = (T*)scratch(Scratch::Output, size_t(box[2] + taps + W) * sizeof(T));
    T* w = raw + box[2];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / p.c, c = item % p.c;
      const T *x = p.x + image * p.x_stride[0] + c * p.x_stride[1], *kernel = p.w + c * p.w_group;
      T* y = p.y + image * p.y_stride[0] + c * p.y_stride[1];
      int64_t start[3] = {-p.pad[0], -p.pad[1], -p.pad[2]};
      if (s == 1) {
        gather_box(padded, x, p.in, p.x_stride, 1, start, box);
      } else {
        for (int64_t d = 0; d < box[0]; ++d)
          for (int64_t h = 0; h < box[1]; ++h) {
            const int64_t at[3] = {start[0] + d, start[1] + h, start[2]}, one[3] = {1, 1, box[2]};
            gather_box(raw, x, p.in, p.x_stride, 1, at, one);
            deinterleave(padded + (d * box[1] + h) * line, pitch, raw, box[2], s);
          }
      }
      T* v = w;
      for (int64_t d = 0; d < p.taps[0]; ++d)
        for (int64_t h = 0; h < p.taps[1]; ++h)
          for (int64_t t = 0; t < p.taps[2]; ++t) *v++ = kernel[d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]];
      const T bias = p.bias ? p.bias[c] : T(0);
      for (int64_t od = 0; od < p.out[0]; ++od) {
        const T* from = padded + od * p.stride[0] * box[1] * line;
        T* to = y + od * p.y_stride[2];
        const int64_t x_line = p.stride[1] * line;
        for (int64_t r = 0; r < p.out[1];) {
          const bool four = p.out[1] - r >= 4;
          for (int64_t q = 0; q < p.out[2];) {
            const int64_t left = p.out[2] - q;
            const T* a = from + r * x_line + q;
            T* b = to + r * p.y_stride[3] + q * p.y_stride[4];
            if (left > W) {
              if (four) plane_rows<T, 4, 2>(p, taps, offset, w, a, x_line, bias, b, left);
              else plane_rows<T, 1, 2>(p, taps, offset, w, a, x_line, bias, b, left);
              q += 2 * W;
            } else {
              if (four) plane_rows<T, 4, 1>(p, taps, offset, w, a, x_line, bias, b, left);
              else plane_rows<T, 1, 1>(p, taps, offset, w, a, x_line, bias, b, left);
              q += W;
            }
          }
          r += four ? 4 : 1;
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
          packed[k * padded + c] = c < p.c ? p.w[c * p.w_group + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]] : T(0);
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
                const T* a = x + d * p.dilation[0] * p.x_stride[2] + h * p.dilation[1] * p.x_stride[3] + t * p.dilation[2] * p.x_stride[4] + c;
                const T* w = packed + ((d * p.taps[1] + h) * p.taps[2] + t) * padded + c;
                FL_UNROLL for (int j = 0; j < NV; ++j) sum[j] += (n == W ? load(a + j * W) : load_n(a, n)) * load(w + j * W);
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
void depthwise(const Correlation<T>& p) {
  if (p.x_stride[1] == 1 && p.y_stride[1] == 1 && p.c > 1)
    depthwise_channels(p);
  else
    depthwise_planes(p);
}

}  // namespace

void correlate_depthwise(const Correlation<float>& p) { depthwise(p); }
void correlate_depthwise(const Correlation<double>& p) { depthwise(p); }

}  // namespace fl::cpu::FL_ISA
