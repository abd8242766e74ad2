"""torch.special: special functions. Most are native; others are in flambeau.ops.specials or older names of torch's."""

from __future__ import annotations

import sys


def _populate() -> None:
    import flambeau as torch

    from .. import _operator, ops
    globals().update(torch._C._special_functions)
    ops.load("special")
    here = sys.modules[__name__]
    _operator.install(torch, torch.Tensor, {"special": here})
    _operator.install_aliases(here, None, ops.SPECIAL_ALIASES, torch)


_populate()
