// strided_copy: dimensions are sorted and coalesced, then rows are copied contiguously, transposed in blocks held
// in registers, or element by element. Also the
// check of index rows.
#include <cstring>

#include "base/parallel.h"
#include "kernels/cpu/copy.h"

namespace fl::cpu::FL_ISA {
namespace {

struct Plan {
  int ndim = 0;
  int64_t size[64], dst[64], src[64];
};

inline int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

// Dimensions of size 1 dropped, sorted by decreasing destination stride, merged where both operands allow. False:
// nothing to copy.
bool make_plan(Plan& p, int ndim, const int64_t* sizes, const int64_t* dst, const int64_t* src) {
  int64_t order_key[64];
  for (int d = 0; d < ndim; d++) {
    if (sizes[d] == 0) return false;
    if (sizes[d] == 1) continue;
    int at = p.ndim++;
    int64_t key = magnitude(dst[d]);
    // Insertion keeps the given order among equal strides.
    while (at > 0 && order_key[at - 1] < key) {
      order_key[at] = order_key[at - 1], p.size[at] = p.size[at - 1], p.dst[at] = p.dst[at - 1],
      p.src[at] = p.src[at - 1];
      at--;
    }
    order_key[at] = key, p.size[at] = sizes[d], p.dst[at] = dst[d], p.src[at] = src[d];
  }
  int kept = 0;
  for (int d = 1; d < p.ndim; d++) {
    if (p.dst[kept] == p.dst[d] * p.size[d] && p.src[kept] == p.src[d] * p.size[d]) {
      p.size[kept] *= p.size[d], p.dst[kept] = p.dst[d], p.src[kept] = p.src[d];
    } else {
      kept++;
      p.size[kept] = p.size[d], p.dst[kept] = p.dst[d], p.src[kept] = p.src[d];
    }
  }
  if (p.ndim) p.ndim = kept + 1;
  return true;
}

struct alignas(16) Item16 {
  uint64_t a, b;
};

template <class T>
inline T load(const char* p) {
  T x;
  std::memcpy(&x, p, sizeof(T));
  return x;
}
template <class T>
inline void store(char* p, T x) {
  std::memcpy(p, &x, sizeof(T));
}

template <class T>
void copy_row(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  constexpr int64_t w = sizeof(T);
  if (ds == w && ss == w) {
    if (n * w > 64) {
      std::memcpy(dst, src, size_t(n * w));
      return;
    }
    for (int64_t i = 0; i < n; i++) store(dst + i * w, load<T>(src + i * w));
  } else if (ss == 0) {
    T x = load<T>(src);
    if (ds == w) {
      for (int64_t i = 0; i < n; i++) store(dst + i * w, x);
    } else {
      for (int64_t i = 0; i < n; i++) store(dst + i * ds, x);
    }
  } else if (ds == w && ss == -w) {  // flipped
    for (int64_t i = 0; i < n; i++) store(dst + i * w, load<T>(src - i * w));
  } else if (ds == w) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4, src += 4 * ss) {
      T a = load<T>(src), b = load<T>(src + ss), c = load<T>(src + 2 * ss), d = load<T>(src + 3 * ss);
      store(dst + i * w, a), store(dst + (i + 1) * w, b), store(dst + (i + 2) * w, c), store(dst + (i + 3) * w, d);
    }
    for (; i < n; i++, src += ss) store(dst + i * w, load<T>(src));
  } else {
    for (int64_t i = 0; i < n; i++) store(dst + i * ds, load<T>(src + i * ss));
  }
}

