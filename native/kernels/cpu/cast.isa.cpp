// Conversions between all pairs of element types.
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T> struct IsComplex {
  static constexpr bool value = false;
};
template <class T> struct IsComplex<Complex<T>> {
  static constexpr bool value = true;
};
template <class T> constexpr bool kReduced = __is_same(T, Half) || __is_same(T, BFloat16);
template <class T> constexpr bool kFloating = __is_same(T, float) || __is_same(T, double);
template <class T> constexpr bool kWord = !IsComplex<T>::value && !kReduced<T> && !kFloating<T>;  // bool and integers

// As x86 converts: integers of 8 and 16 bits are the low bits of the 32-bit result, unsigned ones wrap.
template <class To, class From> FL_FN To convert(From x) {
  if constexpr (__is_same(To, From)) {
    return x;
  } else if constexpr (IsComplex<From>::value) {
    if constexpr (IsComplex<To>::value) return To(x);
    else if constexpr (__is_same(To, bool)) return (x.re != 0) | (x.im != 0);
    else return convert<To>(x.re);
  } else if constexpr (kReduced<From>) {
    return convert<To>(float(x));
  } else if constexpr (IsComplex<To>::value) {
    return To(convert<decltype(To{}.re)>(x), 0);
  } else if constexpr (kReduced<To>) {
    return To(float(x));
  } else if constexpr (__is_same(To, bool)) {
    return x != From(0);
  } else if constexpr (kFloating<From> && kWord<To>) {
    if constexpr (sizeof(To) <= 2) return To(int32_t(x));
    else if constexpr (__is_same(To, uint32_t)) return To(int64_t(x));
    else if constexpr (__is_same(To, uint64_t))
      return x < From(9223372036854775808.0) ? To(int64_t(x))
                                             : To(int64_t(x - From(9223372036854775808.0))) ^ (1ull << 63);
    else return To(x);
  } else {
    return To(x);
  }
}
template <class To> struct Convert : Formula<0> {
  template <class From> FL_FN To f(From x) { return convert<To>(x); }
};

// ---- float16 and bfloat16 to and from float: vectors, or blocks on the way to other types -------

