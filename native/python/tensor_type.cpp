// The Tensor type: its life, number slots, attributes and the few methods that are not operators.
#include "memory/backend.h"
#include "python/binding.h"

#include <structmember.h>

#include <cstring>

#include "tensor/iterator.h"

namespace fl {
extern void (*release_face)(void*);
}

namespace fl::py {

PyTypeObject TensorMetaType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject TensorType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject* ParameterType = nullptr;
PyTypeObject* SparseType = nullptr;

namespace {

PyTensor* g_free[256];
int g_free_count = 0;

PyTensor* face(PyObject* o) { return reinterpret_cast<PyTensor*>(o); }

// Python drops its last reference while the core still holds the tensor: a face with state flips ownership, the tensor keeps it alive.
bool preserve(PyTensor* o) {
  TensorImpl* t = o->t;
  if (!t || t->rc.get() <= 1) return false;
  if (Py_TYPE(o) == &TensorType && !o->dict && !o->weak) return false;
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(o), 1);
  t->owns_pyobj = true;
  t->rc.dec();
  return true;
}
void tensor_dealloc(PyObject* self) {
  PyTensor* o = face(self);
  if (__builtin_expect(o->dict || o->weak, 0) && preserve(o)) return;
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(o);
  if (o->weak) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  if (o->t) {
    o->t->pyobj = nullptr;
    o->t->unref();
  }
#if !defined(Py_GIL_DISABLED)
  if (g_free_count < 256) {
    g_free[g_free_count++] = o;
    return;
  }
#endif
  PyObject_GC_Del(o);
}
// Set on every Python subclass by the metaclass. Slots of subclasses are cleared by walking the bases.
void subclass_dealloc(PyObject* self) {
  PyTensor* o = face(self);
  PyTypeObject* type = Py_TYPE(self);
  if (preserve(o)) return;
  if (type->tp_finalize && PyObject_CallFinalizerFromDealloc(self) < 0) return;
  PyObject_GC_UnTrack(o);
  if (o->weak) PyObject_ClearWeakRefs(self);
  Py_CLEAR(o->dict);
  for (PyTypeObject* b = type; b && b != &TensorType; b = b->tp_base)
    if (Py_SIZE(b))
      for (PyMemberDef *m = reinterpret_cast<PyMemberDef*>(reinterpret_cast<char*>(b) + Py_TYPE(b)->tp_basicsize), *end = m + Py_SIZE(b); m < end; ++m)
        if (m->type == T_OBJECT_EX && !(m->flags & READONLY)) {
          PyObject** slot = reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + m->offset);
          Py_CLEAR(*slot);
        }
  if (o->t) {
    o->t->pyobj = nullptr;
    o->t->unref();
    o->t = nullptr;
  }
  type->tp_free(self);
  Py_DECREF(type);
}
int meta_init(PyObject* cls, PyObject* args, PyObject* kw) {
  if (PyType_Type.tp_init(cls, args, kw) < 0) return -1;
  reinterpret_cast<PyTypeObject*>(cls)->tp_dealloc = subclass_dealloc;
  return 0;
}
// type's own descriptor of __module__, looked up as a program would: where a static type's dictionary lies depends on the Python.
Ptr module_descriptor() {
  Ptr all(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyType_Type), "__dict__"));
  Ptr name(PyUnicode_InternFromString("__module__"));
  return Ptr(all && name ? PyObject_GetItem(all.get(), name.get()) : nullptr);
}
// Errors name the type "Tensor"; its module is torch all the same, which a static type could only say in its name.
PyObject* meta_module(PyObject* cls, void*) {
  if (cls == reinterpret_cast<PyObject*>(&TensorType)) return PyUnicode_InternFromString("torch");
  Ptr descriptor = module_descriptor();
  return descriptor ? Py_TYPE(descriptor.get())->tp_descr_get(descriptor.get(), cls, reinterpret_cast<PyObject*>(Py_TYPE(cls))) : nullptr;
}
int meta_set_module(PyObject* cls, PyObject* value, void*) {
  Ptr descriptor = module_descriptor();
  return descriptor ? Py_TYPE(descriptor.get())->tp_descr_set(descriptor.get(), cls, value) : -1;
}
PyGetSetDef meta_getset[] = {{"__module__", meta_module, meta_set_module}, {nullptr}};
PyObject* meta_repr(PyObject* cls) {
  if (cls == reinterpret_cast<PyObject*>(&TensorType)) return PyUnicode_FromString("<class 'torch.Tensor'>");
  return PyType_Type.tp_repr(cls);
}
int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  PyTensor* o = face(self);
  Py_VISIT(o->dict);
  // What only this tensor can reach: its hooks, and what its node holds.
  if (!o->t || o->t->rc.get() != 1) return 0;
  if (o->t->extra) {
    Py_VISIT(static_cast<PyObject*>(o->t->extra->hooks));
    Py_VISIT(static_cast<PyObject*>(o->t->extra->post_accumulate));
  }
  if (o->t->grad_fn && o->t->grad_fn->rc.get() == 1) return visit_node(*o->t->grad_fn, visit, arg);
  return 0;  // the type of a subclass is visited by the subclass's own traverse
}
int tensor_clear(PyObject* self) {
  PyTensor* o = face(self);
  Py_CLEAR(o->dict);
  if (!o->t || o->t->rc.get() != 1) return 0;
  if (o->t->grad_fn && o->t->grad_fn->rc.get() == 1) {
    forget_retained(*o->t);
    release_node(std::exchange(o->t->grad_fn, nullptr));
  }
  if (o->t->extra) {
    TensorExtra& x = *o->t->extra;
    PyObject *a = static_cast<PyObject*>(x.hooks), *b = static_cast<PyObject*>(x.post_accumulate);
    x.hooks = x.post_accumulate = nullptr;
    Py_XDECREF(a);
    Py_XDECREF(b);
  }
  return 0;
}
// A plain tensor is not tracked by the collector until it gains attributes: most never do.
int tensor_setattro(PyObject* self, PyObject* name, PyObject* value) {
  bool had = face(self)->dict;
  int r = PyObject_GenericSetAttr(self, name, value);
  if (!had && face(self)->dict && Py_TYPE(self) == &TensorType && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
  return r;
}

// ------------------------------------------------------------------------------------------------ numbers

// A Tensor or number operand; false if Python should try the other side.
inline bool operand(PyObject* o, Value& v) {
  if (Py_TYPE(o) == &TensorType || is_tensor(o)) {
    v.tag = Value::TensorTag;
    v.t = face(o)->t;
    return true;
  }
  if (PyFloat_CheckExact(o)) {
    v = Value(PyFloat_AS_DOUBLE(o));
    return true;
  }
  return number_from(o, v);
}
inline bool simple(PyObject* a) { return Py_TYPE(a) == &TensorType || Py_TYPE(a) == ParameterType; }
bool needs_override(PyObject* a, PyObject* b) {
  if (torch_function_modes) return true;
  auto check = [](PyObject* o) {
    return !simple(o) && !PyFloat_CheckExact(o) && !PyLong_CheckExact(o) && overrides(Py_TYPE(o));
  };
  if (Py_TYPE(a) == SparseType || Py_TYPE(b) == SparseType) return true;
  return torch_function_enabled && (check(a) || check(b));
}
// A method of Tensor handed to __torch_function__ of its arguments; an operator of Python tries its other side after a TypeError.
PyObject* overridden(const char* method, PyObject* a, PyObject* b, PyObject* c = nullptr) {
  PyObject* func = PyObject_GetAttrString(reinterpret_cast<PyObject*>(&TensorType), method);
  if (!func) return nullptr;
  Ptr held(func);
  PyObject* args[3] = {a, b, c};
  PyObject* result = call_torch_function(func, args, c ? 3 : b ? 2
                                                               : 1,
                                         nullptr);
  if (!result && b && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
  }
  return result;
}
struct Attribute {
  getter get;
  const char* name;
};
PyObject* get_watched(PyObject* self, void* closure) {
  const Attribute& a = *static_cast<Attribute*>(closure);
  if (!watched(self)) return a.get(self, nullptr);
  Ptr descriptor(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&TensorType), a.name));
  Ptr get(descriptor ? PyObject_GetAttrString(descriptor.get(), "__get__") : nullptr);
  return get ? call_torch_function(get.get(), &self, 1, nullptr) : nullptr;
}
template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&s)[N]) {
    for (size_t k = 0; k < N; ++k) text[k] = s[k];
  }
};
template <Name name, PyObject* (*f)(PyObject*, PyObject*)>
PyObject* method0(PyObject* self, PyObject* none) {
  return watched(self) ? call_watched(name.text, self, nullptr, 0, nullptr) : f(self, none);
}
template <Name name, PyObject* (*f)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)>
PyObject* method(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  return watched(self) ? call_watched(name.text, self, args, n, kw) : f(self, args, n, kw);
}

