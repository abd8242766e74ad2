// Small<T, N>: a growable array whose first N elements need no allocation.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace fl {

template <class T, int N>
class Small {
 public:
  Small() = default;
  Small(const Small&) = delete;
  Small& operator=(const Small&) = delete;
  ~Small() { clear(); }
  int size() const { return n_; }
  bool empty() const { return n_ == 0; }
  T* data() { return cap_ > N ? heap_ : reinterpret_cast<T*>(inline_); }
  const T* data() const { return cap_ > N ? heap_ : reinterpret_cast<const T*>(inline_); }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + n_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + n_; }
  T& back() { return data()[n_ - 1]; }
  template <class... A>
  T& emplace(A&&... a) {
    if (n_ == cap_) grow(cap_ * 2);
    return *new (data() + n_++) T{std::forward<A>(a)...};
  }
  void resize(int n) {
    while (n_ > n) data()[--n_].~T();
    while (n_ < n) emplace();
  }
  void clear() {
    resize(0);
    if (cap_ > N) std::free(heap_);
    cap_ = N;
  }

 private:
  void grow(int cap) {
    T* fresh = static_cast<T*>(std::malloc(sizeof(T) * size_t(cap)));
    if (!fresh) throw std::bad_alloc();
    T* old = data();
    for (int i = 0; i < n_; ++i) {
      new (fresh + i) T(std::move(old[i]));
      old[i].~T();
    }
    if (cap_ > N) std::free(heap_);
    heap_ = fresh;
    cap_ = cap;
  }
  int n_ = 0, cap_ = N;
  union {
    T* heap_;
    alignas(T) unsigned char inline_[sizeof(T) * N];
  };
};

}  // namespace fl
