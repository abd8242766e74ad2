"""FakeTensor: the class of tensors that a compiler imagines, for isinstance; nothing here makes one."""
from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FakeTensor", "FakeTensorMode", "is_fake"]


class FakeTensor:
    """The class of imagined tensors: there are none."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("FakeTensor: nothing imagines tensors here; use the device 'meta' for shapes without values")


class FakeTensorMode:
    """Not offered. NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("FakeTensorMode: nothing imagines tensors here; use the device 'meta' for shapes without values")


def is_fake(x: Any) -> bool:
    """False: there are no imagined tensors."""
    return False
