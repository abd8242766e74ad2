// Running sums, products and extrema along a dimension, and flip.
#include "ops/reduction.h"

namespace fl::ops {

namespace {

void run_scan(cpu::Scan op, const Tensor& x, int dim, const Tensor& out, const Tensor& out2 = Tensor()) {
  if (x.numel() == 0) return;
  Dims in = byte_strides(x), st = byte_strides(out), st2 = out2.defined() ? byte_strides(out2) : Dims(), sizes(x.sizes());
  if (x.dim() == 0) sizes.push(1), in.push(0), st.push(0), st2.push(0);
  cpu::ScanDesc s;
  s.op = op;
  s.in_dtype = x.dtype();
  s.out_dtype = out.dtype();
  s.ndim = sizes.size();
  s.dim = dim;
  s.sizes = sizes.data();
  s.in_strides = in.data();
  s.out_strides = st.data();
  s.out2_strides = out2.defined() ? st2.data() : nullptr;
  s.in = x.bytes();
  s.out = out.bytes();
  s.out2 = out2.defined() ? out2.bytes() : nullptr;
  Unlock unlock(double(x.numel()) * 0.7);
  cpu::scan_kernels().scan(s);
}

void cumulate(Call& c, cpu::Scan op) {
  const Tensor& x = c.tensor(0);
  int d = wrap_dim(c.integer(1), x.dim());
  DType t = c.has(2) ? c.dtype(2) : c.mode != Mode::Functional && c.preset[0] ? c.preset[0]->dtype : is_integer(x.dtype()) ? DType::Int64 : x.dtype();
  const Tensor& out = c.result(x.sizes(), t, nullptr, x.dtype() != t);
  run_scan(op, x, d, out);
}

Tensor reversed_cumsum(const Tensor& g, int d) {
  if (g.numel() <= 1 || g.size(d) == 1) return g;
  return flip(cumsum(flip(g, IntView{d}), d), IntView{d});
}

}  // namespace

Record cumsum{{.schema = {"cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"},
               .forward = [](Call& c) { cumulate(c, cpu::Scan::Cumsum); },
               .gradient = [](Grad& G) {
                 G.set(0, gradient_as(reversed_cumsum(G.grad(), wrap_dim(G.arg(1).i, G.sizes(0).n)), G.dtype(0)));
               },
               .flags = kAll,
               .doc = "Running sums along dim.\n\n>>> torch.cumsum(torch.tensor([1, 2, 3]), 0)\ntensor([1, 3, 6])"}};
Record cumprod{{.schema = {"cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"},
                .forward = [](Call& c) { cumulate(c, cpu::Scan::Cumprod); },
                .flags = kAll, .doc = "Running products along dim."}};

}  // namespace fl::ops
