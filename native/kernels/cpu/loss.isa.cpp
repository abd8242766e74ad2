// Losses on class indices: nll_loss and the fused cross-entropy, forward and backward. Partial sums are taken over
// blocks of 64 places and added in order.
#include "kernels/cpu/rows.h"
#include "kernels/cpu/softmax.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kPlaces = 64;

FL_FN int64_t target_at(DType type, const char* target, int64_t i) {
  return type == DType::Int64 ? ((const int64_t*)target)[i] : int64_t(((const uint8_t*)target)[i]);
}

TargetStatus check_targets(DType type, const char* target, int64_t count, int64_t classes, int64_t ignore) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t t = target_at(type, target, i);
    if ((t < 0 || t >= classes) && t != ignore) return {false, t};
  }
  return {true, 0};
}

struct Total {
  double loss = 0, weight = 0;
};

// Runs f(place, Total&) over all places in blocks; the blocks' totals are added in order.
template <class F>
Total sum_places(int64_t count, double ns, F f) {
  const int64_t blocks = (count + kPlaces - 1) / kPlaces;
  Buffer<Total> totals(blocks);
  parallel_for(blocks, ns * kPlaces, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) {
      Total t;
      for (int64_t i = begin * kPlaces; i < count && i < (begin + 1) * kPlaces; ++i) f(i, t);
      totals[begin] = t;
    }
  });
  Total all;
  for (int64_t b = 0; b < blocks; ++b) {
    all.loss += totals[b].loss;
    all.weight += totals[b].weight;
  }
  return all;
}

template <class T>
void nll_forward(const NllDesc& d) {
  const int64_t size = int64_t(item_size(d.dtype));
  Total total = sum_places(d.batch * d.spatial, 5, [&](int64_t i, Total& t) {
    int64_t c = target_at(d.target_dtype, d.target, i), b = i / d.spatial, s = i - b * d.spatial;
    T loss = 0;
    if (c != d.ignore_index) {
      T w = d.weight ? get<T>(d.dtype, d.weight + c * size) : T(1);
      loss = -w * get<T>(d.dtype, d.x + ((b * d.classes + c) * d.spatial + s) * size);
      t.loss += double(loss);
      t.weight += double(w);
    }
    if (d.reduction == LossReduction::None) set<T>(d.dtype, d.loss + i * size, loss);
  });
  if (d.reduction == LossReduction::None) return;
  set<T>(d.dtype, d.loss, T(d.reduction == LossReduction::Mean ? total.loss / total.weight : total.loss));
  if (d.total_weight) set<T>(d.dtype, d.total_weight, T(total.weight));
}

template <class T>
void nll_gradient(const NllDesc& d) {
  const int64_t size = int64_t(item_size(d.dtype)), plane = d.classes * d.spatial;
  const bool each = d.reduction == LossReduction::None;
  const T total = d.reduction == LossReduction::Mean ? get<T>(d.dtype, d.total_weight) : T(1);
  parallel_for(d.batch, double(plane * size) * .05 + double(d.spatial) * 5, [&](int64_t begin, int64_t end) {
    __builtin_memset(d.grad_in + begin * plane * size, 0, size_t((end - begin) * plane * size));
    for (int64_t i = begin * d.spatial; i < end * d.spatial; ++i) {
      int64_t c = target_at(d.target_dtype, d.target, i), b = i / d.spatial, s = i - b * d.spatial;
      if (c == d.ignore_index) continue;
      T w = d.weight ? get<T>(d.dtype, d.weight + c * size) : T(1), g = get<T>(d.dtype, d.grad + (each ? i * size : 0));
      set<T>(d.dtype, d.grad_in + ((b * d.classes + c) * d.spatial + s) * size, -w * g / total);
    }
  });
}

// Weights as T with their sum; all ones if none are given.
template <class T>
struct Weights {
  explicit Weights(const CrossEntropyDesc& d)
      : buffer(d.weight ? d.classes : 0), values(nullptr), sum(double(d.classes)) {
    if (!d.weight) return;
    values = as<T>(d.dtype, d.weight, d.classes, buffer);
    sum = 0;
    for (int64_t c = 0; c < d.classes; ++c) sum += double(values[c]);
  }
  Buffer<T> buffer;
  const T* values;
  double sum;
};

template <class T>
FL_FN T log_sum_exp(const T* x, int64_t n) {
  T max = max_of(x, n);
  if (!(max - max == 0))
    max = max > 0 || max != max ? max : T(0);  // all -inf: log(0); inf gives NaN as the composite does
  Vec<T> sum = sum_vectors<T>(
      n, [&](int64_t i) __attribute__((always_inline)) {
        return exp(vec_at(x + i) - max);
      },
      [&](int64_t i, int64_t k) __attribute__((always_inline)) {
        return exp(load_partial<T>(x + i, k, -T(__builtin_inf())) - max);
      });
  return max + log_of(sum_lanes(sum));
}

