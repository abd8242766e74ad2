// Scaled dot-product attention, out = softmax(scale * Q K^T + mask) V, in tiles: the scores of a head are never stored
// whole.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// [batch, heads, rows, columns] with contiguous columns; strides in elements.
struct AttentionMatrix {
  char* data = nullptr;
  int64_t batch = 0, head = 0, row = 0;
};

struct AttentionDesc {
  DType dtype;                 // Float32, Float64; Float16, BFloat16 through blocks of float
  int64_t batch, heads;        // heads of the query
  int64_t key_heads;           // divides heads; query head h uses key head h / (heads / key_heads)
  int64_t queries, keys;       // rows of the query; rows of key and value
  int64_t width, value_width;  // columns of query and key; of value and out
  double scale;
  bool causal;                   // query i sees keys 0..i
  AttentionMatrix q, k, v, out;  // out: written by forward, read by backward
  // Null, or of `dtype` (added) or Bool (false: not seen). Strides in elements, 0 where it is broadcast.
  DType mask_dtype;
  const char* mask;
  int64_t mask_batch, mask_head, mask_row, mask_column;
  char* lse;  // [batch, heads, queries] of float (Float64: double): log of the sum of exponentials of the scores;
              // forward writes (null: not wanted), backward reads. A query that sees no key: -inf, and a row of zeros.
  AttentionMatrix grad_out, grad_q, grad_k, grad_v;  // backward; the last three are written completely
};

struct AttentionKernels {
  void (*attention)(const AttentionDesc&);
  void (*attention_backward)(const AttentionDesc&);
};
FL_KERNEL_FAMILY(AttentionKernels, attention_kernels)

}  // namespace fl::cpu
