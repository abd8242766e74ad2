// Correlation as an implicit matrix product, channels innermost: rows of A are pixels read where they lie in a small
// NHWC block of the input, B is the packed kernel. No im2col buffer. A block of output pixels is computed, then written
// in the caller's layout. Included by *.isa.cpp sources only.
#pragma once
#include "kernels/cpu/conv_core.h"

namespace fl::cpu::FL_ISA {
namespace {

// The steps from one row of pixels, one pixel to the next, in A and C.
struct PixelSteps {
  int64_t a_line, a_row, c_line, c_row;
};

// C[R rows of Q pixels, NV vectors] = act(bias + sum over segments of A[pixel, offset + 0..length) * B). B's rows
// follow one another.
template <class T, int R, int Q, int NV>
void pixel_kernel(int64_t segments, const int64_t* offset, int64_t length, const T* __restrict a,
                  const T* __restrict b, const T* bias, bool relu, T* __restrict c, const PixelSteps& step) {
  using V = typename Vec<T>::type;
  constexpr int W = Vec<T>::W;
  V r[R * Q][NV];
  FL_UNROLL for (int j = 0; j < NV; ++j) {
    V v = load(bias + j * W);
    FL_UNROLL for (int i = 0; i < R * Q; ++i) r[i][j] = v;
  }
  const int64_t a_line = step.a_line, a_row = step.a_row;
  for (int64_t s = 0; s < segments; ++s) {
    const T* p = a + offset[s];
    _Pragma("GCC unroll 2") for (int64_t l = 0; l < length; ++l) {
      V bv[NV];
      FL_UNROLL for (int j = 0; j < NV; ++j) bv[j] = load(b + j * W);
      FL_UNROLL for (int i = 0; i < R * Q; ++i) {
        T v = p[i / Q * a_line + i % Q * a_row];
        FL_UNROLL for (int j = 0; j < NV; ++j) r[i][j] += v * bv[j];
      }
      ++p;
      b += NV * W;
    }
  }
  FL_UNROLL for (int i = 0; i < R * Q; ++i) {
    FL_UNROLL for (int j = 0; j < NV; ++j) {
      V v = r[i][j];
      if (relu) v = v < T(0) ? V{} : v;
      store(c + i / Q * step.c_line + i % Q * step.c_row + j * W, v);
    }
  }
}
template <class T>
using PixelKernel = void (*)(int64_t, const int64_t*, int64_t, const T*, const T*, const T*, bool, T*,
                             const PixelSteps&);
// Kernels for 1 to kMR pixels of a row, and for two rows of up to half as many: images of a few pixels a row.
template <class T>
struct PixelTable {
  PixelKernel<T> row[kMR], two_rows[kMR / 2];
};
template <class T, int NV, int... I, int... J>
constexpr PixelTable<T> pixel_table_of(std::integer_sequence<int, I...>, std::integer_sequence<int, J...>) {
  return {{pixel_kernel<T, 1, I + 1, NV>...}, {pixel_kernel<T, 2, J + 1, NV>...}};
}
template <class T, int NV>
constexpr PixelTable<T> pixel_table =
    pixel_table_of<T, NV>(std::make_integer_sequence<int, kMR>{}, std::make_integer_sequence<int, kMR / 2>{});

// Output channels [k0, k0 + n) of a group as [taps][channels][width], zero-padded to width.
template <class T>
void pack_kernel(T* dst, int width, const Correlation<T>& p, int64_t group, int64_t k0, int n) {
  constexpr int W = Vec<T>::W;
  using V = typename Vec<T>::type;
  const int64_t channels = p.c / p.groups, area = p.taps[0] * p.taps[1] * p.taps[2];
  const int64_t sk = p.w_stride[0], sc = p.w_stride[1];
  const T* w = p.w + group * p.w_group + k0 * sk;
  const bool dense =
      p.w_stride[4] == 1 && p.w_stride[3] == p.taps[2] && p.w_stride[2] == p.taps[1] * p.taps[2] && sc == area;
  if (dense) {
    // Columns of the matrix (k, c*area + t) become rows t*channels + c of the panel.
    const int64_t columns = channels * area;
    for (int i0 = 0; i0 < width; i0 += W) {
      const int rows = n - i0;
      int64_t c = 0, t = 0;
      for (int64_t j = 0; j < columns; j += W) {
        const int m = int(least(W, columns - j));
        V r[W];
        if (rows >= W && m == W) {
          FL_UNROLL for (int i = 0; i < W; ++i) r[i] = load(w + (i0 + i) * sk + j);
        } else {
          FL_UNROLL for (int i = 0; i < W; ++i) r[i] = i < rows ? load_n(w + (i0 + i) * sk + j, m) : V{};
        }
        transpose_square<T>(r);
        V stored[W];
        FL_UNROLL for (int i = 0; i < W; ++i) stored[i] = r[i];
        for (int i = 0; i < m; ++i) {
          store(dst + (t * channels + c) * width + i0, stored[i]);
          if (++t == area) t = 0, ++c;
        }
      }
    }
    return;
  }
  const bool innermost = sc == 1 && p.w_stride[4] == channels && p.w_stride[3] == p.taps[2] * channels &&
                         p.w_stride[2] == p.taps[1] * p.taps[2] * channels;
  if (innermost) {
    pack_transposed(dst, width, w, sk, n, area * channels);
    return;
  }
  // The gradient of the input of a contiguous kernel: all taps last to first, outputs `area` apart. A channel's columns
  // are one small transposition.
  if (sk == area && p.w_stride[4] == -1 && p.w_stride[3] == -p.taps[2] && p.w_stride[2] == -p.taps[1] * p.taps[2]) {
    for (int64_t c = 0; c < channels; ++c) {
      T* last = dst + ((area - 1) * channels + c) * width;
      if (c + 8 < channels) {
        Prefetch ahead(w + (c + 8) * sc - (area - 1), 0, 1, n * area);
        ahead.some<false>(ahead.lines());
      }
      transpose(last, -channels * width, w + c * sc - (area - 1), sk, n, area);
      for (int64_t t = 0; n < width && t < area; ++t) zero_line(last - t * channels * width + n, width - n);
    }
    return;
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t d = 0; d < p.taps[0]; ++d)
      for (int64_t h = 0; h < p.taps[1]; ++h)
        for (int64_t t = 0; t < p.taps[2]; ++t) {
          const T* from = w + c * sc + d * p.w_stride[2] + h * p.w_stride[3] + t * p.w_stride[4];
          T* to = dst + (((d * p.taps[1] + h) * p.taps[2] + t) * channels + c) * width;
          if (sk == 1) {
            copy_line(to, from, n);
            if (n < width) zero_line(to + n, width - n);
          } else {
            for (int i = 0; i < n; ++i) to[i] = from[i * sk];
            for (int i = n; i < width; ++i) to[i] = 0;
          }
        }
}

// A block of output pixels (rows x columns of one depth of one image), all channels of one group.
template <class T>
struct Plan {
  int64_t channels, outputs, padded_outputs;  // of one group
  int64_t rows, columns, row_blocks, column_blocks;
  int64_t box[3];                             // of input, for a full block
  bool in_place;                              // x is read where it is
  int64_t segments, length;
  const int64_t* offset;
  const T* packed;   // all groups: [group][panel][segments*length][width]
  const T* bias;     // [group][padded_outputs]
};

struct Block {
  int64_t image, group, depth, row, column;
};

// `next`: the block that follows, or null; its input is fetched meanwhile.
template <class T>
void correlate_block(const Correlation<T>& p, const Plan<T>& plan, const Block& at, const Block* next) {
  const int64_t image = at.image, group = at.group, od = at.depth, row0 = at.row, col0 = at.column;
  constexpr int W = Vec<T>::W, NR = kNV * W;
  const int64_t rows = least(plan.rows, p.out[1] - row0), columns = least(plan.columns, p.out[2] - col0);
  const int64_t start[3] = {od * p.stride[0] - p.pad[0], row0 * p.stride[1] - p.pad[1], col0 * p.stride[2] - p.pad[2]};
  const T* x = p.x + image * p.x_stride[0] + group * plan.channels * p.x_stride[1];
  PixelSteps step;
  if (plan.in_place) {
    x += start[0] * p.x_stride[2] + start[1] * p.x_stride[3] + start[2] * p.x_stride[4];
    step.a_line = p.stride[1] * p.x_stride[3], step.a_row = p.stride[2] * p.x_stride[4];
  } else {
    T* box = (T*)scratch(Scratch::Input, size_t(plan.box[0] * plan.box[1] * plan.box[2] * plan.channels) * sizeof(T));
    const int64_t size[3] = {plan.box[0], (rows - 1) * p.stride[1] + (p.taps[1] - 1) * p.dilation[1] + 1, plan.box[2]};
    // Planes lie plan.box[1] rows apart even when this block is short, as the offsets say.
    for (int64_t d = 0; d < plan.box[0]; ++d) {
      const int64_t at[3] = {start[0] + d, start[1], start[2]}, one[3] = {1, size[1], size[2]};
      gather_box(box + d * plan.box[1] * plan.box[2] * plan.channels, x, p.in, p.x_stride, plan.channels, at, one);
    }
    x = box;
    step.a_line = p.stride[1] * plan.box[2] * plan.channels, step.a_row = p.stride[2] * plan.channels;
  }
  T* y = p.y + image * p.y_stride[0] + group * plan.outputs * p.y_stride[1] + od * p.y_stride[2] +
         row0 * p.y_stride[3] + col0 * p.y_stride[4];
  const bool direct = p.y_stride[1] == 1 && plan.outputs % W == 0;
  const int64_t ld = plan.padded_outputs;
  T* out = direct ? y : (T*)scratch(Scratch::Output, size_t(rows * columns * ld) * sizeof(T));
  step.c_line = direct ? p.y_stride[3] : columns * ld, step.c_row = direct ? p.y_stride[4] : ld;
  const int64_t tile = ceil_div(columns, ceil_div(columns, kMR));  // even: 14 pixels are 7 + 7
  const int64_t depth = plan.segments * plan.length;
  const T* b = plan.packed + group * plan.padded_outputs * depth;
  const T* bias = plan.bias + group * plan.padded_outputs;
  Prefetch reads, writes;
  if (next && !plan.in_place)
    reads = prefetch_rows(p.x + next->image * p.x_stride[0] + next->group * plan.channels * p.x_stride[1], p.in,
                          p.x_stride, plan.channels, next->row * p.stride[1] - p.pad[1], plan.box[1]);
  if (!direct && p.y_stride[4] == 1 && p.y_stride[3] == columns)
    writes = {y, p.y_stride[1], plan.outputs, rows * columns};
  const int64_t at_once = tile <= kMR / 2 ? 2 : 1;
  const int64_t turns = ceil_div(plan.padded_outputs, NR) * ceil_div(rows, at_once),
                some_reads = ceil_div(reads.lines(), turns), some_writes = ceil_div(writes.lines(), turns);
  for (int64_t j = 0; j < plan.padded_outputs;) {
    const bool wide = plan.padded_outputs - j >= NR;
    auto& table = wide ? pixel_table<T, kNV> : pixel_table<T, 1>;
    for (int64_t r = 0; r < rows; r += at_once) {
      reads.some<false>(some_reads);
      writes.some<true>(some_writes);
      const bool two = at_once == 2 && r + 1 < rows;
      for (int64_t q = 0; q < columns; q += tile)
        (two ? table.two_rows : table.row)[least(tile, columns - q) - 1](
            plan.segments, plan.offset, plan.length, x + r * step.a_line + q * step.a_row, b + j * depth, bias + j,
            p.relu, out + r * step.c_line + q * step.c_row + j, step);
    }
    j += wide ? NR : W;
  }
  if (direct) return;
  if (p.y_stride[4] == 1 && p.y_stride[3] == columns) {
    transpose(y, p.y_stride[1], out, ld, rows * columns, plan.outputs);
  } else if (p.y_stride[4] == 1) {
    for (int64_t r = 0; r < rows; ++r)
      transpose(y + r * p.y_stride[3], p.y_stride[1], out + r * step.c_line, ld, columns, plan.outputs);
  } else if (p.y_stride[1] == 1) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t q = 0; q < columns; ++q)
        __builtin_memcpy(y + r * p.y_stride[3] + q * p.y_stride[4], out + r * step.c_line + q * ld,
                         size_t(plan.outputs) * sizeof(T));
  } else {
    for (int64_t k = 0; k < plan.outputs; ++k)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t q = 0; q < columns; ++q)
          y[k * p.y_stride[1] + r * p.y_stride[3] + q * p.y_stride[4]] = out[r * step.c_line + q * ld + k];
  }
}

