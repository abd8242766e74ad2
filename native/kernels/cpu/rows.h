// What kernels over rows of floating elements share: scratch memory, blocks converted from and to Float16/BFloat16,
// sums and maxima of rows. Included by *.isa.cpp sources only.
#pragma once
#include <cstdlib>

#include "base/parallel.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/pointwise.h"

namespace fl::cpu::FL_ISA {
namespace {

// n elements on the stack, or on the heap when they are many.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t n) : data_(local_) {
    if (n <= kLocal) return;
    more_.reset(n);
    data_ = more_.data;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  operator T*() { return data_; }
  const T* data() const { return data_; }

 private:
  static constexpr int64_t kLocal = 8192 / sizeof(T);
  alignas(FL_VB) T local_[kLocal];
  HeapArray<T> more_;
  T* data_;
};

constexpr DType acc_type(DType t) { return t == DType::Float64 ? DType::Float64 : DType::Float32; }

FL_FN void convert(DType from, const char* in, int64_t in_stride, DType to, char* out, int64_t out_stride, int64_t n) {
  char* const ptrs[2] = {out, (char*)in};
  const int64_t strides[2] = {out_stride, in_stride};
  pointwise_kernels.cast[size_t(from)][size_t(to)](n, ptrs, strides, nullptr);
}
// n contiguous elements as T: where they lie if their type is T, else converted into `buffer`.
template <class T>
FL_FN const T* as(DType type, const char* in, int64_t n, T* buffer) {
  if (type == dtype_of<T>::value) return (const T*)in;
  convert(type, in, int64_t(item_size(type)), dtype_of<T>::value, (char*)buffer, sizeof(T), n);
  return buffer;
}
template <class T>
FL_FN void put(DType type, char* out, const T* values, int64_t n) {
  convert(dtype_of<T>::value, (const char*)values, sizeof(T), type, out, int64_t(item_size(type)), n);
}
// One element.
template <class T>
FL_FN T get(DType type, const char* in) {
  T value;
  if (type == dtype_of<T>::value)
    __builtin_memcpy(&value, in, sizeof(T));
  else
    convert(type, in, 0, dtype_of<T>::value, (char*)&value, sizeof(T), 1);
  return value;
}
template <class T>
FL_FN void set(DType type, char* out, T value) {
  if (type == dtype_of<T>::value)
    __builtin_memcpy(out, &value, sizeof(T));
  else
    convert(dtype_of<T>::value, (const char*)&value, sizeof(T), type, out, 0, 1);
}

// Sum over vectors of a row: f(i) is the vector at element i, tail(i, k) that of its last k < lanes elements (0
// elsewhere).
template <class T, class F, class G>
FL_FN Vec<T> sum_vectors(int64_t n, F f, G tail) {
  constexpr int W = kLanes<T>;
  Vec<T> a = {}, b = {}, c = {}, d = {};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) a += f(i), b += f(i + W), c += f(i + 2 * W), d += f(i + 3 * W);
  for (; i + W <= n; i += W) a += f(i);
  if (i < n) b += tail(i, n - i);
  return (a + b) + (c + d);
}

// Mean and sum of squared deviations of at most a few thousand elements. The second pass also sums the deviations from
// the rounded first mean, which corrects both results.
template <class T>
FL_FN void moments(const T* x, int64_t n, double& mean, double& m2) {
  constexpr int W = kLanes<T>;
  Vec<T> first = sum_vectors<T>(
      n, [&](int64_t i) __attribute__((always_inline)) {
        return vec_at(x + i);
      },
      [&](int64_t i, int64_t k) __attribute__((always_inline)) {
        return load_partial<T>(x + i, k, T(0));
      });
  const T about = sum_lanes(first) / T(n);
  Vec<T> s1 = {}, s2 = {}, t1 = {}, t2 = {};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    Vec<T> a = vec_at(x + i) - about, b = vec_at(x + i + W) - about, c = vec_at(x + i + 2 * W) - about,
           d = vec_at(x + i + 3 * W) - about;
    s1 += a + b;
    t1 += c + d;
    s2 += a * a + b * b;
    t2 += c * c + d * d;
  }
  for (; i < n; i += W) {
    Vec<T> a = (n - i < W ? load_partial<T>(x + i, n - i, about) : vec_at(x + i)) - about;
    s1 += a;
    s2 += a * a;
  }
  const double rest = double(sum_lanes(s1 + t1));
  mean = double(about) + rest / double(n);
  m2 = double(sum_lanes(s2 + t2)) - rest * rest / double(n);
}

// Running moments, joined after Chan, Golub & LeVeque 1983.
struct Moments {
  double n, mean, m2;
};
FL_FN void join(Moments& a, double n, double mean, double m2) {
  if (a.n == 0) {
    a = {n, mean, m2};
  } else if (n != 0) {
    double total = a.n + n, delta = mean - a.mean;
    a = {total, a.mean + delta * (n / total), a.m2 + m2 + delta * delta * (a.n * n / total)};
  }
}

template <class V>
FL_FN V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
FL_FN V log_lanes(V v) {
  return log(v);
}
template <class T>
FL_FN T log_of(T x) {
  return log(splat<Vec<T>>(x))[0];
}

// The largest element. NaN may or may not win: what follows (exp of differences to it) is NaN either way.
template <class T>
FL_FN T max_of(const T* x, int64_t n) {
  constexpr int W = kLanes<T>;
  const T lowest = -T(__builtin_inf());
  Vec<T> a = splat<Vec<T>>(lowest), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a = larger(a, vec_at(x + i));
    b = larger(b, vec_at(x + i + W));
    c = larger(c, vec_at(x + i + 2 * W));
    d = larger(d, vec_at(x + i + 3 * W));
  }
  for (; i + W <= n; i += W) a = larger(a, vec_at(x + i));
  if (i < n) b = larger(b, load_partial<T>(x + i, n - i, lowest));
  a = larger(larger(a, b), larger(c, d));
  return fold_lanes<T>(a, [](Vec<T> u, Vec<T> v) __attribute__((always_inline)) {
    return larger(u, v);
  });
}

// y = f(x) over a row; x may be y.
template <class T, class F>
FL_FN void map_row(const T* x, T* y, int64_t n, F f) {
  constexpr int W = kLanes<T>;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    Vec<T> a = f(vec_at(x + i), i), b = f(vec_at(x + i + W), i + W);
    store(y + i, a);
    store(y + i + W, b);
  }
  for (; i + W <= n; i += W) store(y + i, f(vec_at(x + i), i));
  if (i < n) store_partial<T>(y + i, f(load_partial<T>(x + i, n - i, T(0)), i), n - i);
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
