// Reading and writing where a mask is true (masked_fill, masked_select, masked_scatter) and at flat positions (take, put).
#include "ops/dim_index.h"

namespace fl::ops {

namespace {

Dims spread_strides(const Tensor& t, IntView shape) {  // bytes, of t broadcast to shape
  Dims st(shape.n, 0);
  int lead = shape.n - t.dim();
  for (int d = std::max(lead, 0); d < shape.n; ++d)
    if (t.size(d - lead) != 1) st[d] = t.stride(d - lead) * int64_t(item_size(t.dtype()));
  return st;
}
Tensor broadcast_copy(const Tensor& t, IntView shape) {
  Tensor r = empty(shape, t.dtype());
  copy_values(r, t);
  return r;
}
// What a masked write fills: self in place, which the mask must not outgrow, or self broadcast against the mask.
Tensor masked_destination(const Call& c) {
  const Tensor& self = c.tensor(0);
  Dims shape = broadcast_shapes(c.tensor(1).sizes(), self.sizes());
  if (c.mode == Mode::Inplace && c.preset[0] == self.get()) {
    FL_CHECK(IntView(shape) == self.sizes(), "output with shape ", self.sizes(), " doesn't match the broadcast shape ", shape);
    return self;
  }
  return broadcast_copy(self, shape);
}

void fill_forward(Call& c) {
  const Tensor &self = c.tensor(0), &mask = c.tensor(1);
  Value v = c.arg(2);
  if (v.is_tensor()) {
    FL_CHECK(v.tensor().dim() == 0, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", v.tensor().dim(),
             " dimension(s).");
    v = parameter_value(v.tensor());
  }
  FL_CHECK(mask.dtype() == DType::Bool, "masked_fill_ only supports boolean masks, but got mask with dtype ", c_type_name(mask.dtype()));
  DType t = self.dtype();
  checked_bits(v, t);
  c.args[2] = v;  // read already: it may lie in self
  if (is_integral(t) && v.tag != Value::IntTag) v = Value(v.integer());
  const Tensor& out = c.result(self.sizes() == mask.sizes() ? Dims(self.sizes()) : broadcast_shapes(mask.sizes(), self.sizes()), t, nullptr, false);
  Pointwise it(out, t);
  it.input(c.arg(1), DType::Bool);
  it.input(v, t);
  it.input(c.arg(0), t);
  it.run(cpu::pointwise_kernels().ternary[int(cpu::Ternary::Where)][int(t)], nullptr, cpu::cost(cpu::Ternary::Where, t));
}

// `values` (flat) with zeros after them, in the shape of the source they came from.
Tensor in_shape_of(const Tensor& values, IntView sizes) {
  int64_t n = checked_numel(sizes);
  Tensor flat = values.numel() == n ? values : fit_source(values, IntView{n});
  return reshape(flat, sizes);
}

void check_flat(const cpu::BadIndex& bad, int64_t n) {
  FL_CHECK_KIND(Index, !bad, "out of range: tried to access index ", bad.value, " on a tensor of ", n, " elements.");
}

}  // namespace

Record masked_fill{{.schema = {"masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
                               "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor"},
                    .forward = fill_forward,
                    .gradient =
                        [](Grad& G) {
                          if (G.needs(0)) G.set(0, sum_to(masked_fill(G.grad(), G.in(1), 0), G.sizes(0)));
                          if (G.needs(2)) G.set(2, gradient_as(sum(where(G.in(1), G.grad(), zeros_like(G.grad()))), G.dtype(2)));
                        },
                    .save = save_in(1),
                    .flags = kBoth | kInplace | kElementwise,
                    .nodes = {"MaskedFillBackward1", "MaskedFillBackward0"},
                    .doc = "value where mask is true, self elsewhere.\n\n"
                           ">>> torch.masked_fill(torch.tensor([1, 2]), torch.tensor([True, False]), 9)\ntensor([9, 2])"}};

Record masked_select{{.schema = {"masked_select(Tensor self, Tensor mask) -> Tensor"},
                      .forward = [](Call& c) {
                        Tensor x = c.tensor(0), mask = c.tensor(1);
                        FL_CHECK(mask.dtype() == DType::Bool, "masked_select: expected BoolTensor for mask");
                        if (c.mode == Mode::Out && c.preset[0])
                          FL_CHECK(c.preset[0]->dtype == x.dtype(), "masked_select(): self and result must have the same scalar type");
                        check_out_apart(c, 0b11);
                        Dims shape = broadcast_shapes(mask.sizes(), x.sizes());
                        Dims st = spread_strides(x, shape), mask_st = spread_strides(mask, shape);
                        int64_t n = cpu::count_true(shape.size(), shape.data(), mask.data<bool>(), mask_st.data());
                        const Tensor& out = c.result(IntView{n}, x.dtype());
                        if (n == 0) return;
                        Tensor dense = contiguous_of(out);
                        {
                          Unlock unlock(double(checked_numel(shape)));
                          cpu::masked_select(int64_t(item_size(x.dtype())), shape.size(), shape.data(), x.bytes(), st.data(), mask.data<bool>(),
                                             mask_st.data(), dense.bytes());
                        }
                        if (dense.get() != out.get()) copy_values(out, dense);
                      },
                      .gradient = [](Grad& G) {
                        Tensor mask = G.in(1);
                        Dims shape = broadcast_shapes(G.sizes(0), mask.sizes());
                        G.set(0, sum_to(masked_scatter(zeros_like_sizes(shape, G.grad().dtype()), mask, G.grad()), G.sizes(0)));
                      },
                      .save = save_in(1),
                      .flags = kBoth | kOut,
                      .doc = "The elements where mask is true, in one dimension.\n\n"
                             ">>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))\ntensor([1, 3])"}};

Record masked_scatter{{.schema = {"masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor"},
                       .forward =
                           [](Call& c) {
                             const Tensor& self = c.tensor(0);
                             Tensor mask = c.tensor(1), source = c.tensor(2);
                             FL_CHECK(self.dtype() == source.dtype(), "masked_scatter: expected self and source to have same dtypes but got",
                                      scalar_type_name(self.dtype()), " and ", scalar_type_name(source.dtype()));
                             FL_CHECK(mask.dtype() == DType::Bool, "masked_scatter_ only supports boolean masks, but got mask with dtype ",
                                      scalar_type_name(mask.dtype()));
                             Dims shape = broadcast_shapes(mask.sizes(), self.sizes());
                             Dims mask_st = spread_strides(mask, shape);
                             Tensor out = masked_destination(c);
                             c.ret(out);
                             int64_t n = cpu::count_true(shape.size(), shape.data(), mask.data<bool>(), mask_st.data());
                             FL_CHECK(n <= source.numel(), "Number of elements of source < number of ones in mask");
                             check_no_overlap(out);
                             source = contiguous_of(may_overlap(*out.get(), *source.get()) ? copy_of(source) : source);
                             if (may_overlap(*out.get(), *mask.get())) {
                               mask = copy_of(mask);
                               mask_st = spread_strides(mask, shape);
                             }
                             Dims st = byte_strides(out);
                             if (n) {
                               Unlock unlock(double(out.numel()));
                               cpu::masked_scatter(int64_t(item_size(self.dtype())), out.dim(), out.sizes().data, out.bytes(), st.data(),
                                                   mask.data<bool>(), mask_st.data(), source.bytes());
                             }
                           },
                       .gradient =
                           [](Grad& G) {
                             Tensor mask = G.in(1);
                             if (G.needs(0)) G.set(0, sum_to(masked_fill(G.grad(), mask, 0), G.sizes(0)));
                             if (G.needs(2)) G.set(2, in_shape_of(masked_select(G.grad(), mask), G.sizes(2)));
                           },
                       .save = save_in(1),
                       .flags = kBoth | kInplace,
                       .doc = "The elements of source, in order, where mask is true; self elsewhere."}};

Record take{{.schema = {"take(Tensor self, Tensor index) -> Tensor"},
             .forward =
                 [](Call& c) {
                   const Tensor& x = c.tensor(0);
                   FL_CHECK(c.tensor(1).dtype() == DType::Int64, "take(): Expected a long tensor for index, but got ",
                            scalar_type_name(c.tensor(1).dtype()));
                   if (c.mode == Mode::Out && c.preset[0])
                     FL_CHECK(c.preset[0]->dtype == x.dtype(),
                              "take(): self and out expected to have the same dtype, but got self.dtype = ", scalar_type_name(x.dtype()),
                              " and out.dtype = ", scalar_type_name(c.preset[0]->dtype));
                   check_out_apart(c, 0b11);
                   FL_CHECK_KIND(Index, x.numel() || !c.tensor(1).numel(), "take(): tried to take from an empty tensor");
                   Tensor index = contiguous_of(c.tensor(1)), out = empty(index.sizes(), x.dtype());
                   c.ret(out);
                   Dims st = byte_strides(x);
                   cpu::BadIndex bad;
                   if (index.numel()) {
                     Unlock unlock(double(index.numel()) * 2);
                     bad = cpu::take(int64_t(item_size(x.dtype())), x.dim(), x.sizes().data, st.data(), x.bytes(), index.data<int64_t>(),
                                     index.numel(), out.bytes());
                   }
                   check_flat(bad, x.numel());
                 },
             .gradient =
                 [](Grad& G) {
                   G.set(0, put(zeros_like_sizes(G.sizes(0), G.grad().dtype()), G.in(1), G.grad(), true));
                 },
             .save = save_in(1),
             .flags = kBoth | kOut,
             .doc = "The elements at flat positions, in index's shape.\n\n>>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([3, "
                    "0]))\ntensor([4, 1])"}};

Record put{{.schema = {"put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor"},
            .forward = [](Call& c) {
              const Tensor& self = c.tensor(0);
              FL_CHECK(c.tensor(1).dtype() == DType::Int64, "put_(): Expected a long tensor for index, but got ",
                       scalar_type_name(c.tensor(1).dtype()));
              FL_CHECK(self.dtype() == c.tensor(2).dtype(),
                       "put_(): self and source expected to have the same dtype, but got self.dtype = ", scalar_type_name(self.dtype()),
                       " and source.dtype = ", scalar_type_name(c.tensor(2).dtype()));
              FL_CHECK_KIND(Index, c.tensor(1).numel() == c.tensor(2).numel(),
                            "put_(): Expected source and index to have the same number of elements, but got source.numel() = ", c.tensor(2).numel(),
                            ", index.numel() = ", c.tensor(1).numel());
              FL_CHECK_KIND(Index, self.numel() || !c.tensor(1).numel(), "put_(): Tried to put elements into an empty tensor");
              Tensor out = destination(c, MemoryFormat::Preserve);
              c.ret(out);
              auto apart = [&](const Tensor& t) {
                return contiguous_of(may_overlap(*out.get(), *t.get()) ? copy_of(t) : t);
              };
              Tensor index = apart(c.tensor(1)), source = apart(c.tensor(2));
              Dims st = byte_strides(out);
              cpu::BadIndex bad;
              if (index.numel()) {
                Unlock unlock(double(index.numel()) * 2);
                bad = cpu::put(out.dtype(), out.dim(), out.sizes().data, st.data(), out.bytes(), index.data<int64_t>(), index.numel(), source.bytes(),
                               c.flag(3));
              }
              check_flat(bad, out.numel());
            },
            .gradient = [](Grad& G) {
              Tensor index = G.in(1);
              if (G.needs(0)) G.set(0, G.arg(3).b ? G.grad() : put(G.grad(), index, zeros_like_sizes(index.sizes(), G.grad().dtype()), false));
              if (G.needs(2)) G.set(2, reshape(take(G.grad(), index), G.sizes(2)));
            },
            .save = save_in(1),
            .flags = kMethod | kFunction | kInplace,
            .doc = "Writes (or adds) source at flat positions."}};

}  // namespace fl::ops
