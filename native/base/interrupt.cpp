// The handler that stands before the program's own handler of SIGINT while a long kernel runs.
#include "base/interrupt.h"

#include <signal.h>

#include "base/error.h"

namespace fl {

bool interrupt_pending = false;
bool (*may_interrupt)() = nullptr;

namespace {

thread_local bool t_interruptible = false;
struct sigaction g_outer;  // what was installed before; only one thread, the program's first, ever arms

void on_interrupt(int number, siginfo_t* info, void* context) {
  __atomic_store_n(&interrupt_pending, true, __ATOMIC_RELAXED);
  if (g_outer.sa_flags & SA_SIGINFO) g_outer.sa_sigaction(number, info, context);
  else g_outer.sa_handler(number);
}

}  // namespace

bool interruptible() { return t_interruptible; }
void set_interruptible(bool on) { t_interruptible = on; }

void stop_if_interruptible() {
  if (t_interruptible) throw Error(ErrorKind::Interrupt, "interrupted");
}

bool Interruptible::arm() {
  if (t_interruptible || !may_interrupt || !may_interrupt()) return false;
  if (sigaction(SIGINT, nullptr, &g_outer) != 0) return false;
  if (!(g_outer.sa_flags & SA_SIGINFO) && (g_outer.sa_handler == SIG_DFL || g_outer.sa_handler == SIG_IGN)) return false;
  struct sigaction ours = g_outer;
  ours.sa_flags |= SA_SIGINFO;
  ours.sa_sigaction = on_interrupt;
  if (sigaction(SIGINT, &ours, nullptr) != 0) return false;
  return t_interruptible = true;
}

void Interruptible::disarm() {
  t_interruptible = false;
  sigaction(SIGINT, &g_outer, nullptr);
  __atomic_store_n(&interrupt_pending, false, __ATOMIC_RELAXED);
}

}  // namespace fl
