// Scans along one dimension: cumulative sum, product, extrema with indices, and log-sum-exp.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

enum class Scan : uint8_t {
  Cumsum,   // any -> any, computed in the type of out (integers wrap; float for Float16/BFloat16)
  Cumprod,  // any -> any
  Cummax,   // out = in, not complex; out2 Int64: place of the last element that is >= all before it; NaN wins
  Cummin,   // as Cummax with <=
  Logcumsumexp,  // floating, out = in
};

struct ScanDesc {
  Scan op;
  DType in_dtype, out_dtype;
  int ndim;                     // at most 64; 0-dimensional: pass ndim 1, size 1
  int dim;                      // the dimension to scan
  const int64_t* sizes;         // [ndim]
  const int64_t* in_strides;    // [ndim] bytes
  const int64_t* out_strides;   // [ndim] bytes
  const int64_t* out2_strides;  // [ndim] bytes or null
  const char* in;
  char* out;   // may equal `in` with the same strides and type
  char* out2;  // indices of Cummax/Cummin, else null
};

struct ScanKernels {
  void (*scan)(const ScanDesc&);
};
FL_KERNEL_FAMILY(ScanKernels, scan_kernels)

}  // namespace fl::cpu
