// Indexed accumulation: scatter_reduce (which is also index_add and index_reduce), index_put with accumulation, put
// with accumulation. Every destination receives its contributions in the order of the index, from one thread.
#include <cstring>

#include "kernels/cpu/element.h"
#include "kernels/cpu/index.h"
#include "kernels/cpu/index_table.h"

namespace fl::cpu {
namespace {

template <class T>
FL_INLINE T larger(T a, T b) {
  return is_nan(a) ? a : is_nan(b)  ? b
                     : before(a, b) ? b
                                    : a;
}
template <class T>
FL_INLINE T smaller(T a, T b) {
  return is_nan(a) ? a : is_nan(b)  ? b
                     : before(b, a) ? b
                                    : a;
}

// dst += src, or scale * src, over contiguous rows, 16 bytes at a time.
template <bool scaled, class T>
FL_INLINE void add_dense(T* dst, const T* src, int64_t n, T scale) {
  int64_t i = 0;
  if constexpr ((kIsFloating<T> && !kIsReduced<T>) || (std::is_integral_v<T> && !std::is_same_v<T, bool>)) {
    using U = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                          std::type_identity<T>>::type;  // sums wrap
    typedef U V __attribute__((vector_size(16), aligned(1), may_alias));
    constexpr int64_t lanes = 16 / sizeof(T);
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      V a = *(const V*)(src + i), b = *(const V*)(src + i + lanes);
      if constexpr (scaled) a *= U(scale), b *= U(scale);
      a += *(V*)(dst + i), b += *(V*)(dst + i + lanes);
      *(V*)(dst + i) = a, *(V*)(dst + i + lanes) = b;
    }
  }
  for (; i < n; i++) dst[i] = add(dst[i], scaled ? multiply(src[i], scale) : src[i]);
}

// Inner loops, one a type and operation, behind function pointers so that the nests are compiled once.
using ElementsFn = void (*)(char* self, const char* other, const char* index, int64_t n, int64_t ss, int64_t os,
                            int64_t is, int64_t step, int64_t bound, const void* scalar);
using SliceFn = void (*)(char* self, const char* other, int64_t n, int64_t ss, int64_t os, const void* scalar);
struct RowFns {
  ElementsFn elements;  // self + i * ss + index[i] * step  op=  other + i * os
  SliceFn slice;        // self + i * ss  op=  other + i * os
};

struct Assign {
  template <class T>
  FL_INLINE static void run(T& a, const T&, const T& scalar) {
    a = scalar;
  }
};
struct Sum {
  template <class T>
  FL_INLINE static void run(T& a, const T& b, const T&) {
    a = add(a, b);
  }
};
struct ScaledSum {
  template <class T>
  FL_INLINE static void run(T& a, const T& b, const T& scalar) {
    a = add(a, multiply(b, scalar));
  }
};
struct Product {
  template <class T>
  FL_INLINE static void run(T& a, const T& b, const T&) {
    a = multiply(a, b);
  }
};
struct Largest {
  template <class T>
  FL_INLINE static void run(T& a, const T& b, const T&) {
    a = larger(a, b);
  }
};
struct Smallest {
  template <class T>
  FL_INLINE static void run(T& a, const T& b, const T&) {
    a = smaller(a, b);
  }
};

template <class T, class Op>
void elements(char* self, const char* other, const char* index, int64_t n, int64_t ss, int64_t os, int64_t is,
              int64_t step, int64_t bound, const void* scalar) {
  T s = scalar ? *(const T*)scalar : T(0);
  if (os == sizeof(T) && is == 8 && ss == 0 && bound == 0) {
    const int64_t* at = (const int64_t*)index;
    const T* values = (const T*)other;
    if (step == sizeof(T)) {
      for (int64_t i = 0; i < n; i++) Op::run(((T*)self)[at[i]], values[i], s);
    } else {
      for (int64_t i = 0; i < n; i++) Op::run(*(T*)(self + at[i] * step), values[i], s);
    }
    return;
  }
  for (int64_t i = 0; i < n; i++, self += ss, other += os, index += is) {
    int64_t v = *(const int64_t*)index;
    Op::run(*(T*)(self + (v + (v >> 63 & bound)) * step), *(const T*)other, s);
  }
}

template <class T, class Op>
void slice(char* self, const char* other, int64_t n, int64_t ss, int64_t os, const void* scalar) {
  T s = scalar ? *(const T*)scalar : T(0);
  if constexpr (std::is_same_v<Op, Sum> || std::is_same_v<Op, ScaledSum>) {
    if (ss == sizeof(T) && os == sizeof(T))
      return add_dense<std::is_same_v<Op, ScaledSum>>((T*)self, (const T*)other, n, s);
  }
  for (int64_t i = 0; i < n; i++, self += ss, other += os) Op::run(*(T*)self, *(const T*)other, s);
}

template <class T, class Op>
constexpr RowFns row_fns() {
  return {elements<T, Op>, slice<T, Op>};
}

// False if an element-wise index is out of range; those of a table have been checked.
bool apply(const DimIndex& x, const OffsetTable* table, const RowFns& row, char* self, const char* source,
           const void* scalar) {
  if (table) {
    auto slices = [&](int64_t s, int64_t o, int64_t n, int64_t ss, int64_t os)
                      FL_LAMBDA_INLINE {
                        row.slice(self + s, source + o, n, ss, os, scalar);
                      };
    // Offsets in bytes are an index whose step is 1.
    auto elements = [&](const int64_t* at, int64_t s, int64_t o, int64_t count, int64_t step) FL_LAMBDA_INLINE {
      row.elements(self + s, source + o, (const char*)at, count, 0, step, 8, 1, 0, scalar);
    };
    nest::along_table(table->table, table->rest, false, 1.0, slices, elements);
    return true;
  }
  const char* index = (const char*)x.index;
  int64_t step = x.self_strides[x.dim], bound = x.wrap ? x.bound : 0;
  const IndexRange range(x);
  bool good = true;
  nest::along_dim(x, 1.0,
                  [&](int64_t s, int64_t o, int64_t p, int64_t n, int64_t ss, int64_t os, int64_t is) FL_LAMBDA_INLINE {
                    if (range.broken_by(index + p, n, is)) __atomic_store_n(&good, false, __ATOMIC_RELAXED);
                    else row.elements(self + s, source + o, index + p, n, ss, os, is, step, bound, scalar);
                  });
  return good;
}

template <class T>
T divide_by_count(T a, int64_t count) {
  if constexpr (std::is_same_v<T, bool>) return a;
  else if constexpr (kIsReduced<T>) return T(float(a) / float(count));
  else if constexpr (kIsComplex<T>) return T(a.re / decltype(a.re)(count), a.im / decltype(a.re)(count));
  else if constexpr (std::is_integral_v<T>) {
    if constexpr (std::is_signed_v<T>) {
      int64_t q = int64_t(a) / count, r = int64_t(a) % count;
      return T(q - (r < 0));
    } else {
      return T(uint64_t(a) / uint64_t(count));
    }
  } else {
    return a / T(count);
  }
}

void count_hit(char* self, const char*, const char* index, int64_t n, int64_t ss, int64_t, int64_t is, int64_t step,
               int64_t bound, const void*) {
  for (int64_t i = 0; i < n; i++, self += ss, index += is) {
    int64_t v = *(const int64_t*)index;
    ++*(int64_t*)(self + (v + (v >> 63 & bound)) * step);
  }
}

// Divides each element that was hit by the number of its contributions (and itself).
void divide_by_hits(DType type, const DimIndex& x, char* self, bool include_self) {
  int64_t sizes[kMaxDims], strides[kMaxDims], zeros[kMaxDims] = {}, total = 8;
  for (int d = x.ndim - 1; d >= 0; d--) {
    sizes[d] = d == x.dim ? x.bound : x.sizes[d];
    strides[d] = total;
    total *= sizes[d];
  }
  nest::Buffer<int64_t> hits(total / 8);
  for (int64_t i = 0; i < total / 8; i++) hits[i] = 0;
  DimIndex h = x;
  h.self_strides = strides, h.other_strides = zeros;
  apply(h, nullptr, {count_hit, nullptr}, (char*)hits.data, nullptr, nullptr);
  nest::Odometer<1> walk;
  for (int d = 0; d < x.ndim; d++) walk.push(sizes[d], {x.self_strides[d]});
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    walk.start(0);
    for (int64_t i = 0; i < total / 8; i++, walk.next()) {
      if (!hits[i]) continue;
      T& a = *(T*)(self + walk.offset[0]);
      a = divide_by_count(a, hits[i] + include_self);
    }
  });
}

}  // namespace

