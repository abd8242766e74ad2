// Backend: what a device other than the host's processor brings, namely memory and a way to do an operator's work on tensors there. A
// backend enters itself in `backends`; nothing else lists devices, and operator records know nothing of them.
#pragma once
#include "memory/storage.h"

namespace fl {

class Tensor;
struct Call;
struct Grad;
struct Value;

struct Backend {
  Storage* (*make)(size_t nbytes);                     // uninitialised bytes; `data` is null where the host cannot reach them
  void (*resize)(Storage& s, size_t nbytes);           // keeps the common prefix
  void (*run)(Call& c);                                // the work of c.op.forward
  void (*gradient)(Grad& g);                           // the work of g.node.op->gradient
  void (*copy)(const Tensor& to, const Tensor& from);  // into, out of and within the device; shapes broadcast, types may differ
  void (*fill)(const Tensor& to, const Value& number);
  void (*add)(const Tensor& to, const Tensor& from);   // to += from
  bool numbered;                                       // "cuda:1" is another device than "cuda:0"
};

inline constexpr int kDeviceTypes = 8;
extern const Backend* backends[kDeviceTypes];  // null: not in this build, and for the processor, whose paths are the plain ones

// Set once a program has named a device other than the processor: until then no call looks at its tensors' devices.
extern bool devices_in_use;

inline bool on_host(Device d) { return __builtin_expect(d.type == DeviceType::CPU, 1); }

// The device as tensors carry it. AssertionError for CUDA and NotImplementedError for other devices that this build lacks.
Device checked_device(Device d);

// Where calls on this thread allocate and run. Inside an operator that is the device of its tensors; outside, the processor, while
// factories (torch.zeros...) that are not told a device follow torch.set_default_device.
struct DeviceScope {
  Device device, factory_device;
  explicit DeviceScope(Device d);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
};

}  // namespace fl
