"""torch.sparse: functions of sparse tensors, and the switch that makes their constructors check what they are given.

>>> i = torch.tensor([[0, 1, 1], [2, 0, 2]])
>>> s = torch.sparse_coo_tensor(i, torch.tensor([3., 4., 5.]), (2, 3))
>>> torch.sparse.mm(s, torch.ones(3, 2))
tensor([[3., 3.],
        [9., 9.]])
"""
from __future__ import annotations

import flambeau as torch

from ._tensor import COO, SparseTensor, sparse_form, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor

__all__ = ["addmm", "as_sparse_gradcheck", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax",
           "spdiags", "spsolve", "sum"]


def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """The product of two matrices, of which one or both are sparse; gradients flow to both.

    With reduce "mean", "amax" or "amin" (mat1 in CSR), products of a row are averaged, or their largest or smallest is
    taken, instead of being summed.

    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.tensor([[1., 2.], [3., 4.]]))
    tensor([[1., 2.],
            [3., 4.]])
    """
    if reduce != "sum":
        return _reduced_product(mat1, mat2, reduce)
    if not isinstance(mat1, SparseTensor) and not isinstance(mat2, SparseTensor):
        return torch.mm(mat1, mat2)
    return sparse_form("_sparse_mm")(mat1, mat2)


def _reduced_product(a: Tensor, b: Tensor, reduce: str) -> Tensor:
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("mean", "amax", "amin"):
        raise RuntimeError(f"torch.sparse.mm: reduce argument must be either sum, mean, amax or amin, got {reduce}")
    if not isinstance(a, SparseTensor) or a._layout is not torch.sparse_csr:
        raise unsupported("_sparse_mm_reduce_impl", a, "with a reduction the first matrix must be of layout sparse_csr")
    from ._matmul import times_dense, triples
    rows, columns, values, ordered = triples(a)
    if reduce == "mean":
        count = torch.bincount(rows, minlength=a.shape[0]).clamp_(min=1)
        return times_dense(rows, columns, values, b, a.shape[0], ordered) / count.unsqueeze(1)
    products = values.unsqueeze(1) * b.index_select(0, columns)
    where = rows.unsqueeze(1).expand(products.shape)
    return torch.zeros((a.shape[0], b.shape[1]), dtype=products.dtype).scatter_reduce(0, where, products, reduce, include_self=False)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Tensor:
    """beta * mat + alpha * mat1 @ mat2 for a sparse mat1; gradients flow to all."""
    return sparse_form("_sparse_addmm")(mat, mat1, mat2, beta=beta, alpha=alpha)


