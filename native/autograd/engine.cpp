// The backward pass. Nodes run in descending order of creation: a consumer is always newer than its producers, so every node has its
// whole gradient when its turn comes and no counting pass is needed.
#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "autograd/node.h"
#include "memory/backend.h"
#include "ops/ops.h"
#include "tensor/iterator.h"
#include "tensor/promote.h"

namespace fl {

namespace {

// Shape and type of the gradient that an edge's target expects.
Tensor fit(Tensor g, IntView sizes, DType dtype, const Node& from, int index) {
  if (__builtin_expect(g->sparse, 0)) {
    if (g.sizes() == sizes) return g.dtype() == dtype ? g : sparse_call("cast", g, empty(IntView{0}, dtype));
    g = sparse_call("dense", g);
  }
  if (__builtin_expect(!(g.sizes() == sizes), 0)) {
    bool fits = g.dim() >= sizes.n;
    for (int i = 1; fits && i <= sizes.n; ++i) fits = sizes[sizes.n - i] == g.size(g.dim() - i) || sizes[sizes.n - i] == 1;
    if (!fits)
      fail(ErrorKind::Runtime, "Function ", from.name(), " returned an invalid gradient at index ", index, " - got ", g.sizes(),
           " but expected shape compatible with ", sizes);
    g = ops::sum_to(g, sizes);
  }
  if (__builtin_expect(g.dtype() != dtype, 0)) {
    if (is_complex(g.dtype()) && !is_complex(dtype)) g = ops::real(g);
    if (g.dtype() != dtype) g = ops::to_dtype(g, dtype);
  }
  return g;
}

// A native node works where its gradients are; what a node in Python makes is its own affair.
void apply_on_device(Node& n, const Tensor* grads, int count, Tensor* out) {
  Device device = thread_state().device;
  for (int k = 0; k < count && !n.python(); ++k)
    if (grads[k].defined()) {
      device = grads[k].device();
      break;
    }
  if (n.python()) return n.apply(grads, out);
  DeviceScope scope(device);
  n.apply(grads, out);
}

void accumulate_into(Tensor& slot, Tensor g) {
  if (!slot.defined()) {
    slot = std::move(g);
  } else if (__builtin_expect(slot->sparse || g->sparse, 0)) {
    slot = sparse_call("add", slot, g);
  } else if (!thread_state().grad_enabled && slot->rc.get() == 1 && slot->storage->rc.get() == 1 && !has_internal_overlap(slot.sizes(), slot.strides())) {
    add_in_place(slot, g);
  } else {
    slot = ops::add(slot, g);
  }
}

void accumulate_grad(TensorImpl& leaf, Tensor g) {
  if (__builtin_expect(g->sparse || leaf.sparse || (leaf.grad && leaf.grad->sparse), 0)) {
    Tensor sum = leaf.grad ? sparse_call("accumulate", Tensor::borrow(leaf.grad), g) : sparse_call("first", g);
    if (leaf.grad) leaf.grad->unref();
    leaf.grad = sum.release();
    return;
  }
  if (leaf.grad) {
    if (!thread_state().grad_enabled) {
      Tensor sum = Tensor::borrow(leaf.grad);
      bool alike = sum.dtype() == g.dtype() && sum.sizes() == g.sizes();  // unless `.data` was exchanged
      if (alike) {
        add_in_place(sum, g);
        ++sum->version();
      } else {
        ops::add.inplace(sum, g);
      }
    } else {
      Tensor sum = ops::add(Tensor::borrow(leaf.grad), g);
      leaf.grad->unref();
      leaf.grad = sum.release();
    }
    return;
  }
  bool own = !thread_state().grad_enabled && g->rc.get() == 1 && g->storage->rc.get() == 1 && !g->pyobj && !g->base &&
             (g->strides == leaf.strides || (g->contiguous && leaf.contiguous));
  if (!own) {
    Tensor copy = empty_like(Tensor::borrow(&leaf), g.dtype());
    if (thread_state().grad_enabled) g = ops::clone(g);
    else {
      copy_values(copy, g);
      g = copy;
    }
  }
  leaf.grad = g.release();
}

class Backward {
 public:
  explicit Backward(BackwardRequest& r) : req_(r) {}
  ~Backward() {
    for (auto& item : heap_items_) drop(item.node);
  }
  std::vector<Tensor> run();

