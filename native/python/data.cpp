// Tensors from Python data and back: nested sequences, NumPy arrays, the buffer protocol, DLPack, tolist.
#include "python/binding.h"

#include <cstring>

#include "memory/backend.h"
#include "ops/ops.h"
#include "tensor/iterator.h"

namespace fl::py {

namespace {

// ------------------------------------------------------------------------------------------------ nested sequences

bool is_ndarray(PyObject* o) { return !std::strcmp(Py_TYPE(o)->tp_name, "numpy.ndarray") || !std::strcmp(Py_TYPE(o)->tp_name, "numpy.memmap"); }
bool is_sequence(PyObject* o) {
  if (PyFloat_CheckExact(o) || PyLong_CheckExact(o)) return false;
  return PyList_Check(o) || PyTuple_Check(o) || (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o) && !is_tensor(o));
}

DType type_of_number(const Value& v) {
  return v.tag == Value::BoolTag ? DType::Bool : v.tag == Value::IntTag ? DType::Int64
                                             : v.tag == Value::FloatTag ? default_dtype()
                                                                        : default_complex_dtype();
}

// Shape from the first elements. A tensor among them counts as one number.
void measure(PyObject* o, Dims& shape) {
  Ptr held;
  while (is_sequence(o)) {
    Py_ssize_t n = PySequence_Size(o);
    if (n < 0) raise_python();
    shape.push(n);
    FL_CHECK_KIND(Value, shape.size() <= kMaxDims, "too many dimensions '", Py_TYPE(o)->tp_name, "'");
    if (n == 0) return;
    Ptr first(PySequence_GetItem(o, 0));
    if (!first) raise_python();
    held = std::move(first);
    o = held.get();
    FL_CHECK_KIND(Value, !PyUnicode_Check(o), "too many dimensions 'str'");
    if (is_ndarray(o) &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "Creating a tensor from a list of numpy.ndarrays is extremely slow: make one array of them first, with numpy.array().", 1) < 0)
      raise_python();
  }
}
// `levels`: how deep numbers may lie; what is nested deeper is refused when the numbers are read.
DType common_type(PyObject* o, DType so_far, int levels) {
  if (is_tensor(o)) return promote_types(so_far, unwrap(o).dtype());
  if (PyFloat_CheckExact(o)) return promote_types(so_far, default_dtype());
  if (PyLong_CheckExact(o)) return promote_types(so_far, DType::Int64);
  if (is_sequence(o) && levels == 0) return so_far;
  if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) {
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o), k = 0;
    if (n == 0) return promote_types(so_far, default_dtype());
    PyObject** items = PySequence_Fast_ITEMS(o);
    while (k < n && PyFloat_CheckExact(items[k])) ++k;  // rows of floats are what most lists hold
    if (k) so_far = promote_types(so_far, default_dtype());
    for (; k < n; ++k) so_far = common_type(PySequence_Fast_GET_ITEM(o, k), so_far, levels - 1);
    return so_far;
  }
  if (is_sequence(o)) {
    Ptr seq(PySequence_Fast(o, "expected a sequence"));
    if (!seq) raise_python();
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(seq.get()); ++k) so_far = common_type(PySequence_Fast_GET_ITEM(seq.get(), k), so_far, levels - 1);
    return so_far;
  }
  Value v;
  if (!number_from(o, v)) {
    if (PyUnicode_Check(o) || PyBytes_Check(o)) fail(ErrorKind::Type, "new(): invalid data type '", Py_TYPE(o)->tp_name, "'");
    fail(ErrorKind::Runtime, "Could not infer dtype of ", Py_TYPE(o)->tp_name);
  }
  DType t = type_of_number(v);
  const char* name = Py_TYPE(o)->tp_name;
  if (!std::strncmp(name, "numpy.", 6)) {
    static const struct {
      const char* name;
      DType t;
    } kinds[] = {{"numpy.float64", DType::Float64}, {"numpy.float32", DType::Float32}, {"numpy.float16", DType::Float16}, {"numpy.int32", DType::Int32}, {"numpy.int16", DType::Int16}, {"numpy.int8", DType::Int8}, {"numpy.uint8", DType::UInt8}, {"numpy.complex64", DType::Complex64}, {"numpy.complex128", DType::Complex128}};
    for (auto& k : kinds)
      if (!std::strcmp(name, k.name)) t = k.t;
  }
  return promote_types(so_far, t);
}

// Integers of t from a number beyond them: unsigned types take negative numbers that wrap, floating numbers never wrap.
bool fits(DType t, const Value& v) {
  if (t == DType::Int64 || t == DType::UInt64) return v.tag != Value::FloatTag || (v.d == v.d && std::abs(v.d) < 9.3e18);
  const int bits = int(item_size(t)) * 8;
  const bool sign = t == DType::Int8 || t == DType::Int16 || t == DType::Int32;
  const int64_t high = (int64_t(1) << (bits - sign)) - 1, low = sign ? -high - 1 : v.tag == Value::FloatTag ? 0
                                                                                                            : -high;
  if (v.tag == Value::FloatTag) return v.d > double(low) - 1 && v.d < double(high) + 1;
  return v.i >= low && v.i <= high;
}
[[noreturn]] void not_a_number(DType t, PyObject* o) {
  if (is_floating(t) || is_complex(t)) fail(ErrorKind::Type, "must be real number, not ", Py_TYPE(o)->tp_name);
  fail(ErrorKind::Type, "'", Py_TYPE(o)->tp_name, "' object cannot be interpreted as an integer");
}
void store(char* p, DType t, const Value& v, PyObject* o) {
  if (v.tag == Value::ComplexTag && !is_complex(t) && t != DType::Bool) not_a_number(t, o);
  if (is_integral(t) && t != DType::Bool) FL_CHECK(fits(t, v), "value cannot be converted to type ", dtype_name(t), " without overflow");
  if (t == DType::Bool) *reinterpret_cast<bool*>(p) = v.real() != 0 || v.imag() != 0;
  else std::memcpy(p, scalar_bits(v, t).bytes, item_size(t));
}
// A Python integer may be longer than 64 bits: then it is a number of floating types only.
void store_integer(char* p, DType t, PyObject* o) {
  int overflow = 0;
  long long i = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (i == -1 && PyErr_Occurred()) raise_python();
  if (t == DType::UInt64) {
    FL_CHECK_KIND(Overflow, overflow >= 0 && (overflow || i >= 0), "can't convert negative int to unsigned");
    uint64_t u = PyLong_AsUnsignedLongLong(o);
    if (u == uint64_t(-1) && PyErr_Occurred()) raise_python();
    std::memcpy(p, &u, 8);
  } else if (!overflow) {
    store(p, t, Value(int64_t(i)), o);
  } else if (t == DType::Bool) {
    *p = 1;
  } else {
    FL_CHECK_KIND(Value, !is_integral(t), "Overflow when unpacking long long");
    double d = PyLong_AsDouble(o);
    if (d == -1 && PyErr_Occurred()) raise_python();
    store(p, t, Value(d), o);
  }
}

