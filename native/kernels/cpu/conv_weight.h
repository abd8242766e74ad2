// The gradient of a correlation's kernel as an implicit matrix product whose sum runs over output pixels: channels
// innermost in both operands, the kernel's columns of one row of taps side by side. Included by *.isa.cpp sources only.
#pragma once
#include "kernels/cpu/conv_core.h"

namespace fl::cpu::FL_ISA {
namespace {

// C[M, NV vectors] += sum over pixels p of A[p*a_row + i] * B[offset[p] + j].
template <class T, int M, int NV>
void outer_kernel(int64_t pixels, const T* __restrict a, int64_t a_row, const T* __restrict b,
                  const int64_t* __restrict offset, T* __restrict c, int64_t c_row) {
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

// dw from sums laid out [share][k][row_size], `at(c, tap)` saying where in a row. Shares are added in order.
template <class T, class At>
void add_shares(const Correlation<T>& p, T* dw, T* sums, int64_t shares, int64_t row_size, At at) {
  const int64_t outputs = p.k / p.groups, channels = p.c / p.groups, per_share = p.k * row_size;
  parallel_for(p.k, double(row_size) * (0.1 * double(shares) + 0.5), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      T* total = sums + k * row_size;
      for (int64_t share = 1; share < shares; ++share) {
        const T* other = total + share * per_share;
        for (int64_t i = 0; i < row_size; ++i) total[i] += other[i];
      }
      T* out = dw + k / outputs * p.w_group + k % outputs * p.w_stride[0];
      for (int64_t d = 0, tap = 0; d < p.taps[0]; ++d)
        for (int64_t h = 0; h < p.taps[1]; ++h)
          for (int64_t t = 0; t < p.taps[2]; ++t, ++tap) {
            T* to = out + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4];
            for (int64_t c = 0; c < channels; ++c) to[c * p.w_stride[1]] = total[at(c, tap)];
          }
    }
  });
}

