// float64 products.
#include "kernels/cpu/gemm_driver.h"

namespace fl::cpu::FL_ISA {

void run(const Product<double>& p) { run_products(p); }

}  // namespace fl::cpu::FL_ISA
