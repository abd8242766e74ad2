"""Names that libraries take from PyTorch's scripting internals; functions run as Python."""
from __future__ import annotations

import typing
from typing import Any, Callable, Dict, Final, List, Optional, Tuple, Union  # noqa: F401, UP035  # programs import them from here

from flambeau.jit import _overload, _overload_method, export, ignore, is_scripting, unused  # noqa: F401

__all__ = ["BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "boolean_dispatch"]

BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = typing.List  # noqa: UP006
FunctionModifiers = type("FunctionModifiers", (), {"UNUSED": "unused", "IGNORE": "ignore", "EXPORT": "export", "DEFAULT": "default"})


def _copy_to_script_wrapper(fn: Callable) -> Callable:
    """fn."""
    return fn


def is_tracing() -> bool:
    """Whether torch.jit.trace is running the program."""
    from flambeau.jit import is_tracing as tracing

    return tracing()


def boolean_dispatch(arg_name: str, arg_index: int, default: bool, if_true: Callable, if_false: Callable, module_name: str,
                     func_name: str) -> Callable:
    """A function that calls if_true or if_false, as one of its arguments says."""
    def fn(*args: Any, **kwargs: Any) -> Any:
        flag = kwargs[arg_name] if arg_name in kwargs else args[arg_index] if arg_index < len(args) else default
        return (if_true if flag else if_false)(*args, **kwargs)

    fn.__name__, fn.__module__ = func_name, module_name
    return fn
