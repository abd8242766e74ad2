// Sorting works on packed integers: an order-preserving unsigned key of the element above its position in the line. NaN
// has the largest key, -0 that of 0. Keys of up to 32 bits pack with the position into 64 bits, wider ones into 128.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/interrupt.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/index_nest.h"
#include "kernels/cpu/sort.h"

namespace fl::cpu {

__extension__ typedef unsigned __int128 uint128_t;

template <class T>
inline auto to_key(T x) {
  if constexpr (std::is_same_v<T, bool>) {
    return uint32_t(x);
  } else if constexpr (kIsFloating<T>) {
    using U = std::conditional_t<sizeof(T) == 8, uint64_t, std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>>;
    using S = std::make_signed_t<U>;
    using K = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    constexpr int top = sizeof(T) * 8 - 1;
    constexpr U infinity = sizeof(T) == 8            ? U(0x7ff0000000000000ull)
                           : sizeof(T) == 4          ? U(0x7f800000)
                           : std::is_same_v<T, Half> ? U(0x7c00)
                                                     : U(0x7f80);
    U bits;
    std::memcpy(&bits, &x, sizeof(T));
    U magnitude = bits & U(~(U(1) << top));
    U nan = U(-U(magnitude > infinity));
    U negative = U(S(bits) >> top) & U(-U(magnitude != 0));  // all ones below zero
    return K(U(U(magnitude ^ negative) + U(U(1) << top) + (negative & 1)) | nan);
  } else if constexpr (std::is_signed_v<T>) {
    using U = std::make_unsigned_t<T>;
    using K = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    return K(U(U(x) ^ U(U(1) << (sizeof(T) * 8 - 1))));
  } else {
    using K = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    return K(x);
  }
}

// All the bits a key can have.
template <class T>
constexpr auto key_mask() {
  using K = decltype(to_key(T(0)));
  return K(K(~K(0)) >> (sizeof(K) * 8 - (std::is_same_v<T, bool> ? 1 : sizeof(T) * 8)));
}

template <class P>
inline int64_t position_of(P p) {
  return int64_t(uint64_t(p));
}
template <>
inline int64_t position_of(uint64_t p) {
  return int64_t(p & 0xffffffffu);
}
template <class P>
inline uint64_t key_of(P p) {
  return uint64_t(p >> 64);
}
template <>
inline uint64_t key_of(uint64_t p) {
  return p >> 32;
}
template <class P>
inline P pack(uint64_t key, int64_t position) {
  return P(key) << (sizeof(P) * 4) | P(uint64_t(position));
}

// Bits of a type's key that can vary.
inline int key_bits(DType t) { return t == DType::Bool ? 1 : int(item_size(t)) * 8; }
// Whether lines of n elements pack into 64 bits.
inline bool packs_small(DType t, int64_t n) { return item_size(t) <= 4 && n < (int64_t(1) << 32); }

// packed[i] = (key or its complement within the type's bits, i) for a contiguous line.
template <class P>
void pack_line(DType type, const void* line, int64_t n, bool descending, P* packed) {
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (sizeof(T) == 8 && sizeof(P) == 8) {
      return;  // never asked for
    } else {
      using K = decltype(to_key(T(0)));
      const T* x = (const T*)line;
      const K flip = descending ? key_mask<T>() : K(0);
      in_blocks(n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) packed[i] = pack<P>(uint64_t(K(to_key(x[i]) ^ flip)), i);
      });
    }
  });
}

// Sorts packed[0..n) by key, stably; `other` is scratch of n. Returns whichever of the two holds the result.
uint64_t* sort_packed(uint64_t* packed, uint64_t* other, int64_t n, int key_bits);
uint128_t* sort_packed(uint128_t* packed, uint128_t* other, int64_t n, int key_bits);

// Copies a strided line to contiguous memory and back, by element size.
void load_line(int64_t item, const char* in, int64_t step, int64_t n, void* out);
// out[i * step] = line[position of packed[i]]
template <class P>
void store_values(int64_t item, const void* line, const P* packed, int64_t n, char* out, int64_t step) {
  auto run = [&](auto tag) {
    using T = decltype(tag);
    const T* from = (const T*)line;
    in_blocks(n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) *(T*)(out + i * step) = from[position_of(packed[i])];
    });
  };
  switch (item) {
    case 1: return run(uint8_t());
    case 2: return run(uint16_t());
    case 4: return run(uint32_t());
    default: return run(uint64_t());
  }
}
template <class P>
void store_positions(const P* packed, int64_t n, char* out, int64_t step) {
  in_blocks(n, [&](int64_t begin, int64_t end) {
    if (step == 8)
      for (int64_t i = begin; i < end; i++) ((int64_t*)out)[i] = position_of(packed[i]);
    else
      for (int64_t i = begin; i < end; i++) *(int64_t*)(out + i * step) = position_of(packed[i]);
  });
}

// f(input line, values line, indices line, scratch) for every line, lines shared among threads; values and indices may
// be null. The scratch struct is made once a thread from n.
template <class Scratch, class F>
void for_each_line(const Lines& lines, double ns_per_line, const void* in, void* values, int64_t* indices, const F& f) {
  nest::Odometer<3> walk;
  static const int64_t zeros[kMaxDims] = {};
  for (int d = 0; d < lines.ndim; d++) {
    if (lines.sizes[d] == 0) return;
    auto stride = [&](int k) {
      return lines.strides[k] ? lines.strides[k][d] : zeros[d];
    };
    walk.push(lines.sizes[d], {stride(0), stride(1), stride(2)});
  }
  fl::parallel_for(walk.count(), ns_per_line, [&](int64_t begin, int64_t end) {
    Scratch scratch(lines.n);
    nest::Odometer<3> at = walk;
    at.start(begin);
    for (int64_t i = begin; i < end; i++, at.next())
      f((const char*)in + at.offset[0], values ? (char*)values + at.offset[1] : nullptr,
        indices ? (char*)indices + at.offset[2] : nullptr, scratch);
  });
}

}  // namespace fl::cpu
