"""torch.linalg: linear algebra. The operators are defined in flambeau.ops (linalg_*.py) over LAPACK."""

from __future__ import annotations

from .. import _C, ops


class LinAlgError(RuntimeError):
    """A factorisation or solution failed: the matrix is singular, not positive-definite, or no convergence."""


globals().update(_C._linalg_functions)
__getattr__, __dir__ = ops.finder("linalg", __name__), ops.lister("linalg", __name__)
