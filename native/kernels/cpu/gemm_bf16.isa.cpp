// BFloat16 products with the processor's own instruction (vdpbf16ps: two products a lane, summed in float32), where it
// has it.
#include "base/interrupt.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {

#if FL_VB == 64 && defined(__x86_64__)
namespace {

#define FL_BF16 __attribute__((target("avx512bf16")))

bool has_bf16_dot() {
  static const bool has = [] {
    __builtin_cpu_init();
    return bool(__builtin_cpu_supports("avx512bf16"));
  }();
  return has;
}

constexpr int64_t kPairs = 256, kRows = kMR * 28;  // a block of A: pairs of k, rows

// A pair of neighbours along k is one 32-bit word; the words are packed as those of any 32-bit type. Elements (i, k) at
// src[i*row + k*col]; dst[pair*width + i]; zero beyond n rows and behind an odd k.
template <int width>
void pack_pairs(uint32_t* dst, const uint16_t* src, int64_t row, int64_t col, int n, int64_t k) {
  const int64_t pairs = k / 2;
  if (col == 1 && row % 2 == 0 && (uintptr_t(src) & 3) == 0) {
    pack_transposed(dst, width, (const uint32_t*)src, row / 2, n, pairs);
  } else if (row == 1) {
    for (int64_t p = 0; p < pairs; ++p) {
      const uint16_t *low = src + 2 * p * col, *high = low + col;
      for (int i = 0; i < n; ++i) dst[p * width + i] = uint32_t(low[i]) | uint32_t(high[i]) << 16;
      for (int i = n; i < width; ++i) dst[p * width + i] = 0;
    }
  } else {
    for (int64_t p = 0; p < pairs; ++p)
      for (int i = 0; i < width; ++i)
        dst[p * width + i] =
            i < n ? uint32_t(src[i * row + 2 * p * col]) | uint32_t(src[i * row + (2 * p + 1) * col]) << 16 : 0;
  }
  if (k & 1)
    for (int i = 0; i < width; ++i) dst[pairs * width + i] = i < n ? src[i * row + (k - 1) * col] : 0;
}

template <int M, int NV>
FL_BF16 void pair_kernel(int64_t pairs, const uint32_t* __restrict a, const uint32_t* __restrict b, float* __restrict c,
                         int64_t c_row, bool accumulate) {
  __m512 r[M][NV];
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      r[i][j] = _mm512_setzero_ps();
      __builtin_prefetch(c + i * c_row + j * 16, 1);
    }
  }
  for (int64_t p = 0; p < pairs; ++p) {
    __m512bh v[NV];
    FL_UNROLL for (int j = 0; j < NV; ++j) v[j] = (__m512bh)_mm512_loadu_si512(b + j * 16);
    FL_UNROLL for (int i = 0; i < M; ++i) {
      const __m512bh s = (__m512bh)_mm512_set1_epi32(int(a[i]));
      FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] = _mm512_dpbf16_ps(r[i][j], s, v[j]);
    }
    a += kMR;
    b += kNV * 16;
  }
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      float* q = c + i * c_row + j * 16;
      _mm512_storeu_ps(q, accumulate ? _mm512_add_ps(_mm512_loadu_ps(q), r[i][j]) : r[i][j]);
    }
  }
}
using PairKernel = void (*)(int64_t, const uint32_t*, const uint32_t*, float*, int64_t, bool);
template <int... I>
constexpr auto pair_table_of(std::integer_sequence<int, I...>) {
  struct Table {
    PairKernel row[sizeof...(I)];
  };
  return Table{{pair_kernel<I + 1, kNV>...}};
}
constexpr auto pair_table = pair_table_of(std::make_integer_sequence<int, kMR>{});

