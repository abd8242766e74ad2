// The small value types of the API: dtype, device, layout, memory_format, Size.
#include "memory/backend.h"
#include "python/binding.h"

#include <cstring>

namespace fl::py {

PyObject* OutOfMemoryError = nullptr;

void raise_python() { throw Error(ErrorKind::Python, ""); }

void set_error(const Error& e) {
  PyObject* type = PyExc_RuntimeError;
  switch (e.kind) {
    case ErrorKind::Runtime: break;
    case ErrorKind::Type: type = PyExc_TypeError; break;
    case ErrorKind::Value: type = PyExc_ValueError; break;
    case ErrorKind::Index: type = PyExc_IndexError; break;
    case ErrorKind::NotImplemented: type = PyExc_NotImplementedError; break;
    case ErrorKind::Overflow: type = PyExc_OverflowError; break;
    case ErrorKind::Assertion: type = PyExc_AssertionError; break;
    case ErrorKind::OutOfMemory: type = OutOfMemoryError ? OutOfMemoryError : PyExc_RuntimeError; break;
    case ErrorKind::Interrupt:
      if (PyErr_CheckSignals() == 0) PyErr_SetNone(PyExc_KeyboardInterrupt);
      return;
    case ErrorKind::Python:
      if (PyErr_Occurred()) return;
      break;
  }
  PyErr_SetString(type, e.message.c_str());
}
void set_unknown_error(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e)) PyErr_SetString(OutOfMemoryError ? OutOfMemoryError : PyExc_RuntimeError, "allocator: out of memory");
  else PyErr_SetString(PyExc_RuntimeError, e.what());
}

