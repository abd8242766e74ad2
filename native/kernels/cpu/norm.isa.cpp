// Layer norm and RMS norm, row by row, and the table of the normalisations. The gradients of weight and bias are summed
// over blocks of rows that depend on the sizes only.
#include "kernels/cpu/norm.h"

#include "kernels/cpu/norm_parts.h"

namespace fl::cpu::FL_ISA {

void group_norm(const GroupNormDesc&);  // norm_group.isa.cpp
void group_norm_backward(const GroupNormDesc&);
void batch_norm(const BatchNormDesc&);  // norm_batch.isa.cpp
void batch_norm_backward(const BatchNormDesc&);
void batch_stats(const BatchStatsDesc&);

namespace {

template <class T>
T mean_square(const T* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const T* p = x + i;
    total += double(sum_lanes(sum_vectors<T>(
        n - i < kBlock ? n - i : kBlock,
        [&](int64_t k) __attribute__((always_inline)) {
          Vec<T> v = vec_at(p + k);
          return v * v;
        },
        [&](int64_t k, int64_t c) __attribute__((always_inline)) {
          Vec<T> v = load_partial<T>(p + k, c, T(0));
          return v * v;
        })));
  }
  return T(total / double(n));
}

template <class T>
void layer_forward(const LayerNormDesc& d) {
  const int64_t n = d.n, size = int64_t(item_size(d.dtype));
  const bool direct = d.dtype == dtype_of<T>::value;
  const Parameter<T> weight(d.param_dtype, d.weight, n, T(1)), bias(d.param_dtype, d.rms ? nullptr : d.bias, n, T(0));
  parallel_for(d.rows, double(n) * .15 + 10, [&](int64_t begin, int64_t end) {
    Buffer<T> buffer(direct ? 0 : n);
    for (int64_t r = begin; r < end; ++r) {
      const T* x = as<T>(d.dtype, d.x + r * n * size, n, buffer);
      T* y = direct ? (T*)(d.y + r * n * size) : (T*)buffer;
      T mean = 0, rstd;
      if (d.rms) {
        rstd = T(1 / __builtin_sqrt(double(mean_square(x, n)) + d.eps));
      } else {
        Moments m = row_moments(x, n);
        mean = T(m.mean);
        rstd = T(1 / __builtin_sqrt(m.m2 / double(n) + d.eps));
        if (d.mean) ((T*)d.mean)[r] = mean;
      }
      if (d.rstd) ((T*)d.rstd)[r] = rstd;
      if (d.weight || bias.given())
        map_row(x, y, n, [&](Vec<T> v, int64_t i) __attribute__((always_inline)) {
          return (v - mean) * rstd * vec_at(weight + i) + vec_at(bias + i);
        });
      else
        map_row(x, y, n, [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
          return (v - mean) * rstd;
        });
      if (!direct) put<T>(d.dtype, d.y + r * n * size, y, n);
    }
  });
}

// R rows: first the two means a row needs, then the gradients; the sums for weight and bias are touched once for all
// rows.
template <class T, int R>
void rows_backward(const LayerNormDesc& d, const Parameter<T>& weight, int64_t r, T* gw, T* gb, T* x_buffer,
                   T* g_buffer) {
  constexpr int W = kLanes<T>;
  const int64_t n = d.n, size = int64_t(item_size(d.dtype));
  const bool direct = d.dtype == dtype_of<T>::value;
  const T *x = as<T>(d.dtype, d.x + r * n * size, R * n, x_buffer),
          *g = as<T>(d.dtype, d.grad + r * n * size, R * n, g_buffer);
  T* gx = direct ? (T*)(d.grad_x + r * n * size) : g_buffer;
  T mean[R], rstd[R], c1[R], c2[R];
  for (int k = 0; k < R; ++k) {
    mean[k] = d.rms ? T(0) : ((const T*)d.mean)[r + k];
    rstd[k] = ((const T*)d.rstd)[r + k];
    Vec<T> s1 = {}, s2 = {}, t1 = {}, t2 = {};
    const T *xr = x + k * n, *gr = g + k * n;
    int64_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
      Vec<T> a = vec_at(gr + i) * vec_at(weight + i), b = vec_at(gr + i + W) * vec_at(weight + i + W);
      s1 += a;
      t1 += b;
      s2 += a * (vec_at(xr + i) - mean[k]);
      t2 += b * (vec_at(xr + i + W) - mean[k]);
    }
    for (; i < n; i += W) {
      const bool whole = n - i >= W;
      Vec<T> a = (whole ? vec_at(gr + i) : load_partial<T>(gr + i, n - i, T(0))) * vec_at(weight + i);
      s1 += a;
      s2 += a * ((whole ? vec_at(xr + i) : load_partial<T>(xr + i, n - i, mean[k])) - mean[k]);
    }
    c1[k] = d.rms ? T(0) : sum_lanes(s1 + t1) / T(n);
    c2[k] = sum_lanes(s2 + t2) * rstd[k] / T(n);
  }
  for (int64_t i = 0; i < n; i += W) {
    const bool whole = n - i >= W;
    const Vec<T> w = vec_at(weight + i);
    Vec<T> sw = {}, sb = {};
    for (int k = 0; k < R; ++k) {
      const T *xp = x + k * n + i, *gp = g + k * n + i;
      Vec<T> hat = ((whole ? vec_at(xp) : load_partial<T>(xp, n - i, mean[k])) - mean[k]) * rstd[k];
      Vec<T> gv = whole ? vec_at(gp) : load_partial<T>(gp, n - i, T(0));
      sw += gv * hat;
      sb += gv;
      if (!d.grad_x) continue;
      Vec<T> result = (gv * w - c1[k] - hat * c2[k]) * rstd[k];
      if (whole)
        store(gx + k * n + i, result);
      else
        store_partial<T>(gx + k * n + i, result, n - i);
    }
    if (gw) {
      store(gw + i, vec_at(gw + i) + sw);
      store(gb + i, vec_at(gb + i) + sb);
    }
  }
  if (!direct && d.grad_x) put<T>(d.dtype, d.grad_x + r * n * size, gx, R * n);
}

