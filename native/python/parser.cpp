// Operators as Python objects: binding the arguments of a call to a schema, calling the record, and shaping the result.
#include "python/binding.h"

#include <structmember.h>

#include <cstring>
#include <string>
#include <unordered_map>

#include "memory/backend.h"
#include "tensor/iterator.h"

namespace fl::py {

bool torch_function_enabled = true;
int torch_function_modes = 0;

// ------------------------------------------------------------------------------------------------ numbers

bool number_from(PyObject* o, Value& out) {
  if (PyFloat_Check(o)) {
    out = Value(PyFloat_AS_DOUBLE(o));
    return true;
  }
  if (PyBool_Check(o)) {
    out = Value(o == Py_True);
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow = 0;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      unsigned long long u = overflow > 0 ? PyLong_AsUnsignedLongLong(o) : 0;  // uint64 values keep their bits
      if (overflow < 0 || PyErr_Occurred()) {
        PyErr_Clear();
        fail(ErrorKind::Overflow, overflow < 0 ? "can't convert negative int to unsigned" : "int too big to convert", " (Overflow when unpacking long long)");
      }
      v = static_cast<long long>(u);
    }
    out = Value(int64_t(v));
    return true;
  }
  if (PyComplex_Check(o)) {
    out = Value(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o));
    return true;
  }
  if (is_tensor(o)) return false;
  // NumPy scalars: objects of numpy with an item() and no dimensions, recognised without importing NumPy.
  const char* name = Py_TYPE(o)->tp_name;
  if (!std::strncmp(name, "numpy.", 6) && std::strcmp(name, "numpy.ndarray")) {
    Ptr v(PyObject_CallMethod(o, "item", nullptr));
    if (!v) {
      PyErr_Clear();
      return false;
    }
    if (Py_TYPE(v.get()) == Py_TYPE(o)) return false;
    return number_from(v.get(), out);
  }
  return false;
}
PyObject* number_object(const Value& v) {
  switch (v.tag) {
    case Value::BoolTag: return PyBool_FromLong(v.b);
    case Value::IntTag: return PyLong_FromLongLong(v.i);
    case Value::FloatTag: return PyFloat_FromDouble(v.d);
    case Value::ComplexTag: return PyComplex_FromDoubles(v.z[0], v.z[1]);
    case Value::StrTag: return PyUnicode_FromString(v.s);
    case Value::DTypeTag: {
      PyObject* o = dtype_object(v.dtype);
      Py_INCREF(o);
      return o;
    }
    case Value::TensorTag: return wrap(v.tensor());
    default: Py_RETURN_NONE;
  }
}
PyObject* tensor_item(const Tensor& t) {
  if (t.numel() == 1 && t.dtype() == DType::UInt64) {
    uint64_t u;
    std::memcpy(&u, t.bytes(), 8);
    return PyLong_FromUnsignedLongLong(u);
  }
  return number_object(item_value(*t.get()));
}

// ------------------------------------------------------------------------------------------------ binding

namespace {

struct Arena {  // list arguments and objects kept alive during a call
  int64_t ints[64];
  TensorImpl* tensors[64];
  double floats[16];
  int used_ints = 0, used_tensors = 0, used_floats = 0;
  std::vector<std::vector<int64_t>> big_ints;
  std::vector<std::vector<TensorImpl*>> big_tensors;
  std::vector<Ptr> objects;
  std::vector<Tensor> held;  // the items of lists: code that runs during the call may change the list
  bool overridden = false;  // an argument's type overrides __torch_function__

  int64_t* take_ints(Py_ssize_t n) {
    if (used_ints + n <= 64) {
      used_ints += int(n);
      return ints + used_ints - n;
    }
    return big_ints.emplace_back(size_t(n)).data();
  }
  TensorImpl** take_tensors(Py_ssize_t n) {
    if (used_tensors + n <= 64) {
      used_tensors += int(n);
      return tensors + used_tensors - n;
    }
    return big_tensors.emplace_back(size_t(n)).data();
  }
};

bool has_override(PyObject* o, Arena& arena) {
  if (Py_TYPE(o) == &TensorType || Py_TYPE(o) == ParameterType) return false;
  if ((torch_function_enabled || Py_TYPE(o) == SparseType) && overrides(Py_TYPE(o))) arena.overridden = true;
  return arena.overridden;
}

bool int_from(PyObject* o, int64_t& out) {
  if (PyLong_CheckExact(o)) {
    out = PyLong_AsLongLong(o);
    if (out == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      fail(ErrorKind::Value, "Overflow when unpacking long long");
    }
    return true;
  }
  if (PyBool_Check(o) || PyFloat_Check(o) || PyUnicode_Check(o)) return false;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    if (t.numel() != 1 || is_differentiable(t.dtype()) || t.dtype() == DType::Bool || t.dim() != 0) return false;
    out = item_value(*t.get()).integer();
    return true;
  }
  if (!PyIndex_Check(o)) return false;
  Ptr v(PyNumber_Index(o));
  if (!v) {
    PyErr_Clear();
    return false;
  }
  out = PyLong_AsLongLong(v.get());
  if (out == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    fail(ErrorKind::Value, "Overflow when unpacking long long");
  }
  return true;
}

