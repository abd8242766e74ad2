// Unlock: lets other Python threads run while a long kernel works. Between its construction and destruction no reference count and no
// Python object may be touched. Installed by the binding; does nothing for short work.
#pragma once

namespace fl {

extern void* (*unlock_interpreter)();
extern void (*lock_interpreter)(void*);

class Unlock {
 public:
  explicit Unlock(double ns) : state_(ns > 200e3 && unlock_interpreter ? unlock_interpreter() : nullptr) {}
  ~Unlock() {
    if (state_) lock_interpreter(state_);
  }
  Unlock(const Unlock&) = delete;

 private:
  void* state_;
};

}  // namespace fl
