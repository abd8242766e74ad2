"""Products: outer, inner, tensordot, Kronecker, cross, the add-and-multiply family, matrix chains."""

from __future__ import annotations

from math import prod

import flambeau as torch

from .._operator import aliases, operator, plain
from ._common import dtype_name, wrap_dim


@operator("outer(Tensor self, Tensor vec2) -> Tensor")
def outer(self, vec2):
    """The matrix of products of two vectors.

    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for name, tensor in (("self", self), ("vec2", vec2)):
        if tensor.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {tensor.ndim}-D")
    return self.unsqueeze(1) * vec2


@operator("inner(Tensor self, Tensor other) -> Tensor")
def inner(self, other):
    """Sums of products along the last dims of both tensors.

    >>> torch.inner(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor(11)
    """
    if self.ndim == 0 or other.ndim == 0:
        return self * other
    if self.shape[-1] != other.shape[-1]:
        raise RuntimeError("inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(self.shape)} and {list(other.shape)}")
    if self.ndim == 1 and other.ndim == 1:
        return torch.dot(self, other)
    return torch.tensordot(self, other, ([-1], [-1]))


@plain("tensordot")
def tensordot(a, b, dims=2, out=None):
    """Sum over several dims of two tensors: the last `dims` of a with the first of b, or the two lists given.

    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 4), dims=1).shape
    torch.Size([2, 4])
    """
    if isinstance(dims, torch.Tensor):
        if dims.numel() > 1:
            dims_a, dims_b = dims[0].tolist(), dims[1].tolist()
            dims = ([dims_a], [dims_b]) if isinstance(dims_a, int) else (dims_a, dims_b)
        else:
            dims = int(dims)
    if isinstance(dims, (tuple, list)):
        if len(dims) != 2:
            raise RuntimeError(f"tensordot expects dims to be int or a pair of lists, but got dims={dims}")
        over_a, over_b = (([one] if isinstance(one, int) else list(one)) for one in dims)
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        over_a, over_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    if len(over_a) != len(over_b):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype != b.dtype:
        raise RuntimeError("tensordot: both inputs should have same dtype "
                           f"(got {dtype_name(a.dtype)} and {dtype_name(b.dtype)})")
    over_a = [wrap_dim(dim, a.ndim) for dim in over_a]
    over_b = [wrap_dim(dim, b.ndim) for dim in over_b]
    for first, second in zip(over_a, over_b):
        if a.shape[first] != b.shape[second] and 1 not in (a.shape[first], b.shape[second]):
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a.shape[first]} in dim "
                               f"{first} and second has size {b.shape[second]} in dim {second}")
    thin = [(first, second) for first, second in zip(over_a, over_b) if a.shape[first] != b.shape[second]]
    for first, second in thin:
        if a.shape[first] == 1:
            b = b.sum(second, keepdim=True)
        else:
            a = a.sum(first, keepdim=True)
    rows = [dim for dim in range(a.ndim) if dim not in over_a]
    columns = [dim for dim in range(b.ndim) if dim not in over_b]
    shape = [a.shape[dim] for dim in rows] + [b.shape[dim] for dim in columns]
    inner_size = prod(a.shape[dim] for dim in over_a)
    left = a.permute(rows + over_a).reshape(prod(a.shape[dim] for dim in rows), inner_size)
    right = b.permute(over_b + columns).reshape(inner_size, prod(b.shape[dim] for dim in columns))
    result = torch.mm(left, right).reshape(shape)
    if out is None:
        return result
    from .._operator import fill
    fill("tensordot", out, result)
    return out


@operator("kron(Tensor self, Tensor other) -> Tensor")
def kron(self, other):
    """The Kronecker product: every element of self times the whole of other, tiled.

    >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    if self.ndim == 2 and other.ndim == 2:
        (m, n), (p, q) = self.shape, other.shape
        return (self.reshape(m, 1, n, 1) * other.reshape(1, p, 1, q)).reshape(m * p, n * q)
    ndim = max(self.ndim, other.ndim)
    a = [1] * (ndim - self.ndim) + list(self.shape)
    b = [1] * (ndim - other.ndim) + list(other.shape)
    left = self.reshape([size for one in a for size in (one, 1)])
    right = other.reshape([size for one in b for size in (1, one)])
    return (left * right).reshape([m * n for m, n in zip(a, b)])


@operator("linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", namespace="linalg",
           node="LinalgCrossBackward0")
def linalg_cross(self, other, dim):
    """The cross product of 3-vectors along dim, other dims broadcast.

    >>> torch.linalg.cross(torch.tensor([1., 0, 0]), torch.tensor([0., 1, 0]))
    tensor([0., 0., 1.])
    """
    if self.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    dim = wrap_dim(dim, self.ndim, "linalg.cross")
    if self.ndim == 0 or self.shape[dim] != 3 or other.shape[dim] != 3:
        sizes = [tensor.shape[dim] if tensor.ndim else 1 for tensor in (self, other)]
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    shape = torch.broadcast_shapes(self.shape, other.shape)
    a, b = self.expand(shape), other.expand(shape)
    a1, a2, a3 = a.unbind(dim)
    b1, b2, b3 = b.unbind(dim)
    return torch.stack([a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1], dim)


