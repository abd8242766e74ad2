// Register tiles of the matrix product: vectors, the micro-kernel, and packing. Included by *.isa.cpp sources only;
// everything is in their namespace. A(i,k) = a[i*a_row + k*a_col]; rows of B and C are contiguous here.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define FL_INLINE __attribute__((always_inline)) inline
#define FL_UNROLL _Pragma("GCC unroll 16")

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
struct Vec {
  typedef T type __attribute__((vector_size(FL_VB)));
  typedef T loose __attribute__((vector_size(FL_VB), aligned(sizeof(T)), may_alias));  // unaligned, in anybody's memory
  static constexpr int W = FL_VB / sizeof(T);
};

FL_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FL_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
FL_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows and vectors of the main tile, the most accumulators that leave registers for B and the broadcast of A.
#if FL_VB == 64
constexpr int kMR = 12, kNV = 2;
#else
constexpr int kMR = 6, kNV = 2;
#endif

template <class T>
FL_INLINE typename Vec<T>::type load(const T* p) {
  return *(const typename Vec<T>::loose*)p;
}
template <class T>
FL_INLINE void store(T* p, typename Vec<T>::type v) {
  *(typename Vec<T>::loose*)p = v;
}

// Where the processor has no masked moves. Not inlined: they are many, and off the fast paths.
template <class T>
__attribute__((noinline)) typename Vec<T>::type load_n_slowly(const T* p, int n) {
  alignas(FL_VB) T lanes[Vec<T>::W] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
template <class T>
__attribute__((noinline)) void store_n_slowly(T* p, typename Vec<T>::type v, int n) {
  alignas(FL_VB) T lanes[Vec<T>::W];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

// The first n (0 < n <= W) elements; nothing beyond them is touched, and the others read as zero.
template <class T>
FL_INLINE typename Vec<T>::type load_n(const T* p, int n) {
  using V [[maybe_unused]] = typename Vec<T>::type;
#if FL_VB == 64
  if constexpr (sizeof(T) == 4) return (V)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
  if constexpr (sizeof(T) == 8) return (V)_mm512_maskz_loadu_epi64((__mmask8)((1u << n) - 1), p);
#elif FL_VB == 32 && defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return (V)_mm256_maskload_epi32(
        (const int*)p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
  if constexpr (sizeof(T) == 8)
    return (V)_mm256_maskload_epi64((const long long*)p,
                                    _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
#endif
  return load_n_slowly(p, n);
}
template <class T>
FL_INLINE void store_n(T* p, typename Vec<T>::type v, int n) {
#if FL_VB == 64
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1), (__m512i)v);
  if constexpr (sizeof(T) == 8) return _mm512_mask_storeu_epi64(p, (__mmask8)((1u << n) - 1), (__m512i)v);
#elif FL_VB == 32 && defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return _mm256_maskstore_epi32(
        (int*)p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), (__m256i)v);
  if constexpr (sizeof(T) == 8)
    return _mm256_maskstore_epi64(
        (long long*)p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)), (__m256i)v);
#endif
  store_n_slowly(p, v, n);
}

// ---------------------------------------------------------------------------------------------- micro-kernel

// What is added to a tile's sum before it is stored: nothing, rows of a matrix (C itself, D, a bias along the row), or
// one value a row.
enum class Addend { None,
                    Rows,
                    Values };
template <class T>
struct TileEnd {
  Addend kind;
  bool relu;
  const T* add;
  int64_t add_row;
};

// C[MR, NV vectors] = act(A[MR, k] * B[k, NV vectors] + addend). PackedA: a is [k][MR]. PackedB: b is [k][NV*W],
// zero-padded. Tail: the last vector has only `last` columns.
template <class T, int MR, int NV, bool PackedA, bool PackedB, bool Tail>
void tile_kernel(int64_t k, const T* __restrict a, int64_t a_row, int64_t a_col, const T* __restrict b, int64_t b_row,
                 T* c, int64_t c_row, const TileEnd<T>& end, int last) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  constexpr int kPrefetchRows =
      8;  // a row of unpacked B may be a new page, where the hardware prefetcher does not follow
  V r[MR][NV];
  if (PackedA) a_row = 1, a_col = MR;
  if (PackedB) b_row = NV * W;
  FL_UNROLL for (int i = 0; i < MR; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      __builtin_prefetch(c + i * c_row + j * W, 1);
      r[i][j] = V{};
    }
  }
  _Pragma("GCC unroll 2") for (int64_t p = 0; p < k; ++p) {
    V bv[NV];
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      bv[j] = Tail && !PackedB && j == NV - 1 ? load_n(b + j * W, last) : load(b + j * W);
      if (!PackedB) __builtin_prefetch(b + kPrefetchRows * b_row + j * W);
    }
    FL_UNROLL for (int i = 0; i < MR; ++i) {
      T s = a[i * a_row];
      FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] += s * bv[j];
    }
    a += a_col;
    b += b_row;
  }
  if (end.kind == Addend::Rows) {
    FL_UNROLL for (int i = 0; i < MR; ++i) {
      FL_UNROLL for (int j = 0; j < NV; ++j) {
        const T* q = end.add + i * end.add_row + j * W;
        r[i][j] += Tail && j == NV - 1 ? load_n(q, last) : load(q);
      }
    }
  } else if (end.kind == Addend::Values) {
    FL_UNROLL for (int i = 0; i < MR; ++i) {
      const T v = end.add[i * end.add_row];
      FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] += v;
    }
  }
  if (end.relu) {
    FL_UNROLL for (int i = 0; i < MR; ++i) {
      FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] = r[i][j] < T(0) ? V{} : r[i][j];
    }
  }
  FL_UNROLL for (int i = 0; i < MR; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      T* q = c + i * c_row + j * W;
      if (Tail && j == NV - 1)
        store_n(q, r[i][j], last);
      else
        store(q, r[i][j]);
    }
  }
}

