// The per-instruction-set table behind strided_copy and check_index of index.h.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"

namespace fl::cpu {

struct CopyKernels {
  void (*strided_copy)(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides,
                       const void* src, const int64_t* src_strides);
  // Whether any index[i] + shift of a contiguous row reaches the limit, as unsigned numbers.
  bool (*row_is_bad)(const int64_t* index, int64_t n, int64_t shift, uint64_t limit);
};
FL_KERNEL_FAMILY(CopyKernels, copy_kernels)

}  // namespace fl::cpu
