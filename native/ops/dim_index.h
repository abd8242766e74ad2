// Building blocks of operators that address a tensor through an index along one dimension (gather, scatter, index_add...).
#pragma once
#include "base/unlock.h"
#include "kernels/cpu/index.h"
#include "ops/reduction.h"

namespace fl::ops {

const char* c_type_name(DType t);                       // "long int", as some of PyTorch's messages spell types
void check_apart(const Tensor& self, const Tensor& t);  // RuntimeError if they certainly share memory
Tensor apart(const Tensor& self, const Tensor& t);      // t after that check, copied if they might
ScalarBits checked_bits(const Value& v, DType t);       // RuntimeError where the number does not fit the type
void require_out_dtype(const Call& c, DType t);         // RuntimeError unless a given out= has the type
// RuntimeError if a given out= shares memory with one of these arguments (a bit each), or within itself.
void check_out_apart(const Call& c, uint32_t arguments);
void check_no_overlap(const Tensor& self);              // RuntimeError if self reaches an element twice
// What a writing operator fills: self of the in-place form, else a contiguous copy of it.
Tensor destination(const Call& c, MemoryFormat format = MemoryFormat::Contiguous);
Tensor at_least_1d(const Tensor& t);
Tensor as_int64(const Tensor& index);

// self and other seen through an index; 0-dim tensors count as one-dimensional. `whole_slices`: index is a vector over dim, else it has
// other's shape.
struct DimIndexed {
  Tensor self, other, index;
  Dims sizes, self_strides, other_strides, index_strides;
  cpu::DimIndex d;
  DimIndexed(const Tensor& self, const Tensor& other, const Tensor& index, int dim, IntView sizes, bool whole_slices, bool wrap = false);
  DimIndexed(const DimIndexed&) = delete;
};

cpu::ScatterOp scatter_op(const char* reduce);          // sum, prod, mean, amax, amin; RuntimeError otherwise
void check_scatter_op(const char* kernel, cpu::ScatterOp op, DType t);

// The gradients of a reduction by places: spread reads the places of a tensor, add sums into them.
struct Places {
  Tensor index;
  int64_t dim;
  bool whole_slices;
  Tensor read(const Tensor& x) const;
  Tensor add(const Tensor& into, const Tensor& x) const;
  Tensor clear(const Tensor& x) const;
  Tensor reduce(const Tensor& into, const Tensor& x, const char* how, bool include_self) const;
};
void reduce_gradient(Grad& G, const Places& at, int source, const char* how, bool include_self);

}  // namespace fl::ops
