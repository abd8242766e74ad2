// float64 gradients of a correlation's kernel.
#include "kernels/cpu/conv_weight.h"

namespace fl::cpu::FL_ISA {

void correlate_weight(const Correlation<double>& p, double* dw) { weight_any(p, dw); }

}  // namespace fl::cpu::FL_ISA