struct Finish {
  float alpha, beta;
  bool relu, added;
};
void finish_line(const GemmDesc& g, const Finish& f, int64_t item, int64_t i, int64_t j, const float* sum, int64_t n) {
  BFloat16* c = (BFloat16*)g.c + item * g.c_batch + i * g.c_row + j * g.c_col;
  const BFloat16* d = f.added ? (const BFloat16*)g.d + item * g.d_batch + i * g.d_row + j * g.d_col : nullptr;
  if (!d && g.c_col == 1 && f.alpha == 1 && !f.relu) {
    for (int64_t q = 0; q < n; ++q) c[q] = Narrow<BFloat16, float>::of(sum[q]);
    return;
  }
  for (int64_t q = 0; q < n; ++q) {
    float v = f.alpha * sum[q];
    if (d) v += f.beta * widen(d[q * g.d_col]);
    if (f.relu && v < 0) v = 0;
    c[q * g.c_col] = Narrow<BFloat16, float>::of(v);
  }
}

// Rows [i0, i1) and columns [j0, j1) of one product.
void pair_product(const GemmDesc& g, const Finish& f, int64_t item, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
  constexpr int NR = kNV * 16;
  const int64_t m = i1 - i0, n = j1 - j0, ld = ceil_div(n, NR) * NR, rows = ceil_div(m, kMR) * kMR,
                mc = least(rows, kRows);
  const int64_t total = ceil_div(g.k, 2), blocks = most(1, ceil_div(total, kPairs)), pairs0 = ceil_div(total, blocks);
  float* sum = (float*)scratch(Scratch::Output, size_t(rows * ld) * sizeof(float));
  uint32_t* pa = (uint32_t*)scratch(Scratch::Pack, size_t((mc + ld) * pairs0 + 128) * sizeof(uint32_t));
  uint32_t* pb = pa + mc * pairs0 + 64;
  const uint16_t *a = (const uint16_t*)g.a + item * g.a_batch, *b = (const uint16_t*)g.b + item * g.b_batch;
  for (int64_t p = 0; p < total; p += pairs0) {
    const int64_t pairs = least(pairs0, total - p), k = least(2 * pairs, g.k - 2 * p);
    for (int64_t j = 0; j < n; j += NR)
      pack_pairs<NR>(pb + j * pairs, b + (j0 + j) * g.b_col + 2 * p * g.b_row, g.b_col, g.b_row, int(least(NR, n - j)),
                     k);
    for (int64_t ic = 0; ic < m; ic += mc) {
      const int64_t count = least(mc, m - ic);
      check_interrupt();
      for (int64_t i = 0; i < count; i += kMR)
        pack_pairs<kMR>(pa + i * pairs, a + (i0 + ic + i) * g.a_row + 2 * p * g.a_col, g.a_row, g.a_col,
                        int(least(kMR, count - i)), k);
      for (int64_t j = 0; j < n; j += NR)
        for (int64_t i = 0; i < count; i += kMR)
          pair_table.row[least(kMR, count - i) - 1](pairs, pa + i * pairs, pb + j * pairs, sum + (ic + i) * ld + j, ld,
                                                    p > 0);
    }
  }
  for (int64_t i = 0; i < m; ++i) finish_line(g, f, item, i0 + i, j0, sum + i * ld, n);
}

