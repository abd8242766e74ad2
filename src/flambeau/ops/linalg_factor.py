"""torch.linalg: Cholesky, LU, QR, Householder products and LDL, with their gradients."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .._operator import operator
from . import _lapack
from ._common import dtype_name
from ._primitive import primitive

_LINALG: dict[str, Any] = {"namespace": "linalg"}
_EX: dict[str, Any] = {"namespace": "linalg"}


def require_matrix(name, matrix, argument="A"):
    """At least two dims."""
    if matrix.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def require_square(name, matrix, argument="A"):
    require_matrix(name, matrix, argument)
    if matrix.shape[-1] != matrix.shape[-2]:
        raise RuntimeError(f"{name}: {argument} must be batches of square matrices, but they are "
                           f"{matrix.shape[-2]} by {matrix.shape[-1]} matrices")


def require_precision(name, matrix, low=True):
    """A float or complex dtype that LAPACK knows."""
    if not (matrix.is_floating_point() or matrix.is_complex()):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got "
                           f"{dtype_name(matrix.dtype)}")
    if low and matrix.dtype in (torch.float16, torch.bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {dtype_name(matrix.dtype)}")


def raise_info(name, info, text, single=None):
    """LinAlgError for the first batch element whose info is not zero; text(info) says what is wrong."""
    if not _lapack.failed(info):
        return
    flat = info.reshape(-1).tolist()
    item = next(position for position, value in enumerate(flat) if value)
    where = f"(Batch element {item}): " if info.ndim else ""
    raise torch.linalg.LinAlgError(f"{name}: {where}{text(flat[item])}")


# Cholesky


def _cholesky_backward(inputs, outputs, grads, needs):
    factor, grad, upper = outputs[0], grads[0], inputs[1]
    if upper:
        factor, grad = factor.mH, grad.mH
    inner = factor.mH @ grad
    inner = (inner.tril() + inner.tril(-1).mH) * 0.5
    inner = torch.linalg.solve_triangular(factor.mH, inner, upper=True)
    return torch.linalg.solve_triangular(factor, inner, upper=False, left=False), None


@primitive(_cholesky_backward, fixed=(1,), node="LinalgCholeskyExBackward0")
def _cholesky(matrix, upper):
    return _lapack.potrf(matrix, upper)


@operator("linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
          **_EX)
def cholesky_ex(self, upper, check_errors):
    """cholesky with an info per matrix (0, or the order of the minor that is not positive) in place of errors.

    >>> torch.linalg.cholesky_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    require_square("linalg.cholesky", self)
    _lapack.supported("linalg_cholesky_cpu", self)
    factor, info = _cholesky(self, upper)
    if check_errors:
        _check_cholesky("linalg.cholesky_ex", info)
    return factor, info


def _check_cholesky(name, info):
    raise_info(name, info, lambda order: "The factorization could not be completed because the input is not "
               f"positive-definite (the leading minor of order {order} is not positive-definite).")


@operator("linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", **_LINALG)
def cholesky(self, upper):
    """The lower triangular L with L @ L^H = A (or upper U with U^H @ U = A) of Hermitian positive matrices.

    >>> torch.linalg.cholesky(torch.tensor([[4.]]))
    tensor([[2.]])
    """
    require_square("linalg.cholesky", self)
    _lapack.supported("linalg_cholesky_cpu", self)
    factor, info = _cholesky(self, upper)
    _check_cholesky("linalg.cholesky", info)
    return factor


# LU


def _permutation(pivots, rows):
    """The rows' order after the exchanges of 1-based pivots: (P^T A)[i] = A[order[i]]."""
    lead = pivots.shape[:-1]
    if pivots.is_meta:
        return torch.empty((*lead, rows), dtype=torch.int64, device=pivots.device)
    exchanges = pivots.flatten(0, -2).tolist() if pivots.ndim > 1 else [pivots.tolist()]
    orders = []
    for exchange in exchanges:
        order = list(range(rows))
        for first, second in enumerate(exchange):
            if first != second - 1:
                order[first], order[second - 1] = order[second - 1], order[first]
        orders.append(order)
    return torch.tensor(orders, dtype=torch.int64).reshape(*lead, rows)


def _permutation_matrix(pivots, rows, dtype):
    """P of A = P L U."""
    order = _permutation(pivots, rows)
    return torch.eye(rows, dtype=dtype)[order].mT.contiguous()


