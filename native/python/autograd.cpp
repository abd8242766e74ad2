// The gradient graph seen from Python: nodes, functions written in Python, hooks, saved tensors, modes, and the call into the engine.
#include "python/binding.h"

#include <structmember.h>

#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "tensor/iterator.h"

namespace fl::py {

namespace {

PyObject* as_object(void* p) { return static_cast<PyObject*>(p); }

// ------------------------------------------------------------------------------------------------ native nodes

struct NodeObject {
  PyObject_HEAD Node* node;         // owned; null for the pseudo-node of a leaf
  TensorImpl* leaf;   // owned: AccumulateGrad
};
PyTypeObject NodeType = {PyVarObject_HEAD_INIT(nullptr, 0)};
NodeObject* nodeof(PyObject* o) { return reinterpret_cast<NodeObject*>(o); }

void node_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  NodeObject* o = nodeof(self);
  PyTypeObject* type = Py_TYPE(self);
  if (o->node) {
    o->node->face = nullptr;
    release_node(o->node);
  }
  if (o->leaf) o->leaf->unref();
  type->tp_free(self);  // always a heap subclass: its own dealloc drops the type
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  Node* n = nodeof(self)->node;
  return n && n->rc.get() == 1 ? visit_node(*n, visit, arg) : 0;
}
int node_clear(PyObject* self) {
  NodeObject* o = nodeof(self);
  if (!o->node || o->node->rc.get() != 1) return 0;
  o->node->face = nullptr;
  release_node(std::exchange(o->node, nullptr));
  return 0;
}

PyObject* node_type_named(const std::string& name) {
  static auto* types = new std::unordered_map<std::string, PyObject*>;
  PyObject*& type = (*types)[name];
  if (!type) {
    size_t scope = name.rfind("::");
    type = PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(O){s:s}", name.c_str() + (scope == std::string::npos ? 0 : scope + 2), &NodeType, "__module__", "builtins");
    if (!type) raise_python();
  }
  return type;
}

PyObject* edge_object(const Edge& e) {
  if (e.fn) return node_object(e.fn);
  if (!e.leaf) Py_RETURN_NONE;
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(node_type_named("AccumulateGrad"));
  NodeObject* o = nodeof(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  o->node = nullptr;
  e.leaf->ref();
  o->leaf = e.leaf;
  return reinterpret_cast<PyObject*>(o);
}
PyObject* edges_tuple(const Node& n) {
  Ptr t(PyTuple_New(n.edges.size()));
  for (int k = 0; k < n.edges.size(); ++k) {
    PyObject* o = edge_object(n.edges[k]);
    if (!o) return nullptr;
    PyTuple_SET_ITEM(t.get(), k, Py_BuildValue("(NI)", o, n.edges[k].nr));
  }
  return t.release();
}
PyObject* node_next(PyObject* self, void*) {
  FL_TRY
  Node* n = nodeof(self)->node;
  return n ? edges_tuple(*n) : PyTuple_New(0);
  FL_CATCH(nullptr)
}
PyObject* node_variable(PyObject* self, void*) {
  if (!nodeof(self)->leaf) {
    PyErr_SetString(PyExc_AttributeError, "variable");
    return nullptr;
  }
  return wrap(Tensor::borrow(nodeof(self)->leaf));
}
PyObject* node_name(PyObject* self, PyObject*) { return PyUnicode_FromString(nodeof(self)->node ? nodeof(self)->node->name().c_str() : "torch::autograd::AccumulateGrad"); }
PyObject* new_handle(PyObject* dict, PyObject* hook) {
  Ptr module(PyImport_ImportModule("flambeau.utils.hooks"));
  if (!module) return nullptr;
  Ptr handle(PyObject_CallMethod(module.get(), "RemovableHandle", "O", dict));
  if (!handle) return nullptr;
  Ptr id(PyObject_GetAttrString(handle.get(), "id"));
  if (!id || PyObject_SetItem(dict, id.get(), hook) < 0) return nullptr;
  return handle.release();
}
PyObject* ordered_dict() {
  static PyObject* type = nullptr;
  if (!type) {
    Ptr m(PyImport_ImportModule("collections"));
    type = m ? PyObject_GetAttrString(m.get(), "OrderedDict") : nullptr;
  }
  return type ? PyObject_CallNoArgs(type) : nullptr;
}
template <void* Node::* M>
PyObject* node_register(PyObject* self, PyObject* hook) {
  Node* n = nodeof(self)->node;
  if (!n) {
    PyErr_SetString(PyExc_RuntimeError, "register_hook: hooks on AccumulateGrad are set with Tensor.register_hook or register_post_accumulate_grad_hook");
    return nullptr;
  }
  if (!(n->*M)) n->*M = ordered_dict();
  return n->*M ? new_handle(as_object(n->*M), hook) : nullptr;
}
PyObject* node_metadata(PyObject* self, void*) {
  Node* n = nodeof(self)->node;
  if (!n) return PyDict_New();
  if (!n->metadata) n->metadata = PyDict_New();
  Py_XINCREF(as_object(n->metadata));
  return as_object(n->metadata);
}
PyObject* node_sequence(PyObject* self, PyObject*) { return PyLong_FromUnsignedLongLong(nodeof(self)->node ? nodeof(self)->node->seq : ~0ull); }
// Calling a node by hand: gradients in, gradients out.
PyObject* node_call(PyObject* self, PyObject* args, PyObject*) {
  FL_TRY
  Node* n = nodeof(self)->node;
  FL_CHECK(n, "AccumulateGrad cannot be called");
  std::vector<Tensor> grads(size_t(n->meta.size())), out(size_t(n -> edges.size()));
  FL_CHECK_KIND(Type, PyTuple_GET_SIZE(args) == Py_ssize_t(grads.size()), n->name(), ": expected ", grads.size(), " gradients, got ", PyTuple_GET_SIZE(args));
  for (size_t k = 0; k < grads.size(); ++k) {
    PyObject* a = PyTuple_GET_ITEM(args, Py_ssize_t(k));
    if (is_tensor(a)) grads[k] = unwrap(a);
  }
  n->apply(grads.data(), out.data());
  if (out.size() == 1) return wrap(out[0]);
  PyObject* t = PyTuple_New(Py_ssize_t(out.size()));
  for (size_t k = 0; k < out.size(); ++k) PyTuple_SET_ITEM(t, Py_ssize_t(k), wrap(out[k]));
  return t;
  FL_CATCH(nullptr)
}
PyMethodDef node_methods[] = {{"name", node_name, METH_NOARGS, "The node's name."},
                              {"register_hook", node_register<&Node::hooks>, METH_O, "fn(grad_inputs, grad_outputs), run after the node."},
                              {"register_prehook", node_register<&Node::pre_hooks>, METH_O, "fn(grad_outputs), run before the node."},
                              {"_sequence_nr", node_sequence, METH_NOARGS, "The order of creation."},
                              {nullptr}};
// _saved_self, _saved_result, _saved_dim...: what the node kept, by the schema's names.
PyObject* node_getattro(PyObject* self, PyObject* name) {
  PyObject* r = PyObject_GenericGetAttr(self, name);
  if (r || !PyErr_ExceptionMatches(PyExc_AttributeError)) return r;
  const char* s = PyUnicode_AsUTF8(name);
  OpNode* n = nodeof(self)->node ? dynamic_cast<OpNode*>(nodeof(self)->node) : nullptr;
  if (!n || !s || std::strncmp(s, "_saved_", 7)) return nullptr;
  FL_TRY
  const auto& args = n->op->parsed()[n->overload]->args;
  for (int k = 0; k < n->nargs; ++k)
    if (args[size_t(k)].name == s + 7) {
      const Value& v = n->args[k];
      if (v.tag == Value::TensorTag) {
        if (n->saved_at[k] < 0) return nullptr;
        PyErr_Clear();
        return wrap(n->saved[n->saved_at[k]].get(*n));
      }
      PyErr_Clear();
      if (v.tag == Value::IntsTag) {
        PyObject* t = PyTuple_New(v.n);
        for (int i = 0; i < v.n; ++i) PyTuple_SET_ITEM(t, i, PyLong_FromLongLong(v.ints[i]));
        return t;
      }
      if (v.tag == Value::FloatsTag) {
        PyObject* t = PyTuple_New(v.n);
        for (int i = 0; i < v.n; ++i) PyTuple_SET_ITEM(t, i, PyFloat_FromDouble(v.floats[i]));
        return t;
      }
      return number_object(v);
    }
  if (!std::strcmp(s, "_saved_result") && n->saved_out[0] >= 0) {
    PyErr_Clear();
    return wrap(n->saved[n->saved_out[0]].get(*n));
  }
  return nullptr;
  FL_CATCH(nullptr)
}
PyGetSetDef node_getset[] = {{"next_functions", node_next}, {"variable", node_variable}, {"metadata", node_metadata}, {nullptr}};

// ------------------------------------------------------------------------------------------------ nodes written in Python

struct FunctionObject {  // torch._C._FunctionBase: the context of a custom function, and its node's Python side
  PyObject_HEAD Node* node;  // borrowed: the node owns this object
  PyObject* dict;
};
PyTypeObject FunctionBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};
FunctionObject* fnof(PyObject* o) { return reinterpret_cast<FunctionObject*>(o); }

struct PythonNode final : Node {
  PyObject* object;                // owned
  std::vector<int> edge_of_arg;    // argument -> edge, or -1
  int dirty_arg = -1;

