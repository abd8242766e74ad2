"""Sparse tensors in pickles and in saved files: the function and arguments that rebuild one."""
from __future__ import annotations

import flambeau as torch

from ._construct import check_compressed, check_coo
from ._tensor import COO, SparseTensor, bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def parts(x: SparseTensor) -> tuple:
    """(layout, data): the arguments of the rebuilding function."""
    values = x._elements
    if x._layout is COO:
        return x._layout, (x._plain, values, x.shape, x._coalesced)
    return x._layout, (x._compressed, x._plain, values, x.shape)


def reduce(x: SparseTensor) -> tuple:
    """What pickle stores."""
    from .. import _utils
    return _utils._rebuild_sparse_tensor, parts(x)


def rebuild(layout: Any, data: tuple) -> SparseTensor:
    """A sparse tensor of parts that come from outside, and are checked for it."""
    if layout is COO:
        indices, values, size = data[:3]
        coalesced = bool(data[3]) if len(data) > 3 else False
        check_coo(indices, values, tuple(size), coalesced)
        if indices.dim() != 2 or indices.shape[1] != values.shape[0] or tuple(values.shape[1:]) != tuple(size)[indices.shape[0]:]:
            raise RuntimeError("load: the parts of a sparse tensor do not fit each other")
        return bare(COO, None, indices, values, size, coalesced)
    if layout not in (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc):
        raise NotImplementedError(f"load: rebuilding sparse tensor for layout {layout}")
    compressed, plain, values, size = data
    check_compressed(layout, compressed, plain, values, tuple(size))
    return bare(layout, compressed, plain, values, size)
