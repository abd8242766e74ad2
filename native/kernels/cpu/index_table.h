// Internals shared by the sources of index.h: tables of byte offsets made from checked indices.
#pragma once
#include <cstdlib>

#include "kernels/cpu/heap.h"
#include "kernels/cpu/index_nest.h"

// Lambdas handed to a nest are its inner loop.
#define FL_LAMBDA_INLINE __attribute__((always_inline))

namespace fl::cpu {

struct OffsetTable {
  nest::Table table;
  nest::Odometer<2> rest;  // self and other strides of the dimensions that are not indexed
  HeapArray<int64_t> self_offsets, other_offsets;

  BadIndex build(const AdvancedIndex&);
  BadIndex build(const DimIndex&);  // of an index that addresses whole slices

 private:
  void fill(const AdvancedIndex&, bool wrap);
};

BadIndex check_all(const AdvancedIndex&);
// What an element-wise index must satisfy: value + shift below limit, as unsigned numbers.
struct IndexRange {
  int64_t shift;
  uint64_t limit;
  explicit IndexRange(const DimIndex& x) : shift(x.wrap ? x.bound : 0), limit(uint64_t(x.bound) + uint64_t(shift)) {}
  bool broken_by(const char* row, int64_t n, int64_t step) const;
};
// Checked byte offsets of flat row-major indices into a strided tensor.
BadIndex take_offsets(int ndim, const int64_t* sizes, const int64_t* strides, int64_t item, const int64_t* index,
                      int64_t n, int64_t* offsets);
// self[offsets[i]] += source[i], in order.
void add_at_offsets(DType, void* self, const int64_t* offsets, int64_t n, const void* source);

}  // namespace fl::cpu