template <class T>
void weight_implicit(const Correlation<T>& p, T* dw) {
  constexpr int W = Vec<T>::W, NR = kNV * W;
  const int64_t channels = p.c / p.groups, outputs = p.k / p.groups;
  const bool joined = p.dilation[2] == 1;
  const int64_t area = p.taps[0] * p.taps[1] * p.taps[2];
  const int64_t segments = joined ? p.taps[0] * p.taps[1] : area, length = joined ? p.taps[2] * channels : channels;
  const int64_t padded = ceil_div(length, W) * W, row_size = segments * padded;  // one output channel's sums

  // Tasks: a share of the images x a share of the output channels, each image share with sums of its own that are added
  // in order at the end. The shares follow from the sizes alone, so that the result does not depend on the threads.
  const int64_t sums_bytes = p.k * row_size * int64_t(sizeof(T));
  const int64_t image_shares = most(1, least(least(16, p.n), (12 << 20) / most(1, sums_bytes)));
  const int64_t channel_share = most(1, ceil_div(ceil_div(outputs, kMR), ceil_div(16, image_shares))) * kMR;
  const int64_t channel_shares = ceil_div(outputs, channel_share);

  auto span = [&](int d, int64_t outs) {
    return (outs - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1;
  };
  constexpr int64_t budget = (192 << 10) / sizeof(T);
  int64_t columns = p.out[2];
  while (columns > 64 &&
         (p.taps[0] * p.taps[1] * span(2, columns) * channels > 2 * budget || columns * outputs > budget))
    columns = ceil_div(columns, 2);
  const int64_t row_in = most(1, p.taps[0] * span(2, columns) * channels * p.stride[1]);
  const int64_t rows =
      most(1, least(p.out[1], least(budget / row_in, budget / most(1, columns * least(outputs, channel_share)))));
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
  const double image_ns =
      double(p.out[0] * p.out[1] * p.out[2]) *
      (double(p.groups * segments * padded) * double(least(outputs, channel_share)) * 0.16 * sizeof(T) / FL_VB +
       0.5 * double(p.c + p.k));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t q = 0; q < columns; ++q) offset[r * columns + q] = r * p.stride[1] * line + q * p.stride[2] * channels;

  parallel_for(
      image_shares * channel_shares, image_ns * double(p.n) / double(image_shares) + 100,
      [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t share = task / channel_shares, k0 = task % channel_shares * channel_share,
                        k_count = least(channel_share, outputs - k0);
          const int64_t tile = ceil_div(k_count, ceil_div(k_count, kMR));
          for (int64_t g = 0; g < p.groups; ++g)
            __builtin_memset(sums + share * per_share + (g * outputs + k0) * row_size, 0,
                             size_t(k_count * row_size) * sizeof(T));
          T* x_box = (T*)scratch(Scratch::Input, size_t(box[0] * box[1] * line + 2 * NR) * sizeof(T));
          T* y_box = (T*)scratch(Scratch::Output, size_t(rows * columns * k_count) * sizeof(T));
          for (int64_t n = p.n * share / image_shares; n < p.n * (share + 1) / image_shares; ++n)
            for (int64_t g = 0; g < p.groups; ++g) {
              const T* x = p.x + n * p.x_stride[0] + g * channels * p.x_stride[1];
              const T* y = p.y + n * p.y_stride[0] + (g * outputs + k0) * p.y_stride[1];
              T* c = sums + share * per_share + (g * outputs + k0) * row_size;
              for (int64_t od = 0; od < p.out[0]; ++od)
                for (int64_t r0 = 0; r0 < p.out[1]; r0 += rows)
                  for (int64_t q0 = 0; q0 < p.out[2]; q0 += columns) {
                    check_interrupt();
                    // A block short of columns keeps the full block's pitch, and is taken row by row.
                    const int64_t nr = least(rows, p.out[1] - r0), nq = least(columns, p.out[2] - q0);
                    const int64_t runs = nq == columns ? 1 : nr, run = nq == columns ? nr * columns : nq;
                    for (int64_t d = 0; d < p.taps[0]; ++d) {
                      const int64_t at[3] = {od * p.stride[0] - p.pad[0] + d * p.dilation[0],
                                             r0 * p.stride[1] - p.pad[1], q0 * p.stride[2] - p.pad[2]};
                      const int64_t size[3] = {1, span(1, nr), box[2]};
                      gather_box(x_box + d * p.dilation[0] * box[1] * line, x, p.in, p.x_stride, channels, at, size);
                    }
                    const int64_t y_at[3] = {od, r0, q0}, y_size[3] = {1, nr, columns};
                    gather_box(y_box, y, p.out, p.y_stride, k_count, y_at, y_size);
                    // The block that follows is fetched meanwhile.
                    const bool same = r0 + rows < p.out[1];
                    const int64_t n1 = least(same ? n : n + 1, p.n - 1), r1 = same ? r0 + rows : 0;
                    Prefetch xs = prefetch_rows(x + (n1 - n) * p.x_stride[0], p.in, p.x_stride, channels,
                                                r1 * p.stride[1] - p.pad[1], box[1]);
                    Prefetch ys = prefetch_rows(y + (n1 - n) * p.y_stride[0], p.out, p.y_stride, k_count, r1, rows);
                    const int64_t turns = segments * ceil_div(padded, NR) * ceil_div(k_count, tile),
                                  some_xs = ceil_div(xs.lines(), turns), some_ys = ceil_div(ys.lines(), turns);
                    for (int64_t s = 0; s < segments; ++s)
                      for (int64_t j = 0; j < padded;) {
                        const bool wide = padded - j >= NR;
                        auto& table = wide ? outer_table<T, kNV> : outer_table<T, 1>;
                        for (int64_t i = 0; i < k_count; i += tile) {
                          xs.some<false>(some_xs);
                          ys.some<false>(some_ys);
                          for (int64_t r = 0; r < runs; ++r)
                            table.row[least(tile, k_count - i) - 1](run, y_box + r * columns * k_count + i, k_count,
                                                                    x_box + segment[s] + j, offset + r * columns,
                                                                    c + i * row_size + s * padded + j, row_size);
                        }
                        j += wide ? NR : W;
                      }
                  }
            }
        }
      });

  add_shares(p, dw, sums, image_shares, row_size, [&](int64_t c, int64_t tap) {
    return joined ? tap / p.taps[2] * padded + tap % p.taps[2] * channels + c : tap * padded + c;
  });
}