def _without_pivots(matrix):
    """LU without row exchanges, a rank-1 update at a time."""
    work = matrix.clone(memory_format=torch.contiguous_format)
    m, n = matrix.shape[-2:]
    small = min(m, n)
    info = torch.zeros(matrix.shape[:-2], dtype=torch.int32)
    for k in range(small):
        pivot = work[..., k, k]
        info = torch.where((info == 0) & (pivot == 0), torch.full_like(info, k + 1), info)
        if k + 1 < m:
            work[..., k + 1:, k] /= pivot.unsqueeze(-1)
            work[..., k + 1:, k + 1:] -= work[..., k + 1:, k:k + 1] * work[..., k:k + 1, k + 1:]
    pivots = torch.arange(1, small + 1, dtype=torch.int32).expand(*matrix.shape[:-2], small).contiguous()
    return work, pivots, info


def _lu_backward(inputs, outputs, grads, needs):
    packed, pivots = outputs[:2]
    grad = grads[0]
    m, n = packed.shape[-2:]
    k = min(m, n)
    square = packed[..., :k, :k]
    lower, upper = square, square.triu()
    grad_lower, grad_upper = grad[..., :k, :k].tril(-1), grad[..., :k, :k].triu()
    extra_rows = extra_columns = None
    if m > k:
        low = packed[..., k:, :]
        extra_rows = torch.linalg.solve_triangular(upper.mH, grad[..., k:, :], upper=False, left=False)
        grad_upper = grad_upper - (low.mH @ extra_rows).triu()
    if n > k:
        right = packed[..., :, k:]
        extra_columns = torch.linalg.solve_triangular(lower.mH, grad[..., :, k:], upper=True, unitriangular=True)
        grad_lower = grad_lower - (extra_columns @ right.mH).tril(-1)
    unit = lower.tril(-1) + torch.eye(k, dtype=packed.dtype)
    inner = (unit.mH @ grad_lower).tril(-1) + (grad_upper @ upper.mH).triu()
    inner = torch.linalg.solve_triangular(upper.mH, inner, upper=False, left=False)
    result = torch.linalg.solve_triangular(unit.mH, inner, upper=True, unitriangular=True)
    if extra_rows is not None:
        result = torch.cat([result, extra_rows], -2)
    if extra_columns is not None:
        result = torch.cat([result, extra_columns], -1)
    if not inputs[1]:
        return result, None
    return _permutation_matrix(pivots, m, packed.dtype) @ result, None


@primitive(_lu_backward, fixed=(1, 2), node="LinalgLuFactorExBackward0")
def lu_packed(matrix, pivot):
    """LU in one matrix, pivots, info."""
    return _lapack.getrf(matrix) if pivot else _without_pivots(matrix)


@operator("linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) "
          "-> (Tensor LU, Tensor pivots, Tensor info)", **_EX)
def lu_factor_ex(matrix, pivot, check_errors):
    """lu_factor with an info per matrix in place of errors.

    >>> torch.linalg.lu_factor_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    require_matrix("torch.linalg.lu_factor_ex", matrix)
    _lapack.supported("lu_cpu", matrix)
    packed, pivots, info = lu_packed(matrix, pivot)
    if check_errors:
        _check_lu("torch.linalg.lu_factor_ex", info)
    return packed, pivots, info


def _check_lu(name, info):
    if _lapack.failed(info):
        position = next(value for value in info.reshape(-1).tolist() if value)
        raise RuntimeError(f"{name}: U[{position},{position}] is zero and using it on lu_solve would result in a "
                           "division by zero. If you still want to perform the factorization, consider calling "
                           "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)")


@operator("linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", **_LINALG)
def lu_factor(matrix, pivot):
    """L (below the diagonal, ones on it implied) and U in one matrix, with the 1-based row exchanges.

    >>> torch.linalg.lu_factor(torch.eye(2)).pivots
    tensor([1, 2], dtype=torch.int32)
    """
    require_matrix("torch.linalg.lu_factor", matrix)
    _lapack.supported("lu_cpu", matrix)
    packed, pivots, info = lu_packed(matrix, pivot)
    _check_lu("torch.linalg.lu_factor", info)
    return packed, pivots


def unpack(packed, pivots, data=True, permutation=True):
    """P, L, U of a packed LU."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    empty = packed.new_empty(0)
    matrix = _permutation_matrix(pivots, m, packed.dtype) if permutation else empty
    if not data:
        return matrix, empty, empty
    lower = packed[..., :, :k].tril(-1) + torch.eye(m, k, dtype=packed.dtype)
    return matrix, lower, packed[..., :k, :].triu()


