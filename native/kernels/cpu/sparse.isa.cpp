// Sparse matrix times dense matrix, and the elements of a dense product at given coordinates. A run of elements of one row is summed in
// registers, a block of columns at a time. Threads take ranges of rows where rows are sorted, blocks of columns otherwise.
#include "kernels/cpu/sparse.h"

#include "base/parallel.h"
#include "kernels/cpu/simd.h"

namespace fl::cpu::FL_ISA {
namespace {

// Elements [begin, end) on one block of columns: B whole vectors, or the `bytes` of one that is cut.
template <class T, int B>
void block(const SparseProduct& s, const T* value, const T* dense, T* out, int64_t begin, int64_t end, int64_t bytes) {
  using V = Vec<T>;
  constexpr int64_t kLanes = int64_t(sizeof(V) / sizeof(T));
  bool part = B == 1 && bytes != int64_t(sizeof(V));
  for (int64_t k = begin; k < end;) {
    int64_t r = s.row[k];
    T* to = out + r * s.width;
    V sum[B];
    for (int i = 0; i < B; i++) sum[i] = part ? load_part<V>(to, bytes) : load<V>(to + i * kLanes);
    do {
      const T* from = dense + s.column[k] * s.dense_stride;
      if (k + 8 < end) __builtin_prefetch(dense + s.column[k + 8] * s.dense_stride);
      V v = splat<V>(value[k]);
      for (int i = 0; i < B; i++) sum[i] += v * (part ? load_part<V>(from, bytes) : load<V>(from + i * kLanes));
    } while (++k < end && s.row[k] == r);
    for (int i = 0; i < B; i++) {
      if (part) store_part(to, sum[i], bytes);
      else store(to + i * kLanes, sum[i]);
    }
  }
}

// Elements [begin, end) on columns [left, right).
template <class T>
void columns(const SparseProduct& s, const T* value, const T* dense, T* out, int64_t begin, int64_t end, int64_t left, int64_t right) {
  constexpr int64_t kLanes = FL_VB / int64_t(sizeof(T));
  int64_t j = left;
  for (; j + 4 * kLanes <= right; j += 4 * kLanes) block<T, 4>(s, value, dense + j, out + j, begin, end, FL_VB);
  for (; j + kLanes <= right; j += kLanes) block<T, 1>(s, value, dense + j, out + j, begin, end, FL_VB);
  if (j < right) block<T, 1>(s, value, dense + j, out + j, begin, end, (right - j) * int64_t(sizeof(T)));
}

// One column: a sparse matrix times a vector.
template <class T>
void single(const SparseProduct& s, const T* value, const T* dense, T* out, int64_t begin, int64_t end) {
  for (int64_t k = begin; k < end;) {
    int64_t r = s.row[k];
    T sum = out[r];
    do {
      sum += value[k] * dense[s.column[k] * s.dense_stride];
    } while (++k < end && s.row[k] == r);
    out[r] = sum;
  }
}

template <class T>
void product_of(const SparseProduct& s, const void* value_, const void* dense_, void* out_) {
  const T *value = (const T*)value_, *dense = (const T*)dense_;
  T* out = (T*)out_;
  double ns = 2 + 0.12 * double(s.width);
  if (s.sorted) {  // a range begins where a row does: no row is shared
    fl::parallel_for(s.count, ns, [&](int64_t begin, int64_t end) {
      while (begin > 0 && begin < s.count && s.row[begin] == s.row[begin - 1]) begin++;
      while (end < s.count && end > 0 && s.row[end] == s.row[end - 1]) end++;
      if (begin >= end) return;
      if (s.width == 1) single(s, value, dense, out, begin, end);
      else columns(s, value, dense, out, begin, end, 0, s.width);
    });
  } else if (s.width == 1) {
    single(s, value, dense, out, 0, s.count);
  } else {
    constexpr int64_t kBlock = FL_VB / int64_t(sizeof(T));
    int64_t blocks = (s.width + kBlock - 1) / kBlock;
    fl::parallel_for(blocks, ns * double(s.count) * double(kBlock) / double(s.width), [&](int64_t begin, int64_t end) {
      int64_t right = end * kBlock < s.width ? end * kBlock : s.width;
      columns(s, value, dense, out, 0, s.count, begin * kBlock, right);
    });
  }
}

template <class T>
void sampled_of(const SampledProduct& s, const void* a_, const void* b_, void* out_) {
  using V = Vec<T>;
  constexpr int64_t kLanes = int64_t(sizeof(V) / sizeof(T));
  const T *a = (const T*)a_, *b = (const T*)b_;
  T* out = (T*)out_;
  fl::parallel_for(s.count, 2 + 0.12 * double(s.width), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const T *x = a + s.row[k] * s.a_stride, *y = b + s.column[k] * s.b_stride;
      V sum = V{}, more = V{};
      int64_t j = 0;
      for (; j + 2 * kLanes <= s.width; j += 2 * kLanes) {
        sum += load<V>(x + j) * load<V>(y + j);
        more += load<V>(x + j + kLanes) * load<V>(y + j + kLanes);
      }
      for (; j + kLanes <= s.width; j += kLanes) sum += load<V>(x + j) * load<V>(y + j);
      if (j < s.width) {
        int64_t bytes = (s.width - j) * int64_t(sizeof(T));
        more += load_part<V>(x + j, bytes) * load_part<V>(y + j, bytes);
      }
      sum += more;
      T total = 0;
      for (int i = 0; i < int(kLanes); i++) total += sum[i];
      out[k] = total;
    }
  });
}

// Threads take blocks of columns: a row may come several times.
template <class T>
void add_rows_of(const AddRows& s, const void* value_, void* self_) {
  const T* value = (const T*)value_;
  T *self = (T*)self_, alpha = T(s.alpha);
  constexpr int64_t kBlock = 256 / int64_t(sizeof(T));
  fl::parallel_for((s.width + kBlock - 1) / kBlock, (2 + 0.1 * double(kBlock)) * double(s.count), [&](int64_t begin, int64_t end) {
    int64_t left = begin * kBlock, right = end * kBlock < s.width ? end * kBlock : s.width;
    for (int64_t k = 0; k < s.count; k++) {
      T* to = self + s.row[k] * s.width;
      const T* from = value + k * s.width;
      for (int64_t j = left; j < right; j++) {
        if constexpr (sizeof(T) == 4) to[j] = __builtin_fmaf(alpha, from[j], to[j]);
        else to[j] = __builtin_fma(alpha, from[j], to[j]);
      }
    }
  });
}

void add_rows(DType type, const AddRows& s, const void* value, void* self) {
  if (type == DType::Float64) add_rows_of<double>(s, value, self);
  else add_rows_of<float>(s, value, self);
}
void product(DType type, const SparseProduct& s, const void* value, const void* dense, void* out) {
  if (type == DType::Float64) product_of<double>(s, value, dense, out);
  else product_of<float>(s, value, dense, out);
}
void sampled(DType type, const SampledProduct& s, const void* a, const void* b, void* out) {
  if (type == DType::Float64) sampled_of<double>(s, a, b, out);
  else sampled_of<float>(s, a, b, out);
}

}  // namespace

extern const SparseKernels sparse_kernels;
const SparseKernels sparse_kernels = {product, sampled, add_rows};

}  // namespace fl::cpu::FL_ISA
