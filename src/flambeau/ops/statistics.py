"""Statistics: std_mean and var_mean, covariance, quantiles, histograms, means without NaN, nonzero counts."""

from __future__ import annotations

from math import prod

import flambeau as torch

from .._operator import operator, plain
from ._common import count, dtype_name, holds, require_floating, wrap_dim, wrap_dims


def _with_mean(which, name, doc):
    """std_mean and var_mean: the pair (spread, mean) in three overloads."""
    def by_correction(self, dim, correction, keepdim):
        require_floating(name, self)
        dims = dim if dim else None
        spread = getattr(torch, which)(self, dims, correction=1 if correction is None else correction, keepdim=keepdim)
        mean = self.mean(dims, keepdim=keepdim) if dims else self.mean(tuple(range(self.ndim)), keepdim=keepdim)
        return spread, mean

    def by_dim(self, dim, unbiased, keepdim):
        return by_correction(self, dim, int(unbiased), keepdim)

    def of_all(self, unbiased):
        return by_correction(self, None, int(unbiased), False)

    by_dim.__doc__ = doc
    made = operator(f"{name}.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) "
                    "-> (Tensor, Tensor)", method=False)(by_dim)
    made.overload(f"{name}.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) "
                  "-> (Tensor, Tensor)")(by_correction)
    made.overload(f"{name}(Tensor self, bool unbiased=True) -> (Tensor, Tensor)")(of_all)
    return made


std_mean = _with_mean("std", "std_mean", """Standard deviation and mean over dim, in one call.

    >>> torch.std_mean(torch.tensor([1., 2., 3.]), dim=0)
    (tensor(1.), tensor(2.))
    """)
var_mean = _with_mean("var", "var_mean", """Variance and mean over dim, in one call.

    >>> torch.var_mean(torch.tensor([1., 2., 3.]), dim=0)
    (tensor(1.), tensor(2.))
    """)


@operator("cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", out=False)
def cov(self, correction, fweights, aweights):
    """The covariance matrix of the rows (variables) over the columns (observations), which may be weighted by counts
    (fweights) and by importance (aweights).

    >>> torch.cov(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if self.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {self.ndim} "
                           "dimensions")
    if self.dtype == torch.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    matrix = self if self.ndim == 2 else self.reshape(1, -1)
    observations = matrix.shape[1]
    for kind, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if given.ndim > 1:
            raise RuntimeError(f"cov(): expected {kind} to have one or fewer dimensions but got {kind} with "
                               f"{given.ndim} dimensions")
        if given.is_floating_point() != (kind == "aweights") or given.dtype == torch.bool or given.is_complex():
            expected = "floating point" if kind == "aweights" else "integral"
            raise RuntimeError(f"cov(): expected {kind} to have {expected} dtype but got {kind} with "
                               f"{dtype_name(given.dtype)} dtype")
        if given.numel() != observations:
            raise RuntimeError(f"cov(): expected {kind} to have the same numel as there are observations in the input "
                               f"but got {given.numel()} != {observations}")
        if observations and not holds((given >= 0).all()):
            raise RuntimeError(f"cov(): {kind} cannot be negative")
    weight = fweights
    if aweights is not None:
        weight = aweights if fweights is None else fweights * aweights
    if weight is None:
        total = torch.tensor(observations, dtype=torch.int64, device=self.device)
        mean = matrix.sum(1) / total
    else:
        total = weight.sum()
        if observations and not holds(total != 0):
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (matrix * weight).sum(1) / total
    if weight is not None and aweights is not None and correction:
        norm = total - correction * (weight * aweights).sum() / total
    else:
        norm = total - correction
    if not holds(norm > 0):
        import warnings
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                      "observations.", UserWarning, stacklevel=4)
        norm = torch.zeros_like(norm)
    centred = matrix - mean.unsqueeze(1)
    weighted = centred if weight is None else centred * weight
    return (torch.mm(centred, weighted.t().conj()) / norm).squeeze()


@operator("corrcoef(Tensor self) -> Tensor", out=False)
def corrcoef(self):
    """Pearson's correlation coefficients of the rows, clipped to [-1, 1].

    >>> torch.corrcoef(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if self.ndim > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions but got an input with "
                           f"{self.ndim} dimensions")
    matrix = torch.cov(self)
    if matrix.ndim == 0:
        return matrix / matrix
    deviations = matrix.diagonal().sqrt()
    result = matrix / deviations.unsqueeze(1) / deviations.unsqueeze(0)
    if result.is_complex():
        return torch.complex(torch.real(result).clamp(-1, 1), torch.imag(result).clamp(-1, 1))
    return result.clamp(-1, 1)


