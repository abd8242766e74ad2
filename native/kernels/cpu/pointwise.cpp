// Parts of the pointwise kernels that do not depend on the instruction set: strided operands, the division-by-zero
// flag.
#include "kernels/cpu/pointwise.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace fl::cpu {

static std::atomic<bool> division_by_zero{false};

void note_division_by_zero() { division_by_zero.store(true, std::memory_order_relaxed); }
bool take_division_by_zero() {
  return division_by_zero.load(std::memory_order_relaxed) && division_by_zero.exchange(false);
}

template <int size>
static void copy_strided(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  for (int64_t i = 0; i < n; i++) std::memcpy(to + i * to_stride, from + i * from_stride, size);
}
static void copy_strided(int size, char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  switch (size) {
    case 1: return copy_strided<1>(to, to_stride, from, from_stride, n);
    case 2: return copy_strided<2>(to, to_stride, from, from_stride, n);
    case 4: return copy_strided<4>(to, to_stride, from, from_stride, n);
    case 8: return copy_strided<8>(to, to_stride, from, from_stride, n);
    case 16: return copy_strided<16>(to, to_stride, from, from_stride, n);
  }
}

void strided_loop(Loop loop, int inputs, const uint8_t* sizes, int64_t n, char* const* ptrs, const int64_t* strides,
                  const void* params) {
  constexpr int64_t block = 256;
  alignas(64) char buffers[4][block * 16];
  char* block_ptrs[4];
  int64_t block_strides[4];
  for (int64_t begin = 0; begin < n; begin += block) {
    int64_t count = std::min(block, n - begin);
    for (int k = 0; k <= inputs; k++) {
      char* at = ptrs[k] + begin * strides[k];
      bool direct = strides[k] == sizes[k] || (k > 0 && strides[k] == 0);
      block_ptrs[k] = direct ? at : buffers[k];
      block_strides[k] = direct ? strides[k] : sizes[k];
      if (!direct && k > 0) copy_strided(sizes[k], buffers[k], sizes[k], at, strides[k], count);
    }
    loop(count, block_ptrs, block_strides, params);
    if (block_ptrs[0] == buffers[0])
      copy_strided(sizes[0], ptrs[0] + begin * strides[0], strides[0], buffers[0], sizes[0], count);
  }
}

}  // namespace fl::cpu
