"""Pictures as uint8 tensors (channels, height, width), read from and written to files and bytes."""
from __future__ import annotations

import enum
import io
import os
from typing import Any

import flambeau as torch

from ._pillow import pillow

__all__ = ["ImageReadMode", "decode_gif", "decode_image", "decode_jpeg", "decode_png", "decode_webp", "encode_jpeg",
           "encode_png", "read_file", "read_image", "write_file", "write_jpeg", "write_png"]


class ImageReadMode(enum.Enum):
    """The channels of a picture that is read; UNCHANGED keeps those of the file."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB",
          ImageReadMode.RGB_ALPHA: "RGBA"}


def _mode(mode: Any) -> ImageReadMode:
    if isinstance(mode, str):
        return ImageReadMode[{"GREY": "GRAY", "RGBA": "RGB_ALPHA"}.get(mode.upper(), mode.upper())]
    return ImageReadMode(mode)


def read_file(path: str | os.PathLike) -> Any:
    """A file's bytes as a uint8 tensor."""
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)


def write_file(filename: str, data: Any) -> None:
    """Write a uint8 tensor as a file's bytes."""
    with open(filename, "wb") as file:
        file.write(data.contiguous().numpy().tobytes())


def _picture(data: Any) -> Any:
    if not isinstance(data, torch.Tensor) or data.dtype is not torch.uint8 or data.dim() != 1:
        raise RuntimeError("decode_image: expected a non empty 1-dimensional tensor of type uint8")
    return pillow().open(io.BytesIO(data.contiguous().numpy().tobytes()))


def _pixels(picture: Any, mode: Any, turn: bool) -> Any:
    import numpy

    if turn:
        picture = pillow("ImageOps").exif_transpose(picture)
    wanted = _MODES.get(_mode(mode))
    if wanted is None and picture.mode == "P":
        wanted = "RGB"
    array = numpy.array(picture if wanted is None else picture.convert(wanted))
    return torch.from_numpy(array[None] if array.ndim == 2 else numpy.ascontiguousarray(array.transpose(2, 0, 1)))


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Any:
    """The picture in a file's bytes (a uint8 tensor), or in the file of a path."""
    if isinstance(input, (str, os.PathLike)):
        input = read_file(input)
    return _pixels(_picture(input), mode, apply_exif_orientation)


def read_image(path: str | os.PathLike, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Any:
    """The picture in a file.

    >>> import flambeau as torch
    >>> from flambeau.vision.io import read_image, write_png
    >>> write_png(torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2), "small.png")
    >>> read_image("small.png")[0]
    tensor([[0, 1],
            [2, 3]], dtype=torch.uint8)
    """
    return decode_image(path, mode, apply_exif_orientation)


def decode_png(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Any:
    """The picture in a PNG file's bytes."""
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(input: Any, mode: Any = ImageReadMode.UNCHANGED, device: Any = "cpu",
                apply_exif_orientation: bool = False) -> Any:
    """The picture in a JPEG file's bytes; a list of them for a list."""
    if isinstance(input, list):
        return [decode_image(one, mode, apply_exif_orientation).to(device) for one in input]
    return decode_image(input, mode, apply_exif_orientation).to(device)


def decode_webp(input: Any, mode: Any = ImageReadMode.UNCHANGED) -> Any:
    """The picture in a WebP file's bytes."""
    return decode_image(input, mode)


def decode_gif(input: Any) -> Any:
    """The picture in a GIF file's bytes, or (frames, channels, height, width) where it has several."""
    picture = _picture(input)
    frames = []
    for i in range(picture.n_frames):
        picture.seek(i)
        frames.append(_pixels(picture, ImageReadMode.RGB, False))
    return frames[0] if len(frames) == 1 else torch.stack(frames)


def _encoded(input: Any, **options: Any) -> Any:
    if input.dtype is not torch.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8 (got {input.dtype})")
    if input.dim() != 3 or input.size(0) not in (1, 3):
        raise RuntimeError(f"Input data should be 3-dimensional with 1 or 3 channels (got {tuple(input.shape)})")
    array = input.permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    pillow().fromarray(array[..., 0] if array.shape[2] == 1 else array).save(file, **options)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def encode_png(input: Any, compression_level: int = 6) -> Any:
    """A PNG file's bytes."""
    return _encoded(input, format="PNG", compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A JPEG file's bytes; a list of them for a list."""
    if isinstance(input, list):
        return [encode_jpeg(one, quality) for one in input]
    return _encoded(input, format="JPEG", quality=quality)


def write_png(input: Any, filename: str, compression_level: int = 6) -> None:
    """Write a picture as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Any, filename: str, quality: int = 75) -> None:
    """Write a picture as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
