// Folds that choose: Amax, Amin, Any, All, and the extrema with their indices. NaN wins; of equal elements the first one.
#include "kernels/cpu/reduce_fold.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T> constexpr T kLowest = T(T(-1) < T(0) ? T(uint64_t(1) << (8 * sizeof(T) - 1)) : T(0));
template <class T> constexpr T kHighest = T(~uint64_t(kLowest<T>));
template <> constexpr float kLowest<float> = -__builtin_inff();
template <> constexpr float kHighest<float> = __builtin_inff();
template <> constexpr double kLowest<double> = -__builtin_inf();
template <> constexpr double kHighest<double> = __builtin_inf();

template <class T> constexpr bool kFloating = T(0.5) != T(0);

template <class X> struct Max {
  using T = X;
  static constexpr T identity() { return kLowest<T>; }
  static constexpr T fill() { return identity(); }
  template <class V> FL_INLINE V join(V a, V b) {
    if constexpr (kFloating<X>) return nan_max(a, b);
    else return a > b ? a : b;
  }
  template <class V> V map(V v) const { return v; }
};
template <class X> struct Min {
  using T = X;
  static constexpr T identity() { return kHighest<T>; }
  static constexpr T fill() { return identity(); }
  template <class V> FL_INLINE V join(V a, V b) {
    if constexpr (kFloating<X>) return nan_min(a, b);
    else return a < b ? a : b;
  }
  template <class V> V map(V v) const { return v; }
};

template <class Op> struct Extremum {
  using T = typename Op::T;
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((T*)states)[i] = Op::identity();
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    for (int64_t j = 0; j < m; ++j, x += stride) ((T*)states)[j] = Op::join(((T*)states)[j], fold_block<Op>((const T*)x, n, Op()));
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    alignas(FL_VB) T tile[kColumnTile + lanes<T>];
    for (int64_t j = 0; j < m; ++j) tile[j] = ((T*)states)[j];
    for (int64_t j = m; j < m + lanes<T>; ++j) tile[j] = Op::identity();
    fold_columns<Op>(x, stride, n, m, tile, Op());
    for (int64_t j = 0; j < m; ++j) ((T*)states)[j] = tile[j];
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((T*)into)[i] = Op::join(((T*)into)[i], ((const T*)from)[i]);
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    emit(states, dtype_of<T>::value, count, c.out_dtype, r.out, r.stride);
  }
  static constexpr Fold fold = {dtype_of<T>::value, sizeof(T), init, rows, columns, merge, finish};
};

template <class Op> struct Place {
  using T = typename Op::T;
  struct S { T value; int64_t index; };  // index -1: nothing seen yet

  static bool is_nan(T x) { return x != x; }
  // Whether x, coming later, replaces the value of a state that has seen something.
  static bool better(T x, T value) { return (Op::join(value, x) != value && !is_nan(value)) || (is_nan(x) && !is_nan(value)); }

  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {Op::identity(), -1};
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t first, const FoldContext&) {
    constexpr int64_t kBlock = 1024;
    for (int64_t j = 0; j < m; ++j, x += stride) {
      S s = ((S*)states)[j];
      for (int64_t i = 0; i < n; i += kBlock) {
        const T* p = (const T*)x + i;
        int64_t k = n - i < kBlock ? n - i : kBlock;
        T best = fold_block<Op>(p, k, Op());
        if (s.index >= 0 && !better(best, s.value)) continue;
        int64_t at = 0;
        if (is_nan(best)) while (!is_nan(p[at])) ++at;
        else while (p[at] != best) ++at;
        s = {best, first + i + at};
      }
      ((S*)states)[j] = s;
    }
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t first, const FoldContext&) {
    constexpr int kTile = 256;
    alignas(FL_VB) T value[kTile];
    alignas(FL_VB) int64_t index[kTile];
    for (int64_t c = 0; c < m; c += kTile) {
      int64_t w = m - c < kTile ? m - c : kTile;
      S* s = (S*)states + c;
      for (int64_t j = 0; j < w; ++j) value[j] = s[j].value, index[j] = s[j].index;
      for (int64_t i = 0; i < n; ++i) {
        const T* p = (const T*)(x + i * stride) + c;
        int64_t here = first + i;
        for (int64_t j = 0; j < w; ++j) {
          T v = p[j], old = value[j];
          bool replace;
          if constexpr (kFloating<T>) replace = !(Op::join(old, v) == old) & (old == old);
          else replace = Op::join(old, v) != old;
          replace |= index[j] < 0;
          value[j] = replace ? v : old;
          index[j] = replace ? here : index[j];
        }
      }
      for (int64_t j = 0; j < w; ++j) s[j] = {value[j], index[j]};
    }
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      S& a = ((S*)into)[i];
      const S& b = ((const S*)from)[i];
      if (b.index >= 0 && (a.index < 0 || better(b.value, a.value))) a = b;
    }
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    const S* s = (const S*)states;
    bool both = c.op == Reduce::Max || c.op == Reduce::Min;
    char* out = both ? r.out2 : r.out;
    int64_t stride = both ? r.stride2 : r.stride;
    if (out)
      for (int64_t i = 0; i < count; ++i) *(int64_t*)(out + i * stride) = s[i].index;
    if (!both) return;
    T values[256];
    for (int64_t i = 0; i < count; i += 256) {
      int64_t k = count - i < 256 ? count - i : 256;
      for (int64_t j = 0; j < k; ++j) values[j] = s[i + j].value;
      emit(values, dtype_of<T>::value, k, c.out_dtype, r.out + i * r.stride, r.stride);
    }
  }
  static constexpr Fold fold = {dtype_of<T>::value, sizeof(S), init, rows, columns, merge, finish};
};

template <template <class> class Fam, template <class> class Op> const Fold* pick(DType t) {
  switch (t) {
    case DType::Bool:
    case DType::UInt8: return &Fam<Op<uint8_t>>::fold;
    case DType::Int8: return &Fam<Op<int8_t>>::fold;
    case DType::Int16: return &Fam<Op<int16_t>>::fold;
    case DType::Int32: return &Fam<Op<int32_t>>::fold;
    case DType::Int64: return &Fam<Op<int64_t>>::fold;
    case DType::Float32: return &Fam<Op<float>>::fold;
    default: return &Fam<Op<double>>::fold;
  }
}

}  // namespace

const Fold* extremum_fold(Reduce op, DType compute) {
  switch (op) {
    case Reduce::Amax: return pick<Extremum, Max>(compute);
    case Reduce::Amin: return pick<Extremum, Min>(compute);
    case Reduce::Any: return &Extremum<Max<uint8_t>>::fold;  // of 0 and 1
    case Reduce::All: return &Extremum<Min<uint8_t>>::fold;
    case Reduce::Argmax:
    case Reduce::Max: return pick<Place, Max>(compute);
    default: return pick<Place, Min>(compute);
  }
}

}  // namespace fl::cpu::FL_ISA
