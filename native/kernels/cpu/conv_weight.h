// The gradient of a correlation's kernel as an implicit matrix product whose sum runs over output pixels: channels innermost in both
// operands, the kernel's columns of one row of taps side by side. Included by *.isa.cpp sources only.
#pragma once
#include "kernels/cpu/conv_core.h"

namespace fl::cpu::FL_ISA {
namespace {

// C[M, NV vectors] += sum over pixels p of A[p*a_row + i] * B[offset[p] + j].
template <class T, int M, int NV>
void outer_kernel(int64_t pixels, const T* __restrict a, int64_t a_row, const T* __restrict b, const int64_t* __restrict offset,
                  T* __restrict c, int64_t c_row) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  V r[M][NV];
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      __builtin_prefetch(c + i * c_row + j * W, 1);
      r[i][j] = V{};
    }
  }
  _Pragma("GCC unroll 2") for (int64_t p = 0; p < pixels; ++p) {
    const T* q = b + offset[p];
    V bv[NV];
    FL_UNROLL for (int j = 0; j < NV; ++j) bv[j] = load(q + j * W);
    FL_UNROLL for (int i = 0; i < M; ++i) {
      T s = a[i];
      FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] += s * bv[j];
    }
    a += a_row;
  }
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      T* q = c + i * c_row + j * W;
      store(q, load(q) + r[i][j]);
    }
  }
}
template <class T>
using OuterKernel = void (*)(int64_t, const T*, int64_t, const T*, const int64_t*, T*, int64_t);
template <class T>
struct OuterTable {
  OuterKernel<T> row[kMR];
};
template <class T, int NV, int... I>
constexpr OuterTable<T> outer_table_of(std::integer_sequence<int, I...>) {
  return {{outer_kernel<T, I + 1, NV>...}};
}
template <class T, int NV>
constexpr OuterTable<T> outer_table = outer_table_of<T, NV>(std::make_integer_sequence<int, kMR>{});

