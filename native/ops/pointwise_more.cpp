// Elementwise operators with three operands or parameters: selection, clamping, interpolation, activations with constants; filling,
// copying and conversion between element types.
#include "memory/backend.h"
#include "ops/dim_index.h"
#include "ops/elementwise.h"

namespace fl::ops {

// ------------------------------------------------------------------------------------------------ filling, copying, conversion

Tensor zeros_like_sizes(IntView sizes, DType dtype) {
  Tensor t = empty(sizes, dtype);
  fill_values(t, Value(0));
  return t;
}

static Value as_number(const Value& v) {
  if (v.is_number()) return v;
  FL_CHECK(v.tensor().dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ", v.tensor().dim(), " dimensions.");
  return parameter_value(v.tensor());
}
Record fill_{{.schema = {"fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)", "fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)"},
              .forward = [](Call& c) {
                Value v = as_number(c.arg(1));
                if (!c.arg(1).is_tensor() && c.tensor(0).dtype() != DType::Float16) checked_bits(v, c.tensor(0).dtype());
                fill_values(c.tensor(0), v);
                c.ret(c.tensor(0));
              },
              .gradient = [](Grad& G) {
                if (G.needs(0)) G.set(0, zeros_like(G.grad()));
                if (G.needs(1)) G.set(1, sum(G.grad()));
              },
              .flags = kBoth | kInplaceOnly,
              .doc = "Sets every element to value."}};
Record zero_{{.schema = {"zero_(Tensor(a!) self) -> Tensor(a!)"},
              .forward = [](Call& c) {
                fill_values(c.tensor(0), Value(0));
                c.ret(c.tensor(0));
              },
              .gradient = [](Grad& G) {
                G.set(0, zeros_like(G.grad()));
              },
              .flags = kBoth | kInplaceOnly,
              .doc = "Sets every element to zero."}};
Record copy_{{.schema = {"copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)"},
              .forward = [](Call& c) {
                Tensor src = c.tensor(1);
                const Tensor& dst = c.tensor(0);
                Dims shape = broadcast_shapes(dst.sizes(), src.sizes());
                FL_CHECK(IntView(shape) == dst.sizes(), "output with shape ", dst.sizes(), " doesn't match the broadcast shape ", shape);
                FL_CHECK(!has_internal_overlap(dst.sizes(), dst.strides()),
                         "unsupported operation: more than one element of the written-to tensor refers to a "
                         "single memory location. Please clone() the tensor before performing the operation.");
                if (!same_view(*dst.get(), *src.get())) src = apart(dst, src);
                copy_values(dst, src);
                c.ret(dst);
              },
              .gradient = [](Grad& G) {
                if (G.needs(0)) G.set(0, zeros_like(G.grad()));
                if (G.needs(1)) {
                  Tensor g = G.grad();
                  if (is_complex(g.dtype()) && !is_complex(G.dtype(1))) g = real(g);
                  G.set(1, g);
                }
              },
              .flags = kMethod | kInplaceOnly | kMixesDevices,
              .nodes = {"CopyBackwards"},
              .doc = "Copies src, broadcast and converted, into self."}};
Record to_dtype{{.schema = {"_to_dtype(Tensor self, ScalarType dtype) -> Tensor"},
                 .forward = [](Call& c) {
                   c.ret(cast_of(c.tensor(0), c.dtype(1)));
                 },
                 .gradient = [](Grad& G) {
                   Tensor g = G.grad();
                   if (is_complex(g.dtype()) && !is_complex(G.dtype(0))) g = real(g);
                   G.set(0, to_dtype(g, G.dtype(0)));
                 },
                 .flags = kPrivate | kElementwise,
                 .nodes = {"ToCopyBackward0"},
                 .doc = "self converted to dtype; self itself if it has it."}};

Record to_device{{.schema = {"_to_device(Tensor self, Device device) -> Tensor"},
                  .forward = [](Call& c) {
                    Tensor out = fl::empty_like(c.tensor(0), DType::None, checked_device(c.arg(1).device));
                    copy_values(out, c.tensor(0));
                    c.ret(out);
                  },
                  .gradient = [](Grad& G) {
                    G.set(0, to_device(G.grad(), G.device(0)));
                  },
                  .flags = kPrivate,
                  .nodes = {"ToCopyBackward0"},
                  .doc = "A copy of self on another device."}};

Tensor sum_to(const Tensor& g, IntView sizes) {
  if (g.sizes() == sizes) return g;
  int lead = g.dim() - sizes.n;
  Dims over(0);
  for (int d = 0; d < g.dim(); ++d)
    if (d < lead || (sizes[d - lead] == 1 && g.size(d) != 1)) over.push(d);
  Tensor r = over.size() ? sum(g, IntView(over), true) : g;
  return lead > 0 ? view(r, sizes) : r;
}

// ------------------------------------------------------------------------------------------------ complex numbers

static void part(Call& c, cpu::Unary op) {
  if (!is_complex(c.tensor(0).dtype())) {
    FL_CHECK(op == cpu::Unary::Real, "imag is not implemented for tensors with non-complex dtypes.");
    return c.ret(c.tensor(0));
  }
  const Tensor& x = c.tensor(0);
  // A view of every other real number.
  Dims strides(x.strides());
  for (int d = 0; d < x.dim(); ++d) strides[d] *= 2;
  Tensor v = make_view(x, x.sizes(), strides, 0);
  v->dtype = real_type(x.dtype());
  v->offset = x->offset * 2 + (op == cpu::Unary::Imag);
  c.ret(v);
}
Record real{{.schema = {"real(Tensor(a) self) -> Tensor(a)"},
             .forward = [](Call& c) {
               part(c, cpu::Unary::Real);
             },
             .gradient = [](Grad& G) {
               G.set(0, to_dtype(G.grad(), G.dtype(0)));
             },
             .flags = kFunction | kViewOp,
             .nodes = {"SelectBackward0"},
             .doc = "A view of the real parts."}};
Record imag{{.schema = {"imag(Tensor(a) self) -> Tensor(a)"},
             .forward = [](Call& c) {
               part(c, cpu::Unary::Imag);
             },
             .gradient = [](Grad& G) {
               G.set(0, mul(to_dtype(G.grad(), G.dtype(0)), Value(0.0, 1.0)));
             },
             .flags = kFunction | kViewOp,
             .nodes = {"SelectBackward0"},
             .doc = "A view of the imaginary parts."}};
Record complex{{.schema = {"complex(Tensor real, Tensor imag) -> Tensor"},
                .forward = [](Call& c) {
                  const Tensor &re = c.tensor(0), &im = c.tensor(1);
                  FL_CHECK(is_floating(re.dtype()) && is_floating(im.dtype()) && re.dtype() != DType::BFloat16 && im.dtype() != DType::BFloat16,
                           "Expected both inputs to be Half, Float or Double tensors but got ", scalar_type_name(re.dtype()), " and ", scalar_type_name(im.dtype()));
                  FL_CHECK(re.dtype() == im.dtype(), "Expected object of scalar type ", scalar_type_name(re.dtype()), " but got scalar type ",
                           scalar_type_name(im.dtype()), " for second argument");
                  DType t = complex_type(re.dtype());
                  if (c.mode == Mode::Out && c.preset[0])
                    FL_CHECK(c.preset[0]->dtype == t, "Expected object of scalar type ", scalar_type_name(t), " but got scalar type ", scalar_type_name(c.preset[0]->dtype), " for argument 'out'");
                  Tensor out = empty(broadcast_shapes(re.sizes(), im.sizes()), t);
                  Tensor a = real(out), b = imag(out);
                  copy_values(a, re);
                  copy_values(b, im);
                  c.ret(out);
                },
                .gradient = [](Grad& G) {
                  if (G.needs(0)) G.set(0, real(G.grad()));
                  if (G.needs(1)) G.set(1, imag(G.grad()));
                },
                .flags = kFunction | kOut,
                .doc = "real + i imag."}};

// ------------------------------------------------------------------------------------------------ selection and clamping

Record where{{.schema = {"where.self(Tensor condition, Tensor self, Tensor other) -> Tensor", "where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor",
                         "where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor", "where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor"},
              .forward = [](Call& c) {
                DType ct = c.tensor(0).dtype();
                FL_CHECK(ct == DType::Bool || ct == DType::UInt8, "where expected condition to be a boolean tensor, but got a tensor with dtype ", scalar_type_name(ct));
                Value in[3] = {c.arg(0), c.arg(1), c.arg(2)};
                DType t = promoted(Kind::Same, in + 1, 2), types[3] = {DType::Bool, t, t};
                elementwise(c, cpu::pointwise_kernels().ternary[int(cpu::Ternary::Where)][int(t)], t, t, in, types, 3, nullptr, 0, cpu::cost(cpu::Ternary::Where, t));
              },
              .gradient = [](Grad& G) {
                Tensor mask = G.in(0), zero = zeros_like_sizes({}, G.grad().dtype());
                if (G.needs(1)) G.set(1, where(mask, G.grad(), zero));
                if (G.needs(2)) G.set(2, where(mask, zero, G.grad()));
              },
              .save = save_in(0),
              .flags = kFunction | kOut | kElementwise,
              .doc = "self where condition holds, other elsewhere."}};

static void clamp_forward(Call& c) {
  const Value &lo = c.arg(1), &hi = c.arg(2);
  FL_CHECK(!(lo.is_none() && hi.is_none()), "clamp: At least one of 'min' or 'max' must not be None");
  FL_CHECK_KIND(NotImplemented, !is_complex(c.tensor(0).dtype()), "clamp is not supported for complex types");
  if (lo.is_tensor() || hi.is_tensor()) {
    Value in[3] = {c.arg(0), lo, hi};
    if (lo.is_none() || hi.is_none()) return binary(c, lo.is_none() ? cpu::Binary::Minimum : cpu::Binary::Maximum, Kind::Same, in[0], lo.is_none() ? hi : lo);
    return ternary(c, cpu::Ternary::ClampTensor, Kind::Same, in[0], in[1], in[2]);
  }
  Value v[3] = {c.arg(0), lo.is_none() ? hi : lo, hi.is_none() ? lo : hi};
  DType t = promoted(Kind::Same, v, 3), compute = loop_type(t);
  FL_CHECK_KIND(NotImplemented, t != DType::Bool, "\"clamp_scalar_cpu\" not implemented for 'Bool'");
  // NaN bounds make everything NaN; a maximum below the minimum wins
  cpu::Unary op = lo.is_none() ? cpu::Unary::ClampMax : hi.is_none() ? cpu::Unary::ClampMin
                                                                     : cpu::Unary::ClampScalar;
  cpu::Loop loop = cpu::pointwise_kernels().unary[int(op)][int(compute)];
  if (!loop) not_offered(c.op, t);
  char params[32];
  size_t item = item_size(compute);
  std::memcpy(params, scalar_bits(lo.is_none() ? hi : lo, compute).bytes, item);
  if (!lo.is_none() && !hi.is_none()) std::memcpy(params + item, scalar_bits(hi, compute).bytes, item);
  elementwise(c, loop, compute, t, c.args, &compute, 1, params, sizeof params, cpu::cost(op, compute));
}
static void clamp_gradient(Grad& G) {
  const Tensor& g = G.grad();
  Tensor x = G.in(0), zero = zeros_like_sizes({}, g.dtype());
  Value lo = G.value(1), hi = G.value(2);
  bool has_lo = G.is_tensor(1) || !G.arg(1).is_none(), has_hi = G.is_tensor(2) || !G.arg(2).is_none();
  Tensor inside;
  if (has_lo) inside = ge(x, lo);
  if (has_hi) inside = inside.defined() ? logical_and(inside, le(x, hi)) : le(x, hi);
  // NaN counts as inside
  if (G.needs(0)) G.set(0, where(logical_or(inside, isnan(x)), g, zero));
  if (G.is_tensor(1) && G.needs(1)) G.set(1, where(has_hi ? logical_and(lt(x, lo), lt(lo.tensor(), hi)) : lt(x, lo), g, zero));
  if (G.is_tensor(2) && G.needs(2)) G.set(2, where(has_lo ? logical_or(gt(x, hi), lt(hi.tensor(), lo)) : gt(x, hi), g, zero));
}
Record clamp{{.schema = {"clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor", "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor"},
              .forward = clamp_forward,
              .gradient = clamp_gradient,
              .save = save_in(0) | save_in(1) | save_in(2),
              .flags = kAll | kElementwise,
              .nodes = {"ClampBackward1", "ClampBackward0"},
              .doc = "Each element limited to [min, max].\n\n>>> torch.clamp(torch.tensor([-1, 0, 5]), 0, 3)\ntensor([0, 0, 3])"}};
Record clamp_min{{.schema = {"clamp_min(Tensor self, Scalar min) -> Tensor", "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor"},
                  .forward = [](Call& c) {
                    FL_CHECK_KIND(NotImplemented, !is_complex(c.tensor(0).dtype()), "clamp is not supported for complex types");
                    binary(c, cpu::Binary::Maximum, Kind::Same, c.arg(0), c.arg(1));
                  },
                  .gradient = [](Grad& G) {
                    Tensor x = G.in(0), zero = zeros_like_sizes({}, G.grad().dtype());
                    Value lo = G.value(1);
                    if (G.needs(0)) G.set(0, where(logical_or(ge(x, lo), isnan(x)), G.grad(), zero));
                    if (G.is_tensor(1) && G.needs(1)) G.set(1, where(lt(x, lo), G.grad(), zero));
                  },
                  .save = save_in(0) | save_in(1),
                  .flags = kAll | kElementwise,
                  .nodes = {"ClampMinBackward0", "ClampMinBackward1"},
                  .doc = "Each element raised to at least min."}};
Record clamp_max{{.schema = {"clamp_max(Tensor self, Scalar max) -> Tensor", "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor"},
                  .forward = [](Call& c) {
                    FL_CHECK_KIND(NotImplemented, !is_complex(c.tensor(0).dtype()), "clamp is not supported for complex types");
                    binary(c, cpu::Binary::Minimum, Kind::Same, c.arg(0), c.arg(1));
                  },
                  .gradient = [](Grad& G) {
                    Tensor x = G.in(0), zero = zeros_like_sizes({}, G.grad().dtype());
                    Value hi = G.value(1);
                    if (G.needs(0)) G.set(0, where(logical_or(le(x, hi), isnan(x)), G.grad(), zero));
                    if (G.is_tensor(1) && G.needs(1)) G.set(1, where(gt(x, hi), G.grad(), zero));
                  },
                  .save = save_in(0) | save_in(1),
                  .flags = kAll | kElementwise,
                  .nodes = {"ClampMaxBackward0", "ClampMaxBackward1"},
                  .doc = "Each element lowered to at most max."}};

// ------------------------------------------------------------------------------------------------ three operands

static void same_dtypes(Call& c, const char* op) {
  DType t = c.tensor(0).dtype();
  for (int k = 1; k < 3; ++k)
    if (c.arg(k).is_tensor())
      FL_CHECK(c.tensor(k).dtype() == t, "expected dtype ", dtype_name(t), " for `", k == 1 ? "end" : "weight", "` but got dtype ", dtype_name(c.tensor(k).dtype()));
}
Record lerp{{.schema = {"lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor", "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor"},
             .forward = [](Call& c) {
               same_dtypes(c, "lerp");
               if (c.arg(2).is_tensor()) ternary(c, cpu::Ternary::Lerp, Kind::Same, c.arg(0), c.arg(1), c.arg(2));
               else binary(c, cpu::Binary::LerpScalar, Kind::Same, c.arg(0), c.arg(1), &c.arg(2), 1);
             },
             .gradient = [](Grad& G) {
               const Tensor& g = G.grad();
               Value w = G.value(2);
               if (w.is_tensor()) {
                 Tensor wt = conj_if(w.tensor());
                 if (G.needs(0)) G.set(0, g * (neg(wt) + 1));
                 if (G.needs(1)) G.set(1, g * wt);
                 if (G.needs(2)) G.set(2, g * conj_if(G.in(1) - G.in(0)));
               } else {
                 Value wc = w.tag == Value::ComplexTag ? Value(w.z[0], -w.z[1]) : w;
                 if (G.needs(0)) G.set(0, mul(g, wc.tag == Value::ComplexTag ? Value(1 - wc.z[0], -wc.z[1]) : Value(1.0 - wc.real())));
                 if (G.needs(1)) G.set(1, mul(g, wc));
               }
             },
             .save = save_in(0) | save_in(1) | save_in(2),
             .flags = kAll | kElementwise,
             .nodes = {"LerpBackward0", "LerpBackward1"},
             .doc = "self + weight (end - self)."}};
static void check_value(const Call& c) {
  Value v[3] = {c.arg(0), c.arg(1), c.arg(2)};
  DType t = promoted(Kind::Same, v, 3);
  FL_CHECK(is_differentiable(t) || c.arg(3).tag == Value::IntTag || c.arg(3).tag == Value::BoolTag,
           "For integral input tensors, argument value must not be a floating point number.");
}
Record addcmul{{.schema = {"addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"},
                .forward = [](Call& c) {
                  check_value(c);
                  ternary(c, cpu::Ternary::Addcmul, Kind::Same, c.arg(0), c.arg(1), c.arg(2), &c.arg(3), 1);
                },
                .gradient = [](Grad& G) {
                  const Tensor& g = G.grad();
                  if (G.needs(0)) G.set(0, g);
                  if (G.needs(1)) G.set(1, times_value(g, G.arg(3)) * conj_if(G.in(2)));
                  if (G.needs(2)) G.set(2, times_value(g, G.arg(3)) * conj_if(G.in(1)));
                },
                .save = save_in(1) | save_in(2),
                .flags = kAll | kElementwise,
                .autocast = Autocast::Promote,
                .doc = "self + value tensor1 tensor2."}};
Tensor times_value(const Tensor& g, const Value& v) {
  if (v.tag == Value::ComplexTag) return mul(g, Value(v.z[0], -v.z[1]));
  return v.real() == 1 ? g : mul(g, v);
}
Record addcdiv{{.schema = {"addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor"},
                .forward = [](Call& c) {
                  FL_CHECK(is_differentiable(c.tensor(1).dtype()) || is_differentiable(c.tensor(2).dtype()),
                           "Integer division with addcdiv is no longer supported, and in a "
                           "future  release addcdiv will perform a true division of tensor1 and tensor2.");
                  ternary(c, cpu::Ternary::Addcdiv, Kind::Same, c.arg(0), c.arg(1), c.arg(2), &c.arg(3), 1);
                },
                .gradient = [](Grad& G) {
                  const Tensor& g = G.grad();
                  if (G.needs(0)) G.set(0, g);
                  Tensor b = G.in(2);
                  if (G.needs(1)) G.set(1, times_value(g, G.arg(3)) / conj_if(b));
                  if (G.needs(2)) G.set(2, neg(times_value(g, G.arg(3))) * conj_if(G.in(1) / (b * b)));
                },
                .save = save_in(1) | save_in(2),
                .flags = kAll | kElementwise,
                .autocast = Autocast::Promote,
                .doc = "self + value tensor1 / tensor2."}};

// ------------------------------------------------------------------------------------------------ activations with constants

static void unary_with(Call& c, cpu::Unary op, int first, int n, Kind kind = Kind::Same) {
  Value p[4];
  for (int k = 0; k < n; ++k) p[k] = c.arg(first + k);
  unary(c, op, kind, p, n);
}
static void binary_with(Call& c, cpu::Binary op, int first, int n) {
  Value p[4];
  for (int k = 0; k < n; ++k) p[k] = c.arg(first + k);
  binary(c, op, Kind::Same, c.arg(0), c.arg(1), p, n);
}
constexpr uint32_t kActivation = kFunction | kInplace | kOut | kNn | kElementwise, kHidden = kPrivate | kElementwise;

Record softplus_backward{{.schema = {"softplus_backward(Tensor grad_output, Tensor self, Scalar beta, Scalar threshold) -> Tensor"},
                          .forward = [](Call& c) {
                            binary_with(c, cpu::Binary::SoftplusGrad, 2, 2);
                          },
                          .gradient = [](Grad& G) {
                            Tensor g = G.in(0), x = G.in(1);
                            if (G.needs(0)) G.set(0, softplus_backward(G.grad(), x, G.arg(2), G.arg(3)));
                            if (G.needs(1)) {
                              Tensor s = sigmoid(x * G.arg(2)), d = s * (neg(s) + 1) * G.arg(2);
                              G.set(1, G.grad() * g * where(gt(x * G.arg(2), G.arg(3)), zeros_like(x), d));
                            }
                          },
                          .save = save_in(0) | save_in(1),
                          .flags = kHidden}};
Record softplus{{.schema = {"softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor"},
                 .forward = [](Call& c) {
                   unary_with(c, cpu::Unary::Softplus, 1, 2);
                 },
                 .gradient = [](Grad& G) {
                   G.set(0, softplus_backward(G.grad(), G.in(0), G.arg(1), G.arg(2)));
                 },
                 .save = kSaveSelf,
                 .flags = kFunction | kOut | kNn | kElementwise | kExactOut,
                 .autocast = Autocast::Float32,
                 .doc = "log(1 + exp(beta x)) / beta, and x where beta x > threshold."}};
Record leaky_relu_backward{{.schema = {"leaky_relu_backward(Tensor grad_output, Tensor self, Scalar negative_slope) -> Tensor"},
                            .forward = [](Call& c) {
                              binary_with(c, cpu::Binary::LeakyReluGrad, 2, 1);
                            },
                            .gradient = [](Grad& G) {
                              if (G.needs(0)) G.set(0, leaky_relu_backward(G.grad(), G.in(1), G.arg(2)));
                              if (G.needs(1)) G.set(1, zeros_like(G.in(1)));
                            },
                            .save = save_in(1),
                            .flags = kHidden}};
Record leaky_relu{{.schema = {"leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor"},
                   .forward = [](Call& c) {
                     unary_with(c, cpu::Unary::LeakyRelu, 1, 1);
                   },
                   .gradient = [](Grad& G) {
                     G.set(0, leaky_relu_backward(G.grad(), G.in(0), G.arg(1)));
                   },
                   .save = kSaveSelf,
                   .flags = kActivation,
                   .doc = "x where x > 0, negative_slope x elsewhere."}};
Record elu_backward{{.schema = {"elu_backward(Tensor grad_output, Tensor self, Scalar alpha, Scalar scale, Scalar input_scale) -> Tensor"},
                     .forward = [](Call& c) {
                       binary_with(c, cpu::Binary::EluGrad, 2, 3);
                     },
                     .gradient = [](Grad& G) {
                       Tensor g = G.in(0), x = G.in(1);
                       if (G.needs(0)) G.set(0, elu_backward(G.grad(), x, G.arg(2), G.arg(3), G.arg(4)));
                       if (G.needs(1)) {
                         double a = G.arg(2).real() * G.arg(3).real() * G.arg(4).real() * G.arg(4).real();
                         G.set(1, G.grad() * g * where(le(x, 0), exp(x * G.arg(4)) * a, zeros_like(x)));
                       }
                     },
                     .save = save_in(0) | save_in(1),
                     .flags = kHidden}};
Record elu{{.schema = {"elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor"},
            .forward = [](Call& c) {
              unary_with(c, cpu::Unary::Elu, 1, 3);
            },
            .gradient = [](Grad& G) {
              G.set(0, elu_backward(G.grad(), G.in(0), G.arg(1), G.arg(2), G.arg(3)));
            },
            .save = kSaveSelf,
            .flags = kActivation,
            .doc = "x where x > 0, alpha (exp(x) - 1) elsewhere (Clevert et al. 2015)."}};
Record hardtanh_backward{{.schema = {"hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar max_val) -> Tensor"},
                          .forward = [](Call& c) {
                            binary_with(c, cpu::Binary::HardtanhGrad, 2, 2);
                          },
                          .gradient = [](Grad& G) {
                            if (G.needs(0)) G.set(0, hardtanh_backward(G.grad(), G.in(1), G.arg(2), G.arg(3)));
                            if (G.needs(1)) G.set(1, zeros_like(G.in(1)));
                          },
                          .save = save_in(1),
                          .flags = kHidden}};
Record hardtanh{{.schema = {"hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor"},
                 .forward = [](Call& c) {
                   FL_CHECK(c.tensor(0).dtype() != DType::Bool, "Bool inputs not supported for hardtanh");
                   unary_with(c, cpu::Unary::ClampScalar, 1, 2);
                 },
                 .gradient = [](Grad& G) {
                   G.set(0, hardtanh_backward(G.grad(), G.in(0), G.arg(1), G.arg(2)));
                 },
                 .save = kSaveSelf,
                 .flags = kActivation,
                 .doc = "x limited to [min_val, max_val]."}};
Record threshold_backward{{.schema = {"threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor"},
                           .forward = [](Call& c) {
                             binary_with(c, cpu::Binary::ThresholdGrad, 2, 1);
                           },
                           .gradient = [](Grad& G) {
                             if (G.needs(0)) G.set(0, threshold_backward(G.grad(), G.in(1), G.arg(2)));
                             if (G.needs(1)) G.set(1, zeros_like(G.in(1)));
                           },
                           .save = save_in(1),
                           .flags = kHidden}};
Record threshold{{.schema = {"threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor"},
                  .forward = [](Call& c) {
                    unary_with(c, cpu::Unary::Threshold, 1, 2);
                  },
                  .gradient = [](Grad& G) {
                    G.set(0, threshold_backward(G.grad(), G.in(0), G.arg(1)));
                  },
                  .save = kSaveSelf,
                  .flags = kFunction | kInplace | kOut | kElementwise,
                  .doc = "x where x > threshold, value elsewhere."}};
Record shrink_backward{{.schema = {"shrink_backward(Tensor grad_output, Tensor self, Scalar lambd) -> Tensor"},
                        .forward = [](Call& c) {
                          binary_with(c, cpu::Binary::ShrinkGrad, 2, 1);
                        },
                        .gradient = [](Grad& G) {
                          if (G.needs(0)) G.set(0, shrink_backward(G.grad(), G.in(1), G.arg(2)));
                          if (G.needs(1)) G.set(1, zeros_like(G.in(1)));
                        },
                        .save = save_in(1),
                        .flags = kHidden}};
Record hardshrink{{.schema = {"hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor"},
                   .forward = [](Call& c) {
                     unary_with(c, cpu::Unary::Hardshrink, 1, 1);
                   },
                   .gradient = [](Grad& G) {
                     G.set(0, shrink_backward(G.grad(), G.in(0), G.arg(1)));
                   },
                   .save = kSaveSelf,
                   .flags = kBoth | kOut | kElementwise | kExactOut,
                   .doc = "x where |x| > lambd, 0 elsewhere."}};
Record softshrink{{.schema = {"softshrink(Tensor self, Scalar lambd=0.5) -> Tensor"},
                   .forward = [](Call& c) {
                     FL_CHECK(c.real(1) >= 0, "lambda must be greater or equal to 0, but found to be ", c.real(1), ".");
                     unary_with(c, cpu::Unary::Softshrink, 1, 1);
                   },
                   .gradient = [](Grad& G) {
                     G.set(0, shrink_backward(G.grad(), G.in(0), G.arg(1)));
                   },
                   .save = kSaveSelf,
                   .flags = kFunction | kOut | kNn | kElementwise | kExactOut,
                   .doc = "x moved towards 0 by lambd."}};

// ------------------------------------------------------------------------------------------------ other parameters

Record nan_to_num{{.schema = {"nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor"},
                   .forward = [](Call& c) {
                     DType t = c.tensor(0).dtype();
                     if (!is_differentiable(t)) {
                       Value in(c.tensor(0));
                       DType same = t;
                       return elementwise(c, cpu::pointwise_kernels().cast[int(t)][int(t)], t, t, &in, &same, 1, nullptr, 0, 0.1);
                     }
                     double big = t == DType::Float16 ? 65504.0 : t == DType::BFloat16         ? 3.38953138925153547590e38
                                                              : real_type(t) == DType::Float32 ? double(std::numeric_limits<float>::max())
                                                                                               : std::numeric_limits<double>::max();
                     Value p[3] = {c.has(1) ? c.arg(1) : Value(0.0), c.has(2) ? c.arg(2) : Value(big), c.has(3) ? c.arg(3) : Value(-big)};
                     unary(c, cpu::Unary::NanToNum, Kind::Same, p, 3);
                   },
                   .gradient = [](Grad& G) {
                     Tensor x = G.in(0);
                     if (is_complex(x.dtype())) {
                       Tensor re = real(x), im = imag(x), g = G.grad();
                       return G.set(0, complex(real(g) * to_dtype(isfinite(re), re.dtype()), imag(g) * to_dtype(isfinite(im), im.dtype())));
                     }
                     G.set(0, G.grad() * to_dtype(isfinite(x), x.dtype()));
                   },
                   .save = kSaveSelf,
                   .flags = kAll | kElementwise | kExactOut,
                   .doc = "NaN, +inf and -inf replaced."}};
Record logit{{.schema = {"logit(Tensor self, float? eps=None) -> Tensor"},
              .forward = [](Call& c) {
                Value p = c.has(1) ? c.arg(1) : Value(-1.0);
                unary(c, cpu::Unary::Logit, Kind::Float, &p, 1);
              },
              .gradient = [](Grad& G) {
                Tensor x = G.in(0), d = G.grad() / (x * (neg(x) + 1));
                if (G.arg(1).is_none()) return G.set(0, where(logical_or(lt(x, 0), gt(x, 1)), full(IntView(), std::numeric_limits<double>::quiet_NaN(), x.dtype()), d));
                double e = G.arg(1).real();
                G.set(0, where(logical_or(lt(x, e), gt(x, 1 - e)), zeros_like(x), d));
              },
              .save = kSaveSelf,
              .flags = kAll | kElementwise,
              .doc = "log(x / (1 - x)), with x clamped to [eps, 1 - eps] if eps is given."}};
Record polygamma{{.schema = {"polygamma(int n, Tensor self) -> Tensor"},
                  .forward = [](Call& c) {
                    FL_CHECK(c.integer(0) >= 0, "polygamma(n, x) does not support negative n.");
                    Value n(double(c.integer(0))), x = c.arg(1);
                    DType t = promoted(Kind::Float, &x, 1), compute = loop_type(t);
                    cpu::Loop loop = cpu::pointwise_kernels().unary[int(cpu::Unary::Polygamma)][int(compute)];
                    if (!loop) not_offered(c.op, t);
                    ScalarBits bits = scalar_bits(n, compute);
                    elementwise(c, loop, compute, t, &x, &compute, 1, bits.bytes, sizeof bits, cpu::cost(cpu::Unary::Polygamma, compute));
                  },
                  .gradient = [](Grad& G) {
                    G.set(1, G.grad() * polygamma(G.arg(0).integer() + 1, G.in(1)));
                  },
                  .save = save_in(1),
                  .flags = kFunction | kOut | kElementwise,
                  .doc = "The n-th derivative of digamma."}};

}  // namespace fl::ops
