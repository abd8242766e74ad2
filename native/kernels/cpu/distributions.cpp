// Fills of the other distributions: exponential, geometric, Cauchy, log-normal, Poisson, binomial, gamma, Dirichlet,
// multinomial, and the noise of rrelu. Every value is computed in double from 53-bit uniforms, element by element.
#include <cmath>
#include <limits>

#include "kernels/cpu/element.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/random.h"
#include "kernels/cpu/sort.h"

namespace fl::cpu {
namespace {

template <class T>
T from_double(double x) {
  if constexpr (kIsReduced<T>) return T(float(x));
  else return T(x);
}

template <class F>
void fill_floating(DType type, void* out, int64_t n, const F& next) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++) ((T*)out)[i] = from_double<T>(next());
  });
}

// Multiplication of uniforms (Knuth) below 10, the transformed rejection PTRS (W. Hoermann, 1993) from there.
int64_t poisson_sample(Generator& g, double rate) {
  if (rate >= 10) {
    double root = std::sqrt(rate), log_rate = std::log(rate);
    double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
      double u = g.uniform53() - 0.5, v = g.uniform53(), us = 0.5 - std::fabs(u);
      int64_t k = int64_t(std::floor((2 * a / us + b) * u + rate + 0.43));
      if (us >= 0.07 && v <= v_r) return k;
      if (k < 0 || (us < 0.013 && v > us)) continue;
      if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
          -rate + double(k) * log_rate - std::lgamma(double(k + 1)))
        return k;
    }
  }
  if (rate == 0) return 0;
  double limit = std::exp(-rate), product = 1;
  for (int64_t k = 0;; k++) {
    product *= g.uniform53();
    if (!(product > limit)) return k;
  }
}

// Error of Stirling's approximation of log k!.
double stirling_tail(double k) {
  static const double table[] = {0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                                 0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                                 0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return table[int(k)];
  double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// Sums of geometric variates for small means, else the transformed rejection BTRS (W. Hoermann, 1993). p <= 0.5.
double binomial_half(Generator& g, double count, double p) {
  if (count * p < 10) {
    double log_q = std::log1p(-p), reached = 0, hits = 0;
    for (;;) {
      reached += std::ceil(std::log(g.uniform53()) / log_q);
      if (reached > count) return hits;
      hits += 1;
    }
  }
  double deviation = std::sqrt(count * p * (1 - p));
  double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5, v_r = 0.92 - 4.2 / b,
         r = p / (1 - p);
  double alpha = (2.83 + 5.1 / b) * deviation, m = std::floor((count + 1) * p);
  for (;;) {
    double u = g.uniform53() - 0.5, v = g.uniform53(), us = 0.5 - std::fabs(u);
    double k = std::floor((2 * a / us + b) * u + c);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > count) continue;
    v = std::log(v * alpha / (a / (us * us) + b));
    double bound = (m + 0.5) * std::log((m + 1) / (r * (count - m + 1))) +
                   (count + 1) * std::log((count - m + 1) / (count - k + 1)) +
                   (k + 0.5) * std::log(r * (count - k + 1) / (k + 1)) + stirling_tail(m) + stirling_tail(count - m) -
                   stirling_tail(k) - stirling_tail(count - k);
    if (v <= bound) return k;
  }
}

double binomial_sample(Generator& g, double count, double p) {
  if (!std::isfinite(count) || std::isnan(p)) return std::numeric_limits<double>::quiet_NaN();  // rejection would not end
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return count;
  if (p <= 0.5) return binomial_half(g, count, p);
  if (p > 0.5) return count - binomial_half(g, count, 1 - p);
  return std::numeric_limits<double>::quiet_NaN();
}

// G. Marsaglia and W. W. Tsang, 2000; shapes below 1 are boosted. What is computed of alpha alone is rounded to its
// type A, and the third is a float one: both are part of the stream.
template <class A>
double gamma_sample(Generator& g, A alpha) {
  double scale = 1;
  if (alpha < 1) {
    if (alpha == 0) return 0;
    scale *= std::pow(1 - g.uniform53(), double(A(1) / alpha));
    alpha += 1;
  }
  if (!std::isfinite(double(alpha))) return double(alpha);  // rejection would not end
  double d = alpha - A(1.0f / 3), c = 1 / std::sqrt(9 * d);
  for (;;) {
    double x, y;
    do {
      x = g.normal();
      y = 1 + c * x;
    } while (y <= 0);
    double v = y * y * y, u = 1 - g.uniform53(), xx = x * x;
    if (u < 1 - 0.0331 * xx * xx) return scale * d * v;
    if (std::log(u) < 0.5 * xx + d * (1 - v + std::log(v))) return scale * d * v;
  }
}

}  // namespace

void fill_exponential(Generator& g, DType type, void* out, int64_t n, double lambda) {
  double factor = -1.0 / lambda;
  fill_floating(type, out, n, [&] {
    return factor * std::log1p(-g.uniform53());
  });
}

void fill_geometric(Generator& g, DType type, void* out, int64_t n, double p) {
  double log_q = std::log(1 - p);
  by_real_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++) {
      double x = std::ceil(std::log(g.uniform53()) / log_q);
      if constexpr (kIsFloating<T>) ((T*)out)[i] = from_double<T>(x);
      else ((T*)out)[i] = T(int64_t(x));
    }
  });
}

void fill_cauchy(Generator& g, DType type, void* out, int64_t n, double median, double sigma) {
  fill_floating(type, out, n, [&] {
    return __builtin_fma(sigma, std::tan(M_PI * (g.uniform53() - 0.5)), median);
  });
}

