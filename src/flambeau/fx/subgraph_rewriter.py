"""replace_pattern: every place where a graph looks like a pattern gets a replacement."""
from __future__ import annotations

from typing import Any, NamedTuple

from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.node import Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """A place found: its last node, and what stands for each node of the pattern."""

    anchor: Node
    nodes_map: dict[Node, Any]


def _graph_of(value: Any) -> Graph:
    if isinstance(value, GraphModule):
        return value.graph
    if isinstance(value, Graph):
        return value
    from flambeau.fx._symbolic_trace import symbolic_trace

    return symbolic_trace(value).graph


def _match_value(pattern: Any, value: Any, found: dict[Node, Any]) -> bool:
    if isinstance(pattern, Node):
        return _match(pattern, value, found)
    if isinstance(pattern, (list, tuple)):
        return isinstance(value, (list, tuple)) and len(pattern) == len(value) and all(
            _match_value(p, v, found) for p, v in zip(pattern, value))
    if isinstance(pattern, dict):
        return isinstance(value, dict) and pattern.keys() == value.keys() and all(
            _match_value(p, value[key], found) for key, p in pattern.items())
    if isinstance(pattern, slice):
        return isinstance(value, slice) and _match_value((pattern.start, pattern.stop, pattern.step),
                                                         (value.start, value.stop, value.step), found)
    return not isinstance(value, Node) and type(pattern) is type(value) and pattern == value


def _match(pattern: Node, value: Any, found: dict[Node, Any]) -> bool:
    """Whether value's step, and what it takes, look like the pattern's; fills found."""
    if pattern in found:
        return found[pattern] is value or not isinstance(value, Node) and found[pattern] == value
    if pattern.op != "placeholder":
        if not isinstance(value, Node) or (pattern.op, pattern.target) != (value.op, value.target):
            return False
        if not (_match_value(tuple(pattern.args), tuple(value.args), found) and _match_value(pattern.kwargs, value.kwargs, found)):
            return False
    found[pattern] = value
    return True


def _closed(found: dict[Node, Any], outputs: list[Node]) -> bool:
    """Whether nobody outside uses what is inside, except the results."""
    inside = {v for p, v in found.items() if p.op != "placeholder"}
    results = {found[p] for p in outputs}
    return all(node in results or set(node.users) <= inside for node in inside)


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Put replacement (a function or module with the pattern's arguments) wherever gm's graph looks like pattern.

    >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x).sum() + 1)
    >>> len(torch.fx.replace_pattern(gm, lambda x: torch.relu(x), lambda x: torch.tanh(x)))
    1
    >>> gm(torch.zeros(2))
    tensor(1.)
    """
    pattern_graph, new_graph = _graph_of(pattern), _graph_of(replacement)
    result = pattern_graph.output_node().args[0]
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    inputs = [n for n in pattern_graph.nodes if n.op == "placeholder"]
    matches: list[Match] = []
    taken: set[Node] = set()
    for node in list(gm.graph.nodes):
        found: dict[Node, Any] = {}
        if len(outputs) != 1:
            raise NotImplementedError("replace_pattern: patterns have one result here (got a pattern with "
                                      f"{len(outputs)}); split it into patterns of one result each")
        if not _match(outputs[0], node, found) or not _closed(found, outputs):
            continue
        inside = {v for p, v in found.items() if p.op != "placeholder"}
        if inside & taken:
            continue
        taken |= inside
        matches.append(Match(node, found))
    replaced: dict[Any, Any] = {}
    for match in matches:
        values: dict[Node, Any] = {}
        for ours, theirs in zip(inputs, (n for n in new_graph.nodes if n.op == "placeholder")):
            value = match.nodes_map.get(ours)
            while isinstance(value, Node) and value in replaced:
                value = replaced[value]
            values[theirs] = value
        with gm.graph.inserting_before(match.anchor):
            new = gm.graph.graph_copy(new_graph, values)
        match.anchor.replace_all_uses_with(new)
        replaced[match.anchor] = new
        for theirs in reversed(pattern_graph.nodes):
            if theirs.op not in ("placeholder", "output"):
                old = match.nodes_map[theirs]
                if not old.users:
                    gm.graph.erase_node(old)
    for target, module in (replacement.named_modules() if hasattr(replacement, "named_modules") else ()):
        if target and not hasattr(gm, target.partition(".")[0]):
            gm.add_submodule(target, module)
    gm.recompile()
    return matches