PyObject* run(const Record& r, Value* args, int n) {
  Call c(r, args, n);
  if (n > 1 && args[1].is_number() && r.nodes[1]) c.overload = 1;  // only the name of the gradient's node depends on it
  dispatch(c);
  Tensor out = Tensor::steal(c.results[0]);
  c.results[0] = nullptr;
  return wrap(std::move(out));
}
template <const Record& R, int kExtra>  // kExtra: arguments after the two operands
PyObject* binary_slot(const char* name, const char* reverse, PyObject* a, PyObject* b) {
  FL_TRY
  Value args[3];
  if (!operand(a, args[0]) || !operand(b, args[1])) {
    if (needs_override(a, b)) return overridden(is_tensor(a) ? name : reverse, is_tensor(a) ? a : b, is_tensor(a) ? b : a);
    Py_RETURN_NOTIMPLEMENTED;
  }
  if (__builtin_expect((!simple(a) || !simple(b) || torch_function_modes) && needs_override(a, b), 0))
    return overridden(is_tensor(a) ? name : reverse, is_tensor(a) ? a : b, is_tensor(a) ? b : a);
  if (kExtra == 1) args[2] = R.schema[0][0] == 'd' ? Value() : Value(1);
  return run(R, args, 2 + kExtra);
  FL_CATCH(nullptr)
}
template <const Record& R, int kExtra>
PyObject* inplace_slot(const char* name, PyObject* a, PyObject* b) {
  FL_TRY
  Value args[3];
  if (!is_tensor(a) || !operand(b, args[1])) Py_RETURN_NOTIMPLEMENTED;
  if (__builtin_expect((!simple(a) || !simple(b) || torch_function_modes) && needs_override(a, b), 0)) return overridden(name, a, b);
  args[0] = Value(unwrap(a));
  if (kExtra == 1) args[2] = R.schema[0][0] == 'd' ? Value() : Value(1);
  Call c(R, args, 2 + kExtra);
  c.mode = Mode::Inplace;
  std::memset(c.preset, 0, sizeof c.preset);
  c.preset[0] = face(a)->t;
  dispatch(c);
  Py_INCREF(a);
  return a;
  FL_CATCH(nullptr)
}
// FORWARD, REVERSE, INPLACE: the methods that __torch_function__ is told of.
#define FL_SLOT(NAME, RECORD, EXTRA, FORWARD, REVERSE, INPLACE)                                                     \
  PyObject* nb_##NAME(PyObject* a, PyObject* b) { return binary_slot<ops::RECORD, EXTRA>(FORWARD, REVERSE, a, b); } \
  PyObject* nb_i##NAME(PyObject* a, PyObject* b) { return inplace_slot<ops::RECORD, EXTRA>(INPLACE, a, b); }
