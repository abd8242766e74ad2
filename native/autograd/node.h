// The gradient graph. A Node is a step of the backward pass; its edges lead to the nodes of its inputs, or to leaf tensors. OpNode is the
// node of every native operator: the record plus the arguments it kept.
#pragma once
#include <string>
#include <vector>

#include "base/small.h"
#include "ops/record.h"
#include "tensor/modes.h"
#include "tensor/tensor.h"

namespace fl {

struct Edge {
  Node* fn = nullptr;          // owned
  TensorImpl* leaf = nullptr;  // owned; set instead of fn for a leaf that accumulates
  uint32_t nr = 0;             // which output of fn
  explicit operator bool() const { return fn || leaf; }
};

struct OutputMeta {
  DType dtype;
  Device device;
  Dims sizes;
};

struct TensorHooks {
  uint32_t nr;
  void* dict;
};       // PyObject* dict of callables on the gradient of output nr
struct RetainedGrad {
  uint32_t nr;
  TensorImpl* tensor;
};  // not owned: a dying tensor removes itself

struct Node {
  RefCount rc;
  uint64_t seq;
  bool released = false;
  Small<Edge, 3> edges;
  Small<OutputMeta, 1> meta;  // of the forward's outputs = gradients that come in
  std::vector<TensorHooks> tensor_hooks;
  std::vector<RetainedGrad> retained;
  void* hooks = nullptr;         // PyObject*: dict run after the node (grad_inputs, grad_outputs)
  void* pre_hooks = nullptr;     // PyObject*: dict run before (grad_outputs)
  void* trace = nullptr;         // PyObject*: where the forward was, in anomaly mode
  void* metadata = nullptr;      // PyObject*: dict for users
  Tensor* pending = nullptr;     // gradients that have arrived, during a backward pass
  void* face = nullptr;          // PyObject* that shows this node, borrowed
  void* run = nullptr;           // the pass `pending` belongs to
  const char* shown = nullptr;   // the name that a composite operator gave the node of its result

  Node();
  virtual ~Node();
  void ref() { rc.inc(); }
  void unref() { release_node(this); }
  // grads[k] may be undefined; out has edges.size() entries, to be filled where an edge exists.
  virtual void apply(const Tensor* grads, Tensor* out) = 0;
  std::string name() const { return shown ? shown : own_name(); }
  virtual std::string own_name() const = 0;
  virtual void release_saved() { released = true; }
  virtual void* python() { return nullptr; }  // PyObject* of nodes that live in Python, borrowed
  void add_meta(const Tensor& t) { meta.emplace(t.dtype(), t.device(), Dims(t.sizes())); }
  static void* operator new(size_t n);
  static void operator delete(void* p, size_t n);
};

// A tensor kept for the backward pass, with the version it had.
struct Saved {
  TensorImpl* t = nullptr;   // owned
  void* packed = nullptr;    // PyObject* from a saved-tensor hook, instead of t
  uint32_t version = 0;
  int32_t output = -1;       // index of the output it is, or -1
  bool leaf = false;
  void set(const Tensor& x, int output_index, Node* owner);
  Tensor get(const Node& owner) const;  // RuntimeError if modified since
  void clear();
};

// Makes a node newer than all nodes there are: its edges may have led to windows whose history was made anew meanwhile.
void make_newest(Node& n);

struct OpNode final : Node {
  const Record* op;
  uint8_t overload;
  uint8_t nargs;
  Value args[kMaxArgs];           // lists point into `ints`/`floats`
  int16_t saved_at[kMaxArgs];     // index into saved, or -1
  int16_t edge_at[kMaxArgs];      // first edge of a tensor argument, or -1
  int16_t saved_out[kMaxResults];
  Small<Saved, 3> saved;
  Small<int64_t, 8> ints;           // copies of list arguments
  std::vector<double> floats;
  std::vector<std::string> strings;
  std::vector<OutputMeta> items;    // shapes and types of the items of the tensor list argument