// Converts `o` to what the schema asks for. false: it does not fit.
bool convert(PyObject* o, const SchemaArg& a, Value& v, Arena& arena) {
  switch (a.type) {
    case ArgType::Tensor:
      if (Py_TYPE(o) == &TensorType || is_tensor(o)) {
        v.tag = Value::TensorTag;
        v.t = reinterpret_cast<PyTensor*>(o)->t;
        if (__builtin_expect(Py_TYPE(o) != &TensorType, 0)) has_override(o, arena);
        return true;
      }
      break;
    case ArgType::Scalar:
      if (PyFloat_CheckExact(o)) {
        v = Value(PyFloat_AS_DOUBLE(o));
        return true;
      }
      if (is_tensor(o)) {
        const Tensor& t = unwrap(o);
        if (t.dim() != 0 || t.requires_grad() || !on_host(t.device())) return false;
        has_override(o, arena);
        v = item_value(*t.get());
        return true;
      }
      if (number_from(o, v)) return true;
      break;
    case ArgType::Int: {
      int64_t i;
      if (int_from(o, i)) {
        v = Value(i);
        return true;
      }
      break;
    }
    case ArgType::Float:
      if (PyFloat_CheckExact(o)) {
        v = Value(PyFloat_AS_DOUBLE(o));
        return true;
      }
      if (PyBool_Check(o)) return false;
      if (is_tensor(o)) {
        const Tensor& t = unwrap(o);
        if (t.dim() != 0 || is_complex(t.dtype())) return false;
        v = Value(item_value(*t.get()).real());
        return true;
      }
      if (number_from(o, v) && v.tag != Value::ComplexTag) {
        v = Value(v.real());
        return true;
      }
      break;
    case ArgType::Bool:
      if (PyBool_Check(o)) {
        v = Value(o == Py_True);
        return true;
      }
      if (is_tensor(o) && unwrap(o).dim() == 0 && unwrap(o).dtype() == DType::Bool) {
        v = item_value(*unwrap(o).get());
        return true;
      }
      if (!std::strcmp(Py_TYPE(o)->tp_name, "numpy.bool_") || !std::strcmp(Py_TYPE(o)->tp_name, "numpy.bool")) {
        v = Value(PyObject_IsTrue(o) == 1);
        return true;
      }
      break;
    case ArgType::Ints: {
      if (PyTuple_Check(o) || PyList_Check(o)) {
        Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
        PyObject** items = PySequence_Fast_ITEMS(o);
        int64_t* to = arena.take_ints(n);
        for (Py_ssize_t k = 0; k < n; ++k) {
          if (PyLong_CheckExact(items[k])) {
            int_from(items[k], to[k]);
            continue;
          }
          Ptr item = Ptr::borrow(items[k]);  // __index__ may do anything, even to the list
          if (!int_from(item.get(), to[k]) || PySequence_Fast_GET_SIZE(o) != n) return false;
          items = PySequence_Fast_ITEMS(o);
        }
        v = Value(IntView(to, int(n)));
        return true;
      }
      if (a.fixed || false) {
        int64_t i;
        if (!int_from(o, i)) return false;
        int n = a.fixed ? a.fixed : 1;
        int64_t* to = arena.take_ints(n);
        for (int k = 0; k < n; ++k) to[k] = i;
        v = Value(IntView(to, n));
        return true;
      }
      return false;
    }
    case ArgType::Floats: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      if (n > 16) return false;
      double* to = arena.floats;
      for (Py_ssize_t k = 0; k < n; ++k) {
        Value x;
        if (!number_from(PySequence_Fast_GET_ITEM(o, k), x)) return false;
        to[k] = x.real();
      }
      v = Value();
      v.tag = Value::FloatsTag;
      v.n = int(n);
      v.floats = to;
      return true;
    }
    case ArgType::Bools: {
      if (PyBool_Check(o)) {
        v = Value(o == Py_True);
        return true;
      }
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      int64_t* to = arena.take_ints(n);
      for (Py_ssize_t k = 0; k < n; ++k) to[k] = PySequence_Fast_GET_ITEM(o, k) == Py_True;
      v = Value(IntView(to, int(n)));
      return true;
    }
    case ArgType::Tensors: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      PyObject** items = PySequence_Fast_ITEMS(o);
      TensorImpl** to = arena.take_tensors(n);
      arena.held.reserve(arena.held.size() + size_t(n));
      for (Py_ssize_t k = 0; k < n; ++k) {
        if (is_tensor(items[k])) {
          to[k] = reinterpret_cast<PyTensor*>(items[k])->t;
          arena.held.push_back(unwrap(items[k]));
          if (Py_TYPE(items[k]) != &TensorType) has_override(items[k], arena);
        } else if (items[k] == Py_None && a.optional_items) {
          to[k] = nullptr;
        } else if (has_override(items[k], arena)) {
          to[k] = nullptr;
        } else {
          return false;
        }
      }
      v = Value();
      v.tag = Value::TensorsTag;
      v.n = int(n);
      v.ts = to;
      return true;
    }
    case ArgType::Str:
      if (PyUnicode_Check(o)) {
        v = Value(PyUnicode_AsUTF8(o));
        return true;
      }
      break;
    case ArgType::DType: {
      DType t;
      if (dtype_from(o, t)) {
        v = Value(t);
        return true;
      }
      break;
    }
    case ArgType::Device: {
      Device d;
      if (PyBool_Check(o)) return false;
      if (device_from(o, d)) {
        v = Value();
        v.tag = Value::DeviceTag;
        v.device = d;
        return true;
      }
      break;
    }
    case ArgType::Layout: {
      Layout l;
      if (layout_from(o, l)) {
        v = Value();
        v.tag = Value::LayoutTag;
        v.layout = l;
        return true;
      }
      break;
    }
    case ArgType::Format: {
      MemoryFormat f;
      if (format_from(o, f)) {
        v = Value(f);
        return true;
      }
      break;
    }
    case ArgType::Generator:
    case ArgType::Object:
      v = Value();
      v.tag = Value::ObjectTag;
      v.object = o;
      return true;
  }
  return has_override(o, arena);
}

