// Vector maths: exp, log, trigonometric and related functions of float and double vectors, within about 1-2 ulp over
// the whole range, NaN, infinities, -0 and denormals included. Polynomials are Chebyshev fits of our own; argument
// reduction after Cody & Waite, "Software Manual for the Elementary Functions" (1980). Compile without -ffast-math.
#pragma once
#include "kernels/cpu/simd.h"

namespace fl::cpu::FL_ISA {

template <class V, class... C> FL_FN V poly(V x, Elem<V> highest, C... rest) {  // Horner's rule
  V p = splat<V>(highest);
  ((p = p * x + Elem<V>(rest)), ...);
  return p;
}
constexpr float kInfF = __builtin_inff(), kNanF = __builtin_nanf("");
constexpr double kInf = __builtin_inf(), kNan = __builtin_nan("");

// ---- exponentials -------------------------------------------------------------------------------

// x * 2^n for whole n in [-250, 250] ([-2000, 2000]), rounded once in the denormal range.
FL_FN vf scale2(vf x, vf n) {
#if FL_VB == 64
  return (vf)_mm512_maskz_scalef_ps(__mmask16(-1), (__m512)x, (__m512)n);
#else
  vi k = __builtin_convertvector(n, vi), k1 = k >> 1, k2 = k - k1;
  return x * (vf)((k1 + 127) << 23) * (vf)((k2 + 127) << 23);
#endif
}
FL_FN vd scale2(vd x, vd n) {
#if FL_VB == 64
  return (vd)_mm512_maskz_scalef_pd(__mmask8(-1), (__m512d)x, (__m512d)n);
#else
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: its low mantissa bits hold the integer
  vd m = n + magic, m1 = n * 0.5 + magic;
  vl zero = (vl)splat<vd>(magic), k = (vl)m - zero, k1 = (vl)m1 - zero, k2 = k - k1;
  return x * (vd)((k1 + 1023) << 52) * (vd)((k2 + 1023) << 52);
#endif
}

FL_FN vf expm1_reduced(vf r) {  // |r| <= log(2)/2
  vf p = poly(r, 1.989147984e-04f, 1.393409035e-03f, 8.333310483e-03f, 4.166646094e-02f, 1.666666668e-01f,
              5.000000014e-01f);
  return p * (r * r) + r;
}
FL_FN vd expm1_reduced(vd r) {
  vd p = poly(r, 2.09150598849176858e-09, 2.51057392195867133e-08, 2.75572727426993456e-07, 2.75572541393168913e-06,
              2.48015873262611037e-05, 1.98412698758195779e-04, 1.38888888888835443e-03, 8.33333333332584789e-03,
              4.16666666666666713e-02, 1.66666666666666713e-01, 5.00000000000000000e-01);
  return p * (r * r) + r;
}
// x = n log(2) + r
FL_FN vf reduce_exp(vf x, vf& n) {
  n = rint_small(x * 1.442695041f);
  return (x - n * 0.693145751953125f) - n * 1.4286068203094173e-06f;
}
FL_FN vd reduce_exp(vd x, vd& n) {
  n = rint_small(x * 1.4426950408889634);
  return (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
}
FL_FN vf clamp_keep_nan(vf x, float low, float high) {
  x = sel(x < low, splat<vf>(low), x);
  return sel(x > high, splat<vf>(high), x);
}
FL_FN vd clamp_keep_nan(vd x, double low, double high) {
  x = sel(x < low, splat<vd>(low), x);
  return sel(x > high, splat<vd>(high), x);
}

FL_FN vf exp_in_range(vf x) {  // -105 <= x <= 89
  vf n, r = reduce_exp(x, n);
  return scale2(expm1_reduced(r) + 1.f, n);
}
FL_FN vd exp_in_range(vd x) {  // -1000 <= x <= 710
  vd n, r = reduce_exp(x, n);
  return scale2(expm1_reduced(r) + 1.0, n);
}
FL_FN vf exp(vf x) { return exp_in_range(clamp_keep_nan(x, -104.f, 89.f)); }
FL_FN vd exp(vd x) { return exp_in_range(clamp_keep_nan(x, -746.0, 710.0)); }
FL_FN vf exp2(vf x) {
  vf c = clamp_keep_nan(x, -151.f, 129.f), n = rint_small(c), r = c - n;
  vf p = poly(r, 1.529732376e-05f, 1.546144470e-04f, 1.333350239e-03f, 9.618056679e-03f, 5.550410884e-02f,
              2.402265092e-01f, 6.931471806e-01f);
  return scale2(p * r + 1.f, n);
}
FL_FN vd exp2(vd x) {
  vd c = clamp_keep_nan(x, -1077.0, 1025.0), n = rint_small(c), r = c - n;
  vd p = poly(r, 1.37169623927375872e-12, 2.57335683087568922e-11, 4.44553030910510668e-10, 7.05489438634834805e-09,
              1.01780860211854744e-07, 1.32154868159999775e-06, 1.52527338040511285e-05, 1.54035303933627545e-04,
              1.33335581464284455e-03, 9.61812910762848382e-03, 5.55041086648215831e-02, 2.40226506959100722e-01,
              6.93147180559945286e-01);
  return scale2(p * r + 1.0, n);
}
// exp(x) - 1 without cancellation: (2^(n-1) expm1(r) + (2^(n-1) - 1/2)) * 2, so that n = 128 does not overflow early.
FL_FN vf expm1(vf x) {
  vf n, r = reduce_exp(clamp_keep_nan(x, -30.f, 89.f), n), p = expm1_reduced(r);
  vf s = (vf)((__builtin_convertvector(n, vi) + 126) << 23), y = p * s + (s - 0.5f);
  return sel(abs(x) < 1e-10f, x, y + y);
}
FL_FN vd expm1(vd x) {
  vd n, r = reduce_exp(clamp_keep_nan(x, -60.0, 710.0), n), p = expm1_reduced(r);
  constexpr double magic = 6755399441055744.0;
  vl k = (vl)(n + magic) - (vl)splat<vd>(magic);
  vd s = (vd)((k + 1022) << 52), y = p * s + (s - 0.5);
  return sel(abs(x) < 1e-20, x, y + y);
}

// ---- logarithms ---------------------------------------------------------------------------------

// y = 2^e (1 + f) for positive normal y, with 1 + f in [sqrt(1/2), sqrt(2)).
FL_FN vf split_log(vf y, vf& e) {
  vi b = bits(y), k = (b - 0x3f3504f3) >> 23;
  e = __builtin_convertvector(k, vf);
  return (vf)(b - (k << 23)) - 1.f;
}
FL_FN vd split_log(vd y, vd& e) {
  vul b = (vul)y, k = (b - 0x3fe6a09e667f3bcdull + (1024ull << 52)) >> 52;  // e + 1024
  e = (vd)(k | 0x4330000000000000ull) - (4503599627370496.0 + 1024.0);
  return (vd)(b - ((k - 1024) << 52)) - 1.0;
}
// log(1 + f) = f + tail
FL_FN vf log_tail(vf f) {
  vf p = poly(f, 7.307773650e-02f, -1.165290024e-01f, 1.163954560e-01f, -1.239777395e-01f, 1.425083335e-01f,
              -1.666910627e-01f, 2.000069533e-01f, -2.499998161e-01f, 3.333333123e-01f);
  vf f2 = f * f;
  return p * (f2 * f) - f2 * 0.5f;
}
FL_FN vd log_tail(vd f) {  // by s = f / (2 + f): log(1 + f) = 2 s + s^3 p(s^2), and 2 s = f - f^2/2 + s f^2/2
  vd s = f / (f + 2.0), z = s * s, half = f * f * 0.5;
  vd p = poly(z, 1.31149760967170376e-01, 1.32660350372610508e-01, 1.53863429743081537e-01, 1.81817937222725046e-01,
              2.22222224098440391e-01, 2.85714285707228288e-01, 4.00000000000010125e-01, 6.66666666666666630e-01);
  return s * (half + z * p) - half;
}
FL_FN vf log_specials(vf x, vf r) {
  r = sel(x == kInfF, x, r);
  r = sel(x == 0.f, splat<vf>(-kInfF), r);
  return sel((x < 0.f) | (x != x), splat<vf>(kNanF), r);
}
FL_FN vd log_specials(vd x, vd r) {
  r = sel(x == kInf, x, r);
  r = sel(x == 0.0, splat<vd>(-kInf), r);
  return sel((x < 0.0) | (x != x), splat<vd>(kNan), r);
}
FL_FN vf reduce_log(vf x, vf& e) {
  vi tiny = x < 1.17549435e-38f;
  vf f = split_log(sel(tiny, x * 8388608.f, x), e);
  e = e - sel(tiny, splat<vf>(23.f), vf{});
  return f;
}
FL_FN vd reduce_log(vd x, vd& e) {
  vl tiny = x < 2.2250738585072014e-308;
  vd f = split_log(sel(tiny, x * 4503599627370496.0, x), e);
  e = e - sel(tiny, splat<vd>(52.0), vd{});
  return f;
}
FL_FN vf log(vf x) {
  vf e, f = reduce_log(x, e);
  return log_specials(x, ((log_tail(f) + e * 1.4286068203094173e-06f) + f) + e * 0.693145751953125f);
}
FL_FN vd log(vd x) {
  vd e, f = reduce_log(x, e);
  return log_specials(x, ((log_tail(f) + e * 1.9082149292705877e-10) + f) + e * 0.6931471803691238);
}
// log to another base: (f + tail) / log(base) with 1 / log(base) in two parts, the first short enough that its
// product with the upper half of f is exact; whole powers of the base's 2 come out exact.
FL_FN vf log2(vf x) {
  vf e, f = reduce_log(x, e), t = log_tail(f);
  vf high = (vf)(bits(f) & ~0xfff), low = (f - high) + t;
  vf r = low * 1.4423828125f + (low + high) * 0.00031222838896340733f;
  return log_specials(x, (r + high * 1.4423828125f) + e);
}
FL_FN vd log2(vd x) {
  vd e, f = reduce_log(x, e), t = log_tail(f);
  vd high = (vd)(bits(f) & ~0x7ffffffll), low = (f - high) + t;
  vd r = low * 1.4426950365304947 + (low + high) * 4.3584687174185184e-09;
  return log_specials(x, (r + high * 1.4426950365304947) + e);
}
FL_FN vf log10(vf x) {
  vf e, f = reduce_log(x, e), t = log_tail(f);
  vf high = (vf)(bits(f) & ~0xfff), low = (f - high) + t;
  vf r = low * 0.4342041015625f + (low + high) * 9.038034075182765e-05f + e * 4.605038981195214e-06f;
  return log_specials(x, (r + high * 0.4342041015625f) + e * 0.301025390625f);
}
FL_FN vd log10(vd x) {
  vd e, f = reduce_log(x, e), t = log_tail(f);
  vd high = (vd)(bits(f) & ~0x7ffffffll), low = (f - high) + t;
  vd r = low * 0.434294480830431 + (low + high) * 1.0728208431540585e-09 + e * 1.1451100898021838e-10;
  return log_specials(x, (r + high * 0.434294480830431) + e * 0.3010299955494702);
}
// log(1 + x): the rounding error of u = 1 + x is put back as c / u, except where e = 0 and f = x exactly.
FL_FN vf log1p(vf x) {
  vf u = x + 1.f, e, f = split_log(sel((u > 0.f) & (u < kInfF), u, splat<vf>(1.f)), e);
  vf c = sel(u > 2.f, 1.f - (u - x), x - (u - 1.f)) / u;
  vi direct = e == 0.f;
  f = sel(direct, x, f);
  c = sel(direct, vf{}, c);
  vf r = ((log_tail(f) + (e * 1.4286068203094173e-06f + c)) + f) + e * 0.693145751953125f;
  r = sel(abs(x) < 1e-10f, x, r);
  r = sel(x == kInfF, x, r);
  r = sel(x == -1.f, splat<vf>(-kInfF), r);
  return sel((x < -1.f) | (x != x), splat<vf>(kNanF), r);
}
FL_FN vd log1p(vd x) {
  vd u = x + 1.0, e, f = split_log(sel((u > 0.0) & (u < kInf), u, splat<vd>(1.0)), e);
  vd c = sel(u > 2.0, 1.0 - (u - x), x - (u - 1.0)) / u;
  vl direct = e == 0.0;
  f = sel(direct, x, f);
  c = sel(direct, vd{}, c);
  vd r = ((log_tail(f) + (e * 1.9082149292705877e-10 + c)) + f) + e * 0.6931471803691238;
  r = sel(abs(x) < 1e-20, x, r);
  r = sel(x == kInf, x, r);
  r = sel(x == -1.0, splat<vd>(-kInf), r);
  return sel((x < -1.0) | (x != x), splat<vd>(kNan), r);
}

// ---- hyperbolic and logistic --------------------------------------------------------------------

FL_FN vf tanh(vf x) {
  vf a = abs(x), u = x * x;
  vf near =
      poly(u, -6.089802686e-03f, 2.099242193e-02f, -5.384990546e-02f, 1.333276312e-01f, -3.333332888e-01f) * (u * x) +
      x;
  vf far = 1.f - 2.f / (exp_in_range(sel(a > 10.f, splat<vf>(20.f), a + a)) + 1.f);
  return sel(x != x, x, sel(a < 0.625f, near, copysign(far, x)));
}
FL_FN vd tanh(vd x) {
  vd a = abs(x), u = x * x;
  vd near = poly(u, -1.92027532831310754e-04, 5.79664124584588656e-04, -1.45457753992804029e-03,
                 3.59203840147967815e-03, -8.86323175761738989e-03, 2.18694884467335801e-02, -5.39682539671901759e-02,
                 1.33333333333328447e-01, -3.33333333333333315e-01) *
                (u * x) +
            x;
  vd e = expm1(sel(a > 20.0, splat<vd>(40.0), a + a));
  vd far = e / (e + 2.0);
  return sel(x != x, x, sel(a < 0.35, near, copysign(far, x)));
}
// 1 / (1 + exp(-x)), with the small exp(x) kept for negative x.
template <class V> FL_FN V sigmoid(V x) {
  using E = Elem<V>;
  V e = exp(-abs(x));
  return sel(x < E(0), e, splat<V>(E(1))) / (e + E(1));
}
template <class V> FL_FN V sinh(V x) {
  using E = Elem<V>;
  V a = abs(x), h = splat<V>(E(0.5)), e = expm1(a);
  V r = h * (e + e / (e + E(1)));
  V g = exp(a * E(0.5));  // exp(a) overflows before sinh does
  r = sel(e > E(1e30), (h * g) * g, r);
  return sel(a < E(1e-10), x, copysign(r, x));
}
template <class V> FL_FN V cosh(V x) {
  using E = Elem<V>;
  V a = abs(x), g = exp(a * E(0.5)), e = exp(a);
  return sel(a > E(60), (g * E(0.5)) * g, (e + E(1) / e) * E(0.5));
}
template <class V> FL_FN V asinh(V x) {
  using E = Elem<V>;
  V a = abs(x), q = a * a, r = log1p(a + q / (sqrt(q + E(1)) + E(1)));
  V far = log(a) + E(0.693147180559945309);
  r = sel(a > E(1e9), far, r);
  return sel(x != x, x, copysign(r, x));
}
template <class V> FL_FN V acosh(V x) {
  using E = Elem<V>;
  V t = x - E(1), r = log1p(t + sqrt(t * E(2) + t * t));
  r = sel(x > E(1e9), log(x) + E(0.693147180559945309), r);
  return sel(x < E(1), splat<V>(E(kNan)), r);
}
template <class V> FL_FN V atanh(V x) {
  using E = Elem<V>;
  V a = abs(x), r = log1p((a + a) / (E(1) - a)) * E(0.5);
  return sel(a < E(1e-10), x, copysign(r, x));
}

// ---- trigonometric ------------------------------------------------------------------------------

FL_FN vf sin_reduced(vf r, vf u) {
  return poly(u, -1.958283068e-04f, 8.332724614e-03f, -1.666666454e-01f) * (u * r) + r;
}
FL_FN vf cos_reduced(vf, vf u) {
  return poly(u, 2.454287111e-05f, -1.388827933e-03f, 4.166666454e-02f) * (u * u) + (1.f - u * 0.5f);
}
FL_FN vf cos_reduced_exact(vf, vf u) {  // a few operations more, half the error
  vf h = u * 0.5f, w = 1.f - h;
  return w + (((1.f - w) - h) + poly(u, 2.454287111e-05f, -1.388827933e-03f, 4.166666454e-02f) * (u * u));
}
FL_FN vd sin_reduced(vd r, vd u) {
  return poly(u, -7.58548648523593842e-13, 1.60585108753191948e-10, -2.50521061002559899e-08, 2.75573192189547624e-06,
              -1.98412698412645666e-04, 8.33333333333333148e-03, -1.66666666666666657e-01) *
             (u * r) +
         r;
}
FL_FN vd cos_reduced(vd, vd u) {
  vd h = u * 0.5, w = 1.0 - h;  // (1 - w) - h: the rounding error of w
  return w + (((1.0 - w) - h) + poly(u, 4.74519880720287603e-14, -1.14704493544667732e-11, 2.08767557175844028e-09,
                                     -2.75573192211891020e-07, 2.48015873015843674e-05, -1.38888888888888873e-03,
                                     4.16666666666666644e-02) *
                                    (u * u));
}
FL_FN vd cos_reduced_exact(vd r, vd u) { return cos_reduced(r, u); }
// x = n pi/2 + r, |r| <= pi/4; q holds n modulo 4 in its low bits. Floats are reduced in double. Beyond the
// limit: the C library.
constexpr float kTrigLimitF = 1e7f;
constexpr double kTrigLimit = 1e6;
FL_FN vd reduce_half_pi(vd x, vd& shifted) {
  constexpr double magic = 6755399441055744.0;
  shifted = x * 0.63661977236758134 + magic;
  vd n = shifted - magic;
  return (x - n * 1.570796325802803) - n * 9.920935796805404e-10;
}
FL_FN vf reduce_trig(vf x, vi& q) {
  vd low, high, shift_low, shift_high;
  widen(x, low, high);
  vf r = narrow(reduce_half_pi(low, shift_low), reduce_half_pi(high, shift_high));
  q = narrow((vl)shift_low, (vl)shift_high);
  return r;
}
FL_FN vd reduce_trig(vd x, vl& q) {
  constexpr double magic = 6755399441055744.0;
  vd shifted = x * 0.63661977236758134 + magic, n = shifted - magic;
  q = (vl)shifted;
  vd r = (x - n * 1.5707963267341256) - n * 6.077100506303966e-11;
  return r - n * 2.0222662487959506e-21;
}
#define FL_TRIG(V, I, limit, suffix)                                                        \
  FL_FN V sin(V x) {                                                                        \
    I q, large = ~(abs(x) < limit);                                                         \
    V r = reduce_trig(x, q), u = r * r;                                                     \
    V y = sel((q & 1) != 0, cos_reduced(r, u), sin_reduced(r, u));                          \
    y = (V)(bits(y) ^ sign_bit((V)(q << (sizeof(Elem<V>) * 8 - 2))));                       \
    y = sel(x == 0, x, y);                                                                  \
    if (__builtin_expect(any(large), 0))                                                    \
      y = sel(large, lanes(x, [](Elem<V> z) {                                               \
                return __builtin_sin##suffix(z);                                            \
              }),                                                                           \
              y);                                                                           \
    return y;                                                                               \
  }                                                                                         \
  FL_FN V cos(V x) {                                                                        \
    I q, large = ~(abs(x) < limit);                                                         \
    V r = reduce_trig(x, q), u = r * r;                                                     \
    V y = sel((q & 1) != 0, sin_reduced(r, u), cos_reduced(r, u));                          \
    y = (V)(bits(y) ^ sign_bit((V)((q + 1) << (sizeof(Elem<V>) * 8 - 2))));                 \
    if (__builtin_expect(any(large), 0))                                                    \
      y = sel(large, lanes(x, [](Elem<V> z) {                                               \
                return __builtin_cos##suffix(z);                                            \
              }),                                                                           \
              y);                                                                           \
    return y;                                                                               \
  }                                                                                         \
  FL_FN V tan(V x) {                                                                        \
    I q, large = ~(abs(x) < limit);                                                         \
    V r = reduce_trig(x, q), u = r * r, s = sin_reduced(r, u), c = cos_reduced_exact(r, u); \
    I odd = (q & 1) != 0;                                                                   \
    V y = sel(odd, -c, s) / sel(odd, s, c);                                                 \
    y = sel(x == 0, x, y);                                                                  \
    if (__builtin_expect(any(large), 0))                                                    \
      y = sel(large, lanes(x, [](Elem<V> z) {                                               \
                return __builtin_tan##suffix(z);                                            \
              }),                                                                           \
              y);                                                                           \
    return y;                                                                               \
  }
FL_TRIG(vf, vi, kTrigLimitF, f)
FL_TRIG(vd, vl, kTrigLimit, )
#undef FL_TRIG

// atan(r) for |r| <= tan(pi/8), asin(r) for |r| <= 1/2
FL_FN vf atan_reduced(vf r) {
  vf u = r * r;
  return poly(u, -6.447741047e-02f, 1.074246685e-01f, -1.426383848e-01f, 1.999953710e-01f, -3.333333175e-01f) *
             (u * r) +
         r;
}
FL_FN vd atan_reduced(vd r) {
  vd u = r * r;
  return poly(u, -1.91472489646117641e-02, 3.92074332126119626e-02, -5.08461035763176500e-02, 5.85798835024576234e-02,
              -6.66449294580626350e-02, 7.69218187603684517e-02, -9.09090452147169048e-02, 1.11111110138606875e-01,
              -1.42857142846491730e-01, 1.99999999999954381e-01, -3.33333333333333315e-01) *
             (u * r) +
         r;
}
FL_FN vf asin_tail(vf r, vf u) {
  return poly(u, 3.809396215e-02f, 2.655066296e-02f, 4.500189409e-02f, 7.498852962e-02f, 1.666667243e-01f) * (u * r);
}
FL_FN vd asin_tail(vd r, vd u) {
  return poly(u, 2.81876671423180979e-02, -1.07731953255855561e-02, 1.60491245849493196e-02, 7.79862640756223344e-03,
              1.18763442962794164e-02, 1.39295459504858027e-02, 1.73552685639535194e-02, 2.23720472018088846e-02,
              3.03819473795591578e-02, 4.46428571032395569e-02, 7.50000000002086914e-02, 1.66666666666666491e-01) *
         (u * r);
}
// atan(num / den) for num, den >= 0, not both 0 or infinite
template <class V> FL_FN V atan_quotient(V num, V den) {
  using E = Elem<V>;
  auto above = num > den * E(2.414213562373095), middle = num > den * E(0.4142135623730950);
  V p = sel(above, -den, sel(middle, num - den, num)), q = sel(above, num, sel(middle, num + den, den));
  V base = sel(above, splat<V>(E(1.57079632679489662)), sel(middle, splat<V>(E(0.785398163397448310)), splat<V>(E(0))));
  V low = sel(
      above, splat<V>(sizeof(E) == 4 ? E(-4.371139000186241e-08) : E(6.123233995736766e-17)),
      sel(middle, splat<V>(sizeof(E) == 4 ? E(-2.1855695000931206e-08) : E(3.061616997868383e-17)), splat<V>(E(0))));
  return base + (atan_reduced(p / q) + low);
}
template <class V> FL_FN V atan(V x) {
  using E = Elem<V>;
  V a = abs(x), r = atan_quotient(sel(a > E(1e30), splat<V>(E(1e30)), a), splat<V>(E(1)));
  return sel(x != x, x, copysign(r, x));
}
template <class V> FL_FN V atan2(V y, V x) {
  using E = Elem<V>;
  V b = abs(y), a = abs(x), inf = splat<V>(E(kInfF));
  auto both_inf = (a == inf) & (b == inf);
  V r = atan_quotient(sel(both_inf, splat<V>(E(1)), b), sel(both_inf | ((a == E(0)) & (b == E(0))), splat<V>(E(1)), a));
  r = sel((a == inf) & (b < inf), splat<V>(E(0)), r);
  r = sel((b == inf) & (a < inf), splat<V>(E(1.57079632679489662)), r);
  V pi = splat<V>(E(3.14159265358979324)),
    low = splat<V>(sizeof(E) == 4 ? E(-8.742278000372482e-08) : E(1.2246467991473532e-16));
  r = sel(sign_bit(x) != 0, pi - (r - low), r);
  return sel((x != x) | (y != y), x + y, copysign(r, y));
}
template <class V> FL_FN V asin(V x) {
  using E = Elem<V>;
  V a = abs(x), u = sel(a > E(0.5), (E(1) - a) * E(0.5), a * a), r = sel(a > E(0.5), sqrt(u), a);
  V t = asin_tail(r, u);
  V half_pi = splat<V>(E(1.57079632679489662)),
    low = splat<V>(sizeof(E) == 4 ? E(-4.371139000186241e-08) : E(6.123233995736766e-17));
  V y = sel(a > E(0.5), half_pi - ((r + r) + (t + t - low)), r + t);
  return sel(x != x, x, copysign(y, x));
}
template <class V> FL_FN V acos(V x) {
  using E = Elem<V>;
  V a = abs(x), u = sel(a > E(0.5), (E(1) - a) * E(0.5), x * x), r = sel(a > E(0.5), sqrt(u), x);
  V t = asin_tail(r, u), s = r + t;
  V low = splat<V>(sizeof(E) == 4 ? E(-4.371139000186241e-08) : E(6.123233995736766e-17));
  V y = sel(a > E(0.5), s + s, E(1.57079632679489662) - (r - (low - t)));
  return sel((a > E(0.5)) & (x < E(0)), E(3.14159265358979324) - (s + s - (low + low)), y);
}

// ---- normal distribution ------------------------------------------------------------------------

// Phi(-t) exp(t^2/2) for 0 <= t <= kTailEnd as P((t - k) / (t + k)) / (t + k): relatively accurate down to the
// underflow of exp(-t^2/2).
constexpr double kTailEnd = 39.0;
FL_FN vd scaled_tail(vd t) {
  vd w = 1.0 / (t + 4.0), v = (t - 4.0) * w;
  return w * poly(v, -7.26241981040957891e-10, -2.52209945787807357e-09, 1.91827702037334019e-09,
                  1.96196108613555608e-08, 1.32807977873103281e-08, -8.54084181568512455e-08, -1.54964917422474492e-07,
                  2.71804529625928340e-07, 1.02155403719610159e-06, -6.29696560581582347e-07, -5.92017332301610250e-06,
                  7.16666324522103145e-07, 3.51446860530034636e-05, -1.90825847977343325e-06, -2.31094935169459008e-04,
                  1.33344312409645736e-04, 1.63081845758870111e-03, -3.47969236739359509e-03, -7.54018896672679125e-03,
                  6.03965748909365621e-02, -1.86521857959657256e-01, 3.87137400742214532e-01, -6.07896641971892082e-01,
                  7.55285130415751516e-01);
}
// exp(-t^2/2) for t <= kTailEnd; the rounding error of the square goes into a first-order correction.
FL_FN vd square_error(vd t, vd square) {
#ifdef FL_HAS_FMA
  return fma(t, t, -square);
#else
  vd high = (vd)(bits(t) & ~0x7ffffffll), low = t - high;
  return ((high * high - square) + high * low * 2.0) + low * low;
#endif
}
FL_FN vd exp_half_square(vd t) {
  vd square = t * t, e = exp_in_range(square * -0.5);
  return e - e * (square_error(t, square) * 0.5);
}
// exp(-t^2/2) to 1e-7 of its greatest value, for t <= 14.5.
FL_FN vf bell(vf t) {
  vf y = t * t * -0.7213475204f, n = rint_small(y), r = y - n;
  return scale2(poly(r, 1.326472707e-03f, 9.671512649e-03f, 5.550733744e-02f, 2.402224209e-01f, 6.931469776e-01f, 1.f),
                n);
}
// The normal distribution function Phi(x); density is exp(-x^2/2). Floats: the error is about 1e-7 everywhere, so
// relatively large where Phi is small. Beyond 5.3, Phi(-t) exp(t^2/2) is taken as constant: the exponential is below
// 1e-6.
FL_FN vf normal_cdf(vf x, vf& density) {
  vf t = abs(x), u = sel(t > 5.3f, splat<vf>(5.3f), t);
  density = bell(sel(t > 14.5f, splat<vf>(14.5f), t));
  vf tail = density * poly(u, -2.182800312e-07f, 5.840279480e-06f, -6.966512780e-05f, 4.964747935e-04f, -2.409823187e-03f,
                           8.702674836e-03f, -2.516005098e-02f, 6.173154246e-02f, -1.327409446e-01f, 2.499627674e-01f,
                           -3.989402800e-01f, 0.5f);
  return sel(x > 0.f, 1.f - tail, tail);
}
FL_FN vd normal_cdf(vd x, vd& density) {
  vd t = abs(x);
  t = sel(t > kTailEnd, splat<vd>(kTailEnd), t);
  density = exp_half_square(t);
  vd tail = density * scaled_tail(t);
  return sel(x > 0.0, 1.0 - tail, tail);
}
// Near 0 an odd polynomial, beyond it 1 - exp(-x^2) erfcx(x).
FL_FN vf erf(vf x) {
  vf a = abs(x), u = x * x;
  vf near = x * poly(u, 8.529401323e-05f, -8.179632181e-04f, 5.204226694e-03f, -2.686066479e-02f, 1.128371805e-01f,
                     -3.761263519e-01f, 0.128379167f) +
            x;
  a = sel(a > 3.95f, splat<vf>(3.95f), a);
  vf scaled = poly(a, -5.420762018e-07f, 1.659745343e-05f, -2.316754753e-04f, 1.956439023e-03f, -1.119524018e-02f,
                   4.613313233e-02f, -1.422705991e-01f, 3.375596160e-01f, -6.295712355e-01f, 9.363805975e-01f,
                   -1.108303879e+00f, 9.971103639e-01f);
  vf far = copysign(1.f - exp_in_range(a * -a) * scaled, x);
  return sel(x != x, x, sel(a < 0.9f, near, far));
}
FL_FN vd erf_near(vd x) {  // |x| <= 0.9
  vd u = x * x;
  return x * poly(u, 6.49502561030258090e-11, -1.16524739452949487e-09, 1.47234948233927516e-08, -1.63586675606707287e-07,
                  1.64616961587824591e-06, -1.49256335686082625e-05, 1.20553325194322353e-04, -8.54832701490715048e-04,
                  5.22397762534075084e-03, -2.68661706451240774e-02, 1.12837916709550998e-01, -3.76126389031837538e-01,
                  1.28379167095512586e-01) +
         x;
}
FL_FN vd erf(vd x) {
  vd a = abs(x);
  a = sel(a > 6.0, splat<vd>(6.0), a);
  vd far = copysign(1.0 - 2.0 * exp_in_range(a * -a) * scaled_tail(a * 1.41421356237309505), x);
  return sel(x != x, x, sel(a < 0.9, erf_near(x), far));
}
// x times a polynomial in w = -log(1 - x^2), or in its root where that is large: the variables of M. Giles,
// "Approximating the erfinv function" (2010).
FL_FN vf erfinv(vf x) {
  vf w = -log((1.f - x) * (1.f + x)), v = w - 2.5f, s = sqrt(w) - 3.f;
  vf near = poly(v, 2.853504974e-08f, 3.437274064e-07f, -3.528862667e-06f, -4.396785026e-06f, 2.186022054e-04f,
                 -1.253707504e-03f, -4.177707758e-03f, 2.466407261e-01f, 1.501409422e+00f);
  vf far = poly(s, -1.597774176e-04f, 8.251943920e-05f, 1.292244301e-03f, -3.656542776e-03f, 5.765542834e-03f,
                -7.626243428e-03f, 9.435037880e-03f, 1.001674232e+00f, 2.832977004e+00f);
  return sel(abs(x) == 1.f, copysign(splat<vf>(kInfF), x), x * sel(w < 5.f, near, far));
}
// The same to 5e-7, and a step of Halley's method on erf, or on erfc near 1.
FL_FN vd erfinv(vd y) {
  vd a = abs(y), w = -log((1.0 - a) * (1.0 + a)), v = w - 2.5, s = sqrt(w) - 4.0;
  vd near = poly(v, 3.156330868e-07, -3.185883891e-06, -4.094197054e-06, 2.173360339e-04, -1.254631486e-03,
                 -4.176258813e-03, 2.466414208e-01, 1.501409180e+00);
  vd far = poly(s, -1.372776165e-06, -4.892853396e-07, 3.237201111e-05, -7.397684096e-05, 3.780154830e-05,
                -4.518757188e-05, 3.323441937e-04, -9.188415643e-04, 1.255856134e-03, 1.009502692e+00, 3.839784167e+00);
  vd x = a * sel(w < 5.0, near, far), t = x * 1.41421356237309505, e = exp_half_square(t);
  vd error = sel(a < 0.75, erf_near(x) - a, (1.0 - a) - 2.0 * e * scaled_tail(t));
  vd u = error * 0.88622692545275801365 / e;
  x = x - u / (1.0 + x * u);
  return copysign(sel(a == 1.0, splat<vd>(kInf), x), y);
}

// ---- division with remainder --------------------------------------------------------------------

// The remainder of a / b with a's sign. Exact: a float quotient below 2^28 times b fits a double.
FL_FN vf fmod(vf a, vf b) {
  vf x = abs(a), y = abs(b);
  vd xs[2], ys[2], rs[2];
  widen(x, xs[0], xs[1]);
  widen(y, ys[0], ys[1]);
  for (int h = 0; h < 2; h++) {
    vd r = xs[h] - floor(xs[h] / ys[h]) * ys[h];
    r = sel(r < 0.0, r + ys[h], r);
    rs[h] = sel(r >= ys[h], r - ys[h], r);
  }
  vf r = copysign(narrow(rs[0], rs[1]), a);
  vi hard = ~(x < y * 268435456.f) | ~(y < kInfF) | (y < 1e-30f);
  if (__builtin_expect(any(hard), 0))
    r = sel(hard, lanes(a, b, [](float u, float v) {
              return __builtin_fmodf(u, v);
            }),
            r);
  return r;
}
FL_FN vd fmod(vd a, vd b) {
  auto scalar = [](double u, double v) {
    return __builtin_fmod(u, v);
  };
#ifdef FL_HAS_FMA
  vd x = abs(a), y = abs(b), r = fma(-floor(x / y), y, x);  // exact, the quotient right or too large by one
  r = sel(r < 0.0, r + y, r);
  r = copysign(sel(r >= y, r - y, r), a);
  vl hard = ~(x < y * 4503599627370496.0) | ~(y < kInf) | (y < 1e-250);
  if (__builtin_expect(any(hard), 0)) r = sel(hard, lanes(a, b, scalar), r);
  return r;
#else
  return lanes(a, b, scalar);
#endif
}

// ---- powers and lengths -------------------------------------------------------------------------

// 2^(y log2 a) for a > 0 that was a float, to float accuracy; the result is a float's or beyond its range.
FL_FN vd pow_magnitude(vd a, vd y) {
  vd e, f = split_log(a, e), s = f / (f + 2.0);
  vd log = e + s * poly(s * s, 3.41133503516140191e-01, 4.11651856285859152e-01, 5.77083914584883284e-01,
                        9.61796671726967145e-01, 2.88539008179126588e+00);
  vd t = clamp_keep_nan(y * log, -160.0, 160.0), shifted = t + 6755399441055744.0,
     r = t - (shifted - 6755399441055744.0);
  vd p = poly(r, 1.52973237607010755e-05, 1.54614446985691293e-04, 1.33335023861627698e-03, 9.61805667852463735e-03,
              5.55041088390961848e-02, 2.40226509222887574e-01, 6.93147180559945286e-01, 1.0);
  return sel(t != t, t, (vd)((vl)p + ((vl)shifted << 52)));
}
FL_FN vf pow(vf x, vf y) {
  vf a = abs(x), zero = {}, inf = splat<vf>(kInfF);
  vd as[2], ys[2];
  widen(a, as[0], as[1]);
  widen(y, ys[0], ys[1]);
  vf r = narrow(pow_magnitude(as[0], ys[0]), pow_magnitude(as[1], ys[1]));
  // The cases of IEEE 754. A comparison with NaN is false, so they keep a NaN in y.
  r = sel(a == 0.f, sel(y < 0.f, inf, sel(y > 0.f, zero, y)), r);
  r = sel(a == kInfF, sel(y > 0.f, inf, sel(y < 0.f, zero, y)), r);
  r = sel(x != x, x, r);
  vf whole = rint(y), half = y * 0.5f;
  vi odd = (whole == y) & (rint(half) != half);
  r = (vf)(bits(r) | (odd & sign_bit(x)));
  r = sel((x < 0.f) & (whole != y) & (a < kInfF), splat<vf>(kNanF), r);
  return sel((y == 0.f) | (x == 1.f) | ((a == 1.f) & (abs(y) == kInfF)), splat<vf>(1.f), r);
}
FL_FN vd pow(vd x, vd y) {
  return lanes(x, y, [](double u, double v) {
    return __builtin_pow(u, v);
  });
}
// sqrt(a^2 + b^2), scaled by a power of two where the squares would leave the range.
FL_FN vf hypot(vf a, vf b) {
  vd as[2], bs[2];
  widen(a, as[0], as[1]);
  widen(b, bs[0], bs[1]);
  vf r = narrow(sqrt(as[0] * as[0] + bs[0] * bs[0]), sqrt(as[1] * as[1] + bs[1] * bs[1]));
  return sel((abs(a) == kInfF) | (abs(b) == kInfF), splat<vf>(kInfF), r);
}
FL_FN vd hypot(vd a, vd b) {
  vd x = abs(a), y = abs(b), m = sel(x > y, x, y);
  vd up = sel(m < 0x1p-400, splat<vd>(0x1p600), splat<vd>(1.0)),
     down = sel(m < 0x1p-400, splat<vd>(0x1p-600), splat<vd>(1.0));
  up = sel(m > 0x1p400, splat<vd>(0x1p-600), up);
  down = sel(m > 0x1p400, splat<vd>(0x1p600), down);
  x = x * up;
  y = y * up;
  vd r = sqrt(x * x + y * y) * down;
  return sel((abs(a) == kInf) | (abs(b) == kInf), splat<vd>(kInf), r);
}

}  // namespace fl::cpu::FL_ISA
