"""Gradients of convolutions as functions."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor

from .modules.utils import _pair, _single, _triple


_CONV = {1: "conv1d", 2: "conv2d", 3: "conv3d"}


def _gradient(spread, input: Tensor, weight: Tensor, grad_output: Tensor, wanted: Tensor, stride, padding, dilation,
              groups: int) -> Tensor:
    # A convolution is linear in each operand, so the value at which it is differentiated by it does not matter.
    with torch.enable_grad():
        wanted.requires_grad_()
        out = getattr(torch, _CONV[len(spread(0))])(input, weight, None, spread(stride), spread(padding),
                                                    spread(dilation), groups)
    return torch.autograd.grad(out, wanted, grad_output)[0]


def _input(spread, input_size, weight: Tensor, grad_output: Tensor, stride, padding, dilation, groups: int) -> Tensor:
    zeros = grad_output.new_zeros(tuple(input_size))
    return _gradient(spread, zeros, weight.detach(), grad_output, zeros, stride, padding, dilation, groups)


def _weight(spread, input: Tensor, weight_size, grad_output: Tensor, stride, padding, dilation, groups: int) -> Tensor:
    zeros = grad_output.new_zeros(tuple(weight_size))
    return _gradient(spread, input.detach(), zeros, grad_output, zeros, stride, padding, dilation, groups)


def conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv1d with regard to its input of size `input_size`."""
    return _input(_single, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv1d with regard to its weight of size `weight_size`."""
    return _weight(_single, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv2d with regard to its input of size `input_size`."""
    return _input(_pair, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv2d with regard to its weight of size `weight_size`."""
    return _weight(_pair, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv3d with regard to its input of size `input_size`."""
    return _input(_triple, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The gradient of conv3d with regard to its weight of size `weight_size`."""
    return _weight(_triple, input, weight_size, grad_output, stride, padding, dilation, groups)
