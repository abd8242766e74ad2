"""torch.fft over NumPy's pocketfft: three primitives (complex to complex, real to half-complex, half-complex to real)
with gradients, and the transforms, shifts and frequencies on top."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .._operator import operator
from ._common import dtype_name, wrap_dim, wrap_dims
from ._primitive import primitive

_FFT: dict[str, Any] = {"namespace": "fft"}
_SINGLE = "int? n=None, int dim=-1, str? norm=None) -> Tensor"
_PLANE = "int[1]? s=None, int[1] dim=[-2,-1], str? norm=None) -> Tensor"
_MANY = "int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor"
# scale: 0 none, 1 by 1/sqrt(size), 2 by 1/size
_FORWARD = {None: 0, "backward": 0, "ortho": 1, "forward": 2}
_INVERSE = {None: 2, "backward": 2, "ortho": 1, "forward": 0}
_NUMPY_FORWARD = ("backward", "ortho", "forward")
_NUMPY_INVERSE = ("forward", "ortho", "backward")


def _array(tensor):
    return tensor.resolve_conj().resolve_neg().detach().numpy()


def _tensor(array):
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    return torch.from_numpy(array)


def _blank(x, dim, size, dtype):
    """What a transform of x makes on meta: no values, with `size` along dim."""
    return torch.empty([*x.shape[:dim], size, *x.shape[dim + 1:]], dtype=dtype, device=x.device)


def _c2c_backward(inputs, outputs, grads, needs):
    _, dims, scale, forward = inputs
    return _c2c(grads[0], dims, scale, not forward), None, None, None


@primitive(_c2c_backward, node="FftC2CBackward0")
def _c2c(x, dims, scale, forward):
    import numpy
    if not x.numel():
        return x.clone()
    if x.is_meta:
        return _blank(x, 0, x.shape[0], x.dtype)
    values = _array(x)
    transform = numpy.fft.fft if forward else numpy.fft.ifft
    norm = _NUMPY_FORWARD[scale] if forward else _NUMPY_INVERSE[scale]
    for dim in dims:
        values = transform(values, None, dim, norm)
    return _tensor(values)


def _r2c_backward(inputs, outputs, grads, needs):
    x, dims, scale = inputs
    last, missing = dims[-1], x.shape[dims[-1]] - grads[0].shape[dims[-1]]
    grad = grads[0]
    if missing:
        grad = torch.constant_pad_nd(grad, [0, 0] * (grad.ndim - 1 - last) + [0, missing])
    return torch.real(_c2c(grad, dims, scale, False)), None, None


@primitive(_r2c_backward, node="FftR2CBackward0")
def _r2c(x, dims, scale):
    import numpy
    if x.is_meta:
        return _blank(x, dims[-1], x.shape[dims[-1]] // 2 + 1, x.dtype.to_complex())
    norm = _NUMPY_FORWARD[scale]
    values = numpy.fft.rfft(_array(x), None, dims[-1], norm)
    for dim in dims[:-1]:
        values = numpy.fft.fft(values, None, dim, norm)
    return _tensor(values)


def _c2r_backward(inputs, outputs, grads, needs):
    _, dims, scale, size = inputs
    grad = _r2c(grads[0], dims, scale)
    last = dims[-1]
    twice = size - grad.shape[last]  # frequencies that stand for their conjugates as well
    if twice > 0:
        weights = torch.ones(grad.shape[last], dtype=grads[0].dtype, device=grad.device)
        weights[1:1 + twice] = 2
        grad = grad * weights.reshape([-1] + [1] * (grad.ndim - 1 - last))
    return grad, None, None, None


@primitive(_c2r_backward, node="FftC2RBackward0")
def _c2r(x, dims, scale, size):
    import numpy
    if x.is_meta:
        return _blank(x, dims[-1], size, x.dtype.to_real())
    values = _array(x)
    norm = _NUMPY_INVERSE[scale]
    for dim in dims[:-1]:
        values = numpy.fft.ifft(values, None, dim, norm)
    return _tensor(numpy.fft.irfft(values, size, axis=dims[-1], norm=norm))


def _scale(norm, table):
    if norm not in table:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return table[norm]


def _promoted(x, complex_wanted):
    """x in a dtype that can be transformed."""
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(torch.get_default_dtype())
    if x.dtype in (torch.float16, torch.bfloat16) or str(x.dtype) == "torch.complex32":
        raise RuntimeError(f"Unsupported dtype {dtype_name(x.dtype)}")
    if complex_wanted and not x.is_complex():
        x = x.to(torch.complex128 if x.dtype == torch.float64 else torch.complex64)
    return x


def _resized(x, dims, sizes):
    """x cut or padded with zeros to the sizes along dims; -1 keeps."""
    shape = x.shape
    if all(shape[dim] == size for dim, size in zip(dims, sizes)):
        return x
    pad = [0] * (2 * x.ndim)
    padded = False
    for dim, size in zip(dims, sizes):
        if size == -1 or x.shape[dim] == size:
            continue
        if x.shape[dim] > size:
            x = x.narrow(dim, 0, size)
        else:
            pad[2 * (x.ndim - 1 - dim) + 1] = size - x.shape[dim]
            padded = True
    return torch.constant_pad_nd(x, pad) if padded else x


def _one_dim(x, n, dim):
    if x.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, x.ndim)
    size = x.shape[dim] if n is None else n
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return dim, size


def _many_dims(x, s, dim):
    """The wrapped dims and their sizes."""
    if dim is not None:
        dims = wrap_dims(dim, x.ndim) if len(set(d % max(x.ndim, 1) for d in dim)) == len(dim) else None
        if dims is None:
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        if dim is not None and len(dim) != len(s):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(s) > x.ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions.")
        if dim is None:
            dims = list(range(x.ndim - len(s), x.ndim))
        sizes = [x.shape[one] if size == -1 else size for one, size in zip(dims, s)]
    else:
        dims = list(range(x.ndim)) if dim is None else dims
        sizes = [x.shape[one] for one in dims]
    for size in sizes:
        if size < 1:
            raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return dims, sizes


def _real_only(name, x):
    if x.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {dtype_name(x.dtype)}")


def _complex_transform(self, dims, sizes, scale, forward):
    x = _promoted(self, True)
    return _c2c(_resized(x, dims, sizes), tuple(dims), scale, forward) if dims else x


def _half_inverse(x, dims, size, scale, out_sizes):
    """Half-complex to real; only the first size // 2 + 1 entries of the last dim count."""
    sizes = [*out_sizes, size // 2 + 1]
    return _c2r(_resized(x, dims, sizes), tuple(dims), scale, size)


def _register(name, schema, example, doc):
    """One transform: decorate its function with schema and documentation."""
    def decorate(function):
        function.__doc__ = f"{doc}\n\n    {example}\n    "
        return operator(f"fft_{name}(Tensor self, {schema}", **_FFT)(function)
    return decorate


@_register("fft", _SINGLE, ">>> torch.fft.fft(torch.tensor([1., 0.]))\n    tensor([1.+0.j, 1.+0.j])",
           """The discrete Fourier transform along dim, of n points (cut or padded with zeros); norm "backward" (none),
    "ortho" or "forward" (1 / n).""")
def fft(self, n, dim, norm):
    scale = _scale(norm, _FORWARD)
    dim, n = _one_dim(self, n, dim)
    return _complex_transform(self, [dim], [n], scale, True)


@_register("ifft", _SINGLE, ">>> torch.fft.ifft(torch.tensor([1., 1.]))\n    tensor([1.+0.j, 0.+0.j])",
           "The inverse of fft.")
def ifft(self, n, dim, norm):
    scale = _scale(norm, _INVERSE)
    dim, n = _one_dim(self, n, dim)
    return _complex_transform(self, [dim], [n], scale, False)


@_register("rfft", _SINGLE, ">>> torch.fft.rfft(torch.tensor([1., 0.]))\n    tensor([1.+0.j, 1.+0.j])",
           "fft of real input; the n // 2 + 1 frequencies that are not negative.")
def rfft(self, n, dim, norm):
    _real_only("rfft", self)
    scale = _scale(norm, _FORWARD)
    dim, n = _one_dim(self, n, dim)
    return _r2c(_resized(_promoted(self, False), [dim], [n]), (dim,), scale)


def _real_size(x, n, dim):
    if x.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, x.ndim)
    size = 2 * (x.shape[dim] - 1) if n is None else n
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    return dim, size


