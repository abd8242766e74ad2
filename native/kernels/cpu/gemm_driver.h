// The loops around the register tiles: which path a product takes and how it is cut into blocks and tasks. One template
// for float, double, uint32_t and uint64_t; included by *.isa.cpp sources only.
#pragma once
#include "base/interrupt.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {
namespace {

// What comes after the sum of one block of k: C = act(alpha * sum + beta * D) in the first block, added to C in later
// ones.
template <class T>
FL_INLINE void finish_row(const Product<T>& p, const T* sum, T* c, const T* d, int64_t n, bool first, bool last) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  const T alpha = p.alpha, beta = p.beta;
  const bool relu = p.relu && last;
  const int64_t cs = p.c_col, ds = p.d_col;
  if (cs == 1 && (!d || !first || ds == 1 || ds == 0)) {
    for (int64_t j = 0; j < n; j += W) {
      const int m = int(least(W, n - j));
      V v = alpha * (m == W ? load(sum + j) : load_n(sum + j, m));
      if (!first) v += m == W ? load(c + j) : load_n(c + j, m);
      else if (d) v += beta * (ds == 0 ? V{} + *d : m == W ? load(d + j)
                                                           : load_n(d + j, m));
      if (relu) v = v < T(0) ? V{} : v;
      if (m == W) store(c + j, v);
      else store_n(c + j, v, m);
    }
    return;
  }
  for (int64_t j = 0; j < n; ++j) {
    T v = alpha * sum[j];
    if (!first) v += c[j * cs];
    else if (d) v += beta * d[j * ds];
    c[j * cs] = relu && v < T(0) ? T(0) : v;
  }
}
template <class T>
void finish_tile(const Product<T>& p, const T* sum, int64_t sum_row, int64_t i, int64_t j, int64_t m, int64_t n,
                 bool first, bool last) {
  for (int64_t r = 0; r < m; ++r)
    finish_row(p, sum + r * sum_row, p.c + (i + r) * p.c_row + j * p.c_col,
               p.d ? p.d + (i + r) * p.d_row + j * p.d_col : nullptr, n, first, last);
}

// The same done by the tile itself, when p.direct.
template <class T>
FL_INLINE TileEnd<T> tile_end(const Product<T>& p, int64_t i, int64_t j, bool first, bool last) {
  const bool relu = p.relu && last;
  if (!first) return {Addend::Rows, relu, p.c + i * p.c_row + j, p.c_row};
  if (!p.d) return {Addend::None, relu, nullptr, 0};
  if (p.d_col == 0) return {Addend::Values, relu, p.d + i * p.d_row, p.d_row};
  return {Addend::Rows, relu, p.d + i * p.d_row + j, p.d_row};
}

// ---------------------------------------------------------------------------------------------- packed path

constexpr int64_t kBlockK = 256, kBlockN = 4096;
constexpr int64_t kBlockM = kMR * 28;

// Tile at (i, j) of C; A packed ([k][kMR]) or strided, B packed with kNV or, for the last columns, one vector.
template <class T>
FL_INLINE void packed_tile(const Product<T>& p, const T* a, int64_t a_row, int64_t a_col, bool a_packed, const T* b,
                           int64_t k, int64_t i, int64_t j, int m, int n, bool first, bool last) {
  constexpr int W = Vec<T>::W, NR = kNV * W;
  auto run = [&](T* c, int64_t c_row, const TileEnd<T>& end, bool whole) {
    if (n > NR - W) {
      int edge = n - (NR - W);
      if (m == kMR && a_packed && (whole || edge == W)) {
        tile_kernel<T, kMR, kNV, true, true, false>(k, a, 1, kMR, b, NR, c, c_row, end, W);
      } else {
        auto& table = whole || edge == W ? tile_table<T, kMR, kNV, true, false> : tile_table<T, kMR, kNV, true, true>;
        table.row[m - 1](k, a, a_row, a_col, b, NR, c, c_row, end, edge);
      }
    } else {
      // kNV == 2: one vector, read from panels that are two vectors wide.
      tile_table<T, kMR, 1, false, true>.row[m - 1](k, a, a_row, a_col, b, NR, c, c_row, end, n);
    }
  };
  if (p.direct) {
    run(p.c + i * p.c_row + j, p.c_row, tile_end(p, i, j, first, last), false);
  } else {
    alignas(64) T sum[kMR * NR];
    run(sum, NR, {Addend::None, false, nullptr, 0}, true);
    finish_tile(p, sum, NR, i, j, m, n, first, last);
  }
}

