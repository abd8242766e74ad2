"""torchvision.transforms.v2: the transforms for pictures and tensors; annotations of boxes and masks are not moved along."""
from __future__ import annotations

from typing import Any

import flambeau as torch
import flambeau.vision.transforms.v2.functional as _own
from flambeau.vision.transforms import *  # noqa: F403
from flambeau.vision import transforms as _transforms
from flambeau.vision.transforms import functional as _v1

__all__ = [*_transforms.__all__, "Identity", "RGB", "ToDtype", "ToImage", "ToPureTensor"]

functional: Any = _own  # type: ignore[no-redef]  # not that of transforms, which the star brought


class ToImage(torch.nn.Module):
    """A Pillow picture or array as a tensor of bytes (C, H, W); tensors stay."""

    def forward(self, image: Any) -> Any:
        """See the class."""
        return _own.to_image(image)


class ToDtype(torch.nn.Module):
    """Convert a tensor; scale=True maps a type's full range to the other's."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def forward(self, image: Any) -> Any:
        """See the class."""
        return _own.to_dtype(image, self.dtype, self.scale)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"scale={self.scale}"


class Identity(torch.nn.Module):
    """Returns what it gets."""

    def forward(self, *inputs: Any) -> Any:
        """See the class."""
        return inputs if len(inputs) > 1 else inputs[0]


class ToPureTensor(Identity):
    """Returns what it gets: tensors here are pure."""


class RGB(torch.nn.Module):
    """A picture of one channel as one of three equal ones."""

    def forward(self, image: Any) -> Any:
        """See the class."""
        return _own.grayscale_to_rgb(image) if _v1.get_image_num_channels(image) == 1 else image
