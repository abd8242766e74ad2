// Heap memory of one kernel call: from the tensors' allocator, given back when the call ends, by an error too.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fl::cpu {

void* heap_take(size_t nbytes);  // 64-byte aligned, uninitialised; throws OutOfMemory
void heap_give(void* p, size_t nbytes);

// n elements, or none where n <= 0. Every member is always_inline because sources compiled for one instruction set use it too.
template <class T>
class HeapArray {
 public:
  HeapArray() = default;
  [[gnu::always_inline]] explicit HeapArray(int64_t n) { reset(n); }
  [[gnu::always_inline]] ~HeapArray() {
    if (data) heap_give(data, bytes_);
  }
  HeapArray(const HeapArray&) = delete;
  HeapArray& operator=(const HeapArray&) = delete;
  // n other elements.
  [[gnu::always_inline]] void reset(int64_t n) {
    if (data) heap_give(data, bytes_);
    data = nullptr;
    size_t bytes;
    if (__builtin_mul_overflow(size_t(n > 0 ? n : 1), sizeof(T), &bytes)) bytes = ~size_t(0);
    data = (T*)heap_take(bytes);
    bytes_ = bytes;
  }
  [[gnu::always_inline]] T& operator[](int64_t i) { return data[i]; }
  [[gnu::always_inline]] const T& operator[](int64_t i) const { return data[i]; }
  [[gnu::always_inline]] operator T*() { return data; }
  T* data = nullptr;

 private:
  size_t bytes_ = 0;
};

}  // namespace fl::cpu