template <class T>
void product_packed(const Product<T>& p) {
  constexpr int MR = kMR, NR = kNV * Vec<T>::W;
  const int64_t blocks_k = most(1, ceil_div(p.k, kBlockK)), kc0 = ceil_div(p.k, blocks_k);
  const int64_t blocks_m = ceil_div(p.m, kBlockM), mc0 = ceil_div(ceil_div(p.m, blocks_m), MR) * MR;
  const int64_t nc0 = least(kBlockN, ceil_div(p.n, NR) * NR);
  // A that is read once, or stays in the first-level cache, is used where it lies.
  const bool pack_a = !(p.n <= NR || p.m * p.k * int64_t(sizeof(T)) <= 24 << 10);
  size_t a_bytes = pack_a ? (size_t(mc0 + MR) * size_t(kc0) * sizeof(T) + 4096 + 64) & ~size_t(4095) : 0;
  size_t b_bytes = size_t(nc0) * size_t(kc0) * sizeof(T) + 128;
  char* memory = (char*)scratch(Scratch::Pack, a_bytes + b_bytes);
  T *pa = (T*)memory, *pb = (T*)(memory + a_bytes);
  for (int64_t jc = 0; jc < p.n; jc += nc0) {
    int64_t nc = least(nc0, p.n - jc);
    int64_t pc = 0;
    do {
      int64_t kc = least(kc0, p.k - pc);
      bool first = pc == 0, last = pc + kc == p.k;
      for (int64_t j = 0; j < nc; j += NR)
        pack_panel<T, NR>(pb + j * kc, p.b + pc * p.b_row + (jc + j) * p.b_col, p.b_col, p.b_row,
                          int(least(NR, nc - j)), kc);
      for (int64_t ic = 0; ic < p.m; ic += mc0) {
        int64_t mc = least(mc0, p.m - ic);
        check_interrupt();
        if (pack_a)
          for (int64_t i = 0; i < mc; i += MR)
            pack_panel<T, MR>(pa + i * kc, p.a + (ic + i) * p.a_row + pc * p.a_col, p.a_row, p.a_col,
                              int(least(MR, mc - i)), kc);
        for (int64_t j = 0; j < nc; j += NR) {
          int nr = int(least(NR, nc - j));
          for (int64_t i = 0; i < mc; i += MR) {
            int mr = int(least(MR, mc - i));
            if (pack_a)
              packed_tile(p, pa + i * kc, 1, MR, true, pb + j * kc, kc, ic + i, jc + j, mr, nr, first, last);
            else
              packed_tile(p, p.a + (ic + i) * p.a_row + pc * p.a_col, p.a_row, p.a_col, false, pb + j * kc, kc, ic + i,
                          jc + j, mr, nr, first, last);
          }
        }
      }
      pc += kc0;
    } while (pc < p.k);
  }
}

// ---------------------------------------------------------------------------------------------- unpacked path

// Columns [j, j + n) of C, n at most NV vectors and more than NV-1, tiles of at most Rows rows.
template <class T, int NV, int Rows>
void unpacked_columns(const Product<T>& p, int64_t rows, int64_t j, int n) {
  constexpr int W = Vec<T>::W;
  int last = n - (NV - 1) * W;
  auto& table = last == W ? tile_table<T, Rows, NV, false, false> : tile_table<T, Rows, NV, false, true>;
  int64_t k0 = 0;
  do {
    int64_t kk = least(kBlockK, p.k - k0);
    for (int64_t i = 0; i < p.m; i += rows) {
      int m = int(least(rows, p.m - i));
      const T *a = p.a + i * p.a_row + k0 * p.a_col, *b = p.b + k0 * p.b_row + j;
      if (p.direct) {
        table.row[m - 1](kk, a, p.a_row, p.a_col, b, p.b_row, p.c + i * p.c_row + j, p.c_row,
                         tile_end(p, i, j, k0 == 0, k0 + kk >= p.k), last);
      } else {
        alignas(64) T sum[Rows * NV * W];
        table.row[m - 1](kk, a, p.a_row, p.a_col, b, p.b_row, sum, NV * W, {Addend::None, false, nullptr, 0}, last);
        finish_tile(p, sum, NV * W, i, j, m, n, k0 == 0, k0 + kk >= p.k);
      }
    }
    k0 += kBlockK;
  } while (k0 < p.k);
}

