// Views: new windows on the same storage, and the copies that go with them (contiguous, clone, reshape).
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

// ------------------------------------------------------------------------------------------------ gradients of windows

// Adds `g`, element by element, into the window (sizes of g, strides, offset) of contiguous `whole`; windows may overlap themselves.
void add_window(const Tensor& whole, const Tensor& g, IntView strides, int64_t offset) {
  if (no_work(g)) return;
  DType t = whole.dtype();
  cpu::Loop add = cpu::pointwise_kernels().binary[int(cpu::Binary::Add)][int(t)];
  int64_t item = int64_t(item_size(t)), nd = g.dim();
  Dims index(int(nd), 0);
  int64_t inner = nd ? g.size(-1) : 1, w = nd ? strides[int(nd) - 1] * item : 0, s = nd ? g.stride(-1) * item : 0;
  char* dst = whole.bytes() + offset * item;
  const char* src = g.bytes();
  for (;;) {
    char* p[3] = {dst, dst, const_cast<char*>(src)};
    int64_t st[3] = {w, w, s};
    if (w != 0 || inner == 1) add(inner, p, st, nullptr);
    else
      for (int64_t i = 0; i < inner; ++i, p[2] += s) add(1, p, st, nullptr);
    int d = int(nd) - 2;
    for (; d >= 0; --d) {
      dst += strides[d] * item;
      src += g.stride(d) * item;
      if (++index[d] < g.size(d)) break;
      dst -= strides[d] * item * g.size(d);
      src -= g.stride(d) * item * g.size(d);
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

bool window_may_overlap(IntView sizes, IntView strides) {  // conservative: sorted strides must each clear the extents below
  int order[kMaxDims], n = 0;
  for (int d = 0; d < sizes.n; ++d)
    if (sizes[d] > 1) order[n++] = d;
  std::sort(order, order + n, [&](int a, int b) {
    return strides[a] < strides[b];
  });
  int64_t reach = 0;
  for (int k = 0; k < n; ++k) {
    if (strides[order[k]] <= reach) return true;
    reach += strides[order[k]] * (sizes[order[k]] - 1);
  }
  return false;
}

}  // namespace

// Zeros of `size` with `grad` added into the window (stride, offset): the gradient of every windowing view.
Record window_backward{{.schema = {"_window_backward(Tensor grad, int[] size, int[] stride, int offset) -> Tensor"},
                        .forward = [](Call& c) {
                          const Tensor& g = c.tensor(0);
                          IntView st = c.ints(2);
                          if (!window_may_overlap(g.sizes(), st)) {
                            Tensor whole = zeros_like_sizes(c.ints(1), g.dtype());
                            if (g.numel()) copy_values(make_view(whole, g.sizes(), st, c.integer(3)), g);
                            return c.ret(whole);
                          }
                          DType t = loop_type(g.dtype());
                          Tensor whole = zeros_like_sizes(c.ints(1), t);
                          add_window(whole, cast_of(g, t), st, c.integer(3));
                          c.ret(cast_of(whole, g.dtype()));
                        },
                        .gradient = [](Grad& G) {
                          G.set(0, as_strided(contiguous(G.grad()), G.sizes(0), G.arg(2).int_view(), G.arg(3)));
                        },
                        .flags = kPrivate}};

static Tensor scatter_view(const Tensor& g, IntView sizes, IntView strides, int64_t offset) { return window_backward(g, sizes, strides, offset); }

// ------------------------------------------------------------------------------------------------ strides by hand

// The public as_strided notes self's own geometry, which the gradient needs and later changes of self must not touch.
Record as_strided_window{{.schema = {"_as_strided(Tensor(a) self, int[] size, int[] stride, int storage_offset, int[] self_stride, int self_offset) -> Tensor(a)"},
                          .forward = [](Call& c) {
                            const Tensor& x = c.tensor(0);
                            check_storage_bounds(c.ints(1), c.ints(2), c.integer(3), item_size(x.dtype()), *x->storage, "as_strided");
                            c.ret(make_view(x, c.ints(1), c.ints(2), c.integer(3)));
                          },
                          .gradient = [](Grad& G) {
                            // Through a stretch of memory that covers both windows.
                            IntView sizes = G.sizes(0), strides = G.arg(4).int_view(), wstrides = G.arg(2).int_view(), wsizes = G.grad().sizes();
                            int64_t self_offset = G.arg(5).i, offset = G.arg(3).i;
                            int64_t low = std::min(self_offset, offset), high = low + 1;
                            auto cover = [&](IntView sz, IntView st, int64_t at) {
                              for (int d = 0; d < sz.n; ++d) {
                                if (sz[d] == 0) return;
                                at += (sz[d] - 1) * st[d];
                              }
                              high = std::max(high, at + 1);
                            };
                            cover(sizes, strides, self_offset);
                            cover(wsizes, wstrides, offset);
                            Tensor memory = window_backward(G.grad(), IntView{high - low}, wstrides, offset - low);
                            if (!has_internal_overlap(sizes, strides)) return G.set(0, as_strided(memory, sizes, strides, self_offset - low));
                            // An element that several indices of self share gets its gradient divided among them.
                            Tensor count = window_backward(ones(sizes, G.grad().dtype()), IntView{high - low}, strides, self_offset - low);
                            G.set(0, as_strided(div(memory, clamp_min(count, 1)), sizes, strides, self_offset - low));
                          },
                          .flags = kPrivate | kViewOp,
                          .nodes = {"AsStridedBackward0"}}};
Record as_strided{{.schema = {"as_strided(Tensor(a) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a)"},
                   .forward = [](Call& c) {
                     const Tensor& x = c.tensor(0);
                     int64_t offset = c.has(3) ? c.integer(3) : x->offset;
                     c.ret(as_strided_window(x, c.ints(1), c.ints(2), offset, x.strides(), x->offset));
                   },
                   .flags = kBoth | kComposite,
                   .doc = "A window on self's storage with the given size, strides and offset (in elements)."}};

// ------------------------------------------------------------------------------------------------ shapes

static Tensor viewed(const Tensor& x, IntView shape) {
  Dims size = infer_size(shape, x.numel()), strides;
  FL_CHECK(view_strides(x.sizes(), x.strides(), size, strides),
           "view size is not compatible with input tensor's size and stride (at least one dimension spans "
           "across two contiguous subspaces). Use .reshape(...) instead.");
  return make_view(x, size, strides, x->offset);
}
Record view{{.schema = {"view(Tensor(a) self, int[] size) -> Tensor(a)"},
             .forward = [](Call& c) {
               c.ret(viewed(c.tensor(0), c.ints(1)));
             },
             .gradient = [](Grad& G) {
               G.set(0, reshape(G.grad(), G.sizes(0)));
             },
             .flags = kMethod | kViewOp,
             .doc = "The same elements in another shape, without copying; one size may be -1.\n\n>>> torch.arange(4).view(2, -1)\ntensor([[0, 1],\n        [2, 3]])"}};
Record reshape{{.schema = {"reshape(Tensor(a) self, int[] shape) -> Tensor(a)"},
                .forward = [](Call& c) {
                  const Tensor& x = c.tensor(0);
                  Dims size = infer_size(c.ints(1), x.numel()), strides;
                  if (view_strides(x.sizes(), x.strides(), size, strides)) return c.ret(view(x, IntView(size)));
                  c.ret(unsafe_view(clone(x, MemoryFormat::Contiguous), IntView(size)));
                },
                .flags = kBoth | kComposite,
                .doc = "As view, copying where that is needed."}};
Record unsafe_view{{.schema = {"_unsafe_view(Tensor self, int[] size) -> Tensor"},
                    .forward = [](Call& c) {
                      Tensor v = viewed(c.tensor(0), c.ints(1));  // sole owner of its storage: no base to track
                      if (v->base) std::exchange(v->base, nullptr)->unref();
                      v->origin = Origin::Plain;
                      c.ret(v);
                    },
                    .gradient = [](Grad& G) {
                      G.set(0, reshape(G.grad(), G.sizes(0)));
                    },
                    .flags = kPrivate,
                    .nodes = {"UnsafeViewBackward0"}}};
Record expand{{.schema = {"expand(Tensor(a) self, int[] size, *, bool implicit=False) -> Tensor(a)"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 IntView want = c.ints(1);
                 int lead = want.n - x.dim();
                 FL_CHECK(lead >= 0, "expand(torch.", scalar_type_name(x.dtype()), "Tensor{", x.sizes(), "}, size=", want, "): the number of sizes provided (", want.n,
                          ") must be greater or equal to the number of dimensions in the tensor (", x.dim(), ")");
                 Dims size(want), strides(want.n);
                 for (int d = 0; d < want.n; ++d) {
                   if (d < lead) {
                     FL_CHECK(want[d] >= 0, "The expanded size of the tensor (", want[d], ") isn't allowed in a leading, non-existing dimension ", d);
                     strides[d] = 0;
                     continue;
                   }
                   int64_t have = x.size(d - lead);
                   size[d] = want[d] == -1 ? have : want[d];
                   FL_CHECK(size[d] == have || have == 1, "The expanded size of the tensor (", size[d], ") must match the existing size (", have,
                            ") at non-singleton dimension ", d, ".  Target sizes: ", want, ".  Tensor sizes: ", x.sizes());
                   strides[d] = size[d] == have ? x.stride(d - lead) : 0;
                 }
                 // Leading dimensions of size 1 keep a sensible stride.
                 for (int d = lead - 1; d >= 0; --d)
                   if (size[d] == 1) strides[d] = d + 1 < want.n ? size[d + 1] * strides[d + 1] : 0;
                 checked_numel(size);
                 c.ret(make_view(x, size, strides, x->offset));
               },
               .gradient = [](Grad& G) {
                 G.set(0, sum_to(G.grad(), G.sizes(0)));
               },
               .flags = kMethod | kViewOp,
               .doc = "Repeats dimensions of size 1 without copying; -1 keeps a size."}};
Record transpose{{.schema = {"transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)"},
                  .forward = [](Call& c) {
                    const Tensor& x = c.tensor(0);
                    int a = wrap_dim(c.integer(1), x.dim()), b = wrap_dim(c.integer(2), x.dim());
                    Dims size(x.sizes()), strides(x.strides());
                    if (x.dim()) {
                      std::swap(size[a], size[b]);
                      std::swap(strides[a], strides[b]);
                    }
                    c.ret(make_view(x, size, strides, x->offset));
                  },
                  .gradient = [](Grad& G) {
                    G.set(0, transpose(G.grad(), G.arg(1), G.arg(2)));
                  },
                  .flags = kBoth | kViewOp,
                  .doc = "Two dimensions exchanged."}};
Record t{{.schema = {"t(Tensor(a) self) -> Tensor(a)"},
          .forward = [](Call& c) {
            const Tensor& x = c.tensor(0);
            FL_CHECK(x.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", x.dim(), "D");
            Dims size(x.sizes()), strides(x.strides());
            if (x.dim() == 2) {
              std::swap(size[0], size[1]);
              std::swap(strides[0], strides[1]);
            }
            c.ret(make_view(x, size, strides, x->offset));
          },
          .gradient = [](Grad& G) {
            G.set(0, t(G.grad()));
          },
          .flags = kBoth | kViewOp,
          .nodes = {"TBackward0"},
          .doc = "The transpose of a matrix; vectors and scalars as they are."}};
Record permute{{.schema = {"permute(Tensor(a) self, int[] dims) -> Tensor(a)"},
                .forward = [](Call& c) {
                  const Tensor& x = c.tensor(0);
                  IntView dims = c.ints(1);
                  FL_CHECK(dims.n == x.dim(),
                           "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions "
                           "i.e. input.dim() = ",
                           x.dim(), " is not equal to len(dims) = ", dims.n);
                  Dims size(dims.n), strides(dims.n);
                  uint64_t seen = 0;
                  for (int k = 0; k < dims.n; ++k) {
                    int d = wrap_dim(dims[k], x.dim());
                    FL_CHECK(!(seen >> d & 1), "permute(): duplicate dims are not allowed.");
                    seen |= uint64_t(1) << d;
                    size[k] = x.size(d);
                    strides[k] = x.stride(d);
                  }
                  c.ret(make_view(x, size, strides, x->offset));
                },
                .gradient = [](Grad& G) {
                  IntView dims = G.arg(1).int_view();
                  Dims back(dims.n);
                  for (int k = 0; k < dims.n; ++k) back[int(dims[k] < 0 ? dims[k] + dims.n : dims[k])] = k;
                  G.set(0, permute(G.grad(), IntView(back)));
                },
                .flags = kBoth | kViewOp,
                .doc = "Dimensions in the given order."}};
Record unsqueeze{{.schema = {"unsqueeze(Tensor(a) self, int dim) -> Tensor(a)"},
                  .forward = [](Call& c) {
                    const Tensor& x = c.tensor(0);
                    int d = wrap_dim(c.integer(1), x.dim() + 1);
                    Dims size(x.sizes()), strides(x.strides());
                    int64_t step = d < x.dim() ? x.size(d) * x.stride(d) : 1;
                    size.insert(d, 1);
                    strides.insert(d, step);
                    c.ret(make_view(x, size, strides, x->offset));
                  },
                  .gradient = [](Grad& G) {
                    G.set(0, squeeze_dims(G.grad(), IntView{G.arg(1).i < 0 ? G.arg(1).i + G.grad().dim() : G.arg(1).i}));
                  },
                  .flags = kBoth | kViewOp,
                  .doc = "A dimension of size 1 inserted before dim."}};
static void squeeze_where(Call& c, uint64_t mask) {
  const Tensor& x = c.tensor(0);
  Dims size(0), strides(0);
  for (int d = 0; d < x.dim(); ++d)
    if (!((mask >> d & 1) && x.size(d) == 1)) {
      size.push(x.size(d));
      strides.push(x.stride(d));
    }
  c.ret(make_view(x, size, strides, x->offset));
}
static void squeeze_gradient(Grad& G) { G.set(0, reshape(G.grad(), G.sizes(0))); }
Record squeeze{{.schema = {"squeeze(Tensor(a) self) -> Tensor(a)"},
                .forward = [](Call& c) {
                  squeeze_where(c, ~uint64_t(0));
                },
                .gradient = squeeze_gradient,
                .flags = kPrivate | kViewOp,
                .doc = "All dimensions of size 1 removed."}};
Record squeeze_dims{{.schema = {"squeeze.dims(Tensor(a) self, int[1] dim) -> Tensor(a)"},
                     .forward = [](Call& c) {
                       uint64_t mask = 0;
                       for (int64_t d : c.ints(1)) {
                         int k = wrap_dim(d, c.tensor(0).dim());
                         FL_CHECK(!(mask >> k & 1), "dim ", k, " appears multiple times in the list of dims");
                         mask |= uint64_t(1) << k;
                       }
                       squeeze_where(c, mask);
                     },
                     .gradient = squeeze_gradient,
                     .flags = kPrivate | kViewOp,
                     .nodes = {"SqueezeBackward1"}}};
Record squeeze_any{{.schema = {"squeeze.dims(Tensor(a) self, int[1]? dim=None) -> Tensor(a)"},
                    .forward = [](Call& c) {
                      c.ret(c.has(1) ? squeeze_dims(c.tensor(0), c.ints(1)) : squeeze(c.tensor(0)));
                    },
                    .flags = kBoth | kComposite,
                    .doc = "Dimensions of size 1 removed: all, or those given."}};
Record flatten{{.schema = {"flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)"},
                .forward = [](Call& c) {
                  const Tensor& x = c.tensor(0);
                  int a = wrap_dim(c.integer(1), x.dim()), b = wrap_dim(c.integer(2), x.dim());
                  FL_CHECK(a <= b, "flatten() has invalid args: start_dim cannot come after end_dim");
                  if (x.dim() == 0) return c.ret(reshape(x, IntView{1}));
                  if (a == b) return c.ret(x);
                  int64_t n = 1;
                  for (int d = a; d <= b; ++d) n *= x.size(d);
                  Dims size(0);
                  for (int d = 0; d < a; ++d) size.push(x.size(d));
                  size.push(n);
                  for (int d = b + 1; d < x.dim(); ++d) size.push(x.size(d));
                  c.ret(reshape(x, IntView(size)));
                },
                .flags = kBoth | kComposite,
                .doc = "Dimensions start_dim to end_dim merged into one."}};

// ------------------------------------------------------------------------------------------------ selection

Record select{{.schema = {"select.int(Tensor(a) self, int dim, int index) -> Tensor(a)"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 FL_CHECK_KIND(Index, x.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
                 int d = wrap_dim(c.integer(1), x.dim());
                 int64_t i = c.integer(2), n = x.size(d);
                 FL_CHECK_KIND(Index, i >= -n && i < n, "select(): index ", i, " out of range for tensor of size ", x.sizes(), " at dimension ", d);
                 if (i < 0) i += n;
                 int nd = x.dim();
                 Dims size(nd - 1), strides(nd - 1);
                 for (int k = 0, j = 0; k < nd; ++k)
                   if (k != d) {
                     size[j] = x.size(k);
                     strides[j++] = x.stride(k);
                   }
                 c.ret(make_view(x, size, strides, x->offset + i * x.stride(d)));
               },
               .gradient = [](Grad& G) {
                 IntView sizes = G.sizes(0);
                 Dims st = contiguous_strides(sizes);
                 int d = wrap_dim(G.arg(1).i, sizes.n);
                 int64_t i = G.arg(2).i < 0 ? G.arg(2).i + sizes[d] : G.arg(2).i, offset = i * st[d];
                 st.erase(d);
                 G.set(0, scatter_view(G.grad(), sizes, st, offset));
               },
               .flags = kBoth | kViewOp,
               .doc = "The slice at index of dimension dim, which disappears."}};
Record slice{{.schema = {"slice.Tensor(Tensor(a) self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor(a)"},
              .forward = [](Call& c) {
                const Tensor& x = c.tensor(0);
                FL_CHECK(x.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
                int d = wrap_dim(c.integer(1), x.dim());
                int64_t n = x.size(d), start = c.has(2) ? c.integer(2) : 0, end = c.has(3) ? c.integer(3) : n, step = c.integer(4);
                FL_CHECK(step > 0, "slice step must be positive");
                if (start < 0) start += n;
                if (end < 0) end += n;
                start = std::min(std::max<int64_t>(start, 0), n);
                end = std::min(std::max(end, start), n);
                Dims size(x.sizes()), strides(x.strides());
                size[d] = (end - start + step - 1) / step;
                int64_t offset = x->offset + start * strides[d];
                strides[d] *= step;
                c.ret(make_view(x, size, strides, offset));
              },
              .gradient = [](Grad& G) {
                IntView sizes = G.sizes(0);
                Dims st = contiguous_strides(sizes);
                int d = wrap_dim(G.arg(1).i, sizes.n);
                int64_t start = G.arg(2).is_none() ? 0 : G.arg(2).i;
                if (start < 0) start += sizes[d];
                start = std::min(std::max<int64_t>(start, 0), sizes[d]);
                int64_t offset = start * st[d];
                st[d] *= G.arg(4).i;
                G.set(0, scatter_view(G.grad(), sizes, st, G.grad().numel() ? offset : 0));
              },
              .flags = kPrivate | kViewOp,
              .doc = "self[start:end:step] along dim."}};
Record narrow{{.schema = {"narrow(Tensor(a) self, int dim, int start, int length) -> Tensor(a)", "narrow.Tensor(Tensor(a) self, int dim, Tensor start, int length) -> Tensor(a)"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 FL_CHECK(x.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
                 int64_t start = c.arg(2).is_tensor() ? item_value(*c.arg(2).t).integer() : c.integer(2), length = c.integer(3);
                 if (c.arg(2).is_tensor()) FL_CHECK(c.tensor(2).dim() == 0 && is_integral(c.tensor(2).dtype()), "start must be an 0-dim integral Tensor.");
                 int d = wrap_dim(c.integer(1), x.dim());
                 int64_t n = x.size(d);
                 FL_CHECK(length >= 0, "narrow(): length must be non-negative.");
                 FL_CHECK_KIND(Index, start >= -n && start <= n, "start out of range (expected to be in range of [", -n, ", ", n, "], but got ", start, ")");
                 if (start < 0) start += n;
                 FL_CHECK(start <= n - length, "start (", start, ") + length (", length, ") exceeds dimension size (", n, ").");
                 c.ret(slice(x, d, start, start + length, 1));
               },
               .flags = kBoth | kComposite,
               .doc = "The slice of `length` elements from `start` along dim."}};
Record diagonal{{.schema = {"diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)"},
                 .forward = [](Call& c) {
                   const Tensor& x = c.tensor(0);
                   int a = wrap_dim(c.integer(2), x.dim()), b = wrap_dim(c.integer(3), x.dim());
                   FL_CHECK(a != b, "diagonal dimensions cannot be identical ", c.integer(2), ", ", c.integer(3));
                   int64_t off = c.integer(1), rows = x.size(a), cols = x.size(b);
                   int64_t n = std::max<int64_t>(off >= 0 ? std::min(rows, cols - off) : std::min(rows + off, cols), 0);
                   int64_t at = x->offset + (n == 0 ? 0 : off >= 0 ? off * x.stride(b)
                                                                   : -off * x.stride(a));
                   Dims size(0), strides(0);
                   for (int d = 0; d < x.dim(); ++d)
                     if (d != a && d != b) {
                       size.push(x.size(d));
                       strides.push(x.stride(d));
                     }
                   size.push(n);
                   strides.push(x.stride(a) + x.stride(b));
                   c.ret(make_view(x, size, strides, at));
                 },
                 .gradient = [](Grad& G) {
                   IntView sizes = G.sizes(0);
                   Dims st = contiguous_strides(sizes), out(0);
                   int a = wrap_dim(G.arg(2).i, sizes.n), b = wrap_dim(G.arg(3).i, sizes.n);
                   int64_t off = G.arg(1).i, at = off >= 0 ? off * st[b] : -off * st[a];
                   for (int d = 0; d < sizes.n; ++d)
                     if (d != a && d != b) out.push(st[d]);
                   out.push(st[a] + st[b]);
                   G.set(0, scatter_view(G.grad(), sizes, out, G.grad().numel() ? at : 0));
                 },
                 .flags = kBoth | kViewOp,
                 .doc = "The diagonal of the planes (dim1, dim2), as the last dimension."}};
Record unfold{{.schema = {"unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 int d = wrap_dim(c.integer(1), x.dim());
                 int64_t size = c.integer(2), step = c.integer(3), n = x.dim() ? x.size(d) : 1;
                 FL_CHECK(size >= 0, "size is ", size, " but must be >= 0");
                 FL_CHECK(size <= n, "maximum size for tensor at dimension ", d, " is ", n, " but size is ", size);
                 FL_CHECK(step > 0, "step is ", step, " but must be > 0");
                 Dims sizes(x.sizes()), strides(x.strides());
                 int64_t s = x.dim() ? x.stride(d) : 1;
                 if (x.dim()) {
                   sizes[d] = (n - size) / step + 1;
                   strides[d] = s * step;
                 }
                 sizes.push(size);
                 strides.push(s);
                 c.ret(make_view(x, sizes, strides, x->offset));
               },
               .gradient = [](Grad& G) {
                 IntView sizes = G.sizes(0);
                 Dims st = contiguous_strides(sizes);
                 int d = wrap_dim(G.arg(1).i, sizes.n);
                 int64_t s = sizes.n ? st[d] : 1;
                 if (sizes.n) st[d] = s * G.arg(3).i;
                 st.push(s);
                 G.set(0, scatter_view(G.grad(), sizes, st, 0));
               },
               .flags = kMethod | kViewOp,
               .doc = "All slices of `size` elements along dimension, `step` apart, as a new last dimension."}};

// ------------------------------------------------------------------------------------------------ several views

static void grads_joined(Grad& G, bool stacked, int dim) {
  std::vector<Tensor> parts;
  for (int k = 0; k < G.node.meta.size(); ++k) parts.push_back(G.grad_or_zeros(k));
  G.set(0, stacked ? stack(parts, dim) : cat(parts, dim));
}
Record unbind{{.schema = {"unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 FL_CHECK_KIND(Index, x.dim() > 0, "Dimension specified as ", c.integer(1), " but tensor has no dimensions");
                 int d = wrap_dim(c.integer(1), x.dim());
                 Dims size(x.sizes()), strides(x.strides());
                 size.erase(d);
                 strides.erase(d);
                 c.is_list = true;
                 c.list.reserve(size_t(x.size(d)));
                 for (int64_t i = 0; i < x.size(d); ++i) c.list.push_back(make_view(x, size, strides, x->offset + i * x.stride(d)));
               },
               .gradient = [](Grad& G) {
                 grads_joined(G, true, wrap_dim(G.arg(1).i, G.sizes(0).n));
               },
               .flags = kBoth | kViewOp | kMultiView,
               .doc = "The slices along dim, as a tuple."}};
static void split_sizes(Call& c, IntView parts, int d) {
  const Tensor& x = c.tensor(0);
  int64_t at = 0;
  c.is_list = true;
  for (int64_t n : parts) {
    Dims size(x.sizes());
    size[d] = n;
    c.list.push_back(make_view(x, size, x.strides(), x->offset + at * x.stride(d)));
    at += n;
  }
}
Record split_with_sizes{{.schema = {"split_with_sizes(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]"},
                         .forward = [](Call& c) {
                           const Tensor& x = c.tensor(0);
                           FL_CHECK(x.dim() > 0, "split expects at least a 1-dimensional tensor");
                           int d = wrap_dim(c.integer(2), x.dim());
                           int64_t total = 0;
                           for (int64_t n : c.ints(1)) {
                             FL_CHECK(n >= 0, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", c.ints(1));
                             total += n;
                           }
                           FL_CHECK(total == x.size(d), "split_with_sizes expects split_sizes to sum exactly to ", x.size(d), " (input tensor's size at dimension ", d,
                                    "), but got split_sizes=", c.ints(1));
                           split_sizes(c, c.ints(1), d);
                         },
                         .gradient = [](Grad& G) {
                           grads_joined(G, false, wrap_dim(G.arg(2).i, G.sizes(0).n));
                         },
                         .flags = kBoth | kViewOp | kMultiView,
                         .doc = "Consecutive slices of the given sizes along dim."}};
static void even_split(Call& c, int64_t size, int d) {
  int64_t n = c.tensor(0).size(d);
  Dims parts(0);
  if (size == 0 || n == 0) parts.push(n);
  else
    for (int64_t at = 0; at < n; at += size) parts.push(std::min(size, n - at));
  split_sizes(c, parts, d);
}
Record split{{.schema = {"split.Tensor(Tensor(a -> *) self, int split_size, int dim=0) -> Tensor(a)[]"},
              .forward = [](Call& c) {
                const Tensor& x = c.tensor(0);
                FL_CHECK(x.dim() > 0, "split expects at least a 1-dimensional tensor");
                int d = wrap_dim(c.integer(2), x.dim());
                int64_t size = c.integer(1);
                FL_CHECK(size >= 0, "split expects split_size be non-negative, but got split_size=", size);
                FL_CHECK(size > 0 || x.size(d) == 0, "split_size can only be 0 if dimension size is 0, but got dimension size of ", x.size(d));
                even_split(c, size, d);
              },
              .gradient = [](Grad& G) {
                grads_joined(G, false, wrap_dim(G.arg(2).i, G.sizes(0).n));
              },
              .flags = kBoth | kViewOp | kMultiView,
              .doc = "Slices of split_size elements along dim; the last may be shorter."}};
Record split_list{{.schema = {"split.sizes(Tensor(a -> *) self, int[] split_size, int dim=0) -> Tensor(a)[]"},
                   .forward = [](Call& c) {
                     c.is_list = true;
                     c.list = split_with_sizes.many(c.tensor(0), c.ints(1), c.integer(2));
                   },
                   .flags = kBoth | kComposite}};
Record chunk{{.schema = {"chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]"},
              .forward = [](Call& c) {
                const Tensor& x = c.tensor(0);
                FL_CHECK(x.dim() > 0, "chunk expects at least a 1-dimensional tensor");
                FL_CHECK(c.integer(1) > 0, "chunk expects `chunks` to be greater than 0, got: ", c.integer(1));
                int d = wrap_dim(c.integer(2), x.dim());
                int64_t size = x.size(d) / c.integer(1) + (x.size(d) % c.integer(1) != 0);
                if (size == 0) {  // an empty dimension still gives the asked number of chunks
                  FL_CHECK_KIND(OutOfMemory, c.integer(1) <= int64_t(1) << 24, "chunk: not enough memory for ", c.integer(1), " tensors");
                  Dims parts(int(c.integer(1)), 0);
                  return split_sizes(c, parts, d);
                }
                even_split(c, size, d);
              },
              .gradient = [](Grad& G) {
                grads_joined(G, false, wrap_dim(G.arg(2).i, G.sizes(0).n));
              },
              .flags = kBoth | kViewOp | kMultiView,
              .nodes = {"SplitBackward0"},
              .doc = "At most `chunks` slices of equal size along dim."}};

// ------------------------------------------------------------------------------------------------ element types seen differently

Record view_as_real{{.schema = {"view_as_real(Tensor(a) self) -> Tensor(a)"},
                     .forward = [](Call& c) {
                       const Tensor& x = c.tensor(0);
                       FL_CHECK(is_complex(x.dtype()), "view_as_real is only supported for complex tensors");
                       Dims size(x.sizes()), strides(x.strides());
                       for (int d = 0; d < x.dim(); ++d) strides[d] *= 2;
                       size.push(2);
                       strides.push(1);
                       Tensor v = make_view(x, x.sizes(), x.strides(), 0);
                       v->dtype = real_type(x.dtype());
                       set_geometry(*v.get(), size, strides, x->offset * 2);
                       c.ret(v);
                     },
                     .gradient = [](Grad& G) {
                       G.set(0, view_as_complex(contiguous(G.grad())));
                     },
                     .flags = kFunction | kViewOp,
                     .doc = "A real view with a last dimension (real, imaginary)."}};
Record view_as_complex{{.schema = {"view_as_complex(Tensor(a) self) -> Tensor(a)"},
                        .forward = [](Call& c) {
                          const Tensor& x = c.tensor(0);
                          FL_CHECK(x.dtype() == DType::Float32 || x.dtype() == DType::Float64 || x.dtype() == DType::Float16,
                                   "view_as_complex is only supported for half, float and double tensors, but got a "
                                   "tensor of scalar type: ",
                                   scalar_type_name(x.dtype()));
                          FL_CHECK(x.dim() > 0, "Input tensor must have one or more dimensions");
                          FL_CHECK(x.size(-1) == 2, "Tensor must have a last dimension of size 2");
                          FL_CHECK(x.stride(-1) == 1, "Tensor must have a last dimension with stride 1");
                          Dims size(x.sizes()), strides(x.strides());
                          size.erase(x.dim() - 1);
                          strides.erase(x.dim() - 1);
                          for (int d = 0; d < strides.size(); ++d) {
                            FL_CHECK(strides[d] % 2 == 0 || size[d] <= 1, "Tensor must have a stride divisible by 2 for all but last dimension");
                            strides[d] /= 2;
                          }
                          FL_CHECK(x->offset % 2 == 0, "Tensor must have a storage_offset divisible by 2");
                          Tensor v = make_view(x, size, strides, 0);
                          v->dtype = complex_type(x.dtype());
                          complex_half_in_use |= v.dtype() == DType::Complex32;
                          v->offset = x->offset / 2;
                          c.ret(v);
                        },
                        .gradient = [](Grad& G) {
                          G.set(0, view_as_real(G.grad()));
                        },
                        .flags = kFunction | kViewOp,
                        .doc = "A complex view of pairs (real, imaginary) in the last dimension."}};
Record view_dtype{{.schema = {"view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)"},
                   .forward = [](Call& c) {
                     const Tensor& x = c.tensor(0);
                     DType t = c.dtype(1);
                     int64_t from = int64_t(item_size(x.dtype())), to = int64_t(item_size(t)), ratio;
                     Dims size(x.sizes()), strides(x.strides());
                     int64_t offset = x->offset;
                     int last = x.dim() - 1;
                     if (from != to) {
                       FL_CHECK(x.dim() > 0, "self.dim() cannot be 0 to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(t), " (different element sizes)");
                       FL_CHECK(x.stride(-1) == 1, "self.stride(-1) must be 1 to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(t), " (different element sizes), but got ", x.stride(-1));
                     }
                     if (from > to) {
                       ratio = from / to;
                       size[last] *= ratio;
                       for (int d = 0; d < last; ++d) strides[d] *= ratio;
                       offset *= ratio;
                     } else if (from < to) {
                       ratio = to / from;
                       FL_CHECK(size[last] % ratio == 0, "self.size(-1) must be divisible by ", ratio, " to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(t),
                                " (different element sizes), but got ", size[last]);
                       FL_CHECK(offset % ratio == 0, "self.storage_offset() must be divisible by ", ratio, " to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(t),
                                " (different element sizes), but got ", offset);
                       size[last] /= ratio;
                       for (int d = 0; d < last; ++d) {
                         FL_CHECK(strides[d] % ratio == 0, "self.stride(", d, ") must be divisible by ", ratio, " to view ", scalar_type_name(x.dtype()), " as ", scalar_type_name(t),
                                  " (different element sizes), but got ", strides[d]);
                         strides[d] /= ratio;
                       }
                       offset /= ratio;
                     }
                     // Like detach: bytes shared, and versions, but no part of the graph, not even when it is written in place.
                     Tensor v = fl::alias(x);
                     v->dtype = t;
                     complex_half_in_use |= t == DType::Complex32;
                     set_geometry(*v.get(), size, strides, offset);
                     c.ret(v);
                   },
                   .flags = kMethod | kNoGrad,
                   .doc = "The same bytes as another element type; gradients do not flow through it."}};

// ------------------------------------------------------------------------------------------------ copies

static Tensor formatted_copy(const Tensor& x, MemoryFormat f) {
  if (f == MemoryFormat::Preserve || f == MemoryFormat::None) return x.numel() ? copy_of(x) : empty_strided(x.sizes(), x.strides(), x.dtype());
  Tensor out = empty_format(x.sizes(), x.dtype(), f, x.device());
  copy_values(out, x);
  return out;
}
Record clone{{.schema = {"clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor"},
              .forward = [](Call& c) {
                c.ret(formatted_copy(c.tensor(0), c.has(1) ? c.arg(1).format : MemoryFormat::Preserve));
              },
              .gradient = [](Grad& G) {
                G.set(0, G.grad());
              },
              .flags = kBoth,
              .doc = "A copy, through which gradients flow."}};
static bool has_format(const Tensor& x, MemoryFormat f) {
  if (f == MemoryFormat::Contiguous) return x.is_contiguous();
  if (f == MemoryFormat::ChannelsLast || f == MemoryFormat::ChannelsLast3d)
    return x.dim() == (f == MemoryFormat::ChannelsLast ? 4 : 5) && is_channels_last(x.sizes(), x.strides());
  return true;
}
Record contiguous{{.schema = {"contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)"},
                   .forward = [](Call& c) {
                     MemoryFormat f = c.arg(1).format;
                     FL_CHECK(f != MemoryFormat::Preserve, "preserve memory format is unsupported by the contiguous operator");
                     if (has_format(c.tensor(0), f)) return c.ret(c.tensor(0));
                     c.ret(clone(c.tensor(0), f));
                   },
                   .flags = kMethod | kComposite,
                   .doc = "self if its elements lie in order, else a copy whose do."}};
Record detach{{.schema = {"detach(Tensor(a) self) -> Tensor(a)"},
               .forward = [](Call& c) {
                 c.ret(fl::alias(c.tensor(0)));
               },
               .flags = kBoth | kNoGrad,
               .doc = "The same memory without history."}};
Record alias{{.schema = {"alias(Tensor(a) self) -> Tensor(a)"},
              .forward = [](Call& c) {
                c.ret(make_view(c.tensor(0), c.tensor(0).sizes(), c.tensor(0).strides(), c.tensor(0)->offset));
              },
              .gradient = [](Grad& G) {
                G.set(0, G.grad());
              },
              .flags = kPrivate | kViewOp,
              .nodes = {"AliasBackward0"}}};
// The gradient of a composite operator that PyTorch has in one step depends on the operator's input, if only with a gradient of zero:
// `tied_input` is the input of such an operator, `tie_gradient` what its gradient becomes.
static Record tie_gradient{{.schema = {"_tie_gradient(Tensor grad, Tensor self) -> Tensor"},
                            .forward = [](Call& c) {
                              c.ret(fl::alias(c.tensor(0)));
                            },
                            .gradient = [](Grad& G) {
                              if (G.needs(0)) G.set(0, G.grad());
                              if (G.needs(1)) G.set(1, zeros_like_sizes(G.sizes(1), G.dtype(1)));
                            },
                            .flags = kPrivate}};
static Record tied_input{{.schema = {"_tied_input(Tensor self) -> Tensor"},
                          .forward = [](Call& c) {
                            c.ret(fl::alias(c.tensor(0)));
                          },
                          .gradient = [](Grad& G) {
                            G.set(0, thread_state().grad_enabled ? tie_gradient(G.grad(), G.in(0)) : G.grad());
                          },
                          .save = kSaveSelf,
                          .flags = kFunction}};
Record view_as{{.schema = {"view_as(Tensor(a) self, Tensor other) -> Tensor(a)"},
                .forward = [](Call& c) {
                  c.ret(view(c.tensor(0), c.tensor(1).sizes()));
                },
                .flags = kMethod | kComposite,
                .doc = "view with other's shape."}};
Record expand_as{{.schema = {"expand_as(Tensor(a) self, Tensor other) -> Tensor(a)"},
                  .forward = [](Call& c) {
                    c.ret(expand(c.tensor(0), c.tensor(1).sizes()));
                  },
                  .flags = kMethod | kComposite,
                  .doc = "expand to other's shape."}};
Record reshape_as{{.schema = {"reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)"},
                   .forward = [](Call& c) {
                     c.ret(reshape(c.tensor(0), c.tensor(1).sizes()));
                   },
                   .flags = kMethod | kComposite,
                   .doc = "reshape to other's shape."}};

// ------------------------------------------------------------------------------------------------ joining

Record cat{{.schema = {"cat(Tensor[] tensors, int dim=0) -> Tensor"},
            .forward = [](Call& c) {
              const Value& list = c.arg(0);
              FL_CHECK_KIND(Value, list.n > 0, "expected a non-empty list of Tensors");
              auto item = [&](int k) -> const Tensor& {
                return *reinterpret_cast<const Tensor*>(&list.ts[k]);
              };
              auto skipped = [&](const Tensor& x) {
                return x.dim() == 1 && x.size(0) == 0;
              };
              const Tensor* first = nullptr;
              Promotion p;
              for (int k = 0; k < list.n; ++k) {
                p.add_tensor(*item(k).get());
                FL_CHECK(item(k).dim() > 0, "zero-dimensional tensor (at position ", k, ") cannot be concatenated");
                if (!first && !skipped(item(k))) first = &item(k);
              }
              DType t = p.result();
              if (!first) return (void)c.result(IntView{0}, t);
              int d = wrap_dim(c.integer(1), first->dim());
              Dims size(first->sizes());
              size[d] = 0;
              for (int k = 0; k < list.n; ++k) {
                const Tensor& x = item(k);
                if (skipped(x)) continue;
                FL_CHECK(x.dim() == size.size(), "Tensors must have same number of dimensions: got ", size.size(), " and ", x.dim());
                for (int j = 0; j < x.dim(); ++j)
                  FL_CHECK(j == d || x.size(j) == size[j], "Sizes of tensors must match except in dimension ", d, ". Expected size ", size[j], " but got size ", x.size(j),
                           " for tensor number ", k, " in the list.");
                size[d] += x.size(d);
              }
              bool last = true;
              for (int k = 0; k < list.n; ++k) last &= skipped(item(k)) || item(k).suggests_channels_last();
              Dims cl = last ? channels_last_strides(size) : Dims();
              const Tensor& out = c.result(size, t, last ? &cl : nullptr);
              if (out.is_contiguous() && d == 0) {
                char* to = out.bytes();
                bool plain = true;
                for (int k = 0; k < list.n; ++k) plain &= item(k).is_contiguous() && item(k).dtype() == t;
                if (plain && out.numel() * int64_t(item_size(t)) < 65536) {
                  for (int k = 0; k < list.n; ++k) {
                    size_t n = size_t(item(k).numel()) * item_size(t);
                    std::memcpy(to, item(k).bytes(), n);
                    to += n;
                  }
                  return;
                }
              }
              int64_t at = out->offset;
              for (int k = 0; k < list.n; ++k) {
                const Tensor& x = item(k);
                if (skipped(x)) continue;
                copy_values(make_view(out, x.sizes(), out.strides(), at), x);
                at += x.size(d) * out.stride(d);
              }
            },
            .gradient = [](Grad& G) {
              const Tensor& g = G.grad();
              int64_t at = 0;
              int d = wrap_dim(G.arg(1).i, g.dim());
              for (int k = 0; k < G.arg(0).n; ++k) {
                IntView sizes = G.item(k).sizes;
                if (sizes.n == 1 && sizes[0] == 0 && g.dim() != 1) {
                  if (G.needs(0, k)) G.set(0, k, zeros_like_sizes(sizes, g.dtype()));
                  continue;
                }
                if (G.needs(0, k)) {
                  Tensor part = slice(g, d, at, at + sizes[d], 1);
                  if (is_complex(part.dtype()) && !is_complex(G.item(k).dtype)) part = real(part);
                  G.set(0, k, part);
                }
                at += sizes[d];
              }
            },
            .flags = kFunction | kOut,
            .autocast = Autocast::Promote,
            .doc = "The tensors one after another along dim."}};
Record stack{{.schema = {"stack(Tensor[] tensors, int dim=0) -> Tensor"},
              .forward = [](Call& c) {
                const Value& list = c.arg(0);
                FL_CHECK(list.n > 0, "stack expects a non-empty TensorList");
                std::vector<Tensor> parts;
                parts.reserve(size_t(list.n));
                IntView shape = list.ts[0]->sizes;
                int d = wrap_dim(c.integer(1), shape.n + 1);
                for (int k = 0; k < list.n; ++k) {
                  FL_CHECK(IntView(list.ts[k]->sizes) == shape, "stack expects each tensor to be equal size, but got ", shape, " at entry 0 and ", list.ts[k]->sizes, " at entry ", k);
                  parts.push_back(unsqueeze(Tensor::borrow(list.ts[k]), d));
                }
                c.ret(cat(parts, d));
              },
              .gradient = [](Grad& G) {
                int d = wrap_dim(G.arg(1).i, G.grad().dim());
                for (int k = 0; k < G.arg(0).n; ++k)
                  if (G.needs(0, k)) {
                    Tensor part = select(G.grad(), d, k);
                    if (is_complex(part.dtype()) && !is_complex(G.dtype(0, k))) part = real(part);
                    G.set(0, k, part);
                  }
              },
              .flags = kFunction | kOut,
              .autocast = Autocast::Promote,
              .doc = "The tensors along a new dimension."}};

}  // namespace fl::ops
