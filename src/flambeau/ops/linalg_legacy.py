"""The linear algebra that lives in torch itself: older names of torch.linalg's operators, and low-rank methods."""

from __future__ import annotations

import flambeau as torch

from .._operator import aliases, operator, plain
from . import _lapack
from ._common import broadcast_batch, dtype_name
from ._primitive import primitive
from .linalg_factor import require_matrix, require_square, unpack


def _moved(name, schema, doc, fields=False):
    """torch.NAME as torch.linalg.NAME, also a method."""
    def compute(self, *args):
        return getattr(torch.linalg, name)(self, *args)
    compute.__doc__ = doc
    return operator(schema)(compute)


det = _moved("det", "det(Tensor self) -> Tensor", """The determinant of square matrices; see linalg.det.

    >>> torch.det(torch.eye(2))
    tensor(1.)
    """)
slogdet = _moved("slogdet", "slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", """See linalg.slogdet.

    >>> torch.slogdet(torch.eye(2)).sign
    tensor(1.)
    """)
inverse = _moved("inv", "inverse(Tensor self) -> Tensor", """The inverse of square matrices; see linalg.inv.

    >>> torch.inverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """)
matrix_power = _moved("matrix_power", "matrix_power(Tensor self, int n) -> Tensor", """See linalg.matrix_power.

    >>> torch.matrix_power(torch.tensor([[2.]]), 3)
    tensor([[8.]])
    """)
matrix_exp = _moved("matrix_exp", "matrix_exp(Tensor self) -> Tensor", """See linalg.matrix_exp.

    >>> torch.matrix_exp(torch.zeros(1, 1))
    tensor([[1.]])
    """)


@operator("pinverse(Tensor self, float rcond=1e-15) -> Tensor", out=False)
def pinverse(self, rcond):
    """The Moore-Penrose inverse; see linalg.pinv.

    >>> torch.pinverse(torch.tensor([[2.], [0.]]))
    tensor([[0.5000, 0.0000]])
    """
    return torch.linalg.pinv(self, rcond, False)


@operator("cholesky(Tensor self, bool upper=False) -> Tensor", node="CholeskyBackward0")
def cholesky(self, upper):
    """The Cholesky factor of positive-definite matrices; see linalg.cholesky.

    >>> torch.cholesky(torch.tensor([[4.]]))
    tensor([[2.]])
    """
    return torch.linalg.cholesky(self, upper=upper)


