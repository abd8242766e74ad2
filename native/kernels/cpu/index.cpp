// Gather, scatter, advanced indexing, take and put: moves of elements of any type, by size.
#include "kernels/cpu/index.h"

#include <cstring>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/index_nest.h"
#include "kernels/cpu/index_table.h"

namespace fl::cpu {

using nest::Buffer;
using nest::Odometer;
using nest::Table;

namespace {
// Whether any index + shift of a row reaches the limit, as unsigned numbers.
FL_INLINE bool row_is_bad(const char* p, int64_t n, int64_t step, int64_t shift, uint64_t limit) {
  if (step == 8) return copy_kernels().row_is_bad((const int64_t*)p, n, shift, limit);
  bool bad = false;
  for (int64_t i = 0; i < n; i++, p += step) bad |= uint64_t(*(const int64_t*)p + shift) >= limit;
  return bad;
}
}  // namespace

bool IndexRange::broken_by(const char* row, int64_t n, int64_t step) const { return row_is_bad(row, n, step, shift, limit); }

BadIndex check_index(int ndim, const int64_t* sizes, const int64_t* index, const int64_t* index_strides, int64_t bound,
                     bool wrap) {
  if (nest::is_empty(ndim, sizes)) return {};
  Odometer<1> walk;
  for (int d = 0; d < ndim; d++) walk.push(sizes[d], {index_strides[d]});
  Odometer<1> given = walk;
  walk.coalesce();
  int64_t n = 1, step = 0;
  if (walk.ndim) n = walk.size[walk.ndim - 1], step = walk.stride[0][--walk.ndim];
  int64_t shift = wrap ? bound : 0;
  uint64_t limit = uint64_t(bound) + uint64_t(shift);
  int64_t rows = walk.count();
  walk.start(0);
  bool bad = false;
  for (int64_t r = 0; r < rows && !bad; r++, walk.next()) {
    bad = row_is_bad((const char*)index + walk.offset[0], n, step, shift, limit);
  }
  if (!bad) return {};
  given.start(0);
  for (int64_t position = 0;; position++, given.next()) {
    int64_t value = *(const int64_t*)((const char*)index + given.offset[0]);
    if (uint64_t(value + shift) >= limit) return {true, value, position, 0};
  }
}

// ---- Tables of offsets for slice-wise indexing ----
BadIndex OffsetTable::build(const AdvancedIndex& x) {
  int dims = x.index_end - x.index_begin;
  const int64_t* sizes = x.sizes + x.index_begin;
  for (int k = 0; k < x.count; k++) {
    BadIndex bad = check_index(dims, sizes, x.index[k], x.index_strides[k], x.bound[k], true);
    if (bad) {
      bad.operand = k;
      return bad;
    }
  }
  fill(x, true);
  return {};
}

BadIndex OffsetTable::build(const DimIndex& x) {
  const int64_t* strides = x.ndim ? x.index_strides + x.dim : nullptr;
  int64_t one = 1, zero = 0;
  const int64_t* sizes = x.ndim ? x.sizes + x.dim : &one;
  if (!strides) strides = &zero;
  BadIndex bad = check_index(1, sizes, x.index, strides, x.bound, x.wrap);
  if (bad) return bad;
  AdvancedIndex a;
  int64_t step = x.ndim ? x.self_strides[x.dim] : 0;
  a.ndim = x.ndim, a.sizes = x.sizes, a.self_strides = x.self_strides, a.other_strides = x.other_strides;
  a.index_begin = x.ndim ? x.dim : 0, a.index_end = x.ndim ? x.dim + 1 : 0;
  a.count = 1, a.index = &x.index, a.index_strides = &strides, a.bound = &x.bound, a.step = &step;
  fill(a, x.wrap);
  return {};
}

void OffsetTable::fill(const AdvancedIndex& x, bool wrap) {
  Odometer<2> positions;  // index k, other
  int64_t count = 1;
  for (int d = x.index_begin; d < x.index_end; d++) count *= x.sizes[d];
  self_offsets.reset(count);
  table.count = count;
  table.self = self_offsets;
  for (int k = 0; k < x.count; k++) {
    Odometer<1> walk;
    for (int d = x.index_begin; d < x.index_end; d++) walk.push(x.sizes[d], {x.index_strides[k][d - x.index_begin]});
    walk.coalesce();
    int64_t n = 1, step = 0, bound = wrap ? x.bound[k] : 0, scale = x.step[k];
    if (walk.ndim) n = walk.size[walk.ndim - 1], step = walk.stride[0][--walk.ndim];
    walk.start(0);
    int64_t* out = self_offsets;
    for (int64_t r = 0; n && r < count / n; r++, walk.next()) {
      const char* p = (const char*)x.index[k] + walk.offset[0];
      in_blocks(n, [&](int64_t i, int64_t end) {
        if (k == 0) {
          for (; i < end; i++, p += step) {
            int64_t v = *(const int64_t*)p;
            *out++ = (v + (v >> 63 & bound)) * scale;
          }
        } else {
          for (; i < end; i++, p += step) {
            int64_t v = *(const int64_t*)p;
            *out++ += (v + (v >> 63 & bound)) * scale;
          }
        }
      });
    }
  }
  if (x.count == 0)
    for (int64_t i = 0; i < count; i++) self_offsets[i] = 0;
  Odometer<1> other;
  for (int d = x.index_begin; d < x.index_end; d++) other.push(x.sizes[d], {x.other_strides[d]});
  other.coalesce();
  if (other.ndim <= 1) {
    table.other_step = other.ndim ? other.stride[0][0] : 0;
  } else {
    other_offsets.reset(count);
    table.other = other_offsets;
    other.start(0);
    for (int64_t i = 0; i < count; i++, other.next()) other_offsets[i] = other.offset[0];
  }
  rest.ndim = 0;
  for (int d = 0; d < x.ndim; d++)
    if (d < x.index_begin || d >= x.index_end) rest.push(x.sizes[d], {x.self_strides[d], x.other_strides[d]});
}

namespace {

struct alignas(8) Item16 {
  uint64_t a, b;
};

template <class F>
auto by_item(int64_t item, const F& f) {
  switch (item) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    case 8: return f(uint64_t());
    default: return f(Item16());
  }
}

// out[i] = self[index[i]] over a row: the loop of gather for its usual layouts, with fewer strides to follow.
template <class T>
FL_INLINE void gather_row(char* op, const char* sp, const char* ip, int64_t n, int64_t os, int64_t ss, int64_t is,
                          int64_t step, int64_t bound) {
  if (os == sizeof(T) && is == 8 && bound == 0) {
    T* out = (T*)op;
    const int64_t* index = (const int64_t*)ip;
    if (ss == 0 && step == sizeof(T)) {
      const T* self = (const T*)sp;
      for (int64_t i = 0; i < n; i++) out[i] = self[index[i]];
    } else {
      for (int64_t i = 0; i < n; i++, sp += ss) out[i] = *(const T*)(sp + index[i] * step);
    }
    return;
  }
  for (int64_t i = 0; i < n; i++, sp += ss, op += os, ip += is) {
    int64_t v = *(const int64_t*)ip;
    *(T*)op = *(const T*)(sp + (v + (v >> 63 & bound)) * step);
  }
}

template <class T>
FL_INLINE void scatter_row(char* sp, const char* op, const char* ip, int64_t n, int64_t ss, int64_t os, int64_t is,
                           int64_t step, int64_t bound) {
  if (os == sizeof(T) && is == 8 && bound == 0) {
    const T* source = (const T*)op;
    const int64_t* index = (const int64_t*)ip;
    if (ss == 0 && step == sizeof(T)) {
      T* self = (T*)sp;
      for (int64_t i = 0; i < n; i++) self[index[i]] = source[i];
    } else {
      for (int64_t i = 0; i < n; i++, sp += ss) *(T*)(sp + index[i] * step) = source[i];
    }
    return;
  }
  for (int64_t i = 0; i < n; i++, sp += ss, op += os, ip += is) {
    int64_t v = *(const int64_t*)ip;
    *(T*)(sp + (v + (v >> 63 & bound)) * step) = *(const T*)op;
  }
}

template <class T>
FL_INLINE void move_row(char* dst, const char* src, int64_t n, int64_t ds, int64_t ss) {
  if (n == 1) {
    *(T*)dst = *(const T*)src;
  } else if (ds == sizeof(T) && ss == sizeof(T)) {
    if (n * int64_t(sizeof(T)) >= 32) std::memcpy(dst, src, size_t(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; i++) ((T*)dst)[i] = ((const T*)src)[i];
  } else {
    for (int64_t i = 0; i < n; i++, dst += ds, src += ss) *(T*)dst = *(const T*)src;
  }
}

void get_slices(int64_t item, const OffsetTable& t, const char* self, char* out) {
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    auto row = [&](int64_t s, int64_t o, int64_t n, int64_t ss, int64_t os)
                   FL_LAMBDA_INLINE {
                     move_row<T>(out + o, self + s, n, os, ss);
                   };
    auto elements = [&](const int64_t* at, int64_t s, int64_t o, int64_t count, int64_t step) FL_LAMBDA_INLINE {
      const char* from = self + s;
      char* to = out + o;
      if (step == sizeof(T))
        for (int64_t i = 0; i < count; i++) ((T*)to)[i] = *(const T*)(from + at[i]);
      else
        for (int64_t i = 0; i < count; i++, to += step) *(T*)to = *(const T*)(from + at[i]);
    };
    nest::along_table(t.table, t.rest, true, 0.1 * sizeof(T), row, elements);
  });
}

