// searchsorted, histc, bincount, isin.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/sort.h"
#include "kernels/cpu/sort_keys.h"

namespace fl::cpu {
namespace {

// First position whose boundary is not before x (right: is after x). Branch-free halving; NaN is the largest.
template <class T, bool kRight, class At>
FL_INLINE int64_t bound_of(int64_t n, T x, const At& at) {
  int64_t first = 0;
  while (n > 0) {
    int64_t half = n >> 1;
    T b = at(first + half);
    bool go = kRight ? !before(x, b) : before(b, x);
    first = go ? first + half + 1 : first;
    n = go ? n - half - 1 : half;
  }
  return first;
}

template <class T, bool kRight>
void search_rows(const T* boundaries, int64_t boundary_rows, int64_t n, const int64_t* sorter, const T* values,
                 int64_t rows, int64_t m, void* out, bool out_int32) {
  fl::parallel_for(rows * m, 20.0, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      int64_t row = boundary_rows == 1 ? 0 : i / m;
      const T* b = boundaries + row * n;
      int64_t found;
      if (sorter) {
        const int64_t* order = sorter + row * n;
        found = bound_of<T, kRight>(n, values[i], [&](int64_t k) {
          return b[order[k]];
        });
      } else {
        found = bound_of<T, kRight>(n, values[i], [&](int64_t k) {
          return b[k];
        });
      }
      if (out_int32) ((int32_t*)out)[i] = int32_t(found);
      else ((int64_t*)out)[i] = found;
    }
  });
}

}  // namespace

bool searchsorted(DType type, const void* boundaries, int64_t boundary_rows, int64_t n, const int64_t* sorter,
                  const void* values, int64_t rows, int64_t m, bool right, void* out, bool out_int32) {
  if (sorter)
    for (int64_t i = 0; i < boundary_rows * n; i++)
      if (uint64_t(sorter[i]) >= uint64_t(n)) return false;
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    auto run = right ? search_rows<T, true> : search_rows<T, false>;
    run((const T*)boundaries, boundary_rows, n, sorter, (const T*)values, rows, m, out, out_int32);
  });
  return true;
}

void histc(DType type, const void* in, int64_t n, int64_t bins, double low, double high, void* out) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    using C = std::conditional_t<std::is_same_v<T, double> || !kIsFloating<T>, double, float>;
    const T* x = (const T*)in;
    nest::Buffer<int64_t> counts(bins);
    std::memset(counts.data, 0, size_t(bins) * 8);
    C first = C(low), last = C(high), width = last - first;
    for (int64_t i = 0; i < n; i++) {
      C v = C(compute_t<T>(x[i]));
      if (!(v >= first && v <= last)) continue;  // also drops NaN
      int64_t at = int64_t((v - first) / width * C(bins));
      counts[at < bins ? at : bins - 1]++;  // the last bin is closed
    }
    for (int64_t b = 0; b < bins; b++) ((T*)out)[b] = T(compute_t<T>(counts[b]));
  });
}

void integer_range(DType type, const void* in, int64_t n, int64_t* low, int64_t* high) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>) {
      const T* x = (const T*)in;
      T a = x[0], b = x[0];
      for (int64_t i = 1; i < n; i++) {
        a = x[i] < a ? x[i] : a;
        b = x[i] > b ? x[i] : b;
      }
      *low = int64_t(a), *high = int64_t(b);
    }
  });
}

void bincount(DType type, const void* in, int64_t n, const void* weights, DType weights_type, void* out) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>) {
      const T* x = (const T*)in;
      if (!weights)
        for (int64_t i = 0; i < n; i++) ((int64_t*)out)[int64_t(x[i])]++;
      else if (weights_type == DType::Float32)
        for (int64_t i = 0; i < n; i++) ((float*)out)[int64_t(x[i])] += ((const float*)weights)[i];
      else
        for (int64_t i = 0; i < n; i++) ((double*)out)[int64_t(x[i])] += ((const double*)weights)[i];
    }
  });
}

void isin(DType type, const void* in, int64_t n, const void* test, int64_t m, bool invert, bool* out) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    const T *x = (const T*)in, *t = (const T*)test;
    if (m <= 8) {
      for (int64_t i = 0; i < n; i++) {
        bool hit = false;
        for (int64_t k = 0; k < m; k++) hit |= compute_t<T>(x[i]) == compute_t<T>(t[k]);
        out[i] = hit != invert;
      }
      return;
    }
    nest::Buffer<T> sorted(m);
    std::copy(t, t + m, sorted.data);
    std::sort(sorted.data, sorted.data + m, [](T a, T b) {
      return before(a, b);
    });
    fl::parallel_for(n, 20.0, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        int64_t at = bound_of<T, false>(m, x[i], [&](int64_t k) {
          return sorted.data[k];
        });
        bool hit = at < m && compute_t<T>(sorted.data[at]) == compute_t<T>(x[i]);
        out[i] = hit != invert;
      }
    });
  });
}

}  // namespace fl::cpu
