// grid_sample: blocks of output points are turned into taps (position in a plane, weight), which serve every channel.
#include <cstdlib>

#include "base/parallel.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/resample_kernels.h"
#include "kernels/cpu/wide.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int kBlock = 128;   // output points at a time
constexpr int kMaxTaps = 16;  // positions are 32-bit: planes have fewer than 2^31 elements

template <class W>
struct Taps {
  int count;
  int32_t at[kMaxTaps][kBlock];  // -1: outside, reads as zero
  W weight[kMaxTaps][kBlock];
  W slope[3][kMaxTaps][kBlock];  // derivative of the weight by the normalised coordinate x, y, z
};

template <class W>
FL_LOCAL W fmod_positive(W x, W span) {
  return x - W(__builtin_floor(double(x / span))) * span;
}

// Pixel coordinate of a normalised one; *slope is its derivative.
template <class W>
FL_LOCAL W unnormalise(W x, int64_t size, bool align, W* slope) {
  if (align) {
    *slope = W(size - 1) / 2;
    return (x + 1) / 2 * W(size - 1);
  }
  *slope = W(size) / 2;
  return ((x + 1) * W(size) - 1) / 2;
}

template <class W>
FL_LOCAL W clip(W x, int64_t size, W* slope) {
  W top = W(size - 1);
  if (!(x > 0)) {
    *slope = 0;
    return 0;
  }
  if (x >= top) {
    *slope = 0;
    return top;
  }
  return x;
}

template <class W>
FL_LOCAL W reflect(W x, int64_t size, bool align, W* slope) {
  W low = align ? W(0) : W(-0.5), span = align ? W(size - 1) : W(size);
  if (span == 0) {
    *slope = 0;
    return 0;
  }
  x -= low;
  if (x < 0) x = -x, *slope = -*slope;
  W flips = W(__builtin_floor(double(x / span)));
  W extra = x - flips * span;
  bool odd = fmod_positive<W>(flips, W(2)) != 0;
  if (odd) *slope = -*slope;
  return odd ? span - extra + low : extra + low;
}

template <class W>
FL_LOCAL W pad_coordinate(const GridSample& s, W x, int64_t size, W* slope) {
  if (s.padding == GridPadding::Border) x = clip(x, size, slope);
  else if (s.padding == GridPadding::Reflection) x = clip(reflect(x, size, s.align_corners, slope), size, slope);
  // Values that no index holds count as outside.
  if (!(x > W(-1e9) && x < W(1e9))) x = W(-100);
  return x;
}