void fill_from(PyObject* o, const Dims& shape, int d, DType t, char*& p) {
  if (d == shape.size()) {
    if (t == DType::Float32 && PyFloat_CheckExact(o)) {
      float f = float(PyFloat_AS_DOUBLE(o));
      std::memcpy(p, &f, 4);
    } else if (is_tensor(o)) {
      const Tensor& x = unwrap(o);
      bool whole = is_integral(t) && t != DType::Bool;
      FL_CHECK_KIND(Type, !whole || (x.numel() == 1 && !is_differentiable(x.dtype())), "only integer tensors of a single element can be converted to an index");
      FL_CHECK_KIND(Value, x.numel() == 1, "only one element tensors can be converted to Python scalars");
      store(p, t, item_value(*x.get()), o);
    } else if (PyLong_CheckExact(o)) {
      store_integer(p, t, o);
    } else {
      Value v;
      if (!number_from(o, v)) not_a_number(t, o);
      store(p, t, v, o);
    }
    p += item_size(t);
    return;
  }
  if (is_tensor(o)) {
    const Tensor& x = unwrap(o);
    bool fits = x.dim() == shape.size() - d;
    for (int k = 0; fits && k < x.dim(); ++k) fits = x.size(k) == shape[d + k];
    FL_CHECK_KIND(Value, fits, "expected sequence of length ", shape[d], " at dim ", d, " (got ", x.dim() ? x.size(0) : 0, ")");
    Tensor part = contiguous_of(cast_of(x, t));
    size_t n = size_t(part.numel()) * item_size(t);
    std::memcpy(p, part.bytes(), n);
    p += n;
    return;
  }
  if (!is_sequence(o)) fail(ErrorKind::Type, "not a sequence");
  Ptr held;
  PyObject* seq = o;
  if (!PyList_Check(o) && !PyTuple_Check(o)) {
    held = Ptr(PySequence_Fast(o, "expected a sequence"));
    if (!held) raise_python();
    seq = held.get();
  }
  Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
  FL_CHECK_KIND(Value, n == shape[d], "expected sequence of length ", shape[d], " at dim ", d, " (got ", n, ")");
  if (d + 1 == shape.size() && t == DType::Float32) {  // the common innermost row
    float* f = reinterpret_cast<float*>(p);
    PyObject** items = PySequence_Fast_ITEMS(seq);
    Py_ssize_t k = 0;
    for (; k < n && PyFloat_CheckExact(items[k]); ++k) f[k] = float(PyFloat_AS_DOUBLE(items[k]));
    p += 4 * k;
    for (; k < n; ++k) fill_from(PySequence_Fast_GET_ITEM(seq, k), shape, d + 1, t, p);
    return;
  }
  for (Py_ssize_t k = 0; k < n; ++k) {
    Ptr item = Ptr::borrow(PySequence_Fast_GET_ITEM(seq, k));
    fill_from(item.get(), shape, d + 1, t, p);
    FL_CHECK(PySequence_Fast_GET_SIZE(seq) == n, "tensor: a sequence changed its length while it was read");
  }
}

// Quick type of a list of lists of floats: most are, and one look at each number is enough.
Tensor from_sequence(PyObject* o, DType dtype) {
  Dims shape(0);
  if (is_sequence(o)) measure(o, shape);
  if (dtype == DType::None) {
    dtype = common_type(o, DType::None, shape.size());
    if (dtype == DType::None) dtype = default_dtype();  // nothing but empty lists
  }
  Tensor t = empty(shape, dtype, Device{});
  if (t.numel() == 0) return t;
  char* p = t.bytes();
  fill_from(o, shape, 0, dtype, p);
  return t;
}

// ------------------------------------------------------------------------------------------------ buffers and NumPy

const char* typestr(DType t) {
  static const char* const names[] = {"|b1", "|u1", "|i1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8", "<f2", "", "<f4", "<f8", "<c8", "<c16", ""};
  return names[int(t)];
}
const char* buffer_format(DType t) {
  static const char* const names[] = {"?", "B", "b", "h", "i", sizeof(long) == 8 ? "l" : "q", "H", "I", sizeof(long) == 8 ? "L" : "Q", "e", "", "f", "d", "Zf", "Zd", ""};
  return names[int(t)];
}
DType type_from_format(const char* f, Py_ssize_t size) {
  if (!f) return DType::UInt8;
  if (f[0] == '@' || f[0] == '=' || f[0] == '<' || f[0] == '|') ++f;
  if (f[0] == '>' || f[0] == '!')
    fail(ErrorKind::Value, "given numpy array has byte order different from the native byte order. Conversion between byte orders is currently not supported.");
  switch (f[0]) {
    case '?': return DType::Bool;
    case 'B': return DType::UInt8;
    case 'b': return DType::Int8;
    case 'e': return DType::Float16;
    case 'f': return DType::Float32;
    case 'd': return DType::Float64;
    case 'h':
    case 'i':
    case 'l':
    case 'q': return size == 2 ? DType::Int16 : size == 4 ? DType::Int32
                                            : size == 8   ? DType::Int64
                                                          : DType::None;
    case 'H':
    case 'I':
    case 'L':
    case 'Q': return size == 2 ? DType::UInt16 : size == 4 ? DType::UInt32
                                             : size == 8   ? DType::UInt64
                                                           : DType::None;
    case 'Z': return f[1] == 'f' ? DType::Complex64 : f[1] == 'd' ? DType::Complex128
                                                                  : DType::None;
    default: return DType::None;
  }
}