template <class T>
void correlate_implicit(const Correlation<T>& p) {
  constexpr int W = Vec<T>::W, NR = kNV * W;
  Plan<T> plan;
  plan.channels = p.c / p.groups;
  plan.outputs = p.k / p.groups;
  plan.padded_outputs = ceil_div(plan.outputs, W) * W;
  const int64_t area = p.taps[0] * p.taps[1] * p.taps[2], depth = area * plan.channels;
  auto span = [&](int d, int64_t outs) {
    return area == 0 ? 0 : (outs - 1) * p.stride[d] + (p.taps[d] - 1) * p.dilation[d] + 1;
  };

  // Blocks: the input of one stays in the second-level cache, the output too.
  constexpr int64_t in_budget = (256 << 10) / sizeof(T) / 2, out_budget = (256 << 10) / sizeof(T);
  const int64_t planes = most(1, p.taps[0]);
  plan.columns = p.out[2];
  while (plan.columns > 4 * kMR && (planes * span(2, plan.columns) * p.taps[1] * plan.channels > in_budget * 2 ||
                                    plan.columns * plan.padded_outputs > out_budget))
    plan.columns = ceil_div(ceil_div(plan.columns, 2), kMR) * kMR;
  const int64_t row_in = most(1, planes * span(2, plan.columns) * plan.channels * p.stride[1]);
  plan.rows =
      most(1, least(p.out[1], least(in_budget / row_in, out_budget / most(1, plan.columns * plan.padded_outputs))));
  const int64_t blocks_wanted = 2 * num_threads();
  if (p.n * p.groups * p.out[0] * ceil_div(p.out[1], plan.rows) < blocks_wanted)
    plan.rows = most(1, least(plan.rows, p.out[1] * p.n * p.groups * p.out[0] / blocks_wanted));
  plan.row_blocks = ceil_div(p.out[1], plan.rows);
  plan.rows = ceil_div(p.out[1], plan.row_blocks);
  plan.column_blocks = ceil_div(p.out[2], plan.columns);
  plan.box[0] = p.taps[0] ? (p.taps[0] - 1) * p.dilation[0] + 1 : 0;
  plan.box[1] = span(1, plan.rows);
  plan.box[2] = span(2, plan.columns);
  plan.in_place = p.x_stride[1] == 1 || plan.channels == 1;
  for (int d = 0; d < 3 && plan.in_place; ++d)
    plan.in_place = area == 0 || (p.pad[d] <= 0 && span(d, p.out[d]) - p.pad[d] <= p.in[d]);

  // Where the pixels of the kernel's taps lie from an output pixel's first; taps along the width are one segment when
  // they touch.
  int64_t step[3] = {plan.in_place ? p.x_stride[2] : plan.box[1] * plan.box[2] * plan.channels,
                     plan.in_place ? p.x_stride[3] : plan.box[2] * plan.channels,
                     plan.in_place ? p.x_stride[4] : plan.channels};
  const bool joined = p.dilation[2] == 1 && step[2] == plan.channels;
  plan.segments = joined ? p.taps[0] * p.taps[1] : area;
  plan.length = joined ? p.taps[2] * plan.channels : plan.channels;
  const size_t packed_size = size_t(p.groups * plan.padded_outputs) * size_t(depth);
  char* memory =
      (char*)scratch(Scratch::Weight, (packed_size + size_t(p.groups * plan.padded_outputs) + 64) * sizeof(T) +
                                          size_t(plan.segments + 1) * sizeof(int64_t) + 64);
  int64_t* offset = (int64_t*)memory;
  T* bias = (T*)(memory + (size_t(plan.segments + 1) * sizeof(int64_t) + 63) / 64 * 64);
  T* packed = bias + ceil_div(p.groups * plan.padded_outputs, 64 / sizeof(T)) * int64_t(64 / sizeof(T));
  int64_t* o = offset;
  for (int64_t d = 0; d < p.taps[0]; ++d)
    for (int64_t h = 0; h < p.taps[1]; ++h)
      for (int64_t t = 0; t < (joined ? 1 : p.taps[2]); ++t)
        *o++ = d * p.dilation[0] * step[0] + h * p.dilation[1] * step[1] + t * p.dilation[2] * step[2];
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t k = 0; k < plan.padded_outputs; ++k)
      bias[g * plan.padded_outputs + k] = p.bias && k < plan.outputs ? p.bias[g * plan.outputs + k] : T(0);
  plan.offset = offset;
  plan.bias = bias;
  plan.packed = packed;
  if (depth) {
    const int64_t panels = ceil_div(plan.padded_outputs, NR);
    parallel_for(p.groups * panels, double(depth) * NR * 0.5, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t g = i / panels, j = i % panels * NR;
        const int width = int(least(NR, plan.padded_outputs - j));
        pack_kernel(packed + (g * plan.padded_outputs + j) * depth, width, p, g, j,
                    int(least(width, plan.outputs - j)));
      }
    });
  }
  const int64_t blocks = plan.row_blocks * plan.column_blocks, images = p.n * p.groups * p.out[0];
  constexpr double ns_per_fma = 0.16 * sizeof(T) / FL_VB;
  const double pixels = double(plan.rows * plan.columns);
  const double ns = pixels * double(depth) * double(plan.padded_outputs) * ns_per_fma +
                    pixels * double(plan.channels + plan.outputs) * 0.3;
  parallel_for(images * blocks, ns + 50, [&](int64_t begin, int64_t end) {
    auto block = [&](int64_t task) {
      const int64_t part = task % blocks, item = task / blocks / p.out[0];
      return Block{item / p.groups, item % p.groups, task / blocks % p.out[0], part / plan.column_blocks * plan.rows,
                   part % plan.column_blocks * plan.columns};
    };
    for (int64_t task = begin; task < end; ++task) {
      const Block next = block(least(task + 1, end - 1));
      correlate_block(p, plan, block(task), task + 1 < end ? &next : nullptr);
    }
  });
}