bool same_name(PyObject* a, const SchemaArg& arg) {
  if (a == arg.interned || (arg.alias && a == arg.alias)) return true;
  const char* s = PyUnicode_AsUTF8(a);
  if (!s) return false;
  if (arg.name == s) return true;
  if (arg.name == "self") return !std::strcmp(s, "input") || !std::strcmp(s, "x") || !std::strcmp(s, "a") || !std::strcmp(s, "x1");
  if (arg.name == "other") return !std::strcmp(s, "x2");
  if (arg.name == "dim") return !std::strcmp(s, "axis");
  if (arg.name == "keepdim") return !std::strcmp(s, "keepdims");
  return false;
}

void intern_names(Schema& s) {
  for (auto& a : s.args) {
    const char* shown = a.name == "self" ? "input" : a.name.c_str();
    a.interned = PyUnicode_InternFromString(shown);
    if (a.name == "dim") a.alias = PyUnicode_InternFromString("axis");
  }
}

PyObject* g_out_name = nullptr;

enum class Fit { Yes,
                 TooMany,
                 Missing,
                 WrongType,
                 Unknown };
struct Misfit {
  Fit why = Fit::Yes;
  const SchemaArg* arg = nullptr;
  PyObject* object = nullptr;
  int position = 0;
};

// Binds positional and keyword arguments to the schema. `out` receives an out= argument where allowed.
bool bind(Schema& s, PyObject* const* args, Py_ssize_t npos, PyObject* kw, Value* values, Arena& arena, bool method, PyObject** out, Misfit& misfit) {
  if (__builtin_expect(!s.args.empty() && !s.args[0].interned, 0)) intern_names(s);
  const int na = int(s.args.size());
  Py_ssize_t nk = kw ? PyTuple_GET_SIZE(kw) : 0, used = 0;
  Py_ssize_t filled = npos;
  // view(2, 3): integers in a row for the only list argument
  int list_at = -1;
  if (npos > 0) {
    int first = method || (!s.args.empty() && s.args[0].type == ArgType::Tensor) ? 1 : 0;
    if (s.positional == first + 1 && s.args[size_t(first)].type == ArgType::Ints && npos > first &&
        !(s.args[size_t(first)].fixed > 1 && npos == first + 1)) {  // one number for a list of fixed length is repeated
      PyObject* o = args[first];
      if (!PyTuple_Check(o) && !PyList_Check(o) && (PyLong_Check(o) || is_tensor(o) || PyIndex_Check(o))) list_at = first;
    }
  }
  if (list_at < 0 && npos > s.positional) {
    misfit = {Fit::TooMany, nullptr, nullptr, 0};
    return false;
  }
  for (int k = 0; k < na; ++k) {
    const SchemaArg& a = s.args[size_t(k)];
    PyObject* o = nullptr;
    if (list_at == k) {
      Py_ssize_t n = npos - k;
      int64_t* to = arena.take_ints(n);
      for (Py_ssize_t i = 0; i < n; ++i)
        if (!int_from(args[k + i], to[i])) {
          misfit = {Fit::WrongType, &a, args[k + i], int(k + i)};
          return false;
        }
      values[k] = Value(IntView(to, int(n)));
      filled = k + 1;
      continue;
    }
    if (k < filled && k < npos) {
      o = args[k];
    } else if (used < nk) {
      for (Py_ssize_t i = 0; i < nk; ++i)
        if (PyTuple_GET_ITEM(kw, i) == a.interned) {
          o = args[npos + i];
          break;
        }
      if (!o)
        for (Py_ssize_t i = 0; i < nk; ++i)
          if (same_name(PyTuple_GET_ITEM(kw, i), a)) {
            o = args[npos + i];
            break;
          }
      if (o) ++used;
    }
    if (!o) {
      if (!a.has_default) {
        if (a.optional && false) continue;
        misfit = {Fit::Missing, &a, nullptr, k};
        return false;
      }
      values[k] = a.fallback;
      continue;
    }
    if (o == Py_None && (a.optional || (a.has_default && a.fallback.is_none()))) {
      values[k] = Value();
      continue;
    }
    if (!convert(o, a, values[k], arena)) {
      if (o == Py_None && a.has_default && a.type == ArgType::Generator) {
        values[k] = Value();
        continue;
      }
      misfit = {Fit::WrongType, &a, o, k < npos ? k : -1};
      return false;
    }
  }
  if (used < nk) {
    for (Py_ssize_t i = 0; i < nk; ++i) {
      PyObject* name = PyTuple_GET_ITEM(kw, i);
      bool known = false;
      if (out && (name == g_out_name || PyUnicode_CompareWithASCIIString(name, "out") == 0)) {
        *out = args[npos + i];
        ++used;
        continue;
      }
      for (int k = 0; k < na; ++k) known |= same_name(name, s.args[size_t(k)]);
      if (!known) misfit = {Fit::Unknown, nullptr, name, 0};
    }
    if (used < nk) {
      if (misfit.why == Fit::Yes) misfit = {Fit::TooMany, nullptr, nullptr, 0};
      return false;
    }
  }
  return true;
}

// ------------------------------------------------------------------------------------------------ errors

