"""Pooling against windows written out one by one, its gradients, layouts, names of nodes and errors."""

import itertools
import math

import pytest

import flambeau as torch
import flambeau.nn.functional as F

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
SPATIAL = {1: (11,), 2: (7, 6), 3: (5, 4, 6)}


def shuffled(*sizes, dtype=torch.float32):
    """Distinct numbers in no order, negative ones among them."""
    n = math.prod(sizes)
    return torch.tensor([(k * 7919) % 10007 / 64 - 70 for k in range(n)], dtype=dtype).reshape(sizes)


def count(size, kernel, stride, pad, dilation, ceil):
    span = size + 2 * pad - dilation * (kernel - 1) - 1
    n = (-(-span // stride) if ceil else span // stride) + 1
    return n - 1 if ceil and (n - 1) * stride >= size + pad else n


def planes(x, nd):
    return x.reshape(-1, math.prod(x.shape[-nd:])).tolist()


def flat_index(place, sizes):
    at = 0
    for p, s in zip(place, sizes):
        at = at * s + p
    return at


def pooled(x, nd, kernel, stride, pad, dilation, ceil):
    """For every plane of x, the places in and out of bounds of each window, as (flat indices, padded extent)."""
    sizes = x.shape[-nd:]
    out = [count(s, kernel, stride, pad, dilation, ceil) for s in sizes]
    for at in itertools.product(*map(range, out)):
        axes = [[a * stride - pad + k * dilation for k in range(kernel)] for a in at]
        padded = math.prod(min(a * stride - pad + kernel, s + pad) - (a * stride - pad) for a, s in zip(at, sizes))
        inside = [flat_index(p, sizes) for p in itertools.product(*axes) if all(0 <= q < s for q, s in zip(p, sizes))]
        yield inside, padded


SETTINGS = [(2, 2, 0, 1, False), (3, 2, 1, 1, False), (3, 2, 1, 1, True), (2, 1, 0, 2, False), (2, 3, 1, 1, True)]


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("kernel, stride, pad, dilation, ceil", SETTINGS)
def test_max_pool_takes_the_largest_of_each_window(nd, kernel, stride, pad, dilation, ceil):
    x = shuffled(2, 3, *SPATIAL[nd])
    values, indices = MAX[nd](x, kernel, stride, pad, dilation, ceil, return_indices=True)
    windows = [w for w, _ in pooled(x, nd, kernel, stride, pad, dilation, ceil)]
    places = [[max(w, key=plane.__getitem__) for w in windows] for plane in planes(x, nd)]
    assert planes(indices, nd) == places
    assert planes(values, nd) == [[plane[k] for k in row] for plane, row in zip(planes(x, nd), places)]
    assert torch.equal(MAX[nd](x, kernel, stride, pad, dilation, ceil), values)
    assert torch.equal(MAX[nd](x[1], kernel, stride, pad, dilation, ceil), values[1])


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("kernel, stride, pad, dilation, ceil", [s for s in SETTINGS if s[3] == 1])
@pytest.mark.parametrize("include", [True, False])
def test_avg_pool_takes_the_mean_of_each_window(nd, kernel, stride, pad, dilation, ceil, include):
    x = shuffled(2, 3, *SPATIAL[nd], dtype=torch.float64)
    y = AVG[nd](x, kernel, stride, pad, ceil, include)
    windows = list(pooled(x, nd, kernel, stride, pad, 1, ceil))
    expected = [[sum(plane[k] for k in w) / (n if include else len(w)) for w, n in windows] for plane in planes(x, nd)]
    torch.testing.assert_close(y.reshape(6, -1), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(AVG[nd](x[0], kernel, stride, pad, ceil, include), y[0])
    if nd > 1:
        override = AVG[nd](x, kernel, stride, pad, ceil, include, divisor_override=5)
        sums = [[sum(plane[k] for k in w) / 5 for w, _ in windows] for plane in planes(x, nd)]
        torch.testing.assert_close(override.reshape(6, -1), torch.tensor(sums, dtype=torch.float64))


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_adaptive_pools_divide_the_input(nd, size):
    x = shuffled(2, 3, *SPATIAL[nd], dtype=torch.float64)
    sizes = x.shape[-nd:]
    parts = [[range(k * s // size, -(-(k + 1) * s // size)) for k in range(size)] for s in sizes]
    windows = [[flat_index(p, sizes) for p in itertools.product(*part)] for part in itertools.product(*parts)]
    mean = [[sum(plane[k] for k in w) / len(w) for w in windows] for plane in planes(x, nd)]
    torch.testing.assert_close(ADAPTIVE_AVG[nd](x, size).reshape(6, -1), torch.tensor(mean, dtype=torch.float64))
    values, indices = ADAPTIVE_MAX[nd](x, size, return_indices=True)
    assert planes(values, nd) == [[max(plane[k] for k in w) for w in windows] for plane in planes(x, nd)]
    assert planes(indices, nd) == [[max(w, key=plane.__getitem__) for w in windows] for plane in planes(x, nd)]


def test_adaptive_sizes_of_none_keep_a_dimension():
    x = shuffled(2, 3, 7, 6)
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 7, 2)
    assert F.adaptive_max_pool2d(x, (3, None)).shape == (2, 3, 3, 6)
    assert F.adaptive_avg_pool3d(x[None], (None, 2, None)).shape == (1, 2, 3, 2, 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int16, torch.int64])
def test_max_pool_of_other_types(dtype):
    x = torch.arange(32).reshape(2, 4, 4).to(dtype)
    y = F.max_pool2d(x, 2)
    assert y.dtype == dtype and y.tolist() == [[[5, 7], [13, 15]], [[21, 23], [29, 31]]]


def test_integer_averages_truncate():
    assert F.avg_pool2d(torch.tensor([[[-3, 2], [-5, 1]]]), 2).tolist() == [[[-1]]]


def test_nan_wins_and_minus_infinity_is_found():
    nan, inf = math.nan, math.inf
    x = torch.tensor([[[1.0, nan, -inf, -inf]]])
    values, indices = F.max_pool1d(x, 2, return_indices=True)
    assert math.isnan(values[0, 0, 0]) and values[0, 0, 1] == -inf
    assert indices.tolist() == [[[1, 2]]]


FUNCTIONS = [
    lambda x: F.max_pool2d(x, 3, 2, 1),
    lambda x: F.max_pool2d(x, 2, 1, dilation=2, ceil_mode=True),
    lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
    lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    lambda x: F.adaptive_avg_pool2d(x, 1),
    lambda x: F.adaptive_max_pool2d(x, (3, 2)),
    lambda x: F.max_pool1d(x[0], 2),
    lambda x: F.avg_pool1d(x[0], 3, 2, 1),
    lambda x: F.adaptive_avg_pool1d(x[0], 4),
    lambda x: F.adaptive_max_pool1d(x[0], 4),
    lambda x: F.max_pool3d(x, 2),
    lambda x: F.avg_pool3d(x, 2, 1, 1),
    lambda x: F.adaptive_avg_pool3d(x, 2),
    lambda x: F.adaptive_max_pool3d(x, 2),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_gradients_twice(function, format):
    x = shuffled(2, 3, 5, 6, dtype=torch.float64).contiguous(memory_format=format).requires_grad_()
    assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.gradgradcheck(function, (x,))


def test_names_of_nodes():
    x = shuffled(2, 3, 6, 6).requires_grad_()
    names = {
        "MaxPool2DWithIndicesBackward0": F.max_pool2d(x, 2), "AvgPool2DBackward0": F.avg_pool2d(x, 2),
        "AdaptiveAvgPool2DBackward0": F.adaptive_avg_pool2d(x, 2), "MeanBackward1": F.adaptive_avg_pool2d(x, 1),
        "AdaptiveMaxPool2DBackward0": F.adaptive_max_pool2d(x, 2), "MaxPool3DWithIndicesBackward0": F.max_pool3d(x, 2),
        "AvgPool3DBackward0": F.avg_pool3d(x, 2), "AdaptiveAvgPool3DBackward0": F.adaptive_avg_pool3d(x, 2),
        "AdaptiveMaxPool3DBackward0": F.adaptive_max_pool3d(x, 2), "SqueezeBackward1": F.max_pool1d(x[0], 2),
    }
    assert {name: y.grad_fn.name() for name, y in names.items()} == {name: name for name in names}
    (g,) = torch.autograd.grad(F.max_pool2d(x, 2).square().sum(), x, create_graph=True)
    assert g.grad_fn.name() == "MaxPool2DWithIndicesBackwardBackward0"


@pytest.mark.parametrize("function", FUNCTIONS[:5] + FUNCTIONS[6:7])
def test_channels_last_inputs_give_channels_last_results_and_gradients(function):
    x = shuffled(2, 3, 7, 6)
    y = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    out = function(y)
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, function(x))
    out.sum().backward()
    assert y.grad.is_contiguous(memory_format=torch.channels_last)


def test_strided_inputs():
    x = shuffled(2, 3, 12, 10)[:, :, ::2].transpose(2, 3)
    for function in FUNCTIONS[:7]:
        torch.testing.assert_close(function(x), function(x.contiguous()), rtol=0, atol=0)


def test_empty_batches_and_results():
    x = torch.zeros(0, 3, 8, 8, requires_grad=True)
    for function in FUNCTIONS[:5]:
        y = function(x)
        assert y.shape[:2] == (0, 3)
        y.sum().backward()
    assert x.grad.shape == x.shape
    y = torch.ones(1, 1, 4, 4, requires_grad=True)
    F.adaptive_max_pool2d(y, 0).sum().backward()
    assert y.grad.abs().sum() == 0


def test_out():
    x, nn = shuffled(1, 2, 4, 4), torch._C._nn
    values, indices = torch.empty(0), torch.empty(0, dtype=torch.int64)
    result = nn.max_pool2d_with_indices(x, 2, out=(values, indices))
    assert result[0] is values and values.shape == indices.shape == (1, 2, 2, 2)
    assert torch.equal(nn.avg_pool2d(x, 2, out=torch.empty(0)), F.avg_pool2d(x, 2))
    with pytest.raises(RuntimeError, match="dtype"):
        nn.avg_pool2d(x, 2, out=torch.empty(0, dtype=torch.float64))


@pytest.mark.parametrize("call, message", [
    (lambda x: F.max_pool2d(x, [2, 2, 2]), "kernel_size must either be a single int, or a tuple of two ints"),
    (lambda x: F.max_pool2d(x, 2, 0), "stride should not be zero"),
    (lambda x: F.max_pool2d(x, 2, padding=-1), "pad must be non-negative"),
    (lambda x: F.avg_pool2d(x, 2, padding=2), "pad should be at most half of effective kernel size"),
    (lambda x: F.max_pool2d(x, 9), r"Given input size: \(3x7x6\). Calculated output size: .* Output size is too small"),
    (lambda x: F.max_pool2d(x[:, :0], 2), "with optional 0 dim batch size for input, but got:"),
    (lambda x: F.max_pool2d(x[0, 0], 2), "non-empty 3D or 4D .batch mode. tensor expected"),
    (lambda x: F.max_pool1d(x[0], 2, dilation=0), "dilation must be greater than zero, but got 0"),
    (lambda x: F.avg_pool1d(x, 2), "Expected 2 to 3 dimensions, but got 4-dimensional"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
    (lambda x: F.avg_pool3d(x, 8), r"input image \(T: 3 H: 7 W: 6\) smaller than kernel size"),
    (lambda x: F.adaptive_avg_pool2d(x, (1, -1)), "must be greater than or equal to 0"),
    (lambda x: F.adaptive_max_pool2d(x[:, :, :0], 2), "Expected input to have non-zero size for non-batch dimensions"),
])
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(shuffled(2, 3, 7, 6))


def test_types_without_pooling():
    x = torch.ones(1, 4, 4)
    for y, f in ((x.to(torch.complex64), F.max_pool2d), (x.bool(), F.max_pool2d), (x.int(), F.avg_pool2d)):
        with pytest.raises(NotImplementedError, match="not implemented for"):
            f(y, 2)