void put_slices(int64_t item, const OffsetTable& t, char* self, const char* values) {
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    auto row = [&](int64_t s, int64_t o, int64_t n, int64_t ss, int64_t os)
                   FL_LAMBDA_INLINE {
                     move_row<T>(self + s, values + o, n, ss, os);
                   };
    auto elements = [&](const int64_t* at, int64_t s, int64_t o, int64_t count, int64_t step) FL_LAMBDA_INLINE {
      char* to = self + s;
      const char* from = values + o;
      for (int64_t i = 0; i < count; i++, from += step) *(T*)(to + at[i]) = *(const T*)from;
    };
    nest::along_table(t.table, t.rest, false, 0.1 * sizeof(T), row, elements);
  });
}

}  // namespace

BadIndex gather(int64_t item, const DimIndex& x, const void* self_, void* out_) {
  if (nest::is_empty(x.ndim, x.sizes)) return {};
  const char* self = (const char*)self_;
  char* out = (char*)out_;
  if (nest::is_slice_index(x)) {
    OffsetTable t;
    if (BadIndex bad = t.build(x)) return bad;
    get_slices(item, t, self, out);
    return {};
  }
  const char* index = (const char*)x.index;
  int64_t step = x.self_strides[x.dim], bound = x.wrap ? x.bound : 0;
  const IndexRange range(x);
  bool bad = false;
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    nest::along_dim(
        x, 1.0, [&](int64_t s, int64_t o, int64_t p, int64_t n, int64_t ss, int64_t os, int64_t is) FL_LAMBDA_INLINE {
          if (range.broken_by(index + p, n, is)) __atomic_store_n(&bad, true, __ATOMIC_RELAXED);
          else gather_row<T>(out + o, self + s, index + p, n, os, ss, is, step, bound);
        });
  });
  return bad ? check_index(x.ndim, x.sizes, x.index, x.index_strides, x.bound, x.wrap) : BadIndex();
}

