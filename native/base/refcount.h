// Intrusive reference counts and the owning pointer Ref<T>. Counts change only while the interpreter lock is held (kernels that run
// without it touch none), so they are plain integers; free-threaded builds define FL_ATOMIC_REFCOUNT.
#pragma once
#include <cstdint>
#include <utility>
#if defined(FL_ATOMIC_REFCOUNT)
#include <atomic>
#endif

namespace fl {

struct RefCount {
#if defined(FL_ATOMIC_REFCOUNT)
  std::atomic<uint32_t> value{1};
  void inc() { value.fetch_add(1, std::memory_order_relaxed); }
  // A sole owner may skip the locked decrement: nobody else can race it.
  bool dec() { return value.load(std::memory_order_acquire) == 1 || value.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  uint32_t get() const { return value.load(std::memory_order_relaxed); }
  void revive() { value.store(1, std::memory_order_relaxed); }
#else
  uint32_t value = 1;
  void inc() { ++value; }
  bool dec() { return --value == 0; }
  uint32_t get() const { return value; }
  void revive() { value = 1; }
#endif
};

// T provides ref() and unref(). A Ref is layout-compatible with T*.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  static Ref steal(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  static Ref borrow(T* p) {
    Ref r;
    r.p_ = p;
    if (p) p->ref();
    return r;
  }
  Ref(const Ref& o) : p_(o.p_) {
    if (p_) p_->ref();
  }
  Ref(Ref&& o) noexcept : p_(o.p_) { o.p_ = nullptr; }
  Ref& operator=(const Ref& o) {
    Ref t(o);
    std::swap(p_, t.p_);
    return *this;
  }
  Ref& operator=(Ref&& o) noexcept {
    Ref t(std::move(o));
    std::swap(p_, t.p_);
    return *this;
  }
  ~Ref() {
    if (p_) p_->unref();
  }
  T* get() const { return p_; }
  T* release() {
    T* p = p_;
    p_ = nullptr;
    return p;
  }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.p_ == b.p_; }

 protected:
  T* p_ = nullptr;
};

}  // namespace fl
