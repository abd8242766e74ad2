// Loop nests of indexing: walks the operands of DimIndex and AdvancedIndex and hands whole rows to an inner function.
// Included by ordinary sources and by per-instruction-set ones, hence always_inline throughout.
#pragma once
#include <cstdint>
#include <cstdlib>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/index.h"

#define FL_INLINE inline __attribute__((always_inline))

namespace fl::cpu::nest {

// Row-major walk over up to kMaxDims sizes that keeps K byte offsets.
template <int K>
struct Odometer {
  int ndim = 0;
  int64_t size[kMaxDims], stride[K][kMaxDims], at[kMaxDims], offset[K];

  FL_INLINE void push(int64_t n, const int64_t (&strides)[K]) {
    size[ndim] = n;
    for (int k = 0; k < K; k++) stride[k][ndim] = strides[k];
    ndim++;
  }
  FL_INLINE int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) n *= size[d];
    return n;
  }
  // Merges neighbours that one stride serves in every operand; drops sizes of 1.
  FL_INLINE void coalesce() {
    int kept = -1;
    for (int d = 0; d < ndim; d++) {
      if (size[d] == 1) continue;
      bool merge = kept >= 0;
      for (int k = 0; merge && k < K; k++) merge = stride[k][kept] == stride[k][d] * size[d];
      if (merge) size[kept] *= size[d];
      else size[++kept] = size[d];
      for (int k = 0; k < K; k++) stride[k][kept] = stride[k][d];
    }
    ndim = kept + 1;
  }
  // Sorts dimensions by decreasing magnitude of operand k's stride.
  FL_INLINE void sort_by(int k) {
    for (int d = 1; d < ndim; d++)
      for (int e = d; e > 0 && std::llabs(stride[k][e - 1]) < std::llabs(stride[k][e]); e--) swap(e - 1, e);
  }
  FL_INLINE void swap(int a, int b) {
    int64_t t = size[a];
    size[a] = size[b], size[b] = t;
    for (int k = 0; k < K; k++) t = stride[k][a], stride[k][a] = stride[k][b], stride[k][b] = t;
  }
  FL_INLINE void start(int64_t linear) {
    for (int k = 0; k < K; k++) offset[k] = 0;
    for (int d = ndim - 1; d >= 0; d--) {
      at[d] = linear % size[d], linear /= size[d];
      for (int k = 0; k < K; k++) offset[k] += at[d] * stride[k][d];
    }
  }
  FL_INLINE void next() {
    for (int d = ndim - 1; d >= 0; d--) {
      for (int k = 0; k < K; k++) offset[k] += stride[k][d];
      if (++at[d] < size[d]) return;
      for (int k = 0; k < K; k++) offset[k] -= stride[k][d] * size[d];
      at[d] = 0;
    }
  }
};

// True where the index does not vary off `dim`: whole slices of self are addressed.
FL_INLINE bool is_slice_index(const DimIndex& x) {
  for (int d = 0; d < x.ndim; d++)
    if (d != x.dim && x.sizes[d] > 1 && x.index_strides[d] != 0) return false;
  return true;
}

FL_INLINE bool is_empty(int ndim, const int64_t* sizes) {
  for (int d = 0; d < ndim; d++)
    if (sizes[d] == 0) return true;
  return false;
}

// Element-wise indexing along a dimension: f(self, other, index, n, self_stride, other_stride, index_stride) for rows
// of n, where element i addresses self + i * self_stride + index[i * index_stride] * step. Elements that can meet in
// one destination are visited in the order of the indexed dimension, by one thread.
template <class F>
FL_INLINE void along_dim(const DimIndex& x, double ns_per_element, const F& f) {
  Odometer<3> rest;  // self, other, index
  for (int d = 0; d < x.ndim; d++)
    if (d != x.dim) rest.push(x.sizes[d], {x.self_strides[d], x.other_strides[d], x.index_strides[d]});
  int64_t n_dim = x.ndim ? x.sizes[x.dim] : 1;
  int64_t other_dim = x.ndim ? x.other_strides[x.dim] : 0, index_dim = x.ndim ? x.index_strides[x.dim] : 0;
  rest.coalesce();
  rest.sort_by(2);
  int last = rest.ndim - 1;
  bool dim_inside = last < 0 || (n_dim > 1 && std::llabs(index_dim) <= std::llabs(rest.stride[2][last]));
  if (dim_inside) {
    fl::parallel_for(rest.count(), ns_per_element * double(n_dim), [&](int64_t begin, int64_t end) {
      Odometer<3> at = rest;
      at.start(begin);
      for (int64_t u = begin; u < end; u++, at.next())
        in_blocks(n_dim, [&](int64_t i, int64_t stop) {
          f(at.offset[0], at.offset[1] + i * other_dim, at.offset[2] + i * index_dim, stop - i, int64_t(0), other_dim,
            index_dim);
        });
    });
    return;
  }
  int64_t n = rest.size[last], ss = rest.stride[0][last], os = rest.stride[1][last], is = rest.stride[2][last];
  rest.ndim--;
  int64_t piece = n < 512 ? n : 512, pieces = (n + piece - 1) / piece;
  fl::parallel_for(rest.count() * pieces, ns_per_element * double(n_dim) * double(piece),
                   [&](int64_t begin, int64_t end) {
                     Odometer<3> at = rest;
                     at.start(begin / pieces);
                     int64_t c = begin % pieces;
                     for (int64_t u = begin; u < end; u++) {
                       int64_t first = c * piece, m = n - first < piece ? n - first : piece;
                       int64_t self = at.offset[0] + first * ss, other = at.offset[1] + first * os,
                               index = at.offset[2] + first * is;
                       for (int64_t i = 0; i < n_dim; i++) {
                         check_interrupt();
                         f(self, other + i * other_dim, index + i * index_dim, m, ss, os, is);
                       }
                       if (++c == pieces) c = 0, at.next();
                     }
                   });
}

