"""Converting the weights of convolutions to a memory format."""

from __future__ import annotations

import flambeau as torch


def _convert(module, memory_format, classes: tuple):
    if isinstance(module, classes):
        weight = module.weight.detach().clone(memory_format=memory_format)
        module.weight.data = weight.resize_(weight.size(), memory_format=memory_format)
    for child in module.children():
        _convert(child, memory_format, classes)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Convert the weights of all Conv2d and ConvTranspose2d in `module`; returns it."""
    return _convert(module, memory_format, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))


def convert_conv3d_weight_memory_format(module, memory_format):
    """Convert the weights of all Conv3d and ConvTranspose3d in `module`; returns it."""
    return _convert(module, memory_format, (torch.nn.Conv3d, torch.nn.ConvTranspose3d))