  explicit PythonNode(PyObject* o) : object(o) {
    Py_INCREF(o);
    fnof(o)->node = this;
  }
  ~PythonNode() override {
    PyGILState_STATE s = PyGILState_Ensure();
    fnof(object)->node = nullptr;
    Py_DECREF(object);
    PyGILState_Release(s);
  }
  void* python() override { return object; }
  std::string own_name() const override { return Py_TYPE(object)->tp_name; }
  void release_saved() override {
    released = true;
    Ptr r(PyObject_CallMethod(object, "_release", nullptr));
    if (!r) raise_python();
  }
  void apply(const Tensor* grads, Tensor* out) override {
    Ptr args(PyTuple_New(meta.size()));
    for (int k = 0; k < meta.size(); ++k) PyTuple_SET_ITEM(args.get(), k, wrap(grads[k]));
    Ptr result(PyObject_CallMethod(object, "_run_backward", "(O)", args.get()));
    if (!result) raise_python();
    FL_CHECK_KIND(Type, PyTuple_Check(result.get()), name(), ": backward must return a tuple of gradients");
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(result.get()) && k < Py_ssize_t(edge_of_arg.size()); ++k) {
      PyObject* g = PyTuple_GET_ITEM(result.get(), k);
      if (edge_of_arg[size_t(k)] >= 0 && is_tensor(g)) out[edge_of_arg[size_t(k)]] = unwrap(g);
    }
  }
};

