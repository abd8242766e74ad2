// Orthogonal polynomials of degree n at x for the pointwise tables, by three-term recurrences (A&S 22.7); the
// Chebyshev ones by their trigonometric form (A&S 22.3) inside (-1, 1) for larger degrees. Legendre and Laguerre ones of
// degrees that would take minutes come from their limits in Bessel functions (DLMF 18.15.12 and 18.15.19), whose error is
// by then below that of the recurrence in float32. A negative degree gives 0.
#include "kernels/cpu/special_loop.h"

#include <cmath>

#include "base/interrupt.h"

namespace fl::cpu {
namespace {

constexpr int64_t kLong = 10000000, kLongLaguerre = 100000000;  // degrees whose recurrence takes some tenths of a second

// p_0 = 1, p_1 given, p_(k+1) = 2 x p_k - p_(k-1)
double chebyshev(double x, int64_t n, double first) {
  if (n == 0) return 1;
  if (n > kLong && std::fabs(x) > 1) {  // T_n + (p_1 - x) U_(n-1)
    const double t = std::acosh(std::fabs(x)), sign = x < 0 && n % 2 ? -1 : 1;
    return sign * (std::cosh(n * t) + (first - x) * std::sinh(n * t) / std::sinh(t) * (x < 0 ? -1 : 1));
  }
  double p = 1, q = first;
  for (int64_t k = 1; k < n && q == q; k++) {
    check_interrupt();
    double r = (x + x) * q - p;
    p = q;
    q = r;
  }
  return q;
}
double chebyshev_t(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 || n % 2 == 0 ? 1 : -1;
  if (n > 6 && std::fabs(x) < 1) return std::cos(n * std::acos(x));
  return chebyshev(x, n, x);
}
double chebyshev_u(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 || n % 2 == 0 ? n + 1 : -(n + 1);
  if (n > 8 && std::fabs(x) < 1) {
    double t = std::acos(x);
    return std::sin((n + 1) * t) / std::sin(t);
  }
  return chebyshev(x, n, x + x);
}
double chebyshev_v(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 ? 1 : n % 2 == 0 ? 2 * n + 1
                                                       : -(2 * n + 1);
  if (n > 8 && std::fabs(x) < 1) {
    double t = std::acos(x);
    return std::cos((n + 0.5) * t) / std::cos(t / 2);
  }
  return chebyshev(x, n, x + x - 1);
}
double chebyshev_w(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 ? 2 * n + 1 : n % 2 == 0 ? 1
                                                               : -1;
  if (n > 8 && std::fabs(x) < 1) {
    double t = std::acos(x);
    return std::sin((n + 0.5) * t) / std::sin(t / 2);
  }
  return chebyshev(x, n, x + x + 1);
}
// Beyond this degree the values leave the type's range for any x of interest: NaN, as PyTorch.
bool beyond_hermite(int64_t n, bool is_float) { return n > (is_float ? 128 : 512); }
double hermite_h(double x, double degree, bool is_float) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (n == 0) return 1;
  if (beyond_hermite(n, is_float)) return __builtin_nan("");
  double p = 1, q = x + x;
  for (int64_t k = 1; k < n; k++) {
    double r = (x + x) * q - 2.0 * k * p;
    p = q;
    q = r;
  }
  return q;
}
double hermite_he(double x, double degree, bool is_float) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (n == 0) return 1;
  if (beyond_hermite(n, is_float)) return __builtin_nan("");
  double p = 1, q = x;
  for (int64_t k = 1; k < n; k++) {
    double r = x * q - k * p;
    p = q;
    q = r;
  }
  return q;
}
double laguerre_l(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (n == 0 || x == 0) return 1;
  if (n > kLongLaguerre) {
    const double z = 2 * std::sqrt((n + 0.5) * std::fabs(x));
    return std::exp(x / 2) * (x > 0 ? j0(z) : bessel_i0(z));
  }
  double p = 1, q = 1 - x;
  for (int64_t k = 1; k < n && q == q; k++) {
    check_interrupt();
    double r = ((k + k + (1 - x)) * q - k * p) / (k + 1);
    p = q;
    q = r;
  }
  return q;
}
double legendre_p(double x, double degree) {
  int64_t n = int64_t(degree);
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 || n % 2 == 0 ? 1 : -1;
  if (n == 0) return 1;
  if (n > kLong) {
    const double sign = x < 0 && n % 2 ? -1 : 1, size = std::fabs(x), t = size < 1 ? std::acos(size) : std::acosh(size);
    return sign * (size < 1 ? std::sqrt(t / std::sin(t)) * j0((n + 0.5) * t)
                            : std::sqrt(t / std::sinh(t)) * bessel_i0((n + 0.5) * t));
  }
  double p = 1, q = x;
  for (int64_t k = 1; k < n && q == q; k++) {
    check_interrupt();
    double r = ((k + k + 1) * x * q - k * p) / (k + 1);
    p = q;
    q = r;
  }
  return q;
}

}  // namespace

FL_SPECIAL2(ChebyshevT, chebyshev_t(a, b))
FL_SPECIAL2(ChebyshevU, chebyshev_u(a, b))
FL_SPECIAL2(ChebyshevV, chebyshev_v(a, b))
FL_SPECIAL2(ChebyshevW, chebyshev_w(a, b))
FL_SPECIAL2(ShiftedChebyshevT, chebyshev_t(2 * a - 1, b))
FL_SPECIAL2(ShiftedChebyshevU, chebyshev_u(2 * a - 1, b))
FL_SPECIAL2(ShiftedChebyshevV, chebyshev_v(2 * a - 1, b))
FL_SPECIAL2(ShiftedChebyshevW, chebyshev_w(2 * a - 1, b))
FL_SPECIAL2(HermiteH, hermite_h(a, b, is_float))
FL_SPECIAL2(HermiteHe, hermite_he(a, b, is_float))
FL_SPECIAL2(LaguerreL, laguerre_l(a, b))
FL_SPECIAL2(LegendreP, legendre_p(a, b))

}  // namespace fl::cpu
