"""Layouts compressed by rows or columns, of elements or of blocks: conversions between them, COO and strided tensors."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce, flat
from ._tensor import (BLOCKED, BSC, BSR, BY_ROW, COO, CSC, CSR, STRIDED, SparseTensor, assemble, coo, elements, handles,
                      layout_name, unsupported)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


def expanded(compressed: Tensor) -> Tensor:
    """The row of each element of a compressed matrix."""
    return torch.repeat_interleave((compressed[1:] - compressed[:-1]).long())


def compress(places: Tensor, n: int) -> Tensor:
    """Where each of n rows begins, from the row of each element."""
    begins = torch.zeros(n + 1, dtype=torch.int64)
    begins[1:] = torch.bincount(places, minlength=n).cumsum(0)
    return begins


def coordinates(x: SparseTensor) -> Tensor:
    """(sparse_dim, nnz): the place of each element, or of each block."""
    if x._layout is COO:
        return x._plain
    if x._compressed.dim() > 1:
        raise unsupported("to_sparse", x, "batches of compressed matrices become strided with to_dense()")
    rows, columns = expanded(x._compressed), x._plain.long()
    return torch.stack((rows, columns) if x._layout in BY_ROW else (columns, rows))


def to_coo(x: SparseTensor) -> SparseTensor:
    """The same elements by coordinates."""
    if x._layout is COO:
        return x
    places, values = coordinates(x), elements(x)
    in_order = x._layout is CSR and _rows_sorted(x)
    if x._layout in BLOCKED:
        high, wide = values.shape[1:3]
        down = torch.arange(high).repeat_interleave(wide)
        right = torch.arange(wide).repeat(high)
        places = torch.stack(((places[0].unsqueeze(1) * high + down).reshape(-1), (places[1].unsqueeze(1) * wide + right).reshape(-1)))
        values = values.flatten(0, 2)
    return coo(places, values, x.shape, in_order, "ToSparse")


def _rows_sorted(x: SparseTensor) -> bool:
    """Whether columns increase within each row."""
    keys = expanded(x._compressed) * x.shape[1] + x._plain
    return keys.shape[0] < 2 or bool((keys[1:] > keys[:-1]).all())


def from_coo(x: SparseTensor, layout: Any, blocksize: Any = None) -> SparseTensor:
    """A COO matrix in a compressed layout."""
    if layout is COO:
        return x
    if x.sparse_dim() != 2:
        raise RuntimeError(f"to_sparse_{_suffix(layout)}: conversion from Sparse to {_name(layout)} for input tensors with sparse_dim()!=2 "
                           "is not supported")
    if layout in BLOCKED:
        stored = coo(x._plain, torch.ones(x._nnz(), dtype=torch.bool), x.shape).to_dense()
        return dense_to_blocks(x.to_dense(), layout, blocksize, stored)
    if layout is CSR:
        x = coalesce(x)
        return assemble(CSR, compress(x._plain[0], x.shape[0]), x._plain[1], elements(x), x.shape, node="ToSparse")
    turned = coalesce(coo(x._plain.flip(0), elements(x), [x.shape[1], x.shape[0], *x.shape[2:]]))
    return assemble(CSC, compress(turned._plain[0], x.shape[1]), turned._plain[1], elements(turned), x.shape, node="ToSparse")


def _suffix(layout: Any) -> str:
    return str(layout).rpartition("_")[2]


def _name(layout: Any) -> str:
    return "Sparse" + _suffix(layout).capitalize()


# ---------------------------------------------------------------------------------------------------- blocks

def split_blocks(dense: Tensor, high: int, wide: int) -> Tensor:
    """(rows of blocks, columns of blocks, high, wide, ...) of a matrix."""
    rows, columns = dense.shape[:2]
    rest = dense.shape[2:]
    return dense.reshape(rows // high, high, columns // wide, wide, *rest).transpose(1, 2)


def blocks_of(dense: Tensor, pattern: SparseTensor) -> Tensor:
    """The blocks of a strided matrix that a pattern has."""
    rows, columns = coordinates(pattern)
    return split_blocks(dense, *pattern._elements.shape[1:3])[rows, columns]


def dense_to_blocks(dense: Tensor, layout: Any, blocksize: Any, stored: Tensor | None = None) -> SparseTensor:
    """A strided matrix as blocks that hold something: what stored says, or what is not zero."""
    suffix = _suffix(layout)
    if blocksize is None:
        raise TypeError(f'to_sparse_{suffix}() missing 1 required positional arguments: "blocksize"')
    high, wide = blocksize
    if dense.dim() != 2:
        raise RuntimeError(f"to_sparse_{suffix}: expected a matrix (got {dense.dim()} dimensions)")
    if high <= 0 or wide <= 0 or dense.shape[0] % high or dense.shape[1] % wide:
        raise RuntimeError(f"dense_to_sparse_{suffix}: tensor sparse size ({dense.shape[0]},{dense.shape[1]}) must be divisible by given blocksize "
                           f"({high},{wide})")
    blocks = split_blocks(dense, high, wide)
    full = (blocks.detach() != 0 if stored is None else split_blocks(stored, high, wide)).flatten(2).any(2)
    places = full.nonzero().t() if layout is BSR else full.t().nonzero().t().flip(0)
    values = blocks[places[0], places[1]]
    main, other = (places[0], places[1]) if layout is BSR else (places[1], places[0])
    return assemble(layout, compress(main, blocks.shape[0 if layout is BSR else 1]), other.contiguous(), values, dense.shape, node="ToSparse")


# ---------------------------------------------------------------------------------------------------- strided tensors

@handles("to_dense")
def to_dense(self: SparseTensor, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
    """The strided tensor; duplicates are summed."""
    if dtype is not None:
        raise RuntimeError("dtype argument is not supported by sparse_to_dense")
    if self._layout is not COO and self._compressed.dim() > 1:
        return _batch_to_dense(self)
    x = to_coo(self)
    values, sparse_dim = elements(x), x.sparse_dim()
    size = x.shape[:sparse_dim]
    count = 1
    for n in size:
        count *= n
    if values.dtype is torch.bool:
        dense = torch.zeros((count, *values.shape[1:]), dtype=torch.uint8).index_add(0, flat(x._plain, size), values.to(torch.uint8)) > 0
    else:
        dense = torch.zeros((count, *values.shape[1:]), dtype=values.dtype).index_add(0, flat(x._plain, size), values)
    dense = dense.reshape(x.shape)
    return torch._C._name_node(dense, "ToDenseBackward0") if dense.grad_fn is not None else dense


def _batch_to_dense(x: SparseTensor) -> Tensor:
    batch = x._compressed.shape[:-1]
    one = len(batch)
    values = elements(x).flatten(0, one - 1)
    compressed, plain = x._compressed.flatten(0, one - 1), x._plain.flatten(0, one - 1)
    made = [assemble(x._layout, c, p, v, x.shape[one:]).to_dense() for c, p, v in zip(compressed, plain, values)]
    return torch.stack(made).reshape(x.shape)


def dense_to_coo(dense: Tensor, sparse_dim: int) -> SparseTensor:
    """A strided tensor's elements that are not zero."""
    if not 0 <= sparse_dim <= dense.dim() or (sparse_dim == 0 and dense.dim()):
        raise RuntimeError(f"dense_to_sparse: sparse_dim argument must be in [0,{dense.dim()}] range, but {sparse_dim} is given")
    full = dense.detach() != 0
    if not dense.dim():
        count = int(full)
        return coo(torch.zeros((0, count), dtype=torch.int64), dense.reshape(1)[:count], (), True, "ToSparse")
    if sparse_dim < dense.dim():
        full = full.flatten(sparse_dim).any(sparse_dim)
    indices = full.nonzero().t()
    return coo(indices.contiguous(), dense[tuple(indices)], dense.shape, True, "ToSparse")


