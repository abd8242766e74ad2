// The thread pool: parallel_for splits a range over the processors; its grain is estimated time, not elements.
#pragma once
#include <cstdint>
#include <type_traits>

namespace fl {

int num_threads();          // threads a parallel_for may use: the affinity mask and cgroup quota, or what was set
void set_num_threads(int);  // exact; 1 means no worker at all

using RangeFn = void (*)(void* context, int64_t begin, int64_t end);
// Calls fn on disjoint contiguous ranges that cover [0, n). Serial when n * ns_per_item is too little to share, inside another
// parallel region, or with one thread. What fn throws reaches the caller once the ranges under way have ended; those not begun are
// left out. Long work is cut into ranges of some 50 ms, between which Ctrl-C is seen. How n is cut must never change a result.
void parallel_for_raw(int64_t n, double ns_per_item, RangeFn fn, void* context);

template <class F>
inline void parallel_for(int64_t n, double ns_per_item, F&& f) {
  parallel_for_raw(n, ns_per_item, [](void* c, int64_t b, int64_t e) {
    (*(std::remove_reference_t<F>*)c)(b, e);
  },
                   (void*)&f);
}

}  // namespace fl
