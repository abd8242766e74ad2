// A layer of LSTM units over a whole sequence. Every step is one product with the hidden weights and the gates; threads share the
// units, so that a thread's part of the weights stays in its cache from step to step.
#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "tensor/dtype.h"

namespace fl::cpu {

// Float32 or Float64, everything contiguous. Rows of 4 * units hold the gates input, forget, cell, output in this order.
struct LstmDesc {
  DType dtype;
  bool reverse;  // from the last step to the first
  int64_t steps, batch, units;
  const char* x;       // forward: [steps, batch, 4 units], what the inputs and biases contribute
  const char* weight;  // [4 units, units]
  const char* h0;      // [batch, units]
  const char* c0;      // [batch, units]
  char* hidden;        // [steps, batch, units]: forward writes
  char* cells;         // [steps, batch, units]: forward writes, backward reads
  char* gates;         // [steps, batch, 4 units], after sigmoid and tanh: forward writes, backward reads
  char* workspace;     // 4 units rounded up to 32, times units
  const char* grad_hidden;  // [steps, batch, units] or null
  const char* grad_cells;   // [steps, batch, units] or null
  char* grad_x;             // [steps, batch, 4 units]
  char* grad_h0;            // [batch, units]; holds the running gradient meanwhile
  char* grad_c0;            // [batch, units]; likewise
};

struct LstmKernels {
  void (*forward)(const LstmDesc&);
  void (*backward)(const LstmDesc&);
};
FL_KERNEL_FAMILY(LstmKernels, lstm_kernels)

}  // namespace fl::cpu