template <class T>
void layer_backward(const LayerNormDesc& d) {
  constexpr int W = kLanes<T>;
  const int64_t n = d.n;
  const bool direct = d.dtype == dtype_of<T>::value, sums = d.grad_weight || d.grad_bias;
  const Parameter<T> weight(d.param_dtype, d.weight, n, T(1));
  const int64_t block = d.rows / 64 < 16 ? 16 : (d.rows + 63) / 64, blocks = (d.rows + block - 1) / block;
  const int64_t padded = (n + W - 1) / W * W;
  Buffer<T> partial(sums ? blocks * 2 * padded : 0);
  parallel_for(blocks, (double(n) * .3 + 20) * double(block), [&](int64_t begin, int64_t end) {
    Buffer<T> x_buffer(direct ? 0 : 4 * n), g_buffer(direct ? 0 : 4 * n);
    for (int64_t b = begin; b < end; ++b) {
      T *gw = sums ? (T*)partial + b * 2 * padded : nullptr, *gb = sums ? gw + padded : nullptr;
      if (sums)
        for (int64_t i = 0; i < 2 * padded; ++i) gw[i] = 0;
      const int64_t end_row = (b + 1) * block < d.rows ? (b + 1) * block : d.rows;
      int64_t r = b * block;
      for (; r + 4 <= end_row; r += 4) rows_backward<T, 4>(d, weight, r, gw, gb, x_buffer, g_buffer);
      for (; r < end_row; ++r) rows_backward<T, 1>(d, weight, r, gw, gb, x_buffer, g_buffer);
    }
  });
  if (!sums) return;
  parallel_for(n, double(blocks), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double w = 0, b = 0;
      for (int64_t k = 0; k < blocks; ++k) {
        w += double(partial[k * 2 * padded + i]);
        b += double(partial[k * 2 * padded + padded + i]);
      }
      set_at<T>(d.param_dtype, d.grad_weight, i, T(w));
      set_at<T>(d.param_dtype, d.grad_bias, i, T(b));
    }
  });
}

void layer_norm(const LayerNormDesc& d) {
  if (d.rows * d.n == 0) return;
  d.dtype == DType::Float64 ? layer_forward<double>(d) : layer_forward<float>(d);
}
void layer_norm_backward(const LayerNormDesc& d) {
  if (d.n == 0) return;
  d.dtype == DType::Float64 ? layer_backward<double>(d) : layer_backward<float>(d);
}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {layer_norm, layer_norm_backward, group_norm, group_norm_backward,
                                  batch_norm, batch_norm_backward, batch_stats};

}  // namespace fl::cpu::FL_ISA
