"""Forward-mode differentiation by dual numbers is not offered; torch.func.jvp gives the same products."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["dual_level", "make_dual", "unpack_dual", "enter_dual_level", "exit_dual_level"]

_MESSAGE = ("forward_ad: dual tensors are not supported; torch.func.jvp and torch.autograd.functional.jvp give the "
            "same Jacobian-vector products")


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError(_MESSAGE)


def unpack_dual(tensor: Any, *, level: int | None = None) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError(_MESSAGE)


def enter_dual_level() -> int:
    """Raises NotImplementedError."""
    raise NotImplementedError(_MESSAGE)


def exit_dual_level(*, level: int | None = None) -> None:
    """Raises NotImplementedError."""
    raise NotImplementedError(_MESSAGE)


class dual_level:
    """Raises NotImplementedError when entered."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *args: object) -> None:
        exit_dual_level()