namespace {

struct Named {
  PyObject_HEAD int8_t value;
  const char* name;
};
PyTypeObject DTypeType = {PyVarObject_HEAD_INIT(nullptr, 0)}, LayoutType = {PyVarObject_HEAD_INIT(nullptr, 0)}, FormatType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyObject* g_dtypes[kDTypes];
PyObject *g_layouts[6], *g_formats[4];

// Element types that programs name (to compare with, to look up) and that no tensor here can have.
constexpr struct {
  const char* name;
  uint8_t size;
  bool floating, is_signed;
} kNamesOnly[] = {{"float8_e4m3fn", 1, true, true}, {"float8_e5m2", 1, true, true}, {"float8_e4m3fnuz", 1, true, true}, {"float8_e5m2fnuz", 1, true, true}, {"float8_e8m0fnu", 1, true, false}, {"float4_e2m1fn_x2", 1, true, true}, {"qint8", 1, false, true}, {"quint8", 1, false, false}, {"qint32", 4, false, true}, {"quint4x2", 1, false, false}, {"quint2x4", 1, false, false}};
constexpr int kFirstNameOnly = kDTypes + 1;

PyObject* named_repr(PyObject* self) { return PyUnicode_FromFormat("torch.%s", reinterpret_cast<Named*>(self)->name); }
PyObject* named_reduce(PyObject* self, PyObject*) { return PyUnicode_FromString(reinterpret_cast<Named*>(self)->name); }
PyObject* named_copy(PyObject* self, PyObject*) {
  Py_INCREF(self);
  return self;
}
PyMethodDef named_methods[] = {{"__reduce__", named_reduce, METH_NOARGS}, {"__copy__", named_copy, METH_NOARGS}, {"__deepcopy__", named_copy, METH_O}, {nullptr}};

// The row of kNamesOnly, or null for a type that tensors have.
auto name_only(PyObject* o) {
  int v = reinterpret_cast<Named*>(o)->value;
  return v < kFirstNameOnly ? nullptr : &kNamesOnly[v - kFirstNameOnly];
}
DType dt(PyObject* o) { return DType(reinterpret_cast<Named*>(o)->value); }
PyObject* to_real(PyObject* s, PyObject*) {
  PyObject* r = name_only(s) ? s : dtype_object(real_type(dt(s)));
  Py_INCREF(r);
  return r;
}
PyObject* to_complex(PyObject* s, PyObject*) {
  FL_TRY
  if (auto row = name_only(s)) fail(ErrorKind::Runtime, "Unknown Complex ScalarType for ", row->name);
  FL_CHECK(is_floating(dt(s)) || is_complex(dt(s)), "Unknown Complex ScalarType for ", scalar_type_name(dt(s)));
  DType t = dt(s);
  PyObject* r = dtype_object(is_complex(t) ? t : complex_type(t));
  Py_INCREF(r);
  return r;
  FL_CATCH(nullptr)
}
PyMethodDef dtype_methods[] = {{"__reduce__", named_reduce, METH_NOARGS}, {"__copy__", named_copy, METH_NOARGS}, {"__deepcopy__", named_copy, METH_O}, {"to_real", to_real, METH_NOARGS}, {"to_complex", to_complex, METH_NOARGS}, {nullptr}};
PyGetSetDef dtype_getset[] = {
    {"__module__", [](PyObject*, void*) -> PyObject* {
       return PyUnicode_InternFromString("torch");
     }},
    {"is_floating_point", [](PyObject* s, void*) -> PyObject* {
       auto row = name_only(s);
       return PyBool_FromLong(row ? row->floating : is_floating(dt(s)));
     }},
    {"is_complex", [](PyObject* s, void*) -> PyObject* {
       return PyBool_FromLong(!name_only(s) && is_complex(dt(s)));
     }},
    {"is_signed", [](PyObject* s, void*) -> PyObject* {
       if (auto row = name_only(s)) return PyBool_FromLong(row->is_signed);
       DType t = dt(s);
       return PyBool_FromLong(t != DType::Bool && t != DType::UInt8 && t != DType::UInt16 && t != DType::UInt32 && t != DType::UInt64);
     }},
    {"itemsize", [](PyObject* s, void*) -> PyObject* {
       auto row = name_only(s);
       return PyLong_FromSize_t(row ? row->size : item_size(dt(s)));
     }},
    {nullptr}};

PyObject* make_named(PyTypeObject* type, int value, const char* name) {
  Named* o = PyObject_New(Named, type);
  o->value = int8_t(value);
  o->name = name;
  return reinterpret_cast<PyObject*>(o);
}
bool ready_named(PyTypeObject* t, const char* name, PyMethodDef* methods, PyGetSetDef* getset) {
  t->tp_name = name;
  t->tp_basicsize = sizeof(Named);
  t->tp_flags = Py_TPFLAGS_DEFAULT;
  t->tp_repr = named_repr;
  t->tp_methods = methods;
  t->tp_getset = getset;
  return PyType_Ready(t) == 0;
}

// ---- device
struct DeviceObject {
  PyObject_HEAD Device d;
  PyObject* stack;
};
PyTypeObject DeviceObjectType = {PyVarObject_HEAD_INIT(nullptr, 0)};
Device& dev(PyObject* o) { return reinterpret_cast<DeviceObject*>(o)->d; }
PyObject* device_repr(PyObject* self) {
  Device d = dev(self);
  if (d.index < 0) return PyUnicode_FromFormat("device(type='%s')", device_type_name(d.type));
  return PyUnicode_FromFormat("device(type='%s', index=%d)", device_type_name(d.type), int(d.index));
}
PyObject* device_str(PyObject* self) { return PyUnicode_FromString(device_name(dev(self)).c_str()); }
Py_hash_t device_hash(PyObject* self) { return int(dev(self).type) * 131 + dev(self).index + 7; }
PyObject* device_compare(PyObject* a, PyObject* b, int op) {
  if (Py_TYPE(a) != &DeviceObjectType || Py_TYPE(b) != &DeviceObjectType || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((dev(a) == dev(b)) == (op == Py_EQ));
}
PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  PyObject *type = nullptr, *index = Py_None;
  static const char* names[] = {"type", "index", nullptr};
  static const char* names2[] = {"device", nullptr};
  Device d;
  if (kw && PyDict_GetItemString(kw, "device")) {
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O", const_cast<char**>(names2), &type)) return nullptr;
  } else if (!PyArg_ParseTupleAndKeywords(args, kw, "O|O", const_cast<char**>(names), &type, &index)) return nullptr;
  if (!device_from(type, d)) {
    PyErr_Format(PyExc_TypeError, "device(): argument 'type' (position 1) must be str, not %s", Py_TYPE(type)->tp_name);
    return nullptr;
  }
  if (index != Py_None) {
    if (d.index >= 0) {
      PyErr_Format(PyExc_RuntimeError, "type (string) must not include an index because index was passed explicitly: %s", device_name(d).c_str());
      return nullptr;
    }
    long i = PyLong_AsLong(index);
    if (i == -1 && PyErr_Occurred()) return nullptr;
    if (i < 0 || i > 127) {
      PyErr_SetString(PyExc_RuntimeError, "Device index must not be negative");
      return nullptr;
    }
    d.index = int8_t(i);
  }
  return device_object(d);
  FL_CATCH(nullptr)
}
PyObject* device_reduce(PyObject* self, PyObject*) {
  Device d = dev(self);
  PyObject* type = reinterpret_cast<PyObject*>(&DeviceObjectType);
  if (d.index < 0) return Py_BuildValue("(O(s))", type, device_type_name(d.type));
  return Py_BuildValue("(O(si))", type, device_type_name(d.type), int(d.index));
}
// `with torch.device(d):` sets the default device for the block; the Python side keeps the stack.
PyObject* device_enter(PyObject* self, PyObject*) {
  Ptr module(PyImport_ImportModule("flambeau._settings"));
  if (!module) return nullptr;
  Ptr r(PyObject_CallMethod(module.get(), "_push_default_device", "O", self));
  if (!r) return nullptr;
  Py_INCREF(self);
  return self;
}
PyObject* device_exit(PyObject*, PyObject*) {
  Ptr module(PyImport_ImportModule("flambeau._settings"));
  if (!module) return nullptr;
  return PyObject_CallMethod(module.get(), "_pop_default_device", nullptr);
}
PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS}, {"__enter__", device_enter, METH_NOARGS}, {"__exit__", device_exit, METH_VARARGS}, {"__copy__", named_copy, METH_NOARGS}, {"__deepcopy__", named_copy, METH_O}, {nullptr}};
PyGetSetDef device_getset[] = {
    {"type", [](PyObject* s, void*) -> PyObject* {
       return PyUnicode_InternFromString(device_type_name(dev(s).type));
     }},
    {"index", [](PyObject* s, void*) -> PyObject* {
       if (dev(s).index < 0) Py_RETURN_NONE;
       return PyLong_FromLong(dev(s).index);
     }},
    {nullptr}};
