// Special functions for the pointwise tables: exponential integrals of the normal law, gamma and zeta functions,
// Bessel and Airy functions. Computed in double for both float types. Sources: Abramowitz & Stegun, "Handbook of
// Mathematical Functions" (A&S); Gil, Segura & Temme, "Numerical Methods for Special Functions" (2007). Tables are
// Chebyshev fits of our own.
#include "kernels/cpu/special_loop.h"

#include <cmath>

namespace fl::cpu {
namespace {

constexpr double kPi = 3.14159265358979323846, kInf = __builtin_inf(), kNan = __builtin_nan("");

template <int N> double poly(const double (&c)[N], double x) {
  double p = c[0];
  for (int i = 1; i < N; i++) p = p * x + c[i];
  return p;
}

// ---- modified Bessel functions: by x/4 - 1 on [0, 8] (x^2/2 - 1 on [0, 2] for K), by the reciprocal above

constexpr double kI0Small[] = {  // fit error 7.3e-19
                               -1.1662904878442954e-09, 4.4693725818566153e-09, -7.8603697075082118e-09, 2.6273368345256394e-08,
                               -1.1339523685907105e-07, 3.6755928932882931e-07, -1.0891964284507317e-06, 3.2293850630678377e-06,
                               -9.2505971062553697e-06, 2.5202271984440893e-05, -6.5509561306355141e-05, 0.0001624054672701359,
                               -0.00038290150894575593, 0.00085631524839514469, -0.0018118870527295522, 0.0036171264596770616,
                               -0.0067923997922715784, 0.011960077903963348, -0.019682654708082413, 0.03017791202356886, -0.042985949452267379,
                               0.056777032019843215, -0.069541195617423418, 0.079275225907168984, -0.084963380916151243, 0.087343416175522909,
                               -0.089043441360759909, 0.094515628539951033, -0.11300432688620549, 0.2070019212239867};
constexpr double kI0Large[] = {  // fit error 1.1e-17
                               -2.4421972688131832e-11, 9.1147601575142526e-11, 1.7698085539456536e-10, -6.4945911144011185e-10,
                               -6.327909921997027e-10, 2.1636812784138758e-09, 1.6084886155781772e-09, -4.5305710768621196e-09,
                               -3.5862834111582305e-09, 6.5222648620322706e-09, 7.6002544864335087e-09, -5.0175940345046716e-09,
                               -1.3427511481900905e-08, -6.8564845459624422e-09, 7.559364098665437e-09, 2.156780676115673e-08,
                               3.9325123211378243e-08, 8.872014585661555e-08, 2.9735992084667734e-07, 1.4838476780922646e-06,
                               1.1143033788451761e-05, 0.00013621607438951463, 0.0033605519836678913, 0.4021765094450081};
constexpr double kI1Small[] = {  // fit error 4.5e-19
                               3.6696752013169966e-10, -1.4165980180332847e-09, 2.6443305769991871e-09, -8.9868010131933512e-09,
                               3.7901404602356164e-08, -1.2424046295570417e-07, 3.7617292810159424e-07, -1.1327198008251626e-06,
                               3.2936151443567499e-06, -9.136529630106953e-06, 2.4233987591498262e-05, -6.1423614092670376e-05,
                               0.00014842110758080817, -0.0003411760229204836, 0.00074451239987497386, -0.001538874564273584,
                               0.0030057624040464932, -0.0055345678469886552, 0.0095839621537642909, -0.015571309244077562, 0.023686016957350876,
                               -0.033671355521075051, 0.044674572621282986, -0.055280039226992261, 0.063767403713406112, -0.068482606205826899,
                               0.068057599909511615, -0.061124338029666284, 0.044687709875608835};
constexpr double kI1Large[] = {  // fit error 1.1e-17
                               2.2421768596847442e-11, -9.4918903929920477e-11, -1.6283264322621244e-10, 6.7727478454462001e-10,
                               5.8706646184714866e-10, -2.2624401109204446e-09, -1.5218214060680734e-09, 4.7637800780202543e-09,
                               3.5017651932901761e-09, -6.9444186339873875e-09, -7.6872513087659923e-09, 5.5720183980930355e-09,
                               1.4051746928735543e-08, 6.8475782992693397e-09, -8.4321689729324169e-09, -2.3394122958362557e-08,
                               -4.3128498031006734e-08, -1.0001075046243961e-07, -3.4838563464253135e-07, -1.8349102493990178e-06,
                               -1.5038547198221758e-05, -0.00021923576383137776, -0.0097495771932357648, 0.38939845902587233};
constexpr double kK0Small[] = {  // fit error 7.7e-22
                               1.8282920316203465e-16, 3.5186315158015952e-14, 5.4521075897646801e-12, 6.623013272794464e-10,
                               6.0933619341660019e-08, 4.054506619949891e-06, 0.00018280555827901256, 0.0050533926431960922, 0.07177701034240512,
                               0.34049732101338059, -0.30362077291575545};
constexpr double kK1Small[] = {  // fit error 1.7e-20
                               -3.5962015442118799e-15, -6.2142716171930961e-13, -8.5327351181890871e-11, -9.0321275017407093e-09,
                               -7.0811337701843162e-07, -3.8918690643716332e-05, -0.0013831688466153067, -0.027854235219771841,
                               -0.24383852886774365, -0.33224095524031311, 0.88508828772958936};
constexpr double kK0Large[] = {  // fit error 1.2e-18
                               -2.5824525015637538e-11, 4.3907548527099429e-11, 9.239492719735017e-11, -1.5419231423351582e-10,
                               -2.2303328496385004e-10, 3.7964246118225538e-10, 1.5340126238605654e-10, -2.296305052830524e-10,
                               -5.4181344457802142e-10, 1.0450469654372086e-09, -1.4404758651443358e-09, 3.1783612286634933e-09,
                               -7.5124578193932545e-09, 1.7312995045968196e-08, -4.1269185222914832e-08, 1.0288069483966884e-07,
                               -2.6892080372518763e-07, 7.4279306628493146e-07, -2.1911760135022579e-06, 7.0022443033305486e-06,
                               -2.4735204685849812e-05, 9.9560547492220724e-05, -0.00047976905676218692, 0.0030328918102738114,
                               -0.031071461824889558, 1.2185953385133905};
constexpr double kK1Large[] = {  // fit error 1.2e-18
                               2.7995703082404277e-11, -4.7692737490629826e-11, -9.982856117524016e-11, 1.6685782786246503e-10,
                               2.4182967169209887e-10, -4.1258147760560677e-10, -1.6272853347015717e-10, 2.4207625348015331e-10,
                               6.0143605738645882e-10, -1.166820125045468e-09, 1.6440897133556889e-09, -3.6475900600687235e-09,
                               8.6544625409063919e-09, -2.0105919367047817e-08, 4.8386021364989069e-08, -1.2195189445421299e-07,
                               3.229965620159241e-07, -9.0672282208021458e-07, 2.730039509989776e-06, -8.9612059296117853e-06,
                               3.2843865693084672e-05, -0.00013959021964084849, 0.00073572415490376602, -0.0055667298800729488,
                               0.10334973775386527, 1.363151890371342};

double i0e(double x) {
  x = std::fabs(x);
  return x <= 8 ? poly(kI0Small, x / 4 - 1) : poly(kI0Large, 16 / x - 1) / std::sqrt(x);
}
double i1e(double x) {
  double a = std::fabs(x), r = a <= 8 ? a * poly(kI1Small, a / 4 - 1) : poly(kI1Large, 16 / a - 1) / std::sqrt(a);
  return x < 0 ? -r : r;
}
// exp(a) may overflow where the product does not.
double times_exp(double scaled, double a) {
  double half = std::exp(a / 2);
  return scaled * half * half;
}
double i0(double x) { return std::isinf(x) ? kInf : times_exp(i0e(x), std::fabs(x)); }
double i1(double x) { return std::isinf(x) ? x : times_exp(i1e(x), std::fabs(x)); }
double k0_scaled(double x) {
  if (x <= 0) return x == 0 ? kInf : kNan;
  if (x <= 2) return (poly(kK0Small, x * x / 2 - 1) - std::log(x / 2) * i0(x)) * std::exp(x);
  return poly(kK0Large, 4 / x - 1) / std::sqrt(x);
}
double k1_scaled(double x) {
  if (x <= 0) return x == 0 ? kInf : kNan;
  if (x <= 2) return (poly(kK1Small, x * x / 2 - 1) / x + std::log(x / 2) * i1(x)) * std::exp(x);
  return poly(kK1Large, 4 / x - 1) / std::sqrt(x);
}
double k0(double x) { return x > 0 ? times_exp(k0_scaled(x), -x) : k0_scaled(x); }
double k1(double x) { return x > 0 ? times_exp(k1_scaled(x), -x) : k1_scaled(x); }

// ---- Airy function Ai (A&S 10.4.59, 10.4.60: amplitude by 1/zeta, zeta = 2/3 |x|^(3/2)) ---------

constexpr double kAiryDecay[] = {  // fit error 8.5e-18
                                 -4.8432866839410473e-11, 8.3192029726614373e-11, 1.4595682464346639e-10, -2.4438044698817276e-10,
                                 -3.5007342190452602e-10, 6.0701494956042028e-10, 8.099243227482072e-11, -5.8570816854292585e-11,
                                 -1.1719183348888062e-09, 2.4027096157916705e-09, -4.3964883835180833e-09, 9.9923476228220101e-09,
                                 -2.379735386015867e-08, 5.8017736676351321e-08, -1.4812636113155263e-07, 3.9970935240966362e-07,
                                 -1.1510252662494373e-06, 3.5878329006699739e-06, -1.2354390756678582e-05, 4.8463340538145154e-05,
                                 -0.00022785221368840485, 0.0014132014717028515, -0.014613458724023247, 0.98367928282804296};
constexpr double kAiryWaveP[] = {  // fit error 2.0e-15
                                 -2.1291834614966433e-06, 2.4248811649229738e-06, 1.5330715182509681e-05, -1.7446493195519095e-05,
                                 -5.0235545015873852e-05, 5.7135661986146361e-05, 9.8900401204802716e-05, -0.00011243200954421843,
                                 -0.00013025412017912975, 0.00014801861367866694, 0.00012096297011857656, -0.00013741487370717294,
                                 -8.1394411671660804e-05, 9.244063556024277e-05, 4.0134325511848913e-05, -4.5567743677456733e-05,
                                 -1.4538250542859483e-05, 1.6509067482750176e-05, 3.7820335811630878e-06, -4.2801562383568524e-06,
                                 -7.9475685001275988e-07, 9.3627913448118253e-07, -1.0913733583910071e-07, 2.3077463882016354e-07,
                                 -5.8951111836231836e-07, 1.0677983064033001e-06, -2.0468104728567259e-06, 4.2722643113120135e-06,
                                 -9.8677337279276625e-06, 2.6237612760415179e-05, -8.6159001325425676e-05, 0.00040338239973731132,
                                 -0.003937691907302184, 0.99552778536419451};
constexpr double kAiryWaveQ[] = {  // fit error 1.6e-14
                                 -1.5994529025607768e-05, 1.807639942206911e-05, 0.00011548670068648983, -0.00013043160167892936,
                                 -0.00037924351051755344, 0.00042810229667395502, 0.00074796202983905323, -0.0008439700546199341,
                                 -0.00098654314719441561, 0.0011127908062173336, 0.0009173353016381226, -0.0010344205318882523,
                                 -0.00061790569275188372, 0.00069660613865813717, 0.00030498947198368426, -0.00034375142864096218,
                                 -0.00011049989526439964, 0.00012454450876004362, 2.8902997728239158e-05, -3.2520498633804034e-05,
                                 -5.7483210414414118e-06, 6.5935268862984402e-06, -1.3342363172996169e-08, 3.5043405018923984e-07,
                                 -1.9451928563294386e-06, 3.3128111597793713e-06, -5.8756476595193171e-06, 1.1346619841872651e-05,
                                 -2.3812913457631097e-05, 5.593711295145959e-05, -0.00015475304938321281, 0.00055536206653806271,
                                 -0.0032315097459737242, 0.065397347353117544};
constexpr double kAiryMiddle[] = {  // fit error 4.3e-20
                                  -3.2381666643377261e-12, -3.6276679519841176e-11, 2.4281566666381623e-10, -5.2535111425915868e-11,
                                  -4.0610452525560405e-09, 1.6217718420592496e-08, 1.7307763163967186e-11, -2.3373615175554197e-07,
                                  8.4659584078793304e-07, 8.1004325917479487e-11, -9.9877478241810092e-06, 3.2382754993780035e-05,
                                  -2.643353545491627e-12, -0.00029963263128641245, 0.00085004846490306922, -4.1901457296195119e-12,
                                  -0.0058428366289464588, 0.014025799660476415, 1.2052740675617993e-14, -0.065731912074438847, 0.12623219693788987,
                                  4.4861190508703279e-15, -0.34509253839040904, 0.47337073851708955, -1.6405027436598727e-19, -0.51763880758561365,
                                  0.35502805388781722};

double airy_ai(double x) {
  constexpr double limit = 1.8856180831641267;  // zeta at |x| = 2
  if (std::isinf(x)) return x > 0 ? 0 : kNan;
  if (std::fabs(x) <= 2) return poly(kAiryMiddle, x / 2);
  double a = std::fabs(x), root = std::sqrt(a), zeta = a * root * 2 / 3, u = limit / zeta;
  if (x > 0) return std::exp(-zeta) * poly(kAiryDecay, 2 * u - 1) / (2 * std::sqrt(kPi * root));
  double p = poly(kAiryWaveP, 2 * u * u - 1), q = poly(kAiryWaveQ, 2 * u * u - 1) * u / limit;
  return (p * std::cos(zeta - kPi / 4) + q * std::sin(zeta - kPi / 4)) / std::sqrt(kPi * root);
}

double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  if (std::fabs(x) < 0.5) {
    double u = x * x;
    return 1 - u / 6 * (1 - u / 20 * (1 - u / 42 * (1 - u / 72 * (1 - u / 110 * (1 - u / 156)))));
  }
  return std::sin(x) / x;
}

// ---- normal distribution and error function -----------------------------------------------------

// exp(x^2) erfc(x): the product while neither factor leaves the range, then Laplace's continued fraction (A&S 7.1.14).
double erfcx(double x) {
  if (x < 2) {
    if (x < -26.7) return kInf;
    double high = float(x), low = x - high;
    return std::exp(high * high) * std::exp(low * (high + x)) * std::erfc(x);
  }
  if (x > 5e7) return 0.56418958354775628695 / x;
  double f = x;
  for (int k = x > 10 ? 20 : x > 4 ? 50
                                   : 120;
       k > 0; k--) f = x + k * 0.5 / f;
  return 0.56418958354775628695 / f;
}
double ndtr(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
double log_ndtr(double x) {
  double t = x * 0.70710678118654752440;
  return x < -1 ? std::log(erfcx(-t) / 2) - t * t : std::log1p(-std::erfc(t) / 2);
}
// A rational start (A&S 26.2.23, error 4.5e-4) and Halley steps on the tail probability.
double ndtri(double p) {
  if (!(p > 0) || !(p < 1)) return p == 0 ? -kInf : p == 1 ? kInf
                                                           : kNan;
  double tail = p < 0.5 ? p : 1 - p;
  double t = std::sqrt(-2 * std::log(tail));
  double x = t - ((0.010328 * t + 0.802853) * t + 2.515517) / (((0.001308 * t + 0.189269) * t + 1.432788) * t + 1);
  for (int step = 0; step < 3; step++) {  // x: the point with this probability above it
    double density = std::exp(-x * x / 2) * 0.39894228040143267794;
    if (density == 0) break;
    double u = (tail - 0.5 * std::erfc(x * 0.70710678118654752440)) / density;
    x -= u / (1 + 0.5 * x * u);
  }
  return p < 0.5 ? -x : x;
}
// Winitzki's approximation (2008), then Halley steps on erf, or on erfc near 1.
double erfinv(double y) {
  double a = std::fabs(y);
  if (!(a < 1)) return a == 1 ? y * kInf : kNan;
  double l = std::log1p(-a * a), b = 4.3307467508 + l / 2;
  double x = std::sqrt(std::sqrt(b * b - l * 6.8027210884) - b);
  if (a < 1e-8) return y * 0.88622692545275801365;
  for (int step = 0; step < 3; step++) {
    double error = a < 0.7 ? std::erf(x) - a : (1 - a) - std::erfc(x);
    double u = error * 0.88622692545275801365 * std::exp(x * x);
    x -= u / (1 + x * u);
  }
  return y < 0 ? -x : x;
}
double sinc(double x) {
  double t = kPi * x;
  return x == 0 ? 1 : std::sin(t) / t;
}
double entr(double x) { return x > 0 ? -x * std::log(x) : x == 0 ? 0
                                                      : x < 0    ? -kInf
                                                                 : x; }

double bessel_y(double (*y)(double), double x) { return x < 0 ? kNan : x == 0 ? -kInf
                                                                              : y(x); }

}  // namespace

double bessel_i0(double x) { return i0(x); }

FL_SPECIAL(Erfc, std::erfc(x))
FL_SPECIAL(Erfinv, erfinv(x))
FL_SPECIAL(Sinc, sinc(x))
FL_SPECIAL(I0, i0(x))
FL_SPECIAL(I0e, std::isinf(x) ? 0.0 : i0e(x))
FL_SPECIAL(I1, i1(x))
FL_SPECIAL(I1e, std::isinf(x) ? 0.0 : i1e(x))
FL_SPECIAL(Ndtr, ndtr(x))
FL_SPECIAL(Ndtri, ndtri(x))
FL_SPECIAL(LogNdtr, log_ndtr(x))
FL_SPECIAL(Entr, entr(x))
FL_SPECIAL(Erfcx, erfcx(x))
FL_SPECIAL(BesselJ0, ::j0(x))
FL_SPECIAL(BesselJ1, ::j1(x))
FL_SPECIAL(BesselY0, bessel_y(::y0, x))
FL_SPECIAL(BesselY1, bessel_y(::y1, x))
FL_SPECIAL(ModifiedBesselI0, i0(x))
FL_SPECIAL(ModifiedBesselI1, i1(x))
FL_SPECIAL(ModifiedBesselK0, k0(x))
FL_SPECIAL(ModifiedBesselK1, k1(x))
FL_SPECIAL(ScaledModifiedBesselK0, k0_scaled(x))
FL_SPECIAL(ScaledModifiedBesselK1, k1_scaled(x))
FL_SPECIAL(SphericalBesselJ0, spherical_j0(x))
FL_SPECIAL(AiryAi, airy_ai(x))

}  // namespace fl::cpu
