// Value: one argument of an operator, borrowed from whoever calls: a tensor, a list of them, a number, a list of numbers, an option.
#pragma once
#include <vector>

#include "base/dims.h"
#include "base/error.h"
#include "tensor/tensor.h"

namespace fl {

enum class Layout : int8_t { Strided,
                             Sparse,
                             Other };

struct Value {
  enum Tag : uint8_t { None,
                       TensorTag,
                       TensorsTag,
                       BoolTag,
                       IntTag,
                       FloatTag,
                       ComplexTag,
                       IntsTag,
                       FloatsTag,
                       StrTag,
                       DTypeTag,
                       DeviceTag,
                       LayoutTag,
                       FormatTag,
                       ObjectTag };
  Tag tag = None;
  bool dropped = false;  // a tensor argument that a gradient node did not keep
  int32_t n = 0;         // length of lists
  union {
    TensorImpl* t;
    TensorImpl* const* ts;
    bool b;
    int64_t i;
    double d;
    double z[2];
    const int64_t* ints;
    const double* floats;
    const char* s;
    DType dtype;
    Device device;
    Layout layout;
    MemoryFormat format;
    void* object;  // PyObject*: Generator, Storage, anything else
  };

  Value() {}  // None: the union is never read
  Value(std::nullptr_t) : Value() {}
  Value(const Tensor& x) : tag(x.defined() ? TensorTag : None) { t = x.get(); }
  Value(bool x) : tag(BoolTag) { b = x; }
  Value(int x) : tag(IntTag) { i = x; }
  Value(int64_t x) : tag(IntTag) { i = x; }
  Value(double x) : tag(FloatTag) { d = x; }
  Value(double re, double im) : tag(ComplexTag) {
    z[0] = re;
    z[1] = im;
  }
  Value(IntView v) : tag(IntsTag), n(v.n) { ints = v.data; }
  Value(const Dims& v) : Value(IntView(v)) {}
  Value(DType x) : tag(x == DType::None ? None : DTypeTag) { dtype = x; }
  Value(Device x) : tag(DeviceTag) { device = x; }
  Value(MemoryFormat x) : tag(x == MemoryFormat::None ? None : FormatTag) { format = x; }
  Value(const char* x) : tag(StrTag) { s = x; }
  Value(const std::vector<Tensor>& v) : tag(TensorsTag), n(int(v.size())) { ts = reinterpret_cast<TensorImpl* const*>(v.data()); }

  bool is_none() const { return tag == None; }
  bool is_tensor() const { return tag == TensorTag; }
  bool is_number() const { return tag >= BoolTag && tag <= ComplexTag; }
  const Tensor& tensor() const { return *reinterpret_cast<const Tensor*>(&t); }
  double real() const {
    switch (tag) {
      case FloatTag: return d;
      case IntTag: return double(i);
      case BoolTag: return double(b);
      case ComplexTag: return z[0];
      default: return 0.0;
    }
  }
  double imag() const { return tag == ComplexTag ? z[1] : 0.0; }
  int64_t integer() const { return tag == IntTag ? i : tag == BoolTag ? int64_t(b)
                                                                      : int64_t(real()); }
  DType number_dtype() const {  // the kind of the number, as a default dtype of that kind would be chosen
    return tag == BoolTag ? DType::Bool : tag == IntTag ? DType::Int64
                                      : tag == FloatTag ? DType::Float64
                                                        : DType::Complex128;
  }
  IntView int_view() const { return tag == IntsTag ? IntView(ints, n) : tag == IntTag ? IntView(&i, 1)
                                                                                      : IntView(); }
};

}  // namespace fl
