// Exponentials, logarithms, trigonometric and hyperbolic functions.
#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {

#define FL_MATH(name) const Row unary_##name = vector_floats<name, 1>() | FL_COMPLEX_ROW(name);
FL_MATH(Exp)
FL_MATH(Exp2)
FL_MATH(Expm1)
FL_MATH(Log)
FL_MATH(Log2)
FL_MATH(Log10)
FL_MATH(Log1p)
FL_MATH(Sin)
FL_MATH(Cos)
FL_MATH(Tan)
FL_MATH(Asin)
FL_MATH(Acos)
FL_MATH(Atan)
FL_MATH(Sinh)
FL_MATH(Cosh)
FL_MATH(Tanh)
FL_MATH(Asinh)
FL_MATH(Acosh)
FL_MATH(Atanh)
FL_MATH(Sigmoid)
#undef FL_MATH
const Row unary_Erf = vector_floats<Erf, 1>();
const Row unary_Erfinv = vector_floats<Erfinv, 1>();
const Row unary_Logit = vector_floats<Logit, 1>();

const Row binary_Atan2 = vector_floats<Atan2, 2>();
const Row binary_Logaddexp = vector_floats<Logaddexp, 2>() | FL_COMPLEX_ROW(Logaddexp);
const Row binary_Logaddexp2 = vector_floats<Logaddexp2, 2>();
const Row binary_Xlogy = vector_floats<Xlogy, 2>();
const Row binary_Xlog1py = vector_floats<Xlog1py, 2>();

}  // namespace fl::cpu::FL_ISA
