// Reductions: sums, products, extrema, statistics and norms over any set of dimensions of a strided array.
// The caller has decided the element types and allocated the outputs; it also raises where an empty reduction has no
// identity.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// Types: "any" are all 15; the result is computed in the type of `out` (float for Float16/BFloat16, int64 for
// integers).
enum class Reduce : uint8_t {
  Sum,           // any -> any; Bool out is the logical or; empty: 0
  Nansum,        // as Sum, NaN counts as 0; not complex
  Mean,          // any -> floating or complex; Sum / count; empty: NaN
  Prod,          // any -> any; Bool out is the logical and; empty: 1
  Amax,          // out = in; not complex, not UInt16..64 (nor are the other extrema); NaN wins; empty: not allowed
  Amin,          // as Amax
  Any,           // any -> Bool or UInt8; NaN is true
  All,           // as Any
  Argmax,        // -> Int64: first place of the extremum, row-major over the reduced dimensions in their order
  Argmin,        // as Argmax
  Max,           // Amax into out and the index (as Argmax) into out2 (Int64)
  Min,           // as Max
  Aminmax,       // minimum into out, maximum into out2, both of type in
  Var,           // floating or complex -> real; params[0] = correction; out2, if given: the mean (type in or out2_dtype)
  Std,           // as Var
  Norm,          // floating or complex -> real; params[0] = p (0, 1, 2, inf, -inf, any); empty: 0
  CountNonzero,  // any -> Int64
  Logsumexp,     // floating -> floating; max-shifted; empty: -inf
};

constexpr int kMaxReduceDims = 64;

struct ReduceDesc {
  Reduce op;
  DType in_dtype, out_dtype;
  int ndim;                     // at most kMaxReduceDims; in any order (only the indices of Argmax... depend on it)
  uint64_t reduced;             // bit d set: dimension d is reduced
  const int64_t* sizes;         // [ndim] of the input
  const int64_t* in_strides;    // [ndim] bytes; 0 and negative are allowed
  const int64_t* out_strides;   // [ndim] bytes; entries of reduced dimensions are not read
  const int64_t* out2_strides;  // [ndim] bytes, for out2; null if there is no out2
  const char* in;
  char* out;   // written completely; never overlaps `in`
  char* out2;  // second result or null
  double params[2];
  DType out2_dtype = DType::None;  // None: as said above
};

struct ReduceKernels {
  void (*reduce)(const ReduceDesc&);
};
FL_KERNEL_FAMILY(ReduceKernels, reduce_kernels)

// Whether reduce() takes this combination; the operator layer raises or converts otherwise.
bool reduce_supported(Reduce op, DType in, DType out);

}  // namespace fl::cpu
