"""torch.special: the operators that are not natives under another name."""

from __future__ import annotations

import flambeau as torch

from .._operator import operator


@operator("special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", namespace="special", out=False)
def softmax(self, dim, dtype):
    """torch.softmax.

    >>> torch.special.softmax(torch.zeros(2), 0)
    tensor([0.5000, 0.5000])
    """
    return torch.softmax(self, dim, dtype=dtype)


@operator("special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", namespace="special",
          out=False)
def log_softmax(self, dim, dtype):
    """torch.log_softmax.

    >>> torch.special.log_softmax(torch.zeros(1), 0)
    tensor([0.])
    """
    return torch.log_softmax(self, dim, dtype=dtype)
