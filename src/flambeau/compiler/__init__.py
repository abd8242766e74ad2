"""torch.compile and torch.compiler.

compile returns the function or module in a wrapper under which chains of elementwise operators run fused: they are
put off until their values are needed, then run together, block by block in the cache, and what nobody holds any more
is never written to memory. The program itself runs as it stands, each time: nothing is rewritten, no C++ compiler is
needed, and there are no graph breaks to look out for. Results are those of the plain program, bit by bit.
"""
from __future__ import annotations

import functools
from typing import Any, Callable

__all__ = ["compile", "assume_constant_result", "reset", "allow_in_graph", "substitute_in_graph", "list_backends",
           "disable", "set_stance", "cudagraph_mark_step_begin", "wrap_numpy", "is_compiling", "is_dynamo_compiling",
           "is_exporting", "set_enable_guard_collectives", "nested_compile_region"]

_MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ["eager", "inductor", "aot_eager"]


def compile(model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None,  # noqa: A001
            backend: Any = None, mode: str | None = None, options: dict | None = None, name: str | None = None,
            disable: bool = False) -> Any:
    """model (a function or module) in compiled form, or a decorator. The results are those of the original.

    backend: a name, or a callable, which is not called, since there is no graph to give it. A module comes back as an
    OptimizedModule over the same parameters.

    >>> f = torch.compile(lambda x: x.sin() ** 2)
    >>> f(torch.zeros(2))
    tensor([0., 0.])
    """
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(str(m) for m in _MODES[1:])}")
    if isinstance(backend, str) and backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}. Known backends: {', '.join(_BACKENDS)}")
    if model is None:
        return lambda m: compile(m, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options,
                                 name=name, disable=disable)
    if not callable(model):
        raise RuntimeError(f"torch.compile: expected a function or a module (got {type(model).__name__})")
    if disable:
        return model
    import flambeau as torch
    from flambeau._C import _begin_fusion as begin_fusion, _end_fusion as end_fusion
    if isinstance(model, torch.nn.Module):
        from flambeau.compiler._module import OptimizedModule
        return OptimizedModule(model)

    @functools.wraps(model)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begin_fusion()
        try:
            return model(*args, **kwargs)
        finally:
            end_fusion()

    wrapper._torchdynamo_orig_callable = model  # type: ignore[attr-defined]
    return wrapper


def is_compiling() -> bool:
    """False: compiled functions run as they are.

    >>> torch.compiler.is_compiling()
    False
    """
    return False


def is_dynamo_compiling() -> bool:
    """False."""
    return False


def is_exporting() -> bool:
    """False."""
    return False


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """fn itself; a decorator without it."""
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Callable) -> Callable:
    """fn itself."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """fn itself."""
    return fn


def wrap_numpy(fn: Callable) -> Callable:
    """fn over NumPy arrays as a function of tensors."""
    import flambeau as torch
    from flambeau.utils._pytree import tree_map

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map(lambda x: x.numpy() if isinstance(x, torch.Tensor) else x, (args, kwargs))
        return tree_map(lambda x: torch.as_tensor(x) if hasattr(x, "__array__") else x, fn(*args, **kwargs))

    return wrapper


def nested_compile_region(fn: Callable | None = None, **kwargs: Any) -> Any:
    """fn itself; a decorator without it."""
    return (lambda f: f) if fn is None else fn


def substitute_in_graph(original_fn: Callable, *, can_constant_fold_through: bool = False,
                        skip_signature_check: bool = False) -> Callable:
    """A decorator that returns its function: nothing is substituted."""
    return lambda f: f


def reset() -> None:
    """Nothing is kept between compilations."""


def list_backends(exclude_tags: tuple = ("debug", "experimental")) -> list[str]:
    """The backends' names; all compute the same way."""
    return list(_BACKENDS)


class set_stance:
    """Accepted; a call, a with block and a decorator."""

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False,
                 force_backend: Any = None) -> None:
        self.stance = stance

    def __call__(self, fn: Callable) -> Callable:
        return fn

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Accepted; returns False."""
    return False


def cudagraph_mark_step_begin() -> None:
    """There are no CUDA graphs."""
