"""Sums, differences, products and quotients of sparse tensors with each other, with numbers and with strided tensors."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce, flat, unflat
from ._masking import lookup, take
from ._tensor import COO, STRIDED, TABLE, SparseTensor, bare, coo, elements, handles, layout_name, like, replace, unsupported, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from flambeau import Tensor


_merge_walk, _add_rows_native = torch._C._all_functions["_merge_walk"], torch._C._all_functions["_add_rows_"]


def _scalar(x: Any) -> bool:
    """A number, or a strided tensor of no dimensions."""
    return not isinstance(x, torch.Tensor) or (x.layout is STRIDED and x.dim() == 0)


def _same_size(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise RuntimeError(f"{name}: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}; sparse tensors do not "
                           "broadcast")


# ---------------------------------------------------------------------------------------------------- sums

@handles("add", "__add__")
def add(self: Any, other: Any, *, alpha: Any = 1, out: Any = None, node: str = "Add") -> Tensor:
    """self + alpha * other: both sparse, or a strided self and a sparse other."""
    if not isinstance(other, SparseTensor):
        if isinstance(other, torch.Tensor) and self._layout is not COO:
            return add(other, self) if alpha == 1 else add(other * alpha, self)
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if not isinstance(self, torch.Tensor):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    _same_size("add", self, other)
    if (self.requires_grad or other.requires_grad) and torch.is_grad_enabled():
        from ._gradients import named
        from ._passing import Add
        result = named(Add, node).apply(self, other, alpha)
    else:
        result = add_plain(self, other, alpha)
    return result if out is None else _fill(out, result)


def _fill(out: Tensor, result: Tensor) -> Tensor:
    if isinstance(out, SparseTensor) and isinstance(result, SparseTensor):
        if out.shape != result.shape:
            raise RuntimeError(f"out: a sparse tensor of size {list(result.shape)} is wanted (got {list(out.shape)})")
        return replace(out, result)
    if out.layout is not result.layout:
        raise RuntimeError(f"out: expected a tensor of layout {result.layout} (got {out.layout})")
    return out.resize_(result.shape).copy_(result) if out.shape != result.shape else out.copy_(result)


def add_plain(a: Tensor, b: SparseTensor, alpha: Any) -> Tensor:
    """a + alpha * b outside the graph."""
    kind = torch.result_type(_like_number(a), _like_number(b))
    if not isinstance(a, SparseTensor):
        return _add_into(a.to(kind, copy=True), b, alpha)
    if a._layout is not b._layout:
        if a._layout is COO or b._layout is COO:
            raise RuntimeError(f"add: expected both tensors to have one layout (got {layout_name(a)} and {layout_name(b)})")
        b = TABLE["to_sparse"](b, layout=a._layout)
    first, second = a._elements.to(kind), b._elements.to(kind)
    if a._plain is b._plain and a._compressed is b._compressed or a._layout is not COO and _one_pattern(a, b):
        return bare(a._layout, a._compressed, a._plain, torch.add(first, second, alpha=alpha), a.shape, a._coalesced and b._coalesced)
    if a._layout is not COO:
        from ._compressed import coordinates, from_coo
        total = add_plain(bare(COO, None, coordinates(a), first, a.shape, True), bare(COO, None, coordinates(b), second, b.shape, True), alpha)
        return from_coo(coalesce(total), a._layout)
    if a._plain.shape[0] != b._plain.shape[0]:
        raise RuntimeError(f"add: expected 'self' and 'other' to have same number of sparse dimensions (got {a._plain.shape[0]} and "
                           f"{b._plain.shape[0]})")
    if not b._plain.shape[1]:
        return bare(COO, None, a._plain.clone(), first.clone(), a.shape, a._coalesced)
    if not a._plain.shape[1]:
        return bare(COO, None, b._plain.clone(), second * alpha, a.shape, b._coalesced)
    size = a.shape[:a._plain.shape[0]]
    keys, at_first, at_second = _merge_walk(flat(a._plain, size), flat(b._plain, size))
    values = torch.zeros((keys.shape[0], *first.shape[1:]), dtype=kind)
    values.index_copy_(0, at_first, first)
    _add_rows(values, at_second, b._elements.to(kind), alpha)
    return bare(COO, None, unflat(keys, size), values, a.shape, a._coalesced and b._coalesced)


def _one_pattern(a: SparseTensor, b: SparseTensor) -> bool:
    return a._plain.shape == b._plain.shape and torch.equal(a._compressed, b._compressed) and torch.equal(a._plain, b._plain)


def _like_number(x: Tensor) -> Tensor:
    """A tensor with x's part in type promotion."""
    return torch.empty((0,) if x.dim() else (), dtype=x.dtype)