void function_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(fnof(self)->dict);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
}
int function_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(fnof(self)->dict);
  return 0;
}
int function_clear(PyObject* self) {
  Py_CLEAR(fnof(self)->dict);
  return 0;
}
PyObject* function_next(PyObject* self, void*) {
  FL_TRY
  Node* n = fnof(self)->node;
  return n ? edges_tuple(*n) : PyTuple_New(0);
  FL_CATCH(nullptr)
}
PyObject* function_name(PyObject* self, PyObject*) { return PyUnicode_FromString(Py_TYPE(self)->tp_name); }
template <void* Node::* M>
PyObject* function_register(PyObject* self, PyObject* hook) {
  Node* n = fnof(self)->node;
  if (!n) {
    PyErr_SetString(PyExc_RuntimeError, "register_hook: the function is not part of a graph");
    return nullptr;
  }
  if (!(n->*M)) n->*M = ordered_dict();
  return n->*M ? new_handle(as_object(n->*M), hook) : nullptr;
}
PyObject* function_metadata(PyObject* self, void*) {
  Node* n = fnof(self)->node;
  if (!n) return PyDict_New();
  if (!n->metadata) n->metadata = PyDict_New();
  Py_XINCREF(as_object(n->metadata));
  return as_object(n->metadata);
}
PyMethodDef function_methods[] = {{"name", function_name, METH_NOARGS}, {"register_hook", function_register<&Node::hooks>, METH_O}, {"register_prehook", function_register<&Node::pre_hooks>, METH_O}, {nullptr}};
PyGetSetDef function_getset[] = {{"next_functions", function_next}, {"metadata", function_metadata}, {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict}, {nullptr}};

// _apply_function(node, args, outputs, dirty, non_differentiable) -> outputs connected to the node.
PyObject* apply_function(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  FL_CHECK_KIND(Type, n == 5 && PyType_IsSubtype(Py_TYPE(a[0]), &FunctionBaseType), "_apply_function: expected (node, args, outputs, dirty, non_differentiable)");
  Ptr args(PySequence_Tuple(a[1])), outputs(PySequence_Tuple(a[2]));
  if (!args || !outputs) return nullptr;
  auto contains = [](PyObject* seq, PyObject* o) {
    if (!seq || seq == Py_None) return false;
    Ptr t(PySequence_Tuple(seq));
    if (!t) raise_python();
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(t.get()); ++k)
      if (PyTuple_GET_ITEM(t.get(), k) == o) return true;
    return false;
  };
  Ref<PythonNode> node = Ref<PythonNode>::steal(new PythonNode(a[0]));
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(args.get()); ++k) {
    PyObject* o = PyTuple_GET_ITEM(args.get(), k);
    int edge = -1;
    if (is_tensor(o) && unwrap(o).requires_grad()) {
      edge = node->edges.size();
      node->edges.emplace(gradient_edge(unwrap(o)));
    }
    node->edge_of_arg.push_back(edge);
  }
  make_newest(*node);
  Ptr result(PyTuple_New(PyTuple_GET_SIZE(outputs.get())));
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(outputs.get()); ++k) {
    PyObject* o = PyTuple_GET_ITEM(outputs.get(), k);
    if (!is_tensor(o)) {
      node->meta.emplace(DType::Float32, Device{}, Dims());
      Py_INCREF(o);
      PyTuple_SET_ITEM(result.get(), k, o);
      continue;
    }
    Tensor t = unwrap(o);
    node->add_meta(t);
    bool is_input = contains(args.get(), o), dirty = contains(a[3], o), plain_result = contains(a[4], o);
    bool differentiable = is_differentiable(t.dtype()) && !plain_result;
    if (dirty) {
      ++t->version();
      if (differentiable) {
        check_inplace(t, "function");
        if (t->base) {
          int arg = -1;
          for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args.get()); ++i)
            if (PyTuple_GET_ITEM(args.get(), i) == o) arg = int(i);
          FL_CHECK(arg <= 0, "mark_dirty: a view can only be written in place if it is the first argument");
        }
        if (t->base || k == 0) rebase_history(t, node.get());
        else set_history(t, node.get(), uint32_t(k));
        t->output_nr = t->base ? t->output_nr : int32_t(k);
      }
    } else if (is_input) {  // an input handed back: a fresh alias carries the node
      if (!plain_result && differentiable) {
        t = alias(t);
        set_history(t, node.get(), uint32_t(k));
      } else {
        t = alias(t);
      }
    } else if (differentiable) {
      if (t->base) t->origin = Origin::CustomFunction;
      if (t->requires_grad && !t->grad_fn) t = alias(t);
      set_history(t, node.get(), uint32_t(k));
    } else if (plain_result && t->grad_fn) {
      t = alias(t);
    }
    PyObject* w = t.get() == unwrap(o).get() ? (Py_INCREF(o), o) : wrap(t);
    if (!w) return nullptr;
    track(w);  // the context may hold its result
    PyTuple_SET_ITEM(result.get(), k, w);
  }
  return result.release();
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ saved tensors

