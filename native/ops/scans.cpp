// Running sums, products and extrema along a dimension, and flip.
#include "ops/reduction.h"

namespace fl::ops {

void run_scan(cpu::Scan op, const Tensor& x, int dim, const Tensor& out, const Tensor& out2) {
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

extern Record logcumsumexp;

namespace {

void cumulate(Call& c, cpu::Scan op) {
  const Tensor& x = c.tensor(0);
  int d = wrap_dim(c.integer(1), x.dim());
  DType t = c.has(2) ? c.dtype(2) : c.mode != Mode::Functional && c.preset[0] ? c.preset[0]->dtype
                                : is_integer(x.dtype())                       ? DType::Int64
                                                                              : x.dtype();
  const Tensor& out = c.result(x.sizes(), t, nullptr, x.dtype() != t);
  run_scan(op, x, d, out);
}

Tensor reversed_cumsum(const Tensor& g, int d) {
  if (g.numel() <= 1 || g.size(d) == 1) return g;
  return flip(cumsum(flip(g, IntView{d}), d), IntView{d});
}

// d result_i / d x_k is the product of x_0..x_i without x_k: a quotient where nothing is zero, else products of the others.
Tensor cumprod_gradient(const Tensor& g, const Tensor& x, const Tensor& result, int d) {
  if (x.numel() == 0 || x.dim() == 0) return g;
  if (!item_value(*any(eq(x, 0)).get()).b) return div(reversed_cumsum(mul(g, conj_if(result)), d), conj_if(x));
  const int64_t n = x.size(d), over = d;
  Dims one(x.sizes());
  one[d] = 1;
  Tensor ones_slice = full(IntView(one), 1, x.dtype());
  std::vector<Tensor> parts;
  for (int64_t k = 0; k < n; ++k) {
    Tensor after = ones_slice;
    if (k + 1 < n) {
      std::vector<Tensor> both{ones_slice, cumprod(narrow(x, d, k + 1, n - k - 1), d)};
      after = cat(both, d);
    }
    if (k) after = mul(after, prod(narrow(x, d, 0, k), d, true));
    parts.push_back(sum(mul(narrow(g, d, k, n - k), conj_if(after)), IntView(&over, 1), true));
  }
  return cat(parts, d);
}

// Element by element: log(exp(a) + exp(b)) = hi + log(1 + exp(lo - hi)), lo and hi by real parts.
Tensor complex_logcumsumexp(const Tensor& x, int d) {
  if (x.numel() == 0 || x.dim() == 0) return clone(x);
  std::vector<Tensor> parts{narrow(x, d, 0, 1)};
  for (int64_t k = 1; k < x.size(d); ++k) {
    Tensor next = narrow(x, d, k, 1), before = parts.back(), smaller = le(real(next), real(before));
    Tensor lo = where(smaller, next, before), hi = where(smaller, before, next);
    parts.push_back(add(hi, log(add(exp(sub(lo, hi)), 1))));
  }
  return cat(parts, d);
}
// Positive and negative gradients apart, in logarithms.
void logcumsumexp_gradient(Grad& G) {
  Tensor x = G.in(0), result = G.result(), g = G.grad();
  if (x.numel() == 0 || x.dim() == 0) return G.set(0, g);
  int64_t d = wrap_dim(G.arg(1).i, x.dim());
  auto reversed = [&](const Tensor& t) {
    return flip(logcumsumexp(flip(t, IntView(&d, 1)), d), IntView(&d, 1));
  };
  const DType t = real_type(x.dtype());
  const double lowest = t == DType::Float64 ? -1.7976931348623157e308 : t == DType::Float32 ? -3.4028234663852886e38
                                                                    : t == DType::Float16   ? -65504.0
                                                                                            : -3.3895313892515355e38;
  Tensor none = full(IntView(), lowest, x.dtype());  // finite, so that differences of it are numbers
  if (is_complex(x.dtype())) {
    Tensor logs = where(eq(g, 0), none, log(g));
    return G.set(0, exp(add(reversed(sub(logs, conj(result))), conj(x))));
  }
  Tensor up = exp(add(reversed(sub(where(gt(g, 0), log(abs(g)), none), result)), x));
  Tensor down = exp(add(reversed(sub(where(lt(g, 0), log(abs(g)), none), result)), x));
  G.set(0, sub(up, down));
}

}  // namespace

Record cumsum{{.schema = {"cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"},
               .forward = [](Call& c) {
                 cumulate(c, cpu::Scan::Cumsum);
               },
               .gradient = [](Grad& G) {
                 G.set(0, gradient_as(reversed_cumsum(G.grad(), wrap_dim(G.arg(1).i, G.sizes(0).n)), G.dtype(0)));
               },
               .flags = kAll,
               .doc = "Running sums along dim.\n\n>>> torch.cumsum(torch.tensor([1, 2, 3]), 0)\ntensor([1, 3, 6])"}};
Record cumprod{{.schema = {"cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor"},
                .forward = [](Call& c) {
                  cumulate(c, cpu::Scan::Cumprod);
                },
                .gradient = [](Grad& G) {
                  DType t = loop_type(G.grad().dtype());
                  Tensor x = to_dtype(G.in(0), t), g = to_dtype(G.grad(), t), r = to_dtype(G.result(), t);
                  G.set(0, gradient_as(cumprod_gradient(g, x, r, wrap_dim(G.arg(1).i, x.dim())), G.dtype(0)));
                },
                .save = kSaveSelf | kSaveResult,
                .flags = kAll,
                .doc = "Running products along dim."}};

// ------------------------------------------------------------------------------------------------ log-sum-exp

Record logcumsumexp{{.schema = {"logcumsumexp(Tensor self, int dim) -> Tensor"},
                     .forward = [](Call& c) {
                       const Tensor& x = c.tensor(0);
                       int d = wrap_dim(c.integer(1), x.dim());
                       if (!is_floating(x.dtype())) {
                         if (!is_complex(x.dtype())) fail(ErrorKind::NotImplemented, "\"logcumsumexp_out_cpu\" not implemented for '", scalar_type_name(x.dtype()), "'");
                         return c.ret(complex_logcumsumexp(x, d));
                       }
                       const Tensor& out = c.result(x.sizes(), x.dtype(), nullptr, false);
                       run_scan(cpu::Scan::Logcumsumexp, x, d, out);
                     },
                     .gradient = logcumsumexp_gradient,
                     .save = kSaveSelf | kSaveResult,
                     .flags = kBoth | kOut | kExactOut,
                     .doc = "Logarithms of the running sums of exp(self) along dim."}};

}  // namespace fl::ops
