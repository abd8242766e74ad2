"""torch.fft, stft and windows against NumPy."""

import numpy
import pytest

import flambeau as torch

REAL = numpy.random.default_rng(0).standard_normal((3, 6, 5))
COMPLEX = REAL + 1j * numpy.random.default_rng(1).standard_normal((3, 6, 5))


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 4, 9])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_dim(name, n, norm):
    x = REAL if name in ("rfft", "ihfft") else COMPLEX
    ours = getattr(torch.fft, name)(torch.from_numpy(x), n, 1, norm)
    theirs = getattr(numpy.fft, name)(x, n, 1, norm)
    numpy.testing.assert_allclose(ours.resolve_conj().numpy(), theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"])
def test_many_dims(name):
    x = REAL if name.startswith("r") else COMPLEX
    ours = getattr(torch.fft, name)(torch.from_numpy(x), s=(4, 7), dim=(0, 2), norm="ortho")
    theirs = getattr(numpy.fft, name)(x, s=(4, 7), axes=(0, 2), norm="ortho")
    numpy.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-12)


def test_hermitian_pairs_are_inverse():
    x = torch.from_numpy(REAL)
    assert torch.allclose(torch.fft.hfftn(torch.fft.ihfftn(x), s=x.shape), x)
    assert torch.allclose(torch.fft.hfft2(torch.fft.ihfft2(x), s=x.shape[1:]), x)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_gradients(name):
    start = REAL if name in ("rfft", "ihfft") else COMPLEX
    x = torch.from_numpy(start[0]).requires_grad_()
    transform = getattr(torch.fft, name)
    result = transform(x)
    weight = torch.from_numpy(numpy.random.default_rng(2).standard_normal(tuple(result.shape)))

    def loss(x):
        return (transform(x).abs().square() * weight).sum()

    loss(x).backward()
    along = torch.from_numpy(start[1])
    with torch.no_grad():
        slope = (loss(x + 1e-6 * along) - loss(x - 1e-6 * along)) / 2e-6
        ours = (x.grad.conj() * along).sum()
    assert float(ours.real) == pytest.approx(float(slope), rel=1e-5)


def test_dtypes():
    assert torch.fft.fft(torch.ones(4)).dtype == torch.complex64
    assert torch.fft.fft(torch.ones(4, dtype=torch.int64)).dtype == torch.complex64
    assert torch.fft.irfft(torch.ones(4, dtype=torch.complex128)).dtype == torch.float64


@pytest.mark.parametrize("call, error, message", [
    (lambda: torch.fft.fft(torch.ones(3), 0), RuntimeError, "Invalid number of data points"),
    (lambda: torch.fft.fft(torch.ones(3), norm="x"), RuntimeError, "Invalid normalization mode"),
    (lambda: torch.fft.fft(torch.tensor(1.0)), IndexError, "has no dimensions"),
    (lambda: torch.fft.rfft(torch.ones(3) + 0j), RuntimeError, "expects a real input"),
    (lambda: torch.fft.fftn(torch.ones(3), dim=(0, 0)), RuntimeError, "must be unique"),
    (lambda: torch.fft.fft(torch.ones(3).half()), RuntimeError, "Unsupported dtype Half"),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_shifts_and_frequencies():
    for n in (4, 5):
        numpy.testing.assert_allclose(torch.fft.fftfreq(n, 0.5).numpy(), numpy.fft.fftfreq(n, 0.5))
        numpy.testing.assert_allclose(torch.fft.rfftfreq(n, 0.5).numpy(), numpy.fft.rfftfreq(n, 0.5))
    x = torch.arange(15).reshape(3, 5)
    numpy.testing.assert_array_equal(torch.fft.fftshift(x).numpy(), numpy.fft.fftshift(x.numpy()))
    assert torch.equal(torch.fft.ifftshift(torch.fft.fftshift(x)), x)


def test_windows():
    assert torch.hann_window(4).tolist() == pytest.approx([0, 0.5, 1, 0.5])
    assert torch.bartlett_window(3, periodic=False).tolist() == [0, 1, 0]
    windows = torch.signal.windows
    for ours, theirs in ((windows.hann, numpy.hanning), (windows.hamming, numpy.hamming),
                         (windows.blackman, numpy.blackman), (windows.bartlett, numpy.bartlett)):
        numpy.testing.assert_allclose(ours(7, dtype=torch.float64).numpy(), theirs(7), atol=1e-12)
    kaiser = torch.kaiser_window(6, False, 5.0, dtype=torch.float64)
    numpy.testing.assert_allclose(kaiser.numpy(), numpy.kaiser(6, 5.0), rtol=1e-6)
    with pytest.raises(ValueError, match="non-negative window length"):
        torch.signal.windows.hann(-1)


@pytest.mark.parametrize("center", [True, False])
def test_stft_round_trip(center):
    torch.manual_seed(0)
    x = torch.randn(2, 64, dtype=torch.float64)
    window = torch.hann_window(16, dtype=torch.float64) + 0.1
    spectrum = torch.stft(x, 16, 4, window=window, center=center, return_complex=True)
    assert spectrum.shape == (2, 9, 17 if center else 13)
    assert torch.allclose(torch.istft(spectrum, 16, 4, window=window, center=center, length=64), x)
    frame = torch.fft.rfft(x[0, :16] * window)
    if not center:
        assert torch.allclose(spectrum[0, :, 0], frame)
