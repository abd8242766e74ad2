// The embeddings of index.h: indices checked, then the kernels of this processor.
#include "kernels/cpu/embedding.h"

namespace fl::cpu {
namespace {
BadIndex check_rows(const int64_t* index, int64_t n, int64_t rows) {
  int64_t step = 8;
  return check_index(1, &n, index, &step, rows, false);
}
}  // namespace

BadIndex embedding_renorm(DType type, void* weight, int64_t rows, int64_t width, int64_t row_stride,
                          const int64_t* index, int64_t n, double max_norm, double norm_type) {
  if (BadIndex bad = check_rows(index, n, rows)) return bad;
  embedding_kernels().renorm(type, weight, rows, width, row_stride, index, n, max_norm, norm_type);
  return {};
}

BadIndex embedding_backward(DType type, const void* grad, const int64_t* index, int64_t n, int64_t width, int64_t rows,
                            int64_t padding_index, bool scale_by_frequency, void* grad_weight) {
  if (BadIndex bad = check_rows(index, n, rows)) return bad;
  embedding_kernels().backward(type, grad, index, n, width, rows, padding_index, scale_by_frequency, grad_weight);
  return {};
}

BadIndex embedding_bag(DType type, const EmbeddingBag& bag, const void* weight, void* out, int64_t* bag_size,
                       int64_t* max_index) {
  if (BadIndex bad = check_rows(bag.index, bag.n, bag.rows)) return bad;
  embedding_kernels().bag(type, bag, weight, out, bag_size, max_index);
  return {};
}

void embedding_bag_backward(DType type, const EmbeddingBag& bag, const void* grad, const int64_t* max_index,
                            void* grad_weight) {
  embedding_kernels().bag_backward(type, bag, grad, max_index, grad_weight);
}

void embedding_bag_sample_backward(DType type, const EmbeddingBag& bag, const void* grad, const void* weight,
                                   void* grad_sample_weights) {
  embedding_kernels().bag_sample_backward(type, bag, grad, weight, grad_sample_weights);
}

}  // namespace fl::cpu