template <class W>
FL_LOCAL void cubic_weights(W t, W* w, W* slope) {
  const W a = W(-0.75);
  W near[2] = {t, 1 - t};
  for (int side = 0; side < 2; side++) {
    W x = near[side], far = x + 1;
    w[side ? 2 : 1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    w[side ? 3 : 0] = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
    W sign = side ? W(-1) : W(1);
    slope[side ? 2 : 1] = sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
    slope[side ? 3 : 0] = sign * ((3 * a * far - 10 * a) * far + 8 * a);
  }
}

// Straight-line loops for the common case: two dimensions, bilinear, no reflection.
template <class T, class W>
void bilinear_taps(const GridSample& s, const T* grid, int points, Taps<W>& taps) {
  taps.count = 4;
  W part[2][2][kBlock], slope[2][kBlock];  // weight of the lower and upper neighbour, a dimension
  int32_t low[2][kBlock];
  for (int d = 0; d < 2; d++) {
    int32_t size = int32_t(s.in_size[1 - d]);
    W scale = s.align_corners ? W(size - 1) / 2 : W(size) / 2, top = W(size - 1), sizef = W(size);
    bool border = s.padding == GridPadding::Border, align = s.align_corners;
    for (int p = 0; p < points; p++) {
      W x = W(get(grid[p * 2 + d])), g = scale;
      x = align ? (x + 1) / 2 * top : ((x + 1) * sizef - 1) / 2;
      if (border) {
        bool under = !(x > 0), over = x >= top;
        x = under ? W(0) : over ? top
                                : x;
        g = under | over ? W(0) : g;
      }
      x = (x > W(-1e9)) & (x < W(1e9)) ? x : W(-100);
      int32_t i = int32_t(x);
      i -= W(i) > x;
      W t = x - W(i);
      low[d][p] = i, slope[d][p] = g;
      part[d][0][p] = 1 - t, part[d][1][p] = t;
    }
  }
  int32_t width = int32_t(s.in_size[1]), height = int32_t(s.in_size[0]);
  for (int k = 0; k < 4; k++) {
    int right = k & 1, down = k >> 1;
    for (int p = 0; p < points; p++) {
      int32_t x = low[0][p] + right, y = low[1][p] + down;
      bool valid = (x >= 0) & (x < width) & (y >= 0) & (y < height);
      taps.at[k][p] = valid ? y * width + x : -1;
      taps.weight[k][p] = part[0][right][p] * part[1][down][p];
      taps.slope[0][k][p] = (right ? slope[0][p] : -slope[0][p]) * part[1][down][p];
      taps.slope[1][k][p] = (down ? slope[1][p] : -slope[1][p]) * part[0][right][p];
    }
  }
}

template <class T, class W>
void make_taps(const GridSample& s, const T* grid, int points, Taps<W>& taps) {
  if (s.ndim == 2 && s.mode == GridMode::Bilinear && s.padding != GridPadding::Reflection)
    return bilinear_taps(s, grid, points, taps);
  int dims = s.ndim;
  int64_t size[3];  // x, y, z
  for (int d = 0; d < dims; d++) size[d] = s.in_size[dims - 1 - d];
  taps.count = s.mode == GridMode::Nearest ? 1 : s.mode == GridMode::Bicubic ? 16
                                                                             : 1 << dims;
  for (int p = 0; p < points; p++) {
    W at[3] = {0, 0, 0}, slope[3] = {1, 1, 1};
    for (int d = 0; d < dims; d++) {
      at[d] = unnormalise<W>(W(get(grid[p * dims + d])), size[d], s.align_corners, &slope[d]);
      if (s.mode != GridMode::Bicubic) at[d] = pad_coordinate<W>(s, at[d], size[d], &slope[d]);
      else if (!(at[d] > W(-1e9) && at[d] < W(1e9))) at[d] = W(-100);
    }
    if (s.mode == GridMode::Nearest) {
      int64_t where = 0;
      for (int d = dims - 1; d >= 0; d--) {
        int64_t i = int64_t(__builtin_rint(double(at[d])));
        where = where < 0 || i < 0 || i >= size[d] ? -1 : where * size[d] + i;
      }
      taps.at[0][p] = int32_t(where), taps.weight[0][p] = 1;
      for (int d = 0; d < dims; d++) taps.slope[d][0][p] = 0;
    } else if (s.mode == GridMode::Bilinear) {
      int64_t base[3];
      W t[3];
      for (int d = 0; d < dims; d++) {
        W low = W(__builtin_floor(double(at[d])));
        base[d] = int64_t(low), t[d] = at[d] - low;
      }
      for (int k = 0; k < taps.count; k++) {
        int64_t where = 0;
        W w = 1, ds[3] = {1, 1, 1};
        for (int d = dims - 1; d >= 0; d--) {
          int high = k >> d & 1;
          int64_t i = base[d] + high;
          where = where < 0 || i < 0 || i >= size[d] ? -1 : where * size[d] + i;
          W f = high ? t[d] : 1 - t[d];
          w *= f;
          for (int e = 0; e < dims; e++) ds[e] *= e == d ? (high ? slope[d] : -slope[d]) : f;
        }
        taps.at[k][p] = int32_t(where), taps.weight[k][p] = w;
        for (int d = 0; d < dims; d++) taps.slope[d][k][p] = ds[d];
      }
    } else {
      W w[2][4], dw[2][4];
      int64_t index[2][4];
      for (int d = 0; d < 2; d++) {
        W low = W(__builtin_floor(double(at[d])));
        cubic_weights<W>(at[d] - low, w[d], dw[d]);
        for (int k = 0; k < 4; k++) {
          W ignored = 1, x = pad_coordinate<W>(s, low - 1 + W(k), size[d], &ignored);
          int64_t i = int64_t(x);
          index[d][k] = i < 0 || i >= size[d] ? -1 : i;
        }
      }
      for (int k = 0; k < 16; k++) {
        int x = k & 3, y = k >> 2;
        taps.at[k][p] = int32_t(index[0][x] < 0 || index[1][y] < 0 ? -1 : index[1][y] * size[0] + index[0][x]);
        taps.weight[k][p] = w[0][x] * w[1][y];
        taps.slope[0][k][p] = dw[0][x] * slope[0] * w[1][y];
        taps.slope[1][k][p] = w[0][x] * dw[1][y] * slope[1];
      }
    }
  }
}

FL_LOCAL int64_t in_plane(const GridSample& s) {
  return s.in_size[0] * s.in_size[1] * (s.ndim == 3 ? s.in_size[2] : 1);
}
FL_LOCAL int64_t out_plane(const GridSample& s) {
  return s.out_size[0] * s.out_size[1] * (s.ndim == 3 ? s.out_size[2] : 1);
}

void grid_sample(DType type, const GridSample& s, const void* in_, const void* grid_, void* out_) {
  int64_t ni = in_plane(s), no = out_plane(s), blocks = (no + kBlock - 1) / kBlock;
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T *in = (const T*)in_, *grid = (const T*)grid_;
    T* out = (T*)out_;
    fl::parallel_for(s.batch * blocks, double(kBlock) * (20 + 4 * double(s.channels)), [&](int64_t begin, int64_t end) {
      HeapArray<Taps<W>> memory(1);
      Taps<W>* taps = memory.data;
      for (int64_t u = begin; u < end; u++) {
        int64_t n = u / blocks, first = u % blocks * kBlock;
        int points = int(no - first < kBlock ? no - first : kBlock);
        make_taps(s, grid + (n * no + first) * s.ndim, points, *taps);
        for (int64_t c = 0; c < s.channels; c++) {
          const T* plane = in + (n * s.channels + c) * ni;
          W sum[kBlock] = {};
          for (int k = 0; k < taps->count; k++) {
            const int32_t* __restrict at = taps->at[k];
            const W* __restrict w = taps->weight[k];
            for (int p = 0; p < points; p++) {
              W v = get(plane[at[p] < 0 ? 0 : at[p]]);
              sum[p] += at[p] < 0 ? W(0) : w[p] * v;
            }
          }
          T* to = out + (n * s.channels + c) * no + first;
          for (int p = 0; p < points; p++) put(to[p], sum[p]);
        }
      }
    });
  });
}

