// sort: stable, by least-significant-digit radix passes over packed keys; short lines by insertion.
#include "kernels/cpu/sort.h"

#include <algorithm>
#include <cstring>

#include "base/interrupt.h"
#include "kernels/cpu/sort_keys.h"

namespace fl::cpu {
namespace {

template <class P>
void insertion_sort(P* a, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    P x = a[i];
    int64_t j = i;
    for (; j > 0 && x < a[j - 1]; j--) a[j] = a[j - 1];
    a[j] = x;
  }
}

// Passes of kDigit bits over the key. All histograms are taken in one sweep; a pass whose keys share one digit is
// skipped.
template <class P, int kDigit>
P* radix_sort(P* from, P* to, int64_t n, int bits) {
  constexpr int kBuckets = 1 << kDigit, kShift = sizeof(P) * 4;
  constexpr int kMaxPasses = (kShift + kDigit - 1) / kDigit;
  int passes = (bits + kDigit - 1) / kDigit;
  nest::Buffer<int64_t> counts(int64_t(kBuckets) * kMaxPasses);
  std::memset(counts.data, 0, sizeof(int64_t) * size_t(kBuckets) * size_t(passes));
  in_blocks(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      uint64_t key = key_of(from[i]);
      for (int p = 0; p < passes; p++) counts[p * kBuckets + int64_t(key >> (p * kDigit) & (kBuckets - 1))]++;
    }
  });
  for (int p = 0; p < passes; p++) {
    int64_t* count = counts.data + p * kBuckets;
    int shift = p * kDigit;
    if (count[key_of(from[0]) >> shift & (kBuckets - 1)] == n) continue;
    int64_t at = 0;
    for (int b = 0; b < kBuckets; b++) {
      int64_t c = count[b];
      count[b] = at;
      at += c;
    }
    in_blocks(n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        P x = from[i];
        to[count[key_of(x) >> shift & (kBuckets - 1)]++] = x;
      }
    });
    P* t = from;
    from = to, to = t;
  }
  return from;
}

template <class P>
P* sort_any(P* packed, P* other, int64_t n, int bits) {
  if (n <= 48) {  // positions lie below the keys, so comparing the packed words is stable
    insertion_sort(packed, n);
    return packed;
  }
  if (n < 4096 || bits <= 8) return radix_sort<P, 8>(packed, other, n, bits);
  return radix_sort<P, 11>(packed, other, n, bits);
}

template <class P>
struct Scratch {
  nest::Buffer<P> a, b;
  nest::Buffer<uint64_t> line;
  explicit Scratch(int64_t n) : a(n), b(n), line(n) {}
};

template <class P>
void sort_lines(DType type, const Lines& lines, const void* in, void* values, int64_t* indices, bool descending) {
  int64_t n = lines.n, item = int64_t(item_size(type));
  for_each_line<Scratch<P>>(lines, 12.0 * double(n) + 50, in, values, indices,
                            [&](const char* x, char* v, char* i, Scratch<P>& s) {
                              load_line(item, x, lines.step[0], n, s.line.data);
                              pack_line<P>(type, s.line.data, n, descending, s.a.data);
                              P* sorted = sort_any<P>(s.a.data, s.b.data, n, key_bits(type));
                              if (v) store_values(item, s.line.data, sorted, n, v, lines.step[1]);
                              if (i) store_positions(sorted, n, i, lines.step[2]);
                            });
}

// Packs keys of 4 or 8 bytes as differences from the smallest, which is all of them where the range takes 32 bits or
// fewer; else (8 bytes) the top 32 bits. Returns how many low bits of the difference were left out.
template <class K>
int pack_differences(const K* keys, int64_t n, uint64_t* packed, int* bits) {
  K low = keys[0], high = keys[0];
  for (int64_t i = 1; i < n; i++) {
    low = keys[i] < low ? keys[i] : low;
    high = keys[i] > high ? keys[i] : high;
  }
  int width = high == low ? 0 : 64 - __builtin_clzll(uint64_t(high - low)), dropped = width > 32 ? width - 32 : 0;
  *bits = width - dropped;
  in_blocks(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) packed[i] = uint64_t(K(keys[i] - low) >> dropped) << 32 | uint64_t(i);
  });
  return dropped;
}