// B's rows are contiguous. The fewer the rows of C, the wider the tile: the number of accumulators stays about the
// same.
template <class T>
void product_unpacked(const Product<T>& p) {
  constexpr int W = Vec<T>::W;
  const int64_t rows = ceil_div(p.m, ceil_div(p.m, kMR));  // even: 16 is 8 + 8, not 12 + 4
  for (int64_t j = 0; j < p.n;) {
    check_interrupt();
    int64_t left = p.n - j, vectors = ceil_div(left, W);
#if FL_VB == 64
    if (rows <= 4 && vectors >= 6) {
      int n = int(least(left, 6 * W));
      unpacked_columns<T, 6, 4>(p, rows, j, n);
      j += n;
      continue;
    }
    if (rows <= 8 && vectors >= 3) {
      int n = int(least(left, 3 * W));
      unpacked_columns<T, 3, 8>(p, rows, j, n);
      j += n;
      continue;
    }
#endif
    int n = int(least(left, kNV * W));
    if (vectors >= 2)
      unpacked_columns<T, kNV, kMR>(p, rows, j, n);
    else
      unpacked_columns<T, 1, kMR>(p, rows, j, n);
    j += n;
  }
}

// One row times a matrix with contiguous rows: eight rows of B stream by at a time, the row of C stays in cache.
template <class T>
void product_row(const Product<T>& p) {
  constexpr int W = Vec<T>::W, R = 8;
  using V = typename Vec<T>::type;
  const bool plain = p.direct && !p.d && !p.relu;
  T* c = plain ? p.c : (T*)scratch(Scratch::Pack, size_t(p.n) * sizeof(T));
  for (int64_t k = 0; k < p.k; k += R) {
    const T* b = p.b + k * p.b_row;
    if (p.k - k >= R) {
      T s[R];
      FL_UNROLL for (int i = 0; i < R; ++i) s[i] = p.a[(k + i) * p.a_col];
      for (int64_t j = 0; j < p.n; j += W) {
        if (p.n - j >= W) {
          V v = k ? load(c + j) : V{};
          FL_UNROLL for (int i = 0; i < R; ++i) v += s[i] * load(b + i * p.b_row + j);
          store(c + j, v);
        } else {
          int n = int(p.n - j);
          V v = k ? load_n(c + j, n) : V{};
          FL_UNROLL for (int i = 0; i < R; ++i) v += s[i] * load_n(b + i * p.b_row + j, n);
          store_n(c + j, v, n);
        }
      }
    } else {
      for (int64_t i = 0; i < p.k - k; ++i) {
        T s = p.a[(k + i) * p.a_col];
        for (int64_t j = 0; j < p.n; j += W) {
          int n = int(least(W, p.n - j));
          V v = k + i ? load_n(c + j, n) : V{};
          store_n(c + j, v + s * load_n(b + i * p.b_row + j, n), n);
        }
      }
    }
  }
  if (!plain) finish_row(p, c, p.c, p.d, p.n, true, true);
}

// ---------------------------------------------------------------------------------------------- dot path

