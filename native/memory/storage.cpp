// Storage: foreign memory and resizing; device names.
#include "memory/storage.h"

#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "base/error.h"

namespace fl {

Storage* Storage::wrap(void* data, size_t nbytes, void (*release)(void*), void* context) {
  Storage* s = new (allocate(kHeader)) Storage;
  s->data = data;
  s->nbytes = nbytes;
  s->own_block = kHeader;
  s->release = release;
  s->context = context;
  s->resizable = false;
  ++live_storages;
  storage_bytes += int64_t(nbytes);
  return s;
}

void Storage::free_data() {
  storage_bytes -= int64_t(nbytes);
  if (inline_data) return;
  if (release) release(context);
  else if (data) deallocate(data, capacity);
}

void Storage::resize(size_t n) {
  if (n == nbytes) return;
  FL_CHECK(resizable, "resize: Trying to resize storage that is not resizable");
  size_t room = inline_data ? own_block - kHeader : capacity;
  if (n <= room) {
#if defined(__linux__)
    constexpr uintptr_t kPage = 4096;
    uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + n + kPage - 1) & ~(kPage - 1);
    uintptr_t end = (reinterpret_cast<uintptr_t>(data) + room) & ~(kPage - 1);
    if (n < nbytes && !inline_data && begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
    storage_bytes += int64_t(n) - int64_t(nbytes);
    nbytes = n;
    return;
  }
  void* fresh = allocate(n);
  if (data) std::memcpy(fresh, data, nbytes);
  free_data();
  inline_data = false;
  data = fresh;
  nbytes = capacity = n;
  storage_bytes += int64_t(n);
}

static const char* const kDeviceNames[] = {"cpu", "cuda", "meta", "mps", "xla", "xpu", "hpu", "privateuseone"};

const char* device_type_name(DeviceType t) { return kDeviceNames[int(t)]; }

Device parse_device(const std::string& text) {
  size_t colon = text.find(':');
  std::string name = text.substr(0, colon);
  Device d;
  int found = -1;
  for (int i = 0; i < 8; ++i)
    if (name == kDeviceNames[i]) found = i;
  FL_CHECK(found >= 0,
           "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, "
           "hpu, mtia, privateuseone device type at start of device string: ",
           text);
  d.type = DeviceType(found);
  if (colon != std::string::npos) {
    std::string digits = text.substr(colon + 1);
    bool good = !digits.empty() && digits.size() <= 3 && (digits.size() == 1 || digits[0] != '0');
    for (char c : digits) good = good && c >= '0' && c <= '9';
    FL_CHECK(good && std::stoi(digits) < 128, "Invalid device string: '", text, "'");
    d.index = int8_t(std::stoi(digits));
  }
  return d;
}

std::string device_name(Device d) {
  std::string s = device_type_name(d.type);
  if (d.index >= 0) s += ":" + std::to_string(int(d.index));
  return s;
}

}  // namespace fl