@operator("linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", **_LINALG,
           node="LinalgLuBackward0")
def lu(matrix, pivot):
    """Permutation, unit lower and upper triangular factor: A = P @ L @ U.

    >>> torch.linalg.lu(torch.tensor([[2.]])).U
    tensor([[2.]])
    """
    require_matrix("linalg.lu", matrix)
    _lapack.supported("lu_cpu", matrix)
    packed, pivots, _ = lu_packed(matrix, pivot)
    permutation, lower, upper = unpack(packed, pivots, permutation=pivot)
    return permutation, lower, upper


@operator("linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor",
          **_LINALG, node="LinalgLuSolveBackward0")
def lu_solve(packed, pivots, right, left, adjoint):
    """The solution of A @ X = B (or X @ A = B, or with A^H) from lu_factor's result.

    >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(2 * torch.eye(1)), torch.ones(1, 1))
    tensor([[0.5000]])
    """
    require_precision("torch.linalg.lu_solve", packed, low=False)
    if packed.dtype != right.dtype:
        raise RuntimeError(f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
                           f"{dtype_name(packed.dtype)} and B of type {dtype_name(right.dtype)} instead")
    if pivots.dtype != torch.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    require_square("torch.linalg.lu_solve", packed, "LU")
    if right.ndim < 2 or right.shape[-2 if left else -1] != packed.shape[-1]:
        raise RuntimeError(f"linalg.lu_solve: Incompatible shapes of A and B for the equation "
                           f"{'AX = B' if left else 'XA = B'} ({packed.shape[-2]}x{packed.shape[-1]} and "
                           f"{'x'.join(map(str, right.shape[-2:]))})")
    if pivots.shape != packed.shape[:-1]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    if not left:
        return torch.linalg.lu_solve(packed, pivots, right.mH, left=True, adjoint=not adjoint).mH
    order = _permutation(pivots, packed.shape[-1])
    batch = torch.broadcast_shapes(packed.shape[:-2], right.shape[:-2])
    n, count = right.shape[-2:]
    if adjoint:
        half = torch.linalg.solve_triangular(packed.mH, right, upper=False)
        half = torch.linalg.solve_triangular(packed.mH, half, upper=True, unitriangular=True)
        back = order.argsort(-1)
        return half.gather(-2, back.unsqueeze(-1).expand(*batch, n, count))
    index = order.unsqueeze(-1).expand(*batch, n, count)
    half = right.expand(*batch, n, count).gather(-2, index)
    half = torch.linalg.solve_triangular(packed, half, upper=False, unitriangular=True)
    return torch.linalg.solve_triangular(packed, half, upper=True)


# QR


def _keep_real_diagonal(matrix):
    """X + X^H with the diagonal counted once, its real part."""
    total = matrix + matrix.mH
    return total - total.diagonal(0, -2, -1).mul(0.5).diag_embed()


def _qr_backward(inputs, outputs, grads, needs):
    matrix, mode = inputs
    q, r = outputs
    grad_q, grad_r = grads
    m, n = matrix.shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols")
    if mode == "r":
        raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                           "linalg.qr(A, mode='reduced') if you are going to require the gradient")
    rest = None
    if m < n:  # A = [X | Y], R = [U | V]: X = Q U is square, V = Q^H Y
        rest = torch.zeros_like(matrix[..., m:]) if grad_r is None else q @ grad_r[..., m:]
        if grad_r is not None:
            through_v = matrix[..., m:] @ grad_r[..., m:].mH
            grad_q = through_v if grad_q is None else grad_q + through_v
            grad_r = grad_r[..., :m]
        r = r[..., :m]
    inner = 0 if grad_r is None else grad_r @ r.mH
    if grad_q is not None:
        inner = inner - q.mH @ grad_q
    result = q @ _keep_real_diagonal(inner.triu())
    if grad_q is not None:
        result = result + grad_q
    result = torch.linalg.solve_triangular(r.mH, result, upper=False, left=False)
    return (result if rest is None else torch.cat([result, rest], -1)), None


