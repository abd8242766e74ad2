// The pooling table.
#include "kernels/cpu/pool_common.h"

namespace fl::cpu::FL_ISA {
namespace {

// The adaptive functions read only in, out and the strides of their description.
PoolDesc adaptive_of(PoolDesc g) {
  for (int d = 0; d < 3; ++d) g.kernel[d] = g.stride[d] = g.dilation[d] = 1, g.pad[d] = 0;
  g.count_include_pad = true;
  g.divisor_override = 0;
  return g;
}

void max_forward(const PoolDesc& g, const void* x, void* y, int64_t* indices) { max_pool(g, false, x, y, indices); }
void avg_forward(const PoolDesc& g, const void* x, void* y) { avg_pool(g, false, x, y); }
void avg_backward(const PoolDesc& g, const void* dy, void* dx) { avg_pool_backward(g, false, dy, dx); }
void adaptive_max_forward(const PoolDesc& g, const void* x, void* y, int64_t* indices) {
  max_pool(adaptive_of(g), true, x, y, indices);
}
void adaptive_avg_forward(const PoolDesc& g, const void* x, void* y) { avg_pool(adaptive_of(g), true, x, y); }
void adaptive_avg_backward(const PoolDesc& g, const void* dy, void* dx) {
  avg_pool_backward(adaptive_of(g), true, dy, dx);
}

}  // namespace

extern const PoolKernels pool_kernels;
const PoolKernels pool_kernels = {max_forward, max_pool_backward, avg_forward, avg_backward,
                                  adaptive_max_forward, adaptive_avg_forward, adaptive_avg_backward};

}  // namespace fl::cpu::FL_ISA