FL_SLOT(add, add, 1, "add", "add", "add_")
FL_SLOT(mul, mul, 0, "mul", "mul", "mul_")
FL_SLOT(and, bitwise_and, 0, "__and__", "__rand__", "__iand__")
FL_SLOT(or, bitwise_or, 0, "__or__", "__ror__", "__ior__")
FL_SLOT(xor, bitwise_xor, 0, "__xor__", "__rxor__", "__ixor__")
FL_SLOT(lshift, bitwise_left_shift, 0, "__lshift__", "__rlshift__", "__ilshift__")
FL_SLOT(rshift, bitwise_right_shift, 0, "__rshift__", "__rrshift__", "__irshift__")
FL_SLOT(mod, remainder, 0, "remainder", "__rmod__", "remainder_")
FL_SLOT(floordiv, floor_divide, 0, "__floordiv__", "__rfloordiv__", "floor_divide_")
PyObject* nb_isub(PyObject* a, PyObject* b) { return inplace_slot<ops::sub, 1>("sub_", a, b); }
PyObject* nb_itruediv(PyObject* a, PyObject* b) { return inplace_slot<ops::div, 1>("div_", a, b); }
PyObject* nb_sub(PyObject* a, PyObject* b) {
  if (is_tensor(a)) return binary_slot<ops::sub, 1>("sub", "__rsub__", a, b);
  return binary_slot<ops::rsub, 1>("__rsub__", "__rsub__", b, a);  // number - tensor
}
PyObject* nb_truediv(PyObject* a, PyObject* b) {
  if (is_tensor(a)) return binary_slot<ops::div, 1>("div", "__rdiv__", a, b);
  FL_TRY
  Value v;
  if (!operand(a, v)) Py_RETURN_NOTIMPLEMENTED;
  if (needs_override(a, b)) return overridden("__rdiv__", b, a);
  return wrap(ops::mul(ops::reciprocal(unwrap(b)), v));
  FL_CATCH(nullptr)
}
PyObject* nb_pow(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary_slot<ops::pow, 0>("pow", "__rpow__", a, b);
}
PyObject* nb_ipow(PyObject* a, PyObject* b, PyObject*) { return inplace_slot<ops::pow, 0>("pow_", a, b); }
PyObject* nb_matmul(PyObject* a, PyObject* b) {
  FL_TRY
  if (!is_tensor(a) || !is_tensor(b)) {
    if (needs_override(a, b)) return overridden(is_tensor(a) ? "matmul" : "__rmatmul__", is_tensor(a) ? a : b, is_tensor(a) ? b : a);
    Py_RETURN_NOTIMPLEMENTED;
  }
  if (needs_override(a, b)) return overridden("matmul", a, b);
  return wrap(ops::matmul(unwrap(a), unwrap(b)));
  FL_CATCH(nullptr)
}
template <const Record& R>
PyObject* unary_slot(const char* name, PyObject* a) {
  FL_TRY
  if (__builtin_expect(!simple(a) || torch_function_modes, 0) && needs_override(a, a)) return overridden(name, a, nullptr);
  Value args[1] = {Value(unwrap(a))};
  return run(R, args, 1);
  FL_CATCH(nullptr)
}
PyObject* nb_neg(PyObject* a) { return unary_slot<ops::neg>("neg", a); }
PyObject* nb_abs(PyObject* a) { return unary_slot<ops::abs>("abs", a); }
PyObject* nb_invert(PyObject* a) {
  if (is_differentiable(unwrap(a).dtype()) && !needs_override(a, a)) {
    PyErr_SetString(PyExc_TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
    return nullptr;
  }
  return unary_slot<ops::bitwise_not>("bitwise_not", a);
}
PyObject* nb_positive(PyObject* a) { return unary_slot<ops::positive>("positive", a); }

PyObject* compare(PyObject* a, PyObject* b, int op) {
  FL_TRY
  static const Record* const records[] = {&ops::lt, &ops::le, &ops::eq, &ops::ne, &ops::gt, &ops::ge};
  static const char* const names[] = {"lt", "le", "__eq__", "ne", "gt", "ge"};
  Value args[2];
  Tensor array;
  if (!operand(a, args[0]) || !operand(b, args[1])) {
    if (needs_override(a, b)) return overridden(names[op], a, b);
    if (op == Py_EQ && is_tensor(a)) array = tensor_of_array(b);  // NumPy would leave == to identity
    if (!array.defined()) Py_RETURN_NOTIMPLEMENTED;
    args[1] = Value(array);
  }
  if (__builtin_expect((!simple(a) || !simple(b) || torch_function_modes) && needs_override(a, b), 0)) return overridden(names[op], a, b);
  return run(*records[op], args, 2);
  FL_CATCH(nullptr)
}

int nb_bool(PyObject* self) {
  if (watched(self)) {
    Ptr r(call_watched("__bool__", self, nullptr, 0, nullptr));
    return r ? PyObject_IsTrue(r.get()) : -1;
  }
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK(t.numel() != 0, "Boolean value of Tensor with no values is ambiguous");
  FL_CHECK(t.numel() == 1, "Boolean value of Tensor with more than one value is ambiguous");
  Value v = item_value(*t.get());
  return v.real() != 0 || v.imag() != 0;
  FL_CATCH(-1)
}
// The one element, for int(), float() and complex().
Value only_element(PyObject* self) {
  const Tensor& t = unwrap(self);
  FL_CHECK_KIND(Value, t.numel() == 1, "only one element tensors can be converted to Python scalars");
  static bool warned = false;
  if (__builtin_expect(t.requires_grad(), 0) && !warned) {
    warned = true;
    if (PyErr_WarnEx(PyExc_UserWarning,
                     "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                     "Consider using tensor.detach() first.",
                     1) < 0)
      raise_python();
  }
  return item_value(*t.get());
}
PyObject* nb_int(PyObject* self) {
  if (watched(self)) return call_watched("__int__", self, nullptr, 0, nullptr);
  FL_TRY
  Value v = only_element(self);
  FL_CHECK(v.imag() == 0, "value cannot be converted to type int64_t without overflow");
  Ptr number(v.tag == Value::ComplexTag ? PyFloat_FromDouble(v.real()) : tensor_item(unwrap(self)));
  return number ? PyNumber_Long(number.get()) : nullptr;
  FL_CATCH(nullptr)
}
PyObject* nb_float(PyObject* self) {
  if (watched(self)) return call_watched("__float__", self, nullptr, 0, nullptr);
  FL_TRY
  Value v = only_element(self);
  FL_CHECK(v.imag() == 0, "value cannot be converted to type double without overflow");
  Ptr number(v.tag == Value::ComplexTag ? PyFloat_FromDouble(v.real()) : tensor_item(unwrap(self)));
  return number ? PyNumber_Float(number.get()) : nullptr;
  FL_CATCH(nullptr)
}
PyObject* m_complex_number(PyObject* self, PyObject*) {
  FL_TRY
  Value v = only_element(self);
  if (unwrap(self).dtype() == DType::UInt64) return PyComplex_FromDoubles(double(uint64_t(v.i)), 0);
  return PyComplex_FromDoubles(v.real(), v.imag());
  FL_CATCH(nullptr)
}
PyObject* nb_index(PyObject* self) {
  if (watched(self)) return call_watched("__index__", self, nullptr, 0, nullptr);
  FL_TRY
  const Tensor& t = unwrap(self);
  if (t.numel() != 1 || is_differentiable(t.dtype())) {
    PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return nullptr;
  }
  return PyLong_FromLongLong(item_value(*t.get()).integer());
  FL_CATCH(nullptr)
}
Py_ssize_t tensor_length(PyObject* self) {
  if (watched(self)) {
    Ptr r(call_watched("__len__", self, nullptr, 0, nullptr));
    return r ? PyLong_AsSsize_t(r.get()) : -1;
  }
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return t.size(0);
}
PyObject* tensor_iter(PyObject* self) {
  FL_TRY
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) {
    PyErr_SetString(PyExc_TypeError, "iteration over a 0-d tensor");
    return nullptr;
  }
  Ptr rows(PyObject_CallMethod(self, "unbind", "i", 0));
  return rows ? PyObject_GetIter(rows.get()) : nullptr;
  FL_CATCH(nullptr)
}
int tensor_contains(PyObject* self, PyObject* item) {
  FL_TRY
  Value v;
  if (!operand(item, v)) {
    PyErr_Format(PyExc_RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a %R.", Py_TYPE(item));
    return -1;
  }
  GradModeGuard off(false);
  Ptr mask(wrap(ops::any(ops::eq(unwrap(self), v))));
  return mask ? PyObject_IsTrue(mask.get()) : -1;
  FL_CATCH(-1)
}

// ------------------------------------------------------------------------------------------------ attributes

#define GETTER(NAME) PyObject* get_##NAME(PyObject* self, void*)
GETTER(shape) { return size_object(unwrap(self).sizes()); }
GETTER(dtype) {
  PyObject* o = dtype_object(unwrap(self).dtype());
  Py_INCREF(o);
  return o;
}
GETTER(device) { return device_object(unwrap(self).device()); }
GETTER(layout) {
  PyObject* o = layout_object(Layout::Strided);
  Py_INCREF(o);
  return o;
}
GETTER(ndim) { return PyLong_FromLong(unwrap(self).dim()); }
GETTER(itemsize) { return PyLong_FromSize_t(item_size(unwrap(self).dtype())); }
GETTER(nbytes) { return PyLong_FromLongLong(unwrap(self).numel() * int64_t(item_size(unwrap(self).dtype()))); }
GETTER(false_) { Py_RETURN_FALSE; }
GETTER(is_cpu) { return PyBool_FromLong(unwrap(self).device().type == DeviceType::CPU); }
GETTER(is_meta) { return PyBool_FromLong(unwrap(self).device().type == DeviceType::Meta); }
GETTER(requires_grad) { return PyBool_FromLong(unwrap(self).requires_grad()); }
GETTER(is_leaf) {
  FL_TRY
  return PyBool_FromLong(!grad_fn(*unwrap(self).get()));
  FL_CATCH(nullptr)
}
GETTER(version) {
  FL_TRY
  FL_CHECK(!unwrap(self)->inference, "Inference tensors do not track version counter.");
  return PyLong_FromUnsignedLong(unwrap(self)->version());
  FL_CATCH(nullptr)
}
GETTER(output_nr) { return PyLong_FromLong(unwrap(self)->output_nr); }
GETTER(base) { return wrap(Tensor::borrow(unwrap(self)->base)); }
GETTER(grad_quiet) { return wrap(Tensor::borrow(unwrap(self)->grad)); }
GETTER(grad) {
  const Tensor& t = unwrap(self);
  if (__builtin_expect(!t->grad && t->grad_fn && !(t->extra && t->extra->retains_grad), 0) &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Backward passes do not fill it in unless "
                   ".retain_grad() was called on the tensor before; a leaf may have been meant.",
                   1) < 0)
    return nullptr;
  return wrap(Tensor::borrow(t->grad));
}
GETTER(retains_grad) {
  const Tensor& t = unwrap(self);
  return PyBool_FromLong(t->extra && t->extra->retains_grad);
}
GETTER(data) {
  FL_TRY
  Tensor t = alias(unwrap(self));
  t->more().version = Ref<VersionCounter>::steal(new VersionCounter);
  return wrap(std::move(t));
  FL_CATCH(nullptr)
}
template <Record& R>
PyObject* view_attribute(PyObject* self, void*) {
  FL_TRY
  return wrap(R(unwrap(self)));
  FL_CATCH(nullptr)
}
GETTER(T) {
  FL_TRY
  const Tensor& t = unwrap(self);
  if (t.dim() == 2) return wrap(ops::permute(t, IntView{1, 0}));
  if (python_hooks.warn && t.dim() != 2)
    python_hooks.warn(
        "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a future release. "
        "Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.");
  Dims order(t.dim());
  for (int d = 0; d < t.dim(); ++d) order[d] = t.dim() - 1 - d;
  return wrap(ops::permute(t, IntView(order)));
  FL_CATCH(nullptr)
}
// A number has no matrix to transpose: itself, with a warning.
Tensor number_transposed(const Tensor& t, const char* name) {
  if (python_hooks.warn) {
    std::string text = std::string("Tensor.") + name + " is deprecated on 0-D tensors. This function is the identity in these cases.";
    python_hooks.warn(text.c_str());
  }
  return is_complex(t.dtype()) && name[1] == 'H' ? ops::conj(t) : ops::alias(t);
}
GETTER(mT) {
  FL_TRY
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) return wrap(number_transposed(t, "mT"));
  FL_CHECK(t.dim() >= 2, "tensor.mT is only supported on matrices or batches of matrices. Got ", t.dim(), "-D tensor.");
  return wrap(ops::transpose(t, -2, -1));
  FL_CATCH(nullptr)
}
GETTER(H) {
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK(t.dim() == 2 || t.dim() == 0, "tensor.H is only supported on matrices (2-D tensors). Got ", t.dim(), "-D tensor.", t.dim() > 2 ? " For batches of matrices, consider using tensor.mH" : "");
  if (t.dim() == 0) return wrap(ops::conj(t));
  return wrap(ops::conj(ops::transpose(t, 0, 1)));
  FL_CATCH(nullptr)
}
GETTER(mH) {
  FL_TRY
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) return wrap(number_transposed(t, "mH"));
  FL_CHECK(t.dim() >= 2, "tensor.mH is only supported on matrices or batches of matrices. Got ", t.dim(), "-D tensor.");
  return wrap(ops::conj(ops::transpose(t, -2, -1)));
  FL_CATCH(nullptr)
}
int set_requires_grad_flag(const Tensor& t, bool on, const char* kinds = "floating point and complex dtype") {
  if (!on && grad_fn(*t.get())) fail(ErrorKind::Runtime,
                                     "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                                     "subgraph that doesn't require differentiation use var_no_grad = var.detach().");
  FL_CHECK(!on || is_differentiable(t.dtype()), "only Tensors of ", kinds, " can require gradients");
  FL_CHECK(!(on && t->inference && !thread_state().inference), "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  if (!t->grad_fn) t->requires_grad = on;
  return 0;
}
int set_requires_grad(PyObject* self, PyObject* v, void*) {
  FL_TRY
  if (!v || !PyBool_Check(v)) {
    PyErr_SetString(PyExc_RuntimeError, "requires_grad must be a bool");
    return -1;
  }
  if (grad_fn(*unwrap(self).get())) set_requires_grad_flag(unwrap(self), false);  // says why not
  return set_requires_grad_flag(unwrap(self), v == Py_True);
  FL_CATCH(-1)
}
int set_grad(PyObject* self, PyObject* v, void*) {
  FL_TRY
  const Tensor& t = unwrap(self);
  TensorImpl* fresh = nullptr;
  if (v && v != Py_None) {
    if (!is_tensor(v)) {
      PyErr_Format(PyExc_TypeError, "assigned grad expected to be a Tensor or None but got grad of type %s", Py_TYPE(v)->tp_name);
      return -1;
    }
    const Tensor& g = unwrap(v);
    FL_CHECK(g.get() != t.get(), "can't assign Variable as its own grad");
    FL_CHECK(g.dtype() == t.dtype(), "attempting to assign a gradient with dtype '", dtype_name(g.dtype()), "' to a tensor with grad_dtype '",
             scalar_type_name(t.dtype()), "'. The gradient must match the tensor's grad_dtype (its dtype)");
    FL_CHECK(g.sizes() == t.sizes(), "attempting to assign a gradient of size '", g.sizes(), "' to a tensor of size '", t.sizes(),
             "'. Please ensure that the gradient and the tensor are the same size");
    FL_CHECK(g.device() == t.device(), "attempting to assign a gradient with device type '", device_type_name(g.device().type), "' to a tensor with device type '",
             device_type_name(t.device().type), "'. Please ensure that the gradient and the tensor are on the same device");
    fresh = Tensor(g).release();
  }
  TensorImpl* old = t->grad;
  t->grad = fresh;
  if (old) old->unref();
  return 0;
  FL_CATCH(-1)
}
int set_data(PyObject* self, PyObject* v, void*) {
  FL_TRY
  FL_CHECK(v, "Deleting tensor data is not allowed. Delete tensor instead!");
  FL_CHECK_KIND(Type, is_tensor(v), "Variable data has to be a tensor, but got ", Py_TYPE(v)->tp_name);
  const Tensor &t = unwrap(self), &s = unwrap(v);
  FL_CHECK(!s->sparse && !t->sparse, "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor type.");
  if (t->grad_fn || t->requires_grad) FL_CHECK(is_differentiable(s.dtype()) || !t.requires_grad(), "data set to a tensor that requires gradients must be floating point or complex dtype");
  FL_CHECK(t.device() == s.device(), "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor type (on devices ",
           device_name(t.device()), " and ", device_name(s.device()), ").");
  Storage* old = t->storage;
  s->storage->ref();
  t->storage = s->storage;
  t->dtype = s->dtype;
  t->device = s->device;
  set_geometry(*t.get(), s.sizes(), s.strides(), s->offset);
  old->unref();
  return 0;
  FL_CATCH(-1)
}
template <void* TensorExtra::* M>
PyObject* get_hooks(PyObject* self, void*) {
  const Tensor& t = unwrap(self);
  PyObject* d = t->extra ? static_cast<PyObject*>(t->extra->*M) : nullptr;
  if (!d) d = Py_None;
  Py_INCREF(d);
  return d;
}
template <void* TensorExtra::* M>
int set_hooks(PyObject* self, PyObject* v, void*) {
  const Tensor& t = unwrap(self);
  PyObject* fresh = v && v != Py_None ? v : nullptr;
  if (!fresh && !t->extra) return 0;
  Py_XINCREF(fresh);
  void*& slot = t->more().*M;
  PyObject* old = static_cast<PyObject*>(slot);
  slot = fresh;
  Py_XDECREF(old);
  return 0;
}
template <const Record& kPart>
int set_part(PyObject* self, PyObject* v, void*) {
  FL_TRY
  Value x;
  if (!v || !operand(v, x)) {
    PyErr_SetString(PyExc_TypeError, "expected a Tensor or a number");
    return -1;
  }
  Tensor part = kPart(unwrap(self));
  if (x.is_tensor()) ops::copy_.inplace(part, x);
  else ops::fill_.inplace(part, x);
  return 0;
  FL_CATCH(-1)
}
PyObject* get_grad_fn(PyObject* self, void*);

PyGetSetDef tensor_getset[] = {
    {"shape", get_shape, nullptr, "The sizes, as torch.Size."},
    {"dtype", get_dtype},
    {"device", get_device},
    {"layout", get_layout},
    {"ndim", get_ndim},
    {"itemsize", get_itemsize},
    {"nbytes", get_nbytes},
    {"is_cuda", get_false_},
    {"is_sparse", get_false_},
    {"is_sparse_csr", get_false_},
    {"is_quantized", get_false_},
    {"is_mkldnn", get_false_},
    {"is_mps", get_false_},
    {"is_meta", get_is_meta},
    {"is_xla", get_false_},
    {"is_xpu", get_false_},
    {"is_hpu", get_false_},
    {"is_ipu", get_false_},
    {"is_nested", get_false_},
    {"is_vulkan", get_false_},
    {"is_mtia", get_false_},
    {"is_maia", get_false_},
    {"is_cpu", get_is_cpu},
    {"requires_grad", get_requires_grad, set_requires_grad},
    {"is_leaf", get_is_leaf},
    {"_version", get_version},
    {"output_nr", get_output_nr},
    {"_base", get_base},
    {"grad", get_grad, set_grad},
    {"_grad", get_grad_quiet, set_grad},
    {"retains_grad", get_retains_grad},
    {"data", get_data, set_data},
    {"grad_fn", get_grad_fn},
    {"_grad_fn", get_grad_fn},
    {"_backward_hooks", get_hooks<&TensorExtra::hooks>, set_hooks<&TensorExtra::hooks>},
    {"_post_accumulate_grad_hooks", get_hooks<&TensorExtra::post_accumulate>, set_hooks<&TensorExtra::post_accumulate>},
    {"T", get_T},
    {"mT", get_mT},
    {"H", get_H},
    {"mH", get_mH},
    {"real", view_attribute<ops::real>, set_part<ops::real>},
    {"imag", view_attribute<ops::imag>, set_part<ops::imag>},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {nullptr}};

PyObject* get_grad_fn(PyObject* self, void*) {
  FL_TRY
  Node* fn = grad_fn(*unwrap(self).get());
  if (!fn) Py_RETURN_NONE;
  track(self);  // the node's hooks and metadata may name the tensor
  return node_object(fn);
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ methods

PyObject* m_size(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  FL_TRY
  const Tensor& t = unwrap(self);
  PyObject* d = n > 0 ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0]
                                                             : Py_None;
  if (d == Py_None) return size_object(t.sizes());
  int64_t dim = PyLong_AsLongLong(d);
  if (dim == -1 && PyErr_Occurred()) return nullptr;
  return PyLong_FromLongLong(t.size(wrap_dim(dim, t.dim(), false)));
  FL_CATCH(nullptr)
}
PyObject* m_stride(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  FL_TRY
  const Tensor& t = unwrap(self);
  PyObject* d = n > 0 ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0]
                                                             : Py_None;
  if (d == Py_None) {
    PyObject* r = PyTuple_New(t.dim());
    for (int k = 0; k < t.dim(); ++k) PyTuple_SET_ITEM(r, k, PyLong_FromLongLong(t.stride(k)));
    return r;
  }
  int64_t dim = PyLong_AsLongLong(d);
  if (dim == -1 && PyErr_Occurred()) return nullptr;
  return PyLong_FromLongLong(t.stride(wrap_dim(dim, t.dim(), false)));
  FL_CATCH(nullptr)
}
PyObject* m_dim(PyObject* self, PyObject*) { return PyLong_FromLong(unwrap(self).dim()); }
PyObject* m_numel(PyObject* self, PyObject*) {
  return PyLong_FromLongLong(unwrap(self).numel());
}
PyObject* m_element_size(PyObject* self, PyObject*) { return PyLong_FromSize_t(item_size(unwrap(self).dtype())); }
PyObject* m_storage_offset(PyObject* self, PyObject*) { return PyLong_FromLongLong(unwrap(self)->offset); }
PyObject* m_data_ptr(PyObject* self, PyObject*) { return PyLong_FromVoidPtr(on_host(unwrap(self).device()) && (unwrap(self).numel() || unwrap(self)->storage->nbytes) ? unwrap(self).bytes() : nullptr); }
PyObject* m_item(PyObject* self, PyObject*) {
  FL_TRY
  return tensor_item(unwrap(self));
  FL_CATCH(nullptr)
}
PyObject* m_is_contiguous(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  const Tensor& t = unwrap(self);
  MemoryFormat f = MemoryFormat::Contiguous;
  PyObject* given = n > 0 ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0]
                                                                 : nullptr;
  if (given && !format_from(given, f)) {
    PyErr_SetString(PyExc_TypeError, "is_contiguous(): argument 'memory_format' must be torch.memory_format");
    return nullptr;
  }
  if (f == MemoryFormat::Contiguous) return PyBool_FromLong(t.is_contiguous());
  int need = f == MemoryFormat::ChannelsLast ? 4 : 5;
  return PyBool_FromLong(t.dim() == need && is_channels_last(t.sizes(), t.strides()));
}
PyObject* m_requires_grad_(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  FL_TRY
  bool on = true;
  PyObject* given = n > 0 ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0]
                                                                 : nullptr;
  if (given) {
    int r = PyObject_IsTrue(given);
    if (r < 0) return nullptr;
    on = r;
  }
  set_requires_grad_flag(unwrap(self), on, "floating point dtype");
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* m_detach_(PyObject* self, PyObject*) {
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK(!t->base, "Can't detach views in-place. Use detach() instead.");
  forget_retained(*t.get());
  if (t->grad_fn) release_node(std::exchange(t->grad_fn, nullptr));
  t->output_nr = 0;
  t->requires_grad = false;
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
PyObject* m_retain_grad(PyObject* self, PyObject*) {
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK(t.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
  Node* fn = grad_fn(*t.get());
  if (fn && !(t->extra && t->extra->retains_grad)) {
    t->more().retains_grad = true;
    fn->retained.push_back({uint32_t(t->output_nr), t.get()});
  }
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}
PyObject* m_is_view(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self)->base != nullptr); }
PyObject* m_is_inference(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self)->inference); }
PyObject* m_floating(PyObject* self, PyObject*) { return PyBool_FromLong(is_floating(unwrap(self).dtype())); }
PyObject* m_complex(PyObject* self, PyObject*) { return PyBool_FromLong(is_complex(unwrap(self).dtype())); }
PyObject* m_signed(PyObject* self, PyObject*) {
  DType t = unwrap(self).dtype();
  return PyBool_FromLong(t != DType::Bool && t != DType::UInt8 && t != DType::UInt16 && t != DType::UInt32 && t != DType::UInt64);
}
PyObject* m_false(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* m_is_shared(PyObject* self, PyObject*) { return PyBool_FromLong(unwrap(self)->storage->shared_fd >= 0); }
PyObject* m_storage(PyObject* self, PyObject*) { return storage_object(unwrap(self)->storage); }
// Integers of an argument: one list or tuple, or several numbers in a row.
Dims sizes_from(PyObject* const* args, Py_ssize_t n, const char* op) {
  Ptr seq;
  PyObject* const* items = args;
  if (n == 1 && (PyTuple_Check(args[0]) || PyList_Check(args[0]))) {
    seq = Ptr(PySequence_Tuple(args[0]));
    if (!seq) raise_python();
    items = &PyTuple_GET_ITEM(seq.get(), 0);
    n = PyTuple_GET_SIZE(seq.get());
  }
  FL_CHECK(n <= kMaxDims, op, ": too many dimensions (got ", n, ", expected at most ", kMaxDims, ")");
  Dims out(static_cast<int>(n));
  for (Py_ssize_t k = 0; k < n; ++k) {
    if (PyFloat_Check(items[k]) || !PyIndex_Check(items[k]))
      fail(ErrorKind::Type, op, "(): argument 'size' (position ", k + 1, ") must be tuple of ints, not ", Py_TYPE(items[k])->tp_name);
    Ptr index(PyNumber_Index(items[k]));
    if (!index) raise_python();
    out[int(k)] = PyLong_AsLongLong(index.get());
    if (out[int(k)] == -1 && PyErr_Occurred()) raise_python();
  }
  return out;
}
PyObject* m_resize_(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK(!t.requires_grad(), "cannot resize variables that require grad");
  MemoryFormat format = MemoryFormat::Contiguous;
  for (Py_ssize_t k = 0; kw && k < PyTuple_GET_SIZE(kw); ++k) {
    const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(kw, k));
    if (!name) return nullptr;
    if (!std::strcmp(name, "size") && n == 0) {
      args += k;
      n = 1;
    } else if (std::strcmp(name, "memory_format") || (args[n + k] != Py_None && !format_from(args[n + k], format))) {
      PyErr_Format(PyExc_TypeError, "resize_(): unexpected argument '%s'", name);
      return nullptr;
    }
  }
  Dims size = sizes_from(args, n, "resize_");
  for (int64_t s : size) FL_CHECK(s >= 0, "resize_: sizes must not be negative (got ", size, "); numel: integer multiplication overflow");
  resize_(*t.get(), size);
  if (format == MemoryFormat::ChannelsLast || format == MemoryFormat::ChannelsLast3d) {
    int need = format == MemoryFormat::ChannelsLast ? 4 : 5;
    FL_CHECK(t.dim() == need, "required rank ", need, " tensor to use channels_last", need == 5 ? "_3d" : "", " format");
    set_geometry(*t.get(), size, channels_last_strides(size), t->offset);
  }
  ++t->version();
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
// set_(), set_(source), set_(source, storage_offset, size, stride=()): a source is a tensor or a storage. A storage that is too short grows.
PyObject* m_set_(PyObject* self, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"source", "storage_offset", "size", "stride", nullptr};
  PyObject *source = nullptr, *size_given = nullptr, *stride_given = nullptr;
  long long offset = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "|OLOO:set_", const_cast<char**>(names), &source, &offset, &size_given, &stride_given)) return nullptr;
  const Tensor& t = unwrap(self);
  FL_CHECK(!t->grad_fn && !(t->requires_grad && thread_state().grad_enabled), "set_: cannot change a tensor whose gradient is recorded");
  Dims size{0}, stride{1};
  Ref<Storage> fresh;
  Ptr untyped;
  if (!source) {
    fresh = Ref<Storage>::steal(Storage::make(0, t.device()));
  } else if (is_tensor(source)) {
    const Tensor& s = unwrap(source);
    FL_CHECK(!s->sparse, "set_: the source must be a strided tensor (got a sparse one)");
    FL_CHECK(s.dtype() == t.dtype(), "set_: Could not set tensor of type ", scalar_type_name(s.dtype()), " to a tensor of type ", scalar_type_name(t.dtype()));
    fresh = Ref<Storage>::borrow(s->storage);
    size = s->sizes;
    stride = s->strides;
    if (!size_given) offset = s->offset;
  } else {
    Storage* found = storage_from(source);
    if (!found) {  // a typed storage
      untyped = Ptr(PyObject_GetAttrString(source, "_untyped_storage"));
      if (!untyped) PyErr_Clear();
      found = untyped ? storage_from(untyped.get()) : nullptr;
    }
    FL_CHECK_KIND(Type, found, "set_(): argument 'source' must be Tensor or Storage, not ", Py_TYPE(source)->tp_name);
    fresh = Ref<Storage>::borrow(found);
    size[0] = int64_t(found->nbytes / item_size(t.dtype()));
  }
  FL_CHECK(fresh->device == t.device(), "set_: Attempted to set the storage of a tensor on device \"", device_name(t.device()),
           "\" to a storage on different device \"", device_name(fresh->device), "\".  This is no longer allowed; the devices must match.");
  if (size_given) {
    size = sizes_from(&size_given, 1, "set_");
    if (!stride_given) checked_numel(size);
    stride = stride_given ? sizes_from(&stride_given, 1, "set_") : contiguous_strides(size);
    if (stride_given && stride.size() == 0 && size.size() != 0) stride = contiguous_strides(size);
  }
  check_storage_bounds(size, stride, offset, item_size(t.dtype()), *fresh, "set_", true);
  Storage* old = t->storage;
  t->storage = fresh.release();
  set_geometry(*t.get(), size, stride, offset);
  if (t->base) std::exchange(t->base, nullptr)->unref();  // a window on something else now
  old->unref();
  ++t->version();
  Py_INCREF(self);
  return self;
  FL_CATCH(nullptr)
}
// Parameter and other subclasses: a new face over the same data.
PyObject* make_subclass(PyObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"cls", "data", "require_grad", "dispatch_sizes_strides_policy", "dispatch_device", "dispatch_layout", "device_for_backend_keys", nullptr};
  PyObject *cls, *data, *a = nullptr, *b = nullptr, *c = nullptr, *d = nullptr;
  int wanted = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "OO|pOOOO", const_cast<char**>(names), &cls, &data, &wanted, &a, &b, &c, &d)) return nullptr;
  if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), &TensorType) || !is_tensor(data)) {
    if (!is_tensor(data)) PyErr_Format(PyExc_TypeError, "_make_subclass(): argument 'data' (position 2) must be Tensor, not %s", Py_TYPE(data)->tp_name);
    else PyErr_SetString(PyExc_TypeError, "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your class inherits from Tensor.");
    return nullptr;
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  FL_CHECK(!unwrap(data)->sparse, "_make_subclass: sparse tensors have no subclasses");
  Tensor t = alias(unwrap(data));
  FL_CHECK(!wanted || is_differentiable(t.dtype()), "Only Tensors of floating point and complex dtype can require gradients");
  t->requires_grad = wanted;
  if (type == &TensorType) return wrap(std::move(t));
  PyTensor* o = reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  o->t = t.release();
  o->t->pyobj = o;
  return reinterpret_cast<PyObject*>(o);
  FL_CATCH(nullptr)
}
// _make_sparse(cls, size, dtype, requires_grad): an instance whose elements its Python class keeps. Whatever takes it for a strided tensor
// reads zeros.
PyObject* make_sparse(PyObject*, PyObject* args) {
  FL_TRY
  PyObject *cls, *size, *dtype_given;
  int wanted = 0;
  if (!PyArg_ParseTuple(args, "OO!Op", &cls, &PyTuple_Type, &size, &dtype_given, &wanted)) return nullptr;
  DType dtype;
  if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), &TensorType) || !dtype_from(dtype_given, dtype)) {
    PyErr_SetString(PyExc_TypeError, "_make_sparse(): expected a subclass of Tensor, a size and a dtype");
    return nullptr;
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  Dims sizes = sizes_from(&size, 1, "sparse");
  Tensor t = empty(IntView{1}, DType::Complex128);
  std::memset(t.bytes(), 0, item_size(DType::Complex128));
  t->dtype = dtype;
  checked_numel(sizes);
  set_geometry(*t.get(), sizes, Dims(sizes.size(), 0), 0);
  FL_CHECK(!wanted || is_differentiable(dtype), "Only Tensors of floating point and complex dtype can require gradients");
  t->requires_grad = wanted;
  t->sparse = true;
  PyTensor* o = reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  o->t = t.release();
  o->t->pyobj = o;
  return reinterpret_cast<PyObject*>(o);
  FL_CATCH(nullptr)
}
// _resize_sparse(size): the size of a sparse tensor whose parts have changed.
PyObject* resize_sparse(PyObject* self, PyObject* size) {
  FL_TRY
  const Tensor& t = unwrap(self);
  FL_CHECK_KIND(Type, t->sparse, "_resize_sparse: expected a sparse tensor");
  Dims sizes = sizes_from(&size, 1, "sparse_resize_");
  checked_numel(sizes);
  set_geometry(*t.get(), sizes, Dims(sizes.size(), 0), 0);
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}
PyObject* m_as_subclass(PyObject* self, PyObject* cls) {
  FL_TRY
  FL_CHECK_KIND(Type, PyType_Check(cls), "cls must be a type (got ", Py_TYPE(cls)->tp_name, ")");
  FL_CHECK_KIND(Type, PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), &TensorType),
                "Creating a Tensor subclass from a class that does not inherit from Tensor is not possible. Make sure your class inherits from Tensor.");
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(cls);
  Tensor t = ops::alias(unwrap(self));
  if (type == &TensorType) return wrap(std::move(t));
  PyTensor* o = reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  o->t = t.release();
  o->t->pyobj = o;
  return reinterpret_cast<PyObject*>(o);
  FL_CATCH(nullptr)
}
PyObject* m_backward(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  FL_TRY
  const Tensor& t = unwrap(self);
  bool straight = n == 0 && (!kw || PyTuple_GET_SIZE(kw) == 0) && simple(self) && t.numel() == 1 && is_floating(t.dtype()) && t.requires_grad();
  if (!straight) {
    Ptr module(PyImport_ImportModule("flambeau.autograd"));
    if (!module) return nullptr;
    Ptr f(PyObject_GetAttrString(module.get(), "_tensor_backward"));
    if (!f) return nullptr;
    std::vector<PyObject*> all{self};
    for (Py_ssize_t k = 0; k < n + (kw ? PyTuple_GET_SIZE(kw) : 0); ++k) all.push_back(args[k]);
    return PyObject_Vectorcall(f.get(), all.data(), size_t(n + 1), kw);
  }
  BackwardRequest r;
  Tensor one = empty(t.sizes(), t.dtype(), t.device());
  fill_values(one, Value(1.0));
  r.roots.push_back(t);
  r.grads.push_back(std::move(one));
  FinalCallbacks last;
  run_backward(r);
  if (!last.run()) return nullptr;
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f))
PyMethodDef tensor_methods[] = {
    {"size", FAST((method<"size", m_size>)), METH_FASTCALL | METH_KEYWORDS, "size(dim=None): the sizes, or that of one dimension."},
    {"stride", FAST((method<"stride", m_stride>)), METH_FASTCALL | METH_KEYWORDS, "stride(dim=None): the strides in elements, or that of one dimension."},
    {"dim", method0<"dim", m_dim>, METH_NOARGS, "The number of dimensions."},
    {"ndimension", method0<"ndimension", m_dim>, METH_NOARGS, "The number of dimensions."},
    {"numel", method0<"numel", m_numel>, METH_NOARGS, "The number of elements."},
    {"nelement", method0<"nelement", m_numel>, METH_NOARGS, "The number of elements."},
    {"element_size", method0<"element_size", m_element_size>, METH_NOARGS, "The bytes of an element."},
    {"storage_offset", method0<"storage_offset", m_storage_offset>, METH_NOARGS, "Where the window begins in the storage, in elements."},
    {"data_ptr", method0<"data_ptr", m_data_ptr>, METH_NOARGS, "The address of the first element."},
    {"__complex__", m_complex_number, METH_NOARGS, "The one element as a complex number."},
    {"item", method0<"item", m_item>, METH_NOARGS, "The one element as a Python number."},
    {"is_contiguous", FAST((method<"is_contiguous", m_is_contiguous>)), METH_FASTCALL | METH_KEYWORDS, "Whether the elements lie in the order of memory_format, without gaps."},
    {"requires_grad_", FAST((method<"requires_grad_", m_requires_grad_>)), METH_FASTCALL | METH_KEYWORDS, "Sets requires_grad and returns self."},
    {"detach_", method0<"detach_", m_detach_>, METH_NOARGS, "Cuts self out of its graph."},
    {"retain_grad", method0<"retain_grad", m_retain_grad>, METH_NOARGS, "Keeps .grad of a tensor that is no leaf."},
    {"_is_view", method0<"_is_view", m_is_view>, METH_NOARGS, "Whether self is a window on another tensor."},
    {"is_inference", method0<"is_inference", m_is_inference>, METH_NOARGS, "Whether self was made in inference mode."},
    {"is_floating_point", method0<"is_floating_point", m_floating>, METH_NOARGS, "Whether the element type is floating."},
    {"is_complex", method0<"is_complex", m_complex>, METH_NOARGS, "Whether the element type is complex."},
    {"is_signed", method0<"is_signed", m_signed>, METH_NOARGS, "Whether the element type has a sign."},
    {"is_conj", method0<"is_conj", m_false>, METH_NOARGS, "False: conjugates are computed at once."},
    {"is_neg", method0<"is_neg", m_false>, METH_NOARGS, "False: negatives are computed at once."},
    {"is_pinned", FAST(m_false), METH_VARARGS, "False without a GPU."},
    {"is_shared", method0<"is_shared", m_is_shared>, METH_NOARGS, "Whether other processes may see its memory: share_memory_()."},
    {"untyped_storage", method0<"untyped_storage", m_storage>, METH_NOARGS, "The bytes behind the tensor."},
    {"resize_", FAST((method<"resize_", m_resize_>)), METH_FASTCALL | METH_KEYWORDS, "Gives self a new contiguous size, growing the storage if needed."},
    {"set_", FAST(m_set_), METH_VARARGS | METH_KEYWORDS, "Makes self a window on another storage."},
    {"as_subclass", m_as_subclass, METH_O, "The same data as an instance of a subclass."},
    {"_make_subclass", FAST(make_subclass), METH_VARARGS | METH_KEYWORDS | METH_STATIC, "An instance of cls over data, without history."},
    {"_make_sparse", make_sparse, METH_VARARGS | METH_STATIC, "An instance of cls of a size and dtype, without elements of its own."},
    {"_resize_sparse", resize_sparse, METH_O, "Gives a sparse tensor another size."},
    {"_make_wrapper_subclass_data", FAST(make_subclass), METH_VARARGS | METH_KEYWORDS | METH_STATIC, "As _make_subclass."},
    {"backward", FAST(m_backward), METH_FASTCALL | METH_KEYWORDS, "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None): accumulates gradients into leaves."},
    {nullptr}};

