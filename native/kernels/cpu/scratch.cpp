// Per-thread scratch memory. Large slots sit on huge pages, which makes their first touch several times cheaper.
#include "kernels/cpu/scratch.h"

#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernels/cpu/heap.h"
#include "memory/allocator.h"

namespace fl::cpu {
namespace {

struct Slot {
  void* data = nullptr;
  size_t size = 0;
  ~Slot() { std::free(data); }
};

struct Slots {
  Slot slot[int(Scratch::Count)];
};

thread_local Slots t_slots;

}  // namespace

void* heap_take(size_t nbytes) { return allocate(nbytes); }
void heap_give(void* p, size_t nbytes) { deallocate(p, nbytes); }

void* scratch(Scratch which, size_t bytes) {
  count_allocation(bytes);
  Slot& slot = t_slots.slot[int(which)];
  if (__builtin_expect(bytes + 256 > slot.size, 0)) {
    constexpr size_t huge = size_t(2) << 20;
    size_t align = bytes >= huge ? huge : 4096, size = (bytes + 256 + bytes / 8 + align - 1) / align * align;
    std::free(slot.data);
    slot.size = 0;
    slot.data = nullptr;
    slot.data = system_memory(align, size);
#if defined(__linux__)
    if (align == huge) madvise(slot.data, size, MADV_HUGEPAGE);
#endif
    slot.size = size;
  }
  return slot.data;
}

}  // namespace fl::cpu
