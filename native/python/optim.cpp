// The optimisers' steps over lists of tensors: torch._C._fused_NAME_step(...). Each takes the arguments of its composite form in
// flambeau/optim, updates in place and answers True; or does nothing and answers False, for lists that the kernels do not take.
#include "kernels/cpu/optim.h"

#include <vector>

#include "base/unlock.h"
#include "memory/backend.h"
#include "python/binding.h"
#include "tensor/modes.h"

namespace fl::py {

namespace {

// The lists of one step, column by column. All tensors have the first parameter's dtype and their parameter's layout.
struct Columns {
  Py_ssize_t n = 0;
  DType dtype = DType::None;
  int64_t total = 0;
  std::vector<TensorImpl*> params;
  std::vector<int64_t> sizes;
  std::vector<void*> memory;  // a column after the other

  // Is the tensor one that the kernels can go through beside parameter k?
  bool fits(const TensorImpl* t, Py_ssize_t k) const {
    const TensorImpl* p = params[k];
    if (t->dtype != dtype || t->numel != p->numel || t->inference) return false;
    if (t->contiguous && p->contiguous) return true;
    return t->sizes == p->sizes && t->strides == p->strides;
  }
  // Starts with the parameters.
  bool start(PyObject* list) {
    before_write();
    if (thread_state().grad_enabled || !PyList_Check(list) || !(n = PyList_GET_SIZE(list))) return false;
    params.resize(n);
    sizes.resize(n);
    memory.reserve(5 * n);
    for (Py_ssize_t k = 0; k < n; ++k) {
      PyObject* o = PyList_GET_ITEM(list, k);
      if (!is_tensor(o)) return false;
      TensorImpl* p = params[k] = unwrap(o).get();
      if (!k) dtype = p->dtype;
      if (dtype != DType::Float32 && dtype != DType::Float64) return false;
      if (p->dtype != dtype || p->inference || !(p->contiguous || is_dense(p->sizes, p->strides)) || !on_host(p->device)) return false;
      total += sizes[k] = p->numel;
      memory.push_back(p->bytes());
    }
    return true;
  }
  // Adds a list as a column; an entry that is None is allowed with `fresh`, and gets a new tensor.
  bool add(PyObject* list, std::vector<uint8_t>* fresh = nullptr) {
    if (!PyList_Check(list) || PyList_GET_SIZE(list) != n) return false;
    for (Py_ssize_t k = 0; k < n; ++k) {
      PyObject* o = PyList_GET_ITEM(list, k);
      if (fresh && o == Py_None) {
        memory.push_back(nullptr);
        continue;
      }
      if (!is_tensor(o) || !fits(unwrap(o).get(), k)) return false;
      memory.push_back(unwrap(o).get()->bytes());
    }
    return true;
  }
  void** column(int c) { return memory.data() + c * n; }
  cpu::ParamList list() { return {n, sizes.data(), column(0), column(1)}; }
};

void bump(PyObject* list) {
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list); ++k) ++unwrap(PyList_GET_ITEM(list, k)).get()->version();
}

// Are all of these scalar counters on the CPU?
bool counters(PyObject* list, Py_ssize_t n) {
  if (!PyList_Check(list) || PyList_GET_SIZE(list) != n) return false;
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* o = PyList_GET_ITEM(list, k);
    if (!is_tensor(o)) return false;
    const TensorImpl* t = unwrap(o).get();
    if (t->numel != 1 || t->inference || !on_host(t->device) || (t->dtype != DType::Float32 && t->dtype != DType::Float64)) return false;
  }
  return true;
}
std::vector<double> advance(PyObject* list) {
  std::vector<double> steps;
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list); ++k) {
    TensorImpl* t = unwrap(PyList_GET_ITEM(list, k)).get();
    steps.push_back(t->dtype == DType::Float32 ? double(*reinterpret_cast<float*>(t->bytes()) += 1) : *reinterpret_cast<double*>(t->bytes()) += 1);
    ++t->version();
  }
  return steps;
}

bool number(PyObject* o, double& out) {
  if (!PyFloat_Check(o) && !PyLong_Check(o)) return false;
  out = PyFloat_AsDouble(o);
  return !(out == -1 && PyErr_Occurred());
}
template <class... Doubles> bool numbers(PyObject* const* a, Doubles&... out) { return (number(*a++, out) && ...); }
bool yes(PyObject* o) { return PyObject_IsTrue(o) == 1; }
bool empty_list(PyObject* o) { return PyList_Check(o) && !PyList_GET_SIZE(o); }
PyObject* refuse() {
  if (PyErr_Occurred()) return nullptr;
  Py_RETURN_FALSE;
}
bool arguments(const char* name, Py_ssize_t got, Py_ssize_t wanted) {
  if (got != wanted) PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, got %zd", name, wanted, got);
  return got == wanted;
}

