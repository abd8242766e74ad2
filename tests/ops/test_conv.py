"""Convolutions: values against a direct NumPy sum, gradients of both orders, layouts, padding, and what is refused."""

import itertools

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def reference(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The convolution as a sum over kernel positions of shifted, strided inputs."""
    nd = w.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * nd)
    n, outputs = x.shape[0], w.shape[0]
    size = [(s - dilation * (k - 1) - 1) // stride + 1 for s, k in zip(x.shape[2:], w.shape[2:])]
    y = np.zeros((n, outputs, *size), dtype=np.result_type(x, w))
    for tap in itertools.product(*map(range, w.shape[2:])):
        window = x[(slice(None), slice(None))
                   + tuple(slice(t * dilation, t * dilation + (s - 1) * stride + 1, stride) for t, s in zip(tap, size))]
        for k in range(outputs):
            first = k // (outputs // groups) * w.shape[1]
            y[:, k] += np.tensordot(window[:, first:first + w.shape[1]], w[(k, slice(None), *tap)], ([1], [0]))
    if bias is not None:
        y += bias.reshape(-1, *[1] * nd)
    return y


def make(*size, dtype=torch.float64, grad=False):
    t = torch.randn(*size, dtype=dtype)
    return t.requires_grad_() if grad else t


def test_small_values():
    y = F.conv1d(torch.arange(5.0).view(1, 1, 5), torch.tensor([[[1.0, 2.0]]]), torch.tensor([10.0]), stride=2)
    assert y.tolist() == [[[12.0, 18.0]]]
    y = F.conv_transpose1d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0, 100.0]]]), stride=2)
    assert y.tolist() == [[[1.0, 10.0, 102.0, 20.0, 200.0]]]
    y = F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)
    assert y.tolist() == [[[[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]]]


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("options", [
    {}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}, {"groups": 2, "padding": 1}, {"stride": 3, "groups": 2, "dilation": 2},
])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-11), (torch.float32, 1e-4), (torch.complex128, 1e-11)])
def test_matches_direct_sum(nd, options, dtype, tolerance):
    torch.manual_seed(nd)
    x, b = make(2, 4, *[7, 6, 8][:nd], dtype=dtype), make(6, dtype=dtype)
    w = make(6, 4 // options.get("groups", 1), *[3, 2, 3][:nd], dtype=dtype)
    got = CONV[nd](x, w, b, **options)
    np.testing.assert_allclose(got.numpy(), reference(x.numpy(), w.numpy(), b.numpy(), **options), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2}, {"dilation": 2, "output_padding": 1}])
def test_transposed_is_the_adjoint(nd, options):
    torch.manual_seed(nd)
    groups = options.get("groups", 1)
    x, w = make(2, 4, *[4, 3, 5][:nd]), make(4, 6 // groups, *[3, 2, 3][:nd])
    y = TRANSPOSED[nd](x, w, **options)
    forward = {k: v for k, v in options.items() if k != "output_padding"}
    other = make(*y.shape)
    back = reference(other.numpy(), w.numpy(), **forward)[(slice(None), slice(None)) + tuple(slice(s) for s in x.shape[2:])]
    assert np.isclose((y * other).sum().item(), (x.numpy() * back).sum())


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients_of_both_orders(nd, transposed, dtype):
    torch.manual_seed(0)
    x, b = make(2, 2, *[4, 3, 3][:nd], dtype=dtype, grad=True), make(2, dtype=dtype, grad=True)
    w = make(2, 1, *[2, 3, 2][:nd], dtype=dtype, grad=True)
    options = {"stride": 2, "padding": 1, "groups": 2}
    if transposed:
        options["output_padding"] = 1
    op = (TRANSPOSED if transposed else CONV)[nd]
    assert torch.autograd.gradcheck(lambda x, w, b: op(x, w, b, **options), (x, w, b))
    if nd < 3:
        assert torch.autograd.gradgradcheck(lambda x, w, b: op(x, w, b, **options), (x, w, b))


def test_same_and_valid_padding():
    x, w = make(2, 3, 7, 6, grad=True), make(4, 3, 3, 2, grad=True)
    y = F.conv2d(x, w, padding="same", dilation=(2, 1))
    assert y.shape == (2, 4, 7, 6)
    padded = F.pad(x, (0, 1, 2, 2))  # the odd one comes after
    assert torch.allclose(y, F.conv2d(padded, w, dilation=(2, 1)))
    assert torch.equal(F.conv2d(x, w, padding="valid"), F.conv2d(x, w))
    assert torch.autograd.gradcheck(lambda x, w: F.conv2d(x, w, padding="same"), (x, w))
    with pytest.raises(RuntimeError, match="padding='same' is not supported for strided convolutions"):
        F.conv2d(x, w, padding="same", stride=2)
    with pytest.raises(RuntimeError, match="Invalid padding string"):
        F.conv2d(x, w, padding="some")


def test_unbatched_and_empty():
    x, w = make(3, 6, 6), make(4, 3, 3, 3)
    assert torch.equal(F.conv2d(x, w), F.conv2d(x[None], w)[0])
    t = make(3, 4, 2, 2)
    assert torch.equal(F.conv_transpose2d(x, t), F.conv_transpose2d(x[None], t)[0])
    none, w = make(0, 3, 6, 6, grad=True), make(4, 3, 3, 3, grad=True)
    y = F.conv2d(none, w)
    assert y.shape == (0, 4, 4, 4)
    y.sum().backward()
    assert none.grad.shape == none.shape and not w.grad.any()


def test_channels_last_follows_input_or_weight():
    x, w = make(2, 4, 5, 5, dtype=torch.float32), make(3, 4, 2, 2, dtype=torch.float32)
    plain = F.conv2d(x, w)
    assert plain.is_contiguous()
    for a, b in ((x.to(memory_format=torch.channels_last), w), (x, w.to(memory_format=torch.channels_last))):
        y = F.conv2d(a, b)
        assert y.stride() == (48, 1, 12, 3)
        assert torch.allclose(y, plain, atol=1e-5)
    one = torch.ones(2, 1, 4, 4)  # both orders at once: the strides of its single channel tell
    assert F.conv2d(one, torch.ones(3, 1, 3, 3)).stride() == (12, 4, 2, 1)
    assert F.conv2d(one.as_strided((2, 1, 4, 4), (16, 1, 4, 1)), torch.ones(3, 1, 3, 3)).stride() == (12, 1, 6, 3)
    assert F.conv2d(x.to(memory_format=torch.channels_last)[0], w).stride() == (16, 4, 1)


def test_strided_operands():
    x, w = make(6, 5, 4, 2).permute(3, 2, 1, 0), make(2, 3, 4, 6).permute(3, 2, 1, 0)
    got = F.conv2d(x, w)
    np.testing.assert_allclose(got.numpy(), reference(x.numpy(), w.numpy()), atol=1e-11)
    rows, w = make(2, 4, 1).expand(2, 4, 6), make(3, 4, 1).expand(3, 4, 2)
    np.testing.assert_allclose(F.conv1d(rows, w).numpy(), reference(rows.numpy(), w.numpy()), atol=1e-11)


def test_integers_and_half():
    x, w = torch.arange(32).view(1, 2, 4, 4), torch.arange(16).view(2, 2, 2, 2)
    for dtype in (torch.int32, torch.int64, torch.uint8):
        y = F.conv2d(x.to(dtype), w.to(dtype))
        assert y.dtype == dtype
        assert y.tolist() == torch.tensor(reference(x.numpy(), w.numpy())).to(dtype).tolist()
    for dtype in (torch.float16, torch.bfloat16):
        y = F.conv2d(x.to(dtype) / 32, w.to(dtype) / 16)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.float().numpy(), reference(x.numpy() / 32, w.numpy() / 16), rtol=0.02)
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        F.conv2d(x.bool(), w.bool())


def test_autocast_takes_the_lower_type():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert F.conv2d(torch.ones(1, 2, 3, 3), torch.ones(2, 2, 2, 2), torch.ones(2)).dtype == torch.bfloat16


def test_gradient_node():
    y = F.conv2d(make(1, 2, 3, 3), make(2, 2, 2, 2, grad=True))
    assert type(y.grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize("call, message", [
    (lambda z: F.conv2d(z(3, 4), z(2, 3, 2, 2)), r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d, but got input of size: \[3, 4\]"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 3, 2, 2)),
     r"Given groups=1, weight of size \[2, 3, 2, 2\], expected input\[1, 4, 4, 4\] to have 3 channels, but got 4 channels instead"),
    (lambda z: F.conv_transpose2d(z(1, 4, 4, 4), z(3, 2, 2, 2)), r"Given transposed=1, weight of size \[3, 2, 2, 2\].* to have 3 channels"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(3, 2, 2, 2), groups=2), "expected weight to be divisible by 2 at dimension 0"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), z(3)), "expected bias to be 1-dimensional with 2 elements"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), stride=0), "non-positive stride is not supported"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), padding=-1), "negative padding is not supported"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), dilation=0), "dilation should be greater than zero"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), groups=0), "non-positive groups is not supported"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 5, 5), padding=(0, 1)),
     r"Calculated padded input size per channel: \(4 x 6\). Kernel size: \(5 x 5\). Kernel size can't be greater than actual input size"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), padding=(1, 2, 3)), "expected padding to be a single integer value or a list of 2 values"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), padding=(1, 2, 3, 4)), "expected padding to be a single integer value or a list of 2 values"),
    (lambda z: F.conv_transpose2d(z(1, 4, 4, 4), z(4, 2, 2, 2), output_padding=1), "output padding must be smaller than either stride or dilation"),
    (lambda z: F.conv_transpose2d(z(1, 4, 1, 1), z(4, 2, 2, 2), padding=3), "Output size is too small"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2), z(2).double()), r"Input type \(float\) and bias type \(double\) should be the same"),
    (lambda z: F.conv2d(z(1, 4, 4, 4), z(2, 4, 2, 2).double()), "expected scalar type Float but found Double"),
])
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(torch.zeros)
