// float64 correlation.
#include "kernels/cpu/conv_implicit.h"

namespace fl::cpu::FL_ISA {

void correlate(const Correlation<double>& p) { correlate_any(p); }

}  // namespace fl::cpu::FL_ISA
