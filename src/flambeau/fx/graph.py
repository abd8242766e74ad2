"""Graph: the list of nodes of a recorded program, and the Python source made from it."""
from __future__ import annotations

import builtins
import keyword
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.fx.node import Node, _qualified_name, _type_name, map_arg

__all__ = ["CodeGen", "Graph", "PythonCode"]

_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
          "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
          "eq": "==", "ne": "!="}
_INPLACE = {"iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%=", "ipow": "**=",
            "imatmul": "@=", "ilshift": "<<=", "irshift": ">>=", "iand": "&=", "ior": "|=", "ixor": "^="}
_PREFIX = {"neg": "-", "pos": "+", "invert": "~"}
_RESERVED = frozenset(("inf", "nan", "NoneType", "torch", "device", *keyword.kwlist, *dir(builtins)))


class PythonCode(NamedTuple):
    """Generated source and the names that it needs."""

    src: str
    globals: dict[str, Any]


class _Namespace:
    """Gives out names that are valid, unused and not Python's own: x, x_1, x_2..."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}

    def create_name(self, candidate: str) -> str:
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = "_" + candidate
        numbered = re.fullmatch(r"(.*)_(\d+)", candidate)
        base, number = (numbered[1], int(numbered[2])) if numbered else (candidate, 0)
        number = number or self.counts.get(base, 0)
        while candidate in self.used or candidate in _RESERVED:
            number += 1
            candidate = f"{base}_{number}"
        self.used.add(candidate)
        self.counts[base] = number
        return candidate


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class _NodeList:
    """The nodes of a graph in order; it may change during the walk."""

    def __init__(self, graph: Graph, direction: str = "_next") -> None:
        self.graph, self.direction = graph, direction

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Node]:
        root, at = self.graph._root, getattr(self.graph._root, self.direction)
        while at is not root:
            if not at._erased:
                yield at
            at = getattr(at, self.direction)

    def __reversed__(self) -> _NodeList:
        return _NodeList(self.graph, "_prev" if self.direction == "_next" else "_next")


class _InsertPoint:
    """The place where a graph's new nodes go; as a context manager, for a while."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        self.graph._insert = self.before


class CodeGen:
    """How a graph becomes source: the head of the function and its inputs; for subclasses to change."""

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str) -> str:
        """The line with `def forward(...)`."""
        names = ["self", *(v for v in free_vars if v != "self")] if not free_vars or free_vars[0] != "self" else free_vars
        return f"def forward({', '.join(names)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any) -> str:
        """The line with `return`."""
        return f"return {output_args!r}"

    def process_inputs(self, *args: Any) -> Any:
        """The caller's arguments as the graph's placeholders take them."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """The graph's result as the caller gets it."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """More names for the source."""
        return []