void grid_sample_backward(DType type, const GridSample& s, const void* grad_, const void* in_, const void* grid_,
                          void* grad_in_, void* grad_grid_) {
  int64_t ni = in_plane(s), no = out_plane(s), blocks = (no + kBlock - 1) / kBlock;
  by_float(type, [&](auto tag) {
    using T = decltype(tag);
    using W = wide<T>;
    const T *grad = (const T*)grad_, *in = (const T*)in_, *grid = (const T*)grid_;
    if (grad_in_) {
      T* grad_in = (T*)grad_in_;
      // Each thread owns some channels of an image, and walks its points in order.
      int64_t group = s.channels < 16 ? s.channels : 16, groups = group ? (s.channels + group - 1) / group : 0;
      fl::parallel_for(s.batch * groups, double(no) * (20 + 8 * double(group)), [&](int64_t begin, int64_t end) {
        HeapArray<Taps<W>> memory(1);
        Taps<W>* taps = memory.data;
        HeapArray<W> sums(group * ni + 1);
        for (int64_t u = begin; u < end; u++) {
          int64_t n = u / groups, c0 = u % groups * group, m = s.channels - c0 < group ? s.channels - c0 : group;
          for (int64_t i = 0; i < m * ni; i++) sums[i] = 0;
          for (int64_t first = 0; first < no; first += kBlock) {
            int points = int(no - first < kBlock ? no - first : kBlock);
            make_taps(s, grid + (n * no + first) * s.ndim, points, *taps);
            for (int64_t c = 0; c < m; c++) {
              const T* g = grad + (n * s.channels + c0 + c) * no + first;
              W* plane = sums.data + c * ni;
              for (int p = 0; p < points; p++)
                for (int k = 0; k < taps->count; k++)
                  if (taps->at[k][p] >= 0) plane[taps->at[k][p]] += taps->weight[k][p] * W(get(g[p]));
            }
          }
          T* to = grad_in + (n * s.channels + c0) * ni;
          for (int64_t i = 0; i < m * ni; i++) put(to[i], sums[i]);
        }
      });
    }
    if (grad_grid_) {
      T* grad_grid = (T*)grad_grid_;
      fl::parallel_for(
          s.batch * blocks, double(kBlock) * (20 + 8 * double(s.channels)), [&](int64_t begin, int64_t end) {
            HeapArray<Taps<W>> memory(1);
            Taps<W>* taps = memory.data;
            for (int64_t u = begin; u < end; u++) {
              int64_t n = u / blocks, first = u % blocks * kBlock;
              int points = int(no - first < kBlock ? no - first : kBlock);
              make_taps(s, grid + (n * no + first) * s.ndim, points, *taps);
              W sum[3][kBlock] = {};
              bool volume = s.ndim == 3;
              for (int64_t c = 0; c < s.channels; c++) {
                const T *plane = in + (n * s.channels + c) * ni, *g = grad + (n * s.channels + c) * no + first;
                for (int k = 0; k < taps->count; k++)
                  for (int p = 0; p < points; p++) {
                    int32_t at = taps->at[k][p];
                    W v = get(plane[at < 0 ? 0 : at]), gv = get(g[p]);
                    v = at < 0 ? W(0) : v * gv;
                    sum[0][p] += v * taps->slope[0][k][p];
                    sum[1][p] += v * taps->slope[1][k][p];
                    if (volume) sum[2][p] += v * taps->slope[2][k][p];
                  }
              }
              T* to = grad_grid + (n * no + first) * s.ndim;
              for (int p = 0; p < points; p++)
                for (int d = 0; d < s.ndim; d++) put(to[p * s.ndim + d], sum[d][p]);
            }
          });
    }
  });
}

}  // namespace

extern const GridKernels grid_kernels;
const GridKernels grid_kernels = {grid_sample, grid_sample_backward};

}  // namespace fl::cpu::FL_ISA
