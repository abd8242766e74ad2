"""Sparse tensors in the gradient graph: the two nodes between a tensor and its values, and what the engine asks for when
a gradient is sparse (it calls the functions of this file by name)."""
from __future__ import annotations

import flambeau as torch
from flambeau.autograd.function import Function

from ._tensor import BSC, BSR, COO, CSC, CSR, STRIDED, SparseTensor, assemble, bare, coo, elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


class Elements(Function):
    """Values of a tensor. The gradient is sparse, with the tensor's pattern; where indices repeat, the first has it."""

    @staticmethod
    def forward(ctx: Any, x: SparseTensor) -> Tensor:
        ctx.parts = x._layout, x._compressed, x._plain, x.shape, x._coalesced
        return x._elements.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        layout, compressed, plain, size, coalesced = ctx.parts
        if layout is COO and not coalesced and plain.shape[1] > 1:
            from ._coordinates import first_of_each
            first = first_of_each(plain, size)
            if first.shape[0] < plain.shape[1]:
                return coo(plain.index_select(1, first), grad.index_select(0, first), size, True)
        return assemble(layout, compressed, plain, grad, size, coalesced)


class Assemble(Function):
    """A tensor of values. The gradient is that of the result at its indices."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, layout: Any, compressed: Any, plain: Tensor, size: Any, coalesced: bool) -> SparseTensor:
        ctx.parts = layout, compressed, plain, size, coalesced
        ctx.set_materialize_grads(False)
        return bare(layout, compressed, plain, values, size, coalesced)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple:
        if grad is None:
            return (None,) * 6
        layout, compressed, plain, size, coalesced = ctx.parts
        if isinstance(grad, SparseTensor) and grad._layout is layout and grad._plain is plain and grad._compressed is compressed:
            return elements(grad), None, None, None, None, None
        from ._masking import take
        return take(grad, bare(layout, compressed, plain, plain, size, coalesced)), None, None, None, None, None


_named: dict[tuple[Any, str], Any] = {}


def named(function: Any, name: str) -> Any:
    """A Function whose node has PyTorch's name of it: NAMEBackward0."""
    made: Any = _named.get((function, name))
    if made is None:
        made = _named[function, name] = type(name, (function,), {})
        node: Any = made._backward_cls
        node.__name__ = node.__qualname__ = name if name[-1].isdigit() else name + "Backward0"
        node.__module__ = "builtins"
    return made


# ---------------------------------------------------------------------------------------------------- for the engine and native operators

def zeros(sizes: Tensor, of_dtype: Tensor, layout: int, requires_grad: int) -> Tensor:
    """torch.zeros and torch.empty of a sparse layout, named by its number."""
    from ._construct import without_elements
    size = sizes.tolist()
    made = without_elements((STRIDED, COO, CSR, CSC, BSR, BSC)[layout], size, of_dtype.dtype, len(size))
    return made.requires_grad_() if requires_grad else made


def copied(x: Tensor, of_dtype: Tensor, m: int, n: int) -> Tensor:
    """torch.tensor of a sparse tensor."""
    return x.detach().to(of_dtype.dtype, copy=True)


def dense(grad: Tensor, _: Any, m: int, n: int) -> Tensor:
    """The gradient as a strided tensor."""
    return grad.to_dense()


def values(grad: Tensor, _: Any, m: int, n: int) -> Tensor:
    """The values of a gradient."""
    return grad._elements


def cast(grad: Tensor, to: Tensor, m: int, n: int) -> Tensor:
    """The gradient in another dtype."""
    return grad.to(to.dtype)


def add(a: Tensor, b: Tensor, m: int, n: int) -> Tensor:
    """The sum of two gradients, of which one or both are sparse."""
    if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
        a, b = b, a
    return a + b


def accumulate(before: Tensor, grad: Tensor, m: int, n: int) -> Tensor:
    """`.grad` after another gradient has come: in place where it stays what it is."""
    if torch.is_grad_enabled() or isinstance(before, SparseTensor) and not isinstance(grad, SparseTensor):
        return add(before, grad, 0, 0)
    return before.add_(grad)


def first(grad: Tensor, _: Any, m: int, n: int) -> Tensor:
    """The first gradient of a leaf, as it is kept."""
    if torch.is_grad_enabled():
        return grad.clone()
    return grad.detach()


def embedding(grad: Tensor, index: Tensor, rows: int, padding: int) -> Tensor:
    """The gradient of a table of rows that were looked up: one element an index, those of the padding left out."""
    index, width = index.reshape(-1), grad.shape[-1]
    grad = grad.reshape(-1, width)
    if padding >= 0:
        kept = (index != padding).nonzero().squeeze(1)
        index, grad = index.index_select(0, kept), grad.index_select(0, kept)
    return coo(index.long().unsqueeze(0), grad, (rows, width))
