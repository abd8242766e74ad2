// Per-thread modes: is gradient recording on, inference, autocast, and which doors a call must go through.
#pragma once
#include <cstdint>

#include "memory/storage.h"
#include "tensor/dtype.h"

namespace fl {

struct ThreadState {
  uint8_t doors = 0;            // kDoor...: what takes a call off the straight path, recording apart
  bool grad_enabled = true;
  bool inference = false;
  bool anomaly = false, anomaly_check_nan = true;
  bool saved_hooks = false;     // saved-tensor pack/unpack hooks are installed (python/)
  bool autocast_cache = true;
  DType autocast_dtype = DType::BFloat16;
  int backward_depth = 0;
  Device device;                // where calls allocate and run (memory/backend.h)
  Device factory_device;        // where factories make tensors when not told
};
constexpr uint8_t kDoorAutocast = 1, kDoorCapture = 2, kDoorTransform = 4;

// Computes what the capture door has put off on this thread. Installed by capture/.
extern void (*settle)();

// One pointer of thread-local state: larger initial-exec TLS fails in a module loaded at run time.
extern thread_local ThreadState* thread_state_ptr __attribute__((tls_model("initial-exec")));
ThreadState* make_thread_state();
inline ThreadState& thread_state() {
  ThreadState* s = thread_state_ptr;
  return *(__builtin_expect(s != nullptr, 1) ? s : make_thread_state());
}

// To be called before memory that tensors share is written other than through an operator: what has been put off still reads it.
inline void before_write() {
  if (__builtin_expect(thread_state().doors & kDoorCapture, 0)) settle();
}

struct GradModeGuard {
  bool before;
  explicit GradModeGuard(bool on) : before(thread_state().grad_enabled) { thread_state().grad_enabled = on; }
  ~GradModeGuard() { thread_state().grad_enabled = before; }
};

}  // namespace fl
