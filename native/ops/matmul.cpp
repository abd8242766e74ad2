// Matrix products: mm, bmm, matmul, addmm and their kin, all over one kernel that takes any strides.
#include "base/unlock.h"
#include "kernels/cpu/gemm.h"
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

cpu::GemmFactor factor(const Value& v) { return {v.real(), v.imag(), v.integer()}; }

// out (b, m, n) = alpha a (b, m, k) @ c (b, k, n) + beta d; all operands as 3-d strides, d optional and broadcast by its strides.
void product(const Tensor& out, const Tensor& a, const Tensor& b, const Tensor* d = nullptr, Value alpha = Value(1.0), Value beta = Value(1.0),
             cpu::Activation activation = cpu::Activation::None) {
  if (no_work(out)) return;
  cpu::GemmDesc g;
  g.dtype = out.dtype();
  g.activation = activation;
  int nd = out.dim();
  g.batch = nd == 3 ? out.size(0) : 1;
  g.m = out.size(-2);
  g.n = out.size(-1);
  g.k = a.size(-1);
  auto batch = [](const Tensor& t) {
    return t.dim() == 3 && t.size(0) > 1 ? t.stride(0) : 0;
  };
  g.a = a.bytes();
  g.a_batch = batch(a);
  g.a_row = a.stride(-2);
  g.a_col = a.stride(-1);
  g.b = b.bytes();
  g.b_batch = batch(b);
  g.b_row = b.stride(-2);
  g.b_col = b.stride(-1);
  g.c = out.bytes();
  g.c_batch = batch(out);
  g.c_row = out.stride(-2);
  g.c_col = out.stride(-1);
  g.alpha = factor(alpha);
  if (d) {
    g.d = d->bytes();
    g.d_batch = batch(*d);
    g.d_row = d->stride(-2);
    g.d_col = d->stride(-1);
    g.beta = factor(beta);
  }
  Unlock unlock(double(g.batch) * double(g.m) * double(g.n) * double(g.k) * 0.01);
  cpu::gemm_kernels().gemm(g);
}

void check_types(const char* op, const Tensor& a, const Tensor& b) {
  FL_CHECK(a.dtype() == b.dtype(), "expected m1 and m2 to have the same dtype, but got: ", c10_name(a.dtype()), " != ", c10_name(b.dtype()));
  FL_CHECK_KIND(NotImplemented, a.dtype() != DType::Bool && !(a.dtype() >= DType::UInt16 && a.dtype() <= DType::UInt64), "\"", op, "\" not implemented for '", scalar_type_name(a.dtype()), "'");
}

Tensor adjoint(const Tensor& t) { return conj_if(transpose(t, -2, -1)); }

}  // namespace

const char* c10_name(DType t) {
  static const char* const names[] = {"bool", "unsigned char", "signed char", "short", "int", "long int", "c10::UInt16", "c10::UInt32", "c10::UInt64",
                                      "c10::Half", "c10::BFloat16", "float", "double", "c10::complex<float>", "c10::complex<double>", "c10::complex<c10::Half>"};
  return names[int(t)];
}

Record mm{{.schema = {"mm(Tensor self, Tensor mat2) -> Tensor"},
           .forward = [](Call& c) {
             const Tensor &a = c.tensor(0), &b = c.tensor(1);
             FL_CHECK(a.dim() == 2, "self must be a matrix");
             FL_CHECK(b.dim() == 2, "mat2 must be a matrix");
             FL_CHECK(a.size(1) == b.size(0), "mat1 and mat2 shapes cannot be multiplied (", a.size(0), "x", a.size(1), " and ", b.size(0), "x", b.size(1), ")");
             check_types("addmm_impl_cpu_", a, b);
             const Tensor& out = c.result(IntView{a.size(0), b.size(1)}, a.dtype());
             product(out, a, b);
           },
           .gradient = [](Grad& G) {
             if (G.needs(0)) G.set(0, mm(G.grad(), adjoint(G.in(1))));
             if (G.needs(1)) G.set(1, mm(adjoint(G.in(0)), G.grad()));
           },
           .save = save_in(0) | save_in(1) | kCross,
           .flags = kBoth | kOut | kExactOut,
           .autocast = Autocast::Lower,
           .doc = "The product of two matrices.\n\n>>> torch.mm(torch.tensor([[1., 2.]]), torch.tensor([[3.], [4.]]))\ntensor([[11.]])"}};
