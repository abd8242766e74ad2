// Parts of the normalisations: parameters as vectors, moments of long rows, sums of g and g * (x - mean).
#pragma once
#include "kernels/cpu/rows.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kBlock = 2048;  // elements summed in their own type

// A parameter vector as T, padded to whole vectors; a missing one is filled.
template <class T>
class Parameter {
 public:
  Parameter(DType type, const char* values, int64_t n, T fill) : data_(n + kLanes<T>), given_(values != nullptr) {
    T* p = data_;
    if (values) convert(type, values, int64_t(item_size(type)), dtype_of<T>::value, (char*)p, sizeof(T), n);
    for (int64_t i = values ? n : 0; i < n + kLanes<T>; ++i) p[i] = fill;
  }
  const T* operator+(int64_t i) const { return data_.data() + i; }
  T operator[](int64_t i) const { return data_.data()[i]; }
  bool given() const { return given_; }

 private:
  Buffer<T> data_;
  bool given_;
};

// Element i of a parameter-like array, if it is wanted.
template <class T>
FL_FN void set_at(DType type, char* array, int64_t i, T value) {
  if (array) set<T>(type, array + i * int64_t(item_size(type)), value);
}

template <class T>
FL_FN Moments row_moments(const T* x, int64_t n) {
  Moments all = {0, 0, 0};
  for (int64_t i = 0; i < n; i += 2 * kBlock) {
    int64_t k = n - i < 2 * kBlock ? n - i : 2 * kBlock;
    double mean, m2;
    moments(x + i, k, mean, m2);
    join(all, double(k), mean, m2);
  }
  return all;
}

struct Sums {
  double g, gx;
};  // of g, and of g * (x - mean)

// n contiguous elements of one channel.
template <class T>
FL_FN void add_sums(DType type, const char* g, const char* x, int64_t n, T mean, Sums& sums) {
  const int64_t size = int64_t(item_size(type));
  alignas(FL_VB) T g_buffer[kBlock], x_buffer[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t k = n - i < kBlock ? n - i : kBlock;
    const T *gp = as<T>(type, g + i * size, k, g_buffer), *xp = as<T>(type, x + i * size, k, x_buffer);
    constexpr int W = kLanes<T>;
    Vec<T> s = {}, t = {}, s2 = {}, t2 = {};
    int64_t q = 0;
    for (; q + 2 * W <= k; q += 2 * W) {
      Vec<T> a = vec_at(gp + q), b = vec_at(gp + q + W);
      s += a;
      s2 += b;
      t += a * (vec_at(xp + q) - mean);
      t2 += b * (vec_at(xp + q + W) - mean);
    }
    for (; q + W <= k; q += W) {
      Vec<T> a = vec_at(gp + q);
      s += a;
      t += a * (vec_at(xp + q) - mean);
    }
    if (q < k) {
      Vec<T> a = load_partial<T>(gp + q, k - q, T(0));
      s2 += a;
      t2 += a * (load_partial<T>(xp + q, k - q, mean) - mean);
    }
    sums.g += double(sum_lanes(s + s2));
    sums.gx += double(sum_lanes(t + t2));
  }
}

// `rows` rows of `channels` contiguous elements, one Sums a channel.
template <class T>
void add_sums_columns(DType type, const char* g, const char* x, int64_t rows, int64_t channels, const T* mean,
                      Sums* sums) {
  constexpr int W = kLanes<T>;
  constexpr int64_t kRows = 64;
  const int64_t row = channels * int64_t(item_size(type));
  const bool direct = type == dtype_of<T>::value;
  Buffer<T> g_buffer(direct ? 0 : kRows * channels), x_buffer(direct ? 0 : kRows * channels);
  for (int64_t r = 0; r < rows; r += kRows) {
    const int64_t k = rows - r < kRows ? rows - r : kRows;
    const T *gp = as<T>(type, g + r * row, k * channels, g_buffer),
            *xp = as<T>(type, x + r * row, k * channels, x_buffer);
    for (int64_t j = 0; j < channels; j += W) {
      const int64_t w = channels - j;
      Vec<T> m = w < W ? load_partial<T>(mean + j, w, T(0)) : vec_at(mean + j), s = {}, t = {}, s2 = {}, t2 = {};
      auto row = [&](const T* p, int64_t i) __attribute__((always_inline)) {
        const T* q = p + i * channels + j;
        return w < W ? load_partial<T>(q, w, T(0)) : vec_at(q);
      };
      int64_t i = 0;
      for (; i + 2 <= k; i += 2) {
        Vec<T> a = row(gp, i), b = row(gp, i + 1);
        s += a;
        s2 += b;
        t += a * (row(xp, i) - m);
        t2 += b * (row(xp, i + 1) - m);
      }
      if (i < k) s += row(gp, i), t += row(gp, i) * (row(xp, i) - m);
      s += s2;
      t += t2;
      for (int q = 0; q < W && q < w; ++q) {
        sums[j + q].g += double(s[q]);
        sums[j + q].gx += double(t[q]);
      }
    }
  }
}

// y = f(x) over n contiguous elements of `type`, f from vectors of T (and the element's place) to vectors of T.
template <class T, class F>
FL_FN void map_typed(DType type, const char* x, char* y, int64_t n, F f) {
  if (type == dtype_of<T>::value) {
    map_row((const T*)x, (T*)y, n, f);
    return;
  }
  const int64_t size = int64_t(item_size(type));
  alignas(FL_VB) T buffer[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t k = n - i < kBlock ? n - i : kBlock;
    const T* p = as<T>(type, x + i * size, k, buffer);
    map_row(p, (T*)buffer, k, [&](Vec<T> v, int64_t q) __attribute__((always_inline)) {
      return f(v, i + q);
    });
    put<T>(type, y + i * size, buffer, k);
  }
}
// The same with two inputs.
template <class T, class F>
FL_FN void map_typed(DType type, const char* g, const char* x, char* y, int64_t n, F f) {
  const int64_t size = int64_t(item_size(type));
  const bool direct = type == dtype_of<T>::value;
  alignas(FL_VB) T g_buffer[kBlock], x_buffer[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t k = n - i < kBlock ? n - i : kBlock;
    const T *gp = as<T>(type, g + i * size, k, g_buffer), *xp = as<T>(type, x + i * size, k, x_buffer);
    T* out = direct ? (T*)(y + i * size) : g_buffer;
    map_row(gp, out, k, [&](Vec<T> v, int64_t q) __attribute__((always_inline)) {
      return f(v, k - q < kLanes<T> ? load_partial<T>(xp + q, k - q, T(0)) : vec_at(xp + q), i + q);
    });
    if (!direct) put<T>(type, y + i * size, out, k);
  }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
