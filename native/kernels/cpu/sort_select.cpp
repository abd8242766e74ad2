// Selection without a full sort: topk, kthvalue, median; and mode.
#include <algorithm>

#include "kernels/cpu/sort.h"
#include "kernels/cpu/sort_keys.h"

namespace fl::cpu {
namespace {

template <class P>
struct Scratch {
  nest::Buffer<P> packed, other;
  nest::Buffer<uint64_t> line;
  explicit Scratch(int64_t n) : packed(n), other(n), line(n) {}
};

// f(P()) with the packed type for lines of n.
template <class F>
void by_packing(DType type, int64_t n, const F& f) {
  if (packs_small(type, n)) f(uint64_t());
  else f(uint128_t());
}

// The k smallest of a line (largest where descending) by packed order, in `pool`, which has room for capacity_of(n, k).
// Elements that do not beat the current k-th are dropped, 16 at a time where they can; the pool is cut back to k
// when candidates have come together.
inline int64_t capacity_of(int64_t n, int64_t k) { return std::min(n, std::max<int64_t>(4 * k, 64)); }

// Whether no element of 16 can beat one that is `limit`: compared as they are, NaN counting as a chance.
template <class T, class K>
inline bool none_beats(const T* x, T limit, bool descending, K limit_key, K flip) {
  if constexpr ((std::is_floating_point_v<T> || std::is_integral_v<T>) && sizeof(T) >= 4) {
    typedef T V __attribute__((vector_size(16), aligned(1), may_alias));
    constexpr int lanes = 16 / sizeof(T);
    const V bound = limit - V{};
    auto behind = ~(V{} != V{});
    for (int j = 0; j < 16; j += lanes) {
      const V v = *(const V*)(x + j);
      behind &= descending ? v <= bound : v >= bound;
    }
    uint64_t halves[2];
    std::memcpy(halves, &behind, 16);
    return (halves[0] & halves[1]) == ~uint64_t(0);
  } else {
    K beats = 0;
    for (int j = 0; j < 16; j++) beats |= K(K(to_key(x[j]) ^ flip) < limit_key);
    return !beats;
  }
}

template <class P>
void smallest_k(DType type, const void* line, int64_t n, int64_t k, bool descending, P* pool) {
  int64_t capacity = capacity_of(n, k), have = capacity;
  pack_line<P>(type, line, capacity, descending, pool);
  auto cut = [&] {
    if (have > k) std::nth_element(pool, pool + (k - 1), pool + have);
    have = std::min(have, k);
  };
  cut();
  if (capacity == n) return;
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (sizeof(T) == 8 && sizeof(P) == 8) {
      return;  // never asked for
    } else {
      using K = decltype(to_key(T(0)));
      const T* x = (const T*)line;
      const K flip = descending ? key_mask<T>() : K(0);
      K limit;
      T limit_value;
      auto set_limit = [&] {
        limit = K(key_of(pool[k - 1]));
        limit_value = x[position_of(pool[k - 1])];
      };
      set_limit();
      const int64_t room = std::max<int64_t>(k, 4);  // candidates until the limit is drawn anew
      int64_t i = capacity;
      while (i < n) {
        if (i + 16 <= n && none_beats(x + i, limit_value, descending, limit, flip)) {
          i += 16;
          continue;
        }
        for (int64_t stop = std::min(n, i + 16); i < stop; i++) {
          K key = K(to_key(x[i]) ^ flip);
          if (!(key < limit)) continue;  // of equal keys the earlier position counts
          pool[have++] = pack<P>(key, i);
          if (have == k + room) cut(), set_limit();
        }
      }
    }
  });
  cut();
}

template <class T>
void nan_census(const void* line, int64_t n, int64_t* first, int64_t* count) {
  const T* x = (const T*)line;
  for (int64_t i = 0; i < n; i++) {
    if (!is_nan(x[i])) continue;
    if (*first < 0) *first = i;
    ++*count;
  }
}

}  // namespace