Record bmm{{.schema = {"bmm(Tensor self, Tensor mat2) -> Tensor"},
            .forward = [](Call& c) {
              const Tensor &a = c.tensor(0), &b = c.tensor(1);
              FL_CHECK(a.dim() == 3, "batch1 must be a 3D tensor");
              FL_CHECK(b.dim() == 3, "batch2 must be a 3D tensor");
              FL_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1), "Expected size for first two dimensions of batch2 tensor to be: [", a.size(0), ", ", a.size(2),
                       "] but got: [", b.size(0), ", ", b.size(1), "].");
              check_types("bmm", a, b);
              const Tensor& out = c.result(IntView{a.size(0), a.size(1), b.size(2)}, a.dtype());
              product(out, a, b);
            },
            .gradient = [](Grad& G) {
              if (G.needs(0)) G.set(0, bmm(G.grad(), adjoint(G.in(1))));
              if (G.needs(1)) G.set(1, bmm(adjoint(G.in(0)), G.grad()));
            },
            .save = save_in(0) | save_in(1) | kCross,
            .flags = kBoth | kOut | kExactOut,
            .autocast = Autocast::Lower,
            .doc = "Products of matrices, one a batch item."}};
Record mv{{.schema = {"mv(Tensor self, Tensor vec) -> Tensor"},
           .forward = [](Call& c) {
             const Tensor &a = c.tensor(0), &v = c.tensor(1);
             FL_CHECK(a.dim() == 2 && v.dim() == 1, "vector + matrix @ vector expected, got 1, ", a.dim(), ", ", v.dim());
             FL_CHECK(a.size(1) == v.size(0), "size mismatch, got input (", a.size(0), "), mat (", a.size(0), "x", a.size(1), "), vec (", v.size(0), ")");
             check_types("addmv_impl_cpu", a, v);
             const Tensor& out = c.result(IntView{a.size(0)}, a.dtype());
             product(make_view(out, IntView{out.size(0), 1}, IntView{out.stride(0), 1}, out->offset), a, make_view(v, IntView{v.size(0), 1}, IntView{v.stride(0), 1}, v->offset));
           },
           .gradient = [](Grad& G) {
             if (G.needs(0)) G.set(0, mul(unsqueeze(G.grad(), 1), conj_if(unsqueeze(G.in(1), 0))));
             if (G.needs(1)) G.set(1, mv(adjoint(G.in(0)), G.grad()));
           },
           .save = save_in(0) | save_in(1) | kCross,
           .flags = kBoth | kOut | kExactOut,
           .autocast = Autocast::Lower,
           .doc = "A matrix times a vector."}};
static void dot_forward(Call& c, bool conjugate) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  FL_CHECK(a.dim() == 1 && b.dim() == 1, "1D tensors expected, but got ", a.dim(), "D and ", b.dim(), "D tensors");
  FL_CHECK(a.dtype() == b.dtype(), "dot : expected both vectors to have same dtype, but found ", scalar_type_name(a.dtype()), " and ", scalar_type_name(b.dtype()));
  FL_CHECK(a.numel() == b.numel(), "inconsistent tensor size, expected tensor [", a.numel(), "] and src [", b.numel(), "] to have the same number of elements, but got ", a.numel(), " and ",
           b.numel(), " elements respectively");
  check_types("dot", a, b);
  Tensor x = conjugate ? conj_if(a) : a;
  const Tensor& out = c.result(IntView(), a.dtype());
  product(make_view(out, IntView{1, 1}, IntView{1, 1}, out->offset), make_view(x, IntView{1, x.size(0)}, IntView{1, x.stride(0)}, x->offset),
          make_view(b, IntView{b.size(0), 1}, IntView{b.stride(0), 1}, b->offset));
}
Record dot{{.schema = {"dot(Tensor self, Tensor tensor) -> Tensor"},
            .forward = [](Call& c) {
              dot_forward(c, false);
            },
            .gradient = [](Grad& G) {
              if (G.needs(0)) G.set(0, mul(G.grad(), conj_if(G.in(1))));
              if (G.needs(1)) G.set(1, mul(G.grad(), conj_if(G.in(0))));
            },
            .save = save_in(0) | save_in(1) | kCross,
            .flags = kBoth | kOut | kExactOut,
            .doc = "The inner product of two vectors."}};
Record vdot{{.schema = {"vdot(Tensor self, Tensor other) -> Tensor"},
             .forward = [](Call& c) {
               dot_forward(c, true);
             },
             .gradient = [](Grad& G) {
               if (G.needs(0)) G.set(0, mul(conj_if(G.grad()), G.in(1)));
               if (G.needs(1)) G.set(1, mul(G.grad(), G.in(0)));
             },
             .save = save_in(0) | save_in(1) | kCross,
             .flags = kBoth | kOut | kExactOut,
             .doc = "The inner product with the first vector conjugated."}};

