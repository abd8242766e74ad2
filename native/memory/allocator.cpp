// The slow paths of the allocator: new small blocks, and the caching best-fit list of large ones.
#include "memory/allocator.h"

#include <cstdlib>
#include <map>
#include <mutex>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#include <unistd.h>

#include "base/error.h"

namespace fl {

thread_local SmallCache* small_cache __attribute__((tls_model("initial-exec"))) = nullptr;
int64_t live_storages = 0, live_tensors = 0, live_nodes = 0, storage_bytes = 0;

namespace {

// A thread that ends gives its small blocks back.
struct SmallCacheOwner {
  SmallCache* cache = nullptr;
  ~SmallCacheOwner() {
    small_cache = nullptr;
    if (!cache) return;
    for (auto& b : cache->bucket)
      while (b.n > 0) std::free(b.block[--b.n]);
    std::free(cache);
  }
};

struct LargeCache {
  std::mutex lock;
  std::multimap<size_t, void*> free;  // by size: best fit
  int64_t allocated = 0, peak = 0, cached = 0, limit = 0, fail_after = -1;
  int64_t keep = 0;                   // cached bytes kept at most

  LargeCache() {
    int64_t memory = int64_t(sysconf(_SC_PHYS_PAGES)) * int64_t(sysconf(_SC_PAGESIZE));
    keep = memory / 4;
  }
};

LargeCache& large() {
  static LargeCache* cache = new LargeCache;  // never destroyed: tensors may die after static destructors ran
  return *cache;
}

constexpr size_t kHuge = size_t(2) << 20;

// Eight steps per power of two below 1 MiB, multiples of 2 MiB above: few distinct sizes, little waste.
size_t round_large(size_t n) {
  if (n > (size_t(1) << 62)) return n;
  if (n >= (size_t(1) << 20)) return (n + kHuge - 1) & ~(kHuge - 1);
  size_t step = (size_t(1) << (63 - __builtin_clzll(n))) / 8;
  return (n + step - 1) & ~(step - 1);
}

void release_all(LargeCache& c) {
  for (auto& [size, p] : c.free) std::free(p);
  c.free.clear();
  c.cached = 0;
}

}  // namespace

SmallCache* make_small_cache() {
  static thread_local SmallCacheOwner owner;
  owner.cache = static_cast<SmallCache*>(std::calloc(1, sizeof(SmallCache)));
  if (!owner.cache) fail(ErrorKind::OutOfMemory, "allocator: out of memory");
  return small_cache = owner.cache;
}

void* allocate_slow(size_t nbytes) {
  if (nbytes <= kSmallLimit) {
    void* p = std::aligned_alloc(64, size_t(64) << small_bucket(nbytes));
    if (!p) fail(ErrorKind::OutOfMemory, "allocator: out of memory (tried to allocate ", nbytes, " bytes)");
    return p;
  }
  size_t size = round_large(nbytes);
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  bool refuse = (c.limit && c.allocated + int64_t(size) > c.limit) || (c.fail_after >= 0 && c.fail_after-- == 0);
  void* p = nullptr;
  if (!refuse) {
    auto it = c.free.lower_bound(size);
    if (it != c.free.end() && it->first == size) {
      p = it->second;
      c.cached -= int64_t(size);
      c.free.erase(it);
    } else if (size >= nbytes && size < (size_t(1) << 62)) {
      size_t align = size >= kHuge ? kHuge : 64;
      p = std::aligned_alloc(align, size);
      if (!p && !c.free.empty()) {  // give the cache back and try once more
        release_all(c);
        p = std::aligned_alloc(align, size);
      }
#if defined(__linux__)
      if (p && size >= kHuge) madvise(p, size, MADV_HUGEPAGE);
#endif
    }
  }
  if (!p)
    fail(ErrorKind::OutOfMemory, "allocator: not enough memory: you tried to allocate ", nbytes, " bytes (in use ", c.allocated,
         ", limit ", c.limit ? std::to_string(c.limit) : std::string("none"), "); free tensors or use a smaller batch");
  c.allocated += int64_t(size);
  if (c.allocated > c.peak) c.peak = c.allocated;
  return p;
}

void deallocate_slow(void* p, size_t nbytes) {
  if (nbytes <= kSmallLimit) return std::free(p);
  size_t size = round_large(nbytes);
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  c.allocated -= int64_t(size);
  if (c.cached + int64_t(size) > c.keep) return std::free(p);
  c.cached += int64_t(size);
  c.free.emplace(size, p);
}

MemoryStats memory_stats() {
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  return {c.allocated, c.peak, c.cached, live_storages, live_tensors, live_nodes, storage_bytes};
}
void reset_peak_memory() {
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  c.peak = c.allocated;
}
void empty_cache() {
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  release_all(c);
}
void set_memory_limit(int64_t nbytes) { large().limit = nbytes; }
void fail_allocation_after(int64_t n) { large().fail_after = n; }

}  // namespace fl
