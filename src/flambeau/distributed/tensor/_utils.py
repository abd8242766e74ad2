"""Where a process' piece of a tensor lies."""
from __future__ import annotations

from typing import Any

from flambeau.distributed.tensor.placement_types import Shard, _check

__all__ = ["compute_local_shape_and_global_offset"]


def compute_local_shape_and_global_offset(global_shape: Any, mesh: Any, placements: Any, skip_offset: bool = False) -> tuple:
    """The shape of this process' piece, and where it starts in the whole."""
    shape, offset = list(global_shape), [0] * len(global_shape)
    for dim, placement in enumerate(_check(placements, mesh)):
        if isinstance(placement, Shard):
            size, start = Shard.local_shard_size_and_offset(shape[placement.dim], mesh.size(dim), mesh.get_local_rank(dim))
            shape[placement.dim] = size
            offset[placement.dim] += start
    return tuple(shape), () if skip_offset else tuple(offset)
