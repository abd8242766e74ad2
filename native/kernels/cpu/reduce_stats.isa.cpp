// Folds of several numbers: Var and Std (two passes over cached blocks, joined after Chan, Golub & LeVeque 1983) and
// Logsumexp.
#include "kernels/cpu/reduce_fold.h"
#include "kernels/cpu/rows.h"

namespace fl::cpu::FL_ISA {
namespace {

void finish_variance(double* m2, int64_t count, const FoldContext& c) {
  double divisor = double(c.n) - c.correction;
  if (divisor < 0) divisor = 0;
  for (int64_t i = 0; i < count; ++i) {
    m2[i] /= divisor;
    if (c.op == Reduce::Std) m2[i] = __builtin_sqrt(m2[i]);
  }
}

template <class T>
struct Variance {
  using S = Moments;
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {0, 0, 0};
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    constexpr int64_t kBlock = 2048;
    for (int64_t j = 0; j < m; ++j, x += stride)
      for (int64_t i = 0; i < n; i += kBlock) {
        int64_t k = n - i < kBlock ? n - i : kBlock;
        double mean, m2;
        moments((const T*)x + i, k, mean, m2);
        join(((S*)states)[j], double(k), mean, m2);
      }
  }
  // One pass over blocks of rows. Deviations are taken from the mean so far (in the first block: of its first rows);
  // what the shift costs in accuracy is a part of the variance between the blocks, which the result contains.
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    constexpr int64_t kRows = 128;
    constexpr int Wide = 4;
    for (int64_t r = 0; r < n; r += kRows, x += kRows * stride) {
      const int64_t k = n - r < kRows ? n - r : kRows;
      int64_t j = 0;
      for (; j + Wide * kLanes<T> <= m; j += Wide * kLanes<T>)
        block<Wide>((const T*)x + j, stride, k, m - j, (S*)states + j);
      for (; j < m; j += kLanes<T>) block<1>((const T*)x + j, stride, k, m - j, (S*)states + j);
    }
  }
  template <int U>
  FL_FN void block(const T* x, int64_t stride, int64_t k, int64_t m, S* s) {
    constexpr int W = kLanes<T>;
    const int w = U == 1 && m < W ? int(m) : U * W;
    auto at = [&](int64_t i, int u) __attribute__((always_inline)) {
      const T* p = (const T*)((const char*)x + i * stride) + u * W;
      return U == 1 && w < W ? load_partial<T>(p, w, T(0)) : vec_at(p);
    };
    alignas(FL_VB) T about[U * W], d1[U * W], d2[U * W];
    const double before = s[0].n;
    Vec<T> shift[U], s1[U], s2[U];
    if (before == 0) {
      const int64_t few = k < 8 ? k : 8;
      for (int u = 0; u < U; ++u) {
        shift[u] = at(0, u);
        for (int64_t i = 1; i < few; ++i) shift[u] += at(i, u);
        shift[u] = shift[u] / T(few);
        store(about + u * W, shift[u]);
      }
    } else {
      for (int q = 0; q < w; ++q) about[q] = T(s[q].mean);
      for (int u = 0; u < U; ++u) shift[u] = vec_at(about + u * W);
    }
    for (int u = 0; u < U; ++u) s1[u] = s2[u] = Vec<T>{};
    for (int64_t i = 0; i < k; ++i)
      for (int u = 0; u < U; ++u) {
        Vec<T> d = at(i, u) - shift[u];
        s1[u] += d;
        s2[u] += d * d;
      }
    for (int u = 0; u < U; ++u) store(d1 + u * W, s1[u]), store(d2 + u * W, s2[u]);
    // All of these columns have seen the same number of rows.
    const double count = double(k), share = 1 / count, total = before + count, part = count / total;
    for (int q = 0; q < w; ++q) {
      double rest = double(d1[q]), delta = double(about[q]) + rest * share - s[q].mean;
      s[q].n = total;
      s[q].mean += delta * part;
      s[q].m2 += double(d2[q]) - rest * rest * share + delta * delta * (before * part);
    }
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const S& b = ((const S*)from)[i];
      join(((S*)into)[i], b.n, b.mean, b.m2);
    }
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    const S* s = (const S*)states;
    double values[256];
    for (int64_t i = 0; i < count; i += 256) {
      int64_t k = count - i < 256 ? count - i : 256;
      for (int64_t j = 0; j < k; ++j) values[j] = s[i + j].m2;
      finish_variance(values, k, c);
      emit(values, DType::Float64, k, c.out_dtype, r.out + i * r.stride, r.stride);
      if (!r.out2) continue;
      for (int64_t j = 0; j < k; ++j) values[j] = c.n ? s[i + j].mean : __builtin_nan("");
      emit(values, DType::Float64, k, c.out2_dtype, r.out2 + i * r.stride2, r.stride2);
    }
  }
  static constexpr Fold fold = {dtype_of<T>::value, sizeof(S), init, rows, columns, merge, finish};
};