// Few rows, both operands contiguous along k: vectors run along k.
template <int M, int N>
FL_BF16 void pair_dots(int64_t k, const uint16_t* a, int64_t a_row, const uint16_t* b, int64_t b_col, float* sum,
                       int64_t sum_row) {
  __m512 r[M][N];
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < N; ++j) r[i][j] = _mm512_setzero_ps();
  }
  for (int64_t p = 0; p < k; p += 32) {
    const __mmask32 mask = k - p >= 32 ? ~0u : (1u << (k - p)) - 1;
    __m512bh v[M];
    FL_UNROLL for (int i = 0; i < M; ++i) v[i] = (__m512bh)_mm512_maskz_loadu_epi16(mask, a + i * a_row + p);
    FL_UNROLL for (int j = 0; j < N; ++j) {
      const __m512bh u = (__m512bh)_mm512_maskz_loadu_epi16(mask, b + j * b_col + p);
      FL_UNROLL for (int i = 0; i < M; ++i) r[i][j] = _mm512_dpbf16_ps(r[i][j], v[i], u);
    }
  }
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < N; ++j) {
      float part[16];
      _mm512_storeu_ps(part, r[i][j]);
      FL_UNROLL for (int half = 8; half; half /= 2) {
        FL_UNROLL for (int l = 0; l < half; ++l) part[l] += part[l + half];
      }
      sum[i * sum_row + j] = part[0];
    }
  }
}
void dot_product(const GemmDesc& g, const Finish& f, int64_t item, int64_t j0, int64_t j1) {
  const uint16_t *a = (const uint16_t*)g.a + item * g.a_batch, *b = (const uint16_t*)g.b + item * g.b_batch;
  float sum[4 * 4];
  for (int64_t j = j0; j < j1; j += 4)
    for (int64_t i = 0; i < g.m; i += 4) {
      const int64_t m = least(4, g.m - i), n = least(4, j1 - j);
      const uint16_t *x = a + i * g.a_row, *y = b + j * g.b_col;
      if (m == 4 && n == 4) pair_dots<4, 4>(g.k, x, g.a_row, y, g.b_col, sum, 4);
      else if (n == 4)
        for (int64_t r = 0; r < m; ++r) pair_dots<1, 4>(g.k, x + r * g.a_row, g.a_row, y, g.b_col, sum + r * 4, 4);
      else
        for (int64_t r = 0; r < m; ++r)
          for (int64_t q = 0; q < n; ++q)
            pair_dots<1, 1>(g.k, x + r * g.a_row, g.a_row, y + q * g.b_col, g.b_col, sum + r * 4 + q, 4);
      for (int64_t r = 0; r < m; ++r) finish_line(g, f, item, i + r, j, sum + r * 4, n);
    }
}

}  // namespace

bool gemm_bf16_dot(const GemmDesc& g) {
  if (!has_bf16_dot()) return false;
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return true;
  const Finish f = {float(g.alpha.re), float(g.beta.re), g.activation == Activation::Relu, adds<float>(g)};
  if (g.k <= 0 || f.alpha == 0) return false;
  constexpr int NR = kNV * 16;
  const double work = double(g.m) * double(g.n) * double(g.k),
               bytes = 2.0 * (double(g.k) * double(g.n) + double(g.m) * double(g.k));
  const double ns = (work * 0.008 > bytes * 0.08 ? work * 0.008 : bytes * 0.08) + 50;
  const bool dots = g.a_col == 1 && g.b_row == 1 && g.m <= 8 && g.k >= 64;
  if (!dots && g.m <= 2) return false;  // packing would cost more than the product
  const int64_t threads = num_threads();
  int64_t parts = g.batch >= 4 * threads || threads == 1 ? 1 : ceil_div(threads * (ns > 1e6 ? 2 : 1), g.batch);
  const int64_t panels_m = ceil_div(g.m, kMR), panels_n = ceil_div(g.n, NR);
  const bool by_columns = dots || g.n >= g.m;
  parts = least(parts, by_columns ? panels_n : panels_m);
  parallel_for(g.batch * parts, ns / double(parts), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t item = task / parts, part = task % parts;
      const int64_t i0 = by_columns ? 0 : panels_m * part / parts * kMR,
                    i1 = by_columns ? g.m : least(g.m, panels_m * (part + 1) / parts * kMR);
      const int64_t j0 = by_columns ? panels_n * part / parts * NR : 0,
                    j1 = by_columns ? least(g.n, panels_n * (part + 1) / parts * NR) : g.n;
      if (dots) dot_product(g, f, item, j0, j1);
      else pair_product(g, f, item, i0, i1, j0, j1);
    }
  });
  return true;
}

#else

bool gemm_bf16_dot(const GemmDesc&) { return false; }

#endif

}  // namespace fl::cpu::FL_ISA
