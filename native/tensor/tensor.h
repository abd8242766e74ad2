// TensorImpl: a strided window on a Storage, with its place in the gradient graph; Tensor: an owning pointer to one.
// Creation and view helpers here know nothing of operators: a view made with make_view is not yet recorded in the graph.
#pragma once
#include <cstdint>

#include "base/dims.h"
#include "base/error.h"
#include "base/refcount.h"
#include "memory/storage.h"
#include "tensor/dtype.h"

namespace fl {

struct Node;
void release_node(Node* n);  // unref; destroys chains iteratively (autograd/)
struct TensorImpl;

// The values of a tensor that the host cannot reach were asked for: a NotImplementedError, unless the device's own way to run operators
// takes it for the end of the work on shapes.
struct NoHostData : Error {
  explicit NoHostData(Device device);
  NoHostData(ErrorKind kind, std::string message) : Error(kind, std::move(message)) {}
};

enum class MemoryFormat : int8_t { Contiguous = 0,
                                   Preserve = 1,
                                   ChannelsLast = 2,
                                   ChannelsLast3d = 3,
                                   None = -1 };

// How a view was made; decides whether it may be written in place while gradients are recorded.
enum class Origin : uint8_t { Plain,
                              NoGrad,
                              MultiOutput,
                              Inference,
                              CustomFunction };

// A version counter apart from the storage's: made by `.data`, shared by later views.
struct VersionCounter {
  RefCount rc;
  uint32_t value = 0;
  void ref() { rc.inc(); }
  void unref() {
    if (rc.dec()) delete this;
  }
};

// Rare state of a tensor, allocated when first needed.
struct TensorExtra {
  Ref<VersionCounter> version;
  void* hooks = nullptr;             // PyObject*: dict id -> callable, run on the gradient (leaves)
  void* post_accumulate = nullptr;   // PyObject*: dict, run after accumulation into .grad
  bool retains_grad = false;
};
void destroy_extra(TensorImpl&);  // in autograd/, which knows how to drop Python references

struct TensorImpl {
  RefCount rc;
  DType dtype = DType::Float32;
  Device device;
  bool requires_grad = false;  // as asked for; see Tensor::requires_grad()
  bool contiguous = true;      // row-major without gaps (cached)
  bool plain = true;           // contiguous, and the strides of dimensions of size 1 are the customary ones
  bool wrapped_number = false; // 0-dim tensor made from a Python number: weak in type promotion
  bool inference = false;
  bool sparse = false;         // elements lie in the Python face (torch.sparse); here is a window of strides 0 on one zero
  bool owns_pyobj = false;
  Origin origin = Origin::Plain;
  int32_t output_nr = 0;
  uint32_t view_version = 0;   // views: version of the storage when grad_fn was set
  Storage* storage = nullptr;
  int64_t offset = 0, numel = 0;  // offset in elements
  void* pyobj = nullptr;          // the Python face, borrowed unless owns_pyobj
  Node* grad_fn = nullptr;
  TensorImpl* grad = nullptr;
  TensorImpl* base = nullptr;     // views: the tensor at the root
  TensorExtra* extra = nullptr;
  Dims sizes, strides;