struct SavedObject {
  PyObject_HEAD Saved* saved;
};
PyTypeObject SavedType = {PyVarObject_HEAD_INIT(nullptr, 0)};
void saved_dealloc(PyObject* self) {
  Saved* s = reinterpret_cast<SavedObject*>(self)->saved;
  if (s) s->clear();
  delete s;
  PyObject_Free(self);
}
PyObject* saved_new(PyTypeObject* type, PyObject* args, PyObject*) {
  FL_TRY
  PyObject* value;
  int own = 0;
  if (!PyArg_ParseTuple(args, "O|p", &value, &own)) return nullptr;
  FL_CHECK_KIND(Type, is_tensor(value), "_SavedTensor: expected a Tensor");
  SavedObject* o = PyObject_New(SavedObject, type);
  o->saved = nullptr;
  Ptr held(reinterpret_cast<PyObject*>(o));
  o->saved = new Saved;
  o->saved->set(unwrap(value), own ? unwrap(value)->output_nr : -1, nullptr);
  return held.release();
  FL_CATCH(nullptr)
}
PyObject* saved_unpack(PyObject* self, PyObject* node) {
  FL_TRY
  Saved* s = reinterpret_cast<SavedObject*>(self)->saved;
  static struct Nameless final : Node{
                                     void apply(const Tensor*, Tensor*) override{} std::string own_name() const override{return "Function";
}
}  // namespace
*nameless = new Nameless;
Node* owner = PyType_IsSubtype(Py_TYPE(node), &FunctionBaseType) ? fnof(node)->node : nullptr;
if (s->output >= 0 && owner) return wrap(s->get(*owner));
Saved plain_view = *s;
plain_view.output = -1;
return wrap(plain_view.get(owner ? *owner : *nameless));
FL_CATCH(nullptr)
}  // namespace fl::py
PyMethodDef saved_methods[] = {{"unpack", saved_unpack, METH_O, "The tensor; RuntimeError if it was changed since."}, {nullptr}};

std::vector<std::pair<PyObject*, PyObject*>>& hook_stack() {
  static thread_local std::vector<std::pair<PyObject*, PyObject*>> s;
  return s;
}
std::string& hooks_disabled() {
  static thread_local std::string s;
  return s;
}
PyObject* push_saved_hooks(PyObject*, PyObject* args) {
  PyObject *pack, *unpack;
  if (!PyArg_ParseTuple(args, "OO", &pack, &unpack)) return nullptr;
  if (!hooks_disabled().empty()) {
    PyErr_SetString(PyExc_RuntimeError, hooks_disabled().c_str());
    return nullptr;
  }
  Py_INCREF(pack);
  Py_INCREF(unpack);
  hook_stack().push_back({pack, unpack});
  thread_state().saved_hooks = true;
  Py_RETURN_NONE;
}
PyObject* pop_saved_hooks(PyObject*, PyObject*) {
  if (hook_stack().empty()) {
    PyErr_SetString(PyExc_RuntimeError, "saved tensor hooks: nothing to remove");
    return nullptr;
  }
  auto [p, u] = hook_stack().back();
  hook_stack().pop_back();
  Py_DECREF(p);
  Py_DECREF(u);
  thread_state().saved_hooks = !hook_stack().empty();
  Py_RETURN_NONE;
}
PyObject* saved_hooks_disable(PyObject*, PyObject* args) {
  const char* message;
  int fail_if_present = 1;
  if (!PyArg_ParseTuple(args, "s|p", &message, &fail_if_present)) return nullptr;
  if (!hook_stack().empty() && fail_if_present) {
    PyErr_SetString(PyExc_RuntimeError, message);
    return nullptr;
  }
  hooks_disabled() = message;
  Py_RETURN_NONE;
}
PyObject* saved_hooks_enable(PyObject*, PyObject*) {
  hooks_disabled().clear();
  Py_RETURN_NONE;
}
PyObject* saved_hooks_message(PyObject*, PyObject*) {
  if (hooks_disabled().empty()) Py_RETURN_NONE;
  return PyUnicode_FromString(hooks_disabled().c_str());
}

// ------------------------------------------------------------------------------------------------ engine

