"""Utilities around training: data loading, checkpointing, hooks, trees, exchange with other libraries."""
from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULES = frozenset(["backcompat", "checkpoint", "data", "deterministic", "dlpack", "hooks", "model_zoo",
                      "tensorboard", "_pytree"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def set_module(obj: Any, mod: str) -> None:
    """Set obj.__module__."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange what two tensors are: every reference to one now finds the other's value, class and attributes.

    RuntimeError if either has weak references or takes part in a graph.
    """
    import flambeau as torch
    if t1.grad_fn is not None or t2.grad_fn is not None:
        raise RuntimeError("swap_tensors: cannot swap a tensor that has a grad_fn; detach it first")
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
    torch._C._swap_tensor_impl(t1, t2)
