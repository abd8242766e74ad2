// A layer of LSTM units over a sequence, in one node: what the inputs contribute comes from one product before it. A gradient that is
// itself recorded is written in operators.
#include "kernels/cpu/lstm.h"

#include "base/unlock.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

struct Layer {
  int64_t steps, batch, units;
  bool reverse;
  double ns() const { return double(steps * batch * units) * (double(units) * .02 + 5); }
  int64_t at(int64_t k) const { return reverse ? steps - 1 - k : k; }  // the time of the k-th step
};

cpu::LstmDesc describe(const Layer& layer, const Tensor& weight, const Tensor& c0, const Tensor& cells, const Tensor& gates,
                       const Tensor& workspace) {
  cpu::LstmDesc d{};
  d.dtype = weight.dtype(), d.reverse = layer.reverse;
  d.steps = layer.steps, d.batch = layer.batch, d.units = layer.units;
  d.weight = weight.bytes(), d.c0 = c0.bytes(), d.cells = cells.bytes(), d.gates = gates.bytes();
  d.workspace = workspace.bytes();
  return d;
}
Tensor workspace_for(const Layer& layer, DType dtype) {
  return empty(IntView{4, (layer.units + 31) / 32 * 32, layer.units}, dtype);
}

// dW = the sum over the steps of (gradient of the gates).T @ (hidden state before the step).
Tensor weight_gradient(const Layer& layer, const Tensor& grad_x, const Tensor& hidden, const Tensor& h0) {
  const int64_t n = layer.steps - 1, first = layer.at(0), H = layer.units;
  Tensor start = mm(t(select(grad_x, 0, first)), h0);
  if (n == 0) return start;
  Tensor later = reshape(narrow(grad_x, 0, layer.reverse ? 0 : 1, n), IntView{n * layer.batch, 4 * H});
  Tensor before = reshape(narrow(hidden, 0, layer.reverse ? 1 : 0, n), IntView{n * layer.batch, H});
  return addmm(start, t(later), before);
}

struct Gradients {
  Tensor x, weight, h0, c0;
};

Gradients in_operators(const Grad& G, const Layer& layer) {
  Tensor weight = G.in(1), h0 = G.in(2), c0 = G.in(3), hidden = G.result(0), cells = G.result(1), gates = G.result(2), dh, dc;
  std::vector<Tensor> grad_x(size_t(layer.steps));
  for (int64_t k = layer.steps - 1; k >= 0; --k) {
    const int64_t time = layer.at(k);
    auto at = [time](const Tensor& s) {
      return select(s, 0, time);
    };
    auto and_arriving = [&](const Tensor& g, int result) {
      if (G.grad(result).defined()) return g.defined() ? add(g, at(G.grad(result))) : at(G.grad(result));
      return g.defined() ? g : zeros_like_sizes(IntView{layer.batch, layer.units}, weight.dtype());
    };
    std::vector<Tensor> gate = chunk.many(at(gates), 4, 1);
    Tensor c = tanh(at(cells)), before = k ? select(cells, 0, layer.at(k - 1)) : c0;
    dh = and_arriving(dh, 0);
    dc = add(and_arriving(dc, 1), mul(mul(dh, gate[3]), rsub(mul(c, c), 1)));
    Tensor activated = cat(std::vector<Tensor>{mul(dc, gate[2]), mul(dc, before), mul(dc, gate[0]), mul(dh, c)}, 1);
    if (G.grad(2).defined()) activated = add(activated, at(G.grad(2)));
    std::vector<Tensor> part = chunk.many(activated, 4, 1);
    for (size_t g = 0; g < 4; ++g) {
      Tensor slope = g == 2 ? rsub(mul(gate[g], gate[g]), 1) : mul(gate[g], rsub(gate[g], 1));  // of tanh, of sigmoid
      part[g] = mul(part[g], slope);
    }
    Tensor gx = cat(part, 1);
    grad_x[size_t(time)] = gx;
    dh = mm(gx, weight);
    dc = mul(dc, gate[1]);
  }
  Tensor x = stack(grad_x, 0);
  return {x, weight_gradient(layer, x, hidden, h0), dh, dc};
}

