// float32 correlation.
#include "kernels/cpu/conv_implicit.h"

namespace fl::cpu::FL_ISA {

void correlate(const Correlation<float>& p) { correlate_any(p); }

}  // namespace fl::cpu::FL_ISA