std::vector<PyObject*>& callbacks() {
  static thread_local std::vector<PyObject*> list;
  return list;
}
PyObject* queue_callback(PyObject*, PyObject* f) {
  if (thread_state().backward_depth == 0) {
    PyErr_SetString(PyExc_RuntimeError, "Final callbacks can only be installed during backward pass.");
    return nullptr;
  }
  Py_INCREF(f);
  callbacks().push_back(f);
  Py_RETURN_NONE;
}
bool edge_from(PyObject* o, Tensor& t) {  // a Tensor, or GradientEdge(node, output_nr) as a stand-in tensor with that history
  if (is_tensor(o)) {
    t = unwrap(o);
    return true;
  }
  if (!PyTuple_Check(o) || PyTuple_GET_SIZE(o) < 2) return false;
  PyObject* node = PyTuple_GET_ITEM(o, 0);
  long nr = PyLong_AsLong(PyTuple_GET_ITEM(o, 1));
  if (PyType_IsSubtype(Py_TYPE(node), &NodeType)) {
    if (nodeof(node)->leaf) {
      t = Tensor::borrow(nodeof(node)->leaf);
      return true;
    }
    Node* n = nodeof(node)->node;
    if (nr < 0 || nr >= n->meta.size()) return false;
    t = empty(n->meta[nr].sizes, n->meta[nr].dtype, n->meta[nr].device);
    set_history(t, n, uint32_t(nr));
    return true;
  }
  if (PyType_IsSubtype(Py_TYPE(node), &FunctionBaseType) && fnof(node)->node) {
    Node* n = fnof(node)->node;
    if (nr < 0 || nr >= n->meta.size()) return false;
    t = empty(n->meta[nr].sizes, n->meta[nr].dtype, n->meta[nr].device);
    set_history(t, n, uint32_t(nr));
    return true;
  }
  return false;
}
PyObject* engine_run(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  FL_CHECK_KIND(Type, n == 7, "_engine_run_backward: expected 7 arguments");
  BackwardRequest r;
  Ptr tensors(PySequence_Tuple(a[0])), grads(PySequence_Tuple(a[1])), inputs(PySequence_Tuple(a[4]));
  if (!tensors || !grads || !inputs) return nullptr;
  r.retain_graph = truth(a[2]);
  r.create_graph = truth(a[3]);
  bool allow_unused = truth(a[5]);
  r.accumulate = truth(a[6]);
  FL_CHECK(PyTuple_GET_SIZE(tensors.get()) == PyTuple_GET_SIZE(grads.get()), "got ", PyTuple_GET_SIZE(tensors.get()), " tensors and ", PyTuple_GET_SIZE(grads.get()), " gradients");
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tensors.get()); ++k) {
    Tensor t;
    FL_CHECK_KIND(Type, edge_from(PyTuple_GET_ITEM(tensors.get(), k), t), "element ", k, " of tensors tuple is not a Tensor");
    FL_CHECK(t.requires_grad(), "element ", k, " of tensors does not require grad and does not have a grad_fn");
    PyObject* g = PyTuple_GET_ITEM(grads.get(), k);
    if (is_tensor(g)) {
      Tensor grad = unwrap(g);
      FL_CHECK(is_complex(grad.dtype()) == is_complex(t.dtype()) || !is_complex(grad.dtype()), "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: grad_output[", k, "] has a dtype of ", dtype_name(grad.dtype()), " and output[", k, "] has a dtype of ", dtype_name(t.dtype()), ".");
      FL_CHECK(grad.sizes() == t.sizes(), "Mismatch in shape: grad_output[", k, "] has a shape of torch.Size(", grad.sizes(), ") and output[", k, "] has a shape of torch.Size(", t.sizes(), ").");
      r.grads.push_back(grad.dtype() == t.dtype() ? grad : ops::to_dtype(grad, t.dtype()));
    } else {
      FL_CHECK(t.numel() == 1, "grad can be implicitly created only for scalar outputs");
      Tensor one = empty(t.sizes(), t.dtype(), t.device());
      fill_values(one, Value(1.0));
      r.grads.push_back(one);
    }
    r.roots.push_back(t);
  }
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(inputs.get()); ++k) {
    Tensor t;
    FL_CHECK_KIND(Type, edge_from(PyTuple_GET_ITEM(inputs.get(), k), t), "all inputs have to be Tensors or GradientEdges, but got ", Py_TYPE(PyTuple_GET_ITEM(inputs.get(), k))->tp_name);
    FL_CHECK(t.requires_grad(), "One of the differentiated Tensors does not require grad");
    r.inputs.push_back(t);
  }
  FinalCallbacks last;
  std::vector<Tensor> out = run_backward(r);
  if (!last.run()) return nullptr;
  if (r.accumulate) return PyTuple_New(0);
  Ptr result(PyTuple_New(Py_ssize_t(out.size())));
  for (size_t k = 0; k < out.size(); ++k) {
    FL_CHECK(out[k].defined() || allow_unused, "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.");
    PyTuple_SET_ITEM(result.get(), Py_ssize_t(k), wrap(out[k]));
  }
  return result.release();
  FL_CATCH(nullptr)
}