PyNumberMethods number_slots;
PySequenceMethods sequence_slots;
PyMappingMethods mapping_slots;

// torch.Tensor(...): sizes, nested lists, a tensor, or nothing.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kw) {
  Ptr module(PyImport_ImportModule("flambeau._tensor"));
  if (!module) return nullptr;
  Ptr f(PyObject_GetAttrString(module.get(), "_legacy_new"));
  if (!f) return nullptr;
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  Ptr all(PyTuple_New(n + 1));
  Py_INCREF(type);
  PyTuple_SET_ITEM(all.get(), 0, reinterpret_cast<PyObject*>(type));
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* a = PyTuple_GET_ITEM(args, k);
    Py_INCREF(a);
    PyTuple_SET_ITEM(all.get(), k + 1, a);
  }
  return PyObject_Call(f.get(), all.get(), kw);
}
// Arguments were used by __new__.
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }

PyObject* set_parameter_type(PyObject*, PyObject* type) {
  ParameterType = reinterpret_cast<PyTypeObject*>(type);
  Py_INCREF(type);
  Py_RETURN_NONE;
}
PyObject* set_sparse_type(PyObject*, PyObject* type) {
  SparseType = reinterpret_cast<PyTypeObject*>(type);
  Py_INCREF(type);
  Py_RETURN_NONE;
}
// Methods defined in Python: put straight into the type's dictionary.
PyMethodDef module_methods[] = {{"_set_parameter_type", set_parameter_type, METH_O, "Names the Parameter class, which takes the fast path."},
                                {"_set_sparse_type", set_sparse_type, METH_O, "Names the class of sparse tensors."},
                                {nullptr}};

}  // namespace

