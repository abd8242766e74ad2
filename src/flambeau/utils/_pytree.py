"""Nested containers as flat lists and back: tree_flatten, tree_unflatten, tree_map, registration of own types."""
from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any, Callable, Iterable, NamedTuple

__all__ = ["PyTree", "TreeSpec", "LeafSpec", "register_pytree_node", "tree_flatten", "tree_unflatten", "tree_iter",
           "tree_leaves", "tree_structure", "tree_map", "tree_map_", "tree_map_only", "tree_map_only_", "tree_all",
           "tree_any", "tree_all_only", "tree_any_only", "treespec_dumps", "treespec_loads", "treespec_pprint",
           "tree_flatten_with_path", "tree_map_with_path", "keystr", "SequenceKey", "MappingKey", "GetAttrKey"]

PyTree = Any
Context = Any


class SequenceKey(NamedTuple):
    """A step into a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, tree: Any) -> Any:
        """The child of tree at this step."""
        return tree[self.idx]


class MappingKey(NamedTuple):
    """A step into a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, tree: Any) -> Any:
        """The child of tree at this step."""
        return tree[self.key]


class GetAttrKey(NamedTuple):
    """A step to an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, tree: Any) -> Any:
        """The child of tree at this step."""
        return getattr(tree, self.name)


class NodeDef(NamedTuple):
    """How a container type is taken apart (children, context) and put together."""

    type: type
    flatten_fn: Callable[[Any], tuple[list, Any]]
    unflatten_fn: Callable[[Iterable, Any], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list, Any]] | None = None


Context = PyTree = Any  # for annotations
SUPPORTED_NODES: dict[type, NodeDef] = {}
SERIALIZED_NAMES: dict[type, str] = {}


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, *,
                         serialized_type_name: str | None = None, to_dumpable_context: Any = None,
                         from_dumpable_context: Any = None, flatten_with_keys_fn: Any = None) -> None:
    """Make a class a container: flatten_fn(obj) -> (children, context), unflatten_fn(children, context) -> obj.

    >>> from flambeau.utils import _pytree
    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> _pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda c, _: Pair(*c))
    >>> _pytree.tree_leaves(Pair(1, [2, 3]))
    [1, 2, 3]
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    SERIALIZED_NAMES[cls] = serialized_type_name or f"{cls.__module__}.{cls.__qualname__}"


# Early name.
_register_pytree_node = register_pytree_node


def _is_namedtuple(obj: Any) -> bool:
    cls = obj if isinstance(obj, type) else type(obj)
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple) and cls.__bases__ == (tuple,)


def _structseq(cls: type) -> bool:
    """Result types such as torch.return_types.max: tuples that know their number of fields."""
    return issubclass(cls, tuple) and cls is not tuple and hasattr(cls, "n_fields")


def _node_type(tree: Any) -> Any:
    cls = type(tree)
    if cls in SUPPORTED_NODES:
        return cls
    if _is_namedtuple(cls):
        return namedtuple
    if isinstance(tree, tuple) and _structseq(cls):
        return _structseq
    return None


_get_node_type = _node_type


# How lists, tuples and dictionaries come apart: libraries use these for containers of their own.

def _list_flatten(d: list) -> tuple[list, Any]:
    return d, None


def _list_unflatten(values: Iterable, context: Any) -> list:
    return list(values)


def _list_flatten_with_keys(d: Any) -> tuple[list, Any]:
    return [(SequenceKey(i), x) for i, x in enumerate(d)], None


def _tuple_flatten(d: tuple) -> tuple[list, Any]:
    return list(d), None


def _tuple_unflatten(values: Iterable, context: Any) -> tuple:
    return tuple(values)


_tuple_flatten_with_keys = _list_flatten_with_keys


def _dict_flatten(d: dict) -> tuple[list, Any]:
    return list(d.values()), list(d)


def _dict_unflatten(values: Iterable, context: Any) -> dict:
    return dict(zip(context, values))


def _dict_flatten_with_keys(d: dict) -> tuple[list, Any]:
    return [(MappingKey(k), v) for k, v in d.items()], list(d)


