"""torch.ops.NAMESPACE.NAME[.OVERLOAD]: operators by their qualified names, the built-in ones under `aten`, own ones (see
flambeau.library) under their namespaces."""

from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_PREFIXES = ("linalg", "fft", "special")


def _to_copy(self: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool | None = None,
             non_blocking: bool = False, memory_format: Any = None) -> Any:
    return self.to(device=device, dtype=dtype, copy=True, memory_format=memory_format or torch.preserve_format)


def _slice(self: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return self[(slice(None),) * (dim % self.dim()) + (slice(start, end, step),)]


def _sparse_only(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("torch.ops.aten: sparse kernels are not callable by their internal names; use torch.sparse.mm")


# Operators that have no other name.
_INTERNAL: dict[str, Callable] = {"_to_copy": _to_copy, "slice": _slice, "alias": lambda self: self[...],
                                  "index": lambda self, indices: self[tuple(slice(None) if i is None else i for i in indices)],
                                  "_pin_memory": lambda self, device=None: self.pin_memory(),
                                  "sym_size": lambda self, dim=None: self.size() if dim is None else self.size(dim),
                                  "_sparse_addmm": _sparse_only, "_sparse_mm_reduce_impl": _sparse_only}


def _builtin(name: str) -> Callable | None:
    """The function or method that computes an aten operator."""
    if name in _INTERNAL:
        return _INTERNAL[name]
    places = [torch._C._functions, torch._C._nn, torch.Tensor]
    for place in places:
        found = place.get(name) if isinstance(place, dict) else getattr(place, name, None)
        if callable(found):
            return found
    prefix, _, rest = name.partition("_")
    if prefix in _PREFIXES and rest:
        return getattr(getattr(torch, prefix), rest, None)
    found = None if name.startswith("__") else getattr(torch, name, None)
    return found if callable(found) and not isinstance(found, type) else None


class OpOverload:
    """One overload, named like aten.add.Tensor. It takes what the operator takes: arguments choose the computation."""

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self.namespace = packet.namespace
        self.__name__ = f"{packet.__name__}.{overload}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.overloadpacket(*args, **kwargs)

    def name(self) -> str:
        """namespace::operator, and the overload if it has a name."""
        suffix = "" if self._overloadname == "default" else "." + self._overloadname
        return self.overloadpacket._qualified_op_name + suffix

    def __repr__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpOverloadPacket:
    """All overloads of one operator; callable."""

    def __init__(self, namespace: str, name: str, function: Callable) -> None:
        self.namespace, self.__name__, self._function = namespace, name, function
        self._qualified_op_name = f"{namespace}::{name}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("__"):
            raise AttributeError(overload)
        made = OpOverload(self, overload)
        setattr(self, overload, made)
        return made

    def __repr__(self) -> str:
        return f"{self.namespace}.{self.__name__}"


class OpNamespace:
    """torch.ops.NAME."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, operator: str) -> OpOverloadPacket:
        if self.name == "aten":
            found = _builtin(operator)
        else:
            from ..library import _OPERATORS
            found = _OPERATORS.get(f"{self.name}::{operator}")
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{operator}'")
        made = OpOverloadPacket(self.name, operator, found)
        setattr(self, operator, made)
        return made

    def __repr__(self) -> str:
        return f"<module 'torch.ops.{self.name}' from 'torch.ops'>"


_spaces: dict[str, OpNamespace] = {}


def namespace(name: str) -> OpNamespace:
    """The namespace of a name, made when first asked for."""
    return _spaces.setdefault(name, OpNamespace(name))
