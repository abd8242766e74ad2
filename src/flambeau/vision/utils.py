"""Grids of pictures, and files of them."""
from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from ._pillow import pillow


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
              value_range: tuple[float, float] | None = None, scale_each: bool = False,
              pad_value: float = 0.0) -> Any:
    """Pictures (N, channels, height, width), or a list of them, in one: `nrow` a row, `padding` pixels between.

    `normalize` brings values to [0, 1], from `value_range` or from what is there (with `scale_each` a picture at a
    time). One channel becomes three.
    """
    if isinstance(tensor, list):
        tensor = torch.stack(tensor, dim=0)
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    tensor = tensor.detach()
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        if tensor.size(0) == 1:
            tensor = torch.cat((tensor, tensor, tensor), 0)
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()
        for one in tensor if scale_each else [tensor]:
            low, high = value_range or (float(one.min()), float(one.max()))
            one.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count = tensor.size(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = tensor.size(2) + padding, tensor.size(3) + padding
    grid = tensor.new_full((tensor.size(1), height * rows + padding, width * columns + padding), pad_value)
    for i in range(count):
        y, x = divmod(i, columns)
        grid[:, y * height + padding : (y + 1) * height, x * width + padding : (x + 1) * width].copy_(tensor[i])
    return grid


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write pictures with values in [0, 1] to a file; several are put in a grid (`make_grid`'s arguments apply)."""
    grid = make_grid(tensor, **kwargs)
    array = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    pillow().fromarray(array).save(fp, format=format)
