"""Operators whose gradient is handed on whole, whatever its layout or pattern: coalesce, sums, another order of
dimensions; and those whose gradient is strided, as PyTorch has it: the sum of all and torch.mm."""
from __future__ import annotations

from flambeau.autograd.function import Function

from ._tensor import SparseTensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


class Coalesce(Function):
    """Sorting and summing changes the parts, not the tensor."""

    @staticmethod
    def forward(ctx: Any, x: SparseTensor) -> SparseTensor:
        from ._coordinates import coalesced
        ctx.set_materialize_grads(False)
        return coalesced(x, x._elements)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Add(Function):
    """a + alpha * b, for two sparse tensors or a strided and a sparse one."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, alpha: Any) -> Tensor:
        from ._arithmetic import add_plain
        ctx.alpha, ctx.dtypes = alpha, (a.dtype, b.dtype)
        ctx.set_materialize_grads(False)
        return add_plain(a, b, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        if grad is None:
            return None, None, None
        return grad, grad if ctx.alpha == 1 else grad * ctx.alpha, None


class Permute(Function):
    """Another order of dimensions, undone."""

    @staticmethod
    def forward(ctx: Any, x: SparseTensor, order: list[int]) -> SparseTensor:
        from ._shape import permute_plain
        ctx.inverse = [order.index(d) for d in range(len(order))]
        ctx.set_materialize_grads(False)
        return permute_plain(x, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple:
        return None if grad is None else grad.permute(*ctx.inverse), None


class Sum(Function):
    """The sum of all elements: a strided gradient that is the same everywhere."""

    @staticmethod
    def forward(ctx: Any, x: SparseTensor, dtype: Any) -> Tensor:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return x._elements.sum(dtype=dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        return grad.to(ctx.dtype).expand(ctx.shape), None


class Mm(Function):
    """The product of a sparse leaf and a strided matrix: both gradients are strided."""

    @staticmethod
    def forward(ctx: Any, a: SparseTensor, b: Tensor) -> Tensor:
        from ._matmul import times_dense, triples
        ctx.parts, ctx.rows = triples(a), a.shape[0]
        ctx.save_for_backward(b)
        rows, columns, values, ordered = ctx.parts
        return times_dense(rows, columns, values, b, a.shape[0], ordered)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        from ._matmul import times_dense
        rows, columns, values, _ = ctx.parts
        [b] = ctx.saved_tensors
        to_a = grad.mm(b.t().conj()) if ctx.needs_input_grad[0] else None
        to_b = times_dense(columns, rows, values.conj(), grad, b.shape[0], False) if ctx.needs_input_grad[1] else None
        return to_a, to_b