const char* type_shown(const SchemaArg& a, std::string& text) {
  switch (a.type) {
    case ArgType::Tensor: return "Tensor";
    case ArgType::Tensors: return "tuple of Tensors";
    case ArgType::Scalar: return "Number";
    case ArgType::Int: return "int";
    case ArgType::Ints: return a.fixed == 1 ? "tuple of ints" : "tuple of ints";
    case ArgType::Float: return "float";
    case ArgType::Bool: return "bool";
    case ArgType::Str: return "str";
    case ArgType::DType: return "torch.dtype";
    case ArgType::Device: return "torch.device";
    case ArgType::Layout: return "torch.layout";
    case ArgType::Format: return "torch.memory_format";
    default: text = a.type_text; return text.c_str();
  }
}
std::string shown_name(const SchemaArg& a) { return a.name == "self" ? "input" : a.name; }

[[noreturn]] void misfit_error(const char* op, const std::vector<Schema*>& schemas, const Misfit& m, PyObject* const* args, Py_ssize_t npos, PyObject* kw, bool method) {
  std::ostringstream text;
  std::string buffer;
  if (schemas.size() == 1) {
    switch (m.why) {
      case Fit::TooMany: {
        const Schema& s = *schemas[0];
        int least = 0, most = s.positional - int(method);
        for (auto& a : s.args) least += !a.has_default && !a.keyword_only;
        least -= int(method);
        text << op << "() takes ";
        if (least == most) text << most;
        else text << "from " << least << " to " << most;
        text << " positional argument" << (most == 1 ? "" : "s") << " but " << npos - int(method) << (npos - int(method) == 1 ? " was" : " were") << " given";
        break;
      }
      case Fit::Missing: {
        text << op << "() missing 1 required positional arguments: \"" << shown_name(*m.arg) << "\"";
        break;
      }
      case Fit::WrongType:
        if (m.arg->type == ArgType::Tensors && (PyList_Check(m.object) || PyTuple_Check(m.object))) {
          Py_ssize_t k = 0;
          while (k < PySequence_Fast_GET_SIZE(m.object) && is_tensor(PySequence_Fast_GET_ITEM(m.object, k))) ++k;
          if (k < PySequence_Fast_GET_SIZE(m.object)) {
            text << "expected Tensor as element " << k << " in argument " << std::max(m.position, 0) << ", but got "
                 << Py_TYPE(PySequence_Fast_GET_ITEM(m.object, k))->tp_name;
            break;
          }
        }
        text << op << "(): argument '" << shown_name(*m.arg) << "'";
        if (m.position >= 0) text << " (position " << m.position + 1 - int(method) << ")";
        text << " must be " << type_shown(*m.arg, buffer) << ", not " << Py_TYPE(m.object)->tp_name;
        break;
      case Fit::Unknown: text << op << "() got an unexpected keyword argument '" << PyUnicode_AsUTF8(m.object) << "'"; break;
      case Fit::Yes: break;
    }
    fail(ErrorKind::Type, text.str());
  }
  text << op << "() received an invalid combination of arguments - got (";
  Py_ssize_t from = method ? 1 : 0, nk = kw ? PyTuple_GET_SIZE(kw) : 0;
  for (Py_ssize_t k = from; k < npos + nk; ++k) {
    if (k > from) text << ", ";
    if (k >= npos) text << PyUnicode_AsUTF8(PyTuple_GET_ITEM(kw, k - npos)) << "=";
    text << Py_TYPE(args[k])->tp_name;
  }
  text << "), but expected one of:";
  for (const Schema* s : schemas) text << "\n * " << s->text;
  text << "\n";
  fail(ErrorKind::Type, text.str());
}

// ------------------------------------------------------------------------------------------------ results

PyTypeObject* return_type(const Schema& s) {
  Schema& schema = const_cast<Schema&>(s);
  if (!schema.return_type) {
    Ptr module(PyImport_ImportModule("flambeau.return_types"));
    if (!module) raise_python();
    Ptr fields(PyTuple_New(Py_ssize_t(s.returns.size())));
    for (size_t k = 0; k < s.returns.size(); ++k) PyTuple_SET_ITEM(fields.get(), Py_ssize_t(k), PyUnicode_FromString(s.returns[k].name.c_str()));
    PyObject* type = PyObject_CallMethod(module.get(), "named_tuple_type", "sO", s.name.c_str(), fields.get());
    if (!type) raise_python();
    schema.return_type = type;
  }
  return static_cast<PyTypeObject*>(schema.return_type);
}

}  // namespace

PyObject* results_object(Call& c, const Schema& s) {
  if (c.has_value) return number_object(c.value);
  auto take = [&](int k) {
    Tensor t = Tensor::steal(c.results[k]);
    c.results[k] = nullptr;
    return wrap(std::move(t));
  };
  if (c.is_list) {
    PyObject* tuple = PyTuple_New(Py_ssize_t(c.list.size()));
    if (!tuple) return nullptr;
    for (size_t k = 0; k < c.list.size(); ++k) PyTuple_SET_ITEM(tuple, Py_ssize_t(k), wrap(std::move(c.list[k])));
    return tuple;
  }
  if (__builtin_expect(c.nresults == 1, 1)) return take(0);
  if (c.nresults == 0) Py_RETURN_NONE;
  Ptr tuple(PyTuple_New(c.nresults));
  for (int k = 0; k < c.nresults; ++k) PyTuple_SET_ITEM(tuple.get(), k, take(k));
  if (s.returns.empty() || s.returns[0].name.empty()) return tuple.release();
  return PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(return_type(s)), tuple.get(), nullptr);
}

// ------------------------------------------------------------------------------------------------ the operator object

