"""torch._dynamo: the names that programs use around torch.compile. Compiled functions run as they are, so marks have no effect."""
from __future__ import annotations

import importlib
from typing import Any

from flambeau.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset
from flambeau.compiler import compile as optimize_module
from flambeau.compiler._module import OptimizedModule

__all__ = ["OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "disallow_in_graph", "eval_frame", "exc",
           "forbid_in_graph", "graph_break", "is_compiling", "list_backends", "mark_dynamic", "mark_static", "mark_static_address",
           "maybe_mark_dynamic", "optimize", "reset", "run"]


def optimize(backend: Any = "inductor", **options: Any) -> Any:
    """A decorator: torch.compile with this backend."""
    return lambda model: optimize_module(model, backend=backend)


def run(fn: Any = None) -> Any:
    """fn itself; a decorator without it."""
    return (lambda f: f) if fn is None else fn


def disallow_in_graph(fn: Any) -> Any:
    """fn itself."""
    return fn


forbid_in_graph = disallow_in_graph


def graph_break(msg: str = "") -> None:
    """Nothing: there is no graph to break."""


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Nothing: no code is specialised for sizes."""


def mark_static(t: Any, index: Any = None) -> None:
    """Nothing: no code is specialised for sizes."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing: no graph keeps addresses."""


maybe_mark_dynamic = mark_dynamic


def __getattr__(name: str) -> Any:
    if name in ("config", "eval_frame", "exc"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch._dynamo' has no attribute {name!r}")
