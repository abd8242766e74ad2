// The convolution's table: its three functions as correlations, and the types that are computed in another.
#include "kernels/cpu/conv_core.h"
#include "kernels/cpu/conv_general.h"
#include "kernels/cpu/heap.h"
#include "kernels/cpu/narrow.h"

#include <stdlib.h>

namespace fl::cpu::FL_ISA {
namespace {

template <class T>
Correlation<T> forward_of(const ConvDesc& g, const T* x, const T* w, const T* bias, Activation act, T* y) {
  Correlation<T> p = {};
  p.n = g.n, p.c = g.c, p.k = g.k, p.groups = g.groups;
  for (int d = 0; d < 3; ++d) {
    p.in[d] = g.in[d], p.out[d] = g.out[d], p.taps[d] = g.kernel[d];
    p.stride[d] = g.stride[d], p.pad[d] = g.pad[d], p.dilation[d] = g.dilation[d];
  }
  for (int i = 0; i < 5; ++i)
    p.x_stride[i] = g.x_stride[i], p.w_stride[i] = g.w_stride[i], p.y_stride[i] = g.y_stride[i];
  p.w_group = g.k / g.groups * g.w_stride[0];
  p.x = x, p.w = w, p.y = y, p.bias = bias, p.relu = act == Activation::Relu;
  return p;
}

int64_t greatest_common_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

// One dimension of the gradient of the input at positions i, i + stride, ...: a stride-1 correlation of dy with every
// (stride/gcd)-th tap, last tap first.
struct Phase {
  int64_t first, count, last, pad, dilation, step, out;
};
Phase phase_of(const ConvDesc& g, int d, int64_t i) {
  const int64_t s = g.stride[d], dilation = g.dilation[d], common = greatest_common_divisor(dilation, s);
  Phase f = {0, 0, 0, 0, dilation / common, s / common, i < g.in[d] ? (g.in[d] - i + s - 1) / s : 0};
  for (f.first = 0; f.first < g.kernel[d] && f.first < f.step; ++f.first)
    if ((i + g.pad[d] - f.first * dilation) % s == 0) {
      f.count = (g.kernel[d] - f.first + f.step - 1) / f.step;
      f.last = f.first + (f.count - 1) * f.step;
      f.pad = -((i + g.pad[d] - f.last * dilation) / s);
      break;
    }
  return f;
}

template <class T>
void backward_input_of(const ConvDesc& g, const T* dy, const T* w, const T* bias, T* dx) {
  for (int64_t a = 0; a < least(g.stride[0], g.in[0]); ++a)
    for (int64_t b = 0; b < least(g.stride[1], g.in[1]); ++b)
      for (int64_t c = 0; c < least(g.stride[2], g.in[2]); ++c) {
        const int64_t at[3] = {a, b, c};
        Correlation<T> p = {};
        p.n = g.n, p.c = g.k, p.k = g.c, p.groups = g.groups;
        p.x = dy, p.w = w, p.y = dx, p.bias = bias;
        for (int i = 0; i < 5; ++i) p.x_stride[i] = g.y_stride[i], p.y_stride[i] = g.x_stride[i];
        p.w_stride[0] = g.w_stride[1], p.w_stride[1] = g.w_stride[0];
        p.w_group = g.k / g.groups * g.w_stride[0];
        for (int d = 0; d < 3; ++d) {
          const Phase f = phase_of(g, d, at[d]);
          p.in[d] = g.out[d], p.out[d] = f.out, p.taps[d] = f.count, p.stride[d] = 1, p.pad[d] = f.pad,
          p.dilation[d] = f.dilation;
          p.w += f.last * g.w_stride[2 + d];
          p.w_stride[2 + d] = -f.step * g.w_stride[2 + d];
          p.y += at[d] * g.x_stride[2 + d];
          p.y_stride[2 + d] = g.stride[d] * g.x_stride[2 + d];
        }
        correlate(p);
      }
}

// ---------------------------------------------------------------------------------------------- Float16 and BFloat16

// A tensor of five sizes and strides (in elements) as float32 and back. Dense memory is converted as it lies; anything
// else becomes contiguous. Freed with the object.
class Widened {
 public:
  Widened(const int64_t* sizes, int64_t* strides) {
    int64_t count = 1, reach = 1;
    for (int i = 0; i < 5; ++i) {
      size_[i] = sizes[i], old_[i] = strides[i];
      count *= sizes[i];
      reach += (sizes[i] - 1) * strides[i];
    }
    count_ = count;
    dense_ = count == 0 || reach == count;
    for (int64_t i = 4, step = 1; i >= 0 && !dense_; --i) strides[i] = step, step *= sizes[i];
    memory_.reset(count + 64);
    data = memory_.data;
  }
  Widened(const Widened&) = delete;

  template <class In>
  void read(const In* src) {
    if (dense_) {
      parallel_for(ceil_div(count_, 4096), 1000, [&](int64_t begin, int64_t end) {
        widen_line(data + begin * 4096, src + begin * 4096, 1, least(end * 4096, count_) - begin * 4096);
      });
    } else {
      each([&](int64_t i, int64_t at) {
        data[i] = widen(src[at]);
      });
    }
  }
  template <class Out>
  void write(Out* dst) {
    if (dense_) {
      parallel_for(ceil_div(count_, 4096), 1000, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * 4096; i < least(end * 4096, count_); ++i) dst[i] = Narrow<Out, float>::of(data[i]);
      });
    } else {
      each([&](int64_t i, int64_t at) {
        dst[at] = Narrow<Out, float>::of(data[i]);
      });
    }
  }
  float* data;

