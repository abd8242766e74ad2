// The matrix product's table, and float32 products.
#include "kernels/cpu/gemm_driver.h"

namespace fl::cpu::FL_ISA {

void run(const Product<float>& p) { run_products(p); }

namespace {

void gemm(const GemmDesc& g) {
  switch (g.dtype) {
    case DType::Float32: return run_products(product_of<float>(g));
    case DType::Float64: return run(product_of<double>(g));
    case DType::Float16:
    case DType::BFloat16: return gemm_narrow_float(g);
    case DType::Complex64:
    case DType::Complex128: return gemm_complex(g);
    default: return gemm_integer(g);
  }
}

}  // namespace

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {gemm};

}  // namespace fl::cpu::FL_ISA