template <class T>
using TileKernel = void (*)(int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
                            int64_t c_row, const TileEnd<T>& end, int last);

// Kernels for 1..n rows, so that edge tiles do no wasted work.
template <class T, int n>
struct TileTable {
  TileKernel<T> row[n];
};
template <class T, int NV, bool PackedB, bool Tail, int... I>
constexpr TileTable<T, sizeof...(I)> tile_table_of(std::integer_sequence<int, I...>) {
  return {{tile_kernel<T, I + 1, NV, false, PackedB, Tail>...}};
}
template <class T, int rows, int NV, bool PackedB, bool Tail>
constexpr TileTable<T, rows> tile_table = tile_table_of<T, NV, PackedB, Tail>(std::make_integer_sequence<int, rows>{});

// ---------------------------------------------------------------------------------------------- packing

// One exchange of an in-register W x W transpose (butterfly).
template <class T, int S, int... J>
FL_INLINE void transpose_pair(typename Vec<T>::type& x, typename Vec<T>::type& y, std::integer_sequence<int, J...>) {
  constexpr int W = Vec<T>::W;
  auto low = __builtin_shufflevector(x, y, ((J & S) ? W + J - S : J)...);
  auto high = __builtin_shufflevector(x, y, ((J & S) ? W + J : J + S)...);
  x = low;
  y = high;
}
template <class T, int S = 1>
FL_INLINE void transpose_square(typename Vec<T>::type* r) {
  constexpr int W = Vec<T>::W;
  if constexpr (S < W) {
    FL_UNROLL for (int i = 0; i < W; ++i) {
      if (!(i & S)) transpose_pair<T, S>(r[i], r[i + S], std::make_integer_sequence<int, W>{});
    }
    transpose_square<T, S * 2>(r);
  }
}

// dst[k*width + i] = src[i*src_row + k] for i < rows, zero for rows <= i < width. Writes whole vectors, hence in an
// order in which a vector that spills into the next row of dst is overwritten by that row; W elements of slack behind
// dst.
template <class T>
void pack_transposed(T* dst, int width, const T* src, int64_t src_row, int rows, int64_t k) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  if (width > W && width % W) {
    T block[W * 64 + W];
    int wide = int(ceil_div(width, W)) * W;
    for (int64_t p = 0; p < k; p += W) {
      int64_t kk = least(W, k - p);
      pack_transposed(block, wide, src + p, src_row, rows, kk);
      for (int64_t q = 0; q < kk; ++q)
        __builtin_memcpy(dst + (p + q) * width, block + q * wide, size_t(width) * sizeof(T));
    }
    return;
  }
  for (int i0 = 0; i0 < width; i0 += W) {
    int n = int(least(W, rows - i0)), columns = int(least(W, width - i0));
    for (int64_t p = 0; p < k; p += W) {
      int steps = int(least(W, k - p));
      V r[W];
      FL_UNROLL for (int i = 0; i < W; ++i) {
        r[i] = i >= n       ? V{}
               : steps == W ? load(src + (i0 + i) * src_row + p)
                            : load_n(src + (i0 + i) * src_row + p, steps);
      }
      transpose_square<T>(r);
      T* q = dst + p * width + i0;
      if (steps == W && columns == W) {
        FL_UNROLL for (int i = 0; i < W; ++i) store(q + i * width, r[i]);
      } else {
        FL_UNROLL for (int i = 0; i < W; ++i) {
          if (i < steps) store_n(q + i * width, r[i], columns);
        }
      }
    }
  }
}

// dst[k*width + i] = src[k*src_row + i] for i < columns, zero up to width.
template <class T, int width>
FL_INLINE void pack_rows(T* dst, const T* src, int64_t src_row, int columns, int64_t k) {
  if (columns == width) {
    for (int64_t p = 0; p < k; ++p) __builtin_memcpy(dst + p * width, src + p * src_row, width * sizeof(T));
    return;
  }
  for (int64_t p = 0; p < k; ++p) {
    for (int i = 0; i < columns; ++i) dst[p * width + i] = src[p * src_row + i];
    for (int i = columns; i < width; ++i) dst[p * width + i] = 0;
  }
}

// dst[k*width + i] = element (i, k) at src[i*row + k*col], zero for i >= n. W elements of slack behind dst.
template <class T, int width>
void pack_panel(T* dst, const T* src, int64_t row, int64_t col, int n, int64_t k) {
  if (row == 1) {
    pack_rows<T, width>(dst, src, col, n, k);
  } else if (col == 1) {
    pack_transposed(dst, width, src, row, n, k);
  } else {
    for (int64_t p = 0; p < k; ++p)
      for (int i = 0; i < width; ++i) dst[p * width + i] = i < n ? src[i * row + p * col] : T(0);
  }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
