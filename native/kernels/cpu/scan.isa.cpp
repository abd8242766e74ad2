// Scans: rows of float, double and int64 are scanned where they lie; blocks of other elements are converted to double,
// int64 or complex double, scanned with a carry, and converted to the result. Either one row at a time, or neighbouring
// rows together, one carry each.
#include "kernels/cpu/scan.h"

#include "base/interrupt.h"
#include "kernels/cpu/rows.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kBlockLength = 512;
constexpr int kMaxDims = 64;

using Z = Complex<double>;

template <class A>
struct Add {
  static constexpr bool positions = false, associative = true;
  static A start() { return A(0); }
  FL_FN A join(A carry, A x) {
    if constexpr (sizeof(A) == 16)
      return {carry.re + x.re, carry.im + x.im};
    else if constexpr (__is_same(A, int64_t))
      return int64_t(uint64_t(carry) + uint64_t(x));
    else
      return carry + x;
  }
};
template <class A>
struct Multiply {
  static constexpr bool positions = false, associative = true;
  static A start() { return A(1); }
  FL_FN A join(A carry, A x) {
    if constexpr (sizeof(A) == 16)
      return {carry.re * x.re - carry.im * x.im, carry.re * x.im + carry.im * x.re};
    else if constexpr (__is_same(A, int64_t))
      return int64_t(uint64_t(carry) * uint64_t(x));
    else
      return carry * x;
  }
};
struct LogAddExp {
  static constexpr bool positions = false, associative = false;
  static double start() { return -__builtin_inf(); }
  static double join(double a, double b) {
    double high = a > b || a != a ? a : b, low = a > b || a != a ? b : a;
    if (low == high && !__builtin_isfinite(low)) return low;  // their difference would be NaN
    return high + __builtin_log1p(__builtin_exp(low - high));
  }
};
template <bool Largest>
struct Best {
  static constexpr bool positions = true, associative = false;
  static int start() { return 0; }
  template <class V>
  FL_FN bool replaces(V x, V carry) {
    if (Largest ? x < carry : x > carry) return false;
    return carry == carry || x != x;  // of NaNs the last
  }
};

struct Job {
  DType in_dtype, out_dtype;
  int64_t n, in_step, out_step, index_step;            // along the scan, bytes
  int64_t width, in_across, out_across, index_across;  // neighbouring rows
  int outer_dims;
  int64_t sizes[kMaxDims], in_strides[kMaxDims], out_strides[kMaxDims], index_strides[kMaxDims];
  int64_t outer;
  const char* in;
  char *out, *index;
};

struct At {
  const char* in;
  char *out, *index;
};

At place(const Job& job, int64_t i) {
  At at = {job.in, job.out, job.index};
  for (int d = job.outer_dims - 1; d >= 0; --d) {
    const int64_t k = i % job.sizes[d];
    i /= job.sizes[d];
    at.in += k * job.in_strides[d];
    at.out += k * job.out_strides[d];
    if (at.index) at.index += k * job.index_strides[d];
  }
  return at;
}

// k elements from `x` to `y`, steps in elements (they may be one place), with a carry in the computing type A.
template <class A, class Op, class T>
FL_FN A scan_values(const T* x, int64_t x_step, T* y, int64_t y_step, int64_t k, A carry) {
  int64_t q = 0;
  if constexpr (Op::associative) {
    for (; q + 4 <= k; q += 4, x += 4 * x_step, y += 4 * y_step) {  // the carry waits for one operation in four
      const A a = A(x[0]), c = A(x[2 * x_step]), ab = Op::join(a, A(x[x_step])), abc = Op::join(ab, c);
      const A all = Op::join(ab, Op::join(c, A(x[3 * x_step])));
      y[0] = T(Op::join(carry, a));
      y[y_step] = T(Op::join(carry, ab));
      y[2 * y_step] = T(Op::join(carry, abc));
      carry = Op::join(carry, all);
      y[3 * y_step] = T(carry);
    }
  }
  for (; q < k; ++q, x += x_step, y += y_step) *y = T(carry = Op::join(carry, A(*x)));
  return carry;
}
// The running extremum and its place, from element `first` on. A new extremum is rare, but in ordered rows.
template <class Op, class T>
FL_FN void scan_places(const T* x, int64_t x_step, T* y, int64_t y_step, char* index, int64_t index_step, int64_t first,
                       int64_t k, T& carry, int64_t& best) {
  if (first == 0) carry = *x, best = 0;
  for (int64_t q = first; q < first + k; ++q, x += x_step, y += y_step) {
    if (Op::replaces(*x, carry)) carry = *x, best = q;
    *y = carry;
    if (index) *(int64_t*)index = best, index += index_step;
  }
}

