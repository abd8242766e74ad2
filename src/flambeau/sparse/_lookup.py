"""Forms of what belongs to no family: embedding in a sparse table, items, what tensors of any layout are asked."""
from __future__ import annotations


from ._tensor import SparseTensor, handles, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


@handles("embedding")
def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """Rows of a sparse table."""
    if not isinstance(weight, SparseTensor) or isinstance(indices, SparseTensor) or indices.dim() != 1:
        raise unsupported("embedding", weight if isinstance(weight, SparseTensor) else indices)
    return weight.index_select(0, indices)


@handles("flip")
def flip(self: SparseTensor, *dims: Any) -> Tensor:
    raise unsupported("flip", self)


@handles("get_device")
def get_device(self: SparseTensor) -> int:
    """-1: the processor."""
    return -1


