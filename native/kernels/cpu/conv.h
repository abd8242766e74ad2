// Convolution in 1 to 3 spatial dimensions and its two gradients. Fewer dimensions are given as 3 with leading sizes
// of 1.
#pragma once
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// x: (n, c, in...), w: (k, c / groups, kernel...), y: (n, k, out...). For a transposed convolution exchange the roles:
// its input is y, its output is x (k and c are its input and output channels), its forward is backward_input. A missing
// spatial dimension has in = out = kernel = stride = dilation = 1, pad = 0. `pad` is the padding before the first
// element; the padding after the last follows from `out`, so unequal padding and output_padding need nothing of their
// own.
struct ConvDesc {
  DType dtype =
      DType::Float32;  // floating, complex and integer types; Float16 and BFloat16 sum in float32 and round once
  int64_t n = 0, c = 0, k = 0, groups = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};  // depth, height, width
  int64_t stride[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
  // Strides in elements: (n, c, d, h, w), (k, c, d, h, w), (n, k, d, h, w). Everything is correct; x and y contiguous
  // (NCHW) or channels-last (NHWC) are fast, each on its own. dx, dy, dw have the strides of x, y, w. No broadcast
  // (zero) strides in results.
  int64_t x_stride[5] = {}, w_stride[5] = {}, y_stride[5] = {};
};

struct ConvKernels {
  // y = act(conv(x, w) + bias); bias: k contiguous elements or nullptr.
  void (*forward)(const ConvDesc&, const void* x, const void* w, const void* bias, Activation, void* y);
  // dx = the gradient of x (all of it is written) + bias; bias: c contiguous elements or nullptr (a transposed
  // convolution's).
  void (*backward_input)(const ConvDesc&, const void* dy, const void* w, const void* bias, void* dx);
  // dw = the gradient of w (all of it is written). The gradient of the bias is a sum over dy, left to the caller.
  void (*backward_weight)(const ConvDesc&, const void* x, const void* dy, void* dw);
};

FL_KERNEL_FAMILY(ConvKernels, conv_kernels)

}  // namespace fl::cpu