void release_object(void* o) {
  if (!Py_IsInitialized()) return;
#if defined(FL_ATOMIC_REFCOUNT)
  PyGILState_STATE s = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(o));
  PyGILState_Release(s);
#else
  Py_DECREF(static_cast<PyObject*>(o));  // storages die under the interpreter's lock only (base/refcount.h)
#endif
}

// A tensor on the memory of a NumPy array, through the buffer protocol: no import of NumPy needed.
Tensor from_array(PyObject* array, bool warn_read_only = false) {
  Py_buffer view{};
  if (PyObject_GetBuffer(array, &view, PyBUF_RECORDS_RO) < 0) {
    PyErr_Clear();
    Ptr dtype(PyObject_GetAttrString(array, "dtype"));
    Ptr text(dtype ? PyObject_Str(dtype.get()) : nullptr);
    PyErr_Clear();
    fail(ErrorKind::Type, "can't convert np.ndarray of type numpy.", text ? PyUnicode_AsUTF8(text.get()) : "?",
         ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.");
  }
  struct Release {
    Py_buffer* v;
    ~Release() { PyBuffer_Release(v); }
  } release{&view};
  if (warn_read_only && view.readonly &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing to this tensor "
                   "will result in undefined behavior. You may want to copy the array to protect its data or make it writable before converting it to a tensor.",
                   1) < 0)
    raise_python();
  DType t = type_from_format(view.format, view.itemsize);
  if (t == DType::None || size_t(view.itemsize) != item_size(t)) {
    Ptr type(PyObject_GetAttrString(array, "dtype"));
    Ptr name(type ? PyObject_GetAttrString(type.get(), "type") : nullptr);
    PyErr_Clear();
    fail(ErrorKind::Type, "can't convert np.ndarray of type ", name ? reinterpret_cast<PyTypeObject*>(name.get())->tp_name : "?",
         ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.");
  }
  Dims size(view.ndim), stride(view.ndim);
  int64_t item = view.itemsize;
  bool empty_array = false;
  for (int d = 0; d < view.ndim; ++d) empty_array |= view.shape[d] == 0;
  int64_t span = 0;
  for (int d = 0; d < view.ndim; ++d) {
    size[d] = view.shape[d];
    int64_t s = view.strides[d];
    FL_CHECK_KIND(Value, s >= 0 || size[d] <= 1,
                  "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently supported. "
                  "(You can probably work around this by making a copy of your array  with array.copy().) ");
    FL_CHECK_KIND(Value, s % item == 0, "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.");
    stride[d] = size[d] <= 1 && s < 0 ? 1 : s / item;
    if (!empty_array) span += (size[d] - 1) * stride[d];
  }
  if (empty_array) {  // the buffer protocol invents strides here; NumPy's own are kept
    Ptr own(PyObject_GetAttrString(array, "strides"));
    if (own && PyTuple_Check(own.get()) && PyTuple_GET_SIZE(own.get()) == view.ndim)
      for (int d = 0; d < view.ndim; ++d) stride[d] = PyLong_AsLongLong(PyTuple_GET_ITEM(own.get(), d)) / item;
    PyErr_Clear();
  }
  Py_INCREF(array);
  Storage* s = Storage::wrap(view.buf, empty_array ? 0 : size_t((span + 1) * item), release_object, array);
  return from_storage(s, size, stride, 0, t);
}

bool has_array_interface(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o) || PyFloat_Check(o) || PyLong_Check(o)) return false;
  if (is_ndarray(o)) return true;
  return PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__array_interface__") || PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__array__");
}
Ptr to_ndarray(PyObject* o) {  // any array-like, as an ndarray
  if (is_ndarray(o)) return Ptr::borrow(o);
  Ptr numpy(PyImport_ImportModule("numpy"));
  if (!numpy) raise_python();
  Ptr a(PyObject_CallMethod(numpy.get(), "asarray", "O", o));
  if (!a) raise_python();
  return a;
}

// The head of NumPy's array and descriptor objects, whose layout is part of its ABI since 1.0 (and unchanged in 2).
struct ArrayHead {
  PyObject_HEAD char* data;
  int ndim;
  Py_ssize_t *shape, *strides;
  PyObject *base, *descr;
  int flags;
};
struct DescrHead {
  PyObject_HEAD PyTypeObject* type;
  char kind, letter, byteorder, flags;
  int number;
};
DType type_of_number_code(int code) {  // NumPy's type numbers; None for what has no element type here
  static const DType types[] = {DType::Bool, DType::Int8, DType::UInt8, DType::Int16, DType::UInt16, DType::Int32, DType::UInt32,
                                sizeof(long) == 8 ? DType::Int64 : DType::Int32, sizeof(long) == 8 ? DType::UInt64 : DType::UInt32,
                                DType::Int64, DType::UInt64, DType::Float32, DType::Float64, DType::None, DType::Complex64, DType::Complex128};
  return code >= 0 && code < 16 ? types[code] : code == 23 ? DType::Float16
                                                           : DType::None;
}
// A writable, aligned array in native byte order, read straight from its object; undefined for all others.
Tensor from_plain_array(PyObject* array) {
  const ArrayHead& a = *reinterpret_cast<ArrayHead*>(array);
  const DescrHead& d = *reinterpret_cast<DescrHead*>(a.descr);
  DType t = type_of_number_code(d.number);
  constexpr int kBehaved = 0x400 | 0x100;
  if (t == DType::None || (a.flags & kBehaved) != kBehaved || (d.byteorder != '=' && d.byteorder != '|') || a.ndim > kMaxDims) return Tensor();
  Dims size(a.ndim), stride(a.ndim);
  int64_t item = int64_t(item_size(t)), span = 0;
  for (int k = 0; k < a.ndim; ++k) {
    int64_t n = a.shape[k], s = a.strides[k];
    if (n == 0 || s < 0 || s % item) return Tensor();
    size[k] = n;
    stride[k] = s / item;
    span += (n - 1) * stride[k];
  }
  Py_INCREF(array);
  return from_storage(Storage::wrap(a.data, size_t((span + 1) * item), release_object, array), size, stride, 0, t);
}