template <class T>
void weight_implicit(const Correlation<T>& p, T* dw) {
  constexpr int W = Vec<T>::W, NR = kNV * W;
  const int64_t channels = p.c / p.groups, outputs = p.k / p.groups;
  const bool joined = p.dilation[2] == 1;
  const int64_t area = p.taps[0] * p.taps[1] * p.taps[2];
  const int64_t segments = joined ? p.taps[0] * p.taps[1] : area, length = joined ? p.taps[2] * channels : channels;
  const int64_t padded = ceil_div(length, W) * W, row_size = segments * padded;  // one output channel's sums

  // Tasks: a share of the images x a share of the output channels, each image share with sums of its own that are added in order at
  // the end. The shares follow from the sizes alone, so that the result does not depend on the threads.
  const int64_t sums_bytes = p.k * row_size * int64_t(sizeof(T));
  const int64_t image_shares = most(1, least(least(16, p.n), (4 << 20) / most(1, sums_bytes)));
  const int64_t channel_share = most(1, ceil_div(ceil_div(outputs, kMR), ceil_div(16, image_shares))) * kMR;
  const int64_t channel_shares = ceil_div(outputs, channel_share);

  auto span = [&](int d, int64_t outs) { return (outs - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1; };
  constexpr int64_t budget = (192 << 10) / sizeof(T);
  int64_t columns = p.out[2];
  while (columns > 64 && (p.taps[0] * p.taps[1] * span(2, columns) * channels > 2 * budget || columns * outputs > budget))
    columns = ceil_div(columns, 2);
  const int64_t row_in = most(1, p.taps[0] * span(2, columns) * channels * p.stride[1]);
  const int64_t rows = most(1, least(p.out[1], least(budget / row_in, budget / most(1, columns * least(outputs, channel_share)))));
  const int64_t box[3] = {(p.taps[0] - 1) * p.dilation[0] + 1, span(1, rows), span(2, columns)};
  const int64_t line = box[2] * channels;

  int64_t* offset = (int64_t*)scratch(Scratch::Weight, size_t(rows * columns + segments) * sizeof(int64_t));
  int64_t* segment = offset + rows * columns;
  for (int64_t d = 0, i = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < (joined ? 1 : p.taps[2]); ++t)
        segment[i++] = (d * p.dilation[0] * box[1] + h * p.dilation[1]) * line + t * p.dilation[2] * channels;

  const int64_t per_share = p.k * row_size;
  T* sums = (T*)scratch(Scratch::Gradient, size_t(image_shares * per_share) * sizeof(T));
  const double image_ns = double(p.out[0] * p.out[1] * p.out[2]) *
                          (double(p.groups * segments * padded) * double(least(outputs, channel_share)) * 0.16 * sizeof(T) / FL_VB +
                           0.5 * double(p.c + p.k));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t q = 0; q < columns; ++q) offset[r * columns + q] = r * p.stride[1] * line + q * p.stride[2] * channels;

  parallel_for(image_shares * channel_shares, image_ns * double(p.n) / double(image_shares) + 100, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t share = task / channel_shares, k0 = task % channel_shares * channel_share, k_count = least(channel_share, outputs - k0);
      const int64_t tile = ceil_div(k_count, ceil_div(k_count, kMR));
      for (int64_t g = 0; g < p.groups; ++g)
        __builtin_memset(sums + share * per_share + (g * outputs + k0) * row_size, 0, size_t(k_count * row_size) * sizeof(T));
      T* x_box = (T*)scratch(Scratch::Input, size_t(box[0] * box[1] * line + 2 * NR) * sizeof(T));
      T* y_box = (T*)scratch(Scratch::Output, size_t(rows * columns * k_count) * sizeof(T));
      for (int64_t n = p.n * share / image_shares; n < p.n * (share + 1) / image_shares; ++n)
        for (int64_t g = 0; g < p.groups; ++g) {
          const T *x = p.x + n * p.x_stride[0] + g * channels * p.x_stride[1];
          const T* y = p.y + n * p.y_stride[0] + (g * outputs + k0) * p.y_stride[1];
          T* c = sums + share * per_share + (g * outputs + k0) * row_size;
          for (int64_t od = 0; od < p.out[0]; ++od)
            for (int64_t r0 = 0; r0 < p.out[1]; r0 += rows)
              for (int64_t q0 = 0; q0 < p.out[2]; q0 += columns) {
                // A block short of columns keeps the full block's pitch, and is taken row by row.
                const int64_t nr = least(rows, p.out[1] - r0), nq = least(columns, p.out[2] - q0);
                const int64_t runs = nq == columns ? 1 : nr, run = nq == columns ? nr * columns : nq;
                for (int64_t d = 0; d < p.taps[0]; ++d) {
                  const int64_t at[3] = {od * p.stride[0] - p.pad[0] + d * p.dilation[0], r0 * p.stride[1] - p.pad[1],
                                         q0 * p.stride[2] - p.pad[2]};
                  const int64_t size[3] = {1, span(1, nr), box[2]};
                  gather_box(x_box + d * p.dilation[0] * box[1] * line, x, p.in, p.x_stride, channels, at, size);
                }
                const int64_t y_at[3] = {od, r0, q0}, y_size[3] = {1, nr, columns};
                gather_box(y_box, y, p.out, p.y_stride, k_count, y_at, y_size);
                for (int64_t s = 0; s < segments; ++s)
                  for (int64_t j = 0; j < padded;) {
                    const bool wide = padded - j >= NR;
                    auto& table = wide ? outer_table<T, kNV> : outer_table<T, 1>;
                    for (int64_t i = 0; i < k_count; i += tile)
                      for (int64_t r = 0; r < runs; ++r)
                        table.row[least(tile, k_count - i) - 1](run, y_box + r * columns * k_count + i, k_count, x_box + segment[s] + j,
                                                                offset + r * columns, c + i * row_size + s * padded + j, row_size);
                    j += wide ? NR : W;
                  }
              }
        }
    }
  });

  parallel_for(p.k, double(row_size) * (0.1 * double(image_shares) + 0.5), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      T* total = sums + k * row_size;
      for (int64_t share = 1; share < image_shares; ++share) {
        const T* other = total + share * per_share;
        for (int64_t i = 0; i < row_size; ++i) total[i] += other[i];
      }
      T* out = dw + k / outputs * p.w_group + k % outputs * p.w_stride[0];
      for (int64_t d = 0, s = 0; d < p.taps[0]; ++d)
        for (int64_t h = 0; h < p.taps[1]; ++h)
          for (int64_t t = 0; t < p.taps[2]; ++t) {
            const T* from = total + (joined ? s * padded + t * channels : s * padded);
            T* to = out + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4];
            for (int64_t c = 0; c < channels; ++c) to[c * p.w_stride[1]] = from[c];
            if (!joined || t == p.taps[2] - 1) ++s;
          }
    }
  });
}

