"""Type promotion: the whole table of dtypes, what 0-dim tensors and numbers count, and the casts that in-place and out= refuse."""
import itertools

import pytest
from checking import check_errors, check_values

import flambeau as torch

ORDER = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
# Row and column in that order: bool b, uint8 u, int8 1, int16 2, int32 4, int64 8, float16 h, bfloat16 B, float32 f, float64 d,
# complex64 c, complex128 z.
LETTERS = dict(zip("bu1248hBfdcz", ORDER))
TABLE = """
bu1248hBfdcz
uu2248hBfdcz
121248hBfdcz
222248hBfdcz
444448hBfdcz
888888hBfdcz
hhhhhhhffd%z
BBBBBBfBfdcz
fffffffffdcz
ddddddddddzz
cccccc%cczcz
zzzzzzzzzzzz
""".split()


def test_the_whole_table():
    for row, a in zip(TABLE, ORDER):
        for letter, b in zip(row, ORDER):
            if letter == "%":  # half and complex64
                letter = "c"
            expected = getattr(torch, LETTERS[letter])
            x, y = torch.zeros(2, dtype=getattr(torch, a)), torch.zeros(2, dtype=getattr(torch, b))
            assert torch.promote_types(x.dtype, y.dtype) == expected, (a, b)
            assert torch.result_type(x, y) == expected and (x * y).dtype == expected, (a, b)
            assert torch.where(torch.tensor([True, False]), x, y).dtype == expected, (a, b)
            assert torch.cat([x, y]).dtype == expected, (a, b)


def test_promotion_is_commutative_and_associative_enough():
    for a, b in itertools.product(ORDER, repeat=2):
        a, b = getattr(torch, a), getattr(torch, b)
        c = torch.promote_types(a, b)
        assert c == torch.promote_types(b, a) and torch.promote_types(a, c) == c and torch.can_cast(a, c)


# A number or a 0-dim tensor changes the dtype of a tensor with dimensions only to a higher kind: bool < integer < floating < complex.
@pytest.mark.parametrize("dtype, number, expected", [
    ("uint8", True, "uint8"), ("uint8", 3, "uint8"), ("uint8", 1.5, "float32"), ("uint8", 1j, "complex64"),
    ("bool", True, "bool"), ("bool", 3, "int64"), ("bool", 1.5, "float32"), ("bool", 1j, "complex64"),
    ("int64", 1.5, "float32"), ("float16", 3, "float16"), ("float16", 1.5, "float16"), ("bfloat16", 1.5, "bfloat16"),
    ("bfloat16", 1j, "complex64"), ("float32", 1j, "complex64"), ("float64", 1j, "complex128"), ("complex64", 1.5, "complex64"),
])
def test_numbers_and_0_dim_tensors(dtype, number, expected):
    x, expected = torch.ones(2, dtype=getattr(torch, dtype)), getattr(torch, expected)
    assert (x * number).dtype == expected and (number * x).dtype == expected and torch.result_type(x, number) == expected
    assert torch.mul(x, torch.tensor(number)).dtype == expected
    wide = {float: torch.float64, complex: torch.complex128}.get(type(number))
    if wide is not None and not (wide == torch.complex128 and expected == torch.complex128):
        with_dims = torch.promote_types(x.dtype, wide)
        assert (x * torch.tensor([number], dtype=wide)).dtype == with_dims  # with dimensions it counts in full


def test_two_0_dim_tensors_count_in_full():
    assert (torch.tensor(1, dtype=torch.int8) + torch.tensor(1)).dtype == torch.int64
    assert (torch.tensor(1.0) + torch.tensor(1.0, dtype=torch.float64)).dtype == torch.float64
    assert (torch.tensor(1, dtype=torch.uint8) + 300).dtype == torch.uint8


