"""Running combination of slices by an associative function (Hillis and Steele 1986)."""
from __future__ import annotations

from typing import Any, Callable

import flambeau as torch
from flambeau.utils import _pytree as pytree

__all__ = ["associative_scan"]


def associative_scan(combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise") -> Any:
    """Slice i of the result combines slices 0 to i of xs (a tensor or a tree of them) along dim, the last first with reverse.

    combine_fn(left, right) must be associative. In the mode "pointwise" it gets many slices at once, in "generic" one at a time, without dim.

    >>> from flambeau._higher_order_ops import associative_scan
    >>> associative_scan(torch.mul, torch.tensor([1, 2, 3, 4]), 0)
    tensor([ 1,  2,  6, 24])
    """
    if combine_mode not in ("pointwise", "generic"):
        raise ValueError(f"Combine_mode must either 'pointwise' or 'generic', but got {combine_mode}")
    if not callable(combine_fn):
        raise ValueError(f"Combine_fn must be a callable, but got {combine_fn}")
    leaves, spec = pytree.tree_flatten(xs)
    if not leaves or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
        raise ValueError("associative_scan: xs must hold tensors, and at least one")
    length = leaves[0].size(dim)
    if any(leaf.size(dim) != length for leaf in leaves):
        raise ValueError("associative_scan: the tensors of xs must have the same size along dim")
    dims = [dim % leaf.dim() for leaf in leaves]
    function = torch.vmap(combine_fn, in_dims=(0, 0)) if combine_mode == "generic" else combine_fn
    values = [leaf.movedim(d, 0) for leaf, d in zip(leaves, dims)]
    if reverse:
        values = [value.flip(0) for value in values]
    step = 1
    while step < length:
        left, right = [v[:-step] for v in values], [v[step:] for v in values]
        if combine_mode == "pointwise":  # the function sees dim where the caller put it
            left, right = ([v.movedim(0, d) for v, d in zip(side, dims)] for side in (left, right))
        combined = pytree.tree_leaves(function(pytree.tree_unflatten(left, spec), pytree.tree_unflatten(right, spec)))
        if combine_mode == "pointwise":
            combined = [v.movedim(d, 0) for v, d in zip(combined, dims)]
        values = [torch.cat([v[:step], c]) for v, c in zip(values, combined)]
        step *= 2
    if reverse:
        values = [value.flip(0) for value in values]
    return pytree.tree_unflatten([value.movedim(0, d) for value, d in zip(values, dims)], spec)
