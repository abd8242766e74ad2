// What the sources of the matrix product share: one product with typed operands, and the entry for each computing type.
// Included by
// *.isa.cpp sources only.
#pragma once
#include "kernels/cpu/gemm.h"

namespace fl::cpu::FL_ISA {

// A product or a batch of them, strides in elements.
template <class T>
struct Product {
  int64_t m, n, k;
  int64_t batch, a_batch, b_batch, c_batch, d_batch;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row, c_col;
  const T* d;  // nullptr when nothing is added
  int64_t d_row, d_col;
  T alpha, beta;
  bool relu;
  bool direct;  // C's rows are contiguous and what follows the product is simple: tiles go straight to C
};

// Parallel where it pays, serial inside a parallel region. `direct` need not be set.
void run(const Product<float>&);
void run(const Product<double>&);
void run(const Product<uint32_t>&);  // signed integers too: the bits are the same, and overflow is defined
void run(const Product<uint64_t>&);

// The types that are computed in another type.
void gemm_narrow_float(const GemmDesc&);
bool gemm_bf16_dot(const GemmDesc&);  // false: not done, this processor or this shape has no use for it
void gemm_integer(const GemmDesc&);
void gemm_complex(const GemmDesc&);

namespace {

template <class T>
__attribute__((always_inline)) inline T factor_as(const GemmFactor& f) {
  return T(0.5) != T(0) ? T(f.re) : T(f.integer);  // a fraction survives in floating types only
}

template <class T>
__attribute__((always_inline)) inline bool adds(const GemmDesc& g) {
  return g.d && (factor_as<T>(g.beta) != T(0) || (is_complex(g.dtype) && g.beta.im != 0));
}

template <class T>
__attribute__((always_inline)) inline Product<T> product_of(const GemmDesc& g) {
  T alpha = factor_as<T>(g.alpha);
  return {g.m,
          g.n,
          alpha == T(0) ? 0 : g.k,
          g.batch,
          g.a_batch,
          g.b_batch,
          g.c_batch,
          g.d_batch,
          (const T*)g.a,
          g.a_row,
          g.a_col,
          (const T*)g.b,
          g.b_row,
          g.b_col,
          (T*)g.c,
          g.c_row,
          g.c_col,
          adds<T>(g) ? (const T*)g.d : nullptr,
          g.d_row,
          g.d_col,
          alpha,
          factor_as<T>(g.beta),
          g.activation == Activation::Relu,
          false};
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
