"""script: functions and modules checked against TorchScript's language, then run by Python.

There is no second language here: a scripted function is the Python function, so its results and gradients are its own.
What scripting adds is the check that it could run as TorchScript, typed arguments, and files (save, load).
"""
from __future__ import annotations

import functools
from typing import Any, Callable

import flambeau as torch
from flambeau.jit.frontend import check_function, source_of

__all__ = ["script", "ScriptFunction", "ScriptModule", "RecursiveScriptModule", "script_method", "script_if_tracing"]

_PACKAGE = __name__.partition(".")[0] + "."  # of our own classes


class ScriptFunction:
    """A scripted function: called like the original."""

    def __init__(self, fn: Callable) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._checks = _argument_checks(fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._checks:
            _check_arguments(self._fn.__name__, self._checks, args, kwargs)
        return self._fn(*args, **kwargs)

    @property
    def name(self) -> str:
        """The function's name."""
        return self._fn.__name__

    @property
    def code(self) -> str:
        """The source."""
        return source_of(self._fn)[0]

    def save(self, f: Any, _extra_files: Any = None) -> None:
        """Functions cannot be saved: a file holds data, never code."""
        raise NotImplementedError(f"torch.jit.save: cannot save the function {self.name}, files hold no code; put it "
                                  "into a module of a class that the reading program imports")


def _argument_checks(fn: Callable) -> dict[str, tuple[int, type]]:
    """Parameters annotated int, float, bool or str: their place and type."""
    kinds = {"int": int, "float": float, "bool": bool, "str": str, int: int, float: float, bool: bool, str: str}
    names = fn.__code__.co_varnames[:fn.__code__.co_argcount] if hasattr(fn, "__code__") else ()
    notes = getattr(fn, "__annotations__", {})
    return {n: (i, kinds[notes[n]]) for i, n in enumerate(names)
            if isinstance(notes.get(n), (str, type)) and notes[n] in kinds}


def _check_arguments(name: str, checks: dict[str, tuple[int, type]], args: tuple, kwargs: dict) -> None:
    for parameter, (place, kind) in checks.items():
        if place < len(args):
            value = args[place]
        elif parameter in kwargs:
            value = kwargs[parameter]
        else:
            continue
        good = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            good = True
        # One-element tensors turn into numbers, as in TorchScript.
        if not good and not (isinstance(value, torch.Tensor) and value.numel() == 1 and kind is not str):
            raise RuntimeError(f"{name}() Expected a value of type '{kind.__name__}' for argument '{parameter}' but "
                               f"instead found type '{type(value).__name__}'.\nPosition: {place}\nValue: {value!r}")


class ScriptModule(torch.nn.Module):
    """Base class of modules whose methods are marked with script_method (early style).

    >>> class Double(torch.jit.ScriptModule):
    ...     @torch.jit.script_method
    ...     def forward(self, x):
    ...         return x * 2
    >>> Double()(torch.ones(1))
    tensor([2.])
    """

    @property
    def original_name(self) -> str:
        """The name of the class."""
        return type(self).__name__

    @property
    def code(self) -> str:
        """The source of forward."""
        return source_of(type(self).forward)[0]

    def save(self, f: Any, _extra_files: Any = None) -> None:
        """torch.jit.save(self, f)."""
        torch.jit.save(self, f, _extra_files=_extra_files)


class RecursiveScriptModule(ScriptModule):
    """What script(module) gives: shares the module's parameters and buffers, its children are scripted too."""

    _original: type = torch.nn.Module

    @property
    def original_name(self) -> str:
        return self._original.__name__

    @property
    def code(self) -> str:
        return source_of(self._original.forward)[0]

    def _get_name(self) -> str:
        return "RecursiveScriptModule"

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


_SCRIPTED: dict[type, type] = {}


def _scripted_class(cls: type) -> type:
    """The scripted form of a module class: the same methods under RecursiveScriptModule's face."""
    found = _SCRIPTED.get(cls)
    if found is None:
        found = _SCRIPTED[cls] = type("RecursiveScriptModule", (RecursiveScriptModule, cls), {
            "_original": cls, "forward": cls.forward, "__module__": __name__, "__call__": torch.nn.Module.__call__})
    return found


def _script_module(module: Any, memo: dict[int, Any]) -> Any:
    if id(module) in memo:
        return memo[id(module)]
    if isinstance(module, ScriptModule):
        return module
    cls = type(module)
    if not cls.__module__.startswith(_PACKAGE) and cls.forward is not torch.nn.Module.forward:
        for name, value in vars(cls).items():
            if (name == "forward" or getattr(value, "_jit_mark", None) == "export") \
                    and getattr(value, "_jit_mark", None) != "ignore":
                check_function(value)
    scripted = object.__new__(_scripted_class(cls))
    memo[id(module)] = scripted
    scripted.__dict__.update(module.__dict__)
    # Parameters and buffers are the very dictionaries of the original; children are replaced one by one.
    scripted.__dict__["_modules"] = {k: None if m is None else _script_module(m, memo)
                                     for k, m in module._modules.items()}
    return scripted


def unscripted(module: Any) -> Any:
    """The ordinary module behind a scripted one, sharing its parameters."""
    if not isinstance(module, RecursiveScriptModule):
        return module
    plain = object.__new__(type(module)._original)
    plain.__dict__.update(module.__dict__)
    plain.__dict__["_modules"] = {k: None if m is None else unscripted(m) for k, m in module._modules.items()}
    return plain


def script(obj: Any, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """Check a function or module against TorchScript's language and return its scripted form, which runs as Python.

    Functions become a ScriptFunction, modules a RecursiveScriptModule over the same parameters. Generators, try,
    lambda, nested definitions and the like are refused with UnsupportedNodeError.

    >>> torch.jit.script(torch.nn.ReLU())
    RecursiveScriptModule(original_name=ReLU)
    """
    if isinstance(obj, (ScriptFunction, ScriptModule)):
        return obj
    if isinstance(obj, torch.nn.Module):
        return _script_module(obj, {})
    if isinstance(obj, type):
        return obj
    if callable(obj) and hasattr(obj, "__code__"):
        check_function(obj)
        return ScriptFunction(obj)
    if callable(obj):
        return ScriptFunction(type(obj).__call__.__get__(obj))
    raise TypeError(f"{type(obj)} is a built-in class")


def script_method(fn: Callable) -> Callable:
    """Marks a method of a ScriptModule; it is checked like a scripted function."""
    check_function(fn)
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """A function to be scripted while tracing; here it simply runs."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    wrapper.__original_fn = fn  # type: ignore[attr-defined]
    return wrapper
