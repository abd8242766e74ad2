// The thread pool behind parallel_for. Work is cut into chunks that the caller and the workers claim one by one, so a
// worker that is asleep or preempted delays nobody. Workers spin for about 100 us after their last chunk, then sleep.
#include "base/parallel.h"

#include "base/interrupt.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#if defined(__linux__)
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace fl {
namespace {

constexpr double kSerialNs = 8000;        // less work than this is not worth sharing
constexpr double kNsPerThread = 4000;     // wake one thread for each so much work
constexpr double kBalanceNs = 100000;     // from here on, more chunks than threads: slow threads take fewer
constexpr int kChunksPerThread = 4;
constexpr double kInterruptNs = 50e6;     // a chunk of an interruptible job takes no longer, by the estimate
constexpr int kSpins = 4000;
constexpr int kMaxThreads = 4096;

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#if defined(__linux__)
// Sleeps while `word` holds `value`; wake() rouses up to `count` sleepers.
class Sleeper {
 public:
  void wait(std::atomic<uint32_t>& word, uint32_t value) {
    syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
  }
  void wake(std::atomic<uint32_t>& word, int count) {
    syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
  }
};
#else
class Sleeper {
 public:
  void wait(std::atomic<uint32_t>& word, uint32_t value) {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, [&] {
      return word.load() != value;
    });
  }
  void wake(std::atomic<uint32_t>&, int) {
    { std::lock_guard<std::mutex> lock(mutex_); }
    condition_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
};
#endif

// One team of workers and the job they share. A job's fields are written only while `ticket` has no chunks left, and a
// chunk is claimed by a compare-and-swap on the ticket, so whoever wins a chunk has read the fields of the ticket's own
// job.
struct Team {
  alignas(64) std::atomic<uint64_t> ticket{0};  // job number << 32 | chunks not yet claimed
  alignas(64) std::atomic<uint32_t> done{0};    // chunks finished
  alignas(64) std::atomic<uint32_t> epoch{0};   // changes with every job: what the workers spin and sleep on
  alignas(64) std::atomic<int> sleeping{0};
  std::atomic<RangeFn> fn{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int64_t> n{0};
  std::atomic<uint32_t> chunks{0};
  std::atomic<int> caller_cpu{-1};
  std::atomic<bool> interruptible{false};
  std::atomic<bool> failed{false};  // a chunk threw: the others are skipped
  std::exception_ptr error;         // what it threw; written before its chunk is counted as done
  std::atomic<bool> stop{false};
  Sleeper sleeper;
  std::vector<std::thread> workers;
#if defined(__linux__)
  cpu_set_t allowed;
#endif
};

thread_local bool t_in_region = false;

bool run_one_chunk(Team& team) {
  uint64_t ticket = team.ticket.load(std::memory_order_acquire);
  for (;;) {
    uint32_t left = uint32_t(ticket);
    if (left == 0) return false;
    RangeFn fn = team.fn.load(std::memory_order_acquire);
    void* context = team.context.load(std::memory_order_acquire);
    int64_t n = team.n.load(std::memory_order_acquire), chunks = team.chunks.load(std::memory_order_acquire);
    if (!team.ticket.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    int64_t i = chunks - left, size = n / chunks, rest = n % chunks;
    int64_t begin = i * size + (i < rest ? i : rest);
    if (!team.failed.load(std::memory_order_relaxed)) {
      set_interruptible(team.interruptible.load(std::memory_order_relaxed));
      try {
        check_interrupt();
        fn(context, begin, begin + size + (i < rest));
      } catch (...) {
        if (!team.failed.exchange(true)) team.error = std::current_exception();
      }
    }
    team.done.fetch_add(1, std::memory_order_release);
    return true;
  }
}

// A wake-up often places the worker on its waker's processor, where the two would take turns for many milliseconds. The
// worker then bars that processor for itself until the next such collision.
void leave_callers_cpu(Team& team) {
#if defined(__linux__)
  int cpu = sched_getcpu();
  if (cpu < 0 || cpu >= CPU_SETSIZE || cpu != team.caller_cpu.load(std::memory_order_relaxed)) return;
  if (CPU_COUNT(&team.allowed) <= int(team.workers.size())) return;
  cpu_set_t mask = team.allowed;
  CPU_CLR(cpu, &mask);
  sched_setaffinity(0, sizeof mask, &mask);
#endif
}

void work(Team& team) {
  t_in_region = true;  // what a worker runs never forks again
  uint32_t seen = 0;
  for (;;) {
    uint32_t now;
    int spins = kSpins;
    while ((now = team.epoch.load(std::memory_order_acquire)) == seen) {
      if (--spins > 0) {
        cpu_pause();
        if ((spins & 255) == 0) sched_yield();
        continue;
      }
      team.sleeping.fetch_add(1);
      if (team.epoch.load() == seen) team.sleeper.wait(team.epoch, seen);
      team.sleeping.fetch_sub(1);
      spins = kSpins;
    }
    seen = now;
    if (team.stop.load(std::memory_order_acquire)) return;
    leave_callers_cpu(team);
    while (run_one_chunk(team)) {}
  }
}

// ---------------------------------------------------------------------------------------------- default thread count

int processors() {
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
#endif
  int n = int(std::thread::hardware_concurrency());
  return n > 0 ? n : 1;
}

#if defined(__linux__)
std::string first_line(const std::string& path) {
  char line[4096] = "";
  if (std::FILE* file = std::fopen(path.c_str(), "r")) {
    if (!std::fgets(line, sizeof line, file)) line[0] = 0;
    std::fclose(file);
  }
  return line;
}

int whole_cpus(long long quota, long long period) {
  return quota <= 0 || period <= 0 ? kMaxThreads : quota < period ? 1
                                                                  : int(quota / period);
}

// The smallest CPU quota of this process's control group and its ancestors, rounded down to whole processors.
int quota_processors() {
  int least = kMaxThreads;
  auto lower = [&](int n) {
    least = n < least ? n : least;
  };
  char line[4096];
  std::FILE* file = std::fopen("/proc/self/cgroup", "r");
  if (!file) return least;
  while (std::fgets(line, sizeof line, file)) {
    line[std::strcspn(line, "\n")] = 0;
    char* controllers = std::strchr(line, ':');
    char* path = controllers ? std::strchr(controllers + 1, ':') : nullptr;
    if (!path) continue;
    *path++ = 0;
    ++controllers;
    bool unified = *controllers == 0;
    if (!unified && !std::strstr(controllers, "cpu")) continue;
    std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (std::string group = path;; group.resize(group.rfind('/'))) {
      if (group == "/") group.clear();
      long long quota = 0, period = 0;
      if (unified) {
        if (std::sscanf(first_line(root + group + "/cpu.max").c_str(), "%lld %lld", &quota, &period) == 2)
          lower(whole_cpus(quota, period));
      } else if (std::sscanf(first_line(root + group + "/cpu.cfs_quota_us").c_str(), "%lld", &quota) == 1 &&
                 std::sscanf(first_line(root + group + "/cpu.cfs_period_us").c_str(), "%lld", &period) == 1) {
        lower(whole_cpus(quota, period));
      }
      if (group.empty() || group.find('/') == std::string::npos) break;
    }
  }
  std::fclose(file);
  return least;
}
#else
int quota_processors() { return kMaxThreads; }
#endif

int default_threads() {
  for (const char* name : {"FLAMBEAU_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    int n = text ? std::atoi(text) : 0;  // OMP_NUM_THREADS may be a list: its first number counts
    if (n > 0) return n < kMaxThreads ? n : kMaxThreads;
  }
  int cpus = processors(), quota = quota_processors();
  return cpus < quota ? cpus : quota;
}

// ---------------------------------------------------------------------------------------------- the pool

std::atomic<int> g_threads{0};      // 0: not decided yet
std::atomic<bool> g_busy{false};    // held by the thread whose job the team runs, or that changes the team
std::atomic<bool> g_closed{false};  // the process is ending: everything runs serially
Team* g_team = nullptr;             // guarded by g_busy
int g_team_size = 0;                // threads g_team was started for (the caller among them)

bool try_lock_pool() {
  return !g_busy.load(std::memory_order_relaxed) && !g_busy.exchange(true, std::memory_order_acquire);
}
void unlock_pool() { g_busy.store(false, std::memory_order_release); }

void stop_team() {
  if (Team* team = g_team) {
    g_team = nullptr;
    team->stop.store(true, std::memory_order_release);
    team->epoch.fetch_add(1);
    team->sleeper.wake(team->epoch, int(team->workers.size()));
    for (std::thread& worker : team->workers) worker.join();
    team->workers.clear();
    delete team;
  }
  g_team_size = 0;
}

void close_pool() {
  g_closed = true;
  // A thread that is still computing keeps its workers; they hold nothing that static destructors take away.
  if (try_lock_pool()) {
    stop_team();
    unlock_pool();
  }
}

void after_fork_in_child() {
  // The workers did not survive; their threads' handles must never be joined or destroyed, so the team is left as it
  // is.
  g_team = nullptr;
  g_team_size = 0;
  g_busy.store(false);
  t_in_region = false;
}

void start_team(int threads) {
  static const bool hooked = [] {
    pthread_atfork(nullptr, nullptr, after_fork_in_child);
    std::atexit(close_pool);
    return true;
  }();
  (void)hooked;
  stop_team();
  Team* team = new (std::nothrow) Team;
  if (!team) return;
#if defined(__linux__)
  if (sched_getaffinity(0, sizeof team->allowed, &team->allowed) != 0) CPU_ZERO(&team->allowed);
#endif
  g_team = team;
  g_team_size = threads;
  try {
    team->workers.reserve(size_t(threads - 1));
    for (int i = 1; i < threads; ++i) team->workers.emplace_back(work, std::ref(*team));
  } catch (const std::exception&) {
    // The system gives no more threads, or no memory for them: those we have do all the chunks.
  }
}

}  // namespace

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (__builtin_expect(n == 0, 0)) {
    n = default_threads();
    int undecided = 0;
    if (!g_threads.compare_exchange_strong(undecided, n)) n = undecided;
  }
  return n;
}

void set_num_threads(int n) {
  g_threads.store(n < 1 ? 1 : n > kMaxThreads ? kMaxThreads
                                              : n);
  if (t_in_region) return;
  // Stop the old team now, so that 1 means no worker; a job of another thread under way is left to end first.
  while (!try_lock_pool()) sched_yield();
  if (g_team_size != g_threads.load()) stop_team();
  unlock_pool();
}

// The whole range on this thread.
static void run_serially(int64_t n, double total, RangeFn fn, void* context) {
  if (total < 2 * kInterruptNs || n == 1 || !interruptible()) return fn(context, 0, n);
  double wanted = total / kInterruptNs;
  int64_t pieces = wanted < double(n) ? int64_t(wanted) : n, size = n / pieces, rest = n % pieces;
  for (int64_t i = 0, begin = 0; i < pieces; ++i) {
    int64_t end = begin + size + (i < rest);
    check_interrupt();
    fn(context, begin, end);
    begin = end;
  }
}

void parallel_for_raw(int64_t n, double ns_per_item, RangeFn fn, void* context) {
  if (n <= 0) return;
  double total = double(n) * ns_per_item;
  int threads;
  if (n == 1 || total < kSerialNs || (threads = num_threads()) == 1 || t_in_region ||
      g_closed.load(std::memory_order_relaxed) || !try_lock_pool())
    return run_serially(n, total, fn, context);
  if (g_team_size != threads) start_team(threads);
  if (!g_team) {
    unlock_pool();
    return run_serially(n, total, fn, context);
  }
  Team& team = *g_team;
  double useful = total / kNsPerThread;
  int sharing = useful < threads ? int(useful) : threads;
  int64_t chunks = total >= kBalanceNs ? int64_t(sharing) * kChunksPerThread : sharing;
  const bool stoppable = interruptible();
  if (stoppable && total > double(chunks) * kInterruptNs)
    chunks = total < kInterruptNs * 1e6 ? int64_t(total / kInterruptNs) : 1000000;
  if (chunks > n) chunks = n;

  t_in_region = true;
  team.fn.store(fn, std::memory_order_release);
  team.context.store(context, std::memory_order_release);
  team.n.store(n, std::memory_order_release);
  team.chunks.store(uint32_t(chunks), std::memory_order_release);
  team.done.store(0, std::memory_order_relaxed);
  team.interruptible.store(stoppable, std::memory_order_relaxed);
  team.failed.store(false, std::memory_order_relaxed);
#if defined(__linux__)
  team.caller_cpu.store(sched_getcpu(), std::memory_order_relaxed);
#endif
  uint64_t job = (team.ticket.load(std::memory_order_relaxed) >> 32) + 1;
  team.ticket.store(job << 32 | uint64_t(chunks), std::memory_order_release);
  team.epoch.fetch_add(1);  // sequentially consistent: ordered against a sleeper's increment-then-look
  if (team.sleeping.load() > 0) team.sleeper.wake(team.epoch, int(chunks < sharing ? chunks : sharing) - 1);

  while (run_one_chunk(team)) {}
  for (int spins = 0; team.done.load(std::memory_order_acquire) != uint32_t(chunks);) {
    cpu_pause();
    if (++spins > 200) {  // a worker on this very processor could not finish while we spin
      spins = 160;
      sched_yield();
    }
  }
  t_in_region = false;
  std::exception_ptr error;
  if (team.failed.load(std::memory_order_relaxed)) error.swap(team.error);
  unlock_pool();
  if (error) std::rethrow_exception(error);
}

}  // namespace fl
