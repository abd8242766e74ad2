// Products of integers, which wrap around: 8 and 16 bits are computed in 32.
#include "kernels/cpu/gemm_convert.h"
#include "kernels/cpu/gemm_driver.h"

namespace fl::cpu::FL_ISA {

void run(const Product<uint32_t>& p) { run_products(p); }
void run(const Product<uint64_t>& p) { run_products(p); }

void gemm_integer(const GemmDesc& g) {
  switch (g.dtype) {
    case DType::Int64: return run(product_of<uint64_t>(g));
    case DType::Int32: return run(product_of<uint32_t>(g));
    case DType::Int16: return gemm_converted<int16_t, uint32_t>(g);
    case DType::Int8: return gemm_converted<int8_t, uint32_t>(g);
    case DType::UInt8: return gemm_converted<uint8_t, uint32_t>(g);
    default: return;  // the operator layer admits no other type
  }
}

}  // namespace fl::cpu::FL_ISA
