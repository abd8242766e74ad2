// Folds that add or multiply: Sum, Mean, Prod, CountNonzero and the norms. Float and complex sums run in blocks of
// float accumulators whose results are added in double.
#include "kernels/cpu/reduce_fold.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kBlock = 4096;     // elements added in the element type
constexpr int64_t kRowsBlock = 128;  // rows added in the element type

template <class X>
struct Sum {
  using T = X;
  static constexpr bool scalar_is_fast = true;
  static constexpr T identity() { return T(0); }
  static constexpr T fill() { return T(0); }
  template <class V>
  FL_FN V join(V a, V b) {
    return a + b;
  }
  template <class V>
  V map(V v) const {
    return v;
  }
};
template <class X>
struct SumNumbers : Sum<X> {  // NaN counts for nothing
  template <class V>
  V map(V v) const {
    return v == v ? v : V{};
  }
};
template <class X>
struct SumAbs : Sum<X> {
  template <class V>
  V map(V v) const {
    return v < 0 ? -v : v;
  }
};
template <class X>
struct SumSquares : Sum<X> {
  template <class V>
  V map(V v) const {
    return v * v;
  }
};
template <class X>
struct Prod {
  using T = X;
  static constexpr bool scalar_is_fast = true;
  static constexpr T identity() { return T(1); }
  static constexpr T fill() { return T(1); }
  template <class V>
  FL_FN V join(V a, V b) {
    return a * b;
  }
  template <class V>
  V map(V v) const {
    return v;
  }
};
template <class X>
struct MaxAbs {
  using T = X;
  static constexpr bool scalar_is_fast = false;
  static constexpr T identity() { return T(0); }
  static constexpr T fill() { return T(0); }
  template <class V>
  FL_FN V join(V a, V b) {
    return nan_max(a, b);
  }
  template <class V>
  V map(V v) const {
    return v < 0 ? -v : v;
  }
};
template <class X>
struct MinAbs {
  using T = X;
  static constexpr bool scalar_is_fast = false;
  static constexpr T identity() { return T(__builtin_inf()); }
  static constexpr T fill() { return T(__builtin_inf()); }
  template <class V>
  FL_FN V join(V a, V b) {
    return nan_min(a, b);
  }
  template <class V>
  V map(V v) const {
    return v < 0 ? -v : v;
  }
};

template <class T>
struct StateOf {
  using type = double;
};
template <>
struct StateOf<uint64_t> {
  using type = uint64_t;
};  // integers: their bits, which wrap

// Results from states of type S, as values of type T: a mean, a root or the state itself.
template <class T, class S>
void finish_values(const S* s, int64_t count, T* values, const FoldContext& c) {
  if (c.op == Reduce::Mean) {
    double n = double(c.n);
    for (int64_t i = 0; i < count; ++i) values[i] = T(double(s[i]) / n);
  } else if (c.op == Reduce::Norm && c.p == 2 && c.n != 1) {
    for (int64_t i = 0; i < count; ++i) values[i] = T(__builtin_sqrt(double(s[i])));
  } else if (c.op == Reduce::Norm && c.p != 0 && c.p != 1 && !__builtin_isinf(c.p) && c.n != 1) {
    for (int64_t i = 0; i < count; ++i) values[i] = T(__builtin_pow(double(s[i]), 1 / c.p));
  } else {
    for (int64_t i = 0; i < count; ++i) values[i] = T(s[i]);
  }
}