PyObject* from_numpy(PyObject*, PyObject* array) {
  FL_TRY
  static PyTypeObject* plain_type = nullptr;  // numpy.ndarray itself
  if (Py_TYPE(array) == plain_type) {
    Tensor t = from_plain_array(array);
    if (t.defined()) return wrap(std::move(t));
  }
  if (!is_ndarray(array)) {
    Ptr numpy(PyImport_ImportModule("numpy"));
    if (!numpy) return nullptr;
    Ptr cls(PyObject_GetAttrString(numpy.get(), "ndarray"));
    if (PyObject_IsInstance(array, cls.get()) != 1) fail(ErrorKind::Type, "expected np.ndarray (got ", Py_TYPE(array)->tp_name, ")");
  }
  if (is_ndarray(array) && !std::strcmp(Py_TYPE(array)->tp_name, "numpy.ndarray")) plain_type = Py_TYPE(array);
  return wrap(from_array(array, true));
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ the tensor as a buffer, for NumPy

// Exposes a tensor's memory; NumPy's array keeps this object, which keeps the storage (and pins it: it can no longer be resized).
struct ViewObject {
  PyObject_HEAD TensorImpl* t;
  Py_ssize_t shape[kMaxDims], strides[kMaxDims];
};
PyTypeObject ViewType = {PyVarObject_HEAD_INIT(nullptr, 0)};
void view_dealloc(PyObject* self) {
  reinterpret_cast<ViewObject*>(self)->t->unref();
  PyObject_Free(self);
}
int view_buffer(PyObject* self, Py_buffer* b, int) {
  ViewObject* v = reinterpret_cast<ViewObject*>(self);
  const TensorImpl& t = *v->t;
  Py_ssize_t item = Py_ssize_t(item_size(t.dtype));
  b->buf = t.bytes() ? t.bytes() : const_cast<char*>("");
  b->obj = self;
  Py_INCREF(self);
  b->len = t.numel * item;
  b->itemsize = item;
  b->readonly = 0;
  b->ndim = t.sizes.size();
  b->format = const_cast<char*>(buffer_format(t.dtype));
  b->shape = v->shape;
  b->strides = v->strides;
  b->suboffsets = nullptr;
  b->internal = nullptr;
  return 0;
}
PyBufferProcs view_procs;
Ptr buffer_of(const Tensor& t) {
  ViewObject* v = PyObject_New(ViewObject, &ViewType);
  if (!v) raise_python();
  t->storage->resizable = false;
  v->t = alias(t).release();  // an alias of its own: set_() may give t another storage
  for (int d = 0; d < t.dim(); ++d) {
    v->shape[d] = t.size(d);
    v->strides[d] = t.stride(d) * Py_ssize_t(item_size(t.dtype()));
  }
  return Ptr(reinterpret_cast<PyObject*>(v));
}
// The three functions of NumPy's C interface that are needed, by their fixed places in its table (the order is part of its ABI).
struct NumpyApi {
  PyObject* (*descr_from_type)(int);
  PyObject* (*new_from_descr)(PyTypeObject*, PyObject*, int, const Py_ssize_t*, const Py_ssize_t*, void*, int, PyObject*);
  int (*set_base)(PyObject*, PyObject*);
  PyTypeObject* array_type;
};
const NumpyApi& numpy_api() {
  static NumpyApi api{};
  if (!api.set_base) {
    Ptr numpy(PyImport_ImportModule("numpy"));
    if (!numpy) raise_python();
    Ptr umath(PyImport_ImportModule("numpy._core._multiarray_umath"));
    if (!umath) {
      PyErr_Clear();
      umath = Ptr(PyImport_ImportModule("numpy.core._multiarray_umath"));  // before NumPy 2
    }
    if (!umath) raise_python();
    Ptr capsule(PyObject_GetAttrString(umath.get(), "_ARRAY_API"));
    if (!capsule) raise_python();
    void** table = static_cast<void**>(PyCapsule_GetPointer(capsule.get(), nullptr));
    if (!table) raise_python();
    api.array_type = static_cast<PyTypeObject*>(table[2]);
    api.descr_from_type = reinterpret_cast<decltype(api.descr_from_type)>(table[45]);
    api.new_from_descr = reinterpret_cast<decltype(api.new_from_descr)>(table[94]);
    api.set_base = reinterpret_cast<decltype(api.set_base)>(table[282]);
  }
  return api;
}
int numpy_type(DType t) {  // NumPy's type numbers
  static const int numbers[] = {0, 2, 1, 3, 5, sizeof(long) == 8 ? 7 : 9, 4, 6, sizeof(long) == 8 ? 8 : 10, 23, -1, 11, 12, 14, 15, -1};
  return numbers[int(t)];
}
PyObject* as_numpy(const Tensor& t, bool force) {
  FL_CHECK(force || !t.requires_grad() || !thread_state().grad_enabled, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  FL_CHECK_KIND(Type, numpy_type(t.dtype()) >= 0, "Got unsupported ScalarType ", scalar_type_name(t.dtype()));
  FL_CHECK_KIND(Type, on_host(t.device()), "can't convert ", device_name(t.device()), " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  const NumpyApi& api = numpy_api();
  Py_ssize_t shape[kMaxDims], strides[kMaxDims], item = Py_ssize_t(item_size(t.dtype()));
  for (int d = 0; d < t.dim(); ++d) {
    shape[d] = t.size(d);
    strides[d] = t.stride(d) * item;
  }
  constexpr int kBehaved = 0x400 | 0x100;  // writeable, aligned
  void* data = t.bytes() ? t.bytes() : const_cast<char*>("");
  Ptr array(api.new_from_descr(api.array_type, api.descr_from_type(numpy_type(t.dtype())), t.dim(), shape, strides, data, kBehaved, nullptr));
  if (!array) raise_python();
  t->storage->resizable = false;  // the array points into it
  PyObject* keeper = storage_object(t->storage);
  if (!keeper || api.set_base(array.get(), keeper) < 0) raise_python();
  return array.release();
}
PyObject* m_numpy(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kw) {
  if (watched(self)) return call_watched("numpy", self, args, n, kw);
  FL_TRY
  bool force = false;
  if (n || (kw && PyTuple_GET_SIZE(kw))) {
    FL_CHECK_KIND(Type, n + (kw ? PyTuple_GET_SIZE(kw) : 0) == 1 && PyBool_Check(args[0]), "numpy(): argument 'force' must be bool, not ", Py_TYPE(args[0])->tp_name);
    force = args[0] == Py_True;
  }
  return as_numpy(unwrap(self), force);
  FL_CATCH(nullptr)
}
int tensor_buffer(PyObject* self, Py_buffer* b, int flags) {
  const Tensor& t = unwrap(self);
  if (t.requires_grad() || numpy_type(t.dtype()) < 0) {
    PyErr_SetString(PyExc_BufferError, "buffer: not available for tensors that require grad or are bfloat16");
    return -1;
  }
  FL_TRY
  Ptr v = buffer_of(t);
  return PyObject_GetBuffer(v.get(), b, flags | PyBUF_FULL);
  FL_CATCH(-1)
}
PyBufferProcs tensor_procs;

// ------------------------------------------------------------------------------------------------ tolist

PyObject* list_of(const char* p, DType t, IntView sizes, IntView strides) {
  if (sizes.n == 0) {
    switch (t) {
      case DType::Float32: {
        float f;
        std::memcpy(&f, p, 4);
        return PyFloat_FromDouble(double(f));
      }
      case DType::Float64: {
        double f;
        std::memcpy(&f, p, 8);
        return PyFloat_FromDouble(f);
      }
      case DType::Int64: {
        int64_t i;
        std::memcpy(&i, p, 8);
        return PyLong_FromLongLong(i);
      }
      case DType::Int32: {
        int32_t i;
        std::memcpy(&i, p, 4);
        return PyLong_FromLong(i);
      }
      case DType::Int16: {
        int16_t i;
        std::memcpy(&i, p, 2);
        return PyLong_FromLong(i);
      }
      case DType::Int8: return PyLong_FromLong(*reinterpret_cast<const int8_t*>(p));
      case DType::UInt8: return PyLong_FromLong(*reinterpret_cast<const uint8_t*>(p));
      case DType::UInt16: {
        uint16_t i;
        std::memcpy(&i, p, 2);
        return PyLong_FromLong(i);
      }
      case DType::UInt32: {
        uint32_t i;
        std::memcpy(&i, p, 4);
        return PyLong_FromUnsignedLong(i);
      }
      case DType::UInt64: {
        uint64_t i;
        std::memcpy(&i, p, 8);
        return PyLong_FromUnsignedLongLong(i);
      }
      case DType::Bool: return PyBool_FromLong(*reinterpret_cast<const uint8_t*>(p));
      case DType::Float16: {
        uint16_t h;
        std::memcpy(&h, p, 2);
        return PyFloat_FromDouble(double(half_to_float(h)));
      }
      case DType::BFloat16: {
        uint16_t h;
        std::memcpy(&h, p, 2);
        return PyFloat_FromDouble(double(bfloat16_to_float(h)));
      }
      case DType::Complex32: {
        uint16_t z[2];
        std::memcpy(z, p, 4);
        return PyComplex_FromDoubles(double(half_to_float(z[0])), double(half_to_float(z[1])));
      }
      case DType::Complex64: {
        float z[2];
        std::memcpy(z, p, 8);
        return PyComplex_FromDoubles(double(z[0]), double(z[1]));
      }
      case DType::Complex128: {
        double z[2];
        std::memcpy(z, p, 16);
        return PyComplex_FromDoubles(z[0], z[1]);
      }
      default: Py_RETURN_NONE;
    }
  }
  PyObject* l = PyList_New(sizes[0]);
  if (!l) return nullptr;
  int64_t step = strides[0] * int64_t(item_size(t));
  for (int64_t k = 0; k < sizes[0]; ++k) {
    if ((k & 0xffff) == 0xffff && PyErr_CheckSignals() < 0) {
      Py_DECREF(l);
      return nullptr;
    }
    PyObject* o = list_of(p + k * step, t, IntView(sizes.data + 1, sizes.n - 1), IntView(strides.data + 1, strides.n - 1));
    if (!o) {
      Py_DECREF(l);
      return nullptr;
    }
    PyList_SET_ITEM(l, k, o);
  }
  return l;
}
PyObject* m_tolist(PyObject* self, PyObject*) {
  if (watched(self)) return call_watched("tolist", self, nullptr, 0, nullptr);
  FL_TRY
  const Tensor& t = unwrap(self);
  return list_of(t.bytes(), t.dtype(), t.sizes(), t.strides());
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ DLPack (structs of 0.8 and of 1.0, by its specification)

struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl;
  void* context;
  void (*deleter)(DLManagedTensor*);
};

struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;  // 1: read-only, 2: a copy
  DLTensor dl;
};

template <class Managed>
struct Exported {
  Managed managed{};
  TensorImpl* t;
  Dims size, stride;
};
template <class Managed>
PyObject* export_as(const Tensor& t, DLDataType dt, const char* name) {
  auto* e = new Exported<Managed>;
  t->storage->resizable = false;
  e->t = alias(t).release();
  e->size = Dims(t.sizes());
  e->stride = Dims(t.strides());
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) e->managed.major = 1;
  e->managed.dl = {t.bytes(), {1, 0}, t.dim(), dt, e->size.data(), e->stride.data(), 0};
  e->managed.context = e;
  e->managed.deleter = [](Managed* m) {
    auto* x = static_cast<Exported<Managed>*>(m->context);
    PyGILState_STATE s = PyGILState_Ensure();
    x->t->unref();
    delete x;
    PyGILState_Release(s);
  };
  return PyCapsule_New(&e->managed, name, [](PyObject* c) {  // a capsule nobody took: takers give it another name
    const char* now = PyCapsule_GetName(c);
    if (!now || !std::strncmp(now, "used", 4)) return;
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(c, now));
    if (m && m->deleter) m->deleter(m);
  });
}

