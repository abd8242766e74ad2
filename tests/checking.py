"""Shared by the tests: tables of source lines with what they show or raise, and one line that checks an operator.

    check_values([("torch.ones(2) + 1", "tensor([2., 2.])")])
    check_errors([("torch.ones(2).view(3)", RuntimeError, "is invalid for input of size")])
    check_operator(torch.tanh, np.tanh, (3, 4))
"""
from __future__ import annotations

import ast
import copy
import gc
import math
import operator
import pickle
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as torch

NAMES = {"torch": torch, "nn": torch.nn, "np": np, "copy": copy, "gc": gc, "math": math, "operator": operator, "pickle": pickle,
         "weakref": weakref}


def run(source: str) -> Any:
    """The value of the last expression of the source, after its statements ran. Modes are back at their defaults then."""
    names = dict(NAMES)
    body = ast.parse(source)
    last = body.body.pop()
    torch.manual_seed(0)
    try:
        if not isinstance(last, ast.Expr):
            body.body.append(last)
        exec(compile(body, "<row>", "exec"), names)
        return eval(compile(ast.Expression(last.value), "<row>", "eval"), names) if isinstance(last, ast.Expr) else None
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


def check_values(table: Sequence[tuple[str, str]]) -> None:
    """Every source of the table gives a value with that repr."""
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source, text in table:
            got = repr(run(source))
            if got != text:
                wrong.append((source, got, text))
    assert not wrong


def check_errors(table: Sequence[tuple[str, type[Exception], str]]) -> None:
    """Every source of the table raises that class, exactly, with those words in the message."""
    wrong: list = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source, kind, words in table:
            try:
                wrong.append((source, "no error", repr(run(source))))
            except Exception as error:
                if type(error) is not kind or words not in str(error):
                    wrong.append((source, type(error).__name__, str(error)))
    assert not wrong


def check_operator(ours: Callable, numpys: Callable, *shapes: tuple, low: float = -2.0, high: float = 2.0,
                   dtypes: Sequence = (torch.float32, torch.float64), gradient: bool = True, tolerance: float = 1e-5) -> None:
    """ours and NumPy's function agree on random operands of these shapes, in values and in dtype, contiguous or not; the gradient
    is the slope of the value (twice differentiated too). One line checks an operator.
    """
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(low, high, shape) for shape in shapes]
    for dtype in dtypes:
        operands = [torch.tensor(a, dtype=dtype) for a in arrays]
        expected = np.asarray(numpys(*[t.numpy() for t in operands]))
        for version in (operands, [t.transpose(0, -1).contiguous().transpose(0, -1) if t.dim() else t for t in operands]):
            got = ours(*version)
            assert got.numpy().dtype == expected.dtype, f"{dtype}: {got.dtype}, NumPy has {expected.dtype}"
            np.testing.assert_allclose(got.numpy(), expected, rtol=tolerance, atol=tolerance)
    if gradient:
        operands = [torch.tensor(a, requires_grad=True) for a in arrays]
        assert torch.autograd.gradcheck(ours, operands)
        assert torch.autograd.gradgradcheck(ours, operands)
