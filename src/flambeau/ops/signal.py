"""Windows and short-time Fourier transforms."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from .._operator import operator, plain
from ._common import dtype_name, holds

_OPTIONS = "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor"
_PLAIN: dict[str, Any] = {"method": False, "out": False}


def _window(name, length, periodic, dtype, device, curve):
    """curve(positions, last) over a window; periodic ones are cut from one longer by a point."""
    dtype = dtype or torch.get_default_dtype()
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if length <= 1:
        return torch.ones(length, dtype=dtype, device=device)
    wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    total = length + 1 if periodic else length
    values = curve(torch.arange(total, dtype=wide, device=device), total - 1)
    return (values[:length] if periodic else values).to(dtype)


def _cosines(*coefficients):
    """a0 - a1 cos(2 pi t) + a2 cos(4 pi t) ..."""
    def curve(at, last):
        values = torch.full_like(at, coefficients[0])
        for order, coefficient in enumerate(coefficients[1:], 1):
            values = values + (-1) ** order * coefficient * (at * (2 * math.pi * order / last)).cos()
        return values
    return curve


def _triangle(at, last):
    return 1 - (at * (2 / last) - 1).abs()


def _kaiser(beta):
    def curve(at, last):
        rise = at * (2 / last) - 1
        return torch.i0(beta * (1 - rise * rise).clamp_min(0).sqrt()) / torch.i0(torch.tensor(
            beta, dtype=at.dtype))
    return curve


def _register_window(name, curve, doc):
    def given(length, periodic, dtype, layout, device, pin_memory):
        return _window(name, length, periodic, dtype, device, curve)

    def periodic(length, dtype, layout, device, pin_memory):
        return _window(name, length, True, dtype, device, curve)

    periodic.__doc__ = doc
    made = operator(f"{name}(int window_length, *, {_OPTIONS}", **_PLAIN)(periodic)
    made.overload(f"{name}.periodic(int window_length, bool periodic, *, {_OPTIONS}")(given)
    return made


bartlett_window = _register_window("bartlett_window", _triangle, """The triangular window; periodic unless told.

    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """)
blackman_window = _register_window("blackman_window", _cosines(0.42, 0.5, 0.08), """Blackman's window.

    >>> torch.blackman_window(2).round()
    tensor([-0., 1.])
    """)
hann_window = _register_window("hann_window", _cosines(0.5, 0.5), """The raised cosine window of von Hann.

    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """)
hamming_window = _register_window("hamming_window", _cosines(0.54, 0.46), """Hamming's window alpha - beta cos.

    >>> torch.hamming_window(2)
    tensor([0.0800, 1.0000])
    """)


@hamming_window.overload(f"hamming_window.periodic_alpha(int window_length, bool periodic, float alpha, *, {_OPTIONS}")
def _(length, periodic, alpha, dtype, layout, device, pin_memory):
    return _window("hamming_window", length, periodic, dtype, device, _cosines(alpha, 0.46))


@hamming_window.overload("hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, "
                         f"float beta, *, {_OPTIONS}")
def _(length, periodic, alpha, beta, dtype, layout, device, pin_memory):
    return _window("hamming_window", length, periodic, dtype, device, _cosines(alpha, beta))


kaiser_window = _register_window("kaiser_window", _kaiser(12.0), """Kaiser's window with shape beta (12).

    >>> torch.kaiser_window(3, False, 0.)
    tensor([1., 1., 1.])
    """)


@kaiser_window.overload(f"kaiser_window.beta(int window_length, bool periodic, float beta, *, {_OPTIONS}")
def _(length, periodic, beta, dtype, layout, device, pin_memory):
    return _window("kaiser_window", length, periodic, dtype, device, _kaiser(beta))


def _padded_window(window, win_length, n_fft, like, name):
    """The window centred in n_fft points."""
    if window is None:
        window = torch.ones(win_length, dtype=like)
    elif window.ndim != 1 or window.shape[0] != win_length:
        raise RuntimeError(f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but got "
                           f"window with size {list(window.shape)}")
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = torch.constant_pad_nd(window, [left, n_fft - win_length - left])
    return window


@plain("stft", method=True)
def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect",
         normalized=False, onesided=None, return_complex=None, align_to_window=None):
    """The short-time Fourier transform of (batches of) signals: (..., frequencies, frames).

    >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    complex_window = window is not None and window.is_complex()
    if return_complex is None:
        if not input.is_complex() and not complex_window:
            raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further "
                               "require that return_complex=True in a future PyTorch release.")
        return_complex = True
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values (got "
                           f"{dtype_name(input.dtype)})")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor (got {input.ndim}D)")
    if align_to_window is not None and center:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    rows = input if input.ndim == 2 else input.unsqueeze(0)
    if center:
        amount = n_fft // 2
        rows = torch._C._nn.pad(rows.unsqueeze(1), [amount, amount], pad_mode).squeeze(1)
    size = rows.shape[-1]
    if not 0 < n_fft <= size:
        raise RuntimeError(f"stft: expected 0 < n_fft < {size}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"stft: expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is None:
        _warn("A window was not provided. A rectangular window will be applied, which is known to cause spectral "
              "leakage. Other windows such as torch.hann_window or torch.hamming_window are recommended to reduce "
              "spectral leakage.")
    shape = _padded_window(window, length, n_fft, rows.dtype, "stft")
    if align_to_window:
        left = (n_fft - length) // 2
        rows = torch.constant_pad_nd(rows, [left, left])
    frames = rows.unfold(-1, n_fft, hop)
    if window is not None or length < n_fft:
        frames = frames * shape
    norm = "ortho" if normalized else None
    onesided = not frames.is_complex() if onesided is None else onesided
    if frames.is_complex():
        if onesided:
            raise RuntimeError("Cannot have onesided output if window or input is complex")
        result = torch.fft.fft(frames, norm=norm)
    else:
        result = torch.fft.rfft(frames, norm=norm) if onesided else torch.fft.fft(frames, norm=norm)
    result = result.transpose(1, 2)
    result = result if input.ndim == 2 else result.squeeze(0)
    return result if return_complex else torch.view_as_real(result)


def _warn(text):
    import warnings
    warnings.warn(text, UserWarning, stacklevel=5)


@operator("istft(Tensor self, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, "
          "bool center=True, bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) "
          "-> Tensor", out=False)
def istft(self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex):
    """The inverse of stft by overlap-add, divided by the windows' summed squares (Griffin and Lim 1984).

    >>> x = torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True)
    >>> torch.istft(x, 4, window=torch.ones(4))
    tensor([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    span = n_fft if win_length is None else win_length
    if not self.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with "
                           "return_complex=True.")
    if self.numel() == 0:
        raise RuntimeError("istft: input tensor cannot be empty.")
    if self.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions (got {self.ndim})")
    if window is None:
        _warn("A window was not provided. A rectangular window will be applied. Please provide the same window used "
              "by stft to make the inversion lossless.")
    onesided = self.shape[-2] != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if self.shape[-2] != wanted:
        raise RuntimeError("istft: expected the frequency dimension (3rd to the last) of the input tensor to match "
                           f"n_fft{' / 2 + 1' if onesided else ''} when onesided={onesided}, but got "
                           f"{self.shape[-2]}")
    if not 0 < hop <= span:
        raise RuntimeError("istft: expected 0 < hop_length <= win_length")
    if not 0 < span <= n_fft:
        raise RuntimeError("istft: expected 0 < win_length <= n_fft")
    if onesided and return_complex:
        raise RuntimeError("istft: cannot have onesided input and complex output")
    if window is not None and window.is_complex() and not return_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    real = torch.float64 if self.dtype == torch.complex128 else torch.float32
    shape = _padded_window(window, span, n_fft, self.dtype if return_complex else real, "istft")
    spectra = (self if self.ndim == 3 else self.unsqueeze(0)).transpose(1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = torch.fft.ifft(spectra, norm=norm)
    elif onesided:
        frames = torch.fft.irfft(spectra, n_fft, norm=norm)
    else:
        frames = torch.fft.irfft(spectra[..., :n_fft // 2 + 1], n_fft, norm=norm)
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    at = (torch.arange(count).unsqueeze(1) * hop + torch.arange(n_fft)).reshape(-1)
    signal = frames.new_zeros((frames.shape[0], total)).index_add(1, at, (frames * shape).flatten(1))
    squares = shape.square().expand(count, n_fft).reshape(-1)
    envelope = squares.new_zeros(total).index_add(0, at, squares)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - n_fft // 2 if center else total
    signal, envelope = signal[:, start:end], envelope[start:end]
    if envelope.numel() and not holds(envelope.abs().min() > 1e-11):
        raise RuntimeError("istft: window overlap add min: 1 is zero somewhere; the signal cannot be recovered there")
    signal = signal / envelope
    missing = end - start - signal.shape[1]
    if missing > 0:
        _warn("The length of signal is shorter than the length parameter. Result is being padded with zeros in the "
              "tail. Please check your center and hop_length settings.")
        signal = torch.constant_pad_nd(signal, [0, missing])
    return signal if self.ndim == 3 else signal.squeeze(0)


# torch.signal.windows


def _signal_window(name):
    """Register torch.signal.windows.NAME; its function gives values from M >= 2 points and the options."""
    def decorate(compute):
        def window(M, *args, sym=True, dtype=None, layout=None, device=None, requires_grad=False, **options):
            if M < 0:
                raise ValueError(f"{name} requires non-negative window length, got M={M}")
            dtype = torch.get_default_dtype() if dtype is None else dtype
            if dtype not in (torch.float32, torch.float64):
                raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
            if layout is not None and layout is not torch.strided:
                raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
            if M == 0:
                return torch.empty((0,), dtype=dtype, device=device, requires_grad=requires_grad)
            result = compute(M, sym, dtype, *args, **options)
            if M == 1:
                result = torch.ones(1, dtype=dtype)
            return result.to(device=device).requires_grad_(requires_grad)
        window.__doc__ = compute.__doc__
        window.__name__ = name
        return plain(name, namespace="signal.windows")(window)
    return decorate


def _points(M, sym, dtype):
    """Positions and the last position of the symmetric window they are cut from."""
    return torch.arange(M, dtype=dtype), max(M - 1 if sym else M, 1)


@_signal_window("exponential")
def exponential(M, sym, dtype, *, center=None, tau=1.0):
    """exp(-|n - center| / tau).

    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    at, last = _points(M, sym, dtype)
    return (-(at - (last / 2 if center is None else center)).abs() / tau).exp()


@_signal_window("cosine")
def cosine(M, sym, dtype):
    """sin(pi (n + 1/2) / M).

    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    at, last = _points(M, sym, dtype)
    return ((at + 0.5) * (math.pi / (last + 1))).sin()


@_signal_window("gaussian")
def gaussian(M, sym, dtype, *, std=1.0):
    """exp(-(n - centre)^2 / (2 std^2)).

    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    at, last = _points(M, sym, dtype)
    return (-((at - last / 2) / std).square() / 2).exp()


@_signal_window("kaiser")
def kaiser(M, sym, dtype, *, beta=12.0):
    """Kaiser's window of shape beta.

    >>> torch.signal.windows.kaiser(3, beta=0.)
    tensor([1., 1., 1.])
    """
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    at, last = _points(M, sym, dtype)
    return _kaiser(beta)(at, last)


@_signal_window("hamming")
def hamming(M, sym, dtype):
    """0.54 - 0.46 cos(2 pi n / (M - 1)).

    >>> torch.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _cosines(0.54, 0.46)(*_points(M, sym, dtype))


@_signal_window("hann")
def hann(M, sym, dtype):
    """0.5 - 0.5 cos(2 pi n / (M - 1)).

    >>> torch.signal.windows.hann(3)
    tensor([0., 1., 0.])
    """
    return _cosines(0.5, 0.5)(*_points(M, sym, dtype))


@_signal_window("blackman")
def blackman(M, sym, dtype):
    """Blackman's window.

    >>> torch.signal.windows.blackman(3).round()
    tensor([-0., 1., -0.])
    """
    return _cosines(0.42, 0.5, 0.08)(*_points(M, sym, dtype))


@_signal_window("bartlett")
def bartlett(M, sym, dtype):
    """The triangular window.

    >>> torch.signal.windows.bartlett(3)
    tensor([0., 1., 0.])
    """
    return _triangle(*_points(M, sym, dtype))


@_signal_window("general_cosine")
def general_cosine(M, sym, dtype, *, a):
    """The sum of (-1)^i a[i] cos(2 pi i n / (M - 1)).

    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, (tuple, list)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return _cosines(*a)(*_points(M, sym, dtype))


@_signal_window("general_hamming")
def general_hamming(M, sym, dtype, *, alpha=0.54):
    """alpha - (1 - alpha) cos(2 pi n / (M - 1)).

    >>> torch.signal.windows.general_hamming(3, alpha=0.5)
    tensor([0., 1., 0.])
    """
    return _cosines(alpha, 1.0 - alpha)(*_points(M, sym, dtype))


@_signal_window("nuttall")
def nuttall(M, sym, dtype):
    """Nuttall's minimum four-term Blackman-Harris window.

    >>> torch.signal.windows.nuttall(3)
    tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])
    """
    return _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411)(*_points(M, sym, dtype))
