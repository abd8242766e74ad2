// LSTM layers. Units are taken in blocks of 32: the hidden weights are laid out by block once, and a step is, block by block, a
// product and the gates on what it left in cache. Batch rows are cut too where there are many of them.
#include "kernels/cpu/lstm.h"

#include "base/parallel.h"
#include "kernels/cpu/gemm_product.h"
#include "kernels/cpu/lanes.h"

namespace fl::cpu::FL_ISA {
namespace {

constexpr int64_t kUnits = 32, kRows = 48;

FL_FN int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// c = d + a @ b, a: rows x k, b: k x n; d may be null.
template <class T>
void multiply(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_row, int64_t b_col, T* c, int64_t c_row, const T* d,
              int64_t d_row) {
  run(Product<T>{m, n, k, 1, 0, 0, 0, 0, a, a_row, 1, b, b_row, b_col, c, c_row, 1, d, d_row, 1, T(1), T(1), false, false});
}

// Calls body(rows begin, count, units begin, count) on blocks of the batch and of the units.
template <class F>
void for_blocks(const LstmDesc& d, F&& body) {
  const int64_t across = (d.units + kUnits - 1) / kUnits, down = (d.batch + kRows - 1) / kRows;
  const double ns = double(least(d.batch, kRows)) * double(least(d.units, kUnits)) * (double(d.units) * .02 + 2);
  parallel_for(across * down, ns, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t unit = block / down * kUnits, row = block % down * kRows;
      body(row, least(kRows, d.batch - row), unit, least(kUnits, d.units - unit));
    }
  });
}

// f(whole vector at j) for units j of a row of n, the last vector partial.
template <class T>
FL_FN Vec<T> take(const T* p, int64_t left) {
  return left >= kLanes<T> ? vec_at(p) : load_partial<T>(p, left, T(0));
}
template <class T>
FL_FN void put(T* p, Vec<T> v, int64_t left) {
  left >= kLanes<T> ? store(p, v) : store_partial<T>(p, v, left);
}

template <class T>
void forward_of(const LstmDesc& d) {
  const int64_t H = d.units, N = d.batch;
  const T *x = (const T*)d.x, *weight = (const T*)d.weight;
  T *hidden = (T*)d.hidden, *cells = (T*)d.cells, *gates = (T*)d.gates, *packed = (T*)d.workspace;
  // [gate][block][k][32]: a block's weights in the order in which its product reads them. It pays from a few steps on.
  const bool pack = d.steps > 2;
  const int64_t blocks = (H + kUnits - 1) / kUnits;
  if (pack)
    parallel_for(4 * blocks, double(H) * kUnits * .5, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t unit = p % blocks * kUnits, n = least(kUnits, H - unit);
        const T* from = weight + (p / blocks * H + unit) * H;
        T* to = packed + p * kUnits * H;
        for (int64_t k = 0; k < H; ++k)
          for (int64_t j = 0; j < n; ++j) to[k * kUnits + j] = from[j * H + k];
      }
    });
  for (int64_t s = 0; s < d.steps; ++s) {
    const int64_t t = d.reverse ? d.steps - 1 - s : s, before = d.reverse ? t + 1 : t - 1;
    const T *h_before = s ? hidden + before * N * H : (const T*)d.h0, *c_before = s ? cells + before * N * H : (const T*)d.c0;
    for_blocks(d, [&](int64_t row, int64_t rows, int64_t unit, int64_t units) {
      const int64_t first = (t * N + row) * 4 * H + unit;
      for (int64_t g = 0; g < 4; ++g) {
        const int64_t at = first + g * H;
        const T* b = pack ? packed + (g * blocks + unit / kUnits) * kUnits * H : weight + (g * H + unit) * H;
        multiply<T>(rows, units, H, h_before + row * H, H, b, pack ? kUnits : 1, pack ? 1 : H, gates + at, 4 * H, x + at, 4 * H);
      }
      for (int64_t r = 0; r < rows; ++r) {
        T* gate = gates + first + r * 4 * H;
        const int64_t at = (row + r) * H + unit;
        for (int64_t j = 0; j < units; j += kLanes<T>) {
          const int64_t left = units - j;
          const Vec<T> i = sigmoid(take(gate + j, left)), f = sigmoid(take(gate + H + j, left)), g = tanh(take(gate + 2 * H + j, left)),
                       o = sigmoid(take(gate + 3 * H + j, left));
          const Vec<T> c = f * take(c_before + at + j, left) + i * g;
          put(gate + j, i, left), put(gate + H + j, f, left), put(gate + 2 * H + j, g, left), put(gate + 3 * H + j, o, left);
          put(cells + t * N * H + at + j, c, left);
          put<T>(hidden + t * N * H + at + j, o * tanh(c), left);
        }
      }
    });
  }
}