class Graph:
    """A program as a list of nodes.

    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> _ = graph.output(graph.call_function(torch.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: dict | None = None) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._namespace = _Namespace()
        self._owning_module, self._tracer_cls, self._tracer_extras = owning_module, tracer_cls, tracer_extras
        self._codegen = CodeGen()

    @property
    def owning_module(self) -> Any:
        """The module that runs this graph, if any."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, module: Any) -> None:
        self._owning_module = module

    @property
    def nodes(self) -> _NodeList:
        """The nodes in order."""
        return _NodeList(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of an op, and of a target if one is given."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def output_node(self) -> Node:
        """The output."""
        return next(n for n in reversed(self.nodes) if n.op == "output")

    # -- making nodes

    def create_node(self, op: str, target: Any, args: tuple | None = None, kwargs: dict | None = None, name: str | None = None,
                    type_expr: Any = None) -> Node:
        """A new node at the insertion point (the end, unless inserting_before or inserting_after moved it)."""
        name = self._namespace.create_name(name if name is not None else self._target_to_str(target))
        node = Node(self, name, op, target, args if args is not None else (), kwargs if kwargs is not None else {}, type_expr)
        self._insert(node)
        self._len += 1
        return node

    def _target_to_str(self, target: Any) -> str:
        name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
        return _snake_case(name.strip("_") if name.startswith("__") and name.endswith("__") else name)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An input."""
        return self.create_node("placeholder", name, () if default_value is ... else (default_value,), type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other value of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None) -> Node:
        """A call of a submodule."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name: str, args: tuple | None = None, kwargs: dict | None = None, type_expr: Any = None) -> Node:
        """A call of a method of args[0]."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(self, the_function: Callable, args: tuple | None = None, kwargs: dict | None = None,
                      type_expr: Any = None, name: str | None = None) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name=name, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """The result."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """New nodes go before n (before the first without n); a `with` block ends it."""
        return _InsertPoint(self, self._root.append if n is None else self._checked(n).prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Each new node goes right after n (at the end without n); a `with` block ends it."""
        return _InsertPoint(self, self._root.prepend if n is None else self._checked(n).append)

    def _checked(self, n: Node) -> Node:
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return n

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node that nobody uses. RuntimeError if it has users."""
        if to_erase.users:
            raise RuntimeError(f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                               f"{to_erase.users}!")
        if to_erase._erased:
            return
        to_erase._unlink()
        to_erase._erased = True
        self._len -= 1
        to_erase._set((), {})

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda n: n) -> Node:
        """A copy of another graph's node; arg_transform gives this graph's node for each of its inputs."""
        new = self.create_node(node.op, node.target, map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform),
                               node.name, node.type)
        new.meta = dict(node.meta)
        return new

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Copy g's nodes here; val_map holds what stands for some of them, and gets the rest. Returns g's result here."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: dict) -> Graph:
        new = Graph(tracer_cls=self._tracer_cls)
        memo[id(self)] = new
        new._codegen = self._codegen
        val_map: dict[Node, Node] = {}
        result = new.graph_copy(self, val_map, return_output_node=True)
        if result is not None:
            value, old = result
            output = new.output(value, old.type)
            output.meta = dict(old.meta)
        return new

    def __getstate__(self) -> dict:
        # nodes refer to each other: written as a flat list, with places instead of nodes
        places = {node: i for i, node in enumerate(self.nodes)}
        rows = [(n.op, n.name, n.target, map_arg(n.args, lambda a: _Place(places[a])), map_arg(n.kwargs, lambda a: _Place(places[a])),
                 n.type) for n in self.nodes]
        return {"rows": rows, "tracer_cls": self._tracer_cls, "codegen": self._codegen}

    def __setstate__(self, state: dict) -> None:
        from flambeau.fx.node import map_aggregate

        Graph.__init__(self, tracer_cls=state["tracer_cls"])
        self._codegen = state["codegen"]
        nodes: list[Node] = []

        def back(value: Any) -> Any:
            return nodes[value.index] if isinstance(value, _Place) else value

        for op, name, target, args, kwargs, kind in state["rows"]:
            nodes.append(self.create_node(op, target, map_aggregate(args, back), map_aggregate(kwargs, back), name, kind))

    # -- checks and changes

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove steps whose results nobody uses, unless they change something; True if there were any."""
        self.lint()
        impure = is_impure_node or Node.is_impure
        dead = [node for node in reversed(self.nodes)]
        changed = False
        for node in dead:
            if not node.users and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """RuntimeError unless every argument is an earlier node of this graph and every target exists."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            for arg in node.all_input_nodes:
                if arg.graph is not self:
                    raise RuntimeError(f"Argument '{arg}' of Node '{node}' does not belong to this Graph, but was used as an "
                                       "argument! If you are copying nodes from another graph, make sure to use "
                                       "``arg_transform`` on node_copy() to remap values\n" + str(self))
                if arg not in seen:
                    raise RuntimeError(f"Argument '{arg}' of Node '{node}' was used before it has been defined! Please check "
                                       "that Nodes in the graph are topologically ordered\n" + str(self))
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)
            if self._owning_module is not None and node.op in ("call_module", "get_attr"):
                value = self._owning_module
                for part in node.target.split("."):
                    if not hasattr(value, part):
                        raise RuntimeError(f"Node {node} target {node.target} references nonexistent attribute {part} of "
                                           f"{self._owning_module}")
                    value = getattr(value, part)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Let another CodeGen write the source."""
        self._codegen = codegen

    def process_inputs(self, *args: Any) -> Any:
        """See CodeGen.process_inputs."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """See CodeGen.process_outputs."""
        return self._codegen.process_outputs(out)

    def on_generate_code(self, make_transformer: Callable) -> None:
        """Not offered. NotImplementedError."""
        raise NotImplementedError("Graph.on_generate_code: generated source is not rewritten here; change the graph instead")

    # -- source

    def python_code(self, root_module: str, *, verbose: bool = False, **options: Any) -> PythonCode:
        """The graph as the source of `forward`, with the global names that it needs; root_module is `self`'s name."""
        return _Source(self, root_module).python_code()

    def print_tabular(self) -> None:
        """The nodes as a table, with the `tabulate` package."""
        try:
            from tabulate import tabulate
        except ImportError as error:
            raise ImportError("`print_tabular` relies on the library `tabulate`, which could not be found on this machine. "
                              "Run `pip install tabulate` to install the library.") from error
        rows = [[n.op, n.name, n.target, n.args, n.kwargs] for n in self.nodes]
        print(tabulate(rows, headers=["opcode", "name", "target", "args", "kwargs"]))

    def __str__(self) -> str:
        lines = [text for text in (node.format_node() for node in self.nodes) if text]
        return "graph():" + "".join("\n    " + line for line in lines)


class _Place:
    """The place of a node in a pickled graph."""

    def __init__(self, index: int) -> None:
        self.index = index


class _Source:
    """Writes one graph's source."""

    def __init__(self, graph: Graph, root: str) -> None:
        self.graph, self.root = graph, root
        self.globals: dict[str, Any] = {}
        self.wrapped: list[str] = []
        self.names = _Namespace()
        self.names.used.update(node.name for node in graph.nodes)

    def _global(self, hint: str, value: Any) -> str:
        name = hint.replace(".", "_")
        if self.globals.get(name, value) is not value:
            name = self.names.create_name(name)
        self.globals[name] = value
        return name

    def _function(self, func: Callable) -> str:
        name = _qualified_name(func)
        head, _, last = name.partition(".")
        if head == "torch":
            self.globals["torch"] = torch
            place: Any = torch
            for part in last.split("."):
                place = getattr(place, part, None)
            if place is func:
                return name
            return self._global(name, func)
        if head == "builtins":
            return last
        return self._global("_" + name if head == "operator" else name, func)

    def _type(self, kind: Any) -> str:
        text = _type_name(kind)
        if isinstance(kind, type) and kind.__module__ == "builtins" or text.startswith("torch."):
            self.globals["torch"] = torch
            return text
        if isinstance(kind, type):
            return self._global(text, kind)
        return repr(text)

    def _value(self, value: Any) -> str:
        if isinstance(value, Node):
            return value.name
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return f"{self._global(_type_name(type(value)), type(value))}({', '.join(map(self._value, value))})"
        if isinstance(value, tuple):
            inner = "(" + ", ".join(map(self._value, value)) + ("," if len(value) == 1 else "") + ")"
            return f"torch.Size({inner})" if type(value) is torch.Size else inner
        if isinstance(value, list):
            return "[" + ", ".join(map(self._value, value)) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {self._value(item)}" for key, item in value.items()) + "}"
        if isinstance(value, slice):
            return f"slice({self._value(value.start)}, {self._value(value.stop)}, {self._value(value.step)})"
        if isinstance(value, torch.device):
            self.globals["device"] = torch.device
        elif isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
            self.globals.update(inf=float("inf"), nan=float("nan"))
        elif isinstance(value, type) or callable(value) and not isinstance(value, torch.dtype):
            return self._function(value) if not isinstance(value, type) else self._type(value)
        elif type(value).__module__ == "enum" or hasattr(type(value), "__members__"):
            return f"{self._global(_type_name(type(value)), type(value))}.{value.name}"
        return repr(value)

    def _call(self, args: tuple, kwargs: dict) -> str:
        parts = [self._value(a) for a in args]
        for key, value in kwargs.items():
            if not key.isidentifier() or keyword.iskeyword(key):
                parts.append("**" + self._value({key: value}))
            else:
                parts.append(f"{key} = {self._value(value)}")
        return "(" + ", ".join(parts) + ")"

    def _attribute(self, place: str, target: str) -> str:
        for part in target.split("."):
            place = f"{place}.{part}" if part.isidentifier() else f'getattr({place}, "{part}")'
        return place

    def _expression(self, node: Node) -> str:
        args, kwargs, target = node.args, node.kwargs, node.target
        if node.op == "get_attr":
            return self._attribute(self.root, target)
        if node.op == "call_module":
            return self._attribute(self.root, target) + self._call(args, kwargs)
        if node.op == "call_method":
            return f"{self._receiver(args[0])}.{target}{self._call(args[1:], kwargs)}"
        if not kwargs:
            name, module = getattr(target, "__name__", ""), getattr(target, "__module__", None)
            if module == "_operator":
                if name in _INFIX and len(args) == 2:
                    return f"{self._value(args[0])} {_INFIX[name]} {self._value(args[1])}"
                if name in _PREFIX and len(args) == 1:
                    return f"{_PREFIX[name]}{self._value(args[0])}"
                if name == "getitem" and len(args) == 2:
                    return f"{self._receiver(args[0])}[{self._value(args[1])}]"
            if target is getattr and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
                return f"{self._receiver(args[0])}.{args[1]}"
        text = self._function(target)
        if getattr(target, "__name__", None) and (target.__module__, target.__name__) in _wrapped_names() and text not in self.wrapped:
            self.wrapped.append(text)
        return text + self._call(args, kwargs)

    def _receiver(self, value: Any) -> str:
        text = self._value(value)
        return text if isinstance(value, Node) else f"({text})"

    def _last_uses(self) -> dict[Node, list[Node]]:
        """For each node the values that nobody needs after it, its own included if it has no users."""
        result: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(self.graph.nodes):
            for used in node.all_input_nodes:
                if used not in seen:
                    seen.add(used)
                    result.setdefault(node, []).append(used)
            if not node.users and node.op not in ("placeholder", "output"):
                result.setdefault(node, []).append(node)
        return result

    def python_code(self) -> PythonCode:
        last_uses = self._last_uses()
        free_vars: list[str] = []
        body: list[str] = []
        returns, kind = "", ""
        for node in self.graph.nodes:
            if node.op == "placeholder":
                of_type = f" : {self._type(node.type)}" if node.type is not None else ""
                free_vars.append(node.target + of_type + (f" = {self._value(node.args[0])}" if node.args else ""))
                raw = node.target.lstrip("*")
                if raw != node.name:
                    body.append(f"{node.name} = {raw}")
                continue
            if node.op == "output":
                if node.type is not None:
                    kind = f" -> {self._type(node.type)}"
                returns = self.graph._codegen.generate_output(_Text(self._value(node.args[0])))
                body.append(returns)
                continue
            if node.op == "call_function" and getattr(node.target, "__module__", None) == "_operator" \
                    and node.target.__name__ in _INPLACE and isinstance(node.args[0], Node):
                first = node.args[0].name
                line = f"{first} {_INPLACE[node.target.__name__]} {self._value(node.args[1])};  {node.name} = {first}"
            elif node.op == "call_function" and node.target is operator.setitem and isinstance(node.args[0], Node):
                first = node.args[0].name
                line = f"{first}[{self._value(node.args[1])}] = {self._value(node.args[2])};  {node.name} = {first}"
            else:
                of_type = f" : {self._type(node.type)}" if node.type is not None else ""
                line = f"{node.name}{of_type} = {self._expression(node)}"
            dead = last_uses.get(node)
            if dead:
                line += ";  " + " = ".join([n.name for n in dead] + ["None"])
            body.append(line)
        for name, value in self.graph._codegen.additional_globals():
            self.globals[name] = value
        if self.root != "self":
            free_vars = [self.root, *free_vars]
        wraps = "".join(f'torch.fx._symbolic_trace.wrap("{name}")\n' for name in self.wrapped)
        head = self.graph._codegen.gen_fn_def(free_vars, kind)
        text = "".join(f"    {line}\n" for line in body or ["pass"])
        if wraps:
            self.globals["torch"] = torch
        return PythonCode(f"\n{wraps}\n\n{head}\n{text}    " if not wraps else f"\n{wraps}\n{head}\n{text}    ", self.globals)


class _Text(str):
    """Source text that shows as itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _wrapped_names() -> set[tuple[str, str]]:
    from flambeau.fx._symbolic_trace import _wrapped

    return {(scope.get("__name__", ""), name) for scope, name in _wrapped}
