"""The printed text of tensors: notation, widths, wrapping, summaries, suffixes and options."""
import math

import pytest

import flambeau as torch


@pytest.fixture(autouse=True)
def default_options():
    torch.set_printoptions(profile="default")
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("value, text", [
    (3.0, "tensor(3.)"),
    (1e-7, "tensor(1.0000e-07)"),
    ([0.1, 22.5, -3.0], "tensor([ 0.1000, 22.5000, -3.0000])"),
    ([1.0, 1e5], "tensor([1.0000e+00, 1.0000e+05])"),
    ([math.inf, math.nan, -math.inf, 0.0], "tensor([inf, nan, -inf, 0.])"),
    ([math.nan, 1.5], "tensor([   nan, 1.5000])"),
    ([-0.0, 1.0], "tensor([-0., 1.])"),
    ([[1.0, 2.5], [-3.0, 4.0]], "tensor([[ 1.0000,  2.5000],\n        [-3.0000,  4.0000]])"),
    ([1, -100, 20], "tensor([   1, -100,   20])"),
    ([True, False], "tensor([ True, False])"),
    ([], "tensor([])"),
    ([[], []], "tensor([], size=(2, 0))"),
    ([1 + 2j, -3.5 - 4.25j], "tensor([ 1.0000+2.0000j, -3.5000-4.2500j])"),
])
def test_values(value, text):
    assert repr(torch.tensor(value)) == text
    assert str(torch.tensor(value)) == text


def test_dtype_suffix():
    assert repr(torch.ones(2, dtype=torch.float64)) == "tensor([1., 1.], dtype=torch.float64)"
    assert repr(torch.zeros(0, dtype=torch.int64)) == "tensor([], dtype=torch.int64)"
    assert repr(torch.arange(2)) == "tensor([0, 1])"


def test_autograd_suffix():
    x = torch.tensor([1.0, 2.5], requires_grad=True)
    assert repr(x) == "tensor([1.0000, 2.5000], requires_grad=True)"
    assert repr(x + 1) == "tensor([2.0000, 3.5000], grad_fn=<AddBackward0>)"
    assert repr(x.detach()) == "tensor([1.0000, 2.5000])"


def test_summary():
    assert repr(torch.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert repr(torch.arange(2000).reshape(40, 50)).splitlines()[3] == "        ...,"


def test_line_wrapping():
    torch.set_printoptions(linewidth=40)
    assert repr(torch.arange(9.0) / 3) == ("tensor([0.0000, 0.3333, 0.6667, 1.0000,\n        1.3333, 1.6667, 2.0000, "
                                           "2.3333,\n        2.6667])")
    assert repr(torch.tensor([-1e-6], dtype=torch.float64)) == "tensor([-1.0000e-06],\n       dtype=torch.float64)"


def test_options():
    x = torch.arange(6.0) / 3
    torch.set_printoptions(precision=2)
    assert repr(x) == "tensor([0.00, 0.33, 0.67, 1.00, 1.33, 1.67])"
    torch.set_printoptions(profile="default", edgeitems=1, threshold=5)
    assert repr(x) == "tensor([0.0000,  ..., 1.6667])"
    torch.set_printoptions(profile="default", sci_mode=True)
    assert repr(torch.tensor(2.0)) == "tensor(2.0000e+00)"


def test_format():
    assert f"{torch.tensor(1.23456):.2f}" == "1.23"
    assert f"{torch.tensor(42):>6}" == "    42"


def test_subclass():
    class Named(torch.Tensor):
        pass

    assert repr(torch.ones(2).as_subclass(Named)) == "Named([1., 1.])"
