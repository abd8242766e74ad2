"""Writes in place: they equal the forms that make new tensors, count versions, and leave the operand alone where they fail."""
import pytest
from checking import check_errors, check_values

import flambeau as torch

UNARY = ("abs acos asin atan ceil cos cosh erf erfc exp exp2 expm1 floor frac lgamma log1p neg reciprocal round rsqrt sigmoid sign sin sinh "
         "sqrt square tan tanh trunc logit digamma sinc erfinv asinh atanh nan_to_num").split()
BINARY = "add sub mul div pow remainder fmod atan2 hypot eq ne lt le gt ge copysign nextafter xlogy floor_divide logical_and".split()
WITH_ARGUMENTS = [("clamp", (0.2, 0.6)), ("clamp", (None, 0.5)), ("clip", (0.1,)), ("add", (2,)), ("sub", (0.5,)), ("mul", (3,)), ("div", (2,)), ("pow", (2,)),
                  ("cumsum", (0,)), ("cumprod", (1,)), ("tril", ()), ("triu", (1,)), ("renorm", (2, 0, 0.5)), ("t", ()), ("transpose", (0, 1)),
                  ("squeeze", ()), ("unsqueeze", (0,)), ("swapaxes", (0, 1)), ("fmod", (0.3,)), ("remainder", (0.3,)), ("float_power", (2,))]


def operand(dtype=torch.float64):
    return (torch.arange(1, 13, dtype=torch.float64).reshape(3, 4) / 14).to(dtype)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    for x in (operand(), operand(torch.float32), operand().t(), operand().repeat(2, 2)[::2, 1::2]):
        expected, y, version = getattr(torch, name)(x), x, x._version
        assert getattr(y, name + "_")() is y and torch.equal(y, expected) and y._version == version + 1


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    for other in (operand().flip(0), operand()[0], operand()[:, :1], torch.tensor(0.25, dtype=torch.float64)):
        x = operand()
        expected = getattr(torch, name)(x, other)
        assert getattr(x, name + "_")(other) is x and torch.equal(x, expected.to(x.dtype)) and x._version == 1


@pytest.mark.parametrize("name, args", WITH_ARGUMENTS)
def test_with_arguments(name, args):
    x = operand()
    expected = getattr(x, name)(*args)
    assert getattr(x, name + "_")(*args) is x and x.shape == expected.shape and torch.equal(x, expected) and x._version == 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
                                   torch.float32, torch.complex64])
def test_arithmetic_for_all_dtypes(dtype):
    for name in ("add", "sub", "mul"):
        x, y = torch.tensor([1, 2, 3]).to(dtype), torch.tensor([3, 1, 2]).to(dtype)
        expected = getattr(x, name)(y)
        assert torch.equal(getattr(x, name + "_")(y), expected) and x.dtype == dtype == expected.dtype


def test_augmented_assignment_keeps_the_object():
    x = y = torch.tensor([8.0, 9.0])
    x += 1
    x -= 2
    x *= 3
    x /= 2
    x **= 2
    x //= 3
    x %= 10
    assert x is y and x.tolist() == [6.0, 8.0] and x._version == 7
    i = j = torch.tensor([6])
    i &= 3
    i |= 8
    i ^= 1
    i <<= 2
    i >>= 1
    assert i is j and i.tolist() == [22]


# A failure changes neither elements nor the version.
@pytest.mark.parametrize("write, words", [
    (lambda x: x.add_(torch.ones(2, 2, 3)), "doesn't match the broadcast shape"),
    (lambda x: x.add_(torch.ones(4)), "must match the size of tensor b"),
    (lambda x: x.mul_(1j), "can't be cast"),
    (lambda x: x.copy_(torch.ones(4)), "must match"),
    (lambda x: x[0].copy_(torch.ones(2, 3)), "broadcast shape"),
    (lambda x: x.index_add_(0, torch.tensor([5]), torch.ones(1, 3)), "out of"),
    (lambda x: x.masked_fill_(torch.ones(2, 3), 1.0), "boolean masks"),
    (lambda x: x.fill_(torch.ones(2)), "0-dimension"),
    (lambda x: x.clamp_(), "At least one"),
    (lambda x: x.view(-1)[1:].add_(x.view(-1)[:-1]), "single memory location"),
    (lambda x: x.expand(2, 2, 3).add_(1), "single memory location"),
])
def test_failures_leave_the_operand(write, words):
    x = torch.arange(6.0).reshape(2, 3)
    with pytest.raises((RuntimeError, ValueError, IndexError), match=words):
        write(x)
    assert x.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] and x._version == 0


