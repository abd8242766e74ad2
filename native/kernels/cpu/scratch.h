// Per-thread scratch memory of the kernels: a few slots that grow and are kept until the thread ends.
#pragma once
#include <cstddef>

namespace fl::cpu {

// What a slot is used for; one kernel may hold several at a time, and kernels that call each other use different ones.
enum class Scratch { Pack,
                     Convert,
                     Input,
                     Output,
                     Gradient,
                     Weight,
                     Count };

// At least `bytes` bytes, 64-byte aligned, uninitialised, with 256 readable bytes behind. Valid until this thread asks
// the same slot again.
void* scratch(Scratch slot, size_t bytes);

}  // namespace fl::cpu
