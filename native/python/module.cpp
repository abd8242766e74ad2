// The extension module flambeau._C: puts the parts together; process-wide settings.
#include "autograd/node.h"
#include "capture/fusion.h"
#include "python/binding.h"

#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/interrupt.h"
#include "base/unlock.h"
#include "kernels/cpu/isa.h"
#include "memory/backend.h"
#include "tensor/iterator.h"

namespace fl::py {

namespace {

PyObject* get_default_dtype(PyObject*, PyObject*) {
  PyObject* o = dtype_object(default_dtype());
  Py_INCREF(o);
  return o;
}
PyObject* set_default_dtype_(PyObject*, PyObject* o) {
  FL_TRY
  DType t;
  FL_CHECK_KIND(Type, is_dtype(o) && dtype_from(o, t), "invalid dtype object: only floating-point types are supported as the default type");
  set_default_dtype(t);
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}
PyObject* get_threads(PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }
PyObject* set_threads(PyObject*, PyObject* n) {
  if (!PyLong_Check(n) || PyBool_Check(n)) {
    PyErr_Format(PyExc_TypeError, "set_num_threads expects an int, but got %s", Py_TYPE(n)->tp_name);
    return nullptr;
  }
  long v = PyLong_AsLong(n);
  if (v == -1 && PyErr_Occurred()) return nullptr;
  if (v <= 0) {
    PyErr_SetString(PyExc_RuntimeError, "set_num_threads expects a positive integer");
    return nullptr;
  }
  set_num_threads(int(v));
  Py_RETURN_NONE;
}
PyObject* isa_level(PyObject*, PyObject*) { return PyUnicode_FromString(cpu::isa_name()); }
PyObject* promote(PyObject*, PyObject* args) {
  FL_TRY
  PyObject *a, *b;
  if (!PyArg_ParseTuple(args, "OO", &a, &b)) return nullptr;
  DType x, y;
  FL_CHECK_KIND(Type, is_dtype(a) && is_dtype(b) && dtype_from(a, x) && dtype_from(b, y), "promote_types(): arguments must be torch.dtype");
  PyObject* o = dtype_object(promote_types(x, y));
  Py_INCREF(o);
  return o;
  FL_CATCH(nullptr)
}
PyObject* result_type(PyObject*, PyObject* args) {
  FL_TRY
  FL_CHECK_KIND(Type, PyTuple_GET_SIZE(args) == 2, "result_type(): expected 2 arguments, got ", PyTuple_GET_SIZE(args));
  Promotion p;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(args); ++k) {
    PyObject* o = PyTuple_GET_ITEM(args, k);
    Value v;
    if (is_tensor(o)) v = Value(unwrap(o));
    else FL_CHECK_KIND(Type, number_from(o, v), "result_type(): arguments must be Tensor or Number, not ", Py_TYPE(o)->tp_name);
    p.add(v);
  }
  PyObject* o = dtype_object(p.result());
  Py_INCREF(o);
  return o;
  FL_CATCH(nullptr)
}
PyObject* can_cast_(PyObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"from_", "to", nullptr};
  PyObject *a, *b;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "OO", const_cast<char**>(names), &a, &b)) return nullptr;
  DType x, y;
  if (!is_dtype(a) || !is_dtype(b) || !dtype_from(a, x) || !dtype_from(b, y)) {
    PyErr_SetString(PyExc_TypeError, "can_cast(): arguments must be torch.dtype");
    return nullptr;
  }
  return PyBool_FromLong(can_cast(x, y));
  FL_CATCH(nullptr)
}
PyObject* stats(PyObject*, PyObject*) {
  MemoryStats s = memory_stats();
  return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L,s:L}", "allocated_bytes", (long long)s.allocated, "peak_bytes", (long long)s.peak, "cached_bytes", (long long)s.cached,
                       "live_storages", (long long)s.live_storages, "live_tensors", (long long)s.live_tensors, "live_nodes", (long long)s.live_nodes, "storage_bytes",
                       (long long)s.storage_bytes);
}
PyObject* empty_cache_(PyObject*, PyObject*) {
  empty_cache();
  Py_RETURN_NONE;
}
PyObject* reset_peak(PyObject*, PyObject*) {
  reset_peak_memory();
  Py_RETURN_NONE;
}
PyObject* memory_limit(PyObject*, PyObject* n) {
  long long v = PyLong_AsLongLong(n);
  if (v == -1 && PyErr_Occurred()) return nullptr;
  set_memory_limit(v < 0 ? 0 : v);
  Py_RETURN_NONE;
}
PyObject* fail_after(PyObject*, PyObject* n) {
  long long v = PyLong_AsLongLong(n);
  if (v == -1 && PyErr_Occurred()) return nullptr;
  fail_allocation_after(v);
  Py_RETURN_NONE;
}
PyObject* broadcast_shapes_(PyObject*, PyObject* args) {
  FL_TRY
  Dims out(0);
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(args); ++k) {
    PyObject* shape = PyTuple_GET_ITEM(args, k);
    Ptr t(PyLong_Check(shape) ? PyTuple_Pack(1, shape) : PySequence_Tuple(shape));
    if (!t) return nullptr;
    Dims d(0);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t.get()); ++i) {
      int64_t v = PyLong_AsLongLong(PyTuple_GET_ITEM(t.get(), i));
      if (v == -1 && PyErr_Occurred()) return nullptr;
      d.push(v);
    }
    out = broadcast_shapes(out, d);
  }
  return size_object(out);
  FL_CATCH(nullptr)
}
// x._to(dtype or None, copy, memory_format or None): the conversions of Tensor.to, recorded.
PyObject* tensor_to(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  FL_CHECK_KIND(Type, n == 5 && is_tensor(a[0]), "_tensor_to: expected (tensor, dtype, copy, memory_format, device)");
  Tensor t = unwrap(a[0]), before = t;
  DType d;
  if (a[1] != Py_None && dtype_from(a[1], d) && d != t.dtype()) t = ops::to_dtype(t, d);
  Device where;
  if (a[4] != Py_None && device_from(a[4], where) && !((where = checked_device(where)) == t.device())) t = ops::to_device(t, where);
  MemoryFormat f = MemoryFormat::None;
  if (a[3] != Py_None) format_from(a[3], f);
  bool copy = truth(a[2]) && t.get() == before.get();
  if (f != MemoryFormat::None && f != MemoryFormat::Preserve) {
    MemoryFormat has = !t.suggests_channels_last() ? MemoryFormat::Contiguous : t.dim() == 4 ? MemoryFormat::ChannelsLast
                                                                                             : MemoryFormat::ChannelsLast3d;
    // A tensor that keeps its type is only asked what it looks like; a converted one is laid out exactly.
    bool fits = has == f && (t.get() == before.get() || f != MemoryFormat::Contiguous || t->plain);
    if (copy || !fits) t = ops::clone(t, f);
  } else if (copy) {
    t = ops::clone(t);
  }
  if (t.get() != before.get() && t->grad_fn)
    if (auto* node = dynamic_cast<OpNode*>(t->grad_fn)) node->shown = "ToCopyBackward0";
  if (t.get() == before.get()) {
    Py_INCREF(a[0]);
    return a[0];
  }
  return wrap(t);
  FL_CATCH(nullptr)
}
// The first device other than the processor among tensors and devices in arguments, else the processor if there is any tensor.
bool find_device(PyObject* o, Device& found, int depth) {
  Device d;
  if (is_tensor(o)) d = unwrap(o).device();
  else if (depth && (PyTuple_Check(o) || PyList_Check(o))) {
    bool any = false;
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k) any |= find_device(PySequence_Fast_GET_ITEM(o, k), found, depth - 1);
    return any;
  } else return false;
  if (on_host(found)) found = d;
  return true;
}
// _where_tensors_are(function, args, kwargs): the call, whose operators make their tensors on the device of those in the arguments.
PyObject* where_tensors_are(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  FL_CHECK_KIND(Type, n == 3 && PyTuple_Check(a[1]) && PyDict_Check(a[2]), "_where_tensors_are: expected (function, args, kwargs)");
  Device device, named;
  bool any = find_device(a[1], device, 3);
  PyObject *key, *value;
  Py_ssize_t at = 0;
  while (PyDict_Next(a[2], &at, &key, &value)) any |= find_device(value, device, 2);
  PyObject* given = PyDict_GetItemString(a[2], "device");
  if (given && given != Py_None && device_from(given, named)) {
    device = checked_device(named);
    any = true;
  }
  if (!any) return PyObject_Call(a[0], a[1], a[2]);
  DeviceScope scope(device);
  return PyObject_Call(a[0], a[1], a[2]);
  FL_CATCH(nullptr)
}
PyObject* set_factory_device(PyObject*, PyObject* o) {
  FL_TRY
  Device d;
  FL_CHECK_KIND(Type, device_from(o, d), "set_default_device: expected a device, not ", Py_TYPE(o)->tp_name);
  thread_state().factory_device = checked_device(d);
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}
// transpose_ and its kin: self becomes the view that was made of it, history included.
PyObject* adopt_view(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  FL_CHECK_KIND(Type, n == 2 && is_tensor(a[0]) && is_tensor(a[1]), "_adopt_view: expected two Tensors");
  Tensor self = unwrap(a[0]), view = unwrap(a[1]);
  FL_CHECK(self->storage == view->storage && self.dtype() == view.dtype(), "_adopt_view: not a view of the tensor");
  if (thread_state().grad_enabled && self.requires_grad()) check_inplace(self, "view");
  set_geometry(*self.get(), view.sizes(), view.strides(), view->offset);
  ++self->version();
  if (view->grad_fn) {  // the in-place forms are numbered after the others
    static const char* const numbered[][2] = {{"TransposeBackward0", "TransposeBackward1"}, {"TBackward0", "TBackward1"}, {"UnsqueezeBackward0", "UnsqueezeBackward1"}, {"SqueezeBackward0", "SqueezeBackward3"}, {"SqueezeBackward1", "SqueezeBackward4"}, {"SqueezeBackward2", "SqueezeBackward5"}, {"AsStridedBackward0", "AsStridedBackward1"}};
    std::string name = view->grad_fn->name();
    for (auto& [from, to] : numbered)
      if (name == from) view->grad_fn->shown = to;
    set_history(self, view->grad_fn, uint32_t(view->output_nr));
  }
  Py_INCREF(a[0]);
  return a[0];
  FL_CATCH(nullptr)
}
// Puts a Python function into Tensor's dictionary.
PyObject* add_methods(PyObject*, PyObject* dict) {
  PyObject *k, *v;
  Py_ssize_t pos = 0;
  while (PyDict_Next(dict, &pos, &k, &v))
    if (PyDict_SetItem(TensorType.tp_dict, k, v) < 0) return nullptr;
  PyType_Modified(&TensorType);
  Py_RETURN_NONE;
}