// _tensor_hook_dict(tensor): where register_hook stores hooks: the tensor's own dictionary if it is a leaf, the node's otherwise.
PyObject* tensor_hook_dict(PyObject*, PyObject* o) {
  FL_TRY
  FL_CHECK_KIND(Type, is_tensor(o), "_tensor_hook_dict: expected a Tensor");
  const Tensor& t = unwrap(o);
  FL_CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  Node* fn = grad_fn(*t.get());
  track(o);  // hooks may refer to their tensor
  if (!fn) {
    if (!t->more().hooks) t->more().hooks = ordered_dict();
    Py_XINCREF(as_object(t->extra->hooks));
    return as_object(t->extra->hooks);
  }
  for (auto& h : fn->tensor_hooks)
    if (h.nr == uint32_t(t->output_nr)) {
      Py_INCREF(as_object(h.dict));
      return as_object(h.dict);
    }
  PyObject* d = ordered_dict();
  if (!d) return nullptr;
  fn->tensor_hooks.push_back({uint32_t(t->output_nr), d});
  Py_INCREF(d);
  return d;
  FL_CATCH(nullptr)
}
PyObject* post_accumulate_dict(PyObject*, PyObject* o) {
  FL_TRY
  FL_CHECK_KIND(Type, is_tensor(o), "expected a Tensor");
  const Tensor& t = unwrap(o);
  FL_CHECK(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  FL_CHECK(!grad_fn(*t.get()), "post accumulate grad hooks cannot be registered on non-leaf tensors");
  if (!t->more().post_accumulate) t->more().post_accumulate = ordered_dict();
  track(o);
  Py_XINCREF(as_object(t->extra->post_accumulate));
  return as_object(t->extra->post_accumulate);
  FL_CATCH(nullptr)
}

// ------------------------------------------------------------------------------------------------ calls from the engine

struct WithGil {
  PyGILState_STATE s = PyGILState_Ensure();
  ~WithGil() { PyGILState_Release(s); }
};
std::vector<Ptr> values_of(void* dict) {
  Ptr list(PyMapping_Values(as_object(dict)));
  if (!list) raise_python();
  std::vector<Ptr> out;
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.get()); ++k) out.push_back(Ptr::borrow(PyList_GET_ITEM(list.get(), k)));
  return out;
}
Tensor run_tensor_hooks(void* dict, const Tensor& grad) {
  Tensor g = grad;
  for (Ptr& f : values_of(dict)) {
    Ptr arg(wrap(g));
    Ptr r(PyObject_CallOneArg(f.get(), arg.get()));
    if (!r) raise_python();
    if (r.get() == Py_None) continue;
    FL_CHECK_KIND(Type, is_tensor(r.get()), "hook: expected a Tensor or None, got ", Py_TYPE(r.get())->tp_name);
    Tensor changed = unwrap(r.get());
    FL_CHECK(changed.sizes() == g.sizes(), "hook has changed the size of value");
    FL_CHECK(changed.dtype() == g.dtype(), "hook has changed the type of value (was torch.", dtype_name(g.dtype()), " got torch.", dtype_name(changed.dtype()), ")");
    g = changed;
  }
  return g;
}
void run_post_accumulate(void* dict, TensorImpl* t) {
  for (Ptr& f : values_of(dict)) {
    Ptr arg(wrap(Tensor::borrow(t)));
    Ptr r(PyObject_CallOneArg(f.get(), arg.get()));
    if (!r) raise_python();
    FL_CHECK(r.get() == Py_None, "post accumulate grad hooks should return None.");
  }
}
Ptr grads_tuple(const std::vector<Tensor>& g) {
  Ptr t(PyTuple_New(Py_ssize_t(g.size())));
  for (size_t k = 0; k < g.size(); ++k) PyTuple_SET_ITEM(t.get(), Py_ssize_t(k), wrap(g[k]));
  return t;
}
void take_grads(PyObject* r, std::vector<Tensor>& g) {
  if (r == Py_None) return;
  Ptr t(PyTuple_Check(r) || PyList_Check(r) ? PySequence_Tuple(r) : PyTuple_Pack(1, r));
  if (!t) raise_python();
  FL_CHECK(PyTuple_GET_SIZE(t.get()) == Py_ssize_t(g.size()), "hook: expected ", g.size(), " gradients, got ", PyTuple_GET_SIZE(t.get()));
  for (size_t k = 0; k < g.size(); ++k) {
    PyObject* o = PyTuple_GET_ITEM(t.get(), Py_ssize_t(k));
    FL_CHECK_KIND(Type, o == Py_None || is_tensor(o), "expected Variable, but hook returned '", Py_TYPE(o)->tp_name, "'");
    g[k] = is_tensor(o) ? unwrap(o) : Tensor();
  }
}
void run_pre_hooks(void* dict, std::vector<Tensor>& grads) {
  for (Ptr& f : values_of(dict)) {
    Ptr in = grads_tuple(grads);
    Ptr r(PyObject_CallOneArg(f.get(), in.get()));
    if (!r) raise_python();
    take_grads(r.get(), grads);
  }
}
void run_post_hooks(void* dict, std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  for (Ptr& f : values_of(dict)) {
    Ptr in = grads_tuple(inputs), out = grads_tuple(outputs);
    Ptr r(PyObject_CallFunctionObjArgs(f.get(), in.get(), out.get(), nullptr));
    if (!r) raise_python();
    take_grads(r.get(), inputs);
  }
}
void* pack_hook(const Tensor& t) {
  auto [pack, unpack] = hook_stack().back();
  Ptr arg(wrap(t));
  PyObject* packed = PyObject_CallOneArg(pack, arg.get());
  if (!packed) raise_python();
  PyObject* pair = PyTuple_Pack(2, packed, unpack);
  Py_DECREF(packed);
  return pair;
}
Tensor unpack_hook(void* pair) {
  PyObject* p = as_object(pair);
  Ptr r(PyObject_CallOneArg(PyTuple_GET_ITEM(p, 1), PyTuple_GET_ITEM(p, 0)));
  if (!r) raise_python();
  FL_CHECK_KIND(Type, is_tensor(r.get()), "Output of saved tensor unpack_hook expected to be a Tensor but got result of type ", Py_TYPE(r.get())->tp_name);
  return unwrap(r.get());
}
void* capture_trace() {
  Ptr module(PyImport_ImportModule("traceback"));
  if (!module) raise_python();
  PyObject* list = PyObject_CallMethod(module.get(), "format_stack", nullptr);
  if (!list) raise_python();
  return list;
}
void report_trace(void* trace, const std::string& node) {
  PyObject *t, *v, *tb;
  PyErr_Fetch(&t, &v, &tb);
  Ptr empty_text(PyUnicode_FromString(""));
  Ptr text(PyUnicode_Join(empty_text.get(), as_object(trace)));
  if (text) {
    Ptr message(PyUnicode_FromFormat("Error detected in %s. Traceback of forward call that caused the error:\n%U", node.c_str(), text.get()));
    PyErr_WarnEx(PyExc_UserWarning, PyUnicode_AsUTF8(message.get()), 1);
  }
  PyErr_Restore(t, v, tb);
}

// ------------------------------------------------------------------------------------------------ modes