template <class T>
void entropy_forward(const CrossEntropyDesc& d) {
  const int64_t n = d.classes, size = int64_t(item_size(d.dtype));
  const Weights<T> weights(d);
  const double e = d.label_smoothing;
  const bool gathered = d.spatial > 1 || d.dtype != dtype_of<T>::value;
  Total total = sum_places(d.batch * d.spatial, double(n) * .5 + 20, [&](int64_t i, Total& t) {
    Buffer<T> buffer(gathered ? n : 0);
    int64_t c = target_at(d.target_dtype, d.target, i), b = i / d.spatial, s = i - b * d.spatial;
    const char* row = d.logits + (b * n * d.spatial + s) * size;
    const T* x = (const T*)row;
    if (gathered) {
      convert(d.dtype, row, d.spatial * size, dtype_of<T>::value, (char*)(T*)buffer, sizeof(T), n);
      x = buffer;
    }
    const T lse = log_sum_exp(x, n);
    ((T*)d.lse)[i] = lse;
    double loss = 0;
    if (c != d.ignore_index) {
      double w = weights.values ? double(weights.values[c]) : 1;
      loss = w * (double(lse) - double(x[c]));
      if (e != 0) {
        double smooth = 0;  // sum of w_c * (lse - x_c)
        if (weights.values)
          for (int64_t k = 0; k < n; ++k) smooth += double(weights.values[k]) * (double(lse) - double(x[k]));
        else
          for (int64_t k = 0; k < n; ++k) smooth += double(lse) - double(x[k]);
        loss = (1 - e) * loss + e / double(n) * smooth;
      }
      t.loss += loss;
      t.weight += w;
    }
    if (d.reduction == LossReduction::None) set<T>(d.dtype, d.loss + i * size, T(loss));
  });
  if (d.total_weight) *(T*)d.total_weight = T(total.weight);
  if (d.reduction == LossReduction::None) return;
  set<T>(d.dtype, d.loss, T(d.reduction == LossReduction::Mean ? total.loss / total.weight : total.loss));
}

template <class T>
void entropy_backward(const CrossEntropyDesc& d) {
  const int64_t n = d.classes, size = int64_t(item_size(d.dtype));
  const Weights<T> weights(d);
  const double e = d.label_smoothing;
  const bool each = d.reduction == LossReduction::None, gathered = d.spatial > 1 || d.dtype != dtype_of<T>::value;
  const double total = d.reduction == LossReduction::Mean ? double(*(const T*)d.total_weight) : 1;
  const T uniform = T(e / double(n));
  parallel_for(d.batch * d.spatial, double(n) * .5 + 20, [&](int64_t begin, int64_t end) {
    Buffer<T> buffer(gathered ? n : 0);
    for (int64_t i = begin; i < end; ++i) {
      int64_t c = target_at(d.target_dtype, d.target, i), b = i / d.spatial, s = i - b * d.spatial;
      const int64_t at = (b * n * d.spatial + s) * size;
      const T* x = (const T*)(d.logits + at);
      T* y = (T*)(d.grad_in + at);
      if (gathered) {
        y = buffer;
        x = y;
        convert(d.dtype, d.logits + at, d.spatial * size, dtype_of<T>::value, (char*)y, sizeof(T), n);
      }
      if (c == d.ignore_index) {
        for (int64_t k = 0; k < n; ++k) y[k] = 0;
      } else {
        const double g = double(get<T>(d.dtype, d.grad + (each ? i * size : 0))) / total;
        const double w = weights.values ? double(weights.values[c]) : 1;
        const T lse = ((const T*)d.lse)[i], scale = T(g * ((1 - e) * w + e / double(n) * weights.sum));
        const T share = T(g) * uniform;
        if (e == 0)
          map_row(x, y, n, [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
            return exp(v - lse) * scale;
          });
        else if (!weights.values)
          map_row(x, y, n,
                  [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
                    return exp(v - lse) * scale - share;
                  });
        else
          map_row(x, y, n, [&](Vec<T> v, int64_t k) __attribute__((always_inline)) {
            Vec<T> wk =
                n - k < kLanes<T> ? load_partial<T>(weights.values + k, n - k, T(0)) : vec_at(weights.values + k);
            return exp(v - lse) * scale - wk * share;
          });
        y[c] -= T(g * (1 - e) * w);
      }
      if (gathered)
        convert(dtype_of<T>::value, (const char*)y, sizeof(T), d.dtype, d.grad_in + at, d.spatial * size, n);
    }
  });
}

}  // namespace

TargetStatus nll(const NllDesc& d) {
  TargetStatus status = check_targets(d.target_dtype, d.target, d.batch * d.spatial, d.classes, d.ignore_index);
  if (status.ok) d.dtype == DType::Float64 ? nll_forward<double>(d) : nll_forward<float>(d);
  return status;
}

TargetStatus nll_backward(const NllDesc& d) {
  TargetStatus status = check_targets(d.target_dtype, d.target, d.batch * d.spatial, d.classes, d.ignore_index);
  if (status.ok) d.dtype == DType::Float64 ? nll_gradient<double>(d) : nll_gradient<float>(d);
  return status;
}

TargetStatus cross_entropy(const CrossEntropyDesc& d) {
  TargetStatus status = check_targets(d.target_dtype, d.target, d.batch * d.spatial, d.classes, d.ignore_index);
  if (status.ok) d.dtype == DType::Float64 ? entropy_forward<double>(d) : entropy_forward<float>(d);
  return status;
}

void cross_entropy_backward(const CrossEntropyDesc& d) {
  d.dtype == DType::Float64 ? entropy_backward<double>(d) : entropy_backward<float>(d);
}

}  // namespace fl::cpu::FL_ISA