  void ref() { rc.inc(); }
  void unref() {
    if (rc.dec()) destroy();
  }
  void destroy();
  TensorExtra& more() { return *(extra ? extra : extra = new TensorExtra); }
  uint32_t& version() { return extra && extra->version ? extra->version->value : storage->version; }
  // The first element, for kernels of the processor: every one of them gets its memory here. Throws NoHostData for tensors elsewhere.
  char* bytes() const {
    void* p = storage->data;
    if (__builtin_expect(!p, 0)) p = promised_bytes();
    return static_cast<char*>(p) + offset * int64_t(item_size(dtype));
  }
  [[gnu::cold]] void* promised_bytes() const;  // of a storage whose bytes are still to be computed
};

// Whether results follow a channels-last input. Stricter than is_channels_last where sizes of 1 make the order ambiguous.
bool suggests_channels_last(IntView sizes, IntView strides);

class Tensor : public Ref<TensorImpl> {
 public:
  Tensor() = default;
  Tensor(Ref<TensorImpl> r) : Ref(std::move(r)) {}
  static Tensor steal(TensorImpl* p) { return Ref::steal(p); }
  static Tensor borrow(TensorImpl* p) { return Ref::borrow(p); }
  bool defined() const { return p_ != nullptr; }
  int dim() const { return p_->sizes.size(); }
  IntView sizes() const { return p_->sizes; }
  IntView strides() const { return p_->strides; }
  int64_t size(int d) const { return p_->sizes[d < 0 ? d + dim() : d]; }
  int64_t stride(int d) const { return p_->strides[d < 0 ? d + dim() : d]; }
  int64_t numel() const { return p_->numel; }
  DType dtype() const { return p_->dtype; }
  Device device() const { return p_->device; }
  bool is_contiguous() const { return p_->contiguous; }
  bool suggests_channels_last() const { return fl::suggests_channels_last(sizes(), strides()); }
  bool is_view() const { return p_->base != nullptr; }
  bool requires_grad() const {
    const TensorImpl* t = p_;
    return t->requires_grad || t->grad_fn || (t->base && (t->base->requires_grad || t->base->grad_fn));
  }
  char* bytes() const { return p_->bytes(); }
  template <class T> T* data() const { return reinterpret_cast<T*>(p_->bytes()); }
};
static_assert(sizeof(Tensor) == sizeof(void*));

// Nothing to do for a kernel of the processor: `out` is empty or lies elsewhere.
inline bool no_work(const Tensor& out) { return out.numel() == 0 || out.device().type != DeviceType::CPU; }

// ---- geometry
int64_t checked_numel(IntView sizes);                        // RuntimeError on negative sizes or overflow
Dims contiguous_strides(IntView sizes);
Dims channels_last_strides(IntView sizes);                   // 4-d and 5-d
bool is_contiguous(IntView sizes, IntView strides);
bool is_channels_last(IntView sizes, IntView strides);       // 4-d and 5-d
bool is_dense(IntView sizes, IntView strides);               // non-overlapping and without gaps
Dims dense_strides_like(IntView sizes, IntView strides);     // strides of an empty_like(preserve_format)
bool has_internal_overlap(IntView sizes, IntView strides);   // some element is reachable twice (stride 0, size > 1); conservative
bool may_overlap(const TensorImpl& a, const TensorImpl& b);  // memory extents intersect
// What is certain about two windows: columns of a matrix, say, interleave without meeting, and that is Unclear.
enum class Overlap : uint8_t { None,
                               Unclear,
                               Same,
                               Partial };
Overlap overlap_of(const TensorImpl& a, const TensorImpl& b);
bool same_view(const TensorImpl& a, const TensorImpl& b);    // same bytes in the same order
Dims broadcast_shapes(IntView a, IntView b);                 // RuntimeError if they don't
// Strides that view `sizes`/`strides` as `shape`; false if no view can.
bool view_strides(IntView sizes, IntView strides, IntView shape, Dims& out);
Dims infer_size(IntView shape, int64_t numel);               // resolves one -1
int wrap_dim(int64_t dim, int ndim, bool wrap_scalar = true);  // IndexError out of range

// ---- creation
extern bool complex_half_in_use;    // set with the first complex32 tensor: from then on operators ask whether they know the type
// Without a device: on that of the call under way.
Tensor empty(IntView sizes, DType dtype);
Tensor empty(IntView sizes, DType dtype, Device device);
Tensor empty_strided(IntView sizes, IntView strides, DType dtype);
Tensor empty_strided(IntView sizes, IntView strides, DType dtype, Device device);
Tensor empty_format(IntView sizes, DType dtype, MemoryFormat format, Device device);
Tensor empty_like(const Tensor& t, DType dtype = DType::None);  // preserve_format, on t's device
Tensor empty_like(const Tensor& t, DType dtype, Device device);
Tensor from_storage(Storage* stolen, IntView sizes, IntView strides, int64_t offset, DType dtype);
// A tensor on self's storage, with self's base (or self) as base.
Tensor make_view(const Tensor& self, IntView sizes, IntView strides, int64_t offset);
// The same window without base or history; shares the version counter (detach).
Tensor alias(const Tensor& self);
void resize_(TensorImpl& t, IntView sizes);  // contiguous; grows the storage if needed
void set_geometry(TensorImpl& t, IntView sizes, IntView strides, int64_t offset);
void check_storage_bounds(IntView sizes, IntView strides, int64_t offset, size_t item, Storage& s, const char* op, bool grow = false);

}  // namespace fl
