// The schema parser: a small hand-written scanner. Alias marks such as (a!) are skipped.
#include "ops/schema.h"

#include <cstdlib>
#include <limits>

namespace fl {

namespace {

struct Scanner {
  const std::string& s;
  size_t at = 0;
  [[noreturn]] void bad(const char* what) const { fail(ErrorKind::Value, "schema: ", what, " at position ", at, " of '", s, "'"); }
  void space() {
    while (at < s.size() && s[at] == ' ') ++at;
  }
  bool eat(const char* token) {
    space();
    size_t n = std::char_traits<char>::length(token);
    if (s.compare(at, n, token)) return false;
    at += n;
    return true;
  }
  std::string word() {
    space();
    size_t from = at;
    while (at < s.size() && (isalnum(static_cast<unsigned char>(s[at])) || s[at] == '_' || s[at] == '.')) ++at;
    if (from == at) bad("expected a name");
    return s.substr(from, at - from);
  }
  void alias_mark() {
    if (at < s.size() && s[at] == '(') {
      while (at < s.size() && s[at] != ')') ++at;
      ++at;
    }
  }
};

ArgType type_named(const std::string& n, const Scanner& sc) {
  if (n == "Tensor") return ArgType::Tensor;
  if (n == "Scalar") return ArgType::Scalar;
  if (n == "int" || n == "SymInt") return ArgType::Int;
  if (n == "float") return ArgType::Float;
  if (n == "bool") return ArgType::Bool;
  if (n == "str") return ArgType::Str;
  if (n == "ScalarType") return ArgType::DType;
  if (n == "Device") return ArgType::Device;
  if (n == "Layout") return ArgType::Layout;
  if (n == "MemoryFormat") return ArgType::Format;
  if (n == "Generator") return ArgType::Generator;
  if (n == "Any" || n == "Storage" || n == "Dimname") return ArgType::Object;
  sc.bad(("unknown type " + n).c_str());
}

ArgType list_of(ArgType t, const Scanner& sc) {
  switch (t) {
    case ArgType::Tensor: return ArgType::Tensors;
    case ArgType::Int: return ArgType::Ints;
    case ArgType::Float: return ArgType::Floats;
    case ArgType::Bool: return ArgType::Bools;
    case ArgType::Scalar: return ArgType::Object;
    default: sc.bad("no lists of this type");
  }
}

ArgType parse_type(Scanner& sc, bool& optional, bool& optional_items, int& fixed) {
  ArgType t = type_named(sc.word(), sc);
  sc.alias_mark();
  optional = optional_items = false;
  fixed = 0;
  if (sc.eat("?")) optional = true;
  if (sc.eat("[")) {
    optional_items = optional;
    optional = false;
    t = list_of(t, sc);
    if (!sc.eat("]")) {
      fixed = std::atoi(sc.word().c_str());
      if (!sc.eat("]")) sc.bad("expected ]");
    }
    sc.alias_mark();
    if (sc.eat("?")) optional = true;
  }
  return t;
}

void parse_default(Scanner& sc, SchemaArg& a) {
  a.has_default = true;
  sc.space();
  if (sc.eat("[")) {
    while (!sc.eat("]")) {
      sc.space();
      bool minus = sc.eat("-");
      int64_t v = std::atoll(sc.word().c_str());
      a.fallback_ints.push_back(minus ? -v : v);
      sc.eat(",");
    }
    a.fallback = Value(IntView(a.fallback_ints.data(), int(a.fallback_ints.size())));
    return;
  }
  if (sc.eat("'") || sc.eat("\"")) {
    while (sc.at < sc.s.size() && sc.s[sc.at] != '\'' && sc.s[sc.at] != '"') a.fallback_text += sc.s[sc.at++];
    ++sc.at;
    a.fallback = Value(a.fallback_text.c_str());
    return;
  }
  bool minus = sc.eat("-");
  std::string w = sc.word();
  if (w.back() == 'e' && sc.eat("-")) w += "-" + sc.word();
  if (w == "None") a.fallback = Value();
  else if (w == "True") a.fallback = Value(true);
  else if (w == "False") a.fallback = Value(false);
  else if (w == "contiguous_format") a.fallback = Value(MemoryFormat::Contiguous);
  else if (w == "preserve_format") a.fallback = Value(MemoryFormat::Preserve);
  else if (w == "long") a.fallback = Value(DType::Int64);
  else if (w == "Mean" || w == "mean") a.fallback = Value(1);
  else if (w == "inf") a.fallback = Value(minus ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
  else if (w.find_first_of(".e") != std::string::npos || a.type == ArgType::Float) a.fallback = Value(std::atof(w.c_str()) * (minus ? -1 : 1));
  else a.fallback = Value(int64_t(std::atoll(w.c_str())) * (minus ? -1 : 1));
  if ((a.type == ArgType::Ints || a.type == ArgType::Bools) && a.fallback.is_number()) {  // int[2] stride=1
    a.fallback_ints.assign(size_t(a.fixed ? a.fixed : 1), a.fallback.integer());
    a.fallback = Value(IntView(a.fallback_ints.data(), int(a.fallback_ints.size())));
  }
}

}  // namespace

std::unique_ptr<Schema> parse_schema(const char* text) {
  auto s = std::make_unique<Schema>();
  s->text = text;
  Scanner sc{s->text};
  std::string full = sc.word();
  size_t dot = full.find('.');
  s->name = full.substr(0, dot);
  if (dot != std::string::npos) s->overload = full.substr(dot + 1);
  if (!sc.eat("(")) sc.bad("expected (");
  bool keyword_only = false;
  s->args.reserve(kMaxDims);  // fallbacks point into their own argument: no reallocation
  while (!sc.eat(")")) {
    if (sc.eat("*")) {
      keyword_only = true;
    } else {
      SchemaArg& a = s->args.emplace_back();
      a.keyword_only = keyword_only;
      sc.space();
      size_t from = sc.at;
      a.type = parse_type(sc, a.optional, a.optional_items, a.fixed);
      a.type_text = s->text.substr(from, sc.at - from);
      a.name = sc.word();
      if (sc.eat("=")) parse_default(sc, a);
      if (!keyword_only) ++s->positional;
    }
    sc.eat(",");
  }
  if (sc.eat("->")) {
    bool many = sc.eat("("), optional, items;
    int fixed;
    while (!(many && sc.eat(")"))) {
      sc.space();
      if (sc.at >= s->text.size()) break;
      SchemaReturn r{parse_type(sc, optional, items, fixed), ""};
      sc.space();
      if (sc.at < s->text.size() && isalpha(static_cast<unsigned char>(s->text[sc.at]))) r.name = sc.word();
      s->returns.push_back(r);
      if (!sc.eat(",") && !many) break;
    }
  }
  return s;
}

}  // namespace fl
