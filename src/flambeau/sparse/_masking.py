"""Elements of a tensor at the places that a pattern names: sparse_mask, and what gradients of sparse tensors read."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce, flat
from ._tensor import BLOCKED, COO, STRIDED, SparseTensor, elements, handles, like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flambeau import Tensor


def take(source: Tensor, pattern: SparseTensor) -> Tensor:
    """The values of source (of any layout, pattern's shape) at pattern's places; 0 where a sparse source has none."""
    if pattern._layout in BLOCKED:
        from ._compressed import blocks_of
        return blocks_of(source.to_dense() if source.layout is not STRIDED else source, pattern)
    from ._compressed import coordinates
    indices = coordinates(pattern)
    if isinstance(source, SparseTensor) and source._layout is COO and source._plain.shape[0] == indices.shape[0]:
        return lookup(source, indices)
    if isinstance(source, SparseTensor):
        source = source.to_dense()
    if not indices.shape[0]:
        return source.unsqueeze(0).expand(indices.shape[1], *source.shape)
    if indices.shape[0] == 1:
        return source.index_select(0, indices[0])
    return source[tuple(indices)]


def find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Where each wanted number is in sorted keys, and whether it is there at all."""
    at = torch.searchsorted(keys, wanted).clamp_(max=max(keys.shape[0] - 1, 0))
    if not keys.shape[0]:
        return at, torch.zeros(wanted.shape[0], dtype=torch.bool)
    return at, keys.index_select(0, at) == wanted


def lookup(source: SparseTensor, indices: Tensor) -> Tensor:
    """Values of a COO tensor at coordinates, 0 where it has none."""
    source = coalesce(source)
    values = elements(source)
    size = source.shape[:indices.shape[0]]
    if not values.shape[0]:
        return values.new_zeros((indices.shape[1], *values.shape[1:]))
    at, found = find(flat(source._plain, size), flat(indices, size))
    picked = values.index_select(0, at)
    return torch.where(found.reshape(-1, *[1] * (picked.dim() - 1)), picked, torch.zeros((), dtype=picked.dtype))


@handles("sparse_mask")
def sparse_mask(self: Tensor, mask: SparseTensor) -> SparseTensor:
    """self at mask's places, with mask's layout."""
    if not isinstance(mask, SparseTensor):
        raise RuntimeError("sparse_mask(): expected mask to be a sparse tensor (got a tensor of layout torch.strided)")
    if self.shape != mask.shape:
        raise RuntimeError("sparse_mask(): operands have incompatible sizes; self has size "
                           f"{list(self.shape)} but mask has size {list(mask.shape)}")
    if self is mask:
        return self
    return like(mask, take(self, mask), "SparseMask")
