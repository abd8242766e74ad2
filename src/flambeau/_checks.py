"""Checks that libraries write into their code: torch._check and its kin, torch._assert."""
from __future__ import annotations

from typing import Any, Callable

import flambeau as torch
from flambeau.overrides import overridable

__all__ = ["_assert", "_assert_async", "_check", "_check_index", "_check_is_size", "_check_not_implemented", "_check_tensor_all",
           "_check_tensor_all_with", "_check_type", "_check_value", "_check_with"]


@overridable
def _assert(condition: Any, message: str) -> None:
    """`assert condition, message`, which torch.fx records.

    >>> torch._assert(True, "fine")
    """
    assert condition, message


def _assert_async(condition: Any, message: str = "Expected Tensor with single nonzero value, but got zero") -> None:
    """RuntimeError unless a tensor of one element is true."""
    if not bool(condition):
        raise RuntimeError(message)


def _check_with(error_type: type[Exception], cond: Any, message: Any = None) -> None:
    """error_type with message() unless cond."""
    if not isinstance(cond, (bool, torch.SymBool)):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        if message is None:
            raise error_type("Expected cond to be True, but got False. (Could this error message be improved? If so, please report an "
                             "enhancement request to PyTorch.)")
        if not callable(message):
            raise TypeError("message must be a callable")
        raise error_type(str(message()))


def _maker(error_type: type[Exception], name: str) -> Callable:
    def check(cond: Any, message: Callable[[], Any] | None = None) -> None:
        _check_with(error_type, cond, message)

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"{error_type.__name__} with message() unless cond."
    return check


_check = _maker(RuntimeError, "_check")
_check_index = _maker(IndexError, "_check_index")
_check_value = _maker(ValueError, "_check_value")
_check_type = _maker(TypeError, "_check_type")
_check_not_implemented = _maker(NotImplementedError, "_check_not_implemented")


def _check_is_size(i: int, message: Callable[[], Any] | None = None, *, max: int | None = None) -> None:  # noqa: A002
    """RuntimeError unless i is a possible size: not negative (and at most max)."""
    _check(i >= 0 and (max is None or i <= max), message)


def _check_tensor_all_with(error_type: type[Exception], cond: Any, message: Callable[[], Any] | None = None) -> None:
    """error_type unless all elements of cond, a tensor of booleans, are true."""
    if not isinstance(cond, torch.Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype is not torch.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all()), message)


def _check_tensor_all(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """RuntimeError unless all elements of cond are true."""
    _check_tensor_all_with(RuntimeError, cond, message)