// Both operands contiguous along k: vectors run along k, lanes are added at the end.
template <class T, int M, int N>
FL_INLINE void dot_tile(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col, T* sum, int64_t sum_row) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  V r[M][N];
  FL_UNROLL for (int i = 0; i < M; ++i) {
    FL_UNROLL for (int j = 0; j < N; ++j) r[i][j] = V{};
  }
  int64_t p = 0;
  for (; p + W <= k; p += W) {
    V av[M];
    FL_UNROLL for (int i = 0; i < M; ++i) av[i] = load(a + i * a_row + p);
    FL_UNROLL for (int j = 0; j < N; ++j) {
      V bv = load(b + j * b_col + p);
      FL_UNROLL for (int i = 0; i < M; ++i) r[i][j] += av[i] * bv;
    }
  }
  if (int rest = int(k - p)) {
    V av[M];
    FL_UNROLL for (int i = 0; i < M; ++i) av[i] = load_n(a + i * a_row + p, rest);
    FL_UNROLL for (int j = 0; j < N; ++j) {
      V bv = load_n(b + j * b_col + p, rest);
      FL_UNROLL for (int i = 0; i < M; ++i) r[i][j] += av[i] * bv;
    }
  }
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      T part[W];
      store(part, r[i][j]);
      FL_UNROLL for (int half = W / 2; half; half /= 2) {
        FL_UNROLL for (int w = 0; w < half; ++w) part[w] += part[w + half];
      }
      sum[i * sum_row + j] = part[0];
    }
}
template <class T, int N>
void dot_rows(int m, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col, T* sum, int64_t sum_row) {
  switch (m) {
    case 4: return dot_tile<T, 4, N>(k, a, a_row, b, b_col, sum, sum_row);
    case 3: return dot_tile<T, 3, N>(k, a, a_row, b, b_col, sum, sum_row);
    case 2: return dot_tile<T, 2, N>(k, a, a_row, b, b_col, sum, sum_row);
    default: return dot_tile<T, 1, N>(k, a, a_row, b, b_col, sum, sum_row);
  }
}
template <class T>
void product_dot(const Product<T>& p) {
  constexpr int MB = 4, NB = FL_VB == 64 ? 6 : 2;
  T sum[MB * NB];
  for (int64_t j = 0; j < p.n; j += NB) {
    check_interrupt();
    int n = int(least(NB, p.n - j));
    for (int64_t i = 0; i < p.m; i += MB) {
      int m = int(least(MB, p.m - i));
      const T *a = p.a + i * p.a_row, *b = p.b + j * p.b_col;
      if (n == NB)
        dot_rows<T, NB>(m, p.k, a, p.a_row, b, p.b_col, sum, NB);
      else
        for (int jj = 0; jj < n; ++jj) dot_rows<T, 1>(m, p.k, a, p.a_row, b + jj * p.b_col, p.b_col, sum + jj, NB);
      finish_tile(p, sum, NB, i, j, m, n, true, true);
    }
  }
}

// ---------------------------------------------------------------------------------------------- choice of path, tasks

// Integers have the packed path only: they are not worth the code.
template <class T>
constexpr bool kManyPaths = T(0.5) != T(0);

enum class Path { Packed,
                  Unpacked,
                  Row,
                  Dot };

template <class T>
Path choose_path(const Product<T>& p) {
  constexpr int NR = kNV * Vec<T>::W;
  if (p.k == 0) return Path::Unpacked;
  if (p.m == 1 && p.k >= 16 && p.a_col == 1 && p.b_row == 1) return Path::Dot;
  if (p.b_col == 1) {
    if (p.m == 1) return Path::Row;
    int64_t b_bytes = p.n * p.k * int64_t(sizeof(T));
    if (p.m <= 2 * kMR || (b_bytes <= 128 << 10 && (p.n <= NR || p.m * p.n * p.k <= 1000000))) return Path::Unpacked;
  }
  if (p.a_col == 1 && p.b_row == 1 && p.k >= 256 && (p.m <= 16 || p.n <= 2 * Vec<T>::W)) return Path::Dot;
  return Path::Packed;
}

template <class T>
void run_path(Path path, const Product<T>& p) {
  if constexpr (kManyPaths<T>) {
    switch (path) {
      case Path::Packed: break;
      case Path::Unpacked: return product_unpacked(p);
      case Path::Row: return product_row(p);
      case Path::Dot: return product_dot(p);
    }
  }
  product_packed(p);
}

template <class T>
FL_INLINE void swap_values(T& x, T& y) {
  T t = x;
  x = y;
  y = t;
}