BadIndex scatter(int64_t item, const DimIndex& x, void* self_, const void* source_) {
  if (nest::is_empty(x.ndim, x.sizes)) return {};
  char* self = (char*)self_;
  const char* source = (const char*)source_;
  if (nest::is_slice_index(x)) {
    OffsetTable t;
    if (BadIndex bad = t.build(x)) return bad;
    put_slices(item, t, self, source);
    return {};
  }
  const char* index = (const char*)x.index;
  int64_t step = x.self_strides[x.dim], bound = x.wrap ? x.bound : 0;
  const IndexRange range(x);
  bool bad = false;
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    nest::along_dim(
        x, 1.0, [&](int64_t s, int64_t o, int64_t p, int64_t n, int64_t ss, int64_t os, int64_t is) FL_LAMBDA_INLINE {
          if (range.broken_by(index + p, n, is)) __atomic_store_n(&bad, true, __ATOMIC_RELAXED);
          else scatter_row<T>(self + s, source + o, index + p, n, ss, os, is, step, bound);
        });
  });
  return bad ? check_index(x.ndim, x.sizes, x.index, x.index_strides, x.bound, x.wrap) : BadIndex();
}

BadIndex index_get(int64_t item, const AdvancedIndex& x, const void* self, void* out) {
  if (nest::is_empty(x.ndim, x.sizes)) return check_all(x);
  OffsetTable t;
  if (BadIndex bad = t.build(x)) return bad;
  get_slices(item, t, (const char*)self, (char*)out);
  return {};
}

