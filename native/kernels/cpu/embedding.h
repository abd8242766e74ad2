// The per-instruction-set table behind the embeddings of index.h. Indices are checked.
#pragma once
#include "kernels/cpu/index.h"
#include "kernels/cpu/isa.h"

namespace fl::cpu {

struct EmbeddingKernels {
  void (*backward)(DType, const void* grad, const int64_t* index, int64_t n, int64_t width, int64_t rows,
                   int64_t padding_index, bool scale_by_frequency, void* grad_weight);
  void (*bag)(DType, const EmbeddingBag&, const void* weight, void* out, int64_t* bag_size, int64_t* max_index);
  void (*bag_backward)(DType, const EmbeddingBag&, const void* grad, const int64_t* max_index, void* grad_weight);
  void (*bag_sample_backward)(DType, const EmbeddingBag&, const void* grad, const void* weight,
                              void* grad_sample_weights);
  void (*renorm)(DType, void* weight, int64_t rows, int64_t width, int64_t row_stride, const int64_t* index, int64_t n,
                 double max_norm, double norm_type);
};
FL_KERNEL_FAMILY(EmbeddingKernels, embedding_kernels)

}  // namespace fl::cpu
