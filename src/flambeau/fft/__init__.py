"""torch.fft: discrete Fourier transforms. The operators are defined in flambeau.ops.fourier."""

from __future__ import annotations

from .. import ops

__getattr__, __dir__ = ops.finder("fft", __name__), ops.lister("fft", __name__)
