"""Shapes and layouts: axis moves, flatten and unflatten, rotations, diagonals, scatters into views, index grids."""

from __future__ import annotations

import math

import flambeau as torch

from .._operator import aliases, operator, plain
from ._common import wrap_dim, wrap_dims


def _move(self, source, destination):
    if len(source) != len(destination):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({source} dims) should contain the "
                           f"same number of dims as destination ({destination} dims)")
    ndim = self.ndim
    if ndim == 0:
        for dim in (*source, *destination):
            wrap_dim(dim, 0)
        return self.alias() if hasattr(self, "alias") else self.view(())
    sources, destinations = wrap_dims(source, ndim, "movedim"), wrap_dims(destination, ndim, "movedim")
    order = [-1] * ndim
    for start, end in zip(sources, destinations):
        order[end] = start
    rest = iter([dim for dim in range(ndim) if dim not in sources])
    return self.permute([next(rest) if dim < 0 else dim for dim in order])


@operator("movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)", out=False)
def movedim(self, source, destination):
    """A view with dim(s) source moved to position(s) destination, the others in their order.

    >>> torch.movedim(torch.zeros(2, 3, 4), 0, 2).shape
    torch.Size([3, 4, 2])
    """
    ndim = self.ndim
    if ndim == 0:
        return _move(self, [source], [destination])
    if not (-ndim <= source < ndim and -ndim <= destination < ndim):
        wrap_dims((source, destination), ndim, "movedim")
    order = list(range(ndim))
    order.insert(destination % ndim, order.pop(source))
    return self.permute(order)


movedim.overload("movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)")(_move)


@operator("swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)", out=False, inplace=False)
def swapaxes(self, axis0, axis1):
    """Alias of transpose."""
    return self.transpose(axis0, axis1)


@operator("swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", out=False)
def swapdims(self, dim0, dim1):
    """Alias of transpose."""
    return self.transpose(dim0, dim1)


@operator("flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", out=False)
def flatten(self, start_dim, end_dim):
    """Merge the dims start_dim to end_dim into one; a view where the strides allow.

    >>> torch.flatten(torch.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    ndim = self.ndim
    start, end = wrap_dim(start_dim, ndim), wrap_dim(end_dim, ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if ndim == 0:
        return self.reshape(1)
    if start == end:
        return self
    shape = self.shape
    return self.reshape([*shape[:start], math.prod(shape[start:end + 1]), *shape[end + 1:]])


@operator("ravel(Tensor(a) self) -> Tensor(a)", out=False)
def ravel(self):
    """A contiguous 1-d tensor of all elements, a view where possible.

    >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return self.contiguous().view(-1)


