// Products of Float16 and BFloat16, summed in float32.
#include "kernels/cpu/gemm_convert.h"

namespace fl::cpu::FL_ISA {

void gemm_narrow_float(const GemmDesc& g) {
  if (g.dtype == DType::BFloat16 && gemm_bf16_dot(g)) return;
  if (g.dtype == DType::BFloat16)
    gemm_converted<BFloat16, float>(g);
  else
    gemm_converted<Half, float>(g);
}

}  // namespace fl::cpu::FL_ISA