@primitive(_qr_backward, node="LinalgQrBackward0")
def _qr(matrix, mode):
    m, n = matrix.shape[-2:]
    k = min(m, n)
    packed, tau = _lapack.geqrf(matrix)
    if mode == "r":
        return matrix.new_empty(0), packed[..., :k, :].triu()
    if mode == "complete":
        wide = torch.cat([packed[..., :k], packed.new_zeros((*packed.shape[:-1], m - k))], -1)
        return _lapack.orgqr(wide, tau), packed.triu()
    return _lapack.orgqr(packed[..., :k], tau), packed[..., :k, :].triu()


@operator('linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)', **_LINALG)
def qr(matrix, mode):
    """Q with orthonormal columns and upper triangular R, A = Q @ R; mode "reduced", "complete" or "r" (R only).

    >>> torch.linalg.qr(torch.eye(2)).R.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    require_matrix("linalg.qr", matrix)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
                           "'complete'")
    _lapack.supported("geqrf_cpu", matrix)
    return _qr(matrix, mode)


def _no_geqrf_gradient(inputs, outputs, grads, needs):
    raise NotImplementedError("the derivative for 'geqrf' is not implemented.")


@primitive(_no_geqrf_gradient, node="GeqrfBackward0")
def _geqrf(matrix):
    return _lapack.geqrf(matrix)


@operator("geqrf(Tensor self) -> (Tensor a, Tensor tau)")
def geqrf(self):
    """LAPACK's packed QR: R above, Householder vectors below the diagonal, and their factors.

    >>> torch.geqrf(torch.tensor([[2.]])).a
    tensor([[2.]])
    """
    require_matrix("torch.geqrf", self, "input")
    _lapack.supported("geqrf_cpu", self)
    return _geqrf(self)


# Householder products


def _reflect(vectors, tau, other):
    """H_1 ... H_k @ other written in operators, to take gradients of."""
    m, k = vectors.shape[-2], tau.shape[-1]
    lower = vectors[..., :, :k].tril(-1) + torch.eye(m, k, dtype=vectors.dtype)
    for position in reversed(range(k)):
        vector = lower[..., :, position:position + 1]
        other = other - tau[..., position, None, None] * (vector @ (vector.mH @ other))
    return other


def _by_composition(compute, inputs, grads):
    """Gradients of compute(*inputs) by differentiating its composition."""
    with torch.enable_grad():
        leaves = [one if one.requires_grad else one.detach().requires_grad_() for one in inputs]
        views = [leaf.view_as(leaf) for leaf in leaves]
        outputs = compute(*views)
    return torch.autograd.grad(outputs, views, grads, create_graph=torch.is_grad_enabled(), allow_unused=True)


def _householder_backward(inputs, outputs, grads, needs):
    if not inputs[1].numel():
        return None, None

    def compute(vectors, tau):
        m, n = vectors.shape[-2:]
        return _reflect(vectors, tau, torch.eye(m, n, dtype=vectors.dtype).expand(vectors.shape))
    return _by_composition(compute, inputs, grads[0])


@primitive(_householder_backward, node="LinalgHouseholderProductBackward0")
def _householder(vectors, tau):
    return _lapack.orgqr(vectors, tau)


@operator("linalg_householder_product(Tensor input, Tensor tau) -> Tensor", **_LINALG)
def householder_product(input, tau):
    """The first n columns of H_1 ... H_k, H_i = 1 - tau_i v_i v_i^H, v_i below the diagonal of column i of the input.

    >>> torch.linalg.householder_product(torch.eye(2), torch.zeros(2)).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    name = "torch.linalg.householder_product"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to "
                           f"{tau.ndim} and input.ndim is equal to {input.ndim}")
    if input.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
                           f"{list(tau.shape[:-1])}")
    if input.dtype != tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {dtype_name(tau.dtype)} does not match input dtype "
                           f"{dtype_name(input.dtype)}")
    _lapack.supported("orgqr_cpu", input)
    return _householder(input, tau)


def _ormqr_backward(inputs, outputs, grads, needs):
    *tensors, left, transpose = inputs
    if not tensors[1].numel():
        return None, None, grads[0], None, None

    def compute(vectors, tau, other):
        m = vectors.shape[-2]
        square = _reflect(vectors, tau, torch.eye(m, dtype=vectors.dtype))
        square = square.mH if transpose else square
        return square @ other if left else other @ square
    return (*_by_composition(compute, tensors, grads[0]), None, None)


@primitive(_ormqr_backward, node="OrmqrBackward0")
def _ormqr(vectors, tau, other, left, transpose):
    return _lapack.ormqr(vectors, tau, other, left, transpose)