// Rows of the line that starts at `at`: `count` of them, one after the other along the last outer dimension.
template <class F>
FL_FN void each_row(const Job& job, At at, int64_t count, F f) {
  const int last = job.outer_dims - 1;
  const int64_t in = last < 0 ? 0 : job.in_strides[last], out = last < 0 ? 0 : job.out_strides[last];
  const int64_t index = last < 0 || !at.index ? 0 : job.index_strides[last];
  for (; count > 0; --count, at.in += in, at.out += out, at.index += index) f(at);
}

// Of elements of type T, where they lie.
template <class A, class Op, class T>
void scan_line_of(const Job& job, At at, int64_t count) {
  const int64_t n = job.n, in = job.in_step / int64_t(sizeof(T)), out = job.out_step / int64_t(sizeof(T));
  each_row(job, at, count, [&](const At& row) __attribute__((always_inline)) {
    const T* x = (const T*)row.in;
    T* y = (T*)row.out;
    if constexpr (Op::positions) {
      T carry = T(0);
      int64_t best = 0;
      scan_places<Op>(x, in, y, out, row.index, job.index_step, 0, n, carry, best);
    } else if (n < 4) {
      A carry = Op::start();
      for (int64_t i = 0; i < n; ++i) y[i * out] = T(carry = Op::join(carry, A(x[i * in])));
    } else if (in == 1 && out == 1) {
      scan_values<A, Op>(x, 1, y, 1, n, A(Op::start()));
    } else {
      scan_values<A, Op>(x, in, y, out, n, A(Op::start()));
    }
  });
}

// By converted blocks.
template <class A, class Op>
void scan_line(const Job& job, At at, int64_t count) {
  each_row(job, at, count, [&](const At& row) __attribute__((always_inline)) {
    A block[kBlockLength], carry = A(Op::start());
    int64_t best = 0;
    for (int64_t i = 0; i < job.n; i += kBlockLength) {
      const int64_t k = job.n - i < kBlockLength ? job.n - i : kBlockLength;
      check_interrupt();
      convert(job.in_dtype, row.in + i * job.in_step, job.in_step, dtype_of<A>::value, (char*)block, sizeof(A), k);
      if constexpr (Op::positions) {
        char* index = row.index ? row.index + i * job.index_step : nullptr;
        scan_places<Op>(block, 1, block, 1, index, job.index_step, i, k, carry, best);
      } else {
        carry = scan_values<A, Op>(block, 1, block, 1, k, carry);
      }
      convert(dtype_of<A>::value, (const char*)block, sizeof(A), job.out_dtype, row.out + i * job.out_step,
              job.out_step, k);
    }
  });
}

bool scanned_in_place(const Job& job) {
  if (job.in_dtype != job.out_dtype) return false;
  switch (job.in_dtype) {
    case DType::Float32:
    case DType::Float64:
    case DType::Int32:
    case DType::Int64: return true;
    default: return false;
  }
}

using LineFn = void (*)(const Job&, At, int64_t count);
template <class A, class Op>
LineFn line_function(const Job& job) {
  if (!scanned_in_place(job)) return scan_line<A, Op>;
  if constexpr (__is_same(A, double)) return job.in_dtype == DType::Float32 ? scan_line_of<A, Op, float> : scan_line_of<A, Op, double>;
  if constexpr (__is_same(A, int64_t)) return job.in_dtype == DType::Int32 ? scan_line_of<A, Op, int32_t> : scan_line_of<A, Op, int64_t>;
  return scan_line<A, Op>;
}

// `width` rows side by side.
template <class A, class Op>
void scan_rows(const Job& job, At at, int64_t width) {
  A row[kBlockLength], carry[kBlockLength];
  int64_t best[kBlockLength];
  for (int64_t j = 0; j < width; ++j) carry[j] = A(Op::start()), best[j] = 0;
  for (int64_t i = 0; i < job.n; ++i) {
    check_interrupt();
    convert(job.in_dtype, at.in + i * job.in_step, job.in_across, dtype_of<A>::value, (char*)row, sizeof(A), width);
    if constexpr (Op::positions) {
      for (int64_t j = 0; j < width; ++j)
        if (i == 0 || Op::replaces(row[j], carry[j])) carry[j] = row[j], best[j] = i;
      if (at.index)
        for (int64_t j = 0; j < width; ++j) *(int64_t*)(at.index + i * job.index_step + j * job.index_across) = best[j];
    } else {
      for (int64_t j = 0; j < width; ++j) carry[j] = Op::join(carry[j], row[j]);
    }
    convert(dtype_of<A>::value, (const char*)carry, sizeof(A), job.out_dtype, at.out + i * job.out_step, job.out_across,
            width);
  }
}

