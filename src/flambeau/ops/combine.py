"""Joining and splitting: stack and its relatives, splits, meshgrid, products of sets, tiling and repetition."""

from __future__ import annotations

import itertools

import flambeau as torch

from .._operator import operator, plain
from ._common import wrap_dim


@operator("stack(Tensor[] tensors, int dim=0) -> Tensor", method=False)
def stack(tensors, dim):
    """Join tensors of one shape along a new dimension.

    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0].shape
    for position, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise RuntimeError(f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                               f"{list(tensor.shape)} at entry {position}")
    dim = wrap_dim(dim, len(first) + 1)
    return torch.cat([tensor.unsqueeze(dim) for tensor in tensors], dim)


def _not_empty(name, tensors):
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@operator("hstack(Tensor[] tensors) -> Tensor", method=False)
def hstack(tensors):
    """Join along columns: dim 1, or dim 0 for 1-d tensors.

    >>> torch.hstack([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    _not_empty("hstack", tensors)
    tensors = [tensor if tensor.ndim else tensor.reshape(1) for tensor in tensors]
    return torch.cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@operator("vstack(Tensor[] tensors) -> Tensor", method=False)
def vstack(tensors):
    """Join along rows, tensors below 2-d seen as rows.

    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    _not_empty("vstack", tensors)
    return torch.cat([_at_least_2d(tensor) for tensor in tensors], 0)


@operator("row_stack(Tensor[] tensors) -> Tensor", method=False)
def row_stack(tensors):
    """Alias of vstack."""
    return torch.vstack(tensors)


@operator("dstack(Tensor[] tensors) -> Tensor", method=False)
def dstack(tensors):
    """Join along the third dimension, tensors below 3-d seen as (1, n, 1) or (m, n, 1).

    >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    _not_empty("dstack", tensors)
    return torch.cat([_at_least_3d(tensor) for tensor in tensors], 2)


@operator("column_stack(Tensor[] tensors) -> Tensor", method=False)
def column_stack(tensors):
    """Join along columns, 1-d tensors seen as columns.

    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    _not_empty("column_stack", tensors)
    return torch.hstack([tensor.reshape(tensor.numel(), 1) if tensor.ndim <= 1 else tensor for tensor in tensors])


def _at_least_1d(tensor):
    return tensor if tensor.ndim else tensor.reshape(1)


def _at_least_2d(tensor):
    if tensor.ndim >= 2:
        return tensor
    return tensor.reshape(1, 1) if tensor.ndim == 0 else tensor.unsqueeze(0)


def _at_least_3d(tensor):
    if tensor.ndim >= 3:
        return tensor
    if tensor.ndim == 0:
        return tensor.reshape(1, 1, 1)
    return tensor.unsqueeze(0).unsqueeze(-1) if tensor.ndim == 1 else tensor.unsqueeze(-1)


def _at_least(name, widen, doc):
    """atleast_Nd takes tensors one by one, or one sequence of them; the two schemas share the rule."""
    def one_or_many(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], torch.Tensor):
            return widen(tensors[0])
        return tuple(widen(tensor) for tensor in tensors_of(name, tensors))
    one_or_many.__doc__ = doc
    return plain(name)(one_or_many)


atleast_1d = _at_least("atleast_1d", _at_least_1d, """Views with at least one dimension; several tensors give a tuple.

    >>> torch.atleast_1d(torch.tensor(3))
    tensor([3])
    """)
atleast_2d = _at_least("atleast_2d", _at_least_2d, """Views with at least two dimensions, as rows.

    >>> torch.atleast_2d(torch.tensor([3, 4]))
    tensor([[3, 4]])
    """)
atleast_3d = _at_least("atleast_3d", _at_least_3d, """Views with at least three dimensions.

    >>> torch.atleast_3d(torch.tensor([3, 4])).shape
    torch.Size([1, 2, 1])
    """)


def tensors_of(name, arguments):
    """The tensors of a call f(a, b) or f([a, b])."""
    tensors = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)) else arguments
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name}(): expected Tensor as element {position} in argument 0, but got "
                            f"{type(tensor).__name__}")
    return tensors


@plain("broadcast_tensors")
def broadcast_tensors(*tensors):
    """The tensors expanded to their common shape (views).

    >>> torch.broadcast_tensors(torch.tensor([1, 2]), torch.tensor([[3]]))
    (tensor([[1, 2]]), tensor([[3, 3]]))
    """
    tensors = tensors_of("broadcast_tensors", tensors)
    shape = torch.broadcast_shapes(*[tensor.shape for tensor in tensors])
    return tuple(tensor.expand(shape) for tensor in tensors)


@plain("meshgrid")
def meshgrid(*tensors, indexing=None):
    """Coordinate grids of 1-d tensors: output i has the values of tensor i along dim i (`indexing="ij"`), or with
    the first two dims exchanged ("xy").

    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4, 5]), indexing="ij")[0]
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    tensors = tensors_of("meshgrid", tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        import warnings
        warnings.warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
                      UserWarning, stacklevel=4)
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for tensor in tensors:
        if tensor.ndim > 1:
            raise RuntimeError("torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: "
                               f"shape {list(tensor.shape)}")
        if tensor.dtype != tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = [tensors[1], tensors[0], *tensors[2:]]
    shape = [tensor.numel() for tensor in tensors]
    grids = []
    for dim, tensor in enumerate(tensors):
        one = [1] * len(shape)
        one[dim] = -1
        grids.append(tensor.reshape(one).expand(shape))
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@plain("cartesian_prod")
def cartesian_prod(*tensors):
    """All tuples of one element of each 1-d tensor, as rows in lexicographic order.

    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    tensors = tensors_of("cartesian_prod", tensors)
    for tensor in tensors:
        if tensor.ndim != 1:
            raise RuntimeError(f"cartesian_prod: Expect a 1D vector, but got shape {list(tensor.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    grids = torch.meshgrid(*tensors, indexing="ij")
    return torch.stack([grid.flatten() for grid in grids], 1)


@plain("block_diag")
def block_diag(*tensors):
    """A matrix with the given matrices (vectors as rows, scalars as 1x1) along its diagonal.

    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    tensors = tensors_of("block_diag", tensors)
    if not tensors:
        return torch.empty(1, 0)
    for position, tensor in enumerate(tensors):
        if tensor.ndim > 2:
            raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                               f"Input {position} has {tensor.ndim} dimensions")
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    blocks = [_at_least_2d(tensor).to(dtype) for tensor in tensors]
    width = sum(block.shape[1] for block in blocks)
    rows, left = [], 0
    for block in blocks:
        right = left + block.shape[1]
        rows.append(torch.constant_pad_nd(block, [left, width - right], 0))
        left = right
    return torch.cat(rows, 0)