// One tap, no padding, stride 1: a plain matrix product over the pixels, in either layout.
template <class T>
bool correlate_pointwise(const Correlation<T>& p) {
  int64_t pixels = 1;
  for (int d = 0; d < 3; ++d) {
    if (p.taps[d] != 1 || p.pad[d] != 0 || p.stride[d] != 1 || p.in[d] != p.out[d]) return false;
    pixels *= p.in[d];
  }
  auto flat = [&](const int64_t* s) {
    return (p.in[1] == 1 || s[3] == p.in[2] * s[4]) && (p.in[0] == 1 || s[2] == p.in[1] * p.in[2] * s[4]);
  };
  if (!flat(p.x_stride) || !flat(p.y_stride)) return false;
  const int64_t channels = p.c / p.groups, outputs = p.k / p.groups;
  const int64_t xs = p.in[2] == 1 ? (p.in[1] == 1 ? p.x_stride[2] : p.x_stride[3]) : p.x_stride[4];
  const int64_t ys = p.in[2] == 1 ? (p.in[1] == 1 ? p.y_stride[2] : p.y_stride[3]) : p.y_stride[4];
  for (int64_t g = 0; g < p.groups; ++g) {
    const T *x = p.x + g * channels * p.x_stride[1], *w = p.w + g * p.w_group,
            *bias = p.bias ? p.bias + g * outputs : nullptr;
    T* y = p.y + g * outputs * p.y_stride[1];
    Product<T> q = {};
    q.k = channels, q.batch = p.n;
    q.alpha = T(1), q.beta = T(1), q.relu = p.relu;
    q.c = y, q.d = bias;
    if (p.y_stride[1] == 1 && outputs > 1) {  // channels last: pixels are rows
      q.m = pixels, q.n = outputs;
      q.a = x, q.a_batch = p.x_stride[0], q.a_row = xs, q.a_col = p.x_stride[1];
      q.b = w, q.b_row = p.w_stride[1], q.b_col = p.w_stride[0];
      q.c_batch = p.y_stride[0], q.c_row = ys, q.c_col = 1;
      q.d_row = 0, q.d_col = 1;
    } else {
      q.m = outputs, q.n = pixels;
      q.a = w, q.a_row = p.w_stride[0], q.a_col = p.w_stride[1];
      q.b = x, q.b_batch = p.x_stride[0], q.b_row = p.x_stride[1], q.b_col = xs;
      q.c_batch = p.y_stride[0], q.c_row = p.y_stride[1], q.c_col = ys;
      q.d_row = 1, q.d_col = 0;
    }
    run(q);
  }
  return true;
}

template <class T>
void correlate_any(Correlation<T> p) {
  if (p.n == 0 || p.k == 0 || p.out[0] * p.out[1] * p.out[2] == 0) return;
  for (int d = 0; d < 3; ++d)
    if (p.taps[d] == 1 && p.pad[d] == 0 && p.stride[d] > 1) {  // only every stride-th element is ever read
      p.in[d] = p.out[d];
      p.x_stride[2 + d] *= p.stride[d];
      p.stride[d] = 1;
    }
  if (correlate_pointwise(p)) return;
  // Lanes the implicit product would leave idle, against those past the end of a row of planes.
  const int64_t outputs = p.k / p.groups;
  constexpr int W = Vec<T>::W;
  const double implicit_use = double(outputs) / double(ceil_div(outputs, W) * W);
  const double planes_use = double(p.out[2]) / double(ceil_div(p.out[2], W) * W) * (outputs % 4 == 1 ? 0.7 : 0.9);
  if (outputs <= 8 && planes_use > implicit_use) return correlate_planes(p);
  correlate_implicit(p);
}

}  // namespace
}  // namespace fl::cpu::FL_ISA
