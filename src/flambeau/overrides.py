"""The `__torch_function__` protocol for functions written in Python.

`@overridable` marks a public function: called with an object of another type that defines `__torch_function__` (or
under a TorchFunctionMode), the call is handed over to it. Native operators make the same check in the core.
"""

from __future__ import annotations

import functools

import flambeau as torch
from flambeau import _C

has_torch_function = _C._has_torch_function
has_torch_function_unary = _C._has_torch_function_unary
has_torch_function_variadic = _C._has_torch_function_variadic
_disabled_torch_function_impl = _C._disabled_torch_function_impl

__all__ = [
    "get_ignored_functions", "get_overridable_functions", "get_testing_overrides", "handle_torch_function",
    "has_torch_function", "resolve_name", "is_tensor_like", "is_tensor_method_or_property", "wrap_torch_function",
    "enable_reentrant_dispatch", "get_default_nowrap_functions", "TorchFunctionMode", "BaseTorchFunctionMode",
]


def _get_overloaded_args(relevant_args, get_type_fn=None) -> list:
    """The arguments that define `__torch_function__`, one a type, subclasses before their bases."""
    get_type = get_type_fn or type
    if not _C._is_torch_function_enabled():  # sparse tensors know no other way
        return [arg for arg in relevant_args if isinstance(arg, _C.Tensor) and arg.layout is not _C.strided][:1]
    types: set = set()
    found: list = []
    for arg in relevant_args:
        cls = get_type(arg)
        if cls in types or not hasattr(cls, "__torch_function__"):
            continue
        if cls.__torch_function__ is _disabled_torch_function_impl:
            continue
        types.add(cls)
        at = next((i for i, other in enumerate(found) if issubclass(cls, get_type(other))), len(found))
        found.insert(at, arg)
    return found


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Call `public_api` through the first `__torch_function__` of `relevant_args` that does not decline.

    Raises TypeError when every one returns NotImplemented.
    """
    overloaded = _get_overloaded_args(relevant_args)
    types = tuple(map(type, overloaded))
    if _C._len_torch_function_stack() > 0:
        with _pop_mode_temporarily() as mode:
            result = mode.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    for arg in overloaded:
        result = arg.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{getattr(public_api, '__module__', 'torch.Tensor')}.{public_api.__name__}"
    message = f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}"
    raise TypeError(message)


def _dispatch_override(func, args: tuple, kwargs: dict):
    """The core's call for an operator that got an overriding argument, at the top or in a list, or runs under a mode."""
    relevant: list = []
    for value in (*args, *kwargs.values()):
        if type(value) in (list, tuple):
            relevant.extend(value)
        else:
            relevant.append(value)
    overloaded = [arg for arg in _get_overloaded_args(relevant) if type(arg) is not torch.Tensor and type(arg) is not torch.nn.Parameter]
    types = tuple(map(type, overloaded))
    given = (args, kwargs) if kwargs else (args,)
    if _C._len_torch_function_stack() > 0:
        with _pop_mode_temporarily() as mode:
            result = mode.__torch_function__(func, types, *given)
        if result is not NotImplemented:
            return result
    elif not overloaded:  # nothing is left to ask: the default of Tensor itself
        return torch.Tensor.__torch_function__(func, types, args, kwargs)
    for arg in overloaded:
        result = arg.__torch_function__(func, types, *given)
        if result is not NotImplemented:
            return result
    asked = "".join(f"\n  - tensor subclass {kind}" for kind in types)
    raise TypeError(f"Multiple dispatch failed for '{_full_name(func)}'; all __torch_function__ handlers returned NotImplemented:\n{asked}")


def _full_name(func) -> str:
    name = getattr(func, "__qualname__", None) or getattr(func, "__name__", str(func))
    return "torch." + name


