// Batch norm: statistics by the reductions, then one pass that normalises; both layouts.
#include "kernels/cpu/norm.h"
#include "kernels/cpu/norm_parts.h"
#include "kernels/cpu/reduce.h"

namespace fl::cpu::FL_ISA {

extern const ReduceKernels reduce_kernels;
void batch_stats(const BatchStatsDesc& d);

namespace {

constexpr int64_t kParts = 64;  // most blocks of rows of a channels-last gradient

// f(v, place, channel vectors...) is called per contiguous run: a channel's plane, or one row of all channels.
template <class F>
void each_plane(int64_t batch, int64_t channels, int64_t spatial, double ns, F f) {
  parallel_for(batch * channels, ns * double(spatial) + 5, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i, i % channels);
  });
}

// With one place the two layouts are the same; rows of channels are faster than planes of one element.
BatchNormDesc settled(BatchNormDesc d) {
  if (d.spatial == 1) d.channels_last = true;
  return d;
}

template <class T>
void forward(const BatchNormDesc& d) {
  const int64_t c = d.channels, size = int64_t(item_size(d.dtype));
  const double count = double(d.batch * d.spatial);
  Buffer<T> mean(c + kLanes<T>), scale(c + kLanes<T>), shift(c + kLanes<T>);
  const Parameter<T> weight(d.param_dtype, d.weight, c, T(1)), bias(d.param_dtype, d.bias, c, T(0));
  const int64_t param = int64_t(item_size(d.param_dtype));
  if (d.training)
    batch_stats({d.dtype, d.channels_last, d.batch, c, d.spatial, d.x, (char*)(T*)mean, (char*)(T*)scale});
  for (int64_t i = 0; i < c; ++i) {
    double m, var;
    if (d.training) {
      m = double(mean[i]), var = double(scale[i]);
      if (d.running_mean) {
        double old = double(get<T>(d.param_dtype, d.running_mean + i * param));
        set_at<T>(d.param_dtype, d.running_mean, i, T((1 - d.momentum) * old + d.momentum * m));
      }
      if (d.running_var) {
        double old = double(get<T>(d.param_dtype, d.running_var + i * param));
        set_at<T>(d.param_dtype, d.running_var, i,
                  T((1 - d.momentum) * old + d.momentum * var * (count / (count - 1))));
      }
    } else {
      m = double(get<T>(d.param_dtype, d.running_mean + i * param));
      var = double(get<T>(d.param_dtype, d.running_var + i * param));
    }
    const double rstd = 1 / __builtin_sqrt(var + d.eps);
    if (d.mean) ((T*)d.mean)[i] = T(m);
    if (d.rstd) ((T*)d.rstd)[i] = T(rstd);
    mean[i] = T(m);
    scale[i] = T(rstd * double(weight[i]));
    shift[i] = bias[i];
  }
  if (!d.channels_last) {
    each_plane(d.batch, c, d.spatial, .15, [&](int64_t plane, int64_t k) {
      const T m = mean[k], s = scale[k], b = shift[k];
      const int64_t at = plane * d.spatial * size;
      map_typed<T>(d.dtype, d.x + at, d.y + at, d.spatial,
                   [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
                     return (v - m) * s + b;
                   });
    });
    return;
  }
  const T *mp = mean, *sp = scale, *bp = shift;
  parallel_for(d.batch * d.spatial, .15 * double(c) + 3, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      map_typed<T>(d.dtype, d.x + i * c * size, d.y + i * c * size, c,
                   [&](Vec<T> v, int64_t k) __attribute__((always_inline)) {
                     return (v - vec_at(mp + k)) * vec_at(sp + k) + vec_at(bp + k);
                   });
  });
}