@operator("nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor")
def nanmean(self, dim, keepdim, dtype):
    """The mean over dim of the values that are not NaN.

    >>> torch.nanmean(torch.tensor([1., float("nan"), 3.]))
    tensor(2.)
    """
    require_floating("nanmean()", self)
    numbers = self.isnan().logical_not().sum(dim, keepdim=keepdim)
    return torch.nansum(self, dim, keepdim=keepdim, dtype=dtype) / numbers


@operator("nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor")
def nansum(self, dim, keepdim, dtype):
    """The sum over dim with NaN counted as zero.

    >>> torch.nansum(torch.tensor([1., float("nan")]))
    tensor(1.)
    """
    if self.is_complex():
        raise RuntimeError("nansum does not support complex inputs")
    values = self.masked_fill(self.isnan(), 0) if self.is_floating_point() else self
    return values.sum(dim if dim else None, keepdim=keepdim, dtype=dtype)


@operator("count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", out=False)
def count_nonzero(self, dim):
    """How many elements are not zero, in all or over dim.

    >>> torch.count_nonzero(torch.tensor([1, 0, 3]))
    tensor(2)
    """
    return (self != 0).sum(dim)


@count_nonzero.overload("count_nonzero(Tensor self, int? dim=None) -> Tensor")
def _(self, dim):
    return (self != 0).sum() if dim is None else (self != 0).sum(dim)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name, self, q, dim, keepdim, interpolation, skip_nan):
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError("quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but "
                           f"got {interpolation}")
    if self.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if self.dtype not in (torch.float32, torch.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype != self.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not holds(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if dim is None:
        rows, axis = self.reshape(-1), 0
    else:
        axis = wrap_dim(dim, self.ndim)
        rows = (self if self.ndim else self.reshape(1)).movedim(axis, -1)
    ordered = rows.sort(-1).values
    if skip_nan:
        last = ordered.isnan().logical_not().sum(-1, keepdim=True) - 1
        last = last.clamp(min=0)
        rank = q.reshape(-1) * last
    else:
        last = rows.shape[-1] - 1
        rank = (q.reshape(-1) * last).expand(*rows.shape[:-1], q.numel())
        rank = rank.masked_fill(ordered.narrow(-1, last, 1).isnan(), last)
    if interpolation == "lower":
        rank = rank.floor()
    elif interpolation == "higher":
        rank = rank.ceil()
    elif interpolation == "nearest":
        rank = rank.round()
    below = rank.long()
    result = ordered.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        weight = torch.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
        result = torch.lerp(result, ordered.gather(-1, rank.ceil().long()), weight)
    if keepdim:
        shape = [1] * self.ndim if dim is None else [1 if one == axis else size for one, size in enumerate(self.shape)]
    else:
        shape = [] if dim is None else [size for one, size in enumerate(self.shape) if one != axis]
    if q.ndim == 0:
        return result.reshape(shape)
    return result.movedim(-1, 0).reshape([q.numel(), *shape])


def _quantile_operator(name, skip_nan, doc):
    def by_tensor(self, q, dim, keepdim, interpolation):
        return _quantile(name, self, q, dim, keepdim, interpolation, skip_nan)

    def by_number(self, q, dim, keepdim, interpolation):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        tensor = torch.tensor(q, dtype=self.dtype, device=self.device)
        return _quantile(name, self, tensor, dim, keepdim, interpolation, skip_nan)

    by_tensor.__doc__ = doc
    tail = 'int? dim=None, bool keepdim=False, *, str interpolation="linear") -> Tensor'
    made = operator(f"{name}(Tensor self, Tensor q, {tail}")(by_tensor)
    made.overload(f"{name}.scalar(Tensor self, float q, {tail}")(by_number)
    return made


quantile = _quantile_operator("quantile", False, """The q-quantiles over dim (or of all elements), interpolated
    between neighbours in order ("linear", "lower", "higher", "midpoint", "nearest"). NaN gives NaN.

    >>> torch.quantile(torch.tensor([1., 2., 3., 4.]), 0.5)
    tensor(2.5000)
    """)
nanquantile = _quantile_operator("nanquantile", True, """quantile of the values that are not NaN.

    >>> torch.nanquantile(torch.tensor([1., float("nan"), 3.]), 0.5)
    tensor(2.)
    """)


def _range_of(name, values, given):
    """Lowest and highest bin edge of one dimension."""
    if given is None:
        if values.numel() == 0:
            return 0.0, 1.0
        low, high = values.min().item(), values.max().item()
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise RuntimeError(f"{name}: dimension 0's range [{low}, {high}] is not finite")
    else:
        low, high = given
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise RuntimeError(f"{name}: range [{low}, {high}] is not finite")
        if low > high:
            raise RuntimeError(f"{name}: min should not exceed max, but got min {low} max {high}")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _histogramdd(name, self, edges, uniform, weight, density):
    """Counts in the boxes of the given edges; uniform says that the edges of a dim are evenly spaced."""
    dims = len(edges)
    points = self.reshape(-1, dims)
    if weight is not None:
        if weight.shape != self.shape[:-1]:
            raise RuntimeError(f"{name}: if weight tensor is provided it should have the same shape as the input "
                               f"tensor excluding its innermost dimension, but got input with shape "
                               f"{list(self.shape)} and weight with shape {list(weight.shape)}")
        if weight.dtype != self.dtype:
            raise RuntimeError(f"{name}: if weight tensor is provided, input and weight should have the same dtype, "
                               f"but got input {self.dtype} and weight {weight.dtype}")
    shape = [edge.numel() - 1 for edge in edges]
    inside = torch.ones(points.shape[0], dtype=torch.bool, device=self.device)
    flat = torch.zeros(points.shape[0], dtype=torch.int64, device=self.device)
    for axis, edge in enumerate(edges):
        values = points[:, axis].contiguous()
        inside = inside & (values >= edge[0]) & (values <= edge[-1])
        position = torch.searchsorted(edge, values, right=True) - 1
        flat = flat * shape[axis] + position.clamp(0, max(shape[axis] - 1, 0))
    amounts = torch.ones_like(points[:, 0]) if weight is None else weight.reshape(-1)
    counts = points.new_zeros(count(shape)).index_add(0, flat[inside], amounts[inside])
    counts = counts.reshape(shape)
    if density:
        counts = counts / counts.sum()
        for axis, edge in enumerate(edges):
            view = [1] * dims
            view[axis] = -1
            counts = counts / edge.diff().reshape(view)
    return counts


def _check_edges(name, self, edges):
    for edge in edges:
        if edge.ndim != 1 or edge.dtype != self.dtype or edge.numel() == 0:
            raise RuntimeError(f"{name}: bins tensors should be one-dimensional, non-empty and of the input's dtype")


@operator("histogram.bin_ct(Tensor self, int bins=100, *, float[]? range=None, Tensor? weight=None, "
          "bool density=False) -> (Tensor hist, Tensor bin_edges)")
def histogram(self, bins, range, weight, density):
    """Counts (or weights, or densities) of the values in bins of even width, or between given edges; the last bin
    includes its right edge.

    >>> torch.histogram(torch.tensor([1., 2., 1.]), bins=2, range=(0., 2.)).hist
    tensor([0., 3.])
    """
    require_floating("histogram", self)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram: bins must be > 0, but got {bins}")
    flat = self.reshape(-1, 1)
    low, high = _range_of("torch.histogram", flat, range)
    edges = torch.linspace(low, high, bins + 1, dtype=self.dtype, device=self.device)
    weight = _flat_weight("histogram", self, weight)
    return _histogramdd("histogram", flat, [edges], True, weight, density), edges


@histogram.overload("histogram.bins_tensor(Tensor self, Tensor bins, *, Tensor? weight=None, bool density=False) "
                    "-> (Tensor hist, Tensor bin_edges)")
def _(self, bins, weight, density):
    _check_edges("torch.histogram", self, [bins])
    weight = _flat_weight("histogram", self, weight)
    return _histogramdd("histogram", self.reshape(-1, 1), [bins], False, weight, density), bins


def _flat_weight(name, self, weight):
    if weight is None:
        return None
    if weight.shape != self.shape:
        raise RuntimeError(f"{name}: weight should have the input's shape (got {list(weight.shape)}, expected "
                           f"{list(self.shape)})")
    return weight.reshape(-1)


@plain("histogramdd")
def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """The histogram of points in several dims: the last dim of input holds the coordinates.

    >>> torch.histogramdd(torch.tensor([[0., 1.], [1., 0.]]), bins=[2, 2], range=[0., 1., 0., 1.]).hist
    tensor([[0., 1.],
            [1., 0.]])
    """
    from ..return_types import make
    if not isinstance(input, torch.Tensor):
        raise TypeError(f"histogramdd(): argument 'input' must be Tensor, not {type(input).__name__}")
    if input.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions, but got "
                           f"{input.ndim}")
    dims = input.shape[-1]
    bins = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(bins) != dims:
        raise RuntimeError(f"torch.histogramdd: expected {dims} sequences of bin edges for a {dims}-dimensional "
                           f"histogram but got {len(bins)}")
    uniform = not isinstance(bins[0], torch.Tensor)
    if uniform:
        if range is not None and len(range) != 2 * dims:
            raise RuntimeError(f"torch.histogramdd: for a {dims}-dimensional histogram range should have {2 * dims} "
                               f"elements, but got {len(range)}")
        points = input.reshape(-1, dims)
        edges = []
        for axis, number in enumerate(bins):
            low, high = _range_of("torch.histogramdd", points[:, axis], range and range[2 * axis:2 * axis + 2])
            edges.append(torch.linspace(low, high, number + 1, dtype=input.dtype, device=input.device))
    else:
        edges = bins
        _check_edges("torch.histogramdd", input, edges)
    return make("histogramdd", ("hist", "bin_edges"))(
        (_histogramdd("torch.histogramdd", input, edges, uniform, weight, density), tuple(edges)))


@operator("msort(Tensor self) -> Tensor")
def msort(self):
    """Sorted along the first dim.

    >>> torch.msort(torch.tensor([2, 1]))
    tensor([1, 2])
    """
    return self.sort(0).values


@operator("hash_tensor(Tensor self, int[1] dim=[], *, bool keepdim=False, int mode=0) -> Tensor")
def hash_tensor(self, dim, keepdim, mode):
    """The exclusive or, over dim, of the elements' bits (floats as float64, integers as int64), as uint64.

    >>> torch.hash_tensor(torch.tensor([1, 3]))
    tensor(2, dtype=torch.uint64)
    """
    if mode:
        raise RuntimeError(f"hash_tensor: unknown mode {mode} (expected 0: xor)")
    if self.is_complex():
        raise RuntimeError(f'"hash_tensor" not implemented for {dtype_name(self.dtype)}')
    if self.ndim == 0:
        return torch.hash_tensor(self.reshape(1)).reshape(())
    words = self.to(torch.float64).view(torch.int64) if self.is_floating_point() else self.to(torch.int64)
    dims = wrap_dims(dim, self.ndim, "hash_tensor") if dim else list(range(self.ndim))
    kept = [one for one in range(self.ndim) if one not in dims]
    shape = [words.shape[one] for one in kept]
    rows = words.permute(kept + dims).reshape(shape + [prod(words.shape[one] for one in dims)])
    while rows.shape[-1] > 1:
        half = rows.shape[-1] // 2
        folded = rows.narrow(-1, 0, half) ^ rows.narrow(-1, half, half)
        rows = torch.cat([folded, rows.narrow(-1, 2 * half, 1)], -1) if rows.shape[-1] % 2 else folded
    result = rows.squeeze(-1) if rows.shape[-1] else rows.new_zeros(shape)
    if keepdim:
        result = result.reshape([1 if one in dims else size for one, size in enumerate(self.shape)])
    return result.view(torch.uint64)