// Depthwise: for each channel and tap the product of two planes, the images one after the other.
template <class T>
void weight_depthwise(const Correlation<T>& p, T* dw) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W, kTaps = 6;
  const int64_t taps = p.taps[0] * p.taps[1] * p.taps[2], s = p.stride[2];
  int64_t box[3];
  for (int d = 0; d < 3; ++d) box[d] = (p.out[d] - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1;
  const int64_t pitch = ceil_div(box[2], s), line = pitch * s, columns = ceil_div(p.out[2], W) * W;
  int64_t* offset = (int64_t*)scratch(Scratch::Weight, size_t(taps + kTaps) * sizeof(int64_t));
  int64_t* o = offset;
  for (int64_t d = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < p.taps[2]; ++t) {
        const int64_t column = t * p.dilation[2];
        *o++ = (d * p.dilation[0] * box[1] + h * p.dilation[1]) * line + column % s * pitch + column / s;
      }
  for (int i = 0; i < kTaps; ++i) *o++ = 0;
  const int64_t x_size = box[0] * box[1] * line + 4 * W, y_size = p.out[0] * p.out[1] * columns;
  parallel_for(p.c, double(p.n) * (double(x_size + y_size) * 0.3 + double(taps * y_size) * 0.1), [&](int64_t begin, int64_t end) {
    T* x_plane = (T*)scratch(Scratch::Input, size_t(x_size + box[2]) * sizeof(T));
    T* raw = x_plane + x_size;
    T* y_plane = (T*)scratch(Scratch::Output, size_t(y_size + taps + kTaps) * sizeof(T));
    T* total = y_plane + y_size;
    for (int64_t i = 0; i < 4 * W; ++i) x_plane[x_size - 4 * W + i] = T(0);
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t t = 0; t < taps; ++t) total[t] = T(0);
      for (int64_t n = 0; n < p.n; ++n) {
        const T *x = p.x + n * p.x_stride[0] + c * p.x_stride[1], *y = p.y + n * p.y_stride[0] + c * p.y_stride[1];
        for (int64_t d = 0; d < box[0]; ++d)
          for (int64_t h = 0; h < box[1]; ++h) {
            const int64_t at[3] = {d - p.pad[0], h - p.pad[1], -p.pad[2]}, one[3] = {1, 1, box[2]};
            T* to = x_plane + (d * box[1] + h) * line;
            if (s == 1) {
              gather_box(to, x, p.in, p.x_stride, 1, at, one);
            } else {
              gather_box(raw, x, p.in, p.x_stride, 1, at, one);
              for (int64_t i = box[2]; i < line; ++i) to[i % s * pitch + i / s] = T(0);
              for (int64_t i = 0; i < box[2]; ++i) to[i % s * pitch + i / s] = raw[i];
            }
          }
        const int64_t y_at[3] = {0, 0, 0}, y_box[3] = {p.out[0], p.out[1], columns};
        gather_box(y_plane, y, p.out, p.y_stride, 1, y_at, y_box);
        for (int64_t t0 = 0; t0 < taps; t0 += kTaps) {
          V sum[kTaps];
          FL_UNROLL for (int t = 0; t < kTaps; ++t) sum[t] = V{};
          for (int64_t d = 0; d < p.out[0]; ++d)
            for (int64_t h = 0; h < p.out[1]; ++h) {
              const T* a = y_plane + (d * p.out[1] + h) * columns;
              const T* b = x_plane + (d * p.stride[0] * box[1] + h * p.stride[1]) * line;
              for (int64_t q = 0; q < p.out[2]; q += W) {
                V v = load(a + q);
                // Beyond the line's end y is zero, but x may be anything there, infinities too: those lanes are cut off.
                if (p.out[2] - q >= W) {
                  FL_UNROLL for (int t = 0; t < kTaps; ++t) sum[t] += v * load(b + offset[t0 + t] + q);
                } else {
                  const int rest = int(p.out[2] - q);
                  FL_UNROLL for (int t = 0; t < kTaps; ++t) sum[t] += v * load_n(b + offset[t0 + t] + q, rest);
                }
              }
            }
          for (int t = 0; t < kTaps && t0 + t < taps; ++t) {
            T part = T(0);
            for (int l = 0; l < W; ++l) part += sum[t][l];
            total[t0 + t] += part;
          }
        }
      }
      for (int64_t d = 0, i = 0; d < p.taps[0]; ++d)
        for (int64_t h = 0; h < p.taps[1]; ++h)
          for (int64_t t = 0; t < p.taps[2]; ++t)
            dw[c * p.w_group + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]] = total[i++];
    }
  });
}

template <class T>
void weight_any(const Correlation<T>& p, T* dw) {
  if (p.k == 0 || p.c == 0 || p.taps[0] * p.taps[1] * p.taps[2] == 0) return;
  if (p.c == p.groups && p.k == p.groups && p.groups > 1)
    weight_depthwise(p, dw);
  else
    weight_implicit(p, dw);
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
