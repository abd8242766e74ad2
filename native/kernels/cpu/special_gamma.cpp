// Gamma, polygamma and zeta functions, incomplete gamma functions, for the pointwise tables; in double for both float
// types. Sources: Abramowitz & Stegun (A&S), chapters 6 and 23; Gil, Segura & Temme, "Numerical Methods for Special
// Functions" (2007).
#include "kernels/cpu/special_loop.h"

#include <cmath>

namespace fl::cpu {
namespace {

constexpr double kPi = 3.14159265358979323846, kInf = __builtin_inf(), kNan = __builtin_nan("");

double log_gamma(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}

// Recurrence up to 10, then the asymptotic series (A&S 6.3.18); reflection below 0 (A&S 6.3.7).
double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  double r = 0;
  if (x < 0) {
    if (x == std::floor(x)) return kNan;
    double fraction = x - std::floor(x);  // tan(pi x) of the whole x would lose digits
    r = -kPi / std::tan(kPi * fraction);
    x = 1 - x;
  }
  for (; x < 10; x += 1) r -= 1 / x;
  double u = 1 / (x * x);
  double series =
      u * (1. / 12 - u * (1. / 120 - u * (1. / 252 - u * (1. / 240 - u * (1. / 132 - u * (691. / 32760 - u / 12))))));
  return r + std::log(x) - 0.5 / x - series;
}

// Hurwitz zeta by Euler-Maclaurin summation (A&S 23.1.4 and Gil, Segura & Temme 3.6): N terms, then the integral and
// 12 corrections.
double zeta(double s, double q) {
  // B_2k / (2k)!
  static const double kBernoulli[] = {1. / 12,
                                      -1. / 720,
                                      1. / 30240,
                                      -1. / 1209600,
                                      1. / 47900160,
                                      -691. / 1307674368000.,
                                      1. / 74724249600.,
                                      -3617. / 10670622842880000.,
                                      43867. / 5109094217170944000.,
                                      -174611. / 802857662698291200000.,
                                      77683. / 14101100039391805440000.,
                                      -236364091. / 1693824136731743669452800000.};
  if (s == 1) return kInf;
  if (!(s > 1)) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNan;
  }
  if (q > 1e9) return (1 / (s - 1) + 1 / (2 * q)) * std::pow(q, 1 - s);
  double sum = 0, a = q;
  for (int k = 0; k < 10 || a <= 10; k++, a += 1) {
    double term = std::pow(a, -s);
    sum += term;
    if (std::fabs(term) < 1e-17 * std::fabs(sum) && a > 0) return sum;
  }
  double tail = std::pow(a, -s);
  sum += tail * a / (s - 1) + tail / 2;
  double factor = s, power = tail / a;
  for (int k = 0; k < 12; k++) {
    double term = kBernoulli[k] * factor * power;
    sum += term;
    if (std::fabs(term) < 1e-17 * std::fabs(sum)) break;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
    power /= a * a;
  }
  return sum;
}

double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  if (n == 1 && x < 0 && x != std::floor(x)) {  // reflection (A&S 6.4.7)
    double s = std::sin(kPi * (x - std::floor(x)));
    return kPi * kPi / (s * s) - zeta(2, 1 - x);
  }
  double r = std::tgamma(n + 1) * zeta(n + 1, x);
  return std::fmod(n, 2) == 0 ? -r : r;
}

// x^a e^-x / Gamma(a + 1). For large a through mu - log(1 + mu), x = a (1 + mu), and Stirling's series, which cancel
// nothing.
double incomplete_prefactor(double a, double x) {
  if (a < 20) return std::exp(a * std::log(x) - x - log_gamma(a + 1));
  double mu = (x - a) / a, d;
  if (std::fabs(mu) < 0.1) {  // mu - log1p(mu) = mu^2/2 - mu^3/3 + ...
    d = 0;
    for (int k = 18; k >= 2; k--) d = mu * ((k % 2 ? -1.0 : 1.0) / k + d);
    d *= mu;
  } else {
    d = mu - std::log1p(mu);
  }
  double u = 1 / (a * a);
  double stirling = (1. / 12 - u * (1. / 360 - u * (1. / 1260 - u * (1. / 1680 - u / 1188)))) / a;
  return std::exp(-a * d - stirling) / std::sqrt(2 * kPi * a);
}
double igamma_series(double a, double x) {  // lower function (A&S 6.5.29)
  double sum = 1, term = 1;
  for (double k = 1; k < 1e6; k++) {
    term *= x / (a + k);
    sum += term;
    if (term < 1e-17 * sum) break;
  }
  return sum * incomplete_prefactor(a, x);
}
double igammac_fraction(double a, double x) {  // upper function (A&S 6.5.31), modified Lentz
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (double k = 1; k < 1e6; k++) {
    double numerator = k * (a - k);
    b += 2;
    d = numerator * d + b;
    if (d == 0) d = 1e-300;
    c = b + numerator / c;
    if (c == 0) c = 1e-300;
    d = 1 / d;
    double factor = d * c;
    h *= factor;
    if (std::fabs(factor - 1) < 1e-16) break;
  }
  return h * a * incomplete_prefactor(a, x);
}
// Upper function for small a and x: 1 - x^a / Gamma(a + 1) without cancellation, and the rest of the series (A&S
// 6.5.29).
double igammac_small(double a, double x) {
  double sum = 0, term = 1;
  for (double k = 1; k < 200; k++) {
    term *= -x / k;
    double t = term / (a + k);
    sum += t;
    if (std::fabs(t) < 1e-17 * std::fabs(sum)) break;
  }
  double log_power = a * std::log(x);
  return -std::expm1(log_power - log_gamma(1 + a)) - sum * std::exp(log_power - log_gamma(a));
}
double igamma_pair(double a, double x, bool upper) {
  if (!(a >= 0) || !(x >= 0)) return kNan;
  if (a == 0) return x > 0 ? (upper ? 0 : 1) : kNan;
  if (x == 0) return upper ? 1 : 0;
  if (std::isinf(a)) return std::isinf(x) ? kNan : (upper ? 1 : 0);
  if (std::isinf(x)) return upper ? 0 : 1;
  if (upper && x <= 1.1 && a < 1.1) return igammac_small(a, x);
  if (x < a + 1) {
    double p = igamma_series(a, x);
    return upper ? 1 - p : p;
  }
  double q = igammac_fraction(a, x);
  return upper ? q : 1 - q;
}

template <class T> void polygamma_loop(int64_t n, char* const* ptrs, const int64_t* strides, const void* params) {
  double order = *(const T*)params;
  special_loop1<T>(n, ptrs, strides, [order](double x) {
    return polygamma(order, x);
  });
}

}  // namespace

FL_SPECIAL(Lgamma, log_gamma(x))
FL_SPECIAL(Digamma, digamma(x))
FL_SPECIAL2(Zeta, zeta(a, b))
FL_SPECIAL2(Igamma, igamma_pair(a, b, false))
FL_SPECIAL2(Igammac, igamma_pair(a, b, true))
const Row unary_Polygamma = row(DType::Float32, polygamma_loop<float>) | row(DType::Float64, polygamma_loop<double>);

}  // namespace fl::cpu