// (params, grads, buffers, lr, momentum, dampening, weight_decay, nesterov, maximize)
PyObject* sgd(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  if (!arguments("_fused_sgd_step", n, 9)) return nullptr;
  Columns c;
  cpu::SgdStep step{};
  if (!numbers(a + 3, step.lr, step.momentum, step.dampening, step.weight_decay) || !c.start(a[0]) || !c.add(a[1])) return refuse();
  std::vector<uint8_t> fresh(c.n, 0);
  if (step.momentum != 0) {
    if (!c.add(a[2], &fresh)) return refuse();
    for (Py_ssize_t k = 0; k < c.n; ++k) {
      if (c.column(2)[k]) continue;
      Tensor buffer = empty_strided(c.params[k]->sizes, c.params[k]->strides, c.dtype);
      c.column(2)[k] = buffer.bytes();
      fresh[k] = 1;
      PyObject* o = wrap(buffer);
      if (!o) return nullptr;
      PyList_SetItem(a[2], k, o);
    }
    step.momentum_buffers = c.column(2);
    step.fresh = fresh.data();
  }
  step.list = c.list();
  step.nesterov = yes(a[7]);
  step.maximize = yes(a[8]);
  {
    Unlock unlock(double(c.total) * 0.3);
    cpu::sgd_step(c.dtype, step);
  }
  bump(a[0]);
  if (step.momentum != 0) bump(a[2]);
  Py_RETURN_TRUE;
  FL_CATCH(nullptr)
}

// (params, grads, means, squares, maxima, steps, lr, beta1, beta2, weight_decay, eps, decoupled, maximize)
PyObject* adam(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  if (!arguments("_fused_adam_step", n, 13)) return nullptr;
  Columns c;
  cpu::AdamStep step{};
  bool amsgrad = !empty_list(a[4]);
  if (!numbers(a + 6, step.lr, step.beta1, step.beta2, step.weight_decay, step.eps) || !c.start(a[0]) || !c.add(a[1]) || !c.add(a[2]) ||
      !c.add(a[3]) || (amsgrad && !c.add(a[4])) || !counters(a[5], c.n))
    return refuse();
  std::vector<double> steps = advance(a[5]);
  step.list = c.list();
  step.exp_avgs = c.column(2);
  step.exp_avg_sqs = c.column(3);
  step.max_exp_avg_sqs = amsgrad ? c.column(4) : nullptr;
  step.steps = steps.data();
  step.decoupled = yes(a[11]);
  step.maximize = yes(a[12]);
  {
    Unlock unlock(double(c.total) * 0.8);
    cpu::adam_step(c.dtype, step);
  }
  for (int k : {0, 2, 3}) bump(a[k]);
  if (amsgrad) bump(a[4]);
  Py_RETURN_TRUE;
  FL_CATCH(nullptr)
}

// (params, grads, squares, buffers, means, steps, lr, alpha, eps, weight_decay, momentum, maximize)
PyObject* rmsprop(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  if (!arguments("_fused_rmsprop_step", n, 12)) return nullptr;
  Columns c;
  cpu::RmspropStep step{};
  bool with_momentum = !empty_list(a[3]), centered = !empty_list(a[4]);
  if (!numbers(a + 6, step.lr, step.alpha, step.eps, step.weight_decay, step.momentum) || !c.start(a[0]) || !c.add(a[1]) || !c.add(a[2]) ||
      (with_momentum && !c.add(a[3])) || (centered && !c.add(a[4])) || !counters(a[5], c.n))
    return refuse();
  advance(a[5]);
  step.list = c.list();
  step.square_avgs = c.column(2);
  step.momentum_buffers = with_momentum ? c.column(3) : nullptr;
  step.grad_avgs = centered ? c.column(3 + with_momentum) : nullptr;
  step.maximize = yes(a[11]);
  {
    Unlock unlock(double(c.total) * 0.8);
    cpu::rmsprop_step(c.dtype, step);
  }
  for (int k : {0, 2, 3, 4}) bump(a[k]);
  Py_RETURN_TRUE;
  FL_CATCH(nullptr)
}

// (params, grads, sums, steps, lr, lr_decay, weight_decay, eps); the caller has turned the gradients' sign
PyObject* adagrad(PyObject*, PyObject* const* a, Py_ssize_t n) {
  FL_TRY
  if (!arguments("_fused_adagrad_step", n, 8)) return nullptr;
  Columns c;
  cpu::AdagradStep step{};
  if (!numbers(a + 4, step.lr, step.lr_decay, step.weight_decay, step.eps) || !c.start(a[0]) || !c.add(a[1]) || !c.add(a[2]) ||
      !counters(a[3], c.n))
    return refuse();
  std::vector<double> steps = advance(a[3]);
  step.list = c.list();
  step.state_sums = c.column(2);
  step.steps = steps.data();
  {
    Unlock unlock(double(c.total) * 0.6);
    cpu::adagrad_step(c.dtype, step);
  }
  for (int k : {0, 2}) bump(a[k]);
  Py_RETURN_TRUE;
  FL_CATCH(nullptr)
}

#define FAST(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f))
PyMethodDef functions[] = {{"_fused_sgd_step", FAST(sgd), METH_FASTCALL, "A step of SGD over lists; False if it does not take them."},
                           {"_fused_adam_step", FAST(adam), METH_FASTCALL, "A step of Adam or AdamW over lists; False if it does not take them."},
                           {"_fused_rmsprop_step", FAST(rmsprop), METH_FASTCALL, "A step of RMSprop over lists; False if it does not take them."},
                           {"_fused_adagrad_step", FAST(adagrad), METH_FASTCALL, "A step of Adagrad over lists; False if it does not take them."},
                           {nullptr}};

}  // namespace

bool init_optim(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace fl::py
