"""torch.masked: reductions and normalisations that skip the elements where a mask is false. Where all elements of a
reduction are masked out the result is the operation's identity, or NaN if it has none."""

from __future__ import annotations

from math import inf
from typing import Any

import flambeau as torch

__all__ = ["amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
           "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var"]


def _mask_of(input: Any, mask: Any, name: str) -> Any:
    """The mask expanded to the input's shape, or None."""
    if mask is None:
        return None
    if mask.ndim > input.ndim:
        raise IndexError(f"{name}: expected a mask that broadcasts to the input (got mask of shape "
                         f"{tuple(mask.shape)}, input of shape {tuple(input.shape)})")
    return mask.to(torch.bool).expand(input.shape)


def _filled(input: Any, mask: Any, value: Any) -> Any:
    return input if mask is None else torch.where(mask, input, torch.full((), value, dtype=input.dtype,
                                                                          device=input.device))


def _dims(input: Any, dim: Any) -> tuple[int, ...]:
    """dim as a tuple of wrapped dims; None and () stand for all."""
    if dim is None or dim == ():
        return tuple(range(input.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    wrapped = []
    for one in dims:
        if not -max(input.ndim, 1) <= one < max(input.ndim, 1):
            raise IndexError(f"Dimension out of range (expected to be in range of [{-max(input.ndim, 1)}, "
                             f"{max(input.ndim, 1) - 1}], but got {one})")
        one = one % max(input.ndim, 1)
        if one in wrapped:
            raise RuntimeError(f"dim={one} appears multiple times in the list of dims")
        wrapped.append(one)
    return tuple(wrapped)


def _lowest(dtype: Any) -> Any:
    return -inf if dtype.is_floating_point else False if dtype == torch.bool else torch.iinfo(dtype).min


def _highest(dtype: Any) -> Any:
    return inf if dtype.is_floating_point else True if dtype == torch.bool else torch.iinfo(dtype).max


def _reduced_dtype(input: Any, dtype: Any) -> Any:
    """The dtype of sums and products: int64 for integers and bools."""
    if dtype is not None:
        return dtype
    return input.dtype if input.is_floating_point() or input.is_complex() else torch.int64


def sum(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The sum over dim of the elements where mask is true; 0 if there are none.

    >>> torch.masked.sum(torch.tensor([1, 2]), mask=torch.tensor([True, False]))
    tensor(1)
    """
    dtype = _reduced_dtype(input, dtype)
    dims = _dims(input, dim)
    values = _filled(input, _mask_of(input, mask, "sum"), 0).to(dtype)
    return values.sum(dims, keepdim=bool(keepdim)) if dims else values.clone()


def prod(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The product over dim of the elements where mask is true; 1 if there are none.

    >>> torch.masked.prod(torch.tensor([3, 2]), mask=torch.tensor([True, False]))
    tensor(3)
    """
    result = _filled(input, _mask_of(input, mask, "prod"), 1).to(_reduced_dtype(input, dtype))
    for one in sorted(_dims(input, dim), reverse=True):
        result = result.prod(one, keepdim=bool(keepdim))
    return result


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The running sum along dim of the elements where mask is true."""
    return _filled(input, _mask_of(input, mask, "cumsum"), 0).cumsum(dim, dtype=dtype or input.dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The running product along dim of the elements where mask is true."""
    return _filled(input, _mask_of(input, mask, "cumprod"), 1).cumprod(dim, dtype=dtype or input.dtype)


def amax(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The largest element over dim where mask is true; the lowest value of the dtype if there are none.

    >>> torch.masked.amax(torch.tensor([1, 2]), mask=torch.tensor([True, False]))
    tensor(1)
    """
    input = input if dtype is None else input.to(dtype)
    values = _filled(input, _mask_of(input, mask, "amax"), _lowest(input.dtype))
    return values.amax(_dims(input, dim), bool(keepdim))


def amin(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The smallest element over dim where mask is true; the highest value of the dtype if there are none.

    >>> torch.masked.amin(torch.tensor([1, 2]), mask=torch.tensor([False, True]))
    tensor(2)
    """
    input = input if dtype is None else input.to(dtype)
    values = _filled(input, _mask_of(input, mask, "amin"), _highest(input.dtype))
    return values.amin(_dims(input, dim), bool(keepdim))


def argmax(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The position of the largest element where mask is true, in the input's dtype."""
    input = input if dtype is None else input.to(dtype)
    values = _filled(input, _mask_of(input, mask, "argmax"), _lowest(input.dtype))
    return values.argmax(dim, bool(keepdim)).to(input.dtype)


def argmin(input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The position of the smallest element where mask is true, in the input's dtype."""
    input = input if dtype is None else input.to(dtype)
    values = _filled(input, _mask_of(input, mask, "argmin"), _highest(input.dtype))
    return values.argmin(dim, bool(keepdim)).to(input.dtype)


def _count(input: Any, mask: Any, dims: tuple, keepdim: bool) -> Any:
    mask = torch.ones(input.shape, dtype=torch.bool, device=input.device) if mask is None else mask
    return mask.sum(dims, keepdim=keepdim) if dims else mask.to(torch.int64)


def mean(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The mean over dim of the elements where mask is true; NaN if there are none.

    >>> torch.masked.mean(torch.tensor([1., 2.]), mask=torch.tensor([True, False]))
    tensor(1.)
    """
    if dtype is None and not (input.is_floating_point() or input.is_complex()):
        raise ValueError("mean(): Could not infer output dtype. Input dtype must be either a floating point or complex "
                         f"dtype. Got: {input.dtype}")
    dims, mask = _dims(input, dim), _mask_of(input, mask, "mean")
    total = sum(input, dim, keepdim=keepdim, dtype=input.dtype if dtype is None else dtype, mask=mask)
    return total / _count(input, mask, dims, bool(keepdim))


def median(input: Any, dim: int | None = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """The lower median along dim of the elements where mask is true; NaN if there are none."""
    if not (input.is_floating_point() if dtype is None else dtype.is_floating_point):
        raise ValueError(f"input must have floating point dtype to compute the masked median (got {input.dtype})")
    input = input if dtype is None else input.to(dtype)
    axis = _dims(input, dim)[0] if input.ndim else 0
    mask = _mask_of(input, mask, "median")
    if mask is None:
        return input.median(axis, bool(keepdim)).values
    if bool((input.isnan() & mask).any()):
        raise ValueError("masked median expected no NaN among the elements where mask is true")
    return _filled(input, mask, float("nan")).nanmedian(axis, bool(keepdim)).values


def logsumexp(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """log of the sum of exponentials over dim where mask is true; -inf if there are none."""
    values = input.to(_float(input, dtype))
    result = torch.logsumexp(_filled(values, _mask_of(input, mask, "logsumexp"), -inf), _dims(input, dim),
                             keepdim=bool(keepdim))
    return result.to(input.dtype if dtype is None else dtype)


def _float(input: Any, dtype: Any) -> Any:
    if dtype is not None:
        return dtype
    return input.dtype if input.is_floating_point() or input.is_complex() else torch.get_default_dtype()


def logaddexp(input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Any:
    """log(exp(input) + exp(other)), masked elements counting as -inf."""
    input, other = (one if dtype is None else one.to(dtype) for one in (input, other))
    return torch.logaddexp(_filled(input, _mask_of(input, input_mask, "logaddexp"), -inf),
                           _filled(other, _mask_of(other, other_mask, "logaddexp"), -inf))


def norm(input: Any, ord: float | None = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Any = None) -> Any:
    """The vector norm over dim of the elements where mask is true."""
    ord = 2.0 if ord is None else ord
    input = input if dtype is None else input.to(dtype)
    values = _filled(input, _mask_of(input, mask, "norm"), 0.0 if ord >= 0 else inf)
    return torch.linalg.vector_norm(values, ord, list(_dims(input, dim)), bool(keepdim))


def _variance(input: Any, dim: Any, unbiased: Any, correction: Any, keepdim: bool, dtype: Any, mask: Any,
              name: str) -> Any:
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    input = input.to(_float(input, dtype))
    dims, mask = _dims(input, dim), _mask_of(input, mask, name)
    count = _count(input, mask, dims, True)
    centre = sum(input, dims, keepdim=True, mask=mask) / count
    distance = _filled(input - centre, mask, 0)
    squares = (distance * distance.conj()).real if input.is_complex() else distance.square()
    total = squares.sum(dims, keepdim=bool(keepdim)) if dims else squares
    count = count if keepdim or not dims else count.reshape(total.shape)
    result = total / (count - correction).clamp(min=0).to(total.dtype)
    return torch.where(count > 0, result, torch.full_like(result, float("nan"))).to(input.dtype)


def var(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None, keepdim: bool = False,
        dtype: Any = None, mask: Any = None) -> Any:
    """The variance over dim of the elements where mask is true.

    >>> torch.masked.var(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, "var")


def std(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None, keepdim: bool = False,
        dtype: Any = None, mask: Any = None) -> Any:
    """The standard deviation over dim of the elements where mask is true."""
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, "std").sqrt()


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """softmax along dim of the elements where mask is true, zero elsewhere; NaN where all are masked.

    >>> torch.masked.softmax(torch.zeros(3), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    input = input.to(_float(input, dtype))
    return torch.softmax(_filled(input, _mask_of(input, mask, "softmax"), -inf), dim)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """The logarithm of softmax; -inf where masked."""
    input = input.to(_float(input, dtype))
    return torch.log_softmax(_filled(input, _mask_of(input, mask, "log_softmax"), -inf), dim)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """softmax of -input."""
    input = input.to(_float(input, dtype))
    return torch.softmax(-_filled(input, _mask_of(input, mask, "softmin"), inf), dim)


def normalize(input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None) -> Any:
    """input divided by its norm along dim (at least eps), zero where masked."""
    input = input if dtype is None else input.to(dtype)
    mask = _mask_of(input, mask, "normalize")
    size = norm(input, ord, dim, keepdim=True, mask=mask)
    return _filled(input, mask, 0) / size.clamp_min(eps)