@operator("ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor")
def ormqr(self, tau, other, left, transpose):
    """Q @ other, or Q^H @ other, or with Q on the right, for the Q of Householder vectors (see geqrf).

    >>> torch.ormqr(torch.zeros(2, 1), torch.zeros(1), torch.eye(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if self.ndim < 2 or other.ndim < 2:
        raise RuntimeError("torch.ormqr: input and other must have at least 2 dimensions.")
    size = other.shape[-2 if left else -1]
    if size < tau.shape[-1]:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be greater than or equal to "
                           "tau.shape[-1]")
    if self.shape[-1] < tau.shape[-1]:
        raise RuntimeError("torch.ormqr: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if size != self.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]")
    if tau.ndim != self.ndim - 1 or other.ndim != self.ndim or tau.shape[:-1] != self.shape[:-2] \
            or other.shape[:-2] != self.shape[:-2]:
        raise RuntimeError("torch.ormqr: Expected batch dimensions of tau and other to be equal to input.shape[:-2] "
                           f"(got {list(tau.shape)} and {list(other.shape)} for input of shape {list(self.shape)})")
    for name, tensor in (("tau", tau), ("other", other)):
        if tensor.dtype != self.dtype:
            raise RuntimeError(f"torch.ormqr: Expected input and {name} to have the same dtype, but input has dtype "
                               f"{dtype_name(self.dtype)} and {name} has dtype {dtype_name(tensor.dtype)}")
    _lapack.supported("ormqr_cpu", self)
    return _ormqr(self, tau, other, left, transpose)


# LDL


def _no_ldl_gradient(inputs, outputs, grads, needs):
    raise NotImplementedError("the derivative for 'linalg_ldl_factor_ex' is not implemented.")


@primitive(_no_ldl_gradient, fixed=(1, 2), node="NotImplemented")
def _ldl(matrix, hermitian):
    return _lapack.sytrf(matrix, hermitian)


@operator("linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) "
          "-> (Tensor LD, Tensor pivots, Tensor info)", **_EX)
def ldl_factor_ex(self, hermitian, check_errors):
    """ldl_factor with an info per matrix in place of errors.

    >>> torch.linalg.ldl_factor_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    require_square("torch.linalg.ldl_factor_ex", self)
    _lapack.supported("ldl_factor_cpu", self)
    factor, pivots, info = _ldl(self, hermitian)
    if check_errors and _lapack.failed(info):
        raise torch.linalg.LinAlgError("torch.linalg.ldl_factor_ex: D has a zero on its diagonal; the factorization "
                                       "would divide by zero in ldl_solve")
    return factor, pivots, info


@operator("linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", **_LINALG)
def ldl_factor(self, hermitian):
    """L and block diagonal D of symmetric (or Hermitian) matrices in one matrix, A = L D L^T, with pivots.

    >>> torch.linalg.ldl_factor(torch.eye(2)).LD
    tensor([[1., 0.],
            [0., 1.]])
    """
    factor, pivots, _ = torch.linalg.ldl_factor_ex(self, hermitian=hermitian, check_errors=True)
    return factor, pivots


@operator("linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor", **_LINALG)
def ldl_solve(factor, pivots, right, hermitian):
    """The solution of A @ X = B from ldl_factor's result.

    >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(2 * torch.eye(1)), torch.ones(1, 1))
    tensor([[0.5000]])
    """
    require_square("torch.linalg.ldl_solve", factor, "LD")
    if right.ndim < 2:
        raise RuntimeError("torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has "
                           f"{right.ndim} dimensions instead")
    if factor.shape[:-1] != pivots.shape:
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got "
                           f"pivots with shape {list(pivots.shape)} instead")
    if pivots.is_floating_point() or pivots.is_complex() or pivots.dtype == torch.bool:
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected pivots to be integers. Got {dtype_name(pivots.dtype)}")
    if factor.dtype != right.dtype:
        raise RuntimeError(f"torch.linalg.ldl_solve: LD dtype {dtype_name(factor.dtype)} does not match b dtype "
                           f"{dtype_name(right.dtype)}")
    batch = torch.broadcast_shapes(factor.shape[:-2], right.shape[:-2])
    with torch.no_grad():
        return _lapack.sytrs(factor.expand(*batch, *factor.shape[-2:]), pivots.expand(*batch, pivots.shape[-1]),
                             right.expand(*batch, *right.shape[-2:]), hermitian)
