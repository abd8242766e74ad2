"""Elementwise composites: powers of two, complex numbers from parts, multivariate gamma, and small reductions over
them; also the copies of views (`NAME_copy`)."""

from __future__ import annotations

import math

import flambeau as torch

from .._operator import operator
from ._common import dtype_name, wrap_dim


def _power(self, exponent):
    wide = torch.complex128 if any(torch.is_tensor(one) and one.is_complex() or isinstance(one, complex)
                                   for one in (self, exponent)) else torch.float64
    base, power = (one.to(wide) if torch.is_tensor(one) else one for one in (self, exponent))
    return torch.pow(base, power)


@operator("float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
          "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
          "float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor")
def float_power(self, exponent):
    """Powers computed and given in double precision.

    >>> torch.float_power(torch.tensor([2]), 0.5)
    tensor([1.4142], dtype=torch.float64)
    """
    return _power(self, exponent)


@operator("float_power_.Tensor(Tensor(a!) self, Tensor exponent) -> Tensor(a!)",
          "float_power_.Scalar(Tensor(a!) self, Scalar exponent) -> Tensor(a!)", function=False, out=False)
def float_power_(self, exponent):
    """float_power in place; self must be of double precision.

    >>> torch.tensor([2.0], dtype=torch.float64).float_power_(2)
    tensor([4.], dtype=torch.float64)
    """
    result = _power(self, exponent)
    if result.dtype != self.dtype:
        raise RuntimeError(f"the base given to float_power_ has dtype {dtype_name(self.dtype)} but the operation's "
                           f"result requires dtype {dtype_name(result.dtype)}")
    return self.pow_(exponent)


@operator("ldexp.Tensor(Tensor self, Tensor other) -> Tensor", inplace=True, node="LdexpBackward0")
def ldexp(self, other):
    """self * 2**other.

    >>> torch.ldexp(torch.tensor([1.]), torch.tensor([3]))
    tensor([8.])
    """
    return self * torch.pow(2.0, other)


_BITS = {  # dtype: (integers of its size, mantissa bits, exponent bias)
    "torch.float32": ("int32", 23, 127),
    "torch.float64": ("int64", 52, 1023),
}


@operator("frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)", node="FrexpBackward0")
def frexp(self):
    """Mantissa in [0.5, 1) and power of two of each number: self = mantissa * 2**exponent.

    >>> torch.frexp(torch.tensor([8.]))
    torch.return_types.frexp(
    mantissa=tensor([0.5000]),
    exponent=tensor([4], dtype=torch.int32))
    """
    if not self.is_floating_point():
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    wide = self if self.dtype == torch.float64 else self.to(torch.float32)
    name, shift, bias = _BITS[str(wide.dtype)]
    integer = getattr(torch, name)
    with torch.no_grad():
        scaled = wide * 2.0 ** 64 if shift == 52 else wide * 2.0 ** 32  # subnormal numbers made normal
        tiny = wide.abs() < 2.0 ** (1 - bias)
        bits = torch.where(tiny, scaled, wide).contiguous().view(integer)
        exponent = ((bits >> shift) & (2 * bias + 1)) - (bias - 1)
        exponent = torch.where(tiny, exponent - (64 if shift == 52 else 32), exponent)
        exponent = exponent.masked_fill((wide == 0) | ~wide.isfinite(), 0)
        half = -exponent // 2
        first = ((half + bias) << shift).view(wide.dtype)
        second = ((-exponent - half + bias) << shift).view(wide.dtype)
    return (wide * first * second).to(self.dtype), exponent.to(torch.int32)


def _parts(name, first, second):
    allowed = (torch.float16, torch.float32, torch.float64)
    if first.dtype not in allowed or second.dtype not in allowed:
        raise RuntimeError(f"{name}: Expected both inputs to be Half, Float or Double tensors but got "
                           f"{dtype_name(first.dtype)} and {dtype_name(second.dtype)}")
    if first.dtype != second.dtype:
        raise RuntimeError(f"{name}: Expected object of scalar type {dtype_name(first.dtype)} but got scalar type "
                           f"{dtype_name(second.dtype)} for second argument")