template <class T>
void backward_of(const LstmDesc& d) {
  const int64_t H = d.units, N = d.batch;
  const T *weight = (const T*)d.weight, *cells = (const T*)d.cells, *gates = (const T*)d.gates;
  const T *grad_hidden = (const T*)d.grad_hidden, *grad_cells = (const T*)d.grad_cells;
  T *grad_x = (T*)d.grad_x, *dh = (T*)d.grad_h0, *dc = (T*)d.grad_c0, *packed = (T*)d.workspace;
  // [block][4 units][32]
  const int64_t blocks = (H + kUnits - 1) / kUnits;
  const bool pack = d.steps > 2;
  if (pack)
    parallel_for(blocks, double(H) * kUnits * .5, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t unit = p * kUnits, n = least(kUnits, H - unit);
        for (int64_t k = 0; k < 4 * H; ++k) __builtin_memcpy(packed + (p * 4 * H + k) * kUnits, weight + k * H + unit, size_t(n) * sizeof(T));
      }
    });
  // The gradient that reaches a hidden state through the gates of the step after it.
  auto through_gates = [&](int64_t after, int64_t row, int64_t rows, int64_t unit, int64_t units, const T* add) {
    const T* b = pack ? packed + unit * 4 * H : weight + unit;
    multiply<T>(rows, units, 4 * H, grad_x + (after * N + row) * 4 * H, 4 * H, b, pack ? kUnits : H, 1, dh + row * H + unit, H, add, H);
  };
  for (int64_t s = d.steps - 1; s >= 0; --s) {
    const int64_t t = d.reverse ? d.steps - 1 - s : s, before = d.reverse ? t + 1 : t - 1, after = d.reverse ? t - 1 : t + 1;
    const bool last = s == d.steps - 1;
    const T* c_before = s ? cells + before * N * H : (const T*)d.c0;
    for_blocks(d, [&](int64_t row, int64_t rows, int64_t unit, int64_t units) {
      const T* arrives = grad_hidden ? grad_hidden + (t * N + row) * H + unit : nullptr;
      if (!last) through_gates(after, row, rows, unit, units, arrives);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = (row + r) * H + unit;
        const T* gate = gates + (t * N + row + r) * 4 * H + unit;
        T* out = grad_x + (t * N + row + r) * 4 * H + unit;
        for (int64_t j = 0; j < units; j += kLanes<T>) {
          const int64_t left = units - j;
          const Vec<T> i = take(gate + j, left), f = take(gate + H + j, left), g = take(gate + 2 * H + j, left), o = take(gate + 3 * H + j, left);
          const Vec<T> c = tanh(take(cells + t * N * H + at + j, left)), h = !last ? take(dh + at + j, left) : arrives ? take(arrives + r * H + j, left)
                                                                                                                       : Vec<T>{};
          Vec<T> cell = h * o * (T(1) - c * c);
          if (!last) cell += take(dc + at + j, left);
          if (grad_cells) cell += take(grad_cells + t * N * H + at + j, left);
          put<T>(out + j, cell * g * i * (T(1) - i), left);
          put<T>(out + H + j, cell * take(c_before + at + j, left) * f * (T(1) - f), left);
          put<T>(out + 2 * H + j, cell * i * (T(1) - g * g), left);
          put<T>(out + 3 * H + j, h * c * o * (T(1) - o), left);
          put<T>(dc + at + j, cell * f, left);
        }
      }
    });
  }
  for_blocks(d, [&](int64_t row, int64_t rows, int64_t unit, int64_t units) {
    through_gates(d.reverse ? d.steps - 1 : 0, row, rows, unit, units, nullptr);
  });
}

void lstm_forward(const LstmDesc& d) { d.dtype == DType::Float64 ? forward_of<double>(d) : forward_of<float>(d); }
void lstm_backward(const LstmDesc& d) { d.dtype == DType::Float64 ? backward_of<double>(d) : backward_of<float>(d); }

}  // namespace

extern const LstmKernels lstm_kernels;
const LstmKernels lstm_kernels = {lstm_forward, lstm_backward};

}  // namespace fl::cpu::FL_ISA
