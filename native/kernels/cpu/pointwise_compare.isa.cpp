// Comparisons and logical operators: results are Bool.
#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {
namespace {

// Equality of integers does not depend on the sign: one loop a width.
template <class Op> consteval Row wrapping_test() {
  return plain<Op, 2, bool, uint8_t>(DType::UInt8) | plain<Op, 2, bool, uint8_t>(DType::Int8) |
         plain<Op, 2, bool, uint16_t>(DType::UInt16) | plain<Op, 2, bool, uint16_t>(DType::Int16) |
         plain<Op, 2, bool, uint32_t>(DType::UInt32) | plain<Op, 2, bool, uint32_t>(DType::Int32) |
         plain<Op, 2, bool, uint64_t>(DType::UInt64) | plain<Op, 2, bool, uint64_t>(DType::Int64) |
         plain_bool<Op, 2, bool>();
}
template <class Op> consteval Row equality() {
  return plain_floats<Op, 2, bool>() | wrapping_test<Op>() | plain_complex<Op, 2, bool>();
}
template <class Op> consteval Row order() {
  return plain_floats<Op, 2, bool>() | plain_integers<Op, 2, bool>() | plain_bool<Op, 2, bool>();
}
template <class Op> consteval Row logical() {
  return plain_floats<Op, 2, bool>() | wrapping_test<Op>() | plain_complex<Boolean2<Op>, 2, bool>();
}

}  // namespace

const Row binary_Eq = equality<Eq>();
const Row binary_Ne = equality<Ne>();
const Row binary_Lt = order<Lt>();
const Row binary_Le = order<Le>();
const Row binary_Gt = order<Gt>();
const Row binary_Ge = order<Ge>();
const Row binary_LogicalAnd = logical<LogicalAnd>();
const Row binary_LogicalOr = logical<LogicalOr>();
const Row binary_LogicalXor = logical<LogicalXor>();

}  // namespace fl::cpu::FL_ISA