template <class A, class Op>
void run(const Job& job, double ns) {
  if (job.width == 1) {
    const LineFn scan_rows_of_line = line_function<A, Op>(job);
    const int64_t line = job.outer_dims ? job.sizes[job.outer_dims - 1] : 1;
    parallel_for(job.outer, ns * double(job.n) + 2, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t left = line - begin % line, count = left < end - begin ? left : end - begin;
        scan_rows_of_line(job, place(job, begin), count);
        begin += count;
      }
    });
    return;
  }
  const int64_t tiles = (job.width + kBlockLength - 1) / kBlockLength;
  const int64_t tile = job.width < kBlockLength ? job.width : kBlockLength;
  parallel_for(job.outer * tiles, ns * double(job.n * tile), [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) {
      At at = place(job, begin / tiles);
      const int64_t from = begin % tiles * tile, w = job.width - from < tile ? job.width - from : tile;
      at.in += from * job.in_across;
      at.out += from * job.out_across;
      if (at.index) at.index += from * job.index_across;
      scan_rows<A, Op>(job, at, w);
    }
  });
}

void scan(const ScanDesc& d) {
  Job job;
  job.in_dtype = d.in_dtype;
  job.out_dtype = d.out_dtype;
  job.in = d.in;
  job.out = d.out;
  job.index = d.out2;
  job.n = d.sizes[d.dim];
  job.in_step = d.in_strides[d.dim];
  job.out_step = d.out_strides[d.dim];
  job.index_step = d.out2 ? d.out2_strides[d.dim] : 0;
  // The dimension that lies closest in memory goes across, if it lies closer than the scanned one.
  int across = -1;
  for (int k = 0; k < d.ndim; ++k) {
    if (d.sizes[k] == 0) return;
    if (k != d.dim && d.sizes[k] >= 8 && d.in_strides[k] < (across < 0 ? job.in_step : d.in_strides[across]))
      across = k;
  }
  // Short rows that are converted: many of them at a time, along the longest other dimension.
  if (across < 0 && job.n <= 16 && !scanned_in_place(job))
    for (int k = 0; k < d.ndim; ++k)
      if (k != d.dim && d.sizes[k] >= 16 && (across < 0 || d.sizes[k] > d.sizes[across])) across = k;
  if (job.n == 1) across = -1;
  job.width = across < 0 ? 1 : d.sizes[across];
  job.in_across = across < 0 ? 0 : d.in_strides[across];
  job.out_across = across < 0 ? 0 : d.out_strides[across];
  job.index_across = across < 0 || !d.out2 ? 0 : d.out2_strides[across];
  job.outer_dims = 0;
  job.outer = 1;
  for (int k = 0; k < d.ndim; ++k) {
    if (k == d.dim || k == across || d.sizes[k] == 1) continue;
    const int o = job.outer_dims++;
    job.sizes[o] = d.sizes[k];
    job.in_strides[o] = d.in_strides[k];
    job.out_strides[o] = d.out_strides[k];
    job.index_strides[o] = d.out2 ? d.out2_strides[k] : 0;
    job.outer *= d.sizes[k];
  }
  const bool floating = is_floating(d.out_dtype), complex = is_complex(d.out_dtype);
  switch (d.op) {
    case Scan::Cumsum:
      if (complex)
        run<Z, Add<Z>>(job, 3);
      else if (floating)
        run<double, Add<double>>(job, 1.5);
      else
        run<int64_t, Add<int64_t>>(job, 1);
      break;
    case Scan::Cumprod:
      if (complex)
        run<Z, Multiply<Z>>(job, 5);
      else if (floating)
        run<double, Multiply<double>>(job, 1.5);
      else
        run<int64_t, Multiply<int64_t>>(job, 1.5);
      break;
    case Scan::Cummax:
      if (floating)
        run<double, Best<true>>(job, 2);
      else
        run<int64_t, Best<true>>(job, 2);
      break;
    case Scan::Cummin:
      if (floating)
        run<double, Best<false>>(job, 2);
      else
        run<int64_t, Best<false>>(job, 2);
      break;
    case Scan::Logcumsumexp:
      run<double, LogAddExp>(job, 20);
      break;
  }
}

}  // namespace

extern const ScanKernels scan_kernels;
const ScanKernels scan_kernels = {scan};

}  // namespace fl::cpu::FL_ISA
