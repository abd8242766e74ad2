// The Python object around a Generator.
#pragma once
#include "python/binding.h"

namespace fl {
class Generator;
namespace py {
struct GeneratorObject {
  PyObject_HEAD Generator* g;  // owned
};
}  // namespace py
}  // namespace fl
