"""A context that lets functions under vmap index with batched numbers."""
from __future__ import annotations

import flambeau as torch

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex(torch.overrides.TorchFunctionMode):
    """A with block around vmap in which `x[i]` takes a batched i. Indexing does so here anyway; the block changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))
