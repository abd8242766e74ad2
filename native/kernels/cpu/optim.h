// Fused optimiser steps: one call updates a whole list of contiguous parameters of one dtype (Float32 or Float64), in
// parallel over equal pieces. The order of the arithmetic is that of PyTorch's single-tensor implementations.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

struct ParamList {
  int64_t count;              // tensors
  const int64_t* sizes;       // elements of each
  void* const* params;        // updated in place
  const void* const* grads;   // read only
};

// momentum m: m = momentum m + (1 - dampening) g; p -= lr (nesterov ? g + momentum m : m)
struct SgdStep {
  ParamList list;
  void* const* momentum_buffers;  // null when momentum = 0
  const uint8_t* fresh;  // per tensor: 1 = its buffer is not set yet and becomes the gradient; null = none is fresh
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
};

// Adam; AdamW when decoupled. amsgrad when max_exp_avg_sqs is given.
struct AdamStep {
  ParamList list;
  void* const* exp_avgs;
  void* const* exp_avg_sqs;
  void* const* max_exp_avg_sqs;  // or null
  const double* steps;           // per tensor: the step count, this step included (1, 2, ...)
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, maximize;
};

struct RmspropStep {
  ParamList list;
  void* const* square_avgs;
  void* const* grad_avgs;         // centered; or null
  void* const* momentum_buffers;  // momentum > 0; or null
  double lr, alpha, eps, weight_decay, momentum;
  bool maximize;
};

struct AdagradStep {
  ParamList list;
  void* const* state_sums;
  const double* steps;  // per tensor: the step count, this step included
  double lr, lr_decay, eps, weight_decay;
  bool maximize;
};

void sgd_step(DType dtype, const SgdStep& step);
void adam_step(DType dtype, const AdamStep& step);
void rmsprop_step(DType dtype, const RmspropStep& step);
void adagrad_step(DType dtype, const AdagradStep& step);

// Elements [begin, begin + n) of tensor t. Index 0: Float32, 1: Float64.
struct OptimKernels {
  void (*sgd[2])(const SgdStep&, int64_t t, int64_t begin, int64_t n);
  void (*adam[2])(const AdamStep&, int64_t t, int64_t begin, int64_t n);
  void (*rmsprop[2])(const RmspropStep&, int64_t t, int64_t begin, int64_t n);
  void (*adagrad[2])(const AdagradStep&, int64_t t, int64_t begin, int64_t n);
};
FL_KERNEL_FAMILY(OptimKernels, optim_kernels)

}  // namespace fl::cpu
