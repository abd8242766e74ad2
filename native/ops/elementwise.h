// Building blocks of elementwise operators: type rules, result allocation, the straight path for small contiguous operands. Also arithmetic
// notation for gradients (g * x).
#pragma once
#include "ops/ops.h"
#include "tensor/iterator.h"
#include "tensor/promote.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace fl {

enum class Kind : uint8_t {
  Same,     // computes in the promoted type
  Float,    // integers and Bool are promoted to the default floating type
  Compare,  // computes in the promoted type, gives Bool
};

// What the loop computes in: narrow types are computed in float32 and complex64.
inline DType loop_type(DType t) { return is_reduced_float(t) ? DType::Float32 : t == DType::Complex32 ? DType::Complex64
                                                                                                      : t; }
DType promoted(Kind kind, const Value* v, int n);
[[noreturn]] void not_offered(const Record& op, DType t);

void unary(Call& c, cpu::Unary op, Kind kind, const Value* params = nullptr, int nparams = 0);
void binary(Call& c, cpu::Binary op, Kind kind, const Value& a, const Value& b, const Value* params = nullptr, int nparams = 0);
void ternary(Call& c, cpu::Ternary op, Kind kind, const Value& x, const Value& y, const Value& z, const Value* params = nullptr, int nparams = 0);
// Any loop over inputs that are already understood: allocates the result and runs.
void elementwise(Call& c, cpu::Loop loop, DType loop_out, DType out, const Value* inputs, const DType* loop_in, int n, const void* params, size_t params_size, double ns);

// The capture door: true if the call has been noted, to be run later. Installed by capture/.
extern bool (*note_elementwise)(Call& c, cpu::Loop loop, DType loop_out, DType out, const Value* inputs, const DType* loop_in, int n, const void* params,
                                size_t params_size, double ns);

namespace ops {
inline Tensor operator*(const Tensor& a, const Value& b) { return mul(a, b); }
inline Tensor operator+(const Tensor& a, const Value& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Value& b) { return sub(a, b); }
inline Tensor operator/(const Tensor& a, const Value& b) { return div(a, b); }
inline Tensor operator-(const Tensor& a) { return neg(a); }
}  // namespace ops

}  // namespace fl
