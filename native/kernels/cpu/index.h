// Moving elements: strided copies, gather and scatter, advanced indexing, masks, nonzero, embeddings.
// All strides in bytes. Index values are int64. `item` is the element size in bytes: any of 1, 2, 4, 8, 16.
// Kernels that take indices check all of them before anything is written, but for the element-wise ones (gather, scatter,
// scatter_reduce with another index for every element): they check row by row, and rows before a bad one may be written.
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace fl::cpu {

constexpr int kMaxDims = 64;

// ---- Copies ----
// dst[i...] = src[i...], same item size. Strides of any sign, 0 in src broadcasts. Must not overlap unless identical.
void strided_copy(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
                  const int64_t* src_strides);
// dst[i...] = *value.
void strided_fill(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides,
                  const void* value);
// flip is a strided_copy from the last element with negated strides; cat is one strided_copy a piece. See also roll.
// roll by shifts[d] (any sign) along every dimension d; shifts 0 for the others.
void roll(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
          const int64_t* src_strides, const int64_t* shifts);
// tril (upper = false) or triu of the last two dimensions; zeros elsewhere. dst == src is allowed (same strides).
void triangle(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
              const int64_t* src_strides, int64_t diagonal, bool upper);

// ---- Indices ----
struct BadIndex {
  bool bad = false;
  int64_t value = 0;     // the first offending index value
  int64_t position = 0;  // its position in the index tensor, counted row-major
  int operand = 0;       // advanced indexing: which index tensor
  explicit operator bool() const { return bad; }
};
// The first index outside [0, bound), or outside [-bound, bound) with wrap.
BadIndex check_index(int ndim, const int64_t* sizes, const int64_t* index, const int64_t* index_strides, int64_t bound,
                     bool wrap);

// Indexing along one dimension. "self" is the tensor addressed through the index, "other" (result or source) has the
// index's shape.
//   element i... of other  <->  self at (i..., with i_dim replaced by index[i...])
// index_select, index_copy, index_add, index_fill, index_reduce have index_strides 0 except at dim, and sizes = those
// of `other`. A scalar source has other_strides all 0.
struct DimIndex {
  int ndim = 0;
  int dim = 0;
  const int64_t* sizes = nullptr;  // of index and other
  const int64_t* self_strides = nullptr;
  const int64_t* other_strides = nullptr;
  const int64_t* index = nullptr;
  const int64_t* index_strides = nullptr;
  int64_t bound = 0;  // self.size(dim)
  bool wrap = false;  // negative indices count from the end
};
enum class ScatterOp : uint8_t { Sum,
                                 Prod,
                                 Mean,
                                 Max,
                                 Min };

BadIndex gather(int64_t item, const DimIndex&, const void* self, void* out);
BadIndex scatter(int64_t item, const DimIndex&, void* self, const void* source);  // of equal indices the last wins
// self[...] = self[...] op source[...]; in order, so deterministic. Sum: every type (Bool: or), source multiplied by
// alpha (index_add; null: 1; else one element of the type). Prod: every type. Mean: integers divide with floor. Max,
// Min: not complex, NaN wins. include_self = false: elements that are hit start from the identity.
BadIndex scatter_reduce(DType, ScatterOp, const DimIndex&, void* self, const void* source, bool include_self = true,
                        const void* alpha = nullptr);

// Advanced indexing. The result (or the values to put) has ndim dimensions, those of the broadcast indices being the
// adjacent range [index_begin, index_end); the others are self's remaining dimensions in order.
struct AdvancedIndex {
  int ndim = 0;
  const int64_t* sizes = nullptr;          // of the result
  const int64_t* self_strides = nullptr;   // per result dimension; ignored (0) in the index range
  const int64_t* other_strides = nullptr;  // of the result or values; 0 broadcasts values
  int index_begin = 0, index_end = 0;
  int count = 0;                                  // index tensors
  const int64_t* const* index = nullptr;          // [count] base pointers
  const int64_t* const* index_strides = nullptr;  // [count][index_end - index_begin]
  const int64_t* bound = nullptr;                 // [count] size of self in the dimension that tensor indexes
  const int64_t* step = nullptr;                  // [count] stride of self in that dimension
};
BadIndex index_get(int64_t item, const AdvancedIndex&, const void* self, void* out);
BadIndex index_put(int64_t item, const AdvancedIndex&, void* self, const void* values);
BadIndex index_put_accumulate(DType, const AdvancedIndex&, void* self, const void* values);  // in order of the values

// take/put: n flat indices into a tensor of any strides counted row-major; index, out and source contiguous. Negative
// wraps.
BadIndex take(int64_t item, int ndim, const int64_t* sizes, const int64_t* strides, const void* self,
              const int64_t* index, int64_t n, void* out);
BadIndex put(DType, int ndim, const int64_t* sizes, const int64_t* strides, void* self, const int64_t* index, int64_t n,
             const void* source, bool accumulate);

// ---- Masks ----
// Masks are bool tensors broadcast to `sizes` by their strides.
void masked_fill(int64_t item, int ndim, const int64_t* sizes, void* self, const int64_t* self_strides,
                 const bool* mask, const int64_t* mask_strides, const void* value);
int64_t count_true(int ndim, const int64_t* sizes, const bool* mask, const int64_t* mask_strides);
// out: contiguous, count_true elements.
void masked_select(int64_t item, int ndim, const int64_t* sizes, const void* self, const int64_t* self_strides,
                   const bool* mask, const int64_t* mask_strides, void* out);
// source: contiguous, at least count_true elements (the caller checks).
void masked_scatter(int64_t item, int ndim, const int64_t* sizes, void* self, const int64_t* self_strides,
                    const bool* mask, const int64_t* mask_strides, const void* source);
// Elements that are not zero (NaN is not zero).
int64_t count_nonzero(DType, int ndim, const int64_t* sizes, const void* data, const int64_t* strides);
// Coordinates of the non-zero elements in row-major order: out[k * row_stride + d * column_stride] (bytes), k < limit.
void nonzero(DType, int ndim, const int64_t* sizes, const void* data, const int64_t* strides, int64_t* out,
             int64_t row_stride, int64_t column_stride, int64_t limit);

// ---- Embeddings ----
// Forward of F.embedding is gather (index_select) of rows. F.embedding's max_norm: renorm of the rows used, in place.
// index: n contiguous. weight: rows of width elements, element-contiguous, row_stride bytes apart.
BadIndex embedding_renorm(DType, void* weight, int64_t rows, int64_t width, int64_t row_stride, const int64_t* index,
                          int64_t n, double max_norm, double norm_type);
// grad: n rows of width, contiguous. grad_weight: `rows` rows, contiguous, written whole. padding_index: skipped (-1:
// none).
BadIndex embedding_backward(DType, const void* grad, const int64_t* index, int64_t n, int64_t width, int64_t rows,
                            int64_t padding_index, bool scale_by_frequency, void* grad_weight);

enum class BagMode : uint8_t { Sum,
                               Mean,
                               Max };
struct EmbeddingBag {
  BagMode mode = BagMode::Sum;
  int64_t rows = 0, width = 0;     // of weight (contiguous)
  const int64_t* index = nullptr;  // n, contiguous
  int64_t n = 0;
  const int64_t* offsets = nullptr;  // bags + 1 entries (the caller appends n where it was not included)
  int64_t bags = 0;
  const void* sample_weights = nullptr;  // n of the type, Sum only; or null
  int64_t padding_index = -1;
  bool scale_by_frequency = false;
};
// out: bags x width. bag_size (may be null): members not padding. max_index: bags x width for Max (else null), -1 in an
// empty bag.
BadIndex embedding_bag(DType, const EmbeddingBag&, const void* weight, void* out, int64_t* bag_size,
                       int64_t* max_index);
// grad: bags x width. grad_weight: rows x width, written whole; Max uses max_index of the forward.
void embedding_bag_backward(DType, const EmbeddingBag&, const void* grad, const int64_t* max_index, void* grad_weight);
// Gradient of sample_weights: n elements.
void embedding_bag_sample_backward(DType, const EmbeddingBag&, const void* grad, const void* weight,
                                   void* grad_sample_weights);

}  // namespace fl::cpu
