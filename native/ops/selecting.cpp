// Elements picked along a dimension by an index tensor, and the reverse: how reductions that return indices pass gradients on.
#include "kernels/cpu/index.h"

#include "ops/reduction.h"

namespace fl::ops {

namespace {

Tensor at_least_1d(const Tensor& t) { return t.dim() == 0 ? make_view(t, IntView{1}, IntView{1}, t->offset) : t; }

struct Along {
  Tensor self, other, index;
  Dims self_strides, other_strides, index_strides;
  cpu::DimIndex d;
  Along(const Tensor& s, const Tensor& o, const Tensor& ix, int dim) : self(at_least_1d(s)), other(at_least_1d(o)), index(at_least_1d(ix)) {
    self_strides = byte_strides(self), other_strides = byte_strides(other), index_strides = byte_strides(index);
    d.ndim = index.dim(), d.dim = dim, d.sizes = index.sizes().data;
    d.self_strides = self_strides.data(), d.other_strides = other_strides.data();
    d.index = index.data<int64_t>(), d.index_strides = index_strides.data(), d.bound = self.size(dim);
  }
};

}  // namespace

extern Record place;
// self at index along dim (torch.gather for a trusted index of any length along dim).
Record pick{{.schema = {"_pick(Tensor self, int dim, Tensor index) -> Tensor"},
             .forward = [](Call& c) {
               const Tensor &x = c.tensor(0), &index = c.tensor(2);
               Tensor out = empty(index.sizes(), x.dtype());
               c.ret(out);
               if (out.numel()) {
                 Along a(x, out, index, int(c.integer(1)));
                 cpu::BadIndex bad = cpu::gather(int64_t(item_size(x.dtype())), a.d, a.self.bytes(), a.other.bytes());
                 FL_CHECK_KIND(Index, !bad, "index ", bad.value, " is out of bounds");
               }
             },
             .gradient = [](Grad& G) {
               IntView sizes = G.sizes(0);
               G.set(0, place(G.grad(), G.arg(1), G.in(2), sizes.n ? sizes[int(G.arg(1).i)] : int64_t(1)));
             },
             .save = save_in(2),
             .flags = kPrivate}};
// Zeros of length n along dim, with self added at index.
Record place{{.schema = {"_place(Tensor self, int dim, Tensor index, int n) -> Tensor"},
              .forward = [](Call& c) {
                const Tensor &g = c.tensor(0), &index = c.tensor(2);
                Dims sizes(index.sizes());
                if (sizes.size()) sizes[int(c.integer(1))] = c.integer(3);
                Tensor out = empty(sizes, g.dtype());
                c.ret(out);
                fill_values(out, Value(0));
                if (g.numel()) {
                  Along a(out, g, index, int(c.integer(1)));
                  cpu::BadIndex bad = cpu::scatter_reduce(g.dtype(), cpu::ScatterOp::Sum, a.d, a.self.bytes(), a.other.bytes());
                  FL_CHECK_KIND(Index, !bad, "index ", bad.value, " is out of bounds");
                }
              },
              .gradient = [](Grad& G) {
                G.set(0, pick(G.grad(), G.arg(1), G.in(2)));
              },
              .save = save_in(2),
              .flags = kPrivate}};

// The gradient of values picked at the places `index` (both without dim, unless keepdim).
Tensor place_reduced(const Tensor& g, const Tensor& index, IntView sizes, int64_t dim, bool keepdim) {
  if (sizes.n == 0) return g;
  int d = wrap_dim(dim, sizes.n);
  if (keepdim) return place(g, d, index, sizes[d]);
  return place(unsqueeze(g, d), d, unsqueeze(index, d), sizes[d]);
}

}  // namespace fl::ops
