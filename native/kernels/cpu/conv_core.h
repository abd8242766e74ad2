// The convolution all others are reduced to: a correlation of strided inputs with a strided kernel. Convolution's forward is one; its
// gradient of the input is one, or one for each phase of the stride. Included by *.isa.cpp sources only.
#pragma once
#include "base/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {

// y[n, k, o] = act(bias[k] + sum over c, t of x[n, c, o*stride - pad + t*dilation] * w[k, c, t]), zero outside x; pad may be negative.
// Strides in elements, in the order of ConvDesc; those of w's taps may be negative. taps may be 0.
template <class T>
struct Correlation {
  int64_t n, c, k, groups;  // c, k: of all groups
  int64_t in[3], out[3], taps[3], stride[3], pad[3], dilation[3];
  const T* x;
  int64_t x_stride[5];
  const T* w;
  int64_t w_stride[5], w_group;  // w_group: from one group's kernels to the next group's; w_stride[0]: within a group
  T* y;
  int64_t y_stride[5];
  const T* bias;
  bool relu;
};

void correlate(const Correlation<float>&);
void correlate(const Correlation<double>&);
// Each channel on its own (groups == c == k): conv_depthwise.isa.cpp.
void correlate_depthwise(const Correlation<float>&);
void correlate_depthwise(const Correlation<double>&);
// The gradient of w: dw[k, c, t] = sum over n, o of x[n, c, o*stride - pad + t*dilation] * y[n, k, o], y being the gradient of the result.
// p.w, p.bias and p.relu are not looked at; dw has p's strides of w.
void correlate_weight(const Correlation<float>& p, float* dw);
void correlate_weight(const Correlation<double>& p, double* dw);

namespace {

// dst[j*dst_row + i] = src[i*src_row + j] for i < rows, j < columns.
template <class T>
void transpose(T* dst, int64_t dst_row, const T* src, int64_t src_row, int64_t rows, int64_t columns) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  for (int64_t i0 = 0; i0 < rows; i0 += W) {
    const int n = int(least(W, rows - i0));
    for (int64_t j0 = 0; j0 < columns; j0 += W) {
      const int m = int(least(W, columns - j0));
      const T* s = src + i0 * src_row + j0;
      T* d = dst + j0 * dst_row + i0;
      V r[W];
      if (n == W && m == W) {
        FL_UNROLL for (int i = 0; i < W; ++i) r[i] = load(s + i * src_row);
        transpose_square<T>(r);
        FL_UNROLL for (int i = 0; i < W; ++i) store(d + i * dst_row, r[i]);
      } else {
        FL_UNROLL for (int i = 0; i < W; ++i) r[i] = i < n ? load_n(s + i * src_row, m) : V{};
        transpose_square<T>(r);
        FL_UNROLL for (int i = 0; i < W; ++i) {
          if (i < m) store_n(d + i * dst_row, r[i], n);
        }
      }
    }
  }
}

// A box of x for one image and group as [depth][height][width][channel], zeros outside x. The box starts at `start` (may be negative).
template <class T>
void gather_box(T* dst, const T* x, const int64_t* in, const int64_t* x_stride, int64_t channels, const int64_t* start,
                const int64_t* size) {
  const int64_t sc = x_stride[1], sw = x_stride[4], line = size[2] * channels;
  const int64_t w0 = least(size[2], most(0, -start[2])), w1 = most(w0, least(size[2], in[2] - start[2]));
  for (int64_t d = 0; d < size[0]; ++d)
    for (int64_t h = 0; h < size[1]; ++h, dst += line) {
      const int64_t id = start[0] + d, ih = start[1] + h;
      if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1] || w0 == w1) {
        __builtin_memset(dst, 0, size_t(line) * sizeof(T));
        continue;
      }
      __builtin_memset(dst, 0, size_t(w0 * channels) * sizeof(T));
      __builtin_memset(dst + w1 * channels, 0, size_t((size[2] - w1) * channels) * sizeof(T));
      const T* src = x + id * x_stride[2] + ih * x_stride[3] + (start[2] + w0) * sw;
      T* q = dst + w0 * channels;
      if (channels == 1 && sw == 1) {
        __builtin_memcpy(q, src, size_t(w1 - w0) * sizeof(T));
      } else if (sc == 1 && sw == channels) {
        __builtin_memcpy(q, src, size_t((w1 - w0) * channels) * sizeof(T));
      } else if (sw == 1) {
        transpose(q, channels, src, sc, channels, w1 - w0);
      } else {
        for (int64_t w = 0; w < w1 - w0; ++w)
          for (int64_t c = 0; c < channels; ++c) q[w * channels + c] = src[w * sw + c * sc];
      }
    }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
