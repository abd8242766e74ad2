"""Functions on pictures: Pillow's, and tensors of shape (..., channels, height, width).

Floats in tensors are in [0, 1], integers go up to their type's largest value.
"""
from __future__ import annotations

import enum
import math
import numbers
from collections.abc import Sequence
from typing import Any

import flambeau as torch

from .._pillow import is_picture, pillow


class InterpolationMode(enum.Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PILLOW_MODES = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def _mode(interpolation: Any) -> str:
    if isinstance(interpolation, InterpolationMode):
        return interpolation.value
    if isinstance(interpolation, int):  # Pillow's number
        return next(name for name, number in _PILLOW_MODES.items() if number == interpolation)
    raise TypeError(f"Argument interpolation should be a InterpolationMode (got {interpolation!r})")


def _check(img: Any) -> bool:
    """Whether it is a tensor (True) or a Pillow picture (False). TypeError otherwise."""
    if isinstance(img, torch.Tensor):
        if img.ndim < 2:
            raise TypeError("Tensor is not a torch image.")
        return True
    if not is_picture(img):
        raise TypeError(f"img should be PIL Image or Tensor Image. Got {type(img)}")
    return False


def get_dimensions(img: Any) -> list[int]:
    """Channels, height, width."""
    if _check(img):
        return [1 if img.ndim == 2 else img.shape[-3], img.shape[-2], img.shape[-1]]
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Any) -> list[int]:
    """Width, height."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    return get_dimensions(img)[0]


# -- between pictures and tensors


def to_tensor(pic: Any) -> Any:
    """A Pillow picture or an array (height, width[, channels]) as a tensor (channels, height, width).

    Bytes become floats in [0, 1]; arrays of other types keep their values.
    """
    import numpy

    default = torch.get_default_dtype()
    if isinstance(pic, numpy.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        tensor = torch.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
        return tensor.to(default).div(255) if tensor.dtype == torch.uint8 else tensor
    if not is_picture(pic):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    tensor = pil_to_tensor(pic)
    if pic.mode == "1":
        return tensor.to(default)
    return tensor.to(default).div(255) if tensor.dtype == torch.uint8 else tensor


def pil_to_tensor(pic: Any) -> Any:
    """A Pillow picture as a tensor (channels, height, width) of the same values."""
    import numpy

    if not is_picture(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    if pic.mode == "1":
        array = numpy.array(pic, numpy.uint8)
    elif pic.mode == "I;16":
        array = numpy.array(pic, numpy.uint16)
    else:
        array = numpy.array(pic)
    array = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (channels, height, width) or an array (height, width, channels) as a Pillow picture."""
    import numpy

    if isinstance(pic, torch.Tensor):
        if pic.ndim == 2:
            pic = pic.unsqueeze(0)
        if pic.ndim != 3:
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if pic.shape[-3] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[-3]} channels.")
        if pic.is_floating_point() and mode != "F":
            pic = pic.mul(255).byte()
        array = pic.detach().cpu().numpy().transpose(1, 2, 0)
    elif isinstance(pic, numpy.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    channels = array.shape[2]
    kind = str(array.dtype)
    if channels == 1:
        expected = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}.get(kind)
        allowed = (expected,) if kind != "uint8" else ("L", "1")
        array = array[:, :, 0]
    else:
        expected = {2: "LA", 3: "RGB", 4: "RGBA"}[channels] if kind == "uint8" else None
        allowed = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}[channels]
    if expected is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    if mode is not None and mode not in allowed:
        raise ValueError(f"Incorrect mode ({mode}) supplied for input type {array.dtype}. Should be {expected}")
    array = numpy.ascontiguousarray(array)
    height, width = array.shape[:2]
    mode = mode or expected
    if mode in ("1", "L") and array.ndim == 2 and mode == "1":
        return pillow().fromarray(array).convert("1")
    return pillow().frombytes(mode, (width, height), array.tobytes())


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """A tensor in another dtype, scaled from the range of the one to that of the other."""
    dtype = torch.float if dtype is None else dtype
    if not isinstance(image, torch.Tensor):
        raise TypeError("Input img should be Tensor Image")
    source = image.dtype
    if source == dtype:
        return image
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (source == torch.float32 and dtype in (torch.int32, torch.int64)) or (
                source == torch.float64 and dtype == torch.int64):
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        return image.mul(torch.iinfo(dtype).max + 1.0 - 1e-3).to(dtype)
    largest = torch.iinfo(source).max
    if dtype.is_floating_point:
        return image.to(dtype) / largest
    target = torch.iinfo(dtype).max
    if largest > target:
        return torch.div(image, (largest + 1) // (target + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((target + 1) // (largest + 1))


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """`(tensor - mean) / std`, channel by channel."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
                         f"{tensor.size()}.")
    means = torch.as_tensor(mean, dtype=tensor.dtype, device=tensor.device)
    deviations = torch.as_tensor(std, dtype=tensor.dtype, device=tensor.device)
    if (deviations == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    means = means.view(-1, 1, 1) if means.ndim == 1 else means
    deviations = deviations.view(-1, 1, 1) if deviations.ndim == 1 else deviations
    if inplace:
        return tensor.sub_(means).div_(deviations)
    return tensor.sub(means).div_(deviations)


# -- geometry


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return img.flip(-1) if _check(img) else img.transpose(pillow().Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return img.flip(-2) if _check(img) else img.transpose(pillow().Transpose.FLIP_TOP_BOTTOM)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of the picture; what lies outside is zero."""
    if not _check(img):
        return img.crop((left, top, left + width, top + height))
    h, w = img.shape[-2:]
    bottom, right = top + height, left + width
    part = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left < 0 or top < 0 or right > w or bottom > h:
        margins = [max(-left + min(0, right), 0), max(right - max(w, left), 0),
                   max(-top + min(0, bottom), 0), max(bottom - max(h, top), 0)]
        part = torch.nn.functional.pad(part, margins)
    return part


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the picture; smaller pictures are padded with zeros."""
    height, width = _pair(output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        left, top = max((width - w) // 2, 0), max((height - h) // 2, 0)
        img = pad(img, [left, top, max((width - w + 1) // 2, 0), max((height - h + 1) // 2, 0)])
        _, h, w = get_dimensions(img)
        if (height, width) == (h, w):
            return img
    return crop(img, int(round((h - height) / 2.0)), int(round((w - width) / 2.0)), height, width)


def _pair(size: Any) -> tuple[int, int]:
    """A number as a square, one in a list too; else the two of a list."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    return (size[0], size[0]) if len(size) == 1 else (size[0], size[1])


def _margins(padding: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom."""
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if len(padding) == 1:
        return _margins(padding[0])
    if len(padding) == 2:
        return padding[0], padding[1], padding[0], padding[1]
    if len(padding) == 4:
        return tuple(padding)  # type: ignore[return-value]
    raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A border around the picture: of a colour, or `edge`, `reflect`, `symmetric`."""
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    left, top, right, bottom = _margins(padding)
    if not _check(img):
        import numpy

        if padding_mode == "constant":
            if isinstance(fill, (list, tuple)) and len(fill) == 1:
                fill = fill[0]
            colour = _fill_colour(fill, len(img.getbands()))
            out = pillow().new(img.mode, (img.width + left + right, img.height + top + bottom), colour)
            if img.mode == "P" and img.getpalette():
                out.putpalette(img.getpalette())
            out.paste(img, (left, top))
            return out
        array = numpy.asarray(img)
        around = ((top, bottom), (left, right), (0, 0))[: array.ndim]
        return pillow().fromarray(numpy.pad(array, around, mode=padding_mode))
    if padding_mode == "constant":
        value = fill[0] if isinstance(fill, (list, tuple)) else fill
        return torch.nn.functional.pad(img, [left, right, top, bottom], value=float(value)).to(img.dtype)
    rows = _border(img.shape[-2], top, bottom, padding_mode)
    columns = _border(img.shape[-1], left, right, padding_mode)
    return img[..., rows[:, None], columns]


def _border(size: int, before: int, after: int, mode: str) -> Any:
    """The indices that a border of that kind repeats."""
    position = torch.arange(-before, size + after)
    if mode == "edge":
        return position.clamp(0, size - 1)
    if mode == "symmetric":
        position = position.remainder(2 * size)
        return torch.minimum(position, 2 * size - 1 - position)
    if size == 1:
        return torch.zeros_like(position)
    position = position.remainder(2 * size - 2)
    return torch.minimum(position, 2 * size - 2 - position)


def _fill_colour(fill: Any, bands: int) -> Any:
    if isinstance(fill, (list, tuple)):
        if len(fill) not in (1, bands):
            raise ValueError(f"The number of elements in 'fill' does not match the number of channels of the image "
                             f"({len(fill)} != {bands})")
        return tuple(fill) if len(fill) == bands else tuple(fill) * bands
    return fill if bands == 1 or fill is None else (fill,) * bands


def resized_size(size: Any, height: int, width: int, max_size: int | None = None) -> tuple[int, int]:
    """Height and width: as given, or with one number the shorter side, the longer in proportion."""
    if not isinstance(size, int) and len(size) == 2:
        return size[0], size[1]
    wanted = size if isinstance(size, int) else size[0]
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = wanted, int(wanted * long / short)
    if max_size is not None:
        if max_size <= wanted:
            raise ValueError(f"max_size = {max_size} must be strictly greater than the requested size for the smaller "
                             f"edge size = {size}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(img: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
           antialias: bool | None = True) -> Any:
    """The picture in another size: (height, width), or one number for the shorter side."""
    mode = _mode(interpolation)
    _, height, width = get_dimensions(img)
    new_height, new_width = resized_size(size, height, width, max_size)
    if (new_height, new_width) == (height, width):
        return img
    if not _check(img):
        return img.resize((new_width, new_height), _PILLOW_MODES[mode])
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError(f"This interpolation mode is unsupported with Tensor input: {mode}")
    smooth = mode in ("bilinear", "bicubic")
    batch = img.reshape((-1, *img.shape[-3:])) if img.ndim != 4 else img
    floats = batch if batch.is_floating_point() else batch.to(torch.float32)
    out = torch.nn.functional.interpolate(floats, size=[new_height, new_width], mode=mode,
                                          align_corners=False if smooth else None,
                                          antialias=bool(antialias) and smooth)
    if not img.is_floating_point():
        limits = torch.iinfo(img.dtype)
        out = out.round().clamp(limits.min, limits.max) if smooth else out
    return out.reshape((*img.shape[:-2], new_height, new_width)).to(img.dtype)


def resized_crop(img: Any, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True) -> Any:
    """A rectangle of the picture, brought to a size."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: Any) -> tuple:
    """The four corners and the middle."""
    height, width = _pair(size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(h, w)}")
    return (crop(img, 0, 0, height, width), crop(img, 0, w - width, height, width),
            crop(img, h - height, 0, height, width), crop(img, h - height, w - width, height, width),
            center_crop(img, [height, width]))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """The five crops of the picture and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _inverse_affine(center: Sequence[float], angle: float, translate: Sequence[float], scale: float,
                    shear: Sequence[float]) -> list[float]:
    """The six numbers that take a pixel of the result to one of the source.

    The map is T C RotateScaleShear C^-1: rotation by `angle` degrees and shear around `center`, then a translation.
    """
    turn, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    cx, cy = center
    tx, ty = translate
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def _sampled(img: Any, matrix: Sequence[float], height: int, width: int, mode: str, fill: Any) -> Any:
    """A tensor looked up through an affine map around its middle."""
    batch = img.reshape((-1, *img.shape[-3:]))
    floats = batch if batch.is_floating_point() else batch.to(torch.float32)
    n, channels, h, w = floats.shape
    x = torch.arange(width, dtype=floats.dtype) + 0.5 - width * 0.5
    y = torch.arange(height, dtype=floats.dtype)[:, None] + 0.5 - height * 0.5
    grid = torch.stack([(matrix[0] * x + matrix[1] * y + matrix[2]) / (0.5 * w),
                        (matrix[3] * x + matrix[4] * y + matrix[5]) / (0.5 * h)], -1)
    grid = grid.expand(n, height, width, 2)
    if fill is not None:
        floats = torch.cat([floats, torch.ones(n, 1, h, w, dtype=floats.dtype)], 1)
    out = torch.nn.functional.grid_sample(floats, grid, mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        mask, out = out[:, -1:], out[:, :-1]
        colour = torch.tensor(fill if isinstance(fill, (list, tuple)) else [float(fill)] * channels,
                              dtype=out.dtype).view(1, -1, 1, 1)
        out = torch.where(mask < 0.5, colour, out) if mode == "nearest" else out * mask + (1 - mask) * colour
    if not img.is_floating_point():
        out = out.round()
    return out.reshape((*img.shape[:-2], height, width)).to(img.dtype)


def _whole_pixels(size: int, reach: float) -> int:
    """The pixels that a length of `reach` on both sides of the middle of `size` pixels touches.

    A ten-thousandth of a pixel is taken for rounding.
    """
    high, low = (math.trunc(edge * 10000) / 10000 for edge in (size / 2 + reach, size / 2 - reach))
    return math.ceil(high) - math.floor(low)


def rotate(img: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
           center: Sequence[float] | None = None, fill: Any = None) -> Any:
    """The picture turned against the clock by `angle` degrees; `expand` makes it large enough for all of it."""
    mode = _mode(interpolation)
    if not _check(img):
        return img.rotate(angle, _PILLOW_MODES[mode], expand, center,
                          fillcolor=_fill_colour(0 if fill is None else fill, len(img.getbands())))
    _, height, width = get_dimensions(img)
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    matrix = _inverse_affine(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    new_height, new_width = height, width
    if expand:
        turn = math.radians(angle)
        sine, cosine = abs(math.sin(turn)), abs(math.cos(turn))
        new_width = _whole_pixels(width, (width * cosine + height * sine) / 2)
        new_height = _whole_pixels(height, (width * sine + height * cosine) / 2)
    return _sampled(img, matrix, new_height, new_width, mode, fill)


def affine(img: Any, angle: float, translate: Sequence[float], scale: float, shear: Any,
           interpolation: Any = InterpolationMode.NEAREST, fill: Any = None,
           center: Sequence[float] | None = None) -> Any:
    """The picture turned, sheared and scaled around its middle, then moved."""
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shear = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear) if len(shear) == 2 else [shear[0]] * 2
    mode = _mode(interpolation)
    _, height, width = get_dimensions(img)
    if not _check(img):
        middle = [width * 0.5, height * 0.5] if center is None else center
        matrix = _inverse_affine(middle, angle, translate, scale, shear)
        return img.transform((width, height), pillow().Transform.AFFINE, matrix, _PILLOW_MODES[mode],
                             fillcolor=_fill_colour(0 if fill is None else fill, len(img.getbands())))
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    return _sampled(img, _inverse_affine(middle, angle, translate, scale, shear), height, width, mode, fill)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A rectangle of a tensor replaced by a value."""
    if not inplace:
        img = img.clone()
    img[..., i : i + h, j : j + w] = v
    return img


# -- colour


def _largest(dtype: Any) -> float:
    return 1.0 if dtype.is_floating_point else float(torch.iinfo(dtype).max)


def _blend(first: Any, second: Any, ratio: float) -> Any:
    limit = _largest(first.dtype)
    return (ratio * first + (1.0 - ratio) * second).clamp(0, limit).to(first.dtype)


def _grey(img: Any) -> Any:
    if img.shape[-3] == 1:
        return img
    red, green, blue = img.unbind(-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(-3)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The picture in grey, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if not _check(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow().merge("RGB", (grey, grey, grey))
    grey = _grey(img)
    return grey if num_output_channels == 1 else grey.expand(*img.shape[:-3], 3, *img.shape[-2:]).clone()


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A Pillow picture in grey."""
    if _check(img):
        raise TypeError("Input should be PIL Image")
    return rgb_to_grayscale(img, num_output_channels)


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    return getattr(pillow("ImageEnhance"), kind)(img).enhance(factor)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the picture itself."""
    _check_factor("brightness_factor", brightness_factor)
    if not _check(img):
        return _enhanced(img, "Brightness", brightness_factor)
    return _blend(img, torch.zeros_like(img), brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is plain grey, 1 the picture itself."""
    _check_factor("contrast_factor", contrast_factor)
    if not _check(img):
        return _enhanced(img, "Contrast", contrast_factor)
    floats = img.dtype if img.is_floating_point() else torch.float32
    return _blend(img, _grey(img).to(floats).mean(dim=(-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is grey, 1 the picture itself."""
    _check_factor("saturation_factor", saturation_factor)
    if not _check(img):
        return _enhanced(img, "Color", saturation_factor)
    return img if img.shape[-3] == 1 else _blend(img, _grey(img), saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colours turned by a part of the colour circle, from -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if not _check(img):
        import numpy

        if img.mode in ("L", "1", "I", "F"):
            return img
        h, s, v = img.convert("HSV").split()
        turned = (numpy.array(h, dtype=numpy.int32) + int(hue_factor * 255)) % 256
        h = pillow().fromarray(turned.astype(numpy.uint8))
        return pillow().merge("HSV", (h, s, v)).convert(img.mode)
    if img.shape[-3] == 1:
        return img
    floats = convert_image_dtype(img, torch.float32) if not img.is_floating_point() else img
    h, s, v = _rgb_to_hsv(floats)
    return convert_image_dtype(_hsv_to_rgb((h + hue_factor) % 1.0, s, v), img.dtype)


def _rgb_to_hsv(img: Any) -> tuple:
    red, green, blue = img.unbind(-3)
    high, low = img.amax(-3), img.amin(-3)
    grey = high == low
    spread = high - low
    one = torch.ones_like(high)
    saturation = spread / torch.where(grey, one, high)
    divisor = torch.where(grey, one, spread)
    r, g, b = (high - red) / divisor, (high - green) / divisor, (high - blue) / divisor
    is_red, is_green = high == red, (high == green) & (high != red)
    hue = is_red * (b - g) + is_green * (2.0 + r - b) + (~is_red & ~is_green) * (4.0 + g - r)
    return torch.fmod(hue / 6.0 + 1.0, 1.0), saturation, high


def _hsv_to_rgb(h: Any, s: Any, v: Any) -> Any:
    sector = torch.floor(h * 6.0)
    f = h * 6.0 - sector
    p, q, t = (v * (1.0 - s)).clamp(0, 1), (v * (1.0 - s * f)).clamp(0, 1), (v * (1.0 - s * (1.0 - f))).clamp(0, 1)
    choices = torch.stack([torch.stack(one, -3) for one in
                           ((v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q))], -4)
    which = (sector.to(torch.int64) % 6).unsqueeze(-3).unsqueeze(-4)
    return choices.gather(-4, which.expand(*choices.shape[:-4], 1, 3, *choices.shape[-2:])).squeeze(-4)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """`gain * picture ** gamma`."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if not _check(img):
        mode = img.mode
        table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)] * 3
        return img.convert("RGB").point(table).convert(mode)
    floats = img if img.is_floating_point() else convert_image_dtype(img, torch.float32)
    return convert_image_dtype((gain * floats**gamma).clamp(0, 1), img.dtype)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is blurred, 1 the picture itself."""
    _check_factor("sharpness_factor", sharpness_factor)
    if not _check(img):
        return _enhanced(img, "Sharpness", sharpness_factor)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    kernel = torch.ones(3, 3) / 13.0
    kernel[1, 1] = 5.0 / 13.0
    floats = img if img.is_floating_point() else img.to(torch.float32)
    batch = floats.reshape((-1, 1, *img.shape[-2:]))
    inner = torch.nn.functional.conv2d(batch, kernel.to(batch.dtype)[None, None])
    blurred = batch.clone()
    blurred[..., 1:-1, 1:-1] = inner if img.is_floating_point() else inner.round()
    return _blend(img, blurred.reshape(img.shape).to(img.dtype), sharpness_factor)


def invert(img: Any) -> Any:
    """The negative."""
    return _largest(img.dtype) - img if _check(img) and img.is_floating_point() else (
        int(_largest(img.dtype)) - img if isinstance(img, torch.Tensor) else pillow("ImageOps").invert(img))


def posterize(img: Any, bits: int) -> Any:
    """Only the highest bits of each colour."""
    if not _check(img):
        return pillow("ImageOps").posterize(img, bits)
    if img.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return img & (-(2 ** (8 - bits)) & 255)


def solarize(img: Any, threshold: float) -> Any:
    """Colours from the threshold on inverted."""
    if not _check(img):
        return pillow("ImageOps").solarize(img, threshold)
    if threshold > _largest(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return torch.where(img >= threshold, invert(img), img)


def autocontrast(img: Any) -> Any:
    """Each channel stretched over the whole range."""
    if not _check(img):
        return pillow("ImageOps").autocontrast(img)
    limit = _largest(img.dtype)
    floats = img if img.is_floating_point() else img.to(torch.float32)
    low, high = floats.amin((-2, -1), keepdim=True), floats.amax((-2, -1), keepdim=True)
    flat = low == high
    scale = limit / torch.where(flat, torch.ones_like(high), high - low)
    scale, low = torch.where(flat, torch.ones_like(scale), scale), torch.where(flat, torch.zeros_like(low), low)
    return ((floats - low) * scale).clamp(0, limit).to(img.dtype)


def equalize(img: Any) -> Any:
    """Each channel with its levels spread evenly."""
    if not _check(img):
        return pillow("ImageOps").equalize(img)
    if img.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    picture = to_pil_image(img) if img.ndim <= 3 else None
    if picture is None:
        return torch.stack([equalize(one) for one in img])
    return pil_to_tensor(pillow("ImageOps").equalize(picture)).reshape(img.shape)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """The picture smoothed with a Gaussian of odd size `kernel_size`."""
    size = [kernel_size] if isinstance(kernel_size, int) else list(kernel_size)
    size = size * 2 if len(size) == 1 else size
    if any(k <= 0 or k % 2 == 0 for k in size):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in size]
    sigma = [float(sigma)] * 2 if isinstance(sigma, numbers.Number) else list(sigma) * (2 if len(sigma) == 1 else 1)
    if any(s <= 0 for s in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    if not _check(img):
        blurred = gaussian_blur(pil_to_tensor(img), size, sigma)
        return to_pil_image(blurred, mode=img.mode)
    weights = []
    for k, s in zip(size, sigma):
        x = torch.linspace(-(k - 1) * 0.5, (k - 1) * 0.5, k)
        w = torch.exp(-0.5 * (x / s).pow(2))
        weights.append(w / w.sum())
    floats = img if img.is_floating_point() else img.to(torch.float32)
    batch = floats.reshape((-1, 1, *img.shape[-2:]))
    kernel = (weights[1][:, None] * weights[0]).to(batch.dtype)[None, None]
    left, top = size[0] // 2, size[1] // 2
    out = torch.nn.functional.conv2d(torch.nn.functional.pad(batch, [left, left, top, top], mode="reflect"), kernel)
    out = out.reshape(img.shape)
    return out if img.is_floating_point() else out.round().to(img.dtype)