@operator("cross(Tensor self, Tensor other, int? dim=None) -> Tensor", node="LinalgCrossBackward0")
def cross(self, other, dim):
    """The cross product along dim, by default the first dim of size 3.

    >>> torch.cross(torch.tensor([1., 0, 0]), torch.tensor([0., 1, 0]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        dim = next((position for position, size in enumerate(self.shape) if size == 3), None)
        if dim is None:
            raise RuntimeError(f"no dimension of size 3 in input (got shape {list(self.shape)})")
        import warnings
        warnings.warn("Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim "
                      "explicitly or simply use torch.linalg.cross.", UserWarning, stacklevel=4)
    return torch.linalg.cross(self, other, dim=dim)


def _scale_for(tensor, scale):
    """beta or alpha as it acts on tensor's dtype: integers drop a fraction."""
    return scale if tensor.is_floating_point() or tensor.is_complex() else int(scale)


@operator("addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
          inplace=True, node="AddbmmBackward0")
def addbmm(self, batch1, batch2, beta, alpha):
    """beta * self plus alpha times the sum over the batch of batch1[i] @ batch2[i].

    >>> torch.addbmm(torch.zeros(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1))
    tensor([[6.]])
    """
    for name, tensor in (("batch1", batch1), ("batch2", batch2)):
        if tensor.ndim != 3:
            raise RuntimeError(f"addbmm: {name} must be a 3D tensor (got {tensor.ndim}D)")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError("addbmm: batch1 and batch2 must have same number of batches, got "
                           f"{batch1.shape[0]} and {batch2.shape[0]}")
    if batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError("addbmm: Incompatible matrix sizes for bmm "
                           f"({batch1.shape[1]}x{batch1.shape[2]} and {batch2.shape[1]}x{batch2.shape[2]})")
    if not self.dtype == batch1.dtype == batch2.dtype:
        raise RuntimeError("addbmm: expected all tensors to have the same dtype")
    n, rows, inner_size = batch1.shape
    left = batch1.transpose(0, 1).reshape(rows, n * inner_size)
    right = batch2.reshape(n * inner_size, batch2.shape[2])
    return torch.addmm(self, left, right, beta=_scale_for(self, beta), alpha=_scale_for(self, alpha))


@operator("addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
           node="AddmvBackward0")
def addmv(self, mat, vec, beta, alpha):
    """beta * self + alpha * (mat @ vec).

    >>> torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3))
    tensor([4., 4.])
    """
    if mat.ndim != 2 or vec.ndim != 1 or self.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {self.ndim}, {mat.ndim}, {vec.ndim}")
    if mat.shape[1] != vec.shape[0] or self.shape not in ((), (1,), (mat.shape[0],)):
        raise RuntimeError(f"size mismatch, got input ({self.numel()}), mat ({mat.shape[0]}x{mat.shape[1]}), "
                           f"vec ({vec.shape[0]})")
    if mat.dtype != vec.dtype or self.dtype != mat.dtype:
        raise RuntimeError(f"addmv: expected m1 and m2 to have the same dtype, but got: {mat.dtype} != {vec.dtype}")
    column = self.unsqueeze(-1) if self.ndim else self.reshape(1, 1)
    return torch.addmm(column, mat, vec.unsqueeze(1), beta=_scale_for(mat, beta),
                       alpha=_scale_for(mat, alpha)).squeeze(1)


@operator("addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", inplace=True,
           node="AddrBackward0")
def addr(self, vec1, vec2, beta, alpha):
    """beta * self + alpha * outer(vec1, vec2).

    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1., 2.]), torch.tensor([1., 1.]))
    tensor([[1., 1.],
            [2., 2.]])
    """
    if vec1.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"addr: Expected 1-D argument vec1 and vec2, but got {vec1.ndim}-D and {vec2.ndim}-D")
    shape = (vec1.shape[0], vec2.shape[0])
    if torch.broadcast_shapes(self.shape, shape) != torch.Size(shape):
        raise RuntimeError(f"addr: size mismatch, input: {list(self.shape)}, v1: {list(vec1.shape)}, "
                           f"v2: {list(vec2.shape)}")
    result = torch.promote_types(self.dtype, torch.promote_types(vec1.dtype, vec2.dtype))
    if result == torch.bool:
        product = torch.outer(vec1, vec2) if alpha else self.new_zeros(shape)
        return product.logical_or(self) if beta else product
    if not (result.is_floating_point or result.is_complex) and (isinstance(beta, float) or isinstance(alpha, float)):
        raise RuntimeError("addr: For integral input tensors, argument beta and alpha must not be a floating point "
                           f"number (got {beta} and {alpha})")
    wide = torch.float32 if result in (torch.float16, torch.bfloat16) else result
    product = torch.outer(vec1.to(wide), vec2.to(wide)) * alpha
    if beta != 0:
        product = product + self.to(wide) * beta
    return product.to(result)


@plain("chain_matmul")
def chain_matmul(*matrices, out=None):
    """The product of matrices in the cheapest order; see linalg.multi_dot.

    >>> torch.chain_matmul(torch.ones(1, 2), torch.ones(2, 3), torch.ones(3, 1))
    tensor([[6.]])
    """
    import warnings
    warnings.warn("torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
                  "torch.linalg.multi_dot instead, which accepts a list of two or more tensors rather than multiple "
                  "parameters.", UserWarning, stacklevel=3)
    if len(matrices) == 1:
        return matrices[0]
    return torch.linalg.multi_dot(matrices) if out is None else torch.linalg.multi_dot(matrices, out=out)


aliases({"ger": "outer"})