 private:
  template <class F>
  void each(F&& f) {
    int64_t i = 0;
    for (int64_t a = 0; a < size_[0]; ++a)
      for (int64_t b = 0; b < size_[1]; ++b)
        for (int64_t c = 0; c < size_[2]; ++c)
          for (int64_t d = 0; d < size_[3]; ++d)
            for (int64_t e = 0; e < size_[4]; ++e)
              f(i++, a * old_[0] + b * old_[1] + c * old_[2] + d * old_[3] + e * old_[4]);
  }
  HeapArray<float> memory_;
  int64_t size_[5], old_[5], count_;
  bool dense_;
};

struct Sizes {
  int64_t x[5], w[5], y[5];
  explicit Sizes(const ConvDesc& g)
      : x{g.n, g.c, g.in[0], g.in[1], g.in[2]},
        w{g.k, g.c / g.groups, g.kernel[0], g.kernel[1], g.kernel[2]},
        y{g.n, g.k, g.out[0], g.out[1], g.out[2]} {}
};

template <class In>
float* widen_bias(const In* bias, int64_t n) {
  if (!bias) return nullptr;
  float* out = (float*)scratch(Scratch::Convert, size_t(n) * sizeof(float));
  widen_line(out, bias, 1, n);
  return out;
}

template <class In>
void forward_narrow(ConvDesc g, const In* x, const In* w, const In* bias, Activation act, In* y) {
  Sizes s(g);
  Widened fx(s.x, g.x_stride), fw(s.w, g.w_stride), fy(s.y, g.y_stride);
  fx.read(x);
  fw.read(w);
  correlate(forward_of<float>(g, fx.data, fw.data, widen_bias(bias, g.k), act, fy.data));
  fy.write(y);
}
template <class In>
void backward_input_narrow(ConvDesc g, const In* dy, const In* w, const In* bias, In* dx) {
  Sizes s(g);
  Widened fx(s.x, g.x_stride), fw(s.w, g.w_stride), fy(s.y, g.y_stride);
  fy.read(dy);
  fw.read(w);
  backward_input_of<float>(g, fy.data, fw.data, widen_bias(bias, g.c), fx.data);
  fx.write(dx);
}
template <class In>
void backward_weight_narrow(ConvDesc g, const In* x, const In* dy, In* dw) {
  Sizes s(g);
  Widened fx(s.x, g.x_stride), fw(s.w, g.w_stride), fy(s.y, g.y_stride);
  fx.read(x);
  fy.read(dy);
  correlate_weight(forward_of<float>(g, fx.data, nullptr, nullptr, Activation::None, fy.data), fw.data);
  fw.write(dw);
}

// ---------------------------------------------------------------------------------------------- table

void forward(const ConvDesc& g, const void* x, const void* w, const void* bias, Activation act, void* y) {
  switch (g.dtype) {
    case DType::Float32:
      return correlate(forward_of(g, (const float*)x, (const float*)w, (const float*)bias, act, (float*)y));
    case DType::Float64:
      return correlate(forward_of(g, (const double*)x, (const double*)w, (const double*)bias, act, (double*)y));
    case DType::Float16: return forward_narrow(g, (const Half*)x, (const Half*)w, (const Half*)bias, act, (Half*)y);
    case DType::BFloat16:
      return forward_narrow(g, (const BFloat16*)x, (const BFloat16*)w, (const BFloat16*)bias, act, (BFloat16*)y);
    default: return conv_forward_general(g, x, w, bias, act, y);
  }
}

void backward_input(const ConvDesc& g, const void* dy, const void* w, const void* bias, void* dx) {
  switch (g.dtype) {
    case DType::Float32: return backward_input_of(g, (const float*)dy, (const float*)w, (const float*)bias, (float*)dx);
    case DType::Float64:
      return backward_input_of(g, (const double*)dy, (const double*)w, (const double*)bias, (double*)dx);
    case DType::Float16: return backward_input_narrow(g, (const Half*)dy, (const Half*)w, (const Half*)bias, (Half*)dx);
    case DType::BFloat16:
      return backward_input_narrow(g, (const BFloat16*)dy, (const BFloat16*)w, (const BFloat16*)bias, (BFloat16*)dx);
    default: return conv_backward_input_general(g, dy, w, bias, dx);
  }
}

void backward_weight(const ConvDesc& g, const void* x, const void* dy, void* dw) {
  const Activation none = Activation::None;
  switch (g.dtype) {
    case DType::Float32:
      return correlate_weight(forward_of<float>(g, (const float*)x, nullptr, nullptr, none, (float*)dy), (float*)dw);
    case DType::Float64:
      return correlate_weight(forward_of<double>(g, (const double*)x, nullptr, nullptr, none, (double*)dy),
                              (double*)dw);
    case DType::Float16: return backward_weight_narrow(g, (const Half*)x, (const Half*)dy, (Half*)dw);
    case DType::BFloat16: return backward_weight_narrow(g, (const BFloat16*)x, (const BFloat16*)dy, (BFloat16*)dw);
    default: return conv_backward_weight_general(g, x, dy, dw);
  }
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels = {forward, backward_input, backward_weight};

}  // namespace fl::cpu::FL_ISA
