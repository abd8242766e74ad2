// Group norm (and instance norm: a group a channel), both layouts.
#include "kernels/cpu/norm.h"
#include "kernels/cpu/norm_parts.h"
#include "kernels/cpu/reduce.h"

namespace fl::cpu::FL_ISA {

extern const ReduceKernels reduce_kernels;

namespace {

// Mean and variance of each group of a channels-last array: those of the channels, joined.
template <class T>
void statistics_last(const GroupNormDesc& d, T* mean, T* var) {
  const int64_t s = int64_t(item_size(d.dtype)), c = d.channels, per = c / d.groups, places = d.batch * c;
  Buffer<double> means(places), vars(places);
  const int64_t sizes[3] = {d.batch, d.spatial, c}, in[3] = {d.spatial * c * s, c * s, s}, out[3] = {c * 8, 0, 8};
  reduce_kernels.reduce({Reduce::Var,
                         d.dtype,
                         DType::Float64,
                         3,
                         0b10,
                         sizes,
                         in,
                         out,
                         out,
                         d.x,
                         (char*)(double*)vars,
                         (char*)(double*)means,
                         {0, 0},
                         DType::Float64});
  const double n = double(d.spatial);
  for (int64_t i = 0; i < d.batch * d.groups; ++i) {
    Moments all = {0, 0, 0};
    for (int64_t k = i * per; k < (i + 1) * per; ++k) join(all, n, means[k], vars[k] * n);
    mean[i] = T(all.mean);
    var[i] = T(all.m2 / all.n);
  }
}

// With one place the two layouts are the same; rows of channels are faster than planes of one element.
GroupNormDesc settled(GroupNormDesc d) {
  if (d.spatial == 1) d.channels_last = true;
  return d;
}

template <class T>
void forward(const GroupNormDesc& d) {
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
                       [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
                         return (v - mean) * scale + shift;
                       });
        }
      }
    });
    return;
  }
  Buffer<T> mean(d.batch * d.groups), var(d.batch * d.groups);
  statistics_last<T>(d, mean, var);
  parallel_for(d.batch, double(c * d.spatial) * .2, [&](int64_t begin, int64_t end) {
    Buffer<T> center(c + kLanes<T>), scale(c + kLanes<T>);
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
        map_typed<T>(d.dtype, d.x + at, d.y + at, c, [&](Vec<T> v, int64_t k) __attribute__((always_inline)) {
          return (v - vec_at(cp + k)) * vec_at(sp + k) + vec_at(bias + k);
        });
      }
    }
  });
}

template <class T>
void backward(const GroupNormDesc& d) {
  const int64_t c = d.channels, per = c / d.groups, size = int64_t(item_size(d.dtype));
  const double n = double(per * d.spatial);
  const Parameter<T> weight(d.param_dtype, d.weight, c, T(1));
  Buffer<Sums> sums(d.batch * c);
  parallel_for(d.batch, double(c * d.spatial) * .4, [&](int64_t begin, int64_t end) {
    // grad_x = g * scale + (x - center) * slope + level
    Buffer<T> center(c + kLanes<T>), scale(c + kLanes<T>), slope(c + kLanes<T>), level(c + kLanes<T>);
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
                       [&](Vec<T> g, Vec<T> x, int64_t k) __attribute__((always_inline)) {
                         return g * vec_at(sp + k) + ((x - vec_at(cp + k)) * vec_at(ap + k) + vec_at(bp + k));
                       });
        }
        continue;
      }
      for (int64_t k = 0; k < c; ++k) {
        const T m = center[k], sc = scale[k], a = slope[k], l = level[k];
        const int64_t at = image + k * d.spatial * size;
        map_typed<T>(d.dtype, d.grad + at, d.x + at, d.grad_x + at, d.spatial,
                     [&](Vec<T> g, Vec<T> x, int64_t)
                         __attribute__((always_inline)) {
                           return g * sc + ((x - m) * a + l);
                         });
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

void group_norm(const GroupNormDesc& desc) {
  if (desc.batch * desc.channels * desc.spatial == 0) return;
  const GroupNormDesc d = settled(desc);
  d.dtype == DType::Float64 ? forward<double>(d) : forward<float>(d);
}
void group_norm_backward(const GroupNormDesc& desc) {
  const GroupNormDesc d = settled(desc);
  d.dtype == DType::Float64 ? backward<double>(d) : backward<float>(d);
}

}  // namespace fl::cpu::FL_ISA
