"""Proxy: stands for a value while a program is recorded; what is done to it becomes nodes of the graph."""
from __future__ import annotations

import dataclasses
import enum
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import flambeau as torch
from flambeau.fx.graph import Graph, _snake_case
from flambeau.fx.node import Node, base_types

__all__ = ["Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "TraceError", "TracerBase"]


class TraceError(ValueError):
    """A program does with a recorded value what needs its real value."""


class TracerBase:
    """Makes nodes and proxies in `self.graph`."""

    graph: Graph
    record_stack_traces = False
    check_mutable_operations = False
    trace_asserts = False
    proxy_buffer_attributes = False

    def create_node(self, kind: str, target: Any, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None) -> Node:
        """A new node; for subclasses to add to."""
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if self.record_stack_traces:
            import traceback

            frames = [f for f in traceback.extract_stack() if "flambeau/fx/" not in f.filename.replace("\\", "/")]
            node.stack_trace = "".join(traceback.format_list(frames))
        return node

    def proxy(self, node: Node) -> Proxy:
        """The proxy of a node; for subclasses to replace."""
        return Proxy(node, self)

    def create_proxy(self, kind: str, target: Any, args: tuple, kwargs: dict, name: str | None = None, type_expr: Any = None,
                     proxy_factory_fn: Callable[[Node], Proxy] | None = None) -> Proxy:
        """A node for the call, and its proxy."""
        args_, kwargs_ = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args_, kwargs_, name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """a as an argument of a node: proxies become their nodes. NotImplementedError for other kinds of objects."""
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple):
            values = [self.create_arg(value) for value in a]
            return type(a)(*values) if hasattr(a, "_fields") else type(a)(values)
        if isinstance(a, list):
            return [self.create_arg(value) for value in a]
        if isinstance(a, dict):
            if any(isinstance(key, Proxy) for key in a):
                raise RuntimeError("Keys for dictionaries used as an argument cannot contain a Node. Got key: "
                                   f"{next(key for key in a if isinstance(key, Proxy))}")
            return {key: self.create_arg(value) for key, value in a.items()}
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            fields = {f.name: self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a)}
            return self.create_node("call_function", type(a), (), fields)
        if a is None or a is ... or isinstance(a, (*base_types, enum.Enum, Node)):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """A proxy as a condition. TraceError, unless a subclass knows better."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """A walk over a proxy: possible where a call unpacks it into a known number of names. TraceError elsewhere."""
        count = _unpacked_names(sys._getframe(2))
        if count is not None:
            return (obj[i] for i in range(count))
        raise TraceError("Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
                         "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
                         "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
                         "iteration errors")

    def keys(self, obj: Proxy) -> Any:
        """The keys of a proxy, for `**proxy`."""
        return Attribute(obj, "keys")()


def _unpacked_names(frame: Any) -> int | None:
    """The number of names on the left where the frame is about to unpack a value (`a, b = x`)."""
    import dis

    for step in dis.get_instructions(frame.f_code):
        if step.offset >= frame.f_lasti:
            return step.argval if step.opname == "UNPACK_SEQUENCE" else None
    return None


class GraphAppendingTracer(TracerBase):
    """Adds to a graph that exists."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


class Proxy:
    """Stands for the value of a node. Operators, methods, attributes and torch functions on it make new nodes."""

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = tracer if tracer is not None else GraphAppendingTracer(node.graph)
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Attribute:
        if name in ("node", "tracer"):
            raise AttributeError(name)
        return Attribute(self, name)

    def __getstate__(self) -> dict:
        return self.__dict__

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state

    def __deepcopy__(self, memo: dict) -> Proxy:
        raise TypeError("torch.fx: a Proxy stands for a value that does not exist yet and cannot be copied; copy the GraphModule "
                        "after tracing instead")

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """See TracerBase.keys."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError("'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please "
                           "call torch.fx.wrap('len') at module scope")

    def __index__(self) -> int:
        raise TypeError("'Proxy' object cannot be interpreted as an integer")

    @classmethod
    def __torch_function__(cls, orig_method: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Proxy:
        kwargs = kwargs or {}
        found: list[Proxy] = []

        def look(value: Any) -> None:
            if isinstance(value, Proxy):
                found.append(value)
            elif isinstance(value, (tuple, list)):
                for item in value:
                    look(item)
            elif isinstance(value, dict):
                for item in value.values():
                    look(item)

        look((args, kwargs))
        tracer = found[0].tracer
        name = getattr(orig_method, "__name__", None)
        if name == "__get__":  # a tensor's property
            return tracer.create_proxy("call_function", getattr, (args[0], orig_method.__self__.__name__), {})
        if name and getattr(torch.Tensor, name, None) is orig_method and getattr(torch, name, None) is not orig_method:
            plain = name.strip("_")
            if name.startswith("__") and hasattr(torch.Tensor, plain):
                name = plain
            return tracer.create_proxy("call_method", name, args, kwargs)
        return tracer.create_proxy("call_function", orig_method, args, kwargs, name=_snake_case(name) if name else None)


class Attribute(Proxy):
    """An attribute of a proxy: a method if it is called, else a value."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """A parameter whose shape and number of dimensions are known while recording."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        return self.param.shape

    def size(self, dim: int | None = None) -> Any:
        return self.param.size() if dim is None else self.param.size(dim)

    def dim(self) -> int:
        return self.param.dim()

    @property
    def ndim(self) -> int:
        return self.param.ndim

    def numel(self) -> int:
        return self.param.numel()

    def nelement(self) -> int:
        return self.param.numel()


def _define_operators() -> None:
    def unary_or_binary(function: Callable) -> Callable:
        def method(*args: Any) -> Proxy:
            return args[0].tracer.create_proxy("call_function", function, args, {})

        return method

    def reflected(function: Callable) -> Callable:
        def method(self: Proxy, other: Any) -> Proxy:
            return self.tracer.create_proxy("call_function", function, (other, self), {})

        return method

    for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "lshift", "rshift", "and_", "or_", "xor", "matmul", "getitem",
                 "eq", "ne", "lt", "gt", "le", "ge", "pos", "neg", "invert", "abs"):
        function = getattr(operator, name)
        setattr(Proxy, f"__{name.strip('_')}__", unary_or_binary(function))
        if name not in ("getitem", "eq", "ne", "lt", "gt", "le", "ge", "pos", "neg", "invert", "abs"):
            setattr(Proxy, f"__r{name.strip('_')}__", reflected(function))
    Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]


_define_operators()
