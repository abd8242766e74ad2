// Operators that rearrange elements: flip, roll, triangles, repetition, padding with a number.
#include "ops/dim_index.h"

namespace fl::ops {

Record flip{{.schema = {"flip(Tensor self, int[] dims) -> Tensor"},
             .forward = [](Call& c) {
               const Tensor& x = c.tensor(0);
               uint64_t mask = 0;
               for (int64_t given : c.ints(1)) {
                 int d = wrap_dim(given, x.dim());
                 FL_CHECK(!(mask >> d & 1), "dim ", d, " appears multiple times in the list of dims");
                 mask |= uint64_t(1) << d;
               }
               Dims strides;
               Value in = c.arg(0);
               bool permuted = result_strides(x.sizes(), &in, 1, strides);
               const Tensor& out = c.result(x.sizes(), x.dtype(), permuted ? &strides : nullptr);
               if (x.numel() == 0) return;
               int64_t item = int64_t(item_size(x.dtype()));
               const char* from = x.bytes();
               Dims src(x.dim()), dst(x.dim());
               for (int d = 0; d < x.dim(); ++d) {
                 src[d] = x.stride(d) * item;
                 dst[d] = out.stride(d) * item;
                 if (!(mask >> d & 1)) continue;
                 from += (x.size(d) - 1) * src[d];
                 src[d] = -src[d];
               }
               Unlock unlock(double(x.numel()) * 0.5);
               cpu::strided_copy(item, x.dim(), x.sizes().data, out.bytes(), dst.data(), from, src.data());
             },
             .gradient = [](Grad& G) {
               G.set(0, flip(G.grad(), G.arg(1).int_view()));
             },
             .flags = kBoth,
             .doc = "The elements in reverse order along dims.\n\n>>> torch.flip(torch.tensor([1, 2, 3]), (0,))\ntensor([3, 2, 1])"}};

// ------------------------------------------------------------------------------------------------ roll

Record roll{{.schema = {"roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor"},
             .forward = [](Call& c) {
               const Tensor& x = c.tensor(0);
               IntView shifts = c.ints(1), dims = c.ints(2);
               FL_CHECK(shifts.n > 0, "`shifts` required");
               bool flat = dims.n == 0 && shifts.n == 1;
               FL_CHECK(flat || shifts.n == dims.n, "shifts and dimensions must align. shifts: ", shifts.n, ", dims:", dims.n);
               Tensor in = flat ? contiguous_of(x) : x;
               Dims sizes = flat ? Dims{x.numel()} : Dims(x.sizes()), by(sizes.size(), 0);
               for (int k = 0; k < shifts.n; ++k) {
                 int d = flat ? 0 : wrap_dim(dims[k], x.dim());
                 if (sizes.size() && sizes[d]) by[d] = (by[d] + shifts[k] % sizes[d]) % sizes[d];
               }
               const Tensor& out = c.result(x.sizes(), x.dtype());
               if (x.numel() == 0) return;
               int64_t item = int64_t(item_size(x.dtype()));
               Tensor dense = flat ? contiguous_of(out) : out;
               Dims from = flat ? Dims{item} : byte_strides(in), to = flat ? Dims{item} : byte_strides(out);
               {
                 Unlock unlock(double(x.numel()) * 0.5);
                 cpu::roll(item, sizes.size(), sizes.data(), dense.bytes(), to.data(), in.bytes(), from.data(), by.data());
               }
               if (dense.get() != out.get()) copy_values(out, dense);
             },
             .gradient = [](Grad& G) {
               Dims back(G.arg(1).int_view());
               for (int k = 0; k < back.size(); ++k) back[k] = -back[k];
               G.set(0, roll(G.grad(), back, G.arg(2).int_view()));
             },
             .flags = kBoth,
             .doc = "Elements shifted along dims (or flat), those pushed off the end returning at the start.\n\n"
                    ">>> torch.roll(torch.tensor([1, 2, 3]), 1)\ntensor([3, 1, 2])"}};

// ------------------------------------------------------------------------------------------------ triangles

static void triangle(Call& c, bool upper) {
  Tensor x = c.tensor(0);
  FL_CHECK(x.dim() >= 2, c.op.name, ": input tensor must have at least 2 dimensions");
  require_out_dtype(c, x.dtype());
  const Tensor& out = c.result(x.sizes(), x.dtype(), nullptr, false);
  if (x.numel() == 0) return;
  Dims from = byte_strides(x), to = byte_strides(out);
  Unlock unlock(double(x.numel()) * 0.4);
  cpu::triangle(int64_t(item_size(x.dtype())), x.dim(), x.sizes().data, out.bytes(), to.data(), x.bytes(), from.data(), c.integer(1), upper);
}
Record tril{{.schema = {"tril(Tensor self, int diagonal=0) -> Tensor"},
             .forward = [](Call& c) {
               triangle(c, false);
             },
             .gradient = [](Grad& G) {
               G.set(0, tril(G.grad(), G.arg(1)));
             },
             .flags = kAll,
             .doc = "The last two dimensions' elements on and below a diagonal, zeros above."}};
Record triu{{.schema = {"triu(Tensor self, int diagonal=0) -> Tensor"},
             .forward = [](Call& c) {
               triangle(c, true);
             },
             .gradient = [](Grad& G) {
               G.set(0, triu(G.grad(), G.arg(1)));
             },
             .flags = kAll,
             .doc = "The last two dimensions' elements on and above a diagonal, zeros below."}};

static void fill_diagonal(const Tensor& x, const Value& v, bool wrap) {
  int64_t step = 0, n = x.size(0);
  for (int d = 0; d < x.dim(); ++d) {
    step += x.stride(d);
    n = std::min(n, x.size(d));
  }
  fill_values(make_view(x, IntView{n}, IntView{step}, x->offset), v);
  if (!wrap || x.dim() != 2) return;  // a tall matrix: again after one row left free
  for (int64_t row = x.size(1) + 1; row < x.size(0); row += x.size(1) + 1)
    fill_values(make_view(x, IntView{std::min(x.size(1), x.size(0) - row)}, IntView{step}, x->offset + row * x.stride(0)), v);
}
Record fill_diagonal_{{.schema = {"fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False) -> Tensor(a!)"},
                       .forward = [](Call& c) {
                         const Tensor& x = c.tensor(0);
                         FL_CHECK(x.dim() >= 2, "dimensions must larger than 1");
                         for (int d = 1; d < x.dim() && x.dim() > 2; ++d)
                           FL_CHECK(x.size(d) == x.size(0), "all dimensions of input must be of equal length");
                         checked_bits(c.arg(1), x.dtype());
                         if (x.numel()) fill_diagonal(x, c.arg(1), c.flag(2));
                         c.ret(x);
                       },
                       .gradient = [](Grad& G) {
                         Tensor g = clone(G.grad());
                         fill_diagonal_.inplace(g, 0, G.arg(2));
                         G.set(0, g);
                       },
                       .flags = kMethod | kInplaceOnly,
                       .doc = "Fills the main diagonal; wrap: of a tall matrix, again below."}};

// ------------------------------------------------------------------------------------------------ repetition

Record repeat{{.schema = {"repeat(Tensor self, int[] repeats) -> Tensor"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 IntView times = c.ints(1);
                 int lead = times.n - x.dim();
                 FL_CHECK(lead >= 0, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
                 Dims sizes(times.n);
                 for (int d = 0; d < times.n; ++d) sizes[d] = times[d] * (d < lead ? 1 : x.size(d - lead));
                 for (int d = 0; d < times.n; ++d) FL_CHECK(sizes[d] >= 0, "Trying to create tensor with negative dimension ", sizes[d], ": ", sizes);
                 Tensor out = empty(sizes, x.dtype());
                 if (out.numel()) {  // seen with two dimensions for each: copies, elements
                   Dims pairs(0), to(0), from(0);
                   for (int d = 0; d < times.n; ++d) {
                     int64_t n = d < lead ? 1 : x.size(d - lead);
                     pairs.push(times[d]), to.push(out.stride(d) * n), from.push(0);
                     pairs.push(n), to.push(out.stride(d)), from.push(d < lead ? 0 : x.stride(d - lead));
                   }
                   copy_values(make_view(out, pairs, to, 0), make_view(x, pairs, from, x->offset));
                 }
                 c.ret(out);
               },
               .gradient = [](Grad& G) {
                 IntView times = G.arg(1).int_view(), sizes = G.sizes(0);
                 const Tensor& g = G.grad();
                 if (g.numel() == 0) return G.set(0, zeros_like_sizes(sizes, g.dtype()));
                 Dims pairs(0), over(0);
                 for (int d = 0, lead = times.n - sizes.n; d < times.n; ++d) {
                   if (times[d] != 1 || d < lead) over.push(pairs.size()), pairs.push(times[d]);
                   if (d >= lead) pairs.push(sizes[d - lead]);
                 }
                 Tensor r = reshape(g, pairs);
                 G.set(0, over.size() ? sum(r, IntView(over)) : r);
               },
               .flags = kMethod,
               .doc = "self repeated along every dimension.\n\n>>> torch.tensor([1, 2]).repeat(2)\ntensor([1, 2, 1, 2])"}};

// ------------------------------------------------------------------------------------------------ padding

Record constant_pad_nd{
    {.schema = {"constant_pad_nd(Tensor self, int[] pad, Scalar value=0) -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor& x = c.tensor(0);
           IntView pad = c.ints(1);
           FL_CHECK(pad.n % 2 == 0, "Length of pad must be even but instead it equals ", pad.n);
           FL_CHECK(pad.n <= 2 * x.dim(), "Length of pad should be no more than twice the number of dimensions of the input. Pad length is ", pad.n,
                    "while the input has ", x.dim(), "dimensions.");
           checked_bits(c.arg(2), x.dtype());
           Dims sizes(x.sizes()), kept(x.sizes()), from(x.dim(), 0), to(x.dim(), 0);
           for (int k = 0; k < pad.n / 2; ++k) {
             int d = x.dim() - 1 - k;
             int64_t before = pad[2 * k], after = pad[2 * k + 1];
             sizes[d] += before + after;
             FL_CHECK(sizes[d] >= 0, "The input size ", x.size(d), ", plus negative padding ", before, " and ", after,
                      ", resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
             from[d] = std::max<int64_t>(-before, 0), to[d] = std::max<int64_t>(before, 0);
             kept[d] = std::max<int64_t>(x.size(d) + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0), 0);
           }
           bool last = x.suggests_channels_last();
           Tensor out = last ? empty_strided(sizes, channels_last_strides(sizes), x.dtype()) : empty(sizes, x.dtype());
           if (!(IntView(kept) == IntView(sizes))) fill_values(out, c.arg(2));
           int64_t skip = x->offset, at = 0;
           for (int d = 0; d < x.dim(); ++d) skip += from[d] * x.stride(d), at += to[d] * out.stride(d);
           if (checked_numel(kept)) copy_values(make_view(out, kept, out.strides(), at), make_view(x, kept, x.strides(), skip));
           c.ret(out);
         },
     .gradient =
         [](Grad& G) {
           Dims back(G.arg(1).int_view());
           for (int k = 0; k < back.size(); ++k) back[k] = -back[k];
           G.set(0, constant_pad_nd(G.grad(), back, 0));
         },
     .flags = kFunction,
     .doc = "Constant values around the last dims: pad = (before, after) of the last dim, then of the one before it, ...; negative amounts cut.\n\n"
            ">>> torch.constant_pad_nd(torch.tensor([1, 2]), (1, 0), 9)\ntensor([9, 1, 2])"}};

}  // namespace fl::ops
