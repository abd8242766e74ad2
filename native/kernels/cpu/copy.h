// The per-instruction-set table behind strided_copy of index.h.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"

namespace fl::cpu {

struct CopyKernels {
  void (*strided_copy)(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
                       const int64_t* src_strides);
};
FL_KERNEL_FAMILY(CopyKernels, copy_kernels)

}  // namespace fl::cpu
