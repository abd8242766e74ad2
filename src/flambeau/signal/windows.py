"""torch.signal.windows: symmetric (sym=True) or periodic windows of M points; defined in flambeau.ops.signal."""

from __future__ import annotations

from .. import ops

__getattr__, __dir__ = ops.finder("signal.windows", __name__), ops.lister("signal.windows", __name__)
