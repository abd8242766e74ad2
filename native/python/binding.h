// What the files of this folder share: the Python Tensor object, wrapping and unwrapping, and the translation of errors.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "autograd/node.h"
#include "base/error.h"
#include "ops/ops.h"
#include "ops/schema.h"
#include "tensor/promote.h"

namespace fl::py {

// The Python face of a TensorImpl. A face is made when Python first sees a tensor and lives as long as its identity can be observed: if it
// carries state (subclass, attributes, weak references) and Python drops it while the core still holds the tensor, the tensor keeps it.
struct PyTensor {
  PyObject_HEAD TensorImpl* t;
  PyObject* dict;
  PyObject* weak;
};
extern PyTypeObject TensorType, TensorMetaType, SizeType;
extern PyTypeObject* SparseType;     // flambeau.sparse's class: native operators hand over to it, functions in Python do not
extern PyTypeObject* ParameterType;  // flambeau.nn.Parameter, once it exists

PyObject* wrap_slow(TensorImpl* stolen);
PyObject* wrap(Tensor t);            // new reference; None for an undefined tensor
inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == &TensorType || PyType_IsSubtype(Py_TYPE(o), &TensorType); }
inline const Tensor& unwrap(PyObject* o) { return *reinterpret_cast<const Tensor*>(&reinterpret_cast<PyTensor*>(o)->t); }
// Does the type override __torch_function__ (so that calls must go through it)? Parameter and Tensor do not.
bool overrides(PyTypeObject* type);
inline bool plain(PyObject* o) { return Py_TYPE(o) == &TensorType || Py_TYPE(o) == ParameterType || !overrides(Py_TYPE(o)); }

// Owned PyObject*.
class Ptr {
 public:
  Ptr() = default;
  explicit Ptr(PyObject* stolen) : p_(stolen) {}
  Ptr(Ptr&& o) noexcept : p_(o.p_) { o.p_ = nullptr; }
  Ptr& operator=(Ptr&& o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ptr() { Py_XDECREF(p_); }
  static Ptr borrow(PyObject* p) {
    Py_XINCREF(p);
    return Ptr(p);
  }
  PyObject* get() const { return p_; }
  PyObject* release() {
    PyObject* p = p_;
    p_ = nullptr;
    return p;
  }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};
[[noreturn]] void raise_python();                                  // throws Error(Python): the indicator is set
inline PyObject* check(PyObject* p) {
  if (!p) raise_python();
  return p;
}
inline bool truth(PyObject* o) {
  int r = PyObject_IsTrue(o);
  if (r < 0) raise_python();
  return r;
}
void set_error(const Error& e);
void set_unknown_error(const std::exception& e);

#define FL_TRY try {
#define FL_CATCH(result)            \
  }                                 \
  catch (const ::fl::Error& e) {    \
    ::fl::py::set_error(e);         \
    return result;                  \
  }                                 \
  catch (const std::exception& e) { \
    ::fl::py::set_unknown_error(e); \
    return result;                  \
  }

// ---- small objects: dtype, device, layout, memory_format, Size (types.cpp)
PyObject* dtype_object(DType t);       // borrowed
PyObject* layout_object(Layout l);
PyObject* format_object(MemoryFormat f);
PyObject* device_object(Device d);     // new reference
bool dtype_from(PyObject* o, DType& out);     // torch.dtype, or Python's float, int, bool, complex
bool device_from(PyObject* o, Device& out);   // device, str, int; throws for bad strings
bool is_dtype(PyObject* o);
bool layout_from(PyObject* o, Layout& out);
bool format_from(PyObject* o, MemoryFormat& out);
PyObject* size_object(IntView v);      // new torch.Size
bool init_types(PyObject* module);
extern PyObject* OutOfMemoryError;

// ---- conversions
PyObject* number_object(const Value& v);                  // Python number
bool number_from(PyObject* o, Value& out);                // bool, int, float, complex, NumPy scalars; false if none of these
PyObject* tensor_item(const Tensor& t);
bool init_data(PyObject* module);                         // tensor(), from_numpy ... (data.cpp)
bool init_tensor(PyObject* module);
bool init_parser(PyObject* module);
bool init_autograd(PyObject* module);
bool init_storage(PyObject* module);
bool init_optim(PyObject* module);                        // optim.cpp
bool init_nn_module(PyObject* module);
PyObject* storage_object(Storage* s);                     // new reference (storage.cpp)
Storage* storage_from(PyObject* o);                       // null if it is none
// The functions queued during a backward pass: run() calls them once the outermost pass is over; an error drops them.
struct FinalCallbacks {
  ~FinalCallbacks();
  bool run();
};
PyObject* node_object(Node* n);                           // new reference (autograd.cpp)
// For the collector: the Python objects that a node alone holds. A tensor or node object that is the only owner of a node reports them
// as its own, so that a context which stores its function's result, or a hook that closes over its tensor, is found to be garbage.
int visit_node(Node& n, visitproc visit, void* arg);
void track(PyObject* tensor);                             // plain tensors are not tracked by the collector before (tensor_type.cpp)

// ---- indexing (indexing.cpp)
PyObject* tensor_subscript(PyObject* self, PyObject* index);
int tensor_assign_subscript(PyObject* self, PyObject* index, PyObject* value);

// ---- operators as Python objects (parser.cpp)
PyObject* call_record(const Record& r, PyObject* const* args, Py_ssize_t npos, PyObject* keywords, Mode mode, bool method);
PyObject* find_operator(const char* name);                // borrowed: the callable of torch.NAME
PyObject* results_object(Call& c, const Schema& s);

Tensor tensor_of_array(PyObject* o);  // the elements of a NumPy array; undefined if o is none or has no element type here

// ---- overriding (torch_function.cpp)
// Calls the first override among the arguments; func is the public callable.
PyObject* call_torch_function(PyObject* func, PyObject* const* args, Py_ssize_t npos, PyObject* keywords);
extern bool torch_function_enabled;
extern int torch_function_modes;
// Do attributes and methods of the core go to __torch_function__ of self, or to a mode?
bool watched_slow(PyObject* self);
inline bool watched(PyObject* self) {
  return __builtin_expect((Py_TYPE(self) != &TensorType && Py_TYPE(self) != ParameterType) || torch_function_modes, 0) && watched_slow(self);
}
PyObject* call_watched(const char* name, PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw);

}  // namespace fl::py
