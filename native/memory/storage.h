// Device, and Storage: the bytes behind one or more tensors, with the version counter that in-place writes advance.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

#include "base/refcount.h"
#include "memory/allocator.h"

namespace fl {

enum class DeviceType : int8_t { CPU,
                                 CUDA,
                                 Meta,
                                 MPS,
                                 XLA,
                                 XPU,
                                 HPU,
                                 Other };

struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = -1;  // -1: not given
  friend bool operator==(Device a, Device b) { return a.type == b.type && a.index == b.index; }
};
const char* device_type_name(DeviceType t);
Device parse_device(const std::string& text);  // "cpu", "cuda:1"; RuntimeError otherwise
std::string device_name(Device d);

struct Storage;
// Who owes a storage its bytes (capture/).
struct Promise {
  virtual void keep() = 0;             // delivers them, to every storage that waits
  virtual void drop(uint32_t id) = 0;  // the storage is gone, nobody wants them any more
};

struct Storage {
  RefCount rc;
  uint32_t version = 0;
  void* data = nullptr;
  size_t nbytes = 0;
  size_t capacity = 0;                     // of the block at `data` where it is our own and apart from the header
  size_t own_block = 0;                    // size of the header's block: kHeader, plus the bytes when they live in it
  void (*release)(void*) = nullptr;        // foreign memory: called with `context` instead of freeing
  void* context = nullptr;
  Promise* promise = nullptr;              // while the bytes are still to be computed; data is null then
  uint32_t promise_id = 0;
  Device device;
  int shared_fd = -1;                      // memory that other processes may map too: its file
  bool resizable = true, inline_data = false;

  static constexpr size_t kHeader = 128;
  static Storage* make(size_t nbytes);                                       // uninitialised bytes on the host
  static Storage* make(size_t nbytes, Device device) { return __builtin_expect(device.type == DeviceType::CPU, 1) ? make(nbytes) : make_there(nbytes, device); }
  static Storage* make_there(size_t nbytes, Device device);                  // by the device's backend
  static Storage* away(size_t nbytes, Device device);                        // without bytes that the host can reach
  // Foreign memory; `release` is called with `context` at the end, or at once where there is no memory for the header.
  static Storage* wrap(void* data, size_t nbytes, void (*release)(void*), void* context);
  static Storage* promised(size_t nbytes, Promise* by, uint32_t id);
  void deliver(void* block);  // of nbytes, from allocate()
  void* bytes() {
    if (!data && promise) promise->keep();
    return data;
  }
  // Keeps the common prefix. Shrinking leaves the block in place, since windows made before may reach beyond the new end, and gives
  // the pages no longer used back to the system.
  void resize(size_t nbytes);
  // Moves the bytes to memory that child processes share and others can map by its file; nothing where they are there already.
  void share();
  static Storage* attach(int fd, size_t nbytes);  // shared bytes; takes over the file
  void ref() { rc.inc(); }
  void unref() {
    if (rc.dec()) destroy();
  }

 private:
  static Storage* make_large(size_t nbytes);
  void free_data();
  void destroy();
};
static_assert(sizeof(Storage) <= Storage::kHeader);

inline Storage* Storage::make(size_t n) {
  // Header and bytes in one block while that is a small block: one free-list pop instead of two.
  if (__builtin_expect(n > kSmallLimit - kHeader, 0)) return make_large(n);
  char* p = static_cast<char*>(allocate(n + kHeader));
  Storage* s = new (p) Storage;
  s->nbytes = n;
  s->own_block = n + kHeader;
  s->data = p + kHeader;
  s->inline_data = true;
  ++live_storages;
  storage_bytes += int64_t(n);
  return s;
}

inline void Storage::destroy() {
  --live_storages;
  if (__builtin_expect(inline_data, 1)) storage_bytes -= int64_t(nbytes);
  else free_data();
  deallocate(this, own_block);
}

}  // namespace fl