PyObject* set_grad_enabled(PyObject*, PyObject* v) {
  int on = PyObject_IsTrue(v);
  if (on < 0) return nullptr;
  thread_state().grad_enabled = on;
  Py_RETURN_NONE;
}
PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(thread_state().grad_enabled); }
PyObject* set_inference(PyObject*, PyObject* v) {  // (on) -> (inference before, gradients before)
  ThreadState& s = thread_state();
  PyObject* before = Py_BuildValue("(NN)", PyBool_FromLong(s.inference), PyBool_FromLong(s.grad_enabled));
  bool on = PyObject_IsTrue(v) == 1;
  s.inference = on;
  s.grad_enabled = !on;
  return before;
}
PyObject* restore_inference(PyObject*, PyObject* args) {
  int inference, grad;
  if (!PyArg_ParseTuple(args, "pp", &inference, &grad)) return nullptr;
  thread_state().inference = inference;
  thread_state().grad_enabled = grad;
  Py_RETURN_NONE;
}
PyObject* is_inference(PyObject*, PyObject*) { return PyBool_FromLong(thread_state().inference); }
PyObject* set_anomaly(PyObject*, PyObject* args) {
  int on, nan = 1;
  if (!PyArg_ParseTuple(args, "p|p", &on, &nan)) return nullptr;
  thread_state().anomaly = on;
  thread_state().anomaly_check_nan = nan;
  Py_RETURN_NONE;
}
PyObject* is_anomaly(PyObject*, PyObject*) { return PyBool_FromLong(thread_state().anomaly); }
PyObject* is_anomaly_nan(PyObject*, PyObject*) { return PyBool_FromLong(thread_state().anomaly_check_nan); }
PyObject* set_autocast(PyObject*, PyObject* args) {  // (on, dtype)
  FL_TRY
  int on;
  PyObject* dtype;
  if (!PyArg_ParseTuple(args, "pO", &on, &dtype)) return nullptr;
  ThreadState& s = thread_state();
  DType t;
  if (dtype_from(dtype, t)) s.autocast_dtype = t;
  s.doors = uint8_t(on ? s.doors | kDoorAutocast : s.doors & ~kDoorAutocast);
  Py_RETURN_NONE;
  FL_CATCH(nullptr)
}
PyObject* get_autocast(PyObject*, PyObject*) {
  ThreadState& s = thread_state();
  return Py_BuildValue("(NO)", PyBool_FromLong(s.doors & kDoorAutocast), dtype_object(s.autocast_dtype));
}
PyObject* increment_version(PyObject*, PyObject* list) {
  Ptr t(PySequence_Tuple(list));
  if (!t) return nullptr;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(t.get()); ++k)
    if (is_tensor(PyTuple_GET_ITEM(t.get(), k))) ++unwrap(PyTuple_GET_ITEM(t.get(), k))->version();
  Py_RETURN_NONE;
}
// _name_node(result, name, source=None): the node of a composite operator's result (a tensor or several) goes by that operator's name,
// unless it is the node of the source.
PyObject* name_node(PyObject*, PyObject* args) {
  PyObject *result, *name, *source = Py_None;
  if (!PyArg_ParseTuple(args, "OU|O", &result, &name, &source)) return nullptr;
  static auto* names = new std::unordered_set<std::string>;
  const char* shown = nullptr;
  auto give = [&](PyObject* o) {
    if (!is_tensor(o) || o == source) return;
    Node* fn = unwrap(o)->grad_fn;
    if (!fn || fn->python() || (is_tensor(source) && fn == unwrap(source)->grad_fn)) return;
    if (!shown) shown = names->insert(PyUnicode_AsUTF8(name)).first->c_str();
    fn->shown = shown;
  };
  if (PyTuple_Check(result)) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(result); ++k) give(PyTuple_GET_ITEM(result, k));
  } else if (PyList_Check(result)) {
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(result); ++k) give(PyList_GET_ITEM(result, k));
  } else {
    give(result);
  }
  Py_INCREF(result);
  return result;
}
PyObject* backward_depth(PyObject*, PyObject*) { return PyLong_FromLong(thread_state().backward_depth); }
PyObject* checkpoint_valid(PyObject*, PyObject*) { Py_RETURN_TRUE; }

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f))
PyMethodDef functions[] = {
    {"_engine_run_backward", FAST(engine_run), METH_FASTCALL, "The backward pass."},
    {"_engine_queue_callback", queue_callback, METH_O, "Runs a function when the current backward pass ends."},
    {"_apply_function", FAST(apply_function), METH_FASTCALL, "Connects the outputs of a Python function to its node."},
    {"_tensor_hook_dict", tensor_hook_dict, METH_O, "The dictionary of a tensor's gradient hooks."},
    {"_post_accumulate_dict", post_accumulate_dict, METH_O, "The dictionary of a leaf's hooks after accumulation."},
    {"_push_saved_tensors_hooks", push_saved_hooks, METH_VARARGS, "Installs pack and unpack hooks."},
    {"_pop_saved_tensors_hooks", pop_saved_hooks, METH_NOARGS, "Removes the newest hooks."},
    {"_saved_tensors_hooks_disable", saved_hooks_disable, METH_VARARGS, "Forbids saved-tensor hooks, with a message."},
    {"_saved_tensors_hooks_enable", saved_hooks_enable, METH_NOARGS, "Allows them again."},
    {"_saved_tensors_hooks_get_disabled_error_message", saved_hooks_message, METH_NOARGS, "The message, or None."},
    {"_set_grad_enabled", set_grad_enabled, METH_O, "Switches recording."},
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "Whether gradients are recorded."},
    {"_set_inference", set_inference, METH_O, "Switches inference mode; returns what was."},
    {"_restore_inference", restore_inference, METH_VARARGS, "Sets both modes."},
    {"is_inference_mode_enabled", is_inference, METH_NOARGS, "Whether inference mode is on."},
    {"set_anomaly_enabled", set_anomaly, METH_VARARGS, "Switches anomaly detection."},
    {"is_anomaly_enabled", is_anomaly, METH_NOARGS, "Whether anomaly detection is on."},
    {"is_anomaly_check_nan_enabled", is_anomaly_nan, METH_NOARGS, "Whether it looks for NaN."},
    {"_set_autocast", set_autocast, METH_VARARGS, "Switches autocast and its type."},
    {"_get_autocast", get_autocast, METH_NOARGS, "(enabled, dtype)"},
    {"_increment_version", increment_version, METH_O, "Advances version counters."},
    {"_name_node", name_node, METH_VARARGS, "Names the node of a tensor; returns the tensor."},
    {"_backward_depth", backward_depth, METH_NOARGS, "How many backward passes are under way."},
    {"_is_checkpoint_valid", checkpoint_valid, METH_NOARGS, "Whether reentrant checkpoints may recompute."},
    {nullptr}};

}  // namespace

