// Strided iteration for elementwise loops: operands of any shape that broadcasts, any strides, any element type. Dimensions are coalesced,
// types converted block by block in L1, and the range split over threads.
#pragma once
#include "kernels/cpu/pointwise.h"
#include "ops/value.h"
#include "tensor/tensor.h"

namespace fl {

// A number in the representation of an element type.
struct ScalarBits {
  alignas(16) char bytes[16];
};
ScalarBits scalar_bits(const Value& number, DType dtype);

class Pointwise {
 public:
  // The destination; its shape is the shape of the iteration. loop_dtype: what the loop writes.
  Pointwise(const Tensor& out, DType loop_dtype);
  // A tensor or a number that broadcasts to the destination's shape, read as `loop_dtype` by the loop.
  void input(const Value& v, DType loop_dtype);
  void run(cpu::Loop loop, const void* params, double ns_per_element);

 private:
  static constexpr int kMax = 5;
  struct Operand {
    char* data;
    DType dtype, loop_dtype;
    int64_t stride[kMaxDims];  // bytes, after broadcasting
  };
  void coalesce();
  void range(cpu::Loop loop, const void* params, int64_t begin, int64_t end) const;
  void line(cpu::Loop loop, const void* params, int64_t n, char* const* ptrs) const;
  Operand ops_[kMax];
  ScalarBits scalars_[kMax];
  int n_ = 0, ndim_ = 0;
  bool converts_ = false;
  int64_t size_[kMaxDims];
  int64_t numel_;
};

// The strides PyTorch gives a fresh elementwise result of `sizes`: the inputs' common memory order. Null if plain contiguous.
bool result_strides(IntView sizes, const Value* inputs, int n, Dims& strides);

void copy_values(const Tensor& dst, const Tensor& src);  // broadcasts and converts; no recording, no version change
Tensor copy_of(const Tensor& t);                         // a fresh tensor with the same values (preserve_format)
Tensor cast_of(const Tensor& t, DType dtype);            // the same, converted; t itself if nothing to do
Tensor contiguous_of(const Tensor& t);                   // t itself if it is contiguous
void add_in_place(const Tensor& dst, const Tensor& src);
bool any_nan(const Tensor& t);
void fill_values(const Tensor& dst, const Value& number);
Value item_value(const TensorImpl& t);                   // the number in a one-element tensor
// The number in a tensor that is a kernel's parameter: 0 where no kernel of the processor will run.
Value parameter_value(const Tensor& t);
bool holds(const Tensor& condition);                     // a check on values: one element that is true, or out of the host's reach

}  // namespace fl