def _register_builtin() -> None:
    register_pytree_node(tuple, _tuple_flatten, _tuple_unflatten, flatten_with_keys_fn=_tuple_flatten_with_keys)
    register_pytree_node(list, _list_flatten, _list_unflatten, flatten_with_keys_fn=_list_flatten_with_keys)
    register_pytree_node(dict, _dict_flatten, _dict_unflatten, flatten_with_keys_fn=_dict_flatten_with_keys)
    register_pytree_node(OrderedDict, lambda d: (list(d.values()), list(d)), lambda c, keys: OrderedDict(zip(keys, c)),
                         flatten_with_keys_fn=_dict_flatten_with_keys)
    register_pytree_node(
        defaultdict, lambda d: (list(d.values()), [d.default_factory, list(d)]),
        lambda c, context: defaultdict(context[0], zip(context[1], c)),
        flatten_with_keys_fn=lambda d: ([(MappingKey(k), v) for k, v in d.items()], [d.default_factory, list(d)]))
    register_pytree_node(deque, lambda d: (list(d), d.maxlen), lambda c, maxlen: deque(c, maxlen=maxlen),
                         flatten_with_keys_fn=lambda d: ([(SequenceKey(i), x) for i, x in enumerate(d)], d.maxlen))
    SUPPORTED_NODES[namedtuple] = NodeDef(  # type: ignore[index]
        namedtuple, lambda t: (list(t), type(t)), lambda c, cls: cls(*c),  # type: ignore[arg-type]
        lambda t: ([(GetAttrKey(f), x) for f, x in zip(t._fields, t)], type(t)))
    SUPPORTED_NODES[_structseq] = NodeDef(  # type: ignore[index]
        _structseq, lambda t: (list(t), type(t)), lambda c, cls: cls(c),  # type: ignore[arg-type]
        lambda t: ([(SequenceKey(i), x) for i, x in enumerate(t)], type(t)))


class TreeSpec:
    """The structure of a tree: a container's type and context, and the specs of its children."""

    __slots__ = ("type", "context", "children_specs", "num_nodes", "num_leaves", "num_children")

    def __init__(self, type: Any, context: Any, children_specs: list) -> None:  # noqa: A002
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_children = len(children_specs)
        self.num_nodes = 1 + sum(c.num_nodes for c in children_specs)
        self.num_leaves = sum(c.num_leaves for c in children_specs) if type is not None else 1

    def is_leaf(self) -> bool:
        """Whether this is the spec of a leaf."""
        return self.type is None

    def children(self) -> list:
        """The specs of the children."""
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        """The spec of one child."""
        return self.children_specs[index]

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, TreeSpec) and self.type is other.type and self.context == other.context
                and self.children_specs == other.children_specs)

    def __hash__(self) -> int:
        context = tuple(self.context) if self.type in (dict, OrderedDict) else self.context
        if self.type is defaultdict:
            context = (context[0], tuple(context[1]))
        return hash((self.type, context, tuple(self.children_specs)))

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        name = self.type.__name__ if hasattr(self.type, "__name__") else repr(self.type)
        head = f"TreeSpec({name}, {self.context}, ["
        pad = " " * (indent + 2)
        inner = ""
        if self.children_specs:
            texts = [c._text(indent + 2) for c in self.children_specs]
            inner = texts[0] + "".join(",\n" + pad + t for t in texts[1:])
        return head + inner + "])"

    def flatten_up_to(self, tree: Any) -> list:
        """The sub-trees of a tree at the places of this spec's leaves."""
        out: list = []
        self._flatten_up_to(tree, out)
        return out

    def _flatten_up_to(self, tree: Any, out: list) -> None:
        if self.type is None:
            out.append(tree)
            return
        kind = _node_type(tree)
        if kind is not self.type:
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(children)}.")
        if kind in (dict, OrderedDict, defaultdict):
            keys = self.context[1] if kind is defaultdict else self.context
            if set(keys) != set(tree):
                raise ValueError(f"Node keys mismatch; expected {keys!r}, but got {list(tree)!r}.")
            children = [tree[k] for k in keys]
        elif context != self.context:
            raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
        for spec, child in zip(self.children_specs, children):
            spec._flatten_up_to(child, out)

    def unflatten(self, leaves: Iterable) -> Any:
        """The tree of this structure with these leaves."""
        if not isinstance(leaves, (list, tuple)):
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a "
                             f"pytree that holds {self.num_leaves} items ({self}).")
        return self._build(iter(leaves))

    def _build(self, leaves: Any) -> Any:
        if self.type is None:
            return next(leaves)
        return SUPPORTED_NODES[self.type].unflatten_fn([c._build(leaves) for c in self.children_specs], self.context)


class LeafSpec(TreeSpec):
    """The spec of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def __repr__(self) -> str:
        return "*"


_LEAF = LeafSpec()
_register_builtin()


def _flatten(tree: Any, leaves: list, is_leaf: Any) -> TreeSpec:
    kind = _node_type(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return _LEAF
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flatten(c, leaves, is_leaf) for c in children])


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """The leaves of a nested structure, and the structure.

    >>> from flambeau.utils import _pytree
    >>> _pytree.tree_flatten({"a": 1, "b": (2, 3)})[0]
    [1, 2, 3]
    """
    leaves: list = []
    spec = _flatten(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> Any:
    """The nested structure of a spec with given leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError("tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item "
                        f"of type {type(treespec)}.")
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: Any = None) -> Iterable:
    """The leaves, one by one."""
    yield from tree_leaves(tree, is_leaf)


