"""Constructors of sparse tensors and what strided tensors have to do with them: the forms of torch.sparse, loaded at
their first call."""
from __future__ import annotations

import flambeau as torch

from .._operator import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


@plain("sparse_coo_tensor")
def sparse_coo_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_coo_tensor(indices, values, size=None, *, dtype=None, device=None, requires_grad=False,
    check_invariants=None, is_coalesced=None): a tensor of layout sparse_coo.

    indices: (sparse_dim, nnz) whole numbers. values: (nnz, ...). The size is the smallest that holds them unless given.
    Also sparse_coo_tensor(size): without elements.

    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3., 4.], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    from ..sparse._construct import sparse_coo_tensor as make
    return make(*args, **options)


@plain("sparse_compressed_tensor")
def sparse_compressed_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_compressed_tensor(compressed_indices, plain_indices, values, size=None, *, layout, ...): a tensor of layout
    sparse_csr, sparse_csc, sparse_bsr or sparse_bsc."""
    from ..sparse._construct import sparse_compressed_tensor as make
    return make(*args, **options)


@plain("sparse_csr_tensor")
def sparse_csr_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_csr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, ...): a matrix compressed by rows.

    >>> torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3., 4., 5.]).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 5.]])
    """
    from ..sparse._construct import sparse_csr_tensor as make
    return make(*args, **options)


@plain("sparse_csc_tensor")
def sparse_csc_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_csc_tensor(ccol_indices, row_indices, values, size=None, *, ...): a matrix compressed by columns."""
    from ..sparse._construct import sparse_csc_tensor as make
    return make(*args, **options)


@plain("sparse_bsr_tensor")
def sparse_bsr_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_bsr_tensor(crow_indices, col_indices, values, size=None, *, ...): blocks compressed by rows."""
    from ..sparse._construct import sparse_bsr_tensor as make
    return make(*args, **options)


@plain("sparse_bsc_tensor")
def sparse_bsc_tensor(*args: Any, **options: Any) -> Tensor:
    """sparse_bsc_tensor(ccol_indices, row_indices, values, size=None, *, ...): blocks compressed by columns."""
    from ..sparse._construct import sparse_bsc_tensor as make
    return make(*args, **options)


# ---------------------------------------------------------------------------------------------------- of strided tensors

def _form(name: str, args: tuple, kwargs: dict) -> Any:
    from ..sparse._tensor import sparse_form
    return sparse_form(name)(*args, **kwargs)


@plain("to_sparse", method=True)
def to_sparse(*args: Any, **kwargs: Any) -> Tensor:
    """to_sparse(sparse_dim=None, *, layout=None, blocksize=None): the tensor in a sparse layout, COO unless another is named.

    >>> torch.eye(2).to_sparse()._nnz()
    2
    """
    return _form("to_sparse", args, kwargs)


@plain("to_sparse_coo", method=True)
def to_sparse_coo(*args: Any, **kwargs: Any) -> Tensor:
    """The tensor by coordinates."""
    return _form("to_sparse_coo", args, kwargs)


@plain("to_sparse_csr", method=True)
def to_sparse_csr(*args: Any, **kwargs: Any) -> Tensor:
    """The matrix compressed by rows."""
    return _form("to_sparse_csr", args, kwargs)


@plain("to_sparse_csc", method=True)
def to_sparse_csc(*args: Any, **kwargs: Any) -> Tensor:
    """The matrix compressed by columns."""
    return _form("to_sparse_csc", args, kwargs)


@plain("to_sparse_bsr", method=True)
def to_sparse_bsr(*args: Any, **kwargs: Any) -> Tensor:
    """to_sparse_bsr(blocksize): the matrix as blocks, compressed by rows."""
    return _form("to_sparse_bsr", args, kwargs)


@plain("to_sparse_bsc", method=True)
def to_sparse_bsc(*args: Any, **kwargs: Any) -> Tensor:
    """to_sparse_bsc(blocksize): the matrix as blocks, compressed by columns."""
    return _form("to_sparse_bsc", args, kwargs)


@plain("sparse_mask", method=True)
def sparse_mask(*args: Any, **kwargs: Any) -> Tensor:
    """sparse_mask(mask): the tensor's elements at the places that a sparse tensor has, in its layout."""
    return _form("sparse_mask", args, kwargs)


@plain("smm", method=True)
def smm(*args: Any, **kwargs: Any) -> Tensor:
    """smm(mat): a sparse matrix times a strided one, as a sparse matrix."""
    return _form("smm", args, kwargs)


@plain("hspmm", method=True)
def hspmm(*args: Any, **kwargs: Any) -> Tensor:
    """hspmm(mat1, mat2): a sparse matrix times a strided one, as the rows that are not zero."""
    return _form("hspmm", args, kwargs)


@plain("hsmm")
def hsmm(*args: Any, **kwargs: Any) -> Tensor:
    """Alias of hspmm."""
    return _form("hspmm", args, kwargs)


@plain("sspaddmm", method=True)
def sspaddmm(*args: Any, **kwargs: Any) -> Tensor:
    """sspaddmm(mat1, mat2, *, beta=1, alpha=1): beta * self + alpha * mat1 @ mat2, self and mat1 sparse."""
    return _form("sspaddmm", args, kwargs)


@plain("spmm")
def spmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """Alias of mm."""
    return torch.mm(mat1, mat2)


@plain("dsmm")
def dsmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """Alias of mm."""
    return torch.mm(mat1, mat2)


@plain("saddmm")
def saddmm(*args: Any, **kwargs: Any) -> Tensor:
    """Alias of torch.sparse.addmm."""
    return _form("addmm", args, kwargs)


# What is asked of sparse tensors alone: the class answers for them, and strided tensors refuse here.

def _refuse(name: str, wanted: str) -> None:
    def ask(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not wanted:
            raise NotImplementedError(f"Could not run 'aten::{name}' with arguments from the 'CPU' backend. {name}: the tensor has layout torch.strided; "
                                      "to_sparse() makes a sparse one")
        raise RuntimeError(f"{name} expected {wanted} tensor layout but got Strided")
    ask.__doc__ = f"{name} of a sparse tensor; the error for others."
    plain(name, method=True)(ask)


for _name, _wanted in {"coalesce": "sparse coordinate", "indices": "sparse coordinate", "values": "sparse", "crow_indices": "sparse row compressed",
                       "col_indices": "sparse row compressed", "ccol_indices": "sparse column compressed",
                       "row_indices": "sparse column compressed", "_indices": "", "_values": "", "_nnz": "", "sparse_resize_": "",
                       "sparse_resize_and_clear_": "", "_coalesced_": ""}.items():
    _refuse(_name, _wanted)


@plain("sparse_dim", method=True)
def sparse_dim(self: Tensor) -> int:
    """The number of sparse dimensions: 0 for a strided tensor."""
    return 0


@plain("dense_dim", method=True)
def dense_dim(self: Tensor) -> int:
    """The number of dense dimensions."""
    return self.dim()