def _add_into(dense: Tensor, b: SparseTensor, alpha: Any) -> Tensor:
    """A strided tensor, to which alpha * b is added in place."""
    if b._layout is not COO:
        return dense.add_(b.to_dense(), alpha=alpha)
    values, indices = b._elements.to(dense.dtype), b._plain
    if not indices.shape[0]:
        return dense.add_(values.sum(0), alpha=alpha)
    if dense.is_contiguous() and not (b._coalesced and values.dim() == 1):
        sizes = dense.shape[:indices.shape[0]]
        _add_rows(dense.view(-1, *dense.shape[indices.shape[0]:]), flat(indices, sizes), values, alpha)
        return dense
    return dense.index_put_(tuple(indices), values if alpha == 1 else values * alpha, accumulate=True)


def _add_rows(dense: Tensor, index: Tensor, values: Tensor, alpha: Any) -> None:
    """dense[index[k]] += alpha * values[k], one k after the other."""
    if dense.dtype in (torch.float32, torch.float64) and dense.is_contiguous():
        if index.shape[0]:
            width = values.numel() // index.shape[0]
            _add_rows_native(dense.view(dense.shape[0], width), index, values, alpha)
    elif dense.dtype is torch.bool:
        dense.index_put_((index,), values, accumulate=True)
    else:
        dense.index_add_(0, index, values, alpha=alpha)


