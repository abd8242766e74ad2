"""torch.utils.deterministic.fill_uninitialized_memory: whether torch.empty fills its memory in deterministic mode."""
from __future__ import annotations

fill_uninitialized_memory = True