PyObject* to_dlpack(PyObject*, PyObject* args) {  // (tensor, versioned)
  FL_TRY
  PyObject* o;
  int versioned = 0;
  if (!PyArg_ParseTuple(args, "O|p:to_dlpack", &o, &versioned)) return nullptr;
  FL_CHECK_KIND(Type, is_tensor(o), "to_dlpack: expected a Tensor");
  const Tensor& t = unwrap(o);
  if (!on_host(t.device())) {
    PyErr_Format(PyExc_BufferError, "Cannot pack tensors on %s", device_name(t.device()).c_str());
    return nullptr;
  }
  FL_CHECK_KIND(Runtime, !t.requires_grad(), "Can't export tensors that require gradient, use tensor.detach()");
  DLDataType dt{2, uint8_t(item_size(t.dtype()) * 8), 1};
  if (t.dtype() == DType::Bool) dt.code = 6;
  else if (t.dtype() == DType::BFloat16) dt.code = 4;
  else if (is_complex(t.dtype())) dt.code = 5;
  else if (is_integral(t.dtype())) dt.code = t.dtype() == DType::UInt8 || (t.dtype() >= DType::UInt16 && t.dtype() <= DType::UInt64) ? 1 : 0;
  return versioned ? export_as<DLManagedTensorVersioned>(t, dt, "dltensor_versioned") : export_as<DLManagedTensor>(t, dt, "dltensor");
  FL_CATCH(nullptr)
}
template <class Managed>
void release_managed(void* p) {
  auto* x = static_cast<Managed*>(p);
  if (x->deleter) x->deleter(x);
}
PyObject* from_dlpack_capsule(PyObject*, PyObject* capsule) {
  FL_TRY
  const bool versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
  FL_CHECK(versioned || PyCapsule_IsValid(capsule, "dltensor"),
           "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might have already constructed a "
           "tensor from it once.");
  void* m = PyCapsule_GetPointer(capsule, versioned ? "dltensor_versioned" : "dltensor");
  if (versioned) {
    uint32_t major = static_cast<DLManagedTensorVersioned*>(m)->major;
    FL_CHECK_KIND(Runtime, major == 1, "from_dlpack: unsupported major version (got ", major, ", expected 1)");
  }
  const DLTensor& d = versioned ? static_cast<DLManagedTensorVersioned*>(m)->dl : static_cast<DLManagedTensor*>(m)->dl;
  FL_CHECK(d.device.type == 1, "from_dlpack: unsupported device type ", d.device.type, " (only the CPU)");
  FL_CHECK(d.dtype.lanes == 1, "from_dlpack: unsupported number of lanes ", d.dtype.lanes);
  FL_CHECK(d.ndim >= 0 && d.ndim <= kMaxDims, "from_dlpack: unsupported number of dimensions ", d.ndim);
  DType t = DType::None;
  int bits = d.dtype.bits;
  switch (d.dtype.code) {
    case 0:
      t = bits == 8 ? DType::Int8 : bits == 16 ? DType::Int16
                                : bits == 32   ? DType::Int32
                                : bits == 64   ? DType::Int64
                                               : DType::None;
      break;
    case 1:
      t = bits == 8 ? DType::UInt8 : bits == 16 ? DType::UInt16
                                 : bits == 32   ? DType::UInt32
                                 : bits == 64   ? DType::UInt64
                                                : DType::None;
      break;
    case 2:
      t = bits == 16 ? DType::Float16 : bits == 32 ? DType::Float32
                                    : bits == 64   ? DType::Float64
                                                   : DType::None;
      break;
    case 4: t = bits == 16 ? DType::BFloat16 : DType::None; break;
    case 5:
      t = bits == 64 ? DType::Complex64 : bits == 128 ? DType::Complex128
                                                      : DType::None;
      break;
    case 6: t = bits == 8 ? DType::Bool : DType::None; break;
  }
  FL_CHECK(t != DType::None, "from_dlpack: unsupported element type (code ", int(d.dtype.code), ", ", bits, " bits)");
  FL_CHECK(d.ndim == 0 || d.shape, "from_dlpack: the capsule has no shape");
  Dims size(IntView(d.shape, d.ndim));
  int64_t n = checked_numel(size), span = 1;
  Dims stride = d.strides ? Dims(IntView(d.strides, d.ndim)) : contiguous_strides(size);
  for (int k = 0; k < d.ndim; ++k) {
    FL_CHECK(stride[k] >= 0 || size[k] <= 1, "from_dlpack: negative strides are not supported");
    int64_t step = 0;
    FL_CHECK(n == 0 || size[k] == 1 || (!__builtin_mul_overflow(size[k] - 1, stride[k], &step) && !__builtin_add_overflow(span, step, &span)),
             "from_dlpack: Storage size calculation overflowed with sizes=", size, " and strides=", stride);
  }
  FL_CHECK(n == 0 || (span <= INT64_MAX / int64_t(item_size(t)) && d.data), "from_dlpack: no memory for sizes=", size, " and strides=", stride);
  PyCapsule_SetName(capsule, versioned ? "used_dltensor_versioned" : "used_dltensor");  // from here on the storage releases it
  Storage* s = Storage::wrap(static_cast<char*>(d.data) + d.byte_offset, n ? size_t(span) * item_size(t) : 0,
                             versioned ? release_managed<DLManagedTensorVersioned> : release_managed<DLManagedTensor>, m);
  return wrap(from_storage(s, size, stride, 0, t));
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ tensor(), as_tensor()

struct Options {
  DType dtype = DType::None;
  bool requires_grad = false, placed = false;  // placed: a device was named
  Device device;
};
bool options_from(PyObject* dtype, PyObject* device, int requires_grad, Options& o) {
  if (dtype && dtype != Py_None && !dtype_from(dtype, o.dtype)) {
    PyErr_Format(PyExc_TypeError, "tensor(): argument 'dtype' must be torch.dtype, not %s", Py_TYPE(dtype)->tp_name);
    return false;
  }
  if (device && device != Py_None) {
    FL_CHECK_KIND(Type, device_from(device, o.device), "tensor(): argument 'device' must be torch.device, not ", Py_TYPE(device)->tp_name);
    o.device = checked_device(o.device);
    o.placed = true;
  } else {
    o.device = thread_state().factory_device;
  }
  o.requires_grad = requires_grad;
  return true;
}
Tensor data_tensor(PyObject* data, DType dtype, bool copy) {
  if (is_tensor(data)) {
    const Tensor& t = unwrap(data);
    if (t->sparse && (copy || (dtype != DType::None && dtype != t.dtype())))
      return sparse_call("copied", t, empty(IntView{0}, dtype == DType::None ? t.dtype() : dtype));
    if (!copy) return dtype == DType::None ? t : ops::to_dtype(t, dtype);
    Tensor x = alias(t);
    return dtype != DType::None && dtype != t.dtype() ? cast_of(x, dtype) : copy_of(x);
  }
  if (!PyList_Check(data) && !PyTuple_Check(data) && has_array_interface(data) && !PyComplex_Check(data)) {
    const char* name = Py_TYPE(data)->tp_name;
    bool numpy_scalar = !std::strncmp(name, "numpy.", 6) && !is_ndarray(data);
    if (!numpy_scalar) {
      Ptr array = to_ndarray(data);
      Tensor t = from_array(array.get());
      if (dtype != DType::None && dtype != t.dtype()) return cast_of(t, dtype);
      return copy ? copy_of(t) : t;
    }
  }
  return from_sequence(data, dtype);
}
// The tensor where the options want it. A tensor that was given stays where it is unless a device was named.
Tensor placed(Tensor t, const Options& o, PyObject* data) {
  if (t.device() == o.device || (!o.placed && is_tensor(data))) return t;
  return ops::to_device(t, o.device);
}
PyObject* call_function_watched(const char* name, PyObject* args, PyObject* kw) {
  Ptr module(PyImport_ImportModule("flambeau._C"));
  Ptr func(module ? PyObject_GetAttrString(module.get(), name) : nullptr);
  if (!func) return nullptr;
  std::vector<PyObject*> all(&PyTuple_GET_ITEM(args, 0), &PyTuple_GET_ITEM(args, 0) + PyTuple_GET_SIZE(args));
  Ptr names(kw ? PySequence_Tuple(kw) : nullptr);
  for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names.get()); ++k) all.push_back(PyDict_GetItem(kw, PyTuple_GET_ITEM(names.get(), k)));
  return call_torch_function(func.get(), all.data(), PyTuple_GET_SIZE(args), names.get());
}
// PyArg_Parse words its errors in another way than PyTorch.
void check_data_arguments(const char* op, PyObject* args, PyObject* kw, const char* const* names) {
  FL_CHECK_KIND(Type, PyTuple_GET_SIZE(args) <= 1, op, "() takes 1 positional argument but ", PyTuple_GET_SIZE(args), " were given");
  FL_CHECK_KIND(Type, PyTuple_GET_SIZE(args) || (kw && PyDict_GetItemString(kw, "data")), op, "() missing 1 required positional arguments: \"data\"");
  PyObject *key, *value;
  for (Py_ssize_t at = 0; kw && PyDict_Next(kw, &at, &key, &value);) {
    bool known = false;
    for (auto n = names; *n; ++n) known |= !PyUnicode_CompareWithASCIIString(key, *n);
    FL_CHECK_KIND(Type, known, op, "() got an unexpected keyword argument '", PyUnicode_AsUTF8(key), "'");
  }
}
PyObject* make_tensor(PyObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  if (__builtin_expect(torch_function_modes, 0)) return call_function_watched("tensor", args, kw);
  static const char* names[] = {"data", "dtype", "device", "requires_grad", "pin_memory", "names", nullptr};
  PyObject *data, *dtype = nullptr, *device = nullptr, *pin = nullptr, *dim_names = nullptr;
  int requires_grad = 0;
  if (PyTuple_GET_SIZE(args) != 1 || kw) check_data_arguments("tensor", args, kw, names);
  if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OOpOO:tensor", const_cast<char**>(names), &data, &dtype, &device, &requires_grad, &pin, &dim_names)) return nullptr;
  Options o;
  if (!options_from(dtype, device, requires_grad, o)) return nullptr;
  if (is_tensor(data) && PyErr_WarnEx(PyExc_UserWarning,
                                      "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                                      "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
                                      1) < 0) return nullptr;
  Tensor t = placed(data_tensor(data, o.dtype, true), o, data);
  FL_CHECK(!o.requires_grad || is_differentiable(t.dtype()), "Only Tensors of floating point and complex dtype can require gradients");
  t->requires_grad = o.requires_grad;
  return wrap(t);
  FL_CATCH(nullptr)
}
PyObject* as_tensor(PyObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  if (__builtin_expect(torch_function_modes, 0)) return call_function_watched("as_tensor", args, kw);
  static const char* names[] = {"data", "dtype", "device", nullptr};
  PyObject *data, *dtype = nullptr, *device = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "O|OO:as_tensor", const_cast<char**>(names), &data, &dtype, &device)) return nullptr;
  Options o;
  if (!options_from(dtype, device, 0, o)) return nullptr;
  return wrap(placed(data_tensor(data, o.dtype, false), o, data));
  FL_CATCH(nullptr)
}
PyObject* frombuffer(PyObject*, PyObject* args, PyObject* kw) {
  FL_TRY
  static const char* names[] = {"buffer", "dtype", "count", "offset", "requires_grad", nullptr};
  PyObject *buffer, *dtype;
  long long count = -1, offset = 0;
  int requires_grad = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$OLLp:frombuffer", const_cast<char**>(names), &buffer, &dtype, &count, &offset, &requires_grad)) return nullptr;
  DType t;
  FL_CHECK_KIND(Type, dtype_from(dtype, t), "frombuffer(): argument 'dtype' must be torch.dtype");
  if (!PyObject_CheckBuffer(buffer)) fail(ErrorKind::Value, "object does not implement Python buffer protocol.");
  Py_buffer view{};
  bool writable = PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) == 0;
  if (!writable) {
    PyErr_Clear();
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) < 0) {
      PyErr_Clear();
      fail(ErrorKind::Runtime, "could not retrieve buffer from object");
    }
    if (PyErr_WarnEx(PyExc_UserWarning, "The given buffer is not writable, and PyTorch does not support non-writable tensors.", 1) < 0) {
      PyBuffer_Release(&view);
      return nullptr;
    }
  }
  struct Release {
    Py_buffer* v;
    ~Release() { PyBuffer_Release(v); }
  } release{&view};
  int64_t item = int64_t(item_size(t)), len = view.len;
  FL_CHECK_KIND(Value, len > 0 && count != 0, "both buffer length (", len, ") and count (", count, ") must not be 0");
  FL_CHECK_KIND(Value, offset >= 0 && offset < len, "offset (", offset, " bytes) must be non-negative and no greater than buffer length (", len, " bytes) minus 1");
  FL_CHECK_KIND(Value, count > 0 || (len - offset) % item == 0, "buffer length (", len - offset, " bytes) after offset (", offset, " bytes) must be a multiple of element size (", item, ")");
  int64_t n = count < 0 ? (len - offset) / item : count;
  FL_CHECK_KIND(Value, n <= (len - offset) / item, "requested buffer length (", n, " * ", item, " bytes) after offset (", offset, " bytes) must not be greater than actual buffer length (", len, " bytes)");
  // The memory view keeps the exporter locked as long as the tensor lives.
  PyObject* holder = PyMemoryView_FromObject(buffer);
  if (!holder) return nullptr;
  Storage* s = Storage::wrap(static_cast<char*>(view.buf) + offset, size_t(n * item), release_object, holder);
  Tensor out = from_storage(s, IntView{n}, IntView{1}, 0, t);
  out->requires_grad = requires_grad;
  return wrap(out);
  FL_CATCH(nullptr)
}
PyObject* array_typestr(PyObject*, PyObject* o) {
  if (!is_tensor(o)) {
    PyErr_SetString(PyExc_TypeError, "_array_typestr: expected a Tensor");
    return nullptr;
  }
  return PyUnicode_FromString(typestr(unwrap(o).dtype()));
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f))
PyMethodDef functions[] = {{"tensor", FAST(make_tensor), METH_VARARGS | METH_KEYWORDS, "tensor(data, *, dtype=None, device=None, requires_grad=False): a new tensor with a copy of data."},
                           {"as_tensor", FAST(as_tensor), METH_VARARGS | METH_KEYWORDS, "as_tensor(data, dtype=None, device=None): data as a tensor, sharing memory where possible."},
                           {"from_numpy", from_numpy, METH_O, "A tensor on a NumPy array's memory."},
                           {"frombuffer", FAST(frombuffer), METH_VARARGS | METH_KEYWORDS, "A 1-d tensor on the memory of a buffer."},
                           {"_to_dlpack", to_dlpack, METH_VARARGS, "A DLPack capsule, of the structs of version 1 if asked for."},
                           {"_from_dlpack", from_dlpack_capsule, METH_O, "The tensor in a DLPack capsule."},
                           {"_array_typestr", array_typestr, METH_O, "NumPy's type string."},
                           {nullptr}};
