// The convolution all others are reduced to: a correlation of strided inputs with a strided kernel. Convolution's
// forward is one; its gradient of the input is one, or one for each phase of the stride. Included by *.isa.cpp sources
// only.
#pragma once
#include "base/interrupt.h"
#include "base/parallel.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {

// y[n, k, o] = act(bias[k] + sum over c, t of x[n, c, o*stride - pad + t*dilation] * w[k, c, t]), zero outside x; pad
// may be negative. Strides in elements, in the order of ConvDesc; those of w's taps may be negative. taps may be 0.
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
// Few outputs a group, depthwise among them: conv_planes.isa.cpp.
void correlate_planes(const Correlation<float>&);
void correlate_planes(const Correlation<double>&);
// The gradient of w: dw[k, c, t] = sum over n, o of x[n, c, o*stride - pad + t*dilation] * y[n, k, o], y being the
// gradient of the result. p.w, p.bias and p.relu are not looked at; dw has p's strides of w.
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

// Short lines, for which the library's calls cost more than the work.
template <class T>
FL_INLINE void copy_line(T* dst, const T* src, int64_t n) {
  constexpr int W = Vec<T>::W;
  int64_t i = 0;
  for (; i + W <= n; i += W) store(dst + i, load(src + i));
  if (i < n) store_n(dst + i, load_n(src + i, int(n - i)), int(n - i));
}
template <class T>
FL_INLINE void zero_line(T* dst, int64_t n) {
  constexpr int W = Vec<T>::W;
  const typename Vec<T>::type zero = {};
  int64_t i = 0;
  for (; i + W <= n; i += W) store(dst + i, zero);
  if (i < n) store_n(dst + i, zero, int(n - i));
}

// A box of x for one image and group as [depth][height][width][channel], zeros outside x. The box starts at `start`
// (may be negative).
template <class T>
void gather_box(T* dst, const T* x, const int64_t* in, const int64_t* x_stride, int64_t channels, const int64_t* start,
                const int64_t* size) {
  const int64_t sc = x_stride[1], sw = x_stride[4], line = size[2] * channels;
  const int64_t w0 = least(size[2], most(0, -start[2])), w1 = most(w0, least(size[2], in[2] - start[2]));
  for (int64_t d = 0; d < size[0]; ++d)
    for (int64_t h = 0; h < size[1]; ++h, dst += line) {
      const int64_t id = start[0] + d, ih = start[1] + h;
      if (id < 0 || id >= in[0] || ih < 0 || ih >= in[1] || w0 == w1) {
        zero_line(dst, line);
        continue;
      }
      if (w0 > 0) zero_line(dst, w0 * channels);
      if (w1 < size[2]) zero_line(dst + w1 * channels, (size[2] - w1) * channels);
      const T* src = x + id * x_stride[2] + ih * x_stride[3] + (start[2] + w0) * sw;
      T* q = dst + w0 * channels;
      if (channels == 1 && sw == 1) {
        copy_line(q, src, w1 - w0);
      } else if (sc == 1 && sw == channels) {
        copy_line(q, src, (w1 - w0) * channels);
      } else if (sw == 1) {
        transpose(q, channels, src, sc, channels, w1 - w0);
      } else {
        for (int64_t w = 0; w < w1 - w0; ++w)
          for (int64_t c = 0; c < channels; ++c) q[w * channels + c] = src[w * sw + c * sc];
      }
    }
}

template <class T, int phase, int... J>
FL_INLINE typename Vec<T>::type every_second(typename Vec<T>::type x, typename Vec<T>::type y,
                                             std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(x, y, (2 * J + phase)...);
}

// Asks for memory that is needed soon, a few lines at a time between products: `runs` pieces of `length` elements,
// `pitch` elements apart (channels of a block). The hardware's own prefetch gives up on so many short pieces.
class Prefetch {
 public:
  Prefetch() = default;
  template <class T>
  Prefetch(const T* first, int64_t pitch, int64_t runs, int64_t length)
      : run_((const char*)first),
        pitch_(pitch * int64_t(sizeof(T))),
        runs_(length > 0 ? runs : 0),
        bytes_(length * int64_t(sizeof(T))) {}
  int64_t lines() const { return runs_ * (bytes_ / 64 + 1); }
  template <bool write>
  FL_INLINE void some(int64_t lines) {
    for (; lines > 0 && runs_ > 0; --lines) {
      __builtin_prefetch(run_ + at_, write, 2);
      if ((at_ += 64) >= bytes_ + 63) at_ = 0, run_ += pitch_, --runs_;
    }
  }