// C is rather wanted as rows: exchange the operands where that makes them contiguous, or makes a column a row.
template <class T>
void orient(Product<T>& p) {
  if (!((p.c_col != 1 && p.c_row == 1 && p.n > 1) || (p.n == 1 && p.m > 1))) return;
  swap_values(p.m, p.n);
  swap_values(p.a, p.b);
  swap_values(p.a_batch, p.b_batch);
  swap_values(p.a_row, p.b_col);
  swap_values(p.a_col, p.b_row);
  swap_values(p.c_row, p.c_col);
  swap_values(p.d_row, p.d_col);
}

template <class T>
void run_products(Product<T> p) {
  if (p.m <= 0 || p.n <= 0 || p.batch <= 0) return;
  // The same B for all: one product of all the rows.
  if (p.batch > 1 && p.b_batch == 0 && p.a_batch == p.m * p.a_row && p.c_batch == p.m * p.c_row &&
      (!p.d || p.d_batch == p.m * p.d_row)) {
    p.m *= p.batch;
    p.batch = 1;
  }
  orient(p);
  if (p.m == 1) p.c_row = p.n;
  if (p.n == 1) p.c_col = 1, p.b_col = 1;
  if (p.k == 1) p.a_col = 1;
  p.direct = p.c_col == 1 && p.alpha == T(1) && (!p.d || (p.beta == T(1) && (p.d_col == 1 || p.d_col == 0)));
  const Path path = choose_path(p);
  const double work = double(p.m) * double(p.n) * double(p.k);
  if (p.batch == 1 && work < 100e3) return run_path(path, p);

  // Estimated time: arithmetic at about peak, or memory; doubled, because sharing a product pays early.
  constexpr double ns_per_fma = 2.0 * 0.125 * sizeof(T) / FL_VB, ns_per_byte = 2.0 * 0.04;
  double bytes = (double(p.m) * double(p.k) + double(p.k) * double(p.n) + double(p.m) * double(p.n)) * sizeof(T);
  double ns = work * ns_per_fma > bytes * ns_per_byte ? work * ns_per_fma : bytes * ns_per_byte;
  ns += 20;

  // Each product is cut into a grid of rows x columns when the batch alone does not occupy the threads.
  int64_t threads = num_threads(), parts = 1, grid_m = 1, grid_n = 1;
  if (threads > 1 && p.batch < 4 * threads && ns > 2000) {
    constexpr int NR = kNV * Vec<T>::W;
    int64_t panels_m = ceil_div(p.m, kMR), panels_n = ceil_div(p.n, NR);
    parts = ceil_div(threads * (ns * double(p.batch) > 2e6 ? 2 : 1), p.batch);
    double best = 1e300;
    for (int64_t gm = 1; gm <= parts; ++gm) {
      int64_t gn = ceil_div(parts, gm), rows = ceil_div(panels_m, gm), columns = ceil_div(panels_n, gn);
      // The largest part decides; packing costs about as much as 32 products an element.
      double cost = double(rows * kMR) * double(columns * NR) + 32.0 * (double(rows * kMR) + double(columns * NR));
      if (cost < best) best = cost, grid_m = gm, grid_n = gn;
    }
    grid_m = least(grid_m, panels_m);
    grid_n = least(grid_n, panels_n);
    parts = grid_m * grid_n;
  }
  parallel_for(p.batch * parts, ns / double(parts), [&](int64_t begin, int64_t end) {
    constexpr int NR = kNV * Vec<T>::W;
    const int64_t panels_m = ceil_div(p.m, kMR), panels_n = ceil_div(p.n, NR);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t item = task / parts, part = task % parts, gi = part / grid_n, gj = part % grid_n;
      const int64_t i0 = panels_m * gi / grid_m * kMR, i1 = least(p.m, panels_m * (gi + 1) / grid_m * kMR);
      const int64_t j0 = panels_n * gj / grid_n * NR, j1 = least(p.n, panels_n * (gj + 1) / grid_n * NR);
      Product<T> q = p;
      q.m = i1 - i0, q.n = j1 - j0;
      q.a += item * p.a_batch + i0 * p.a_row;
      q.b += item * p.b_batch + j0 * p.b_col;
      q.c += item * p.c_batch + i0 * p.c_row + j0 * p.c_col;
      if (q.d) q.d += item * p.d_batch + i0 * p.d_row + j0 * p.d_col;
      run_path(path, q);
    }
  });
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
