// Normalisations with affine parameters, forward and backward: layer, RMS, group and batch norm.
// Floating types. Statistics (mean, rstd) are kept in the acc type: float for Float16, BFloat16 and Float32, double for
// Float64. Parameters and their gradients have param_dtype: that of the input, or Float32 with a Float16/BFloat16
// input. Any of the outputs of a backward may be null: not wanted.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// y = (x - mean) * rstd * weight + bias for each row of n contiguous elements; rms: y = x * rstd * weight with
// rstd = 1 / sqrt(mean(x^2) + eps), and neither mean nor bias exist.
struct LayerNormDesc {
  DType dtype, param_dtype;
  bool rms;
  int64_t rows, n;
  double eps;
  const char* x;
  const char* weight;  // [n] or null
  const char* bias;    // [n] or null
  char* mean;          // [rows]: forward writes (null: not wanted), backward reads; unused with rms
  char* rstd;          // [rows]: likewise (backward needs it)
  char* y;             // forward; may equal x
  const char* grad;    // backward: gradient of y
  char* grad_x;        // may equal grad
  char* grad_weight;   // [n]
  char* grad_bias;     // [n]
};

// x = [batch, channels, spatial]; each group of channels/groups channels is normalised by itself; weight and bias are
// [channels]. channels_last: memory order [batch, spatial, channels].
struct GroupNormDesc {
  DType dtype, param_dtype;
  bool channels_last;
  int64_t batch, channels, spatial, groups;
  double eps;
  const char* x;
  const char* weight;
  const char* bias;
  char* mean;  // [batch * groups]: forward writes, backward reads
  char* rstd;  // [batch * groups]
  char* y;
  const char* grad;
  char* grad_x;
  char* grad_weight;  // [channels]
  char* grad_bias;    // [channels]
};

// x = [batch, channels, spatial], or [batch, spatial, channels] in memory if channels_last. Statistics per channel.
// Training normalises with the batch's (biased) variance and moves the running statistics (unbiased variance) by
// `momentum`: running = (1 - momentum) * running + momentum * batch. Evaluation normalises with the running statistics.
struct BatchNormDesc {
  DType dtype, param_dtype;
  bool channels_last, training;
  int64_t batch, channels, spatial;
  double momentum, eps;
  const char* x;
  const char* weight;  // [channels] or null
  const char* bias;    // [channels] or null
  char* running_mean;  // [channels] of param_dtype or null; read in evaluation, updated in training
  char* running_var;
  char* mean;  // [channels]: forward writes in training (batch mean; null: not wanted), backward reads in training
  char* rstd;  // [channels]: 1 / sqrt(var + eps)
  char* y;     // may equal x
  const char* grad;
  char* grad_x;
  char* grad_weight;  // [channels]
  char* grad_bias;    // [channels]
};

// The batch's statistics alone (batch_norm_stats; also a step of synchronised batch norm): mean and biased variance,
// acc type.
struct BatchStatsDesc {
  DType dtype;
  bool channels_last;
  int64_t batch, channels, spatial;
  const char* x;
  char* mean;
  char* var;
};

struct NormKernels {
  void (*layer_norm)(const LayerNormDesc&);
  void (*layer_norm_backward)(const LayerNormDesc&);
  void (*group_norm)(const GroupNormDesc&);
  void (*group_norm_backward)(const GroupNormDesc&);
  void (*batch_norm)(const BatchNormDesc&);
  void (*batch_norm_backward)(const BatchNormDesc&);
  void (*batch_stats)(const BatchStatsDesc&);
};
FL_KERNEL_FAMILY(NormKernels, norm_kernels)

}  // namespace fl::cpu