// Few inputs a group, depthwise among them: vectors run along the width of planes, lanes are added at the end of each
// image.
template <class T, int M>
FL_INLINE void plane_products(const Correlation<T>& p, const T* y, const T* x, const PlaneBox& box, int64_t taps,
                              const int64_t* offset, T* sum, int64_t sum_row) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W, N = 6;
  V r[M][N];
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int t = 0; t < N; ++t) r[i][t] = V{};
  }
  for (int64_t d = 0; d < p.out[0]; ++d)
    for (int64_t h = 0; h < p.out[1]; ++h) {
      const T* a = y + d * p.y_stride[2] + h * p.y_stride[3];
      const T* b = x + (d * p.stride[0] * box.size[1] + h * p.stride[1]) * box.line;
      for (int64_t q = 0; q < p.out[2]; q += W) {
        V v[M];
        if (p.out[2] - q >= W) {
          FL_UNROLL for (int i = 0; i < M; ++i) v[i] = load(a + i * p.y_stride[1] + q);
          FL_UNROLL for (int t = 0; t < N; ++t) {
            const V u = load(b + offset[t] + q);
            FL_UNROLL for (int i = 0; i < M; ++i) r[i][t] += v[i] * u;
          }
        } else {  // both are cut off: zero times what lies behind a line could be NaN
          const int rest = int(p.out[2] - q);
          FL_UNROLL for (int i = 0; i < M; ++i) v[i] = load_n(a + i * p.y_stride[1] + q, rest);
          FL_UNROLL for (int t = 0; t < N; ++t) {
            const V u = load_n(b + offset[t] + q, rest);
            FL_UNROLL for (int i = 0; i < M; ++i) r[i][t] += v[i] * u;
          }
        }
      }
    }
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int t = 0; t < N; ++t) {
      T part[W];
      store(part, r[i][t]);
      FL_UNROLL for (int half = W / 2; half; half /= 2) {
        FL_UNROLL for (int l = 0; l < half; ++l) part[l] += part[l + half];
      }
      if (t < taps) sum[i * sum_row + t] += part[0];
    }
  }
}

template <class T>
void weight_planes(Correlation<T> p, T* dw) {
  constexpr int W = Vec<T>::W, N = 6;
  const int64_t channels = p.c / p.groups, outputs = p.k / p.groups, area = p.taps[0] * p.taps[1] * p.taps[2],
                taps = area * channels;
  PlaneBox box;
  for (int d = 0; d < 3; ++d) box.size[d] = (p.out[d] - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1;
  box.set(p.stride[2], p.x);
  int64_t* offset = (int64_t*)scratch(Scratch::Weight, size_t(taps + N) * sizeof(int64_t));
  plane_offsets(p, box, channels, offset);
  for (int64_t i = taps; i < taps + N; ++i) offset[i] = 0;
  const int64_t shares = p.groups >= 16 ? 1 : least(p.n, 16), per_share = p.k * taps;
  T* sums = (T*)scratch(Scratch::Gradient, size_t(shares * per_share) * sizeof(T));
  const bool copy_y = p.y_stride[4] != 1;
  const int64_t y_plane = p.out[0] * p.out[1] * p.out[2];
  const double ns = double(p.n) / double(shares) * (double(channels * box.plane + outputs * y_plane) * 0.3 + double(outputs * taps) * double(y_plane) * 0.3 * sizeof(T) / FL_VB);
  parallel_for(p.groups * shares, ns, [&](int64_t begin, int64_t end) {
    T* x = (T*)scratch(Scratch::Input, size_t(channels * box.plane + 4 * W) * sizeof(T));
    T* raw = (T*)scratch(
        Scratch::Output,
        size_t((channels + 1) * box.size[2] + 4 * W + (copy_y ? outputs * (y_plane + 2 * p.out[2]) : 0)) * sizeof(T));
    T* y_copy = raw + (channels + 1) * box.size[2] + 2 * W;
    Correlation<T> q = p;
    PlaneBox y_box = {{p.out[0], p.out[1], p.out[2]}, p.out[2], p.out[2], y_plane};
    if (copy_y)
      q.y_stride[1] = y_plane, q.y_stride[2] = p.out[1] * p.out[2], q.y_stride[3] = p.out[2], q.y_stride[4] = 1;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t g = task / shares, share = task % shares;
      T* sum = sums + share * per_share + g * outputs * taps;
      zero_line(sum, outputs * taps);
      for (int64_t n = p.n * share / shares; n < p.n * (share + 1) / shares; ++n) {
        check_interrupt();
        const int64_t start[3] = {-p.pad[0], -p.pad[1], -p.pad[2]}, zero[3] = {0, 0, 0};
        gather_planes(x, raw, p.x + n * p.x_stride[0] + g * channels * p.x_stride[1], p.in, p.x_stride, channels, start,
                      box, p.stride[2]);
        const T* y = p.y + n * p.y_stride[0] + g * outputs * p.y_stride[1];
        if (copy_y) {
          // y_copy ends with room for a line of all outputs, which the transposition of innermost channels needs.
          gather_planes(y_copy, y_copy + outputs * y_plane, y, p.out, p.y_stride, outputs, zero, y_box, 1);
          y = y_copy;
        }
        for (int64_t k = 0; k < outputs;)
          for (int64_t m = outputs - k >= 4 ? 4 : 1, t = 0;; t += N) {
            if (t >= taps) {
              k += m;
              break;
            }
            const int64_t count = least(N, taps - t);
            if (m == 4)
              plane_products<T, 4>(q, y + k * q.y_stride[1], x, box, count, offset + t, sum + k * taps + t, taps);
            else
              plane_products<T, 1>(q, y + k * q.y_stride[1], x, box, count, offset + t, sum + k * taps + t, taps);
          }
      }
    }
  });
  add_shares(p, dw, sums, shares, taps, [&](int64_t c, int64_t tap) {
    return c * area + tap;
  });
}

