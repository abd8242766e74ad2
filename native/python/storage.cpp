// UntypedStorage (bytes with the buffer protocol) and Generator as Python objects.
#include "python/binding.h"

#include <structmember.h>

#include <cstring>

#include "kernels/cpu/random.h"
#include "memory/backend.h"
#include "python/generator.h"
#include "tensor/iterator.h"

namespace fl::py {

namespace {

struct StorageObject {
  PyObject_HEAD Storage* s;
};
PyTypeObject StorageType = {PyVarObject_HEAD_INIT(nullptr, 0)};
Storage*& st(PyObject* o) {
  Storage*& s = reinterpret_cast<StorageObject*>(o)->s;
  if (s) s->bytes();
  return s;
}

void storage_dealloc(PyObject* self) {
  if (st(self)) st(self)->unref();
  Py_TYPE(self)->tp_free(self);
}
PyObject* storage_new(PyTypeObject* type, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"size", "device", nullptr};
  PyObject *size = nullptr, *device = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "|OO", const_cast<char**>(names), &size, &device)) return nullptr;
  Device where;
  if (device && device != Py_None) {
    FL_CHECK_KIND(Type, device_from(device, where), "UntypedStorage(): argument 'device' must be torch.device");
    where = checked_device(where);
  }
  long long n = 0;
  Py_buffer view{};
  Ptr bytes;
  if (size && (PyList_Check(size) || PyTuple_Check(size))) {  // a sequence of bytes
    bytes = Ptr(PyBytes_FromObject(size));
    if (!bytes) return nullptr;
    size = bytes.get();
  }
  bool from_bytes = size && PyObject_CheckBuffer(size);
  if (from_bytes) {
    if (PyObject_GetBuffer(size, &view, PyBUF_SIMPLE) < 0) return nullptr;
    n = view.len;
  } else if (size) {
    n = PyLong_AsLongLong(size);
    if (n == -1 && PyErr_Occurred()) return nullptr;
    FL_CHECK(n >= 0, "UntypedStorage: size must not be negative (got ", n, ")");
  }
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  Ptr held(o);
  st(o) = Storage::make(size_t(n), where);
  if (!st(o)->data) {
    if (from_bytes) PyBuffer_Release(&view);
  } else if (from_bytes) {
    std::memcpy(st(o)->data, view.buf, size_t(n));
    PyBuffer_Release(&view);
  } else if (n) {
    std::memset(st(o)->data, 0, size_t(n));
  }
  return held.release();
  FL_CATCH(nullptr)
}
PyObject* s_nbytes(PyObject* self, PyObject*) { return PyLong_FromSize_t(st(self)->nbytes); }
PyObject* s_data_ptr(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(st(self)->data); }
PyObject* s_element_size(PyObject*, PyObject*) { return PyLong_FromLong(1); }
PyObject* s_resize(PyObject* self, PyObject* n) {
  FL_TRY
  long long size = PyLong_AsLongLong(n);
  if (size == -1 && PyErr_Occurred()) return nullptr;
  FL_CHECK(size >= 0, "resize_: size must not be negative");
  st(self)->resize(size_t(size));
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* s_clone(PyObject* self, PyObject*) {
  FL_TRY
  Storage* c = Storage::make(st(self)->nbytes, st(self)->device);
  if (c->nbytes && c->data) std::memcpy(c->data, st(self)->data, c->nbytes);
  PyObject* o = storage_object(c);
  c->unref();
  return o;
  FL_CATCH(nullptr)
}
void need_data(PyObject* self) {
  Device d = st(self)->device;
  if (!on_host(d)) fail(ErrorKind::NotImplemented, "Not available for '", device_type_name(d.type), "' device type");
}
PyObject* s_cpu(PyObject* self, PyObject*) {
  FL_TRY
  if (!on_host(st(self)->device)) throw NoHostData(st(self)->device);
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* s_self(PyObject* self, PyObject*) {
  Py_INCREF(self);
  return self;
}
PyObject* s_tolist(PyObject* self, PyObject*) {
  FL_TRY
  need_data(self);
  PyObject* l = PyList_New(Py_ssize_t(st(self)->nbytes));
  for (size_t k = 0; k < st(self)->nbytes; ++k) PyList_SET_ITEM(l, Py_ssize_t(k), PyLong_FromLong(static_cast<uint8_t*>(st(self)->data)[k]));
  return l;
  FL_CATCH(nullptr)
}
PyObject* s_device(PyObject* self, void*) { return device_object(st(self)->device); }
Py_ssize_t s_len(PyObject* self) { return Py_ssize_t(st(self)->nbytes); }
uint8_t* bytes_of(PyObject* self) { return static_cast<uint8_t*>(st(self)->data); }
bool index_of(PyObject* self, PyObject* index, Py_ssize_t& k) {
  k = PyNumber_AsSsize_t(index, PyExc_IndexError);
  if (k == -1 && PyErr_Occurred()) return false;
  Py_ssize_t n = Py_ssize_t(st(self)->nbytes);
  if (k < -n || k >= n) {
    PyErr_Format(PyExc_IndexError, "index %zd out of range for storage of size %zd", k, n);
    return false;
  }
  if (k < 0) k += n;
  return true;
}
bool slice_of(PyObject* self, PyObject* index, Py_ssize_t& begin, Py_ssize_t& n) {
  Py_ssize_t stop, step;
  if (PySlice_Unpack(index, &begin, &stop, &step) < 0) return false;
  n = PySlice_AdjustIndices(Py_ssize_t(st(self)->nbytes), &begin, &stop, step);
  if (step == 1) return true;
  PyErr_Format(PyExc_RuntimeError, "Trying to slice with a step of %zd, but only a step of 1 is supported", step);
  return false;
}
PyObject* s_item(PyObject* self, PyObject* index) {
  FL_TRY
  Py_ssize_t k, n;
  need_data(self);
  if (!PySlice_Check(index)) return index_of(self, index, k) ? PyLong_FromLong(bytes_of(self)[k]) : nullptr;
  if (!slice_of(self, index, k, n)) return nullptr;
  Storage* whole = st(self);  // a part shares memory: the whole must stay where it is
  whole->resizable = false;
  whole->ref();
  Storage* part = Storage::wrap(bytes_of(self) + k, size_t(n), [](void* s) {
    static_cast<Storage*>(s)->unref();
  },
                                whole);
  PyObject* o = storage_object(part);
  part->unref();
  return o;
  FL_CATCH(nullptr)
}
bool byte_from(PyObject* o, uint8_t& out) {
  Value v;
  FL_CHECK_KIND(Type, number_from(o, v), "can only set storage content with a number, but got ", Py_TYPE(o)->tp_name, " instead");
  out = uint8_t(v.integer());
  return true;
}
int s_assign(PyObject* self, PyObject* index, PyObject* value) {
  FL_TRY
  if (!value) {
    PyErr_SetString(PyExc_TypeError, "storage: elements cannot be deleted");
    return -1;
  }
  Py_ssize_t k, n = 1;
  need_data(self);
  if (PySlice_Check(index) ? !slice_of(self, index, k, n) : !index_of(self, index, k)) return -1;
  uint8_t b;
  byte_from(value, b);
  if (n) std::memset(bytes_of(self) + k, b, size_t(n));
  return 0;
  FL_CATCH(-1)
}
PyObject* s_fill(PyObject* self, PyObject* value) {
  FL_TRY
  uint8_t b;
  byte_from(value, b);
  if (st(self)->nbytes && on_host(st(self)->device)) std::memset(st(self)->data, b, st(self)->nbytes);
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* s_copy(PyObject* self, PyObject* args) {
  FL_TRY
  PyObject *source, *non_blocking = nullptr;
  if (!PyArg_ParseTuple(args, "O|O", &source, &non_blocking)) return nullptr;
  Storage* from = storage_from(source);
  FL_CHECK_KIND(Type, from, "copy_(): argument 'source' must be UntypedStorage, not ", Py_TYPE(source)->tp_name);
  FL_CHECK(from->nbytes == st(self)->nbytes, "size does not match, self was ", st(self)->nbytes, " bytes but src was ", from->nbytes, " bytes");
  if (!on_host(from->device) && on_host(st(self)->device)) throw NoHostData(from->device);
  if (from->nbytes && on_host(st(self)->device)) std::memmove(st(self)->data, from->data, from->nbytes);
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* s_repr(PyObject* self) {
  std::string text;
  const bool shown = on_host(st(self)->device);
  if (!shown) text = "...\n";
  for (size_t k = 0; shown && k < st(self)->nbytes; ++k) text += ' ' + std::to_string(int(bytes_of(self)[k])) + '\n';
  text += "[torch.storage.UntypedStorage(device=" + device_name(st(self)->device) + ") of size " + std::to_string(st(self)->nbytes) + "]";
  return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
}
PyObject* s_false(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* s_is_shared(PyObject* self, PyObject*) { return PyBool_FromLong(st(self)->shared_fd >= 0); }
PyObject* s_share(PyObject* self, PyObject*) {
  FL_TRY
  st(self)->share();
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* s_shared_file(PyObject* self, PyObject*) { return PyLong_FromLong(st(self)->shared_fd); }
PyObject* s_attach(PyObject*, PyObject* args) {
  FL_TRY
  int fd;
  Py_ssize_t n;
  if (!PyArg_ParseTuple(args, "in", &fd, &n)) return nullptr;
  Storage* s = Storage::attach(fd, size_t(n));
  PyObject* o = storage_object(s);
  s->unref();
  return o;
  FL_CATCH(nullptr)
}
PyObject* s_sizeof(PyObject* self, PyObject*) { return PyLong_FromSize_t(st(self)->nbytes + sizeof(StorageObject)); }
PyObject* s_cdata(PyObject* self, void*) { return PyLong_FromVoidPtr(st(self)); }
PyObject* s_is_cuda(PyObject*, void*) { Py_RETURN_FALSE; }
int s_buffer(PyObject* self, Py_buffer* view, int flags) {
  FL_TRY
  need_data(self);
  st(self)->resizable = false;
  return PyBuffer_FillInfo(view, self, st(self)->data, Py_ssize_t(st(self)->nbytes), 0, flags);
  FL_CATCH(-1)
}
PyMethodDef storage_methods[] = {{"nbytes", s_nbytes, METH_NOARGS, "The number of bytes."}, {"size", s_nbytes, METH_NOARGS, "The number of bytes."}, {"data_ptr", s_data_ptr, METH_NOARGS, "The address."}, {"element_size", s_element_size, METH_NOARGS, "1."}, {"resize_", s_resize, METH_O, "Changes the number of bytes, keeping the common prefix."}, {"clone", s_clone, METH_NOARGS, "A copy."}, {"cpu", s_cpu, METH_NOARGS, "self."}, {"tolist", s_tolist, METH_NOARGS, "The bytes as a list."}, {"fill_", s_fill, METH_O, "Sets all bytes."}, {"copy_", s_copy, METH_VARARGS, "Takes over the bytes of a storage of the same size."}, {"is_shared", s_is_shared, METH_NOARGS, "Whether other processes may see these bytes."}, {"is_pinned", s_false, METH_VARARGS, "False without a GPU."}, {"share_memory_", s_share, METH_NOARGS, "Moves the bytes to memory that processes share."}, {"_shared_file", s_shared_file, METH_NOARGS, "The file descriptor of shared memory; -1 without."}, {"_attach", s_attach, METH_VARARGS | METH_STATIC, "The storage of a shared file (descriptor, bytes); takes over the descriptor."}, {"untyped", s_self, METH_NOARGS, "self."}, {"__sizeof__", s_sizeof, METH_NOARGS}, {nullptr}};
PyGetSetDef storage_getset[] = {{"device", s_device}, {"_cdata", s_cdata}, {"is_cuda", s_is_cuda}, {nullptr}};
PySequenceMethods storage_sequence;
PyMappingMethods storage_mapping;
PyBufferProcs storage_buffer;

// ------------------------------------------------------------------------------------------------ Generator

PyTypeObject GeneratorType = {PyVarObject_HEAD_INIT(nullptr, 0)};
Generator& gen(PyObject* o) { return *reinterpret_cast<GeneratorObject*>(o)->g; }

PyObject* generator_new(PyTypeObject* type, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"device", nullptr};
  PyObject* device = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "|O", const_cast<char**>(names), &device)) return nullptr;
  Device d;
  if (device && device != Py_None) {
    FL_CHECK_KIND(Type, device_from(device, d), "Generator(): argument 'device' must be torch.device");
    std::string upper = device_type_name(d.type);
    for (char& letter : upper) letter = char(std::toupper(letter));
    FL_CHECK(on_host(d), upper, " device type not an accelerator. Device type ", device_type_name(d.type), " is not supported for torch.Generator() api.");
  }
  PyObject* o = type->tp_alloc(type, 0);
  if (o) reinterpret_cast<GeneratorObject*>(o)->g = new Generator;
  return o;
  FL_CATCH(nullptr)
}
void generator_dealloc(PyObject* self) {
  delete reinterpret_cast<GeneratorObject*>(self)->g;
  Py_TYPE(self)->tp_free(self);
}
PyObject* g_manual_seed(PyObject* self, PyObject* seed) {
  Ptr number(PyNumber_Index(seed));
  if (!number) return nullptr;
  unsigned long long s = PyLong_AsUnsignedLongLong(number.get());
  if (s == ~0ull && PyErr_Occurred()) {  // negative seeds count from 2^64
    PyErr_Clear();
    long long v = PyLong_AsLongLong(number.get());
    if (v == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      PyErr_SetString(PyExc_RuntimeError, "manual_seed: Overflow when unpacking long: the seed must lie in [-2^63, 2^64)");
      return nullptr;
    }
    s = static_cast<unsigned long long>(v);
  }
  gen(self).manual_seed(s);
  Py_INCREF(self);
  return self;
}
PyObject* g_seed(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(gen(self).seed()); }
PyObject* g_initial_seed(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(gen(self).initial_seed()); }
PyObject* g_get_state(PyObject* self, PyObject*) {
  FL_TRY
  Tensor t = empty(IntView{Generator::kStateBytes}, DType::UInt8, Device{});
  gen(self).get_state(t.bytes());
  return wrap(t);
  FL_CATCH(nullptr)
}
PyObject* g_set_state(PyObject* self, PyObject* state) {
  FL_TRY
  FL_CHECK_KIND(Type, is_tensor(state) && unwrap(state).dtype() == DType::UInt8, "RNG state must be a torch.ByteTensor");
  Tensor t = contiguous_of(unwrap(state));
  FL_CHECK(t.numel() == Generator::kStateBytes, "RNG state is wrong size");
  FL_CHECK(gen(self).set_state(t.bytes()), "Invalid mt19937 state");
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* g_clone(PyObject* self, PyObject*) {
  PyObject* o = GeneratorType.tp_alloc(&GeneratorType, 0);
  if (o) reinterpret_cast<GeneratorObject*>(o)->g = new Generator(gen(self));
  return o;
}
PyObject* g_device(PyObject*, void*) { return device_object(Device{}); }
PyObject* g_reduce(PyObject* self, PyObject*) {
  Ptr state(g_get_state(self, nullptr));
  Ptr module(PyImport_ImportModule("flambeau._tensor"));
  if (!module || !state) return nullptr;
  Ptr f(PyObject_GetAttrString(module.get(), "_rebuild_generator"));
  return f ? Py_BuildValue("(O(O))", f.get(), state.get()) : nullptr;
}
PyMethodDef generator_methods[] = {{"manual_seed", g_manual_seed, METH_O, "Starts the stream of a seed; returns self."},
                                   {"seed", g_seed, METH_NOARGS, "Seeds from the system and returns the seed."},
                                   {"initial_seed", g_initial_seed, METH_NOARGS, "The seed it was started with."},
                                   {"get_state", g_get_state, METH_NOARGS, "The state as a byte tensor, in PyTorch's layout."},
                                   {"set_state", g_set_state, METH_O, "Restores a state."},
                                   {"clone_state", g_clone, METH_NOARGS, "A generator in the same state."},
                                   {"__reduce__", g_reduce, METH_NOARGS},
                                   {nullptr}};
PyGetSetDef generator_getset[] = {{"device", g_device}, {nullptr}};
Generator* g_default_generator = nullptr;

}  // namespace

PyObject* storage_object(Storage* s) {
  PyObject* o = StorageType.tp_alloc(&StorageType, 0);
  if (!o) return nullptr;
  s->ref();
  st(o) = s;
  return o;
}
Storage* storage_from(PyObject* o) {
  if (PyType_IsSubtype(Py_TYPE(o), &StorageType)) return st(o);
  return nullptr;
}

bool init_storage(PyObject* m) {
  StorageType.tp_name = "torch.UntypedStorage";
  StorageType.tp_basicsize = sizeof(StorageObject);
  StorageType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  StorageType.tp_new = storage_new;
  StorageType.tp_dealloc = storage_dealloc;
  StorageType.tp_methods = storage_methods;
  StorageType.tp_getset = storage_getset;
  storage_sequence.sq_length = s_len;
  storage_sequence.sq_item = [](PyObject* self, Py_ssize_t k) -> PyObject* {
    Ptr index(PyLong_FromSsize_t(k));
    return index ? s_item(self, index.get()) : nullptr;
  };
  storage_mapping.mp_length = s_len;
  storage_mapping.mp_subscript = s_item;
  storage_mapping.mp_ass_subscript = s_assign;
  StorageType.tp_as_mapping = &storage_mapping;
  StorageType.tp_repr = s_repr;
  StorageType.tp_as_sequence = &storage_sequence;
  storage_buffer.bf_getbuffer = s_buffer;
  StorageType.tp_as_buffer = &storage_buffer;
  GeneratorType.tp_name = "torch.Generator";
  GeneratorType.tp_basicsize = sizeof(GeneratorObject);
  GeneratorType.tp_flags = Py_TPFLAGS_DEFAULT;
  GeneratorType.tp_new = generator_new;
  GeneratorType.tp_dealloc = generator_dealloc;
  GeneratorType.tp_methods = generator_methods;
  GeneratorType.tp_getset = generator_getset;
  if (PyType_Ready(&StorageType) < 0 || PyType_Ready(&GeneratorType) < 0) return false;
  Py_INCREF(&StorageType);
  Py_INCREF(&GeneratorType);
  PyObject* standard = GeneratorType.tp_alloc(&GeneratorType, 0);
  if (!standard) return false;
  g_default_generator = reinterpret_cast<GeneratorObject*>(standard)->g = new Generator;
  Py_INCREF(standard);  // lives as long as the process: the core draws from it
  return PyModule_AddObject(m, "UntypedStorage", reinterpret_cast<PyObject*>(&StorageType)) == 0 &&
         PyModule_AddObject(m, "Generator", reinterpret_cast<PyObject*>(&GeneratorType)) == 0 && PyModule_AddObject(m, "default_generator", standard) == 0;
}

}  // namespace fl::py

namespace fl {
Generator& generator_of(const Value& v) {
  if (v.is_none()) return *py::g_default_generator;
  PyObject* o = static_cast<PyObject*>(v.object);
  FL_CHECK_KIND(Type, Py_TYPE(o) == &py::GeneratorType, "expected a torch.Generator, got ", Py_TYPE(o)->tp_name);
  return *reinterpret_cast<py::GeneratorObject*>(o)->g;
}
}  // namespace fl
