// Storage: foreign memory, memory shared by processes, resizing; device names.
#include "memory/storage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "memory/backend.h"

namespace fl {

const Backend* backends[kDeviceTypes] = {};
bool devices_in_use = false;

Device checked_device(Device d) {
  if (on_host(d)) return {};
  const Backend* b = backends[int(d.type)];
  FL_CHECK_KIND(Assertion, b || d.type != DeviceType::CUDA, "Torch not compiled with CUDA enabled");
  if (!b) fail(ErrorKind::NotImplemented, "Could not run on device '", device_name(d), "': this build of flambeau has the devices cpu and meta");
  if (!b->numbered) d.index = -1;
  return d;
}

Storage* Storage::make_there(size_t n, Device d) { return backends[int(d.type)]->make(n); }

Storage* Storage::away(size_t n, Device d) {
  Storage* s = new (allocate(kHeader)) Storage;
  s->nbytes = n;
  s->own_block = kHeader;
  s->device = d;
  ++live_storages;
  return s;
}

Storage* Storage::make_large(size_t n) {
  Storage* s = new (allocate(kHeader)) Storage;
  try {
    s->data = allocate(n);
  } catch (...) {
    deallocate(s, kHeader);
    throw;
  }
  s->nbytes = s->capacity = n;
  s->own_block = kHeader;
  ++live_storages;
  storage_bytes += int64_t(n);
  return s;
}

Storage* Storage::wrap(void* data, size_t nbytes, void (*release)(void*), void* context) {
  void* place;
  try {
    place = allocate(kHeader);
  } catch (...) {
    release(context);
    throw;
  }
  Storage* s = new (place) Storage;
  s->data = data ? data : s;  // null would say that the bytes are not on the host
  s->nbytes = nbytes;
  s->own_block = kHeader;
  s->release = release;
  s->context = context;
  s->resizable = false;
  ++live_storages;
  storage_bytes += int64_t(nbytes);
  return s;
}

Storage* Storage::promised(size_t nbytes, Promise* by, uint32_t id) {
  Storage* s = new (allocate(kHeader)) Storage;
  s->nbytes = nbytes;
  s->own_block = kHeader;
  s->promise = by;
  s->promise_id = id;
  ++live_storages;
  return s;
}

void Storage::deliver(void* block) {
  data = block;
  capacity = nbytes;
  promise = nullptr;
  storage_bytes += int64_t(nbytes);
}

void Storage::free_data() {
  if (promise) return promise->drop(promise_id);
  if (data) storage_bytes -= int64_t(nbytes);
  if (inline_data) return;
  if (release) release(context);
  else if (data) deallocate(data, capacity);
}

namespace {

// What a shared storage gives back at its end.
struct Mapping {
  void* data;
  size_t nbytes;
  int fd;
  void* former;  // the block that held the bytes before, kept where its address had been handed out
  size_t former_capacity;
};

void unmap(void* context) {
  Mapping* m = static_cast<Mapping*>(context);
  munmap(m->data, m->nbytes);
  close(m->fd);
  if (m->former) deallocate(m->former, m->former_capacity);
  delete m;
}

int anonymous_file() {
#if defined(__linux__)
  return memfd_create("flambeau", MFD_CLOEXEC);
#else
  static int counter = 0;
  std::string name = "/flambeau_" + std::to_string(getpid()) + "_" + std::to_string(counter++);
  int fd = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) shm_unlink(name.c_str());
  return fd;
#endif
}

void* map(int fd, size_t nbytes) {
  void* data = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  FL_CHECK(data != MAP_FAILED, "share_memory: unable to mmap ", nbytes, " bytes: ", std::strerror(errno), " (", errno, ")");
  return data;
}

}  // namespace

void Storage::share() {
  if (shared_fd >= 0) return;
  FL_CHECK(on_host(device), "share_memory: _share_fd_: only available on CPU");
  size_t size = nbytes ? nbytes : 1;  // an empty mapping does not exist
  int fd = anonymous_file();
  FL_CHECK(fd >= 0, "share_memory: unable to open shared memory: ", std::strerror(errno), " (", errno, ")");
  Mapping* m = new Mapping{nullptr, size, fd, nullptr, 0};
  try {
    FL_CHECK(ftruncate(fd, off_t(size)) == 0, "share_memory: unable to resize shared memory to ", size, " bytes: ", std::strerror(errno), " (", errno, ")");
    m->data = map(fd, size);
  } catch (...) {
    close(fd);
    delete m;
    throw;
  }
  if (nbytes) std::memcpy(m->data, data, nbytes);
  if (!inline_data && !release && !resizable) {
    m->former = data;
    m->former_capacity = capacity;
  } else if (!inline_data) {
    storage_bytes += int64_t(nbytes);  // free_data takes it off
    free_data();
  }
  inline_data = resizable = false;
  data = m->data;
  release = unmap;
  context = m;
  shared_fd = fd;
}

Storage* Storage::attach(int fd, size_t nbytes) {
  size_t size = nbytes ? nbytes : 1;
  struct stat info;
  FL_CHECK(fstat(fd, &info) == 0 && size_t(info.st_size) >= size, "share_memory: the file has fewer than ", size, " bytes");
  Storage* s = wrap(map(fd, size), nbytes, unmap, nullptr);
  s->context = new Mapping{s->data, size, fd, nullptr, 0};
  s->shared_fd = fd;
  return s;
}

void Storage::resize(size_t n) {
  if (n == nbytes) return;
  bytes();
  FL_CHECK(resizable, "resize: Trying to resize storage that is not resizable");
  if (!on_host(device)) return backends[int(device.type)]->resize(*this, n);
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
