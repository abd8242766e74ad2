"""Padding, and sliding windows as columns."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable

from ..modules.utils import _pair


@overridable
def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """Pad the last dimensions; `pad` is (left, right, top, bottom, ...) from the last dimension on. Negative sizes cut.

    mode: "constant" (with `value`), "reflect", "replicate" or "circular".

    >>> torch.nn.functional.pad(torch.ones(2), (1, 2))
    tensor([0., 1., 1., 0., 0.])
    """
    return torch._C._nn.pad(input, pad, mode, value)


@overridable
def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """All windows of an (N, C, H, W) input as columns: (N, C * kernel elements, number of windows)."""
    return torch._C._nn.im2col(input, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


@overridable
def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """The adjoint of unfold: columns are added up into an image of `output_size`."""
    return torch._C._nn.col2im(input, _pair(output_size), _pair(kernel_size), _pair(dilation), _pair(padding),
                               _pair(stride))