@_register("irfft", _SINGLE, ">>> torch.fft.irfft(torch.tensor([1., 1.]))\n    tensor([1., 0.])",
           "The inverse of rfft; n (default 2 (size - 1)) is the length of the real result.")
def irfft(self, n, dim, norm):
    scale = _scale(norm, _INVERSE)
    dim, n = _real_size(self, n, dim)
    return _half_inverse(_promoted(self, True), [dim], n, scale, [])


@_register("hfft", _SINGLE, ">>> torch.fft.hfft(torch.tensor([1., 1.]))\n    tensor([2., 0.])",
           "fft of a Hermitian signal given by its first half: real.")
def hfft(self, n, dim, norm):
    scale = _scale(norm, _FORWARD)
    dim, n = _real_size(self, n, dim)
    return _half_inverse(_promoted(self, True).conj(), [dim], n, scale, [])


@_register("ihfft", _SINGLE, ">>> torch.fft.ihfft(torch.tensor([2., 0.]))\n    tensor([1.-0.j, 1.-0.j])",
           "The inverse of hfft.")
def ihfft(self, n, dim, norm):
    _real_only("ihfft", self)
    scale = _scale(norm, _INVERSE)
    dim, n = _one_dim(self, n, dim)
    return _r2c(_resized(_promoted(self, False), [dim], [n]), (dim,), scale).conj()


def _fftn(self, s, dim, norm):
    scale = _scale(norm, _FORWARD)
    return _complex_transform(self, *_many_dims(self, s, dim), scale, True)


def _ifftn(self, s, dim, norm):
    scale = _scale(norm, _INVERSE)
    return _complex_transform(self, *_many_dims(self, s, dim), scale, False)


