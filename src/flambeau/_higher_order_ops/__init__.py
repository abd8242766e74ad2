"""Control flow as operators: torch.cond, while_loop, scan, map, associative_scan. They run as plain Python."""
from __future__ import annotations

from typing import Any, Callable

import flambeau as torch
from flambeau._higher_order_ops.associative_scan import associative_scan
from flambeau.utils import _pytree as pytree

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Any:
    """true_fn(*operands) if pred, else false_fn(*operands).

    >>> torch.cond(torch.tensor(True), lambda x: x + 1, lambda x: x - 1, (torch.zeros(2),))
    tensor([1., 1.])
    """
    if isinstance(pred, torch.Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    return (true_fn if pred else false_fn)(*operands)


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any) -> tuple:
    """body_fn's results, given to it again while cond_fn of them holds."""
    values = tuple(carried_inputs)
    while cond_fn(*values):
        result = body_fn(*values)
        values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    return values


def scan(combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple:
    """(carry, y) = combine_fn(carry, x) for each slice x along dim: the last carry, and the y stacked along dimension 0."""
    leaves, spec = pytree.tree_flatten(xs)
    order = range(leaves[0].size(dim))
    carry, results = init, []
    for i in reversed(order) if reverse else order:
        carry, y = combine_fn(carry, pytree.tree_unflatten([leaf.select(dim, i) for leaf in leaves], spec))
        results.append(y)
    if reverse:
        results.reverse()
    return carry, pytree.tree_map(lambda *ys: torch.stack(ys), *results)


def map(f: Callable, xs: Any, *args: Any) -> Any:  # noqa: A001
    """f(x, *args) for each slice x along dimension 0, stacked."""
    leaves, spec = pytree.tree_flatten(xs)
    results = [f(pytree.tree_unflatten([leaf[i] for leaf in leaves], spec), *args) for i in range(leaves[0].size(0))]
    return pytree.tree_map(lambda *ys: torch.stack(ys), *results)
