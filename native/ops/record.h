// An operator, in one record: PyTorch's schema strings, the forward function, the gradient, what the gradient needs kept, and its
// documentation. Everything else (parsing, method, in-place and out= forms, recording, autocast) follows from the record.
//
// Calling one from C++: `Tensor y = ops::mul(a, b)`; missing trailing arguments take the schema's defaults.
#pragma once
#include <vector>

#include "ops/value.h"

namespace fl {

struct Record;
struct Grad;
constexpr int kMaxArgs = 16, kMaxResults = 8;

enum class Mode : uint8_t { Functional,
                            Inplace,
                            Out };

// One call in flight: arguments in schema order, and results.
struct Call {
  const Record& op;
  Value* args;
  int nargs;
  uint8_t overload = 0;
  Mode mode = Mode::Functional;
  uint8_t nresults = 0;
  bool is_list = false;                // results are `list` (Tensor[])
  bool has_value = false;              // the result is `value` (bool, int, Scalar...)
  TensorImpl* preset[kMaxResults];     // Inplace, Out: where results belong (borrowed; null if not given)
  TensorImpl* results[kMaxResults];    // owned
  std::vector<Tensor> list;
  Value value;

  Call(const Record& op, Value* args, int nargs) : op(op), args(args), nargs(nargs) {}
  ~Call() {
    for (int k = 0; k < nresults; ++k)
      if (results[k]) results[k]->unref();
  }
  Call(const Call&) = delete;

  const Value& arg(int k) const { return args[k]; }
  bool has(int k) const { return args[k].tag != Value::None; }
  const Tensor& tensor(int k) const { return args[k].tensor(); }  // argument k must be a tensor
  Tensor optional(int k) const { return args[k].is_tensor() ? args[k].tensor() : Tensor(); }
  int64_t integer(int k) const { return args[k].integer(); }
  double real(int k) const { return args[k].real(); }
  bool flag(int k) const { return args[k].tag == Value::BoolTag ? args[k].b : args[k].integer() != 0; }
  IntView ints(int k) const { return args[k].int_view(); }
  DType dtype(int k, DType otherwise = DType::None) const { return has(k) ? args[k].dtype : otherwise; }
  const char* str(int k, const char* otherwise = nullptr) const { return has(k) ? args[k].s : otherwise; }

