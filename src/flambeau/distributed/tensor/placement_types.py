"""How a tensor lies over the processes of a mesh: in pieces, whole on each, or as terms of a sum."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """Base class."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is in pieces (along dim)."""
        return isinstance(self, Shard) and (dim is None or self.dim == dim)

    def is_replicate(self) -> bool:
        """Whether each process has the whole."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether each process has a term."""
        return isinstance(self, Partial) and (reduce_op is None or self.reduce_op == reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """In pieces along dim.

    >>> torch.distributed.tensor.Shard.local_shard_size_and_offset(10, 4, 3)
    (1, 9)
    """

    dim: int

    @staticmethod
    def local_shard_size_and_offset(curr_local_size: int, num_chunks: int, rank: int) -> tuple[int, int]:
        """The length and start of a rank's piece, as `chunk` cuts them."""
        piece = -(-curr_local_size // num_chunks)
        start = min(piece * rank, curr_local_size)
        return min(piece, curr_local_size - start), start

    def __repr__(self) -> str:
        return f"Shard(dim={self.dim})"

    def __str__(self) -> str:
        return f"S({self.dim})"


@dataclass(frozen=True)
class _StridedShard(Shard):
    split_factor: int = 1


@dataclass(frozen=True)
class Replicate(Placement):
    """Whole on each."""

    def __repr__(self) -> str:
        return "Replicate()"

    def __str__(self) -> str:
        return "R"


@dataclass(frozen=True)
class Partial(Placement):
    """Terms, to be combined by reduce_op."""

    reduce_op: str = "sum"

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"

    def __str__(self) -> str:
        return "P"


def _check(placements: Any, mesh: Any) -> tuple:
    """placements as a tuple, one a mesh dimension."""
    if len(placements) != mesh.ndim:
        raise ValueError(f"`placements` must have the same length as `device_mesh.ndim`! (got {len(placements)}, expected {mesh.ndim})")
    return tuple(placements)