PyObject* g_cpu = nullptr;

// ---- Size: a tuple of ints that prints as torch.Size([...])
PyObject* size_repr(PyObject* self) {
  Ptr list(PySequence_List(self));
  if (!list) return nullptr;
  Ptr text(PyObject_Repr(list.get()));
  if (!text) return nullptr;
  return PyUnicode_FromFormat("torch.Size(%U)", text.get());
}
PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kw) {
  Ptr self(PyTuple_Type.tp_new(type, args, kw));
  if (!self) return nullptr;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(self.get()); ++k) {
    PyObject* item = PyTuple_GET_ITEM(self.get(), k);
    if (PyLong_Check(item) && !PyBool_Check(item)) continue;
    PyObject* number = PyNumber_Index(item);
    if (!number) {
      PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", k, Py_TYPE(item)->tp_name);
      return nullptr;
    }
    PyTuple_SET_ITEM(self.get(), k, number);
    Py_DECREF(item);
  }
  return self.release();
}
PyObject* as_size(PyObject* tuple) {
  if (!tuple || !PyTuple_CheckExact(tuple)) return tuple;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tuple); ++k)
    if (!PyLong_Check(PyTuple_GET_ITEM(tuple, k))) return tuple;
  Ptr held(tuple);
  return PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&SizeType), tuple, nullptr);
}
PyObject* size_concat(PyObject* a, PyObject* b) {
  if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
  return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
PyObject* size_repeat(PyObject* a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
PyObject* size_subscript(PyObject* a, PyObject* i) {
  PyObject* r = PyTuple_Type.tp_as_mapping->mp_subscript(a, i);
  return PySlice_Check(i) ? as_size(r) : r;
}
PyObject* size_numel(PyObject* self, PyObject*) {
  int64_t n = 1;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(self); ++k) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, k));
  return PyLong_FromLongLong(n);
}
PyObject* size_reduce(PyObject* self, PyObject*) {
  Ptr plain_tuple(PyTuple_GetSlice(self, 0, PyTuple_GET_SIZE(self)));
  if (PyTuple_Check(self) && Py_TYPE(plain_tuple.get()) != &PyTuple_Type) {
    Ptr list(PySequence_List(self));
    plain_tuple = Ptr(PyList_AsTuple(list.get()));
  }
  return Py_BuildValue("(O(O))", &SizeType, plain_tuple.get());
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "The product of the sizes."}, {"__reduce__", size_reduce, METH_NOARGS}, {nullptr}};
PyNumberMethods size_number;
PySequenceMethods size_sequence;
PyMappingMethods size_mapping;

}  // namespace