static bool number_is(const Value& v, double x) { return v.real() == x && v.imag() == 0; }
static void check_factor(const char* name, const Value& v, DType t) {
  FL_CHECK(is_differentiable(t) || v.tag == Value::IntTag || v.tag == Value::BoolTag, "For integral input tensors, argument ", name, " must not be a floating point number.");
}
static Tensor expanded(const Tensor& t, IntView size, const char* op) {
  if (t.sizes() == size) return t;
  FL_CHECK(t.dim() <= size.n, "The expanded size of the tensor (", size.n ? size[0] : 0, ") must match the existing size (", t.dim() ? t.size(0) : 0, ") at non-singleton dimension 0.  Target sizes: ", size,
           ".  Tensor sizes: ", t.sizes());
  int lead = size.n - t.dim();
  Dims st(size.n);
  for (int k = 0; k < size.n; ++k) {
    int64_t have = k < lead ? 1 : t.size(k - lead);
    FL_CHECK(have == size[k] || have == 1, "The expanded size of the tensor (", size[k], ") must match the existing size (", have, ") at non-singleton dimension ", k, ".  Target sizes: ", size,
             ".  Tensor sizes: ", t.sizes());
    st[k] = have == size[k] && k >= lead ? t.stride(k - lead) : 0;
  }
  return make_view(t, size, st, t->offset);
}
static Tensor scaled(const Tensor& t, const Value& v) { return number_is(v, 1) ? t : times_value(t, v); }
static void addmm_forward(Call& c, cpu::Activation activation) {
  const Tensor &d = c.tensor(0), &a = c.tensor(1), &b = c.tensor(2);
  FL_CHECK(a.dim() == 2, "mat1 must be a matrix, got ", a.dim(), "-D tensor");
  FL_CHECK(b.dim() == 2, "mat2 must be a matrix, got ", b.dim(), "-D tensor");
  FL_CHECK(a.size(1) == b.size(0), "mat1 and mat2 shapes cannot be multiplied (", a.size(0), "x", a.size(1), " and ", b.size(0), "x", b.size(1), ")");
  FL_CHECK(d.dtype() == a.dtype(), "self and mat2 must have the same dtype, but got ", scalar_type_name(d.dtype()), " and ", scalar_type_name(b.dtype()));
  check_types("addmm_impl_cpu_", a, b);
  check_factor("beta", c.arg(3), a.dtype());
  check_factor("alpha", c.arg(4), a.dtype());
  Dims size{a.size(0), b.size(1)};
  Tensor term = expanded(d, size, "addmm");
  const Tensor& out = c.result(size, a.dtype());
  product(out, a, b, &term, c.arg(4), c.arg(3), activation);
}
Record addmm{{.schema = {"addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"},
              .forward = [](Call& c) {
                addmm_forward(c, cpu::Activation::None);
              },
              .gradient = [](Grad& G) {
                const Tensor& g = G.grad();
                if (G.needs(0)) G.set(0, scaled(g, G.arg(3)));
                if (G.needs(1)) G.set(1, scaled(mm(g, adjoint(G.in(2))), G.arg(4)));
                if (G.needs(2)) G.set(2, scaled(mm(adjoint(G.in(1)), g), G.arg(4)));
              },
              .save = save_in(1) | save_in(2),
              .flags = kAll | kExactOut,
              .autocast = Autocast::Lower,
              .doc = "beta self + alpha mat1 @ mat2."}};
static void check_batches(const Tensor& a, const Tensor& b) {
  FL_CHECK(a.dim() == 3, "batch1 must be a 3D tensor");
  FL_CHECK(b.dim() == 3, "batch2 must be a 3D tensor");
  FL_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1), "Expected size for first two dimensions of batch2 tensor to be: [", a.size(0), ", ", a.size(2), "] but got: [", b.size(0), ", ", b.size(1), "].");
}
Record baddbmm{{.schema = {"baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor"},
                .forward = [](Call& c) {
                  const Tensor &d = c.tensor(0), &a = c.tensor(1), &b = c.tensor(2);
                  check_batches(a, b);
                  FL_CHECK(d.dtype() == a.dtype(), "Input dtypes must be the same, got: input ", dtype_name(d.dtype()), ", batch1: ", dtype_name(a.dtype()), ", batch2: ", dtype_name(b.dtype()));
                  check_types("baddbmm", a, b);
                  check_factor("beta", c.arg(3), a.dtype());
                  check_factor("alpha", c.arg(4), a.dtype());
                  Dims size{a.size(0), a.size(1), b.size(2)};
                  Tensor term = expanded(d, size, "baddbmm");
                  const Tensor& out = c.result(size, a.dtype());
                  product(out, a, b, &term, c.arg(4), c.arg(3));
                },
                .gradient = [](Grad& G) {
                  const Tensor& g = G.grad();
                  if (G.needs(0)) G.set(0, scaled(g, G.arg(3)));
                  if (G.needs(1)) G.set(1, scaled(bmm(g, adjoint(G.in(2))), G.arg(4)));
                  if (G.needs(2)) G.set(2, scaled(bmm(adjoint(G.in(1)), g), G.arg(4)));
                },
                .save = save_in(1) | save_in(2),
                .flags = kAll | kExactOut,
                .autocast = Autocast::Lower,
                .doc = "beta self + alpha batch1 @ batch2, item by item."}};

