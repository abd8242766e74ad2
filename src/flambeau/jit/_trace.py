"""trace: a function or module checked on example inputs, then run by Python on every call.

PyTorch records one run and repeats it; here the Python code runs each time, so that branches on values stay branches.
"""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.jit._script import RecursiveScriptModule, ScriptFunction, _scripted_class

__all__ = ["trace", "trace_module", "TracedModule", "TopLevelTracedModule", "is_tracing", "TracerWarning",
           "TracingCheckError"]

_tracing = False


class TracerWarning(Warning):
    """A value left the tensors while tracing."""


class TracingCheckError(Exception):
    """Two runs of a traced function gave different results."""


class TracedModule(RecursiveScriptModule):
    """A module that was traced."""


TopLevelTracedModule = TracedModule


def is_tracing() -> bool:
    """Whether torch.jit.trace runs its examples at this moment."""
    return _tracing


def _run(fn: Any, args: tuple, kwargs: dict) -> Any:
    global _tracing
    previous, _tracing = _tracing, True
    try:
        return fn(*args, **kwargs)
    finally:
        _tracing = previous


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.allclose(a.double() if not a.is_complex() else a,
                                                     b.double() if not b.is_complex() else b,
                                                     rtol=tolerance, atol=tolerance, equal_nan=True)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(_same(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k], tolerance) for k in a)
    return a == b


def trace(func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True,
          check_inputs: Any = None, check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False,
          _module_class: Any = None, _compilation_unit: Any = None, example_kwarg_inputs: dict | None = None,
          _store_inputs: bool = True) -> Any:
    """Run func on example inputs (twice with check_trace, to see that it is deterministic) and return its traced form.

    >>> f = torch.jit.trace(lambda x: x * 2, torch.ones(1))
    >>> f(torch.tensor([3.0]))
    tensor([6.])
    """
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    kwargs = example_kwarg_inputs or {}
    if example_inputs is None:
        args: tuple = ()
    elif isinstance(example_inputs, (torch.Tensor, dict)):
        args = (example_inputs,)
    else:
        args = tuple(example_inputs)
    state = torch.get_rng_state()
    first = _run(func, args, kwargs)
    if check_trace:
        torch.set_rng_state(state)
        for inputs in check_inputs or [args]:
            inputs = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
            second = _run(func, inputs, kwargs)
            if check_inputs is None and not _same(first, second, check_tolerance):
                raise TracingCheckError("Tracing failed sanity checks!\nERROR: Graphs differed across invocations: the "
                                        "outputs of two runs on the same inputs differ")
    if isinstance(func, torch.nn.Module):
        return _traced_module(func)
    return ScriptFunction(func)


def trace_module(mod: Any, inputs: dict, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None,
                 check_tolerance: float = 1e-5, strict: bool = True, **kwargs: Any) -> Any:
    """Run methods of a module on example inputs ({name: inputs}) and return its traced form."""
    if not isinstance(mod, torch.nn.Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    for name, args in inputs.items():
        args = (args,) if isinstance(args, torch.Tensor) else tuple(args)
        _run(getattr(mod, name), args, {})
    return _traced_module(mod)


def _traced_module(module: Any) -> Any:
    traced = object.__new__(_traced_class(type(module)))
    traced.__dict__.update(module.__dict__)
    traced.__dict__["_modules"] = {k: None if m is None else _traced_module(m) for k, m in module._modules.items()}
    return traced


_TRACED: dict[type, type] = {}


def _traced_class(cls: type) -> type:
    if issubclass(cls, RecursiveScriptModule):
        return cls
    found = _TRACED.get(cls)
    if found is None:
        base = _scripted_class(cls)
        found = _TRACED[cls] = type("TopLevelTracedModule", (TracedModule, base), {
            "_get_name": lambda self: cls.__name__, "__module__": __name__, "_original": cls, "forward": cls.forward})
    return found