  // Hands over result number nresults. When the caller preset a destination and `t` is not it, t is copied there (after resizing an
  // out=), with PyTorch's checks on type and shape.
  void ret(Tensor t);
  // Allocates result number nresults, or takes the preset destination when it can be written directly, and returns it: the operator
  // then fills it. reads_alias: the operator may read inputs after writing outputs, so a destination sharing memory is not used.
  const Tensor& result(IntView sizes, DType dtype, const Dims* strides = nullptr, bool reads_alias = true);
  void finish();  // copies results that could not be written in place to their destination; called by the dispatcher
 private:
  friend void dispatch(Call&);
};

using Forward = void (*)(Call&);
using Gradient = void (*)(Grad&);

// flags
constexpr uint32_t kFunction = 1;      // torch.NAME
constexpr uint32_t kMethod = 2;        // Tensor.NAME
constexpr uint32_t kInplace = 4;       // Tensor.NAME_ (and torch.NAME_ when kFunction)
constexpr uint32_t kOut = 8;           // takes out=
constexpr uint32_t kBoth = kFunction | kMethod;
constexpr uint32_t kAll = kBoth | kInplace | kOut;
constexpr uint32_t kViewOp = 16;       // results are views of argument 0
constexpr uint32_t kInplaceOnly = 32;  // the schema's name ends with _: writes argument 0
constexpr uint32_t kNoGrad = 64;       // results never require gradients
constexpr uint32_t kNn = 128;          // lives in torch._C._nn instead of torch
constexpr uint32_t kSpecial = 256;     // lives in torch.special
constexpr uint32_t kLinalg = 512;      // lives in torch.linalg
constexpr uint32_t kPrivate = 1024;    // only reachable from the core and as torch._C.ops.NAME
constexpr uint32_t kMultiView = 2048;  // several views: in-place writes to them are refused while recording
constexpr uint32_t kComposite = 8192;  // made of other operators, which record for it
constexpr uint32_t kExactOut = 32768;   // out= must have the result's type: it is not converted
constexpr uint32_t kFunctional = 16384; // lives in torch.nn.functional, with that module's signature
constexpr uint32_t kMixesDevices = 65536; // tensor arguments may lie on several devices (copies; indices on the host)
constexpr uint32_t kElementwise = 4096;  // result element i depends on input elements i only: an in-place destination is safe

// What a node keeps for its gradient.
constexpr uint32_t save_in(int k) { return 1u << k; }
constexpr uint32_t save_out(int k) { return 1u << (16 + k); }
constexpr uint32_t kCross = 1u << 31;  // keep 0 only if 1 needs a gradient, 1 only if 0 does
constexpr uint32_t kSaveSelf = save_in(0), kSaveResult = save_out(0);

enum class Autocast : uint8_t { Plain,
                                Lower,
                                Float32,
                                Promote };

struct Schema;  // parsed on first use, ops/schema.h

struct RecordInit {
  const char* schema[6] = {};
  Forward forward = nullptr;
  Gradient gradient = nullptr;
  uint32_t save = 0;
  uint32_t flags = 0;
  Autocast autocast = Autocast::Plain;
  const char* nodes[6] = {};  // names of the gradient's nodes where they aren't CamelCase(name) + "Backward0"
  int mode = 0;                     // an argument that changes the node's name when it is given...
  const char* mode_nodes[3] = {};   // ...to this (by overload)
  uint32_t fixed = 0;               // arguments (save_in) that no gradient goes to: they must not require one
  const char* doc = "";
};

struct Record : RecordInit {
  Record(RecordInit init);
  const char* name;           // without overload
  Record* next = nullptr;     // the list of all records
  mutable std::vector<Schema*> schemas;
  const std::vector<Schema*>& parsed() const;

  template <class... A>
  Tensor operator()(const A&... a) const;           // first result
  template <class... A>
  std::vector<Tensor> many(const A&... a) const;    // all results
  template <class... A>
  void inplace(const Tensor& self, const A&... a) const;
};
Record* all_records();

void dispatch(Call& c);                             // the one door: modes, recording, the forward function
void fill_defaults(const Record& op, Value* args, int given);
int schema_arity(const Record& op);

template <class... A>
Tensor Record::operator()(const A&... a) const {
  Value args[kMaxArgs];
  int k = 0;
  ((args[k++] = Value(a)), ...);
  int n = schema_arity(*this);
  if (k < n) fill_defaults(*this, args, k);
  Call c(*this, args, n);
  dispatch(c);
  Tensor r = Tensor::steal(c.results[0]);
  c.results[0] = nullptr;
  return r;
}
template <class... A>
std::vector<Tensor> Record::many(const A&... a) const {
  Value args[kMaxArgs];
  int k = 0;
  ((args[k++] = Value(a)), ...);
  int n = schema_arity(*this);
  if (k < n) fill_defaults(*this, args, k);
  Call c(*this, args, n);
  dispatch(c);
  if (c.is_list) return std::move(c.list);
  std::vector<Tensor> out;
  for (int r = 0; r < c.nresults; ++r) {
    out.push_back(Tensor::steal(c.results[r]));
    c.results[r] = nullptr;
  }
  return out;
}
template <class... A>
void Record::inplace(const Tensor& self, const A&... a) const {
  Value args[kMaxArgs];
  int k = 0;
  args[k++] = Value(self);
  ((args[k++] = Value(a)), ...);
  int n = schema_arity(*this);
  if (k < n) fill_defaults(*this, args, k);
  Call c(*this, args, n);
  if (!(flags & kInplaceOnly)) {
    c.mode = Mode::Inplace;
    for (auto& p : c.preset) p = nullptr;
    c.preset[0] = self.get();
  }
  dispatch(c);
}

}  // namespace fl
