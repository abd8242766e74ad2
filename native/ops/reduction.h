// Building blocks of reductions: which dimensions go, the result's shape, the kernel's descriptor, and gradients spread back.
#pragma once
#include "base/unlock.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/scan.h"
#include "ops/elementwise.h"

namespace fl::ops {

constexpr uint64_t all_dims(int n) { return n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1; }
// The dimensions a list names; none given or an empty list: all. RuntimeError for repeated ones.
uint64_t dims_mask(IntView dims, int ndim, bool empty_means_all = true);
uint64_t dims_mask(const Value& dims, int ndim, bool empty_means_all = true);
Dims reduced_sizes(IntView sizes, uint64_t mask, bool keepdim);
int64_t reduced_count(IntView sizes, uint64_t mask);
Dims byte_strides(const Tensor& t);
// Runs the kernel on outputs shaped like reduced_sizes.
void run_reduce(cpu::Reduce op, const Tensor& x, uint64_t mask, bool keepdim, const Tensor& out, const Tensor& out2 = Tensor(), double p0 = 0, double p1 = 0);
// The same with a fresh output.
Tensor reduce_values(cpu::Reduce op, const Tensor& x, uint64_t mask, bool keepdim, DType out, double p0 = 0);
// A reduced gradient (or result) with its dimensions of size 1 back.
Tensor keep_dims(const Tensor& g, int ndim, uint64_t mask, bool keepdim);
Tensor spread(const Tensor& g, IntView sizes, uint64_t mask, bool keepdim);
// The gradient in the type of the input: real inputs take real parts.
Tensor gradient_as(const Tensor& g, DType t);
bool is_integer(DType t);  // integral or Bool
void check_not_empty(const char* op, const Tensor& x, uint64_t mask);
void check_dim_not_empty(const char* op, const Tensor& x, int dim);
// out= tensors of value-and-index operators: of exactly these types (None: any), and not overlapping argument 0.
void check_out(const Call& c, std::initializer_list<DType> types);
Tensor place_reduced(const Tensor& g, const Tensor& index, IntView sizes, int64_t dim, bool keepdim);
// Shared evenly among all places of x that hold `result` (NaN if that is NaN): both of one shape or reduced with the dimensions kept.
Tensor share_evenly(const Tensor& g, const Tensor& x, const Tensor& result, uint64_t mask);
extern Record pick, place;
void run_scan(cpu::Scan op, const Tensor& x, int dim, const Tensor& out, const Tensor& out2 = Tensor());

}  // namespace fl::ops