#if FL_VB == 64
FL_FN void widen_block(const Half* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(to + i, _mm512_maskz_cvtph_ps(__mmask16(-1), _mm256_loadu_si256((const __m256i*)(from + i))));
  __mmask16 m = __mmask16((1u << (n - i)) - 1);
  if (m) _mm512_mask_storeu_ps(to + i, m, _mm512_maskz_cvtph_ps(m, _mm256_maskz_loadu_epi16(m, from + i)));
}
FL_FN void narrow_block(const float* from, Half* to, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256((__m256i*)(to + i), _mm512_maskz_cvtps_ph(__mmask16(-1), _mm512_loadu_ps(from + i), 0));
  __mmask16 m = __mmask16((1u << (n - i)) - 1);
  if (m) _mm256_mask_storeu_epi16(to + i, m, _mm512_maskz_cvtps_ph(m, _mm512_maskz_loadu_ps(m, from + i), 0));
}
#elif defined(__F16C__)
FL_FN void widen_block(const Half* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(from + i))));
  for (; i < n; i++) to[i] = float(from[i]);
}
FL_FN void narrow_block(const float* from, Half* to, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i*)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), 0));
  for (; i < n; i++) to[i] = Half(from[i]);
}
#else
// Shift into place, then scale the exponent; infinities and NaN get the largest exponent.
FL_FN void widen_block(const Half* from, float* to, int64_t n) {
  constexpr int width = FL_VB / 4;
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    vu h;
    for (int k = 0; k < width; k++) h[k] = from[i + k].bits;
    vu magnitude = (h & 0x7fff) << 13;
    vf f = (vf)magnitude * 0x1p112f;
    store(to + i, (vf)((vu)f | sel(magnitude >= 0x0f800000u, splat<vu>(0x7f800000u), vu{}) | (h & 0x8000) << 16));
  }
  for (; i < n; i++) to[i] = float(from[i]);
}
// As float_to_half: subnormals rounded by adding 0.5, normals by integer arithmetic.
FL_FN void narrow_block(const float* from, Half* to, int64_t n) {
  constexpr int width = FL_VB / 4;
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    vu x = load<vu>(from + i), sign = (x >> 16) & 0x8000, magnitude = x & 0x7fffffff;
    vu small = (vu)((vf)magnitude + 0.5f) - 0x3f000000;
    vu normal = (magnitude + 0xc8000fff + ((magnitude >> 13) & 1)) >> 13;
    vu big = sel(magnitude > 0x7f800000u, splat<vu>(0x7e00), splat<vu>(0x7c00));
    vu r = sign | sel(magnitude >= 0x47800000u, big, sel(magnitude < 0x38800000u, small, normal));
    for (int k = 0; k < width; k++) to[i + k].bits = uint16_t(r[k]);
  }
  for (; i < n; i++) to[i] = Half(from[i]);
}
#endif
typedef uint16_t Bits16 __attribute__((may_alias));
typedef uint32_t Bits32 __attribute__((may_alias));
FL_FN void widen_block(const BFloat16* from, float* to, int64_t n) {
  const Bits16* in = (const Bits16*)from;
  Bits32* out = (Bits32*)to;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) out[i] = uint32_t(in[i]) << 16;
}
FL_FN void narrow_block(const float* from, BFloat16* to, int64_t n) {
  const Bits32* in = (const Bits32*)from;
  Bits16* out = (Bits16*)to;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    uint32_t x = in[i], rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
    out[i] = uint16_t((x & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

// A reduced float on one side or both: by way of blocks of floats.
template <class From, class To>
void reduced_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  bool simple = strides[0] == sizeof(To) && strides[1] == sizeof(From);
  if (!simple) {
    constexpr uint8_t sizes[2] = {sizeof(To), sizeof(From)};
    if (strides[1] == 0 && strides[0] == sizeof(To)) {  // fill
      if (n <= 0) return;
      To y = convert<To>(*(const From*)ptrs[1]), *out = (To*)ptrs[0];
      for (int64_t i = 0; i < n; i++) out[i] = y;
      return;
    }
    if (strides[1] == 0) {
      for (int64_t i = 0; i < n; i++) *(To*)(ptrs[0] + i * strides[0]) = convert<To>(*(const From*)ptrs[1]);
      return;
    }
    return strided_loop(&reduced_loop<From, To>, 1, sizes, n, ptrs, strides, params);
  }
  const From* from = (const From*)ptrs[1];
  To* to = (To*)ptrs[0];
  if constexpr (__is_same(To, float)) {
    widen_block(from, to, n);
  } else if constexpr (__is_same(From, float)) {
    narrow_block(from, to, n);
  } else {
    constexpr int64_t block = 256;
    float buffer[block];
    for (int64_t begin = 0; begin < n; begin += block) {
      int64_t count = n - begin < block ? n - begin : block;
      if constexpr (kReduced<From>) widen_block(from + begin, buffer, count);
      else
        for (int64_t i = 0; i < count; i++) buffer[i] = convert<float>(from[begin + i]);
      if constexpr (kReduced<To>) narrow_block(buffer, to + begin, count);
      else
        for (int64_t i = 0; i < count; i++) to[begin + i] = convert<To>(buffer[i]);
    }
  }
}

struct Bits128 {
  uint64_t low, high;
};
struct Same : Formula<0> {
  template <class T> FL_FN T f(T x) { return x; }
};
template <class T> void copy_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  if (strides[0] == sizeof(T) && strides[1] == sizeof(T)) {
    if (ptrs[0] != ptrs[1]) std::memcpy(ptrs[0], ptrs[1], n * sizeof(T));
    return;
  }
  if (strides[0] == sizeof(T) && strides[1] == 0 && n > 0) {  // fill
    T x = *(const T*)ptrs[1], *out = (T*)ptrs[0];
    for (int64_t i = 0; i < n; i++) out[i] = x;
    return;
  }
  plain_loop<Same, T, T, 1>(n, ptrs, strides, params);
}

template <class From, class To> consteval Loop cast_loop() {
  if constexpr (sizeof(From) == sizeof(To) &&
                (__is_same(From, To) || (kWord<From> && kWord<To> && !__is_same(To, bool)))) {
    if constexpr (sizeof(To) == 1) return copy_loop<uint8_t>;
    else if constexpr (sizeof(To) == 2) return copy_loop<uint16_t>;
    else if constexpr (sizeof(To) == 4) return copy_loop<uint32_t>;
    else if constexpr (sizeof(To) == 8) return copy_loop<uint64_t>;
    else return copy_loop<Bits128>;
  } else if constexpr ((kReduced<From> && !__is_same(To, bool)) || kReduced<To>) {
    return reduced_loop<From, To>;
  } else {
    return plain_loop<Convert<To>, From, To, 1>;
  }
}
template <class From> consteval Row cast_row() {
  return {{cast_loop<From, bool>(), cast_loop<From, uint8_t>(), cast_loop<From, int8_t>(), cast_loop<From, int16_t>(),
           cast_loop<From, int32_t>(), cast_loop<From, int64_t>(), cast_loop<From, uint16_t>(),
           cast_loop<From, uint32_t>(), cast_loop<From, uint64_t>(), cast_loop<From, Half>(),
           cast_loop<From, BFloat16>(), cast_loop<From, float>(), cast_loop<From, double>(),
           cast_loop<From, Complex<float>>(), cast_loop<From, Complex<double>>(), cast_loop<From, Complex<Half>>()}};
}

}  // namespace

extern const Row cast_from[kDTypes];
// Bool is read as bytes 0 and 1.
constinit const Row cast_from[kDTypes] = {
    cast_row<uint8_t>(), cast_row<uint8_t>(), cast_row<int8_t>(), cast_row<int16_t>(),
    cast_row<int32_t>(), cast_row<int64_t>(), cast_row<uint16_t>(), cast_row<uint32_t>(),
    cast_row<uint64_t>(), cast_row<Half>(), cast_row<BFloat16>(), cast_row<float>(),
    cast_row<double>(), cast_row<Complex<float>>(), cast_row<Complex<double>>(),
    cast_row<Complex<Half>>()};

}  // namespace fl::cpu::FL_ISA
