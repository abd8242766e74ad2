"""Recording of operators below autograd: not offered, and never under way."""
from __future__ import annotations

from typing import Any

__all__ = ["get_proxy_mode", "make_fx"]


def get_proxy_mode() -> None:
    """None: no such recording is under way."""


def make_fx(f: Any, *args: Any, **kwargs: Any) -> Any:
    """Not offered. NotImplementedError: use torch.fx.symbolic_trace."""
    raise NotImplementedError("make_fx: operators are not recorded below autograd; use torch.fx.symbolic_trace")
