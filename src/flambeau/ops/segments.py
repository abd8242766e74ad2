"""Reductions over segments, gathers that read a fill value outside a mask, and odds and ends of network helpers."""

from __future__ import annotations

from math import prod
from typing import Any

import flambeau as torch

from .._operator import operator, plain
from ._common import wrap_dim

_PLAIN: dict[str, Any] = {"method": False, "out": False}
_IDENTITY = {"sum": 0.0, "mean": 0.0, "max": float("-inf"), "min": float("inf"), "prod": 1.0}


def _lengths_of(offsets):
    return offsets.diff(dim=-1)


def _segment_reduce(data, reduce, lengths, offsets, axis, unsafe, initial):
    if reduce not in _IDENTITY:
        raise RuntimeError(f"segment_reduce(): unknown reduction {reduce!r} (expected one of {', '.join(_IDENTITY)})")
    if (lengths is None) == (offsets is None):
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    axis = wrap_dim(axis, data.ndim)
    if lengths is None:
        lengths = _lengths_of(offsets)
    if lengths.ndim != axis + 1 or lengths.shape[:-1] != data.shape[:axis]:
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size(axis) when "
                           f"!unsafe (got lengths of shape {list(lengths.shape)}, data of shape {list(data.shape)})")
    size, segments = data.shape[axis], lengths.shape[-1]
    if not unsafe:
        if lengths.numel() and int(lengths.min()) < 0:
            raise RuntimeError("lengths contains negative value!")
        if bool((lengths.sum(-1) != size).any()):
            raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to data.size("
                               "lengths.dim()-1) when !unsafe.")
    ends = lengths.cumsum(-1)
    positions = torch.arange(size, device=data.device).expand(*lengths.shape[:-1], size).contiguous()
    index = torch.searchsorted(ends, positions, right=True)  # `segments` for what lies past the last one
    wide = index.reshape([*index.shape, *[1] * (data.ndim - axis - 1)]).expand(data.shape)
    shape = [*data.shape[:axis], segments + 1, *data.shape[axis + 1:]]
    start = _IDENTITY[reduce] if initial is None else initial
    result = torch.full(shape, start, dtype=data.dtype, device=data.device)
    names = {"sum": "sum", "mean": "sum", "max": "amax", "min": "amin", "prod": "prod"}
    if data.numel():
        result = result.scatter_reduce(axis, wide, data, names[reduce], include_self=True)
    result = result.narrow(axis, 0, segments)
    if reduce == "mean":
        counts = lengths.reshape([*lengths.shape, *[1] * (data.ndim - axis - 1)]).to(data.dtype)
        result = result / counts if initial is None else torch.where(counts > 0, result / counts.clamp(min=1), result)
    return result


@operator("segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, "
          "Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor", **_PLAIN)
def segment_reduce(data, reduce, lengths, indices, offsets, axis, unsafe, initial):
    """sum, mean, max, min or prod of consecutive segments along axis, given by lengths or offsets.

    >>> torch.segment_reduce(torch.tensor([1., 2., 3.]), "sum", lengths=torch.tensor([2, 1]))
    tensor([3., 3.])
    """
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    return _segment_reduce(data, reduce, lengths, offsets, axis, unsafe, initial)


@operator("_segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, "
          "Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor", **_PLAIN,
           node="SegmentReduceBackward0")
def _segment_reduce_private(data, reduce, lengths, indices, offsets, axis, unsafe, initial):
    """segment_reduce."""
    return torch.segment_reduce(data, reduce, lengths=lengths, indices=indices, offsets=offsets, axis=axis,
                                unsafe=unsafe, initial=initial)


@plain("_unsafe_index")
def _unsafe_index(self, indices):
    """Advanced indexing; None selects a whole dim."""
    return self[tuple(slice(None) if index is None else index for index in indices)]


@plain("_unsafe_index_put")
def _unsafe_index_put(self, indices, values, accumulate=False):
    """A copy with values put at advanced indices."""
    return self.index_put(indices, values, accumulate)


def _clamped(self, indices):
    return [None if index is None else index.clamp(-self.shape[dim], self.shape[dim] - 1)
            for dim, index in enumerate(indices)]


@plain("_unsafe_masked_index")
def _unsafe_masked_index(self, mask, indices, fill):
    """Advanced indexing that gives fill where mask is false, whatever the index there."""
    if self.numel() == 0:
        return self.new_full(mask.shape, fill)
    found = torch._unsafe_index(self, _clamped(self, indices))
    return found.masked_fill(~mask, fill)


@plain("_unsafe_masked_index_put_accumulate")
def _unsafe_masked_index_put_accumulate(self, mask, indices, values):
    """A copy with values added at advanced indices where mask is true."""
    if self.numel() == 0:
        return self.clone()
    return self.index_put(_clamped(self, indices), values.masked_fill(~mask, 0), True)