void fill_log_normal(Generator& g, DType type, void* out, int64_t n, double mean, double std) {
  fill_floating(type, out, n, [&] {
    return std::exp(g.normal(mean, std));
  });
}

void fill_poisson(Generator& g, DType type, void* out, const void* rate, int64_t n) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++)
      ((T*)out)[i] = from_double<T>(double(poisson_sample(g, double(compute_t<T>(((const T*)rate)[i])))));
  });
}

void fill_binomial(Generator& g, DType type, void* out, const void* count, const void* prob, int64_t n) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++)
      ((T*)out)[i] = from_double<T>(
          binomial_sample(g, double(compute_t<T>(((const T*)count)[i])), double(compute_t<T>(((const T*)prob)[i]))));
  });
}

namespace {
// Smallest normal number of a type.
template <class T>
double tiny() {
  if constexpr (std::is_same_v<T, Half>) return 0x1p-14;
  else if constexpr (std::is_same_v<T, double>) return std::numeric_limits<double>::min();
  else return std::numeric_limits<float>::min();
}
}  // namespace

void fill_standard_gamma(Generator& g, DType type, void* out, const void* alpha, int64_t n) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++) {
      T y = from_double<T>(gamma_sample(g, compute_t<T>(((const T*)alpha)[i])));
      ((T*)out)[i] = double(compute_t<T>(y)) < tiny<T>() ? from_double<T>(tiny<T>()) : y;
    }
  });
}

void sample_dirichlet(Generator& g, DType type, void* out_, const void* alpha_, int64_t rows, int64_t n) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    HeapArray<double> gamma(n);
    for (int64_t r = 0; r < rows; r++) {
      const T* alpha = (const T*)alpha_ + r * n;
      T* out = (T*)out_ + r * n;
      double sum = 0;
      for (int64_t i = 0; i < n; i++) sum += gamma[i] = gamma_sample<double>(g, double(compute_t<T>(alpha[i])));
      for (int64_t i = 0; i < n; i++) {
        T x = from_double<T>(gamma[i] / sum);
        // Kept inside the open simplex.
        double low = tiny<T>(), high = 1 - (kIsReduced<T>    ? (std::is_same_v<T, Half> ? 0x1p-11 : 0x1p-8)
                                            : sizeof(T) == 4 ? 0x1p-24
                                                             : 0x1p-53);
        double y = double(compute_t<T>(x));
        out[i] = y < low ? from_double<T>(low) : y > high ? from_double<T>(high)
                                                          : x;
      }
    }
  });
}

void rrelu_noise(Generator& g, DType type, void* out_, void* noise_, const void* x_, int64_t n, double lower,
                 double upper) {
  by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    T *out = (T*)out_, *noise = (T*)noise_;
    const T* x = (const T*)x_;
    double from = double(C(lower)), width = double(C(upper)) - from;
    for (int64_t i = 0; i < n; i++) {
      if (C(x[i]) <= 0) {
        double scaled = g.uniform53() * width;  // rounded before the sum
        C slope = C(scaled + from);
        noise[i] = T(slope);
        out[i] = T(C(x[i]) * slope);
      } else {
        noise[i] = T(1);
        out[i] = x[i];
      }
    }
  });
}

MultinomialStatus multinomial(Generator& g, DType type, int64_t* out, const void* prob_, int64_t rows, int64_t n,
                              int64_t samples, bool replacement) {
  return by_floating_type(type, [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const T* prob = (const T*)prob_;
    for (int64_t i = 0; i < rows * n; i++) {
      C p = prob[i];
      if (!(p >= 0) || std::isinf(p)) return MultinomialStatus::BadProbability;
    }
    for (int64_t r = 0; r < rows; r++) {
      C sum = 0;
      for (int64_t i = 0; i < n; i++) sum += C(prob[r * n + i]);
      if (!(sum > 0)) return MultinomialStatus::ZeroSum;
    }
    if (!replacement || samples == 1) {
      // Exponential race: the largest p / Exp(1) come first.
      HeapArray<T> race(rows * n);
      fill_exponential(g, type, race, rows * n, 1);
      for (int64_t i = 0; i < rows * n; i++) race[i] = T(C(prob[i]) / C(race[i]));
      Lines lines;
      int64_t item = int64_t(sizeof(T)), in_stride = n * item, out_stride = samples * 8, none = 0;
      lines.ndim = 1, lines.sizes = &rows, lines.n = n;
      lines.strides[0] = &in_stride, lines.strides[1] = &none, lines.strides[2] = &out_stride;
      lines.step[0] = item, lines.step[2] = 8;
      topk(type, lines, race, nullptr, out, samples, true);
      return MultinomialStatus::Ok;
    }
    HeapArray<C> cumulative(n);
    for (int64_t r = 0; r < rows; r++) {
      C sum = 0;
      for (int64_t i = 0; i < n; i++) {
        sum += C(prob[r * n + i]);
        cumulative[i] = sum;
      }
      for (int64_t i = 0; i < n; i++) cumulative[i] /= sum;
      cumulative[n - 1] = 1;
      for (int64_t j = 0; j < samples; j++) {
        double u = g.uniform53();
        int64_t left = 0, right = n;
        while (left < right) {
          int64_t middle = left + (right - left) / 2;
          if (double(cumulative[middle]) < u) left = middle + 1;
          else right = middle;
        }
        out[r * samples + j] = left;
      }
    }
    return MultinomialStatus::Ok;
  });
}

}  // namespace fl::cpu
