// Where random operators get their generator: the argument, or the default one. Defined by the binding, which owns the objects.
#pragma once
#include "ops/value.h"

namespace fl {
class Generator;
Generator& generator_of(const Value& v);  // None: the default generator. TypeError for other objects
}  // namespace fl
