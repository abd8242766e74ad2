// The per-instruction-set tables behind resample.h.
#pragma once
#include "kernels/cpu/isa.h"
#include "kernels/cpu/resample.h"

namespace fl::cpu {

struct UpsampleKernels {
  void (*upsample)(DType, const Upsample&, const void* in, void* out);
  void (*upsample_backward)(DType, const Upsample&, const void* grad_out, void* grad_in);
};
FL_KERNEL_FAMILY(UpsampleKernels, upsample_kernels)

struct GridKernels {
  void (*grid_sample)(DType, const GridSample&, const void* in, const void* grid, void* out);
  void (*grid_sample_backward)(DType, const GridSample&, const void* grad_out, const void* in, const void* grid,
                               void* grad_in, void* grad_grid);
};
FL_KERNEL_FAMILY(GridKernels, grid_kernels)

}  // namespace fl::cpu
