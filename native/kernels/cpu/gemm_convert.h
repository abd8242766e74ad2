// Products of narrow types, computed in a wider one: operands are converted block by block, results rounded once.
// Included by
// *.isa.cpp sources only.
#pragma once
#include "base/parallel.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {
namespace {

// Converts a rows x columns matrix, keeping its order: the result's strides are written to out_row and out_col.
template <class In, class Wide>
void widen_matrix(Wide* dst, const In* src, int64_t rows, int64_t columns, int64_t row, int64_t col, int64_t& out_row,
                  int64_t& out_col) {
  if (row == 1 && col != 1) {
    for (int64_t j = 0; j < columns; ++j) widen_line(dst + j * rows, src + j * col, 1, rows);
    out_row = 1, out_col = rows;
  } else {
    for (int64_t i = 0; i < rows; ++i) widen_line(dst + i * columns, src + i * row, col, columns);
    out_row = columns, out_col = 1;
  }
}

// c[i*c_col] = act(alpha * sum[i] + beta * d[i*d_col]), computed in the wide type.
template <class In, class Wide>
void narrow_line(In* c, int64_t c_col, const Wide* sum, const In* d, int64_t d_col, Wide alpha, Wide beta, bool relu,
                 int64_t n) {
  if (!d && c_col == 1 && alpha == Wide(1) && !relu) {
    for (int64_t i = 0; i < n; ++i) c[i] = Narrow<In, Wide>::of(sum[i]);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    Wide v = alpha * sum[i];
    if (d) v += beta * Wide(widen(d[i * d_col]));
    if (relu && v < Wide(0)) v = Wide(0);
    c[i * c_col] = Narrow<In, Wide>::of(v);
  }
}

template <class In, class Wide>
void gemm_converted(const GemmDesc& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const Wide alpha = factor_as<Wide>(g.alpha), beta = factor_as<Wide>(g.beta);
  const bool added = adds<Wide>(g), relu = g.activation == Activation::Relu;
  const int64_t k = alpha == Wide(0) ? 0 : g.k;
  // Columns of B are converted and multiplied in blocks that stay in the second-level cache.
  constexpr int64_t kBlock = 128 << 10, kColumns = 32;
  int64_t columns = most(kColumns, kBlock / most(1, k) / kColumns * kColumns);
  columns = least(columns, ceil_div(g.n, kColumns) * kColumns);
  const int64_t blocks = ceil_div(g.n, columns);
  constexpr double ns_per_fma = 2.0 * 0.125 * sizeof(Wide) / FL_VB;
  auto block_of = [&](int64_t item, const Wide* a, int64_t a_row, int64_t a_col, int64_t j0) {
    const int64_t n = least(columns, g.n - j0);
    Wide* b = (Wide*)scratch(Scratch::Weight, size_t(k * n) * sizeof(Wide));
    Wide* sum = (Wide*)scratch(Scratch::Output, size_t(g.m * n) * sizeof(Wide));
    int64_t b_row, b_col;
    widen_matrix(b, (const In*)g.b + item * g.b_batch + j0 * g.b_col, k, n, g.b_row, g.b_col, b_row, b_col);
    Product<Wide> p = {g.m, n, k, 1, 0, 0, 0, 0, a, a_row, a_col, b,
                       b_row, b_col, sum, n, 1, nullptr, 0, 0, Wide(1), Wide(0), false, true};
    run(p);
    for (int64_t i = 0; i < g.m; ++i)
      narrow_line((In*)g.c + item * g.c_batch + i * g.c_row + j0 * g.c_col, g.c_col, sum + i * n,
                  added ? (const In*)g.d + item * g.d_batch + i * g.d_row + j0 * g.d_col : nullptr, g.d_col, alpha,
                  beta, relu, n);
  };
  auto item_of = [&](int64_t item, bool parallel) {
    Wide* a = (Wide*)scratch(Scratch::Input, size_t(g.m * k) * sizeof(Wide));
    int64_t a_row, a_col;
    widen_matrix(a, (const In*)g.a + item * g.a_batch, g.m, k, g.a_row, g.a_col, a_row, a_col);
    if (parallel) {
      parallel_for(blocks, double(g.m) * double(k) * double(columns) * ns_per_fma + double(k) * double(columns) * 0.1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t block = begin; block < end; ++block) block_of(item, a, a_row, a_col, block * columns);
                   });
    } else {
      for (int64_t block = 0; block < blocks; ++block) block_of(item, a, a_row, a_col, block * columns);
    }
  };
  if (g.batch == 1) return item_of(0, true);
  parallel_for(g.batch, double(g.m) * double(k) * double(g.n) * ns_per_fma + double(k) * double(g.n) * 0.1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) item_of(item, false);
               });
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
