// Embedding rows: gradient of the table, bags of rows (sum, mean, max) and their gradients, and renormalisation.
#include <cstdlib>
#include <cstring>

#include "base/parallel.h"
#include "kernels/cpu/embedding.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/wide.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class W, class T>
FL_LOCAL void add_row(W* __restrict to, const T* __restrict from, int64_t n, W scale) {
  for (int64_t i = 0; i < n; i++) to[i] += get(from[i]) * scale;
}

template <class T>
struct Scratch {
  HeapArray<T> memory;
  T* data;
  explicit Scratch(int64_t n) : memory(n), data(memory.data) { std::memset((void*)data, 0, size_t(n > 0 ? n : 0) * sizeof(T)); }
};

// Positions of each row's occurrences, in order: bucket r is order[start[r] .. start[r + 1]).
struct Buckets {
  Scratch<int64_t> start, order;
  Buckets(const int64_t* index, int64_t n, int64_t rows) : start(rows + 2), order(n) {
    int64_t* s = start.data;
    for (int64_t i = 0; i < n; i++) s[index[i] + 2]++;
    for (int64_t r = 2; r < rows + 2; r++) s[r] += s[r - 1];
    for (int64_t i = 0; i < n; i++) order.data[s[index[i] + 1]++] = i;
  }
};

void backward(DType type, const void* grad_, const int64_t* index, int64_t n, int64_t width, int64_t rows,
              int64_t padding, bool by_frequency, void* out_) {
  Buckets buckets(index, n, rows);
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T* grad = (const T*)grad_;
    T* out = (T*)out_;
    double ns = (0.3 * double(width) + 2) * (1 + double(n) / double(rows ? rows : 1));
    fl::parallel_for(rows, ns, [&](int64_t begin, int64_t end) {
      Scratch<W> sum(width);
      for (int64_t r = begin; r < end; r++) {
        int64_t a = buckets.start.data[r], b = buckets.start.data[r + 1];
        if (a == b || r == padding) {
          std::memset((void*)(out + r * width), 0, size_t(width) * sizeof(T));
          continue;
        }
        for (int64_t i = 0; i < width; i++) sum.data[i] = 0;
        W scale = by_frequency ? W(1) / W(b - a) : W(1);
        for (int64_t k = a; k < b; k++) add_row(sum.data, grad + buckets.order.data[k] * width, width, scale);
        for (int64_t i = 0; i < width; i++) put(out[r * width + i], sum.data[i]);
      }
    });
  });
}

void bag(DType type, const EmbeddingBag& x, const void* weight_, void* out_, int64_t* bag_size, int64_t* max_index) {
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T *weight = (const T*)weight_, *per_sample = (const T*)x.sample_weights;
    T* out = (T*)out_;
    double ns = (0.2 * double(x.width) + 3) * (1 + double(x.n) / double(x.bags ? x.bags : 1));
    fl::parallel_for(x.bags, ns, [&](int64_t begin, int64_t end) {
      Scratch<W> sum(x.width);
      for (int64_t b = begin; b < end; b++) {
        int64_t members = 0;
        for (int64_t i = 0; i < x.width; i++) sum.data[i] = 0;
        if (x.mode == BagMode::Max)
          for (int64_t i = 0; i < x.width; i++) max_index[b * x.width + i] = -1;
        for (int64_t k = x.offsets[b]; k < x.offsets[b + 1]; k++) {
          int64_t row = x.index[k];
          if (row == x.padding_index) continue;
          const T* from = weight + row * x.width;
          if (x.mode == BagMode::Max) {
            int64_t* at = max_index + b * x.width;
            for (int64_t i = 0; i < x.width; i++) {
              W v = get(from[i]);
              bool better = members == 0 || v > sum.data[i];
              sum.data[i] = better ? v : sum.data[i];
              at[i] = better ? row : at[i];
            }
          } else {
            add_row(sum.data, from, x.width, per_sample ? W(get(per_sample[k])) : W(1));
          }
          members++;
        }
        if (bag_size) bag_size[b] = members;
        W divide = x.mode == BagMode::Mean && members ? W(members) : W(1);
        for (int64_t i = 0; i < x.width; i++) put(out[b * x.width + i], sum.data[i] / divide);
      }
    });
  });
}

