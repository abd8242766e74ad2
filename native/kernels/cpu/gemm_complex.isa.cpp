// Complex products as four real ones on the real and imaginary parts, which are strided views of the operands.
#include "base/parallel.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/gemm_tile.h"
#include "kernels/cpu/scratch.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
struct Pair {
  T re, im;
};

// A rows x columns complex matrix as two real ones in the order of the source; `sign` multiplies the imaginary parts.
template <class T>
void split(T* re, T* im, const Pair<T>* src, int64_t rows, int64_t columns, int64_t row, int64_t col, T sign,
           int64_t& out_row, int64_t& out_col) {
  const bool by_columns = row == 1 && col != 1;
  const int64_t outer = by_columns ? columns : rows, inner = by_columns ? rows : columns;
  const int64_t outer_stride = by_columns ? col : row, inner_stride = by_columns ? row : col;
  out_row = by_columns ? 1 : inner, out_col = by_columns ? inner : 1;
  for (int64_t i = 0; i < outer; ++i) {
    const Pair<T>* line = src + i * outer_stride;
    for (int64_t j = 0; j < inner; ++j) {
      re[i * inner + j] = line[j * inner_stride].re;
      im[i * inner + j] = sign * line[j * inner_stride].im;
    }
  }
}

template <class T>
void product_of_item(const GemmDesc& g, int64_t item, int64_t k) {
  using Z = Pair<T>;
  const Z alpha{T(g.alpha.re), T(g.alpha.im)}, beta{T(g.beta.re), T(g.beta.im)};
  const Z *a = (const Z*)g.a + item * g.a_batch, *b = (const Z*)g.b + item * g.b_batch;
  const Z* d = adds<T>(g) ? (const Z*)g.d + item * g.d_batch : nullptr;
  Z* c = (Z*)g.c + item * g.c_batch;
  T* a_re = (T*)scratch(Scratch::Input, size_t(g.m * k) * sizeof(Z));
  T* b_re = (T*)scratch(Scratch::Weight, size_t(k * g.n) * sizeof(Z));
  T* c_re = (T*)scratch(Scratch::Output, size_t(g.m * g.n) * sizeof(Z));
  T *a_im = a_re + g.m * k, *b_im = b_re + k * g.n, *c_im = c_re + g.m * g.n;
  int64_t a_row, a_col, b_row, b_col;
  split(a_re, a_im, a, g.m, k, g.a_row, g.a_col, T(g.conj_a ? -1 : 1), a_row, a_col);
  split(b_re, b_im, b, k, g.n, g.b_row, g.b_col, T(g.conj_b ? -1 : 1), b_row, b_col);
  auto multiply = [&](const T* x, const T* y, T* z, T factor, bool add) {
    Product<T> p = {g.m, g.n, k, 1, 0, 0, 0, 0, x, a_row, a_col, y, b_row, b_col, z, g.n, 1,
                    add ? z : nullptr, g.n, 1, factor, T(1), false, false};
    run(p);
  };
  multiply(a_re, b_re, c_re, T(1), false);
  multiply(a_im, b_im, c_re, T(-1), true);
  multiply(a_re, b_im, c_im, T(1), false);
  multiply(a_im, b_re, c_im, T(1), true);
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) {
      Z s{c_re[i * g.n + j], c_im[i * g.n + j]};
      if (alpha.re != T(1) || alpha.im != T(0))
        s = Z{alpha.re * s.re - alpha.im * s.im, alpha.re * s.im + alpha.im * s.re};
      if (d) {
        Z e = d[i * g.d_row + j * g.d_col];
        s = Z{s.re + (beta.re * e.re - beta.im * e.im), s.im + (beta.re * e.im + beta.im * e.re)};
      }
      c[i * g.c_row + j * g.c_col] = s;
    }
}

template <class T>
void gemm_parts(const GemmDesc& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const int64_t k = g.alpha.re == 0 && g.alpha.im == 0 ? 0 : g.k;
  if (g.batch == 1) return product_of_item<T>(g, 0, k);
  parallel_for(g.batch, double(g.m) * double(g.n) * double(k) * sizeof(T) / FL_VB, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) product_of_item<T>(g, item, k);
  });
}

}  // namespace

void gemm_complex(const GemmDesc& g) {
  if (g.dtype == DType::Complex64)
    gemm_parts<float>(g);
  else
    gemm_parts<double>(g);
}

}  // namespace fl::cpu::FL_ISA