BadIndex index_put(int64_t item, const AdvancedIndex& x, void* self, const void* values) {
  if (nest::is_empty(x.ndim, x.sizes)) return check_all(x);
  OffsetTable t;
  if (BadIndex bad = t.build(x)) return bad;
  put_slices(item, t, (char*)self, (const char*)values);
  return {};
}

BadIndex check_all(const AdvancedIndex& x) {
  for (int k = 0; k < x.count; k++) {
    BadIndex bad = check_index(x.index_end - x.index_begin, x.sizes + x.index_begin, x.index[k], x.index_strides[k],
                               x.bound[k], true);
    if (bad) {
      bad.operand = k;
      return bad;
    }
  }
  return {};
}

BadIndex take_offsets(int ndim, const int64_t* sizes, const int64_t* strides, int64_t item, const int64_t* index,
                      int64_t n, int64_t* offsets) {
  int64_t count = 1, dense = item, one = 8;
  for (int d = 0; d < ndim; d++) count *= sizes[d];
  if (BadIndex bad = check_index(1, &n, index, &one, count, true)) return bad;
  bool contiguous = true;
  for (int d = ndim - 1; d >= 0; d--) {
    contiguous &= sizes[d] == 1 || strides[d] == dense;
    dense *= sizes[d];
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t v = index[i] + (index[i] >> 63 & count);
    if (contiguous) {
      offsets[i] = v * item;
    } else {
      int64_t at = 0;
      for (int d = ndim - 1; d >= 0; d--) at += v % sizes[d] * strides[d], v /= sizes[d];
      offsets[i] = at;
    }
  }
  return {};
}

BadIndex take(int64_t item, int ndim, const int64_t* sizes, const int64_t* strides, const void* self,
              const int64_t* index, int64_t n, void* out) {
  Buffer<int64_t> offsets(n);
  if (BadIndex bad = take_offsets(ndim, sizes, strides, item, index, n, offsets.data)) return bad;
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    fl::parallel_for(n, 1.0, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) ((T*)out)[i] = *(const T*)((const char*)self + offsets[i]);
    });
  });
  return {};
}

BadIndex put(DType type, int ndim, const int64_t* sizes, const int64_t* strides, void* self, const int64_t* index,
             int64_t n, const void* source, bool accumulate) {
  int64_t item = int64_t(item_size(type));
  Buffer<int64_t> offsets(n);
  if (BadIndex bad = take_offsets(ndim, sizes, strides, item, index, n, offsets.data)) return bad;
  if (accumulate) {
    add_at_offsets(type, self, offsets.data, n, source);
    return {};
  }
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < n; i++) *(T*)((char*)self + offsets[i]) = ((const T*)source)[i];
  });
  return {};
}

}  // namespace fl::cpu