PyTypeObject SizeType = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject* dtype_object(DType t) { return g_dtypes[int(t)]; }
PyObject* layout_object(Layout l) { return g_layouts[int(l)]; }
PyObject* format_object(MemoryFormat f) { return g_formats[int(f)]; }
bool is_dtype(PyObject* o) { return Py_TYPE(o) == &DTypeType; }
bool dtype_from(PyObject* o, DType& out) {
  if (Py_TYPE(o) == &DTypeType) {
    if (auto row = name_only(o)) fail(ErrorKind::NotImplemented, "torch.", row->name, " is known by name only: no tensor can have this dtype; use torch.bfloat16 or torch.int8");
    out = dt(o);
    return true;
  }
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) {
    out = default_dtype();
    if (out != DType::Float64) out = DType::Float64;
    return true;
  }
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) {
    out = DType::Bool;
    return true;
  }
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) {
    out = DType::Int64;
    return true;
  }
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) {
    out = DType::Complex128;
    return true;
  }
  return false;
}
bool layout_from(PyObject* o, Layout& out) {
  if (Py_TYPE(o) != &LayoutType) return false;
  out = Layout(reinterpret_cast<Named*>(o)->value);
  return true;
}
bool format_from(PyObject* o, MemoryFormat& out) {
  if (Py_TYPE(o) != &FormatType) return false;
  out = MemoryFormat(reinterpret_cast<Named*>(o)->value);
  return true;
}
PyObject* device_object(Device d) {
  if (d == Device{} && g_cpu) {
    Py_INCREF(g_cpu);
    return g_cpu;
  }
  DeviceObject* o = PyObject_New(DeviceObject, &DeviceObjectType);
  if (!o) return nullptr;
  o->d = d;
  o->stack = nullptr;
  return reinterpret_cast<PyObject*>(o);
}
// From the first device on that is not the processor, calls look at where their tensors are.
static void note_device(Device d) {
  if (on_host(d) || devices_in_use || !backends[int(d.type)]) return;
  Ptr module(PyImport_ImportModule("flambeau._operator"));
  Ptr done(module ? PyObject_CallMethod(module.get(), "look_at_devices", nullptr) : nullptr);
  if (!done) raise_python();
  devices_in_use = true;
}
bool device_from(PyObject* o, Device& out) {
  if (Py_TYPE(o) == &DeviceObjectType) {
    out = dev(o);
    return true;
  }
  if (PyUnicode_Check(o)) {
    out = parse_device(PyUnicode_AsUTF8(o));
    note_device(out);
    return true;
  }
  if (PyLong_Check(o) && !PyBool_Check(o)) {
    long i = PyLong_AsLong(o);
    FL_CHECK(i >= 0 && i < 128, "Device index must not be negative");
    fail(ErrorKind::Runtime, "Cannot access accelerator device when none is available.");
  }
  return false;
}
PyObject* size_object(IntView v) {
  PyObject* s = SizeType.tp_alloc(&SizeType, v.n);
  if (!s) return nullptr;
  for (int k = 0; k < v.n; ++k) PyTuple_SET_ITEM(s, k, PyLong_FromLongLong(v[k]));
  return s;
}