namespace {

struct Overload {
  Schema* schema;
  const Record* record;
  uint8_t index;
};
struct Operator {
  PyObject_HEAD
      vectorcallfunc call;
  const char* name;       // as called: "add_" for the in-place form
  PyObject* module;       // "torch", "torch._C._nn"...
  PyObject* dict;
  std::vector<Overload>* overloads;
  Mode mode;
  bool method_only, out;
};
PyTypeObject OperatorType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject MethodType = {PyVarObject_HEAD_INIT(nullptr, 0)};  // an operator as Tensor.NAME: it binds, functions do not

void preset_out(Call& c, PyObject* out, const Schema& s) {
  c.mode = Mode::Out;
  std::memset(c.preset, 0, sizeof c.preset);
  if (is_tensor(out)) {
    c.preset[0] = reinterpret_cast<PyTensor*>(out)->t;
    return;
  }
  if (!PyTuple_Check(out) && !PyList_Check(out))
    fail(ErrorKind::Type, c.op.name, "(): argument 'out' must be ", s.returns.size() > 1 ? "tuple of Tensors" : "Tensor", ", not ", Py_TYPE(out)->tp_name);
  Py_ssize_t n = PySequence_Fast_GET_SIZE(out);
  if (n != Py_ssize_t(s.returns.size())) fail(ErrorKind::Type, c.op.name, "() expected ", s.returns.size(), " tensors in argument 'out', got ", n);
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(out, k);
    if (!is_tensor(o)) fail(ErrorKind::Type, c.op.name, "(): argument 'out' must be tuple of Tensors, but found element of type ", Py_TYPE(o)->tp_name);
    c.preset[k] = reinterpret_cast<PyTensor*>(o)->t;
  }
}

// A call in an order of early PyTorch, made in today's; null without an error where it is none.
PyObject* former_call(PyObject* self, PyObject* const* args, Py_ssize_t npos, PyObject* kw) {
  Operator* op = reinterpret_cast<Operator*>(self);
  if (npos < 3 || !(std::strncmp(op->name, "add", 3) == 0 || std::strncmp(op->name, "sub", 3) == 0 || std::strncmp(op->name, "baddbmm", 7) == 0)) return nullptr;
  Ptr module(PyImport_ImportModule("flambeau._former_calls"));
  Ptr given(PyTuple_New(npos)), named(PyDict_New());
  if (!module || !given || !named) raise_python();
  for (Py_ssize_t k = 0; k < npos; ++k) PyTuple_SET_ITEM(given.get(), k, Py_NewRef(args[k]));
  for (Py_ssize_t k = 0; k < (kw ? PyTuple_GET_SIZE(kw) : 0); ++k)
    if (PyDict_SetItem(named.get(), PyTuple_GET_ITEM(kw, k), args[npos + k]) < 0) raise_python();
  Ptr now(PyObject_CallMethod(module.get(), "rewrite", "siOO", op->name, int(op->method_only), given.get(), named.get()));
  if (!now) raise_python();
  if (now.get() == Py_None) return nullptr;
  PyObject* result = PyObject_Call(self, PyTuple_GET_ITEM(now.get(), 0), PyTuple_GET_ITEM(now.get(), 1));
  if (!result) raise_python();
  return result;
}

PyObject* operator_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kw) {
  FL_TRY
  Operator* op = reinterpret_cast<Operator*>(self);
  Py_ssize_t npos = PyVectorcall_NARGS(nargsf);
  Misfit first;
  size_t tried = 0;
  for (const Overload& o : *op->overloads) {
    Value values[kMaxArgs];
    Arena arena;
    PyObject* out = nullptr;
    Misfit misfit;
    if (!bind(*o.schema, args, npos, kw, values, arena, op->method_only, op->out ? &out : nullptr, misfit)) {
      if (arena.overridden) return call_torch_function(self, args, npos, kw);
      if (tried++ == 0 || misfit.why == Fit::WrongType) first = misfit;
      continue;
    }
    if (__builtin_expect(arena.overridden || torch_function_modes, 0)) {
      if (torch_function_modes || arena.overridden) return call_torch_function(self, args, npos, kw);
    }
    Call c(*o.record, values, int(o.schema->args.size()));
    c.overload = o.index;
    if (op->mode == Mode::Inplace) {
      c.mode = Mode::Inplace;
      std::memset(c.preset, 0, sizeof c.preset);
      FL_CHECK_KIND(Type, values[0].is_tensor(), op->name, "(): argument 'input' must be Tensor");
      c.preset[0] = values[0].t;
    } else if (out && out != Py_None) {
      if (!is_tensor(out) || plain(out)) preset_out(c, out, *o.schema);
      else return call_torch_function(self, args, npos, kw);
    }
    dispatch(c);
    if (out && out != Py_None && !is_tensor(out) && c.nresults > 1 && (o.schema->returns.empty() || o.schema->returns[0].name.empty())) {
      return PySequence_Tuple(out);
    }
    return results_object(c, *o.schema);
  }
  // Objects that override may fit no schema at all.
  if (torch_function_enabled)
    for (Py_ssize_t k = 0; k < npos + (kw ? PyTuple_GET_SIZE(kw) : 0); ++k)
      if (!is_tensor(args[k]) && overrides(Py_TYPE(args[k]))) return call_torch_function(self, args, npos, kw);
  if (PyObject* result = former_call(self, args, npos, kw)) return result;
  std::vector<Schema*> schemas;
  for (const Overload& o : *op->overloads) schemas.push_back(o.schema);
  misfit_error(op->name, schemas, first, args, npos, kw, op->method_only);
  FL_CATCH(nullptr)
}