// Slices addressed by a table of offsets. row(self_offset, other_offset, n, self_stride, other_stride) for rows of n
// elements; where the slices are walked element by element, elements(table, self_offset, other_offset, count,
// other_step) for a run of positions. `reading`: positions may be shared among threads; else each destination belongs
// to one thread and sees them in order.
struct Table {
  int64_t count = 0;               // positions
  const int64_t* self = nullptr;   // byte offset of each position
  const int64_t* other = nullptr;  // likewise, or null: position * other_step
  int64_t other_step = 0;
};
template <class Row, class Elements>
FL_INLINE void along_table(const Table& table, const Odometer<2>& dims, bool reading, double ns_per_element,
                           const Row& row, const Elements& elements) {
  Odometer<2> rest = dims;  // self, other
  rest.coalesce();
  rest.sort_by(1);
  rest.coalesce();
  int64_t n = 1, ss = 0, os = 0;
  int last = rest.ndim - 1;
  int64_t reach = table.other ? INT64_MAX : std::llabs(table.other_step);
  if (last >= 0 && (table.count == 1 || reach == 0 || std::llabs(rest.stride[1][last]) < reach)) {
    n = rest.size[last], ss = rest.stride[0][last], os = rest.stride[1][last];
    rest.ndim--;
  }
  int64_t outer = rest.count();
  bool single = n == 1 && !table.other;
  if (reading) {
    fl::parallel_for(outer * table.count, ns_per_element * double(n) + 1, [&](int64_t begin, int64_t end) {
      Odometer<2> at = rest;
      at.start(begin / table.count);
      int64_t p = begin % table.count;
      for (int64_t u = begin; u < end;) {
        int64_t stop = table.count - p < end - u ? table.count : p + (end - u);
        u += stop - p;
        if (single)
          elements(table.self + p, at.offset[0], at.offset[1] + p * table.other_step, stop - p, table.other_step),
              p = stop;
        for (; p < stop; p++)
          row(at.offset[0] + table.self[p], at.offset[1] + (table.other ? table.other[p] : p * table.other_step), n, ss,
              os);
        if (p == table.count) p = 0, at.next();
      }
    });
    return;
  }
  int64_t piece = n < 256 ? n : 256, pieces = n ? (n + piece - 1) / piece : 0;
  if (outer >= 64) piece = n, pieces = 1;
  fl::parallel_for(
      outer * pieces, (ns_per_element * double(piece) + 1) * double(table.count), [&](int64_t begin, int64_t end) {
        // Neighbouring pieces of one line are walked together.
        Odometer<2> at = rest;
        at.start(begin / pieces);
        int64_t c = begin % pieces;
        for (int64_t u = begin; u < end;) {
          int64_t take = pieces - c < end - u ? pieces - c : end - u;
          int64_t first = c * piece, m = (c + take == pieces ? n : (c + take) * piece) - first;
          if (single) {
            in_blocks(table.count, [&](int64_t p, int64_t stop) {
              elements(table.self + p, at.offset[0], at.offset[1] + p * table.other_step, stop - p, table.other_step);
            });
          } else {
            for (int64_t p = 0; p < table.count; p++) {
              check_interrupt();
              row(at.offset[0] + first * ss + table.self[p],
                  at.offset[1] + first * os + (table.other ? table.other[p] : p * table.other_step), m, ss, os);
            }
          }
          u += take, c = 0;
          at.next();
        }
      });
}

// Scratch memory of the nests.
template <class T>
using Buffer = HeapArray<T>;

}  // namespace fl::cpu::nest