// Parts: 2 for complex numbers, which are folded as pairs of T.
template <class Op, int Parts = 1>
struct Folded {
  using T = typename Op::T;
  using S = typename StateOf<T>::type;
  struct Value {
    T parts[Parts];
  };
  static constexpr DType compute = T(0.5) == T(0)   ? DType::Int64
                                   : Parts == 1     ? dtype_of<T>::value
                                   : sizeof(T) == 4 ? DType::Complex64
                                                    : DType::Complex128;

  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count * Parts; ++i) ((S*)states)[i] = S(Op::identity());
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    S* s = (S*)states;
    for (int64_t j = 0; j < m; ++j, x += stride) {
      const T* p = (const T*)x;
      if constexpr (Parts == 2) {
        for (int64_t i = 0; i < n; i += kBlock) pair(p + 2 * i, n - i < kBlock ? n - i : kBlock, s + 2 * j);
      } else {
        S total = s[j];
        for (int64_t i = 0; i < n; i += kBlock)
          total = Op::join(total, S(fold_block<Op>(p + i, n - i < kBlock ? n - i : kBlock, Op())));
        s[j] = total;
      }
    }
  }
  // n complex numbers: even and odd lanes apart.
  static void pair(const T* p, int64_t n, S* s) {
    constexpr int W = kLanes<T>;
    Vec<T> a = splat<Vec<T>>(Op::identity()), b = a, c = a, d = a;
    int64_t i = 0;
    n *= 2;
    for (; i + 4 * W <= n; i += 4 * W) {
      a = Op::join(a, vec_at(p + i));
      b = Op::join(b, vec_at(p + i + W));
      c = Op::join(c, vec_at(p + i + 2 * W));
      d = Op::join(d, vec_at(p + i + 3 * W));
    }
    for (; i + W <= n; i += W) a = Op::join(a, vec_at(p + i));
    if (i < n) b = Op::join(b, load_partial<T>(p + i, n - i, Op::fill()));
    a = Op::join(Op::join(a, b), Op::join(c, d));
    T t[W], re = Op::identity(), im = re;
    store(t, a);
    for (int k = 0; k < W; k += 2) re = Op::join(re, t[k]), im = Op::join(im, t[k + 1]);
    s[0] = Op::join(s[0], S(re));
    s[1] = Op::join(s[1], S(im));
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    S* s = (S*)states;
    m *= Parts;
    alignas(FL_VB) T tile[kColumnTile * Parts + kLanes<T>];
    for (int64_t r = 0; r < n; r += kRowsBlock) {
      for (int64_t j = 0; j < m + kLanes<T> && j < kColumnTile * Parts + kLanes<T>; ++j) tile[j] = Op::identity();
      fold_columns<Op>(x + r * stride, stride, n - r < kRowsBlock ? n - r : kRowsBlock, m, tile, Op());
      for (int64_t j = 0; j < m; ++j) s[j] = Op::join(s[j], S(tile[j]));
    }
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count * Parts; ++i) ((S*)into)[i] = Op::join(((S*)into)[i], ((const S*)from)[i]);
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    T values[256 * Parts];
    for (int64_t i = 0; i < count; i += 256) {
      int64_t k = count - i < 256 ? count - i : 256;
      finish_values<T, S>((const S*)states + i * Parts, k * Parts, values, c);
      emit((const Value*)values, compute, k, c.out_dtype, r.out + i * r.stride, r.stride);
    }
  }
  static constexpr Fold fold = {compute, int(sizeof(S)) * Parts, init, rows, columns, merge, finish};
};

// Sums of 0/1 and of unsigned bytes: counted in 32 bits, added in 64.
struct CountBytes {
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((int64_t*)states)[i] = 0;
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    for (int64_t j = 0; j < m; ++j, x += stride) {
      int64_t total = 0;
      for (int64_t i = 0; i < n; i += kBlock) {
        const uint8_t* p = (const uint8_t*)x + i;
        int64_t k = n - i < kBlock ? n - i : kBlock;
        uint32_t sum = 0;
        for (int64_t q = 0; q < k; ++q) sum += p[q];
        total += sum;
      }
      ((int64_t*)states)[j] += total;
    }
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    alignas(FL_VB) uint16_t tile[kColumnTile];
    for (int64_t r = 0; r < n; r += kRowsBlock) {
      for (int64_t j = 0; j < m; ++j) tile[j] = 0;
      for (int64_t i = r; i < n && i < r + kRowsBlock; ++i) {
        const uint8_t* p = (const uint8_t*)x + i * stride;
        for (int64_t j = 0; j < m; ++j) tile[j] = uint16_t(tile[j] + p[j]);
      }
      for (int64_t j = 0; j < m; ++j) ((int64_t*)states)[j] += tile[j];
    }
  }
  static constexpr Fold fold = {
      DType::UInt8, 8, init, rows, columns, Folded<Sum<uint64_t>>::merge, Folded<Sum<uint64_t>>::finish};
};