// Depthwise with the channels innermost: vectors run along them.
template <class T>
void weight_channels(const Correlation<T>& p, T* dw) {
  constexpr int W = Vec<T>::W, NV = 4;
  using V = typename Vec<T>::type;
  const int64_t area = p.taps[0] * p.taps[1] * p.taps[2], padded = ceil_div(p.c, W) * W;
  const int64_t lines = p.n * p.out[0] * p.out[1], shares = most(1, least(16, lines / 4)), per_share = area * padded;
  T* sums = (T*)scratch(Scratch::Gradient, size_t(shares * per_share) * sizeof(T));
  const double ns = double(lines) / double(shares) * double(p.out[2]) * double(area * p.c) * 0.5 * sizeof(T) / FL_VB;
  parallel_for(shares, ns, [&](int64_t begin, int64_t end) {
    for (int64_t share = begin; share < end; ++share) {
      T* sum = sums + share * per_share;
      zero_line(sum, per_share);
      for (int64_t line = lines * share / shares; line < lines * (share + 1) / shares; ++line) {
        check_interrupt();
        const int64_t n = line / (p.out[0] * p.out[1]), od = line / p.out[1] % p.out[0], oh = line % p.out[1];
        const T* y = p.y + n * p.y_stride[0] + od * p.y_stride[2] + oh * p.y_stride[3];
        for (int64_t d = 0, tap = 0; d < p.taps[0]; ++d)
          for (int64_t h = 0; h < p.taps[1]; ++h)
            for (int64_t t = 0; t < p.taps[2]; ++t, ++tap) {
              const int64_t id = od * p.stride[0] - p.pad[0] + d * p.dilation[0],
                            ih = oh * p.stride[1] - p.pad[1] + h * p.dilation[1];
              const int64_t shift = t * p.dilation[2] - p.pad[2];
              if (id < 0 || id >= p.in[0] || ih < 0 || ih >= p.in[1]) continue;
              const int64_t q0 = shift < 0 ? ceil_div(-shift, p.stride[2]) : 0;
              const int64_t q1 = p.in[2] > shift ? least(p.out[2], (p.in[2] - 1 - shift) / p.stride[2] + 1) : 0;
              const T* x = p.x + n * p.x_stride[0] + id * p.x_stride[2] + ih * p.x_stride[3] + shift * p.x_stride[4];
              const int64_t x_step = p.stride[2] * p.x_stride[4], y_step = p.y_stride[4];
              int64_t c = 0;
              for (; c + NV * W <= p.c; c += NV * W) {
                V r[NV];
                FL_UNROLL for (int j = 0; j < NV; ++j) r[j] = load(sum + tap * padded + c + j * W);
                for (int64_t q = q0; q < q1; ++q) {
                  FL_UNROLL for (int j = 0; j < NV; ++j)
                      r[j] += load(x + q * x_step + c + j * W) * load(y + q * y_step + c + j * W);
                }
                FL_UNROLL for (int j = 0; j < NV; ++j) store(sum + tap * padded + c + j * W, r[j]);
              }
              for (; c < p.c; c += W) {
                const int m = int(least(W, p.c - c));
                V r = load(sum + tap * padded + c);
                for (int64_t q = q0; q < q1; ++q) r += load_n(x + q * x_step + c, m) * load_n(y + q * y_step + c, m);
                store(sum + tap * padded + c, r);
              }
            }
      }
    }
  });
  for (int64_t share = 1; share < shares; ++share)
    for (int64_t i = 0; i < per_share; ++i) sums[i] += sums[share * per_share + i];
  for (int64_t d = 0, tap = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < p.taps[2]; ++t, ++tap)
        for (int64_t c = 0; c < p.c; ++c)
          dw[c * p.w_group + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4]] = sums[tap * padded + c];
}

template <class T>
void weight_any(const Correlation<T>& p, T* dw) {
  if (p.k == 0 || p.c == 0 || p.taps[0] * p.taps[1] * p.taps[2] == 0) return;
  const bool depthwise = p.c == p.groups && p.k == p.groups && p.groups > 1;
  constexpr int W = Vec<T>::W;
  if (depthwise && p.x_stride[1] == 1 && p.y_stride[1] == 1)
    weight_channels(p, dw);
  else if (depthwise || (p.taps[2] * (p.c / p.groups) * 2 <= W && p.out[2] > W / 2))
    weight_planes(p, dw);
  else
    weight_implicit(p, dw);
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
