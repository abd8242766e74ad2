// Masks: masked_fill, masked_select, masked_scatter, and nonzero.
#include <cstring>

#include "kernels/cpu/element.h"
#include "kernels/cpu/index.h"
#include "kernels/cpu/index_nest.h"

namespace fl::cpu {
namespace {

using nest::Odometer;

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

// Rows of two operands in row-major order: the last dimension taken off a coalesced walk.
struct Rows {
  Odometer<2> outer;
  int64_t n = 1, a = 0, b = 0, count = 0;
  Rows(int ndim, const int64_t* sizes, const int64_t* as, const int64_t* bs, bool any_order) {
    for (int d = 0; d < ndim; d++) outer.push(sizes[d], {as[d], bs[d]});
    if (nest::is_empty(ndim, sizes)) return;
    outer.coalesce();
    if (any_order) outer.sort_by(0), outer.coalesce();
    if (outer.ndim) {
      int last = --outer.ndim;
      n = outer.size[last], a = outer.stride[0][last], b = outer.stride[1][last];
    }
    count = outer.count();
  }
};

inline uint64_t load8(const char* p) {
  uint64_t x;
  std::memcpy(&x, p, 8);
  return x;
}

inline int64_t count_row(const char* mask, int64_t n, int64_t stride) {
  int64_t total = 0, i = 0;
  if (stride == 1) {
    while (i + 8 <= n) {  // bytes are 0 or 1: eight counters in a word, at most 255 steps
      int64_t stop = n - i < 8 * 255 ? i + (n - i) / 8 * 8 : i + 8 * 255;
      uint64_t counters = 0;
      for (; i < stop; i += 8) counters += load8(mask + i);
      constexpr uint64_t even = 0x00ff00ff00ff00ffull;
      uint64_t pairs = (counters & even) + (counters >> 8 & even);
      total += int64_t(pairs * 0x0001000100010001ull >> 48);
    }
  }
  for (; i < n; i++) total += mask[i * stride] != 0;
  return total;
}

template <class T>
int64_t count_nonzero_row(const char* data, int64_t n, int64_t stride) {
  int64_t total = 0;
  if (stride == sizeof(T))
    for (int64_t i = 0; i < n; i++) total += !is_zero(((const T*)data)[i]);
  else
    for (int64_t i = 0; i < n; i++) total += !is_zero(*(const T*)(data + i * stride));
  return total;
}

}  // namespace

void masked_fill(int64_t item, int ndim, const int64_t* sizes, void* self, const int64_t* self_strides,
                 const bool* mask, const int64_t* mask_strides, const void* value) {
  Rows rows(ndim, sizes, self_strides, mask_strides, true);
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    T v;
    std::memcpy(&v, value, sizeof(T));
    fl::parallel_for(rows.count, double(rows.n), [&](int64_t begin, int64_t end) {
      Odometer<2> at = rows.outer;
      at.start(begin);
      for (int64_t r = begin; r < end; r++, at.next()) {
        char* p = (char*)self + at.offset[0];
        const char* m = (const char*)mask + at.offset[1];
        int64_t i = 0;
        if (rows.b == 1 && rows.a == sizeof(T)) {
          for (; i + 8 <= rows.n; i += 8)
            for (uint64_t bits = load8(m + i); bits; bits &= bits - 1) ((T*)p)[i + (__builtin_ctzll(bits) >> 3)] = v;
        }
        for (; i < rows.n; i++)
          if (m[i * rows.b]) *(T*)(p + i * rows.a) = v;
      }
    });
  });
}

int64_t count_true(int ndim, const int64_t* sizes, const bool* mask, const int64_t* mask_strides) {
  Rows rows(ndim, sizes, mask_strides, mask_strides, true);
  int64_t total = 0;
  if (rows.count) rows.outer.start(0);
  for (int64_t r = 0; r < rows.count; r++, rows.outer.next())
    total += count_row((const char*)mask + rows.outer.offset[0], rows.n, rows.a);
  return total;
}

