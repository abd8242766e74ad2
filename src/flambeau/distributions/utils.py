"""Helpers of the distributions: broadcasting of parameters, probabilities and logits, lazy properties."""
from __future__ import annotations

from numbers import Number
from typing import Any, Callable

import flambeau as torch

euler_constant = 0.57721566490153286060

__all__ = ["broadcast_all", "logits_to_probs", "clamp_probs", "probs_to_logits", "lazy_property", "tril_matrix_to_vec",
           "vec_to_tril_matrix"]


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    return torch.empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last dim dimensions."""
    return value if dim == 0 else value.reshape(value.shape[:value.dim() - dim] + (-1,)).sum(-1)


def broadcast_all(*values: Any) -> tuple:
    """Numbers and tensors as tensors of one shape; numbers take the type of the first tensor, or the default type.

    >>> torch.distributions.utils.broadcast_all(1.0, torch.zeros(2))[0]
    tensor([1., 1.])
    """
    if not all(isinstance(v, (torch.Tensor, Number)) or hasattr(v, "__torch_function__") for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         "__torch_function__.")
    first = next((v for v in values if isinstance(v, torch.Tensor)), None)
    if first is None:
        options = {"dtype": torch.get_default_dtype()}
    else:
        options = {"dtype": first.dtype, "device": first.device}
    return tuple(torch.broadcast_tensors(*[v if isinstance(v, torch.Tensor) or not isinstance(v, Number)
                                           else torch.tensor(v, **options) for v in values]))


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities of log-odds (binary) or of log-probabilities up to a constant."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, -1)


def clamp_probs(probs: Any) -> Any:
    """probs kept off 0 and 1 by the type's epsilon, so that logarithms stay finite."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Log-odds (binary) or log-probabilities."""
    clamped = clamp_probs(probs)
    return torch.log(clamped) - torch.log1p(-clamped) if is_binary else torch.log(clamped)


class lazy_property:
    """A property computed at first use, with gradients on, and kept in the object."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.name = wrapped.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangle of square matrices as vectors, row by row."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    i, j = torch.tril_indices(n, n, diag, device=mat.device).unbind()
    return mat[..., i, j]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """Square matrices whose lower triangles hold the vectors."""
    root = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    n = round(root)
    if abs(root - n) > torch.finfo(vec.dtype).eps:
        raise ValueError(f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower "
                         "triangular part of a square D x D matrix.")
    mat = torch.zeros(vec.shape[:-1] + torch.Size((n, n)), dtype=vec.dtype, device=vec.device)
    i, j = torch.tril_indices(n, n, diag, device=vec.device).unbind()
    mat[..., i, j] = vec
    return mat