BadIndex scatter_reduce(DType type, ScatterOp op, const DimIndex& given, void* self_, const void* source_,
                        bool include_self, const void* alpha) {
  DimIndex x = given;
  int64_t one = 1, zero = 0;
  if (x.ndim == 0) {  // a number is one line of one element
    x.ndim = 1, x.sizes = &one, x.self_strides = x.other_strides = x.index_strides = &zero;
  }
  if (nest::is_empty(x.ndim, x.sizes)) return {};
  OffsetTable slices;
  bool sliced = nest::is_slice_index(x);
  if (BadIndex bad = sliced ? slices.build(x) : BadIndex()) return bad;
  const OffsetTable* table = sliced ? &slices : nullptr;
  char* self = (char*)self_;
  const char* source = (const char*)source_;
  RowFns row = {}, assign = {};
  char identity[16] = {};
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    T start = T(op == ScatterOp::Prod ? 1 : 0);
    if constexpr (!kIsComplex<T>) {
      if (op == ScatterOp::Max) start = lowest<T>(), row = row_fns<T, Largest>();
      if (op == ScatterOp::Min) start = highest<T>(), row = row_fns<T, Smallest>();
    }
    if (op == ScatterOp::Prod) row = row_fns<T, Product>();
    if (op == ScatterOp::Sum || op == ScatterOp::Mean) row = alpha ? row_fns<T, ScaledSum>() : row_fns<T, Sum>();
    std::memcpy(identity, &start, sizeof(T));
    assign = row_fns<T, Assign>();
  });
  bool good = include_self || apply(x, table, assign, self, source, identity);
  good = good && apply(x, table, row, self, source, alpha);
  if (!good) return check_index(x.ndim, x.sizes, x.index, x.index_strides, x.bound, x.wrap);
  if (op == ScatterOp::Mean) divide_by_hits(type, x, self, include_self);
  return {};
}

BadIndex index_put_accumulate(DType type, const AdvancedIndex& x, void* self, const void* values) {
  if (nest::is_empty(x.ndim, x.sizes)) return check_all(x);
  OffsetTable t;
  if (BadIndex bad = t.build(x)) return bad;
  RowFns row = by_type(type, [](auto tag) {
    return row_fns<decltype(tag), Sum>();
  });
  apply({}, &t, row, (char*)self, (const char*)values, nullptr);
  return {};
}

void add_at_offsets(DType type, void* self, const int64_t* offsets, int64_t n, const void* source) {
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++) {
      T& a = *(T*)((char*)self + offsets[i]);
      a = add(a, ((const T*)source)[i]);
    }
  });
}

}  // namespace fl::cpu
