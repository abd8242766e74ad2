"""torch.signal.windows: symmetric (sym=True) or periodic windows of M points; defined in flambeau.ops.signal."""

from __future__ import annotations

import sys


def _populate() -> None:
    import flambeau as torch

    from .. import _operator, ops
    ops.load("signal.windows")
    _operator.install(torch, torch.Tensor, {"signal.windows": sys.modules[__name__]})


_populate()