PyObject* call_watched(const char* name, PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  Ptr func(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&TensorType), name));
  if (!func) return nullptr;
  std::vector<PyObject*> all{self};
  for (Py_ssize_t k = 0; k < n + (kw ? PyTuple_GET_SIZE(kw) : 0); ++k) all.push_back(args[k]);
  return call_torch_function(func.get(), all.data(), n + 1, kw);
}
// Attributes and methods of sparse tensors are their class's own.
bool watched_slow(PyObject* self) { return Py_TYPE(self) == SparseType ? torch_function_modes : needs_override(self, self); }
void track(PyObject* o) {
  if (is_tensor(o) && !PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
}

PyObject* wrap_slow(TensorImpl* t) {
  if (t->pyobj) {
    PyObject* o = static_cast<PyObject*>(t->pyobj);
    if (t->owns_pyobj) {  // the reference passes to the caller, and the face owns the tensor again
      t->owns_pyobj = false;
      return o;
    }
    Py_INCREF(o);
    t->unref();
    return o;
  }
  PyTensor* o;
  if (g_free_count > 0) {
    o = g_free[--g_free_count];
    _Py_NewReference(reinterpret_cast<PyObject*>(o));
  } else {
    o = PyObject_GC_New(PyTensor, &TensorType);
    if (!o) {
      t->unref();
      return nullptr;
    }
  }
  o->t = t;
  o->dict = nullptr;
  o->weak = nullptr;
  t->pyobj = o;
  return reinterpret_cast<PyObject*>(o);
}
PyObject* wrap(Tensor t) {
  if (!t.defined()) Py_RETURN_NONE;
  return wrap_slow(t.release());
}

bool init_tensor(PyObject* m) {
  release_face = [](void* o) {
    Py_DECREF(static_cast<PyObject*>(o));
  };
  TensorMetaType.tp_name = "torch._C._TensorMeta";
  TensorMetaType.tp_base = &PyType_Type;
  TensorMetaType.tp_init = meta_init;
  TensorMetaType.tp_getset = meta_getset;
  TensorMetaType.tp_repr = meta_repr;
  TensorMetaType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  if (PyType_Ready(&TensorMetaType) < 0) return false;
  Py_SET_TYPE(&TensorType, &TensorMetaType);
  PyNumberMethods& n = number_slots;
  n.nb_add = nb_add;
  n.nb_inplace_add = nb_iadd;
  n.nb_subtract = nb_sub;
  n.nb_inplace_subtract = nb_isub;
  n.nb_multiply = nb_mul;
  n.nb_inplace_multiply = nb_imul;
  n.nb_true_divide = nb_truediv;
  n.nb_inplace_true_divide = nb_itruediv;
  n.nb_floor_divide = nb_floordiv;
  n.nb_inplace_floor_divide = nb_ifloordiv;
  n.nb_remainder = nb_mod;
  n.nb_inplace_remainder = nb_imod;
  n.nb_power = nb_pow;
  n.nb_inplace_power = nb_ipow;
  n.nb_and = nb_and;
  n.nb_inplace_and = nb_iand;
  n.nb_or = nb_or;
  n.nb_inplace_or = nb_ior;
  n.nb_xor = nb_xor;
  n.nb_inplace_xor = nb_ixor;
  n.nb_lshift = nb_lshift;
  n.nb_inplace_lshift = nb_ilshift;
  n.nb_rshift = nb_rshift;
  n.nb_inplace_rshift = nb_irshift;
  n.nb_matrix_multiply = nb_matmul;
  n.nb_negative = nb_neg;
  n.nb_absolute = nb_abs;
  n.nb_invert = nb_invert;
  n.nb_positive = nb_positive;
  n.nb_bool = nb_bool;
  n.nb_int = nb_int;
  n.nb_float = nb_float;
  n.nb_index = nb_index;
  mapping_slots.mp_length = tensor_length;
  mapping_slots.mp_subscript = tensor_subscript;
  mapping_slots.mp_ass_subscript = tensor_assign_subscript;
  sequence_slots.sq_length = tensor_length;
  sequence_slots.sq_contains = tensor_contains;
  static Attribute attributes[sizeof tensor_getset / sizeof *tensor_getset];
  Attribute* next = attributes;
  for (PyGetSetDef* d = tensor_getset; d->name; ++d) {
    if (!std::strcmp(d->name, "__dict__")) continue;
    *next = {d->get, d->name};
    d->get = get_watched;
    d->closure = next++;
  }
  PyTypeObject& t = TensorType;
  t.tp_name = "Tensor";
  t.tp_basicsize = sizeof(PyTensor);
  t.tp_dealloc = tensor_dealloc;
  t.tp_as_number = &number_slots;
  t.tp_as_sequence = &sequence_slots;
  t.tp_as_mapping = &mapping_slots;
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  t.tp_traverse = tensor_traverse;
  t.tp_clear = tensor_clear;
  t.tp_richcompare = compare;
  t.tp_hash = [](PyObject* self) {
    return Py_hash_t(self) == -1 ? -2 : Py_hash_t(self);
  };  // id(self)
  t.tp_iter = tensor_iter;
  t.tp_methods = tensor_methods;
  t.tp_getset = tensor_getset;
  t.tp_new = tensor_new;
  t.tp_init = tensor_init;
  t.tp_setattro = tensor_setattro;
  t.tp_dictoffset = offsetof(PyTensor, dict);
  t.tp_weaklistoffset = offsetof(PyTensor, weak);
  if (PyType_Ready(&t) < 0) return false;
  t.tp_flags &= ~Py_TPFLAGS_IMMUTABLETYPE;  // programs add methods to Tensor
  Py_INCREF(&t);
  Py_INCREF(&TensorMetaType);
  return PyModule_AddObject(m, "Tensor", reinterpret_cast<PyObject*>(&t)) == 0 &&
         PyModule_AddObject(m, "_TensorMeta", reinterpret_cast<PyObject*>(&TensorMetaType)) == 0 && PyModule_AddFunctions(m, module_methods) == 0;
}

}  // namespace fl::py
