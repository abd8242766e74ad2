// Copies with a pattern: strided copy and fill, roll, triangles.
#include <cstring>

#include "kernels/cpu/copy.h"
#include "kernels/cpu/index.h"
#include "kernels/cpu/index_nest.h"

namespace fl::cpu {

void strided_copy(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
                  const int64_t* src_strides) {
  copy_kernels().strided_copy(item, ndim, sizes, dst, dst_strides, src, src_strides);
}

void strided_fill(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides,
                  const void* value) {
  int64_t zeros[kMaxDims] = {};
  copy_kernels().strided_copy(item, ndim, sizes, dst, dst_strides, value, zeros);
}

void roll(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
          const int64_t* src_strides, const int64_t* shifts) {
  if (nest::is_empty(ndim, sizes)) return;
  // Every rolled dimension falls into two pieces that swap places; their combinations are copied one by one.
  int64_t piece[kMaxDims], shift[kMaxDims];
  int rolled[kMaxDims], count = 0;
  for (int d = 0; d < ndim; d++) {
    piece[d] = sizes[d];
    shift[d] = (shifts[d] % sizes[d] + sizes[d]) % sizes[d];
    if (shift[d]) rolled[count++] = d;
  }
  for (int64_t mask = 0; mask < int64_t(1) << count; mask++) {
    char* to = (char*)dst;
    const char* from = (const char*)src;
    for (int r = 0; r < count; r++) {
      int d = rolled[r];
      if (mask >> r & 1) {  // the end of the source comes first
        piece[d] = shift[d];
        from += (sizes[d] - shift[d]) * src_strides[d];
      } else {
        piece[d] = sizes[d] - shift[d];
        to += shift[d] * dst_strides[d];
      }
    }
    strided_copy(item, ndim, piece, to, dst_strides, from, src_strides);
  }
}

void triangle(int64_t item, int ndim, const int64_t* sizes, void* dst, const int64_t* dst_strides, const void* src,
              const int64_t* src_strides, int64_t diagonal, bool upper) {
  if (nest::is_empty(ndim, sizes)) return;
  static const char zero[16] = {};
  nest::Odometer<2> rows;
  for (int d = 0; d < ndim - 1; d++) rows.push(sizes[d], {dst_strides[d], src_strides[d]});
  int64_t height = sizes[ndim - 2], width = sizes[ndim - 1], ds = dst_strides[ndim - 1], ss = src_strides[ndim - 1];
  bool in_place = dst == src, dense = ds == item && ss == item;
  fl::parallel_for(rows.count(), 0.1 * double(width * item) + 4, [&](int64_t begin, int64_t end) {
    nest::Odometer<2> at = rows;
    at.start(begin);
    for (int64_t r = begin; r < end; r++, at.next()) {
      // Columns [0, cut) belong to the lower part and [cut, width) to the upper.
      int64_t row = r % height, cut = upper ? row + diagonal : row + diagonal + 1;
      cut = cut < 0 ? 0 : cut > width ? width
                                      : cut;
      int64_t keep = upper ? cut : 0, kept = upper ? width - cut : cut, clear = upper ? 0 : cut, cleared = width - kept;
      char* to = (char*)dst + at.offset[0];
      const char* from = (const char*)src + at.offset[1];
      if (dense) {
        if (!in_place) std::memcpy(to + keep * item, from + keep * item, size_t(kept * item));
        std::memset(to + clear * item, 0, size_t(cleared * item));
      } else {
        int64_t none = 0;
        if (!in_place) strided_copy(item, 1, &kept, to + keep * ds, &ds, from + keep * ss, &ss);
        strided_copy(item, 1, &cleared, to + clear * ds, &ds, zero, &none);
      }
    }
  });
}

}  // namespace fl::cpu
