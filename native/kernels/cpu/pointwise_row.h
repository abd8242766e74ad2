// Rows of the pointwise tables, and the rows that do not depend on the instruction set: the special functions.
#pragma once
#include "kernels/cpu/pointwise.h"

namespace fl::cpu {

// A row of a table: the loops of one operator by dtype. Rows of disjoint dtypes are joined by |.
struct Row {
  Loop loop[kDTypes] = {};
  consteval Row operator|(Row other) const {
    Row r = *this;
    for (int t = 0; t < kDTypes; t++)
      if (!r.loop[t]) r.loop[t] = other.loop[t];
    return r;
  }
};
consteval Row row(DType t, Loop loop) {
  Row r;
  r.loop[int(t)] = loop;
  return r;
}

#define FL_X(name, result, ns) extern const Row unary_##name;
#define FL_Y(name, result, ns) extern const Row binary_##name;
FL_UNARY_SPECIAL_OPS(FL_X)
FL_BINARY_SPECIAL_OPS(FL_Y)
#undef FL_X
#undef FL_Y

}  // namespace fl::cpu
