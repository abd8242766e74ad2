"""TorchScript's interface: script, trace, save, load. Programs run as Python; see _script.py for what is checked."""
from __future__ import annotations

import builtins
import contextlib
from typing import Any, Callable, Final, Iterator

import flambeau as torch
from flambeau.jit import frontend
from flambeau.jit._script import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    script,
    script_if_tracing,
    script_method,
    unscripted,
)
from flambeau.jit._trace import (
    TopLevelTracedModule,
    TracedModule,
    TracerWarning,
    TracingCheckError,
    is_tracing,
    trace,
    trace_module,
)

__all__ = ["Attribute", "Error", "Final", "Future", "RecursiveScriptModule", "ScriptFunction", "ScriptModule",
           "ScriptWarning", "TopLevelTracedModule", "TracedModule", "TracerWarning", "TracingCheckError", "annotate",
           "export", "fork", "freeze", "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load",
           "optimize_for_inference", "optimized_execution", "save", "script", "script_if_tracing", "script_method",
           "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait", "frontend"]


class Error(RuntimeError):
    """An error raised inside a scripted function."""


class ScriptWarning(Warning):
    """A warning about scripted code."""


class Attribute:
    """Attribute(value, type): a value with its TorchScript type; the value counts."""

    def __new__(cls, value: Any, type: Any) -> Any:  # noqa: A002
        return value


def _overload(fn: Any) -> Any:
    """fn: the overloads of a scripted function are hints."""
    return fn


_overload_method = _overload


def is_scripting() -> bool:
    """False: scripted programs run as Python.

    >>> torch.jit.is_scripting()
    False
    """
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001
    """isinstance, with TorchScript's container types taken by their origin."""
    from typing import get_origin
    kinds = target_type if builtins.isinstance(target_type, tuple) else (target_type,)
    return builtins.isinstance(obj, tuple([get_origin(k) or k for k in kinds]))


def _marked(name: str, fn: Any) -> Any:
    fn._jit_mark = name
    return fn


def export(fn: Callable) -> Callable:
    """Marks a method to be scripted besides forward."""
    return _marked("export", fn)


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Marks a method that scripting leaves to Python; with drop=True one that is left out."""
    if callable(drop):
        return _marked("ignore", drop)
    return lambda fn: _marked("ignore", fn)


def unused(fn: Callable) -> Callable:
    """Marks a method that scripted code never calls."""
    return _marked("ignore", fn)


def interface(obj: type) -> type:
    """Marks a class as an interface."""
    return obj


class _Done:
    """The result of fork: already there."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def wait(self) -> Any:
        """The value."""
        return self._value

    def value(self) -> Any:
        """The value."""
        return self._value

    def done(self) -> bool:
        """True."""
        return True


Future = _Done


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """func(*args, **kwargs), run at once; wait() gives its value."""
    return _Done(func(*args, **kwargs))


def wait(future: Any) -> Any:
    """The value of a fork."""
    return future.wait()


def freeze(mod: Any, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Any:
    """The scripted module, which must be in eval mode, with its parameters no longer trainable."""
    if not builtins.isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace "
                           "to script your 'nn.Module'.")
    if mod.training:
        raise RuntimeError("Freezing is currently only implemented for modules in eval mode. Please call .eval() on "
                           "your module before freezing.")
    import copy
    frozen = script(copy.deepcopy(unscripted(mod)))
    for parameter in frozen.parameters():
        parameter.requires_grad_(False)
    return frozen


def optimize_for_inference(mod: Any, other_methods: Any = None) -> Any:
    """freeze(mod)."""
    return mod if not mod.training else freeze(mod.eval())


def run_frozen_optimizations(mod: Any, optimize_numerics: bool = True, preserved_methods: Any = None) -> None:
    """Nothing to run."""


def set_fusion_strategy(strategy: list) -> list:
    """Accepted; returns the strategy."""
    return strategy


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Accepted; the results are the same."""
    yield


class strict_fusion:
    """A with block, accepted; nothing is fused behind the program's back."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted; oneDNN is not used."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def save(m: Any, f: Any, _extra_files: dict | None = None) -> None:
    """Write a scripted module to a file: its classes' names and its values, no code.

    load() needs no more for modules made of flambeau.nn's layers; own classes must be importable and trusted
    (torch.serialization.add_safe_globals) where the file is read.
    """
    if builtins.isinstance(m, ScriptFunction):
        m.save(f)
    if not builtins.isinstance(m, torch.nn.Module):
        raise TypeError(f"torch.jit.save: expected a scripted module (got {type(m).__name__})")
    extra = {k: v if builtins.isinstance(v, bytes) else str(v).encode() for k, v in (_extra_files or {}).items()}
    torch.save({"flambeau.jit": 1, "module": unscripted(m), "extra_files": extra}, f)


def load(f: Any, map_location: Any = None, _extra_files: dict | None = None, _restore_shapes: bool = False) -> Any:
    """Read a module that save() wrote, as a scripted module. PyTorch's TorchScript files hold code and are not read.

    >>> import io
    >>> file = io.BytesIO()
    >>> torch.jit.save(torch.jit.script(torch.nn.ReLU()), file)
    >>> _ = file.seek(0); torch.jit.load(file)
    RecursiveScriptModule(original_name=ReLU)
    """
    content = torch.load(f, map_location=map_location)
    if not (builtins.isinstance(content, dict) and "flambeau.jit" in content):
        raise RuntimeError("torch.jit.load: the file holds no scripted module (got "
                           f"{type(content).__name__}); read it with torch.load")
    if _extra_files is not None:
        for name in _extra_files:
            _extra_files[name] = content["extra_files"].get(name, b"")
    return script(content["module"])