def tree_leaves(tree: Any, is_leaf: Any = None) -> list:
    """The leaves as a list."""
    leaves: list = []
    _flatten(tree, leaves, is_leaf)
    return leaves


def tree_structure(tree: Any, is_leaf: Any = None) -> TreeSpec:
    """The spec alone."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Any = None) -> Any:
    """func applied to every leaf (and to the leaves at the same places of further trees).

    >>> from flambeau.utils import _pytree
    >>> _pytree.tree_map(lambda x: x * 2, {"a": 1, "b": [2]})
    {'a': 2, 'b': [4]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves] + [spec.flatten_up_to(r) for r in rests]
    return spec.unflatten([func(*row) for row in zip(*columns)])


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Any = None) -> Any:
    """tree_map for its effects; returns the tree."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _predicate(kind: Any) -> Callable[[Any], bool]:
    if isinstance(kind, (type, tuple)):
        return lambda x: isinstance(x, kind)
    if callable(kind):
        return kind
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(kind: Any, /) -> Callable:
    """Decorator: the function applies to values of a type, others pass."""
    wanted = _predicate(kind)
    return lambda func: lambda x: func(x) if wanted(x) else x


def tree_map_only(kind: Any, func: Callable, tree: Any, is_leaf: Any = None) -> Any:
    """tree_map of the leaves of a type."""
    return tree_map(map_only(kind)(func), tree, is_leaf=is_leaf)


def tree_map_only_(kind: Any, func: Callable, tree: Any, is_leaf: Any = None) -> Any:
    """tree_map_ of the leaves of a type."""
    return tree_map_(map_only(kind)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Whether pred holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Whether pred holds for some leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(kind: Any, pred: Callable, tree: Any, is_leaf: Any = None) -> bool:
    """Whether pred holds for all leaves of a type."""
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kind))


def tree_any_only(kind: Any, pred: Callable, tree: Any, is_leaf: Any = None) -> bool:
    """Whether pred holds for some leaf of a type."""
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, kind))


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: Any = None) -> list | None:
    """Leaves of a prefix tree repeated to fit a spec; None where the structures differ."""
    kind = _node_type(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        return [tree] * treespec.num_leaves
    if treespec.is_leaf() or kind is not treespec.type:
        return None
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    out: list = []
    for child, spec in zip(children, treespec.children_specs):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        out += part
    return out


def tree_flatten_with_path(tree: Any, is_leaf: Any = None) -> tuple[list, TreeSpec]:
    """[(path, leaf), ...] and the spec; a path is a tuple of keys."""
    pairs: list = []

    def walk(node: Any, path: tuple) -> None:
        kind = _node_type(node)
        if kind is None or (is_leaf is not None and is_leaf(node)):
            pairs.append((path, node))
            return
        keyed = SUPPORTED_NODES[kind].flatten_with_keys_fn
        if keyed is None:
            raise ValueError(f"Did not find a flatten_with_keys_fn for type: {type(node)}.")
        for key, child in keyed(node)[0]:
            walk(child, (*path, key))

    walk(tree, ())
    return pairs, tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable, tree: Any, *rests: Any, is_leaf: Any = None) -> Any:
    """tree_map with func(path, leaf, ...)."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    columns = [spec.flatten_up_to(r) for r in rests]
    return spec.unflatten([func(path, leaf, *others) for (path, leaf), *others in zip(pairs, *columns)])


def keystr(path: Iterable) -> str:
    """A path as text, such as "['a'][0]"."""
    return "".join(map(str, path))


def key_get(obj: Any, path: Iterable) -> Any:
    """The sub-tree at a path."""
    for key in path:
        obj = key.get(obj)
    return obj


def treespec_dumps(treespec: TreeSpec) -> str:
    """A spec of built-in containers as JSON."""
    import json

    def pack(spec: TreeSpec) -> dict:
        if spec.is_leaf():
            return {"type": None, "context": None, "children_spec": []}
        if spec.type not in (tuple, list, dict, OrderedDict, deque):
            raise NotImplementedError(f"No registered serialization name for {spec.type} found. Please register one.")
        return {"type": spec.type.__name__, "context": spec.context,
                "children_spec": [pack(c) for c in spec.children_specs]}

    return json.dumps([1, pack(treespec)])


def treespec_loads(serialized: str) -> TreeSpec:
    """The spec that treespec_dumps wrote."""
    import json
    types = {t.__name__: t for t in (tuple, list, dict, OrderedDict, deque)}

    def unpack(data: dict) -> TreeSpec:
        if data["type"] is None:
            return _LEAF
        return TreeSpec(types[data["type"]], data["context"], [unpack(c) for c in data["children_spec"]])

    return unpack(json.loads(serialized)[1])


def treespec_pprint(treespec: TreeSpec) -> str:
    """A readable text of a spec."""
    return repr(treespec.unflatten(["*"] * treespec.num_leaves)).replace("'*'", "*")
