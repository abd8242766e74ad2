// Reading and writing whole slices along one dimension: index_select, index_add, index_copy, index_fill, index_reduce.
#include "ops/dim_index.h"

namespace fl::ops {

namespace {

double slices_ns(const Tensor& x) { return double(x.numel()) * 0.8; }
void check_bound(const char* op, const cpu::BadIndex& bad, int dim, int64_t size, ErrorKind kind) {
  if (bad) fail(kind, op, "index ", bad.value, " is out of bounds for dimension ", dim, " with size ", size);
}
bool same_slices(const Tensor& a, const Tensor& b, int dim) {
  if (a.dim() != b.dim()) return false;
  for (int d = 0; d < a.dim(); ++d)
    if (d != dim && a.size(d) != b.size(d)) return false;
  return true;
}
// The source's gradient: a slice of a 0-dim source has a dimension of size 1.
Tensor slices(const Tensor& g, const Value& dim, const Tensor& index, IntView sizes) {
  Tensor r = index_select(g, dim, index);
  return r.sizes() == sizes ? r : reshape(expand(r, r.sizes()), sizes);
}

// Checks of index_add and index_reduce; returns the wrapped dimension.
int check_accumulate(const char* op, const Tensor& self, const Tensor& index, const Tensor& source, int64_t given) {
  int dim = wrap_dim(given, self.dim());
  FL_CHECK_KIND(Index, index.dim() <= 1, op, "(): Index is supposed to be a vector, but got dim: ", index.dim(),
                " with type: ", scalar_type_name(index.dtype()), " and size: ", index.sizes());
  FL_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32/int64 for index but got: ", scalar_type_name(index.dtype()));
  FL_CHECK(self.dtype() == source.dtype(), op, "(): self (", scalar_type_name(self.dtype()), ") and source (", scalar_type_name(source.dtype()),
           ") must have the same scalar type");
  FL_CHECK(dim == 0 || dim < source.dim(), op, "(): Indexing dim ", dim, " is out of bounds of the source tensor with dim ", source.dim());
  int64_t along = source.dim() ? source.size(dim) : 1;
  FL_CHECK(index.numel() == along, op, "(): Number of indices (", index.numel(), ") should be equal to source.size(dim): (", along,
           "), for dim: ", dim);
  FL_CHECK(same_slices(self, source, dim),
           "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = ", self.sizes(),
           " source.shape = ", source.sizes());
  return dim;
}

void fill_forward(Call& c) {
  const Tensor& self = c.tensor(0);
  const Tensor& index = c.tensor(2);
  Value v = c.arg(3);
  if (v.is_tensor()) {
    FL_CHECK(v.tensor().dim() == 0, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with ", v.tensor().dim(),
             " dimension(s).");
    v = parameter_value(v.tensor());
  }
  FL_CHECK_KIND(Index, index.dtype() == DType::Int64, "index_fill_(): Expected dtype int64 for index.");
  FL_CHECK(index.dim() <= 1, "Index has to be a vector/scalar");
  FL_CHECK(v.tag != Value::ComplexTag || is_complex(self.dtype()), "index_fill_(): Converting complex Scalar to non-complex type is not supported");
  int dim = wrap_dim(c.integer(1), self.dim());
  ScalarBits bits = checked_bits(v, self.dtype());
  Tensor out = destination(c, MemoryFormat::Preserve);
  Dims sizes(at_least_1d(self).sizes());
  sizes[dim] = index.numel();
  c.ret(out);
  DimIndexed p(out, Tensor(), apart(out, index), dim, sizes, true, true);
  cpu::BadIndex bad;
  {
    Unlock unlock(slices_ns(out));
    bad = cpu::scatter(int64_t(item_size(self.dtype())), p.d, out.bytes(), bits.bytes);
  }
  check_bound("", bad, dim, p.d.bound, ErrorKind::Index);
}

}  // namespace

Record index_select{
    {.schema = {"index_select(Tensor self, int dim, Tensor index) -> Tensor"},
     .forward =
         [](Call& c) {
           const Tensor& x = c.tensor(0);
           const Tensor& index = c.tensor(2);
           int dim = wrap_dim(c.integer(1), x.dim());
           FL_CHECK_KIND(Index, index.dim() <= 1, "index_select(): Index is supposed to be a vector");
           FL_CHECK(x.dim() || index.numel() == 1, "index_select(): Index to scalar can have only 1 value, got ", index.numel(), " value(s)");
           FL_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, "index_select(): Expected dtype int32 or int64 for index");
           if (c.mode == Mode::Out && c.preset[0])
             FL_CHECK(c.preset[0]->dtype == x.dtype(), "index_select(): self and result must have the same scalar type");
           check_out_apart(c, 0b101);
           Dims sizes(x.sizes());
           if (x.dim()) sizes[dim] = index.numel();
           const Tensor& out = c.result(sizes, x.dtype());
           DimIndexed p(x, out, index, dim, sizes, true);
           cpu::BadIndex bad;
           if (out.numel()) {
             Unlock unlock(slices_ns(out));
             bad = cpu::gather(int64_t(item_size(x.dtype())), p.d, x.bytes(), out.bytes());
           } else {
             int64_t n = index.numel(), step = index.dim() ? p.index.stride(0) * 8 : 8;
             bad = cpu::check_index(1, &n, p.index.data<int64_t>(), &step, p.d.bound, false);
           }
           FL_CHECK_KIND(Index, !bad, "index out of range in self");
         },
     .gradient =
         [](Grad& G) {
           G.set(0, index_add(zeros_like_sizes(G.sizes(0), G.grad().dtype()), G.arg(1), G.in(2), G.grad()));
         },
     .save = save_in(2),
     .flags = kBoth | kOut | kMixesDevices,
     .doc = "The slices of self along dim that index lists.\n\n>>> torch.index_select(torch.tensor([5, 6, 7]), 0, torch.tensor([2, 0]))\ntensor([7, "
            "5])"}};