  OpNode(const Call& c, const bool* needs);
  ~OpNode() override;
  void keep_results(const Call& c);
  void apply(const Tensor* grads, Tensor* out) override;
  std::string own_name() const override;
  void release_saved() override;
};

// What a gradient function sees.
struct Grad {
  OpNode& node;
  const Tensor* grads;
  Tensor* out;
  const Tensor& grad(int k = 0) const { return grads[k]; }
  Tensor grad_or_zeros(int k) const;
  bool needs(int arg) const;                  // does (any tensor of) argument arg need a gradient?
  bool needs(int arg, int item) const;
  Tensor in(int arg) const;                   // a kept input
  std::vector<Tensor> in_list(int arg) const;
  Tensor result(int k = 0) const;             // a kept output
  Value value(int arg) const;                 // a kept input or a number, for handing on to an operator; alive during the call
  const Value& arg(int k) const { return node.args[k]; }
  bool is_tensor(int arg) const { return node.args[arg].tag == Value::TensorTag; }
  IntView sizes(int arg, int item = 0) const; // shape of an input that needs a gradient
  DType dtype(int arg, int item = 0) const;
  Device device(int arg) const;
  const OutputMeta& item(int k) const { return node.items[size_t(k)]; }  // of the (first) tensor list
  IntView out_sizes(int k = 0) const { return node.meta[k].sizes; }
  DType out_dtype(int k = 0) const { return node.meta[k].dtype; }
  void set(int arg, Tensor g) const;
  void set(int arg, int item, Tensor g) const;
  mutable Small<Tensor, 4> alive;  // what value() handed out
};

Edge gradient_edge(const Tensor& t);          // owned references inside
void drop_edge(Edge& e);
Node* grad_fn(TensorImpl& t);                 // regenerates the history of a view whose base changed; borrowed
void set_history(const Tensor& t, Node* fn, uint32_t nr);   // takes no ownership of fn
void forget_retained(TensorImpl& t);                        // before t leaves its node: the node no longer fills in t.grad
void rebase_history(const Tensor& self, Node* fn);          // after an in-place write (fn: output 0 is self)
void check_inplace(const Tensor& self, const char* op);     // RuntimeError where recording forbids it
void copy_grad_state_on_inplace(const Tensor& self);

// ---- the engine
struct BackwardRequest {
  std::vector<Tensor> roots, grads;     // grads[i] defined
  bool retain_graph = false, create_graph = false;
  bool accumulate = true;               // into leaves' .grad; else collect for `inputs`
  std::vector<Tensor> inputs;           // accumulate: only into these if any
};
std::vector<Tensor> run_backward(BackwardRequest& request);  // gradients of `inputs` when not accumulating

// Python objects held by the core; installed by the binding.
struct PythonHooks {
  void (*incref)(void*) = nullptr;
  void (*decref)(void*) = nullptr;
  Tensor (*run_tensor_hooks)(void* dict, const Tensor& grad) = nullptr;
  void (*run_post_accumulate)(void* dict, TensorImpl* tensor) = nullptr;
  void (*run_pre_hooks)(void* dict, std::vector<Tensor>& grads) = nullptr;
  void (*run_post_hooks)(void* dict, std::vector<Tensor>& grad_inputs, const std::vector<Tensor>& grad_outputs) = nullptr;
  void* (*pack)(const Tensor& t) = nullptr;
  Tensor (*unpack)(void* packed) = nullptr;
  void* (*capture_trace)() = nullptr;
  void (*report_trace)(void* trace, const std::string& node) = nullptr;
  void (*warn)(const char* message) = nullptr;   // UserWarning; throws if warnings are errors
  // FUNCTION(a, b, m, n) of flambeau.sparse._gradients: what the engine and gradients do with sparse tensors
  Tensor (*sparse_call)(const char* function, const Tensor& a, const Tensor& b, int64_t m, int64_t n) = nullptr;
  void (*check_signals)() = nullptr;             // throws on Ctrl-C
};
extern PythonHooks python_hooks;
Tensor sparse_call(const char* function, const Tensor& a, const Tensor& b = {}, int64_t m = 0, int64_t n = 0);

}  // namespace fl
