// The elementwise iterator.
#include "tensor/iterator.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "base/unlock.h"
#include "kernels/cpu/index.h"
#include "memory/backend.h"
#include "tensor/modes.h"

namespace fl {

void* (*unlock_interpreter)() = nullptr;
void (*lock_interpreter)(void*) = nullptr;

template <class T>
static void put(char* p, T v) { std::memcpy(p, &v, sizeof(T)); }

ScalarBits scalar_bits(const Value& v, DType dtype) {
  ScalarBits b{};
  char* p = b.bytes;
  bool integer = v.tag == Value::IntTag || v.tag == Value::BoolTag;
  auto whole = [&]() -> int64_t {
    return integer ? v.integer() : int64_t(v.real());
  };
  switch (dtype) {
    case DType::Bool: put(p, bool(integer ? v.integer() != 0 : v.real() != 0 || v.imag() != 0)); break;
    case DType::UInt8: put(p, uint8_t(whole())); break;
    case DType::Int8: put(p, int8_t(whole())); break;
    case DType::Int16: put(p, int16_t(whole())); break;
    case DType::Int32: put(p, int32_t(whole())); break;
    case DType::Int64: put(p, whole()); break;
    case DType::UInt16: put(p, uint16_t(whole())); break;
    case DType::UInt32: put(p, uint32_t(whole())); break;
    case DType::UInt64: put(p, uint64_t(whole())); break;
    case DType::Float16: put(p, Half(float(v.real()))); break;
    case DType::BFloat16: put(p, BFloat16(float(v.real()))); break;
    case DType::Float32: put(p, float(v.real())); break;
    case DType::Float64: put(p, v.real()); break;
    case DType::Complex32: put(p, Complex<Half>(Half(float(v.real())), Half(float(v.imag())))); break;
    case DType::Complex64: put(p, Complex<float>(float(v.real()), float(v.imag()))); break;
    case DType::Complex128: put(p, Complex<double>(v.real(), v.imag())); break;
    case DType::None: break;
  }
  return b;
}

template <class T>
static T get(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}

Value item_value(const TensorImpl& t) {
  FL_CHECK(t.numel == 1, "a Tensor with ", t.numel, " elements cannot be converted to Scalar");
  if (t.device.type == DeviceType::Meta) throw NoHostData(ErrorKind::Runtime, "Tensor.item() cannot be called on meta tensors");
  FL_CHECK_KIND(NotImplemented, !t.sparse, "a sparse tensor was given where a number is needed; to_dense() makes one of it");
  const char* p = t.bytes();
  switch (t.dtype) {
    case DType::Bool: return Value(*reinterpret_cast<const uint8_t*>(p) != 0);
    case DType::UInt8: return Value(int64_t(get<uint8_t>(p)));
    case DType::Int8: return Value(int64_t(get<int8_t>(p)));
    case DType::Int16: return Value(int64_t(get<int16_t>(p)));
    case DType::Int32: return Value(int64_t(get<int32_t>(p)));
    case DType::Int64: return Value(get<int64_t>(p));
    case DType::UInt16: return Value(int64_t(get<uint16_t>(p)));
    case DType::UInt32: return Value(int64_t(get<uint32_t>(p)));
    case DType::UInt64: return Value(int64_t(get<uint64_t>(p)));
    case DType::Float16: return Value(double(float(get<Half>(p))));
    case DType::BFloat16: return Value(double(float(get<BFloat16>(p))));
    case DType::Float32: return Value(double(get<float>(p)));
    case DType::Float64: return Value(get<double>(p));
    case DType::Complex32: {
      auto z = get<Complex<Half>>(p);
      return Value(double(float(z.re)), double(float(z.im)));
    }
    case DType::Complex64: {
      auto z = get<Complex<float>>(p);
      return Value(double(z.re), double(z.im));
    }
    case DType::Complex128: {
      auto z = get<Complex<double>>(p);
      return Value(z.re, z.im);
    }
    default: return Value();
  }
}

Value parameter_value(const Tensor& t) {
  if (on_host(t.device())) return item_value(*t.get());
  return is_complex(t.dtype()) ? Value(0.0, 0.0) : is_floating(t.dtype()) ? Value(0.0)
                                               : t.dtype() == DType::Bool ? Value(false)
                                                                          : Value(0);
}
bool holds(const Tensor& condition) { return !on_host(condition.device()) || item_value(*condition.get()).integer() != 0; }

Pointwise::Pointwise(const Tensor& out, DType loop_dtype) : ndim_(out.dim()), numel_(out.numel()) {
  Operand& o = ops_[0];
  o.data = out.bytes();
  o.dtype = out.dtype();
  o.loop_dtype = loop_dtype;
  converts_ = o.dtype != loop_dtype;
  int64_t item = int64_t(item_size(o.dtype));
  for (int d = 0; d < ndim_; ++d) {
    size_[d] = out.size(d);
    o.stride[d] = out.stride(d) * item;
  }
  n_ = 1;
}

void Pointwise::input(const Value& v, DType loop_dtype) {
  Operand& o = ops_[n_];
  o.loop_dtype = loop_dtype;
  if (v.is_tensor()) {
    const TensorImpl& t = *v.t;
    o.dtype = t.dtype;
    o.data = t.bytes();
    int lead = ndim_ - t.sizes.size();
    int64_t item = int64_t(item_size(t.dtype));
    for (int d = 0; d < ndim_; ++d) o.stride[d] = d < lead || t.sizes[d - lead] == 1 ? 0 : t.strides[d - lead] * item;
    if (o.dtype != loop_dtype && t.numel == 1) {  // convert once
      int64_t none[2] = {0, 0};
      char* p[2] = {scalars_[n_].bytes, o.data};
      cpu::pointwise_kernels().cast[int(t.dtype)][int(loop_dtype)](1, p, none, nullptr);
      o.data = scalars_[n_].bytes;
      o.dtype = loop_dtype;
    }
  } else {
    scalars_[n_] = scalar_bits(v, loop_dtype);
    o.dtype = loop_dtype;
    o.data = scalars_[n_].bytes;
    for (int d = 0; d < ndim_; ++d) o.stride[d] = 0;
  }
  converts_ |= o.dtype != loop_dtype;
  ++n_;
}

// Orders dimensions so that the destination is walked as it lies in memory, and merges those that form one run in every operand.
// Afterwards dimension 0 is the innermost.
void Pointwise::coalesce() {
  int order[kMaxDims], n = 0;
  for (int d = ndim_ - 1; d >= 0; --d)
    if (size_[d] != 1) order[n++] = d;
  std::stable_sort(order, order + n, [&](int a, int b) {
    int64_t x = std::abs(ops_[0].stride[a]), y = std::abs(ops_[0].stride[b]);
    return x < y;
  });
  int64_t size[kMaxDims], stride[kMax][kMaxDims];
  int m = 0;
  for (int i = 0; i < n; ++i) {
    int d = order[i];
    bool merge = m > 0;
    for (int k = 0; merge && k < n_; ++k) merge = ops_[k].stride[d] == stride[k][m - 1] * size[m - 1];
    if (merge) {
      size[m - 1] *= size_[d];
    } else {
      size[m] = size_[d];
      for (int k = 0; k < n_; ++k) stride[k][m] = ops_[k].stride[d];
      ++m;
    }
  }
  if (m == 0) {
    size[0] = 1;
    for (int k = 0; k < n_; ++k) stride[k][0] = 0;
    m = 1;
  }
  ndim_ = m;
  std::copy(size, size + m, size_);
  for (int k = 0; k < n_; ++k) std::copy(stride[k], stride[k] + m, ops_[k].stride);
}

void Pointwise::line(cpu::Loop loop, const void* params, int64_t n, char* const* ptrs) const {
  int64_t strides[kMax];
  if (!converts_) {
    for (int k = 0; k < n_; ++k) strides[k] = ops_[k].stride[0];
    loop(n, ptrs, strides, params);
    return;
  }
  constexpr int64_t kBlock = 512;
  alignas(64) char buffer[kMax][kBlock * 16];
  const auto& cast = cpu::pointwise_kernels().cast;
  char* at[kMax];
  for (int k = 0; k < n_; ++k) at[k] = ptrs[k];
  for (int64_t done = 0; done < n; done += kBlock) {
    int64_t m = std::min(kBlock, n - done);
    char* p[kMax];
    for (int k = 0; k < n_; ++k) {
      const Operand& o = ops_[k];
      if (o.dtype == o.loop_dtype) {
        p[k] = at[k];
        strides[k] = o.stride[0];
      } else {
        p[k] = buffer[k];
        strides[k] = int64_t(item_size(o.loop_dtype));
        if (k > 0) {
          char* pair[2] = {buffer[k], at[k]};
          int64_t st[2] = {strides[k], o.stride[0]};
          cast[int(o.dtype)][int(o.loop_dtype)](m, pair, st, nullptr);
        }
      }
    }
    loop(m, p, strides, params);
    const Operand& o = ops_[0];
    if (o.dtype != o.loop_dtype) {
      char* pair[2] = {at[0], buffer[0]};
      int64_t st[2] = {o.stride[0], int64_t(item_size(o.loop_dtype))};
      cast[int(o.loop_dtype)][int(o.dtype)](m, pair, st, nullptr);
    }
    for (int k = 0; k < n_; ++k) at[k] += m * ops_[k].stride[0];
  }
}

void Pointwise::range(cpu::Loop loop, const void* params, int64_t begin, int64_t end) const {
  int64_t index[kMaxDims];
  char* ptrs[kMax];
  int64_t rest = begin;
  for (int k = 0; k < n_; ++k) ptrs[k] = ops_[k].data;
  for (int d = 0; d < ndim_; ++d) {
    index[d] = rest % size_[d];
    rest /= size_[d];
    for (int k = 0; k < n_; ++k) ptrs[k] += index[d] * ops_[k].stride[d];
  }
  while (begin < end) {
    int64_t n = std::min(size_[0] - index[0], end - begin);
    line(loop, params, n, ptrs);
    begin += n;
    if (begin >= end) return;
    for (int k = 0; k < n_; ++k) ptrs[k] -= index[0] * ops_[k].stride[0];
    index[0] = 0;
    for (int d = 1; d < ndim_; ++d) {
      for (int k = 0; k < n_; ++k) ptrs[k] += ops_[k].stride[d];
      if (++index[d] < size_[d]) break;
      for (int k = 0; k < n_; ++k) ptrs[k] -= size_[d] * ops_[k].stride[d];
      index[d] = 0;
    }
  }
}

void Pointwise::run(cpu::Loop loop, const void* params, double ns) {
  if (numel_ == 0) return;
  coalesce();
  if (converts_) ns += 0.3;
  double total = ns * double(numel_);
  if (total < 4000) {
    range(loop, params, 0, numel_);
    return;
  }
  Unlock unlock(total);
  parallel_for(numel_, ns, [&](int64_t b, int64_t e) {
    range(loop, params, b, e);
  });
}

bool result_strides(IntView sizes, const Value* inputs, int n, Dims& strides) {
  bool plain = true, same_shape = true;
  const TensorImpl* first = nullptr;
  for (int k = 0; k < n; ++k)
    if (inputs[k].is_tensor()) {
      const TensorImpl& t = *inputs[k].t;
      plain &= t.plain;
      same_shape &= t.sizes.size() == sizes.n && IntView(t.sizes) == sizes;
      if (!first) first = &t;
    } else if (inputs[k].is_number()) {
      same_shape &= sizes.n == 0;
    }
  if (plain) return false;
  if (same_shape) {  // without broadcasting an order that all share is taken as it is
    bool contiguous = true, last = sizes.n == 4 || sizes.n == 5, equal = true;
    for (int k = 0; k < n; ++k)
      if (inputs[k].is_tensor()) {
        const TensorImpl& t = *inputs[k].t;
        contiguous &= t.contiguous;
        last = last && is_channels_last(sizes, t.strides);
        equal = equal && IntView(t.strides) == IntView(first->strides) && is_dense(sizes, t.strides);
      }
    if (contiguous) return false;
    if (last) strides = channels_last_strides(sizes);
    else if (equal) strides = first->strides;
    if (last || equal) return true;
  }
  int nd = sizes.n, order[kMaxDims];
  for (int i = 0; i < nd; ++i) order[i] = nd - 1 - i;
  auto stride = [&](const TensorImpl& t, int d) -> int64_t {
    int lead = nd - t.sizes.size();
    return d < lead || t.sizes[d - lead] == 1 ? (d >= lead && sizes[d] == 1 ? t.strides[d - lead] : 0) : t.strides[d - lead];
  };
  auto compare = [&](int a, int b) {  // 1: a must be outer to b; -1: inner; 0: no operand says
    for (int k = 0; k < n; ++k) {
      if (!inputs[k].is_tensor()) continue;
      const TensorImpl& t = *inputs[k].t;
      int64_t x = stride(t, a), y = stride(t, b);
      if (x == 0 || y == 0) continue;
      if (x < y) return -1;
      if (x > y) return 1;
      if (sizes[a] > sizes[b]) return 1;
    }
    return 0;
  };
  for (int i = 1; i < nd; ++i) {
    int moving = i;
    for (int k = i - 1; k >= 0; --k) {
      int c = compare(order[k], order[moving]);
      if (c > 0) {
        std::swap(order[k], order[moving]);
        moving = k;
      } else if (c < 0) {
        break;
      }
    }
  }
  strides = Dims(nd);
  int64_t step = 1;
  for (int k = 0; k < nd; ++k) {
    strides[order[k]] = step;
    step *= std::max<int64_t>(sizes[order[k]], 1);
  }
  return !(IntView(strides) == IntView(contiguous_strides(sizes)));
}

// Bytes moved between memory orders; planes that change places are transposed in blocks.
static void copy_strided(const Tensor& dst, const Tensor& src) {
  const int n = dst.dim(), lead = n - src.dim();
  const int64_t item = int64_t(item_size(dst.dtype()));
  int64_t to[kMaxDims], from[kMaxDims];
  for (int d = 0; d < n; ++d) {
    to[d] = dst.stride(d) * item;
    from[d] = d < lead || src.size(d - lead) == 1 ? 0 : src.stride(d - lead) * item;
  }
  Unlock unlock(double(dst.numel()) * double(item) * 0.1);
  cpu::strided_copy(item, n, dst.sizes().data, dst.bytes(), to, src.bytes(), from);
}

void copy_values(const Tensor& dst, const Tensor& src) {
  if (!on_host(dst.device()) || !on_host(src.device())) return backends[int((on_host(dst.device()) ? src : dst).device().type)]->copy(dst, src);
  if (dst.numel() == 0) return;
  DType to = dst.dtype(), from = src.dtype();
  if (to == from && dst.is_contiguous() && src.is_contiguous() && dst.sizes() == src.sizes() && dst.numel() < 4096) {
    std::memmove(dst.bytes(), src.bytes(), size_t(dst.numel()) * item_size(to));
    return;
  }
  if (to == from && !(dst.is_contiguous() && src.is_contiguous())) return copy_strided(dst, src);
  Pointwise it(dst, to);
  const Value v(src);
  // The cast loop converts by itself: hand it the source in its own type.
  it.input(v, from);
  it.run(cpu::pointwise_kernels().cast[int(from)][int(to)], nullptr, 0.15 * double(item_size(to)) / 4);
}

Tensor copy_of(const Tensor& t) {
  Tensor out = empty_like(t);
  copy_values(out, t);
  return out;
}
Tensor cast_of(const Tensor& t, DType dtype) {
  if (t.dtype() == dtype) return t;
  Tensor out = empty_like(t, dtype);
  copy_values(out, t);
  return out;
}
Tensor contiguous_of(const Tensor& t) {
  if (t.is_contiguous()) return t;
  Tensor out = empty(t.sizes(), t.dtype(), t.device());
  copy_values(out, t);
  return out;
}

void add_in_place(const Tensor& dst, const Tensor& src) {
  if (!on_host(dst.device())) return backends[int(dst.device().type)]->add(dst, src);
  before_write();
  DType t = dst.dtype(), loop = is_reduced_float(t) ? DType::Float32 : t;
  cpu::Loop add = cpu::pointwise_kernels().binary[int(cpu::Binary::Add)][int(loop)];
  if (loop == t && src.dtype() == t && dst.is_contiguous() && src.is_contiguous() && dst.sizes() == src.sizes() && dst.numel() < 4096) {
    int64_t item = int64_t(item_size(t)), st[3] = {item, item, item};
    char* p[3] = {dst.bytes(), dst.bytes(), src.bytes()};
    return add(dst.numel(), p, st, nullptr);
  }
  Pointwise it(dst, loop);
  it.input(Value(dst), loop);
  it.input(Value(src), loop);
  it.run(add, nullptr, 0.2);
}

bool any_nan(const Tensor& t) {
  if (t.numel() == 0 || !on_host(t.device())) return false;
  DType loop = is_reduced_float(t.dtype()) ? DType::Float32 : t.dtype();
  Tensor flags = empty(t.sizes(), DType::Bool);
  Pointwise it(flags, DType::Bool);
  it.input(Value(t), loop);
  it.run(cpu::pointwise_kernels().unary[int(cpu::Unary::IsNan)][int(loop)], nullptr, 0.2);
  return std::memchr(flags.bytes(), 1, size_t(flags.numel())) != nullptr;
}

void fill_values(const Tensor& dst, const Value& number) {
  if (!on_host(dst.device())) return backends[int(dst.device().type)]->fill(dst, number);
  if (dst.numel() == 0) return;
  DType t = dst.dtype();
  bool zero = number.tag != Value::ComplexTag && number.real() == 0 && !(number.tag == Value::FloatTag && std::signbit(number.d));
  if (zero && dst.is_contiguous()) {
    constexpr int64_t kPiece = 1 << 18;
    const int64_t bytes = dst.numel() * int64_t(item_size(t));
    char* start = dst.bytes();
    Unlock unlock(double(bytes) * 0.03);
    parallel_for((bytes + kPiece - 1) / kPiece, double(std::min(bytes, kPiece)) * 0.03, [&](int64_t begin, int64_t end) {
      std::memset(start + begin * kPiece, 0, size_t(std::min(end * kPiece, bytes) - begin * kPiece));
    });
    return;
  }
  Pointwise it(dst, t);
  it.input(number, t);
  it.run(cpu::pointwise_kernels().cast[int(t)][int(t)], nullptr, 0.1 * double(item_size(t)) / 4);
}

}  // namespace fl
