// Activation functions built on exponentials, and the gradients of activations.
#include "kernels/cpu/pointwise_complex.h"

namespace fl::cpu::FL_ISA {

const Row unary_Silu = vector_floats<Silu, 1>() | FL_COMPLEX_ROW(Silu);
const Row unary_Gelu = vector_floats<Gelu, 1>();
const Row unary_GeluTanh = vector_floats<GeluTanh, 1>();
const Row unary_Mish = vector_floats<Mish, 1>();
const Row unary_LogSigmoid = vector_floats<LogSigmoid, 1>();
const Row unary_Selu = vector_floats<Selu, 1>();
const Row unary_Elu = vector_floats<Elu, 1>();
const Row unary_Softplus = vector_floats<Softplus, 1>();

const Row binary_TanhGrad = vector_floats<TanhGrad, 2>() | plain_complex<TanhGradComplex, 2>();
const Row binary_SigmoidGrad = vector_floats<SigmoidGrad, 2>() | plain_complex<SigmoidGradComplex, 2>();
const Row binary_AbsGrad = vector_floats<AbsGrad, 2>() | plain_complex<AbsGradComplex, 2>();
#define FL_GRAD(name) const Row binary_##name = vector_floats<name, 2>();
FL_GRAD(ReluGrad)
FL_GRAD(SiluGrad)
FL_GRAD(GeluGrad)
FL_GRAD(GeluTanhGrad)
FL_GRAD(MishGrad)
FL_GRAD(HardswishGrad)
FL_GRAD(HardsigmoidGrad)
FL_GRAD(LogSigmoidGrad)
FL_GRAD(LeakyReluGrad)
FL_GRAD(EluGrad)
FL_GRAD(SoftplusGrad)
FL_GRAD(HardtanhGrad)
FL_GRAD(ThresholdGrad)
FL_GRAD(ShrinkGrad)
#undef FL_GRAD

}  // namespace fl::cpu::FL_ISA
