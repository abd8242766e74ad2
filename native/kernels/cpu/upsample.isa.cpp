// interpolate: every mode but nearest is a separable linear map, tabulated once a dimension as taps (position, weight).
// Forward combines the input rows an output row needs into one, then filters along it; backward is the transpose.
#include <cstdlib>

#include "base/parallel.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/resample_kernels.h"
#include "kernels/cpu/wide.h"

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
using Array = HeapArray<T>;

// Tap k of output i is at[k * size + i] with weight[k * size + i].
template <class W>
struct Taps {
  int64_t count = 1, size = 0;
  Array<int64_t> at;
  Array<W> weight;
};

template <class W>
W cubic_inner(W x, W a) {
  return ((a + 2) * x - (a + 3)) * x * x + 1;
}
template <class W>
W cubic_outer(W x, W a) {
  return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

template <class W>
W filter(Interpolation mode, W x) {
  x = x < 0 ? -x : x;
  if (mode == Interpolation::Linear) return x < 1 ? 1 - x : 0;
  if (x < 1) return cubic_inner<W>(x, W(-0.5));
  return x < 2 ? cubic_outer<W>(x, W(-0.5)) : 0;
}

template <class W>
void make_taps(const Upsample& u, int d, Taps<W>& taps) {
  int64_t in = u.in_size[d], out = u.out_size[d];
  taps.size = out;
  bool nearest = u.mode == Interpolation::Nearest || u.mode == Interpolation::NearestExact;
  if (nearest) {
    float scale = u.scale[d] > 0 ? float(1.0 / u.scale[d]) : float(in) / float(out);
    taps.at.reset(out), taps.weight.reset(out);
    // Images in two dimensions take sizes that are kept or doubled exactly, whatever the given scale.
    bool exact = u.mode == Interpolation::Nearest && u.ndim == 2;
    for (int64_t i = 0; i < out; i++) {
      float source = u.mode == Interpolation::Nearest ? float(i) * scale : (float(i) + 0.5f) * scale;
      int64_t at = exact && out == in ? i : exact && out == 2 * in ? i / 2
                                                                   : int64_t(__builtin_floorf(source));
      taps.at[i] = at < in - 1 ? at : in - 1;
      taps.weight[i] = 1;
    }
    return;
  }
  W scale;
  if (u.align_corners) scale = out > 1 ? W(in - 1) / W(out - 1) : W(0);
  else scale = u.scale[d] > 0 ? W(1.0 / u.scale[d]) : W(in) / W(out);
  if (u.antialias && in == out) {  // kept as it is, whatever the given scale
    taps.at.reset(out), taps.weight.reset(out);
    for (int64_t i = 0; i < out; i++) taps.at[i] = i, taps.weight[i] = 1;
    return;
  }
  if (u.antialias) {
    W half = u.mode == Interpolation::Linear ? W(1) : W(2);
    W support = scale >= 1 ? half * scale : half, inverse = scale >= 1 ? 1 / scale : W(1);
    taps.count = int64_t(__builtin_ceil(double(support))) * 2 + 1;
    taps.at.reset(out * taps.count), taps.weight.reset(out * taps.count);
    for (int64_t i = 0; i < out; i++) {
      W center = scale * (W(i) + W(0.5));
      int64_t first = int64_t(center - support + W(0.5)), last = int64_t(center + support + W(0.5));
      first = first > 0 ? first : 0, last = last < in ? last : in;
      W total = 0;
      for (int64_t k = 0; k < taps.count; k++) {
        bool used = k < last - first;
        W w = used ? filter<W>(u.mode, (W(k + first) - center + W(0.5)) * inverse) : W(0);
        taps.at[k * out + i] = used ? first + k : first < in ? first
                                                             : in - 1;
        taps.weight[k * out + i] = w;
        total += w;
      }
      if (total != 0)
        for (int64_t k = 0; k < taps.count; k++) taps.weight[k * out + i] /= total;
    }
    return;
  }
  bool cubic = u.mode == Interpolation::Cubic;
  taps.count = cubic ? 4 : 2;
  taps.at.reset(out * taps.count), taps.weight.reset(out * taps.count);
  for (int64_t i = 0; i < out; i++) {
    W source = u.align_corners ? scale * W(i) : scale * (W(i) + W(0.5)) - W(0.5);
    if (cubic) {
      W base = W(__builtin_floor(double(source))), t = source - base, a = W(-0.75);
      W w[4] = {cubic_outer<W>(t + 1, a), cubic_inner<W>(t, a), cubic_inner<W>(1 - t, a), cubic_outer<W>(2 - t, a)};
      for (int64_t k = 0; k < 4; k++) {
        int64_t at = int64_t(base) - 1 + k;
        taps.at[k * out + i] = at < 0 ? 0 : at > in - 1 ? in - 1
                                                        : at;
        taps.weight[k * out + i] = w[k];
      }
    } else {
      if (source < 0) source = 0;
      if (in == out) source = W(i);  // whatever the given scale
      int64_t at = int64_t(source) < in - 1 ? int64_t(source) : in - 1;
      W t = source - W(at);
      t = t < 0 ? W(0) : t > 1 ? W(1)
                               : t;
      taps.at[i] = at, taps.at[out + i] = at + (at < in - 1);
      taps.weight[i] = 1 - t, taps.weight[out + i] = t;
    }
  }
}

// Images of bytes are filtered in fixed point, along the rows first and rounded to bytes in between, as Pillow does.
struct ByteTaps {
  int64_t count = 0;
  int shift = 0;
  Array<int64_t> at;      // [out][count]
  Array<int32_t> weight;  // [out][count]
  ByteTaps(const Upsample& u, int d) {
    Taps<double> taps;
    make_taps(u, d, taps);
    count = taps.count;
    int64_t out = u.out_size[d];
    at.reset(out * count), weight.reset(out * count);
    Array<double> merged(out * count);
    double largest = 0;
    for (int64_t i = 0; i < out; i++)
      for (int64_t k = 0; k < count; k++) {
        int64_t here = taps.at[k * out + i];
        double w = taps.weight[k * out + i];
        at[i * count + k] = here, merged[i * count + k] = w;
        // Taps that were clamped to one position are one tap.
        for (int64_t e = 0; e < k; e++)
          if (at[i * count + e] == here) {
            merged[i * count + e] += w, merged[i * count + k] = 0;
            break;
          }
      }
    for (int64_t i = 0; i < out * count; i++) largest = merged[i] > largest ? merged[i] : largest;
    while (shift < 22 && int(0.5 + largest * double(1 << (shift + 1))) < (1 << 15)) shift++;
    for (int64_t i = 0; i < out * count; i++) {
      double scaled = merged[i] * double(1 << shift);
      weight[i] = int32_t(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
  }
};

FL_LOCAL uint8_t to_byte(int32_t sum, int shift) {
  int32_t v = (sum + (1 << (shift - 1))) >> shift;
  return uint8_t(v < 0 ? 0 : v > 255 ? 255
                                     : v);
}

void bytes_forward(const Upsample& u, const uint8_t* in, uint8_t* out) {
  ByteTaps rows(u, 0), columns(u, 1);
  int64_t ih = u.in_size[0], iw = u.in_size[1], oh = u.out_size[0], ow = u.out_size[1];
  fl::parallel_for(u.planes, double(ih * ow * columns.count + oh * ow * rows.count), [&](int64_t begin, int64_t end) {
    Array<uint8_t> middle(ih * ow);
    Array<int32_t> sums(ow);
    for (int64_t p = begin; p < end; p++) {
      const uint8_t* from = in + p * ih * iw;
      if (iw != ow) {
        for (int64_t y = 0; y < ih; y++)
          for (int64_t x = 0; x < ow; x++) {
            int32_t sum = 0;
            for (int64_t k = 0; k < columns.count; k++)
              sum += columns.weight[x * columns.count + k] * from[y * iw + columns.at[x * columns.count + k]];
            middle[y * ow + x] = to_byte(sum, columns.shift);
          }
        from = middle.data;
      }
      uint8_t* to = out + p * oh * ow;
      for (int64_t y = 0; y < oh; y++) {
        if (ih == oh) {
          std::memcpy(to + y * ow, from + y * ow, size_t(ow));
          continue;
        }
        int32_t* __restrict sum = sums.data;
        for (int64_t x = 0; x < ow; x++) sum[x] = 0;
        for (int64_t k = 0; k < rows.count; k++) {
          int32_t w = rows.weight[y * rows.count + k];
          const uint8_t* __restrict line = from + rows.at[y * rows.count + k] * ow;
          for (int64_t x = 0; x < ow; x++) sum[x] += w * line[x];
        }
        for (int64_t x = 0; x < ow; x++) to[y * ow + x] = to_byte(sum[x], rows.shift);
      }
    }
  });
}

// Other dimensions: bytes as floats that are rounded and clamped on the way out.
struct Byte {
  uint8_t value;
};
FL_LOCAL float get(Byte x) { return float(x.value); }
FL_LOCAL void put(Byte& to, float x) {
  float r = __builtin_rintf(x);
  to.value = uint8_t(r < 0 ? 0 : r > 255 ? 255
                                         : r);
}

template <class T>
struct compute {
  using type = wide<T>;
};
template <>
struct compute<Byte> {
  using type = float;
};

// Three dimensions throughout: missing outer ones have size 1.
template <class W>
struct Geometry {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  Taps<W> taps[3];
  explicit Geometry(const Upsample& u) {
    for (int d = 0; d < 3; d++) {
      int from = d - (3 - u.ndim);
      if (from >= 0) {
        in[d] = u.in_size[from], out[d] = u.out_size[from];
        make_taps(u, from, taps[d]);
      } else {
        taps[d].size = 1;
        taps[d].at.reset(1), taps[d].weight.reset(1);
        taps[d].at[0] = 0, taps[d].weight[0] = 1;
      }
    }
  }
  int64_t in_plane() const { return in[0] * in[1] * in[2]; }
  int64_t out_plane() const { return out[0] * out[1] * out[2]; }
};

template <class T>
void filter_forward(const Upsample& u, const T* in, T* out) {
  using W = typename compute<T>::type;
  Geometry<W> g(u);
  int64_t in_width = g.in[2], out_width = g.out[2], rows = g.out[0] * g.out[1];
  const Taps<W>&td = g.taps[0], &th = g.taps[1], &tw = g.taps[2];
  double ns = 0.2 * double(td.count * th.count * in_width) + 0.5 * double(tw.count * out_width);
  fl::parallel_for(u.planes * rows, ns, [&](int64_t begin, int64_t end) {
    Array<W> row(in_width), sums(out_width);
    for (int64_t r = begin; r < end; r++) {
      int64_t plane = r / rows, z = r % rows / g.out[1], y = r % g.out[1];
      const T* from = in + plane * g.in_plane();
      bool first = true;
      for (int64_t a = 0; a < td.count; a++)
        for (int64_t b = 0; b < th.count; b++) {
          W w = td.weight[a * td.size + z] * th.weight[b * th.size + y];
          const T* __restrict line = from + (td.at[a * td.size + z] * g.in[1] + th.at[b * th.size + y]) * in_width;
          W* __restrict acc = row.data;
          if (first)
            for (int64_t x = 0; x < in_width; x++) acc[x] = w * get(line[x]);
          else
            for (int64_t x = 0; x < in_width; x++) acc[x] += w * get(line[x]);
          first = false;
        }
      W* __restrict sum = sums.data;
      const W* __restrict acc = row.data;
      for (int64_t k = 0; k < tw.count; k++) {
        const int64_t* __restrict at = tw.at.data + k * out_width;
        const W* __restrict w = tw.weight.data + k * out_width;
        if (k == 0)
          for (int64_t x = 0; x < out_width; x++) sum[x] = w[x] * acc[at[x]];
        else
          for (int64_t x = 0; x < out_width; x++) sum[x] += w[x] * acc[at[x]];
      }
      T* to = out + r * out_width;
      for (int64_t x = 0; x < out_width; x++) put(to[x], sum[x]);
    }
  });
}

template <class T>
void filter_backward(const Upsample& u, const T* grad_out, T* grad_in) {
  using W = typename compute<T>::type;
  Geometry<W> g(u);
  int64_t in_width = g.in[2], out_width = g.out[2], rows = g.out[0] * g.out[1];
  const Taps<W>&td = g.taps[0], &th = g.taps[1], &tw = g.taps[2];
  double ns = double(rows) * (0.3 * double(td.count * th.count * in_width) + 1.0 * double(tw.count * out_width));
  fl::parallel_for(u.planes, ns, [&](int64_t begin, int64_t end) {
    Array<W> row(in_width), plane(g.in_plane());
    for (int64_t p = begin; p < end; p++) {
      W* sum = plane.data;
      for (int64_t i = 0; i < g.in_plane(); i++) sum[i] = 0;
      for (int64_t r = 0; r < rows; r++) {
        const T* from = grad_out + p * g.out_plane() + r * out_width;
        for (int64_t x = 0; x < in_width; x++) row[x] = 0;
        for (int64_t k = 0; k < tw.count; k++)
          for (int64_t x = 0; x < out_width; x++)
            row[tw.at[k * out_width + x]] += tw.weight[k * out_width + x] * get(from[x]);
        int64_t z = r / g.out[1], y = r % g.out[1];
        for (int64_t a = 0; a < td.count; a++)
          for (int64_t b = 0; b < th.count; b++) {
            W w = td.weight[a * td.size + z] * th.weight[b * th.size + y];
            if (w == 0) continue;
            W* __restrict to = sum + (td.at[a * td.size + z] * g.in[1] + th.at[b * th.size + y]) * in_width;
            const W* __restrict add = row.data;
            for (int64_t x = 0; x < in_width; x++) to[x] += w * add[x];
          }
      }
      T* to = grad_in + p * g.in_plane();
      for (int64_t i = 0; i < g.in_plane(); i++) put(to[i], sum[i]);
    }
  });
}

template <class T>
void nearest_forward(const Upsample& u, const T* in, T* out) {
  Geometry<float> g(u);
  int64_t width = g.out[2], rows = g.out[0] * g.out[1];
  const int64_t* __restrict at = g.taps[2].at.data;
  fl::parallel_for(u.planes * rows, 0.4 * double(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      int64_t plane = r / rows, z = r % rows / g.out[1], y = r % g.out[1];
      const T* __restrict from = in + plane * g.in_plane() + (g.taps[0].at[z] * g.in[1] + g.taps[1].at[y]) * g.in[2];
      T* __restrict to = out + r * width;
      for (int64_t x = 0; x < width; x++) to[x] = from[at[x]];
    }
  });
}

bool is_nearest(const Upsample& u) { return u.mode == Interpolation::Nearest || u.mode == Interpolation::NearestExact; }

void upsample(DType type, const Upsample& u, const void* in, void* out) {
  if (u.planes == 0) return;
  if (is_nearest(u)) {
    switch (item_size(type)) {
      case 1: return nearest_forward(u, (const uint8_t*)in, (uint8_t*)out);
      case 2: return nearest_forward(u, (const uint16_t*)in, (uint16_t*)out);
      case 4: return nearest_forward(u, (const uint32_t*)in, (uint32_t*)out);
      default: return nearest_forward(u, (const uint64_t*)in, (uint64_t*)out);
    }
  }
  if (type == DType::UInt8 && u.ndim == 2) return bytes_forward(u, (const uint8_t*)in, (uint8_t*)out);
  if (type == DType::UInt8) return filter_forward(u, (const Byte*)in, (Byte*)out);
  by_float(type, [&](auto tag) {
    filter_forward(u, (const decltype(tag)*)in, (decltype(tag)*)out);
  });
}

void upsample_backward(DType type, const Upsample& u, const void* grad_out, void* grad_in) {
  by_float(type, [&](auto tag) {
    filter_backward(u, (const decltype(tag)*)grad_out, (decltype(tag)*)grad_in);
  });
}

}  // namespace

extern const UpsampleKernels upsample_kernels;
const UpsampleKernels upsample_kernels = {upsample, upsample_backward};

}  // namespace fl::cpu::FL_ISA