FinalCallbacks::~FinalCallbacks() {
  if (thread_state().backward_depth != 0) return;
  for (PyObject* f : std::exchange(callbacks(), {})) Py_DECREF(f);
}
bool FinalCallbacks::run() {
  if (thread_state().backward_depth != 0) return true;
  std::vector<Ptr> list;
  for (PyObject* f : std::exchange(callbacks(), {})) list.emplace_back(f);
  for (Ptr& f : list)
    if (!Ptr(PyObject_CallNoArgs(f.get()))) return false;
  return true;
}

int visit_node(Node& n, visitproc visit, void* arg) {
  Py_VISIT(as_object(n.python()));
  Py_VISIT(as_object(n.hooks));
  Py_VISIT(as_object(n.pre_hooks));
  Py_VISIT(as_object(n.metadata));
  for (auto& h : n.tensor_hooks) Py_VISIT(as_object(h.dict));
  return 0;
}

PyObject* node_object(Node* n) {
  if (void* p = n->python()) {
    Py_INCREF(as_object(p));
    return as_object(p);
  }
  if (n->face) {
    Py_INCREF(as_object(n->face));
    return as_object(n->face);
  }
  PyTypeObject* type = reinterpret_cast<PyTypeObject*>(node_type_named(n->name()));
  NodeObject* o = nodeof(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  n->ref();
  o->node = n;
  o->leaf = nullptr;
  n->face = o;
  return reinterpret_cast<PyObject*>(o);
}

bool init_autograd(PyObject* m) {
  NodeType.tp_name = "torch.autograd.graph.Node";
  NodeType.tp_basicsize = sizeof(NodeObject);
  NodeType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  NodeType.tp_traverse = node_traverse;
  NodeType.tp_clear = node_clear;
  NodeType.tp_dealloc = node_dealloc;
  NodeType.tp_methods = node_methods;
  NodeType.tp_getset = node_getset;
  NodeType.tp_getattro = node_getattro;
  NodeType.tp_call = node_call;
  FunctionBaseType.tp_name = "torch._C._FunctionBase";
  FunctionBaseType.tp_basicsize = sizeof(FunctionObject);
  FunctionBaseType.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  FunctionBaseType.tp_new = PyType_GenericNew;
  FunctionBaseType.tp_dealloc = function_dealloc;
  FunctionBaseType.tp_traverse = function_traverse;
  FunctionBaseType.tp_clear = function_clear;
  FunctionBaseType.tp_methods = function_methods;
  FunctionBaseType.tp_getset = function_getset;
  FunctionBaseType.tp_dictoffset = offsetof(FunctionObject, dict);
  SavedType.tp_name = "torch._C._SavedTensor";
  SavedType.tp_basicsize = sizeof(SavedObject);
  SavedType.tp_flags = Py_TPFLAGS_DEFAULT;
  SavedType.tp_dealloc = saved_dealloc;
  SavedType.tp_new = saved_new;
  SavedType.tp_methods = saved_methods;
  if (PyType_Ready(&NodeType) < 0 || PyType_Ready(&FunctionBaseType) < 0 || PyType_Ready(&SavedType) < 0) return false;
  PythonHooks& h = python_hooks;
  h.incref = [](void* p) {
    Py_INCREF(as_object(p));
  };
  h.decref = [](void* p) {
    Py_DECREF(as_object(p));
  };
  h.run_tensor_hooks = run_tensor_hooks;
  h.run_post_accumulate = run_post_accumulate;
  h.run_pre_hooks = run_pre_hooks;
  h.run_post_hooks = run_post_hooks;
  h.pack = pack_hook;
  h.unpack = unpack_hook;
  h.capture_trace = capture_trace;
  h.report_trace = report_trace;
  h.warn = [](const char* message) {
    if (PyErr_WarnEx(PyExc_UserWarning, message, 1) < 0) raise_python();
  };
  h.sparse_call = [](const char* function, const Tensor& a, const Tensor& b, int64_t m, int64_t n) {
    Ptr module(PyImport_ImportModule("flambeau.sparse._gradients"));
    if (!module) raise_python();
    Ptr first(wrap(a)), second(wrap(b));
    Ptr result(PyObject_CallMethod(module.get(), function, "OOLL", first.get(), second.get(), (long long)m, (long long)n));
    if (!result) raise_python();
    return Tensor(unwrap(result.get()));
  };
  h.check_signals = [] {
    if (PyErr_CheckSignals() < 0) raise_python();
  };
  struct {
    const char* name;
    PyTypeObject* type;
  } types[] = {{"_Node", &NodeType}, {"_FunctionBase", &FunctionBaseType}, {"_SavedTensor", &SavedType}};
  for (auto& t : types) {
    Py_INCREF(t.type);
    if (PyModule_AddObject(m, t.name, reinterpret_cast<PyObject*>(t.type)) < 0) return false;
  }
  return PyModule_AddFunctions(m, functions) == 0;
}

}  // namespace fl::py
