// Ctrl-C inside one long kernel. While an Interruptible is alive, SIGINT raises a flag on its way to the handler of the program;
// check_interrupt(), called between blocks of some milliseconds, then throws, and the boundary makes it KeyboardInterrupt. What the
// kernel wrote up to there stays: a fresh result is dropped, an in-place one may be half done.
#pragma once
#include <cstdint>

namespace fl {

extern bool interrupt_pending;
// Set by the binding: whether this thread's calls may be interrupted, i.e. whether the program's handler of SIGINT is the usual one.
extern bool (*may_interrupt)();

bool interruptible();          // whether this thread works for a call that may be interrupted
void set_interruptible(bool);  // the pool's threads take it over from the caller
void stop_if_interruptible();  // throws ErrorKind::Interrupt if so

[[gnu::always_inline]] inline void check_interrupt() {
  if (__builtin_expect(__atomic_load_n(&interrupt_pending, __ATOMIC_RELAXED), 0)) stop_if_interruptible();
}

// f(begin, end) over blocks of [0, n) that take some milliseconds where an element takes nanoseconds.
template <class F>
[[gnu::always_inline]] inline void in_blocks(int64_t n, const F& f) {
  constexpr int64_t kBlock = 1 << 19;
  for (int64_t i = 0; i < n; i += kBlock) {
    check_interrupt();
    f(i, i + kBlock < n ? i + kBlock : n);
  }
}

// Construct it with the interpreter lock held. Short work (by the estimate) is left alone: the interpreter looks for signals soon.
class Interruptible {
 public:
  explicit Interruptible(double ns) : armed_(ns > 20e6 && arm()) {}
  ~Interruptible() {
    if (armed_) disarm();
  }
  Interruptible(const Interruptible&) = delete;

 private:
  static bool arm();
  static void disarm();
  bool armed_;
};

}  // namespace fl
