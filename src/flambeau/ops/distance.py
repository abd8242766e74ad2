"""Distances and comparisons: cdist, pdist, dist, norm, renorm, isclose, allclose."""

from __future__ import annotations

import flambeau as torch

from .._operator import operator, plain
from ._common import broadcast_batch, dtype_name, require_floating, wrap_dim


@operator("cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor", method=False, out=False)
def _cdist(x1, x2, p, compute_mode):
    """p-norm distances between the rows of two (batches of) matrices."""
    for name, tensor in (("X1", x1), ("X2", x2)):
        if tensor.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {tensor.ndim}D")
        if not tensor.is_floating_point():
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {dtype_name(tensor.dtype)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values (got {p})")
    rows, columns = x1.shape[-2], x2.shape[-2]
    if p == 2 and (compute_mode == 1 or (not compute_mode and (rows > 25 or columns > 25))):
        return _euclidean(*broadcast_batch(x1, x2))
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    if p == 0:
        return torch.linalg.vector_norm(difference, 0, -1) + (difference * 0).sum(-1)  # a gradient of zeros
    return torch.linalg.vector_norm(difference, p, -1)


def _euclidean(x1, x2):
    """Distances from one matrix product: |a|^2 - 2ab + |b|^2."""
    squares1 = x1.square().sum(-1, keepdim=True)
    squares2 = x2.square().sum(-1, keepdim=True)
    left = torch.cat([x1 * -2, squares1, torch.ones_like(squares1)], -1)
    right = torch.cat([x2, torch.ones_like(squares2), squares2], -1)
    return left.matmul(right.transpose(-2, -1)).clamp_min(0).sqrt()


@plain("cdist")
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """p-norm distances between the rows of x1 (... x P x M) and x2 (... x R x M): a ... x P x R tensor.

    >>> torch.cdist(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]]))
    tensor([[5.]])
    """
    modes = {"use_mm_for_euclid_dist_if_necessary": 0, "use_mm_for_euclid_dist": 1, "donot_use_mm_for_euclid_dist": 2}
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return _cdist(x1, x2, p, modes[compute_mode])


@operator("pdist(Tensor self, float p=2.) -> Tensor", method=False, out=False, node="PdistBackward0")
def pdist(self, p):
    """p-norm distances between all pairs of rows i < j, in order.

    >>> torch.pdist(torch.tensor([[0., 0.], [3., 4.], [0., 4.]]))
    tensor([5., 4., 3.])
    """
    if self.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {self.ndim}D")
    if not self.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    rows = self.shape[0]
    first, second = torch.triu_indices(rows, rows, 1, device=self.device)
    return torch.linalg.vector_norm(self[first] - self[second], p, -1)


@operator("dist(Tensor self, Tensor other, Scalar p=2) -> Tensor", out=False, node="DistBackward0")
def dist(self, other, p):
    """The p-norm of self - other, which broadcast.

    >>> torch.dist(torch.tensor([0., 0.]), torch.tensor([3., 4.]))
    tensor(5.)
    """
    return torch.linalg.vector_norm(self - other, p)


@operator("renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", inplace=True, node="RenormBackward0")
def renorm(self, p, dim, maxnorm):
    """Scale the slices along dim whose p-norm exceeds maxnorm down to it.

    >>> torch.renorm(torch.tensor([[3., 4.]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000]])
    """
    require_floating("renorm", self)
    if isinstance(p, complex) or p <= 0:
        raise RuntimeError(f"renorm: non-positive norm degree (got {p})")
    if isinstance(maxnorm, complex) or maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if self.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {self.ndim} dimensions")
    dim = wrap_dim(dim, self.ndim)
    norms = torch.linalg.vector_norm(self, p, [other for other in range(self.ndim) if other != dim], keepdim=True)
    scale = torch.where(norms > maxnorm, maxnorm / (norms + 1e-7), torch.ones_like(norms))
    return self * scale


@plain("norm")
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The vector norm of all elements or over dim; p may be a number, "fro" or "nuc" (matrix norm over two dims).

    >>> torch.norm(torch.tensor([3., 4.]))
    tensor(5.)
    """
    if not isinstance(input, torch.Tensor):
        raise TypeError(f"norm(): argument 'input' must be Tensor, not {type(input).__name__}")
    if isinstance(dim, int):
        dim = [dim]
    if isinstance(p, str):
        if p == "nuc":
            axes = list(range(input.ndim)) if dim is None else list(dim)
            return torch.linalg.matrix_norm(input, "nuc", axes, keepdim, dtype=dtype, out=out)
        if p != "fro":
            raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
        if dim is not None and len(dim) > 2:
            raise RuntimeError(f"norm: 'fro' takes at most two dims (got {dim})")
        p = 2
    if p is None:
        p = 2
    options = {} if out is None else {"out": out}
    return torch.linalg.vector_norm(input, p, dim if dim is None else list(dim), keepdim, dtype=dtype, **options)


norm.method = True


@operator("frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", method=False)
def frobenius_norm(self, dim, keepdim):
    """The square root of the sum of squares over up to two dims.

    >>> torch.frobenius_norm(torch.tensor([[3., 4.]]), [0, 1])
    tensor(5.)
    """
    if len(dim) > 2:
        raise RuntimeError(f"Expected at most 2 dimensions, but got {len(dim)} dimensions instead.")
    return torch.linalg.vector_norm(self, 2, dim or None, keepdim)


@operator("nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor", method=False)
def nuclear_norm(self, dim, keepdim):
    """The sum of singular values over two dims.

    >>> torch.nuclear_norm(torch.diag(torch.tensor([1., 2.])))
    tensor(3.)
    """
    return torch.linalg.matrix_norm(self, "nuc", dim, keepdim)


@nuclear_norm.overload("nuclear_norm(Tensor self, bool keepdim=False) -> Tensor")
def _(self, keepdim):
    return torch.linalg.matrix_norm(self, "nuc", [-2, -1], keepdim)


def _close(self, other, rtol, atol, equal_nan, name):
    if self.dtype != other.dtype:
        raise RuntimeError(f"{name}: {dtype_name(self.dtype)} did not match {dtype_name(other.dtype)}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"{name}: rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}")
    result = self == other
    if equal_nan and (self.is_floating_point() or self.is_complex()):
        result = result | (self.isnan() & other.isnan())
    if rtol == 0 and atol == 0:
        return result
    exact = not (other.is_floating_point() or other.is_complex())
    wide_other = other.to(torch.get_default_dtype()) if exact else other
    wide_self = self.to(wide_other.dtype)
    allowed = atol + (rtol * wide_other).abs()
    error = (wide_self - wide_other).abs()
    return result | (error.isfinite() & (error <= allowed))


@operator("isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor",
          out=False)
def isclose(self, other, rtol, atol, equal_nan):
    """Elementwise |self - other| <= atol + rtol * |other|; equal infinities are close.

    >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1., 2.1]))
    tensor([ True, False])
    """
    return _close(self, other, rtol, atol, equal_nan, "isclose")


@operator("allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool",
          out=False)
def allclose(self, other, rtol, atol, equal_nan):
    """Whether isclose holds everywhere.

    >>> torch.allclose(torch.tensor([1.]), torch.tensor([1. + 1e-8]))
    True
    """
    with torch.no_grad():
        return bool(_close(self, other, rtol, atol, equal_nan, "allclose").all())


@operator("equal(Tensor self, Tensor other) -> bool", out=False)
def equal(self, other):
    """Whether both tensors have one shape and the same elements; NaN equals nothing.

    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    if self.dtype != other.dtype:
        raise RuntimeError(f"equal: Expected object of data type {dtype_name(self.dtype)} but got data type "
                           f"{dtype_name(other.dtype)} for argument 'other'")
    return self.shape == other.shape and bool((self == other).all())