@handles("sub", "subtract", "__sub__")
def sub(self: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Tensor:
    """self - alpha * other."""
    return add(self, other, alpha=-alpha, out=out, node="Sub")


@handles("__radd__")
def radd(self: Any, other: Any) -> Tensor:
    return add(self, other)


@handles("__rsub__", "rsub")
def rsub(self: Any, other: Any, alpha: Any = 1) -> Tensor:
    if not isinstance(other, torch.Tensor):
        raise unsupported("rsub", self)
    return add(other, self, alpha=-alpha)


def _inplace(name: str, function: Callable) -> None:
    def form(self: Tensor, other: Any, **kwargs: Any) -> Tensor:
        if not isinstance(self, SparseTensor):
            if name == "mul":
                return self.mul_(other.to_dense())
            if name not in ("add", "sub"):
                raise unsupported(name + "_", other)
            alpha = kwargs.get("alpha", 1)
            if torch.is_grad_enabled() and (self.requires_grad or other.requires_grad):
                return getattr(self, name + "_")(other.to_dense(), alpha=alpha)
            _same_size("add", self, other)
            if not torch.can_cast(other.dtype, self.dtype):
                raise RuntimeError(f"result type {other.dtype} can't be cast to the desired output type {self.dtype}")
            return _add_into(self, other, alpha if name == "add" else -alpha)
        writable(self)
        result = function(self.detach(), other, **kwargs)
        if not torch.can_cast(result.dtype, self.dtype):
            from .._operator import dtype_name
            raise RuntimeError(f"result type {dtype_name(result.dtype)} can't be cast to the desired output type {dtype_name(self.dtype)}")
        result = result.to(self.dtype)
        if name == "mul" and not isinstance(other, SparseTensor):
            result._coalesced = result._nnz() < 2  # as PyTorch has it
        return replace(self, result)
    TABLE[name + "_"] = form


# ---------------------------------------------------------------------------------------------------- products

@handles("mul", "multiply", "__mul__", "__rmul__")
def mul(self: Any, other: Any, *, out: Any = None) -> Tensor:
    """self * other: a number, a strided tensor or a sparse one. Elements are where a sparse factor has one."""
    result = _mul(self, other)
    return result if out is None else _fill(out, result)


def _mul(a: Any, b: Any) -> Tensor:
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if _scalar(b):
        return like(a, elements(a) * b, "Mul")
    if not isinstance(b, SparseTensor):
        if b.shape != a.shape:
            try:
                b = b.expand(a.shape)
            except RuntimeError:
                torch.broadcast_shapes(a.shape, b.shape)  # says which sizes do not match
                raise RuntimeError(f"mul(sparse, dense): the strided factor must not be larger than the sparse one (got {list(b.shape)}, expected "
                                   f"{list(a.shape)} or a shape that broadcasts to it)") from None
        return like(a, elements(a) * take(b, a), "Mul")
    if b.dim() == 0 and b._layout is COO:
        return like(a, elements(a) * b.to_dense(), "Mul")
    _same_size("mul", a, b)
    if a._layout is not COO or b._layout is not COO:
        return _mul_compressed(a, b)
    if a._plain.shape[0] != b._plain.shape[0]:
        raise RuntimeError("mul(sparse, sparse): expected tensors with the same number of sparse dimensions")
    if b._coalesced and not a._coalesced:
        a, b = b, a
    indices, values = b._plain, elements(b)
    if not a._nnz() or not b._nnz():
        return coo(indices[:, :0], elements(a)[:0] * values[:0], a.shape, True, "Mul")
    a = coalesce(a)
    size = a.shape[:a._plain.shape[0]]
    if not b._coalesced:  # repeated elements all stay, multiplied by zero where a has nothing
        return coo(indices, lookup(a, indices) * values + 0, a.shape, False, "Mul")
    at, found = _positions(flat(a._plain, size), flat(indices, size))
    if not bool(found.all()):
        kept = found.nonzero().squeeze(1)
        at, indices, values = at.index_select(0, kept), indices.index_select(1, kept), values.index_select(0, kept)
    return coo(indices, elements(a).index_select(0, at) * values + 0, a.shape, True, "Mul")  # no negative zeros


def _positions(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Where each wanted number is in keys, and whether it is there; both lists are sorted."""
    union, at_keys, at_wanted = _merge_walk(keys, wanted)
    position = torch.full((union.shape[0],), -1)
    position[at_keys] = torch.arange(keys.shape[0])
    at = position.index_select(0, at_wanted)
    return at.clamp(min=0), at >= 0


def _mul_compressed(a: SparseTensor, b: SparseTensor) -> SparseTensor:
    if a._layout is b._layout and _one_pattern(a, b):
        return like(a, elements(a) * elements(b))
    layout = a._layout if a._layout is not COO else b._layout
    from ._compressed import from_coo, to_coo
    return from_coo(_mul(coalesce(to_coo(a)), coalesce(to_coo(b))), layout)


@handles("div", "divide", "__truediv__", "true_divide")
def div(self: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Tensor:
    """self divided by a number or a 0-dim tensor."""
    if not isinstance(self, SparseTensor):
        raise RuntimeError("Sparse division requires a dense divisor (got a sparse one); other.to_dense() makes one")
    if not _scalar(other):
        if isinstance(other, SparseTensor):
            raise RuntimeError("Sparse division requires a dense divisor (got a sparse one); other.to_dense() makes one")
        raise RuntimeError(f"Sparse division requires a scalar or zero-dim dense tensor divisor (got shape {list(other.shape)} for divisor)")
    x = self if rounding_mode is None or self._layout is not COO else coalesce(self)
    result = like(x, torch.div(elements(x), other, rounding_mode=rounding_mode), "Div")
    return result if out is None else _fill(out, result)


@handles("floor_divide", "__floordiv__")
def floor_divide(self: Any, other: Any) -> Tensor:
    """The quotient rounded down."""
    return div(self, other, rounding_mode="floor")


@handles("__rtruediv__", "__rdiv__", "reciprocal")
def reciprocal(self: SparseTensor, other: Any = None) -> Tensor:
    raise unsupported("reciprocal", self)


@handles("pow", "__pow__")
def power(self: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """Elements to a power that is not zero."""
    if isinstance(exponent, torch.Tensor) or not isinstance(self, SparseTensor):
        raise unsupported("pow.Tensor_Tensor", exponent if isinstance(exponent, SparseTensor) else self)
    if exponent == 0:
        raise RuntimeError("pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense")
    x = coalesce(self) if self._layout is COO else self
    result = like(x, elements(x).pow(exponent), "Pow")
    return result if out is None else _fill(out, result)


@handles("float_power")
def float_power(self: Any, exponent: Any) -> Tensor:
    """Elements to a power, in double precision."""
    return power(self.double(), exponent)


@handles("square")
def square(self: SparseTensor) -> Tensor:
    return power(self, 2)


for _name, _function in {"add": add, "sub": sub, "mul": mul, "div": div, "floor_divide": floor_divide, "pow": power,
                         "multiply": mul, "divide": div, "subtract": sub}.items():
    _inplace(_name, _function)
for _shown, _name in (("__iadd__", "add_"), ("__isub__", "sub_"), ("__imul__", "mul_"), ("__itruediv__", "div_"),
                      ("__ifloordiv__", "floor_divide_"), ("__ipow__", "pow_")):
    TABLE[_shown] = TABLE[_name]


@handles("is_same_size")
def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether sizes agree."""
    return self.shape == other.shape