Record index_add{{.schema = {"index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor"},
                  .forward = [](Call& c) {
                    const Tensor& self = c.tensor(0);
                    int dim = check_accumulate("index_add_", self, c.tensor(2), c.tensor(3), c.integer(1));
                    ScalarBits alpha = scalar_bits(c.arg(4), self.dtype());
                    const bool plain = c.arg(4).real() == 1 && c.arg(4).imag() == 0;
                    require_out_dtype(c, self.dtype());
                    check_out_apart(c, 0b1100);
                    Tensor out = destination(c), source = apart(out, c.tensor(3));
                    c.ret(out);
                    DimIndexed p(out, source, apart(out, c.tensor(2)), dim, source.sizes(), true);
                    cpu::BadIndex bad;
                    {
                      Unlock unlock(slices_ns(source));
                      bad = cpu::scatter_reduce(self.dtype(), cpu::ScatterOp::Sum, p.d, out.bytes(), source.bytes(), true, plain ? nullptr : alpha.bytes);
                    }
                    check_bound("", bad, dim, p.d.bound, ErrorKind::Runtime);
                  },
                  .gradient = [](Grad& G) {
                    if (G.needs(0)) G.set(0, G.grad());
                    if (G.needs(3)) G.set(3, times_value(slices(G.grad(), G.arg(1), G.in(2), G.sizes(3)), G.arg(4)));
                  },
                  .save = save_in(2),
                  .flags = kAll | kMixesDevices,
                  .doc = "Adds alpha times the slices of source to those slices of self that index lists."}};

