"""torch.nn.functional: layers and losses as functions.

Names that are operators of the core are those operators themselves, fetched on first use; the rest are composed in the
files of this folder, one a family.
"""

from __future__ import annotations

import flambeau as torch

from .activation import (  # noqa: F401
    _get_softmax_dim, celu, elu, glu, gumbel_softmax, hardtanh, leaky_relu, log_softmax,
    relu6, rrelu, sigmoid, softmax, softmin, softsign, tanh, tanhshrink, threshold,
)
from .dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout  # noqa: F401
from .embedding import embedding, embedding_bag  # noqa: F401
from .loss import (  # noqa: F401
    binary_cross_entropy, binary_cross_entropy_with_logits, cosine_embedding_loss, cross_entropy, ctc_loss,
    gaussian_nll_loss, hinge_embedding_loss, huber_loss, kl_div, l1_loss, linear_cross_entropy, margin_ranking_loss,
    mse_loss, multi_margin_loss, multilabel_margin_loss, multilabel_soft_margin_loss, nll_loss, poisson_nll_loss,
    smooth_l1_loss, soft_margin_loss, triplet_margin_loss, triplet_margin_with_distance_loss,
)
from .norm import (  # noqa: F401
    _verify_batch_size, _verify_spatial_size, batch_norm, group_norm, instance_norm, layer_norm, local_response_norm,
    normalize, rms_norm,
)
from .pooling import (  # noqa: F401
    _unpool_output_size,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from .resample import (  # noqa: F401
    GRID_SAMPLE_INTERPOLATION_MODES,
    GRID_SAMPLE_PADDING_MODES,
    affine_grid,
    grid_sample,
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from .shape import fold, pad, unfold  # noqa: F401

# Operators with this module's own signatures (inplace=).
globals().update(torch._C._functional_functions)

# name: where the core keeps the operator ("" is torch itself).
_NATIVE = {
    **dict.fromkeys(
        (
            "conv1d",
            "conv2d",
            "conv3d",
            "conv_transpose1d",
            "conv_transpose2d",
            "conv_transpose3d",
            "conv_tbc",
            "avg_pool1d",
            "adaptive_avg_pool1d",
            "relu_",
            "selu_",
            "celu_",
            "rrelu_",
            "threshold_",
            "prelu",
            "hardshrink",
            "bilinear",
            "cosine_similarity",
            "pairwise_distance",
            "pdist",
            "pixel_shuffle",
            "pixel_unshuffle",
            "channel_shuffle",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "linear",
            "gelu",
            "elu_",
            "hardtanh_",
            "leaky_relu_",
            "softplus",
            "softshrink",
            "avg_pool2d",
            "avg_pool3d",
            "one_hot",
            "scaled_dot_product_attention",
        ),
        "_nn",
    ),
}
_RENAMED = {"logsigmoid": "log_sigmoid"}
# Rarely used: loaded with their files.
_LATER = {
    **dict.fromkeys(("multi_head_attention_forward", "_in_projection", "_in_projection_packed", "_canonical_mask",
                     "_mha_shape_check", "_none_or_dtype"), "attention"),
    **dict.fromkeys(("grouped_mm", "scaled_mm", "scaled_grouped_mm", "ScalingType", "SwizzleType"), "matmul"),
}


def __getattr__(name: str):
    if name in _NATIVE:
        value = getattr(torch if _NATIVE[name] == "" else torch._C._nn, name)
    elif name in _RENAMED:
        value = getattr(torch._C._nn, _RENAMED[name])
    elif name in _LATER:
        import importlib

        value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    elif name == "grad":
        from .. import grad as value
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NATIVE, *_RENAMED, *_LATER})


__all__ = [name for name in __dir__() if not name.startswith("_")
           and type(globals().get(name)).__name__ not in ("module", "_Feature")]
