// Attribute access of nn.Module: parameters, buffers and children live in dictionaries of their own, and looking there through a Python
// __getattr__ would raise and catch an AttributeError on every access. Classes whose __getattr__ is Module's get this lookup instead.
#include "python/binding.h"

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

PyMethodDef functions[] = {{"_use_module_getattr", use_module_getattr, METH_VARARGS, "Gives a subclass of Module the native attribute lookup."}, {nullptr}};

}  // namespace

bool init_module_getattr(PyObject* m) { return PyModule_AddFunctions(m, functions) == 0; }

}  // namespace fl::py
