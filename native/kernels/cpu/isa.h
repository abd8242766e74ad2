// One source, several instruction sets. A kernel family is a struct of function pointers; its source `X.isa.cpp` is compiled
// once per level with FL_ISA naming the namespace (v2, v3, v4; `base` off x86-64) and FL_VB the vector width in bytes, and defines
//     namespace fl::cpu::FL_ISA { extern const XKernels x_kernels; const XKernels x_kernels = {...}; }
// FL_KERNEL_FAMILY(XKernels, x_kernels) in the header declares all of them and the accessor `fl::cpu::x_kernels()`, which
// returns the table chosen for this processor.
//
// Rule for such sources: nothing inline from the standard library that is not always_inline or in an anonymous namespace /
// namespace FL_ISA may be emitted, or the linker could keep the AVX-512 copy for every processor.
#pragma once

namespace fl::cpu {

enum class Isa : int { Base = 0,
                       V2 = 1,
                       V3 = 2,
                       V4 = 3 };

Isa isa();               // the level in use: CPUID features, lowered by FLAMBEAU_ISA=v2|v3|v4
const char* isa_name();  // "v4"

// A build may leave levels out (FLAMBEAU_ISAS in CMake): FL_HAS_V2... say which it has, and the nearest lower one serves.
#if defined(__x86_64__)
#if defined(FL_HAS_V4)
#define FL_TABLE_V4(name) &v4::name
#elif defined(FL_HAS_V3)
#define FL_TABLE_V4(name) &v3::name
#else
#define FL_TABLE_V4(name) &v2::name
#endif
#if defined(FL_HAS_V3)
#define FL_TABLE_V3(name) &v3::name
#elif defined(FL_HAS_V2)
#define FL_TABLE_V3(name) &v2::name
#else
#define FL_TABLE_V3(name) &v4::name
#endif
#if defined(FL_HAS_V2)
#define FL_TABLE_V2(name) &v2::name
#else
#define FL_TABLE_V2(name) FL_TABLE_V3(name)
#endif
#define FL_KERNEL_FAMILY(Type, name)                                                                         \
  namespace v2 { extern const Type name; }                                                                   \
  namespace v3 { extern const Type name; }                                                                   \
  namespace v4 { extern const Type name; }                                                                   \
  inline const Type& name() {                                                                                \
    static const Type* chosen = isa() == Isa::V4 ? FL_TABLE_V4(name) : isa() == Isa::V3 ? FL_TABLE_V3(name)  \
                                                                                        : FL_TABLE_V2(name); \
    return *chosen;                                                                                          \
  }
#else
#define FL_KERNEL_FAMILY(Type, name)               \
  namespace base { extern const Type name; }       \
  inline const Type& name() { return base::name; }
#endif

}  // namespace fl::cpu
