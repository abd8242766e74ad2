// PyTorch's schema strings, parsed: `softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor`.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ops/value.h"

namespace fl {

enum class ArgType : uint8_t { Tensor,
                               Tensors,
                               Scalar,
                               Int,
                               Ints,
                               Float,
                               Floats,
                               Bool,
                               Bools,
                               Str,
                               DType,
                               Device,
                               Layout,
                               Format,
                               Generator,
                               Object };

struct SchemaArg {
  ArgType type;
  bool optional = false;      // None is accepted
  bool optional_items = false;  // Tensor?[]
  bool has_default = false, keyword_only = false;
  int fixed = 0;              // int[2]: a single int stands for all
  std::string name, type_text;
  Value fallback;             // lists point into fallback_ints
  std::vector<int64_t> fallback_ints;
  std::string fallback_text;
  void* interned = nullptr;   // PyObject* of the name, set by the binding
  void* alias = nullptr;      // PyObject* of a second accepted name (axis for dim, ...)
};

struct SchemaReturn {
  ArgType type;
  std::string name;
};

struct Schema {
  std::string text, name, overload;
  std::vector<SchemaArg> args;
  std::vector<SchemaReturn> returns;
  int positional = 0;
  void* return_type = nullptr;  // PyObject*: named-tuple type, made by the binding
};

std::unique_ptr<Schema> parse_schema(const char* text);  // ValueError if malformed

}  // namespace fl
