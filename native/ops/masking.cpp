// masked_fill: a number where a mask holds.
#include "ops/elementwise.h"

namespace fl::ops {

namespace {

const char* c_type(DType t) {
  constexpr const char* names[] = {"bool", "uint8_t", "int8_t", "int16_t", "int", "int64_t", "uint16_t", "uint32_t", "uint64_t", "c10::Half", "c10::BFloat16", "float", "double",
                                   "c10::complex<float>", "c10::complex<double>"};
  return names[int(t)];
}
bool overflows(const Value& v, DType t) {
  if (is_complex(t) || t == DType::Bool) return false;
  if (v.tag == Value::ComplexTag && v.z[1] != 0) return true;
  double d = v.real();
  if (is_floating(t)) {
    constexpr double limits[] = {65504.0, 3.38953139e38, 3.4028234663852886e38, 1.7976931348623157e308};
    return std::isfinite(d) && std::fabs(d) > limits[int(t) - int(DType::Float16)];
  }
  int bits = int(item_size(t)) * 8;
  double top = std::ldexp(1.0, bits == 64 ? 63 : t >= DType::UInt16 || t == DType::UInt8 ? bits : bits - 1);
  if (v.tag == Value::IntTag && bits == 64) return false;
  return !(d >= -top && d < top);  // negative numbers wrap in unsigned types
}
void masked_fill_forward(Call& c) {
  const Tensor &x = c.tensor(0), &mask = c.tensor(1);
  if (mask.dtype() != DType::Bool) {
    const char* name = mask.dtype() == DType::UInt8 ? "unsigned char" : mask.dtype() == DType::Int64 ? "long int" : c_type(mask.dtype());
    fail(ErrorKind::Runtime, "masked_fill_ only supports boolean masks, but got mask with dtype ", name);
  }
  Value v = c.arg(2);
  if (v.is_tensor()) {
    FL_CHECK(v.t->sizes.size() == 0, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", v.t->sizes.size(), " dimension(s).");
    v = item_value(*v.t);
  }
  DType t = x.dtype();
  FL_CHECK(!overflows(v, t), "value cannot be converted to type ", c_type(t), " without overflow");
  if (is_integral(t) && v.tag != Value::IntTag) v = Value(v.integer());
  const Tensor& out = c.result(x.sizes() == mask.sizes() ? Dims(x.sizes()) : broadcast_shapes(x.sizes(), mask.sizes()), t, nullptr, false);
  Pointwise it(out, t);
  it.input(c.arg(1), DType::Bool);
  it.input(v, t);
  it.input(c.arg(0), t);
  it.run(cpu::pointwise_kernels().ternary[int(cpu::Ternary::Where)][int(t)], nullptr, cpu::cost(cpu::Ternary::Where, t));
}

}  // namespace

Record masked_fill{{.schema = {"masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor", "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor"},
                    .forward = masked_fill_forward,
                    .gradient = [](Grad& G) {
                      Tensor mask = G.in(1);
                      if (G.needs(0)) G.set(0, sum_to(masked_fill(G.grad(), mask, 0), G.sizes(0)));
                      if (G.needs(2)) G.set(2, sum(where(mask, G.grad(), zeros_like_sizes({}, G.grad().dtype()))));
                    },
                    .save = save_in(1), .flags = kBoth | kInplace | kElementwise, .nodes = {"MaskedFillBackward0", "MaskedFillBackward1"},
                    .doc = "self with value where mask is true.\n\n>>> torch.zeros(2).masked_fill(torch.tensor([True, False]), 5)\ntensor([5., 0.])"}};

}  // namespace fl::ops
