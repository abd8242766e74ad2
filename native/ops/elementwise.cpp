// Elementwise operators: from a call to a loop.
#include "ops/elementwise.h"

#include "memory/backend.h"

namespace fl {

void not_offered(const Record& op, DType t) {
  fail(ErrorKind::NotImplemented, "\"", op.name, "\" not implemented for '", scalar_type_name(t), "'");
}

DType promoted(Kind kind, const Value* v, int n) {
  Promotion p;
  for (int k = 0; k < n; ++k) p.add(v[k]);
  DType t = p.result();
  if (kind == Kind::Float && (is_integral(t) || t == DType::Bool)) t = default_dtype();
  return t;
}

// Of complex32 PyTorch's processor kernels know little more than the arithmetic that holds it together.
static bool knows_complex_half(cpu::Unary op) {
  using U = cpu::Unary;
  return op == U::Neg || op == U::Abs || op == U::Sgn || op == U::Conj || cpu::result(op) == cpu::Result::Bool;
}
static bool knows_complex_half(cpu::Binary op) {
  using B = cpu::Binary;
  return op == B::Add || op == B::AddAlpha || op == B::Sub || op == B::SubAlpha || op == B::RSub || op == B::Mul || op == B::Eq || op == B::Ne;
}

static Dims common_shape(const Value* v, int n) {
  Dims sizes;
  bool first = true;
  for (int k = 0; k < n; ++k)
    if (v[k].is_tensor()) {
      if (first) sizes = v[k].t->sizes;
      else if (!(IntView(sizes) == IntView(v[k].t->sizes))) sizes = broadcast_shapes(sizes, v[k].t->sizes);
      first = false;
    }
  return sizes;
}

bool (*note_elementwise)(Call&, cpu::Loop, DType, DType, const Value*, const DType*, int, const void*, size_t, double) = nullptr;

void elementwise(Call& c, cpu::Loop loop, DType loop_out, DType out_dtype, const Value* inputs, const DType* loop_in, int n, const void* params, size_t params_size,
                 double ns) {
  if (__builtin_expect(thread_state().doors & kDoorCapture, 0) && c.mode == Mode::Functional && on_host(thread_state().device) &&
      note_elementwise(c, loop, loop_out, out_dtype, inputs, loop_in, n, params, params_size, ns))
    return;
  Dims sizes = common_shape(inputs, n), strides;
  bool permuted = result_strides(sizes, inputs, n, strides);
  const Tensor& out = c.result(sizes, out_dtype, permuted ? &strides : nullptr, false);
  Pointwise it(out, loop_out);
  for (int k = 0; k < n; ++k) it.input(inputs[k], loop_in[k]);
  it.run(loop, params, ns);
}

namespace {

struct Params {
  ScalarBits packed[4];
  alignas(16) char bytes[64];
  const void* pack(const Value* v, int n, DType t) {
    size_t item = item_size(t);
    for (int k = 0; k < n; ++k) std::memcpy(bytes + size_t(k) * item, scalar_bits(v[k], t).bytes, item);
    return n ? bytes : nullptr;
  }
};

constexpr int64_t kStraight = 2048;  // up to here a contiguous call goes straight to the loop

}  // namespace

void unary(Call& c, cpu::Unary op, Kind kind, const Value* params, int nparams) {
  const Tensor& x = c.tensor(0);
  DType t = x.dtype();
  if (kind == Kind::Float && !is_differentiable(t)) t = default_dtype();
  const auto& table = cpu::pointwise_kernels();
  DType compute = loop_type(t);
  cpu::Loop loop = table.unary[int(op)][int(compute)];
  if (__builtin_expect(!loop || (t == DType::Complex32 && !knows_complex_half(op)), 0)) not_offered(c.op, t);
  cpu::Result r = cpu::result(op);
  DType loop_out = r == cpu::Result::Same ? compute : r == cpu::Result::Bool ? DType::Bool
                                                                             : real_type(compute);
  DType out = r == cpu::Result::Same ? t : r == cpu::Result::Bool ? DType::Bool
                                                                  : real_type(t);
  Params p;
  const void* packed = p.pack(params, nparams, compute);
  if (c.mode == Mode::Functional && x.dtype() == compute && x.is_contiguous() && x.numel() <= kStraight) {
    const Tensor& y = c.result(x.sizes(), out);
    int64_t st[2] = {int64_t(item_size(loop_out)), int64_t(item_size(compute))};
    char* ptr[2] = {y.bytes(), x.bytes()};
    return loop(x.numel(), ptr, st, packed);
  }
  elementwise(c, loop, loop_out, out, c.args, &compute, 1, packed, size_t(nparams) * item_size(compute), cpu::cost(op, compute));
}

void binary(Call& c, cpu::Binary op, Kind kind, const Value& a, const Value& b, const Value* params, int nparams) {
  const auto& table = cpu::pointwise_kernels();
  if (a.is_tensor() && c.mode == Mode::Functional) {
    const TensorImpl& x = *a.t;
    DType t = x.dtype;
    if (b.is_tensor()) {
      const TensorImpl& y = *b.t;
      if (y.dtype == t && x.contiguous && y.contiguous && x.numel <= kStraight && loop_type(t) == t && x.sizes == y.sizes &&
          (kind != Kind::Float || is_differentiable(t))) {
        cpu::Loop loop = table.binary[int(op)][int(t)];
        if (__builtin_expect(!loop, 0)) not_offered(c.op, t);
        Params p;
        const void* packed = nparams ? p.pack(params, nparams, t) : nullptr;
        DType out = kind == Kind::Compare ? DType::Bool : t;
        const Tensor& z = c.result(x.sizes, out);
        int64_t item = int64_t(item_size(t)), st[3] = {int64_t(item_size(out)), item, item};
        char* ptr[3] = {z.bytes(), x.bytes(), y.bytes()};
        return loop(x.numel, ptr, st, packed);
      }
    } else if (x.plain && x.numel <= kStraight && (t == DType::Float32 || t == DType::Float64) && b.tag != Value::ComplexTag && nparams == 0) {
      cpu::Loop loop = table.binary[int(op)][int(t)];
      if (__builtin_expect(!loop, 0)) not_offered(c.op, t);
      DType out = kind == Kind::Compare ? DType::Bool : t;
      const Tensor& z = c.result(x.sizes, out);
      ScalarBits number;
      if (t == DType::Float32) *reinterpret_cast<float*>(number.bytes) = float(b.real());
      else *reinterpret_cast<double*>(number.bytes) = b.real();
      int64_t st[3] = {int64_t(item_size(out)), int64_t(item_size(t)), 0};
      char* ptr[3] = {z.bytes(), x.bytes(), number.bytes};
      return loop(x.numel, ptr, st, nullptr);
    }
  }
  Value in[2] = {a, b};
  DType t = promoted(kind, in, 2), compute = loop_type(t);
  cpu::Loop loop = table.binary[int(op)][int(compute)];
  if (c.mode == Mode::Inplace)
    FL_CHECK(can_cast(t, c.preset[0]->dtype) || kind == Kind::Compare, "result type ", scalar_type_name(t), " can't be cast to the desired output type ",
             scalar_type_name(c.preset[0]->dtype));
  if (!loop || (t == DType::Complex32 && !knows_complex_half(op))) not_offered(c.op, t);
  DType in_types[2] = {compute, compute};
  bool compare = cpu::result(op) == cpu::Result::Bool;
  Params p;
  elementwise(c, loop, compare ? DType::Bool : compute, compare ? DType::Bool : t, in, in_types, 2, p.pack(params, nparams, compute), size_t(nparams) * item_size(compute), cpu::cost(op, compute));
}

void ternary(Call& c, cpu::Ternary op, Kind kind, const Value& x, const Value& y, const Value& z, const Value* params, int nparams) {
  Value in[3] = {x, y, z};
  DType t = promoted(kind, in, 3), compute = loop_type(t);
  cpu::Loop loop = cpu::pointwise_kernels().ternary[int(op)][int(compute)];
  if (!loop) not_offered(c.op, t);
  if (!loop || (t == DType::Complex32 && op != cpu::Ternary::Where)) not_offered(c.op, t);
  DType in_types[3] = {compute, compute, compute};
  Params p;
  elementwise(c, loop, compute, t, in, in_types, 3, p.pack(params, nparams, compute), size_t(nparams) * item_size(compute), cpu::cost(op, compute));
}

}  // namespace fl
