"""Functions that PyTorch took away long ago: calling one says what to write instead, as PyTorch does."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]

_GONE = "This function was deprecated since version 1.9 and is now removed. "


def eig(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: torch.linalg.eig is its successor."""
    raise RuntimeError(_GONE + "`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real "
                       "tensors: write L, V = torch.linalg.eig(A), or torch.linalg.eigvals(A).")


def lstsq(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: torch.linalg.lstsq is its successor."""
    raise RuntimeError(_GONE + "`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`, whose arguments come in the "
                       "other order: write X = torch.linalg.lstsq(A, B).solution.")


def matrix_rank(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: torch.linalg.matrix_rank is its successor."""
    raise RuntimeError(_GONE + "Write torch.linalg.matrix_rank; its hermitian= was symmetric=.")


def solve(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: torch.linalg.solve is its successor."""
    raise RuntimeError(_GONE + "`torch.solve` is deprecated in favor of `torch.linalg.solve`, whose arguments come in the "
                       "other order and which gives no LU factors: write X = torch.linalg.solve(A, B).")


def symeig(*args: Any, **kwargs: Any) -> NoReturn:
    """RuntimeError: torch.linalg.eigh is its successor."""
    raise RuntimeError(_GONE + "The default behavior has changed from using the upper triangular portion of the matrix by "
                       "default to using the lower triangular portion: write L, V = torch.linalg.eigh(A, UPLO='U'), or "
                       "torch.linalg.eigvalsh(A, UPLO='U').")
