// What operators that make tensors share: the dtype, layout, device, pin_memory, requires_grad arguments.
#pragma once
#include "memory/backend.h"
#include "ops/elementwise.h"
#include "tensor/modes.h"

namespace fl::ops {

#define FL_OPTIONS "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=False, bool? requires_grad=False"

struct Options {
  DType dtype;
  Device device;
  bool requires_grad;
};
// Factory arguments sit at `at`: dtype, layout, device, pin_memory, requires_grad.
inline Options options(const Call& c, int at, DType otherwise) {
  Options o{c.dtype(at, otherwise), {}, false};
  if (c.mode == Mode::Out && c.preset[0] && c.has(at))
    FL_CHECK(o.dtype == c.preset[0]->dtype, "dtype ", scalar_type_name(o.dtype), " does not match dtype of out parameter (",
             scalar_type_name(c.preset[0]->dtype), ")");
  if (c.has(at + 1)) FL_CHECK_KIND(NotImplemented, c.arg(at + 1).layout == Layout::Strided, c.op.name, ": only strided layout is supported");
  if (c.has(at + 2)) o.device = checked_device(c.arg(at + 2).device);
  else o.device = c.nargs && c.arg(0).is_tensor() ? c.tensor(0).device() : thread_state().factory_device;
  if (c.has(at + 4)) o.requires_grad = c.flag(at + 4);
  return o;
}
inline void finish(Call& c, Tensor t, bool requires_grad) {
  if (requires_grad) {
    FL_CHECK(is_differentiable(t.dtype()), "Only Tensors of floating point and complex dtype can require gradients");
    t->requires_grad = true;
  }
  c.ret(std::move(t));
}

}  // namespace fl::ops
