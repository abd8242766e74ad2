"""autocast, and the decorators that bring custom autograd functions under it.

The switches themselves (enabled, dtype, nesting, cache of casts) live in the core, one set a device type and thread.
"""
from __future__ import annotations

import functools
import warnings

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["autocast", "custom_fwd", "custom_bwd", "is_autocast_available", "autocast_decorator"]

_DEVICE_TYPES = ("cpu", "cuda", "xpu", "mps", "hpu", "xla", "ipu", "mtia", "maia", "privateuseone")


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a device type.

    >>> torch.amp.is_autocast_available("cpu")
    True
    """
    return torch.device(device_type).type in _DEVICE_TYPES


def autocast_decorator(instance: Any, func: Callable) -> Callable:
    """func run under an autocast context."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with instance:
            return func(*args, **kwargs)

    return wrapper


class autocast:
    """Context manager and decorator: operators choose their precision, matrix products and convolutions the 16-bit
    dtype.

    device_type: "cpu" or "cuda". dtype: torch.bfloat16 (default on the CPU) or torch.float16. Nested contexts with
    enabled=False switch it off locally. The backward pass belongs outside; it uses the types of the forward pass.

    >>> x = torch.ones(2, 2)
    >>> with torch.autocast("cpu"):
    ...     print((x @ x).dtype, (x + x).dtype)
    torch.bfloat16 torch.float32
    """

    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True,
                 cache_enabled: bool | None = None) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = torch.device(device_type).type
        if not is_autocast_available(self.device):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{self.device}'")
        self.fast_dtype = torch.get_autocast_dtype(self.device) if dtype is None else dtype
        self._cache_enabled = torch.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if self.device == "cuda" and enabled and not torch.cuda.is_available():
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        if self.device == "cpu" and enabled and self.fast_dtype not in (torch.bfloat16, torch.float16):
            warnings.warn("In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast "
                          "only supports dtypes of torch.bfloat16, torch.float16 currently.", stacklevel=2)
            enabled = False
        self._enabled = enabled
        self._previous: list = []

    def __enter__(self) -> autocast:
        device = self.device
        self._previous.append((torch.is_autocast_cache_enabled(), torch.is_autocast_enabled(device),
                               torch.get_autocast_dtype(device)))
        torch.set_autocast_enabled(device, self._enabled)
        torch.set_autocast_dtype(device, self.fast_dtype)
        torch.autocast_increment_nesting()
        torch.set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> bool:
        cache, enabled, dtype = self._previous.pop()
        # Casts of parameters are remembered only as long as the outermost context lasts.
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(self.device, enabled)
        torch.set_autocast_dtype(self.device, dtype)
        torch.set_autocast_cache_enabled(cache)
        return False

    def __call__(self, func: Callable) -> Callable:
        return autocast_decorator(self, func)


def _enter_autocast(*args: Any) -> autocast:
    mode = autocast(*args)
    mode.__enter__()
    return mode


def _exit_autocast(mode: autocast) -> None:
    mode.__exit__(None, None, None)


def _cast(value: Any, device_type: str, dtype: Any) -> Any:
    """Floating tensors of the device, float64 excepted, in dtype; through containers."""
    if isinstance(value, torch.Tensor):
        eligible = value.is_floating_point() and value.device.type == device_type and value.dtype is not torch.float64
        return value.to(dtype) if eligible else value
    if isinstance(value, dict):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = (_cast(v, device_type, dtype) for v in value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """Decorator for the forward of an autograd.Function: remembers the autocast state for its backward.

    cast_inputs: bring floating inputs to this type first, and run forward with autocast off.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    function = fwd

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        ctx._dtype = torch.get_autocast_dtype(device_type)
        enabled = torch.is_autocast_enabled(device_type)
        if cast_inputs is None:
            ctx._fwd_used_autocast = enabled
            return function(*args, **kwargs)
        ctx._fwd_used_autocast = False
        if not enabled:
            return function(*args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            return function(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return wrapper


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorator for the backward of an autograd.Function with custom_fwd: runs in the same autocast state."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    function = bwd

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type=device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return function(*args, **kwargs)

    return wrapper
