"""Switching the recording of gradients on and off: no_grad, enable_grad, set_grad_enabled, inference_mode.

Each is a context manager and a decorator (of functions, generator functions and classes).
"""
from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "set_multithreading_enabled"]


class _ContextDecorator:
    """A context manager whose instances also decorate: every call runs inside a fresh copy of the context."""

    def clone(self) -> Any:
        return type(self)()

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        raise NotImplementedError

    def __call__(self, orig_func: Callable) -> Any:
        if isinstance(orig_func, type):
            import warnings
            warnings.warn("Decorating classes is deprecated and will be disabled in future versions. You should only "
                          "decorate functions or methods. To preserve the current behavior of class decoration, you "
                          "can directly decorate the `__init__` method and nothing else.", FutureWarning, stacklevel=2)
            orig_func.__init__ = context_decorator(self.clone, orig_func.__init__)  # type: ignore[misc]
            return orig_func
        return context_decorator(self.clone, orig_func)


# The name under which programs subclass it.
_DecoratorContextManager = _ContextDecorator


def context_decorator(make: Callable[[], Any], func: Callable) -> Callable:
    """func run inside make(), once a call; a generator function keeps the context only while its body runs."""
    code = getattr(func, "__code__", None)
    if code is not None and code.co_flags & 0x20:     # CO_GENERATOR
        return _generator_decorator(make, func)

    from functools import wraps

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with make():
            return func(*args, **kwargs)

    return wrapper


def _generator_decorator(make: Callable[[], Any], func: Callable) -> Callable:
    from functools import wraps

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = func(*args, **kwargs)
        # Every resumption of the body enters the context anew: between them the caller's own mode holds.
        step, value = generator.send, None
        while True:
            try:
                with make():
                    item = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = generator.send, (yield item)
            except GeneratorExit:
                with make():
                    generator.close()
                raise
            except BaseException as error:
                step, value = generator.throw, error

    return wrapper


class _OptionalCallDecorator(_ContextDecorator):
    """For contexts without parameters: `@no_grad` works like `@no_grad()`."""

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        if orig_func is None:
            return super().__new__(cls)
        return cls()(orig_func)


class no_grad(_OptionalCallDecorator):
    """Nothing is recorded inside: results have requires_grad False. Context manager and decorator.

    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """

    def __enter__(self) -> None:
        self.prev = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        torch._C._set_grad_enabled(self.prev)


class enable_grad(_OptionalCallDecorator):
    """Recording is on inside, also within no_grad. Context manager and decorator.

    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     print((x * 2).requires_grad)
    True
    """

    def __enter__(self) -> None:
        self.prev = torch.is_grad_enabled()
        torch._C._set_grad_enabled(True)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        torch._C._set_grad_enabled(self.prev)


class set_grad_enabled(_ContextDecorator):
    """Recording on or off from the call on; in a with block until its end; as a decorator for a function.

    >>> with torch.set_grad_enabled(False):
    ...     print(torch.is_grad_enabled())
    False
    """

    def __init__(self, mode: bool) -> None:
        self.prev = torch.is_grad_enabled()
        self.mode = mode
        torch._C._set_grad_enabled(mode)

    def __call__(self, orig_func: Callable) -> Any:
        # The constructor switched the mode as for a plain call; a decorator must leave it alone.
        torch._C._set_grad_enabled(self.prev)
        return super().__call__(orig_func)

    def __enter__(self) -> None:
        torch._C._set_grad_enabled(self.mode)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        torch._C._set_grad_enabled(self.prev)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __repr__(self) -> str:
        return f"{torch.typename(self)}(mode={self.mode})"

    __str__ = __repr__


class inference_mode(_ContextDecorator):
    """Like no_grad, for code whose results never meet autograd again: tensors made inside carry no version counter.

    >>> with torch.inference_mode():
    ...     print(torch.ones(1).requires_grad, torch.is_inference_mode_enabled())
    False True
    """

    def __new__(cls, mode: Any = True) -> Any:
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: Any = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.prev = torch._C._set_inference(self.mode)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        torch._C._restore_inference(*self.prev)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)


class set_multithreading_enabled(_ContextDecorator):
    """Accepted for compatibility: the backward pass runs in the calling thread whatever is set here."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        pass

    def clone(self) -> set_multithreading_enabled:
        return type(self)(self.mode)