 private:
  struct Item {
    uint64_t seq;
    Node* node;
  };
  Tensor* buffer(Node* n) {
    if (__builtin_expect(n->run == nullptr, 1)) {
      n->run = this;
      size_t bytes = size_t(n->meta.size()) * sizeof(Tensor);
      n->pending = static_cast<Tensor*>(allocate(bytes));
      std::memset(static_cast<void*>(n->pending), 0, bytes);
      n->ref();
      push(n);
    } else if (n->run != this) {  // the same node in an outer pass that is under way
      auto& b = others_[n];
      if (b.empty()) {
        b.resize(size_t(n->meta.size()));
        n->ref();
        push(n);
      }
      return b.data();
    }
    return n->pending;
  }
  void push(Node* n) {
    heap_items_.push_back({n->seq, n});
    std::push_heap(heap_items_.begin(), heap_items_.end(), [](auto& a, auto& b) {
      return a.seq < b.seq;
    });
  }
  // The gradients that arrived at a node, taken out of it.
  struct Arrived {
    Tensor* data;
    int n;
    std::vector<Tensor> other;  // when they were kept apart
    Arrived(Tensor* d, int count) : data(d), n(count) {}
    explicit Arrived(std::vector<Tensor> kept) : data(nullptr), n(int(kept.size())), other(std::move(kept)) { data = other.data(); }
    Arrived(const Arrived&) = delete;
    ~Arrived() {
      if (!other.empty() || !data) return;
      for (int k = 0; k < n; ++k) data[k].~Tensor();
      deallocate(data, size_t(n) * sizeof(Tensor));
    }
    Tensor& operator[](int64_t k) { return data[k]; }
  };
  Arrived take(Node* n) {
    if (n->run == this) {
      n->run = nullptr;
      return Arrived(std::exchange(n->pending, nullptr), n->meta.size());
    }
    std::vector<Tensor> kept = std::move(others_[n]);
    others_.erase(n);
    return Arrived(std::move(kept));
  }
  void drop(Node* n) {
    take(n);
    release_node(n);
  }
  void send(const Edge& e, Tensor g) {
    if (e.fn) {
      if (filtered_ && !needed_.count(e.fn)) return;
      accumulate_into(buffer(e.fn)[e.nr], std::move(g));
    } else if (e.leaf) {
      TensorImpl* leaf = e.leaf;
      bool wanted = !filtered_ || leaf_index_.count(leaf);
      if (!wanted) return;
      if (req_.accumulate && !(leaf->extra && (leaf->extra->hooks || leaf->extra->post_accumulate))) {
        accumulate_grad(*leaf, std::move(g));
      } else {
        auto it = leaf_sum_.find(leaf);
        if (it == leaf_sum_.end()) {
          leaf_order_.push_back(Tensor::borrow(leaf));
          leaf_sum_[leaf] = std::move(g);
        } else {
          accumulate_into(it->second, std::move(g));
        }
      }
    }
  }
  void plan();
  void run_node(Node* n);

