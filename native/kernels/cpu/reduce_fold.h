// The inside of the reductions: a Fold turns elements of one compute type into states and states into results. The
// driver (reduce.isa.cpp) walks the array, converts blocks of elements to the compute type and calls the Fold.
#pragma once
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/reduce.h"

namespace fl::cpu::FL_ISA {

struct FoldContext {
  Reduce op;
  double p;           // exponent of Norm
  double correction;  // of Var and Std
  int64_t n;          // elements a result is made of
  DType out_dtype, out2_dtype;
};

struct Results {
  char* out;
  int64_t stride;  // bytes
  char* out2;      // null: not wanted
  int64_t stride2;
};

struct Fold {
  DType compute;
  int state_size;
  // `count` states of nothing.
  void (*init)(char* states, int64_t count);
  // m rows of n contiguous elements, `stride` bytes apart, each into its state; `first` is the index of a row's first
  // element.
  void (*rows)(const char* x, int64_t stride, int64_t m, int64_t n, char* states, int64_t first, const FoldContext&);
  // n rows of m contiguous elements, `stride` bytes apart: column j into state j; `first` is the index of the first
  // row.
  void (*columns)(const char* x, int64_t stride, int64_t n, int64_t m, char* states, int64_t first, const FoldContext&);
  // into[j] joined with from[j], whose elements come later.
  void (*merge)(char* into, const char* from, int64_t count);
  void (*finish)(const char* states, int64_t count, const Results&, const FoldContext&);
};

constexpr int kColumnTile = 1024;  // most columns in one call of Fold::columns

const Fold* sum_fold(Reduce op, DType compute, const FoldContext&);  // reduce_sum.isa.cpp
const Fold* extremum_fold(Reduce op, DType compute);                 // reduce_minmax.isa.cpp
const Fold* statistics_fold(Reduce op, DType compute);               // reduce_stats.isa.cpp

namespace {

// Writes `count` values of type C as elements of `to`.
template <class C>
FL_FN void emit(const C* values, DType from, int64_t count, DType to, char* out, int64_t stride) {
  if (from == to && count == 1) {
    __builtin_memcpy(out, values, sizeof(C));
    return;
  }
  char* const ptrs[2] = {out, (char*)values};
  const int64_t strides[2] = {stride, int64_t(item_size(from))};
  pointwise_kernels.cast[size_t(from)][size_t(to)](count, ptrs, strides, nullptr);
}

// One block of contiguous elements, several accumulators; Op: T type, identity(), map(v), join(a, b) on scalars and
// vectors.
template <class Op, class T = typename Op::T>
FL_FN T fold_block(const T* x, int64_t n, const Op& op) {
  constexpr int W = kLanes<T>;
  using V = Vec<T>;
  if (Op::scalar_is_fast && n <= 4) {
    T a = Op::identity();
    for (int64_t i = 0; i < n; ++i) a = Op::join(a, op.map(x[i]));
    return a;
  }
  V a = splat<Vec<T>>(Op::identity());
  int64_t i = 0;
  if (n >= 8 * W) {
    V b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (; i + 8 * W <= n; i += 8 * W) {
      a = Op::join(a, op.map(vec_at(x + i)));
      b = Op::join(b, op.map(vec_at(x + i + W)));
      c = Op::join(c, op.map(vec_at(x + i + 2 * W)));
      d = Op::join(d, op.map(vec_at(x + i + 3 * W)));
      e = Op::join(e, op.map(vec_at(x + i + 4 * W)));
      f = Op::join(f, op.map(vec_at(x + i + 5 * W)));
      g = Op::join(g, op.map(vec_at(x + i + 6 * W)));
      h = Op::join(h, op.map(vec_at(x + i + 7 * W)));
    }
    a = Op::join(Op::join(Op::join(a, b), Op::join(c, d)), Op::join(Op::join(e, f), Op::join(g, h)));
  }
  for (; i + W <= n; i += W) a = Op::join(a, op.map(vec_at(x + i)));
  if (i < n) {
    V tail = op.map(load_partial<T>(x + i, n - i, Op::fill()));
    a = Op::join(a, tail);
  }
  return fold_lanes<T>(a, [](V u, V v) __attribute__((always_inline)) {
    return Op::join(u, v);
  });
}

// Eight rows at a time into a tile of accumulators.
template <class Op, class T = typename Op::T>
FL_FN void fold_columns(const char* x, int64_t stride, int64_t n, int64_t m, T* tile, const Op& op) {
  constexpr int W = kLanes<T>;
  using V = Vec<T>;
  int64_t r = 0;
  for (; r + 8 <= n; r += 8) {
    const char* p = x + r * stride;
    auto row = [&](int k, int64_t j)
                   __attribute__((always_inline)) {
                     return op.map(vec_at((const T*)(p + k * stride) + j));
                   };
    int64_t j = 0;
    for (; j + W <= m; j += W) {
      V a = Op::join(Op::join(row(0, j), row(1, j)), Op::join(row(2, j), row(3, j)));
      V b = Op::join(Op::join(row(4, j), row(5, j)), Op::join(row(6, j), row(7, j)));
      store(tile + j, Op::join(vec_at(tile + j), Op::join(a, b)));
    }
    if (j < m) {
      V a = vec_at(tile + j);  // the tile is padded to whole vectors
      for (int k = 0; k < 8; ++k)
        a = Op::join(a, op.map(load_partial<T>((const T*)(p + k * stride) + j, m - j, Op::fill())));
      store(tile + j, a);
    }
  }
  if (r == n) return;
  const char* p = x + r * stride;
  for (int64_t j = 0; j < m; j += W) {
    V a = vec_at(tile + j);
    for (int64_t k = 0; k < n - r; ++k) {
      const T* q = (const T*)(p + k * stride) + j;
      a = Op::join(a, op.map(m - j >= W ? vec_at(q) : load_partial<T>(q, m - j, Op::fill())));
    }
    store(tile + j, a);
  }
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
