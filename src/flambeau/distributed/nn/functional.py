"""Collectives with gradients: the backward of each is the collective that goes the other way."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.distributed import distributed_c10d as c10d

__all__ = ["all_gather", "all_reduce", "all_to_all", "broadcast", "gather", "reduce", "reduce_scatter", "scatter"]

ReduceOp = c10d.ReduceOp


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Any) -> Any:
        ctx.op, ctx.group = op, group
        result = tensor.clone(memory_format=torch.contiguous_format)
        c10d.all_reduce(result, op=op, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, grad)


class _Broadcast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: Any) -> Any:
        ctx.src, ctx.group = src, group
        result = tensor.clone(memory_format=torch.contiguous_format)
        c10d.broadcast(result, src, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        total = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, grad)
        return None, None, total if c10d.get_rank() == ctx.src else torch.zeros_like(total)


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: Any) -> Any:
        ctx.dst, ctx.group = dst, group
        result = tensor.clone(memory_format=torch.contiguous_format)
        c10d.reduce(result, dst, op=op, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, grad)


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: Any, tensor: Any) -> tuple:
        ctx.group = group
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(c10d.get_world_size(group))]
        c10d.all_gather(parts, tensor.contiguous(), group=group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, _ReduceScatter.apply(ReduceOp.SUM, ctx.group, *grads)


class _ReduceScatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, *tensors: Any) -> Any:
        ctx.group = group
        result = torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
        c10d.reduce_scatter(result, [t.contiguous() for t in tensors], op=op, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Any) -> tuple:
        return None, None, *_AllGather.apply(ctx.group, grad)


class _AllToAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: Any, shapes: list, *tensors: Any) -> tuple:
        ctx.group, ctx.shapes = group, [t.shape for t in tensors]
        results = [tensors[0].new_empty(shape) for shape in shapes]
        c10d.all_to_all(results, [t.contiguous() for t in tensors], group=group)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        return None, None, *_AllToAll.apply(ctx.group, ctx.shapes, *grads)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, tensor: Any) -> tuple:
        ctx.dst, ctx.group = dst, group
        parts = [torch.zeros_like(tensor, memory_format=torch.contiguous_format) for _ in range(c10d.get_world_size(group))]
        c10d.gather(tensor.contiguous(), parts if c10d.get_rank() == dst else None, dst, group=group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *grads)


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *tensors: Any) -> Any:
        ctx.src, ctx.group = src, group
        result = torch.zeros_like(tensors[0], memory_format=torch.contiguous_format)
        c10d.scatter(result, [t.contiguous() for t in tensors] if c10d.get_rank() == src else None, src, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Any) -> tuple:
        return None, None, *_Gather.apply(ctx.src, ctx.group, grad)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The combination of all processes' tensors."""
    return _AllReduce.apply(op, group, tensor)


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """The tensor of rank src."""
    return _Broadcast.apply(src, group, tensor)


def reduce(tensor: Any, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The combination, on rank dst."""
    return _Reduce.apply(dst, op, group, tensor)


def all_gather(tensor: Any, group: Any = None) -> tuple:
    """All processes' tensors."""
    return _AllGather.apply(group, tensor)


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple:
    """All processes' tensors, on rank dst; zeros elsewhere."""
    return _Gather.apply(dst, group, tensor)


def scatter(tensors: Any, src: int = 0, group: Any = None) -> Any:
    """This process' part of the tensors of rank src."""
    return _Scatter.apply(src, group, *tensors)


def reduce_scatter(output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """This process' part of the combination of all lists."""
    return _ReduceScatter.apply(op, group, *input_list)


def all_to_all(output_tensor_list: Any, input_tensor_list: Any, group: Any = None) -> tuple:
    """A tensor for and from each process."""
    return _AllToAll.apply(group, [t.shape for t in output_tensor_list], *input_tensor_list)
