"""Own operators by name: custom_op and its registrations, called as functions and as torch.ops.NAMESPACE.NAME."""
from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

__all__ = ["CustomOpDef", "Library", "custom_op", "define", "get_op", "impl", "register_autograd", "register_fake",
           "register_kernel"]

_OPERATORS: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """An operator made of a Python function, with an optional gradient."""

    def __init__(self, name: str, fn: Callable | None, mutates_args: Any) -> None:
        if name.count("::") != 1:
            raise ValueError(f"custom_op: the name must be of the form namespace::name (got {name!r})")
        self._qualname = name
        self._namespace, self._name = name.split("::")
        self._fn = fn
        self._kernels: dict[str, Callable] = {}
        self._fake: Callable | None = None
        self._backward: Callable | None = None
        self._setup_context: Callable | None = None
        self._mutates = () if mutates_args == () else mutates_args
        self._function: Any = None
        if fn is not None:
            self.__name__, self.__doc__ = fn.__name__, fn.__doc__
        _OPERATORS[name] = self

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        tensor = next((a for a in args if isinstance(a, torch.Tensor)), None)
        kind = "cpu" if tensor is None else tensor.device.type
        if kind == "meta":
            if self._fake is None:
                raise NotImplementedError(f"{self._qualname}: no fake implementation is registered; see register_fake")
            return self._fake(*args, **kwargs)
        fn = self._kernels.get(kind, self._fn)
        if fn is None:
            raise NotImplementedError(f"{self._qualname}: no implementation for device {kind}")
        return fn(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._backward is None or not torch.is_grad_enabled():
            return self._run(*args, **kwargs)
        if self._function is None:
            self._function = self._make_function()
        if kwargs:
            import inspect
            bound = inspect.signature(self._fn or self._fake or self._run).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        return self._function.apply(*args)

    def _make_function(self) -> Any:
        op = self

        class Operator(torch.autograd.Function):
            """The operator with its gradient."""

            @staticmethod
            def forward(ctx: Any, *args: Any) -> Any:
                output = op._run(*args)
                if op._setup_context is not None:
                    op._setup_context(ctx, args, output)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return op._backward(ctx, *grads)  # type: ignore[misc]

        return Operator

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Any:
        """Set the implementation for device types; a decorator without fn."""
        def register(f: Callable) -> Callable:
            for kind in (device_types,) if isinstance(device_types, str) else device_types or ("cpu",):
                self._kernels[kind] = f
            return f
        return register if fn is None else register(fn)

    def register_fake(self, fn: Callable, /) -> Callable:
        """Set the implementation for meta tensors: shapes and types only."""
        self._fake = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Set the gradient: backward(ctx, *grads), after setup_context(ctx, inputs, output)."""
        self._backward, self._setup_context, self._function = backward, setup_context, None

    def register_vmap(self, func: Callable | None = None, /) -> Any:
        """Accepted: vmap runs the operator on one slice after the other."""
        return (lambda f: f) if func is None else func

    def register_autocast(self, device_type: str, cast_inputs: Any, /) -> None:
        """Under autocast, cast floating inputs to a type first."""
        inner = self._fn
        if inner is None:
            raise RuntimeError(f"{self._qualname}: register an implementation first")

        def cast(*args: Any, **kwargs: Any) -> Any:
            if torch.is_autocast_enabled(device_type):
                args = tuple([a.to(cast_inputs) if isinstance(a, torch.Tensor) and a.is_floating_point() else a
                              for a in args])
                with torch.autocast(device_type, enabled=False):
                    return inner(*args, **kwargs)
            return inner(*args, **kwargs)

        self._fn = cast


def custom_op(name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str],
              device_types: Any = None, schema: str | None = None, tags: Any = None) -> Any:
    """Make an operator of a function; a decorator without fn.

    >>> @torch.library.custom_op("doc::twice", mutates_args=())
    ... def twice(x: torch.Tensor) -> torch.Tensor:
    ...     return x * 2
    >>> twice(torch.ones(1))
    tensor([2.])
    """
    def make(f: Callable) -> CustomOpDef:
        op = CustomOpDef(name, None if device_types else f, mutates_args)
        if device_types:
            op.register_kernel(device_types)(f)
            op.__name__ = f.__name__
        return op

    return make if fn is None else make(fn)


def get_op(op: Any) -> CustomOpDef:
    """The operator of a name, or the operator itself."""
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPERATORS:
        raise RuntimeError(f"torch.library: there is no operator {op!r}")
    return _OPERATORS[op]


def define(qualname: str, schema: str, *, lib: Any = None, tags: Any = ()) -> Any:
    """Name an operator whose implementation comes by impl()."""
    CustomOpDef(qualname, None, ())
    return lambda f: impl(qualname, "cpu", f)


def impl(qualname: str, types: Any, func: Callable | None = None, *, lib: Any = None) -> Any:
    """Set the implementation for device types ("default" for all); a decorator without func."""
    def register(f: Callable) -> Callable:
        op = get_op(qualname)
        for kind in (types,) if isinstance(types, str) else types:
            if kind.lower() in ("default", "compositeexplicitautograd", "compositeimplicitautograd"):
                op._fn = f
            else:
                op._kernels[kind.lower()] = f
        return f
    return register if func is None else register(func)


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """CustomOpDef.register_kernel by name."""
    return get_op(op).register_kernel(device_types, func)


def register_fake(op: Any, func: Callable | None = None, /, *, lib: Any = None, _stacklevel: int = 1,
                  allow_override: bool = True) -> Any:
    """CustomOpDef.register_fake by name."""
    return get_op(op).register_fake if func is None else get_op(op).register_fake(func)


impl_abstract = register_fake


def register_autograd(op: Any, backward: Callable, /, *, setup_context: Callable | None = None,
                      lib: Any = None) -> None:
    """CustomOpDef.register_autograd by name."""
    get_op(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """CustomOpDef.register_vmap by name."""
    return get_op(op).register_vmap(func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """CustomOpDef.register_autocast by name."""
    get_op(op).register_autocast(device_type, cast_inputs)


class Library:
    """A namespace of operators: Library(ns, "DEF"), then define() and impl()."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError("Unsupported kind: ", kind)
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Name an operator by its schema."""
        name = schema.split("(", 1)[0].strip()
        CustomOpDef(f"{self.ns}::{name}", None, ())
        return name

    def impl(self, op_name: Any, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        """Set an implementation."""
        key = (dispatch_key or self.dispatch_key or "default").lower()
        name = op_name if isinstance(op_name, str) else op_name.__name__
        impl(name if "::" in name else f"{self.ns}::{name}", key, fn)
