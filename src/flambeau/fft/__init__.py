"""torch.fft: discrete Fourier transforms. The operators are defined in flambeau.ops.fourier."""

from __future__ import annotations

import sys


def _populate() -> None:
    import flambeau as torch

    from .. import _operator, ops
    ops.load("fft")
    _operator.install(torch, torch.Tensor, {"fft": sys.modules[__name__]})


_populate()
