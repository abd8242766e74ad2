"""make_tensor: random tensors for tests."""
from __future__ import annotations

import math
from typing import Any

import flambeau as torch

__all__ = ["make_tensor"]


def _bounds(dtype: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The range of values: defaults of the type, and what was asked for within what it can hold."""
    if dtype == torch.bool:
        default, lowest, highest = (0, 2), 0, 2
    elif dtype.is_floating_point or dtype.is_complex:
        info = torch.finfo(dtype)
        default, lowest, highest = (-9, 9), info.min, info.max
    else:
        info = torch.iinfo(dtype)
        default = (0, 10) if dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64) else (-9, 10)
        lowest, highest = info.min, info.max + (1 if info.max < 2 ** 63 - 1 else 0)
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    for value in (low, high):
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low >= high and not (low == high and (dtype.is_floating_point or dtype.is_complex)):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    low, high = min(max(low, lowest), highest), min(max(high, lowest), highest)
    if not (dtype.is_floating_point or dtype.is_complex):
        low, high = math.ceil(low), math.ceil(high)
    return low, high


def make_tensor(*shape: Any, dtype: Any, device: Any, low: float | None = None, high: float | None = None,
                requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False,
                memory_format: Any = None) -> Any:
    """A tensor of uniform random values in [low, high); by default -9 to 9, for bool 0 and 1.

    noncontiguous: every second element of a larger tensor. exclude_zero: zeros become the smallest positive value.

    >>> torch.testing.make_tensor(2, 3, dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (list, tuple, torch.Size)) else tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
                         f"{noncontiguous=} and {memory_format=}")
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    strided = noncontiguous and math.prod(sizes) > 1 and sizes
    low, high = _bounds(dtype, low, high)
    wide = sizes[:-1] + (2 * sizes[-1],) if strided else sizes
    if dtype == torch.bool or not (dtype.is_floating_point or dtype.is_complex):
        result = torch.randint(int(low), int(high), wide, device=device, dtype=dtype)
    elif dtype.is_complex:
        part = torch.float64 if dtype == torch.complex128 else torch.float32
        result = torch.complex(torch.empty(wide, device=device, dtype=part).uniform_(low, high),
                               torch.empty(wide, device=device, dtype=part).uniform_(low, high)).to(dtype)
    else:
        result = torch.empty(wide, device=device, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
        result = result.uniform_(low, high).to(dtype)
    if strided:
        result = result[..., ::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        smallest = torch.finfo(dtype).tiny if dtype.is_floating_point or dtype.is_complex else 1
        result[result == 0] = smallest
    if requires_grad:
        result.requires_grad = True
    return result