bool init_types(PyObject* m) {
  if (!ready_named(&DTypeType, "torch.dtype", dtype_methods, dtype_getset) || !ready_named(&LayoutType, "torch.layout", named_methods, nullptr) ||
      !ready_named(&FormatType, "torch.memory_format", named_methods, nullptr))
    return false;
  for (int k = 0; k < kDTypes; ++k) {
    g_dtypes[k] = make_named(&DTypeType, k, dtype_name(DType(k)));
    Py_INCREF(g_dtypes[k]);
    if (PyModule_AddObject(m, dtype_name(DType(k)), g_dtypes[k]) < 0) return false;
  }
  for (size_t k = 0; k < sizeof kNamesOnly / sizeof *kNamesOnly; ++k)
    if (PyModule_AddObject(m, kNamesOnly[k].name, make_named(&DTypeType, kFirstNameOnly + int(k), kNamesOnly[k].name)) < 0) return false;
  const char* layouts[] = {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"};
  for (int k = 0; k < 6; ++k) {
    g_layouts[k] = make_named(&LayoutType, k, layouts[k]);
    Py_INCREF(g_layouts[k]);
    PyModule_AddObject(m, layouts[k], g_layouts[k]);
  }
  const char* formats[] = {"contiguous_format", "preserve_format", "channels_last", "channels_last_3d"};
  for (int k = 0; k < 4; ++k) {
    g_formats[k] = make_named(&FormatType, k, formats[k]);
    Py_INCREF(g_formats[k]);
    PyModule_AddObject(m, formats[k], g_formats[k]);
  }
  DeviceObjectType.tp_name = "torch.device";
  DeviceObjectType.tp_basicsize = sizeof(DeviceObject);
  DeviceObjectType.tp_flags = Py_TPFLAGS_DEFAULT;
  DeviceObjectType.tp_repr = device_repr;
  DeviceObjectType.tp_str = device_str;
  DeviceObjectType.tp_hash = device_hash;
  DeviceObjectType.tp_richcompare = device_compare;
  DeviceObjectType.tp_new = device_new;
  DeviceObjectType.tp_methods = device_methods;
  DeviceObjectType.tp_getset = device_getset;
  if (PyType_Ready(&DeviceObjectType) < 0) return false;
  g_cpu = device_object(Device{});
  if (!g_cpu) return false;
  size_number.nb_add = size_concat;
  size_sequence.sq_concat = nullptr;
  size_sequence.sq_repeat = size_repeat;
  size_mapping.mp_subscript = size_subscript;
  SizeType.tp_name = "torch.Size";
  SizeType.tp_base = &PyTuple_Type;
  SizeType.tp_basicsize = PyTuple_Type.tp_basicsize;
  SizeType.tp_itemsize = PyTuple_Type.tp_itemsize;
  SizeType.tp_flags = Py_TPFLAGS_DEFAULT;
  SizeType.tp_repr = size_repr;
  SizeType.tp_new = size_new;
  SizeType.tp_methods = size_methods;
  SizeType.tp_as_number = &size_number;
  SizeType.tp_as_sequence = &size_sequence;
  SizeType.tp_as_mapping = &size_mapping;
  if (PyType_Ready(&SizeType) < 0) return false;
  struct {
    const char* name;
    PyTypeObject* type;
  } types[] = {{"dtype", &DTypeType}, {"layout", &LayoutType}, {"memory_format", &FormatType}, {"device", &DeviceObjectType}, {"Size", &SizeType}};
  for (auto& t : types) {
    Py_INCREF(t.type);
    if (PyModule_AddObject(m, t.name, reinterpret_cast<PyObject*>(t.type)) < 0) return false;
  }
  OutOfMemoryError = PyErr_NewException("torch.OutOfMemoryError", PyExc_RuntimeError, nullptr);
  Py_XINCREF(OutOfMemoryError);
  return OutOfMemoryError && PyModule_AddObject(m, "OutOfMemoryError", OutOfMemoryError) == 0;
}

}  // namespace fl::py
