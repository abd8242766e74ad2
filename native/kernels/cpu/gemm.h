// Matrix products: C = act(alpha * A @ B + beta * D), batched, for every arithmetic type. One function; it picks its
// path (packed, unpacked, dot, matrix-vector, batched small) from the sizes and strides alone, so a result never
// depends on the threads.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

enum class Activation : uint8_t { None,
                                  Relu };

// A factor of a product: `integer` is read for integer types, `re` for floating ones, `re` and `im` for complex ones.
struct GemmFactor {
  double re = 0, im = 0;
  int64_t integer = 0;
};
constexpr GemmFactor gemm_factor(int64_t v) { return {double(v), 0, v}; }

// A: M x K, B: K x N, C and D: M x N. Strides are in elements, may be anything (zero and negative too) except that no
// two elements of C may share memory. A and B must not overlap C. Any size may be 0; with K == 0 the product is zero.
struct GemmDesc {
  DType dtype = DType::Float32;  // Float32, Float64, Complex64, Complex128, BFloat16, Float16 (both summed in float32
                                 // and rounded once), UInt8, Int8, Int16, Int32, Int64 (wrap around)
  Activation activation = Activation::None;
  bool conj_a = false, conj_b = false;  // complex types: use the conjugate of A, B
  int64_t batch = 1, m = 0, n = 0, k = 0;
  const void* a = nullptr;
  int64_t a_batch = 0, a_row = 0, a_col = 1;
  const void* b = nullptr;
  int64_t b_batch = 0, b_row = 0, b_col = 1;
  void* c = nullptr;
  int64_t c_batch = 0, c_row = 0, c_col = 1;
  // The added term: a bias (row stride 0, or column stride 0), a full matrix, or C itself (same pointer and strides as
  // c). nullptr, or beta equal to zero: nothing is added and D is not read (NaN in D does not spread).
  const void* d = nullptr;
  int64_t d_batch = 0, d_row = 0, d_col = 1;
  GemmFactor alpha{1, 0, 1}, beta{0, 0, 0};
};

struct GemmKernels {
  void (*gemm)(const GemmDesc&);
};

FL_KERNEL_FAMILY(GemmKernels, gemm_kernels)

}  // namespace fl::cpu
