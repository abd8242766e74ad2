"""What several operator files need: dimension wrapping, dtype rules, small checks."""

from __future__ import annotations

import flambeau as torch

from .._operator import dtype_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

__all__ = ["wrap_dim", "wrap_dims", "check", "float_dtype_of", "require_floating", "require_same_dtype", "dtype_name",
           "reduce_loss", "broadcast_batch", "real_dtype_of", "complex_dtype_of", "count",
           "connected", "holds"]

_REAL = {"torch.complex64": "float32", "torch.complex128": "float64", "torch.complex32": "float16"}
_COMPLEX = {"torch.float32": "complex64", "torch.float64": "complex128", "torch.float16": "complex32"}


def wrap_dim(dim: int, ndim: int, name: str = "") -> int:
    """dim in [0, ndim); a 0-d tensor has the dims -1 and 0. IndexError outside."""
    bound = ndim or 1
    if not -bound <= dim < bound:
        prefix = f"{name}: " if name else ""
        raise IndexError(f"{prefix}Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
                         f"but got {dim})")
    return dim + bound if dim < 0 else dim


def wrap_dims(dims: Sequence[int], ndim: int, name: str = "") -> list[int]:
    """Several dims wrapped; RuntimeError if one appears twice."""
    wrapped = [wrap_dim(dim, ndim, name) for dim in dims]
    for position, dim in enumerate(wrapped):
        if dim in wrapped[:position]:
            raise RuntimeError(f"{name}: dim {dim} appears multiple times in the list of dims")
    return wrapped


def check(condition: Any, message: str, error: type[Exception] = RuntimeError) -> None:
    """Raise error(message) unless condition holds. For messages that cost nothing to build."""
    if not condition:
        raise error(message)


def holds(condition: torch.Tensor) -> bool:
    """Whether a check on values succeeds. On meta, where there are no values, every check does."""
    return condition.is_meta or bool(condition)


def float_dtype_of(dtype: torch.dtype) -> torch.dtype:
    """dtype if it is floating or complex, else the default dtype."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.get_default_dtype()


def real_dtype_of(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a complex dtype's parts."""
    name = _REAL.get(str(dtype))
    return getattr(torch, name) if name else dtype


def complex_dtype_of(dtype: torch.dtype) -> torch.dtype:
    """The complex dtype with parts of dtype."""
    name = _COMPLEX.get(str(dtype))
    if name:
        return getattr(torch, name)
    if dtype.is_complex:
        return dtype
    return torch.complex128 if torch.get_default_dtype() == torch.float64 else torch.complex64


def require_floating(name: str, tensor: torch.Tensor) -> None:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got "
                           f"{dtype_name(tensor.dtype)}")


def require_same_dtype(name: str, first: torch.Tensor, second: torch.Tensor) -> None:
    if first.dtype != second.dtype:
        raise RuntimeError(f"{name}: expected both tensors to have the same dtype (got {dtype_name(first.dtype)} and "
                           f"{dtype_name(second.dtype)})")


def reduce_loss(loss: torch.Tensor, reduction: int, node: str = "") -> torch.Tensor:
    """The loss as it is (reduction 0), its mean (1) or its sum (2). `node` names its step in the gradient graph."""
    if reduction == 1:
        loss = loss.mean()
    elif reduction == 2:
        loss = loss.sum()
    if node and loss.requires_grad:
        torch._C._name_node(loss, node)
    return loss


def broadcast_batch(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both batches of matrices expanded to their common batch shape."""
    if first.shape[:-2] == second.shape[:-2]:
        return first, second
    batch = torch.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    return first.expand(*batch, *first.shape[-2:]), second.expand(*batch, *second.shape[-2:])


def count(shape: Sequence[int]) -> int:
    """The product of the sizes."""
    total = 1
    for size in shape:
        total *= size
    return total


def connected(result: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """result, part of source's graph (with a gradient of zeros) where it does not depend on source."""
    if torch.is_grad_enabled() and source.requires_grad:
        nothing = source.reshape(-1)[:0].exp().sum()  # exp: so that the gradient is connected, too
        return result + (nothing if result.is_complex() or not nothing.is_complex() else nothing.abs()).to(result.dtype)
    return result
