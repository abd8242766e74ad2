// gather and scatter, with sums and other reductions of the elements that meet.
#include "ops/dim_index.h"

namespace fl::ops {

// ------------------------------------------------------------------------------------------------ building blocks

const char* c_type_name(DType t) {
  static const char* names[kDTypes + 1] = {"bool", "unsigned char", "signed char", "short int", "int", "long int",
                                           "unsigned short", "unsigned int", "unsigned long", "c10::Half", "c10::BFloat16", "float",
                                           "double", "c10::complex<float>", "c10::complex<double>", "c10::complex<c10::Half>", "none"};
  return names[size_t(t)];
}
ScalarBits checked_bits(const Value& v, DType t) {
  static const char* names[kDTypes + 1] = {"bool", "uint8_t", "int8_t", "int16_t", "int", "int64_t", "uint16_t", "uint32_t", "uint64_t",
                                           "at::Half", "at::BFloat16", "float", "double", "c10::complex<float>", "c10::complex<double>", "c10::complex<at::Half>", "none"};
  bool fits = is_complex(t) || v.imag() == 0;
  auto within = [&](double largest) {
    return !std::isfinite(v.real()) || std::abs(v.real()) <= largest;
  };
  if (t == DType::Float16) fits = fits && within(65504);
  if (t == DType::BFloat16 || t == DType::Float32) fits = fits && within(3.4028235677973366e38);
  if (is_integral(t) && t != DType::UInt64) {
    int bits = int(item_size(t)) * 8;
    bool is_unsigned = t == DType::UInt8 || t == DType::UInt16 || t == DType::UInt32;
    double high = std::ldexp(1.0, is_unsigned ? bits : bits - 1);
    double low = is_unsigned && v.tag == Value::FloatTag ? std::nextafter(-1.0, 0.0) : -high;  // negative integers wrap
    fits = fits && v.real() >= low && (v.tag == Value::IntTag ? bits == 64 || v.i < int64_t(high) : v.real() < high);
  }
  FL_CHECK(fits, "value cannot be converted to type ", names[size_t(t)], " without overflow");
  return scalar_bits(v, t);
}
void require_out_dtype(const Call& c, DType t) {
  if (c.mode == Mode::Out && c.preset[0])
    FL_CHECK(c.preset[0]->dtype == t, "Expected out tensor to have dtype ", c_type_name(t), ", but got ", c_type_name(c.preset[0]->dtype),
             " instead");
}
void check_out_apart(const Call& c, uint32_t arguments) {
  if (c.mode != Mode::Out || !c.preset[0]) return;
  check_no_overlap(Tensor::borrow(c.preset[0]));
  for (int k = 0; k < c.nargs; ++k)
    FL_CHECK(!(arguments >> k & 1) || !c.arg(k).is_tensor() || !may_overlap(*c.preset[0], *c.arg(k).t),
             "unsupported operation: some elements of the input tensor and the "
             "written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.");
}
void check_apart(const Tensor& self, const Tensor& t) {
  Overlap o = overlap_of(*self.get(), *t.get());
  FL_CHECK(o != Overlap::Same && o != Overlap::Partial,
           "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the "
           "tensor before performing the operation.");
}
Tensor apart(const Tensor& self, const Tensor& t) {
  check_apart(self, t);
  return may_overlap(*self.get(), *t.get()) ? copy_of(t) : t;
}
void check_no_overlap(const Tensor& self) {
  FL_CHECK(!has_internal_overlap(self.sizes(), self.strides()),
           "unsupported operation: more than one element of the written-to tensor refers to a single "
           "memory location. Please clone() the tensor before performing the operation.");
}
Tensor destination(const Call& c, MemoryFormat format) {
  const Tensor& self = c.tensor(0);
  if (c.mode == Mode::Inplace && c.preset[0] == self.get()) {
    check_no_overlap(self);
    return self;
  }
  if (format == MemoryFormat::Preserve) return copy_of(self);
  Tensor t = empty(self.sizes(), self.dtype());
  copy_values(t, self);
  return t;
}
Tensor at_least_1d(const Tensor& t) { return t.dim() ? t : make_view(t, IntView{1}, IntView{1}, t->offset); }
Tensor as_int64(const Tensor& index) { return cast_of(index, DType::Int64); }

DimIndexed::DimIndexed(const Tensor& self_, const Tensor& other_, const Tensor& index_, int dim, IntView sizes_, bool whole_slices, bool wrap)
    : self(at_least_1d(self_)),
      other(other_),
      index(at_least_1d(as_int64(index_))),
      sizes(sizes_.n ? Dims(sizes_) : Dims(1, 1)),
      self_strides(byte_strides(self)),
      other_strides(sizes.size(), 0),
      index_strides(sizes.size(), 0) {
  if (other.defined()) {
    other = at_least_1d(other);
    other_strides = byte_strides(other);
  }
  if (whole_slices) index_strides[dim] = index.stride(0) * 8;
  else index_strides = byte_strides(index);
  d.ndim = sizes.size();
  d.dim = dim;
  d.sizes = sizes.data();
  d.self_strides = self_strides.data();
  d.other_strides = other_strides.data();
  d.index = index.data<int64_t>();
  d.index_strides = index_strides.data();
  d.bound = self.size(dim);
  d.wrap = wrap;
}

cpu::ScatterOp scatter_op(const char* reduce) {
  static const std::pair<const char*, cpu::ScatterOp> known[] = {{"sum", cpu::ScatterOp::Sum},
                                                                 {"prod", cpu::ScatterOp::Prod},
                                                                 {"mean", cpu::ScatterOp::Mean},
                                                                 {"amax", cpu::ScatterOp::Max},
                                                                 {"amin", cpu::ScatterOp::Min}};
  for (auto& k : known)
    if (!std::strcmp(k.first, reduce)) return k.second;
  fail(ErrorKind::Runtime, "reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
}
void check_scatter_op(const char* kernel, cpu::ScatterOp op, DType t) {
  bool ordered = op == cpu::ScatterOp::Max || op == cpu::ScatterOp::Min;
  if ((ordered && is_complex(t)) || (op == cpu::ScatterOp::Mean && t == DType::Bool))
    fail(ErrorKind::NotImplemented, "\"", kernel, "\" not implemented for '", scalar_type_name(t), "'");
}

// ------------------------------------------------------------------------------------------------ gather, scatter

namespace {

constexpr double kNs = 1.5;  // an element

int64_t size_at(const Tensor& t, int d) { return t.dim() ? t.size(d) : 1; }
int rank(const Tensor& t) { return std::max(t.dim(), 1); }

void check_index_type(const char* op, const Tensor& index) {
  FL_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op, "(): Expected dtype int32/int64 for index");
}
void check_bound(const cpu::BadIndex& bad, int dim, int64_t size) {
  FL_CHECK(!bad, "index ", bad.value, " is out of bounds for dimension ", dim, " with size ", size);
}

void check_gather_shape(const Tensor& x, const Tensor& index, int dim) {
  if (index.numel() == 0) return;
  FL_CHECK(rank(index) == rank(x), "Index tensor must have the same number of dimensions as input tensor");
  for (int d = 0; d < rank(x); ++d)
    FL_CHECK(d == dim || size_at(index, d) <= size_at(x, d), "Size does not match at dimension ", d, " expected index ", index.sizes(),
             " to be no larger than self ", x.sizes(), " apart from dimension ", dim);
}
void check_scatter_shape(const Tensor& x, const Tensor& index, const Tensor& source, int dim) {
  if (index.numel() == 0) return;
  FL_CHECK(rank(index) == rank(x), "Index tensor must have the same number of dimensions as self tensor");
  if (source.defined()) FL_CHECK(rank(index) == rank(source), "Index tensor must have the same number of dimensions as src tensor");
  bool fits = true;
  for (int d = 0; d < rank(x); ++d)
    fits = fits && (d == dim || size_at(index, d) <= size_at(x, d)) && (!source.defined() || size_at(index, d) <= size_at(source, d));
  if (fits) return;
  if (source.defined())
    fail(ErrorKind::Runtime, "Expected index ", index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", dim,
         " and to be no larger size than src ", source.sizes());
  fail(ErrorKind::Runtime, "Expected index ", index.sizes(), " to be no larger than self ", x.sizes(), " apart from dimension ", dim);
}

// Writes `source`, or the number `bits` where there is no source, at the index; op: combined with what is there.
void scatter_values(const Tensor& self, int dim, const Tensor& index, Tensor source, const ScalarBits* bits, const cpu::ScatterOp* op,
                    bool include_self) {
  if (index.numel() == 0) return;
  if (source.defined()) source = apart(self, source);
  DimIndexed p(self, source, apart(self, index), dim, index.sizes(), false);
  const void* from = source.defined() ? static_cast<const void*>(source.bytes()) : bits->bytes;
  cpu::BadIndex bad;
  {
    Unlock unlock(double(index.numel()) * kNs);
    bad = op ? cpu::scatter_reduce(self.dtype(), *op, p.d, self.bytes(), from, include_self)
             : cpu::scatter(int64_t(item_size(self.dtype())), p.d, self.bytes(), from);
  }
  check_bound(bad, dim, p.d.bound);
}
// Arguments: self, dim, index, src or value...
void scatter_call(Call& c, const cpu::ScatterOp* op, bool include_self = true) {
  const Tensor& self = c.tensor(0);
  const Tensor& index = c.tensor(2);
  int dim = wrap_dim(c.integer(1), self.dim());
  Tensor source = c.optional(3);
  if (index.numel()) check_index_type("scatter", index);
  if (source.defined()) FL_CHECK(source.dtype() == self.dtype(), "scatter(): Expected self.dtype to be equal to src.dtype");
  check_scatter_shape(self, index, source, dim);
  ScalarBits bits{};
  if (!source.defined()) bits = checked_bits(c.arg(3), self.dtype());
  require_out_dtype(c, self.dtype());
  check_out_apart(c, 0b1100);
  Tensor out = destination(c);
  c.ret(out);
  scatter_values(out, dim, index, source, &bits, op, include_self);
}
cpu::ScatterOp legacy_op(const char* reduce) {
  if (!std::strcmp(reduce, "add")) return cpu::ScatterOp::Sum;
  if (!std::strcmp(reduce, "multiply")) return cpu::ScatterOp::Prod;
  fail(ErrorKind::Runtime, "reduce argument must be either add or multiply.");
}
void scatter_legacy(Call& c) {
  cpu::ScatterOp op = legacy_op(c.str(4));
  scatter_call(c, &op);
}

}  // namespace

extern Record scatter_value, scatter_add, scatter_reduce;

Record gather{{.schema = {"gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor"},
               .forward = [](Call& c) {
                 const Tensor& x = c.tensor(0);
                 const Tensor& index = c.tensor(2);
                 int dim = wrap_dim(c.integer(1), x.dim());
                 if (index.numel()) check_index_type("gather", index);
                 check_gather_shape(x, index, dim);
                 require_out_dtype(c, x.dtype());
                 check_out_apart(c, 0b101);
                 const Tensor& out = c.result(index.sizes(), x.dtype());
                 if (index.numel() == 0) return;
                 DimIndexed p(x, out, index, dim, index.sizes(), false);
                 cpu::BadIndex bad;
                 {
                   Unlock unlock(double(index.numel()) * kNs);
                   bad = cpu::gather(int64_t(item_size(x.dtype())), p.d, x.bytes(), out.bytes());
                 }
                 check_bound(bad, dim, p.d.bound);
               },
               .gradient = [](Grad& G) {
                 G.set(0, scatter_add(zeros_like_sizes(G.sizes(0), G.grad().dtype()), G.arg(1), G.in(2), G.grad()));
               },
               .save = save_in(2),
               .flags = kBoth | kOut,
               .doc = "Reads self along dim at the places index names: out[i][j] = self[index[i][j]][j] for dim 0.\n\n"
                      ">>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))\ntensor([[1, 1],\n        [4, 3]])"}};

Record scatter{{.schema = {"scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor"},
                .forward = [](Call& c) {
                  scatter_call(c, nullptr);
                },
                .gradient = [](Grad& G) {
                  if (G.needs(0)) G.set(0, scatter_value(G.grad(), G.arg(1), G.in(2), 0));
                  if (G.needs(3)) G.set(3, fit_source(gather(G.grad(), G.arg(1), G.in(2)), G.sizes(3)));
                },
                .save = save_in(2),
                .flags = kAll,
                .nodes = {"ScatterBackward0"},
                .doc = "Writes src along dim at the places index names; of equal places the last wins."}};
Record scatter_value{{.schema = {"scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor"},
                      .forward =
                          [](Call& c) {
                            scatter_call(c, nullptr);
                          },
                      .gradient =
                          [](Grad& G) {
                            G.set(0, scatter_value(G.grad(), G.arg(1), G.in(2), 0));
                          },
                      .save = save_in(2),
                      .flags = kAll,
                      .nodes = {"ScatterBackward1"},
                      .doc = "Writes a number along dim at the places index names."}};
static Record scatter_legacy_src{{.schema = {"scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor"},
                                  .forward = scatter_legacy,
                                  .flags = kAll,
                                  .nodes = {"NotImplemented"},
                                  .doc = "Adds or multiplies src at the places index names."}};
static Record scatter_legacy_value{{.schema = {"scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor"},
                                    .forward = scatter_legacy,
                                    .flags = kAll,
                                    .nodes = {"NotImplemented"},
                                    .doc = "Adds or multiplies a number at the places index names."}};
Record scatter_add{{.schema = {"scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor"},
                    .forward = [](Call& c) {
                      cpu::ScatterOp op = cpu::ScatterOp::Sum;
                      scatter_call(c, &op);
                    },
                    .gradient = [](Grad& G) {
                      if (G.needs(0)) G.set(0, G.grad());
                      if (G.needs(3)) G.set(3, fit_source(gather(G.grad(), G.arg(1), G.in(2)), G.sizes(3)));
                    },
                    .save = save_in(2),
                    .flags = kAll,
                    .doc = "Adds src along dim at the places index names.\n\n"
                           ">>> torch.zeros(2).scatter_add(0, torch.tensor([1, 1]), torch.tensor([1., 2.]))\ntensor([0., 3.])"}};
Record scatter_reduce{
    {.schema = {"scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor"},
     .forward =
         [](Call& c) {
           static const char* kernels[] = {"scatter_gather_tensor_cpu_reduce_sum", "scatter_gather_tensor_cpu_reduce_prod",
                                           "scatter_gather_tensor_cpu_reduce_mean", "scatter_gather_tensor_cpu_reduce_amax",
                                           "scatter_gather_tensor_cpu_reduce_amin"};
           cpu::ScatterOp op = scatter_op(c.str(4));
           check_scatter_op(kernels[int(op)], op, c.tensor(0).dtype());
           scatter_call(c, &op, c.flag(5));
         },
     .gradient =
         [](Grad& G) {
           reduce_gradient(G, Places{G.in(2), G.arg(1).i, false}, 3, G.arg(4).s, G.arg(5).b);
         },
     .save = save_in(0) | save_in(2) | save_in(3) | save_out(0),
     .flags = kAll,
     .nodes = {"ScatterReduceBackward0"},
     .doc = "Combines src with self at the places index names: sum, prod, mean, amax or amin."}};

// A source may be larger than the index: what lies outside was not read.
Tensor fit_source(const Tensor& g, IntView sizes) {
  if (g.sizes() == sizes) return g;
  FL_CHECK(g.dim() == sizes.n, "scatter: the gradient of a source needs as many dimensions as the index");
  Dims strides = contiguous_strides(sizes);
  return window_backward(g, sizes, strides, 0);
}

// ------------------------------------------------------------------------------------------------ gradients of reductions

Tensor Places::read(const Tensor& x) const { return whole_slices ? index_select(x, dim, index) : gather(x, dim, index); }
Tensor Places::add(const Tensor& into, const Tensor& x) const {
  return whole_slices ? index_add(into, dim, index, x) : scatter_add(into, dim, index, x);
}
Tensor Places::clear(const Tensor& x) const { return whole_slices ? index_fill(x, dim, index, 0) : scatter_value(x, dim, index, 0); }
Tensor Places::reduce(const Tensor& into, const Tensor& x, const char* how, bool include_self) const {
  return whole_slices ? index_reduce(into, dim, index, x, how, include_self) : scatter_reduce(into, dim, index, x, how, include_self);
}

// Arguments: self 0, source `source`; the result is kept.
void reduce_gradient(Grad& G, const Places& at, int source, const char* how, bool include_self) {
  cpu::ScatterOp op = scatter_op(how);
  const Tensor& g = G.grad();
  Tensor self = G.in(0), src = G.in(source), result = G.result(), grad_self, grad_src;
  DType t = g.dtype();
  switch (op) {
    case cpu::ScatterOp::Sum:
      grad_self = g;
      grad_src = at.read(g);
      break;
    case cpu::ScatterOp::Mean: {
      Tensor count = at.add(include_self ? ones_like(g) : zeros_like(g), ones_like(src));
      count = masked_fill(count, eq(count, 0), 1);
      grad_self = div(g, count);
      grad_src = div(at.read(g), at.read(count));
      break;
    }
    case cpu::ScatterOp::Prod: {
      Tensor filled = masked_fill(self, eq(self, 0), 1);
      grad_self = div(mul(g, at.reduce(filled, src, "prod", include_self)), filled);
      // A zero among the factors of an element: only it has a gradient; two: none has.
      Tensor zero = eq(src, 0), zeros_there = at.read(at.add(zeros_like(self), to_dtype(zero, t)));
      Tensor alone = logical_and(zero, eq(zeros_there, 1));
      Tensor without = at.reduce(self, masked_fill(src, alone, 1), "prod", include_self);
      Tensor single = at.read(mul(g, without)), plain = div(at.read(mul(g, result)), masked_fill(src, zero, 1));
      grad_src = masked_fill(where(alone, single, plain), gt(zeros_there, 1), 0);
      break;
    }
    case cpu::ScatterOp::Max:
    case cpu::ScatterOp::Min: {
      Tensor self_hit = to_dtype(eq(self, result), t), src_hit = to_dtype(eq(src, at.read(result)), t);
      Tensor share = div(g, at.add(self_hit, src_hit));
      grad_self = mul(self_hit, share);
      grad_src = mul(src_hit, at.read(share));
      break;
    }
  }
  if (!include_self) grad_self = at.clear(grad_self);
  if (G.needs(0)) G.set(0, grad_self);
  if (G.needs(source)) G.set(source, at.whole_slices ? reshape(grad_src, G.sizes(source)) : fit_source(grad_src, G.sizes(source)));
}

}  // namespace fl::ops