@operator("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor", method=False, out=False)
def combinations(self, r, with_replacement):
    """All combinations of r elements of a 1-d tensor, as rows, in the order of itertools.

    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if self.ndim != 1:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {list(self.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: Expect a non-negative number, but got {r}")
    if r == 0:
        return self.new_empty(0)
    n = self.numel()
    positions = torch.arange(n, device=self.device)
    grids = torch.meshgrid(*[positions] * r, indexing="ij")
    keep = torch.ones([n] * r, dtype=torch.bool, device=self.device)
    for first, second in itertools.pairwise(grids):
        keep = keep & (first <= second if with_replacement else first < second)
    return torch.stack([self[grid[keep]] for grid in grids], 1)


@operator("tile(Tensor self, int[] dims) -> Tensor", out=False)
def tile(self, dims):
    """Repeat the tensor dims[i] times along dim i; missing leading entries count as 1.

    >>> torch.tile(torch.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    return self.repeat([1] * (self.ndim - len(dims)) + list(dims))


@operator("repeat_interleave(Tensor repeats, *, int? output_size=None) -> Tensor", method=False, out=False)
def repeat_interleave(repeats, output_size):
    """Repeat elements (or slices along dim) in place: [a, b] with repeats 2 gives [a, a, b, b].

    >>> torch.repeat_interleave(torch.tensor([1, 2]), torch.tensor([2, 1]))
    tensor([1, 1, 2])
    """
    return _interleave_positions(repeats, output_size)


def _interleave_positions(repeats, output_size):
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype not in (torch.int32, torch.int64):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if repeats.numel() == 0:
        return torch.empty_like(repeats)
    if repeats.is_meta:
        if output_size is None:
            raise RuntimeError("cannot repeat_interleave a meta tensor without output_size")
        return repeats.new_empty(output_size)
    if (repeats < 0).any():
        raise RuntimeError("repeats can not be negative")
    ends = repeats.cumsum(0)
    total = int(ends[-1])
    if output_size is not None and output_size != total:
        raise RuntimeError(f"repeat_interleave: allocated size does not match required size (got {output_size}, "
                           f"expected {total})")
    # An element's position among the repeats is the number of ends that lie at or before it.
    return torch.bincount(ends[:-1], minlength=total + 1)[:total].cumsum(0).to(repeats.dtype)


@repeat_interleave.overload("repeat_interleave.self_int(Tensor self, int repeats, int? dim=None, *, "
                            "int? output_size=None) -> Tensor")
def _(self, repeats, dim, output_size):
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    source = self if dim is not None else self.flatten()
    dim = wrap_dim(dim or 0, source.ndim, "repeat_interleave")
    if source.ndim == 0:
        source = source.reshape(1)
    wide = source.unsqueeze(dim + 1)
    shape = list(wide.shape)
    shape[dim + 1] = repeats
    if output_size is not None and output_size != repeats * source.shape[dim]:
        raise RuntimeError("repeat_interleave: Invalid output_size")
    return wide.expand(shape).clone(memory_format=torch.contiguous_format).flatten(dim, dim + 1)


@repeat_interleave.overload("repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, "
                            "int? output_size=None) -> Tensor")
def _(self, repeats, dim, output_size):
    source = self if dim is not None else self.flatten()
    dim = wrap_dim(dim or 0, source.ndim, "repeat_interleave")
    if source.ndim == 0:
        source = source.reshape(1)
    if repeats.ndim == 0 or (repeats.ndim == 1 and repeats.shape[0] == 1):
        repeats = repeats.reshape(1).expand(source.shape[dim])
    elif repeats.ndim != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    elif repeats.shape[0] != source.shape[dim]:
        raise RuntimeError(f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                           f"{repeats.shape[0]} and input.size({dim}) = {source.shape[dim]}")
    return source.index_select(dim, _interleave_positions(repeats, output_size))


repeat_interleave.method = True


def _boundaries_split(self, indices, dim):
    edges = [0, *indices, self.shape[dim]]
    size = self.shape[dim]
    parts = []
    start = 0
    for end in [*indices, size]:
        begin, stop = (min(max(edge + size if edge < 0 else edge, 0), size) for edge in (start, end))
        parts.append(self.narrow(dim, begin, max(stop - begin, 0)))
        start = end
    assert len(parts) == len(edges) - 1
    return tuple(parts)


def _sections_split(self, sections, dim):
    if sections <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
    if sections > 1 << 24:  # minutes and gigabytes of empty views
        raise torch.OutOfMemoryError(f"tensor_split: not enough memory for {sections} tensors")
    quotient, rest = divmod(self.shape[dim], sections)
    start, parts = 0, []
    for part in range(sections):
        length = quotient + (part < rest)
        parts.append(self.narrow(dim, start, length))
        start += length
    return tuple(parts)


@operator("tensor_split.sections(Tensor(a -> *) self, int sections, int dim=0) -> Tensor(a)[]", out=False)
def tensor_split(self, sections, dim):
    """Split along dim into `sections` nearly equal parts (the first ones longer), or at the given indices. Views.

    >>> torch.tensor_split(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if self.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    return _sections_split(self, sections, wrap_dim(dim, self.ndim))


@tensor_split.overload("tensor_split.indices(Tensor(a -> *) self, int[] indices, int dim=0) -> Tensor(a)[]")
def _(self, indices, dim):
    if self.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    return _boundaries_split(self, indices, wrap_dim(dim, self.ndim))


@tensor_split.overload("tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, "
                       "Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]")
def _(self, given, dim):
    if self.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    if given.ndim > 1 or given.dtype != torch.int64:
        raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a zero- or one-dimensional long "
                           f"tensor, but got {given.dtype} with {given.ndim} dims")
    dim = wrap_dim(dim, self.ndim)
    return _sections_split(self, int(given), dim) if given.ndim == 0 else _boundaries_split(self, given.tolist(), dim)


def _axis_split(name, least, axis_of, doc):
    """hsplit, vsplit, dsplit: tensor_split along a fixed dim, sections must divide evenly."""
    def by_sections(self, sections):
        _enough_dims(self)
        dim = axis_of(self)
        if sections <= 0 or self.shape[dim] % sections:
            raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                               f"dimension {self.shape[dim]} is not divisible by the split_size {sections}!")
        return _sections_split(self, sections, dim)

    def by_indices(self, indices):
        _enough_dims(self)
        return _boundaries_split(self, indices, axis_of(self))

    def _enough_dims(self):
        if self.ndim < least:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension"
                               f"{'s' if least > 1 else ''}, but got a tensor with {self.ndim} dimensions!")

    by_sections.__doc__ = doc
    made = operator(f"{name}.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", out=False)(by_sections)
    made.overload(f"{name}.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]")(by_indices)
    return made


hsplit = _axis_split("hsplit", 1, lambda tensor: 0 if tensor.ndim == 1 else 1, """Split along columns.

    >>> torch.hsplit(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """)
vsplit = _axis_split("vsplit", 2, lambda tensor: 0, """Split along rows.

    >>> torch.vsplit(torch.tensor([[1], [2]]), 2)
    (tensor([[1]]), tensor([[2]]))
    """)
dsplit = _axis_split("dsplit", 3, lambda tensor: 2, """Split along the third dimension.

    >>> [part.shape[2] for part in torch.dsplit(torch.zeros(1, 1, 4), [1, 3])]
    [1, 2, 1]
    """)


@operator("unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]", out=False, node="UnsafeSplitBackward0")
def unsafe_chunk(self, chunks, dim):
    """chunk.

    >>> torch.unsafe_chunk(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return self.chunk(chunks, dim)


@operator("unsafe_split.Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]", out=False,
           node="UnsafeSplitBackward0")
def unsafe_split(self, split_size, dim):
    """split.

    >>> torch.unsafe_split(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return self.split(split_size, dim)


@operator("unsafe_split_with_sizes(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]", out=False,
           node="UnsafeSplitWithSizesBackward0")
def unsafe_split_with_sizes(self, split_sizes, dim):
    """split_with_sizes.

    >>> torch.unsafe_split_with_sizes(torch.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return self.split_with_sizes(split_sizes, dim)


@operator("_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor", method=False)
def _chunk_cat(tensors, dim, num_chunks):
    """Every tensor padded along dim to a multiple of num_chunks, cut into num_chunks, and the chunks of all joined."""
    if not tensors:
        raise RuntimeError("_chunk_cat expects a non-empty input tensor list")
    if num_chunks < 1:
        raise RuntimeError(f"_chunk_cat expects positive num_chunks (got {num_chunks})")
    dim = wrap_dim(dim, tensors[0].ndim)
    parts = []
    for tensor in tensors:
        if tensor.numel() == 0 or tensor.ndim <= dim or tensor.dtype != tensors[0].dtype:
            raise RuntimeError("_chunk_cat expects non-empty tensors of one dtype with enough dims")
        if tensor.shape[:dim] != tensors[0].shape[:dim]:
            raise RuntimeError("_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors")
        missing = -tensor.shape[dim] % num_chunks
        if missing:
            tensor = torch.constant_pad_nd(tensor, [0, 0] * (tensor.ndim - dim - 1) + [0, missing], 0)
        parts.append(tensor.reshape(*tensor.shape[:dim], num_chunks, -1))
    return torch.cat(parts, dim + 1)
