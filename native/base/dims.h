// Dims: the extents or strides of a tensor. Six inline, more on the heap; at most 64. IntView: a borrowed list of integers.
#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>

namespace fl {

constexpr int kMaxDims = 64;

struct IntView {
  const int64_t* data = nullptr;
  int n = 0;
  IntView() = default;
  IntView(const int64_t* d, int n) : data(d), n(n) {}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
  IntView(std::initializer_list<int64_t> l) : data(l.begin()), n(int(l.size())) {}  // for arguments: lives as long as the full expression
#pragma GCC diagnostic pop
  int64_t operator[](int i) const { return data[i]; }
  const int64_t* begin() const { return data; }
  const int64_t* end() const { return data + n; }
  int size() const { return n; }
  friend bool operator==(IntView a, IntView b) { return a.n == b.n && (a.n == 0 || !std::memcmp(a.data, b.data, size_t(a.n) * 8)); }
  friend std::ostream& operator<<(std::ostream& o, IntView v) {  // [2, 3]
    o << '[';
    for (int i = 0; i < v.n; ++i) o << (i ? ", " : "") << v.data[i];
    return o << ']';
  }
};

class Dims {
 public:
  static constexpr int kInline = 6;
  Dims() : n_(0) {}
  explicit Dims(int n) : n_(n) {
    if (n > kInline) heap_ = new int64_t[size_t(n)];
  }
  Dims(int n, int64_t value) : Dims(n) {
    for (int i = 0; i < n; ++i) data()[i] = value;
  }
  Dims(IntView v) : Dims(v.n) {
    int64_t* to = data();
    for (int i = 0; i < v.n; ++i) to[i] = v.data[i];
  }
  Dims(std::initializer_list<int64_t> l) : Dims(IntView(l)) {}
  Dims(const Dims& o) : n_(o.n_) {
    if (n_ > kInline) {
      heap_ = new int64_t[size_t(n_)];
      std::memcpy(heap_, o.heap_, size_t(n_) * 8);
    } else {
      std::memcpy(inline_, o.inline_, sizeof inline_);  // all of it: a copy of known size
    }
  }
  Dims(Dims&& o) noexcept : n_(o.n_) { take(o); }
  Dims& operator=(const Dims& o) {
    if (this != &o) {
      Dims t(o);
      clear();
      n_ = t.n_;
      take(t);
    }
    return *this;
  }
  Dims& operator=(Dims&& o) noexcept {
    if (this != &o) {
      clear();
      n_ = o.n_;
      take(o);
    }
    return *this;
  }
  ~Dims() { clear(); }
  int size() const { return n_; }
  int64_t* data() { return n_ > kInline ? heap_ : inline_; }
  const int64_t* data() const { return n_ > kInline ? heap_ : inline_; }
  int64_t& operator[](int i) { return data()[i]; }
  int64_t operator[](int i) const { return data()[i]; }
  operator IntView() const { return {data(), n_}; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + n_; }
  void erase(int i) {
    Dims t(n_ - 1);
    for (int k = 0, j = 0; k < n_; ++k)
      if (k != i) t[j++] = (*this)[k];
    *this = std::move(t);
  }
  void insert(int i, int64_t v) {
    Dims t(n_ + 1);
    for (int k = 0, j = 0; k <= n_; ++k) t[k] = k == i ? v : (*this)[j++];
    *this = std::move(t);
  }
  void push(int64_t v) { insert(n_, v); }
  friend bool operator==(const Dims& a, const Dims& b) { return IntView(a) == IntView(b); }
  friend std::ostream& operator<<(std::ostream& o, const Dims& d) { return o << IntView(d); }

 private:
  void clear() {
    if (n_ > kInline) delete[] heap_;
    n_ = 0;
  }
  void take(Dims& o) {
    if (n_ > kInline) {
      heap_ = o.heap_;
      o.n_ = 0;
    } else std::memcpy(inline_, o.inline_, sizeof inline_);
  }
  int n_;
  union {
    int64_t inline_[kInline] = {};
    int64_t* heap_;
  };
};

}  // namespace fl
