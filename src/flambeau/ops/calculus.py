"""Differences and integrals of samples: diff, gradient, trapezoid rules."""

from __future__ import annotations

import flambeau as torch

from .._operator import aliases, operator, plain
from ._common import wrap_dim


@operator("diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor")
def diff(self, n, dim, prepend, append):
    """The n-th forward difference along dim, with values put before and after first.

    >>> torch.diff(torch.tensor([1, 3, 2]))
    tensor([ 2, -1])
    """
    if self.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, self.ndim)
    extended = [tensor for tensor in (prepend, self, append) if tensor is not None]
    for tensor in extended:
        if tensor.ndim != self.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        for other in range(self.ndim):
            if other != dim and tensor.shape[other] != self.shape[other]:
                raise RuntimeError(f"diff expects the shape of tensor to prepend or append to match that of input "
                                   f"except along the differencing dimension; input.size({other}) = "
                                   f"{self.shape[other]}, but got tensor.size({other}) = {tensor.shape[other]}")
    result = torch.cat(extended, dim) if len(extended) > 1 else self
    if n == 0:
        return torch.zeros_like(result).copy_(result) if result is self else result
    for _ in range(min(n, result.shape[dim])):
        length = result.shape[dim] - 1
        ahead, behind = result.narrow(dim, 1, length), result.narrow(dim, 0, length)
        result = ahead.logical_xor(behind) if result.dtype == torch.bool else ahead - behind
    return result


def _check_gradient(self, edge_order, dims):
    if self.dtype == torch.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    for dim in dims:
        if self.shape[dim] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")


def _edges(self, dim, step_first, step_last, edge_order):
    """One-sided differences at both ends, of first or second order, given the steps next to the ends."""
    at = lambda position: self.narrow(dim, position, 1)  # noqa: E731
    n = self.shape[dim]
    if edge_order == 1:
        return (at(1) - at(0)) / step_first[0], (at(n - 1) - at(n - 2)) / step_last[0]
    h1, h2 = step_first
    first = at(0) * (-(2 * h1 + h2) / (h1 * (h1 + h2))) + at(1) * ((h1 + h2) / (h1 * h2)) \
        + at(2) * (-h1 / (h2 * (h1 + h2)))
    h2, h1 = step_last[0], step_last[1]
    last = at(n - 3) * (h2 / (h1 * (h1 + h2))) + at(n - 2) * (-(h1 + h2) / (h1 * h2)) \
        + at(n - 1) * ((2 * h2 + h1) / (h2 * (h1 + h2)))
    return first, last


def _uniform_gradient(self, dim, step, edge_order):
    n = self.shape[dim]
    middle = (self.narrow(dim, 2, n - 2) - self.narrow(dim, 0, n - 2)) / (2 * step)
    first, last = _edges(self, dim, (step, step), (step, step), edge_order)
    return torch.cat([first, middle, last], dim)


def _spaced_gradient(self, dim, coordinates, edge_order):
    n = self.shape[dim]
    shape = [1] * self.ndim
    shape[dim] = -1
    steps = coordinates.diff().reshape(shape)
    h1, h2 = steps.narrow(dim, 0, n - 2), steps.narrow(dim, 1, n - 2)
    behind, here, ahead = (self.narrow(dim, start, n - 2) for start in range(3))
    middle = behind * (-h2 / (h1 * (h1 + h2))) + here * ((h2 - h1) / (h1 * h2)) + ahead * (h1 / (h2 * (h1 + h2)))
    near = [steps.narrow(dim, position, 1) for position in ((0, 1) if n > 2 else (0,))]
    far = [steps.narrow(dim, n - 2 - position, 1) for position in ((0, 1) if n > 2 else (0,))]
    first, last = _edges(self, dim, near, far, edge_order)
    return torch.cat([first, middle, last], dim)


