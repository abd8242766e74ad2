// Elementwise loops over raw pointers: one function per operator and element type, found through a table. Dimensions,
// broadcasting, threads and mixed types are the caller's; so is float16/bfloat16 arithmetic (convert blocks to
// Float32 with `cast` and back).
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "kernels/pointwise_ops.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// One pass over n elements. ptrs[0] is the output, ptrs[1..] the inputs; strides in bytes, one per pointer (0 =
// broadcast). The output may equal an input exactly (same pointer and stride), not overlap one otherwise. params:
// consecutive scalars of the loop's dtype T (see pointwise_ops.h), or null for an operator without parameters.
using Loop = void (*)(int64_t n, char* const* ptrs, const int64_t* strides, const void* params);

enum class Result : uint8_t { Same,
                              Bool,
                              Real };  // output dtype: the input's, Bool, real_type(input)

#define FL_X(name, result, ns) name,
enum class Unary : uint8_t { FL_UNARY_OPS(FL_X) Count };
enum class Binary : uint8_t { FL_BINARY_OPS(FL_X) Count };
enum class Ternary : uint8_t { FL_TERNARY_OPS(FL_X) Count };
#undef FL_X
constexpr int kUnaryOps = int(Unary::Count), kBinaryOps = int(Binary::Count), kTernaryOps = int(Ternary::Count);

#define FL_X(name, result, ns) #name,
constexpr const char* kUnaryNames[] = {FL_UNARY_OPS(FL_X)};
constexpr const char* kBinaryNames[] = {FL_BINARY_OPS(FL_X)};
constexpr const char* kTernaryNames[] = {FL_TERNARY_OPS(FL_X)};
#undef FL_X
#define FL_X(name, result, ns) float(ns),
constexpr float kUnaryCost[] = {FL_UNARY_OPS(FL_X)};
constexpr float kBinaryCost[] = {FL_BINARY_OPS(FL_X)};
constexpr float kTernaryCost[] = {FL_TERNARY_OPS(FL_X)};
#undef FL_X
#define FL_X(name, result, ns) Result::result,
constexpr Result kUnaryResult[] = {FL_UNARY_OPS(FL_X)};
constexpr Result kBinaryResult[] = {FL_BINARY_OPS(FL_X)};
#undef FL_X

constexpr const char* name(Unary op) { return kUnaryNames[int(op)]; }
constexpr const char* name(Binary op) { return kBinaryNames[int(op)]; }
constexpr const char* name(Ternary op) { return kTernaryNames[int(op)]; }
constexpr Result result(Unary op) { return kUnaryResult[int(op)]; }
constexpr Result result(Binary op) { return kBinaryResult[int(op)]; }
// Rough nanoseconds per element of type t on one core, for parallel_for.
constexpr double cost(float ns, DType t) { return double(ns) * (item_size(t) <= 4 ? 1 : double(item_size(t)) / 4); }
constexpr double cost(Unary op, DType t) { return cost(kUnaryCost[int(op)], t); }
constexpr double cost(Binary op, DType t) { return cost(kBinaryCost[int(op)], t); }
constexpr double cost(Ternary op, DType t) { return cost(kTernaryCost[int(op)], t); }

// table.unary[int(op)][int(dtype)] etc.: rows of kDTypes loops, indexed by the INPUT dtype (for Where: of its
// values). A null loop is not offered: the caller promotes or raises. Float16/BFloat16 are offered by cast, Where and
// a few sign and comparison loops only.
struct PointwiseKernels {
  const Loop* unary[kUnaryOps];
  const Loop* binary[kBinaryOps];
  const Loop* ternary[kTernaryOps];
  // cast[from][to], ptrs[0] = out, ptrs[1] = in; cast[t][t] copies, and fills with input stride 0. PyTorch's
  // conversions: float to integer truncates, complex to real takes the real part, anything to Bool is x != 0.
  const Loop* cast[kDTypes];
};
FL_KERNEL_FAMILY(PointwiseKernels, pointwise_kernels)

// True if an integer FloorDiv, TruncDiv, Remainder or Fmod met a zero divisor since the last call (any thread);
// resets the flag. Such elements get the value 0. The caller raises "ZeroDivisionError".
bool take_division_by_zero();

}  // namespace fl::cpu