  BackwardRequest& req_;
  std::vector<Item> heap_items_;
  std::unordered_map<Node*, std::vector<Tensor>> others_;
  bool filtered_ = false;
  std::unordered_set<Node*> needed_, executed_;                     // nodes that lead to, or are, what was asked for; nodes to run
  std::unordered_map<Node*, std::vector<std::pair<uint32_t, size_t>>> capture_;  // (output, index of input)
  std::unordered_map<TensorImpl*, std::vector<size_t>> leaf_index_;
  std::unordered_map<TensorImpl*, Tensor> leaf_sum_;
  std::vector<Tensor> leaf_order_;
  std::vector<Tensor> captured_;
};

// With given inputs only the paths to them are walked.
void Backward::plan() {
  captured_.resize(req_.inputs.size());
  if (req_.inputs.empty()) return;
  filtered_ = true;
  for (size_t i = 0; i < req_.inputs.size(); ++i) {
    TensorImpl* t = req_.inputs[i].get();
    if (Node* fn = grad_fn(*t)) capture_[fn].push_back({uint32_t(t->output_nr), i});
    else leaf_index_[t].push_back(i);
  }
  // Depth first without recursion; a node is needed when an edge leads to a target.
  std::unordered_map<Node*, int> state;  // 1: open, 2: closed
  std::vector<Node*> stack;
  for (auto& r : req_.roots)
    if (Node* fn = grad_fn(*r.get())) stack.push_back(fn);
  while (!stack.empty()) {
    Node* n = stack.back();
    int& s = state[n];
    if (s == 0) {
      s = 1;
      for (const Edge& e : n->edges)
        if (e.fn && !state.count(e.fn)) stack.push_back(e.fn);
    } else {
      stack.pop_back();
      if (s == 2) continue;
      s = 2;
      bool leads = false;
      for (const Edge& e : n->edges) leads |= (e.fn && needed_.count(e.fn)) || (e.leaf && leaf_index_.count(e.leaf));
      if (leads) executed_.insert(n);
      if (leads || capture_.count(n)) needed_.insert(n);
    }
  }
}

void Backward::run_node(Node* n) {
  Arrived grads = take(n);
  for (size_t k = 0; k < n->tensor_hooks.size(); ++k) {  // a hook may add hooks
    TensorHooks h = n->tensor_hooks[k];
    if (grads[h.nr].defined()) grads[h.nr] = python_hooks.run_tensor_hooks(h.dict, grads[h.nr]);
  }
  if (n->pre_hooks) {
    std::vector<Tensor> list(grads.data, grads.data + grads.n);
    python_hooks.run_pre_hooks(n->pre_hooks, list);
    for (int k = 0; k < grads.n; ++k) grads[k] = list[size_t(k)];
  }
  for (size_t k = 0; k < n->retained.size(); ++k) {
    RetainedGrad r = n->retained[k];
    if (grads[r.nr].defined()) {
      Tensor keep = thread_state().grad_enabled || grads[r.nr]->sparse ? grads[r.nr] : alias(grads[r.nr]);
      Tensor owner = Tensor::borrow(r.tensor);
      if (owner->grad) {
        Tensor before = Tensor::borrow(owner->grad);
        Tensor sum = before->sparse || keep->sparse ? sparse_call("add", before, keep) : ops::add(before, keep);
        owner->grad->unref();
        owner->grad = sum.release();
      } else {
        owner->grad = keep.release();
      }
    }
  }
  if (filtered_) {
    auto it = capture_.find(n);
    if (it != capture_.end())
      for (auto& [nr, index] : it->second) {
        if (!req_.accumulate) captured_[index] = grads[nr];
        else if (grads[nr].defined() && !(req_.inputs[index]->extra && req_.inputs[index]->extra->retains_grad)) accumulate_grad(*req_.inputs[index].get(), grads[nr]);
      }
    if (!executed_.count(n)) return;
  }
  int ne = n->edges.size();
  bool leads_on = ne == 0;
  for (int k = 0; k < ne; ++k) leads_on |= bool(n->edges[k]);
  if (!leads_on) return;
  Tensor few[8];
  std::vector<Tensor> many;
  Tensor* out = few;
  if (ne > 8) {
    many.resize(size_t(ne));
    out = many.data();
  }
  std::vector<Tensor> grads_for_hooks;
  if (n->hooks) grads_for_hooks.assign(grads.data, grads.data + grads.n);
  if (!n->python())  // gradients of native operators know strided tensors only
    for (int k = 0; k < grads.n; ++k)
      if (__builtin_expect(grads[k].defined() && grads[k]->sparse, 0)) grads[k] = sparse_call("dense", grads[k]);
  try {
    if (__builtin_expect(devices_in_use, 0)) apply_on_device(*n, grads.data, grads.n, out);
    else n->apply(grads.data, out);
  } catch (...) {
    if (n->trace) python_hooks.report_trace(n->trace, n->name());
    throw;
  }
  for (int k = 0; k < ne; ++k)
    if (out[k].defined() && n->edges[k]) {
      const Edge& e = n->edges[k];
      if (e.fn) out[k] = fit(std::move(out[k]), e.fn->meta[e.nr].sizes, e.fn->meta[e.nr].dtype, *n, k);
      else out[k] = fit(std::move(out[k]), e.leaf->sizes, e.leaf->dtype, *n, k);
    }
  if (n->hooks) {
    std::vector<Tensor> ins(out, out + ne);
    python_hooks.run_post_hooks(n->hooks, ins, grads_for_hooks);
    for (int k = 0; k < ne; ++k) out[k] = ins[size_t(k)];
  }
  ThreadState& ts = thread_state();
  if (__builtin_expect(ts.anomaly, 0) && ts.anomaly_check_nan) {
    GradModeGuard off(false);
    for (int k = 0; k < ne; ++k)
      if (out[k].defined() && is_differentiable(out[k].dtype()) && any_nan(out[k]->sparse ? sparse_call("values", out[k]) : out[k])) {
        if (n->trace) python_hooks.report_trace(n->trace, n->name());
        fail(ErrorKind::Runtime, "Function '", n->name(), "' returned nan values in its ", k, "th output.");
      }
  }
  if (!req_.retain_graph) n->release_saved();
  for (int k = 0; k < ne; ++k)
    if (out[k].defined() && n->edges[k]) send(n->edges[k], std::move(out[k]));
}

std::vector<Tensor> Backward::run() {
  plan();
  GradModeGuard mode(req_.create_graph);
  heap_items_.reserve(16);
  for (size_t i = 0; i < req_.roots.size(); ++i) {
    const Tensor& r = req_.roots[i];
    Edge e = gradient_edge(r);
    Tensor g = req_.grads[i];
    req_.grads[i] = Tensor();
    try {
      send(e, std::move(g));
    } catch (...) {
      drop_edge(e);
      throw;
    }
    drop_edge(e);
  }
  int steps = 0;
  while (!heap_items_.empty()) {
    std::pop_heap(heap_items_.begin(), heap_items_.end(), [](auto& a, auto& b) {
      return a.seq < b.seq;
    });
    Ref<Node> n = Ref<Node>::steal(heap_items_.back().node);
    heap_items_.pop_back();
    run_node(n.get());
    if (__builtin_expect((++steps & 127) == 0, 0) && python_hooks.check_signals) python_hooks.check_signals();
  }
  for (auto& leaf : leaf_order_) {
    Tensor g = std::move(leaf_sum_[leaf.get()]);
    if (leaf->extra && leaf->extra->hooks) g = python_hooks.run_tensor_hooks(leaf->extra->hooks, g);
    if (req_.accumulate) {
      accumulate_grad(*leaf.get(), std::move(g));
      if (leaf->extra && leaf->extra->post_accumulate) python_hooks.run_post_accumulate(leaf->extra->post_accumulate, leaf.get());
    } else {
      for (size_t i : leaf_index_[leaf.get()]) captured_[i] = g;
    }
  }
  return std::move(captured_);
}

}  // namespace

std::vector<Tensor> run_backward(BackwardRequest& request) {
  struct Depth {
    Depth() { ++thread_state().backward_depth; }
    ~Depth() { --thread_state().backward_depth; }
  } depth;
  Backward pass(request);
  return pass.run();
}

}  // namespace fl