@plain("gradient")
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Derivatives along each dim (or the given ones) by central differences; spacing is a number, one number a dim,
    or coordinates (1-d tensors). At the edges one-sided differences of edge_order 1 or 2.

    >>> torch.gradient(torch.tensor([1., 4., 9., 16.]))
    (tensor([3., 4., 6., 7.]),)
    """
    if dim is None:
        dims = list(range(input.ndim))
    else:
        dims = [wrap_dim(one, input.ndim) for one in ([dim] if isinstance(dim, int) else dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError("torch.gradient expected each dimension to be given once")
    if isinstance(spacing, torch.Tensor):
        raise TypeError("gradient(): argument 'spacing' must be a number or a sequence, not Tensor")
    spacings = list(spacing) if isinstance(spacing, (list, tuple)) else [1 if spacing is None else spacing] * len(dims)
    if len(spacings) != len(dims):
        raise RuntimeError("torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
                           f"{len(dims)}, but got a list of length {len(spacings)}")
    _check_gradient(input, edge_order, dims)
    results = []
    for one, step in zip(dims, spacings):
        if isinstance(step, torch.Tensor) and step.ndim:
            if step.ndim != 1 or step.shape[0] != input.shape[one]:
                raise RuntimeError("torch.gradient expected each element of spacing to have one coordinate for each "
                                   f"point along dim {one} (got {list(step.shape)}, expected [{input.shape[one]}])")
            results.append(_spaced_gradient(input, one, step, edge_order))
        else:
            results.append(_uniform_gradient(input, one, step, edge_order))
    return tuple(results)


gradient.method = True


def _spacing_along(y, x, dim):
    """x as steps that broadcast against the pairs of neighbours of y along dim."""
    if x.ndim == 0:
        return None
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        shape = [1] * y.ndim
        shape[dim] = -1
        return x.diff().reshape(shape)
    x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape)) if x.ndim < y.ndim else x
    axis = dim - y.ndim
    if x.shape[axis] != y.shape[axis]:
        raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
    return x.diff(dim=axis)


def _pairs(y, dim):
    length = max(y.shape[dim] - 1, 0)
    return y.narrow(dim, min(1, y.shape[dim]), length) + y.narrow(dim, 0, length)


def _no_area(y, dim, cumulative):
    shape = list(y.shape)
    if cumulative:
        shape[dim] = 0
    else:
        del shape[dim]
    dtype = y.dtype if y.is_floating_point() or y.is_complex() or cumulative else torch.get_default_dtype()
    return y.new_zeros(shape, dtype=dtype)


@operator("trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", method=False, out=False)
def trapezoid(y, x, dim):
    """The integral along dim by the trapezoid rule, at the points x or with the step dx.

    >>> torch.trapezoid(torch.tensor([1., 2., 3.]))
    tensor(4.)
    """
    dim = wrap_dim(dim, y.ndim)
    if y.shape[dim] == 0:
        return _no_area(y, dim, False)
    if y.dtype == torch.bool or x.dtype == torch.bool:
        raise RuntimeError("trapezoid: received a bool input for `x` or `y`, but bool is not supported")
    steps = _spacing_along(y, x, dim)
    if steps is None:
        return _no_area(y, dim, False)
    return (_pairs(y, dim) * steps).sum(dim) / 2.0


@trapezoid.overload("trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor")
def _(y, dx, dim):
    if y.shape[dim] == 0:
        return _no_area(y, dim % y.ndim, False)
    if y.dtype == torch.bool:
        raise RuntimeError("trapezoid: received a bool input for `y`, but bool is not supported")
    if isinstance(dx, bool):
        raise RuntimeError("trapezoid: Currently, we only support dx as a real number")
    return _pairs(y, wrap_dim(dim, y.ndim)).sum(dim) * (dx / 2.0)


@operator("cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", method=False, out=False)
def cumulative_trapezoid(y, x, dim):
    """The running integral along dim by the trapezoid rule; one shorter than y.

    >>> torch.cumulative_trapezoid(torch.tensor([1., 2., 3.]))
    tensor([1.5000, 4.0000])
    """
    dim = wrap_dim(dim, y.ndim)
    if y.dtype == torch.bool or x.dtype == torch.bool:
        raise RuntimeError("cumulative_trapezoid: received a bool input for `x` or `y`, but bool is not supported")
    steps = _spacing_along(y, x, dim)
    if steps is None:
        return _no_area(y, dim, True)
    return (_pairs(y, dim) * steps).cumsum(dim) / 2.0


@cumulative_trapezoid.overload("cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor")
def _(y, dx, dim):
    if y.dtype == torch.bool:
        raise RuntimeError("cumulative_trapezoid: received a bool input for `y`, but bool is not supported")
    if isinstance(dx, bool):
        raise RuntimeError("cumulative_trapezoid: Currently, we only support dx as a real number")
    return _pairs(y, wrap_dim(dim, y.ndim)).cumsum(dim) * (dx / 2.0)


aliases({"trapz": "trapezoid"})