// Ctrl-C may stop a kernel only on the thread that gets it, and only where nothing but KeyboardInterrupt can come of it: a handler of
// the program's own may want the work to go on.
bool usual_interrupt_handler() {
#if defined(__linux__)
  if (getpid() != gettid()) return false;
#elif defined(__APPLE__)
  if (!pthread_main_np()) return false;
#endif
  static PyObject *getsignal = nullptr, *usual = nullptr, *number = nullptr;
  if (!getsignal) {
    Ptr m(PyImport_ImportModule("_signal"));
    Ptr f(m ? PyObject_GetAttrString(m.get(), "getsignal") : nullptr), d(f ? PyObject_GetAttrString(m.get(), "default_int_handler") : nullptr);
    number = PyLong_FromLong(SIGINT);
    if (!d || !number) {
      PyErr_Clear();
      return false;
    }
    getsignal = f.release(), usual = d.release();
  }
  Ptr now(PyObject_CallOneArg(getsignal, number));
  if (!now) PyErr_Clear();
  return now.get() == usual;
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f))
PyObject* begin_fusion_(PyObject*, PyObject*) {
  begin_fusion();
  Py_RETURN_NONE;
}
PyObject* end_fusion_(PyObject*, PyObject*) {
  FL_TRY
  end_fusion();
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}

