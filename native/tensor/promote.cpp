// The promotion table and PyTorch's result_type rule.
#include "tensor/promote.h"

#include "base/error.h"

namespace fl {

static DType g_default = DType::Float32;

DType default_dtype() { return g_default; }
void set_default_dtype(DType t) {
  FL_CHECK_KIND(Type, is_floating(t), "only floating-point types are supported as the default type");
  g_default = t;
}
DType default_complex_dtype() { return complex_type(g_default); }

static const char* const kNames[] = {"bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64",
                                     "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "complex32", "none"};
static const char* const kScalarNames[] = {"Bool", "Byte", "Char", "Short", "Int", "Long", "UInt16", "UInt32", "UInt64",
                                           "Half", "BFloat16", "Float", "Double", "ComplexFloat", "ComplexDouble", "ComplexHalf", "None"};
const char* dtype_name(DType t) { return kNames[int(t)]; }
const char* scalar_type_name(DType t) { return kScalarNames[int(t)]; }

static int category(DType t) { return t == DType::Bool ? 0 : is_integral(t) ? 1
                                                         : is_floating(t)   ? 2
                                                                            : 3; }
static bool barebones(DType t) { return t == DType::UInt16 || t == DType::UInt32 || t == DType::UInt64; }

DType promote_types(DType a, DType b) {
  if (a == b || b == DType::None) return a;
  if (a == DType::None) return b;
  if (category(a) > category(b)) std::swap(a, b);
  int ca = category(a), cb = category(b);
  if (ca == 0) return b;
  if (cb == 3) {
    if (ca == 3) return a == DType::Complex128 || b == DType::Complex128 ? DType::Complex128 : DType::Complex64;
    if (ca < 2 || a == DType::Float16 || b == DType::Complex128) return b;
    return a == DType::Float64 ? DType::Complex128 : DType::Complex64;
  }
  if (cb == 2) {
    if (ca < 2) return b;
    if (a == DType::Float64 || b == DType::Float64) return DType::Float64;
    return DType::Float32;  // float32 with a narrow one, or float16 with bfloat16
  }
  FL_CHECK(!barebones(a) && !barebones(b), "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote ",
           scalar_type_name(a), " and ", scalar_type_name(b));
  if (a == DType::UInt8 || b == DType::UInt8) {
    DType other = a == DType::UInt8 ? b : a;
    return other == DType::Int8 ? DType::Int16 : other;
  }
  return a > b ? a : b;  // signed integers are enumerated by width
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && (is_integral(to) || to == DType::Bool)) return false;
  return !(from != DType::Bool && to == DType::Bool);
}

void Promotion::add_tensor(const TensorImpl& t) {
  if (t.wrapped_number) {
    DType d = t.dtype;
    if (is_complex(d)) d = default_complex_dtype();
    else if (is_floating(d)) d = default_dtype();
    number_ = promote_types(number_, d);
  } else {
    DType& slot = t.sizes.size() ? dims_ : zero_;
    slot = promote_types(slot, t.dtype);
  }
}

void Promotion::add(const Value& v) {
  if (v.is_tensor()) return add_tensor(*v.t);
  if (!v.is_number()) return;
  DType d = v.number_dtype();
  if (is_complex(d)) d = default_complex_dtype();
  else if (is_floating(d)) d = default_dtype();
  number_ = promote_types(number_, d);
}

static DType combine(DType high, DType low) {  // low counts only if its category is higher
  if (high == DType::None) return low;
  if (low == DType::None || category(low) <= category(high)) {
    return high;
  }
  // A complex number against floats keeps their precision.
  if (is_complex(low) && is_floating(high)) return complex_type(high);
  return promote_types(high, low);
}

DType Promotion::result() const { return combine(combine(dims_, zero_), number_); }

}  // namespace fl
