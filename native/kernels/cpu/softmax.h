// Softmax and log-softmax over one dimension with their gradients, and the losses on class indices that go with them.
// All arrays are contiguous. "acc type": float for Float16, BFloat16 and Float32, double for Float64.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// Element (o, i, k) of [outer, n, inner] lies at (o * n + i) * inner + k; the softmax runs over i.
struct SoftmaxDesc {
  DType in_dtype;   // floating
  DType out_dtype;  // = in_dtype, or Float32 for a Float16/BFloat16 input, or the reverse (rounded at the end)
  bool log;         // log_softmax
  int64_t outer, n, inner;
  const char* in;
  char* out;  // may equal `in` if the types are equal
};

// softmax: grad_in = out * (grad - sum(grad * out)); log_softmax: grad_in = grad - exp(out) * sum(grad).
struct SoftmaxBackwardDesc {
  DType dtype;          // of grad and out
  DType grad_in_dtype;  // = dtype, or narrower/wider as in SoftmaxDesc
  bool log;
  int64_t outer, n, inner;
  const char* grad;
  const char* out;  // the result of the forward
  char* grad_in;    // may equal `grad` if the types are equal
};

enum class LossReduction : uint8_t { None,
                                     Mean,
                                     Sum };

// Class targets: Int64, or UInt8. A target equal to ignore_index contributes nothing; any other outside [0, classes) is
// bad: the kernel then reports it and has written nothing.
struct TargetStatus {
  bool ok;
  int64_t bad;  // the first bad target
};

// nll_loss on x = [batch, classes, spatial] and target = [batch, spatial] (1-d input: batch 1; plain 2-d: spatial 1).
struct NllDesc {
  DType dtype;         // of x, weight, loss, grads: floating
  DType target_dtype;  // Int64 or UInt8
  LossReduction reduction;
  int64_t batch, classes, spatial, ignore_index;
  const char* x;  // log-probabilities; not read by the backward (may be null)
  const char* target;
  const char* weight;  // [classes] or null
  char* loss;          // forward: [batch, spatial] (None) or one element
  char* total_weight;  // one element of `dtype`: forward writes it (Mean, Sum; may be null), backward reads it for Mean
  const char* grad;    // backward: as loss
  char* grad_in;       // backward: [batch, classes, spatial], written completely
};

// log_softmax and nll_loss in one pass. Forward keeps the log-sum-exp of each (batch, spatial) place, so that neither
// the log-probabilities nor their gradient are stored: the backward needs logits and lse. With label smoothing e: loss
// = (1 - e) * nll + e / classes * sum_c(-w_c * logp_c), Mean divides both by the weights of the targets.
struct CrossEntropyDesc {
  DType dtype;  // of logits, weight, loss, grads
  DType target_dtype;
  LossReduction reduction;
  int64_t batch, classes, spatial, ignore_index;
  double label_smoothing;
  const char* logits;
  const char* target;
  const char* weight;  // [classes] or null
  char* lse;           // [batch, spatial] of the acc type: written by forward, read by backward
  char* loss;          // forward: [batch, spatial] (None) or one element
  char* total_weight;  // one element of the acc type: written by forward, read by backward (Mean)
  const char* grad;    // backward: as loss
  char* grad_in;       // backward: as logits; may equal logits
};

struct SoftmaxKernels {
  void (*softmax)(const SoftmaxDesc&);
  void (*softmax_backward)(const SoftmaxBackwardDesc&);
  TargetStatus (*nll)(const NllDesc&);
  TargetStatus (*nll_backward)(const NllDesc&);
  TargetStatus (*cross_entropy)(const CrossEntropyDesc&);
  void (*cross_entropy_backward)(const CrossEntropyDesc&);
};
FL_KERNEL_FAMILY(SoftmaxKernels, softmax_kernels)

}  // namespace fl::cpu
