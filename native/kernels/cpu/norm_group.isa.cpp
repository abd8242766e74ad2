// Group norm (and instance norm: a group a channel), both layouts.
#include "kernels/cpu/norm.h"
#include "kernels/cpu/norm_parts.h"
#include "kernels/cpu/reduce.h"

namespace fl::cpu::FL_ISA {

extern const ReduceKernels reduce_kernels;

namespace {

// Mean and variance of each group of a channels-last array.
void statistics_last(const GroupNormDesc& d, DType acc, char* mean, char* var) {
  const int64_t s = int64_t(item_size(d.dtype)), a = int64_t(item_size(acc)), c = d.channels, per = c / d.groups;
  const int64_t sizes[4] = {d.batch, d.spatial, d.groups, per};
  const int64_t in[4] = {d.spatial * c * s, c * s, per * s, s}, out[4] = {d.groups * a, 0, a, 0};
  reduce_kernels.reduce({Reduce::Var, d.dtype, acc, 4, 0b1010, sizes, in, out, out, d.x, var, mean, {0, 0}, acc});
}

template <class T> void forward(const GroupNormDesc& d) {
  const int64_t c = d.channels, per = c / d.groups, size = int64_t(item_size(d.dtype)), n = per * d.spatial;
  const Parameter<T> weight(d.param_dtype, d.weight, c, T(1)), bias(d.param_dtype, d.bias, c, T(0));
  if (!d.channels_last) {
    parallel_for(d.batch * d.groups, double(n) * .3 + 20, [&](int64_t begin, int64_t end) {
      alignas(FL_VB) T buffer[2 * kBlock];
      for (int64_t i = begin; i < end; ++i) {
        Moments all = {0, 0, 0};
        for (int64_t k = 0; k < n; k += 2 * kBlock) {
          const int64_t w = n - k < 2 * kBlock ? n - k : 2 * kBlock;
          double m, m2;
          moments(as<T>(d.dtype, d.x + (i * n + k) * size, w, buffer), w, m, m2);
          join(all, double(w), m, m2);
        }
        const T mean = T(all.mean), rstd = T(1 / __builtin_sqrt(all.m2 / double(n) + d.eps));
        if (d.mean) ((T*)d.mean)[i] = mean;
        if (d.rstd) ((T*)d.rstd)[i] = rstd;
        for (int64_t k = 0; k < per; ++k) {
          const int64_t channel = i % d.groups * per + k, at = (i * n + k * d.spatial) * size;
          const T scale = rstd * weight[channel], shift = bias[channel];
          map_typed<T>(d.dtype, d.x + at, d.y + at, d.spatial,
                       [&](vec<T> v, int64_t) __attribute__((always_inline)) { return (v - mean) * scale + shift; });
        }
      }
    });
    return;
  }
  Scratch<T> mean(d.batch * d.groups), var(d.batch * d.groups);
  statistics_last(d, dtype_of<T>::value, (char*)(T*)mean, (char*)(T*)var);
  parallel_for(d.batch, double(c * d.spatial) * .2, [&](int64_t begin, int64_t end) {
    Scratch<T> center(c + lanes<T>), scale(c + lanes<T>);
    const T *cp = center, *sp = scale;
    for (int64_t b = begin; b < end; ++b) {
      for (int64_t k = 0; k < c; ++k) {
        const int64_t i = b * d.groups + k / per;
        const T rstd = T(1 / __builtin_sqrt(double(var[i]) + d.eps));
        if (d.mean) ((T*)d.mean)[i] = mean[i];
        if (d.rstd) ((T*)d.rstd)[i] = rstd;
        center[k] = mean[i];
        scale[k] = rstd * weight[k];
      }
      for (int64_t s = 0; s < d.spatial; ++s) {
        const int64_t at = (b * d.spatial + s) * c * size;
        map_typed<T>(d.dtype, d.x + at, d.y + at, c, [&](vec<T> v, int64_t k) __attribute__((always_inline)) {
          return (v - load(cp + k)) * load(sp + k) + load(bias + k);
        });
      }
    }
  });
}

template <class T> void backward(const GroupNormDesc& d) {
  const int64_t c = d.channels, per = c / d.groups, size = int64_t(item_size(d.dtype));
  const double n = double(per * d.spatial);
  const Parameter<T> weight(d.param_dtype, d.weight, c, T(1));
  Scratch<Sums> sums(d.batch * c);
  parallel_for(d.batch, double(c * d.spatial) * .4, [&](int64_t begin, int64_t end) {
    // grad_x = g * scale + (x - center) * slope + level
    Scratch<T> center(c + lanes<T>), scale(c + lanes<T>), slope(c + lanes<T>), level(c + lanes<T>);
    const T *cp = center, *sp = scale, *ap = slope, *bp = level;
    for (int64_t b = begin; b < end; ++b) {
      Sums* s = (Sums*)sums + b * c;
      for (int64_t k = 0; k < c; ++k) {
        s[k] = {0, 0};
        center[k] = ((const T*)d.mean)[b * d.groups + k / per];
      }
      const int64_t image = b * c * d.spatial * size;
      if (d.channels_last) {
        add_sums_columns<T>(d.dtype, d.grad + image, d.x + image, d.spatial, c, cp, s);
      } else {
        for (int64_t k = 0; k < c; ++k) {
          const int64_t at = image + k * d.spatial * size;
          add_sums<T>(d.dtype, d.grad + at, d.x + at, d.spatial, center[k], s[k]);
        }
      }
      for (int64_t g = 0; g < d.groups; ++g) {
        double g1 = 0, g2 = 0;
        for (int64_t k = g * per; k < (g + 1) * per; ++k) {
          g1 += s[k].g * double(weight[k]);
          g2 += s[k].gx * double(weight[k]);
        }
        const double r = double(((const T*)d.rstd)[b * d.groups + g]);
        for (int64_t k = g * per; k < (g + 1) * per; ++k) {
          scale[k] = T(r * double(weight[k]));
          slope[k] = T(-r * r * r * g2 / n);
          level[k] = T(-r * g1 / n);
          s[k].gx *= r;
        }
      }
      if (!d.grad_x) continue;
      if (d.channels_last) {
        for (int64_t i = 0; i < d.spatial; ++i) {
          const int64_t at = image + i * c * size;
          map_typed<T>(d.dtype, d.grad + at, d.x + at, d.grad_x + at, c,
                       [&](vec<T> g, vec<T> x, int64_t k) __attribute__((always_inline)) {
                         return g * load(sp + k) + ((x - load(cp + k)) * load(ap + k) + load(bp + k));
                       });
        }
        continue;
      }
      for (int64_t k = 0; k < c; ++k) {
        const T m = center[k], sc = scale[k], a = slope[k], l = level[k];
        const int64_t at = image + k * d.spatial * size;
        map_typed<T>(d.dtype, d.grad + at, d.x + at, d.grad_x + at, d.spatial,
                     [&](vec<T> g, vec<T> x, int64_t) __attribute__((always_inline)) { return g * sc + ((x - m) * a + l); });
      }
    }
  });
  if (!d.grad_weight && !d.grad_bias) return;
  for (int64_t k = 0; k < c; ++k) {
    double w = 0, b = 0;
    for (int64_t i = 0; i < d.batch; ++i) {
      w += sums[i * c + k].gx;
      b += sums[i * c + k].g;
    }
    set_at<T>(d.param_dtype, d.grad_weight, k, T(w));
    set_at<T>(d.param_dtype, d.grad_bias, k, T(b));
  }
}

}  // namespace

void group_norm(const GroupNormDesc& d) {
  if (d.batch * d.channels * d.spatial == 0) return;
  d.dtype == DType::Float64 ? forward<double>(d) : forward<float>(d);
}
void group_norm_backward(const GroupNormDesc& d) { d.dtype == DType::Float64 ? backward<double>(d) : backward<float>(d); }

}  // namespace fl::cpu::FL_ISA
