// Creation, views and the geometry of strided windows.
#include "tensor/tensor.h"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "base/error.h"
#include "memory/backend.h"
#include "tensor/modes.h"

namespace fl {

bool complex_half_in_use = false;

// A tensor without a shape; the storage is let go where there is no memory for it.
static Tensor new_tensor(Storage* stolen, DType dtype) {
  void* place;
  try {
    place = allocate(sizeof(TensorImpl));
  } catch (...) {
    stolen->unref();
    throw;
  }
  TensorImpl* t = new (place) TensorImpl;
  ++live_tensors;
  t->storage = stolen;
  t->dtype = dtype;
  if (__builtin_expect(dtype == DType::Complex32, 0)) complex_half_in_use = true;
  t->inference = thread_state().inference;
  return Tensor::steal(t);
}

void (*release_face)(void*) = nullptr;  // installed by the binding: gives the Python face its reference back

// a.grad.grad.grad... may be long: gradients that die while another is dying wait in a list.
static void release_grad(TensorImpl* g) {
  static thread_local std::vector<TensorImpl*>* waiting = nullptr;
  if (!g->rc.dec()) return;
  if (waiting) {
    waiting->push_back(g);
    return;
  }
  std::vector<TensorImpl*> list{g};
  waiting = &list;
  while (!list.empty()) {
    TensorImpl* next = list.back();
    list.pop_back();
    next->destroy();
  }
  waiting = nullptr;
}

void TensorImpl::destroy() {
  if (__builtin_expect(owns_pyobj, 0)) {
    // The face outlived Python's last reference because the core held the tensor. Hand ownership back to it and drop it; if Python
    // found it again through a weak reference meanwhile, both live on.
    owns_pyobj = false;
    rc.revive();
    release_face(pyobj);
    return;
  }
  Node* fn = grad_fn;
  TensorImpl *g = grad, *b = base;
  storage->unref();
  if (__builtin_expect(extra != nullptr, 0)) destroy_extra(*this);
  this->~TensorImpl();
  deallocate(this, sizeof(TensorImpl));
  --live_tensors;
  if (fn) release_node(fn);
  if (g) release_grad(g);
  if (b) b->unref();
}

// ------------------------------------------------------------------------------------------------ geometry

int64_t checked_numel(IntView sizes) {
  FL_CHECK(sizes.n <= kMaxDims, "too many dimensions (got ", sizes.n, ", expected at most ", kMaxDims, ")");
  int64_t n = 1;
  bool zero = false, overflow = false;
  for (int64_t s : sizes) {
    FL_CHECK(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
    if (s == 0) zero = true;
    else overflow |= __builtin_mul_overflow(n, s, &n);
  }
  if (zero) return 0;
  FL_CHECK(!overflow, "Storage size calculation overflowed with sizes=", sizes);
  return n;
}

Dims contiguous_strides(IntView sizes) {
  Dims st(sizes.n);
  int64_t n = 1;
  for (int i = sizes.n - 1; i >= 0; --i) {
    st[i] = n;
    n *= std::max<int64_t>(sizes[i], 1);
  }
  return st;
}

Dims channels_last_strides(IntView sizes) {
  Dims st(sizes.n);
  st[1] = 1;
  int64_t n = sizes[1];
  for (int i = sizes.n - 1; i >= 2; --i) {
    st[i] = n;
    n *= sizes[i];
  }
  st[0] = n;
  return st;
}

bool is_contiguous(IntView sizes, IntView strides) {
  int64_t n = 1;
  for (int64_t s : sizes)
    if (s == 0) return true;
  for (int i = sizes.n - 1; i >= 0; --i) {
    if (sizes[i] == 1) continue;
    if (strides[i] != n) return false;
    n *= sizes[i];
  }
  return true;
}

bool is_channels_last(IntView sizes, IntView strides) {
  if (sizes.n != 4 && sizes.n != 5) return false;
  int64_t n = 1;
  auto matches = [&](int d) {
    if (sizes[d] != 1) {
      if (strides[d] != n) return false;
      n *= sizes[d];
    }
    return true;
  };
  if (!matches(1)) return false;
  for (int d = sizes.n - 1; d >= 2; --d)
    if (!matches(d)) return false;
  return matches(0);
}

bool suggests_channels_last(IntView sizes, IntView strides) {
  if (sizes.n != 4 && sizes.n != 5) return false;
  int64_t least = 0;  // strides must rise in the order channels, width, height, (depth,) batch
  auto rises = [&](int d) {
    if (sizes[d] == 0 || strides[d] < least || strides[1] == 0) return false;
    if (d == 0 && least == strides[1]) return false;  // one line of one pixel: both orders fit
    least = sizes[d] > 1 ? strides[d] * sizes[d] : strides[d];
    return true;
  };
  bool all = rises(1);
  for (int d = sizes.n - 1; all && d >= 2; --d) all = rises(d);
  return all && rises(0);
}

bool is_dense(IntView sizes, IntView strides) {
  if (is_contiguous(sizes, strides)) return true;
  int order[kMaxDims];
  for (int i = 0; i < sizes.n; ++i) order[i] = i;
  std::sort(order, order + sizes.n, [&](int a, int b) {
    if (sizes[a] < 2) return false;  // extents 0 and 1 go last: their strides say nothing
    if (sizes[b] < 2) return true;
    return strides[a] < strides[b];
  });
  int64_t n = 1;
  for (int k = 0; k < sizes.n; ++k) {
    int d = order[k];
    if (sizes[d] < 2) break;
    if (strides[d] != n) return false;
    n *= sizes[d];
  }
  return true;
}

Dims dense_strides_like(IntView sizes, IntView strides) {
  if (is_dense(sizes, strides)) return Dims(strides);
  // Keep the order of the strides, close the gaps; broadcast (stride 0) dimensions keep their neighbours' order.
  int n = sizes.n, order[kMaxDims];
  for (int i = 0; i < n; ++i) order[i] = n - 1 - i;  // fastest first
  auto compare = [&](int a, int b) {                 // 1: a is outer to b; -1: inner; 0: undecided
    if (strides[a] == 0 || strides[b] == 0) return 0;
    if (strides[a] != strides[b]) return strides[a] < strides[b] ? -1 : 1;
    return sizes[a] > sizes[b] ? 1 : 0;
  };
  for (int i = 1; i < n; ++i) {
    int moving = i;
    for (int k = i - 1; k >= 0; --k) {
      int c = compare(order[k], order[moving]);
      if (c > 0) {
        std::swap(order[k], order[moving]);
        moving = k;
      } else if (c < 0) break;
    }
  }
  Dims out(n);
  int64_t step = 1;
  for (int k = 0; k < n; ++k) {
    out[order[k]] = step;
    step *= std::max<int64_t>(sizes[order[k]], 1);
  }
  return out;
}

bool has_internal_overlap(IntView sizes, IntView strides) {
  for (int64_t n : sizes)
    if (n == 0) return false;
  for (int i = 0; i < sizes.n; ++i)
    if (strides[i] == 0 && sizes[i] > 1) return true;
  return false;
}

// The bytes of its storage that a tensor covers.
static void extent(const TensorImpl& t, int64_t& begin, int64_t& end) {
  int64_t lo = 0, hi = 0, item = int64_t(item_size(t.dtype));
  for (int i = 0; i < t.sizes.size(); ++i) (t.strides[i] < 0 ? lo : hi) += t.strides[i] * (t.sizes[i] - 1) * item;
  begin = t.offset * item + lo;
  end = t.offset * item + hi + item;
}

bool may_overlap(const TensorImpl& a, const TensorImpl& b) {
  if (a.storage != b.storage || a.numel == 0 || b.numel == 0) return false;
  int64_t ab, ae, bb, be;
  extent(a, ab, ae);
  extent(b, bb, be);
  return ab < be && bb < ae;
}

bool same_view(const TensorImpl& a, const TensorImpl& b) {
  if (a.storage != b.storage || a.offset * int64_t(item_size(a.dtype)) != b.offset * int64_t(item_size(b.dtype)) || !(a.sizes == b.sizes)) return false;
  for (int i = 0; i < a.sizes.size(); ++i)
    if (a.sizes[i] > 1 && a.strides[i] != b.strides[i]) return false;
  return true;
}

Overlap overlap_of(const TensorImpl& a, const TensorImpl& b) {
  if (!may_overlap(a, b)) return Overlap::None;
  if (same_view(a, b)) return Overlap::Same;
  return is_dense(a.sizes, a.strides) && is_dense(b.sizes, b.strides) ? Overlap::Partial : Overlap::Unclear;
}

Dims broadcast_shapes(IntView a, IntView b) {
  int n = std::max(a.n, b.n);
  Dims out(n);
  for (int i = n - 1; i >= 0; --i) {
    int ia = i - (n - a.n), ib = i - (n - b.n);
    int64_t x = ia < 0 ? 1 : a[ia], y = ib < 0 ? 1 : b[ib];
    FL_CHECK(x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
             ") at non-singleton dimension ", i);
    out[i] = x == 1 ? y : x;
  }
  return out;
}

bool view_strides(IntView sizes, IntView strides, IntView shape, Dims& out) {
  out = Dims(shape.n);
  for (int64_t s : sizes)
    if (s == 0) {
      if (sizes == shape) out = Dims(strides);
      else out = contiguous_strides(shape);
      return true;
    }
  if (sizes.n == 0) {
    for (int i = 0; i < shape.n; ++i) out[i] = 1;
    return true;
  }
  // Walk both shapes from the innermost dimension; each maximal run of old dimensions that is dense can be cut up freely.
  int v = shape.n - 1;
  int64_t run_stride = strides[sizes.n - 1], run = 1, made = 1;
  for (int t = sizes.n - 1; t >= 0; --t) {
    run *= sizes[t];
    if (t == 0 || (sizes[t - 1] != 1 && strides[t - 1] != run * run_stride)) {
      while (v >= 0 && (made < run || shape[v] == 1)) {
        out[v] = made * run_stride;
        made *= shape[v--];
      }
      if (made != run) return false;
      if (t > 0) {
        run_stride = strides[t - 1];
        run = made = 1;
      }
    }
  }
  return v == -1;
}

Dims infer_size(IntView shape, int64_t numel) {
  Dims out(shape);
  int64_t known = 1;
  int hole = -1;
  for (int i = 0; i < shape.n; ++i) {
    if (shape[i] == -1) {
      FL_CHECK(hole < 0, "only one dimension can be inferred (got shape ", shape, ")");
      hole = i;
    } else {
      FL_CHECK(shape[i] >= 0, "invalid shape dimension ", shape[i], " at index ", i, " of shape ", shape);
      FL_CHECK(!__builtin_mul_overflow(known, shape[i], &known), "shape '", shape, "' is invalid for input of size ", numel);
    }
  }
  if (hole >= 0 && (known == 0 && numel == 0))
    FL_CHECK(false, "cannot reshape tensor of 0 elements into shape ", shape, " because the unspecified dimension size -1 can be any value and is ambiguous");
  if (hole >= 0 && known > 0 && numel % known == 0) out[hole] = numel / known;
  else FL_CHECK(hole < 0 && known == numel, "shape '", shape, "' is invalid for input of size ", numel);
  return out;
}

int wrap_dim(int64_t dim, int ndim, bool wrap_scalar) {
  int64_t n = ndim;
  if (n == 0 && wrap_scalar) n = 1;
  FL_CHECK_KIND(Index, n > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  FL_CHECK_KIND(Index, dim >= -n && dim < n, "Dimension out of range (expected to be in range of [", -n, ", ", n - 1, "], but got ", dim, ")");
  return int(dim < 0 ? dim + n : dim);
}

// ------------------------------------------------------------------------------------------------ creation

static size_t checked_bytes(int64_t n, DType dtype) {
  int64_t bytes;
  FL_CHECK(!__builtin_mul_overflow(n, int64_t(item_size(dtype)), &bytes), "Storage size calculation overflowed (", n, " elements)");
  return size_t(bytes);
}

NoHostData::NoHostData(Device device)
    : Error(ErrorKind::NotImplemented, device.type == DeviceType::Meta ? "Cannot copy out of meta tensor; no data!"
                                                                       : "The values of a tensor on device '" + device_name(device) + "' are not on the host") {}
void* TensorImpl::promised_bytes() const {
  void* p = storage->bytes();
  if (!p) throw NoHostData(device);
  return p;
}

DeviceScope::DeviceScope(Device d) {
  ThreadState& ts = thread_state();
  device = std::exchange(ts.device, d);
  factory_device = std::exchange(ts.factory_device, d);
}
DeviceScope::~DeviceScope() {
  ThreadState& ts = thread_state();
  ts.device = device;
  ts.factory_device = factory_device;
}

Tensor empty(IntView sizes, DType dtype) { return empty(sizes, dtype, thread_state().device); }
Tensor empty_strided(IntView sizes, IntView strides, DType dtype) { return empty_strided(sizes, strides, dtype, thread_state().device); }

Tensor empty(IntView sizes, DType dtype, Device device) {
  int64_t numel = 1;
  if (__builtin_expect(sizes.n > 0, 1)) numel = checked_numel(sizes);
  Tensor t = new_tensor(Storage::make(checked_bytes(numel, dtype), device), dtype);
  t->device = t->storage->device;
  t->numel = numel;
  t->sizes = Dims(sizes);
  Dims st(sizes.n);
  int64_t n = 1;
  for (int i = sizes.n - 1; i >= 0; --i) {
    st[i] = n;
    n *= sizes[i] > 1 ? sizes[i] : 1;
  }
  t->strides = std::move(st);
  return t;
}

static int64_t span(IntView sizes, IntView strides) {  // elements from the first to past the last
  int64_t last = 0;
  for (int i = 0; i < sizes.n; ++i) {
    if (sizes[i] == 0) return 0;
    int64_t step;
    FL_CHECK(!__builtin_mul_overflow(sizes[i] - 1, strides[i], &step) && !__builtin_add_overflow(last, step, &last),
             "Storage size calculation overflowed with sizes=", sizes, " and strides=", strides);
  }
  return last + 1;
}

Tensor empty_strided(IntView sizes, IntView strides, DType dtype, Device device) {
  FL_CHECK(sizes.n == strides.n, "empty_strided: mismatch in length of strides and shape (got ", strides.n, " and ", sizes.n, ")");
  checked_numel(sizes);
  for (int64_t s : strides) FL_CHECK(s >= 0, "empty_strided: negative strides are not supported (got ", strides, ")");
  Storage* s = Storage::make(checked_bytes(span(sizes, strides), dtype), device);
  return from_storage(s, sizes, strides, 0, dtype);
}

Tensor empty_format(IntView sizes, DType dtype, MemoryFormat format, Device device) {
  if (format == MemoryFormat::ChannelsLast || format == MemoryFormat::ChannelsLast3d) {
    int need = format == MemoryFormat::ChannelsLast ? 4 : 5;
    FL_CHECK(sizes.n == need, "required rank ", need, " tensor to use channels_last", need == 5 ? "_3d" : "", " format");
    checked_numel(sizes);
    return empty_strided(sizes, channels_last_strides(sizes), dtype, device);
  }
  FL_CHECK(format != MemoryFormat::Preserve, "unsupported memory format Preserve");
  return empty(sizes, dtype, device);
}

Tensor empty_like(const Tensor& t, DType dtype, Device device) {
  if (dtype == DType::None) dtype = t.dtype();
  if (t->plain) return empty(t.sizes(), dtype, device);
  return empty_strided(t.sizes(), dense_strides_like(t.sizes(), t.strides()), dtype, device);
}
Tensor empty_like(const Tensor& t, DType dtype) { return empty_like(t, dtype, t.device()); }

static bool is_plain(IntView sizes, IntView strides) {
  int64_t n = 1;
  for (int i = sizes.n - 1; i >= 0; --i) {
    if (strides[i] != n) return false;
    n *= std::max<int64_t>(sizes[i], 1);
  }
  return true;
}

void set_geometry(TensorImpl& t, IntView sizes, IntView strides, int64_t offset) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  t.numel = n;
  t.sizes = Dims(sizes);
  t.strides = Dims(strides);
  t.offset = offset;
  t.contiguous = is_contiguous(sizes, strides);
  t.plain = t.contiguous && is_plain(sizes, strides);
}

Tensor from_storage(Storage* stolen, IntView sizes, IntView strides, int64_t offset, DType dtype) {
  Tensor t = new_tensor(stolen, dtype);
  t->device = stolen->device;
  set_geometry(*t.get(), sizes, strides, offset);
  return t;
}

static Tensor window(const Tensor& self, IntView sizes, IntView strides, int64_t offset) {
  self->storage->ref();
  Tensor t = new_tensor(self->storage, self.dtype());
  t->device = self->device;
  t->inference = self->inference;
  if (self->extra && self->extra->version) t->more().version = self->extra->version;
  set_geometry(*t.get(), sizes, strides, offset);
  return t;
}

Tensor make_view(const Tensor& self, IntView sizes, IntView strides, int64_t offset) {
  Tensor t = window(self, sizes, strides, offset);
  if (__builtin_expect(t->inference, 0)) return t;  // no history will ever pass through it
  TensorImpl* base = self->base ? self->base : self.get();
  base->ref();
  t->base = base;
  t->view_version = t->version();
  const ThreadState& mode = thread_state();
  if (__builtin_expect(!mode.grad_enabled, 0)) t->origin = mode.inference ? Origin::Inference : Origin::NoGrad;
  else if (self->base) t->origin = self->origin;  // what forbids writes to a window forbids them to its windows
  return t;
}

Tensor alias(const Tensor& self) { return window(self, self.sizes(), self.strides(), self->offset); }

void resize_(TensorImpl& t, IntView sizes) {
  if (IntView(t.sizes) == sizes) return;
  int64_t n = checked_numel(sizes);
  size_t need = checked_bytes(n + t.offset, t.dtype);
  if (n > 0 && need > t.storage->nbytes) t.storage->resize(need);
  set_geometry(t, sizes, contiguous_strides(sizes), t.offset);
}

void check_storage_bounds(IntView sizes, IntView strides, int64_t offset, size_t item, Storage& s, const char* op, bool grow) {
  FL_CHECK(sizes.n == strides.n, op, ": mismatch in length of strides and shape (got ", strides.n, " and ", sizes.n, ")");
  FL_CHECK(offset >= 0, op, ": Tensor: invalid storage offset ", offset);
  int64_t n = checked_numel(sizes);
  for (int64_t st : strides) FL_CHECK(st >= 0, op, ": Negative strides are not supported at the moment, got strides: ", strides);
  if (n == 0) return;
  int64_t last = span(sizes, strides), end, bytes;
  FL_CHECK(!__builtin_add_overflow(last, offset, &end) && !__builtin_mul_overflow(end, int64_t(item), &bytes), op, ": size overflows");
  if (grow && s.resizable && bytes > int64_t(s.nbytes)) s.resize(size_t(bytes));
  FL_CHECK(bytes <= int64_t(s.nbytes), op, ": setStorage: sizes ", sizes, ", strides ", strides, ", storage offset ", offset, ", and itemsize ",
           item, " requiring a storage size of ", bytes, " are out of bounds for storage of size ", s.nbytes);
}

}  // namespace fl
