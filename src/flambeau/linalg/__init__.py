"""torch.linalg: linear algebra. The operators are defined in flambeau.ops (linalg_*.py) over LAPACK."""

from __future__ import annotations

import sys


class LinAlgError(RuntimeError):
    """A factorisation or solution failed: the matrix is singular, not positive-definite, or no convergence."""


def _populate() -> None:
    import flambeau as torch

    from .. import _operator, ops
    globals().update(torch._C._linalg_functions)
    ops.load("linalg")
    _operator.install(torch, torch.Tensor, {"linalg": sys.modules[__name__]})


_populate()