Gradients by_kernel(const Grad& G, const Layer& layer) {
  Tensor weight = contiguous_of(G.in(1)), h0 = contiguous_of(G.in(2)), c0 = contiguous_of(G.in(3));
  Tensor hidden = G.result(0), cells = G.result(1), gates = G.result(2), gh = G.grad(0), gc = G.grad(1);
  if (gh.defined()) gh = contiguous_of(gh);
  if (gc.defined()) gc = contiguous_of(gc);
  const DType type = weight.dtype();
  Gradients r{empty(gates.sizes(), type), {}, empty(h0.sizes(), type), empty(h0.sizes(), type)};
  Tensor workspace = workspace_for(layer, type);
  cpu::LstmDesc d = describe(layer, weight, c0, cells, gates, workspace);
  d.grad_hidden = gh.defined() ? gh.bytes() : nullptr, d.grad_cells = gc.defined() ? gc.bytes() : nullptr;
  d.grad_x = r.x.bytes(), d.grad_h0 = r.h0.bytes(), d.grad_c0 = r.c0.bytes();
  {
    Unlock unlock(layer.ns());
    cpu::lstm_kernels().backward(d);
  }
  if (G.needs(1)) r.weight = weight_gradient(layer, r.x, hidden, h0);
  return r;
}

void layer_forward(Call& c) {
  Tensor x = contiguous_of(c.tensor(0)), weight = contiguous_of(c.tensor(1));
  Tensor h0 = contiguous_of(c.tensor(2)), c0 = contiguous_of(c.tensor(3));
  FL_CHECK(x.dim() == 3 && weight.dim() == 2, "lstm: expected gates of 3 and a weight of 2 dimensions (got ", x.dim(), " and ", weight.dim(), ")");
  const Layer layer{x.size(0), x.size(1), weight.size(1), c.flag(4)};
  const DType type = x.dtype();
  const Dims state{layer.batch, layer.units}, states{layer.steps, layer.batch, layer.units};
  FL_CHECK(layer.steps > 0 && x.size(2) == 4 * layer.units && weight.size(0) == 4 * layer.units && h0.sizes() == IntView(state) && c0.sizes() == IntView(state),
           "lstm: shapes do not fit together (got gates ", x.sizes(), ", weight ", weight.sizes(), ", states ", h0.sizes(), " and ", c0.sizes(), ")");
  FL_CHECK((type == DType::Float32 || type == DType::Float64) && weight.dtype() == type && h0.dtype() == type && c0.dtype() == type,
           "lstm: expected float32 or float64 tensors of one dtype (got ", dtype_name(type), ", ", dtype_name(weight.dtype()), ", ", dtype_name(h0.dtype()), ")");
  Tensor hidden = empty(states, type), cells = empty(states, type), gates = empty(x.sizes(), type);
  c.ret(hidden), c.ret(cells), c.ret(gates);
  if (x.numel()) {
    Tensor workspace = workspace_for(layer, type);
    cpu::LstmDesc d = describe(layer, weight, c0, cells, gates, workspace);
    d.x = x.bytes(), d.h0 = h0.bytes(), d.hidden = hidden.bytes();
    Unlock unlock(layer.ns());
    cpu::lstm_kernels().forward(d);
  }
}

void layer_gradient(Grad& G) {
  Tensor hidden = G.result(0);
  const Layer layer{hidden.size(0), hidden.size(1), hidden.size(2), G.arg(4).integer() != 0};
  const bool operators = thread_state().grad_enabled || G.grad(2).defined() || hidden.numel() == 0;
  Gradients r = operators ? in_operators(G, layer) : by_kernel(G, layer);
  const Tensor* each[4] = {&r.x, &r.weight, &r.h0, &r.c0};
  for (int k = 0; k < 4; ++k)
    if (G.needs(k)) G.set(k, *each[k]);
}

}  // namespace

// x: what the inputs and the biases contribute to the gates (steps, batch, 4 units). Returns hidden states, cell states and the gates.
static Record lstm_layer{{.schema = {"_lstm_layer(Tensor x, Tensor weight, Tensor h0, Tensor c0, bool reverse) -> (Tensor, Tensor, Tensor)"},
                          .forward = layer_forward,
                          .gradient = layer_gradient,
                          .save = save_in(1) | save_in(2) | save_in(3) | save_out(0) | save_out(1) | save_out(2),
                          .flags = kFunction | kNn,
                          .nodes = {"MkldnnRnnLayerBackward0"}}};

}  // namespace fl::ops
