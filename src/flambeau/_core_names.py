"""Functions that libraries call under `torch._C`: questions about what is going on, and switches of PyTorch's own machinery."""
from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _get_tracing_state() -> Any:
    """True while torch.jit.trace runs the program, else None."""
    import sys

    trace = sys.modules.get("flambeau.jit._trace")
    return True if trace is not None and trace.is_tracing() else None


def _log_api_usage_once(*args: Any) -> None:
    """Nothing: no use is logged."""


def _is_torch_function_mode_enabled() -> bool:
    """Whether a TorchFunctionMode is active."""
    return _C._len_torch_function_stack() > 0


def _get_default_device() -> str:
    """The default device's name."""
    import flambeau as torch

    return str(torch.get_default_device())


def _unused_switch(*args: Any) -> bool:
    """A switch of TorchScript's optimisers: off and without effect, for scripts run as Python."""
    return False


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """(device, dtype, non_blocking, memory_format) of the arguments of `to`."""
    from .nn.modules.module import _parse_to as parse

    return parse(args, kwargs)


_SWITCHES = frozenset((
    "_jit_set_profiling_mode", "_jit_set_profiling_executor", "_jit_override_can_fuse_on_cpu", "_jit_override_can_fuse_on_gpu",
    "_jit_set_texpr_fuser_enabled", "_jit_set_nvfuser_enabled", "_jit_can_fuse_on_cpu", "_jit_can_fuse_on_gpu"))
_FUNCTIONS = (_get_tracing_state, _log_api_usage_once, _is_torch_function_mode_enabled, _get_default_device)


def find(name: str) -> Any:
    """What a name of the core stands for that the core itself does not have. AttributeError for others."""
    value = _unused_switch if name in _SWITCHES else next((f for f in _FUNCTIONS if f.__name__ == name), None)
    if value is None:
        raise AttributeError(f"module 'torch._C' has no attribute '{name}'")
    setattr(_C, name, value)
    return value