@operator("unflatten.int(Tensor(a) self, int dim, int[] sizes) -> Tensor(a)", out=False)
def unflatten(self, dim, sizes):
    """Split dim into several of the given sizes, one of which may be -1.

    >>> torch.unflatten(torch.zeros(2, 12), 1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if self.ndim == 0:
        raise RuntimeError(f"unflatten got an unexpected error: Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, self.ndim)
    size, known = self.shape[dim], math.prod(one for one in sizes if one != -1)
    if sizes.count(-1) > 1:
        raise RuntimeError("unflatten: only one dimension can be inferred")
    if -1 in sizes:
        if known == 0:
            raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
                               f"({size}) in the input tensor")
        filled = [size // known if one == -1 else one for one in sizes]
    else:
        filled = sizes
    if math.prod(filled) != size:
        raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
                           f"({size}) in the input tensor")
    shape = self.shape
    return self.view([*shape[:dim], *filled, *shape[dim + 1:]])


@operator("rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor", node="Rot90Backward0")
def rot90(self, k, dims):
    """Rotate by k quarter turns from the first towards the second of two dims.

    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if self.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {self.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == self.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    first, second = (wrap_dim(dim, self.ndim) for dim in dims)
    turns = k % 4
    if turns == 1:
        return self.flip(second).transpose_(first, second)
    if turns == 2:
        return self.flip(first, second)
    if turns == 3:
        return self.flip(first).transpose_(first, second)
    return self.clone(memory_format=torch.contiguous_format)


@operator("fliplr(Tensor self) -> Tensor", out=False)
def fliplr(self):
    """Reverse the columns.

    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if self.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return self.flip(1)


@operator("flipud(Tensor self) -> Tensor", out=False)
def flipud(self):
    """Reverse the rows.

    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if self.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return self.flip(0)


@operator("diag(Tensor self, int diagonal=0) -> Tensor")
def diag(self, diagonal):
    """The matrix with a given diagonal (1-d input), or the diagonal of a matrix (2-d input), copied.

    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if self.ndim == 1:
        return torch.diag_embed(self, diagonal)
    if self.ndim == 2:
        return self.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {self.ndim}D")


@operator("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", node="DiagEmbedBackward0")
def diag_embed(self, offset, dim1, dim2):
    """Matrices whose diagonals are the last dim of the input, in the dims dim1 and dim2 of the result.

    >>> torch.diag_embed(torch.tensor([[1, 2]]))
    tensor([[[1, 0],
             [0, 2]]])
    """
    ndim = self.ndim + 1
    first, second = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = self.shape[-1] + abs(offset)
    shape = list(self.shape[:-1])
    for dim in sorted((first, second)):
        shape.insert(dim, size)
    result = self.new_zeros(shape)
    result.diagonal(offset, first, second).copy_(self)
    return result


@operator("diagflat(Tensor self, int offset=0) -> Tensor", out=False)
def diagflat(self, offset):
    """The matrix whose diagonal holds all elements of the input.

    >>> torch.diagflat(torch.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return torch.diag_embed(self.contiguous().view(-1), offset)


def _into_view(name, result, view, source):
    """Copy source into a view of result (a copy of the input) and give result."""
    if view.shape != source.shape:
        raise RuntimeError(f"{name}: expected src to have a size equal to the slice of self. "
                           f"src size = {list(source.shape)}, slice size = {list(view.shape)}")
    view.copy_(source)
    return result


def _copy_of(self):
    return self.clone(memory_format=torch.contiguous_format)


@operator("diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
           node="DiagonalScatterBackward0")
def diagonal_scatter(self, src, offset, dim1, dim2):
    """A copy of the input with a diagonal replaced by src.

    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    result = _copy_of(self)
    return _into_view("diagonal_scatter", result, result.diagonal(offset, dim1, dim2), src)


@operator("select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor", node="SelectScatterBackward0")
def select_scatter(self, src, dim, index):
    """A copy of the input with the slice at index along dim replaced by src.

    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 0)
    tensor([[1., 1.],
            [0., 0.]])
    """
    result = _copy_of(self)
    return _into_view("select_scatter", result, result.select(dim, index), src)


@operator("slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
           node="SliceScatterBackward0")
def slice_scatter(self, src, dim, start, end, step):
    """A copy of the input with [start:end:step] along dim replaced by src.

    >>> torch.slice_scatter(torch.zeros(3), torch.ones(2), start=1)
    tensor([0., 1., 1.])
    """
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    result = _copy_of(self)
    dim = wrap_dim(dim, self.ndim)
    view = result[(slice(None),) * dim + (slice(start, end, step),)]
    return _into_view("slice_scatter", result, view, src)


@plain("resize_as_")
def resize_as_(input, the_template, *, memory_format=None):
    """Gives input, in place, the size of the_template.

    >>> torch.resize_as_(torch.empty(0), torch.empty(2, 3)).shape
    torch.Size([2, 3])
    """
    return input.resize_as_(the_template, memory_format=memory_format)


@operator("as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
           node="AsStridedScatterBackward0")
def as_strided_scatter(self, src, size, stride, storage_offset):
    """A copy of the input, strides kept, with the elements that as_strided would show replaced by src.

    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    result = self.clone(memory_format=torch.preserve_format)
    if result.stride() != self.stride() or self.storage_offset():
        base = torch.empty_strided((self.untyped_storage().nbytes() // self.element_size(),), (1,), dtype=self.dtype,
                                   device=self.device)
        result = base.as_strided(self.shape, self.stride(), self.storage_offset()).copy_(self)
    return _into_view("as_strided_scatter", result, result.as_strided(size, stride, storage_offset), src)


def _index_grid(name, row, col, offset, dtype, device, lower):
    if row < 0 or col < 0:
        raise RuntimeError(f"{name}: row and col must be non-negative (got {row} and {col})")
    if dtype not in (torch.int32, torch.int64):
        raise RuntimeError(f'"{name}" not implemented for {dtype}')
    place = torch.empty(0, device=device).device
    grid = torch.ones(row, col, dtype=torch.bool, device="cpu")  # counted there, wherever the result goes
    keep = grid.tril(offset) if lower else grid.triu(offset)
    return keep.nonzero().t().contiguous().to(place, dtype)


@operator("tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout? layout=None, "
          "Device? device=None, bool? pin_memory=None) -> Tensor", method=False, out=False)
def tril_indices(row, col, offset, dtype, layout, device, pin_memory):
    """Row and column indices (2 x n) of the lower triangle of a row x col matrix.

    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _index_grid("tril_indices", row, col, offset, dtype or torch.int64, device, True)


@operator("triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None, Layout? layout=None, "
          "Device? device=None, bool? pin_memory=None) -> Tensor", method=False, out=False)
def triu_indices(row, col, offset, dtype, layout, device, pin_memory):
    """Row and column indices (2 x n) of the upper triangle of a row x col matrix.

    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _index_grid("triu_indices", row, col, offset, dtype or torch.int64, device, False)


@operator("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", method=False, out=False)
def vander(x, n, increasing):
    """The Vandermonde matrix of a vector: columns are its powers, falling unless `increasing`.

    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if n is None else n
    if n < 0:
        raise RuntimeError(f"N must be non-negative (got {n})")
    dtype = torch.int64 if not (x.is_floating_point() or x.is_complex()) else x.dtype
    result = x.new_ones((x.shape[0], n), dtype=dtype)
    if n > 1:
        powers = x.to(dtype).unsqueeze(1).expand(-1, n - 1).cumprod(1)
        result = torch.cat([result[:, :1], powers], 1)
    return result if increasing else result.flip(1)


@operator("take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor")
def take_along_dim(self, indices, dim):
    """gather whose input and indices broadcast outside dim; without dim the flattened input is indexed.

    >>> torch.take_along_dim(torch.tensor([[10, 20]]), torch.tensor([[1]]), 1)
    tensor([[20]])
    """
    if indices.dtype != torch.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    if dim is None:
        return self.reshape(-1).gather(0, indices.reshape(-1))
    if self.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions, but "
                           f"got {self.ndim} dimensions for input, and {indices.ndim} dimensions for indices")
    dim = wrap_dim(dim, self.ndim)
    mine, theirs = list(self.shape), list(indices.shape)
    mine[dim] = theirs[dim] = 1
    common = list(torch.broadcast_shapes(mine, theirs))
    wide, at = common.copy(), common
    if self.ndim:
        wide[dim], at[dim] = self.shape[dim], indices.shape[dim]
    size = self.shape[dim] if self.ndim else 1
    return self.expand(wide).gather(dim, torch.where(indices < 0, indices + size, indices).expand(at))


@plain("unravel_index")
def unravel_index(indices, shape):
    """Coordinates in a tensor of the given shape for flat indices, one tensor a dimension.

    >>> torch.unravel_index(torch.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    if not isinstance(indices, torch.Tensor) or indices.is_floating_point() or indices.is_complex() \
            or indices.dtype == torch.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {getattr(indices, 'dtype', type(indices))}")
    if isinstance(shape, torch.Tensor):
        shape = shape.tolist()
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if any(not isinstance(size, int) for size in sizes):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {shape}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    steps = [math.prod(sizes[dim + 1:]) for dim in range(len(sizes))]
    return tuple(indices.div(step, rounding_mode="floor") % size for step, size in zip(steps, sizes))


@operator("isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, "
          "bool invert=False) -> Tensor", method=False)
def isin(elements, test_elements, assume_unique, invert):
    """Whether each element occurs among test_elements.

    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    if elements.is_complex() or test_elements.is_complex():
        raise RuntimeError("Unsupported input type encountered for isin(): ComplexFloat")
    if test_elements.numel() == 0:
        return torch.full_like(elements, invert, dtype=torch.bool)
    if test_elements.numel() <= 10 or elements.numel() == 0:
        flat = test_elements.reshape((-1,) + (1,) * elements.ndim)
        found = (elements == flat).any(0)
    else:
        dtype = torch.result_type(elements, test_elements)
        known = test_elements.to(dtype).reshape(-1).sort().values
        values = elements.to(dtype)
        at = torch.searchsorted(known, values.contiguous()).clamp(max=known.numel() - 1)
        found = known[at] == values
    return found.logical_not() if invert else found


@isin.overload("isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, "
               "bool invert=False) -> Tensor")
def _(elements, test_element, assume_unique, invert):
    return elements != test_element if invert else elements == test_element


@isin.overload("isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, "
               "bool invert=False) -> Tensor")
def _(element, test_elements, assume_unique, invert):
    found = (test_elements == element).any()
    return found.logical_not() if invert else found


@operator("argwhere(Tensor self) -> Tensor", out=False)
def argwhere(self):
    """The coordinates of nonzero elements, one row each.

    >>> torch.argwhere(torch.tensor([0, 5, 6]))
    tensor([[1],
            [2]])
    """
    return self.nonzero()


@operator("adjoint(Tensor(a) self) -> Tensor(a)", out=False)
def adjoint(self):
    """The conjugate transpose of the last two dims (a view).

    >>> torch.adjoint(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if self.ndim == 1:
        raise RuntimeError("tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.")
    turned = self.transpose(-2, -1) if self.ndim else self.view_as(self)
    return turned.conj() if self.is_complex() else turned


aliases({"moveaxis": "movedim"})