 private:
  const char* run_ = nullptr;
  int64_t pitch_ = 0, runs_ = 0, bytes_ = 0, at_ = 0;
};

// Rows [first, first + rows) of `channels` channels of an image at x, as far as they exist. Nothing for other layouts
// than contiguous images: those are read in order anyway.
template <class T>
Prefetch prefetch_rows(const T* x, const int64_t* in, const int64_t* x_stride, int64_t channels, int64_t first,
                       int64_t rows) {
  if (x_stride[4] != 1 || x_stride[3] != in[2] || in[0] != 1) return {};
  const int64_t begin = most(0, first), end = least(in[1], first + rows);
  return {x + begin * x_stride[3], x_stride[1], channels, (end - begin) * in[2]};
}

// Planes with their columns sorted by what they leave when divided by the stride: column i*stride + phase lies at
// phase*pitch + i, so that what one tap reads for neighbouring outputs are neighbours.
struct PlaneBox {
  int64_t size[3];      // of the box of input, in elements of x
  int64_t pitch, line;  // of one phase, of all
  int64_t plane;        // elements of a channel
  template <class T>
  FL_INLINE void set(int64_t stride, const T*) {
    pitch = stride == 1 ? size[2] : ceil_div(ceil_div(size[2], stride), Vec<T>::W) * Vec<T>::W;
    line = pitch * stride;
    plane = size[0] * size[1] * line;
  }
  FL_INLINE int64_t column(int64_t i, int64_t stride) const { return i % stride * pitch + i / stride; }
};

// The box of `channels` channels that begins at `start`, as planes. `raw`: room for one line of all channels. dst:
// slack of 2 vectors.
template <class T>
void gather_planes(T* dst, T* raw, const T* x, const int64_t* in, const int64_t* x_stride, int64_t channels,
                   const int64_t* start, const PlaneBox& box, int64_t stride) {
  constexpr int W = Vec<T>::W;
  constexpr auto lanes = std::make_integer_sequence<int, W>{};
  const int64_t n = box.size[2], w0 = least(n, most(0, -start[2])), w1 = most(w0, least(n, in[2] - start[2]));
  const bool innermost = channels > 1 && x_stride[1] == 1;
  for (int64_t d = 0; d < box.size[0]; ++d)
    for (int64_t h = 0; h < box.size[1]; ++h) {
      const int64_t id = start[0] + d, ih = start[1] + h;
      const bool outside = id < 0 || id >= in[0] || ih < 0 || ih >= in[1] || w0 == w1;
      const T* src = x + id * x_stride[2] + ih * x_stride[3] + (start[2] + w0) * x_stride[4];
      T* to = dst + (d * box.size[1] + h) * box.line;
      if (innermost && !outside) transpose(raw + w0, n, src, x_stride[4], w1 - w0, channels);
      for (int64_t c = 0; c < channels; ++c, to += box.plane) {
        if (outside) {
          zero_line(to, box.line);
          continue;
        }
        T* line = stride == 1 ? to : innermost ? raw + c * n
                                               : raw;
        if (innermost) {
          if (stride == 1) copy_line(to + w0, raw + c * n + w0, w1 - w0);
        } else if (x_stride[4] == 1) {
          copy_line(line + w0, src + c * x_stride[1], w1 - w0);
        } else {
          for (int64_t w = w0; w < w1; ++w) line[w] = src[c * x_stride[1] + (w - w0) * x_stride[4]];
        }
        if (w0 > 0) zero_line(line, w0);
        if (w1 < n) zero_line(line + w1, n - w1);
        if (stride == 2) {
          for (int64_t i = 0; 2 * i < n; i += W) {
            auto p = load(line + 2 * i), q = load(line + 2 * i + W);
            store(to + i, every_second<T, 0>(p, q, lanes));
            store(to + box.pitch + i, every_second<T, 1>(p, q, lanes));
          }
        } else if (stride > 2) {
          for (int64_t i = 0; i < n; ++i) to[box.column(i, stride)] = line[i];
        }
      }
    }
}

// Offsets of the taps of all channels in the planes, [channel][tap].
template <class T>
void plane_offsets(const Correlation<T>& p, const PlaneBox& box, int64_t channels, int64_t* offset) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t d = 0; d < p.taps[0]; ++d)
      for (int64_t h = 0; h < p.taps[1]; ++h)
        for (int64_t t = 0; t < p.taps[2]; ++t)
          *offset++ = c * box.plane + (d * p.dilation[0] * box.size[1] + h * p.dilation[1]) * box.line +
                      box.column(t * p.dilation[2], p.stride[2]);
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
