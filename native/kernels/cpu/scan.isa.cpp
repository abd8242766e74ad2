// Scans: blocks of elements are converted to double, int64 or complex double, scanned with a carry, and converted to
// the result. Either one row at a time, or neighbouring rows together, one carry each.
#include "kernels/cpu/scan.h"

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
template <class A, bool Largest>
struct Best {
  static constexpr bool positions = true;
  static A start() { return A(0); }
  FL_FN bool replaces(A x, A carry) { return x != x || (carry == carry && (Largest ? x >= carry : x <= carry)); }
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

// One row of n elements.
template <class A, class Op>
void scan_row(const Job& job, At at) {
  A block[kBlockLength], carry = Op::start();
  int64_t best = 0;
  for (int64_t i = 0; i < job.n; i += kBlockLength) {
    const int64_t k = job.n - i < kBlockLength ? job.n - i : kBlockLength;
    convert(job.in_dtype, at.in + i * job.in_step, job.in_step, dtype_of<A>::value, (char*)block, sizeof(A), k);
    int64_t q = 0;
    if constexpr (Op::positions) {
      for (; q < k; ++q) {
        if (i + q == 0 || Op::replaces(block[q], carry)) carry = block[q], best = i + q;
        if (at.index) *(int64_t*)(at.index + (i + q) * job.index_step) = best;
        block[q] = carry;
      }
    } else if constexpr (Op::associative) {
      for (; q + 4 <= k; q += 4) {  // the carry waits for one operation in four
        const A a = block[q], ab = Op::join(a, block[q + 1]), abc = Op::join(ab, block[q + 2]);
        const A all = Op::join(ab, Op::join(block[q + 2], block[q + 3]));
        block[q] = Op::join(carry, a);
        block[q + 1] = Op::join(carry, ab);
        block[q + 2] = Op::join(carry, abc);
        block[q + 3] = carry = Op::join(carry, all);
      }
      for (; q < k; ++q) block[q] = carry = Op::join(carry, block[q]);
    } else {
      for (; q < k; ++q) block[q] = carry = Op::join(carry, block[q]);
    }
    convert(dtype_of<A>::value, (const char*)block, sizeof(A), job.out_dtype, at.out + i * job.out_step, job.out_step,
            k);
  }
}

// `width` rows side by side.
template <class A, class Op>
void scan_rows(const Job& job, At at, int64_t width) {
  A row[kBlockLength], carry[kBlockLength];
  int64_t best[kBlockLength];
  for (int64_t j = 0; j < width; ++j) carry[j] = Op::start(), best[j] = 0;
  for (int64_t i = 0; i < job.n; ++i) {
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
  const int64_t tiles = (job.width + kBlockLength - 1) / kBlockLength;
  const int64_t tile = job.width < kBlockLength ? job.width : kBlockLength;
  parallel_for(job.outer * tiles, ns * double(job.n * tile), [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) {
      At at = place(job, begin / tiles);
      const int64_t from = begin % tiles * tile, w = job.width - from < tile ? job.width - from : tile;
      at.in += from * job.in_across;
      at.out += from * job.out_across;
      if (at.index) at.index += from * job.index_across;
      if (w == 1)
        scan_row<A, Op>(job, at);
      else
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
        run<double, Best<double, true>>(job, 2);
      else
        run<int64_t, Best<int64_t, true>>(job, 2);
      break;
    case Scan::Cummin:
      if (floating)
        run<double, Best<double, false>>(job, 2);
      else
        run<int64_t, Best<int64_t, false>>(job, 2);
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