void topk(DType type, const Lines& lines, const void* in, void* values, int64_t* indices, int64_t k, bool largest) {
  int64_t n = lines.n, item = int64_t(item_size(type));
  if (n == 0 || k == 0) return;
  by_packing(type, n, [&](auto tag) {
    using P = decltype(tag);
    double ns = 2.0 * double(n) + 20.0 * double(k) + 50;
    for_each_line<Scratch<P>>(lines, ns, in, values, indices, [&](const char* x, char* v, char* i, Scratch<P>& s) {
      const void* line = x;  // read in place where it is contiguous
      if (lines.step[0] != item) load_line(item, x, lines.step[0], n, s.line.data), line = s.line.data;
      smallest_k<P>(type, line, n, k, largest, s.packed.data);
      P* sorted = s.packed.data;
      if (k <= 512) std::sort(sorted, sorted + k);
      else {
        std::sort(sorted, sorted + k, [](P a, P b) {
          return position_of(a) < position_of(b);
        });
        sorted = sort_packed(sorted, s.other.data, k, key_bits(type));
      }
      if (v) store_values(item, line, sorted, k, v, lines.step[1]);
      if (i) store_positions(sorted, k, i, lines.step[2]);
    });
  });
}

void kthvalue(DType type, const Lines& lines, const void* in, void* values, int64_t* indices, int64_t k) {
  int64_t n = lines.n, item = int64_t(item_size(type));
  by_packing(type, n, [&](auto tag) {
    using P = decltype(tag);
    for_each_line<Scratch<P>>(lines, 8.0 * double(n) + 50, in, values, indices,
                              [&](const char* x, char* v, char* i, Scratch<P>& s) {
                                load_line(item, x, lines.step[0], n, s.line.data);
                                pack_line<P>(type, s.line.data, n, false, s.packed.data);
                                P* at = s.packed.data + (k - 1);
                                std::nth_element(s.packed.data, at, s.packed.data + n);
                                if (v) store_values(item, s.line.data, at, 1, v, 0);
                                if (i) store_positions(at, 1, i, 0);
                              });
  });
}

void median(DType type, const Lines& lines, const void* in, void* values, int64_t* indices, bool ignore_nan) {
  int64_t n = lines.n, item = int64_t(item_size(type));
  by_packing(type, n, [&](auto tag) {
    using P = decltype(tag);
    for_each_line<Scratch<P>>(
        lines, 8.0 * double(n) + 50, in, values, indices, [&](const char* x, char* v, char* i, Scratch<P>& s) {
          load_line(item, x, lines.step[0], n, s.line.data);
          int64_t first_nan = -1, nans = 0;
          if (is_floating(type))
            by_floating_type(type, [&](auto t) {
              nan_census<decltype(t)>(s.line.data, n, &first_nan, &nans);
            });
          P* at = s.packed.data;
          if (first_nan >= 0 && (!ignore_nan || nans == n)) {
            *at = pack<P>(0, first_nan);
          } else {
            pack_line<P>(type, s.line.data, n, false, s.packed.data);
            at += (n - nans - 1) / 2;
            std::nth_element(s.packed.data, at, s.packed.data + n);
          }
          if (v) store_values(item, s.line.data, at, 1, v, 0);
          if (i) store_positions(at, 1, i, 0);
        });
  });
}

void mode(DType type, const Lines& lines, const void* in, void* values, int64_t* indices) {
  int64_t n = lines.n, item = int64_t(item_size(type));
  by_packing(type, n, [&](auto tag) {
    using P = decltype(tag);
    for_each_line<Scratch<P>>(lines, 14.0 * double(n) + 50, in, values, indices,
                              [&](const char* x, char* v, char* i, Scratch<P>& s) {
                                load_line(item, x, lines.step[0], n, s.line.data);
                                pack_line<P>(type, s.line.data, n, false, s.packed.data);
                                P* sorted = sort_packed(s.packed.data, s.other.data, n, key_bits(type));
                                int64_t best = 0, longest = 0;
                                bool floating = is_floating(type);
                                uint64_t nan_key = key_bits(type) == 64 ? ~0ull : (1ull << key_bits(type)) - 1;
                                for (int64_t start = 0; start < n;) {
                                  uint64_t key = key_of(sorted[start]);
                                  int64_t end = start + 1;
                                  if (!(floating && key == nan_key))  // NaNs differ from each other
                                    while (end < n && key_of(sorted[end]) == key) end++;
                                  if (end - start > longest) longest = end - start, best = end - 1;
                                  start = end;
                                }
                                if (v) store_values(item, s.line.data, sorted + best, 1, v, 0);
                                if (i) store_positions(sorted + best, 1, i, 0);
                              });
  });
}

}  // namespace fl::cpu