// The variance of complex numbers, E|z - mean|^2, one element at a time (Welford).
struct ComplexVariance {
  struct S {
    double n, re, im, m2;
  };
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {0, 0, 0, 0};
  }
  static void add(S& s, const double* z) {
    s.n += 1;
    double re = z[0] - s.re, im = z[1] - s.im;
    s.re += re / s.n;
    s.im += im / s.n;
    s.m2 += re * (z[0] - s.re) + im * (z[1] - s.im);
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    for (int64_t j = 0; j < m; ++j, x += stride)
      for (int64_t i = 0; i < n; ++i) add(((S*)states)[j], (const double*)x + 2 * i);
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    for (int64_t i = 0; i < n; ++i, x += stride)
      for (int64_t j = 0; j < m; ++j) add(((S*)states)[j], (const double*)x + 2 * j);
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      S& a = ((S*)into)[i];
      const S& b = ((const S*)from)[i];
      if (b.n == 0) continue;
      double total = a.n + b.n, re = b.re - a.re, im = b.im - a.im;
      a = {total, a.re + re * (b.n / total), a.im + im * (b.n / total),
           a.m2 + b.m2 + (re * re + im * im) * (a.n * b.n / total)};
    }
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    const S* s = (const S*)states;
    for (int64_t i = 0; i < count; ++i) {
      double value = s[i].m2, mean[2] = {c.n ? s[i].re : __builtin_nan(""), c.n ? s[i].im : __builtin_nan("")};
      finish_variance(&value, 1, c);
      emit(&value, DType::Float64, 1, c.out_dtype, r.out + i * r.stride, r.stride);
      if (r.out2)
        emit((const Complex<double>*)mean, DType::Complex128, 1, c.out2_dtype, r.out2 + i * r.stride2, r.stride2);
    }
  }
  static constexpr Fold fold = {DType::Complex128, sizeof(S), init, rows, columns, merge, finish};
};

template <class X>
struct MaxOf {
  using T = X;
  static constexpr bool scalar_is_fast = false;
  static constexpr T identity() { return -T(__builtin_inf()); }
  static constexpr T fill() { return identity(); }
  template <class V>
  FL_FN V join(V a, V b) {
    return nan_max(a, b);
  }
  template <class V>
  V map(V v) const {
    return v;
  }
};

// State: a shift (the maximum so far, 0 in place of an infinite or NaN one) and the sum of exp(x - shift).
template <class T>
struct LogSumExp {
  struct S {
    double max, sum;
  };
  static double shift(double max) { return __builtin_isfinite(max) ? max : 0; }
  static void init(char* states, int64_t count) {
    for (int64_t i = 0; i < count; ++i) ((S*)states)[i] = {-__builtin_inf(), 0};
  }
  static void join(S& a, double max, double sum) {
    if (a.sum == 0 && a.max == -__builtin_inf()) {
      a = {max, sum};
      return;
    }
    double top = nan_max(a.max, max), to = shift(top);
    a = {top, a.sum * __builtin_exp(shift(a.max) - to) + sum * __builtin_exp(shift(max) - to)};
  }
  static void rows(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t, const FoldContext&) {
    constexpr int64_t kBlock = 4096;
    constexpr int W = kLanes<T>;
    for (int64_t j = 0; j < m; ++j, x += stride)
      for (int64_t i = 0; i < n; i += kBlock) {
        const T* p = (const T*)x + i;
        int64_t k = n - i < kBlock ? n - i : kBlock, q = 0;
        double max = fold_block<MaxOf<T>>(p, k, MaxOf<T>());
        Vec<T> s = splat<Vec<T>>(T(shift(max))), a = {}, b = {};
        for (; q + 2 * W <= k; q += 2 * W) a += exp(vec_at(p + q) - s), b += exp(vec_at(p + q + W) - s);
        for (; q < k; q += W)
          a += exp(k - q < W ? load_partial<T>(p + q, k - q, -T(__builtin_inf())) - s : vec_at(p + q) - s);
        join(((S*)states)[j], max, double(sum_lanes(a + b)));
      }
  }
  static void columns(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t, const FoldContext&) {
    constexpr int64_t kRows = 256;
    constexpr int W = kLanes<T>;
    for (int64_t r = 0; r < n; r += kRows, x += kRows * stride) {
      int64_t k = n - r < kRows ? n - r : kRows;
      for (int64_t j = 0; j < m; j += W) {
        int w = m - j < W ? int(m - j) : W;
        auto row = [&](int64_t i) __attribute__((always_inline)) {
          const T* p = (const T*)(x + i * stride) + j;
          return w == W ? vec_at(p) : load_partial<T>(p, w, T(0));
        };
        Vec<T> max = row(0), sum = {};
        for (int64_t i = 1; i < k; ++i) max = nan_max(max, row(i));
        Vec<T> s = max - max == 0 ? max : Vec<T>{};
        for (int64_t i = 0; i < k; ++i) sum += exp(row(i) - s);
        for (int q = 0; q < w; ++q) join(((S*)states)[j + q], max[q], sum[q]);
      }
    }
  }
  static void merge(char* into, const char* from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const S& b = ((const S*)from)[i];
      if (b.sum != 0 || b.max != -__builtin_inf()) join(((S*)into)[i], b.max, b.sum);
    }
  }
  static void finish(const char* states, int64_t count, const Results& r, const FoldContext& c) {
    const S* s = (const S*)states;
    constexpr int W = kLanes<double>;
    alignas(FL_VB) double values[256] = {};
    for (int64_t i = 0; i < count; i += 256) {
      const int64_t k = count - i < 256 ? count - i : 256;
      for (int64_t j = 0; j < k; ++j) values[j] = s[i + j].sum;
      for (int64_t j = 0; j < k; j += W) store(values + j, log(vec_at(values + j)));
      for (int64_t j = 0; j < k; ++j) values[j] += shift(s[i + j].max);
      emit(values, DType::Float64, k, c.out_dtype, r.out + i * r.stride, r.stride);
    }
  }
  static constexpr Fold fold = {dtype_of<T>::value, sizeof(S), init, rows, columns, merge, finish};
};

}  // namespace

const Fold* statistics_fold(Reduce op, DType compute) {
  bool narrow = compute == DType::Float32;
  if (op == Reduce::Logsumexp) return narrow ? &LogSumExp<float>::fold : &LogSumExp<double>::fold;
  if (is_complex(compute)) return &ComplexVariance::fold;
  return narrow ? &Variance<float>::fold : &Variance<double>::fold;
}

}  // namespace fl::cpu::FL_ISA
