"""Collectives that return new tensors instead of filling given ones."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.distributed import distributed_c10d as c10d

__all__ = ["all_gather_tensor", "all_reduce", "all_to_all_single", "all_to_all_single_autograd", "broadcast", "reduce_scatter_tensor",
           "wait_tensor"]


def _group(group: Any) -> Any:
    """A process group from what the functions here take: a group, a mesh of one dimension, a mesh and a dimension."""
    if isinstance(group, tuple):
        return group[0].get_group(group[1])
    return group.get_group() if hasattr(group, "get_group") else group


def _op(name: str) -> Any:
    return c10d.ReduceOp.RedOpType[name.upper()]


def wait_tensor(tensor: Any) -> Any:
    """tensor: results are ready when the functions here return."""
    return tensor


def all_reduce(self: Any, reduceOp: str, group: Any, tag: str = "") -> Any:  # noqa: N803
    """The combination of all processes' tensors; self stays."""
    result = self.detach().clone(memory_format=torch.contiguous_format)
    c10d.all_reduce(result, op=_op(reduceOp), group=_group(group))
    return result


def broadcast(self: Any, src: int, group: Any, tag: str = "") -> Any:
    """The tensor of rank src; self stays."""
    result = self.detach().clone(memory_format=torch.contiguous_format)
    c10d.broadcast(result, src=src, group=_group(group))
    return result


def all_gather_tensor(self: Any, gather_dim: int, group: Any, tag: str = "") -> Any:
    """All processes' tensors, one after the other along gather_dim."""
    parts = [torch.empty_like(self, memory_format=torch.contiguous_format) for _ in range(c10d.get_world_size(_group(group)))]
    c10d.all_gather(parts, self.detach().contiguous(), group=_group(group))
    return torch.cat(parts, gather_dim)


def reduce_scatter_tensor(self: Any, reduceOp: str, scatter_dim: int, group: Any, tag: str = "") -> Any:  # noqa: N803
    """This process' piece along scatter_dim of the combination of all tensors."""
    count = c10d.get_world_size(_group(group))
    if self.size(scatter_dim) % count:
        raise ValueError(f"reduce_scatter_tensor: size {self.size(scatter_dim)} of dimension {scatter_dim} is not divisible by the "
                         f"{count} processes")
    pieces = [piece.contiguous() for piece in self.detach().chunk(count, scatter_dim)]
    result = torch.empty_like(pieces[0])
    c10d.reduce_scatter(result, pieces, op=_op(reduceOp), group=_group(group))
    return result


def all_to_all_single(self: Any, output_split_sizes: list[int] | None, input_split_sizes: list[int] | None, group: Any,
                      tag: str = "") -> Any:
    """Pieces along dimension 0, one for and one from each process."""
    rows = sum(output_split_sizes) if output_split_sizes is not None else self.shape[0]
    result = self.new_empty((rows, *self.shape[1:]))
    c10d.all_to_all_single(result, self.detach().contiguous(), output_split_sizes, input_split_sizes, group=_group(group))
    return result


class _AllToAllSingle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, output_sizes: Any, input_sizes: Any, group: Any) -> Any:
        ctx.sizes, ctx.group = (input_sizes, output_sizes), group
        return all_to_all_single(x, output_sizes, input_sizes, group)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return all_to_all_single(grad, *ctx.sizes, ctx.group), None, None, None


def all_to_all_single_autograd(self: Any, output_split_sizes: list[int] | None, input_split_sizes: list[int] | None, group: Any,
                               tag: str = "") -> Any:
    """all_to_all_single with a gradient."""
    return _AllToAllSingle.apply(self, output_split_sizes, input_split_sizes, group)