RULES = [
    # leaves, their windows and no_grad
    ("x = torch.ones(2, requires_grad=True); torch.set_grad_enabled(False); x.add_(1), x.requires_grad", "(tensor([2., 2.], requires_grad=True), True)"),
    ("x = torch.ones(2, requires_grad=True); y = x * 1; y.add_(1); y.sum().backward(); x.grad", "tensor([1., 1.])"),
    ("x = torch.ones(2, requires_grad=True); y = torch.zeros(2); y.add_(x); y.requires_grad, y.is_leaf", "(True, False)"),
    ("x = torch.ones(2); x.add_(1); x.requires_grad_(); x.is_leaf", "True"),
    # versions
    ("x = torch.zeros(2); x.add_(1).mul_(2).zero_(); x._version", "3"),
    ("x = torch.zeros(2); y = x[0]; y.fill_(1); x._version, y._version, x.detach()._version, x.clone()._version", "(1, 1, 1, 0)"),
    ("x = torch.zeros(2); x.data.add_(1); x, x._version", "(tensor([1., 1.]), 0)"),
    # out=
    ("o = torch.empty(0); torch.add(torch.ones(2), 1, out=o) is o, o", "(True, tensor([2., 2.]))"),
    ("o = torch.zeros(2, dtype=torch.float64); torch.add(torch.ones(2), 1, out=o)", "tensor([2., 2.], dtype=torch.float64)"),
    ("o = torch.zeros(3, 2).t(); torch.add(torch.ones(2, 3), 1, out=o).stride()", "(1, 2)"),
    ("o = torch.zeros(4); torch.add(torch.ones(2), 1, out=o[1:3]); o", "tensor([0., 2., 2., 0.])"),
    ("x = torch.arange(4.); torch.mul(x, 2, out=x), x._version", "(tensor([0., 2., 4., 6.]), 1)"),
    # columns beside each other
    ("x = torch.arange(6.).view(2, 3); x[:, 0] += x[:, 1]; x", "tensor([[1., 1., 2.],\n        [7., 4., 5.]])"),
    ("x = torch.arange(6.).view(3, 2); x[:, 0].copy_(x[:, 1]); x", "tensor([[1., 1.],\n        [3., 3.],\n        [5., 5.]])"),
]


def test_rules():
    check_values(RULES)


def test_a_result_of_another_shape_resizes_out_with_a_warning():
    out = torch.zeros(3)
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(torch.ones(2), 1, out=out)
    assert out.tolist() == [2.0, 2.0]


REFUSED = [
    ("torch.ones(2, requires_grad=True).add_(1)", RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation."),
    ("torch.ones(2, requires_grad=True)[0].add_(1)", RuntimeError, "a view of a leaf Variable that requires grad"),
    ("torch.add(torch.ones(2, requires_grad=True), 1, out=torch.empty(2))", RuntimeError, "don't support automatic differentiation"),
    ("torch.add(torch.ones(2), 1, out=torch.empty(2, dtype=torch.int64))", RuntimeError, "can't be cast"),
    ("torch.add(torch.ones(2), 1, out=torch.zeros(1).expand(2))", RuntimeError, "more than one element of the written-to tensor"),
    ("x = torch.ones(3); torch.add(x[1:], 1, out=x[:-1])", RuntimeError, "some elements of the input tensor and the written-to tensor"),
    ("torch.tensor([1], dtype=torch.uint8).fill_(300)", RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("x = torch.arange(4.); x.index_add_(0, torch.tensor([0, 1, 2, 3]), x)", RuntimeError, "single memory location"),
    ("with torch.inference_mode(): x = torch.ones(2)\nx.add_(1)", RuntimeError, "Inplace update to inference tensor outside InferenceMode"),
    ("with torch.inference_mode(): x = torch.ones(2)\nx * torch.ones(2, requires_grad=True)", RuntimeError,
     "Inference tensors cannot be saved for backward"),
    ("with torch.inference_mode(): x = torch.ones(2)\nx._version", RuntimeError, "Inference tensors do not track version counter."),
]


def test_refused():
    check_errors(REFUSED)


def test_inference_tensors():
    with torch.inference_mode():
        x = torch.ones(2, 3)
        x.add_(1)
        y = x.t().reshape(6)
    assert x.is_inference() and y.is_inference() and x[0].is_inference() and not x[0]._is_view()
    assert not x.clone().is_inference() and (x + 1).add_(1)[0, 0] == 4
    with torch.inference_mode():
        assert x.mul_(2)[0, 0] == 4