void masked_select(int64_t item, int ndim, const int64_t* sizes, const void* self, const int64_t* self_strides,
                   const bool* mask, const int64_t* mask_strides, void* out) {
  Rows rows(ndim, sizes, self_strides, mask_strides, false);
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    T* to = (T*)out;
    if (rows.count) rows.outer.start(0);
    for (int64_t r = 0; r < rows.count; r++, rows.outer.next()) {
      const char *p = (const char*)self + rows.outer.offset[0], *m = (const char*)mask + rows.outer.offset[1];
      int64_t i = 0;
      if (rows.b == 1 && rows.a == sizeof(T)) {
        for (; i + 8 <= rows.n; i += 8) {
          uint64_t bits = load8(m + i);
          if (bits == 0) continue;
          if (bits == 0x0101010101010101ull) {
            std::memcpy(to, p + i * int64_t(sizeof(T)), 8 * sizeof(T)), to += 8;
            continue;
          }
          for (; bits; bits &= bits - 1) *to++ = ((const T*)p)[i + (__builtin_ctzll(bits) >> 3)];
        }
      }
      for (; i < rows.n; i++)
        if (m[i * rows.b]) *to++ = *(const T*)(p + i * rows.a);
    }
  });
}

void masked_scatter(int64_t item, int ndim, const int64_t* sizes, void* self, const int64_t* self_strides,
                    const bool* mask, const int64_t* mask_strides, const void* source) {
  Rows rows(ndim, sizes, self_strides, mask_strides, false);
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    const T* from = (const T*)source;
    if (rows.count) rows.outer.start(0);
    for (int64_t r = 0; r < rows.count; r++, rows.outer.next()) {
      char* p = (char*)self + rows.outer.offset[0];
      const char* m = (const char*)mask + rows.outer.offset[1];
      for (int64_t i = 0; i < rows.n; i++)
        if (m[i * rows.b]) *(T*)(p + i * rows.a) = *from++;
    }
  });
}

int64_t count_nonzero(DType type, int ndim, const int64_t* sizes, const void* data, const int64_t* strides) {
  if (type == DType::Bool) return count_true(ndim, sizes, (const bool*)data, strides);
  Rows rows(ndim, sizes, strides, strides, true);
  int64_t total = 0;
  by_type(type, [&](auto tag) {
    if (rows.count) rows.outer.start(0);
    for (int64_t r = 0; r < rows.count; r++, rows.outer.next())
      total += count_nonzero_row<decltype(tag)>((const char*)data + rows.outer.offset[0], rows.n, rows.a);
  });
  return total;
}

void nonzero(DType type, int ndim, const int64_t* sizes, const void* data, const int64_t* strides, int64_t* out,
             int64_t row_stride, int64_t column_stride, int64_t limit) {
  if (nest::is_empty(ndim, sizes) || limit <= 0) return;
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    if (ndim == 0) return;
    int last = ndim - 1;
    int64_t n = sizes[last], step = strides[last], rows = 1, found = 0;
    Odometer<1> at;
    for (int d = 0; d < last; d++) at.push(sizes[d], {strides[d]}), rows *= sizes[d];
    at.start(0);
    char* to = (char*)out;
    for (int64_t r = 0; r < rows; r++, at.next()) {
      // Columns are found a block at a time without branching on the data.
      constexpr int64_t kBlock = 512;
      int32_t columns[kBlock];
      for (int64_t first = 0; first < n; first += kBlock) {
        const char* p = (const char*)data + at.offset[0] + first * step;
        int64_t m = n - first < kBlock ? n - first : kBlock, hits = 0;
        for (int64_t i = 0; i < m; i++, p += step) {
          columns[hits] = int32_t(i);
          hits += !is_zero(*(const T*)p);
        }
        for (int64_t k = 0; k < hits; k++) {
          for (int d = 0; d < last; d++) *(int64_t*)(to + d * column_stride) = at.at[d];
          *(int64_t*)(to + last * column_stride) = first + columns[k];
          to += row_stride;
          if (++found == limit) return;
        }
      }
    }
  });
}

}  // namespace fl::cpu