// F.linear: input @ weight.T + bias over the last dimension.
Record linear{{.schema = {"linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor"},
               .forward = [](Call& c) {
                 const Tensor &x = c.tensor(0), &w = c.tensor(1);
                 FL_CHECK(w.dim() == 2 || w.dim() == 1, "linear: weight must be a matrix or vector (got ", w.dim(), " dimensions)");
                 FL_CHECK(x.dim() > 0, "both arguments to linear need to be at least 1D, but they are ", x.dim(), "D and ", w.dim(), "D");
                 int64_t k = x.size(-1), n = w.dim() == 2 ? w.size(0) : 1;
                 int64_t rows = 1;
                 for (int d = 0; d + 1 < x.dim(); ++d) rows *= x.size(d);
                 FL_CHECK(k == w.size(-1), "mat1 and mat2 shapes cannot be multiplied (", rows, "x", k, " and ", w.size(-1), "x", n, ")");
                 FL_CHECK(x.dtype() == w.dtype(), "mat1 and mat2 must have the same dtype, but got ", scalar_type_name(x.dtype()), " and ", scalar_type_name(w.dtype()));
                 check_types("addmm_impl_cpu_", x, w);
                 Dims size(x.sizes());
                 if (w.dim() == 2) size[x.dim() - 1] = n;
                 else size.erase(x.dim() - 1);
                 Tensor rows_of = x;
                 int64_t row = x.dim() > 1 ? x.stride(-2) : 0;
                 if (x.dim() > 2) {  // one row stride for all leading dimensions, or a copy
                   Dims st;
                   if (!view_strides(x.sizes(), x.strides(), IntView{rows, k}, st)) rows_of = contiguous_of(x);
                   row = rows_of.get() == x.get() ? st[0] : k;
                 }
                 Tensor term;
                 if (c.has(2)) {
                   const Tensor& b = c.tensor(2);
                   FL_CHECK(b.dtype() == x.dtype(), "self and mat2 must have the same dtype, but got ", scalar_type_name(b.dtype()), " and ", scalar_type_name(w.dtype()));
                   term = b.dim() == 1 && b.size(0) == n ? b : expanded(b, IntView{rows, n}, "linear");
                 }
                 const Tensor& out = c.result(size, x.dtype());
                 cpu::GemmDesc g;
                 g.dtype = x.dtype();
                 g.m = rows;
                 g.n = n;
                 g.k = k;
                 g.a = rows_of.bytes();
                 g.a_row = row;
                 g.a_col = rows_of.stride(-1);
                 g.b = w.bytes();
                 g.b_row = w.stride(-1);
                 g.b_col = w.dim() == 2 ? w.stride(0) : 0;
                 g.c = out.bytes();
                 g.c_row = n;
                 if (term.defined()) {
                   g.d = term.bytes();
                   g.d_row = term.dim() == 2 ? term.stride(0) : 0;
                   g.d_col = term.stride(-1);
                   g.beta = cpu::gemm_factor(1);
                 }
                 Unlock unlock(double(rows) * double(n) * double(k) * 0.01);
                 cpu::gemm_kernels().gemm(g);
               },
               .gradient = [](Grad& G) {
                 const Tensor& g = G.grad();
                 Tensor w = G.in(1);
                 if (w.dim() == 1) {
                   if (G.needs(0)) G.set(0, mul(unsqueeze(g, -1), conj_if(w)));
                   if (G.needs(1)) G.set(1, sum_to(mul(unsqueeze(g, -1), conj_if(G.in(0))), w.sizes()));
                   if (G.needs(2)) G.set(2, sum_to(g, G.sizes(2)));
                   return;
                 }
                 int64_t n = g.size(-1), rows = 1;
                 for (int d = 0; d + 1 < g.dim(); ++d) rows *= g.size(d);
                 Tensor flat = g.dim() == 2 ? g : reshape(g, IntView{rows, n});
                 if (G.needs(0)) {
                   Tensor gx = mm(flat, conj_if(w));
                   G.set(0, g.dim() == 2 ? gx : view(gx, G.sizes(0)));
                 }
                 if (G.needs(1)) {
                   Tensor x = G.in(0);
                   if (x.dim() != 2) x = reshape(x, IntView{rows, x.size(-1)});
                   G.set(1, mm(transpose(flat, 0, 1), conj_if(x)));
                 }
                 if (G.needs(2)) G.set(2, sum_to(flat, G.sizes(2)));
               },
               .save = save_in(0) | save_in(1),
               .flags = kFunction | kNn | kOut | kExactOut,
               .autocast = Autocast::Lower,
               .nodes = {"AddmmBackward0"},
               .doc = "input @ weight.T + bias."}};