// Transposes an N x N block held in N vectors: log2(N) rounds of interleaving register k with register k + N/2.
template <class V, int N>
inline V low_half(V a, V b) {
  if constexpr (N == 2) return __builtin_shufflevector(a, b, 0, 2);
  else if constexpr (N == 4) return __builtin_shufflevector(a, b, 0, 4, 1, 5);
  else if constexpr (N == 8) return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  else return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
template <class V, int N>
inline V high_half(V a, V b) {
  if constexpr (N == 2) return __builtin_shufflevector(a, b, 1, 3);
  else if constexpr (N == 4) return __builtin_shufflevector(a, b, 2, 6, 3, 7);
  else if constexpr (N == 8) return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  else return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
template <class T, int N>
inline void transpose_block(char* dst, int64_t ds, const char* src, int64_t ss) {
  typedef T V __attribute__((vector_size(N * sizeof(T))));
  V a[N], b[N];
  for (int i = 0; i < N; i++) std::memcpy(&a[i], src + i * ss, sizeof(V));
  for (int round = 1; round < N; round *= 2) {
    for (int k = 0; k < N / 2; k++) {
      b[2 * k] = low_half<V, N>(a[k], a[k + N / 2]);
      b[2 * k + 1] = high_half<V, N>(a[k], a[k + N / 2]);
    }
    for (int k = 0; k < N; k++) a[k] = b[k];
  }
  for (int i = 0; i < N; i++) std::memcpy(dst + i * ds, &a[i], sizeof(V));
}

// dst[i][j] = src[j][i]: dst rows of cols elements, ds apart; src rows (one per j), ss apart.
template <class T>
void transpose(char* dst, int64_t ds, const char* src, int64_t ss, int64_t rows, int64_t cols) {
  constexpr int64_t w = sizeof(T);
  if constexpr (w == 16) {
    for (int64_t j0 = 0; j0 < cols; j0 += 64)
      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = j0; j < cols && j < j0 + 64; j++) store(dst + i * ds + j * w, load<T>(src + j * ss + i * w));
  } else {
    constexpr int kLanes = FL_VB / w < 16 ? FL_VB / w : 16;
    constexpr int64_t kTile = 64 / w < kLanes ? kLanes : 64 / w;  // whole cache lines on both sides
    for (int64_t j0 = 0; j0 < cols; j0 += 256) {                  // few pages at a time
      int64_t j1 = cols < j0 + 256 ? cols : j0 + 256;
      for (int64_t i0 = 0; i0 < rows; i0 += kTile) {
        int64_t i1 = rows < i0 + kTile ? rows : i0 + kTile;
        for (int64_t jt = j0; jt < j1; jt += kTile) {
          int64_t je = j1 < jt + kTile ? j1 : jt + kTile;
          int64_t i = i0;
          for (; i + kLanes <= i1; i += kLanes) {
            int64_t j = jt;
            for (; j + kLanes <= je; j += kLanes)
              transpose_block<T, kLanes>(dst + i * ds + j * w, ds, src + j * ss + i * w, ss);
            for (; j < je; j++)
              for (int64_t k = i; k < i + kLanes; k++) store(dst + k * ds + j * w, load<T>(src + j * ss + k * w));
          }
          for (; i < i1; i++)
            for (int64_t j = jt; j < je; j++) store(dst + i * ds + j * w, load<T>(src + j * ss + i * w));
        }
      }
    }
  }
}

template <class T>
void run(const Plan& plan, char* dst, const char* src) {
  constexpr int64_t w = sizeof(T);
  if (plan.ndim == 0) {
    store(dst, load<T>(src));
    return;
  }
  Plan p = plan;
  int last = p.ndim - 1, across = -1;
  if (p.dst[last] == w && p.src[last] != w && p.src[last] != 0 && p.size[last] >= 4)
    for (int d = 0; d < last; d++)
      if (p.src[d] == w && p.size[d] >= 4) across = d;
  // Inner part: one row, or a transposed plane of rows x n. `rows` is a dimension that can be split among threads as
  // well.
  if (across >= 0 && across != last - 1) {  // bring it next to the row
    int64_t s = p.size[across], a = p.dst[across], b = p.src[across];
    for (int d = across; d < last - 1; d++) p.size[d] = p.size[d + 1], p.dst[d] = p.dst[d + 1], p.src[d] = p.src[d + 1];
    p.size[last - 1] = s, p.dst[last - 1] = a, p.src[last - 1] = b;
  }
  bool plane = last >= 1;
  int64_t n = p.size[last], ds = p.dst[last], ss = p.src[last];
  int64_t rows = plane ? p.size[last - 1] : 1, dr = plane ? p.dst[last - 1] : 0, sr = plane ? p.src[last - 1] : 0;
  int outer = plane ? last - 1 : 0;
  int64_t planes = 1;
  for (int d = 0; d < outer; d++) planes *= p.size[d];

  // Work units: row pieces of at most about 32 KB, or groups of rows of that size.
  constexpr int64_t kUnit = 32768 / w;
  int64_t piece = n, pieces = 1, group = rows, groups = 1;
  if (n > kUnit && across < 0) {
    piece = kUnit, pieces = (n + piece - 1) / piece, group = 1, groups = rows;
  } else if (rows * n > kUnit) {
    group = kUnit / n < 1 ? 1 : kUnit / n;
    if (across >= 0) group = group < 64 ? 64 : (group + 63) / 64 * 64;
    groups = (rows + group - 1) / group;
  }
  int64_t units = planes * groups * pieces;
  double contiguous = (ds == w && (ss == w || ss == 0)) ? 0.05 : across >= 0 ? 0.12
                                                                             : 0.5;
  double ns = contiguous * double(w) * double(planes) * double(rows) * double(n) / double(units) + 2;
  auto work = [&](int64_t begin, int64_t end) {
    int64_t at[64];
    int64_t q = begin / (groups * pieces), in_plane = begin % (groups * pieces);
    char* d0 = dst;
    const char* s0 = src;
    for (int d = outer - 1; d >= 0; d--) {
      at[d] = q % p.size[d], q /= p.size[d];
      d0 += at[d] * p.dst[d], s0 += at[d] * p.src[d];
    }
    for (int64_t u = begin; u < end; u++) {
      int64_t g = in_plane / pieces, c = in_plane % pieces;
      int64_t r0 = g * group, r1 = rows < r0 + group ? rows : r0 + group;
      int64_t c0 = c * piece, cn = n - c0 < piece ? n - c0 : piece;
      char* dp = d0 + r0 * dr + c0 * ds;
      const char* sp = s0 + r0 * sr + c0 * ss;
      if (across >= 0) {
        transpose<T>(dp, dr, sp, ss, r1 - r0, cn);
      } else {
        for (int64_t r = r0; r < r1; r++, dp += dr, sp += sr) copy_row<T>(dp, ds, sp, ss, cn);
      }
      if (++in_plane == groups * pieces) {
        in_plane = 0;
        for (int d = outer - 1; d >= 0; d--) {
          d0 += p.dst[d], s0 += p.src[d];
          if (++at[d] < p.size[d]) break;
          d0 -= p.dst[d] * p.size[d], s0 -= p.src[d] * p.size[d];
          at[d] = 0;
        }
      }
    }
  };
  if (double(units) * ns < 20000) work(0, units);
  else fl::parallel_for(units, ns, work);
}

void strided_copy(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
                  const int64_t* src_strides) {
  Plan plan;
  if (!make_plan(plan, ndim, sizes, dst_strides, src_strides)) return;
  char* d = (char*)dst;
  const char* s = (const char*)src;
  // Pairs, fours... of elements that stay together move as one larger element.
  const int last = plan.ndim - 1;
  if (last > 0 && plan.dst[last] == item && plan.src[last] == item) {
    const int64_t bytes = plan.size[last] * item;
    if (bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16) item = bytes, plan.ndim = last;
  }
  switch (item) {
    case 1: return run<uint8_t>(plan, d, s);
    case 2: return run<uint16_t>(plan, d, s);
    case 4: return run<uint32_t>(plan, d, s);
    case 8: return run<uint64_t>(plan, d, s);
    default: return run<Item16>(plan, d, s);
  }
}

bool row_is_bad(const int64_t* index, int64_t n, int64_t shift, uint64_t limit) {
  int64_t bad = 0;
  for (int64_t i = 0; i < n; i++) bad |= uint64_t(index[i] + shift) >= limit ? -1 : 0;
  return bad;
}

}  // namespace

extern const CopyKernels copy_kernels;
const CopyKernels copy_kernels = {strided_copy, row_is_bad};

}  // namespace fl::cpu::FL_ISA
