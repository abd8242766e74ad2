"""Sums, norms and softmax of sparse tensors."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce, flat, groups, of, unflat
from ._tensor import COO, SparseTensor, coo, elements, handles, like, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor


def wrapped(x: Tensor, dim: Any) -> list[int]:
    """Dimensions as a list without repetition, counted from 0."""
    dims, n = [dim] if isinstance(dim, int) else list(dim), x.dim()
    for d in dims:
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
    dims = [d % n for d in dims]
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dim {max(dims, key=dims.count)} appears multiple times in the list of dims")
    return dims


@handles("sum")
def total(self: SparseTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Tensor:
    """The sum of all elements (strided), or over dimensions: sparse, unless all sparse dimensions are summed."""
    if dim is None or dim == ():
        if self.requires_grad and self.is_leaf and torch.is_grad_enabled():
            from ._gradients import named
            from ._passing import Sum
            return named(Sum, "Sum").apply(self, dtype)
        return elements(self).sum(dtype=dtype)
    if self._layout is not COO:
        return _compressed_sum(self, wrapped(self, dim), keepdim, dtype)
    dims, sparse_dim = wrapped(self, dim), self.sparse_dim()
    values = elements(self)
    if dtype is not None:
        values = values.to(dtype)
    elif not values.dtype.is_floating_point and not values.dtype.is_complex:
        values = values.to(torch.int64)
    inside = [d - sparse_dim + 1 for d in dims if d >= sparse_dim]
    if inside:
        values = values.sum(inside)
    kept = [d for d in range(sparse_dim) if d not in dims]
    size = [n for d, n in enumerate(self.shape) if d not in dims]
    if not kept:
        result = values.sum(0)
    elif len(kept) == sparse_dim:
        result = coo(self._plain, values, size, self._coalesced, "SparseSum")
    else:
        sizes = [self.shape[d] for d in kept]
        keys, group = groups(flat(self._plain[kept], sizes))
        summed = torch.zeros((keys.shape[0], *values.shape[1:]), dtype=values.dtype).index_add(0, group, values)
        result = coo(unflat(keys, sizes), summed, size, True, "SparseSum")
    if keepdim:
        for d in sorted(dims):
            result = result.unsqueeze(d)
    return result


@handles("_sparse_sum")
def sparse_sum(self: SparseTensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """torch.sparse.sum: gradients have the tensor's own pattern."""
    if dim is not None and dtype is None and self._layout is COO and len(wrapped(self, dim)) < self.sparse_dim():
        dtype = self.dtype
    if dim is None:
        result = elements(self).sum(dtype=dtype)
        return torch._C._name_node(result, "SumBackward0") if result.grad_fn is not None else result
    return total(self, dim, dtype=dtype)


def _compressed_sum(x: SparseTensor, dims: list[int], keepdim: bool, dtype: Any) -> Tensor:
    if not keepdim:
        raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
    from ._compressed import dense_to_compressed, from_coo, to_coo
    if len(dims) == x.dim() == 2:
        return dense_to_compressed(elements(x).sum(dtype=dtype).reshape(1, 1), x._layout)
    return from_coo(coalesce(total(to_coo(x), dims, True, dtype=dtype)), x._layout)


@handles("mean")
def mean(self: SparseTensor, *args: Any, **kwargs: Any) -> Tensor:
    raise unsupported("mean.dim", self)


@handles("any")
def any_(self: SparseTensor, *args: Any, **kwargs: Any) -> Tensor:
    """Whether an element is not zero."""
    if args or kwargs:
        raise unsupported("any.out", self)
    return of(self)[1].any() if self._layout is COO else elements(self).any()


@handles("norm", "native_norm")
def norm(self: SparseTensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None, out: Any = None) -> Tensor:
    """The norm of all elements as one vector."""
    if dim is not None and len([dim] if isinstance(dim, int) else dim) != self.dim():
        raise RuntimeError("norm_sparse currently only supports full reductions, so 'dim' must either be empty or contain all dimensions of the input")
    if keepdim:
        raise RuntimeError("norm_sparse currently does not support keepdim=True")
    if dtype is not None:
        raise RuntimeError("norm_sparse currently does not support 'dtype' argument")
    values = of(self)[1] if self._layout is COO else elements(self)
    result = values.norm(2 if p in ("fro", None) else p)
    return torch._C._name_node(result, "NormBackward1") if result.grad_fn is not None else result


def softmax(x: SparseTensor, dim: int, dtype: Any, log: bool) -> SparseTensor:
    """(Log-)softmax along a dimension; what is not stored counts as minus infinity."""
    if x._layout is not COO:
        raise unsupported("_sparse_log_softmax" if log else "_sparse_softmax", x)
    [dim] = wrapped(x, dim)
    if dtype is not None:
        x = x.to(dtype)
    x, values = of(x)
    if not values.dtype.is_floating_point:
        from .._operator import dtype_name
        raise RuntimeError(f'"softmax" not implemented for \'{dtype_name(values.dtype)}\'')
    node = "SparseLogSoftmax" if log else "SparseSoftmax"
    if dim >= x.sparse_dim():
        function = torch.log_softmax if log else torch.softmax
        return like(x, function(values, dim - x.sparse_dim() + 1), node)
    rest = [d for d in range(x.sparse_dim()) if d != dim]
    if rest:
        keys, group = groups(flat(x._plain[rest], [x.shape[d] for d in rest]))
        count = keys.shape[0]
    else:
        group, count = torch.zeros(x._nnz(), dtype=torch.int64), 1
    shape = (count, *values.shape[1:])
    where = group.reshape(-1, *[1] * (values.dim() - 1)).expand(values.shape)
    with torch.no_grad():
        most = torch.full(shape, -torch.inf, dtype=values.dtype).scatter_reduce(0, where, values, "amax")
    shifted = values - most.index_select(0, group)
    exponential = shifted.exp()
    sums = torch.zeros(shape, dtype=values.dtype).index_add(0, group, exponential)
    if log:
        return like(x, shifted - sums.log().index_select(0, group), node)
    return like(x, exponential / sums.index_select(0, group), node)


@handles("_sparse_softmax")
def sparse_softmax(self: SparseTensor, dim: int, dtype: Any = None) -> SparseTensor:
    return softmax(self, dim, dtype, False)


@handles("_sparse_log_softmax")
def sparse_log_softmax(self: SparseTensor, dim: int, dtype: Any = None) -> SparseTensor:
    return softmax(self, dim, dtype, True)
