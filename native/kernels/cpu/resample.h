// Resampling of images and volumes: interpolate, grid_sample, unfold/fold, padding. Tensors are contiguous: planes
// (batch times channels) of up to 3 spatial dimensions. Floating types (f16 and bf16 compute in float), and UInt8
// forward where said.
#pragma once
#include <cstdint>

#include "tensor/dtype.h"

namespace fl::cpu {

enum class Interpolation : uint8_t { Nearest,
                                     NearestExact,
                                     Linear,
                                     Cubic };

struct Upsample {
  Interpolation mode = Interpolation::Nearest;
  int ndim = 2;                                             // spatial dimensions: 1, 2 or 3 (Cubic: 2)
  int64_t planes = 0;                                       // batch * channels
  int64_t in_size[3] = {1, 1, 1}, out_size[3] = {1, 1, 1};  // the first ndim entries, outermost first
  bool align_corners = false;                               // Linear and Cubic
  double scale[3] = {0, 0, 0};  // the user's scale_factor a dimension where it counts, 0: from the sizes
  bool antialias = false;       // Linear and Cubic, ndim 2
};
// Types: floating; UInt8 for all (rounded to nearest, clamped).
void upsample(DType, const Upsample&, const void* in, void* out);
void upsample_backward(DType, const Upsample&, const void* grad_out, void* grad_in);  // grad_in is written whole

enum class GridMode : uint8_t { Bilinear,
                                Nearest,
                                Bicubic };
enum class GridPadding : uint8_t { Zeros,
                                   Border,
                                   Reflection };
struct GridSample {
  GridMode mode = GridMode::Bilinear;  // Bilinear is trilinear for ndim 3; Bicubic: ndim 2
  GridPadding padding = GridPadding::Zeros;
  bool align_corners = false;
  int ndim = 2;  // 2 or 3
  int64_t batch = 0, channels = 0;
  int64_t in_size[3] = {1, 1, 1}, out_size[3] = {1, 1, 1};  // (D,) H, W
};
// A plane (in_size) has fewer than 2^31 elements. in: N C in_size; grid: N out_size ndim (x first), out: N C out_size;
// all of one floating type.
void grid_sample(DType, const GridSample&, const void* in, const void* grid, void* out);
// Either gradient may be null. Both are written whole.
void grid_sample_backward(DType, const GridSample&, const void* grad_out, const void* in, const void* grid,
                          void* grad_in, void* grad_grid);

struct Im2Col {
  int64_t batch = 0, channels = 0, height = 0, width = 0;
  int64_t kernel[2] = {1, 1}, dilation[2] = {1, 1}, padding[2] = {0, 0}, stride[2] = {1, 1};
  int64_t out_height() const { return (height + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) / stride[0] + 1; }
  int64_t out_width() const { return (width + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) / stride[1] + 1; }
};
// columns: batch x (channels * kernel[0] * kernel[1]) x (out_height * out_width). im2col: any type by item size, zeros
// outside.
void im2col(int64_t item, const Im2Col&, const void* image, void* columns);
// Sums into image, which is written whole. Floating and complex types.
void col2im(DType, const Im2Col&, const void* columns, void* image);

enum class PadMode : uint8_t { Reflect,
                               Replicate,
                               Circular };
struct Pad {
  PadMode mode = PadMode::Reflect;
  int ndim = 1;                    // 1, 2 or 3 padded trailing dimensions
  int64_t planes = 0;              // product of the leading dimensions
  int64_t in_size[3] = {1, 1, 1};  // outermost first
  int64_t before[3] = {0, 0, 0},
          after[3] = {0, 0, 0};  // may be negative (crops); the caller checks the limits of the mode
};
void pad(int64_t item, const Pad&, const void* in, void* out);
void pad_backward(DType, const Pad&, const void* grad_out,
                  void* grad_in);  // grad_in is written whole; floating and complex

}  // namespace fl::cpu
