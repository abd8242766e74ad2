// Products of a sparse matrix, given by the coordinates of its elements, with dense matrices (row-major, float32 or float64).
#pragma once
#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// out[row[k]] += value[k] * dense[column[k]], over rows of `width` elements; out holds zeros. `sorted`: rows do not decrease.
struct SparseProduct {
  const int64_t *row, *column;
  int64_t count, rows, width;
  int64_t dense_stride;  // elements from one row of dense to the next
  bool sorted;
};
// out[k] = sum over j of a[row[k]][j] * b[column[k]][j]
struct SampledProduct {
  const int64_t *row, *column;
  int64_t count, width;
  int64_t a_stride, b_stride;
};
// self[row[k]] += alpha * value[k], rows of `width` elements, one after the other, each step rounded once.
struct AddRows {
  const int64_t* row;
  int64_t count, width;
  double alpha;
};
struct SparseKernels {
  void (*product)(DType, const SparseProduct&, const void* value, const void* dense, void* out);
  void (*sampled)(DType, const SampledProduct&, const void* a, const void* b, void* out);
  void (*add_rows)(DType, const AddRows&, const void* value, void* self);
};
FL_KERNEL_FAMILY(SparseKernels, sparse_kernels)

}  // namespace fl::cpu