def dense_to_compressed(dense: Tensor, layout: Any) -> SparseTensor:
    """A strided matrix, or a batch of matrices that have equally many elements, compressed."""
    if dense.dim() < 2:
        raise RuntimeError(f"dense_to_sparse_{_suffix(layout)}: expected a tensor of two dimensions or more (got {dense.dim()})")
    if dense.dim() == 2:
        return from_coo(dense_to_coo(dense, 2), layout)
    flattened = dense.flatten(0, -3)
    each = [from_coo(dense_to_coo(one, 2), layout) for one in flattened]
    if len({x._nnz() for x in each}) > 1:
        raise RuntimeError(f"Expect the same number of specified elements per batch (got {[x._nnz() for x in each]})")
    batch = dense.shape[:-2]
    parts = [torch.stack(list(p)) for p in zip(*[(x._compressed, x._plain, elements(x)) for x in each])]
    compressed, plain, values = [p.reshape(*batch, *p.shape[1:]) for p in parts]
    return assemble(layout, compressed, plain, values, dense.shape)


# ---------------------------------------------------------------------------------------------------- to_sparse and its kin

@handles("to_sparse")
def to_sparse(self: Tensor, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None) -> Tensor:
    """self in a sparse layout: COO unless another is named."""
    layout = COO if layout is None else layout
    if sparse_dim is not None and not isinstance(sparse_dim, int):
        raise TypeError(f"to_sparse(): argument 'sparse_dim' must be int, not {type(sparse_dim).__name__}")
    if layout is STRIDED:
        return self.to_dense() if isinstance(self, SparseTensor) else self
    if layout in BLOCKED and blocksize is None and not (isinstance(self, SparseTensor) and self._layout is layout):
        raise RuntimeError(f"to_sparse: {layout_name_of(layout)} conversion requires blocksize")
    if not isinstance(self, SparseTensor):
        if layout is COO:
            return dense_to_coo(self, self.dim() if sparse_dim is None else sparse_dim)
        return dense_to_blocks(self, layout, blocksize) if layout in BLOCKED else dense_to_compressed(self, layout)
    if self._layout is layout:
        if sparse_dim is not None and sparse_dim != self.sparse_dim():
            raise RuntimeError(f"to_sparse: conversion from {layout_name(self)} to {layout_name(self)} with sparse_dim argument !=self.sparse_dim() "
                               "is not supported")
        return self
    if sparse_dim is not None and sparse_dim != 2:
        raise RuntimeError(f"sparse_compressed_to_sparse: conversion from {layout_name(self)} to {layout_name_of(layout)} with sparse_dim argument "
                           "!=2 is not supported")
    if layout is COO:
        made = to_coo(self)
        return made if self._layout is CSR else coalesce(made)
    if self._layout in BLOCKED and layout not in BLOCKED:
        suffix = _suffix(layout)
        raise RuntimeError(f"sparse_compressed_to_sparse_{suffix}: expected SparseCsr or SparseCsc layout but got {layout_name(self)}")
    return from_coo(to_coo(self), layout, blocksize)


