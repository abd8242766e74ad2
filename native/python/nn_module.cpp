// What nn.Module does on every use, natively: attribute access and the call.
//
// Attributes: parameters, buffers and children live in dictionaries of their own, and looking there through a Python
// __getattr__ would raise and catch an AttributeError on every access. Classes whose __getattr__ is Module's get this lookup instead.
#include "python/binding.h"

#include <structmember.h>

namespace fl::py {

namespace {

PyObject* g_module_getattr = nullptr;  // Module.__getattr__, which also says what is missing
PyObject* g_tables[3];

PyObject* module_getattro(PyObject* self, PyObject* name) {
  PyObject* found = _PyObject_GenericGetAttrWithDict(self, name, nullptr, 1);
  if (found || PyErr_Occurred()) return found;
  Ptr state(PyObject_GenericGetDict(self, nullptr));
  if (!state) return nullptr;
  for (PyObject* table_name : g_tables) {
    PyObject* table = PyDict_GetItemWithError(state.get(), table_name);
    if (!table || !PyDict_Check(table)) {
      if (PyErr_Occurred()) return nullptr;
      continue;
    }
    PyObject* value = PyDict_GetItemWithError(table, name);
    if (value) {
      Py_INCREF(value);
      return value;
    }
    if (PyErr_Occurred()) return nullptr;
  }
  return PyObject_CallFunctionObjArgs(g_module_getattr, self, name, nullptr);
}

// _use_module_getattr(cls, getattr): called for every subclass of Module.
PyObject* use_module_getattr(PyObject*, PyObject* args) {
  PyObject *cls, *getattr;
  if (!PyArg_ParseTuple(args, "O!O", &PyType_Type, &cls, &getattr)) return nullptr;
  if (!g_module_getattr) {
    Py_INCREF(getattr);
    g_module_getattr = getattr;
    g_tables[0] = PyUnicode_InternFromString("_parameters");
    g_tables[1] = PyUnicode_InternFromString("_buffers");
    g_tables[2] = PyUnicode_InternFromString("_modules");
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  static PyObject *own = PyUnicode_InternFromString("__getattr__"), *every = PyUnicode_InternFromString("__getattribute__");
  bool plain_lookup = _PyType_Lookup(type, own) == g_module_getattr && _PyType_Lookup(type, every) == _PyType_Lookup(&PyBaseObject_Type, every);
  if (plain_lookup) {
    type->tp_getattro = module_getattro;
    PyType_Modified(type);
  }
  Py_RETURN_NONE;
}

// ------------------------------------------------------------------------------------------------ the call

// Module.__call__: straight to forward unless the module is marked as hooked or a global hook exists.
struct ModuleCall {
  PyObject_HEAD
      vectorcallfunc call;
  PyObject* with_hooks;  // (module, args, kwargs)
  PyObject* tables;      // tuple of the dictionaries of global hooks
};
PyTypeObject ModuleCallType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyObject *g_hooked, *g_forward;

PyObject* call_hooked(const ModuleCall* c, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  Ptr rest(PyTuple_New(n - 1)), named(PyDict_New());
  if (!rest || !named) return nullptr;
  for (Py_ssize_t k = 1; k < n; ++k) {
    Py_INCREF(args[k]);
    PyTuple_SET_ITEM(rest.get(), k - 1, args[k]);
  }
  for (Py_ssize_t k = 0; k < (kw ? PyTuple_GET_SIZE(kw) : 0); ++k)
    if (PyDict_SetItem(named.get(), PyTuple_GET_ITEM(kw, k), args[n + k]) < 0) return nullptr;
  return PyObject_CallFunctionObjArgs(c->with_hooks, args[0], rest.get(), named.get(), nullptr);
}
PyObject* module_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kw) {
  const ModuleCall* c = reinterpret_cast<ModuleCall*>(self);
  Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  if (n < 1) {
    PyErr_SetString(PyExc_TypeError, "Module.__call__() missing 1 required positional argument: 'self'");
    return nullptr;
  }
  Ptr state(PyObject_GenericGetDict(args[0], nullptr));
  if (!state) return nullptr;
  PyObject* hooked = PyDict_GetItemWithError(state.get(), g_hooked);
  if (!hooked && PyErr_Occurred()) return nullptr;
  bool plain_call = !hooked || hooked == Py_False;
  for (Py_ssize_t k = 0; plain_call && k < PyTuple_GET_SIZE(c->tables); ++k) plain_call = PyDict_GET_SIZE(PyTuple_GET_ITEM(c->tables, k)) == 0;
  if (!plain_call) return call_hooked(c, args, n, kw);
  PyTypeObject* type = Py_TYPE(args[0]);
  PyObject* forward = _PyType_Lookup(type, g_forward);  // borrowed
  bool method = forward && PyType_HasFeature(Py_TYPE(forward), Py_TPFLAGS_METHOD_DESCRIPTOR);
  if (method && !PyDict_Contains(state.get(), g_forward)) {
    Ptr held = Ptr::borrow(forward);
    return PyObject_Vectorcall(forward, args, size_t(n), kw);
  }
  Ptr bound(PyObject_GetAttr(args[0], g_forward));
  return bound ? PyObject_Vectorcall(bound.get(), args + 1, size_t(n - 1), kw) : nullptr;
}
PyObject* module_call_get(PyObject* self, PyObject* object, PyObject*) {
  if (object && object != Py_None) return PyMethod_New(self, object);
  Py_INCREF(self);
  return self;
}
void module_call_dealloc(PyObject* self) {
  Py_XDECREF(reinterpret_cast<ModuleCall*>(self)->with_hooks);
  Py_XDECREF(reinterpret_cast<ModuleCall*>(self)->tables);
  PyObject_Free(self);
}
// _module_call(with_hooks, tables) -> the function for Module.__call__
PyObject* make_module_call(PyObject*, PyObject* args) {
  PyObject *with_hooks, *tables;
  if (!PyArg_ParseTuple(args, "OO!", &with_hooks, &PyTuple_Type, &tables)) return nullptr;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tables); ++k)
    if (!PyDict_Check(PyTuple_GET_ITEM(tables, k))) {
      PyErr_SetString(PyExc_TypeError, "_module_call: expected a tuple of dictionaries");
      return nullptr;
    }
  ModuleCall* c = PyObject_New(ModuleCall, &ModuleCallType);
  if (!c) return nullptr;
  Py_INCREF(with_hooks);
  Py_INCREF(tables);
  c->call = module_call;
  c->with_hooks = with_hooks;
  c->tables = tables;
  return reinterpret_cast<PyObject*>(c);
}
PyMemberDef call_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(ModuleCall, call), READONLY}, {nullptr}};
PyGetSetDef call_getset[] = {{"__name__", [](PyObject*, void*) -> PyObject* {
                                return PyUnicode_FromString("__call__");
                              }},
                             {"__qualname__", [](PyObject*, void*) -> PyObject* {
                                return PyUnicode_FromString("Module.__call__");
                              }},
                             {"__doc__", [](PyObject*, void*) -> PyObject* {
                                return PyUnicode_FromString("forward, with the module's hooks around it.");
                              }},
                             {nullptr}};

PyMethodDef functions[] = {{"_module_call", make_module_call, METH_VARARGS, "The function for Module.__call__."},
                           {"_use_module_getattr", use_module_getattr, METH_VARARGS, "Gives a subclass of Module the native attribute lookup."},
                           {nullptr}};

}  // namespace

bool init_nn_module(PyObject* m) {
  g_hooked = PyUnicode_InternFromString("_hooked");
  g_forward = PyUnicode_InternFromString("forward");
  PyTypeObject& t = ModuleCallType;
  t.tp_name = "torch._C.ModuleCall";
  t.tp_basicsize = sizeof(ModuleCall);
  t.tp_dealloc = module_call_dealloc;
  t.tp_call = PyVectorcall_Call;
  t.tp_vectorcall_offset = offsetof(ModuleCall, call);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  t.tp_descr_get = module_call_get;
  t.tp_members = call_members;
  t.tp_getset = call_getset;
  return PyType_Ready(&t) == 0 && PyModule_AddFunctions(m, functions) == 0;
}

}  // namespace fl::py
