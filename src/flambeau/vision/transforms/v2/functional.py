"""torchvision.transforms.v2.functional: the functions of transforms.functional, and conversions."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.vision._pillow import is_picture
from flambeau.vision.transforms import functional as _v1
from flambeau.vision.transforms.functional import *  # noqa: F403


def to_image(inpt: Any) -> Any:
    """A Pillow picture or array as a tensor of bytes (C, H, W); tensors stay."""
    if isinstance(inpt, torch.Tensor):
        return inpt
    return _v1.pil_to_tensor(inpt) if is_picture(inpt) else torch.from_numpy(inpt).permute(2, 0, 1).contiguous()


def to_dtype(inpt: Any, dtype: Any = torch.float32, scale: bool = False) -> Any:
    """Convert a tensor; scale=True maps a type's full range to the other's."""
    return _v1.convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


to_dtype_image = to_dtype
rgb_to_grayscale = _v1.rgb_to_grayscale


def grayscale_to_rgb(inpt: Any) -> Any:
    """A picture of one channel as one of three equal ones."""
    return _v1.to_grayscale(inpt, 3) if not isinstance(inpt, torch.Tensor) else inpt.expand(*inpt.shape[:-3], 3, *inpt.shape[-2:])


def get_size(inpt: Any) -> list[int]:
    """[height, width]."""
    return _v1.get_dimensions(inpt)[-2:]


horizontal_flip, vertical_flip = _v1.hflip, _v1.vflip
