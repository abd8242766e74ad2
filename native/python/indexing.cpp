// tensor[...]: basic indices become views, tensors and lists go to the index operators.
#include "python/binding.h"

#include <cstring>

#include "tensor/iterator.h"

namespace fl::py {

namespace {

bool is_numpy_array(PyObject* o) { return !std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray"); }

// A list index is a tensor of indices.
Tensor index_tensor(PyObject* o) {
  Ptr module(PyImport_ImportModule("flambeau._C"));
  if (!module) raise_python();
  Ptr t(PyObject_CallMethod(module.get(), "as_tensor", "O", o));
  if (!t) raise_python();
  Tensor x = unwrap(t.get());
  if (x.numel() == 0 && is_floating(x.dtype())) x = cast_of(x, DType::Int64);  // an empty list
  return x;
}

struct Parsed {
  Tensor view;
  std::vector<Tensor> tensors;  // per dimension of view; undefined where it is taken whole
  bool advanced = false;
};

int64_t slice_part(PyObject* o, int64_t otherwise) {
  if (o == Py_None) return otherwise;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    FL_CHECK_KIND(Type, t.numel() == 1 && !is_differentiable(t.dtype()), "slice indices must be integers or None or have an __index__ method");
    return item_value(*t.get()).integer();
  }
  Ptr i(PyNumber_Index(o));
  if (!i) {
    PyErr_Clear();
    fail(ErrorKind::Type, "slice indices must be integers or None or have an __index__ method");
  }
  Py_ssize_t v = PyNumber_AsSsize_t(i.get(), nullptr);  // clips what is too large
  return int64_t(v);
}

int dims_consumed(PyObject* o) {
  if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
  if (is_tensor(o)) {
    const Tensor& t = unwrap(o);
    return t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
  }
  if (is_numpy_array(o)) {
    Tensor t = index_tensor(o);
    return t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
  }
  if (PyList_Check(o) || PyTuple_Check(o)) {
    Tensor t = index_tensor(o);
    return t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
  }
  return 1;
}

Parsed parse(const Tensor& self, PyObject* index) {
  PyObject* const* items = &index;
  Py_ssize_t n = 1;
  if (PyTuple_Check(index)) {
    items = &PyTuple_GET_ITEM(index, 0);
    n = PyTuple_GET_SIZE(index);
  }
  int consumed = 0;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = items[k];
    FL_CHECK_KIND(Index, !PyFloat_Check(o) && !PyComplex_Check(o),
                  "only integers, slices (`:`), ellipsis (`...`), None and long or byte "
                  "Variables are valid indices (got ",
                  Py_TYPE(o)->tp_name, ")");
    if (PySlice_Check(o)) {
      int64_t step = slice_part(reinterpret_cast<PySliceObject*>(o)->step, 1);
      FL_CHECK_KIND(Value, step > 0, step == 0 ? "slice step cannot be zero" : "step must be greater than zero");
    }
    consumed += dims_consumed(o);
  }
  FL_CHECK_KIND(Index, consumed <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  Parsed p;
  p.view = self;
  // `dim` walks the dimensions of the view; tensors are noted in the order of dimensions, masks once for all of theirs.
  std::vector<std::pair<int, Tensor>> noted;
  int dim = 0;
  bool seen_ellipsis = false;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = items[k];
    if (PyLong_CheckExact(o)) {
      int64_t i = PyLong_AsLongLong(o);
      if (i == -1 && PyErr_Occurred()) raise_python();
      FL_CHECK_KIND(Index, p.view.dim() > 0, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
      int64_t size = p.view.size(dim);
      FL_CHECK_KIND(Index, i >= -size && i < size, "index ", i, " is out of bounds for dimension ", k, " with size ", size);
      p.view = ops::select(p.view, dim, i);
    } else if (PySlice_Check(o)) {
      PySliceObject* s = reinterpret_cast<PySliceObject*>(o);
      FL_CHECK_KIND(Index, p.view.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
      int64_t size = p.view.size(dim), step = slice_part(s->step, 1);
      int64_t start = slice_part(s->start, 0), stop = slice_part(s->stop, size);
      if (start != 0 || stop < size || step != 1) p.view = ops::slice(p.view, dim, start, stop, step);
      ++dim;
    } else if (o == Py_Ellipsis) {
      if (!seen_ellipsis) dim += self.dim() - consumed;
      seen_ellipsis = true;
    } else if (o == Py_None) {
      p.view = ops::unsqueeze(p.view, dim);
      ++dim;
    } else if (PyBool_Check(o)) {
      p.view = ops::unsqueeze(p.view, dim);
      Tensor mask = empty(IntView{1}, DType::Bool, Device{});
      *mask.data<bool>() = o == Py_True;
      noted.push_back({dim, mask});
      ++dim;
    } else if (is_tensor(o) || is_numpy_array(o)) {
      Tensor t = is_tensor(o) ? unwrap(o) : index_tensor(o);
      FL_CHECK_KIND(NotImplemented, !t->sparse, "index: a sparse tensor cannot be an index; to_dense() makes a strided one");
      if (t.dim() == 0 && is_integral(t.dtype()) && t.dtype() != DType::UInt8) {
        int64_t i = item_value(*t.get()).integer(), size = p.view.dim() ? p.view.size(dim) : 0;
        FL_CHECK_KIND(Index, p.view.dim() > 0, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
        FL_CHECK_KIND(Index, i >= -size && i < size, "index ", i, " is out of bounds for dimension ", k, " with size ", size);
        p.view = ops::select(p.view, dim, i);
      } else if (t.dim() == 0 && (t.dtype() == DType::Bool || t.dtype() == DType::UInt8)) {
        p.view = ops::unsqueeze(p.view, dim);
        Tensor mask = empty(IntView{1}, DType::Bool, Device{});
        *mask.data<bool>() = item_value(*t.get()).integer() != 0;
        noted.push_back({dim, mask});
        ++dim;
      } else {
        noted.push_back({dim, t});
        dim += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
      }
    } else if (PyList_Check(o) || PyTuple_Check(o)) {
      Tensor t = index_tensor(o);
      noted.push_back({dim, t});
      dim += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
    } else if (PyIndex_Check(o)) {
      Ptr i(PyNumber_Index(o));
      if (!i) raise_python();
      int64_t v = PyLong_AsLongLong(i.get());
      if (v == -1 && PyErr_Occurred()) raise_python();
      FL_CHECK_KIND(Index, p.view.dim() > 0, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
      int64_t size = p.view.size(dim);
      FL_CHECK_KIND(Index, v >= -size && v < size, "index ", v, " is out of bounds for dimension ", k, " with size ", size);
      p.view = ops::select(p.view, dim, v);
    } else if (PySequence_Check(o) && !PyUnicode_Check(o)) {
      Ptr list(PySequence_List(o));
      if (!list) raise_python();
      Tensor t = index_tensor(list.get());
      noted.push_back({dim, t});
      dim += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
    } else {
      fail(ErrorKind::Type,
           "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ", Py_TYPE(o)->tp_name, ")");
    }
  }
  if (!noted.empty()) {
    p.advanced = true;
    int at = 0;
    for (auto& [d, t] : noted) {
      while (at < d) {
        p.tensors.emplace_back();
        ++at;
      }
      p.tensors.push_back(t);
      at += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
    }
  }
  return p;
}

bool override_index(PyObject* self, PyObject* index, PyObject* value) {
  if (!torch_function_enabled && !torch_function_modes) return false;
  auto check = [](PyObject* o) {
    return o && is_tensor(o) && !plain(o);
  };
  if (torch_function_modes || check(self) || check(index) || check(value)) return true;
  if (PyTuple_Check(index))
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(index); ++k)
      if (check(PyTuple_GET_ITEM(index, k))) return true;
  return false;
}

}  // namespace

PyObject* tensor_subscript(PyObject* self, PyObject* index) {
  FL_TRY
  if (__builtin_expect(Py_TYPE(self) != &TensorType || torch_function_modes, 0) && override_index(self, index, nullptr)) {
    Ptr func(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&TensorType), "__getitem__"));
    PyObject* args[2] = {self, index};
    return func ? call_torch_function(func.get(), args, 2, nullptr) : nullptr;
  }
  const Tensor& t = unwrap(self);
  if (PyLong_CheckExact(index)) {
    int64_t i = PyLong_AsLongLong(index);
    if (i == -1 && PyErr_Occurred()) return nullptr;
    FL_CHECK_KIND(Index, t.dim() > 0, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
    int64_t n = t.size(0);
    FL_CHECK_KIND(Index, i >= -n && i < n, "index ", i, " is out of bounds for dimension 0 with size ", n);
    return wrap(ops::select(t, 0, i));
  }
  Parsed p = parse(t, index);
  if (p.advanced) return wrap(ops::index(p.view, p.tensors));
  if (p.view.get() == t.get()) return wrap(ops::alias(t));
  return wrap(p.view);
  FL_CATCH(nullptr)
}

int tensor_assign_subscript(PyObject* self, PyObject* index, PyObject* value) {
  FL_TRY
  if (!value) {
    PyErr_SetString(PyExc_TypeError, "Tensor does not support deleting items");
    return -1;
  }
  if (override_index(self, index, value)) {
    Ptr func(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&TensorType), "__setitem__"));
    PyObject* args[3] = {self, index, value};
    Ptr r(func ? call_torch_function(func.get(), args, 3, nullptr) : nullptr);
    return r ? 0 : -1;
  }
  const Tensor& t = unwrap(self);
  Value v;
  Tensor keep;
  if (is_tensor(value)) {
    keep = unwrap(value);
  } else if (number_from(value, v)) {
    FL_CHECK(!(v.tag == Value::ComplexTag && !is_complex(t.dtype())), "value cannot be converted to type ", dtype_name(t.dtype()), " without overflow");
  } else {
    fail(ErrorKind::Type, "can't assign a ", Py_TYPE(value)->tp_name, " to a torch.", scalar_type_name(t.dtype()), "Tensor");
  }
  Parsed p = parse(t, index);
  if (!p.advanced) {
    Tensor window = p.view;
    if (!keep.defined()) {
      FL_CHECK(!has_internal_overlap(window.sizes(), window.strides()),
               "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor "
               "before performing the operation.");
      ops::fill_.inplace(window, v);
      return 0;
    }
    // Leading dimensions of size 1 of the value are dropped.
    while (keep.dim() > window.dim() && keep.size(0) == 1) keep = ops::select(keep, 0, 0);
    if (keep.dim() && keep.sizes() != window.sizes()) keep = ops::expand(keep, window.sizes());
    ops::copy_.inplace(window, keep);
    return 0;
  }
  if (!keep.defined()) {
    keep = empty(IntView(), t.dtype(), t.device());
    ops::fill_.inplace(keep, v);
  }
  ops::index_put.inplace(p.view, p.tensors, keep, false);
  return 0;
  FL_CATCH(-1)
}

}  // namespace fl::py
