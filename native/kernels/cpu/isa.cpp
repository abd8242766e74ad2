// Which instruction set the kernels use: read from CPUID once, lowered by the environment.
#include "kernels/cpu/isa.h"

#include <cstdlib>
#include <cstring>

namespace fl::cpu {

static Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  Isa best = Isa::V2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) best = Isa::V3;
  if (best == Isa::V3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"))
    best = Isa::V4;
  if (const char* want = std::getenv("FLAMBEAU_ISA")) {
    Isa asked = !std::strcmp(want, "v2") ? Isa::V2 : !std::strcmp(want, "v3") ? Isa::V3
                                                                              : Isa::V4;
    if (asked < best) best = asked;
  }
  return best;
#else
  return Isa::Base;
#endif
}

Isa isa() {
  static const Isa level = detect();
  return level;
}

const char* isa_name() {
  static const char* const names[] = {"base", "v2", "v3", "v4"};
  return names[int(isa())];
}

}  // namespace fl::cpu