void bag_backward(DType type, const EmbeddingBag& x, const void* grad_, const int64_t* max_index, void* out_) {
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T *grad = (const T*)grad_, *per_sample = (const T*)x.sample_weights;
    T* out = (T*)out_;
    if (x.mode == BagMode::Max) {
      Scratch<W> sum(x.rows * x.width);
      for (int64_t b = 0; b < x.bags; b++)
        for (int64_t i = 0; i < x.width; i++) {
          int64_t row = max_index[b * x.width + i];
          if (row >= 0) sum.data[row * x.width + i] += get(grad[b * x.width + i]);
        }
      for (int64_t i = 0; i < x.rows * x.width; i++) put(out[i], sum.data[i]);
      return;
    }
    Buckets buckets(x.index, x.n, x.rows);
    Scratch<int64_t> bag_of(x.n), members(x.bags);
    for (int64_t b = 0; b < x.bags; b++)
      for (int64_t k = x.offsets[b]; k < x.offsets[b + 1]; k++) {
        bag_of.data[k] = b;
        members.data[b] += x.index[k] != x.padding_index;
      }
    double ns = (0.3 * double(x.width) + 2) * (1 + double(x.n) / double(x.rows ? x.rows : 1));
    fl::parallel_for(x.rows, ns, [&](int64_t begin, int64_t end) {
      Scratch<W> sum(x.width);
      for (int64_t r = begin; r < end; r++) {
        int64_t first = buckets.start.data[r], last = buckets.start.data[r + 1];
        for (int64_t i = 0; i < x.width; i++) sum.data[i] = 0;
        for (int64_t k = first; k < last && r != x.padding_index; k++) {
          int64_t at = buckets.order.data[k], b = bag_of.data[at];
          W scale = 1;
          if (per_sample) scale = get(per_sample[at]);
          if (x.scale_by_frequency) scale /= W(last - first);
          if (x.mode == BagMode::Mean) scale /= W(members.data[b]);
          add_row(sum.data, grad + b * x.width, x.width, scale);
        }
        for (int64_t i = 0; i < x.width; i++) put(out[r * x.width + i], sum.data[i]);
      }
    });
  });
}

void bag_sample_backward(DType type, const EmbeddingBag& x, const void* grad_, const void* weight_, void* out_) {
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T *grad = (const T*)grad_, *weight = (const T*)weight_;
    for (int64_t b = 0; b < x.bags; b++)
      for (int64_t k = x.offsets[b]; k < x.offsets[b + 1]; k++) {
        W sum = 0;
        const T *g = grad + b * x.width, *w = weight + x.index[k] * x.width;
        if (x.index[k] != x.padding_index)
          for (int64_t i = 0; i < x.width; i++) sum += W(get(g[i])) * W(get(w[i]));
        put(((T*)out_)[k], sum);
      }
  });
}

void renorm(DType type, void* weight_, int64_t rows, int64_t width, int64_t row_stride, const int64_t* index, int64_t n,
            double max_norm, double norm_type) {
  Scratch<uint8_t> done(rows);
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    for (int64_t k = 0; k < n; k++) {
      if (done.data[index[k]]++) {
        done.data[index[k]] = 1;
        continue;
      }
      T* row = (T*)((char*)weight_ + index[k] * row_stride);
      double norm = 0;
      for (int64_t i = 0; i < width; i++) {
        double v = __builtin_fabs(double(get(row[i])));
        if (norm_type == 2) norm += v * v;
        else if (norm_type == 1) norm += v;
        else if (norm_type == __builtin_inf()) norm = v > norm || v != v ? v : norm;
        else if (norm_type == 0) norm += v != 0;
        else norm += __builtin_pow(v, norm_type);
      }
      if (norm_type == 2) norm = __builtin_sqrt(norm);
      else if (norm_type != 1 && norm_type != 0 && norm_type != __builtin_inf())
        norm = __builtin_pow(norm, 1 / norm_type);
      if (!(norm > max_norm)) continue;
      W scale = W(max_norm / (norm + 1e-7));
      for (int64_t i = 0; i < width; i++) put(row[i], W(get(row[i])) * scale);
    }
  });
}

}  // namespace

extern const EmbeddingKernels embedding_kernels;
const EmbeddingKernels embedding_kernels = {backward, bag, bag_backward, bag_sample_backward, renorm};

}  // namespace fl::cpu::FL_ISA