Record index_copy{{.schema = {"index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor"},
                   .forward = [](Call& c) {
                     const Tensor& self = c.tensor(0);
                     const Tensor& index = c.tensor(2);
                     const Tensor& given = c.tensor(3);
                     int dim = wrap_dim(c.integer(1), self.dim());
                     FL_CHECK_KIND(Index, index.dim() < 2, "index_copy_(): Index should have dimension 1 or 0 (got ", index.dim(), ")");
                     FL_CHECK_KIND(Index, given.dim() || index.numel() == 1,
                                   "index_copy_(): When source is scalar, index should have one element (got ", index.numel(), ")");
                     FL_CHECK_KIND(
                         Index, given.dim() == self.dim() || given.dim() == 0 || self.dim() == 0,
                         "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source dimensionality (",
                         given.dim(), "), destination dimensionality (", self.dim(), ")");
                     FL_CHECK(index.dtype() == DType::Int64, "index_copy_(): Expected a long tensor for index, but got ",
                              scalar_type_name(index.dtype()));
                     FL_CHECK(self.dtype() == given.dtype(), "index_copy_(): self and source expected to have the same dtype, but got (self) ",
                              scalar_type_name(self.dtype()), " and (source) ", scalar_type_name(given.dtype()));
                     auto slice_shape = [&](const Tensor& t) {
                       Dims s(t.sizes());
                       if (s.size()) s.erase(dim);
                       return s;
                     };
                     Dims to = slice_shape(self), from = slice_shape(given);
                     FL_CHECK(to == from, "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: ", to,
                              " at dimension ", dim, " and source slice shape: ", from, " at dimension 0.");
                     int64_t along = given.dim() ? given.size(dim) : 1;
                     FL_CHECK_KIND(Index, index.numel() == along, "index_copy_(): Number of indices (", index.numel(),
                                   ") should be equal to source.size(dim) (", along, ")");
                     require_out_dtype(c, self.dtype());
                     check_out_apart(c, 0b1100);
                     Tensor out = destination(c), source = apart(out, given);
                     c.ret(out);
                     DimIndexed p(out, source, apart(out, index), dim, source.sizes(), true);
                     cpu::BadIndex bad;
                     {
                       Unlock unlock(slices_ns(source));
                       bad = cpu::scatter(int64_t(item_size(self.dtype())), p.d, out.bytes(), source.bytes());
                     }
                     check_bound("index_copy_(): ", bad, dim, p.d.bound, ErrorKind::Index);
                   },
                   .gradient = [](Grad& G) {
                     if (G.needs(0)) G.set(0, index_fill(G.grad(), G.arg(1), G.in(2), 0));
                     if (G.needs(3)) G.set(3, slices(G.grad(), G.arg(1), G.in(2), G.sizes(3)));
                   },
                   .save = save_in(2),
                   .flags = kAll,
                   .doc = "Writes the slices of source to those slices of self that index lists."}};

Record index_fill{
    {.schema = {"index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
                "index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor"},
     .forward = fill_forward,
     .gradient =
         [](Grad& G) {
           if (G.needs(0)) G.set(0, index_fill(G.grad(), G.arg(1), G.in(2), 0));
           if (G.needs(3)) {  // a slice listed twice counts once
             Tensor hit = index_fill(zeros_like(G.grad()), G.arg(1), G.in(2), 1);
             G.set(3, sum(mul(G.grad(), hit)));
           }
         },
     .save = save_in(2),
     .flags = kBoth | kInplace,
     .nodes = {"IndexFillBackward1", "IndexFillBackward0"},
     .doc =
         "Fills those slices of self along dim that index lists.\n\n>>> torch.zeros(3).index_fill(0, torch.tensor([1]), 4.)\ntensor([0., 4., 0.])"}};

Record index_reduce{{.schema = {"index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor"},
                     .forward = [](Call& c) {
                       const Tensor& self = c.tensor(0);
                       const char* how = c.str(4);
                       bool known = false;
                       for (const char* k : {"prod", "mean", "amax", "amin"}) known |= !std::strcmp(how, k);
                       FL_CHECK(known, "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got ", how, ".");
                       int dim = check_accumulate("index_reduce_", self, c.tensor(2), c.tensor(3), c.integer(1));
                       cpu::ScatterOp op = scatter_op(how);
                       check_scatter_op("index_reduce_func", op, self.dtype());
                       require_out_dtype(c, self.dtype());
                       check_out_apart(c, 0b1100);
                       Tensor out = destination(c), source = apart(out, c.tensor(3));
                       c.ret(out);
                       DimIndexed p(out, source, apart(out, c.tensor(2)), dim, source.sizes(), true);
                       cpu::BadIndex bad;
                       {
                         Unlock unlock(slices_ns(source));
                         bad = cpu::scatter_reduce(self.dtype(), op, p.d, out.bytes(), source.bytes(), c.flag(5));
                       }
                       FL_CHECK_KIND(Index, !bad, "index out of range in self");
                     },
                     .gradient = [](Grad& G) {
                       reduce_gradient(G, Places{G.in(2), G.arg(1).i, true}, 3, G.arg(4).s, G.arg(5).b);
                     },
                     .save = save_in(0) | save_in(2) | save_in(3) | save_out(0),
                     .flags = kAll,
                     .doc = "Combines the slices of source with those slices of self that index lists: prod, mean, amax or amin."}};

}  // namespace fl::ops