@operator("complex(Tensor real, Tensor imag) -> Tensor", method=False)
def complex_(real, imag):
    """The complex tensor with the given real and imaginary parts.

    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    _parts("complex", real, imag)
    if real.shape != imag.shape:
        real, imag = torch.broadcast_tensors(real, imag)
    return torch.view_as_complex(torch.stack([real, imag], -1))


@operator("polar(Tensor abs, Tensor angle) -> Tensor", method=False, node="PolarBackward0")
def polar(abs, angle):
    """The complex tensor with the given absolute values and angles.

    >>> torch.polar(torch.tensor([1.]), torch.tensor([0.]))
    tensor([1.+0.j])
    """
    _parts("polar", abs, angle)
    return torch.complex(abs * angle.cos(), abs * angle.sin())


@operator("isreal(Tensor self) -> Tensor", out=False)
def isreal(self):
    """Whether each element has no imaginary part.

    >>> torch.isreal(torch.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    return torch.imag(self) == 0 if self.is_complex() else torch.ones_like(self, dtype=torch.bool)


@operator("mvlgamma(Tensor self, int p) -> Tensor", inplace=True, node="MvlgammaBackward0")
def mvlgamma(self, p):
    """The logarithm of the multivariate gamma function of dimension p, for self > (p - 1) / 2.

    >>> torch.mvlgamma(torch.tensor([3.]), 1)
    tensor([0.6931])
    """
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1 (got {p})")
    if self.is_complex() or self.dtype == torch.bool:
        raise RuntimeError(f"mvlgamma: not implemented for {dtype_name(self.dtype)}")
    values = self if self.is_floating_point() else self.to(torch.get_default_dtype())
    steps = torch.arange(0, -p, -1, device=self.device).to(values.dtype) / 2
    return (values.unsqueeze(-1) + steps).lgamma().sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


@operator("vdot(Tensor self, Tensor other) -> Tensor")
def vdot(self, other):
    """The dot product of two vectors, the first conjugated.

    >>> torch.vdot(torch.tensor([1j]), torch.tensor([1j]))
    tensor(1.+0.j)
    """
    return torch.dot(self.conj() if self.is_complex() else self, other)


@operator("trace(Tensor self) -> Tensor", out=True, node="TraceBackward0")
def trace(self):
    """The sum of a matrix's diagonal.

    >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if self.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    return self.diagonal().sum()


@operator("nonzero_static(Tensor self, *, int size, int fill_value=-1) -> Tensor")
def nonzero_static(self, size, fill_value):
    """nonzero cut or padded with fill_value to `size` rows.

    >>> torch.nonzero_static(torch.tensor([0, 1]), size=2)
    tensor([[ 1],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer (got {size})")
    found = self.nonzero()[:size]
    missing = size - found.shape[0]
    return torch.cat([found, found.new_full((missing, self.ndim), fill_value)]) if missing else found


@operator("sum_to_size(Tensor self, int[] size) -> Tensor", out=False, function=False)
def sum_to_size(self, size):
    """Sum over the dims that broadcasting from `size` would have added or stretched.

    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    extra = self.ndim - len(size)
    if extra < 0 or any(want != have and want != 1 for want, have in zip(size, self.shape[extra:])):
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(self.shape)}}}.")
    dims = list(range(extra)) + [dim + extra for dim, want in enumerate(size)
                                 if want == 1 and self.shape[dim + extra] != 1]
    if not size:
        return self.sum()
    return self.sum(dims, keepdim=True).reshape(size) if dims else self


@operator("logdet(Tensor self) -> Tensor", out=False)
def logdet(self):
    """The logarithm of the determinant of (batches of) square matrices; NaN where it is negative.

    >>> torch.logdet(torch.eye(2))
    tensor(0.)
    """
    sign, logabsdet = torch.linalg.slogdet(self)
    if self.is_complex():
        return sign.log() + logabsdet
    return torch.where(sign == -1.0, math.nan, logabsdet)


def _copy(name, schema, view):
    """`NAME_copy`: the view, copied; lists of views give lists of copies."""
    def copied(*args):
        result = view(*args)
        if isinstance(result, torch.Tensor):
            return result.clone(memory_format=torch.contiguous_format)
        return tuple(part.clone(memory_format=torch.contiguous_format) for part in result)
    copied.__doc__ = f"A copy of what {name} gives as a view, which does not share memory with the input."
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return operator(f"{name}_copy{schema}", method=False, node=f"{camel}Backward0_copy")(copied)


def _method_of(name):
    return lambda self, *args: getattr(self, name)(*args)


for _name, _schema in {
    "detach": "(Tensor self) -> Tensor", "t": "(Tensor self) -> Tensor",
    "as_strided": "(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    "diagonal": "(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    "permute": "(Tensor self, int[] dims) -> Tensor", "view": "(Tensor self, int[] size) -> Tensor",
    "select": ".int(Tensor self, int dim, int index) -> Tensor",
    "split": ".Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]",
    "split_with_sizes": "(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]",
    "transpose": ".int(Tensor self, int dim0, int dim1) -> Tensor",
    "unbind": ".int(Tensor self, int dim=0) -> Tensor[]",
    "unfold": "(Tensor self, int dimension, int size, int step) -> Tensor",
    "unsqueeze": "(Tensor self, int dim) -> Tensor",
}.items():
    _copy(_name, _schema, _method_of(_name))

_copy("alias", "(Tensor self) -> Tensor", lambda self: self.view(self.shape))
_copy("expand", "(Tensor self, int[] size, *, bool implicit=False) -> Tensor",
      lambda self, size, implicit: self.expand(size))
_copy("view_as_real", "(Tensor self) -> Tensor", lambda self: torch.view_as_real(self))
_copy("view_as_complex", "(Tensor self) -> Tensor", lambda self: torch.view_as_complex(self))
_squeeze_copy = _copy("squeeze", "(Tensor self) -> Tensor", lambda self: self.squeeze())
for _text in ("squeeze_copy.dim(Tensor self, int dim) -> Tensor",
              "squeeze_copy.dims(Tensor self, int[] dim) -> Tensor"):
    _squeeze_copy.overload(_text)(lambda self, dim: self.squeeze(dim).clone(memory_format=torch.contiguous_format))


@operator("slice_copy.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
          method=False, node="SliceBackward0_copy")
def slice_copy(self, dim, start, end, step):
    """A copy of [start:end:step] along dim.

    >>> torch.slice_copy(torch.arange(4), 0, 1, 3)
    tensor([1, 2])
    """
    dim = wrap_dim(dim, self.ndim)
    return self[(slice(None),) * dim + (slice(start, end, step),)].clone(memory_format=torch.contiguous_format)


@operator("narrow_copy(Tensor self, int dim, int start, int length) -> Tensor", node="NarrowCopyBackward0")
def narrow_copy(self, dim, start, length):
    """A copy of what narrow gives.

    >>> torch.narrow_copy(torch.arange(4), 0, 1, 2)
    tensor([1, 2])
    """
    return self.narrow(dim, start, length).clone(memory_format=torch.contiguous_format)


@operator("bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
          method=False)
def bucketize(self, boundaries, out_int32, right):
    """The index of the bucket each value falls in, for ascending 1-d boundaries; boundaries[i-1] < v <= boundaries[i],
    or with right=True boundaries[i-1] <= v < boundaries[i].

    >>> torch.bucketize(torch.tensor([1, 4]), torch.tensor([2, 3, 4]))
    tensor([0, 2])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return torch.searchsorted(boundaries, self, out_int32=out_int32, right=right)


@bucketize.overload("bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) "
                    "-> Tensor")
def _(self, boundaries, out_int32, right):
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return torch.searchsorted(boundaries, self, out_int32=out_int32, right=right)


@operator("_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", method=False, out=False)
def _safe_softmax(self, dim, dtype):
    """softmax that gives zeros, not NaN, where all inputs are -inf."""
    empty = (self == -math.inf).all(dim, keepdim=True)
    return self.masked_fill(empty, 0).softmax(dim, dtype=dtype).masked_fill(empty, 0)
