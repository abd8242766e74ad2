"""The place where programs import PixelShuffle, PixelUnshuffle from; the code is in shape.py."""

from .shape import PixelShuffle, PixelUnshuffle  # noqa: F401
