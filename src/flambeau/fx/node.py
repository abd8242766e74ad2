"""One step of a graph: what it calls, with what, who uses its result."""
from __future__ import annotations

import builtins
import operator
from typing import Any, Callable

import flambeau as torch
from flambeau.fx.immutable_collections import immutable_dict, immutable_list

__all__ = ["Node", "has_side_effect", "map_aggregate", "map_arg"]

Argument = Any
Target = Any
base_types = (str, int, float, bool, complex, torch.dtype, torch.device, torch.memory_format, torch.layout)
_LEGAL_OPS = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root")
_INPLACE_OPERATORS = frozenset(("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "iand", "ior", "ixor"))
_side_effects: set[Callable] = {operator.setitem}


def has_side_effect(fn: Callable) -> Callable:
    """Declare that calls of fn stay in a graph though nobody uses their result; returns fn."""
    _side_effects.add(fn)
    return fn


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """a with fn applied to what its (nested) tuples, lists, dictionaries and slices hold."""
    if isinstance(a, tuple):
        values = [map_aggregate(value, fn) for value in a]
        return type(a)(*values) if hasattr(a, "_fields") else type(a)(values) if type(a) is torch.Size else tuple(values)
    if isinstance(a, list):
        return immutable_list([map_aggregate(value, fn) for value in a])
    if isinstance(a, dict):
        return immutable_dict((key, map_aggregate(value, fn)) for key, value in a.items())
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """map_aggregate for the nodes alone; other values stay."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


# -- names of functions

_PLACES = ("torch", "torch.nn.functional", "torch._C._nn", "torch.linalg", "torch.fft", "torch.special", "torch.functional")


def _place(path: str) -> Any:
    """What a dotted path below torch names; None if nothing."""
    value: Any = torch
    for part in path.split(".")[1:]:
        value = getattr(value, part, None)
    return value


def _qualified_name(func: Callable) -> str:
    """Where a program finds func: `torch.relu`, `operator.add`, `package.module.function`.

    Functions that need no import (a local one, a lambda) have their module's name in front all the same.
    """
    name = getattr(func, "__name__", None) or type(func).__name__
    module = getattr(func, "__module__", None) or ""
    if module == "_operator":
        return f"operator.{name}"
    if module == "builtins" and getattr(builtins, name, None) is func:
        return f"builtins.{name}"
    head, dot, rest = module.partition(".")
    if head in ("flambeau", "torch"):
        full = "torch" + dot + rest
        for place in (full, *_PLACES) if full in _PLACES else (*_PLACES, full):
            if getattr(_place(place), name, None) is func:
                return f"{place}.{name}"
        return f"{full}.{name}"
    return f"{module}.{name}" if module else name


def _format_arg(arg: Any) -> str:
    if isinstance(arg, Node):
        return "%" + arg.name
    if isinstance(arg, tuple) and not hasattr(arg, "_fields"):
        return "(" + ", ".join(map(_format_arg, arg)) + ("," if len(arg) == 1 else "") + ")"
    if isinstance(arg, list):
        return "[" + ", ".join(map(_format_arg, arg)) + "]"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{key}: {_format_arg(value)}" for key, value in arg.items()) + "}"
    return str(arg)


class Node:
    """A step of a graph, made by the graph's methods.

    `op` is placeholder, get_attr, call_function, call_method, call_module or output; `target` what is called or read;
    `users` the nodes that take the result; `meta` is the program's own.
    """

    def __init__(self, graph: Any, name: str, op: str, target: Any, args: tuple, kwargs: dict, return_type: Any = None) -> None:
        if op not in _LEGAL_OPS:
            raise AssertionError(f"op '{op}' is not in _legal_ops")
        if op == "call_function" and not callable(target):
            raise ValueError(f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a Callable is "
                             "expected")
        if op not in ("call_function", "root") and not isinstance(target, str):
            raise ValueError(f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str is expected")
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._args: tuple = ()
        self._kwargs: dict = {}
        self._prev: Node = self
        self._next: Node = self
        self._erased = False
        self._repr_fn: Callable[[Node], str] | None = None
        self._set(args, kwargs)

    # -- place in the list

    @property
    def next(self) -> Node:
        """The node after this one; the graph's root after the last."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one; the graph's root before the first."""
        return self._prev

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Move or insert x before this node."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x: Node) -> None:
        """Move or insert x after this node."""
        self._next.prepend(x)

    # -- arguments

    @property
    def args(self) -> tuple:
        """Positional arguments; assign a new tuple to change them."""
        return self._args

    @args.setter
    def args(self, value: tuple) -> None:
        self._set(value, self._kwargs)

    @property
    def kwargs(self) -> dict:
        """Keyword arguments; assign a new dictionary to change them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict) -> None:
        self._set(self._args, value)

    def _set(self, args: Any, kwargs: Any) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}

        def use(node: Node) -> Node:
            self._input_nodes[node] = None
            node.users.setdefault(self)
            return node

        self._args, self._kwargs = map_arg(tuple(args) if isinstance(args, list) else args, use), map_arg(kwargs, use)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Set one positional argument."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Insert a positional argument before place idx."""
        if not 0 <= idx <= len(self._args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Set one keyword argument."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take new_input wherever the arguments have old_input."""
        def change(node: Node) -> Node:
            return new_input if node is old_input else node

        self._set(map_arg(self._args, change), map_arg(self._kwargs, change))

    def replace_all_uses_with(self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True, *,
                              propagate_meta: bool = False) -> list[Node]:
        """Let every user (for which delete_user_cb is true) take replace_with instead; returns those changed."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = [user for user in self.users if delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    # -- what it is

    @property
    def stack_trace(self) -> str | None:
        """Where the program made the step, if the tracer recorded it."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the step must stay though nobody uses its result."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return (self.target in _side_effects or self.target is torch._assert or self.kwargs.get("out") is not None
                    or getattr(self.target, "__module__", None) == "_operator" and self.target.__name__ in _INPLACE_OPERATORS)
        if self.op == "call_method":
            return self.target.endswith("_") and not self.target.endswith("__")
        if self.op == "call_module":
            root = self.graph.owning_module
            module = root.get_submodule(self.target) if root is not None else None
            return getattr(module, "_is_impure", False)
        return False

    def _pretty_print_target(self, target: Any) -> str:
        return target if isinstance(target, str) else _qualified_name(target)

    def format_node(self, placeholder_names: list[str] | None = None, maybe_return_typename: list[str] | None = None, *,
                    include_tensor_metadata: bool = False) -> str | None:
        """The node's line in the graph's text; a placeholder goes to placeholder_names if that list is given."""
        of_type = f": {_type_name(self.type)} " if self.type is not None else ": "
        head = f"%{self.name} {of_type}[num_users={len(self.users)}] = {self.op}[target={self._pretty_print_target(self.target)}]"
        if self.op == "placeholder":
            if placeholder_names is not None:
                placeholder_names.append(self.name + (f": {_type_name(self.type)}" if self.type is not None else ""))
                return None
            return head + (f"(default={self.args[0]})" if self.args else "")
        if self.op == "get_attr":
            return head
        if self.op == "output":
            if self.type is not None and maybe_return_typename is not None:
                maybe_return_typename[0] = f" -> {_type_name(self.type)}"
            return f"return {self.args[0]}"
        return head + f"(args = {_format_arg(self.args)}, kwargs = {_format_arg(self.kwargs)})"

    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn is not None else self.name

    def __reduce__(self) -> Any:
        raise TypeError(f"fx.Node: a node is pickled with its graph only (got node '{self.name}')")

    def __deepcopy__(self, memo: dict) -> Node:
        raise TypeError(f"fx.Node: a node is copied with its graph only (got node '{self.name}'); use graph.node_copy")


def _type_name(kind: Any) -> str:
    """A type as source text: `torch.Tensor`, `int`, `typing.List[int]`."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, type) and not getattr(kind, "__args__", None):
        module = kind.__module__
        if module == "builtins":
            return kind.__name__
        if module.partition(".")[0] == "flambeau":
            module = "torch" + module[len("flambeau"):]
        return f"{module}.{kind.__qualname__}"
    return repr(kind).replace("flambeau.", "torch.")
