// Unlock: lets other Python threads run, and Ctrl-C stop it, while a long kernel works. Between its construction and destruction no reference count and no
// Python object may be touched. Installed by the binding; does nothing for short work.
#pragma once
#include "base/interrupt.h"

namespace fl {

extern void* (*unlock_interpreter)();
extern void (*lock_interpreter)(void*);

class Unlock {
 public:
  explicit Unlock(double ns) : interruptible_(ns), state_(ns > 200e3 && unlock_interpreter ? unlock_interpreter() : nullptr) {}
  ~Unlock() {
    if (state_) lock_interpreter(state_);
  }
  Unlock(const Unlock&) = delete;

 private:
  Interruptible interruptible_;  // its construction and destruction hold the lock
  void* state_;
};

}  // namespace fl
