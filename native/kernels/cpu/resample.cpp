// The entries of resample.h: upsampling and grid sampling through this processor's tables; unfold, fold and padding
// here.
#include "kernels/cpu/resample.h"

#include <cstring>

#include "kernels/cpu/element.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/index_nest.h"
#include "kernels/cpu/resample_kernels.h"

namespace fl::cpu {

void upsample(DType type, const Upsample& u, const void* in, void* out) {
  upsample_kernels().upsample(type, u, in, out);
}
void upsample_backward(DType type, const Upsample& u, const void* grad_out, void* grad_in) {
  upsample_kernels().upsample_backward(type, u, grad_out, grad_in);
}
void grid_sample(DType type, const GridSample& s, const void* in, const void* grid, void* out) {
  grid_kernels().grid_sample(type, s, in, grid, out);
}
void grid_sample_backward(DType type, const GridSample& s, const void* grad_out, const void* in, const void* grid,
                          void* grad_in, void* grad_grid) {
  grid_kernels().grid_sample_backward(type, s, grad_out, in, grid, grad_in, grad_grid);
}

namespace {

struct alignas(8) Item16 {
  uint64_t a, b;
};

template <class F>
void by_item(int64_t item, const F& f) {
  switch (item) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    case 8: return f(uint64_t());
    default: return f(Item16());
  }
}

// Columns [first, last) of an output row whose input column (x * stride + offset) lies inside.
inline void inside(int64_t out, int64_t in, int64_t stride, int64_t offset, int64_t* first, int64_t* last) {
  int64_t a = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  int64_t b = in - offset <= 0 ? 0 : (in - offset + stride - 1) / stride;
  a = a < out ? a : out, b = b < out ? b : out;
  *first = a, *last = b > a ? b : a;
}

}  // namespace

void im2col(int64_t item, const Im2Col& g, const void* image_, void* columns_) {
  int64_t oh = g.out_height(), ow = g.out_width(), kernel = g.kernel[0] * g.kernel[1];
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    fl::parallel_for(g.batch * g.channels * kernel, 0.3 * double(oh * ow), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        int64_t plane = r / kernel, ky = r % kernel / g.kernel[1], kx = r % g.kernel[1];
        const T* image = (const T*)image_ + plane * g.height * g.width;
        T* to = (T*)columns_ + r * oh * ow;
        int64_t offset = kx * g.dilation[1] - g.padding[1], first, last;
        inside(ow, g.width, g.stride[1], offset, &first, &last);
        for (int64_t y = 0; y < oh; y++, to += ow) {
          int64_t row = y * g.stride[0] + ky * g.dilation[0] - g.padding[0];
          if (row < 0 || row >= g.height) {
            std::memset((void*)to, 0, size_t(ow) * sizeof(T));
            continue;
          }
          const T* from = image + row * g.width + offset;
          std::memset((void*)to, 0, size_t(first) * sizeof(T));
          if (g.stride[1] == 1) std::memcpy((void*)(to + first), from + first, size_t(last - first) * sizeof(T));
          else
            for (int64_t x = first; x < last; x++) to[x] = from[x * g.stride[1]];
          std::memset((void*)(to + last), 0, size_t(ow - last) * sizeof(T));
        }
      }
    });
  });
}

void col2im(DType type, const Im2Col& g, const void* columns_, void* image_) {
  int64_t oh = g.out_height(), ow = g.out_width(), kernel = g.kernel[0] * g.kernel[1], pixels = g.height * g.width;
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    using W = compute_t<T>;
    fl::parallel_for(g.batch * g.channels, 0.5 * double(oh * ow * kernel), [&](int64_t begin, int64_t end) {
      nest::Buffer<W> sums(pixels);
      for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t i = 0; i < pixels; i++) sums[i] = W(0);
        for (int64_t k = 0; k < kernel; k++) {
          int64_t ky = k / g.kernel[1], kx = k % g.kernel[1], offset = kx * g.dilation[1] - g.padding[1], first, last;
          inside(ow, g.width, g.stride[1], offset, &first, &last);
          const T* from = (const T*)columns_ + (plane * kernel + k) * oh * ow;
          for (int64_t y = 0; y < oh; y++, from += ow) {
            int64_t row = y * g.stride[0] + ky * g.dilation[0] - g.padding[0];
            if (row < 0 || row >= g.height) continue;
            W* to = sums.data + row * g.width + offset;
            for (int64_t x = first; x < last; x++) to[x * g.stride[1]] = add(to[x * g.stride[1]], W(from[x]));
          }
        }
        T* image = (T*)image_ + plane * pixels;
        for (int64_t i = 0; i < pixels; i++) image[i] = T(sums[i]);
      }
    });
  });
}

