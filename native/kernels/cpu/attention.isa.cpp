// Attention after Dao et al., "FlashAttention" (2022), over the matrix product: a block of queries meets the keys tile
// by tile, with a running maximum and sum. The backward recomputes the scores from the log-sum-exp. Nothing depends on
// the threads: a task owns its block of queries (forward) or its key head (backward).
#include "kernels/cpu/attention.h"

#include "base/interrupt.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/rows.h"

namespace fl::cpu::FL_ISA {

extern const GemmKernels gemm_kernels;

namespace {

constexpr int64_t kQueries = 64, kKeys = 256;  // a tile of scores

template <class T>
struct View {  // rows of contiguous elements
  T* data;
  int64_t row;
  View rows(int64_t i) const { return {data + i * row, row}; }
};

// c = alpha * a b + (add ? c : 0), with a: m x k, b: k x n; a and b may be given transposed.
template <class T>
void product(int64_t m, int64_t n, int64_t k, double alpha, View<T> a, bool a_transposed, View<T> b, bool b_transposed,
             View<T> c, bool add) {
  GemmDesc g;
  g.dtype = dtype_of<T>::value;
  g.m = m, g.n = n, g.k = k;
  g.a = a.data, g.a_row = a_transposed ? 1 : a.row, g.a_col = a_transposed ? a.row : 1;
  g.b = b.data, g.b_row = b_transposed ? 1 : b.row, g.b_col = b_transposed ? b.row : 1;
  g.c = c.data, g.c_row = c.row;
  g.alpha = {alpha, 0, 1};
  if (add) g.d = c.data, g.d_row = c.row, g.beta = {1, 0, 1};
  gemm_kernels.gemm(g);
}

const char* place(const AttentionDesc& d, const AttentionMatrix& m, int64_t b, int64_t h) {
  return m.data + (b * m.batch + h * m.head) * int64_t(item_size(d.dtype));
}

// Rows [from, from + count) of a matrix as T: where they are, or converted into `buffer`.
template <class T>
View<T> rows_of(const AttentionDesc& d, const AttentionMatrix& m, int64_t b, int64_t h, int64_t from, int64_t count,
                int64_t width, T* buffer) {
  const int64_t size = int64_t(item_size(d.dtype));
  const char* p = place(d, m, b, h) + from * m.row * size;
  if (d.dtype == dtype_of<T>::value) return {(T*)p, m.row};
  for (int64_t i = 0; i < count; ++i)
    convert(d.dtype, p + i * m.row * size, size, dtype_of<T>::value, (char*)(buffer + i * width), sizeof(T), width);
  return {buffer, width};
}
template <class T>
void put_rows(const AttentionDesc& d, const AttentionMatrix& m, int64_t b, int64_t h, int64_t from, int64_t count,
              int64_t width, const T* values) {
  const int64_t size = int64_t(item_size(d.dtype));
  char* p = (char*)place(d, m, b, h) + from * m.row * size;
  for (int64_t i = 0; i < count; ++i)
    convert(dtype_of<T>::value, (const char*)(values + i * width), sizeof(T), d.dtype, p + i * m.row * size, size,
            width);
}

// Adds the mask to scores (m queries from i0, n keys from j0); what is not seen becomes -inf.
template <class T>
void apply_mask(const AttentionDesc& d, int64_t b, int64_t h, int64_t i0, int64_t m, int64_t j0, int64_t n, T* scores) {
  const int64_t size = d.mask ? int64_t(item_size(d.mask_dtype)) : 0;
  T values[kKeys];
  for (int64_t i = 0; i < m; ++i, scores += kKeys) {
    if (d.mask) {
      const char* p = d.mask + (b * d.mask_batch + h * d.mask_head + (i0 + i) * d.mask_row + j0 * d.mask_column) * size;
      if (d.mask_dtype == DType::Bool) {
        for (int64_t j = 0; j < n; ++j) scores[j] = p[j * d.mask_column] ? scores[j] : -T(__builtin_inf());
      } else {
        convert(d.mask_dtype, p, d.mask_column * size, dtype_of<T>::value, (char*)values, sizeof(T), n);
        for (int64_t j = 0; j < n; ++j) scores[j] += values[j];
      }
    }
    if (d.causal)
      for (int64_t j = i0 + i + 1 - j0 < 0 ? 0 : i0 + i + 1 - j0; j < n; ++j) scores[j] = -T(__builtin_inf());
  }
}

// Keys that a block of queries ending before `end` may see.
int64_t visible_keys(const AttentionDesc& d, int64_t end) { return d.causal && end < d.keys ? end : d.keys; }

template <class T>
void forward(const AttentionDesc& d) {
  const int64_t blocks = (d.queries + kQueries - 1) / kQueries, group = d.heads / d.key_heads, dv = d.value_width;
  const bool direct = d.dtype == dtype_of<T>::value;
  const double ns = double(kQueries * d.keys) * (double(d.width + dv) * .02 + 1);
  parallel_for(d.batch * d.heads * blocks, ns, [&](int64_t begin, int64_t end) {
    Buffer<T> scores(kQueries * kKeys), q_buffer(direct ? 0 : kQueries * d.width),
        k_buffer(direct ? 0 : kKeys * d.width), v_buffer(direct ? 0 : kKeys * dv), o_buffer(direct ? 0 : kQueries * dv);
    T max[kQueries], sum[kQueries];
    for (; begin < end; ++begin) {
      const int64_t h = begin / blocks % d.heads, b = begin / blocks / d.heads, kh = h / group;
      const int64_t i0 = begin % blocks * kQueries, m = d.queries - i0 < kQueries ? d.queries - i0 : kQueries;
      const View<T> q = rows_of<T>(d, d.q, b, h, i0, m, d.width, q_buffer);
      const View<T> o = direct ? View<T>{(T*)place(d, d.out, b, h) + i0 * d.out.row, d.out.row} : View<T>{o_buffer, dv};
      for (int64_t i = 0; i < m; ++i) {
        max[i] = -T(__builtin_inf());
        sum[i] = 0;
        for (int64_t c = 0; c < dv; ++c) o.data[i * o.row + c] = 0;
      }
      const int64_t seen = visible_keys(d, i0 + m);
      for (int64_t j0 = 0; j0 < seen; j0 += kKeys) {
        const int64_t n = seen - j0 < kKeys ? seen - j0 : kKeys;
        const View<T> k = rows_of<T>(d, d.k, b, kh, j0, n, d.width, k_buffer),
                      v = rows_of<T>(d, d.v, b, kh, j0, n, dv, v_buffer);
        const View<T> s = {scores, kKeys};
        product(m, n, d.width, d.scale, q, false, k, true, s, false);
        if (d.mask || (d.causal && j0 + n > i0 + 1)) apply_mask<T>(d, b, h, i0, m, j0, n, scores);
        for (int64_t i = 0; i < m; ++i) {
          T* p = s.data + i * kKeys;
          const T here = max_of(p, n), top = here > max[i] ? here : max[i],
                  shift = top == -T(__builtin_inf()) ? T(0) : top;
          const T keep = max[i] == top ? T(1) : exp(splat<Vec<T>>(max[i] - shift))[0];
          sum[i] = sum[i] * keep + sum_lanes(sum_vectors<T>(
                                       n,
                                       [&](int64_t c) __attribute__((always_inline)) {
                                         Vec<T> e = exp(vec_at(p + c) - shift);
                                         store(p + c, e);
                                         return e;
                                       },
                                       [&](int64_t c, int64_t w) __attribute__((always_inline)) {
                                         Vec<T> e = exp(load_partial<T>(p + c, w, -T(__builtin_inf())) - shift);
                                         store_partial<T>(p + c, e, w);
                                         return e;
                                       }));
          max[i] = top;
          T* row = o.data + i * o.row;
          if (keep != 1)
            map_row(row, row, dv, [&](Vec<T> x, int64_t) __attribute__((always_inline)) {
              return x * keep;
            });
        }
        product(m, dv, n, 1., s, false, v, false, o, true);
      }
      for (int64_t i = 0; i < m; ++i) {
        const T scale = sum[i] == 0 ? T(0) : T(1) / sum[i];
        T* row = o.data + i * o.row;
        map_row(row, row, dv, [&](Vec<T> x, int64_t) __attribute__((always_inline)) {
          return x * scale;
        });
        if (d.lse)
          ((T*)d.lse)[(b * d.heads + h) * d.queries + i0 + i] =
              sum[i] == 0 ? -T(__builtin_inf()) : max[i] + log_of(sum[i]);
      }
      if (!direct) put_rows<T>(d, d.out, b, h, i0, m, dv, o.data);
    }
  });
}

template <class T>
void backward(const AttentionDesc& d) {
  const int64_t group = d.heads / d.key_heads, dw = d.width, dv = d.value_width;
  const bool direct = d.dtype == dtype_of<T>::value;
  const double ns = double(group * d.queries * d.keys) * (double(dw + dv) * .05 + 2);
  parallel_for(d.batch * d.key_heads, ns, [&](int64_t begin, int64_t end) {
    Buffer<T> probabilities(kQueries * kKeys), slopes(kQueries * kKeys), grad_k(d.keys * dw), grad_v(d.keys * dv),
        grad_q(kQueries * dw), k_buffer(direct ? 0 : d.keys * dw), v_buffer(direct ? 0 : d.keys * dv),
        q_buffer(direct ? 0 : kQueries * dw), o_buffer(direct ? 0 : kQueries * dv),
        g_buffer(direct ? 0 : kQueries * dv);
    const View<T> gk = {grad_k, dw}, gv = {grad_v, dv}, gq = {grad_q, dw}, p = {probabilities, kKeys},
                  s = {slopes, kKeys};
    for (; begin < end; ++begin) {
      const int64_t kh = begin % d.key_heads, b = begin / d.key_heads;
      for (int64_t i = 0; i < d.keys * dw; ++i) grad_k[i] = 0;
      for (int64_t i = 0; i < d.keys * dv; ++i) grad_v[i] = 0;
      const View<T> k = rows_of<T>(d, d.k, b, kh, 0, d.keys, dw, k_buffer),
                    v = rows_of<T>(d, d.v, b, kh, 0, d.keys, dv, v_buffer);
      for (int64_t h = kh * group; h < (kh + 1) * group; ++h)
        for (int64_t i0 = 0; i0 < d.queries; i0 += kQueries) {
          check_interrupt();
          const int64_t m = d.queries - i0 < kQueries ? d.queries - i0 : kQueries;
          const View<T> q = rows_of<T>(d, d.q, b, h, i0, m, dw, q_buffer),
                        o = rows_of<T>(d, d.out, b, h, i0, m, dv, o_buffer),
                        g = rows_of<T>(d, d.grad_out, b, h, i0, m, dv, g_buffer);
          const T* lse = (const T*)d.lse + (b * d.heads + h) * d.queries + i0;
          T dot[kQueries];  // of the row of out with its gradient
          for (int64_t i = 0; i < m; ++i) {
            const T *x = g.data + i * g.row, *y = o.data + i * o.row;
            dot[i] = sum_lanes(sum_vectors<T>(
                dv, [&](int64_t c) __attribute__((always_inline)) {
                  return vec_at(x + c) * vec_at(y + c);
                },
                [&](int64_t c, int64_t w) __attribute__((always_inline)) {
                  return load_partial<T>(x + c, w, T(0)) * load_partial<T>(y + c, w, T(0));
                }));
          }
          for (int64_t i = 0; i < m * dw; ++i) grad_q[i] = 0;
          const int64_t seen = visible_keys(d, i0 + m);
          for (int64_t j0 = 0; j0 < seen; j0 += kKeys) {
            const int64_t n = seen - j0 < kKeys ? seen - j0 : kKeys;
            product(m, n, dw, d.scale, q, false, k.rows(j0), true, p, false);
            if (d.mask || (d.causal && j0 + n > i0 + 1)) apply_mask<T>(d, b, h, i0, m, j0, n, probabilities);
            product(m, n, dv, 1., g, false, v.rows(j0), true, s, false);
            for (int64_t i = 0; i < m; ++i) {
              T *row = p.data + i * kKeys, *slope = s.data + i * kKeys;
              const T shift = lse[i] == -T(__builtin_inf()) ? T(0) : lse[i], mean = dot[i];
              map_row(row, row, n, [&](Vec<T> x, int64_t) __attribute__((always_inline)) {
                return exp(x - shift);
              });
              map_row(slope, slope, n, [&](Vec<T> x, int64_t c) __attribute__((always_inline)) {
                return (x - mean) * (n - c < kLanes<T> ? load_partial<T>(row + c, n - c, T(0)) : vec_at(row + c));
              });
            }
            product(n, dv, m, 1., p, true, g, false, gv.rows(j0), true);
            product(m, dw, n, d.scale, s, false, k.rows(j0), false, gq, true);
            product(n, dw, m, d.scale, s, true, q, false, gk.rows(j0), true);
          }
          put_rows<T>(d, d.grad_q, b, h, i0, m, dw, grad_q);
        }
      put_rows<T>(d, d.grad_k, b, kh, 0, d.keys, dw, grad_k);
      put_rows<T>(d, d.grad_v, b, kh, 0, d.keys, dv, grad_v);
    }
  });
}

void attention(const AttentionDesc& d) {
  if (d.batch * d.heads * d.queries * d.value_width == 0) return;
  d.dtype == DType::Float64 ? forward<double>(d) : forward<float>(d);
}
void attention_backward(const AttentionDesc& d) {
  if (d.batch * d.heads == 0) return;
  d.dtype == DType::Float64 ? backward<double>(d) : backward<float>(d);
}

}  // namespace

extern const AttentionKernels attention_kernels;
const AttentionKernels attention_kernels = {attention, attention_backward};

}  // namespace fl::cpu::FL_ISA
