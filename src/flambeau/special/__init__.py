"""torch.special: special functions. Most are native; others are in flambeau.ops.specials or older names of torch's."""

from __future__ import annotations

import flambeau as torch

from .. import _C, ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

globals().update(_C._special_functions)
_operator, _operators = ops.finder("special", __name__), ops.names("special")


def __getattr__(name: str) -> Any:
    if name in ops.SPECIAL_ALIASES and name not in _operators:
        value = globals()[name] = getattr(torch, ops.SPECIAL_ALIASES[name])
        return value
    return _operator(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_operators, *ops.SPECIAL_ALIASES})
