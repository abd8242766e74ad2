// Every native operator record, for use by other operators and gradients: `ops::mul(a, b)`. Defined one family a file in this folder.
#pragma once
#include "autograd/node.h"
#include "ops/record.h"

namespace fl::ops {
#define FL_OPS(...) extern Record __VA_ARGS__
// pointwise.cpp
FL_OPS(add, sub, mul, div, neg, reciprocal, where, copy_, to_dtype, to_device, exp, log, sqrt, rsqrt, sin, cos, tanh, sigmoid, pow, abs, sgn, sign, square);
FL_OPS(eq, ne, lt, le, gt, ge, logical_and, logical_or, logical_not, isnan, conj, real, imag, angle, complex, maximum, minimum, remainder);
// views.cpp
FL_OPS(view, reshape, expand, transpose, permute, select, slice, unsqueeze, squeeze, squeeze_dims, as_strided, diagonal, narrow, contiguous, clone, alias, view_as_real, view_as_complex, unfold, view_dtype);
// create.cpp
FL_OPS(zeros, ones, full, zeros_like, ones_like, arange, fill_, zero_);
// reduce.cpp
FL_OPS(sum, mean, prod, amax, amin, any, all, cumsum, flip);
// matmul.cpp
FL_OPS(mm, bmm, matmul, mv, dot, addmm, baddbmm, linear);
#undef FL_OPS

Tensor sum_to(const Tensor& g, IntView sizes);       // undo broadcasting
Tensor zeros_like_sizes(IntView sizes, DType dtype);
inline Tensor conj_if(const Tensor& t) { return is_complex(t.dtype()) ? conj(t) : t; }
}  // namespace fl::ops

namespace fl::ops {
extern Record tanh_backward, sigmoid_backward, relu_backward, silu_backward, gelu_backward, elu_backward, mish_backward, hardswish_backward;
extern Record hardsigmoid_backward, log_sigmoid_backward, cosh, sinh, digamma, polygamma, special_i1, special_i1e, special_i0e, i0, softplus, relu;
extern Record gelu, silu, erf, log1p, expm1, floor, trunc, round;
Tensor mish_second(const Tensor& x);
}  // namespace fl::ops

namespace fl::ops {
extern Record rsub, floor_divide, fmod, lgamma, atan2, hypot, clamp, clamp_min, clamp_max, lerp, addcmul, addcdiv, masked_fill, special_zeta, copysign;
}  // namespace fl::ops

namespace fl::ops {
extern Record isfinite, softplus_backward, leaky_relu_backward, hardtanh_backward, threshold_backward, shrink_backward;
Tensor times_value(const Tensor& g, const Value& v);  // g times the conjugate of a number
}  // namespace fl::ops

namespace fl::ops {
extern Record as_strided_window, window_backward, unsafe_view, t, flatten, unbind, split, split_with_sizes, chunk, cat, stack, detach;
}  // namespace fl::ops

namespace fl::ops {
extern Record bitwise_and, bitwise_or, bitwise_xor, bitwise_left_shift, bitwise_right_shift, bitwise_not, positive;
}  // namespace fl::ops

namespace fl::ops {
extern Record index, index_put, nonzero;
Tensor sum_to_values(Tensor g, IntView sizes);
}  // namespace fl::ops

namespace fl::ops {
extern Record cumprod;
}  // namespace fl::ops

namespace fl::ops {
extern Record softmax, log_softmax, nll_loss_nd, cross_entropy_loss;
}  // namespace fl::ops

namespace fl::ops {
extern Record layer_norm, rms_norm, group_norm, batch_norm;
}  // namespace fl::ops

namespace fl::ops {
extern Record argmax, argmin, var, std_, var_mean, std_mean, linalg_vector_norm, logsumexp, nansum, logcumsumexp;
}  // namespace fl::ops

namespace fl::ops {
extern Record sort, argsort, topk;
extern Record gather, scatter, scatter_value, scatter_add, scatter_reduce, index_select, index_add, index_copy, index_fill, index_reduce;
extern Record take, put, masked_select, masked_scatter, roll, tril, triu, fill_diagonal_, repeat, constant_pad_nd, embedding;
Tensor fit_source(const Tensor& g, IntView sizes);  // g with zeros after it in every dimension
}  // namespace fl::ops

namespace fl::ops {
extern Record max_pool2d, max_pool3d, max_pool2d_with_indices, max_pool3d_with_indices, avg_pool2d, avg_pool3d, adaptive_avg_pool2d, adaptive_avg_pool3d;
extern Record adaptive_max_pool2d, adaptive_max_pool3d;
}  // namespace fl::ops

namespace fl::ops {
extern Record convolution, conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d, conv_x, conv_w;
extern Record tied;  // normalisation.cpp
const char* c10_name(DType t);  // the C++ name that PyTorch's messages use
}  // namespace fl::ops

namespace fl::ops {
extern Record dropout, scaled_dot_product_attention;
}  // namespace fl::ops