PyMethodDef functions[] = {
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The floating type of new tensors."},
    {"_set_default_dtype", set_default_dtype_, METH_O, "Sets it."},
    {"get_num_threads", get_threads, METH_NOARGS, "Threads that one operation may use."},
    {"set_num_threads", set_threads, METH_O, "Sets their number."},
    {"_begin_fusion", begin_fusion_, METH_NOARGS, "A compiled function begins: elementwise calls are put off (capture/fusion.h)."},
    {"_end_fusion", end_fusion_, METH_NOARGS, "It ends: what is still owed is computed."},
    {"_isa", isa_level, METH_NOARGS, "The instruction set of the kernels in use."},
    {"promote_types", promote, METH_VARARGS, "The smallest type that holds both."},
    {"result_type", result_type, METH_VARARGS, "The type of an operation between the arguments."},
    {"can_cast", FAST(can_cast_), METH_VARARGS | METH_KEYWORDS, "Whether a result of one type may be written into the other."},
    {"_memory_stats", stats, METH_NOARGS, "Bytes and objects in use."},
    {"_empty_cache", empty_cache_, METH_NOARGS, "Gives cached memory back to the system."},
    {"_reset_peak_memory", reset_peak, METH_NOARGS, "Starts peak_bytes anew."},
    {"_set_memory_limit", memory_limit, METH_O, "Bytes of large blocks that may be in use; 0: no limit."},
    {"_fail_allocation_after", fail_after, METH_O, "For tests: the n-th large allocation fails."},
    {"broadcast_shapes", broadcast_shapes_, METH_VARARGS, "The shape that all shapes broadcast to."},
    {"_where_tensors_are", FAST(where_tensors_are), METH_FASTCALL, "A call whose operators make tensors where those in its arguments are."},
    {"_set_factory_device", set_factory_device, METH_O, "Sets where factories make tensors."},
    {"_tensor_to", FAST(tensor_to), METH_FASTCALL, "Conversion of type and layout."},
    {"_adopt_view", FAST(adopt_view), METH_FASTCALL, "Gives a tensor the geometry and history of a view of it."},
    {"_add_tensor_methods", add_methods, METH_O, "Adds methods written in Python to Tensor."},
    {nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "flambeau._C", "The native core of flambeau.", -1, functions, nullptr, nullptr, nullptr, nullptr};

}  // namespace

}  // namespace fl::py

PyMODINIT_FUNC PyInit__C() {
  using namespace fl::py;
  PyObject* m = PyModule_Create(&definition);
  if (!m) return nullptr;
  fl::install_fusion();
  fl::unlock_interpreter = []() -> void* {
    return PyEval_SaveThread();
  };
  fl::may_interrupt = usual_interrupt_handler;
  fl::lock_interpreter = [](void* s) {
    PyEval_RestoreThread(static_cast<PyThreadState*>(s));
  };
  try {
    if (init_types(m) && init_tensor(m) && init_data(m) && init_storage(m) && init_autograd(m) && init_optim(m) && init_parser(m) && init_nn_module(m)) return m;
  } catch (const fl::Error& e) {
    set_error(e);
  }
  Py_DECREF(m);
  return nullptr;
}