PyObject* operator_get(PyObject* self, PyObject* object, PyObject*) {
  if (!object || object == Py_None) {
    Py_INCREF(self);
    return self;
  }
  return PyMethod_New(self, object);
}
PyObject* operator_repr(PyObject* self) { return PyUnicode_FromFormat("<built-in method %s of type object>", reinterpret_cast<Operator*>(self)->name); }
PyObject* operator_reduce(PyObject* self, PyObject*) {
  Operator* op = reinterpret_cast<Operator*>(self);
  if (op->method_only) {
    Ptr builtins(PyImport_ImportModule("builtins"));
    Ptr get(PyObject_GetAttrString(builtins.get(), "getattr"));
    return Py_BuildValue("(O(Os))", get.get(), &TensorType, op->name);
  }
  return PyUnicode_FromString(op->name);
}
PyMethodDef operator_methods[] = {{"__reduce__", operator_reduce, METH_NOARGS}, {nullptr}};
PyMemberDef operator_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Operator, call), READONLY}, {"__module__", T_OBJECT, offsetof(Operator, module), 0}, {nullptr}};
PyGetSetDef operator_getset[] = {
    {"__name__", [](PyObject* s, void*) -> PyObject* {
       return PyUnicode_FromString(reinterpret_cast<Operator*>(s)->name);
     }},
    {"__qualname__", [](PyObject* s, void*) -> PyObject* {
       Operator* o = reinterpret_cast<Operator*>(s);
       return PyUnicode_FromFormat(o->method_only ? "Tensor.%s" : "%s", o->name);
     }},
    {"schemas", [](PyObject* s, void*) -> PyObject* {
       Operator* o = reinterpret_cast<Operator*>(s);
       PyObject* t = PyTuple_New(Py_ssize_t(o->overloads->size()));
       for (size_t k = 0; k < o->overloads->size(); ++k) PyTuple_SET_ITEM(t, Py_ssize_t(k), PyUnicode_FromString((*o->overloads)[k].schema->text.c_str()));
       return t;
     }},
    {"__doc__", [](PyObject* s, void*) -> PyObject* {
       Operator* o = reinterpret_cast<Operator*>(s);
       std::string text;
       for (auto& v : *o->overloads) text += v.schema->text + "\n";
       text += "\n";
       text += (*o->overloads)[0].record->doc;
       return PyUnicode_FromString(text.c_str());
     }},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {nullptr}};

Operator* make_operator(const char* name, Mode mode, bool method, bool out) {
  Operator* o = PyObject_New(Operator, method ? &MethodType : &OperatorType);
  o->call = operator_call;
  o->name = name;
  o->module = PyUnicode_InternFromString("torch");
  o->dict = nullptr;
  o->overloads = new std::vector<Overload>;
  o->mode = mode;
  o->method_only = method;
  o->out = out;
  return o;
}

// Overloads of one name may come from several records; they are tried in the order of their schemas' arity of required tensors,
// which is the order of definition here.
struct Tables {
  std::unordered_map<std::string, Operator*> by_key;
  Operator* get(PyObject* dict, const std::string& space, const std::string& name, Mode mode, bool method, bool out) {
    std::string key = space + "/" + name;
    auto it = by_key.find(key);
    if (it != by_key.end()) {
      it->second->out |= out;
      return it->second;
    }
    char* copy = strdup(name.c_str());
    Operator* o = make_operator(copy, mode, method, out);
    const char* home = space == "functional" ? "flambeau.nn.functional" : space == "special" ? "flambeau.special"
                                                                      : space == "linalg"    ? "flambeau.linalg"
                                                                      : space == "_nn"       ? "flambeau._C._nn"
                                                                                             : "flambeau";
    Py_SETREF(o->module, PyUnicode_InternFromString(home));  // where pickle finds it
    by_key[key] = o;
    PyDict_SetItemString(dict, copy, reinterpret_cast<PyObject*>(o));
    return o;
  }
};
Tables& tables() {
  static Tables* t = new Tables;
  return *t;
}

PyObject* set_torch_function_enabled(PyObject*, PyObject* on) {
  bool before = torch_function_enabled;
  torch_function_enabled = PyObject_IsTrue(on) == 1;
  return PyBool_FromLong(before);
}
PyObject* set_torch_function_modes(PyObject*, PyObject* n) {
  torch_function_modes = int(PyLong_AsLong(n));
  Py_RETURN_NONE;
}
// Sparse tensors override native operators only: to functions in Python they are tensors like any other.
bool overrides_functions(PyTypeObject* type) {
  return type != &TensorType && type != ParameterType && type != SparseType && overrides(type);
}
PyObject* has_torch_function(PyObject*, PyObject* args) {
  if (!torch_function_enabled && !torch_function_modes) Py_RETURN_FALSE;
  if (torch_function_modes) Py_RETURN_TRUE;
  Ptr seq(PySequence_Fast(args, "expected a sequence"));
  if (!seq) return nullptr;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(seq.get()); ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(seq.get(), k);
    if (overrides_functions(Py_TYPE(o))) Py_RETURN_TRUE;
  }
  Py_RETURN_FALSE;
}
PyObject* has_torch_function_unary(PyObject*, PyObject* o) {
  if (torch_function_modes) Py_RETURN_TRUE;
  return PyBool_FromLong(torch_function_enabled && overrides_functions(Py_TYPE(o)));
}
PyObject* has_torch_function_variadic(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (torch_function_modes) Py_RETURN_TRUE;
  if (torch_function_enabled)
    for (Py_ssize_t k = 0; k < n; ++k)
      if (overrides_functions(Py_TYPE(args[k]))) Py_RETURN_TRUE;
  Py_RETURN_FALSE;
}
PyObject* disabled_torch_function(PyObject*, PyObject* args, PyObject*) {  // (func, types, args=(), kwargs={})
  PyObject *func, *types, *a = nullptr, *k = nullptr;
  if (!PyArg_UnpackTuple(args, "_disabled_torch_function_impl", 2, 4, &func, &types, &a, &k)) return nullptr;
  bool before = torch_function_enabled;
  torch_function_enabled = false;
  Ptr empty_args(PyTuple_New(0));
  Ptr tuple(a ? PySequence_Tuple(a) : PyTuple_New(0));
  PyObject* r = tuple ? PyObject_Call(func, tuple.get(), k && k != Py_None ? k : nullptr) : nullptr;
  torch_function_enabled = before;
  return r;
}
PyObject* g_disabled = nullptr;

