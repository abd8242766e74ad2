// Convolution by its definition, for integers and complex numbers.
#include "kernels/cpu/conv_general.h"

#include "base/parallel.h"

namespace fl::cpu {
namespace {

template <class T>
struct General {
  using Z = const T*;

  // Calls f(input position, tap position) for the taps of the output pixel `o` that meet the input; positions as
  // element offsets.
  template <class F>
  static void each_tap(const ConvDesc& p, const int64_t* o, F&& f) {
    for (int64_t a = 0; a < p.kernel[0]; ++a)
      for (int64_t b = 0; b < p.kernel[1]; ++b)
        for (int64_t c = 0; c < p.kernel[2]; ++c) {
          const int64_t t[3] = {a, b, c};
          int64_t at = 0, tap = 0;
          bool inside = true;
          for (int d = 0; d < 3; ++d) {
            const int64_t i = o[d] * p.stride[d] - p.pad[d] + t[d] * p.dilation[d];
            inside = inside && i >= 0 && i < p.in[d];
            at += i * p.x_stride[2 + d];
            tap += t[d] * p.w_stride[2 + d];
          }
          if (inside) f(at, tap);
        }
  }

  static void forward(const ConvDesc& p, Z x, Z w, Z bias, Activation, T* y) {
    const int64_t channels = p.c / p.groups, outputs = p.k / p.groups, area = p.out[0] * p.out[1] * p.out[2];
    const double ns = double(area * channels) * double(p.kernel[0] * p.kernel[1] * p.kernel[2]) * 2;
    parallel_for(p.n * p.k, ns, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t n = item / p.k, k = item % p.k;
        Z image = x + n * p.x_stride[0] + k / outputs * channels * p.x_stride[1], kernel = w + k * p.w_stride[0];
        for (int64_t pixel = 0; pixel < area; ++pixel) {
          const int64_t o[3] = {pixel / (p.out[1] * p.out[2]), pixel / p.out[2] % p.out[1], pixel % p.out[2]};
          T sum = bias ? bias[k] : T(0);
          each_tap(p, o, [&](int64_t at, int64_t tap) {
            for (int64_t c = 0; c < channels; ++c)
              sum = T(sum + image[at + c * p.x_stride[1]] * kernel[tap + c * p.w_stride[1]]);
          });
          y[n * p.y_stride[0] + k * p.y_stride[1] + o[0] * p.y_stride[2] + o[1] * p.y_stride[3] +
            o[2] * p.y_stride[4]] = sum;
        }
      }
    });
  }