def _rfftn(self, s, dim, norm):
    _real_only("rfftn", self)
    scale = _scale(norm, _FORWARD)
    dims, sizes = _many_dims(self, s, dim)
    if not dims:
        raise RuntimeError("rfftn must transform at least one axis")
    return _r2c(_resized(_promoted(self, False), dims, sizes), tuple(dims), scale)


def _half_dims(name, x, s, dim):
    """Dims, sizes of all but the last, and the real size of the last."""
    dims, sizes = _many_dims(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = 2 * (x.shape[dims[-1]] - 1) if s is None or s[-1] == -1 else s[-1]
    if last < 1:
        raise RuntimeError(f"Invalid number of data points ({last}) specified")
    return dims, sizes[:-1], last


def _irfftn(self, s, dim, norm):
    scale = _scale(norm, _INVERSE)
    dims, sizes, last = _half_dims("irfftn", self, s, dim)
    return _half_inverse(_promoted(self, True), dims, last, scale, sizes)


def _hfftn(self, s, dim, norm):
    scale = _scale(norm, _FORWARD)
    dims, sizes, last = _half_dims("hfftn", self, s, dim)
    x = _resized(_promoted(self, True), dims, [*sizes, last // 2 + 1])
    if len(dims) > 1:
        x = _c2c(x, tuple(dims[:-1]), scale, True)
    return _c2r(x.conj(), (dims[-1],), scale, last)


def _ihfftn(self, s, dim, norm):
    _real_only("ihfftn", self)
    scale = _scale(norm, _INVERSE)
    dims, sizes = _many_dims(self, s, dim)
    if not dims:
        raise RuntimeError("ihfftn must transform at least one axis")
    x = _r2c(_resized(_promoted(self, False), dims, sizes), (dims[-1],), scale).conj()
    return _c2c(x, tuple(dims[:-1]), scale, False) if len(dims) > 1 else x


def _example(name):
    size = 4 if name.startswith(("irfft", "hfft")) else 2  # of the last dim of the result
    given = size // 2 + 1 if size == 4 else 2
    return f"\n\n    >>> torch.fft.{name}(torch.ones(2, {given})).shape\n    torch.Size([2, {size}])\n    "


def _several():
    """The transforms over two dims and over any dims."""
    table = {"fft": (_fftn, "The discrete Fourier transform"), "ifft": (_ifftn, "The inverse Fourier transform"),
             "rfft": (_rfftn, "The Fourier transform of real input, half of the last dim,"),
             "irfft": (_irfftn, "The inverse of rfftn, real,"), "hfft": (_hfftn, "The transform of a Hermitian signal"),
             "ihfft": (_ihfftn, "The inverse of hfftn")}
    for name, (function, words) in table.items():
        def many(self, s, dim, norm, function=function):
            return function(self, s, dim, norm)
        many.__doc__ = f"{words} over dims `dim` (all, or the last len(s)) resized to `s`.{_example(name + 'n')}"
        operator(f"fft_{name}n(Tensor self, {_MANY}", **_FFT)(many)

        def plane(self, s, dim, norm, function=function):
            return function(self, s, dim, norm)
        plane.__doc__ = f"{words} over two dims resized to `s`.{_example(name + '2')}"
        operator(f"fft_{name}2(Tensor self, {_PLANE}", **_FFT)(plane)


_several()


@operator("fft_fftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
          "bool? pin_memory=None) -> Tensor", **_FFT)
def fftfreq(n, d, dtype, layout, device, pin_memory):
    """The frequencies of fft's entries, for n samples d apart.

    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    frequencies = torch.arange(n, dtype=dtype or torch.get_default_dtype(), device=device)
    half = (n + 1) // 2
    frequencies[half:] -= n
    return frequencies.mul_(1.0 / (n * d) if n else 1.0)


@operator("fft_rfftfreq(int n, float d=1.0, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
          "bool? pin_memory=None) -> Tensor", **_FFT)
def rfftfreq(n, d, dtype, layout, device, pin_memory):
    """The frequencies of rfft's entries, for n samples d apart.

    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return torch.arange(n // 2 + 1, dtype=dtype or torch.get_default_dtype(), device=device).mul_(
        1.0 / (n * d) if n else 1.0)


@operator("fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", namespace="fft", out=False)
def fftshift(self, dim):
    """Zero frequency moved to the middle of each dim.

    >>> torch.fft.fftshift(torch.arange(4))
    tensor([2, 3, 0, 1])
    """
    dims = list(range(self.ndim)) if dim is None else [wrap_dim(one, self.ndim) for one in dim]
    return self.roll([self.shape[one] // 2 for one in dims], dims) if dims else self.clone()


@operator("fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", namespace="fft", out=False)
def ifftshift(self, dim):
    """The inverse of fftshift.

    >>> torch.fft.ifftshift(torch.tensor([2, 3, 0, 1]))
    tensor([0, 1, 2, 3])
    """
    dims = list(range(self.ndim)) if dim is None else [wrap_dim(one, self.ndim) for one in dim]
    return self.roll([(self.shape[one] + 1) // 2 for one in dims], dims) if dims else self.clone()


