"""Functions of single elements that keep zero, and what is done to the values alone: they keep a tensor's pattern."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import coalesce
from ._tensor import COO, TABLE, SparseTensor, bare, elements, handles, like, replace, unsupported, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from flambeau import Tensor

_KEEPS_ZERO = ("abs asin asinh atan atanh arcsin arcsinh arctan arctanh absolute ceil conj_physical deg2rad erf erfinv expm1 floor frac isinf isnan "
               "isneginf isposinf log1p nan_to_num positive rad2deg relu round sgn sign signbit sin sinh sqrt tan tanh trunc angle fix "
               "special_erf special_erfinv special_expm1 special_log1p special_round").split()
_LINEAR = ("neg", "negative")  # no sorting needed: f(a) + f(b) = f(a + b)


def _enter(name: str) -> None:
    sums = name in _LINEAR
    node = "".join(part.capitalize() for part in name.split("_"))

    def form(self: SparseTensor, *args: Any, out: Any = None, **kwargs: Any) -> SparseTensor:
        space, _, short = name.rpartition("_") if name.startswith("special_") else ("", "", name)
        function: Callable = getattr(getattr(torch, space) if space else torch, short)
        x = self if self._layout is not COO or sums else coalesce(self)
        result = like(x, function(elements(x), *args, **kwargs), node)
        return result if out is None else TABLE["copy_"](out, result)

    def inplace(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        writable(self)
        if self._layout is COO and not self._coalesced and not sums:
            raise RuntimeError(f"{name}_ requires coalesced input; coalesce() makes one")
        getattr(self._elements, name + "_")(*args, **kwargs)
        torch._C._increment_version(self)
        return self

    TABLE[name] = form
    if not name.startswith(("special_", "is")) and name not in ("positive", "angle", "signbit"):
        TABLE[name + "_"] = inplace


for _name in (*_KEEPS_ZERO, *_LINEAR):
    _enter(_name)
for _shown, _name in (("__neg__", "neg"), ("__abs__", "abs"), ("__pos__", "positive")):
    TABLE[_shown] = TABLE[_name]


_relu = TABLE["relu"]


@handles("relu")
def relu(self: SparseTensor, inplace: bool = False) -> SparseTensor:
    """max(x, 0)."""
    return TABLE["relu_"](self) if inplace else _relu(self)


@handles("threshold", "threshold_backward")
def threshold(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    raise unsupported("threshold", self)


@handles("real", "imag", "conj")
def real(self: SparseTensor) -> SparseTensor:
    """The real part; complex elements only for the others."""
    return like(self, elements(self).real) if self.dtype.is_complex else self


def _imag(self: SparseTensor) -> SparseTensor:
    return like(self, elements(self).imag)


def _conj(self: SparseTensor) -> SparseTensor:
    return like(self, elements(self).conj()) if self.dtype.is_complex else self


TABLE["imag"], TABLE["conj"] = _imag, _conj


# ---------------------------------------------------------------------------------------------------- copies

def _copies(x: SparseTensor, values: Tensor) -> SparseTensor:
    from ._tensor import assemble
    compressed = x._compressed if x._compressed is None else x._compressed.clone()
    return assemble(x._layout, compressed, x._plain.clone(), values, x.shape, x._coalesced, "Clone")


@handles("clone")
def clone(self: SparseTensor, *, memory_format: Any = None) -> SparseTensor:
    """A copy of all parts."""
    return _copies(self, elements(self).clone())


@handles("detach", "alias")
def detach(self: SparseTensor) -> SparseTensor:
    """The same parts, outside the graph."""
    return bare(self._layout, self._compressed, self._plain, self._elements, self.shape, self._coalesced)


@handles("zero_")
def zero_(self: SparseTensor) -> SparseTensor:
    """No elements at all (COO), or zeros at the same places."""
    writable(self)
    return replace(self, zeros_like(self))


@handles("copy_")
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """self with the parts of src; both must be sparse."""
    if not isinstance(self, SparseTensor) or not isinstance(src, SparseTensor):
        raise RuntimeError("copy_() between dense and sparse Tensors is not implemented! Found self type = "
                           f"{self.type()} and src type = {src.type()}")
    writable(self)
    if self._layout is not src._layout:
        raise RuntimeError("copy_ between different layouts is not supported: self and src must have the same layout "
                           f"(got {self._layout} and {src._layout})")
    if self.shape != src.shape:
        raise RuntimeError(f"copy_: sparse tensors of different sizes (got {list(src.shape)}, expected {list(self.shape)})")
    return replace(self, _copies(src.detach(), src._elements.to(self.dtype, copy=True)))


# ---------------------------------------------------------------------------------------------------- new ones

@handles("zeros_like", "empty_like")
def zeros_like(self: SparseTensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None,
               requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """A tensor of the same size and layout without elements."""
    if layout is not None and layout is not self._layout:
        return torch.zeros(self.shape, dtype=dtype or self.dtype, layout=layout)
    from ._construct import without_elements
    made = without_elements(self._layout, self.shape, dtype or self.dtype, self.sparse_dim())
    return made.requires_grad_() if requires_grad else made


@handles("fill_")
def fill_(self: SparseTensor, value: Any) -> SparseTensor:
    """One value for all elements that a compressed tensor has."""
    if self._layout is COO:
        raise unsupported("fill_.Scalar", self)
    writable(self)
    self._elements.fill_(value)
    return self


@handles("ones_like")
def ones_like(self: SparseTensor, *, dtype: Any = None, **options: Any) -> SparseTensor:
    """Ones where a compressed tensor has elements."""
    if self._layout is COO:
        raise unsupported("fill_.Scalar", self)
    return _copies(self, torch.ones_like(self._elements, dtype=dtype))


@handles("new_zeros", "new_empty", "new")
def new_zeros(self: SparseTensor, *size: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None,
              requires_grad: bool = False, **kwargs: Any) -> Tensor:
    """A tensor of another size without elements."""
    from ._construct import without_elements
    wanted = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    wanted = tuple(kwargs.get("size", wanted))
    if layout is torch.strided:
        return torch.zeros(wanted, dtype=dtype or self.dtype, requires_grad=requires_grad)
    made = without_elements(self._layout, wanted, dtype or self.dtype, len(wanted))
    return made.requires_grad_() if requires_grad else made
