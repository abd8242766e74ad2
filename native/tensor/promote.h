// Type promotion: the dtype in which an operation with mixed operands happens. Tensors with dimensions outrank 0-dim tensors, which
// outrank Python numbers; a lower rank matters only if its category (bool < integer < floating < complex) is higher.
#pragma once
#include "ops/value.h"
#include "tensor/dtype.h"

namespace fl {

DType promote_types(DType a, DType b);  // None is neutral. RuntimeError for uint16/32/64 with other integers
bool can_cast(DType from, DType to);    // may a result of type `from` be written into `to`?
DType default_dtype();
void set_default_dtype(DType t);
DType default_complex_dtype();
const char* dtype_name(DType t);        // "float32"
const char* scalar_type_name(DType t);  // "Float", as in error messages

// Collects operands; result() is PyTorch's result_type.
class Promotion {
 public:
  void add(const Value& v);  // tensor or number
  void add_tensor(const TensorImpl& t);
  DType result() const;

 private:
  DType dims_ = DType::None, zero_ = DType::None, number_ = DType::None;
};

}  // namespace fl
