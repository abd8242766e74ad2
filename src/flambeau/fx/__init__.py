"""torch.fx: programs recorded as graphs, changed, and turned back into modules.

>>> import flambeau as torch
>>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
>>> [node.name for node in gm.graph.nodes]
['x', 'relu', 'add', 'output']
>>> gm(torch.tensor([-1.0, 2.0]))
tensor([1., 3.])
"""
from __future__ import annotations

from typing import Any

from flambeau.fx import immutable_collections, node, proxy
from flambeau.fx._symbolic_trace import Tracer, symbolic_trace, wrap
from flambeau.fx.graph import CodeGen, Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.interpreter import Interpreter, Transformer
from flambeau.fx.node import Node, has_side_effect, map_arg
from flambeau.fx.proxy import Proxy

__all__ = ["CodeGen", "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "has_side_effect",
           "immutable_collections", "map_arg", "node", "proxy", "replace_pattern", "symbolic_trace", "wrap"]

_MODULES = frozenset(("passes", "subgraph_rewriter"))


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name == "replace_pattern":
        return import_module(f"{__name__}.subgraph_rewriter").replace_pattern
    raise AttributeError(f"module 'torch.fx' has no attribute {name!r}")
