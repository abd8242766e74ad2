"""Argument orders of early PyTorch that still work: a factor in front of the tensor it multiplies, as in add_(-lr, grad)."""
from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FACTOR = {"add": ("alpha", 1), "sub": ("alpha", 1), "addcmul": ("value", 2), "addcdiv": ("value", 2)}  # and how many tensors follow
_PRODUCTS = ("addmm", "addmv", "addr", "baddbmm", "addbmm")
_warned = False


def _number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) or isinstance(value, torch.Tensor) and value.dim() == 0


def rewrite(name: str, method: bool, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """The arguments in today's order, or None where they are of no former order either.

    >>> rewrite("add_", True, ("self", -0.1, "grad"), {})
    (('self', 'grad'), {'alpha': -0.1})
    """
    kind = name.removesuffix("_")
    if kind in _FACTOR:
        keyword, tensors = _FACTOR[kind]
        if len(args) != tensors + 2 or not _number(args[1]) or keyword in kwargs:
            return None
        return _warn(name, (args[0], *args[2:]), {**kwargs, keyword: args[1]})
    if kind not in _PRODUCTS or "alpha" in kwargs or "beta" in kwargs or not 4 <= len(args) <= 5:
        return None
    rest = list(args)
    beta = rest.pop(1 if method else 0)
    if not _number(beta):
        return None
    factors = {"beta": beta}
    if len(rest) == 4:
        if not _number(rest[1]):
            return None
        factors["alpha"] = rest.pop(1)
    return _warn(name, tuple(rest), {**kwargs, **factors})


def _warn(name: str, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    global _warned
    if not _warned:
        _warned = True
        import warnings
        numbers = ", ".join(f"Number {k}" for k in kwargs)
        warnings.warn(f"This overload of {name} is deprecated:\n\t{name}({numbers}, Tensor...)\nConsider using one of the "
                      f"following signatures instead:\n\t{name}(Tensor..., *, {numbers})", UserWarning, stacklevel=3)
    return args, kwargs