def _overridable(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        if has_torch_function(args) or (kwargs and has_torch_function(tuple(kwargs.values()))):
            relevant = args + tuple(kwargs.values())
            return handle_torch_function(call, relevant, *args, **kwargs)
        return function(*args, **kwargs)

    return call


# The core may offer the same wrapper as a native callable, which costs less a call.
overridable = getattr(_C, "_overridable", _overridable)


def wrap_torch_function(dispatcher):
    """A decorator: `dispatcher(*args, **kwargs)` names the arguments whose `__torch_function__` counts.

    >>> def relevant(a, b=0): return (a,)
    >>> @torch.overrides.wrap_torch_function(relevant)
    ... def twice(a, b=0): return 2 * a + b
    >>> twice(torch.ones(2), b=1)
    tensor([3., 3.])
    """

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(call, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return call

    return decorate


def is_tensor_like(inp) -> bool:
    """True for tensors and for objects whose type defines `__torch_function__`.

    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like(3)
    (True, False)
    """
    return type(inp) is torch.Tensor or hasattr(inp, "__torch_function__")


@functools.cache
def get_default_nowrap_functions() -> set:
    """Attribute getters whose results keep their own type instead of being turned into the subclass."""
    tensor = torch.Tensor
    names = ("_base", "grad", "_grad")
    return {getattr(tensor, name).__get__ for name in names if hasattr(tensor, name)}


@functools.cache
def _overridable_names() -> tuple[dict, dict]:
    spaces = [("torch", torch), ("torch.functional", getattr(torch, "functional", None)),
              ("torch.nn.functional", torch.nn.functional), ("torch.nn.init", torch.nn.init),
              ("torch.Tensor", torch.Tensor), ("torch.linalg", torch.linalg), ("torch.fft", torch.fft),
              ("torch.special", torch.special)]
    functions: dict = {}
    names: dict = {}
    for label, space in spaces:
        if space is None:
            continue
        found = functions.setdefault(space, [])
        for name in dir(space):
            if name.startswith("_") and not (space is torch.Tensor and name.startswith("__")):
                continue
            member = getattr(space, name, None)
            if space is torch.Tensor and not callable(member) and hasattr(member, "__get__"):
                found.append(member.__get__)
                names[member.__get__] = f"{label}.{name}.__get__"
            elif callable(member) and not isinstance(member, type) and member.__hash__ is not None:
                found.append(member)
                names.setdefault(member, f"{label}.{name}")
    return functions, names


def get_overridable_functions() -> dict:
    """{namespace: [functions that honour `__torch_function__`]}."""
    return _overridable_names()[0]


def get_ignored_functions() -> set:
    """Public functions that never look at `__torch_function__`: those that take no tensor."""
    names = ("tensor as_tensor arange zeros ones empty full eye linspace logspace rand randn randint randperm "
             "manual_seed seed initial_seed get_rng_state set_rng_state is_tensor is_storage set_default_dtype "
             "get_default_dtype set_default_device save load is_grad_enabled set_num_threads get_num_threads").split()
    return {getattr(torch, name) for name in names if hasattr(torch, name)}


def get_testing_overrides() -> dict:
    """{function: a stand-in with the same arguments that returns -1}, for tests of `__torch_function__` types."""
    stand_in = lambda *args, **kwargs: -1  # noqa: E731
    return {function: stand_in for functions in get_overridable_functions().values() for function in functions}


def resolve_name(f) -> str | None:
    """The dotted public name of an overridable function, or None."""
    return _overridable_names()[1].get(f)


@functools.cache
def _tensor_methods() -> set:
    return {getattr(torch.Tensor, name) for name in dir(torch.Tensor) if callable(getattr(torch.Tensor, name, None))
            and getattr(torch.Tensor, name).__hash__ is not None}


def is_tensor_method_or_property(func) -> bool:
    """True if `func` is a method of Tensor or the getter of one of its properties."""
    return func in _tensor_methods() or getattr(func, "__name__", None) == "__get__"


class TorchFunctionMode:
    """A context in which every overridable call goes through the mode's `__torch_function__`.

    >>> class Names(torch.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     y = torch.add(torch.ones(1), 1)
    ones
    add
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(self, *exc) -> None:
        _C._pop_torch_function_stack()

    @classmethod
    def push(cls, *args, **kwargs):
        """Deprecated spelling of `cls(*args, **kwargs)`."""
        import warnings

        warnings.warn("TorchFunctionMode.push() is no longer necessary and can be replaced with "
                      "just the constructor", stacklevel=2)
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """The mode that changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def _get_current_function_mode():
    depth = _C._len_torch_function_stack()
    return _C._get_function_stack_at(depth - 1) if depth else None


def _get_current_function_mode_stack() -> list:
    return [_C._get_function_stack_at(i) for i in range(_C._len_torch_function_stack())]


class _pop_mode_temporarily:
    """Inside it the innermost mode is off, so that a mode may call the function it intercepted."""

    def __enter__(self):
        self.mode = _C._pop_torch_function_stack()
        return self.mode

    def __exit__(self, *exc) -> None:
        _C._push_on_torch_function_stack(self.mode)


class enable_reentrant_dispatch:
    """Kept for programs that enter it; nested dispatch needs no switch here."""

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        pass