def sampled_addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0, out: Any = None) -> Tensor:
    """alpha * (mat1 @ mat2) where the CSR matrix input has elements, plus beta * input.

    >>> s = torch.eye(2).to_sparse_csr()
    >>> torch.sparse.sampled_addmm(s, torch.ones(2, 3), torch.ones(3, 2)).to_dense()
    tensor([[4., 0.],
            [0., 4.]])
    """
    return sparse_form("sampled_addmm")(input, mat1, mat2, beta=beta, alpha=alpha, out=out)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:  # noqa: A001
    """The sum of a sparse tensor: of everything (strided), or over dimensions (sparse, unless all sparse ones are summed).

    >>> torch.sparse.sum(torch.eye(3).to_sparse())
    tensor(3.)
    """
    return sparse_form("_sparse_sum")(input, dim, dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax along dim of a COO tensor; elements that it does not have count as minus infinity."""
    return sparse_form("_sparse_softmax")(input, dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax."""
    return sparse_form("_sparse_log_softmax")(input, dim, dtype)


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Tensor:
    """A matrix whose diagonals are the rows of a matrix: row k goes to diagonal offsets[k], element j to column j.

    >>> torch.sparse.spdiags(torch.ones(1, 3), torch.tensor([1]), (3, 3)).to_dense()
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    offsets = offsets.reshape(-1)
    rows = diagonals if diagonals.dim() == 2 else diagonals.unsqueeze(0)
    if offsets.shape[0] != rows.shape[0]:
        raise RuntimeError(f"spdiags(): Number of diagonals ({rows.shape[0]}) does not match the number of offsets ({offsets.shape[0]})")
    if len(set(offsets.tolist())) < offsets.shape[0]:
        raise RuntimeError("spdiags(): Offset tensor contains duplicate values")
    if layout not in (None, COO, torch.sparse_csr, torch.sparse_csc):
        raise RuntimeError(f"spdiags(): Only output layouts (Sparse, SparseCsc, and SparseCsr) are supported, got {layout}")
    m, n = shape
    indices, values = [], []
    for row, offset in zip(rows, offsets.tolist()):
        first, last = max(0, offset), min(n, m + offset, rows.shape[1])
        columns = torch.arange(first, max(first, last))
        indices.append(torch.stack((columns - offset, columns)))
        values.append(row[first:max(first, last)])
    made = torch.sparse_coo_tensor(torch.cat(indices, 1), torch.cat(values), (m, n))
    return made if layout in (None, COO) else made.to_sparse(layout=layout)


def spsolve(input: Tensor, other: Tensor, *, left: bool = True) -> Tensor:
    """The solution x of input @ x = other for a CSR matrix."""
    if not left:
        raise RuntimeError("spsolve: left must be True")
    return torch.linalg.solve(input.to_dense(), other)


class check_sparse_tensor_invariants:
    """Whether constructors of sparse tensors check indices and sizes: a switch, a with block or a decorator.

    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse_coo_tensor([[5]], [1.], (2,))
    Traceback (most recent call last):
    RuntimeError: size is inconsistent with indices: for dim 0, size is 2 but found index 5
    """

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.saved: bool | None = None

    @staticmethod
    def is_enabled() -> bool:
        """Whether they check."""
        from ._construct import checking
        return checking["on"]

    @staticmethod
    def enable() -> None:
        """From now on they check."""
        from ._construct import checking
        checking["on"] = True

    @staticmethod
    def disable() -> None:
        """From now on they do not check unless told to."""
        from ._construct import checking
        checking["on"] = False

    def __enter__(self) -> None:
        from ._construct import checking
        if self.saved is not None:
            raise RuntimeError("This context manager instance is already activated. Use a different context manager instance for context nesting.")
        self.saved, checking["on"] = checking["on"], self.state

    def __exit__(self, *_: object) -> None:
        from ._construct import checking
        if self.saved is None:
            raise AssertionError("check_sparse_tensor_invariants: left without being entered")
        checking["on"], self.saved = self.saved, None

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)
        return checked


def as_sparse_gradcheck(gradcheck: Any) -> Any:
    """gradcheck for functions of sparse tensors. torch.autograd.gradcheck itself takes them; this returns it."""
    return gradcheck


def _through_values(function: Any, inputs: tuple) -> tuple[Any, tuple]:
    """A function of strided tensors that computes what one of sparse tensors does: their values in, strided results out."""
    from ._tensor import like
    patterns = [x.coalesce().detach() if isinstance(x, SparseTensor) and x._layout is COO else x for x in inputs]
    values = [p._elements.clone().requires_grad_(x.requires_grad) if isinstance(p, SparseTensor) else x for p, x in zip(patterns, inputs)]

    def of_values(*values: Any) -> Any:
        results = function(*[like(p, v) if isinstance(p, SparseTensor) else v for p, v in zip(patterns, values)])
        dense = [r.to_dense() if isinstance(r, SparseTensor) else r for r in (results if isinstance(results, (tuple, list)) else (results,))]
        return tuple(dense)
    return of_values, tuple(values)


def __getattr__(name: str) -> Any:
    if name.endswith("Tensor"):
        from ..storage import tensor_type
        try:
            return tensor_type(f"torch.sparse.{name}")
        except KeyError:
            pass
    raise AttributeError(f"module 'torch.sparse' has no attribute '{name}'")