// ---- a Python function that hands over to __torch_function__ of its arguments
struct Overridable {
  PyObject_HEAD
      vectorcallfunc call;
  PyObject* function;
};
PyTypeObject OverridableType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyObject* overridable_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* kw) {
  Py_ssize_t n = PyVectorcall_NARGS(nargsf), all = n + (kw ? PyTuple_GET_SIZE(kw) : 0);
  if (__builtin_expect(torch_function_modes, 0)) return call_torch_function(self, args, n, kw);
  if (torch_function_enabled)
    for (Py_ssize_t k = 0; k < all; ++k) {
      PyTypeObject* t = Py_TYPE(args[k]);
      if (overrides_functions(t)) return call_torch_function(self, args, n, kw);
    }
  return PyObject_Vectorcall(reinterpret_cast<Overridable*>(self)->function, args, nargsf, kw);
}
void overridable_dealloc(PyObject* self) {
  Py_XDECREF(reinterpret_cast<Overridable*>(self)->function);
  PyObject_Free(self);
}
PyObject* overridable_get(PyObject* self, PyObject* object, PyObject*) {
  if (!object || object == Py_None) {
    Py_INCREF(self);
    return self;
  }
  return PyMethod_New(self, object);
}
PyObject* overridable_getattro(PyObject* self, PyObject* name) {  // name, docstring, signature: the function's
  PyObject* r = PyObject_GenericGetAttr(self, name);
  const char* s = PyUnicode_AsUTF8(name);
  bool shown = s && (!std::strcmp(s, "__doc__") || !std::strcmp(s, "__name__") || !std::strcmp(s, "__module__"));
  if (r && !shown) return r;
  Py_XDECREF(r);
  PyErr_Clear();
  return PyObject_GetAttr(reinterpret_cast<Overridable*>(self)->function, name);
}
PyObject* overridable_repr(PyObject* self) { return PyObject_Repr(reinterpret_cast<Overridable*>(self)->function); }
PyObject* overridable_reduce(PyObject* self, PyObject*) { return PyObject_GetAttrString(reinterpret_cast<Overridable*>(self)->function, "__qualname__"); }
PyMethodDef overridable_methods[] = {{"__reduce__", overridable_reduce, METH_NOARGS}, {nullptr}};
PyMemberDef overridable_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Overridable, call), READONLY},
                                     {"__wrapped__", T_OBJECT, offsetof(Overridable, function), READONLY},
                                     {nullptr}};
PyObject* make_overridable(PyObject*, PyObject* function) {
  Overridable* o = PyObject_New(Overridable, &OverridableType);
  if (!o) return nullptr;
  o->call = overridable_call;
  Py_INCREF(function);
  o->function = function;
  return reinterpret_cast<PyObject*>(o);
}

PyMethodDef functions[] = {
    {"_overridable", make_overridable, METH_O, "The function, handing over to arguments that define __torch_function__."},
    {"_set_torch_function_enabled", set_torch_function_enabled, METH_O, "Switches overriding by subclasses; returns what it was."},
    {"_set_torch_function_modes", set_torch_function_modes, METH_O, "How many torch function modes are active."},
    {"_has_torch_function", has_torch_function, METH_O, "Whether an item of a sequence overrides __torch_function__."},
    {"_has_torch_function_unary", has_torch_function_unary, METH_O, "Whether the argument overrides __torch_function__."},
    {"_has_torch_function_variadic", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(has_torch_function_variadic)), METH_FASTCALL, "Whether an argument overrides __torch_function__."},
    {"_disabled_torch_function_impl", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(disabled_torch_function)), METH_VARARGS | METH_KEYWORDS, "A __torch_function__ that does not override."},
    {nullptr}};

}  // namespace

bool overrides(PyTypeObject* type) {
  if (type == &TensorType || type == &PyFloat_Type || type == &PyLong_Type || type == &PyTuple_Type || type == &PyList_Type || type == &PyBool_Type ||
      type == &PyUnicode_Type || type == Py_TYPE(Py_None))
    return false;
  static PyObject* name = PyUnicode_InternFromString("__torch_function__");
  PyObject* f = _PyType_Lookup(type, name);
  if (!f || f == g_disabled) return false;
  return true;
}

// func(types, args, kwargs) of the overriding argument of the most specific type.
PyObject* call_torch_function(PyObject* func, PyObject* const* args, Py_ssize_t npos, PyObject* kw) {
  Ptr module(PyImport_ImportModule("flambeau.overrides"));
  if (!module) return nullptr;
  Ptr handler(PyObject_GetAttrString(module.get(), "_dispatch_override"));
  if (!handler) return nullptr;
  Ptr tuple(PyTuple_New(npos));
  for (Py_ssize_t k = 0; k < npos; ++k) {
    Py_INCREF(args[k]);
    PyTuple_SET_ITEM(tuple.get(), k, args[k]);
  }
  Ptr dict(PyDict_New());
  if (kw)
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kw); ++k) PyDict_SetItem(dict.get(), PyTuple_GET_ITEM(kw, k), args[npos + k]);
  return PyObject_CallFunctionObjArgs(handler.get(), func, tuple.get(), dict.get(), nullptr);
}

