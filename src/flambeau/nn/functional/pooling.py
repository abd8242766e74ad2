"""Pooling, and its inverse."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable

from ..modules.utils import _list_with_default, _pair, _single, _triple

_nn = torch._C._nn


def max_pool1d_with_indices(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
                            return_indices: bool = False):
    """max_pool1d together with the positions of the maxima."""
    return torch.max_pool1d_with_indices(
        input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode
    )


def max_pool2d_with_indices(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
                            return_indices: bool = False):
    """max_pool2d together with the positions of the maxima in the flattened image."""
    return _nn.max_pool2d_with_indices(input, kernel_size, kernel_size if stride is None else stride, padding, dilation,
                                       ceil_mode)


def max_pool3d_with_indices(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
                            return_indices: bool = False):
    """max_pool3d together with the positions of the maxima in the flattened volume."""
    return _nn.max_pool3d_with_indices(input, kernel_size, kernel_size if stride is None else stride, padding, dilation,
                                       ceil_mode)


@overridable
def max_pool1d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """The maximum of each window of an (N, C, L) or (C, L) input."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return torch.max_pool1d(input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode)


@overridable
def max_pool2d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """The maximum of each window of an (N, C, H, W) or (C, H, W) input; stride None is the kernel size.

    >>> torch.nn.functional.max_pool2d(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return torch.max_pool2d(input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode)


@overridable
def max_pool3d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """The maximum of each window of an (N, C, D, H, W) or (C, D, H, W) input."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return torch.max_pool3d(input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode)


@overridable
def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Average pooling to a fixed output size; None keeps a dimension."""
    return _nn.adaptive_avg_pool2d(input, _list_with_default(output_size, input.size()))


@overridable
def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """Average pooling to a fixed output size; None keeps a dimension."""
    return _nn.adaptive_avg_pool3d(input, _list_with_default(output_size, input.size()))


def adaptive_max_pool1d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """adaptive_max_pool1d together with the positions of the maxima."""
    return torch.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """adaptive_max_pool2d together with the positions of the maxima."""
    return _nn.adaptive_max_pool2d(input, _list_with_default(output_size, input.size()))


def adaptive_max_pool3d_with_indices(input: Tensor, output_size, return_indices: bool = False):
    """adaptive_max_pool3d together with the positions of the maxima."""
    return _nn.adaptive_max_pool3d(input, _list_with_default(output_size, input.size()))


@overridable
def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Max pooling to a fixed output size."""
    pair = adaptive_max_pool1d_with_indices(input, output_size)
    return pair if return_indices else pair[0]


@overridable
def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Max pooling to a fixed output size; None keeps a dimension."""
    pair = adaptive_max_pool2d_with_indices(input, output_size)
    return pair if return_indices else pair[0]


@overridable
def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """Max pooling to a fixed output size; None keeps a dimension."""
    pair = adaptive_max_pool3d_with_indices(input, output_size)
    return pair if return_indices else pair[0]


def _fractional(name: str, spread, input: Tensor, kernel_size, output_size, output_ratio, samples):
    n = len(spread(0))
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratio = spread(output_ratio)
        if len(ratio) > n:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(size * r) for size, r in zip(input.size()[-n:], ratio)]
    if samples is None:
        batch = 1 if input.dim() == n + 1 else input.size(0)
        samples = torch.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
    return getattr(_nn, name)(input, kernel_size, output_size, samples)


def fractional_max_pool2d_with_indices(input: Tensor, kernel_size, output_size=None, output_ratio=None,
                                       return_indices: bool = False, _random_samples: Tensor | None = None):
    """fractional_max_pool2d together with the positions of the maxima."""
    return _fractional("fractional_max_pool2d", _pair, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(input: Tensor, kernel_size, output_size=None, output_ratio=None,
                                       return_indices: bool = False, _random_samples: Tensor | None = None):
    """fractional_max_pool3d together with the positions of the maxima."""
    return _fractional("fractional_max_pool3d", _triple, input, kernel_size, output_size, output_ratio, _random_samples)


@overridable
def fractional_max_pool2d(input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False,
                          _random_samples: Tensor | None = None):
    """Max pooling over windows at random positions (Graham, 2015), to `output_size` or `output_ratio` of the input."""
    pair = fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return pair if return_indices else pair[0]


@overridable
def fractional_max_pool3d(input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices: bool = False,
                          _random_samples: Tensor | None = None):
    """Max pooling over windows at random positions (Graham, 2015), to `output_size` or `output_ratio` of the input."""
    pair = fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio, True, _random_samples)
    return pair if return_indices else pair[0]


def _root_of_mean(mean: Tensor, norm_type, count: int) -> Tensor:
    # sign * relu keeps the p-th root of a (possibly negative) sum real, and its gradient finite at zero.
    return (torch.sign(mean) * torch.relu(torch.abs(mean))).mul(count).pow(1.0 / norm_type)


@overridable
def lp_pool1d(input: Tensor, norm_type: float, kernel_size: int, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window."""
    mean = torch.avg_pool1d(input.pow(norm_type), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    return _root_of_mean(mean, norm_type, _single(kernel_size)[0])


@overridable
def lp_pool2d(input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window."""
    height, width = _pair(kernel_size)
    mean = _nn.avg_pool2d(input.pow(norm_type), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    return _root_of_mean(mean, norm_type, height * width)


@overridable
def lp_pool3d(input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """The p-norm of each window."""
    depth, height, width = _triple(kernel_size)
    mean = _nn.avg_pool3d(input.pow(norm_type), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    return _root_of_mean(mean, norm_type, depth * height * width)


def _unpool_output_size(input: Tensor, kernel_size, stride, padding, output_size) -> list[int]:
    """The size a max_pool with these settings came from: the smallest by default, `output_size` if it is possible."""
    sizes = input.size()
    n = len(kernel_size)
    default = [(sizes[-n + d] - 1) * stride[d] + kernel_size[d] - 2 * padding[d] for d in range(n)]
    if output_size is None:
        return default
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
                         f"'{len(output_size)}'")
    for d in range(n):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < output_size[d] < high:
            raise ValueError(f"invalid output_size {list(output_size)} (dim {d} must be between {low} and {high})")
    return list(output_size)


def _unpool(spread, input: Tensor, kernel_size, stride, padding, output_size) -> tuple:
    kernel = spread(kernel_size)
    step = spread(stride) if stride is not None else kernel
    padding = spread(padding)
    return _unpool_output_size(input, kernel, step, padding, output_size), step, padding


@overridable
def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put values back to the positions that max_pool1d(return_indices=True) took them from; zeros elsewhere."""
    size, _, _ = _unpool(_single, input, kernel_size, stride, padding, output_size)
    shape = [*size, 1]
    return _nn.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), shape).squeeze(-1)


@overridable
def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put values back to the positions that max_pool2d(return_indices=True) took them from; zeros elsewhere."""
    return _nn.max_unpool2d(input, indices, _unpool(_pair, input, kernel_size, stride, padding, output_size)[0])


@overridable
def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Put values back to the positions that max_pool3d(return_indices=True) took them from; zeros elsewhere."""
    size, step, padding = _unpool(_triple, input, kernel_size, stride, padding, output_size)
    return _nn.max_unpool3d(input, indices, size, step, padding)
