// The table of pointwise kernels, from the rows that the other pointwise sources define.
#include "kernels/cpu/pointwise_loop.h"

namespace fl::cpu::FL_ISA {

extern const Row cast_from[kDTypes];  // cast.isa.cpp

#define FL_X(name, result, ns) unary_##name.loop,
#define FL_Y(name, result, ns) binary_##name.loop,
#define FL_Z(name, result, ns) ternary_##name.loop,
constinit const PointwiseKernels pointwise_kernels = {
    {FL_UNARY_OPS(FL_X)},
    {FL_BINARY_OPS(FL_Y)},
    {FL_TERNARY_OPS(FL_Z)},
    {cast_from[0].loop, cast_from[1].loop, cast_from[2].loop, cast_from[3].loop, cast_from[4].loop, cast_from[5].loop,
     cast_from[6].loop, cast_from[7].loop, cast_from[8].loop, cast_from[9].loop, cast_from[10].loop, cast_from[11].loop,
     cast_from[12].loop, cast_from[13].loop, cast_from[14].loop, cast_from[15].loop},
};

}  // namespace fl::cpu::FL_ISA
