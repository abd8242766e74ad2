"""Normalisation."""

from __future__ import annotations

import math

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable


def _verify_batch_size(size) -> None:
    """Statistics over the batch need at least two values a channel."""
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


def _verify_spatial_size(size) -> None:
    if math.prod(size[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {size}")


@overridable
def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel (dimension 1) over all others, with the batch's own statistics in training.

    In training the running statistics are updated in place: (1 - momentum) * running + momentum * batch.
    """
    if training:
        _verify_batch_size(input.size())
    if eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive, but got {eps}")
    return torch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)


@overridable
def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
                  weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel of each sample over its spatial dimensions."""
    if use_input_stats:
        _verify_spatial_size(input.size())
    return torch.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)


@overridable
def layer_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise over the last dimensions, whose sizes are `normalized_shape`."""
    return torch.layer_norm(input, normalized_shape, weight, bias, eps, True)


@overridable
def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last dimensions; eps None is the dtype's machine epsilon."""
    return torch.rms_norm(input, normalized_shape, weight, eps)


@overridable
def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise groups of channels of each sample."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    size = input.size()
    _verify_batch_size([size[0] * size[1] // num_groups, num_groups, *size[2:]])
    return torch.group_norm(input, num_groups, weight, bias, eps, True)


@overridable
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide by (k + alpha * mean of squares over `size` neighbouring channels) ** beta (Krizhevsky et al., 2012)."""
    dimensions = input.dim()
    if dimensions < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {dimensions} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input)
    # (N, 1, C, rest): channels become a spatial dimension, over which an average pool runs.
    squares = squares.reshape(input.size(0), 1, input.size(1), -1)
    squares = torch._C._nn.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = torch._C._nn.avg_pool2d(squares, (size, 1), stride=1).reshape(input.size())
    return input / mean.mul(alpha).add(k).pow(beta)


@overridable
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x / max(norm_p(x), eps) along `dim`.

    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / norm if out is None else torch.div(input, norm, out=out)
