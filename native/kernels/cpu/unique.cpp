// unique, unique_consecutive and unique rows: sort packed keys (or row numbers), then walk the runs.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/sort.h"
#include "base/interrupt.h"
#include "kernels/cpu/sort_keys.h"

namespace fl::cpu {
namespace {

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (kIsReduced<T>) return float(a) == float(b);
  else return a == b;
}

// Walks positions order[0..n) whose elements are in runs; writes one value, inverse entries and counts a run.
template <class T, class Order>
int64_t walk_runs(const T* in, int64_t n, const Order& order, T* values, int64_t* inverse, int64_t* counts) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; i++) {
    if (i % 4096 == 0) check_interrupt();
    int64_t at = order(i);
    T x = in[at];
    if (i == 0 || !same(values[found - 1], x)) {
      values[found] = x;
      if (counts) counts[found] = 0;
      found++;
    }
    if (counts) counts[found - 1]++;
    if (inverse) inverse[at] = found - 1;
  }
  return found;
}

template <class T, class P>
int64_t unique_packed(DType type, const T* in, int64_t n, T* values, int64_t* inverse, int64_t* counts) {
  nest::Buffer<P> a(n), b(n);
  pack_line<P>(type, in, n, false, a.data);
  const P* sorted = sort_packed(a.data, b.data, n, key_bits(type));
  return walk_runs(in, n, [&](int64_t i) {
    return position_of(sorted[i]);
  },
                   values, inverse, counts);
}

// Small integer ranges are counted instead of sorted. Values are written in ascending order.
template <class T>
int64_t unique_counted(const T* in, int64_t n, int64_t low, int64_t width, T* values, int64_t* inverse,
                       int64_t* counts) {
  nest::Buffer<int64_t> seen(width);
  std::memset(seen.data, 0, size_t(width) * 8);
  in_blocks(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) seen[int64_t(in[i]) - low]++;
  });
  int64_t found = 0;
  for (int64_t v = 0; v < width; v++) {
    if (!seen[v]) continue;
    values[found] = T(v + low);
    if (counts) counts[found] = seen[v];
    seen[v] = found++;
  }
  if (inverse)
    for (int64_t i = 0; i < n; i++) inverse[i] = seen[int64_t(in[i]) - low];
  return found;
}

template <class T>
int64_t unique_complex(const T* in, int64_t n, T* values, int64_t* inverse, int64_t* counts) {
  nest::Buffer<int64_t> order(n);
  for (int64_t i = 0; i < n; i++) order[i] = i;
  std::stable_sort(order.data, order.data + n, [&](int64_t a, int64_t b) {
    check_interrupt();
    T x = in[a], y = in[b];
    return before(x.re, y.re) || (!before(y.re, x.re) && before(x.im, y.im));
  });
  return walk_runs(in, n, [&](int64_t i) {
    return order[i];
  },
                   values, inverse, counts);
}

}  // namespace

int64_t unique(DType type, const void* in, int64_t n, void* values, int64_t* inverse, int64_t* counts) {
  if (n == 0) return 0;
  return by_type(type, [&](auto tag) -> int64_t {
    using T = decltype(tag);
    const T* x = (const T*)in;
    T* v = (T*)values;
    if constexpr (kIsComplex<T>) {
      return unique_complex(x, n, v, inverse, counts);
    } else {
      if constexpr (std::is_integral_v<T>) {
        int64_t low, high;
        integer_range(type, in, n, &low, &high);
        uint64_t width = uint64_t(high) - uint64_t(low);
        if (high >= low && width < uint64_t(n) * 2 + 256)
          return unique_counted(x, n, low, int64_t(width) + 1, v, inverse, counts);
      }
      if (packs_small(type, n)) return unique_packed<T, uint64_t>(type, x, n, v, inverse, counts);
      return unique_packed<T, uint128_t>(type, x, n, v, inverse, counts);
    }
  });
}

int64_t unique_consecutive(DType type, const void* in, int64_t n, void* values, int64_t* inverse, int64_t* counts) {
  if (n == 0) return 0;
  return by_type(type, [&](auto tag) -> int64_t {
    using T = decltype(tag);
    return walk_runs((const T*)in, n, [](int64_t i) {
      return i;
    },
                     (T*)values, inverse, counts);
  });
}

int64_t unique_rows(DType type, const void* in, int64_t n, int64_t width, int64_t* representative, int64_t* inverse,
                    int64_t* counts, bool consecutive) {
  if (n == 0) return 0;
  return by_type(type, [&](auto tag) -> int64_t {
    using T = decltype(tag);
    const T* x = (const T*)in;
    nest::Buffer<int64_t> order(n);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    if (!consecutive) {
      std::stable_sort(order.data, order.data + n, [&](int64_t a, int64_t b) {
        check_interrupt();
        const T *p = x + a * width, *q = x + b * width;
        for (int64_t k = 0; k < width; k++) {
          if constexpr (kIsComplex<T>) {
            if (before(p[k].re, q[k].re)) return true;
            if (before(q[k].re, p[k].re)) return false;
            if (before(p[k].im, q[k].im)) return true;
            if (before(q[k].im, p[k].im)) return false;
          } else {
            if (before(p[k], q[k])) return true;
            if (before(q[k], p[k])) return false;
          }
        }
        return false;
      });
    }
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
      int64_t at = order[i];
      bool equal = i > 0;
      for (int64_t k = 0; equal && k < width; k++)
        equal = same(x[representative[found - 1] * width + k], x[at * width + k]);
      if (!equal) {
        representative[found] = at;
        if (counts) counts[found] = 0;
        found++;
      }
      if (counts) counts[found - 1]++;
      if (inverse) inverse[at] = found - 1;
    }
    return found;
  });
}

}  // namespace fl::cpu
