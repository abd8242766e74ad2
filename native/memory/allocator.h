// Memory for tensors and the core's own small objects. Small blocks come from per-thread free lists by power of two; large ones from a
// caching best-fit list, because fresh pages cost several times more than the work done on them. All blocks are 64-byte aligned.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fl {

constexpr int kSmallBuckets = 11;  // 64 B ... 64 KiB
constexpr size_t kSmallLimit = size_t(64) << (kSmallBuckets - 1);

struct SmallCache {
  static constexpr int kKeep = 64;
  struct Bucket {
    int n;
    void* block[kKeep];
  } bucket[kSmallBuckets];
};

// Eight bytes of thread-local state: larger initial-exec TLS fails in a module loaded at run time.
extern thread_local SmallCache* small_cache __attribute__((tls_model("initial-exec")));  // made by the first slow call

constexpr int small_bucket(size_t n) { return n <= 64 ? 0 : 58 - __builtin_clzll(n - 1); }

void* allocate_slow(size_t nbytes);                 // throws OutOfMemory
void deallocate_slow(void* p, size_t nbytes);
void* system_memory(size_t alignment, size_t nbytes);  // for std::free; gives the cache back before it throws OutOfMemory

// For tests: the n-th allocation of any size from now fails; negative: never. While it counts, the calling thread keeps no small blocks.
void fail_allocation_after(int64_t n);
extern bool allocations_counted;
void count_allocation_slow(size_t nbytes);
inline void count_allocation(size_t nbytes) {
  if (__builtin_expect(allocations_counted, 0)) count_allocation_slow(nbytes);
}

// nbytes must be the same for allocate and deallocate.
inline void* allocate(size_t nbytes) {
  if (__builtin_expect(nbytes <= kSmallLimit, 1)) {
    SmallCache* c = small_cache;
    if (__builtin_expect(c != nullptr, 1)) {
      auto& b = c->bucket[small_bucket(nbytes)];
      if (__builtin_expect(b.n > 0, 1)) return b.block[--b.n];
    }
  }
  return allocate_slow(nbytes);
}
inline void deallocate(void* p, size_t nbytes) {
  if (__builtin_expect(nbytes <= kSmallLimit, 1)) {
    SmallCache* c = small_cache;
    if (__builtin_expect(c != nullptr, 1)) {
      auto& b = c->bucket[small_bucket(nbytes)];
      if (__builtin_expect(b.n < SmallCache::kKeep, 1)) {
        b.block[b.n++] = p;
        return;
      }
    }
  }
  deallocate_slow(p, nbytes);
}

struct MemoryStats {
  int64_t allocated;  // bytes of large blocks in use
  int64_t peak;       // highest value of `allocated` since the last reset
  int64_t cached;     // bytes of large blocks kept for reuse
  int64_t live_storages, live_tensors, live_nodes;  // objects alive, small ones included
  int64_t storage_bytes;
};
MemoryStats memory_stats();
void reset_peak_memory();
void empty_cache();
void set_memory_limit(int64_t nbytes);  // 0: none. Exceeding it is an OutOfMemory error

extern int64_t live_storages, live_tensors, live_nodes, storage_bytes;

}  // namespace fl
