// Padding with what the tensor holds: reflected, replicated or circular, and its adjoint. The middle is copied once; then dimension by
// dimension, the last first, what lies outside comes from what is inside already. Amounts are not negative here.
#include "base/unlock.h"
#include "kernels/cpu/index.h"
#include "ops/elementwise.h"

namespace fl::ops {

extern Record pad_edges_adjoint;

namespace {

enum Edge { Reflect,
            Replicate,
            Circular };

// A window of `t` along dim d; `step` -1 walks backwards from `first`, 0 stays there.
struct Window {
  Dims sizes, strides;
  int64_t offset;
  explicit Window(const Tensor& t) : sizes(t.sizes()), strides(t.strides()), offset(t->offset) {}
  Window along(int d, int64_t first, int64_t count, int64_t step = 1) const {
    Window w = *this;
    w.offset += first * strides[d];
    w.sizes[d] = count;
    w.strides[d] = strides[d] * step;
    return w;
  }
};

char* start(const Tensor& t, const Window& w) { return t.bytes() + (w.offset - t->offset) * int64_t(item_size(t.dtype())); }

void copy(const Tensor& to, const Window& dst, const Tensor& from, const Window& src) {
  const int64_t item = int64_t(item_size(to.dtype()));
  Dims a(dst.strides), b(src.strides);
  for (int d = 0; d < a.size(); ++d) a[d] *= item, b[d] *= item;
  cpu::strided_copy(item, a.size(), dst.sizes.data(), start(to, dst), a.data(), start(from, src), b.data());
}

// Of the padding of dimension d by `before` and `after`, around `size` elements: f(window outside, window it repeats).
template <class F>
void for_edges(const Window& all, int d, int64_t before, int64_t size, int64_t after, Edge edge, F&& f) {
  const int64_t last = before + size - 1;
  if (before) {
    Window out = all.along(d, 0, before);
    f(out, edge == Reflect     ? all.along(d, 2 * before, before, -1)
           : edge == Replicate ? all.along(d, before, before, 0)
                               : all.along(d, size, before));
  }
  if (after) {
    Window out = all.along(d, last + 1, after);
    f(out, edge == Reflect     ? all.along(d, last - 1, after, -1)
           : edge == Replicate ? all.along(d, last, after, 0)
                               : all.along(d, before, after));
  }
}

void pad_forward(Call& c) {
  Tensor x = c.tensor(0);
  IntView pad = c.ints(1);
  const int padded = pad.n / 2, n = x.dim();
  Dims sizes(x.sizes());
  for (int p = 0; p < padded; ++p) sizes[n - 1 - p] += pad[2 * p] + pad[2 * p + 1];
  const Tensor& out = c.result(sizes, x.dtype());
  if (out.numel() == 0) return;
  Unlock unlock(double(out.numel()) * 0.5);
  Window done(out);
  for (int p = 0; p < padded; ++p) done = done.along(n - 1 - p, pad[2 * p], x.size(n - 1 - p));
  copy(out, done, x, Window(x));
  for (int p = 0; p < padded; ++p) {
    const int d = n - 1 - p;
    Window all = done;
    all.offset -= pad[2 * p] * out.stride(d);
    all.sizes[d] = sizes[d];
    for_edges(all, d, pad[2 * p], x.size(d), pad[2 * p + 1], Edge(c.integer(2)), [&](const Window& to, const Window& from) {
      copy(out, to, out, from);
    });
    done = all;
  }
}

// What arrives at the edges is added to what they repeat, in the opposite order.
void adjoint_forward(Call& c) {
  Tensor g = c.tensor(0);
  Tensor sum = empty(g.sizes(), g.dtype());
  copy_values(sum, g);
  IntView pad = c.ints(1);
  const int padded = pad.n / 2, n = g.dim();
  Window rest(sum);
  for (int p = padded - 1; p >= 0; --p) {
    const int d = n - 1 - p;
    const int64_t before = pad[2 * p], after = pad[2 * p + 1], size = sum.size(d) - before - after;
    for_edges(rest, d, before, size, after, Edge(c.integer(2)), [&](const Window& from, const Window& to) {
      const int64_t step = to.strides[d] == 0 ? 0 : to.strides[d] < 0 ? -1
                                                                      : 1;
      if (sum.numel() == 0) return;
      for (int64_t k = 0; k < from.sizes[d]; ++k) {  // one slice at a time: of a replicated edge all go to one place
        Window a = from.along(d, k, 1), b = to;
        b.offset += k * to.strides[d] * (step != 0);
        b.sizes[d] = 1, b.strides[d] = a.strides[d];
        add_in_place(make_view(sum, b.sizes, b.strides, b.offset), make_view(sum, a.sizes, a.strides, a.offset));
      }
    });
    rest = rest.along(d, before, size);
  }
  c.ret(contiguous_of(make_view(sum, rest.sizes, rest.strides, rest.offset)));
}

}  // namespace

// mode: 0 reflect, 1 replicate, 2 circular. pad: (before, after) of the last dimension, of the one before it...
Record pad_edges{{.schema = {"_pad_edges(Tensor self, int[] pad, int mode) -> Tensor"},
                  .forward = pad_forward,
                  .gradient = [](Grad& G) {
                    G.set(0, pad_edges_adjoint(G.grad(), G.arg(1).int_view(), G.arg(2)));
                  },
                  .flags = kFunction | kNn}};
Record pad_edges_adjoint{{.schema = {"_pad_edges_adjoint(Tensor self, int[] pad, int mode) -> Tensor"},
                          .forward = adjoint_forward,
                          .gradient = [](Grad& G) {
                            G.set(0, pad_edges(G.grad(), G.arg(1).int_view(), G.arg(2)));
                          },
                          .flags = kFunction | kNn}};

}  // namespace fl::ops
