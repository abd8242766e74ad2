// What torch.sparse is made of: the product of a sparse matrix with a dense one, and the elements of a dense product at given
// coordinates. Each is the other's gradient. Coordinates are checked by whoever makes a sparse tensor, and here again.
#include "base/unlock.h"
#include "kernels/cpu/sparse.h"
#include "ops/dim_index.h"

namespace fl::ops {

namespace {

void check_coordinates(const char* op, const Tensor& index, int64_t count, int64_t bound) {
  FL_CHECK(index.dtype() == DType::Int64 && index.dim() == 1 && index.numel() == count, op, ": coordinates must be ", count, " int64 numbers");
  const int64_t* at = index.data<int64_t>();
  uint64_t bad = 0;
  for (int64_t k = 0; k < count; ++k) bad |= uint64_t(at[k]) >= uint64_t(bound);
  FL_CHECK_KIND(Index, !bad, op, ": a coordinate is out of range (expected at least 0 and less than ", bound, ")");
}
void check_matrix(const char* op, const Tensor& t, DType dtype) {
  FL_CHECK(t.dim() == 2 && t.dtype() == dtype && (dtype == DType::Float32 || dtype == DType::Float64), op,
           ": expected matrices of float32 or float64, all of one dtype");
}
// Rows that follow each other without gaps between their elements.
Tensor with_rows(const Tensor& t) { return t.stride(1) == 1 && t.stride(0) >= t.size(1) ? t : contiguous_of(t); }

extern Record sampled_product;

Record sparse_product{{.schema = {"_sparse_product(Tensor rows, Tensor columns, Tensor values, Tensor dense, int m, bool sorted) -> Tensor"},
                       .forward =
                           [](Call& c) {
                             Tensor rows = contiguous_of(c.tensor(0)), columns = contiguous_of(c.tensor(1)), values = contiguous_of(c.tensor(2));
                             Tensor dense = c.tensor(3);
                             check_matrix("_sparse_product", dense, values.dtype());
                             dense = with_rows(dense);
                             cpu::SparseProduct s{rows.data<int64_t>(), columns.data<int64_t>(), values.numel(), c.integer(4), dense.size(1),
                                                  dense.stride(0), c.flag(5)};
                             check_coordinates("_sparse_product", rows, s.count, s.rows);
                             check_coordinates("_sparse_product", columns, s.count, dense.size(0));
                             Tensor out = empty(IntView{s.rows, s.width}, values.dtype());
                             fill_values(out, Value(0));
                             if (out.numel()) {
                               Unlock unlock(double(s.count) * double(s.width) * 0.1);
                               cpu::sparse_kernels().product(values.dtype(), s, values.bytes(), dense.bytes(), out.bytes());
                             }
                             c.ret(out);
                           },
                       .gradient =
                           [](Grad& G) {
                             Tensor rows = G.in(0), columns = G.in(1);
                             if (G.needs(2)) G.set(2, sampled_product(rows, columns, G.grad(), G.in(3)));
                             if (G.needs(3)) G.set(3, sparse_product(columns, rows, G.in(2), G.grad(), G.sizes(3)[0], false));
                           },
                       .save = save_in(0) | save_in(1) | save_in(2) | save_in(3),
                       .flags = kPrivate,
                       .nodes = {"SparseAddmmBackward0"}}};

Record sampled_product{{.schema = {"_sampled_product(Tensor rows, Tensor columns, Tensor a, Tensor b) -> Tensor"},
                        .forward =
                            [](Call& c) {
                              Tensor rows = contiguous_of(c.tensor(0)), columns = contiguous_of(c.tensor(1)), a = c.tensor(2), b = c.tensor(3);
                              check_matrix("_sampled_product", a, a.dtype());
                              check_matrix("_sampled_product", b, a.dtype());
                              FL_CHECK(a.size(1) == b.size(1), "_sampled_product: rows must be of one length (got ", a.size(1), " and ", b.size(1), ")");
                              a = with_rows(a);
                              b = with_rows(b);
                              cpu::SampledProduct s{rows.data<int64_t>(), columns.data<int64_t>(), rows.numel(), a.size(1), a.stride(0), b.stride(0)};
                              check_coordinates("_sampled_product", rows, s.count, a.size(0));
                              check_coordinates("_sampled_product", columns, s.count, b.size(0));
                              Tensor out = empty(IntView{s.count}, a.dtype());
                              if (s.count) {
                                Unlock unlock(double(s.count) * double(s.width) * 0.1);
                                cpu::sparse_kernels().sampled(a.dtype(), s, a.bytes(), b.bytes(), out.bytes());
                              }
                              c.ret(out);
                            },
                        .gradient =
                            [](Grad& G) {
                              Tensor rows = G.in(0), columns = G.in(1);
                              if (G.needs(2)) G.set(2, sparse_product(rows, columns, G.grad(), G.in(3), G.sizes(2)[0], false));
                              if (G.needs(3)) G.set(3, sparse_product(columns, rows, G.grad(), G.in(2), G.sizes(3)[0], false));
                            },
                        .save = save_in(0) | save_in(1) | save_in(2) | save_in(3),
                        .flags = kPrivate}};

// One walk over two lists of numbers, of which the smaller head goes first and equal heads together: what results where both are sorted is
// their union. Gives the numbers, and the place of each element of either list.
Record merge_walk{{.schema = {"_merge_walk(Tensor a, Tensor b) -> (Tensor, Tensor, Tensor)"},
                   .forward =
                       [](Call& c) {
                         Tensor a = contiguous_of(c.tensor(0)), b = contiguous_of(c.tensor(1));
                         FL_CHECK(a.dtype() == DType::Int64 && b.dtype() == DType::Int64, "_merge_walk: expected int64 numbers");
                         int64_t n = a.numel(), m = b.numel(), i = 0, j = 0, k = 0;
                         Tensor keys = empty(IntView{n + m}, DType::Int64), at_a = empty(IntView{n}, DType::Int64), at_b = empty(IntView{m}, DType::Int64);
                         const int64_t *x = a.data<int64_t>(), *y = b.data<int64_t>();
                         int64_t *out = keys.data<int64_t>(), *p = at_a.data<int64_t>(), *q = at_b.data<int64_t>();
                         for (; i < n || j < m; ++k) {
                           bool first = j >= m || (i < n && x[i] <= y[j]), second = i >= n || (j < m && y[j] <= x[i]);
                           out[k] = first ? x[i] : y[j];
                           if (first) p[i++] = k;
                           if (second) q[j++] = k;
                         }
                         c.ret(narrow(keys, 0, 0, k));
                         c.ret(at_a);
                         c.ret(at_b);
                       },
                   .flags = kPrivate | kNoGrad}};

Record add_rows_{{.schema = {"_add_rows_(Tensor(a!) self, Tensor index, Tensor values, float alpha) -> Tensor(a!)"},
                  .forward =
                      [](Call& c) {
                        const Tensor& self = c.tensor(0);
                        Tensor index = contiguous_of(c.tensor(1)), values = contiguous_of(c.tensor(2));
                        FL_CHECK(self.dim() == 2 && self.is_contiguous() && (self.dtype() == DType::Float32 || self.dtype() == DType::Float64) &&
                                     values.dtype() == self.dtype() && values.numel() == index.numel() * self.size(1),
                                 "_add_rows_: expected a contiguous matrix of float32 or float64 and rows that fit it");
                        check_coordinates("_add_rows_", index, index.numel(), self.size(0));
                        cpu::sparse_kernels().add_rows(self.dtype(), {index.data<int64_t>(), index.numel(), self.size(1), c.real(3)}, values.bytes(),
                                                       self.bytes());
                        c.ret(self);
                      },
                  .flags = kPrivate | kInplaceOnly | kNoGrad}};

}  // namespace

}  // namespace fl::ops
