"""Matrix products with sparse operands. Sparse times dense runs natively over coordinates; its gradients are the same
kernel transposed and the sampled product. Sparse times sparse pairs elements through the rows of the second."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce, unflat, with_values
from ._tensor import COO, CSR, TABLE, SparseTensor, coo, elements, handles, like, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor

_product, _sampled = torch._C._all_functions["_sparse_product"], torch._C._all_functions["_sampled_product"]
_NATIVE = (torch.float32, torch.float64)


def triples(x: SparseTensor) -> tuple[Tensor, Tensor, Tensor, bool]:
    """Rows, columns and values of a sparse matrix, and whether rows are in order."""
    if x.dim() != 2 or x.sparse_dim() != 2:
        raise RuntimeError(f"mm: expected a sparse matrix with two sparse dimensions (got sparse_dim={x.sparse_dim()}, dense_dim={x.dense_dim()})")
    if x._layout is COO:
        rows, columns = x._plain
        ordered = x._coalesced or rows.shape[0] < 2 or bool((rows[1:] >= rows[:-1]).all())
        return rows, columns, elements(x), ordered
    from ._compressed import expanded, to_coo
    if x._layout is CSR and x._compressed.dim() == 1:
        return expanded(x._compressed), x._plain.long(), elements(x), True
    x = to_coo(x)
    return *x._plain, elements(x), x._coalesced


def times_dense(rows: Tensor, columns: Tensor, values: Tensor, dense: Tensor, m: int, ordered: bool) -> Tensor:
    """The (m, n) product of a sparse matrix in triples with a strided matrix."""
    if values.dtype in _NATIVE:
        return _product(rows, columns, values, dense, m, ordered)
    return torch.zeros((m, dense.shape[1]), dtype=values.dtype).index_add(0, rows, values.unsqueeze(1) * dense.index_select(0, columns))


def lowered(*factors: Tensor) -> tuple[Tensor, ...]:
    """Factors in the narrow dtype of autocast, where it is on."""
    on, dtype = torch._C._get_autocast()
    return tuple([x.to(dtype) if x.dtype is torch.float32 else x for x in factors]) if on else factors


def _check(a: Tensor, b: Tensor) -> None:
    dims = [x.sparse_dim() if isinstance(x, SparseTensor) else x.dim() for x in (a, b)]
    if dims != [2, 2]:
        raise RuntimeError(f"addmm: matrices expected, got {dims[0] if dims[0] != 2 else dims[1]}D tensor")
    if a.shape[1] != b.shape[0]:
        if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
            raise RuntimeError(f"addmm: Argument #3 (dense): Expected dim 0 size {a.shape[1]}, got {b.shape[0]}")
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})")
    if a.dtype != b.dtype:
        from .._operator import dtype_name
        raise RuntimeError(f"mm: expected scalar type {dtype_name(a.dtype)} but found {dtype_name(b.dtype)}")


@handles("mm", "spmm", "dsmm")
def mm(a: Tensor, b: Tensor, *, out: Any = None) -> Tensor:
    """torch.mm: as torch.sparse.mm, but the gradient of a sparse leaf is strided."""
    a, b = lowered(a, b)
    if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor) and a.requires_grad and a.is_leaf and torch.is_grad_enabled():
        _check(a, b)
        from ._gradients import named
        from ._passing import Mm
        return named(Mm, "Mm").apply(a, b)
    return _shown(sparse_mm(a, b, out=out), "MmBackward0")


def _shown(result: Tensor, node: str) -> Tensor:
    """A strided result whose node has PyTorch's name."""
    return torch._C._name_node(result, node) if result.grad_fn is not None and not isinstance(result, SparseTensor) else result


@handles("_sparse_mm")
def sparse_mm(a: Tensor, b: Tensor, *, out: Any = None) -> Tensor:
    """The product of two matrices: strided if one factor is, sparse otherwise."""
    a, b = lowered(a, b)
    _check(a, b)
    if not isinstance(b, SparseTensor):
        rows, columns, values, ordered = triples(a)
        result = times_dense(rows, columns, values, b, a.shape[0], ordered)
    elif not isinstance(a, SparseTensor):
        rows, columns, values, _ = triples(b)
        result = times_dense(columns, rows, values, a.t(), b.shape[1], False).t()
    else:
        result = _sparse_sparse(a, b)
    if out is None:
        return result
    from ._arithmetic import _fill
    return _fill(out, result)


