// Nodes: what they keep, how histories are set, rebased and regenerated, and how long chains die.
#include "autograd/node.h"

#include <atomic>

#include "memory/backend.h"
#include "ops/ops.h"
#include "ops/schema.h"
#include "tensor/iterator.h"
#include "tensor/promote.h"

namespace fl {

PythonHooks python_hooks;
Tensor sparse_call(const char* function, const Tensor& a, const Tensor& b, int64_t m, int64_t n) {
  FL_CHECK_KIND(NotImplemented, python_hooks.sparse_call, function, ": sparse tensors need Python");
  return python_hooks.sparse_call(function, a, b, m, n);
}
thread_local ThreadState* thread_state_ptr __attribute__((tls_model("initial-exec"))) = nullptr;
void (*settle)() = nullptr;
ThreadState* make_thread_state() {
  static thread_local ThreadState state;
  return thread_state_ptr = &state;
}

static uint64_t g_sequence = 0;
void make_newest(Node& n) {
  if (n.seq + 1 != g_sequence) n.seq = g_sequence++;
}

Node::Node() : seq(g_sequence++) {
  ++live_nodes;
  if (__builtin_expect(thread_state().anomaly, 0) && python_hooks.capture_trace) trace = python_hooks.capture_trace();
}

void drop_edge(Edge& e) {
  if (e.fn) release_node(e.fn);
  if (e.leaf) e.leaf->unref();
  e.fn = nullptr;
  e.leaf = nullptr;
}

Node::~Node() {
  --live_nodes;
  for (Edge& e : edges) drop_edge(e);
  for (auto& h : tensor_hooks) python_hooks.decref(h.dict);
  for (void* o : {hooks, pre_hooks, trace, metadata})
    if (o) python_hooks.decref(o);
}

void* Node::operator new(size_t n) { return allocate(n); }
void Node::operator delete(void* p, size_t n) { deallocate(p, n); }

// A chain of a hundred thousand nodes must not recurse that deep: nodes that die while another is dying wait in a list.
void release_node(Node* n) {
  static thread_local std::vector<Node*>* waiting = nullptr;
  if (!n->rc.dec()) return;
  if (waiting) {
    waiting->push_back(n);
    return;
  }
  std::vector<Node*> list{n};
  waiting = &list;
  while (!list.empty()) {
    Node* next = list.back();
    list.pop_back();
    delete next;
  }
  waiting = nullptr;
}

void forget_retained(TensorImpl& t) {
  if (!t.extra || !t.extra->retains_grad) return;
  t.extra->retains_grad = false;
  if (!t.grad_fn) return;
  auto& list = t.grad_fn->retained;
  for (size_t k = 0; k < list.size(); ++k)
    if (list[k].tensor == &t) list.erase(list.begin() + long(k--));
}

// t moves to another node: .grad is then that of the tensor as it is now.
static void move_retained(TensorImpl& t, Node* fn, uint32_t nr) {
  if (!t.extra || !t.extra->retains_grad) return;
  forget_retained(t);
  t.extra->retains_grad = true;
  fn->retained.push_back({nr, &t});
}

void destroy_extra(TensorImpl& t) {
  TensorExtra* x = t.extra;
  forget_retained(t);
  if (x->hooks) python_hooks.decref(x->hooks);
  if (x->post_accumulate) python_hooks.decref(x->post_accumulate);
  delete x;
  t.extra = nullptr;
}

// ------------------------------------------------------------------------------------------------ saved tensors

// "Mul" of MulBackward0, as errors say it.
static std::string spoken_name(const Node& n) {
  std::string name = n.name();
  size_t at = name.rfind("Backward");
  bool built_in = at != std::string::npos && at + 8 < name.size() && name.find_first_not_of("0123456789", at + 8) == std::string::npos;
  return built_in ? name.substr(0, at) : name;
}

void Saved::set(const Tensor& x, int output_index, Node*) {
  FL_CHECK(!x->inference,
           "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. "
           "To work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
           "`torch.inference_mode()`.");
  output = output_index;
  version = x->version();
  leaf = x->grad_fn == nullptr;
  if (__builtin_expect(thread_state().saved_hooks, 0)) {
    GradModeGuard off(false);
    Tensor plain = output_index >= 0 ? alias(x) : x;
    packed = python_hooks.pack(plain);
    return;
  }
  // An output must not own the node that owns it: keep a plain alias and give it its history back when it is asked for.
  t = output_index >= 0 ? alias(x).release() : Tensor(x).release();
}

Tensor Saved::get(const Node& owner) const {
  Tensor x;
  if (packed) {
    x = python_hooks.unpack(packed);
  } else {
    FL_CHECK(t,
             "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved "
             "intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
             "backward through the graph a second time or if you need to access saved tensors after calling backward.");
    if (t->version() != version) {
      std::ostringstream shape;
      shape << t->sizes;
      const Node* maker = output >= 0 ? &owner : t->grad_fn;
      std::string made = maker ? ", which is output " + std::to_string(output >= 0 ? output : t->output_nr) + " of " + spoken_name(*maker) + "," : "";
      fail(ErrorKind::Runtime, "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.",
           scalar_type_name(t->dtype), "Tensor ", shape.str(), "]", made, " is at version ", t->version(), "; expected version ", version,
           " instead. Hint: enable anomaly detection to find the operation that "
           "failed to compute its gradient, with torch.autograd.set_detect_anomaly(True).");
    }
    x = Tensor::borrow(t);
  }
  if (output >= 0 && is_differentiable(x.dtype())) {  // indices have no history
    Tensor y = alias(x);
    Node* fn = const_cast<Node*>(&owner);
    fn->ref();
    y->grad_fn = fn;
    y->output_nr = output;
    return y;
  }
  return x;
}

void Saved::clear() {
  if (t) t->unref();
  if (packed) python_hooks.decref(packed);
  t = nullptr;
  packed = nullptr;
}

// ------------------------------------------------------------------------------------------------ OpNode

OpNode::OpNode(const Call& c, const bool* needs) : op(&c.op), overload(c.overload), nargs(uint8_t(c.nargs)) {
  struct ClearOnError {  // a pack hook may raise, and the destructor of a half-made node does not run
    OpNode* node;
    ~ClearOnError() {
      if (node)
        for (Saved& s : node->saved) s.clear();
    }
  } guard{this};
  for (auto& s : saved_out) s = -1;
  const bool clone_self = c.mode == Mode::Inplace;
  for (int k = 0; k < c.nargs; ++k) {
    const Value& v = c.args[k];
    args[k] = v;
    saved_at[k] = edge_at[k] = -1;
    bool keep = k < 16 && (op->save & save_in(k));
    if (keep && (op->save & kCross) && k < 2) keep = needs[1 - k];
    if (v.is_tensor()) {
      if (needs[k]) {
        edge_at[k] = int16_t(edges.size());
        edges.emplace(gradient_edge(v.tensor()));
      }
      args[k].dropped = !keep;
      if (keep) {
        saved_at[k] = int16_t(saved.size());
        if (clone_self && v.t == c.preset[0]) {
          GradModeGuard off(false);
          saved.emplace().set(copy_of(v.tensor()), -1, this);
        } else {
          saved.emplace().set(v.tensor(), -1, this);
        }
      }
      args[k].t = nullptr;
    } else if (v.tag == Value::TensorsTag) {
      edge_at[k] = int16_t(edges.size());  // one edge an item, some of them empty
      for (int i = 0; i < v.n; ++i) {
        const Tensor& item = *reinterpret_cast<const Tensor*>(&v.ts[i]);
        edges.emplace(item.defined() && item.requires_grad() ? gradient_edge(item) : Edge());
        items.push_back(item.defined() ? OutputMeta{item.dtype(), item.device(), Dims(item.sizes())} : OutputMeta{DType::None, {}, Dims()});
      }
      args[k].dropped = !keep;
      if (keep) {
        saved_at[k] = int16_t(saved.size());
        for (int i = 0; i < v.n; ++i) {
          Saved& s = saved.emplace();
          if (v.ts[i]) s.set(*reinterpret_cast<const Tensor*>(&v.ts[i]), -1, this);
        }
      }
      args[k].ts = nullptr;
    } else if (v.tag == Value::IntsTag) {
      args[k].i = ints.size();  // an index until all are copied: the array may move
      for (int64_t x : v.int_view()) ints.emplace(x);
    } else if (v.tag == Value::StrTag) {
      strings.emplace_back(v.s);
    } else if (v.tag == Value::FloatsTag) {
      args[k].i = int64_t(floats.size());
      floats.insert(floats.end(), v.floats, v.floats + v.n);
    } else if (v.tag == Value::ObjectTag) {
      args[k] = Value();  // generators and the like are not needed on the way back
    }
  }
  size_t word = 0;
  strings.shrink_to_fit();
  for (int k = 0; k < c.nargs; ++k) {
    if (args[k].tag == Value::IntsTag) args[k].ints = ints.data() + args[k].i;
    if (args[k].tag == Value::FloatsTag) args[k].floats = floats.data() + args[k].i;
    if (args[k].tag == Value::StrTag) args[k].s = strings[word++].c_str();
  }
  make_newest(*this);
  guard.node = nullptr;
}

void OpNode::keep_results(const Call& c) {
  for (int k = 0; k < c.nresults; ++k)
    if (op->save & save_out(k)) {
      saved_out[k] = int16_t(saved.size());
      saved.emplace().set(Tensor::borrow(c.results[k]), k, this);
    }
}

OpNode::~OpNode() {
  for (Saved& s : saved) s.clear();
}

void OpNode::release_saved() {
  released = true;
  for (Saved& s : saved) s.clear();
}

std::string OpNode::own_name() const {
  if (!op->gradient && !(op->flags & kNoGrad)) return "NotImplemented";
  if (op->mode_nodes[0]) {
    const Value& mode = args[op->mode];
    if (mode.tag == Value::StrTag || (mode.tag == Value::IntTag && mode.i != 0)) return op->mode_nodes[overload];
  }
  if (op->nodes[overload]) return op->nodes[overload];
  // CamelCase of the operator's name
  std::string out;
  bool up = true;
  for (const char* p = op->name; *p; ++p) {
    if (*p == '_') {
      up = true;
      continue;
    }
    out += up ? char(toupper(*p)) : *p;
    up = *p >= '0' && *p <= '9';
  }
  return out + "Backward0";
}

void OpNode::apply(const Tensor* grads, Tensor* out) {
  bool any = false;
  for (int k = 0; k < meta.size(); ++k) any |= grads[k].defined();
  if (!any) return;
  Grad g{*this, grads, out};
  if (op->flags & kNoGrad) {  // written in place by an operator whose result does not depend on what was there
    if (edge_at[0] >= 0) g.set(0, ops::zeros_like_sizes(g.sizes(0), g.dtype(0)));
    return;
  }
  FL_CHECK(op->gradient, "derivative for aten::", op->name, " is not implemented");
  if (__builtin_expect(devices_in_use, 0) && !on_host(thread_state().device)) return backends[int(thread_state().device.type)]->gradient(g);
  op->gradient(g);
}

// ------------------------------------------------------------------------------------------------ Grad

Tensor Grad::grad_or_zeros(int k) const {
  return grads[k].defined() ? grads[k] : ops::zeros_like_sizes(out_sizes(k), out_dtype(k));
}
bool Grad::needs(int arg) const {
  int e = node.edge_at[arg];
  if (e < 0) return false;
  if (node.args[arg].tag != Value::TensorsTag) return bool(node.edges[e]);
  for (int i = 0; i < node.args[arg].n; ++i)
    if (node.edges[e + i]) return true;
  return false;
}
bool Grad::needs(int arg, int item) const { return node.edge_at[arg] >= 0 && bool(node.edges[node.edge_at[arg] + item]); }
Tensor Grad::in(int arg) const {
  int s = node.saved_at[arg];
  if (s < 0) return Tensor();
  return node.saved[s].get(node);
}
std::vector<Tensor> Grad::in_list(int arg) const {
  std::vector<Tensor> list;
  int s = node.saved_at[arg];
  for (int i = 0; i < node.args[arg].n; ++i) {
    const Saved& x = node.saved[s + i];
    list.push_back(x.t || x.packed || node.released ? x.get(node) : Tensor());
  }
  return list;
}
Tensor Grad::result(int k) const { return node.saved[node.saved_out[k]].get(node); }
Value Grad::value(int arg) const {
  if (!is_tensor(arg)) return node.args[arg];
  return Value(alive.emplace(in(arg)));
}
static const OutputMeta* edge_meta(const Edge& e) { return e.fn ? &e.fn->meta[e.nr] : nullptr; }
IntView Grad::sizes(int arg, int item) const {
  const Edge& e = node.edges[node.edge_at[arg] + item];
  return e.fn ? IntView(edge_meta(e)->sizes) : IntView(e.leaf->sizes);
}
DType Grad::dtype(int arg, int item) const {
  const Edge& e = node.edges[node.edge_at[arg] + item];
  return e.fn ? edge_meta(e)->dtype : e.leaf->dtype;
}
Device Grad::device(int arg) const {
  const Edge& e = node.edges[node.edge_at[arg]];
  return e.fn ? edge_meta(e)->device : e.leaf->device;
}
// A gradient that nothing asked for has no place in `out`.
void Grad::set(int arg, Tensor g) const {
  if (node.edge_at[arg] >= 0) out[node.edge_at[arg]] = std::move(g);
}
void Grad::set(int arg, int item, Tensor g) const {
  if (node.edge_at[arg] >= 0) out[node.edge_at[arg] + item] = std::move(g);
}

// ------------------------------------------------------------------------------------------------ histories

Edge gradient_edge(const Tensor& t) {
  Edge e;
  if (Node* fn = grad_fn(*t.get())) {
    fn->ref();
    e.fn = fn;
    e.nr = uint32_t(t->output_nr);
  } else {
    t->ref();
    e.leaf = t.get();
  }
  return e;
}

// A base seen in the element type of a window on it: real and complex windows of one another.
static Tensor as_type_of(const Tensor& base, DType dtype) {
  if (base.dtype() == dtype) return base;
  if (is_complex(base.dtype())) return ops::view_as_real(base);
  // Pairs may lie across dimensions: seen flat, two by two.
  Dims pairs{base.numel() / 2, 2};
  FL_CHECK(is_complex(dtype) && complex_type(base.dtype()) == dtype, "a window of type ", scalar_type_name(dtype), " on a tensor of type ",
           scalar_type_name(base.dtype()), " was written in place: its gradient is not defined");
  FL_CHECK(base.numel() % 2 == 0 && base.is_contiguous(), "a complex window on a real tensor of this layout was written in place: its gradient is not supported");
  return ops::view_as_complex(ops::view(base, IntView(pairs)));
}

Node* grad_fn(TensorImpl& t) {
  if (__builtin_expect(t.base != nullptr, 0) && t.view_version != t.version() && (t.grad_fn || t.base->requires_grad || t.base->grad_fn)) {
    FL_CHECK(t.origin != Origin::NoGrad,
             "A view was created in no_grad mode and its base or another view of its base has been modified inplace with grad mode enabled. Given that "
             "this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either "
             "both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).");
    FL_CHECK(t.origin != Origin::MultiOutput, "Output ", t.output_nr, " of ", t.grad_fn ? spoken_name(*t.grad_fn) : std::string("a function"),
             " is a view and its base or another view of its base has been modified inplace. This view is the output of a function that returns "
             "multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an "
             "out-of-place one.");
    // The base was written since: this window's history is that of the base as it is now, seen through the window.
    GradModeGuard on(true);
    Tensor base = as_type_of(Tensor::borrow(t.base), t.dtype);
    Value args[6] = {Value(base), Value(IntView(t.sizes)), Value(IntView(t.strides)), Value(t.offset), Value(IntView(base->strides)), Value(base->offset)};
    Call c(ops::as_strided_window, args, 6);
    bool needs[6] = {true, false, false, false, false, false};
    Node* fn = new OpNode(c, needs);
    if (!base.requires_grad()) drop_edge(fn->edges[0]);  // t was made a leaf itself: its gradient ends here
    fn->add_meta(Tensor::borrow(&t));
    move_retained(t, fn, 0);
    if (t.grad_fn) release_node(t.grad_fn);
    t.grad_fn = fn;
    t.output_nr = 0;
    t.view_version = t.version();
  }
  return t.grad_fn;
}

void set_history(const Tensor& t, Node* fn, uint32_t nr) {
  fn->ref();
  move_retained(*t.get(), fn, nr);
  if (t->grad_fn) release_node(t->grad_fn);
  t->grad_fn = fn;
  t->output_nr = int32_t(nr);
  t->view_version = t->version();
}

void check_inplace(const Tensor& self, const char* op) {
  if (!thread_state().grad_enabled || !is_differentiable(self.dtype())) return;
  if (self->base) {
    if (self->origin == Origin::NoGrad)
      fail(ErrorKind::Runtime,
           "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use case is "
           "ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the "
           "no_grad block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).");
    if (self->origin == Origin::MultiOutput)
      fail(ErrorKind::Runtime, "Output ", self->output_nr, " of ", self->grad_fn ? spoken_name(*self->grad_fn) : std::string(op),
           " is a view and is being modified inplace. This view is the output of a function that returns multiple views. Such functions do not "
           "allow the output views to be modified inplace. You should replace the inplace operation by an out-of-place one.");
    FL_CHECK(self->base->grad_fn || !self.requires_grad(), "a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  FL_CHECK(!(self->requires_grad && !self->grad_fn), "a leaf Variable that requires grad is being used in an in-place operation.");
}

// The node of a base some window of which was written by `fn`: the window's part of the gradient goes through fn, the rest straight on.
struct CopySlices final : Node {
  Dims base_sizes, base_strides, sizes, strides;
  int64_t base_offset, offset;
  DType view_dtype;
  Node* fn;  // owned

  CopySlices(const Tensor& base, const Tensor& view, Node* f)
      : base_sizes(base.sizes()), base_strides(base.strides()), sizes(view.sizes()), strides(view.strides()), base_offset(base->offset), offset(view->offset), view_dtype(view.dtype()), fn(f) {
    fn->ref();
    edges.emplace(base.requires_grad() ? gradient_edge(base) : Edge());
    for (int k = 1; k < fn->edges.size(); ++k) {
      Edge e = fn->edges[k];
      if (e.fn) e.fn->ref();
      if (e.leaf) e.leaf->ref();
      edges.emplace(e);
    }
    add_meta(base);
  }
  ~CopySlices() override { release_node(fn); }
  std::string own_name() const override { return "torch::autograd::CopySlices"; }
  void release_saved() override {
    released = true;
    fn->release_saved();
  }
  void apply(const Tensor* grads, Tensor* out) override {
    if (!grads[0].defined()) return;
    // A fresh tensor with the base's geometry, so that the window can be cut out of it with the same strides.
    Tensor whole = is_dense(base_sizes, base_strides) ? empty_strided(base_sizes, base_strides, grads[0].dtype()) : empty(base_sizes, grads[0].dtype());
    int64_t shift = offset - base_offset;
    if (!is_dense(base_sizes, base_strides)) {
      int64_t span = 1;
      for (int i = 0; i < base_sizes.size(); ++i) span += (base_sizes[i] - 1) * base_strides[i];
      whole = from_storage(Storage::make(size_t(span) * item_size(grads[0].dtype()), grads[0].device()), base_sizes, base_strides, 0, grads[0].dtype());
    }
    ops::copy_.inplace(whole, grads[0]);
    Tensor seen = as_type_of(whole, view_dtype);
    if (view_dtype != whole.dtype()) shift = is_complex(whole.dtype()) ? offset - base_offset * 2 : offset - base_offset / 2;
    Tensor slice = ops::as_strided(seen, sizes, strides, shift);
    std::vector<Tensor> results(size_t(fn->edges.size()));
    Tensor in = ops::clone(slice);
    fn->apply(&in, results.data());
    if (!results.empty() && fn->edges.size() && edges[0]) {
      if (results[0].defined()) ops::copy_.inplace(slice, results[0]);
      else ops::zero_.inplace(slice);
      out[0] = whole;
    } else if (edges[0]) {
      ops::zero_.inplace(slice);
      out[0] = whole;
    }
    for (size_t k = 1; k < results.size(); ++k) out[k] = results[k];
  }
};

void rebase_history(const Tensor& self, Node* fn) {
  if (!is_differentiable(self.dtype())) return;
  if (self->base) {
    Tensor base = Tensor::borrow(self->base);
    // Edge 0 of fn must be self's: where self needed no gradient there is none, so insert an empty one.
    OpNode* op = dynamic_cast<OpNode*>(fn);
    if (op && op->edge_at[0] < 0) {
      op->edges.emplace();
      for (int k = op->edges.size() - 1; k > 0; --k) std::swap(op->edges[k], op->edges[k - 1]);
      for (int k = 1; k < op->nargs; ++k)
        if (op->edge_at[k] >= 0) ++op->edge_at[k];
      op->edge_at[0] = 0;
    }
    Node* slices = new CopySlices(base, self, fn);
    if (base->grad_fn) release_node(base->grad_fn);
    base->grad_fn = slices;
    base->output_nr = 0;
    self->view_version = self->version() - 1;  // stale: regenerated when asked for
    return;
  }
  fn->ref();
  move_retained(*self.get(), fn, 0);
  if (self->grad_fn) release_node(self->grad_fn);
  self->grad_fn = fn;
  self->output_nr = 0;
  self->requires_grad = false;
}

}  // namespace fl