// ------------------------------------------------------------------------------------------------ matmul: every combination of dimensions

Record matmul{{.schema = {"matmul(Tensor self, Tensor other) -> Tensor"},
               .forward = [](Call& c) {
                 const Tensor &a = c.tensor(0), &b = c.tensor(1);
                 FL_CHECK(a.dim() && b.dim(), "both arguments to matmul need to be at least 1D, but they are ", a.dim(), "D and ", b.dim(), "D");
                 if (a.dim() == 2 && b.dim() == 2) return c.ret(mm(a, b));
                 if (a.dim() == 1 && b.dim() == 1) return c.ret(dot(a, b));
                 if (a.dim() == 2 && b.dim() == 1) return c.ret(mv(a, b));
                 if (a.dim() == 1 && b.dim() == 2) return c.ret(squeeze_dims(mm(unsqueeze(a, 0), b), IntView{0}));
                 Tensor x = a.dim() == 1 ? unsqueeze(a, 0) : a, y = b.dim() == 1 ? unsqueeze(b, 1) : b;
                 FL_CHECK(x.size(-1) == y.size(-2), "mat1 and mat2 shapes cannot be multiplied (", x.size(-2), "x", x.size(-1), " and ", y.size(-2), "x", y.size(-1), ")");
                 Tensor r;
                 int64_t m = x.size(-2), k = x.size(-1), n = y.size(-1);
                 if (y.dim() == 2 && x.dim() > 2) {  // fold the batch into the rows
                   Dims size(x.sizes());
                   size[x.dim() - 1] = n;
                   int64_t rows = 1;
                   for (int d = 0; d + 1 < x.dim(); ++d) rows *= x.size(d);
                   r = view(mm(reshape(x, IntView{rows, k}), y), IntView(size));
                 } else if (x.dim() == 2 && y.dim() > 2 && x.requires_grad()) {  // fold the other way: x's gradient is then one product
                   Dims size(y.sizes());
                   size[y.dim() - 2] = n;
                   size[y.dim() - 1] = m;
                   int64_t rows = n;
                   for (int d = 0; d + 2 < y.dim(); ++d) rows *= y.size(d);
                   Tensor folded = view(mm(reshape(transpose(y, -2, -1), IntView{rows, k}), transpose(x, 0, 1)), IntView(size));
                   r = transpose(folded, -2, -1);
                 } else {
                   Dims batch = broadcast_shapes(IntView(x.sizes().data, x.dim() - 2), IntView(y.sizes().data, y.dim() - 2));
                   int64_t count = 1;
                   for (int64_t s : batch) count *= s;
                   auto expand3 = [&](const Tensor& t, int64_t rows, int64_t cols) {
                     Dims size(batch);
                     size.push(rows);
                     size.push(cols);
                     return reshape(t.sizes() == IntView(size) ? t : expand(t, IntView(size)), IntView{count, rows, cols});
                   };
                   Dims size(batch);
                   size.push(m);
                   size.push(n);
                   r = view(bmm(expand3(x, m, k), expand3(y, k, n)), IntView(size));
                 }
                 if (a.dim() == 1) r = squeeze_dims(r, IntView{-2});
                 if (b.dim() == 1) r = squeeze_dims(r, IntView{-1});
                 c.ret(r);
               },
               .flags = kBoth | kOut | kComposite,
               .autocast = Autocast::Lower,
               .doc = "The matrix product; leading dimensions are batches and broadcast, vectors are rows or columns."}};

}  // namespace fl::ops
