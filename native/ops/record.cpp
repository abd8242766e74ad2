// The one door every native operator call goes through, and where results meet their destination.
#include "ops/record.h"

#include <cstring>

#include "autograd/node.h"
#include "memory/backend.h"
#include "ops/elementwise.h"
#include "ops/schema.h"
#include "tensor/iterator.h"
#include "tensor/promote.h"

namespace fl {

static Record* g_records = nullptr;
Record* all_records() { return g_records; }

Record::Record(RecordInit init) : RecordInit(init) {
  next = g_records;
  g_records = this;
  // The name is the schema's up to the overload or the parenthesis.
  const char* s = schema[0];
  size_t n = std::strcspn(s, ".(");
  char* copy = new char[n + 1];
  std::memcpy(copy, s, n);
  copy[n] = 0;
  name = copy;
}

const std::vector<Schema*>& Record::parsed() const {
  if (__builtin_expect(schemas.empty(), 0))
    for (const char* text : schema)
      if (text) schemas.push_back(parse_schema(text).release());
  return schemas;
}

int schema_arity(const Record& op) { return int(op.parsed()[0]->args.size()); }

void fill_defaults(const Record& op, Value* args, int given) {
  const Schema& s = *op.parsed()[0];
  for (size_t k = size_t(given); k < s.args.size(); ++k) args[k] = s.args[k].fallback;
}

namespace ops {
const char* c_type_name(DType t);  // gather.cpp
}

// ------------------------------------------------------------------------------------------------ results

static void check_destination(const Call& c, const TensorImpl& dst, IntView sizes, DType dtype) {
  if (c.mode == Mode::Inplace) {
    FL_CHECK(IntView(dst.sizes) == sizes, "output with shape ", dst.sizes, " doesn't match the broadcast shape ", sizes);
    FL_CHECK(can_cast(dtype, dst.dtype), "result type ", scalar_type_name(dtype), " can't be cast to the desired output type ", scalar_type_name(dst.dtype));
    FL_CHECK(!has_internal_overlap(dst.sizes, dst.strides),
             "unsupported operation: more than one element of the written-to tensor refers to "
             "a single memory location. Please clone() the tensor before performing the operation.");
  } else {
    FL_CHECK(!(c.op.flags & kExactOut) || dst.dtype == dtype, "Expected out tensor to have dtype ", ops::c_type_name(dtype), ", but got ",
             ops::c_type_name(dst.dtype), " instead");
    FL_CHECK(can_cast(dtype, dst.dtype), "result type ", scalar_type_name(dtype), " can't be cast to the desired output type ", scalar_type_name(dst.dtype));
    FL_CHECK(IntView(dst.sizes) == sizes ? !has_internal_overlap(dst.sizes, dst.strides) : true,
             "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor "
             "before performing the operation.");
  }
}

static void resize_destination(const Call& c, TensorImpl& dst, IntView sizes, const Dims* strides) {
  if (c.mode != Mode::Out || IntView(dst.sizes) == sizes) return;
  if (dst.numel != 0 && python_hooks.warn) {
    std::ostringstream text;
    text << "An output with one or more elements was resized since it had shape " << dst.sizes << ", which does not match the required output shape "
         << sizes << ". This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. "
         << "You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).";
    python_hooks.warn(text.str().c_str());
  }
  resize_(dst, sizes);
  if (strides && !is_contiguous(sizes, *strides)) set_geometry(dst, sizes, *strides, dst.offset);
}

struct Aliases {
  bool any = false, same = true, partial = false;  // same: nothing but the very window
};
static Aliases aliases_of(const Call& c, const TensorImpl& dst) {
  Aliases found;
  auto look = [&](const TensorImpl* t) {
    Overlap o = t ? overlap_of(*t, dst) : Overlap::None;
    found.any |= o != Overlap::None;
    found.same &= o == Overlap::None || o == Overlap::Same;
    found.partial |= o == Overlap::Partial;
  };
  for (int k = 0; k < c.nargs; ++k) {
    const Value& v = c.args[k];
    if (v.is_tensor()) look(v.t);
    else if (v.tag == Value::TensorsTag)
      for (int i = 0; i < v.n; ++i) look(v.ts[i]);
  }
  return found;
}

const Tensor& Call::result(IntView sizes, DType dtype, const Dims* strides, bool reads_alias) {
  int k = nresults;
  TensorImpl* dst = mode == Mode::Functional ? nullptr : preset[k];
  if (__builtin_expect(!dst, 1)) {
    results[k] = (strides ? empty_strided(sizes, *strides, dtype) : empty(sizes, dtype)).release();
  } else {
    check_destination(*this, *dst, sizes, dtype);
    Aliases alias = aliases_of(*this, *dst);
    FL_CHECK(!(alias.partial && (op.flags & kElementwise)),
             "unsupported operation: some elements of the input tensor and the written-to tensor "
             "refer to a single memory location. Please clone() the tensor before performing the operation.");
    bool direct = dst->dtype == dtype && (!alias.any || (alias.same && !reads_alias));
    if (direct || !alias.any) resize_destination(*this, *dst, sizes, strides);
    if (direct) {
      dst->ref();
      results[k] = dst;
    } else {
      results[k] = empty(sizes, dtype).release();
    }
  }
  ++nresults;
  return *reinterpret_cast<Tensor*>(&results[k]);
}

void Call::ret(Tensor t) {
  int k = nresults;
  TensorImpl* dst = mode == Mode::Functional ? nullptr : preset[k];
  if (dst && t.get() != dst) check_destination(*this, *dst, t.sizes(), t.dtype());
  results[k] = t.release();
  ++nresults;
}

void Call::finish() {
  if (mode == Mode::Functional) return;
  for (int k = 0; k < nresults; ++k) {
    TensorImpl* dst = preset[k];
    if (!dst || results[k] == dst) continue;
    resize_destination(*this, *dst, results[k]->sizes, nullptr);
    copy_values(Tensor::borrow(dst), Tensor::borrow(results[k]));
    results[k]->unref();
    dst->ref();
    results[k] = dst;
  }
}

// ------------------------------------------------------------------------------------------------ dispatch

namespace {

// The operator's work, on the device that the call's scope names.
inline void run(Call& c, const ThreadState& ts) {
  if (on_host(ts.device)) c.op.forward(c);
  else backends[int(ts.device.type)]->run(c);
}

template <class F>
void for_each_tensor(const Call& c, F&& f) {
  for (int k = 0; k < c.nargs; ++k) {
    const Value& v = c.args[k];
    if (v.is_tensor()) f(k, v.t);
    else if (v.tag == Value::TensorsTag)
      for (int i = 0; i < v.n; ++i)
        if (v.ts[i]) f(k, v.ts[i]);
  }
}

// Where a call belongs: the device that it names, else that of its tensors, else that of the operator around it. Numbers in tensors of no
// dimensions may come from the host.
Device device_of(const Call& c, const ThreadState& ts) {
  for (int k = 0; k < c.nargs; ++k)
    if (c.args[k].tag == Value::DeviceTag) return checked_device(c.args[k].device);
  const bool mixes = c.op.flags & kMixesDevices;
  Device found = ts.factory_device;
  bool any = false, firm = false;  // firm: by more than a number from the host
  auto look = [&](const TensorImpl* t) {
    bool weak = on_host(t->device) && (t->sizes.size() == 0 || mixes);
    if (!any || (!firm && !weak)) found = t->device;
    else if (!weak && !mixes && !(t->device == found))
      fail(ErrorKind::Runtime, c.op.name, ": Expected all tensors to be on the same device, but found at least two devices, ", device_name(found), " and ",
           device_name(t->device), "! Tensor on device ", device_name(t->device), " is not on the expected device ", device_name(found), "!");
    any = true;
    firm |= !weak;
  };
  for_each_tensor(c, [&](int, TensorImpl* t) {
    look(t);
  });
  if (c.mode == Mode::Functional) return found;
  for (int k = 0; k < kMaxResults; ++k) {
    const TensorImpl* t = c.preset[k];
    if (!t) continue;
    if (!any) found = t->device, any = true;
    FL_CHECK(mixes || t->device == found, c.op.name, ": Expected all tensors to be on the same device, but the result is on ", device_name(found), " and its destination on ",
             device_name(t->device), ": Attempting to copy from device ", device_name(found), " to device ", device_name(t->device), ", but cross-device copies are not allowed!");
  }
  return found;
}

bool wants_grad(const TensorImpl* t) { return Tensor::borrow(const_cast<TensorImpl*>(t)).requires_grad(); }

// The autocast door: arguments are cast (differentiably) to the type the operator's class asks for, then the call goes on.
void autocast_call(Call& c) {
  ThreadState& ts = thread_state();
  DType low = ts.autocast_dtype, target = DType::None;
  bool eligible = false;
  for_each_tensor(c, [&](int, TensorImpl* t) {
    eligible |= is_floating(t->dtype) && t->dtype != DType::Float64 && on_host(t->device);
  });
  if (eligible) {
    if (c.op.autocast == Autocast::Lower) target = low;
    if (c.op.autocast == Autocast::Float32) target = DType::Float32;
    if (c.op.autocast == Autocast::Promote)
      for_each_tensor(c, [&](int, TensorImpl* t) {
        if (is_floating(t->dtype)) target = promote_types(target, t->dtype);
      });
  }
  std::vector<Tensor> keep;
  std::vector<std::vector<Tensor>> lists;
  uint8_t doors = ts.doors;
  ts.doors &= uint8_t(~kDoorAutocast);
  struct Restore {
    ThreadState& ts;
    uint8_t doors;
    ~Restore() { ts.doors = doors; }
  } restore{ts, doors};
  if (target != DType::None) {
    keep.reserve(size_t(c.nargs));
    lists.reserve(size_t(c.nargs));
    auto cast = [&](const Tensor& t) {
      bool convert = t.defined() && is_floating(t.dtype()) && t.dtype() != DType::Float64 && t.dtype() != target;
      return convert ? ops::to_dtype(t, target) : t;
    };
    for (int k = 0; k < c.nargs; ++k) {
      Value& v = c.args[k];
      if (v.is_tensor()) {
        keep.push_back(cast(v.tensor()));
        v = Value(keep.back());
      } else if (v.tag == Value::TensorsTag) {
        auto& list = lists.emplace_back();
        for (int i = 0; i < v.n; ++i) list.push_back(cast(Tensor::borrow(v.ts[i])));
        v = Value(list);
      }
    }
  }
  dispatch(c);
}

// The capture door. Elementwise calls are put off further on (elementwise.cpp); what others read or overwrite is computed now.
void capture_call(const Call& c) {
  if (c.mode != Mode::Functional) return settle();
  if (c.op.flags & (kElementwise | kComposite | kViewOp)) return;
  bool owed = false;
  for_each_tensor(c, [&](int, TensorImpl* t) {
    owed |= t->storage->promise != nullptr;
  });
  if (owed) settle();
}

void set_multi_view(const Tensor& t) {
  if (t->base && t->origin == Origin::Plain) t->origin = Origin::MultiOutput;
}

void bump_versions(Call& c) {
  if (c.mode == Mode::Functional) return;
  for (int k = 0; k < c.nresults; ++k)
    if (c.preset[k]) ++c.preset[k]->version();
}

void recorded_call(Call& c, const bool* needs) {
  const bool inplace = c.mode == Mode::Inplace;
  FL_CHECK(c.mode != Mode::Out, c.op.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
  if (inplace) {
    FL_CHECK(c.op.gradient || (c.op.flags & kNoGrad), "derivative for aten::", c.op.name, "_ is not implemented");
    check_inplace(Tensor::borrow(c.preset[0]), c.op.name);
  }
  if (c.op.fixed)
    for (int k = 0; k < c.nargs; ++k)
      FL_CHECK(!(c.op.fixed & save_in(k)) || !needs[k], "The function '", c.op.name, "' is not differentiable with respect to argument '",
               c.op.parsed()[c.overload]->args[size_t(k)].name, "'. This input cannot have requires_grad True.");
  Ref<OpNode> node = Ref<OpNode>::steal(new OpNode(c, needs));
  Tensor inplace_view;  // keeps the destination alive
  {
    GradModeGuard off(false);
    if (c.op.flags & kViewOp) thread_state().grad_enabled = true;  // views note how they were made
    run(c, thread_state());
    thread_state().grad_enabled = false;
    c.finish();
  }
  bump_versions(c);
  if (c.has_value) return;
  if (c.is_list) {
    for (size_t k = 0; k < c.list.size(); ++k) {
      node->add_meta(c.list[k]);
      if (is_differentiable(c.list[k].dtype())) set_history(c.list[k], node.get(), uint32_t(k));
      if (c.op.flags & kMultiView) set_multi_view(c.list[k]);
    }
    return;
  }
  for (int k = 0; k < c.nresults; ++k) node->add_meta(Tensor::borrow(c.results[k]));
  if (!inplace)
    for (int k = 0; k < c.nresults; ++k) {
      TensorImpl* r = c.results[k];
      bool input = false;  // an operator with nothing to do may hand an input back
      for_each_tensor(c, [&](int, TensorImpl* t) {
        input |= t == r;
      });
      if (!input && is_differentiable(r->dtype)) set_history(Tensor::borrow(r), node.get(), uint32_t(k));
    }
  node->keep_results(c);
  if (inplace) rebase_history(Tensor::borrow(c.preset[0]), node.get());
}

}  // namespace

// What PyTorch's processor kernels know of complex32, besides views: hardly more than what holds data together.
static void check_complex_half(const Call& c) {
  static const char* const known[] = {"_tied_input", "_to_copy", "_to_dtype", "abs", "add", "alias", "all", "any", "cat", "clone", "conj", "conj_physical", "copy_", "detach", "empty_like", "eq", "fill_", "full_like", "imag", "index", "index_put", "index_put_", "index_select", "isfinite", "isinf", "isnan", "masked_fill", "mul", "ne", "neg", "nonzero", "ones_like", "positive", "real", "resolve_conj", "resolve_neg", "roll", "rsub", "sgn", "sub", "to_dtype", "where", "zero_", "zeros_like"};
  if (c.op.flags & (kViewOp | kComposite)) return;
  bool half = false;
  for_each_tensor(c, [&](int, TensorImpl* t) {
    half |= t->dtype == DType::Complex32;
  });
  if (!half) return;
  for (const char* name : known)
    if (!std::strcmp(name, c.op.name)) return;
  not_offered(c.op, DType::Complex32);
}

[[gnu::always_inline]] static inline void dispatch_here(Call& c);
[[gnu::noinline, gnu::cold]] static void dispatch_there(Call& c) {
  DeviceScope scope(device_of(c, thread_state()));
  dispatch_here(c);
}

void dispatch(Call& c) {
  if (__builtin_expect(complex_half_in_use, 0)) check_complex_half(c);
  if (c.op.flags & kInplaceOnly) {
    c.mode = Mode::Inplace;
    std::memset(c.preset, 0, sizeof c.preset);
    c.preset[0] = c.args[0].t;
  }
  if (__builtin_expect(devices_in_use, 0)) return dispatch_there(c);
  dispatch_here(c);
}

static inline void dispatch_here(Call& c) {
  ThreadState& ts = thread_state();
  if (c.mode != Mode::Functional && c.preset[0])
    FL_CHECK(!c.preset[0]->inference || ts.inference,
             "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal tensor before doing "
             "inplace update.");
  if (__builtin_expect(ts.doors, 0)) {
    if (ts.doors & kDoorAutocast && c.op.autocast != Autocast::Plain) return autocast_call(c);
    if (ts.doors & kDoorCapture && on_host(ts.device)) capture_call(c);
  }
  if (__builtin_expect(c.mode != Mode::Functional, 0) && ts.grad_enabled) {
    if (c.mode == Mode::Out)
      for (TensorImpl* dst : c.preset)
        FL_CHECK(!dst || !wants_grad(dst), c.op.name,
                 "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
    else if ((c.op.flags & (kNoGrad | kInplace)) == (kNoGrad | kInplace) && !(c.op.flags & kInplaceOnly) && wants_grad(c.preset[0])) {
      bool needs[kMaxArgs] = {true};
      return recorded_call(c, needs);
    }
  }
  if (ts.grad_enabled && !(c.op.flags & (kNoGrad | kComposite))) {
    bool needs[kMaxArgs], any = false;
    for (int k = 0; k < c.nargs; ++k) {
      const Value& v = c.args[k];
      needs[k] = false;
      if (v.is_tensor()) needs[k] = v.tensor().requires_grad();
      else if (v.tag == Value::TensorsTag)
        for (int i = 0; i < v.n; ++i) needs[k] |= v.ts[i] && wants_grad(v.ts[i]);
      any |= needs[k];
    }
    if (any) return recorded_call(c, needs);
  }
  if (__builtin_expect(c.mode == Mode::Functional, 1)) {
    run(c, ts);
    if (__builtin_expect(c.op.flags & kMultiView, 0))
      for (auto& t : c.list) set_multi_view(t);
    return;
  }
  run(c, ts);
  if ((c.op.flags & kComposite) && c.mode == Mode::Inplace && c.results[0] != c.preset[0]) {  // recorded like any other write
    ops::copy_.inplace(Tensor::borrow(c.preset[0]), Tensor::borrow(c.results[0]));
    c.results[0]->unref();
    c.preset[0]->ref();
    c.results[0] = c.preset[0];
    return;
  }
  if ((c.op.flags & kComposite) && c.mode == Mode::Out)
    for (int k = 0; k < c.nresults; ++k)
      FL_CHECK(!Tensor::borrow(c.results[k]).requires_grad(), c.op.name,
               "(): functions with out=... arguments don't support automatic differentiation, "
               "but one of the arguments requires grad.");
  c.finish();
  bump_versions(c);
}

}  // namespace fl
