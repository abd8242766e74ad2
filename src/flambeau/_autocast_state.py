"""The switches behind autocast under PyTorch's names: enabled and dtype for each device type, nesting, cache.

The CPU's switch lives in the core, where operators read it. The other device types keep what is set without effect.
All state belongs to the calling thread.
"""
from __future__ import annotations

import warnings
from _thread import _local
from typing import Any

import flambeau as torch

__all__ = ["is_autocast_enabled", "set_autocast_enabled", "get_autocast_dtype", "set_autocast_dtype",
           "autocast_increment_nesting", "autocast_decrement_nesting", "is_autocast_cache_enabled",
           "set_autocast_cache_enabled", "clear_autocast_cache", "is_autocast_cpu_enabled", "set_autocast_cpu_enabled",
           "get_autocast_cpu_dtype", "set_autocast_cpu_dtype", "get_autocast_gpu_dtype", "set_autocast_gpu_dtype"]


class _ThreadState(_local):
    """Nesting, cache switch, and the settings of device types other than the CPU."""

    def __init__(self) -> None:
        self.nesting = 0
        self.cache = True
        self.others: dict[str, list] = {}


_STATE = _ThreadState()


def _other(device_type: str) -> list:
    """[enabled, dtype] of a device type that the core does not know."""
    found = _STATE.others.get(device_type)
    if found is None:
        torch.device(device_type)       # unknown names raise
        default = torch.bfloat16 if device_type in ("xla", "ipu", "hpu", "mtia") else torch.float16
        found = _STATE.others[device_type] = [False, default]
    return found


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a device type; for CUDA where none is named.

    >>> torch.is_autocast_enabled("cpu")
    False
    """
    if device_type == "cpu":
        return torch._C._get_autocast()[0]
    return _other(device_type or "cuda")[0]


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switch autocast for a device type; set_autocast_enabled(flag) is for CUDA."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    if device_type == "cpu":
        torch._C._set_autocast(bool(enabled), torch._C._get_autocast()[1])
    else:
        _other(device_type)[0] = bool(enabled)


def get_autocast_dtype(device_type: str) -> Any:
    """The 16-bit type autocast uses on a device type.

    >>> torch.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    return torch._C._get_autocast()[1] if device_type == "cpu" else _other(device_type)[1]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set the 16-bit type autocast uses on a device type."""
    if device_type == "cpu":
        torch._C._set_autocast(torch._C._get_autocast()[0], dtype)
    else:
        _other(device_type)[1] = dtype


def autocast_increment_nesting() -> int:
    """Enter an autocast context; returns how many are open."""
    _STATE.nesting += 1
    return _STATE.nesting


def autocast_decrement_nesting() -> int:
    """Leave an autocast context; returns how many are still open."""
    _STATE.nesting -= 1
    return _STATE.nesting


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters may be remembered within a context."""
    return _STATE.cache


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Allow or forbid remembering casts of parameters."""
    _STATE.cache = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget remembered casts."""


def _renamed(old: str, new: str) -> None:
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


def is_autocast_cpu_enabled() -> bool:
    """Deprecated form of is_autocast_enabled("cpu")."""
    _renamed("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Deprecated form of set_autocast_enabled("cpu", enabled)."""
    _renamed("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> Any:
    """Deprecated form of get_autocast_dtype("cpu")."""
    _renamed("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """Deprecated form of set_autocast_dtype("cpu", dtype)."""
    _renamed("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> Any:
    """Deprecated form of get_autocast_dtype("cuda")."""
    _renamed("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """Deprecated form of set_autocast_dtype("cuda", dtype)."""
    _renamed("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)
