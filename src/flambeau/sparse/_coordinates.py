"""Coordinates of COO tensors: their numbers in a flat order, sorting, duplicates, bounds; coalesce."""
from __future__ import annotations

import flambeau as torch

from ._tensor import COO, SparseTensor, coo, elements, handles, layout_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


def flat(indices: Tensor, size: Any) -> Tensor:
    """The number of each coordinate in row-major order of the sparse dimensions."""
    if indices.shape[0] == 1:
        return indices[0]
    keys = indices.new_zeros(indices.shape[1]) if not indices.shape[0] else indices[0]
    for d in range(1, indices.shape[0]):
        keys = keys * size[d] + indices[d]
    return keys


def unflat(keys: Tensor, size: Any) -> Tensor:
    """The coordinates of such numbers: (len(size), nnz)."""
    rows = []
    for n in reversed(list(size)):
        rows.append(keys % n)
        keys = keys.div(n, rounding_mode="floor")
    return torch.stack(rows[::-1]) if rows else keys.new_zeros((0, keys.shape[0]))


def is_sorted(keys: Tensor) -> bool:
    """Whether numbers increase strictly."""
    return keys.shape[0] < 2 or bool((keys[1:] > keys[:-1]).all())


def groups(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The different keys in order, and for each key the number of its group."""
    return torch.unique(keys, sorted=True, return_inverse=True)


def first_of_each(indices: Tensor, size: Any) -> Tensor:
    """Positions of the first occurrence of each coordinate, in order of the coordinates."""
    keys = flat(indices, size)
    different, group = groups(keys)
    position = torch.arange(keys.shape[0])
    return torch.full((different.shape[0],), keys.shape[0]).scatter_reduce(0, group, position, "amin")


def with_values(keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Keys sorted and without duplicates, and the sums of their values."""
    if is_sorted(keys):
        return keys, values
    ordered, order = torch.sort(keys, stable=True)
    if is_sorted(ordered):
        return ordered, values.index_select(0, order)
    starts = torch.ones(ordered.shape[0], dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=starts[1:])
    group = starts.cumsum(0) - 1
    ordered = ordered[starts]
    values = values.index_select(0, order)
    if values.dtype is torch.bool:
        summed = torch.zeros((ordered.shape[0], *values.shape[1:]), dtype=torch.uint8).index_add(0, group, values.to(torch.uint8)) > 0
    else:
        summed = torch.zeros((ordered.shape[0], *values.shape[1:]), dtype=values.dtype).index_add(0, group, values)
    return ordered, summed


@handles("coalesce")
def coalesce(self: SparseTensor) -> SparseTensor:
    """The same tensor with sorted, different coordinates; duplicates are summed."""
    if not isinstance(self, SparseTensor) or self._layout is not COO:
        raise RuntimeError(f"coalesce expected sparse coordinate tensor layout but got {layout_name(self)}")
    if self._coalesced:
        return self
    if self.requires_grad and torch.is_grad_enabled():
        from ._gradients import named
        from ._passing import Coalesce
        return named(Coalesce, "Coalesce").apply(self)
    return coalesced(self, self._elements)


def coalesced(x: SparseTensor, values: Tensor) -> SparseTensor:
    """x with values, sorted and summed."""
    sparse_dim = x._plain.shape[0]
    if x._plain.shape[1] < 2:
        return coo(x._plain, values.clone(), x.shape, True)
    size = x.shape[:sparse_dim]
    keys = flat(x._plain, size)
    ordered, summed = with_values(keys, values)
    if ordered is keys:
        return coo(x._plain, values.clone(), x.shape, True)
    return coo(unflat(ordered, size) if sparse_dim != 1 else ordered.unsqueeze(0), summed, x.shape, True)


def of(x: SparseTensor) -> tuple[SparseTensor, Tensor]:
    """x coalesced, and its values in the graph."""
    x = coalesce(x)
    return x, elements(x)
