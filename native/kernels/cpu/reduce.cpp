// Which reductions exist for which element types.
#include "kernels/cpu/reduce.h"

namespace fl::cpu {

bool reduce_supported(Reduce op, DType in, DType out) {
  bool ordered = !is_complex(in) && in != DType::UInt16 && in != DType::UInt32 && in != DType::UInt64;
  if (in == DType::None || out == DType::None) return false;
  switch (op) {
    case Reduce::Sum:
    case Reduce::Nansum:
    case Reduce::Prod:
      return true;
    case Reduce::Mean:
      return is_differentiable(out);
    case Reduce::Amax:
    case Reduce::Amin:
    case Reduce::Max:
    case Reduce::Min:
    case Reduce::Aminmax:
      return ordered && in == out;
    case Reduce::Any:
    case Reduce::All:
      return out == DType::Bool || out == DType::UInt8;
    case Reduce::Argmax:
    case Reduce::Argmin:
      return ordered && out == DType::Int64;
    case Reduce::Var:
    case Reduce::Std:
    case Reduce::Norm:
      return is_differentiable(in) && is_floating(out);
    case Reduce::CountNonzero:
      return out == DType::Int64;
    case Reduce::Logsumexp:
      return is_floating(in) && is_floating(out);
  }
  return false;
}

}  // namespace fl::cpu
