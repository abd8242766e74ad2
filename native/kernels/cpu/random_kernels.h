// The per-instruction-set loops behind random.h.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"

namespace fl::cpu {

struct RandomKernels {
  void (*refill)(uint32_t* state, uint32_t* out);  // the next 624 states and their tempered outputs
  // out = u * scale + from with one rounding; u from the low 24 (53) bits of each output (pair of outputs).
  void (*uniform_float)(const uint32_t* raw, float* out, int64_t n, float scale, float from);
  void (*uniform_double)(const uint32_t* raw, double* out, int64_t n, double scale, double from);
  // out = 1 where the 53 low bits of a pair are below `threshold`, else 0.
  void (*below)(const uint32_t* raw, uint8_t* out, int64_t n, uint64_t threshold);
  // Box-Muller on blocks of 16 uniforms in place; n is a multiple of 16.
  void (*normal_float)(float* data, int64_t n, float mean, float std);
};
FL_KERNEL_FAMILY(RandomKernels, random_kernels)

}  // namespace fl::cpu
