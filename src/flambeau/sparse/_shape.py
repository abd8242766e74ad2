"""Transposition, selection, joining and other changes of shape of sparse tensors."""
from __future__ import annotations

import flambeau as torch

from ._tensor import BSC, BSR, COO, CSC, CSR, SparseTensor, assemble, bare, coo, elements, handles, replace, unsupported, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor

_TRANSPOSED = {CSR: CSC, CSC: CSR, BSR: BSC, BSC: BSR}


def wrap(x: Tensor, dim: int, extra: int = 0) -> int:
    """dim counted from 0; IndexError out of range."""
    n = x.dim() + extra
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


# ---------------------------------------------------------------------------------------------------- order of dimensions

@handles("permute")
def permute(self: SparseTensor, *dims: Any, node: str = "Permute") -> SparseTensor:
    """Dimensions in another order; sparse ones stay before dense ones."""
    order = list(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else list(dims)
    if len(order) != self.dim():
        raise RuntimeError("permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of "
                           f"dimensions i.e. input.dim() = {self.dim()} is not equal to len(dims) = {len(order)}")
    order = [wrap(self, d) for d in order]
    if len(set(order)) < len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    if self._layout is not COO:
        if order == list(range(self.dim())):
            return self
        if self.dim() == 2:
            return transpose(self, 0, 1)
        raise unsupported("permute", self)
    if any(d >= self.sparse_dim() for d in order[:self.sparse_dim()]):
        raise RuntimeError("permute(sparse_coo): transpositions between sparse and dense dimensions are not allowed.Only transpositions within "
                           "sparse and dense dimensions are supported.")
    if self.requires_grad and torch.is_grad_enabled():
        from ._gradients import named
        from ._passing import Permute
        return named(Permute, node).apply(self, order)
    return permute_plain(self, order)


def permute_plain(x: SparseTensor, order: list[int]) -> SparseTensor:
    """permute of a COO tensor outside the graph."""
    sparse_dim, values = x.sparse_dim(), x._elements
    if order[sparse_dim:] != list(range(sparse_dim, x.dim())):
        values = values.permute(0, *[d - sparse_dim + 1 for d in order[sparse_dim:]])
    same = order[:sparse_dim] == list(range(sparse_dim))
    indices = x._plain if same else x._plain[order[:sparse_dim]]
    return bare(COO, None, indices, values, [x.shape[d] for d in order], x._coalesced and same or not x._nnz())


@handles("transpose", "swapaxes", "swapdims")
def transpose(self: SparseTensor, dim0: int, dim1: int, node: str = "Transpose") -> SparseTensor:
    """Two dimensions exchanged; a compressed matrix changes from rows to columns."""
    a, b = wrap(self, dim0), wrap(self, dim1)
    if self._layout is COO:
        order = list(range(self.dim()))
        order[a], order[b] = b, a
        if (a < self.sparse_dim()) != (b < self.sparse_dim()):
            raise RuntimeError("sparse transpose: transposed dimensions must be sparse or both dense (transposed dimensions must be sparse "
                               f"Got sparse_dim: {self.sparse_dim()}, d0: {a}, d1: {b})")
        return permute(self, order, node=node)
    if a == b:
        return self
    first = self._compressed.dim() - 1
    if {a, b} != {first, first + 1}:
        raise RuntimeError("transpose(): can only transpose the two sparse dimensions of a compressed tensor (got "
                           f"dim0={a}, dim1={b} of layout {self._layout})")
    size = list(self.shape)
    size[a], size[b] = size[b], size[a]
    values = elements(self)
    if self._layout in (BSR, BSC):
        values = values.transpose(first + 1, first + 2)
    return assemble(_TRANSPOSED[self._layout], self._compressed, self._plain, values, size, node="Transpose")


@handles("t", "adjoint", "matrix_H")
def t(self: SparseTensor) -> SparseTensor:
    """The transposed matrix."""
    if self.sparse_dim() > 2 or self.dense_dim():
        raise RuntimeError(f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {self.sparse_dim()} sparse and "
                           f"{self.dense_dim()} dense dimensions")
    return self if self.dim() < 2 else transpose(self, 0, 1, "T")


@handles("t_", "transpose_")
def transpose_(self: SparseTensor, dim0: int = 0, dim1: int = 1) -> SparseTensor:
    """transpose in place, for square matrices."""
    writable(self)
    if self._layout is not COO or self.shape[dim0] != self.shape[dim1]:
        raise unsupported("transpose_", self)
    return replace(self, transpose(self, dim0, dim1))


@handles("unsqueeze")
def unsqueeze(self: SparseTensor, dim: int) -> SparseTensor:
    """A dimension of size 1 more: sparse if it comes before or right after the sparse ones."""
    if self._layout is not COO:
        raise unsupported("unsqueeze", self)
    dim = wrap(self, dim, 1)
    size = [*self.shape[:dim], 1, *self.shape[dim:]]
    if dim > self.sparse_dim():
        return coo(self._plain, elements(self).unsqueeze(dim - self.sparse_dim() + 1), size, False, "Unsqueeze")
    zeros = self._plain.new_zeros((1, self._nnz()))
    indices = torch.cat((self._plain[:dim], zeros, self._plain[dim:]))
    return coo(indices, elements(self), size, False, "Unsqueeze")


@handles("reshape", "flatten", "reshape_as", "unflatten")
def reshape(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    raise RuntimeError("reshape is not implemented for sparse tensors")


@handles("expand", "repeat", "expand_as", "tile", "broadcast_to")
def expand(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    raise RuntimeError("expand is unsupported for Sparse tensors")


@handles("atleast_1d", "atleast_2d", "atleast_3d", "broadcast_tensors")
def as_they_are(*tensors: Any) -> Any:
    """Tensors that need no other shape, as they are."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if any(x.shape != given[0].shape or x.dim() < 2 for x in given):
        raise RuntimeError("expand is unsupported for Sparse tensors")
    return given[0] if len(given) == 1 and given is tensors else tuple(given)


@handles("contiguous")
def contiguous(self: SparseTensor, memory_format: Any = None) -> SparseTensor:
    if self._layout is COO:
        raise RuntimeError("unsupported memory format option Contiguous")
    raise RuntimeError("Sparse CSR tensors do not have is_contiguous")


# ---------------------------------------------------------------------------------------------------- selection

@handles("select")
def select(self: SparseTensor, dim: int, index: int) -> Tensor:
    """The slice at one place of a dimension; strided where no sparse dimension is left."""
    if not self.dim():
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap(self, dim)
    n, index = self.shape[dim], int(index)
    if not -n <= index < n:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(self.shape)} at dimension {dim}")
    index %= n
    if self._layout is not COO:
        from ._compressed import select as compressed_select
        return compressed_select(self, dim, index)
    sparse_dim = self.sparse_dim()
    if dim >= sparse_dim:
        size = [*self.shape[:dim], *self.shape[dim + 1:]]
        return coo(self._plain, elements(self).select(dim - sparse_dim + 1, index), size, False, "Select")
    at = (self._plain[dim] == index).nonzero().squeeze(1)
    values = elements(self).index_select(0, at)
    if sparse_dim == 1:
        return values.sum(0) if values.dtype is not torch.bool else values.any(0)
    indices = torch.cat((self._plain[:dim], self._plain[dim + 1:])).index_select(1, at)
    return coo(indices, values, [*self.shape[:dim], *self.shape[dim + 1:]], False, "Select")


@handles("__getitem__")
def getitem(self: SparseTensor, index: Any) -> Tensor:
    """Integers select, None adds a dimension, a whole slice or ... leaves one as it is."""
    items = list(index) if isinstance(index, tuple) else [index]
    given = sum(1 for item in items if item is not None and item is not Ellipsis)
    if given > self.dim():
        raise IndexError(f"too many indices for tensor of dimension {self.dim()}")
    result: Tensor = self
    dim = 0
    for item in items:
        if item is Ellipsis:
            dim += self.dim() - given
        elif item is None:
            result = result.unsqueeze(dim)
            dim += 1
        elif isinstance(item, slice):
            if item.indices(result.shape[dim]) != (0, result.shape[dim], 1):
                raise unsupported("as_strided", self, "index_select or narrow_copy take parts of a sparse tensor")
            dim += 1
        elif hasattr(item, "__index__") and not isinstance(item, bool) and not (isinstance(item, torch.Tensor) and item.dim()):
            if not -result.shape[dim] <= int(item) < result.shape[dim]:
                raise IndexError(f"index {int(item)} is out of bounds for dimension {dim} with size {result.shape[dim]}")
            result = result.select(dim, int(item))
        else:
            raise unsupported("index.Tensor", self, "index_select takes parts of a sparse tensor")
    return result


@handles("__setitem__")
def setitem(self: Tensor, index: Any, value: Any) -> None:
    raise unsupported("as_strided" if isinstance(self, SparseTensor) else "copy_", self if isinstance(self, SparseTensor) else value)


@handles("index_select")
def index_select(self: SparseTensor, dim: int, index: Tensor) -> SparseTensor:
    """Slices in the order of an index."""
    if self._layout is not COO:
        raise unsupported("index_select", self)
    dim = wrap(self, dim)
    if index.dim() != 1 or index.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"index_select() argument index must be 1-D long-tensor (got {index.dim()}-D {index.dtype})")
    n, index = self.shape[dim], index.long()
    if index.numel() and (int(index.min()) < -n or int(index.max()) >= n):
        raise IndexError(f"index_select(): index contains {int(index.max())} that is out of range for tensor of size {list(self.shape)} at dimension {dim}")
    index = torch.where(index < 0, index + n, index)
    size = [*self.shape[:dim], index.shape[0], *self.shape[dim + 1:]]
    if dim >= self.sparse_dim():
        return coo(self._plain, elements(self).index_select(dim - self.sparse_dim() + 1, index), size, False, "IndexSelect")
    places = self._plain[dim]
    order = torch.argsort(places, stable=True)
    count = torch.bincount(places, minlength=n)
    each = count.index_select(0, index)
    where = torch.repeat_interleave(each)
    begin = (count.cumsum(0) - count).index_select(0, index) - (each.cumsum(0) - each)
    at = order.index_select(0, begin.index_select(0, where) + torch.arange(where.shape[0]))
    indices = self._plain.index_select(1, at)
    indices[dim] = where
    return coo(indices, elements(self).index_select(0, at), size, False, "IndexSelect")


@handles("narrow_copy")
def narrow_copy(self: SparseTensor, dim: int, start: int, length: int) -> SparseTensor:
    """The part [start, start + length) of a dimension."""
    dim = wrap(self, dim)
    n = self.shape[dim]
    if length < 0 or start + length > n or start < 0:
        raise RuntimeError(f"Invalid range to narrow. range(start, start+length) must be a subset of range(0, {n}).")
    size = [*self.shape[:dim], length, *self.shape[dim + 1:]]
    if dim >= self.sparse_dim():
        part = elements(self).narrow(dim - self.sparse_dim() + 1, start, length)
        return assemble(COO, None, self._plain, part, size, self._coalesced, "NarrowCopy")
    places = self._plain[dim]
    at = ((places >= start) & (places < start + length)).nonzero().squeeze(1)
    indices = self._plain.index_select(1, at)
    indices[dim] -= start
    return assemble(COO, None, indices, elements(self).index_select(0, at), size, self._coalesced, "NarrowCopy")


@handles("unbind")
def unbind(self: SparseTensor, dim: int = 0) -> tuple:
    """All slices of a dimension."""
    return tuple([self.select(dim, k) for k in range(self.shape[wrap(self, dim)])])


# ---------------------------------------------------------------------------------------------------- joining

@handles("cat", "concat", "concatenate")
def cat(tensors: Any, dim: int = 0, *, out: Any = None) -> SparseTensor:
    """Sparse tensors one after the other."""
    for position, x in enumerate(tensors):
        if not isinstance(x, SparseTensor):
            raise RuntimeError(f"Concatenating sparse tensors, but a dense tensor was found at position {position}.")
        if x._layout is not COO:
            raise unsupported("cat", x)
    first = tensors[0]
    dim, sparse_dim = wrap(first, dim), first.sparse_dim()
    for position, x in enumerate(tensors):
        if x.sparse_dim() != sparse_dim or x.dim() != first.dim():
            raise RuntimeError(f"All tensors must have the same sparse_dim and dense_dim: {sparse_dim}, {first.dense_dim()}, but tensor at position "
                               f"{position} has {x.sparse_dim()}, {x.dense_dim()}.")
        if any(a != b for d, (a, b) in enumerate(zip(x.shape, first.shape)) if d != dim):
            raise RuntimeError(f"All tensors must have the same shape: {list(first.shape)} (except in the concatenating dimension), but found shape: "
                               f"{list(x.shape)}")
    size = list(first.shape)
    size[dim] = sum(x.shape[dim] for x in tensors)
    parts, values, before = [], [], 0
    for x in tensors:
        indices, v = x._plain, elements(x)
        if dim < sparse_dim:
            indices = indices.clone()
            indices[dim] += before
        else:
            shape = list(v.shape)
            inside = dim - sparse_dim + 1
            after = size[dim] - before - x.shape[dim]
            zeros = [v.new_zeros([*shape[:inside], n, *shape[inside + 1:]]) for n in (before, after)]
            v = torch.cat((zeros[0], v, zeros[1]), inside)
        parts.append(indices)
        values.append(v)
        before += x.shape[dim]
    return coo(torch.cat(parts, 1), torch.cat(values), size, False, "Cat")


@handles("stack")
def stack(tensors: Any, dim: int = 0, *, out: Any = None) -> SparseTensor:
    """Sparse tensors along a new dimension."""
    for position, x in enumerate(tensors):
        if not isinstance(x, SparseTensor):
            raise RuntimeError(f"Concatenating sparse tensors, but a dense tensor was found at position {position}.")
        if x.shape != tensors[0].shape:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and {list(x.shape)} at entry {position}")
    return cat([x.unsqueeze(dim) for x in tensors], dim)


# ---------------------------------------------------------------------------------------------------- size

@handles("sparse_resize_")
def sparse_resize_(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
    """A larger size for the same elements."""
    return _resized(self, size, sparse_dim, dense_dim, self._nnz() > 0)


@handles("sparse_resize_and_clear_")
def sparse_resize_and_clear_(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
    """Another size, without elements."""
    return _resized(self, size, sparse_dim, dense_dim, False)


def _resized(x: SparseTensor, size: Any, sparse_dim: int, dense_dim: int, keep: bool) -> SparseTensor:
    writable(x)
    size = tuple(size)
    if sparse_dim + dense_dim != len(size):
        raise RuntimeError(f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {sparse_dim}, dense_dim = "
                           f"{dense_dim}")
    indices, values = x._plain.new_zeros((sparse_dim, 0)), x._elements.new_zeros((0, *size[sparse_dim:]))
    if keep:
        if sparse_dim != x.sparse_dim() or dense_dim != x.dense_dim():
            raise RuntimeError("changing the number of sparse or dense dimensions on a non-empty tensor is not supported.")
        if any(new < old for new, old in zip(size, x.shape)):
            raise RuntimeError("shrinking the size of sparse or dense dimensions on a non-empty sparse tensor is not supported.")
        indices, values = x._plain, torch.zeros((x._nnz(), *size[sparse_dim:]), dtype=x.dtype)
        values[tuple(slice(n) for n in x._elements.shape)] = x._elements
    replace(x, bare(COO, None, indices, values, size, x._coalesced and keep))
    torch.Tensor._resize_sparse(x, size)
    return x