def _sparse_sparse(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    rows, inner, values, _ = triples(a)
    b_rows, b_columns, b_values, ordered = triples(b)
    if not ordered:
        order = torch.argsort(b_rows, stable=True)
        b_rows, b_columns, b_values = b_rows[order], b_columns[order], b_values.index_select(0, order)
    count = torch.bincount(b_rows, minlength=b.shape[0])
    start = count.cumsum(0) - count
    each = count.index_select(0, inner)
    left = torch.repeat_interleave(each)
    before = each.cumsum(0) - each
    right = torch.arange(left.shape[0]) - before.index_select(0, left) + start.index_select(0, inner).index_select(0, left)
    keys = rows.index_select(0, left) * b.shape[1] + b_columns.index_select(0, right)
    size = (a.shape[0], b.shape[1])
    keys, products = with_values(keys, values.index_select(0, left) * b_values.index_select(0, right))
    made = coo(unflat(keys, size), products, size, True, "SparseSparseMatmul")
    if a._layout is COO:
        return made
    from ._compressed import from_coo
    return from_coo(made, CSR)


@handles("matmul", "__matmul__", "__rmatmul__")
def matmul(a: Tensor, b: Tensor, *, out: Any = None) -> Tensor:
    """mm for matrices, mv for a matrix and a vector, bmm for batches."""
    if a.dim() == 2 and b.dim() == 1:
        return mv(a, b)
    if a.dim() == 1 and b.dim() == 2:
        return mv(b.t(), a)
    if a.dim() == 3 and b.dim() == 3:
        return bmm(a, b)
    if a.dim() == 1 and b.dim() == 1:
        raise unsupported("dot", a if isinstance(a, SparseTensor) else b)
    if a.dim() == 3 and b.dim() == 2 and not isinstance(a, SparseTensor):
        return mm(a.flatten(0, 1), b).unflatten(0, a.shape[:2])
    return mm(a, b, out=out)


@handles("mv")
def mv(a: Tensor, b: Tensor) -> Tensor:
    """The product of a sparse matrix and a vector."""
    if a.dim() != 2 or b.dim() != 1:
        raise RuntimeError(f"mv: two tensor dim should be 2 and 1, but got SparseTensor Dim: {a.dim()} Tensor Dim: {b.dim()}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(f"mv: expected self.size(-1) == vec.size(-1) (got {list(a.shape)} and {list(b.shape)})")
    if isinstance(b, SparseTensor):
        b = b.to_dense()
    return _shown(mm(a, b.unsqueeze(1)).squeeze(1), "MvBackward0")


@handles("addmv")
def addmv(self: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Tensor:
    """beta * self + alpha * mat @ vec."""
    return _shown(_addmm(self, mv(mat, vec), beta, alpha, out), "AddmvBackward0")


@handles("bmm")
def bmm(a: Tensor, b: Tensor, *, out: Any = None) -> Tensor:
    """Products of matrices one by one, as one product of a matrix with blocks on its diagonal."""
    if not isinstance(a, SparseTensor):
        if not isinstance(b, SparseTensor):
            raise unsupported("bmm", a)
        return bmm(b.transpose(1, 2), a.transpose(1, 2)).transpose(1, 2)
    if isinstance(b, SparseTensor) or a._layout is not COO:
        raise unsupported("bmm", a, "bmm: the second factor must be strided")
    if a.dim() != 3 or b.dim() != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(f"bmm: expected batches of matrices that can be multiplied (got {list(a.shape)} and {list(b.shape)})")
    batch, rows, columns = coalesce(a)._plain
    m, k, n = a.shape[1], a.shape[2], b.shape[2]
    product = times_dense(batch * m + rows, batch * k + columns, elements(coalesce(a)), b.reshape(-1, n), a.shape[0] * m, True)
    return _shown(product.view(a.shape[0], m, n), "BmmBackward0")


@handles("_sparse_addmm", "saddmm")
def sparse_addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """torch.sparse.addmm: the gradient of a sparse matrix has its pattern."""
    return _shown(_addmm(self, sparse_mm(mat1, mat2), beta, alpha, None), "SparseAddmmBackward0")


@handles("addmm")
def addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Tensor:
    """beta * self + alpha * mat1 @ mat2."""
    return _shown(_addmm(self, mm(mat1, mat2), beta, alpha, out), "AddmmBackward0")


def _addmm(self: Tensor, product: Tensor, beta: Any, alpha: Any, out: Any) -> Tensor:
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        result = product
    elif isinstance(self, SparseTensor) and not isinstance(product, SparseTensor):
        raise unsupported("addmm", self, "the added matrix must be strided")
    else:
        result = (self if beta == 1 else self * beta) + product
    if out is None:
        return result
    from ._arithmetic import _fill
    return _fill(out, result)


@handles("addmm_")
def addmm_(self: Tensor, mat1: Tensor, mat2: Tensor, **options: Any) -> Tensor:
    """addmm in place."""
    return self.copy_(addmm(self, mat1, mat2, **options))


@handles("linear")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias; input or weight may be sparse."""
    result = matmul(input, weight.t())
    return result if bias is None else result + bias


@handles("chain_matmul")
def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """The product of all matrices, from the left."""
    result = matrices[0]
    for matrix in matrices[1:]:
        result = result @ matrix
    return result


@handles("smm")
def smm(a: SparseTensor, b: Tensor) -> SparseTensor:
    """The product with a strided matrix, as a sparse matrix with whole rows."""
    return sspaddmm(coo(torch.zeros((2, 0), dtype=torch.int64), torch.zeros(0, dtype=a.dtype), (a.shape[0], b.shape[1])), a, b)


@handles("hspmm", "hsmm")
def hspmm(a: SparseTensor, b: Tensor, *, out: Any = None) -> SparseTensor:
    """The product with a strided matrix: a tensor of one sparse dimension that holds the rows that are not zero."""
    _check(a, b)
    a = coalesce(a)
    kept, group = torch.unique(a._plain[0], return_inverse=True)
    values = times_dense(group, a._plain[1], elements(a), b, kept.shape[0], True)
    return coo(kept.unsqueeze(0), values, (a.shape[0], b.shape[1]))


@handles("sspaddmm")
def sspaddmm(self: SparseTensor, mat1: SparseTensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> SparseTensor:
    """beta * self + alpha * mat1 @ mat2, as a sparse matrix that is not coalesced."""
    rows = hspmm(mat1, mat2)
    n = mat2.shape[1]
    kept = rows._plain[0]
    indices = torch.stack((kept.repeat_interleave(n), torch.arange(n).repeat(kept.shape[0])))
    values = elements(rows).reshape(-1) * alpha
    if self._nnz():
        indices, values = torch.cat((self._plain, indices), 1), torch.cat((elements(self) * beta, values))
    return coo(indices, values, self.shape)


@handles("sparse_sampled_addmm", "sampled_addmm")
def sampled_addmm(input: SparseTensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0, out: Any = None) -> SparseTensor:
    """alpha * (mat1 @ mat2) at input's places, plus beta * input."""
    if not isinstance(input, SparseTensor) or input._layout is not CSR:
        raise unsupported("sparse_sampled_addmm", input, "sampled_addmm takes a tensor of layout sparse_csr")
    if mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied ({mat1.shape[-2]}x{mat1.shape[-1]} and "
                           f"{mat2.shape[-2]}x{mat2.shape[-1]})")
    rows, columns, values, _ = triples(input)
    if values.dtype in _NATIVE:
        products = _sampled(rows, columns, mat1, mat2.t())
    else:
        products = (mat1.index_select(0, rows) * mat2.t().index_select(0, columns)).sum(1)
    made = like(input, products * alpha + values * beta, "SparseSampledAddmm")
    return made if out is None else TABLE["copy_"](out, made)