# Operators with rules of their own, by the dtype of their operands.
RULES = [
    ("(torch.tensor([7]) / torch.tensor([2]))", "tensor([3.5000])"),
    ("torch.tensor([7], dtype=torch.int8) // 2", "tensor([3], dtype=torch.int8)"),
    ("torch.tensor([-7]) // 2, torch.tensor([-7]) % 2", "(tensor([-4]), tensor([1]))"),
    ("torch.div(torch.tensor([-7]), 2, rounding_mode='trunc')", "tensor([-3])"),
    ("torch.tensor([True]) / True", "tensor([1.])"),
    ("torch.tensor([2]) ** 2, torch.tensor([2]) ** 0.5", "(tensor([4]), tensor([1.4142]))"),
    ("torch.tensor([1, 2]).sum(), torch.tensor([True, True]).sum()", "(tensor(3), tensor(2))"),
    ("torch.tensor([1, 2], dtype=torch.uint8).sum().dtype, torch.tensor([1, 2], dtype=torch.uint8).prod().dtype",
     "(torch.int64, torch.int64)"),
    ("torch.tensor([1, 2], dtype=torch.int8).cumsum(0).dtype, torch.tensor([True]).cumsum(0).dtype", "(torch.int64, torch.int64)"),
    ("torch.tensor([1.0, 2.0], dtype=torch.float16).sum().dtype, torch.tensor([1, 2]).sum(dtype=torch.int8).dtype",
     "(torch.float16, torch.int8)"),
    ("torch.tensor([1, 2], dtype=torch.int8).max().dtype, torch.tensor([1, 2], dtype=torch.int8).argmax().dtype",
     "(torch.int8, torch.int64)"),
    ("torch.sqrt(torch.tensor([4])), torch.sin(torch.tensor([True])).dtype", "(tensor([2.]), torch.float32)"),
    ("torch.floor(torch.tensor([4])).dtype, torch.abs(torch.tensor([3 + 4j]))", "(torch.int64, tensor([5.]))"),
    ("torch.tensor([1]) == torch.tensor([1.0]), (torch.tensor([1j]) != 1).dtype", "(tensor([True]), torch.bool)"),
    ("torch.tensor([1], dtype=torch.uint8) < -1, torch.tensor([200], dtype=torch.uint8) > torch.tensor([-1], dtype=torch.int8)",
     "(tensor([True]), tensor([True]))"),  # the number becomes 255 first
    ("torch.logical_and(torch.tensor([2]), torch.tensor([0.5]))", "tensor([True])"),
    ("torch.tensor([6]) & 3, torch.tensor([True]) & True, torch.tensor([True]) | 2", "(tensor([2]), tensor([True]), tensor([3]))"),
    ("torch.tensor([1]) << 3, torch.tensor([1], dtype=torch.uint8) << 3", "(tensor([8]), tensor([8], dtype=torch.uint8))"),
    ("torch.add(torch.tensor([1]), torch.tensor([1]), alpha=2)", "tensor([3])"),
    ("torch.arange(3) * 1.5, torch.arange(3, dtype=torch.int32) * torch.tensor(2)",
     "(tensor([0.0000, 1.5000, 3.0000]), tensor([0, 2, 4], dtype=torch.int32))"),
    ("torch.where(torch.tensor([True]), 1, 2.0), torch.where(torch.tensor([True]), 1, 2)", "(tensor([1.]), tensor([1]))"),
    ("torch.clamp(torch.tensor([1, 5]), max=2.5), torch.clamp(torch.tensor([1, 5]), max=2)",
     "(tensor([1.0000, 2.5000]), tensor([1, 2]))"),
    ("torch.maximum(torch.tensor([1]), torch.tensor([1.5])), torch.stack([torch.tensor(1), torch.tensor(1.5)]).dtype",
     "(tensor([1.5000]), torch.float32)"),
    ("torch.full((1,), 1).dtype, torch.full((1,), 1.0).dtype, torch.full((1,), True).dtype", "(torch.int64, torch.float32, torch.bool)"),
    ("torch.tensor([1, 2]).to(torch.float32).mean(), torch.tensor([1, 2]).mean(dtype=torch.float64)",
     "(tensor(1.5000), tensor(1.5000, dtype=torch.float64))"),
    ("torch.set_default_dtype(torch.float64); (torch.tensor([1]) / 2).dtype, (torch.tensor([1]) * 1.5).dtype, torch.tensor([1]).sqrt().dtype",
     "(torch.float64, torch.float64, torch.float64)"),
]


def test_operators_with_rules_of_their_own():
    check_values(RULES)


REFUSED = [
    ("torch.tensor([1]).add_(1.5)", RuntimeError, "result type Float can't be cast to the desired output type Long"),
    ("torch.tensor([1]).div_(2)", RuntimeError, "result type Float can't be cast to the desired output type Long"),
    ("torch.tensor([True]).add_(1)", RuntimeError, "result type Long can't be cast to the desired output type Bool"),
    ("torch.tensor([1.0]).mul_(1j)", RuntimeError, "result type ComplexFloat can't be cast to the desired output type Float"),
    ("torch.tensor([1]).sqrt_()", RuntimeError, "result type Float can't be cast to the desired output type Long"),
    ("x = torch.tensor([1]); x += 0.5", RuntimeError, "can't be cast to the desired output type Long"),
    ("torch.add(torch.tensor([1.0]), 1, out=torch.tensor([1]))", RuntimeError,
     "result type Float can't be cast to the desired output type Long"),
    ("torch.add(torch.tensor([1]), torch.tensor([1]), alpha=1.5)", RuntimeError,
     "For integral input tensors, argument alpha must not be a floating point number."),
    ("torch.tensor([True]) - torch.tensor([True])", RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported"),
    ("-torch.tensor([True])", RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported"),
    ("torch.tensor([1]).mean()", RuntimeError, "mean(): could not infer output dtype. Input dtype must be either a floating point or complex"),
    ("torch.tensor([1j]) < 1", NotImplementedError, "not implemented for 'ComplexFloat'"),
    ("torch.tensor([1.5]) & 1", NotImplementedError, "not implemented for 'Float'"),
    ("torch.tensor([2]) ** -1", RuntimeError, "Integers to negative integer powers are not allowed."),
    ("torch.matmul(torch.ones(2, 2), torch.ones(2, 2, dtype=torch.float64))", RuntimeError, "to have the same dtype"),
    ("torch.tensor([1]) // 0", RuntimeError, "ZeroDivisionError"),
]


def test_casts_and_kinds_that_are_refused():
    check_errors(REFUSED)


def test_in_place_keeps_the_dtype_where_the_kind_allows():
    for a, b in itertools.product(ORDER, repeat=2):
        x, y = torch.ones(2, dtype=getattr(torch, a)), torch.ones(2, dtype=getattr(torch, b))
        if torch.can_cast(torch.result_type(x, y), x.dtype):
            assert x.mul_(y) is x and x.dtype == getattr(torch, a)
            assert torch.mul(x, y, out=torch.empty(2, dtype=x.dtype)).dtype == x.dtype
        else:
            with pytest.raises(RuntimeError, match="can't be cast"):
                x.mul_(y)