template <class T>
void backward(const BatchNormDesc& d) {
  const int64_t c = d.channels, size = int64_t(item_size(d.dtype)), rows = d.batch * d.spatial;
  const double count = double(rows);
  Buffer<T> mean(c + kLanes<T>), rstd(c);
  const Parameter<T> weight(d.param_dtype, d.weight, c, T(1));
  const int64_t param = int64_t(item_size(d.param_dtype));
  for (int64_t i = 0; i < c; ++i) {
    if (d.training) {
      mean[i] = ((const T*)d.mean)[i];
      rstd[i] = ((const T*)d.rstd)[i];
    } else {
      mean[i] = get<T>(d.param_dtype, d.running_mean + i * param);
      rstd[i] = T(1 / __builtin_sqrt(double(get<T>(d.param_dtype, d.running_var + i * param)) + d.eps));
    }
  }
  Buffer<Sums> sums(c);
  for (int64_t i = 0; i < c; ++i) sums[i] = {0, 0};
  const bool needed = d.training || d.grad_weight || d.grad_bias;
  if (needed && !d.channels_last) {
    parallel_for(c, double(rows) * .2, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k)
        for (int64_t b = 0; b < d.batch; ++b) {
          const int64_t at = (b * c + k) * d.spatial * size;
          add_sums<T>(d.dtype, d.grad + at, d.x + at, d.spatial, mean[k], sums[k]);
        }
    });
  } else if (needed) {
    const int64_t part = rows / kParts < 64 ? 64 : (rows + kParts - 1) / kParts, parts = (rows + part - 1) / part;
    Buffer<Sums> partial(parts * c);
    parallel_for(parts, double(part * c) * .2, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        Sums* s = (Sums*)partial + p * c;
        for (int64_t k = 0; k < c; ++k) s[k] = {0, 0};
        const int64_t from = p * part, to = from + part < rows ? from + part : rows, at = from * c * size;
        add_sums_columns<T>(d.dtype, d.grad + at, d.x + at, to - from, c, mean, s);
      }
    });
    for (int64_t p = 0; p < parts; ++p)
      for (int64_t k = 0; k < c; ++k) {
        sums[k].g += partial[p * c + k].g;
        sums[k].gx += partial[p * c + k].gx;
      }
  }
  // grad_x = g * scale + (x - mean) * slope + level
  Buffer<T> scale(c + kLanes<T>), slope(c + kLanes<T>), level(c + kLanes<T>);
  for (int64_t k = 0; k < c; ++k) {
    const double r = double(rstd[k]), s = r * double(weight[k]);
    set_at<T>(d.param_dtype, d.grad_weight, k, T(sums[k].gx * r));
    set_at<T>(d.param_dtype, d.grad_bias, k, T(sums[k].g));
    scale[k] = T(s);
    slope[k] = d.training ? T(-s * r * r * sums[k].gx / count) : T(0);
    level[k] = d.training ? T(-s * sums[k].g / count) : T(0);
  }
  if (!d.grad_x) return;
  if (!d.channels_last) {
    each_plane(d.batch, c, d.spatial, .2, [&](int64_t plane, int64_t k) {
      const T m = mean[k], s = scale[k], a = slope[k], b = level[k];
      const int64_t at = plane * d.spatial * size;
      map_typed<T>(d.dtype, d.grad + at, d.x + at, d.grad_x + at, d.spatial,
                   [&](Vec<T> g, Vec<T> x, int64_t)
                       __attribute__((always_inline)) {
                         return g * s + ((x - m) * a + b);
                       });
    });
    return;
  }
  const T *mp = mean, *sp = scale, *ap = slope, *bp = level;
  parallel_for(rows, .2 * double(c) + 3, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * c * size;
      map_typed<T>(d.dtype, d.grad + at, d.x + at, d.grad_x + at, c,
                   [&](Vec<T> g, Vec<T> x, int64_t k) __attribute__((always_inline)) {
                     return g * vec_at(sp + k) + ((x - vec_at(mp + k)) * vec_at(ap + k) + vec_at(bp + k));
                   });
    }
  });
}

}  // namespace

void batch_stats(const BatchStatsDesc& d) {
  const int64_t s = int64_t(item_size(d.dtype)), c = d.channels, p = d.spatial;
  const DType acc = acc_type(d.dtype);
  const int64_t a = int64_t(item_size(acc));
  const int64_t sizes[3] = {d.batch, c, p}, planes[3] = {c * p * s, p * s, s}, last[3] = {p * c * s, s, c * s},
                out[3] = {0, a, 0};
  reduce_kernels.reduce({Reduce::Var,
                         d.dtype,
                         acc,
                         3,
                         0b101,
                         sizes,
                         d.channels_last ? last : planes,
                         out,
                         out,
                         d.x,
                         d.var,
                         d.mean,
                         {0, 0},
                         acc});
}

void batch_norm(const BatchNormDesc& desc) {
  if (desc.batch * desc.channels * desc.spatial == 0) return;
  const BatchNormDesc d = settled(desc);
  d.dtype == DType::Float64 ? forward<double>(d) : forward<float>(d);
}
void batch_norm_backward(const BatchNormDesc& desc) {
  const BatchNormDesc d = settled(desc);
  d.dtype == DType::Float64 ? backward<double>(d) : backward<float>(d);
}

}  // namespace fl::cpu::FL_ISA
