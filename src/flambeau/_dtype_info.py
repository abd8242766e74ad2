"""finfo and iinfo: the limits of floating-point and integer dtypes."""
from __future__ import annotations

import builtins

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "finfo", "iinfo",
]


class finfo:
    """Limits of a floating-point element type.

    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    _TABLE = {  # bits, eps, max, tiny, resolution, smallest subnormal
        "float16": (16, 2.0**-10, 65504.0, 2.0**-14, 1e-3, 2.0**-24),
        "bfloat16": (16, 2.0**-7, (2.0 - 2.0**-7) * 2.0**127, 2.0**-126, 1e-2, 2.0**-133),
        "float32": (32, 2.0**-23, (2.0 - 2.0**-23) * 2.0**127, 2.0**-126, 1e-6, 2.0**-149),
        "float64": (64, 2.0**-52, (2.0 - 2.0**-52) * 2.0**1023, 2.0**-1022, 1e-15, 2.0**-1074),
        # known by name only
        "float8_e4m3fn": (8, 0.125, 448.0, 2.0**-6, 1.0, 2.0**-9), "float8_e5m2": (8, 0.25, 57344.0, 2.0**-14, 1.0, 2.0**-16),
        "float8_e4m3fnuz": (8, 0.125, 240.0, 2.0**-7, 1.0, 2.0**-10), "float8_e5m2fnuz": (8, 0.125, 57344.0, 2.0**-15, 1.0, 2.0**-17),
    }

    def __init__(self, type: Any = None) -> None:
        type = _C.get_default_dtype() if type is None else type
        if not isinstance(type, _C.dtype):
            raise TypeError(f"finfo(): argument 'type' must be torch.dtype, not {builtins.type(type).__name__}")
        if type.is_complex:
            type = type.to_real()
        name = str(type)[6:]
        if name not in self._TABLE:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.{name}'")
        self.bits, self.eps, self.max, self.tiny, self.resolution, self.smallest_subnormal = self._TABLE[name]
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, name

    def __repr__(self) -> str:
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, smallest_normal={self.tiny:g}, "
                f"tiny={self.tiny:g}, dtype={self.dtype})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer element type.

    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: Any) -> None:
        if not isinstance(type, _C.dtype):
            raise TypeError(f"iinfo(): argument 'type' must be torch.dtype, not {builtins.type(type).__name__}")
        if type.is_floating_point or type.is_complex:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        if type == _C.bool:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self.bits, self.dtype = type.itemsize * 8, str(type)[6:]
        self.max = 2 ** (self.bits - type.is_signed) - 1
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)