namespace {

// Input position of every output position along each padded dimension; missing outer dimensions have size 1.
struct PadMap {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  HeapArray<int64_t> at[3];
  int64_t first = 0, last = 0;  // innermost: outputs [first, last) read a run of inputs
  explicit PadMap(const Pad& p) {
    for (int d = 0; d < 3; d++) {
      int from = d - (3 - p.ndim);
      int64_t before = from >= 0 ? p.before[from] : 0, after = from >= 0 ? p.after[from] : 0;
      in[d] = from >= 0 ? p.in_size[from] : 1;
      out[d] = in[d] + before + after;
      if (out[d] < 0) out[d] = 0;
      at[d].reset(out[d] + 1);
      for (int64_t i = 0; i < out[d]; i++) {
        int64_t x = i - before, n = in[d];
        if (x < 0 || x >= n) {
          if (p.mode == PadMode::Replicate) x = x < 0 ? 0 : n - 1;
          else if (p.mode == PadMode::Circular) x = n ? (x % n + n) % n : 0;
          else x = x < 0 ? -x : 2 * (n - 1) - x;
        }
        at[d][i] = x;
      }
      if (d == 2) {
        first = before > 0 ? before : 0;
        last = out[2] - (after > 0 ? after : 0);
        if (last < first) last = first;
      }
    }
  }
  ~PadMap() {
    for (int64_t* table : at) std::free(table);
  }
  int64_t rows() const { return out[0] * out[1]; }
  int64_t source_row(int64_t r) const { return at[0][r / out[1]] * in[1] + at[1][r % out[1]]; }
};

}  // namespace

void pad(int64_t item, const Pad& p, const void* in_, void* out_) {
  PadMap map(p);
  int64_t rows = map.rows(), in_plane = map.in[0] * map.in[1] * map.in[2], width = map.out[2];
  by_item(item, [&](auto tag) {
    using T = decltype(tag);
    fl::parallel_for(p.planes * rows, 0.2 * double(width) + 5, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const T* from = (const T*)in_ + r / rows * in_plane + map.source_row(r % rows) * map.in[2];
        T* to = (T*)out_ + r * width;
        for (int64_t x = 0; x < map.first; x++) to[x] = from[map.at[2][x]];
        if (map.last > map.first)
          std::memcpy((void*)(to + map.first), from + map.at[2][map.first], size_t(map.last - map.first) * sizeof(T));
        for (int64_t x = map.last; x < width; x++) to[x] = from[map.at[2][x]];
      }
    });
  });
}

void pad_backward(DType type, const Pad& p, const void* grad_out_, void* grad_in_) {
  PadMap map(p);
  int64_t rows = map.rows(), in_plane = map.in[0] * map.in[1] * map.in[2], width = map.out[2];
  by_type(type, [&](auto tag) {
    using T = decltype(tag);
    using W = compute_t<T>;
    fl::parallel_for(p.planes, 0.5 * double(rows * width), [&](int64_t begin, int64_t end) {
      nest::Buffer<W> sums(in_plane);
      for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t i = 0; i < in_plane; i++) sums[i] = W(0);
        for (int64_t r = 0; r < rows; r++) {
          W* to = sums.data + map.source_row(r) * map.in[2];
          const T* from = (const T*)grad_out_ + (plane * rows + r) * width;
          for (int64_t x = 0; x < width; x++) to[map.at[2][x]] = add(to[map.at[2][x]], W(from[x]));
        }
        T* out = (T*)grad_in_ + plane * in_plane;
        for (int64_t i = 0; i < in_plane; i++) out[i] = T(sums[i]);
      }
    });
  });
}

}  // namespace fl::cpu
