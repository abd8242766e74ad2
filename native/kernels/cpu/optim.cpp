// Splits a list of parameters into pieces of equal size for the threads and calls the optimiser kernels on them.
#include "kernels/cpu/optim.h"

#include <algorithm>

#include "base/parallel.h"

namespace fl::cpu {

template <class Step>
static void for_pieces(const Step& step, void (*kernel)(const Step&, int64_t, int64_t, int64_t),
                       double ns_per_element) {
  const ParamList& list = step.list;
  int64_t total = 0;
  for (int64_t t = 0; t < list.count; t++) total += list.sizes[t];
  // The tensors are one long line of elements, cut anywhere: every element is computed alone.
  parallel_for(total, ns_per_element, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t t = 0; t < list.count && start < end; t++) {
      int64_t from = std::max(begin, start), to = std::min(end, start + list.sizes[t]);
      if (from < to) kernel(step, t, from - start, to - from);
      start += list.sizes[t];
    }
  });
}

void sgd_step(DType dtype, const SgdStep& step) { for_pieces(step, optim_kernels().sgd[dtype == DType::Float64], 0.3); }
void adam_step(DType dtype, const AdamStep& step) {
  for_pieces(step, optim_kernels().adam[dtype == DType::Float64], 0.8);
}
void rmsprop_step(DType dtype, const RmspropStep& step) {
  for_pieces(step, optim_kernels().rmsprop[dtype == DType::Float64], 0.8);
}
void adagrad_step(DType dtype, const AdagradStep& step) {
  for_pieces(step, optim_kernels().adagrad[dtype == DType::Float64], 0.6);
}

}  // namespace fl::cpu