// Puts runs that tie in the packed bits in the order of their whole keys.
void settle_ties(const uint64_t* keys, uint64_t* sorted, int64_t n) {
  auto less = [=](uint64_t a, uint64_t b) {
    check_interrupt();
    uint64_t x = keys[a & 0xffffffffu], y = keys[b & 0xffffffffu];
    return x < y || (x == y && a < b);
  };
  for (int64_t start = 0; start < n;) {
    int64_t end = start + 1;
    while (end < n && sorted[end] >> 32 == sorted[start] >> 32) end++;
    if (end - start > 1) std::sort(sorted + start, sorted + end, less);
    start = end;
  }
}

// Lines of 4- and 8-byte types whose positions take 32 bits.
template <class T>
void sort_by_differences(DType type, const Lines& lines, const void* in, void* values, int64_t* indices,
                         bool descending) {
  using K = decltype(to_key(T(0)));
  int64_t n = lines.n, item = int64_t(sizeof(T));
  struct Buffers {
    nest::Buffer<uint64_t> a, b;
    nest::Buffer<T> line;
    nest::Buffer<K> keys;
    explicit Buffers(int64_t n) : a(n), b(n), line(n), keys(n) {}
  };
  for_each_line<Buffers>(lines, 12.0 * double(n) + 50, in, values, indices,
                         [&](const char* x, char* v, char* i, Buffers& s) {
                           load_line(item, x, lines.step[0], n, s.line.data);
                           K flip = descending ? key_mask<T>() : K(0);
                           in_blocks(n, [&](int64_t begin, int64_t end) {
                             for (int64_t k = begin; k < end; k++) s.keys[k] = K(to_key(s.line[k]) ^ flip);
                           });
                           int bits, dropped = pack_differences(s.keys.data, n, s.a.data, &bits);
                           uint64_t* sorted = sort_any<uint64_t>(s.a.data, s.b.data, n, bits);
                           if constexpr (sizeof(K) == 8) {
                             if (dropped) settle_ties(s.keys.data, sorted, n);
                           }
                           if (v) store_values(item, s.line.data, sorted, n, v, lines.step[1]);
                           if (i) store_positions(sorted, n, i, lines.step[2]);
                         });
}

}  // namespace

uint64_t* sort_packed(uint64_t* packed, uint64_t* other, int64_t n, int bits) {
  return sort_any(packed, other, n, bits);
}
uint128_t* sort_packed(uint128_t* packed, uint128_t* other, int64_t n, int bits) {
  return sort_any(packed, other, n, bits);
}

void load_line(int64_t item, const char* in, int64_t step, int64_t n, void* out) {
  if (step == item) {
    in_blocks(n, [&](int64_t begin, int64_t end) {
      std::memcpy((char*)out + begin * item, in + begin * item, size_t((end - begin) * item));
    });
    return;
  }
  auto run = [&](auto tag) {
    using T = decltype(tag);
    in_blocks(n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) ((T*)out)[i] = *(const T*)(in + i * step);
    });
  };
  switch (item) {
    case 1: return run(uint8_t());
    case 2: return run(uint16_t());
    case 4: return run(uint32_t());
    default: return run(uint64_t());
  }
}

void sort(DType type, const Lines& lines, const void* in, void* values, int64_t* indices, bool descending) {
  if (lines.n == 0) return;
  if (item_size(type) >= 4 && lines.n < (int64_t(1) << 32) && lines.n > 48) {
    by_real_type(type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (sizeof(T) >= 4) sort_by_differences<T>(type, lines, in, values, indices, descending);
    });
    return;
  }
  if (packs_small(type, lines.n)) sort_lines<uint64_t>(type, lines, in, values, indices, descending);
  else sort_lines<uint128_t>(type, lines, in, values, indices, descending);
}

}  // namespace fl::cpu