  static void backward_input(const ConvDesc& p, Z dy, Z w, Z bias, T* dx) {
    const int64_t channels = p.c / p.groups, outputs = p.k / p.groups, area = p.out[0] * p.out[1] * p.out[2];
    const double ns = double(area * outputs) * double(p.kernel[0] * p.kernel[1] * p.kernel[2]) * 2;
    parallel_for(p.n * p.c, ns, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t n = item / p.c, c = item % p.c, g = c / channels;
        T* image = dx + n * p.x_stride[0] + c * p.x_stride[1];
        for (int64_t a = 0; a < p.in[0]; ++a)
          for (int64_t b = 0; b < p.in[1]; ++b)
            for (int64_t e = 0; e < p.in[2]; ++e)
              image[a * p.x_stride[2] + b * p.x_stride[3] + e * p.x_stride[4]] = bias ? bias[c] : T(0);
        for (int64_t k = 0; k < outputs; ++k) {
          Z kernel = w + (g * outputs + k) * p.w_stride[0] + c % channels * p.w_stride[1];
          for (int64_t pixel = 0; pixel < area; ++pixel) {
            const int64_t o[3] = {pixel / (p.out[1] * p.out[2]), pixel / p.out[2] % p.out[1], pixel % p.out[2]};
            const T v = dy[n * p.y_stride[0] + (g * outputs + k) * p.y_stride[1] + o[0] * p.y_stride[2] +
                           o[1] * p.y_stride[3] + o[2] * p.y_stride[4]];
            each_tap(p, o, [&](int64_t at, int64_t tap) {
              image[at] = T(image[at] + v * kernel[tap]);
            });
          }
        }
      }
    });
  }

  static void backward_weight(const ConvDesc& p, Z x, Z dy, T* dw) {
    const int64_t channels = p.c / p.groups, outputs = p.k / p.groups, area = p.out[0] * p.out[1] * p.out[2];
    const double ns = double(area * p.n) * double(p.kernel[0] * p.kernel[1] * p.kernel[2]) * 2;
    parallel_for(p.k * channels, ns, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t k = item / channels, c = item % channels;
        T* kernel = dw + k * p.w_stride[0] + c * p.w_stride[1];
        for (int64_t a = 0; a < p.kernel[0]; ++a)
          for (int64_t b = 0; b < p.kernel[1]; ++b)
            for (int64_t e = 0; e < p.kernel[2]; ++e)
              kernel[a * p.w_stride[2] + b * p.w_stride[3] + e * p.w_stride[4]] = T(0);
        for (int64_t n = 0; n < p.n; ++n) {
          Z image = x + n * p.x_stride[0] + (k / outputs * channels + c) * p.x_stride[1];
          for (int64_t pixel = 0; pixel < area; ++pixel) {
            const int64_t o[3] = {pixel / (p.out[1] * p.out[2]), pixel / p.out[2] % p.out[1], pixel % p.out[2]};
            const T v = dy[n * p.y_stride[0] + k * p.y_stride[1] + o[0] * p.y_stride[2] + o[1] * p.y_stride[3] +
                           o[2] * p.y_stride[4]];
            each_tap(p, o, [&](int64_t at, int64_t tap) {
              kernel[tap] = T(kernel[tap] + v * image[at]);
            });
          }
        }
      }
    });
  }
};

// Signed integers are computed as unsigned ones: the bits are the same, and overflow is defined. 16 bits would be
// promoted to int, where the product of two can overflow, hence the detour of uint16_t through unsigned.
struct Wrap16 {
  uint16_t v;
  Wrap16() = default;
  Wrap16(unsigned x) : v(uint16_t(x)) {}
  friend Wrap16 operator*(Wrap16 a, Wrap16 b) { return unsigned(a.v) * b.v; }
  friend Wrap16 operator+(Wrap16 a, Wrap16 b) { return unsigned(a.v) + b.v; }
};

template <class F>
void with_type(DType t, F&& f) {
  switch (t) {
    case DType::UInt8:
    case DType::Int8: return f(General<uint8_t>{}, uint8_t{});
    case DType::Int16: return f(General<Wrap16>{}, Wrap16{});
    case DType::Int32: return f(General<uint32_t>{}, uint32_t{});
    case DType::Int64: return f(General<uint64_t>{}, uint64_t{});
    case DType::Complex64: return f(General<Complex<float>>{}, Complex<float>{});
    case DType::Complex128: return f(General<Complex<double>>{}, Complex<double>{});
    default: return;  // the operator layer admits no other type
  }
}

}  // namespace

void conv_forward_general(const ConvDesc& p, const void* x, const void* w, const void* bias, Activation act, void* y) {
  with_type(p.dtype, [&](auto general, auto zero) {
    using T = decltype(zero);
    general.forward(p, (const T*)x, (const T*)w, (const T*)bias, act, (T*)y);
  });
}

void conv_backward_input_general(const ConvDesc& p, const void* dy, const void* w, const void* bias, void* dx) {
  with_type(p.dtype, [&](auto general, auto zero) {
    using T = decltype(zero);
    general.backward_input(p, (const T*)dy, (const T*)w, (const T*)bias, (T*)dx);
  });
}

void conv_backward_weight_general(const ConvDesc& p, const void* x, const void* dy, void* dw) {
  with_type(p.dtype, [&](auto general, auto zero) {
    using T = decltype(zero);
    general.backward_weight(p, (const T*)x, (const T*)dy, (T*)dw);
  });
}

}  // namespace fl::cpu