@operator("qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)")
def qr(self, some):
    """The QR decomposition; see linalg.qr.

    >>> torch.qr(torch.eye(2)).R.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return torch.linalg.qr(self, "reduced" if some else "complete")


@operator("svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)")
def svd(self, some, compute_uv):
    """The singular value decomposition self = U @ diag(S) @ V^H; see linalg.svd.

    >>> torch.svd(torch.diag(torch.tensor([1., 2.]))).S
    tensor([2., 1.])
    """
    require_matrix("linalg.svd", self)
    if not compute_uv:
        m, n = self.shape[-2:]
        lead = self.shape[:-2]
        return self.new_zeros((*lead, m, m)), torch.linalg.svdvals(self), self.new_zeros((*lead, n, n))
    u, s, vh = torch.linalg.svd(self, full_matrices=not some)
    return u, s, vh.mH


def _cholesky_solve_backward(inputs, outputs, grads, needs):
    factor, upper = inputs[1:]
    grad = torch.cholesky_solve(grads[0], factor, upper)
    grad_factor = None
    if needs[1]:
        common = grad @ outputs[0].mH
        common = common + common.mH
        grad_factor = -(factor @ common) if upper else -(common @ factor)
    return grad, grad_factor, None


@primitive(_cholesky_solve_backward, node="CholeskySolveBackward0")
def _cholesky_solve(right, factor, upper):
    if upper:
        half = torch.linalg.solve_triangular(factor.mH, right, upper=False)
        return torch.linalg.solve_triangular(factor, half, upper=True)
    half = torch.linalg.solve_triangular(factor, right, upper=False)
    return torch.linalg.solve_triangular(factor.mH, half, upper=True)


@operator("cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor")
def cholesky_solve(self, factor, upper):
    """The solution X of A @ X = self for the matrix A with the given Cholesky factor.

    >>> torch.cholesky_solve(torch.tensor([[8.]]), torch.tensor([[2.]]))
    tensor([[2.]])
    """
    if self.ndim < 2:
        raise RuntimeError(f"b should have at least 2 dimensions, but has {self.ndim} dimensions instead")
    if factor.ndim < 2:
        raise RuntimeError(f"u should have at least 2 dimensions, but has {factor.ndim} dimensions instead")
    require_square("cholesky_solve", factor)
    if self.shape[-2] != factor.shape[-2]:
        raise RuntimeError(f"Incompatible matrix sizes for cholesky_solve: each A matrix is {factor.shape[-1]} by "
                           f"{factor.shape[-1]} but each b matrix is {self.shape[-2]} by {self.shape[-1]}")
    _lapack.supported("cholesky_solve_cpu", self)
    right, factor = broadcast_batch(self, factor)
    return _cholesky_solve(right, factor, upper)


@operator("cholesky_inverse(Tensor self, bool upper=False) -> Tensor", node="CholeskyInverseBackward0")
def cholesky_inverse(self, upper):
    """The inverse of the matrix with the given Cholesky factor.

    >>> torch.cholesky_inverse(torch.tensor([[2.]]))
    tensor([[0.2500]])
    """
    require_square("cholesky_inverse", self)
    _lapack.supported("cholesky_inverse", self)
    one = torch.eye(self.shape[-1], dtype=self.dtype).expand(self.shape)
    return torch.cholesky_solve(one, self, upper)


@operator("triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) "
          "-> (Tensor solution, Tensor cloned_coefficient)", node="TriangularSolveBackward0")
def triangular_solve(self, matrix, upper, transpose, unitriangular):
    """The solution of A @ X = self (or A^T @ X) for triangular A, with a copy of A; see linalg.solve_triangular.

    >>> torch.triangular_solve(torch.tensor([[4.]]), torch.tensor([[2.]])).solution
    tensor([[2.]])
    """
    if self.ndim < 2 or matrix.ndim < 2:
        raise RuntimeError("torch.triangular_solve: Expected b and A to have at least 2 dimensions, but they have "
                           f"{self.ndim} and {matrix.ndim} dimensions instead")
    if self.dtype != matrix.dtype:
        raise RuntimeError("torch.triangular_solve: expected A and b to have one dtype (got "
                           f"{dtype_name(matrix.dtype)} and {dtype_name(self.dtype)})")
    require_square("triangular_solve", matrix)
    if self.shape[-2] != matrix.shape[-1]:
        raise RuntimeError(f"Incompatible matrix sizes for triangular_solve: each A matrix is {matrix.shape[-1]} by "
                           f"{matrix.shape[-1]} but each b matrix is {self.shape[-2]} by {self.shape[-1]}")
    matrix, right = broadcast_batch(matrix, self)
    operand = matrix.mT if transpose else matrix
    solution = torch.linalg.solve_triangular(operand, right, upper=upper != transpose, unitriangular=unitriangular)
    return solution, matrix.clone()


@operator("lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) "
          "-> (Tensor P, Tensor L, Tensor U)", method=False, node="LuUnpackBackward0")
def lu_unpack(data, pivots, unpack_data, unpack_pivots):
    """P, L and U from lu_factor's result.

    >>> torch.lu_unpack(*torch.linalg.lu_factor(2 * torch.eye(1))).U
    tensor([[2.]])
    """
    if unpack_pivots and pivots.dtype != torch.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype. "
                           "Note: this function is intended to be used with the output produced by "
                           "torch.linalg.lu_factor")
    require_matrix("torch.lu_unpack", data, "LU_data")
    return unpack(data, pivots, unpack_data, unpack_pivots)


@operator("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", node="LinalgLuSolveBackward0")
def lu_solve(self, data, pivots):
    """The solution of A @ X = self from lu_factor's result; see linalg.lu_solve.

    >>> torch.lu_solve(torch.ones(1, 1), *torch.linalg.lu_factor(2 * torch.eye(1)))
    tensor([[0.5000]])
    """
    return torch.linalg.lu_solve(data, pivots, self)


@plain("lu", method=True)
def lu(A, pivot=True, get_infos=False, out=None):
    """LU and pivots (and infos) of matrices; see linalg.lu_factor.

    >>> torch.lu(torch.eye(2))[1]
    tensor([1, 2], dtype=torch.int32)
    """
    factor, pivots, info = torch.linalg.lu_factor_ex(A, pivot=pivot, check_errors=not get_infos)
    results = (factor, pivots, info.int()) if get_infos else (factor, pivots)
    if out is None:
        return results
    for target, source in zip(out, results):
        target.resize_(source.shape).copy_(source)
    return out


def _range_basis(matrix, q, niter, shift):
    """Orthonormal columns that nearly span the range of matrix - shift (Halko et al. 2009, algorithm 4.4)."""
    def times(block):
        return matrix @ block if shift is None else matrix @ block - shift @ block

    def adjoint_times(block):
        return matrix.mH @ block if shift is None else matrix.mH @ block - shift.mH @ block

    start = torch.randn(matrix.shape[-1], q, dtype=matrix.dtype, device=matrix.device)
    basis = torch.linalg.qr(times(start)).Q
    for _ in range(niter):
        basis = torch.linalg.qr(adjoint_times(basis)).Q
        basis = torch.linalg.qr(times(basis)).Q
    return basis


@plain("svd_lowrank")
def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S, V of a rank-q approximation of A (minus M) by a randomised method (Halko et al. 2009).

    >>> torch.svd_lowrank(torch.ones(4, 3), q=1)[1].round()
    tensor([3.])
    """
    q = 6 if q is None else q
    shift = None if M is None else M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    if wide:
        A, shift = A.mH, None if shift is None else shift.mH
    basis = _range_basis(A, q, niter, shift)
    small = basis.mH @ A if shift is None else basis.mH @ A - basis.mH @ shift
    u, s, vh = torch.linalg.svd(small, full_matrices=False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


@plain("pca_lowrank")
def pca_lowrank(A, q=None, center=True, niter=2):
    """U, S, V of a rank-q principal component analysis of the rows of A; see svd_lowrank.

    >>> torch.pca_lowrank(torch.ones(4, 3), q=1)[1].round().abs()
    tensor([0.])
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if not (A.is_floating_point() or A.is_complex()):
        raise ValueError(f"pca_lowrank: input is expected to be of a floating point dtype (got {A.dtype})")
    if not center:
        return svd_lowrank(A, q, niter)
    return svd_lowrank(A - A.mean(-2, keepdim=True), q, niter)


@plain("lobpcg")
def lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, method=None, tracker=None,
           ortho_iparams=None, ortho_fparams=None, ortho_bparams=None):
    """The k largest (or smallest) eigenvalues and vectors of A x = lambda B x for symmetric A and positive B, by the
    locally optimal preconditioned conjugate gradient method (Knyazev 2001) from the start X.

    >>> torch.lobpcg(torch.diag(torch.arange(1., 10.)), k=1, niter=50)[0].round()
    tensor([9.])
    """
    require_square("lobpcg", A)
    size = A.shape[-1]
    k = (1 if X is None else X.shape[-1]) if k is None else k
    width = (k if X is None else X.shape[-1]) if n is None else n
    if size < 3 * width:
        raise ValueError(f"LPBPCG algorithm is not applicable when the number of A rows (={size}) is smaller than 3 x "
                         f"the number of requested eigenpairs (={width})")
    largest = True if largest is None else largest
    niter = 1000 if niter is None else niter
    tol = torch.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    block = torch.randn(*A.shape[:-2], size, width, dtype=A.dtype, device=A.device) if X is None else X
    mass = (lambda one: one) if B is None else (lambda one: B @ one)

    def ritz(space):
        """Best approximations in the span of space: values and B-orthonormal vectors."""
        basis = torch.linalg.qr(space).Q
        gram = basis.mT @ mass(basis)
        factor = torch.linalg.cholesky(gram)
        reduced = torch.linalg.solve_triangular(factor, basis.mT @ (A @ basis), upper=False)
        reduced = torch.linalg.solve_triangular(factor.mT, reduced, upper=True, left=False)
        values, vectors = torch.linalg.eigh((reduced + reduced.mT) * 0.5)
        if largest:
            values, vectors = values.flip(-1), vectors.flip(-1)
        return values[..., :width], basis @ torch.linalg.solve_triangular(factor.mT, vectors, upper=True)[..., :width]

    values, block = ritz(block)
    previous = None
    for _ in range(niter):
        residual = A @ block - mass(block) * values.unsqueeze(-2)
        scale = torch.linalg.matrix_norm(A).amax() * torch.linalg.vector_norm(block)
        if float(torch.linalg.vector_norm(residual)) <= tol * float(scale):
            break
        step = residual if iK is None else iK @ residual
        space = torch.cat([block, step] if previous is None else [block, step, previous], -1)
        old = block
        values, block = ritz(space)
        previous = block - old @ (old.mT @ mass(block))
    return values[..., :k], block[..., :k]


aliases({"orgqr": "linalg.householder_product"})
