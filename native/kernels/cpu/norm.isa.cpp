// Layer norm and RMS norm, row by row, and the table of the normalisations. The gradients of weight and bias are summed over
// blocks of rows that depend on the sizes only.
#include "kernels/cpu/norm.h"

#include "kernels/cpu/norm_parts.h"

namespace fl::cpu::FL_ISA {

void group_norm(const GroupNormDesc&);  // norm_group.isa.cpp
void group_norm_backward(const GroupNormDesc&);
void batch_norm(const BatchNormDesc&);  // norm_batch.isa.cpp
void batch_norm_backward(const BatchNormDesc&);
void batch_stats(const BatchStatsDesc&);

namespace {

template <class T> T mean_square(const T* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const T* p = x + i;
    total += double(sum_lanes(sum_vectors<T>(
        n - i < kBlock ? n - i : kBlock,
        [&](int64_t k) __attribute__((always_inline)) { Vec<T> v = vec_at(p + k); return v * v; },
        [&](int64_t k, int64_t c) __attribute__((always_inline)) { Vec<T> v = load_partial<T>(p + k, c, T(0)); return v * v; })));
  }
  return T(total / double(n));
}

template <class T> void layer_forward(const LayerNormDesc& d) {
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
        map_row(x, y, n, [&](Vec<T> v, int64_t) __attribute__((always_inline)) { return (v - mean) * rstd; });
      if (!direct) put<T>(d.dtype, d.y + r * n * size, y, n);
    }
  });
}

template <class T> void layer_backward(const LayerNormDesc& d) {
  constexpr int W = kLanes<T>;
  const int64_t n = d.n, size = int64_t(item_size(d.dtype));
  const bool direct = d.dtype == dtype_of<T>::value, sums = d.grad_weight || d.grad_bias;
  const Parameter<T> weight(d.param_dtype, d.weight, n, T(1));
  const int64_t block = d.rows / 64 < 16 ? 16 : (d.rows + 63) / 64, blocks = (d.rows + block - 1) / block;
  const int64_t padded = (n + W - 1) / W * W;
  Buffer<T> partial(sums ? blocks * 2 * padded : 0);
  parallel_for(blocks, (double(n) * .3 + 20) * double(block), [&](int64_t begin, int64_t end) {
    Buffer<T> x_buffer(direct ? 0 : n), g_buffer(direct ? 0 : n);
    for (int64_t b = begin; b < end; ++b) {
      T *gw = sums ? (T*)partial + b * 2 * padded : nullptr, *gb = gw + padded;
      if (sums) for (int64_t i = 0; i < 2 * padded; ++i) gw[i] = 0;
      for (int64_t r = b * block; r < (b + 1) * block && r < d.rows; ++r) {
        const T* x = as<T>(d.dtype, d.x + r * n * size, n, x_buffer);
        const T* g = as<T>(d.dtype, d.grad + r * n * size, n, g_buffer);
        const T mean = d.rms ? T(0) : ((const T*)d.mean)[r], rstd = ((const T*)d.rstd)[r];
        Vec<T> s1 = {}, s2 = {};
        auto step = [&](int64_t i, Vec<T> xv, Vec<T> gv) __attribute__((always_inline)) {
          Vec<T> hat = (xv - mean) * rstd, scaled = gv * vec_at(weight + i);
          if (sums) {
            store(gw + i, vec_at(gw + i) + gv * hat);
            store(gb + i, vec_at(gb + i) + gv);
          }
          s1 += scaled;
          s2 += scaled * hat;
        };
        int64_t i = 0;
        for (; i + W <= n; i += W) step(i, vec_at(x + i), vec_at(g + i));
        if (i < n) step(i, load_partial<T>(x + i, n - i, mean), load_partial<T>(g + i, n - i, T(0)));
        if (!d.grad_x) continue;
        const T c1 = d.rms ? T(0) : sum_lanes(s1) / T(n), c2 = sum_lanes(s2) / T(n);
        T* gx = direct ? (T*)(d.grad_x + r * n * size) : (T*)g_buffer;
        map_row(g, gx, n, [&](Vec<T> v, int64_t k) __attribute__((always_inline)) {
          Vec<T> hat = ((n - k < W ? load_partial<T>(x + k, n - k, mean) : vec_at(x + k)) - mean) * rstd;
          return (v * vec_at(weight + k) - c1 - hat * c2) * rstd;
        });
        if (!direct) put<T>(d.dtype, d.grad_x + r * n * size, gx, n);
      }
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
