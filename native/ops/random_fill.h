// Filling tensors of any strides from a generator, in the order of their memory.
#pragma once
#include "base/interrupt.h"
#include "kernels/cpu/random.h"
#include "ops/dim_index.h"
#include "ops/factory.h"
#include "ops/random_source.h"

namespace fl::ops {

// The strides of a dense tensor with the dimensions of `t` in the order they have in memory.
Dims memory_order(const Tensor& t);
// fill(bytes, n) writes n elements that lie together; they go to t in the order of its memory. The interpreter stays locked: that is
// what keeps two threads from drawing from one generator at a time.
template <class F>
void fill_in_order(const Tensor& t, F fill) {
  if (no_work(t)) return;
  Interruptible stop(double(t.numel()) * 2);
  if (is_dense(t.sizes(), t.strides())) return fill(t.bytes(), t.numel());
  Tensor dense = empty_strided(t.sizes(), memory_order(t), t.dtype());
  fill(dense.bytes(), t.numel());
  copy_values(t, dense);
}
[[noreturn]] void no_kernel(const char* kernel, DType t);
// normal_(mean, std), uniform_(from, to) and random_(from, to) with their checks.
void draw_normal(const Tensor& t, double mean, double std, Generator& g);
void draw_uniform(const Tensor& t, double from, double to, Generator& g);
void draw_integers(const Tensor& t, int64_t from, int64_t to, Generator& g);

}  // namespace fl::ops