PyObject* find_operator(const char* name) {
  auto it = tables().by_key.find(std::string("torch/") + name);
  return it == tables().by_key.end() ? nullptr : reinterpret_cast<PyObject*>(it->second);
}

bool init_parser(PyObject* m) {
  g_out_name = PyUnicode_InternFromString("out");
  PyTypeObject& t = OperatorType;
  t.tp_name = "torch._C.Operator";
  t.tp_basicsize = sizeof(Operator);
  t.tp_call = PyVectorcall_Call;
  t.tp_vectorcall_offset = offsetof(Operator, call);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_BASETYPE;
  t.tp_members = operator_members;
  t.tp_getset = operator_getset;
  t.tp_methods = operator_methods;
  t.tp_repr = operator_repr;
  t.tp_dictoffset = offsetof(Operator, dict);
  t.tp_getattro = PyObject_GenericGetAttr;
  t.tp_setattro = PyObject_GenericSetAttr;
  if (PyType_Ready(&t) < 0) return false;
  MethodType.tp_name = "torch._C.OperatorMethod";
  MethodType.tp_base = &OperatorType;
  MethodType.tp_basicsize = sizeof(Operator);
  MethodType.tp_call = PyVectorcall_Call;
  MethodType.tp_vectorcall_offset = offsetof(Operator, call);
  MethodType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  MethodType.tp_descr_get = operator_get;
  if (PyType_Ready(&MethodType) < 0) return false;
  OverridableType.tp_name = "torch._C.Overridable";
  OverridableType.tp_basicsize = sizeof(Overridable);
  OverridableType.tp_dealloc = overridable_dealloc;
  OverridableType.tp_call = PyVectorcall_Call;
  OverridableType.tp_vectorcall_offset = offsetof(Overridable, call);
  OverridableType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  OverridableType.tp_descr_get = overridable_get;
  OverridableType.tp_getattro = overridable_getattro;
  OverridableType.tp_repr = overridable_repr;
  OverridableType.tp_members = overridable_members;
  OverridableType.tp_methods = overridable_methods;
  if (PyType_Ready(&OverridableType) < 0) return false;
  Py_INCREF(&t);
  PyModule_AddObject(m, "Operator", reinterpret_cast<PyObject*>(&t));
  if (PyModule_AddFunctions(m, functions) < 0) return false;
  g_disabled = PyObject_GetAttrString(m, "_disabled_torch_function_impl");

  // Every record becomes a function, a method, an in-place form, as its flags say. The dictionaries: what `torch`, `torch._C._nn`,
  // `torch.special`, `torch.linalg` and the core's private namespace take over.
  PyObject *torch = PyDict_New(), *nn = PyDict_New(), *special = PyDict_New(), *linalg = PyDict_New(), *functional = PyDict_New(), *hidden = PyDict_New();
  PyObject* methods = TensorType.tp_dict;
  std::vector<const Record*> records;
  for (const Record* r = all_records(); r; r = r->next) records.push_back(r);
  Tables& tab = tables();
  for (auto it = records.rbegin(); it != records.rend(); ++it) {
    const Record& r = **it;
    const uint32_t f = r.flags;
    std::string name = r.name;
    struct Place {
      PyObject* dict;
      const char* space;
    };
    Place home = f & kFunctional ? Place{functional, "functional"} : f & kNn    ? Place{nn, "_nn"}
                                                                 : f & kSpecial ? Place{special, "special"}
                                                                 : f & kLinalg  ? Place{linalg, "linalg"}
                                                                                : Place{torch, "torch"};
    std::string shown = name;
    if (f & kSpecial && name.rfind("special_", 0) == 0) shown = name.substr(8);
    if (f & kLinalg && name.rfind("linalg_", 0) == 0) shown = name.substr(7);
    const auto& schemas = r.parsed();
    auto add = [&](PyObject* dict, const char* space, const std::string& as, Mode mode, bool method, bool out) {
      Operator* o = tab.get(dict, space, as, mode, method, out);
      for (size_t k = 0; k < schemas.size(); ++k) {
        if (method && (schemas[k]->args.empty() || schemas[k]->args[0].type != ArgType::Tensor || schemas[k]->args[0].name != "self")) continue;
        if (mode == Mode::Inplace && (schemas[k]->args.empty() || schemas[k]->args[0].type != ArgType::Tensor)) continue;
        o->overloads->push_back({schemas[k], &r, uint8_t(k)});
      }
    };
    const bool can_out = f & kOut;
    if (f & kFunction) add(home.dict, home.space, shown, Mode::Functional, false, can_out);
    if (f & kMethod) add(methods, "method", name, Mode::Functional, true, false);
    if (f & kInplace) {
      if (f & kFunction) add(home.dict, home.space, shown + "_", Mode::Inplace, false, false);
      if (f & kMethod || !(f & kNn)) add(methods, "method", name + "_", Mode::Inplace, true, false);
    }
    if (!(f & kFunctional)) add(hidden, "hidden", name, Mode::Functional, false, can_out);
  }
  PyType_Modified(&TensorType);
  return PyModule_AddObject(m, "_functions", torch) == 0 && PyModule_AddObject(m, "_nn_functions", nn) == 0 &&
         PyModule_AddObject(m, "_special_functions", special) == 0 && PyModule_AddObject(m, "_linalg_functions", linalg) == 0 &&
         PyModule_AddObject(m, "_functional_functions", functional) == 0 && PyModule_AddObject(m, "_all_functions", hidden) == 0;
}

}  // namespace fl::py