def layout_name_of(layout: Any) -> str:
    return "Sparse" if layout is COO else _name(layout)


@handles("to_sparse_coo")
def to_sparse_coo(self: Tensor) -> Tensor:
    """self by coordinates."""
    return to_sparse(self)


@handles("to_sparse_csr")
def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """self compressed by rows."""
    return to_sparse(self, layout=CSR)


@handles("to_sparse_csc")
def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """self compressed by columns."""
    return to_sparse(self, layout=CSC)


@handles("to_sparse_bsr")
def to_sparse_bsr(self: Tensor, blocksize: Any = None, dense_dim: int | None = None) -> Tensor:
    """self as blocks, compressed by rows."""
    if blocksize is None:
        raise TypeError('to_sparse_bsr() missing 1 required positional arguments: "blocksize"')
    return to_sparse(self, layout=BSR, blocksize=blocksize)


@handles("to_sparse_bsc")
def to_sparse_bsc(self: Tensor, blocksize: Any = None, dense_dim: int | None = None) -> Tensor:
    """self as blocks, compressed by columns."""
    if blocksize is None:
        raise TypeError('to_sparse_bsc() missing 1 required positional arguments: "blocksize"')
    return to_sparse(self, layout=BSC, blocksize=blocksize)


def select(x: SparseTensor, dim: int, index: int) -> Tensor:
    """One row or column of a compressed matrix, by coordinates."""
    if x._compressed.dim() > 1 and dim < x._compressed.dim() - 1:
        values = elements(x)
        return assemble(x._layout, x._compressed.select(dim, index), x._plain.select(dim, index), values.select(dim, index),
                        [*x.shape[:dim], *x.shape[dim + 1:]])
    return to_coo(x).select(dim, index)


