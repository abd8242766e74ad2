"""Dropout: random zeros in training."""

from __future__ import annotations

import warnings

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


@overridable
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zero each element with probability p and scale the others by 1 / (1 - p)."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return torch.dropout_(input, p, training) if inplace else torch.dropout(input, p, training)


@overridable
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations (Klambauer et al., 2017)."""
    _check(p)
    return torch.alpha_dropout_(input, p, training) if inplace else torch.alpha_dropout(input, p, training)


@overridable
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels."""
    _check(p)
    function = torch.feature_alpha_dropout_ if inplace else torch.feature_alpha_dropout
    return function(input, p, training)


def _feature_dropout(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    return torch.feature_dropout_(input, p, training) if inplace else torch.feature_dropout(input, p, training)


@overridable
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, L) or (C, L) input."""
    _check(p)
    dimensions = input.dim()
    if dimensions not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {dimensions}D input; use dropout for others"
        )
    if dimensions == 3:
        return _feature_dropout(input, p, training, inplace)
    batch = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _feature_dropout(batch, p, training, inplace)
    return result.squeeze_(0) if inplace else result.squeeze(0)


@overridable
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, H, W) input."""
    _check(p)
    dimensions = input.dim()
    if dimensions not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {dimensions}-D input to dropout2d, which is deprecated; use dropout for inputs "
            "that are not (N, C, H, W)",
            stacklevel=2,
        )
    if dimensions == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d, which is taken as (N, C, L); use dropout1d for that, "
            "since (C, H, W) may be meant by it one day",
            stacklevel=2,
        )
    return _feature_dropout(input, p, training, inplace)


@overridable
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of an (N, C, D, H, W) or (C, D, H, W) input."""
    _check(p)
    dimensions = input.dim()
    if dimensions not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {dimensions}-D input to dropout3d, which is deprecated; use dropout for inputs "
            "that are not (N, C, D, H, W) or (C, D, H, W)",
            stacklevel=2,
        )
    if dimensions != 4:
        return _feature_dropout(input, p, training, inplace)
    batch = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _feature_dropout(batch, p, training, inplace)
    return result.squeeze_(0) if inplace else result.squeeze(0)
