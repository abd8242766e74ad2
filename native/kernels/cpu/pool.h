// Max and average pooling in 1 to 3 spatial dimensions, fixed and adaptive, and their gradients. Fewer dimensions are
// given as 3 with leading sizes of 1.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// x: (n, c, in...), y: (n, c, out...). The caller computes `out` (ceil_mode is in it) and checks all sizes; windows may
// hang over the padding; the maximum of one that meets no element is the type's lowest value. A missing spatial
// dimension has in = out = kernel = stride = dilation = 1, pad = 0.
struct PoolDesc {
  DType dtype = DType::Float32;  // max: floating and integer types; average: floating types, Int64 too for forward
  int64_t n = 0, c = 0;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1},
          kernel[3] = {1, 1, 1};  // depth, height, width; adaptive: only in and out
  int64_t stride[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
  bool count_include_pad = true;  // average
  int64_t divisor_override = 0;   // average: 0 when not given
  // Strides in elements (n, c, d, h, w), anything; contiguous and channels-last are fast. dx, dy have the strides of x,
  // y.
  int64_t x_stride[5] = {}, y_stride[5] = {};
};

// Indices are positions in the flattened (d, h, w) plane of x; they have y's shape and y's strides.
struct PoolKernels {
  void (*max_forward)(const PoolDesc&, const void* x, void* y, int64_t* indices);  // indices may be nullptr; NaN wins
  // dx is zeroed, then each dy is added where its index says (outside the plane: nowhere). Serves adaptive max pooling
  // too.
  void (*max_backward)(const PoolDesc&, const void* dy, const int64_t* indices, void* dx);
  void (*avg_forward)(const PoolDesc&, const void* x, void* y);
  void (*avg_backward)(const PoolDesc&, const void* dy, void* dx);  // all of dx is written
  void (*adaptive_max_forward)(const PoolDesc&, const void* x, void* y, int64_t* indices);
  void (*adaptive_avg_forward)(const PoolDesc&, const void* x, void* y);
  void (*adaptive_avg_backward)(const PoolDesc&, const void* dy, void* dx);
};

FL_KERNEL_FAMILY(PoolKernels, pool_kernels)

}  // namespace fl::cpu
