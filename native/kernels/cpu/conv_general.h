// Convolution by its definition, for the types that have no fast path: integers and complex numbers. Compiled once.
#pragma once
#include "kernels/cpu/conv.h"

namespace fl::cpu {

void conv_forward_general(const ConvDesc&, const void* x, const void* w, const void* bias, Activation, void* y);
void conv_backward_input_general(const ConvDesc&, const void* dy, const void* w, const void* bias, void* dx);
void conv_backward_weight_general(const ConvDesc&, const void* x, const void* dy, void* dw);

}  // namespace fl::cpu
