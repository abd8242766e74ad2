// The slow paths of the allocator: new small blocks, and the caching best-fit list of large ones.
#include "memory/allocator.h"

#include <atomic>
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
bool allocations_counted = false;
int64_t live_storages = 0, live_tensors = 0, live_nodes = 0, storage_bytes = 0;

namespace {

// A thread that ends gives its small blocks back.
struct SmallCacheOwner {
  SmallCache* cache = nullptr;
  ~SmallCacheOwner() { drop(); }
  void drop() {
    small_cache = nullptr;
    if (!cache) return;
    for (auto& b : cache->bucket)
      while (b.n > 0) std::free(b.block[--b.n]);
    std::free(cache);
    cache = nullptr;
  }
};
thread_local SmallCacheOwner t_owner;
std::atomic<int64_t> g_fail_after{-1};

struct LargeCache {
  std::mutex lock;
  std::multimap<size_t, void*> free;  // by size: best fit
  int64_t allocated = 0, peak = 0, cached = 0, limit = 0;
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

[[noreturn]] void out_of_memory(size_t nbytes, const LargeCache& c) {
  fail(ErrorKind::OutOfMemory, "allocator: not enough memory: you tried to allocate ", nbytes, " bytes (in use ", c.allocated,
       ", limit ", c.limit ? std::to_string(c.limit) : std::string("none"), "); free tensors or use a smaller batch");
}

void release_all(LargeCache& c) {
  for (auto& [size, p] : c.free) std::free(p);
  c.free.clear();
  c.cached = 0;
}

void make_small_cache() {
  if (!allocations_counted) small_cache = t_owner.cache = static_cast<SmallCache*>(std::calloc(1, sizeof(SmallCache)));
}

}  // namespace

void fail_allocation_after(int64_t n) {
  g_fail_after = n;
  allocations_counted = n >= 0;
  if (allocations_counted) t_owner.drop();
}

void count_allocation_slow(size_t nbytes) {
  if (g_fail_after.load() >= 0 && g_fail_after.fetch_sub(1) == 0) out_of_memory(nbytes, large());
}

void* system_memory(size_t alignment, size_t nbytes) {
  void* p = std::aligned_alloc(alignment, nbytes);
  if (p) return p;
  empty_cache();
  p = std::aligned_alloc(alignment, nbytes);
  if (!p) out_of_memory(nbytes, large());
  return p;
}

void* allocate_slow(size_t nbytes) {
  count_allocation(nbytes);
  if (nbytes <= kSmallLimit) {
    if (!small_cache) make_small_cache();
    return system_memory(64, size_t(64) << small_bucket(nbytes));
  }
  size_t size = round_large(nbytes);
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  bool refuse = c.limit && c.allocated + int64_t(size) > c.limit;
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
  if (!p) out_of_memory(nbytes, c);
  c.allocated += int64_t(size);
  if (c.allocated > c.peak) c.peak = c.allocated;
  return p;
}

void deallocate_slow(void* p, size_t nbytes) {
  if (nbytes <= kSmallLimit) {
    if (!small_cache) make_small_cache();
    if (!small_cache) return std::free(p);
    auto& b = small_cache->bucket[small_bucket(nbytes)];
    if (b.n < SmallCache::kKeep) b.block[b.n++] = p;
    else std::free(p);
    return;
  }
  size_t size = round_large(nbytes);
  LargeCache& c = large();
  std::lock_guard<std::mutex> guard(c.lock);
  c.allocated -= int64_t(size);
  if (c.cached + int64_t(size) > c.keep) return std::free(p);
  c.cached += int64_t(size);
  try {
    c.free.emplace(size, p);
  } catch (const std::bad_alloc&) {  // no memory to remember the block
    c.cached -= int64_t(size);
    std::free(p);
  }
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

}  // namespace fl
