// Folds that choose: Amax, Amin, Any, All, and the extrema with their indices. NaN wins; of equal elements the first
// one.
#include "kernels/cpu/reduce_fold.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
constexpr T kLowest = T(T(-1) < T(0) ? T(uint64_t(1) << (8 * sizeof(T) - 1)) : T(0));
template <class T>
constexpr T kHighest = T(~uint64_t(kLowest<T>));
template <>
constexpr float kLowest<float> = -__builtin_inff();
template <>
constexpr float kHighest<float> = __builtin_inff();
template <>
constexpr double kLowest<double> = -__builtin_inf();
template <>
constexpr double kHighest<double> = __builtin_inf();

template <class T>
constexpr bool kFloating = T(0.5) != T(0);

template <class X>
struct Max {
  using T = X;
  static constexpr bool scalar_is_fast = false;  // a branch on random data
  static constexpr T identity() { return kLowest<T>; }
  static constexpr T fill() { return identity(); }
  template <class V>
  FL_FN V join(V a, V b) {
    if constexpr (kFloating<X>)
      return nan_max(a, b);
    else
      return a > b ? a : b;
  }
  // Whether v, coming later, replaces `old`.
  template <class V>
  FL_FN auto beats(V v, V old) {
    if constexpr (kFloating<X>)
      return (v > old) | ((v != v) & (old == old));
    else
      return v > old;
  }
  template <class V>
  V map(V v) const {
    return v;
  }
};
template <class X>
struct Min {
  using T = X;
  static constexpr bool scalar_is_fast = false;  // a branch on random data
  static constexpr T identity() { return kHighest<T>; }
  static constexpr T fill() { return identity(); }
  template <class V>
  FL_FN V join(V a, V b) {
    if constexpr (kFloating<X>)
      return nan_min(a, b);
    else
      return a < b ? a : b;
  }
  // Whether v, coming later, replaces `old`.
  template <class V>
  FL_FN auto beats(V v, V old) {
    if constexpr (kFloating<X>)
      return (v < old) | ((v != v) & (old == old));
    else
      return v < old;
  }
  template <class V>
  V map(V v) const {
    return v;
  }
};

template <class Op>
struct Extremum {
  using T = typename Op::T;
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((T*)states)[i] = Op::identity();
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    for (int64_t j = 0; j < m; ++j, x += stride)
      ((T*)states)[j] = Op::join(((T*)states)[j], fold_block<Op>((const T*)x, n, Op()));
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    alignas(FL_VB) T tile[kColumnTile + kLanes<T>];
    for (int64_t j = 0; j < m; ++j) tile[j] = ((T*)states)[j];
    for (int64_t j = m; j < m + kLanes<T>; ++j) tile[j] = Op::identity();
    fold_columns<Op>(x, stride, n, m, tile, Op());
    for (int64_t j = 0; j < m; ++j) ((T*)states)[j] = tile[j];
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((T*)into)[i] = Op::join(((T*)into)[i], ((const T*)from)[i]);
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    emit((const T*)states, dtype_of<T>::value, count, c.out_dtype, r.out, r.stride);
  }
  static constexpr Fold fold = {dtype_of<T>::value, sizeof(T), init, rows, columns, merge, finish};
};

template <int Bytes>
struct LaneOf {
  using type = int64_t;
};
template <>
struct LaneOf<1> {
  using type = int8_t;
};
template <>
struct LaneOf<2> {
  using type = int16_t;
};
template <>
struct LaneOf<4> {
  using type = int32_t;
};

template <class Op>
struct Place {
  using T = typename Op::T;
  struct S {
    T value;
    int64_t index;
  };  // index -1: nothing seen yet

  static bool is_nan(T x) { return x != x; }
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {Op::identity(), -1};
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t first,
                   const FoldContext&) {
    constexpr int64_t kBlock = 1024;
    for (int64_t j = 0; j < m; ++j, x += stride) {
      S s = ((S*)states)[j];
      for (int64_t i = 0; i < n; i += kBlock) {
        const T* p = (const T*)x + i;
        int64_t k = n - i < kBlock ? n - i : kBlock;
        T best = fold_block<Op>(p, k, Op());
        if (s.index >= 0 && !Op::beats(best, s.value)) continue;
        int64_t at = 0;
        if (is_nan(best))
          while (!is_nan(p[at])) ++at;
        else
          while (p[at] != best) ++at;
        s = {best, first + i + at};
      }
      ((S*)states)[j] = s;
    }
  }
  // Rows in blocks whose positions fit an integer as wide as T, so that values and positions move in the same lanes.
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t first,
                      const FoldContext&) {
    constexpr int W = kLanes<T>;
    constexpr int64_t kRows = sizeof(T) == 1 ? 127 : 16384;
    using V = Vec<T>;
    using I = decltype(V{} < V{});
    using Lane = typename LaneOf<sizeof(T)>::type;
    alignas(FL_VB) T value[kColumnTile + W];
    alignas(FL_VB) I at[kColumnTile / W + 1];
    S* s = (S*)states;
    for (int64_t r = 0; r < n; r += kRows) {
      int64_t k = n - r < kRows ? n - r : kRows;
      for (int64_t j = 0; j < m; ++j) value[j] = s[j].value;
      for (int64_t j = 0; j < m; j += W) at[j / W] = I{} - 1;
      for (int64_t i = 0; i < k; ++i) {
        const T* p = (const T*)(x + (r + i) * stride);
        I here = I{} + Lane(i);
        for (int64_t j = 0; j < m; j += W) {
          V old = vec_at(value + j), v = m - j >= W ? vec_at(p + j) : load_partial<T>(p + j, m - j, Op::identity());
          I replace = Op::beats(v, old);
          store(value + j, replace ? v : old);
          at[j / W] = replace ? here : at[j / W];
        }
      }
      for (int64_t j = 0; j < m; ++j) {
        int64_t i = at[j / W][j % W];
        if (i >= 0)
          s[j] = {value[j], first + r + i};
        else if (s[j].index < 0)
          s[j] = {((const T*)(x + r * stride))[j], first + r};
      }
    }
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      S& a = ((S*)into)[i];
      const S& b = ((const S*)from)[i];
      if (b.index >= 0 && (a.index < 0 || Op::beats(b.value, a.value))) a = b;
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

template <template <class> class Fam, template <class> class Op>
const Fold* pick(DType t) {
  switch (t) {
    case DType::Bool:
    case DType::UInt8:
      return &Fam<Op<uint8_t>>::fold;
    case DType::Int8:
      return &Fam<Op<int8_t>>::fold;
    case DType::Int16:
      return &Fam<Op<int16_t>>::fold;
    case DType::Int32:
      return &Fam<Op<int32_t>>::fold;
    case DType::Int64:
      return &Fam<Op<int64_t>>::fold;
    case DType::Float32:
      return &Fam<Op<float>>::fold;
    default:
      return &Fam<Op<double>>::fold;
  }
}

}  // namespace

const Fold* extremum_fold(Reduce op, DType compute) {
  switch (op) {
    case Reduce::Amax:
      return pick<Extremum, Max>(compute);
    case Reduce::Amin:
      return pick<Extremum, Min>(compute);
    case Reduce::Any:
      return &Extremum<Max<uint8_t>>::fold;  // of 0 and 1
    case Reduce::All:
      return &Extremum<Min<uint8_t>>::fold;
    case Reduce::Argmax:
    case Reduce::Max:
      return pick<Place, Max>(compute);
    default:
      return pick<Place, Min>(compute);
  }
}

}  // namespace fl::cpu::FL_ISA