PyMethodDef methods[] = {{"numpy", FAST(m_numpy), METH_FASTCALL | METH_KEYWORDS, "A NumPy array on the tensor's memory."},
                         {"tolist", m_tolist, METH_NOARGS, "The elements as nested lists of Python numbers."},
                         {nullptr}};

}  // namespace

Tensor tensor_of_array(PyObject* o) {
  if (!is_ndarray(o)) return Tensor();
  Tensor t = from_plain_array(o);
  if (t.defined()) return t;
  try {
    return from_array(o);
  } catch (const Error&) {
    PyErr_Clear();
    return Tensor();
  }
}

bool init_data(PyObject* m) {
  view_procs.bf_getbuffer = view_buffer;
  ViewType.tp_name = "torch._C._Memory";
  ViewType.tp_basicsize = sizeof(ViewObject);
  ViewType.tp_flags = Py_TPFLAGS_DEFAULT;
  ViewType.tp_dealloc = view_dealloc;
  ViewType.tp_as_buffer = &view_procs;
  if (PyType_Ready(&ViewType) < 0) return false;
  for (PyMethodDef* d = methods; d->ml_name; ++d) {
    Ptr f(PyDescr_NewMethod(&TensorType, d));
    if (!f || PyDict_SetItemString(TensorType.tp_dict, d->ml_name, f.get()) < 0) return false;
  }
  tensor_procs.bf_getbuffer = tensor_buffer;
  TensorType.tp_as_buffer = &tensor_procs;
  return PyModule_AddFunctions(m, functions) == 0;
}

}  // namespace fl::py