@operator("affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor", **_PLAIN)
def affine_grid_generator(theta, size, align_corners):
    """Sampling positions in [-1, 1] for grid_sample: theta (N, 2, 3) or (N, 3, 4) applied to the output's points.

    >>> torch.affine_grid_generator(torch.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    if len(size) not in (4, 5):
        raise RuntimeError("AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs "
                           f"(got size {tuple(size)})")
    spatial = size[2:]
    if tuple(theta.shape) != (size[0], len(spatial), len(spatial) + 1):
        raise RuntimeError(f"Expected a batch of affine matrices of shape {size[0]}x{len(spatial)}x{len(spatial) + 1} "
                           f"for size {tuple(size)}. Got {list(theta.shape)}.")
    axes = []
    for steps in spatial:
        axis = torch.linspace(-1, 1, steps, dtype=theta.dtype, device=theta.device) if steps > 1 \
            else torch.zeros(1, dtype=theta.dtype, device=theta.device)
        axes.append(axis if align_corners or steps == 0 else axis * (steps - 1) / steps)
    if align_corners:
        axes = [axis if axis.numel() != 1 else axis.new_zeros(1) for axis in axes]
    grids = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack([*reversed(grids), torch.ones_like(grids[0])], -1).reshape(1, prod(spatial), len(spatial) + 1)
    return torch.matmul(points, theta.transpose(1, 2)).reshape(size[0], *spatial, len(spatial))


@plain("broadcast_shapes")
def broadcast_shapes(*shapes):
    """The shape that tensors of the given shapes broadcast to; an int stands for a 1-d shape.

    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    result: list[int] = []
    for shape in shapes:
        sizes = [shape] if isinstance(shape, int) else shape
        while len(result) < len(sizes):
            result.insert(0, 1)
        for back, size in enumerate(reversed(sizes), 1):
            if size < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({size}): ({list(sizes)})")
            if size != 1 and result[-back] != size:
                if result[-back] != 1:
                    raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape (got "
                                       f"{', '.join(map(str, shapes))})")
                result[-back] = size
    return torch.Size(result)


@operator("broadcast_to(Tensor(a) self, int[] size) -> Tensor(a)", out=False)
def broadcast_to(self, size):
    """expand.

    >>> torch.broadcast_to(torch.tensor([1]), (2,))
    tensor([1, 1])
    """
    return self.expand(size)


@operator("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", out=False)
def argsort(self, dim, descending):
    """The indices that sort along dim.

    >>> torch.argsort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return self.sort(dim, descending).indices


@argsort.overload("argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor")
def _(self, stable, dim, descending):
    return self.sort(stable=stable, dim=dim, descending=descending).indices


@operator("norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor", **_PLAIN)
def norm_except_dim(v, pow, dim):
    """The norm over all dims but one (-1: over all), kept as ones, for weight normalisation.

    >>> torch.norm_except_dim(torch.tensor([[3., 4.]]), 2, 0)
    tensor([[5.]])
    """
    if dim == -1:
        return torch.linalg.vector_norm(v, pow)
    dims = [one for one in range(v.ndim) if one != dim]
    return torch.linalg.vector_norm(v, pow, dims, True)


@operator("_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", **_PLAIN)
def _weight_norm(v, g, dim):
    """g * v / norm of v over the other dims (Salimans and Kingma 2016)."""
    return v * (g / torch.norm_except_dim(v, 2, dim))


@operator("is_same_size(Tensor self, Tensor other) -> bool", out=False)
def is_same_size(self, other):
    """Whether both tensors have one shape.

    >>> torch.is_same_size(torch.zeros(2), torch.ones(2))
    True
    """
    return self.shape == other.shape


@operator("flatten_dense_tensors(Tensor[] tensors) -> Tensor", namespace="_nn", out=False)
def flatten_dense_tensors(tensors):
    """All elements of several tensors in one 1-d tensor."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


@operator("unflatten_dense_tensors(Tensor flat, Tensor[] tensors) -> Tensor[]", namespace="_nn", out=False)
def unflatten_dense_tensors(flat, tensors):
    """Views of a flat tensor in the shapes of the given tensors."""
    parts = flat.split([tensor.numel() for tensor in tensors])
    return tuple(part.view(tensor.shape) for part, tensor in zip(parts, tensors))


@operator('pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0., '
          'str padding_side="right") -> Tensor', namespace="_nn", out=False)
def pad_sequence(sequences, batch_first, padding_value, padding_side):
    """Sequences of different lengths stacked, padded at one side.

    >>> torch._C._nn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(sequence.shape[0] for sequence in sequences)
    padded = []
    for sequence in sequences:
        missing = longest - sequence.shape[0]
        if missing:
            amount = [0, missing] if padding_side == "right" else [missing, 0]
            sequence = torch.constant_pad_nd(sequence, [0, 0] * (sequence.ndim - 1) + amount, padding_value)
        padded.append(sequence)
    return torch.stack(padded, 0 if batch_first else 1)
