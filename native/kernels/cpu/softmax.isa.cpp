// Softmax and log-softmax, forward and backward: by rows (the dimension is contiguous), by tiles of columns (it is
// not), or, for few columns, by gathered rows. Float16/BFloat16 go through blocks of float.
#include "kernels/cpu/softmax.h"

#include "kernels/cpu/rows.h"

namespace fl::cpu::FL_ISA {

TargetStatus nll(const NllDesc&);  // loss.isa.cpp
TargetStatus nll_backward(const NllDesc&);
TargetStatus cross_entropy(const CrossEntropyDesc&);
void cross_entropy_backward(const CrossEntropyDesc&);

namespace {

template <class T>
void row_forward(const T* x, T* y, int64_t n, bool log) {
  const T max = max_of(x, n);
  if (log) {
    Vec<T> sum = sum_vectors<T>(
        n, [&](int64_t i) __attribute__((always_inline)) {
          return exp(vec_at(x + i) - max);
        },
        [&](int64_t i, int64_t k) __attribute__((always_inline)) {
          return exp(load_partial<T>(x + i, k, -T(__builtin_inf())) - max);
        });
    const T log_sum = log_of(sum_lanes(sum));
    map_row(x, y, n, [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
      return (v - max) - log_sum;
    });
    return;
  }
  Vec<T> sum = sum_vectors<T>(
      n,
      [&](int64_t i) __attribute__((always_inline)) {
        Vec<T> e = exp(vec_at(x + i) - max);
        store(y + i, e);
        return e;
      },
      [&](int64_t i, int64_t k) __attribute__((always_inline)) {
        Vec<T> e = exp(load_partial<T>(x + i, k, -T(__builtin_inf())) - max);
        store_partial<T>(y + i, e, k);
        return e;
      });
  const T scale = T(1) / sum_lanes(sum);
  map_row(y, y, n, [&](Vec<T> v, int64_t) __attribute__((always_inline)) {
    return v * scale;
  });
}

template <class T>
void row_backward(const T* g, const T* y, T* gx, int64_t n, bool log) {
  auto tail = [&](int64_t i, int64_t k) __attribute__((always_inline)) {
    Vec<T> v = load_partial<T>(g + i, k, T(0));
    return log ? v : v * load_partial<T>(y + i, k, T(0));
  };
  constexpr int W = kLanes<T>;
  if (log) {
    T s = sum_lanes(sum_vectors<T>(n, [&](int64_t i) __attribute__((always_inline)) {
      return vec_at(g + i);
    },
                                   tail));
    map_row(g, gx, n, [&](Vec<T> v, int64_t i) __attribute__((always_inline)) {
      return v - exp(n - i < W ? load_partial<T>(y + i, n - i, T(0)) : vec_at(y + i)) * s;
    });
  } else {
    T s = sum_lanes(sum_vectors<T>(
        n, [&](int64_t i) __attribute__((always_inline)) {
          return vec_at(g + i) * vec_at(y + i);
        },
        tail));
    map_row(g, gx, n, [&](Vec<T> v, int64_t i) __attribute__((always_inline)) {
      return (v - s) * (n - i < W ? load_partial<T>(y + i, n - i, T(0)) : vec_at(y + i));
    });
  }
}

template <class T>
FL_FN Vec<T> load_some(const T* p, int64_t k) {
  return k >= kLanes<T> ? vec_at(p) : load_partial<T>(p, k, T(0));
}
template <class T>
FL_FN void store_some(T* p, Vec<T> v, int64_t k) {
  if (k >= kLanes<T>)
    store(p, v);
  else
    store_partial<T>(p, v, k);
}

// The same for `width` neighbouring columns, rows `ldx` and `ldy` elements apart, one vector of columns at a time.
template <class T>
void columns_forward(const T* x, int64_t ldx, T* y, int64_t ldy, int64_t n, int64_t width, bool log) {
  for (int64_t j = 0; j < width; j += kLanes<T>) {
    const int64_t k = width - j;
    Vec<T> max = splat<Vec<T>>(-T(__builtin_inf())), sum = {};
    for (int64_t i = 0; i < n; ++i) max = larger(max, load_some(x + i * ldx + j, k));
    if (log) {
      for (int64_t i = 0; i < n; ++i) sum += exp(load_some(x + i * ldx + j, k) - max);
      sum = log_lanes(sum);
      for (int64_t i = 0; i < n; ++i) store_some(y + i * ldy + j, (load_some(x + i * ldx + j, k) - max) - sum, k);
      continue;
    }
    for (int64_t i = 0; i < n; ++i) {
      Vec<T> e = exp(load_some(x + i * ldx + j, k) - max);
      store_some(y + i * ldy + j, e, k);
      sum += e;
    }
    Vec<T> scale = T(1) / sum;
    for (int64_t i = 0; i < n; ++i) store_some(y + i * ldy + j, load_some(y + i * ldy + j, k) * scale, k);
  }
}

template <class T>
void columns_backward(const T* g, const T* y, int64_t ld, T* gx, int64_t ldx, int64_t n, int64_t width, bool log) {
  for (int64_t j = 0; j < width; j += kLanes<T>) {
    const int64_t k = width - j;
    Vec<T> s = {};
    for (int64_t i = 0; i < n; ++i) {
      Vec<T> v = load_some(g + i * ld + j, k);
      s += log ? v : v * load_some(y + i * ld + j, k);
    }
    for (int64_t i = 0; i < n; ++i) {
      Vec<T> v = load_some(g + i * ld + j, k), u = load_some(y + i * ld + j, k);
      store_some(gx + i * ldx + j, log ? v - exp(u) * s : (v - s) * u, k);
    }
  }
}

constexpr int64_t kFewColumns = 8;
// Columns of a tile: whole vectors, about 16 Ki elements in all.
int64_t tile_width(int64_t n, int64_t inner) {
  int64_t w = n ? 16384 / n / 16 * 16 : inner;
  if (w < 16) w = 16;
  return w < inner ? w : inner;
}

// Elements (0..n, 0..width) at `in`, rows `ld` elements apart, densely into `out` as T.
template <class T>
void gather(DType type, const char* in, int64_t ld, int64_t n, int64_t width, T* out) {
  const int64_t size = int64_t(item_size(type));
  if (width == 1)
    convert(type, in, ld * size, dtype_of<T>::value, (char*)out, sizeof(T), n);
  else
    for (int64_t i = 0; i < n; ++i)
      convert(type, in + i * ld * size, size, dtype_of<T>::value, (char*)(out + i * width), sizeof(T), width);
}
template <class T>
void scatter(DType type, char* out, int64_t ld, int64_t n, int64_t width, const T* in) {
  const int64_t size = int64_t(item_size(type));
  if (width == 1)
    convert(dtype_of<T>::value, (const char*)in, sizeof(T), type, out, ld * size, n);
  else
    for (int64_t i = 0; i < n; ++i)
      convert(dtype_of<T>::value, (const char*)(in + i * width), sizeof(T), type, out + i * ld * size, size, width);
}

template <class T>
void forward(const SoftmaxDesc& d) {
  const int64_t n = d.n, inner = d.inner, is = int64_t(item_size(d.in_dtype)), os = int64_t(item_size(d.out_dtype));
  const bool direct = d.in_dtype == dtype_of<T>::value && d.out_dtype == d.in_dtype;
  const double ns = double(n) * (d.in_dtype == DType::Float64 ? 2. : .6);
  if (inner == 1) {
    parallel_for(d.outer, ns, [&](int64_t begin, int64_t end) {
      Buffer<T> row(direct ? 0 : n);
      for (int64_t o = begin; o < end; ++o) {
        const char* in = d.in + o * n * is;
        char* out = d.out + o * n * os;
        if (direct) {
          row_forward((const T*)in, (T*)out, n, d.log);
        } else {
          row_forward(as<T>(d.in_dtype, in, n, row), (T*)row, n, d.log);
          put<T>(d.out_dtype, out, row, n);
        }
      }
    });
    return;
  }
  const int64_t width = inner < kFewColumns ? 1 : tile_width(n, inner), tiles = (inner + width - 1) / width;
  parallel_for(d.outer * tiles, ns * double(width), [&](int64_t begin, int64_t end) {
    const bool in_place = direct && width > 1;
    Buffer<T> block(in_place ? 0 : n * width);
    for (; begin < end; ++begin) {
      int64_t o = begin / tiles, from = begin % tiles * width, w = inner - from < width ? inner - from : width;
      const char* in = d.in + (o * n * inner + from) * is;
      char* out = d.out + (o * n * inner + from) * os;
      if (in_place) {
        columns_forward((const T*)in, inner, (T*)out, inner, n, w, d.log);
        continue;
      }
      gather<T>(d.in_dtype, in, inner, n, w, block);
      if (w == 1)
        row_forward<T>(block, block, n, d.log);
      else
        columns_forward<T>(block, w, block, w, n, w, d.log);
      scatter<T>(d.out_dtype, out, inner, n, w, block);
    }
  });
}

template <class T>
void backward(const SoftmaxBackwardDesc& d) {
  const int64_t n = d.n, inner = d.inner, is = int64_t(item_size(d.dtype)), os = int64_t(item_size(d.grad_in_dtype));
  const bool direct = d.dtype == dtype_of<T>::value && d.grad_in_dtype == d.dtype;
  const double ns = double(n) * (d.dtype == DType::Float64 ? 2. : .6);
  const int64_t width = inner == 1 || inner < kFewColumns ? 1 : tile_width(n, inner),
                tiles = (inner + width - 1) / width;
  parallel_for(d.outer * tiles, ns * double(width), [&](int64_t begin, int64_t end) {
    const bool in_place = direct && (width > 1 || inner == 1);
    Buffer<T> grad(in_place ? 0 : n * width), result(in_place ? 0 : n * width);
    for (; begin < end; ++begin) {
      int64_t o = begin / tiles, from = begin % tiles * width, w = inner - from < width ? inner - from : width;
      const int64_t at = o * n * inner + from;
      const char *g = d.grad + at * is, *y = d.out + at * is;
      char* gx = d.grad_in + at * os;
      if (in_place) {
        if (inner == 1)
          row_backward((const T*)g, (const T*)y, (T*)gx, n, d.log);
        else
          columns_backward((const T*)g, (const T*)y, inner, (T*)gx, inner, n, w, d.log);
        continue;
      }
      gather<T>(d.dtype, g, inner, n, w, grad);
      gather<T>(d.dtype, y, inner, n, w, result);
      if (w == 1)
        row_backward<T>(grad, result, grad, n, d.log);
      else
        columns_backward<T>(grad, result, w, grad, w, n, w, d.log);
      scatter<T>(d.grad_in_dtype, gx, inner, n, w, grad);
    }
  });
}

void softmax(const SoftmaxDesc& d) {
  if (d.outer * d.n * d.inner == 0) return;
  if (d.in_dtype == DType::Float64 || d.out_dtype == DType::Float64)
    forward<double>(d);
  else
    forward<float>(d);
}

void softmax_backward(const SoftmaxBackwardDesc& d) {
  if (d.outer * d.n * d.inner == 0) return;
  if (d.dtype == DType::Float64 || d.grad_in_dtype == DType::Float64)
    backward<double>(d);
  else
    backward<float>(d);
}

}  // namespace

extern const SoftmaxKernels softmax_kernels;
const SoftmaxKernels softmax_kernels = {softmax, softmax_backward, nll,
                                        nll_backward, cross_entropy, cross_entropy_backward};

}  // namespace fl::cpu::FL_ISA
