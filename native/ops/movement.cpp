// Operators that rearrange elements: flip.
#include "kernels/cpu/index.h"

#include "base/unlock.h"
#include "ops/elementwise.h"

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
             .gradient = [](Grad& G) { G.set(0, flip(G.grad(), G.arg(1).int_view())); },
             .flags = kBoth, .doc = "The elements in reverse order along dims.\n\n>>> torch.flip(torch.tensor([1, 2, 3]), (0,))\ntensor([3, 2, 1])"}};

}  // namespace fl::ops