// Products of complex numbers and sums of |x|^p: one element at a time, in double.
template <class T>
struct ComplexProd {
  struct S {
    double re, im;
  };
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {1, 0};
  }
  static void times(S& s, double re, double im) { s = {s.re * re - s.im * im, s.re * im + s.im * re}; }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    for (int64_t j = 0; j < m; ++j, x += stride)
      for (int64_t i = 0; i < n; ++i) times(((S*)states)[j], ((const T*)x)[2 * i], ((const T*)x)[2 * i + 1]);
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    for (int64_t i = 0; i < n; ++i, x += stride)
      for (int64_t j = 0; j < m; ++j) times(((S*)states)[j], ((const T*)x)[2 * j], ((const T*)x)[2 * j + 1]);
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) times(((S*)into)[i], ((const S*)from)[i].re, ((const S*)from)[i].im);
  }
  static constexpr Fold fold = {Folded<Sum<T>, 2>::compute, 16, init, rows, columns, merge, Folded<Sum<T>, 2>::finish};
};

template <class T>
struct Powers {
  static double power(T x, double p) {
    double a = x < 0 ? -double(x) : double(x);
    return p == 0 ? (x != 0 ? 1. : 0.) : p == 3 ? a * a * a
                                     : p == 4   ? (a * a) * (a * a)
                                                : __builtin_pow(a, p);
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext& c) {
    for (int64_t j = 0; j < m; ++j, x += stride) {
      double s = 0;
      for (int64_t i = 0; i < n; ++i) s += power(((const T*)x)[i], c.p);
      ((double*)states)[j] += s;
    }
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t,
                      const FoldContext& c) {
    for (int64_t i = 0; i < n; ++i, x += stride)
      for (int64_t j = 0; j < m; ++j) ((double*)states)[j] += power(((const T*)x)[j], c.p);
  }
  static constexpr Fold fold = {dtype_of<T>::value, 8, Folded<Sum<T>>::init, rows, columns, Folded<Sum<T>>::merge,
                                Folded<Sum<T>>::finish};
};

template <class T>
const Fold* norm_fold(const FoldContext& c) {
  if (__builtin_isinf(c.p)) return c.p > 0 ? &Folded<MaxAbs<T>>::fold : &Folded<MinAbs<T>>::fold;
  if (c.p == 1 || (c.n == 1 && c.p != 0)) return &Folded<SumAbs<T>>::fold;
  if (c.p == 2) return &Folded<SumSquares<T>>::fold;
  return &Powers<T>::fold;
}

}  // namespace

const Fold* sum_fold(Reduce op, DType compute, const FoldContext& c) {
  const bool prod = op == Reduce::Prod, nan = op == Reduce::Nansum;
  if (op == Reduce::Norm) return compute == DType::Float32 ? norm_fold<float>(c) : norm_fold<double>(c);
  switch (compute) {
    case DType::Bool:
    case DType::UInt8:
      return &CountBytes::fold;
    case DType::Int64:
      return prod ? &Folded<Prod<uint64_t>>::fold : &Folded<Sum<uint64_t>>::fold;
    case DType::Float32:
      return prod ? &Folded<Prod<float>>::fold : nan ? &Folded<SumNumbers<float>>::fold
                                                     : &Folded<Sum<float>>::fold;
    case DType::Float64:
      return prod ? &Folded<Prod<double>>::fold : nan ? &Folded<SumNumbers<double>>::fold
                                                      : &Folded<Sum<double>>::fold;
    case DType::Complex64:
      return prod ? &ComplexProd<float>::fold : &Folded<Sum<float>, 2>::fold;
    default:
      return prod ? &ComplexProd<double>::fold : &Folded<Sum<double>, 2>::fold;
  }
}

}  // namespace fl::cpu::FL_ISA
